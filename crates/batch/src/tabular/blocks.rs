//! Splits text input into blocks of whole rows.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter};

use super::delimiter::Delimiter;
use super::error::TabularError;
use super::fields::{RowEnd, row_end};
use super::pipeline::BlockSource;

/// A block of whole rows.
#[derive(Default)]
pub(crate) struct RowBlock {
    pub(crate) bytes: Vec<u8>,
    pub(crate) rows: Vec<RowSpan>,
    /// The number of blank rows at the end of the file, if the file ends with this block.
    pub(crate) trailing_blanks: usize,
    /// The number of the line on which the block starts, counting from 1.
    pub(crate) first_line: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowSpan {
    /// The offset after the line ending of the row.
    pub(crate) end: usize,
    /// Whether the row contains a quotation mark.
    pub(crate) has_quotes: bool,
}

/// The rule that determines where a row ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RowSyntax {
    /// A row ends at a line feed outside quotation marks.
    Csv(Delimiter),
    /// A row ends at every line feed.
    Lines,
}

/// The approximate size of a block in bytes. It is small enough for the processor's cache, and
/// large enough that the cost of synchronisation is negligible.
pub(crate) const BLOCK_BYTES: usize = 256 << 10;
/// The maximum length of a row in bytes. A longer row indicates an unclosed quotation mark, or a
/// file that is not a table.
pub(crate) const ROW_BYTES_MAX: usize = 1 << 20;

/// A reader that returns one block after another. The block boundaries depend only on the input
/// bytes.
pub(crate) struct BlockReader<R> {
    source: R,
    syntax: RowSyntax,
    /// The maximum number of rows in a block.
    rows_max: usize,
    /// Bytes that were read but are not yet part of a block.
    remainder: Vec<u8>,
    has_ended: bool,
    line: u64,
}

impl<R: Read> BlockReader<R> {
    /// Creates a reader that starts at line number `line`. `remainder` contains the bytes that were
    /// already read. A block has at most `rows_max` rows, because a row of a single byte may
    /// produce a much longer output row.
    pub(crate) fn new(
        source: R,
        syntax: RowSyntax,
        rows_max: usize,
        remainder: Vec<u8>,
        line: u64,
    ) -> BlockReader<R> {
        BlockReader {
            source,
            syntax,
            rows_max,
            remainder,
            has_ended: false,
            line,
        }
    }

    /// Fills the block with the next rows. Returns `false` if there are no more rows.
    pub(crate) fn next(&mut self, block: &mut RowBlock) -> Result<bool, TabularError> {
        block.bytes.clear();
        block.bytes.append(&mut self.remainder);
        block.first_line = self.line;
        let mut length = BLOCK_BYTES;
        let complete_end = loop {
            self.has_ended |= fill(&mut self.source, &mut block.bytes, length)?;
            let complete_end =
                split_rows(self.syntax, self.rows_max, &block.bytes, &mut block.rows);
            if complete_end > 0 || self.has_ended {
                break complete_end;
            }
            if block.bytes.len() > ROW_BYTES_MAX {
                return Err(TabularError::RowTooLong { line: self.line });
            }
            length = block.bytes.len() + BLOCK_BYTES;
        };
        let is_full = block.rows.len() == self.rows_max;
        let mut end = if self.has_ended && !is_full {
            self.push_last_row(block, complete_end)?
        } else {
            complete_end
        };
        let blanks = match self.syntax {
            RowSyntax::Csv(_) => count_trailing_blanks(block),
            RowSyntax::Lines => 0,
        };
        block.trailing_blanks = 0;
        if self.has_ended && end == block.bytes.len() {
            block.trailing_blanks = blanks;
        } else if blanks < block.rows.len() {
            // It is not yet known whether the file ends after these rows.
            block.rows.truncate(block.rows.len() - blanks);
            end = block.rows.last().map_or(end, |row| row.end);
        }
        self.remainder.extend_from_slice(&block.bytes[end..]);
        block.bytes.truncate(end);
        self.line += memchr_iter(b'\n', &block.bytes).count() as u64;
        Ok(!block.rows.is_empty())
    }

    /// Adds the last row of the file, which may lack a line feed. Returns the offset of the end of
    /// this row.
    fn push_last_row(
        &self,
        block: &mut RowBlock,
        complete_end: usize,
    ) -> Result<usize, TabularError> {
        let end = block.bytes.len();
        if complete_end < end {
            if let RowSyntax::Csv(delimiter) = self.syntax
                && row_end(&block.bytes, complete_end, delimiter) == RowEnd::Unterminated
            {
                let lines_before = memchr_iter(b'\n', &block.bytes[..complete_end]).count() as u64;
                return Err(TabularError::UnterminatedQuote {
                    line: self.line + lines_before,
                });
            }
            let is_quoted = memchr(b'"', &block.bytes[complete_end..]).is_some();
            block.rows.push(RowSpan {
                end,
                has_quotes: is_quoted,
            });
        }
        Ok(end)
    }
}

impl<R: Read + Send> BlockSource for BlockReader<R> {
    type Block = RowBlock;

    fn next(&mut self, block: &mut RowBlock) -> Result<bool, TabularError> {
        BlockReader::next(self, block)
    }
}

/// Reads until `bytes` has `length` bytes or the source ends. Returns whether the source has ended.
pub(crate) fn fill(source: &mut impl Read, bytes: &mut Vec<u8>, length: usize) -> io::Result<bool> {
    let Some(missing) = length.checked_sub(bytes.len()) else {
        return Ok(false);
    };
    source.by_ref().take(missing as u64).read_to_end(bytes)?;
    Ok(bytes.len() < length)
}

/// The end-of-file character of DOS.
pub(crate) const END_OF_FILE: u8 = 0x1a;

/// Returns the number of rows at the end of a block that contain only spaces or the end-of-file
/// character.
fn count_trailing_blanks(block: &RowBlock) -> usize {
    let is_blank = |index: &usize| {
        let start = index
            .checked_sub(1)
            .map_or(0, |before| block.rows[before].end);
        let row = &block.bytes[start..block.rows[*index].end];
        row.iter()
            .all(|byte| matches!(byte, b' ' | b'\r' | b'\n' | &END_OF_FILE))
    };
    (0..block.rows.len()).rev().take_while(is_blank).count()
}

/// Finds at most `rows_max` complete rows, and returns the offset of their end.
fn split_rows(syntax: RowSyntax, rows_max: usize, bytes: &[u8], rows: &mut Vec<RowSpan>) -> usize {
    rows.clear();
    let RowSyntax::Csv(delimiter) = syntax else {
        let is_quoted = false;
        rows.extend(
            memchr_iter(b'\n', bytes)
                .take(rows_max)
                .map(|index| RowSpan {
                    end: index + 1,
                    has_quotes: is_quoted,
                }),
        );
        return rows.last().map_or(0, |row| row.end);
    };
    let quote_after =
        |offset: usize| memchr(b'"', &bytes[offset..]).map_or(bytes.len(), |found| offset + found);
    let mut next_quote = quote_after(0);
    let mut start = 0;
    while let Some(found) = memchr(b'\n', &bytes[start..]) {
        let mut end = start + found + 1;
        let is_quoted = next_quote < end;
        if is_quoted {
            let RowEnd::After(after) = row_end(bytes, start, delimiter) else {
                break;
            };
            end = after;
            next_quote = quote_after(end);
        }
        rows.push(RowSpan {
            end,
            has_quotes: is_quoted,
        });
        start = end;
        if rows.len() == rows_max {
            break;
        }
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the rows of text, each with the index of its block.
    fn rows(text: &str) -> Result<Vec<(u64, String)>, String> {
        rows_by(8_192, text)
    }

    /// Returns the rows of text, each with the index of its block. A block has at most `rows_max`
    /// rows.
    fn rows_by(rows_max: usize, text: &str) -> Result<Vec<(u64, String)>, String> {
        let syntax = RowSyntax::Csv(Delimiter::COMMA);
        let mut blocks = BlockReader::new(text.as_bytes(), syntax, rows_max, Vec::new(), 1);
        let mut block = RowBlock::default();
        let mut found = Vec::new();
        let mut block_index = 0;
        while blocks.next(&mut block).map_err(|error| error.to_string())? {
            let mut start = 0;
            for row in &block.rows {
                let text = String::from_utf8_lossy(&block.bytes[start..row.end]);
                found.push((block_index, text.into_owned()));
                start = row.end;
            }
            assert_eq!(start, block.bytes.len());
            block_index += 1;
        }
        Ok(found)
    }

    #[test]
    fn input_longer_than_a_block_is_split_at_row_ends() {
        let row = |number: usize| match number % 3 {
            0 => format!("\"{number}\nnext line\",LA1 1AA\r\n"),
            1 => format!("{number},5\" pipe\n"),
            _ => format!("{number},\n"),
        };
        let expected: Vec<String> = (0..60_000).map(row).collect();
        let found = rows(&expected.concat()).expect("rows");
        assert!(found.last().expect("some").0 > 2, "more than one block");
        let found: Vec<String> = found.into_iter().map(|(_, row)| row).collect();
        assert!(found == expected);
    }

    #[test]
    fn the_last_row_may_lack_a_line_feed() {
        let texts = |text| {
            let rows = rows(text).expect("rows");
            rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>()
        };
        assert_eq!(texts("a\nb"), ["a\n", "b"]);
        assert_eq!(texts("a\n\n"), ["a\n", "\n"]);
        assert_eq!(texts("\"a\nb\""), ["\"a\nb\""]);
        assert_eq!(texts(""), [""; 0]);
    }

    #[test]
    fn blocks_have_at_most_rows_max_rows() {
        let in_blocks = |text| {
            let rows = rows_by(2, text).expect("rows");
            rows.into_iter()
                .map(|(block, row)| format!("{block} {row}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(in_blocks("a\nb\n"), ["0 a\n", "0 b\n"]);
        assert_eq!(in_blocks("a\nb\nc"), ["0 a\n", "0 b\n", "1 c"]);
        assert_eq!(
            in_blocks("\n\n\n\n\n"),
            ["0 \n", "0 \n", "1 \n", "1 \n", "2 \n"]
        );
        let error = rows_by(2, "a\nb\nc\n\"d\n").expect_err("open");
        assert!(error.contains("line 4"), "{error}");
    }

    #[test]
    fn blank_rows_at_the_end_are_counted_in_the_last_block() {
        let blanks = |text: &str, rows_max| {
            let syntax = RowSyntax::Csv(Delimiter::COMMA);
            let mut blocks = BlockReader::new(text.as_bytes(), syntax, rows_max, Vec::new(), 1);
            let mut block = RowBlock::default();
            let mut found = Vec::new();
            while blocks.next(&mut block).expect("rows") {
                found.push((block.rows.len(), block.trailing_blanks));
            }
            found
        };
        assert_eq!(blanks("a\n\nb\r\n \r\n\x1a", 9), [(5, 2)]);
        assert_eq!(blanks("a\n\n", 1), [(1, 0), (1, 1)]);
        assert_eq!(blanks("a\n\nb\n", 2), [(1, 0), (2, 0)]);
        assert_eq!(blanks("a\nb\n\n", 3), [(3, 1)]);
    }

    #[test]
    fn unterminated_quotes_are_reported_with_their_line() {
        let error = rows("a\nb,\"c\nd\n").expect_err("open");
        assert!(error.contains("line 2"), "{error}");
        let error = rows(&format!("a\n\"{}", "b\n".repeat(2 << 20))).expect_err("too long");
        assert!(error.contains("line 2"), "{error}");
    }
}
