//! Which evidence is asked about again: evidence whose observation is missing or not whole, at fixed
//! ages. It has no side effects.
//!
//! The journal is the memory: nothing is lost in a restart or in a full schedule. When evidence is asked
//! about depends on its age and on the answers so far, and on nothing else. So nobody can learn from the
//! questions which names are traps, or how close a relay is to a listing.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::unanswered::UnansweredEvidence;
use crate::evidence::{Evidence, Offset, RecordedEntry};
use crate::relay::Prefix;
use crate::time::{Span, Timestamp};

/// The ages, by the time of its entry, at which evidence is asked about again. The first tries have ended
/// by the first of them.
const AGES: [Span; 8] = [
    Span::from_seconds(900),
    Span::from_hours(1),
    Span::from_hours(6),
    Span::from_days(1),
    Span::from_days(3),
    Span::from_days(7),
    Span::from_days(14),
    Span::from_days(21),
];
/// The age at which evidence is forgotten: one day after its last try.
const FORGOTTEN_AT: Span = Span::from_days(22);
/// The time of the fold between two searches.
const SEARCH_EVERY: Span = Span::from_seconds(300);
/// The maximum number of pieces of evidence that are remembered as asked about while others of the same age
/// wait for a place. Beyond it, the others wait for their next age.
const ASKED_MAX: usize = 100_000;

/// The evidence without an answer, and the searches so far.
#[derive(Debug, Default)]
pub struct Recall {
    unanswered: UnansweredEvidence,
    /// The last entry of the journal that was learnt.
    learnt: Offset,
    /// Evidence whose last age was reached before this time is done until the next one.
    done_until: Timestamp,
    searched: Option<Timestamp>,
    /// The entries of the evidence since then that was asked about.
    asked: HashSet<Offset>,
}

/// The result of a search.
#[derive(Debug, PartialEq, Eq)]
pub struct Recalled {
    /// The entries of the evidence to ask about, each with the number of the try; groups take turns.
    pub evidence: Vec<(Offset, u16)>,
    /// Whether no evidence was left out for lack of places.
    pub has_all: bool,
}

impl Recall {
    /// Whether a search is due at a time of the fold.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.searched.is_none_or(|at| now.since(at) >= SEARCH_EVERY)
    }

    /// The time since which the journal's entries are of use at a time of the fold.
    pub fn oldest(now: Timestamp) -> Timestamp {
        now.minus(FORGOTTEN_AT)
    }

    /// The last entry that was learnt.
    pub fn learnt(&self) -> Offset {
        self.learnt
    }

    /// Learns the next entry of the journal. `read` reads the evidence of an earlier entry.
    pub fn learn(&mut self, recorded: &RecordedEntry, read: impl FnOnce(Offset) -> Option<Box<Evidence>>) {
        self.unanswered.learn(recorded, read);
        self.learnt = recorded.offset;
    }

    /// Searches for evidence that is due, at most for `places` inquiries. Look-up groups take turns.
    pub fn search(&mut self, now: Timestamp, places: usize) -> Recalled {
        self.unanswered.forget_before(Self::oldest(now));
        let mut by_group: HashMap<Prefix, u32> = HashMap::new();
        // How many of the same group came before, and the entry; with the try.
        let mut chosen: BTreeMap<(u32, Offset), u16> = BTreeMap::new();
        let mut has_all = true;
        for (offset, waiting) in self.unanswered.iter() {
            let Some(attempt) = self.due(offset, waiting.at, now, super::TRIES_BEFORE_COUNTING) else {
                continue;
            };
            let before = by_group.entry(waiting.group).or_insert(0);
            chosen.insert((*before, offset), attempt);
            *before += 1;
            if chosen.len() > places {
                chosen.pop_last();
                has_all = false;
            }
        }
        let evidence = chosen.into_iter().map(|((_, offset), attempt)| (offset, attempt)).collect();
        Recalled { evidence, has_all }
    }

    /// Records the end of the search at `now`: the evidence that is asked about, and whether it is
    /// all that was due.
    pub fn searched(&mut self, now: Timestamp, asked: impl IntoIterator<Item = Offset>, are_all: bool) {
        self.searched = Some(now);
        self.asked.extend(asked);
        if are_all || self.asked.len() > ASKED_MAX {
            self.done_until = now;
            self.asked.clear();
        }
    }

    /// The number of the try that is due for evidence of an entry, if one is. `first` tries were made
    /// before.
    fn due(&self, offset: Offset, at: Timestamp, now: Timestamp, first: u16) -> Option<u16> {
        let reached = AGES.iter().take_while(|age| at.plus(**age) <= now);
        let Some((number, last)) = reached.enumerate().last() else {
            // The end of the last process interrupted the first tries, which begin again.
            return self.searched.is_none().then_some(0);
        };
        let is_new = at.plus(*last) > self.done_until && !self.asked.contains(&offset);
        is_new.then(|| first + u16::try_from(number).unwrap_or(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::evidence::{Entry, EvidenceFacts, Observation, OriginalSender, SentFrom, SessionReach};
    use crate::relay::Relay;

    const HOUR: Span = Span::from_hours(1);

    fn start() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    /// The evidence of these entries, of one relay, seen at the start.
    fn learn(recall: &mut Recall, host: u8, entries: impl IntoIterator<Item = u64>) {
        for entry in entries {
            let evidence = Entry::Evidence(Box::new(evidence(entry, host, "trap.example")));
            recall.learn(&recorded(entry, evidence), |_| None);
        }
    }

    fn recorded(entry: u64, what: Entry) -> RecordedEntry {
        RecordedEntry { offset: Offset::from_number(entry), at: start(), entry: what }
    }

    fn evidence(entry: u64, host: u8, trap: &str) -> Evidence {
        use crate::classify::{Author, Cause, HandedIn, Kind};
        let key = crate::trap::TrapHasher::new([7; 32]).domain(trap);
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
        Evidence {
            id: Digest::of(&entry.to_le_bytes()),
            seen_at: start(),
            relay: Relay::new([9, 9, 9, host].into()),
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
        }
    }

    fn offsets(recalled: &Recalled) -> Vec<u64> {
        recalled.evidence.iter().map(|(offset, _)| offset.number()).collect()
    }

    fn end(recall: &mut Recall, now: Timestamp, found: &Recalled) {
        recall.searched(now, found.evidence.iter().map(|(offset, _)| *offset), found.has_all);
    }

    #[test]
    fn every_age_asks_once_about_every_name_and_a_restart_asks_at_once() {
        let mut recall = Recall::default();
        // The process has searched before the evidence arrived.
        recall.searched(start().minus(HOUR), [], true);
        for (entry, trap) in [(1, "seeded.example"), (2, "unseeded.example")] {
            let evidence = evidence(entry, entry as u8, trap);
            let unknown = Observation::unknown(evidence.id);
            recall.learn(&recorded(entry, Entry::Evidence(Box::new(evidence.clone()))), |_| None);
            recall.learn(&recorded(entry + 2, Entry::Observation(unknown)), |_| Some(Box::new(evidence)));
        }
        let mut tries = Vec::new();
        for minutes in (5..40 * 24 * 60).step_by(5) {
            let now = start().plus(Span::from_seconds(minutes * 60));
            assert!(recall.is_due(now));
            let found = recall.search(now, 10);
            assert!(found.evidence.is_empty() || offsets(&found) == [1, 2], "both names are alike");
            tries.extend(found.evidence.first().map(|(_, attempt)| (minutes / 60, *attempt)));
            end(&mut recall, now, &found);
            assert!(!recall.is_due(now.plus(Span::from_seconds(299))));
        }
        let days = [1, 3, 7, 14, 21].map(|days| days * 24);
        let hours: Vec<i64> = tries.iter().map(|(hour, _)| *hour).collect();
        assert_eq!(hours, [&[0, 1, 6][..], &days].concat());
        let numbers: Vec<u16> = tries.iter().map(|(_, attempt)| *attempt).collect();
        assert_eq!(numbers, [3, 4, 5, 6, 7, 8, 9, 10], "each try has a number of its own");
        let mut restarted = Recall::default();
        learn(&mut restarted, 1, [1]);
        assert_eq!(restarted.search(start().plus(Span::from_days(2)), 10).evidence.len(), 1);
        let soon = restarted.search(start().plus(Span::from_seconds(60)), 10);
        assert_eq!(soon.evidence, [(Offset::from_number(1), 0)], "the first tries begin again");
        end(&mut restarted, start().plus(Span::from_seconds(60)), &soon);
        assert!(restarted.search(start().plus(Span::from_seconds(400)), 10).evidence.is_empty());
    }

    #[test]
    fn what_had_no_place_comes_next_and_groups_take_turns() {
        let mut recall = Recall::default();
        learn(&mut recall, 1, 1..=8);
        learn(&mut recall, 2, [100]);
        let now = start().plus(HOUR);
        let first = recall.search(now, 3);
        assert_eq!((offsets(&first), first.has_all), (vec![1, 100, 2], false));
        end(&mut recall, now, &first);
        let second = recall.search(now.plus(HOUR), 4);
        assert_eq!((offsets(&second), second.has_all), (vec![3, 4, 5, 6], false), "none of them twice");
        end(&mut recall, now, &second);
        let third = recall.search(now.plus(HOUR), 4);
        assert_eq!((offsets(&third), third.has_all), (vec![7, 8], true));
        end(&mut recall, now, &third);
        assert!(recall.search(now.plus(HOUR), 4).evidence.is_empty());
        assert_eq!(recall.search(start().plus(Span::from_hours(6)), 100).evidence.len(), 9);
    }

    #[test]
    fn an_answer_ends_the_questions() {
        let mut recall = Recall::default();
        learn(&mut recall, 1, 1..=2);
        let whole = Observation {
            mx_of_recipient: Some(false),
            spf_of_recipient: Some(false),
            same_organisation: Some(false),
            ..Observation::unknown(evidence(1, 1, "trap.example").id)
        };
        recall.learn(&recorded(3, Entry::Observation(whole)), |_| None);
        assert_eq!(offsets(&recall.search(start().plus(HOUR), 10)), [2]);
    }
}
