//! gzip (RFC 1952) and Zstandard (RFC 8878), in and out.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

/// How the bytes of a list are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// A list grows at most so many times when it is unpacked, once it is large; ten to twenty times is
/// usual. More is a file made to fill a disk.
const GROWTH_MAX: u64 = 250;
/// Below this nothing is suspected.
const GROWTH_UNSUSPECTED_BYTES: u64 = 256 << 20;

impl Compression {
    /// That of a file which begins so.
    pub(super) fn of(beginning: &[u8]) -> Compression {
        match beginning {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// Packs a part of a list. Parts one after the other are one file: both formats say so. The same
    /// bytes give the same bytes.
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

/// Counts what is read through it.
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

/// A list as it reads unpacked.
pub(super) struct Unpacked<R: Read> {
    from: Source<R>,
    given: u64,
}

enum Source<R: Read> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<Counting<BufReader<R>>>>),
    Zstd(zstd::Decoder<'static, Counting<BufReader<R>>>),
}

impl<R: Read> Unpacked<R> {
    pub(super) fn new(compression: Compression, inner: R) -> io::Result<Unpacked<R>> {
        let counting = |inner| Counting {
            inner: BufReader::with_capacity(1 << 16, inner),
            read: 0,
        };
        let from = match compression {
            Compression::None => Source::Plain(inner),
            Compression::Gzip => Source::Gzip(Box::new(MultiGzDecoder::new(counting(inner)))),
            Compression::Zstd => Source::Zstd(zstd::Decoder::with_buffer(counting(inner))?),
        };
        Ok(Unpacked { from, given: 0 })
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (given, taken) = match &mut self.from {
            Source::Plain(inner) => return inner.read(buffer),
            Source::Gzip(decoder) => (decoder.read(buffer)?, decoder.get_ref().read),
            Source::Zstd(decoder) => (decoder.read(buffer)?, decoder.get_ref().read),
        };
        self.given += given as u64;
        if self.given > GROWTH_UNSUSPECTED_BYTES && self.given / GROWTH_MAX > taken {
            return Err(io::Error::other(format!(
                "unpacked it is more than {GROWTH_MAX} times as long, which no list is"
            )));
        }
        Ok(given)
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
            Unpacked::new(compression, packed.as_slice())
                .and_then(|mut unpacked| unpacked.read_to_string(&mut text))
                .expect("unpacked");
            assert_eq!(text, "postcode\nLA1 1AA\n");
        }
    }

    #[test]
    fn a_file_made_to_fill_a_disk_is_refused() {
        let zeros = vec![0; 1 << 20];
        let part = Compression::Gzip.pack(&zeros).expect("packed");
        let bomb = part.repeat(300);
        let unpacked = Unpacked::new(Compression::Gzip, bomb.as_slice()).expect("a decoder");
        let mut unpacked = BufReader::with_capacity(1 << 20, unpacked);
        let fault = io::copy(&mut unpacked, &mut io::sink()).expect_err("refused");
        assert!(fault.to_string().contains("250 times"), "{fault}");
    }
}
