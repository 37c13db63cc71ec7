//! Limits on the bodies of requests.

use std::time::Duration;

/// Maximum size of a request body in octets, where no other limit applies.
pub(super) const BODY_OCTETS_MAX: usize = 64 << 10;
/// Maximum size of a message to classify, in octets.
pub(super) const CLASSIFIED_OCTETS_MAX: usize = 1 << 20;
/// Maximum size of a message that a donor or the operator submits, in octets.
pub(super) const REPORT_OCTETS_MAX: usize = crate::mail::MESSAGE_OCTETS_MAX;
/// Maximum time to receive a message that a donor submits; 408 beyond.
pub(super) const REPORT_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum number of octets of log lines in one request.
pub(super) const LOG_OCTETS_MAX: usize = 1 << 20;
/// Maximum size of a zone file for a backtest, in octets.
pub(super) const ZONE_OCTETS_MAX: usize = 256 << 10;
/// Maximum size of a trap list in octets; 413 beyond.
pub(super) const LIST_OCTETS_MAX: u64 = 512 << 20;
/// Maximum number of traps in a trap list; 413 beyond.
pub(super) const LIST_TRAPS_MAX: usize = 4_000_000;
/// Maximum time in which a client must send the next part of a trap list, or receive the next part
/// of a trap listing.
pub(super) const LIST_TIMEOUT: Duration = Duration::from_secs(60);
/// Minimum rate of a trap list in octets per second, after its first minute.
pub(super) const LIST_RATE_MIN: u64 = 1 << 10;
