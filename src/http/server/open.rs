//! The registry of open connections. It counts them, closes overdue ones from a single task instead
//! of a timer for each, and evicts some at the limits.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Limits;
use super::connection::{Connection, Phase};

/// A client that reads less than this is not reading a response, but occupying a connection.
const LEAST_BYTES_A_SECOND: u64 = 1_000;

/// A body that arrives within this time is not slow.
const SLOW_BODY_MS: u64 = 1_000;

/// A client whose writes block for less than this is not a slow reader.
const SLOW_READER_MS: u64 = 1_000;

/// The maximum number of connections that are examined to evict one.
const LOOKED_AT: usize = 4_096;

const NEVER: u64 = u64::MAX;

/// The registry of open connections.
pub(super) struct Open {
    started: Instant,
    is_stopping: AtomicBool,
    /// When connections began to be closed, in the milliseconds of [`ConnectionRegistry::now_ms`];
    /// [`NEVER`] before that.
    closing_since_ms: AtomicU64,
    closed: Notify,
    held: Mutex<Held>,
    given_up: AtomicU64,
    /// When a connection was last rejected, in the milliseconds of [`ConnectionRegistry::now_ms`]
    /// plus one; 0 for never.
    refused_ms: AtomicU64,
}

#[derive(Default)]
struct Held {
    /// By id, the oldest first.
    connections: BTreeMap<u64, Seen>,
    next: u64,
    /// The connection that was examined last. The next search continues after it.
    hand: u64,
}

struct Seen {
    connection: Connection,
    /// When a write was first seen blocked, and the bytes that had been sent by then.
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

    /// Returns the milliseconds since the server started.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).expect("uptime fits in 64 bits")
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Records that a connection was rejected at the connection limit.
    pub(super) fn has_refused(&self) {
        self.refused_ms.store(self.now_ms() + 1, Ordering::Relaxed);
    }

    /// Returns whether a connection was rejected at the connection limit within `period`.
    pub(super) fn has_refused_within(&self, time: Duration) -> bool {
        let refused_ms = self.refused_ms.load(Ordering::Relaxed);
        let since_ms = u128::from((self.now_ms() + 1).saturating_sub(refused_ms));
        refused_ms > 0 && since_ms < time.as_millis()
    }

    pub(super) fn count(&self) -> usize {
        self.held().connections.len()
    }

    /// Adds a connection and returns its id.
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

    /// Evicts a connection that has no request in flight. Returns whether there was one.
    pub(super) fn give_up_an_idle_one(&self) -> bool {
        self.give_up(|seen| seen.connection.at().0 != Phase::Request)
    }

    /// Evicts a connection whose client is slow to read its response. Returns whether there was
    /// one. Otherwise, a client that reads just fast enough on very many connections would keep all
    /// others out.
    pub(super) fn give_up_a_slow_reader(&self) -> bool {
        let now_ms = self.now_ms();
        self.give_up(|seen| {
            let is_slow = |(since_ms, _): (u64, u64)| now_ms - since_ms >= SLOW_READER_MS;
            seen.connection.blocked_at().is_some() && seen.blocked.is_some_and(is_slow)
        })
    }

    /// Evicts a connection whose request body is slow to arrive. Returns whether there was one.
    pub(super) fn give_up_a_slow_body(&self) -> bool {
        let now_ms = self.now_ms();
        self.give_up(|Seen { connection, .. }| {
            let (phase, since_ms) = connection.at();
            let is_slow = now_ms.saturating_sub(since_ms) >= SLOW_BODY_MS;
            phase == Phase::Request && connection.is_waiting_for_a_body() && is_slow
        })
    }

    /// Evicts the next connection that is evictable. Each search continues where the last one ended
    /// (as in the CLOCK algorithm), so that all connections are examined in turn.
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

    /// Closes connections that have exceeded a timeout.
    pub(super) fn sweep(&self, limits: &Limits) {
        let now_ms = self.now_ms();
        for seen in self.held().connections.values_mut() {
            if seen.is_overdue(now_ms, limits) {
                seen.connection.hang_up();
            }
        }
    }

    /// Returns how often to sweep: an eighth of the shortest timeout, so that none is exceeded by
    /// much.
    pub(super) fn sweep_every(limits: &Limits) -> Duration {
        let shortest = limits.header_within.min(limits.idle_within);
        let shortest = shortest.min(limits.write_within);
        (shortest / 8).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }

    /// Begins the shutdown: the service is not ready, and each response is the last on its
    /// connection.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Closes each connection as soon as it is idle. No connections may be added after this.
    pub(super) fn close(&self) {
        self.closing_since_ms
            .store(self.now_ms(), Ordering::Relaxed);
        for seen in self.held().connections.values() {
            seen.connection.close();
        }
    }

    /// Returns since when connections are being closed, in the milliseconds of
    /// [`ConnectionRegistry::now_ms`].
    pub(super) fn closing_since_ms(&self) -> Option<u64> {
        let since_ms = self.closing_since_ms.load(Ordering::Relaxed);
        (since_ms != NEVER).then_some(since_ms)
    }

    /// Waits until all connections are closed.
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
            // The request timeout and the write timeout apply.
            Phase::Request => None,
            Phase::Idle => Some(limits.idle_within),
        };
        let for_ms = u128::from(now_ms.saturating_sub(since_ms));
        limit.is_some_and(|limit| for_ms >= limit.as_millis()) || self.takes_nothing(now_ms, limits)
    }

    /// Returns whether too few bytes were sent since a write was first seen blocked.
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
