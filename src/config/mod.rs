//! The configuration: what may be written, and the checked settings of each part of the program.
//!
//! Each section of the file has a file here, with the type of what may be written. The file checks
//! what is written, and makes the settings of the part that the section is about. All checks are
//! done before any port is bound or any file is written.

// A setting that is in the file and that nothing reads is an error.
#![deny(unused_variables)]

mod across;
mod checked;
mod clock;
mod dns;
mod http;
mod journal;
mod laboratory;
mod log;
mod metrics;
mod observe;
mod paths;
mod section;
mod smtp;
mod spec;
mod verify;
mod zones;

use std::fs;
use std::path::Path;

pub use checked::Config;
pub use clock::ClockSettings;
pub use dns::default_name_server;
pub use journal::JournalSettings;
pub use log::LogSettings;
pub use spec::ConfigSpec;
pub use zones::ZoneFile;

use paths::{AuditSection, ControlSection, KeysSection};

use crate::complaint::{Complaint, Complaints};
use crate::zone::DomainName;

/// The version of the configuration file's format that this program reads.
const VERSION: u32 = 1;
/// The remedy that points to the example file, which documents every setting.
const EXAMPLE: &str = "deploy/backscatterd.toml shows every setting";

/// Reads and checks the configuration file and the zone files of its `zones_directory`.
///
/// # Errors
/// When a file cannot be read or a setting is wrong. All errors are returned together.
pub fn load(path: &Path) -> Result<Config, Vec<Complaint>> {
    let mut complaints = Complaints::about(path.display().to_string());
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            complaints.add(
                "",
                format!("cannot be read: {error}"),
                "name another file with --config, or create this one",
            );
            return Err(complaints.into_vec());
        }
    };
    match toml::from_str::<ConfigSpec>(&text) {
        Ok(spec) => check(path, spec),
        Err(error) => {
            complaints.add("", problem_in(&text, &error), EXAMPLE);
            Err(complaints.into_vec())
        }
    }
}

/// A run of at least so many letters and digits may be a secret or a token.
const SECRET_LETTERS_MIN: usize = 16;

/// What is wrong in the file, and where. Repeats nothing of the file that may be a secret: neither
/// the line nor a long run of letters and digits.
fn problem_in(text: &str, error: &toml::de::Error) -> String {
    let is_sign = |c: char| !c.is_ascii_alphanumeric();
    let parts = error.message().split_inclusive(is_sign).map(|part| {
        let word = part.trim_end_matches(is_sign);
        if word.len() < SECRET_LETTERS_MIN { part.to_owned() } else { format!("...{}", &part[word.len()..]) }
    });
    let message: String = parts.collect();
    match error.span() {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("line {line}, column {column}: {message}")
        }
        None => message,
    }
}

/// Checks settings, and reads and checks the zone files. `path` names the settings in complaints.
///
/// # Errors
/// When a setting or a zone file is wrong. All errors are returned together.
pub fn check(path: &Path, spec: ConfigSpec) -> Result<Config, Vec<Complaint>> {
    let mut complaints = Complaints::about(path.display().to_string());
    let effective =
        toml::to_string(&spec).unwrap_or_else(|error| format!("# the settings cannot be printed: {error}\n"));
    // All fields are named, so that the compiler rejects a setting that nothing reads.
    let ConfigSpec {
        version,
        node,
        zones_directory,
        journal,
        keys: KeysSection { directory: keys_directory },
        smtp,
        observe,
        verify,
        dns,
        http,
        metrics,
        control: ControlSection { socket: control_socket },
        audit: AuditSection { directory: audit_directory },
        clock,
        log,
    } = spec;
    complaints.require(
        version == VERSION,
        "version",
        format!("{version} is not a known version"),
        format!("this program reads version {VERSION}"),
    );
    complaints.require(
        DomainName::parse(&node).is_ok(),
        "node",
        format!("{node:?} is not a valid name"),
        "write letters, digits and hyphens",
    );
    let log = log.check(&mut complaints);
    let journal = journal.check(&mut complaints);
    let (smtp, intake) = smtp.check(node, &mut complaints);
    let verify = verify.check(&mut complaints);
    let (name_server, lists) = dns.check(&mut complaints);
    let http = http.check(&mut complaints);
    let (zones, mut wrong_zones) = zones::read_zones(&zones_directory);
    let mut config = Config {
        effective,
        zones,
        journal,
        keys_directory,
        smtp,
        intake,
        observe: observe.settings(),
        verify,
        name_server,
        lists,
        http,
        metrics: metrics.settings(),
        control_socket,
        audit_directory,
        clock: clock.settings(),
        log,
    };
    verify::spare_own_listeners(&mut config);
    across::check_across_sections(&config, &mut complaints);
    verify::check_verify(&config, &mut complaints);
    laboratory::check_laboratory(&config, &mut complaints);
    let mut found = complaints.into_vec();
    found.append(&mut wrong_zones);
    if found.is_empty() { Ok(config) } else { Err(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `default_name_server` and `LogSettings::default` drop complaints.
    #[test]
    fn no_section_complains_about_its_defaults() {
        let mut complaints = Complaints::about("the defaults");
        let ConfigSpec { node, journal, smtp, verify, dns, http, log, .. } = ConfigSpec::default();
        journal.check(&mut complaints);
        smtp.check(node, &mut complaints);
        verify.check(&mut complaints);
        dns.check(&mut complaints);
        http.check(&mut complaints);
        log.check(&mut complaints);
        assert_eq!(complaints.into_vec(), Vec::new());
    }

    /// The digests of tokens may be printed; the tokens and the secrets of cookies may not.
    #[test]
    fn no_complaint_and_no_output_repeats_a_secret() {
        let secret = "0123456789abcdef0123456789abcdef";
        for wrong in [
            format!("cookie_secrets = \"{secret}\""),
            format!("cookie_secrets = [{secret}]"),
            format!("cookie_secrets = [\"{secret}"),
            format!("cookie_secrets = [\"{secret}\" \"{secret}\"]"),
            format!("keys = [\"{secret}\"]"),
        ] {
            let text = format!("version = 1\n[dns]\n{wrong}\n");
            let error = toml::from_str::<ConfigSpec>(&text).expect_err(&wrong);
            let told = problem_in(&text, &error);
            assert!(!told.contains("0123") && told.starts_with("line 3, column"), "{wrong}: {told}");
        }
        let text = format!(
            "[dns]\ncookie_secrets = [\"{secret}\", \"{secret}x\"]\n\
             keys = [{{ name = \"a\", digest = \"{secret}x\" }}]\n\
             [http]\noperators = [{{ name = \"a\", token_digest = \"{secret}x\" }}]\n"
        );
        let spec: ConfigSpec = toml::from_str(&text).unwrap();
        assert!(!format!("{:?}", spec.dns).contains("cookie_secrets: [\"0123"), "{:?}", spec.dns);
        let mut complaints = Complaints::about("a file");
        let ConfigSpec { dns, http, .. } = spec;
        let effective = toml::to_string(&dns).unwrap();
        assert!(effective.contains("cookie_secrets = [\"hidden\", \"hidden\"]"), "{effective}");
        let (settings, _) = dns.check(&mut complaints);
        http.check(&mut complaints);
        let told = format!("{settings:?} {:?}", complaints.into_vec());
        assert!(told.contains("dns.keys[0]") && told.contains("http.operators[0]"), "{told}");
        assert!(told.contains("dns.cookie_secrets[1]") && !told.contains("0123"), "{told}");
    }

    #[test]
    fn a_file_says_the_actions_of_access_rules_in_lower_case() {
        let written = r#"access = [{ networks = [], action = "pass" }, { networks = [], action = "empty" },
            { networks = [], action = "key" }, { networks = [], action = "refuse" },
            { networks = [], action = "ignore" }]"#;
        let spec: ConfigSpec = toml::from_str(&format!("[dns]\n{}", written.replace('\n', ""))).unwrap();
        let again = toml::to_string(&spec).unwrap();
        for action in ["pass", "empty", "key", "refuse", "ignore"] {
            assert!(again.contains(&format!("action = \"{action}\"")), "{again}");
        }
    }
}
