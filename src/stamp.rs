//! Tells whether a file is another one than it was, without reading it.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// When a file was last written, how long it is, and which it is of its file system. The last tells two
/// files apart that were written in one tick of the clock, or by a clock that was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    size_bytes: u64,
    number: u64,
}

impl Stamp {
    /// That of the file; `None` where it is not there.
    pub(crate) fn of(path: &Path) -> Option<Stamp> {
        let metadata = fs::metadata(path).ok()?;
        Some(Stamp {
            modified: metadata.modified().ok(),
            size_bytes: metadata.len(),
            number: number(&metadata),
        })
    }
}

#[cfg(unix)]
fn number(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn number(_metadata: &fs::Metadata) -> u64 {
    0
}
