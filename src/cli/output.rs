//! Output files that are written atomically: a file is given its final name only when it is
//! complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use catchment_data::fs::{
    FileAccess, check_output_file, create_temp_file, parent_folder, sync_folder, write_temp_file,
};

/// The output of a command. A file is given its final name only in [`AtomicOutput::publish`].
pub(super) enum AtomicOutput {
    Stdout(io::Stdout),
    /// A pipe or a device, which is written to directly.
    Device(File),
    File(StagedOutput),
}

/// An output file that does not have its final name yet. If this value is dropped before the file
/// is given that name, the file is deleted.
pub(super) struct StagedOutput {
    file: TempFile,
    path: PathBuf,
    /// The path of the file's manifest.
    manifest: PathBuf,
    overwrites: bool,
}

enum TempFile {
    /// A file without a name (`O_TMPFILE`). The system deletes the file even if the program is
    /// killed.
    #[cfg(target_os = "linux")]
    Unnamed(File),
    Named(tempfile::NamedTempFile),
}

impl AtomicOutput {
    /// Opens the output without creating a file with the final name.
    ///
    /// # Errors
    /// If the file exists and `force` is not set, if the file is the input, or if it cannot be
    /// created.
    pub(super) fn stage(
        path: Option<&Path>,
        input: Option<&Path>,
        force: bool,
    ) -> Result<AtomicOutput> {
        let Some(path) = path.filter(|path| path.as_os_str() != "-") else {
            return Ok(AtomicOutput::Stdout(io::stdout()));
        };
        let display = path.display();
        if path
            .metadata()
            .is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
        {
            let file = File::options().write(true).open(path);
            return Ok(AtomicOutput::Device(
                file.with_context(|| format!("opening {display}"))?,
            ));
        }
        if input.is_some_and(|input| is_same_file(path, input)) {
            bail!("OUT is the input file: choose another name");
        }
        let target = check_output_file(path, &[], force)?;
        let manifest = check_output_file(&manifest_path(&target), &[], force)?;
        let file =
            TempFile::create_beside(&target).with_context(|| format!("creating {display}"))?;
        Ok(AtomicOutput::File(StagedOutput {
            file,
            path: target,
            manifest,
            overwrites: force,
        }))
    }

    /// Returns whether the output is a file that is given its final name in
    /// [`publish`](Self::publish).
    pub(super) fn is_file(&self) -> bool {
        matches!(self, AtomicOutput::File(_))
    }

    /// Returns whether the output is shown on a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        match self {
            AtomicOutput::Stdout(stdout) => stdout.is_terminal(),
            AtomicOutput::Device(file) => file.is_terminal(),
            AtomicOutput::File(_) => false,
        }
    }

    /// Gives the file its final name, then writes the file's manifest next to the file.
    ///
    /// An old manifest is removed first, so that a file is never next to the manifest of another
    /// file.
    pub(super) fn publish(self, manifest: &str) -> io::Result<()> {
        let AtomicOutput::File(mut staged) = self else {
            return Ok(());
        };
        let path = staged.path.clone();
        let manifest_target = staged.manifest.clone();
        // Sync everything first, so that a full disk leaves the existing files in place.
        staged.file.file().sync_all()?;
        let manifest = write_temp_file(&manifest_target, manifest.as_bytes(), FileAccess::Umask)?;
        if staged.overwrites {
            remove_if_exists(&manifest_target)?;
        }
        staged.persist()?;
        manifest.persist(&manifest_target)?;
        sync_folder(parent_folder(&path))
    }
}

impl Write for AtomicOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            AtomicOutput::Stdout(stdout) => stdout.write(bytes),
            AtomicOutput::Device(file) => file.write(bytes),
            AtomicOutput::File(staged) => staged.file.file().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            AtomicOutput::Stdout(stdout) => stdout.flush(),
            AtomicOutput::Device(file) => file.flush(),
            AtomicOutput::File(_) => Ok(()),
        }
    }
}

impl StagedOutput {
    fn persist(self) -> io::Result<()> {
        let StagedOutput {
            file,
            path,
            manifest: _,
            overwrites,
        } = self;
        match file {
            #[cfg(target_os = "linux")]
            TempFile::Unnamed(file) => link_tmpfile(&file, &path, overwrites)?,
            TempFile::Named(file) if overwrites => drop(file.persist(&path)?),
            TempFile::Named(file) => drop(file.persist_noclobber(&path)?),
        }
        sync_folder(parent_folder(&path))
    }
}

impl TempFile {
    fn create_beside(path: &Path) -> io::Result<TempFile> {
        let folder = parent_folder(path);
        #[cfg(target_os = "linux")]
        if let Some(file) = open_tmpfile(folder) {
            return Ok(TempFile::Unnamed(file));
        }
        create_temp_file(folder, FileAccess::Umask).map(TempFile::Named)
    }

    fn file(&mut self) -> &mut File {
        match self {
            #[cfg(target_os = "linux")]
            TempFile::Unnamed(file) => file,
            TempFile::Named(file) => file.as_file_mut(),
        }
    }
}

/// Creates an unnamed file in the folder. Returns `None` if the file system does not support such
/// files.
#[cfg(target_os = "linux")]
fn open_tmpfile(folder: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    // The default mode of new files. The system applies the user's umask.
    let file = open(folder, flags, Mode::from_raw_mode(0o666)).ok()?;
    // `link_tmpfile` needs /proc.
    let has_proc = Path::new("/proc/self/fd").is_dir();
    has_proc.then(|| File::from(file))
}

#[cfg(target_os = "linux")]
fn link_tmpfile(file: &File, path: &Path, overwrites: bool) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD, linkat};
    let fd_path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = |path: &Path| linkat(CWD, &fd_path, CWD, path, AtFlags::SYMLINK_FOLLOW);
    if !overwrites {
        return Ok(link(path)?);
    }
    // linkat cannot replace a file, so link the file under a temporary name and rename it.
    let temp_folder = tempfile::Builder::new()
        .prefix(".catchment-")
        .tempdir_in(parent_folder(path))?;
    let temp_path = temp_folder.path().join("whole");
    link(&temp_path)?;
    fs::rename(&temp_path, path)
}

fn remove_if_exists(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns the path of the manifest of a file: `answered.csv.manifest.json` for `answered.csv`.
fn manifest_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".manifest.json");
    PathBuf::from(name)
}

#[cfg(unix)]
fn is_same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (a.metadata(), b.metadata()) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
