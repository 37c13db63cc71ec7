//! The state of a file, by which a change of the file is noticed.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// The properties of a file at one time. If the file is written, replaced or made readable, they
/// differ afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileState {
    /// When the file's contents last changed.
    pub modified: SystemTime,
    /// The number of octets.
    pub length: u64,
    /// The change time of the inode in seconds and nanoseconds. It also changes with the file's
    /// permissions.
    changed: (i64, i64),
    inode: u64,
}

impl FileState {
    /// The state of the file at a path.
    ///
    /// # Errors
    /// When there is no file, or it can't be examined.
    pub fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| FileState::from(&metadata))
    }

    /// Whether the contents are still those of an earlier state, also if the file was replaced or
    /// its permissions changed meanwhile.
    pub fn has_contents_of(&self, earlier: &FileState) -> bool {
        (self.modified, self.length) == (earlier.modified, earlier.length)
    }
}

impl From<&Metadata> for FileState {
    fn from(metadata: &Metadata) -> Self {
        FileState {
            modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            length: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
}
