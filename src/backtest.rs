//! Backtests: applying another policy to the same journal, and comparing the listings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::blocklist::{Blocklist, ListChange};
use crate::evidence::{Entry, Offset, Order};
use crate::explain::explain;
use crate::journal::{self, Journal, JournalError};
use crate::publish::{PublishError, restore};
use crate::relay::{Prefix, Relay};
use crate::time::Timestamp;

/// The maximum number of relays that each list of the result names.
const NAMED_MAX: usize = 1_000;

/// Why a backtest failed.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// The state could not be restored from the journal.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal contains no zone of this origin.
    #[error("the journal contains no zone {0}; write the origin of an adopted zone in the file")]
    NeverAdopted(String),
}

/// The result of a backtest. "Before" is the policy in the journal, "after" the other one. Each
/// pair of relay and code counts as one listing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backtest {
    /// The zone's origin.
    pub zone: String,
    /// The first entry that was applied.
    pub first_entry: Offset,
    /// The last entry that was applied.
    pub last_entry: Offset,
    /// The fold's time at the last entry.
    pub until: Timestamp,
    /// The number of relays that the policy in the journal listed at any time.
    pub listed_before: usize,
    /// The number of relays that the other policy listed at any time.
    pub listed_after: usize,
    /// The number of relays that only the other policy listed.
    pub added: usize,
    /// The number of relays that only the policy in the journal listed.
    pub dropped: usize,
    /// The number of relays that both policies listed, but at different times or not equally often.
    pub changed: usize,
    /// The first of the added relays.
    pub added_named: Vec<BacktestDifference>,
    /// The first of the dropped relays.
    pub dropped_named: Vec<BacktestDifference>,
    /// The first of the changed relays.
    pub changed_named: Vec<BacktestDifference>,
}

/// The difference between the two policies for one relay and code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BacktestDifference {
    /// The address or network.
    pub relay: String,
    /// The code.
    pub code: u8,
    /// When the policy in the journal first listed the relay.
    pub listed_first_before: Option<Timestamp>,
    /// When the other policy first listed the relay.
    pub listed_first_after: Option<Timestamp>,
    /// The number of listings and extensions by the policy in the journal.
    pub times_before: u32,
    /// The number of listings and extensions by the other policy.
    pub times_after: u32,
    /// The rules that are not satisfied at the end under the policy that does not list the relay;
    /// empty if both list it.
    pub why: String,
}

/// A journal folded to its end by one policy.
struct Fold {
    blocklist: Blocklist,
    /// The first entry that was folded.
    first: Option<Offset>,
    /// By relay and code: when it was listed first, and how often it was listed, extended or held.
    listed: BTreeMap<(Prefix, u8), (Timestamp, u32)>,
}

/// Applies a journal twice, once as it is and once with `text` as the file of the zone `origin`,
/// and compares the listings. The journal is not changed.
///
/// If the first entries of the journal were dropped, both runs begin with the traps, zones and
/// exemptions of the checkpoint and without evidence. Listings that the guards hold count as
/// listings, because an operator who adopts a policy releases them.
///
/// # Errors
///
/// Fails if the journal cannot be read or its state cannot be restored, or if the journal contains
/// no zone of this origin.
pub fn backtest(journal: &dyn Journal, origin: &str, text: &str) -> Result<Backtest, BacktestError> {
    let Fold { blocklist: before, first, listed: was } = fold(journal, origin, None)?;
    let Fold { blocklist: after, listed: would_be, .. } = fold(journal, origin, Some(text))?;
    let adopted = after.snapshot().zones().iter().any(|zone| zone.config.apex.origin.to_string() == origin);
    if !adopted {
        return Err(BacktestError::NeverAdopted(origin.to_owned()));
    }
    let mut found = Backtest {
        zone: origin.to_owned(),
        first_entry: first.unwrap_or(after.offset()),
        last_entry: after.offset(),
        until: after.time(),
        listed_before: was.len(),
        listed_after: would_be.len(),
        ..Backtest::default()
    };
    let difference = |key: &(Prefix, u8), why: String| BacktestDifference {
        relay: key.0.to_string(),
        code: key.1,
        listed_first_before: was.get(key).map(|(first, _)| *first),
        listed_first_after: would_be.get(key).map(|(first, _)| *first),
        times_before: was.get(key).map_or(0, |(_, times)| *times),
        times_after: would_be.get(key).map_or(0, |(_, times)| *times),
        why,
    };
    for key in would_be.keys().filter(|key| !was.contains_key(key)) {
        found.added += 1;
        if found.added_named.len() < NAMED_MAX {
            found.added_named.push(difference(key, missing(&before, origin, key)));
        }
    }
    for key in was.keys() {
        match would_be.get(key) {
            None => {
                found.dropped += 1;
                if found.dropped_named.len() < NAMED_MAX {
                    found.dropped_named.push(difference(key, missing(&after, origin, key)));
                }
            }
            Some(listed) if Some(listed) != was.get(key) => {
                found.changed += 1;
                if found.changed_named.len() < NAMED_MAX {
                    found.changed_named.push(difference(key, String::new()));
                }
            }
            Some(_) => {}
        }
    }
    Ok(found)
}

/// Applies the entries of a journal and records the listings in one zone.
fn fold(journal: &dyn Journal, origin: &str, text: Option<&str>) -> Result<Fold, BacktestError> {
    let beginning = journal.beginning()?;
    let blocklist = match (beginning, text) {
        (Offset::START, _) => Blocklist::new(),
        (_, None) => restore(journal)?.without_evidence(beginning),
        (_, Some(text)) => restore(journal)?.with_zone(origin, text).without_evidence(beginning),
    };
    let mut fold = Fold { blocklist, first: None, listed: BTreeMap::new() };
    for entries in journal::follow(journal, beginning) {
        for mut recorded in entries? {
            fold.first.get_or_insert(recorded.offset);
            if let (Some(text), Entry::Directive(directive)) = (text, &mut recorded.entry) {
                replace(&mut directive.order, origin, text);
            }
            let changes = fold.blocklist.apply(&recorded);
            let now = fold.blocklist.time();
            for change in &changes.list {
                if let ListChange::Listed { origin: of, relay, code, .. }
                | ListChange::Extended { origin: of, relay, code, .. }
                | ListChange::Held { origin: of, relay, code, .. } = change
                    && of == origin
                {
                    fold.listed.entry((*relay, *code)).or_insert((now, 0)).1 += 1;
                }
            }
        }
    }
    Ok(fold)
}

/// Replaces the content of the zone's file if the order adopts it.
fn replace(order: &mut Order, origin: &str, by: &str) {
    match order {
        Order::AdoptZone { origin: of, text } if of == origin => by.clone_into(text),
        _ => {}
    }
}

/// The rules that are not satisfied at the end under a policy that does not list the relay, in
/// words.
fn missing(blocklist: &Blocklist, origin: &str, key: &(Prefix, u8)) -> String {
    let (prefix, code) = *key;
    let record = blocklist.relay_record(prefix);
    let relay = Relay::new(prefix.network());
    let exemptions = blocklist.status().exemptions;
    let snapshot = blocklist.snapshot();
    let explained = explain(relay, record.as_ref(), &exemptions, &snapshot, blocklist.offset());
    let code = explained
        .zones
        .iter()
        .filter(|zone| zone.zone == origin)
        .flat_map(|zone| &zone.codes)
        .find(|explained| explained.value == code);
    let open: Vec<String> = code
        .into_iter()
        .flat_map(|code| &code.rules)
        .filter(|rule| !rule.met)
        .map(|rule| format!("{} has {}, needs {}", rule.rule, rule.has, rule.needs))
        .collect();
    if open.is_empty() {
        "every rule is satisfied at the end, or the policy has no such code".to_owned()
    } else {
        open.join("; ")
    }
}
