//! The command line: parses the arguments, runs the verb, prints its result and sets the exit code.

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
mod uri;
mod verbs;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::complaint::Complaint;
use crate::config::{self, Config, LogSettings};
use crate::daemon::{Daemon, StartError};
use crate::journal::JournalError;
use crate::keys::KeyError;
use crate::lists::WatchedLists;
use crate::publish::PublishError;
use crate::time::{Clock, SystemClock};

/// Turns spam-trap mail into a DNS blocklist of backscatter sources.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    /// The configuration file
    #[arg(long, short, global = true, default_value = "/etc/backscatterd/backscatterd.toml")]
    config: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server.
    Serve,
    /// Run only the name server, over list files in rbldnsd's format.
    ///
    /// Needs no configuration file.
    ServeFiles(serve_files::ServeFilesArgs),
    /// Check the configuration and the zone files, report every error, and print the settings in
    /// force.
    Check,
    /// Run the complete server on loopback in a temporary folder, send it real bounces, and show
    /// the result.
    Demo(demo::DemoArgs),
    /// Show whether an address is listed, and the DNS answer of each zone for it.
    Lookup {
        /// The IPv4 or IPv6 address.
        address: String,
    },
    /// Show how an address was judged: its evidence, each rule of the policy, and its listings.
    Explain {
        /// The IPv4 or IPv6 address.
        address: String,
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Print a feedback report (ARF, RFC 5965) for the operator of a listed relay.
    ///
    /// The program does not send the report. Send it yourself, at most once in 7 days to one
    /// contact.
    Notice {
        /// The address of the listed relay.
        address: String,
        /// Your own mailbox, for the From field. Replies to it must be read.
        #[arg(long)]
        from: String,
        /// The mailbox of the contact for the relay's network, for the To field.
        #[arg(long)]
        to: String,
    },
    /// Classify messages from files, folders or mbox files.
    ///
    /// Needs no configuration file.
    Classify(classify::ClassifyArgs),
    /// Write a zone in a file format that other programs read.
    Export(export::ExportArgs),
    /// Fold the journal again from its first entry, and print each zone's serial and digest.
    ///
    /// Changes nothing.
    Replay(store::ReplayArgs),
    /// Apply another policy to the journal, and show which relays it would list or judge
    /// differently.
    ///
    /// Prints the relays that the policy would add, drop or change, each with the reason. Changes
    /// nothing.
    Backtest(store::BacktestArgs),
    /// Add, import, generate, check, list or retire traps.
    #[command(subcommand)]
    Trap(verbs::TrapVerb),
    /// Set the limits and rights of donors, list them, or suspend them.
    #[command(subcommand)]
    Donor(donors::DonorVerb),
    /// Submit messages that other hosts received for traps.
    ///
    /// Reads one message from standard input, or messages from files, Maildirs or mbox files. Needs
    /// a running daemon. With standard input, the exit code is 0 or 75 (EX_TEMPFAIL), so that an
    /// MTA that runs the command as a pipe never bounces the message.
    Submit(submit::SubmitArgs),
    /// Submit lines of an MTA's log as weak evidence.
    ///
    /// Reads the lines that say that the MTA rejected mail from the null reverse-path to a trap.
    /// Needs a running daemon.
    ReadLog(read_log::ReadLogArgs),
    /// Remove an address from every zone.
    ///
    /// Evidence from before the removal no longer counts.
    Remove(verbs::RemoveArgs),
    /// Add, end or list exemptions: addresses and networks that are never listed.
    #[command(subcommand)]
    Exempt(decisions::ExemptVerb),
    /// List an address by an operator's decision, with a reason and an end.
    List(decisions::ListArgs),
    /// Discard the evidence of a donor or a trap, and end the listings that depend on it.
    #[command(subcommand)]
    Void(decisions::VoidVerb),
    /// Stop all additions to all zones.
    ///
    /// Removals and expiries continue.
    Freeze(decisions::ReasonArgs),
    /// End a freeze, and judge the listings that the freeze or the guards held back.
    Release(decisions::ReasonArgs),
    /// Shut a zone down, so that it lists no address any more (RFC 6471 §3.4).
    Shutdown(decisions::ZoneArgs),
    /// Undo the shutdown of a zone.
    Reopen(decisions::ZoneArgs),
    /// Show whether the list is frozen, how many listings are held, and how many exemptions exist.
    Status,
    /// Print the audit records of changes to the list, or verify them.
    Audit(decisions::AuditArgs),
    /// Test a policy in a simulation in which the true role of every relay is known.
    ///
    /// Needs no configuration file.
    Simulate(simulate::SimulateArgs),
    /// Print a new random token and its digest, for an operator, a DNS key or a donor.
    Token,
    /// Move the clock of a laboratory forward.
    #[command(hide = true)]
    Advance {
        /// The time to move it by, such as "90s" or "24h".
        span: crate::time::Span,
    },
}

/// Why a command failed: an exit code as in sysexits.h, and lines for standard error.
#[derive(Debug)]
pub(crate) struct CommandFailure {
    code: u8,
    lines: Vec<String>,
}

/// EX_DATAERR: an argument or stored data is wrong.
pub(crate) const EX_DATA: u8 = 65;
/// EX_NOINPUT: a named file, journal, zone or record does not exist.
pub(crate) const EX_NO_INPUT: u8 = 66;
/// EX_UNAVAILABLE: a service or a resource is not available.
pub(crate) const EX_UNAVAILABLE: u8 = 69;
const EX_IO: u8 = 74;
/// EX_TEMPFAIL: try again later. An MTA then keeps the message.
pub(crate) const EX_TEMPORARY: u8 = 75;
const EX_PERMISSION: u8 = 77;
const EX_CONFIG: u8 = 78;

/// How long the program waits at its end for blocking system calls to return.
const SHUTDOWN_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

impl CommandFailure {
    /// A failure with one line of text.
    pub(crate) fn new(code: u8, line: impl Into<String>) -> Self {
        CommandFailure { code, lines: vec![line.into()] }
    }

    /// A failure whose exit code follows from the kind of an I/O error.
    fn of_io(error: &std::io::Error, line: String) -> Self {
        let code = match error.kind() {
            std::io::ErrorKind::PermissionDenied => EX_PERMISSION,
            std::io::ErrorKind::AddrInUse | std::io::ErrorKind::AddrNotAvailable => EX_UNAVAILABLE,
            _ => EX_IO,
        };
        CommandFailure::new(code, line)
    }
}

impl From<Vec<Complaint>> for CommandFailure {
    fn from(complaints: Vec<Complaint>) -> Self {
        CommandFailure { code: EX_CONFIG, lines: complaints.iter().map(ToString::to_string).collect() }
    }
}

impl From<StartError> for CommandFailure {
    fn from(error: StartError) -> Self {
        let line = error.to_string();
        match &error {
            StartError::Journal(JournalError::InUse(_)) | StartError::Publish(PublishError::Behind) => {
                CommandFailure::new(EX_TEMPORARY, line)
            }
            StartError::Journal(JournalError::Version { .. }) | StartError::Publish(_) => {
                CommandFailure::new(EX_DATA, line)
            }
            StartError::Keys(KeyError::Damaged(_) | KeyError::Lost(_)) => CommandFailure::new(EX_DATA, line),
            StartError::Keys(KeyError::File { source, .. })
            | StartError::Folder { source, .. }
            | StartError::Listen { source, .. } => CommandFailure::of_io(source, line),
            StartError::List(_)
            | StartError::Networks { .. }
            | StartError::Tls(_)
            | StartError::Resolver(_) => CommandFailure::new(EX_CONFIG, line),
            StartError::NotAdopted { .. } | StartError::ClockLeap { .. } => {
                CommandFailure::new(EX_CONFIG, line)
            }
            StartError::Journal(_) | StartError::Keys(_) => CommandFailure::new(EX_IO, line),
        }
    }
}

/// Runs the verb that the command line names, and returns the exit code of the program.
pub fn run() -> ExitCode {
    let Cli { config, verb } = match Cli::try_parse() {
        Ok(cli) => cli,
        // An MTA bounces the message if its pipe command fails with another code than 75. A typing
        // error in that command must not cause backscatter.
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
        verb => {
            config::load(&config).map_err(CommandFailure::from).and_then(|config| with_config(verb, &config))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(CommandFailure { code, lines }) => {
            lines.iter().for_each(|line| eprintln!("backscatterd: {line}"));
            ExitCode::from(if is_pipe { EX_TEMPORARY } else { code })
        }
    }
}

fn with_config(verb: Verb, config: &Config) -> Result<(), CommandFailure> {
    match verb {
        Verb::Serve => {
            start_log(&config.log)?;
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
            unreachable!("verbs that need no configuration were run above")
        }
    }
}

fn on_runtime(work: impl Future<Output = Result<(), CommandFailure>>) -> Result<(), CommandFailure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        CommandFailure::of_io(&error, format!("cannot start the asynchronous runtime: {error}"))
    })?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    done
}

fn start_log(LogSettings { filter, json }: &LogSettings) -> Result<(), CommandFailure> {
    let filter = filter.clone();
    // The DNS library would log two lines for each query at the level info.
    let subscriber = tracing_subscriber::registry().with(filter.with_target("hickory_server", Level::WARN));
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let started =
        if *json { subscriber.with(lines.json()).try_init() } else { subscriber.with(lines).try_init() };
    started.map_err(|error| CommandFailure::new(EX_IO, format!("cannot start the log: {error}")))
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

/// Waits for SIGINT (Ctrl-C) or SIGTERM, or until a part of the server fails.
async fn until_told_or(failed: &CancellationToken) -> Result<(), CommandFailure> {
    tokio::select! {
        told = until_told() => told,
        () = failed.cancelled() => {
            Err(CommandFailure::new(EX_IO, "a part of the server failed; see the log for the cause, then restart the server"))
        }
    }
}

/// Waits for SIGINT (Ctrl-C) or SIGTERM.
async fn until_told() -> Result<(), CommandFailure> {
    let failed =
        |error: std::io::Error| CommandFailure::of_io(&error, format!("cannot receive signals: {error}"));
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(failed),
        _ = terminate.recv() => Ok(()),
    }
}

fn check(config: &Config) -> Result<(), CommandFailure> {
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
    }
    for zone in lists.lists.load().zones() {
        told.push_str(&format!("# {} with {} entries from list files\n", zone.apex.origin, zone.len()));
    }
    tell(&told)
}

/// Writes to standard output. A closed pipe, as after `| head`, is not an error.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub(crate) fn tell(text: &str) -> Result<(), CommandFailure> {
    use std::io::Write;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CommandFailure::of_io(&error, format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
