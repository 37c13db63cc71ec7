//! `read-log`: submits lines of an MTA's log as weak evidence.
//!
//! `tail -F mail.log | backscatterd read-log -` follows a log without end.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use axum::body::Body;
use clap::Args as ClapArgs;

use super::client::{ControlClient, parse};
use super::donors::name;
use super::failure::{CommandFailure, EX_TEMPORARY};
use super::output::tell;
use crate::config::Config;
use crate::http::LogReport;
use crate::mail::{LOG_LINE_OCTETS_MAX, rejected};

/// Most lines that one request submits.
const LINES_TOGETHER: usize = 100;

/// The arguments of `read-log`.
#[derive(Debug, ClapArgs)]
pub(super) struct ReadLogArgs {
    /// The donor that runs the MTA.
    #[arg(long, default_value = "own")]
    donor: String,
    /// The log of Postfix or Exim, or `-` for standard input.
    file: PathBuf,
}

/// Reads a log to its end, and submits the lines about rejected mail from the null reverse-path.
///
/// # Errors
/// When the log cannot be read, or the daemon does not run or does not accept the lines.
pub(super) async fn run(config: &Config, args: ReadLogArgs) -> Result<(), CommandFailure> {
    let failed =
        |error: std::io::Error| CommandFailure::of_io(&error, format!("{}: {error}", args.file.display()));
    let path = format!("/control/v1/log-lines?donor={}", name(&args.donor)?);
    let input: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(&args.file).map_err(failed)?)
    };
    let mut input = BufReader::new(input);
    let (mut all, mut ready, mut line, mut cut) = (LogReport::default(), Vec::new(), Vec::new(), false);
    loop {
        line.clear();
        let limit = LOG_LINE_OCTETS_MAX as u64;
        let count = (&mut input).take(limit).read_until(b'\n', &mut line).map_err(failed)?;
        let (is_whole, continues) = (line.ends_with(b"\n"), cut);
        cut = count > 0 && !is_whole;
        all.lines += u64::from(is_whole);
        let text = String::from_utf8_lossy(&line);
        // The rest of an overlong line is not a line of its own.
        if !continues && rejected(text.trim_end()).is_some() {
            ready.push(text.trim_end().to_owned());
        }
        // When a log is followed, lines are submitted before the program waits for the next one.
        let waits = input.buffer().is_empty();
        if !ready.is_empty() && (ready.len() >= LINES_TOGETHER || waits || count == 0) {
            let told = hand_on(config, &path, &std::mem::take(&mut ready)).await?;
            (all.taken, all.no_trap) = (all.taken + told.taken, all.no_trap + told.no_trap);
        }
        if count == 0 {
            return tell(&format!(
                "{} lines: {} taken, {} about addresses that are not traps\n",
                all.lines, all.taken, all.no_trap
            ));
        }
    }
}

async fn hand_on(config: &Config, path: &str, lines: &[String]) -> Result<LogReport, CommandFailure> {
    let body = Body::from(lines.join("\n"));
    let (status, text) =
        ControlClient::of_daemon(config).await?.post_octets(path, "text/plain", body).await?;
    if status.is_success() {
        parse(&text)
    } else {
        Err(CommandFailure::new(EX_TEMPORARY, format!("{status}: {}", text.trim())))
    }
}
