use std::fmt;
use std::str::FromStr;

use super::Layer;

/// The code of a statistical area as a client gave it. The code is usually a GSS code, such as
/// `E01019311`. The code is well-formed, but a dataset may not contain it.
///
/// Parsing accepts letters of any case and surrounding white space if the text has the form of a
/// GSS code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatisticalAreaCode {
    bytes: [u8; CODE_LENGTH_MAX],
    length: u8,
}

/// The maximum length of a code. GSS codes have nine characters.
const CODE_LENGTH_MAX: usize = 15;

/// The error for text that is not the code of a statistical area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStatisticalAreaCode {
    /// The text is blank.
    #[error("the code of the statistical area is missing")]
    Missing,
    /// The text does not have the form of a code.
    #[error(
        "not the code of a statistical area: use a GSS code, such as E01019311, which is a letter and eight digits"
    )]
    Malformed,
}

/// The statistical area that a client specifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatisticalAreaLocator {
    /// The layer to which the code belongs; `None` if the code may belong to any layer of
    /// statistical areas.
    pub layer: Option<Layer>,
    /// The code.
    pub code: StatisticalAreaCode,
}

/// The first three characters of GSS codes, with the type of area that these codes identify.
///
/// Source: Register of Geographic Codes, Office for National Statistics.
const GSS_ENTITIES: &[(&str, &str)] = &[
    ("E00", "an Output Area of England"),
    ("E01", "an LSOA of England"),
    ("E02", "an MSOA of England"),
    ("E04", "a parish of England"),
    ("E05", "a ward of England"),
    ("E06", "a unitary authority of England"),
    ("E07", "a district of England"),
    ("E08", "a metropolitan district of England"),
    ("E09", "a London borough"),
    ("E10", "a county of England"),
    ("E12", "a region of England"),
    ("E14", "a constituency of England"),
    ("E38", "a sub-ICB location of England"),
    ("E54", "an Integrated Care Board of England"),
    ("W00", "an Output Area of Wales"),
    ("W01", "an LSOA of Wales"),
    ("W02", "an MSOA of Wales"),
    ("W05", "a ward of Wales"),
    ("W06", "a unitary authority of Wales"),
    ("S00", "an Output Area of Scotland"),
    ("S01", "a data zone of Scotland"),
    ("S02", "an intermediate zone of Scotland"),
    ("S12", "a council area of Scotland"),
    ("S13", "a ward of Scotland"),
    ("N00", "a small area of Northern Ireland"),
    ("N08", "a ward of Northern Ireland"),
    ("N09", "a district of Northern Ireland"),
    ("N20", "a data zone of Northern Ireland"),
    ("N21", "a super data zone of Northern Ireland"),
];

impl StatisticalAreaCode {
    /// Returns the text of the code.
    pub fn as_str(&self) -> &str {
        let bytes = &self.bytes[..usize::from(self.length)];
        std::str::from_utf8(bytes).expect("a code is ASCII")
    }

    /// Returns whether text has the form of a GSS code, in any case: a letter and eight digits.
    pub fn is_gss(text: &str) -> bool {
        match text.as_bytes() {
            [letter, digits @ ..] => {
                letter.is_ascii_alphabetic()
                    && digits.len() == 8
                    && digits.iter().all(u8::is_ascii_digit)
            }
            [] => false,
        }
    }

    /// Returns the type of area that the code identifies, according to its first three characters:
    /// `an MSOA of England`.
    pub fn gss_entity(&self) -> Option<&'static str> {
        let text = self.as_str();
        if !StatisticalAreaCode::is_gss(text) {
            return None;
        }
        let mut entities = GSS_ENTITIES.iter();
        let found = entities.find(|(first, _)| text.starts_with(first));
        found.map(|(_, entity)| *entity)
    }
}

impl FromStr for StatisticalAreaCode {
    type Err = InvalidStatisticalAreaCode;

    fn from_str(input: &str) -> Result<StatisticalAreaCode, InvalidStatisticalAreaCode> {
        let text = input.trim();
        if text.is_empty() {
            return Err(InvalidStatisticalAreaCode::Missing);
        }
        let is_of_code = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if text.len() > CODE_LENGTH_MAX || !text.bytes().all(is_of_code) {
            return Err(InvalidStatisticalAreaCode::Malformed);
        }
        let mut bytes = [0; CODE_LENGTH_MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        if StatisticalAreaCode::is_gss(text) {
            bytes.make_ascii_uppercase();
        }
        let length = u8::try_from(text.len()).expect("at most 15");
        Ok(StatisticalAreaCode { bytes, length })
    }
}

/// Prints only the name of the type, because the code could reveal where a person lives.
impl fmt::Debug for StatisticalAreaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StatisticalAreaCode(…)")
    }
}

impl fmt::Display for StatisticalAreaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_parse_in_any_case_and_do_not_show_in_debug_output() {
        for (text, code) in [
            ("E01019311", "E01019311"),
            (" e01019311\t", "E01019311"),
            ("S0", "S0"),
            ("95GG01S1", "95GG01S1"),
            ("made-up_1.a", "made-up_1.a"),
        ] {
            let parsed: StatisticalAreaCode = text.parse().expect(text);
            assert_eq!(parsed.to_string(), code);
            assert_eq!(format!("{parsed:?}"), "StatisticalAreaCode(…)");
        }
        for (text, error) in [
            ("", InvalidStatisticalAreaCode::Missing),
            (" \t", InvalidStatisticalAreaCode::Missing),
            ("E01 019311", InvalidStatisticalAreaCode::Malformed),
            ("E01019311E010193", InvalidStatisticalAreaCode::Malformed),
            ("É01019311", InvalidStatisticalAreaCode::Malformed),
            ("Copeland 008A", InvalidStatisticalAreaCode::Malformed),
        ] {
            assert_eq!(text.parse::<StatisticalAreaCode>(), Err(error), "{text}");
        }
    }

    #[test]
    fn the_first_characters_say_what_a_code_is_of() {
        for (text, entity) in [
            ("E01019311", Some("an LSOA of England")),
            ("e02003984", Some("an MSOA of England")),
            ("E05011236", Some("a ward of England")),
            ("W01000323", Some("an LSOA of Wales")),
            ("S01006506", Some("a data zone of Scotland")),
            ("S02001236", Some("an intermediate zone of Scotland")),
            ("N20000001", Some("a data zone of Northern Ireland")),
            ("E99999999", None),
            ("E0101931", None),
            ("S0", None),
        ] {
            let code: StatisticalAreaCode = text.parse().expect(text);
            assert_eq!(code.gss_entity(), entity, "{text}");
        }
    }
}
