//! The keys on disk: the key under which traps are hashed, and one key a day under which reduced
//! reports are sealed.
//!
//! They are kept in a folder of their own outside the data, so that a stolen journal reveals
//! neither addresses nor mail. Destroying a day's key erases that day's mail.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zstd::bulk::Compressor;

use crate::digest::Digest;
use crate::folder;
use crate::journal::SealedReport;
use crate::time::Day;
use crate::trap::{SealedName, TrapHasher, TrapKey};

const KEY_OCTETS: usize = 32;
/// zstd's compression level for reports: the fastest that still halves them.
const COMPRESSION_LEVEL: i32 = 1;
/// Maximum number of idle compressors that are kept.
const COMPRESSORS_MAX: usize = 8;
/// Maximum size of a reduced report, in octets. A replacement character takes three octets where
/// the message had one invalid octet.
const REPORT_OCTETS_MAX: usize = 3 * crate::mail::MESSAGE_OCTETS_MAX + (1 << 20);
const TRAP_KEY_FILE: &str = "traps.key";

/// Nonces that never repeat: eight random octets and a counter. New octets are drawn before the
/// counter overflows.
struct Nonces(Mutex<([u8; NONCE_LEN - 4], u32)>);

impl Nonces {
    const fn new() -> Self {
        Nonces(Mutex::new(([0; NONCE_LEN - 4], u32::MAX)))
    }

    fn next(&self, random: &SystemRandom) -> Result<[u8; NONCE_LEN], KeyError> {
        let mut nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (prefix, count) = &mut *nonces;
        if *count == u32::MAX {
            random.fill(prefix).map_err(|_| KeyError::Random)?;
            *count = 0;
        }
        *count += 1;
        let mut nonce = [0; NONCE_LEN];
        nonce[..NONCE_LEN - 4].copy_from_slice(prefix);
        nonce[NONCE_LEN - 4..].copy_from_slice(&count.to_be_bytes());
        Ok(nonce)
    }
}

/// The folder of keys, with a cache of the day keys in use.
pub struct Keys {
    directory: PathBuf,
    random: SystemRandom,
    days: DashMap<Day, Arc<LessSafeKey>>,
    hasher: TrapHasher,
    nonces: Nonces,
    /// Idle compressors. Creating one costs more than using it.
    compressors: Mutex<Vec<Compressor<'static>>>,
}

/// Why keys could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    /// A key's file does not hold a key.
    #[error(
        "{0}: not a key of {KEY_OCTETS} octets; restore it from a backup, because without it no trap is recognised"
    )]
    Damaged(PathBuf),
    /// The journal has entries, but the trap key does not exist.
    #[error(
        "{0}: the key under which this journal's traps are hashed does not exist; restore it from a backup"
    )]
    Lost(PathBuf),
    /// Others than the owner can use a key's file.
    #[error(
        "{path}: the mode {mode:o} lets other users read or change this key; run \"chmod 600\" on it, and if another user may have read it, take it as known: sealed reports can be opened with it, and guessed traps can be confirmed"
    )]
    Exposed { path: PathBuf, mode: u32 },
    /// The trap key is another one than that of the journal.
    #[error(
        "{path}: this is not the key under which this journal's traps are hashed, so no trap would be recognised: its fingerprint is {found}, and the journal's is {known}; restore the right key from a backup, or set keys.directory and journal.directory to folders that belong together"
    )]
    Other { path: PathBuf, found: Digest, known: Digest },
    /// The day's key was destroyed.
    #[error("the key of {0} was destroyed; the reports of that day can no longer be read")]
    Destroyed(Day),
    /// The report or the name could not be sealed or opened.
    #[error("the report or the name does not belong to its key, or was altered")]
    Unsealed,
    /// The reduced report is too large.
    #[error("a reduced report of {0} octets is larger than {REPORT_OCTETS_MAX} octets and cannot be stored")]
    Size(usize),
    /// The system's random number generator failed.
    #[error("the system provides no random numbers")]
    Random,
}

/// Sixteen random octets, for use without an open folder of keys.
///
/// # Errors
/// `Random` when the system provides none.
pub fn random() -> Result<[u8; 16], KeyError> {
    filled(&SystemRandom::new())
}

fn filled(random: &SystemRandom) -> Result<[u8; 16], KeyError> {
    let mut octets = [0; 16];
    random.fill(&mut octets).map_err(|_| KeyError::Random)?;
    Ok(octets)
}

impl Keys {
    /// Opens the keys of a journal that has entries: the trap key must exist.
    ///
    /// # Errors
    /// `Lost` when it does not exist, otherwise as [`Keys::open`]. A new key would recognise none
    /// of the traps, and all of their mail would be rejected.
    pub fn open_known(directory: &Path) -> Result<Self, KeyError> {
        let path = directory.join(TRAP_KEY_FILE);
        if path.exists() { Keys::open(directory) } else { Err(KeyError::Lost(path)) }
    }

    /// Opens the folder, and creates it and the trap key when they do not exist.
    ///
    /// # Errors
    /// When a file can't be read or written, or does not hold a key; `Exposed` when others than the
    /// owner can use a key's file.
    pub fn open(directory: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: directory.to_owned(), source };
        folder::make(directory).map_err(failed)?;
        refuse_exposed(directory)?;
        folder::keep_private(directory, is_key_name).map_err(failed)?;
        let random = SystemRandom::new();
        let hasher = TrapHasher::new(read_or_make(&directory.join(TRAP_KEY_FILE), &random)?);
        Ok(Keys {
            directory: directory.to_owned(),
            random,
            days: DashMap::new(),
            hasher,
            nonces: Nonces::new(),
            compressors: Mutex::default(),
        })
    }

    /// Sixteen random octets.
    ///
    /// # Errors
    /// `Random` when the system provides none.
    pub fn nonce(&self) -> Result<[u8; 16], KeyError> {
        filled(&self.random)
    }

    /// Checks that the trap key is the one with this fingerprint, under which a journal's traps are
    /// hashed.
    ///
    /// # Errors
    /// `Other` when it is not.
    pub fn check_trap_key(&self, known: Digest) -> Result<(), KeyError> {
        let found = self.hasher.fingerprint();
        if found == known {
            return Ok(());
        }
        Err(KeyError::Other { path: self.directory.join(TRAP_KEY_FILE), found, known })
    }

    /// The hasher with the trap key.
    pub fn hasher(&self) -> &TrapHasher {
        &self.hasher
    }

    /// Compresses and seals a reduced report under the day's key. It can be opened only with the id
    /// of its evidence.
    ///
    /// # Errors
    /// When the report is too large or the day's key can't be read or created.
    pub fn seal(&self, day: Day, evidence: Digest, reduced: &[u8]) -> Result<SealedReport, KeyError> {
        if reduced.len() > REPORT_OCTETS_MAX {
            return Err(KeyError::Size(reduced.len()));
        }
        let key = match self.days.get(&day).map(|key| Arc::clone(&key)) {
            Some(key) => key,
            None => self.remember(day, read_or_make(&self.day_file(day), &self.random)?)?,
        };
        let nonce = self.nonces.next(&self.random)?;
        let mut sealed = self.compress(reduced).map_err(|_| KeyError::Unsealed)?;
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(evidence.octets()),
            &mut sealed,
        )
        .map_err(|_| KeyError::Unsealed)?;
        let mut octets = nonce.to_vec();
        octets.append(&mut sealed);
        Ok(SealedReport { day, octets })
    }

    fn compress(&self, octets: &[u8]) -> io::Result<Vec<u8>> {
        let at_rest = || self.compressors.lock().unwrap_or_else(PoisonError::into_inner);
        let known = at_rest().pop();
        let mut compressor = known.map_or_else(|| Compressor::new(COMPRESSION_LEVEL), Ok)?;
        let compressed = compressor.compress(octets);
        let mut others = at_rest();
        if others.len() < COMPRESSORS_MAX {
            others.push(compressor);
        }
        compressed
    }

    /// Opens and decompresses a reduced report.
    ///
    /// # Errors
    /// `Destroyed` when the day's key does not exist any more; `Unsealed` when the report does not
    /// belong to the key and the evidence.
    pub fn unseal(&self, evidence: Digest, sealed: &SealedReport) -> Result<Vec<u8>, KeyError> {
        let path = self.day_file(sealed.day);
        let key = match self.days.get(&sealed.day).map(|key| Arc::clone(&key)) {
            Some(key) => key,
            None if path.exists() => self.remember(sealed.day, read(&path)?)?,
            None => return Err(KeyError::Destroyed(sealed.day)),
        };
        let (nonce, octets) = sealed.octets.split_at_checked(NONCE_LEN).ok_or(KeyError::Unsealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeyError::Unsealed)?;
        let mut octets = octets.to_vec();
        let reduced = key
            .open_in_place(nonce, Aad::from(evidence.octets()), &mut octets)
            .map_err(|_| KeyError::Unsealed)?;
        zstd::bulk::decompress(reduced, REPORT_OCTETS_MAX).map_err(|_| KeyError::Unsealed)
    }

    /// Seals the name of a trap domain. It can be opened only with the domain's key.
    ///
    /// # Errors
    /// When the system provides no random numbers.
    pub fn seal_name(&self, domain: TrapKey, name: &str) -> Result<SealedName, KeyError> {
        let nonce = self.nonces.next(&self.random)?;
        let (mut octets, mut sealed) = (nonce.to_vec(), name.as_bytes().to_vec());
        self.names_key()?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(domain.to_string()),
                &mut sealed,
            )
            .map_err(|_| KeyError::Unsealed)?;
        octets.append(&mut sealed);
        Ok(SealedName(octets))
    }

    /// Opens the name of a trap domain.
    ///
    /// # Errors
    /// `Unsealed` when it belongs to another domain or another traps' key.
    pub fn open_name(&self, domain: TrapKey, name: &SealedName) -> Result<String, KeyError> {
        let (nonce, octets) = name.0.split_at_checked(NONCE_LEN).ok_or(KeyError::Unsealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeyError::Unsealed)?;
        let mut octets = octets.to_vec();
        let opened = self
            .names_key()?
            .open_in_place(nonce, Aad::from(domain.to_string()), &mut octets)
            .map_err(|_| KeyError::Unsealed)?;
        String::from_utf8(opened.to_vec()).map_err(|_| KeyError::Unsealed)
    }

    fn names_key(&self) -> Result<LessSafeKey, KeyError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &self.hasher.names_secret());
        key.map(LessSafeKey::new).map_err(|_| KeyError::Unsealed)
    }

    /// Destroys the keys of all days before `day` and returns how many there were.
    ///
    /// # Errors
    /// When the folder can't be read or a file can't be removed.
    pub fn destroy_before(&self, day: Day) -> Result<usize, KeyError> {
        let failed = |source| KeyError::File { path: self.directory.clone(), source };
        let mut destroyed = 0;
        for file in fs::read_dir(&self.directory).map_err(failed)? {
            let path = file.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let of = name.strip_prefix("reports-").and_then(|rest| rest.strip_suffix(".key"));
            let Some(of) = of.and_then(|of| of.parse().ok()).map(Day::from_yyyymmdd) else { continue };
            if of < day {
                fs::remove_file(&path).map_err(|source| KeyError::File { path, source })?;
                self.days.remove(&of);
                destroyed += 1;
            }
        }
        Ok(destroyed)
    }

    fn day_file(&self, day: Day) -> PathBuf {
        self.directory.join(format!("reports-{day}.key"))
    }

    fn remember(&self, day: Day, key: [u8; KEY_OCTETS]) -> Result<Arc<LessSafeKey>, KeyError> {
        let key =
            UnboundKey::new(&CHACHA20_POLY1305, &key).map_err(|_| KeyError::Damaged(self.day_file(day)))?;
        let key = Arc::new(LessSafeKey::new(key));
        self.days.insert(day, Arc::clone(&key));
        Ok(key)
    }
}

/// Whether a file's name is that of a key, or of one that is being written.
fn is_key_name(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("traps.") || name.starts_with("reports-"))
}

/// Checks that nobody but the owner can use a key's file.
fn refuse_exposed(directory: &Path) -> Result<(), KeyError> {
    let failed = |source| KeyError::File { path: directory.to_owned(), source };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !is_key_name(&entry.file_name()) {
            continue;
        }
        if let Some(mode) = folder::exposing_mode(&entry.path()).map_err(failed)? {
            return Err(KeyError::Exposed { path: entry.path(), mode });
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<[u8; KEY_OCTETS], KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let mut octets = Vec::new();
    File::open(path).map_err(failed)?.take(KEY_OCTETS as u64 + 1).read_to_end(&mut octets).map_err(failed)?;
    octets.try_into().map_err(|_| KeyError::Damaged(path.to_owned()))
}

/// Reads a key, or creates it. A new key is durable before it is used: a report sealed under a key
/// that was lost in a crash could never be opened.
fn read_or_make(path: &Path, random: &SystemRandom) -> Result<[u8; KEY_OCTETS], KeyError> {
    if path.exists() {
        return read(path);
    }
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let mut key = [0; KEY_OCTETS];
    random.fill(&mut key).map_err(|_| KeyError::Random)?;
    let mut suffix = [0; 4];
    random.fill(&mut suffix).map_err(|_| KeyError::Random)?;
    let fresh = path.with_extension(format!("new-{:08x}", u32::from_be_bytes(suffix)));
    let file = folder::write_private(&fresh, &key).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    // Two threads may create the day's key at once. The first one to link its file wins, and both
    // use that key.
    folder::link_new(&fresh, path).map_err(failed)?;
    read(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_evidence_and_its_day_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let (day, evidence) = (Day::from_yyyymmdd(20_261_123), Digest::of(b"evidence"));
        let sealed = keys.seal(day, evidence, b"a reduced report").unwrap();
        assert!(!sealed.octets.windows(7).any(|window| window == b"reduced"));
        assert_eq!(keys.unseal(evidence, &sealed).unwrap(), b"a reduced report");
        assert!(matches!(keys.unseal(Digest::of(b"other"), &sealed), Err(KeyError::Unsealed)));

        let again = Keys::open(folder.path()).unwrap();
        assert_eq!(again.unseal(evidence, &sealed).unwrap(), b"a reduced report");
        assert_eq!(again.destroy_before(Day::from_yyyymmdd(20_261_123)).unwrap(), 0);
        assert_eq!(again.destroy_before(Day::from_yyyymmdd(20_261_124)).unwrap(), 1);
        assert!(matches!(again.unseal(evidence, &sealed), Err(KeyError::Destroyed(_))));
    }

    #[test]
    fn the_trap_key_stays_the_same_and_a_damaged_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let key = |keys: &Keys| keys.hasher().domain("trap.example");
        let first = key(&Keys::open(folder.path()).unwrap());
        assert_eq!(key(&Keys::open(folder.path()).unwrap()), first);
        fs::write(folder.path().join(TRAP_KEY_FILE), b"short").unwrap();
        assert!(matches!(Keys::open(folder.path()), Err(KeyError::Damaged(_))));
    }

    #[test]
    fn another_trap_key_is_recognised_by_its_fingerprint() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let known = Keys::open(folder.path()).unwrap().hasher().fingerprint();
        assert!(Keys::open(folder.path()).unwrap().check_trap_key(known).is_ok());
        let wrong = Keys::open(other.path()).unwrap().check_trap_key(known);
        assert!(matches!(wrong, Err(KeyError::Other { known: told, .. }) if told == known), "{wrong:?}");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let day = Day::from_yyyymmdd(20_261_123);
        keys.seal(day, Digest::of(b"evidence"), b"report").unwrap();
        for name in [TRAP_KEY_FILE, "reports-20261123.key"] {
            let path = folder.path().join(name);
            for (mode, fits) in [(0o604, false), (0o640, false), (0o660, false), (0o400, true), (0o600, true)]
            {
                fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
                let opened = Keys::open(folder.path()).err();
                let told = opened.map(|error| error.to_string()).unwrap_or_default();
                assert_eq!(told.is_empty(), fits, "{name} {mode:o}: {told}");
                assert!(fits || told.contains("chmod 600") && told.contains(name), "{told}");
            }
        }
    }
}
