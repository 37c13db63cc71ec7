//! The numbers of the DNS protocol that this program reads or writes.

/// The class of the Internet (RFC 1035 §3.2.4).
pub const CLASS_IN: u16 = 1;

/// The record type A (RFC 1035 §3.2.2).
pub const TYPE_A: u16 = 1;
/// The record type NS (RFC 1035 §3.2.2).
pub const TYPE_NS: u16 = 2;
/// The record type SOA (RFC 1035 §3.2.2).
pub const TYPE_SOA: u16 = 6;
/// The record type HINFO (RFC 1035 §3.2.2).
pub const TYPE_HINFO: u16 = 13;
/// The record type MX (RFC 1035 §3.2.2).
pub const TYPE_MX: u16 = 15;
/// The record type TXT (RFC 1035 §3.2.2).
pub const TYPE_TXT: u16 = 16;
/// The record type AAAA (RFC 3596 §2.1).
pub const TYPE_AAAA: u16 = 28;
/// The record type OPT (RFC 6891 §6.1.1).
pub const TYPE_OPT: u16 = 41;
/// The types that no record has: query types and meta types, without OPT and ANY (RFC 6895 §3.1).
pub const QUERY_TYPES: std::ops::RangeInclusive<u16> = 128..=254;
/// The query type ANY (RFC 1035 §3.2.3, RFC 8482).
pub const TYPE_ANY: u16 = 255;

/// NOERROR (RFC 1035 §4.1.1).
pub const RCODE_NOERROR: u16 = 0;
/// FORMERR (RFC 1035 §4.1.1).
pub const RCODE_FORMERR: u16 = 1;
/// SERVFAIL (RFC 1035 §4.1.1).
pub const RCODE_SERVFAIL: u16 = 2;
/// NXDOMAIN, called Name Error in RFC 1035 §4.1.1.
pub const RCODE_NXDOMAIN: u16 = 3;
/// NOTIMP (RFC 1035 §4.1.1).
pub const RCODE_NOTIMP: u16 = 4;
/// REFUSED (RFC 1035 §4.1.1).
pub const RCODE_REFUSED: u16 = 5;
/// BADVERS (RFC 6891 §9).
pub const RCODE_BADVERS: u16 = 16;
/// BADCOOKIE (RFC 7873 §8).
pub const RCODE_BADCOOKIE: u16 = 23;

/// The option code of NSID (RFC 5001 §4).
pub const OPTION_NSID: u16 = 3;
/// The option code of the client subnet (RFC 7871 §6).
pub const OPTION_CLIENT_SUBNET: u16 = 8;
/// The option code of COOKIE (RFC 7873 §8).
pub const OPTION_COOKIE: u16 = 10;
/// The option code of extended DNS errors (RFC 8914 §2).
pub const OPTION_ERROR: u16 = 15;

/// The extended error Not Ready (RFC 8914 §4.15).
pub const ERROR_NOT_READY: u16 = 14;
/// The extended error Prohibited (RFC 8914 §4.19).
pub const ERROR_PROHIBITED: u16 = 18;
/// The extended error Not Authoritative (RFC 8914 §4.21).
pub const ERROR_NOT_AUTHORITATIVE: u16 = 20;

/// Greatest number of octets of a name on the wire (RFC 1035 §3.1).
pub const NAME_OCTETS_MAX: usize = 255;
/// Greatest number of octets of a name as text, without a dot at its end.
pub const NAME_LETTERS_MAX: usize = NAME_OCTETS_MAX - 2;
/// Greatest number of octets of a label (RFC 1035 §2.3.4).
pub const LABEL_OCTETS_MAX: usize = 63;
/// The two highest bits of a compression pointer. The others are the offset that it points to (RFC
/// 1035 §4.1.4).
pub const POINTER: u16 = 0xc000;
