//! Finds the header row of a CSV file, its delimiter and its columns.

use memchr::memchr;

use super::column_mapping::ColumnMapping;
use super::practice_names::{ROWS_CHECKED, with_practice_column};
use super::{BatchError, BatchRequest};
use crate::tabular::blocks::BLOCK_BYTES;
use crate::tabular::delimiter::Delimiter;
use crate::tabular::error::TabularError;
use crate::tabular::fields::{
    RowEnd, field_ends, field_range, row_end, rows, split_line_ending, unquote,
};
use crate::tabular::file_format::LineEnding;
use crate::tabular::limits::COLUMNS_MAX;
use catchment_core::domain::Postcode;

/// The position of the header row in a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeaderOptions {
    /// The number of lines above the header row or, if there is no header row, above the first row.
    /// If `None`, the header row is detected.
    pub skip_lines: Option<usize>,
    /// Whether the file has no header row, in which case the names of the columns are their
    /// numbers.
    pub is_absent: bool,
}

/// The header of a text file.
pub(super) struct InputHeader {
    pub(super) delimiter: Option<Delimiter>,
    pub(super) line_ending: LineEnding,
    pub(super) columns: Vec<String>,
    pub(super) column_mapping: ColumnMapping,
    /// The offset of the header row: the length of the lines above it.
    pub(super) start: usize,
    /// The offset after the header row, including its line ending.
    pub(super) end: usize,
    /// Whether all names are in single quotation marks.
    pub(super) has_single_quotes: bool,
}

/// The number of lines at the start of the file in which the header row may be.
const LINES_SEARCHED: usize = 20;

/// The kind of names by which columns are recognised.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NameMatch {
    /// Names that are known as a whole.
    Known,
    /// Also names that contain the word "postcode". Only the most likely delimiter is tried,
    /// because with another delimiter the whole header row may be a single name.
    Containing,
}

/// The text of a file, and the user's options for reading it.
#[derive(Clone, Copy)]
struct HeaderSearch<'a> {
    text: &'a [u8],
    request: &'a BatchRequest,
    delimiter: Option<Delimiter>,
}

pub(super) fn line_ending(line: &[u8]) -> LineEnding {
    match line {
        [.., b'\r', b'\n'] => LineEnding::CrLf,
        _ => LineEnding::Lf,
    }
}

/// Parses the header row, using the given delimiter or the most likely delimiter. Titles, blank
/// lines and a line such as `sep=;` may precede the header row.
pub(super) fn detect_csv_header(
    text: &[u8],
    request: &BatchRequest,
) -> Result<InputHeader, BatchError> {
    if memchr(b'\n', text).is_none() && memchr(b'\r', text).is_some() {
        return Err(BatchError::CarriageReturns);
    }
    let mut search = HeaderSearch {
        text,
        request,
        delimiter: request.delimiter,
    };
    let mut start = 0;
    if let Some((delimiter, end)) = separator_line(text) {
        search.delimiter.get_or_insert(delimiter);
        start = end;
    }
    if let Some(lines) = request.header.skip_lines {
        start = offset_after_lines(text, lines)?;
    }
    if !request.header.is_absent && request.header.skip_lines.is_none() {
        return search.find_header(start);
    }
    match search.header_at(start, NameMatch::Known) {
        Err(error) if error.is_column_missing() => {
            let header = search.header_at(start, NameMatch::Containing);
            header.map_err(|other| {
                if other.is_column_missing() {
                    error
                } else {
                    other
                }
            })
        }
        result => result,
    }
}

/// Returns the delimiter that the first line specifies in the form that Excel uses (`sep=;`), and
/// the offset after this line.
fn separator_line(text: &[u8]) -> Option<(Delimiter, usize)> {
    let end = memchr(b'\n', text)? + 1;
    let line = std::str::from_utf8(&text[..end]).ok()?;
    let line = line.trim_end_matches(['\r', '\n']).trim_matches('"');
    let (name, value) = line.split_at_checked(4)?;
    if !name.eq_ignore_ascii_case("sep=") {
        return None;
    }
    Some((value.parse().ok()?, end))
}

fn offset_after_lines(text: &[u8], lines: usize) -> Result<usize, BatchError> {
    match lines {
        0 => Ok(0),
        _ => memchr::memchr_iter(b'\n', text)
            .nth(lines - 1)
            .map(|index| index + 1)
            .ok_or(BatchError::TooFewLines { lines }),
    }
}

impl HeaderSearch<'_> {
    /// Finds the first line at or after `start` that contains the names of the required columns.
    /// Every line above it must be a title. A title must have fewer non-empty fields than the
    /// header row has names.
    fn find_header(&self, start: usize) -> Result<InputHeader, BatchError> {
        let lines = self.lines_from(start);
        let first = lines.first().copied().unwrap_or(start);
        let first_error = match self.header_at(first, NameMatch::Known) {
            Ok(header) => return Ok(header),
            Err(error) if !error.is_column_missing() => return Err(error),
            Err(error) => error,
        };
        let mut candidate = None;
        for names in [NameMatch::Known, NameMatch::Containing] {
            for &line in &lines {
                let Ok(header) = self.header_at(line, names) else {
                    continue;
                };
                if line == first || self.are_titles(&lines, &header) {
                    return Ok(header);
                }
                if names == NameMatch::Known && candidate.is_none() {
                    candidate = Some(1 + memchr::memchr_iter(b'\n', &self.text[..line]).count());
                }
            }
        }
        // The error lists two columns if the names of both contain the word "postcode".
        let error = match self.header_at(first, NameMatch::Containing) {
            Err(error) if !error.is_column_missing() => error,
            _ => first_error,
        };
        Err(match candidate {
            Some(line) => BatchError::HeaderBelow { line },
            None => error,
        })
    }

    /// Returns the offsets of the first lines that are not blank.
    fn lines_from(&self, start: usize) -> Vec<usize> {
        let mut offset = start;
        let mut lines = Vec::new();
        for line in self.text[start..].split_inclusive(|&byte| byte == b'\n') {
            if line.iter().any(u8::is_ascii_alphanumeric) {
                lines.push(offset);
            }
            offset += line.len();
            if lines.len() == LINES_SEARCHED {
                break;
            }
        }
        lines
    }

    /// Returns whether all lines above a header row are titles.
    fn are_titles(&self, lines: &[usize], header: &InputHeader) -> bool {
        let delimiter = header.delimiter.expect("CSV");
        let names = header
            .columns
            .iter()
            .filter(|name| !name.is_empty())
            .count();
        let mut above = lines.iter().take_while(|&&line| line < header.start);
        let mut ends = Vec::new();
        above.all(|&start| {
            let rest = &self.text[start..];
            let line = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
            field_ends(line, true, delimiter, &mut ends);
            let fields = (0..ends.len()).map(|index| &line[field_range(&ends, index, delimiter)]);
            fields
                .filter(|field| field.iter().any(u8::is_ascii_alphanumeric))
                .count()
                < names
        })
    }

    /// Parses the header row at an offset.
    fn header_at(&self, start: usize, names: NameMatch) -> Result<InputHeader, BatchError> {
        if let Some(given) = self.delimiter {
            let rest = &self.text[start..];
            let first_line = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
            let is_latin1 = given.is_not_sign()
                && memchr::memmem::find(first_line, given.as_bytes()).is_none()
                && memchr(Delimiter::NOT_SIGN_LATIN1.first(), first_line).is_some();
            let delimiter = if is_latin1 {
                Delimiter::NOT_SIGN_LATIN1
            } else {
                given
            };
            return self.header_with_delimiter(start, delimiter, names).1;
        }
        let candidates = Delimiter::CANDIDATES
            .map(|delimiter| self.header_with_delimiter(start, delimiter, names));
        let mut best: Option<&InputHeader> = None;
        let valid = candidates
            .iter()
            .filter_map(|(_, header)| header.as_ref().ok());
        let rank =
            |header: &InputHeader| (header.column_mapping.columns().len(), header.columns.len());
        for header in valid {
            match best {
                Some(other)
                    if names == NameMatch::Known
                        && rank(header) == rank(other)
                        && header.columns.len() > 1 =>
                {
                    let (first, second) = (other.delimiter, header.delimiter);
                    let (first, second) = (first.expect("CSV"), second.expect("CSV"));
                    return Err(BatchError::AmbiguousDelimiter { first, second });
                }
                Some(other) if rank(header) <= rank(other) => {}
                _ => best = Some(header),
            }
        }
        let best = match names {
            NameMatch::Known => best.and_then(|best| best.delimiter),
            NameMatch::Containing => None,
        };
        let mut candidates = candidates.into_iter().collect::<Vec<_>>();
        let chosen = match best {
            Some(best) => Delimiter::CANDIDATES
                .iter()
                .position(|delimiter| *delimiter == best),
            // If no delimiter is valid, the error for the most likely delimiter is returned.
            None => (0..candidates.len())
                .rev()
                .max_by_key(|&index| candidates[index].0),
        };
        candidates.swap_remove(chosen.expect("there are several")).1
    }

    /// Parses the header row with a delimiter. Returns the number of fields and the header.
    fn header_with_delimiter(
        &self,
        start: usize,
        delimiter: Delimiter,
        names: NameMatch,
    ) -> (usize, Result<InputHeader, BatchError>) {
        let text = self.text;
        let end = match row_end(text, start, delimiter) {
            RowEnd::After(end) => end,
            RowEnd::EndOfText if text.len() < BLOCK_BYTES => text.len(),
            RowEnd::EndOfText => return (0, Err(TabularError::TooManyColumns.into())),
            RowEnd::Unterminated => {
                let line = 1 + memchr::memchr_iter(b'\n', &text[..start]).count() as u64;
                return (0, Err(TabularError::UnterminatedQuote { line }.into()));
            }
        };
        let (row, _) = split_line_ending(&text[start..end]);
        let mut ends = Vec::new();
        field_ends(row, true, delimiter, &mut ends);
        if ends.len() > COLUMNS_MAX {
            return (ends.len(), Err(TabularError::TooManyColumns.into()));
        }
        let name = |index| {
            let name = unquote(&row[field_range(&ends, index, delimiter)]).into_owned();
            String::from_utf8_lossy(&name).trim().to_string()
        };
        let mut columns: Vec<String> = (0..ends.len()).map(name).collect();
        let is_absent = self.request.header.is_absent;
        let has_single_quotes = columns.iter().all(|name| in_single_quotes(name).is_some());
        if is_absent {
            columns = (1..=ends.len()).map(|number| number.to_string()).collect();
        } else if has_single_quotes {
            let names = columns.iter().filter_map(|name| in_single_quotes(name));
            columns = names.map(str::to_string).collect();
        }
        // NFA and NPC are written in place of a postcode, but may also be the name of a column.
        let is_postcode = |name: &String| {
            name.bytes().any(|byte| byte.is_ascii_digit()) && name.parse::<Postcode>().is_ok()
        };
        if columns.iter().any(is_postcode) {
            return (ends.len(), Err(BatchError::MissingHeader));
        }
        let overrides = &self.request.column_overrides;
        let overrides = with_practice_column(&columns, overrides, |column| {
            first_values(&text[end..], delimiter, column)
        });
        let mapping = match names {
            NameMatch::Known => ColumnMapping::find_by_known_names(&columns, &overrides),
            NameMatch::Containing => ColumnMapping::find(&columns, &overrides),
        };
        let header = mapping.map(|column_mapping| InputHeader {
            delimiter: Some(delimiter),
            line_ending: line_ending(&text[start..end]),
            columns,
            column_mapping,
            start,
            end: if is_absent { start } else { end },
            has_single_quotes,
        });
        (ends.len(), header)
    }
}

/// Returns the values of a column in the first rows.
fn first_values(text: &[u8], delimiter: Delimiter, column: usize) -> Vec<String> {
    let mut ends = Vec::new();
    let values = rows(text, delimiter).take(ROWS_CHECKED).map(|row| {
        field_ends(row, true, delimiter, &mut ends);
        if column >= ends.len() {
            return String::new();
        }
        let value = unquote(&row[field_range(&ends, column, delimiter)]).into_owned();
        let value = String::from_utf8_lossy(&value);
        in_single_quotes(&value).unwrap_or(&value).to_string()
    });
    values.collect()
}

/// Returns the text between single quotation marks.
pub(super) fn in_single_quotes(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.strip_suffix('\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separator_lines_state_the_delimiter() {
        let found = |text: &str| separator_line(text.as_bytes());
        let semicolon: Delimiter = ";".parse().expect("a delimiter");
        assert_eq!(found("sep=;\r\na;b\n"), Some((semicolon, 7)));
        assert_eq!(found("\"SEP=;\"\na\n"), Some((semicolon, 8)));
        assert_eq!(found("sep=\t\na\n"), Some((Delimiter::TAB, 6)));
        assert_eq!(found("sep=ab\na\n"), None);
        assert_eq!(found("separator\na\n"), None);
        assert_eq!(found("sep=;"), None);
    }

    #[test]
    fn lines_are_counted_from_the_start() {
        let after = |lines| offset_after_lines(b"a\nbc\nd", lines).ok();
        assert_eq!([0, 1, 2, 3].map(after), [Some(0), Some(2), Some(5), None]);
    }
}
