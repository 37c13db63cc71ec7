//! Attacks on innocent relays, with real mail servers and a name server that lies: the attackers own the
//! domains of the failed recipients and all of their records. True sources stand beside the victims.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::INJECTORS;
use crate::SCHEDULE;
use crate::lab::{self, ATTACKER, BAD, Lab, TRAP, TRAP_DOMAINS, VERIFY, WAIT_LIMIT};
use crate::mail_host::{MailHost, about_others};
use crate::name_server::Records;
use crate::network::can_run;
use crate::opensmtpd::{OPENSMTPD, forwarding_smtpd_conf};
use crate::postfix::{
    CUSTOMERS_PROGRAM, HOSTED_ALONE, HOSTED_PAIR, LOGIN_RELAY, LOGIN_RESPONSE, ONE_CUSTOMER, Role, SIX,
    SIX_V4, TWO_CUSTOMERS,
};
use crate::smtp_client::Smtp;
use crate::unpacked::Unpacked;
use crate::wait::happens_within;

/// The hosts of the OpenSMTPD servers: it names no host that refused, and no address that it forwarded.
const SMARTHOST: &str = "198.18.44.25";
const FORWARDER: &str = "198.18.45.25";
const NAMELESS: &str = "198.18.46.25";
/// A host that sends for two providers, and their hosts.
const OUTBOUND: &str = "198.18.48.25";
const FRONTS: [&str; 2] = ["192.0.2.45", "198.51.100.67"];

/// The domains of attackers, two for each attack: claims from one domain never suffice.
const LOGIN_DOMAINS: [&str; 2] = ["login-one.example", "login-two.example"];
const SMART_DOMAINS: [&str; 2] = ["smart-one.example", "smart-two.example"];
const FORWARD_DOMAINS: [&str; 2] = ["forward-one.example", "forward-two.example"];
const SPF_DOMAINS: [&str; 2] = ["spf-one.example", "spf-two.example"];

/// How mail for nobody gets into a relay.
enum Way {
    /// From a client without a login.
    Plain,
    /// With a customer's login.
    Login,
}

/// A relay that is made to send reports to the traps.
struct Sender {
    /// Where it is given forged mail: at these hosts in turn.
    inlets: &'static [&'static str],
    /// The address that brings its reports.
    relay: &'static str,
    way: Way,
    /// The recipient of each forged message.
    recipient: fn(usize) -> String,
    /// What is concluded about the relation in each report.
    relation: &'static str,
    /// What its side is asked and answers, by domain.
    answers: &'static [(&'static str, &'static str)],
    is_listed: bool,
    /// Whether it is listed when nobody asks its side, so that the attack needs an answer to fail.
    is_listed_unasked: bool,
}

/// The most hours after the last report in which the relays' sides are asked, and how long each hour waits for
/// their answers.
const HOURS_MAX: usize = 10;
const LOOK: Duration = Duration::from_secs(3);

const REFUSES: &str = "refuses the recipients that were asked about";
const TAKES: &str = "takes all recipients";

/// What is attacked, asked, answered and concluded.
const SENDERS: [Sender; 9] = [
    // MX 10 is the attacker's host, which refuses; MX 20 is the relay.
    Sender {
        inlets: &[LOGIN_RELAY],
        relay: LOGIN_RELAY,
        way: Way::Login,
        recipient: |nth| at(&LOGIN_DOMAINS, nth),
        relation: "refuted",
        answers: &[],
        is_listed: false,
        is_listed_unasked: false,
    },
    // The same, on a relay that knows customers by their addresses and does not say who refused.
    Sender {
        inlets: &[SMARTHOST],
        relay: SMARTHOST,
        way: Way::Plain,
        recipient: |nth| at(&SMART_DOMAINS, nth),
        relation: "claimed",
        answers: &[(SMART_DOMAINS[0], REFUSES), (SMART_DOMAINS[1], REFUSES)],
        is_listed: false,
        is_listed_unasked: true,
    },
    // Users forward to domains whose MX 20 is the relay. Its Received field names the user.
    Sender {
        inlets: &[FORWARDER],
        relay: FORWARDER,
        way: Way::Plain,
        recipient: |nth| forward(nth).0,
        relation: "refuted",
        answers: &[],
        is_listed: false,
        is_listed_unasked: false,
    },
    // A forward without a trace: the relay sends for the hosts at which users forward.
    Sender {
        inlets: &FRONTS,
        relay: OUTBOUND,
        way: Way::Plain,
        recipient: |nth| forward(nth).0,
        relation: "claimed",
        answers: &[(FORWARD_DOMAINS[0], REFUSES), (FORWARD_DOMAINS[1], REFUSES)],
        is_listed: false,
        is_listed_unasked: true,
    },
    // The SPF record of the domain authorises a relay without a name.
    Sender {
        inlets: &[NAMELESS],
        relay: NAMELESS,
        way: Way::Plain,
        recipient: |nth| at(&SPF_DOMAINS, nth),
        relation: "claimed",
        answers: &[(SPF_DOMAINS[0], REFUSES), (SPF_DOMAINS[1], REFUSES)],
        is_listed: false,
        is_listed_unasked: true,
    },
    // A customer's domain takes every recipient, and the customer's program refuses later.
    Sender {
        inlets: &[ONE_CUSTOMER],
        relay: ONE_CUSTOMER,
        way: Way::Plain,
        recipient: |nth| at(&[HOSTED_ALONE], nth),
        relation: "claimed",
        answers: &[],
        is_listed: false,
        is_listed_unasked: false,
    },
    // Two such customers: the relay sends what they cause, and is listed (docs/JUDGING.md, "What an attack
    // costs").
    Sender {
        inlets: &[TWO_CUSTOMERS],
        relay: TWO_CUSTOMERS,
        way: Way::Plain,
        recipient: |nth| at(&HOSTED_PAIR, nth),
        relation: "claimed",
        answers: &[(HOSTED_PAIR[0], TAKES), (HOSTED_PAIR[1], TAKES)],
        is_listed: true,
        is_listed_unasked: true,
    },
    // True sources, over IPv4 and IPv6.
    Sender {
        inlets: &[BAD],
        relay: BAD,
        way: Way::Plain,
        recipient: |nth| at(&["relay.test"], nth),
        relation: "confirmed",
        answers: &[("relay.test", TAKES)],
        is_listed: true,
        is_listed_unasked: true,
    },
    Sender {
        inlets: &[SIX_V4],
        relay: SIX,
        way: Way::Plain,
        recipient: |nth| at(&["six.test"], nth),
        relation: "confirmed",
        answers: &[("six.test", TAKES)],
        is_listed: true,
        is_listed_unasked: true,
    },
];

/// What the name server says.
fn records() -> Records {
    let mut records = Records::default();
    for domain in TRAP_DOMAINS {
        records.exchanger(domain, 10, "trap.backscatter.example", TRAP);
        records.text(domain, "v=spf1 -all");
    }
    for (name, address, domain) in [
        ("out.isp.test", LOGIN_RELAY, "isp.test"),
        ("out.smart.test", SMARTHOST, "smart.test"),
        ("mx.provider.test", FORWARDER, "provider.test"),
        ("out.sending.test", OUTBOUND, "sending.test"),
        ("mx.house.test", ONE_CUSTOMER, HOSTED_ALONE),
        ("mx.rooms.test", TWO_CUSTOMERS, HOSTED_PAIR[0]),
        ("mx.rooms.test", TWO_CUSTOMERS, HOSTED_PAIR[1]),
        ("bad.relay.test", BAD, "relay.test"),
        ("mx.six.test", SIX, "six.test"),
    ] {
        records.named(name, address);
        records.exchanger(domain, 10, name, address);
    }
    for (domains, victim) in
        [(LOGIN_DOMAINS, LOGIN_RELAY), (SMART_DOMAINS, SMARTHOST), (FORWARD_DOMAINS, OUTBOUND)]
    {
        for domain in domains {
            records.exchanger(domain, 10, &format!("mx10.{domain}"), ATTACKER);
            records.exchanger(domain, 20, &format!("mx20.{domain}"), victim);
        }
    }
    for domain in SPF_DOMAINS {
        records.exchanger(domain, 10, &format!("mx10.{domain}"), ATTACKER);
        records.text(domain, &format!("v=spf1 ip4:{NAMELESS} -all"));
    }
    records
}

/// A recipient in one of some domains, each of which has its turn.
fn at(domains: &[&str], nth: usize) -> String {
    format!("x{nth}@{}", domains[nth % domains.len()])
}

/// A user whose mail is forwarded, and where to.
fn forward(nth: usize) -> (String, String) {
    (format!("user{nth}@provider.test"), at(&FORWARD_DOMAINS, nth))
}

/// Starts the mail servers, the host of the attackers and the programs of the customers.
fn start_servers(lab: &mut Lab) -> (Vec<Unpacked>, MailHost) {
    for role in [Role::LoginRelay, Role::OneCustomer, Role::TwoCustomers, Role::Bad] {
        lab.postfix(role, "");
    }
    lab.postfix(Role::Six, &format!("relayhost = [{}]:25\n", lab::TRAP_V6));
    let refuses = || about_others("550 5.1.1 User unknown");
    for host in [Role::OneCustomer, Role::TwoCustomers].map(|role| role.host().0) {
        lab.network.within(host, move || MailHost::answering(CUSTOMERS_PROGRAM, refuses()));
    }
    let attacker =
        lab.network.within("outside", move || MailHost::answering(&format!("{ATTACKER}:25"), refuses()));
    let forwards: Vec<(String, String)> = (0..SCHEDULE.len()).map(forward).collect();
    let mut servers = Vec::new();
    let through = format!("host smtp://{OUTBOUND}");
    for (host, name, address, through) in [
        ("smart", "out.smart.test", SMARTHOST, ""),
        ("provider", "mx.provider.test", FORWARDER, ""),
        ("nameless", "nameless.test", NAMELESS, ""),
        ("outbound", "out.sending.test", OUTBOUND, ""),
        ("front1", "mx1.provider.test", FRONTS[0], &through),
        ("front2", "mx2.provider.test", FRONTS[1], &through),
    ] {
        lab.network.host(host, &[address]);
        let files =
            [("etc/smtpd.conf", forwarding_smtpd_conf(&forwards, through)), ("etc/lab/key", String::new())];
        servers.push(OPENSMTPD.start(&lab.network.namespace(host), name, &lab.folder().join(host), &files));
        lab.wait(name, || lab.network.connect("outside", ATTACKER, address).is_some());
    }
    (servers, attacker)
}

impl Sender {
    /// Hands in mail that cannot be delivered, in the name of a trap.
    fn give(&self, lab: &Lab, nth: usize) {
        let place = SENDERS.iter().position(|sender| sender.relay == self.relay).unwrap();
        let injector = INJECTORS[(nth + place) % INJECTORS.len()];
        let trap = format!("bait{place}x{nth}@{}", TRAP_DOMAINS[nth % TRAP_DOMAINS.len()]);
        let recipient = (self.recipient)(nth);
        let inlet = self.inlets[nth % self.inlets.len()];
        let stream = lab.network.connect("outside", injector, inlet).expect("the relay listens");
        let mut smtp = Smtp::greeted(stream).expect("a greeting");
        smtp.say("EHLO customer.test").unwrap();
        if let Way::Login = self.way {
            let reply = smtp.say(&format!("AUTH PLAIN {LOGIN_RESPONSE}")).unwrap();
            assert!(reply.starts_with("235"), "{reply}\n{}", lab.logs());
        }
        let message = format!(
            "From: {trap}\nTo: {recipient}\nSubject: pills\nMessage-ID: <{place}.{nth}@customer.test>\n\nBuy now.\n"
        );
        let reply = smtp.deliver(&trap, &recipient, &message).unwrap();
        assert!(reply.starts_with("250"), "{}: the relay must take the mail: {reply}", self.relay);
        let _ = smtp.say("QUIT");
    }

    /// The relations of its reports so far.
    fn relations(&self, lab: &Lab) -> Vec<String> {
        let told = lab.explain_json(self.relay);
        let codes = told["zones"][0]["codes"].as_array().cloned().unwrap_or_default();
        let of_main = codes.iter().filter(|code| code["value"] == 2);
        let reports = of_main.flat_map(|code| code["evidence"].as_array().cloned().unwrap_or_default());
        reports.map(|report| report["relation"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What its side was asked and answered.
    fn answers(&self, lab: &Lab) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let told = lab.explain_json(self.relay);
        let answers = told["answers"].as_array().cloned().unwrap_or_default();
        answers.iter().map(|known| (text(&known["domain"]), text(&known["answer"]))).collect()
    }

    fn expected_answers(&self) -> BTreeMap<String, String> {
        self.answers.iter().map(|(domain, answer)| ((*domain).to_owned(), (*answer).to_owned())).collect()
    }
}

/// The relays that another setting of `verification` lists, after the journal of the lab.
fn listed_with(lab: &Lab, verification: &str) -> Vec<String> {
    let policy = lab.folder().join(format!("{verification}.toml"));
    let text = lab::zone();
    let other = text.replace("verification = \"required\"", &format!("verification = \"{verification}\""));
    assert_ne!(text, other);
    std::fs::write(&policy, other).unwrap();
    let told = lab.verb(&["backtest", "--json", "--policy", policy.to_str().unwrap()]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let added = told["added_named"].as_array().unwrap().iter();
    let mut relays: Vec<String> =
        added.map(|relay| relay["relay"].as_str().unwrap_or_default().to_owned()).collect();
    relays.dedup();
    relays
}

#[test]
fn attackers_who_own_domains_list_no_relay_that_refuses() {
    let files = ["/usr/sbin/postfix", "/usr/sbin/saslpasswd2", "/usr/sbin/ip", "/usr/bin/dig"];
    if !can_run(&files.map(Into::into)) || !can_run(&[OPENSMTPD.needed()]) {
        return;
    }
    let mut lab = Lab::with_name_server("attack", records());
    let (servers, attacker) = start_servers(&mut lab);
    let mut hour = 0;
    for (nth, &at) in SCHEDULE.iter().enumerate() {
        lab.advance(at - hour);
        hour = at;
        for sender in &SENDERS {
            sender.give(&lab, nth);
        }
        for sender in &SENDERS {
            let counted = || sender.relations(&lab).len() > nth;
            assert!(
                happens_within(WAIT_LIMIT, counted),
                "no report {nth} of {}\n{}\n{}",
                sender.relay,
                lab.logs(),
                logs(&servers)
            );
        }
        if nth == 0 {
            assert_eq!(
                lab.network.connections_opened_by("trap"),
                0,
                "nobody is asked before a case is complete"
            );
        }
    }
    // A question waits for at most an hour after it was noticed.
    let is_answered = |sender: &Sender| sender.answers(&lab).len() >= sender.answers.len();
    for _ in 0..HOURS_MAX {
        if happens_within(LOOK, || SENDERS.iter().all(is_answered)) {
            break;
        }
        lab.advance(1);
    }
    for sender in SENDERS.iter().filter(|sender| sender.is_listed) {
        lab.wait("a listing", || lab.is_listed(sender.relay));
    }
    let mut questions = 0;
    for sender in &SENDERS {
        let (relations, answers) = (sender.relations(&lab), sender.answers(&lab));
        println!(
            "{:<15} {:<9} {answers:?} listed {}",
            sender.relay,
            relations[0],
            lab.is_listed(sender.relay)
        );
        let explained = lab.explain(sender.relay);
        assert!(relations.iter().all(|relation| relation == sender.relation), "{relations:?}\n{explained}");
        assert_eq!(answers, sender.expected_answers(), "{explained}");
        assert_eq!(lab.is_listed(sender.relay), sender.is_listed, "{explained}");
        questions += u64::try_from(answers.len()).unwrap();
    }
    assert_eq!(lab.dig(SMARTHOST, "A").status, "NXDOMAIN");
    assert_eq!(lab.dig(BAD, "A").status, "NOERROR");
    // One session for each answer, and no other connection.
    assert_eq!(lab.network.connections_opened_by("trap"), questions);
    let ours = [TRAP, VERIFY[0], VERIFY[1]];
    let of_ours = attacker.clients().into_iter().filter(|client| ours.contains(&&*client.to_string()));
    assert_eq!(of_ours.count(), 0, "the host that an attacker's records name first is not asked");
    assert_eq!(listed_with(&lab, "claims"), [""; 0]);
    let unasked = SENDERS.iter().filter(|sender| sender.is_listed_unasked && !sender.is_listed);
    let mut unasked: Vec<&str> = unasked.map(|sender| sender.relay).collect();
    unasked.sort_unstable();
    assert_eq!(listed_with(&lab, "off"), unasked, "the attacks must be real");
}

fn logs(servers: &[Unpacked]) -> String {
    servers.iter().map(Unpacked::log).collect()
}
