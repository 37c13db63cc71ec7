//! `submit`: messages that came to traps elsewhere.
//!
//! As the end of a pipe from an MTA it never makes that MTA bounce: what can't be taken now is asked for again (75, EX_TEMPFAIL), and
//! what is no evidence is let go.

use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use clap::Args as ClapArgs;

use super::client::Client;
use super::donors::name;
use super::messages::{gather, messages};
use super::{EX_DATA, EX_TEMPORARY, Failure, tell};
use crate::config::Config;
use crate::mail::MESSAGE_OCTETS_MAX;

/// How often a Maildir is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Tries for one message that can't be taken now.
const TRIES_MAX: usize = 10;
const TRY_PAUSE: Duration = Duration::from_secs(2);
/// Messages between two lines of progress.
const PROGRESS_STEP: usize = 1_000;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Only what came to traps of this donor; else to any trap, in the name of whoever gave it.
    #[arg(long)]
    donor: Option<String>,
    /// Whom it was for; else its header tells (Delivered-To, X-Original-To, To ...).
    #[arg(long, value_name = "ADDR")]
    recipient: Option<String>,
    /// What MAIL FROM said, where `<>` is the null reverse-path; else its Return-Path tells.
    #[arg(long, value_name = "ADDR")]
    reverse_path: Option<String>,
    /// Who brought it to the host that took it; else the Received lines of the donor's hosts tell.
    #[arg(long, value_name = "ADDR")]
    client: Option<String>,
    /// Go on: PATH is a Maildir whose new mail is handed on and moved to `cur`.
    #[arg(long)]
    watch: bool,
    /// Files, Maildirs or other folders, mbox files; standard input is one message where none is named.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// What came of messages.
#[derive(Default)]
struct Count {
    taken: usize,
    no_evidence: usize,
}

impl Args {
    /// Whether it is the end of an MTA's pipe: then nothing but 0 and 75 may come of it, for the MTA would bounce on anything else.
    pub(super) fn is_pipe(&self) -> bool {
        self.paths.is_empty()
    }
}

pub(super) async fn run(config: &Config, args: Args) -> Result<(), Failure> {
    let handed = Handed::of(config, &args)?;
    if args.watch {
        return handed.watch(&args.paths).await;
    }
    if args.paths.is_empty() {
        let mut message = Vec::new();
        let limit = MESSAGE_OCTETS_MAX as u64;
        // The rest of a larger one tells nothing more.
        std::io::stdin()
            .lock()
            .take(limit)
            .read_to_end(&mut message)
            .map_err(|error| Failure::new(EX_TEMPORARY, error.to_string()))?;
        let mut count = Count::default();
        return handed.one(message, &mut count).await;
    }
    let mut files = Vec::new();
    args.paths.iter().try_for_each(|path| gather(path, &mut files))?;
    let mut count = Count::default();
    for file in &files {
        handed.file(file, &mut count).await?;
    }
    tell(&format!("{} taken, {} are no evidence\n", count.taken, count.no_evidence))
}

/// What is said of every message.
struct Handed<'a> {
    config: &'a Config,
    path: String,
}

impl<'a> Handed<'a> {
    fn of(config: &'a Config, args: &Args) -> Result<Self, Failure> {
        let donor = args.donor.as_deref().map(name).transpose()?;
        let client = args.client.as_deref().map(|client| {
            let wrong = |_| Failure::new(EX_DATA, format!("--client {client:?} is no address"));
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
        Ok(Handed { config, path })
    }

    /// Hands a message on; what can't be taken now is tried again.
    async fn one(&self, message: Vec<u8>, count: &mut Count) -> Result<(), Failure> {
        let mut tries = 0;
        loop {
            let status = match Client::of_daemon(self.config).await {
                Ok(client) => {
                    let posted =
                        client.post_octets(&self.path, "message/rfc822", Body::from(message.clone())).await;
                    // A daemon that is started anew in the midst is asked again.
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
                // It will never be evidence, however often it comes.
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
                        return Err(Failure::new(EX_TEMPORARY, format!("{status}: {}", text.trim())));
                    }
                }
            }
            tokio::time::sleep(TRY_PAUSE).await;
        }
    }

    async fn file(&self, file: &Path, count: &mut Count) -> Result<(), Failure> {
        let octets =
            fs::read(file).map_err(|error| Failure::of_io(&error, format!("{}: {error}", file.display())))?;
        for mut message in messages(&octets) {
            message.truncate(MESSAGE_OCTETS_MAX);
            self.one(message, count).await?;
            let all = count.taken + count.no_evidence;
            if all.is_multiple_of(PROGRESS_STEP) {
                eprintln!("{all} messages so far, in {}", file.display());
            }
        }
        Ok(())
    }

    /// Hands on what comes into `new`, and moves it to `cur` once it is safe.
    async fn watch(&self, maildirs: &[PathBuf]) -> Result<(), Failure> {
        let failed = |path: &Path, error: &std::io::Error| {
            Failure::of_io(error, format!("{}: {error}", path.display()))
        };
        for maildir in maildirs {
            let new = maildir.join("new");
            fs::read_dir(&new).map_err(|error| failed(&new, &error))?;
        }
        let mut count = Count::default();
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

/// A value of a query (RFC 3986 §2.1).
pub(super) fn encoded(value: &str) -> String {
    let octet = |octet: u8| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(octet).to_string(),
        _ => format!("%{octet:02X}"),
    };
    value.bytes().map(octet).collect()
}
