//! Compression and decompression with gzip (RFC 1952) and Zstandard (RFC 8878).

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::limits::{Excess, check_ratio};

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
    pub(super) fn of(beginning: &[u8]) -> Compression {
        match beginning {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// Compresses a part of a file. The concatenation of compressed parts is a valid file in both
    /// formats. The output depends only on the input.
    pub(super) fn pack(self, part: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Compression::None => Ok(part.to_vec()),
            Compression::Gzip => {
                let room = Vec::with_capacity(part.len() / 4);
                let mut encoder = GzEncoder::new(room, flate2::Compression::default());
                encoder.write_all(part)?;
                encoder.finish()
            }
            Compression::Zstd => zstd::bulk::compress(part, zstd::DEFAULT_COMPRESSION_LEVEL),
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

/// A reader that counts the bytes read through it.
struct Counting<R> {
    inner: R,
    read: u64,
}

impl<R: BufRead> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counting<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.read += amount as u64;
        self.inner.consume(amount);
    }
}

/// A reader that decompresses a file.
pub(super) struct Unpacked<R: Read> {
    from: Source<R>,
    given: u64,
}

enum Source<R: Read> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<Counting<BufReader<R>>>>),
    Zstd {
        decoder: zstd::Decoder<'static, Counting<BufReader<R>>>,
        window_log_max: u32,
    },
}

impl<R: Read> Unpacked<R> {
    /// Decompresses `inner`. Zstandard windows of up to 2^`zstd_window_log` bytes are accepted:
    /// each frame states the size of the window that the decoder must allocate.
    pub(super) fn new(
        compression: Compression,
        inner: R,
        zstd_window_log: u32,
    ) -> io::Result<Unpacked<R>> {
        let counting = |inner| Counting {
            inner: BufReader::with_capacity(1 << 16, inner),
            read: 0,
        };
        let from = match compression {
            Compression::None => Source::Plain(inner),
            Compression::Gzip => Source::Gzip(Box::new(MultiGzDecoder::new(counting(inner)))),
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(counting(inner))?;
                decoder.window_log_max(zstd_window_log)?;
                Source::Zstd {
                    decoder,
                    window_log_max: zstd_window_log,
                }
            }
        };
        Ok(Unpacked { from, given: 0 })
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (given, taken) = match &mut self.from {
            Source::Plain(inner) => return inner.read(buffer),
            Source::Gzip(decoder) => (decoder.read(buffer)?, decoder.get_ref().read),
            Source::Zstd {
                decoder,
                window_log_max,
            } => {
                let given = decoder.read(buffer);
                let given = given.map_err(|error| window_excess(error, *window_log_max))?;
                (given, decoder.get_ref().read)
            }
        };
        self.given += given as u64;
        check_ratio(self.given, taken)?;
        Ok(given)
    }
}

/// Maps the error for a window beyond the limit, which zstd reports only in the error message.
fn window_excess(error: io::Error, window_log_max: u32) -> io::Error {
    match error.to_string().contains("too much memory") {
        true => Excess::ZstdWindow(1 << window_log_max).into(),
        false => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_packed_one_after_the_other_are_one_list() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let mut packed = compression.pack(b"postcode\n").expect("packed");
            packed.extend(compression.pack(b"LA1 1AA\n").expect("packed"));
            assert_eq!(Compression::of(&packed), compression);
            let mut text = String::new();
            Unpacked::new(compression, packed.as_slice(), 23)
                .and_then(|mut unpacked| unpacked.read_to_string(&mut text))
                .expect("unpacked");
            assert_eq!(text, "postcode\nLA1 1AA\n");
        }
    }

    #[test]
    fn decompression_stops_at_250_times_the_size_from_the_first_mebibyte() {
        let zeros = vec![0; 16 << 20];
        for compression in [Compression::Gzip, Compression::Zstd] {
            let bomb = compression.pack(&zeros).expect("compressed");
            let unpacked = Unpacked::new(compression, bomb.as_slice(), 23).expect("a decoder");
            let mut unpacked = BufReader::with_capacity(1 << 16, unpacked);
            let mut out = Vec::new();
            let fault = unpacked.read_to_end(&mut out).expect_err("refused");
            assert_eq!(Excess::of(&fault), Some(Excess::DecompressionRatio));
            let most = (250 * bomb.len()).max(1 << 20);
            assert!(out.len() <= most, "{} of {}", out.len(), bomb.len());
        }
    }

    #[test]
    fn zstd_windows_larger_than_allowed_are_refused() {
        // A frame header that declares a window of 2^24 bytes, followed by an empty last block.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, (24 - 10) << 3, 1, 0, 0];
        let read = |window_log| {
            let unpacked = Unpacked::new(Compression::Zstd, frame.as_slice(), window_log);
            unpacked.and_then(|mut it| it.read_to_end(&mut Vec::new()))
        };
        assert_eq!(read(24).expect("accepted"), 0);
        let fault = read(23).expect_err("refused");
        assert_eq!(Excess::of(&fault), Some(Excess::ZstdWindow(8 << 20)));
    }
}
