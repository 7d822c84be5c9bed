//! A rate limiter for any number of clients in a fixed amount of memory.
//!
//! The limiter implements the generic cell rate algorithm (GCRA): for each client, it stores the
//! time at which the client's quota is full again. The table is set-associative: if a set of
//! entries is full, the limiter evicts the entry whose quota will be full again first. A client
//! with very many addresses can therefore evade its own limit, but cannot use up the quota of
//! another client.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::ops::rate::Rate;

/// The remaining quota of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RemainingQuota {
    /// The number of requests that the client may send immediately.
    pub(super) requests: u32,
    /// The time until the quota is full again.
    pub(super) reset_after: Duration,
}

/// The error for a client that has exceeded its limit. The client may send one request after
/// `retry_after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateLimited {
    pub(super) retry_after: Duration,
    pub(super) reset_after: Duration,
}

/// The number of sets. With eight entries for each set, the table takes about 1 MiB.
const SETS: usize = 8_192;
const WAYS: usize = 8;

/// The entry of a client. The entry contains a keyed digest of the client's address, never the
/// address itself.
#[derive(Clone, Copy, Default)]
struct ClientEntry {
    digest: u64,
    /// The time at which the quota is full again, in nanoseconds since the limiter was created. The
    /// value is 0 in an empty entry.
    reset_at_ns: u64,
}

/// A rate limiter that implements the generic cell rate algorithm.
pub(super) struct GcraLimiter {
    started: Instant,
    hasher: RandomState,
    sets: Box<[Mutex<[ClientEntry; WAYS]>]>,
}

impl GcraLimiter {
    pub(super) fn new() -> GcraLimiter {
        GcraLimiter {
            started: Instant::now(),
            hasher: RandomState::new(),
            sets: (0..SETS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Counts a request that a client sends now, unless the client has exceeded its limit.
    pub(super) fn check(
        &self,
        client: impl Hash,
        rate: Rate,
    ) -> Result<RemainingQuota, RateLimited> {
        self.check_at(client, rate, self.started.elapsed())
    }

    fn check_at(
        &self,
        client: impl Hash,
        rate: Rate,
        now: Duration,
    ) -> Result<RemainingQuota, RateLimited> {
        let digest = self.hasher.hash_one(client);
        let now_ns =
            u64::try_from(now.as_nanos()).expect("a process runs for less than five centuries");
        let period_ns = rate.unit.seconds() * 1_000_000_000;
        let interval_ns = (period_ns / u64::from(rate.requests)).max(1);
        let set = &self.sets[(digest >> 32) as usize % SETS];
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        let known_index = set
            .iter()
            .position(|client| client.digest == digest && client.reset_at_ns > 0);
        let reset_at_ns = known_index.map_or(now_ns, |index| set[index].reset_at_ns.max(now_ns));
        let used_ns = reset_at_ns - now_ns + interval_ns;
        if used_ns > period_ns {
            return Err(RateLimited {
                retry_after: Duration::from_nanos(used_ns - period_ns),
                reset_after: Duration::from_nanos(used_ns - interval_ns),
            });
        }
        let index = known_index.unwrap_or_else(|| soonest_reset(&set[..]));
        set[index] = ClientEntry {
            digest,
            reset_at_ns: now_ns + used_ns,
        };
        let remaining = (period_ns - used_ns) / interval_ns;
        Ok(RemainingQuota {
            requests: u32::try_from(remaining).unwrap_or(rate.requests),
            reset_after: Duration::from_nanos(used_ns),
        })
    }
}

/// Returns the index of the entry whose quota will be full again first.
fn soonest_reset(set: &[ClientEntry]) -> usize {
    let clients = set.iter().enumerate();
    let soonest_index = clients.min_by_key(|(_, client)| client.reset_at_ns);
    soonest_index.expect("a set is not empty").0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn burst_of_one_period_then_one_request_at_a_time() {
        let limiter = GcraLimiter::new();
        let rate = "4/s".parse().expect("a rate");
        let remaining: Vec<u32> = (0..4)
            .map(|_| {
                limiter
                    .check_at("a", rate, secs(1.0))
                    .expect("allowed")
                    .requests
            })
            .collect();
        assert_eq!(remaining, [3, 2, 1, 0]);
        let rate_limited = limiter
            .check_at("a", rate, secs(1.0))
            .expect_err("over the limit");
        assert_eq!(rate_limited.retry_after, secs(0.25));
        assert_eq!(rate_limited.reset_after, secs(1.0));
        // A rejected request does not use up quota, and each client has its own quota.
        assert_eq!(
            limiter
                .check_at("b", rate, secs(1.0))
                .map(|quota| quota.requests),
            Ok(3)
        );
        assert!(limiter.check_at("a", rate, secs(1.2)).is_err());
        assert_eq!(
            limiter
                .check_at("a", rate, secs(1.25))
                .map(|quota| quota.requests),
            Ok(0)
        );
        assert!(limiter.check_at("a", rate, secs(1.3)).is_err());
        assert_eq!(
            limiter
                .check_at("a", rate, secs(9.0))
                .map(|quota| quota.requests),
            Ok(3)
        );
    }

    #[test]
    fn sustained_rate_is_the_limit_plus_one_burst() {
        let limiter = GcraLimiter::new();
        let rate = "50/s".parse().expect("a rate");
        let times = (0..10_000).map(Duration::from_millis);
        let allowed = times.filter(|now| limiter.check_at(1, rate, *now).is_ok());
        // The limit allows 50 requests a second for ten seconds, and the initial burst of 50.
        let allowed = allowed.count();
        assert!((549..=550).contains(&allowed), "{allowed}");
    }

    #[test]
    fn many_clients_use_fixed_memory_and_limit_no_other() {
        let limiter = GcraLimiter::new();
        let rate = "2/minute".parse().expect("a rate");
        for client in 0..300_000_u32 {
            assert!(
                limiter.check_at(client, rate, secs(1.0)).is_ok(),
                "{client}"
            );
        }
        assert_eq!(limiter.sets.len(), SETS);
        let late = limiter.check_at("late", rate, secs(1.0));
        assert_eq!(late.map(|quota| quota.requests), Ok(1));
    }

    #[test]
    fn request_at_time_zero_is_counted() {
        let limiter = GcraLimiter::new();
        let rate = "1/s".parse().expect("a rate");
        assert!(limiter.check_at(0, rate, secs(0.0)).is_ok());
        assert!(limiter.check_at(0, rate, secs(0.0)).is_err());
    }
}
