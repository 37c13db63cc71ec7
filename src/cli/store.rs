//! `replay`: through the daemon, or from the store where none runs.

use std::sync::Arc;

use clap::Args;
use tokio::net::UnixStream;

use super::client::{Client, store_exists};
use super::{EX_NO_INPUT, Failure, tell};
use crate::config::Config;
use crate::daemon::{STORE_FILE, StartError};
use crate::journal::Embedded;
use crate::publish::{Beginning, replay as fold_again};
use crate::time::SystemClock;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Begin with the checkpoint instead of the first entry.
    #[arg(long)]
    from_checkpoint: bool,
}

/// Folds the journal anew and prints what came of it. Nothing is written.
pub(super) async fn replay(config: &Config, args: ReplayArgs) -> Result<(), Failure> {
    let beginning = if args.from_checkpoint { Beginning::Checkpoint } else { Beginning::FirstEntry };
    if let Ok(daemon) = UnixStream::connect(&config.spec.control.socket).await {
        return tell(&Client::Daemon(daemon).get(&format!("/control/v1/replay/{beginning}")).await?);
    }
    let directory = &config.spec.journal.directory;
    if !store_exists(directory) {
        let text = format!("{}: no journal there", directory.join(STORE_FILE).display());
        return Err(Failure::new(EX_NO_INPUT, text));
    }
    let journal = Embedded::open(&directory.join(STORE_FILE), Arc::new(SystemClock::start()))
        .map_err(StartError::Journal)?;
    tell(&fold_again(&journal, beginning).map_err(StartError::from)?.to_string())
}
