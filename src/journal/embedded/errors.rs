//! Tells passing errors of the store from permanent ones.

use std::io;

use crate::journal::JournalError;

/// The error for an error of redb.
pub(super) fn store_error(error: impl Into<redb::Error>) -> JournalError {
    match error.into() {
        redb::Error::Io(error) => io_error(error),
        // redb reports these after an earlier error, which already decided whether it is permanent.
        error @ (redb::Error::PreviousIo | redb::Error::DatabaseClosed) => {
            JournalError::Unwritable(error.to_string())
        }
        error => JournalError::Store(error.to_string()),
    }
}

/// The error for a failed call of the operating system.
pub(super) fn io_error(error: io::Error) -> JournalError {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied => {
            JournalError::Unwritable(error.to_string())
        }
        _ => JournalError::Store(error.to_string()),
    }
}
