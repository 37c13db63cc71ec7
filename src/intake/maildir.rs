//! The operator's mail: a Maildir, written so that acknowledged messages survive a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Writes a message to `tmp`, syncs it, moves it to `new`, and syncs `new`.
pub(super) fn deliver(maildir: &Path, name: &str, octets: &[u8]) -> io::Result<()> {
    for folder in ["tmp", "new", "cur"] {
        crate::folder::make(&maildir.join(folder))?;
    }
    let (tmp, new) = (maildir.join("tmp").join(name), maildir.join("new").join(name));
    let written = write(&tmp, octets).and_then(|()| fs::rename(&tmp, &new));
    if written.is_err() {
        // An incomplete message is useless and takes up space.
        let _ = fs::remove_file(&tmp);
    }
    written?;
    File::open(maildir.join("new"))?.sync_all()
}

fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(octets)?;
    file.sync_all()
}
