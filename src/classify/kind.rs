//! Kinds of messages that traps receive.

use minicbor::{Decode, Encode};

macro_rules! kinds {
    ($($(#[$doc:meta])* $number:literal $variant:ident = $name:literal,)*) => {
        /// The kind of a message, or of a session or a log line without a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        pub enum Kind {
            $($(#[$doc])* #[n($number)] $variant,)*
        }

        impl Kind {
            /// All kinds, in the order of their numbers.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant),*];

            /// The name in policies and in JSON.
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
    /// A delivery status notification of a delay. This kind never scores.
    1 DsnDelayed = "dsn-delayed",
    /// A delivery status notification of a delivery, a relaying or an expansion. This kind never
    /// scores.
    2 DsnSuccess = "dsn-success",
    /// A report of a failure in a form other than RFC 3464.
    3 NonstandardNdr = "nonstandard-ndr",
    /// An automatic reply, such as a vacation notice (RFC 3834).
    4 AutoReply = "auto-reply",
    /// A request to the sender to confirm that a person sent the message.
    5 Challenge = "challenge",
    /// A notice of a content or virus filter to the sender of a message.
    6 ContentNotice = "content-notice",
    /// A session that named a recipient and ended without a message.
    7 Callout = "callout",
    /// A message disposition notification that refuses a message (RFC 8098).
    8 MdnReject = "mdn-reject",
    /// Any other message disposition notification, such as a read receipt (RFC 8098).
    9 Mdn = "mdn",
    /// An abuse feedback report (RFC 5965).
    10 FeedbackReport = "feedback-report",
    /// A DMARC aggregate report (RFC 9990).
    11 DmarcReport = "dmarc-report",
    /// An SMTP TLS report (RFC 8460).
    12 TlsReport = "tls-report",
    /// An automatic answer of mailing list software.
    13 ListResponse = "list-response",
    /// A message that imitates a report, such as phishing mail or malware.
    14 FakeNdr = "fake-ndr",
    /// A message in no known format that nothing suggests a program sent.
    15 Ordinary = "ordinary",
    /// A message in no known format that is automatic or has no From address.
    16 Unknown = "unknown",
    /// Mail from the null reverse-path that the MTA of a donor rejected. Only its log line is
    /// known.
    17 NullRejected = "null-rejected",
}

impl Kind {
    /// Whether a policy may let this kind score. Kinds that well-run hosts also send never score
    /// (`docs/STANDARDS.md` S6, S10).
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

    /// Whether evidence of this kind has no message, so that it names no recipient's domain to look
    /// up in the DNS.
    pub const fn is_without_message(self) -> bool {
        matches!(self, Kind::Callout | Kind::NullRejected)
    }

    /// Whether anybody can verify a report of this kind by asking the relay whether it accepts mail
    /// for the recipient. Only such kinds may list a relay in the main zone.
    pub const fn can_be_verified(self) -> bool {
        matches!(self, Kind::DsnFailed | Kind::NonstandardNdr | Kind::NullRejected)
    }

    /// Whether a report of this kind says that a relay could not deliver to a recipient, and gives the
    /// cause of the failure.
    pub const fn is_failure(self) -> bool {
        matches!(self, Kind::DsnFailed | Kind::NonstandardNdr)
    }

    /// Whether a conforming sender uses only the null reverse-path for this kind (RFC 3464 §2, RFC
    /// 8098 §3). Automatic replies, notices and probes may use other reverse-paths.
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
