//! Tests of operators' lists: they are read and served as by rbldnsd, except for its known faults,
//! and reloaded without an interruption.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::support::dns_client::{Verdict, ask, interesting, query, under};
use crate::support::peer::{self, Running, folder, is_there, serve_files};
use crate::support::{PROGRAM, wait_until};

const ORIGIN: &str = "list.example.";
/// How long the server may take to read a changed list; it looks at the files every second.
const RELOAD_LIMIT: Duration = Duration::from_secs(60);
/// What the server logs of a changed list that it does not use.
const REFUSED: &str = "cannot read a changed list; the previous version stays in use";

/// The kind and the folder of each sample; there is one for each kind of list.
fn samples() -> Vec<(String, &'static Path)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lists"));
    let kind = |name: std::ffi::OsString| name.to_str().unwrap().split_once('.').unwrap().1.to_owned();
    let mut samples: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|file| (kind(file.unwrap().file_name()), folder)).collect();
    samples.sort();
    samples
}

fn rbldnsd(lists: &[String], folder: &Path) -> Running {
    // rbldnsd answers REFUSED until it has read the lists.
    peer::start(folder.join("rbldnsd.log"), &query(ORIGIN, RecordType::SOA), |address| {
        let mut command = Command::new("rbldnsd");
        command.args(["-n", "-u", "rbldns", "-c", "0", "-w"]).arg(folder);
        command.args(["-b", &format!("{}/{}", address.ip(), address.port())]).args(lists);
        command
    })
}

#[test]
fn every_kind_of_list_has_a_sample() {
    let told = Command::new(PROGRAM).args(["serve-files", "x.example:none:file"]).output().unwrap();
    let told = String::from_utf8(told.stderr).unwrap();
    let kinds = told.split_once("the types of lists are ").unwrap().1.lines().next().unwrap();
    let mut kinds: Vec<&str> = kinds.split(", ").collect();
    kinds.sort_unstable();
    assert_eq!(samples().iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), kinds);
}

#[test]
fn lists_say_what_rbldnsd_says_of_them() {
    if !is_there("rbldnsd") {
        return;
    }
    let mut compared = 0;
    for (kind, from) in samples().into_iter().filter(|(kind, _)| kind != "addresses") {
        let folder = folder();
        let file = format!("mixed.{kind}");
        std::fs::copy(from.join(&file), folder.path().join(&file)).unwrap();
        let list = |folder: &str| format!("{}:{kind}:{folder}{file}", ORIGIN.trim_end_matches('.'));
        let ours = serve_files(&[list(&format!("{}/", folder.path().display()))], folder.path());
        let theirs = rbldnsd(&[list("")], folder.path());
        for address in interesting() {
            for record_type in [RecordType::A, RecordType::TXT] {
                let query = query(&under(address, ORIGIN), record_type);
                let [ours, mut theirs] =
                    [&ours, &theirs].map(|server| Verdict::from(&ask(server.address, &query)));
                if address.to_canonical() != address && kind.starts_with("ip6") {
                    // rbldnsd writes a mapped address in hexadecimal, backscatterd with the IPv4
                    // address (RFC 5952 §5).
                    for text in &mut theirs.texts {
                        *text =
                            String::from_utf8_lossy(text).replace("::ffff:7f00:2", "127.0.0.2").into_bytes();
                    }
                }
                assert_eq!(ours, theirs, "{kind}: {address} {record_type}");
                compared += usize::from(!ours.addresses.is_empty() || !ours.texts.is_empty());
            }
        }
        // Only the ip4set sample defines records at the apex; without them rbldnsd has none.
        if kind != "ip4set" {
            continue;
        }
        for record_type in [RecordType::SOA, RecordType::NS, RecordType::AAAA, RecordType::MX] {
            for name in [ORIGIN.to_owned(), under("127.0.0.2".parse().unwrap(), ORIGIN)] {
                let query = query(&name, record_type);
                let [ours, theirs] = [&ours, &theirs].map(|server| {
                    let answer = ask(server.address, &query);
                    let mut records: Vec<String> = answer.answers.iter().map(ToString::to_string).collect();
                    records.sort();
                    (answer.metadata.response_code, answer.metadata.authoritative, records)
                });
                assert_eq!(ours, theirs, "{query:?}");
            }
        }
    }
    assert!(compared > 2_000, "only {compared} answers with records were compared");
}

#[test]
fn rfc8020_n2_lists_have_empty_non_terminals() {
    let folder = folder();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lists/mixed.");
    let ours = serve_files(
        &[
            format!("{ORIGIN}:ip4trie:{sample}ip4trie"),
            format!("{ORIGIN}:ip6trie:{sample}ip6trie"),
            format!("other.example:addresses:{sample}addresses"),
        ],
        folder.path(),
    );
    let rcode = |name: &str| ask(ours.address, &query(name, RecordType::A)).metadata.response_code;
    for (name, there) in [
        ("192.list.example.", true),
        ("2.0.192.list.example.", true),
        ("3.0.192.list.example.", false),
        ("113.0.203.list.example.", true),
        ("1.list.example.", true),
        ("99.list.example.", false),
        ("8.b.d.0.1.0.0.2.list.example.", true),
        ("9.b.d.0.1.0.0.2.list.example.", false),
        // This network is excluded, but a /80 inside it is listed.
        ("2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.list.example.", true),
        ("0.0.0.0.5.0.0.0.8.b.d.0.1.0.0.2.other.example.", true),
        ("5.0.0.0.8.b.d.0.1.0.0.2.other.example.", true),
        ("6.0.0.0.8.b.d.0.1.0.0.2.other.example.", false),
        ("01.2.0.192.list.example.", false),
        ("x.1.2.0.192.list.example.", false),
    ] {
        let wanted = if there { ResponseCode::NoError } else { ResponseCode::NXDomain };
        assert_eq!(rcode(name), wanted, "{name}");
    }
}

#[test]
fn plain_lists_hold_both_families() {
    let folder = folder();
    let list = concat!("list.example:addresses:", env!("CARGO_MANIFEST_DIR"), "/tests/lists/mixed.addresses");
    let ours = serve_files(&[list.to_owned()], folder.path());
    for (address, listed) in [
        ("192.0.2.1", true),
        ("192.0.2.2", false),
        ("192.0.2.64", true),
        ("192.0.2.127", true),
        ("192.0.2.128", false),
        ("2001:db8::1", true),
        ("2001:db8::2", false),
        ("2001:db8:5:ffff::1", true),
        ("2001:db8:6::", false),
        ("127.0.0.2", true),
        ("127.0.0.1", false),
    ] {
        let address: IpAddr = address.parse().unwrap();
        let verdict = Verdict::from(&ask(ours.address, &query(&under(address, ORIGIN), RecordType::A)));
        assert_eq!(!verdict.addresses.is_empty(), listed, "{address}");
    }
}

#[test]
fn a_list_is_read_again_without_a_gap() {
    let folder = folder();
    let path = folder.path().join("list");
    let write = |text: &str| {
        let new = folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &path).unwrap();
    };
    write("127.0.0.2\n192.0.2.1\n");
    let other = folder.path().join("other");
    std::fs::write(&other, "198.51.100.1\n").unwrap();
    let lists = [&path, &other].map(|path| format!("list.example:ip4set:{}", path.display()));
    let ours = serve_files(&lists, folder.path());
    let listed = |address: &str| {
        let query = query(&under(address.parse().unwrap(), ORIGIN), RecordType::A);
        let answer = ask(ours.address, &query);
        assert!(matches!(answer.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain));
        !answer.answers.is_empty()
    };
    let wait_for = |what: &str, condition: &dyn Fn() -> bool| {
        wait_until(what, RELOAD_LIMIT, || {
            assert!(listed("127.0.0.2"), "an unchanged entry disappeared during a reload");
            condition()
        });
    };
    assert!(listed("192.0.2.1") && !listed("192.0.2.2"));
    write("127.0.0.2\n192.0.2.2\n");
    wait_for("the new list", &|| listed("192.0.2.2") && !listed("192.0.2.1"));
    // If the file is missing or its timestamp lies in the future, the last good list stays. The
    // server says nothing of a missing file, but it looks at all files together: once it has read
    // the other one, it has also looked for the missing one.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&other, "198.51.100.2\n").unwrap();
    wait_for("the other list", &|| listed("198.51.100.2"));
    assert!(listed("192.0.2.2"), "a missing file must not empty the list");
    write("$TIMESTAMP 2999:01:01:00:00:00\n127.0.0.2\n192.0.2.3\n");
    wait_for("the refusal", &|| ours.log().contains(REFUSED));
    assert!(listed("192.0.2.2") && !listed("192.0.2.3"), "a list from the future must not be used");
    write("127.0.0.2\n192.0.2.3\n");
    wait_for("the list without a timestamp", &|| listed("192.0.2.3"));
}

#[test]
fn data_that_is_too_old_is_not_served() {
    let folder = folder();
    let path = folder.path().join("list");
    std::fs::write(&path, "$TIMESTAMP 2020:01:01:00:00:00 +1d\n127.0.0.2\n").unwrap();
    let ours = serve_files(&[format!("list.example:ip4set:{}", path.display())], folder.path());
    let answer = ask(ours.address, &query("2.0.0.127.list.example.", RecordType::A));
    assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::ServFail, 0));
}

#[test]
fn a_page_of_errors_and_a_pipe_leave_a_list_as_it_was() {
    let folder = folder();
    let (path, other) = (folder.path().join("list"), folder.path().join("other"));
    std::fs::write(&path, "127.0.0.2\n192.0.2.1\n").unwrap();
    std::fs::write(&other, "127.0.0.2\n").unwrap();
    let lists = [&path, &other].map(|path| format!("list.example:ip4set:{}", path.display()));
    let ours = serve_files(&lists, folder.path());
    let listed = |address: &str| {
        let query = query(&under(address.parse().unwrap(), ORIGIN), RecordType::A);
        !ask(ours.address, &query).answers.is_empty()
    };
    std::fs::write(&path, "<html>503 Service Unavailable</html>\n").unwrap();
    std::fs::remove_file(&other).unwrap();
    assert!(Command::new("mkfifo").arg(&other).status().unwrap().success());
    wait_until("the refusal of both files", RELOAD_LIMIT, || {
        let log = ours.log();
        ["the file has no valid line", "the path is not a regular file"]
            .iter()
            .all(|reason| log.lines().any(|line| line.contains(REFUSED) && line.contains(reason)))
    });
    assert!(listed("192.0.2.1"), "a file without any readable line must not replace the list");
    // A named pipe in place of one file must not block the reloading of another.
    std::fs::write(&path, "127.0.0.2\n192.0.2.1\n192.0.2.2\n").unwrap();
    wait_until("the new list", RELOAD_LIMIT, || listed("192.0.2.2"));
}

#[test]
fn what_cannot_be_read_is_told_before_a_port_is_bound() {
    let folder = folder();
    let gzip = folder.path().join("list.gz");
    std::fs::write(&gzip, b"\x1f\x8b\x08\x00rest\n").unwrap();
    let gzip = format!("list.example:ip4set:{}", gzip.display());
    for (list, problem) in [
        (gzip.as_str(), "compressed"),
        ("list.example:ip4set:/", "is not a regular file"),
        ("list.example:ip4set", "write zone:type:file"),
        ("list.example:ip5set:/dev/null", "the types of lists are"),
        ("list..example:ip4set:/dev/null", "is not a domain name"),
        ("list.example:ip4set:/nowhere/list", "/nowhere/list: No such file"),
    ] {
        // This host has no such address: a program that bound its port first would report that
        // instead.
        let told =
            Command::new(PROGRAM).args(["serve-files", "--listen", "192.0.2.1:53", list]).output().unwrap();
        let error = String::from_utf8(told.stderr).unwrap();
        assert!(!told.status.success() && error.contains(problem), "{list}: {error}");
        assert!(!error.contains("cannot listen"), "{error}");
    }
}
