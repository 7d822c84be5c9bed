//! Limits on what an input file may cost, whatever it claims: memory while it is decoded, and bytes
//! out for bytes in.
//!
//! Every length that a sender states is checked against these limits, and against what was received,
//! before anything is allocated for it.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

use super::BatchError;
use super::memo::UNPOISONED;
use crate::memory;

/// Compressed data may decompress to this many times its size; ten to twenty times is usual for lists
/// of people. Applies to gzip and zstd around a file and to LZ4 and zstd buffers inside Arrow.
pub(super) const DECOMPRESSION_RATIO_MAX: u64 = 250;
/// The first mebibyte of decompressed data is not held to the ratio: small files of one value repeat.
pub(super) const DECOMPRESSION_FREE_BYTES: u64 = 1 << 20;

/// Bytes of answers for a byte received. A list of postcodes only has 9 bytes a row; compressed 20
/// times and answered with every column (1,000 bytes a row), that is 2,222 for one.
const ANSWER_RATIO_MAX: u64 = 2_500;
/// The first answers are not held to the ratio.
const ANSWER_FREE_BYTES: u64 = 64 << 20;

/// Answers are made in slices of about this many bytes, so that a slice for each thread fits memory.
const SLICE_BYTES: usize = 2 << 20;
/// What a cell of ours takes, more often than not, with its share of offsets or delimiters.
const ANSWER_CELL_BYTES: usize = 24;
/// The most and the fewest rows of a slice.
const SLICE_ROWS: std::ops::RangeInclusive<usize> = 256..=8_192;

/// How many rows are answered together: rows of `width` columns that get `answer_columns` more.
pub(super) fn slice_rows(width: usize, answer_columns: usize) -> usize {
    // An empty row may become a row of delimiters.
    let row_bytes = width + answer_columns * ANSWER_CELL_BYTES;
    (SLICE_BYTES / row_bytes.max(1)).clamp(*SLICE_ROWS.start(), *SLICE_ROWS.end())
}

/// What decoding an input file may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Rows of one Arrow record batch.
    pub record_batch_rows: u64,
    /// Bytes of one Arrow record batch or dictionary batch: as received, and decompressed. Also bytes
    /// of one decompressed Parquet page.
    pub record_batch_bytes: u64,
    /// Bytes of all dictionaries of an Arrow stream.
    pub dictionary_bytes: u64,
    /// Bytes of the metadata of one Arrow message or of the footer of a Parquet file.
    pub metadata_bytes: u64,
    /// The largest zstd window, as the base-2 logarithm of its bytes.
    pub zstd_window_log: u32,
}

impl DecodeLimits {
    /// For requests over HTTP, of which each stays under 128 MB: at most 24 MiB of record batches that
    /// are being decoded or answered, or one of 32 MiB as received and decompressed (see
    /// `InFlight`), 8 MiB of dictionaries and as much again while one is extended, 12 MiB for the
    /// blocks of LZ4, some slices of answers, and up to 48 MiB of answers that are kept for postcodes
    /// and practices seen before. RFC 9659 has decoders take zstd windows of 8 MiB, and no larger.
    pub const HTTP: DecodeLimits = DecodeLimits {
        record_batch_rows: 1 << 20,
        record_batch_bytes: 16 << 20,
        dictionary_bytes: 8 << 20,
        metadata_bytes: 2 << 20,
        zstd_window_log: 23,
    };

    /// For the command line, from the memory that is available to this process now: a record batch as
    /// received, decompressed and answered takes at most three quarters of it. Where that is not
    /// known, 4 GiB are assumed.
    pub fn of_this_machine() -> DecodeLimits {
        DecodeLimits::of_memory(memory::room(Path::new("/")).unwrap_or(4 << 30))
    }

    fn of_memory(available_bytes: u64) -> DecodeLimits {
        DecodeLimits {
            // Arrow's own limit for arrays that every implementation reads.
            record_batch_rows: i32::MAX as u64,
            record_batch_bytes: available_bytes / 4,
            dictionary_bytes: available_bytes / 8,
            // Parsed, metadata takes up to some twenty times its bytes.
            metadata_bytes: (available_bytes / 64).clamp(2 << 20, 256 << 20),
            // What zstd itself takes without being asked for more: 128 MiB.
            zstd_window_log: 27,
        }
    }
}

/// A limit that an input file exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// An Arrow record batch has more rows than this.
    RecordBatchRows(u64),
    /// An Arrow record batch or dictionary batch, or a Parquet page, has more bytes than this.
    RecordBatchBytes(u64),
    /// The dictionaries of an Arrow stream have more bytes than this.
    DictionaryBytes(u64),
    /// The metadata of an Arrow message or a Parquet file have more bytes than this.
    MetadataBytes(u64),
    /// A zstd frame asks for a window of more bytes than this.
    ZstdWindow(u64),
    /// The file decompresses to more than 250 times its size.
    DecompressionRatio,
    /// The answers are more than 2,500 times as long as the file.
    AnswerRatio,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Excess::RecordBatchRows(most) => write!(
                f,
                "it has a record batch of more than {most} rows: write smaller record batches"
            ),
            Excess::RecordBatchBytes(most) => write!(
                f,
                "it has a record batch, dictionary or page of more than {most} bytes, which is the most there is memory for: write smaller ones"
            ),
            Excess::DictionaryBytes(most) => write!(
                f,
                "its dictionaries have more than {most} bytes: write the columns without dictionaries"
            ),
            Excess::MetadataBytes(most) => {
                write!(f, "it has metadata of more than {most} bytes")
            }
            Excess::ZstdWindow(most) => write!(
                f,
                "it asks for a zstd window of more than {most} bytes: compress it without --long, at level 19 or below"
            ),
            Excess::DecompressionRatio => write!(
                f,
                "decompressed it is more than {DECOMPRESSION_RATIO_MAX} times as long: send it with less compression"
            ),
            Excess::AnswerRatio => write!(
                f,
                "its answers are more than {ANSWER_RATIO_MAX} times as long as it is: send it with less compression, or ask for fewer columns"
            ),
        }
    }
}

impl std::error::Error for Excess {}

impl From<Excess> for io::Error {
    fn from(excess: Excess) -> io::Error {
        io::Error::other(excess)
    }
}

impl Excess {
    /// The limit by which reading or writing failed, where it was one.
    pub(super) fn of(error: &io::Error) -> Option<Excess> {
        error.get_ref()?.downcast_ref().copied()
    }
}

/// Counts the bytes of an input file as they are received.
#[derive(Debug, Clone, Default)]
pub(super) struct Received(Arc<AtomicU64>);

impl Received {
    fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts what is read from `source`.
    pub(super) fn count<R: Read>(&self, source: R) -> CountingReader<R> {
        CountingReader {
            source,
            received: self.clone(),
        }
    }

    /// Counts bytes that are not read in order.
    pub(super) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Checks bytes decompressed so far.
    ///
    /// # Errors
    /// When they are too many for what was received.
    pub(super) fn check_decompressed(&self, bytes: u64) -> Result<(), Excess> {
        check_ratio(bytes, self.bytes())
    }

    /// Fails where the answers become too long for what was received.
    pub(super) fn bound_answers<W: Write>(&self, output: W) -> BoundedWriter<W> {
        BoundedWriter {
            output,
            written: 0,
            received: self.clone(),
        }
    }
}

/// Checks that `decompressed` bytes may come of `compressed` ones.
///
/// # Errors
/// When they may not.
pub(super) fn check_ratio(decompressed: u64, compressed: u64) -> Result<(), Excess> {
    let most = compressed.saturating_mul(DECOMPRESSION_RATIO_MAX);
    match decompressed <= most.max(DECOMPRESSION_FREE_BYTES) {
        true => Ok(()),
        false => Err(Excess::DecompressionRatio),
    }
}

/// A source whose bytes are counted.
pub(super) struct CountingReader<R> {
    source: R,
    received: Received,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.received.add(read as u64);
        Ok(read)
    }
}

/// An output that takes only so many bytes for each that was received.
pub(super) struct BoundedWriter<W> {
    output: W,
    written: u64,
    received: Received,
}

impl<W: Write> Write for BoundedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = self.received.bytes().saturating_mul(ANSWER_RATIO_MAX);
        let most = most.saturating_add(ANSWER_FREE_BYTES);
        if self.written.saturating_add(bytes.len() as u64) > most {
            return Err(Excess::AnswerRatio.into());
        }
        let written = self.output.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// The bytes of record batches that are being decoded, answered or written. However many threads work,
/// a new batch waits until there is room beside the others.
#[derive(Debug)]
pub(super) struct InFlight {
    bytes: Mutex<u64>,
    freed: Condvar,
    bytes_max: u64,
}

impl InFlight {
    pub(super) fn new(bytes_max: u64) -> Arc<InFlight> {
        Arc::new(InFlight {
            bytes: Mutex::new(0),
            freed: Condvar::new(),
            bytes_max,
        })
    }

    /// Waits for room for so many bytes, beside `own` ones that the caller holds already; one batch
    /// may always be there. Whoever holds a permit must be able to go on without another.
    pub(super) fn wait_for(self: &Arc<InFlight>, bytes: u64, own: u64) -> Permit {
        let is_full = |held: &mut u64| *held > own && held.saturating_add(bytes) > self.bytes_max;
        let held = self.freed.wait_while(self.held(), is_full);
        *held.expect(UNPOISONED) += bytes;
        Permit {
            in_flight: Arc::clone(self),
            bytes,
        }
    }

    fn held(&self) -> MutexGuard<'_, u64> {
        self.bytes.lock().expect(UNPOISONED)
    }
}

/// Room for bytes in flight, which is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    in_flight: Arc<InFlight>,
    bytes: u64,
}

impl Permit {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *self.in_flight.held() -= self.bytes;
        self.in_flight.freed.notify_all();
    }
}

/// Failures of reading or writing that are limits become errors of their own.
pub(super) fn with_limits<T>(done: Result<T, BatchError>) -> Result<T, BatchError> {
    done.map_err(|fault| match &fault {
        BatchError::Read(error) | BatchError::Write(error) => match Excess::of(error) {
            Some(excess) => BatchError::TooMuch(excess),
            None => fault,
        },
        _ => fault,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_answers_stay_near_two_mebibytes() {
        assert_eq!(slice_rows(2, 10), 8_192);
        assert_eq!(slice_rows(12, 46), 1_879);
        assert_eq!(slice_rows(4_096, 46), 403);
        assert_eq!(slice_rows(0, 0), 8_192);
    }

    #[test]
    fn the_ratio_holds_from_the_first_mebibyte() {
        assert_eq!(check_ratio(1 << 20, 1), Ok(()));
        assert_eq!(
            check_ratio((1 << 20) + 1, 1),
            Err(Excess::DecompressionRatio)
        );
        assert_eq!(check_ratio(250 << 20, 1 << 20), Ok(()));
        assert!(check_ratio((250 << 20) + 1, 1 << 20).is_err());
        assert_eq!(check_ratio(u64::MAX, u64::MAX), Ok(()));
    }

    #[test]
    fn answers_are_bounded_by_what_was_received() {
        let received = Received::default();
        let mut output = received.bound_answers(io::sink());
        let mebibyte = vec![0; 1 << 20];
        for _ in 0..64 {
            output.write_all(&mebibyte).expect("it is free");
        }
        let fault = output.write_all(&mebibyte).expect_err("too many");
        assert_eq!(Excess::of(&fault), Some(Excess::AnswerRatio));
        received.add(420);
        output.write_all(&mebibyte).expect("more was received");
    }

    #[test]
    fn a_batch_waits_for_room_and_one_may_always_be_there() {
        let in_flight = InFlight::new(10);
        let large = in_flight.wait_for(100, 0);
        let more = in_flight.wait_for(100, large.bytes());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| in_flight.wait_for(5, 0).bytes());
            drop((large, more));
            assert_eq!(waiting.join().expect("no panic"), 5);
        });
        assert_eq!(*in_flight.held(), 0);
    }

    #[test]
    fn limits_follow_the_memory_that_is_available() {
        let small = DecodeLimits::of_memory(64 << 20);
        assert_eq!(small.record_batch_bytes, 16 << 20);
        assert_eq!(small.metadata_bytes, 2 << 20);
        let large = DecodeLimits::of_memory(64 << 30);
        assert_eq!(large.metadata_bytes, 256 << 20);
    }
}
