//! What the relay's own Received field says about the client that handed the original to the relay.

use minicbor::{Decode, Encode};

use super::injector::injector;
use crate::mail::ReceivedHop;

/// The client that handed the original to the relay, by the topmost Received field of the returned
/// original. The relay wrote that field. Every field below it may be forged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum HandedIn {
    /// The field does not say it: it is missing, it shows no address of a client, or it lacks the
    /// `for` clause. Without that clause the relay may have taken the original for another
    /// recipient, such as one that forwards mail.
    #[default]
    #[n(0)]
    Unknown,
    /// A user, script or webmail client of the relay submitted it.
    #[n(1)]
    Submitted,
    /// A program on the relay's own host, such as a content filter, handed it in without
    /// authentication.
    #[n(2)]
    Inside,
    /// A client without authentication brought it, for the recipient in the `for` clause.
    #[n(3)]
    Stranger,
}

impl HandedIn {
    /// Reads the topmost Received field.
    pub(super) fn of(newest: &ReceivedHop) -> Self {
        let is_loopback = newest.from_address.is_some_and(|address| address.is_loopback());
        if newest.submission.is_some() {
            HandedIn::Submitted
        } else if is_loopback || !newest.names_client {
            HandedIn::Inside
        } else if injector(newest).is_some() && newest.recipient.is_some() {
            HandedIn::Stranger
        } else {
            HandedIn::Unknown
        }
    }

    /// Whether the field does not say who handed the original in.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, HandedIn::Unknown)
    }
}
