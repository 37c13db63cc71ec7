//! Settings for laboratories, which must not affect a public list.

use super::checked::Config;
use crate::complaint::Complaints;

/// Top-level domains for tests and documentation, which no one can register (RFC 6761 §6.2, §6.5).
const LABORATORY_DOMAINS: [&str; 2] = ["test", "example"];

/// Checks that laboratory settings affect no public list. These settings are allowed only if all
/// listeners are on loopback, or the origin is under a domain that no one can register.
pub(super) fn check_laboratory(config: &Config, complaints: &mut Complaints) {
    let on_loopback = config.listeners().all(|address| address.ip().is_loopback());
    let remedy = "bind all listeners to loopback, or use an origin under .test or .example";
    for file in &config.zones {
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
            config.observe.laboratory_hosts.is_empty(),
            "observe.laboratory_hosts",
            format!("it would replace the DNS in the judging of relays for {place}"),
            remedy,
        );
        complaints.require(
            config.clock.laboratory_start.is_none(),
            "clock.laboratory",
            format!("listings of {place} would never expire while the clock stands still"),
            remedy,
        );
    }
}
