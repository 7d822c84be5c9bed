//! Detection of changed files by their metadata.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// The modification time, size and inode of a file. If two versions are equal, the file has not
/// changed.
///
/// The inode distinguishes files written within the same clock tick, or after the clock was set
/// back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileVersion {
    modified: Option<SystemTime>,
    size_bytes: u64,
    inode: u64,
}

impl FileVersion {
    /// Returns the version of the file at `path`, or `None` if its metadata cannot be read.
    pub fn of(path: &Path) -> Option<FileVersion> {
        let metadata = fs::metadata(path).ok()?;
        Some(FileVersion {
            modified: metadata.modified().ok(),
            size_bytes: metadata.len(),
            inode: inode(&metadata),
        })
    }
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_metadata: &fs::Metadata) -> u64 {
    0
}
