//! The messages that donors hand on although their recipients are no traps of theirs.
//!
//! A donor could try out which addresses are traps of others. The answer tells nothing of others,
//! but each such message costs a daily budget, and the operator is told.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::time::{Day, Timestamp};
use crate::trap::{DONORS_MAX, Donor};

/// Maximum number of messages to wrong recipients that a donor may hand on in a day (UTC) before
/// they are refused as too many.
pub const WRONG_RECIPIENTS_PER_DAY_MAX: u32 = 100;

/// How many messages to wrong recipients each donor has handed on, with the day of the count. Counts
/// of earlier days are dropped when there are as many as donors.
#[derive(Debug, Default)]
pub struct WrongRecipients(Mutex<BTreeMap<Donor, (Day, u32)>>);

impl WrongRecipients {
    /// Counts a message that a donor handed on to a wrong recipient, and tells the operator once a
    /// day for each donor. Returns whether the message is within the daily budget of
    /// [`WRONG_RECIPIENTS_PER_DAY_MAX`].
    pub(super) fn is_within_budget(&self, donor: &Donor, at: Timestamp) -> bool {
        let number = self.count(donor, at.day());
        if number == 1 {
            tracing::warn!(%donor, "the donor hands on messages whose recipients are not traps of the donor");
        }
        if number == WRONG_RECIPIENTS_PER_DAY_MAX + 1 {
            tracing::warn!(%donor, "the donor's daily budget of messages to wrong recipients is used up");
        }
        number <= WRONG_RECIPIENTS_PER_DAY_MAX
    }

    /// Counts one message and returns the number of this day.
    fn count(&self, donor: &Donor, day: Day) -> u32 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= DONORS_MAX {
            counts.retain(|_, (counted, _)| *counted == day);
        }
        let known = counts.entry(donor.clone()).or_insert((day, 0));
        let number = if known.0 == day { known.1.saturating_add(1) } else { 1 };
        *known = (day, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    #[test]
    fn each_donor_has_its_own_count_and_a_new_one_every_day() {
        let wrong = WrongRecipients::default();
        let (one, other) = (Donor::parse("one").unwrap(), Donor::parse("other").unwrap());
        let today = Timestamp::default();
        let tomorrow = today.plus(Span::from_days(1));
        let count = |donor, at: Timestamp| wrong.count(donor, at.day());
        assert_eq!([count(&one, today), count(&one, today), count(&other, today)], [1, 2, 1]);
        assert_eq!([count(&one, tomorrow), count(&one, tomorrow)], [1, 2]);
    }
}
