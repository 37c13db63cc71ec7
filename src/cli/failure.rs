//! Why a command failed, and the exit codes that say so.

use crate::complaint::Complaint;
use crate::daemon::StartError;
use crate::journal::JournalError;
use crate::keys::KeyError;
use crate::publish::PublishError;

/// Why a command failed: an exit code as in sysexits.h, and lines for standard error.
#[derive(Debug)]
pub(super) struct CommandFailure {
    /// The exit code.
    pub(super) code: u8,
    /// The lines for standard error.
    pub(super) lines: Vec<String>,
}

/// EX_DATAERR: an argument or stored data is wrong.
pub(super) const EX_DATA: u8 = 65;
/// EX_NOINPUT: a named file, journal, zone or record does not exist.
pub(super) const EX_NO_INPUT: u8 = 66;
/// EX_UNAVAILABLE: a service or a resource is not available.
pub(super) const EX_UNAVAILABLE: u8 = 69;
/// EX_IOERR: an input or output error.
pub(super) const EX_IO: u8 = 74;
/// EX_TEMPFAIL: try again later. An MTA then keeps the message.
pub(super) const EX_TEMPORARY: u8 = 75;
/// EX_NOPERM: the system denies access.
pub(super) const EX_PERMISSION: u8 = 77;
/// EX_CONFIG: a setting is wrong.
pub(super) const EX_CONFIG: u8 = 78;

impl CommandFailure {
    /// A failure with one line of text.
    pub(super) fn new(code: u8, line: impl Into<String>) -> Self {
        CommandFailure { code, lines: vec![line.into()] }
    }

    /// A failure whose exit code follows from the kind of an I/O error.
    pub(super) fn of_io(error: &std::io::Error, line: String) -> Self {
        let code = match error.kind() {
            std::io::ErrorKind::PermissionDenied => EX_PERMISSION,
            std::io::ErrorKind::AddrInUse | std::io::ErrorKind::AddrNotAvailable => EX_UNAVAILABLE,
            _ => EX_IO,
        };
        CommandFailure::new(code, line)
    }
}

impl From<Vec<Complaint>> for CommandFailure {
    fn from(complaints: Vec<Complaint>) -> Self {
        CommandFailure { code: EX_CONFIG, lines: complaints.iter().map(ToString::to_string).collect() }
    }
}

impl From<StartError> for CommandFailure {
    fn from(error: StartError) -> Self {
        let line = error.to_string();
        match &error {
            StartError::Journal(JournalError::InUse(_)) | StartError::Publish(PublishError::Behind) => {
                CommandFailure::new(EX_TEMPORARY, line)
            }
            StartError::Journal(JournalError::Version { .. }) | StartError::Publish(_) => {
                CommandFailure::new(EX_DATA, line)
            }
            StartError::Keys(KeyError::Damaged(_) | KeyError::Lost(_) | KeyError::Exposed { .. }) => {
                CommandFailure::new(EX_DATA, line)
            }
            StartError::Keys(KeyError::File { source, .. })
            | StartError::Folder { source, .. }
            | StartError::Listen { source, .. } => CommandFailure::of_io(source, line),
            StartError::List(_)
            | StartError::Networks { .. }
            | StartError::Tls(_)
            | StartError::Resolver(_) => CommandFailure::new(EX_CONFIG, line),
            StartError::NotAdopted { .. } | StartError::ClockLeap { .. } => {
                CommandFailure::new(EX_CONFIG, line)
            }
            StartError::Journal(_) | StartError::Keys(_) => CommandFailure::new(EX_IO, line),
        }
    }
}
