//! Donors: the operator lists them, sets their terms, and reads their keys and addresses.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

use crate::blocklist::DonorRecord;
use crate::evidence::Order;
use crate::http::api::DonorLine;
use crate::http::app::App;
use crate::http::directives::{DirectiveDone, direct};
use crate::http::error::ApiError;
use crate::http::extract::{RequestBody, RequestPart};
use crate::trap::{Donor, DonorTerms};

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

impl DonorChange {
    /// The terms after the change.
    ///
    /// # Errors
    /// When a value is wrong.
    fn applied_to(&self, mut terms: DonorTerms) -> Result<DonorTerms, String> {
        match self.token_digest.as_deref() {
            None => {}
            Some("") => terms.token = None,
            Some(digest) => terms.token = Some(digest.parse()?),
        }
        if let Some(relays) = &self.relays {
            terms.relays = relays.iter().map(|relay| relay.parse()).collect::<Result<_, _>>()?;
        }
        terms.weight = self.weight.unwrap_or(terms.weight);
        if terms.weight > 1_000 {
            return Err(format!("weight {} is more than 1000, the weight of a whole report", terms.weight));
        }
        terms.traps_max = self.traps_max.unwrap_or(terms.traps_max);
        terms.reports_per_day_max = self.reports_per_day_max.unwrap_or(terms.reports_per_day_max);
        terms.suspended = self.suspended.unwrap_or(terms.suspended);
        terms.silence_believed = self.silence_believed.unwrap_or(terms.silence_believed);
        terms.sends_hashes = self.sends_hashes.unwrap_or(terms.sends_hashes);
        terms.gives_domains = self.gives_domains.unwrap_or(terms.gives_domains);
        Ok(terms)
    }
}

/// A donor as the operator sees it.
#[derive(Debug, Serialize, Deserialize)]
pub struct DonorAccount {
    /// What the donor sees, too.
    #[serde(flatten)]
    pub line: DonorLine,
    /// Number of counted reports to traps that the donor gave first, and of reports that it handed
    /// on, of any weight.
    pub counted: u64,
}

/// The operator's order that a donor leaves.
#[derive(Debug, Serialize, Deserialize)]
pub struct DonorDismissal {
    /// Who gave the order.
    pub by: String,
    /// Why.
    pub why: String,
}

/// `GET /control/v1/donors`: all donors.
pub(super) async fn donors(State(app): State<Arc<App>>) -> Json<Vec<DonorAccount>> {
    let (traps, now) = (app.published.traps(), app.published.snapshot().time);
    let line = |(donor, record): (&Donor, &DonorRecord)| DonorAccount {
        line: DonorLine::of(donor, record, traps.traps.count_of(donor), now),
        counted: record.contribution.counted,
    };
    Json(app.published.donors().iter().map(line).collect())
}

/// `POST /control/v1/donors`: creates a donor or changes its terms.
pub(super) async fn set_donor(
    State(app): State<Arc<App>>,
    RequestBody(Json(change)): RequestBody<Json<DonorChange>>,
) -> Result<Json<DirectiveDone>, ApiError> {
    let donor = Donor::parse(&change.donor).map_err(ApiError::InvalidValue)?;
    let before = app.published.donors().get(&donor).map(|record| record.terms.clone());
    let terms = change.applied_to(before.unwrap_or_default()).map_err(ApiError::InvalidValue)?;
    direct(&app, change.by, change.why, Order::SetDonor { donor, terms }).await
}

/// `POST /control/v1/donors/{donor}/dismissal`: a donor leaves; its traps, its evidence, its token and
/// its numbers go.
pub(super) async fn dismiss_donor(
    State(app): State<Arc<App>>,
    RequestPart(Path(donor)): RequestPart<Path<String>>,
    RequestBody(Json(order)): RequestBody<Json<DonorDismissal>>,
) -> Result<Json<DirectiveDone>, ApiError> {
    let donor = Donor::parse(&donor).map_err(ApiError::InvalidValue)?;
    if !app.published.donors().contains_key(&donor) {
        return Err(ApiError::UnknownDonor(donor));
    }
    let _turn = app.places.turn_of(&donor).ok_or(ApiError::DonorBusy)?;
    direct(&app, order.by, order.why, Order::DismissDonor { donor: donor.clone() }).await
}

/// `GET /control/v1/donors/{donor}/key`: the key, in hexadecimal, with which the donor hashes its
/// addresses.
pub(super) async fn donor_key(
    State(app): State<Arc<App>>,
    RequestPart(Path(donor)): RequestPart<Path<String>>,
) -> Result<String, ApiError> {
    let donor = Donor::parse(&donor).map_err(ApiError::InvalidValue)?;
    let key = app.keys.hasher().donor_key(&donor);
    Ok(key.iter().map(|octet| format!("{octet:02x}")).collect())
}

/// `GET /control/v1/donors/{donor}/address`: the local part of the address to which the donor
/// forwards reports.
pub(super) async fn donor_address(
    State(app): State<Arc<App>>,
    RequestPart(Path(donor)): RequestPart<Path<String>>,
) -> Result<String, ApiError> {
    let donor = Donor::parse(&donor).map_err(ApiError::InvalidValue)?;
    match app.published.donors().get(&donor) {
        Some(record) => Ok(app.keys.hasher().forward_local(&donor, &record.terms)),
        None => Err(ApiError::UnknownDonor(donor)),
    }
}
