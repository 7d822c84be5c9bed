//! Between a connection and the threads that answer a list: pieces in, pieces out, a few at a time on
//! either side, so that a client that reads slowly is read slowly.
//!
//! ```text
//!  request body ──carry──► a few pieces ──► Intake, run ──► a few pieces ──► Answers, the response body
//!   (a task)                              (blocking threads)                  (polled by hyper)
//! ```
//!
//! Whoever drops out ends all: without [`Answers`] there is no carrier, without a carrier nothing to
//! read, and a run that can neither read nor write is over. A list that stands still is given up.

use std::fmt;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::sync::{mpsc, oneshot};

use super::super::request_id::RequestId;
use super::super::server::Connection;
use super::BatchLimits;

/// Pieces that wait to be answered: hyper reads 16 KiB at a time at most.
const PIECES_IN: usize = 32;
/// Answers that wait to be sent: about half a mebibyte each, a block with our columns.
const PIECES_OUT: usize = 2;

/// Slower than this is not sending or taking a list, but holding its place.
const LEAST_BYTES_A_SECOND: u64 = 1_000;

/// What is sent after a list was refused is read for a while, for the client to come to read why.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 64 << 20;

/// The trailer with the summary.
pub(super) const SUMMARY: HeaderName = HeaderName::from_static("catchment-summary");

/// Why no more of a list comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// It is longer than the service allows.
    TooLong,
    /// The client broke off.
    Broken,
    /// Nobody wants its answers any more.
    Unwanted,
    /// It stood still.
    GivenUp,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cut::TooLong => "longer than is allowed",
            Cut::Broken => "broken off",
            Cut::Unwanted => "not wanted any more",
            Cut::GivenUp => "given up",
        })
    }
}

impl std::error::Error for Cut {}

/// What comes in.
enum Piece {
    Bytes(Bytes),
    End,
    Cut(Cut),
}

/// What goes out.
enum Answered {
    Bytes(Bytes),
    /// All of it, and the summary.
    End(Option<HeaderValue>),
}

/// The ends of a bridge.
pub(super) struct Bridge {
    pub(super) list: List,
    pub(super) answering: Answering,
    pub(super) answers: Answers,
    pub(super) carrier: Carrier,
}

impl Bridge {
    /// For a body, and the limits of a list.
    pub(super) fn new(body: Body, limits: &BatchLimits, request_id: &RequestId) -> Bridge {
        let (send_piece, piece) = mpsc::channel(PIECES_IN);
        let (send_answer, answer) = mpsc::channel(PIECES_OUT);
        let (alive, gone) = oneshot::channel();
        let moved = Arc::new(AtomicU64::new(0));
        let taker = Arc::new(OnceLock::new());
        Bridge {
            list: List {
                from: piece,
                rest: Bytes::new(),
                has_ended: false,
            },
            answering: Answering {
                into: send_answer,
                ends_a_line: true,
            },
            answers: Answers {
                from: answer,
                is_over: false,
                moved: Arc::clone(&moved),
                taker: Arc::clone(&taker),
                _alive: alive,
            },
            carrier: Carrier {
                body,
                into: send_piece,
                gone,
                moved,
                taker,
                request_id: request_id.clone(),
                bytes_max: limits.bytes,
                stalled_after: limits.stalled_after,
            },
        }
    }
}

/// Takes the pieces of a body to those who read the list.
pub(super) struct Carrier {
    body: Body,
    into: mpsc::Sender<Piece>,
    /// Done when [`Answers`] is there no more.
    gone: oneshot::Receiver<()>,
    moved: Arc<AtomicU64>,
    taker: Arc<OnceLock<Connection>>,
    request_id: RequestId,
    bytes_max: u64,
    stalled_after: Duration,
}

impl Carrier {
    /// Carries until the answers are there no more, or nothing moves.
    pub(super) async fn carry(self) {
        let Carrier { mut body, into, .. } = self;
        let last = into.clone();
        let carried = async {
            pump(&mut body, into, self.bytes_max, &self.moved).await;
            // What is left to do is to answer it and to send that.
            std::future::pending::<()>().await;
        };
        let has_stalled = tokio::select! {
            () = carried => false,
            _ = self.gone => false,
            () = stalled(&self.moved, self.stalled_after) => true,
        };
        if has_stalled {
            let request_id = self.request_id.as_str();
            tracing::warn!(request_id, "a list stood still and was given up");
        } else {
            // Where there is no room for it, writing fails before it would be read.
            let _ = last.try_send(Piece::Cut(Cut::Unwanted));
        }
        drop(last);
        linger(&mut body).await;
        if has_stalled && let Some(connection) = self.taker.get() {
            // Whoever does not read is not told by the end of the body.
            connection.hang_up();
        }
    }
}

/// Until the body has ended, or nobody reads any more.
async fn pump(body: &mut Body, into: mpsc::Sender<Piece>, bytes_max: u64, moved: &AtomicU64) {
    let mut taken = 0;
    loop {
        let piece = match body.frame().await {
            None => Piece::End,
            Some(Err(_)) => Piece::Cut(Cut::Broken),
            Some(Ok(frame)) => match frame.into_data() {
                // Trailers of the client's.
                Err(_) => continue,
                Ok(bytes) => {
                    taken += bytes.len() as u64;
                    moved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    match taken > bytes_max {
                        true => Piece::Cut(Cut::TooLong),
                        false => Piece::Bytes(bytes),
                    }
                }
            },
        };
        let is_last = !matches!(piece, Piece::Bytes(_));
        if into.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

/// Done when in this time less has moved than should have.
pub(super) async fn stalled(moved: &AtomicU64, after: Duration) {
    let least = LEAST_BYTES_A_SECOND * after.as_secs();
    let mut before = moved.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(after).await;
        let now = moved.load(Ordering::Relaxed);
        if now - before <= least {
            return;
        }
        before = now;
    }
}

/// Reads what is still sent, for nobody.
pub(in crate::http) async fn linger(body: &mut Body) {
    let rest = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > LINGER_BYTES {
                return;
            }
        }
    };
    // It is a kindness, and ends in any case.
    let _ = tokio::time::timeout(LINGER, rest).await;
}

/// The list, for threads that may wait.
pub(super) struct List {
    from: mpsc::Receiver<Piece>,
    rest: Bytes,
    has_ended: bool,
}

impl Read for List {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !self.has_ended {
            match self.from.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.rest = bytes,
                Some(Piece::End) => self.has_ended = true,
                Some(Piece::Cut(cut)) => return Err(io::Error::other(cut)),
                None => return Err(io::Error::other(Cut::GivenUp)),
            }
        }
        let length = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Why the list came to no end, where that is the reading's fault.
pub(super) fn cut(error: &io::Error) -> Option<Cut> {
    error.get_ref()?.downcast_ref().copied()
}

/// Where the answers are written. Without [`Answering::end`], they end as a connection that breaks.
pub(super) struct Answering {
    into: mpsc::Sender<Answered>,
    ends_a_line: bool,
}

impl Answering {
    /// All is answered.
    pub(super) fn end(self, summary: Option<HeaderValue>) {
        // The taker may have gone at the last moment.
        let _ = self.into.blocking_send(Answered::End(summary));
    }

    /// Adds a line of its own.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        let before = if self.ends_a_line { "" } else { "\n" };
        self.write_all(format!("{before}{line}\n").as_bytes())
    }
}

impl Write for Answering {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(last) = bytes.last() {
            self.ends_a_line = *last == b'\n';
            let piece = Answered::Bytes(Bytes::copy_from_slice(bytes));
            let sent = self.into.blocking_send(piece);
            sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The answers as the body of a response; they end in an error where the list is not answered to its
/// end, so that no client takes them for whole.
pub(super) struct Answers {
    from: mpsc::Receiver<Answered>,
    is_over: bool,
    moved: Arc<AtomicU64>,
    taker: Arc<OnceLock<Connection>>,
    _alive: oneshot::Sender<()>,
}

impl Answers {
    /// The connection that takes them can be closed.
    pub(super) fn taken_by(&self, connection: Option<&Connection>) {
        if let Some(connection) = connection {
            // One connection takes them.
            let _ = self.taker.set(connection.clone());
        }
    }
}

impl HttpBody for Answers {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let frame = match ready!(self.from.poll_recv(context)) {
            Some(Answered::Bytes(bytes)) => {
                self.moved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Some(Ok(Frame::data(bytes)))
            }
            Some(Answered::End(summary)) => {
                self.is_over = true;
                summary
                    .map(|summary| Ok(Frame::trailers(HeaderMap::from_iter([(SUMMARY, summary)]))))
            }
            None => {
                self.is_over = true;
                Some(Err(Cut::GivenUp))
            }
        };
        Poll::Ready(frame)
    }
}
