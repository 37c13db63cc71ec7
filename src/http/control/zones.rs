//! Zones: their state and exports, and what they would be by replay and by another policy.

use std::io::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use tokio_util::io::{ReaderStream, SyncIoBridge};

use crate::backtest::{Backtest, backtest as fold_twice};
use crate::evidence::Offset;
use crate::export;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::{RequestBody, RequestPart};
use crate::replay::{ReplayStart, ZoneDigest, replay as fold_again, zone_digests};
use crate::time::Timestamp;
use crate::zone::{DomainName, ZoneContents, ZoneMatch};

/// Size in octets of the buffer between the writer of an export and the HTTP response.
const EXPORT_OCTETS: usize = 64 << 10;

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
    RequestPart(Path((zone, form))): RequestPart<Path<(String, String)>>,
) -> Result<Body, ApiError> {
    let form = export::form(&form).map_err(ApiError::InvalidValue)?;
    let origin = DomainName::parse(&zone).map_err(ApiError::InvalidValue)?;
    let (snapshot, now) = (app.published.snapshot(), app.clock.now());
    let Some(nth) = snapshot.zones().iter().position(|zone| zone.config.apex.origin == origin) else {
        return Err(ApiError::UnknownZone(origin));
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
    Ok(Body::from_stream(ReaderStream::new(reader)))
}

/// `GET /control/v1/replay/{beginning}`: folds the journal again, apart from the running fold.
pub(super) async fn replay(
    State(app): State<Arc<App>>,
    RequestPart(Path(beginning)): RequestPart<Path<String>>,
) -> Result<String, ApiError> {
    let beginning: ReplayStart = beginning.parse().map_err(ApiError::InvalidValue)?;
    let journal = Arc::clone(&app.journal);
    match tokio::task::spawn_blocking(move || fold_again(&*journal, beginning)).await {
        Ok(Ok(replay)) => Ok(replay.to_string()),
        Ok(Err(error)) => Err(ApiError::Internal(error.to_string())),
        Err(error) => Err(ApiError::Internal(error.to_string())),
    }
}

/// `POST /control/v1/backtest`: applies the policy of a zone file, the request body, to the
/// journal.
pub(super) async fn backtest(
    State(app): State<Arc<App>>,
    RequestBody(text): RequestBody<String>,
) -> Result<Json<Backtest>, ApiError> {
    let zone = crate::zone::read("the file", &text).map_err(|complaints| {
        ApiError::InvalidValue(complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    let origin = zone.apex.origin.to_string();
    let journal = Arc::clone(&app.journal);
    match tokio::task::spawn_blocking(move || fold_twice(&*journal, &origin, &text)).await {
        Ok(Ok(found)) => Ok(Json(found)),
        Ok(Err(error)) => Err(ApiError::Internal(error.to_string())),
        Err(error) => Err(ApiError::Internal(error.to_string())),
    }
}
