//! Another policy over the same journal: who would be added, dropped or judged otherwise, and why.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::blocklist::{Blocklist, Change};
use crate::evidence::{Entry, Offset, Order};
use crate::explain::explain;
use crate::journal::{self, Journal, JournalError};
use crate::publish::{PublishError, restore};
use crate::relay::{Prefix, Relay};
use crate::time::Timestamp;

/// Most relays that are named in each list.
const NAMED_MAX: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the journal never adopted {0}; name that zone's origin in the file")]
    NeverAdopted(String),
}

/// Two policies over one journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backtest {
    pub zone: String,
    pub first_entry: Offset,
    pub last_entry: Offset,
    pub until: Timestamp,
    /// Relays that were listed at any time, by the policy as it was and by the other.
    pub listed_before: usize,
    pub listed_after: usize,
    /// Listed by the other policy alone, by the first alone, and by both but at other times.
    pub added: usize,
    pub dropped: usize,
    pub changed: usize,
    pub added_named: Vec<Difference>,
    pub dropped_named: Vec<Difference>,
    pub changed_named: Vec<Difference>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub relay: String,
    pub code: u8,
    pub listed_first_before: Option<Timestamp>,
    pub listed_first_after: Option<Timestamp>,
    /// How often it was listed or extended, by each.
    pub times_before: u32,
    pub times_after: u32,
    /// What the policy that doesn't list it finds missing at the end.
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

/// Folds a journal twice, as it was and with another text in the place of a zone's file. It changes nothing.
///
/// Where the journal no longer begins with its first entry, both begin with the traps, zones and exemptions of its checkpoint and
/// no evidence, and fold all that is there. What the guards hold counts as listed: whoever adopts a policy lets it in.
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
    let difference = |key: &(Prefix, u8), why: String| Difference {
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
                if let Change::Listed { origin: of, relay, code, .. }
                | Change::Extended { origin: of, relay, code, .. }
                | Change::Held { origin: of, relay, code } = change
                    && of == origin
                {
                    fold.listed.entry((*relay, *code)).or_insert((now, 0)).1 += 1;
                }
            }
        }
    }
    Ok(fold)
}

fn replace(order: &mut Order, origin: &str, by: &str) {
    match order {
        Order::AdoptZone { origin: of, text } if of == origin => by.clone_into(text),
        _ => {}
    }
}

/// The rules that are open at the end by a policy that doesn't list.
fn missing(blocklist: &Blocklist, origin: &str, key: &(Prefix, u8)) -> String {
    let (prefix, code) = *key;
    let record = blocklist.relay_record(prefix);
    let relay = Relay::new(prefix.network());
    let exemptions = blocklist.standing().exemptions;
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
    if open.is_empty() { "met at another time, or never judged by it".to_owned() } else { open.join("; ") }
}
