//! Which evidence is asked about again: reports that were counted while the DNS owed an answer, at
//! fixed ages. It has no side effects.
//!
//! The ledgers are the memory: nothing is lost in a restart or in a full schedule. When a report is
//! asked about depends on its age and on what was asked before, and on nothing else, so nobody can
//! learn from the questions how close a relay is to a listing.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::evidence::Offset;
use crate::relay::Prefix;
use crate::score::{CountedReport, Ledger};
use crate::time::{Span, Timestamp};

/// The ages at which a report is asked about again. The first one is for reports that were never
/// asked about, such as those that a restart interrupted.
const AGES: [Span; 8] = [
    Span::ZERO,
    Span::from_hours(1),
    Span::from_hours(6),
    Span::from_days(1),
    Span::from_days(3),
    Span::from_days(7),
    Span::from_days(14),
    Span::from_days(21),
];
/// The time of the fold between two searches of the ledgers.
const SEARCH_EVERY: Span = Span::from_seconds(300);
/// The maximum number of reports that are remembered as asked about while others of the same age
/// wait for a place. Beyond it, the others wait for their next age.
const ASKED_MAX: usize = 100_000;

/// The searches of the ledgers so far.
#[derive(Debug, Default)]
pub struct Recall {
    /// Reports whose last age was reached before this time are done until the next one.
    done_until: Timestamp,
    searched: Option<Timestamp>,
    /// The reports since then that were asked about, by the entry of their evidence.
    asked: HashSet<Offset>,
}

/// One search of the ledgers: a fair choice of reports for the free places.
#[derive(Debug)]
pub struct RecallSearch<'a> {
    recall: &'a Recall,
    now: Timestamp,
    places: usize,
    by_group: HashMap<Prefix, u32>,
    /// The chosen reports: how many of the same group came before, and the entry; with the try.
    chosen: BTreeMap<(u32, Offset), u16>,
    has_all: bool,
}

/// The result of a search.
#[derive(Debug, PartialEq, Eq)]
pub struct Recalled {
    /// The entries of the evidence to ask about, each with the number of the try; groups take turns.
    pub evidence: Vec<(Offset, u16)>,
    /// Whether no report was left out for lack of places.
    pub has_all: bool,
}

impl Recall {
    /// Whether a search is due at a time of the fold.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.searched.is_none_or(|at| now.since(at) >= SEARCH_EVERY)
    }

    /// Begins a search for at most `places` reports.
    pub fn search(&self, now: Timestamp, places: usize) -> RecallSearch<'_> {
        RecallSearch {
            recall: self,
            now,
            places,
            by_group: HashMap::new(),
            chosen: BTreeMap::new(),
            has_all: true,
        }
    }

    /// Records the end of the search at `now`: the reports that are asked about, and whether they
    /// are all that were due.
    pub fn searched(&mut self, now: Timestamp, asked: impl IntoIterator<Item = Offset>, are_all: bool) {
        self.searched = Some(now);
        self.asked.extend(asked);
        if are_all || self.asked.len() > ASKED_MAX {
            self.done_until = now;
            self.asked.clear();
        }
    }

    /// The number of the try that is due for a report, if one is. `first` tries were made before
    /// the report was counted.
    fn due(&self, mark: &CountedReport, now: Timestamp, first: u16) -> Option<u16> {
        let reached = AGES.iter().take_while(|age| mark.seen_at.plus(**age) <= now);
        let (number, last) = reached.enumerate().last()?;
        let is_new = mark.seen_at.plus(*last) > self.done_until && !self.asked.contains(&mark.offset);
        (mark.unanswered && is_new).then(|| first + u16::try_from(number).unwrap_or(u16::MAX))
    }
}

impl RecallSearch<'_> {
    /// Looks through the ledger of a relay. `group` is the relay's look-up group.
    pub fn look(&mut self, group: Prefix, ledger: &Ledger) {
        for mark in ledger.marks().iter().filter(|mark| mark.offset > ledger.forgiven()) {
            let Some(attempt) = self.recall.due(mark, self.now, super::TRIES_BEFORE_COUNTING) else {
                continue;
            };
            let before = self.by_group.entry(group).or_insert(0);
            self.chosen.insert((*before, mark.offset), attempt);
            *before += 1;
            if self.chosen.len() > self.places {
                self.chosen.pop_last();
                self.has_all = false;
            }
        }
    }

    /// The reports that were chosen.
    pub fn found(self) -> Recalled {
        let evidence = self.chosen.into_iter().map(|((_, offset), attempt)| (offset, attempt)).collect();
        Recalled { evidence, has_all: self.has_all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::evidence::{Evidence, EvidenceFacts, OriginalSender, SentFrom, SessionReach};
    use crate::relay::Relay;
    use crate::score::ReportSource;

    const HOUR: Span = Span::from_hours(1);

    fn start() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    /// A ledger with a report without an answer, seen at the start, for each of these entries.
    fn ledger(entries: impl IntoIterator<Item = u64>) -> Ledger {
        let mut ledger = Ledger::default();
        for entry in entries {
            let mark = mark(entry);
            assert!(mark.unanswered);
            ledger.add(mark, |_| true);
        }
        ledger
    }

    fn mark(entry: u64) -> CountedReport {
        use crate::classify::{Author, Cause, HandedIn, Kind};
        let key = crate::trap::TrapHasher::new([7; 32]).domain("trap.example");
        let failure = crate::evidence::RecipientFailure {
            recipient: Digest::of(&entry.to_be_bytes()),
            domain: Some("relay.example".to_owned()),
            status: None,
            remote: false,
            cause: Cause::Address,
            remote_mta: None,
            expanded: false,
        };
        let facts = EvidenceFacts {
            kind: Kind::DsnFailed,
            format: String::new(),
            classifier: 1,
            reporting_mta: None,
            sender: OriginalSender::Trap,
            injector: None,
            failures: vec![failure],
            reasons: Vec::new(),
            carried: false,
            writer: None,
            solicited: false,
            follows_rfc3834: false,
            author: Author::MailSystem,
            handed_in: HandedIn::Unknown,
        };
        let evidence = Evidence {
            id: Digest::of(&entry.to_le_bytes()),
            seen_at: start(),
            relay: Relay::new([9, 9, 9, 9].into()),
            helo: String::new(),
            reverse_path: SentFrom::FromNull,
            trap: key,
            trap_domain: key,
            recipients: 1,
            reach: SessionReach::Data,
            report: None,
            facts,
            node: String::new(),
            wider: Vec::new(),
            channel: Default::default(),
            forwarded_by: None,
        };
        let source = ReportSource { trap: key, domain: key, donor: 1, discount: 0 };
        CountedReport::of(&evidence, None, None, source, start(), Offset::from_number(entry))
    }

    fn search(recall: &Recall, now: Timestamp, places: usize, ledgers: &[(u8, &Ledger)]) -> Recalled {
        let mut search = recall.search(now, places);
        for &(group, ledger) in ledgers {
            search.look(Prefix::host(Relay::new([9, 9, 9, group].into())), ledger);
        }
        search.found()
    }

    fn offsets(recalled: &Recalled) -> Vec<u64> {
        recalled.evidence.iter().map(|(offset, _)| offset.number()).collect()
    }

    #[test]
    fn every_age_asks_once_and_a_restart_asks_at_once() {
        let known = ledger([1]);
        let mut recall = Recall::default();
        let mut tries = Vec::new();
        for minutes in (16..40 * 24 * 60).step_by(5) {
            let now = start().plus(Span::from_seconds(minutes * 60));
            assert!(recall.is_due(now));
            let found = search(&recall, now, 10, &[(1, &known)]);
            tries.extend(found.evidence.iter().map(|(_, attempt)| (minutes / 60, *attempt)));
            recall.searched(now, found.evidence.iter().map(|(offset, _)| *offset), found.has_all);
            assert!(!recall.is_due(now.plus(Span::from_seconds(299))));
        }
        let days = [1, 3, 7, 14, 21].map(|days| days * 24);
        let hours: Vec<i64> = tries.iter().map(|(hour, _)| *hour).collect();
        assert_eq!(hours, [&[0, 1, 6][..], &days].concat());
        let numbers: Vec<u16> = tries.iter().map(|(_, attempt)| *attempt).collect();
        assert_eq!(numbers, [3, 4, 5, 6, 7, 8, 9, 10], "each try has a number of its own");
        let restarted = search(&Recall::default(), start().plus(Span::from_days(2)), 10, &[(1, &known)]);
        assert_eq!(restarted.evidence.len(), 1);
    }

    #[test]
    fn what_had_no_place_comes_next_and_groups_take_turns() {
        let (many, few) = (ledger(1..=8), ledger([100]));
        let mut recall = Recall::default();
        let now = start().plus(HOUR);
        let ledgers = [(1, &many), (2, &few)];
        let first = search(&recall, now, 3, &ledgers);
        assert_eq!((offsets(&first), first.has_all), (vec![1, 100, 2], false));
        recall.searched(now, first.evidence.iter().map(|(offset, _)| *offset), false);
        let second = search(&recall, now.plus(HOUR), 4, &ledgers);
        assert_eq!((offsets(&second), second.has_all), (vec![3, 4, 5, 6], false), "none of them twice");
        recall.searched(now, second.evidence.iter().map(|(offset, _)| *offset), false);
        let third = search(&recall, now.plus(HOUR), 4, &ledgers);
        assert_eq!((offsets(&third), third.has_all), (vec![7, 8], true));
        recall.searched(now, third.evidence.iter().map(|(offset, _)| *offset), true);
        assert!(search(&recall, now.plus(HOUR), 4, &ledgers).evidence.is_empty());
        let next_age = search(&recall, start().plus(Span::from_hours(6)), 100, &ledgers);
        assert_eq!(next_age.evidence.len(), 9);
    }

    #[test]
    fn what_a_removal_forgave_is_not_asked_about() {
        let mut known = ledger([1, 5]);
        known.forgive(Offset::from_number(3));
        let found = search(&Recall::default(), start().plus(HOUR), 10, &[(1, &known)]);
        assert_eq!(offsets(&found), [5]);
    }
}
