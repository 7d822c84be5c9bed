//! Writes a dataset's folder: whole or not at all.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::MANIFEST;
use super::manifest::{FileEntry, Manifest, sealed};
use crate::outputs;

/// A dataset that could not be written; what stood under the name before still stands there. Only
/// where the disk fails just after the new one took the name, that one stands there, and may be gone
/// after a power failure.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be written")]
pub struct WriteError {
    /// Which file or folder.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// A dataset that is written beside its folder and has not taken its name yet; dropped, it is gone.
#[derive(Debug)]
pub struct Staged {
    staging: Staging,
    folder: PathBuf,
}

/// A folder that has no lasting name yet.
#[derive(Debug)]
struct Staging {
    folder: tempfile::TempDir,
    /// Held for as long as the program runs; where nobody holds it, the program was killed.
    #[cfg(unix)]
    _held: fs::File,
}

/// What the name of such a folder begins with.
const STAGING: &str = ".catchment-dataset-";
/// A folder is made and then held; one that is older was left behind.
const LEFT_AFTER: Duration = Duration::from_secs(60);

/// Writes the folder: `files` by their path in it, and the manifest with their digests.
///
/// All is written beside the folder and forced to the disk, then takes its name in one step. A
/// dataset that stood there before is replaced, and so is anything else: [`crate::build`] asks first
/// whether it may be. Where the folder is a symbolic link, the link stays and its target is replaced.
///
/// # Errors
/// When something cannot be written; the folder is then as it was.
pub fn write(
    folder: &Path,
    manifest: Manifest,
    files: &[(String, Vec<u8>)],
) -> Result<(), WriteError> {
    stage(folder, manifest, files)?.publish()
}

/// Writes all beside the folder and forces it to the disk; [`Staged::publish`] gives it the name.
///
/// # Errors
/// When something cannot be written.
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

/// Writes `files` by their path into the folder, all of them or none. What was there is replaced; ask
/// [`crate::outputs`] first.
///
/// # Errors
/// When something cannot be written; the folder is then as it was.
pub(crate) fn write_folder(folder: &Path, files: &[(&str, Vec<u8>)]) -> Result<(), WriteError> {
    let files = files
        .iter()
        .map(|(path, content)| (*path, content.as_slice()));
    let staging = write_beside(folder, files)?;
    publish(staging, folder)
}

/// A folder beside `folder` with the files, by their path in it, forced to the disk; dropped, it is
/// gone.
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
    // The files' names are on the disk when their folders are.
    for each in &folders {
        sync_folder(each).map_err(failed(folder))?;
    }
    Ok(staging)
}

/// Removes what programs that were killed left in the folder; who cannot be removed stays.
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

    /// Gives it a name that nothing has.
    fn name(self, folder: &Path) -> io::Result<()> {
        fs::rename(self.path(), folder)?;
        // Nothing is left to clean up.
        let _ = self.folder.keep();
        Ok(())
    }
}

impl Staged {
    /// Where it stands for now.
    pub fn path(&self) -> &Path {
        self.staging.path()
    }

    /// Gives it the folder's name, in one step.
    ///
    /// # Errors
    /// When that cannot be done; the folder is then as it was.
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

/// Gives the folder its name. What stood there goes with the temporary folder.
fn swap_in(staging: Staging, folder: &Path) -> io::Result<()> {
    if !folder.exists() {
        return staging.name(folder);
    }
    exchange(staging.path(), folder)?;
    // The temporary path holds the old content now. Where that cannot be removed, the new one is in
    // place all the same.
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

/// Where no call exchanges two folders, the old one steps aside for a moment.
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
    // A temporary folder is the owner's alone.
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
