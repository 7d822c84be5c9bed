//! The file name of the answers, in the header `Content-Disposition` (RFC 6266).

use axum::http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// How a browser names the file with the answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum DownloadName {
    /// `answered` with the extension of the format.
    #[default]
    Answered,
    /// After the file that was uploaded: `patients-answered.csv` for `patients.xlsx` as CSV. The browser
    /// sends the name with the file, and only this client gets it back.
    After(String),
    /// As the link that starts the download says. A name in the header would take precedence.
    OfLink,
}

/// The characters to encode in `filename*` (RFC 8187).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
/// The maximum length of the name of the uploaded file, in characters.
const STEM_CHARS_MAX: usize = 100;

impl DownloadName {
    /// Returns the value of `Content-Disposition` for a file with this extension.
    pub(super) fn disposition(&self, extension: &str) -> HeaderValue {
        let name = match self {
            DownloadName::OfLink => return HeaderValue::from_static("attachment"),
            DownloadName::Answered => format!("answered.{extension}"),
            DownloadName::After(uploaded) => match stem(uploaded) {
                stem if stem.is_empty() => format!("answered.{extension}"),
                stem => format!("{stem}-answered.{extension}"),
            },
        };
        let is_plain = |c: char| (' '..='~').contains(&c) && !matches!(c, '"' | '\\' | '%');
        let plain = name.replace(|c: char| !is_plain(c), "_");
        let mut text = format!("attachment; filename=\"{plain}\"");
        if plain != name {
            let encoded = utf8_percent_encode(&name, ENCODED);
            text.push_str(&format!("; filename*=UTF-8''{encoded}"));
        }
        HeaderValue::from_str(&text).expect("printable ASCII")
    }
}

/// Returns the name of a file without its folder, its extension and that of its compression.
fn stem(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let (uncompressed, compression) = name.rsplit_once('.').unwrap_or((name, ""));
    let is_compressed = ["gz", "zst"].contains(&compression.to_ascii_lowercase().as_str());
    let name = if is_compressed { uncompressed } else { name };
    let (stem, _) = name.rsplit_once('.').unwrap_or((name, ""));
    let stem = stem.chars().filter(|c| !c.is_control());
    let stem: String = stem.take(STEM_CHARS_MAX).collect();
    stem.trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_named_after_the_uploaded_file() {
        for (uploaded, expected) in [
            ("patients.csv", "filename=\"patients-answered.csv\""),
            ("patients.csv.gz", "filename=\"patients-answered.csv\""),
            (
                "March 2026.v2.XLSX",
                "filename=\"March 2026.v2-answered.csv\"",
            ),
            ("patients", "filename=\"patients-answered.csv\""),
            (
                "C:\\lists\\patients.tsv",
                "filename=\"patients-answered.csv\"",
            ),
            ("../../etc/x.csv", "filename=\"x-answered.csv\""),
            ("", "filename=\"answered.csv\""),
            (".csv", "filename=\"answered.csv\""),
            (
                "Môn \"1\".csv",
                "filename=\"M_n _1_-answered.csv\"; filename*=UTF-8''M%C3%B4n%20%221%22-answered.csv",
            ),
            ("a\r\nb.csv", "filename=\"ab-answered.csv\""),
        ] {
            let disposition = DownloadName::After(uploaded.into()).disposition("csv");
            let expected = format!("attachment; {expected}");
            assert_eq!(disposition, expected.as_str(), "{uploaded}");
        }
        let long = DownloadName::After("x".repeat(5_000)).disposition("csv");
        assert!(long.len() < 200);
    }

    #[test]
    fn other_answers_have_a_fixed_name_or_none() {
        let disposition = DownloadName::Answered.disposition("xlsx");
        assert_eq!(disposition, "attachment; filename=\"answered.xlsx\"");
        assert_eq!(DownloadName::OfLink.disposition("csv"), "attachment");
    }
}
