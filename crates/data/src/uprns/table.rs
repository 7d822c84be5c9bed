//! The file of UPRNs: a writer, and look-ups with positioned reads.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::UprnRecord;
use catchment_core::domain::{BritishGrid, Home, Uprn};
use catchment_core::index::{UnreadableUprns, UprnList};

/// The header row.
const HEADER: &str = "uprn,easting,northing,postcode,statistical_area\n";
/// The length of a row in bytes, with its line feed.
const ROW_BYTES: usize = 54;
/// The number of digits of a UPRN, with leading zeros.
const UPRN_DIGITS: usize = 12;
/// The maximum number of UPRNs that are stored in memory, which are the UPRNs of rows at equal
/// intervals.
const KEYS_MAX: u64 = 4_096;
/// The number of rows that a look-up reads as one block: 14 kB.
const BLOCK_ROWS: u64 = 256;

/// A table of UPRNs, which is open but not in memory.
pub struct UprnTable {
    file: File,
    rows: u64,
    /// The UPRNs of the rows at multiples of `interval`.
    keys: Vec<u64>,
    interval: u64,
}

/// The error for a file that is not a table of UPRNs. The message does not contain the path, because
/// the service must not reveal where the file is on the machine.
#[derive(Debug, thiserror::Error)]
pub enum UprnTableError {
    /// The file cannot be read.
    #[error("the table of UPRNs cannot be read")]
    Unreadable(#[source] io::Error),
    /// The file is not such a table, or is not complete.
    #[error("{reason}; `catchment build` writes a table of UPRNs if [uprn] has the key `table`")]
    Invalid {
        /// What is wrong, and where.
        reason: String,
    },
}

impl UprnTable {
    /// Opens a table. Checks only the header row, the length and the order of some rows.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a table of UPRNs.
    pub fn open(path: &Path) -> Result<UprnTable, UprnTableError> {
        let unreadable = UprnTableError::Unreadable;
        let invalid = |reason: String| UprnTableError::Invalid { reason };
        // The file type is checked before the file is opened, because opening a pipe blocks.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(unreadable(io::Error::other("it is not a regular file")));
        }
        let file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        let mut header = vec![0; HEADER.len()];
        let has_header = bytes >= HEADER.len() as u64
            && read_exact_at(&file, &mut header, 0).is_ok()
            && header == HEADER.as_bytes();
        if !has_header {
            let expected = HEADER.trim_end();
            return Err(invalid(format!("the first line should be `{expected}`")));
        }
        let length = bytes - HEADER.len() as u64;
        if length == 0 || !length.is_multiple_of(ROW_BYTES as u64) {
            return Err(invalid(format!(
                "after the header row, the file should have one or more rows of {ROW_BYTES} bytes \
                 each, but has {length} bytes; was it truncated or changed?"
            )));
        }
        let rows = length / ROW_BYTES as u64;
        let interval = rows.div_ceil(KEYS_MAX);
        let mut table = UprnTable {
            file,
            rows,
            keys: Vec::new(),
            interval,
        };
        let key_at = |table: &UprnTable, row: u64| {
            let record = table.read_rows(row, 1).ok();
            let record = record.and_then(|bytes| parse_row(&bytes));
            let key = record.map(|record| record.uprn.number());
            key.ok_or_else(|| invalid(format!("line {} is not a row of the table", row + 2)))
        };
        let unordered = |row: u64| {
            invalid(format!(
                "the rows should be in order of UPRN, but line {} is not",
                row + 2
            ))
        };
        for row in (0..rows).step_by(usize::try_from(interval).expect("few rows")) {
            let key = key_at(&table, row)?;
            if table.keys.last().is_some_and(|last| *last >= key) {
                return Err(unordered(row));
            }
            table.keys.push(key);
        }
        let last = key_at(&table, rows - 1)?;
        if table.keys.last().is_some_and(|key| *key > last) {
            return Err(unordered(rows - 1));
        }
        Ok(table)
    }

    /// Returns the number of addresses.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    fn read_rows(&self, first: u64, count: u64) -> io::Result<Vec<u8>> {
        let bytes = usize::try_from(count).expect("few rows") * ROW_BYTES;
        let mut buffer = vec![0; bytes];
        let offset = HEADER.len() as u64 + first * ROW_BYTES as u64;
        read_exact_at(&self.file, &mut buffer, offset)?;
        Ok(buffer)
    }

    /// Finds the row of a UPRN.
    fn find_row(&self, number: u64) -> Result<Option<UprnRecord>, UnreadableUprns> {
        let after = self.keys.partition_point(|key| *key <= number) as u64;
        let Some(before) = after.checked_sub(1) else {
            return Ok(None);
        };
        let mut first = before * self.interval;
        let mut end = (after * self.interval).min(self.rows);
        let read = |row, count| self.read_rows(row, count).map_err(|_| UnreadableUprns);
        while end - first > BLOCK_ROWS {
            let middle = first + (end - first) / 2;
            let bytes = read(middle, 1)?;
            match key_of(&bytes).ok_or(UnreadableUprns)? {
                key if key <= number => first = middle,
                _ => end = middle,
            }
        }
        let block = read(first, end - first)?;
        let rows: Vec<&[u8]> = block.chunks_exact(ROW_BYTES).collect();
        // Every key of the block is checked, because an error must not look like an unknown UPRN.
        let mut found = None;
        let mut last = 0;
        for row in rows {
            let key = key_of(row).filter(|key| *key > last);
            last = key.ok_or(UnreadableUprns)?;
            if last == number {
                found = Some(parse_row(row).ok_or(UnreadableUprns)?);
            }
        }
        Ok(found)
    }
}

impl UprnList for UprnTable {
    fn find(&self, uprn: Uprn) -> Result<Option<Home>, UnreadableUprns> {
        let found = self.find_row(uprn.number())?;
        Ok(found.map(|record| record.home))
    }
}

/// Prints only the number of rows, because the rows show where people live.
impl std::fmt::Debug for UprnTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UprnTable")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buffer.is_empty() {
        let count = file.seek_read(buffer, offset)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[count..];
        offset += count as u64;
    }
    Ok(())
}

/// Returns the UPRN of a row.
fn key_of(row: &[u8]) -> Option<u64> {
    let digits = row.get(..UPRN_DIGITS)?;
    let is_key = digits.iter().all(u8::is_ascii_digit) && row.get(UPRN_DIGITS) == Some(&b',');
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_key)?;
    digits.parse().ok()
}

/// Parses a row.
fn parse_row(row: &[u8]) -> Option<UprnRecord> {
    let text = std::str::from_utf8(row).ok()?.strip_suffix('\n')?;
    let uprn = Uprn::from_number(key_of(row)?)?;
    let mut cells = text.split(',').skip(1).map(str::trim);
    let mut metres = || cells.next()?.parse::<f64>().ok();
    let position = BritishGrid::from_metres(metres()?, metres()?).ok()?;
    let (postcode, code) = (cells.next()?, cells.next()?);
    if cells.next().is_some() {
        return None;
    }
    let postcode = match postcode {
        "" => None,
        text => Some(text.parse().ok()?),
    };
    let statistical_area = match code {
        "" => None,
        text => Some(text.parse().ok()?),
    };
    Some(UprnRecord {
        uprn,
        home: Home {
            position,
            postcode,
            statistical_area,
        },
    })
}

/// Writes a table. The rows must be added in order of UPRN.
pub(crate) struct UprnTableWriter<W> {
    output: W,
    rows: u64,
}

impl<W: Write> UprnTableWriter<W> {
    /// Writes the header row.
    pub(crate) fn new(mut output: W) -> io::Result<UprnTableWriter<W>> {
        output.write_all(HEADER.as_bytes())?;
        Ok(UprnTableWriter { output, rows: 0 })
    }

    /// Writes a row.
    pub(crate) fn add(&mut self, record: &UprnRecord) -> io::Result<()> {
        let home = record.home;
        let (easting, northing) = (home.position.easting_m(), home.position.northing_m());
        let postcode = home.postcode.map(|postcode| postcode.to_string());
        let postcode = postcode.unwrap_or_default();
        let code = home.statistical_area;
        let code = code.as_ref().map_or("", |code| code.as_str());
        self.rows += 1;
        let uprn = record.uprn.number();
        writeln!(
            self.output,
            "{uprn:012},{easting:010.2},{northing:010.2},{postcode:<8},{code:<9}"
        )
    }

    /// Returns the number of rows and the output.
    pub(crate) fn finish(mut self) -> io::Result<(u64, W)> {
        self.output.flush()?;
        Ok((self.rows, self.output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64) -> UprnRecord {
        let offset = f64::from(u32::try_from(number % 1_000).expect("small"));
        UprnRecord {
            uprn: Uprn::from_number(number).expect("a UPRN"),
            home: Home {
                position: BritishGrid::from_metres(349_234.25 + offset, 1_200_000.0)
                    .expect("a place"),
                postcode: number
                    .is_multiple_of(2)
                    .then(|| "SW1A 1AA".parse().expect("a postcode")),
                statistical_area: number
                    .is_multiple_of(3)
                    .then(|| "E01000001".parse().expect("a code")),
            },
        }
    }

    fn write(numbers: impl IntoIterator<Item = u64>) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let output = io::BufWriter::new(file.as_file());
        let mut writer = UprnTableWriter::new(output).expect("written");
        for number in numbers {
            writer.add(&record(number)).expect("written");
        }
        writer.finish().expect("written");
        file
    }

    fn open_error(path: &Path) -> String {
        UprnTable::open(path)
            .expect_err("it is invalid")
            .to_string()
    }

    #[test]
    fn every_row_is_found_and_no_other() {
        for rows in [1, 2, 255, 256, 257, 4_096, 4_097] {
            let numbers = (1..=rows).map(|row| row * 7 + 100_000_000_000);
            let file = write(numbers.clone());
            let table = UprnTable::open(file.path()).expect("a table");
            assert_eq!(table.rows(), rows);
            // The first and last rows of blocks are among these.
            for number in numbers.step_by(if rows > 300 { 5 } else { 1 }) {
                let found = table.find(record(number).uprn).expect("readable");
                assert_eq!(found, Some(record(number).home), "{number} of {rows}");
                for other in [number - 1, number + 1] {
                    let found = table.find(record(other).uprn).expect("readable");
                    assert_eq!(found, None, "{other} of {rows}");
                }
            }
            for other in [1, 99_999_999_999, 999_999_999_999] {
                assert_eq!(table.find(record(other).uprn), Ok(None));
            }
        }
    }

    #[test]
    fn rows_have_one_length_and_are_csv() {
        let file = write([12, 100_023_336_957]);
        let text = std::fs::read_to_string(file.path()).expect("text");
        assert_eq!(
            text,
            "uprn,easting,northing,postcode,statistical_area\n\
             000000000012,0349246.25,1200000.00,SW1A 1AA,E01000001\n\
             100023336957,0350191.25,1200000.00,        ,E01000001\n"
        );
    }

    #[test]
    fn other_files_are_rejected_with_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("uprn.csv");
        let complete = std::fs::read(write(1..=10).path()).expect("bytes");
        let swapped = {
            let mut bytes = complete.clone();
            bytes[HEADER.len() + UPRN_DIGITS - 1] = b'9';
            bytes
        };
        let mut damaged = complete.clone();
        let last = damaged.len() - ROW_BYTES;
        damaged[last + UPRN_DIGITS + 1] = b'x';
        for (content, expected) in [
            (b"".to_vec(), "the first line should be `uprn,easting"),
            (b"UPRN,X,Y\n1,2,3\n".to_vec(), "the first line should be"),
            (HEADER.as_bytes().to_vec(), "but has 0 bytes"),
            (complete[..complete.len() - 1].to_vec(), "was it truncated"),
            (damaged, "line 11 is not a row of the table"),
            (swapped, "but line 3 is not"),
        ] {
            std::fs::write(&path, content).expect("written");
            let error = open_error(&path);
            assert!(error.contains(expected), "{error}");
        }
        assert!(open_error(folder.path()).contains("cannot be read"));
        assert!(open_error(&folder.path().join("none")).contains("cannot be read"));
    }

    #[test]
    fn a_table_that_changes_while_it_is_open_is_unreadable() {
        let file = write(1..=600);
        let table = UprnTable::open(file.path()).expect("a table");
        let uprn = record(300).uprn;
        assert!(table.find(uprn).expect("readable").is_some());
        file.as_file().set_len(1_000).expect("truncated");
        assert_eq!(table.find(uprn), Err(UnreadableUprns));
    }
}
