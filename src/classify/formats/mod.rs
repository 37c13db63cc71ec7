//! The ways of writing a bounce, one file each.

mod qmail;
mod rfc3464;

use super::Claim;
use crate::mail::{Header, Mailbox, Message, hops};

/// One way of writing a bounce.
pub struct Format {
    /// Also the name of its folder of samples.
    pub name: &'static str,
    /// Reads a message of this format; `None` for any other.
    pub claim: fn(&Message) -> Option<Claim>,
}

/// In the order they are asked; a message that two of them claim is a fault, which a test looks for.
pub const FORMATS: &[Format] =
    &[Format { name: "rfc3464", claim: rfc3464::claim }, Format { name: "qmail", claim: qmail::claim }];

/// The original's envelope sender, by trust: the Return-Path that the relay wrote, Exim's note in its Received line,
/// and last the From field, which whoever wrote the original chose.
fn original_sender(original: &Header) -> Option<Mailbox> {
    let envelope_from = |line: &str| {
        let (_, rest) = line.split_once("envelope-from")?;
        Mailbox::parse(rest.trim_start().split([' ', ')']).next()?)
    };
    original
        .field("Return-Path")
        .and_then(Mailbox::find)
        .or_else(|| original.all("Received").next().and_then(envelope_from))
        .or_else(|| original.field("From").and_then(Mailbox::find))
}

fn injector(original: Option<&Header>) -> Option<std::net::IpAddr> {
    original.and_then(|header| super::injector::injector(&hops(header)))
}
