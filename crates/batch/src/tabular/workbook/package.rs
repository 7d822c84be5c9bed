//! The zip archive of a workbook, which is read part by part and written as a stream.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use flate2::write::DeflateEncoder;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::super::POISONED;
use super::super::error::TabularError;
use super::super::limits::check_ratio;
use super::unreadable;

/// The maximum number of parts of a workbook.
const PARTS_MAX: usize = 10_000;
/// The compression level of the parts that we write. This level is fast, and the strings of a sheet
/// are compressed well at every level.
const COMPRESSION_LEVEL: u32 = 3;

/// The bytes of a workbook, which can be read in any order. Clones share the bytes, but have
/// separate positions.
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
    source: PartSource,
    parts: Vec<PartEntry>,
    /// The index of each part, by its name in lower case, without a leading slash.
    indices: HashMap<String, usize>,
}

/// A part, and the position of its bytes in the archive.
struct PartEntry {
    /// The name of the part in its original spelling.
    name: String,
    start: u64,
    compressed_bytes: u64,
    bytes: u64,
    is_deflated: bool,
    crc: u32,
    /// The time and the date of the part, as stored in the archive.
    modified: (u16, u16),
}

impl PartEntry {
    fn read(
        archive: &mut ZipArchive<BufReader<PartSource>>,
        index: usize,
        length: u64,
    ) -> Result<PartEntry, TabularError> {
        let file = archive.by_index_raw(index).map_err(archive_error)?;
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
        if end.is_none_or(|end| end > length) {
            return Err(unreadable(CORRUPT));
        }
        let modified = file.last_modified();
        let modified = modified.map(|time| (time.timepart(), time.datepart()));
        Ok(PartEntry {
            name: file.name().map_err(archive_error)?.to_string(),
            start,
            compressed_bytes: file.compressed_size(),
            bytes: file.size(),
            is_deflated,
            crc: file.crc32(),
            modified: modified.unwrap_or(NO_TIME),
        })
    }
}

impl Package {
    /// Reads the directory of an archive.
    ///
    /// # Errors
    /// If the file is not an archive, or a part cannot be read.
    pub(crate) fn open(source: PartSource) -> Result<Package, TabularError> {
        let mut archive = ZipArchive::new(BufReader::new(source.clone())).map_err(archive_error)?;
        if archive.len() > PARTS_MAX {
            return Err(unreadable(format!("it has more than {PARTS_MAX} parts")));
        }
        let mut indices = HashMap::new();
        let mut parts = Vec::new();
        for index in 0..archive.len() {
            let part = PartEntry::read(&mut archive, index, source.length)?;
            // A duplicate name is rejected, because programs differ in which of the two parts they
            // read.
            if indices.insert(normalised_name(&part.name), index).is_some() {
                return Err(unreadable("it has two parts with the same name"));
            }
            parts.push(part);
        }
        Ok(Package {
            source,
            parts,
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

    /// Returns a reader of the decompressed bytes of a part, or `None` if there is no such part.
    pub(crate) fn read(
        &mut self,
        name: &str,
    ) -> Result<Option<BufReader<PartReader>>, TabularError> {
        let Some(&index) = self.indices.get(&normalised_name(name)) else {
            return Ok(None);
        };
        let part = &self.parts[index];
        let raw = self.raw(part);
        let reader = PartReader {
            data: if part.is_deflated {
                PartData::Deflated(Box::new(DeflateDecoder::new(raw)))
            } else {
                PartData::Stored(raw)
            },
            crc: Crc::new(),
            expected_crc: part.crc,
            produced: 0,
        };
        Ok(Some(BufReader::with_capacity(1 << 16, reader)))
    }

    /// Returns a reader of the bytes of a part as stored in the archive.
    fn raw(&self, part: &PartEntry) -> RawPart {
        let source = PartSource {
            position: part.start,
            ..self.source.clone()
        };
        BufReader::with_capacity(1 << 16, source.take(part.compressed_bytes))
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

    /// Copies all parts to an archive, except the parts that `replace` writes or omits. The
    /// parameters of `replace` are the name of a part in lower case and in its original spelling.
    /// `replace` returns whether it handles the part.
    pub(crate) fn copy_parts<W: Write>(
        &mut self,
        to: &mut PackageWriter<W>,
        mut replace: impl FnMut(&str, &str, &mut PackageWriter<W>) -> Result<bool, TabularError>,
    ) -> Result<(), TabularError> {
        for part in &self.parts {
            if !replace(&normalised_name(&part.name), &part.name, to)? {
                to.copy_part(part, self.raw(part))?;
            }
        }
        Ok(())
    }

    /// Returns the name of a part in its original spelling.
    pub(crate) fn stored_name(&self, name: &str) -> String {
        match self.indices.get(&normalised_name(name)) {
            Some(&index) => self.parts[index].name.clone(),
            None => name.to_string(),
        }
    }
}

const CORRUPT: &str = "its archive is corrupt";

/// Part names are not case-sensitive, and some programs write `\` between folders.
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

/// Converts an error in the decompression of a part.
pub(super) fn part_error(error: io::Error, what: &str) -> TabularError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            unreadable(format!("its {what} is corrupt"))
        }
        _ => TabularError::Read(error).into_exceeded_limit(),
    }
}

/// A reader of the decompressed bytes of a part, which checks the compression ratio and, at the
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

/// A workbook that is written as a stream. The sizes of the parts that we compress are written
/// after the parts. (The `zip` crate also announces such sizes for parts that it copies, but does
/// not write them.) Without a call of [`PackageWriter::finish`], the output has no directory, so no
/// program regards it as complete.
pub(crate) struct PackageWriter<W: Write> {
    output: W,
    /// The number of bytes written.
    offset: u64,
    written: Vec<WrittenPart>,
    open_part: Option<OpenPart>,
}

/// A part that is being written.
struct OpenPart {
    name: String,
    offset: u64,
    encoder: DeflateEncoder<Vec<u8>>,
    crc: Crc,
    bytes: u64,
    compressed_bytes: u64,
}

/// A part that is complete.
struct WrittenPart {
    entry: PartEntry,
    /// The offset of its header.
    offset: u64,
    flags: u16,
}

const LOCAL_HEADER: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const DIRECTORY_ENTRY: u32 = 0x0201_4b50;
const DIRECTORY_END: u32 = 0x0605_4b50;
/// The version of the format that supports deflate.
const VERSION: u16 = 20;
const DEFLATED: u16 = 8;
/// The flag of parts whose sizes are written after the part.
const SIZES_FOLLOW: u16 = 1 << 3;
/// The flag of names in UTF-8.
const NAME_IS_UTF8: u16 = 1 << 11;
/// 1 January 1980. The parts that we write always have this time, so that the same input produces
/// the same output.
const NO_TIME: (u16, u16) = (0, 0x21);
/// The number of compressed bytes that are written together.
const WRITE_BYTES: usize = 64 << 10;

/// Sizes and offsets have 32 bits, because some programs do not support the extension for longer
/// archives.
fn in_32_bits(number: u64) -> Result<u32, TabularError> {
    u32::try_from(number).map_err(|_| TabularError::SheetTooLarge)
}

impl PartEntry {
    /// Returns the fields that are common to the header of a part and its entry in the directory.
    fn header(&self, flags: u16, sizes_follow: bool) -> Result<Vec<u8>, TabularError> {
        let method = if self.is_deflated { DEFLATED } else { 0 };
        let (time, date) = self.modified;
        let mut fields = Vec::new();
        for field in [VERSION, flags, method, time, date] {
            fields.extend_from_slice(&field.to_le_bytes());
        }
        let sizes = [
            self.crc,
            in_32_bits(self.compressed_bytes)?,
            in_32_bits(self.bytes)?,
        ];
        for field in sizes {
            let field = if sizes_follow { 0 } else { field };
            fields.extend_from_slice(&field.to_le_bytes());
        }
        let name_length = u16::try_from(self.name.len());
        let name_length = name_length.map_err(|_| unreadable("the name of a part is too long"))?;
        fields.extend_from_slice(&name_length.to_le_bytes());
        // There are no extra fields.
        fields.extend_from_slice(&[0, 0]);
        Ok(fields)
    }
}

fn name_flag(name: &str) -> u16 {
    if name.is_ascii() { 0 } else { NAME_IS_UTF8 }
}

impl<W: Write> PackageWriter<W> {
    pub(crate) fn new(output: W) -> PackageWriter<W> {
        PackageWriter {
            output,
            offset: 0,
            written: Vec::new(),
            open_part: None,
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), TabularError> {
        self.offset += bytes.len() as u64;
        self.output.write_all(bytes).map_err(TabularError::Write)
    }

    /// Copies a part with its compressed bytes unchanged.
    fn copy_part(&mut self, part: &PartEntry, mut raw: RawPart) -> Result<(), TabularError> {
        self.end_part()?;
        let flags = name_flag(&part.name);
        let offset = self.offset;
        let mut header = LOCAL_HEADER.to_le_bytes().to_vec();
        header.extend(part.header(flags, false)?);
        header.extend_from_slice(part.name.as_bytes());
        self.put(&header)?;
        let mut buffer = vec![0; WRITE_BYTES];
        let mut bytes_left = part.compressed_bytes;
        loop {
            let read = match raw.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                break;
            }
            bytes_left = bytes_left.saturating_sub(read as u64);
            self.put(&buffer[..read])?;
        }
        if bytes_left > 0 {
            return Err(unreadable(CORRUPT));
        }
        self.written.push(WrittenPart {
            entry: PartEntry {
                name: part.name.clone(),
                ..*part
            },
            offset,
            flags,
        });
        Ok(())
    }

    /// Starts a part.
    pub(crate) fn start_part(&mut self, name: &str) -> Result<(), TabularError> {
        self.end_part()?;
        let level = flate2::Compression::new(COMPRESSION_LEVEL);
        let part = OpenPart {
            name: name.to_string(),
            offset: self.offset,
            encoder: DeflateEncoder::new(Vec::new(), level),
            crc: Crc::new(),
            bytes: 0,
            compressed_bytes: 0,
        };
        let mut header = LOCAL_HEADER.to_le_bytes().to_vec();
        header.extend(part.entry().header(SIZES_FOLLOW | name_flag(name), true)?);
        header.extend_from_slice(name.as_bytes());
        self.put(&header)?;
        self.open_part = Some(part);
        Ok(())
    }

    /// Writes bytes of the current part.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), TabularError> {
        let part = self.open_part.as_mut().expect("a part has been started");
        part.bytes += bytes.len() as u64;
        in_32_bits(part.bytes)?;
        part.crc.update(bytes);
        part.encoder.write_all(bytes).map_err(TabularError::Write)?;
        if part.encoder.get_ref().len() >= WRITE_BYTES {
            let compressed = std::mem::take(part.encoder.get_mut());
            part.compressed_bytes += compressed.len() as u64;
            self.put(&compressed)?;
        }
        Ok(())
    }

    /// Writes a whole part.
    pub(crate) fn write_part(&mut self, name: &str, bytes: &[u8]) -> Result<(), TabularError> {
        self.start_part(name)?;
        self.write(bytes)
    }

    fn end_part(&mut self) -> Result<(), TabularError> {
        let Some(mut part) = self.open_part.take() else {
            return Ok(());
        };
        part.encoder.try_finish().map_err(TabularError::Write)?;
        let compressed = std::mem::take(part.encoder.get_mut());
        part.compressed_bytes += compressed.len() as u64;
        let entry = part.entry();
        let sizes = [
            entry.crc,
            in_32_bits(entry.compressed_bytes)?,
            in_32_bits(entry.bytes)?,
        ];
        self.put(&compressed)?;
        let mut descriptor = DESCRIPTOR.to_le_bytes().to_vec();
        descriptor.extend(sizes.iter().flat_map(|size| size.to_le_bytes()));
        self.put(&descriptor)?;
        self.written.push(WrittenPart {
            flags: SIZES_FOLLOW | name_flag(&entry.name),
            offset: part.offset,
            entry,
        });
        Ok(())
    }

    /// Completes the archive with its directory.
    pub(crate) fn finish(mut self) -> Result<(), TabularError> {
        self.end_part()?;
        let start = self.offset;
        let mut directory = Vec::new();
        for part in &self.written {
            directory.extend_from_slice(&DIRECTORY_ENTRY.to_le_bytes());
            directory.extend_from_slice(&VERSION.to_le_bytes());
            directory.extend(part.entry.header(part.flags, false)?);
            // The entry has no comment, no other disk and no attributes.
            directory.extend_from_slice(&[0; 10]);
            directory.extend_from_slice(&in_32_bits(part.offset)?.to_le_bytes());
            directory.extend_from_slice(part.entry.name.as_bytes());
        }
        let count = u16::try_from(self.written.len()).expect("few parts");
        let length = in_32_bits(directory.len() as u64)?;
        directory.extend_from_slice(&DIRECTORY_END.to_le_bytes());
        directory.extend_from_slice(&[0; 4]);
        for _ in 0..2 {
            directory.extend_from_slice(&count.to_le_bytes());
        }
        directory.extend_from_slice(&length.to_le_bytes());
        directory.extend_from_slice(&in_32_bits(start)?.to_le_bytes());
        directory.extend_from_slice(&[0; 2]);
        self.put(&directory)?;
        self.output.flush().map_err(TabularError::Write)
    }
}

impl OpenPart {
    fn entry(&self) -> PartEntry {
        PartEntry {
            name: self.name.clone(),
            start: 0,
            compressed_bytes: self.compressed_bytes,
            bytes: self.bytes,
            is_deflated: true,
            crc: self.crc.sum(),
            modified: NO_TIME,
        }
    }
}

/// Returns a reader of text in memory.
pub(super) fn in_memory(bytes: &[u8]) -> Cursor<&[u8]> {
    Cursor::new(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns an archive with a stored and a deflated part.
    fn archive() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = PackageWriter::new(&mut bytes);
        writer
            .write_part("a.xml", &b"abc".repeat(100_000))
            .expect("written");
        writer.write_part("é/b.xml", b"").expect("written");
        writer.finish().expect("written");
        bytes
    }

    fn contents(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("an archive");
        let read = |index| {
            let mut file = archive.by_index(index).expect("a part");
            let mut content = Vec::new();
            file.read_to_end(&mut content).expect("the right checksum");
            (file.name().expect("a name").to_string(), content)
        };
        (0..2).map(read).collect()
    }

    #[test]
    fn archives_are_read_by_other_programs_and_copied() {
        let bytes = archive();
        let expected = [
            ("a.xml".to_string(), b"abc".repeat(100_000)),
            ("é/b.xml".to_string(), Vec::new()),
        ];
        assert_eq!(contents(&bytes), expected);
        let mut package = Package::open(PartSource::from_memory(bytes)).expect("an archive");
        assert_eq!(package.stored_name("/A.XML"), "a.xml");
        let mut copied = Vec::new();
        let mut writer = PackageWriter::new(&mut copied);
        package
            .copy_parts(&mut writer, |_, _, _| Ok(false))
            .expect("copied");
        writer.finish().expect("written");
        assert_eq!(contents(&copied), expected);
        // The sizes of copied parts are in their headers, so the flag for sizes after the part is
        // not set.
        assert_eq!(copied[6] & 8, 0);
    }

    #[test]
    fn damaged_parts_are_not_read_to_their_ends() {
        let mut bytes = archive();
        bytes[60] ^= 0xff;
        let mut package = Package::open(PartSource::from_memory(bytes)).expect("an archive");
        let error = package.read_whole("a.xml", 1 << 20, "list").map(drop);
        let error = error.expect_err("damaged").to_string();
        assert!(error.contains("its list is corrupt"), "{error}");
        let mut package = Package::open(PartSource::from_memory(archive())).expect("an archive");
        let error = package.read_whole("a.xml", 1_000, "list").map(drop);
        let error = error.expect_err("too long").to_string();
        assert!(error.contains("larger than 1000 bytes"), "{error}");
        let bytes = archive();
        let truncated = bytes[..bytes.len() - 10].to_vec();
        let error = Package::open(PartSource::from_memory(truncated)).map(drop);
        assert!(
            error
                .expect_err("truncated")
                .to_string()
                .contains("corrupt")
        );
    }
}
