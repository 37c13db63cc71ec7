//! From a DNS message to a question, and from an answer to a DNS message.

use std::sync::Arc;

use hickory_proto::op::{Edns, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, Record, RecordType};
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;

use super::records::{rdata, to_hickory};
use crate::metrics::Metrics;
use crate::publish::Published;
use crate::time::Clock;
use crate::zone::{Answer, Name, QueryType, Question, Rcode};

/// Largest UDP response (the DNS flag day of 2020): no fragments.
const UDP_OCTETS_MAX: u16 = 1_232;
/// Least that a client's EDNS may ask for (RFC 6891 §6.2.3).
const UDP_OCTETS_MIN: u16 = 512;

pub struct Handler {
    pub published: Arc<Published>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
}

/// What hickory's server wants to own.
pub(super) struct Shared(pub(super) Arc<Handler>);

/// Records of a response, ready to be put on the wire.
#[derive(Default)]
struct Sections {
    answers: Vec<Record>,
    authorities: Vec<Record>,
}

#[async_trait::async_trait]
impl RequestHandler for Shared {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response: R,
    ) -> ResponseInfo {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.recursion_available = false;
        let edns = request.edns.as_ref().map(|asked| {
            let mut edns = Edns::new();
            edns.set_max_payload(asked.max_payload().clamp(UDP_OCTETS_MIN, UDP_OCTETS_MAX)).set_version(0);
            edns
        });
        let sections = self.0.answer(request, &mut metadata);
        let transport = if request.protocol() == Protocol::Udp { "udp" } else { "tcp" };
        self.0.metrics.dns_query(transport, label(metadata.response_code, &sections));
        let edns = edns.map(|mut edns| {
            edns.set_rcode_high(metadata.response_code.high());
            edns
        });
        let built = MessageResponseBuilder::new(&request.queries, edns.as_ref()).build(
            metadata,
            &sections.answers,
            &sections.authorities,
            [],
            [],
        );
        match response.send_response(built).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(%error, "a response could not be sent");
                ResponseInfo::from(hickory_proto::op::Header {
                    metadata,
                    counts: hickory_proto::op::HeaderCounts::default(),
                })
            }
        }
    }
}

impl Handler {
    fn answer(&self, request: &Request, metadata: &mut Metadata) -> Sections {
        let refuse = |metadata: &mut Metadata, code| {
            metadata.response_code = code;
            Sections::default()
        };
        if request.metadata.op_code != OpCode::Query {
            return refuse(metadata, ResponseCode::NotImp);
        }
        if request.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
            return refuse(metadata, ResponseCode::BADVERS);
        }
        let Ok(info) = request.request_info() else { return refuse(metadata, ResponseCode::FormErr) };
        if info.query.query_class() != DNSClass::IN {
            return refuse(metadata, ResponseCode::Refused);
        }
        let asked = info.query.original().name();
        let question = Question {
            name: Name::from_labels(asked.iter()),
            query_type: query_type(info.query.query_type()),
        };
        let Answer { rcode, authoritative, answers, negative } =
            self.published.snapshot().answer(&question, self.clock.now());
        metadata.authoritative = authoritative;
        metadata.response_code = match rcode {
            Rcode::NoError => ResponseCode::NoError,
            Rcode::NameError => ResponseCode::NXDomain,
            Rcode::Refused => ResponseCode::Refused,
        };
        let records =
            answers.iter().map(|record| Record::from_rdata(asked.clone(), record.ttl, rdata(&record.data)));
        let soa =
            negative.map(|(origin, soa)| Record::from_rdata(to_hickory(&origin), soa.ttl, rdata(&soa.data)));
        Sections { answers: records.collect(), authorities: soa.into_iter().collect() }
    }
}

fn query_type(asked: RecordType) -> QueryType {
    match asked {
        RecordType::A => QueryType::A,
        RecordType::AAAA => QueryType::Aaaa,
        RecordType::TXT => QueryType::Txt,
        RecordType::SOA => QueryType::Soa,
        RecordType::NS => QueryType::Ns,
        RecordType::ANY => QueryType::Any,
        _ => QueryType::Other,
    }
}

fn label(code: ResponseCode, sections: &Sections) -> &'static str {
    match code {
        ResponseCode::NoError if sections.answers.is_empty() => "nodata",
        ResponseCode::NoError => "answered",
        ResponseCode::NXDomain => "nxdomain",
        ResponseCode::Refused => "refused",
        ResponseCode::NotImp => "notimp",
        ResponseCode::FormErr => "formerr",
        _ => "other",
    }
}
