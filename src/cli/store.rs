//! `replay` and `backtest`, through the daemon or, if no daemon runs, on the store itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::net::UnixStream;

use super::client::{ControlClient, parse, store_exists};
use super::failure::{CommandFailure, EX_DATA, EX_NO_INPUT};
use super::output::tell;
use crate::backtest::{Backtest, BacktestDifference, backtest as fold_twice};
use crate::config::Config;
use crate::daemon::{STORE_FILE, StartError};
use crate::journal::EmbeddedJournal;
use crate::replay::{ReplayStart, replay as fold_again};
use crate::time::SystemClock;

/// The arguments of `replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Start from the checkpoint instead of the first entry.
    #[arg(long)]
    from_checkpoint: bool,
}

/// Folds the journal again, and prints the serial and digest of each zone. Changes nothing.
///
/// # Errors
/// When there is no journal, or it cannot be read.
pub(super) async fn replay(config: &Config, args: ReplayArgs) -> Result<(), CommandFailure> {
    let beginning = if args.from_checkpoint { ReplayStart::Checkpoint } else { ReplayStart::FirstEntry };
    if let Ok(daemon) = UnixStream::connect(&config.control_socket).await {
        return tell(&ControlClient::Daemon(daemon).get(&format!("/control/v1/replay/{beginning}")).await?);
    }
    let journal = open(config.journal.directory())?;
    tell(&fold_again(&journal, beginning).map_err(StartError::from)?.to_string())
}

fn open(directory: &Path) -> Result<EmbeddedJournal, CommandFailure> {
    if !store_exists(directory) {
        let text = format!("{}: there is no journal", directory.join(STORE_FILE).display());
        return Err(CommandFailure::new(EX_NO_INPUT, text));
    }
    let journal = EmbeddedJournal::open(&directory.join(STORE_FILE), Arc::new(SystemClock::start()));
    Ok(journal.map_err(StartError::Journal)?)
}

/// The arguments of `backtest`.
#[derive(Debug, Args)]
pub(super) struct BacktestArgs {
    /// The zone file with the policy to test.
    #[arg(long)]
    policy: PathBuf,
    /// The folder of another journal, such as `simulate --journal` writes. The default is the
    /// configured journal.
    #[arg(long)]
    pub(super) journal: Option<PathBuf>,
    /// Print one line of JSON instead of text.
    #[arg(long)]
    json: bool,
}

impl BacktestArgs {
    fn text(&self) -> Result<String, CommandFailure> {
        std::fs::read_to_string(&self.policy)
            .map_err(|error| CommandFailure::new(EX_NO_INPUT, format!("{}: {error}", self.policy.display())))
    }

    fn tell(&self, found: &Backtest) -> Result<(), CommandFailure> {
        if self.json {
            let line = serde_json::to_string(found)
                .map_err(|error| CommandFailure::new(EX_DATA, error.to_string()))?;
            return tell(&(line + "\n"));
        }
        tell(&shown(found))
    }

    /// Applies the policy to the journal in a folder. Needs no configuration.
    ///
    /// # Errors
    /// When the zone file or the journal cannot be read.
    pub(super) fn over(&self, directory: &Path) -> Result<(), CommandFailure> {
        let text = self.text()?;
        let zone = crate::zone::read(&self.policy.display().to_string(), &text)?;
        let journal = open(directory)?;
        let found = fold_twice(&journal, &zone.apex.origin.to_string(), &text)
            .map_err(|error| CommandFailure::new(EX_DATA, error.to_string()))?;
        self.tell(&found)
    }
}

/// Applies a policy to the configured journal. Changes nothing.
///
/// # Errors
/// When the zone file or the journal cannot be read.
pub(super) async fn backtest(config: &Config, args: &BacktestArgs) -> Result<(), CommandFailure> {
    match UnixStream::connect(&config.control_socket).await {
        Ok(daemon) => {
            let text = ControlClient::Daemon(daemon).post_text("/control/v1/backtest", args.text()?).await?;
            args.tell(&parse::<Backtest>(&text)?)
        }
        Err(_) => args.over(config.journal.directory()),
    }
}

fn shown(found: &Backtest) -> String {
    let Backtest { zone, first_entry, last_entry, until, .. } = found;
    let mut told = format!(
        "{zone} entries {first_entry} to {last_entry}, until {until}\n\
         listed at any time: {} by the policy in force then, {} by this policy\n",
        found.listed_before, found.listed_after
    );
    let lists = [
        ("added", found.added, &found.added_named),
        ("dropped", found.dropped, &found.dropped_named),
        ("changed", found.changed, &found.changed_named),
    ];
    for (what, count, named) in lists {
        told.push_str(&format!("{what}: {count}\n"));
        for BacktestDifference { relay, code, times_before, times_after, why, .. } in named {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            told.push_str(&format!(
                "  {relay} code {code}, listed or extended: {times_before} times before, {times_after} now{why}\n"
            ));
        }
    }
    told
}
