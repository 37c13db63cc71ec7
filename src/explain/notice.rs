//! A notice to the administrator of a listed relay, as a feedback report (ARF, RFC 5965).
//!
//! The operator of the list sends the notice; this program never sends mail. The notice names no
//! trap, rounds times to the hour, and contains of the report only what every report to a trap has.

use crate::blocklist::PublicRelay;
use crate::mail::Mailbox;
use crate::relay::Relay;
use crate::time::Timestamp;
use crate::zone::Snapshot;

/// The minimum number of days between two notices to one contact. The operator must observe it.
const DAYS_APART: u32 = 7;

/// The sender, the recipient and the date of a notice.
pub struct NoticeEnvelope<'a> {
    /// The sender. It must be a mailbox that is read, and also the reverse-path, because the
    /// recipient may reply (RFC 5965 §3.1).
    pub from: &'a Mailbox,
    /// The administrator of the relay.
    pub to: &'a Mailbox,
    /// The date of the notice.
    pub now: Timestamp,
}

/// Writes the notice about a relay. Returns `None` if no listing of the relay is public.
pub fn notice(
    relay: Relay,
    record: &PublicRelay,
    snapshot: &Snapshot,
    envelope: &NoticeEnvelope<'_>,
) -> Option<String> {
    let address = relay.address();
    let (zone, code, listing) = snapshot.zones().iter().find_map(|zone| {
        let config = &zone.config;
        config.codes.iter().find_map(|code| Some((config, code, record.listing(config, code.value)?)))
    })?;
    let NoticeEnvelope { from, to, now } = envelope;
    let (last, url) = (listing.since.whole_hour(), zone.texts.url(address));
    let date = now.rfc5322();
    let boundary = format!("notice-{}", now.seconds());
    Some(format!(
        "From: {from}\n\
         To: {to}\n\
         Date: {date}\n\
         Subject: {address} sends bounces to forged senders\n\
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
         Please configure the host to reject such mail in the SMTP session (550) instead of\n\
         accepting it and returning it later. This page shows the details, the changes that are\n\
         needed, and how to have the listing removed at once and free of charge:\n\
         {url}\n\
         \n\
         You will receive at most one notice in {DAYS_APART} days. Replies are read by a person.\n\
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
