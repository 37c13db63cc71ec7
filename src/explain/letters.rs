//! The letters and numbers that an explanation writes in place of trap domains, donors and failed
//! recipients.

use std::collections::BTreeMap;

use crate::blocklist::RelayRecord;
use crate::classify::Kind;

/// Letters and numbers that stand for trap domains, donors and failed recipients within one
/// explanation.
#[derive(Default)]
pub(super) struct Letters {
    pub(super) trap_domains: BTreeMap<u32, String>,
    pub(super) donors: BTreeMap<u32, String>,
    pub(super) recipients: BTreeMap<u64, String>,
}

impl Letters {
    /// Numbers what the ledger of a record names, in order.
    pub(super) fn of(record: &RelayRecord) -> Self {
        let mut letters = Letters::default();
        for mark in record.ledger.marks() {
            let next = letters.trap_domains.len();
            letters.trap_domains.entry(mark.trap_domain).or_insert_with(|| match u8::try_from(next) {
                Ok(next) if next < 26 => char::from(b'A' + next).to_string(),
                _ => format!("#{next}"),
            });
            let next = letters.donors.len() + 1;
            letters.donors.entry(mark.donor).or_insert_with(|| format!("donor {next}"));
            let next = letters.recipients.len() + 1;
            let role = match mark.kind {
                Kind::AutoReply | Kind::Challenge => "responder",
                _ => "failed recipient",
            };
            letters.recipients.entry(mark.failed_recipient).or_insert_with(|| format!("{role} {next}"));
        }
        letters
    }
}
