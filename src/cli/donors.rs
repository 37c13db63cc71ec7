//! `donor`: on which terms others give traps and hand reports on.

use clap::{Args, Subcommand};

use super::client::{Client, parse};
use super::decisions::new_token;
use super::verbs::{by, done};
use super::{Failure, tell};
use crate::config::Config;
use crate::http::{DonorChange, DonorLine};

#[derive(Debug, Subcommand)]
pub(super) enum DonorVerb {
    /// Make a donor, or change what it may do; what isn't named stays as it is.
    Set(Box<Terms>),
    /// List the donors.
    List,
    /// Take nothing from a donor from now on, and let nothing count that comes to its traps.
    Suspend(Named),
    /// End that.
    Resume(Named),
    /// Print the address to which a donor may forward reports as attachments. It is a secret as the token is, and changes with it.
    Address { donor: String },
    /// Print the key that a donor hashes addresses with who doesn't send them: `b3sum --keyed`, the first 32 digits.
    Key { donor: String },
}

#[derive(Debug, Args)]
pub(super) struct Named {
    donor: String,
    #[arg(long)]
    why: String,
}

#[derive(Debug, Args)]
pub(super) struct Terms {
    donor: String,
    /// Make a new token for the API; it is printed, and kept nowhere.
    #[arg(long, conflicts_with = "token_digest")]
    new_token: bool,
    /// The digest of a token, as `backscatterd token` prints it; empty for none.
    #[arg(long)]
    token_digest: Option<String>,
    /// Most active traps.
    #[arg(long)]
    traps_max: Option<u64>,
    /// Most messages and log lines that are handed on within a day.
    #[arg(long)]
    reports_per_day_max: Option<u64>,
    /// What its evidence weighs, in thousandths of a whole report.
    #[arg(long)]
    weight: Option<u16>,
    /// Whether it is believed how long its traps have been silent.
    #[arg(long)]
    silence_believed: Option<bool>,
    /// Whether it sends hashes under its own key instead of addresses.
    #[arg(long)]
    sends_hashes: Option<bool>,
    /// Whether it may give whole domains, domains with all below them, and patterns: look at each with `trap verify` before.
    #[arg(long)]
    gives_domains: Option<bool>,
    /// Its mail hosts, addresses or networks: what they wrote at the top of what it hands on is believed. All of them, each time.
    #[arg(long = "relay", value_name = "NETWORK")]
    relays: Vec<String>,
    #[arg(long, default_value = "set by hand")]
    why: String,
}

pub(super) async fn run(config: &Config, verb: DonorVerb) -> Result<(), Failure> {
    match verb {
        DonorVerb::Set(terms) => set(config, *terms).await,
        DonorVerb::List => {
            let donors: Vec<DonorLine> =
                parse(&Client::to_read(config).await?.get("/control/v1/donors").await?)?;
            tell(&donors.iter().map(line).collect::<String>())
        }
        DonorVerb::Suspend(named) => suspend(config, named, true).await,
        DonorVerb::Resume(named) => suspend(config, named, false).await,
        DonorVerb::Address { donor } => {
            let path = format!("/control/v1/donors/{}/address", name(&donor)?);
            let local = Client::to_read(config).await?.get(&path).await?;
            tell(&format!("{local}@{}\n", config.spec.smtp.hostname))
        }
        DonorVerb::Key { donor } => {
            let path = format!("/control/v1/donors/{}/key", name(&donor)?);
            tell(&(Client::to_read(config).await?.get(&path).await? + "\n"))
        }
    }
}

/// A donor's name as one segment of a path.
pub(super) fn name(donor: &str) -> Result<String, Failure> {
    let parsed = crate::trap::Donor::parse(donor).map_err(|problem| Failure::new(super::EX_DATA, problem))?;
    Ok(parsed.to_string())
}

fn line(donor: &DonorLine) -> String {
    let suspended = if donor.suspended { "  suspended" } else { "" };
    format!(
        "{}{suspended}\n  traps {} active of {}, {} retired\n  reports {} counted, {} of {} handed on today\n  weight {} of 1000\n",
        donor.donor,
        donor.traps_active,
        donor.traps_max,
        donor.traps_retired,
        donor.counted,
        donor.reports_today,
        donor.reports_per_day_max,
        donor.weight,
    )
}

async fn set(config: &Config, terms: Terms) -> Result<(), Failure> {
    let made = if terms.new_token { Some(new_token()?) } else { None };
    let change = DonorChange {
        donor: terms.donor,
        token_digest: made.as_ref().map(|(_, digest)| digest.to_string()).or(terms.token_digest),
        traps_max: terms.traps_max,
        reports_per_day_max: terms.reports_per_day_max,
        weight: terms.weight,
        suspended: None,
        silence_believed: terms.silence_believed,
        sends_hashes: terms.sends_hashes,
        gives_domains: terms.gives_domains,
        relays: (!terms.relays.is_empty()).then_some(terms.relays),
        by: by(),
        why: terms.why,
    };
    done(&Client::to_write(config).await?.post("/control/v1/donors", &change).await?)?;
    made.map_or(Ok(()), |(token, _)| tell(&format!("token = \"{token}\"\n")))
}

async fn suspend(config: &Config, named: Named, suspended: bool) -> Result<(), Failure> {
    let change = DonorChange {
        donor: named.donor,
        suspended: Some(suspended),
        by: by(),
        why: named.why,
        ..DonorChange::default()
    };
    done(&Client::to_write(config).await?.post("/control/v1/donors", &change).await?)
}
