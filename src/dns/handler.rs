//! The request handler for the hickory library, which reads and writes TCP messages and the UDP
//! messages that the fast path cannot read.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::op::{Edns as HickoryEdns, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption, NSIDPayload};
use hickory_proto::rr::{DNSClass, Record, RecordType};
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;

use super::edns::{self, Cookie, QueryEdns, ReplyEdns};
use super::limit::ResponseLimiter;
use super::outcome;
use super::records::{rdata, to_hickory, txt};
use super::service::{ClientQuery, DnsService};
use crate::metrics::{AnswerOutcome, DnsMetrics, DropReason, PendingCounts};
use crate::zone::{AnswerContent, QueryName, numbers};

/// Answers the requests that the hickory library has read.
pub(super) struct DnsHandler {
    /// Decides the answers.
    pub service: Arc<DnsService>,
    metrics: Arc<DnsMetrics>,
    /// The limiter and the counts of UDP messages that the fast path does not read. There are few
    /// of them, so a lock is cheap enough.
    slow: Mutex<(ResponseLimiter, PendingCounts)>,
    /// The counts of TCP messages.
    streams: Mutex<PendingCounts>,
}

/// The records of a response.
#[derive(Default)]
struct ResponseSections {
    answers: Vec<Record>,
    authorities: Vec<Record>,
}

/// The whole response to one request.
struct WholeResponse {
    metadata: Metadata,
    edns: Option<HickoryEdns>,
    sections: ResponseSections,
}

impl DnsHandler {
    /// A handler that answers by `service` and counts in `metrics`.
    pub(super) fn new(service: Arc<DnsService>, metrics: Arc<DnsMetrics>, limiter: ResponseLimiter) -> Self {
        let (slow, streams) = (Mutex::new((limiter, metrics.tally("udp"))), Mutex::new(metrics.tally("tcp")));
        DnsHandler { service, metrics, slow, streams }
    }

    /// Counts something in the metrics of a transport.
    fn count(&self, protocol: Protocol, count: impl FnOnce(&mut PendingCounts)) {
        let mut slow;
        let mut streams;
        let tally = if protocol == Protocol::Udp {
            slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
            &mut slow.1
        } else {
            streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            &mut *streams
        };
        count(tally);
        tally.flush();
    }

    /// Counts a message that gets no response.
    pub(super) fn dropped(&self, protocol: Protocol, why: DropReason) {
        self.count(protocol, |tally| tally.dropped(why, 1));
    }

    /// Counts a UDP response that the network did not accept.
    pub(super) fn unsent(&self) {
        self.dropped(Protocol::Udp, DropReason::Unsent);
    }

    /// Whether the response limits allow an error response to a client. Counts the response, or
    /// that it was suppressed.
    pub(super) fn may_tell(&self, protocol: Protocol, client: IpAddr, outcome: AnswerOutcome) -> bool {
        let told = protocol != Protocol::Udp || {
            let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
            self.service.may_be_told(&mut slow.0, client)
        };
        self.count(protocol, |tally| match told {
            true => tally.answered(None, 0, outcome),
            false => tally.dropped(DropReason::Limit, 1),
        });
        told
    }

    /// Answers a request; `None` if no response is sent.
    fn say(&self, request: &Request) -> Option<WholeResponse> {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.recursion_available = false;
        // An authoritative server clears CD (RFC 4035 §3.1.6).
        metadata.checking_disabled = false;
        let asked = request.edns.as_ref().map(read_edns);
        let client = request.src().ip();
        let plain = |mut metadata: Metadata, rcode: u16, outcome: AnswerOutcome| {
            if !self.may_tell(request.protocol(), client, outcome) {
                return None;
            }
            let reply = asked.map(|asked| ReplyEdns { dnssec_ok: asked.dnssec_ok, ..ReplyEdns::default() });
            metadata.response_code = response_code(rcode);
            Some(WholeResponse {
                metadata,
                edns: reply.map(|reply| write_edns(&reply, rcode)),
                sections: ResponseSections::default(),
            })
        };
        if request.metadata.op_code != OpCode::Query {
            return plain(metadata, numbers::RCODE_NOTIMP, AnswerOutcome::NotImp);
        }
        let Ok(info) = request.request_info() else {
            return match self.cookie_alone(request, asked) {
                Some(reply) if self.may_tell(request.protocol(), client, AnswerOutcome::NoData) => {
                    let edns = Some(write_edns(&reply, numbers::RCODE_NOERROR));
                    Some(WholeResponse { metadata, edns, sections: ResponseSections::default() })
                }
                Some(_) => None,
                None => plain(metadata, numbers::RCODE_FORMERR, AnswerOutcome::FormErr),
            };
        };
        let query = info.query.original();
        // For class IN the service checks the EDNS version.
        if query.query_class() != DNSClass::IN && asked.is_some_and(|asked| asked.version > 0) {
            return plain(metadata, numbers::RCODE_BADVERS, AnswerOutcome::BadVers);
        }
        let (name, query_type) = (query.name(), u16::from(query.query_type()));
        match query.query_class() {
            DNSClass::IN => {}
            DNSClass::CH => {
                let Some(record) = self.chaos(name, query.query_type()) else {
                    return plain(metadata, numbers::RCODE_REFUSED, AnswerOutcome::Refused);
                };
                metadata.authoritative = true;
                let said = plain(metadata, numbers::RCODE_NOERROR, AnswerOutcome::Apex);
                return said.map(|said| WholeResponse {
                    sections: ResponseSections { answers: vec![record], authorities: Vec::new() },
                    ..said
                });
            }
            _ => return plain(metadata, numbers::RCODE_REFUSED, AnswerOutcome::Refused),
        }
        let mut wire = Vec::with_capacity(numbers::NAME_OCTETS_MAX);
        for label in name.iter() {
            wire.push(label.len() as u8);
            wire.extend(label);
        }
        wire.push(0);
        let Some((asked_name, _)) = QueryName::read(&wire) else {
            return plain(metadata, numbers::RCODE_FORMERR, AnswerOutcome::FormErr);
        };
        let held = self.service.hold();
        let inquiry = ClientQuery { client, name: asked_name, query_type, edns: asked };
        let place = self.service.locate(held.zones(), asked_name);
        let decision = if request.protocol() == Protocol::Udp {
            let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
            self.service.decide(&place, &inquiry, &held, Some(&mut slow.0))
        } else {
            self.service.decide(&place, &inquiry, &held, None)
        };
        self.count(request.protocol(), |tally| {
            outcome::count(tally, &self.metrics, &inquiry, &place, &decision)
        });
        let Ok(response) = decision else { return None };
        metadata.authoritative = !matches!(response.content, AnswerContent::Nothing);
        metadata.truncation = response.slipped;
        metadata.response_code = response_code(response.rcode);
        let sections = match &response.content {
            AnswerContent::Nothing => ResponseSections::default(),
            AnswerContent::Negative { apex, soa } => {
                let soa = Record::from_rdata(to_hickory(&apex.origin), soa.ttl, rdata(&soa.data));
                ResponseSections { answers: Vec::new(), authorities: vec![soa] }
            }
            AnswerContent::Records(records) => {
                let records = records
                    .clone()
                    .map(|record| Record::from_rdata(name.clone(), record.ttl, rdata(&record.data)));
                ResponseSections { answers: records.collect(), authorities: Vec::new() }
            }
        };
        Some(WholeResponse {
            metadata,
            edns: response.edns.map(|reply| write_edns(&reply, response.rcode)),
            sections,
        })
    }

    /// The response to a query without a question that asks for a cookie (RFC 7873 §5.4); `None` if
    /// it is not such a query.
    fn cookie_alone(&self, request: &Request, asked: Option<QueryEdns>) -> Option<ReplyEdns> {
        let asked = asked.filter(|asked| request.queries.queries().is_empty() && asked.version == 0)?;
        let cookies = self.service.cookies.as_ref()?;
        let checked = cookies.check(asked.cookie, request.src().ip(), self.service.hold().now)?;
        Some(ReplyEdns { dnssec_ok: asked.dnssec_ok, cookie: Some(checked.reply), ..ReplyEdns::default() })
    }

    /// Answers queries of class CH about the server itself (RFC 4892); `None` for all others.
    fn chaos(&self, name: &hickory_proto::rr::Name, query_type: RecordType) -> Option<Record> {
        if !matches!(query_type, RecordType::TXT | RecordType::ANY) {
            return None;
        }
        let text = match name.to_lowercase().to_ascii().as_str() {
            "version.bind." | "version.server." => Some(self.service.version.as_bytes()),
            "id.server." | "hostname.bind." => self.service.nsid.as_ref().map(|nsid| nsid.octets()),
            _ => None,
        };
        let text = text.filter(|text| !text.is_empty())?;
        let mut record = Record::from_rdata(name.clone(), 0, txt(text));
        record.dns_class = DNSClass::CH;
        Some(record)
    }
}

/// The library's form of a twelve-bit response code.
fn response_code(rcode: u16) -> ResponseCode {
    ResponseCode::from((rcode >> 4) as u8, rcode as u8 & 0xf)
}

fn read_edns(edns: &HickoryEdns) -> QueryEdns {
    let cookie = match edns.option(EdnsCode::Cookie) {
        Some(EdnsOption::Unknown(_, data)) => Cookie::read(data),
        _ => Cookie::None,
    };
    QueryEdns {
        payload: edns.max_payload(),
        version: edns.version(),
        dnssec_ok: edns.flags().dnssec_ok,
        cookie,
        nsid: edns.option(EdnsCode::NSID).is_some(),
    }
}

fn write_edns(reply: &ReplyEdns, rcode: u16) -> HickoryEdns {
    let mut edns = HickoryEdns::new();
    edns.set_max_payload(edns::UDP_OCTETS_MAX).set_version(0).set_dnssec_ok(reply.dnssec_ok);
    edns.set_rcode_high((rcode >> 4) as u8);
    if let Some(cookie) = reply.cookie {
        edns.options_mut().insert(EdnsOption::Unknown(numbers::OPTION_COOKIE, cookie.to_vec()));
    }
    if let Some(nsid) = reply.nsid.and_then(|nsid| NSIDPayload::new(nsid.octets()).ok()) {
        edns.options_mut().insert(EdnsOption::NSID(nsid));
    }
    if let Some(error) = reply.error {
        let data = [&error.code().to_be_bytes(), error.text().as_bytes()].concat();
        edns.options_mut().insert(EdnsOption::Unknown(numbers::OPTION_ERROR, data));
    }
    edns
}

#[async_trait::async_trait]
impl RequestHandler for DnsHandler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response: R,
    ) -> ResponseInfo {
        let Some(WholeResponse { mut metadata, edns, mut sections }) = self.say(request) else {
            return nothing_sent(Metadata::response_from_request(&request.metadata));
        };
        loop {
            let built = MessageResponseBuilder::new(&request.queries, edns.as_ref()).build(
                metadata,
                &sections.answers,
                &sections.authorities,
                [],
                [],
            );
            match response.send_response(built).await {
                Ok(info) if info.truncation && !metadata.truncation => {
                    // Records of a truncated response are not used (RFC 2181 §9), and leaving them
                    // out makes sure that the OPT record fits (RFC 6891 §7).
                    metadata.truncation = true;
                    sections = ResponseSections::default();
                }
                Ok(info) => return info,
                Err(error) => {
                    tracing::debug!(%error, "cannot send a response");
                    return nothing_sent(metadata);
                }
            }
        }
    }
}

fn nothing_sent(metadata: Metadata) -> ResponseInfo {
    let counts = hickory_proto::op::HeaderCounts::default();
    ResponseInfo::from(hickory_proto::op::Header { metadata, counts })
}
