//! The connections that are open: counted, watched by one task instead of a timer each, and given up
//! where others need their place.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Limits;
use super::connection::{Connection, Phase};

/// A client that takes less than this is not reading an answer, but holding a connection.
const LEAST_BYTES_A_SECOND: u64 = 1_000;

/// A body that has come by then was not slow.
const SLOW_BODY_MS: u64 = 1_000;

/// An answer that is taken without a pause as long as this is not read slowly.
const SLOW_READER_MS: u64 = 1_000;

/// The connections that are looked at for one to give up.
const LOOKED_AT: usize = 4_096;

const NEVER: u64 = u64::MAX;

/// The connections that are open.
pub(super) struct Open {
    started: Instant,
    is_stopping: AtomicBool,
    /// When connections began to be closed, in the milliseconds of [`Open::now_ms`]; [`NEVER`] before.
    closing_since_ms: AtomicU64,
    closed: Notify,
    held: Mutex<Held>,
    given_up: AtomicU64,
    /// When a connection found no place last, in the milliseconds of [`Open::now_ms`] and one; 0 for never.
    refused_ms: AtomicU64,
}

#[derive(Default)]
struct Held {
    /// By number, the oldest first.
    connections: BTreeMap<u64, Seen>,
    next: u64,
    /// The one that was given up last: the next search goes on behind it.
    hand: u64,
}

struct Seen {
    connection: Connection,
    /// When it was first seen to take nothing, and what it had been sent by then.
    blocked: Option<(u64, u64)>,
}

impl Open {
    pub(super) fn new() -> Open {
        Open {
            started: Instant::now(),
            is_stopping: AtomicBool::new(false),
            closing_since_ms: AtomicU64::new(NEVER),
            closed: Notify::new(),
            held: Mutex::default(),
            given_up: AtomicU64::new(0),
            refused_ms: AtomicU64::new(0),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the service began to listen.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).expect("less than an age")
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// There was no place for a connection.
    pub(super) fn has_refused(&self) {
        self.refused_ms.store(self.now_ms() + 1, Ordering::Relaxed);
    }

    /// Whether there was no place for a connection in this time.
    pub(super) fn has_refused_within(&self, time: Duration) -> bool {
        let refused_ms = self.refused_ms.load(Ordering::Relaxed);
        let since_ms = u128::from((self.now_ms() + 1).saturating_sub(refused_ms));
        refused_ms > 0 && since_ms < time.as_millis()
    }

    pub(super) fn count(&self) -> usize {
        self.held().connections.len()
    }

    /// Its number.
    pub(super) fn add(&self, connection: Connection) -> u64 {
        let mut held = self.held();
        let number = held.next;
        held.next += 1;
        let seen = Seen {
            connection,
            blocked: None,
        };
        held.connections.insert(number, seen);
        number
    }

    pub(super) fn remove(&self, number: u64) {
        self.held().connections.remove(&number);
        if self.is_stopping() {
            self.closed.notify_waiters();
        }
    }

    /// Gives up a connection on which nothing is asked; whether there was one.
    pub(super) fn give_up_an_idle_one(&self) -> bool {
        self.give_up(|seen| seen.connection.at().0 != Phase::Request)
    }

    /// Gives up a connection whose other end is slow to take its answer; whether there was one. Otherwise a client
    /// that reads just fast enough on very many connections would keep all others out.
    pub(super) fn give_up_a_slow_reader(&self) -> bool {
        let now_ms = self.now_ms();
        self.give_up(|seen| {
            let is_slow = |(since_ms, _): (u64, u64)| now_ms - since_ms >= SLOW_READER_MS;
            seen.connection.blocked_at().is_some() && seen.blocked.is_some_and(is_slow)
        })
    }

    /// Gives up a connection whose body is slow to come; whether there was one.
    pub(super) fn give_up_a_slow_body(&self) -> bool {
        let now_ms = self.now_ms();
        self.give_up(|Seen { connection, .. }| {
            let (phase, since_ms) = connection.at();
            let is_slow = now_ms.saturating_sub(since_ms) >= SLOW_BODY_MS;
            phase == Phase::Request && connection.is_waiting_for_a_body() && is_slow
        })
    }

    /// The hand goes around, so that none is looked at twice before the others were once.
    fn give_up(&self, may_go: impl Fn(&Seen) -> bool) -> bool {
        let mut held = self.held();
        let behind = (Bound::Excluded(held.hand), Bound::Unbounded);
        let around = held.connections.range(behind);
        let around = around
            .chain(held.connections.range(..=held.hand))
            .take(LOOKED_AT);
        let mut last = held.hand;
        let found = around
            .inspect(|(number, _)| last = **number)
            .find(|(_, seen)| may_go(seen))
            .map(|(number, _)| *number);
        held.hand = last;
        let Some(seen) = found.and_then(|number| held.connections.remove(&number)) else {
            return false;
        };
        seen.connection.hang_up();
        self.given_up.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Hangs up where a limit has passed.
    pub(super) fn sweep(&self, limits: &Limits) {
        let now_ms = self.now_ms();
        for seen in self.held().connections.values_mut() {
            if seen.is_overdue(now_ms, limits) {
                seen.connection.hang_up();
            }
        }
    }

    /// How often to sweep: an eighth of the shortest limit, so that none is passed by much.
    pub(super) fn sweep_every(limits: &Limits) -> Duration {
        let shortest = limits.header_within.min(limits.idle_within);
        let shortest = shortest.min(limits.write_within);
        (shortest / 8).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }

    /// From now on the service is not ready, and every answer is the last one of its connection.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Closes every connection as soon as it is idle. There are to be no new ones.
    pub(super) fn close(&self) {
        self.closing_since_ms
            .store(self.now_ms(), Ordering::Relaxed);
        for seen in self.held().connections.values() {
            seen.connection.close();
        }
    }

    /// Since when connections are closed, in the milliseconds of [`Open::now_ms`].
    pub(super) fn closing_since_ms(&self) -> Option<u64> {
        let since_ms = self.closing_since_ms.load(Ordering::Relaxed);
        (since_ms != NEVER).then_some(since_ms)
    }

    /// Done when all connections are closed.
    pub(super) async fn all_closed(&self) {
        loop {
            let closed = self.closed.notified();
            if self.held().connections.is_empty() {
                return;
            }
            closed.await;
        }
    }
}

impl Seen {
    fn is_overdue(&mut self, now_ms: u64, limits: &Limits) -> bool {
        let (phase, since_ms) = self.connection.at();
        let limit = match phase {
            Phase::Opened | Phase::Head => Some(limits.header_within),
            // The handler's limit holds, and that of writing.
            Phase::Request => None,
            Phase::Idle => Some(limits.idle_within),
        };
        let for_ms = u128::from(now_ms.saturating_sub(since_ms));
        limit.is_some_and(|limit| for_ms >= limit.as_millis()) || self.takes_nothing(now_ms, limits)
    }

    /// Whether what it was sent since it was first seen blocked is too little.
    fn takes_nothing(&mut self, now_ms: u64, limits: &Limits) -> bool {
        let Some(sent) = self.connection.blocked_at() else {
            self.blocked = None;
            return false;
        };
        let (at_ms, sent_then) = *self.blocked.get_or_insert((now_ms, sent));
        let for_ms = now_ms - at_ms;
        if u128::from(for_ms) < limits.write_within.as_millis() {
            return false;
        }
        self.blocked = Some((now_ms, sent));
        (sent - sent_then) * 1_000 < LEAST_BYTES_A_SECOND * for_ms
    }
}
