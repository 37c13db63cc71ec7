//! The errors that clients are told: a status, a text for people and a code for programs.

use axum::Json;
use axum::extract::rejection::{
    BytesRejection, ExtensionRejection, FailedToBufferBody, JsonRejection, PathRejection, QueryRejection,
    StringRejection,
};
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::limits::{LIST_OCTETS_MAX, LIST_TRAPS_MAX};
use super::places::CLASSIFIED_AT_ONCE_MAX;
use crate::evidence::Offset;
use crate::intake::WRONG_RECIPIENTS_PER_DAY_MAX;
use crate::intake::feed::FeedReport;
use crate::journal::JournalError;
use crate::relay::Relay;
use crate::time::{Span, Timestamp};
use crate::trap::Donor;
use crate::zone::DomainName;

/// The wait in seconds after a limit for an hour is reached.
const HOUR_SECONDS: i64 = 3_600;

/// Why a request fails. The displayed text is for people.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// A value is wrong. The text says which, and what would be right.
    #[error("{0}")]
    InvalidValue(String),
    /// The path is wrong.
    #[error("{}", .0.body_text())]
    InvalidPath(PathRejection),
    /// The query is wrong.
    #[error("{}", .0.body_text())]
    InvalidQuery(QueryRejection),
    /// The idempotency key is wrong.
    #[error("Idempotency-Key must be 1 to 255 printable characters")]
    InvalidIdempotencyKey,
    /// The body is not JSON.
    #[error("{0}")]
    MalformedJson(String),
    /// The body is JSON for something else.
    #[error("{0}")]
    InvalidBody(String),
    /// The body is not a text.
    #[error("{0}")]
    BodyNotUtf8(String),
    /// The body ended too early.
    #[error("{0}")]
    BodyIncomplete(String),
    /// The body is larger than the limit.
    #[error("{0}")]
    BodyTooLarge(String),
    /// The body took too long.
    #[error("the message is sent too slowly")]
    BodyTooSlow,
    /// The media type of the body is not supported.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// The request has no known token.
    #[error("this request requires a valid token, as \"Authorization: Bearer TOKEN\"")]
    NoToken,
    /// The client sent too many wrong tokens.
    #[error("too many wrong tokens from your network within an hour; try again later")]
    TooManyWrongTokens,
    /// The donor who sends the request is suspended.
    #[error("this donor is suspended; contact the operator of the list")]
    SenderSuspended,
    /// The donor in whose name the operator sends a list is suspended.
    #[error("the donor is suspended")]
    DonorSuspended,
    /// The path does not exist.
    #[error("this path does not exist")]
    UnknownPath,
    /// The path does not have the method.
    #[error("this path does not support this method; the Allow header lists the supported methods")]
    MethodNotAllowed,
    /// The address is not listed.
    #[error("{0} is not listed")]
    NotListed(Relay),
    /// The donor does not exist.
    #[error("there is no donor {0}")]
    UnknownDonor(Donor),
    /// The trap does not exist or is retired.
    #[error("there is no active trap with this name or key")]
    UnknownTrap,
    /// The zone does not exist.
    #[error("there is no zone {0}")]
    UnknownZone(DomainName),
    /// The request was made by a page of another site.
    #[error(
        "this request was made by a page of another site, or your browser hides which page made it; open the page of the address on this site, and remove the address there"
    )]
    ForeignOrigin,
    /// The receipt is not one of this server, or of another address.
    #[error("this is not a receipt of this list for this address")]
    UnknownReceipt,
    /// The relay is listed by decision of the operator.
    #[error(
        "{relay} is listed by decision of an operator of the list, and such a listing is not removed on request; write to {contact}"
    )]
    ListedByDecision {
        /// The relay.
        relay: Relay,
        /// The mail address of the operator.
        contact: String,
    },
    /// The removal was recorded, and the fold has not reached it in time.
    #[error(
        "the removal is recorded and has not taken effect yet; look at the page of the address again in a minute"
    )]
    RemovalNotInEffectYet,
    /// The relay was removed and listed again.
    #[error(
        "{relay} was removed before and listed again; it can be removed again from {until}, or as soon as its mail servers refuse recipients that do not exist when this list asks them"
    )]
    RemovedBefore {
        /// The relay.
        relay: Relay,
        /// When it can be removed again.
        until: Timestamp,
        /// How long that is from now.
        wait: Span,
    },
    /// The client's network made too many removals.
    #[error("too many removals from your network within an hour; try again later")]
    TooManyRemovals,
    /// The donor has submitted as many reports as it may today.
    #[error("the donor's quota of reports for today is used up")]
    QuotaUsedUp,
    /// The recipient of the submitted message is not a trap of the donor.
    #[error(
        "the recipient is not a trap of this donor: set the query parameter \"recipient\", or add the trap first"
    )]
    NotATrap,
    /// The donor submitted too many messages whose recipients are not its traps.
    #[error(
        "more than {WRONG_RECIPIENTS_PER_DAY_MAX} messages today had recipients that are not traps of this donor; submit only mail to your own traps"
    )]
    TooManyWrongRecipients,
    /// The donor has no report with this receipt.
    #[error("this donor has no report with this id, or the report is no longer kept")]
    UnknownReport,
    /// The relay of the submitted message is unknown.
    #[error(
        "the relay that delivered the message is unknown: set the query parameter \"client\", or have the operator register your mail hosts, whose Received lines name the relay"
    )]
    UnknownRelay,
    /// The submitted message is too old.
    #[error(
        "the message is older than 12 hours; the server counts each message as received today, so it accepts only newer ones"
    )]
    TooOld,
    /// The trap list was not read to its end. The report says what was read.
    #[error("{0}")]
    ListStopped(ListStop, Box<FeedReport>),
    /// The clock is the system's.
    #[error("the system clock cannot be advanced; set clock.laboratory")]
    NoLaboratoryClock,
    /// The entry was recorded, and the fold ignored it.
    #[error("journal entry {offset} had no effect: {why}")]
    NoEffect {
        /// The entry.
        offset: Offset,
        /// Why the fold ignored it.
        why: &'static str,
    },
    /// The entry was recorded, and the fold has not reached it in time.
    #[error("the change is recorded as journal entry {0} but has not taken effect yet; see the daemon's log")]
    NotInEffectYet(Offset),
    /// The entry could not be recorded.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Too many messages are being classified.
    #[error("{CLASSIFIED_AT_ONCE_MAX} messages are being classified; try again later")]
    ClassifierBusy,
    /// Too many submitted messages are being received.
    #[error("too many other reports are being received; try again later")]
    ReportsBusy,
    /// Too many trap lists are being imported.
    #[error("too many other lists are being imported; try again later")]
    ListsBusy,
    /// A list of the same donor is being imported.
    #[error("another list of this donor is being imported; try again later")]
    DonorBusy,
    /// Too many trap listings are being sent.
    #[error("too many trap listings are being sent; try again later")]
    ListingsBusy,
    /// The submitted message could not be made durable.
    #[error("the message cannot be stored now; try again later")]
    MessageNotStored,
    /// The submitted log line could not be made durable.
    #[error("the log line cannot be stored now; try again later")]
    LogLineNotStored,
    /// No zone is published, or the fold is behind.
    #[error("{0}")]
    NotReady(String),
    /// The program is at fault, or the system it runs on.
    #[error("{0}")]
    Internal(String),
}

/// Why a trap list was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListStop {
    /// The list is too large.
    #[error(
        "the list has more than {LIST_OCTETS_MAX} octets or more than {LIST_TRAPS_MAX} traps; split the list"
    )]
    TooLarge,
    /// The client stopped sending, or sent too slowly.
    #[error("{0}")]
    Interrupted(String),
    /// The traps could not be recorded.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl ApiError {
    /// The status and the code. A code keeps its meaning in later versions; `openapi.json` lists
    /// all of them.
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            ApiError::InvalidValue(_) => (StatusCode::BAD_REQUEST, "invalid_value"),
            ApiError::InvalidPath(rejection) => (rejection.status(), "invalid_path"),
            ApiError::InvalidQuery(rejection) => (rejection.status(), "invalid_query"),
            ApiError::InvalidIdempotencyKey => (StatusCode::BAD_REQUEST, "invalid_idempotency_key"),
            ApiError::MalformedJson(_) => (StatusCode::BAD_REQUEST, "malformed_json"),
            ApiError::InvalidBody(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_body"),
            ApiError::BodyNotUtf8(_) => (StatusCode::BAD_REQUEST, "body_not_utf8"),
            ApiError::BodyIncomplete(_) => (StatusCode::BAD_REQUEST, "body_incomplete"),
            ApiError::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            ApiError::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            ApiError::UnsupportedMediaType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
            ApiError::NoToken => (StatusCode::UNAUTHORIZED, "no_valid_token"),
            ApiError::TooManyWrongTokens => (StatusCode::TOO_MANY_REQUESTS, "too_many_wrong_tokens"),
            ApiError::SenderSuspended => (StatusCode::FORBIDDEN, "donor_suspended"),
            ApiError::DonorSuspended => (StatusCode::CONFLICT, "donor_suspended"),
            ApiError::UnknownPath => (StatusCode::NOT_FOUND, "unknown_path"),
            ApiError::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            ApiError::NotListed(_) => (StatusCode::NOT_FOUND, "not_listed"),
            ApiError::UnknownDonor(_) => (StatusCode::NOT_FOUND, "unknown_donor"),
            ApiError::UnknownTrap => (StatusCode::NOT_FOUND, "unknown_trap"),
            ApiError::UnknownZone(_) => (StatusCode::NOT_FOUND, "unknown_zone"),
            ApiError::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign_origin"),
            ApiError::UnknownReceipt => (StatusCode::NOT_FOUND, "unknown_receipt"),
            ApiError::ListedByDecision { .. } => (StatusCode::FORBIDDEN, "listed_by_decision"),
            ApiError::RemovedBefore { .. } => (StatusCode::TOO_MANY_REQUESTS, "removed_before"),
            ApiError::TooManyRemovals => (StatusCode::TOO_MANY_REQUESTS, "too_many_removals"),
            ApiError::QuotaUsedUp => (StatusCode::TOO_MANY_REQUESTS, "quota_used_up"),
            ApiError::NotATrap => (StatusCode::UNPROCESSABLE_ENTITY, "not_a_trap"),
            ApiError::TooManyWrongRecipients => (StatusCode::TOO_MANY_REQUESTS, "too_many_wrong_recipients"),
            ApiError::UnknownReport => (StatusCode::NOT_FOUND, "unknown_report"),
            ApiError::UnknownRelay => (StatusCode::UNPROCESSABLE_ENTITY, "unknown_relay"),
            ApiError::TooOld => (StatusCode::UNPROCESSABLE_ENTITY, "too_old"),
            ApiError::ListStopped(stop, _) => match stop {
                ListStop::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "list_too_large"),
                ListStop::Interrupted(_) => (StatusCode::BAD_REQUEST, "list_interrupted"),
                ListStop::Journal(error) => (StatusCode::SERVICE_UNAVAILABLE, code_of_journal(error)),
            },
            ApiError::NoLaboratoryClock => (StatusCode::CONFLICT, "no_laboratory_clock"),
            ApiError::NoEffect { .. } => (StatusCode::CONFLICT, "no_effect"),
            ApiError::NotInEffectYet(_) | ApiError::RemovalNotInEffectYet => {
                (StatusCode::GATEWAY_TIMEOUT, "not_in_effect_yet")
            }
            ApiError::Journal(error) => match error {
                JournalError::Busy => (StatusCode::SERVICE_UNAVAILABLE, code_of_journal(error)),
                _ => (StatusCode::INTERNAL_SERVER_ERROR, code_of_journal(error)),
            },
            ApiError::ClassifierBusy
            | ApiError::ReportsBusy
            | ApiError::ListsBusy
            | ApiError::DonorBusy
            | ApiError::ListingsBusy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            ApiError::MessageNotStored | ApiError::LogLineNotStored => {
                (StatusCode::SERVICE_UNAVAILABLE, "not_stored")
            }
            ApiError::NotReady(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            ApiError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        }
    }

    /// The status.
    pub(super) fn status(&self) -> StatusCode {
        self.status_and_code().0
    }

    /// The headers that belong to the error.
    pub(super) fn headers(&self) -> HeaderMap {
        let header = match self {
            ApiError::NoToken => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            ApiError::TooManyWrongTokens | ApiError::TooManyRemovals => {
                Some((RETRY_AFTER, HeaderValue::from(HOUR_SECONDS)))
            }
            ApiError::RemovedBefore { wait, .. } => Some((RETRY_AFTER, HeaderValue::from(wait.seconds()))),
            _ => None,
        };
        header.into_iter().collect()
    }
}

fn code_of_journal(error: &JournalError) -> &'static str {
    if error.is_passing() { "journal_busy" } else { "journal_failed" }
}

/// The body of every error response.
#[derive(Debug, Serialize)]
struct Problem {
    /// What is wrong, for people.
    error: String,
    /// What kind of error it is, for programs.
    code: &'static str,
    /// What was read of a trap list that was not read to its end.
    #[serde(flatten)]
    report: Option<Box<FeedReport>>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let (error, headers) = (self.to_string(), self.headers());
        let report = match self {
            ApiError::ListStopped(_, report) => Some(report),
            _ => None,
        };
        (status, headers, Json(Problem { error, code, report })).into_response()
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        ApiError::InvalidPath(rejection)
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        ApiError::InvalidQuery(rejection)
    }
}

impl From<ExtensionRejection> for ApiError {
    fn from(rejection: ExtensionRejection) -> Self {
        ApiError::Internal(rejection.body_text())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::JsonSyntaxError(error) => ApiError::MalformedJson(error.body_text()),
            JsonRejection::JsonDataError(error) => ApiError::InvalidBody(error.body_text()),
            JsonRejection::MissingJsonContentType(error) => ApiError::UnsupportedMediaType(error.body_text()),
            JsonRejection::BytesRejection(rejection) => ApiError::from(rejection),
            other => ApiError::Internal(other.body_text()),
        }
    }
}

impl From<StringRejection> for ApiError {
    fn from(rejection: StringRejection) -> Self {
        match rejection {
            StringRejection::InvalidUtf8(error) => ApiError::BodyNotUtf8(error.body_text()),
            StringRejection::FailedToBufferBody(failed) => ApiError::from(failed),
            other => ApiError::Internal(other.body_text()),
        }
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        match rejection {
            BytesRejection::FailedToBufferBody(failed) => ApiError::from(failed),
            other => ApiError::Internal(other.body_text()),
        }
    }
}

impl From<FailedToBufferBody> for ApiError {
    fn from(failed: FailedToBufferBody) -> Self {
        match failed {
            FailedToBufferBody::LengthLimitError(error) => ApiError::BodyTooLarge(error.body_text()),
            other => ApiError::BodyIncomplete(other.body_text()),
        }
    }
}
