//! The operator's mail: a Maildir, written so that a crash loses nothing that was acknowledged.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Writes one message: into `tmp`, durable, then moved to `new`, and that durable too.
pub(super) fn deliver(maildir: &Path, name: &str, octets: &[u8]) -> io::Result<()> {
    for folder in ["tmp", "new", "cur"] {
        crate::folder::make(&maildir.join(folder))?;
    }
    let (tmp, new) = (maildir.join("tmp").join(name), maildir.join("new").join(name));
    let written = write(&tmp, octets).and_then(|()| fs::rename(&tmp, &new));
    if written.is_err() {
        // Half a message takes room, and tells nobody anything.
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
