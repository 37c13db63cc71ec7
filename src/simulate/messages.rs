//! The text of simulated reports, in the styles of real mail servers.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The mail server whose reports are imitated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportStyle {
    /// Postfix.
    Postfix,
    /// Exim.
    Exim,
    /// Sendmail.
    Sendmail,
    /// qmail.
    Qmail,
    /// Exchange. It shows neither the recipient of the original nor an alias.
    Exchange,
}

/// The styles of a kind that names none.
pub(super) const STYLES: [ReportStyle; 4] =
    [ReportStyle::Postfix, ReportStyle::Exim, ReportStyle::Sendmail, ReportStyle::Qmail];

/// The content of a delivery report.
pub(super) struct Bounce<'a> {
    /// The style.
    pub style: ReportStyle,
    /// The name of the reporting MTA.
    pub host: &'a str,
    /// The trap's address, which is the recipient of the report and the sender of the original.
    pub trap: &'a str,
    /// The failed recipient.
    pub failed: &'a str,
    /// The original recipient, if an alias or a forward led to the failed one.
    pub original: Option<&'a str>,
    /// The address of the host that handed in the original.
    pub injector: &'a str,
    /// The action (RFC 3464 §2.3.3).
    pub action: &'a str,
    /// The status code (RFC 3463).
    pub status: &'a str,
    /// The diagnostic text.
    pub diagnostic: &'a str,
    /// The other host that refused the recipient, as the report names it.
    pub remote: Option<&'a str>,
    /// Received header fields above the report's own, from the host that handed it in.
    pub above: String,
    /// Whether the topmost Received field of the original names a content filter on the same host
    /// instead of the injector.
    pub filter: bool,
    /// The number of the report.
    pub id: u64,
    /// The date of the report and of the original.
    pub at: Timestamp,
}

fn date(at: Timestamp) -> String {
    at.to_string()
}

impl Bounce<'_> {
    /// The report as a message.
    pub(super) fn octets(&self) -> String {
        match self.style {
            ReportStyle::Postfix => self.postfix(),
            ReportStyle::Exim => self.exim(),
            ReportStyle::Sendmail => self.sendmail(),
            ReportStyle::Exchange => self.exchange(),
            // qmail reports only failures, without machine-readable fields.
            ReportStyle::Qmail if self.action == "failed" => self.qmail(),
            ReportStyle::Qmail => self.postfix(),
        }
    }

    /// The Received header fields of the original that the reporting host added.
    fn received(&self) -> String {
        let Bounce { host, injector, id, at, .. } = self;
        let to = self.original.unwrap_or(self.failed);
        if self.filter {
            return format!(
                "Received: from localhost (localhost [127.0.0.1])\n\tby {host} (Postfix) with ESMTP id {id:X}\n\tfor <{to}>; {}\n",
                date(*at)
            );
        }
        match self.style {
            ReportStyle::Exim => format!(
                "Received: from [{injector}] (helo=host{id}.spam.example)\n\tby {host} with esmtp (Exim 4.96)\n\tid {id}\n\tfor {to}; {}\n",
                date(*at)
            ),
            ReportStyle::Qmail => {
                // A program that an alias runs injects the message again.
                let again = self.original.map_or_else(String::new, |alias| {
                    format!(
                        "Received: (qmail {id} invoked by uid 507); {}\nDelivered-To: {alias}\n",
                        date(*at)
                    )
                });
                format!(
                    "{again}Received: (qmail {id} invoked from network); {}\nReceived: from unknown (HELO spam) ({injector})\n  by {host} with SMTP; {}\n",
                    date(*at),
                    date(*at)
                )
            }
            ReportStyle::Exchange => format!(
                "Received: from spam.example ({injector}) by {host}\n (10.0.0.2) with Microsoft SMTP Server id 15.1.2507.6; {}\n",
                date(*at)
            ),
            ReportStyle::Postfix | ReportStyle::Sendmail => format!(
                "Received: from spam.example (unknown [{injector}])\n\tby {host} with ESMTP id {id:X}\n\tfor <{to}>; {}\n",
                date(*at)
            ),
        }
    }

    /// The returned original.
    fn returned(&self) -> String {
        let to = self.original.unwrap_or(self.failed);
        let Bounce { trap, id, at, .. } = self;
        format!(
            "Return-Path: <{trap}>\n{}Received: from [203.0.113.9] by spam.example with SMTP; {}\nFrom: {trap}\nTo: {to}\n\
             Subject: Offer {id}\nMessage-ID: <{id}@spam.example>\nDate: {}\nContent-Type: text/plain\n\nBuy now.\n",
            self.received(),
            date(*at),
            date(*at)
        )
    }

    fn remote_line(&self) -> String {
        self.remote.map_or_else(String::new, |remote| format!("Remote-MTA: dns; {remote}\n"))
    }

    fn postfix(&self) -> String {
        let Bounce { host, trap, failed, action, status, diagnostic, id, at, .. } = self;
        let original = self.original.unwrap_or(failed);
        let said = match self.remote {
            Some(remote) => format!("host {remote} said: {diagnostic} (in reply to RCPT TO command)"),
            None => (*diagnostic).to_owned(),
        };
        let opening = match *action {
            "delayed" => "THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE.\n",
            "delivered" => "This is the delivery report that you requested.\n",
            _ => {
                "I'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients.\n"
            }
        };
        let kind = if self.remote.is_some() { "smtp" } else { "x-postfix" };
        let expanded = self.original.map_or_else(String::new, |alias| format!(" (expanded from <{alias}>)"));
        format!(
            "{}Received: by {host} (Postfix)\n\tid {id:X}; {}\nDate: {}\nFrom: MAILER-DAEMON@{host} (Mail Delivery System)\n\
             Subject: Undelivered Mail Returned to Sender\nTo: {trap}\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"{id:X}.1/{host}\"\n\
             Message-Id: <{id:X}@{host}>\n\nThis is a MIME-encapsulated message.\n\n--{id:X}.1/{host}\n\
             Content-Description: Notification\nContent-Type: text/plain; charset=us-ascii\n\n\
             This is the mail system at host {host}.\n\n{opening}\n<{failed}>{expanded}: {said}\n\n--{id:X}.1/{host}\n\
             Content-Description: Delivery report\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; {host}\n\
             X-Postfix-Queue-ID: {id:X}\nX-Postfix-Sender: rfc822; {trap}\nArrival-Date: {}\n\n\
             Final-Recipient: rfc822; {failed}\nOriginal-Recipient: rfc822;{original}\nAction: {action}\nStatus: {status}\n{}\
             Diagnostic-Code: {kind}; {diagnostic}\n\n--{id:X}.1/{host}\nContent-Description: Undelivered Message\n\
             Content-Type: message/rfc822\n\n{}\n--{id:X}.1/{host}--\n",
            self.above,
            date(*at),
            date(*at),
            date(*at),
            self.remote_line(),
            self.returned()
        )
    }

    fn exim(&self) -> String {
        let Bounce { host, trap, action, diagnostic, id, at, .. } = self;
        // Exim names the original recipient, not the address that it was forwarded to.
        let failed = self.original.unwrap_or(self.failed);
        let opening = match *action {
            "delayed" => {
                "This message was created automatically by mail delivery software.\nA message that you sent has not yet been delivered to one or more of its\nrecipients. No action is required on your part. Delivery attempts will continue for\nsome time.\n"
            }
            _ => {
                "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n"
            }
        };
        let status = match *action {
            "delivered" => "2.0.0",
            "delayed" => "4.0.0",
            _ => "5.0.0",
        };
        let last = self.failed;
        let generated =
            self.original.map_or_else(String::new, |alias| format!("    (generated from {alias})\n"));
        let diagnosed = match self.remote {
            Some(_) => format!("{}Diagnostic-Code: smtp; {diagnostic}\n", self.remote_line()),
            None => String::new(),
        };
        format!(
            "{}Received: from Debian-exim by {host} with local (Exim 4.96)\n\tid {id}; {}\nX-Failed-Recipients: {failed}\n\
             Auto-Submitted: auto-replied\nFrom: Mail Delivery System <Mailer-Daemon@{host}>\nTo: {trap}\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary={id}-eximdsn-{id}\nMIME-Version: 1.0\n\
             Subject: Mail delivery failed: returning message to sender\nMessage-Id: <E{id}@{host}>\nDate: {}\n\n\
             --{id}-eximdsn-{id}\nContent-type: text/plain; charset=us-ascii\n\n{opening}\n  {last}\n{generated}    {diagnostic}\n\n\
             --{id}-eximdsn-{id}\nContent-type: message/delivery-status\n\nReporting-MTA: dns; {host}\n\nAction: {action}\n\
             Final-Recipient: rfc822;{failed}\nStatus: {status}\n{diagnosed}\n--{id}-eximdsn-{id}\nContent-type: message/rfc822\n\n\
             {}\n--{id}-eximdsn-{id}--\n",
            self.above,
            date(*at),
            date(*at),
            self.returned()
        )
    }

    fn sendmail(&self) -> String {
        let Bounce { host, trap, action, status, diagnostic, id, at, .. } = self;
        let (failed, last) = (self.original.unwrap_or(self.failed), self.failed);
        let expanded =
            self.original.map_or_else(String::new, |alias| format!("    (expanded from: <{alias}>)\n"));
        let opening = match *action {
            "delayed" => {
                "**********************************************\n**      THIS IS A WARNING MESSAGE ONLY      **\n**  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **\n**********************************************\n"
            }
            "delivered" => "   ----- The following addresses had successful delivery notifications -----\n",
            _ => "   ----- The following addresses had permanent fatal errors -----\n",
        };
        format!(
            "{}Received: from localhost (localhost)\n\tby {host} (8.17.1.9/8.17.1.9) id {id};\n\t{}\nDate: {}\n\
             From: Mail Delivery Subsystem <MAILER-DAEMON@{host}>\nMessage-Id: <{id}@{host}>\nTo: <{trap}>\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"{id}/{host}\"\n\
             Subject: Returned mail: see transcript for details\nAuto-Submitted: auto-generated (failure)\n\n\
             This is a MIME-encapsulated message\n\n--{id}/{host}\n\nThe original message was received at {}\n\n{opening}<{last}>\n\
                 (reason: {diagnostic})\n{expanded}\n--{id}/{host}\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; {host}\n\
             Arrival-Date: {}\n\nFinal-Recipient: RFC822; {failed}\nAction: {action}\nStatus: {status}\n{}\
             Diagnostic-Code: SMTP; {diagnostic}\n\n--{id}/{host}\nContent-Type: message/rfc822\n\n{}\n--{id}/{host}--\n",
            self.above,
            date(*at),
            date(*at),
            date(*at),
            date(*at),
            self.remote_line(),
            self.returned()
        )
    }

    fn exchange(&self) -> String {
        let Bounce { host, trap, failed, action, status, diagnostic, id, at, .. } = self;
        let (subject, opening) = match *action {
            "delayed" => {
                ("Delivery delayed", "Delivery to these recipients is delayed. The server keeps trying:")
            }
            "delivered" => ("Delivered", "Your message was delivered to the following recipients:"),
            _ => ("Undeliverable", "Delivery has failed to these recipients or groups:"),
        };
        format!(
            "{}Received: from {host} ([::1]) by {host} ([::1]) with Microsoft SMTP\n Server id 15.1.2507.6; {}\nDate: {}\n\
             From: <postmaster@{host}>\nTo: <{trap}>\nSubject: {subject}: Offer {id}\nMessage-ID: <{id}@{host}>\n\
             In-Reply-To: <{id}@spam.example>\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"B{id}\"\n\n--B{id}\n\
             Content-Type: text/plain; charset=us-ascii\n\n{opening}\n\n{failed}\n\n\
             Diagnostic information for administrators:\n\nGenerating server: {host}\n\n{failed}\n{diagnostic}\n\n\
             --B{id}\nContent-Type: message/delivery-status\n\nReporting-MTA: dns;{host}\nArrival-Date: {}\n\n\
             Final-Recipient: rfc822;{failed}\nAction: {action}\nStatus: {status}\n{}Diagnostic-Code: smtp;{diagnostic}\n\n\
             --B{id}\nContent-Type: message/rfc822\n\n{}\n--B{id}--\n",
            self.above,
            date(*at),
            date(*at),
            date(*at),
            self.remote_line(),
            self.returned()
        )
    }

    fn qmail(&self) -> String {
        let Bounce { host, trap, failed, status, diagnostic, id, at, .. } = self;
        let said = match self.remote {
            Some(remote) => format!(
                "{remote} does not like recipient.\nRemote host said: {diagnostic}\nGiving up on {remote}."
            ),
            None => format!("{diagnostic} (#{status})"),
        };
        format!(
            "{}Received: (qmail {id} invoked for bounce); {}\nDate: {}\nFrom: MAILER-DAEMON@{host}\nTo: {trap}\n\
             Subject: failure notice\n\nHi. This is the qmail-send program at {host}.\n\
             I'm afraid I wasn't able to deliver your message to the following addresses.\n\
             This is a permanent error; I've given up. Sorry it didn't work out.\n\n<{failed}>:\n{said}\n\n\
             --- Below this line is a copy of the message.\n\n{}",
            self.above,
            date(*at),
            date(*at),
            self.returned()
        )
    }
}

/// A virus notice to the apparent sender.
pub(super) fn notice(
    host: &str,
    domain: &str,
    recipient: &str,
    trap: &str,
    injector: &str,
    id: u64,
) -> String {
    format!(
        "Received: by {host} (Postfix)\n\tid {id:X}; today\nFrom: \"Content-filter at {host}\" <virusalert@{domain}>\nTo: <{trap}>\n\
         Subject: VIRUS (Example.Worm) IN MAIL FROM YOU\nMessage-ID: <VS{id}@{host}>\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"B{id}\"\n\n--B{id}\n\
         Content-Type: text/plain\n\nVIRUS ALERT\n\nOur content checker found\n    virus: Example.Worm\n\n\
         in your email to the following recipient:\n-> {recipient}\n\nDelivery of the email was stopped!\n\n--B{id}\n\
         Content-Type: message/delivery-status\n\nReporting-MTA: dns; {host}\n\nFinal-Recipient: rfc822; {recipient}\n\
         Action: failed\nStatus: 5.7.0\nDiagnostic-Code: smtp; 554 5.7.0 Bounce, virus found\n\n--B{id}\n\
         Content-Type: text/rfc822-headers\n\nReturn-Path: <{trap}>\n\
         Received: from spam.example (unknown [{injector}])\n\tby {host} (Postfix) with ESMTP id {id:X}; today\n\
         From: {trap}\nTo: {recipient}\nSubject: Offer {id}\nMessage-ID: <{id}@spam.example>\n\n--B{id}--\n"
    )
}

/// A vacation reply.
pub(super) fn reply(recipient: &str, trap: &str, id: u64) -> String {
    format!(
        "From: {recipient}\nTo: {trap}\nSubject: Out of office: Offer {id}\nMessage-ID: <r{id}@away.example>\n\
         Auto-Submitted: auto-replied (vacation)\nPrecedence: bulk\n\nI am out of the office until Monday.\n"
    )
}

/// A challenge of a challenge-response filter.
pub(super) fn challenge(recipient: &str, trap: &str, id: u64) -> String {
    format!(
        "From: <{recipient}>\nTo: {trap}\nSubject: Your email requires verification verify#x{id}\n\
         Message-ID: <c{id}@filter.example>\nPrecedence: auto_reply\n\nThe message you sent requires that you verify that you\n\
         are a real live human being and not a spam source.\n\nTo complete this verification, simply reply to this message.\n"
    )
}

/// A confirmation request of a mailing list manager.
pub(super) fn list_response(domain: &str, trap: &str, id: u64) -> String {
    format!(
        "From: list+help@{domain}\nTo: {trap}\nSubject: Confirm subscription to list@{domain}\nMessage-ID: <l{id}@{domain}>\n\n\
         Hi, this is the Mlmmj program managing the list.\n\n\
         Somebody has requested that your email address be added to it.\n"
    )
}

/// A disposition notification (RFC 8098).
pub(super) fn receipt(recipient: &str, trap: &str, id: u64) -> String {
    format!(
        "From: {recipient}\nTo: {trap}\nSubject: Read: hello\nMessage-ID: <m{id}@reader.example>\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=disposition-notification; boundary=\"b\"\n\n--b\n\
         Content-Type: text/plain\n\nYour message was read.\n--b\nContent-Type: message/disposition-notification\n\n\
         Final-Recipient: rfc822; {recipient}\nDisposition: manual-action/MDN-sent-manually; displayed\n--b--\n"
    )
}

/// A DMARC aggregate report (RFC 9990).
pub(super) fn aggregate_report(host: &str, domain: &str, trap: &str, id: u64) -> String {
    format!(
        "From: dmarc@{domain}\nTo: {trap}\nSubject: Report Domain: trap.example Submitter: {domain} Report-ID: <{id}>\n\
         Message-ID: <d{id}@{host}>\nMIME-Version: 1.0\nContent-Type: application/gzip;\n\
         \tname=\"{domain}!trap.example!1767225600!1767312000.xml.gz\"\nContent-Transfer-Encoding: base64\n\nH4sIAAAAAAAAA7PJKMnNsQMAZ2Hg7wcAAAA=\n"
    )
}
