//! The formats in which output cells are written.

use std::borrow::Cow;

use super::delimiter::Delimiter;

/// The separator between several values, or several reasons, in one cell.
pub const SEPARATOR: &str = ";";

/// The format of the output cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellFormat {
    /// CSV fields (RFC 4180). A delimiter precedes each field, and fields are quoted if necessary.
    Csv(Delimiter),
    /// Members of a JSON object (RFC 8259).
    Json,
    /// Length-prefixed bytes, from which arrays are built. Texts are in UTF-8, and each number
    /// consists of eight bytes.
    LengthPrefixed,
}

/// The length that marks a null cell in [`CellFormat::LengthPrefixed`].
const NULL_LENGTH: u32 = u32::MAX;

/// Removes the next cell from a row in [`CellFormat::LengthPrefixed`] and returns it, or `None` if
/// the cell is null.
pub(crate) fn take_cell<'r>(row: &mut &'r [u8]) -> Option<&'r [u8]> {
    let (length, rest) = row.split_first_chunk().expect("a length for each cell");
    let length = u32::from_le_bytes(*length);
    let (cell, rest) = match length {
        NULL_LENGTH => (None, rest),
        length => {
            let (cell, rest) = rest.split_at(length as usize);
            (Some(cell), rest)
        }
    };
    *row = rest;
    cell
}

/// Appends a cell in [`CellFormat::LengthPrefixed`].
pub(crate) fn write_cell(out: &mut Vec<u8>, cell: Option<&[u8]>) {
    let length = |cell: &[u8]| u32::try_from(cell.len()).expect("cells are short");
    out.extend_from_slice(&cell.map_or(NULL_LENGTH, length).to_le_bytes());
    out.extend_from_slice(cell.unwrap_or_default());
}

impl CellFormat {
    /// Writes what precedes the value of a cell: the delimiter, or the member name.
    fn write_prefix(self, out: &mut Vec<u8>, column: &str) {
        match self {
            CellFormat::Csv(delimiter) => out.extend_from_slice(delimiter.as_bytes()),
            CellFormat::Json => {
                out.extend_from_slice(b",\"");
                out.extend_from_slice(column.as_bytes());
                out.extend_from_slice(b"\":");
            }
            CellFormat::LengthPrefixed => {}
        }
    }

    /// Writes a cell without a value.
    pub(crate) fn write_null(self, out: &mut Vec<u8>, column: &str) {
        self.write_prefix(out, column);
        match self {
            CellFormat::Csv(_) => {}
            CellFormat::Json => out.extend_from_slice(b"null"),
            CellFormat::LengthPrefixed => write_cell(out, None),
        }
    }

    /// Writes a text cell. An empty text is written as null.
    pub(crate) fn write_text(self, out: &mut Vec<u8>, column: &str, text: &str) {
        if text.is_empty() {
            return self.write_null(out, column);
        }
        self.write_prefix(out, column);
        match self {
            CellFormat::Csv(delimiter) => write_csv_cell(out, &escape_formula(text), delimiter),
            CellFormat::Json => write_json_string(out, text),
            // No escape is necessary, because a spreadsheet cannot open this format.
            CellFormat::LengthPrefixed => write_cell(out, Some(text.as_bytes())),
        }
    }

    /// Writes a cell with several fixed words, none of which contains characters that must be
    /// escaped.
    pub(crate) fn write_words<'t>(
        self,
        out: &mut Vec<u8>,
        column: &str,
        mut words: impl Iterator<Item = &'t [u8]>,
    ) {
        let Some(first) = words.next() else {
            return self.write_null(out, column);
        };
        self.write_prefix(out, column);
        if self == CellFormat::LengthPrefixed {
            let words: Vec<&[u8]> = std::iter::once(first).chain(words).collect();
            return write_cell(out, Some(&words.join(SEPARATOR.as_bytes())));
        }
        let start = out.len();
        out.extend_from_slice(first);
        for word in words {
            out.extend_from_slice(SEPARATOR.as_bytes());
            out.extend_from_slice(word);
        }
        let needs_quotes = match self {
            CellFormat::Csv(delimiter) => {
                memchr::memchr(delimiter.first(), &out[start..]).is_some()
            }
            _ => true,
        };
        if needs_quotes {
            out.insert(start, b'"');
            out.push(b'"');
        }
    }

    /// Writes a number, which is never escaped as a formula, even if it is negative.
    pub(crate) fn write_number(
        self,
        out: &mut Vec<u8>,
        column: &str,
        number: Option<f64>,
        decimals: i32,
    ) {
        let Some(number) = number else {
            return self.write_null(out, column);
        };
        self.write_prefix(out, column);
        let scale = 10_f64.powi(decimals);
        // Adding 0.0 turns -0.0 into 0.0.
        let rounded = (number * scale).round() / scale + 0.0;
        if self == CellFormat::LengthPrefixed {
            return write_cell(out, Some(&rounded.to_le_bytes()));
        }
        out.extend_from_slice(rounded.to_string().as_bytes());
    }

    /// Writes a cell that may contain several values.
    pub(crate) fn write_list<'t>(
        self,
        out: &mut Vec<u8>,
        column: &str,
        values: impl Iterator<Item = Cow<'t, str>>,
    ) {
        let values: Vec<Cow<'t, str>> = values.collect();
        match self {
            CellFormat::Csv(_) | CellFormat::LengthPrefixed => {
                self.write_text(out, column, &values.join(SEPARATOR));
            }
            CellFormat::Json => {
                self.write_prefix(out, column);
                out.push(b'[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_json_string(out, value);
                }
                out.push(b']');
            }
        }
    }
}

/// Writes a CSV field, quoted if necessary.
pub(crate) fn write_csv_cell(out: &mut Vec<u8>, text: &str, delimiter: Delimiter) {
    let needs_quotes = text.contains(['"', '\r', '\n'])
        || memchr::memmem::find(text.as_bytes(), delimiter.as_bytes()).is_some();
    if !needs_quotes {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

pub(crate) fn write_json_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a text in memory");
}

/// Prefixes text with an apostrophe if a spreadsheet would evaluate the text as a formula (OWASP
/// ASVS 5.0, requirement 1.2.10).
pub(crate) fn escape_formula(text: &str) -> Cow<'_, str> {
    if is_formula(text.as_bytes()) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Returns whether a spreadsheet may evaluate the text as a formula. This is the case if its first
/// character, ignoring spaces and quotation marks, is `=`, `+`, `-`, `@`, a tab, a carriage return
/// or NUL.
pub(crate) fn is_formula(text: &[u8]) -> bool {
    let first = text
        .iter()
        .find(|byte| !matches!(byte, b' ' | b'"' | b'\''));
    matches!(
        first,
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\0')
    )
}

/// Writes one of the user's fields so that a spreadsheet displays the field instead of evaluating
/// it as a formula. A formula is prefixed with an apostrophe, and quoted if necessary. A negative
/// number is not a formula.
pub(crate) fn write_excel_safe(out: &mut Vec<u8>, field: &[u8], delimiter: Delimiter) {
    let is_negative_number = field.first() == Some(&b'-')
        && std::str::from_utf8(field)
            .is_ok_and(|text| text.parse::<f64>().is_ok_and(f64::is_finite));
    let unquoted = super::fields::unquote(field);
    if is_negative_number || !is_formula(&unquoted) {
        out.extend_from_slice(field);
        return;
    }
    match field {
        // The rest of the field is already quoted and escaped.
        [b'"', rest @ ..] => {
            out.extend_from_slice(b"\"'");
            out.extend_from_slice(rest);
        }
        _ => {
            // The unquoted field contains a carriage return or a quotation mark.
            let needs_quotes = field.iter().any(|byte| matches!(byte, b'"' | b'\r'));
            if needs_quotes {
                let text: Vec<u8> = field
                    .iter()
                    .flat_map(|&byte| match byte {
                        b'"' => vec![b'"', b'"'],
                        _ => vec![byte],
                    })
                    .collect();
                out.extend_from_slice(b"\"'");
                out.extend_from_slice(&text);
                out.push(b'"');
            } else {
                debug_assert!(memchr::memmem::find(field, delimiter.as_bytes()).is_none());
                out.push(b'\'');
                out.extend_from_slice(field);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_escaped() {
        for text in [
            "=1+1", "+44", "-x", "@SUM(A1)", "\tx", "\rx", "\0", " =1", "\"=1", "'=1",
        ] {
            assert!(is_formula(text.as_bytes()), "{text:?}");
            let mut out = Vec::new();
            CellFormat::Csv(Delimiter::COMMA).write_text(&mut out, "any", text);
            let cell = String::from_utf8(out).expect("text");
            let cell = cell.trim_start_matches([',', '"']);
            assert!(cell.starts_with('\''), "{cell:?}");
        }
        for text in ["LA1 1AA", "mb-kendal", "", "a=b", "1-2"] {
            assert!(!is_formula(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn input_formulas_are_escaped() {
        let check = |field: &str, expected: &str| {
            let mut out = Vec::new();
            write_excel_safe(&mut out, field.as_bytes(), Delimiter::COMMA);
            assert_eq!(String::from_utf8(out).expect("text"), expected);
        };
        check("=1+1", "'=1+1");
        check("\"=A1,2\"", "\"'=A1,2\"");
        check(" =\"x\"", "\"' =\"\"x\"\"\"");
        check("-2.75", "-2.75");
        check("-cmd", "'-cmd");
        check("\"say \"\"no\"\"\"", "\"say \"\"no\"\"\"");
        check("", "");
    }

    #[test]
    fn csv_cells_are_quoted_only_when_needed() {
        let csv = |text: &str| {
            let mut out = Vec::new();
            write_csv_cell(&mut out, text, Delimiter::COMMA);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(csv("plain"), "plain");
        assert_eq!(csv("a,b"), "\"a,b\"");
        assert_eq!(csv("say \"no\""), "\"say \"\"no\"\"\"");
    }

    #[test]
    fn length_prefixed_cells_round_trip() {
        let mut row = Vec::new();
        let cells = CellFormat::LengthPrefixed;
        cells.write_text(&mut row, "a", "=1+1");
        cells.write_null(&mut row, "b");
        cells.write_text(&mut row, "c", "");
        cells.write_number(&mut row, "d", Some(-2.75), 1);
        cells.write_words(&mut row, "e", [&b"x"[..], b"y"].into_iter());
        cells.write_list(&mut row, "f", ["x", "z"].into_iter().map(Cow::Borrowed));
        let rest = &mut row.as_slice();
        let taken: Vec<Option<&[u8]>> = (0..6).map(|_| take_cell(rest)).collect();
        let number = (-2.8_f64).to_le_bytes();
        let expected: [Option<&[u8]>; 6] = [
            Some(b"=1+1"),
            None,
            None,
            Some(&number),
            Some(b"x;y"),
            Some(b"x;z"),
        ];
        assert_eq!((taken.as_slice(), rest.len()), (&expected[..], 0));
    }

    #[test]
    fn numbers_are_rounded_without_negative_zero() {
        let mut out = Vec::new();
        CellFormat::Json.write_number(&mut out, "x", Some(-2.746_251_4), 6);
        CellFormat::Json.write_number(&mut out, "y", Some(-0.01), 1);
        CellFormat::Json.write_number(&mut out, "z", None, 1);
        assert_eq!(out, br#","x":-2.746251,"y":0,"z":null"#);
    }
}
