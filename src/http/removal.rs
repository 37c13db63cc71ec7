//! Self-service removals: what anybody may ask for, when, and what is said about it.

use std::collections::BTreeSet;

use super::app::App;
use super::clients::ClientNetwork;
use super::confirmation::receipt;
use super::directives::direct;
use super::error::ApiError;
use crate::blocklist::PublicRelay;
use crate::evidence::Order;
use crate::listing::{Criterion, ListingEnd};
use crate::relay::Relay;
use crate::time::{Span, Timestamp};
use crate::zone::DomainName;

/// The longest wait before a further removal is 2^5 days.
const LOCK_DOUBLINGS_MAX: u32 = 5;
/// The number of self-service removals in an hour beyond which the server logs an error. None is
/// refused for it. An attacker may empty the list from many networks; the relays are listed again
/// when they go on.
pub(super) const MASS_REMOVALS_PER_HOUR: u32 = 50;

/// What self-service can do for a relay now.
pub(super) struct RemovalOptions {
    /// Whether a listing stands on evidence. Such a listing can be removed.
    pub(super) has_case: bool,
    /// The mail address of the operator, if the operator decided to list the relay.
    pub(super) decided_by: Option<String>,
    /// Until when a removal is locked, because the relay was removed before and listed again.
    pub(super) locked_until: Option<Timestamp>,
    /// Whether the relay's side is asked once a day what it does with recipients that do not exist.
    pub(super) is_asked: bool,
    /// What the relay's side said last, and in which hour.
    pub(super) last_answer: Option<(&'static str, Timestamp)>,
}

/// A removal that took effect.
pub(super) struct RemovalDone {
    /// When it was asked for.
    pub(super) at: Timestamp,
    /// The receipt.
    pub(super) receipt: String,
    /// The mail address of the operator, if a listing by the operator's decision stays.
    pub(super) decided_by: Option<String>,
}

/// What self-service can do for a relay now.
pub(super) fn options(app: &App, relay: Relay) -> RemovalOptions {
    let known = app.published.public_relay(relay);
    let (mut has_case, mut decided_in) = (false, None);
    for ((origin, _), listing) in &known.listings {
        match listing.criterion {
            Criterion::Case => has_case = true,
            Criterion::Decision => decided_in = decided_in.or(Some(origin)),
        }
    }
    let last = known.answers.iter().max_by_key(|(_, answered)| *answered);
    RemovalOptions {
        has_case,
        decided_by: decided_in.map(|origin| contact(app, origin)),
        locked_until: locked_until(&known, app.clock.now()),
        is_asked: known.is_asked,
        last_answer: last.map(|(answer, answered)| (answer.name(), answered.whole_hour())),
    }
}

impl RemovalOptions {
    /// Checks that a removal is possible.
    ///
    /// # Errors
    /// When no listing of the relay stands on evidence, or the relay was removed before and listed
    /// again.
    pub(super) fn permit(&self, relay: Relay, now: Timestamp) -> Result<(), ApiError> {
        match (self.has_case, &self.decided_by, self.locked_until) {
            (false, None, _) => Err(ApiError::NotListed(relay)),
            (false, Some(contact), _) => Err(ApiError::ListedByDecision { relay, contact: contact.clone() }),
            (true, _, Some(until)) => Err(ApiError::RemovedBefore { relay, until, wait: until.since(now) }),
            (true, _, None) => Ok(()),
        }
    }
}

/// The mail address in the SOA record of a zone, which reaches the operator.
fn contact(app: &App, origin: &str) -> String {
    let snapshot = app.published.snapshot();
    let zone = snapshot.zones().iter().find(|zone| zone.config.apex.origin.to_string() == origin);
    zone.map_or_else(|| "the operator of the list".to_owned(), |zone| mailbox(&zone.config.apex.soa.mailbox))
}

/// A mailbox that is written as a domain name (RFC 1035 §8).
fn mailbox(name: &DomainName) -> String {
    match name.labels() {
        [local, domain @ ..] if !domain.is_empty() => format!("{local}@{}", domain.join(".")),
        _ => name.to_string(),
    }
}

/// Removes a relay at once, without account, payment or conditions (RFC 6471 §2.2.4, §2.2.5), also
/// if the client itself is listed (RFC 6471 §2.2.2). What an operator decided stays.
///
/// # Errors
/// When there is nothing to remove, the relay was removed before and listed again, or the client's
/// network made too many removals, and when the removal cannot be recorded.
pub(super) async fn remove_oneself(
    app: &App,
    ClientNetwork(network): ClientNetwork,
    relay: Relay,
) -> Result<RemovalDone, ApiError> {
    let (options, at) = (options(app, relay), app.clock.now());
    options.permit(relay, at)?;
    if !app.removals.admits(network, at) {
        return Err(ApiError::TooManyRemovals);
    }
    let order = Order::RemoveOnRequest { relay, network };
    if let Err(error) = direct(app, "self-service".to_owned(), "requested".to_owned(), order).await {
        return Err(told(error, relay));
    }
    count(app, at);
    let receipt = receipt(app.keys.hasher(), relay, at);
    Ok(RemovalDone { at, receipt, decided_by: options.decided_by })
}

/// The error without the place in the journal, which would tell how much evidence arrives.
fn told(error: ApiError, relay: Relay) -> ApiError {
    match error {
        // The listing ended in the meantime.
        ApiError::NoEffect { .. } => ApiError::NotListed(relay),
        ApiError::NotInEffectYet(_) => ApiError::RemovalNotInEffectYet,
        other => other,
    }
}

/// Counts a removal, and tells the operator once an hour when there are more than usual.
fn count(app: &App, now: Timestamp) {
    let number = app.removals_of_hour.count(now);
    let rate = if number > MASS_REMOVALS_PER_HOUR { "mass" } else { "usual" };
    app.metrics.self_removals_total.with_label_values(&[rate]).inc();
    if number == MASS_REMOVALS_PER_HOUR + 1 {
        tracing::error!(
            "more than {MASS_REMOVALS_PER_HOUR} self-service removals within an hour, and none is refused; \
             see \"backscatterd audit\" for the networks that asked"
        );
    }
}

/// Until when a relay cannot be removed by self-service, if it cannot; alike for every client.
///
/// The first removal is free. After the next listing the wait is one day from the last removal, and
/// it doubles with each further removal, up to 32 days. If the relay's side has refused made-up
/// recipients since, the removals before do not count (RFC 6471 §2.2.5).
fn locked_until(known: &PublicRelay, now: Timestamp) -> Option<Timestamp> {
    let past = || known.past.iter();
    let repaired = past().filter(|past| past.how == ListingEnd::Repaired).map(|past| past.ended);
    let refused = known.answers.iter().filter(|(answer, _)| answer.is_veto()).map(|(_, answered)| *answered);
    let passed = repaired.chain(refused).max();
    let removed = past().filter(|past| past.how == ListingEnd::Removed).map(|past| past.ended);
    let removals: BTreeSet<Timestamp> =
        removed.filter(|ended| passed.is_none_or(|passed| *ended > passed)).collect();
    let doublings = u32::try_from(removals.len().checked_sub(1)?).unwrap_or(u32::MAX).min(LOCK_DOUBLINGS_MAX);
    let until = removals.last()?.plus(Span::from_days(1 << doublings));
    (until > now).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocklist::EndedListing;
    use crate::evidence::VerificationAnswer;

    fn day(days: i64) -> Timestamp {
        Timestamp::default().plus(Span::from_days(1_000 + days))
    }

    /// A relay with listings that ended, and answers, each on a day.
    fn known(ends: &[(ListingEnd, i64)], answers: &[(VerificationAnswer, i64)]) -> PublicRelay {
        let past = ends.iter().map(|&(how, ended)| EndedListing {
            origin: "bl.example.".into(),
            code: 2,
            since: day(ended).minus(Span::from_hours(1)),
            ended: day(ended),
            how,
        });
        let answers = answers.iter().map(|&(answer, at)| (answer, day(at)));
        PublicRelay { past: past.collect(), answers: answers.collect(), ..PublicRelay::default() }
    }

    #[test]
    fn the_lock_doubles_with_each_removal_and_a_refusal_since_lifts_it() {
        use ListingEnd::{Expired, Removed, Repaired};
        use VerificationAnswer::{NoAnswer, OptedOut, RefusesAll, RefusesUnknown, TakesAll};
        let removed = |days: &[i64]| days.iter().map(|day| (Removed, *day)).collect::<Vec<_>>();
        type Ends = Vec<(ListingEnd, i64)>;
        type Answers = Vec<(VerificationAnswer, i64)>;
        let cases: Vec<(Ends, Answers, Option<i64>)> = vec![
            (vec![], vec![], None),
            (vec![(Expired, 10)], vec![], None),
            (removed(&[10]), vec![], Some(11)),
            (removed(&[0, 10]), vec![], Some(12)),
            (removed(&[0, 5, 10]), vec![], Some(14)),
            (removed(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), vec![], Some(42)),
            (removed(&[0, 5, 10]), vec![(RefusesUnknown, 11)], None),
            (removed(&[0, 5, 10]), vec![(RefusesAll, 11)], None),
            (removed(&[0, 5, 10]), vec![(TakesAll, 11), (RefusesUnknown, 11)], None),
            ([removed(&[0, 5, 10]), vec![(Repaired, 11)]].concat(), vec![], None),
            (removed(&[0, 5, 10]), vec![(TakesAll, 11), (NoAnswer, 12), (OptedOut, 12)], Some(14)),
            // An older refusal excuses what came before it, and nothing after it.
            (removed(&[0, 5, 10]), vec![(RefusesUnknown, 6)], Some(11)),
            (removed(&[0, 5, 10]), vec![(RefusesUnknown, 1)], Some(12)),
        ];
        for (ends, answers, until) in cases {
            let known = known(&ends, &answers);
            assert_eq!(locked_until(&known, day(10)), until.map(day), "{ends:?} {answers:?}");
            let over = until.map(|until| locked_until(&known, day(until)));
            assert_eq!(over.flatten(), None, "{ends:?}: the wait is over at its end");
        }
    }

    #[test]
    fn a_mailbox_is_read_from_its_name() {
        let read = |name: &str| mailbox(&DomainName::parse(name).unwrap());
        assert_eq!(read("hostmaster.backscatter.example."), "hostmaster@backscatter.example");
        assert_eq!(read("hostmaster"), "hostmaster.");
    }
}
