//! A non-blocking log writer on standard error.
//!
//! A request must never wait for the program that reads the log, which may stall, have a full disk
//! or have closed the pipe. Lines are added to a bounded queue, and one thread writes them. If the
//! queue is full or a write fails, lines are dropped and counted. When writing works again, a log
//! line reports the number of dropped lines.
//!
//! `tracing-appender` has a non-blocking writer, but it does not count the lines that are lost when
//! a write fails, and its flush has no time limit.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// The maximum number of queued lines, which is about the number that a busy service writes in a
/// second.
const QUEUE_LINES_MAX: usize = 8_192;

/// The maximum total size of queued lines in bytes.
const QUEUE_BYTES_MAX: usize = 2 << 20;

/// The approximate size of a write, in bytes. Lines are combined until their total size reaches
/// this value.
const WRITE_BYTES: usize = 64 << 10;

/// The delay before a retry if standard error is non-blocking and not ready.
const WRITE_RETRY_DELAY: Duration = Duration::from_millis(20);

/// The minimum interval between reports of dropped lines.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The interval at which [`LogQueue::flush`] retries while the queue is full.
const FLUSH_RETRY_DELAY: Duration = Duration::from_millis(5);

static STDERR: OnceLock<LogQueue> = OnceLock::new();

/// Starts the thread that writes to standard error, and returns the writer for `tracing`.
///
/// # Errors
/// If the thread cannot be started.
pub(crate) fn start() -> io::Result<&'static LogQueue> {
    if let Some(queue) = STDERR.get() {
        return Ok(queue);
    }
    let queue = LogQueue::start(stderr())?;
    Ok(STDERR.get_or_init(|| queue))
}

/// Returns the number of log lines that were dropped because the queue was full or a write failed.
pub(crate) fn dropped() -> u64 {
    STDERR
        .get()
        .map_or(0, |queue| queue.counts().dropped.load(Ordering::Relaxed))
}

/// Writes a message to standard error, through the queue if it has been started.
///
/// Unlike `eprintln!`, this function does not panic if standard error is closed or full.
pub(crate) fn message(text: impl Display) {
    let line = format!("{text}\n");
    match STDERR.get() {
        Some(queue) => queue.push(line.into_bytes()),
        None => {
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }
}

/// Waits until all queued lines are written, but no longer than `limit`.
pub(crate) fn flush(limit: Duration) {
    if let Some(queue) = STDERR.get() {
        queue.flush(limit);
    }
}

/// Returns standard error without the lock of `std`. With the lock, a panic hook or a library would
/// have to wait while the log thread is blocked in a write.
#[cfg(unix)]
fn stderr() -> Box<dyn Write + Send> {
    use std::os::fd::AsFd;
    match io::stderr().as_fd().try_clone_to_owned() {
        Ok(descriptor) => Box::new(File::from(descriptor)),
        // Standard error is closed, or no file descriptors are left.
        Err(_) => Box::new(io::stderr()),
    }
}

#[cfg(not(unix))]
fn stderr() -> Box<dyn Write + Send> {
    Box::new(io::stderr())
}

/// An entry of the queue.
enum LogEntry {
    Line(Vec<u8>),
    /// A request for a flush. The sender is signalled when every earlier entry has been written or
    /// dropped.
    Flush(SyncSender<()>),
}

/// Counters shared by the loggers and the writer thread.
#[derive(Default)]
struct QueueCounters {
    queued_bytes: AtomicUsize,
    dropped: AtomicU64,
}

/// A bounded queue of log lines with a writer thread.
pub(crate) struct LogQueue {
    entries: SyncSender<LogEntry>,
    counts: &'static QueueCounters,
}

impl LogQueue {
    /// Starts a thread that writes to `out` until the process exits.
    fn start(out: Box<dyn Write + Send>) -> io::Result<LogQueue> {
        let (entries, queued) = mpsc::sync_channel(QUEUE_LINES_MAX);
        // The counters are leaked, because a process has only one queue, for its whole lifetime.
        let counts: &'static QueueCounters = Box::leak(Box::default());
        let writer = LineWriter {
            out,
            counts,
            ends_with_newline: true,
        };
        thread::Builder::new()
            .name("log".into())
            .spawn(move || write_entries(&queued, writer))?;
        Ok(LogQueue { entries, counts })
    }

    fn counts(&self) -> &QueueCounters {
        self.counts
    }

    /// Queues a line that ends with a line feed, or drops the line if the queue is full. Never
    /// blocks.
    fn push(&self, line: Vec<u8>) {
        let length = line.len();
        let before = self
            .counts
            .queued_bytes
            .fetch_add(length, Ordering::Relaxed);
        let has_room = before + length <= QUEUE_BYTES_MAX;
        if !has_room || self.entries.try_send(LogEntry::Line(line)).is_err() {
            self.counts
                .queued_bytes
                .fetch_sub(length, Ordering::Relaxed);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until every entry that was queued before this call has been written or dropped.
    /// Returns `false` if the wait takes longer than `limit`.
    fn flush(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let (done, flushed) = mpsc::sync_channel(1);
        loop {
            match self.entries.try_send(LogEntry::Flush(done.clone())) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(_)) if Instant::now() >= deadline => return false,
                Err(TrySendError::Full(_)) => thread::sleep(FLUSH_RETRY_DELAY),
            }
        }
        let remaining = deadline.saturating_duration_since(Instant::now());
        flushed.recv_timeout(remaining).is_ok()
    }
}

impl<'a> MakeWriter<'a> for &'static LogQueue {
    type Writer = QueueWriter;

    fn make_writer(&'a self) -> QueueWriter {
        QueueWriter(self)
    }
}

/// A writer that queues each write as a line. `tracing` writes each line with a single call.
pub(crate) struct QueueWriter(&'static LogQueue);

impl Write for QueueWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes queued entries until the queue is closed.
fn write_entries(queued: &Receiver<LogEntry>, mut writer: LineWriter) {
    let mut report = DroppedLinesReport::default();
    let mut bytes = Vec::with_capacity(WRITE_BYTES);
    let mut flushes = Vec::new();
    let mut next = None;
    loop {
        let Some(first) = next.take().or_else(|| queued.recv().ok()) else {
            return;
        };
        next = Some(first);
        let mut is_empty = false;
        // Combine queued lines into writes of about `WRITE_BYTES`.
        while let Some(entry) = next.take() {
            match entry {
                LogEntry::Line(line) => bytes.extend_from_slice(&line),
                LogEntry::Flush(done) => flushes.push(done),
            }
            if bytes.len() < WRITE_BYTES {
                next = queued.try_recv().ok();
                is_empty = next.is_none();
            }
        }
        let length = bytes.len();
        let is_written = writer.write(&bytes);
        writer
            .counts
            .queued_bytes
            .fetch_sub(length, Ordering::Relaxed);
        bytes.clear();
        // The report is queued after the write, because the queue may be full before the write.
        if is_empty && is_written && report.send(&writer, !flushes.is_empty()) {
            // A flush waits for the report, too.
            next = queued.try_recv().ok();
            if next.is_some() {
                continue;
            }
        }
        for done in flushes.drain(..) {
            // The receiver may have timed out.
            let _ = done.try_send(());
        }
    }
}

/// The number of dropped lines that have been reported, and the time of the last report.
#[derive(Default)]
struct DroppedLinesReport {
    reported: u64,
    last: Option<Instant>,
}

impl DroppedLinesReport {
    /// Queues a log line about the lines that were dropped since the last report, if there are any.
    /// Returns whether a log line was queued.
    fn send(&mut self, writer: &LineWriter, is_last: bool) -> bool {
        let dropped = writer.counts.dropped.load(Ordering::Relaxed);
        let is_due = self
            .last
            .is_none_or(|last| last.elapsed() >= REPORT_INTERVAL);
        let has_room = writer.counts.queued_bytes.load(Ordering::Relaxed) < QUEUE_BYTES_MAX / 2;
        if dropped == self.reported || !has_room || !(is_due || is_last) {
            return false;
        }
        // The report has the level "error", so that it is logged at every level. Readers of the log
        // must know that the log is incomplete.
        tracing::error!(
            lines = dropped - self.reported,
            total = dropped,
            "log lines were dropped: writing them was too slow or failed"
        );
        self.reported = dropped;
        self.last = Some(Instant::now());
        true
    }
}

/// A writer of complete lines, with its state after the last write.
struct LineWriter {
    out: Box<dyn Write + Send>,
    counts: &'static QueueCounters,
    /// Whether the last byte written was a line feed.
    ends_with_newline: bool,
}

impl LineWriter {
    /// Writes complete lines. Returns whether all lines were written. Lines that were not written
    /// are counted as dropped.
    fn write(&mut self, lines: &[u8]) -> bool {
        let mut rest = lines;
        // End the line that a failed write has truncated.
        let mut line_end: &[u8] = if self.ends_with_newline || lines.is_empty() {
            b""
        } else {
            b"\n"
        };
        let result = self
            .write_fully(&mut line_end)
            .and_then(|()| self.write_fully(&mut rest));
        let lost_lines = rest.iter().filter(|byte| **byte == b'\n').count();
        self.counts
            .dropped
            .fetch_add(lost_lines as u64, Ordering::Relaxed);
        result.is_ok()
    }

    /// Writes until `rest` is empty or writing fails.
    fn write_fully(&mut self, rest: &mut &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => {
                    self.ends_with_newline = rest[length - 1] == b'\n';
                    *rest = &rest[length..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(WRITE_RETRY_DELAY);
                }
                Err(error) => return Err(error),
            }
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Condvar, Mutex};

    use super::*;

    /// A sink that collects the written bytes, and blocks writers until it is opened.
    #[derive(Default)]
    struct SharedSink {
        written: Mutex<Vec<u8>>,
        is_open: Mutex<bool>,
        opened: Condvar,
    }

    impl SharedSink {
        fn text(&self) -> String {
            String::from_utf8(self.written.lock().expect("not poisoned").clone()).expect("text")
        }

        fn open(&self) {
            *self.is_open.lock().expect("not poisoned") = true;
            self.opened.notify_all();
        }
    }

    /// A writer that blocks until its sink is open.
    struct GatedWriter(Arc<SharedSink>);

    impl Write for GatedWriter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let is_open = self.0.is_open.lock().expect("not poisoned");
            let is_open = self.0.opened.wait_while(is_open, |flag| !*flag);
            drop(is_open.expect("not poisoned"));
            let mut written = self.0.written.lock().expect("not poisoned");
            written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn full_queues_drop_and_count_lines_without_blocking() {
        let sink = Arc::new(SharedSink::default());
        let queue = LogQueue::start(Box::new(GatedWriter(Arc::clone(&sink)))).expect("a thread");
        // The writer thread takes up to `WRITE_BYTES` out of the queue before it is blocked.
        let (width, count) = (100, QUEUE_LINES_MAX + 2_000);
        assert!(WRITE_BYTES / width < 1_000);
        for number in 0..count {
            queue.push(format!("{number:width$}\n").into_bytes());
        }
        assert!(
            !queue.flush(Duration::from_millis(50)),
            "writes are blocked"
        );
        sink.open();
        assert!(queue.flush(Duration::from_secs(20)));
        let text = sink.text();
        let dropped = queue.counts.dropped.load(Ordering::Relaxed);
        let numbers: Vec<usize> = text
            .lines()
            .map(|line| line.trim_start().parse().expect("whole"))
            .collect();
        assert!(numbers.is_sorted(), "the lines are in order");
        assert!(dropped > 0);
        assert_eq!(numbers.len() as u64 + dropped, count as u64);
        assert_eq!(queue.counts.queued_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn queues_are_bounded_in_bytes() {
        let sink = Arc::new(SharedSink::default());
        let queue = LogQueue::start(Box::new(GatedWriter(Arc::clone(&sink)))).expect("a thread");
        let line = [vec![b'a'; QUEUE_BYTES_MAX / 4], b"\n".to_vec()].concat();
        for _ in 0..10 {
            queue.push(line.clone());
        }
        let dropped = queue.counts.dropped.load(Ordering::Relaxed);
        assert!(dropped >= 6, "{dropped}");
        sink.open();
        assert!(queue.flush(Duration::from_secs(20)));
        assert_eq!(sink.text().lines().count() as u64 + dropped, 10);
    }

    /// A writer that accepts some bytes, then fails several times, then accepts everything.
    struct FailingWriter {
        accepted_bytes: usize,
        failures: usize,
        sink: Arc<SharedSink>,
    }

    impl Write for FailingWriter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = match (self.accepted_bytes, self.failures) {
                (0, 0) => bytes.len(),
                (0, _) => {
                    self.failures -= 1;
                    return Err(ErrorKind::StorageFull.into());
                }
                (accepted, _) => accepted.min(bytes.len()),
            };
            self.accepted_bytes = self.accepted_bytes.saturating_sub(taken);
            let mut written = self.sink.written.lock().expect("not poisoned");
            written.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn failed_writes_lose_only_their_own_lines() {
        let sink = Arc::new(SharedSink::default());
        let out = FailingWriter {
            accepted_bytes: 7,
            failures: 2,
            sink: Arc::clone(&sink),
        };
        let mut writer = LineWriter {
            out: Box::new(out),
            counts: Box::leak(Box::default()),
            ends_with_newline: true,
        };
        assert!(!writer.write(b"one\ntwo two\nthree\n"));
        assert_eq!(writer.counts.dropped.load(Ordering::Relaxed), 2);
        assert!(!writer.write(b"four\n"));
        assert_eq!(writer.counts.dropped.load(Ordering::Relaxed), 3);
        assert!(writer.write(b"five\n"));
        assert_eq!(sink.text(), "one\ntwo\nfive\n");
        let out = FailingWriter {
            accepted_bytes: 5,
            failures: 1,
            sink: Arc::new(SharedSink::default()),
        };
        let sink = Arc::clone(&out.sink);
        writer.out = Box::new(out);
        assert!(!writer.write(b"one\ntwo\n"));
        assert!(writer.write(b"three\n"));
        assert_eq!(sink.text(), "one\nt\nthree\n");
    }
}
