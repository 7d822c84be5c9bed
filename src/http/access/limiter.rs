//! A rate limiter for any number of clients in a fixed amount of memory.
//!
//! It implements the generic cell rate algorithm (GCRA): for each client, it stores the time at
//! which the client's quota is full again. The table is set-associative: when a set is full, the
//! entry whose quota is full soonest is evicted. A client with very many addresses can thereby
//! evade its limit, but it cannot bring any other client nearer to a limit.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::rate::Rate;

/// The remaining quota of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Requests that the client may send at once.
    pub(super) requests: u32,
    /// Time until the quota is full again.
    pub(super) whole_after: Duration,
}

/// The client has exceeded its limit. It may send one request after `retry_after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exceeded {
    pub(super) again_after: Duration,
    pub(super) whole_after: Duration,
}

/// 8,192 sets of eight clients: about 1 MiB.
const SETS: usize = 8_192;
const WAYS: usize = 8;

/// A client, stored as a keyed digest and never as its address.
#[derive(Clone, Copy, Default)]
struct Client {
    digest: u64,
    /// When the quota is full again, in nanoseconds since the limiter was created; 0 in an empty
    /// entry.
    whole_at_ns: u64,
}

/// A rate limiter that implements the generic cell rate algorithm.
pub(super) struct Limiter {
    started: Instant,
    hasher: RandomState,
    sets: Box<[Mutex<[Client; WAYS]>]>,
}

impl Limiter {
    pub(super) fn new() -> Limiter {
        Limiter {
            started: Instant::now(),
            hasher: RandomState::new(),
            sets: (0..SETS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Counts a request of a client at the present time.
    pub(super) fn count(&self, client: impl Hash, rate: Rate) -> Result<Left, Exceeded> {
        self.count_at(client, rate, self.started.elapsed())
    }

    fn count_at(&self, client: impl Hash, rate: Rate, now: Duration) -> Result<Left, Exceeded> {
        let digest = self.hasher.hash_one(client);
        let now_ns = u64::try_from(now.as_nanos()).expect("less than five centuries");
        let period_ns = rate.period.seconds() * 1_000_000_000;
        let each_ns = (period_ns / u64::from(rate.requests)).max(1);
        let set = &self.sets[(digest >> 32) as usize % SETS];
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        let known = set
            .iter()
            .position(|client| client.digest == digest && client.whole_at_ns > 0);
        let whole_at_ns = known.map_or(now_ns, |at| set[at].whole_at_ns.max(now_ns));
        let spent_ns = whole_at_ns - now_ns + each_ns;
        if spent_ns > period_ns {
            return Err(Exceeded {
                again_after: Duration::from_nanos(spent_ns - period_ns),
                whole_after: Duration::from_nanos(spent_ns - each_ns),
            });
        }
        let at = known.unwrap_or_else(|| soonest(&set[..]));
        set[at] = Client {
            digest,
            whole_at_ns: now_ns + spent_ns,
        };
        let left = (period_ns - spent_ns) / each_ns;
        Ok(Left {
            requests: u32::try_from(left).unwrap_or(rate.requests),
            whole_after: Duration::from_nanos(spent_ns),
        })
    }
}

/// Returns the index of the client whose quota is full soonest.
fn soonest(set: &[Client]) -> usize {
    let clients = set.iter().enumerate();
    let soonest = clients.min_by_key(|(_, client)| client.whole_at_ns);
    soonest.expect("a set is not empty").0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn as_many_as_a_period_allows_and_then_one_at_a_time() {
        let limiter = Limiter::new();
        let rate = "4/s".parse().expect("a rate");
        let left: Vec<u32> = (0..4)
            .map(|_| {
                limiter
                    .count_at("a", rate, at(1.0))
                    .expect("allowed")
                    .requests
            })
            .collect();
        assert_eq!(left, [3, 2, 1, 0]);
        let exceeded = limiter
            .count_at("a", rate, at(1.0))
            .expect_err("over the limit");
        assert_eq!(exceeded.again_after, at(0.25));
        assert_eq!(exceeded.whole_after, at(1.0));
        // A rejected request costs nothing, and another client has its own quota.
        assert_eq!(
            limiter
                .count_at("b", rate, at(1.0))
                .map(|left| left.requests),
            Ok(3)
        );
        assert!(limiter.count_at("a", rate, at(1.2)).is_err());
        assert_eq!(
            limiter
                .count_at("a", rate, at(1.25))
                .map(|left| left.requests),
            Ok(0)
        );
        assert!(limiter.count_at("a", rate, at(1.3)).is_err());
        assert_eq!(
            limiter
                .count_at("a", rate, at(9.0))
                .map(|left| left.requests),
            Ok(3)
        );
    }

    #[test]
    fn over_a_long_time_no_more_pass_than_the_rate_and_one_period() {
        let limiter = Limiter::new();
        let rate = "50/s".parse().expect("a rate");
        let asked = (0..10_000).map(Duration::from_millis);
        let passed = asked.filter(|now| limiter.count_at(1, rate, *now).is_ok());
        // Ten seconds at 50 a second, and the initial burst of 50.
        let passed = passed.count();
        assert!((549..=550).contains(&passed), "{passed}");
    }

    #[test]
    fn any_number_of_clients_takes_the_same_memory_and_limits_nobody_else() {
        let limiter = Limiter::new();
        let rate = "2/minute".parse().expect("a rate");
        for client in 0..300_000_u32 {
            assert!(limiter.count_at(client, rate, at(1.0)).is_ok(), "{client}");
        }
        assert_eq!(limiter.sets.len(), SETS);
        let late = limiter.count_at("late", rate, at(1.0));
        assert_eq!(late.map(|left| left.requests), Ok(1));
    }

    #[test]
    fn a_clock_of_zero_is_no_empty_place() {
        let limiter = Limiter::new();
        let rate = "1/s".parse().expect("a rate");
        assert!(limiter.count_at(0, rate, at(0.0)).is_ok());
        assert!(limiter.count_at(0, rate, at(0.0)).is_err());
    }
}
