//! Trap lists as bodies of requests and responses: a list that is imported, and the listing of
//! traps. Both may have millions of lines and are streams.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::http::header;
use axum::response::IntoResponse;
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::app::App;
use super::error::{ApiError, ListStop};
use super::limits::{LIST_OCTETS_MAX, LIST_RATE_MIN, LIST_TIMEOUT, LIST_TRAPS_MAX};
use crate::intake::feed::{FeedImport, FeedReport, TrapFeed};
use crate::time::{Stopwatch, Timestamp};
use crate::trap::{Donor, Trap, TrapKey};

/// Size in octets of the buffer between the writer of a trap listing and the HTTP response.
const LISTED_OCTETS: usize = 64 << 10;

/// The sender of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListSender {
    /// The donor, through the API.
    Donor,
    /// The operator, through the control socket.
    Operator,
}

/// Imports a list.
///
/// # Errors
/// When nothing of the list was read, or it was not read to its end.
pub(super) async fn import(
    app: &App,
    sender: ListSender,
    feed: TrapFeed,
    body: Body,
) -> Result<Json<FeedReport>, ApiError> {
    if feed.terms.suspended {
        return Err(ApiError::DonorSuspended);
    }
    let places = match sender {
        ListSender::Donor => &app.places.donors_lists,
        ListSender::Operator => &app.places.operators_lists,
    };
    let _place = places.try_acquire().map_err(|_| ApiError::ListsBusy)?;
    let _turn = app.places.turn_of(&feed.donor).ok_or(ApiError::DonorBusy)?;
    let (journal, clock) = (Arc::clone(&app.journal), Arc::clone(&app.clock));
    let mut import = FeedImport::begin(feed, app.published.traps(), Arc::clone(&app.keys), journal, clock);
    let read = read_list(&mut import, body).await;
    let (mut report, last) = import.report();
    // Wait until the changes have taken effect, so that the client's next request sees them.
    if let Some(last) = last
        && !app.published.reached(last).await
    {
        tracing::warn!(offset = %last, "a donor's trap list has not taken effect yet");
    }
    match read {
        Ok(()) => Ok(Json(report)),
        Err(stop) => {
            report.stopped = Some(stop.to_string());
            Err(ApiError::ListStopped(stop, Box::new(report)))
        }
    }
}

async fn read_list(import: &mut FeedImport, mut body: Body) -> Result<(), ListStop> {
    let mut octets = 0_u64;
    let begun = Stopwatch::start();
    loop {
        let frame = tokio::time::timeout(LIST_TIMEOUT, body.frame())
            .await
            .map_err(|_| ListStop::Interrupted("no data was received for 60 seconds".to_owned()))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| ListStop::Interrupted(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        octets += data.len() as u64;
        if u64::from(begun.seconds()) > LIST_TIMEOUT.as_secs() + octets / LIST_RATE_MIN {
            return Err(ListStop::Interrupted("the list is sent too slowly".to_owned()));
        }
        if octets > LIST_OCTETS_MAX || import.traps() > LIST_TRAPS_MAX {
            return Err(ListStop::TooLarge);
        }
        import.take(&data).await?;
    }
    Ok(import.end().await?)
}

/// One trap of a listing. The trap is identified by its key, as the address is not stored.
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
///
/// # Errors
/// When too many listings are being sent.
pub(super) fn listed(app: &App, donor: Option<Donor>) -> Result<impl IntoResponse + use<>, ApiError> {
    let place = Arc::clone(&app.places.listings).try_acquire_owned().map_err(|_| ApiError::ListingsBusy)?;
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
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body))
}

async fn write_lines(
    traps: impl Iterator<Item = (TrapKey, Trap)>,
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
            tokio::time::timeout(LIST_TIMEOUT, writer.write_all(&lines)).await??;
            lines.clear();
        }
    }
    tokio::time::timeout(LIST_TIMEOUT, writer.write_all(&lines)).await?
}
