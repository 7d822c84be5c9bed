use std::str::FromStr;

use super::BritishGrid;

/// A National Grid reference such as `SD 173 800`, stored as the centre of the square that the
/// reference identifies.
///
/// Two letters identify a square with sides of 100 km. The digits after the letters identify a
/// smaller square within it: the first half of the digits is the easting, and the second half is
/// the northing. Six digits identify a square with sides of 100 m, and ten digits identify a square
/// with sides of 1 m. References with fewer than six digits are rejected, because a square with
/// sides of 1 km or more is too coarse for a look-up. The letters are from Ordnance Survey, "A
/// guide to coordinate systems in Great Britain", section 4.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct GridReference(BritishGrid);

/// The reason why text is not a usable grid reference. The message never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGridReference {
    /// The text is not two letters of the grid followed by digits.
    #[error("a grid reference must be two letters and six to ten digits, such as SD 173 800")]
    Malformed,
    /// The easting and the northing have different numbers of digits.
    #[error(
        "a grid reference must have the same number of digits for easting and northing, such as SD 173 800"
    )]
    UnequalDigits,
    /// The reference identifies a square with sides of 1 km or more.
    #[error(
        "a grid reference must have at least six digits; fewer digits describe a square that is too large"
    )]
    TooCoarse,
}

impl GridReference {
    /// Returns the centre of the square.
    pub fn centre(self) -> BritishGrid {
        self.0
    }

    /// Returns whether the text looks like a grid reference: two letters of the grid, then at least
    /// three digits and no other letter. A postcode ends in letters, and an outward code has at
    /// most two digits.
    pub fn looks_like(text: &str) -> bool {
        let (letters, digits) = split_letters_and_digits(text);
        square_origin(letters).is_some() && digits.iter().map(|text| text.len()).sum::<usize>() > 2
    }
}

/// Splits the text into its leading letters and the groups of digits after them. Returns no groups
/// if the letters are followed by anything other than digits.
fn split_letters_and_digits(text: &str) -> (&str, Vec<&str>) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_alphabetic());
    let (letters, rest) = text.split_at(end.unwrap_or(text.len()));
    let groups: Vec<&str> = rest.split_whitespace().collect();
    let is_digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    if groups.iter().all(is_digits) {
        (letters, groups)
    } else {
        (letters, Vec::new())
    }
}

/// Returns the south-west corner of a 100 km square, in units of 100 km.
fn square_origin(letters: &str) -> Option<(u32, u32)> {
    let &[first, second] = letters.as_bytes() else {
        return None;
    };
    // The squares have the letters of the alphabet without I, in rows of five from the north-west.
    let letter_index = |letter: u8| {
        let index = u32::from(letter.to_ascii_uppercase()).checked_sub(u32::from(b'A'))?;
        match index {
            8 => None,
            0..8 => Some(index),
            _ => Some(index - 1),
        }
    };
    let (first, second) = (letter_index(first)?, letter_index(second)?);
    // The false origin is the south-west corner of square S, which is in the third column and
    // fourth row.
    let east = ((first % 5) * 5 + second % 5).checked_sub(10)?;
    let north = 19_u32.checked_sub(first / 5 * 5 + second / 5)?;
    (east < 7 && north < 13).then_some((east, north))
}

impl FromStr for GridReference {
    type Err = InvalidGridReference;

    fn from_str(text: &str) -> Result<GridReference, InvalidGridReference> {
        let (letters, groups) = split_letters_and_digits(text);
        let (east, north) = square_origin(letters).ok_or(InvalidGridReference::Malformed)?;
        let all_digits = groups.concat();
        let (east_digits, north_digits) = match groups.as_slice() {
            [all] if all.len() % 2 == 0 => all.split_at(all.len() / 2),
            [east_digits, north_digits] if east_digits.len() == north_digits.len() => {
                (*east_digits, *north_digits)
            }
            [_] | [_, _] => return Err(InvalidGridReference::UnequalDigits),
            _ => return Err(InvalidGridReference::Malformed),
        };
        match all_digits.len() {
            6..=10 => {}
            0..6 => return Err(InvalidGridReference::TooCoarse),
            _ => return Err(InvalidGridReference::Malformed),
        }
        let side_m =
            f64::from(10_u32.pow(5 - u32::try_from(east_digits.len()).expect("at most five")));
        let centre_m = |square: u32, digits: &str| {
            let squares_from_edge: f64 = digits.parse().expect("at most five digits");
            f64::from(square) * 100_000.0 + (squares_from_edge + 0.5) * side_m
        };
        BritishGrid::from_metres(centre_m(east, east_digits), centre_m(north, north_digits))
            .map(GridReference)
            .map_err(|_| InvalidGridReference::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(f64, f64), InvalidGridReference>) {
        let parsed = text.parse::<GridReference>().map(GridReference::centre);
        let centre_m = parsed.map(|position| (position.easting_m(), position.northing_m()));
        assert_eq!(centre_m, expected, "{text}");
    }

    #[test]
    fn squares_match_ordnance_survey() {
        // The corners of the guide's figure 8, and its worked example.
        check("SV 000 000", Ok((50.0, 50.0)));
        check("TG 51409 13177", Ok((651_409.5, 313_177.5)));
        check("HP 600 000", Ok((460_050.0, 1_200_050.0)));
        check("NN 166 712", Ok((216_650.0, 771_250.0)));
        check("sd173800", Ok((317_350.0, 480_050.0)));
        check(" SD 1730 8007 ", Ok((317_305.0, 480_075.0)));
        check("SD1730380077", Ok((317_303.5, 480_077.5)));
        check("OV 000 000", Ok((500_050.0, 500_050.0)));
    }

    #[test]
    fn invalid_references_are_rejected_with_the_reason() {
        use InvalidGridReference::{Malformed, TooCoarse, UnequalDigits};
        check("SD 17 80", Err(TooCoarse));
        check("SD", Err(Malformed));
        check("SD 173 80", Err(UnequalDigits));
        check("SD 17380", Err(UnequalDigits));
        check("SD 173800 480", Err(UnequalDigits));
        check("SD 173800 480077", Err(Malformed));
        check("SD 1 7 3", Err(Malformed));
        check("SI 173 800", Err(Malformed));
        check("AA 173 800", Err(Malformed));
        // These squares are east of TB and north of HL, where the grid ends.
        check("TC 173 800", Err(Malformed));
        check("HF 173 800", Err(Malformed));
        check("SD 173 8OO", Err(Malformed));
        check("", Err(Malformed));
    }

    #[test]
    fn postcodes_do_not_look_like_grid_references() {
        for text in ["SD 173 800", "sd173800", "SD 173 80", "NY 1234"] {
            assert!(GridReference::looks_like(text), "{text}");
        }
        for text in [
            "SE1 1AA",
            "SE11",
            "LA18 4DB",
            "SD",
            "54.2, -3.2",
            "LA1O 5DL",
            "LA1234",
        ] {
            assert!(!GridReference::looks_like(text), "{text}");
        }
    }
}
