//! What readers see of the fold: the snapshot behind one pointer, the mirror of relays, the traps,
//! the donors, and how far the fold has come.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use tokio::sync::watch;

use crate::blocklist::{
    Blocklist, Donors, ListChange, ListChanges, ListStatus, PublicRelay, RelayRecord, VerificationQuestion,
};
use crate::evidence::Offset;
use crate::relay::{Prefix, Relay};
use crate::trap::KnownTraps;
use crate::zone::{JudgedZone, Snapshot};

/// Maximum wait for an entry to take effect. The fold may be busy with a large state, or may have
/// failed.
const REACH_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum number of ineffective directives whose reasons are remembered for their senders.
const REFUSALS_MAX: usize = 1_024;

/// The results of the fold, for readers.
pub struct Published {
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) traps: Arc<ArcSwap<KnownTraps>>,
    pub(super) donors: Arc<ArcSwap<Donors>>,
    mirror: DashMap<Prefix, Arc<RelayRecord>>,
    /// The questions that are to be put to relays' sides.
    questions: DashMap<Prefix, Vec<VerificationQuestion>>,
    /// The relays whose questions changed since somebody looked.
    changed: Mutex<BTreeSet<Prefix>>,
    pub(super) standing: ArcSwap<ListStatus>,
    pub(super) applied: watch::Sender<Offset>,
    /// Directives that had no effect, with the reason.
    refusals: DashMap<Offset, &'static str>,
}

impl Published {
    pub(super) fn of(blocklist: &Blocklist) -> Self {
        let published = Published {
            snapshot: Arc::new(ArcSwap::from_pointee(blocklist.snapshot())),
            traps: Arc::new(ArcSwap::from_pointee(blocklist.known_traps())),
            donors: Arc::new(ArcSwap::from_pointee(blocklist.donors())),
            mirror: DashMap::new(),
            questions: DashMap::new(),
            changed: Mutex::default(),
            standing: ArcSwap::from_pointee(blocklist.status()),
            applied: watch::Sender::new(blocklist.offset()),
            refusals: DashMap::new(),
        };
        for prefix in blocklist.relays() {
            published.mirror_relay(blocklist, prefix);
        }
        published
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The pointer that always leads to the newest snapshot.
    pub fn snapshots(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.snapshot)
    }

    /// The newest traps.
    pub fn traps(&self) -> Arc<KnownTraps> {
        self.traps.load_full()
    }

    /// The pointer that always leads to the newest traps.
    pub fn known_traps(&self) -> Arc<ArcSwap<KnownTraps>> {
        Arc::clone(&self.traps)
    }

    /// The newest donors.
    pub fn donors(&self) -> Arc<Donors> {
        self.donors.load_full()
    }

    /// The pointer that always leads to the newest donors.
    pub fn known_donors(&self) -> Arc<ArcSwap<Donors>> {
        Arc::clone(&self.donors)
    }

    /// The state of the list as a whole: freeze, held listings, exemptions, notes, end of the audit
    /// record.
    pub fn standing(&self) -> Arc<ListStatus> {
        self.standing.load_full()
    }

    /// Why a directive had no effect, if it had none. About the last 1024 reasons are remembered.
    pub fn refusal(&self, offset: Offset) -> Option<&'static str> {
        self.refusals.get(&offset).map(|why| *why)
    }

    pub(super) fn refuse(&self, offset: Offset, changes: &ListChanges) {
        let why = changes.list.iter().find_map(|change| match change {
            ListChange::Ignored { why } => Some(*why),
            _ => None,
        });
        if let Some(why) = why {
            if self.refusals.len() >= REFUSALS_MAX {
                self.refusals.clear();
            }
            self.refusals.insert(offset, why);
        }
    }

    /// The record of a relay, for the operator. For an IPv6 relay it includes what was decided about the network
    /// around the relay.
    pub fn relay(&self, relay: Relay) -> Option<Arc<RelayRecord>> {
        let of = |prefix| self.mirror.get(&prefix).map(|record| Arc::clone(&record));
        let around = relay.address().is_ipv6().then(|| of(relay.line())).flatten();
        match (of(Prefix::host(relay)), around) {
            (Some(host), Some(around)) => {
                // Decisions about the surrounding network apply to the relay as well.
                let mut both = (*host).clone();
                for (key, record) in &around.records {
                    both.records.entry(key.clone()).or_insert_with(|| record.clone());
                }
                Some(Arc::new(both))
            }
            (host, around) => host.or(around),
        }
    }

    /// What the public may know of a relay. Pages and the API for everyone use nothing else.
    pub fn public_relay(&self, relay: Relay) -> PublicRelay {
        let mut public = self.relay(relay).map(|record| record.public(relay)).unwrap_or_default();
        // A zone that was shut down lists nothing.
        let (snapshot, closed) = (self.snapshot(), |zone: &&JudgedZone| zone.shut_down);
        for zone in snapshot.zones().iter().filter(closed) {
            let origin = zone.config.apex.origin.to_string();
            public.listings.retain(|(of, _), _| **of != *origin);
        }
        public
    }

    /// Shows every relay's record, in no order. The fold's thread waits while one part of the
    /// records is shown.
    pub fn for_each_relay(&self, mut show: impl FnMut(Prefix, &RelayRecord)) {
        for record in &self.mirror {
            show(*record.key(), &record);
        }
    }

    /// The offset of the last entry that took effect.
    pub fn applied(&self) -> Offset {
        *self.applied.borrow()
    }

    /// Waits until an entry has taken effect; `false` if it has not within `REACH_TIMEOUT`.
    pub async fn reached(&self, offset: Offset) -> bool {
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|&applied| applied >= offset);
        tokio::time::timeout(REACH_TIMEOUT, reached).await.is_ok_and(|reached| reached.is_ok())
    }

    /// The relays whose questions to their sides changed since the last call, with all questions about each
    /// of them. The first call names every relay with a question. There is one caller.
    pub fn changed_questions(&self) -> Vec<(Prefix, Vec<VerificationQuestion>)> {
        let changed = std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner));
        let now = |prefix| self.questions.get(&prefix).map(|questions| questions.clone()).unwrap_or_default();
        changed.into_iter().map(|prefix| (prefix, now(prefix))).collect()
    }

    /// Whether a relay's side was not asked yet although there is a question for it.
    pub fn has_new_question(&self) -> bool {
        self.questions.iter().any(|questions| questions.iter().any(|question| question.asked.is_none()))
    }

    pub(super) fn mirror_relay(&self, blocklist: &Blocklist, prefix: Prefix) {
        self.ask(prefix, blocklist.questions(prefix));
        match blocklist.relay_record(prefix) {
            Some(record) => {
                self.mirror.insert(prefix, Arc::new(record));
            }
            None => {
                self.mirror.remove(&prefix);
            }
        }
    }

    /// Replaces the questions to a relay's side.
    fn ask(&self, prefix: Prefix, questions: Vec<VerificationQuestion>) {
        let known = self.questions.get(&prefix).map(|known| known.clone()).unwrap_or_default();
        if known == questions {
            return;
        }
        if questions.is_empty() {
            self.questions.remove(&prefix);
        } else {
            self.questions.insert(prefix, questions);
        }
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(prefix);
    }
}
