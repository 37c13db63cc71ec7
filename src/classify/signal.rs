//! Signals: the patterns by which formats are recognised.

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

/// The signals of one format that a message shows.
#[derive(Clone, Copy)]
pub struct ShownSignals {
    /// All signals of the format.
    pub(super) signals: &'static [FormatSignal],
    /// Bit N is set if the message shows signal N.
    pub(super) bits: u32,
}

impl ShownSignals {
    /// Whether the message shows a signal of this class.
    pub(super) fn has(self, class: SignClass) -> bool {
        self.iter().any(|signal| signal.mark.class() == class)
    }

    /// Whether the message shows any signal.
    pub(super) fn any(self) -> bool {
        self.bits != 0
    }

    /// Whether the message shows the signal at position `place` of the format's list.
    pub(super) fn at(self, place: usize) -> bool {
        self.bits & (1 << place) != 0
    }

    /// The signals that the message shows.
    fn iter(self) -> impl Iterator<Item = &'static FormatSignal> {
        self.signals.iter().enumerate().filter(move |(at, _)| self.at(*at)).map(|(_, signal)| signal)
    }

    /// What the shown signals say, as reasons in the verdict.
    pub(super) fn reasons(self) -> Vec<String> {
        self.iter().map(|signal| signal.reason.to_owned()).collect()
    }

    /// Whether the message shows signals of at least two classes.
    pub(super) fn has_two_classes(self) -> bool {
        [SignClass::Field, SignClass::Words, SignClass::Subject]
            .into_iter()
            .filter(|class| self.has(*class))
            .count()
            >= 2
    }
}
