//! `classify`: runs the classifier alone, on files.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::failure::{CommandFailure, EX_DATA};
use super::messages::{gather, messages};
use super::output::tell;
use crate::classify::{self, SessionFacts, Verdict, VerdictJson};
use crate::mail::{self, Mailbox, ReversePath};

/// The arguments of `classify`.
#[derive(Debug, ClapArgs)]
pub(super) struct ClassifyArgs {
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
    /// The reverse-path that the client gave in MAIL FROM; `<>` is the null reverse-path.
    #[arg(long, value_name = "ADDR")]
    reverse_path: Option<String>,
    /// The IP address of the SMTP client.
    #[arg(long, value_name = "ADDR")]
    client: Option<IpAddr>,
    /// The recipient that the client gave in RCPT TO.
    #[arg(long, value_name = "ADDR")]
    trap: Option<String>,
    /// Files, folders (also their subfolders) or mbox files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

#[derive(Serialize)]
struct ClassifiedLine<'a> {
    path: &'a str,
    #[serde(flatten)]
    told: VerdictJson<'a>,
}

/// Prints the verdict on each message.
///
/// # Errors
/// When an argument is not valid, or a file cannot be read.
pub(super) fn run(args: &ClassifyArgs) -> Result<(), CommandFailure> {
    let session = SessionFacts {
        reverse_path: args.reverse_path.as_deref().map(ReversePath::parse),
        client: args.client,
        recipient: match args.trap.as_deref().map(|trap| (trap, Mailbox::parse(trap))) {
            Some((trap, None)) => {
                return Err(CommandFailure::new(EX_DATA, format!("--trap {trap:?} is not an address")));
            }
            other => other.and_then(|(_, mailbox)| mailbox),
        },
        trusted_hops: 0,
    };
    let mut files = Vec::new();
    for path in &args.paths {
        gather(path, &mut files)?;
    }
    for file in files {
        let octets = fs::read(&file)
            .map_err(|error| CommandFailure::of_io(&error, format!("{}: {error}", file.display())))?;
        let name = file.display().to_string();
        let messages = messages(&octets);
        for (at, message) in messages.iter().enumerate() {
            let path = if messages.len() == 1 { name.clone() } else { format!("{name}#{}", at + 1) };
            let verdict = classify::classify(&mail::read(message), &session);
            tell(&if args.json { json(&path, &verdict) } else { text(&path, &verdict) })?;
        }
    }
    Ok(())
}

fn json(path: &str, verdict: &Verdict) -> String {
    let line = ClassifiedLine { path, told: verdict.json() };
    serde_json::to_string(&line).expect("a line has only strings, numbers and lists of them") + "\n"
}

fn text(path: &str, verdict: &Verdict) -> String {
    let mut text = format!("{path}: {} ({})\n", verdict.kind, verdict.format);
    for reason in &verdict.reasons {
        text.push_str(&format!("    {reason}\n"));
    }
    for doubt in &verdict.doubts {
        text.push_str(&format!("    but: {doubt}\n"));
    }
    text
}
