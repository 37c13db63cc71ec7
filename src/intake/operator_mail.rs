//! The operator's mail: a Maildir, written so that acknowledged messages survive a crash.

use std::io;
use std::path::Path;

use super::Intake;
use crate::digest::Digest;
use crate::folder;
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
                tracing::error!(%error, maildir = %self.operator_maildir.display(), "cannot write operator mail");
                false
            }
            Err(_) => false,
        }
    }
}

/// The mode of a message's file, as far as the process's mask permits it.
const MODE: u32 = 0o666;

/// Writes a message to `tmp`, and moves it durably to `new`.
fn write_to(maildir: &Path, name: &str, octets: &[u8]) -> io::Result<()> {
    for part in ["tmp", "new", "cur"] {
        folder::make(&maildir.join(part))?;
    }
    let (temporary, new) = (maildir.join("tmp").join(name), maildir.join("new").join(name));
    let file = folder::write_temporary(&temporary, MODE, octets)?;
    folder::replace(&file, &temporary, &new)
}
