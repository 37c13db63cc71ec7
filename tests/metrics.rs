//! Tests of the metrics: `docs/METRICS.md` describes them, and the program exposes no others.

use std::collections::BTreeMap;
use std::sync::Arc;

use backscatterd::metrics::{DnsMetrics, MetricDeclaration, MetricKind, Metrics, declared};
use backscatterd::zone::DomainName;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/METRICS.md");
const HEAD: &str = "# Metrics

<!-- Made from the declarations in src/metrics by BACKSCATTERD_GOLDEN=1 cargo test --test promises metrics -->

`/metrics` shows these metrics in the text format of Prometheus, on the addresses in `metrics.listen` and on the control
socket. The public HTTP server does not show them: metrics move with every report, so their readers could find out which
addresses are traps. No metric contains the address of a client, a trap or an address that was asked about.

| metric | type | labels | meaning |
|---|---|---|---|
";

fn row(declared: &MetricDeclaration) -> String {
    let MetricDeclaration { name, kind, labels, meaning } = declared;
    let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
    format!("| `{name}` | {kind} | {} | {meaning} |\n", labels.join(", "))
}

#[test]
fn the_page_describes_every_metric() {
    let page = HEAD.to_owned() + &declared().map(row).collect::<String>();
    if std::env::var_os("BACKSCATTERD_GOLDEN").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let written = std::fs::read_to_string(PAGE).unwrap();
    assert!(
        written == page,
        "docs/METRICS.md differs from the declarations in src/metrics; write it again with \
         BACKSCATTERD_GOLDEN=1 cargo test --test promises metrics"
    );
}

#[test]
fn every_name_says_how_the_value_moves() {
    for MetricDeclaration { name, kind, .. } in declared() {
        assert_eq!(name.ends_with("_total"), *kind == MetricKind::Counter, "{name}");
        let is_time = name.ends_with("_seconds");
        assert!(is_time || *kind != MetricKind::Histogram, "{name} does not end in its unit");
        assert_eq!(declared().filter(|other| other.name == *name).count(), 1, "{name} is declared twice");
    }
}

#[test]
fn what_is_exposed_is_declared() {
    let dns =
        Arc::new(DnsMetrics::new(vec![DomainName::parse("bl.example").unwrap()], vec!["key".to_owned()]));
    let mut counts = dns.tally("udp");
    counts.took(1, 1);
    counts.flush();
    let metrics = Metrics::new();
    metrics.serve_dns(&dns);
    metrics.observation("whole");
    let text = String::from_utf8(metrics.expose()).unwrap();
    let exposed: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let kinds: BTreeMap<&str, String> =
        declared().map(|declared| (declared.name, declared.kind.to_string())).collect();
    for (name, kind) in &exposed {
        assert_eq!(kinds.get(name).map(String::as_str), Some(*kind), "{name}");
    }
    // A metric with labels is exposed from its first count on.
    for MetricDeclaration { name, labels, .. } in declared() {
        assert!(!labels.is_empty() || exposed.contains_key(name), "{name} is declared and not exposed");
    }
    for name in declared().map(|declared| declared.name).filter(|name| name.contains("_dns_")) {
        assert!(exposed.contains_key(name), "{name} is declared and not exposed");
    }
}
