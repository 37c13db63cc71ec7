//! `serve`, and `check`, which says what `serve` would do.

use std::sync::Arc;

use super::failure::{CommandFailure, EX_CONFIG, EX_DATA};
use super::output::tell;
use super::runtime::{on_runtime, start_log, until_told_or};
use crate::config::Config;
use crate::daemon::{Daemon, lookups, verifier_of};
use crate::lists::WatchedLists;
use crate::score::VerificationMode;
use crate::time::{Clock, SystemClock};
use crate::verify::{AskedDomain, Verifier};

/// Runs the server until SIGINT or SIGTERM.
///
/// # Errors
/// When the server cannot start, or a part of it fails.
pub(super) fn run(config: &Config) -> Result<(), CommandFailure> {
    start_log(&config.log)?;
    on_runtime(serve(config))
}

async fn serve(config: &Config) -> Result<(), CommandFailure> {
    for line in config.effective.lines() {
        tracing::info!(setting = line, "setting in force");
    }
    let daemon = Daemon::start(config).await?;
    tracing::info!(bound = ?daemon.bound(), "ready");
    let told = until_told_or(&daemon.failed()).await;
    tracing::info!("stopping");
    daemon.stop(&config.control_socket).await;
    told
}

/// Prints the settings in force, and what each zone holds. With a domain, also whether port 25 of its
/// mail exchangers can be reached.
///
/// # Errors
/// When a list cannot be read, the domain is not one, the resolver cannot be set up, or standard output
/// cannot be written.
pub(super) fn check(config: &Config, reach: Option<&str>) -> Result<(), CommandFailure> {
    let lists = WatchedLists::read(config.lists.clone(), SystemClock::start().now())
        .map_err(|error| CommandFailure::new(EX_CONFIG, format!("dns.lists: {error}")))?;
    let mut told = config.effective.clone();
    for file in &config.zones {
        let zone = &file.zone;
        told.push_str(&format!(
            "# {}: {} with {} codes and {} sublists, policy {}\n",
            file.path.display(),
            zone.apex.origin,
            zone.codes.len(),
            zone.sublists.len(),
            zone.digest
        ));
        if zone.policy.verification != VerificationMode::Off && !verifier(config)?.can_ask() {
            told.push_str(&format!(
                "# {}: policy.verification needs answers, and verify.addresses is empty, so cases wait and nothing enters the main zone without an answer\n",
                zone.apex.origin
            ));
        }
    }
    for address in config.metrics.public() {
        told.push_str(&format!(
            "# metrics.listen: {address} is a public address, and metrics move with every report, so their readers can find out which addresses are traps; write an address that only your monitoring can reach\n"
        ));
    }
    for zone in lists.lists.load().zones() {
        told.push_str(&format!("# {} with {} entries from list files\n", zone.apex.origin, zone.len()));
    }
    tell(&told)?;
    let Some(domain) = reach else { return Ok(()) };
    let domain = AskedDomain::parse(domain).map_err(|problem| CommandFailure::new(EX_DATA, problem))?;
    let verifier = verifier(config)?;
    on_runtime(async { tell(&format!("# {}\n", verifier.reach(&domain).await)) })
}

fn verifier(config: &Config) -> Result<Verifier, CommandFailure> {
    let lookups = lookups(&config.observe)?;
    Ok(verifier_of(config, Arc::new(lookups), Arc::new(SystemClock::start())))
}
