//! Decides the response to every query, whatever reads the query and writes the response.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use ipnet::IpNet;

use super::access::{AccessAction, AccessTable, KeyStatus};
use super::cookies::CookieSecrets;
use super::edns::{Cookie, Nsid, QueryEdns, ReplyEdns};
use super::limit::{LimitClass, LimitDecision, ResponseLimiter};
use crate::time::{Clock, Span, Stopwatch, Timestamp};
use crate::zone::numbers::{
    QUERY_TYPES, RCODE_BADCOOKIE, RCODE_BADVERS, RCODE_FORMERR, RCODE_NOERROR, RCODE_NXDOMAIN,
    RCODE_SERVFAIL, TYPE_OPT,
};
use crate::zone::{
    Answer, AnswerContent, ExtendedError, Freshness, ListZones, MemorySpot, QueryLabels, QueryName,
    QueryType, Rcode, ServedZones, Snapshot, ZoneMatch,
};

/// The zones, and the rules for answering queries about them.
pub struct DnsService {
    /// The zones built from listings.
    pub judged: Arc<ArcSwap<Snapshot>>,
    /// The zones built from operators' list files.
    pub lists: Arc<ArcSwap<ListZones>>,
    /// The clock by which listings end and data becomes too old.
    pub clock: Arc<dyn Clock>,
    /// The time since the start, for rate limits. It is real time even if `clock` is a laboratory
    /// clock.
    pub running: Stopwatch,
    /// The access rules and keys.
    pub access: AccessTable,
    /// The secrets of DNS cookies; `None` if cookies are off.
    pub cookies: Option<CookieSecrets>,
    /// The server's identifier; `None` if it has none.
    pub nsid: Option<Nsid>,
    /// The networks of clients whose responses are not limited.
    pub unlimited: Vec<IpNet>,
    /// The text of the answer to CH queries for the version. If empty, they are refused.
    pub version: String,
    /// The greatest age of data that is still served.
    pub age_max: Span,
}

/// The zones as they are at one time, held while a batch of queries is answered.
pub struct ZonesGuard {
    judged: Guard<Arc<Snapshot>>,
    lists: Guard<Arc<ListZones>>,
    /// The time at which the queries are answered.
    pub now: Timestamp,
    /// The number of seconds since the start.
    second: u32,
}

/// One query and its client.
#[derive(Clone, Copy, Debug)]
pub struct ClientQuery<'q> {
    /// The client's address.
    pub client: IpAddr,
    /// The name that is asked for.
    pub name: QueryName<'q>,
    /// The type that is asked for, as its number.
    pub query_type: u16,
    /// The contents of the OPT record, if the query has one.
    pub edns: Option<QueryEdns>,
}

/// The zone that a name belongs to, and the access key in the name.
#[derive(Clone, Copy, Debug)]
pub struct QueryTarget<'z, 'q> {
    within: Option<(ZoneMatch<'z>, QueryLabels<'q>)>,
    shown: KeyStatus,
}

/// The response to send, or the reason why no response is sent.
pub(super) type ResponseDecision<'z> = Result<DnsResponse<'z>, Silence>;

/// Why no response is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// An access rule ignores the client.
    Access,
    /// The response limits do not allow it.
    Limit,
}

/// The response to one query.
#[derive(Clone, Debug)]
pub struct DnsResponse<'z> {
    /// The twelve-bit response code (RFC 6891 §6.1.3).
    pub rcode: u16,
    /// The records.
    pub content: AnswerContent<'z>,
    /// The contents of the OPT record, if the query had one.
    pub edns: Option<ReplyEdns>,
    /// Whether to set TC and send no records, because the response limits are exceeded.
    pub slipped: bool,
    /// The access key in the name, by its place in the configuration.
    pub key: Option<usize>,
    /// Whether the client returned a valid cookie, so that its address is not forged.
    pub cookie_valid: bool,
}

impl DnsService {
    /// Holds the current zones.
    pub fn hold(&self) -> ZonesGuard {
        ZonesGuard {
            judged: self.judged.load(),
            lists: self.lists.load(),
            now: self.clock.now(),
            second: self.running.seconds(),
        }
    }

    /// Finds the zone that a name belongs to and the access key in the name.
    pub fn locate<'z, 'q>(&self, zones: ServedZones<'z>, name: QueryName<'q>) -> QueryTarget<'z, 'q> {
        match zones.find(name) {
            Some((within, labels)) => {
                let (shown, labels) = self.access.key(labels);
                QueryTarget { within: Some((within, labels)), shown }
            }
            None => QueryTarget { within: None, shown: KeyStatus::None },
        }
    }

    /// Decides the response to a query. On transports where addresses cannot be forged `limiter` is
    /// `None`.
    ///
    /// # Errors
    /// If the client gets no response. The error is the reason.
    pub fn decide<'z>(
        &self,
        place: &QueryTarget<'z, '_>,
        inquiry: &ClientQuery<'_>,
        held: &ZonesGuard,
        limiter: Option<&mut ResponseLimiter>,
    ) -> ResponseDecision<'z> {
        let action = match place.origin() {
            Some(origin) => self.access.action(inquiry.client, origin),
            None => self.access.everywhere(inquiry.client),
        };
        // This comes first: the queries of an ignored client may be forged to flood it.
        if action == AccessAction::Ignore {
            return Err(Silence::Access);
        }
        // The options of an unknown EDNS version are unknown too (RFC 6891 §6.1.3).
        let known = inquiry.edns.filter(|edns| edns.version == 0);
        let cookie = known.map(|edns| edns.cookie).unwrap_or_default();
        let checked =
            self.cookies.as_ref().and_then(|cookies| cookies.check(cookie, inquiry.client, held.now));
        let mut response = self.answer(place, inquiry, held, action);
        response.cookie_valid = checked.is_some_and(|checked| checked.valid);
        if let Some(edns) = &mut response.edns {
            edns.cookie = checked.map(|checked| checked.reply);
        }
        // A client with a valid cookie is not limited (RFC 7873 §5.2.3).
        let limiter = limiter.filter(|_| !response.cookie_valid);
        let counted = match response.rcode {
            RCODE_NOERROR | RCODE_NXDOMAIN | RCODE_SERVFAIL => {
                LimitClass::Question(inquiry.name, inquiry.query_type)
            }
            _ => LimitClass::Error,
        };
        match self.pass(limiter, inquiry.client, counted, held.second) {
            LimitDecision::Free => Ok(response),
            LimitDecision::Held => Err(Silence::Limit),
            LimitDecision::Slipped => Ok(slipped(response)),
        }
    }

    /// Whether a client gets no response to any query.
    pub fn ignores(&self, client: IpAddr) -> bool {
        self.access.everywhere(client) == AccessAction::Ignore
    }

    /// Counts an error response to a client, and returns whether the response limits allow it.
    pub fn may_be_told(&self, limiter: &mut ResponseLimiter, client: IpAddr) -> bool {
        self.pass(Some(limiter), client, LimitClass::Error, self.running.seconds()) == LimitDecision::Free
    }

    /// Counts a response and decides what is done with it. Responses to clients that are not
    /// limited are counted too.
    fn pass(
        &self,
        limiter: Option<&mut ResponseLimiter>,
        client: IpAddr,
        counted: LimitClass<'_>,
        second: u32,
    ) -> LimitDecision {
        let Some(limiter) = limiter else { return LimitDecision::Free };
        let passage = limiter.pass(client, counted, second);
        let unlimited = || self.unlimited.iter().any(|network| network.contains(&client));
        if passage != LimitDecision::Free && unlimited() { LimitDecision::Free } else { passage }
    }

    fn answer<'z>(
        &self,
        place: &QueryTarget<'z, '_>,
        inquiry: &ClientQuery<'_>,
        held: &ZonesGuard,
        action: AccessAction,
    ) -> DnsResponse<'z> {
        let mut reply = inquiry.edns.map(|asked| ReplyEdns {
            dnssec_ok: asked.dnssec_ok,
            nsid: self.nsid.filter(|_| asked.nsid && asked.version == 0),
            ..ReplyEdns::default()
        });
        let key = match place.shown {
            KeyStatus::Known(at) => Some(at),
            KeyStatus::None | KeyStatus::Wrong => None,
        };
        let answer = match inquiry.edns {
            Some(edns) if edns.version > 0 => Err(RCODE_BADVERS),
            Some(edns) if edns.cookie == Cookie::Malformed => Err(RCODE_FORMERR),
            _ => Ok(self.zone_answer(place, inquiry, held, action)),
        };
        let (rcode, content) = match answer {
            Err(rcode) => (rcode, AnswerContent::Nothing),
            Ok(answer) => {
                if let Some(edns) = &mut reply {
                    edns.error = answer.error;
                }
                (answer.rcode.number(), answer.content)
            }
        };
        DnsResponse { rcode, content, edns: reply, slipped: false, key, cookie_valid: false }
    }

    fn zone_answer<'z>(
        &self,
        place: &QueryTarget<'z, '_>,
        inquiry: &ClientQuery<'_>,
        held: &ZonesGuard,
        action: AccessAction,
    ) -> Answer<'z> {
        let Some((within, labels)) = &place.within else {
            return Answer::failed(Rcode::Refused, ExtendedError::NotAuthoritative);
        };
        if is_meta(inquiry.query_type) {
            // These include zone transfers (RFC 5936 §2.2.1).
            return Answer::failed(Rcode::Refused, ExtendedError::Prohibited);
        }
        match (action, place.shown) {
            (AccessAction::Refuse, _) | (_, KeyStatus::Wrong) | (AccessAction::Key, KeyStatus::None) => {
                return Answer::failed(Rcode::Refused, ExtendedError::Prohibited);
            }
            (AccessAction::Empty, _) if !labels.is_empty() => return within.nothing(),
            // The name of the key itself is not a zone's origin, but it exists because names below
            // it do.
            (_, KeyStatus::Known(_)) if labels.is_empty() => return within.no_data(),
            _ => {}
        }
        let fresh = Freshness { time: held.judged.time, age_max: self.age_max };
        within.answer(labels, QueryType::from(inquiry.query_type), held.now, fresh)
    }
}

/// Whether a type is a meta type other than ANY, which no record has (RFC 6895 §3.1).
fn is_meta(query_type: u16) -> bool {
    matches!(query_type, 0 | TYPE_OPT) || QUERY_TYPES.contains(&query_type)
}

/// Replaces a response that exceeds the limits by an empty one that makes a real client retry: with
/// BADCOOKIE and a cookie if the client supports cookies (RFC 7873 §5.2.3), otherwise with TC set,
/// over TCP. Except for the cookie it is never longer than the query.
fn slipped(response: DnsResponse<'_>) -> DnsResponse<'_> {
    let edns = response.edns.map(|edns| ReplyEdns { nsid: None, error: None, ..edns });
    let cookie = edns.is_some_and(|edns| edns.cookie.is_some());
    let rcode = if cookie { RCODE_BADCOOKIE } else { response.rcode };
    DnsResponse { rcode, content: AnswerContent::Nothing, edns, slipped: !cookie, ..response }
}

impl QueryTarget<'_, '_> {
    /// The memory that holds the answer, to be read ahead of the lookup.
    pub fn spot(&self) -> MemorySpot<'_> {
        self.within.as_ref().map_or(MemorySpot::default(), |(within, labels)| within.spot(labels))
    }

    /// Whether the name is a zone's origin.
    pub fn is_apex(&self) -> bool {
        self.shown == KeyStatus::None && self.within.as_ref().is_some_and(|(_, labels)| labels.is_empty())
    }

    /// The zone's origin in wire form; `None` if the name belongs to no zone.
    pub fn origin(&self) -> Option<&[u8]> {
        self.within.as_ref().map(|(within, _)| within.apex().origin_wire())
    }
}

impl ZonesGuard {
    /// All held zones.
    pub fn zones(&self) -> ServedZones<'_> {
        ServedZones { judged: &self.judged, lists: &self.lists }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::agreement::{now, service};
    use crate::time::LaboratoryClock;
    use crate::zone::numbers::{RCODE_REFUSED, TYPE_A, TYPE_TXT};
    use crate::zone::{AnswerRecords, DomainName, RecordData};

    /// The response code, extended error and records of a query at the service's time.
    fn said(service: &DnsService, name: &str, query_type: u16) -> (u16, Option<ExtendedError>, Vec<String>) {
        let wire = DomainName::parse(name).unwrap().to_wire();
        let (name, _) = QueryName::read(&wire).unwrap();
        let edns =
            QueryEdns { payload: 1_232, version: 0, dnssec_ok: false, cookie: Cookie::None, nsid: false };
        let inquiry =
            ClientQuery { client: "192.0.2.1".parse().unwrap(), name, query_type, edns: Some(edns) };
        let held = service.hold();
        let place = service.locate(held.zones(), name);
        let Ok(response) = service.decide(&place, &inquiry, &held, None) else { panic!("silence") };
        let records = match response.content {
            AnswerContent::Records(records) => records,
            AnswerContent::Nothing | AnswerContent::Negative { .. } => AnswerRecords::One(None),
        };
        let text = |data: RecordData<'_>| match data {
            RecordData::Txt(text) => String::from_utf8(text.to_octets()).unwrap(),
            other => format!("{other:?}"),
        };
        let texts = records.map(|record| text(record.data)).collect();
        (response.rcode, response.edns.and_then(|edns| edns.error), texts)
    }

    #[test]
    fn n8_data_that_is_too_old_is_not_served() {
        let mut service = service();
        let clock = Arc::new(LaboratoryClock::new(now()));
        service.clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let listed = "2.0.0.127.bl.backscatter.example";
        clock.advance(service.age_max);
        assert_eq!(said(&service, listed, TYPE_A).2.len(), 1, "data at the age limit is still served");
        clock.advance(Span::from_seconds(1));
        let too_old = (RCODE_SERVFAIL, Some(ExtendedError::NotReady), Vec::new());
        for name in [listed, "99.2.0.192.bl.backscatter.example", "bl.backscatter.example"] {
            assert_eq!(said(&service, name, TYPE_A), too_old, "{name}");
        }
        let (rcode, _, texts) = said(&service, "_status.bl.backscatter.example", TYPE_TXT);
        assert!(rcode == RCODE_NOERROR && texts[0].contains(" data_age=3601 "), "{texts:?}");
        assert_eq!(
            said(&service, "5.2.0.192.list.example", TYPE_A).0,
            RCODE_NOERROR,
            "the age of the journal does not matter for lists"
        );
    }

    #[test]
    fn a_listing_that_has_ended_is_not_told_whether_or_not_the_fold_knows() {
        let mut service = service();
        let clock = Arc::new(LaboratoryClock::new(now()));
        service.clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let listed = "99.2.0.192.bl.backscatter.example";
        clock.advance(Span::from_seconds(59));
        assert_eq!(said(&service, listed, TYPE_A).2.len(), 1);
        clock.advance(Span::from_seconds(1));
        assert_eq!(said(&service, listed, TYPE_A), (RCODE_NXDOMAIN, None, Vec::new()));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let service = service();
        for meta in [0, TYPE_OPT, 250, 251, 252, 253, 254] {
            assert_eq!(said(&service, "bl.backscatter.example", meta).0, RCODE_REFUSED, "{meta}");
        }
    }
}
