//! Lists of traps as donors send them, one trap a line.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::coverage::{NamedTrap, named_domain};
use super::donor::Donor;
use super::key::{TrapHasher, TrapKey};
use super::registered::Scope;
use crate::digest::Digest;
use crate::time::Timestamp;

/// Maximum length of a line, in octets.
pub const LINE_OCTETS_MAX: usize = 1_024;
/// The prefix that marks the hash of an address or a domain.
const HASHED: &str = "blake3:";

/// The format of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForm {
    /// A trap a line, optionally followed by white space and the time since which it has been
    /// silent. `#` begins a comment.
    Lines,
    /// `trap,silent_since`; a first line that consists of these names is skipped.
    Csv,
    /// A JSON object a line: `{"trap": "...", "silent_since": "..."}`.
    JsonLines,
}

impl FeedForm {
    /// The format that belongs to a media type, as in Content-Type.
    pub fn of_media_type(text: &str) -> Option<Self> {
        match text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/plain" => Some(FeedForm::Lines),
            "text/csv" => Some(FeedForm::Csv),
            "application/x-ndjson" | "application/jsonl" | "application/json" => Some(FeedForm::JsonLines),
            _ => None,
        }
    }
}

impl FromStr for FeedForm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "lines" => Ok(FeedForm::Lines),
            "csv" => Ok(FeedForm::Csv),
            "jsonl" => Ok(FeedForm::JsonLines),
            _ => Err(format!("{text:?} is not a list format; write lines, csv or jsonl")),
        }
    }
}

impl fmt::Display for FeedForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FeedForm::Lines => "lines",
            FeedForm::Csv => "csv",
            FeedForm::JsonLines => "jsonl",
        })
    }
}

/// One trap as a line of a list states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedLine {
    /// The trap.
    pub trap: NamedTrap,
    /// Since when the trap has been silent, if the line says so.
    pub silent_since: Option<Timestamp>,
    /// The name of the trap's domain; `None` if the line holds hashes.
    pub domain: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonTrap {
    trap: String,
    #[serde(default)]
    silent_since: Option<String>,
}

/// The donor that sends a list, and what it may list.
#[derive(Clone, Debug)]
pub struct FeedAuthor {
    /// The donor.
    pub donor: Donor,
    /// Whether the list may hold whole domains and patterns.
    pub gives_domains: bool,
    /// Whether the list may hold hashes.
    pub sends_hashes: bool,
}

/// Reads a line; `None` when it is empty or a comment.
///
/// # Errors
/// When the line names no trap, or one that the donor may not give. The message does not quote the
/// line, because the line may hold a trap.
pub fn read(
    line: &[u8],
    form: FeedForm,
    hasher: &TrapHasher,
    author: &FeedAuthor,
) -> Result<Option<FeedLine>, String> {
    let line = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8".to_owned())?.trim();
    if line.is_empty() {
        return Ok(None);
    }
    let (trap, silent_since) = match form {
        FeedForm::Lines => {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                return Ok(None);
            }
            match line.split_once(char::is_whitespace) {
                Some((trap, since)) => (trap.to_owned(), Some(since.trim().to_owned())),
                None => (line.to_owned(), None),
            }
        }
        FeedForm::Csv => {
            let (trap, since) = match fields(line)? {
                (trap, _) if trap.eq_ignore_ascii_case("trap") => return Ok(None),
                fields => fields,
            };
            (trap, since.filter(|since| !since.is_empty()))
        }
        FeedForm::JsonLines => {
            let json: JsonTrap = serde_json::from_str(line).map_err(|_| {
                "the line is not a JSON object with \"trap\" and optionally \"silent_since\"".to_owned()
            })?;
            (json.trap, json.silent_since)
        }
    };
    let silent_since = silent_since
        .map(|since| {
            since.parse().map_err(|_| "silent_since is not a time such as 2025-01-31T00:00:00Z".to_owned())
        })
        .transpose()?;
    let domain = (!trap.starts_with(HASHED)).then(|| named_domain(&trap));
    let trap = match trap.strip_prefix(HASHED) {
        Some(_) if !author.sends_hashes => return Err("hashes need the operator's consent".to_owned()),
        Some(hashes) => hashed(hashes, hasher, author)?,
        // The parser's own message quotes the input, which may hold a trap.
        None => hasher.named(&trap).map_err(|_| "the line names no address, pattern or domain".to_owned())?,
    };
    if !author.gives_domains && !matches!(trap.scope, Scope::Address | Scope::Hashed) {
        return Err("domains and patterns need the operator's consent".to_owned());
    }
    Ok(Some(FeedLine { trap, silent_since, domain }))
}

/// Converts a JSON array to one line per element, and any other JSON document to one line. Anything
/// else, such as JSON lines, is returned as it is.
pub fn one_a_line(octets: Vec<u8>) -> Vec<u8> {
    match serde_json::from_slice::<serde_json::Value>(&octets) {
        Ok(serde_json::Value::Array(values)) => {
            values.iter().flat_map(|value| (value.to_string() + "\n").into_bytes()).collect()
        }
        Ok(value) => value.to_string().into_bytes(),
        Err(_) => octets,
    }
}

/// One or two fields of a line of comma-separated values (RFC 4180).
fn fields(line: &str) -> Result<(String, Option<String>), String> {
    let mut output = [0; LINE_OCTETS_MAX];
    let mut ends = [0; 3];
    let mut reader = csv_core::Reader::new();
    let (_, _, written, mut count) = reader.read_record(line.as_bytes(), &mut output, &mut ends);
    // An empty input ends the record and its last field.
    let (_, _, _, more) = reader.read_record(&[], &mut output[written..], &mut ends[count..]);
    for end in &mut ends[count..count + more] {
        *end = (*end).max(written);
    }
    count += more;
    let text = |from: usize, to: usize| String::from_utf8_lossy(&output[from..to]).trim().to_owned();
    match count {
        1 => Ok((text(0, ends[0]), None)),
        2 => Ok((text(0, ends[0]), Some(text(ends[0], ends[1])))),
        _ => Err("the object has more keys than trap and silent_since".to_owned()),
    }
}

/// Reads `ADDRESS@DOMAIN`, or `@DOMAIN` for a whole domain. Each part is a hash under the donor's
/// key, written as 32 hexadecimal digits.
fn hashed(text: &str, hasher: &TrapHasher, author: &FeedAuthor) -> Result<NamedTrap, String> {
    let wrong =
        || format!("write {HASHED}ADDRESS@DOMAIN or {HASHED}@DOMAIN, each a hash of 32 hexadecimal digits");
    let (address, domain) = text.split_once('@').ok_or_else(wrong)?;
    let key = |text: &str| {
        let given = text.parse::<Digest>().map(TrapKey).map_err(|_| wrong())?;
        Ok::<_, String>(hasher.of_hash(&author.donor, given))
    };
    let domain = key(domain)?;
    match address {
        "" if !author.gives_domains => Err("domains and patterns need the operator's consent".to_owned()),
        "" => Ok(NamedTrap { scope: Scope::Hashed, key: domain, domain }),
        address => Ok(NamedTrap { scope: Scope::Hashed, key: key(address)?, domain }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author() -> FeedAuthor {
        FeedAuthor { donor: Donor::parse("isp").unwrap(), gives_domains: true, sends_hashes: true }
    }

    #[test]
    fn all_forms_say_the_same() {
        let hasher = TrapHasher::new([1; 32]);
        let since = Some("2025-01-31T00:00:00Z".parse().unwrap());
        let (trap, domain) = (hasher.named("bait@trap.example").unwrap(), Some("trap.example".to_owned()));
        let address = FeedLine { trap, silent_since: None, domain };
        let silent = FeedLine { silent_since: since, ..address.clone() };
        for (form, line, want) in [
            (FeedForm::Lines, "bait@trap.example", Some(&address)),
            (
                FeedForm::Lines,
                "  Bait@trap.example   2025-01-31T00:00:00Z  # from the old list",
                Some(&silent),
            ),
            (FeedForm::Lines, "# a comment", None),
            (FeedForm::Lines, "", None),
            (FeedForm::Csv, "bait@trap.example", Some(&address)),
            (FeedForm::Csv, "bait@trap.example,", Some(&address)),
            (FeedForm::Csv, "\"bait@trap.example\",2025-01-31T00:00:00Z", Some(&silent)),
            (FeedForm::Csv, "trap,silent_since", None),
            (FeedForm::JsonLines, "{\"trap\": \"bait@trap.example\"}", Some(&address)),
            (
                FeedForm::JsonLines,
                "{\"trap\":\"bait@trap.example\",\"silent_since\":\"2025-01-31T00:00:00Z\"}",
                Some(&silent),
            ),
        ] {
            assert_eq!(read(line.as_bytes(), form, &hasher, &author()), Ok(want.cloned()), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_and_the_line_is_not() {
        let hasher = TrapHasher::new([1; 32]);
        for (form, line) in [
            (FeedForm::Lines, "secret-trap"),
            (FeedForm::Lines, "secret@trap.example yesterday"),
            (FeedForm::Csv, "secret@trap.example,2025-01-31T00:00:00Z,more"),
            (FeedForm::Csv, "secret-trap,"),
            (FeedForm::JsonLines, "secret@trap.example"),
            (FeedForm::JsonLines, "{\"trap\":\"secret@trap.example\",\"secret\":1}"),
            (FeedForm::Lines, "blake3:secret"),
        ] {
            let problem = read(line.as_bytes(), form, &hasher, &author()).unwrap_err();
            assert!(!problem.contains("secret"), "{problem}");
        }
        assert!(read(b"\xff@trap.example", FeedForm::Lines, &hasher, &author()).is_err());
    }

    #[test]
    fn hashes_are_those_of_the_donors_key() {
        let hasher = TrapHasher::new([1; 32]);
        let (author, given) = (author(), hasher.for_donor(&author().donor));
        let (address, domain) =
            (given.named("bait@trap.example").unwrap(), given.named("trap.example").unwrap());
        let line = format!("blake3:{}@{}", address.key, domain.key);
        let read = |line: &str, author: &FeedAuthor| read(line.as_bytes(), FeedForm::Lines, &hasher, author);
        assert_eq!(read(&line, &author).unwrap().unwrap().domain, None);
        let found = read(&line, &author).unwrap().unwrap().trap;
        assert_eq!(found.key, hasher.of_hash(&author.donor, address.key));
        assert_eq!((found.scope, found.domain), (Scope::Hashed, hasher.of_hash(&author.donor, domain.key)));
        let other = FeedAuthor { donor: Donor::parse("other").unwrap(), ..author.clone() };
        assert_ne!(read(&line, &other).unwrap().unwrap().trap.key, found.key, "bound to its donor");
        for less in [
            FeedAuthor { sends_hashes: false, ..author.clone() },
            FeedAuthor { gives_domains: false, ..author },
        ] {
            assert!(read(&format!("blake3:@{}", domain.key), &less).is_err());
        }
        let plain =
            FeedAuthor { donor: Donor::parse("isp").unwrap(), gives_domains: false, sends_hashes: false };
        for wide in ["trap.example", "*.trap.example", "bait-*@trap.example"] {
            assert!(read(wide, &plain).unwrap_err().contains("consent"), "{wide}");
        }
    }
}
