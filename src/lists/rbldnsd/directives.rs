//! Reads the directives that describe the zone of a list: `$SOA`, `$NS` and `$TIMESTAMP`.

use super::numbers::number;
use crate::time::{Span, Timestamp};
use crate::zone::{DomainName, Soa};

/// The properties of the zone that a data set contains (`$SOA`, `$NS`, `$TIMESTAMP`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::lists) struct ListHead {
    /// The SOA record (`$SOA`).
    pub soa: Option<ListSoa>,
    /// The TTL of the NS records in seconds, and the name servers (`$NS`).
    pub ns: Option<(u32, Vec<DomainName>)>,
    /// When the newest file of the data set was made.
    pub made: Option<Timestamp>,
    /// When the first file of the data set becomes too old to be served.
    pub expires: Option<Timestamp>,
}

/// A SOA record as a list gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lists) struct ListSoa {
    /// The TTL of the record in seconds.
    pub ttl: u32,
    /// The serial number; zero for the modification time of the newest file.
    pub serial: u32,
    /// The other fields.
    pub soa: Soa,
}

impl ListHead {
    /// Reads `$TIMESTAMP`.
    ///
    /// # Errors
    /// When a time cannot be read.
    pub(super) fn add_timestamp(&mut self, text: &str) -> Result<(), &'static str> {
        let (made, expires) = timestamps(text)?;
        self.made = self.made.max(made);
        // The whole data set expires with its first file.
        self.expires = [self.expires, expires].into_iter().flatten().min();
        Ok(())
    }
}

/// Reads `$SOA`. A TTL of zero is the TTL of the entries, `entries_ttl`.
///
/// # Errors
/// When a field is missing or cannot be read.
pub(super) fn soa(text: &str, entries_ttl: u32) -> Result<ListSoa, &'static str> {
    const FORM: &str = "$SOA needs ttl, origin, person, serial, refresh, retry, expire and minimum";
    let [ttl, primary, mailbox, serial, refresh, retry, expire, minimum] =
        text.split_whitespace().collect::<Vec<_>>()[..]
    else {
        return Err(FORM);
    };
    let name = |text: &str| {
        DomainName::parse(&text.replace('@', ".")).map_err(|_| "$SOA has an invalid domain name")
    };
    let time = |text: &str| seconds(text).ok_or(FORM);
    let soa = Soa {
        primary: name(primary)?,
        mailbox: name(mailbox)?,
        refresh: time(refresh)?,
        retry: time(retry)?,
        expire: time(expire)?,
        minimum: time(minimum)?,
    };
    let ttl = time(ttl)?;
    Ok(ListSoa {
        ttl: if ttl == 0 { entries_ttl } else { ttl },
        serial: serial.parse().map_err(|_| FORM)?,
        soa,
    })
}

/// Reads `$NS`: the TTL and the names of the servers. A TTL of zero is that of the entries,
/// `entries_ttl`.
///
/// # Errors
/// When the TTL or a name cannot be read.
pub(super) fn ns(text: &str, entries_ttl: u32) -> Result<(u32, Vec<DomainName>), &'static str> {
    let mut words = text.split_whitespace();
    let ttl = words.next().and_then(seconds).ok_or("$NS needs a time to live and name servers")?;
    // A name server with a minus sign is commented out.
    let names =
        words.filter(|word| !word.starts_with('-')).map(DomainName::parse).collect::<Result<Vec<_>, _>>();
    let names = names.map_err(|_| "$NS has an invalid domain name")?;
    Ok((if ttl == 0 { entries_ttl } else { ttl }, names))
}

/// Reads a time in seconds, or with a letter in minutes, hours, days or weeks.
pub(super) fn seconds(text: &str) -> Option<u32> {
    let unit = match text.as_bytes().last()? {
        b's' | b'S' | b'0'..=b'9' => 1,
        b'm' | b'M' => 60,
        b'h' | b'H' => 3_600,
        b'd' | b'D' => 86_400,
        b'w' | b'W' => 604_800,
        _ => return None,
    };
    let digits = text.strip_suffix(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text);
    // A TTL is less than 2^31 (RFC 2181 §8).
    number(digits.as_bytes())?.checked_mul(unit).filter(|seconds| i32::try_from(*seconds).is_ok())
}

/// Reads when the data was made, and when it becomes too old.
fn timestamps(text: &str) -> Result<(Option<Timestamp>, Option<Timestamp>), &'static str> {
    const FORM: &str = "write the time as yyyy:mm:dd:hh:mm:ss";
    let mut words = text.split_whitespace();
    let made = words.next().map(moment).transpose().map_err(|()| FORM)?.flatten();
    let expires = match words.next() {
        Some(span) if span.starts_with('+') => {
            let span = seconds(&span[1..]).ok_or(FORM)?;
            made.map(|made| made.plus(Span::from_seconds(span.into())))
        }
        other => other.map(moment).transpose().map_err(|()| FORM)?.flatten(),
    };
    Ok((made, expires))
}

fn moment(text: &str) -> Result<Option<Timestamp>, ()> {
    if matches!(text, "0" | "-") {
        return Ok(None);
    }
    // Year, month and day, then hour, minute and second, which are zero if they are missing.
    let mut fields = [0, 0, 0, 0, 0, 0];
    let parts: Vec<&str> = text.split([':', '-']).collect();
    if !(3..=fields.len()).contains(&parts.len()) {
        return Err(());
    }
    for (field, part) in fields.iter_mut().zip(parts) {
        *field = number(part.as_bytes()).ok_or(())?;
    }
    let [year, month, day, hour, minute, second] = fields;
    let time = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    time.parse().map(Some).map_err(|_| ())
}
