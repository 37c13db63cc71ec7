//! The operator's verbs. Whoever reaches the socket may use them all.

use std::io::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio_util::io::{ReaderStream, SyncIoBridge};

use super::App;
use super::addresses::{Problem, bad_address};
use crate::digest::Digester;
use crate::evidence::{Directive, Entry, Offset, Order};
use crate::explain;
use crate::export;
use crate::journal::JournalError;
use crate::mail::Mailbox;
use crate::publish::tick_number;
use crate::relay::Relay;
use crate::time::{Span, Timestamp};
use crate::trap::{Donor, Scope, TrapKey};
use crate::zone::{Contents, Name, Within};

/// Octets of an export that wait for whoever reads it.
const EXPORT_OCTETS: usize = 64 << 10;

/// A trap to add: an address, or a whole domain.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewTrap {
    pub trap: String,
    pub donor: String,
    /// Since when it has been known to send no mail and to expect none; else since now.
    #[serde(default)]
    pub silent_since: Option<Timestamp>,
    pub by: String,
    pub why: String,
}

/// A trap to retire: an address, a domain, or the key that stands for it.
#[derive(Debug, Serialize, Deserialize)]
pub struct RetireTrap {
    pub trap: String,
    pub by: String,
    pub why: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Removal {
    pub address: String,
    pub by: String,
    pub why: String,
}

/// How far to move a laboratory's clock.
#[derive(Debug, Serialize, Deserialize)]
pub struct Advance {
    pub advance: Span,
}

/// A directive took effect.
#[derive(Debug, Serialize, Deserialize)]
pub struct Done {
    pub offset: u64,
    pub time: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Traps {
    pub traps: Vec<TrapLine>,
}

/// A trap as far as anyone may see it: its key, not its address.
#[derive(Debug, Serialize, Deserialize)]
pub struct TrapLine {
    pub key: String,
    pub scope: String,
    pub donor: String,
    pub since: Timestamp,
    pub retired: Option<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Zones {
    pub time: Timestamp,
    pub offset: u64,
    pub zones: Vec<ZoneLine>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneLine {
    pub origin: String,
    pub serial: u32,
    pub entries: usize,
    pub digest: String,
}

#[derive(Deserialize)]
pub(super) struct Form {
    #[serde(default)]
    format: String,
}

/// `GET /control/v1/explain/{address}`, as JSON or, with `format=text`, for people.
pub(super) async fn explain(
    State(app): State<Arc<App>>,
    Path(address): Path<String>,
    Query(form): Query<Form>,
) -> Response {
    let relay: Relay = match address.parse() {
        Ok(relay) => relay,
        Err(problem) => return bad_address(problem),
    };
    let (published, standing) = (&app.published, app.published.standing());
    let record = published.relay(relay);
    let explanation = explain::explain(
        relay,
        record.as_deref(),
        &standing.exemptions,
        &published.snapshot(),
        published.applied(),
    );
    if form.format == "text" {
        explanation.to_string().into_response()
    } else {
        Json(explanation).into_response()
    }
}

pub(super) async fn traps(State(app): State<Arc<App>>) -> Json<Traps> {
    let line = |(key, trap): (TrapKey, &crate::trap::Trap)| TrapLine {
        key: key.to_string(),
        scope: match trap.scope {
            Scope::Domain => "domain".to_owned(),
            Scope::Address => "address".to_owned(),
        },
        donor: trap.donor.to_string(),
        since: trap.since,
        retired: trap.retired,
    };
    Json(Traps { traps: app.published.traps().iter().map(line).collect() })
}

pub(super) async fn add_trap(State(app): State<Arc<App>>, Json(new): Json<NewTrap>) -> Response {
    let order = match Donor::parse(&new.donor).and_then(|donor| Ok((named(&app, &new.trap)?, donor))) {
        Ok(((scope, key, domain), donor)) => {
            Order::AddTrap { key, scope, domain, donor, silent_since: new.silent_since }
        }
        Err(problem) => return bad_address(problem),
    };
    direct(&app, new.by, new.why, order).await
}

pub(super) async fn retire_trap(State(app): State<Arc<App>>, Json(retire): Json<RetireTrap>) -> Response {
    let key = retire.trap.parse().or_else(|_| named(&app, &retire.trap).map(|(_, key, _)| key));
    match key {
        Ok(key) if app.published.traps().get(key).is_some_and(|trap| trap.retired.is_none()) => {
            direct(&app, retire.by, retire.why, Order::RetireTrap { key }).await
        }
        Ok(_) => {
            let problem = Problem { error: "no active trap has that name or key".to_owned() };
            (StatusCode::NOT_FOUND, Json(problem)).into_response()
        }
        Err(problem) => bad_address(problem),
    }
}

/// An address or a domain, as a trap's scope, key and domain key.
pub(super) fn named(app: &App, text: &str) -> Result<(Scope, TrapKey, TrapKey), String> {
    let hasher = app.keys.hasher();
    if text.contains('@') {
        let mailbox = Mailbox::parse(text).ok_or_else(|| format!("{text:?} is not an address"))?;
        return Ok((Scope::Address, hasher.address(&mailbox), hasher.domain(mailbox.domain())));
    }
    let name = Name::parse(text)?;
    if name.labels().len() < 2 {
        return Err(format!("{text:?} is not a domain of its own"));
    }
    let key = hasher.domain(&name.labels().join("."));
    Ok((Scope::Domain, key, key))
}

pub(super) async fn remove(State(app): State<Arc<App>>, Json(removal): Json<Removal>) -> Response {
    match removal.address.parse() {
        Ok(relay) => direct(&app, removal.by, removal.why, Order::Remove { relay }).await,
        Err(problem) => bad_address(problem),
    }
}

pub(super) async fn zones(State(app): State<Arc<App>>) -> Json<Zones> {
    let line = |zone: crate::publish::ZoneDigest| ZoneLine {
        origin: zone.origin,
        serial: zone.serial,
        entries: zone.entries,
        digest: zone.digest.to_string(),
    };
    Json(Zones {
        time: app.published.snapshot().time,
        offset: app.published.applied().0,
        zones: app.published.digests().into_iter().map(line).collect(),
    })
}

/// A zone as it stands, in one of the forms that other programs read.
pub(super) async fn export(
    State(app): State<Arc<App>>,
    Path((zone, form)): Path<(String, String)>,
) -> Response {
    let (form, origin) = match (export::form(&form), Name::parse(&zone)) {
        (Ok(form), Ok(origin)) => (form, origin),
        (Err(problem), _) | (_, Err(problem)) => return bad_address(problem),
    };
    let (snapshot, now) = (app.published.snapshot(), app.clock.now());
    let Some(nth) = snapshot.zones().iter().position(|zone| zone.config.apex.origin == origin) else {
        let error = format!("there is no zone {origin}");
        return (StatusCode::NOT_FOUND, Json(Problem { error })).into_response();
    };
    let (writer, reader) = tokio::io::duplex(EXPORT_OCTETS);
    tokio::task::spawn_blocking(move || {
        let contents = Contents::new(Within::Judged(&snapshot.zones()[nth]), now);
        let mut out = std::io::BufWriter::with_capacity(EXPORT_OCTETS, SyncIoBridge::new(writer));
        // It fails only where nobody reads any more.
        let written = (form.write)(&contents, &mut out).and_then(|()| out.flush());
        if let Err(error) = written {
            tracing::debug!(%error, "an export was not read to its end");
        }
    });
    axum::body::Body::from_stream(ReaderStream::new(reader)).into_response()
}

/// Folds the journal anew beside the fold that runs.
pub(super) async fn replay(State(app): State<Arc<App>>, Path(beginning): Path<String>) -> Response {
    let beginning = match beginning.parse() {
        Ok(beginning) => beginning,
        Err(problem) => return bad_address(problem),
    };
    let journal = Arc::clone(&app.journal);
    let failed = |error: String| (StatusCode::INTERNAL_SERVER_ERROR, Json(Problem { error })).into_response();
    match tokio::task::spawn_blocking(move || crate::publish::replay(&*journal, beginning)).await {
        Ok(Ok(replay)) => replay.to_string().into_response(),
        Ok(Err(error)) => failed(error.to_string()),
        Err(error) => failed(error.to_string()),
    }
}

/// `POST /control/v1/backtest`: the body is a zone's file, whose policy is tried over the journal.
pub(super) async fn backtest(State(app): State<Arc<App>>, text: String) -> Response {
    let origin = match crate::zone::read("the file", &text) {
        Ok(zone) => zone.apex.origin.to_string(),
        Err(complaints) => {
            return bad_address(complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
    };
    let journal = Arc::clone(&app.journal);
    let failed = |error: String| (StatusCode::INTERNAL_SERVER_ERROR, Json(Problem { error })).into_response();
    let done = tokio::task::spawn_blocking(move || crate::backtest::backtest(&*journal, &origin, &text));
    match done.await {
        Ok(Ok(found)) => Json(found).into_response(),
        Ok(Err(error)) => failed(error.to_string()),
        Err(error) => failed(error.to_string()),
    }
}

/// Moves a laboratory's clock and ticks at once.
pub(super) async fn advance_clock(State(app): State<Arc<App>>, Json(advance): Json<Advance>) -> Response {
    let Some(laboratory) = &app.laboratory else {
        let problem = "the clock is the machine's; only clock.laboratory can be moved".to_owned();
        return (StatusCode::CONFLICT, Json(Problem { error: problem })).into_response();
    };
    let now = laboratory.advance(advance.advance);
    append(&app, Entry::Tick(tick_number(now, app.tick_interval))).await
}

pub(super) async fn direct(app: &App, by: String, why: String, order: Order) -> Response {
    // Told apart by what it says and when: the same order a moment later is another one.
    let mut digester = Digester::default();
    let now = app.clock.now().milliseconds().to_be_bytes();
    let head = app.journal.head().borrow().0.to_be_bytes();
    digester.add(by.as_bytes()).add(why.as_bytes()).add(format!("{order:?}").as_bytes()).add(&now).add(&head);
    append(app, Entry::Directive(Directive { id: digester.digest(), by, why, order })).await
}

/// Answers once the entry has taken effect, so that whoever asks next sees it.
async fn append(app: &App, entry: Entry) -> Response {
    match app.journal.append(entry.into()).await {
        Ok(offset) if !app.published.reached(offset).await => {
            let problem =
                format!("taken as entry {offset}, but it has not taken effect yet; see the daemon's log");
            (StatusCode::GATEWAY_TIMEOUT, Json(Problem { error: problem })).into_response()
        }
        Ok(offset) if app.published.refusal(offset).is_some() => {
            let why = app.published.refusal(offset).unwrap_or_default();
            let problem = format!("entry {offset} had no effect: {why}");
            (StatusCode::CONFLICT, Json(Problem { error: problem })).into_response()
        }
        Ok(Offset(offset)) => Json(Done { offset, time: app.published.snapshot().time }).into_response(),
        Err(error) => {
            let status = match error {
                JournalError::Busy => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, Json(Problem { error: error.to_string() })).into_response()
        }
    }
}
