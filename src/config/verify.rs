//! The section `[verify]`: the SMTP sessions that ask whether a relay's side refuses recipients that
//! do not exist.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::checked::Config;
use super::section::section;
use crate::complaint::Complaints;
use crate::verify::{AskedDomain, LocalAddresses, VerifierLimits, VerifierSettings};

/// The port of SMTP (RFC 5321 §4.5.4.2).
const SMTP_PORT: u16 = 25;
/// Greatest allowed `verify.sessions_max`.
const SESSIONS_MAX: usize = 256;
/// Greatest allowed `verify.per_hour`. The results of a day are kept in memory.
const PER_HOUR_MAX: usize = 3_600;

section!(
    /// The SMTP sessions that ask a relay's side.
    VerifySection {
        /// Addresses of this machine to ask from, at most one IPv4 and one IPv6 address; nothing is
        /// asked if it is empty.
        addresses: Vec<IpAddr> = Vec::new(),
        /// The full host name in EHLO, whose address records are `addresses`.
        ehlo: String = "verify.example.org".to_owned(),
        /// The page that tells people what the sessions are.
        page: String = "https://verify.example.org/".to_owned(),
        /// Most sessions at one time.
        sessions_max: usize = 16,
        /// Most sessions in an hour.
        per_hour: usize = 600,
        /// Networks whose hosts are never asked.
        opt_out: Vec<IpNet> = Vec::new(),
        /// The port to ask on. For laboratories only.
        port: u16 = SMTP_PORT,
    }
);

impl VerifySection {
    /// Checks the section.
    pub(super) fn check(self, complaints: &mut Complaints) -> VerifierSettings {
        // All fields are named, so that the compiler rejects a setting that nothing reads.
        let VerifySection { addresses, ehlo, page, sessions_max, per_hour, opt_out, port } = self;
        complaints.require(
            AskedDomain::parse(&ehlo).is_ok(),
            "verify.ehlo",
            format!("{ehlo:?} is not a full host name"),
            "write the name whose address records are verify.addresses",
        );
        complaints.require(
            page.strip_prefix("https://").or(page.strip_prefix("http://")).is_some_and(|rest| !rest.is_empty()),
            "verify.page",
            format!("{page:?} is not the address of a page"),
            "write an address like \"https://verify.example.org/\", at which people find what the sessions are",
        );
        let limits = [
            ("verify.sessions_max", sessions_max, SESSIONS_MAX),
            ("verify.per_hour", per_hour, PER_HOUR_MAX),
        ];
        for (key, limit, most) in limits {
            let problem = format!("{limit} is not from 1 to {most}");
            let remedy = format!("write 1 to {most}; to ask nothing, leave verify.addresses empty");
            complaints.require((1..=most).contains(&limit), key, problem, remedy);
        }
        VerifierSettings {
            addresses: local_addresses(&addresses, complaints),
            ehlo,
            page,
            limits: VerifierLimits { sessions_max, per_hour },
            opt_out,
            port,
        }
    }
}

fn local_addresses(addresses: &[IpAddr], complaints: &mut Complaints) -> LocalAddresses {
    let mut local = LocalAddresses::default();
    for address in addresses {
        let earlier = match *address {
            IpAddr::V4(v4) => local.v4.replace(v4).map(IpAddr::V4),
            IpAddr::V6(v6) => local.v6.replace(v6).map(IpAddr::V6),
        };
        if let Some(earlier) = earlier {
            complaints.add(
                "verify.addresses",
                format!("{earlier} and {address} are of one address family"),
                "write at most one IPv4 and one IPv6 address",
            );
        }
    }
    local
}

/// Adds the addresses of all listeners to the networks that are not asked: the DNS of other people may
/// name them as mail exchangers, and the traps' own sessions would be evidence against this server.
pub(super) fn spare_own_listeners(config: &mut Config) {
    let own = config.listeners().map(SocketAddr::ip).filter(|address| !address.is_unspecified());
    let own: Vec<IpNet> = own.map(IpNet::from).collect();
    config.verify.opt_out.extend(own);
}

/// Checks that sessions come from a public address that is not a trap's, and go to port 25. A
/// laboratory may differ within its networks.
pub(super) fn check_verify(config: &Config, complaints: &mut Complaints) {
    let verify = &config.verify;
    let is_laboratory = config.zones.iter().any(|file| !file.zone.listable.laboratory_networks.is_empty());
    for address in verify.addresses.all() {
        // An address behind a translator of addresses does not show from where the sessions come.
        let mut purposes = config.zones.iter().filter_map(|file| file.zone.listable.permits(address).err());
        if let Some(purpose) = purposes.next() {
            complaints.add(
                "verify.addresses",
                format!("{address} is special-purpose: {}", purpose.what),
                "write a public address of this machine; in a laboratory, one of laboratory_networks",
            );
        }
        complaints.require(
            config.listeners().all(|listener| listener.ip() != address),
            "verify.addresses",
            format!("a listener has the address {address}, so that every asked host would know an address of the traps"),
            "write an address of its own for verification",
        );
    }
    complaints.require(
        verify.addresses.is_empty() || *verify.ehlo != *config.smtp.texts.hostname,
        "verify.ehlo",
        "it is smtp.hostname, so that every asked host would know the name of the traps' exchanger",
        "write a name of its own for verification",
    );
    complaints.require(
        verify.port == SMTP_PORT || is_laboratory,
        "verify.port",
        format!("{} is not the port of SMTP", verify.port),
        format!("write {SMTP_PORT}; only a zone with laboratory_networks may have another port"),
    );
}
