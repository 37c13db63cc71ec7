//! The known formats of reports and of other automatic mail, one file each.

mod amazon;
mod aol;
mod auto_reply;
mod challenge;
mod content_notice;
mod disposition;
mod dmarc;
mod domino;
mod dragonfly;
mod exchange;
mod exim;
mod feedback;
mod general;
mod gmail;
mod groupwise;
mod imail;
pub(super) mod imitation;
mod interscan;
mod list_robot;
mod mdaemon;
mod mfilter;
mod mimecast;
mod mobile_carriers;
mod opensmtpd;
mod phquery;
mod postfix;
mod qmail;
mod rfc3464;
mod sendmail;
mod tls_report;
mod x400;
mod yahoo;

use super::reading::MessageReading;
use super::signal::{CommonSignals, FormatSignal, SignClass};
use super::{FormatClaim, Kind, ReportFields, ReportedRecipient};
use crate::mail::{DsnAction, Mailbox};

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
/// Formats are asked layer by layer, and within a layer in the order of [`FORMATS`]. Two formats of
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

/// All formats, in the order in which they are asked. To add a format, add its file, its row, and
/// its samples.
pub const FORMATS: &[Format] = &[
    disposition::FORMAT,
    rfc3464::FORMAT,
    feedback::FORMAT,
    dmarc::FORMAT,
    tls_report::FORMAT,
    challenge::FORMAT,
    content_notice::FORMAT,
    list_robot::FORMAT,
    qmail::FORMAT,
    exim::FORMAT,
    postfix::FORMAT,
    sendmail::FORMAT,
    gmail::FORMAT,
    yahoo::FORMAT,
    exchange::FORMAT,
    domino::FORMAT,
    groupwise::FORMAT,
    imail::FORMAT,
    mdaemon::FORMAT,
    opensmtpd::FORMAT,
    dragonfly::FORMAT,
    mimecast::FORMAT,
    interscan::FORMAT,
    mfilter::FORMAT,
    mobile_carriers::FORMAT,
    amazon::FORMAT,
    x400::FORMAT,
    phquery::FORMAT,
    aol::FORMAT,
    general::FORMAT,
    auto_reply::FORMAT,
    imitation::FORMAT,
];

/// The signals of one format that a message shows.
#[derive(Clone, Copy)]
pub struct ShownSignals {
    /// All signals of the format.
    pub(in crate::classify) signals: &'static [FormatSignal],
    /// Bit N is set if the message shows signal N.
    pub(in crate::classify) bits: u32,
}

impl ShownSignals {
    fn has(self, class: SignClass) -> bool {
        self.iter().any(|signal| signal.mark.class() == class)
    }

    fn any(self) -> bool {
        self.bits != 0
    }

    /// Whether the message shows the signal at position `place` of the format's list.
    fn at(self, place: usize) -> bool {
        self.bits & (1 << place) != 0
    }

    fn iter(self) -> impl Iterator<Item = &'static FormatSignal> {
        self.signals.iter().enumerate().filter(move |(at, _)| self.at(*at)).map(|(_, signal)| signal)
    }

    fn reasons(self) -> Vec<String> {
        self.iter().map(|signal| signal.reason.to_owned()).collect()
    }
}

/// Whether the message shows signals of at least two classes.
fn two_classes(shown: ShownSignals) -> bool {
    [SignClass::Field, SignClass::Words, SignClass::Subject]
        .into_iter()
        .filter(|class| shown.has(*class))
        .count()
        >= 2
}

/// Claims a report in plain text, which needs two kinds of signs. One of them must be a pattern of
/// the format in the text or in a field.
fn report_in_words(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    if !(shown.has(SignClass::Words) || shown.has(SignClass::Field)) {
        return None;
    }
    let signs = reading.signs;
    // People quote reports, especially on mailing lists. The From field must name a mail system; or
    // the message must not be a list post and must have the null reverse-path, a field of the
    // format, or a returned original.
    let written = signs.mail_system
        || (signs.null_path || shown.has(SignClass::Field) || signs.copy) && !signs.list_post;
    if !written {
        return None;
    }
    let classes = [
        shown.has(SignClass::Words),
        shown.has(SignClass::Field),
        signs.mail_system,
        signs.copy,
        signs.recipients,
        signs.reply,
    ];
    (classes.into_iter().filter(|seen| *seen).count() >= 2).then(|| words_claim(reading, shown.reasons()))
}

/// Reads a report in plain text.
fn words_claim(reading: &MessageReading<'_>, mut reasons: Vec<String>) -> FormatClaim {
    let (delay, permanent) = (reading.says(CommonSignals::Delay), reading.says(CommonSignals::Permanent));
    let signs = reading.signs;
    let common = [
        (signs.mail_system, "the From field or the Content-Type is that of a mail system"),
        (signs.copy, "returns the original or its header, or announces a copy"),
        (signs.recipients, "lists the failed recipient on its own line"),
        (signs.reply, "quotes an SMTP reply or an enhanced status code"),
        (delay, "says that delivery is still being tried"),
    ];
    reasons.extend(common.into_iter().filter(|(seen, _)| *seen).map(|(_, reason)| reason.to_owned()));
    // Well-run hosts also report successes and delays, which must not score. The report is of a
    // failure only if it is of neither.
    let (kind, action) = if reading.says(CommonSignals::Success) && !permanent && !signs.reply {
        (Kind::DsnSuccess, DsnAction::Delivered)
    } else if delay && !permanent {
        (Kind::DsnDelayed, DsnAction::Delayed)
    } else {
        (Kind::NonstandardNdr, DsnAction::Failed)
    };
    FormatClaim {
        kind,
        reasons,
        report: ReportFields { recipients: recipients(reading, action), ..returned(reading) },
    }
}

/// The fields of a report that come from the returned original.
fn returned(reading: &MessageReading<'_>) -> ReportFields {
    let original = reading.original.as_ref();
    ReportFields {
        original_sender: original.and_then(|original| original.sender.clone()),
        original_from: original.and_then(|original| original.from()),
        original_message_id: original.and_then(|original| original.message_id()),
        original_date: original.and_then(|original| original.date()),
        injector: original.and_then(|original| original.injector),
        ..ReportFields::default()
    }
}

/// The recipients in X-Failed-Recipients, with what the text says about them. Without that field,
/// these are the recipients that the text names, or else the only address in the To field of the
/// original.
fn recipients(reading: &MessageReading<'_>, action: DsnAction) -> Vec<ReportedRecipient> {
    let of = |mailbox: Mailbox| {
        let named = reading.named.iter().find(|named| named.mailbox.folded() == mailbox.folded());
        let only = named.or_else(|| reading.named.first().filter(|_| reading.named.len() == 1));
        ReportedRecipient {
            mailbox: Some(mailbox),
            action: Some(action),
            status: only.and_then(|named| named.status),
            remote: only.is_some_and(|named| named.remote),
            remote_mta: only.filter(|named| named.remote).and_then(|named| named.remote_mta.clone()),
            diagnostic: only.and_then(|named| named.diagnostic.clone()),
            ..ReportedRecipient::default()
        }
    };
    let failed = reading.header().all("X-Failed-Recipients").flat_map(|field| field.split(','));
    let failed: Vec<ReportedRecipient> = failed.filter_map(Mailbox::find).map(of).collect();
    if !failed.is_empty() {
        return failed;
    }
    if !reading.named.is_empty() {
        return reading.named.iter().map(|named| of(named.mailbox.clone())).collect();
    }
    let original_for = reading.original.as_ref().and_then(|original| {
        let mut to = original.header.field("To")?.split(',');
        let only = to.next().and_then(Mailbox::find)?;
        to.next().is_none().then_some(only)
    });
    original_for.into_iter().map(of).collect()
}
