//! The fast path through the wire format: reads DNSBL queries and writes their answers without
//! allocating memory.
//!
//! A message that is not a plain query is read as `None` and goes to the DNS library. Where both
//! can answer, a test checks that they give the same answer.

use super::edns::{QueryEdns, ReplyEdns};
use super::service::DnsResponse;
use crate::zone::numbers::{
    CLASS_IN, POINTER, RCODE_FORMERR, TYPE_A, TYPE_AAAA, TYPE_HINFO, TYPE_NS, TYPE_OPT, TYPE_SOA, TYPE_TXT,
};
use crate::zone::{
    AnswerContent, DomainName, QueryName, RecordData, ResourceRecord, SoaData, TXT_OCTETS_MAX,
};

/// The number of octets of a message's header (RFC 1035 §4.1.1).
pub(super) const HEADER_OCTETS: usize = 12;
/// The offset of the name that is asked for.
const NAME_AT: usize = HEADER_OCTETS;
/// A compression pointer to that name (RFC 1035 §4.1.4).
const NAME_POINTER: u16 = POINTER | NAME_AT as u16;
/// Flags in the third octet of the header: QR, AA, TC and RD. In responses all flags of the fourth
/// octet are clear, including CD (RFC 4035 §3.1.6).
const QR: u8 = 0x80;
const AA: u8 = 0x04;
const TC: u8 = 0x02;
const RD: u8 = 0x01;
/// The bits of the opcode. The opcode QUERY is zero.
const OPCODE: u8 = 0x78;

/// A query with one question of class IN and at most an OPT record behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct WireQuery<'q> {
    /// The name that is asked for.
    pub name: QueryName<'q>,
    /// The type that is asked for, as its number (RFC 1035 §3.2.2).
    pub query_type: u16,
    /// The contents of the OPT record, if there is one.
    pub edns: Option<QueryEdns>,
}

/// The parts of a response other than the records of its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyParts {
    /// The twelve-bit response code (RFC 6891 §6.1.3).
    pub rcode: u16,
    /// The contents of the OPT record, if one is sent.
    pub edns: Option<ReplyEdns>,
    /// Whether to set TC, so that the client retries over TCP.
    pub truncated: bool,
    /// Greatest number of octets that the client accepts.
    pub octets_max: usize,
}

impl<'q> WireQuery<'q> {
    /// Reads a message; `None` if it is not a plain query.
    pub(super) fn read(message: &'q [u8]) -> Option<Self> {
        let (header, rest) = message.split_first_chunk::<HEADER_OCTETS>()?;
        // One question, no answer, no authority, at most one additional record.
        if header[2] & (QR | OPCODE | TC) != 0 || header[4..10] != [0, 1, 0, 0, 0, 0] || header[10] != 0 {
            return None;
        }
        let (name, rest) = QueryName::read(rest)?;
        let (fixed, rest) = rest.split_first_chunk::<4>()?;
        if u16::from_be_bytes([fixed[2], fixed[3]]) != CLASS_IN {
            return None;
        }
        let edns = match (header[11], rest) {
            (0, []) => None,
            (1, rest) => Some(QueryEdns::read(rest)?),
            _ => return None,
        };
        Some(WireQuery { name, query_type: u16::from_be_bytes([fixed[0], fixed[1]]), edns })
    }

    /// The offset in the message at which the question ends.
    pub(super) fn end(&self) -> usize {
        HEADER_OCTETS + self.name.octets().len() + 4
    }
}

impl ReplyParts {
    /// The reply for a response, of at most `octets_max` octets.
    pub(super) fn of(response: &DnsResponse<'_>, octets_max: usize) -> Self {
        let DnsResponse { rcode, edns, slipped, .. } = *response;
        ReplyParts { rcode, edns, truncated: slipped, octets_max }
    }
}

/// Copies `question`, writes the response behind it, and returns the length of the whole message.
/// `question` must hold the query's header and question, up to [`Query::end`].
pub(super) fn write(
    question: &[u8],
    reply: &ReplyParts,
    content: &AnswerContent<'_>,
    out: &mut [u8],
) -> usize {
    let end = question.len();
    out[..end].copy_from_slice(question);
    let optional = reply.edns.as_ref().map_or(0, ReplyEdns::octets);
    let limit = reply.octets_max.min(out.len()).saturating_sub(optional);
    let mut writer = Writer { out, at: end, limit, full: false };
    let (mut answers, mut authorities) = (0, 0);
    match content {
        AnswerContent::Nothing => {}
        AnswerContent::Negative { apex, soa } => {
            if let RecordData::Soa(data) = soa.data {
                writer.soa(soa.ttl, end - 4 - apex.origin_wire().len(), &data);
                authorities = 1;
            }
        }
        AnswerContent::Records(records) => {
            for record in records.clone() {
                writer.record(&record);
                if writer.full {
                    break;
                }
                answers += 1;
            }
        }
    }
    if writer.full {
        // A client must not use the records of a truncated response (RFC 2181 §9), so none are
        // sent.
        (writer.at, answers, authorities) = (end, 0, 0);
    }
    let (truncated, at) = (reply.truncated || writer.full, writer.at);
    let length = reply.edns.as_ref().map_or(at, |edns| edns.write(out, at, reply.rcode));
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    let authoritative = !matches!(content, AnswerContent::Nothing);
    out[2] = QR | bit(authoritative, AA) | bit(truncated, TC) | (out[2] & RD);
    out[3] = (reply.rcode & 0xf) as u8;
    let counts = [1, answers, authorities, u16::from(reply.edns.is_some())];
    for (nth, count) in counts.into_iter().enumerate() {
        out[4 + 2 * nth..6 + 2 * nth].copy_from_slice(&count.to_be_bytes());
    }
    length
}

/// Writes records as long as there is room for them.
struct Writer<'m> {
    out: &'m mut [u8],
    at: usize,
    limit: usize,
    full: bool,
}

impl Writer<'_> {
    fn put(&mut self, octets: &[u8]) {
        let end = self.at + octets.len();
        if end > self.limit {
            self.full = true;
            return;
        }
        self.out[self.at..end].copy_from_slice(octets);
        self.at = end;
    }

    /// Writes the head of a record: the name that was asked for as owner, and class IN.
    fn head(&mut self, record_type: u16, ttl: u32, length: usize) {
        let [[name0, name1], [type0, type1], [class0, class1], [length0, length1]] =
            [NAME_POINTER, record_type, CLASS_IN, length as u16].map(u16::to_be_bytes);
        let [ttl0, ttl1, ttl2, ttl3] = ttl.to_be_bytes();
        self.put(&[name0, name1, type0, type1, class0, class1, ttl0, ttl1, ttl2, ttl3, length0, length1]);
    }

    fn record(&mut self, record: &ResourceRecord<'_>) {
        let ttl = record.ttl;
        match record.data {
            RecordData::Address(std::net::IpAddr::V4(v4)) => {
                self.head(TYPE_A, ttl, 4);
                self.put(&v4.octets());
            }
            RecordData::Address(std::net::IpAddr::V6(v6)) => {
                self.head(TYPE_AAAA, ttl, 16);
                self.put(&v6.octets());
            }
            RecordData::Txt(text) => {
                let mut buffer = [0; TXT_OCTETS_MAX];
                let octets = text.write(&mut buffer);
                self.head(TYPE_TXT, ttl, octets.len() + 1);
                self.put(&[octets.len() as u8]);
                self.put(octets);
            }
            RecordData::Ns(name) => self.ns(ttl, name),
            RecordData::Hinfo(text) => {
                self.head(TYPE_HINFO, ttl, text.len() + 2);
                self.put(&[text.len() as u8]);
                self.put(text.as_bytes());
                self.put(&[0]);
            }
            // A SOA record is an answer only at the apex, so its owner is the name that was asked
            // for.
            RecordData::Soa(soa) => self.soa(ttl, NAME_AT, &soa),
        }
    }

    fn ns(&mut self, ttl: u32, name: &DomainName) {
        let octets: usize = name.labels().iter().map(|label| label.len() + 1).sum();
        self.head(TYPE_NS, ttl, octets + 1);
        for label in name.labels() {
            self.put(&[label.len() as u8]);
            self.put(label.as_bytes());
        }
        self.put(&[0]);
    }

    /// Writes a zone's SOA record. Its owner is the zone's origin, which begins at offset
    /// `origin_at` within the question.
    fn soa(&mut self, ttl: u32, origin_at: usize, data: &SoaData<'_>) {
        let SoaData { soa, names, serial, minimum } = data;
        let begin = self.at;
        self.head(TYPE_SOA, ttl, names.len() + 20);
        let names_end = self.at + names.len();
        if self.full || names_end > self.limit {
            self.full = true;
            return;
        }
        let origin_at = origin_at as u16;
        self.out[begin..begin + 2].copy_from_slice(&(POINTER | origin_at).to_be_bytes());
        names.write(&mut self.out[self.at..names_end], origin_at);
        self.at = names_end;
        for number in [*serial, soa.refresh, soa.retry, soa.expire, *minimum] {
            self.put(&number.to_be_bytes());
        }
    }
}

/// Whether a message cannot be valid, whatever its purpose: it is shorter than a header, or is a
/// query with more than one question.
pub(super) fn is_malformed(message: &[u8]) -> bool {
    // RFC 9619 §4 allows at most one question. A query without a question may ask for a cookie (RFC
    // 7873 §5.4).
    message
        .first_chunk::<HEADER_OCTETS>()
        .is_none_or(|header| header[2] & OPCODE == 0 && u16::from_be_bytes([header[4], header[5]]) > 1)
}

/// Whether a message is a response. It is not answered, so that two servers cannot answer each
/// other without end.
pub(super) fn is_response(message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & QR != 0)
}

/// The FORMERR response to a message that cannot be read. It has an OPT record if the message seems
/// to have one (RFC 6891 §7). `None` if the message is shorter than a header (RFC 1035 §4.1.1).
pub(super) fn format_error(message: &[u8]) -> Option<Vec<u8>> {
    let header = message.first_chunk::<HEADER_OCTETS>()?;
    let mut error = header.to_vec();
    error[2] = QR | (header[2] & (OPCODE | RD));
    error[3] = RCODE_FORMERR as u8;
    error[4..].fill(0);
    if has_opt(message) {
        error[11] = 1;
        let end = error.len();
        error.resize(end + ReplyEdns::default().octets(), 0);
        ReplyEdns::default().write(&mut error, end, RCODE_FORMERR);
    }
    Some(error)
}

/// Whether an OPT record, well formed or not, seems to follow the question.
fn has_opt(message: &[u8]) -> bool {
    let behind = message.get(HEADER_OCTETS..).and_then(QueryName::read).and_then(|(_, rest)| rest.get(4..));
    let [high, low] = TYPE_OPT.to_be_bytes();
    behind.is_some_and(|record| record.starts_with(&[0, high, low]))
}
