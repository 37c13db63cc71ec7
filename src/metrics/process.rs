//! What the process itself uses, under the names that every Prometheus client has for it.

use procfs::process::{LimitValue, Process, Stat};
use procfs::{ProcResult, boot_time_secs, page_size, ticks_per_second};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};

/// The `process_*` metrics, read from /proc each time the metrics are asked for.
pub(super) struct ProcessCollector {
    cpu_seconds: Counter,
    open_fds: Gauge,
    max_fds: Gauge,
    virtual_memory: Gauge,
    resident_memory: Gauge,
    start_time: Gauge,
    threads: Gauge,
}

impl ProcessCollector {
    pub(super) fn new() -> Self {
        let gauge = |name: &str, help: &str| Gauge::new(name, help).expect("a plain name");
        ProcessCollector {
            cpu_seconds: Counter::new(
                "process_cpu_seconds_total",
                "CPU time that the process has used, in user and system mode",
            )
            .expect("a plain name"),
            open_fds: gauge("process_open_fds", "Open file descriptors"),
            max_fds: gauge("process_max_fds", "Limit of open file descriptors"),
            virtual_memory: gauge("process_virtual_memory_bytes", "Virtual memory"),
            resident_memory: gauge("process_resident_memory_bytes", "Resident memory"),
            start_time: gauge(
                "process_start_time_seconds",
                "When the process was started, in seconds since 1970",
            ),
            threads: gauge("process_threads", "Threads of the process"),
        }
    }

    /// Reads what /proc says now.
    fn refresh(&self) -> ProcResult<()> {
        let process = Process::myself()?;
        let Stat { utime, stime, starttime, vsize, rss, num_threads, .. } = process.stat()?;
        let ticks = ticks_per_second() as f64;
        let used = (utime + stime) as f64 / ticks;
        // Two readers at one time: the second one finds the counter raised already.
        self.cpu_seconds.inc_by((used - self.cpu_seconds.get()).max(0.0));
        self.start_time.set(boot_time_secs()? as f64 + starttime as f64 / ticks);
        self.virtual_memory.set(vsize as f64);
        self.resident_memory.set((rss * page_size()) as f64);
        self.threads.set(num_threads as f64);
        self.open_fds.set(process.fd_count()? as f64);
        if let LimitValue::Value(limit) = process.limits()?.max_open_files.soft_limit {
            self.max_fds.set(limit as f64);
        }
        Ok(())
    }

    fn gauges(&self) -> [&Gauge; 6] {
        let ProcessCollector {
            cpu_seconds: _,
            open_fds,
            max_fds,
            virtual_memory,
            resident_memory,
            start_time,
            threads,
        } = self;
        [open_fds, max_fds, virtual_memory, resident_memory, start_time, threads]
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = self.gauges().into_iter().flat_map(Collector::desc);
        self.cpu_seconds.desc().into_iter().chain(gauges).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // A system without /proc has none of these.
        if self.refresh().is_err() {
            return Vec::new();
        }
        let gauges = self.gauges().into_iter().flat_map(Collector::collect);
        self.cpu_seconds.collect().into_iter().chain(gauges).collect()
    }
}
