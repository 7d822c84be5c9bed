//! Writes the folder of a dataset atomically.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::manifest::{file_entry, manifest_to_toml, with_checksum};
use super::{MANIFEST, Manifest};
use crate::fs::{parent_folder, resolve_symlinks, sync_folder};

/// The error for a dataset that could not be written. The previous folder is still in place unless
/// the disk failed just after the new folder was renamed. In that case, the new folder is in place,
/// but may be lost if the power fails.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be written")]
pub struct WriteError {
    /// The file or folder that could not be written.
    pub path: PathBuf,
    /// The cause.
    pub source: io::Error,
}

/// A dataset in a temporary folder next to its final folder, before the temporary folder is
/// renamed. Dropping this value deletes the temporary folder.
#[derive(Debug)]
pub struct StagedDataset {
    staging_dir: StagingDir,
    folder: PathBuf,
    manifest: Manifest,
}

/// A temporary folder that will be renamed.
#[derive(Debug)]
struct StagingDir {
    folder: tempfile::TempDir,
    /// The open temporary folder, which is locked until this value is dropped. If a temporary
    /// folder is not locked, the program that created it was killed.
    #[cfg(unix)]
    _lock: fs::File,
}

/// The prefix of the names of temporary folders.
const STAGING_PREFIX: &str = ".catchment-dataset-";
/// The age above which an unlocked folder is stale. A newer folder may be in use, because a folder
/// is unlocked for a moment after its creation.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// Writes the folder of a dataset. `files` contains each file with its path in the folder. The
/// manifest is written with the checksums of the files.
///
/// Writes to a temporary folder next to `folder`, syncs the temporary folder to disk and renames it
/// atomically. An existing folder or file is replaced, regardless of its content.
/// [`crate::builder`] first checks that `folder` may be replaced. If `folder` is a symbolic link,
/// its target is replaced.
///
/// # Errors
/// If a file or folder cannot be written. `folder` is then unchanged.
pub fn write(
    folder: &Path,
    manifest: Manifest,
    files: &[(String, Vec<u8>)],
) -> Result<(), WriteError> {
    stage(folder, manifest, files)?.publish()
}

/// Writes a dataset to a temporary folder next to `folder`, and syncs the temporary folder to disk.
/// [`StagedDataset::publish`] renames the temporary folder.
///
/// # Errors
/// If a file or folder cannot be written.
pub fn stage(
    folder: &Path,
    mut manifest: Manifest,
    files: &[(String, Vec<u8>)],
) -> Result<StagedDataset, WriteError> {
    manifest.files = files
        .iter()
        .map(|(path, content)| (path.clone(), file_entry(content)))
        .collect();
    let text = manifest_text(&manifest);
    let files = files
        .iter()
        .map(|(path, content)| (path.as_str(), content.as_slice()));
    let folder = resolve_symlinks(folder).map_err(write_error(folder))?;
    let staging_dir = stage_files(&folder, files.chain([(MANIFEST, text.as_bytes())]))?;
    Ok(StagedDataset {
        staging_dir,
        folder,
        manifest,
    })
}

fn manifest_text(manifest: &Manifest) -> String {
    with_checksum(&manifest_to_toml(manifest))
}

/// Writes `files`, each with its path in the folder, to a folder atomically. An existing folder is
/// replaced, regardless of its content, so call [`crate::fs::check_output_folder`] first.
///
/// # Errors
/// If a file or folder cannot be written. `folder` is then unchanged.
pub fn write_folder(folder: &Path, files: &[(&str, Vec<u8>)]) -> Result<(), WriteError> {
    let files = files
        .iter()
        .map(|(path, content)| (*path, content.as_slice()));
    let staging_dir = stage_files(folder, files)?;
    publish(staging_dir, folder)
}

/// Writes the files, each with its path in the folder, to a temporary folder next to `folder`, and
/// syncs the temporary folder to disk.
fn stage_files<'f>(
    folder: &Path,
    files: impl Iterator<Item = (&'f str, &'f [u8])>,
) -> Result<StagingDir, WriteError> {
    let parent = parent_folder(folder);
    fs::create_dir_all(parent).map_err(write_error(parent))?;
    remove_stale(parent);
    let staging_dir = StagingDir::create_beside(folder).map_err(write_error(parent))?;
    let mut folders = BTreeSet::from([staging_dir.path().to_path_buf()]);
    for (path, content) in files {
        let full = staging_dir.path().join(path);
        write_synced(&full, content).map_err(write_error(&folder.join(path)))?;
        folders.extend(full.parent().map(Path::to_path_buf));
    }
    allow_reading(staging_dir.path()).map_err(write_error(folder))?;
    // Syncing the folders makes the names of the files durable.
    for dir in &folders {
        sync_folder(dir).map_err(write_error(folder))?;
    }
    Ok(staging_dir)
}

/// Removes the temporary folders that killed programs left in `parent`. Errors are ignored.
#[cfg(unix)]
fn remove_stale(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !name
            .as_encoded_bytes()
            .starts_with(STAGING_PREFIX.as_bytes())
        {
            continue;
        }
        let path = entry.path();
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > STALE_AFTER));
        let is_stale = is_old && fs::File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if is_stale {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(not(unix))]
fn remove_stale(_parent: &Path) {}

impl StagingDir {
    fn create_beside(folder: &Path) -> io::Result<StagingDir> {
        let folder = tempfile::Builder::new()
            .prefix(STAGING_PREFIX)
            .tempdir_in(parent_folder(folder))?;
        #[cfg(unix)]
        let lock = fs::File::open(folder.path())?;
        #[cfg(unix)]
        lock.lock()?;
        Ok(StagingDir {
            folder,
            #[cfg(unix)]
            _lock: lock,
        })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Renames the temporary folder to `folder`, which must not exist.
    fn rename_to(self, folder: &Path) -> io::Result<()> {
        fs::rename(self.path(), folder)?;
        // The temporary folder no longer exists, so there is nothing to delete.
        let _ = self.folder.keep();
        Ok(())
    }
}

impl StagedDataset {
    /// Returns the path of the temporary folder.
    pub fn path(&self) -> &Path {
        self.staging_dir.path()
    }

    /// Writes another file, which is not in the manifest, to the temporary folder.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add_file(&self, name: &str, content: &[u8]) -> Result<(), WriteError> {
        let path = self.path().join(name);
        write_synced(&path, content)
            .and_then(|()| sync_folder(self.path()))
            .map_err(write_error(&self.folder.join(name)))
    }

    /// Writes a further file of the dataset to the temporary folder, and adds it to the manifest.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn add_listed_file(&mut self, name: &str, content: &[u8]) -> Result<(), WriteError> {
        self.add_file(name, content)?;
        let files = &mut self.manifest.files;
        files.insert(name.to_string(), file_entry(content));
        self.add_file(MANIFEST, manifest_text(&self.manifest).as_bytes())
    }

    /// Renames the temporary folder to its final name atomically.
    ///
    /// # Errors
    /// If the temporary folder cannot be renamed. The final folder is then unchanged.
    pub fn publish(self) -> Result<(), WriteError> {
        publish(self.staging_dir, &self.folder)
    }
}

fn publish(staging_dir: StagingDir, folder: &Path) -> Result<(), WriteError> {
    replace_atomically(staging_dir, folder).map_err(write_error(folder))?;
    let parent = parent_folder(folder);
    sync_folder(parent).map_err(write_error(parent))
}

fn write_error(path: &Path) -> impl FnOnce(io::Error) -> WriteError {
    let path = path.to_path_buf();
    move |source| WriteError { path, source }
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = fs::File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Renames the temporary folder to `folder`, and deletes the folder or file that it replaces.
fn replace_atomically(staging_dir: StagingDir, folder: &Path) -> io::Result<()> {
    if !folder.exists() {
        return staging_dir.rename_to(folder);
    }
    exchange(staging_dir.path(), folder)?;
    // The old content is now at the temporary path. Failure to remove it is ignored, because the
    // new content is already in place.
    if staging_dir.path().is_dir() {
        let _ = staging_dir.folder.close();
    } else {
        let _ = fs::remove_file(staging_dir.folder.keep());
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE)?)
}

/// Exchanges two folders. Renames the old folder first, because the crate `rustix` exchanges folders
/// only on Linux.
#[cfg(not(target_os = "linux"))]
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    let backup = old.with_extension("old");
    fs::rename(old, &backup)?;
    if let Err(error) = fs::rename(new, old) {
        fs::rename(&backup, old)?;
        return Err(error);
    }
    fs::rename(&backup, new)
}

#[cfg(unix)]
fn allow_reading(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // By default, only the owner can read a temporary folder.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn allow_reading(_folder: &Path) -> io::Result<()> {
    Ok(())
}
