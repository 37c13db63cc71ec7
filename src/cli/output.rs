//! Standard output.

use super::failure::CommandFailure;

/// Writes to standard output. A closed pipe, as after `| head`, is not an error.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub(super) fn tell(text: &str) -> Result<(), CommandFailure> {
    use std::io::Write;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CommandFailure::of_io(&error, format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
