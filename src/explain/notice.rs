//! A notice to whoever runs a listed relay, as a feedback report (ARF, RFC 5965): for an operator of the list to send by hand.
//!
//! The program itself never sends mail. No trap stands in it, no time is finer than the hour, and of mail nothing but what any
//! report to a trap has.

use crate::blocklist::RelayRecord;
use crate::mail::Mailbox;
use crate::relay::Relay;
use crate::time::Timestamp;
use crate::zone::Snapshot;

/// Notices to one contact lie so many days apart; whoever sends them keeps to it.
const DAYS_APART: u32 = 7;

/// Between whom a notice goes, and when.
pub struct Envelope<'a> {
    /// A mailbox that is read: also the reverse-path, which must not be null (RFC 5965 §3.1 wants it to be answered).
    pub from: &'a Mailbox,
    pub to: &'a Mailbox,
    pub now: Timestamp,
}

/// Writes the notice about a relay, if it is listed.
pub fn notice(
    relay: Relay,
    record: &RelayRecord,
    snapshot: &Snapshot,
    envelope: &Envelope<'_>,
) -> Option<String> {
    let address = relay.address();
    let (zone, code, listing) = snapshot.zones().iter().find_map(|zone| {
        let config = &zone.config;
        let origin = config.apex.origin.to_string();
        config.codes.iter().find_map(|code| {
            let listed =
                record.records.iter().find(|((of, value), _)| **of == *origin && *value == code.value);
            let listing = listed?.1.current.as_ref().filter(|listing| listing.prefix.contains(address))?;
            Some((config, code, listing))
        })
    })?;
    let Envelope { from, to, now } = envelope;
    let (last, url) = (listing.grounds.at.whole_hour(), zone.texts.url(address));
    let date = now.rfc5322();
    let boundary = format!("notice-{}", now.seconds());
    Some(format!(
        "From: {from}\n\
         To: {to}\n\
         Date: {date}\n\
         Subject: {address} returns mail to people who never wrote it\n\
         Auto-Submitted: auto-generated\n\
         MIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=feedback-report;\n boundary=\"{boundary}\"\n\
         \n\
         --{boundary}\n\
         Content-Type: text/plain; charset=utf-8\n\
         \n\
         Your host {address} is listed in {origin} as \"{name}\":\n\
         {meaning}.\n\
         \n\
         The cure is to reject such mail in the SMTP session (550) instead of accepting and\n\
         returning it later. What is known, what to change, and removal, free and at once:\n\
         {url}\n\
         \n\
         You will hear of this at most once in {DAYS_APART} days. This address is read by people.\n\
         \n\
         --{boundary}\n\
         Content-Type: message/feedback-report\n\
         \n\
         Feedback-Type: other\n\
         User-Agent: backscatterd/{version}\n\
         Version: 1\n\
         Source-IP: {address}\n\
         Original-Mail-From: <>\n\
         Arrival-Date: {arrival}\n\
         Reporting-MTA: dns; {reporting}\n\
         \n\
         --{boundary}\n\
         Content-Type: text/rfc822-headers\n\
         \n\
         Received: from [{address}] by {reporting}; {arrival}\n\
         From: <>\n\
         To: redacted\n\
         Subject: redacted\n\
         \n\
         --{boundary}--\n",
        origin = zone.apex.origin,
        name = code.name,
        meaning = code.meaning,
        version = env!("CARGO_PKG_VERSION"),
        arrival = last.rfc5322(),
        reporting = from.domain(),
    ))
}
