//! The operator's requests on the control socket. Access to the socket is the only authorisation.

mod addresses;
mod clock;
mod decisions;
mod donors;
mod reports;
mod traps;
mod zones;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

pub use clock::ClockAdvance;
pub use decisions::{AuditRequest, ExemptionLine, RemovalRequest, StatusJson};
pub use donors::{DonorAccount, DonorChange, DonorDismissal};
pub use reports::LogReport;
pub use traps::{MailChoice, NewTrap, RetireTrap, TrapMailChange, TrapMailDone};
pub use zones::{ZoneLine, ZonesJson};

use super::app::App;
use super::limits::{LOG_OCTETS_MAX, REPORT_OCTETS_MAX, ZONE_OCTETS_MAX};

/// The operator's routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/v1/explain/{address}", get(addresses::explain))
        .route("/control/v1/notice/{address}", get(addresses::notice))
        .route("/control/v1/traps", get(traps::traps).post(traps::add_trap))
        .route("/control/v1/traps/retire", post(traps::retire_trap))
        .route("/control/v1/traps/mail", post(traps::change_mail))
        .route("/control/v1/donors", get(donors::donors).post(donors::set_donor))
        .route("/control/v1/donors/{donor}/dismissal", post(donors::dismiss_donor))
        .route("/control/v1/donors/{donor}/key", get(donors::donor_key))
        .route("/control/v1/donors/{donor}/address", get(donors::donor_address))
        .route("/control/v1/donors/{donor}/traps", post(traps::import_traps))
        .route("/control/v1/log-lines", post(reports::log_lines).layer(DefaultBodyLimit::max(LOG_OCTETS_MAX)))
        .route("/control/v1/reports", post(reports::report).layer(DefaultBodyLimit::max(REPORT_OCTETS_MAX)))
        .route("/control/v1/removals", post(decisions::remove))
        .route("/control/v1/decisions", post(decisions::make_decision))
        .route("/control/v1/standing", get(decisions::standing))
        .route("/control/v1/audit", get(decisions::audit))
        .route("/control/v1/zones", get(zones::zones))
        .route("/control/v1/zones/{zone}/export/{form}", get(zones::export))
        .route("/control/v1/replay/{beginning}", get(zones::replay))
        .route("/control/v1/backtest", post(zones::backtest).layer(DefaultBodyLimit::max(ZONE_OCTETS_MAX)))
        .route("/control/v1/clock", post(clock::advance_clock))
}
