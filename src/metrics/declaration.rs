//! What a metric is called and means, and how it is made from that.

use std::fmt;

use prometheus::core::{Atomic, Collector, GenericCounter, GenericCounterVec, GenericGauge, GenericGaugeVec};
use prometheus::{Opts, Registry};

/// The name, the labels and the meaning of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricDeclaration {
    /// The whole name. The name of a counter ends in `_total`. Any other name ends in the unit, if
    /// the metric has one.
    pub name: &'static str,
    /// How the value moves.
    pub kind: MetricKind,
    /// The names of the labels.
    pub labels: &'static [&'static str],
    /// What the metric says, as its help text.
    pub meaning: &'static str,
}

/// How the value of a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// The value only grows.
    Counter,
    /// The value is a state, which goes up and down.
    Gauge,
    /// The metric counts values in buckets.
    Histogram,
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        })
    }
}

impl MetricDeclaration {
    /// Makes the metric and adds it to a registry.
    pub(super) fn register<M: DeclaredMetric>(&self, registry: &Registry) -> M {
        let metric = M::new(self).expect("a declaration has a plain name and plain labels");
        registry.register(Box::new(metric.clone())).expect("every name is declared once");
        metric
    }
}

/// A type of metric that is made from a declaration.
pub(super) trait DeclaredMetric: Collector + Clone + 'static {
    /// How the value of such a metric moves.
    const KIND: MetricKind;

    /// Makes the metric.
    ///
    /// # Errors
    /// When the name or a label is not a plain word.
    fn new(declared: &MetricDeclaration) -> prometheus::Result<Self>;
}

impl<P: Atomic + 'static> DeclaredMetric for GenericCounter<P> {
    const KIND: MetricKind = MetricKind::Counter;

    fn new(declared: &MetricDeclaration) -> prometheus::Result<Self> {
        GenericCounter::with_opts(Opts::new(declared.name, declared.meaning))
    }
}

impl<P: Atomic + 'static> DeclaredMetric for GenericCounterVec<P> {
    const KIND: MetricKind = MetricKind::Counter;

    fn new(declared: &MetricDeclaration) -> prometheus::Result<Self> {
        GenericCounterVec::new(Opts::new(declared.name, declared.meaning), declared.labels)
    }
}

impl<P: Atomic + 'static> DeclaredMetric for GenericGauge<P> {
    const KIND: MetricKind = MetricKind::Gauge;

    fn new(declared: &MetricDeclaration) -> prometheus::Result<Self> {
        GenericGauge::with_opts(Opts::new(declared.name, declared.meaning))
    }
}

impl<P: Atomic + 'static> DeclaredMetric for GenericGaugeVec<P> {
    const KIND: MetricKind = MetricKind::Gauge;

    fn new(declared: &MetricDeclaration) -> prometheus::Result<Self> {
        GenericGaugeVec::new(Opts::new(declared.name, declared.meaning), declared.labels)
    }
}

/// Declares a struct of metrics with their registry.
///
/// A field is a metric: its name is the metric's name after the prefix, its comment is the
/// metric's meaning, and the labels follow the type.
macro_rules! metrics {
    (
        $(#[$about:meta])*
        $vis:vis struct $group:ident, prefix $prefix:literal {
            $($(#[doc = $meaning:literal])+ $field_vis:vis $name:ident: $metric:ty, [$($label:literal),*];)*
        }
    ) => {
        $(#[$about])*
        $vis struct $group {
            registry: prometheus::Registry,
            $($(#[doc = $meaning])+ $field_vis $name: $metric,)*
        }

        impl $group {
            /// The declarations of all metrics of the struct.
            pub(super) const DECLARED: &'static [crate::metrics::declaration::MetricDeclaration] = &[
                $(crate::metrics::declaration::metrics!(@one $prefix, $name, $metric, [$($label),*], $($meaning),+),)*
            ];

            fn registered() -> Self {
                let registry = prometheus::Registry::new();
                $(
                    let declared = crate::metrics::declaration::metrics!(
                        @one $prefix, $name, $metric, [$($label),*], $($meaning),+
                    );
                    let $name = declared.register::<$metric>(&registry);
                )*
                $group { registry, $($name),* }
            }
        }
    };
    (@one $prefix:literal, $name:ident, $metric:ty, [$($label:literal),*], $($meaning:literal),+) => {
        crate::metrics::declaration::MetricDeclaration {
            name: concat!($prefix, stringify!($name)),
            kind: <$metric as crate::metrics::declaration::DeclaredMetric>::KIND,
            labels: &[$($label),*],
            meaning: concat!($($meaning),+).trim_ascii(),
        }
    };
}

pub(super) use metrics;
