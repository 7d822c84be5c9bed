//! Counts and durations of requests, by class of route, so that there are few time series and none
//! identifies a person.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;

use crate::keys::Scope;

/// Upper bounds of the duration buckets, in seconds. A look-up takes about 0.0001 s, an area 0.01
/// s, and a static map 0.1 s. Requests time out after 30 s.
pub(super) const DURATION_BUCKETS: [(&str, Duration); 8] = [
    ("0.0005", Duration::from_micros(500)),
    ("0.001", Duration::from_millis(1)),
    ("0.005", Duration::from_millis(5)),
    ("0.025", Duration::from_millis(25)),
    ("0.1", Duration::from_millis(100)),
    ("0.5", Duration::from_millis(500)),
    ("2.5", Duration::from_millis(2_500)),
    ("30", Duration::from_secs(30)),
];

/// Classes of status codes. No response has a status outside 200 to 599.
pub(super) const STATUS_CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The number of classes of routes: one for each scope, and one for routes that never require a
/// key.
const ROUTE_CLASSES: usize = Scope::ALL.len() + 1;

/// Metrics of the requests since the service started.
#[derive(Default)]
pub(super) struct RequestMetrics {
    by_route_class: [RouteMetrics; ROUTE_CLASSES],
}

/// Metrics of one class of routes.
#[derive(Default)]
pub(super) struct RouteMetrics {
    by_status: [AtomicU64; STATUS_CLASSES.len()],
    /// Each request is counted once, in the first bucket that it fits. The last bucket is for
    /// requests that fit no other bucket.
    by_duration: [AtomicU64; DURATION_BUCKETS.len() + 1],
    total_duration_us: AtomicU64,
}

impl RequestMetrics {
    /// Records a response. `duration` ends when the headers of the response are ready, so that slow
    /// readers do not count.
    pub(super) fn record(&self, route: Option<&str>, status: StatusCode, duration: Duration) {
        let route_metrics = &self.by_route_class[route_class(route)];
        let status_class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
        route_metrics.by_status[status_class].fetch_add(1, Ordering::Relaxed);
        let bucket = DURATION_BUCKETS
            .iter()
            .position(|(_, end)| duration <= *end);
        route_metrics.by_duration[bucket.unwrap_or(DURATION_BUCKETS.len())]
            .fetch_add(1, Ordering::Relaxed);
        let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        route_metrics
            .total_duration_us
            .fetch_add(duration_us, Ordering::Relaxed);
    }

    /// Returns the name of each class of routes, with its metrics.
    pub(super) fn by_route_class(&self) -> impl Iterator<Item = (&'static str, &RouteMetrics)> {
        let names = Scope::ALL.into_iter().map(Scope::as_str).chain(["other"]);
        names.zip(&self.by_route_class)
    }
}

fn route_class(route: Option<&str>) -> usize {
    let scope = route.and_then(Scope::of_route);
    let index = scope.and_then(|scope| Scope::ALL.iter().position(|value| *value == scope));
    index.unwrap_or(ROUTE_CLASSES - 1)
}

impl RouteMetrics {
    /// Returns the number of responses by class of status code.
    pub(super) fn by_status(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self
            .by_status
            .iter()
            .map(|counter| counter.load(Ordering::Relaxed));
        STATUS_CLASSES.into_iter().zip(counts)
    }

    /// Returns cumulative counts by the upper bounds of the buckets. The last count is the total.
    pub(super) fn cumulative_buckets(&self) -> Vec<(&'static str, u64)> {
        let ends = DURATION_BUCKETS.iter().map(|(end, _)| *end).chain(["+Inf"]);
        let mut sum = 0;
        ends.zip(&self.by_duration)
            .map(|(end, count)| {
                sum += count.load(Ordering::Relaxed);
                (end, sum)
            })
            .collect()
    }

    /// Returns the sum of all durations, in seconds.
    pub(super) fn total_duration_s(&self) -> f64 {
        Duration::from_micros(self.total_duration_us.load(Ordering::Relaxed)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_counts_once_by_status_and_in_cumulative_buckets() {
        let metrics = RequestMetrics::default();
        let record = |route, status, duration_ms| {
            let status = StatusCode::from_u16(status).expect("a status");
            metrics.record(route, status, Duration::from_millis(duration_ms));
        };
        record(Some("/api/v1/locate"), 200, 0);
        record(Some("/api/v1/locate"), 404, 1);
        record(Some("/api/v1/locate"), 503, 40_000);
        record(Some("/health/live"), 200, 0);
        record(None, 404, 0);
        let counts: Vec<_> = metrics
            .by_route_class()
            .map(|(name, route_metrics)| {
                (
                    name,
                    route_metrics
                        .by_status()
                        .map(|(_, value)| value)
                        .sum::<u64>(),
                )
            })
            .filter(|(_, sum)| *sum > 0)
            .collect();
        assert_eq!(counts, [("locate", 3), ("other", 2)]);
        let (_, locate) = metrics
            .by_route_class()
            .find(|metric| metric.0 == "locate")
            .expect("the locate class");
        let by_status: Vec<_> = locate.by_status().collect();
        assert_eq!(by_status, [("2xx", 1), ("3xx", 0), ("4xx", 1), ("5xx", 1)]);
        let buckets = locate.cumulative_buckets();
        assert_eq!(buckets[..2], [("0.0005", 1), ("0.001", 2)]);
        assert_eq!(buckets[7..], [("30", 2), ("+Inf", 3)]);
        assert!((locate.total_duration_s() - 40.001).abs() < 1e-9);
    }
}
