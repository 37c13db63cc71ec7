//! Measures how long after a decision its effect is in the answers, and how much the changes slow
//! other queries down.
//!
//! `cargo bench --profile dist --bench change -- [ENTRIES] [CHANGES]`: a daemon with ENTRIES listed
//! addresses (1,000,000) runs on the first processor. The load sends as many queries as the daemon
//! answers, in rounds without changes and with CHANGES of them (50), in turn.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark prints results, reads the clock, and panics where it cannot continue"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use backscatterd::digest::Digest;
use backscatterd::evidence::{Directive, Entry, Order};
use backscatterd::journal::{Append, EmbeddedJournal, Journal};
use backscatterd::relay::Prefix;
use backscatterd::time::{LaboratoryClock, Span, Timestamp};

use wait::happens_within;

#[path = "../support/bound.rs"]
mod bound;
#[path = "../support/wait.rs"]
mod wait;

const PROGRAM: &str = env!("CARGO_BIN_EXE_backscatterd");
const ZONE: &str = include_str!("../../zones/backscatter.toml");
const ORIGIN: &str = "bl.backscatter.example";
/// Sockets of the load, and queries that each of them has in flight.
const SOCKETS: usize = 16;
const WINDOW: usize = 8;
/// A query without an answer after this time is lost.
const PATIENCE: Duration = Duration::from_millis(200);
/// One query in this many is about the address that changes.
const PROBES: u64 = 16;
/// The number of appends that wait for one sync.
const BATCH: usize = 4_096;
const PAUSE: Duration = Duration::from_millis(60);
/// How long the daemon may take to become ready, or to make a checkpoint.
const READY_LIMIT: Duration = Duration::from_secs(600);

/// The shipped zone without slots: a slot is waited for, and is nothing to measure.
fn zone() -> String {
    ZONE.replace("publish_every = \"15m\"", "publish_every = \"0s\"")
}

/// The nth listed address: a permutation of the IPv4 space.
fn address(nth: u32) -> Ipv4Addr {
    let mut hash = nth;
    for multiplier in [0x85eb_ca6b_u32, 0xc2b2_ae35] {
        hash = (hash ^ hash >> 16).wrapping_mul(multiplier);
    }
    Ipv4Addr::from(hash ^ hash >> 16)
}

fn seed(folder: &Path, entries: u32, start: Timestamp) {
    let store = folder.join("journal/journal.redb");
    std::fs::create_dir_all(folder.join("journal")).unwrap();
    let journal = EmbeddedJournal::open(&store, Arc::new(LaboratoryClock::new(start))).unwrap();
    let append = |nth: u32, order: Order| {
        let id = Digest::of(&nth.to_be_bytes());
        let directive = Directive { id, by: "bench".into(), why: "bench".into(), order };
        journal.append(Append { entry: Entry::Directive(directive), report: None })
    };
    append(u32::MAX, Order::AdoptZone { origin: format!("{ORIGIN}."), text: zone() }).wait().unwrap();
    let mut waiting = Vec::with_capacity(BATCH);
    for nth in 0..entries {
        let prefix = Prefix::around(address(nth).into(), 32);
        let order = Order::List {
            origin: format!("{ORIGIN}."),
            prefix,
            code: 2,
            until: start.plus(Span::from_days(28)),
        };
        waiting.push(append(nth, order));
        if waiting.len() == BATCH || nth + 1 == entries {
            waiting.drain(..).for_each(|appending| {
                appending.wait().unwrap();
            });
        }
    }
}

struct Daemon {
    child: Child,
    dns: SocketAddr,
    socket: std::path::PathBuf,
}

impl Daemon {
    fn makes_checkpoint(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        threads.filter_map(Result::ok).any(|thread| {
            std::fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| name.trim() == "checkpoint")
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(folder: &Path) -> Daemon {
    let path = folder.display();
    std::fs::create_dir_all(folder.join("zones")).unwrap();
    std::fs::write(folder.join("zones/zone.toml"), zone()).unwrap();
    let settings = format!(
        "version = 1\nzones_directory = \"{path}/zones\"\n[journal]\ndirectory = \"{path}/journal\"\n[keys]\ndirectory = \"{path}/keys\"\n\
         [smtp]\nhostname = \"trap.example\"\nlisten = [\"127.0.0.1:0\"]\noperator_maildir = \"{path}/operator\"\n\
         [dns]\nlisten = [\"127.0.0.1:0\"]\nthreads = 1\n[http]\nlisten = [\"127.0.0.1:0\"]\n[metrics]\nlisten = []\n[observe]\nenabled = false\n[audit]\ndirectory = \"{path}/audit\"\n\
         [control]\nsocket = \"{path}/control.sock\"\n[clock]\nlaboratory = true\n[log]\nfilter = \"warn,backscatterd::cli=info\"\n"
    );
    std::fs::write(folder.join("conf"), settings).unwrap();
    let mut command = Command::new("taskset");
    command.args(["-c", "0", PROGRAM, "serve", "--config"]).arg(folder.join("conf")).stdin(Stdio::null());
    let log = folder.join("log.txt");
    command.env("NO_COLOR", "1").stderr(std::fs::File::create(&log).unwrap());
    let child = command.spawn().unwrap();
    let mut bound = None;
    happens_within(READY_LIMIT, || {
        bound = bound::addresses(&std::fs::read_to_string(&log).unwrap());
        bound.is_some()
    });
    let Some(bound) = bound else {
        panic!("the daemon is not ready: {}", std::fs::read_to_string(&log).unwrap())
    };
    let daemon = Daemon { child, dns: bound.dns[0], socket: folder.join("control.sock") };
    let ready = happens_within(READY_LIMIT, || {
        let stream = UnixStream::connect(&daemon.socket).unwrap();
        post(stream, "GET", "/readyz", "").starts_with("HTTP/1.1 200")
    });
    assert!(ready, "the fold does not keep up");
    daemon
}

fn post(mut stream: UnixStream, method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: control\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

fn question(id: u16, address: Ipv4Addr) -> Vec<u8> {
    let [a, b, c, d] = address.octets();
    let mut octets = [&id.to_be_bytes()[..], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in format!("{d}.{c}.{b}.{a}.{ORIGIN}").split('.') {
        octets.push(label.len() as u8);
        octets.extend(label.as_bytes());
    }
    octets.extend([0, 0, 1, 0, 1]);
    octets
}

/// The state that the load and the thread that makes changes share.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// The address that changes, as a number.
    probed: AtomicU32,
    /// When the address was first seen listed (index 0) and not listed (index 1), in microseconds
    /// since the round began. Zero means not seen yet.
    seen: [AtomicU64; 2],
}

#[derive(Default)]
struct Load {
    answered: u64,
    lost: u64,
}

/// Sends queries as fast as answers come. One address in ten is listed.
fn load(server: SocketAddr, entries: u32, began: Instant, shared: &Shared) -> Load {
    const PROBE: u16 = 0x8000;
    let sockets: Vec<UdpSocket> = (0..SOCKETS)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(server).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let (mut load, mut nth, mut response) = (Load::default(), 0u64, [0; 512]);
    let mut under_way = [0; SOCKETS];
    let mut heard = [Instant::now(); SOCKETS];
    while !shared.stop.load(Ordering::Relaxed) || under_way.iter().any(|count| *count > 0) {
        for (at, socket) in sockets.iter().enumerate() {
            while let Ok(length) = socket.recv(&mut response) {
                under_way[at] -= 1;
                load.answered += 1;
                heard[at] = Instant::now();
                if length > 7 && response[0] & 0x80 != 0 {
                    let listed = usize::from(response[7] == 0);
                    if shared.seen[listed].load(Ordering::Relaxed) == 0 {
                        shared.seen[listed].store(began.elapsed().as_micros() as u64, Ordering::Relaxed);
                    }
                }
            }
            if under_way[at] > 0 && heard[at].elapsed() > PATIENCE {
                load.lost += std::mem::take(&mut under_way[at]) as u64;
            }
            while under_way[at] < WINDOW && !shared.stop.load(Ordering::Relaxed) {
                nth += 1;
                let octets = if nth.is_multiple_of(PROBES) {
                    question(PROBE, shared.probed.load(Ordering::Relaxed).into())
                } else if nth.is_multiple_of(10) {
                    question(1, address((nth as u32).wrapping_mul(2_654_435_761) % entries))
                } else {
                    question(1, address(u32::MAX - nth as u32))
                };
                if socket.send(&octets).is_err() {
                    break;
                }
                if under_way[at] == 0 {
                    heard[at] = Instant::now();
                }
                under_way[at] += 1;
            }
        }
    }
    load
}

/// Runs one round under load with a number of changes. Returns the load, the length of the round,
/// and for each change the time until an answer showed it, in microseconds.
fn round(daemon: &Daemon, entries: u32, changes: u32, until: Timestamp) -> (Load, Duration, Vec<u64>) {
    let shared = Shared { probed: AtomicU32::new(address(entries).into()), ..Shared::default() };
    let began = Instant::now();
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| load(daemon.dns, entries, began, &shared));
        std::thread::sleep(PAUSE * 5);
        let mut delays = Vec::new();
        for nth in 0..changes.max(50) {
            if nth >= changes {
                // A round without changes lasts as long as one with changes.
                std::thread::sleep(PAUSE);
                continue;
            }
            let [.., high, low] = (nth / 2).to_be_bytes();
            let address = Ipv4Addr::new(185, 99, high, low);
            let listing = nth.is_multiple_of(2);
            shared.probed.store(address.into(), Ordering::Relaxed);
            std::thread::sleep(PAUSE);
            let body = if listing {
                format!(
                    "{{\"decision\":\"list\",\"zone\":\"{ORIGIN}\",\"address\":\"{address}\",\"code\":2,\"until\":\"{until}\",\"by\":\"bench\",\"why\":\"bench\"}}"
                )
            } else {
                format!(
                    "{{\"decision\":\"remove\",\"address\":\"{address}\",\"by\":\"bench\",\"why\":\"bench\"}}"
                )
            };
            let stream = UnixStream::connect(&daemon.socket).unwrap();
            let seen = &shared.seen[usize::from(!listing)];
            seen.store(0, Ordering::Relaxed);
            let asked = began.elapsed().as_micros() as u64;
            let response = post(stream, "POST", "/control/v1/decisions", &body);
            if !response.starts_with("HTTP/1.1 200") {
                println!("{address}: {}", response.lines().last().unwrap_or_default());
                continue;
            }
            while seen.load(Ordering::Relaxed) == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            delays.push(seen.load(Ordering::Relaxed) - asked);
        }
        shared.stop.store(true, Ordering::Relaxed);
        let load = loading.join().unwrap();
        (load, began.elapsed(), delays)
    })
}

fn main() {
    let numbers: Vec<u32> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let entries = numbers.first().copied().unwrap_or(1_000_000);
    let changes = numbers.get(1).copied().unwrap_or(50);
    let folder = tempfile::tempdir().unwrap();
    let start_time: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    // The first start makes the keys and the journal.
    drop(start(folder.path()));
    let began = Instant::now();
    seed(folder.path(), entries, start_time);
    println!("{entries} decisions written in {:.1} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    let daemon = start(folder.path());
    println!("ready after {:.1} s", began.elapsed().as_secs_f64());
    // The first change starts a checkpoint of all entries, which a daemon that has run for a while
    // would not have to make.
    round(&daemon, entries, 2, start_time.plus(Span::from_days(20)));
    let began = Instant::now();
    assert!(happens_within(READY_LIMIT, || !daemon.makes_checkpoint()), "the checkpoint takes too long");
    println!("the checkpoint beside it took {:.1} s", began.elapsed().as_secs_f64());
    for changes in [0, changes, 0, changes] {
        let (load, took, mut delays) = round(&daemon, entries, changes, start_time.plus(Span::from_days(20)));
        delays.sort_unstable();
        let rate = load.answered as f64 / took.as_secs_f64();
        print!(
            "{changes:3} changes: {rate:.0} answers/s, {} lost of {}",
            load.lost,
            load.answered + load.lost
        );
        if let (Some(median), Some(longest)) = (delays.get(delays.len() / 2), delays.last()) {
            print!(
                "; in the answers after {:.2} ms (median), {:.2} ms (longest)",
                *median as f64 / 1e3,
                *longest as f64 / 1e3
            );
        }
        println!();
    }
}
