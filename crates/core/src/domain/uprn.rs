//! Unique Property Reference Numbers, each of which identifies an address.

use std::fmt;
use std::str::FromStr;

/// A Unique Property Reference Number (UPRN): a whole number of up to 12 digits.
///
/// Text parses with or without leading zeros, and in the number formats of spreadsheets:
/// `10,002,345`, `10002345.0` and `1.0002345E7`. A number in scientific notation is rejected if
/// digits are missing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uprn(u64);

/// The maximum number of digits.
const DIGITS_MAX: usize = 12;
/// The greatest UPRN.
const UPRN_MAX: u64 = 999_999_999_999;

/// The error for text that is not a UPRN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUprn {
    /// The text is blank.
    #[error("the UPRN is missing")]
    Missing,
    /// The text is not a whole number of 1 to 12 digits.
    #[error("not a UPRN: use a whole number of 1 to 12 digits, greater than 0")]
    Malformed,
    /// A spreadsheet wrote the number in scientific notation and left out digits.
    #[error(
        "not a UPRN: the number is in scientific notation and lacks digits, as spreadsheets write it; \
         format the column as text or as a number without decimal places"
    )]
    Shortened,
}

impl Uprn {
    /// Returns the UPRN with a number, if the number has 1 to 12 digits and is not 0.
    pub fn from_number(number: u64) -> Option<Uprn> {
        (1..=UPRN_MAX).contains(&number).then_some(Uprn(number))
    }

    /// Returns the number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl FromStr for Uprn {
    type Err = InvalidUprn;

    fn from_str(input: &str) -> Result<Uprn, InvalidUprn> {
        let text = input.trim();
        if text.is_empty() {
            return Err(InvalidUprn::Missing);
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (text, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let whole = without_separators(whole).ok_or(InvalidUprn::Malformed)?;
        if whole.is_empty() || !is_digits(&whole) || !is_digits(fraction) {
            return Err(InvalidUprn::Malformed);
        }
        let digits = match exponent {
            None if fraction.bytes().all(|byte| byte == b'0') => whole,
            None => return Err(InvalidUprn::Malformed),
            Some(exponent) => {
                let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
                let exponent: usize = exponent.parse().map_err(|_| InvalidUprn::Malformed)?;
                if exponent > DIGITS_MAX {
                    return Err(InvalidUprn::Malformed);
                }
                let (shifted, rest) = match fraction.split_at_checked(exponent) {
                    Some(parts) => parts,
                    // The missing digits are not known.
                    None => return Err(InvalidUprn::Shortened),
                };
                if !rest.bytes().all(|byte| byte == b'0') {
                    return Err(InvalidUprn::Malformed);
                }
                format!("{whole}{shifted}")
            }
        };
        let digits = digits.trim_start_matches('0');
        if digits.len() > DIGITS_MAX {
            return Err(InvalidUprn::Malformed);
        }
        let number = digits.parse().map_err(|_| InvalidUprn::Malformed)?;
        Uprn::from_number(number).ok_or(InvalidUprn::Malformed)
    }
}

/// Removes the separators of thousands; `None` if they do not separate groups of three digits.
fn without_separators(text: &str) -> Option<String> {
    let mut groups = text.split(',');
    let mut digits = groups.next()?.to_string();
    let is_separated = text.contains(',');
    if is_separated && !(1..=3).contains(&digits.len()) {
        return None;
    }
    for group in groups {
        if group.len() != 3 {
            return None;
        }
        digits.push_str(group);
    }
    Some(digits)
}

/// Prints only the name of the type, because a UPRN shows where a person lives.
impl fmt::Debug for Uprn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Uprn(…)")
    }
}

/// Prints the number without leading zeros.
impl fmt::Display for Uprn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_parse_as_people_and_spreadsheets_write_them() {
        for (text, number) in [
            ("1", 1),
            ("000010002345", 10_002_345),
            (" 100023336956 ", 100_023_336_956),
            ("999999999999", 999_999_999_999),
            ("0000000000000010", 10),
            ("10002345.0", 10_002_345),
            ("10002345.", 10_002_345),
            ("100,023,336,956", 100_023_336_956),
            ("10,002,345.00", 10_002_345),
            ("1.00023336956E+11", 100_023_336_956),
            ("1.00023336956e11", 100_023_336_956),
            ("1.5E1", 15),
            ("1.0002345000E7", 10_002_345),
        ] {
            assert_eq!(text.parse::<Uprn>().map(Uprn::number), Ok(number), "{text}");
        }
        assert_eq!(format!("{:?}", Uprn(7)), "Uprn(…)");
        assert_eq!(Uprn(10_002_345).to_string(), "10002345");
    }

    #[test]
    fn other_text_is_rejected_with_the_reason() {
        for (text, expected) in [
            ("", InvalidUprn::Missing),
            ("  ", InvalidUprn::Missing),
            ("0", InvalidUprn::Malformed),
            ("000", InvalidUprn::Malformed),
            ("1000000000000", InvalidUprn::Malformed),
            ("-5", InvalidUprn::Malformed),
            ("+5", InvalidUprn::Malformed),
            ("10.5", InvalidUprn::Malformed),
            ("1,00", InvalidUprn::Malformed),
            ("1000,000", InvalidUprn::Malformed),
            (",100", InvalidUprn::Malformed),
            ("LA1 1AA", InvalidUprn::Malformed),
            ("1.5E0", InvalidUprn::Malformed),
            ("1E99", InvalidUprn::Malformed),
            ("1E-3", InvalidUprn::Malformed),
            ("E5", InvalidUprn::Malformed),
            ("١٢٣", InvalidUprn::Malformed),
            ("1.00023E+11", InvalidUprn::Shortened),
            ("1E+11", InvalidUprn::Shortened),
        ] {
            assert_eq!(text.parse::<Uprn>(), Err(expected), "{text}");
        }
    }
}
