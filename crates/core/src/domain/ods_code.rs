use std::fmt;
use std::str::FromStr;

const LENGTH_MAX: usize = 10;
/// See [`OdsCode::defaults`].
const DEFAULT_CODES: [&str; 3] = ["V81997", "V81998", "V81999"];

/// An NHS Organisation Data Service (ODS) code such as `P81002`: three to ten upper-case letters
/// and digits.
///
/// Parsing ignores case and white space. `Debug` prints only `OdsCode(…)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OdsCode {
    padded: [u8; LENGTH_MAX],
    length: u8,
}

/// The reason why text is not an ODS code. The message never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOdsCode {
    /// The text is blank, or is the `&` that patient systems write for "none".
    #[error("no practice code was given")]
    Missing,
    /// Any other text that is not an ODS code.
    #[error("not an ODS code: it must be three to ten letters and digits, such as P81002")]
    Malformed,
}

impl OdsCode {
    /// Returns the code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.padded[..usize::from(self.length)]).expect("an ODS code is ASCII")
    }

    /// Returns the practice that a branch surgery belongs to, or `None` if this is not the code of
    /// a branch. The ODS code of a practice has six characters. The code of a branch surgery is the
    /// code of its practice followed by three more characters.
    pub fn parent(&self) -> Option<OdsCode> {
        (self.length == 9).then(|| {
            let mut padded = [0; LENGTH_MAX];
            padded[..6].copy_from_slice(&self.padded[..6]);
            OdsCode { padded, length: 6 }
        })
    }

    /// Returns the default codes of the NHS Data Dictionary for patients without a known practice:
    /// V81997 (no registered practice), V81998 (not applicable) and V81999 (not known).
    pub fn defaults() -> [OdsCode; 3] {
        DEFAULT_CODES.map(|code| code.parse().expect("well-formed"))
    }

    /// Returns whether this is one of [`OdsCode::defaults`].
    pub fn is_default(&self) -> bool {
        DEFAULT_CODES.contains(&self.as_str())
    }
}

impl FromStr for OdsCode {
    type Err = InvalidOdsCode;

    fn from_str(input: &str) -> Result<OdsCode, InvalidOdsCode> {
        let mut padded = [0; LENGTH_MAX];
        let mut length = 0;
        for character in input.chars().filter(|character| !character.is_whitespace()) {
            if character == '&' && input.trim() == "&" {
                return Err(InvalidOdsCode::Missing);
            }
            if !character.is_ascii_alphanumeric() || length == LENGTH_MAX {
                return Err(InvalidOdsCode::Malformed);
            }
            padded[length] = (character as u8).to_ascii_uppercase();
            length += 1;
        }
        match length {
            0 => Err(InvalidOdsCode::Missing),
            1..3 => Err(InvalidOdsCode::Malformed),
            _ => Ok(OdsCode {
                padded,
                length: u8::try_from(length).expect("at most ten"),
            }),
        }
    }
}

impl fmt::Display for OdsCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for OdsCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OdsCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &str, expected: Result<&str, InvalidOdsCode>) {
        let parsed = input.parse::<OdsCode>().map(|code| code.to_string());
        assert_eq!(parsed.as_deref().map_err(|error| *error), expected);
    }

    #[test]
    fn debug_does_not_print_the_code() {
        let parsed = "P81002".parse::<OdsCode>();
        assert_eq!(format!("{parsed:?}"), "Ok(OdsCode(…))");
    }

    #[test]
    fn case_and_white_space_do_not_matter() {
        check("P81002", Ok("P81002"));
        check(" p81 002 ", Ok("P81002"));
        check("01k", Ok("01K"));
        check("A82608001", Ok("A82608001"));
    }

    #[test]
    fn blank_and_ampersand_are_missing_and_the_rest_malformed() {
        check("", Err(InvalidOdsCode::Missing));
        check("  ", Err(InvalidOdsCode::Missing));
        check(" & ", Err(InvalidOdsCode::Missing));
        check("P8&", Err(InvalidOdsCode::Malformed));
        check("P8", Err(InvalidOdsCode::Malformed));
        check("P81002-01", Err(InvalidOdsCode::Malformed));
        check("P8100200000", Err(InvalidOdsCode::Malformed));
        check("Ｐ81002", Err(InvalidOdsCode::Malformed));
    }

    #[test]
    fn nine_characters_are_a_branch_of_the_first_six() {
        let parent = |text: &str| text.parse::<OdsCode>().expect("well-formed").parent();
        assert_eq!(
            parent("A82608001").map(|code| code.to_string()).as_deref(),
            Some("A82608")
        );
        assert_eq!(parent("A82608"), None);
    }

    #[test]
    fn default_codes_are_recognised() {
        let is_default = |text: &str| text.parse::<OdsCode>().expect("well-formed").is_default();
        assert!(["V81997", "V81998", "v81999"].into_iter().all(is_default));
        assert!(
            !["V81996", "V82000", "P81997", "A82608", "V81"]
                .into_iter()
                .any(is_default)
        );
    }
}
