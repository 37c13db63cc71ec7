//! What the process itself uses, under the names that every Prometheus client has for it.

use std::sync::OnceLock;

use procfs::process::{LimitValue, Process, Stat};
use procfs::{ProcResult, boot_time_secs, page_size, ticks_per_second};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};

use super::declaration::metrics;

metrics! {
    /// The `process_*` metrics, read from /proc each time the metrics are asked for.
    pub(super) struct ProcessMetrics, prefix "" {
        /// CPU time that the process has used, in user and system mode.
        process_cpu_seconds_total: Counter, [];
        /// Open file descriptors.
        process_open_fds: Gauge, [];
        /// Limit of open file descriptors.
        process_max_fds: Gauge, [];
        /// Virtual memory.
        process_virtual_memory_bytes: Gauge, [];
        /// Resident memory.
        process_resident_memory_bytes: Gauge, [];
        /// When the process was started, in seconds since 1970-01-01 UTC.
        process_start_time_seconds: Gauge, [];
        /// Threads of the process.
        process_threads: Gauge, [];
    }
}

/// When the system was booted, in seconds since 1970-01-01 UTC, as it was first read: the system
/// computes it from its clock, so it changes when the clock is set.
static BOOTED: OnceLock<Option<u64>> = OnceLock::new();

/// The metrics as /proc has them now. A system without /proc has none.
pub(super) fn gather() -> Vec<MetricFamily> {
    let metrics = ProcessMetrics::registered();
    if metrics.fill().is_err() {
        return Vec::new();
    }
    metrics.registry.gather()
}

impl ProcessMetrics {
    /// Reads what /proc says now. A file that can't be read leaves its metrics at 0.
    fn fill(&self) -> ProcResult<()> {
        let process = Process::myself()?;
        if let Ok(Stat { utime, stime, starttime, vsize, rss, num_threads, .. }) = process.stat() {
            let ticks = ticks_per_second() as f64;
            self.process_cpu_seconds_total.inc_by((utime + stime) as f64 / ticks);
            if let Some(booted) = BOOTED.get_or_init(|| boot_time_secs().ok()) {
                self.process_start_time_seconds.set(*booted as f64 + starttime as f64 / ticks);
            }
            self.process_virtual_memory_bytes.set(vsize as f64);
            self.process_resident_memory_bytes.set((rss * page_size()) as f64);
            self.process_threads.set(num_threads as f64);
        }
        if let Ok(open) = process.fd_count() {
            self.process_open_fds.set(open as f64);
        }
        if let Ok(limits) = process.limits()
            && let LimitValue::Value(limit) = limits.max_open_files.soft_limit
        {
            self.process_max_fds.set(limit as f64);
        }
        Ok(())
    }
}
