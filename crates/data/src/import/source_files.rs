//! Source files in their published form: a single file, a folder or a zip archive.

use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::ImportError;

/// The maximum decompressed size of an archive member. The largest published file, a national
/// directory, is 2 GiB.
const MEMBER_BYTES_MAX: u64 = 8 << 30;
/// The maximum decompressed size of a file that is read into memory.
const IN_MEMORY_BYTES_MAX: u64 = 2 << 30;
/// The maximum compression ratio of an archive member, as a guard against decompression bombs.
/// Published tables have a ratio of about 20. The maximum ratio of deflate is 1,032.
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
    Zip(ZipMembers),
}

/// The files of a zip archive, including the files of nested archives.
#[derive(Debug)]
struct ZipMembers {
    /// The archive, followed by its nested archives.
    archives: Vec<ZipArchive<ArchiveInput>>,
    /// The members, in order of name.
    members: Vec<ZipMember>,
}

/// A file of a zip archive.
#[derive(Debug)]
struct ZipMember {
    /// The name with `/` between folders. Some Windows programs write `\`, contrary to the ZIP
    /// specification.
    name: String,
    archive: usize,
    index: usize,
}

/// The bytes of an archive: a file, or a decompressed nested archive.
#[derive(Debug)]
enum ArchiveInput {
    File(BufReader<File>),
    Memory(Cursor<Vec<u8>>),
}

impl Read for ArchiveInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            ArchiveInput::File(file) => file.read(buffer),
            ArchiveInput::Memory(bytes) => bytes.read(buffer),
        }
    }
}

impl Seek for ArchiveInput {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match self {
            ArchiveInput::File(file) => file.seek(position),
            ArchiveInput::Memory(bytes) => bytes.seek(position),
        }
    }
}

impl ZipMembers {
    fn open(path: &Path) -> Result<ZipMembers, ImportError> {
        let file = File::open(path).map_err(|source| ImportError::Unreadable {
            path: path.into(),
            source,
        })?;
        let mut zip = ZipMembers {
            archives: Vec::new(),
            members: Vec::new(),
        };
        zip.add_archive(path, "", ArchiveInput::File(BufReader::new(file)))?;
        let (nested, files): (Vec<ZipMember>, Vec<ZipMember>) = std::mem::take(&mut zip.members)
            .into_iter()
            .partition(|member| has_zip_extension(&member.name));
        zip.members = files;
        let mut bytes_left = IN_MEMORY_BYTES_MAX;
        for member in &nested {
            let path = path.join(&member.name);
            let mut bytes = Vec::new();
            let compressed = zip.open_index(&path, member.archive, member.index)?;
            LimitedReader::new(compressed, bytes_left)
                .read_to_end(&mut bytes)
                .map_err(|source| ImportError::Unreadable {
                    path: path.clone(),
                    source,
                })?;
            bytes_left -= bytes.len() as u64;
            // An archive at a deeper level remains a member.
            let prefix = format!("{}/", member.name);
            zip.add_archive(&path, &prefix, ArchiveInput::Memory(Cursor::new(bytes)))?;
        }
        zip.members.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(zip)
    }

    /// Adds the files of an archive. Their names are prefixed with `prefix`.
    fn add_archive(
        &mut self,
        path: &Path,
        prefix: &str,
        input: ArchiveInput,
    ) -> Result<(), ImportError> {
        let archive = ZipArchive::new(input).map_err(|error| zip_error(path, error))?;
        for (index, name) in archive.file_names().enumerate() {
            let name = name.map_err(|error| zip_error(path, error))?;
            let name = format!("{prefix}{}", name.replace('\\', "/"));
            if !name.ends_with('/') {
                self.members.push(ZipMember {
                    name,
                    archive: self.archives.len(),
                    index,
                });
            }
        }
        self.archives.push(archive);
        Ok(())
    }

    /// Opens a file of one of the archives. `path` is its name in error messages.
    fn open_index<'z>(
        &'z mut self,
        path: &Path,
        archive: usize,
        index: usize,
    ) -> Result<impl Read + use<'z>, ImportError> {
        let archive = &mut self.archives[archive];
        let raw = archive
            .by_index_raw(index)
            .map_err(|error| zip_error(path, error))?;
        if let Some(reason) = unsupported_compression(raw.compression(), raw.encrypted()) {
            return Err(ImportError::Unreadable {
                path: path.into(),
                source: io::Error::other(reason),
            });
        }
        drop(raw);
        let file = archive
            .by_index(index)
            .map_err(|error| zip_error(path, error))?;
        let by_ratio = file.compressed_size().saturating_mul(RATIO_MAX);
        let limit = by_ratio.clamp(RATIO_CHECKED_FROM_BYTES, MEMBER_BYTES_MAX);
        Ok(LimitedReader::new(file, limit))
    }
}

fn has_zip_extension(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let is_hidden = name.starts_with("__MACOSX/") || name.contains("/.");
    !is_hidden && extension.is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
}

/// Returns the reason why a member of an archive cannot be decompressed and the remedy, or `None`
/// if it can be decompressed.
fn unsupported_compression(method: CompressionMethod, is_encrypted: bool) -> Option<String> {
    if is_encrypted {
        return Some("it is encrypted; extract the files with the password".to_string());
    }
    let name = match method {
        CompressionMethod::Stored | CompressionMethod::Deflated => return None,
        CompressionMethod::DEFLATE64 => {
            "Deflate64, as Windows compresses files of more than 2 GiB".to_string()
        }
        CompressionMethod::BZIP2 => "bzip2".to_string(),
        CompressionMethod::LZMA => "LZMA".to_string(),
        CompressionMethod::ZSTD => "Zstandard".to_string(),
        CompressionMethod::XZ => "XZ".to_string(),
        other => format!("the method {other}"),
    };
    Some(format!(
        "it is compressed with {name}; extract the files, or compress them with Deflate"
    ))
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
            Container::Zip(ZipMembers::open(path)?)
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
            Container::Folder(names) => names.clone(),
            Container::Zip(zip) => {
                let names = zip.members.iter().map(|member| member.name.clone());
                names.collect()
            }
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
            Container::Zip(zip) => {
                let found = zip.members.iter().find(|found| found.name == member);
                let (archive, index) = found
                    .map(|found| (found.archive, found.index))
                    .ok_or_else(|| zip_error(&self.path, ZipError::FileNotFound))?;
                Box::new(zip.open_index(&self.path.join(member), archive, index)?)
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
/// would block until another process opens it for writing, and reading a device may never end.)
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

/// A reader that returns an error if the input is longer than a limit, instead of truncating the
/// input.
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

/// A reader that counts the bytes that are read.
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

    /// Writes an archive whose members are stored without compression.
    fn stored_archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, bytes) in files {
            writer.start_file(*name, stored).expect("a member");
            writer.write_all(bytes).expect("a member");
        }
        writer.finish().expect("an archive").into_inner()
    }

    fn open_bytes(bytes: &[u8]) -> (tempfile::TempDir, Result<SourceFiles, ImportError>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.zip");
        fs::write(&path, bytes).expect("a file");
        let source_files = SourceFiles::open(&path);
        (folder, source_files)
    }

    #[test]
    fn backslashes_separate_folders() {
        // The writer converts backslashes to slashes, so the test inserts the backslashes into the
        // finished archive.
        let mut bytes = stored_archive(&[("Data/a.csv", b"1\n")]);
        for index in 0..bytes.len() - 10 {
            if bytes[index..].starts_with(b"Data/a.csv") {
                bytes[index + 4] = b'\\';
            }
        }
        let (_folder, source_files) = open_bytes(&bytes);
        let mut source_files = source_files.expect("an archive");
        assert_eq!(source_files.members(), ["Data/a.csv"]);
        let read = source_files.read_member("Data/a.csv").expect("a member");
        assert_eq!(read, b"1\n");
    }

    #[test]
    fn archives_in_an_archive_are_opened() {
        let inner = stored_archive(&[("b.csv", b"2\n"), ("deep.ZIP", b"3\n")]);
        let bytes = stored_archive(&[("a.csv", b"1\n"), ("Data/inner.zip", &inner)]);
        let (_folder, source_files) = open_bytes(&bytes);
        let mut source_files = source_files.expect("an archive");
        let members = ["Data/inner.zip/b.csv", "Data/inner.zip/deep.ZIP", "a.csv"];
        assert_eq!(source_files.members(), members);
        for (member, content) in members.iter().zip(["2\n", "3\n", "1\n"]) {
            let read = source_files.read_member(member).expect("a member");
            assert_eq!(read, content.as_bytes());
        }
        let damaged = stored_archive(&[("inner.zip", b"PK, but damaged")]);
        let error = open_bytes(&damaged).1.expect_err("a damaged archive");
        assert!(error.to_string().contains("inner.zip"), "{error}");
    }

    #[test]
    fn an_unsupported_method_is_named_with_what_to_do() {
        for (method, words) in [
            (9_u8, "compressed with Deflate64, as Windows"),
            (12, "compressed with bzip2"),
            (77, "compressed with the method"),
        ] {
            // Changes the compression method of the member in its local header and in the
            // directory.
            let mut bytes = stored_archive(&[("a.csv", b"1\n")]);
            for (signature, offset) in [(*b"PK\x03\x04", 8), (*b"PK\x01\x02", 10)] {
                let start = bytes.windows(4).position(|bytes| bytes == signature);
                bytes[start.expect("a header") + offset] = method;
            }
            let (_folder, source_files) = open_bytes(&bytes);
            let error = source_files
                .and_then(|mut source_files| source_files.read_member("a.csv"))
                .expect_err("an unsupported method");
            assert!(error.to_string().contains("a.csv"), "{error}");
            let source = std::error::Error::source(&error).expect("a cause");
            assert!(source.to_string().contains(words), "{source}");
            assert!(source.to_string().contains("extract the files"), "{source}");
        }
    }
}
