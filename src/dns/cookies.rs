//! DNS cookies (RFC 7873, RFC 9018): a client that returns a cookie of this server has not forged
//! its address.

use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use super::edns::{CLIENT_COOKIE_OCTETS, Cookie, SERVER_COOKIE_OCTETS};
use crate::time::Timestamp;

/// The number of octets of a secret (RFC 9018 §4.4).
pub const SECRET_OCTETS: usize = 16;
/// The version of the server cookie (RFC 9018 §4.2).
const VERSION: u8 = 1;
/// Limits on a cookie's timestamp, in seconds (RFC 9018 §4.3): its greatest age, how far it may lie
/// in the future, and the age above which the cookie is replaced.
const AGE_MAX: u32 = 3_600;
const AHEAD_MAX: u32 = 300;
const AGE_RENEWED: u32 = 1_800;

/// A secret that cookies are made with. No output shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CookieSecret([u8; SECRET_OCTETS]);

/// The secrets that cookies are made with. All servers that answer for the same address share them.
#[derive(Clone)]
pub struct CookieSecrets {
    /// New cookies are made with the first secret. Cookies made with the others are still valid
    /// (RFC 9018 §5).
    secrets: Vec<CookieSecret>,
}

/// The result of checking a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieStatus {
    /// Whether the client returned a valid server cookie, so that its address is not forged.
    pub valid: bool,
    /// The COOKIE option of the response: the client cookie and a server cookie.
    pub reply: [u8; CLIENT_COOKIE_OCTETS + SERVER_COOKIE_OCTETS],
}

impl CookieSecret {
    /// A secret of these octets.
    pub const fn new(octets: [u8; SECRET_OCTETS]) -> Self {
        CookieSecret(octets)
    }
}

impl fmt::Debug for CookieSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieSecret(hidden)")
    }
}

impl CookieSecrets {
    /// Makes cookies with these secrets. `None` without a secret: cookies are then neither sent nor
    /// checked.
    pub fn new(secrets: Vec<CookieSecret>) -> Option<Self> {
        (!secrets.is_empty()).then_some(CookieSecrets { secrets })
    }

    /// Checks a client's cookie at time `now`. `None` if the client sent no cookie, or a malformed
    /// one.
    pub fn check(&self, cookie: Cookie, client: IpAddr, now: Timestamp) -> Option<CookieStatus> {
        let Cookie::Sent { client: own, server } = cookie else { return None };
        let now = now.seconds() as u32;
        let checked = |valid, server: [u8; SERVER_COOKIE_OCTETS]| {
            let mut reply = [0; CLIENT_COOKIE_OCTETS + SERVER_COOKIE_OCTETS];
            reply[..CLIENT_COOKIE_OCTETS].copy_from_slice(&own);
            reply[CLIENT_COOKIE_OCTETS..].copy_from_slice(&server);
            Some(CookieStatus { valid, reply })
        };
        let fresh = || server_cookie(&self.secrets[0], &own, now, client);
        let Some(server) = server else { return checked(false, fresh()) };
        let made = u32::from_be_bytes([server[4], server[5], server[6], server[7]]);
        // Timestamps are compared by serial number arithmetic (RFC 9018 §4.3).
        let age = now.wrapping_sub(made);
        let timely = age <= AGE_MAX || made.wrapping_sub(now) <= AHEAD_MAX;
        let ours = |secret| server_cookie(secret, &own, made, client) == server;
        match timely.then(|| self.secrets.iter().position(ours)).flatten() {
            Some(0) if age <= AGE_RENEWED => checked(true, server),
            Some(_) => checked(true, fresh()),
            None => checked(false, fresh()),
        }
    }
}

/// Computes a server cookie (RFC 9018 §4.4).
fn server_cookie(
    CookieSecret(secret): &CookieSecret,
    own: &[u8; CLIENT_COOKIE_OCTETS],
    made: u32,
    client: IpAddr,
) -> [u8; SERVER_COOKIE_OCTETS] {
    let mut cookie = [0; SERVER_COOKIE_OCTETS];
    cookie[0] = VERSION;
    cookie[4..8].copy_from_slice(&made.to_be_bytes());
    let mut hasher = SipHasher24::new_with_key(secret);
    hasher.write(own);
    hasher.write(&cookie[..8]);
    match client {
        IpAddr::V4(v4) => hasher.write(&v4.octets()),
        IpAddr::V6(v6) => hasher.write(&v6.octets()),
    }
    cookie[8..].copy_from_slice(&hasher.finish().to_le_bytes());
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(seconds * 1_000)
    }

    /// The test vectors of RFC 9018, appendix A.
    #[test]
    fn rfc9018_n6_cookies_are_those_of_other_servers() {
        let secret = CookieSecret(octets("e5e973e5a6b2a43f48e7dc849e37bfcf"));
        let client = "198.51.100.100".parse().unwrap();
        let own = octets("2464c4abcf10c957");
        assert_eq!(
            server_cookie(&secret, &own, 0x5cf7_9f11, client),
            octets("010000005cf79f111f8130c3eee29480")
        );
        let cookies = CookieSecrets::new(vec![secret]).unwrap();
        let first =
            cookies.check(Cookie::Sent { client: own, server: None }, client, at(1_559_731_985)).unwrap();
        assert!(!first.valid);
        assert_eq!(first.reply[8..], octets::<16>("010000005cf79f111f8130c3eee29480"));
        // A.2: the cookie is renewed 40 minutes later.
        let server = Some(octets("010000005cf79f111f8130c3eee29480"));
        let later = cookies.check(Cookie::Sent { client: own, server }, client, at(1_559_734_385)).unwrap();
        assert!(later.valid);
        assert_eq!(later.reply[8..], octets::<16>("010000005cf7a871d4a564a1442aca77"));
        // A.3: the cookie of another server, with reserved bits set.
        let (own, client) = (octets("fc93fc62807ddb86"), "203.0.113.203".parse().unwrap());
        let server = Some(octets("01abcdef5cf78f71a314227b6679ebf5"));
        let foreign = cookies.check(Cookie::Sent { client: own, server }, client, at(1_559_734_700)).unwrap();
        assert!(!foreign.valid);
        assert_eq!(foreign.reply[8..], octets::<16>("010000005cf7a9acf73a7810aca2381e"));
    }

    /// A.4: a cookie made with the old secret is still valid.
    #[test]
    fn rfc9018_n6_secrets_roll_over() {
        let [old, new] = ["dd3bdf9344b678b185a6f5cb60fca715", "445536bcd2513298075a5d379663c962"]
            .map(|secret| CookieSecret(octets(secret)));
        let client = "2001:db8:220:1:59de:d0f4:8769:82b8".parse().unwrap();
        let own = octets("22681ab97d52c298");
        let server = Some(octets("010000005cf7c57926556bd0934c72f8"));
        let sent = Cookie::Sent { client: own, server };
        let both =
            CookieSecrets::new(vec![new, old]).unwrap().check(sent, client, at(1_559_741_961)).unwrap();
        assert!(both.valid);
        assert_eq!(both.reply[8..], octets::<16>("010000005cf7c609a6bb79d16625507a"));
        assert!(
            !CookieSecrets::new(vec![new]).unwrap().check(sent, client, at(1_559_741_961)).unwrap().valid
        );
    }

    #[test]
    fn rfc9018_n6_old_cookies_and_those_from_the_future_are_none() {
        let client = "192.0.2.1".parse().unwrap();
        let cookies = CookieSecrets::new(vec![CookieSecret([7; 16])]).unwrap();
        let made = cookies.check(Cookie::Sent { client: [1; 8], server: None }, client, at(100_000)).unwrap();
        let server: [u8; 16] = made.reply[8..].try_into().unwrap();
        let sent = Cookie::Sent { client: [1; 8], server: Some(server) };
        let valid = |seconds| cookies.check(sent, client, at(seconds)).unwrap().valid;
        assert!(valid(100_000) && valid(103_600) && valid(99_700));
        assert!(!valid(103_601) && !valid(99_699));
        assert!(!cookies.check(sent, "192.0.2.2".parse().unwrap(), at(100_000)).unwrap().valid);
    }
}
