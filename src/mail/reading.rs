//! Reads a message: what is kept of each of its parts.

use std::borrow::Cow;

use mail_parser::decoders::html::html_to_text;
use memchr::memchr_iter;

use super::content_type::{ContentType, TEXT_PLAIN, file_name};
use super::mbox::message_start;
use super::message::{Message, MimePart, PartContent};
use super::mime::{RawPart, split};
use super::status_part::{Beside, field_groups, is_delivery_status, retyped_groups};
use super::text::split_copy;
use super::transfer_encoding::{TransferEncoding, text};
use super::{
    ATTACHED_MAX, DECODED_OCTETS_MAX, DEPTH_MAX, Header, MESSAGE_OCTETS_MAX, PARTS_MAX, TEXT_OCTETS_MAX,
};
use crate::digest::Digest;

/// Number of octets of a returned original in which its header is read.
const ORIGINAL_HEADER_OCTETS_MAX: usize = 64 << 10;
/// Number of lines of one part that are read. A report lists a few recipients; only a long session
/// transcript has thousands of lines.
const PART_LINES_MAX: usize = 5_000;
/// Number of octets of one machine-readable part that are read: far more than `GROUPS_MAX` groups.
const STATUS_OCTETS_MAX: usize = 64 << 10;
/// The media type of a part that is a delivery status by its content.
const DELIVERY_STATUS: &str = "message/delivery-status";

/// Parses a message. Any octets are accepted.
pub fn read(octets: &[u8]) -> Message {
    let octets = message_start(&octets[..octets.len().min(MESSAGE_OCTETS_MAX)]);
    let mut parts = split(octets, 0);
    let mut reader = PartReader::new();
    match embedded_report(&parts) {
        None => reader.add_all(&parts),
        Some((at, report)) => {
            let (around, behind) = parts.split_at(at + 1);
            reader.add_closed(around);
            reader.add_all(&split(message_start(&report), around[at].depth + 1));
            reader.add_closed(behind);
        }
    }
    reader.parts.truncate(PARTS_MAX);
    let header = parts.first_mut().map(|root| std::mem::take(&mut root.header)).unwrap_or_default();
    Message { header, parts: reader.parts }
}

/// The messages that are attached to a message as message/rfc822 or message/global, decoded, at
/// most [`ATTACHED_MAX`].
pub fn attached(octets: &[u8]) -> Vec<Vec<u8>> {
    let parts = split(message_start(octets), 0);
    let messages = parts.iter().filter(|part| part.depth <= 1 && is_message(&part.kind.media_type));
    messages
        .map(|part| TransferEncoding::of(&part.header).decode(part.content).into_owned())
        .take(ATTACHED_MAX)
        .collect()
}

/// The report that Exchange puts into a message of its own: the index of the part that holds it, and
/// its octets.
///
/// Without X-MS-Embedded-Report, or beside a delivery status of the message's own, a report inside a
/// message is the returned original, which another host wrote.
fn embedded_report<'m>(parts: &[RawPart<'m>]) -> Option<(usize, Cow<'m, [u8]>)> {
    parts.first()?.header.field("X-MS-Embedded-Report")?;
    if parts.iter().any(|part| part.kind.media_type.ends_with("delivery-status")) {
        return None;
    }
    let inside = |part: &RawPart<'m>| {
        let holds = (1..DEPTH_MAX).contains(&part.depth) && is_message(&part.kind.media_type);
        holds.then(|| TransferEncoding::of(&part.header).decode(part.content))
    };
    let mut messages = parts.iter().enumerate().filter_map(|(at, part)| Some((at, inside(part)?)));
    messages.find(|(_, message)| {
        let start = message_start(message);
        let header = Header::parse(&start[..start.len().min(ORIGINAL_HEADER_OCTETS_MAX)]);
        is_delivery_report(&ContentType::of(&header, TEXT_PLAIN))
    })
}

/// Whether this is the type of a delivery report (RFC 6522 §3, RFC 6533 §6). The parameter that says
/// so may be missing.
fn is_delivery_report(kind: &ContentType) -> bool {
    kind.media_type == "multipart/report"
        && kind.report_type.as_deref().is_none_or(|report_type| report_type.ends_with("delivery-status"))
}

fn is_message(media_type: &str) -> bool {
    matches!(media_type, "message/rfc822" | "message/global")
}

/// Whether this is a type of a returned original or of its header (RFC 6522 §4). Some programs write
/// `text/rfc822-header`.
fn is_original(media_type: &str) -> bool {
    let named = ["message/rfc822", "text/rfc822", "message/global-headers"];
    media_type == "message/global" || named.iter().any(|name| media_type.starts_with(name))
}

/// Whether a gateway gives this type to a part whose type it does not know.
fn is_retyped(media_type: &str) -> bool {
    media_type == "application/octet-stream"
        || (media_type.starts_with("text/") && media_type != "text/html" && !is_original(media_type))
}

/// Reads parts, within limits for all of them together.
struct PartReader {
    parts: Vec<MimePart>,
    /// A part with text that is not empty was read. It is the report's own.
    has_words: bool,
    /// Room for octets of text that are kept.
    words_room: usize,
    /// Room for octets of text that are decoded.
    text_room: usize,
    /// Room for octets of machine-readable parts that are decoded.
    fields_room: usize,
    /// Room for octets of returned originals that are decoded.
    originals_room: usize,
}

impl PartReader {
    fn new() -> Self {
        PartReader {
            parts: Vec::new(),
            has_words: false,
            words_room: TEXT_OCTETS_MAX,
            text_room: DECODED_OCTETS_MAX,
            fields_room: DECODED_OCTETS_MAX,
            originals_room: DECODED_OCTETS_MAX,
        }
    }

    /// Adds the parts of a message.
    fn add_all(&mut self, parts: &[RawPart<'_>]) {
        let typed: Vec<Option<PartContent>> = parts.iter().map(|part| self.by_type(part)).collect();
        let has_status = typed.iter().any(
            |content| matches!(content, Some(PartContent::Fields(groups)) if is_delivery_status(groups)),
        );
        let mut retyped = if has_status { None } else { self.retyped_status(parts) };
        for (at, (part, content)) in parts.iter().zip(typed).enumerate() {
            match (content, retyped.take_if(|(status, _)| *status == at)) {
                (_, Some((_, groups))) => self.push_retyped(part, groups),
                (Some(content), None) => self.push(part, content),
                (None, None) => {
                    let content = self.text_or_nothing(part);
                    self.push(part, content);
                }
            }
        }
    }

    /// Adds parts of which nothing is kept but the type, size and digest.
    fn add_closed(&mut self, parts: &[RawPart<'_>]) {
        for part in parts {
            self.push(part, PartContent::Opaque);
        }
    }

    /// Adds a part that is a delivery status, although it has another type.
    fn push_retyped(&mut self, part: &RawPart<'_>, groups: Vec<Header>) {
        self.push(part, PartContent::Fields(groups));
        if let Some(part) = self.parts.last_mut() {
            part.given_type = Some(std::mem::replace(&mut part.media_type, DELIVERY_STATUS.to_owned()));
        }
    }

    fn push(&mut self, part: &RawPart<'_>, content: PartContent) {
        self.parts.push(MimePart {
            depth: part.depth,
            media_type: part.kind.media_type.clone(),
            report_type: part.kind.report_type.clone(),
            octets: part.content.len() as u64,
            digest: (content == PartContent::Opaque && !part.is_split).then(|| Digest::of(part.content)),
            content,
            name: file_name(&part.header),
            given_type: None,
        });
    }

    /// What is kept of a part whose type says that it holds fields.
    fn by_type(&mut self, part: &RawPart<'_>) -> Option<PartContent> {
        match part.kind.media_type.as_str() {
            "message/disposition-notification"
            | "message/global-disposition-notification"
            | "message/feedback-report" => Some(PartContent::Fields(field_groups(&self.fields(part)))),
            other if is_original(other) => {
                let content = decoded(part, ORIGINAL_HEADER_OCTETS_MAX, &mut self.originals_room);
                Some(PartContent::Original(Header::parse_strictly(message_start(&content))))
            }
            // Gateways write text/delivery-status and other types for message/delivery-status.
            other if other.ends_with("delivery-status") => {
                Some(PartContent::Fields(field_groups(&self.fields(part))))
            }
            _ => None,
        }
    }

    fn fields<'m>(&mut self, part: &RawPart<'m>) -> Cow<'m, [u8]> {
        decoded(part, STATUS_OCTETS_MAX, &mut self.fields_room)
    }

    /// The index and the fields of a part that is a delivery status by its content.
    ///
    /// In a delivery report, every part may be. Elsewhere only parts behind the report's own text
    /// may be, and they must hold nothing but fields.
    fn retyped_status(&mut self, parts: &[RawPart<'_>]) -> Option<(usize, Vec<Header>)> {
        let in_report = is_delivery_report(&parts.first()?.kind);
        let mut after_text = false;
        for (at, part) in parts.iter().enumerate() {
            let media_type = part.kind.media_type.as_str();
            if is_retyped(media_type) && (in_report || after_text) {
                let beside = if in_report && after_text { Beside::Footer } else { Beside::Nothing };
                if let Some(groups) = retyped_groups(&self.fields(part), beside) {
                    return Some((at, groups));
                }
            }
            let start = &part.content[..part.content.len().min(STATUS_OCTETS_MAX)];
            after_text |= media_type.starts_with("text/") && !start.trim_ascii_start().is_empty();
        }
        None
    }

    fn text_or_nothing(&mut self, part: &RawPart<'_>) -> PartContent {
        let is_html = part.kind.media_type == "text/html";
        // An unknown type of text is read as text/plain (RFC 2046 §4.1.4), and so is a multipart whose
        // parts were not found.
        let is_text =
            part.kind.media_type.starts_with("text/") || (part.kind.is_multipart() && !part.is_split);
        // HTML behind the report's own text repeats that text, and takes longest to read.
        if !is_text || (is_html && self.has_words) {
            return PartContent::Opaque;
        }
        let content = decoded(part, DECODED_OCTETS_MAX, &mut self.text_room);
        let words = text(first_lines(&content), part.kind.charset.as_deref());
        if is_html { self.words(&html_to_text(&words)) } else { self.words(&words) }
    }

    /// Keeps the first text, which is the report's own. A further text may be that of the original,
    /// so only a copied header is kept of it.
    fn words(&mut self, text: &str) -> PartContent {
        let (words, copy) = split_copy(text);
        if self.has_words {
            return copy.map_or(PartContent::Opaque, |copy| PartContent::Words(String::new(), Some(copy)));
        }
        let words = &words[..words.floor_char_boundary(self.words_room)];
        self.words_room -= words.len();
        self.has_words = !words.trim_ascii().is_empty();
        PartContent::Words(words.to_owned(), copy)
    }
}

/// The decoded content of a part: of at most `octets_max` octets, and no more than there is room for.
fn decoded<'m>(part: &RawPart<'m>, octets_max: usize, room: &mut usize) -> Cow<'m, [u8]> {
    let content = &part.content[..part.content.len().min(octets_max).min(*room)];
    *room -= content.len();
    TransferEncoding::of(&part.header).decode(first_lines(content))
}

/// The first lines of a content, which are read.
fn first_lines(content: &[u8]) -> &[u8] {
    let end = memchr_iter(b'\n', content).nth(PART_LINES_MAX - 1);
    &content[..end.map_or(content.len(), |lf| lf + 1)]
}

#[cfg(test)]
mod tests {
    use super::super::{DeliveryStatus, from_octets, to_octets};
    use super::*;

    const STATUS: &str = "Reporting-MTA: dns; relay.example\n\n\
        Final-Recipient: rfc822; nosuch@relay.example\nAction: failed\nStatus: 5.1.1\n";
    /// [`STATUS`] in base64.
    const ENCODED: &str = "UmVwb3J0aW5nLU1UQTogZG5zOyByZWxheS5leGFtcGxlCgpGaW5hbC1SZWNpcGllbnQ6IHJmYzgy\n\
        Mjsgbm9zdWNoQHJlbGF5LmV4YW1wbGUKQWN0aW9uOiBmYWlsZWQKU3RhdHVzOiA1LjEuMQo=\n";

    /// A message of these parts, each with its header.
    fn message(media_type: &str, parts: &[&str]) -> Message {
        let body: String = parts.iter().map(|part| format!("--b\n{part}\n")).collect();
        read(
            format!("From: a@relay.example\nContent-Type: {media_type}; boundary=b\n\n{body}--b--\n")
                .as_bytes(),
        )
    }

    /// The final recipients of the delivery-status parts.
    fn recipients(message: &Message) -> Vec<String> {
        let groups = message.parts.iter().filter_map(|part| match &part.content {
            PartContent::Fields(groups) if part.media_type.ends_with("delivery-status") => Some(groups),
            _ => None,
        });
        let recipients = groups.flat_map(|groups| DeliveryStatus::from_groups(groups).recipients);
        recipients.map(|recipient| recipient.final_recipient.unwrap().to_string()).collect()
    }

    const TEXT: &str = "Content-Type: text/plain\n\nSorry, this failed.";

    #[test]
    fn rfc6533_a_delivery_status_is_decoded() {
        for header in [
            "message/delivery-status\nContent-Transfer-Encoding: base64",
            "message/global-delivery-status\nContent-Transfer-Encoding: BASE64 (comment)",
            "message/delivery-status\nContent-Transfer-Encoding: 7bit",
            "text/x-delivery-status",
        ] {
            let part = format!("Content-Type: {header}\n\n{ENCODED}");
            let message = message("multipart/report; report-type=delivery-status", &[TEXT, &part]);
            assert_eq!(recipients(&message), ["nosuch@relay.example"], "{header}");
            assert_eq!(message.words().collect::<String>(), "Sorry, this failed.", "{header}");
        }
    }

    #[test]
    fn a_retyped_delivery_status_is_recognised_by_its_fields() {
        for header in [
            "Content-Type: text/plain\n\n",
            "Content-Type: application/octet-stream; name=details.txt\n\n",
            "Content-Type: text/x-unknown\n\n",
            "\n",
            "",
        ] {
            for status in [STATUS, ENCODED] {
                let part = format!("{header}{status}");
                for media_type in
                    ["multipart/report; report-type=delivery-status", "multipart/report", "multipart/mixed"]
                {
                    let message = message(media_type, &[TEXT, &part, "Content-Type: text/plain\n\nfooter"]);
                    assert_eq!(recipients(&message), ["nosuch@relay.example"], "{media_type} {part}");
                    assert_eq!(message.parts[2].media_type, "message/delivery-status");
                    assert!(message.parts[2].given_type.is_some());
                    assert_eq!(message.words().collect::<String>(), "Sorry, this failed.");
                }
            }
        }
    }

    #[test]
    fn text_that_is_more_than_fields_stays_text() {
        let with_footer = format!("Content-Type: text/plain\n\n{STATUS}\nThis is a footer.");
        let fields = format!("Content-Type: text/plain\n\n{STATUS}");
        let report = "multipart/report; report-type=delivery-status";
        assert_eq!(recipients(&message(report, &[&with_footer])).len(), 0);
        assert_eq!(recipients(&message(report, &[&fields, TEXT])).len(), 1);
        assert_eq!(recipients(&message(report, &[TEXT, &with_footer])).len(), 1);
        assert_eq!(recipients(&message("multipart/mixed", &[TEXT, &with_footer])).len(), 0);
        assert_eq!(recipients(&message("multipart/mixed", &[&fields])).len(), 0);
        assert_eq!(
            recipients(&message("multipart/report; report-type=feedback-report", &[&fields])).len(),
            0
        );
        let typed = format!("Content-Type: message/delivery-status\n\n{}", STATUS.replace("nosuch", "typed"));
        assert_eq!(recipients(&message(report, &[TEXT, &fields, &typed])), ["typed@relay.example"]);
        let alone = read(format!("From: a@relay.example\n\n{STATUS}").as_bytes());
        assert_eq!(alone.words().collect::<String>(), STATUS);
    }

    #[test]
    fn the_returned_original_is_decoded_to_its_header_whatever_it_holds() {
        let header = "From: t@trap.example\nTo: a@relay.example\nSubject: pills\n";
        let report = format!(
            "{header}Content-Type: multipart/report; report-type=delivery-status; boundary=c\n\n--c\n\nSECRET\n--c\n\
             Content-Type: message/delivery-status\n\n{STATUS}--c--\n"
        );
        let plain = format!("Content-Type: message/rfc822\n\n{report}");
        let bare = report.clone();
        let quoted = format!(
            "Content-Type: message/global\nContent-Transfer-Encoding: quoted-printable; x\n\n{}",
            report.replace('=', "=3D").replace("pills", "=70ills")
        );
        let headers =
            format!("Content-Type: text/rfc822-headers (c)\nContent-Transfer-Encoding: 7bit\n\n{header}");
        for part in [plain, bare, quoted, headers] {
            let message = message("multipart/report; report-type=delivery-status", &[TEXT, &part]);
            assert_eq!(message.original().unwrap().field("Subject"), Some("pills"), "{part}");
            assert!(!format!("{message:?}").contains("SECRET"), "{part}");
            assert!(recipients(&message).is_empty(), "a bounced bounce was opened: {part}");
        }
    }

    #[test]
    fn a_report_inside_a_report_is_read_where_exchange_says_so() {
        let original = "Content-Type: message/rfc822\n\nFrom: t@trap.example\nSubject: pills\n\nSECRET\n";
        let inner = format!(
            "From: a@relay.example\nSubject: inner\nContent-Type: multipart/report; boundary=c; report-type=delivery-status\n\n\
             --c\n\nDelivery failed.\n--c\nContent-Type: message/delivery-status\n\n{STATUS}\n--c\n{original}--c--\n"
        );
        let outer = |field: &str, beside: &str| {
            read(
                format!(
                    "{field}Subject: outer\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nFooter\n{beside}--b\n\
                     Content-Type: message/rfc822\n\n{inner}\n--b\nContent-Type: image/png\n\nx\n--b--\n"
                )
                .as_bytes(),
            )
        };
        let read = outer("X-MS-Embedded-Report:\n", "");
        assert_eq!(read.header.field("Subject"), Some("outer"));
        assert_eq!(read.words().collect::<String>(), "Delivery failed.");
        assert_eq!(recipients(&read), ["nosuch@relay.example"]);
        assert_eq!(read.original().unwrap().field("Subject"), Some("pills"));
        assert_eq!(read.report_type(), Some("delivery-status"));
        assert_eq!(read.parts.last().unwrap().media_type, "image/png");
        let beside =
            format!("--b\nContent-Type: message/delivery-status\n\n{}\n", STATUS.replace("nosuch", "outer"));
        for (closed, want) in [
            (outer("", ""), vec![]),
            (outer("X-MS-Embedded-Report:\n", &beside), vec!["outer@relay.example"]),
        ] {
            assert_eq!(closed.original().unwrap().field("Subject"), Some("inner"));
            assert_eq!(closed.words().collect::<String>(), "Footer");
            assert_eq!(recipients(&closed), want);
        }
    }

    #[test]
    fn attached_messages_are_decoded() {
        let message = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHello\n--b\nContent-Type: message/rfc822\n\n\
            Subject: one\n\nbody --b\n--b\nContent-Type: message/global\nContent-Transfer-Encoding: base64 (c)\n\n\
            U3ViamVjdDogdHdvCgpib2R5Cg==\n--b--\n";
        let attached = attached(message.as_bytes());
        assert_eq!(attached, [&b"Subject: one\n\nbody --b"[..], b"Subject: two\n\nbody\n"]);
    }

    #[test]
    fn a_first_line_that_is_no_mbox_separator_costs_no_field() {
        for start in
            ["", "\n\n", "\u{feff}", "From t@trap.example Thu Nov 12 10:00:05 2026\n", "From here on\n"]
        {
            let message = read(format!("{start}Subject: pills\n\nbody\n").as_bytes());
            assert_eq!(message.header.field("Subject"), Some("pills"), "{start:?}");
        }
    }

    #[test]
    fn hostile_messages_are_kept_within_every_limit_and_read_back() {
        let part = |field: &str| format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n{field}\n\n");
        let sections: String = (0..400).map(|nth| format!("a{nth}*1=x;")).collect();
        let report =
            "Content-Type: multipart/report; boundary=b\n\n--b\n\nSorry\n--b\nContent-Type: text/plain\n\n";
        for (start, piece) in [
            (part(""), "--b\n\nx\n".to_owned()),
            (part(""), "--\n".to_owned()),
            (part(""), format!("--b\nContent-Type: image/png; {sections} name=x\n\n")),
            (part("Content-Type: multipart/mixed"), "--abcdefgh\n\n".to_owned()),
            (part("Content-Type: message/delivery-status"), "Final-Recipient: x; a@b.example\n\n".to_owned()),
            (
                part("Content-Type: message/delivery-status"),
                "QWN0aW9uOiBmYWlsZWQKQWN0aW9uOiBmYWlsZWQK\n:\n".to_owned(),
            ),
            (part("Content-Type: text/html"), "<".to_owned()),
            (part("Content-Type: message/rfc822"), "X: y\n".to_owned()),
            (report.to_owned(), "Final-Recipient: x; a=40b.example\nAction: =\nfailed\n".to_owned()),
            ("X-MS-Embedded-Report:\n".to_owned() + &part("Content-Type: message/rfc822"), part("")),
            ("Content-Type: ".to_owned(), "a*0=x; a*1=(\"".to_owned()),
            (String::new(), "X: y\n z\n".to_owned()),
            ("\n".to_owned(), "a\n".to_owned()),
        ] {
            let mut octets = start.clone().into_bytes();
            octets.extend(piece.as_bytes().iter().cycle().take(300_000));
            let message = read(&octets);
            assert!(message.parts.len() <= PARTS_MAX, "{start}");
            assert!(message.parts.iter().all(|part| part.depth <= DEPTH_MAX), "{start}");
            assert!(message.words().map(str::len).sum::<usize>() <= TEXT_OCTETS_MAX, "{start}");
            let reduced = to_octets(&message);
            assert!(reduced.len() < 64 << 10, "{start}: {}", reduced.len());
            assert_eq!(from_octets(&reduced), Ok(message), "{start}");
        }
    }
}
