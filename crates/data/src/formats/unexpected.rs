//! Recognises content that users often save under the name of a data file, but that is not data.

/// Returns a description of the bytes if they are such content, for example a web page instead of
/// data.
pub(crate) fn unexpected_content(bytes: &[u8]) -> Option<String> {
    let described = match bytes {
        [] => "the file is empty",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'{', 0, ..] | [0, b'{', ..] => {
            "it is text in UTF-16; save it as UTF-8"
        }
        [0x1f, 0x8b, ..] => "it is compressed with gzip; decompress it",
        _ => return unexpected_text(bytes),
    };
    Some(described.into())
}

fn unexpected_text(bytes: &[u8]) -> Option<String> {
    /// The number of bytes that are searched.
    const START_BYTES: usize = 512;
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = start.trim_ascii_start();
    let start = &start[..start.len().min(START_BYTES)];
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    let described = if start.starts_with("version https://git-lfs.github.com/") {
        "it is a pointer of Git LFS, not the file itself; fetch the file with `git lfs pull`"
    } else if start.starts_with("<!doctype html") || start.starts_with("<html") {
        "it is an HTML page, not data; a server answered with a page in place of the file"
    } else if ["exceptionreport", "serviceexception"]
        .iter()
        .any(|word| start.contains(word))
    {
        "it is the error message of a server (an OGC exception), not data"
    } else if start.starts_with("<?xml") || start.starts_with('<') {
        "it is XML or HTML, such as GML, KML or a web page; convert it to GeoPackage or GeoJSON"
    } else {
        return None;
    };
    Some(described.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_in_place_of_data_is_named() {
        let cases: [(&[u8], &str); 9] = [
            (b"", "the file is empty"),
            (b"\xff\xfe{\0", "UTF-16"),
            (b"\0{", "UTF-16"),
            (b"\x1f\x8b\x08", "gzip"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
                "Git LFS",
            ),
            (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "an HTML page"),
            (
                b"<?xml version=\"1.0\"?><ows:ExceptionReport>",
                "an OGC exception",
            ),
            (b"<kml>", "XML or HTML"),
            (b"<body>", "XML or HTML"),
        ];
        for (bytes, expected) in cases {
            let found = unexpected_content(bytes).expect(expected);
            assert!(found.contains(expected), "{found}");
        }
        assert_eq!(
            unexpected_content(b"{\"type\":\"FeatureCollection\"}"),
            None
        );
        assert_eq!(unexpected_content(b"SQLite format 3\0"), None);
        assert_eq!(unexpected_content(b"PROJCS[]"), None);
    }
}
