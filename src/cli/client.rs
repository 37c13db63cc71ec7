//! The client of the control interface: HTTP over the daemon's control socket or, if no daemon
//! runs, to a router over the store opened in this process.

use std::io::{ErrorKind, Write};
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tower::ServiceExt;

use super::failure::{CommandFailure, EX_DATA, EX_IO, EX_NO_INPUT, EX_UNAVAILABLE};
use crate::config::Config;
use crate::daemon::DaemonCore;
use crate::http;

/// Most octets of an answer that is held in memory.
const ANSWER_OCTETS_MAX: usize = 256 << 20;

/// A connection for one request.
pub(super) enum ControlClient {
    /// The control socket of a running daemon.
    Daemon(UnixStream),
    /// The store, opened in this process, and the routes of the control interface over it.
    Store(Box<DaemonCore>, Router),
}

impl ControlClient {
    /// Connects to the daemon, or opens the store if no daemon runs. Does not create a store.
    ///
    /// # Errors
    /// When there is neither a daemon nor a store, or the socket or the store cannot be opened.
    pub(super) async fn to_read(config: &Config) -> Result<Self, CommandFailure> {
        let (socket, directory) = (&config.control_socket, config.journal.directory());
        if !socket.exists() && !store_exists(directory) {
            let text =
                format!("no daemon at {}, and no journal in {}", socket.display(), directory.display());
            return Err(CommandFailure::new(
                EX_NO_INPUT,
                text + "; start the daemon, or use another --config",
            ));
        }
        ControlClient::to_write(config).await
    }

    /// Connects to the daemon, or opens the store if no daemon runs, and creates it if there is
    /// none.
    ///
    /// # Errors
    /// When the socket or the store cannot be opened.
    pub(super) async fn to_write(config: &Config) -> Result<Self, CommandFailure> {
        let socket = &config.control_socket;
        match UnixStream::connect(socket).await {
            Ok(stream) => Ok(ControlClient::Daemon(stream)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                let core = DaemonCore::open(config)?;
                core.begin().await?;
                let router = http::control(std::sync::Arc::clone(&core.app));
                Ok(ControlClient::Store(Box::new(core), router))
            }
            Err(error) => Err(CommandFailure::of_io(&error, format!("{}: {error}", socket.display()))),
        }
    }

    /// Connects to the daemon.
    ///
    /// # Errors
    /// When no daemon runs.
    pub(super) async fn of_daemon(config: &Config) -> Result<Self, CommandFailure> {
        let socket = &config.control_socket;
        let stream = UnixStream::connect(socket).await;
        stream
            .map(ControlClient::Daemon)
            .map_err(|error| CommandFailure::of_io(&error, format!("{}: {error}", socket.display())))
    }

    /// Posts a body of the given media type, and returns the answer's status and text, also if the
    /// status is an error.
    ///
    /// # Errors
    /// When the daemon does not answer, or the answer is longer than 256 MiB.
    pub(super) async fn post_octets(
        self,
        path: &str,
        media_type: &str,
        body: Body,
    ) -> Result<(StatusCode, String), CommandFailure> {
        let request = request(Method::POST, path, media_type, body)?;
        match self {
            ControlClient::Daemon(stream) => {
                let response = over(stream, request).await?;
                answered(response.status(), response.into_body()).await
            }
            ControlClient::Store(core, router) => {
                let Ok(response) = router.oneshot(request).await;
                let answer = answered(response.status(), response.into_body()).await;
                core.stop().await;
                answer
            }
        }
    }

    /// Sends a GET request, and returns the body of the answer as text.
    ///
    /// # Errors
    /// When the daemon does not answer, or its status is not a success.
    pub(super) async fn get(self, path: &str) -> Result<String, CommandFailure> {
        self.ask(Method::GET, path, Body::empty()).await
    }

    /// Sends a GET request, and writes the body of the answer as it arrives.
    ///
    /// # Errors
    /// When the daemon does not answer, its status is not a success, or `out` cannot be written.
    pub(super) async fn fetch(self, path: &str, out: &mut dyn Write) -> Result<(), CommandFailure> {
        self.request(Method::GET, path, Body::empty(), &mut |octets| out.write_all(octets)).await
    }

    /// Posts a body as JSON, and returns the body of the answer as text.
    ///
    /// # Errors
    /// When the daemon does not answer, or its status is not a success.
    pub(super) async fn post(self, path: &str, body: &impl Serialize) -> Result<String, CommandFailure> {
        let body = serde_json::to_vec(body).map_err(|error| CommandFailure::new(EX_IO, error.to_string()))?;
        self.ask(Method::POST, path, Body::from(body)).await
    }

    /// Posts a text, and returns the body of the answer as text.
    ///
    /// # Errors
    /// When the daemon does not answer, or its status is not a success.
    pub(super) async fn post_text(self, path: &str, text: String) -> Result<String, CommandFailure> {
        self.ask(Method::POST, path, Body::from(text)).await
    }

    async fn ask(self, method: Method, path: &str, body: Body) -> Result<String, CommandFailure> {
        let mut answer = Vec::new();
        self.request(method, path, body, &mut |octets| {
            if answer.len() + octets.len() > ANSWER_OCTETS_MAX {
                return Err(std::io::Error::other("the answer is too long"));
            }
            answer.extend(octets);
            Ok(())
        })
        .await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    async fn request(
        self,
        method: Method,
        path: &str,
        body: Body,
        take: BodySink<'_>,
    ) -> Result<(), CommandFailure> {
        let request = request(method, path, "application/json", body)?;
        match self {
            ControlClient::Daemon(stream) => {
                let response = over(stream, request).await?;
                read(response.status(), response.into_body(), take).await
            }
            ControlClient::Store(core, router) => {
                let Ok(response) = router.oneshot(request).await;
                let status = response.status();
                let read = read(status, response.into_body(), take).await;
                core.stop().await;
                read
            }
        }
    }
}

/// Takes the octets of an answer's body as they arrive.
type BodySink<'t> = &'t mut dyn FnMut(&[u8]) -> std::io::Result<()>;

fn request(
    method: Method,
    path: &str,
    media_type: &str,
    body: Body,
) -> Result<Request<Body>, CommandFailure> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "control")
        .header(header::CONTENT_TYPE, media_type)
        .body(body)
        .map_err(|error| CommandFailure::new(EX_IO, error.to_string()))
}

async fn answered(status: StatusCode, body: Body) -> Result<(StatusCode, String), CommandFailure> {
    let body = http_body_util::Limited::new(body, ANSWER_OCTETS_MAX);
    let octets =
        body.collect().await.map_err(|error| CommandFailure::new(EX_IO, error.to_string()))?.to_bytes();
    Ok((status, String::from_utf8_lossy(&octets).into_owned()))
}

async fn over(stream: UnixStream, request: Request<Body>) -> Result<Response<Body>, CommandFailure> {
    let failed = |error: hyper::Error| {
        CommandFailure::new(EX_UNAVAILABLE, format!("the daemon does not answer: {error}"))
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // The task ends with the connection. An error of the connection also fails the request below.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await.map_err(failed)?.map(Body::new))
}

async fn read(status: StatusCode, mut body: Body, take: BodySink<'_>) -> Result<(), CommandFailure> {
    if status.is_success() {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| CommandFailure::new(EX_IO, error.to_string()))?;
            if let Ok(octets) = frame.into_data() {
                take(&octets).map_err(|error| CommandFailure::of_io(&error, error.to_string()))?;
            }
        }
        return Ok(());
    }
    let body = http_body_util::Limited::new(body, ANSWER_OCTETS_MAX);
    let octets =
        body.collect().await.map_err(|error| CommandFailure::new(EX_IO, error.to_string()))?.to_bytes();
    let text = String::from_utf8_lossy(&octets).into_owned();
    let told: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let problem = told.as_ref().and_then(|told| told.get("error")?.as_str()).unwrap_or(&text);
    let code = match status {
        StatusCode::NOT_FOUND => EX_NO_INPUT,
        status if status.is_client_error() => EX_DATA,
        _ => EX_UNAVAILABLE,
    };
    Err(CommandFailure::new(code, problem))
}

/// Parses the body of an answer as JSON.
///
/// # Errors
/// When the text is not such a value: the daemon may be of another version.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, CommandFailure> {
    serde_json::from_str(text).map_err(|error| {
        CommandFailure::new(
            EX_DATA,
            format!("cannot parse the daemon's answer; the daemon may be of another version: {error}"),
        )
    })
}

/// Whether a store exists in a folder.
pub(super) fn store_exists(directory: &Path) -> bool {
    directory.join(crate::daemon::STORE_FILE).exists()
}
