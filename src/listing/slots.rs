//! Slots: the times at which what was decided becomes public.

use crate::complaint::Complaints;
use crate::time::{Span, Timestamp};

/// The longest time between two slots. A relay that is not listed yet goes on sending backscatter.
const EVERY_MAX: Span = Span::from_days(1);

/// The slots of a zone: the multiples of a length of time, counted from 1970-01-01T00:00:00Z.
///
/// The owner of a relay who sees the moment of a listing learns which report completed the case, and
/// so which of many addresses is a trap. At a slot he learns only that it was one of all the reports
/// since the last slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicationSlots {
    every: Span,
}

impl PublicationSlots {
    /// Slots at the multiples of `every`. Zero stands for publication without slots. Problems are
    /// added to `complaints`.
    pub fn check(every: Span, complaints: &mut Complaints) -> Self {
        let day = Span::from_days(1).milliseconds();
        let sound = every == Span::ZERO
            || (every >= Span::from_seconds(1) && every <= EVERY_MAX && day % every.milliseconds() == 0);
        complaints.require(
            sound,
            "publish_every",
            format!("{every} is not a part of a day"),
            "write a time that divides a day, from \"1s\" to \"24h\", such as \"15m\"; only a laboratory writes \"0s\", for \
             no slots",
        );
        PublicationSlots { every: if sound { every } else { Span::ZERO } }
    }

    /// No slots: what is decided is published at once.
    pub const fn none() -> Self {
        PublicationSlots { every: Span::ZERO }
    }

    /// The time between two slots; zero if what is decided is published at once.
    pub const fn every(self) -> Span {
        self.every
    }

    /// Whether what is decided is published at once.
    pub fn is_immediate(self) -> bool {
        self.every == Span::ZERO
    }

    /// The last slot at or before a time; without slots, the time itself.
    pub fn last(self, at: Timestamp) -> Timestamp {
        match self.every.milliseconds() {
            0 => at,
            every => Timestamp::from_milliseconds(at.milliseconds().div_euclid(every) * every),
        }
    }

    /// The first slot at or after a time; without slots, the time itself.
    pub fn first(self, at: Timestamp) -> Timestamp {
        let last = self.last(at);
        if last == at { at } else { last.plus(self.every) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(every: &str) -> Result<PublicationSlots, String> {
        let mut complaints = Complaints::about("zone");
        let slots = PublicationSlots::check(every.parse().unwrap(), &mut complaints);
        complaints.or(slots).map_err(|complaints| complaints[0].to_string())
    }

    #[test]
    fn slots_are_multiples_of_their_length_and_none_is_every_time() {
        let at: Timestamp = "2026-11-23T12:07:30Z".parse().unwrap();
        let quarter = slots("15m").unwrap();
        assert_eq!(quarter.last(at).to_string(), "2026-11-23T12:00:00Z");
        assert_eq!(quarter.first(at).to_string(), "2026-11-23T12:15:00Z");
        assert_eq!(quarter.first(quarter.first(at)), quarter.first(at));
        let none = slots("0s").unwrap();
        assert!(none.is_immediate());
        assert_eq!((none.last(at), none.first(at)), (at, at));
    }

    #[test]
    fn slots_that_do_not_divide_a_day_are_refused() {
        for wrong in ["7m", "25h", "2d", "10ms"] {
            assert!(slots(wrong).unwrap_err().contains("publish_every"), "{wrong}");
        }
    }
}
