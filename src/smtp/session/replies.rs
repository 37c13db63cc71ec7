//! The texts of the replies, with their codes (RFC 5321 §4.2, RFC 3463).
//!
//! The texts are those that the most common MTA gives to the same commands, so that a session does not
//! show that the host is a trap. `tests/real_mtas/replies.rs` compares them.

use super::setup::{Protocol, SessionTexts};
use crate::relay::Relay;

/// Maximum number of octets of an address that a reply repeats (RFC 5321 §4.5.3.1.5 allows 512 octets
/// for the whole line).
const REPEATED_OCTETS_MAX: usize = 256;
/// The microseconds of a second: the first part of a queue id is less.
const MICROSECONDS: u32 = 1_000_000;

/// The reply to a command that has no result of its own.
pub(super) const OK: &str = "250 2.0.0 Ok";
/// The sender was accepted.
pub(super) const SENDER_OK: &str = "250 2.1.0 Ok";
/// The recipient was accepted.
pub(super) const RECIPIENT_OK: &str = "250 2.1.5 Ok";
/// The reply to VRFY, for every address alike.
pub(super) const VRFY_DISABLED: &str = "502 5.5.1 VRFY command is disabled";
/// TLS starts after this reply.
pub(super) const START_TLS: &str = "220 2.0.0 Ready to start TLS";
/// The reply to QUIT.
pub(super) const BYE: &str = "221 2.0.0 Bye";
/// The client speaks another protocol, such as HTTP. The session ends.
pub(super) const NOT_A_MAIL_CLIENT: &str = "221 2.7.0 Error: I can break rules, too. Goodbye.";
/// The message follows.
pub(super) const SEND_MESSAGE: &str = "354 End data with <CR><LF>.<CR><LF>";

/// The message could not be made durable.
pub(super) const TRY_LATER: &str = "451 4.3.0 Error: queue file write error";
/// The transaction has its maximum number of recipients.
pub(super) const TOO_MANY_RECIPIENTS: &str = "452 4.5.3 Error: too many recipients";

/// The line holds no command.
pub(super) const BAD_SYNTAX: &str = "500 5.5.2 Error: bad syntax";
/// The line is not UTF-8.
pub(super) const NOT_UTF8: &str = "500 5.5.2 Error: bad UTF-8 syntax";
/// The command is unknown.
pub(super) const UNKNOWN_COMMAND: &str = "500 5.5.2 Error: command not recognized";
/// ETRN without a domain.
pub(super) const ETRN_SYNTAX: &str = "500 Syntax: ETRN domain";
/// EHLO without a name.
pub(super) const EHLO_SYNTAX: &str = "501 Syntax: EHLO hostname";
/// HELO without a name.
pub(super) const HELO_SYNTAX: &str = "501 Syntax: HELO hostname";
/// LHLO without a name.
pub(super) const LHLO_SYNTAX: &str = "501 Syntax: LHLO hostname";
/// MAIL in a wrong form.
pub(super) const MAIL_SYNTAX: &str = "501 5.5.4 Syntax: MAIL FROM:<address>";
/// RCPT in a wrong form.
pub(super) const RCPT_SYNTAX: &str = "501 5.5.4 Syntax: RCPT TO:<address>";
/// BDAT in a wrong form. The session ends.
pub(super) const BDAT_SYNTAX: &str = "521 5.5.4 Syntax: BDAT count [LAST]";
/// DATA with an argument.
pub(super) const DATA_SYNTAX: &str = "501 5.5.4 Syntax: DATA";
/// RSET with an argument.
pub(super) const RSET_SYNTAX: &str = "501 5.5.4 Syntax: RSET";
/// STARTTLS with an argument.
pub(super) const STARTTLS_SYNTAX: &str = "501 5.5.4 Syntax: STARTTLS";
/// The address in MAIL cannot be parsed.
pub(super) const BAD_SENDER: &str = "501 5.1.7 Bad sender address syntax";
/// The address in RCPT cannot be parsed.
pub(super) const BAD_RECIPIENT: &str = "501 5.1.3 Bad recipient address syntax";
/// MAIL or RCPT has a parameter of DSN (RFC 3461), which is not offered.
pub(super) const NO_DSN: &str = "501 5.7.1 DSN support is disabled";
/// MAIL has a SIZE that is no number.
pub(super) const BAD_SIZE: &str = "501 5.5.4 Bad message size syntax";
/// The command is known and not implemented.
pub(super) const NOT_IMPLEMENTED: &str = "502 5.5.1 Error: command not implemented";
/// A command of SMTP in LMTP, or of LMTP in SMTP.
pub(super) const OTHER_PROTOCOL: &str = "502 5.5.1 Error: command not implemented";
/// MAIL before a greeting.
pub(super) const GREET_FIRST: &str = "503 5.5.1 Error: send HELO/EHLO first";
/// MAIL before a greeting in LMTP.
pub(super) const GREET_FIRST_LMTP: &str = "503 5.5.1 Error: send LHLO first";
/// ETRN before a greeting.
pub(super) const GREET_FIRST_ETRN: &str = "503 Error: send HELO/EHLO first";
/// AUTH is not offered.
pub(super) const NO_AUTH: &str = "503 5.5.1 Error: authentication not enabled";
/// MAIL within a transaction.
pub(super) const NESTED_MAIL: &str = "503 5.5.1 Error: nested MAIL command";
/// XCLIENT or XFORWARD within a transaction.
pub(super) const IN_TRANSACTION: &str = "503 5.5.1 Error: MAIL transaction in progress";
/// RCPT outside a transaction.
pub(super) const NEED_MAIL: &str = "503 5.5.1 Error: need MAIL command";
/// DATA or BDAT outside a transaction.
pub(super) const NEED_RCPT: &str = "503 5.5.1 Error: need RCPT command";
/// RCPT after a chunk of the message.
pub(super) const RCPT_AFTER_BDAT: &str = "503 5.5.1 Error: RCPT after BDAT";
/// DATA after a chunk of the message.
pub(super) const DATA_AFTER_BDAT: &str = "503 5.5.1 Error: DATA after BDAT";
/// A message without a recipient in LMTP (RFC 2033 §4.2).
pub(super) const NO_RECIPIENTS_503: &str = "503 5.5.1 Error: no valid recipients";
/// A message without a recipient in SMTP.
pub(super) const NO_RECIPIENTS_554: &str = "554 5.5.1 Error: no valid recipients";
/// The peer may not name clients.
pub(super) const NOT_AUTHORIZED: &str = "550 5.7.0 Error: insufficient authorization";
/// MAIL announces a message beyond the maximum size.
pub(super) const SIZE_TOO_LARGE: &str = "552 5.3.4 Message size exceeds fixed limit";
/// The message exceeded the maximum size.
pub(super) const MESSAGE_TOO_LARGE: &str = "552 5.3.4 Error: message file too big";
/// The chunk exceeds the maximum size of a message.
pub(super) const CHUNK_TOO_LARGE: &str = "552 5.3.4 Chunk exceeds message size limit";
/// STARTTLS when TLS is in use.
pub(super) const TLS_ACTIVE: &str = "554 5.5.1 Error: TLS already active";

/// The greeting.
pub(super) fn greeting(texts: &SessionTexts, protocol: Protocol) -> String {
    match protocol {
        Protocol::Smtp => format!("220 {} {}", texts.hostname, texts.greeting),
        Protocol::Lmtp => format!("220 {} LMTP", texts.hostname),
    }
}

/// The server ends the session, for a reason of its own: it stops, or it holds too many octets for all
/// clients together.
pub(super) fn local_error(hostname: &str) -> String {
    format!("421 4.3.0 {hostname} Server local error")
}

/// The client exceeded its time.
pub(super) fn timeout(hostname: &str) -> String {
    format!("421 4.4.2 {hostname} Error: timeout exceeded")
}

/// The session has had its maximum number of errors, or of commands that bring no message.
pub(super) fn too_many_errors(hostname: &str) -> String {
    format!("421 4.7.0 {hostname} Error: too many errors")
}

/// The client, or all clients together, exceeded a limit.
pub(super) fn too_many_connections(hostname: &str, client: Relay) -> String {
    format!("421 4.7.0 {hostname} Error: too many connections from {client}")
}

/// The recipient is none of this server's addresses. `address` is what the client wrote.
pub(super) fn refused_recipient(texts: &SessionTexts, address: &str) -> String {
    format!("554 5.7.1 <{}>: {}", repeated(address), texts.refusal)
}

/// The recipient is at the server's host name and does not exist there.
pub(super) fn unknown_user(address: &str) -> String {
    let address = repeated(address);
    format!("550 5.1.1 <{address}>: Recipient address rejected: User unknown in local recipient table")
}

/// MAIL or RCPT has an unknown parameter.
pub(super) fn unsupported_option(parameter: &str) -> String {
    format!("555 5.5.4 Unsupported option: {}", repeated(parameter))
}

/// ETRN for a domain.
pub(super) fn no_etrn(domain: &str) -> String {
    format!("459 <{}>: service unavailable", repeated(domain))
}

/// What a reply repeats of a text that the client wrote.
fn repeated(text: &str) -> &str {
    &text[..text.floor_char_boundary(REPEATED_OCTETS_MAX)]
}

/// The message is durable.
pub(super) fn queued(id: &str) -> String {
    format!("250 2.0.0 Ok: queued as {}", queue_id(id))
}

/// The message came in chunks and is durable.
pub(super) fn chunks_queued(octets: u64, id: &str) -> String {
    format!("250 2.0.0 Ok: {octets} bytes queued as {}", queue_id(id))
}

/// The queue id that a client is told for the id of a transaction: 11 hexadecimal digits, of which the
/// first five are less than a million (a time in microseconds).
///
/// It is made from the random part of the transaction's id, and tells nothing of the server.
pub fn queue_id(id: &str) -> String {
    let digits = |from: usize, to: usize| {
        let part = id.get(from..to).unwrap_or_default();
        u32::from_str_radix(part, 16).unwrap_or_default()
    };
    format!("{:05X}{:06X}", digits(12, 20) % MICROSECONDS, digits(20, 26))
}

/// A chunk that is not the last one was received.
pub(super) fn chunk_received(octets: usize) -> String {
    format!("250 2.0.0 Ok: {octets} bytes")
}

/// A chunk was dropped, because the transaction cannot take a message any more.
pub(super) fn chunk_discarded(octets: usize) -> String {
    format!("551 5.0.0 Discarded {octets} bytes after earlier error")
}

/// XCLIENT or XFORWARD, named by `verb`, without an attribute.
pub(super) fn naming_syntax(verb: &str) -> String {
    format!("501 5.5.4 Syntax: {verb} attribute=value...")
}

/// The attributes of XCLIENT or XFORWARD are wrong.
pub(super) fn wrong_attributes(problem: &str) -> String {
    format!("501 5.5.4 {problem}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn a_queue_id_looks_like_a_file_of_a_queue_and_differs_by_the_random_part() {
        let id = queue_id(&Digest::of(b"one").to_string());
        assert!(
            id.len() == 11 && id.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)),
            "{id}"
        );
        assert!(u32::from_str_radix(&id[..5], 16).unwrap() < MICROSECONDS, "{id}");
        assert_ne!(id, queue_id(&Digest::of(b"other").to_string()));
        assert_eq!(queue_id("short"), "00000000000");
    }

    #[test]
    fn a_reply_repeats_no_more_than_a_part_of_a_long_text() {
        let texts = SessionTexts::new("mx.example");
        let reply = refused_recipient(&texts, &format!("{}@x.example", "\u{fc}".repeat(1_000)));
        assert!(reply.len() < 400 && reply.ends_with(">: Relay access denied"), "{reply}");
    }
}
