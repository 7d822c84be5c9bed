//! Writes bad rows, and finds the line on which each of them starts.

use memchr::memchr_iter;

use super::csv_rows::CsvFieldWriter;
use crate::tabular::cell_format::write_json_string;
use crate::tabular::fields::field_ends;

/// A lazy line counter, which counts line feeds only up to the offset whose line number is
/// requested.
pub(super) struct LineCounter<'b> {
    bytes: &'b [u8],
    line: u64,
    position: usize,
}

impl<'b> LineCounter<'b> {
    /// Creates a counter for a block that starts on line `first_line`.
    pub(super) fn new(bytes: &'b [u8], first_line: u64) -> LineCounter<'b> {
        LineCounter {
            bytes,
            line: first_line,
            position: 0,
        }
    }

    /// Returns the line that contains the byte at this offset. Offsets must not decrease between
    /// calls.
    pub(super) fn line_at(&mut self, offset: usize) -> u64 {
        self.line += memchr_iter(b'\n', &self.bytes[self.position..offset]).count() as u64;
        self.position = offset;
        self.line
    }
}

/// Writes a bad row, padded or cut to `field_count` fields.
pub(super) fn write_bad_fields(
    row: &[u8],
    field_count: usize,
    writer: CsvFieldWriter,
    out: &mut Vec<u8>,
) {
    let mut ends = Vec::new();
    field_ends(row, true, writer.delimiter, &mut ends);
    ends.truncate(field_count);
    let retained = &row[..ends.last().copied().unwrap_or_default()];
    writer.write_fields(retained, &ends, out);
    for _ in ends.len()..field_count {
        out.extend_from_slice(writer.delimiter.as_bytes());
    }
}

/// Writes an object that contains the text of a bad line and the output members that
/// `write_members` appends.
pub(super) fn write_bad_line(
    line: &[u8],
    write_members: impl FnOnce(&mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"catchment_input\":");
    write_json_string(out, &String::from_utf8_lossy(line));
    write_members(out);
    out.push(b'}');
}
