//! Where a dataset's files are: in a folder, or compiled into the program.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use super::DatasetError;
use super::embedded;
use super::manifest::{FileEntry, Manifest, sha256_hex, unsealed};

/// Name of the manifest in a dataset's folder.
pub const MANIFEST: &str = "dataset.toml";

/// No file of a dataset may be larger: a wrong path to a device or a disk image ends here.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// Where a dataset's files are.
#[derive(Debug, Clone)]
pub enum Files {
    /// Compiled into the program.
    Embedded,
    /// In a folder.
    Folder(PathBuf),
}

impl Files {
    /// The manifest and its bytes.
    pub(super) fn manifest(&self) -> Result<(Manifest, Vec<u8>), DatasetError> {
        let bytes = self.bytes(MANIFEST, None)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| DatasetError::Manifest {
            reason: "not text in UTF-8".into(),
        })?;
        let text = unsealed(text).ok_or_else(|| DatasetError::Manifest {
            reason: "it does not have the SHA-256 that its last line says: it was changed; \
                     whoever changed it by hand takes that line away"
                .into(),
        })?;
        let manifest = toml::from_str(text).map_err(|error| DatasetError::Manifest {
            reason: error.to_string(),
        })?;
        Ok((manifest, bytes))
    }

    /// How many bytes its files have, as the manifest says.
    ///
    /// # Errors
    /// When the manifest cannot be read.
    pub(crate) fn size_bytes(&self) -> Result<u64, DatasetError> {
        Ok(self.manifest()?.0.size_bytes())
    }

    /// A file that the manifest names, if it is byte for byte what the manifest says.
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

    /// Whether there is such a file, named by the manifest or not.
    pub(super) fn has(&self, path: &str) -> bool {
        match self {
            Files::Embedded => embedded::file(path).is_some(),
            Files::Folder(folder) => folder.join(path).exists(),
        }
    }

    /// The bytes of a file; nothing is read of one that is not as long as expected.
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
    // Asked before it is opened: a pipe would keep whoever opens it.
    let metadata = fs::metadata(&full).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("it is no file")));
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
    // It may grow meanwhile.
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
