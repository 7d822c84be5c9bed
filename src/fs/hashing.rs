//! Hashing of input and output while it passes through.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

/// The SHA-256 digest and size of the bytes that passed through a [`HashingIo`].
pub(crate) struct Fingerprint {
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
}

/// A reader or writer that counts and hashes the bytes that pass through it.
pub(crate) struct HashingIo<T> {
    pub(crate) inner: T,
    pub(crate) is_enabled: bool,
    hash: Sha256,
    bytes: u64,
}

impl<T> HashingIo<T> {
    pub(crate) fn new(inner: T, is_enabled: bool) -> HashingIo<T> {
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

    /// Returns the digest and the number of the bytes that have passed through so far.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let digest = self.hash.clone().finalize();
        Fingerprint {
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
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
