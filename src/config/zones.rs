//! The zone files of `zones_directory`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::complaint::{Complaint, Complaints};
use crate::zone;

/// A zone file.
#[derive(Clone, Debug)]
pub struct ZoneFile {
    /// Where the file is.
    pub path: PathBuf,
    /// The contents, which the journal stores and every listing refers to by digest.
    pub text: String,
    /// The checked contents.
    pub zone: zone::Config,
}

/// Reads and checks the zone files of a folder, and returns the complaints about them.
pub(super) fn read_zones(directory: &Path) -> (Vec<ZoneFile>, Vec<Complaint>) {
    let mut complaints = Complaints::about(directory.display().to_string());
    let mut paths: Vec<PathBuf> = match fs::read_dir(directory) {
        Ok(files) => files.filter_map(|file| Some(file.ok()?.path())).collect(),
        Err(error) => {
            complaints.add(
                "",
                format!("cannot be read: {error}"),
                "set zones_directory to the folder of the zone files",
            );
            return (Vec::new(), complaints.into_vec());
        }
    };
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    complaints.require(
        !paths.is_empty(),
        "",
        "the folder has no *.toml file",
        "put a zone file into it, such as zones/backscatter.toml",
    );
    let (mut zones, mut wrong) = (Vec::new(), complaints.into_vec());
    for path in paths {
        let place = path.display().to_string();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                wrong.push(Complaint {
                    key: place,
                    problem: format!("cannot be read: {error}"),
                    remedy: "make the file readable, and UTF-8".to_owned(),
                });
                continue;
            }
        };
        match zone::read(&place, &text) {
            Ok(zone) => {
                let mut complaints = Complaints::about(place);
                zone.check_new(&mut complaints);
                wrong.append(&mut complaints.into_vec());
                zones.push(ZoneFile { path, text, zone });
            }
            Err(mut found) => wrong.append(&mut found),
        }
    }
    (zones, wrong)
}
