//! SHA-256 and hexadecimal digits, and hashing of data while it is read or written.

use std::fmt::Write as _;
use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

/// Returns the SHA-256 of the content in lower-case hexadecimal.
pub fn sha256_hex(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// Returns the bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a String");
    }
    text
}

/// Decodes the `N` bytes that `text` represents in hexadecimal, in lower or upper case. Returns
/// `None` if the text is not `2 * N` hexadecimal digits.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.len() != 2 * N || !is_hex {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

/// The SHA-256 digest and size of the bytes that passed through a [`HashingIo`].
pub struct Fingerprint {
    /// The SHA-256 digest in lower-case hexadecimal.
    pub sha256: String,
    /// The number of bytes.
    pub bytes: u64,
}

/// A reader or writer that counts and hashes the bytes that pass through it.
pub struct HashingIo<T> {
    /// The reader or writer.
    pub inner: T,
    /// Whether the bytes are hashed.
    pub is_enabled: bool,
    hash: Sha256,
    bytes: u64,
}

impl<T> HashingIo<T> {
    /// Wraps a reader or writer. If `is_enabled` is false, bytes are counted but not hashed.
    pub fn new(inner: T, is_enabled: bool) -> HashingIo<T> {
        HashingIo {
            inner,
            is_enabled,
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if self.is_enabled {
            self.hash.update(bytes);
        }
    }

    /// Returns the digest and the number of bytes that have passed through so far.
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = self.hash.clone().finalize();
        Fingerprint {
            sha256: hex(&digest),
            bytes: self.bytes,
        }
    }
}

impl<R: Read> Read for HashingIo<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.add(&buffer[..read]);
        Ok(read)
    }
}

impl<W: Write> Write for HashingIo<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.add(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
