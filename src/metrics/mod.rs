//! Every metric: its name, its help, its unit (in the name). The edges count; the core returns facts.

mod dns;
mod process;

use std::sync::Arc;

pub use dns::{DnsMetrics, Dropped, Outcome, Tally};
use prometheus::{Encoder, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::blocklist::{Change, Changes, Standing};
use crate::classify::Kind;
use crate::evidence::Offset;
use crate::time::Timestamp;
use crate::zone::Snapshot;

/// The prefix of every name.
const NAMESPACE: &str = "backscatterd";

pub struct Metrics {
    registry: Registry,
    pub smtp_sessions: IntGauge,
    pub smtp_sessions_total: IntCounter,
    pub smtp_refused_total: IntCounterVec,
    pub smtp_replies_total: IntCounterVec,
    pub smtp_tls_total: IntCounterVec,
    pub smtp_left_total: IntCounterVec,
    pub smtp_tarpitted_total: IntCounter,
    evidence_total: IntCounterVec,
    observations_total: IntCounterVec,
    pub messages_total: IntCounterVec,
    pub http_unauthorized_total: IntCounter,
    entries_applied_total: IntCounter,
    changes_total: IntCounterVec,
    fold_offset: IntGauge,
    fold_time_seconds: IntGauge,
    listed_addresses: IntGaugeVec,
    zone_serial: IntGaugeVec,
    held_listings: IntGaugeVec,
    frozen: IntGauge,
    exemptions: IntGauge,
    exemptions_overdue: IntGauge,
    audit_records: IntGauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    pub fn new() -> Self {
        let registry = Registry::new();
        let r = &registry;
        let metrics = Metrics {
            smtp_sessions: gauge(r, "smtp_sessions", "SMTP sessions open now"),
            smtp_sessions_total: counter(r, "smtp_sessions_total", "SMTP sessions begun"),
            smtp_refused_total: counters(
                r,
                "smtp_refused_total",
                "Connections refused before a session",
                "reason",
            ),
            smtp_replies_total: counters(r, "smtp_replies_total", "SMTP replies by code", "code"),
            smtp_tls_total: counters(
                r,
                "smtp_tls_total",
                "TLS sessions begun, by version, or failed",
                "version",
            ),
            smtp_left_total: counters(
                r,
                "smtp_left_total",
                "Clients that named a trap and left without a message, by how it was taken",
                "how",
            ),
            smtp_tarpitted_total: counter(
                r,
                "smtp_tarpitted_total",
                "Replies that a client was made to wait for",
            ),
            messages_total: counters(r, "messages_total", "Messages by what became of them", "outcome"),
            http_unauthorized_total: counter(
                r,
                "http_unauthorized_total",
                "Requests without a token that is known",
            ),
            evidence_total: counters(r, "evidence_total", "Evidence made durable, by kind", "kind"),
            observations_total: counters(
                r,
                "observations_total",
                "What was asked of the DNS about relays, by how much of it was answered",
                "outcome",
            ),
            entries_applied_total: counter(
                r,
                "entries_applied_total",
                "Journal entries folded by this process",
            ),
            changes_total: counters(r, "changes_total", "What entries brought about", "change"),
            fold_offset: gauge(r, "fold_offset", "Offset of the last entry folded"),
            fold_time_seconds: gauge(r, "fold_time_seconds", "The fold's time in seconds since 1970"),
            listed_addresses: gauges(r, "listed_addresses", "Addresses and ranges listed", "zone"),
            zone_serial: gauges(r, "zone_serial", "Serial of the zone", "zone"),
            held_listings: gauges(r, "held_listings", "New listings that wait for a release", "zone"),
            frozen: gauge(r, "frozen", "1 while nothing is added to any zone"),
            exemptions: gauge(r, "exemptions", "Addresses and networks that are never listed"),
            exemptions_overdue: gauge(r, "exemptions_overdue", "Exemptions whose date of review has passed"),
            audit_records: gauge(r, "audit_records", "Records of the audit so far"),
            registry,
        };
        register(&metrics.registry, process::ProcessCollector::new());
        metrics
    }

    pub fn evidence(&self, kind: Kind) {
        self.evidence_total.with_label_values(&[kind.name()]).inc();
    }

    /// One inquiry: `whole`, `partial` or `dropped`.
    pub fn observation(&self, outcome: &str) {
        self.observations_total.with_label_values(&[outcome]).inc();
    }

    /// Takes the name server's numbers in.
    ///
    /// # Panics
    /// If it has taken some in already: a process has one name server.
    pub fn serve_dns(&self, dns: &Arc<DnsMetrics>) {
        register(&self.registry, dns::Shared(Arc::clone(dns)));
    }

    pub fn applied(&self, changes: &Changes) {
        self.entries_applied_total.inc();
        for change in &changes.list {
            let name = match change {
                // Whether a report counted tells which addresses are seeded: nobody may read that off a metric.
                Change::Counted { .. } | Change::Ignored { .. } | Change::Burned => continue,
                Change::Listed { .. } => "listed",
                Change::Extended { .. } => "extended",
                Change::Ended { .. } => "ended",
                Change::Held { .. } => "held",
                Change::Shrinking { .. } => "shrinking",
                Change::Decided => "decided",
                Change::Traps => "traps",
                Change::Zone { .. } => "zone",
            };
            self.changes_total.with_label_values(&[name]).inc();
        }
    }

    pub fn published(&self, offset: Offset, time: Timestamp, snapshot: &Snapshot) {
        self.fold_offset.set(i64::try_from(offset.number()).unwrap_or(i64::MAX));
        self.fold_time_seconds.set(time.seconds());
        for zone in snapshot.zones() {
            let origin = zone.config.apex.origin.to_string();
            let entries = i64::try_from(zone.entries.len()).unwrap_or(i64::MAX);
            self.listed_addresses.with_label_values(&[&origin]).set(entries);
            self.zone_serial.with_label_values(&[&origin]).set(i64::from(zone.serial));
        }
    }

    /// How the list stands as a whole.
    pub fn standing(&self, standing: &Standing, zones: &Snapshot) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        for zone in zones.zones() {
            let origin = zone.config.apex.origin.to_string();
            let held = standing.held.get(&origin).copied().unwrap_or(0);
            self.held_listings.with_label_values(&[&origin]).set(count(held));
        }
        self.frozen.set(i64::from(standing.frozen));
        self.exemptions.set(count(standing.exemptions.len()));
        let overdue = standing.exemptions.values().filter(|exemption| exemption.review_by < zones.time);
        self.exemptions_overdue.set(count(overdue.count()));
        self.audit_records.set(i64::try_from(standing.audit.number).unwrap_or(i64::MAX));
    }

    /// The text exposition format.
    pub fn expose(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut octets) {
            tracing::error!(%error, "metrics can't be written");
        }
        octets
    }
}

fn register(registry: &Registry, collector: impl prometheus::core::Collector + 'static) {
    registry.register(Box::new(collector)).expect("the names in this file are distinct");
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(NAMESPACE)
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    let counter = IntCounter::with_opts(opts(name, help)).expect("a plain name");
    register(registry, counter.clone());
    counter
}

fn counters(registry: &Registry, name: &str, help: &str, label: &str) -> IntCounterVec {
    let counters = IntCounterVec::new(opts(name, help), &[label]).expect("a plain name and label");
    register(registry, counters.clone());
    counters
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = IntGauge::with_opts(opts(name, help)).expect("a plain name");
    register(registry, gauge.clone());
    gauge
}

fn gauges(registry: &Registry, name: &str, help: &str, label: &str) -> IntGaugeVec {
    let gauges = IntGaugeVec::new(opts(name, help), &[label]).expect("a plain name and label");
    register(registry, gauges.clone());
    gauges
}
