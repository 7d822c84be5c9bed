//! The delimiter between the fields of a text file.

use std::fmt;
use std::str::FromStr;

/// The delimiter between fields: a single character, encoded in one or two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiter {
    bytes: [u8; 2],
    length: usize,
}

/// The error for text that cannot be a delimiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a delimiter must be the word tab, or one character such as , ; | or ¬ that is not a letter, digit, space or quotation mark"
)]
pub struct InvalidDelimiter;

impl Delimiter {
    /// `,`
    pub const COMMA: Delimiter = Delimiter::byte(b',');
    /// A tab, as in TSV.
    pub const TAB: Delimiter = Delimiter::byte(b'\t');
    /// `¬` in UTF-8.
    const NOT_SIGN: Delimiter = Delimiter {
        bytes: [0xc2, 0xac],
        length: 2,
    };
    /// `¬` in ISO 8859-1 and Windows-1252.
    pub(crate) const NOT_SIGN_LATIN1: Delimiter = Delimiter::byte(0xac);
    /// The delimiters that are tried during detection, the most likely first.
    pub(crate) const CANDIDATES: [Delimiter; 7] = [
        Delimiter::COMMA,
        Delimiter::TAB,
        Delimiter::byte(b';'),
        Delimiter::byte(b'|'),
        Delimiter::NOT_SIGN,
        Delimiter::NOT_SIGN_LATIN1,
        Delimiter::byte(b'^'),
    ];

    const fn byte(byte: u8) -> Delimiter {
        Delimiter {
            bytes: [byte, 0],
            length: 1,
        }
    }

    /// Returns the bytes of the delimiter in a file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Returns the length in bytes.
    pub(crate) fn length(self) -> usize {
        self.length
    }

    pub(crate) fn first(self) -> u8 {
        self.bytes[0]
    }

    pub(crate) fn is_not_sign(self) -> bool {
        self == Delimiter::NOT_SIGN
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_bytes() {
            b"," => f.write_str("comma"),
            b"\t" => f.write_str("tab"),
            b";" => f.write_str("semicolon"),
            b"|" => f.write_str("pipe"),
            [0xac] => f.write_str("¬ (not UTF-8)"),
            bytes => f.write_str(&String::from_utf8_lossy(bytes)),
        }
    }
}

impl FromStr for Delimiter {
    type Err = InvalidDelimiter;

    fn from_str(input: &str) -> Result<Delimiter, InvalidDelimiter> {
        let text = match input {
            "comma" => ",",
            "tab" | "\\t" => "\t",
            "semicolon" => ";",
            "pipe" => "|",
            other => other,
        };
        let mut characters = text.chars();
        let (Some(character), None) = (characters.next(), characters.next()) else {
            return Err(InvalidDelimiter);
        };
        let is_text = character.is_alphanumeric() || "\"\r\n\0 -.@_/:+".contains(character);
        if is_text || text.len() > 2 {
            return Err(InvalidDelimiter);
        }
        let mut bytes = [0; 2];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Delimiter {
            bytes,
            length: text.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_one_character_or_its_name() {
        let bytes = |text: &str| {
            text.parse::<Delimiter>()
                .map(|delimiter| delimiter.as_bytes().to_vec())
        };
        assert_eq!(bytes(","), Ok(b",".to_vec()));
        assert_eq!(bytes("tab"), Ok(b"\t".to_vec()));
        assert_eq!(bytes("¬"), Ok(vec![0xc2, 0xac]));
        for wrong in ["", ",,", "a", "7", "\"", "\n", " ", "€"] {
            assert_eq!(bytes(wrong), Err(InvalidDelimiter), "{wrong:?}");
        }
    }
}
