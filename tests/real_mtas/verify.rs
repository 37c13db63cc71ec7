//! What verification finds out about real mail servers: what is asked, answered and concluded.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use backscatterd::digest::Digest;
use backscatterd::evidence::AskedSide;
use backscatterd::observe::Lookups;
use backscatterd::relay::{Listable, Relay};
use backscatterd::time::SystemClock;
use backscatterd::verify::{
    AskedDomain, Finding, LocalAddresses, SessionTimes, SideFinding, Unanswered, Verifier, VerifierLimits,
    VerifierSettings, VerifyRequest,
};

use crate::exim::{EXIM, EXIM_REQUIRES_TLS, exim_conf};
use crate::lab::{BAD, CLEAN, CLEAN_V6, GOOD, NAME_SERVER, WAIT_LIMIT};
use crate::name_server::Records;
use crate::network::{Network, can_run, must};
use crate::opensmtpd::{OPENSMTPD, smtpd_conf};
use crate::postfix::{
    BAD_V6, BLOCKING, CUSTOMERS_ONLY, GOOD_V6, GREYLISTING, GREYLISTING_LAST, HOSTING, OLD_TLS_REQUIRED,
    POSTGREY_HOST, Postfix, Role, TLS_REQUIRED,
};
use crate::sendmail::{SENDMAIL, SENDMAIL_REQUIRES_TLS, sendmail_files};
use crate::unpacked::{Software, Unpacked};
use crate::wait::happens_within;

/// Addresses in the lab at which no server listens.
const DOWN: &str = "198.51.100.66";
const DOWN_V6: &str = "2001:db8::99";
/// The hosts of the servers that are not Postfix; the second one of each requires TLS.
const EXIM_HOSTS: [&str; 2] = ["198.18.1.25", "198.18.1.26"];
const OPENSMTPD_HOSTS: [&str; 2] = ["198.18.2.25", "198.18.2.26"];
const SENDMAIL_HOSTS: [&str; 2] = ["198.18.3.25", "198.18.3.26"];

/// What is asked, answered and concluded.
struct Case {
    host: &'static str,
    domain: &'static str,
    /// The replies to the questions about postmaster and two made-up names, or what was replied before.
    answered: &'static str,
    concluded: Finding,
}

const fn case(host: &'static str, domain: &'static str, answered: &'static str, concluded: Finding) -> Case {
    Case { host, domain, answered, concluded }
}

/// Asks a host about a domain from inside the lab.
fn ask(network: &Network, host: &str, domain: &'static str) -> SideFinding {
    let host: Relay = host.parse().unwrap();
    network.within("outside", move || {
        let settings = VerifierSettings {
            addresses: LocalAddresses {
                v4: Some(CLEAN.parse().unwrap()),
                v6: Some(CLEAN_V6.parse().unwrap()),
            },
            ehlo: "verify.outside.test".to_owned(),
            page: "https://verify.outside.test/".to_owned(),
            limits: VerifierLimits { sessions_max: 1, per_hour: 100 },
            opt_out: Vec::new(),
            port: 25,
        };
        let networks = ["198.18.0.0/15", "198.51.100.0/24", "2001:db8::/32"];
        let laboratory_networks = networks.map(|network| network.parse().unwrap()).to_vec();
        let listable = Listable { laboratory_networks };
        let clock = Arc::new(SystemClock::start());
        let times = SessionTimes::default();
        let verifier = Verifier::new(Arc::new(Lookups::Nothing), settings, listable, clock, times);
        let request = VerifyRequest {
            relay: host,
            domain: AskedDomain::parse(domain).unwrap(),
            side: AskedSide::Relay,
            seed: Digest::of(b"seed"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(verifier.ask(&request))
    })
}

/// The replies of a host: what each is about, and its code.
fn answered(found: &SideFinding) -> String {
    let parts = found.hosts[0].replies.iter().map(|reply| {
        let Some((about, text)) = reply.split_once(": ") else { return "(without TLS)".to_owned() };
        let code = text.split(' ').next().unwrap_or_default();
        if about == "a made-up name" { code.to_owned() } else { format!("{about} {code}") }
    });
    parts.collect::<Vec<String>>().join(" ")
}

/// Asks all, prints the table, and compares.
fn check(network: &Network, cases: &[Case], logs: impl Fn() -> String) {
    let mut wrong = Vec::new();
    for Case { host, domain, answered: expected, concluded } in cases {
        let found = ask(network, host, domain);
        let answered = answered(&found);
        println!("{host:<13} {domain:<14} {answered:<24} {:?}", found.finding);
        if (answered.as_str(), found.finding) != (*expected, *concluded) {
            wrong.push(format!("{host} {domain}: expected {expected} {concluded:?}, and found {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), logs());
}

/// Waits until a host listens.
fn wait_for(network: &Network, host: &str, logs: impl Fn() -> String) {
    let listens = || network.connect("outside", CLEAN, host).is_some();
    assert!(happens_within(WAIT_LIMIT, listens), "{host} does not listen:\n{}", logs());
}

/// Asks a greylisting host, which has deferred the same names before, until it answers.
fn check_greylisting(network: &Network, host: &str, concluded: Finding) {
    let mut found = Vec::new();
    let is_over = || {
        found.push(ask(network, host, "grey.test"));
        found.last().is_some_and(|found| found.finding != Finding::NoAnswer(Unanswered::Deferred))
    };
    assert!(happens_within(WAIT_LIMIT, is_over), "{host} greylists for ever: {found:#?}");
    let last = &found[found.len() - 1];
    println!("{host:<13} grey.test later {:<24} {:?}", answered(last), last.finding);
    assert_eq!(last.finding, concluded, "{host}: {last:#?}");
}

/// The verbs that clients said, as Sendmail has logged them.
fn said(log: &str) -> Vec<&str> {
    let lines = log.lines().filter_map(|line| line.split_once(" <<< ")).map(|(_, said)| said);
    let verbs: BTreeSet<&str> = lines.filter_map(|said| said.split([' ', ':']).next()).collect();
    verbs.into_iter().filter(|verb| *verb != "[EOF]").collect()
}

const fn no(why: Unanswered) -> Finding {
    Finding::NoAnswer(why)
}

#[test]
fn every_postfix_is_understood() {
    let files = ["/usr/sbin/postfix", "/usr/sbin/postgrey", "/usr/sbin/ip"].map(Into::into);
    if !can_run(&files) {
        return;
    }
    let roles = [
        Role::Bad,
        Role::Good,
        Role::CustomersOnly,
        Role::Greylisting,
        Role::GreylistingLast,
        Role::TlsRequired,
        Role::OldTlsRequired,
        Role::Blocking,
        Role::Hosting,
        Role::Postgrey,
    ];
    let mut network = Network::new("ask", "127.0.0.1");
    network.host("outside", &[CLEAN, DOWN, CLEAN_V6]);
    let folder = reachable_folder();
    let mut servers = Vec::new();
    for role in roles {
        let (host, addresses) = role.host();
        network.host(host, addresses);
        servers.push(Postfix::start(role, &network.namespace(host), &folder.path().join(host), ""));
    }
    let logs = || servers.iter().map(Postfix::log).collect::<String>();
    for role in roles {
        wait_for(&network, role.host().1[0], logs);
    }
    let cases = [
        case(BAD, "relay.test", "postmaster 250 250 250", Finding::TakesAll),
        case(GOOD, "relay.test", "postmaster 250 550 550", Finding::RefusesUnknown),
        case(BAD_V6, "relay.test", "postmaster 250 250 250", Finding::TakesAll),
        case(GOOD_V6, "relay.test", "postmaster 250 550 550", Finding::RefusesUnknown),
        case(GOOD_V6, "elsewhere.test", "postmaster 454 454 454", Finding::Refuses),
        case(CUSTOMERS_ONLY, "relay.test", "postmaster 454 454 454", Finding::Refuses),
        case(GREYLISTING, "relay.test", "postmaster 450 450 450", no(Unanswered::Deferred)),
        case(GREYLISTING_LAST, "relay.test", "postmaster 450 550 550", Finding::Refuses),
        case(TLS_REQUIRED, "relay.test", "postmaster 250 550 550", Finding::RefusesUnknown),
        case(OLD_TLS_REQUIRED, "relay.test", "(without TLS) MAIL FROM:<> 530", no(Unanswered::AboutUs)),
        case(BLOCKING, "relay.test", "postmaster 554", no(Unanswered::AboutUs)),
        case(HOSTING, "hosted.test", "postmaster 250 550 550", Finding::RefusesUnknown),
        case(HOSTING, "catchall.test", "postmaster 250 250 250", Finding::TakesAll),
        case(HOSTING, "late.test", "postmaster 250 250 250", Finding::TakesAll),
        case(HOSTING, "gateway.test", "postmaster 250 250 250", Finding::TakesAll),
        case(HOSTING, "elsewhere.test", "postmaster 454 454 454", Finding::Refuses),
        // Postgrey leaves the refusal of an unknown recipient as it is, and never defers postmaster.
        case(POSTGREY_HOST, "strict.test", "postmaster 250 550 550", Finding::RefusesUnknown),
        case(POSTGREY_HOST, "grey.test", "postmaster 250 450 450", no(Unanswered::Deferred)),
        case(DOWN, "relay.test", "", no(Unanswered::Unreachable)),
        case(DOWN_V6, "relay.test", "", no(Unanswered::Unreachable)),
    ];
    check(&network, &cases, logs);
    check_greylisting(&network, POSTGREY_HOST, Finding::TakesAll);
}

/// A folder in which servers find their files after they have dropped their privileges.
fn reachable_folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("backscatterd-lab").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

/// A key and a certificate that nobody signed, as files of a server. OpenSMTPD needs a key of RSA.
fn certificate(folder: &Path) -> [(&'static str, String); 2] {
    let [key, certificate] = ["key", "certificate"].map(|name| folder.join(name).display().to_string());
    must(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=mx.lab.test",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ],
    );
    [("etc/lab/key", key), ("etc/lab/cert", certificate)]
        .map(|(path, file)| (path, std::fs::read_to_string(file).unwrap()))
}

#[test]
fn exim_opensmtpd_and_sendmail_are_understood() {
    let all = [EXIM, OPENSMTPD, SENDMAIL];
    let tools = ["/usr/sbin/ip", "/usr/bin/openssl"].map(Into::into);
    if !can_run(&all.map(Software::needed)) || !can_run(&tools) {
        return;
    }
    let mut network = Network::new("others", NAME_SERVER);
    network.host("outside", &[CLEAN, CLEAN_V6]);
    network.host("dns", &[NAME_SERVER]);
    let mut records = Records::default();
    records.named("verify.outside.test", CLEAN);
    network.within("dns", || records.serve(NAME_SERVER.parse().unwrap()));
    let folder = reachable_folder();
    let certificate = certificate(folder.path());
    let exim = |at_mail| vec![("etc/exim4/exim.conf", exim_conf(at_mail))];
    let opensmtpd = |tls| vec![("etc/smtpd.conf", smtpd_conf(tls))];
    let mut servers: Vec<Unpacked> = Vec::new();
    for (software, address, files) in [
        (EXIM, EXIM_HOSTS[0], exim("")),
        (EXIM, EXIM_HOSTS[1], exim(EXIM_REQUIRES_TLS)),
        (OPENSMTPD, OPENSMTPD_HOSTS[0], opensmtpd("")),
        (OPENSMTPD, OPENSMTPD_HOSTS[1], opensmtpd("tls-require pki mx.opensmtpd.test")),
        (SENDMAIL, SENDMAIL_HOSTS[0], sendmail_files("")),
        (SENDMAIL, SENDMAIL_HOSTS[1], sendmail_files(SENDMAIL_REQUIRES_TLS)),
    ] {
        let host = format!("s{}", servers.len());
        network.host(&host, &[address]);
        let place = folder.path().join(&host);
        let name = format!("mx.{}.test", software.name);
        let files = [files, certificate.to_vec()].concat();
        servers.push(software.start(&network.namespace(&host), &name, &place, &files));
    }
    let logs = || servers.iter().map(Unpacked::log).collect::<String>();
    for host in [EXIM_HOSTS, OPENSMTPD_HOSTS, SENDMAIL_HOSTS].concat() {
        wait_for(&network, host, logs);
    }
    let mut cases = Vec::new();
    for (host, refused) in [
        (EXIM_HOSTS[0], "postmaster 250 550 550"),
        (OPENSMTPD_HOSTS[0], "postmaster 250 524 524"),
        (SENDMAIL_HOSTS[0], "postmaster 250 550 550"),
    ] {
        cases.extend([
            case(host, "relay.test", "postmaster 250 550 550", Finding::RefusesUnknown),
            case(host, "hosted.test", refused, Finding::RefusesUnknown),
            case(host, "catchall.test", "postmaster 250 250 250", Finding::TakesAll),
            // Accepted, and refused at the end of the message or by the next host.
            case(host, "late.test", "postmaster 250 250 250", Finding::TakesAll),
            case(host, "gateway.test", "postmaster 250 250 250", Finding::TakesAll),
            case(host, "elsewhere.test", "postmaster 550 550 550", Finding::Refuses),
        ]);
    }
    cases.extend([
        case(EXIM_HOSTS[1], "relay.test", "postmaster 250 550 550", Finding::RefusesUnknown),
        // The TLS of OpenSMTPD 6.8 fails with OpenSSL 3.
        case(OPENSMTPD_HOSTS[1], "relay.test", "(without TLS) MAIL FROM:<> 530", no(Unanswered::AboutUs)),
        case(SENDMAIL_HOSTS[1], "relay.test", "postmaster 250 550 550", Finding::RefusesUnknown),
        case(EXIM_HOSTS[0], "grey.test", "postmaster 451 451 451", no(Unanswered::Deferred)),
        case(OPENSMTPD_HOSTS[0], "grey.test", "postmaster 450 450 450", no(Unanswered::Deferred)),
        case(SENDMAIL_HOSTS[0], "grey.test", "postmaster 450 450 450", no(Unanswered::Deferred)),
    ]);
    check(&network, &cases, logs);
    for log in servers.iter().map(Unpacked::log).filter(|log| log.contains("ESMTP Sendmail")) {
        assert_eq!(said(&log), ["EHLO", "MAIL", "QUIT", "RCPT", "RSET", "STARTTLS"], "{log}");
    }
    // Exim's own greylisting lets the same names pass later.
    check_greylisting(&network, EXIM_HOSTS[0], Finding::RefusesUnknown);
    servers.clear();
    let down = |host| case(host, "relay.test", "", no(Unanswered::Unreachable));
    check(&network, &[EXIM_HOSTS[0], OPENSMTPD_HOSTS[0], SENDMAIL_HOSTS[0]].map(down), String::new);
}
