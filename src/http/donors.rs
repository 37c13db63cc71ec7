//! What donors may do: feed traps, hand reports on, and see what came of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::addresses::{Problem, bad_address};
use super::feed::{self, Change};
use super::{App, tokens};
use crate::blocklist::DonorRecord;
use crate::intake::{Submission, Submitted};
use crate::mail::{Mailbox, ReversePath};
use crate::time::Timestamp;
use crate::trap::{Donor, TrapCount, feed::Form};

/// Most octets of a message that a donor hands on.
const REPORT_OCTETS_MAX: usize = crate::mail::MESSAGE_OCTETS_MAX;
/// Messages taken in at one time; 503 beyond.
static REPORTS_AT_ONCE: Semaphore = Semaphore::const_new(16);
/// Time for one to come.
const REPORT_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest idempotency key, in octets.
const KEY_OCTETS_MAX: usize = 255;

/// A donor as the donor sees itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct DonorLine {
    pub donor: String,
    pub suspended: bool,
    /// Thousandths of a whole report.
    pub weight: u16,
    pub silence_believed: bool,
    pub sends_hashes: bool,
    pub gives_domains: bool,
    /// Hosts and networks whose Received lines are believed in what the donor hands on.
    pub relays: Vec<String>,
    pub traps_active: u64,
    pub traps_retired: u64,
    pub traps_max: u64,
    pub reports_today: u64,
    pub reports_per_day_max: u64,
    /// Evidence that was counted against relays, of whatever weight. In coarse steps, for a trap may be tried out by it.
    pub counted: String,
    pub counted_last: Option<Timestamp>,
}

impl DonorLine {
    pub(super) fn of(donor: &Donor, record: &DonorRecord, traps: TrapCount, now: Timestamp) -> Self {
        let DonorRecord { terms, contribution } = record;
        DonorLine {
            donor: donor.to_string(),
            suspended: terms.suspended,
            weight: terms.weight,
            silence_believed: terms.silence_believed,
            sends_hashes: terms.sends_hashes,
            gives_domains: terms.gives_domains,
            relays: terms.relays.iter().map(ToString::to_string).collect(),
            traps_active: traps.active,
            traps_retired: traps.all.saturating_sub(traps.active),
            traps_max: terms.traps_max,
            reports_today: contribution.forwarded_on(now),
            reports_per_day_max: terms.reports_per_day_max,
            counted: coarse(contribution.counted),
            counted_last: (contribution.counted > 0).then(|| contribution.last.whole_day()),
        }
    }
}

/// A number in steps: a donor could tell by an exact one which of many addresses had been a trap before.
fn coarse(count: u64) -> String {
    match count {
        0 => "0".to_owned(),
        1..10 => "1 to 9".to_owned(),
        _ => {
            let step = 10_u64.saturating_pow(count.ilog10());
            format!("{} or more", count / step * step)
        }
    }
}

/// The donor whose token came along: known before anything of a body is read.
pub(super) struct Known(Donor, DonorRecord);

impl FromRequestParts<Arc<App>> for Known {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let peer = ConnectInfo::<SocketAddr>::from_request_parts(parts, app).await;
        let ConnectInfo(peer) = peer.map_err(IntoResponse::into_response)?;
        let donors = app.published.donors();
        let by_token = |digest| donors.iter().find(|(_, record)| record.terms.token == Some(digest));
        let (donor, record) =
            tokens::bearer(app, peer.ip(), &parts.headers, by_token).map_err(|refused| *refused)?;
        if record.terms.suspended {
            let problem =
                Problem { error: "your feed is suspended; ask the operator of this list".to_owned() };
            return Err((StatusCode::FORBIDDEN, Json(problem)).into_response());
        }
        Ok(Known(donor.clone(), record.clone()))
    }
}

/// `GET /api/v1/donor`
pub(super) async fn donor(State(app): State<Arc<App>>, Known(donor, record): Known) -> Json<DonorLine> {
    let count = app.published.traps().traps.count_of(&donor);
    Json(DonorLine::of(&donor, &record, count, app.published.snapshot().time))
}

async fn changed(app: Arc<App>, known: Known, headers: HeaderMap, body: Body, change: Change) -> Response {
    let Known(donor, record) = known;
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(form) = Form::of_media_type(media_type) else {
        let problem =
            format!("{media_type:?} is none of text/plain, text/csv, application/x-ndjson, application/json");
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, Json(Problem { error: problem })).into_response();
    };
    let by = format!("donor {donor}");
    let list = feed::List { from: feed::From::Donor, donor, terms: record.terms, by, form, change };
    feed::change(&app, list, body).await
}

/// `POST /api/v1/traps`: these as well.
pub(super) async fn add_traps(
    State(app): State<Arc<App>>,
    known: Known,
    headers: HeaderMap,
    body: Body,
) -> Response {
    changed(app, known, headers, body, Change::Add).await
}

/// `PUT /api/v1/traps`: these, and no others.
pub(super) async fn put_traps(
    State(app): State<Arc<App>>,
    known: Known,
    headers: HeaderMap,
    body: Body,
) -> Response {
    changed(app, known, headers, body, Change::Replace).await
}

/// `DELETE /api/v1/traps`: these no more.
pub(super) async fn delete_traps(
    State(app): State<Arc<App>>,
    known: Known,
    headers: HeaderMap,
    body: Body,
) -> Response {
    changed(app, known, headers, body, Change::Retire).await
}

/// `GET /api/v1/traps`: the donor's own, a JSON object a line.
pub(super) async fn traps(State(app): State<Arc<App>>, Known(donor, _): Known) -> Response {
    feed::listed(&app, Some(donor))
}

/// What a donor says of a message beside it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Handed {
    /// Whom it was for.
    recipient: Option<String>,
    /// `<>` is the null reverse-path.
    reverse_path: Option<String>,
    /// Who brought it to the donor's host.
    client: Option<std::net::IpAddr>,
    /// Only on the control socket: in whose name.
    #[serde(default)]
    pub(super) donor: Option<String>,
}

/// Where a message went.
#[derive(Debug, Serialize, Deserialize)]
pub struct Taken {
    pub id: String,
}

/// `POST /api/v1/reports`: a message that came to a donor's trap, as message/rfc822. `Idempotency-Key` makes a second try of the same message
/// safe; without one, the message is its own key.
pub(super) async fn report(
    State(app): State<Arc<App>>,
    Known(donor, record): Known,
    Query(handed): Query<Handed>,
    headers: HeaderMap,
    message: Body,
) -> Response {
    let Ok(_place) = REPORTS_AT_ONCE.try_acquire() else {
        return problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "other reports are being taken in; come back in a moment",
        );
    };
    let read = axum::body::to_bytes(message, REPORT_OCTETS_MAX);
    match tokio::time::timeout(REPORT_TIMEOUT, read).await {
        Err(_) => problem(StatusCode::REQUEST_TIMEOUT, "it comes too slowly"),
        Ok(Err(_)) => problem(StatusCode::PAYLOAD_TOO_LARGE, "the message is too large, or broke off"),
        Ok(Ok(message)) => submit(&app, Some((donor, record)), handed, &headers, message).await,
    }
}

fn problem(status: StatusCode, problem: &str) -> Response {
    (status, Json(Problem { error: problem.to_owned() })).into_response()
}

/// Takes a message in, in a donor's name or, by the operator, in that of whoever gave the trap.
pub(super) async fn submit(
    app: &App,
    donor: Option<(Donor, DonorRecord)>,
    handed: Handed,
    headers: &HeaderMap,
    message: Bytes,
) -> Response {
    let over = donor.as_ref().is_some_and(|(_, record)| {
        record.contribution.forwarded_on(app.published.snapshot().time) >= record.terms.reports_per_day_max
    });
    if over {
        return problem(StatusCode::TOO_MANY_REQUESTS, "your quota of reports for today is used up");
    }
    let Some(intake) = app.intake.get() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "no daemon runs that takes reports");
    };
    let recipient = match handed.recipient.as_deref().map(|text| Mailbox::parse(text).ok_or(text)) {
        Some(Err(text)) => return bad_address(format!("recipient: {text:?} is no address")),
        other => other.and_then(Result::ok),
    };
    let key = match headers.get("idempotency-key").map(|value| value.to_str()) {
        Some(Ok(key)) if (1..=KEY_OCTETS_MAX).contains(&key.len()) => key.to_owned(),
        Some(_) => {
            return problem(StatusCode::BAD_REQUEST, "Idempotency-Key: write 1 to 255 printable characters");
        }
        None => String::new(),
    };
    let submission = Submission {
        donor: donor.map(|(donor, _)| donor),
        seen_at: app.clock.now(),
        key,
        recipient,
        reverse_path: handed.reverse_path.as_deref().map(ReversePath::parse),
        client: handed.client,
        message: message.into(),
    };
    let unprocessable = |text| problem(StatusCode::UNPROCESSABLE_ENTITY, text);
    match intake.submit(submission).await {
        Submitted::Durable { id } => (StatusCode::ACCEPTED, Json(Taken { id })).into_response(),
        Submitted::Later => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "it can't be kept safely now; come back later")
        }
        Submitted::NoTrap => unprocessable(
            "it names no trap of yours: say for whom it was by \"recipient\", and give that trap first",
        ),
        Submitted::Unattributed => unprocessable(
            "nothing tells who brought it to you: say so by \"client\", or have your mail hosts declared, whose Received lines tell",
        ),
        Submitted::TooOld => unprocessable("it is older than half a day, and would count as of today"),
    }
}

/// What became of log lines.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct LogReport {
    pub lines: u64,
    /// Lines that are evidence.
    pub taken: u64,
    /// Lines that tell of somebody who was turned away from an address that is no trap.
    pub no_trap: u64,
}

/// Takes in the lines of an MTA's log that say that somebody was turned away.
pub(super) async fn log_lines(app: &App, donor: &Donor, record: &DonorRecord, text: &str) -> Response {
    let Some(intake) = app.intake.get() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "no daemon runs that takes reports");
    };
    let mut room = record
        .terms
        .reports_per_day_max
        .saturating_sub(record.contribution.forwarded_on(app.published.snapshot().time));
    let (mut report, now) = (LogReport::default(), app.clock.now());
    for line in text.lines() {
        report.lines += 1;
        let Some(rejected) = crate::mail::rejected(line) else { continue };
        if room == 0 {
            return problem(StatusCode::TOO_MANY_REQUESTS, "the quota of reports for today is used up");
        }
        match intake.logged(donor, line, &rejected, now).await {
            Submitted::Durable { .. } => (report.taken, room) = (report.taken + 1, room - 1),
            Submitted::NoTrap | Submitted::Unattributed | Submitted::TooOld => report.no_trap += 1,
            Submitted::Later => {
                return problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "it can't be kept safely now; come back later",
                );
            }
        }
    }
    Json(report).into_response()
}
