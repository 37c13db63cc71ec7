//! What kinds of message reach a trap.

use minicbor::{Decode, Encode};

macro_rules! kinds {
    ($($(#[$doc:meta])* $number:literal $variant:ident = $name:literal,)*) => {
        /// What a message, or a session without one, is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        pub enum Kind {
            $($(#[$doc])* #[n($number)] $variant,)*
        }

        impl Kind {
            pub const ALL: &'static [Kind] = &[$(Kind::$variant),*];

            pub const fn name(self) -> &'static str {
                match self {
                    $(Kind::$variant => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// A delivery status notification of a failure (RFC 3464).
    0 DsnFailed = "dsn-failed",
    /// Of a delay; never scores.
    1 DsnDelayed = "dsn-delayed",
    /// Of a delivery, a relaying or an expansion; never scores.
    2 DsnSuccess = "dsn-success",
    /// A failure told in a form of the writer's own.
    3 NonstandardNdr = "nonstandard-ndr",
    4 AutoReply = "auto-reply",
    5 Challenge = "challenge",
    /// A content or virus filter's notice to a forged sender.
    6 ContentNotice = "content-notice",
    /// A session that named a recipient and left without a message.
    7 Callout = "callout",
    /// A disposition notification used to refuse a message.
    8 MdnReject = "mdn-reject",
    9 Mdn = "mdn",
    10 FeedbackReport = "feedback-report",
    11 DmarcReport = "dmarc-report",
    12 TlsReport = "tls-report",
    /// A mailing list robot's answer.
    13 ListResponse = "list-response",
    /// An imitation of a report.
    14 FakeNdr = "fake-ndr",
    15 Ordinary = "ordinary",
    16 Unknown = "unknown",
    /// Mail from the null reverse-path that a donor's MTA turned away; its log tells no more.
    17 NullRejected = "null-rejected",
}

impl Kind {
    /// What well-run hosts send as well may never score, whatever a policy says (STANDARDS S6, S10).
    pub const fn may_score(self) -> bool {
        !matches!(
            self,
            Kind::DsnDelayed
                | Kind::DsnSuccess
                | Kind::Mdn
                | Kind::FeedbackReport
                | Kind::DmarcReport
                | Kind::TlsReport
                | Kind::ListResponse
                | Kind::FakeNdr
                | Kind::Ordinary
                | Kind::Unknown
        )
    }

    /// Kinds of which no message was seen, so that it names nobody whose DNS could be asked.
    pub const fn is_without_message(self) -> bool {
        matches!(self, Kind::Callout | Kind::NullRejected)
    }

    /// Kinds that a conforming writer sends from the null reverse-path and from no other (RFC 3464 §2, RFC 8098 §3).
    /// Automatic replies, notices and probes come from other ones as well.
    pub const fn comes_from_the_null_reverse_path(self) -> bool {
        matches!(self, Kind::DsnFailed | Kind::NonstandardNdr | Kind::MdnReject)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Kind::ALL.iter().copied().find(|kind| kind.name() == text).ok_or_else(|| {
            let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            format!("{text:?} is not a kind; the kinds are {}", names.join(", "))
        })
    }
}
