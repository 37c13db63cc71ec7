//! How long a listing lasts: the `[listing]` of a zone's file.

use serde::{Deserialize, Serialize};

use super::{Ending, Past};
use crate::complaint::Complaints;
use crate::time::{Span, Timestamp};

/// No listing lasts longer without new evidence, whatever a file says.
const DURATION_MAX: Span = Span::from_days(28);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsSpec {
    /// The first time, the second time, and so on; the last one for every further time.
    pub durations: Vec<Span>,
    /// How far back earlier listings count.
    pub repeat_window: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub durations: Vec<Span>,
    pub repeat_window: Span,
}

impl TermsSpec {
    pub fn check(&self, complaints: &mut Complaints) -> Terms {
        let sound = !self.durations.is_empty()
            && self.durations.is_sorted()
            && self.durations.iter().all(|&d| d > Span::ZERO && d <= DURATION_MAX);
        complaints.require(
            sound,
            "listing.durations",
            "not a rising row of spans, none of them longer than 28d",
            "write for instance [\"3d\", \"7d\", \"14d\", \"28d\"]",
        );
        Terms { durations: self.durations.clone(), repeat_window: self.repeat_window }
    }
}

impl Terms {
    /// The time a listing that starts now lasts: by how often there was one within the window, doubled if the last
    /// one ended by removal, and never above the longest.
    pub fn duration(&self, past: &[Past], now: Timestamp) -> Span {
        let oldest = now.minus(self.repeat_window);
        let times = self.repeats(past, now) as usize;
        let longest = self.durations.last().copied().unwrap_or(DURATION_MAX);
        let span = self.durations.get(times).copied().unwrap_or(longest);
        let removed = past.last().is_some_and(|last| last.how == Ending::Removed && last.ended >= oldest);
        if removed { span.doubled().min(longest) } else { span }
    }

    /// How many listings began within the window that were not taken back: who was exempted, or whose zone changed, is no
    /// repeater for it.
    pub fn repeats(&self, past: &[Past], now: Timestamp) -> u32 {
        let oldest = now.minus(self.repeat_window);
        let counts =
            |past: &&Past| past.since >= oldest && matches!(past.how, Ending::Expired | Ending::Removed);
        u32::try_from(past.iter().filter(counts).count()).unwrap_or(u32::MAX)
    }
}
