//! A published work as it comes: a single file, a folder, or a zip archive of either.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zip::ZipArchive;
use zip::result::ZipError;

use super::ImportError;

/// A member may not unpack to more: a zip bomb ends here. The largest file that is published for
/// us, a national directory, has 2 GiB.
const MEMBER_BYTES_MAX: u64 = 8 << 30;

/// A published work on the disk.
#[derive(Debug)]
pub(crate) struct Publication {
    path: PathBuf,
    form: Form,
    bytes_read: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Form {
    File,
    Folder(Vec<String>),
    Zip(ZipArchive<BufReader<File>>, Vec<String>),
}

impl Publication {
    /// Opens what stands at the path; a zip archive is known by its first bytes, not its name.
    pub(crate) fn open(path: &Path) -> Result<Publication, ImportError> {
        let unreadable = |source| ImportError::Unreadable {
            path: path.into(),
            source,
        };
        let form = if fs::metadata(path).map_err(unreadable)?.is_dir() {
            let mut names = Vec::new();
            list(path, "", &mut names).map_err(unreadable)?;
            names.sort();
            Form::Folder(names)
        } else if begins_as_zip(path).map_err(unreadable)? {
            let file = BufReader::new(File::open(path).map_err(unreadable)?);
            let archive = ZipArchive::new(file).map_err(|error| not_a_zip(path, error))?;
            let mut names = Vec::with_capacity(archive.len());
            for name in archive.file_names() {
                names.push(name.map_err(|error| not_a_zip(path, error))?.into_owned());
            }
            names.retain(|name| !name.ends_with('/'));
            names.sort();
            Form::Zip(archive, names)
        } else {
            Form::File
        };
        Ok(Publication {
            path: path.into(),
            form,
            bytes_read: Arc::default(),
        })
    }

    /// The same, and adds to `bytes_read` what is read of its members, unpacked.
    pub(crate) fn counted(self, bytes_read: Arc<AtomicU64>) -> Publication {
        Publication { bytes_read, ..self }
    }

    /// What to call it in a report.
    pub(crate) fn name(&self) -> String {
        self.path
            .file_name()
            .unwrap_or(self.path.as_os_str())
            .to_string_lossy()
            .into_owned()
    }

    /// The names of its files, in order; a single file is its own only member.
    pub(crate) fn members(&self) -> Vec<String> {
        match &self.form {
            Form::File => vec![self.name()],
            Form::Folder(names) | Form::Zip(_, names) => names.clone(),
        }
    }

    /// Reads a member as a stream.
    pub(crate) fn read(&mut self, member: &str) -> Result<Box<dyn Read + '_>, ImportError> {
        let unreadable = |path: PathBuf| move |source| ImportError::Unreadable { path, source };
        let input: Box<dyn Read + '_> = match &mut self.form {
            Form::File => {
                let file = File::open(&self.path).map_err(unreadable(self.path.clone()))?;
                Box::new(BufReader::new(file))
            }
            Form::Folder(_) => {
                let path = self.path.join(member);
                let file = File::open(&path).map_err(unreadable(path))?;
                Box::new(BufReader::new(file))
            }
            Form::Zip(archive, _) => {
                let file = archive
                    .by_name(member)
                    .map_err(|error| not_a_zip(&self.path, error))?;
                Box::new(file.take(MEMBER_BYTES_MAX))
            }
        };
        Ok(Box::new(Counted {
            input,
            bytes_read: &self.bytes_read,
        }))
    }

    /// A whole member in memory.
    pub(crate) fn bytes(&mut self, member: &str) -> Result<Vec<u8>, ImportError> {
        let path = self.path.join(member);
        let mut bytes = Vec::new();
        self.read(member)?
            .read_to_end(&mut bytes)
            .map_err(|source| ImportError::Unreadable { path, source })?;
        Ok(bytes)
    }
}

/// Counts what is read.
struct Counted<'p> {
    input: Box<dyn Read + 'p>,
    bytes_read: &'p AtomicU64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.bytes_read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

fn list(folder: &Path, prefix: &str, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

fn begins_as_zip(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut start)?;
    Ok(start == b"PK\x03\x04")
}

fn not_a_zip(path: &Path, error: ZipError) -> ImportError {
    ImportError::Unreadable {
        path: path.into(),
        source: io::Error::other(error),
    }
}
