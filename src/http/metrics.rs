//! Metrics in the Prometheus text format. There are few time series, and none identifies a person.
//! docs/operators/capacity.md describes what to alert on.

use std::fmt::{Display, Write};

use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::App;
use super::server::unrouted_counts;
use super::status::age_days;
use crate::dataset_store::DatasetStore;
use crate::{log, panics};

/// Returns all metrics, in Prometheus text format 0.0.4.
pub(super) fn metrics_response(dataset_store: &DatasetStore, app: &App) -> Response {
    let mut text = PrometheusText::default();
    write_request_metrics(&mut text, app);
    write_dataset_metrics(&mut text, dataset_store);
    write_process_metrics(&mut text);
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], text.0).into_response()
}

fn write_request_metrics(text: &mut PrometheusText, app: &App) {
    let admission_control = &app.admission_control;
    text.begin_family(
        "catchment_requests_total",
        "counter",
        "Number of requests, by scope of the API keys (or other) and class of status code.",
    );
    for (route_class, route_metrics) in admission_control.metrics.by_route_class() {
        for (status, count) in route_metrics.by_status() {
            text.sample("", &[("scope", route_class), ("status", status)], count);
        }
    }
    text.begin_family(
        "catchment_request_duration_seconds",
        "histogram",
        "Time from the arrival of the request headers to the response headers, by scope.",
    );
    for (route_class, route_metrics) in admission_control.metrics.by_route_class() {
        let buckets = route_metrics.cumulative_buckets();
        for (end, count) in &buckets {
            text.sample("_bucket", &[("scope", route_class), ("le", end)], count);
        }
        text.sample(
            "_sum",
            &[("scope", route_class)],
            route_metrics.total_duration_s(),
        );
        let total = buckets.last().map_or(0, |(_, count)| *count);
        text.sample("_count", &[("scope", route_class)], total);
    }
    text.begin_family("catchment_requests_in_flight", "gauge", "Number of requests in progress, including queued requests, by class: look_up; body (with a request body); search; rendered (areas, tiles, maps, pages); ticket_download (waiting for a batch).");
    for (request_class, count) in admission_control.in_flight() {
        text.sample("", &[("class", request_class)], count);
    }
    text.begin_family(
        "catchment_batches_in_flight",
        "gauge",
        "Number of batches in progress.",
    );
    text.sample("", &[], app.batch_jobs.active_count());
    text.begin_family(
        "catchment_batches_queued",
        "gauge",
        "Number of batches in the queue.",
    );
    text.sample("", &[], app.batch_jobs.queued_count());
    text.begin_family(
        "catchment_overloaded",
        "gauge",
        "1 if a look-up was rejected for lack of capacity in the last 10 s, so that the service is not ready; otherwise 0.",
    );
    text.sample("", &[], u8::from(admission_control.is_rejecting_look_ups()));
    text.begin_family("catchment_requests_rejected_total", "counter", "Number of rejected requests, by reason; invalid_http and connection_limit are counted for all listeners of the process together.");
    for (reason, count) in admission_control
        .rejections
        .counts()
        .into_iter()
        .chain(unrouted_counts())
    {
        text.sample("", &[("reason", reason)], count);
    }
    text.begin_family(
        "catchment_panics_total",
        "counter",
        "Number of panics; the log contains the location of each panic.",
    );
    text.sample("", &[], panics::count());
    text.begin_family(
        "catchment_log_lines_dropped_total",
        "counter",
        "Number of log lines that were dropped because writing them was too slow or failed.",
    );
    text.sample("", &[], log::dropped());
}

fn write_dataset_metrics(text: &mut PrometheusText, dataset_store: &DatasetStore) {
    let (reloads, failed) = dataset_store.reload_counts();
    let releases = dataset_store.datasets();
    text.begin_family(
        "catchment_reloads_total",
        "counter",
        "Number of reloads of the datasets, by outcome.",
    );
    text.sample("", &[("outcome", "success")], reloads);
    text.sample("", &[("outcome", "failure")], failed);
    text.begin_family(
        "catchment_degraded",
        "gauge",
        "1 if the last reload failed; otherwise 0.",
    );
    text.sample("", &[], u8::from(dataset_store.last_error().is_some()));
    text.begin_family(
        "catchment_dataset_loaded_timestamp_seconds",
        "gauge",
        "Time at which the datasets were last loaded.",
    );
    text.sample("", &[], releases.loaded_at().as_second());
    text.begin_family(
        "catchment_dataset_postcodes",
        "gauge",
        "Number of postcodes in each loaded dataset.",
    );
    for index in releases.all() {
        let manifest = index.manifest();
        let labels = [("name", &*manifest.name), ("version", &*manifest.version)];
        text.sample("", &labels, index.postcodes().len());
    }
    text.begin_family(
        "catchment_dataset_age_days",
        "gauge",
        "Days since the as-of date of each loaded dataset.",
    );
    for index in releases.all() {
        let manifest = index.manifest();
        let labels = [("name", &*manifest.name), ("version", &*manifest.version)];
        if let Some(days) = age_days(manifest) {
            text.sample("", &labels, days);
        }
    }
}

/// Writes the process metrics, with the names that the Prometheus client libraries use.
fn write_process_metrics(text: &mut PrometheusText) {
    text.begin_family("catchment_build_info", "gauge", "Version of the program.");
    text.sample("", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    #[cfg(target_os = "linux")]
    for (name, metric_type, help, value) in [
        (
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory.",
            linux::resident_bytes(),
        ),
        (
            "process_open_fds",
            "gauge",
            "Number of open file descriptors, most of which are connections.",
            linux::open_fds(),
        ),
        (
            "process_max_fds",
            "gauge",
            "Maximum number of open file descriptors.",
            linux::max_fds(),
        ),
        (
            "process_cpu_seconds_total",
            "counter",
            "User and system CPU time.",
            linux::cpu_seconds(),
        ),
    ] {
        if let Some(value) = value {
            text.begin_family(name, metric_type, help);
            text.sample("", &[], value);
        }
    }
}

/// Metrics in text format, and the name of the current metric.
#[derive(Default)]
struct PrometheusText(String, &'static str);

impl PrometheusText {
    fn begin_family(&mut self, name: &'static str, metric_type: &str, help: &str) {
        self.1 = name;
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {metric_type}")
            .expect("writing to a String");
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        write!(self.0, "{}{suffix}", self.1).expect("writing to a String");
        for (index, (name, label)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            write!(self.0, "{before}{name}=\"{}\"", escape_label(label))
                .expect("writing to a String");
        }
        let after = if labels.is_empty() { "" } else { "}" };
        writeln!(self.0, "{after} {value}").expect("writing to a String");
    }
}

/// Escapes a label value. In the text format of Prometheus, three characters need to be escaped.
fn escape_label(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(target_os = "linux")]
mod linux {
    //! Metrics of this process, read from the Linux kernel (`proc(5)`).

    use std::fs;

    /// The value of `USER_HZ`, which does not depend on the frequency of the kernel's own clock.
    const TICKS_PER_SECOND: f64 = 100.0;

    pub(super) fn resident_bytes() -> Option<f64> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024.0)
    }

    pub(super) fn open_fds() -> Option<f64> {
        let count = fs::read_dir("/proc/self/fd").ok()?.count();
        // The descriptor that reads this folder is not counted.
        u32::try_from(count).ok()?.checked_sub(1).map(f64::from)
    }

    pub(super) fn max_fds() -> Option<f64> {
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
            assert!(resident_bytes().is_some_and(|bytes| bytes > 1e5));
            assert!(open_fds().is_some_and(|count| count >= 3.0));
            assert!(max_fds() > open_fds());
            assert!(cpu_seconds().is_some_and(|seconds| seconds >= 0.0));
        }
    }
}
