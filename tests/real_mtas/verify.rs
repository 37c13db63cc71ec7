//! What verification finds out about real Postfix servers.

use std::net::Ipv4Addr;
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

use crate::lab::{self, BAD, CLEAN, GOOD, Lab, Role};

/// An address in the lab at which no server listens.
const DOWN: &str = "198.51.100.66";

/// Asks a host about `relay.test` from inside the lab.
fn ask(lab: &Lab, host: &str) -> SideFinding {
    let (host, from): (Relay, Ipv4Addr) = (host.parse().unwrap(), CLEAN.parse().unwrap());
    lab.within("outside", move || {
        let settings = VerifierSettings {
            addresses: LocalAddresses { v4: Some(from), v6: None },
            ehlo: "verify.outside.test".to_owned(),
            page: "https://verify.outside.test/".to_owned(),
            limits: VerifierLimits { sessions_max: 1, per_hour: 100 },
            opt_out: Vec::new(),
            port: 25,
        };
        let networks = ["198.18.0.0/15", "198.51.100.0/24"].map(|network| network.parse().unwrap());
        let listable = Listable { laboratory_networks: networks.to_vec() };
        let clock = Arc::new(SystemClock::start());
        let times = SessionTimes::default();
        let verifier = Verifier::new(Arc::new(Lookups::Nothing), settings, listable, clock, times);
        let request = VerifyRequest {
            relay: host,
            domain: AskedDomain::parse("relay.test").unwrap(),
            side: AskedSide::Relay,
            seed: Digest::of(b"seed"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(verifier.ask(&request))
    })
}

#[test]
fn every_postfix_is_understood() {
    let roles = [
        Role::Bad,
        Role::Good,
        Role::CustomersOnly,
        Role::Greylisting,
        Role::GreylistingLast,
        Role::TlsRequired,
        Role::OldTlsRequired,
        Role::Blocking,
    ];
    let Some(lab) = Lab::up("ask", &roles) else { return };
    let no = Finding::NoAnswer;
    for (host, expected) in [
        (BAD, Finding::TakesAll),
        (GOOD, Finding::RefusesUnknown),
        (lab::CUSTOMERS_ONLY, Finding::Refuses),
        (lab::GREYLISTING, no(Unanswered::Deferred)),
        (lab::GREYLISTING_LAST, Finding::Refuses),
        (lab::TLS_REQUIRED, Finding::RefusesUnknown),
        (lab::OLD_TLS_REQUIRED, no(Unanswered::AboutUs)),
        (lab::BLOCKING, no(Unanswered::AboutUs)),
        (DOWN, no(Unanswered::Unreachable)),
    ] {
        let found = ask(&lab, host);
        println!("{host}: {} {:#?}", found.finding, found.hosts[0].replies);
        assert_eq!(found.finding, expected, "{host}: {found:?}");
    }
}
