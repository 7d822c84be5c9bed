//! Source files in their published form: a single file, a folder or a zip archive.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zip::ZipArchive;
use zip::result::ZipError;

use super::ImportError;

/// The maximum decompressed size of an archive member. The largest published file, a national
/// directory, is 2 GiB.
const MEMBER_BYTES_MAX: u64 = 8 << 30;
/// The maximum decompressed size of a file that is read into memory.
const IN_MEMORY_BYTES_MAX: u64 = 2 << 30;
/// The maximum compression ratio of an archive member, as a guard against decompression bombs.
/// Published tables have a ratio of about 20; the maximum ratio of deflate is 1,032.
const RATIO_MAX: u64 = 150;
/// The decompressed size up to which the compression ratio is not limited.
const RATIO_CHECKED_FROM_BYTES: u64 = 64 << 20;

/// The files of a published source.
#[derive(Debug)]
pub struct SourceFiles {
    path: PathBuf,
    container: Container,
    bytes_read: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Container {
    File,
    Folder(Vec<String>),
    Zip(ZipArchive<BufReader<File>>, Vec<String>),
}

impl SourceFiles {
    /// Opens the file, folder or archive at the path. A zip archive is recognised by its first
    /// bytes, not by its name.
    pub fn open(path: &Path) -> Result<SourceFiles, ImportError> {
        let unreadable = |source| ImportError::Unreadable {
            path: path.into(),
            source,
        };
        let metadata = fs::metadata(path).map_err(unreadable)?;
        let container = if metadata.is_dir() {
            let mut names = Vec::new();
            list_files(path, "", &mut names).map_err(unreadable)?;
            names.sort();
            Container::Folder(names)
        } else if !metadata.is_file() {
            return Err(unreadable(not_a_file()));
        } else if has_zip_signature(path).map_err(unreadable)? {
            let file = BufReader::new(File::open(path).map_err(unreadable)?);
            let archive = ZipArchive::new(file).map_err(|error| zip_error(path, error))?;
            let mut names = Vec::with_capacity(archive.len());
            for name in archive.file_names() {
                names.push(name.map_err(|error| zip_error(path, error))?.into_owned());
            }
            names.retain(|name| !name.ends_with('/'));
            names.sort();
            Container::Zip(archive, names)
        } else {
            Container::File
        };
        Ok(SourceFiles {
            path: path.into(),
            container,
            bytes_read: Arc::default(),
        })
    }

    /// Sets the counter to which the number of decompressed bytes read from members is added.
    pub(crate) fn with_byte_counter(self, bytes_read: Arc<AtomicU64>) -> SourceFiles {
        SourceFiles { bytes_read, ..self }
    }

    /// Returns the name of the file, folder or archive, for reports.
    pub(crate) fn name(&self) -> String {
        self.path
            .file_name()
            .unwrap_or(self.path.as_os_str())
            .to_string_lossy()
            .into_owned()
    }

    /// Returns the names of the source's files, in order. If the source is a single file, that file
    /// is the only member.
    pub(crate) fn members(&self) -> Vec<String> {
        match &self.container {
            Container::File => vec![self.name()],
            Container::Folder(names) | Container::Zip(_, names) => names.clone(),
        }
    }

    /// Opens a member for reading as a stream.
    pub(crate) fn open_member(&mut self, member: &str) -> Result<Box<dyn Read + '_>, ImportError> {
        let unreadable = |path: PathBuf| move |source| ImportError::Unreadable { path, source };
        let input: Box<dyn Read + '_> = match &mut self.container {
            Container::File => {
                let file = open_file(&self.path).map_err(unreadable(self.path.clone()))?;
                Box::new(BufReader::new(file))
            }
            Container::Folder(_) => {
                let path = self.path.join(member);
                let file = open_file(&path).map_err(unreadable(path))?;
                Box::new(BufReader::new(file))
            }
            Container::Zip(archive, _) => {
                let file = archive
                    .by_name(member)
                    .map_err(|error| zip_error(&self.path, error))?;
                let by_ratio = file.compressed_size().saturating_mul(RATIO_MAX);
                let limit = by_ratio.clamp(RATIO_CHECKED_FROM_BYTES, MEMBER_BYTES_MAX);
                Box::new(LimitedReader::new(file, limit))
            }
        };
        Ok(Box::new(ByteCountingReader {
            input,
            bytes_read: &self.bytes_read,
        }))
    }

    /// Reads a whole member into memory.
    pub(crate) fn read_member(&mut self, member: &str) -> Result<Vec<u8>, ImportError> {
        let path = self.path.join(member);
        let mut bytes = Vec::new();
        LimitedReader::new(self.open_member(member)?, IN_MEMORY_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(|source| ImportError::Unreadable { path, source })?;
        Ok(bytes)
    }
}

/// Reads a whole file into memory.
///
/// # Errors
/// If the file cannot be read, is larger than 2 GiB, or is not a regular file. (Opening a pipe
/// would block until the pipe has a writer, and reading a device may never end.)
pub fn read_whole_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    LimitedReader::new(open_file(path)?, IN_MEMORY_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn open_file(path: &Path) -> io::Result<File> {
    if fs::metadata(path)?.is_file() {
        File::open(path)
    } else {
        Err(not_a_file())
    }
}

fn not_a_file() -> io::Error {
    io::Error::other("it is a pipe, a device or a socket; expected a file or a folder")
}

/// A reader that returns an error if the input is longer than a limit, instead of ending at the
/// limit.
pub(super) struct LimitedReader<R> {
    input: io::Take<R>,
    limit: u64,
}

impl<R: Read> LimitedReader<R> {
    pub(super) fn new(input: R, limit: u64) -> LimitedReader<R> {
        LimitedReader {
            input: input.take(limit.saturating_add(1)),
            limit,
        }
    }

    /// Returns whether the input is longer than the limit.
    pub(super) fn is_exceeded(&self) -> bool {
        self.input.limit() == 0
    }
}

impl<R: Read> Read for LimitedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        if self.is_exceeded() {
            let limit = self.limit >> 20;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it is larger than {limit} MiB, or its compression ratio is too high"),
            ));
        }
        Ok(count)
    }
}

/// A reader that counts the bytes read.
struct ByteCountingReader<'p> {
    input: Box<dyn Read + 'p>,
    bytes_read: &'p AtomicU64,
}

impl Read for ByteCountingReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.bytes_read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

fn list_files(folder: &Path, prefix: &str, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list_files(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

fn has_zip_signature(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut start)?;
    Ok(start == b"PK\x03\x04")
}

fn zip_error(path: &Path, error: ZipError) -> ImportError {
    ImportError::Unreadable {
        path: path.into(),
        source: io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    #[cfg(unix)]
    #[test]
    fn pipes_and_devices_are_rejected_without_blocking() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("postcodes.csv");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo is installed").success());
        for path in [&pipe, Path::new("/dev/zero")] {
            let error = SourceFiles::open(path).expect_err("not a file");
            let source = std::error::Error::source(&error).expect("a cause");
            assert!(source.to_string().starts_with("it is a pipe"), "{source}");
            assert!(read_whole_file(path).is_err());
        }
        let mut source_files = SourceFiles::open(folder.path()).expect("a folder");
        assert_eq!(source_files.members(), ["postcodes.csv"]);
        assert!(source_files.open_member("postcodes.csv").is_err());
    }

    #[test]
    fn decompression_bombs_are_rejected() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bomb.zip");
        let mut writer = ZipWriter::new(File::create(&path).expect("a file"));
        for (name, mebibytes) in [("bomb.geojson", 80), ("small.csv", 1)] {
            writer
                .start_file(name, SimpleFileOptions::default())
                .expect("a member");
            for _ in 0..mebibytes {
                writer.write_all(&[b' '; 1 << 20]).expect("a member");
            }
        }
        writer.finish().expect("an archive");
        let mut source_files = SourceFiles::open(&path).expect("an archive");
        let error = source_files
            .read_member("bomb.geojson")
            .expect_err("a decompression bomb");
        let source = std::error::Error::source(&error).expect("a cause");
        assert!(
            source.to_string().starts_with("it is larger than 64 MiB"),
            "{source}"
        );
        let small = source_files.read_member("small.csv").expect("a member");
        assert_eq!(small.len(), 1 << 20);
    }
}
