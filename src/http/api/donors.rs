//! A donor's own terms and contribution.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::blocklist::DonorRecord;
use crate::evidence::Order;
use crate::http::app::App;
use crate::http::directives::direct;
use crate::http::error::ApiError;
use crate::http::extract::RequestPart;
use crate::http::tokens::KnownDonor;
use crate::time::Timestamp;
use crate::trap::{Donor, TrapCount};

/// A donor's terms and contribution, as the donor sees them. Nothing of it depends on other donors.
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
    /// Number of handed-on messages and log lines that are evidence by themselves, rounded down to
    /// one significant digit. Mail that relays deliver to the server itself is not counted here: it
    /// counts for the first donor of a trap only, and who that is must not be seen.
    pub evidence: String,
    /// The day of the last such message or log line.
    pub evidence_last: Option<Timestamp>,
}

impl DonorLine {
    /// The line of one donor. `now` is the time of the snapshot.
    pub(in crate::http) fn of(donor: &Donor, record: &DonorRecord, traps: TrapCount, now: Timestamp) -> Self {
        let DonorRecord { terms, contribution, .. } = record;
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
            evidence: coarse(contribution.evidence),
            evidence_last: (contribution.evidence > 0).then(|| contribution.evidence_at.whole_day()),
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

/// `GET /api/v1/donor`: the donor's terms and contribution.
pub(super) async fn donor(
    State(app): State<Arc<App>>,
    KnownDonor(donor, record): KnownDonor,
) -> Json<DonorLine> {
    let count = app.published.traps().traps.count_of(&donor);
    Json(DonorLine::of(&donor, &record, count, app.published.snapshot().time))
}

/// The query of a donor that leaves.
#[derive(Debug, Deserialize)]
pub(super) struct LeaveQuery {
    /// The donor's own name, as a confirmation.
    #[serde(default)]
    confirm: String,
}

/// `DELETE /api/v1/donor?confirm=NAME`: the donor leaves. Its traps, its evidence, its token and its
/// numbers go.
pub(super) async fn leave(
    State(app): State<Arc<App>>,
    KnownDonor(donor, _): KnownDonor,
    RequestPart(Query(query)): RequestPart<Query<LeaveQuery>>,
) -> Result<StatusCode, ApiError> {
    if query.confirm != donor.as_str() {
        return Err(ApiError::InvalidValue(
            "confirm: write your name as a donor, as GET /api/v1/donor shows it; your traps and your evidence go"
                .to_owned(),
        ));
    }
    // A list that is being imported would give traps again.
    let _turn = app.places.turn_of(&donor).ok_or(ApiError::DonorBusy)?;
    let (by, why) = (format!("donor {donor}"), "the donor left".to_owned());
    let _done = direct(&app, by, why, Order::DismissDonor { donor: donor.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
