//! Measures how many entries a second the store makes durable while many threads wait: the upper
//! limit for accepted mail.
//!
//! `cargo bench --profile dist --bench journal -- [WAITING] [ENTRIES] [FOLDER]`: WAITING threads
//! (256) append ENTRIES entries in all (20,000), each with a sealed report, and wait until each is
//! durable. FOLDER lies on the disk to measure.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark prints results, reads the clock, and panics where it cannot continue"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use backscatterd::classify;
use backscatterd::digest::Digest;
use backscatterd::evidence::{Entry, Evidence, EvidenceParts};
use backscatterd::journal::{Append, EmbeddedJournal, Journal};
use backscatterd::keys::Keys;
use backscatterd::mail::{self, Mailbox, ReversePath};
use backscatterd::time::{Clock, SystemClock};
use backscatterd::transaction::{Client, Transaction};

fn main() {
    let mut numbers = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let waiting: u64 = numbers.next().map_or(256, |number| number.parse().unwrap());
    let entries: u64 = numbers.next().map_or(20_000, |number| number.parse().unwrap());
    let folder = numbers.next().map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(folder).unwrap();
    let clock = Arc::new(SystemClock::start());
    let journal =
        EmbeddedJournal::open(&folder.path().join("store"), Arc::<SystemClock>::clone(&clock)).unwrap();
    let keys = Keys::open(&folder.path().join("keys")).unwrap();
    // The reduced form of a message as load generators send it.
    let message =
        format!("Subject: test\r\n\r\n{}", "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX\r\n".repeat(96));
    let reduced = mail::to_octets(&mail::read(message.as_bytes()));
    let trap = Mailbox::parse("a@trap.example").unwrap();
    let relay = "198.18.0.25".parse().unwrap();
    let (client, helo) = (Client::Relay(relay), "relay.example".to_owned());
    let transaction = Transaction {
        traps: vec![trap.clone()],
        ..Transaction::new(clock.now(), client, helo, ReversePath::Null)
    };
    let parts = EvidenceParts {
        id: Digest::of(b""),
        transaction: &transaction,
        relay,
        trap: &trap,
        wider: Vec::new(),
        verdict: &classify::callout(),
        report: Some(Digest::of(b"")),
        forwarded_by: None,
        node: "trap1",
    };
    let like = Evidence::of(parts, keys.hasher());
    let nth = AtomicU64::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..waiting {
            scope.spawn(|| {
                loop {
                    let nth = nth.fetch_add(1, Ordering::Relaxed);
                    if nth >= entries {
                        return;
                    }
                    let now = clock.now();
                    let mut id = *Digest::of(&nth.to_be_bytes()).octets();
                    id[..6].copy_from_slice(&now.milliseconds().to_be_bytes()[2..]);
                    let id = Digest::from_octets(id);
                    let evidence = Evidence { id, seen_at: now, report: Some(id), ..like.clone() };
                    let report = Some(keys.seal(now.day(), id, &reduced).unwrap());
                    journal
                        .append(Append { entry: Entry::Evidence(Box::new(evidence)), report })
                        .wait()
                        .unwrap();
                }
            });
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{waiting} waiting: {entries} entries in {seconds:.2} s, {:.0} a second",
        entries as f64 / seconds
    );
}
