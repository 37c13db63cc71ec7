//! Audit records: each change of the list, with its cause and grounds (RFC 6471 §2.1.2). Each
//! record contains the digest of the previous one, so that a changed or missing record is detected.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Digester};
use crate::evidence::Offset;
use crate::time::Timestamp;

/// The name in [`AuditRecord::by`] if the change is not the effect of a directive.
pub(super) const FOLD: &str = "policy";

/// One change of the list. The same journal produces the same records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// The number of the record. The first record has number one.
    pub number: u64,
    /// The journal entry that caused the change.
    pub entry: Offset,
    /// The fold's time.
    pub at: Timestamp,
    /// The name of the operator or donor that gave the directive, or `policy`.
    pub by: String,
    /// The reason.
    pub why: String,
    /// The act: `listed`, `extended`, `expired`, `removed` and so on, or the name of the directive.
    pub act: String,
    /// The zone's origin; empty if the change does not concern one zone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// The subject of the change, such as an address, a network or a donor. It never names a trap.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The code of the listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u8>,
    /// When the listing ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The digest of the zone's file whose policy was applied.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub policy: String,
    /// The entries that contain the evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Offset>,
    /// The digest of the previous record; empty in the first one.
    pub previous: String,
    /// The digest of this record. See [`AuditRecord::computed`].
    pub digest: String,
}

/// The end of the audit chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct AuditHead {
    /// The number of the last record; zero if there is none.
    #[n(0)]
    pub number: u64,
    /// The digest of the last record.
    #[n(1)]
    pub digest: Option<Digest>,
}

impl AuditHead {
    /// Sets the number and the digests of the next record, and makes it the end of the chain.
    pub(super) fn link(&mut self, mut record: AuditRecord) -> AuditRecord {
        record.number = self.number + 1;
        record.previous = self.digest.map_or_else(String::new, |digest| digest.to_string());
        let digest = record.computed();
        record.digest = digest.to_string();
        *self = AuditHead { number: record.number, digest: Some(digest) };
        record
    }
}

impl AuditRecord {
    /// Computes the value that `digest` must have: the first 16 octets of BLAKE3 over all other
    /// fields as text, in the order of the struct. Each field is preceded by its length in eight
    /// octets, in network byte order. A missing field has length zero. The entries are joined by
    /// commas.
    pub fn computed(&self) -> Digest {
        let code = self.code.map_or_else(String::new, |code| code.to_string());
        let until = self.until.map_or_else(String::new, |until| until.to_string());
        let evidence: Vec<String> = self.evidence.iter().map(Offset::to_string).collect();
        let mut digester = Digester::default();
        for field in [
            &self.number.to_string(),
            &self.entry.to_string(),
            &self.at.to_string(),
            &self.by,
            &self.why,
            &self.act,
            &self.zone,
            &self.about,
            &code,
            &until,
            &self.policy,
            &evidence.join(","),
            &self.previous,
        ] {
            digester.add(field.as_bytes());
        }
        digester.digest()
    }

    /// Whether the digest is correct and the record follows `before`.
    pub fn follows(&self, before: Option<&AuditRecord>) -> bool {
        let linked = before.is_none_or(|before| {
            self.previous == before.digest && Some(self.number) == before.number.checked_add(1)
        });
        linked && self.digest == self.computed().to_string()
    }
}
