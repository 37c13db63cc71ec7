//! Compares the answers of this name server with those of NSD, which serves an export of the same
//! zones.
//!
//! Every difference must be one that a standard explains.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};

use crate::support::dns_client::{interesting, query, under};
use crate::support::peer::{self, Running, folder, is_there};
use crate::support::server::Installation;

const QUESTIONS: usize = 100_000;
const JUDGED: &str = "bl.backscatter.example.";
const LIST: &str = "list.example.";

/// A UDP socket that is connected to one server.
struct Asked(UdpSocket);

impl Asked {
    fn of(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        Asked(socket)
    }

    fn ask(&self, octets: &[u8]) -> Message {
        for _ in 0..3 {
            self.0.send(octets).unwrap();
            let mut response = [0; 4_096];
            while let Ok(length) = self.0.recv(&mut response) {
                // A late response to an earlier query has another id.
                if response[..2] == octets[..2] {
                    return Message::from_vec(&response[..length]).unwrap();
                }
            }
        }
        panic!("no answer to {octets:?}");
    }
}

fn nsd(folder: &std::path::Path, zones: &[(&str, &str)]) -> Running {
    peer::start(folder.join("nsd.log"), &query(LIST, RecordType::SOA), |address| {
        let path = folder.display();
        let mut settings = format!(
            "server:\n ip-address: 127.0.0.1@{}\n server-count: 1\n username: \"\"\n zonesdir: \"{path}\"\n database: \"\"\n \
             xfrdfile: \"{path}/xfrd\"\n zonelistfile: \"{path}/list\"\n pidfile: \"{path}/pid\"\n xfrdir: \"{path}\"\n \
             minimal-responses: yes\n rrl-ratelimit: 0\n hide-version: yes\n hide-identity: yes\n\
             remote-control:\n control-enable: no\n",
            address.port()
        );
        for (origin, file) in zones {
            settings.push_str(&format!("zone:\n name: {origin}\n zonefile: {file}\n"));
        }
        std::fs::write(folder.join("nsd.conf"), settings).unwrap();
        let mut command = Command::new("/usr/sbin/nsd");
        command.args(["-d", "-c"]).arg(folder.join("nsd.conf"));
        command
    })
}

/// A pseudo-random generator (xorshift64) with a fixed seed, so that every run asks the same
/// questions.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

fn name(dice: &mut Dice, addresses: &[IpAddr]) -> String {
    let origin = *dice.of(&[JUDGED, LIST]);
    let sublists = ["", "", "", "dsn.", "auto.", "all.", "score.", "none."];
    let below = format!("{}{origin}", if origin == JUDGED { *dice.of(&sublists) } else { "" });
    let address = *dice.of(addresses);
    let labels = backscatterd::zone::reversed(address);
    match dice.below(12) {
        0 => below,
        1 => format!("x.{}", under(address, &below)),
        2 => format!("{}.{below}", dice.of(&["_status", "www", "*", "00", "256", "g", "01.0.0.127"])),
        3 => format!(
            "{}{}",
            dice.of(&["", "other.", "2.0.0.127."]),
            dice.of(&["example.", "example.org.", "."])
        ),
        4..6 => {
            // An empty non-terminal, or a name close to one.
            let count = labels.split('.').count();
            let skipped = 1 + dice.below(count - 1);
            format!("{}.{below}", labels.split('.').skip(skipped).collect::<Vec<_>>().join("."))
        }
        _ => under(address, &below),
    }
    .replace("..", ".")
}

fn question(dice: &mut Dice, addresses: &[IpAddr]) -> Message {
    let kinds = [
        RecordType::A,
        RecordType::A,
        RecordType::A,
        RecordType::TXT,
        RecordType::TXT,
        RecordType::AAAA,
        RecordType::SOA,
        RecordType::NS,
        RecordType::MX,
        RecordType::ANY,
        RecordType::PTR,
        RecordType::DS,
    ];
    let text = name(dice, addresses);
    let cased: String = text
        .chars()
        .map(|letter| if dice.below(2) == 0 { letter.to_ascii_uppercase() } else { letter })
        .collect();
    let mut message = query(&cased, *dice.of(&kinds));
    message.metadata.id = dice.below(65_536) as u16;
    message.metadata.recursion_desired = dice.below(2) == 0;
    message.metadata.checking_disabled = dice.below(4) == 0;
    message.metadata.authentic_data = dice.below(4) == 0;
    if dice.below(2) == 0 {
        let mut edns = Edns::new();
        edns.set_max_payload(*dice.of(&[0, 512, 1_232, 4_096]));
        edns.set_dnssec_ok(dice.below(3) == 0);
        edns.set_version(u8::from(dice.below(20) == 0));
        message.set_edns(edns);
    }
    match dice.below(60) {
        0 => message.metadata.op_code = *dice.of(&[OpCode::Status, OpCode::Notify, OpCode::Update]),
        1 => {
            message.queries[0].set_query_class(*dice.of(&[DNSClass::CH, DNSClass::HS, DNSClass::ANY]));
        }
        _ => {}
    }
    message
}

/// Everything that a client can see in a response, except the case of names and the order of
/// records.
fn seen(message: &Message) -> BTreeMap<&'static str, String> {
    let records = |records: &[hickory_proto::rr::Record]| {
        let mut lines: Vec<String> = records.iter().map(|record| record.to_string().to_lowercase()).collect();
        lines.sort();
        lines.join("\n")
    };
    let flags = &message.metadata;
    let edns = message.edns.as_ref();
    BTreeMap::from([
        ("rcode", u16::from(flags.response_code).to_string()),
        ("aa", flags.authoritative.to_string()),
        ("tc", flags.truncation.to_string()),
        ("rd", flags.recursion_desired.to_string()),
        ("ra", flags.recursion_available.to_string()),
        ("ad", flags.authentic_data.to_string()),
        ("cd", flags.checking_disabled.to_string()),
        ("question", format!("{:?}", message.queries)),
        ("answer", records(&message.answers)),
        ("authority", records(&message.authorities)),
        ("additional", records(&message.additionals)),
        ("opt", format!("{:?}", edns.map(|edns| (edns.version(), edns.flags().dnssec_ok)))),
        ("size", format!("{:?}", edns.map(|edns| edns.max_payload()))),
    ])
}

/// The reason for a difference between the two responses, if it is a known one.
fn explained(asked: &Message, ours: &Message, theirs: &Message) -> Option<&'static str> {
    let question = &asked.queries[0];
    let name = question.name().to_string().to_lowercase();
    let labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    let ok = |message: &Message| message.metadata.response_code == ResponseCode::NoError;
    let rcode = ours.metadata.response_code;
    if asked.metadata.op_code != OpCode::Query && rcode == ResponseCode::NotImp {
        return Some("RFC 1035 §4.1.1: NOTIMP for an opcode that is not implemented; NSD implements NOTIFY");
    }
    if asked.edns.as_ref().is_some_and(|edns| edns.version() > 0)
        && ours.metadata.response_code == theirs.metadata.response_code
    {
        return Some("RFC 3225 §3: the DO bit is copied, also in a BADVERS response");
    }
    if question.query_class() != DNSClass::IN && rcode == ResponseCode::Refused {
        return Some("RFC 1035 §3.2.4: a class without data; REFUSED here, which RFC 4892 permits");
    }
    let hinfo = matches!(&ours.answers[..], [record] if record.record_type() == RecordType::HINFO);
    if question.query_type() == RecordType::ANY && hinfo && ok(theirs) {
        return Some("RFC 8482 §4.2: one HINFO record instead of all records");
    }
    if labels.first() == Some(&"_status") && name.ends_with(JUDGED) {
        return Some("the status record of a zone is not exported");
    }
    let has = |message: &Message| !message.answers.is_empty();
    let mapped = name.contains("f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.");
    let more =
        theirs.answers.iter().all(|record| seen(ours)["answer"].contains(&record.to_string().to_lowercase()));
    if mapped && ok(ours) && more {
        return Some("RFC 4291 §2.5.5.2: a mapped address is the IPv4 address");
    }
    let text = question.query_type() == RecordType::TXT && ours.answers.len() == theirs.answers.len();
    if has(ours) && has(theirs) && text {
        return Some("the TXT record of a wildcard names the first address of its network");
    }
    let origin = if name.ends_with(LIST) { LIST } else { JUDGED };
    let left = labels.len() - origin.trim_end_matches('.').split('.').count();
    if !has(ours) && ok(theirs) && left != 4 && left != 32 {
        return Some(
            "RFC 4592 §2.1.1: a network is exported as a wildcard, which also matches names of more and of fewer labels",
        );
    }
    None
}

#[test]
fn nsd_says_of_our_export_what_we_say() {
    if !is_there("nsd") {
        return;
    }
    let installation = Installation::new();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lists/mixed");
    let lists = [format!("{LIST}:ip4set:{sample}.ip4set"), format!("{LIST}:ip6trie:{sample}.ip6trie")];
    installation.configure("[dns]\n", &format!("[dns]\nidentical_responses_max = 0\nlists = {lists:?}\n"));
    let server = installation.start();
    for (address, code) in [
        ("198.18.0.25", "2"),
        ("198.18.0.26", "16"),
        ("192.0.2.8", "4"),
        ("2001:db8::1", "2"),
        ("2001:db8:1::", "16"),
    ] {
        let until = "2026-03-01T00:00:00Z";
        installation
            .ok(&["list", address, "--zone", JUDGED, "--code", code, "--until", until, "--why", "a test"]);
    }
    let folder = folder();
    let export = |file: &str, arguments: &[&str]| {
        let output = folder.path().join(file);
        let all = [&["export", "bind", "--output", output.to_str().unwrap()], arguments].concat();
        installation.ok(&all);
    };
    export("judged.zone", &[]);
    export("list.zone", &["--list", &lists[0], "--list", &lists[1]]);
    let theirs = nsd(folder.path(), &[(JUDGED, "judged.zone"), (LIST, "list.zone")]);

    let mut addresses = interesting();
    for text in ["198.18.0.25", "198.18.0.26", "198.18.0.27", "2001:db8::1", "127.0.0.16", "127.0.0.18"] {
        addresses.extend(std::iter::repeat_n(text.parse::<IpAddr>().unwrap(), 200));
    }
    let (ours, theirs) = (Asked::of(installation.dns_address()), Asked::of(theirs.address));
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let (mut same, mut listed) = (0, 0);
    let mut explanations: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for _ in 0..QUESTIONS {
        let asked = question(&mut dice, &addresses);
        let octets = asked.to_vec().unwrap();
        let (ours, theirs) = (ours.ask(&octets), theirs.ask(&octets));
        let differences: Vec<_> = {
            let (ours, theirs) = (seen(&ours), seen(&theirs));
            let keys: Vec<_> = ours.keys().copied().filter(|key| ours[key] != theirs[key]).collect();
            keys.iter().map(|key| format!("{key}: {:?} / {:?}", ours[key], theirs[key])).collect()
        };
        listed += usize::from(!ours.answers.is_empty());
        if differences.is_empty() {
            same += 1;
            continue;
        }
        let told = format!("{:?} {:?}: {}", asked.queries, asked.edns, differences.join("; "));
        let explanation = explained(&asked, &ours, &theirs).unwrap_or_else(|| panic!("{told}"));
        explanations.entry(explanation).or_insert((0, told)).0 += 1;
    }
    println!("{same} of {QUESTIONS} queries had identical responses; {listed} had a record");
    for (explanation, (count, example)) in &explanations {
        println!("{count:6} {explanation}\n         for example {example}");
    }
    assert!(same > QUESTIONS / 2 && listed > QUESTIONS / 20);
    server.stop();
}
