//! Measures how fast messages are read and classified on one core.
//!
//! `cargo bench --profile dist --bench classify -- FOLDER...` reads every `*.eml` below the folders
//! into memory and classifies all of them repeatedly for five seconds. It prints messages and
//! octets a second of CPU time, the slowest message, and the peak memory.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints results, reads the clock, and panics where it cannot continue"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use backscatterd::classify::{SessionFacts, classify};
use backscatterd::mail::{ReversePath, read};

const PASS_TIME: Duration = Duration::from_secs(5);

fn messages(folder: &Path, found: &mut Vec<PathBuf>) {
    if folder.is_file() {
        return found.push(folder.to_owned());
    }
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "eml") {
            messages(&path, found);
        }
    }
}

/// The CPU time of this process so far, without that of other processes.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // utime and stime, in ticks of 10 ms.
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn peak_memory_kib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim().to_owned()
}

fn main() {
    let mut paths = Vec::new();
    for folder in std::env::args().skip(1).filter(|argument| !argument.starts_with("--")) {
        messages(Path::new(&folder), &mut paths);
    }
    if paths.is_empty() {
        return println!("give folders of *.eml files after --");
    }
    let mail: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let octets: usize = mail.iter().map(Vec::len).sum();
    let session = SessionFacts { reverse_path: Some(ReversePath::Null), ..SessionFacts::default() };
    let mut slowest = (Duration::ZERO, 0);
    for (at, message) in mail.iter().enumerate() {
        // The best of three runs, because a single one may be interrupted.
        let took = (0..3).map(|_| {
            let begun = Instant::now();
            std::hint::black_box(classify(&read(message), &session));
            begun.elapsed()
        });
        slowest = slowest.max((took.min().unwrap(), at));
    }
    let before = peak_memory_kib();
    let (begun, cpu) = (Instant::now(), cpu_time());
    let mut passes = 0;
    while begun.elapsed() < PASS_TIME {
        for message in &mail {
            std::hint::black_box(classify(&read(message), &session));
        }
        passes += 1;
    }
    let spent = (cpu_time() - cpu).as_secs_f64();
    let judged = (mail.len() * passes) as f64;
    println!("{} messages of {} octets, {passes} times", mail.len(), octets / mail.len());
    println!(
        "{:.0} messages/s and {:.1} MB/s of CPU time; slowest {} us ({}); peak memory {} after one pass, {} at the end",
        judged / spent,
        (octets * passes) as f64 / spent / 1e6,
        slowest.0.as_micros(),
        paths[slowest.1].display(),
        before,
        peak_memory_kib()
    );
}
