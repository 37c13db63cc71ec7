//! Tests with a full disk and with an unwritable journal folder.
//!
//! Clients get 451, the DNS keeps answering, and the daemon recovers by itself. No acknowledged
//! message is lost, and none is in the journal twice.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hickory_proto::rr::RecordType;

use crate::support::dns_client::{ask, query};
use crate::support::journal::queue_ids;
use crate::support::messages::report;
use crate::support::server::{Installation, Server};
use crate::support::{happens_within, wait_until};

const CLIENTS: usize = 4;
/// How long an event may take under load.
const EVENT_LIMIT: Duration = Duration::from_secs(60);
/// How long a client that was refused waits before its next message.
const PAUSE: Duration = Duration::from_millis(5);
const TEST_ENTRY: &str = "2.0.0.127.bl.backscatter.example.";
/// The size of the small disk, and the part of it that is reserved for decisions and ticks.
const DISK_OCTETS: usize = 24 << 20;
const RESERVED_OCTETS: usize = 2 << 20;

/// Whether the test can mount a file system. Without root it prints that it was skipped; under CI
/// it fails.
fn may_mount() -> bool {
    let may = nix::unistd::Uid::effective().is_root();
    if !may {
        assert!(std::env::var_os("CI").is_none(), "CI must run this test, as root");
        eprintln!("SKIPPED: this test needs root, to mount a small disk");
    }
    may
}

/// A tmpfs that is unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(path: &Path) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let size = format!("size={DISK_OCTETS}");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", path.to_str().unwrap()]);
        SmallDisk(path.to_owned())
    }

    /// Fills the disk until `left` octets are free.
    fn fill(&self, left: usize) {
        let filler = self.0.join("filler");
        for _ in 0..100 {
            let size = free_octets(&self.0).saturating_sub(left).max(1).to_string();
            // The store may take space in between; then try again.
            let output = Command::new("fallocate").args(["-l", &size]).arg(&filler).output().unwrap();
            if output.status.success() {
                return;
            }
        }
        panic!("the disk cannot be filled");
    }

    fn empty(&self) {
        let _ = std::fs::remove_file(self.0.join("filler"));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A lazy unmount: a daemon that a failed test left behind may still use the disk.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn free_octets(path: &Path) -> usize {
    let output = Command::new("df").args(["--output=avail", "-B1"]).arg(path).output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().nth(1).unwrap().trim().parse().unwrap()
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

/// The replies that the clients got.
#[derive(Default)]
struct Told {
    stop: AtomicBool,
    nth: AtomicU64,
    later: AtomicU64,
    taken: Mutex<BTreeSet<String>>,
}

impl Told {
    fn taken(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    /// Waits until a count has grown by `more`.
    fn wait_for(&self, what: &str, count: impl Fn(&Told) -> u64, more: u64) {
        let before = count(self);
        let grown = happens_within(EVENT_LIMIT, || count(self) >= before + more);
        assert!(
            grown,
            "{what}: {} after {before}; {} accepted, {} refused with 451",
            count(self),
            self.taken(),
            self.later.load(Ordering::SeqCst)
        );
    }

    fn wait_for_taken(&self, more: u64) {
        self.wait_for("accepted messages", |told| told.taken() as u64, more);
    }

    fn wait_for_later(&self, more: u64) {
        self.wait_for("replies of 451", |told| told.later.load(Ordering::SeqCst), more);
    }
}

fn load(installation: &Installation, told: &Told) {
    while !told.stop.load(Ordering::SeqCst) {
        let Ok(mut smtp) = installation.smtp_from("198.18.0.25") else { continue };
        if smtp.say("EHLO relay.example").is_err() {
            continue;
        }
        for _ in 0..20 {
            let id = told.nth.fetch_add(1, Ordering::SeqCst);
            let message = report("a@trap-one.example", &format!("u{id}@relay.example"), "192.0.2.44", id);
            match smtp.deliver("", "a@trap-one.example", &message) {
                Ok(reply) if reply.starts_with('4') => {
                    told.later.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(PAUSE);
                }
                Ok(reply) => {
                    let id =
                        reply.strip_prefix("250 2.0.0 Ok: queued as ").unwrap_or_else(|| panic!("{reply}"));
                    told.taken.lock().unwrap().insert(id.to_owned());
                }
                Err(_) => break,
            }
        }
    }
}

fn answers(installation: &Installation) {
    let message = ask(installation.dns_address(), &query(TEST_ENTRY, RecordType::A));
    assert_eq!(message.answers.len(), 1, "{message:?}");
}

/// An installation whose journal lies in a folder.
fn with_journal_in(folder: &Path) -> Installation {
    let installation = Installation::new();
    let own = format!("{}/journal", installation.path().display());
    installation.configure(
        &format!("[journal]\ndirectory = \"{own}\"\n"),
        &format!("[journal]\ndirectory = \"{}\"\nfree_octets_min = {RESERVED_OCTETS}\n", folder.display()),
    );
    // All messages come from one client.
    installation.configure("[smtp]\n", "[smtp]\nmessages_per_client_max = 0\n");
    installation
}

/// Runs `trouble` under load, then kills the daemon and compares the journal with the
/// acknowledgements.
fn under_load(installation: &Installation, store: &Path, trouble: impl FnOnce(&Told, &Server)) {
    let server = installation.start();
    installation.ok(&["trap", "add", "trap-one.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    let told = Told::default();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| load(installation, &told));
        }
        // Without this a panic would leave the client threads running.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            told.wait_for_taken(20);
            trouble(&told, &server);
            told.wait_for_taken(50);
        }));
        told.stop.store(true, Ordering::SeqCst);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    server.kill();
    let all = queue_ids(store);
    let kept: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(all.len(), kept.len(), "no entry is in the journal twice");
    let taken = told.taken.lock().unwrap();
    let lost: Vec<_> = taken.difference(&kept).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    println!(
        "{} acknowledged, {} refused with 451, {} in the journal",
        taken.len(),
        told.later.load(Ordering::SeqCst),
        all.len()
    );
}

#[test]
fn rfc5321_s3_a_full_disk_asks_clients_to_come_back_and_is_waited_out() {
    if !may_mount() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::at(&folder.path().join("disk"));
    let journal = disk.0.join("journal");
    let installation = with_journal_in(&journal);
    under_load(&installation, &journal.join("journal.redb"), |told, server| {
        let before = server.resident_octets();
        for round in 0..3 {
            // Only the reserved space is left.
            disk.fill(RESERVED_OCTETS / 2);
            told.wait_for_later(20);
            installation.ok(&["advance", "1h"]);
            installation.ok(&["remove", "198.18.0.25"]);
            answers(&installation);
            disk.empty();
            told.wait_for_taken(20);
            // No space is left: the store itself fails, and recovers.
            disk.fill(0);
            told.wait_for_later(20);
            answers(&installation);
            let taken = told.taken();
            told.wait_for_later(200);
            assert!(told.taken() < taken + CLIENTS, "round {round}: messages were accepted without space");
            disk.empty();
            told.wait_for_taken(20);
        }
        let grown = server.resident_octets().saturating_sub(before);
        assert!(grown < 64 << 20, "memory grew by {grown} octets");
    });
    // A daemon that starts on a full disk answers from its journal.
    disk.fill(0);
    let server = installation.start();
    answers(&installation);
    let mut smtp = installation.smtp_from("198.18.0.25").unwrap();
    smtp.say("EHLO relay.example").unwrap();
    let message = report("a@trap-one.example", "late@relay.example", "192.0.2.44", 1);
    assert!(smtp.deliver("", "a@trap-one.example", &message).unwrap().starts_with("451"));
    disk.empty();
    wait_until("the daemon's recovery", EVENT_LIMIT, || {
        smtp.deliver("", "a@trap-one.example", &message).unwrap().starts_with("250")
    });
    server.kill();
}

/// Whether the file system has the immutable flag, which also stops writes to open files.
fn is_immutable_possible(folder: &Path) -> bool {
    let probe = folder.join("probe");
    std::fs::write(&probe, b"").unwrap();
    let set = Command::new("chattr").arg("+i").arg(&probe).status().is_ok_and(|status| status.success());
    if set {
        run("chattr", &["-i", probe.to_str().unwrap()]);
    }
    std::fs::remove_file(&probe).unwrap();
    set
}

#[test]
fn rfc5321_s3_a_data_folder_that_may_not_be_written_to_is_waited_out() {
    if !may_mount() {
        return;
    }
    // tmpfs has no immutable files, so the folder lies on the disk of the build.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    if !is_immutable_possible(folder.path()) {
        eprintln!("this file system has no immutable files; tests/durability.rs tests the store itself");
        return;
    }
    let journal = folder.path().join("journal");
    let installation = with_journal_in(&journal);
    let flag = |flag: &str| run("chattr", &["-R", flag, journal.to_str().unwrap()]);
    under_load(&installation, &journal.join("journal.redb"), |told, _| {
        for _ in 0..3 {
            flag("+i");
            // The flag must be cleared even after a failure, or the folder could not be removed.
            let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                told.wait_for_later(20);
                answers(&installation);
            }));
            flag("-i");
            if let Err(panic) = waited {
                std::panic::resume_unwind(panic);
            }
            told.wait_for_taken(20);
        }
    });
}
