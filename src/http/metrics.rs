//! Metrics in the Prometheus text format. There are few series, and none is about a person.
//! docs/capacity.md says what to alert on.

use std::fmt::{Display, Write};

use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::App;
use super::directory::age_days;
use super::server::unrouted_counts;
use crate::releases::Live;
use crate::{log, panics};

/// Returns all metrics, in Prometheus text format 0.0.4.
pub(super) fn answer(live: &Live, service: &App) -> Response {
    let mut text = Text::default();
    requests(&mut text, service);
    datasets(&mut text, live);
    process(&mut text);
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], text.0).into_response()
}

fn requests(text: &mut Text, service: &App) {
    let gate = &service.gate;
    text.begin(
        "catchment_requests_total",
        "counter",
        "Requests by scope (of API keys, or other) and class of status code.",
    );
    for (of, kind) in gate.figures.kinds() {
        for (status, count) in kind.by_status() {
            text.line("", &[("scope", of), ("status", status)], count);
        }
    }
    text.begin(
        "catchment_request_duration_seconds",
        "histogram",
        "Time from the head of a request to the head of its response, by scope.",
    );
    for (of, kind) in gate.figures.kinds() {
        let buckets = kind.no_longer_than();
        for (end, count) in &buckets {
            text.line("_bucket", &[("scope", of), ("le", end)], count);
        }
        text.line("_sum", &[("scope", of)], kind.duration_s());
        let all = buckets.last().map_or(0, |(_, count)| *count);
        text.line("_count", &[("scope", of)], all);
    }
    text.begin("catchment_requests_in_flight", "gauge", "Requests in progress, including queued ones, by class: look_up; body (with a request body); search; rendered (areas, tiles, maps, pages); ticket_download (waiting for a batch).");
    for (kind, count) in gate.under_way() {
        text.line("", &[("class", kind)], count);
    }
    text.begin(
        "catchment_batches_in_flight",
        "gauge",
        "Batches in progress.",
    );
    text.line("", &[], service.lists.under_way());
    text.begin(
        "catchment_batches_queued",
        "gauge",
        "Batches that wait in the queue.",
    );
    text.line("", &[], service.lists.queued());
    text.begin(
        "catchment_overloaded",
        "gauge",
        "Whether a look-up was rejected for lack of capacity in the last 10 s; the service is then not ready.",
    );
    text.line("", &[], u8::from(gate.refuses_look_ups()));
    text.begin("catchment_requests_rejected_total", "counter", "Rejected requests, by reason; invalid_http and connection_limit are those of the whole process.");
    for (reason, count) in gate.refused.counts().into_iter().chain(unrouted_counts()) {
        text.line("", &[("reason", reason)], count);
    }
    text.begin(
        "catchment_panics_total",
        "counter",
        "Panics; the log says where.",
    );
    text.line("", &[], panics::count());
    text.begin(
        "catchment_log_lines_dropped_total",
        "counter",
        "Log lines that were dropped because writing them was too slow or failed.",
    );
    text.line("", &[], log::dropped());
}

fn datasets(text: &mut Text, live: &Live) {
    let (reloads, failed) = live.counts();
    let releases = live.releases();
    text.begin(
        "catchment_reloads_total",
        "counter",
        "Reloads of the datasets, by outcome.",
    );
    text.line("", &[("outcome", "success")], reloads);
    text.line("", &[("outcome", "failure")], failed);
    text.begin(
        "catchment_degraded",
        "gauge",
        "Whether the last reload failed.",
    );
    text.line("", &[], u8::from(live.fault().is_some()));
    text.begin(
        "catchment_dataset_loaded_timestamp_seconds",
        "gauge",
        "When the datasets were last loaded.",
    );
    text.line("", &[], releases.loaded_at().as_second());
    text.begin(
        "catchment_dataset_postcodes",
        "gauge",
        "Postcodes of each loaded dataset.",
    );
    for index in releases.all() {
        let manifest = index.manifest();
        let labels = [("name", &*manifest.name), ("version", &*manifest.version)];
        text.line("", &labels, index.postcodes().len());
    }
    text.begin(
        "catchment_dataset_age_days",
        "gauge",
        "Days since the as-of date of each loaded dataset.",
    );
    for index in releases.all() {
        let manifest = index.manifest();
        let labels = [("name", &*manifest.name), ("version", &*manifest.version)];
        if let Some(days) = age_days(manifest) {
            text.line("", &labels, days);
        }
    }
}

/// The process metrics have the names that the Prometheus client libraries use.
fn process(text: &mut Text) {
    text.begin("catchment_build_info", "gauge", "The program's version.");
    text.line("", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    #[cfg(target_os = "linux")]
    for (name, kind, help, value) in [
        (
            "process_resident_memory_bytes",
            "gauge",
            "Memory in use.",
            linux::resident_bytes(),
        ),
        (
            "process_open_fds",
            "gauge",
            "File descriptors in use, mostly connections.",
            linux::descriptors(),
        ),
        (
            "process_max_fds",
            "gauge",
            "Maximum number of file descriptors.",
            linux::descriptors_max(),
        ),
        (
            "process_cpu_seconds_total",
            "counter",
            "CPU time used.",
            linux::cpu_s(),
        ),
    ] {
        if let Some(value) = value {
            text.begin(name, kind, help);
            text.line("", &[], value);
        }
    }
}

/// Metrics in text format, and the name of the current metric.
#[derive(Default)]
struct Text(String, &'static str);

impl Text {
    fn begin(&mut self, name: &'static str, kind: &str, help: &str) {
        self.1 = name;
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}")
            .expect("writing to a String");
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        write!(self.0, "{}{suffix}", self.1).expect("writing to a String");
        for (at, (name, label)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            write!(self.0, "{before}{name}=\"{}\"", escaped(label)).expect("writing to a String");
        }
        let after = if labels.is_empty() { "" } else { "}" };
        writeln!(self.0, "{after} {value}").expect("writing to a String");
    }
}

/// Escapes a label value. Prometheus has three escapes.
fn escaped(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(target_os = "linux")]
mod linux {
    //! Metrics of this process from the Linux kernel (`proc(5)`).

    use std::fs;

    /// `USER_HZ`, whatever the frequency of the kernel's own clock.
    const TICKS_A_SECOND: f64 = 100.0;

    pub(super) fn resident_bytes() -> Option<f64> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024.0)
    }

    pub(super) fn descriptors() -> Option<f64> {
        let count = fs::read_dir("/proc/self/fd").ok()?.count();
        // Except the one that reads the folder.
        u32::try_from(count).ok()?.checked_sub(1).map(f64::from)
    }

    pub(super) fn descriptors_max() -> Option<f64> {
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    pub(super) fn cpu_s() -> Option<f64> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The second field, a name in parentheses, may contain anything.
        let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
        Some((ticks(11)? + ticks(12)?) / TICKS_A_SECOND)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_kernel_tells() {
            assert!(resident_bytes().is_some_and(|it| it > 1e5));
            assert!(descriptors().is_some_and(|it| it >= 3.0));
            assert!(descriptors_max() > descriptors());
            assert!(cpu_s().is_some_and(|it| it >= 0.0));
        }
    }
}
