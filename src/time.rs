//! Types for time, and the only code that reads the machine's clock.
//!
//! The pure modules take the time as a [`Timestamp`] argument. `clippy.toml` forbids reading the
//! machine's clock anywhere else.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const MILLISECONDS_PER_SECOND: i64 = 1_000;
const MILLISECONDS_PER_HOUR: i64 = 3_600 * MILLISECONDS_PER_SECOND;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Timestamp(#[n(0)] i64);

/// A length of time in milliseconds, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Span(#[n(0)] i64);

/// A UTC calendar day in the form `yyyymmdd`, for tables and keys that are kept per day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

impl Timestamp {
    /// The time `milliseconds` after 1970-01-01T00:00:00Z.
    pub const fn from_milliseconds(milliseconds: i64) -> Self {
        Timestamp(milliseconds)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn milliseconds(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(MILLISECONDS_PER_SECOND)
    }

    /// Whole hours since 1970-01-01T00:00:00Z, rounded down; 0 for an earlier time.
    pub fn hour(self) -> u32 {
        u32::try_from(self.0.div_euclid(MILLISECONDS_PER_HOUR).max(0)).unwrap_or(u32::MAX)
    }

    /// This time rounded down to the hour. Public pages give the times of listings only to the
    /// hour.
    pub const fn whole_hour(self) -> Self {
        Timestamp(self.0 - self.0.rem_euclid(MILLISECONDS_PER_HOUR))
    }

    /// This time rounded down to the UTC day.
    pub const fn whole_day(self) -> Self {
        Timestamp(self.0 - self.0.rem_euclid(24 * MILLISECONDS_PER_HOUR))
    }

    /// This time rounded down to the first day of its UTC month.
    pub fn whole_month(self) -> Self {
        let date = jiff::tz::Offset::UTC.to_datetime(self.jiff()).date();
        let days = i64::from(date.day()) - 1;
        self.whole_day().minus(Span::from_days(days))
    }

    /// Parses a date and time of a message header (RFC 5322 §3.3). A wrong day of the week is
    /// accepted.
    pub fn parse_rfc5322(text: &str) -> Option<Self> {
        let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
        let read = parser.parse_timestamp(text.trim()).ok()?;
        Some(Timestamp(read.as_millisecond()))
    }

    /// This time in the form of a message header (RFC 5322 §3.3).
    pub fn rfc5322(self) -> String {
        let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
        printer.timestamp_to_string(&self.jiff()).unwrap_or_default()
    }

    /// The UTC month in the form `2026-11`.
    pub fn month(self) -> String {
        let day = self.day().yyyymmdd();
        format!("{:04}-{:02}", day / 10_000, day / 100 % 100)
    }

    /// This time and `span` later, limited to the range of the type.
    pub const fn plus(self, span: Span) -> Self {
        Timestamp(self.0.saturating_add(span.0))
    }

    /// This time and `span` earlier, limited to the range of the type.
    pub const fn minus(self, span: Span) -> Self {
        Timestamp(self.0.saturating_sub(span.0))
    }

    /// The time from `earlier` to this time; zero if `earlier` is the later one.
    pub const fn since(self, earlier: Timestamp) -> Span {
        let span = self.0.saturating_sub(earlier.0);
        Span(if span < 0 { 0 } else { span })
    }

    /// The UTC day of this time.
    pub fn day(self) -> Day {
        let date = jiff::tz::Offset::UTC.to_datetime(self.jiff()).date();
        let (year, month, day) = (i32::from(date.year()), i32::from(date.month()), i32::from(date.day()));
        Day(u32::try_from(year * 10_000 + month * 100 + day).unwrap_or(0))
    }

    fn jiff(self) -> jiff::Timestamp {
        let bounded =
            self.0.clamp(jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
        jiff::Timestamp::from_millisecond(bounded).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

/// Writes the RFC 3339 form in UTC, in whole seconds: `2026-11-23T12:00:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = jiff::Timestamp::from_second(self.jiff().as_second().max(-377_705_023_201));
        write!(f, "{}", whole.unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }
}

impl std::str::FromStr for Timestamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed: jiff::Timestamp = text
            .parse()
            .map_err(|_| format!("{text:?} is not a time; write it as 2026-11-23T12:00:00Z (RFC 3339)"))?;
        Ok(Timestamp(parsed.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Span {
    /// A span of length zero.
    pub const ZERO: Span = Span(0);

    /// A span of `milliseconds`; a negative number makes it zero.
    pub const fn from_milliseconds(milliseconds: i64) -> Self {
        Span(if milliseconds < 0 { 0 } else { milliseconds })
    }

    /// A span of `seconds`; a negative number makes it zero.
    pub const fn from_seconds(seconds: i64) -> Self {
        Span::from_milliseconds(seconds.saturating_mul(MILLISECONDS_PER_SECOND))
    }

    /// A span of `hours`; a negative number makes it zero.
    pub const fn from_hours(hours: i64) -> Self {
        Span::from_milliseconds(hours.saturating_mul(MILLISECONDS_PER_HOUR))
    }

    /// A span of `days` of 24 hours; a negative number makes it zero.
    pub const fn from_days(days: i64) -> Self {
        Span::from_hours(days.saturating_mul(24))
    }

    /// The length in milliseconds.
    pub const fn milliseconds(self) -> i64 {
        self.0
    }

    /// The length in whole seconds, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0 / MILLISECONDS_PER_SECOND
    }

    /// The length in whole hours, rounded down.
    pub fn hours(self) -> u32 {
        u32::try_from(self.0 / MILLISECONDS_PER_HOUR).unwrap_or(u32::MAX)
    }

    /// This span less `other`; zero if `other` is longer.
    pub const fn minus(self, other: Span) -> Self {
        Span::from_milliseconds(self.0.saturating_sub(other.0))
    }

    /// Twice this span.
    pub const fn doubled(self) -> Self {
        Span(self.0.saturating_mul(2))
    }

    /// This span as the standard library's type.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }
}

/// Writes the span in the largest unit that divides it, as in configuration files: `3d`, `90m`,
/// `1500ms`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units =
            [(24 * MILLISECONDS_PER_HOUR, "d"), (MILLISECONDS_PER_HOUR, "h"), (60_000, "m"), (1_000, "s")];
        match units.iter().find(|(unit, _)| self.0 > 0 && self.0 % unit == 0) {
            Some((unit, name)) => write!(f, "{}{name}", self.0 / unit),
            None if self.0 == 0 => f.write_str("0s"),
            None => write!(f, "{}ms", self.0),
        }
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a length of time; write it like \"90s\", \"24h\" or \"28d\"");
        let span: jiff::Span = text.parse().map_err(|_| wrong())?;
        let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
        let milliseconds = i64::try_from(length.as_millis()).map_err(|_| wrong())?;
        if milliseconds < 0 { Err(wrong()) } else { Ok(Span(milliseconds)) }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Day {
    /// The day with the decimal form `yyyymmdd`. The number is not checked.
    pub const fn from_yyyymmdd(yyyymmdd: u32) -> Self {
        Day(yyyymmdd)
    }

    /// The day as a decimal number, such as 20261123.
    pub const fn yyyymmdd(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}", self.0)
    }
}

/// A source of the current time, for the modules that do input and output.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// The machine's clock, without large forward jumps.
///
/// The journal's time never goes back, so a clock that is set far ahead by mistake would damage the
/// journal permanently. While the clock is more than one day ahead of the time since the program
/// started, measured by the monotonic clock, [`SystemClock`] returns the measured time instead.
#[derive(Debug)]
pub struct SystemClock {
    started: Timestamp,
    since: std::time::Instant,
}

/// Largest forward jump of the machine's clock that is accepted.
const LEAP_MAX: Span = Span::from_days(1);

impl SystemClock {
    /// Starts measuring at the machine's current time.
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the machine's clocks")]
    pub fn start() -> Self {
        SystemClock { started: wall(), since: std::time::Instant::now() }
    }
}

#[expect(clippy::disallowed_methods, reason = "the only place that reads the machine's clocks")]
fn wall() -> Timestamp {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

/// The machine's time, or the measured time if the machine's time is more than `LEAP_MAX` ahead of
/// it.
fn even(wall: Timestamp, measured: Timestamp) -> Timestamp {
    if wall > measured.plus(LEAP_MAX) { measured } else { wall }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX);
        even(wall(), self.started.plus(Span(elapsed)))
    }
}

/// A clock that moves only by [`LaboratoryClock::advance`], for laboratories and tests.
#[derive(Debug)]
pub struct LaboratoryClock(AtomicI64);

impl LaboratoryClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        LaboratoryClock(AtomicI64::new(start.0))
    }

    /// Moves the clock forward by `span` and returns the new time.
    pub fn advance(&self, span: Span) -> Timestamp {
        Timestamp(self.0.fetch_add(span.0, Ordering::SeqCst).saturating_add(span.0))
    }
}

impl Clock for LaboratoryClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Measures how long an operation took, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts measuring.
    #[expect(clippy::disallowed_methods, reason = "the only file that reads clocks")]
    pub fn start() -> Self {
        Stopwatch(std::time::Instant::now())
    }

    /// Whole seconds since the start.
    pub fn seconds(self) -> u32 {
        u32::try_from(self.0.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// Whole microseconds since the start.
    pub fn microseconds(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_alike() {
        for (text, milliseconds) in
            [("28d", 28 * 86_400_000), ("24h", 86_400_000), ("90s", 90_000), ("250ms", 250)]
        {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.milliseconds(), milliseconds, "{text}");
        }
        assert_eq!(Span::from_days(28).to_string(), "28d");
        assert_eq!(Span::from_seconds(90).to_string(), "90s");
        assert_eq!(Span::ZERO.to_string(), "0s");
        for wrong in ["", "3", "-3d", "three days", "1y"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_leap_of_the_clock_is_not_followed() {
        let measured: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        for (wall, want) in [
            ("2026-11-23T12:00:01Z", "2026-11-23T12:00:01Z"),
            ("2026-11-24T11:59:59Z", "2026-11-24T11:59:59Z"),
            ("2036-11-23T12:00:00Z", "2026-11-23T12:00:00Z"),
            ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ] {
            assert_eq!(
                even(wall.parse().unwrap(), measured).to_string(),
                want,
                "a clock that is set back is followed, for the journal keeps its own time from going back"
            );
        }
        let clock = SystemClock::start();
        assert!(clock.now() >= clock.started);
    }

    #[test]
    fn a_timestamp_knows_its_day_and_hour() {
        let t: Timestamp = "2026-11-23T23:59:59Z".parse().unwrap();
        assert_eq!(t.day(), Day::from_yyyymmdd(20_261_123));
        assert_eq!(t.plus(Span::from_seconds(1)).day(), Day::from_yyyymmdd(20_261_124));
        assert_eq!(t.to_string(), "2026-11-23T23:59:59Z");
        assert_eq!(t.hour() + 1, t.plus(Span::from_seconds(1)).hour());
        assert_eq!(t.since(t.plus(Span::from_days(1))), Span::ZERO);
    }
}
