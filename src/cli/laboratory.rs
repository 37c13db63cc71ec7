//! `advance`: moves the clock of a laboratory.

use super::client::ControlClient;
use super::directive::done;
use super::failure::CommandFailure;
use crate::config::Config;
use crate::http::ClockAdvance;
use crate::time::Span;

/// Moves the clock of a laboratory forward.
///
/// # Errors
/// When the clock is not a laboratory's, or neither the daemon nor the store can be reached.
pub(super) async fn advance(config: &Config, span: Span) -> Result<(), CommandFailure> {
    done(
        &ControlClient::to_write(config)
            .await?
            .post("/control/v1/clock", &ClockAdvance { advance: span })
            .await?,
    )
}
