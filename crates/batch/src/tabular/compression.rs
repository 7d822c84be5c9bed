//! Compression and decompression with gzip (RFC 1952) and Zstandard (RFC 8878).

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::limits::{ExceededLimit, check_ratio};

/// The compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// No compression.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// Detects the compression from the first bytes of a file.
    pub(crate) fn detect(beginning: &[u8]) -> Compression {
        match beginning {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// Compresses a part of a file. In both gzip and Zstandard, the concatenation of compressed
    /// parts is a valid file. The output depends only on the input.
    pub(crate) fn compress(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Compression::None => Ok(bytes.to_vec()),
            Compression::Gzip => {
                let buffer = Vec::with_capacity(bytes.len() / 4);
                let mut encoder = GzEncoder::new(buffer, flate2::Compression::default());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Compression::Zstd => zstd::bulk::compress(bytes, zstd::DEFAULT_COMPRESSION_LEVEL),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        })
    }
}

/// A reader that counts the bytes that are read through it.
struct ByteCounter<R> {
    inner: R,
    bytes_read: u64,
}

impl<R: BufRead> Read for ByteCounter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes_read += read as u64;
        Ok(read)
    }
}

impl<R: BufRead> BufRead for ByteCounter<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.bytes_read += amount as u64;
        self.inner.consume(amount);
    }
}

/// A reader that decompresses a file.
pub(crate) struct Decompressor<R: Read> {
    decoder: StreamDecoder<R>,
    produced: u64,
}

enum StreamDecoder<R: Read> {
    Uncompressed(R),
    Gzip(Box<MultiGzDecoder<ByteCounter<BufReader<R>>>>),
    Zstd {
        decoder: zstd::Decoder<'static, ByteCounter<BufReader<R>>>,
        window_log_max: u32,
    },
}

impl<R: Read> Decompressor<R> {
    /// Decompresses `inner`. Zstandard windows of up to 2^`zstd_window_log` bytes are accepted.
    /// Each frame states the size of the window that the decoder must allocate.
    pub(crate) fn new(
        compression: Compression,
        inner: R,
        zstd_window_log: u32,
    ) -> io::Result<Decompressor<R>> {
        let counted = |inner| ByteCounter {
            inner: BufReader::with_capacity(1 << 16, inner),
            bytes_read: 0,
        };
        let decoder = match compression {
            Compression::None => StreamDecoder::Uncompressed(inner),
            Compression::Gzip => StreamDecoder::Gzip(Box::new(MultiGzDecoder::new(counted(inner)))),
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(counted(inner))?;
                decoder.window_log_max(zstd_window_log)?;
                StreamDecoder::Zstd {
                    decoder,
                    window_log_max: zstd_window_log,
                }
            }
        };
        Ok(Decompressor {
            decoder,
            produced: 0,
        })
    }
}

impl<R: Read> Read for Decompressor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (produced, consumed) = match &mut self.decoder {
            StreamDecoder::Uncompressed(inner) => return inner.read(buffer),
            StreamDecoder::Gzip(decoder) => (decoder.read(buffer)?, decoder.get_ref().bytes_read),
            StreamDecoder::Zstd {
                decoder,
                window_log_max,
            } => {
                let result = decoder.read(buffer);
                let produced = result.map_err(|error| map_window_error(error, *window_log_max))?;
                (produced, decoder.get_ref().bytes_read)
            }
        };
        self.produced += produced as u64;
        check_ratio(self.produced, consumed)?;
        Ok(produced)
    }
}

/// Converts zstd's error for a window above the limit, which can be distinguished from other errors
/// only by its message.
fn map_window_error(error: io::Error, window_log_max: u32) -> io::Error {
    if error.to_string().contains("too much memory") {
        ExceededLimit::ZstdWindow(1 << window_log_max).into()
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concatenated_parts_decompress_as_one_file() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let mut compressed = compression.compress(b"postcode\n").expect("compressed");
            compressed.extend(compression.compress(b"LA1 1AA\n").expect("compressed"));
            assert_eq!(Compression::detect(&compressed), compression);
            let mut text = String::new();
            Decompressor::new(compression, compressed.as_slice(), 23)
                .and_then(|mut decompressor| decompressor.read_to_string(&mut text))
                .expect("decompressed");
            assert_eq!(text, "postcode\nLA1 1AA\n");
        }
    }

    #[test]
    fn decompression_stops_at_250_times_the_size_from_the_first_mebibyte() {
        let zeros = vec![0; 16 << 20];
        for compression in [Compression::Gzip, Compression::Zstd] {
            let bomb = compression.compress(&zeros).expect("compressed");
            let decompressor =
                Decompressor::new(compression, bomb.as_slice(), 23).expect("a decoder");
            let mut reader = BufReader::with_capacity(1 << 16, decompressor);
            let mut out = Vec::new();
            let error = reader.read_to_end(&mut out).expect_err("refused");
            assert_eq!(
                ExceededLimit::from_io_error(&error),
                Some(ExceededLimit::DecompressionRatio)
            );
            let most = (250 * bomb.len()).max(1 << 20);
            assert!(out.len() <= most, "{} of {}", out.len(), bomb.len());
        }
    }

    #[test]
    fn zstd_windows_larger_than_allowed_are_refused() {
        // A frame header that declares a window of 2^24 bytes, followed by an empty last block.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, (24 - 10) << 3, 1, 0, 0];
        let read = |window_log| {
            let decompressor = Decompressor::new(Compression::Zstd, frame.as_slice(), window_log);
            decompressor.and_then(|mut decompressor| decompressor.read_to_end(&mut Vec::new()))
        };
        assert_eq!(read(24).expect("accepted"), 0);
        let error = read(23).expect_err("refused");
        assert_eq!(
            ExceededLimit::from_io_error(&error),
            Some(ExceededLimit::ZstdWindow(8 << 20))
        );
    }
}
