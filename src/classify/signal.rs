//! Signals: the marks by which a way of writing is known, all looked for in one pass over a message.

use std::collections::HashMap;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};

use super::formats::FORMATS;
use crate::mail::Header;

/// One mark of a way of writing.
pub struct Signal {
    pub mark: Mark,
    /// What it says for the format, in words for an operator.
    pub reason: &'static str,
}

/// Where a mark stands. Everything is written in lower case where it is US-ASCII, and found whatever its case.
pub enum Mark {
    /// A header field whose value has one of these, or any value where there are none.
    Field(&'static str, &'static [&'static str]),
    /// One of these in the report's own words; white space counts as one space.
    Words(&'static [&'static str]),
    /// One of these in the subject. It adds to other marks and never decides.
    Subject(&'static [&'static str]),
}

/// What kind of sign it is: two of one class may come from one hand, so independent signals are those of two classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Field,
    Words,
    Subject,
}

impl Mark {
    pub const fn class(&self) -> Class {
        match self {
            Mark::Field(..) => Class::Field,
            Mark::Words(_) => Class::Words,
            Mark::Subject(_) => Class::Subject,
        }
    }
}

/// Most signals of one format.
const SIGNALS_MAX: usize = 32;
/// Octets of a message's words in which phrases are looked for: what a report has to say stands first.
const LOOK_OCTETS_MAX: usize = 8 << 10;

/// What reports of any format may say.
#[derive(Clone, Copy, Debug)]
pub(super) enum Common {
    /// That delivery is still being tried.
    Delay,
    /// What lures ask their readers for.
    Lure,
    /// That the message was delivered.
    Success,
    /// That it never will be.
    Permanent,
    /// That it was tried until the time was up.
    Expired,
    /// That the mailbox is full.
    Full,
    /// That an alias or a forward led to the address.
    Expanded,
}

/// Words by which a report says that it is about a delay, and not yet about a failure.
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
/// What lures ask for, and no report does.
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
/// Words by which a report says that nothing failed.
const SUCCESS: &[&str] = &[
    "delivery report that you requested",
    "was successfully delivered to",
    "has been successfully delivered",
    "were successfully delivered",
    "successfully relayed to the following",
    "has been relayed to the following",
];
const PERMANENT: &[&str] = &[
    "failed permanently",
    "permanent error",
    "permanent fatal",
    "i've given up",
    "giving up on this",
    "no further attempts",
    "has been removed from the mail queue",
];
/// Words of a queue whose time was up: the address may be good.
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
/// Words of a mailbox that can take no more.
const FULL: &[&str] =
    &["mailbox full", "mailbox is full", "over quota", "overquota", "quota exceeded", "exceeded storage"];
/// Words of Exim, and of Postfix and Sendmail, behind an address that the mail was not for at first.
const EXPANDED: &[&str] = &["(generated from", "(expanded from"];
/// In the order of `Common`.
const COMMON: [&[&str]; 7] = [DELAY, LURE, SUCCESS, PERMANENT, EXPIRED, FULL, EXPANDED];

/// Which signals of each format a message shows, in the order of `FORMATS`, as bits; behind them the common ones.
pub(super) struct Found(Vec<u32>);

impl Found {
    pub(super) fn of(&self, format: usize) -> u32 {
        self.0[format]
    }

    pub(super) fn says(&self, common: Common) -> bool {
        self.0[FORMATS.len()] & (1 << common as u32) != 0
    }
}

/// A format's place in `FORMATS` and its signal's place there.
type Place = (usize, usize);

struct Index {
    words: AhoCorasick,
    /// By pattern.
    words_places: Vec<Place>,
    subject: AhoCorasick,
    subject_places: Vec<Place>,
    /// By the field's name in lower case.
    fields: HashMap<&'static str, Vec<(&'static [&'static str], Place)>>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut fields: HashMap<_, Vec<_>> = HashMap::new();
    let (mut words, mut words_places) = (Vec::new(), Vec::new());
    let (mut subject, mut subject_places) = (Vec::new(), Vec::new());
    for (format, row) in FORMATS.iter().enumerate() {
        assert!(row.signals.len() <= SIGNALS_MAX, "{} has too many signals", row.name);
        for (at, signal) in row.signals.iter().enumerate() {
            match &signal.mark {
                Mark::Field(name, values) => fields.entry(*name).or_default().push((*values, (format, at))),
                Mark::Words(phrases) => {
                    words.extend(*phrases);
                    words_places.extend(phrases.iter().map(|_| (format, at)));
                }
                Mark::Subject(phrases) => {
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
    Index { words: automaton(&words), words_places, subject: automaton(&subject), subject_places, fields }
});

fn automaton(phrases: &[&str]) -> AhoCorasick {
    AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(phrases)
        .expect("the phrases of FORMATS are few and short, as every test shows")
}

/// Looks for every signal of every format.
pub(super) fn show(header: &Header, words: &str, subject: &str) -> Found {
    let index = &*INDEX;
    let mut shown = vec![0; FORMATS.len() + 1];
    let mut see = |&(format, at): &Place| shown[format] |= 1 << at;
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
    Found(shown)
}

/// Whatever its case, where it is US-ASCII.
pub(super) fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    text.windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part)) || part.is_empty()
}
