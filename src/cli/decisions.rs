//! Commands with which an operator decides about the list, and `status` and `audit`.

use clap::{Args, Subcommand};

use super::client::{ControlClient, parse};
use super::directive::{by, done};
use super::failure::{CommandFailure, EX_DATA};
use super::output::tell;
use super::uri::encoded;
use crate::blocklist::{AuditRecord, HeldCounts, WAITING_SITES_MAX};
use crate::config::Config;
use crate::evidence::Offset;
use crate::http::{DecisionRequest, RequestedDecision, StatusJson};
use crate::time::Timestamp;

/// The verbs of `backscatterd exempt`.
#[derive(Debug, Subcommand)]
pub(super) enum ExemptVerb {
    /// Exempt an address or a network from listing, and end its listings.
    Add {
        /// The address, or a network such as 192.0.2.0/24; not wider than an IPv4 /8 or an IPv6
        /// /19.
        network: String,
        /// The time by which you must review the exemption (RFC 3339), within 366 days. The
        /// exemption does not end by itself.
        #[arg(long)]
        review_by: Timestamp,
        /// The reason, for the audit record.
        #[arg(long)]
        why: String,
    },
    /// End an exemption.
    End {
        /// The address or network, as it was exempted.
        network: String,
        /// The reason, for the audit record.
        #[arg(long)]
        why: String,
    },
    /// List the exemptions.
    List,
}

/// The arguments of `list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The address, or an IPv6 /64.
    address: String,
    /// The origin of the zone.
    #[arg(long)]
    zone: String,
    /// The value of the code, such as 2 or 16. A code that is only added to other codes (32 and 64
    /// in the shipped zone) is not allowed.
    #[arg(long, default_value_t = 2)]
    code: u8,
    /// The time at which the listing ends (RFC 3339), within 366 days.
    #[arg(long)]
    until: Timestamp,
    /// The reason, for the audit record.
    #[arg(long)]
    why: String,
}

/// The verbs of `backscatterd void`.
#[derive(Debug, Subcommand)]
pub(super) enum VoidVerb {
    /// Discard the evidence that came to a donor's traps.
    ///
    /// The command also suspends the donor and retires the donor's traps.
    Donor {
        /// The donor's name.
        donor: String,
        /// Discard the evidence since this time (RFC 3339).
        #[arg(long)]
        since: Timestamp,
        /// The reason, which `/api/v1/notes` publishes.
        #[arg(long)]
        why: String,
    },
    /// Discard the evidence that came to a trap.
    ///
    /// The command also retires the trap. A donor cannot give the trap again.
    Trap {
        /// The address, pattern or domain of the trap, or its key as `trap list` prints it.
        trap: String,
        /// Discard the evidence since this time (RFC 3339).
        #[arg(long)]
        since: Timestamp,
        /// The reason, which `/api/v1/notes` publishes.
        #[arg(long)]
        why: String,
    },
}

/// The arguments of `freeze` and `release`.
#[derive(Debug, Args)]
pub(super) struct ReasonArgs {
    /// The reason, for the audit record.
    #[arg(long)]
    why: String,
}

/// The arguments of `shutdown` and `reopen`.
#[derive(Debug, Args)]
pub(super) struct ZoneArgs {
    /// The origin of the zone.
    zone: String,
    /// The reason, for the audit record.
    #[arg(long)]
    why: String,
}

/// The arguments of `audit`.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// Print only the records about this address or network.
    address: Option<String>,
    /// Verify every record on disk and the chain of their digests, and print the last digest.
    #[arg(long, conflicts_with_all = ["address", "after"])]
    verify: bool,
    /// Print only the records after the one with this number.
    #[arg(long, default_value_t = 0)]
    after: u64,
    /// Print one JSON object per line, as in the files on disk.
    #[arg(long)]
    json: bool,
}

/// Sends a decision, and prints the journal entry that holds it.
async fn decide(config: &Config, why: String, decided: RequestedDecision) -> Result<(), CommandFailure> {
    let decision = DecisionRequest { by: by(), why, decided };
    done(&ControlClient::to_write(config).await?.post("/control/v1/decisions", &decision).await?)
}

/// Adds, ends or lists exemptions.
///
/// # Errors
/// When the decision is rejected, or neither the daemon nor the store can be reached.
pub(super) async fn exempt(config: &Config, exempt: ExemptVerb) -> Result<(), CommandFailure> {
    match exempt {
        ExemptVerb::Add { network, review_by, why } => {
            decide(config, why, RequestedDecision::Exempt { network, review_by }).await
        }
        ExemptVerb::End { network, why } => {
            decide(config, why, RequestedDecision::EndExemption { network }).await
        }
        ExemptVerb::List => {
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

/// Lists an address by decision.
///
/// # Errors
/// When the decision is rejected, or neither the daemon nor the store can be reached.
pub(super) async fn list(config: &Config, args: ListArgs) -> Result<(), CommandFailure> {
    let ListArgs { address, zone, code, until, why } = args;
    decide(config, why, RequestedDecision::List { zone, address, code, until }).await
}

/// Discards the evidence of a donor or a trap (RFC 6471 §3.9).
///
/// # Errors
/// When the decision is rejected, or neither the daemon nor the store can be reached.
pub(super) async fn void(config: &Config, void: VoidVerb) -> Result<(), CommandFailure> {
    match void {
        VoidVerb::Donor { donor, since, why } => {
            decide(config, why, RequestedDecision::VoidDonor { donor, since }).await
        }
        VoidVerb::Trap { trap, since, why } => {
            decide(config, why, RequestedDecision::VoidTrap { trap, since }).await
        }
    }
}

/// Stops all additions.
///
/// # Errors
/// When neither the daemon nor the store can be reached.
pub(super) async fn freeze(config: &Config, ReasonArgs { why }: ReasonArgs) -> Result<(), CommandFailure> {
    decide(config, why, RequestedDecision::Freeze).await
}

/// Ends a freeze, and judges the listings that were held back.
///
/// # Errors
/// When neither the daemon nor the store can be reached.
pub(super) async fn release(config: &Config, ReasonArgs { why }: ReasonArgs) -> Result<(), CommandFailure> {
    decide(config, why, RequestedDecision::Release).await
}

/// Shuts a zone down, and prints the records that its parent zone should publish later (RFC 6471
/// §3.4).
///
/// # Errors
/// When the decision is rejected, or neither the daemon nor the store can be reached.
pub(super) async fn shut_down(
    config: &Config,
    ZoneArgs { zone, why }: ZoneArgs,
) -> Result<(), CommandFailure> {
    let origin = zone.trim_end_matches('.').to_owned();
    decide(config, why, RequestedDecision::ShutDown { zone }).await?;
    tell(&format!(
        "{origin} now lists nothing, not even its test entries; the TXT record of {origin} has a warning. Keep this state for some weeks.\n\
         Then delegate {origin} in the parent zone to addresses where no server answers (TEST-NET-1, RFC 5737), never to a third party:\n\
         {origin}.  86400  IN  NS  invalid-1.{origin}.\n\
         {origin}.  86400  IN  NS  invalid-2.{origin}.\n\
         invalid-1.{origin}.  86400  IN  A  192.0.2.1\n\
         invalid-2.{origin}.  86400  IN  A  192.0.2.2\n"
    ))
}

/// Undoes the shutdown of a zone.
///
/// # Errors
/// When the decision is rejected, or neither the daemon nor the store can be reached.
pub(super) async fn reopen(config: &Config, ZoneArgs { zone, why }: ZoneArgs) -> Result<(), CommandFailure> {
    decide(config, why, RequestedDecision::Reopen { zone }).await
}

async fn standing(config: &Config) -> Result<StatusJson, CommandFailure> {
    parse(&ControlClient::to_read(config).await?.get("/control/v1/standing").await?)
}

/// Prints whether the list is frozen, and what is held, shut down and exempt.
///
/// # Errors
/// When neither the daemon nor the store can be reached.
pub(super) async fn status(config: &Config) -> Result<(), CommandFailure> {
    let standing = standing(config).await?;
    let mut told = String::new();
    told.push_str(if standing.frozen { "frozen: no listings are added\n" } else { "not frozen\n" });
    for (zone, held) in &standing.held {
        told.push_str(&held_in_words(zone, *held));
    }
    for (zone, cases) in &standing.unverified {
        told.push_str(&format!(
            "{zone}: {cases} complete cases wait until the relay's side is asked about made-up recipients\n"
        ));
    }
    for (zone, changes) in &standing.unpublished {
        told.push_str(&format!(
            "{zone}: {changes} new or changed listings become public at the next slots\n"
        ));
    }
    for zone in &standing.shut_down {
        told.push_str(&format!("{zone} is shut down\n"));
    }
    if let Some(soonest) = standing.exemptions.iter().map(|exemption| exemption.review_by).min() {
        told.push_str(&format!(
            "{} exemptions, the next review due by {soonest}\n",
            standing.exemptions.len()
        ));
    }
    let digest = standing.audit_digest.unwrap_or_else(|| "none".to_owned());
    told.push_str(&format!("{} audit records, digest of the last one: {digest}\n", standing.audit_records));
    tell(&told)
}

/// The held listings of a zone: by which guard, and what ends the hold.
fn held_in_words(zone: &str, held: HeldCounts) -> String {
    let HeldCounts { freeze, zone: over_limit, site, sites } = held;
    let release = "until \"backscatterd release\"";
    let mut told = String::new();
    if freeze > 0 {
        told.push_str(&format!("{zone}: {freeze} new listings are held by the freeze {release}\n"));
    }
    if over_limit > 0 {
        told.push_str(&format!(
            "{zone}: {over_limit} new listings are held by the limit on additions in an hour {release}\n"
        ));
    }
    if site > 0 {
        let ends = if held.is_crowded() {
            format!("more than {WAITING_SITES_MAX} sites wait, so their listings are held {release}")
        } else {
            "they begin by themselves in later hours, or with \"backscatterd release\"".to_owned()
        };
        told.push_str(&format!(
            "{zone}: {site} new listings of {sites} sites are held by the share of their site; {ends}\n"
        ));
    }
    told
}

/// Prints or verifies audit records (RFC 6471 §2.1.2).
///
/// # Errors
/// When a record was altered or is missing, or neither the daemon nor the store can be reached.
pub(super) async fn audit(config: &Config, args: AuditArgs) -> Result<(), CommandFailure> {
    if args.verify {
        return verify(config).await;
    }
    let address = args.address.map(|address| format!("&address={}", encoded(&address)));
    let path = format!("/control/v1/audit?after={}{}", args.after, address.unwrap_or_default());
    let text = ControlClient::to_read(config).await?.get(&path).await?;
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

/// Verifies the records on disk, and that they reach as far as the ones that the fold has made.
async fn verify(config: &Config) -> Result<(), CommandFailure> {
    let standing = standing(config).await?;
    let directory = &config.audit_directory;
    let verified =
        crate::audit::verify(directory).map_err(|error| CommandFailure::new(EX_DATA, error.to_string()))?;
    if let Some(number) = verified.broken {
        let text = format!("record {number} was altered, or records before it were deleted or inserted");
        return Err(CommandFailure::new(EX_DATA, text));
    }
    let ends_alike = standing
        .audit_digest
        .as_ref()
        .is_none_or(|digest| verified.last > standing.audit_records || *digest == verified.digest);
    if !ends_alike {
        let text = format!(
            "the last record on disk is {}, but the list has made {}: the end of the audit record was cut off",
            verified.last, standing.audit_records
        );
        return Err(CommandFailure::new(EX_DATA, text));
    }
    tell(&format!(
        "{} records, {} to {}, all unaltered; the last digest is {}\n",
        verified.records, verified.first, verified.last, verified.digest
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_names_the_guard_and_what_ends_the_hold() {
        let told = |counts| held_in_words("bl.example.", counts);
        let few = HeldCounts { site: 30, sites: WAITING_SITES_MAX, ..HeldCounts::default() };
        let text = told(few);
        assert!(text.contains("30 new listings of 10 sites") && text.contains("by themselves"), "{text}");
        let text = told(HeldCounts { sites: WAITING_SITES_MAX + 1, ..few });
        assert!(!text.contains("by themselves") && text.contains("until \"backscatterd release\""), "{text}");
        let text = told(HeldCounts { zone: 2, freeze: 3, ..HeldCounts::default() });
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("3 new listings are held by the freeze"), "{text}");
        assert!(lines[1].contains("2 new listings are held by the limit on additions"), "{text}");
        assert_eq!(lines.len(), 2);
    }
}
