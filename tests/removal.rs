//! Tests of self-service removals: which requests remove which listings, as docs/REMOVAL.md states;
//! locks; and the headers of every response.

use std::collections::BTreeSet;
use std::fs;

use backscatterd::time::Timestamp;
use backscatterd::trap::TrapHasher;
use serde_json::Value;

use crate::support::server::Installation;

const PAGE: &str = include_str!("../docs/REMOVAL.md");
/// The network of the tests' clients.
const CLIENT: &str = "127.0.0.0/24";
const JSON: (&str, &str) = ("Content-Type", "application/json");
/// The listings, in the words of the page.
const LISTINGS: [&str; 5] = ["none", "evidence", "decision", "evidence and decision", "locked"];
/// The requests, in the words of the page.
const REQUESTS: [&str; 6] = [
    "opens the page of the address",
    "sends the form",
    "confirms",
    "confirms with a wrong token",
    "calls the API",
    "calls the API without a content type",
];

/// The cells of every row of the table of the page with this heading.
fn table(head: &str) -> Vec<Vec<String>> {
    let after = PAGE.split(head).nth(1).unwrap_or_else(|| panic!("there is no table {head:?}"));
    let rows = after.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Somebody who asks, and the headers of the request.
struct Asker {
    name: String,
    is_own: bool,
    headers: Vec<(&'static str, String)>,
}

fn askers(installation: &Installation) -> Vec<Asker> {
    let rows = table("| made by | Sec-Fetch-Site | Origin |");
    let asker = |(nth, row): (usize, &Vec<String>)| {
        let origin = row[2].replace("this list", &format!("http://{}", installation.http_address()));
        let mut headers = vec![("Host", installation.http_address().to_string())];
        headers.extend(
            [("Sec-Fetch-Site", row[1].clone()), ("Origin", origin)]
                .into_iter()
                .filter(|(_, value)| value != "-"),
        );
        Asker { name: row[0].clone(), is_own: nth < 3, headers }
    };
    let askers: Vec<Asker> = rows.iter().enumerate().map(asker).collect();
    assert_eq!(askers.len(), 7);
    askers
}

/// The token of the confirmation page for a relay, made as the server makes it.
fn token(installation: &Installation, relay: &str) -> String {
    let key = fs::read(installation.path().join("keys/traps.key")).unwrap();
    let zones: Value = serde_json::from_str(&installation.control_get("/control/v1/zones")).unwrap();
    let now: Timestamp = zones["time"].as_str().unwrap().parse().unwrap();
    let text = format!("removal confirmation {relay} {CLIENT} {}", now.seconds());
    format!("{:x}.{}", now.seconds(), TrapHasher::new(key.try_into().unwrap()).seed(text.as_bytes()))
}

/// The values of the codes under which a relay is listed.
fn codes(installation: &Installation, relay: &str) -> BTreeSet<u64> {
    let (status, body) = installation.get(&format!("/api/v1/addresses/{relay}")).unwrap();
    assert_eq!(status, 200, "{body}");
    let told: Value = serde_json::from_str(&body).unwrap();
    told["zones"][0]["codes"].as_array().unwrap().iter().map(|code| code["value"].as_u64().unwrap()).collect()
}

/// Sends one of [`REQUESTS`]. Returns the status and the body.
fn send(installation: &Installation, request: &str, asker: &Asker, relay: &str) -> (u16, String) {
    let mut headers: Vec<(&str, &str)> =
        asker.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let api = format!("POST /api/v1/addresses/{relay}/removal");
    let form = format!("POST /ip/{relay}/removal");
    let (head, body) = match request {
        "opens the page of the address" => (format!("GET /ip/{relay}"), String::new()),
        "sends the form" => (form, String::new()),
        "confirms" => (form, format!("token={}", token(installation, relay))),
        "confirms with a wrong token" => (form, format!("token={}", token(installation, "198.18.77.77"))),
        "calls the API" => {
            headers.push(JSON);
            (api, String::new())
        }
        "calls the API without a content type" => (api, String::new()),
        other => panic!("{other:?} is no request"),
    };
    if head.contains("/ip/") && head.starts_with("POST") {
        headers.push(("Content-Type", "application/x-www-form-urlencoded"));
    }
    installation.request(&head, &headers, body.as_bytes())
}

/// Removes a relay by the API, as a program does.
fn removed(installation: &Installation, relay: &str) -> (u16, Value) {
    let (status, body) =
        installation.request(&format!("POST /api/v1/addresses/{relay}/removal"), &[JSON], b"");
    (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}")))
}

fn decide(installation: &Installation, relay: &str) {
    let until = ["--until", "2026-06-01T00:00:00Z", "--why", "a test"];
    installation
        .ok(&[&["list", relay, "--zone", "bl.backscatter.example", "--code", "16"][..], &until].concat());
}

#[test]
fn every_request_does_what_the_page_says() {
    let installation = Installation::new();
    let server = installation.start();
    installation.add_traps();
    // Three removals lock for four days.
    let locked = "198.18.9.1".to_owned();
    for round in 0..3 {
        installation.make_cases(&[&locked], round);
        installation.ok(&["advance", "24h"]);
        assert_eq!(removed(&installation, &locked).0, 200, "round {round}");
    }
    let of = |network: u8| (1..=6).map(|nth| format!("198.18.{network}.{nth}")).collect::<Vec<_>>();
    let (by_evidence, by_both) = (of(1), of(2));
    let all = [&by_evidence[..], &by_both, std::slice::from_ref(&locked)].concat();
    installation.make_cases(&all, 3);
    // The share of a site lets them in over some hours.
    for _ in 0..3 {
        installation.ok(&["advance", "1h"]);
    }
    for relay in &all {
        assert!(codes(&installation, relay).contains(&2), "{relay}");
    }
    let decided = "198.18.3.1".to_owned();
    by_both.iter().chain([&decided]).for_each(|relay| decide(&installation, relay));

    let askers = askers(&installation);
    let mut rows = table("| request | made by | listing | status | what happens |");
    // What removes comes last, and each such request has a relay of its own.
    rows.sort_by_key(|row| row[4] == "removed");
    let (mut tried, mut evidence, mut both) = (BTreeSet::new(), by_evidence.iter(), by_both.iter());
    for row in &rows {
        let [request, made_by, listing, status, happens] = &row[..] else { panic!("{row:?}") };
        let who = askers.iter().filter(|asker| match made_by.as_str() {
            "any" => true,
            "own" => asker.is_own,
            "foreign" => !asker.is_own,
            other => panic!("{other:?}"),
        });
        for asker in who {
            for of in LISTINGS.into_iter().filter(|of| listing == "any" || of == listing) {
                assert!(REQUESTS.contains(&request.as_str()), "{request}");
                assert!(
                    tried.insert((request.clone(), asker.name.clone(), of)),
                    "{row:?} repeats another row"
                );
                let does_remove = happens == "removed";
                let relay = match (of, does_remove) {
                    ("none", _) => "198.18.4.1",
                    ("decision", _) => &decided,
                    ("locked", _) => &locked,
                    ("evidence", true) => evidence.next().unwrap(),
                    ("evidence", false) => &by_evidence[5],
                    (_, true) => both.next().unwrap(),
                    (_, false) => &by_both[5],
                };
                let before = codes(&installation, relay);
                let (found, body) = send(&installation, request, asker, relay);
                let what = format!("{} {request}, {of}: {body}", asker.name);
                assert_eq!(found.to_string(), *status, "{what}");
                let after = codes(&installation, relay);
                if does_remove {
                    assert!(before.contains(&2) && !after.contains(&2), "{what}");
                    assert_eq!(after.contains(&16), of == "evidence and decision", "{what}");
                } else {
                    assert_eq!(before, after, "{what}");
                }
                if status == "403" && asker.is_own && of == "decision" {
                    assert!(body.contains("hostmaster@backscatter.example"), "{what}");
                }
            }
        }
    }
    assert_eq!(tried.len(), REQUESTS.len() * askers.len() * LISTINGS.len(), "a combination has no row");
    server.stop();
}

/// The value of a hidden field of a page.
fn field<'p>(page: &'p str, name: &str) -> &'p str {
    let after = page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("{page}"));
    after.split('"').next().unwrap()
}

#[test]
fn the_pages_lead_to_a_receipt_without_a_script() {
    let installation = Installation::new();
    let server = installation.start();
    installation.add_traps();
    installation.make_case("198.18.0.25");
    let (_, page) = installation.get("/ip/198.18.0.25").unwrap();
    assert!(page.contains("action=\"/ip/198.18.0.25/removal\" method=\"post\""), "{page}");
    let (status, confirmation) = installation.post("/ip/198.18.0.25/removal", b"").unwrap();
    assert!(status == 200 && confirmation.contains("action=\"/ip/198.18.0.25/removal\" method=\"post\""));
    let token = field(&confirmation, "token").to_owned();
    // The token of a page that was left open is too old.
    installation.ok(&["advance", "11m"]);
    let sent = format!("token={token}");
    let (status, again) = installation.post("/ip/198.18.0.25/removal", sent.as_bytes()).unwrap();
    assert!(status == 403 && again.contains("Nothing was removed"), "{status} {again}");
    assert!(codes(&installation, "198.18.0.25").contains(&2));

    let sent = format!("token={}", field(&again, "token"));
    let answer = installation.exchange("POST /ip/198.18.0.25/removal", &[], sent.as_bytes());
    let receipt = answer.split("location: ").nth(1).and_then(|rest| rest.lines().next()).unwrap_or_default();
    assert!(
        answer.starts_with("HTTP/1.1 303") && receipt.starts_with("/ip/198.18.0.25/removal?receipt="),
        "{answer}"
    );
    assert!(codes(&installation, "198.18.0.25").is_empty());
    let (status, page) = installation.get(receipt).unwrap();
    assert!(
        status == 200 && page.contains("198.18.0.25 was removed") && page.contains("2026-01-02T12:11:00Z"),
        "{page}"
    );
    for wrong in [
        &receipt[..receipt.len() - 1],
        &receipt.replace(".0.25", ".0.26"),
        "/ip/198.18.0.25/removal?receipt=",
    ] {
        assert_eq!(installation.get(wrong).unwrap().0, 404, "{wrong}");
    }
    assert_eq!(installation.get("/ip/198.18.0.25/removal").unwrap().0, 303);
    for page in [&page, &confirmation, &again] {
        for inline in ["<script", "onclick=", "<style", "style="] {
            assert!(!page.contains(inline), "{inline}: {page}");
        }
    }
    // The journal's places are no business of the public.
    let (status, body) = removed(&installation, "198.18.0.25");
    assert_eq!((status, body["code"].as_str()), (404, Some("not_listed")));
    server.stop();
}

/// A relay that was removed three times waits four days, whoever asks; RFC 6471 §2.2.5 asks that a
/// repaired one does not.
#[test]
fn a_passed_verification_lifts_the_lock() {
    let installation = Installation::new();
    let zone = fs::read_to_string(installation.path().join("zones/backscatter.toml")).unwrap();
    let asking = zone.replace("verification = \"off\"", "verification = \"required\"");
    assert_ne!(zone, asking);
    fs::write(installation.path().join("zones/backscatter.toml"), asking).unwrap();
    // The relay is a client of this server itself, by a proxy, so that it asks from its own network.
    installation.configure("[http]\n", "[http]\nproxies = [\"127.0.0.0/8\"]\n");
    let server = installation.start();
    installation.add_traps();
    let relay = "198.18.0.25";
    let listed = || codes(&installation, relay).contains(&2);
    let api = format!("POST /api/v1/addresses/{relay}/removal");
    let from = |client: &str| installation.request(&api, &[JSON, ("X-Forwarded-For", client)], b"");
    let until_listed = || {
        let found = crate::support::happens_within(std::time::Duration::from_secs(30), listed);
        assert!(found, "{}", installation.ok(&["explain", relay]));
    };
    for round in 0..4 {
        installation.make_cases(&[relay], round);
        until_listed();
        if round < 3 {
            installation.ok(&["advance", "24h"]);
            let (status, body) = from(relay);
            assert_eq!(status, 200, "round {round}: {body}");
        }
    }
    let (_, page) = installation.get(&format!("/ip/{relay}")).unwrap();
    assert!(
        page.contains("about once a day this list asks") && page.contains("takes all recipients"),
        "{page}"
    );
    assert!(!page.contains("<form"), "{page}");
    for client in [relay, "198.18.0.200", "203.0.113.7"] {
        let (status, body) = from(client);
        assert!(
            status == 429 && body.contains("removed_before") && body.contains("refuse recipients"),
            "{client}: {body}"
        );
    }
    server.stop();
    // The mail servers refuse all recipients from now on: no repair, but a veto.
    for addresses in ["198.18.0.0/15", "2001:db8::/32"] {
        let host = format!("addresses = \"{addresses}\"\n");
        installation.configure(&host, &format!("{host}answers = \"refuses-all\"\n"));
    }
    let server = installation.start();
    installation.ok(&["advance", "25h"]);
    let free = || installation.get(&format!("/ip/{relay}")).unwrap().1.contains("<form");
    let lifted = crate::support::happens_within(std::time::Duration::from_secs(30), free);
    assert!(lifted && listed(), "{}", installation.ok(&["explain", relay]));
    assert_eq!(from("203.0.113.7").0, 200);
    assert!(!listed());
    server.stop();
}

/// Every network stays below its limit, and none is refused.
#[test]
fn a_mass_removal_from_many_networks_alarms_and_passes() {
    let installation = Installation::new();
    installation.configure("[http]\n", "[http]\nproxies = [\"127.0.0.0/8\"]\n");
    let server = installation.start();
    installation.add_traps();
    let relays: Vec<String> = (0..51).map(|nth| format!("198.18.{}.{}", nth / 6, nth % 6 + 1)).collect();
    installation.make_cases(&relays, 0);
    installation.ok(&["release", "--why", "a test"]);
    let api = |relay: &str| format!("POST /api/v1/addresses/{relay}/removal");
    for (nth, relay) in relays.iter().enumerate() {
        assert!(codes(&installation, relay).contains(&2), "{relay}");
        assert!(!server.log().contains("self-service removals"), "removal {nth}");
        let client = format!("192.0.2.1, 203.0.{}.9", nth % 3);
        let (status, body) = installation.request(&api(relay), &[JSON, ("X-Forwarded-For", &client)], b"");
        assert_eq!(status, 200, "removal {nth}: {body}");
    }
    let told = server.log();
    assert_eq!(told.matches("more than 50 self-service removals within an hour").count(), 1, "{told}");
    let metrics = installation.control_get("/metrics");
    for line in ["rate=\"usual\"} 50", "rate=\"mass\"} 1"] {
        assert!(metrics.contains(&format!("backscatterd_self_removals_total{{{line}")), "{metrics}");
    }
    let audit = installation.ok(&["audit", "198.18.0.2"]);
    assert!(audit.contains("self-service from 203.0.1.0/24: removed 198.18.0.2"), "{audit}");
    server.stop();
}

#[test]
fn one_network_uses_up_its_own_removals_only() {
    let installation = Installation::new();
    installation.configure("[http]\n", "[http]\nproxies = [\"127.0.0.0/8\"]\nremovals_per_client_max = 1\n");
    let server = installation.start();
    installation.add_traps();
    let relays: Vec<String> = (1..=3).map(|nth| format!("198.18.0.{nth}")).collect();
    installation.make_cases(&relays, 0);
    let ask = |relay: &str, client: &str| {
        let head = format!("POST /api/v1/addresses/{relay}/removal");
        installation.request(&head, &[JSON, ("X-Forwarded-For", client)], b"").0
    };
    assert_eq!(ask(&relays[0], "203.0.113.1"), 200);
    // The relay's own network is no exception.
    assert_eq!([ask(&relays[1], "203.0.113.99"), ask(&relays[1], "198.18.0.2")], [429, 200]);
    assert_eq!(ask(&relays[2], "198.18.0.3"), 429);
    server.stop();
}

#[test]
fn every_response_tells_browsers_what_it_may_do() {
    let installation = Installation::new();
    let server = installation.start();
    for (head, status) in [
        ("GET /", 200),
        ("GET /ip/198.18.0.25", 200),
        ("GET /ip/nonsense", 400),
        ("POST /ip/198.18.0.25/removal", 404),
        ("GET /ip/198.18.0.25/removal", 303),
        ("GET /style.css", 200),
        ("GET /nowhere", 404),
        ("DELETE /", 405),
        ("OPTIONS /api/v1/addresses/198.18.0.25/removal", 405),
        ("GET /api/v1/addresses/198.18.0.25", 200),
        ("GET /api/v1/donor", 401),
        ("GET /api/v1/openapi.json", 200),
        ("GET /healthz", 200),
    ] {
        let answer = installation.exchange(head, &[("Origin", "https://evil.example")], b"");
        let (headers, _) = answer.split_once("\r\n\r\n").unwrap();
        let headers = headers.to_ascii_lowercase();
        let status = if head.starts_with("POST") { 403 } else { status };
        assert!(headers.starts_with(&format!("http/1.1 {status}")), "{head}: {headers}");
        for header in [
            "content-security-policy: default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: same-origin",
            "x-frame-options: deny",
            "cross-origin-resource-policy: same-origin",
            if head.contains("style") { "cache-control: max-age=3600" } else { "cache-control: no-store" },
        ] {
            assert_eq!(headers.matches(header).count(), 1, "{head}: {header}: {headers}");
        }
        for absent in ["\r\nserver:", "access-control-", "set-cookie", "x-powered-by"] {
            assert!(!headers.contains(absent), "{head}: {absent}: {headers}");
        }
    }
    server.stop();
}
