//! Recognises files in formats that are not supported, by their first bytes.
//!
//! Some of these bytes are also the start of a header row, such as `PARENT_1_NAME` or `[name]`. The
//! signature of a binary format is therefore considered only if binary data follow it. The
//! signature of a text format is considered only if the file cannot be read as the table that the
//! user specifies.

use memchr::memchr;

use super::BatchError;
use crate::tabular::columnar::{ARROW_CONTINUATION, PARQUET_MAGIC};
use crate::tabular::error::TabularError;
use crate::tabular::file_format::BatchFormat;

/// The number of bytes at the start of a file that are searched for bytes that do not occur in
/// text.
pub(super) const TEXT_SAMPLE_BYTES: usize = 4 << 10;

/// A description of the file, and a way for the user to solve the problem.
pub(super) type Finding = (&'static str, &'static str);

/// The first bytes of binary files that are not supported.
const BINARY_SIGNATURES: &[(&[u8], Finding)] = &[
    (
        b"PK\x03\x04",
        (
            "a zip archive or a workbook (.xlsx)",
            ": state the type of a workbook, or leave out --format",
        ),
    ),
    (b"PK\x05\x06", ("an empty zip archive", "")),
    (b"PARE", ("an encrypted Parquet file", ": decrypt it")),
    (
        b"ARROW1",
        (
            "an Arrow file (Feather)",
            ": write it as an Arrow stream, or as Parquet",
        ),
    ),
    (
        b"BZh",
        (
            "compressed with bzip2",
            ": decompress it, or use gzip or zstd",
        ),
    ),
    (
        b"\xfd7zXZ\0",
        ("compressed with xz", ": decompress it, or use gzip or zstd"),
    ),
    (b"7z\xbc\xaf", ("a 7z archive", ": extract it")),
    (b"\x1f\x8b", COMPRESSED_TWICE),
    (b"\x28\xb5\x2f\xfd", COMPRESSED_TWICE),
    (
        b"SQLite format 3\0",
        ("a database", ": export the table as CSV"),
    ),
];

const COMPRESSED_TWICE: Finding = ("compressed twice", ": decompress it once");

/// The first bytes of a compound file. Old versions of Office store documents in compound files,
/// and all versions use them for documents with a password.
const COMPOUND_FILE: &[u8] = b"\xd0\xcf\x11\xe0";

/// Returns a description of a compound file, based on the names of its streams.
fn compound_file(bytes: &[u8]) -> Finding {
    let has = |name: &str| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        memchr::memmem::find(bytes, &name).is_some()
    };
    if has("EncryptedPackage") || has("EncryptionInfo") {
        return ("a workbook with a password", ": save it without a password");
    }
    if has("WordDocument") {
        return ("an old Word document (.doc)", ": save its table as CSV");
    }
    if has("Workbook") || has("Book") {
        return OLD_WORKBOOK;
    }
    (
        "an old workbook (.xls), or a workbook with a password",
        ": save it as an Excel workbook (.xlsx) without a password",
    )
}

const OLD_WORKBOOK: Finding = (
    "an old workbook (.xls)",
    ": save it as an Excel workbook (.xlsx)",
);

/// The first bytes of text files that are not supported.
const TEXT_SIGNATURES: &[(&[u8], Finding)] = &[
    (b"%PDF", ("a PDF", ": save the rows as CSV")),
    (b"{\\rtf", ("a text document", ": save it as plain text")),
    (b"<", ("a web page or XML", ": save the rows as CSV")),
    (
        b"[",
        (
            "a JSON array",
            ": write one object per line, without brackets around the objects",
        ),
    ),
];

/// Rejects binary files that are not supported. If the first bytes are those of a text format that
/// is not supported, returns a description of this format.
pub(super) fn check_signature(
    text: &[u8],
    requested: Option<BatchFormat>,
) -> Result<Option<Finding>, BatchError> {
    let begins = |beginning: &[u8]| text.starts_with(beginning);
    if !is_text(text) {
        reject_columnar(text, requested)?;
        if begins(COMPOUND_FILE) {
            return Err(unsupported(compound_file(text)));
        }
        let found = BINARY_SIGNATURES
            .iter()
            .find(|(beginning, _)| begins(beginning));
        if let Some((_, found)) = found {
            return Err(unsupported(*found));
        }
    }
    let first_line = &text[..memchr(b'\n', text).unwrap_or(text.len())];
    if memchr(0, first_line).is_some() {
        let found = (
            "binary",
            ": save the rows as CSV or as an Excel workbook (.xlsx)",
        );
        return Err(unsupported(found));
    }
    let found = TEXT_SIGNATURES
        .iter()
        .find(|(beginning, _)| begins(beginning));
    Ok(found.map(|(_, found)| *found))
}

fn reject_columnar(text: &[u8], requested: Option<BatchFormat>) -> Result<(), BatchError> {
    let columnar_magic = [
        (PARQUET_MAGIC, BatchFormat::Parquet),
        (ARROW_CONTINUATION, BatchFormat::Arrow),
    ];
    let found = columnar_magic
        .into_iter()
        .find(|(beginning, _)| text.starts_with(beginning));
    match (found, requested) {
        (None, _) => Ok(()),
        (Some((_, found)), Some(format)) if found != format => {
            let what = format!("its content is {found}: leave out --format");
            Err(TabularError::Unreadable { format, what }.into())
        }
        (Some(_), _) => Err(BatchError::NeedsFile),
    }
}

pub(super) fn unsupported((what, hint): Finding) -> BatchError {
    BatchError::UnsupportedFormat { what, hint }
}

/// Returns whether the first bytes are text. Text contains no control characters except tabs, line
/// endings, form feeds and the end-of-file character of DOS.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let sample = &bytes[..bytes.len().min(TEXT_SAMPLE_BYTES)];
    let is_utf16 = sample.starts_with(b"\xff\xfe") || sample.starts_with(b"\xfe\xff");
    !is_utf16
        && sample
            .iter()
            .all(|byte| !byte.is_ascii_control() || b"\t\n\r\x0c\x1a".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], requested: Option<BatchFormat>) -> Result<Option<&'static str>, String> {
        let found = check_signature(text, requested);
        found
            .map(|found| found.map(|(what, _)| what))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn header_rows_are_not_taken_for_binary_files() {
        for text in [
            "PAR1,postcode\n",
            "PARENT_1_NAME,Postcode\n",
            "BZhealth id,postcode\n",
            "ARROW1\n",
            "PK\n",
        ] {
            assert_eq!(check(text.as_bytes(), None), Ok(None), "{text}");
        }
    }

    #[test]
    fn binary_files_are_named_whatever_the_requested_format() {
        for (bytes, expected) in [
            (&b"PARE\x15\x04"[..], "an encrypted Parquet file"),
            (b"BZh91AY&SY\x01\x02", "compressed with bzip2"),
            (b"\xd0\xcf\x11\xe0\0", "an old workbook (.xls), or"),
            (
                b"\xd0\xcf\x11\xe0E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0",
                "a workbook with a password",
            ),
            (
                b"\xd0\xcf\x11\xe0W\0o\0r\0k\0b\0o\0o\0k\0",
                "an old workbook (.xls),",
            ),
            (b"PK\x03\x04\x14\0", "a zip archive"),
        ] {
            for requested in [None, Some(BatchFormat::Csv)] {
                let error = check(bytes, requested).expect_err("binary");
                assert!(error.contains(expected), "{error}");
            }
        }
        let error = check(b"PAR1\x15\0", Some(BatchFormat::Csv)).expect_err("Parquet");
        assert!(error.contains("leave out --format"), "{error}");
    }

    #[test]
    fn text_formats_are_only_suspected() {
        assert_eq!(
            check(b"[name],[postcode]\n", None),
            Ok(Some("a JSON array"))
        );
        assert_eq!(check(b"<html>", None), Ok(Some("a web page or XML")));
    }
}
