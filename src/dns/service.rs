//! What is said to whom: the one place where a question, whoever read it and whoever writes the answer, is decided.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use ipnet::IpNet;

use super::access::{Access, Action, Shown};
use super::cookies::Cookies;
use super::edns::{self, Cookie, Edns, Nsid, ReplyEdns};
use super::limit::{Counted, Limiter, Passage};
use crate::time::{Clock, Span, Stopwatch, Timestamp};
use crate::zone::{
    Answer, Asked, Content, ExtendedError, Freshness, Labels, Lists, QueryType, Rcode, Snapshot, Spot,
    Within, Zones,
};

const NOERROR: u16 = 0;
const NXDOMAIN: u16 = 3;

/// Zones, and by what rules they are handed out.
pub struct Service {
    pub judged: Arc<ArcSwap<Snapshot>>,
    pub lists: Arc<ArcSwap<Lists>>,
    pub clock: Arc<dyn Clock>,
    /// What is limited by the second is limited by those of the machine, in a laboratory too.
    pub running: Stopwatch,
    pub access: Access,
    pub cookies: Option<Cookies>,
    pub nsid: Option<Nsid>,
    /// Whose responses are not limited.
    pub unlimited: Vec<IpNet>,
    /// What CHAOS questions for the version are told; nothing where empty.
    pub version: String,
    pub age_max: Span,
}

/// Everything there is to answer from, held for as long as a batch of questions takes.
pub struct Held {
    judged: Guard<Arc<Snapshot>>,
    lists: Guard<Arc<Lists>>,
    pub now: Timestamp,
    /// Since the start.
    second: u32,
}

/// One question, and who asked.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry<'q> {
    pub client: IpAddr,
    pub name: Asked<'q>,
    pub query_type: u16,
    pub edns: Option<Edns>,
}

/// Where a name lies.
#[derive(Clone, Copy, Debug)]
pub struct Place<'z, 'q> {
    within: Option<(Within<'z>, Labels<'q>)>,
    shown: Shown,
}

/// What is to be sent; or that the client is to hear nothing, and why.
pub(super) type Decision<'z> = Result<Response<'z>, Silence>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    Access,
    Limit,
}

#[derive(Clone, Debug)]
pub struct Response<'z> {
    /// All twelve bits.
    pub rcode: u16,
    pub content: Content<'z>,
    pub edns: Option<ReplyEdns>,
    /// Sent empty, because of too many like it.
    pub slipped: bool,
    /// The key that stood in the name, by its place.
    pub key: Option<usize>,
    /// Its client showed that its address is its own.
    pub cookie_valid: bool,
}

impl Service {
    /// Takes hold of the zones as they are.
    pub fn hold(&self) -> Held {
        Held {
            judged: self.judged.load(),
            lists: self.lists.load(),
            now: self.clock.now(),
            second: self.running.seconds(),
        }
    }

    /// Where a name lies, and with which key.
    pub fn locate<'z, 'q>(&self, zones: Zones<'z>, name: Asked<'q>) -> Place<'z, 'q> {
        match zones.find(name) {
            Some((within, labels)) => {
                let (shown, labels) = self.access.key(labels);
                Place { within: Some((within, labels)), shown }
            }
            None => Place { within: None, shown: Shown::None },
        }
    }

    /// Decides about a question. Over transports on which nobody can forge an address there is no limiter.
    pub fn decide<'z>(
        &self,
        place: &Place<'z, '_>,
        inquiry: &Inquiry<'_>,
        held: &Held,
        limiter: Option<&mut Limiter>,
    ) -> Decision<'z> {
        let action = match place.origin() {
            Some(origin) => self.access.action(inquiry.client, origin),
            None => self.access.everywhere(inquiry.client),
        };
        // Before anything else: whoever is ignored is perhaps flooded in our name.
        if action == Action::Ignore {
            return Err(Silence::Access);
        }
        // Of a version that we don't know, its options are not known either (RFC 6891 §6.1.3).
        let known = inquiry.edns.filter(|edns| edns.version == 0);
        let cookie = known.map(|edns| edns.cookie).unwrap_or_default();
        let checked =
            self.cookies.as_ref().and_then(|cookies| cookies.check(cookie, inquiry.client, held.now));
        let mut response = self.answer(place, inquiry, held, action);
        response.cookie_valid = checked.is_some_and(|checked| checked.valid);
        if let Some(edns) = &mut response.edns {
            edns.cookie = checked.map(|checked| checked.reply);
        }
        // RFC 7873 §5.2.3: who shows that its address is its own is not limited.
        let limiter = limiter.filter(|_| !response.cookie_valid);
        let counted = match response.rcode {
            NOERROR | NXDOMAIN | edns::SERVFAIL => Counted::Question(inquiry.name, inquiry.query_type),
            _ => Counted::Error,
        };
        match self.pass(limiter, inquiry.client, counted, held.second) {
            Passage::Free => Ok(response),
            Passage::Held => Err(Silence::Limit),
            Passage::Slipped => Ok(slipped(response)),
        }
    }

    /// Whether a client hears nothing, whatever it asks.
    pub fn ignores(&self, client: IpAddr) -> bool {
        self.access.everywhere(client) == Action::Ignore
    }

    /// Whether a client may be told that what it sent can't be answered.
    pub fn may_be_told(&self, limiter: &mut Limiter, client: IpAddr) -> bool {
        self.pass(Some(limiter), client, Counted::Error, self.running.seconds()) == Passage::Free
    }

    /// Counts a response in a second, also one to somebody who is not limited, and says what becomes of it.
    fn pass(
        &self,
        limiter: Option<&mut Limiter>,
        client: IpAddr,
        counted: Counted<'_>,
        second: u32,
    ) -> Passage {
        let Some(limiter) = limiter else { return Passage::Free };
        let passage = limiter.pass(client, counted, second);
        let unlimited = || self.unlimited.iter().any(|network| network.contains(&client));
        if passage != Passage::Free && unlimited() { Passage::Free } else { passage }
    }

    fn answer<'z>(
        &self,
        place: &Place<'z, '_>,
        inquiry: &Inquiry<'_>,
        held: &Held,
        action: Action,
    ) -> Response<'z> {
        let mut reply = inquiry.edns.map(|asked| ReplyEdns {
            dnssec_ok: asked.dnssec_ok,
            nsid: self.nsid.filter(|_| asked.nsid && asked.version == 0),
            ..ReplyEdns::default()
        });
        let key = match place.shown {
            Shown::Known(at) => Some(at),
            Shown::None | Shown::Wrong => None,
        };
        let answer = match inquiry.edns {
            Some(edns) if edns.version > 0 => Err(edns::BADVERS),
            Some(edns) if edns.cookie == Cookie::Malformed => Err(edns::FORMERR),
            _ => Ok(self.zone_answer(place, inquiry, held, action)),
        };
        let (rcode, content) = match answer {
            Err(rcode) => (rcode, Content::Nothing),
            Ok(answer) => {
                if let Some(edns) = &mut reply {
                    edns.error = answer.error;
                }
                let rcode = match answer.rcode {
                    Rcode::NoError => NOERROR,
                    Rcode::ServFail => edns::SERVFAIL,
                    Rcode::NameError => NXDOMAIN,
                    Rcode::Refused => edns::REFUSED,
                };
                (rcode, answer.content)
            }
        };
        Response { rcode, content, edns: reply, slipped: false, key, cookie_valid: false }
    }

    fn zone_answer<'z>(
        &self,
        place: &Place<'z, '_>,
        inquiry: &Inquiry<'_>,
        held: &Held,
        action: Action,
    ) -> Answer<'z> {
        let Some((within, labels)) = &place.within else {
            return Answer::failed(Rcode::Refused, ExtendedError::NotAuthoritative);
        };
        if is_meta(inquiry.query_type) {
            // Transfers among them (RFC 5936 §2.2.1).
            return Answer::failed(Rcode::Refused, ExtendedError::Prohibited);
        }
        match (action, place.shown) {
            (Action::Refuse, _) | (_, Shown::Wrong) | (Action::Key, Shown::None) => {
                return Answer::failed(Rcode::Refused, ExtendedError::Prohibited);
            }
            (Action::Empty, _) if !labels.is_empty() => return within.nothing(),
            // A key's own name: it begins no zone, and what lies below it does exist.
            (_, Shown::Known(_)) if labels.is_empty() => return within.no_data(),
            _ => {}
        }
        let fresh = Freshness { time: held.judged.time, age_max: self.age_max };
        within.answer(labels, QueryType::from(inquiry.query_type), held.now, fresh)
    }
}

/// Types that are no records, but for ANY (RFC 6895 §3.1).
const fn is_meta(query_type: u16) -> bool {
    matches!(query_type, 0 | 41 | 128..=254)
}

/// What is sent instead of a response, so that who is really there comes back: over TCP, or, whoever can do cookies, with ours
/// (RFC 7873 §5.2.3). It is never longer than what was asked, but for the cookie.
fn slipped(response: Response<'_>) -> Response<'_> {
    let edns = response.edns.map(|edns| ReplyEdns { nsid: None, error: None, ..edns });
    let cookie = edns.is_some_and(|edns| edns.cookie.is_some());
    let rcode = if cookie { edns::BADCOOKIE } else { response.rcode };
    Response { rcode, content: Content::Nothing, edns, slipped: !cookie, ..response }
}

impl Place<'_, '_> {
    /// Where the answer would be in memory.
    pub fn spot(&self) -> Spot<'_> {
        self.within.as_ref().map_or(Spot::default(), |(within, labels)| within.spot(labels))
    }

    /// Whether it is a zone's own name.
    pub fn is_apex(&self) -> bool {
        self.shown == Shown::None && self.within.as_ref().is_some_and(|(_, labels)| labels.is_empty())
    }

    /// The zone's origin on the wire; `None` for names in no zone.
    pub fn origin(&self) -> Option<&[u8]> {
        self.within.as_ref().map(|(within, _)| within.apex().origin_wire())
    }
}

impl Held {
    pub fn zones(&self) -> Zones<'_> {
        Zones { judged: &self.judged, lists: &self.lists }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::agreement::{now, service};
    use crate::time::LaboratoryClock;
    use crate::zone::{Data, Name, Records};

    /// What is said some seconds after the data was fresh.
    fn said(service: &Service, name: &str, query_type: u16) -> (u16, Option<ExtendedError>, Vec<String>) {
        let wire = Name::parse(name).unwrap().to_wire();
        let (name, _) = Asked::read(&wire).unwrap();
        let edns = Edns { payload: 1_232, version: 0, dnssec_ok: false, cookie: Cookie::None, nsid: false };
        let inquiry = Inquiry { client: "192.0.2.1".parse().unwrap(), name, query_type, edns: Some(edns) };
        let held = service.hold();
        let place = service.locate(held.zones(), name);
        let Ok(response) = service.decide(&place, &inquiry, &held, None) else { panic!("silence") };
        let records = match response.content {
            Content::Records(records) => records,
            Content::Nothing | Content::Negative { .. } => Records::One(None),
        };
        let text = |data: Data<'_>| match data {
            Data::Txt(text) => String::from_utf8(text.to_octets()).unwrap(),
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
        assert_eq!(said(&service, listed, 1).2.len(), 1, "at its limit it still is");
        clock.advance(Span::from_seconds(1));
        let too_old = (2, Some(ExtendedError::NotReady), Vec::new());
        for name in [listed, "99.2.0.192.bl.backscatter.example", "bl.backscatter.example"] {
            assert_eq!(said(&service, name, 1), too_old, "{name}");
        }
        let (rcode, _, texts) = said(&service, "_status.bl.backscatter.example", 16);
        assert!(rcode == 0 && texts[0].contains(" data_age=3601 "), "{texts:?}");
        assert_eq!(said(&service, "5.2.0.192.list.example", 1).0, 0, "lists are not made by the fold");
    }

    #[test]
    fn a_listing_that_has_ended_is_not_told_whether_or_not_the_fold_knows() {
        let mut service = service();
        let clock = Arc::new(LaboratoryClock::new(now()));
        service.clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let listed = "99.2.0.192.bl.backscatter.example";
        clock.advance(Span::from_seconds(59));
        assert_eq!(said(&service, listed, 1).2.len(), 1);
        clock.advance(Span::from_seconds(1));
        assert_eq!(said(&service, listed, 1), (NXDOMAIN, None, Vec::new()));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let service = service();
        for meta in [0, 41, 250, 251, 252, 253, 254] {
            assert_eq!(said(&service, "bl.backscatter.example", meta).0, edns::REFUSED, "{meta}");
        }
    }
}
