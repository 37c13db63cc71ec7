//! Tests of the exports: every form against golden files, atomic replacement of the file, and
//! rbldnsd as a reader.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use hickory_proto::rr::RecordType;

use crate::support::PROGRAM;
use crate::support::dns_client::{Verdict, ask, interesting, query, under};
use crate::support::peer::{self, folder, is_there, serve_files};
use crate::support::server::Installation;
use crate::support::world::laboratory_zone;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/export");

/// The forms that the program's help lists.
fn forms() -> Vec<String> {
    let help = Command::new(PROGRAM).args(["export", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let forms = help.split_once("Forms:\n").unwrap().1;
    forms.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

fn lists(kinds: &[&str], folder: &str, name: &str) -> Vec<String> {
    kinds.iter().map(|kind| format!("list.example:{kind}:{folder}/{name}.{kind}")).collect()
}

fn export(form: &str, lists: &[String]) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(["export", form]);
    lists.iter().for_each(|list| {
        command.args(["--list", list]);
    });
    let output = command.output().unwrap();
    assert!(output.status.success(), "{form}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The text with the time of writing replaced by `<time>`.
fn timeless(text: &str) -> String {
    let is_moment = |word: &str| word.len() == 20 && word.ends_with('Z') && word.as_bytes()[10] == b'T';
    let mut out = text.to_owned();
    for word in text.split([' ', '"', ';', '\n', ',']).filter(|word| is_moment(word)) {
        out = out.replace(word, "<time>");
    }
    out
}

/// Compares a text with its golden file. Where `BACKSCATTERD_GOLDEN` is set, writes the golden file
/// first.
fn is_golden(name: &str, text: &str) {
    let path = Path::new(GOLDEN).join(name);
    if std::env::var_os("BACKSCATTERD_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text == golden, "{name}:\n{text}");
}

#[test]
fn lists_are_exported_to_the_octet() {
    for form in forms() {
        let text = export(&form, &lists(&["ip4set", "ip6trie"], GOLDEN, "list"));
        is_golden(&format!("list.{form}"), &timeless(&text));
    }
}

#[test]
fn a_judged_zone_is_exported_to_the_octet_and_a_shut_one_is_empty() {
    let installation = Installation::new();
    let server = installation.start();
    for (address, code) in [
        ("198.18.0.25", "2"),
        ("198.18.0.26", "2"),
        ("198.18.0.26", "16"),
        ("198.18.0.27", "4"),
        ("2001:db8::7", "2"),
    ] {
        let until = "2026-03-01T00:00:00Z";
        installation.ok(&[
            "list",
            address,
            "--zone",
            "bl.backscatter.example",
            "--code",
            code,
            "--until",
            until,
            "--why",
            "a test",
        ]);
    }
    // The golden files stay as they are when the shipped zone's policy changes.
    let policy = backscatterd::zone::read("zone", &laboratory_zone()).unwrap().digest.to_string();
    for form in forms() {
        let text = timeless(&installation.ok(&["export", &form])).replace(&policy, "<policy>");
        is_golden(&format!("judged.{form}"), &text);
    }
    let wrong = installation.run(&["export", "bind", "--zone", "other.example"]);
    let told = String::from_utf8(wrong.stderr).unwrap();
    assert!(told.contains("there is no zone other.example.; zones are bl.backscatter.example."), "{told}");
    installation.ok(&["shutdown", "bl.backscatter.example", "--why", "a test"]);
    assert!(!installation.ok(&["export", "bind"]).contains(" A 127"));
    assert_eq!(installation.ok(&["export", "cidr"]).lines().count(), 1);
    server.stop();
    // Without a daemon the export reads the store.
    assert!(installation.ok(&["export", "bind"]).contains("IN SOA"));
}

#[test]
fn the_page_about_exports_names_every_form() {
    let page = include_str!("../docs/NAME-SERVER.md");
    for form in forms() {
        assert!(page.contains(&format!("`{form}`")), "docs/NAME-SERVER.md does not name the form {form}");
    }
}

#[test]
fn every_form_has_its_golden_files() {
    let files: BTreeSet<String> = std::fs::read_dir(GOLDEN)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("list.ip"))
        .collect();
    let wanted = forms().into_iter().flat_map(|form| [format!("list.{form}"), format!("judged.{form}")]);
    assert_eq!(
        files,
        wanted.collect(),
        "the files in tests/golden/export and the rows of FORMS differ; \
         BACKSCATTERD_GOLDEN=1 cargo test --test promises export writes the files of a new row"
    );
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    let folder = folder();
    let (file, list) = (folder.path().join("zone"), folder.path().join("list"));
    std::fs::write(&list, "127.0.0.2\n").unwrap();
    let run = |list: &Path, output: &Path| {
        let list = format!("list.example:ip4set:{}", list.display());
        let args = ["export", "cidr", "--list", &list, "--output"];
        Command::new(PROGRAM).args(args).arg(output).output().unwrap().status.success()
    };
    assert!(run(&list, &file));
    let whole = std::fs::read_to_string(&file).unwrap();
    assert!(whole.ends_with("\n127.0.0.2\n"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o644, "every user may read the file");
    assert!(!run(&folder.path().join("nowhere"), &file));
    let expired = folder.path().join("expired");
    std::fs::write(&expired, "$TIMESTAMP 2020:01:01 2020:02:01\n127.0.0.2\n").unwrap();
    assert!(!run(&expired, &file), "an expired list is not exported");
    std::fs::remove_file(&expired).unwrap();
    // A symbolic link stays and its target is replaced. A device is written to.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(run(&list, &link) && link.is_symlink());
    std::fs::remove_file(&link).unwrap();
    assert!(run(&list, Path::new("/dev/null")));
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    assert!(!run(&list, &folder.path().join("nowhere/zone")));
    assert_eq!(timeless(&std::fs::read_to_string(&file).unwrap()), timeless(&whole));
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2, "only the list and the zone are in the folder");
}

#[test]
fn rbldnsd_says_of_our_export_what_we_say() {
    if !is_there("rbldnsd") {
        return;
    }
    let folder = folder();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lists");
    let lists = lists(&["ip4set", "ip6trie"], sample, "mixed");
    std::fs::write(folder.path().join("zone"), export("rbldnsd", &lists)).unwrap();
    let ours = serve_files(&lists, folder.path());
    let ready = query("list.example.", RecordType::SOA);
    let theirs = peer::start(folder.path().join("rbldnsd.log"), &ready, |address| {
        let mut command = Command::new("rbldnsd");
        command.args(["-n", "-u", "rbldns", "-c", "0", "-w"]).arg(folder.path());
        command.args(["-b", &format!("{}/{}", address.ip(), address.port()), "list.example:combined:zone"]);
        command
    });
    for address in interesting().into_iter().filter(|address| address.to_canonical() == *address) {
        for record_type in [RecordType::A, RecordType::TXT] {
            let query = query(&under(address, "list.example."), record_type);
            let [ours, theirs] = [&ours, &theirs].map(|server| Verdict::from(&ask(server.address, &query)));
            assert_eq!(ours, theirs, "{address} {record_type}");
        }
    }
}
