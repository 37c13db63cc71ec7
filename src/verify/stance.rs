//! What a server's reply to RCPT means for one recipient.

use super::reply::ServerReply;
use crate::classify::{RefusalSense, refusal_sense};

/// The code with which OpenSMTPD refuses a name that its table of virtual users lacks, as "mailing list
/// expansion problem" (5.2.4).
const NO_VIRTUAL_USER: u16 = 524;

/// What a server does with one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientStance {
    /// It takes the recipient.
    Taken,
    /// It refuses the recipient for good, because of the address or without another reason.
    Unknown,
    /// It does not relay for the domain.
    RelayDenied,
    /// It refuses the recipient for good, for a reason that is neither the address nor the client.
    Refused,
    /// It refuses the recipient with a code of policy (`5.7.x`) that does not say what the policy is
    /// about.
    Forbidden,
    /// It refuses the client: its address, its lack of authentication, the null reverse-path.
    AboutUs,
    /// It decides later.
    Deferred,
    /// The reply makes no sense here.
    Nonsense,
}

impl RecipientStance {
    /// Reads the reply to RCPT.
    pub fn of(reply: &ServerReply) -> Self {
        match reply.code {
            250..=252 => RecipientStance::Taken,
            // The shipped settings of Postfix deny relaying with 454.
            code @ 400..=499 => match sense(code, reply) {
                RefusalSense::RelayDenied => RecipientStance::RelayDenied,
                _ => RecipientStance::Deferred,
            },
            // Authentication or TLS is required (RFC 4954 §6, RFC 3207 §4).
            530 | 534 | 535 | 538 => RecipientStance::AboutUs,
            code @ 500..=599 => refused(code, sense(code, reply)),
            _ => RecipientStance::Nonsense,
        }
    }
}

fn sense(code: u16, reply: &ServerReply) -> RefusalSense {
    refusal_sense(&format!("{code} {}", reply.text()))
}

fn refused(code: u16, sense: RefusalSense) -> RecipientStance {
    match sense {
        RefusalSense::Mailbox if code == NO_VIRTUAL_USER => RecipientStance::Unknown,
        RefusalSense::Address => RecipientStance::Unknown,
        RefusalSense::RelayDenied => RecipientStance::RelayDenied,
        RefusalSense::Temporary => RecipientStance::Deferred,
        RefusalSense::Policy => RecipientStance::AboutUs,
        RefusalSense::PolicyCode => RecipientStance::Forbidden,
        RefusalSense::Mailbox | RefusalSense::Contradiction => RecipientStance::Refused,
        RefusalSense::Nothing => match code {
            550 | 551 | 553 => RecipientStance::Unknown,
            // The server did not understand the command.
            500..=504 | 555 => RecipientStance::Nonsense,
            _ => RecipientStance::Refused,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::RecipientStance::{
        AboutUs, Deferred, Forbidden, Nonsense, Refused, RelayDenied, Taken, Unknown,
    };
    use super::*;

    #[test]
    fn a_reply_to_rcpt_is_read_and_a_doubt_is_no_refusal_of_the_name() {
        for (code, text, expected) in [
            (250, "2.1.5 Ok", Taken),
            (251, "User not local; will forward", Taken),
            (252, "Cannot verify the user", Taken),
            (550, "5.1.1 User unknown", Unknown),
            (550, "no", Unknown),
            (551, "", Unknown),
            (553, "go away", Unknown),
            (511, "no such user", Unknown),
            (524, "5.2.4 Mailing list expansion problem: <a@relay.example>", Unknown),
            (501, "no such user", Unknown),
            (554, "5.7.1 Relay access denied", RelayDenied),
            (552, "5.2.2 Mailbox full", Refused),
            (554, "no", Refused),
            (556, "domain does not accept mail", Refused),
            (550, "5.7.1 Access denied", Forbidden),
            (550, "5.7.1 Client host rejected: blacklisted", AboutUs),
            (530, "5.7.0 Must issue a STARTTLS command first", AboutUs),
            (535, "", AboutUs),
            (450, "4.2.0 Greylisted", Deferred),
            (450, "4.1.1 User unknown", Deferred),
            (454, "4.7.1 <a@relay.example>: Relay access denied", RelayDenied),
            (421, "too many errors", Deferred),
            (550, "Greylisted, try again later", Deferred),
            (500, "what?", Nonsense),
            (501, "syntax", Nonsense),
            (503, "bad sequence", Nonsense),
            (220, "hello", Nonsense),
            (354, "go ahead", Nonsense),
        ] {
            let reply = ServerReply { code, lines: vec![text.to_owned()] };
            assert_eq!(RecipientStance::of(&reply), expected, "{code} {text}");
        }
    }
}
