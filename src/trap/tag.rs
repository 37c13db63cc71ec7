//! Address tags and rewritings: recognising SRS, BATV and btv1, and making BATV tags of our own
//! (docs/STANDARDS.md S13).
//!
//! SRS (a forwarder's rewriting), BATV (`prvs=`) and btv1 wrap a base address. A report to a
//! wrapped trap is a report to the trap. A BATV tag made with this system's key shows that the
//! reported mail was really sent from here; such a report never scores.

use super::key::TrapHasher;
use crate::digest::Digest;
use crate::mail::Mailbox;
use crate::time::Timestamp;

/// Lifetime of a tag, in days. The BATV draft proposes the same.
const TAG_DAYS: i64 = 7;
/// Day numbers are taken modulo this, because a tag has three digits for them.
const DAYS_ROUND: i64 = 1_000;
/// The number of the key in a BATV tag. There is only one key.
const KEY_NUMBER: char = '0';
const MILLISECONDS_PER_DAY: i64 = 86_400_000;

/// The address inside of SRS0, SRS1, `prvs=` or `btv1=`; `None` when the address is not wrapped.
pub fn strip_rewriting(mailbox: &Mailbox) -> Option<Mailbox> {
    let (local, domain) = (mailbox.local(), mailbox.domain());
    let folded = local.to_ascii_lowercase();
    // SRS0=HHH=TT=DOMAIN=LOCAL; SRS1=HHH=FORWARDER==HHH=TT=DOMAIN=LOCAL. "=", "+" or "-" may follow
    // the prefix.
    let srs0 = |rest: &str| {
        let mut parts = rest.splitn(4, '=');
        let (_hash, _time) = (parts.next()?, parts.next()?);
        let (domain, local) = (parts.next()?, parts.next()?);
        Mailbox::parse(&format!("{local}@{domain}"))
    };
    let behind = |mark: &str| {
        let rest = folded.strip_prefix(mark)?;
        rest.starts_with(['=', '+', '-']).then(|| &local[mark.len() + 1..])
    };
    if let Some(rest) = behind("srs0") {
        return srs0(rest);
    }
    if let Some(rest) = behind("srs1") {
        let (_, wrapped) =
            rest.split_once("==").or_else(|| rest.split_once("=+")).or_else(|| rest.split_once("=-"))?;
        return srs0(wrapped);
    }
    if let Some(rest) = folded.starts_with("btv1==").then(|| &local[6..]) {
        return Mailbox::parse(&format!("{}@{domain}", rest.split_once("==")?.1));
    }
    // prvs=TAG=LOCAL, or prvs=LOCAL/TAG as in the first BATV draft.
    let rest = folded.starts_with("prvs=").then(|| &local[5..])?;
    let inside = match (rest.split_once('='), rest.rsplit_once('/')) {
        (Some((_, inside)), _) => inside,
        (None, Some((inside, _))) => inside,
        (None, None) => return None,
    };
    Mailbox::parse(&format!("{inside}@{domain}"))
}

impl TrapHasher {
    /// The address with a BATV tag of this system, valid for seven days:
    /// `prvs=KDDDSSSSSS=local@domain`, where K is the key's number, DDD the last day and SSSSSS the
    /// signature.
    pub fn tagged(&self, mailbox: &Mailbox, now: Timestamp) -> Option<Mailbox> {
        let last = (now.milliseconds() / MILLISECONDS_PER_DAY + TAG_DAYS).rem_euclid(DAYS_ROUND);
        let tag = self.tag(mailbox, last);
        Mailbox::parse(&format!("prvs={tag}={}@{}", mailbox.local(), mailbox.domain()))
    }

    /// Whether an address bears a valid BATV tag of this system. If so, the mail that the report is
    /// about was really sent from here.
    pub fn is_ours(&self, mailbox: &Mailbox, now: Timestamp) -> bool {
        let Some(base) = strip_rewriting(mailbox) else { return false };
        let local = mailbox.local().to_ascii_lowercase();
        let Some(tag) = local.strip_prefix("prvs=").and_then(|rest| rest.get(..10)) else { return false };
        let Some(last) = tag.get(1..4).and_then(|days| days.parse::<i64>().ok()) else { return false };
        let today = now.milliseconds() / MILLISECONDS_PER_DAY;
        let left = (last - today).rem_euclid(DAYS_ROUND);
        left <= TAG_DAYS && self.tag(&base, last) == tag
    }

    fn tag(&self, mailbox: &Mailbox, last_day: i64) -> String {
        let days = format!("{last_day:03}");
        let text = format!("batv {KEY_NUMBER}{days} {}", mailbox.folded());
        let digest = Digest::keyed(&self.0, text.as_bytes()).to_string();
        format!("{KEY_NUMBER}{days}{}", &digest[..6])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    fn mailbox(text: &str) -> Mailbox {
        Mailbox::parse(text).unwrap()
    }

    #[test]
    fn rfc6471_s13_a_wrapped_trap_is_the_trap() {
        for (wrapped, inside) in [
            ("SRS0=HHH=TT=trap.example=jdoe@forwarder.example", Some("jdoe@trap.example")),
            ("srs0+Hh1=T9=Trap.Example=J.Doe@forwarder.example", Some("J.Doe@trap.example")),
            ("SRS1=GGG=first.example==HHH=TT=trap.example=jdoe@second.example", Some("jdoe@trap.example")),
            ("prvs=0123abcdef=jdoe@trap.example", Some("jdoe@trap.example")),
            ("prvs=jdoe/0123abcdef@trap.example", Some("jdoe@trap.example")),
            ("btv1==0123abcdef==jdoe@trap.example", Some("jdoe@trap.example")),
            ("jdoe@trap.example", None),
            ("srs0@trap.example", None),
            ("SRS0=broken@trap.example", None),
            ("prvs=broken@trap.example", None),
        ] {
            assert_eq!(strip_rewriting(&mailbox(wrapped)), inside.map(mailbox), "{wrapped}");
        }
    }

    #[test]
    fn rfc6471_s13_a_tag_of_ours_is_known_for_a_week_and_no_other_is() {
        let (hasher, other) = (TrapHasher::new([1; 32]), TrapHasher::new([2; 32]));
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let jdoe = mailbox("jdoe@trap.example");
        let tagged = hasher.tagged(&jdoe, now).unwrap();
        assert_eq!(strip_rewriting(&tagged), Some(jdoe.clone()));
        assert!(hasher.is_ours(&tagged, now) && hasher.is_ours(&tagged, now.plus(Span::from_days(7))));
        assert!(hasher.is_ours(&mailbox(&tagged.to_string().to_uppercase()), now), "in upper case");
        assert!(!hasher.is_ours(&tagged, now.plus(Span::from_days(8))), "too old");
        assert!(!other.is_ours(&tagged, now), "made with another key");
        let moved = tagged.to_string().replace("jdoe", "else");
        assert!(!hasher.is_ours(&mailbox(&moved), now), "made for another address");
        assert!(!hasher.is_ours(&jdoe, now) && !hasher.is_ours(&mailbox("prvs=0é@trap.example"), now));
    }
}
