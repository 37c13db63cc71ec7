//! Folders that are there after a crash: a new one is durable only once the folder around it is.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes a folder and those above it, each readable by its owner alone, and lets none of them be lost.
pub fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make(above)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        // Somebody else was first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    sync(above.unwrap_or(Path::new(".")))
}

/// Lets no new name in a folder be lost.
pub fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
