//! Helpers of the tests; none of them is a test.
//!
//! A test asks for port 0 and takes the number from the daemon ([`bound`], [`server`]), because a
//! port that was free a moment ago may be taken now. A test waits for what it needs with
//! [`wait_until`], not for a length of time, because the machine may be busy.

use std::time::Duration;

pub(crate) mod bound;
pub(crate) mod dns_client;
pub(crate) mod journal;
pub(crate) mod mail_host;
pub(crate) mod messages;
pub(crate) mod peer;
pub(crate) mod server;
pub(crate) mod smtp_client;
mod wait;
pub(crate) mod world;

pub(crate) use wait::happens_within;

/// The path of the program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_backscatterd");

/// Waits until a condition is true. Fails the test when it is still false at the limit.
pub(crate) fn wait_until(what: &str, limit: Duration, condition: impl FnMut() -> bool) {
    assert!(happens_within(limit, condition), "not within {limit:?}: {what}");
}
