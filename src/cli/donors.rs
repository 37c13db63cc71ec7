//! `donor`: the terms on which donors give traps and submit reports.

use clap::{Args, Subcommand};

use super::client::{ControlClient, parse};
use super::directive::{by, done};
use super::failure::{CommandFailure, EX_DATA};
use super::output::tell;
use super::token::new_token;
use crate::config::Config;
use crate::http::{DonorAccount, DonorChange, DonorDismissal};

/// The verbs of `backscatterd donor`.
#[derive(Debug, Subcommand)]
pub(super) enum DonorVerb {
    /// Create a donor or change its terms. Terms that are not given stay as they are.
    Set(Box<DonorTermsArgs>),
    /// List the donors.
    List,
    /// Suspend a donor: the server accepts nothing from the donor, and reports to the donor's traps
    /// no longer count.
    Suspend(DonorNameArgs),
    /// End the suspension of a donor.
    Resume(DonorNameArgs),
    /// Let a donor leave: the donor's traps, evidence, token and numbers go, and every listing that
    /// depended on that evidence ends.
    ///
    /// Traps that other donors gave too stay. Sealed reports and journal entries go when their time
    /// is over (journal.keep_reports and journal.keep_entries).
    Leave(DonorNameArgs),
    /// Print the address to which a donor may forward reports as attachments.
    ///
    /// The address is a secret like the donor's token, and changes with the token.
    Address {
        /// The donor's name.
        donor: String,
    },
    /// Print the key with which a donor hashes addresses, if the donor sends hashes instead of
    /// addresses.
    ///
    /// The hash is BLAKE3 in keyed mode (`b3sum --keyed`). The donor sends the first 32 hexadecimal
    /// digits of each hash.
    Key {
        /// The donor's name.
        donor: String,
    },
}

/// The arguments of `donor suspend`, `donor resume` and `donor leave`.
#[derive(Debug, Args)]
pub(super) struct DonorNameArgs {
    /// The donor's name.
    donor: String,
    /// The reason, for the audit record.
    #[arg(long)]
    why: String,
}

/// The arguments of `donor set`.
#[derive(Debug, Args)]
pub(super) struct DonorTermsArgs {
    /// The donor's name.
    donor: String,
    /// Make a new token for the HTTP API and print the token. The server stores only the digest.
    #[arg(long, conflicts_with = "token_digest")]
    new_token: bool,
    /// The digest of the donor's token, as `backscatterd token` prints it. An empty value removes
    /// the token.
    #[arg(long)]
    token_digest: Option<String>,
    /// The most traps that the donor may have active.
    #[arg(long)]
    traps_max: Option<u64>,
    /// The most messages and log lines that the donor may submit in a day.
    #[arg(long)]
    reports_per_day_max: Option<u64>,
    /// The weight of the donor's evidence, in thousandths of a whole report: 0 to 1000.
    #[arg(long)]
    weight: Option<u16>,
    /// Whether the silent_since times in the donor's lists of traps are trusted.
    #[arg(long)]
    silence_believed: Option<bool>,
    /// Whether the donor may send hashes, made with its own key, instead of addresses.
    #[arg(long)]
    sends_hashes: Option<bool>,
    /// Whether the donor may give whole domains, domains with all domains below them, and patterns.
    /// Check each domain with `trap verify` first.
    #[arg(long)]
    gives_domains: Option<bool>,
    /// An address or network of the donor's mail hosts, whose Received lines at the top of a
    /// submitted message are trusted. The option may be repeated. The given networks replace all
    /// earlier networks.
    #[arg(long = "relay", value_name = "NETWORK")]
    relays: Vec<String>,
    /// The reason, for the audit record.
    #[arg(long, default_value = "set by hand")]
    why: String,
}

/// Runs a verb of `backscatterd donor`.
///
/// # Errors
/// When an argument is not valid, or neither the daemon nor the store can be reached.
pub(super) async fn run(config: &Config, verb: DonorVerb) -> Result<(), CommandFailure> {
    match verb {
        DonorVerb::Set(terms) => set(config, *terms).await,
        DonorVerb::List => {
            let donors: Vec<DonorAccount> =
                parse(&ControlClient::to_read(config).await?.get("/control/v1/donors").await?)?;
            tell(&donors.iter().map(line).collect::<String>())
        }
        DonorVerb::Suspend(named) => suspend(config, named, true).await,
        DonorVerb::Resume(named) => suspend(config, named, false).await,
        DonorVerb::Leave(named) => leave(config, named).await,
        DonorVerb::Address { donor } => {
            let path = format!("/control/v1/donors/{}/address", name(&donor)?);
            let local = ControlClient::to_read(config).await?.get(&path).await?;
            tell(&format!("{local}@{}\n", config.smtp.texts.hostname))
        }
        DonorVerb::Key { donor } => {
            let path = format!("/control/v1/donors/{}/key", name(&donor)?);
            tell(&(ControlClient::to_read(config).await?.get(&path).await? + "\n"))
        }
    }
}

/// A donor's name as one segment of a path.
///
/// # Errors
/// When the name is not a valid donor's name.
pub(super) fn name(donor: &str) -> Result<String, CommandFailure> {
    let parsed = crate::trap::Donor::parse(donor).map_err(|problem| CommandFailure::new(EX_DATA, problem))?;
    Ok(parsed.to_string())
}

fn line(DonorAccount { line: donor, counted }: &DonorAccount) -> String {
    let suspended = if donor.suspended { "  suspended" } else { "" };
    format!(
        "{}{suspended}\n  traps {} active of {}, {} retired\n  reports {counted} counted; handed on: {} evidence, {} of {} today\n  weight {} of 1000\n",
        donor.donor,
        donor.traps_active,
        donor.traps_max,
        donor.traps_retired,
        donor.evidence,
        donor.reports_today,
        donor.reports_per_day_max,
        donor.weight,
    )
}

async fn set(config: &Config, terms: DonorTermsArgs) -> Result<(), CommandFailure> {
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
    done(&ControlClient::to_write(config).await?.post("/control/v1/donors", &change).await?)?;
    made.map_or(Ok(()), |(token, _)| tell(&format!("token = \"{token}\"\n")))
}

async fn suspend(config: &Config, named: DonorNameArgs, suspended: bool) -> Result<(), CommandFailure> {
    let change = DonorChange {
        donor: named.donor,
        suspended: Some(suspended),
        by: by(),
        why: named.why,
        ..DonorChange::default()
    };
    done(&ControlClient::to_write(config).await?.post("/control/v1/donors", &change).await?)
}

async fn leave(config: &Config, named: DonorNameArgs) -> Result<(), CommandFailure> {
    let path = format!("/control/v1/donors/{}/dismissal", name(&named.donor)?);
    let dismissal = DonorDismissal { by: by(), why: named.why };
    done(&ControlClient::to_write(config).await?.post(&path, &dismissal).await?)
}
