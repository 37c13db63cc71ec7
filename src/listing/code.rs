//! Return codes: the `[[codes]]` of a zone's file.

use serde::{Deserialize, Serialize};

use super::{Criterion, Listing};
use crate::classify::Kind;
use crate::complaint::Complaints;
use crate::score::{Policy, Quorum, QuorumSpec};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeSpec {
    /// A power of two from 2 to 64: the bit in the last octet of 127.0.0.x.
    pub value: u8,
    pub name: String,
    pub meaning: String,
    /// Whether the main zone returns it; the sublists that do name it themselves.
    pub main: bool,
    /// The kinds of evidence that earn it.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Instead of kinds: shown beside the other codes of a relay that was listed this often within the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_times: Option<usize>,
    /// Instead of kinds: shown beside the other codes of a relay of whose reports so large a share, in thousandths, was
    /// about mail that the trap's domain had forbidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forbidden_thousandths: Option<u16>,
    /// Instead of the policy's, where its kinds can't show all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<QuorumSpec>,
}

/// One bit of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    pub value: u8,
    pub name: String,
    pub meaning: String,
    pub main: bool,
    pub basis: Basis,
}

/// What earns a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// A case made of evidence of these kinds.
    Kinds { kinds: Vec<Kind>, quorum: Quorum },
    /// Having been listed that often, under another code that is current.
    Repeated { times: usize },
    /// Returning mail that the trap's domain had forbidden, under another code that is current.
    Forbidden { thousandths: u16 },
}

impl Basis {
    /// What is judged by a code with this basis, if reports of that kind are.
    pub fn judges(&self, kind: Kind) -> Option<&Quorum> {
        match self {
            Basis::Kinds { kinds, quorum } if kinds.contains(&kind) => Some(quorum),
            _ => None,
        }
    }

    /// Whether a listing under another code earns this one as well.
    pub fn goes_with(&self, listing: &Listing) -> bool {
        match self {
            Basis::Kinds { .. } => false,
            Basis::Repeated { times } => listing.times as usize >= *times,
            Basis::Forbidden { thousandths } => {
                listing.grounds.criterion == Criterion::Case
                    && listing.grounds.forbidden_thousandths >= *thousandths
            }
        }
    }
}

impl CodeSpec {
    pub fn check(&self, key: &str, policy: &Policy, complaints: &mut Complaints) -> Option<Code> {
        complaints.require(
            self.value.is_power_of_two() && (2..=64).contains(&self.value),
            &format!("{key}.value"),
            format!("{} is not one of 2, 4, 8, 16, 32, 64", self.value),
            "each code is one bit of 127.0.0.x; 127.0.0.1 must never be returned (RFC 5782 §5)",
        );
        let mut kinds = Vec::new();
        for name in &self.kinds {
            match name.parse() {
                Ok(kind) => {
                    complaints.require(
                        policy.weights.has(kind),
                        &format!("{key}.kinds"),
                        format!("{kind} weighs nothing by policy.weights.kinds"),
                        "give it a weight there, or remove it here",
                    );
                    kinds.push(kind);
                }
                Err(problem) => complaints.add(&format!("{key}.kinds"), problem, "correct the name"),
            }
        }
        let basis = match (kinds.is_empty(), self.listed_times, self.forbidden_thousandths) {
            (false, None, None) => {
                let quorum = self.quorum.as_ref().map(|own| own.check(&format!("{key}.quorum"), complaints));
                Basis::Kinds { kinds, quorum: quorum.unwrap_or_else(|| policy.quorum.clone()) }
            }
            (true, Some(times), None) if times >= 2 => Basis::Repeated { times },
            (true, None, Some(thousandths)) if (1..=1_000).contains(&thousandths) => {
                Basis::Forbidden { thousandths }
            }
            _ => {
                complaints.add(
                    key,
                    "not earned by exactly one of kinds, repetition or forbidden mail",
                    "write one of kinds = [...], listed_times = 2 or more, forbidden_thousandths = 1 to 1000",
                );
                return None;
            }
        };
        Some(Code {
            value: self.value,
            name: self.name.clone(),
            meaning: self.meaning.clone(),
            main: self.main,
            basis,
        })
    }
}
