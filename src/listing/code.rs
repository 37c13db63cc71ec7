//! Return codes: the `[[codes]]` tables of a zone's file.

use serde::{Deserialize, Serialize};

use super::{Criterion, Listing};
use crate::classify::Kind;
use crate::complaint::Complaints;
use crate::score::{Policy, Quorum};

/// A `[[codes]]` table as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReturnCodeSpec {
    /// A power of two from 2 to 64: the bit in the last octet of 127.0.0.x.
    pub value: u8,
    /// The name of the code.
    pub name: String,
    /// The meaning of the code, for people.
    pub meaning: String,
    /// Whether the main zone returns the code. A sublist names its codes itself.
    pub main: bool,
    /// The kinds of report that count for this code.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Instead of kinds: the number of listings within the repeat window from which on the code is
    /// returned with the relay's other codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_times: Option<usize>,
    /// Instead of kinds: the share of reports, in thousandths, about mail that the SPF or DMARC
    /// record of the trap's domain forbade, from which on the code is returned with the relay's
    /// other codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forbidden_thousandths: Option<u16>,
    /// Replaces the policy's quorum, if the code's kinds cannot satisfy it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<Quorum>,
}

/// A checked [`ReturnCodeSpec`]: one bit of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnCode {
    /// See [`ReturnCodeSpec::value`].
    pub value: u8,
    /// See [`ReturnCodeSpec::name`].
    pub name: String,
    /// See [`ReturnCodeSpec::meaning`].
    pub meaning: String,
    /// See [`ReturnCodeSpec::main`].
    pub main: bool,
    /// When a relay gets the code.
    pub basis: CodeBasis,
}

/// When a relay gets a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeBasis {
    /// A case of reports of certain kinds satisfies a quorum.
    Kinds {
        /// The kinds of report that count.
        kinds: Vec<Kind>,
        /// The quorum.
        quorum: Quorum,
    },
    /// The relay is listed under another code, and was listed often.
    Repeated {
        /// The minimum number of listings within the repeat window, the current one included.
        times: usize,
    },
    /// The relay is listed under another code, and returned mail that the SPF or DMARC record of
    /// the trap's domain forbade.
    Forbidden {
        /// The minimum share of such reports, in thousandths.
        thousandths: u16,
    },
}

impl CodeBasis {
    /// The quorum for reports of a kind, or `None` if the kind does not count.
    pub fn judges(&self, kind: Kind) -> Option<&Quorum> {
        match self {
            CodeBasis::Kinds { kinds, quorum } if kinds.contains(&kind) => Some(quorum),
            _ => None,
        }
    }

    /// Whether a listing under another code entitles the relay to a code on this basis as well.
    pub fn goes_with(&self, listing: &Listing) -> bool {
        match self {
            CodeBasis::Kinds { .. } => false,
            CodeBasis::Repeated { times } => listing.times as usize >= *times,
            CodeBasis::Forbidden { thousandths } => {
                listing.grounds.criterion == Criterion::Case
                    && listing.grounds.forbidden_thousandths >= *thousandths
            }
        }
    }
}

impl ReturnCodeSpec {
    /// Checks the table named `key` and converts it. Problems are added to `complaints`.
    pub fn check(&self, key: &str, policy: &Policy, complaints: &mut Complaints) -> Option<ReturnCode> {
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
                        format!("{kind} weighs nothing according to policy.weights.kinds"),
                        "give the kind a weight there, or remove it here",
                    );
                    kinds.push(kind);
                }
                Err(problem) => complaints.add(&format!("{key}.kinds"), problem, "correct the name"),
            }
        }
        let basis = match (kinds.is_empty(), self.listed_times, self.forbidden_thousandths) {
            (false, None, None) => {
                if let Some(own) = &self.quorum {
                    own.check(&format!("{key}.quorum"), complaints);
                }
                CodeBasis::Kinds { kinds, quorum: self.quorum.as_ref().unwrap_or(&policy.quorum).clone() }
            }
            (true, Some(times), None) if times >= 2 => CodeBasis::Repeated { times },
            (true, None, Some(thousandths)) if (1..=1_000).contains(&thousandths) => {
                CodeBasis::Forbidden { thousandths }
            }
            _ => {
                complaints.add(
                    key,
                    "exactly one of kinds, listed_times and forbidden_thousandths must be set",
                    "write kinds = [...], listed_times = 2 or more, or forbidden_thousandths = 1 to 1000",
                );
                return None;
            }
        };
        Some(ReturnCode {
            value: self.value,
            name: self.name.clone(),
            meaning: self.meaning.clone(),
            main: self.main,
            basis,
        })
    }
}
