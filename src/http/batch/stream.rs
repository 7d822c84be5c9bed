//! Between a connection and the threads that answer a list: pieces in, pieces out, a few at a time on
//! either side, so that a client that reads slowly is read slowly.
//!
//! ```text
//!  request body ──carry──► a few pieces ──► Intake, run ──► a few pieces ──► Answers, the response body
//!   (a task)                              (blocking threads)                  (polled by hyper)
//! ```
//!
//! Whoever drops out ends all: without [`Answers`] there is no carrier, without a carrier nothing to
//! read, and a run that can neither read nor write is over. A list that stands still is given up, and so is one whose
//! client sends or takes too slowly, or that takes too long ([`Traffic`]).

use std::fmt;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::sync::{mpsc, oneshot};

use super::super::access::places::Places;
use super::super::request_id::RequestId;
use super::super::server::Connection;
use super::BatchLimits;

/// Pieces that wait to be answered: hyper reads 16 KiB at a time at most.
const PIECES_IN: usize = 32;
/// Answers that wait to be sent, and the bytes of each at most: those of a record batch are sent from
/// where they are, and not copied whole.
const PIECES_OUT: usize = 4;
const PIECE_BYTES: usize = 256 << 10;

/// Slower than this is not sending or taking a list, but holding its place.
const LEAST_BYTES_A_SECOND: u64 = 1_000;

/// The average rate of a client is looked at so often.
const RATE_CHECKED_EVERY: Duration = Duration::from_secs(1);

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
    /// Done when rows were answered, and not only the beginning was written.
    pub(super) rows: oneshot::Receiver<()>,
}

impl Bridge {
    /// For a body, and the limits of a list.
    pub(super) fn new(
        body: Body,
        limits: &Arc<BatchLimits>,
        places: &Places,
        request_id: &RequestId,
    ) -> Bridge {
        let (send_piece, piece) = mpsc::channel(PIECES_IN);
        let (send_answer, answer) = mpsc::channel(PIECES_OUT);
        let (alive, gone) = oneshot::channel();
        let traffic = Arc::new(Traffic::default());
        let (tell_rows, rows) = oneshot::channel();
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
                traffic: Arc::clone(&traffic),
                has_begun: false,
                tell_rows: Some(tell_rows),
            },
            rows,
            answers: Answers {
                from: answer,
                is_over: false,
                traffic: Arc::clone(&traffic),
                taker: Arc::clone(&taker),
                _alive: alive,
            },
            carrier: Carrier {
                body,
                into: send_piece,
                gone,
                traffic,
                taker,
                request_id: request_id.clone(),
                limits: Arc::clone(limits),
                places: places.clone(),
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
    traffic: Arc<Traffic>,
    taker: Arc<OnceLock<Connection>>,
    request_id: RequestId,
    limits: Arc<BatchLimits>,
    places: Places,
}

impl Carrier {
    /// Carries until the answers are there no more, or the list is given up.
    pub(super) async fn carry(self) {
        let Carrier { mut body, into, .. } = self;
        let last = into.clone();
        let carried = async {
            pump(&mut body, into, self.limits.bytes, &self.traffic).await;
            // What is left to do is to answer it and to send that.
            std::future::pending::<()>().await;
        };
        let given_up = tokio::select! {
            () = carried => None,
            _ = self.gone => None,
            why = self.traffic.ends(&self.limits, &self.places) => Some(why),
        };
        if let Some(why) = given_up {
            let request_id = self.request_id.as_str();
            tracing::warn!(request_id, "{why}");
        } else {
            // Where there is no room for it, writing fails before it would be read.
            let _ = last.try_send(Piece::Cut(Cut::Unwanted));
        }
        drop(last);
        linger(&mut body).await;
        if given_up.is_some()
            && let Some(connection) = self.taker.get()
        {
            // Whoever does not read is not told by the end of the body.
            connection.hang_up();
        }
    }
}

/// Until the body has ended, or nobody reads any more.
async fn pump(body: &mut Body, into: mpsc::Sender<Piece>, bytes_max: u64, traffic: &Traffic) {
    let mut taken = 0;
    loop {
        let waits = traffic.waits_for_bytes();
        let frame = body.frame().await;
        drop(waits);
        let piece = match frame {
            None => Piece::End,
            Some(Err(_)) => Piece::Cut(Cut::Broken),
            Some(Ok(frame)) => match frame.into_data() {
                // Trailers of the client's.
                Err(_) => continue,
                Ok(bytes) => {
                    taken += bytes.len() as u64;
                    traffic.came(bytes.len());
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

/// What moves between a client and the service, and how long the service waited for the client to move it.
pub(super) struct Traffic {
    began: Instant,
    sent: Direction,
    taken: Direction,
}

/// One direction: from the client, or to it.
#[derive(Default)]
struct Direction {
    bytes: AtomicU64,
    waited_us: AtomicU64,
    /// Since when the client is waited for, in microseconds after the beginning, and one; 0 where it is not.
    waits_since_us: AtomicU64,
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic {
            began: Instant::now(),
            sent: Direction::default(),
            taken: Direction::default(),
        }
    }
}

impl Traffic {
    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).expect("less than an age")
    }

    /// Bytes of the client came.
    pub(super) fn came(&self, bytes: usize) {
        self.sent.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes are on their way to the client.
    fn went(&self, bytes: usize) {
        self.taken.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The client is waited for, to send, until this is dropped.
    pub(super) fn waits_for_bytes(&self) -> Waits<'_> {
        Waits::begin(self, &self.sent)
    }

    /// The client is waited for, to take what it is sent, until this is dropped.
    fn waits_for_taker(&self) -> Waits<'_> {
        Waits::begin(self, &self.taken)
    }

    fn moved(&self) -> u64 {
        let all = [&self.sent, &self.taken];
        all.map(|it| it.bytes.load(Ordering::Relaxed)).iter().sum()
    }

    /// Done when the list is to be given up, with the reason for the log.
    pub(super) async fn ends(&self, limits: &BatchLimits, places: &Places) -> &'static str {
        tokio::select! {
            () = self.stalls(limits.stalled_after) => "a list stood still and was given up",
            () = self.is_slow(limits, places) => "a list whose client is too slow was given up",
            () = tokio::time::sleep(limits.within) => "a list took too long and was given up",
        }
    }

    /// Done when in this time less has moved than should have.
    async fn stalls(&self, after: Duration) {
        let least = LEAST_BYTES_A_SECOND * after.as_secs();
        let mut before = self.moved();
        loop {
            tokio::time::sleep(after).await;
            let now = self.moved();
            if now - before <= least {
                return;
            }
            before = now;
        }
    }

    /// Done when the client sends, or takes, less a second than it should.
    async fn is_slow(&self, limits: &BatchLimits, places: &Places) {
        let all = [&self.sent, &self.taken];
        loop {
            tokio::time::sleep(RATE_CHECKED_EVERY).await;
            let after = match places.queued() {
                0 => limits.rate_after,
                _ => limits.rate_after_if_queued.min(limits.rate_after),
            };
            let now_us = self.now_us();
            if all
                .iter()
                .any(|it| it.is_slower(limits.rate_min, after, now_us))
            {
                return;
            }
        }
    }
}

impl Direction {
    /// Whether the average over the time that the client was waited for is below this, and that was long enough.
    fn is_slower(&self, rate_min: u64, after: Duration, now_us: u64) -> bool {
        let waits_since_us = self.waits_since_us.load(Ordering::Relaxed);
        let waits_us = match waits_since_us.checked_sub(1) {
            Some(since_us) => now_us.saturating_sub(since_us),
            None => 0,
        };
        let waited_us = self.waited_us.load(Ordering::Relaxed) + waits_us;
        if u128::from(waited_us) < after.as_micros() {
            return false;
        }
        let bytes = u128::from(self.bytes.load(Ordering::Relaxed));
        bytes * 1_000_000 < u128::from(rate_min) * u128::from(waited_us)
    }
}

/// A time in which the client is waited for.
pub(super) struct Waits<'t> {
    traffic: &'t Traffic,
    direction: &'t Direction,
    since_us: u64,
}

impl<'t> Waits<'t> {
    fn begin(traffic: &'t Traffic, direction: &'t Direction) -> Waits<'t> {
        let since_us = traffic.now_us();
        let since = &direction.waits_since_us;
        since.store(since_us + 1, Ordering::Relaxed);
        Waits {
            traffic,
            direction,
            since_us,
        }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.direction.waits_since_us.store(0, Ordering::Relaxed);
        let waited_us = self.traffic.now_us() - self.since_us;
        let all = &self.direction.waited_us;
        all.fetch_add(waited_us, Ordering::Relaxed);
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
    traffic: Arc<Traffic>,
    /// The names of the columns, or the schema, were written.
    has_begun: bool,
    tell_rows: Option<oneshot::Sender<()>>,
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
        if self.has_begun
            && let Some(tell) = self.tell_rows.take()
        {
            // The response may have been begun without waiting for it.
            let _ = tell.send(());
        }
        self.has_begun |= !bytes.is_empty();
        for piece in bytes.chunks(PIECE_BYTES) {
            self.ends_a_line = piece.last() == Some(&b'\n');
            let piece = Answered::Bytes(Bytes::copy_from_slice(piece));
            let waits = self.traffic.waits_for_taker();
            let sent = self.into.blocking_send(piece);
            drop(waits);
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
    traffic: Arc<Traffic>,
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
                self.traffic.went(bytes.len());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_for_which_the_client_is_waited_for_counts() {
        let direction = Direction::default();
        direction.bytes.store(30_000, Ordering::Relaxed);
        let is_slower = |waited_s: u64, rate_min, now_s: u64| {
            let waited_us = waited_s * 1_000_000;
            direction.waited_us.store(waited_us, Ordering::Relaxed);
            direction.is_slower(rate_min, Duration::from_secs(2), now_s * 1_000_000)
        };
        // An hour has passed, and the service took nearly all of it.
        assert!(!is_slower(1, 50_000, 3_600));
        assert!(!is_slower(3, 10_000, 3_600));
        assert!(is_slower(4, 10_000, 3_600));
        // It is waited for since the first second.
        direction.waits_since_us.store(1_000_001, Ordering::Relaxed);
        assert!(!is_slower(0, 10_000, 4));
        assert!(is_slower(0, 10_000, 5));
    }

    #[test]
    fn waiting_is_counted_while_it_lasts_and_after() {
        let traffic = Traffic::default();
        let waits = traffic.waits_for_bytes();
        assert!(traffic.sent.waits_since_us.load(Ordering::Relaxed) > 0);
        std::thread::sleep(Duration::from_millis(2));
        drop(waits);
        assert_eq!(traffic.sent.waits_since_us.load(Ordering::Relaxed), 0);
        assert!(traffic.sent.waited_us.load(Ordering::Relaxed) >= 2_000);
        assert_eq!(traffic.taken.waited_us.load(Ordering::Relaxed), 0);
    }
}
