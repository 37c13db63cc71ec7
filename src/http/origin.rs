//! Where a request that changes something comes from: from a page of this server, from a program, or
//! from a page of somebody else in a visitor's browser.
//!
//! | Sec-Fetch-Site | Origin | the request comes from |
//! |---|---|---|
//! | `same-origin` | any | a page of this server |
//! | `none`, or missing | missing | a program, or a browser too old to say it |
//! | `none`, or missing | this server | a page of this server |
//! | `none`, or missing | another one, `null`, or more than one | a foreign page |
//! | `same-site`, `cross-site`, or anything else | any | a foreign page |
//!
//! A browser lets no page set these two headers, and says `same-origin` only over a connection on
//! which nobody can take this server's name. Without it, this server is the host of a zone's
//! `texts.url`. A request to an IP address or to `localhost` may also name that address, which
//! nobody can make lead elsewhere, unlike a name.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};

use super::app::App;
use super::error::ApiError;
use crate::relay::Relay;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Shows that a request does not come from a foreign page.
pub(super) struct OwnOrigin;

impl FromRequestParts<Arc<App>> for OwnOrigin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let any = Relay::new(IpAddr::from([127, 0, 0, 2]));
        let snapshot = app.published.snapshot();
        let urls = snapshot.zones().iter().map(|zone| zone.config.texts.url(any.address()));
        let hosts: Vec<String> = urls.filter_map(|url| host_of(&url)).collect();
        if is_foreign(&parts.headers, &hosts) { Err(ApiError::ForeignOrigin) } else { Ok(OwnOrigin) }
    }
}

/// Whether a request comes from a foreign page. `hosts` are the hosts of this server's pages.
fn is_foreign(headers: &HeaderMap, hosts: &[String]) -> bool {
    let site = only(headers, &SEC_FETCH_SITE);
    match site {
        Ok(Some("same-origin")) => return false,
        Ok(Some("none") | None) => {}
        Ok(Some(_)) | Err(Unreadable) => return true,
    }
    let origin = match only(headers, &ORIGIN) {
        Ok(None) => return false,
        Ok(Some(origin)) => host_of(origin),
        Err(Unreadable) => None,
    };
    let Some(origin) = origin else { return true };
    let asked = only(headers, &HOST).ok().flatten().and_then(|host| host_of(&format!("http://{host}")));
    let is_asked = is_fixed(&origin) && asked.is_some_and(|asked| asked == origin);
    !is_asked && !hosts.contains(&origin)
}

/// More than one value, or one that is not a text.
struct Unreadable;

/// The only value of a header, if it has one.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Unreadable> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|value| Some(value.trim())).map_err(|_| Unreadable),
        (Some(_), Some(_)) => Err(Unreadable),
    }
}

/// The host of an origin or a URL in lower case, with its port unless it is the scheme's own.
fn host_of(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let own_port = match uri.scheme_str()? {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let host = uri.host()?.to_ascii_lowercase();
    Some(match uri.port_u16().filter(|port| *port != own_port) {
        Some(port) => format!("{host}:{port}"),
        None => host,
    })
}

/// Whether a host always leads to the same machine: an IP address, or `localhost`.
fn is_fixed(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    /// Every row of the table above.
    #[test]
    fn a_foreign_page_is_recognised() {
        const OWN: &str = "https://bl-info.example";
        let hosts = [host_of("https://BL-info.example/ip/127.0.0.2").unwrap()];
        let foreign = ["https://evil.example", "null", "https://bl-info.example.evil.example", "x", ""];
        let near = [
            "https://bl-info.example:8443",
            "https://www.bl-info.example",
            "file://",
            "ftp://bl-info.example",
        ];
        let cases: &[(Option<&str>, &[&str], bool)] = &[
            (Some("same-origin"), &[OWN, "null", "https://other-name.example"], false),
            (None, &[OWN, "http://bl-info.example", "https://BL-INFO.example:443"], false),
            (Some("none"), &[OWN], false),
            (None, &foreign, true),
            (None, &near, true),
            (Some("none"), &foreign, true),
            (Some("same-site"), &[OWN, "https://evil.example"], true),
            (Some("cross-site"), &[OWN, "https://evil.example", "null"], true),
            (Some("Same-Origin"), &[OWN], true),
            (Some(""), &[OWN], true),
        ];
        for &(site, origins, is) in cases {
            for origin in origins {
                let site = site.map(|site| ("Sec-Fetch-Site", site));
                let all: Vec<_> =
                    site.into_iter().chain([("Origin", *origin), ("Host", "bl-info.example")]).collect();
                assert_eq!(is_foreign(&headers(&all), &hosts), is, "{all:?}");
            }
        }
        let cases: &[(&[(&str, &str)], bool)] = &[
            (&[], false),
            (&[("Sec-Fetch-Site", "none")], false),
            (&[("Sec-Fetch-Site", "same-origin")], false),
            (&[("Sec-Fetch-Site", "same-site")], true),
            (&[("Sec-Fetch-Site", "cross-site")], true),
            (&[("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")], true),
            (&[("Origin", OWN), ("Origin", "https://evil.example")], true),
        ];
        for &(all, is) in cases {
            assert_eq!(is_foreign(&headers(all), &hosts), is, "{all:?}");
        }
    }

    /// A name that is made to lead to this server is still another one.
    #[test]
    fn the_host_that_was_asked_counts_only_if_nobody_can_move_it() {
        for (host, origin, is) in [
            ("127.0.0.1:8053", "http://127.0.0.1:8053", false),
            ("[::1]:8053", "http://[::1]:8053", false),
            ("[::1]", "http://[::1]", false),
            ("localhost:8053", "http://localhost:8053", false),
            ("192.0.2.1", "http://192.0.2.1", false),
            ("127.0.0.1:8053", "http://127.0.0.1:8054", true),
            ("127.0.0.1:8053", "http://192.0.2.1:8053", true),
            ("evil.example", "http://evil.example", true),
            ("evil.example:8053", "http://evil.example:8053", true),
            ("localhost.evil.example", "http://localhost.evil.example", true),
            ("127.0.0.1.evil.example", "http://127.0.0.1.evil.example", true),
        ] {
            assert_eq!(
                is_foreign(&headers(&[("Host", host), ("Origin", origin)]), &[]),
                is,
                "{host} {origin}"
            );
        }
    }
}
