//! Creating folders durably: a new folder survives a crash only after its parent folder was synced.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Creates a folder and its parents durably, each accessible to its owner only.
///
/// # Errors
/// When a folder can't be created or synced.
pub fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make(above)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        // Another process created it first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    sync(above.unwrap_or(Path::new(".")))
}

/// Makes new names in a folder durable.
///
/// # Errors
/// When the folder can't be opened or synced.
pub fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
