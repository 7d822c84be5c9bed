//! CSV tables with a header row: a writer, and a strict reader whose errors state the file, line
//! and column.

use std::fmt::Display;
use std::str::FromStr;

use csv::{ByteRecord, Reader, ReaderBuilder};

use catchment_core::domain::Layer;

/// An error in a CSV table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A column is missing from the header row.
    #[error("{file}: no column `{column}` in the header row")]
    MissingColumn {
        /// The file.
        file: String,
        /// The column.
        column: String,
        /// The cells of the header row.
        header: Vec<String>,
    },
    /// The header row contains a column twice, so the table is ambiguous.
    #[error("{file}: the header row has two columns `{column}`; remove or rename one of them")]
    DuplicateColumn {
        /// The file.
        file: String,
        /// The column.
        column: String,
    },
    /// The table has no rows.
    #[error("{file}: no rows")]
    Empty {
        /// The file.
        file: String,
    },
    /// A cell is invalid.
    #[error("{file}, line {line}, column `{column}`: `{value}` is not valid: {expected}")]
    Cell {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// The column.
        column: String,
        /// The value of the cell.
        value: String,
        /// A description of a valid value.
        expected: String,
    },
    /// The file is not valid CSV.
    #[error("{file}: {source}")]
    Csv {
        /// The file.
        file: String,
        /// The cause.
        source: csv::Error,
    },
}

/// A CSV table in memory.
pub struct CsvTable<'a> {
    file: String,
    bytes: &'a [u8],
    reader: Reader<&'a [u8]>,
    columns: Vec<String>,
    indices: Vec<usize>,
}

/// Columns that had a different name in earlier versions: the current name, followed by the earlier
/// name.
const EARLIER_NAMES: [(&str, &str); 5] = [
    ("residence", "icc_residence"),
    ("registration", "icc_registration"),
    ("count_stated", "icc_count_stated"),
    ("sections_on_page", "icc_sections_on_page"),
    ("community_id", "icc_id"),
];

/// Returns the earlier name of a column, if the column was renamed.
fn earlier_name(column: &str) -> Option<&'static str> {
    let mut names = EARLIER_NAMES.iter();
    let found = names.find(|(present, _)| *present == column);
    found.map(|(_, earlier)| *earlier)
}

/// Returns the present name of a column that had another name in earlier versions, or the name
/// itself.
pub(crate) fn present_name(name: &str) -> String {
    let mut names = EARLIER_NAMES.iter();
    let found = names.find(|(_, earlier)| *earlier == name);
    found.map_or(name, |(present, _)| present).to_string()
}

/// The position of an optional column that the table does not have; its cells are blank.
const ABSENT_COLUMN: usize = usize::MAX;

/// A row of a table. Each `column` parameter is an index into the columns passed to
/// `CsvTable::open`, in which optional columns follow the required columns.
pub struct CsvTableRow<'t> {
    file: &'t str,
    line: u64,
    columns: &'t [String],
    indices: &'t [usize],
    record: &'t ByteRecord,
    /// The text of all cells; `None` if a cell is not UTF-8.
    text: Option<&'t str>,
}

impl<'a> CsvTable<'a> {
    /// Opens a table. The table must have every column in `columns`, in any order, and other
    /// columns are ignored. A byte order mark is skipped.
    pub(crate) fn open(
        file: &str,
        bytes: &'a [u8],
        columns: &[&str],
    ) -> Result<CsvTable<'a>, TableError> {
        CsvTable::open_with_optional(file, bytes, columns, &[])
    }

    /// Opens a table that may also have the columns in `optional`. The cells of an optional column
    /// that is not in the table are blank.
    pub(crate) fn open_with_optional(
        file: &str,
        bytes: &'a [u8],
        columns: &[&str],
        optional: &[&str],
    ) -> Result<CsvTable<'a>, TableError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = ReaderBuilder::new().from_reader(bytes);
        let file = file.to_string();
        let header = reader.byte_headers().map_err(|source| TableError::Csv {
            file: file.clone(),
            source,
        })?;
        let mut indices = Vec::with_capacity(columns.len() + optional.len());
        let position = |column: &str| header.iter().position(|name| name == column.as_bytes());
        let find = |column: &str| {
            let earlier = || earlier_name(column).and_then(position);
            position(column).or_else(earlier)
        };
        let occurrences = |column: &str| {
            let names = header.iter();
            names.filter(|name| *name == column.as_bytes()).count()
        };
        let mut wanted = columns.iter().chain(optional);
        if let Some(column) = wanted.find(|column| occurrences(column) > 1) {
            return Err(TableError::DuplicateColumn {
                file,
                column: (*column).to_string(),
            });
        }
        for &column in columns {
            match find(column) {
                Some(index) => indices.push(index),
                None => {
                    return Err(TableError::MissingColumn {
                        file,
                        column: column.to_string(),
                        header: header
                            .iter()
                            .map(|name| String::from_utf8_lossy(name).into_owned())
                            .collect(),
                    });
                }
            }
        }
        let optional_indices = optional.iter().map(|column| find(column));
        indices.extend(optional_indices.map(|index| index.unwrap_or(ABSENT_COLUMN)));
        let names = columns.iter().chain(optional);
        Ok(CsvTable {
            file,
            bytes,
            columns: names.map(|name| (*name).to_string()).collect(),
            reader,
            indices,
        })
    }

    /// Estimates the number of rows from the length of the first row, so that the vector of rows is
    /// allocated once instead of being reallocated at up to twice the size.
    fn estimated_rows(&self) -> usize {
        /// The minimum length of a row for this estimate. It limits the estimate for a table whose
        /// first row is unusually short.
        const LINE_BYTES_MIN: usize = 16;
        let bytes = self.bytes.iter().enumerate();
        let mut ends = bytes
            .filter(|(_, byte)| **byte == b'\n')
            .map(|(index, _)| index);
        match (ends.next(), ends.next()) {
            (Some(header), Some(first)) => {
                (self.bytes.len() - header) / (first - header).max(LINE_BYTES_MIN) + 1
            }
            _ => 1,
        }
    }

    /// Reads all rows with `read`.
    pub(crate) fn read<T>(
        mut self,
        mut read: impl FnMut(&CsvTableRow<'_>) -> Result<T, TableError>,
    ) -> Result<Vec<T>, TableError> {
        let mut rows = Vec::with_capacity(self.estimated_rows());
        let mut record = ByteRecord::new();
        while self
            .reader
            .read_byte_record(&mut record)
            .map_err(|source| TableError::Csv {
                file: self.file.clone(),
                source,
            })?
        {
            rows.push(read(&CsvTableRow {
                file: &self.file,
                line: line_of(self.bytes, &record),
                columns: &self.columns,
                indices: &self.indices,
                record: &record,
                // One test of all cells is much faster than a test of each cell.
                text: std::str::from_utf8(record.as_slice()).ok(),
            })?);
        }
        if rows.is_empty() {
            return Err(TableError::Empty { file: self.file });
        }
        Ok(rows)
    }
}

/// Returns the line on which a record begins, counted from 1. After CR LF, the `csv` reader reports
/// the position of the line feed, but does not yet include this line feed in the line number.
fn line_of(bytes: &[u8], record: &ByteRecord) -> u64 {
    let Some(position) = record.position() else {
        return 0;
    };
    let begins_with_line_feed =
        usize::try_from(position.byte()).is_ok_and(|index| bytes.get(index) == Some(&b'\n'));
    position.line() + u64::from(begins_with_line_feed)
}

impl CsvTableRow<'_> {
    /// Returns the line on which the row begins, counted from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Returns the cell's text.
    pub(crate) fn text(&self, column: usize) -> Result<&str, TableError> {
        let text = match (self.text, self.record.range(self.indices[column])) {
            (Some(text), Some(range)) => text.get(range),
            _ => std::str::from_utf8(self.bytes(column)).ok(),
        };
        text.ok_or_else(|| self.cell_error(column, "must be text in UTF-8"))
    }

    /// Returns the bytes of the cell. If the column is not in the table, the cell is empty.
    fn bytes(&self, column: usize) -> &[u8] {
        self.record.get(self.indices[column]).unwrap_or_default()
    }

    /// Returns the cell's text, which must not be blank.
    pub(crate) fn required(&self, column: usize) -> Result<&str, TableError> {
        match self.text(column)? {
            "" => Err(self.cell_error(column, "must not be blank")),
            text => Ok(text),
        }
    }

    /// Returns the cell's text, or `None` if the cell is blank.
    pub(crate) fn optional(&self, column: usize) -> Result<Option<&str>, TableError> {
        Ok(Some(self.text(column)?).filter(|text| !text.is_empty()))
    }

    /// Parses the cell's value.
    pub(crate) fn parse<T>(&self, column: usize) -> Result<T, TableError>
    where
        T: FromStr<Err: Display>,
    {
        self.parse_with(column, |text| {
            text.parse::<T>().map_err(|error| error.to_string())
        })
    }

    /// Returns the layer whose id is in the cell. The table is part of a dataset or of its sources,
    /// so it may declare the layer.
    pub(crate) fn layer(&self, column: usize) -> Result<Layer, TableError> {
        self.parse_with(column, Layer::declare)
    }

    /// Parses the cell's value. Returns `None` if the cell is blank.
    pub(crate) fn parse_optional<T>(&self, column: usize) -> Result<Option<T>, TableError>
    where
        T: FromStr<Err: Display>,
    {
        self.optional(column)?
            .map(|_| self.parse(column))
            .transpose()
    }

    /// Parses the cell's text with `read`, whose error describes a valid value.
    pub(crate) fn parse_with<T, E: Display>(
        &self,
        column: usize,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, TableError> {
        read(self.text(column)?).map_err(|expected| self.cell_error(column, expected))
    }

    /// Parses the cell's text with `read`. Returns `None` if the cell is blank.
    pub(crate) fn parse_optional_with<T, E: Display>(
        &self,
        column: usize,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, TableError> {
        self.optional(column)?
            .map(|_| self.parse_with(column, read))
            .transpose()
    }

    /// Returns an error about a cell.
    pub(crate) fn cell_error(&self, column: usize, expected: impl Display) -> TableError {
        TableError::Cell {
            file: self.file.to_string(),
            line: self.line,
            column: self.columns[column].clone(),
            value: String::from_utf8_lossy(self.bytes(column)).into_owned(),
            expected: expected.to_string(),
        }
    }
}

/// Writes a CSV table to memory. Lines end with a line feed.
pub fn write_csv<const N: usize>(
    columns: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Vec<u8> {
    write_records(columns, rows)
}

/// Writes a table whose columns depend on the dataset, for example on its layers. Every row must
/// have the same number of cells as there are columns.
pub fn write_csv_of_layers(
    columns: Vec<String>,
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Vec<u8> {
    write_records(columns, rows)
}

fn write_records<R: IntoIterator<Item: AsRef<[u8]>>>(
    columns: impl IntoIterator<Item: AsRef<[u8]>>,
    rows: impl IntoIterator<Item = R>,
) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns).expect("writing to memory");
    for row in rows {
        writer.write_record(row).expect("writing to memory");
    }
    writer.into_inner().expect("writing to memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_counts(bytes: &[u8]) -> Result<Vec<(String, Option<u32>)>, TableError> {
        CsvTable::open("t.csv", bytes, &["name", "count"])?
            .read(|row| Ok((row.required(0)?.to_string(), row.parse_optional(1)?)))
    }

    #[test]
    fn columns_are_found_by_name_and_a_byte_order_mark_is_skipped() {
        let read = read_counts(b"\xef\xbb\xbfcount,extra,name\r\n3,x,a\r\n,y,\"b,c\"\r\n")
            .expect("a table");
        assert_eq!(
            read,
            [("a".to_string(), Some(3)), ("b,c".to_string(), None)]
        );
    }

    #[test]
    fn cells_of_an_absent_optional_column_are_blank() {
        let read = |bytes: &[u8]| {
            CsvTable::open_with_optional("t.csv", bytes, &["name"], &["note", "count"])?
                .read(|row| Ok((row.text(1)?.to_string(), row.parse_optional::<u32>(2)?)))
        };
        let cells = |bytes| read(bytes).expect("a table");
        assert_eq!(cells(b"name\na\n"), [(String::new(), None)]);
        assert_eq!(cells(b"count,name\n3,a\n"), [(String::new(), Some(3))]);
        let error = read(b"name,count\na,x\n").expect_err("not a number");
        assert!(error.to_string().contains("column `count`: `x`"), "{error}");
    }

    #[test]
    fn an_error_names_the_file_the_line_and_the_column() {
        for (bytes, expected) in [
            (
                &b"name\na\n"[..],
                "t.csv: no column `count` in the header row",
            ),
            (b"name,count\n", "t.csv: no rows"),
            (
                b"name,count\r\na,1\r\nb,x\r\n",
                "t.csv, line 3, column `count`: `x` is not valid: invalid digit found in string",
            ),
            (b"", "t.csv: no column `name` in the header row"),
            (
                b"name,count\na,1\nb,x\n",
                "t.csv, line 3, column `count`: `x` is not valid: invalid digit found in string",
            ),
            (
                b"name,count\n,1\n",
                "t.csv, line 2, column `name`: `` is not valid: must not be blank",
            ),
        ] {
            assert_eq!(
                read_counts(bytes).expect_err("not valid").to_string(),
                expected
            );
        }
        assert!(read_counts(b"name,count\na\n").is_err());
    }
}
