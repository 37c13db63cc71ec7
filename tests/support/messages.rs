//! Mail that relays send to traps.

/// A delivery report in the form of Postfix, about mail that an injector sent in the name of the
/// trap.
pub(crate) fn report(trap: &str, failed: &str, injector: &str, id: u64) -> String {
    format!(
        "From: MAILER-DAEMON@relay.example\nTo: {trap}\nSubject: Undelivered Mail Returned to Sender\n\
         Message-Id: <{id}@relay.example>\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"B\"\n\n\
         --B\n\nSorry.\n--B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; relay.example\n\n\
         Final-Recipient: rfc822; {failed}\nAction: failed\nStatus: 5.1.1\n\n\
         --B\nContent-Type: message/rfc822\n\nReturn-Path: <{trap}>\n\
         Received: from helo.example (unknown [{injector}])\n\tby relay.example (Postfix) with ESMTP id {id}\n\
         From: {trap}\nTo: {failed}\nSubject: pills\n\nthe body\n--B--\n"
    )
}
