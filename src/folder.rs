//! Folders and files that survive a crash, and that nobody but their owner can use.
//!
//! A new name survives a crash only after its folder was synced.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The mode of a folder that only its owner can use.
const FOLDER_MODE: u32 = 0o700;
/// The mode of a file that only its owner can use.
const FILE_MODE: u32 = 0o600;
/// The mode bits of everybody but the owner.
const OTHERS: u32 = 0o077;
/// The bits of these that permit to write.
const OTHERS_WRITE: u32 = 0o022;
/// The mode bit of a folder that many users share, such as /tmp.
const STICKY: u32 = 0o1000;

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
    match create(path) {
        // Another process created it first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    sync(of(path))
}

/// Creates one folder that only its owner can use, whatever the process's mask is.
///
/// # Errors
/// When the name exists or the folder can't be created.
pub fn create(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).create(path)?;
    // The mask may have taken bits from the owner.
    fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE))
}

/// Creates a file that only its owner can use, whatever the process's mask is.
///
/// # Errors
/// When the file exists or can't be created.
pub fn create_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    Ok(file)
}

/// The mode of a file that others than its owner can use; `None` if nobody else can.
///
/// # Errors
/// When the file can't be examined.
pub fn exposing_mode(path: &Path) -> io::Result<Option<u32>> {
    let mode = fs::metadata(path)?.mode() & 0o7777;
    Ok((mode & OTHERS != 0).then_some(mode))
}

/// Makes sure that nobody but its owner can use a file of ours: a mode that permits more is
/// corrected.
///
/// # Errors
/// When the file can't be examined, or its mode can't be corrected.
pub fn keep_file_private(path: &Path) -> io::Result<()> {
    match exposing_mode(path)? {
        Some(mode) => correct(path, mode, FILE_MODE),
        None => Ok(()),
    }
}

/// Makes sure that nobody but its owner can change a folder. If the folder is ours alone, a mode
/// that permits others to use it is corrected. It is ours alone if this user owns it and `is_ours`
/// is true of every name in it.
///
/// # Errors
/// When the folder can't be examined, its mode can't be corrected, or others can change it and it
/// is not ours alone.
pub fn keep_private(path: &Path, is_ours: impl Fn(&OsStr) -> bool) -> io::Result<()> {
    let found = fs::metadata(path)?;
    if found.mode() & OTHERS == 0 {
        return Ok(());
    }
    if is_ours_alone(path, &found, is_ours)? {
        return correct(path, found.mode() & 0o7777, FOLDER_MODE);
    }
    // The names of files are no secret, and the files have modes of their own.
    if found.mode() & OTHERS_WRITE == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "other users can replace the files in this folder (its mode is {:o}), and it has another owner or \
             holds files of other programs: give this program a folder of its own, or run \"chmod go-w\" on it",
            found.mode() & 0o7777
        ),
    ))
}

fn is_ours_alone(path: &Path, found: &Metadata, is_ours: impl Fn(&OsStr) -> bool) -> io::Result<bool> {
    if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & STICKY != 0 {
        return Ok(false);
    }
    for entry in fs::read_dir(path)? {
        if !is_ours(&entry?.file_name()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn correct(path: &Path, found: u32, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| {
        let told = format!(
            "its mode {found:o} lets other users in and cannot be corrected: {error}; run \"chmod {mode:o}\" on it \
             as its owner"
        );
        io::Error::new(error.kind(), told)
    })?;
    tracing::warn!(path = %path.display(), "the mode was {found:o}, which let other users in; it is {mode:o} now");
    Ok(())
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

/// Creates a file that only its owner can use, and writes its octets. The file is incomplete after
/// a crash until it is given its own name with [`replace`] or [`link_new`].
///
/// # Errors
/// When the file exists, or can't be created or written. A file that can't be written is removed.
pub fn write_private(path: &Path, octets: &[u8]) -> io::Result<File> {
    write_to(create_private(path)?, path, octets)
}

/// Creates a file and writes its octets, as [`write_private`] does. The file has the mode, as far
/// as the process's mask permits it.
///
/// # Errors
/// As [`write_private`].
pub fn write_temporary(path: &Path, mode: u32, octets: &[u8]) -> io::Result<File> {
    write_to(OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?, path, octets)
}

fn write_to(mut file: File, path: &Path, octets: &[u8]) -> io::Result<File> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_folder_of_ours_alone_is_corrected_and_another_is_refused_if_others_can_change_it() {
        let above = tempfile::tempdir().unwrap();
        let is_ours = |name: &OsStr| name == "ours";
        let folder = above.path().join("folder");
        create(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        let set = |mode| fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
        let cases: &[(&[&str], u32, Option<u32>)] = &[
            (&[], 0o755, Some(0o700)),
            (&["ours"], 0o777, Some(0o700)),
            (&["ours"], 0o770, Some(0o700)),
            (&["ours", "other"], 0o700, Some(0o700)),
            (&["ours", "other"], 0o755, Some(0o755)),
            (&["ours", "other"], 0o775, None),
            (&["ours", "other"], 0o757, None),
            (&["ours"], 0o1777, None),
        ];
        for &(names, found, left) in cases {
            for entry in fs::read_dir(&folder).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
            names.iter().for_each(|name| drop(create_private(&folder.join(name)).unwrap()));
            set(found);
            let kept = keep_private(&folder, is_ours);
            assert_eq!(kept.is_ok(), left.is_some(), "{names:?} {found:o}: {kept:?}");
            assert_eq!(mode(&folder), left.unwrap_or(found), "{names:?} {found:o}");
        }
    }

    #[test]
    fn a_file_of_ours_is_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        drop(write_private(&path, b"octets").unwrap());
        assert_eq!((mode(&path), exposing_mode(&path).unwrap()), (0o600, None));
        for found in [0o644, 0o660, 0o602, 0o777] {
            fs::set_permissions(&path, Permissions::from_mode(found)).unwrap();
            assert_eq!(exposing_mode(&path).unwrap(), Some(found));
            keep_file_private(&path).unwrap();
            assert_eq!(mode(&path), 0o600, "{found:o}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"octets");
    }
}
