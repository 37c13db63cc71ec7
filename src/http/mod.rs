//! The HTTP server: public pages and the API, the metrics on listeners of their own, and the operator's
//! requests on the control socket.

mod api;
mod app;
mod clients;
mod confirmation;
mod control;
mod directives;
mod error;
mod extract;
mod health;
mod hourly_limit;
mod limits;
mod origin;
mod pages;
mod places;
mod removal;
mod security;
mod settings;
mod submissions;
mod tokens;
mod trap_lists;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::map_response;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use self::error::ApiError;
use self::limits::BODY_OCTETS_MAX;

pub use api::{DecisionRequest, DonorLine, RequestedDecision};
pub use app::App;
pub use control::{
    AuditRequest, ClockAdvance, DonorAccount, DonorChange, DonorDismissal, ExemptionLine, LogReport,
    MailChoice, NewTrap, RemovalRequest, RetireTrap, StatusJson, TrapMailChange, TrapMailDone, ZoneLine,
    ZonesJson,
};
pub use directives::DirectiveDone;
pub use hourly_limit::{HourlyCount, HourlyLimit};
pub use places::RequestPlaces;
pub use settings::{HttpSettings, MetricsSettings};
pub use submissions::SubmissionResult;
pub use tokens::WRONG_TOKENS_MAX;
pub use trap_lists::TrapLine;

pub use crate::intake::feed::{FeedProblem, FeedReport};

/// All routes of the control socket: those that anyone may use, those for monitoring, and the
/// operator's.
pub fn control(app: Arc<App>) -> Router {
    served(public().merge(health::monitoring_routes()).merge(control::routes()), app)
}

/// Serves the public routes over TCP until `stop` is cancelled.
pub async fn serve_public(listener: TcpListener, app: Arc<App>, stop: CancellationToken) {
    let service = public_to_clients(app).into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the HTTP server failed");
    }
}

/// Serves the metrics over TCP until `stop` is cancelled.
pub async fn serve_metrics(listener: TcpListener, app: Arc<App>, stop: CancellationToken) {
    let service = served(health::monitoring_routes(), app);
    let served = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the server of the metrics failed");
    }
}

/// Serves the control socket until `stop` is cancelled.
pub async fn serve_control(listener: UnixListener, app: Arc<App>, stop: CancellationToken) {
    let served = axum::serve(listener, control(app)).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the control socket's server failed");
    }
}

/// Binds the control socket, to which only this user can connect. A socket that a terminated daemon left behind is
/// replaced.
///
/// # Errors
/// `AddrInUse` when another daemon listens on the socket or the path is not a socket; any error of
/// the file system.
pub fn bind_control(path: &Path) -> std::io::Result<UnixListener> {
    crate::folder::make(crate::folder::of(path))?;
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
    crate::sockets::unix(path)
}

/// All routes of the public server: those that anyone may use, and those that authenticate clients
/// or limit them by their network.
fn public_to_clients(app: Arc<App>) -> Router {
    let for_clients = pages::routes_for_clients().merge(api::routes_for_clients());
    served(public().merge(health::public_routes()).merge(for_clients), app)
}

/// The routes that need neither a client address nor authentication.
fn public() -> Router<Arc<App>> {
    pages::routes().merge(api::routes())
}

/// Completes routes with the general limit of bodies, with answers to requests for which there is no
/// route, and with the headers of every response.
fn served(routes: Router<Arc<App>>, app: Arc<App>) -> Router {
    routes
        .fallback(async || ApiError::UnknownPath)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(BODY_OCTETS_MAX))
        .layer(map_response(security::secured))
        .with_state(app)
}
