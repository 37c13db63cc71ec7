//! The source of answers: the DNS, or a table in a laboratory.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use mail_auth::dmarc::{Dmarc, Policy};
use mail_auth::hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::hickory_resolver::system_conf::read_system_conf;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{
    DnsError, Error, IpLookupStrategy, MessageAuthenticator, Parameters, ResolverCache, SpfResult,
};
use serde::{Deserialize, Serialize};

use super::enrolment::{DomainRecords, MailHosts};
use super::inquiry::Inquiry;
use super::relation::DnsAnswers;
use crate::relay::Relay;

/// Maximum number of mail exchangers of a domain that are looked up.
const EXCHANGERS_MAX: usize = 10;
/// Maximum number of names of an address that are looked up.
const NAMES_MAX: usize = 5;
/// Maximum number of addresses of a name.
const ADDRESSES_MAX: usize = 10;
/// Number of records in the resolver's cache. Each is kept for its TTL.
const CACHE_RECORDS: u64 = 100_000;

/// Mail servers of a laboratory, which has no DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaboratoryHost {
    /// The servers' addresses; every address in this network is one server.
    pub addresses: IpNet,
    /// The confirmed name of the servers.
    pub name: String,
    /// The domains whose mail exchangers they are.
    #[serde(default)]
    pub exchanger_of: Vec<String>,
    /// What they answer when they are asked whether they refuse recipients that do not exist.
    #[serde(default)]
    pub answers: LaboratoryAnswer,
}

/// What a mail server of a laboratory answers when it is asked about recipients that do not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaboratoryAnswer {
    /// It takes every recipient. Most servers of a laboratory stand for sources of backscatter.
    #[default]
    Takes,
    /// It refuses recipients that do not exist.
    Refuses,
    /// It refuses every recipient.
    RefusesAll,
    /// It does not answer.
    NoAnswer,
}

/// A source of answers.
pub enum Lookups {
    /// The DNS.
    Dns(Box<MessageAuthenticator>),
    /// A laboratory's table.
    Laboratory(Vec<LaboratoryHost>),
    /// No source: nothing is asked and nothing is known.
    Nothing,
}

impl Lookups {
    /// A source that uses these resolvers, or the system's when there are none.
    ///
    /// # Errors
    /// When /etc/resolv.conf can't be read or the resolver can't be set up.
    pub fn dns(resolvers: &[SocketAddr]) -> Result<Self, String> {
        let (config, mut options): (ResolverConfig, ResolverOpts) = if resolvers.is_empty() {
            read_system_conf().map_err(|error| error.to_string())?
        } else {
            let servers = resolvers.iter().map(|resolver| {
                let mut server = NameServerConfig::udp_and_tcp(resolver.ip());
                server.connections.iter_mut().for_each(|connection| connection.port = resolver.port());
                server
            });
            (ResolverConfig::from_parts(None, Vec::new(), servers.collect()), ResolverOpts::default())
        };
        options.cache_size = CACHE_RECORDS;
        let authenticator = MessageAuthenticator::new(config, options).map_err(|error| error.to_string())?;
        Ok(Lookups::Dns(Box::new(authenticator)))
    }

    /// Looks up the records of a domain that is to be a trap. Only the DNS has them.
    pub async fn published(&self, domain: &str) -> DomainRecords {
        match self {
            Lookups::Dns(dns) => published(dns, domain).await,
            Lookups::Laboratory(_) | Lookups::Nothing => DomainRecords::default(),
        }
    }

    /// The addresses of a domain's mail exchangers, the preferred ones first. `None` if the DNS gives
    /// no answer within `timeout`. Only the DNS knows them.
    pub async fn exchangers(&self, domain: &str, timeout: Duration) -> Option<Vec<IpAddr>> {
        match self {
            Lookups::Dns(dns) => within(timeout, exchangers(dns, domain)).await,
            Lookups::Laboratory(_) | Lookups::Nothing => None,
        }
    }

    /// Looks up where the mail for a domain goes, and the addresses of this server's host name. Only the
    /// DNS knows them.
    pub(super) async fn mail_hosts(&self, domain: &str, hostname: &str) -> MailHosts {
        let Lookups::Dns(dns) = self else { return MailHosts::default() };
        let (exchangers, addresses, own) =
            tokio::join!(exchanger_names(dns, domain), exchangers(dns, domain), addresses(dns, hostname));
        MailHosts { exchangers, addresses, own }
    }

    /// The table of a laboratory, if this is one.
    pub fn laboratory(&self) -> Option<&[LaboratoryHost]> {
        match self {
            Lookups::Laboratory(hosts) => Some(hosts),
            Lookups::Dns(_) | Lookups::Nothing => None,
        }
    }

    /// Answers an inquiry. Each question is given up after `timeout`.
    pub(super) async fn answers(&self, inquiry: &Inquiry, timeout: Duration) -> DnsAnswers {
        match self {
            Lookups::Dns(dns) => from_dns(dns, inquiry, timeout).await,
            Lookups::Laboratory(hosts) => from_table(hosts, inquiry),
            Lookups::Nothing => DnsAnswers::default(),
        }
    }
}

fn from_table(hosts: &[LaboratoryHost], inquiry: &Inquiry) -> DnsAnswers {
    let domain = inquiry.domain.as_deref().unwrap_or_default();
    let of = |host: &&LaboratoryHost| host.exchanger_of.iter().any(|of| of.eq_ignore_ascii_case(domain));
    let relay = inquiry.relay.address();
    let own = || hosts.iter().filter(|host| host.addresses.contains(&relay));
    DnsAnswers {
        names: Some(own().map(|host| host.name.clone()).collect()),
        exchangers: Some(own().filter(of).map(|_| relay).collect()),
        spf: Some(false),
        // Trap domains publish that they send no mail (docs/STANDARDS.md S12).
        forbidden: Some(true),
    }
}

async fn from_dns(dns: &MessageAuthenticator, inquiry: &Inquiry, timeout: Duration) -> DnsAnswers {
    let domain = inquiry.domain.as_deref();
    let (names, exchangers, spf, forbidden) = tokio::join!(
        within(timeout, confirmed_names(dns, inquiry.relay)),
        within(timeout, async { exchangers(dns, domain?).await }),
        within(timeout, async { authorised(dns, inquiry, domain?).await }),
        within(timeout, forbidden(dns, inquiry)),
    );
    DnsAnswers { names, exchangers, spf, forbidden }
}

/// `None` for an answer that comes too late.
async fn within<T>(timeout: Duration, asked: impl Future<Output = Option<T>>) -> Option<T> {
    tokio::time::timeout(timeout, asked).await.ok().flatten()
}

/// The value found; an empty value when the DNS says that there is none; `None` when the DNS gave
/// no answer.
fn known<T: Default>(found: Result<T, Error>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(error) if is_absent(&error) => Some(T::default()),
        Err(_) => None,
    }
}

/// Whether a server said that there is no record, as opposed to a failed lookup.
fn is_absent(error: &Error) -> bool {
    matches!(error, Error::Dns(DnsError::RecordNotFound(ResponseCode::NXDomain | ResponseCode::NoError)))
}

type NoCache<K, V> = mail_auth::common::cache::NoCache<K, V>;

fn no_cache<K, V>() -> Option<&'static NoCache<K, V>>
where
    NoCache<K, V>: ResolverCache<K, V>,
{
    None
}

async fn addresses(dns: &MessageAuthenticator, host: &str) -> Option<Vec<IpAddr>> {
    let host = host.trim_end_matches('.');
    let of_family = |strategy| dns.ip_lookup(host, strategy, ADDRESSES_MAX, no_cache(), no_cache());
    let (v4, v6) = tokio::join!(of_family(IpLookupStrategy::Ipv4Only), of_family(IpLookupStrategy::Ipv6Only));
    Some([known(v4)?, known(v6)?].concat())
}

/// The names of an address that resolve back to it.
async fn confirmed_names(dns: &MessageAuthenticator, relay: Relay) -> Option<Vec<String>> {
    let names = match dns.ptr_lookup(relay.address(), no_cache()).await {
        Ok(names) => names.rrset.to_vec(),
        Err(error) => known::<Vec<Box<str>>>(Err(error))?,
    };
    let mut confirmed = Vec::new();
    for name in names.iter().take(NAMES_MAX) {
        if addresses(dns, name).await?.iter().any(|&address| Relay::new(address) == relay) {
            confirmed.push(name.trim_end_matches('.').to_owned());
        }
    }
    Some(confirmed)
}

/// The addresses of a domain's mail exchangers. If the domain has no MX record they are its own
/// addresses (RFC 5321 §5.1); if it accepts no mail there are none (RFC 7505).
async fn exchangers(dns: &MessageAuthenticator, domain: &str) -> Option<Vec<IpAddr>> {
    let named = match dns.mx_lookup(domain, no_cache()).await {
        Ok(named) => named.rrset.to_vec(),
        Err(error) => known::<Vec<mail_auth::MX>>(Err(error))?,
    };
    if named.is_empty() {
        return addresses(dns, domain).await;
    }
    let mut found = Vec::new();
    for host in named.iter().flat_map(|mx| &mx.exchanges).take(EXCHANGERS_MAX) {
        if !host.trim_end_matches('.').is_empty() {
            found.extend(addresses(dns, host).await?);
        }
    }
    Some(found)
}

async fn spf(dns: &MessageAuthenticator, client: IpAddr, helo: &str, domain: &str) -> SpfResult {
    let sender = format!("postmaster@{domain}");
    let parameters = SpfParameters::verify_mail_from(client, helo, helo, &sender);
    dns.verify_spf(Parameters::new(parameters)).await.result()
}

async fn authorised(dns: &MessageAuthenticator, inquiry: &Inquiry, domain: &str) -> Option<bool> {
    match spf(dns, inquiry.relay.address(), &inquiry.helo, domain).await {
        SpfResult::Pass => Some(true),
        SpfResult::TempError => None,
        _ => Some(false),
    }
}

/// Whether the trap's domain had declared the original message forged, by SPF or by DMARC.
async fn forbidden(dns: &MessageAuthenticator, inquiry: &Inquiry) -> Option<bool> {
    let (injector, trap_domain) = (inquiry.injector?, inquiry.trap_domain.as_deref()?);
    match spf(dns, injector.address(), "unknown", trap_domain).await {
        SpfResult::Fail => return Some(true),
        SpfResult::Pass => return Some(false),
        SpfResult::TempError => return None,
        _ => {}
    }
    let name = format!("_dmarc.{trap_domain}.");
    match dns.txt_lookup::<Dmarc>(name, no_cache()).await {
        Ok(record) => Some(rejects(&record)),
        Err(error) if is_absent(&error) => Some(false),
        Err(Error::Dns(DnsError::InvalidRecordType)) => Some(false),
        Err(_) => None,
    }
}

/// Whether a record asks receivers to refuse mail that fails DMARC (RFC 9989 §4.7). A record in test
/// mode does not ask that.
fn rejects(record: &Dmarc) -> bool {
    record.p == Policy::Reject && !record.t
}

/// An address for documentation (RFC 5737), from which no domain sends.
const NOBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// The names of a domain's mail exchangers.
async fn exchanger_names(dns: &MessageAuthenticator, domain: &str) -> Option<Vec<String>> {
    let named = match dns.mx_lookup(domain, no_cache()).await {
        Ok(named) => named.rrset.to_vec(),
        Err(error) => known::<Vec<mail_auth::MX>>(Err(error))?,
    };
    let hosts = named.iter().flat_map(|mx| &mx.exchanges);
    Some(hosts.map(|host| host.trim_end_matches('.').to_owned()).collect())
}

async fn published(dns: &MessageAuthenticator, domain: &str) -> DomainRecords {
    let names = exchanger_names(dns, domain).await;
    let forbids_all = match spf(dns, NOBODY, "unknown", domain).await {
        SpfResult::TempError => None,
        result => Some(result == SpfResult::Fail),
    };
    let dmarc = dns.txt_lookup::<Dmarc>(format!("_dmarc.{domain}."), no_cache()).await;
    let reports_to = dmarc.iter().flat_map(|record| &record.rua).map(|to| to.uri().to_owned()).collect();
    let dmarc_rejects = match dmarc {
        Ok(record) => Some(rejects(&record)),
        Err(error) if is_absent(&error) => Some(false),
        Err(Error::Dns(DnsError::InvalidRecordType)) => Some(false),
        Err(_) => None,
    };
    DomainRecords { exchangers: names, forbids_all, dmarc_rejects, reports_to }
}
