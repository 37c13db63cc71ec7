//! The checked configuration. All checks are done before any port is bound or any file is written.

mod spec;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use spec::{AccessActionSpec, AccessRuleSpec};
pub use spec::{ConfigSpec, DnsSection, LogSection};

use tracing_subscriber::filter::Targets;

use crate::complaint::{Complaint, Complaints};
use crate::digest::Digest;
use crate::lists::ListSpec;
use crate::smtp::{Tls, TlsFiles};
use crate::time::Span;
use crate::{dns, zone};

/// The version of the configuration file's format that this program reads.
const VERSION: u32 = 1;
/// The remedy that points to the example file, which documents every setting.
const EXAMPLE: &str = "deploy/backscatterd.toml shows every setting";
/// Top-level domains for tests and documentation, which no one can register (RFC 6761 §6.2, §6.5).
const LABORATORY_DOMAINS: [&str; 2] = ["test", "example"];
/// Least allowed `smtp.message_octets_max`. Reports may return the whole original message.
const MESSAGE_OCTETS_MIN: usize = 64 << 10;

/// The checked configuration of the program.
#[derive(Clone, Debug)]
pub struct Config {
    /// The settings as written.
    pub spec: ConfigSpec,
    /// The zone files of `zones_directory`, in the order of their paths.
    pub zones: Vec<ZoneFile>,
    /// The names of the operators, and the digests of their tokens.
    pub operators: Vec<(String, Digest)>,
    /// The parsed settings of the section `[dns]`.
    pub dns: DnsConfig,
    /// The files for STARTTLS; `None` if it is not offered.
    pub tls: Option<TlsFiles>,
}

/// The settings of the section `[dns]` that need parsing.
#[derive(Clone, Debug, Default)]
pub struct DnsConfig {
    /// The access rules, from `dns.access`.
    pub rules: Vec<dns::AccessRule>,
    /// The keys that may stand in query names, from `dns.keys`.
    pub keys: Vec<dns::AccessKey>,
    /// The secrets of DNS cookies (RFC 9018), from `dns.cookie_secrets`.
    pub cookie_secrets: Vec<[u8; dns::SECRET_OCTETS]>,
    /// The operator's own lists, from `dns.lists`.
    pub lists: Vec<ListSpec>,
}

/// A zone file.
#[derive(Clone, Debug)]
pub struct ZoneFile {
    /// Where the file is.
    pub path: PathBuf,
    /// The contents, which the journal stores and every listing refers to by digest.
    pub text: String,
    /// The checked contents.
    pub zone: zone::Config,
}

/// Reads and checks the configuration file and the zone files of its `zones_directory`.
///
/// # Errors
/// When a file cannot be read or a setting is wrong. All errors are returned together.
pub fn load(path: &Path) -> Result<Config, Vec<Complaint>> {
    let mut complaints = Complaints::about(path.display().to_string());
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            complaints.add(
                "",
                format!("cannot be read: {error}"),
                "name another file with --config, or create this one",
            );
            return Err(complaints.into_vec());
        }
    };
    match toml::from_str::<ConfigSpec>(&text) {
        Ok(spec) => check(path, spec),
        Err(error) => {
            complaints.add("", error.to_string().trim_end().replace('\n', "\n    "), EXAMPLE);
            Err(complaints.into_vec())
        }
    }
}

/// Checks settings, and reads and checks the zone files. `path` names the settings in complaints.
///
/// # Errors
/// When a setting or a zone file is wrong. All errors are returned together.
pub fn check(path: &Path, spec: ConfigSpec) -> Result<Config, Vec<Complaint>> {
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

/// Parses `log.filter`.
///
/// # Errors
/// When the text is not a valid filter.
pub fn log_filter(filter: &str) -> Result<Targets, String> {
    filter.parse().map_err(|error| format!("{filter:?} is not a valid filter: {error}"))
}

fn check_settings(spec: &ConfigSpec, complaints: &mut Complaints) {
    let ConfigSpec { version, node, journal, keys, smtp, dns, http, log, .. } = spec;
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
        format!("{version} is not a known version"),
        format!("this program reads version {VERSION}"),
    );
    complaints.require(
        zone::DomainName::parse(node).is_ok(),
        "node",
        format!("{node:?} is not a valid name"),
        "write letters, digits and hyphens",
    );
    complaints.require(
        zone::DomainName::parse(&smtp.hostname).is_ok_and(|name| name.labels().len() >= 2),
        "smtp.hostname",
        format!("{:?} is not a full host name", smtp.hostname),
        "write the name to which the MX records of the trap domains point",
    );
    complaints.require(
        !keys.directory.starts_with(&journal.directory),
        "keys.directory",
        format!("{} is in the journal's folder", keys.directory.display()),
        "a copy of the journal must not contain the keys: name a folder outside it",
    );
    complaints.require(
        journal.keep_reports <= journal.keep_entries,
        "journal.keep_reports",
        format!("{} is longer than journal.keep_entries", journal.keep_reports),
        "reports must not be kept longer than the evidence read from them",
    );
    complaints.require(
        (1..=3_600).contains(&journal.tick_interval.seconds()),
        "journal.tick_interval",
        format!("{} is not between 1s and 1h", journal.tick_interval),
        "write a time such as \"10s\"",
    );
    complaints.require(
        smtp.listen_proxy.is_empty() || !smtp.proxy_peers.is_empty(),
        "smtp.proxy_peers",
        "it is empty, so smtp.listen_proxy would reject every connection",
        "write the networks of your proxies",
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
        complaints.require(limit >= 1, key, "0 would reject every client", "write 1 or more");
    }
    for (key, timeout) in [
        ("smtp.idle_timeout", smtp.idle_timeout),
        ("smtp.message_timeout", smtp.message_timeout),
        ("dns.tcp_idle_timeout", dns.tcp_idle_timeout),
    ] {
        let problem = format!("{timeout} is too short");
        complaints.require(timeout.seconds() >= 1, key, problem, "write \"1s\" or more");
    }
    complaints.require(
        smtp.listen_lmtp.is_empty() || !smtp.lmtp_peers.is_empty(),
        "smtp.lmtp_peers",
        "it is empty, so smtp.listen_lmtp would reject every connection",
        "write the networks of your MTAs",
    );
    let all = [&smtp.listen, &smtp.listen_proxy, &smtp.listen_lmtp, &http.listen];
    let tcp: Vec<_> =
        all.into_iter().flatten().chain(&dns.listen).filter(|address| address.port() != 0).collect();
    let distinct: BTreeSet<_> = tcp.iter().collect();
    complaints.require(
        distinct.len() == tcp.len(),
        "smtp.listen, smtp.listen_proxy, smtp.listen_lmtp, http.listen, dns.listen",
        "two listeners have the same address and port",
        "give each listener its own address and port",
    );
}

fn check_tls(spec: &ConfigSpec, complaints: &mut Complaints) -> Option<TlsFiles> {
    let (certificate, key) = (spec.smtp.tls_certificate.clone(), spec.smtp.tls_key.clone());
    let is_set = |path: &Path| !path.as_os_str().is_empty();
    match (is_set(&certificate), is_set(&key)) {
        (false, false) => return None,
        (true, true) => {}
        _ => {
            complaints.add(
                "smtp.tls_certificate, smtp.tls_key",
                "only one of them is set",
                "set both to offer STARTTLS, or neither",
            );
            return None;
        }
    }
    let files = TlsFiles { certificate, key };
    if let Err(error) = Tls::read(files.clone()) {
        complaints.add(
            "smtp.tls_certificate, smtp.tls_key",
            error.to_string(),
            "name readable PEM files of a certificate chain and its key; a self-signed certificate is enough, because MTAs accept unknown ones",
        );
    }
    Some(files)
}

fn check_dns(spec: &DnsSection, tick_interval: Span, complaints: &mut Complaints) -> DnsConfig {
    let mut checked = DnsConfig::default();
    for (at, rule) in spec.access.iter().enumerate() {
        let mut zones = Vec::new();
        for zone in &rule.zones {
            match zone::DomainName::parse(zone) {
                Ok(zone) => zones.push(zone),
                Err(problem) => complaints.add(
                    &format!("dns.access[{at}].zones"),
                    problem,
                    "write the origin of a zone, such as \"bl.example.org\"",
                ),
            }
        }
        let action = match rule.action {
            AccessActionSpec::Pass => dns::AccessAction::Pass,
            AccessActionSpec::Empty => dns::AccessAction::Empty,
            AccessActionSpec::Key => dns::AccessAction::Key,
            AccessActionSpec::Refuse => dns::AccessAction::Refuse,
            AccessActionSpec::Ignore => dns::AccessAction::Ignore,
        };
        checked.rules.push(dns::AccessRule { zones, networks: rule.networks.clone(), action });
    }
    for (at, key) in spec.keys.iter().enumerate() {
        match key.digest.parse() {
            Ok(digest) => checked.keys.push(dns::AccessKey { name: key.name.clone(), digest }),
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
                "it is not a valid secret",
                "write 32 random hexadecimal digits",
            ),
        }
    }
    for (at, list) in spec.lists.iter().enumerate() {
        match list.parse() {
            Ok(list) => checked.lists.push(list),
            Err(problem) => complaints.add(
                &format!("dns.lists[{at}]"),
                problem,
                "write a list such as \"own.example.org:ip4set:/etc/backscatterd/own.list\"",
            ),
        }
    }
    check_keys(spec, &checked.keys, complaints);
    let settled = Span::from_milliseconds(tick_interval.milliseconds().saturating_mul(2));
    complaints.require(
        spec.data_age_max >= settled,
        "dns.data_age_max",
        format!(
            "{} is less than twice journal.tick_interval, so current data would count as too old",
            spec.data_age_max
        ),
        format!("write {settled} or more"),
    );
    complaints.require(
        spec.version.len() <= zone::TXT_OCTETS_MAX,
        "dns.version",
        format!("it is {} octets long", spec.version.len()),
        format!("write {} octets or fewer", zone::TXT_OCTETS_MAX),
    );
    for (key, limit) in [
        ("dns.tcp_connections_max", spec.tcp_connections_max),
        ("dns.tcp_connections_per_client_max", spec.tcp_connections_per_client_max),
    ] {
        complaints.require(limit >= 1, key, "0 would reject every client", "write 1 or more");
    }
    checked
}

fn check_keys(spec: &DnsSection, keys: &[dns::AccessKey], complaints: &mut Complaints) {
    for (at, key) in keys.iter().enumerate() {
        let taken = keys[..at].iter().any(|other| other.name == key.name || other.digest == key.digest);
        complaints.require(
            !taken,
            "dns.keys",
            format!("{:?} or its digest is used by an earlier key", key.name),
            "give each key its own name and token",
        );
    }
    for (at, rule) in spec.access.iter().enumerate() {
        let place = format!("dns.access[{at}]");
        complaints.require(
            !rule.networks.is_empty(),
            &format!("{place}.networks"),
            "it is empty, so the rule applies to no client",
            "write networks such as [\"192.0.2.0/24\"], or [\"0.0.0.0/0\", \"::/0\"] for all clients",
        );
        complaints.require(
            rule.action != AccessActionSpec::Key || !keys.is_empty(),
            &format!("{place}.action"),
            "\"key\" needs a key, but dns.keys is empty",
            "add a key to dns.keys",
        );
        let of_earlier = spec.access[..at]
            .iter()
            .filter(|other| other.action != rule.action && (other.zones.is_empty() == rule.zones.is_empty()));
        let same_zone = |other: &&AccessRuleSpec| {
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
                "give each network one action",
            );
        }
    }
}

/// Checks that every zone of an access rule exists. A rule with a mistyped origin would leave the
/// intended zone open.
fn check_rules(zones: &[ZoneFile], checked: &DnsConfig, complaints: &mut Complaints) {
    let judged = zones.iter().map(|file| &file.zone.apex.origin);
    let origins: Vec<&zone::DomainName> =
        judged.chain(checked.lists.iter().map(|list| &list.origin)).collect();
    for (at, rule) in checked.rules.iter().enumerate() {
        for zone in rule.zones.iter().filter(|zone| !origins.contains(zone)) {
            complaints.add(
                &format!("dns.access[{at}].zones"),
                format!("{zone} is not the origin of a zone or a list"),
                "write the origin of a zone; the rule also applies to its sublists",
            );
        }
    }
}

fn check_operators(spec: &ConfigSpec, complaints: &mut Complaints) -> Vec<(String, Digest)> {
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
                format!("cannot be read: {error}"),
                "set zones_directory to the folder of the zone files",
            );
            return (Vec::new(), complaints.into_vec());
        }
    };
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    complaints.require(
        !paths.is_empty(),
        "",
        "the folder has no *.toml file",
        "put a zone file into it, such as zones/backscatter.toml",
    );
    let (mut zones, mut wrong) = (Vec::new(), complaints.into_vec());
    for path in paths {
        let place = path.display().to_string();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                wrong.push(Complaint {
                    key: place,
                    problem: format!("cannot be read: {error}"),
                    remedy: "make the file readable, and UTF-8".to_owned(),
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
                format!("{} is inside the zone of {}", list.origin, judged.path.display()),
                "give the list a zone of its own, so that its entries are not taken for judged ones",
            );
        }
    }
    for (at, file) in zones.iter().enumerate() {
        let earlier = zones[..at].iter().find(|other| other.zone.apex.origin == file.zone.apex.origin);
        if let Some(earlier) = earlier {
            complaints.add(
                "zones_directory",
                format!("{} and {} have the same origin", earlier.path.display(), file.path.display()),
                "write one file per zone",
            );
        }
    }
}

/// Checks that laboratory settings affect no public list. They are allowed only if all listeners
/// are on loopback, or the origin is under a domain that no one can register.
fn check_laboratory(spec: &ConfigSpec, zones: &[ZoneFile], complaints: &mut Complaints) {
    let ConfigSpec { smtp, dns, http, .. } = spec;
    let listeners = [&smtp.listen, &smtp.listen_proxy, &smtp.listen_lmtp, &dns.listen, &http.listen];
    let on_loopback = listeners.into_iter().flatten().all(|address| address.ip().is_loopback());
    let remedy = "bind all listeners to loopback, or use an origin under .test or .example";
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
            format!("it would replace the DNS in the judging of relays for {place}"),
            remedy,
        );
        complaints.require(
            !spec.clock.laboratory,
            "clock.laboratory",
            format!("listings of {place} would never expire while the clock stands still"),
            remedy,
        );
    }
}
