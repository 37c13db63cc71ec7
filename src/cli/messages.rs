//! Reads messages from files: one message per file, folders of such files, and mbox files.

use std::fs;
use std::path::{Path, PathBuf};

use super::failure::{CommandFailure, EX_NO_INPUT};
use crate::mail::is_mbox_separator;

/// Appends the files under a path to `files`, in the order of their names, subfolders included.
///
/// # Errors
/// When the path does not exist, or a folder cannot be read.
pub(super) fn gather(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), CommandFailure> {
    let failed = |error: &std::io::Error| {
        let text = format!("{}: {error}", path.display());
        match error.kind() {
            std::io::ErrorKind::NotFound => CommandFailure::new(EX_NO_INPUT, text),
            _ => CommandFailure::of_io(error, text),
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

/// The messages of an mbox file (RFC 4155). Any other file is one message.
pub(super) fn messages(octets: &[u8]) -> Vec<Vec<u8>> {
    if !octets.split_inclusive(|&octet| octet == b'\n').next().is_some_and(is_mbox_separator) {
        return vec![octets.to_vec()];
    }
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
    let ends = starts.iter().skip(1).copied().chain([octets.len()]);
    starts.iter().zip(ends).map(|(&start, end)| octets[start..end].to_vec()).collect()
}
