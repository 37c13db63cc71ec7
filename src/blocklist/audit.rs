//! What changed, who changed it, why, and on what grounds (RFC 6471 §2.1.2): a chain in which nothing can be altered or
//! left out without showing.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Digester};
use crate::evidence::Offset;
use crate::time::Timestamp;

/// Who acts where no directive does.
pub(super) const FOLD: &str = "policy";

/// One change. The same journal makes the same records, octet for octet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Counts from one.
    pub number: u64,
    /// The entry that brought it about.
    pub entry: Offset,
    /// The fold's time.
    pub at: Timestamp,
    /// Who gave the directive, or `policy`.
    pub by: String,
    pub why: String,
    /// listed, extended, expired, removed, ..., or the name of the directive.
    pub act: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// An address or a network; never a trap.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The digest of the zone's file by which it was judged.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub policy: String,
    /// The entries that hold the evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Offset>,
    /// The digest of the record before.
    pub previous: String,
    /// Over all of the above and the record before.
    pub digest: String,
}

/// Where the chain stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct AuditHead {
    #[n(0)]
    pub number: u64,
    #[n(1)]
    pub digest: Option<Digest>,
}

impl AuditHead {
    /// Fills in number and digests of the next record.
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
    /// What `digest` must be: BLAKE3, 16 octets, over each of the other fields in the order above as text, each behind its
    /// length in eight octets, big end first; what is not there is of length zero, entries are joined by commas.
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

    /// Whether the record is whole, and follows the one before.
    pub fn follows(&self, before: Option<&AuditRecord>) -> bool {
        let linked = before.is_none_or(|before| {
            self.previous == before.digest && Some(self.number) == before.number.checked_add(1)
        });
        linked && self.digest == self.computed().to_string()
    }
}
