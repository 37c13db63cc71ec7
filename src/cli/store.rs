//! Commands that read the store by themselves.

use std::sync::Arc;

use clap::Args;

use super::client::store_exists;
use super::{EX_NO_INPUT, Failure, tell};
use crate::blocklist::Blocklist;
use crate::config::Config;
use crate::daemon::{STORE_FILE, StartError};
use crate::journal::{Embedded, Journal};
use crate::publish::{catch_up, restore};
use crate::time::SystemClock;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Begin with the checkpoint instead of the first entry.
    #[arg(long)]
    from_checkpoint: bool,
}

/// Folds the journal and prints what came of it. The store must be free: one process owns it.
pub(super) fn replay(config: &Config, args: &ReplayArgs) -> Result<(), Failure> {
    let directory = &config.spec.journal.directory;
    if !store_exists(directory) {
        let text = format!("{}: no journal there", directory.join(STORE_FILE).display());
        return Err(Failure::new(EX_NO_INPUT, text));
    }
    let journal =
        Embedded::open(&directory.join(STORE_FILE), Arc::new(SystemClock)).map_err(StartError::Journal)?;
    let whole = journal.first().map_err(StartError::Journal)?.0 == 1;
    let mut blocklist = if args.from_checkpoint || !whole {
        restore(&journal).map_err(StartError::from)?
    } else {
        Blocklist::new()
    };
    let from = blocklist.offset();
    catch_up(&mut blocklist, &journal, |_, _, _| {}).map_err(StartError::Journal)?;
    let mut lines = format!("entries {} to {}, time {}\n", from.next(), blocklist.offset(), blocklist.time());
    for zone in blocklist.snapshot().zones() {
        lines.push_str(&format!(
            "{} serial {} entries {} digest {}\n",
            zone.config.origin,
            zone.serial,
            zone.entries.len(),
            zone.digest()
        ));
    }
    lines.push_str(&format!("state digest {}\n", crate::digest::Digest::of(&blocklist.to_checkpoint())));
    tell(&lines)
}
