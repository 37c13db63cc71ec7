//! Divides the part of a Received field before `by` at its parentheses, and finds the addresses in
//! it.

use std::net::IpAddr;

use memchr::memchr_iter;

/// A piece of text without parentheses.
pub(super) struct Segment<'l> {
    /// The text.
    text: &'l str,
    /// How many comments the text stands in.
    depth: usize,
    /// The text begins a comment.
    opened: bool,
    /// The text is a whole comment: one parenthesis opens it, and the next one closes it.
    whole: bool,
    /// Nothing but the end of the comment follows the text.
    last: bool,
}

/// The pieces of a text, in order.
pub(super) fn segments(from: &str) -> Vec<Segment<'_>> {
    let from = from.trim();
    let mut found: Vec<Segment<'_>> = Vec::new();
    let (mut depth, mut opened) = (0usize, false);
    for piece in from.split_inclusive(['(', ')']) {
        let closes = piece.ends_with(')');
        let text = piece.trim_end_matches(['(', ')']);
        found.push(Segment { text, depth, opened, whole: opened && closes, last: false });
        opened = piece.ends_with('(');
        depth = if opened { depth + 1 } else { depth.saturating_sub(usize::from(closes)) };
    }
    if let Some(last) = found.last_mut() {
        last.last = from.ends_with(')');
    }
    found
}

/// The words with which qmail, CommuniGate Pro and others begin the comment that repeats the
/// client's HELO name.
const HELO_WORDS: [&str; 4] = ["helo", "ehlo", "lhlo", "account"];
/// What Exim's comment begins with if the address stands before it.
const EXIM_FACTS: [&str; 4] = ["helo=", "ehlo=", "port=", "ident="];

/// How users authenticate themselves to Yahoo's hosts.
pub(super) const MECHANISMS: [&str; 3] = ["plain", "login", "cram-md5"];

impl Segment<'_> {
    /// Whether the text stands outside comments.
    pub(super) fn is_outside(&self) -> bool {
        self.depth == 0
    }

    /// Whether the text stands in a comment, but not in a comment within a comment.
    pub(super) fn is_in_outer_comment(&self) -> bool {
        self.depth == 1
    }

    /// Whether the text ends the last comment, after which nothing follows.
    pub(super) fn is_last(&self) -> bool {
        self.last
    }

    /// Whether the text is a comment such as `HELO name`.
    pub(super) fn repeats_helo(&self) -> bool {
        self.opened && HELO_WORDS.iter().any(|word| self.first_word().eq_ignore_ascii_case(word))
    }

    /// Whether the text is a comment with Exim's facts about a client whose address stands before the
    /// comment.
    pub(super) fn has_exim_facts(&self) -> bool {
        self.opened && EXIM_FACTS.iter().any(|fact| begins(self.first_word(), fact))
    }

    /// Whether the text is a comment such as `using TLSv1.3 with cipher ...`.
    pub(super) fn is_about_tls(&self) -> bool {
        self.opened && self.first_word().eq_ignore_ascii_case("using")
    }

    /// The address of which the comment consists, without brackets: `(192.0.2.1)`. A user name may
    /// stand before it, and a port after it, or how the user authenticated: `(192.0.2.1 with plain)`.
    pub(super) fn bare_address(&self) -> Option<IpAddr> {
        let mut words = self.text.split_ascii_whitespace();
        let word = words.next().filter(|word| self.whole && !word.contains('['))?;
        let alone = match (words.next(), words.next(), words.next()) {
            (None, ..) => true,
            (Some("with"), Some(mechanism), None) => MECHANISMS.contains(&mechanism),
            _ => false,
        };
        // qmail writes the name from the client's ident daemon before the address.
        alone.then(|| address(word.rsplit('@').next()?)).flatten()
    }

    /// Whether any word is or contains an address.
    pub(super) fn shows_address(&self) -> bool {
        let mut words = self.text.split(|c: char| c.is_whitespace() || "[]@,=".contains(c));
        words.any(|word| address(word).is_some())
    }

    /// The addresses in brackets, except for Exim's `helo=[192.0.2.1]`.
    pub(super) fn literals(&self) -> impl Iterator<Item = IpAddr> {
        let words = self
            .text
            .split_ascii_whitespace()
            .filter(|word| !begins(word, "helo=") && !begins(word, "ehlo="));
        words.flat_map(|word| word.split('[').skip(1)).filter_map(|after| address(after.split_once(']')?.0))
    }

    /// The address in brackets with which the text begins.
    pub(super) fn first_literal(&self) -> Option<IpAddr> {
        address(self.text.trim_start().strip_prefix('[')?.split_once(']')?.0)
    }

    /// Whether the text is a single word.
    pub(super) fn is_one_word(&self) -> bool {
        self.text.split_ascii_whitespace().count() == 1
    }

    fn first_word(&self) -> &str {
        self.text.split_ascii_whitespace().next().unwrap_or_default()
    }
}

/// Whether a text begins with a word; case is ignored.
fn begins(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// An address as MTAs write it: alone, as `IPv6:ADDRESS` (RFC 5321 §4.1.3), or an IPv4 address with
/// a port. An IPv4 address that is mapped into IPv6 is an IPv4 address.
fn address(text: &str) -> Option<IpAddr> {
    let text = if begins(text, "IPv6:") { &text[5..] } else { text };
    let host = match text.split_once(':') {
        Some((host, port)) if host.contains('.') && port.bytes().all(|octet| octet.is_ascii_digit()) => host,
        _ => text,
    };
    Some(host.parse::<IpAddr>().ok()?.to_canonical())
}

/// Whether a text holds another one. For the short texts of a Received field this is faster than
/// `str::contains`.
pub(super) fn holds(text: &str, wanted: &str) -> bool {
    let Some(&first) = wanted.as_bytes().first() else { return true };
    let octets = text.as_bytes();
    memchr_iter(first, octets).any(|at| octets[at..].starts_with(wanted.as_bytes()))
}
