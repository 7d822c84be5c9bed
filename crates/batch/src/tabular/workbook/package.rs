//! The zip archive of a workbook: read part by part, and written as a stream.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use zip::result::ZipError;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::super::POISONED;
use super::super::error::TabularError;
use super::super::limits::check_ratio;
use super::unreadable;

/// The maximum number of parts of a workbook.
const PARTS_MAX: usize = 10_000;
/// The level at which the parts that we write are compressed. It is fast, and the texts of a sheet
/// are compressed well at every level.
const COMPRESSION_LEVEL: i64 = 3;

/// The bytes of a workbook, which are read in any order. Clones share the bytes, but not the position.
#[derive(Debug, Clone)]
pub(crate) struct PartSource {
    bytes: SourceBytes,
    position: u64,
    length: u64,
}

#[derive(Debug, Clone)]
enum SourceBytes {
    Memory(Bytes),
    File(Arc<Mutex<File>>),
}

impl PartSource {
    pub(crate) fn from_file(file: File) -> io::Result<PartSource> {
        let length = file.metadata()?.len();
        Ok(PartSource {
            bytes: SourceBytes::File(Arc::new(Mutex::new(file))),
            position: 0,
            length,
        })
    }

    pub(crate) fn from_memory(bytes: Vec<u8>) -> PartSource {
        PartSource {
            length: bytes.len() as u64,
            bytes: SourceBytes::Memory(bytes.into()),
            position: 0,
        }
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

impl Read for PartSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &self.bytes {
            SourceBytes::Memory(bytes) => {
                let start = usize::try_from(self.position.min(self.length)).expect("in memory");
                (&bytes[start..]).read(buffer)?
            }
            SourceBytes::File(file) => {
                let mut file = file.lock().expect(POISONED);
                file.seek(SeekFrom::Start(self.position))?;
                file.read(buffer)?
            }
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for PartSource {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// The parts of a workbook.
pub(crate) struct Package {
    archive: ZipArchive<BufReader<PartSource>>,
    source: PartSource,
    /// The name of each part, as the archive has it.
    names: Vec<String>,
    /// The index of each part, by its name in lower case, without a slash at the start.
    indices: HashMap<String, usize>,
}

/// Where a part is in the archive.
struct PartEntry {
    start: u64,
    compressed_bytes: u64,
    is_deflated: bool,
    crc: u32,
}

impl Package {
    /// Reads the directory of an archive.
    ///
    /// # Errors
    /// If the file is not an archive, or has too many parts.
    pub(crate) fn open(source: PartSource) -> Result<Package, TabularError> {
        let archive = ZipArchive::new(BufReader::new(source.clone())).map_err(archive_error)?;
        if archive.len() > PARTS_MAX {
            return Err(unreadable(format!("it has more than {PARTS_MAX} parts")));
        }
        let mut indices = HashMap::new();
        let mut names = Vec::new();
        for index in 0..archive.len() {
            let name = match archive.name_for_index(index) {
                Some(Ok(name)) => name.into_owned(),
                _ => return Err(unreadable(CORRUPT)),
            };
            // Programs differ in which of two parts of one name they read.
            if indices.insert(normalised_name(&name), index).is_some() {
                return Err(unreadable("it has two parts with the same name"));
            }
            names.push(name);
        }
        Ok(Package {
            archive,
            source,
            names,
            indices,
        })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.indices.contains_key(&normalised_name(name))
    }

    /// Returns the names of all parts, in lower case.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.indices.keys().map(String::as_str)
    }

    /// Returns a reader of the decompressed bytes of a part; `None` if there is no such part.
    pub(crate) fn read(
        &mut self,
        name: &str,
    ) -> Result<Option<BufReader<PartReader>>, TabularError> {
        let Some(&index) = self.indices.get(&normalised_name(name)) else {
            return Ok(None);
        };
        let entry = self.entry(index)?;
        let source = PartSource {
            position: entry.start,
            ..self.source.clone()
        };
        let raw = BufReader::with_capacity(1 << 16, source.take(entry.compressed_bytes));
        let reader = PartReader {
            data: if entry.is_deflated {
                PartData::Deflated(Box::new(DeflateDecoder::new(raw)))
            } else {
                PartData::Stored(raw)
            },
            crc: Crc::new(),
            expected_crc: entry.crc,
            produced: 0,
        };
        Ok(Some(BufReader::with_capacity(1 << 16, reader)))
    }

    fn entry(&mut self, index: usize) -> Result<PartEntry, TabularError> {
        let file = self.archive.by_index_raw(index).map_err(archive_error)?;
        if file.encrypted() {
            return Err(unreadable(
                "the archive is encrypted: save the workbook without a password",
            ));
        }
        let is_deflated = match file.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            _ => {
                return Err(unreadable(
                    "a part is neither stored nor compressed with deflate",
                ));
            }
        };
        let start = file.data_start().ok_or_else(|| unreadable(CORRUPT))?;
        let end = start.checked_add(file.compressed_size());
        if end.is_none_or(|end| end > self.source.length) {
            return Err(unreadable(CORRUPT));
        }
        Ok(PartEntry {
            start,
            compressed_bytes: file.compressed_size(),
            is_deflated,
            crc: file.crc32(),
        })
    }

    /// Reads a whole part.
    ///
    /// # Errors
    /// If the part does not exist, or is longer than `bytes_max`.
    pub(crate) fn read_whole(
        &mut self,
        name: &str,
        bytes_max: u64,
        what: &str,
    ) -> Result<Vec<u8>, TabularError> {
        let Some(reader) = self.read(name)? else {
            return Err(unreadable(format!("it has no {what}")));
        };
        let mut bytes = Vec::new();
        let read = reader.take(bytes_max + 1).read_to_end(&mut bytes);
        read.map_err(|error| part_error(error, what))?;
        if bytes.len() as u64 > bytes_max {
            return Err(unreadable(format!(
                "its {what} is larger than {bytes_max} bytes"
            )));
        }
        Ok(bytes)
    }

    /// Copies all parts to an archive, except those that `replace` writes itself or leaves out:
    /// `replace` gets the name of a part, in lower case and as the archive has it, and returns whether
    /// it handles that part.
    pub(crate) fn copy_parts<W: Write>(
        &mut self,
        to: &mut PackageWriter<W>,
        mut replace: impl FnMut(&str, &str, &mut PackageWriter<W>) -> Result<bool, TabularError>,
    ) -> Result<(), TabularError> {
        for (index, stored) in self.names.iter().enumerate() {
            if replace(&normalised_name(stored), stored, to)? {
                continue;
            }
            let file = self.archive.by_index_raw(index).map_err(archive_error)?;
            to.zip()?.raw_copy_file(file).map_err(write_error)?;
        }
        Ok(())
    }

    /// Returns the name of a part as the archive has it.
    pub(crate) fn stored_name(&self, name: &str) -> String {
        match self.indices.get(&normalised_name(name)) {
            Some(&index) => self.names[index].clone(),
            None => name.to_string(),
        }
    }
}

const CORRUPT: &str = "its archive is corrupt";

/// Part names ignore case, and some programs write `\` between folders.
fn normalised_name(name: &str) -> String {
    let name = name.replace('\\', "/").to_ascii_lowercase();
    name.trim_start_matches('/').to_string()
}

fn archive_error(error: ZipError) -> TabularError {
    match error {
        ZipError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            TabularError::Read(error)
        }
        _ => unreadable(CORRUPT),
    }
}

/// Converts an error of decompressing a part.
pub(super) fn part_error(error: io::Error, what: &str) -> TabularError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            unreadable(format!("its {what} is corrupt"))
        }
        _ => TabularError::Read(error).into_exceeded_limit(),
    }
}

fn write_error(error: ZipError) -> TabularError {
    TabularError::Write(match error {
        ZipError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    })
}

/// A reader of the decompressed bytes of a part, which checks the ratio of decompression and, at the
/// end, the checksum.
pub(crate) struct PartReader {
    data: PartData,
    crc: Crc,
    expected_crc: u32,
    produced: u64,
}

type RawPart = BufReader<io::Take<PartSource>>;

enum PartData {
    Stored(RawPart),
    Deflated(Box<DeflateDecoder<RawPart>>),
}

impl Read for PartReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.data {
            PartData::Stored(part) => part.read(buffer)?,
            PartData::Deflated(part) => {
                let read = part.read(buffer)?;
                check_ratio(self.produced + read as u64, part.total_in())?;
                read
            }
        };
        self.produced += read as u64;
        self.crc.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && self.crc.sum() != self.expected_crc {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(read)
    }
}

/// A workbook that is written as a stream. If the value is dropped before [`PackageWriter::finish`],
/// the output is not a valid archive, so that no program takes it for complete.
pub(crate) struct PackageWriter<W: Write> {
    zip: Option<ZipWriter<StreamWriter<Gate<W>>>>,
    is_closed: Arc<std::sync::atomic::AtomicBool>,
    /// The number of bytes written to the current part.
    part_bytes: u64,
}

/// A writer that writes nothing more once it is closed. The archive's writer always writes a
/// directory when it is dropped.
struct Gate<W> {
    inner: W,
    is_closed: Arc<std::sync::atomic::AtomicBool>,
}

impl<W: Write> Write for Gate<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        use std::sync::atomic::Ordering;
        if self.is_closed.load(Ordering::Relaxed) {
            return Ok(bytes.len());
        }
        let written = self.inner.write(bytes);
        if written
            .as_ref()
            .is_err_and(|error| error.kind() != io::ErrorKind::Interrupted)
        {
            self.is_closed.store(true, Ordering::Relaxed);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_closed.load(std::sync::atomic::Ordering::Relaxed) {
            return Ok(());
        }
        self.inner.flush()
    }
}

/// The largest part: without the zip64 extension, which not every program reads in a streamed archive,
/// the sizes in an archive have 32 bits.
const PART_BYTES_MAX: u64 = u32::MAX as u64;

impl<W: Write> PackageWriter<W> {
    pub(crate) fn new(inner: W) -> PackageWriter<W> {
        let is_closed = Arc::default();
        let gate = Gate {
            inner,
            is_closed: Arc::clone(&is_closed),
        };
        PackageWriter {
            zip: Some(ZipWriter::new_stream(gate)),
            is_closed,
            part_bytes: 0,
        }
    }

    fn zip(&mut self) -> Result<&mut ZipWriter<StreamWriter<Gate<W>>>, TabularError> {
        let closed = || TabularError::Write(io::ErrorKind::BrokenPipe.into());
        self.zip.as_mut().ok_or_else(closed)
    }

    /// Starts a part. The time of a part is always the same, so that the same input has the same
    /// output.
    pub(crate) fn start_part(&mut self, name: &str) -> Result<(), TabularError> {
        let options = SimpleFileOptions::DEFAULT
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(COMPRESSION_LEVEL))
            .last_modified_time(zip::DateTime::DEFAULT);
        self.part_bytes = 0;
        self.zip()?.start_file(name, options).map_err(write_error)
    }

    /// Writes bytes of the current part.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), TabularError> {
        self.part_bytes += bytes.len() as u64;
        if self.part_bytes > PART_BYTES_MAX {
            return Err(TabularError::SheetTooLarge);
        }
        self.zip()?.write_all(bytes).map_err(TabularError::Write)
    }

    /// Writes a whole part.
    pub(crate) fn write_part(&mut self, name: &str, bytes: &[u8]) -> Result<(), TabularError> {
        self.start_part(name)?;
        self.write(bytes)
    }

    /// Completes the archive.
    pub(crate) fn finish(mut self) -> Result<(), TabularError> {
        let Some(zip) = self.zip.take() else {
            return Ok(());
        };
        let mut inner = zip.finish().map_err(write_error)?;
        inner.flush().map_err(TabularError::Write)
    }
}

impl<W: Write> Drop for PackageWriter<W> {
    fn drop(&mut self) {
        self.is_closed
            .store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// A reader of a text in memory.
pub(super) fn in_memory(bytes: &[u8]) -> Cursor<&[u8]> {
    Cursor::new(bytes)
}
