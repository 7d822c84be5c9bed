use super::postcode::{Postcode, is_outcode_bytes, normalise};

/// The start of a postcode, as a user types it into a search box. Letters may have any case and
/// width.
///
/// A space ends the outward code. Text without a space may have several readings as the start of a
/// postcode. The reading with the longest outward code is first: `LA11` is the outward code LA11,
/// or LA1 and the first character of an inward code. A complete outward code does not match longer
/// outward codes. For example, the readings of `LA1` do not include the postcodes of LA10. `Debug`
/// does not print the text.
#[derive(Clone, PartialEq, Eq)]
pub struct PostcodePrefix {
    /// The text, if it may be an incomplete outward code.
    partial_outcode: Option<String>,
    readings: Vec<PrefixReading>,
}

/// One reading of a prefix: an outward code and the start of an inward code.
#[derive(Clone, PartialEq, Eq)]
pub struct PrefixReading {
    outcode: String,
    incode_prefix: String,
}

/// The reason why text is not the start of a postcode. The message never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrefix {
    /// The text is empty or only white space.
    #[error("is blank; enter the start of a postcode, such as LA1 or LA1 1")]
    Missing,
    /// No postcode starts with the text.
    #[error(
        "is not the start of a UK postcode: expected an outward code such as LA1, LA10 or SW1A, then a space, a digit and two letters"
    )]
    Malformed,
}

impl PostcodePrefix {
    /// Returns every reading of the text. A reading is an outward code, with or without the start
    /// of an inward code.
    pub fn readings(&self) -> &[PrefixReading] {
        &self.readings
    }

    /// Returns whether the text is an incomplete form of the outward code, such as `LA10`.
    pub fn may_complete_to(&self, outcode: &str) -> bool {
        let partial_outcode = self.partial_outcode.as_deref();
        partial_outcode.is_some_and(|partial| outcode.starts_with(partial))
    }
}

impl PrefixReading {
    /// Returns the outward code, such as `LA1`.
    pub fn outcode(&self) -> &str {
        &self.outcode
    }

    /// Returns the start of the inward code: empty, a digit, or a digit and one or two letters.
    pub fn incode_prefix(&self) -> &str {
        &self.incode_prefix
    }

    /// Returns the reading that matches every postcode of an outward code; `None` if the text is not
    /// an outward code in capitals.
    pub fn of_outcode(outcode: &str) -> Option<PrefixReading> {
        PrefixReading::new(outcode.as_bytes(), b"")
    }

    fn new(outcode: &[u8], incode_prefix: &[u8]) -> Option<PrefixReading> {
        let rest = b"1AA".get(incode_prefix.len()..)?;
        // `incode_prefix` is the start of an inward code if adding `rest` makes it a complete
        // inward code.
        Postcode::from_parts(outcode, &[incode_prefix, rest].concat())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(PrefixReading {
            outcode: text(outcode),
            incode_prefix: text(incode_prefix),
        })
    }
}

impl std::str::FromStr for PostcodePrefix {
    type Err = InvalidPrefix;

    fn from_str(input: &str) -> Result<PostcodePrefix, InvalidPrefix> {
        let normalised = normalise(input).map_err(|_| InvalidPrefix::Malformed)?;
        let parts: Vec<&[u8]> = normalised.split(|&byte| byte == b' ').collect();
        let ends_outward = input.ends_with(char::is_whitespace);
        match parts[..] {
            [b""] => Err(InvalidPrefix::Missing),
            [outcode] if ends_outward && is_outcode_bytes(outcode) => parse_spaced(outcode, b""),
            [joined] => parse_unspaced(joined),
            [outcode, incode_prefix] => parse_spaced(outcode, incode_prefix),
            _ => Err(InvalidPrefix::Malformed),
        }
    }
}

fn parse_spaced(outcode: &[u8], incode_prefix: &[u8]) -> Result<PostcodePrefix, InvalidPrefix> {
    let reading = PrefixReading::new(outcode, incode_prefix).ok_or(InvalidPrefix::Malformed)?;
    Ok(PostcodePrefix {
        partial_outcode: None,
        readings: vec![reading],
    })
}

fn parse_unspaced(text: &[u8]) -> Result<PostcodePrefix, InvalidPrefix> {
    let longest = text.len().min(4);
    let splits = (2..=longest).rev().map(|index| text.split_at(index));
    let readings: Vec<PrefixReading> = splits
        .filter_map(|(outcode, incode_prefix)| PrefixReading::new(outcode, incode_prefix))
        .collect();
    let partial_outcode =
        can_become_outcode(text, 2).then(|| String::from_utf8_lossy(text).into_owned());
    if readings.is_empty() && partial_outcode.is_none() {
        return Err(InvalidPrefix::Malformed);
    }
    Ok(PostcodePrefix {
        partial_outcode,
        readings,
    })
}

/// Returns whether the text is an outward code, or can be completed to one with at most `more_max`
/// more characters.
fn can_become_outcode(text: &[u8], more_max: usize) -> bool {
    let can_be_extended = |byte| can_become_outcode(&[text, &[byte]].concat(), more_max - 1);
    is_outcode_bytes(text)
        || (more_max > 0 && text.len() < 4 && (b'0'..=b'9').chain(b'A'..=b'Z').any(can_be_extended))
}

impl std::fmt::Debug for PostcodePrefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostcodePrefix(…)")
    }
}

impl std::fmt::Debug for PrefixReading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrefixReading(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, partial_outcode: Option<&str>, readings: &[(&str, &str)]) {
        let prefix: PostcodePrefix = text.parse().expect("the start of a postcode");
        assert_eq!(
            prefix.partial_outcode.as_deref(),
            partial_outcode,
            "{text:?}"
        );
        let actual = prefix.readings().iter();
        let actual: Vec<_> = actual
            .map(|reading| (reading.outcode(), reading.incode_prefix()))
            .collect();
        assert_eq!(actual, readings, "{text:?}");
    }

    #[test]
    fn a_space_ends_the_outward_code() {
        check("LA1 ", None, &[("LA1", "")]);
        check("la1\t1", None, &[("LA1", "1")]);
        check("LA1 1a", None, &[("LA1", "1A")]);
        check("LA1  1AA ", None, &[("LA1", "1AA")]);
        check("ZZ99 3V", None, &[("ZZ99", "3V")]);
        // A space does not end an incomplete outward code.
        check("LA ", Some("LA"), &[]);
    }

    #[test]
    fn unspaced_prefixes_have_every_reading() {
        check("L", Some("L"), &[]);
        check("ＬＡ", Some("LA"), &[]);
        check("LA1", Some("LA1"), &[("LA1", "")]);
        check("LA11", Some("LA11"), &[("LA11", ""), ("LA1", "1")]);
        check("LA11A", None, &[("LA1", "1A")]);
        check("LA111", None, &[("LA11", "1")]);
        check("LA11AA", None, &[("LA1", "1AA")]);
        check("W1A0", None, &[("W1A", "0")]);
        check("B11", Some("B11"), &[("B11", ""), ("B1", "1")]);
        check("XM", Some("XM"), &[]);
        check("ASC", Some("ASC"), &[]);
        check("ZZ9", Some("ZZ9"), &[]);
    }

    #[test]
    fn unfinished_outcodes_may_be_completed() {
        let may_complete_to = |text: &str, outcode| {
            let prefix: PostcodePrefix = text.parse().expect("the start of a postcode");
            prefix.may_complete_to(outcode)
        };
        assert!(
            may_complete_to("LA1", "LA1")
                && may_complete_to("LA1", "LA10")
                && may_complete_to("L", "LA1")
        );
        assert!(
            !may_complete_to("LA1", "LA2")
                && !may_complete_to("LA1 ", "LA1")
                && !may_complete_to("LA11A", "LA11")
        );
    }

    #[test]
    fn debug_does_not_print_the_prefix() {
        let prefix: PostcodePrefix = "LA1".parse().expect("the start of a postcode");
        assert_eq!(format!("{prefix:?}"), "PostcodePrefix(…)");
        assert_eq!(format!("{:?}", prefix.readings()), "[PrefixReading(…)]");
    }

    #[test]
    fn invalid_prefixes_are_rejected() {
        for text in [
            "1", "LAA", "Q", "LA1 A", "LA1 1C", "LA1 1AAA", "LA 1", "LA1 1 AA", "LA111AAA", "%",
            "LA1O",
        ] {
            let result = text.parse::<PostcodePrefix>();
            assert_eq!(result, Err(InvalidPrefix::Malformed), "{text:?}");
        }
        assert_eq!(" ".parse::<PostcodePrefix>(), Err(InvalidPrefix::Missing));
        let long = "A".repeat(10_000);
        assert!(long.parse::<PostcodePrefix>().is_err());
    }
}
