//! Why the daemon can't start.

use std::io;
use std::path::PathBuf;

use crate::journal::JournalError;
use crate::keys::KeyError;
use crate::lists::ListError;
use crate::observe::NetworksError;
use crate::publish::PublishError;
use crate::smtp::TlsError;
use crate::time::{Span, Timestamp};

/// Why the daemon can't start. Each message says what the operator can do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal can't be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The fold can't start.
    #[error(transparent)]
    Publish(PublishError),
    /// The keys can't be read or created.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The journal's folder can't be created, or others than this user can change it.
    #[error("{path}: {source}")]
    Folder { path: PathBuf, source: io::Error },
    /// The table of autonomous systems can't be read.
    #[error("{path}: {source}")]
    Networks { path: PathBuf, source: NetworksError },
    /// A list file can't be read.
    #[error("dns.lists: {0}")]
    List(#[from] ListError),
    /// The TLS certificate or key can't be read.
    #[error("smtp.tls_certificate, smtp.tls_key: {0}")]
    Tls(#[from] TlsError),
    /// The resolver can't be set up.
    #[error("cannot set up the DNS resolver: {0}; see /etc/resolv.conf, or set observe.enabled = false")]
    Resolver(String),
    /// A zone file was refused.
    #[error("{path}: the zone file was not adopted: {why}")]
    NotAdopted { path: PathBuf, why: &'static str },
    /// The clock is too far ahead of the journal.
    #[error(
        "the clock says {now}, but the journal's last entry is from {last}, more than {leap_max} earlier: correct the \
         clock, or, if the clock is right, raise clock.leap_max for this start"
    )]
    ClockLeap { now: Timestamp, last: Timestamp, leap_max: Span },
    /// An address can't be bound.
    #[error("{what} cannot listen on {address}: {source}")]
    Listen { what: &'static str, address: String, source: io::Error },
}

impl From<PublishError> for StartError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Journal(error) => StartError::Journal(error),
            other => StartError::Publish(other),
        }
    }
}
