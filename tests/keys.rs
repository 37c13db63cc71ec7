//! Tests of secrets: what the modes of files permit, which key belongs to which journal, and that no
//! output shows a secret.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use backscatterd::digest::Digest;
use backscatterd::trap::{Donor, TrapHasher};
use hickory_proto::rr::RecordType;

use crate::support::dns_client::{ask, over_tcp, query};
use crate::support::server::Installation;
use crate::support::world::ORIGIN;

/// Everything below a folder, with its mode.
fn modes(folder: &Path, found: &mut Vec<(PathBuf, u32)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let at = fs::symlink_metadata(&path).unwrap();
        found.push((path.clone(), at.permissions().mode() & 0o7777));
        if at.is_dir() {
            modes(&path, found);
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Checks that nobody but the owner can use what the daemon made. Returns the paths.
fn assert_private(installation: &Installation) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for part in ["journal", "keys", "audit", "control.sock"] {
        let path = installation.path().join(part);
        let at = fs::symlink_metadata(&path).unwrap();
        found.push((path.clone(), at.permissions().mode() & 0o7777));
        if at.is_dir() {
            modes(&path, &mut found);
        }
    }
    for (path, mode) in &found {
        let kind = fs::symlink_metadata(path).unwrap().file_type();
        assert_eq!(*mode, if kind.is_dir() { 0o700 } else { 0o600 }, "{}: {mode:o}", path.display());
        assert!(kind.is_dir() || kind.is_file() || kind.is_socket());
    }
    found.into_iter().map(|(path, _)| path).collect()
}

#[test]
fn the_mask_of_the_process_changes_no_mode() {
    for mask in ["0", "0777", "0022"] {
        let installation = Installation::new();
        let server = installation.start_under(mask);
        installation.add_traps();
        installation.make_case("198.18.0.25");
        let paths = assert_private(&installation);
        for name in ["journal.redb", "traps.key", "reports-", "audit-2026-01.jsonl", "control.sock"] {
            let is = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(name);
            assert!(paths.iter().any(is), "{mask}: {name} in {paths:?}");
        }
        server.stop();
        // A command without a daemon makes files too.
        let alone = Installation::new();
        let added = std::process::Command::new("sh")
            .args(["-c", "umask \"$0\" && exec \"$@\"", mask, crate::support::PROGRAM, "--config"])
            .arg(alone.config())
            .args(["trap", "add", "trap.example", "--silent-since", "2025-01-01T00:00:00Z"])
            .output()
            .unwrap();
        assert!(added.status.success(), "{mask}: {}", String::from_utf8_lossy(&added.stderr));
        fs::write(alone.path().join("control.sock"), "").unwrap();
        set_mode(&alone.path().join("control.sock"), 0o600);
        assert_private(&alone);
    }
}

#[test]
fn wrong_modes_are_corrected_and_exposed_keys_are_refused() {
    let installation = Installation::new();
    let server = installation.start();
    installation.add_traps();
    installation.make_case("198.18.0.25");
    let mut made = assert_private(&installation);
    server.stop();
    made.retain(|path| path.exists());
    let is_key = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "key");
    let (keys, others): (Vec<_>, Vec<_>) = made.into_iter().partition(is_key);
    assert_eq!(keys.len(), 3, "{keys:?}");
    for path in &others {
        set_mode(path, if path.is_dir() { 0o777 } else { 0o666 });
    }
    let server = installation.start();
    assert_private(&installation);
    let told = server.log();
    assert_eq!(told.matches("let other users in").count(), others.len(), "{told}");
    server.stop();

    for key in &keys {
        for mode in [0o640, 0o604, 0o622] {
            set_mode(key, mode);
            for verb in [&["serve"][..], &["trap", "list"]] {
                let output = installation.run(verb);
                let told = String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.code(), Some(65), "{mode:o} {verb:?}: {told}");
                assert!(told.contains(&key.display().to_string()) && told.contains("chmod 600"), "{told}");
                assert!(!told.contains("ready"), "a port was bound: {told}");
            }
        }
        set_mode(key, 0o600);
    }
    // A folder that others can change and that is not ours alone is refused.
    let journal = installation.path().join("journal");
    fs::write(journal.join("of-another-program"), "").unwrap();
    set_mode(&journal, 0o775);
    let output = installation.run(&["serve"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(77), "{told}");
    assert!(told.contains("chmod go-w") && told.contains("775"), "{told}");
    set_mode(&journal, 0o755);
    installation.start().stop();
}

#[test]
fn the_key_of_another_journal_is_refused() {
    let (installation, other) = (Installation::new(), Installation::new());
    for installation in [&installation, &other] {
        installation.start().stop();
    }
    let key = installation.path().join("keys/traps.key");
    let right = fs::read(&key).unwrap();
    fs::copy(other.path().join("keys/traps.key"), &key).unwrap();
    for verb in [&["serve"][..], &["trap", "add", "trap.example"], &["status"]] {
        let output = installation.run(verb);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(65), "{verb:?}: {told}");
        for part in ["keys/traps.key", "fingerprint", "restore the right key from a backup"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains("ready"), "a port was bound: {told}");
        assert_eq!(told.lines().filter(|line| line.starts_with("backscatterd: ")).count(), 1, "{told}");
    }
    // The fingerprint is in the checkpoint as well, and it is recorded once.
    fs::write(&key, right).unwrap();
    installation.start().stop();
    let audit = installation.ok(&["audit"]);
    assert_eq!(audit.matches("set-trap-key").count(), 1, "{audit}");
}

/// Cookie secrets, tokens and keys: everything that a reader of an output could use.
#[test]
fn no_output_shows_a_secret() {
    let installation = Installation::new();
    let cookie = "c00c1e0123456789abcdef0123456789";
    let (operator, subscriber) = ("0123456789abcdef0123456789abcd01", "0123456789abcdef0123456789abcd02");
    let digest = |token: &str| Digest::of(token.as_bytes());
    installation.configure(
        "[dns]\n",
        &format!(
            "[dns]\ncookie_secrets = [\"{cookie}\"]\nkeys = [{{ name = \"subscriber\", digest = \"{}\" }}]\n",
            digest(subscriber)
        ),
    );
    let operators =
        format!("[http]\noperators = [{{ name = \"anna\", token_digest = \"{}\" }}]\n", digest(operator));
    installation.configure("[http]\n", &operators);
    installation.configure("filter = \"warn,backscatterd::cli=info\"", "filter = \"trace\"");
    let server = installation.start();
    installation.add_traps();
    let donor = installation.donor("isp", &[]);
    let mut told = String::new();
    for (head, token) in [
        ("POST /api/v1/decisions", operator),
        ("GET /api/v1/donor", donor.as_str()),
        ("GET /api/v1/donor", operator),
        ("POST /api/v1/traps", donor.as_str()),
    ] {
        let token = format!("Bearer {token}");
        let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
        told += &installation.exchange(head, &headers, b"{\"decision\":\"freeze\",\"why\":\"a test\"}");
    }
    for name in [format!("2.0.0.127.{subscriber}.{ORIGIN}"), format!("2.0.0.127.{operator}.{ORIGIN}")] {
        let question = query(&name, RecordType::A);
        let _answers = over_tcp(installation.dns_address(), std::slice::from_ref(&question));
        let answer = ask(installation.dns_address(), &question);
        assert!(answer.answers.len() <= 1, "{answer:?}");
    }
    installation.make_case("198.18.0.25");
    for path in ["/", "/ip/198.18.0.25", "/api/v1/addresses/198.18.0.25", "/readyz", "/metrics"] {
        told += &installation.get(path).unwrap().1;
    }
    for verb in [
        &["check"][..],
        &["status"],
        &["audit"],
        &["donor", "list"],
        &["explain", "198.18.0.25"],
        &["trap", "list"],
    ] {
        told += &installation.ok(verb);
    }
    told += &installation.control_get("/metrics");
    server.stop();
    let log = fs::read_to_string(installation.path().join("log.txt")).unwrap();
    assert!(
        log.contains("TRACE") && log.contains("cookie_secrets = [\\\"hidden\\\"]"),
        "the log says little"
    );
    assert!(told.contains("cookie_secrets = [\"hidden\"]"), "{told}");
    told += &log;

    let key: [u8; 32] = fs::read(installation.path().join("keys/traps.key")).unwrap().try_into().unwrap();
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let of_donor = TrapHasher::new(key).donor_key(&Donor::parse("isp").unwrap());
    let decimal = |octets: &[u8]| format!("{octets:?}").trim_matches(['[', ']']).to_owned();
    let cookie_octets: Digest = cookie.parse().unwrap();
    let secrets = [
        cookie.to_owned(),
        decimal(cookie_octets.octets()),
        operator.to_owned(),
        subscriber.to_owned(),
        donor,
        hex(&key),
        decimal(&key),
        hex(&of_donor),
    ];
    for secret in secrets {
        let at = told.find(&secret).map(|at| &told[at.saturating_sub(200)..at + secret.len()]);
        assert_eq!(at, None, "an output shows {secret}");
    }
}
