//! Plays the scenarios in `tests/scenarios/`: mail arrives, time passes, and an answer is checked.
//!
//! Every row of `docs/INNOCENTS.md` has a scenario, and every rule and factor decides at least one.
//! `README.md` in that folder describes the notation.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use backscatterd::blocklist::{Blocklist, ListChange};
use backscatterd::classify::{self, SessionFacts, Verdict};
use backscatterd::digest::Digest;
use backscatterd::evidence::{
    Entry, Evidence, EvidenceParts, EvidenceSource, Offset, Order, RecordedEntry, VerificationAnswer,
};
use backscatterd::explain::{CodeExplanation, explain};
use backscatterd::mail::{self, Mailbox, ReversePath};
use backscatterd::observe::{DnsAnswers, Inquiry, observation};
use backscatterd::relay::{Prefix, Relay};
use backscatterd::score::{FACTORS, RULES};
use backscatterd::time::{Span, Timestamp};
use backscatterd::transaction::{Client, Transaction, attribute};
use backscatterd::trap::{Donor, DonorTerms, Scope};
use backscatterd::zone::{QueryType, Rcode};

use crate::support::world::{ORIGIN, Told, Value, World, hasher, laboratory_zone, told};

/// The maximum number of slots after which everything in a story is public.
const SLOTS_MAX: usize = 8;

/// The table of the ways in which an innocent gets listed.
const INNOCENTS: &str = include_str!("../docs/INNOCENTS.md");

/// The state of a scenario while it is played.
struct Story {
    place: String,
    world: World,
    zone: String,
    hosts: Vec<Host>,
    dns_answers: bool,
    trusted: Vec<ipnet::IpNet>,
    /// The donor that forwards the next message.
    forwarded_by: Option<Donor>,
    nth: u64,
    last: Vec<ListChange>,
}

struct Host {
    address: IpAddr,
    name: String,
    exchanger_of: Vec<String>,
    authorised_by: Vec<String>,
}

/// The arguments of a command: `key value` pairs. A quoted text is one word.
struct Words<'a> {
    place: &'a str,
    words: Vec<String>,
}

impl Words<'_> {
    fn of<'a>(place: &'a str, line: &str) -> Words<'a> {
        let mut words = Vec::new();
        let mut rest = line.trim();
        while !rest.is_empty() {
            let (word, behind) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or_else(|| panic!("{place}: unclosed quote")),
                None => rest.split_once(' ').unwrap_or((rest, "")),
            };
            words.push(word.to_owned());
            rest = behind.trim_start();
        }
        Words { place, words }
    }

    fn get(&self, key: &str) -> Option<&str> {
        let at = self.words.iter().position(|word| word == key)?;
        self.words.get(at + 1).map(String::as_str)
    }

    fn need(&self, key: &str) -> &str {
        self.get(key).unwrap_or_else(|| panic!("{}: {key:?} is missing", self.place))
    }

    fn first(&self) -> &str {
        self.words.first().map_or_else(|| panic!("{}: an argument is missing", self.place), String::as_str)
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn span(text: &str) -> Span {
    text.parse().unwrap()
}

impl Story {
    /// Begins a story in a zone whose slots are this long apart.
    fn begin(place: &str, publish_every: &str) -> Self {
        let mut world = World::bare();
        let zone = laboratory_zone().replace("verification = \"off\"", "verification = \"required\"");
        let zone = zone.replace("publish_every = \"0s\"", &format!("publish_every = \"{publish_every}\""));
        world.adopt(&zone);
        Story {
            place: place.to_owned(),
            world,
            zone,
            hosts: Vec::new(),
            dns_answers: true,
            trusted: Vec::new(),
            forwarded_by: None,
            nth: 0,
            last: Vec::new(),
        }
    }

    /// Runs one line: a command, or `8 times every 5h: COMMAND`. `{n}` becomes the number of the
    /// repetition, and `{a|b|c}` one of its choices in turn.
    fn line(&mut self, line: &str) {
        let Some((head, command)) = line.split_once(" times every ").and_then(|(times, rest)| {
            let (every, command) = rest.split_once(": ")?;
            Some(((times.parse::<u64>().ok()?, span(every)), command))
        }) else {
            return self.command(&turned(line, self.nth + 1));
        };
        for _ in 0..head.0 {
            self.pass(head.1);
            self.command(&turned(command, self.nth + 1));
        }
    }

    fn command(&mut self, line: &str) {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let place = self.place.clone();
        let words = Words::of(&place, rest);
        match command {
            "policy" => {
                let [from, to] = &words.words[..] else { panic!("{place}: policy \"old\" \"new\"") };
                let written = |text: &str| text.replace('\'', "\"").replace("\\n", "\n");
                let (from, to) = (written(from), written(to));
                assert!(self.zone.contains(&from), "{place}: the zone's file does not contain {from:?}");
                self.zone = self.zone.replacen(&from, &to, 1);
                self.world.adopt(&self.zone.clone());
            }
            "trap" => self.trap(&words),
            "host" => self.hosts.push(Host {
                address: words.first().parse().unwrap(),
                name: words.get("name").unwrap_or_default().to_owned(),
                exchanger_of: words.get("exchanger-of").into_iter().map(str::to_owned).collect(),
                authorised_by: words.get("authorised-by").into_iter().map(str::to_owned).collect(),
            }),
            "verify" => {
                let answer = match words.need("answer") {
                    "takes-all" => VerificationAnswer::TakesAll,
                    "refuses-unknown" => VerificationAnswer::RefusesUnknown,
                    "refuses-all" => VerificationAnswer::RefusesAll,
                    "nothing" => VerificationAnswer::NoAnswer,
                    other => panic!("{place}: unknown answer {other:?}"),
                };
                self.world.answers.insert(words.first().parse().unwrap(), answer);
            }
            "dns" => self.dns_answers = words.first() == "answers",
            "trusted" => self.trusted.push(words.first().parse().unwrap()),
            "time" => self.last = self.pass(span(words.first())),
            "bounce" => {
                let message = bounce(&words, self.nth + 1);
                self.mail(&words, &message);
            }
            "reply" => {
                let (writer, n) = (words.need("writer"), self.nth);
                let marked = if words.get("unmarked").is_some() {
                    "X-Autoreply: yes"
                } else {
                    "Auto-Submitted: auto-replied"
                };
                let message = format!(
                    "From: {writer}\nTo: x@y.example\nSubject: Out of office: {n}\nMessage-ID: <{n}@z.example>\n\
                     {marked}\nPrecedence: bulk\n\nI am out of the office until Monday.\n"
                );
                self.mail(&words, &message);
            }
            "message" => {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(words.first());
                let message = std::fs::read_to_string(path).unwrap();
                self.mail(&words, &message);
            }
            "probe" => self.probe(&words),
            "logged" => self.logged(&words),
            "decide" => self.decide(&words),
            "expect" => self.expect(&words),
            other => panic!("{place}: unknown command {other:?}"),
        }
    }

    /// Lets time pass, with a tick at the next slot as a server has one.
    fn pass(&mut self, later: Span) -> Vec<ListChange> {
        let slots = self.world.blocklist.snapshot().zones()[0].config.slots;
        let slot = slots.first(self.world.now.plus(span("1s"))).since(self.world.now);
        if slots.is_immediate() || slot >= later {
            return self.world.tick(later).list;
        }
        let mut changes = self.world.tick(slot).list;
        changes.extend(self.world.tick(later.minus(slot)).list);
        changes
    }

    fn trap(&mut self, words: &Words<'_>) {
        let name = words.first();
        let donor = Donor::parse(words.get("donor").unwrap_or("own")).unwrap();
        let silent_since = match words.get("silent-since") {
            Some("now") => None,
            Some(since) => Some(time(since)),
            None => Some(Timestamp::default()),
        };
        let (key, scope, domain) = match Mailbox::parse(name) {
            Some(mailbox) => (hasher().address(&mailbox), Scope::Address, hasher().domain(mailbox.domain())),
            None => (hasher().domain(name), Scope::Domain, hasher().domain(name)),
        };
        self.world.order(Order::AddTrap { key, scope, domain, donor, silent_since });
    }

    /// A message reaches the trap: it is read, classified and folded as the daemon does it.
    fn mail(&mut self, words: &Words<'_>, message: &str) {
        self.nth += 1;
        let client: Relay = words.need("from").parse().unwrap();
        let read = mail::read(message.as_bytes());
        let Some((relay, trusted_hops)) = attribute(client, &read.header, &self.trusted) else {
            self.last.clear();
            return;
        };
        let trap = Mailbox::parse(words.need("to")).unwrap();
        let reverse_path =
            ReversePath::parse(&format!("<{}>", words.get("reverse-path").unwrap_or_default()));
        let session = SessionFacts {
            reverse_path: Some(reverse_path.clone()),
            client: Some(relay.address()),
            recipient: Some(trap.clone()),
            trusted_hops,
        };
        let verdict = classify::classify(&read, &session);
        if let Some(kind) = words.get("kind") {
            assert_eq!(verdict.kind.name(), kind, "{}: {:?}\n{message}", self.place, verdict.reasons);
        }
        let report = Some(Digest::of(message.as_bytes()));
        self.forwarded_by = words.get("forwarded-by").map(|donor| Donor::parse(donor).unwrap());
        let recipients = words.get("recipients").map_or(1, |count| count.parse().unwrap());
        self.evidence(relay, &trap, reverse_path, recipients, report, &verdict);
    }

    /// A line of a donor's log: a null-sender message that the donor's MTA rejected.
    fn logged(&mut self, words: &Words<'_>) {
        self.nth += 1;
        let relay: Relay = words.need("from").parse().unwrap();
        let trap = Mailbox::parse(words.need("to")).unwrap();
        self.forwarded_by = Some(Donor::parse(words.need("by")).unwrap());
        self.evidence(relay, &trap, ReversePath::Null, 1, None, &classify::null_rejected());
    }

    fn probe(&mut self, words: &Words<'_>) {
        self.nth += 1;
        let relay: Relay = words.need("from").parse().unwrap();
        let trap = Mailbox::parse(words.need("to")).unwrap();
        self.evidence(relay, &trap, ReversePath::Null, 1, None, &classify::callout());
    }

    fn evidence(
        &mut self,
        relay: Relay,
        trap: &Mailbox,
        reverse_path: ReversePath,
        recipients: usize,
        report: Option<Digest>,
        verdict: &Verdict,
    ) {
        let (seen_at, client) = (self.world.now, Client::Relay(relay));
        let transaction = Transaction {
            traps: vec![trap.clone(); recipients],
            ..Transaction::new(seen_at, client, "relay.example".to_owned(), reverse_path)
        };
        let parts = EvidenceParts {
            id: Digest::of(format!("{} {}", self.nth, self.world.entries.len()).as_bytes()),
            transaction: &transaction,
            relay,
            trap,
            wider: Vec::new(),
            verdict,
            report,
            forwarded_by: self.forwarded_by.take(),
            node: "scenario",
        };
        let evidence = Evidence::of(parts, &hasher());
        let inquiry = Inquiry::about(&evidence, Some(trap.domain()));
        let answers = self.answers(&inquiry);
        self.last = self.world.take(Entry::Evidence(Box::new(evidence))).list;
        if self.last.is_empty() {
            self.last = self.world.take(Entry::Observation(observation(&inquiry, &answers))).list;
        }
    }

    fn answers(&self, inquiry: &Inquiry) -> DnsAnswers {
        if !self.dns_answers {
            return DnsAnswers::default();
        }
        let domain = inquiry.domain.clone().unwrap_or_default();
        let own = |host: &&Host| Relay::new(host.address) == inquiry.relay;
        let exchangers = self.hosts.iter().filter(|host| host.exchanger_of.contains(&domain));
        DnsAnswers {
            names: Some(
                self.hosts
                    .iter()
                    .filter(own)
                    .map(|host| host.name.clone())
                    .filter(|name| !name.is_empty())
                    .collect(),
            ),
            exchangers: Some(exchangers.map(|host| host.address).collect()),
            spf: Some(self.hosts.iter().filter(own).any(|host| host.authorised_by.contains(&domain))),
            forbidden: Some(
                inquiry.trap_domain.as_deref().is_some_and(|domain| domain.starts_with("forbidding")),
            ),
        }
    }

    fn decide(&mut self, words: &Words<'_>) {
        let origin = ORIGIN.to_owned();
        let donor = |key: &str| Donor::parse(words.need(key)).unwrap();
        let order = match words.first() {
            "remove" => Order::Remove { relay: words.need("remove").parse().unwrap() },
            "exempt" => Order::Exempt {
                prefix: words.need("exempt").parse().unwrap(),
                review_by: time(words.need("review-by")),
            },
            "end-exemption" => Order::EndExemption { prefix: words.need("end-exemption").parse().unwrap() },
            "list" => Order::List {
                origin,
                prefix: words.need("list").parse().unwrap(),
                code: 2,
                until: time(words.need("until")),
            },
            "void-donor" => Order::Void {
                source: EvidenceSource::Donor(donor("void-donor")),
                since: time(words.need("since")),
            },
            "void-trap" => {
                let key = hasher().domain(words.need("void-trap"));
                Order::Void { source: EvidenceSource::Trap(key), since: time(words.need("since")) }
            }
            "donor-weight" | "donor-suspended" => {
                let key = words.first();
                let mut terms = DonorTerms::default();
                if let Some(weight) = words.get("donor-weight") {
                    terms.weight = weight.parse().unwrap();
                }
                terms.suspended = key == "donor-suspended";
                Order::SetDonor { donor: donor("of"), terms }
            }
            "freeze" => Order::Freeze,
            "release" => Order::Release,
            "shut-down" => Order::ShutDown { origin },
            "reopen" => Order::Reopen { origin },
            "good-mail" => Order::CountGoodMail {
                relay: words.need("good-mail").parse().unwrap(),
                donor: donor("donor"),
                messages: words.need("messages").parse().unwrap(),
            },
            other => panic!("{}: unknown decision {other:?}", self.place),
        };
        self.last = self.world.order(order).list;
    }

    fn expect(&self, words: &Words<'_>) {
        let place = &self.place;
        let told = |code: &CodeExplanation| format!("{code}");
        match words.first() {
            "ignored" => {
                let why = words.need("ignored");
                let ignored = matches!(&self.last[..], [ListChange::Ignored { why: is }] if is.contains(why));
                assert!(ignored, "{place}: {:?}", self.last);
            }
            "held" => {
                let by = words.get("by");
                let held = self.last.iter().any(|change| match change {
                    ListChange::Held { guard, .. } => by.is_none_or(|by| by == guard.name()),
                    _ => false,
                });
                assert!(held, "{place}: {:?}", self.last);
            }
            "note" => {
                let notes = self.world.blocklist.status().notes;
                let said = notes.last().is_some_and(|note| note.text.contains(words.need("note")));
                assert!(said, "{place}: {notes:?}");
            }
            "text" => {
                let answer = self.ask(words.need("of"), QueryType::Txt);
                let text = answer.answers.iter().find_map(|record| match &record.data {
                    Value::Txt(text) => Some(text.clone()),
                    _ => None,
                });
                let text = text.unwrap_or_default();
                assert!(text.contains(words.need("text")), "{place}: {text:?}");
            }
            "refused" => {
                let answer = self.told(words.need("refused"), QueryType::A);
                assert!(answer.rcode == Rcode::Refused && answer.answers.is_empty(), "{place}: {answer:?}");
            }
            address => {
                let answer = self.ask(address, QueryType::A);
                let value = answer.answers.first().map(|record| record.data.clone());
                let code = self.explained(address, words.get("code").unwrap_or("2"));
                match words.words.get(1).map(String::as_str) {
                    Some("clear") => {
                        assert_eq!(answer.rcode, Rcode::NameError, "{place}: {address} {}", told(&code));
                    }
                    Some("listed") => {
                        let octet = words.get("listed").and_then(|octet| octet.parse().ok()).unwrap_or(2);
                        let expected = Value::Address(IpAddr::from([127, 0, 0, octet]));
                        assert_eq!(value, Some(expected), "{place}: {address} {}", told(&code));
                    }
                    Some("in") => {
                        let label = words.need("in");
                        let name = format!("{}.{label}.{ORIGIN}", reversed(address));
                        let answer = self.told(&name, QueryType::A);
                        let expected = !words.words.iter().any(|word| word == "not");
                        let listed = answer.rcode == Rcode::NoError;
                        assert_eq!(listed, expected, "{place}: {address} {}", told(&code));
                    }
                    other => panic!("{place}: expected clear, listed or in, found {other:?}"),
                }
                if let Some(missing) = words.get("missing") {
                    let open: BTreeSet<&str> =
                        code.rules.iter().filter(|rule| !rule.met).map(|rule| rule.rule).collect();
                    let named: BTreeSet<&str> = missing.split(',').collect();
                    assert_eq!(open, named, "{place}: {}", told(&code));
                }
                if let Some(factor) = words.get("for") {
                    let zero = |evidence: &backscatterd::explain::EvidenceExplanation| {
                        evidence.factors.get(factor).is_some_and(|value| value.thousandths < 1_000)
                    };
                    assert!(code.evidence.iter().any(zero), "{place}: {}", told(&code));
                }
            }
        }
    }

    fn ask(&self, address: &str, query_type: QueryType) -> Told {
        self.told(&format!("{}.{ORIGIN}", reversed(address)), query_type)
    }

    /// The answer to a query after the slots at which everything that waits becomes public.
    fn told(&self, name: &str, query_type: QueryType) -> Told {
        let mut published = Blocklist::from_checkpoint(&self.world.blocklist.to_checkpoint()).unwrap();
        let (mut offset, mut now) = (published.offset().number(), self.world.now);
        for _ in 0..SLOTS_MAX {
            let status = published.status();
            if status.unpublished.is_empty() || status.frozen {
                break;
            }
            (offset, now) =
                (offset + 1, published.snapshot().zones()[0].config.slots.first(now.plus(span("1s"))));
            let entry = Entry::Tick(offset);
            published.apply(&RecordedEntry { offset: Offset::from_number(offset), at: now, entry });
        }
        told(&published.snapshot(), name, query_type, now)
    }

    fn explained(&self, address: &str, code: &str) -> CodeExplanation {
        let relay: Relay = address.parse().unwrap();
        let blocklist = &self.world.blocklist;
        let record = blocklist.relay_record(Prefix::host(relay));
        let exemptions = blocklist.status().exemptions;
        let explained =
            explain(relay, record.as_ref(), &exemptions, &blocklist.snapshot(), blocklist.offset());
        let codes = explained.zones.into_iter().flat_map(|zone| zone.codes);
        codes.into_iter().find(|explained| explained.value.to_string() == code).unwrap()
    }
}

fn reversed(address: &str) -> String {
    backscatterd::zone::reversed(address.parse().unwrap()).to_string()
}

/// Replaces `{n}` by a number, and `{a|b|c}` by the choice whose turn it is.
fn turned(line: &str, nth: u64) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once('{') {
        let (choice, after) = behind.split_once('}').unwrap();
        text.push_str(before);
        if choice == "n" {
            text.push_str(&nth.to_string());
        } else {
            let choices: Vec<&str> = choice.split('|').collect();
            text.push_str(choices[nth as usize % choices.len()]);
        }
        rest = after;
    }
    text + rest
}

/// A report of a failure in the form of Postfix, with the fields that the arguments name.
fn bounce(words: &Words<'_>, nth: u64) -> String {
    let (trap, failed) = (words.need("to"), words.need("failed"));
    let sender = words.get("sender").unwrap_or(trap);
    let named = failed;
    let action = words.get("action").unwrap_or("failed");
    let status = words.get("status").unwrap_or("5.1.1");
    let diagnostic = words.get("diagnostic").unwrap_or("unknown user");
    let host = words.get("host").unwrap_or("relay.example");
    let above = words.get("received").map_or_else(String::new, |line| format!("Received: {line}\n"));
    let remote =
        words.get("remote").map_or_else(String::new, |remote| format!("Remote-MTA: dns; {remote}\n"));
    let injected = match words.get("injector") {
        Some("none") => {
            "Received: from localhost (localhost [127.0.0.1]) by relay.example (filter)\n".to_owned()
        }
        injector => {
            let injector = injector.unwrap_or("192.0.2.44");
            let addressed = words.get("addressed").map_or_else(String::new, |of| format!("\n\tfor <{of}>"));
            format!(
                "Received: from spam (unknown [{injector}]) by {host} (Postfix) id {nth}{addressed}; today\n"
            )
        }
    };
    let id = words.get("id").map_or_else(|| nth.to_string(), str::to_owned);
    let further = words.get("members").map_or_else(String::new, |members| {
        let of =
            |member: &str| format!("Final-Recipient: rfc822; {member}\nAction: failed\nStatus: 5.1.1\n\n");
        members.split(',').map(of).collect()
    });
    format!(
        "{above}Received: by {host} (Postfix)\n\tid {id}; today\nFrom: MAILER-DAEMON@{host}\nTo: {trap}\n\
         Subject: Undelivered Mail Returned to Sender\nMessage-Id: <{id}@{host}>\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"B\"\n\n\
         --B\n\nThis is the mail system at host {host}.\n\n<{named}>: {diagnostic}\n--B\n\
         Content-Type: message/delivery-status\n\nReporting-MTA: dns; {host}\n\n\
         Final-Recipient: rfc822; {named}\nAction: {action}\nStatus: {status}\n{remote}\
         Diagnostic-Code: smtp; {diagnostic}\n\n{further}\
         --B\nContent-Type: message/rfc822\n\nReturn-Path: <{sender}>\n{injected}\
         From: {sender}\nTo: {named}\nSubject: pills {id}\n\nthe body\n--B--\n"
    )
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "scenario"));
    files.sort();
    files
}

/// The lines of a scenario with their numbers, without comments.
fn lines_of(path: &Path) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().zip(1..).map(|(line, number)| (number, line.trim().to_owned()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn every_story_ends_as_it_should() {
    play_all("0s");
}

/// The same with slots: what a story expects is public at the next slots.
#[test]
fn every_story_ends_alike_with_slots() {
    play_all("15m");
}

fn play_all(publish_every: &str) {
    let mut broken = Vec::new();
    for path in files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // A scenario that fails must not keep the others from being played.
        let ended = std::panic::catch_unwind(|| {
            let mut story = Story::begin(&name, publish_every);
            for (number, line) in lines_of(&path) {
                story.place = format!("{name}:{number}");
                story.line(&line);
            }
        });
        if ended.is_err() {
            broken.push(name);
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn every_way_to_list_an_innocent_has_a_story() {
    let rows: Vec<&str> = INNOCENTS.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() >= 25, "{} rows", rows.len());
    let mut named = BTreeSet::new();
    for (row, number) in rows.into_iter().zip(1..) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!((cells.len(), cells[0]), (4, number.to_string().as_str()), "docs/INNOCENTS.md: {row}");
        for name in cells[3].split("; ") {
            let prefix = format!("pitfall-{number:02}-");
            assert!(name.starts_with(&prefix), "docs/INNOCENTS.md {number} names {name}, not {prefix}*");
            named.insert(name.to_owned());
        }
    }
    let names = files().into_iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    let there: BTreeSet<String> = names.filter(|name| name.starts_with("pitfall-")).collect();
    assert_eq!(there, named, "the scenarios and the rows of docs/INNOCENTS.md name the same files");
}

/// A rule or a factor that decides no scenario could be removed without a test failing.
#[test]
fn every_rule_and_factor_decides_a_story() {
    let text: String = files().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for rule in RULES {
        assert!(
            text.contains(&format!("missing {}\n", rule.name)),
            "no scenario depends on the rule {}",
            rule.name
        );
    }
    for factor in FACTORS {
        let named = [format!("for {}\n", factor.name), format!("for \"{}\"\n", factor.name)];
        assert!(
            named.iter().any(|named| text.contains(named)),
            "no scenario depends on the factor {}",
            factor.name
        );
    }
}
