//! The names of the files of aggregate reports (RFC 9990, RFC 8460 §5.1).

/// Whether a file name gives the period of a report: `name!name!begin!end`, where the times are
/// seconds since 1970 and something may follow each.
pub(super) fn has_period(name: &str) -> bool {
    let is_time = |part: &&str| {
        part.bytes().take(TIME_DIGITS_MIN).filter(u8::is_ascii_digit).count() == TIME_DIGITS_MIN
    };
    name.split('!').skip(2).filter(is_time).count() >= 2
}

/// Number of digits that a time has at least.
const TIME_DIGITS_MIN: usize = 9;

#[cfg(test)]
mod tests {
    use super::has_period;

    #[test]
    fn a_report_is_named_by_two_names_and_two_times() {
        for name in ["a.example!b.example!1794268800!1794355199.xml.gz", "a!b!1794268800!1794355199!x.json"] {
            assert!(has_period(name), "{name}");
        }
        for name in
            ["", "invoice.xml", "1794268800!1794355199!a!b.xml", "a!b!1794268800.xml", "a!b!17942!17943.zip"]
        {
            assert!(!has_period(name), "{name}");
        }
    }
}
