//! Measures the upload of a donor's list of a million traps: time, memory, and whether every wrong
//! line is reported.
//!
//! `cargo bench --profile dist --bench traps -- [TRAPS] [WRONG]`: a donor uploads TRAPS lines
//! (1,000,000), of which WRONG (1,000) are wrong; then the daemon is restarted.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark prints results, reads the clock, and panics where it cannot continue"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wait::happens_within;

#[path = "../support/bound.rs"]
mod bound;
#[path = "../support/wait.rs"]
mod wait;

const PROGRAM: &str = env!("CARGO_BIN_EXE_backscatterd");
const ZONE: &str = include_str!("../../zones/backscatter.toml");
/// How long the daemon may take to become ready.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// The number of domains that contain the traps.
const DOMAINS: usize = 1_000;

fn command(folder: &Path, arguments: &[&str]) -> String {
    let config = folder.join("c.toml");
    let output = Command::new(PROGRAM).arg("--config").arg(config).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Starts the daemon. Returns its HTTP address and the time until it is ready.
fn start(folder: &Path) -> (Child, SocketAddr, Duration) {
    let begun = Instant::now();
    let log = folder.join("log.txt");
    let child = Command::new(PROGRAM)
        .args(["serve", "--config"])
        .arg(folder.join("c.toml"))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut http = None;
    let ready = happens_within(READY_LIMIT, || {
        let bound = bound::addresses(&std::fs::read_to_string(&log).unwrap());
        http = bound.map(|bound| bound.http[0]);
        http.is_some_and(|http| get(http, "/readyz").starts_with("HTTP/1.1 200"))
    });
    let told = || std::fs::read_to_string(&log).unwrap();
    let http = http.filter(|_| ready).unwrap_or_else(|| panic!("the daemon is not ready: {}", told()));
    (child, http, begun.elapsed())
}

fn stop(mut child: Child) {
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(child.wait().unwrap().success());
}

fn get(http: SocketAddr, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(http) else { return String::new() };
    let mut answer = String::new();
    let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// The anonymous memory of the process in octets.
fn own_octets(child: &Child) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", child.id())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let traps = numbers.next().unwrap_or(1_000_000);
    let wrong = numbers.next().unwrap_or(1_000);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("zones")).unwrap();
    std::fs::write(folder.join("zones/backscatter.toml"), ZONE).unwrap();
    let path = folder.display();
    let settings = format!(
        "version = 1\nzones_directory = \"{path}/zones\"\n[journal]\ndirectory = \"{path}/journal\"\n\
         [keys]\ndirectory = \"{path}/keys\"\n[smtp]\nhostname = \"trap.example.org\"\nlisten = [\"127.0.0.1:0\"]\n\
         operator_maildir = \"{path}/operator\"\n[observe]\nenabled = false\n[dns]\nlisten = [\"127.0.0.1:0\"]\nthreads = 1\n\
         [http]\nlisten = [\"127.0.0.1:0\"]\n[metrics]\nlisten = []\n[audit]\ndirectory = \"{path}/audit\"\n[control]\nsocket = \"{path}/control.sock\"\n\
         [log]\nfilter = \"warn,backscatterd::cli=info\"\n"
    );
    std::fs::write(folder.join("c.toml"), settings).unwrap();
    let (child, ..) = start(folder);
    let told = command(folder, &["donor", "set", "isp", "--new-token", "--traps-max", "10000000"]);
    let token = told.split('"').nth(1).unwrap().to_owned();
    stop(child);
    let (child, http, _) = start(folder);
    let empty = own_octets(&child);

    let every = traps / wrong.max(1);
    let is_wrong = |nth: usize| wrong > 0 && nth % every == every / 2 && nth / every < wrong;
    let mut list = String::new();
    for nth in 0..traps {
        if is_wrong(nth) {
            list += "what is this\n";
        } else {
            list += &format!("user{nth}.name{}@trap{}.example\n", nth % 77, nth % DOMAINS);
        }
    }
    let begun = Instant::now();
    let mut stream = TcpStream::connect(http).unwrap();
    write!(
        stream,
        "POST /api/v1/traps HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
        list.len()
    )
    .unwrap();
    stream.write_all(list.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let took = begun.elapsed().as_secs_f64();
    let report: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let found: Vec<u64> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["line"].as_u64().unwrap())
        .collect();
    let expected: Vec<u64> = (0..traps).filter(|&nth| is_wrong(nth)).map(|nth| nth as u64 + 1).collect();
    assert_eq!(found, expected, "the reported lines are not exactly the wrong ones");
    println!(
        "{traps} lines uploaded in {took:.2} s: {} added, {} wrong, each reported",
        report["taken"],
        found.len()
    );
    let during = own_octets(&child);
    stop(child);

    let (child, _, ready) = start(folder);
    let loaded = own_octets(&child);
    println!("restarted in {:.2} s", ready.as_secs_f64());
    let each = |octets: u64| octets.saturating_sub(empty) as f64 / traps as f64;
    println!(
        "memory: {} MiB without the traps, {} MiB after the upload, {} MiB after the restart: {:.0} octets for each trap",
        empty >> 20,
        during >> 20,
        loaded >> 20,
        each(loaded)
    );
    stop(child);
}
