//! What a format of reports or of other automatic mail is made of.

use super::kind::Kind;
use super::reading::MessageReading;
use super::report::ReportFields;
use super::signal::{FormatSignal, ShownSignals};

/// One format of automatic mail.
pub struct Format {
    /// The name in verdicts, which is also the name of the folder of its samples.
    pub name: &'static str,
    /// The layer in which the format is asked.
    pub layer: Layer,
    /// The patterns that are typical of the format.
    pub signals: &'static [FormatSignal],
    /// Returns what a message of this format says, or `None` for any other message.
    pub claim: fn(&MessageReading<'_>, ShownSignals) -> Option<FormatClaim>,
}

/// A group of formats that have the same precedence.
///
/// Formats are asked layer by layer, and within a layer in the order of [`FORMATS`](super::FORMATS). Two formats of
/// one layer must not claim the same message; a test checks this for every sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Formats that are recognised by machine-readable fields.
    Fields,
    /// Automatic mail that may mention a failed delivery but is not a report of one.
    Notices,
    /// Reports in plain text, recognised by the patterns of one program.
    Words,
    /// Reports in plain text, recognised by what all reports have in common.
    General,
    /// Other automatic mail.
    Replies,
}

/// What a format makes of a message that it claims.
pub struct FormatClaim {
    /// The kind of the message.
    pub kind: Kind,
    /// What the message reports.
    pub report: ReportFields,
    /// The reasons for the claim, for the operator.
    pub reasons: Vec<String>,
}
