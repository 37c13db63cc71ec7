//! Secrets: the key under which traps are hashed, and a key a day under which reduced reports are sealed.
//!
//! They lie in a folder of their own, outside of the data: whoever steals the journal gets neither addresses nor mail.
//! Destroying a day's key erases that day's mail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zstd::bulk::Compressor;

use crate::digest::Digest;
use crate::folder;
use crate::journal::Sealed;
use crate::time::Day;
use crate::trap::TrapHasher;

const KEY_OCTETS: usize = 32;
/// How hard reports are compressed before they are sealed: the fastest that still halves them.
const COMPRESSION_LEVEL: i32 = 1;
/// Most compressors that are kept at rest.
const COMPRESSORS_MAX: usize = 8;
/// Most octets of a reduced report: a replacement character takes three where a wrong octet took one.
const REPORT_OCTETS_MAX: usize = 3 * crate::mail::MESSAGE_OCTETS_MAX + (1 << 20);
const TRAP_KEY_FILE: &str = "traps.key";

/// Nonces that never come twice: eight random octets, drawn anew before the count behind them is used up.
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

/// The folder of keys, and the day keys that were used lately.
pub struct Keys {
    directory: PathBuf,
    random: SystemRandom,
    days: DashMap<Day, Arc<LessSafeKey>>,
    hasher: TrapHasher,
    nonces: Nonces,
    /// Compressors at rest: to make one costs more than to use it.
    compressors: Mutex<Vec<Compressor<'static>>>,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "{0}: not a key of {KEY_OCTETS} octets; restore it from your copy, for without it no trap is known"
    )]
    Damaged(PathBuf),
    #[error(
        "{0}: the key that this journal's traps are hashed under is not there; restore it from your copy"
    )]
    Lost(PathBuf),
    #[error("the key of {0} is gone, and with it that day's reports")]
    Destroyed(Day),
    #[error("the report doesn't fit its key, or was tampered with")]
    Unsealed,
    #[error("a reduced report of {0} octets is larger than {REPORT_OCTETS_MAX} and can't be kept")]
    Size(usize),
    #[error("the system gives no random numbers")]
    Random,
}

/// Sixteen random octets, where there are no keys yet.
pub fn random() -> Result<[u8; 16], KeyError> {
    filled(&SystemRandom::new())
}

fn filled(random: &SystemRandom) -> Result<[u8; 16], KeyError> {
    let mut octets = [0; 16];
    random.fill(&mut octets).map_err(|_| KeyError::Random)?;
    Ok(octets)
}

impl Keys {
    /// Opens the folder of a journal that has entries: its key must be there.
    ///
    /// # Errors
    /// `Lost` where there is none. A new one would not know a single trap, and turn all of their mail away.
    pub fn open_known(directory: &Path) -> Result<Self, KeyError> {
        let path = directory.join(TRAP_KEY_FILE);
        if path.exists() { Keys::open(directory) } else { Err(KeyError::Lost(path)) }
    }

    /// Opens the folder; makes it, and the key of traps, where there is none.
    pub fn open(directory: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: directory.to_owned(), source };
        folder::make(directory).map_err(failed)?;
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
    pub fn nonce(&self) -> Result<[u8; 16], KeyError> {
        filled(&self.random)
    }

    pub fn hasher(&self) -> &TrapHasher {
        &self.hasher
    }

    /// Seals a reduced report; it opens only together with the id of its evidence.
    pub fn seal(&self, day: Day, evidence: Digest, reduced: &[u8]) -> Result<Sealed, KeyError> {
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
        Ok(Sealed { day, octets })
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

    /// The reduced report again, while its day's key is there.
    pub fn unseal(&self, evidence: Digest, sealed: &Sealed) -> Result<Vec<u8>, KeyError> {
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

    /// Destroys the keys of the days before; how many there were.
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

fn read(path: &Path) -> Result<[u8; KEY_OCTETS], KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let mut octets = Vec::new();
    File::open(path).map_err(failed)?.take(KEY_OCTETS as u64 + 1).read_to_end(&mut octets).map_err(failed)?;
    octets.try_into().map_err(|_| KeyError::Damaged(path.to_owned()))
}

/// A new key is durable before it is used: a report sealed under a key that a crash took could never be opened.
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
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(failed)?;
    file.write_all(&key).and_then(|()| file.sync_all()).map_err(failed)?;
    // Two threads may make the day's key at once: the first one to link it wins, and both use what is there.
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh).map_err(failed)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    if let Some(directory) = path.parent() {
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    }
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
}
