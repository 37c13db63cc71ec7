//! Tells the fields of the recipients of a delivery status apart (RFC 3464 §2.3).
//!
//! An empty line separates the groups. Gateways remove these lines or add others, so the fields
//! themselves also show where a recipient begins.

use super::{Header, HeaderField};

/// The fields that occur once for each recipient. A second one belongs to the next recipient.
const ONCE: [&str; 4] = ["Original-Recipient", "Final-Recipient", "Action", "Status"];
/// How many of [`ONCE`] name the recipient.
const NAMING: usize = 2;
/// The per-message fields (RFC 3464 §2.2).
const PER_MESSAGE: [&str; 5] =
    ["Reporting-MTA", "Original-Envelope-Id", "DSN-Gateway", "Received-From-MTA", "Arrival-Date"];

/// The fields of one recipient, in the order of the report. The first group may also hold the
/// per-message fields.
#[derive(Clone, Debug, Default)]
pub(super) struct RecipientGroup<'r>(Vec<&'r HeaderField>);

impl<'r> RecipientGroup<'r> {
    /// The values of all fields of that name; case is ignored.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'r str> {
        self.0.iter().filter(move |field| field.is(name)).map(|field| field.value.as_str())
    }

    /// The value of the first field of that name; case is ignored.
    pub(super) fn field(&self, name: &str) -> Option<&'r str> {
        self.all(name).next()
    }

    fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.field(name).is_some())
    }

    /// Whether the fields of the next group belong to the same recipient: this group is not complete,
    /// and the next one lacks what this one has.
    fn is_continued_by(&self, next: &Self) -> bool {
        let both = |name: &&str| self.field(name).is_some() && next.field(name).is_some();
        let (naming, result) = ONCE.split_at(NAMING);
        self.has_any(naming)
            && !ONCE.iter().any(both)
            && !next.has_any(&PER_MESSAGE)
            && (!next.has_any(naming) || !self.has_any(result))
    }
}

/// The fields of each recipient. Groups that name no recipient are kept.
pub(super) fn recipient_groups(groups: &[Header]) -> Vec<RecipientGroup<'_>> {
    let mut recipients: Vec<RecipientGroup<'_>> = Vec::new();
    for fields in groups.iter().flat_map(|group| split_at_repeated(group.fields())) {
        let next = RecipientGroup(fields.iter().collect());
        match recipients.last_mut() {
            Some(last) if last.is_continued_by(&next) => last.0.extend(next.0),
            _ => recipients.push(next),
        }
    }
    recipients
}

/// Splits fields where the next recipient begins.
fn split_at_repeated(fields: &[HeaderField]) -> Vec<&[HeaderField]> {
    let leading = leading(fields);
    let mut parts = Vec::new();
    let mut start = 0;
    let mut seen = [false; ONCE.len()];
    for (at, field) in fields.iter().enumerate() {
        let Some(once) = ONCE.iter().position(|name| field.is(name)) else { continue };
        if seen[once] && names_recipient(&fields[at..]) {
            let is_leading = |field: &&HeaderField| leading.iter().any(|name| field.is(name));
            let before = fields[start..at].iter().rev().take_while(is_leading).count();
            parts.push(&fields[start..at - before]);
            start = at - before;
            seen = [false; ONCE.len()];
        }
        seen[once] = true;
    }
    parts.push(&fields[start..]);
    parts
}

/// The names of the fields that begin the first recipient before one of [`ONCE`]. They also begin
/// the other recipients.
fn leading(fields: &[HeaderField]) -> Vec<&str> {
    let is_any = |field: &&HeaderField, names: &[&str]| names.iter().any(|name| field.is(name));
    let before = fields.iter().take_while(|field| !is_any(field, &ONCE));
    before.filter(|field| !is_any(field, &PER_MESSAGE)).map(|field| field.name.as_str()).collect()
}

/// Whether fields name a recipient before one of [`ONCE`] occurs for the second time.
fn names_recipient(fields: &[HeaderField]) -> bool {
    let mut seen = [false; ONCE.len()];
    for once in fields.iter().filter_map(|field| ONCE.iter().position(|name| field.is(name))) {
        if std::mem::replace(&mut seen[once], true) {
            return false;
        }
        if once < NAMING {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finals(text: &str) -> Vec<Vec<String>> {
        let groups = Header::groups(text.as_bytes(), 9);
        let of = |group: &RecipientGroup<'_>| group.all("Final-Recipient").map(str::to_owned).collect();
        recipient_groups(&groups).iter().map(of).collect()
    }

    #[test]
    fn a_repeated_field_begins_a_recipient_only_if_it_names_one() {
        assert_eq!(finals("Final-Recipient: a\nStatus: 5.1.1\nStatus: 5.1.2\n"), [["a"]]);
        assert_eq!(finals("Final-Recipient: a\nStatus: 1\nStatus: 2\nFinal-Recipient: b\n"), [["a"], ["b"]]);
        assert_eq!(finals("Final-Recipient: a\nFinal-Recipient: b\n"), [["a"], ["b"]]);
    }

    #[test]
    fn complete_groups_are_never_joined() {
        let text = "Final-Recipient: a\nAction: failed\n\nOriginal-Recipient: x\n\nFinal-Recipient: b\n";
        assert_eq!(finals(text), [["a"], ["b"]]);
        assert_eq!(finals("Final-Recipient: a\n\nFinal-Recipient: b\nAction: failed\n"), [["a"], ["b"]]);
    }
}
