//! The operator's mail: a Maildir, written so that acknowledged messages survive a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::Intake;
use crate::digest::Digest;
use crate::journal::DiskReserve;
use crate::transaction::Transaction;

impl Intake {
    /// Delivers a message to the operator; `false` if it could not be made durable.
    pub(super) async fn deliver(&self, transaction: &Transaction, id: Digest) -> bool {
        // The remaining disk space is reserved for decisions and ticks.
        if self.room.as_ref().is_some_and(DiskReserve::is_short) {
            tracing::warn!("the disk has no room for operator mail");
            return false;
        }
        let (maildir, octets) = (self.operator_maildir.clone(), transaction.message.clone());
        let name = format!("{}.{id}.{}", transaction.seen_at.seconds(), self.node);
        let written = tokio::task::spawn_blocking(move || write_to(&maildir, &name, &octets)).await;
        match written {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, maildir = %self.operator_maildir.display(), "operator mail can't be written");
                false
            }
            Err(_) => false,
        }
    }
}

/// Writes a message to `tmp`, syncs it, moves it to `new`, and syncs `new`.
fn write_to(maildir: &Path, name: &str, octets: &[u8]) -> io::Result<()> {
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
