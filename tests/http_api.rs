//! Tests of the public pages and the API: what they show, and what they must not show.

use std::collections::BTreeSet;
use std::time::Duration;

use backscatterd::http::{DecisionRequest, RequestedDecision};
use serde_json::{Map, Value, json};

use crate::support::happens_within;
use crate::support::messages::report;
use crate::support::server::Installation;

#[test]
fn what_anyone_may_know_of_an_address() {
    let installation = Installation::new();
    let server = installation.start();
    installation.ok(&["trap", "add", "trap-one.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    installation.ok(&["trap", "add", "trap-two.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    installation.make_case("198.18.0.25");

    let (status, body) = installation.get("/api/v1/addresses/198.18.0.25").unwrap();
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &told["listed"]), (200, &Value::Bool(true)));
    let zone = &told["zones"][0];
    assert_eq!(zone["answer"], "127.0.0.34");
    assert_eq!(zone["query"], "25.0.18.198.bl.backscatter.example.");
    let code = &zone["codes"][0];
    assert_eq!((&code["value"], &code["name"]), (&Value::from(2), &Value::from("dsn")));
    for time in ["since", "until"] {
        let time = code[time].as_str().unwrap();
        assert!(time.ends_with(":00:00Z"), "the time is finer than the hour: {time}");
    }

    let (status, page) = installation.get("/ip/198.18.0.25").unwrap();
    assert_eq!(status, 200);
    assert!(page.contains("Listed as a source of backscatter") && page.contains("550"), "{page}");
    // The public pages reveal no trap and no counts.
    for text in [&page, &body] {
        for secret in [
            "trap-one",
            "trap-two",
            "points",
            "failed_recipient",
            "entry",
            "injector_network",
            "192.0.2.44",
            "u1@",
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }

    let (_, clear) = installation.get("/api/v1/addresses/198.18.0.26").unwrap();
    let clear: Value = serde_json::from_str(&clear).unwrap();
    assert_eq!(clear["listed"], false);
    assert_eq!(clear["special_purpose"], "benchmarking (RFC 2544)");
    let (status, page) = installation.get("/ip/9.9.9.9").unwrap();
    assert!(status == 200 && page.contains("Not listed") && !page.contains("How to fix it"));

    for wrong in
        ["/api/v1/addresses/nonsense", "/ip/%3Cscript%3E", "/api/v1/addresses/1.2.3.4.5", "/?address=x"]
    {
        let (status, body) = installation.get(wrong).unwrap();
        assert_eq!(status, 400, "{wrong}");
        assert!(body.contains("is not an IPv4 or IPv6 address"), "{wrong}: {body}");
    }
    server.stop();
}

#[test]
fn health_and_metrics() {
    let installation = Installation::new();
    let server = installation.start();
    installation.ok(&["trap", "add", "trap-one.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    installation.ok(&["trap", "add", "trap-two.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    installation.make_case("198.18.0.25");
    assert_eq!(installation.get("/healthz").unwrap(), (200, "ok\n".to_owned()));
    let (status, ready) = installation.monitoring("/readyz");
    assert_eq!(status, 200);
    assert!(ready.starts_with("zones 1, journal at "), "{ready}");
    let metrics = installation.metrics();
    for line in [
        "backscatterd_evidence_total{kind=\"dsn-failed\"} 6",
        "backscatterd_messages_total{outcome=\"durable\"} 6",
        "backscatterd_changes_total{change=\"listed\"} 1",
        "backscatterd_zone_entries{zone=\"bl.backscatter.example.\"} 1",
        "process_resident_memory_bytes",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert_eq!(installation.control_get("/metrics").lines().count(), metrics.lines().count());
    assert_eq!(installation.monitoring("/ip/198.18.0.25").0, 404, "no pages beside the metrics");
    server.stop();
}

#[test]
fn the_public_server_tells_nothing_that_one_report_moves() {
    let installation = Installation::new();
    let server = installation.start();
    installation.ok(&["trap", "add", "trap-one.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    assert_eq!(installation.get("/metrics").unwrap().0, 404);
    let paths = [
        "/",
        "/healthz",
        "/readyz",
        "/ip/198.18.0.25",
        "/api/v1/addresses/198.18.0.25",
        "/api/v1/addresses/198.18.0.25/history",
        "/api/v1/notes",
    ];
    let public = || paths.map(|path| installation.get(path).unwrap());
    let entries = || installation.monitoring("/readyz").1;
    let (before, journal) = (public(), entries());
    let mut smtp = installation.smtp_from("198.18.0.25").unwrap();
    smtp.say("EHLO relay.example").unwrap();
    let message = report("a@trap-one.example", "u@relay.example", "192.0.2.44", 1);
    assert!(smtp.deliver("", "a@trap-one.example", &message).unwrap().starts_with("250"));
    let settled = || entries().split_once("fold at ").is_some_and(|(head, fold)| head.contains(fold.trim()));
    assert!(happens_within(Duration::from_secs(20), settled), "{}", entries());
    assert_ne!(entries(), journal);
    assert_eq!(public(), before);
    assert!(before.iter().all(|(status, _)| *status == 200), "{before:?}");
    server.stop();
}

#[test]
fn the_operators_verbs_are_not_for_the_public() {
    let installation = Installation::new();
    let server = installation.start();
    for path in ["/control/v1/traps", "/control/v1/zones", "/control/v1/explain/198.18.0.25"] {
        assert_eq!(installation.get(path).unwrap().0, 404, "{path}");
    }
    let socket = installation.path().join("control.sock");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    server.stop();
}

#[test]
fn the_judge_by_itself_takes_a_message_and_keeps_nothing() {
    let installation = Installation::new();
    let server = installation.start();
    let sample = include_bytes!("samples/rfc3464/postfix-3.7-trap-bernd.eml");
    let ready = installation.monitoring("/readyz").1;
    let path = "/api/v1/classify?reverse_path=%3C%3E&client=198.51.100.101&trap=sales@trap.example";
    let (status, body) = installation.post(path, sample).unwrap();
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &told["kind"], &told["format"]),
        (200, &"dsn-failed".into(), &"rfc3464".into()),
        "{body}"
    );
    assert_eq!(told["original_sender"], "sales@trap.example");
    assert!(told["reasons"].as_array().unwrap().len() >= 2 && told["doubts"].is_array());

    let (status, body) = installation.post("/api/v1/classify", b"").unwrap();
    assert_eq!(status, 200);
    assert!(body.contains("\"unknown\""), "an empty message has the kind unknown: {body}");
    for (wrong, want) in [("client=nonsense", 400), ("trap=nonsense", 400)] {
        assert_eq!(
            installation.post(&format!("/api/v1/classify?{wrong}"), sample).unwrap().0,
            want,
            "{wrong}"
        );
    }
    let (status, _) = installation.post("/api/v1/classify", &vec![b'x'; (1 << 20) + 1]).unwrap();
    assert!(status == 413 || status == 0, "a message beyond the size limit was not refused: {status}");
    assert_eq!(installation.monitoring("/readyz").1, ready, "the journal changed");
    server.stop();
}

#[test]
fn every_error_has_one_shape() {
    let installation = Installation::new();
    let server = installation.start();
    let json = ("Content-Type", "application/json");
    let wrong = ("Authorization", "Bearer wrong");
    let foreign = ("Origin", "https://other.example");
    for (head, headers, body, want) in [
        ("GET /nowhere", vec![], "", (404, "unknown_path")),
        ("GET /control/v1/zones", vec![], "", (404, "unknown_path")),
        ("DELETE /", vec![], "", (405, "method_not_allowed")),
        ("PUT /api/v1/decisions", vec![], "", (405, "method_not_allowed")),
        ("GET /ip/nonsense", vec![], "", (400, "invalid_value")),
        ("GET /ip/%FF", vec![], "", (400, "invalid_path")),
        ("GET /?address=nonsense", vec![], "", (400, "invalid_value")),
        ("POST /api/v1/classify?client=nonsense", vec![], "", (400, "invalid_query")),
        ("POST /api/v1/addresses/198.18.0.25/removal", vec![json], "", (404, "not_listed")),
        ("POST /api/v1/addresses/198.18.0.25/removal", vec![], "", (415, "unsupported_media_type")),
        ("POST /api/v1/addresses/198.18.0.25/removal", vec![json, foreign], "", (403, "foreign_origin")),
        // The token comes before everything else, also before the body.
        ("POST /api/v1/decisions", vec![json], "{", (401, "no_valid_token")),
        ("POST /api/v1/decisions", vec![json, wrong], "{", (401, "no_valid_token")),
        ("POST /api/v1/traps", vec![json, wrong], "{", (401, "no_valid_token")),
        ("POST /api/v1/reports?client=nonsense", vec![wrong], "", (401, "no_valid_token")),
    ] {
        let (status, body) = installation.request(head, &headers, body.as_bytes());
        let told: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{head}: {body}"));
        assert_eq!((status, told["code"].as_str()), (want.0, Some(want.1)), "{head}: {body}");
        assert!(!told["error"].as_str().unwrap().is_empty(), "{head}: {body}");
        assert_eq!(told.as_object().unwrap().len(), 2, "{head}: {body}");
    }
    server.stop();
}

/// `openapi.json` describes every decision with its parameters.
#[test]
fn every_decision_is_read_as_it_is_described() {
    let api: Value = serde_json::from_str(include_str!("../src/http/api/openapi.json")).unwrap();
    let body = &api["paths"]["/api/v1/decisions"]["post"]["requestBody"]["content"]["application/json"];
    let mut described = BTreeSet::new();
    for form in body["schema"]["oneOf"].as_array().unwrap() {
        let properties = form["properties"].as_object().unwrap();
        let value = |of: &Value| of.get("const").or(of.get("example")).unwrap().clone();
        let mut sent: Map<String, Value> =
            properties.iter().map(|(key, of)| (key.clone(), value(of))).collect();
        described.insert(sent["decision"].as_str().unwrap().to_owned());
        sent.extend([("by".to_owned(), json!("op")), ("why".to_owned(), json!("a test"))]);
        let read: DecisionRequest = serde_json::from_value(Value::Object(sent.clone()))
            .unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!(serde_json::to_value(&read).unwrap(), Value::Object(sent));
    }
    // The error names every decision that could have been sent.
    let unknown = serde_json::from_value::<RequestedDecision>(json!({ "decision": "?" })).unwrap_err();
    let known = unknown.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect();
    assert_eq!(described, known, "openapi.json and RequestedDecision differ");
}
