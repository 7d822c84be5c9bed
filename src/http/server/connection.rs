//! A connection as its requests see it and as it is watched: what it is at, since when, and how much
//! it has taken. Kept without a lock, for every request writes it.

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

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing has come yet.
    Opened,
    /// Some of a request's head has come.
    Head,
    /// A request is read, answered or sent the answer to.
    Request,
    /// Between two requests.
    Idle,
}

/// A connection; every request has it among its extensions.
#[derive(Clone)]
pub(in crate::http) struct Connection(Arc<State>);

struct State {
    peer: Option<IpAddr>,
    open: Arc<Open>,
    phase: AtomicU8,
    /// When the phase began, in the milliseconds of [`Open::now_ms`].
    since_ms: AtomicU64,
    /// Bytes that the other end was sent.
    sent: AtomicU64,
    /// The other end takes no more for now.
    is_blocked: AtomicBool,
    /// The request has limits of its own.
    minds_itself: AtomicBool,
    awaits_body: AtomicBool,
    is_hung_up: AtomicBool,
    told: Notify,
    /// The turn of the answer that is written, where it has one.
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

    /// Closes it, in the middle of an answer too: a body that ends in an error does as much, but only
    /// where the client still reads.
    pub(in crate::http) fn hang_up(&self) {
        self.0.is_hung_up.store(true, Ordering::Relaxed);
        self.0.told.notify_one();
    }

    /// The request has time limits of its own, as lists have.
    pub(in crate::http) fn minds_itself(&self) {
        self.0.minds_itself.store(true, Ordering::Relaxed);
    }

    /// The address of the other end: a client's, or a proxy's.
    pub(in crate::http) fn peer(&self) -> Option<IpAddr> {
        self.0.peer
    }

    /// The service has been asked to stop.
    pub(in crate::http) fn is_stopping(&self) -> bool {
        self.0.open.is_stopping()
    }

    /// Whether other connections found no place in this time.
    pub(in crate::http) fn others_were_refused_within(&self, time: Duration) -> bool {
        self.0.open.has_refused_within(time)
    }

    /// A body is waited for, or has come.
    pub(in crate::http) fn awaits_body(&self, waits: bool) {
        self.0.awaits_body.store(waits, Ordering::Relaxed);
    }

    /// The answer is written in this turn, which ends as soon as the other end takes no more for now: a slow client
    /// keeps no other waiting.
    pub(in crate::http) fn writes_in(&self, turn: Turn) {
        *self.0.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
        self.0.has_turn.store(true, Ordering::Relaxed);
    }

    fn ends_turn(&self) {
        // Most requests have none, and take no lock.
        if self.0.has_turn.swap(false, Ordering::Relaxed) {
            let turn = self.0.turn.lock();
            let turn = turn.unwrap_or_else(PoisonError::into_inner).take();
            if let Some(turn) = turn {
                turn.release();
            }
        }
    }

    /// Ends the connection of some other request whose body has been waited for too long.
    pub(in crate::http) fn make_room_for_a_body(&self) -> bool {
        self.0.open.give_up_a_slow_body()
    }

    /// Done when it is to be closed.
    pub(super) async fn told(&self) -> Told {
        self.0.told.notified().await;
        match self.0.is_hung_up.load(Ordering::Relaxed) {
            true => Told::HangUp,
            false => Told::Close,
        }
    }

    /// Done when it is to be closed at once.
    pub(super) async fn hung_up(&self) {
        while self.told().await != Told::HangUp {}
    }

    /// It is to be closed as soon as it is idle.
    pub(super) fn close(&self) {
        self.0.told.notify_one();
    }

    /// The service is closing its connections, and nothing has been asked on this one for the whole grace.
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

    /// How much it was sent, where it takes no more and nobody else minds.
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
            // The first byte and the head have one limit between them.
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

/// Why a connection's task is woken from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// To be closed at once.
    HangUp,
    /// To be closed as soon as it is idle.
    Close,
}

/// A request, until its answer has been handed over whole.
pub(super) struct UnderWay(Connection);

impl UnderWay {
    /// The service has been asked to stop.
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
    /// The body of an answer; its request is over when it is.
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

/// A stream that tells its connection what moves.
pub(super) struct Watched<S> {
    stream: S,
    connection: Connection,
    /// What is sent in place of hyper's own answer, as far as it has not been sent.
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

    /// The stream, when hyper is done with it.
    pub(super) fn into_stream(self) -> S {
        self.stream
    }

    /// Whether these are hyper's own words, to which we have others.
    fn is_hypers(&mut self, bytes: &[u8]) -> bool {
        // It answers by itself where a head is no request's.
        if self.instead.is_none() && self.connection.at().0 != Phase::Request {
            self.instead = unrouted::instead_of(bytes);
        }
        self.instead.is_some()
    }

    /// Sends ours. Done when all of it is sent, and hyper is told that all of its own is.
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
            // As if the client had ended it, which hyper takes for a reason to close without an answer.
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
