//! The state of a connection: its phase, the time at which the phase began, and the number of bytes
//! sent. Nearly all of the state is lock-free, because every request updates it.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{io, io::IoSlice};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::super::admission::CpuPermit;
use super::IDLE_GRACE;

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionPhase {
    /// The connection is open, but no bytes have been received.
    Accepted,
    /// Part of the request line and headers of a request has been received.
    Head,
    /// A request is being read or answered.
    Request,
    /// The connection is between two requests.
    Idle,
}

/// The methods of the server that its connections call.
pub(super) trait ConnectionOwner: Send + Sync {
    /// Returns the number of milliseconds since the server started.
    fn now_ms(&self) -> u64;
    /// Returns whether the server is shutting down.
    fn is_stopping(&self) -> bool;
    /// Returns the time at which the server began to close connections, in milliseconds since the
    /// server started, or `None` if the server is not closing connections.
    fn closing_since_ms(&self) -> Option<u64>;
    /// Returns whether a connection was rejected at the connection limit within `period`.
    fn rejected_within(&self, period: Duration) -> bool;
    /// Closes a connection whose request body arrives slowly. Returns whether a connection was
    /// closed.
    fn evict_slow_upload(&self) -> bool;
}

/// A handle to a connection, stored in the extensions of each of its requests.
#[derive(Clone)]
pub(in crate::http) struct Connection(Arc<ConnectionState>);

struct ConnectionState {
    peer: Option<IpAddr>,
    owner: Arc<dyn ConnectionOwner>,
    phase: AtomicU8,
    /// The time at which the phase began, in milliseconds since the server started.
    phase_since_ms: AtomicU64,
    /// The number of bytes sent to the client.
    bytes_sent: AtomicU64,
    /// Whether the last write blocked because the client is not reading.
    is_write_blocked: AtomicBool,
    /// Whether the request has separate timeouts.
    has_own_timeouts: AtomicBool,
    is_awaiting_body: AtomicBool,
    is_aborted: AtomicBool,
    signal: Notify,
    /// The CPU permit of the response that is being written, if the response has a permit.
    cpu_permit: Mutex<Option<CpuPermit>>,
    has_cpu_permit: AtomicBool,
}

impl Connection {
    pub(super) fn new(peer: Option<IpAddr>, owner: Arc<dyn ConnectionOwner>) -> Connection {
        Connection(Arc::new(ConnectionState {
            peer,
            phase: AtomicU8::new(ConnectionPhase::Accepted as u8),
            phase_since_ms: AtomicU64::new(owner.now_ms()),
            owner,
            bytes_sent: AtomicU64::new(0),
            is_write_blocked: AtomicBool::new(false),
            has_own_timeouts: AtomicBool::new(false),
            is_awaiting_body: AtomicBool::new(false),
            is_aborted: AtomicBool::new(false),
            signal: Notify::new(),
            cpu_permit: Mutex::default(),
            has_cpu_permit: AtomicBool::new(false),
        }))
    }

    /// Closes the connection at once, even in the middle of a response. A response body that ends
    /// with an error also closes the connection, but only while the client is reading.
    pub(in crate::http) fn abort(&self) {
        self.0.is_aborted.store(true, Ordering::Relaxed);
        self.0.signal.notify_one();
    }

    /// Exempts the request from the write timeout, because the request has separate timeouts. Every
    /// batch has separate timeouts.
    pub(in crate::http) fn use_own_timeouts(&self) {
        self.0.has_own_timeouts.store(true, Ordering::Relaxed);
    }

    /// Returns the address of the peer, which is a client or a proxy.
    pub(in crate::http) fn peer(&self) -> Option<IpAddr> {
        self.0.peer
    }

    /// Returns whether the server is shutting down.
    pub(in crate::http) fn is_stopping(&self) -> bool {
        self.0.owner.is_stopping()
    }

    /// Returns whether another connection was rejected at the connection limit within `period`.
    pub(in crate::http) fn rejected_connection_within(&self, period: Duration) -> bool {
        self.0.owner.rejected_within(period)
    }

    /// Records whether the connection is waiting for the body of the request.
    pub(in crate::http) fn set_awaiting_body(&self, is_awaiting: bool) {
        self.0
            .is_awaiting_body
            .store(is_awaiting, Ordering::Relaxed);
    }

    /// Stores the CPU permit of the response that is being written. The permit is released when a
    /// write blocks, so that a slow client does not delay other requests.
    pub(in crate::http) fn set_cpu_permit(&self, permit: CpuPermit) {
        *self
            .0
            .cpu_permit
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(permit);
        self.0.has_cpu_permit.store(true, Ordering::Relaxed);
    }

    fn release_cpu_permit(&self) {
        // Most connections have no permit, and so do not need the lock.
        if self.0.has_cpu_permit.swap(false, Ordering::Relaxed) {
            let slot = self.0.cpu_permit.lock();
            let permit = slot.unwrap_or_else(PoisonError::into_inner).take();
            if let Some(permit) = permit {
                permit.release();
            }
        }
    }

    /// Closes the connection of another request whose body arrives slowly. Returns whether a
    /// connection was closed.
    pub(in crate::http) fn evict_slow_upload(&self) -> bool {
        self.0.owner.evict_slow_upload()
    }

    /// Waits for the next signal to close the connection, and returns it.
    pub(super) async fn next_signal(&self) -> ConnectionSignal {
        self.0.signal.notified().await;
        if self.0.is_aborted.load(Ordering::Relaxed) {
            ConnectionSignal::Abort
        } else {
            ConnectionSignal::CloseWhenIdle
        }
    }

    /// Waits for the signal to close the connection immediately.
    pub(super) async fn aborted(&self) {
        while self.next_signal().await != ConnectionSignal::Abort {}
    }

    /// Closes the connection as soon as it is idle.
    pub(super) fn close_when_idle(&self) {
        self.0.signal.notify_one();
    }

    /// Returns whether the server is closing connections and this connection was idle for the whole
    /// grace period.
    fn is_closed_by_shutdown(&self) -> bool {
        let Some(closing_since_ms) = self.0.owner.closing_since_ms() else {
            return false;
        };
        let (phase, since_ms) = self.phase();
        let idle_ms = (self.0.owner.now_ms()).saturating_sub(since_ms.max(closing_since_ms));
        let grace_is_over = u128::from(idle_ms) >= IDLE_GRACE.as_millis();
        matches!(phase, ConnectionPhase::Accepted | ConnectionPhase::Idle) && grace_is_over
    }

    pub(super) fn phase(&self) -> (ConnectionPhase, u64) {
        let phase = match self.0.phase.load(Ordering::Relaxed) {
            0 => ConnectionPhase::Accepted,
            1 => ConnectionPhase::Head,
            2 => ConnectionPhase::Request,
            _ => ConnectionPhase::Idle,
        };
        (phase, self.0.phase_since_ms.load(Ordering::Relaxed))
    }

    pub(super) fn is_awaiting_body(&self) -> bool {
        self.0.is_awaiting_body.load(Ordering::Relaxed)
    }

    /// Returns the number of bytes sent so far if the client is not reading and the write timeout
    /// applies.
    pub(super) fn bytes_sent_if_blocked(&self) -> Option<u64> {
        let uses_server_timeouts = !self.0.has_own_timeouts.load(Ordering::Relaxed);
        let is_blocked = self.0.is_write_blocked.load(Ordering::Relaxed);
        (is_blocked && uses_server_timeouts).then(|| self.0.bytes_sent.load(Ordering::Relaxed))
    }

    fn enter_phase(&self, phase: ConnectionPhase) {
        let now_ms = self.0.owner.now_ms();
        self.0.phase_since_ms.store(now_ms, Ordering::Relaxed);
        self.0.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(super) fn begin_request(&self) -> InFlightGuard {
        self.enter_phase(ConnectionPhase::Request);
        InFlightGuard(self.clone())
    }

    fn record_read(&self) {
        match self.phase().0 {
            // A single timeout applies to the wait for the first byte and to the arrival of the
            // headers.
            ConnectionPhase::Accepted => self
                .0
                .phase
                .store(ConnectionPhase::Head as u8, Ordering::Relaxed),
            ConnectionPhase::Idle => self.enter_phase(ConnectionPhase::Head),
            ConnectionPhase::Head | ConnectionPhase::Request => {}
        }
    }

    fn record_write(&self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Ready(Ok(length)) => {
                self.0
                    .bytes_sent
                    .fetch_add(*length as u64, Ordering::Relaxed);
                self.0.is_write_blocked.store(false, Ordering::Relaxed);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.0.is_write_blocked.store(true, Ordering::Relaxed);
                self.release_cpu_permit();
            }
        }
    }
}

/// A signal to the task of a connection from another task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionSignal {
    /// Close the connection at once.
    Abort,
    /// Close the connection as soon as it is idle.
    CloseWhenIdle,
}

/// A request that is in flight until its whole response has been passed to hyper.
pub(super) struct InFlightGuard(Connection);

impl InFlightGuard {
    /// Returns whether the server is shutting down.
    pub(super) fn is_stopping(&self) -> bool {
        self.0.is_stopping()
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.0.has_own_timeouts.store(false, Ordering::Relaxed);
        self.0.0.is_awaiting_body.store(false, Ordering::Relaxed);
        self.0.release_cpu_permit();
        self.0.enter_phase(ConnectionPhase::Idle);
    }
}

pin_project! {
    /// The body of a response. The request is in flight until the body is dropped.
    pub(super) struct TrackedBody {
        #[pin]
        body: Body,
        _in_flight: InFlightGuard,
    }
}

impl TrackedBody {
    pub(super) fn new(body: Body, in_flight: InFlightGuard) -> TrackedBody {
        TrackedBody {
            body,
            _in_flight: in_flight,
        }
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.project().body.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that records reads and writes in its connection.
pub(super) struct TrackedStream<S> {
    stream: S,
    connection: Connection,
}

impl<S> TrackedStream<S> {
    pub(super) fn new(stream: S, connection: Connection) -> TrackedStream<S> {
        TrackedStream { stream, connection }
    }

    /// Returns the stream after hyper has finished using it.
    pub(super) fn into_stream(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TrackedStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.connection.record_read();
        }
        if result.is_pending() && this.connection.is_closed_by_shutdown() {
            // hyper then assumes that the client has closed the connection, and closes the
            // connection without a response.
            return Poll::Ready(Ok(()));
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TrackedStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.connection.record_write(&result);
        result
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(context, pieces);
        this.connection.record_write(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    /// Does nothing. The server itself shuts the stream down after hyper has finished using it.
    /// Before that, the server counts a request that is not valid HTTP.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
