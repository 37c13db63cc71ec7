//! The TLS configuration for STARTTLS (RFC 3207): a certificate and its key, reloaded when their
//! files change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::file_state::FileState;

/// Interval at which the files are checked for changes.
const LOOK: Duration = Duration::from_secs(5);

/// Why TLS cannot be configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or does not contain what it should.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The key does not match the certificate, or its type is not supported.
    #[error("the key does not match the certificate, or its type is not supported: {0}")]
    Pair(rustls::Error),
    /// The cryptography provider supports no safe protocol version.
    #[error("no supported TLS protocol version: {0}")]
    Protocol(rustls::Error),
}

/// The PEM files of a certificate chain and its key.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key of the first certificate.
    pub key: PathBuf,
}

/// The certificate that new TLS sessions get.
#[derive(Debug)]
struct CurrentTls(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for CurrentTls {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// The TLS server configuration, with the files that it is read from.
pub struct Tls {
    files: TlsFiles,
    current: Arc<CurrentTls>,
    /// The state of both files when they were last looked at.
    seen: Option<[FileState; 2]>,
    /// Accepts TLS sessions with the current certificate.
    pub acceptor: TlsAcceptor,
}

impl Tls {
    /// Reads the certificate and the key.
    ///
    /// # Errors
    /// When a file cannot be read, or the key does not match the certificate.
    pub fn read(files: TlsFiles) -> Result<Self, TlsError> {
        let seen = files.seen().ok();
        let current = Arc::new(CurrentTls(ArcSwap::from_pointee(files.read()?)));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Protocol)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<CurrentTls>::clone(&current));
        Ok(Tls { files, current, seen, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Reloads the files whenever they change, until `stop` is cancelled. If they cannot be used,
    /// the previous certificate remains in use.
    pub async fn watch(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
            self.look();
        }
    }

    fn look(&mut self) {
        // A missing file is taken for one that is being replaced.
        let Ok(seen) = self.files.seen() else { return };
        if self.seen.as_ref() == Some(&seen) {
            return;
        }
        self.seen = Some(seen);
        match self.files.read() {
            Ok(certified) => {
                self.current.0.store(Arc::new(certified));
                tracing::info!(certificate = %self.files.certificate.display(), "TLS certificate reloaded");
            }
            Err(error) => {
                tracing::error!(%error, "cannot use the new TLS certificate; the previous one remains in use");
            }
        }
    }
}

impl TlsFiles {
    fn seen(&self) -> io::Result<[FileState; 2]> {
        Ok([FileState::of(&self.certificate)?, FileState::of(&self.key)?])
    }

    fn read(&self) -> Result<CertifiedKey, TlsError> {
        let of = |path: &Path, problem: &dyn std::fmt::Display| TlsError::File {
            path: path.to_owned(),
            problem: problem.to_string(),
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .map_err(|error| of(&self.certificate, &error))?;
        if chain.is_empty() {
            return Err(of(&self.certificate, &"the file contains no certificate"));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| of(&self.key, &error))?;
        CertifiedKey::from_der(chain, key, &default_provider()).map_err(TlsError::Pair)
    }
}
