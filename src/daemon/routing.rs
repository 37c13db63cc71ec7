//! Routing: looks up where the mail for trap domains goes, and records what changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::evidence::{Directive, Entry, Order};
use crate::journal::Journal;
use crate::keys::Keys;
use crate::observe::MailRoutes;
use crate::publish::Published;
use crate::time::{Clock, Span, Timestamp};
use crate::trap::{KnownTraps, MailRoute, SealedName, TrapKey, TrapMail};

/// How often domains that are due are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// How often they are looked for in a laboratory, where nothing is asked.
const LABORATORY_LOOK: Duration = Duration::from_millis(20);
/// Maximum number of domains that are looked up within one `LOOK`, and at one time.
const LOOKED_UP_MAX: usize = 50;
/// How long a domain of which nothing is known is left alone after the DNS gave no answer about it.
const UNANSWERED_FOR: Span = Span::from_hours(1);
/// Maximum number of such domains that are remembered. Others are asked about again with the next change
/// of the traps.
const UNANSWERED_MAX: usize = 100_000;
/// The seconds of a day. Within a day, each domain is looked up once.
const DAY_SECONDS: i64 = 86_400;

/// What routing works with.
pub(super) struct RoutingParts {
    pub(super) published: Arc<Published>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) keys: Arc<Keys>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) routes: Arc<MailRoutes>,
}

/// Looks up all trap domains once a day, and new ones at once, until it is stopped. Nothing is looked up
/// twice at once: the next domains wait until the last ones were answered.
pub(super) async fn route(parts: RoutingParts, stop: CancellationToken) {
    let look = if parts.routes.are_laboratory() { LABORATORY_LOOK } else { LOOK };
    // After a start, every domain is looked up again.
    let mut due = DueDomains::after(parts.clock.now().minus(Span::from_days(1)));
    loop {
        tokio::select! {
            () = tokio::time::sleep(look) => {}
            () = stop.cancelled() => return,
        }
        let domains = due.take(&parts.published.traps(), parts.clock.now());
        if domains.is_empty() {
            continue;
        }
        tokio::select! {
            found = parts.look_up(domains, &mut due) => parts.record(found).await,
            () = stop.cancelled() => return,
        }
    }
}

/// Which domains are due. The days are parted among the domains by their keys, which are evenly
/// distributed.
struct DueDomains {
    /// The place in the days since 1970 up to which all domains were taken, in parts of [`DAY`].
    place: i128,
    /// The traps in which all domains of which nothing is known were taken.
    seen: Option<Arc<KnownTraps>>,
    /// When the DNS gave no answer about a domain of which nothing is known.
    unanswered: HashMap<TrapKey, Timestamp>,
    /// When domains of which nothing is known were last looked for.
    searched: Timestamp,
}

impl DueDomains {
    /// All that is due after a time.
    fn after(time: Timestamp) -> Self {
        let (seen, unanswered, searched) = (None, HashMap::new(), Timestamp::default());
        DueDomains { place: place(time), seen, unanswered, searched }
    }

    /// The next domains that are due, at most [`LOOKED_UP_MAX`].
    fn take(&mut self, traps: &Arc<KnownTraps>, now: Timestamp) -> Vec<DueDomain> {
        let new = self.unknown(traps, now);
        if new.is_empty() { self.daily(traps, now) } else { new }
    }

    /// Domains of which nothing is known.
    fn unknown(&mut self, traps: &Arc<KnownTraps>, now: Timestamp) -> Vec<DueDomain> {
        let is_searched = now.since(self.searched) < UNANSWERED_FOR
            && self.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, traps));
        if is_searched {
            return Vec::new();
        }
        self.unanswered.retain(|_, asked| now.since(*asked) < UNANSWERED_FOR);
        let all = DueDomain::between(traps, 0, u32::MAX);
        let unknown =
            all.filter(|due| due.known == MailRoute::Unknown && !self.unanswered.contains_key(&due.domain));
        let found: Vec<DueDomain> = unknown.take(LOOKED_UP_MAX).collect();
        if found.is_empty() {
            (self.seen, self.searched) = (Some(Arc::clone(traps)), now);
        }
        found
    }

    /// The domains whose time of the day has come.
    fn daily(&mut self, traps: &KnownTraps, now: Timestamp) -> Vec<DueDomain> {
        // A clock that jumped makes no domain due twice.
        let (first, last) = (self.place.max(place(now) - DAY), place(now));
        let mut found = Vec::new();
        // The part of the day before midnight, and the part after it.
        let mut next = first;
        while next < last && found.len() < LOOKED_UP_MAX {
            let end = (next / DAY * DAY + DAY).min(last);
            let (from, to) = ((next % DAY) as u32, ((end - 1) % DAY) as u32);
            let room = LOOKED_UP_MAX - found.len();
            let mut part: Vec<DueDomain> = DueDomain::between(traps, from, to).take(room + 1).collect();
            if part.len() > room {
                // Domains with the same place in the day stay together.
                let beyond = part[room].domain.short();
                part.retain(|due| due.domain.short() < beyond);
                next = next / DAY * DAY + i128::from(beyond);
                found.append(&mut part);
                break;
            }
            found.append(&mut part);
            next = end;
        }
        self.place = next.max(first);
        found
    }

    /// Notes that the DNS gave no answer.
    fn unanswered(&mut self, domain: TrapKey, now: Timestamp) {
        if self.unanswered.len() < UNANSWERED_MAX {
            self.unanswered.insert(domain, now);
        }
    }
}

/// A day in parts: as many as there are first four octets of a key.
const DAY: i128 = 1 << 32;

/// The place of a time in the days.
fn place(time: Timestamp) -> i128 {
    i128::from(time.seconds().max(0)) * DAY / i128::from(DAY_SECONDS)
}

/// A domain to look up.
struct DueDomain {
    domain: TrapKey,
    name: SealedName,
    known: MailRoute,
}

impl DueDomain {
    /// The domains in a part of the day that have a name and about which the operator did not decide.
    fn between(traps: &KnownTraps, first: u32, last: u32) -> impl Iterator<Item = DueDomain> {
        traps.traps.mail_between(first, last).filter(|(_, mail)| !mail.decided).filter_map(
            |(domain, mail)| {
                let name = mail.name.clone()?;
                Some(DueDomain { domain, name, known: mail.route })
            },
        )
    }
}

impl RoutingParts {
    /// Looks up domains. Returns those whose mail goes elsewhere than is known.
    async fn look_up(&self, domains: Vec<DueDomain>, due: &mut DueDomains) -> Vec<TrapMail> {
        let mut sessions = JoinSet::new();
        for DueDomain { domain, name, known } in domains {
            match self.keys.open_name(domain, &name) {
                Ok(name) => {
                    let routes = Arc::clone(&self.routes);
                    sessions.spawn(async move { (domain, known, routes.of(&name).await) });
                }
                Err(error) => {
                    tracing::error!(%error, "the name of a trap domain cannot be opened");
                    due.unanswered(domain, self.clock.now());
                }
            }
        }
        let mut changed = Vec::new();
        while let Some(looked_up) = sessions.join_next().await {
            match looked_up {
                Ok((domain, _, MailRoute::Unknown)) => due.unanswered(domain, self.clock.now()),
                Ok((domain, known, route)) if route != known => {
                    changed.push(TrapMail { domain, route, decided: false, name: None });
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "a look-up of a trap domain failed"),
            }
        }
        changed.sort_by_key(|mail| mail.domain);
        changed
    }

    /// Records what changed, and waits until the fold has taken it: until then it would seem to be
    /// unknown.
    async fn record(&self, domains: Vec<TrapMail>) {
        if domains.is_empty() {
            return;
        }
        let (by, why) = ("look-up".to_owned(), "the MX records of trap domains".to_owned());
        let after = *self.journal.head().borrow();
        let order = Order::SetTrapMail { domains };
        let directive = Directive::new(by, why, order, self.clock.now(), after);
        match self.journal.append(Entry::Directive(directive).into()).await {
            Ok(offset) => drop(self.published.reached(offset).await),
            Err(error) => tracing::warn!(%error, "cannot store where the mail of trap domains goes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::trap::{Donor, Trap, TrapHasher, TrapSet};

    /// Traps in a number of domains whose route is known.
    fn traps(domains: usize, route: MailRoute) -> Arc<KnownTraps> {
        let (hasher, at, mut traps) = (TrapHasher::new([1; 32]), Timestamp::default(), TrapSet::default());
        for nth in 0..domains {
            let named = hasher.named(&format!("d{nth}.example")).unwrap();
            let donor = Donor::parse("own").unwrap();
            let (scope, domain, retired, barred) = (named.scope, named.domain, None, false);
            traps.insert(
                named.key,
                Trap { scope, domain, donor, since: at, retired, silent_since: at, barred },
            );
            traps.set_mail(&TrapMail { domain, route, decided: false, name: Some(SealedName(Vec::new())) });
        }
        Arc::new(KnownTraps { domains: traps.domains(), traps, hashing: Vec::new() })
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_milliseconds((1_000_000_000 + seconds) * 1_000)
    }

    #[test]
    fn within_a_day_each_domain_is_looked_up_once_and_never_many_at_one_time() {
        let traps = traps(1_000, MailRoute::Here);
        let mut due = DueDomains::after(at(0));
        let mut times: BTreeMap<TrapKey, usize> = BTreeMap::new();
        for minute in 1..=3 * 24 * 60 {
            let taken = due.take(&traps, at(minute * 60));
            assert!(taken.len() <= 10, "{} in one minute", taken.len());
            taken.iter().for_each(|due| *times.entry(due.domain).or_default() += 1);
        }
        assert_eq!((times.len(), times.values().min(), times.values().max()), (1_000, Some(&3), Some(&3)));
        // After a standstill of many days, each is looked up once, some at a time.
        times.clear();
        for _ in 0..100 {
            let taken = due.take(&traps, at(30 * 86_400));
            assert!(taken.len() <= LOOKED_UP_MAX);
            taken.iter().for_each(|due| *times.entry(due.domain).or_default() += 1);
        }
        assert_eq!((times.len(), times.values().max()), (1_000, Some(&1)));
    }

    #[test]
    fn new_domains_are_looked_up_at_once_and_rest_when_nobody_answers() {
        let traps = traps(120, MailRoute::Unknown);
        let mut due = DueDomains::after(at(0));
        let mut ask = |second: i64| {
            let taken = due.take(&traps, at(second));
            taken.iter().for_each(|asked| due.unanswered(asked.domain, at(second)));
            taken.len()
        };
        assert_eq!([ask(1), ask(2), ask(3), ask(4)], [50, 50, 20, 0]);
        assert!(ask(3_500) < 20, "only those whose time of the day has come");
        assert_eq!(ask(3_700), 50, "an hour later, they are asked about again");
    }
}
