//! Limits on the resources that an input file may use, regardless of the values in the file: the
//! memory for decoding, and the number of output bytes per input byte.
//!
//! Every length that an input file states is checked against these limits, and against the number
//! of bytes received, before memory is allocated for it.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

use super::POISONED;
use catchment_data::memory;

/// The maximum number of columns of an input file.
pub const COLUMNS_MAX: usize = 4_096;

/// The maximum ratio of decompressed to compressed bytes. Files with patient data are usually
/// compressed by a factor of 10 to 20. The limit applies to files compressed with gzip or zstd, and
/// to Arrow buffers compressed with LZ4 or zstd.
pub(crate) const DECOMPRESSION_RATIO_MAX: u64 = 250;
/// The ratio is checked only after this many decompressed bytes, because a small file may repeat a
/// single value.
pub(crate) const DECOMPRESSION_FREE_BYTES: u64 = 1 << 20;

/// The maximum ratio of output to input bytes. A file that contains only postcodes has 9 bytes per
/// row. If the file is compressed by a factor of 20 and the output contains every column (1,000
/// bytes per row), the ratio is 2,222.
const ANSWER_RATIO_MAX: u64 = 2_500;
/// The ratio is checked only after this many output bytes.
const ANSWER_FREE_BYTES: u64 = 64 << 20;

/// The approximate size of an output slice in bytes. Each thread stores one slice in memory.
const SLICE_BYTES: usize = 2 << 20;
/// The typical size in bytes of an output cell, including its offset or delimiter.
const ANSWER_CELL_BYTES: usize = 24;
/// The minimum and maximum number of rows in a slice.
const SLICE_ROWS: std::ops::RangeInclusive<usize> = 256..=8_192;

/// Returns the number of rows that are processed together. A row has `width` input columns and
/// `output_columns` output columns.
pub(crate) fn slice_rows(width: usize, output_columns: usize) -> usize {
    // A bad row without fields is padded with one delimiter per column.
    let row_bytes = width + output_columns * ANSWER_CELL_BYTES;
    (SLICE_BYTES / row_bytes.max(1)).clamp(*SLICE_ROWS.start(), *SLICE_ROWS.end())
}

/// The limits on decoding an input file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// The maximum number of rows in an Arrow record batch.
    pub record_batch_rows: u64,
    /// The maximum size in bytes of an Arrow record batch or dictionary batch, both as received and
    /// after decompression, and of a decompressed Parquet page.
    pub record_batch_bytes: u64,
    /// The maximum size in bytes of all dictionaries of an Arrow stream.
    pub dictionary_bytes: u64,
    /// The maximum size in bytes of the metadata of an Arrow message and of the footer of a Parquet
    /// file.
    pub metadata_bytes: u64,
    /// The base-2 logarithm of the maximum zstd window in bytes.
    pub zstd_window_log: u32,
    /// The maximum size in bytes of a workbook that is not read from a file, and is therefore
    /// stored in memory.
    pub workbook_bytes: u64,
    /// The maximum memory in bytes for the shared strings of a workbook.
    pub shared_text_bytes: u64,
}

impl DecodeLimits {
    /// The limits for HTTP requests. With these limits, a request uses less than 128 MB of memory:
    ///
    /// - at most 24 MiB for record batches that are being decoded or answered, or 32 MiB for a
    ///   single record batch as received and decompressed (see `InFlightBytes`)
    /// - 8 MiB for dictionaries, and another 8 MiB while a dictionary is extended
    /// - 12 MiB for LZ4 blocks
    /// - a few output slices
    /// - up to 48 MiB for the cached answers for postcodes and practices
    ///
    /// A workbook is stored in memory, because its directory is at its end. A workbook and its
    /// shared strings use up to 256 MB.
    ///
    /// RFC 9659 requires decoders to support zstd windows of up to 8 MiB, so larger windows are not
    /// supported.
    pub const HTTP: DecodeLimits = DecodeLimits {
        record_batch_rows: 1 << 20,
        record_batch_bytes: 16 << 20,
        dictionary_bytes: 8 << 20,
        metadata_bytes: 2 << 20,
        zstd_window_log: 23,
        workbook_bytes: 64 << 20,
        shared_text_bytes: 64 << 20,
    };

    /// The limits for the command line, derived from the memory that is currently available to this
    /// process. The received, decompressed and answered forms of a record batch together use at
    /// most three quarters of this memory. If the available memory is not known, it is assumed to
    /// be 4 GiB.
    pub fn for_this_machine() -> DecodeLimits {
        DecodeLimits::for_memory(memory::available_memory_bytes(Path::new("/")).unwrap_or(4 << 30))
    }

    fn for_memory(available_bytes: u64) -> DecodeLimits {
        DecodeLimits {
            // The Arrow specification recommends this maximum length of arrays, which every
            // implementation can read.
            record_batch_rows: i32::MAX as u64,
            record_batch_bytes: available_bytes / 4,
            dictionary_bytes: available_bytes / 8,
            // Parsed metadata requires up to about twenty times its encoded size.
            metadata_bytes: (available_bytes / 64).clamp(2 << 20, 256 << 20),
            // The default limit of zstd itself, 128 MiB.
            zstd_window_log: 27,
            workbook_bytes: available_bytes / 4,
            shared_text_bytes: available_bytes / 4,
        }
    }
}

/// A limit that an input file exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExceededLimit {
    /// The maximum number of rows in an Arrow record batch.
    RecordBatchRows(u64),
    /// The maximum size in bytes of an Arrow record batch or dictionary batch, or of a Parquet
    /// page.
    RecordBatchBytes(u64),
    /// The maximum size in bytes of the dictionaries of an Arrow stream.
    DictionaryBytes(u64),
    /// The maximum size in bytes of the metadata of an Arrow message or a Parquet file.
    MetadataBytes(u64),
    /// The maximum size in bytes of a zstd window.
    ZstdWindow(u64),
    /// The maximum size in bytes of a workbook that is stored in memory.
    WorkbookBytes(u64),
    /// The maximum memory in bytes for the shared strings of a workbook.
    SharedStrings(u64),
    /// The maximum ratio of the decompressed size to the size of the file: 250.
    DecompressionRatio,
    /// The maximum ratio of the size of the output to the size of the file: 2,500.
    AnswerRatio,
}

impl fmt::Display for ExceededLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExceededLimit::RecordBatchRows(most) => write!(
                f,
                "it has a record batch of more than {most} rows: write smaller record batches"
            ),
            ExceededLimit::RecordBatchBytes(most) => write!(
                f,
                "it has a record batch, dictionary or page of more than {most} bytes, which is the limit for the available memory: write smaller record batches, dictionaries and pages"
            ),
            ExceededLimit::DictionaryBytes(most) => write!(
                f,
                "its dictionaries are larger than {most} bytes: write the columns without dictionaries"
            ),
            ExceededLimit::MetadataBytes(most) => write!(
                f,
                "it has metadata of more than {most} bytes: write fewer columns or less metadata"
            ),
            ExceededLimit::ZstdWindow(most) => write!(
                f,
                "it needs a zstd window of more than {most} bytes: compress it without --long, at level 19 or below"
            ),
            ExceededLimit::WorkbookBytes(most) => write!(
                f,
                "it is a workbook of more than {most} bytes, which is the limit for a workbook in memory: save the sheet as CSV"
            ),
            ExceededLimit::SharedStrings(most) => write!(
                f,
                "the strings of its cells take more than {most} bytes: save the sheet as CSV"
            ),
            ExceededLimit::DecompressionRatio => write!(
                f,
                "it is more than {DECOMPRESSION_RATIO_MAX} times as long when decompressed: use less compression"
            ),
            ExceededLimit::AnswerRatio => write!(
                f,
                "its output is more than {ANSWER_RATIO_MAX} times as long as the input: use less compression, or request fewer columns"
            ),
        }
    }
}

impl std::error::Error for ExceededLimit {}

impl From<ExceededLimit> for io::Error {
    fn from(limit: ExceededLimit) -> io::Error {
        io::Error::other(limit)
    }
}

impl ExceededLimit {
    /// Returns the exceeded limit that caused an I/O error, or `None` if the error has another
    /// cause.
    pub(crate) fn from_io_error(error: &io::Error) -> Option<ExceededLimit> {
        error.get_ref()?.downcast_ref().copied()
    }
}

/// A counter of the bytes of an input file that have been received.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReceivedBytes(Arc<AtomicU64>);

impl ReceivedBytes {
    fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Wraps `source` so that the bytes read from it are counted.
    pub(crate) fn count<R: Read>(&self, source: R) -> CountingReader<R> {
        CountingReader {
            source,
            received: self.clone(),
        }
    }

    /// Adds bytes that are not read through a [`CountingReader`].
    pub(crate) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Checks the number of bytes decompressed so far.
    ///
    /// # Errors
    /// If more bytes have been decompressed than is allowed for the number of bytes received.
    pub(crate) fn check_decompressed(&self, bytes: u64) -> Result<(), ExceededLimit> {
        check_ratio(bytes, self.bytes())
    }

    /// Wraps `output` so that writing fails if the output becomes too long for the number of bytes
    /// received.
    pub(crate) fn bound_output<W: Write>(&self, output: W) -> BoundedWriter<W> {
        BoundedWriter {
            output,
            written: 0,
            received: self.clone(),
        }
    }
}

/// Checks the ratio of `decompressed` to `compressed` bytes.
///
/// # Errors
/// If the ratio exceeds the limit.
pub(crate) fn check_ratio(decompressed: u64, compressed: u64) -> Result<(), ExceededLimit> {
    let most = compressed.saturating_mul(DECOMPRESSION_RATIO_MAX);
    if decompressed <= most.max(DECOMPRESSION_FREE_BYTES) {
        Ok(())
    } else {
        Err(ExceededLimit::DecompressionRatio)
    }
}

/// A reader that counts the bytes read.
pub(crate) struct CountingReader<R> {
    source: R,
    received: ReceivedBytes,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.received.add(read as u64);
        Ok(read)
    }
}

/// A writer that limits the number of bytes written per byte received.
pub(crate) struct BoundedWriter<W> {
    output: W,
    written: u64,
    received: ReceivedBytes,
}

impl<W: Write> Write for BoundedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = self.received.bytes().saturating_mul(ANSWER_RATIO_MAX);
        let most = most.saturating_add(ANSWER_FREE_BYTES);
        if self.written.saturating_add(bytes.len() as u64) > most {
            return Err(ExceededLimit::AnswerRatio.into());
        }
        let written = self.output.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// The memory of the record batches that are being decoded, answered or written. A new batch waits
/// until there is enough space for it, regardless of the number of threads.
#[derive(Debug)]
pub(crate) struct InFlightBytes {
    bytes: Mutex<u64>,
    freed: Condvar,
    bytes_max: u64,
}

impl InFlightBytes {
    pub(crate) fn new(bytes_max: u64) -> Arc<InFlightBytes> {
        Arc::new(InFlightBytes {
            bytes: Mutex::new(0),
            freed: Condvar::new(),
            bytes_max,
        })
    }

    /// Waits until `bytes` bytes are free, not counting the `own` bytes for which the caller
    /// already has a permit. If there is no other batch, a batch is always admitted. A caller that
    /// has a permit must be able to proceed without waiting for another permit.
    pub(crate) fn wait_for(self: &Arc<InFlightBytes>, bytes: u64, own: u64) -> MemoryPermit {
        let is_full =
            |in_use: &mut u64| *in_use > own && in_use.saturating_add(bytes) > self.bytes_max;
        let in_use = self.freed.wait_while(self.in_use(), is_full);
        *in_use.expect(POISONED) += bytes;
        MemoryPermit {
            in_flight: Arc::clone(self),
            bytes,
        }
    }

    fn in_use(&self) -> MutexGuard<'_, u64> {
        self.bytes.lock().expect(POISONED)
    }
}

/// A share of the memory for record batches, released on drop.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    in_flight: Arc<InFlightBytes>,
    bytes: u64,
}

impl MemoryPermit {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        *self.in_flight.in_use() -= self.bytes;
        self.in_flight.freed.notify_all();
    }
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
            Err(ExceededLimit::DecompressionRatio)
        );
        assert_eq!(check_ratio(250 << 20, 1 << 20), Ok(()));
        assert!(check_ratio((250 << 20) + 1, 1 << 20).is_err());
        assert_eq!(check_ratio(u64::MAX, u64::MAX), Ok(()));
    }

    #[test]
    fn answers_are_bounded_by_what_was_received() {
        let received = ReceivedBytes::default();
        let mut output = received.bound_output(io::sink());
        let mebibyte = vec![0; 1 << 20];
        for _ in 0..64 {
            output.write_all(&mebibyte).expect("below the limit");
        }
        let error = output.write_all(&mebibyte).expect_err("too many");
        assert_eq!(
            ExceededLimit::from_io_error(&error),
            Some(ExceededLimit::AnswerRatio)
        );
        received.add(420);
        output.write_all(&mebibyte).expect("more was received");
    }

    #[test]
    fn batches_wait_for_memory_and_one_is_always_admitted() {
        let in_flight = InFlightBytes::new(10);
        let large = in_flight.wait_for(100, 0);
        let more = in_flight.wait_for(100, large.bytes());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| in_flight.wait_for(5, 0).bytes());
            drop((large, more));
            assert_eq!(waiting.join().expect("no panic"), 5);
        });
        assert_eq!(*in_flight.in_use(), 0);
    }

    #[test]
    fn limits_follow_the_memory_that_is_available() {
        let small = DecodeLimits::for_memory(64 << 20);
        assert_eq!(small.record_batch_bytes, 16 << 20);
        assert_eq!(small.metadata_bytes, 2 << 20);
        let large = DecodeLimits::for_memory(64 << 30);
        assert_eq!(large.metadata_bytes, 256 << 20);
    }
}
