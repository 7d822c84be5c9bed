//! Streams a batch between the connection and the blocking threads that process it, through a
//! bounded queue in each direction, so that backpressure reaches the client.
//!
//! ```text
//!  request body ──► BodyPump ──► queue ──► BatchInput, run ──► queue ──► StreamingBody, the response
//!                   (a task)              (blocking threads)             (polled by hyper)
//! ```
//!
//! If one end is dropped, the others stop: [`BodyPump`] stops without [`StreamingBody`], reading
//! fails without [`BodyPump`], and a run that can neither read nor write ends. [`TransferMonitor`]
//! aborts a batch that stalls, whose client sends or reads too slowly, or that takes too long.

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

/// Input chunks in the queue. hyper reads at most 16 KiB at a time.
const PIECES_IN: usize = 32;
/// Output chunks in the queue, and the size of each. Output is split, so that a large record batch
/// is not copied as a whole.
const PIECES_OUT: usize = 4;
const PIECE_BYTES: usize = 256 << 10;

/// Below this rate, in and out together, a batch counts as stalled.
const LEAST_BYTES_A_SECOND: u64 = 1_000;

/// How often the average rate of a client is checked.
const RATE_CHECKED_EVERY: Duration = Duration::from_secs(1);

/// How long, and how much of, the rest of a request body is read after a batch was rejected, so
/// that the client gets to read the error.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 64 << 20;

/// The trailer with the summary.
pub(super) const SUMMARY: HeaderName = HeaderName::from_static("catchment-summary");

/// Why the stream of a batch ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The request body is longer than allowed.
    TooLong,
    /// The client disconnected during the upload.
    Broken,
    /// The client closed the download.
    Unwanted,
    /// The batch stalled, was too slow or took too long.
    GivenUp,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cut::TooLong => "the request body is too large",
            Cut::Broken => "the client disconnected",
            Cut::Unwanted => "the client closed the download",
            Cut::GivenUp => "the batch timed out",
        })
    }
}

impl std::error::Error for Cut {}

/// An item of the input queue.
enum Piece {
    Bytes(Bytes),
    End,
    Cut(Cut),
}

/// An item of the output queue.
enum Answered {
    Bytes(Bytes),
    /// The end of complete output, with the summary.
    End(Option<HeaderValue>),
}

/// The ends of the two queues.
pub(super) struct Bridge {
    pub(super) list: List,
    pub(super) answering: Answering,
    pub(super) answers: Answers,
    pub(super) carrier: Carrier,
    /// Resolves when the first output rows are written, not only the header.
    pub(super) rows: oneshot::Receiver<()>,
}

impl Bridge {
    /// Connects `body` to a batch with these limits.
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

/// Moves the chunks of the request body to the input queue.
pub(super) struct Carrier {
    body: Body,
    into: mpsc::Sender<Piece>,
    /// Resolves when [`StreamingBody`] is dropped.
    gone: oneshot::Receiver<()>,
    traffic: Arc<Traffic>,
    taker: Arc<OnceLock<Connection>>,
    request_id: RequestId,
    limits: Arc<BatchLimits>,
    places: Places,
}

impl Carrier {
    /// Runs until the response body is dropped, or the batch is aborted.
    pub(super) async fn carry(self) {
        let Carrier { mut body, into, .. } = self;
        let last = into.clone();
        let carried = async {
            pump(&mut body, into, self.limits.bytes, &self.traffic).await;
            // The input is complete; the output may still be in progress.
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
            // If the queue is full, the run fails at writing before it would read this.
            let _ = last.try_send(Piece::Cut(Cut::Unwanted));
        }
        drop(last);
        linger(&mut body).await;
        if given_up.is_some()
            && let Some(connection) = self.taker.get()
        {
            // A client that does not read would not notice the end of the body.
            connection.hang_up();
        }
    }
}

/// Forwards the body to the queue until it ends, or until the receiver is dropped.
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
                // Trailers are ignored.
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

/// Counts the bytes that a client sends and reads, and how long the service waited for the client.
pub(super) struct Traffic {
    began: Instant,
    sent: Direction,
    taken: Direction,
}

/// The bytes and the waiting time in one direction: from the client, or to it.
#[derive(Default)]
struct Direction {
    bytes: AtomicU64,
    waited_us: AtomicU64,
    /// When the current wait for the client began, in microseconds since the start, plus one; 0 if
    /// there is no such wait.
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
        u64::try_from(self.began.elapsed().as_micros()).expect("fewer than 2^64 µs")
    }

    /// Adds bytes that were received from the client.
    pub(super) fn came(&self, bytes: usize) {
        self.sent.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Adds bytes that are being sent to the client.
    fn went(&self, bytes: usize) {
        self.taken.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Starts a wait for the client to send. It ends when the returned value is dropped.
    pub(super) fn waits_for_bytes(&self) -> Waits<'_> {
        Waits::begin(self, &self.sent)
    }

    /// Starts a wait for the client to read. It ends when the returned value is dropped.
    fn waits_for_taker(&self) -> Waits<'_> {
        Waits::begin(self, &self.taken)
    }

    fn moved(&self) -> u64 {
        let all = [&self.sent, &self.taken];
        all.map(|it| it.bytes.load(Ordering::Relaxed)).iter().sum()
    }

    /// Resolves when the batch must be aborted, with the message for the log.
    pub(super) async fn ends(&self, limits: &BatchLimits, places: &Places) -> &'static str {
        tokio::select! {
            () = self.stalls(limits.stalled_after) => "batch aborted: the transfer stalled",
            () = self.is_slow(limits, places) => "batch aborted: the client is too slow",
            () = tokio::time::sleep(limits.within) => "batch aborted: it took too long",
        }
    }

    /// Resolves when fewer than [`MIN_BYTES_PER_SECOND`] have moved over a period of `after`.
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

    /// Resolves when the client sends or reads below the minimum rate.
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
    /// Returns whether the average over the time spent waiting for the client is below `rate_min`
    /// bytes a second. Always false until that time reaches `after`.
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

/// A wait for the client, which is counted when it ends.
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

/// Reads and discards the rest of a body, up to a limit of time and bytes.
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
    // Best effort: the caller goes on either way.
    let _ = tokio::time::timeout(LINGER, rest).await;
}

/// The input file, for blocking reads.
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

/// Returns why the stream ended early, if `error` comes from [`UploadReader`].
pub(super) fn cut(error: &io::Error) -> Option<Cut> {
    error.get_ref()?.downcast_ref().copied()
}

/// Writes the output of a batch. Unless [`ResponseWriter::finish`] is called, the response body
/// ends with an error.
pub(super) struct Answering {
    into: mpsc::Sender<Answered>,
    ends_a_line: bool,
    traffic: Arc<Traffic>,
    /// Whether the header row or the schema has been written.
    has_begun: bool,
    tell_rows: Option<oneshot::Sender<()>>,
}

impl Answering {
    /// Completes the output.
    pub(super) fn end(self, summary: Option<HeaderValue>) {
        // The client may have disconnected by now.
        let _ = self.into.blocking_send(Answered::End(summary));
    }

    /// Writes a line, after a line break if the output does not end with one.
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
            // The response may have started without waiting for the first rows.
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

/// The output of a batch as a response body. It ends with an error if the batch fails, so that
/// clients do not take truncated output for complete.
pub(super) struct Answers {
    from: mpsc::Receiver<Answered>,
    is_over: bool,
    traffic: Arc<Traffic>,
    taker: Arc<OnceLock<Connection>>,
    _alive: oneshot::Sender<()>,
}

impl Answers {
    /// Sets the connection to close if the batch is aborted.
    pub(super) fn taken_by(&self, connection: Option<&Connection>) {
        if let Some(connection) = connection {
            // The body is sent on one connection, so it is set once.
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
        // An hour has passed, nearly all of it in the service.
        assert!(!is_slower(1, 50_000, 3_600));
        assert!(!is_slower(3, 10_000, 3_600));
        assert!(is_slower(4, 10_000, 3_600));
        // The service has waited for the client since the first second.
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
