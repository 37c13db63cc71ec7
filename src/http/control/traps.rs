//! Traps: the operator lists, adds, imports and retires them.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};

use crate::evidence::Order;
use crate::http::app::App;
use crate::http::directives::{DirectiveDone, direct};
use crate::http::error::ApiError;
use crate::http::extract::{RequestBody, RequestPart};
use crate::http::trap_lists::{ListSender, import, listed};
use crate::intake::feed::{FeedAction, FeedReport, TrapFeed};
use crate::time::Timestamp;
use crate::trap::{Donor, DonorTerms, NamedTrap};

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

/// `GET /control/v1/traps`: the traps of all donors, as JSON lines of [`crate::http::TrapLine`].
pub(super) async fn traps(State(app): State<Arc<App>>) -> Result<impl IntoResponse, ApiError> {
    listed(&app, None)
}

/// `POST /control/v1/traps`: adds a trap.
pub(super) async fn add_trap(
    State(app): State<Arc<App>>,
    RequestBody(Json(new)): RequestBody<Json<NewTrap>>,
) -> Result<Json<DirectiveDone>, ApiError> {
    let donor = Donor::parse(&new.donor).map_err(ApiError::InvalidValue)?;
    let NamedTrap { scope, key, domain } =
        app.keys.hasher().named(&new.trap).map_err(ApiError::InvalidValue)?;
    let order = Order::AddTrap { key, scope, domain, donor, silent_since: new.silent_since };
    direct(&app, new.by, new.why, order).await
}

/// `POST /control/v1/traps/retire`: retires a trap.
pub(super) async fn retire_trap(
    State(app): State<Arc<App>>,
    RequestBody(Json(retire)): RequestBody<Json<RetireTrap>>,
) -> Result<Json<DirectiveDone>, ApiError> {
    let key = retire.trap.parse().or_else(|_| app.keys.hasher().named(&retire.trap).map(|named| named.key));
    let key = key.map_err(ApiError::InvalidValue)?;
    if !app.published.traps().traps.is_active(key) {
        return Err(ApiError::UnknownTrap);
    }
    direct(&app, retire.by, retire.why, Order::RetireTrap { key }).await
}

/// `POST /control/v1/donors/{donor}/traps?form=...&by=...&replace=...`: imports a trap list in the
/// donor's name.
pub(super) async fn import_traps(
    State(app): State<Arc<App>>,
    RequestPart(Path(donor)): RequestPart<Path<String>>,
    RequestPart(Query(asked)): RequestPart<Query<ImportQuery>>,
    body: Body,
) -> Result<Json<FeedReport>, ApiError> {
    let donor = Donor::parse(&donor).map_err(ApiError::InvalidValue)?;
    let form = asked.form.parse().map_err(ApiError::InvalidValue)?;
    let terms = app.published.donors().get(&donor).map(|record| record.terms.clone()).unwrap_or_default();
    // The restrictions of the donor's terms do not apply to the operator.
    let terms = DonorTerms { silence_believed: true, gives_domains: true, sends_hashes: true, ..terms };
    let action = if asked.replace { FeedAction::Replace } else { FeedAction::Add };
    let feed = TrapFeed { donor, terms, by: asked.by, form, action };
    import(&app, ListSender::Operator, feed, body).await
}
