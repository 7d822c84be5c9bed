//! Streams a batch between the connection and the blocking threads that process the batch. There is
//! a bounded queue in each direction, so that back-pressure reaches the client.
//!
//! ```text
//!  request body ──► BodyPump ──► queue ──► BatchInput, run ──► queue ──► StreamingBody, the response
//!                   (a task)              (blocking threads)             (polled by hyper)
//! ```
//!
//! If one part is dropped, the other parts stop. When [`StreamingBody`] is dropped, [`BodyPump`]
//! stops. When [`BodyPump`] is dropped, reading fails. A run ends when it can no longer read or
//! write. [`TransferMonitor`] aborts a batch that stalls or takes too long, or whose client sends
//! or reads too slowly.

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

use super::super::admission::fair_semaphore::FairSemaphore;
use super::super::drain::drain_body;
use super::super::request_id::RequestId;
use super::super::server::Connection;
use super::BatchLimits;

/// The maximum number of chunks in the input queue. hyper reads at most 16 KiB at a time.
const INPUT_QUEUE: usize = 32;
/// The maximum number of chunks in the output queue.
const OUTPUT_QUEUE: usize = 4;
/// The maximum size of an output chunk. Output is split into chunks, so that a large record batch
/// is not copied as a whole.
const CHUNK_BYTES_MAX: usize = 256 << 10;

/// The minimum combined rate of upload and download. A slower batch is treated as stalled.
const MIN_BYTES_PER_SECOND: u64 = 1_000;

/// The interval at which the average rate of a client is checked.
const RATE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The trailer that contains the summary.
pub(super) const SUMMARY_TRAILER: HeaderName = HeaderName::from_static("catchment-summary");

/// The reason why the stream of a batch ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamAborted {
    /// The request body is longer than allowed.
    TooLarge,
    /// The client disconnected during the upload.
    Disconnected,
    /// The client closed the download.
    DownloadClosed,
    /// The batch stalled, was too slow or took too long.
    TimedOut,
}

impl fmt::Display for StreamAborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StreamAborted::TooLarge => "the request body is too large",
            StreamAborted::Disconnected => "the client disconnected",
            StreamAborted::DownloadClosed => "the client closed the download",
            StreamAborted::TimedOut => "the batch timed out",
        })
    }
}

impl std::error::Error for StreamAborted {}

/// An item of the input queue.
enum InputChunk {
    Bytes(Bytes),
    End,
    Aborted(StreamAborted),
}

/// An item of the output queue.
enum OutputChunk {
    Bytes(Bytes),
    /// The end of the complete output, with the summary.
    End(Option<HeaderValue>),
}

/// The ends of the two queues of a batch.
pub(super) struct BatchPipe {
    pub(super) reader: UploadReader,
    pub(super) writer: ResponseWriter,
    pub(super) response_body: StreamingBody,
    pub(super) pump: BodyPump,
    /// Resolves when the first output rows are written. Writing only the header row or the schema
    /// does not resolve this receiver.
    pub(super) first_rows: oneshot::Receiver<()>,
}

impl BatchPipe {
    /// Creates the queues between `body` and a batch with the given limits.
    pub(super) fn new(
        body: Body,
        limits: &Arc<BatchLimits>,
        permits: &FairSemaphore,
        request_id: &RequestId,
    ) -> BatchPipe {
        let (input_tx, input_rx) = mpsc::channel(INPUT_QUEUE);
        let (output_tx, output_rx) = mpsc::channel(OUTPUT_QUEUE);
        let (closed_tx, closed_rx) = oneshot::channel();
        let traffic = Arc::new(TransferMonitor::default());
        let (first_rows_tx, first_rows) = oneshot::channel();
        let download_connection = Arc::new(OnceLock::new());
        BatchPipe {
            reader: UploadReader {
                rx: input_rx,
                remaining: Bytes::new(),
                has_ended: false,
            },
            writer: ResponseWriter {
                tx: output_tx,
                ends_with_newline: true,
                traffic: Arc::clone(&traffic),
                wrote_header: false,
                first_rows_tx: Some(first_rows_tx),
            },
            first_rows,
            response_body: StreamingBody {
                rx: output_rx,
                is_finished: false,
                traffic: Arc::clone(&traffic),
                download_connection: Arc::clone(&download_connection),
                _closed_tx: closed_tx,
            },
            pump: BodyPump {
                body,
                tx: input_tx,
                closed_rx,
                traffic,
                download_connection,
                request_id: request_id.clone(),
                limits: Arc::clone(limits),
                permits: permits.clone(),
            },
        }
    }
}

/// A task that moves the chunks of the request body to the input queue.
pub(super) struct BodyPump {
    body: Body,
    tx: mpsc::Sender<InputChunk>,
    /// Resolves when [`StreamingBody`] is dropped.
    closed_rx: oneshot::Receiver<()>,
    traffic: Arc<TransferMonitor>,
    download_connection: Arc<OnceLock<Connection>>,
    request_id: RequestId,
    limits: Arc<BatchLimits>,
    permits: FairSemaphore,
}

impl BodyPump {
    /// Runs until the response body is dropped, or the batch is aborted.
    pub(super) async fn run(self) {
        let BodyPump { mut body, tx, .. } = self;
        let abort_tx = tx.clone();
        let forwarded = async {
            forward_body(&mut body, tx, self.limits.bytes_max, &self.traffic).await;
            // The input is complete, but the output may still be in progress.
            std::future::pending::<()>().await;
        };
        let stop_reason = tokio::select! {
            () = forwarded => None,
            _ = self.closed_rx => None,
            reason = self.traffic.until_aborted(&self.limits, &self.permits) => Some(reason),
        };
        if let Some(reason) = stop_reason {
            let request_id = self.request_id.as_str();
            tracing::warn!(request_id, "{reason}");
        } else {
            // If the queue is full, the message is lost. The run does not need the message, because
            // it fails when it writes output.
            let _ = abort_tx.try_send(InputChunk::Aborted(StreamAborted::DownloadClosed));
        }
        drop(abort_tx);
        drain_body(&mut body).await;
        if stop_reason.is_some()
            && let Some(connection) = self.download_connection.get()
        {
            // A client that does not read would not notice that the body has ended.
            connection.abort();
        }
    }
}

/// Forwards the body to the queue until the body ends or fails, or until the receiver is dropped.
async fn forward_body(
    body: &mut Body,
    tx: mpsc::Sender<InputChunk>,
    bytes_max: u64,
    traffic: &TransferMonitor,
) {
    let mut received_bytes = 0;
    loop {
        let wait = traffic.wait_for_upload();
        let frame = body.frame().await;
        drop(wait);
        let chunk = match frame {
            None => InputChunk::End,
            Some(Err(_)) => InputChunk::Aborted(StreamAborted::Disconnected),
            Some(Ok(frame)) => match frame.into_data() {
                // Trailers are ignored.
                Err(_) => continue,
                Ok(bytes) => {
                    received_bytes += bytes.len() as u64;
                    traffic.add_received(bytes.len());
                    if received_bytes > bytes_max {
                        InputChunk::Aborted(StreamAborted::TooLarge)
                    } else {
                        InputChunk::Bytes(bytes)
                    }
                }
            },
        };
        let is_last = !matches!(chunk, InputChunk::Bytes(_));
        if tx.send(chunk).await.is_err() || is_last {
            return;
        }
    }
}

/// A monitor of the bytes that a client sends and reads, and of the time that the service waits for
/// the client.
pub(super) struct TransferMonitor {
    started: Instant,
    upload: TransferDirection,
    download: TransferDirection,
}

/// The bytes and the waiting time in one direction: upload or download.
#[derive(Default)]
struct TransferDirection {
    bytes: AtomicU64,
    waited_us: AtomicU64,
    /// The time at which the current wait for the client began, as the number of microseconds since
    /// `started`, plus one. The value is 0 if there is no current wait.
    waiting_since_us: AtomicU64,
}

impl Default for TransferMonitor {
    fn default() -> TransferMonitor {
        TransferMonitor {
            started: Instant::now(),
            upload: TransferDirection::default(),
            download: TransferDirection::default(),
        }
    }
}

impl TransferMonitor {
    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).expect("fewer than 2^64 µs")
    }

    /// Counts bytes that were received from the client.
    pub(super) fn add_received(&self, bytes: usize) {
        self.upload.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts bytes that are being sent to the client.
    fn add_sent(&self, bytes: usize) {
        self.download
            .bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Starts a wait for the client to send. The wait ends when the returned value is dropped.
    pub(super) fn wait_for_upload(&self) -> ClientWait<'_> {
        ClientWait::start(self, &self.upload)
    }

    /// Starts a wait for the client to read. The wait ends when the returned value is dropped.
    fn wait_for_download(&self) -> ClientWait<'_> {
        ClientWait::start(self, &self.download)
    }

    fn total_bytes(&self) -> u64 {
        let directions = [&self.upload, &self.download];
        directions
            .map(|direction| direction.bytes.load(Ordering::Relaxed))
            .iter()
            .sum()
    }

    /// Waits until the batch must be aborted, and returns the message for the log.
    pub(super) async fn until_aborted(
        &self,
        limits: &BatchLimits,
        permits: &FairSemaphore,
    ) -> &'static str {
        tokio::select! {
            () = self.until_stalled(limits.stall_timeout) => "batch aborted: the transfer stalled",
            () = self.until_too_slow(limits, permits) => "batch aborted: the client is too slow",
            () = tokio::time::sleep(limits.job_timeout) => "batch aborted: it took too long",
        }
    }

    /// Waits until the combined rate of upload and download over a period of `after` is at most
    /// [`MIN_BYTES_PER_SECOND`].
    async fn until_stalled(&self, after: Duration) {
        let bytes_min = MIN_BYTES_PER_SECOND * after.as_secs();
        let mut before = self.total_bytes();
        loop {
            tokio::time::sleep(after).await;
            let now = self.total_bytes();
            if now - before <= bytes_min {
                return;
            }
            before = now;
        }
    }

    /// Waits until the client sends or reads at less than the minimum average rate.
    async fn until_too_slow(&self, limits: &BatchLimits, permits: &FairSemaphore) {
        let directions = [&self.upload, &self.download];
        loop {
            tokio::time::sleep(RATE_CHECK_INTERVAL).await;
            let after = match permits.queued() {
                0 => limits.rate_grace,
                _ => limits.rate_grace_if_queued.min(limits.rate_grace),
            };
            let now_us = self.now_us();
            if directions.iter().any(|direction| {
                direction.is_below_rate(limits.bytes_per_second_min, after, now_us)
            }) {
                return;
            }
        }
    }
}

impl TransferDirection {
    /// Returns whether the average rate, over the time spent waiting for the client, is below
    /// `rate_min` bytes a second. Returns false if that time is less than `after`.
    fn is_below_rate(&self, rate_min: u64, after: Duration, now_us: u64) -> bool {
        let waiting_since_us = self.waiting_since_us.load(Ordering::Relaxed);
        let current_wait_us = match waiting_since_us.checked_sub(1) {
            Some(since_us) => now_us.saturating_sub(since_us),
            None => 0,
        };
        let waited_us = self.waited_us.load(Ordering::Relaxed) + current_wait_us;
        if u128::from(waited_us) < after.as_micros() {
            return false;
        }
        let bytes = u128::from(self.bytes.load(Ordering::Relaxed));
        bytes * 1_000_000 < u128::from(rate_min) * u128::from(waited_us)
    }
}

/// A wait for the client. The duration of the wait is counted when this value is dropped.
pub(super) struct ClientWait<'t> {
    traffic: &'t TransferMonitor,
    direction: &'t TransferDirection,
    since_us: u64,
}

impl<'t> ClientWait<'t> {
    fn start(traffic: &'t TransferMonitor, direction: &'t TransferDirection) -> ClientWait<'t> {
        let since_us = traffic.now_us();
        let since = &direction.waiting_since_us;
        since.store(since_us + 1, Ordering::Relaxed);
        ClientWait {
            traffic,
            direction,
            since_us,
        }
    }
}

impl Drop for ClientWait<'_> {
    fn drop(&mut self) {
        self.direction.waiting_since_us.store(0, Ordering::Relaxed);
        let waited_us = self.traffic.now_us() - self.since_us;
        let total_us = &self.direction.waited_us;
        total_us.fetch_add(waited_us, Ordering::Relaxed);
    }
}

/// A blocking reader of the input file.
pub(super) struct UploadReader {
    rx: mpsc::Receiver<InputChunk>,
    remaining: Bytes,
    has_ended: bool,
}

impl Read for UploadReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.remaining.is_empty() && !self.has_ended {
            match self.rx.blocking_recv() {
                Some(InputChunk::Bytes(bytes)) => self.remaining = bytes,
                Some(InputChunk::End) => self.has_ended = true,
                Some(InputChunk::Aborted(reason)) => return Err(io::Error::other(reason)),
                None => return Err(io::Error::other(StreamAborted::TimedOut)),
            }
        }
        let length = self.remaining.len().min(buffer.len());
        self.remaining.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Returns the reason why the stream ended early, if `error` comes from [`UploadReader`].
pub(super) fn abort_reason(error: &io::Error) -> Option<StreamAborted> {
    error.get_ref()?.downcast_ref().copied()
}

/// A blocking writer of the output of a batch. Unless [`ResponseWriter::finish`] is called, the
/// response body ends with an error.
pub(super) struct ResponseWriter {
    tx: mpsc::Sender<OutputChunk>,
    ends_with_newline: bool,
    traffic: Arc<TransferMonitor>,
    /// Whether the header row or the schema has been written.
    wrote_header: bool,
    first_rows_tx: Option<oneshot::Sender<()>>,
}

impl ResponseWriter {
    /// Completes the output, and sends the summary as a trailer.
    pub(super) fn finish(self, summary: Option<HeaderValue>) {
        // The client may already have disconnected.
        let _ = self.tx.blocking_send(OutputChunk::End(summary));
    }

    /// Writes a line, after a line break if the output does not end with a line break.
    pub(super) fn write_line(&mut self, line: &str) -> io::Result<()> {
        let before = if self.ends_with_newline { "" } else { "\n" };
        self.write_all(format!("{before}{line}\n").as_bytes())
    }
}

impl Write for ResponseWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.wrote_header
            && let Some(first_rows_tx) = self.first_rows_tx.take()
        {
            // The response may have started before the first rows.
            let _ = first_rows_tx.send(());
        }
        self.wrote_header |= !bytes.is_empty();
        for chunk in bytes.chunks(CHUNK_BYTES_MAX) {
            self.ends_with_newline = chunk.last() == Some(&b'\n');
            let chunk = OutputChunk::Bytes(Bytes::copy_from_slice(chunk));
            let wait = self.traffic.wait_for_download();
            let sent = self.tx.blocking_send(chunk);
            drop(wait);
            sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The output of a batch as a response body. The body ends with an error if the batch fails, so
/// that clients do not mistake truncated output for complete output.
pub(super) struct StreamingBody {
    rx: mpsc::Receiver<OutputChunk>,
    is_finished: bool,
    traffic: Arc<TransferMonitor>,
    download_connection: Arc<OnceLock<Connection>>,
    _closed_tx: oneshot::Sender<()>,
}

impl StreamingBody {
    /// Sets the connection that is closed if the batch is aborted.
    pub(super) fn set_connection(&self, connection: Option<&Connection>) {
        if let Some(connection) = connection {
            // The body is sent on only one connection, so the connection is set only once.
            let _ = self.download_connection.set(connection.clone());
        }
    }
}

impl HttpBody for StreamingBody {
    type Data = Bytes;
    type Error = StreamAborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamAborted>>> {
        if self.is_finished {
            return Poll::Ready(None);
        }
        let frame = match ready!(self.rx.poll_recv(context)) {
            Some(OutputChunk::Bytes(bytes)) => {
                self.traffic.add_sent(bytes.len());
                Some(Ok(Frame::data(bytes)))
            }
            Some(OutputChunk::End(summary)) => {
                self.is_finished = true;
                summary.map(|summary| {
                    Ok(Frame::trailers(HeaderMap::from_iter([(
                        SUMMARY_TRAILER,
                        summary,
                    )])))
                })
            }
            None => {
                self.is_finished = true;
                Some(Err(StreamAborted::TimedOut))
            }
        };
        Poll::Ready(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_counts_only_time_spent_waiting_for_the_client() {
        let direction = TransferDirection::default();
        direction.bytes.store(30_000, Ordering::Relaxed);
        let is_below_rate = |waited_s: u64, rate_min, now_s: u64| {
            let waited_us = waited_s * 1_000_000;
            direction.waited_us.store(waited_us, Ordering::Relaxed);
            direction.is_below_rate(rate_min, Duration::from_secs(2), now_s * 1_000_000)
        };
        // An hour has passed, but the service has waited for the client for only a few seconds.
        assert!(!is_below_rate(1, 50_000, 3_600));
        assert!(!is_below_rate(3, 10_000, 3_600));
        assert!(is_below_rate(4, 10_000, 3_600));
        // The service has been waiting for the client since the end of the first second.
        direction
            .waiting_since_us
            .store(1_000_001, Ordering::Relaxed);
        assert!(!is_below_rate(0, 10_000, 4));
        assert!(is_below_rate(0, 10_000, 5));
    }

    #[test]
    fn client_waits_are_counted_while_active_and_after() {
        let traffic = TransferMonitor::default();
        let wait = traffic.wait_for_upload();
        assert!(traffic.upload.waiting_since_us.load(Ordering::Relaxed) > 0);
        std::thread::sleep(Duration::from_millis(2));
        drop(wait);
        assert_eq!(traffic.upload.waiting_since_us.load(Ordering::Relaxed), 0);
        assert!(traffic.upload.waited_us.load(Ordering::Relaxed) >= 2_000);
        assert_eq!(traffic.download.waited_us.load(Ordering::Relaxed), 0);
    }
}
