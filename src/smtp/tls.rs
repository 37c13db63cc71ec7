//! STARTTLS (RFC 3207): a certificate and its key, read again when their files change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether a file has changed.
const LOOK: Duration = Duration::from_secs(5);

/// Why TLS can't be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path}: {problem}")]
    File { path: PathBuf, problem: String },
    #[error("the key is not that of the certificate, or of no kind that is known: {0}")]
    Pair(rustls::Error),
    #[error("no protocol versions: {0}")]
    Protocol(rustls::Error),
}

/// Where a certificate's chain and its key lie, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What is offered now.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// TLS for sessions that ask for it.
pub struct Tls {
    files: TlsFiles,
    current: Arc<Current>,
    seen: Option<Seen>,
    pub acceptor: TlsAcceptor,
}

/// Enough of both files to tell that one has changed.
type Seen = [(SystemTime, u64); 2];

impl Tls {
    /// # Errors
    /// Where a file can't be read or the two don't belong together.
    pub fn read(files: TlsFiles) -> Result<Self, TlsError> {
        let seen = files.seen().ok();
        let current = Arc::new(Current(ArcSwap::from_pointee(files.read()?)));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Protocol)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&current));
        Ok(Tls { files, current, seen, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Reads the files again whenever they change, until told to stop. What can't be read changes nothing.
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
        // Files that are gone for a moment are being replaced.
        let Ok(seen) = self.files.seen() else { return };
        if self.seen.replace(seen) == Some(seen) {
            return;
        }
        match self.files.read() {
            Ok(certified) => {
                self.current.0.store(Arc::new(certified));
                tracing::info!(certificate = %self.files.certificate.display(), "the certificate was read again");
            }
            Err(error) => {
                tracing::error!(%error, "the new certificate can't be used; the one before is offered still");
            }
        }
    }
}

impl TlsFiles {
    fn seen(&self) -> io::Result<Seen> {
        let of = |path: &Path| {
            let metadata = fs::metadata(path)?;
            Ok::<_, io::Error>((metadata.modified()?, metadata.len()))
        };
        Ok([of(&self.certificate)?, of(&self.key)?])
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
            return Err(of(&self.certificate, &"no certificate in it"));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| of(&self.key, &error))?;
        CertifiedKey::from_der(chain, key, &default_provider()).map_err(TlsError::Pair)
    }
}
