use std::fmt;
use std::str::FromStr;

/// A code of the Government Statistical Service, such as `E06000063`: a letter and eight digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GssCode([u8; 9]);

/// The error for text that is not a GSS code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a GSS code, such as E06000063: a letter and eight digits")]
pub struct InvalidGssCode;

impl GssCode {
    /// Returns the text of the code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a GSS code is ASCII")
    }
}

impl FromStr for GssCode {
    type Err = InvalidGssCode;

    fn from_str(input: &str) -> Result<GssCode, InvalidGssCode> {
        let bytes: [u8; 9] = input.as_bytes().try_into().map_err(|_| InvalidGssCode)?;
        let [letter, digits @ ..] = &bytes;
        if letter.is_ascii_uppercase() && digits.iter().all(u8::is_ascii_digit) {
            Ok(GssCode(bytes))
        } else {
            Err(InvalidGssCode)
        }
    }
}

/// Prints only the name of the type, because the code of the area that contains a postcode could
/// identify the postcode.
impl fmt::Debug for GssCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GssCode(…)")
    }
}

impl fmt::Display for GssCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_a_letter_and_eight_digits() {
        let code: GssCode = "E06000063".parse().expect("a code");
        assert_eq!(
            (code.as_str(), code.to_string()),
            ("E06000063", "E06000063".into())
        );
        assert_eq!(format!("{code:?}"), "GssCode(…)");
        for text in [
            "",
            "e06000063",
            "E0600006",
            "E060000633",
            "006000063",
            "E0600006É",
        ] {
            assert_eq!(text.parse::<GssCode>(), Err(InvalidGssCode), "{text}");
        }
    }
}
