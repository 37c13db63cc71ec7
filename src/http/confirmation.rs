//! What a visitor carries between the steps of a removal: the token of the confirmation page, and the
//! receipt. Both are digests under the traps' key, so the server stores nothing for them, and every
//! node that shares the key knows them.

use crate::digest::Digest;
use crate::relay::{Prefix, Relay};
use crate::time::{Span, Timestamp};
use crate::trap::TrapHasher;

/// How long a confirmation page can be used.
pub(super) const TOKEN_LIFETIME: Span = Span::from_seconds(600);

/// The token of a page on which a client confirms the removal of a relay. It is of no use for another
/// relay, to clients of other networks, or later.
pub(super) fn token(hasher: &TrapHasher, relay: Relay, client: Prefix, now: Timestamp) -> String {
    sealed(hasher, &format!("confirmation {relay} {client}"), now)
}

/// Whether a text is a token for this relay and client that can still be used.
pub(super) fn is_token(
    hasher: &TrapHasher,
    relay: Relay,
    client: Prefix,
    now: Timestamp,
    text: &str,
) -> bool {
    opened(hasher, &format!("confirmation {relay} {client}"), text)
        .is_some_and(|made| made <= now && now.since(made) <= TOKEN_LIFETIME)
}

/// The receipt of a removal: its time, and a digest that only this server can make.
pub(super) fn receipt(hasher: &TrapHasher, relay: Relay, at: Timestamp) -> String {
    sealed(hasher, &format!("receipt {relay}"), at)
}

/// The time of the removal of a relay, to the second, if the receipt is genuine.
pub(super) fn removed_at(hasher: &TrapHasher, relay: Relay, receipt: &str) -> Option<Timestamp> {
    opened(hasher, &format!("receipt {relay}"), receipt)
}

/// A time, to the second, with a digest of it and of what it is about.
fn sealed(hasher: &TrapHasher, about: &str, at: Timestamp) -> String {
    let seconds = at.seconds();
    format!("{seconds:x}.{}", hasher.seed(format!("removal {about} {seconds}").as_bytes()))
}

/// The time in a text that [`sealed`] made about the same.
fn opened(hasher: &TrapHasher, about: &str, text: &str) -> Option<Timestamp> {
    let seconds = i64::from_str_radix(text.split_once('.')?.0, 16).ok()?;
    let at = Timestamp::from_milliseconds(seconds.checked_mul(1_000)?);
    // Digests are compared, so that the time of the comparison tells nothing about the right text.
    let is_genuine = Digest::of(sealed(hasher, about, at).as_bytes()) == Digest::of(text.as_bytes());
    is_genuine.then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_one_relay_and_network_and_ten_minutes() {
        let (hasher, other) = (TrapHasher::new([1; 32]), TrapHasher::new([2; 32]));
        let relay = |text: &str| text.parse::<Relay>().unwrap();
        let client = |text: &str| text.parse::<Prefix>().unwrap();
        let now: Timestamp = "2026-01-01T12:00:00.700Z".parse().unwrap();
        let (own, network) = (relay("192.0.2.99"), client("198.51.100.0/24"));
        let made = token(&hasher, own, network, now);
        let is = |relay, client, after, text: &str| is_token(&hasher, relay, client, now.plus(after), text);
        assert!(is(own, network, Span::ZERO, &made) && is(own, network, Span::from_seconds(599), &made));
        assert!(!is(own, network, Span::from_seconds(601), &made), "too late");
        assert!(!is(relay("192.0.2.98"), network, Span::ZERO, &made), "another relay");
        assert!(!is(own, client("198.51.101.0/24"), Span::ZERO, &made), "another network");
        assert!(!is_token(&other, own, network, now, &made), "another server");
        assert!(!is_token(&hasher, own, network, now.minus(Span::from_seconds(2)), &made), "before its time");
        let later = format!("{:x}{}", now.seconds() + 300, &made[made.find('.').unwrap()..]);
        let (receipt, upper) = (receipt(&hasher, own, now), made.to_uppercase());
        for wrong in [later.as_str(), &receipt, &upper, &made[1..], "", ".", "0.", "-1.0"] {
            assert!(!is(own, network, Span::ZERO, wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_receipt_tells_when_its_relay_was_removed() {
        let hasher = TrapHasher::new([1; 32]);
        let (own, other): (Relay, Relay) = ("192.0.2.99".parse().unwrap(), "192.0.2.98".parse().unwrap());
        let at: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let made = receipt(&hasher, own, at);
        assert_eq!(removed_at(&hasher, own, &made), Some(at));
        assert_eq!(removed_at(&hasher, other, &made), None);
        assert_eq!(removed_at(&hasher, own, &made.replacen('6', "7", 1)), None);
        assert_eq!(removed_at(&hasher, own, &token(&hasher, own, "192.0.2.0/24".parse().unwrap(), at)), None);
    }
}
