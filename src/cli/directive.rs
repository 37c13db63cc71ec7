//! What all commands share that change something: the person who orders it, and the line that says
//! that it is done.

use super::client::parse;
use super::failure::CommandFailure;
use super::output::tell;
use crate::http::DirectiveDone;

/// The name of the user who runs the command, for the audit record: `SUDO_USER`, else `USER`, else
/// `operator`.
pub(super) fn by() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    user.unwrap_or_else(|_| "operator".to_owned())
}

/// Prints the journal entry and the time of a change, from the daemon's answer.
///
/// # Errors
/// When the answer cannot be parsed, or standard output cannot be written.
pub(super) fn done(text: &str) -> Result<(), CommandFailure> {
    let DirectiveDone { offset, time } = parse(text)?;
    tell(&format!("done: journal entry {offset} at {time}\n"))
}
