//! The codes of LSOAs, which indicate the census year of an LSOA, because each census continues the
//! numbering of the previous census.

/// The highest numbers in the codes for England in the censuses of 2001 and 2011.
pub(crate) const ENGLAND_2001_MAX: u32 = 32_482;
pub(crate) const ENGLAND_2011_MAX: u32 = 33_768;
/// The highest number in the codes for Wales in the census of 2011.
const WALES_2011_MAX: u32 = 1_958;

/// Returns the number in the code of an LSOA in England.
pub(crate) fn england_number(code: &str) -> Option<u32> {
    number(code, "E01")
}

/// Returns whether a code belongs to an LSOA in England or Wales that was created in the census of
/// 2021.
pub(crate) fn is_new_in_2021(code: &str) -> bool {
    england_number(code).is_some_and(|number| number > ENGLAND_2011_MAX)
        || number(code, "W01").is_some_and(|number| number > WALES_2011_MAX)
}

fn number(code: &str, country: &str) -> Option<u32> {
    let digits = code.strip_prefix(country).filter(|_| code.len() == 9)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_shows_the_census() {
        assert_eq!(england_number("E01033768"), Some(ENGLAND_2011_MAX));
        for text in ["E0103376", "E01O33768", "W01001958", ""] {
            assert_eq!(england_number(text), None, "{text}");
        }
        for (code, is_new) in [
            ("E01033768", false),
            ("E01033769", true),
            ("W01001958", false),
            ("W01001959", true),
            ("S01006506", false),
        ] {
            assert_eq!(is_new_in_2021(code), is_new, "{code}");
        }
    }
}
