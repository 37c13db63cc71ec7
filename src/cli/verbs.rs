//! Commands about addresses and traps.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{Client, parse};
use super::{EX_DATA, EX_UNAVAILABLE, Failure, tell};
use crate::config::Config;
use crate::daemon::StartError;
use crate::http::{Advance, Done, NewTrap, Removal, RetireTrap, Traps};
use crate::keys::Keys;
use crate::mail::Mailbox;
use crate::observe::{Fault, Lookups, faults};
use crate::time::{Clock, Span, SystemClock, Timestamp};

#[derive(Debug, Subcommand)]
pub(super) enum Trap {
    /// Make an address, or a whole domain, a trap.
    Add {
        /// `address@domain`, or a domain of which every local part is a trap.
        trap: String,
        /// Who gave it.
        #[arg(long, default_value = "own")]
        donor: String,
        /// Since when it has been known to send no mail and to expect none (RFC 3339). A trap counts once it has been
        /// silent for as long as the policy says; without this, from now on.
        #[arg(long)]
        silent_since: Option<Timestamp>,
        #[arg(long, default_value = "added by hand")]
        why: String,
    },
    /// List the traps by their keys; addresses are not kept.
    List,
    /// Tell whether a domain is fit to be a trap, by what its DNS says, and what to publish.
    Verify { domain: String },
    /// Print an address with a tag of ours, good for a week: reports to it are known to be about mail that was sent.
    Tag { address: String },
    /// Let a trap count no more.
    Retire {
        /// The address, the domain, or the key that `trap list` shows.
        trap: String,
        #[arg(long, default_value = "retired by hand")]
        why: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    address: String,
    #[arg(long, default_value = "removed by hand")]
    why: String,
}

/// Who is at the keyboard, for the record.
pub(super) fn by() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    user.unwrap_or_else(|_| "operator".to_owned())
}

pub(super) async fn lookup(config: &Config, address: &str) -> Result<(), Failure> {
    let text = Client::to_read(config).await?.get(&format!("/api/v1/addresses/{}", segment(address))).await?;
    let told: Value = parse(&text)?;
    let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let listed = if told["listed"] == true { "listed" } else { "not listed" };
    let mut lines = format!("{} is {listed}\n", text_of(&told["address"]));
    if let Some(reason) = told["special_purpose"].as_str() {
        lines.push_str(&format!("  special-purpose: {reason}\n"));
    }
    for zone in told["zones"].as_array().into_iter().flatten() {
        let answer = zone["answer"].as_str().unwrap_or("no such name");
        lines.push_str(&format!("  {}  A  {answer}\n", text_of(&zone["query"])));
        for code in zone["codes"].as_array().into_iter().flatten() {
            lines.push_str(&format!(
                "    {} {}: {}, until {}\n",
                code["value"],
                text_of(&code["name"]),
                text_of(&code["why"]),
                text_of(&code["until"])
            ));
        }
    }
    tell(&lines)
}

pub(super) async fn explain(config: &Config, address: &str, json: bool) -> Result<(), Failure> {
    let form = if json { "json" } else { "text" };
    let path = format!("/control/v1/explain/{}?format={form}", segment(address));
    tell(&Client::to_read(config).await?.get(&path).await?)
}

pub(super) async fn trap(config: &Config, trap: Trap) -> Result<(), Failure> {
    match trap {
        Trap::Add { trap, donor, silent_since, why } => {
            let new = NewTrap { trap, donor, silent_since, by: by(), why };
            done(&Client::to_write(config).await?.post("/control/v1/traps", &new).await?)
        }
        Trap::Retire { trap, why } => {
            let retire = RetireTrap { trap, by: by(), why };
            done(&Client::to_write(config).await?.post("/control/v1/traps/retire", &retire).await?)
        }
        Trap::Verify { domain } => verify(config, &domain).await,
        Trap::Tag { address } => tag(config, &address),
        Trap::List => {
            let Traps { traps } = parse(&Client::to_read(config).await?.get("/control/v1/traps").await?)?;
            let lines = traps.iter().map(|trap| {
                let retired = trap.retired.map_or(String::new(), |at| format!(", retired {at}"));
                format!("{}  {:<7}  {}  since {}{retired}\n", trap.key, trap.scope, trap.donor, trap.since)
            });
            tell(&lines.collect::<String>())
        }
    }
}

async fn verify(config: &Config, domain: &str) -> Result<(), Failure> {
    let domain = crate::zone::Name::parse(domain).map_err(|problem| Failure::new(EX_DATA, problem))?;
    let domain = domain.labels().join(".");
    let lookups = Lookups::dns(&config.spec.observe.resolvers)
        .map_err(|problem| Failure::new(EX_UNAVAILABLE, problem))?;
    let found = faults(&domain, &config.spec.smtp.hostname, &lookups.published(&domain).await);
    if found.is_empty() {
        return tell(&format!("{domain} is fit to be a trap\n"));
    }
    let lines = found.iter().map(|Fault { problem, publish }| format!("{problem}; publish: {publish}"));
    Err(Failure { code: EX_DATA, lines: lines.collect() })
}

fn tag(config: &Config, address: &str) -> Result<(), Failure> {
    let wrong = || Failure::new(EX_DATA, format!("{address:?} is not an address"));
    let keys = Keys::open_known(&config.spec.keys.directory).map_err(StartError::Keys)?;
    let mailbox = Mailbox::parse(address).ok_or_else(wrong)?;
    let tagged = keys.hasher().tagged(&mailbox, SystemClock::start().now()).ok_or_else(wrong)?;
    tell(&format!("{tagged}\n"))
}

pub(super) async fn remove(config: &Config, RemoveArgs { address, why }: RemoveArgs) -> Result<(), Failure> {
    let removal = Removal { address, by: by(), why };
    done(&Client::to_write(config).await?.post("/control/v1/removals", &removal).await?)
}

pub(super) async fn advance(config: &Config, span: Span) -> Result<(), Failure> {
    done(&Client::to_write(config).await?.post("/control/v1/clock", &Advance { advance: span }).await?)
}

pub(super) fn done(text: &str) -> Result<(), Failure> {
    let Done { offset, time } = parse(text)?;
    tell(&format!("done as entry {offset}, at {time}\n"))
}

/// An address as one segment of a path: anything else is for the daemon to refuse.
pub(super) fn segment(address: &str) -> String {
    address
        .bytes()
        .map(|b| if b.is_ascii_hexdigit() || b":.".contains(&b) { char::from(b) } else { '_' })
        .collect()
}
