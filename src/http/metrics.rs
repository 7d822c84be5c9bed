//! Metrics in the Prometheus text format. There are few time series, and no time series identifies
//! a person. docs/operators/capacity.md describes useful alerts.
//!
//! The metrics are registered when they are requested, because most values come from counters that
//! other modules use for their own purposes. prometheus-client appends `_total` to the names of
//! counters, and a full stop to the help of each metric.

use std::collections::BTreeMap;
use std::fmt;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, prometheus_text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use super::App;
use super::server::unrouted_counts;
use super::status::{age_days, known_problems};
use crate::ops::dataset_store::DatasetStore;
use crate::ops::{log, panics};
use catchment_core::domain::today_in_london;
use catchment_core::index::Index;

/// Returns all metrics, in Prometheus text format 0.0.4.
pub(super) fn metrics_response(dataset_store: &DatasetStore, app: &App) -> Response {
    let mut registry = Registry::default();
    register_request_metrics(&mut registry, app);
    register_dataset_metrics(&mut registry, dataset_store, app);
    register_source_ages(&mut registry, dataset_store);
    register_overdue_sources(&mut registry, dataset_store);
    register_process_metrics(&mut registry);
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).expect("writing to a String");
    let content_type = [(header::CONTENT_TYPE, prometheus_text::CONTENT_TYPE)];
    (content_type, text).into_response()
}

fn register_request_metrics(registry: &mut Registry, app: &App) {
    let admission_control = &app.admission_control;
    let by_route_class = || admission_control.metrics.by_route_class();
    let by_status = by_route_class().flat_map(|(route_class, route_metrics)| {
        let by_status = route_metrics.by_status();
        by_status.map(move |(status, count)| {
            let labels = [("scope", route_class), ("status", status)];
            (labels, ConstCounter::new(count))
        })
    });
    registry.register(
        "catchment_requests",
        "Number of requests, by scope of the API keys (or other) and class of status code",
        labelled(by_status),
    );
    let durations = by_route_class().map(|(route_class, route_metrics)| {
        ([("scope", route_class)], route_metrics.durations().clone())
    });
    registry.register(
        "catchment_request_duration_seconds",
        "Time from the arrival of the request headers to the response headers, by scope",
        labelled(durations),
    );
    let in_flight = admission_control.in_flight().into_iter();
    registry.register(
        "catchment_requests_in_flight",
        "Number of requests in progress, including queued requests, by class: look_up; body (with a request body); search; rendered (areas, tiles, maps, pages); ticket_download (waiting for a batch)",
        labelled(in_flight.map(|(class, count)| ([("class", class)], ConstGauge::new(count)))),
    );
    registry.register(
        "catchment_batches_in_flight",
        "Number of batches in progress",
        ConstGauge::new(app.batch_jobs.active_count()),
    );
    registry.register(
        "catchment_batches_queued",
        "Number of batches in the queue",
        ConstGauge::new(app.batch_jobs.queued_count()),
    );
    registry.register(
        "catchment_overloaded",
        "1 if a look-up was rejected for lack of capacity in the last 10 s, so the service is not ready; otherwise 0",
        ConstGauge::new(u32::from(admission_control.is_rejecting_look_ups())),
    );
    let rejections = admission_control.rejections.counts().into_iter();
    let rejections = rejections.chain(unrouted_counts());
    registry.register(
        "catchment_requests_rejected",
        "Number of rejected requests, by reason; invalid_http and connection_limit are counted for all listeners of the process together",
        labelled(rejections.map(|(reason, count)| ([("reason", reason)], ConstCounter::new(count)))),
    );
    registry.register(
        "catchment_panics",
        "Number of panics; the log contains the location of each panic",
        ConstCounter::new(panics::count()),
    );
    registry.register(
        "catchment_log_lines_dropped",
        "Number of log lines that were dropped because writing them was too slow or failed",
        ConstCounter::new(log::dropped()),
    );
}

fn register_dataset_metrics(registry: &mut Registry, dataset_store: &DatasetStore, app: &App) {
    let (reloads, failed) = dataset_store.reload_counts();
    let releases = dataset_store.datasets();
    let labels = |index: &Index| {
        let manifest = index.manifest();
        [
            ("name", manifest.name.clone()),
            ("version", manifest.version.clone()),
        ]
    };
    let reloads = [("success", reloads), ("failure", failed)].into_iter();
    registry.register(
        "catchment_reloads",
        "Number of reloads of the datasets, by outcome",
        labelled(
            reloads.map(|(outcome, count)| ([("outcome", outcome)], ConstCounter::new(count))),
        ),
    );
    registry.register(
        "catchment_degraded",
        "1 if the last reload failed or a source is older than --source-age-max; otherwise 0",
        ConstGauge::new(u32::from(
            !known_problems(app, releases.current().manifest()).is_empty(),
        )),
    );
    registry.register(
        "catchment_dataset_loaded_timestamp_seconds",
        "Time at which the datasets were last loaded",
        ConstGauge::new(releases.loaded_at().as_second()),
    );
    let postcodes = releases
        .all()
        .iter()
        .map(|index| (labels(index), ConstGauge::new(index.postcodes().len())));
    registry.register(
        "catchment_dataset_postcodes",
        "Number of postcodes in each loaded dataset",
        labelled(postcodes),
    );
    let ages = releases.all().iter().filter_map(|index| {
        let days = age_days(index.manifest())?;
        Some((labels(index), ConstGauge::new(days)))
    });
    registry.register(
        "catchment_dataset_age_days",
        "Days since the as-of date of each loaded dataset",
        labelled(ages),
    );
}

/// Registers the age of each source of the loaded datasets.
fn register_source_ages(registry: &mut Registry, dataset_store: &DatasetStore) {
    let today = today_in_london();
    let mut ages = Vec::new();
    for index in dataset_store.datasets().all() {
        let manifest = index.manifest();
        for source in manifest.dated_sources() {
            let labels = [
                ("name", manifest.name.clone()),
                ("version", manifest.version.clone()),
                ("source", source.key.to_string()),
            ];
            ages.push((labels, ConstGauge::new(source.date.as_of.age_days(today))));
        }
    }
    registry.register(
        "catchment_source_age_days",
        "Days since the date of the source of each part of each loaded dataset",
        labelled(ages),
    );
}

/// Registers the number of days since newer editions of the sources of the loaded datasets should
/// have been published.
fn register_overdue_sources(registry: &mut Registry, dataset_store: &DatasetStore) {
    let today = today_in_london();
    let mut overdue: BTreeMap<(String, String, String), i32> = BTreeMap::new();
    for index in dataset_store.datasets().all() {
        let manifest = index.manifest();
        for source in &manifest.sources {
            let Some(days) = source.timeliness(today).overdue_days() else {
                continue;
            };
            let labels = (&manifest.name, &manifest.version, &source.title);
            let labels = (labels.0.clone(), labels.1.clone(), labels.2.clone());
            // Two sources can have one title, and each series of labels must be unique.
            let longest = overdue.entry(labels).or_insert(days);
            *longest = days.max(*longest);
        }
    }
    let overdue = overdue.into_iter().map(|((name, version, title), days)| {
        let labels = [("name", name), ("version", version), ("title", title)];
        (labels, ConstGauge::new(days))
    });
    registry.register(
        "catchment_source_overdue_days",
        "Days since a newer edition of each source of each loaded dataset should have been \
         published; 0 for the newest edition, and missing if the frequency of the source is not \
         known",
        labelled(overdue),
    );
}

/// Registers the process metrics, with the names that the Prometheus client libraries use.
fn register_process_metrics(registry: &mut Registry) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    registry.register(
        "catchment_build_info",
        "Version of the program",
        labelled([(version, ConstGauge::new(1_u32))]),
    );
    #[cfg(target_os = "linux")]
    {
        let gauges = [
            (
                "process_resident_memory_bytes",
                "Resident memory",
                linux::resident_bytes(),
            ),
            (
                "process_open_fds",
                "Number of open file descriptors, most of which are connections",
                linux::open_fds(),
            ),
            (
                "process_max_fds",
                "Maximum number of open file descriptors",
                linux::max_fds(),
            ),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                registry.register(name, help, ConstGauge::new(value));
            }
        }
        if let Some(seconds) = linux::cpu_seconds() {
            let help = "User and system CPU time";
            registry.register("process_cpu_seconds", help, ConstCounter::new(seconds));
        }
    }
}

/// Metrics that have the same name and different labels.
#[derive(Debug)]
struct LabelledMetrics<L, M>(Vec<(L, M)>);

fn labelled<L, M>(metrics: impl IntoIterator<Item = (L, M)>) -> LabelledMetrics<L, M> {
    LabelledMetrics(metrics.into_iter().collect())
}

impl<L: EncodeLabelSet, M: EncodeMetric + TypedMetric> EncodeMetric for LabelledMetrics<L, M> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (labels, metric) in &self.0 {
            metric.encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }
}

#[cfg(target_os = "linux")]
mod linux {
    //! Metrics of this process, which are read from the Linux kernel (`proc(5)`).

    use std::fs;

    /// The value of `USER_HZ`, which does not depend on the frequency of the kernel's own clock.
    const TICKS_PER_SECOND: f64 = 100.0;

    pub(super) fn resident_bytes() -> Option<u64> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    }

    pub(super) fn open_fds() -> Option<u64> {
        let count = fs::read_dir("/proc/self/fd").ok()?.count();
        // Do not count the descriptor that reads this folder.
        u64::try_from(count).ok()?.checked_sub(1)
    }

    pub(super) fn max_fds() -> Option<u64> {
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    pub(super) fn cpu_seconds() -> Option<f64> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The second field, a name in parentheses, may contain any character.
        let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
        Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn proc_files_are_readable() {
            assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000));
            assert!(open_fds().is_some_and(|count| count >= 3));
            assert!(max_fds() > open_fds());
            assert!(cpu_seconds().is_some_and(|seconds| seconds >= 0.0));
        }
    }
}
