//! The command line: parses the arguments, runs the verb, prints its result and sets the exit code.

mod addresses;
mod classify;
mod client;
mod decisions;
mod demo;
mod directive;
mod donors;
mod export;
mod failure;
mod laboratory;
mod messages;
mod output;
mod read_log;
mod runtime;
mod serve;
mod serve_files;
mod simulate;
mod store;
mod submit;
mod token;
mod traps;
mod uri;
mod verbs;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, CommandFactory, Parser};

use self::failure::{CommandFailure, EX_TEMPORARY};
use self::verbs::Verb;

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

/// Runs the verb that the command line names, and returns the exit code of the program.
pub fn run() -> ExitCode {
    let Cli { config, verb } = match Cli::try_parse() {
        Ok(cli) => cli,
        // An MTA bounces the message if its pipe command fails with another code than 75. A typing
        // error in that command must not cause backscatter.
        Err(error) if error.use_stderr() && may_be_submit(std::env::args_os()) => {
            eprintln!("{error}");
            return ExitCode::from(EX_TEMPORARY);
        }
        Err(error) => error.exit(),
    };
    let is_pipe = verb.is_pipe();
    match verb.run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(CommandFailure { code, lines }) => {
            lines.iter().for_each(|line| eprintln!("backscatterd: {line}"));
            ExitCode::from(if is_pipe { EX_TEMPORARY } else { code })
        }
    }
}

/// Whether the verb of a command line with errors is `submit`, or may be: no verb can be read.
///
/// The parser then skips what it does not know, also before the verb.
fn may_be_submit(line: impl ExactSizeIterator<Item = OsString>) -> bool {
    if line.len() <= 1 {
        return false;
    }
    let unknown = Arg::new("unknown").num_args(0..).allow_hyphen_values(true);
    let lenient = Cli::command().ignore_errors(true).subcommand_precedence_over_arg(true).arg(unknown);
    lenient
        .try_get_matches_from(line)
        .map_or(true, |matches| matches.subcommand_name().is_none_or(|verb| verb == "submit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_submit(line: &[&str]) -> bool {
        may_be_submit(
            std::iter::once(&"backscatterd").chain(line).map(OsString::from).collect::<Vec<_>>().into_iter(),
        )
    }

    #[test]
    fn a_wrong_command_line_is_known_as_submit() {
        for line in [
            &["submit", "--bogus"][..],
            &["submit", "--client"],
            &["--config", "x", "submit", "--bogus", "lookup"],
            &["--confg", "x", "submit"],
            &["--confg=x", "submit", "--donor", "isp-1"],
            &["-x", "submit"],
            &["bogus", "submit"],
            &["--config", "submit"],
            &["bogus"],
        ] {
            assert!(Cli::try_parse_from(["backscatterd"].iter().chain(line)).is_err(), "{line:?}");
            assert!(is_submit(line), "{line:?}");
        }
        for line in [&["lookup", "submit", "--bogus"][..], &["trap", "add", "submit"], &[]] {
            assert!(!is_submit(line), "{line:?}");
        }
    }
}
