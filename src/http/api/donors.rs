//! A donor's own terms and contribution.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::blocklist::DonorRecord;
use crate::http::app::App;
use crate::http::tokens::KnownDonor;
use crate::time::Timestamp;
use crate::trap::{Donor, TrapCount};

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
    pub(in crate::http) fn of(donor: &Donor, record: &DonorRecord, traps: TrapCount, now: Timestamp) -> Self {
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

/// `GET /api/v1/donor`: the donor's terms and contribution.
pub(super) async fn donor(
    State(app): State<Arc<App>>,
    KnownDonor(donor, record): KnownDonor,
) -> Json<DonorLine> {
    let count = app.published.traps().traps.count_of(&donor);
    Json(DonorLine::of(&donor, &record, count, app.published.snapshot().time))
}
