//! `classify`: the judge by itself, on files.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde::Serialize;

use super::{EX_NO_INPUT, Failure, tell};
use crate::classify::{self, Session, Told, Verdict};
use crate::mail::{self, Mailbox, ReversePath};

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// What MAIL FROM said; `<>` is the null reverse-path.
    #[arg(long, value_name = "ADDR")]
    reverse_path: Option<String>,
    /// The address of the SMTP client.
    #[arg(long, value_name = "ADDR")]
    client: Option<IpAddr>,
    /// The recipient.
    #[arg(long, value_name = "ADDR")]
    trap: Option<String>,
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    #[serde(flatten)]
    told: Told<'a>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let session = Session {
        reverse_path: args.reverse_path.as_deref().map(ReversePath::parse),
        client: args.client,
        recipient: match args.trap.as_deref().map(|trap| (trap, Mailbox::parse(trap))) {
            Some((trap, None)) => {
                return Err(Failure::new(super::EX_DATA, format!("--trap {trap:?} is no address")));
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
            .map_err(|error| Failure::of_io(&error, format!("{}: {error}", file.display())))?;
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

/// Files in the order of their names, folders gone through.
fn gather(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| {
        let text = format!("{}: {error}", path.display());
        match error.kind() {
            std::io::ErrorKind::NotFound => Failure::new(EX_NO_INPUT, text),
            _ => Failure::of_io(error, text),
        }
    };
    let metadata = fs::metadata(path).map_err(|error| failed(&error))?;
    if !metadata.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut inside = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| failed(&error))? {
        inside.push(entry.map_err(|error| failed(&error))?.path());
    }
    inside.sort();
    inside.iter().try_for_each(|path| gather(path, files))
}

/// The messages of an mbox file (RFC 4155), or the one message that a file is.
fn messages(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    let mut after_empty_line = true;
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        if after_empty_line && is_mbox_separator(line) {
            starts.push(at);
        }
        after_empty_line = line.trim_ascii().is_empty();
        at += line.len();
    }
    if starts.first() != Some(&0) {
        return vec![octets.to_vec()];
    }
    let ends = starts.iter().skip(1).copied().chain([octets.len()]);
    starts.iter().zip(ends).map(|(&start, end)| octets[start..end].to_vec()).collect()
}

/// `From address Mon Nov 23 20:24:01 2026`: the year ends it, or a zone behind the year.
fn is_mbox_separator(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let year = |word: &str| word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit());
    line.starts_with("From ") && line.split_whitespace().rev().take(2).any(year)
}

fn json(path: &str, verdict: &Verdict) -> String {
    let line = Line { path, told: verdict.told() };
    serde_json::to_string(&line).expect("strings and numbers only") + "\n"
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
