//! The parts of EDNS that a DNSBL name server needs: size, version, cookies, NSID and extended
//! errors (RFC 6891, RFC 7873, RFC 5001, RFC 8914).

use crate::zone::ExtendedError;
use crate::zone::numbers::{OPTION_CLIENT_SUBNET, OPTION_COOKIE, OPTION_ERROR, OPTION_NSID, TYPE_OPT};

/// Greatest number of octets of a UDP response, and the size that the server advertises. Larger
/// datagrams may be fragmented (DNS flag day 2020).
pub(super) const UDP_OCTETS_MAX: u16 = 1_232;
/// The number of octets that a client without EDNS accepts, and the least that a client can ask for
/// (RFC 6891 §6.2.3).
pub(super) const UDP_OCTETS_MIN: u16 = 512;

/// The number of octets of a client cookie (RFC 7873 §4).
pub(super) const CLIENT_COOKIE_OCTETS: usize = 8;
/// The number of octets of a server cookie of version 1 (RFC 9018 §4).
pub(super) const SERVER_COOKIE_OCTETS: usize = 16;

/// The number of octets of an OPT record without options.
const OPT_OCTETS: usize = 11;
/// The DO bit in the third octet of the TTL of an OPT record (RFC 3225 §3).
const DNSSEC_OK: u8 = 0x80;
/// Greatest number of octets of the server's identifier. A longer name is cut.
pub(super) const NSID_OCTETS_MAX: usize = 64;

/// The contents of a query's OPT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryEdns {
    /// The size of the largest UDP response that the client accepts, in octets.
    pub payload: u16,
    /// The EDNS version.
    pub version: u8,
    /// The DO bit (RFC 3225 §3).
    pub dnssec_ok: bool,
    /// The COOKIE option.
    pub cookie: Cookie,
    /// Whether the client asks for the server's identifier.
    pub nsid: bool,
}

/// The COOKIE option of a query (RFC 7873 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cookie {
    /// The query has no COOKIE option.
    #[default]
    None,
    /// A client cookie, and a server cookie if the client sent one of the length that this server
    /// uses.
    Sent { client: [u8; CLIENT_COOKIE_OCTETS], server: Option<[u8; SERVER_COOKIE_OCTETS]> },
    /// The option has a length that no cookie has.
    Malformed,
}

/// The contents of a response's OPT record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplyEdns {
    /// The DO bit, copied from the query (RFC 3225 §3).
    pub dnssec_ok: bool,
    /// The client cookie followed by the server cookie.
    pub cookie: Option<[u8; CLIENT_COOKIE_OCTETS + SERVER_COOKIE_OCTETS]>,
    /// The server's identifier.
    pub nsid: Option<Nsid>,
    /// The extended DNS error.
    pub error: Option<ExtendedError>,
}

/// The identifier of the name server (RFC 5001).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nsid {
    octets: [u8; NSID_OCTETS_MAX],
    length: u8,
}

impl Nsid {
    /// Makes an identifier of a name, cut to 64 octets; `None` for an empty name.
    pub fn new(name: &str) -> Option<Self> {
        let length = name.len().min(NSID_OCTETS_MAX);
        let mut octets = [0; NSID_OCTETS_MAX];
        octets[..length].copy_from_slice(&name.as_bytes()[..length]);
        (length > 0).then_some(Nsid { octets, length: length as u8 })
    }

    /// The identifier's octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

impl Cookie {
    /// Reads the data of a COOKIE option.
    pub fn read(data: &[u8]) -> Self {
        let Some((client, server)) = data.split_first_chunk() else { return Cookie::Malformed };
        match server.len() {
            0 => Cookie::Sent { client: *client, server: None },
            8..=32 => Cookie::Sent { client: *client, server: server.try_into().ok() },
            _ => Cookie::Malformed,
        }
    }
}

impl QueryEdns {
    /// Reads octets that must be exactly one OPT record. `None` if they are not, or if only the
    /// library can tell whether the record is well formed.
    pub fn read(octets: &[u8]) -> Option<Self> {
        let (fixed, data) = octets.split_first_chunk::<OPT_OCTETS>()?;
        let number = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        if fixed[0] != 0 || number(1) != TYPE_OPT || usize::from(number(9)) != data.len() {
            return None;
        }
        let (payload, version, dnssec_ok) = (number(3), fixed[6], fixed[7] & DNSSEC_OK != 0);
        let mut edns = QueryEdns { payload, version, dnssec_ok, cookie: Cookie::None, nsid: false };
        let mut rest = data;
        while let Some((head, behind)) = rest.split_first_chunk::<4>() {
            let option = u16::from_be_bytes([head[0], head[1]]);
            let (value, behind) =
                behind.split_at_checked(usize::from(u16::from_be_bytes([head[2], head[3]])))?;
            match option {
                OPTION_COOKIE if edns.cookie == Cookie::None => edns.cookie = Cookie::read(value),
                OPTION_NSID => edns.nsid = true,
                // The server makes no use of this option, but a malformed one is an error (RFC 7871
                // §7.1). The library reports it.
                OPTION_CLIENT_SUBNET if !is_subnet(value) => return None,
                _ => {}
            }
            rest = behind;
        }
        rest.is_empty().then_some(edns)
    }

    /// Greatest number of octets of a UDP response to a client.
    pub fn octets_max(edns: Option<QueryEdns>) -> usize {
        usize::from(edns.map_or(UDP_OCTETS_MIN, |edns| edns.payload.clamp(UDP_OCTETS_MIN, UDP_OCTETS_MAX)))
    }
}

/// Whether an option is a well-formed client subnet of a query (RFC 7871 §6): a family, a source
/// prefix length, a scope prefix length of 0, and as many octets as the prefix needs.
fn is_subnet(value: &[u8]) -> bool {
    let Some(([_, family, length, scope], address)) = value.split_first_chunk() else { return false };
    let bits = match (value[0], family) {
        (0, 1) => 32,
        (0, 2) => 128,
        _ => return false,
    };
    *length <= bits && *scope == 0 && address.len() == usize::from(length.div_ceil(8))
}

impl ReplyEdns {
    /// The number of octets of the whole record.
    pub fn octets(&self) -> usize {
        let cookie = self.cookie.map_or(0, |cookie| 4 + cookie.len());
        let nsid = self.nsid.map_or(0, |nsid| 4 + nsid.octets().len());
        let error = self.error.map_or(0, |error| 6 + error.text().len());
        OPT_OCTETS + cookie + nsid + error
    }

    /// Writes the record into a message at offset `at`, and returns the offset behind it. `rcode`
    /// is the twelve-bit response code.
    pub fn write(&self, message: &mut [u8], at: usize, rcode: u16) -> usize {
        let (kind, size) = (TYPE_OPT.to_be_bytes(), UDP_OCTETS_MAX.to_be_bytes());
        let options = ((self.octets() - OPT_OCTETS) as u16).to_be_bytes();
        let flags = if self.dnssec_ok { DNSSEC_OK } else { 0 };
        let mut end = at;
        let mut put = |octets: &[u8]| {
            message[end..end + octets.len()].copy_from_slice(octets);
            end += octets.len();
        };
        let rcode = (rcode >> 4) as u8;
        put(&[0, kind[0], kind[1], size[0], size[1], rcode, 0, flags, 0, options[0], options[1]]);
        let head = |option: u16, length: usize| {
            let (option, length) = (option.to_be_bytes(), (length as u16).to_be_bytes());
            [option[0], option[1], length[0], length[1]]
        };
        if let Some(cookie) = self.cookie {
            put(&head(OPTION_COOKIE, cookie.len()));
            put(&cookie);
        }
        if let Some(nsid) = self.nsid {
            put(&head(OPTION_NSID, nsid.octets().len()));
            put(nsid.octets());
        }
        if let Some(error) = self.error {
            put(&head(OPTION_ERROR, 2 + error.text().len()));
            put(&error.code().to_be_bytes());
            put(error.text().as_bytes());
        }
        end
    }
}
