//! The HTTP server: public pages, the API, metrics, and the operator's requests on the control
//! socket.

mod addresses;
mod classify;
mod clients;
mod control;
mod decisions;
mod donors;
mod feed;
mod settings;
mod tokens;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use dashmap::DashSet;
use ipnet::IpNet;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

pub use clients::HourlyLimit;
pub use control::{ClockAdvance, DirectiveDone, DonorChange, NewTrap, RemovalRequest, RetireTrap, ZonesJson};
pub use decisions::{AuditRequest, DecisionRequest, ExemptionLine, RequestedDecision, StatusJson};
pub use donors::{DonorLine, LogReport, SubmissionResult};
pub use feed::{FeedProblem, FeedReport, TrapLine};
pub use settings::HttpSettings;
pub use tokens::WRONG_TOKENS_MAX;

use crate::digest::Digest;
use crate::intake::Intake;
use crate::journal::Journal;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::publish::Published;
use crate::time::{Clock, LaboratoryClock, Span};
use crate::trap::Donor;

/// Maximum size of a request body in octets, where no other limit applies.
const BODY_OCTETS_MAX: usize = 64 << 10;
/// Maximum size of a zone file for a backtest, in octets.
const ZONE_OCTETS_MAX: usize = 256 << 10;
/// Maximum size of a message that a donor submits, in octets.
const REPORT_OCTETS_MAX: usize = crate::mail::MESSAGE_OCTETS_MAX;
/// Maximum number of octets of log lines in one request.
const LOG_OCTETS_MAX: usize = 1 << 20;
/// Maximum number of journal entries that are not folded yet while `/readyz` reports ready.
const READY_LAG_MAX: u64 = 10_000;

/// The state that all handlers share.
pub struct App {
    /// The published snapshot and the state of the fold.
    pub published: Arc<Published>,
    /// The journal that directives are appended to.
    pub journal: Arc<dyn Journal>,
    /// The installation's secret keys.
    pub keys: Arc<Keys>,
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The same clock, if it is a laboratory clock.
    pub laboratory: Option<Arc<LaboratoryClock>>,
    /// Interval between two ticks.
    pub tick_interval: Span,
    /// Directory of the audit log.
    pub audit_directory: std::path::PathBuf,
    /// Names of the operators that may make decisions through the API, with the digests of their
    /// tokens.
    pub operators: Vec<(String, Digest)>,
    /// Networks of the proxies whose X-Forwarded-For header is used.
    pub proxies: Vec<IpNet>,
    /// Limit on self-service removals.
    pub removals: HourlyLimit,
    /// Limit on wrong tokens.
    pub wrong_tokens: HourlyLimit,
    /// Donors with a trap list that is being imported.
    pub feeding: DashSet<Donor>,
    /// Turns submitted messages into evidence.
    pub intake: Arc<Intake>,
}

/// The routes that need neither a client address nor authentication.
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

/// All routes of the public server: those of [`public`], and those that authenticate or limit
/// clients by their network.
fn public_to_clients(app: Arc<App>) -> Router {
    let counted = Router::new()
        .route("/api/v1/addresses/{address}/removal", post(decisions::removal))
        .route("/ip/{address}/removal", post(decisions::removal_form))
        .route("/api/v1/decisions", post(decisions::decide_by_token))
        .route("/api/v1/donor", get(donors::donor))
        .route("/api/v1/reports", post(donors::report))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_OCTETS_MAX))
        // Trap lists are read as a stream with their own limits.
        .route(
            "/api/v1/traps",
            get(donors::traps).post(donors::add_traps).put(donors::put_traps).delete(donors::delete_traps),
        )
        .with_state(Arc::clone(&app));
    public(app).merge(counted)
}

/// All routes of the control socket: those of [`public`] and the operator's.
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

/// Serves the public routes over TCP until `stop` is cancelled.
pub async fn serve_public(listener: TcpListener, app: Arc<App>, stop: CancellationToken) {
    let service = public_to_clients(app).into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the HTTP server failed");
    }
}

/// Serves the control socket until `stop` is cancelled.
pub async fn serve_control(listener: UnixListener, app: Arc<App>, stop: CancellationToken) {
    let served = axum::serve(listener, control(app)).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the control socket's server failed");
    }
}

/// Binds the control socket with mode 0600. A socket that a terminated daemon left behind is
/// replaced.
///
/// # Errors
/// `AddrInUse` when another daemon listens on the socket or the path is not a socket; any error of
/// the file system.
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
                "another daemon uses this socket, or the file is not a socket",
            ));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

/// The description of the API. A test compares it with the routes.
async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json"))
}

async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.expose())
}

/// `GET /healthz`: the process responds.
async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 when a zone is published and the fold keeps up with the journal, else 503.
async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, String) {
    let (head, applied) = (*app.journal.head().borrow(), app.published.applied());
    let zones = app.published.snapshot().zones().len();
    let ready = zones > 0 && app.journal.entries_between(applied, head) <= READY_LAG_MAX;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("zones {zones}, journal at {head}, fold at {applied}\n"))
}
