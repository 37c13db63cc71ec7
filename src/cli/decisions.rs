//! Commands that decide about the list, and the record of decisions.

use clap::{Args, Subcommand};

use super::client::{Client, parse};
use super::verbs::{by, done, segment};
use super::{EX_DATA, Failure, tell};
use crate::blocklist::AuditRecord;
use crate::config::Config;
use crate::digest::Digest;
use crate::evidence::Offset;
use crate::http::{Decided, Decision, StandingLine};
use crate::time::Timestamp;

#[derive(Debug, Subcommand)]
pub(super) enum Exempt {
    /// Never list an address, or a network such as 192.0.2.0/24.
    Add {
        network: String,
        /// When somebody looks at it again: within a year.
        #[arg(long)]
        review_by: Timestamp,
        #[arg(long)]
        why: String,
    },
    /// Judge it like any other again.
    End {
        network: String,
        #[arg(long)]
        why: String,
    },
    /// List what is exempt.
    List,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// An address, or an IPv6 /64.
    address: String,
    #[arg(long)]
    zone: String,
    /// The value of one of the zone's codes.
    #[arg(long, default_value_t = 2)]
    code: u8,
    /// Until when, within a year: nothing is listed for ever.
    #[arg(long)]
    until: Timestamp,
    #[arg(long)]
    why: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum Void {
    /// All that came to a donor's traps.
    Donor {
        donor: String,
        #[arg(long)]
        since: Timestamp,
        /// The public reads it.
        #[arg(long)]
        why: String,
    },
    /// All that came to a trap: an address, a domain, or the key that `trap list` shows.
    Trap {
        trap: String,
        #[arg(long)]
        since: Timestamp,
        /// The public reads it.
        #[arg(long)]
        why: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Why {
    #[arg(long)]
    why: String,
}

#[derive(Debug, Args)]
pub(super) struct ZoneArgs {
    zone: String,
    #[arg(long)]
    why: String,
}

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// Only what is about an address or a network.
    address: Option<String>,
    /// Check every record and the chain between them, and tell the last digest.
    #[arg(long, conflicts_with_all = ["address", "after"])]
    verify: bool,
    /// Only records behind this one.
    #[arg(long, default_value_t = 0)]
    after: u64,
    /// One JSON object a line, as on disk.
    #[arg(long)]
    json: bool,
}

async fn decide(config: &Config, why: String, decided: Decided) -> Result<(), Failure> {
    let decision = Decision { by: by(), why, decided };
    done(&Client::to_write(config).await?.post("/control/v1/decisions", &decision).await?)
}

pub(super) async fn exempt(config: &Config, exempt: Exempt) -> Result<(), Failure> {
    match exempt {
        Exempt::Add { network, review_by, why } => {
            decide(config, why, Decided::Exempt { network, review_by }).await
        }
        Exempt::End { network, why } => decide(config, why, Decided::EndExemption { network }).await,
        Exempt::List => {
            let standing = standing(config).await?;
            let lines = standing.exemptions.iter().map(|exemption| {
                format!(
                    "{}  since {} by {}, review by {}: {}\n",
                    exemption.network, exemption.since, exemption.by, exemption.review_by, exemption.why
                )
            });
            tell(&lines.collect::<String>())
        }
    }
}

pub(super) async fn list(config: &Config, args: ListArgs) -> Result<(), Failure> {
    let ListArgs { address, zone, code, until, why } = args;
    decide(config, why, Decided::List { zone, address, code, until }).await
}

pub(super) async fn void(config: &Config, void: Void) -> Result<(), Failure> {
    match void {
        Void::Donor { donor, since, why } => decide(config, why, Decided::VoidDonor { donor, since }).await,
        Void::Trap { trap, since, why } => decide(config, why, Decided::VoidTrap { trap, since }).await,
    }
}

pub(super) async fn freeze(config: &Config, Why { why }: Why) -> Result<(), Failure> {
    decide(config, why, Decided::Freeze).await
}

pub(super) async fn release(config: &Config, Why { why }: Why) -> Result<(), Failure> {
    decide(config, why, Decided::Release).await
}

/// Empties a zone, and tells what its parent is to say afterwards (RFC 6471 §3.4).
pub(super) async fn shut_down(config: &Config, ZoneArgs { zone, why }: ZoneArgs) -> Result<(), Failure> {
    let origin = zone.trim_end_matches('.').to_owned();
    decide(config, why, Decided::ShutDown { zone }).await?;
    tell(&format!(
        "{origin} answers nothing but its warning now, the test entries included. Leave it so for some weeks.\n\
         Then let the parent zone delegate it to addresses that answer nobody (TEST-NET, RFC 5737), and to no third party:\n\
         {origin}.  86400  IN  NS  invalid-1.{origin}.\n\
         {origin}.  86400  IN  NS  invalid-2.{origin}.\n\
         invalid-1.{origin}.  86400  IN  A  192.0.2.1\n\
         invalid-2.{origin}.  86400  IN  A  192.0.2.2\n"
    ))
}

pub(super) async fn reopen(config: &Config, ZoneArgs { zone, why }: ZoneArgs) -> Result<(), Failure> {
    decide(config, why, Decided::Reopen { zone }).await
}

async fn standing(config: &Config) -> Result<StandingLine, Failure> {
    parse(&Client::to_read(config).await?.get("/control/v1/standing").await?)
}

pub(super) async fn status(config: &Config) -> Result<(), Failure> {
    let standing = standing(config).await?;
    let mut told = String::new();
    told.push_str(if standing.frozen { "frozen: nothing is added\n" } else { "not frozen\n" });
    for (zone, held) in &standing.held {
        told.push_str(&format!("{zone} {held} new listings wait for \"backscatterd release\"\n"));
    }
    for zone in &standing.shut_down {
        told.push_str(&format!("{zone} is shut down\n"));
    }
    if let Some(soonest) = standing.exemptions.iter().map(|exemption| exemption.review_by).min() {
        told.push_str(&format!(
            "{} exemptions, the next to review by {soonest}\n",
            standing.exemptions.len()
        ));
    }
    let digest = standing.audit_digest.unwrap_or_else(|| "none".to_owned());
    told.push_str(&format!("{} audit records, the last one's digest {digest}\n", standing.audit_records));
    tell(&told)
}

pub(super) async fn audit(config: &Config, args: AuditArgs) -> Result<(), Failure> {
    if args.verify {
        return verify(config).await;
    }
    let address = args.address.map(|address| format!("&address={}", network(&address)));
    let path = format!("/control/v1/audit?after={}{}", args.after, address.unwrap_or_default());
    let text = Client::to_read(config).await?.get(&path).await?;
    let records: Vec<AuditRecord> = parse(&text)?;
    let mut told = String::new();
    for record in &records {
        if args.json {
            told.push_str(&serde_json::to_string(record).unwrap_or_default());
            told.push('\n');
        } else {
            told.push_str(&line(record));
        }
    }
    tell(&told)
}

/// An address or a network in a query: anything else is for the daemon to refuse.
fn network(text: &str) -> String {
    match text.split_once('/') {
        Some((address, length)) => format!("{}%2F{}", segment(address), segment(length)),
        None => segment(text),
    }
}

fn line(record: &AuditRecord) -> String {
    let code = record.code.map_or_else(String::new, |code| format!(" code {code}"));
    let until = record.until.map_or_else(String::new, |until| format!(" until {until}"));
    let evidence: Vec<String> = record.evidence.iter().map(Offset::to_string).collect();
    let mut line = format!(
        "{} {} entry {} {}: {} {} {}{code}{until}\n    {}\n",
        record.number, record.at, record.entry, record.by, record.act, record.about, record.zone, record.why
    );
    if !record.policy.is_empty() {
        line.push_str(&format!(
            "    policy {}, evidence in entries {}\n",
            record.policy,
            evidence.join(", ")
        ));
    }
    line
}

/// Checks the record on disk, and that it goes as far as the fold's.
async fn verify(config: &Config) -> Result<(), Failure> {
    let standing = standing(config).await?;
    let directory = &config.spec.audit.directory;
    let verified =
        crate::audit::verify(directory).map_err(|error| Failure::new(EX_DATA, error.to_string()))?;
    if let Some(number) = verified.broken {
        let text = format!("record {number} was altered, or what stood before it was left out or put in");
        return Err(Failure::new(EX_DATA, text));
    }
    let ends_alike = standing
        .audit_digest
        .as_ref()
        .is_none_or(|digest| verified.last > standing.audit_records || *digest == verified.digest);
    if !ends_alike {
        let text = format!(
            "the record ends with {}, and the list has made {}: what is missing at its end was cut off",
            verified.last, standing.audit_records
        );
        return Err(Failure::new(EX_DATA, text));
    }
    tell(&format!(
        "{} records, {} to {}, each as it was written; the last digest is {}\n",
        verified.records, verified.first, verified.last, verified.digest
    ))
}

/// Prints a new token and its digest, which goes into http.operators.
/// A token and its digest.
pub(super) fn new_token() -> Result<(String, Digest), Failure> {
    let failed = |error: crate::keys::KeyError| Failure::new(super::EX_IO, error.to_string());
    let token = Digest::from_octets(crate::keys::random().map_err(failed)?).to_string();
    let digest = Digest::of(token.as_bytes());
    Ok((token, digest))
}

pub(super) fn token() -> Result<(), Failure> {
    let (token, digest) = new_token()?;
    tell(&format!(
        "token = \"{token}\"\n# for http.operators, dns.keys or donors; the token itself is kept nowhere\ntoken_digest = \"{digest}\"\n"
    ))
}
