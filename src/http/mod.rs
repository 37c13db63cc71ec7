//! Pages, API, metrics, and the verbs of the control socket: one router, of which the public sees a part.

mod addresses;
mod classify;
mod clients;
mod control;
mod decisions;
mod donors;
mod feed;
mod tokens;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use dashmap::DashSet;
use ipnet::IpNet;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

pub use clients::PerHour;
pub use control::{Advance, Done, DonorChange, NewTrap, Removal, RetireTrap, Zones};
pub use decisions::{AuditWanted, Decided, Decision, ExemptionLine, StandingLine};
pub use donors::{DonorLine, LogReport, Taken};
pub use feed::{FeedProblem, FeedReport, TrapLine};
pub use tokens::WRONG_TOKENS_MAX;

use crate::digest::Digest;
use crate::intake::Intake;
use crate::journal::Journal;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::publish::Published;
use crate::time::{Clock, LaboratoryClock, Span};
use crate::trap::Donor;

/// Most octets of a request's body.
const BODY_OCTETS_MAX: usize = 64 << 10;
/// Most octets of a zone's file that is tried.
const ZONE_OCTETS_MAX: usize = 256 << 10;
/// Most octets of a message that a donor hands on.
const REPORT_OCTETS_MAX: usize = crate::mail::MESSAGE_OCTETS_MAX;
/// Most octets of log lines in one request.
const LOG_OCTETS_MAX: usize = 1 << 20;
/// How far the fold may be behind the journal and still be called ready, in entries.
const READY_LAG_MAX: u64 = 10_000;

/// What the handlers need.
pub struct App {
    pub published: Arc<Published>,
    pub journal: Arc<dyn Journal>,
    pub keys: Arc<Keys>,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<dyn Clock>,
    /// The same clock, where it is a laboratory's.
    pub laboratory: Option<Arc<LaboratoryClock>>,
    pub tick_interval: Span,
    pub audit_directory: std::path::PathBuf,
    /// Who may take decisions through the API, and the digests of their tokens.
    pub operators: Vec<(String, Digest)>,
    /// Proxies whose X-Forwarded-For is believed.
    pub proxies: Vec<IpNet>,
    pub removals: PerHour,
    /// Wrong tokens, by who came with them.
    pub wrong_tokens: PerHour,
    /// Donors whose lists are being taken in.
    pub feeding: DashSet<Donor>,
    /// What takes reports in, while a daemon runs.
    pub intake: OnceLock<Arc<Intake>>,
}

/// What anyone may ask.
pub fn public(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(addresses::index))
        .route("/ip/{address}", get(addresses::page))
        .route("/api/v1/addresses/{address}", get(addresses::api))
        .route("/api/v1/addresses/{address}/history", get(decisions::history))
        .route("/api/v1/notes", get(decisions::notes))
        .route("/api/v1/openapi.json", get(openapi))
        .route(
            "/api/v1/classify",
            post(classify::classify)
                .layer(axum::extract::DefaultBodyLimit::max(classify::MESSAGE_OCTETS_MAX)),
        )
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_OCTETS_MAX))
        .with_state(app)
}

/// What anyone may ask who has an address: how often he may is counted by it.
fn public_to_clients(app: Arc<App>) -> Router {
    let counted = Router::new()
        .route("/api/v1/addresses/{address}/removal", post(decisions::removal))
        .route("/ip/{address}/removal", post(decisions::removal_form))
        .route("/api/v1/decisions", post(decisions::decide_by_token))
        .route("/api/v1/donor", get(donors::donor))
        .route("/api/v1/reports", post(donors::report))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_OCTETS_MAX))
        // Lists are read as they come, and bounded while they are.
        .route(
            "/api/v1/traps",
            get(donors::traps).post(donors::add_traps).put(donors::put_traps).delete(donors::delete_traps),
        )
        .with_state(Arc::clone(&app));
    public(app).merge(counted)
}

/// What the operator may ask besides.
pub fn control(app: Arc<App>) -> Router {
    let verbs = Router::new()
        .route("/control/v1/explain/{address}", get(control::explain))
        .route("/control/v1/notice/{address}", get(control::notice))
        .route("/control/v1/traps", get(control::traps).post(control::add_trap))
        .route("/control/v1/traps/retire", post(control::retire_trap))
        .route("/control/v1/donors", get(control::donors).post(control::set_donor))
        .route("/control/v1/donors/{donor}/key", get(control::donor_key))
        .route("/control/v1/donors/{donor}/address", get(control::donor_address))
        .route("/control/v1/donors/{donor}/traps", post(control::import_traps))
        .route(
            "/control/v1/log-lines",
            post(control::log_lines).layer(axum::extract::DefaultBodyLimit::max(LOG_OCTETS_MAX)),
        )
        .route(
            "/control/v1/reports",
            post(control::report).layer(axum::extract::DefaultBodyLimit::max(REPORT_OCTETS_MAX)),
        )
        .route("/control/v1/removals", post(control::remove))
        .route("/control/v1/decisions", post(decisions::decide))
        .route("/control/v1/standing", get(decisions::standing))
        .route("/control/v1/audit", get(decisions::audit))
        .route("/control/v1/zones", get(control::zones))
        .route("/control/v1/zones/{zone}/export/{form}", get(control::export))
        .route("/control/v1/replay/{beginning}", get(control::replay))
        .route(
            "/control/v1/backtest",
            post(control::backtest).layer(axum::extract::DefaultBodyLimit::max(ZONE_OCTETS_MAX)),
        )
        .route("/control/v1/clock", post(control::advance_clock))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_OCTETS_MAX))
        .with_state(Arc::clone(&app));
    public(app).merge(verbs)
}

/// Serves the public part over TCP until told to stop.
pub async fn serve_public(listener: TcpListener, app: Arc<App>, stop: CancellationToken) {
    let service = public_to_clients(app).into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "HTTP ended");
    }
}

/// Serves everything over the control socket until told to stop.
pub async fn serve_control(listener: UnixListener, app: Arc<App>, stop: CancellationToken) {
    let served = axum::serve(listener, control(app)).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the control socket ended");
    }
}

/// Binds the control socket; one that a dead daemon left behind is replaced.
pub fn bind_control(path: &Path) -> std::io::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    if let Ok(found) = std::fs::symlink_metadata(path) {
        let dead = std::os::unix::fs::FileTypeExt::is_socket(&found.file_type())
            && std::os::unix::net::UnixStream::connect(path)
                .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
        if !dead {
            return Err(std::io::Error::new(
                ErrorKind::AddrInUse,
                "another daemon's socket, or no socket at all",
            ));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

/// The API, described; a test holds it to what is served.
async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json"))
}

async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.expose())
}

/// The process answers.
async fn healthz() -> &'static str {
    "ok\n"
}

/// The zone is published and follows the journal.
async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, String) {
    let (head, applied) = (*app.journal.head().borrow(), app.published.applied());
    let zones = app.published.snapshot().zones().len();
    let ready = zones > 0 && app.journal.entries_between(applied, head) <= READY_LAG_MAX;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("zones {zones}, journal at {head}, fold at {applied}\n"))
}
