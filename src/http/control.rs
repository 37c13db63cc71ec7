//! The operator's requests on the control socket. Access to the socket is the only authorisation.

use std::io::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio_util::io::{ReaderStream, SyncIoBridge};

use super::addresses::{Problem, bad_address};
use super::{App, DonorLine, donors, feed};
use crate::blocklist::DonorRecord;
use crate::digest::Digester;
use crate::evidence::{Directive, Entry, Offset, Order};
use crate::explain;
use crate::export;
use crate::journal::JournalError;
use crate::mail::Mailbox;
use crate::publish::tick_number;
use crate::relay::Relay;
use crate::replay::{self, ZoneDigest, zone_digests};
use crate::time::{Span, Timestamp};
use crate::trap::{Donor, DonorTerms, NamedTrap};
use crate::zone::{DomainName, ZoneContents, ZoneMatch};

/// Size in octets of the buffer between the writer of an export and the HTTP response.
const EXPORT_OCTETS: usize = 64 << 10;

/// A trap to add: an address, a pattern or a domain.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewTrap {
    /// The address, pattern or domain.
    pub trap: String,
    /// The donor that gives it.
    pub donor: String,
    /// Since when the address has sent no mail and expected none; the time of the directive if
    /// absent.
    #[serde(default)]
    pub silent_since: Option<Timestamp>,
    /// Who made the change.
    pub by: String,
    /// Why.
    pub why: String,
}

/// A trap to retire.
#[derive(Debug, Serialize, Deserialize)]
pub struct RetireTrap {
    /// The address, pattern or domain, or the key of the trap.
    pub trap: String,
    /// Who made the change.
    pub by: String,
    /// Why.
    pub why: String,
}

/// A removal of an address from all zones.
#[derive(Debug, Serialize, Deserialize)]
pub struct RemovalRequest {
    /// The address to remove.
    pub address: String,
    /// Who removed it.
    pub by: String,
    /// Why.
    pub why: String,
}

/// An advance of the laboratory clock.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClockAdvance {
    /// How far to advance it.
    pub advance: Span,
}

/// The response to a directive that took effect.
#[derive(Debug, Serialize, Deserialize)]
pub struct DirectiveDone {
    /// The directive's journal entry.
    pub offset: Offset,
    /// The time of the fold after it.
    pub time: Timestamp,
}

/// A change of a donor's terms. Absent fields remain as they are.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DonorChange {
    /// The donor. One that does not exist is created.
    pub donor: String,
    /// The digest of the donor's token, as `backscatterd token` prints it; an empty string removes
    /// the token.
    pub token_digest: Option<String>,
    /// Maximum number of active traps.
    pub traps_max: Option<u64>,
    /// Maximum number of forwarded messages and log lines per day.
    pub reports_per_day_max: Option<u64>,
    /// Weight of the donor's evidence in thousandths of a whole report, at most 1,000.
    pub weight: Option<u16>,
    /// Nothing is accepted from the donor, and nothing that its traps receive counts.
    pub suspended: Option<bool>,
    /// The donor's `silent_since` times are used.
    pub silence_believed: Option<bool>,
    /// The donor sends hashes of addresses instead of addresses.
    pub sends_hashes: Option<bool>,
    /// The donor may give whole domains, domains with their subdomains, and patterns.
    pub gives_domains: Option<bool>,
    /// Addresses and networks of the donor's mail hosts, whose Received lines are trusted in
    /// forwarded messages.
    pub relays: Option<Vec<String>>,
    /// Who made the change.
    pub by: String,
    /// Why.
    pub why: String,
}

/// Query parameters of a trap list import.
#[derive(Deserialize)]
pub(super) struct ImportQuery {
    /// The format: `lines`, `csv` or `jsonl`.
    form: String,
    /// Who imports it.
    by: String,
    /// Retire the donor's other traps.
    #[serde(default)]
    replace: bool,
}

/// All zones at one time.
#[derive(Debug, Serialize, Deserialize)]
pub struct ZonesJson {
    /// The time of the snapshot.
    pub time: Timestamp,
    /// The last journal entry folded.
    pub offset: Offset,
    /// The zones.
    pub zones: Vec<ZoneLine>,
}

/// One zone.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneLine {
    /// The origin.
    pub origin: String,
    /// The SOA serial.
    pub serial: u32,
    /// Number of listed addresses and ranges.
    pub entries: usize,
    /// The digest of the zone's contents.
    pub digest: String,
}

/// Query parameters of an explanation.
#[derive(Deserialize)]
pub(super) struct FormatQuery {
    /// `text` for plain text, else JSON.
    #[serde(default)]
    format: String,
}

/// `GET /control/v1/explain/{address}`: an explanation as JSON or, with `format=text`, as plain
/// text.
pub(super) async fn explain(
    State(app): State<Arc<App>>,
    Path(address): Path<String>,
    Query(form): Query<FormatQuery>,
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

/// Query parameters of a notice: the mail addresses of its sender and its recipient.
#[derive(Deserialize)]
pub(super) struct NoticeQuery {
    from: String,
    to: String,
}

/// `GET /control/v1/notice/{address}?from=...&to=...`: a feedback report (RFC 5965) that the
/// operator can send.
pub(super) async fn notice(
    State(app): State<Arc<App>>,
    Path(address): Path<String>,
    Query(between): Query<NoticeQuery>,
) -> Response {
    let mailbox = |text: &str| Mailbox::parse(text).ok_or_else(|| format!("{text:?} is not a mail address"));
    let read = address
        .parse::<Relay>()
        .and_then(|relay| Ok((relay, mailbox(&between.from)?, mailbox(&between.to)?)));
    let (relay, from, to) = match read {
        Ok(read) => read,
        Err(problem) => return bad_address(problem),
    };
    let envelope = explain::NoticeEnvelope { from: &from, to: &to, now: app.clock.now() };
    let record = app.published.relay(relay).unwrap_or_default();
    match explain::notice(relay, &record, &app.published.snapshot(), &envelope) {
        Some(notice) => notice.into_response(),
        None => {
            let error = format!("{relay} is not listed");
            (StatusCode::NOT_FOUND, Json(Problem { error })).into_response()
        }
    }
}

/// `GET /control/v1/traps`: the traps of all donors, as JSON lines of [`feed::TrapLine`].
pub(super) async fn traps(State(app): State<Arc<App>>) -> Response {
    feed::listed(&app, None)
}

/// `GET /control/v1/donors`: all donors.
pub(super) async fn donors(State(app): State<Arc<App>>) -> Json<Vec<DonorLine>> {
    let (traps, now) = (app.published.traps(), app.published.snapshot().time);
    let line = |(donor, record): (&Donor, &DonorRecord)| {
        DonorLine::of(donor, record, traps.traps.count_of(donor), now)
    };
    Json(app.published.donors().iter().map(line).collect())
}

/// `POST /control/v1/donors`: creates a donor or changes its terms.
pub(super) async fn set_donor(State(app): State<Arc<App>>, Json(change): Json<DonorChange>) -> Response {
    let changed = Donor::parse(&change.donor).and_then(|donor| {
        let before = app.published.donors().get(&donor).map(|record| record.terms.clone());
        let mut terms = before.unwrap_or_default();
        match change.token_digest.as_deref() {
            None => {}
            Some("") => terms.token = None,
            Some(digest) => terms.token = Some(digest.parse()?),
        }
        if let Some(relays) = &change.relays {
            terms.relays = relays.iter().map(|relay| relay.parse()).collect::<Result<_, _>>()?;
        }
        terms.weight = change.weight.unwrap_or(terms.weight);
        if terms.weight > 1_000 {
            return Err(format!("weight {} is more than 1000, the weight of a whole report", terms.weight));
        }
        terms.traps_max = change.traps_max.unwrap_or(terms.traps_max);
        terms.reports_per_day_max = change.reports_per_day_max.unwrap_or(terms.reports_per_day_max);
        terms.suspended = change.suspended.unwrap_or(terms.suspended);
        terms.silence_believed = change.silence_believed.unwrap_or(terms.silence_believed);
        terms.sends_hashes = change.sends_hashes.unwrap_or(terms.sends_hashes);
        terms.gives_domains = change.gives_domains.unwrap_or(terms.gives_domains);
        Ok(Order::SetDonor { donor, terms })
    });
    match changed {
        Ok(order) => direct(&app, change.by, change.why, order).await,
        Err(problem) => bad_address(problem),
    }
}

/// `GET /control/v1/donors/{donor}/key`: the key, in hexadecimal, with which the donor hashes its
/// addresses.
pub(super) async fn donor_key(State(app): State<Arc<App>>, Path(donor): Path<String>) -> Response {
    match Donor::parse(&donor) {
        Ok(donor) => {
            let hex =
                |octets: [u8; 32]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
            hex(app.keys.hasher().donor_key(&donor)).into_response()
        }
        Err(problem) => bad_address(problem),
    }
}

/// `GET /control/v1/donors/{donor}/address`: the local part of the address to which the donor
/// forwards reports.
pub(super) async fn donor_address(State(app): State<Arc<App>>, Path(donor): Path<String>) -> Response {
    match Donor::parse(&donor).map(|donor| (app.published.donors().get(&donor).cloned(), donor)) {
        Ok((Some(record), donor)) => app.keys.hasher().forward_local(&donor, &record.terms).into_response(),
        Ok((None, donor)) => {
            (StatusCode::NOT_FOUND, Json(Problem { error: format!("there is no donor {donor}") }))
                .into_response()
        }
        Err(problem) => bad_address(problem),
    }
}

/// `POST /control/v1/donors/{donor}/traps?form=...&by=...&replace=...`: imports a trap list in the
/// donor's name.
pub(super) async fn import_traps(
    State(app): State<Arc<App>>,
    Path(donor): Path<String>,
    Query(import): Query<ImportQuery>,
    body: axum::body::Body,
) -> Response {
    let (donor, form) = match (Donor::parse(&donor), import.form.parse()) {
        (Ok(donor), Ok(form)) => (donor, form),
        (Err(problem), _) | (_, Err(problem)) => return bad_address(problem),
    };
    let terms = app.published.donors().get(&donor).map(|record| record.terms.clone()).unwrap_or_default();
    // The restrictions of the donor's terms do not apply to the operator.
    let terms = DonorTerms { silence_believed: true, gives_domains: true, sends_hashes: true, ..terms };
    let change = if import.replace { feed::FeedAction::Replace } else { feed::FeedAction::Add };
    let list = feed::TrapFeed { from: feed::FeedSender::Operator, donor, terms, by: import.by, form, change };
    feed::change(&app, list, body).await
}

/// `POST /control/v1/reports`: submits a message to any trap, in the name of the trap's donor or of
/// the donor in the query.
pub(super) async fn report(
    State(app): State<Arc<App>>,
    Query(handed): Query<donors::SubmissionQuery>,
    headers: axum::http::HeaderMap,
    message: axum::body::Bytes,
) -> Response {
    let donor = match handed.donor.as_deref().map(Donor::parse).transpose() {
        Ok(donor) => donor,
        Err(problem) => return bad_address(problem),
    };
    let known = donor.map(|donor| {
        let record = app.published.donors().get(&donor).cloned().unwrap_or_default();
        (donor, record)
    });
    donors::submit(&app, known, handed, &headers, message).await
}

/// `POST /control/v1/traps`: adds a trap.
pub(super) async fn add_trap(State(app): State<Arc<App>>, Json(new): Json<NewTrap>) -> Response {
    let order =
        match Donor::parse(&new.donor).and_then(|donor| Ok((app.keys.hasher().named(&new.trap)?, donor))) {
            Ok((NamedTrap { scope, key, domain }, donor)) => {
                Order::AddTrap { key, scope, domain, donor, silent_since: new.silent_since }
            }
            Err(problem) => return bad_address(problem),
        };
    direct(&app, new.by, new.why, order).await
}

/// `POST /control/v1/traps/retire`: retires a trap.
pub(super) async fn retire_trap(State(app): State<Arc<App>>, Json(retire): Json<RetireTrap>) -> Response {
    let key = retire.trap.parse().or_else(|_| app.keys.hasher().named(&retire.trap).map(|named| named.key));
    match key {
        Ok(key) if app.published.traps().traps.is_active(key) => {
            direct(&app, retire.by, retire.why, Order::RetireTrap { key }).await
        }
        Ok(_) => {
            let problem = Problem { error: "there is no active trap with this name or key".to_owned() };
            (StatusCode::NOT_FOUND, Json(problem)).into_response()
        }
        Err(problem) => bad_address(problem),
    }
}

/// `POST /control/v1/log-lines?donor=...`: submits lines of the mail log of a donor's MTA.
pub(super) async fn log_lines(
    State(app): State<Arc<App>>,
    Query(handed): Query<donors::SubmissionQuery>,
    text: String,
) -> Response {
    match Donor::parse(handed.donor.as_deref().unwrap_or_default()) {
        Ok(donor) => {
            let record = app.published.donors().get(&donor).cloned().unwrap_or_default();
            donors::log_lines(&app, &donor, &record, &text).await
        }
        Err(problem) => bad_address(problem),
    }
}

/// `POST /control/v1/removals`: removes an address from all zones.
pub(super) async fn remove(State(app): State<Arc<App>>, Json(removal): Json<RemovalRequest>) -> Response {
    match removal.address.parse() {
        Ok(relay) => direct(&app, removal.by, removal.why, Order::Remove { relay }).await,
        Err(problem) => bad_address(problem),
    }
}

/// `GET /control/v1/zones`: all zones.
pub(super) async fn zones(State(app): State<Arc<App>>) -> Json<ZonesJson> {
    let line = |zone: ZoneDigest| ZoneLine {
        origin: zone.origin,
        serial: zone.serial,
        entries: zone.entries,
        digest: zone.digest.to_string(),
    };
    Json(ZonesJson {
        time: app.published.snapshot().time,
        offset: app.published.applied(),
        zones: zone_digests(&app.published.snapshot()).into_iter().map(line).collect(),
    })
}

/// `GET /control/v1/zones/{zone}/export/{form}`: a zone in one of the formats of [`export::FORMS`].
pub(super) async fn export(
    State(app): State<Arc<App>>,
    Path((zone, form)): Path<(String, String)>,
) -> Response {
    let (form, origin) = match (export::form(&form), DomainName::parse(&zone)) {
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
        let contents = ZoneContents::new(ZoneMatch::Judged(&snapshot.zones()[nth]), now);
        let mut out = std::io::BufWriter::with_capacity(EXPORT_OCTETS, SyncIoBridge::new(writer));
        let written = (form.write)(&contents, &mut out).and_then(|()| out.flush());
        if let Err(error) = written {
            tracing::debug!(%error, "an export was not completed");
        }
    });
    axum::body::Body::from_stream(ReaderStream::new(reader)).into_response()
}

/// `GET /control/v1/replay/{beginning}`: folds the journal again, apart from the running fold.
pub(super) async fn replay(State(app): State<Arc<App>>, Path(beginning): Path<String>) -> Response {
    let beginning = match beginning.parse() {
        Ok(beginning) => beginning,
        Err(problem) => return bad_address(problem),
    };
    let journal = Arc::clone(&app.journal);
    let failed = |error: String| (StatusCode::INTERNAL_SERVER_ERROR, Json(Problem { error })).into_response();
    match tokio::task::spawn_blocking(move || replay::replay(&*journal, beginning)).await {
        Ok(Ok(replay)) => replay.to_string().into_response(),
        Ok(Err(error)) => failed(error.to_string()),
        Err(error) => failed(error.to_string()),
    }
}

/// `POST /control/v1/backtest`: applies the policy of a zone file, the request body, to the
/// journal.
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

/// `POST /control/v1/clock`: advances the laboratory clock and appends a tick.
pub(super) async fn advance_clock(
    State(app): State<Arc<App>>,
    Json(advance): Json<ClockAdvance>,
) -> Response {
    let Some(laboratory) = &app.laboratory else {
        let problem = "the system clock cannot be advanced; set clock.laboratory".to_owned();
        return (StatusCode::CONFLICT, Json(Problem { error: problem })).into_response();
    };
    let now = laboratory.advance(advance.advance);
    append(&app, Entry::Tick(tick_number(now, app.tick_interval))).await
}

/// Appends a directive to the journal and responds when it has taken effect.
pub(super) async fn direct(app: &App, by: String, why: String, order: Order) -> Response {
    // The id includes the time and the head of the journal, so that a repeated order is a new
    // directive.
    let mut digester = Digester::default();
    let now = app.clock.now().milliseconds().to_be_bytes();
    let head = app.journal.head().borrow().number().to_be_bytes();
    digester.add(by.as_bytes()).add(why.as_bytes()).add(format!("{order:?}").as_bytes()).add(&now).add(&head);
    append(app, Entry::Directive(Directive { id: digester.digest(), by, why, order })).await
}

/// Appends an entry and responds when it has taken effect, so that the client's next request sees
/// it.
async fn append(app: &App, entry: Entry) -> Response {
    match app.journal.append(entry.into()).await {
        Ok(offset) if !app.published.reached(offset).await => {
            let problem =
                format!("recorded as entry {offset}, but it has not taken effect yet; see the daemon's log");
            (StatusCode::GATEWAY_TIMEOUT, Json(Problem { error: problem })).into_response()
        }
        Ok(offset) if app.published.refusal(offset).is_some() => {
            let why = app.published.refusal(offset).unwrap_or_default();
            let problem = format!("entry {offset} had no effect: {why}");
            (StatusCode::CONFLICT, Json(Problem { error: problem })).into_response()
        }
        Ok(offset) => Json(DirectiveDone { offset, time: app.published.snapshot().time }).into_response(),
        Err(error) => {
            let status = match error {
                JournalError::Busy => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, Json(Problem { error: error.to_string() })).into_response()
        }
    }
}
