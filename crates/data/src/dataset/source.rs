//! The source of a dataset's files: a folder or the program's executable.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use super::embedded;
use super::manifest::{manifest_from_toml, verify_checksum};
use super::{DatasetError, FileEntry, Manifest};
use crate::fs::sha256_hex;
use crate::memory;
use catchment_core::domain::POSTCODE_HOMES_FILE;

/// The name of the manifest in a dataset's folder.
pub const MANIFEST: &str = "dataset.toml";

/// The name of the postcode directory in a dataset's folder.
pub(super) const POSTCODES_FILE: &str = "postcodes.csv";

/// The maximum size of a file in a dataset. If a file is larger, the path is probably wrong, for
/// example the path of a disk image.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// The source of a dataset's files.
#[derive(Debug, Clone)]
pub enum DatasetSource {
    /// The files that are compiled into the program.
    Embedded,
    /// The files in a folder.
    Folder(PathBuf),
}

impl DatasetSource {
    /// Reads and validates the manifest. Returns the manifest and its bytes.
    pub(super) fn read_manifest(&self) -> Result<(Manifest, Vec<u8>), DatasetError> {
        let bytes = self.read_bytes(MANIFEST, None)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| DatasetError::Manifest {
            reason: "the file must be text in UTF-8".into(),
        })?;
        let text = verify_checksum(text).ok_or_else(|| DatasetError::Manifest {
            reason: "it does not match the SHA-256 in its last line, so it was changed; if you \
                     changed it by hand, remove that line"
                .into(),
        })?;
        Ok((manifest_from_toml(text)?, bytes))
    }

    /// Reads and validates only the manifest.
    ///
    /// # Errors
    /// If the manifest cannot be read, or is invalid.
    pub fn manifest(&self) -> Result<Manifest, DatasetError> {
        Ok(self.read_manifest()?.0)
    }

    /// Estimates the peak memory, in bytes, of loading the dataset. Counts the positions and rows
    /// in the files without parsing them.
    ///
    /// # Errors
    /// If the manifest cannot be read.
    pub(crate) fn memory_estimate_bytes(&self) -> Result<u64, DatasetError> {
        let manifest = self.read_manifest()?.0;
        let mut needed: u64 = 0;
        for (path, entry) in &manifest.files {
            let size_bytes = entry.size_bytes;
            // A missing file or a file with a different size is reported when it is read.
            let count_of = |byte: u8| {
                let bytes = self.read_bytes(path, Some(size_bytes)).unwrap_or_default();
                memchr::memchr_iter(byte, &bytes).count() as u64
            };
            let (positions, rows) = match Path::new(path).extension().and_then(OsStr::to_str) {
                // A position is two numbers of 8 bytes each.
                Some("shp") => (size_bytes / 16, 0),
                // The rows of the postcode directory are smaller in memory than in the file.
                Some("csv") if [POSTCODES_FILE, POSTCODE_HOMES_FILE].contains(&path.as_str()) => {
                    (0, 0)
                }
                Some("csv") => (0, count_of(b'\n')),
                Some("geojson" | "json") => (count_of(b'['), 0),
                _ => (0, 0),
            };
            needed = needed.saturating_add(memory::needed_bytes(size_bytes, positions, rows));
        }
        Ok(needed)
    }

    /// Reads a file that is in the manifest.
    ///
    /// # Errors
    /// If the file is not in the manifest, the file cannot be read, or its size or SHA-256 differs
    /// from the value in the manifest.
    pub(super) fn read_verified(
        &self,
        manifest: &Manifest,
        path: &str,
    ) -> Result<Vec<u8>, DatasetError> {
        let entry = manifest
            .files
            .get(path)
            .ok_or_else(|| DatasetError::NotInManifest { path: path.into() })?;
        let bytes = self.read_bytes(path, Some(entry.size_bytes))?;
        verify(path, entry, &bytes)?;
        Ok(bytes)
    }

    /// Returns whether a file exists, even if it is not in the manifest.
    pub(super) fn contains(&self, path: &str) -> bool {
        match self {
            DatasetSource::Embedded => embedded::file(path).is_some(),
            DatasetSource::Folder(folder) => folder.join(path).exists(),
        }
    }

    /// Reads a file. If the file does not have the expected size, returns an error without reading
    /// it.
    fn read_bytes(&self, path: &str, expected: Option<u64>) -> Result<Vec<u8>, DatasetError> {
        match self {
            DatasetSource::Embedded => embedded::file(path)
                .map(<[u8]>::to_vec)
                .ok_or_else(|| DatasetError::NotInManifest { path: path.into() }),
            DatasetSource::Folder(folder) => read_from_folder(folder, path, expected),
        }
    }
}

fn read_from_folder(
    folder: &Path,
    path: &str,
    expected: Option<u64>,
) -> Result<Vec<u8>, DatasetError> {
    let relative = Path::new(path);
    let stays_inside = relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !stays_inside {
        return Err(DatasetError::OutsideFolder { path: path.into() });
    }
    let unreadable = |source| DatasetError::Unreadable {
        path: path.into(),
        source,
    };
    let full = folder.join(relative);
    // The file type is checked before the file is opened, because opening a pipe blocks.
    let metadata = fs::metadata(&full).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("it is not a regular file")));
    }
    let size_bytes = metadata.len();
    if size_bytes > FILE_BYTES_MAX {
        return Err(DatasetError::TooLarge { path: path.into() });
    }
    if let Some(expected) = expected.filter(|expected| *expected != size_bytes) {
        return Err(DatasetError::SizeMismatch {
            path: path.into(),
            expected,
            found: size_bytes,
        });
    }
    let capacity = usize::try_from(size_bytes + 1).expect("at most FILE_BYTES_MAX");
    let mut bytes = Vec::with_capacity(capacity);
    // The number of bytes is limited, because the file may have grown since its size was checked.
    fs::File::open(&full)
        .and_then(|file| file.take(size_bytes + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    Ok(bytes)
}

fn verify(path: &str, entry: &FileEntry, bytes: &[u8]) -> Result<(), DatasetError> {
    if bytes.len() as u64 != entry.size_bytes {
        return Err(DatasetError::SizeMismatch {
            path: path.into(),
            expected: entry.size_bytes,
            found: bytes.len() as u64,
        });
    }
    if sha256_hex(bytes) != entry.sha256 {
        return Err(DatasetError::ChecksumMismatch { path: path.into() });
    }
    Ok(())
}
