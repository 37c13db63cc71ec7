//! The asynchronous runtime of a command, its log, and the signals that end it.

use std::io::IsTerminal as _;

use tokio_util::sync::CancellationToken;
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::failure::{CommandFailure, EX_IO};
use crate::config::LogSettings;

/// How long the program waits at its end for blocking system calls to return.
const SHUTDOWN_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

/// Runs a command to its end on a new runtime.
///
/// # Errors
/// When the runtime cannot start, or the command fails.
pub(super) fn on_runtime(
    work: impl Future<Output = Result<(), CommandFailure>>,
) -> Result<(), CommandFailure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        CommandFailure::of_io(&error, format!("cannot start the asynchronous runtime: {error}"))
    })?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    done
}

/// Starts the log, on standard error.
///
/// # Errors
/// When a log was started before.
pub(super) fn start_log(LogSettings { filter, json }: &LogSettings) -> Result<(), CommandFailure> {
    let filter = filter.clone();
    // The DNS library would log two lines for each query at the level info.
    let subscriber = tracing_subscriber::registry().with(filter.with_target("hickory_server", Level::WARN));
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let started =
        if *json { subscriber.with(lines.json()).try_init() } else { subscriber.with(lines).try_init() };
    started.map_err(|error| CommandFailure::new(EX_IO, format!("cannot start the log: {error}")))
}

/// Waits for SIGINT (Ctrl-C) or SIGTERM, or until a part of the server fails.
///
/// # Errors
/// When a part of the server fails, or the system gives no signals.
pub(super) async fn until_told_or(failed: &CancellationToken) -> Result<(), CommandFailure> {
    tokio::select! {
        told = until_told() => told,
        () = failed.cancelled() => {
            Err(CommandFailure::new(EX_IO, "a part of the server failed; see the log for the cause, then restart the server"))
        }
    }
}

/// Waits for SIGINT (Ctrl-C) or SIGTERM.
///
/// # Errors
/// When the system gives no signals.
pub(super) async fn until_told() -> Result<(), CommandFailure> {
    let failed =
        |error: std::io::Error| CommandFailure::of_io(&error, format!("cannot receive signals: {error}"));
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(failed),
        _ = terminate.recv() => Ok(()),
    }
}
