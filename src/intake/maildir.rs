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
    let mut file = OpenOptions::new().write(true).create_new(true).open(&tmp)?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&tmp, &new)?;
    File::open(maildir.join("new"))?.sync_all()
}
