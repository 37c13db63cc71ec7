//! The daemon: builds the parts, starts them in order, and stops them in reverse order.
//!
//! The order is configuration, journal, fold, first snapshot; then DNS and HTTP; then SMTP. SMTP is
//! last, because the reports that it acknowledges need the other parts.

// A setting that nothing reads is an error.
#![deny(unused_variables)]

mod core;
mod questions;
mod recalling;
mod routing;
mod serving;
mod start_error;
mod verifying;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use self::core::{DaemonCore, STORE_FILE, lookups, verifier_of};
pub use serving::BoundAddresses;
pub use start_error::StartError;
pub use verifying::{VerifyingParts, past_session, verify};

use serving::Serving;

use crate::config::Config;
use crate::lists::WatchedLists;
use crate::publish::Published;
use crate::time::{Clock, SystemClock};
use crate::{http, smtp};

/// The running daemon.
pub struct Daemon {
    serving: Serving,
    core: DaemonCore,
}

impl Daemon {
    /// Starts all parts and returns once they are ready.
    ///
    /// # Errors
    /// When a part can't start; see [`StartError`].
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        // Files are checked first, before anything is created or bound.
        let lists = WatchedLists::read(config.lists.clone(), SystemClock::start().now())?;
        let tls = config.smtp.tls.clone().map(smtp::Tls::read).transpose()?;
        let core = DaemonCore::open(config)?;
        match Serving::start(&core, config, lists, tls).await {
            Ok(serving) => Ok(Daemon { serving, core }),
            Err(error) => {
                core.stop().await;
                Err(error)
            }
        }
    }

    /// The addresses that the daemon listens on.
    pub fn bound(&self) -> &BoundAddresses {
        &self.serving.bound
    }

    /// The results of the fold.
    pub fn published(&self) -> &Arc<Published> {
        &self.core.app.published
    }

    /// The state that the HTTP handlers share.
    pub fn app(&self) -> &Arc<http::App> {
        &self.core.app
    }

    /// Waits until the inquiries about all stored evidence have been answered; see
    /// [`Observer::settled`].
    pub async fn observed(&self) {
        self.core.observer.settled().await;
    }

    /// Cancelled when the fold or the name server could not go on; the process should then end.
    pub fn failed(&self) -> CancellationToken {
        self.core.publisher.failed.clone()
    }

    /// Stops SMTP, then observation, HTTP, DNS and the fold. Everything that was acknowledged is in
    /// the journal.
    pub async fn stop(self, control: &std::path::Path) {
        let Serving { smtp, http, dns, .. } = self.serving;
        smtp.stop("SMTP").await;
        self.core.observer.stop().await;
        http.stop("HTTP").await;
        dns.stop("DNS").await;
        if let Err(error) = std::fs::remove_file(control) {
            tracing::debug!(%error, "the control socket's file could not be removed");
        }
        self.core.stop().await;
    }
}
