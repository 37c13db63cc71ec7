//! Operators' own lists: reads the list files of each zone at the start, and again when one of them
//! changes.

mod rbldnsd;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use memchr::memchr;
use tokio_util::sync::CancellationToken;

use crate::file_state::FileState;
use crate::zone::{Apex, Dataset, DomainName, ListZone, ListZones, Soa};
use rbldnsd::{KINDS, ListHead, ListKind, ListReader, ReadList};

/// The number of octets that one read asks for.
const READ_OCTETS: usize = 1 << 20;
/// Greatest number of octets in a line of a list.
const LINE_OCTETS_MAX: usize = 64 << 10;
/// The interval between checks whether a file has changed.
const LOOK: Duration = Duration::from_secs(1);
/// The number of checks after which a list that could not be read is tried again.
const LOOKS_BETWEEN_TRIES: u32 = 30;
/// The first octets of a gzip file.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// One list of one zone, in rbldnsd's notation: `zone:type:file[,file]...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSpec {
    /// The origin of the zone that the list belongs to.
    pub origin: DomainName,
    kind: ListKind,
    files: Vec<PathBuf>,
}

/// Why a list cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A file could not be opened or read.
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    /// A line is longer than the limit.
    #[error("{path}: a line is longer than {LINE_OCTETS_MAX} octets")]
    Line { path: PathBuf },
    /// A file is not a list, or was changed while it was read.
    #[error("{path}: {what}")]
    Form { path: PathBuf, what: &'static str },
    /// The `$TIMESTAMP` of a list lies in the future.
    #[error("{path}: the $TIMESTAMP {made} is in the future")]
    Future { path: PathBuf, made: crate::time::Timestamp },
}

impl FromStr for ListSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("{text:?} is not a valid list; write zone:type:file[,file]...");
        let mut parts = text.splitn(3, ':');
        let (Some(origin), Some(kind), Some(files)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(form());
        };
        let known = || KINDS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let kind = KINDS.iter().find(|(name, _)| *name == kind).map(|(_, kind)| *kind);
        let kind = kind.ok_or_else(|| format!("{text:?}: the types of lists are {}", known()))?;
        let files: Vec<PathBuf> =
            files.split(',').filter(|file| !file.is_empty()).map(PathBuf::from).collect();
        if files.is_empty() {
            return Err(form());
        }
        Ok(ListSpec { origin: DomainName::parse(origin)?, kind, files })
    }
}

/// All lists as they were last read, and the state of their files.
pub struct WatchedLists {
    specs: Vec<ListSpec>,
    read: Vec<Arc<LoadedList>>,
    /// For each list, the state of its files if it differs from what was read.
    differing: Vec<Option<Differing>>,
    /// The zones built from the lists. Replaced as a whole when a list changes.
    pub lists: Arc<ArcSwap<ListZones>>,
}

/// A list as it was read.
struct LoadedList {
    dataset: Arc<Dataset>,
    head: ListHead,
    /// The state of the files when they were read.
    seen: Vec<FileState>,
    first: PathBuf,
    problem_count: usize,
}

/// The state of files that differ from what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Differing {
    seen: Vec<FileState>,
    /// The number of checks until the files are tried again; `None` if they were not tried yet.
    wait: Option<u32>,
    /// The number of successive checks at which the files had changed since the check before.
    moving: u32,
}

impl WatchedLists {
    /// Reads all lists.
    ///
    /// # Errors
    /// If a list cannot be read; the first such list is reported. Lines that cannot be read are
    /// left out with a warning.
    pub fn read(specs: Vec<ListSpec>, now: crate::time::Timestamp) -> Result<Self, ListError> {
        let mut read: Vec<Arc<LoadedList>> = Vec::new();
        for (at, spec) in specs.iter().enumerate() {
            // A list that belongs to several zones is read once.
            let same =
                specs[..at].iter().position(|other| (other.kind, &other.files) == (spec.kind, &spec.files));
            read.push(match same {
                Some(other) => Arc::clone(&read[other]),
                None => Arc::new(load(spec, now)?),
            });
        }
        let lists = Arc::new(ArcSwap::from_pointee(zones(&specs, &read)));
        let differing = vec![None; specs.len()];
        Ok(WatchedLists { specs, read, differing, lists })
    }

    /// Reads lists again when their files change, until `stop` is cancelled. A list that cannot be
    /// read stays as it was.
    pub async fn watch(mut self, clock: Arc<dyn crate::time::Clock>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
            let clock = Arc::clone(&clock);
            let Ok(looked) = tokio::task::spawn_blocking(move || {
                self.look(clock.now());
                self
            })
            .await
            else {
                return;
            };
            self = looked;
        }
    }

    fn look(&mut self, now: crate::time::Timestamp) {
        let mut changed = false;
        for at in 0..self.specs.len() {
            // A missing file is probably about to be replaced.
            let Ok(seen) = look_at(&self.specs[at].files) else { continue };
            if !self.is_ready(at, seen) {
                continue;
            }
            let spec = &self.specs[at];
            let same = self.specs[..at]
                .iter()
                .position(|other| (other.kind, &other.files) == (spec.kind, &spec.files));
            let again = match same {
                Some(other) if self.differing[other].is_none() => Ok(Arc::clone(&self.read[other])),
                _ => load(spec, now).and_then(not_all_wrong).map(Arc::new),
            };
            match again {
                Ok(loaded) => {
                    tracing::info!(
                        zone = %spec.origin,
                        entries = loaded.dataset.entries,
                        "read a changed list"
                    );
                    self.read[at] = loaded;
                    self.differing[at] = None;
                    changed = true;
                }
                Err(error) => {
                    let differing = self.differing[at].as_mut();
                    let told = differing.as_ref().is_some_and(|differing| differing.wait.is_some());
                    if !told {
                        tracing::error!(
                            zone = %spec.origin,
                            %error,
                            "cannot read a changed list; the previous version stays in use"
                        );
                    }
                    if let Some(differing) = differing {
                        differing.wait = Some(LOOKS_BETWEEN_TRIES);
                    }
                }
            }
        }
        if changed {
            self.lists.store(Arc::new(zones(&self.specs, &self.read)));
        }
    }

    /// Whether a list's files must be read again: they differ from what was read and were the same
    /// at two successive checks, so that they are no longer being written. Files that change at
    /// every check are read after `LOOKS_BETWEEN_TRIES` checks, because they may never stop
    /// changing.
    fn is_ready(&mut self, at: usize, seen: Vec<FileState>) -> bool {
        if seen == self.read[at].seen {
            self.differing[at] = None;
            return false;
        }
        match &mut self.differing[at] {
            Some(differing) if differing.seen == seen => match &mut differing.wait {
                None | Some(0) => true,
                Some(wait) => {
                    *wait -= 1;
                    false
                }
            },
            differing => {
                let moving = differing.as_ref().map_or(0, |differing| differing.moving + 1);
                let never_still = moving >= LOOKS_BETWEEN_TRIES;
                *differing =
                    Some(Differing { seen, wait: None, moving: if never_still { 0 } else { moving } });
                never_still
            }
        }
    }
}

fn look_at(files: &[PathBuf]) -> Result<Vec<FileState>, ListError> {
    files.iter().map(|path| FileState::of(path).map_err(|source| failed(path, source))).collect()
}

fn failed(path: &Path, source: io::Error) -> ListError {
    ListError::File { path: path.to_owned(), source }
}

/// Refuses a new version of a list in which no line is valid, such as an error page, so that it
/// does not empty the list.
fn not_all_wrong(loaded: LoadedList) -> Result<LoadedList, ListError> {
    if loaded.dataset.entries == 0 && loaded.problem_count > 0 {
        let path = loaded.first.clone();
        return Err(ListError::Form { path, what: "the file has no valid line" });
    }
    Ok(loaded)
}

fn load(spec: &ListSpec, now: crate::time::Timestamp) -> Result<LoadedList, ListError> {
    let mut reader = ListReader::new(spec.kind);
    let mut seen = Vec::new();
    for path in &spec.files {
        reader.file();
        seen.push(read_lines(path, &mut |line| reader.line(line))?);
    }
    let ReadList { dataset, head, problems, problem_count } = reader.end();
    for problem in &problems {
        let files = spec.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(",");
        tracing::warn!(files, line = problem.line, "ignored an invalid line: {}", problem.what);
    }
    if problem_count > problems.len() {
        tracing::warn!(
            zone = %spec.origin,
            more = problem_count - problems.len(),
            "ignored more invalid lines"
        );
    }
    if let Some(made) = head.made.filter(|made| *made > now) {
        return Err(ListError::Future { path: spec.files[0].clone(), made });
    }
    Ok(LoadedList { dataset: Arc::new(dataset), head, seen, first: spec.files[0].clone(), problem_count })
}

/// Passes each line of a file to `take`, without its line end, and returns the state of the file.
fn read_lines(path: &Path, take: &mut dyn FnMut(&[u8])) -> Result<FileState, ListError> {
    let failed = |source| failed(path, source);
    let wrong = |what| Err(ListError::Form { path: path.to_owned(), what });
    // Opening a file that is not regular, such as a FIFO, could block without end.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return wrong("the path is not a regular file");
    }
    let mut file = File::open(path).map_err(failed)?;
    let before = FileState::from(&file.metadata().map_err(failed)?);
    let mut buffer = vec![0; READ_OCTETS + LINE_OCTETS_MAX];
    let (mut kept, mut begun) = (0, false);
    loop {
        let read = file.read(&mut buffer[kept..]).map_err(failed)?;
        let mut rest = &buffer[..kept + read];
        if !begun && rest.starts_with(GZIP) {
            return wrong("the file is compressed; decompress the file");
        }
        begun |= read > 0;
        while let Some(end) = memchr(b'\n', rest) {
            take(&rest[..end]);
            rest = &rest[end + 1..];
        }
        if read == 0 {
            if !rest.is_empty() {
                take(rest);
            }
            let after = FileState::from(&file.metadata().map_err(failed)?);
            // A file that was replaced meanwhile is still complete: only its content must not
            // change.
            let same = after.has_contents_of(&before);
            return if same { Ok(after) } else { wrong("the file changed while the server read it") };
        }
        if rest.len() > LINE_OCTETS_MAX {
            return Err(ListError::Line { path: path.to_owned() });
        }
        let (length, from) = (rest.len(), kept + read - rest.len());
        buffer.copy_within(from..from + length, 0);
        kept = length;
    }
}

/// Builds the zones. The SOA and the name servers of a zone are those of the first list that has
/// them.
fn zones(specs: &[ListSpec], read: &[Arc<LoadedList>]) -> ListZones {
    let mut by_origin: BTreeMap<DomainName, Vec<&Arc<LoadedList>>> = BTreeMap::new();
    for (spec, loaded) in specs.iter().zip(read) {
        by_origin.entry(spec.origin.clone()).or_default().push(loaded);
    }
    ListZones::new(by_origin.into_iter().map(|(origin, lists)| Arc::new(zone(origin, &lists))).collect())
}

fn zone(origin: DomainName, lists: &[&Arc<LoadedList>]) -> ListZone {
    let modified = lists.iter().flat_map(|list| &list.seen).map(|seen| seen.modified).max();
    let age = modified.and_then(|modified| modified.duration_since(SystemTime::UNIX_EPOCH).ok());
    let newest = age.map_or(1, |age| age.as_secs() as u32);
    let told = lists.iter().find_map(|list| list.head.soa.clone());
    let told_ns = lists.iter().find_map(|list| list.head.ns.clone());
    let (ns_ttl, ns) = told_ns.map_or((None, Vec::new()), |(ttl, ns)| (Some(ttl), ns));
    let (ttl, serial, soa) = match told {
        Some(told) => (told.ttl, if told.serial == 0 { newest } else { told.serial }, told.soa),
        // Without a SOA resolvers could not cache that an address is not listed (RFC 2308 §5).
        None => (lists[0].dataset.ttl, newest, default_soa(&origin, ns.first())),
    };
    let mut apex = Apex::new(origin, ns, Vec::new(), soa, ttl);
    apex.ns_ttl = ns_ttl.unwrap_or(ttl);
    ListZone {
        apex: Arc::new(apex),
        serial,
        lists: lists.iter().map(|list| Arc::clone(&list.dataset)).collect(),
        expires: lists.iter().filter_map(|list| list.head.expires).min(),
    }
}

fn default_soa(origin: &DomainName, primary: Option<&DomainName>) -> Soa {
    let mailbox = DomainName::parse(&format!("hostmaster.{origin}")).unwrap_or_else(|_| origin.clone());
    Soa {
        primary: primary.unwrap_or(origin).clone(),
        mailbox,
        refresh: 3_600,
        retry: 600,
        expire: 86_400,
        minimum: 300,
    }
}
