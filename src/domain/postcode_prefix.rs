use super::postcode::{Postcode, is_outcode_bytes, tidy};

/// The start of a postcode, as typed into a search box, in letters of any case and width.
///
/// A space ends the outward code. Text without a space has every reading in which it starts a
/// postcode, the longest outward code first: `LA11` is the outward code LA11, or LA1 and the first
/// character of an inward code. A complete outward code does not match longer ones: the readings of
/// `LA1` do not include the postcodes of LA10. `Debug` does not print the text.
#[derive(Clone, PartialEq, Eq)]
pub struct PostcodePrefix {
    /// The text, if it may still be an incomplete outward code.
    outward: Option<String>,
    readings: Vec<Reading>,
}

/// One reading of a prefix: an outward code and the start of an inward code.
#[derive(Clone, PartialEq, Eq)]
pub struct Reading {
    outcode: String,
    begun: String,
}

/// The reason why text is not the start of a postcode. It never contains the text.
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
    /// Returns every reading of the text as an outward code, with or without the start of an inward
    /// code.
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// Returns whether the text may be completed to the outward code, such as `LA10`.
    pub fn may_begin_outcode(&self, outcode: &str) -> bool {
        let outward = self.outward.as_deref();
        outward.is_some_and(|outward| outcode.starts_with(outward))
    }
}

impl Reading {
    /// Returns the outward code, such as `LA1`.
    pub fn outcode(&self) -> &str {
        &self.outcode
    }

    /// Returns the start of the inward code: empty, a digit, or a digit and one or two letters.
    pub fn begun(&self) -> &str {
        &self.begun
    }

    fn new(outcode: &[u8], begun: &[u8]) -> Option<Reading> {
        let rest = b"1AA".get(begun.len()..)?;
        // It is the start of an inward code if the missing characters complete it.
        Postcode::from_parts(outcode, &[begun, rest].concat())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(Reading {
            outcode: text(outcode),
            begun: text(begun),
        })
    }
}

impl std::str::FromStr for PostcodePrefix {
    type Err = InvalidPrefix;

    fn from_str(input: &str) -> Result<PostcodePrefix, InvalidPrefix> {
        let tidied = tidy(input).map_err(|_| InvalidPrefix::Malformed)?;
        let parts: Vec<&[u8]> = tidied.split(|&byte| byte == b' ').collect();
        let ends_outward = input.ends_with(char::is_whitespace);
        match parts[..] {
            [b""] => Err(InvalidPrefix::Missing),
            [outcode] if ends_outward && is_outcode_bytes(outcode) => spaced(outcode, b""),
            [joined] => unspaced(joined),
            [outcode, begun] => spaced(outcode, begun),
            _ => Err(InvalidPrefix::Malformed),
        }
    }
}

fn spaced(outcode: &[u8], begun: &[u8]) -> Result<PostcodePrefix, InvalidPrefix> {
    let reading = Reading::new(outcode, begun).ok_or(InvalidPrefix::Malformed)?;
    Ok(PostcodePrefix {
        outward: None,
        readings: vec![reading],
    })
}

fn unspaced(joined: &[u8]) -> Result<PostcodePrefix, InvalidPrefix> {
    let longest = joined.len().min(4);
    let splits = (2..=longest).rev().map(|at| joined.split_at(at));
    let readings: Vec<Reading> = splits
        .filter_map(|(outcode, begun)| Reading::new(outcode, begun))
        .collect();
    let outward = begins_outcode(joined, 2).then(|| String::from_utf8_lossy(joined).into_owned());
    if readings.is_empty() && outward.is_none() {
        return Err(InvalidPrefix::Malformed);
    }
    Ok(PostcodePrefix { outward, readings })
}

/// Returns whether the text is an outward code, or becomes one with up to `more_max` more
/// characters.
fn begins_outcode(text: &[u8], more: usize) -> bool {
    let longer = |byte| begins_outcode(&[text, &[byte]].concat(), more - 1);
    is_outcode_bytes(text)
        || (more > 0 && text.len() < 4 && (b'0'..=b'9').chain(b'A'..=b'Z').any(longer))
}

impl std::fmt::Debug for PostcodePrefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostcodePrefix(…)")
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reading(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, outward: Option<&str>, readings: &[(&str, &str)]) {
        let prefix: PostcodePrefix = text.parse().expect("the start of a postcode");
        assert_eq!(prefix.outward.as_deref(), outward, "{text:?}");
        let read = prefix.readings().iter();
        let read: Vec<_> = read.map(|it| (it.outcode(), it.begun())).collect();
        assert_eq!(read, readings, "{text:?}");
    }

    #[test]
    fn a_space_ends_the_outward_code() {
        check("LA1 ", None, &[("LA1", "")]);
        check("la1\t1", None, &[("LA1", "1")]);
        check("LA1 1a", None, &[("LA1", "1A")]);
        check("LA1  1AA ", None, &[("LA1", "1AA")]);
        check("ZZ99 3V", None, &[("ZZ99", "3V")]);
        // An incomplete outward code is not ended by a space.
        check("LA ", Some("LA"), &[]);
    }

    #[test]
    fn without_a_space_every_way_to_read_it_is_one() {
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
    fn an_outward_code_may_be_meant_where_none_is_ended() {
        let may = |text: &str, outcode| {
            let prefix: PostcodePrefix = text.parse().expect("the start of a postcode");
            prefix.may_begin_outcode(outcode)
        };
        assert!(may("LA1", "LA1") && may("LA1", "LA10") && may("L", "LA1"));
        assert!(!may("LA1", "LA2") && !may("LA1 ", "LA1") && !may("LA11A", "LA11"));
    }

    #[test]
    fn debug_prints_nothing_of_it() {
        let prefix: PostcodePrefix = "LA1".parse().expect("the start of a postcode");
        assert_eq!(format!("{prefix:?}"), "PostcodePrefix(…)");
        assert_eq!(format!("{:?}", prefix.readings()), "[Reading(…)]");
    }

    #[test]
    fn what_begins_no_postcode_is_refused() {
        for text in [
            "1", "LAA", "Q", "LA1 A", "LA1 1C", "LA1 1AAA", "LA 1", "LA1 1 AA", "LA111AAA", "%",
            "LA1O",
        ] {
            let refused = text.parse::<PostcodePrefix>();
            assert_eq!(refused, Err(InvalidPrefix::Malformed), "{text:?}");
        }
        assert_eq!(" ".parse::<PostcodePrefix>(), Err(InvalidPrefix::Missing));
        let long = "A".repeat(10_000);
        assert!(long.parse::<PostcodePrefix>().is_err());
    }
}
