//! A streaming reader of published CSV files, which may be as large as 2 GiB.

use std::collections::HashMap;
use std::hash::Hash;
use std::io::{self, Read};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::{ImportError, ImportReport, SourceFiles};
use crate::plural::count_with_noun;

/// The maximum length of a row. A longer row indicates an unclosed quotation mark, because the
/// longest rows of the published files are shorter than a kilobyte.
const ROW_BYTES_MAX: usize = 1 << 20;

/// A stream of the rows of a CSV file. All rows must have the same number of cells as the first
/// row.
pub(super) struct CsvRows<R> {
    file: String,
    reader: Reader<LineTracker<R>>,
    record: ByteRecord,
}

/// A row and its location.
pub(super) struct CsvRow<'r> {
    pub(super) file: &'r str,
    /// The line number, counted from 1.
    pub(super) line: u64,
    record: &'r ByteRecord,
}

impl<R: Read> CsvRows<R> {
    /// Creates a stream of the file's rows, including the header row. A byte order mark is skipped.
    pub(super) fn new(file: &str, input: R) -> CsvRows<R> {
        let tracker = LineTracker {
            input,
            row_bytes_left: ROW_BYTES_MAX,
            is_crlf: None,
            last_byte: b'\n',
        };
        CsvRows {
            file: file.to_string(),
            reader: ReaderBuilder::new().has_headers(false).from_reader(tracker),
            record: ByteRecord::new(),
        }
    }

    /// Returns the next row.
    ///
    /// # Errors
    /// If the row has more or fewer cells than the first row, for example because the file was
    /// truncated in its last row, or if the file cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<CsvRow<'_>>, ImportError> {
        self.reader.get_mut().row_bytes_left = ROW_BYTES_MAX;
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => Ok(Some(CsvRow {
                file: &self.file,
                line: self.line_number(self.record.position()),
                record: &self.record,
            })),
            Ok(false) => Ok(None),
            Err(error) => Err(self.to_import_error(error)),
        }
    }

    /// Reads the first row as the header row, and converts each column name with `canonical`.
    ///
    /// # Errors
    /// If the file has no rows or cannot be read.
    pub(super) fn read_header(
        &mut self,
        canonical: impl Fn(&str) -> String,
    ) -> Result<HeaderRow, ImportError> {
        let file = self.file.clone();
        let Some(row) = self.next()? else {
            return Err(ImportError::Empty {
                source_name: file,
                read: 0,
                first_unused: None,
            });
        };
        let original: Vec<String> = row
            .record
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim().to_string())
            .collect();
        let names = original.iter().map(|name| canonical(name)).collect();
        Ok(HeaderRow {
            file,
            original,
            canonical: names,
        })
    }

    /// Adds a warning if the last line has no line ending, as in a file that was truncated within
    /// its last cell.
    pub(super) fn warn_if_truncated(&self, report: &mut ImportReport) {
        if !matches!(self.reader.get_ref().last_byte, b'\n' | b'\r') {
            report.warnings.push(format!(
                "{}: the last line has no line ending; was the file truncated?",
                self.file
            ));
        }
    }

    /// Returns the line number of a position. The csv crate counts the line feed of a CRLF as part
    /// of the next row, so its line numbers are one too low after the first row.
    fn line_number(&self, position: Option<&csv::Position>) -> u64 {
        let is_crlf = self.reader.get_ref().is_crlf == Some(true);
        position.map_or(0, |position| {
            position.line() + u64::from(is_crlf && position.record() > 0)
        })
    }

    fn to_import_error(&self, error: csv::Error) -> ImportError {
        let line = self.line_number(error.position().or(Some(self.reader.position())));
        let invalid_format = |expected| ImportError::InvalidFormat {
            file: self.file.clone(),
            line,
            expected,
        };
        match error.into_kind() {
            ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => invalid_format(format!(
                "expected {}, as in the first row, but found {len}; was the file truncated?",
                count_with_noun(expected_len, "cell", "cells")
            )),
            ErrorKind::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
                invalid_format(source.to_string())
            }
            ErrorKind::Io(source) => ImportError::Unreadable {
                path: self.file.clone().into(),
                source,
            },
            _ => invalid_format("not a valid CSV row".to_string()),
        }
    }
}

impl<'r> CsvRow<'r> {
    /// Returns the text of the cell, without surrounding white space. For a cell that is not valid
    /// UTF-8, returns a single replacement character, which occurs in no valid code, number or
    /// date.
    pub(super) fn text(&self, column: usize) -> &'r str {
        let cell = self.record.get(column).unwrap_or_default();
        std::str::from_utf8(cell).unwrap_or("\u{fffd}").trim()
    }

    /// Returns the text of every cell.
    pub(super) fn cells(&self) -> Vec<String> {
        let texts = (0..self.len()).map(|column| self.text(column).to_string());
        texts.collect()
    }

    /// Returns the number of cells.
    pub(super) fn len(&self) -> usize {
        self.record.len()
    }
}

/// The header row: the names of the file's columns.
pub(super) struct HeaderRow {
    file: String,
    original: Vec<String>,
    canonical: Vec<String>,
}

impl HeaderRow {
    /// Returns the index of the column with one of these names. Earlier names take precedence.
    ///
    /// # Errors
    /// If there is no such column, or if two columns have the same name.
    pub(super) fn require(&self, names: &[&str]) -> Result<usize, ImportError> {
        self.find(names)?.ok_or_else(|| ImportError::MissingColumn {
            file: self.file.clone(),
            column: names.join(", "),
            header: self.original.clone(),
        })
    }

    /// Returns the index of the column with one of these names, or `None` if there is no such
    /// column.
    ///
    /// # Errors
    /// If two columns have the same name.
    pub(super) fn find(&self, names: &[&str]) -> Result<Option<usize>, ImportError> {
        for name in names {
            let mut indices =
                (0..self.canonical.len()).filter(|&index| self.canonical[index] == *name);
            match (indices.next(), indices.next()) {
                (None, _) => {}
                (Some(index), None) => return Ok(Some(index)),
                (Some(first), Some(second)) => {
                    return Err(ImportError::Conflict {
                        file: self.file.clone(),
                        line: 1,
                        what: format!(
                            "`{}` and `{}` are both the column `{name}`; remove one of the two \
                             columns",
                            self.original[first], self.original[second]
                        ),
                    });
                }
            }
        }
        Ok(None)
    }

    /// Returns the name of the file.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Returns the original and the canonical name of every column.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.canonical.iter().map(String::as_str);
        self.original.iter().map(String::as_str).zip(names)
    }
}

/// The reason why a row was not imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowError {
    /// The row is valid, but out of scope.
    Skipped(&'static str),
    /// The row is invalid.
    Rejected(&'static str),
}

impl RowError {
    /// Returns the reason.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            RowError::Skipped(reason) | RowError::Rejected(reason) => reason,
        }
    }

    /// Counts the row in the report.
    pub(super) fn add_to_report(self, row: &CsvRow<'_>, report: &mut ImportReport) {
        match self {
            RowError::Skipped(reason) => report.skip_at(reason, row.file, row.line),
            RowError::Rejected(reason) => report.reject(reason, row.file, row.line),
        }
    }
}

/// Checks that keys are unique. Also records the location of each key, for the error message.
pub(super) struct DuplicateCheck<K> {
    files: Vec<String>,
    locations: HashMap<K, (usize, u64)>,
}

impl<K: Eq + Hash> DuplicateCheck<K> {
    pub(super) fn new() -> DuplicateCheck<K> {
        DuplicateCheck {
            files: Vec::new(),
            locations: HashMap::new(),
        }
    }

    /// Adds the key of a row. `describe` returns a description of the key for the error message.
    ///
    /// # Errors
    /// If the key was already added.
    pub(super) fn check(
        &mut self,
        key: K,
        row: &CsvRow<'_>,
        describe: impl FnOnce() -> String,
    ) -> Result<(), ImportError> {
        if self.files.last().is_none_or(|file| file != row.file) {
            self.files.push(row.file.to_string());
        }
        let location = (self.files.len() - 1, row.line);
        match self.locations.insert(key, location) {
            None => Ok(()),
            Some((file, line)) => Err(ImportError::Conflict {
                file: row.file.to_string(),
                line: row.line,
                what: format!(
                    "{} is already in {}, line {line}; remove one of the two rows",
                    describe(),
                    self.files[file]
                ),
            }),
        }
    }
}

/// Returns the name of a member for messages. If the source is a folder or archive, the name of the
/// source comes first.
pub(super) fn member_label(source_files: &SourceFiles, member: &str) -> String {
    match source_files.name() {
        name if name == member => name,
        name => format!("{name}/{member}"),
    }
}

/// Returns the file name of a member, without its folders and in lower case. Files that were
/// extracted from an archive made by a Windows program may have backslashes in their names.
pub(super) fn lowercase_file_name(member: &str) -> String {
    let base = member.rsplit(['/', '\\']).next().unwrap_or(member);
    base.to_ascii_lowercase()
}

/// A reader that tracks row length and line endings for the csv crate.
struct LineTracker<R> {
    input: R,
    /// The number of bytes that may still be read for this row.
    row_bytes_left: usize,
    /// Whether lines end in CRLF, or `None` until the first line has been read.
    is_crlf: Option<bool>,
    last_byte: u8,
}

impl<R: Read> Read for LineTracker<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.row_bytes_left == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the row is longer than 1 MiB; is a quotation mark not closed?",
            ));
        }
        let count = self.input.read(buffer)?;
        self.row_bytes_left = self.row_bytes_left.saturating_sub(count);
        let mut previous_byte = self.last_byte;
        for &byte in &buffer[..count] {
            if self.is_crlf.is_some() {
                break;
            }
            if byte == b'\n' {
                self.is_crlf = Some(previous_byte == b'\r');
            }
            previous_byte = byte;
        }
        if let Some(&last) = buffer[..count].last() {
            self.last_byte = last;
        }
        Ok(count)
    }
}

/// Source files for the tests of the importers.
#[cfg(test)]
pub(super) mod fixture {
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::PathBuf;

    use tempfile::TempDir;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::super::SourceFiles;

    /// Source files, and the temporary folder that contains them.
    pub(in super::super) struct TestSource {
        pub(in super::super) source_files: SourceFiles,
        _folder: TempDir,
    }

    /// Creates a folder of files.
    pub(in super::super) fn folder(files: &[(&str, &str)]) -> TestSource {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("published");
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("in the folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        TestSource {
            source_files: SourceFiles::open(&root).expect("a folder"),
            _folder: folder,
        }
    }

    /// Creates a single file.
    pub(in super::super) fn file(name: &str, text: impl AsRef<[u8]>) -> TestSource {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        TestSource {
            source_files: SourceFiles::open(&path).expect("a file"),
            _folder: folder,
        }
    }

    /// Creates an archive of files.
    pub(in super::super) fn archive(name: &str, files: &[(&str, &str)]) -> TestSource {
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
        TestSource {
            source_files: SourceFiles::open(&path).expect("an archive"),
            _folder: folder,
        }
    }

    /// Opens a real published file in the folder that the environment variable
    /// `CATCHMENT_REAL_DATA` specifies. Returns `None`, with a note on standard error, if there is
    /// no such folder or file.
    pub(in super::super) fn open_real_file(name: &str) -> Option<SourceFiles> {
        let found = std::env::var_os("CATCHMENT_REAL_DATA")
            .map(|folder| PathBuf::from(folder).join(name))
            .filter(|path| path.exists());
        if found.is_none() {
            eprintln!("skipped: set CATCHMENT_REAL_DATA to a folder that contains {name}");
        }
        found.map(|path| SourceFiles::open(&path).expect("a published file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<u64> {
        let mut rows = CsvRows::new("t.csv", text.as_bytes());
        let mut lines = Vec::new();
        while let Some(row) = rows.next().expect("a row") {
            lines.push(row.line);
        }
        lines
    }

    #[test]
    fn lines_are_numbered_from_one_with_any_line_ending() {
        assert_eq!(lines("a,b\n1,2\n3,4\n"), [1, 2, 3]);
        assert_eq!(lines("a,b\r\n1,2\r\n3,4\r\n"), [1, 2, 3]);
        assert_eq!(lines("\u{feff}a,b\r\n1,2\r\n3,4"), [1, 2, 3]);
        assert_eq!(lines("a,\"b\nb\"\n1,2\n"), [1, 3]);
    }

    #[test]
    fn byte_order_mark_is_skipped() {
        let mut rows = CsvRows::new("t.csv", "\u{feff}\"a\",b\n".as_bytes());
        assert_eq!(rows.next().expect("a row").expect("one").text(0), "a");
    }

    #[test]
    fn truncated_row_is_rejected_with_its_line() {
        for (text, line) in [("a,b,c\n1,2,3\n1,2", 3), ("a,b,c\r\n1,2,3\r\n1", 3)] {
            let mut rows = CsvRows::new("t.csv", text.as_bytes());
            let error = loop {
                match rows.next() {
                    Ok(row) => assert!(row.is_some(), "an error comes first"),
                    Err(error) => break error.to_string(),
                }
            };
            assert!(
                error.starts_with(&format!("t.csv, line {line}: expected 3 cells")),
                "{error}"
            );
        }
    }

    #[test]
    fn unterminated_quote_does_not_exhaust_memory() {
        let endless = io::Cursor::new("a,b\n1,\"").chain(io::repeat(b'x'));
        let mut rows = CsvRows::new("t.csv", endless);
        rows.next().expect("a row");
        let error = rows.next().err().expect("too long").to_string();
        assert_eq!(
            error,
            "t.csv, line 2: the row is longer than 1 MiB; is a quotation mark not closed?"
        );
    }

    #[test]
    fn last_line_without_a_line_ending_is_a_warning() {
        for (text, warnings) in [("a\n1\n", 0), ("a\r\n1\r\n", 0), ("a\n1", 1)] {
            let mut rows = CsvRows::new("t.csv", text.as_bytes());
            while rows.next().expect("a row").is_some() {}
            let mut report = ImportReport::default();
            rows.warn_if_truncated(&mut report);
            assert_eq!(report.warnings.len(), warnings, "{text:?}");
        }
    }

    #[test]
    fn invalid_utf8_becomes_a_replacement_character() {
        let mut rows = CsvRows::new("t.csv", &b"caf\xe9,1\n"[..]);
        let row = rows.next().expect("a row").expect("one");
        assert_eq!(
            (row.text(0), row.text(1), row.text(9)),
            ("\u{fffd}", "1", "")
        );
    }
}
