//! Import of trap lists: a request body is read as a stream, and may have millions of lines.
//!
//! The report names each wrong line by its number and never quotes it, because trap addresses are
//! secret.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use memchr::memchr;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use super::App;
use super::addresses::Problem;
use crate::digest::Digester;
use crate::evidence::{Directive, Entry, GivenTrap, ORDER_TRAPS_MAX, Offset, Order};
use crate::journal::JournalError;
use crate::time::{Stopwatch, Timestamp};
use crate::trap::feed::{FeedAuthor, FeedForm, LINE_OCTETS_MAX, read};
use crate::trap::{Donor, DonorTerms, KnownTraps, TrapHasher, TrapKey};

/// Maximum number of donors' lists that are imported at one time; 503 beyond.
const AT_ONCE_MAX: usize = 4;
/// Maximum size of a list in octets; 413 beyond.
const LIST_OCTETS_MAX: u64 = 512 << 20;
/// Maximum number of traps in a list; 413 beyond.
const LIST_TRAPS_MAX: usize = 4_000_000;
/// Maximum size in octets of a list that is one JSON object or array.
const JSON_OCTETS_MAX: usize = 1 << 20;
/// Maximum number of wrong lines that are reported individually.
const PROBLEMS_MAX: usize = 10_000;
/// Maximum time in which a client must send or receive something.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Size in octets of the buffer between the writer of a trap listing and the HTTP response.
const LISTED_OCTETS: usize = 64 << 10;

/// `PUT` may always retire this many traps, even if they are more than half of the donor's traps.
const SHRINK_FLOOR: usize = 10;
/// Minimum rate of a list in octets per second, after its first minute.
const LIST_RATE_MIN: u64 = 1 << 10;

static AT_ONCE: Semaphore = Semaphore::const_new(AT_ONCE_MAX);
/// The operator imports one list at a time, independent of donors.
static OPERATORS_PLACE: Semaphore = Semaphore::const_new(1);
/// Trap listings that are sent at one time; 503 beyond.
static LISTED_AT_ONCE: Semaphore = Semaphore::const_new(8);

/// What to do with the traps of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FeedAction {
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
    hasher: TrapHasher,
    known: Arc<KnownTraps>,
    author: FeedAuthor,
    form: FeedForm,
    change: FeedAction,
    /// What is left of the donor's trap quota.
    room: u64,
    /// Whether the `silent_since` times of the list are used.
    believed: bool,
    /// The beginning of an incomplete line.
    rest: Vec<u8>,
    named: HashSet<TrapKey>,
    ready: Vec<GivenTrap>,
    report: FeedReport,
}

impl FeedReading {
    /// Reads all complete lines and keeps the rest.
    fn take(&mut self, octets: &[u8]) {
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
        match read(line, self.form, &self.hasher, &self.author) {
            Ok(None) => {}
            Ok(Some(line)) => self.trap(line.trap, line.silent_since),
            Err(problem) => self.reject(problem),
        }
    }

    fn trap(&mut self, named: crate::trap::NamedTrap, silent_since: Option<Timestamp>) {
        let key = named.key;
        if !self.named.insert(key) {
            self.report.known += 1;
            return;
        }
        let is_given = self.known.traps.is_given_by(key, &self.author.donor);
        let counts = match self.change {
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
        if is_given != (self.change == FeedAction::Retire) {
            self.report.known += 1;
            return;
        }
        self.report.taken += 1;
        let silent_since = silent_since.filter(|_| self.believed);
        self.ready.push(GivenTrap { key, scope: named.scope, domain: named.domain, silent_since });
    }

    fn reject(&mut self, problem: String) {
        self.report.rejected += 1;
        if self.report.problems.len() < PROBLEMS_MAX {
            self.report.problems.push(FeedProblem { line: self.report.lines, problem });
        } else {
            self.report.problems_left_out += 1;
        }
    }

    fn is_too_much(&self) -> bool {
        self.named.len() > LIST_TRAPS_MAX
    }
}

/// Why a list was not read to its end.
enum Stopped {
    TooMuch,
    Client(String),
    Journal(JournalError),
}

/// Appends the directives of one import to the journal. The list's nonce and a counter make their
/// ids unique.
struct Orders<'a> {
    app: &'a App,
    by: String,
    list: [u8; 16],
    nth: u64,
    last: Offset,
}

impl Orders<'_> {
    async fn give(&mut self, order: Order) -> Result<(), JournalError> {
        self.nth += 1;
        let mut digester = Digester::default();
        digester.add(b"feed").add(&self.list).add(&self.nth.to_be_bytes());
        let directive =
            Directive { id: digester.digest(), by: self.by.clone(), why: "a donor's list".to_owned(), order };
        self.last = self.app.journal.append(Entry::Directive(directive).into()).await?;
        Ok(())
    }
}

/// The sender of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FeedSender {
    /// The donor, through the API.
    Donor,
    /// The operator, through the control socket.
    Operator,
}

/// A lock per donor. Two concurrent lists of a donor would both be checked against the same
/// remaining quota.
struct OneAtATime<'a> {
    app: &'a App,
    donor: Donor,
}

impl<'a> OneAtATime<'a> {
    fn of(app: &'a App, donor: &Donor) -> Option<Self> {
        app.feeding.insert(donor.clone()).then(|| OneAtATime { app, donor: donor.clone() })
    }
}

impl Drop for OneAtATime<'_> {
    fn drop(&mut self) {
        self.app.feeding.remove(&self.donor);
    }
}

/// A list to import.
pub(super) struct TrapFeed {
    /// Who sent it.
    pub(super) from: FeedSender,
    /// The donor of the traps.
    pub(super) donor: Donor,
    /// The donor's terms.
    pub(super) terms: DonorTerms,
    /// The author of the directives, for the journal and the audit log.
    pub(super) by: String,
    /// The format of the list.
    pub(super) form: FeedForm,
    /// What to do with the traps.
    pub(super) change: FeedAction,
}

/// Imports a list. The response contains a [`FeedReport`], or a [`Problem`] if nothing of the list
/// was read.
pub(super) async fn change(app: &App, list: TrapFeed, body: Body) -> Response {
    let TrapFeed { from, donor, terms, by, form, change } = list;
    let busy = |error: String| (StatusCode::SERVICE_UNAVAILABLE, Json(Problem { error })).into_response();
    if terms.suspended {
        let error = "the donor is suspended".to_owned();
        return (StatusCode::CONFLICT, Json(Problem { error })).into_response();
    }
    let place = match from {
        FeedSender::Donor => AT_ONCE.try_acquire().ok(),
        FeedSender::Operator => OPERATORS_PLACE.try_acquire().ok(),
    };
    let Some(_place) = place else {
        return busy("too many other lists are being imported; try again later".to_owned());
    };
    let Some(_turn) = OneAtATime::of(app, &donor) else {
        return busy("another list of this donor is being imported; try again later".to_owned());
    };
    let Ok(nonce) = app.keys.nonce() else { return busy("the system provides no random numbers".to_owned()) };
    let known = app.published.traps();
    let mut reading = FeedReading {
        hasher: app.keys.hasher().clone(),
        room: match change {
            FeedAction::Replace => terms.traps_max,
            FeedAction::Add | FeedAction::Retire => {
                terms.traps_max.saturating_sub(known.traps.count_of(&donor).active)
            }
        },
        believed: terms.silence_believed,
        known,
        author: FeedAuthor { donor, gives_domains: terms.gives_domains, sends_hashes: terms.sends_hashes },
        form,
        change,
        rest: Vec::new(),
        named: HashSet::new(),
        ready: Vec::new(),
        report: FeedReport::default(),
    };
    let mut orders = Orders { app, by, list: nonce, nth: 0, last: Offset::START };
    let mut stopped = None;
    if let Err(why) = read_list(&mut reading, &mut orders, body).await {
        stopped = Some(why);
    }
    let mut report = std::mem::take(&mut reading.report);
    if change == FeedAction::Replace && stopped.is_none() {
        if report.rejected > 0 {
            report.kept =
                Some("some lines are wrong, so none of the donor's other traps was retired".to_owned());
        } else {
            match tokio::task::block_in_place(|| others(&reading)) {
                Err(why) => report.kept = Some(why),
                Ok(keys) => match retire(&reading.author.donor, &keys, &mut orders).await {
                    Ok(retired) => report.retired = retired,
                    Err(error) => stopped = Some(Stopped::Journal(error)),
                },
            }
        }
    }
    // Wait until the changes have taken effect, so that the client's next request sees them.
    if orders.last > Offset::START && !app.published.reached(orders.last).await {
        tracing::warn!(offset = %orders.last, "a donor's trap list has not taken effect yet");
    }
    let (status, why) = match stopped {
        None => (StatusCode::OK, None),
        Some(Stopped::TooMuch) => (
            StatusCode::PAYLOAD_TOO_LARGE,
            Some(format!(
                "the list has more than {LIST_OCTETS_MAX} octets or {LIST_TRAPS_MAX} traps; send several lists"
            )),
        ),
        Some(Stopped::Client(why)) => (StatusCode::BAD_REQUEST, Some(why)),
        Some(Stopped::Journal(error)) => (StatusCode::SERVICE_UNAVAILABLE, Some(error.to_string())),
    };
    report.stopped = why;
    (status, Json(report)).into_response()
}

async fn read_list(
    reading: &mut FeedReading,
    orders: &mut Orders<'_>,
    mut body: Body,
) -> Result<(), Stopped> {
    let (mut octets, mut whole) = (0_u64, Vec::new());
    let begun = Stopwatch::start();
    let is_one_document = reading.form == FeedForm::JsonLines;
    loop {
        let frame = tokio::time::timeout(READ_TIMEOUT, body.frame())
            .await
            .map_err(|_| Stopped::Client("no data was received for 60 seconds".to_owned()))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| Stopped::Client(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        octets += data.len() as u64;
        if u64::from(begun.seconds()) > READ_TIMEOUT.as_secs() + octets / LIST_RATE_MIN {
            return Err(Stopped::Client("the list is sent too slowly".to_owned()));
        }
        if octets > LIST_OCTETS_MAX || reading.is_too_much() {
            return Err(Stopped::TooMuch);
        }
        // A small list may be one JSON document that spans several lines.
        if is_one_document && octets <= JSON_OCTETS_MAX as u64 {
            whole.extend_from_slice(&data);
            continue;
        }
        let first = std::mem::take(&mut whole);
        take(reading, [&first, &data[..]].concat()).await;
        give(reading, orders, ORDER_TRAPS_MAX).await?;
    }
    take(reading, one_a_line(whole)).await;
    reading.end();
    give(reading, orders, 1).await
}

/// Converts a JSON array to one line per element, and any other JSON document to one line. Anything
/// else, such as JSON lines, is returned as it is.
fn one_a_line(octets: Vec<u8>) -> Vec<u8> {
    match serde_json::from_slice::<serde_json::Value>(&octets) {
        Ok(serde_json::Value::Array(values)) => {
            values.iter().flat_map(|value| (value.to_string() + "\n").into_bytes()).collect()
        }
        Ok(value) => value.to_string().into_bytes(),
        Err(_) => octets,
    }
}

/// Reads lines. A large piece is read with `block_in_place`, so that other tasks of this thread can
/// move away.
async fn take(reading: &mut FeedReading, octets: Vec<u8>) {
    if octets.len() < LINE_OCTETS_MAX {
        return reading.take(&octets);
    }
    tokio::task::block_in_place(|| reading.take(&octets));
}

/// Appends the traps that are ready to the journal, while there are at least `least` of them.
async fn give(reading: &mut FeedReading, orders: &mut Orders<'_>, least: usize) -> Result<(), Stopped> {
    while reading.ready.len() >= least {
        let count = reading.ready.len().min(ORDER_TRAPS_MAX);
        let traps: Vec<GivenTrap> = reading.ready.drain(..count).collect();
        let donor = reading.author.donor.clone();
        let order = match reading.change {
            FeedAction::Retire => {
                Order::RetireTraps { donor, keys: traps.into_iter().map(|trap| trap.key).collect() }
            }
            FeedAction::Add | FeedAction::Replace => Order::AddTraps { donor, traps },
        };
        orders.give(order).await.map_err(Stopped::Journal)?;
    }
    Ok(())
}

/// The donor's active traps that the list does not contain.
///
/// # Errors
/// When they are more than half of the donor's active traps and more than [`SHRINK_FLOOR`]: the
/// list may be the wrong file.
fn others(reading: &FeedReading) -> Result<Vec<TrapKey>, String> {
    let mut others = Vec::new();
    let mut active = 0;
    for (key, trap) in reading.known.traps.of_donor(&reading.author.donor) {
        if trap.retired.is_none() {
            active += 1;
            if !reading.named.contains(&key) {
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

/// Retires traps; returns their number.
async fn retire(donor: &Donor, keys: &[TrapKey], orders: &mut Orders<'_>) -> Result<u64, JournalError> {
    for keys in keys.chunks(ORDER_TRAPS_MAX) {
        orders.give(Order::RetireTraps { donor: donor.clone(), keys: keys.to_vec() }).await?;
    }
    Ok(keys.len() as u64)
}

/// One trap of a listing. It is identified by its key, as the address is not stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct TrapLine {
    /// The trap's key.
    pub key: String,
    /// `address`, `pattern`, `domain` or `subdomains`.
    pub scope: String,
    /// The donor that gave the trap.
    pub donor: String,
    /// When it was added.
    pub since: Timestamp,
    /// Since when the address has sent no mail.
    pub silent_since: Timestamp,
    /// When it was retired; `None` if it is active.
    pub retired: Option<Timestamp>,
}

/// Responds with the traps of one donor, or of all donors, as JSON lines of [`TrapLine`].
pub(super) fn listed(app: &App, donor: Option<Donor>) -> Response {
    let Ok(place) = LISTED_AT_ONCE.try_acquire() else {
        let error = "too many trap listings are being sent; try again later".to_owned();
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Problem { error })).into_response();
    };
    let known = app.published.traps();
    let (writer, reader) = tokio::io::duplex(LISTED_OCTETS);
    tokio::spawn(async move {
        let _place = place;
        // An error means that the client has disconnected.
        let _ = match &donor {
            Some(donor) => write_lines(known.traps.of_donor(donor), writer).await,
            None => write_lines(known.traps.iter(), writer).await,
        };
    });
    let body = Body::from_stream(tokio_util::io::ReaderStream::new(reader));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

async fn write_lines(
    traps: impl Iterator<Item = (TrapKey, crate::trap::Trap)>,
    mut writer: impl AsyncWrite + Unpin,
) -> std::io::Result<()> {
    let mut lines = Vec::new();
    for (key, trap) in traps {
        let line = TrapLine {
            key: key.to_string(),
            scope: trap.scope.name().to_owned(),
            donor: trap.donor.to_string(),
            since: trap.since,
            silent_since: trap.silent_since,
            retired: trap.retired,
        };
        serde_json::to_writer(&mut lines, &line)?;
        lines.push(b'\n');
        if lines.len() >= LISTED_OCTETS / 2 {
            tokio::time::timeout(READ_TIMEOUT, writer.write_all(&lines)).await??;
            lines.clear();
        }
    }
    tokio::time::timeout(READ_TIMEOUT, writer.write_all(&lines)).await?
}
