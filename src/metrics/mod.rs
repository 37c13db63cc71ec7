//! All Prometheus metrics of the process, with their names, labels and meanings.
//!
//! `docs/METRICS.md` is made from the declarations in this module.

mod declaration;
mod dns;
mod process;

use std::sync::Arc;

pub use declaration::{MetricDeclaration, MetricKind};
pub use dns::{AnswerOutcome, DnsMetrics, DropReason, PendingCounts};
use prometheus::{Encoder, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, TextEncoder};

use self::declaration::metrics;
use self::process::ProcessMetrics;
use crate::blocklist::{ListChange, ListChanges, ListStatus};
use crate::classify::Kind;
use crate::evidence::Offset;
use crate::time::Timestamp;
use crate::zone::Snapshot;

metrics! {
    /// The metrics of the process, except for those of the name server, which
    /// [`Metrics::serve_dns`] adds.
    pub struct Metrics, prefix "backscatterd_" {
        /// Open SMTP and LMTP sessions.
        pub(crate) smtp_sessions: IntGauge, [];
        /// SMTP and LMTP sessions started.
        pub(crate) smtp_sessions_total: IntCounter, [];
        /// SMTP connections refused before a session, by reason.
        pub(crate) smtp_refused_total: IntCounterVec, ["reason"];
        /// SMTP replies, by their code.
        pub(crate) smtp_replies_total: IntCounterVec, ["code"];
        /// TLS handshakes of SMTP sessions. The version is `1.2`, `1.3` or `failed`.
        pub(crate) smtp_tls_total: IntCounterVec, ["version"];
        /// SMTP clients that named a trap and sent no message. The reason is `callout`, `slow` (the
        /// client had to wait for a reply) or `interrupted` (the connection broke).
        pub(crate) smtp_abandoned_total: IntCounterVec, ["reason"];
        /// SMTP replies that the server delayed on purpose.
        pub(crate) smtp_delayed_replies_total: IntCounter, [];
        /// Recipients whose answers were delayed because the client's network had named many recipients that
        /// were refused. The outcome is `later`, or `closed` if the session ended without an answer.
        pub(crate) smtp_slowed_recipients_total: IntCounterVec, ["outcome"];
        /// Messages received. The outcome is `durable`, or `later` if the client must send the
        /// message again.
        pub(crate) messages_total: IntCounterVec, ["outcome"];
        /// HTTP requests without a valid token.
        pub(crate) http_unauthorized_total: IntCounter, [];
        /// Addresses removed by self-service. The rate is `mass` for those beyond 50 within an hour,
        /// else `usual`. None is refused for its rate.
        pub(crate) self_removals_total: IntCounterVec, ["rate"];
        /// Messages that donors handed on although the recipient is no trap of theirs.
        pub(crate) wrong_recipients_total: IntCounter, [];
        /// Evidence written to the journal, by its kind.
        evidence_total: IntCounterVec, ["kind"];
        /// Inquiries of the DNS about evidence. The outcome is `whole`, `partial` (the server asks
        /// again later) or `deferred` (there was no place, so the server asks at a later time).
        observations_total: IntCounterVec, ["outcome"];
        /// Inquiries of the DNS about evidence, by state: `waiting`, `behind` (waiting behind the
        /// others, because servers gave no answer before), `running` or `resting` (until they are
        /// repeated).
        inquiries: IntGaugeVec, ["state"];
        /// Verifications, by what they found: `refuses-unknown`, `refuses`, `takes-all` or `no-answer`.
        verifications_total: IntCounterVec, ["finding"];
        /// Journal entries folded by this process.
        entries_applied_total: IntCounter, [];
        /// Changes caused by journal entries, by their kind.
        changes_total: IntCounterVec, ["change"];
        /// Offset of the last journal entry folded.
        fold_offset: IntGauge, [];
        /// Time of the fold, in seconds since 1970-01-01 UTC.
        fold_timestamp_seconds: IntGauge, [];
        /// Addresses and ranges that a zone lists.
        zone_entries: IntGaugeVec, ["zone"];
        /// Serial of a zone's SOA record.
        zone_serial: IntGaugeVec, ["zone"];
        /// New listings of a zone that are held. The guard is `freeze`, `zone` (the limit on additions
        /// in an hour) or `site` (the share of one site). Those of a site begin by themselves while few
        /// sites wait; the others wait for a release.
        listings_held: IntGaugeVec, ["zone", "guard"];
        /// Sites of a zone whose share of the additions holds listings. While more than 10 sites wait,
        /// their listings wait for a release too.
        sites_waiting: IntGaugeVec, ["zone"];
        /// 1 while the list is frozen and nothing is added to any zone, else 0.
        frozen: IntGauge, [];
        /// Exempted addresses and networks, which are never listed.
        exemptions: IntGauge, [];
        /// Exemptions whose review date has passed.
        exemptions_overdue: IntGauge, [];
        /// Records in the audit log.
        audit_records: IntGauge, [];
    }
}

/// The declarations of all metrics that the program exposes.
pub fn declared() -> impl Iterator<Item = &'static MetricDeclaration> {
    Metrics::DECLARED.iter().chain(DnsMetrics::DECLARED).chain(ProcessMetrics::DECLARED)
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    /// Creates and registers all metrics.
    pub fn new() -> Self {
        Metrics::registered()
    }

    /// Counts evidence written to the journal.
    pub fn evidence(&self, kind: Kind) {
        self.evidence_total.with_label_values(&[kind.name()]).inc();
    }

    /// Sets the number of inquiries in a state: `waiting`, `behind`, `running` or `resting`.
    pub fn inquiries(&self, state: &str, number: usize) {
        self.inquiries.with_label_values(&[state]).set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// Counts one inquiry. `outcome` is `whole`, `partial` or `deferred`.
    pub fn observation(&self, outcome: &str) {
        self.observations_total.with_label_values(&[outcome]).inc();
    }

    /// Counts one verification. `finding` is what it found, by its name.
    pub fn verification(&self, finding: &str) {
        self.verifications_total.with_label_values(&[finding]).inc();
    }

    /// Adds the name server's metrics to the exposition.
    ///
    /// # Panics
    /// When called twice: a process has one name server.
    pub fn serve_dns(&self, dns: &Arc<DnsMetrics>) {
        let shared = dns::SharedDnsMetrics(Arc::clone(dns));
        self.registry.register(Box::new(shared)).expect("a process has one name server");
    }

    /// Counts a folded journal entry and its changes.
    pub fn applied(&self, changes: &ListChanges) {
        self.entries_applied_total.inc();
        for change in &changes.list {
            let name = match change {
                ListChange::Counted { .. } => "counted",
                ListChange::Unverified { .. } => "unverified",
                ListChange::Verified { .. } => "verified",
                ListChange::Ignored { .. } => "ignored",
                ListChange::Burned => "burned",
                ListChange::Listed { .. } => "listed",
                ListChange::Extended { .. } => "extended",
                ListChange::Published { .. } => "published",
                ListChange::Ended { .. } => "ended",
                ListChange::Held { .. } => "held",
                ListChange::Crowded { .. } => "crowded",
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
        self.fold_timestamp_seconds.set(time.seconds());
        for zone in snapshot.zones() {
            let origin = zone.config.apex.origin.to_string();
            let entries = i64::try_from(zone.entries.len()).unwrap_or(i64::MAX);
            self.zone_entries.with_label_values(&[&origin]).set(entries);
            self.zone_serial.with_label_values(&[&origin]).set(i64::from(zone.serial));
        }
    }

    /// Sets the gauges that describe the state of the whole list.
    pub fn standing(&self, standing: &ListStatus, zones: &Snapshot) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        for zone in zones.zones() {
            let origin = zone.config.apex.origin.to_string();
            let held = standing.held.get(&origin).copied().unwrap_or_default();
            for (guard, number) in [("freeze", held.freeze), ("zone", held.zone), ("site", held.site)] {
                self.listings_held.with_label_values(&[origin.as_str(), guard]).set(count(number));
            }
            self.sites_waiting.with_label_values(&[&origin]).set(count(held.sites));
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
        let families = [self.registry.gather(), process::gather()].concat();
        if let Err(error) = TextEncoder::new().encode(&families, &mut octets) {
            tracing::error!(%error, "cannot encode metrics");
        }
        octets
    }
}
