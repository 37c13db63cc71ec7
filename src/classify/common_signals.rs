//! Phrases that reports of any format may contain.

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
/// The phrases in the order of [`CommonSignals`].
pub(super) const COMMON: [&[&str]; 7] = [DELAY, LURE, SUCCESS, PERMANENT, EXPIRED, FULL, EXPANDED];
