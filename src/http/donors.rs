//! The donors' part of the API: manage traps, submit reports, and read one's own terms and
//! contribution.

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
use super::feed::{self, FeedAction};
use super::{App, tokens};
use crate::blocklist::DonorRecord;
use crate::intake::{Submission, SubmissionOutcome};
use crate::mail::{Mailbox, ReversePath};
use crate::time::Timestamp;
use crate::trap::{Donor, TrapCount, feed::FeedForm};

/// Maximum size of a submitted message in octets; 413 beyond.
const REPORT_OCTETS_MAX: usize = crate::mail::MESSAGE_OCTETS_MAX;
/// Messages that are received at one time; 503 beyond.
static REPORTS_AT_ONCE: Semaphore = Semaphore::const_new(16);
/// Maximum time to receive a message; 408 beyond.
const REPORT_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum length of an idempotency key in octets.
const KEY_OCTETS_MAX: usize = 255;

/// A donor's terms and contribution, as the donor and the operator see them.
#[derive(Debug, Serialize, Deserialize)]
pub struct DonorLine {
    /// The donor's name.
    pub donor: String,
    /// Nothing is accepted from the donor, and nothing that its traps receive counts.
    pub suspended: bool,
    /// Weight of the donor's evidence in thousandths of a whole report.
    pub weight: u16,
    /// The donor's `silent_since` times are used.
    pub silence_believed: bool,
    /// The donor sends hashes of addresses instead of addresses.
    pub sends_hashes: bool,
    /// The donor may give whole domains, domains with their subdomains, and patterns.
    pub gives_domains: bool,
    /// Addresses and networks of the donor's mail hosts, whose Received lines are trusted in
    /// forwarded messages.
    pub relays: Vec<String>,
    /// Number of active traps.
    pub traps_active: u64,
    /// Number of retired traps.
    pub traps_retired: u64,
    /// Maximum number of active traps.
    pub traps_max: u64,
    /// Messages and log lines accepted today.
    pub reports_today: u64,
    /// Maximum number of messages and log lines per day.
    pub reports_per_day_max: u64,
    /// Number of counted reports of any weight, rounded down to one significant digit.
    pub counted: String,
    /// The day of the last counted report.
    pub counted_last: Option<Timestamp>,
}

impl DonorLine {
    /// The line of one donor. `now` is the time of the snapshot.
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

/// Rounds a count down to one significant digit; counts from 1 to 9 are not distinguished. An exact
/// count would let a donor find out which of many addresses were traps before.
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

/// The donor authenticated by the request's token. As a request extractor it runs before the body
/// is read.
pub(super) struct KnownDonor(Donor, DonorRecord);

impl FromRequestParts<Arc<App>> for KnownDonor {
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
                Problem { error: "this donor is suspended; contact the operator of the list".to_owned() };
            return Err((StatusCode::FORBIDDEN, Json(problem)).into_response());
        }
        Ok(KnownDonor(donor.clone(), record.clone()))
    }
}

/// `GET /api/v1/donor`: the donor's terms and contribution.
pub(super) async fn donor(
    State(app): State<Arc<App>>,
    KnownDonor(donor, record): KnownDonor,
) -> Json<DonorLine> {
    let count = app.published.traps().traps.count_of(&donor);
    Json(DonorLine::of(&donor, &record, count, app.published.snapshot().time))
}

async fn changed(
    app: Arc<App>,
    known: KnownDonor,
    headers: HeaderMap,
    body: Body,
    change: FeedAction,
) -> Response {
    let KnownDonor(donor, record) = known;
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(form) = FeedForm::of_media_type(media_type) else {
        let problem = format!(
            "{media_type:?} is not one of text/plain, text/csv, application/x-ndjson, application/json"
        );
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, Json(Problem { error: problem })).into_response();
    };
    let by = format!("donor {donor}");
    let list = feed::TrapFeed { from: feed::FeedSender::Donor, donor, terms: record.terms, by, form, change };
    feed::change(&app, list, body).await
}

/// `POST /api/v1/traps`: adds the traps of the list.
pub(super) async fn add_traps(
    State(app): State<Arc<App>>,
    known: KnownDonor,
    headers: HeaderMap,
    body: Body,
) -> Response {
    changed(app, known, headers, body, FeedAction::Add).await
}

/// `PUT /api/v1/traps`: adds the traps of the list and retires all others of the donor.
pub(super) async fn put_traps(
    State(app): State<Arc<App>>,
    known: KnownDonor,
    headers: HeaderMap,
    body: Body,
) -> Response {
    changed(app, known, headers, body, FeedAction::Replace).await
}

/// `DELETE /api/v1/traps`: retires the traps of the list.
pub(super) async fn delete_traps(
    State(app): State<Arc<App>>,
    known: KnownDonor,
    headers: HeaderMap,
    body: Body,
) -> Response {
    changed(app, known, headers, body, FeedAction::Retire).await
}

/// `GET /api/v1/traps`: the donor's traps, as JSON lines of [`feed::TrapLine`].
pub(super) async fn traps(State(app): State<Arc<App>>, KnownDonor(donor, _): KnownDonor) -> Response {
    feed::listed(&app, Some(donor))
}

/// Query parameters of a submitted message: facts of its delivery to the donor.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SubmissionQuery {
    /// The envelope recipient.
    recipient: Option<String>,
    /// The reverse-path; `<>` is the null reverse-path.
    reverse_path: Option<String>,
    /// The address of the relay that delivered the message to the donor's host.
    client: Option<std::net::IpAddr>,
    /// Only on the control socket: the donor in whose name the message is submitted.
    #[serde(default)]
    pub(super) donor: Option<String>,
}

/// The response to an accepted message.
#[derive(Debug, Serialize, Deserialize)]
pub struct SubmissionResult {
    /// The id of the message, as in the log.
    pub id: String,
}

/// `POST /api/v1/reports`: submits a message that a donor's trap received, as message/rfc822. With
/// the same `Idempotency-Key`, the same message and parameters count once, so that a request can be
/// repeated. Without the header, the key is empty.
pub(super) async fn report(
    State(app): State<Arc<App>>,
    KnownDonor(donor, record): KnownDonor,
    Query(handed): Query<SubmissionQuery>,
    headers: HeaderMap,
    message: Body,
) -> Response {
    let Ok(_place) = REPORTS_AT_ONCE.try_acquire() else {
        return problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many other reports are being received; try again later",
        );
    };
    let read = axum::body::to_bytes(message, REPORT_OCTETS_MAX);
    match tokio::time::timeout(REPORT_TIMEOUT, read).await {
        Err(_) => problem(StatusCode::REQUEST_TIMEOUT, "the message is sent too slowly"),
        Ok(Err(_)) => problem(StatusCode::PAYLOAD_TOO_LARGE, "the message is too large or incomplete"),
        Ok(Ok(message)) => submit(&app, Some((donor, record)), handed, &headers, message).await,
    }
}

fn problem(status: StatusCode, problem: &str) -> Response {
    (status, Json(Problem { error: problem.to_owned() })).into_response()
}

/// Submits a message in the name of `donor`. Without one, which only the operator can do, it is
/// submitted in the name of the donor that gave the trap.
pub(super) async fn submit(
    app: &App,
    donor: Option<(Donor, DonorRecord)>,
    handed: SubmissionQuery,
    headers: &HeaderMap,
    message: Bytes,
) -> Response {
    let over = donor.as_ref().is_some_and(|(_, record)| {
        record.contribution.forwarded_on(app.published.snapshot().time) >= record.terms.reports_per_day_max
    });
    if over {
        return problem(StatusCode::TOO_MANY_REQUESTS, "the donor's quota of reports for today is used up");
    }
    let recipient = match handed.recipient.as_deref().map(|text| Mailbox::parse(text).ok_or(text)) {
        Some(Err(text)) => return bad_address(format!("recipient: {text:?} is not a mail address")),
        other => other.and_then(Result::ok),
    };
    let key = match headers.get("idempotency-key").map(|value| value.to_str()) {
        Some(Ok(key)) if (1..=KEY_OCTETS_MAX).contains(&key.len()) => key.to_owned(),
        Some(_) => {
            return problem(StatusCode::BAD_REQUEST, "Idempotency-Key must be 1 to 255 printable characters");
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
    match app.intake.submit(submission).await {
        SubmissionOutcome::Durable { id } => {
            (StatusCode::ACCEPTED, Json(SubmissionResult { id })).into_response()
        }
        SubmissionOutcome::Later => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "the message cannot be stored now; try again later")
        }
        SubmissionOutcome::NoTrap => unprocessable(
            "the recipient is not a trap of this donor: set the query parameter \"recipient\", or add the trap first",
        ),
        SubmissionOutcome::Unattributed => unprocessable(
            "the relay that delivered the message is unknown: set the query parameter \"client\", or have the operator register your mail hosts, whose Received lines name the relay",
        ),
        SubmissionOutcome::TooOld => {
            unprocessable("the message is older than 12 hours and would count as received today")
        }
    }
}

/// The result of submitted log lines.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct LogReport {
    /// Lines read.
    pub lines: u64,
    /// Lines that became evidence.
    pub taken: u64,
    /// Rejections that are no evidence: the recipient is no trap of the donor, or the client is a
    /// host of the donor or of this installation.
    pub no_trap: u64,
}

/// Submits the lines of an MTA's log that report a rejected recipient. Other lines are ignored.
pub(super) async fn log_lines(app: &App, donor: &Donor, record: &DonorRecord, text: &str) -> Response {
    let mut room = record
        .terms
        .reports_per_day_max
        .saturating_sub(record.contribution.forwarded_on(app.published.snapshot().time));
    let (mut report, now) = (LogReport::default(), app.clock.now());
    for line in text.lines() {
        report.lines += 1;
        let Some(rejected) = crate::mail::rejected(line) else { continue };
        if room == 0 {
            return problem(
                StatusCode::TOO_MANY_REQUESTS,
                "the donor's quota of reports for today is used up",
            );
        }
        match app.intake.logged(donor, line, &rejected, now).await {
            SubmissionOutcome::Durable { .. } => (report.taken, room) = (report.taken + 1, room - 1),
            SubmissionOutcome::NoTrap | SubmissionOutcome::Unattributed | SubmissionOutcome::TooOld => {
                report.no_trap += 1
            }
            SubmissionOutcome::Later => {
                return problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the log line cannot be stored now; try again later",
                );
            }
        }
    }
    Json(report).into_response()
}
