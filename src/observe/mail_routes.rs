//! Whether the mail for a trap domain comes to this server, as its MX records say.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::enrolment::MailHosts;
use super::lookups::Lookups;
use crate::trap::MailRoute;

/// Maximum time for the look-ups about one domain.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Looks up where the mail for a domain goes.
pub struct MailRoutes {
    lookups: Arc<Lookups>,
    hostname: Arc<str>,
    /// Addresses of this server's own SMTP listeners, without those that say nothing: unspecified and
    /// loopback addresses.
    addresses: Vec<IpAddr>,
}

impl MailRoutes {
    /// Look-ups for a server with this host name and these SMTP listeners.
    pub fn new(lookups: Arc<Lookups>, hostname: Arc<str>, listeners: impl Iterator<Item = IpAddr>) -> Self {
        let addresses = listeners.filter(|address| !address.is_unspecified() && !address.is_loopback());
        MailRoutes { lookups, hostname, addresses: addresses.collect() }
    }

    /// Where the mail for a domain goes; `Unknown` if the DNS gives no answer in time. The traps of a
    /// laboratory, which has no DNS, all get their mail.
    pub async fn of(&self, domain: &str) -> MailRoute {
        match &*self.lookups {
            Lookups::Laboratory(_) => MailRoute::Here,
            Lookups::Nothing => MailRoute::Unknown,
            Lookups::Dns(_) => {
                let hosts = self.lookups.mail_hosts(domain, &self.hostname);
                let hosts = tokio::time::timeout(TIMEOUT, hosts).await.unwrap_or_default();
                route(&hosts, &self.hostname, &self.addresses)
            }
        }
    }

    /// Whether a table of a laboratory answers instead of the DNS.
    pub fn are_laboratory(&self) -> bool {
        self.lookups.laboratory().is_some()
    }
}

/// Where the mail goes. One exchanger of this server is enough: everyone can read it in the DNS.
fn route(hosts: &MailHosts, hostname: &str, listeners: &[IpAddr]) -> MailRoute {
    let is_own_name = |name: &String| name.trim_end_matches('.').eq_ignore_ascii_case(hostname);
    if hosts.exchangers.iter().flatten().any(is_own_name) {
        return MailRoute::Here;
    }
    let own = |address: &IpAddr| {
        let address = address.to_canonical();
        let is_told = hosts.own.iter().flatten().any(|own| own.to_canonical() == address);
        !address.is_loopback() && (is_told || listeners.contains(&address))
    };
    match (&hosts.addresses, &hosts.own) {
        (Some(addresses), _) if addresses.iter().any(own) => MailRoute::Here,
        (Some(_), Some(_)) => MailRoute::Elsewhere,
        _ => MailRoute::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_of_the_dns_says_where_mail_goes() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let listeners = [address("192.0.2.1")];
        let hosts = |names: &[&str], addresses: &[&str], own: &[&str]| MailHosts {
            exchangers: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            addresses: Some(addresses.iter().map(|text| address(text)).collect()),
            own: Some(own.iter().map(|text| address(text)).collect()),
        };
        let of = |hosts: &MailHosts| route(hosts, "trap.example.org", &listeners);
        let named = hosts(&["mx.other.example", "Trap.Example.org."], &["203.0.113.1"], &[]);
        assert_eq!(of(&named), MailRoute::Here, "by the name of the exchanger");
        assert_eq!(of(&hosts(&["mx.trap.example"], &["192.0.2.1"], &[])), MailRoute::Here, "by a listener");
        let translated = hosts(&["mx.trap.example"], &["203.0.113.1", "203.0.113.7"], &["203.0.113.7"]);
        assert_eq!(of(&translated), MailRoute::Here, "by an address of the host name");
        assert_eq!(of(&hosts(&[], &["192.0.2.1"], &[])), MailRoute::Here, "by the domain's own address");
        assert_eq!(of(&hosts(&["mx.other.example"], &["203.0.113.1"], &["192.0.2.1"])), MailRoute::Elsewhere);
        assert_eq!(of(&hosts(&[""], &[], &["192.0.2.1"])), MailRoute::Elsewhere, "a null MX (RFC 7505)");
        assert_eq!(of(&hosts(&["mx"], &["127.0.0.1"], &["127.0.0.1"])), MailRoute::Elsewhere, "loopback");
        assert_eq!(of(&MailHosts::default()), MailRoute::Unknown);
        let unknown = [
            MailHosts { addresses: None, ..hosts(&["mx.other.example"], &[], &["192.0.2.1"]) },
            MailHosts { own: None, ..hosts(&["mx.other.example"], &["203.0.113.1"], &[]) },
        ];
        assert!(unknown.iter().all(|hosts| of(hosts) == MailRoute::Unknown));
    }
}
