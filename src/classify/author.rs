//! The author of a message: the mail system of the relay, or a user of it.

use minicbor::{Decode, Encode};

/// Who wrote a message, as far as its envelope and its header show.
///
/// Users of a well-run provider can write any text. Only what the mail system of a relay wrote may
/// count against the relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Author {
    /// The envelope is not known, as for a message from a file.
    #[default]
    #[n(0)]
    Unknown,
    /// A user, a script or a webmail client: the reverse-path is not null, or the header shows that
    /// a user submitted the message.
    #[n(1)]
    User,
    /// The mail system: the reverse-path is null, and nothing shows that a user submitted the
    /// message.
    #[n(2)]
    MailSystem,
}

impl Author {
    /// Whether the author is not known.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Author::Unknown)
    }

    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Author::Unknown => "unknown",
            Author::User => "user",
            Author::MailSystem => "mail-system",
        }
    }
}
