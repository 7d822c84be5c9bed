//! The state of a connection: its phase, since when it has been in it, and the bytes sent. It is
//! nearly lock-free, because every request updates it.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{io, io::IoSlice};

use axum::body::{Body, HttpBody};
use bytes::{Buf, Bytes};
use hyper::body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::super::access::Turn;
use super::IDLE_GRACE;
use super::open::Open;
use super::unrouted;

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Open, and nothing was received yet.
    Opened,
    /// Part of the head of a request was received.
    Head,
    /// A request is being read or answered.
    Request,
    /// Between two requests.
    Idle,
}

/// A connection. It is an extension of each of its requests.
#[derive(Clone)]
pub(in crate::http) struct Connection(Arc<State>);

struct State {
    peer: Option<IpAddr>,
    open: Arc<Open>,
    phase: AtomicU8,
    /// When the phase began, in the milliseconds of [`ConnectionRegistry::now_ms`].
    since_ms: AtomicU64,
    /// The bytes sent to the client.
    sent: AtomicU64,
    /// The last write blocked: the client is not reading.
    is_blocked: AtomicBool,
    /// The request has timeouts of its own.
    minds_itself: AtomicBool,
    awaits_body: AtomicBool,
    is_hung_up: AtomicBool,
    told: Notify,
    /// The CPU permit of the response that is being written, if it has one.
    turn: Mutex<Option<Turn>>,
    has_turn: AtomicBool,
}

impl Connection {
    pub(super) fn new(peer: Option<IpAddr>, open: Arc<Open>) -> Connection {
        Connection(Arc::new(State {
            peer,
            phase: AtomicU8::new(Phase::Opened as u8),
            since_ms: AtomicU64::new(open.now_ms()),
            open,
            sent: AtomicU64::new(0),
            is_blocked: AtomicBool::new(false),
            minds_itself: AtomicBool::new(false),
            awaits_body: AtomicBool::new(false),
            is_hung_up: AtomicBool::new(false),
            told: Notify::new(),
            turn: Mutex::default(),
            has_turn: AtomicBool::new(false),
        }))
    }

    /// Closes the connection at once, even in the middle of a response. A body that ends in an
    /// error closes it too, but only if the client is still reading.
    pub(in crate::http) fn hang_up(&self) {
        self.0.is_hung_up.store(true, Ordering::Relaxed);
        self.0.told.notify_one();
    }

    /// Exempts the request from the write timeout, because it has timeouts of its own, as batches
    /// have.
    pub(in crate::http) fn minds_itself(&self) {
        self.0.minds_itself.store(true, Ordering::Relaxed);
    }

    /// Returns the address of the peer, which is a client or a proxy.
    pub(in crate::http) fn peer(&self) -> Option<IpAddr> {
        self.0.peer
    }

    /// Returns whether the server is shutting down.
    pub(in crate::http) fn is_stopping(&self) -> bool {
        self.0.open.is_stopping()
    }

    /// Returns whether another connection was rejected at the connection limit within `period`.
    pub(in crate::http) fn others_were_refused_within(&self, time: Duration) -> bool {
        self.0.open.has_refused_within(time)
    }

    /// Records whether the body of the request is still awaited.
    pub(in crate::http) fn awaits_body(&self, waits: bool) {
        self.0.awaits_body.store(waits, Ordering::Relaxed);
    }

    /// Stores the CPU permit of the response that is being written. It is released when a write
    /// blocks, so that a slow client does not delay other requests.
    pub(in crate::http) fn writes_in(&self, turn: Turn) {
        *self.0.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
        self.0.has_turn.store(true, Ordering::Relaxed);
    }

    fn ends_turn(&self) {
        // Most requests have no permit here and take no lock.
        if self.0.has_turn.swap(false, Ordering::Relaxed) {
            let turn = self.0.turn.lock();
            let turn = turn.unwrap_or_else(PoisonError::into_inner).take();
            if let Some(turn) = turn {
                turn.release();
            }
        }
    }

    /// Closes the connection of another request whose body is slow to arrive. Returns whether there
    /// was one.
    pub(in crate::http) fn make_room_for_a_body(&self) -> bool {
        self.0.open.give_up_a_slow_body()
    }

    /// Waits until the connection is to be closed.
    pub(super) async fn told(&self) -> Told {
        self.0.told.notified().await;
        match self.0.is_hung_up.load(Ordering::Relaxed) {
            true => Told::HangUp,
            false => Told::Close,
        }
    }

    /// Waits until the connection is to be closed at once.
    pub(super) async fn hung_up(&self) {
        while self.told().await != Told::HangUp {}
    }

    /// Closes the connection as soon as it is idle.
    pub(super) fn close(&self) {
        self.0.told.notify_one();
    }

    /// Returns whether the server is closing connections and this one was idle for the whole grace
    /// period.
    fn has_ended(&self) -> bool {
        let Some(closing_since_ms) = self.0.open.closing_since_ms() else {
            return false;
        };
        let (phase, since_ms) = self.at();
        let idle_ms = (self.0.open.now_ms()).saturating_sub(since_ms.max(closing_since_ms));
        let grace_is_over = u128::from(idle_ms) >= IDLE_GRACE.as_millis();
        matches!(phase, Phase::Opened | Phase::Idle) && grace_is_over
    }

    pub(super) fn at(&self) -> (Phase, u64) {
        let phase = match self.0.phase.load(Ordering::Relaxed) {
            0 => Phase::Opened,
            1 => Phase::Head,
            2 => Phase::Request,
            _ => Phase::Idle,
        };
        (phase, self.0.since_ms.load(Ordering::Relaxed))
    }

    pub(super) fn is_waiting_for_a_body(&self) -> bool {
        self.0.awaits_body.load(Ordering::Relaxed)
    }

    /// Returns the bytes sent so far if the client is not reading and the write timeout applies.
    pub(super) fn blocked_at(&self) -> Option<u64> {
        let is_ours = !self.0.minds_itself.load(Ordering::Relaxed);
        let is_blocked = self.0.is_blocked.load(Ordering::Relaxed);
        (is_blocked && is_ours).then(|| self.0.sent.load(Ordering::Relaxed))
    }

    fn enters(&self, phase: Phase) {
        let now_ms = self.0.open.now_ms();
        self.0.since_ms.store(now_ms, Ordering::Relaxed);
        self.0.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(super) fn begins_request(&self) -> UnderWay {
        self.enters(Phase::Request);
        UnderWay(self.clone())
    }

    fn has_read(&self) {
        match self.at().0 {
            // The first byte and the head share a timeout.
            Phase::Opened => self.0.phase.store(Phase::Head as u8, Ordering::Relaxed),
            Phase::Idle => self.enters(Phase::Head),
            Phase::Head | Phase::Request => {}
        }
    }

    fn has_written(&self, outcome: &Poll<io::Result<usize>>) {
        match outcome {
            Poll::Ready(Ok(length)) => {
                self.0.sent.fetch_add(*length as u64, Ordering::Relaxed);
                self.0.is_blocked.store(false, Ordering::Relaxed);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.0.is_blocked.store(true, Ordering::Relaxed);
                self.ends_turn();
            }
        }
    }
}

/// Why the task of a connection is woken by another task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Close the connection at once.
    HangUp,
    /// Close the connection as soon as it is idle.
    Close,
}

/// A request in flight, until its whole response has been passed to hyper.
pub(super) struct UnderWay(Connection);

impl UnderWay {
    /// Returns whether the server is shutting down.
    pub(super) fn is_stopping(&self) -> bool {
        self.0.is_stopping()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.minds_itself.store(false, Ordering::Relaxed);
        self.0.0.awaits_body.store(false, Ordering::Relaxed);
        self.0.ends_turn();
        self.0.enters(Phase::Idle);
    }
}

pin_project! {
    /// The body of a response. Its request is in flight until this is dropped.
    pub(super) struct Answer {
        #[pin]
        body: Body,
        _request: UnderWay,
    }
}

impl Answer {
    pub(super) fn new(body: Body, request: UnderWay) -> Answer {
        Answer {
            body,
            _request: request,
        }
    }
}

impl HttpBody for Answer {
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
pub(super) struct Watched<S> {
    stream: S,
    connection: Connection,
    /// The part of the replacement for hyper's own response that is not sent yet.
    instead: Option<Bytes>,
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    pub(super) fn new(stream: S, connection: Connection) -> Watched<S> {
        Watched {
            stream,
            connection,
            instead: None,
        }
    }

    /// Returns the stream, once hyper is done with it.
    pub(super) fn into_stream(self) -> S {
        self.stream
    }

    /// Returns whether `bytes` are a response of hyper's own, which is replaced.
    fn is_hypers(&mut self, bytes: &[u8]) -> bool {
        // hyper answers by itself if it cannot parse the head of a request.
        if self.instead.is_none() && self.connection.at().0 != Phase::Request {
            self.instead = unrouted::instead_of(bytes);
        }
        self.instead.is_some()
    }

    /// Sends the replacement. Once all of it is sent, reports to hyper that all of `original` is.
    fn poll_ours(&mut self, context: &mut Context<'_>, theirs: &[u8]) -> Poll<io::Result<usize>> {
        while let Some(ours) = self.instead.as_mut().filter(|ours| !ours.is_empty()) {
            let sent = Pin::new(&mut self.stream).poll_write(context, ours);
            self.connection.has_written(&sent);
            match ready!(sent)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                length => ours.advance(length),
            }
        }
        self.instead = None;
        Poll::Ready(Ok(theirs.len()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.connection.has_read();
        }
        if read.is_pending() && this.connection.has_ended() {
            // hyper takes this for a close by the client and closes the connection without a
            // response.
            return Poll::Ready(Ok(()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_hypers(bytes) {
            return this.poll_ours(context, bytes);
        }
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.connection.has_written(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let [bytes] = pieces
            && this.is_hypers(bytes)
        {
            return this.poll_ours(context, bytes);
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, pieces);
        this.connection.has_written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
