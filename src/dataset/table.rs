//! CSV tables with a header, read strictly: an error names the file, the line and the column; and
//! written.

use std::fmt::Display;
use std::str::FromStr;

use csv::{ByteRecord, Reader, ReaderBuilder};

/// A table that cannot be read, or a cell that is not what its column holds.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The header lacks a column.
    #[error("{file}: no column `{column}` in the header")]
    MissingColumn {
        /// The file.
        file: String,
        /// The column.
        column: String,
    },
    /// A header without rows, or nothing at all.
    #[error("{file}: no rows")]
    Empty {
        /// The file.
        file: String,
    },
    /// A cell is not what its column holds.
    #[error("{file}, line {line}, column `{column}`: `{value}` is not right: {expected}")]
    Cell {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        value: String,
        /// What would have been right.
        expected: String,
    },
    /// Not a CSV table.
    #[error("{file}: {source}")]
    Csv {
        /// The file.
        file: String,
        /// Why.
        source: csv::Error,
    },
}

/// A CSV table in memory.
pub(crate) struct Table<'a> {
    file: String,
    bytes: &'a [u8],
    reader: Reader<&'a [u8]>,
    columns: Vec<String>,
    positions: Vec<usize>,
}

/// A row of a table; columns go by their place in the list that the table was opened with.
pub(crate) struct Row<'t> {
    file: &'t str,
    line: u64,
    columns: &'t [String],
    positions: &'t [usize],
    record: &'t ByteRecord,
}

impl<'a> Table<'a> {
    /// Opens a table in which every one of `columns` must stand, in any order among others. A byte
    /// order mark is skipped.
    pub(crate) fn open(
        file: &str,
        bytes: &'a [u8],
        columns: &[&str],
    ) -> Result<Table<'a>, TableError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = ReaderBuilder::new().from_reader(bytes);
        let file = file.to_string();
        let header = reader.byte_headers().map_err(|source| TableError::Csv {
            file: file.clone(),
            source,
        })?;
        let mut positions = Vec::with_capacity(columns.len());
        for &column in columns {
            match header.iter().position(|name| name == column.as_bytes()) {
                Some(position) => positions.push(position),
                None => {
                    return Err(TableError::MissingColumn {
                        file,
                        column: column.to_string(),
                    });
                }
            }
        }
        Ok(Table {
            file,
            bytes,
            reader,
            columns: columns.iter().map(|name| (*name).to_string()).collect(),
            positions,
        })
    }

    /// About how many lines follow the header, if they are as long as the first: the rows take their
    /// room at once, and not twice as much while they grow.
    fn lines(&self) -> usize {
        /// Shorter ones do not come by the million.
        const LINE_BYTES_MIN: usize = 16;
        let bytes = self.bytes.iter().enumerate();
        let mut ends = bytes.filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
        match (ends.next(), ends.next()) {
            (Some(header), Some(first)) => {
                (self.bytes.len() - header) / (first - header).max(LINE_BYTES_MIN) + 1
            }
            _ => 1,
        }
    }

    /// Reads every row with `read`.
    pub(crate) fn read<T>(
        mut self,
        mut read: impl FnMut(&Row<'_>) -> Result<T, TableError>,
    ) -> Result<Vec<T>, TableError> {
        let mut rows = Vec::with_capacity(self.lines());
        let mut record = ByteRecord::new();
        while self
            .reader
            .read_byte_record(&mut record)
            .map_err(|source| TableError::Csv {
                file: self.file.clone(),
                source,
            })?
        {
            rows.push(read(&Row {
                file: &self.file,
                line: line_of(self.bytes, &record),
                columns: &self.columns,
                positions: &self.positions,
                record: &record,
            })?);
        }
        if rows.is_empty() {
            return Err(TableError::Empty { file: self.file });
        }
        Ok(rows)
    }
}

/// The line that a record begins on, from 1. A record that follows CR LF begins, for the reader, with
/// that line feed, which it has not counted yet.
fn line_of(bytes: &[u8], record: &ByteRecord) -> u64 {
    let Some(position) = record.position() else {
        return 0;
    };
    let begins_with_line_feed =
        usize::try_from(position.byte()).is_ok_and(|at| bytes.get(at) == Some(&b'\n'));
    position.line() + u64::from(begins_with_line_feed)
}

impl Row<'_> {
    /// The line that it begins on, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The cell's text.
    pub(crate) fn text(&self, column: usize) -> Result<&str, TableError> {
        let bytes = &self.record[self.positions[column]];
        std::str::from_utf8(bytes).map_err(|_| self.wrong(column, "text in UTF-8"))
    }

    /// The cell's text, which may not be blank.
    pub(crate) fn filled(&self, column: usize) -> Result<&str, TableError> {
        match self.text(column)? {
            "" => Err(self.wrong(column, "it may not be blank")),
            text => Ok(text),
        }
    }

    /// The cell's text, `None` where it is blank.
    pub(crate) fn optional(&self, column: usize) -> Result<Option<&str>, TableError> {
        Ok(Some(self.text(column)?).filter(|text| !text.is_empty()))
    }

    /// The cell's value.
    pub(crate) fn parse<T>(&self, column: usize) -> Result<T, TableError>
    where
        T: FromStr<Err: Display>,
    {
        self.with(column, |text| {
            text.parse::<T>().map_err(|error| error.to_string())
        })
    }

    /// The cell's value, `None` where it is blank.
    pub(crate) fn parse_optional<T>(&self, column: usize) -> Result<Option<T>, TableError>
    where
        T: FromStr<Err: Display>,
    {
        self.optional(column)?
            .map(|_| self.parse(column))
            .transpose()
    }

    /// What `read` makes of the cell's text.
    pub(crate) fn with<T, E: Display>(
        &self,
        column: usize,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, TableError> {
        read(self.text(column)?).map_err(|expected| self.wrong(column, expected))
    }

    /// What `read` makes of the cell's text, `None` where it is blank.
    pub(crate) fn with_optional<T, E: Display>(
        &self,
        column: usize,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, TableError> {
        self.optional(column)?
            .map(|_| self.with(column, read))
            .transpose()
    }

    /// The error of that cell.
    pub(crate) fn wrong(&self, column: usize, expected: impl Display) -> TableError {
        TableError::Cell {
            file: self.file.to_string(),
            line: self.line,
            column: self.columns[column].clone(),
            value: String::from_utf8_lossy(&self.record[self.positions[column]]).into_owned(),
            expected: expected.to_string(),
        }
    }
}

/// A CSV table in memory, lines ended by a line feed.
pub(crate) fn written<const N: usize>(
    columns: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
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

    fn numbers(bytes: &[u8]) -> Result<Vec<(String, Option<u32>)>, TableError> {
        Table::open("t.csv", bytes, &["name", "count"])?
            .read(|row| Ok((row.filled(0)?.to_string(), row.parse_optional(1)?)))
    }

    #[test]
    fn columns_go_by_name_and_a_byte_order_mark_is_skipped() {
        let read =
            numbers(b"\xef\xbb\xbfcount,extra,name\r\n3,x,a\r\n,y,\"b,c\"\r\n").expect("a table");
        assert_eq!(
            read,
            [("a".to_string(), Some(3)), ("b,c".to_string(), None)]
        );
    }

    #[test]
    fn an_error_names_the_file_the_line_and_the_column() {
        for (bytes, expected) in [
            (&b"name\na\n"[..], "t.csv: no column `count` in the header"),
            (b"name,count\n", "t.csv: no rows"),
            (
                b"name,count\r\na,1\r\nb,x\r\n",
                "t.csv, line 3, column `count`: `x` is not right: invalid digit found in string",
            ),
            (b"", "t.csv: no column `name` in the header"),
            (
                b"name,count\na,1\nb,x\n",
                "t.csv, line 3, column `count`: `x` is not right: invalid digit found in string",
            ),
            (
                b"name,count\n,1\n",
                "t.csv, line 2, column `name`: `` is not right: it may not be blank",
            ),
        ] {
            assert_eq!(numbers(bytes).expect_err("not right").to_string(), expected);
        }
        assert!(numbers(b"name,count\na\n").is_err());
    }
}
