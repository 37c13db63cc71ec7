//! Checks that compare the settings of several sections, or settings with the zone files.

use std::collections::BTreeSet;

use super::checked::Config;
use crate::complaint::Complaints;
use crate::time::Span;
use crate::zone::DomainName;

/// Checks what no section can check by itself.
pub(super) fn check_across_sections(config: &Config, complaints: &mut Complaints) {
    check_directories(config, complaints);
    check_listeners(config, complaints);
    check_data_age(config, complaints);
    check_origins(config, complaints);
    check_access_rules(config, complaints);
}

fn check_directories(config: &Config, complaints: &mut Complaints) {
    complaints.require(
        !config.keys_directory.starts_with(config.journal.directory()),
        "keys.directory",
        format!("{} is in the journal's folder", config.keys_directory.display()),
        "a copy of the journal must not contain the keys: name a folder outside it",
    );
}

fn check_listeners(config: &Config, complaints: &mut Complaints) {
    let tcp: Vec<_> = config.listeners().filter(|address| address.port() != 0).collect();
    let distinct: BTreeSet<_> = tcp.iter().collect();
    complaints.require(
        distinct.len() == tcp.len(),
        "smtp.listen, smtp.listen_proxy, smtp.listen_lmtp, http.listen, metrics.listen, dns.listen",
        "two listeners have the same address and port",
        "give each listener its own address and port",
    );
}

fn check_data_age(config: &Config, complaints: &mut Complaints) {
    let age_max = config.name_server.age_max;
    let settled = Span::from_milliseconds(config.journal.tick_interval.milliseconds().saturating_mul(2));
    complaints.require(
        age_max >= settled,
        "dns.data_age_max",
        format!("{age_max} is less than twice journal.tick_interval, so current data would count as too old"),
        format!("write {settled} or more"),
    );
}

fn check_origins(Config { zones, lists, .. }: &Config, complaints: &mut Complaints) {
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

/// Checks that every zone of an access rule exists. A rule with a mistyped origin would leave the
/// intended zone open.
fn check_access_rules(config: &Config, complaints: &mut Complaints) {
    let judged = config.zones.iter().map(|file| &file.zone.apex.origin);
    let origins: Vec<&DomainName> = judged.chain(config.lists.iter().map(|list| &list.origin)).collect();
    for (at, rule) in config.name_server.access_rules.iter().enumerate() {
        for zone in rule.zones.iter().filter(|zone| !origins.contains(zone)) {
            complaints.add(
                &format!("dns.access[{at}].zones"),
                format!("{zone} is not the origin of a zone or a list"),
                "write the origin of a zone; the rule also applies to its sublists",
            );
        }
    }
}
