//! So many requests in so much time, for each of any number of clients, in memory of a fixed size.
//!
//! The generic cell rate algorithm: for each client, the moment at which its allowance is whole again.
//! A table of sets, each of a few clients; where a set is full, the client whose allowance is whole
//! the soonest is forgotten. Whoever comes from very many addresses can thereby be let off, and can
//! bring nobody else nearer to a limit.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::rate::Rate;

/// What a client has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Requests that it may make at once.
    pub(super) requests: u32,
    /// Until all of them are there again.
    pub(super) whole_after: Duration,
}

/// Over the limit; one more may be made after this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exceeded {
    pub(super) again_after: Duration,
    pub(super) whole_after: Duration,
}

/// 8,192 sets of eight clients: about a mebibyte.
const SETS: usize = 8_192;
const WAYS: usize = 8;

/// A client: its keyed digest, never its address.
#[derive(Clone, Copy, Default)]
struct Client {
    digest: u64,
    /// Nanoseconds since the limiter's start.
    whole_at_ns: u64,
}

/// Counts clients.
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

    /// Counts a request of this client now.
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

/// The client whose allowance is whole the soonest.
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
        let exceeded = limiter.count_at("a", rate, at(1.0)).expect_err("too many");
        assert_eq!(exceeded.again_after, at(0.25));
        assert_eq!(exceeded.whole_after, at(1.0));
        // A refused one costs nothing, and another client has its own.
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
        // Ten seconds of 50, and the 50 saved up before.
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
