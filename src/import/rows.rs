//! The rows of a published CSV file, one at a time: a national directory has gigabytes.

use std::collections::HashMap;
use std::hash::Hash;
use std::io::{self, Read};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::{ImportError, ImportReport, Publication};

/// A longer row is none: a quotation mark was opened and never closed. The longest that are published
/// for us have less than a kilobyte.
const ROW_BYTES_MAX: usize = 1 << 20;

/// Rows as a stream. All of them have as many cells as the first.
pub(super) struct Rows<R> {
    file: String,
    reader: Reader<Watched<R>>,
    record: ByteRecord,
}

/// A row, and where it stands.
pub(super) struct Row<'r> {
    pub(super) file: &'r str,
    /// From 1.
    pub(super) line: u64,
    record: &'r ByteRecord,
}

impl<R: Read> Rows<R> {
    /// The rows of the file, the header among them. A byte order mark is skipped.
    pub(super) fn of(file: &str, input: R) -> Rows<R> {
        let watched = Watched {
            input,
            allowance: ROW_BYTES_MAX,
            is_crlf: None,
            last_byte: b'\n',
        };
        Rows {
            file: file.to_string(),
            reader: ReaderBuilder::new().has_headers(false).from_reader(watched),
            record: ByteRecord::new(),
        }
    }

    /// The next row.
    ///
    /// # Errors
    /// When it has more or fewer cells than the first one, as the last row of a file that was cut
    /// short has, and when the file cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, ImportError> {
        self.reader.get_mut().allowance = ROW_BYTES_MAX;
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => Ok(Some(Row {
                file: &self.file,
                line: self.line_of(self.record.position()),
                record: &self.record,
            })),
            Ok(false) => Ok(None),
            Err(error) => Err(self.unusable(error)),
        }
    }

    /// The first row as names of columns, each as `canonical` makes it.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn header(
        &mut self,
        canonical: impl Fn(&str) -> String,
    ) -> Result<Header, ImportError> {
        let file = self.file.clone();
        let Some(row) = self.next()? else {
            return Err(ImportError::Empty {
                source_name: file,
                read: 0,
            });
        };
        let written: Vec<String> = row
            .record
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim().to_string())
            .collect();
        let names = written.iter().map(|name| canonical(name)).collect();
        Ok(Header {
            file,
            written,
            names,
        })
    }

    /// Warns of a last line without an end: a file that was cut within its last cell looks so.
    pub(super) fn warn_if_cut_short(&self, report: &mut ImportReport) {
        if !matches!(self.reader.get_ref().last_byte, b'\n' | b'\r') {
            report.warnings.push(format!(
                "{}: the last line has no end; was the file cut short?",
                self.file
            ));
        }
    }

    /// csv takes the line feed of CRLF for the beginning of the next row, so its lines are one
    /// short after the first.
    fn line_of(&self, position: Option<&csv::Position>) -> u64 {
        let is_crlf = self.reader.get_ref().is_crlf == Some(true);
        position.map_or(0, |at| at.line() + u64::from(is_crlf && at.record() > 0))
    }

    fn unusable(&self, error: csv::Error) -> ImportError {
        let line = self.line_of(error.position().or(Some(self.reader.position())));
        let wrong_shape = |expected| ImportError::WrongShape {
            file: self.file.clone(),
            line,
            expected,
        };
        match error.into_kind() {
            ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => wrong_shape(format!(
                "a row has {expected_len} cells, as the first one has, and this one has {len}; \
                 was the file cut short?"
            )),
            ErrorKind::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
                wrong_shape(source.to_string())
            }
            ErrorKind::Io(source) => ImportError::Unreadable {
                path: self.file.clone().into(),
                source,
            },
            _ => wrong_shape("a row of a CSV file".to_string()),
        }
    }
}

impl<'r> Row<'r> {
    /// The cell's text without white space around it. Text that is not UTF-8 is a replacement
    /// character, which no cell that we read may hold.
    pub(super) fn text(&self, column: usize) -> &'r str {
        let cell = self.record.get(column).unwrap_or_default();
        std::str::from_utf8(cell).unwrap_or("\u{fffd}").trim()
    }

    /// How many cells it has.
    pub(super) fn len(&self) -> usize {
        self.record.len()
    }
}

/// The names of a file's columns.
pub(super) struct Header {
    file: String,
    written: Vec<String>,
    names: Vec<String>,
}

impl Header {
    /// The place of the column with one of these names, the first name first.
    ///
    /// # Errors
    /// When none is there, and when two columns have the same name.
    pub(super) fn require(&self, names: &[&str]) -> Result<usize, ImportError> {
        self.find(names)?.ok_or_else(|| ImportError::MissingColumn {
            file: self.file.clone(),
            column: names.join(", "),
        })
    }

    /// The place of the column with one of these names, if there is one.
    ///
    /// # Errors
    /// When two columns have the same name.
    pub(super) fn find(&self, names: &[&str]) -> Result<Option<usize>, ImportError> {
        for wanted in names {
            let mut places = (0..self.names.len()).filter(|&at| self.names[at] == *wanted);
            match (places.next(), places.next()) {
                (None, _) => {}
                (Some(place), None) => return Ok(Some(place)),
                (Some(first), Some(second)) => {
                    return Err(ImportError::Contradiction {
                        file: self.file.clone(),
                        line: 1,
                        what: format!(
                            "`{}` and `{}` are both the column `{wanted}`; leave one of them",
                            self.written[first], self.written[second]
                        ),
                    });
                }
            }
        }
        Ok(None)
    }

    /// Every column: its name as it is written, and as it was made canonical.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.names.iter().map(String::as_str);
        self.written.iter().map(String::as_str).zip(names)
    }
}

/// Why a row became no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skipped {
    /// It is not ours.
    LeftOut(&'static str),
    /// It is faulty.
    Rejected(&'static str),
}

impl Skipped {
    /// Counts the row.
    pub(super) fn count(self, row: &Row<'_>, report: &mut ImportReport) {
        match self {
            Skipped::LeftOut(reason) => report.leave_out(reason),
            Skipped::Rejected(reason) => report.reject(reason, row.file, row.line),
        }
    }
}

/// Keys and where each was read: none may come twice.
pub(super) struct Seen<K> {
    files: Vec<String>,
    places: HashMap<K, (usize, u64)>,
}

impl<K: Eq + Hash> Seen<K> {
    pub(super) fn nothing() -> Seen<K> {
        Seen {
            files: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// Notes the key of a row; `what` is what to call it.
    ///
    /// # Errors
    /// When it was noted before.
    pub(super) fn note(
        &mut self,
        key: K,
        row: &Row<'_>,
        what: impl FnOnce() -> String,
    ) -> Result<(), ImportError> {
        if self.files.last().is_none_or(|file| file != row.file) {
            self.files.push(row.file.to_string());
        }
        let here = (self.files.len() - 1, row.line);
        match self.places.insert(key, here) {
            None => Ok(()),
            Some((file, line)) => Err(ImportError::Contradiction {
                file: row.file.to_string(),
                line: row.line,
                what: format!(
                    "{} is already in {}, line {line}; leave one of them",
                    what(),
                    self.files[file]
                ),
            }),
        }
    }
}

/// What to call a member in a message: with its folder or archive, where it is in one.
pub(super) fn label(publication: &Publication, member: &str) -> String {
    match publication.name() {
        name if name == member => name,
        name => format!("{name}/{member}"),
    }
}

/// The last part of a member's name, in lower case.
pub(super) fn base_name(member: &str) -> String {
    let base = member.rsplit('/').next().unwrap_or(member);
    base.to_ascii_lowercase()
}

/// Looks on while csv reads.
struct Watched<R> {
    input: R,
    /// How many bytes may still be read for this row.
    allowance: usize,
    /// Whether lines end in CRLF, once the first of them was read.
    is_crlf: Option<bool>,
    last_byte: u8,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.allowance == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a row has at most a megabyte; is a quotation mark not closed?",
            ));
        }
        let count = self.input.read(buffer)?;
        self.allowance = self.allowance.saturating_sub(count);
        let mut before = self.last_byte;
        for &byte in &buffer[..count] {
            if self.is_crlf.is_some() {
                break;
            }
            if byte == b'\n' {
                self.is_crlf = Some(before == b'\r');
            }
            before = byte;
        }
        if let Some(&last) = buffer[..count].last() {
            self.last_byte = last;
        }
        Ok(count)
    }
}

/// Publications for the tests of the importers.
#[cfg(test)]
pub(super) mod fixture {
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::PathBuf;

    use tempfile::TempDir;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::super::Publication;

    /// A publication, and the folder that it lives in.
    pub(in super::super) struct Published {
        pub(in super::super) publication: Publication,
        _folder: TempDir,
    }

    /// A folder of files.
    pub(in super::super) fn folder(files: &[(&str, &str)]) -> Published {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("published");
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("in the folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        Published {
            publication: Publication::open(&root).expect("a folder"),
            _folder: folder,
        }
    }

    /// One file.
    pub(in super::super) fn file(name: &str, text: impl AsRef<[u8]>) -> Published {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        Published {
            publication: Publication::open(&path).expect("a file"),
            _folder: folder,
        }
    }

    /// An archive of files.
    pub(in super::super) fn archive(name: &str, files: &[(&str, &str)]) -> Published {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        let mut writer = ZipWriter::new(File::create(&path).expect("a file"));
        for (name, text) in files {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .expect("a member");
            writer.write_all(text.as_bytes()).expect("a member");
        }
        writer.finish().expect("an archive");
        Published {
            publication: Publication::open(&path).expect("an archive"),
            _folder: folder,
        }
    }

    /// A real published file in the folder that the environment variable `CATCHMENT_REAL_DATA`
    /// names; `None`, said on standard error, where there is no such folder or file.
    pub(in super::super) fn real(name: &str) -> Option<Publication> {
        let found = std::env::var_os("CATCHMENT_REAL_DATA")
            .map(|folder| PathBuf::from(folder).join(name))
            .filter(|path| path.exists());
        if found.is_none() {
            eprintln!("skipped: CATCHMENT_REAL_DATA names no folder with {name}");
        }
        found.map(|path| Publication::open(&path).expect("a published file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<u64> {
        let mut rows = Rows::of("t.csv", text.as_bytes());
        let mut lines = Vec::new();
        while let Some(row) = rows.next().expect("a row") {
            lines.push(row.line);
        }
        lines
    }

    #[test]
    fn lines_are_counted_from_one_whatever_ends_them() {
        assert_eq!(lines("a,b\n1,2\n3,4\n"), [1, 2, 3]);
        assert_eq!(lines("a,b\r\n1,2\r\n3,4\r\n"), [1, 2, 3]);
        assert_eq!(lines("\u{feff}a,b\r\n1,2\r\n3,4"), [1, 2, 3]);
        assert_eq!(lines("a,\"b\nb\"\n1,2\n"), [1, 3]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_cell() {
        let mut rows = Rows::of("t.csv", "\u{feff}\"a\",b\n".as_bytes());
        assert_eq!(rows.next().expect("a row").expect("one").text(0), "a");
    }

    #[test]
    fn a_row_that_is_cut_short_names_its_line() {
        for (text, line) in [("a,b,c\n1,2,3\n1,2", 3), ("a,b,c\r\n1,2,3\r\n1", 3)] {
            let mut rows = Rows::of("t.csv", text.as_bytes());
            let error = loop {
                match rows.next() {
                    Ok(row) => assert!(row.is_some(), "an error comes first"),
                    Err(error) => break error.to_string(),
                }
            };
            assert!(
                error.starts_with(&format!("t.csv, line {line}: a row has 3 cells")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_quotation_mark_that_is_never_closed_does_not_fill_the_memory() {
        let endless = io::Cursor::new("a,b\n1,\"").chain(io::repeat(b'x'));
        let mut rows = Rows::of("t.csv", endless);
        rows.next().expect("a row");
        let error = rows.next().err().expect("too long").to_string();
        assert_eq!(
            error,
            "t.csv, line 2: a row has at most a megabyte; is a quotation mark not closed?"
        );
    }

    #[test]
    fn a_last_line_without_an_end_is_a_warning() {
        for (text, warnings) in [("a\n1\n", 0), ("a\r\n1\r\n", 0), ("a\n1", 1)] {
            let mut rows = Rows::of("t.csv", text.as_bytes());
            while rows.next().expect("a row").is_some() {}
            let mut report = ImportReport::default();
            rows.warn_if_cut_short(&mut report);
            assert_eq!(report.warnings.len(), warnings, "{text:?}");
        }
    }

    #[test]
    fn text_in_another_encoding_is_a_replacement_character() {
        let mut rows = Rows::of("t.csv", &b"caf\xe9,1\n"[..]);
        let row = rows.next().expect("a row").expect("one");
        assert_eq!(
            (row.text(0), row.text(1), row.text(9)),
            ("\u{fffd}", "1", "")
        );
    }
}
