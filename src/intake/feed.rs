//! Import of trap lists: a list is read as its octets arrive, and its traps become orders in the
//! journal. A list may have millions of lines.
//!
//! The report names each wrong line by its number and never quotes it, because trap addresses are
//! secret.

use std::collections::HashSet;
use std::sync::Arc;

use memchr::memchr;
use serde::{Deserialize, Serialize};

use crate::evidence::{Directive, Entry, GivenTrap, ORDER_TRAPS_MAX, Offset, Order};
use crate::journal::{Journal, JournalError};
use crate::keys::Keys;
use crate::time::Clock;
use crate::trap::feed::{self, FeedAuthor, FeedForm, FeedLine, LINE_OCTETS_MAX, one_a_line};
use crate::trap::{Donor, DonorTerms, KnownTraps, MailRoute, NamedTrap, TrapKey, TrapMail};

/// Maximum size in octets of a list that is one JSON object or array.
const JSON_OCTETS_MAX: usize = 1 << 20;
/// Maximum number of wrong lines that are reported individually.
const PROBLEMS_MAX: usize = 10_000;
/// A list that replaces others may always retire this many traps, even if they are more than half
/// of the donor's traps.
const SHRINK_FLOOR: usize = 10;

/// The import of one list.
pub struct FeedImport {
    reading: FeedReading,
    orders: FeedOrders,
}

impl FeedImport {
    /// Begins an import. `known` are the traps before it.
    pub fn begin(
        feed: TrapFeed,
        known: Arc<KnownTraps>,
        keys: Arc<Keys>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let TrapFeed { donor, terms, by, form, action } = feed;
        let head = *journal.head().borrow();
        let reading = FeedReading {
            keys,
            room: match action {
                FeedAction::Replace => terms.traps_max,
                FeedAction::Add | FeedAction::Retire => {
                    terms.traps_max.saturating_sub(known.traps.count_of(&donor).active)
                }
            },
            believed: terms.silence_believed,
            known,
            author: FeedAuthor {
                donor,
                gives_domains: terms.gives_domains,
                sends_hashes: terms.sends_hashes,
            },
            form,
            action,
            document: (form == FeedForm::JsonLines).then(Vec::new),
            rest: Vec::new(),
            named: HashSet::new(),
            domains: HashSet::new(),
            ready: Vec::new(),
            report: FeedReport::default(),
        };
        FeedImport { reading, orders: FeedOrders { journal, clock, by, head, last: None } }
    }

    /// Number of distinct traps that the list has named so far.
    pub fn traps(&self) -> usize {
        self.reading.named.len()
    }

    /// Reads the next octets of the list, and appends traps that are ready to the journal once they
    /// fill an order.
    ///
    /// # Errors
    /// When the journal takes no entry.
    pub async fn take(&mut self, octets: &[u8]) -> Result<(), JournalError> {
        // A large piece is read with `block_in_place`, so that other tasks of this thread can move
        // away. So is a small one that makes a JSON document too large, which is then read by lines.
        let waiting = self.reading.document.as_ref().map_or(0, Vec::len);
        let overflows = waiting > 0 && waiting + octets.len() > JSON_OCTETS_MAX;
        if octets.len() < LINE_OCTETS_MAX && !overflows {
            self.reading.take(octets);
        } else {
            tokio::task::block_in_place(|| self.reading.take(octets));
        }
        self.give(ORDER_TRAPS_MAX).await
    }

    /// Reads the last line, and appends all further traps to the journal. A list that replaces
    /// others then retires the donor's other traps, unless a line was wrong or they are too many.
    ///
    /// # Errors
    /// When the journal takes no entry.
    pub async fn end(&mut self) -> Result<(), JournalError> {
        tokio::task::block_in_place(|| self.reading.end());
        self.give(1).await?;
        if self.reading.action != FeedAction::Replace {
            return Ok(());
        }
        if self.reading.report.rejected > 0 {
            self.reading.report.kept =
                Some("some lines are wrong, so none of the donor's other traps was retired".to_owned());
            return Ok(());
        }
        match tokio::task::block_in_place(|| self.reading.others()) {
            Err(why) => self.reading.report.kept = Some(why),
            Ok(keys) => {
                self.retire(&keys).await?;
                self.reading.report.retired = keys.len() as u64;
            }
        }
        Ok(())
    }

    /// The result of the import, and its last entry in the journal, if there is one.
    pub fn report(self) -> (FeedReport, Option<Offset>) {
        (self.reading.report, self.orders.last)
    }

    /// Appends the traps that are ready to the journal, while there are at least `least` of them.
    async fn give(&mut self, least: usize) -> Result<(), JournalError> {
        while let Some((traps, domains)) = self.reading.orders(least) {
            self.orders.give(traps).await?;
            if let Some(domains) = domains {
                self.orders.give(domains).await?;
            }
        }
        Ok(())
    }

    async fn retire(&mut self, keys: &[TrapKey]) -> Result<(), JournalError> {
        for keys in keys.chunks(ORDER_TRAPS_MAX) {
            let donor = self.reading.author.donor.clone();
            self.orders.give(Order::RetireTraps { donor, keys: keys.to_vec() }).await?;
        }
        Ok(())
    }
}

/// A list to import.
pub struct TrapFeed {
    /// The donor of the traps.
    pub donor: Donor,
    /// The donor's terms.
    pub terms: DonorTerms,
    /// The author of the directives, for the journal and the audit log.
    pub by: String,
    /// The format of the list.
    pub form: FeedForm,
    /// What to do with the traps.
    pub action: FeedAction,
}

/// What to do with the traps of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedAction {
    /// Add them (`POST`).
    Add,
    /// Add them and, if no line was wrong, retire all other traps of the donor (`PUT`).
    Replace,
    /// Retire them (`DELETE`).
    Retire,
}

/// The result of an import.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedReport {
    /// Lines read.
    pub lines: u64,
    /// Traps added, or for `DELETE` retired.
    pub taken: u64,
    /// Lines without effect: the trap occurs twice in the list, or was active before (for `DELETE`:
    /// was not active).
    pub known: u64,
    /// Wrong lines.
    pub rejected: u64,
    /// The first wrong lines, at most 10,000.
    pub problems: Vec<FeedProblem>,
    /// Number of further wrong lines.
    pub problems_left_out: u64,
    /// For `PUT`: number of traps retired because the list does not contain them.
    pub retired: u64,
    /// For `PUT`: why no trap was retired, if there was a reason not to.
    pub kept: Option<String>,
    /// Why the list was not read to its end, if it was not. Traps read before remain added or
    /// retired; sending the list again does no harm.
    pub stopped: Option<String>,
}

/// One wrong line of a list.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedProblem {
    /// The number of the line; the first line is 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// The state of an import.
struct FeedReading {
    keys: Arc<Keys>,
    known: Arc<KnownTraps>,
    author: FeedAuthor,
    form: FeedForm,
    action: FeedAction,
    /// What is left of the donor's trap quota.
    room: u64,
    /// Whether the `silent_since` times of the list are used.
    believed: bool,
    /// The list so far, while it may be one JSON document that spans several lines.
    document: Option<Vec<u8>>,
    /// The beginning of an incomplete line.
    rest: Vec<u8>,
    named: HashSet<TrapKey>,
    /// The domains whose names the list has told.
    domains: HashSet<TrapKey>,
    ready: Vec<ReadyTrap>,
    report: FeedReport,
}

/// A trap that is ready for an order.
struct ReadyTrap {
    trap: GivenTrap,
    /// What to record of the trap's domain, if the domain is new.
    mail: Option<TrapMail>,
}

impl FeedReading {
    /// Reads the next octets of the list.
    fn take(&mut self, octets: &[u8]) {
        let Some(document) = &mut self.document else { return self.lines(octets) };
        document.extend_from_slice(octets);
        if document.len() > JSON_OCTETS_MAX {
            let lines = self.document.take().unwrap_or_default();
            self.lines(&lines);
        }
    }

    /// Reads all complete lines and keeps the rest.
    fn lines(&mut self, octets: &[u8]) {
        let mut octets = octets;
        while let Some(end) = memchr(b'\n', octets) {
            if self.rest.is_empty() {
                self.line(&octets[..end]);
            } else {
                self.keep(&octets[..end]);
                let line = std::mem::take(&mut self.rest);
                self.line(&line);
            }
            octets = &octets[end + 1..];
        }
        self.keep(octets);
    }

    /// Appends to the incomplete line. No more is kept than is needed to recognise a line that is
    /// too long.
    fn keep(&mut self, octets: &[u8]) {
        let room = (LINE_OCTETS_MAX + 2).saturating_sub(self.rest.len());
        self.rest.extend_from_slice(&octets[..octets.len().min(room)]);
    }

    fn end(&mut self) {
        if let Some(document) = self.document.take() {
            self.lines(&one_a_line(document));
        }
        let line = std::mem::take(&mut self.rest);
        if !line.is_empty() {
            self.line(&line);
        }
    }

    fn line(&mut self, line: &[u8]) {
        self.report.lines += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > LINE_OCTETS_MAX {
            return self.reject(format!("the line is longer than {LINE_OCTETS_MAX} octets"));
        }
        match feed::read(line, self.form, self.keys.hasher(), &self.author) {
            Ok(None) => {}
            Ok(Some(line)) => self.trap(line),
            Err(problem) => self.reject(problem),
        }
    }

    fn trap(&mut self, line: FeedLine) {
        let FeedLine { trap: NamedTrap { scope, key, domain }, silent_since, domain: name } = line;
        if !self.named.insert(key) {
            self.report.known += 1;
            return;
        }
        let is_given = self.known.traps.is_given_by(key, &self.author.donor);
        let counts = match self.action {
            FeedAction::Retire => false,
            FeedAction::Add => !is_given,
            // All others will be retired.
            FeedAction::Replace => true,
        };
        if counts {
            if self.room == 0 {
                self.named.remove(&key);
                return self.reject("the trap quota is used up".to_owned());
            }
            self.room -= 1;
        }
        if is_given != (self.action == FeedAction::Retire) {
            self.report.known += 1;
            return;
        }
        self.report.taken += 1;
        let silent_since = silent_since.filter(|_| self.believed);
        let trap = GivenTrap { key, scope, domain, silent_since };
        let mail = name.and_then(|name| self.new_domain(domain, &name));
        self.ready.push(ReadyTrap { trap, mail });
    }

    /// What to record of a trap's domain, unless its name is known.
    fn new_domain(&mut self, domain: TrapKey, name: &str) -> Option<TrapMail> {
        if !self.domains.insert(domain) || self.known.traps.mail_of(domain).name.is_some() {
            return None;
        }
        match self.keys.seal_name(domain, name) {
            Ok(name) => {
                Some(TrapMail { domain, route: MailRoute::Unknown, decided: false, name: Some(name) })
            }
            Err(error) => {
                tracing::error!(%error, "cannot seal the name of a trap domain; the domain is not looked up");
                None
            }
        }
    }

    fn reject(&mut self, problem: String) {
        self.report.rejected += 1;
        if self.report.problems.len() < PROBLEMS_MAX {
            self.report.problems.push(FeedProblem { line: self.report.lines, problem });
        } else {
            self.report.problems_left_out += 1;
        }
    }

    /// The next order with traps of the list, if at least `least` of them are ready, and the order with
    /// their new domains, which comes after it.
    fn orders(&mut self, least: usize) -> Option<(Order, Option<Order>)> {
        if self.ready.len() < least {
            return None;
        }
        let count = self.ready.len().min(ORDER_TRAPS_MAX);
        let (mut traps, mut domains) = (Vec::with_capacity(count), Vec::new());
        for ReadyTrap { trap, mail } in self.ready.drain(..count) {
            traps.push(trap);
            domains.extend(mail);
        }
        let donor = self.author.donor.clone();
        Some(match self.action {
            FeedAction::Retire => {
                let keys = traps.into_iter().map(|trap| trap.key).collect();
                (Order::RetireTraps { donor, keys }, None)
            }
            FeedAction::Add | FeedAction::Replace => {
                let domains = (!domains.is_empty()).then_some(Order::SetTrapMail { domains });
                (Order::AddTraps { donor, traps }, domains)
            }
        })
    }

    /// The donor's active traps that the list does not contain.
    ///
    /// # Errors
    /// When they are more than half of the donor's active traps and more than [`SHRINK_FLOOR`]: the
    /// list may be the wrong file.
    fn others(&self) -> Result<Vec<TrapKey>, String> {
        let mut others = Vec::new();
        let mut active = 0;
        for (key, trap) in self.known.traps.of_donor(&self.author.donor) {
            if trap.retired.is_none() {
                active += 1;
                if !self.named.contains(&key) {
                    others.push(key);
                }
            }
        }
        if others.len() > SHRINK_FLOOR && others.len() * 2 > active {
            return Err(format!(
                "the list does not contain {} of the donor's {active} traps, so none was retired; use DELETE to retire them",
                others.len()
            ));
        }
        Ok(others)
    }
}

/// Appends the directives of one import to the journal.
struct FeedOrders {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    by: String,
    /// The head of the journal before the import.
    head: Offset,
    /// The last entry of the import.
    last: Option<Offset>,
}

impl FeedOrders {
    async fn give(&mut self, order: Order) -> Result<(), JournalError> {
        let (why, now) = ("a donor's list".to_owned(), self.clock.now());
        let directive = Directive::new(self.by.clone(), why, order, now, self.last.unwrap_or(self.head));
        self.last = Some(self.journal.append(Entry::Directive(directive).into()).await?);
        Ok(())
    }
}
