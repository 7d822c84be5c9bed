//! Where the answers go: under their name only when they are whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::outputs;

/// SHA-256 and size of what went through a [`Hashing`].
pub(super) struct Fingerprint {
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

/// Counts and hashes what is read or written through it.
pub(super) struct Hashing<T> {
    pub(super) inner: T,
    pub(super) hashes: bool,
    hash: Sha256,
    bytes: u64,
}

impl<T> Hashing<T> {
    pub(super) fn new(inner: T, hashes: bool) -> Hashing<T> {
        Hashing {
            inner,
            hashes,
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if self.hashes {
            self.hash.update(bytes);
        }
    }

    /// Of all that went through.
    pub(super) fn digest(&self) -> Fingerprint {
        let digest = self.hash.clone().finalize();
        Fingerprint {
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            bytes: self.bytes,
        }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.add(&buffer[..read]);
        Ok(read)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.add(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Where the answers go.
pub(super) enum Output {
    Stdout(io::Stdout),
    /// A pipe or a device: it holds nothing under its name.
    Device(File),
    File(Staged),
}

/// A file that has no name yet; dropped, it is gone.
pub(super) struct Staged {
    file: StagedFile,
    path: PathBuf,
    /// Where its manifest goes.
    manifest: PathBuf,
    replaces: bool,
}

enum StagedFile {
    /// Without any name: nothing is left of it even when the program is killed.
    #[cfg(target_os = "linux")]
    Nameless(File),
    Named(tempfile::NamedTempFile),
}

impl Output {
    /// Prepares the output, without a trace under its name.
    pub(super) fn stage(path: Option<&Path>, input: Option<&Path>, force: bool) -> Result<Output> {
        let Some(path) = path.filter(|path| path.as_os_str() != "-") else {
            return Ok(Output::Stdout(io::stdout()));
        };
        let shown = path.display();
        if path
            .metadata()
            .is_ok_and(|it| !it.is_file() && !it.is_dir())
        {
            let file = File::options().write(true).open(path);
            return Ok(Output::Device(
                file.with_context(|| format!("opening {shown}"))?,
            ));
        }
        if input.is_some_and(|input| is_same_file(path, input)) {
            bail!("the answers cannot replace the list that is read: give OUT another name");
        }
        let target = outputs::file(path, &[], force)?;
        let manifest = outputs::file(&manifest_path(&target), &[], force)?;
        let file =
            StagedFile::beside(&target).with_context(|| format!("writing beside {shown}"))?;
        Ok(Output::File(Staged {
            file,
            path: target,
            manifest,
            replaces: force,
        }))
    }

    /// Whether it is a file that gets its name when it is whole.
    pub(super) fn is_file(&self) -> bool {
        matches!(self, Output::File(_))
    }

    /// Gives the file its name, then the manifest beside it. A manifest never stands beside a file that
    /// it does not describe: an old one goes before its file does.
    pub(super) fn publish(self, manifest: &str) -> io::Result<()> {
        let Output::File(mut staged) = self else {
            return Ok(());
        };
        let path = staged.path.clone();
        let beside = staged.manifest.clone();
        // All is on the disk first: what there is no room for replaces nothing.
        staged.file.file().sync_all()?;
        let manifest = written(&beside, manifest.as_bytes())?;
        if staged.replaces {
            remove_if_there(&beside)?;
        }
        staged.name()?;
        manifest.persist(&beside)?;
        sync_folder(folder_of(&path))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Stdout(stdout) => stdout.write(bytes),
            Output::Device(file) => file.write(bytes),
            Output::File(staged) => staged.file.file().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Stdout(stdout) => stdout.flush(),
            Output::Device(file) => file.flush(),
            Output::File(_) => Ok(()),
        }
    }
}

impl Staged {
    fn name(self) -> io::Result<()> {
        let Staged {
            file,
            path,
            manifest: _,
            replaces,
        } = self;
        match file {
            #[cfg(target_os = "linux")]
            StagedFile::Nameless(file) => name(&file, &path, replaces)?,
            StagedFile::Named(file) if replaces => drop(file.persist(&path)?),
            StagedFile::Named(file) => drop(file.persist_noclobber(&path)?),
        }
        sync_folder(folder_of(&path))
    }
}

impl StagedFile {
    fn beside(path: &Path) -> io::Result<StagedFile> {
        let folder = folder_of(path);
        #[cfg(target_os = "linux")]
        if let Some(file) = nameless(folder) {
            return Ok(StagedFile::Nameless(file));
        }
        named(folder).map(StagedFile::Named)
    }

    fn file(&mut self) -> &mut File {
        match self {
            #[cfg(target_os = "linux")]
            StagedFile::Nameless(file) => file,
            StagedFile::Named(file) => file.as_file_mut(),
        }
    }
}

/// A file in the folder that has no name; `None` where the file system has no such thing.
#[cfg(target_os = "linux")]
fn nameless(folder: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    // As any new file: the user's umask takes from it.
    let file = open(folder, flags, Mode::from_raw_mode(0o666)).ok()?;
    // Without /proc it could not be given a name later.
    let reachable = Path::new("/proc/self/fd").is_dir();
    reachable.then(|| File::from(file))
}

#[cfg(target_os = "linux")]
fn name(file: &File, path: &Path, replaces: bool) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD, linkat};
    let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = |path: &Path| linkat(CWD, &nameless, CWD, path, AtFlags::SYMLINK_FOLLOW);
    if !replaces {
        return Ok(link(path)?);
    }
    // A name of its own, then the other's in one step.
    let holder = tempfile::Builder::new()
        .prefix(".catchment-")
        .tempdir_in(folder_of(path))?;
    let beside = holder.path().join("whole");
    link(&beside)?;
    fs::rename(&beside, path)
}

/// A file in the folder under a name of no meaning, that goes when it is dropped.
fn named(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".catchment-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Writes a file whole or not at all. A symbolic link stays, and the file that it points to is replaced.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = &outputs::resolve(path)?;
    written(path, content)?.persist(path)?;
    sync_folder(folder_of(path))
}

/// A file on the disk in the folder of `path`, that has no lasting name yet.
fn written(path: &Path, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = named(folder_of(path))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// `answered.csv.manifest.json`
fn manifest_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".manifest.json");
    PathBuf::from(name)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A name is on the disk when its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(folder)?.sync_all(),
        false => Ok(()),
    }
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
