//! Messages in which an attacker's text reaches a trap through an innocent host.

/// A post to a mailing list, whose text is a whole message of the attacker.
pub(super) fn list_post(domain: &str, message: &str) -> String {
    format!(
        "List-Id: <talk.{domain}>\nList-Unsubscribe: <mailto:talk-leave@{domain}>\nPrecedence: list\n\
         Sender: talk-bounces@{domain}\n{message}"
    )
}

/// The confirmation of a contact form, which repeats what was entered. `is_marked` is whether the
/// script leaves the mark of PHP.
pub(super) fn contact_form(domain: &str, trap: &str, entered: &str, is_marked: bool) -> String {
    let mark = if is_marked { "X-PHP-Originating-Script: 33:contact.php\n" } else { "" };
    // The attacker enters the text of a report, without its header.
    let text = entered.split_once("\n\n").map_or(entered, |(_, text)| text);
    format!(
        "{mark}From: Contact form <no-reply@{domain}>\nTo: {trap}\nSubject: Your message to us\n\
         Content-Type: text/plain\n\nWe have received your message and will answer soon. You wrote:\n\n{text}"
    )
}

/// A report whose returned original was submitted with a login, as its topmost Received field says.
pub(super) fn with_login(report: &str, injector: &str) -> String {
    let plain = ["with ESMTP id", "with esmtp (Exim", "with SMTP;", "with Microsoft SMTP Server id"];
    let login = ["with ESMTPSA id", "with esmtpsa (Exim", "with ESMTPA;", "with ESMTPSA id"];
    // The field of the original is the one that shows the injector.
    let Some(at) = report.find(&format!("{injector}])")).or_else(|| report.find(injector)) else {
        return report.to_owned();
    };
    let (before, field) = report.split_at(at);
    let found = plain.into_iter().zip(login).find(|(plain, _)| field.contains(plain));
    found.map_or_else(
        || report.to_owned(),
        |(plain, login)| format!("{before}{}", field.replacen(plain, login, 1)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::messages::{Bounce, ReportStyle, STYLES};

    #[test]
    fn every_program_shows_the_login_in_the_field_that_shows_the_injector() {
        for style in STYLES.into_iter().chain([ReportStyle::Exchange]) {
            let bounce = Bounce {
                style,
                host: "mx.relay.example",
                trap: "a@trap.example",
                failed: "u@other.example",
                original: None,
                injector: "80.1.2.3",
                action: "failed",
                status: "5.1.1",
                diagnostic: "user unknown",
                remote: None,
                above: String::new(),
                filter: false,
                id: 7,
                at: crate::time::Timestamp::default(),
            };
            let report = bounce.octets();
            let (before, after) = (report.matches("SMTPSA").count(), with_login(&report, "80.1.2.3"));
            let shows =
                |text: &str| text.to_lowercase().matches("esmtpsa").count() + text.matches("ESMTPA").count();
            assert_eq!((before, shows(&after)), (0, 1), "{style:?}");
        }
    }
}
