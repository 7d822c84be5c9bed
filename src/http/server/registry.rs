//! The registry of open connections. The registry counts the connections, closes overdue
//! connections, and evicts connections when a limit is reached. A single task closes the overdue
//! connections, so connections do not need their own timers.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::connection::{Connection, ConnectionOwner, ConnectionPhase};
use crate::http::limits::ServerLimits;

/// The minimum rate at which a client must read a response. The connection of a slower client is
/// closed.
const MIN_BYTES_PER_SECOND: u64 = 1_000;

/// The time in milliseconds after which a request body that has not fully arrived is treated as
/// slow.
const SLOW_BODY_MS: u64 = 1_000;

/// The time in milliseconds for which writes to a client may block before the client is treated as
/// a slow reader.
const SLOW_READER_MS: u64 = 1_000;

/// The maximum number of connections that are examined to find a connection to evict.
const EVICTION_SCAN_MAX: usize = 4_096;

const NEVER: u64 = u64::MAX;

/// The registry of open connections.
pub(super) struct ConnectionRegistry {
    started: Instant,
    is_stopping: AtomicBool,
    /// The time at which the server began to close connections, in milliseconds since the server
    /// started. The value is [`NEVER`] until then.
    closing_since_ms: AtomicU64,
    closed: Notify,
    state: Mutex<RegistryState>,
    evicted: AtomicU64,
    /// The time at which a connection was last rejected, as the number of milliseconds since the
    /// server started, plus one. The value is 0 if no connection has been rejected.
    rejected_ms: AtomicU64,
}

#[derive(Default)]
struct RegistryState {
    /// The connections by id. The oldest connection is first.
    connections: BTreeMap<u64, TrackedConnection>,
    next_id: u64,
    /// The id of the connection that was last examined for eviction. The next search continues
    /// after that connection.
    clock_hand: u64,
}

struct TrackedConnection {
    connection: Connection,
    /// The time at which a write was first found to be blocked, and the number of bytes that had
    /// been sent by then.
    blocked_since: Option<(u64, u64)>,
}

impl ConnectionRegistry {
    pub(super) fn new() -> ConnectionRegistry {
        ConnectionRegistry {
            started: Instant::now(),
            is_stopping: AtomicBool::new(false),
            closing_since_ms: AtomicU64::new(NEVER),
            closed: Notify::new(),
            state: Mutex::default(),
            evicted: AtomicU64::new(0),
            rejected_ms: AtomicU64::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, RegistryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that a connection was rejected at the connection limit.
    pub(super) fn record_rejection(&self) {
        self.rejected_ms.store(self.now_ms() + 1, Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> usize {
        self.state().connections.len()
    }

    /// Adds a connection and returns its id.
    pub(super) fn add(&self, connection: Connection) -> u64 {
        let mut state = self.state();
        let id = state.next_id;
        state.next_id += 1;
        let tracked = TrackedConnection {
            connection,
            blocked_since: None,
        };
        state.connections.insert(id, tracked);
        id
    }

    pub(super) fn remove(&self, id: u64) {
        self.state().connections.remove(&id);
        if self.is_stopping() {
            self.closed.notify_waiters();
        }
    }

    /// Evicts a connection that has no request in flight. Returns whether a connection was evicted.
    pub(super) fn evict_idle(&self) -> bool {
        self.evict_where(|tracked| tracked.connection.phase().0 != ConnectionPhase::Request)
    }

    /// Evicts a connection whose client reads its response slowly. Returns whether a connection was
    /// evicted. Without this eviction, a client that reads just fast enough on very many
    /// connections would shut out all other clients.
    pub(super) fn evict_slow_reader(&self) -> bool {
        let now_ms = self.now_ms();
        self.evict_where(|tracked| {
            let is_slow = |(since_ms, _): (u64, u64)| now_ms - since_ms >= SLOW_READER_MS;
            tracked.connection.bytes_sent_if_blocked().is_some()
                && tracked.blocked_since.is_some_and(is_slow)
        })
    }

    /// Evicts the next connection for which `is_evictable` returns `true`. Each search continues
    /// where the last search ended (as in the CLOCK algorithm), so that all connections are
    /// examined one after another.
    fn evict_where(&self, is_evictable: impl Fn(&TrackedConnection) -> bool) -> bool {
        let mut state = self.state();
        let after_hand = (Bound::Excluded(state.clock_hand), Bound::Unbounded);
        let candidates = state.connections.range(after_hand);
        let candidates = candidates
            .chain(state.connections.range(..=state.clock_hand))
            .take(EVICTION_SCAN_MAX);
        let mut new_hand = state.clock_hand;
        let id = candidates
            .inspect(|(id, _)| new_hand = **id)
            .find(|(_, tracked)| is_evictable(tracked))
            .map(|(id, _)| *id);
        state.clock_hand = new_hand;
        let Some(tracked) = id.and_then(|id| state.connections.remove(&id)) else {
            return false;
        };
        tracked.connection.abort();
        self.evicted.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Closes connections that have exceeded a timeout.
    pub(super) fn sweep(&self, limits: &ServerLimits) {
        let now_ms = self.now_ms();
        for tracked in self.state().connections.values_mut() {
            if tracked.is_overdue(now_ms, limits) {
                tracked.connection.abort();
            }
        }
    }

    /// Returns the interval between sweeps: an eighth of the shortest timeout, so that no timeout
    /// is exceeded by much.
    pub(super) fn sweep_interval(limits: &ServerLimits) -> Duration {
        let shortest = limits.header_timeout.min(limits.idle_timeout);
        let shortest = shortest.min(limits.write_timeout);
        (shortest / 8).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }

    /// Begins the shutdown: `/health/ready` fails, and each further response is the last response
    /// on its connection.
    pub(super) fn begin_shutdown(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Closes each connection as soon as it is idle. No connections may be added after this call.
    pub(super) fn close_all_when_idle(&self) {
        self.closing_since_ms
            .store(self.now_ms(), Ordering::Relaxed);
        for tracked in self.state().connections.values() {
            tracked.connection.close_when_idle();
        }
    }

    /// Waits until all connections are closed.
    pub(super) async fn all_closed(&self) {
        loop {
            let closed = self.closed.notified();
            if self.state().connections.is_empty() {
                return;
            }
            closed.await;
        }
    }
}

impl ConnectionOwner for ConnectionRegistry {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).expect("uptime fits in 64 bits")
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    fn rejected_within(&self, period: Duration) -> bool {
        let rejected_ms = self.rejected_ms.load(Ordering::Relaxed);
        let elapsed_ms = u128::from((self.now_ms() + 1).saturating_sub(rejected_ms));
        rejected_ms > 0 && elapsed_ms < period.as_millis()
    }

    fn evict_slow_upload(&self) -> bool {
        let now_ms = self.now_ms();
        self.evict_where(|TrackedConnection { connection, .. }| {
            let (phase, since_ms) = connection.phase();
            let is_slow = now_ms.saturating_sub(since_ms) >= SLOW_BODY_MS;
            phase == ConnectionPhase::Request && connection.is_awaiting_body() && is_slow
        })
    }

    fn closing_since_ms(&self) -> Option<u64> {
        let since_ms = self.closing_since_ms.load(Ordering::Relaxed);
        (since_ms != NEVER).then_some(since_ms)
    }
}

impl TrackedConnection {
    fn is_overdue(&mut self, now_ms: u64, limits: &ServerLimits) -> bool {
        let (phase, since_ms) = self.connection.phase();
        let limit = match phase {
            ConnectionPhase::Accepted | ConnectionPhase::Head => Some(limits.header_timeout),
            // Other timeouts apply to a request in flight: the request timeout and the write
            // timeout.
            ConnectionPhase::Request => None,
            ConnectionPhase::Idle => Some(limits.idle_timeout),
        };
        let elapsed_ms = u128::from(now_ms.saturating_sub(since_ms));
        limit.is_some_and(|limit| elapsed_ms >= limit.as_millis())
            || self.is_stalled(now_ms, limits)
    }

    /// Returns whether too few bytes have been sent to the client since a write was first found to
    /// be blocked.
    fn is_stalled(&mut self, now_ms: u64, limits: &ServerLimits) -> bool {
        let Some(sent) = self.connection.bytes_sent_if_blocked() else {
            self.blocked_since = None;
            return false;
        };
        let (since_ms, sent_before) = *self.blocked_since.get_or_insert((now_ms, sent));
        let elapsed_ms = now_ms - since_ms;
        if u128::from(elapsed_ms) < limits.write_timeout.as_millis() {
            return false;
        }
        self.blocked_since = Some((now_ms, sent));
        (sent - sent_before) * 1_000 < MIN_BYTES_PER_SECOND * elapsed_ms
    }
}
