//! Writes the folder of a dataset atomically.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::MANIFEST;
use super::manifest::{FileEntry, Manifest, sealed};
use crate::outputs;

/// A dataset could not be written. The previous folder is still in place, except if the disk failed
/// just after the new folder was renamed: then the new folder is in place, and may be lost in a
/// power failure.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be written")]
pub struct WriteError {
    /// The file or folder that could not be written.
    pub path: PathBuf,
    /// The cause.
    pub source: io::Error,
}

/// A dataset that is written to a temporary folder beside its own and not yet renamed. Dropping it
/// deletes it.
#[derive(Debug)]
pub struct Staged {
    staging: Staging,
    folder: PathBuf,
}

/// A temporary folder that is to be renamed.
#[derive(Debug)]
struct Staging {
    folder: tempfile::TempDir,
    /// Locked as long as the program runs. An unlocked folder was left by a program that was
    /// killed.
    #[cfg(unix)]
    _held: fs::File,
}

/// The prefix of the names of temporary folders.
const STAGING: &str = ".catchment-dataset-";
/// The age from which an unlocked folder is stale. A new folder is unlocked for a moment.
const LEFT_AFTER: Duration = Duration::from_secs(60);

/// Writes the folder of a dataset: `files` by their path in it, and the manifest with their
/// checksums.
///
/// Writes to a temporary folder beside it, syncs it to disk and renames it atomically. An existing
/// folder or file is replaced, whatever it contains; [`crate::build`] checks first that it may be.
/// If the folder is a symbolic link, its target is replaced.
///
/// # Errors
/// If a file or folder cannot be written. The folder is then unchanged.
pub fn write(
    folder: &Path,
    manifest: Manifest,
    files: &[(String, Vec<u8>)],
) -> Result<(), WriteError> {
    stage(folder, manifest, files)?.publish()
}

/// Writes a dataset to a temporary folder beside `folder` and syncs it to disk.
/// [`StagedDataset::publish`] renames it.
///
/// # Errors
/// If a file or folder cannot be written.
pub fn stage(
    folder: &Path,
    mut manifest: Manifest,
    files: &[(String, Vec<u8>)],
) -> Result<Staged, WriteError> {
    manifest.files = files
        .iter()
        .map(|(path, content)| (path.clone(), FileEntry::of(content)))
        .collect();
    let text = toml::to_string(&manifest).expect("a manifest is plain values and tables");
    let text = sealed(&text);
    let files = files
        .iter()
        .map(|(path, content)| (path.as_str(), content.as_slice()));
    let manifest = (MANIFEST, text.as_bytes());
    let folder = outputs::resolve(folder).map_err(failed(folder))?;
    let staging = write_beside(&folder, files.chain([manifest]))?;
    Ok(Staged { staging, folder })
}

/// Writes `files`, by their path, to a folder atomically. An existing folder is replaced, whatever
/// it contains; check it with [`crate::outputs`] first.
///
/// # Errors
/// If a file or folder cannot be written. The folder is then unchanged.
pub(crate) fn write_folder(folder: &Path, files: &[(&str, Vec<u8>)]) -> Result<(), WriteError> {
    let files = files
        .iter()
        .map(|(path, content)| (*path, content.as_slice()));
    let staging = write_beside(folder, files)?;
    publish(staging, folder)
}

/// Writes the files, by their path, to a temporary folder beside `folder` and syncs it to disk.
fn write_beside<'f>(
    folder: &Path,
    files: impl Iterator<Item = (&'f str, &'f [u8])>,
) -> Result<Staging, WriteError> {
    let parent = parent_of(folder);
    fs::create_dir_all(parent).map_err(failed(parent))?;
    remove_left_ones(parent);
    let staging = Staging::beside(folder).map_err(failed(parent))?;
    let mut folders = BTreeSet::from([staging.path().to_path_buf()]);
    for (path, content) in files {
        let full = staging.path().join(path);
        write_synced(&full, content).map_err(failed(&folder.join(path)))?;
        folders.extend(full.parent().map(Path::to_path_buf));
    }
    allow_reading(staging.path()).map_err(failed(folder))?;
    // Syncing the folders makes the names of the files durable.
    for each in &folders {
        sync_folder(each).map_err(failed(folder))?;
    }
    Ok(staging)
}

/// Removes the temporary folders that killed programs left in `parent`. Errors are ignored.
#[cfg(unix)]
fn remove_left_ones(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(STAGING.as_bytes()) {
            continue;
        }
        let path = entry.path();
        let modified = entry.metadata().and_then(|it| it.modified());
        let is_old = modified.is_ok_and(|it| it.elapsed().is_ok_and(|age| age > LEFT_AFTER));
        let is_left = is_old && fs::File::open(&path).is_ok_and(|it| it.try_lock().is_ok());
        if is_left {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(not(unix))]
fn remove_left_ones(_parent: &Path) {}

impl Staging {
    fn beside(folder: &Path) -> io::Result<Staging> {
        let folder = tempfile::Builder::new()
            .prefix(STAGING)
            .tempdir_in(parent_of(folder))?;
        #[cfg(unix)]
        let held = fs::File::open(folder.path())?;
        #[cfg(unix)]
        held.lock()?;
        Ok(Staging {
            folder,
            #[cfg(unix)]
            _held: held,
        })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Renames it to `folder`, which must not exist.
    fn name(self, folder: &Path) -> io::Result<()> {
        fs::rename(self.path(), folder)?;
        // The temporary folder no longer exists, so there is nothing to delete.
        let _ = self.folder.keep();
        Ok(())
    }
}

impl Staged {
    /// Returns the path of the temporary folder.
    pub fn path(&self) -> &Path {
        self.staging.path()
    }

    /// Renames the temporary folder to its final name atomically.
    ///
    /// # Errors
    /// If it cannot be renamed. The folder is then unchanged.
    pub fn publish(self) -> Result<(), WriteError> {
        publish(self.staging, &self.folder)
    }
}

fn publish(staging: Staging, folder: &Path) -> Result<(), WriteError> {
    swap_in(staging, folder).map_err(failed(folder))?;
    let parent = parent_of(folder);
    sync_folder(parent).map_err(failed(parent))
}

fn parent_of(folder: &Path) -> &Path {
    match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> WriteError {
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
fn swap_in(staging: Staging, folder: &Path) -> io::Result<()> {
    if !folder.exists() {
        return staging.name(folder);
    }
    exchange(staging.path(), folder)?;
    // The temporary path now has the old content. If that cannot be removed, the new content is in
    // place nevertheless.
    if staging.path().is_dir() {
        let _ = staging.folder.close();
    } else {
        let _ = fs::remove_file(staging.folder.keep());
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE)?)
}

/// Without a system call that exchanges two folders, the old one is renamed first.
#[cfg(not(target_os = "linux"))]
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    let aside = old.with_extension("old");
    fs::rename(old, &aside)?;
    if let Err(error) = fs::rename(new, old) {
        fs::rename(&aside, old)?;
        return Err(error);
    }
    fs::rename(&aside, new)
}

#[cfg(unix)]
fn allow_reading(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // Only the owner can read a temporary folder.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn allow_reading(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
