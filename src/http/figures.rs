//! Counts and durations of requests, by class of route, so that there are few series and none is
//! about a person.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;

use crate::keys::Scope;

/// Upper bounds of the duration buckets, in seconds. A look-up takes about 0.0001, an area 0.01, an
/// image 0.1. Requests time out at 30.
pub(super) const SECONDS: [(&str, Duration); 8] = [
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
pub(super) const STATUSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// One for each scope, and one for routes that never require a key.
const KINDS: usize = Scope::ALL.len() + 1;

/// Metrics of the requests since the service started.
#[derive(Default)]
pub(super) struct Figures {
    kinds: [Kind; KINDS],
}

/// Metrics of one class of routes.
#[derive(Default)]
pub(super) struct Kind {
    by_status: [AtomicU64; STATUSES.len()],
    /// Each request once, in the first bucket that it fits. The last bucket is for those that fit
    /// none.
    by_duration: [AtomicU64; SECONDS.len() + 1],
    duration_us: AtomicU64,
}

impl Figures {
    /// Records a response. `duration` ends at its head, so that slow readers do not count.
    pub(super) fn count(&self, route: Option<&str>, status: StatusCode, took: Duration) {
        let kind = &self.kinds[kind_of(route)];
        let class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
        kind.by_status[class].fetch_add(1, Ordering::Relaxed);
        let bucket = SECONDS.iter().position(|(_, end)| took <= *end);
        kind.by_duration[bucket.unwrap_or(SECONDS.len())].fetch_add(1, Ordering::Relaxed);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        kind.duration_us.fetch_add(took_us, Ordering::Relaxed);
    }

    /// Returns the metrics of each class of routes, with its name.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&'static str, &Kind)> {
        let names = Scope::ALL.into_iter().map(Scope::as_str).chain(["other"]);
        names.zip(&self.kinds)
    }
}

fn kind_of(route: Option<&str>) -> usize {
    let scope = route.and_then(Scope::of_route);
    let place = scope.and_then(|scope| Scope::ALL.iter().position(|it| *it == scope));
    place.unwrap_or(KINDS - 1)
}

impl Kind {
    /// Returns the number of responses by class of status code.
    pub(super) fn by_status(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.by_status.iter().map(|it| it.load(Ordering::Relaxed));
        STATUSES.into_iter().zip(counts)
    }

    /// Returns cumulative counts by the upper bounds of the buckets. The last count is the total.
    pub(super) fn no_longer_than(&self) -> Vec<(&'static str, u64)> {
        let ends = SECONDS.iter().map(|(end, _)| *end).chain(["+Inf"]);
        let mut sum = 0;
        ends.zip(&self.by_duration)
            .map(|(end, count)| {
                sum += count.load(Ordering::Relaxed);
                (end, sum)
            })
            .collect()
    }

    /// Returns the sum of all durations, in seconds.
    pub(super) fn duration_s(&self) -> f64 {
        Duration::from_micros(self.duration_us.load(Ordering::Relaxed)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_once_in_its_kind_and_in_every_bucket_that_it_fits() {
        let figures = Figures::default();
        let count = |route, status, took_ms| {
            let status = StatusCode::from_u16(status).expect("a status");
            figures.count(route, status, Duration::from_millis(took_ms));
        };
        count(Some("/api/v1/locate"), 200, 0);
        count(Some("/api/v1/locate"), 404, 1);
        count(Some("/api/v1/locate"), 503, 40_000);
        count(Some("/health/live"), 200, 0);
        count(None, 404, 0);
        let told: Vec<_> = figures
            .kinds()
            .map(|(name, kind)| (name, kind.by_status().map(|(_, it)| it).sum::<u64>()))
            .filter(|(_, sum)| *sum > 0)
            .collect();
        assert_eq!(told, [("locate", 3), ("other", 2)]);
        let (_, locate) = figures.kinds().find(|it| it.0 == "locate").expect("it");
        let by_status: Vec<_> = locate.by_status().collect();
        assert_eq!(by_status, [("2xx", 1), ("3xx", 0), ("4xx", 1), ("5xx", 1)]);
        let buckets = locate.no_longer_than();
        assert_eq!(buckets[..2], [("0.0005", 1), ("0.001", 2)]);
        assert_eq!(buckets[7..], [("30", 2), ("+Inf", 3)]);
        assert!((locate.duration_s() - 40.001).abs() < 1e-9);
    }
}
