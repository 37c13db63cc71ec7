//! The command line: what was asked for, done, and told.

mod classify;
mod client;
mod decisions;
mod demo;
mod donors;
mod export;
mod messages;
mod read_log;
mod serve_files;
mod simulate;
mod store;
mod submit;
mod verbs;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::complaint::Complaint;
use crate::config::{self, Config};
use crate::daemon::{Daemon, StartError};
use crate::journal::JournalError;
use crate::keys::KeyError;
use crate::lists::Watched;
use crate::publish::PublishError;
use crate::time::{Clock, SystemClock};

/// Turns spam-trap mail into a DNS blocklist of backscatter sources.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    /// The configuration file.
    #[arg(long, short, global = true, default_value = "/etc/backscatterd/backscatterd.toml")]
    config: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server.
    Serve,
    /// Run the name server alone, over files in rbldnsd's notation.
    ServeFiles(serve_files::Args),
    /// Check the configuration and the zones, tell all that is wrong, and print what is in force.
    Check,
    /// Run everything on loopback in a scratch folder, feed it real bounces, and show what happens.
    Demo(demo::Args),
    /// Tell whether an address is listed, and what the DNS answers.
    Lookup { address: String },
    /// Tell the whole way from evidence to listing, rule by rule.
    Explain {
        address: String,
        #[arg(long)]
        json: bool,
    },
    /// Write a feedback report (ARF, RFC 5965) about a listed relay to whoever runs it, for you to send: at most one in a week.
    Notice {
        address: String,
        /// Your mailbox, which is read.
        #[arg(long)]
        from: String,
        /// The contact of the relay's network.
        #[arg(long)]
        to: String,
    },
    /// Judge messages: files, folders of them, or mbox files.
    Classify(classify::Args),
    /// Write a zone down in a form that other programs read.
    Export(export::Args),
    /// Fold the journal from its beginning and print each zone's serial and digest.
    Replay(store::ReplayArgs),
    /// Try another policy over the journal: who would be added, dropped or judged otherwise, and why.
    Backtest(store::BacktestArgs),
    /// Add, list or retire traps.
    #[command(subcommand)]
    Trap(verbs::Trap),
    /// Say what donors may do, and see what came of them.
    #[command(subcommand)]
    Donor(donors::DonorVerb),
    /// Hand on messages that came to traps elsewhere: from standard input, files, Maildirs or mbox files.
    Submit(submit::Args),
    /// Read an MTA's log for null-sender mail to traps that it turned away: weak evidence.
    ReadLog(read_log::Args),
    /// Take an address off the list; what came before counts no more.
    Remove(verbs::RemoveArgs),
    /// Keep addresses from being listed.
    #[command(subcommand)]
    Exempt(decisions::Exempt),
    /// List an address by decision, with a reason and an end.
    List(decisions::ListArgs),
    /// Count nothing that a source brought, and end what stood on it.
    #[command(subcommand)]
    Void(decisions::Void),
    /// Let nothing be added to any zone.
    Freeze(decisions::Why),
    /// End a freeze, and let in what the guards held.
    Release(decisions::Why),
    /// Empty a zone for good (RFC 6471 §3.4).
    Shutdown(decisions::ZoneArgs),
    /// Take back a shutdown.
    Reopen(decisions::ZoneArgs),
    /// Tell how the list stands: frozen, held, exempt.
    Status,
    /// Read the record of every change, or check it.
    Audit(decisions::AuditArgs),
    /// Try a policy against a world of which the truth is known.
    Simulate(simulate::Args),
    /// Make a token for an operator of the API.
    Token,
    /// Move the clock of a laboratory.
    #[command(hide = true)]
    Advance { span: crate::time::Span },
}

/// Why a command failed, with the exit code that says so (after sysexits.h).
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    lines: Vec<String>,
}

pub(crate) const EX_DATA: u8 = 65;
pub(crate) const EX_NO_INPUT: u8 = 66;
pub(crate) const EX_UNAVAILABLE: u8 = 69;
const EX_IO: u8 = 74;
pub(crate) const EX_TEMPORARY: u8 = 75;
const EX_PERMISSION: u8 = 77;
const EX_CONFIG: u8 = 78;

/// How long a call to the system may keep the program from ending that was told to.
const SHUTDOWN_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

impl Failure {
    pub(crate) fn new(code: u8, line: impl Into<String>) -> Self {
        Failure { code, lines: vec![line.into()] }
    }

    fn of_io(error: &std::io::Error, line: String) -> Self {
        let code = match error.kind() {
            std::io::ErrorKind::PermissionDenied => EX_PERMISSION,
            std::io::ErrorKind::AddrInUse | std::io::ErrorKind::AddrNotAvailable => EX_UNAVAILABLE,
            _ => EX_IO,
        };
        Failure::new(code, line)
    }
}

impl From<Vec<Complaint>> for Failure {
    fn from(complaints: Vec<Complaint>) -> Self {
        Failure { code: EX_CONFIG, lines: complaints.iter().map(ToString::to_string).collect() }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let line = error.to_string();
        match &error {
            StartError::Journal(JournalError::InUse(_)) | StartError::Publish(PublishError::Behind) => {
                Failure::new(EX_TEMPORARY, line)
            }
            StartError::Journal(JournalError::Version { .. }) | StartError::Publish(_) => {
                Failure::new(EX_DATA, line)
            }
            StartError::Keys(KeyError::Damaged(_) | KeyError::Lost(_)) => Failure::new(EX_DATA, line),
            StartError::Keys(KeyError::File { source, .. })
            | StartError::Folder { source, .. }
            | StartError::Listen { source, .. } => Failure::of_io(source, line),
            StartError::List(_)
            | StartError::Networks { .. }
            | StartError::Tls(_)
            | StartError::Resolver(_) => Failure::new(EX_CONFIG, line),
            StartError::NotAdopted { .. } | StartError::ClockLeap { .. } => Failure::new(EX_CONFIG, line),
            StartError::Journal(_) | StartError::Keys(_) => Failure::new(EX_IO, line),
        }
    }
}

/// Runs what the command line asks for.
pub fn run() -> ExitCode {
    let Cli { config, verb } = match Cli::try_parse() {
        Ok(cli) => cli,
        // An MTA whose pipe can't be read for a slip of the pen must keep the message, and not bounce it.
        Err(error) if error.use_stderr() && std::env::args().any(|word| word == "submit") => {
            eprintln!("{error}");
            return ExitCode::from(EX_TEMPORARY);
        }
        Err(error) => error.exit(),
    };
    let is_pipe = matches!(&verb, Verb::Submit(args) if args.is_pipe());
    let done = match verb {
        Verb::Classify(args) => classify::run(&args),
        Verb::Demo(args) => on_runtime(demo::run(args)),
        Verb::Token => decisions::token(),
        Verb::ServeFiles(args) => serve_files::run(args),
        Verb::Simulate(args) => simulate::simulate(&args),
        Verb::Export(args) if !args.lists.is_empty() => export::lists(args),
        Verb::Backtest(args) if args.journal.is_some() => store::backtest_elsewhere(&args),
        verb => config::load(&config).map_err(Failure::from).and_then(|config| with_config(verb, &config)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, lines }) => {
            lines.iter().for_each(|line| eprintln!("backscatterd: {line}"));
            ExitCode::from(if is_pipe { EX_TEMPORARY } else { code })
        }
    }
}

fn with_config(verb: Verb, config: &Config) -> Result<(), Failure> {
    match verb {
        Verb::Serve => {
            start_log(&config.spec.log)?;
            on_runtime(serve(config))
        }
        Verb::Check => check(config),
        Verb::Backtest(args) => on_runtime(async { store::backtest(config, &args).await }),
        Verb::Replay(args) => on_runtime(store::replay(config, args)),
        Verb::Export(args) => on_runtime(export::zone(config, args)),
        Verb::Lookup { address } => on_runtime(verbs::lookup(config, &address)),
        Verb::Explain { address, json } => on_runtime(verbs::explain(config, &address, json)),
        Verb::Notice { address, from, to } => on_runtime(verbs::notice(config, &address, &from, &to)),
        Verb::Trap(trap) => on_runtime(verbs::trap(config, trap)),
        Verb::Donor(verb) => on_runtime(donors::run(config, verb)),
        Verb::Submit(args) => on_runtime(submit::run(config, args)),
        Verb::ReadLog(args) => on_runtime(read_log::run(config, args)),
        Verb::Remove(args) => on_runtime(verbs::remove(config, args)),
        Verb::Exempt(exempt) => on_runtime(decisions::exempt(config, exempt)),
        Verb::List(args) => on_runtime(decisions::list(config, args)),
        Verb::Void(void) => on_runtime(decisions::void(config, void)),
        Verb::Freeze(why) => on_runtime(decisions::freeze(config, why)),
        Verb::Release(why) => on_runtime(decisions::release(config, why)),
        Verb::Shutdown(args) => on_runtime(decisions::shut_down(config, args)),
        Verb::Reopen(args) => on_runtime(decisions::reopen(config, args)),
        Verb::Status => on_runtime(decisions::status(config)),
        Verb::Audit(args) => on_runtime(decisions::audit(config, args)),
        Verb::Advance { span } => on_runtime(verbs::advance(config, span)),
        Verb::Classify(_) | Verb::Demo(_) | Verb::ServeFiles(_) | Verb::Simulate(_) | Verb::Token => {
            unreachable!("these need no configuration and were run above")
        }
    }
}

fn on_runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of_io(&error, format!("no runtime: {error}")))?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    done
}

fn start_log(log: &config::Log) -> Result<(), Failure> {
    let filter = config::log_filter(&log.filter).map_err(|problem| Failure::new(EX_CONFIG, problem))?;
    // The DNS library tells two lines a query otherwise.
    let subscriber = tracing_subscriber::registry().with(filter.with_target("hickory_server", Level::WARN));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started =
        if log.json { subscriber.with(lines.json()).try_init() } else { subscriber.with(lines).try_init() };
    started.map_err(|error| Failure::new(EX_IO, format!("no log: {error}")))
}

async fn serve(config: &Config) -> Result<(), Failure> {
    for line in effective(config).lines() {
        tracing::info!(setting = line, "in force");
    }
    let daemon = Daemon::start(config).await?;
    tracing::info!(bound = ?daemon.bound(), "ready");
    let told = until_told_or(&daemon.failed()).await;
    tracing::info!("stopping");
    daemon.stop(&config.spec.control.socket).await;
    told
}

/// Waits for Ctrl-C or SIGTERM, or for a part of the server that can't go on.
async fn until_told_or(failed: &CancellationToken) -> Result<(), Failure> {
    tokio::select! {
        told = until_told() => told,
        () = failed.cancelled() => {
            Err(Failure::new(EX_IO, "a part of the server could not go on, as the log says; start again"))
        }
    }
}

/// Waits for Ctrl-C or SIGTERM.
async fn until_told() -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::of_io(&error, format!("no signals: {error}"));
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(failed),
        _ = terminate.recv() => Ok(()),
    }
}

fn check(config: &Config) -> Result<(), Failure> {
    let lists = Watched::read(config.dns.lists.clone(), SystemClock::start().now())
        .map_err(|error| Failure::new(EX_CONFIG, format!("dns.lists: {error}")))?;
    let mut told = effective(config);
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
    }
    for zone in lists.lists.load().zones() {
        told.push_str(&format!("# {} with {} entries of lists\n", zone.apex.origin, zone.len()));
    }
    tell(&told)
}

fn effective(config: &Config) -> String {
    toml::to_string(&config.spec)
        .unwrap_or_else(|error| format!("# the settings can't be written: {error}\n"))
}

/// Writes to standard output; a reader that left (`| head`) is no fault.
pub(crate) fn tell(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::of_io(&error, format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
