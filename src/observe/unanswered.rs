//! The evidence whose observation is missing or not whole. It has no side effects.
//!
//! It is learnt from the journal alone. Whether the trap exists or the fold counted the evidence plays
//! no part, so the questions of the DNS do not show which names are traps.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::inquiry::is_asked_about;
use crate::digest::Digest;
use crate::evidence::{Entry, Evidence, Observation, Offset, RecordedEntry};
use crate::relay::Prefix;
use crate::score::Relation;
use crate::time::Timestamp;

/// The maximum number of pieces of evidence that are remembered, about 300 octets each. Beyond it the
/// oldest one of the look-up group that has the most is forgotten.
const UNANSWERED_MAX: usize = 100_000;

/// The evidence that waits for answers, by its entry.
#[derive(Debug, Default)]
pub(super) struct UnansweredEvidence {
    waiting: BTreeMap<Offset, Waiting>,
    by_evidence: HashMap<Digest, Offset>,
    groups: HashMap<Prefix, BTreeSet<Offset>>,
    /// Each group, after the number of its entries.
    sizes: BTreeSet<(usize, Prefix)>,
}

/// One piece of evidence without an answer.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The time of its entry.
    pub(super) at: Timestamp,
    /// The look-up group of its relay.
    pub(super) group: Prefix,
    evidence: Digest,
}

impl UnansweredEvidence {
    /// Learns an entry of the journal. `read` reads the evidence of an entry.
    pub(super) fn learn(
        &mut self,
        recorded: &RecordedEntry,
        read: impl FnOnce(Offset) -> Option<Box<Evidence>>,
    ) {
        match &recorded.entry {
            Entry::Evidence(evidence) if could_be_answered(evidence) => {
                self.add(recorded.offset, recorded.at, evidence);
                if self.waiting.len() > UNANSWERED_MAX {
                    self.forget_one();
                }
            }
            Entry::Observation(observation) => {
                let Some(&offset) = self.by_evidence.get(&observation.evidence) else { return };
                if observation.is_whole() || read(offset).is_none_or(|evidence| tells(observation, &evidence))
                {
                    self.remove(offset);
                }
            }
            _ => {}
        }
    }

    /// Forgets the evidence of entries before a time.
    pub(super) fn forget_before(&mut self, time: Timestamp) {
        while let Some((&offset, _)) = self.waiting.first_key_value().filter(|(_, first)| first.at < time) {
            self.remove(offset);
        }
    }

    /// The evidence that waits, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Offset, &Waiting)> {
        self.waiting.iter().map(|(offset, waiting)| (*offset, waiting))
    }

    fn add(&mut self, offset: Offset, at: Timestamp, evidence: &Evidence) {
        // The journal may contain the same evidence again after a day.
        if self.by_evidence.contains_key(&evidence.id) {
            return;
        }
        let group = evidence.relay.lookup_group();
        self.by_evidence.insert(evidence.id, offset);
        self.waiting.insert(offset, Waiting { at, group, evidence: evidence.id });
        self.change_group(group, |entries| entries.insert(offset));
    }

    fn remove(&mut self, offset: Offset) {
        let Some(waiting) = self.waiting.remove(&offset) else { return };
        self.by_evidence.remove(&waiting.evidence);
        self.change_group(waiting.group, |entries| entries.remove(&offset));
    }

    /// Forgets the oldest evidence of the group that has the most.
    fn forget_one(&mut self) {
        let largest = self.sizes.last().and_then(|(_, group)| self.groups.get(group));
        if let Some(oldest) = largest.and_then(BTreeSet::first).copied() {
            self.remove(oldest);
        }
    }

    fn change_group(&mut self, group: Prefix, change: impl FnOnce(&mut BTreeSet<Offset>) -> bool) {
        let entries = self.groups.entry(group).or_default();
        self.sizes.remove(&(entries.len(), group));
        change(entries);
        if entries.is_empty() {
            self.groups.remove(&group);
        } else {
            self.sizes.insert((entries.len(), group));
        }
    }
}

/// Whether an answer of the DNS could tell the relation of the evidence.
fn could_be_answered(evidence: &Evidence) -> bool {
    is_asked_about(evidence)
        && evidence.facts.failed_recipient().is_some_and(|recipient| recipient.domain.is_some())
        && Relation::of(evidence, None, None) == Relation::Unknown
}

fn tells(observation: &Observation, evidence: &Evidence) -> bool {
    Relation::of(evidence, Some(observation), None) != Relation::Unknown
}
