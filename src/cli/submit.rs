//! `submit`: submits messages that other hosts received for traps.
//!
//! An MTA may run the command as a pipe. So that the MTA never bounces the message, the command
//! then exits with 75 (EX_TEMPFAIL) if the message cannot be taken now, and with 0 if the message
//! was taken or is not evidence.

use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use clap::Args as ClapArgs;

use super::client::ControlClient;
use super::donors::name;
use super::failure::{CommandFailure, EX_DATA, EX_TEMPORARY};
use super::messages::{gather, messages};
use super::output::tell;
use super::uri::encoded;
use crate::config::Config;
use crate::mail::MESSAGE_OCTETS_MAX;

/// How often a Maildir is scanned.
const LOOK: Duration = Duration::from_secs(1);
/// Most attempts to submit one message.
const TRIES_MAX: usize = 10;
/// Pause between two attempts.
const TRY_PAUSE: Duration = Duration::from_secs(2);
/// Messages after which a line of progress is printed.
const PROGRESS_STEP: usize = 1_000;

/// The arguments of `submit`.
#[derive(Debug, ClapArgs)]
pub(super) struct SubmitArgs {
    /// Take only messages to traps of this donor. The default is messages to any trap. Each message
    /// counts as evidence of the donor that gave the trap.
    #[arg(long)]
    donor: Option<String>,
    /// The recipient of the messages. The default is the recipient in the header of each message
    /// (Delivered-To, X-Original-To, To and others).
    #[arg(long, value_name = "ADDR")]
    recipient: Option<String>,
    /// The reverse-path of the messages; `<>` is the null reverse-path. The default is the address
    /// in Return-Path.
    #[arg(long, value_name = "ADDR")]
    reverse_path: Option<String>,
    /// The IP address of the SMTP client that delivered the messages to the donor's host. The
    /// default is the address in the Received lines of the donor's hosts.
    #[arg(long, value_name = "ADDR")]
    client: Option<String>,
    /// Keep running: PATH is a Maildir, whose new messages are submitted and then moved to `cur`.
    #[arg(long)]
    watch: bool,
    /// Files, Maildirs or other folders, or mbox files. The default is one message on standard
    /// input.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// How many messages were taken, and how many were rejected because they are not evidence.
#[derive(Default)]
struct SubmitCount {
    taken: usize,
    no_evidence: usize,
}

impl SubmitArgs {
    /// Whether the message comes on standard input, as in an MTA's pipe. The exit code must then be
    /// 0 or 75, because the MTA would bounce the message on any other.
    pub(super) fn is_pipe(&self) -> bool {
        self.paths.is_empty()
    }
}

/// Submits messages, or watches Maildirs and submits their new messages.
///
/// # Errors
/// When an argument is not valid, a file cannot be read, or the daemon does not take a message
/// after ten attempts.
pub(super) async fn run(config: &Config, args: SubmitArgs) -> Result<(), CommandFailure> {
    let handed = SubmitFields::of(config, &args)?;
    if args.watch {
        return handed.watch(&args.paths).await;
    }
    if args.paths.is_empty() {
        let mut message = Vec::new();
        let limit = MESSAGE_OCTETS_MAX as u64;
        // The classifier needs no more than the beginning of a larger message.
        std::io::stdin()
            .lock()
            .take(limit)
            .read_to_end(&mut message)
            .map_err(|error| CommandFailure::new(EX_TEMPORARY, error.to_string()))?;
        let mut count = SubmitCount::default();
        return handed.one(message, &mut count).await;
    }
    let mut files = Vec::new();
    args.paths.iter().try_for_each(|path| gather(path, &mut files))?;
    let mut count = SubmitCount::default();
    for file in &files {
        handed.file(file, &mut count).await?;
    }
    tell(&format!("{} taken, {} are not evidence\n", count.taken, count.no_evidence))
}

/// What all messages of one run have in common: the path and query of the requests.
struct SubmitFields<'a> {
    config: &'a Config,
    path: String,
}

impl<'a> SubmitFields<'a> {
    fn of(config: &'a Config, args: &SubmitArgs) -> Result<Self, CommandFailure> {
        let donor = args.donor.as_deref().map(name).transpose()?;
        let client = args.client.as_deref().map(|client| {
            let wrong = |_| CommandFailure::new(EX_DATA, format!("--client {client:?} is not an address"));
            client.parse::<IpAddr>().map(|client| client.to_string()).map_err(wrong)
        });
        let client = client.transpose()?;
        let mut path = "/control/v1/reports?".to_owned();
        let told = [
            ("donor", donor.as_deref()),
            ("recipient", args.recipient.as_deref()),
            ("reverse_path", args.reverse_path.as_deref()),
            ("client", client.as_deref()),
        ];
        for (key, value) in told {
            if let Some(value) = value {
                path += &format!("&{key}={}", encoded(value));
            }
        }
        Ok(SubmitFields { config, path })
    }

    /// Submits one message, and tries again while the daemon cannot take it.
    async fn one(&self, message: Vec<u8>, count: &mut SubmitCount) -> Result<(), CommandFailure> {
        let mut tries = 0;
        loop {
            let status = match ControlClient::of_daemon(self.config).await {
                Ok(client) => {
                    let posted =
                        client.post_octets(&self.path, "message/rfc822", Body::from(message.clone())).await;
                    // The daemon may be restarting, so a broken connection is tried again.
                    posted
                        .unwrap_or_else(|failure| (StatusCode::SERVICE_UNAVAILABLE, failure.lines.join("; ")))
                }
                Err(failure) => (StatusCode::SERVICE_UNAVAILABLE, failure.lines.join("; ")),
            };
            match status {
                (status, _) if status.is_success() => {
                    count.taken += 1;
                    return Ok(());
                }
                // Trying again would not help: the message is not evidence.
                (
                    StatusCode::UNPROCESSABLE_ENTITY
                    | StatusCode::BAD_REQUEST
                    | StatusCode::PAYLOAD_TOO_LARGE,
                    text,
                ) => {
                    eprintln!("backscatterd: {}", text.trim());
                    count.no_evidence += 1;
                    return Ok(());
                }
                (status, text) => {
                    tries += 1;
                    if tries >= TRIES_MAX {
                        return Err(CommandFailure::new(EX_TEMPORARY, format!("{status}: {}", text.trim())));
                    }
                }
            }
            tokio::time::sleep(TRY_PAUSE).await;
        }
    }

    async fn file(&self, file: &Path, count: &mut SubmitCount) -> Result<(), CommandFailure> {
        let octets = fs::read(file)
            .map_err(|error| CommandFailure::of_io(&error, format!("{}: {error}", file.display())))?;
        for mut message in messages(&octets) {
            message.truncate(MESSAGE_OCTETS_MAX);
            self.one(message, count).await?;
            let all = count.taken + count.no_evidence;
            if all.is_multiple_of(PROGRESS_STEP) {
                eprintln!("{all} messages so far, now in {}", file.display());
            }
        }
        Ok(())
    }

    /// Submits the messages in `new`, and moves each to `cur` when it is durable or is not
    /// evidence.
    async fn watch(&self, maildirs: &[PathBuf]) -> Result<(), CommandFailure> {
        let failed = |path: &Path, error: &std::io::Error| {
            CommandFailure::of_io(error, format!("{}: {error}", path.display()))
        };
        for maildir in maildirs {
            let new = maildir.join("new");
            fs::read_dir(&new).map_err(|error| failed(&new, &error))?;
        }
        let mut count = SubmitCount::default();
        loop {
            for maildir in maildirs {
                let (new, cur) = (maildir.join("new"), maildir.join("cur"));
                let mut files = Vec::new();
                gather(&new, &mut files)?;
                for file in files {
                    self.file(&file, &mut count).await?;
                    let Some(name) = file.file_name().and_then(|name| name.to_str()) else { continue };
                    let seen = cur.join(format!("{name}:2,S"));
                    fs::rename(&file, &seen).map_err(|error| failed(&seen, &error))?;
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
