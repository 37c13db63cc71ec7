//! How commands reach the fold: the daemon's control socket, or, where no daemon runs, the store itself. The verbs are
//! the same HTTP either way.

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

use super::{EX_DATA, EX_IO, EX_NO_INPUT, EX_UNAVAILABLE, Failure};
use crate::config::Config;
use crate::daemon::Core;
use crate::http;

/// Most octets of an answer.
const ANSWER_OCTETS_MAX: usize = 256 << 20;

pub(super) enum Client {
    Daemon(UnixStream),
    Store(Box<Core>, Router),
}

impl Client {
    /// Finds the daemon, or opens the store where none runs. A store that isn't there is not begun: nothing is known.
    pub(super) async fn to_read(config: &Config) -> Result<Self, Failure> {
        let (socket, directory) = (&config.spec.control.socket, &config.spec.journal.directory);
        if !socket.exists() && !store_exists(directory) {
            let text =
                format!("no daemon at {}, and no journal in {}", socket.display(), directory.display());
            return Err(Failure::new(EX_NO_INPUT, text + "; start one, or name another configuration"));
        }
        Client::to_write(config).await
    }

    /// Finds the daemon, or opens the store, or begins one, where none runs.
    pub(super) async fn to_write(config: &Config) -> Result<Self, Failure> {
        let socket = &config.spec.control.socket;
        match UnixStream::connect(socket).await {
            Ok(stream) => Ok(Client::Daemon(stream)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                let core = Core::open(config)?;
                core.tell_time().await?;
                let router = http::control(std::sync::Arc::clone(&core.app));
                Ok(Client::Store(Box::new(core), router))
            }
            Err(error) => Err(Failure::of_io(&error, format!("{}: {error}", socket.display()))),
        }
    }

    /// Finds the daemon.
    ///
    /// # Errors
    /// Where none runs.
    pub(super) async fn of_daemon(config: &Config) -> Result<Self, Failure> {
        let socket = &config.spec.control.socket;
        let stream = UnixStream::connect(socket).await;
        stream
            .map(Client::Daemon)
            .map_err(|error| Failure::of_io(&error, format!("{}: {error}", socket.display())))
    }

    /// Posts octets of some type, and gives the answer's status and text, whatever they are.
    pub(super) async fn post_octets(
        self,
        path: &str,
        media_type: &str,
        body: Body,
    ) -> Result<(StatusCode, String), Failure> {
        let request = request(Method::POST, path, media_type, body)?;
        match self {
            Client::Daemon(stream) => {
                let response = over(stream, request).await?;
                answered(response.status(), response.into_body()).await
            }
            Client::Store(core, router) => {
                let Ok(response) = router.oneshot(request).await;
                let answer = answered(response.status(), response.into_body()).await;
                core.stop().await;
                answer
            }
        }
    }

    /// Asks, and gives the answer's body as text.
    ///
    /// # Errors
    /// What the answer says is wrong.
    pub(super) async fn get(self, path: &str) -> Result<String, Failure> {
        self.ask(Method::GET, path, Body::empty()).await
    }

    /// Asks, and writes the answer's body as it comes.
    pub(super) async fn fetch(self, path: &str, out: &mut dyn Write) -> Result<(), Failure> {
        self.request(Method::GET, path, Body::empty(), &mut |octets| out.write_all(octets)).await
    }

    pub(super) async fn post(self, path: &str, body: &impl Serialize) -> Result<String, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::new(EX_IO, error.to_string()))?;
        self.ask(Method::POST, path, Body::from(body)).await
    }

    pub(super) async fn post_text(self, path: &str, text: String) -> Result<String, Failure> {
        self.ask(Method::POST, path, Body::from(text)).await
    }

    async fn ask(self, method: Method, path: &str, body: Body) -> Result<String, Failure> {
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

    async fn request(self, method: Method, path: &str, body: Body, take: Take<'_>) -> Result<(), Failure> {
        let request = request(method, path, "application/json", body)?;
        match self {
            Client::Daemon(stream) => {
                let response = over(stream, request).await?;
                read(response.status(), response.into_body(), take).await
            }
            Client::Store(core, router) => {
                let Ok(response) = router.oneshot(request).await;
                let status = response.status();
                let read = read(status, response.into_body(), take).await;
                core.stop().await;
                read
            }
        }
    }
}

/// Takes an answer's octets as they come.
type Take<'t> = &'t mut dyn FnMut(&[u8]) -> std::io::Result<()>;

fn request(method: Method, path: &str, media_type: &str, body: Body) -> Result<Request<Body>, Failure> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "control")
        .header(header::CONTENT_TYPE, media_type)
        .body(body)
        .map_err(|error| Failure::new(EX_IO, error.to_string()))
}

async fn answered(status: StatusCode, body: Body) -> Result<(StatusCode, String), Failure> {
    let body = http_body_util::Limited::new(body, ANSWER_OCTETS_MAX);
    let octets = body.collect().await.map_err(|error| Failure::new(EX_IO, error.to_string()))?.to_bytes();
    Ok((status, String::from_utf8_lossy(&octets).into_owned()))
}

async fn over(stream: UnixStream, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let failed =
        |error: hyper::Error| Failure::new(EX_UNAVAILABLE, format!("the daemon does not answer: {error}"));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // Ends with the connection; a fault of it shows in the answer.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await.map_err(failed)?.map(Body::new))
}

async fn read(status: StatusCode, mut body: Body, take: Take<'_>) -> Result<(), Failure> {
    if status.is_success() {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Failure::new(EX_IO, error.to_string()))?;
            if let Ok(octets) = frame.into_data() {
                take(&octets).map_err(|error| Failure::of_io(&error, error.to_string()))?;
            }
        }
        return Ok(());
    }
    let body = http_body_util::Limited::new(body, ANSWER_OCTETS_MAX);
    let octets = body.collect().await.map_err(|error| Failure::new(EX_IO, error.to_string()))?.to_bytes();
    let text = String::from_utf8_lossy(&octets).into_owned();
    let told: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let problem = told.as_ref().and_then(|told| told.get("error")?.as_str()).unwrap_or(&text);
    let code = match status {
        StatusCode::NOT_FOUND => EX_NO_INPUT,
        status if status.is_client_error() => EX_DATA,
        _ => EX_UNAVAILABLE,
    };
    Err(Failure::new(code, problem))
}

pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::new(EX_DATA, format!("the daemon is of another version: {error}")))
}

/// Where a store would be, for commands that need it to be there already.
pub(super) fn store_exists(directory: &Path) -> bool {
    directory.join(crate::daemon::STORE_FILE).exists()
}
