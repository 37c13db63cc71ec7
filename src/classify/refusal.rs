//! What a refusal in an SMTP session says about its reason (RFC 5321 §4.2, RFC 3463).

use super::SEARCH;
use super::cause_signs::CauseSigns;
use super::statements::{Statement, Statements};

/// What the reply to a RCPT command says about the reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalSense {
    /// The recipient does not exist.
    Address,
    /// The server does not relay for the recipient's domain.
    RelayDenied,
    /// The mailbox is full or disabled.
    Mailbox,
    /// The server cannot decide now.
    Temporary,
    /// In words: a rule of the site, mostly about the client or the sender.
    Policy,
    /// A code of policy, without words that say what the rule is about.
    PolicyCode,
    /// The words contradict each other.
    Contradiction,
    /// The reply says nothing about the reason.
    Nothing,
}

/// Reads a refusal: its code and its text in one line. Words count more than codes, and addresses
/// in the text say nothing.
pub fn refusal_sense(reply: &str) -> RefusalSense {
    let signs = CauseSigns::of_text(reply, &SEARCH, Statements::default());
    let (said, coded) = (signs.said(), signs.coded());
    let senses = [
        (said.has(Statement::RelayDenied), RefusalSense::RelayDenied),
        (said.has(Statement::RefusedAtEdge), RefusalSense::Address),
        (said.has(Statement::Expired), RefusalSense::Temporary),
        (said.has(Statement::Address) && said.has(Statement::Policy), RefusalSense::Contradiction),
        (said.has(Statement::Policy), RefusalSense::Policy),
        (said.has(Statement::Address), RefusalSense::Address),
        (said.has(Statement::Mailbox), RefusalSense::Mailbox),
        (coded.has(Statement::Expired), RefusalSense::Temporary),
        (coded.has(Statement::Address), RefusalSense::Address),
        (coded.has(Statement::Policy), RefusalSense::PolicyCode),
        (coded.has(Statement::Mailbox), RefusalSense::Mailbox),
    ];
    senses.into_iter().find_map(|(is_so, sense)| is_so.then_some(sense)).unwrap_or(RefusalSense::Nothing)
}

#[cfg(test)]
mod tests {
    use super::{RefusalSense, refusal_sense};

    #[test]
    fn refusals_of_common_servers() {
        use RefusalSense::{
            Address, Contradiction, Mailbox, Nothing, Policy, PolicyCode, RelayDenied, Temporary,
        };
        for (reply, expected) in [
            (
                "550 5.1.1 <a@b.example>: Recipient address rejected: User unknown in local recipient table",
                Address,
            ),
            ("550 5.1.1 <a@b.example>... User unknown", Address),
            ("550 Unrouteable address", Address),
            ("550 Invalid recipient: <a@b.example>", Address),
            ("550 5.4.1 Recipient address rejected: Access denied. [AS(201806281)]", Address),
            (
                "550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos or unnecessary spaces. For more information, go to https://support.example/mail/?p=NoSuchUser x1-20020",
                Address,
            ),
            ("553 5.3.0 <a@b.example>... No such user here", Address),
            ("550 5.1.1 sorry", Address),
            ("550 5.1.1 Benutzer unbekannt", Address),
            ("554 5.7.1 <a@b.example>: Relay access denied", RelayDenied),
            ("550 5.7.1 <a@b.example>... Relaying denied", RelayDenied),
            ("553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", RelayDenied),
            ("550 relay not permitted", RelayDenied),
            ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.example", Temporary),
            ("550 5.7.1 Client host rejected: cannot find your hostname", Policy),
            ("550 5.7.1 Your IP has been blocked, see https://example", Policy),
            ("550 5.7.1 <a@b.example>: Recipient address rejected: Access denied", PolicyCode),
            ("550 5.7.1 no", PolicyCode),
            ("552 5.2.2 Mailbox full", Mailbox),
            ("550 5.1.1 User unknown, or you are a spammer", Contradiction),
            ("550 no", Nothing),
            ("554 5.0.0", Nothing),
        ] {
            assert_eq!(refusal_sense(reply), expected, "{reply}");
        }
    }
}
