//! Which cases need the answer of the relay's side.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Which relations need the answer of the relay's side before a relay is listed in the main zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "kebab-case")]
pub enum VerificationMode {
    /// All of them.
    #[default]
    #[n(0)]
    Required,
    /// Those that are only claimed.
    #[n(1)]
    Claims,
    /// None: nobody is asked.
    #[n(2)]
    Off,
}
