//! What the DNS says about a trap domain: whether its records make it fit to be a trap
//! (docs/STANDARDS.md S12), what to publish instead, and where its mail goes.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What the DNS says about a domain that is to be a trap. `None` means that the question got no
/// answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainRecords {
    /// The names of its mail exchangers. A single empty name means that the domain accepts no mail
    /// (RFC 7505).
    pub exchangers: Option<Vec<String>>,
    /// Whether its SPF record forbids mail from every host (RFC 7208).
    pub forbids_all: Option<bool>,
    /// Whether its DMARC policy is `reject`.
    pub dmarc_rejects: Option<bool>,
    /// The addresses that receive aggregate DMARC reports about it.
    pub reports_to: Vec<String>,
}

/// What the DNS says about the mail of a domain. `None` means that a question got no answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailHosts {
    /// The names of the domain's mail exchangers.
    pub exchangers: Option<Vec<String>>,
    /// The addresses of its mail exchangers, or its own if it has no MX record (RFC 5321 §5.1).
    pub addresses: Option<Vec<IpAddr>>,
    /// The addresses of this server's host name.
    pub own: Option<Vec<IpAddr>>,
}

/// One fault of a domain's records, and the record that corrects it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentFault {
    /// What is wrong.
    pub problem: String,
    /// The record to publish.
    pub publish: String,
}

/// All faults of a domain's records, for a trap domain whose mail goes to `host`.
pub fn faults(domain: &str, host: &str, published: &DomainRecords) -> Vec<EnrolmentFault> {
    let mut faults = Vec::new();
    let mut find = |problem: String, publish: String| faults.push(EnrolmentFault { problem, publish });
    let mx = || format!("{domain}. MX 10 {host}.");
    match &published.exchangers {
        None => find("the DNS gave no answer for the MX record of the domain".to_owned(), mx()),
        Some(names) if names.is_empty() => find("the domain has no MX record".to_owned(), mx()),
        Some(names) if names.iter().any(String::is_empty) => {
            find(
                "the domain has a null MX record (RFC 7505), so the domain would receive no reports"
                    .to_owned(),
                mx(),
            );
        }
        Some(names) => {
            for other in names.iter().filter(|name| !name.eq_ignore_ascii_case(host)) {
                find(
                    format!("{other} accepts mail for the domain too, and that mail never reaches the trap"),
                    mx(),
                );
            }
        }
    }
    if published.forbids_all != Some(true) {
        let problem = "no SPF record says that the domain sends no mail".to_owned();
        find(problem, format!("{domain}. TXT \"v=spf1 -all\""));
    }
    let elsewhere = "v=DMARC1; p=reject; rua=mailto:dmarc@another-domain";
    if published.dmarc_rejects != Some(true) {
        let problem = "the DMARC policy of the domain is not \"reject\"".to_owned();
        find(problem, format!("_dmarc.{domain}. TXT \"{elsewhere}\""));
    }
    let own = |address: &&String| {
        address
            .rsplit('@')
            .next()
            .is_some_and(|of| of.eq_ignore_ascii_case(domain) || of.ends_with(&format!(".{domain}")))
    };
    for address in published.reports_to.iter().filter(own) {
        let problem = format!(
            "aggregate reports go to {address}, which is a trap, so the hosts that send them would look like sources"
        );
        find(problem, format!("_dmarc.{domain}. TXT \"{elsewhere}\""));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> DomainRecords {
        DomainRecords {
            exchangers: Some(vec!["trap.example.org".to_owned()]),
            forbids_all: Some(true),
            dmarc_rejects: Some(true),
            reports_to: vec!["dmarc@elsewhere.example".to_owned()],
        }
    }

    #[test]
    fn rfc7505_s12_a_trap_domain_takes_mail_sends_none_and_has_its_reports_elsewhere() {
        let of = |published: &DomainRecords| faults("trap.example", "trap.example.org", published);
        assert_eq!(of(&sound()), []);
        type Spoil = fn(&mut DomainRecords);
        let spoiled: [(&str, Spoil); 8] = [
            ("no answer", |published| published.exchangers = None),
            ("no MX", |published| published.exchangers = Some(Vec::new())),
            ("null MX", |published| published.exchangers = Some(vec![String::new()])),
            ("mx.other.example accepts mail", |published| {
                published.exchangers =
                    Some(vec!["trap.example.org".to_owned(), "mx.other.example".to_owned()]);
            }),
            ("SPF", |published| published.forbids_all = Some(false)),
            ("SPF", |published| published.forbids_all = None),
            ("DMARC", |published| published.dmarc_rejects = None),
            ("is a trap", |published| published.reports_to.push("dmarc@trap.example".to_owned())),
        ];
        for (what, spoil) in spoiled {
            let mut published = sound();
            spoil(&mut published);
            let found = of(&published);
            assert_eq!(found.len(), 1, "{what}: {found:?}");
            assert!(
                found[0].problem.contains(what) && found[0].publish.contains("trap.example"),
                "{found:?}"
            );
        }
    }
}
