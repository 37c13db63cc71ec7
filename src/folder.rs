//! Folders and files that survive a crash: a new name survives only after its folder was synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
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
    sync(of(path))
}

/// Makes new names in a folder durable.
///
/// # Errors
/// When the folder can't be opened or synced.
pub fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The folder that a path lies in; the current one if the path names none.
pub fn of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Creates a file with a mode and writes its octets. The file is incomplete after a crash until it
/// is given its own name with [`replace`] or [`link_new`].
///
/// # Errors
/// When the file exists, or can't be created or written. A file that can't be written is removed.
pub fn write_temporary(path: &Path, mode: u32, octets: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let written = file.write_all(octets);
    if written.is_err() {
        // An incomplete file is useless and takes up space.
        let _ = fs::remove_file(path);
    }
    written.map(|()| file)
}

/// Syncs a complete file and moves it durably from a temporary name to its own. A file that has
/// this name is replaced.
///
/// # Errors
/// When the file or its folder can't be synced, or the file can't be moved. A file that can't be
/// moved is removed.
pub fn replace(file: &File, temporary: &Path, path: &Path) -> io::Result<()> {
    let moved = file.sync_all().and_then(|()| fs::rename(temporary, path));
    if moved.is_err() {
        let _ = fs::remove_file(temporary);
    }
    moved.and_then(|()| sync(of(path)))
}

/// Gives a complete, synced file its own name durably, and removes its temporary one. A file that
/// has the name already keeps it, for example one that another process created at the same time.
///
/// # Errors
/// When the file can't be linked, its temporary name can't be removed, or the folder can't be
/// synced.
pub fn link_new(temporary: &Path, path: &Path) -> io::Result<()> {
    let linked = fs::hard_link(temporary, path);
    fs::remove_file(temporary)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync(of(path)),
    }
}
