//! The state that all HTTP handlers share.

use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;

use super::hourly_limit::{HourlyCount, HourlyLimit};
use super::places::RequestPlaces;
use crate::digest::Digest;
use crate::intake::Intake;
use crate::journal::Journal;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::observe::MailRoutes;
use crate::publish::Published;
use crate::time::{Clock, LaboratoryClock, Span};

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
    pub audit_directory: PathBuf,
    /// Names of the operators that may make decisions through the API, with the digests of their
    /// tokens.
    pub operators: Vec<(String, Digest)>,
    /// Networks of the proxies whose X-Forwarded-For header is used.
    pub proxies: Vec<IpNet>,
    /// Limit on self-service removals.
    pub removals: HourlyLimit,
    /// The number of self-service removals in this hour.
    pub removals_of_hour: HourlyCount,
    /// Limit on wrong tokens.
    pub wrong_tokens: HourlyLimit,
    /// Limits on costly requests that are served at one time.
    pub places: RequestPlaces,
    /// Turns submitted messages into evidence.
    pub intake: Arc<Intake>,
    /// Looks up where the mail for trap domains goes.
    pub routes: Arc<MailRoutes>,
}
