//! The schedule of inquiries: which of them have a place, and which one runs next. It has no side
//! effects.
//!
//! Nobody can take the places or the slots of others. The look-up groups of the relays take turns. One group
//! and one organisation have a share of the places and of the slots. Inquiries about groups and
//! organisations that were silent stand behind the others, have few slots, and give way when the
//! places are full; so do those of groups with many places. Some places are kept for groups that have
//! none.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::place::Place;
use super::silence::DnsSilence;
use super::turns::Turns;
use crate::digest::Digest;
use crate::relay::Prefix;

/// One group, and one organisation, has at most this fraction of the places.
const PLACES_SHARE: usize = 16;
/// One group, and one organisation, has at most this fraction of the slots.
const SLOTS_SHARE: usize = 8;
/// Inquiries that stand behind the others have at most this fraction of the slots.
const BEHIND_SHARE: usize = 4;
/// This fraction of the places is kept for groups that have none.
const NEW_GROUPS_SHARE: usize = 4;
/// At most this fraction of the places is held by inquiries that wait for their repetition.
const RESTING_SHARE: usize = 2;

/// Inquiries that wait, run, or rest until they are repeated.
#[derive(Debug)]
pub(super) struct InquirySchedule<T> {
    /// The maximum number of inquiries in the schedule.
    places_max: usize,
    /// The maximum number of inquiries that run at once.
    slots_max: usize,
    waiting: Turns<T>,
    behind: Turns<T>,
    /// The evidence of every inquiry that has a place.
    known: HashSet<Digest>,
    groups: HashMap<Prefix, Load>,
    organisations: HashMap<String, Load>,
    running: usize,
    running_behind: usize,
    /// The inquiries that rest, by the number of the rest.
    resting: BTreeMap<u64, Place>,
    rests: u64,
    /// The number of inquiries about evidence that was never asked about.
    firsts: usize,
    silence: DnsSilence,
    /// Whether [`Self::age_silence`] is called at regular times.
    is_ageing: bool,
}

/// What one group or organisation has of the schedule.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    places: usize,
    running: usize,
}

/// What became of an inquiry that came to the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It has a place.
    Taken,
    /// It has the place of another inquiry.
    Displaced,
    /// There is an inquiry about the same evidence.
    Known,
    /// There is no place.
    Full,
}

/// The numbers of inquiries, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScheduleCounts {
    pub(super) waiting: usize,
    pub(super) behind: usize,
    pub(super) running: usize,
    pub(super) resting: usize,
    /// About evidence that was never asked about.
    pub(super) firsts: usize,
}

impl<T> InquirySchedule<T> {
    /// A schedule without inquiries.
    pub(super) fn new(places_max: usize, slots_max: usize) -> Self {
        InquirySchedule {
            places_max: places_max.max(1),
            slots_max: slots_max.max(1),
            waiting: Turns::default(),
            behind: Turns::default(),
            known: HashSet::new(),
            groups: HashMap::new(),
            organisations: HashMap::new(),
            running: 0,
            running_behind: 0,
            resting: BTreeMap::new(),
            rests: 0,
            firsts: 0,
            silence: DnsSilence::default(),
            is_ageing: false,
        }
    }

    /// Gives an inquiry a place, if there is one.
    pub(super) fn admit(&mut self, place: Place, what: T) -> Admission {
        if self.known.contains(&place.evidence) {
            return Admission::Known;
        }
        let (group, organisation) = (self.load_of_group(&place), self.load_of_organisation(&place));
        let share = share(self.places_max, PLACES_SHARE);
        if group.places >= share || organisation.places >= share {
            return Admission::Full;
        }
        let kept = if group.places == 0 { 0 } else { self.places_max / NEW_GROUPS_SHARE };
        let is_full = self.known.len() >= self.places_max - kept;
        if is_full && (self.is_silent(&place) || !self.displace(group.places)) {
            return Admission::Full;
        }
        self.known.insert(place.evidence);
        self.groups.entry(place.group).or_default().places += 1;
        if !place.organisation.is_empty() {
            self.organisations.entry(place.organisation.clone()).or_default().places += 1;
        }
        self.firsts += usize::from(place.is_first);
        self.line_up(place, what);
        if is_full { Admission::Displaced } else { Admission::Taken }
    }

    /// Drops an inquiry for another one whose group has `places`: one behind the others, one that
    /// rests, or one of a group that is silent by now or would still have more places.
    fn displace(&mut self, places: usize) -> bool {
        let (silence, groups) = (&self.silence, &self.groups);
        let gives_way = |other: &Place| {
            silence.covers(other.group, &other.organisation)
                || groups.get(&other.group).is_some_and(|load| load.places > places + 1)
        };
        let dropped = self.behind.drop_last(|_| true);
        let dropped = dropped.or_else(|| self.resting.pop_last().map(|(_, place)| place));
        let dropped = dropped.or_else(|| self.waiting.drop_last(gives_way));
        if let Some(place) = &dropped {
            self.leave(place);
        }
        dropped.is_some()
    }

    fn line_up(&mut self, place: Place, what: T) {
        let line = if self.is_silent(&place) { &mut self.behind } else { &mut self.waiting };
        line.push(place, what);
    }

    /// The next inquiry that may run; it has a slot then.
    pub(super) fn next(&mut self) -> Option<(Place, T)> {
        if self.running >= self.slots_max {
            return None;
        }
        let share = share(self.slots_max, SLOTS_SHARE);
        let (groups, organisations) = (&self.groups, &self.organisations);
        let may_run = |place: &Place| {
            running(groups.get(&place.group)) < share
                && running(organisations.get(&place.organisation)) < share
        };
        // A group or an organisation may have become silent while its inquiries waited.
        let next = loop {
            match self.waiting.take(may_run) {
                Some((place, what)) if self.silence.covers(place.group, &place.organisation) => {
                    self.behind.push(place, what);
                }
                Some(next) => break Some(next),
                None if self.running_behind < self::share(self.slots_max, BEHIND_SHARE) => {
                    break self
                        .behind
                        .take(may_run)
                        .map(|(place, what)| (Place { is_behind: true, ..place }, what));
                }
                None => break None,
            }
        };
        let (place, what) = next?;
        self.running += 1;
        self.running_behind += usize::from(place.is_behind);
        self.groups.entry(place.group).or_default().running += 1;
        if !place.organisation.is_empty() {
            self.organisations.entry(place.organisation.clone()).or_default().running += 1;
        }
        Some((place, what))
    }

    /// Takes the slot of an inquiry back. It keeps its place.
    pub(super) fn ended(&mut self, place: &Place, is_answered: bool) {
        self.running -= 1;
        self.running_behind -= usize::from(place.is_behind);
        if let Some(load) = self.groups.get_mut(&place.group) {
            load.running -= 1;
        }
        if let Some(load) = self.organisations.get_mut(&place.organisation) {
            load.running -= 1;
        }
        if is_answered {
            self.silence.answered(place.group, &place.organisation);
        } else {
            self.silence.remember(place.group, &place.organisation);
        }
    }

    /// Lets an inquiry rest before it is repeated, and returns the number of the rest; `None` if too
    /// many rest.
    pub(super) fn rest(&mut self, place: &Place) -> Option<u64> {
        if self.resting.len() >= share(self.places_max, RESTING_SHARE) {
            return None;
        }
        self.firsts -= usize::from(place.is_first);
        self.rests += 1;
        self.resting.insert(self.rests, Place { is_first: false, is_behind: false, ..place.clone() });
        Some(self.rests)
    }

    /// Lets an inquiry that rested wait for its turn again, unless it lost its place.
    pub(super) fn repeat(&mut self, rest: u64, what: T) {
        if let Some(place) = self.resting.remove(&rest) {
            self.line_up(place, what);
        }
    }

    /// Gives the place of an inquiry away.
    pub(super) fn leave(&mut self, place: &Place) {
        self.known.remove(&place.evidence);
        self.firsts -= usize::from(place.is_first);
        release(&mut self.groups, &place.group);
        release(&mut self.organisations, &place.organisation);
    }

    /// Whether silences begin to age: one is remembered, and [`Self::age_silence`] is not called yet.
    pub(super) fn begins_ageing(&mut self) -> bool {
        let begins = !self.is_ageing && !self.silence.is_empty();
        self.is_ageing |= begins;
        begins
    }

    /// Lets one generation of silences pass. Returns whether any is still remembered; if not, ageing
    /// ends.
    pub(super) fn age_silence(&mut self) -> bool {
        self.is_ageing = self.silence.age();
        self.is_ageing
    }

    /// The number of places that are free.
    pub(super) fn room(&self) -> usize {
        self.places_max.saturating_sub(self.known.len())
    }

    /// The numbers of inquiries by state.
    pub(super) fn counts(&self) -> ScheduleCounts {
        ScheduleCounts {
            waiting: self.waiting.len(),
            behind: self.behind.len(),
            running: self.running,
            resting: self.resting.len(),
            firsts: self.firsts,
        }
    }

    fn is_silent(&self, place: &Place) -> bool {
        self.silence.covers(place.group, &place.organisation)
    }

    fn load_of_group(&self, place: &Place) -> Load {
        self.groups.get(&place.group).copied().unwrap_or_default()
    }

    fn load_of_organisation(&self, place: &Place) -> Load {
        self.organisations.get(&place.organisation).copied().unwrap_or_default()
    }
}

/// A fraction of a limit, and at least one.
fn share(most: usize, fraction: usize) -> usize {
    (most / fraction).max(1)
}

fn running(load: Option<&Load>) -> usize {
    load.map_or(0, |load| load.running)
}

fn release<K: Eq + std::hash::Hash + std::borrow::Borrow<Q>, Q: Eq + std::hash::Hash + ?Sized>(
    loads: &mut HashMap<K, Load>,
    key: &Q,
) {
    if let Some(load) = loads.get_mut(key) {
        load.places -= 1;
        if load.places == 0 {
            loads.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::*;
    use crate::relay::Relay;

    const PLACES: usize = 1_000;
    const SLOTS: usize = 64;

    fn place(nth: u64, relay: u32, organisation: &str) -> Place {
        Place {
            evidence: Digest::of(&nth.to_be_bytes()),
            group: Prefix::host(Relay::new(std::net::Ipv4Addr::from(relay).into())),
            organisation: organisation.to_owned(),
            is_first: true,
            is_behind: false,
        }
    }

    /// A report of the simulation.
    struct SimulatedReport {
        /// In milliseconds from the beginning.
        came_at: u64,
        is_true: bool,
    }

    /// The result of a simulation.
    #[derive(Debug, PartialEq, Eq)]
    struct Waits {
        /// The longest wait of a true report of the first two minutes, in milliseconds.
        early: u64,
        /// The longest wait of a later true report, in milliseconds.
        late: u64,
        /// The number of true reports that got no place.
        no_place: usize,
    }

    /// Simulates eleven minutes: a starver with `groups` addresses sends 100 reports a second about
    /// domains whose servers never answer, each of the organisation that `organisation` says, and
    /// thirty true relays send a report every twenty seconds.
    fn starve(places: usize, groups: u32, organisation: impl Fn(u64) -> String) -> Waits {
        const STEP: usize = 10;
        const TIMEOUT: u64 = 4_000;
        const ANSWER: u64 = 50;
        let mut schedule: InquirySchedule<SimulatedReport> = InquirySchedule::new(places, SLOTS);
        let mut waits = Waits { early: 0, late: 0, no_place: 0 };
        let mut ends: BinaryHeap<Reverse<(u64, u64)>> = BinaryHeap::new();
        let mut runs: HashMap<u64, (Place, bool)> = HashMap::new();
        let mut nth = 0;
        for now in (0..660_000_u64).step_by(STEP) {
            let number = now / STEP as u64;
            let starver = 0x0900_0000 + u32::try_from(number % u64::from(groups)).unwrap();
            let mut reports = vec![(starver, organisation(number), false)];
            if now % 20_000 == 10 {
                reports.extend((0..30).map(|nth| (0x0808_0800 + nth, format!("true{nth}.example"), true)));
            }
            for (relay, of, is_true) in reports {
                nth += 1;
                let admission =
                    schedule.admit(place(nth, relay, &of), SimulatedReport { came_at: now, is_true });
                waits.no_place += usize::from(is_true && admission == Admission::Full);
            }
            while ends.peek().is_some_and(|Reverse((at, _))| *at <= now) {
                let Some(Reverse((_, id))) = ends.pop() else { break };
                let (place, is_true) = runs.remove(&id).unwrap();
                schedule.ended(&place, is_true);
                schedule.leave(&place);
            }
            if now % 300_000 == 0 {
                schedule.age_silence();
            }
            while let Some((place, report)) = schedule.next() {
                if report.is_true {
                    let wait = if report.came_at < 120_000 { &mut waits.early } else { &mut waits.late };
                    *wait = (*wait).max(now - report.came_at);
                }
                nth += 1;
                ends.push(Reverse((now + if report.is_true { ANSWER } else { TIMEOUT }, nth)));
                runs.insert(nth, (place, report.is_true));
            }
            assert!(schedule.running <= SLOTS && schedule.known.len() <= places);
        }
        waits
    }

    #[test]
    fn a_thousand_addresses_with_silent_domains_starve_no_true_report() {
        let Waits { early, late, no_place } = starve(10_000, 1_000, |nth| format!("silent{nth}.example"));
        assert_eq!(no_place, 0);
        assert!(early <= 63_000, "a round of turns takes 1000 x 4 s / 64 slots: {early} ms");
        assert!(late <= 4_000, "the starver stands behind: {late} ms");
    }

    #[test]
    fn neither_one_silent_organisation_nor_one_address_delays_the_others() {
        let at_once = Waits { early: 0, late: 0, no_place: 0 };
        assert_eq!(
            starve(PLACES, 1_000, |_| "silent.example".to_owned()),
            at_once,
            "it has an eighth of the slots"
        );
        assert_eq!(starve(PLACES, 1, |nth| format!("silent{nth}.example")), at_once);
    }

    #[test]
    fn one_group_and_one_organisation_have_a_share_of_the_slots_and_places() {
        let mut schedule: InquirySchedule<()> = InquirySchedule::new(PLACES, SLOTS);
        let admitted = |schedule: &mut InquirySchedule<()>, of: &dyn Fn(u64) -> Place| {
            (0..PLACES as u64).filter(|nth| schedule.admit(of(*nth), ()) == Admission::Taken).count()
        };
        assert_eq!(
            admitted(&mut schedule, &|nth| place(nth, 1, &format!("{nth}.example"))),
            PLACES / PLACES_SHARE
        );
        assert_eq!(std::iter::from_fn(|| schedule.next()).count(), SLOTS / SLOTS_SHARE);
        let of_one = |nth| place(10_000 + nth, 100 + nth as u32, "one.example");
        assert_eq!(admitted(&mut schedule, &of_one), PLACES / PLACES_SHARE);
        assert_eq!(std::iter::from_fn(|| schedule.next()).count(), SLOTS / SLOTS_SHARE);
        // Reports that name no domain have no organisation in common.
        let of_none = |nth| place(20_000 + nth, 2_000 + nth as u32, "");
        assert!(admitted(&mut schedule, &of_none) > PLACES / 2);
    }

    #[test]
    fn a_new_group_takes_the_place_of_a_silent_one_and_never_the_other_way_round() {
        let mut schedule: InquirySchedule<()> = InquirySchedule::new(16, 1);
        schedule.admit(place(0, 1, "silent.example"), ());
        let (first, ()) = schedule.next().unwrap();
        schedule.ended(&first, false);
        schedule.leave(&first);
        let silent = |nth: u64| place(nth, 100 + nth as u32, "");
        for nth in 1..=16 {
            schedule.silence.remember(silent(nth).group, "");
            assert_eq!(schedule.admit(silent(nth), ()), Admission::Taken);
        }
        assert_eq!((schedule.room(), schedule.counts().behind), (0, 16));
        for nth in 20..36 {
            assert_eq!(schedule.admit(place(nth, nth as u32, ""), ()), Admission::Displaced);
        }
        assert_eq!(schedule.admit(silent(16), ()), Admission::Full);
        assert_eq!(schedule.admit(place(50, 50, ""), ()), Admission::Full, "all groups are as good");
        assert_eq!(schedule.counts().firsts, 16);
    }

    #[test]
    fn silences_age_in_one_row_of_calls() {
        let mut schedule: InquirySchedule<()> = InquirySchedule::new(PLACES, SLOTS);
        assert!(!schedule.begins_ageing(), "nothing is remembered");
        let silent = place(1, 1, "silent.example");
        schedule.silence.remember(silent.group, &silent.organisation);
        assert!(schedule.begins_ageing() && !schedule.begins_ageing());
        schedule.silence.answered(silent.group, &silent.organisation);
        schedule.silence.remember(silent.group, &silent.organisation);
        assert!(!schedule.begins_ageing(), "the row goes on");
        assert!(schedule.age_silence() && !schedule.age_silence());
        schedule.silence.remember(silent.group, &silent.organisation);
        assert!(schedule.begins_ageing(), "the last row ended");
    }

    #[test]
    fn a_group_with_many_places_gives_way_to_a_new_one() {
        let mut schedule: InquirySchedule<()> = InquirySchedule::new(64, 1);
        for nth in 0..16 {
            for times in 0..3 {
                let one = place(100 * nth + times, nth as u32, "");
                assert_eq!(schedule.admit(one, ()), Admission::Taken, "three quarters of the places");
            }
        }
        assert_eq!(schedule.admit(place(7_000, 1, ""), ()), Admission::Full);
        for nth in 200..216 {
            assert_eq!(schedule.admit(place(nth * 100, nth as u32, ""), ()), Admission::Taken);
        }
        for nth in 300..332 {
            assert_eq!(schedule.admit(place(nth * 100, nth as u32, ""), ()), Admission::Displaced, "{nth}");
        }
        assert!(schedule.groups.values().all(|load| load.places == 1), "every group has one place");
        assert_eq!(schedule.admit(place(50_000, 500, ""), ()), Admission::Full);
    }

    #[test]
    fn an_inquiry_that_rests_gives_way_to_a_new_group() {
        let mut schedule: InquirySchedule<()> = InquirySchedule::new(2, 2);
        let mut rests = Vec::new();
        for nth in 1..=2 {
            assert_eq!(schedule.admit(place(nth, nth as u32, ""), ()), Admission::Taken);
            let (first, ()) = schedule.next().unwrap();
            schedule.ended(&first, false);
            rests.push(schedule.rest(&first));
        }
        assert_eq!(rests, [Some(1), None], "half of the places");
        assert_eq!(schedule.admit(place(3, 3, ""), ()), Admission::Displaced);
        schedule.repeat(1, ());
        assert_eq!((schedule.counts().behind, schedule.counts().waiting), (0, 1), "it lost its place");
    }

    #[test]
    fn a_place_is_kept_until_the_inquiry_leaves() {
        let mut schedule: InquirySchedule<()> = InquirySchedule::new(PLACES, SLOTS);
        assert_eq!(schedule.admit(place(1, 1, "one.example"), ()), Admission::Taken);
        assert_eq!(schedule.admit(place(1, 1, "one.example"), ()), Admission::Known);
        let (first, ()) = schedule.next().unwrap();
        schedule.ended(&first, false);
        let rest = schedule.rest(&first).unwrap();
        assert_eq!(
            schedule.counts(),
            ScheduleCounts { waiting: 0, behind: 0, running: 0, resting: 1, firsts: 0 }
        );
        assert_eq!(schedule.admit(place(1, 1, "one.example"), ()), Admission::Known, "while it rests");
        schedule.repeat(rest, ());
        assert_eq!(schedule.counts().behind, 1, "its servers were silent");
        let (again, ()) = schedule.next().unwrap();
        schedule.ended(&again, true);
        assert_eq!(schedule.room(), PLACES - 1);
        schedule.leave(&again);
        assert_eq!(schedule.room(), PLACES);
        assert!(
            schedule.groups.is_empty() && schedule.organisations.is_empty() && schedule.silence.is_empty()
        );
    }
}
