//! Counts and durations of requests by class of route. There are therefore few time series, and no
//! time series identifies a person.

use std::time::Duration;

use axum::http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::admission::scope_of_route;
use crate::ops::keys::Scope;

/// Upper bounds of the duration buckets, in seconds. A look-up takes about 0.0001 s, an area 0.01
/// s, and a static map 0.1 s. Requests time out after 30 s.
const DURATION_BUCKETS_S: [f64; 8] = [0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 30.0];

/// Classes of status codes. No response has a status outside 200 to 599.
const STATUS_CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The number of classes of routes: one for each scope, and one for routes that never require a
/// key.
const ROUTE_CLASSES: usize = Scope::ALL.len() + 1;

/// Metrics of the requests since the service started.
#[derive(Default)]
pub(super) struct RequestMetrics {
    by_route_class: [RouteMetrics; ROUTE_CLASSES],
}

/// Metrics of one class of routes.
pub(super) struct RouteMetrics {
    by_status: [Counter; STATUS_CLASSES.len()],
    durations: Histogram,
}

impl Default for RouteMetrics {
    fn default() -> RouteMetrics {
        RouteMetrics {
            by_status: Default::default(),
            durations: Histogram::new(DURATION_BUCKETS_S),
        }
    }
}

impl RequestMetrics {
    /// Records a response. `duration` ends when the headers of the response are ready, so that slow
    /// clients do not affect it.
    pub(super) fn record(&self, route: Option<&str>, status: StatusCode, duration: Duration) {
        let route_metrics = &self.by_route_class[route_class(route)];
        let status_class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
        route_metrics.by_status[status_class].inc();
        route_metrics.durations.observe(duration.as_secs_f64());
    }

    /// Returns the name of each class of routes, with its metrics.
    pub(super) fn by_route_class(&self) -> impl Iterator<Item = (&'static str, &RouteMetrics)> {
        let names = Scope::ALL.into_iter().map(Scope::as_str).chain(["other"]);
        names.zip(&self.by_route_class)
    }
}

fn route_class(route: Option<&str>) -> usize {
    let scope = route.and_then(scope_of_route);
    let index = scope.and_then(|scope| Scope::ALL.iter().position(|value| *value == scope));
    index.unwrap_or(ROUTE_CLASSES - 1)
}

impl RouteMetrics {
    /// Returns the number of responses by class of status code.
    pub(super) fn by_status(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.by_status.iter().map(Counter::get);
        STATUS_CLASSES.into_iter().zip(counts)
    }

    /// Returns the histogram of the durations.
    pub(super) fn durations(&self) -> &Histogram {
        &self.durations
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::prometheus_text;
    use prometheus_client::registry::Registry;

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
        let mut registry = Registry::default();
        registry.register("duration_seconds", "Help", locate.durations().clone());
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).expect("writing to a String");
        let expected = "\
            # HELP duration_seconds Help.\n\
            # TYPE duration_seconds histogram\n\
            duration_seconds_bucket{le=\"0.0005\"} 1\n\
            duration_seconds_bucket{le=\"0.001\"} 2\n\
            duration_seconds_bucket{le=\"0.005\"} 2\n\
            duration_seconds_bucket{le=\"0.025\"} 2\n\
            duration_seconds_bucket{le=\"0.1\"} 2\n\
            duration_seconds_bucket{le=\"0.5\"} 2\n\
            duration_seconds_bucket{le=\"2.5\"} 2\n\
            duration_seconds_bucket{le=\"30\"} 2\n\
            duration_seconds_bucket{le=\"+Inf\"} 3\n\
            duration_seconds_sum 40.001\n\
            duration_seconds_count 3\n";
        assert_eq!(text, expected);
    }
}
