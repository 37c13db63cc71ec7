//! The texts of the replies, with their codes (RFC 5321 §4.2, RFC 3463).

use super::setup::Protocol;

/// The reply to a command that has no result of its own.
pub(super) const OK: &str = "250 2.0.0 Ok";
/// The sender was accepted.
pub(super) const SENDER_OK: &str = "250 2.1.0 Ok";
/// The recipient was accepted.
pub(super) const RECIPIENT_OK: &str = "250 2.1.5 Ok";
/// The reply to VRFY, for every address alike.
pub(super) const NOT_VERIFIED: &str = "252 2.0.0 Cannot VRFY user, but will accept message";
/// The reply to HELP.
pub(super) const HELP: &str = "214 2.0.0 This host accepts mail as in RFC 5321 and sends none";
/// TLS starts after this reply.
pub(super) const START_TLS: &str = "220 2.0.0 Ready to start TLS";
/// The reply to QUIT.
pub(super) const BYE: &str = "221 2.0.0 Bye";
/// The message follows.
pub(super) const SEND_MESSAGE: &str = "354 End data with <CR><LF>.<CR><LF>";

/// The server holds too many octets for all clients together.
pub(super) const NO_MEMORY: &str = "421 4.3.1 Insufficient system resources, try again later";
/// The server stops.
pub(super) const SHUTDOWN: &str = "421 4.3.2 Service shutting down, try again later";
/// The client exceeded its time.
pub(super) const TIMEOUT: &str = "421 4.4.2 Timeout";
/// The client, or all clients together, exceeded a rate.
pub(super) const RATE_EXCEEDED: &str = "421 4.7.0 Rate limit exceeded, try again later";
/// The session has had its maximum number of errors.
pub(super) const TOO_MANY_ERRORS: &str = "421 4.7.0 Too many errors";
/// The session has had its maximum number of commands that bring no message.
pub(super) const TOO_MANY_COMMANDS: &str = "421 4.7.0 Too many commands without a message";
/// The session has had its maximum number of messages.
pub(super) const TOO_MANY_MESSAGES: &str = "421 4.7.0 Too many messages in one session";
/// A chunk is larger than a message may be.
pub(super) const CHUNK_TOO_LARGE: &str = "421 4.7.0 Chunk too large";
/// The message could not be made durable.
pub(super) const TRY_LATER: &str = "451 4.3.0 Temporary local error, try again later";
/// The transaction has its maximum number of recipients.
pub(super) const TOO_MANY_RECIPIENTS: &str = "452 4.5.3 Too many recipients";

/// The line exceeds the limit.
pub(super) const LINE_TOO_LONG: &str = "500 5.5.2 Line too long";
/// The line contains a control character.
pub(super) const CONTROL_CHARACTER: &str = "500 5.5.2 Syntax error: control character in command";
/// The line is not UTF-8.
pub(super) const NOT_UTF8: &str = "500 5.5.2 Bad UTF-8 syntax";
/// The command is unknown.
pub(super) const UNKNOWN_COMMAND: &str = "500 5.5.2 Command not recognized";
/// The client greets with EHLO or HELO, but the protocol is LMTP.
pub(super) const SEND_LHLO: &str = "500 5.5.1 Command not recognized: this is LMTP, send LHLO";
/// The client greets with LHLO, but the protocol is SMTP.
pub(super) const SEND_EHLO: &str = "500 5.5.1 Command not recognized: this is SMTP, send EHLO";
/// A parameter has a wrong value.
pub(super) const BAD_PARAMETER: &str = "501 5.5.4 Syntax: invalid parameter value";
/// The command is known and not implemented.
pub(super) const NOT_IMPLEMENTED: &str = "502 5.5.1 Command not implemented";
/// XCLIENT in LMTP.
pub(super) const USE_XFORWARD: &str = "502 5.5.1 Command not implemented: use XFORWARD with LMTP";
/// MAIL before a greeting.
pub(super) const GREET_FIRST: &str = "503 5.5.1 Bad sequence of commands: send EHLO, HELO or LHLO first";
/// A command that must not stand within a transaction.
pub(super) const IN_TRANSACTION: &str =
    "503 5.5.1 Bad sequence of commands: transaction in progress, use RSET";
/// A command that must stand within a transaction.
pub(super) const NEED_MAIL: &str = "503 5.5.1 Bad sequence of commands: need MAIL command";
/// RCPT after a chunk of the message.
pub(super) const IN_MESSAGE: &str =
    "503 5.5.1 Bad sequence of commands: message in progress, send BDAT or RSET";
/// DATA after a chunk of the message.
pub(super) const DATA_AFTER_BDAT: &str =
    "503 5.5.1 Bad sequence of commands: DATA after BDAT (RFC 3030 section 2)";
/// A message without a recipient: in LMTP (RFC 2033 §4.2), and for BDAT.
pub(super) const NO_RECIPIENTS_503: &str = "503 5.5.1 No valid recipients";
/// DATA without a recipient in SMTP.
pub(super) const NO_RECIPIENTS_554: &str = "554 5.5.1 No valid recipients";
/// The peer may not name clients.
pub(super) const NOT_AUTHORIZED: &str = "550 5.7.0 Insufficient authorization";
/// The recipient is none of this server's addresses.
pub(super) const RECIPIENT_REJECTED: &str = "550 5.7.1 Recipient address rejected: Access denied";
/// The address in MAIL cannot be parsed.
pub(super) const BAD_SENDER: &str = "553 5.1.7 Bad sender address syntax";
/// The address in RCPT cannot be parsed.
pub(super) const BAD_RECIPIENT: &str = "553 5.1.3 Bad recipient address syntax";
/// MAIL or RCPT has an unknown parameter.
pub(super) const UNSUPPORTED_OPTION: &str = "555 5.5.4 Unsupported option";
/// MAIL announces a binary message.
pub(super) const NO_BINARY: &str = "555 5.6.1 Unsupported option: BODY=BINARYMIME (RFC 3030)";

/// The greeting.
pub(super) fn greeting(hostname: &str, protocol: Protocol) -> String {
    let protocol = match protocol {
        Protocol::Smtp => "ESMTP",
        Protocol::Lmtp => "LMTP",
    };
    format!("220 {hostname} {protocol}")
}

/// The message is durable.
pub(super) fn queued(id: &str) -> String {
    format!("250 2.0.0 Ok: queued as {id}")
}

/// A chunk that is not the last one was received.
pub(super) fn chunk_received(octets: usize) -> String {
    format!("250 2.0.0 Ok: {octets} octets received")
}

/// The message exceeds the maximum size.
pub(super) fn too_large(octets_max: usize) -> String {
    format!("552 5.3.4 Message size exceeds fixed limit of {octets_max} octets")
}

/// The arguments of a command have a wrong form.
pub(super) fn wrong_form(form: &str) -> String {
    format!("501 5.5.2 Syntax: {form}")
}

/// The attributes of XCLIENT or XFORWARD are wrong.
pub(super) fn wrong_attributes(problem: &str) -> String {
    format!("501 5.5.4 {problem}")
}
