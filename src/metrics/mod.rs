//! All Prometheus metrics of the process, with their names, help texts and labels.

mod dns;
mod process;

use std::sync::Arc;

pub use dns::{AnswerOutcome, DnsMetrics, DropReason, PendingCounts};
use prometheus::{Encoder, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::blocklist::{ListChange, ListChanges, ListStatus};
use crate::classify::Kind;
use crate::evidence::Offset;
use crate::time::Timestamp;
use crate::zone::Snapshot;

/// The prefix of all metric names.
const NAMESPACE: &str = "backscatterd";

/// The metrics of the process, except for those of the name server, which [`Metrics::serve_dns`]
/// adds.
pub struct Metrics {
    registry: Registry,
    /// Open SMTP and LMTP sessions.
    pub smtp_sessions: IntGauge,
    /// Sessions started.
    pub smtp_sessions_total: IntCounter,
    /// Connections refused before a session; label `reason`.
    pub smtp_refused_total: IntCounterVec,
    /// Replies sent; label `code`.
    pub smtp_replies_total: IntCounterVec,
    /// TLS handshakes; label `version`: `1.2`, `1.3` or `failed`.
    pub smtp_tls_total: IntCounterVec,
    /// Clients that named a trap and sent no message; label `how`: `callout`, `slow` or
    /// `interrupted`.
    pub smtp_left_total: IntCounterVec,
    /// Replies that were delayed.
    pub smtp_tarpitted_total: IntCounter,
    evidence_total: IntCounterVec,
    observations_total: IntCounterVec,
    /// Messages received; label `outcome`.
    pub messages_total: IntCounterVec,
    /// HTTP requests without a valid token.
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
    /// Creates and registers all metrics.
    pub fn new() -> Self {
        let registry = Registry::new();
        let r = &registry;
        let metrics = Metrics {
            smtp_sessions: gauge(r, "smtp_sessions", "Open SMTP sessions"),
            smtp_sessions_total: counter(r, "smtp_sessions_total", "SMTP sessions started"),
            smtp_refused_total: counters(
                r,
                "smtp_refused_total",
                "SMTP connections refused before a session, by reason",
                "reason",
            ),
            smtp_replies_total: counters(r, "smtp_replies_total", "SMTP replies by code", "code"),
            smtp_tls_total: counters(
                r,
                "smtp_tls_total",
                "TLS handshakes of SMTP sessions, by TLS version, or failed",
                "version",
            ),
            smtp_left_total: counters(
                r,
                "smtp_left_total",
                "SMTP clients that named a trap and sent no message, by classification",
                "how",
            ),
            smtp_tarpitted_total: counter(r, "smtp_tarpitted_total", "SMTP replies that were delayed"),
            messages_total: counters(r, "messages_total", "Messages received, by outcome", "outcome"),
            http_unauthorized_total: counter(
                r,
                "http_unauthorized_total",
                "HTTP requests without a valid token",
            ),
            evidence_total: counters(r, "evidence_total", "Evidence written to the journal, by kind", "kind"),
            observations_total: counters(
                r,
                "observations_total",
                "DNS observations of relays, by completeness",
                "outcome",
            ),
            entries_applied_total: counter(
                r,
                "entries_applied_total",
                "Journal entries folded by this process",
            ),
            changes_total: counters(
                r,
                "changes_total",
                "Changes caused by journal entries, by kind",
                "change",
            ),
            fold_offset: gauge(r, "fold_offset", "Offset of the last journal entry folded"),
            fold_time_seconds: gauge(
                r,
                "fold_time_seconds",
                "Time of the fold in seconds since 1970-01-01 UTC",
            ),
            listed_addresses: gauges(r, "listed_addresses", "Listed addresses and ranges, by zone", "zone"),
            zone_serial: gauges(r, "zone_serial", "SOA serial, by zone", "zone"),
            held_listings: gauges(r, "held_listings", "New listings held until a release, by zone", "zone"),
            frozen: gauge(r, "frozen", "1 while the list is frozen and nothing is added to any zone, else 0"),
            exemptions: gauge(r, "exemptions", "Exempted addresses and networks, which are never listed"),
            exemptions_overdue: gauge(r, "exemptions_overdue", "Exemptions whose review date has passed"),
            audit_records: gauge(r, "audit_records", "Records in the audit log"),
            registry,
        };
        register(&metrics.registry, process::ProcessCollector::new());
        metrics
    }

    /// Counts evidence written to the journal.
    pub fn evidence(&self, kind: Kind) {
        self.evidence_total.with_label_values(&[kind.name()]).inc();
    }

    /// Counts one observation. `outcome` is `whole`, `partial` or `dropped`.
    pub fn observation(&self, outcome: &str) {
        self.observations_total.with_label_values(&[outcome]).inc();
    }

    /// Adds the name server's metrics to the exposition.
    ///
    /// # Panics
    /// When called twice: a process has one name server.
    pub fn serve_dns(&self, dns: &Arc<DnsMetrics>) {
        register(&self.registry, dns::SharedDnsMetrics(Arc::clone(dns)));
    }

    /// Counts a folded journal entry and its changes.
    pub fn applied(&self, changes: &ListChanges) {
        self.entries_applied_total.inc();
        for change in &changes.list {
            let name = match change {
                // Not counted, because metrics are public and these changes would reveal which
                // addresses are traps.
                ListChange::Counted { .. } | ListChange::Ignored { .. } | ListChange::Burned => continue,
                ListChange::Listed { .. } => "listed",
                ListChange::Extended { .. } => "extended",
                ListChange::Ended { .. } => "ended",
                ListChange::Held { .. } => "held",
                ListChange::Shrinking { .. } => "shrinking",
                ListChange::Decided => "decided",
                ListChange::Traps => "traps",
                ListChange::Zone { .. } => "zone",
            };
            self.changes_total.with_label_values(&[name]).inc();
        }
    }

    /// Sets the gauges that describe the fold and the published zones.
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

    /// Sets the gauges that describe the state of the whole list.
    pub fn standing(&self, standing: &ListStatus, zones: &Snapshot) {
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

    /// All metrics in Prometheus' text exposition format.
    pub fn expose(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut octets) {
            tracing::error!(%error, "cannot encode metrics");
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
