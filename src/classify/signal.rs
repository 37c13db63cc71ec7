//! Signals: the patterns by which formats are recognised. One pass over a message finds those of
//! all formats.

use std::collections::HashMap;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};

use super::formats::FORMATS;
use crate::mail::Header;

/// One pattern that is typical of a format.
pub struct FormatSignal {
    /// The pattern.
    pub mark: Pattern,
    /// What the pattern shows, as a reason in the verdict, for the operator.
    pub reason: &'static str,
}

/// A pattern and where it is looked for.
///
/// Patterns are written in lower case and match without regard to ASCII case.
pub enum Pattern {
    /// A header field of this name whose value contains one of these; if there are none, any value
    /// matches.
    Field(&'static str, &'static [&'static str]),
    /// One of these in the text of the report, in which every run of white space is one space.
    Words(&'static [&'static str]),
    /// One of these in the subject. A subject alone is never enough for a claim.
    Subject(&'static [&'static str]),
}

/// The class of a pattern.
///
/// Two patterns of one class may have one origin. Patterns of two classes count as independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignClass {
    /// A header field.
    Field,
    /// The text of the report.
    Words,
    /// The subject.
    Subject,
}

impl Pattern {
    /// The class of the pattern.
    pub const fn class(&self) -> SignClass {
        match self {
            Pattern::Field(..) => SignClass::Field,
            Pattern::Words(_) => SignClass::Words,
            Pattern::Subject(_) => SignClass::Subject,
        }
    }
}

/// Largest number of signals of one format: they are kept as bits of a `u32`.
const SIGNALS_MAX: usize = 32;
/// Octets of the text in which phrases are looked for. Reports state their purpose at the
/// beginning.
const LOOK_OCTETS_MAX: usize = 8 << 10;

/// Phrases that reports of any format may contain, by meaning.
#[derive(Clone, Copy, Debug)]
pub(super) enum CommonSignals {
    /// Delivery will still be tried.
    Delay,
    /// The reader is asked to do what phishing mail asks for.
    Lure,
    /// The message was delivered.
    Success,
    /// Delivery has failed permanently.
    Permanent,
    /// Delivery was given up because the queue's time limit expired or a host could not be reached.
    Expired,
    /// The mailbox is full.
    Full,
    /// An alias or a forward expanded to the address.
    Expanded,
}

/// Phrases of a report about a delay, which is not yet a failure.
const DELAY: &[&str] = &[
    "this is a warning message only",
    "this is a warning only",
    "do not need to resend your message",
    "do not have to resend your message",
    "message will be retried for",
    "will be retried until",
    "delivery attempts will continue",
    "will keep trying",
    "has not yet been delivered",
    "has not been delivered yet",
    "continue to try to deliver",
    "this is just a warning",
    "delivery to the following recipient has been delayed",
    "delivery to the following recipients has been delayed",
];
/// Phrases of phishing mail, which reports do not use.
const LURE: &[&str] = &[
    "click here",
    "click the link",
    "click on the link",
    "click below",
    "clicking below",
    "release messages",
    "release pending",
    "release your message",
    "retrieve your",
    "retrieve messages",
    "recover messages",
    "review messages",
    "view messages",
    "verify your account",
    "verify your mailbox",
    "verify your email",
    "validate your",
    "confirm your account",
    "confirm your password",
    "confirm ownership",
    "update your account",
    "update your mailbox",
    "upgrade your",
    "increase your quota",
    "your password",
    "log in to",
    "login to",
    "sign in to",
    "open the attach",
    "see the attached file",
    "please read the attached",
];
/// Phrases of a report about a successful delivery.
const SUCCESS: &[&str] = &[
    "delivery report that you requested",
    "was successfully delivered to",
    "has been successfully delivered",
    "were successfully delivered",
    "successfully relayed to the following",
    "has been relayed to the following",
];
/// Phrases of a report about a permanent failure.
const PERMANENT: &[&str] = &[
    "failed permanently",
    "permanent error",
    "permanent fatal",
    "i've given up",
    "giving up on this",
    "no further attempts",
    "has been removed from the mail queue",
];
/// Phrases of a report about a message that expired in the queue. The address may exist.
const EXPIRED: &[&str] = &[
    "retry timeout exceeded",
    "retry time not reached",
    "have been failing for a long time",
    "been in the queue too long",
    "envelope expired",
    "delivery time expired",
    "message expired",
    "could not be delivered within",
    "could not be delivered for more than",
    "not been able to deliver it for",
    "timeout during delivery",
    "connection timed out",
    "connection refused",
    "no route to host",
    "network is unreachable",
];
/// Phrases of a report about a full mailbox.
const FULL: &[&str] =
    &["mailbox full", "mailbox is full", "over quota", "overquota", "quota exceeded", "exceeded storage"];
/// Phrases that Exim, Postfix and Sendmail write after an address that another address expanded to.
const EXPANDED: &[&str] = &["(generated from", "(expanded from"];
/// The phrases in the order of [`Common`].
const COMMON: [&[&str]; 7] = [DELAY, LURE, SUCCESS, PERMANENT, EXPIRED, FULL, EXPANDED];

/// The signals that a message shows: one bit set for each format, in the order of [`FORMATS`], and
/// last one for the phrases of [`Common`].
pub(super) struct FoundSignals(Vec<u32>);

impl FoundSignals {
    /// The bits of the row `format` of [`FORMATS`].
    pub(super) fn of(&self, format: usize) -> u32 {
        self.0[format]
    }

    /// Whether the text contains one of the common phrases.
    pub(super) fn says(&self, common: CommonSignals) -> bool {
        self.0[FORMATS.len()] & (1 << common as u32) != 0
    }
}

/// The position of a format in [`FORMATS`], and of a signal in the format's list.
type SignalPlace = (usize, usize);

struct PatternIndex {
    words: AhoCorasick,
    /// The place of each phrase of `words`.
    words_places: Vec<SignalPlace>,
    subject: AhoCorasick,
    /// The place of each phrase of `subject`.
    subject_places: Vec<SignalPlace>,
    /// The values looked for and their places, by the field's name in lower case.
    fields: HashMap<&'static str, Vec<(&'static [&'static str], SignalPlace)>>,
}

static INDEX: LazyLock<PatternIndex> = LazyLock::new(|| {
    let mut fields: HashMap<_, Vec<_>> = HashMap::new();
    let (mut words, mut words_places) = (Vec::new(), Vec::new());
    let (mut subject, mut subject_places) = (Vec::new(), Vec::new());
    for (format, row) in FORMATS.iter().enumerate() {
        assert!(row.signals.len() <= SIGNALS_MAX, "{} has too many signals", row.name);
        for (at, signal) in row.signals.iter().enumerate() {
            match &signal.mark {
                Pattern::Field(name, values) => {
                    fields.entry(*name).or_default().push((*values, (format, at)))
                }
                Pattern::Words(phrases) => {
                    words.extend(*phrases);
                    words_places.extend(phrases.iter().map(|_| (format, at)));
                }
                Pattern::Subject(phrases) => {
                    subject.extend(*phrases);
                    subject_places.extend(phrases.iter().map(|_| (format, at)));
                }
            }
        }
    }
    for (at, phrases) in COMMON.iter().enumerate() {
        words.extend(*phrases);
        words_places.extend(phrases.iter().map(|_| (FORMATS.len(), at)));
    }
    PatternIndex {
        words: automaton(&words),
        words_places,
        subject: automaton(&subject),
        subject_places,
        fields,
    }
});

fn automaton(phrases: &[&str]) -> AhoCorasick {
    AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(phrases)
        .expect("the phrases of FORMATS are few and short enough for an automaton")
}

/// Looks for the signals of all formats and for the common phrases.
pub(super) fn show(header: &Header, words: &str, subject: &str) -> FoundSignals {
    let index = &*INDEX;
    let mut shown = vec![0; FORMATS.len() + 1];
    let mut see = |&(format, at): &SignalPlace| shown[format] |= 1 << at;
    let mut name = String::new();
    for field in header.fields() {
        name.clear();
        name.push_str(&field.name);
        name.make_ascii_lowercase();
        for (values, place) in index.fields.get(name.as_str()).into_iter().flatten() {
            if values.is_empty() || values.iter().any(|value| contains(&field.value, value)) {
                see(place);
            }
        }
    }
    for found in index.words.find_overlapping_iter(&words[..words.floor_char_boundary(LOOK_OCTETS_MAX)]) {
        see(&index.words_places[found.pattern().as_usize()]);
    }
    for found in index.subject.find_overlapping_iter(subject) {
        see(&index.subject_places[found.pattern().as_usize()]);
    }
    FoundSignals(shown)
}

/// Whether `text` contains `part`, compared without regard to ASCII case.
pub(super) fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    text.windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part)) || part.is_empty()
}
