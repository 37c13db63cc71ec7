//! Metrics of the name server. Each thread counts for itself; the counts are summed when metrics
//! are collected.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::declaration::{MetricDeclaration, MetricKind};
use crate::zone::DomainName;
use crate::zone::numbers::{TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_MX, TYPE_NS, TYPE_SOA, TYPE_TXT};

/// The response to a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// Records of a name below a zone's origin.
    Listed,
    /// Records of a zone's origin.
    Apex,
    /// NOERROR without records (RFC 2308 §2.2).
    NoData,
    /// NXDOMAIN.
    NameError,
    /// REFUSED.
    Refused,
    /// SERVFAIL.
    ServFail,
    /// FORMERR.
    FormErr,
    /// NOTIMP.
    NotImp,
    /// BADVERS (RFC 6891 §6.1.3).
    BadVers,
    /// BADCOOKIE (RFC 7873).
    BadCookie,
    /// An empty response with TC set, because of response rate limiting.
    Slipped,
}

/// Why a message got no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The client is not permitted to query.
    Access,
    /// A rate limit was exceeded.
    Limit,
    /// The message is not a query, so no response may be sent.
    Malformed,
    /// The source port of the message belongs to a service that responds to any message, which
    /// could cause a loop.
    Port,
    /// The message needs the slow parser, and too many such messages are waiting.
    Queue,
    /// The network did not accept the response.
    Unsent,
}

/// Outcomes with their label values.
const OUTCOMES: [(AnswerOutcome, &str); 11] = [
    (AnswerOutcome::Listed, "listed"),
    (AnswerOutcome::Apex, "apex"),
    (AnswerOutcome::NoData, "nodata"),
    (AnswerOutcome::NameError, "nxdomain"),
    (AnswerOutcome::Refused, "refused"),
    (AnswerOutcome::ServFail, "servfail"),
    (AnswerOutcome::FormErr, "formerr"),
    (AnswerOutcome::NotImp, "notimp"),
    (AnswerOutcome::BadVers, "badvers"),
    (AnswerOutcome::BadCookie, "badcookie"),
    (AnswerOutcome::Slipped, "slipped"),
];
/// Reasons with their label values.
const DROPS: [(DropReason, &str); 6] = [
    (DropReason::Access, "access"),
    (DropReason::Limit, "limit"),
    (DropReason::Malformed, "malformed"),
    (DropReason::Port, "port"),
    (DropReason::Queue, "queue"),
    (DropReason::Unsent, "unsent"),
];
/// Query types with their label values (RFC 1035 §3.2.2 and later). The last one stands for all
/// others.
const TYPES: [(u16, &str); 8] = [
    (TYPE_A, "A"),
    (TYPE_AAAA, "AAAA"),
    (TYPE_TXT, "TXT"),
    (TYPE_SOA, "SOA"),
    (TYPE_NS, "NS"),
    (TYPE_ANY, "ANY"),
    (TYPE_MX, "MX"),
    (0, "other"),
];
const COOKIES: [&str; 2] = ["valid", "other"];
/// Upper bounds of the latency buckets in microseconds. Longer times are counted in an additional
/// last bucket.
const LATENCY: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 100_000];

const ANSWERS: MetricDeclaration = MetricDeclaration {
    name: "backscatterd_dns_answers_total",
    kind: MetricKind::Counter,
    labels: &["zone", "transport", "answer"],
    meaning: "DNS queries, by zone, transport and answer.",
};
const QUESTIONS: MetricDeclaration = MetricDeclaration {
    name: "backscatterd_dns_questions_total",
    kind: MetricKind::Counter,
    labels: &["zone", "transport", "type"],
    meaning: "DNS queries, by zone, transport and type.",
};
const DROPPED: MetricDeclaration = MetricDeclaration {
    name: "backscatterd_dns_dropped_total",
    kind: MetricKind::Counter,
    labels: &["transport", "reason"],
    meaning: "DNS messages without a response, by reason.",
};
const WITH_COOKIE: MetricDeclaration = MetricDeclaration {
    name: "backscatterd_dns_cookies_total",
    kind: MetricKind::Counter,
    labels: &["transport", "state"],
    meaning: "DNS queries with a cookie. The state is `valid` or `other`.",
};
const WITH_KEY: MetricDeclaration = MetricDeclaration {
    name: "backscatterd_dns_keys_total",
    kind: MetricKind::Counter,
    labels: &["key"],
    meaning: "DNS queries with a key in the name, by the key.",
};
const RESPONSE_TIME: MetricDeclaration = MetricDeclaration {
    name: "backscatterd_dns_response_seconds",
    kind: MetricKind::Histogram,
    labels: &["transport"],
    meaning: "Time from reading a batch of UDP queries until its responses were sent.",
};

/// The counts of all threads of the name server.
pub struct DnsMetrics {
    layout: CountLayout,
    lanes: Mutex<Vec<Arc<TransportCounts>>>,
    families: Vec<Desc>,
}

/// A zone's origin as text and in wire format.
struct CountedZone {
    name: String,
    wire: Vec<u8>,
}

/// The index of each count in the array of cells.
#[derive(Clone)]
struct CountLayout {
    zones: Arc<[CountedZone]>,
    keys: Arc<[String]>,
}

/// The counts of one thread, or of a few threads, over one transport.
pub(super) struct TransportCounts {
    transport: &'static str,
    layout: CountLayout,
    cells: Box<[AtomicU64]>,
}

/// Counts of one thread that are not added to the shared counts yet.
pub struct PendingCounts {
    lane: Arc<TransportCounts>,
    cells: Box<[u64]>,
}

impl CountLayout {
    /// The index of a zone. Queries for names in no zone have the index after the last zone.
    fn zone(&self, zone: Option<usize>) -> usize {
        zone.filter(|zone| *zone < self.zones.len()).unwrap_or(self.zones.len())
    }

    fn outcome(&self, zone: usize, nth: usize) -> usize {
        zone * OUTCOMES.len() + nth
    }

    fn query_type(&self, zone: usize, nth: usize) -> usize {
        self.outcome(self.zones.len() + 1, 0) + zone * TYPES.len() + nth
    }

    fn dropped(&self, nth: usize) -> usize {
        self.query_type(self.zones.len() + 1, 0) + nth
    }

    fn cookie(&self, nth: usize) -> usize {
        self.dropped(DROPS.len()) + nth
    }

    fn latency(&self, nth: usize) -> usize {
        self.cookie(COOKIES.len()) + nth
    }

    /// The sum of all times in microseconds.
    fn latency_sum(&self) -> usize {
        self.latency(LATENCY.len() + 1)
    }

    fn key(&self, nth: usize) -> usize {
        self.latency_sum() + 1 + nth
    }

    fn cells(&self) -> usize {
        self.key(self.keys.len())
    }
}

impl PendingCounts {
    /// Counts a query: its zone's place (`None` for names in no zone), its type and its outcome.
    pub fn answered(&mut self, zone: Option<usize>, query_type: u16, outcome: AnswerOutcome) {
        let zone = self.lane.layout.zone(zone);
        let nth = TYPES.iter().position(|(number, _)| *number == query_type).unwrap_or(TYPES.len() - 1);
        self.cells[self.lane.layout.outcome(zone, outcome as usize)] += 1;
        self.cells[self.lane.layout.query_type(zone, nth)] += 1;
    }

    /// Counts messages without a response.
    pub fn dropped(&mut self, why: DropReason, count: u64) {
        self.cells[self.lane.layout.dropped(why as usize)] += count;
    }

    /// Counts a query with a DNS cookie, valid or not.
    pub fn cookie(&mut self, valid: bool) {
        self.cells[self.lane.layout.cookie(usize::from(!valid))] += 1;
    }

    /// Counts a query with a key in its name, by the key's index.
    pub fn key(&mut self, nth: usize) {
        self.cells[self.lane.layout.key(nth)] += 1;
    }

    /// Counts `count` messages that were each answered after `microseconds`.
    pub fn took(&mut self, microseconds: u64, count: u64) {
        let nth = LATENCY.iter().position(|bound| microseconds <= *bound).unwrap_or(LATENCY.len());
        self.cells[self.lane.layout.latency(nth)] += count;
        self.cells[self.lane.layout.latency_sum()] += microseconds * count;
    }

    /// Adds the counts to the shared counts and resets them.
    pub fn flush(&mut self) {
        for (cell, of_lane) in self.cells.iter_mut().zip(&self.lane.cells).filter(|(cell, _)| **cell != 0) {
            of_lane.fetch_add(std::mem::take(cell), Ordering::Relaxed);
        }
    }
}

impl DnsMetrics {
    /// The declarations of the name server's metrics.
    pub(super) const DECLARED: &'static [MetricDeclaration] =
        &[ANSWERS, QUESTIONS, DROPPED, WITH_COOKIE, WITH_KEY, RESPONSE_TIME];

    /// Metrics for zones, by their origins, and for keys, by their names.
    pub fn new(zones: Vec<DomainName>, keys: Vec<String>) -> Self {
        let zones =
            zones.into_iter().map(|zone| CountedZone { name: zone.to_string(), wire: zone.to_wire() });
        let desc = |declared: &MetricDeclaration| {
            let labels = declared.labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(declared.name.to_owned(), declared.meaning.to_owned(), labels, HashMap::new())
                .expect("a plain name and labels")
        };
        DnsMetrics {
            layout: CountLayout { zones: zones.collect(), keys: keys.into() },
            lanes: Mutex::default(),
            families: DnsMetrics::DECLARED.iter().map(desc).collect(),
        }
    }

    /// The index of a zone by its origin in wire format; `None` for a zone that did not exist at
    /// the start.
    pub fn zone(&self, origin: &[u8]) -> Option<usize> {
        self.layout.zones.iter().position(|zone| zone.wire == origin)
    }

    /// A tally for one more thread or task.
    pub fn tally(&self, transport: &'static str) -> PendingCounts {
        let zeros = || (0..self.layout.cells()).map(|_| 0u64);
        let cells = zeros().map(AtomicU64::new).collect();
        let lane = Arc::new(TransportCounts { transport, layout: self.layout.clone(), cells });
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&lane));
        PendingCounts { lane, cells: zeros().collect() }
    }

    /// The sums of all lanes of each transport.
    fn sums(&self) -> Vec<(&'static str, Vec<u64>)> {
        let mut sums: Vec<(&'static str, Vec<u64>)> = Vec::new();
        for lane in self.lanes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let at =
                sums.iter().position(|(transport, _)| *transport == lane.transport).unwrap_or_else(|| {
                    sums.push((lane.transport, vec![0; self.layout.cells()]));
                    sums.len() - 1
                });
            for (sum, cell) in sums[at].1.iter_mut().zip(&lane.cells) {
                *sum += cell.load(Ordering::Relaxed);
            }
        }
        sums
    }
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

fn metric(declared: &MetricDeclaration, values: &[&str]) -> Metric {
    let mut metric = Metric::default();
    metric.set_label(declared.labels.iter().zip(values).map(|(name, value)| label(name, value)).collect());
    metric
}

fn counter(declared: &MetricDeclaration, values: &[&str], count: u64) -> Metric {
    let (mut metric, mut counter) = (metric(declared, values), Counter::default());
    counter.set_value(count as f64);
    metric.set_counter(counter);
    metric
}

fn family(declared: &MetricDeclaration, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(declared.name.to_owned());
    family.set_help(declared.meaning.to_owned());
    family.set_field_type(match declared.kind {
        MetricKind::Counter => MetricType::COUNTER,
        MetricKind::Gauge => MetricType::GAUGE,
        MetricKind::Histogram => MetricType::HISTOGRAM,
    });
    family.set_metric(metrics);
    family
}

impl DnsMetrics {
    fn histogram(&self, transport: &str, cells: &[u64]) -> Option<Metric> {
        let mut histogram = Histogram::default();
        let mut sum = 0;
        let buckets = LATENCY.iter().enumerate().map(|(nth, bound)| {
            sum += cells[self.layout.latency(nth)];
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound as f64 / 1e6);
            bucket.set_cumulative_count(sum);
            bucket
        });
        histogram.set_bucket(buckets.collect());
        sum += cells[self.layout.latency(LATENCY.len())];
        histogram.set_sample_count(sum);
        histogram.set_sample_sum(cells[self.layout.latency_sum()] as f64 / 1e6);
        let mut metric = metric(&RESPONSE_TIME, &[transport]);
        metric.set_histogram(histogram);
        (sum > 0).then_some(metric)
    }
}

impl Collector for DnsMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.families.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (layout, sums) = (&self.layout, self.sums());
        let names: Vec<&str> = layout.zones.iter().map(|zone| zone.name.as_str()).chain(["none"]).collect();
        let [mut answers, mut types, mut drops, mut cookies, mut latencies] = [const { Vec::new() }; 5];
        let mut keys = vec![0; layout.keys.len()];
        for (transport, cells) in &sums {
            for (zone, name) in names.iter().enumerate() {
                for (nth, (_, answer)) in OUTCOMES.iter().enumerate() {
                    let count = cells[layout.outcome(zone, nth)];
                    answers.push(counter(&ANSWERS, &[name, transport, answer], count));
                }
                for (nth, (_, of_type)) in TYPES.iter().enumerate() {
                    let count = cells[layout.query_type(zone, nth)];
                    types.push(counter(&QUESTIONS, &[name, transport, of_type], count));
                }
            }
            for (nth, (_, reason)) in DROPS.iter().enumerate() {
                drops.push(counter(&DROPPED, &[transport, reason], cells[layout.dropped(nth)]));
            }
            for (nth, state) in COOKIES.iter().enumerate() {
                cookies.push(counter(&WITH_COOKIE, &[transport, state], cells[layout.cookie(nth)]));
            }
            latencies.extend(self.histogram(transport, cells));
            for (nth, key) in keys.iter_mut().enumerate() {
                *key += cells[layout.key(nth)];
            }
        }
        let keys =
            layout.keys.iter().zip(keys).map(|(name, count)| counter(&WITH_KEY, &[name], count)).collect();
        let mut families = vec![
            family(&ANSWERS, answers),
            family(&QUESTIONS, types),
            family(&DROPPED, drops),
            family(&WITH_COOKIE, cookies),
            family(&WITH_KEY, keys),
            family(&RESPONSE_TIME, latencies),
        ];
        families.retain(|family| !family.get_metric().is_empty());
        families
    }
}

/// A collector that the registry can own.
pub(super) struct SharedDnsMetrics(pub(super) Arc<DnsMetrics>);

impl Collector for SharedDnsMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.0.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_count_for_themselves_and_are_added_up() {
        let metrics =
            DnsMetrics::new(vec![DomainName::parse("bl.example").unwrap()], vec!["customer".to_owned()]);
        let (mut one, mut other) = (metrics.tally("udp"), metrics.tally("udp"));
        one.answered(Some(0), TYPE_A, AnswerOutcome::Listed);
        other.answered(Some(0), TYPE_A, AnswerOutcome::Listed);
        other.answered(None, 99, AnswerOutcome::Refused);
        other.dropped(DropReason::Limit, 3);
        other.took(7, 2);
        other.key(0);
        let sum = |cell| metrics.sums()[0].1[cell];
        let listed = metrics.layout.outcome(0, 0);
        assert!(
            metrics.sums().iter().all(|(_, cells)| cells.iter().all(|cell| *cell == 0)),
            "nothing is flushed yet"
        );
        one.flush();
        other.flush();
        other.flush();
        assert_eq!(sum(listed), 2);
        let registry = prometheus::Registry::new();
        registry.register(Box::new(SharedDnsMetrics(Arc::new(metrics)))).unwrap();
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            "backscatterd_dns_answers_total{zone=\"bl.example.\",transport=\"udp\",answer=\"listed\"} 2",
            "backscatterd_dns_answers_total{zone=\"none\",transport=\"udp\",answer=\"refused\"} 1",
            "backscatterd_dns_questions_total{zone=\"none\",transport=\"udp\",type=\"other\"} 1",
            "backscatterd_dns_dropped_total{transport=\"udp\",reason=\"limit\"} 3",
            "backscatterd_dns_keys_total{key=\"customer\"} 1",
            "backscatterd_dns_response_seconds_bucket{transport=\"udp\",le=\"0.00001\"} 2",
            "backscatterd_dns_response_seconds_count{transport=\"udp\"} 2",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
