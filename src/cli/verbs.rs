//! The verbs of the command line, by whether they need the configuration.

use std::path::Path;

use clap::Subcommand;

use super::failure::CommandFailure;
use super::runtime::on_runtime;
use super::{
    addresses, classify, decisions, demo, donors, export, laboratory, read_log, serve, serve_files, simulate,
    store, submit, token, traps,
};
use crate::config::{self, Config};
use crate::time::Span;

// The help of the program would begin with the doc comment of a flattened enum, so these have none.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    #[command(flatten)]
    Configured(ConfiguredVerb),
    /// Write a zone in a file format that other programs read.
    Export(export::ExportArgs),
    /// Apply another policy to the journal, and show which relays it would list or judge
    /// differently.
    ///
    /// The command prints the relays that the policy would add, drop or change, each with the
    /// reason. The command changes nothing.
    Backtest(store::BacktestArgs),
    #[command(flatten)]
    Standalone(StandaloneVerb),
}

// The verbs that need the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum ConfiguredVerb {
    /// Run the server.
    Serve,
    /// Check the configuration and the zone files, report every error, and print the settings in
    /// force.
    Check {
        /// Also try whether port 25 of this domain's mail exchangers can be reached from
        /// verify.addresses. Many providers block it.
        #[arg(long, value_name = "DOMAIN")]
        reach: Option<String>,
    },
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
    /// The program does not send the report. Send the report yourself, at most once in 7 days to
    /// one contact.
    Notice {
        /// The address of the listed relay.
        address: String,
        /// Your own mailbox, for the From field. A person must read the replies to this mailbox.
        #[arg(long)]
        from: String,
        /// The mailbox of the contact for the relay's network, for the To field.
        #[arg(long)]
        to: String,
    },
    /// Fold the journal again from its first entry, and print each zone's serial and digest.
    ///
    /// The command changes nothing.
    Replay(store::ReplayArgs),
    /// Add, import, generate, check, list or retire traps.
    #[command(subcommand)]
    Trap(traps::TrapVerb),
    /// Set the limits and rights of donors, list them, suspend them, or let them leave.
    #[command(subcommand)]
    Donor(donors::DonorVerb),
    /// Submit messages that other hosts received for traps.
    ///
    /// The command reads one message from standard input, or messages from files, Maildirs or mbox
    /// files. The command needs a running daemon. With standard input, the exit code is 0 or 75 (EX_TEMPFAIL), so that an
    /// MTA that runs the command as a pipe never bounces the message.
    Submit(submit::SubmitArgs),
    /// Submit lines of an MTA's log as weak evidence.
    ///
    /// The command reads the lines that say that the MTA rejected mail from the null reverse-path
    /// to a trap. The command needs a running daemon.
    ReadLog(read_log::ReadLogArgs),
    /// Remove an address from every zone.
    ///
    /// Evidence from before the removal no longer counts.
    Remove(addresses::RemoveArgs),
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
    /// Shut a zone down, so that the zone lists no address (RFC 6471 §3.4).
    Shutdown(decisions::ZoneArgs),
    /// Undo the shutdown of a zone.
    Reopen(decisions::ZoneArgs),
    /// Show whether the list is frozen, how many listings are held, and how many exemptions exist.
    Status,
    /// Print the audit records of changes to the list, or verify them.
    Audit(decisions::AuditArgs),
    /// Move the clock of a laboratory forward.
    #[command(hide = true)]
    Advance {
        /// The time to move it by, such as "90s" or "24h".
        span: Span,
    },
}

// The verbs that need no configuration.
#[derive(Debug, Subcommand)]
pub(super) enum StandaloneVerb {
    /// Run only the name server, over list files in rbldnsd's format.
    ///
    /// The command needs no configuration file.
    ServeFiles(serve_files::ServeFilesArgs),
    /// Run the complete server on loopback in a temporary folder, send real bounces to the server,
    /// and show the result.
    Demo(demo::DemoArgs),
    /// Classify messages from files, folders or mbox files.
    ///
    /// The command needs no configuration file.
    Classify(classify::ClassifyArgs),
    /// Test a policy in a simulation in which the true role of every relay is known.
    ///
    /// The command needs no configuration file.
    Simulate(simulate::SimulateArgs),
    /// Print a new random token and its digest, for an operator, a DNS key or a donor.
    Token,
}

impl Verb {
    /// Runs the verb. Reads the configuration file only if the verb needs it.
    ///
    /// # Errors
    /// When the configuration is needed and wrong, or the verb fails.
    pub(super) fn run(self, config: &Path) -> Result<(), CommandFailure> {
        let load = || config::load(config).map_err(CommandFailure::from);
        match self {
            Verb::Configured(verb) => verb.run(&load()?),
            Verb::Standalone(verb) => verb.run(),
            Verb::Export(args) if args.lists.is_empty() => on_runtime(export::zone(&load()?, args)),
            Verb::Export(args) => export::lists(args),
            Verb::Backtest(args) => match &args.journal {
                Some(directory) => args.over(directory),
                None => on_runtime(store::backtest(&load()?, &args)),
            },
        }
    }

    /// Whether the verb submits a message that comes on standard input, as in an MTA's pipe.
    pub(super) fn is_pipe(&self) -> bool {
        matches!(self, Verb::Configured(ConfiguredVerb::Submit(args)) if args.is_pipe())
    }
}

impl ConfiguredVerb {
    fn run(self, config: &Config) -> Result<(), CommandFailure> {
        match self {
            ConfiguredVerb::Serve => serve::run(config),
            ConfiguredVerb::Check { reach } => serve::check(config, reach.as_deref()),
            ConfiguredVerb::Replay(args) => on_runtime(store::replay(config, args)),
            ConfiguredVerb::Lookup { address } => on_runtime(addresses::lookup(config, &address)),
            ConfiguredVerb::Explain { address, json } => {
                on_runtime(addresses::explain(config, &address, json))
            }
            ConfiguredVerb::Notice { address, from, to } => {
                on_runtime(addresses::notice(config, &address, &from, &to))
            }
            ConfiguredVerb::Trap(trap) => on_runtime(traps::run(config, trap)),
            ConfiguredVerb::Donor(verb) => on_runtime(donors::run(config, verb)),
            ConfiguredVerb::Submit(args) => on_runtime(submit::run(config, args)),
            ConfiguredVerb::ReadLog(args) => on_runtime(read_log::run(config, args)),
            ConfiguredVerb::Remove(args) => on_runtime(addresses::remove(config, args)),
            ConfiguredVerb::Exempt(exempt) => on_runtime(decisions::exempt(config, exempt)),
            ConfiguredVerb::List(args) => on_runtime(decisions::list(config, args)),
            ConfiguredVerb::Void(void) => on_runtime(decisions::void(config, void)),
            ConfiguredVerb::Freeze(why) => on_runtime(decisions::freeze(config, why)),
            ConfiguredVerb::Release(why) => on_runtime(decisions::release(config, why)),
            ConfiguredVerb::Shutdown(args) => on_runtime(decisions::shut_down(config, args)),
            ConfiguredVerb::Reopen(args) => on_runtime(decisions::reopen(config, args)),
            ConfiguredVerb::Status => on_runtime(decisions::status(config)),
            ConfiguredVerb::Audit(args) => on_runtime(decisions::audit(config, args)),
            ConfiguredVerb::Advance { span } => on_runtime(laboratory::advance(config, span)),
        }
    }
}

impl StandaloneVerb {
    fn run(self) -> Result<(), CommandFailure> {
        match self {
            StandaloneVerb::ServeFiles(args) => serve_files::run(args),
            StandaloneVerb::Demo(args) => on_runtime(demo::run(args)),
            StandaloneVerb::Classify(args) => classify::run(&args),
            StandaloneVerb::Simulate(args) => simulate::simulate(&args),
            StandaloneVerb::Token => token::token(),
        }
    }
}
