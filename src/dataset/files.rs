//! The source of a dataset's files: a folder, or the program itself.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use super::DatasetError;
use super::embedded;
use super::manifest::{FileEntry, Manifest, sha256_hex, unsealed};
use crate::memory;

/// The name of the manifest in a dataset's folder.
pub const MANIFEST: &str = "dataset.toml";

/// The name of the postcode directory in a dataset's folder.
pub(super) const POSTCODES: &str = "postcodes.csv";

/// The maximum size of a file of a dataset. It stops a wrong path to a device or a disk image.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// The source of a dataset's files.
#[derive(Debug, Clone)]
pub enum Files {
    /// Compiled into the program.
    Embedded,
    /// In a folder.
    Folder(PathBuf),
}

impl Files {
    /// Reads the manifest. Returns it with its bytes.
    pub(super) fn manifest(&self) -> Result<(Manifest, Vec<u8>), DatasetError> {
        let bytes = self.bytes(MANIFEST, None)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| DatasetError::Manifest {
            reason: "not text in UTF-8".into(),
        })?;
        let text = unsealed(text).ok_or_else(|| DatasetError::Manifest {
            reason: "it does not match the SHA-256 in its last line, so it was changed; if you \
                     changed it by hand, remove that line"
                .into(),
        })?;
        let manifest: Manifest = toml::from_str(text).map_err(|error| DatasetError::Manifest {
            reason: error.to_string(),
        })?;
        manifest
            .check()
            .map_err(|reason| DatasetError::Manifest { reason })?;
        Ok((manifest, bytes))
    }

    /// Estimates the most memory, in bytes, that loading the dataset takes. Counts the positions
    /// and rows in the current files without parsing them.
    ///
    /// # Errors
    /// If the manifest cannot be read.
    pub(crate) fn memory_bytes(&self) -> Result<u64, DatasetError> {
        let manifest = self.manifest()?.0;
        let mut needed: u64 = 0;
        for (path, entry) in &manifest.files {
            let size_bytes = entry.size_bytes;
            // A file that is missing or has a different size is reported when it is read.
            let counted = |byte: u8| {
                let bytes = self.bytes(path, Some(size_bytes)).unwrap_or_default();
                memchr::memchr_iter(byte, &bytes).count() as u64
            };
            let (positions, rows) = match Path::new(path).extension().and_then(OsStr::to_str) {
                // Two numbers of 8 bytes each.
                Some("shp") => (size_bytes / 16, 0),
                // The directory's rows are long in the file and short in memory.
                Some("csv") if path == POSTCODES => (0, 0),
                Some("csv") => (0, counted(b'\n')),
                Some("geojson" | "json") => (counted(b'['), 0),
                _ => (0, 0),
            };
            needed = needed.saturating_add(memory::needed_bytes(size_bytes, positions, rows));
        }
        Ok(needed)
    }

    /// Reads a file that the manifest names.
    ///
    /// # Errors
    /// If its size or SHA-256 is not the one in the manifest.
    pub(super) fn verified(
        &self,
        manifest: &Manifest,
        path: &str,
    ) -> Result<Vec<u8>, DatasetError> {
        let entry = manifest
            .files
            .get(path)
            .ok_or_else(|| DatasetError::NotInManifest { path: path.into() })?;
        let bytes = self.bytes(path, Some(entry.size_bytes))?;
        verify(path, entry, &bytes)?;
        Ok(bytes)
    }

    /// Returns whether a file exists, whether or not the manifest names it.
    pub(super) fn has(&self, path: &str) -> bool {
        match self {
            Files::Embedded => embedded::file(path).is_some(),
            Files::Folder(folder) => folder.join(path).exists(),
        }
    }

    /// Reads a file. A file that does not have the expected size is an error and is not read.
    fn bytes(&self, path: &str, expected: Option<u64>) -> Result<Vec<u8>, DatasetError> {
        match self {
            Files::Embedded => embedded::file(path)
                .map(<[u8]>::to_vec)
                .ok_or_else(|| DatasetError::NotInManifest { path: path.into() }),
            Files::Folder(folder) => read_within(folder, path, expected),
        }
    }
}

fn read_within(folder: &Path, path: &str, expected: Option<u64>) -> Result<Vec<u8>, DatasetError> {
    let relative = Path::new(path);
    let stays_inside = relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !stays_inside {
        return Err(DatasetError::Outside { path: path.into() });
    }
    let unreadable = |source| DatasetError::Unreadable {
        path: path.into(),
        source,
    };
    let full = folder.join(relative);
    // Checked before it is opened, because opening a pipe blocks.
    let metadata = fs::metadata(&full).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("it is not a regular file")));
    }
    let size_bytes = metadata.len();
    if size_bytes > FILE_BYTES_MAX {
        return Err(DatasetError::TooLarge { path: path.into() });
    }
    if let Some(expected) = expected.filter(|expected| *expected != size_bytes) {
        return Err(DatasetError::WrongSize {
            path: path.into(),
            expected,
            found: size_bytes,
        });
    }
    let mut bytes = Vec::new();
    // The file may have grown since.
    fs::File::open(&full)
        .and_then(|file| file.take(size_bytes + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    Ok(bytes)
}

fn verify(path: &str, entry: &FileEntry, bytes: &[u8]) -> Result<(), DatasetError> {
    if bytes.len() as u64 != entry.size_bytes {
        return Err(DatasetError::WrongSize {
            path: path.into(),
            expected: entry.size_bytes,
            found: bytes.len() as u64,
        });
    }
    if sha256_hex(bytes) != entry.sha256 {
        return Err(DatasetError::WrongDigest { path: path.into() });
    }
    Ok(())
}
