//! Folding a journal again, to check the list or to make it anew: two replays of one journal agree.

use crate::blocklist::Blocklist;
use crate::digest::Digest;
use crate::evidence::Offset;
use crate::journal::Journal;
use crate::publish::{PublishError, catch_up, restore};
use crate::time::Timestamp;
use crate::zone::Snapshot;

/// One zone's name, serial and digest. Two replays of the same journal give the same values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneDigest {
    /// The zone's name.
    pub origin: String,
    /// The zone's serial (RFC 1035 §3.3.13).
    pub serial: u32,
    /// Number of entries in the zone.
    pub entries: usize,
    /// The digest of the zone's content.
    pub digest: Digest,
}

/// Where a replay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayStart {
    /// At the journal's first entry; at the checkpoint if the first entries were dropped.
    FirstEntry,
    /// At the checkpoint.
    Checkpoint,
}

/// The result of folding a journal again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The first entry that was folded; `None` where the checkpoint already included them all.
    pub first: Option<Offset>,
    /// The last entry of the journal.
    pub last: Offset,
    /// The fold's time after the last entry.
    pub time: Timestamp,
    /// The zones.
    pub zones: Vec<ZoneDigest>,
    /// The digest of the whole state. Equal digests mean equal states.
    pub state: Digest,
}

/// Folds a journal again up to its end. Nothing is changed.
///
/// # Errors
/// When the journal can't be read, or needs a checkpoint and has no usable one.
pub fn replay(journal: &dyn Journal, beginning: ReplayStart) -> Result<Replay, PublishError> {
    let whole = beginning == ReplayStart::FirstEntry && journal.beginning()? == Offset::START;
    let mut blocklist = if whole { Blocklist::new() } else { restore(journal)? };
    let mut first = None;
    catch_up(&mut blocklist, journal, |blocklist, _, _| {
        first.get_or_insert(blocklist.offset());
    })?;
    Ok(Replay {
        first,
        last: blocklist.offset(),
        time: blocklist.time(),
        zones: zone_digests(&blocklist.snapshot()),
        state: Digest::of(&blocklist.to_checkpoint()),
    })
}

/// The digest of each zone of a snapshot.
pub fn zone_digests(snapshot: &Snapshot) -> Vec<ZoneDigest> {
    let of = |zone: &crate::zone::JudgedZone| ZoneDigest {
        origin: zone.config.apex.origin.to_string(),
        serial: zone.serial,
        entries: zone.entries.len(),
        digest: zone.digest(),
    };
    snapshot.zones().iter().map(of).collect()
}

impl std::fmt::Display for ReplayStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ReplayStart::FirstEntry => "first-entry",
            ReplayStart::Checkpoint => "checkpoint",
        })
    }
}

impl std::str::FromStr for ReplayStart {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [ReplayStart::FirstEntry, ReplayStart::Checkpoint];
        known
            .into_iter()
            .find(|beginning| beginning.to_string() == text)
            .ok_or_else(|| format!("{text:?} is not the start of a replay; write first-entry or checkpoint"))
    }
}

impl std::fmt::Display for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.first {
            Some(first) => writeln!(f, "entries {first} to {}, time {}", self.last, self.time)?,
            None => writeln!(f, "no entries after {}, time {}", self.last, self.time)?,
        }
        for zone in &self.zones {
            let ZoneDigest { origin, serial, entries, digest } = zone;
            writeln!(f, "{origin} serial {serial} entries {entries} digest {digest}")?;
        }
        writeln!(f, "state digest {}", self.state)
    }
}
