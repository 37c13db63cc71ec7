//! `export`: writes a zone to standard output, or to a file that is replaced only when it is
//! complete.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

use super::client::ControlClient;
use super::failure::{CommandFailure, EX_DATA, EX_NO_INPUT};
use crate::config::Config;
use crate::export::{ExportForm, FORMS, form};
use crate::folder;
use crate::lists::{ListSpec, WatchedLists};
use crate::time::{Clock, SystemClock};
use crate::zone::{DomainName, ZoneContents, ZoneMatch};

/// Octets that are buffered before a write.
const WRITE_OCTETS: usize = 256 << 10;
/// The mode of a new file. The zone is public, and the program that serves the file must be able to
/// read it.
const MODE: u32 = 0o644;

/// The arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = forms())]
pub(super) struct ExportArgs {
    /// The format to write.
    #[arg(value_parser = form)]
    form: &'static ExportForm,
    /// The origin of the zone. Required if there are several zones.
    #[arg(long, value_parser = DomainName::parse)]
    zone: Option<DomainName>,
    /// Write a zone of list files, given as `zone:type:file[,file]...`, instead of a judged zone.
    /// The option may be repeated, and needs no configuration file.
    #[arg(long = "list")]
    pub(super) lists: Vec<ListSpec>,
    /// The file to write. The default is standard output. An existing file is replaced when the new
    /// file is complete.
    #[arg(long, short)]
    output: Option<PathBuf>,
}

fn forms() -> String {
    let lines = FORMS.iter().map(|form| format!("  {:9}{}", form.name, form.meaning));
    std::iter::once("Forms:".to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

/// Writes a judged zone.
///
/// # Errors
/// When the zone does not exist, neither the daemon nor the store can be reached, or the output
/// cannot be written.
pub(super) async fn zone(config: &Config, args: ExportArgs) -> Result<(), CommandFailure> {
    let origins: Vec<&DomainName> = config.zones.iter().map(|file| &file.zone.apex.origin).collect();
    let origin = choose(args.zone.as_ref(), &origins)?;
    let path = format!("/control/v1/zones/{origin}/export/{}", args.form.name);
    let client = ControlClient::to_read(config).await?;
    let mut target = ExportTarget::new(args.output)?;
    client.fetch(&path, target.writer()).await?;
    target.finish()
}

/// Writes a zone of list files.
///
/// # Errors
/// When a list cannot be read or has expired, the zone does not exist, or the output cannot be
/// written.
pub(super) fn lists(args: ExportArgs) -> Result<(), CommandFailure> {
    let now = SystemClock::start().now();
    let watched = WatchedLists::read(args.lists, now)
        .map_err(|error| CommandFailure::new(EX_NO_INPUT, error.to_string()))?;
    let lists = watched.lists.load_full();
    let origins: Vec<&DomainName> = lists.zones().iter().map(|zone| &zone.apex.origin).collect();
    let origin = choose(args.zone.as_ref(), &origins)?;
    let chosen = lists.zones().iter().find(|zone| zone.apex.origin == *origin);
    if let Some(expired) = chosen.and_then(|zone| zone.expires).filter(|expires| *expires < now) {
        return Err(CommandFailure::new(
            EX_DATA,
            format!("{origin}: expired at {expired} by its $TIMESTAMP"),
        ));
    }
    let mut target = ExportTarget::new(args.output)?;
    let written = chosen.map_or(Ok(()), |zone: &Arc<_>| {
        (args.form.write)(&ZoneContents::new(ZoneMatch::List(zone), now), target.writer())
    });
    match written {
        // A closed pipe, as after `| head`, is not an error.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(CommandFailure::of_io(&error, format!("the export: {error}"))),
        Ok(()) => target.finish(),
    }
}

fn choose<'n>(
    wanted: Option<&'n DomainName>,
    origins: &[&'n DomainName],
) -> Result<&'n DomainName, CommandFailure> {
    let names = || origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (wanted, origins) {
        (Some(wanted), _) if origins.contains(&wanted) => Ok(wanted),
        (None, [only]) => Ok(only),
        (Some(wanted), _) => {
            Err(CommandFailure::new(EX_NO_INPUT, format!("there is no zone {wanted}; zones are {}", names())))
        }
        (None, _) => Err(CommandFailure::new(EX_DATA, format!("name one zone with --zone: {}", names()))),
    }
}

/// Where an export goes.
enum ExportTarget {
    /// Standard output, or a file that is not a regular one, such as a device or a pipe.
    Stream(BufWriter<Box<dyn Write>>),
    /// A temporary file in the folder of the file that it will replace.
    File { writer: BufWriter<NamedTempFile>, path: PathBuf },
}

impl ExportTarget {
    fn new(path: Option<PathBuf>) -> Result<Self, CommandFailure> {
        let Some(path) = path else {
            return Ok(ExportTarget::Stream(BufWriter::with_capacity(WRITE_OCTETS, Box::new(io::stdout()))));
        };
        ExportTarget::at(&path)
            .map_err(|error| CommandFailure::of_io(&error, format!("{}: {error}", path.display())))
    }

    fn at(path: &Path) -> io::Result<Self> {
        // A symbolic link is kept: the file that it points to is replaced.
        let led_to = || Ok(folder::of(path).join(fs::read_link(path)?));
        let path = path.canonicalize().or_else(|_| led_to()).unwrap_or_else(|_: io::Error| path.to_owned());
        let there = match fs::metadata(&path) {
            Ok(there) if there.is_file() => Some(there),
            Ok(_) => {
                let device = File::options().write(true).open(&path)?;
                return Ok(ExportTarget::Stream(BufWriter::with_capacity(WRITE_OCTETS, Box::new(device))));
            }
            Err(_) => None,
        };
        let file = NamedTempFile::new_in(folder::of(&path))?;
        // The new file gets the owner and mode of the old one. If the owner cannot be set, or there
        // was no file, everyone may read it.
        let kept = there.filter(|there| fchown(file.as_file(), Some(there.uid()), Some(there.gid())).is_ok());
        let mode = kept.map_or(MODE, |there| there.permissions().mode());
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        Ok(ExportTarget::File { writer: BufWriter::with_capacity(WRITE_OCTETS, file), path })
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            ExportTarget::Stream(writer) => writer,
            ExportTarget::File { writer, .. } => writer,
        }
    }

    fn finish(self) -> Result<(), CommandFailure> {
        match self {
            ExportTarget::Stream(mut writer) => match writer.flush() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    Err(CommandFailure::of_io(&error, format!("the export: {error}")))
                }
                _ => Ok(()),
            },
            ExportTarget::File { writer, path } => replace(writer, &path)
                .map_err(|error| CommandFailure::of_io(&error, format!("{}: {error}", path.display()))),
        }
    }
}

/// Gives the temporary file its final name, after its contents are durable.
fn replace(writer: BufWriter<NamedTempFile>, path: &Path) -> io::Result<()> {
    let (file, temporary) = writer.into_inner().map_err(io::IntoInnerError::into_error)?.into_parts();
    folder::replace(&file, &temporary, path)
}
