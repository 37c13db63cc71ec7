//! Decisions about zones: their adoption, withdrawal and shutdown.

use std::sync::Arc;

use crate::blocklist::Blocklist;
use crate::blocklist::changes::{EntryContext, ListChange, RecordChange};
use crate::blocklist::judging::GuardCheck;
use crate::blocklist::publication_queue::PublicationQueue;
use crate::blocklist::published::DerivedZone;
use crate::blocklist::state::ZoneState;
use crate::listing::{CodeBasis, ListingEnd};
use crate::relay::Prefix;
use crate::zone;

impl Blocklist {
    /// Publishes a zone by its file, or replaces the file of a published zone.
    pub(super) fn adopt(&mut self, origin: &str, text: &str, turn: &mut EntryContext<'_>) {
        let Ok(config) = zone::read(origin, text) else {
            return turn.ignore("this program cannot read the zone's file");
        };
        if config.apex.origin.to_string() != origin {
            return turn.ignore("the zone's file has another origin");
        }
        let now = self.state.time;
        // Secondaries remember the serial of a zone that was withdrawn, so it counts too.
        let serial = self.state.zones.get(origin).map(|state| state.serial);
        let state = self.state.zones.entry(origin.to_owned()).or_insert_with(|| ZoneState {
            publication: PublicationQueue::since(now),
            ..ZoneState::default()
        });
        state.publication.rest_until(now);
        text.clone_into(&mut state.text);
        state.published = true;
        // Listings end if the code no longer exists or the address may no longer be listed. The
        // records are kept, so that evidence before their floor does not count again.
        let lost: Vec<(Prefix, u8)> = state
            .records
            .keys()
            .filter(|(prefix, code)| {
                let judged = config.codes.iter().any(|of| of.value == *code && is_judged(&of.basis));
                !judged || config.listable.permits(prefix.network()).is_err()
            })
            .copied()
            .collect();
        turn.changes.relays.extend(state.records.keys().map(|(prefix, _)| *prefix));
        // Cases wait for an answer under the codes of the new file only.
        turn.changes.relays.extend(state.unverified.keys().map(|(prefix, _)| *prefix));
        state.unverified.retain(|(_, code), _| config.quorum(*code).is_some());
        let waiting: Vec<(Prefix, u8)> = state.unverified.keys().copied().collect();
        let digest = config.digest.to_string();
        let derived = DerivedZone::of(state, Arc::new(config));
        state.serial = derived.serial_after(serial);
        self.zones.insert(origin.to_owned(), derived);
        for (prefix, code) in lost {
            self.change_record(origin, prefix, code, turn, |record| {
                record.end(now, ListingEnd::Withdrawn).map(|_| RecordChange::Ended(ListingEnd::Withdrawn))
            });
        }
        // The new policy may need no answer, or fewer.
        for (prefix, code) in waiting {
            self.judge_code(origin, prefix, code, GuardCheck::Guarded, turn);
        }
        self.publish_again(origin);
        // The serial of the adopted file stands for all changes of this entry.
        if let Some(derived) = self.zones.get_mut(origin) {
            derived.is_changed = false;
        }
        self.note(turn, "adopt-zone", origin, digest);
        turn.change(ListChange::Zone { origin: origin.to_owned() });
    }

    /// Stops publishing a zone and ends its listings. Its records are kept.
    pub(super) fn withdraw(&mut self, origin: &str, turn: &mut EntryContext<'_>) {
        let now = self.state.time;
        let Some(state) = self.state.zones.get(origin).filter(|state| state.published) else {
            return turn.ignore("no such zone is published");
        };
        let listed: Vec<(Prefix, u8)> = state.records.keys().copied().collect();
        for (prefix, code) in listed {
            self.change_record(origin, prefix, code, turn, |record| {
                record.end(now, ListingEnd::Withdrawn).map(|_| RecordChange::Ended(ListingEnd::Withdrawn))
            });
        }
        if let Some(state) = self.state.zones.get_mut(origin) {
            state.published = false;
            turn.changes.relays.extend(state.guard.held.drop_if(|_| true));
            let waiting = std::mem::take(&mut state.unverified);
            turn.changes.relays.extend(waiting.into_keys().map(|(prefix, _)| prefix));
        }
        self.zones.remove(origin);
        self.note(turn, "withdraw-zone", origin, String::new());
        turn.change(ListChange::Zone { origin: origin.to_owned() });
    }

    /// Shuts a zone down, or reopens it.
    pub(super) fn set_shut_down(&mut self, origin: &str, shut_down: bool, turn: &mut EntryContext<'_>) {
        match self.state.zones.get_mut(origin).filter(|zone| zone.published) {
            Some(zone) if zone.shut_down != shut_down => {
                zone.shut_down = shut_down;
                if let Some(derived) = self.zones.get_mut(origin) {
                    derived.is_changed = true;
                }
                self.note(turn, if shut_down { "shut-down" } else { "reopen" }, origin, String::new());
                turn.change(ListChange::Zone { origin: origin.to_owned() });
            }
            Some(_) => turn.ignore("the zone is already in that state"),
            None => turn.ignore("no such zone is published"),
        }
    }
}

/// Whether a code is judged by evidence.
fn is_judged(basis: &CodeBasis) -> bool {
    matches!(basis, CodeBasis::Kinds { .. })
}
