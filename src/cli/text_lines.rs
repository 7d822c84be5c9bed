//! Lines of text from a stream. The text may be in UTF-8 or UTF-16, with or without a byte order
//! mark and with any line ending.

use std::io::{self, BufRead};

const UTF_8_MARK: &[u8] = b"\xef\xbb\xbf";
/// The end-of-file character of DOS.
const END_OF_FILE: &[u8] = b"\x1a";

/// Calls `handle` with each line, without its line ending, as soon as the line has been read.
/// Invalid characters are replaced.
pub(super) fn for_each_line(
    mut input: impl BufRead,
    mut handle: impl FnMut(&str) -> io::Result<()>,
) -> io::Result<()> {
    let mut first = Vec::new();
    input.read_until(b'\n', &mut first)?;
    if let Some(decode) = utf16_decoder(&first) {
        input.read_to_end(&mut first)?;
        let units = first.chunks_exact(2).map(|pair| decode([pair[0], pair[1]]));
        let text: String = char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        return split_line(text.as_bytes(), &mut handle);
    }
    let mut line = first.strip_prefix(UTF_8_MARK).unwrap_or(&first).to_vec();
    while !line.is_empty() {
        split_line(&line, &mut handle)?;
        line.clear();
        input.read_until(b'\n', &mut line)?;
    }
    Ok(())
}

/// Returns the function that reads code units in the byte order of UTF-16 text. The text has a byte
/// order mark or starts with an ASCII character.
fn utf16_decoder(beginning: &[u8]) -> Option<fn([u8; 2]) -> u16> {
    match beginning {
        [0xff, 0xfe, ..] | [1..=0xff, 0, ..] => Some(u16::from_le_bytes),
        [0xfe, 0xff, ..] | [0, 1..=0xff, ..] => Some(u16::from_be_bytes),
        _ => None,
    }
}

/// Splits text at line feeds and at carriage returns, because some programs write carriage returns
/// without line feeds.
fn split_line(text: &[u8], handle: &mut impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    for line in text.split(|byte| b"\r\n".contains(byte)) {
        if line != END_OF_FILE {
            handle(&String::from_utf8_lossy(line))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &[&str]) {
        let mut lines = Vec::new();
        let result = for_each_line(bytes, |line| {
            lines.push(line.to_string());
            Ok(())
        });
        result.expect("a slice can be read");
        assert_eq!(lines, expected);
    }

    #[test]
    fn lines_end_with_any_line_ending() {
        check(b"a\nb\r\nc\rd", &["a", "b", "c", "d"]);
        check(b"a\r", &["a"]);
        check(b"a\n\nb\n", &["a", "", "b"]);
        check(b"a\r\n\x1a", &["a"]);
        check(b"", &[]);
    }

    #[test]
    fn byte_order_marks_and_utf_16_are_read() {
        check(b"\xef\xbb\xbfa\r\nb\n", &["a", "b"]);
        check(b"\xff\xfea\0\r\0\n\0b\0\n\0", &["a", "b"]);
        check(b"\xfe\xff\0a\0\r\0\n\0b", &["a", "b"]);
        check(b"a\0\n\0b\0", &["a", "b"]);
        check(b"a\xff\n", &["a\u{fffd}"]);
    }
}
