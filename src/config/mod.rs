//! The configuration as checked: true before any port is bound or any file is written.

mod spec;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use spec::{AccessAction, AccessRule};
pub use spec::{Dns, Log, Spec};

use tracing_subscriber::filter::Targets;

use crate::complaint::{Complaint, Complaints};
use crate::digest::Digest;
use crate::lists::ListSpec;
use crate::smtp::{Tls, TlsFiles};
use crate::time::Span;
use crate::{dns, zone};

/// The version of the file's form that this program reads.
const VERSION: u32 = 1;
/// The example, which is also the documentation of every setting.
const EXAMPLE: &str = "deploy/backscatterd.toml shows every setting";
/// Names that exist for tests and laboratories (RFC 6761).
const LABORATORY_DOMAINS: [&str; 2] = ["test", "example"];
/// Least size of message that is of use: reports return originals whole.
const MESSAGE_OCTETS_MIN: usize = 64 << 10;

/// What the program runs by.
#[derive(Clone, Debug)]
pub struct Config {
    pub spec: Spec,
    pub zones: Vec<ZoneFile>,
    /// Names of operators, and the digests of their tokens.
    pub operators: Vec<(String, Digest)>,
    pub dns: NameServer,
    pub tls: Option<TlsFiles>,
}

/// What of the name server's section needs reading.
#[derive(Clone, Debug, Default)]
pub struct NameServer {
    pub rules: Vec<dns::Rule>,
    pub keys: Vec<dns::Key>,
    pub cookie_secrets: Vec<[u8; dns::SECRET_OCTETS]>,
    pub lists: Vec<ListSpec>,
}

/// A zone's file, as text and as checked.
#[derive(Clone, Debug)]
pub struct ZoneFile {
    pub path: PathBuf,
    pub text: String,
    pub zone: zone::Config,
}

/// Reads the file and the zones it names.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(path: &Path) -> Result<Config, Vec<Complaint>> {
    let mut complaints = Complaints::about(path.display().to_string());
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            complaints.add(
                "",
                format!("can't be read: {error}"),
                "name another file with --config, or make this one",
            );
            return Err(complaints.into_vec());
        }
    };
    match toml::from_str::<Spec>(&text) {
        Ok(spec) => check(path, spec),
        Err(error) => {
            complaints.add("", error.to_string().trim_end().replace('\n', "\n    "), EXAMPLE);
            Err(complaints.into_vec())
        }
    }
}

/// Checks settings that may also come from elsewhere than a file; `path` names them in complaints.
pub fn check(path: &Path, spec: Spec) -> Result<Config, Vec<Complaint>> {
    let mut complaints = Complaints::about(path.display().to_string());
    check_settings(&spec, &mut complaints);
    let operators = check_operators(&spec, &mut complaints);
    let dns = check_dns(&spec.dns, spec.journal.tick_interval, &mut complaints);
    let tls = check_tls(&spec, &mut complaints);
    let (zones, mut wrong_zones) = read_zones(&spec.zones_directory);
    check_origins(&zones, &dns.lists, &mut complaints);
    check_rules(&zones, &dns, &mut complaints);
    check_laboratory(&spec, &zones, &mut complaints);
    let mut found = complaints.into_vec();
    found.append(&mut wrong_zones);
    if found.is_empty() { Ok(Config { spec, zones, operators, dns, tls }) } else { Err(found) }
}

/// Reads `log.filter`.
pub fn log_filter(filter: &str) -> Result<Targets, String> {
    filter.parse().map_err(|error| format!("{filter:?} is no filter: {error}"))
}

fn check_settings(spec: &Spec, complaints: &mut Complaints) {
    let Spec { version, node, journal, keys, smtp, dns, http, log, .. } = spec;
    if let Err(problem) = log_filter(&log.filter) {
        complaints.add(
            "log.filter",
            problem,
            "write a level such as \"info\", or a filter such as \"backscatterd=debug\"",
        );
    }
    complaints.require(
        *version == VERSION,
        "version",
        format!("{version} is not known"),
        format!("this program reads version {VERSION}"),
    );
    complaints.require(
        zone::Name::parse(node).is_ok(),
        "node",
        format!("{node:?} is no plain name"),
        "write letters, digits and hyphens",
    );
    complaints.require(
        zone::Name::parse(&smtp.hostname).is_ok_and(|name| name.labels().len() >= 2),
        "smtp.hostname",
        format!("{:?} is no host's full name", smtp.hostname),
        "write the name that the MX records of the trap domains lead to",
    );
    complaints.require(
        !keys.directory.starts_with(&journal.directory),
        "keys.directory",
        format!("{} lies in the journal's folder", keys.directory.display()),
        "whoever gets a copy of the journal must not get the keys with it: name a folder elsewhere",
    );
    complaints.require(
        journal.keep_reports <= journal.keep_facts,
        "journal.keep_reports",
        format!("{} is longer than journal.keep_facts", journal.keep_reports),
        "mail must not outlast the facts read from it",
    );
    complaints.require(
        (1..=3_600).contains(&journal.tick_interval.seconds()),
        "journal.tick_interval",
        format!("{} is not between 1s and 1h", journal.tick_interval),
        "write for instance \"10s\"",
    );
    complaints.require(
        smtp.listen_proxy.is_empty() || !smtp.proxy_peers.is_empty(),
        "smtp.proxy_peers",
        "nobody may name clients, so smtp.listen_proxy would turn everyone away",
        "name the networks of your proxies",
    );
    complaints.require(
        smtp.message_octets_max >= MESSAGE_OCTETS_MIN,
        "smtp.message_octets_max",
        format!("{} is too small for reports", smtp.message_octets_max),
        format!("write {MESSAGE_OCTETS_MIN} or more"),
    );
    let limits = [
        ("smtp.sessions_max", smtp.sessions_max),
        ("smtp.sessions_per_client_max", smtp.sessions_per_client_max),
        ("smtp.messages_per_session_max", smtp.messages_per_session_max),
        ("smtp.errors_per_session_max", smtp.errors_per_session_max),
        ("smtp.recipients_per_message_max", smtp.recipients_per_message_max),
    ];
    for (key, limit) in limits {
        complaints.require(limit >= 1, key, "0 would turn everyone away", "write 1 or more");
    }
    for (key, timeout) in [
        ("smtp.idle_timeout", smtp.idle_timeout),
        ("smtp.message_timeout", smtp.message_timeout),
        ("dns.tcp_idle_timeout", dns.tcp_idle_timeout),
    ] {
        let problem = format!("{timeout} is no time to say something in");
        complaints.require(timeout.seconds() >= 1, key, problem, "write \"1s\" or more");
    }
    complaints.require(
        smtp.listen_lmtp.is_empty() || !smtp.lmtp_peers.is_empty(),
        "smtp.lmtp_peers",
        "nobody may speak LMTP, so smtp.listen_lmtp would turn everyone away",
        "name the networks of your MTAs",
    );
    let all = [&smtp.listen, &smtp.listen_proxy, &smtp.listen_lmtp, &http.listen];
    let tcp: Vec<_> =
        all.into_iter().flatten().chain(&dns.listen).filter(|address| address.port() != 0).collect();
    let distinct: BTreeSet<_> = tcp.iter().collect();
    complaints.require(
        distinct.len() == tcp.len(),
        "smtp.listen, smtp.listen_proxy, smtp.listen_lmtp, http.listen, dns.listen",
        "an address stands twice",
        "give every listener an address and port of its own",
    );
}

fn check_tls(spec: &Spec, complaints: &mut Complaints) -> Option<TlsFiles> {
    let (certificate, key) = (spec.smtp.tls_certificate.clone(), spec.smtp.tls_key.clone());
    let is_set = |path: &Path| !path.as_os_str().is_empty();
    match (is_set(&certificate), is_set(&key)) {
        (false, false) => return None,
        (true, true) => {}
        _ => {
            complaints.add(
                "smtp.tls_certificate, smtp.tls_key",
                "one of them is not set",
                "name both files for STARTTLS, or neither",
            );
            return None;
        }
    }
    let files = TlsFiles { certificate, key };
    if let Err(error) = Tls::read(files.clone()) {
        complaints.add(
            "smtp.tls_certificate, smtp.tls_key",
            error.to_string(),
            "name a chain and its key in PEM that this program may read; any certificate will do, MTAs take one that they don't know",
        );
    }
    Some(files)
}

fn check_dns(spec: &Dns, tick_interval: Span, complaints: &mut Complaints) -> NameServer {
    let mut checked = NameServer::default();
    for (at, rule) in spec.access.iter().enumerate() {
        let mut zones = Vec::new();
        for zone in &rule.zones {
            match zone::Name::parse(zone) {
                Ok(zone) => zones.push(zone),
                Err(problem) => complaints.add(
                    &format!("dns.access[{at}].zones"),
                    problem,
                    "write the zone's origin, such as \"bl.example.org\"",
                ),
            }
        }
        let action = match rule.action {
            AccessAction::Pass => dns::Action::Pass,
            AccessAction::Empty => dns::Action::Empty,
            AccessAction::Key => dns::Action::Key,
            AccessAction::Refuse => dns::Action::Refuse,
            AccessAction::Ignore => dns::Action::Ignore,
        };
        checked.rules.push(dns::Rule { zones, networks: rule.networks.clone(), action });
    }
    for (at, key) in spec.keys.iter().enumerate() {
        match key.digest.parse() {
            Ok(digest) => checked.keys.push(dns::Key { name: key.name.clone(), digest }),
            Err(problem) => complaints.add(
                &format!("dns.keys[{at}].digest"),
                problem,
                "write the digest that \"backscatterd token\" prints",
            ),
        }
    }
    for (at, secret) in spec.cookie_secrets.iter().enumerate() {
        match secret.parse::<Digest>() {
            Ok(secret) if *secret.octets() != [0; dns::SECRET_OCTETS] => {
                checked.cookie_secrets.push(*secret.octets());
            }
            Ok(_) | Err(_) => complaints.add(
                &format!("dns.cookie_secrets[{at}]"),
                "it is no secret",
                "write 32 hexadecimal digits that nobody can guess",
            ),
        }
    }
    for (at, list) in spec.lists.iter().enumerate() {
        match list.parse() {
            Ok(list) => checked.lists.push(list),
            Err(problem) => complaints.add(
                &format!("dns.lists[{at}]"),
                problem,
                "write for instance \"own.example.org:ip4set:/etc/backscatterd/own.list\"",
            ),
        }
    }
    check_keys(spec, &checked.keys, complaints);
    let settled = Span::from_milliseconds(tick_interval.milliseconds().saturating_mul(2));
    complaints.require(
        spec.data_age_max >= settled,
        "dns.data_age_max",
        format!(
            "{} is not much longer than journal.tick_interval, so that fresh data would pass for old",
            spec.data_age_max
        ),
        format!("write {settled} or more"),
    );
    complaints.require(
        spec.version.len() <= zone::TXT_OCTETS_MAX,
        "dns.version",
        format!("{} octets long", spec.version.len()),
        format!("keep it within {} octets", zone::TXT_OCTETS_MAX),
    );
    for (key, limit) in [
        ("dns.tcp_connections_max", spec.tcp_connections_max),
        ("dns.tcp_connections_per_client_max", spec.tcp_connections_per_client_max),
    ] {
        complaints.require(limit >= 1, key, "0 would turn everyone away", "write 1 or more");
    }
    checked
}

fn check_keys(spec: &Dns, keys: &[dns::Key], complaints: &mut Complaints) {
    for (at, key) in keys.iter().enumerate() {
        let taken = keys[..at].iter().any(|other| other.name == key.name || other.digest == key.digest);
        complaints.require(
            !taken,
            "dns.keys",
            format!("{:?} or its digest stands there already", key.name),
            "give every key a name and a token of its own",
        );
    }
    for (at, rule) in spec.access.iter().enumerate() {
        let place = format!("dns.access[{at}]");
        complaints.require(
            !rule.networks.is_empty(),
            &format!("{place}.networks"),
            "it names none, and rules over nobody",
            "write for instance [\"192.0.2.0/24\"]; [\"0.0.0.0/0\", \"::/0\"] are all",
        );
        complaints.require(
            rule.action != AccessAction::Key || !keys.is_empty(),
            &format!("{place}.action"),
            "it asks for a key, and there is none",
            "add one to dns.keys",
        );
        let of_earlier = spec.access[..at]
            .iter()
            .filter(|other| other.action != rule.action && (other.zones.is_empty() == rule.zones.is_empty()));
        let same_zone = |other: &&AccessRule| {
            rule.zones.is_empty() || rule.zones.iter().any(|zone| other.zones.contains(zone))
        };
        let twice = of_earlier
            .filter(same_zone)
            .flat_map(|other| &other.networks)
            .find(|network| rule.networks.iter().any(|own| own.trunc() == network.trunc()));
        if let Some(network) = twice {
            complaints.add(
                &format!("{place}.networks"),
                format!("{network} has another action in an earlier rule"),
                "one network, one action",
            );
        }
    }
}

/// A rule about a zone that isn't there is a slip of the pen that leaves another one open.
fn check_rules(zones: &[ZoneFile], checked: &NameServer, complaints: &mut Complaints) {
    let judged = zones.iter().map(|file| &file.zone.apex.origin);
    let origins: Vec<&zone::Name> = judged.chain(checked.lists.iter().map(|list| &list.origin)).collect();
    for (at, rule) in checked.rules.iter().enumerate() {
        for zone in rule.zones.iter().filter(|zone| !origins.contains(zone)) {
            complaints.add(
                &format!("dns.access[{at}].zones"),
                format!("{zone} is the origin of no zone and no list"),
                "a rule holds for a whole zone, its sublists too: name its origin",
            );
        }
    }
}

fn check_operators(spec: &Spec, complaints: &mut Complaints) -> Vec<(String, Digest)> {
    let mut operators = Vec::new();
    for (at, operator) in spec.http.operators.iter().enumerate() {
        match operator.token_digest.parse() {
            Ok(digest) => operators.push((operator.name.clone(), digest)),
            Err(problem) => complaints.add(
                &format!("http.operators[{at}].token_digest"),
                problem,
                "write the digest that \"backscatterd token\" prints",
            ),
        }
    }
    operators
}

fn read_zones(directory: &Path) -> (Vec<ZoneFile>, Vec<Complaint>) {
    let mut complaints = Complaints::about(directory.display().to_string());
    let mut paths: Vec<PathBuf> = match fs::read_dir(directory) {
        Ok(files) => files.filter_map(|file| Some(file.ok()?.path())).collect(),
        Err(error) => {
            complaints.add(
                "",
                format!("can't be read: {error}"),
                "set zones_directory to the folder of zone files",
            );
            return (Vec::new(), complaints.into_vec());
        }
    };
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    complaints.require(
        !paths.is_empty(),
        "",
        "no *.toml in it",
        "put a zone file there, such as zones/backscatter.toml",
    );
    let (mut zones, mut wrong) = (Vec::new(), complaints.into_vec());
    for path in paths {
        let place = path.display().to_string();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                wrong.push(Complaint {
                    key: place,
                    problem: format!("can't be read: {error}"),
                    remedy: "make it readable and UTF-8".to_owned(),
                });
                continue;
            }
        };
        match zone::read(&place, &text) {
            Ok(zone) => {
                let mut complaints = Complaints::about(place);
                zone.check_new(&mut complaints);
                wrong.append(&mut complaints.into_vec());
                zones.push(ZoneFile { path, text, zone });
            }
            Err(mut found) => wrong.append(&mut found),
        }
    }
    (zones, wrong)
}

fn check_origins(zones: &[ZoneFile], lists: &[ListSpec], complaints: &mut Complaints) {
    for list in lists {
        let judged = zones.iter().find(|file| list.origin.is_under(&file.zone.apex.origin));
        if let Some(judged) = judged {
            complaints.add(
                "dns.lists",
                format!("{} lies in the zone of {}", list.origin, judged.path.display()),
                "a list has a zone of its own, so that it can't pass for what was judged",
            );
        }
    }
    for (at, file) in zones.iter().enumerate() {
        let earlier = zones[..at].iter().find(|other| other.zone.apex.origin == file.zone.apex.origin);
        if let Some(earlier) = earlier {
            complaints.add(
                "zones_directory",
                format!("{} and {} have the same origin", earlier.path.display(), file.path.display()),
                "one zone, one file",
            );
        }
    }
}

/// What is made for laboratories must not leave them: everything on loopback, or under a name that nobody can own.
fn check_laboratory(spec: &Spec, zones: &[ZoneFile], complaints: &mut Complaints) {
    let Spec { smtp, dns, http, .. } = spec;
    let listeners = [&smtp.listen, &smtp.listen_proxy, &smtp.listen_lmtp, &dns.listen, &http.listen];
    let on_loopback = listeners.into_iter().flatten().all(|address| address.ip().is_loopback());
    let remedy = "put all listeners on loopback, or the origin under .test or .example";
    for file in zones {
        let owned_by_nobody = file
            .zone
            .apex
            .origin
            .labels()
            .last()
            .is_some_and(|last| LABORATORY_DOMAINS.contains(&last.as_str()));
        if on_loopback || owned_by_nobody {
            continue;
        }
        let place = file.path.display();
        complaints.require(
            file.zone.listable.laboratory_networks.is_empty(),
            "zones_directory",
            format!(
                "{place} has laboratory_networks, which would list special-purpose addresses (RFC 6471 §3.5)"
            ),
            remedy,
        );
        complaints.require(
            spec.observe.laboratory_hosts.is_empty(),
            "observe.laboratory_hosts",
            format!("a table instead of the DNS would judge relays for {place}"),
            remedy,
        );
        complaints.require(
            !spec.clock.laboratory,
            "clock.laboratory",
            format!("a clock that stands still would serve {place} for ever"),
            remedy,
        );
    }
}
