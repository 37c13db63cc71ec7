//! The findings of a laboratory, which come from a table. It opens no connection.

use super::conclusion::together;
use super::finding::{Finding, HostFinding, SideFinding, Unanswered};
use super::request::VerifyRequest;
use crate::evidence::AskedSide;
use crate::observe::{LaboratoryAnswer, LaboratoryHost};

/// What the table says about a request.
pub(super) fn from_table(hosts: &[LaboratoryHost], request: &VerifyRequest) -> SideFinding {
    let relay = request.relay.address();
    let is_of_domain = |host: &&LaboratoryHost| {
        host.exchanger_of.iter().any(|of| of.eq_ignore_ascii_case(request.domain.as_str()))
    };
    let is_relay = |host: &&LaboratoryHost| host.addresses.contains(&relay);
    let asked: Vec<&LaboratoryHost> = match request.side {
        AskedSide::Relay => hosts.iter().filter(is_relay).collect(),
        AskedSide::Exchangers => hosts.iter().filter(is_of_domain).collect(),
    };
    let hosts: Vec<HostFinding> = asked
        .into_iter()
        .map(|host| {
            // Every address of the network is one server.
            let address = if is_relay(&host) { relay } else { host.addresses.addr() };
            HostFinding::not_asked(address, finding(host.answers))
        })
        .collect();
    let unknown = Finding::NoAnswer(match request.side {
        AskedSide::Relay => Unanswered::Unreachable,
        AskedSide::Exchangers => Unanswered::NoExchanger,
    });
    let finding = if hosts.is_empty() { unknown } else { together(request.relay, &hosts) };
    SideFinding { finding, hosts }
}

const fn finding(answers: LaboratoryAnswer) -> Finding {
    match answers {
        LaboratoryAnswer::Takes => Finding::TakesAll,
        LaboratoryAnswer::Refuses => Finding::RefusesUnknown,
        LaboratoryAnswer::RefusesAll => Finding::Refuses,
        LaboratoryAnswer::NoAnswer => Finding::NoAnswer(Unanswered::Unreachable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::verify::request::AskedDomain;

    #[test]
    fn a_table_answers_for_the_relay_and_for_the_exchangers() {
        let host = |addresses: &str, of: &str, answers| LaboratoryHost {
            addresses: addresses.parse().unwrap(),
            name: "mx.test".to_owned(),
            exchanger_of: vec![of.to_owned()],
            answers,
        };
        let hosts = [
            host("198.18.1.0/24", "takes.test", LaboratoryAnswer::Takes),
            host("198.18.2.0/24", "refuses.test", LaboratoryAnswer::Refuses),
            host("198.18.3.0/24", "all.test", LaboratoryAnswer::RefusesAll),
            host("198.18.4.0/24", "none.test", LaboratoryAnswer::NoAnswer),
        ];
        let of = |relay: &str, domain: &str, side| {
            let request = VerifyRequest {
                relay: relay.parse().unwrap(),
                domain: AskedDomain::parse(domain).unwrap(),
                side,
                seed: Digest::of(b"seed"),
            };
            from_table(&hosts, &request).finding
        };
        let none = Finding::NoAnswer;
        for (domain, expected) in [
            ("takes.test", Finding::TakesAll),
            ("refuses.test", Finding::RefusesUnknown),
            ("all.test", Finding::Refuses),
            ("none.test", none(Unanswered::Unreachable)),
            ("other.test", none(Unanswered::NoExchanger)),
        ] {
            assert_eq!(of("198.18.9.9", domain, AskedSide::Exchangers), expected, "{domain}");
        }
        assert_eq!(of("198.18.2.7", "any.test", AskedSide::Relay), Finding::RefusesUnknown);
        assert_eq!(of("198.18.9.9", "takes.test", AskedSide::Relay), none(Unanswered::Unreachable));
    }
}
