//! Parsers for the date formats of published files.

use jiff::civil::{Date, date};
use jiff::{Span, ToSpan};

use catchment_core::domain::{InvalidDate, Period, date_from_iso};

/// The date that NHS ODS uses for an unknown first day.
const UNKNOWN_FIRST_DAY: Date = date(1900, 1, 1);

/// The serial number of 1 March 1900. Spreadsheets treat 1900 as a leap year, so serial numbers are
/// equal to the number of days since 30 December 1899 only from this date on.
const SERIAL_MIN: i64 = 61;
/// The serial number of 31 December 9999.
const SERIAL_MAX: i64 = 2_958_465;
/// The difference between the serial numbers of a day in the 1900 and 1904 date systems: four years
/// and a day.
pub(super) const EPOCH_1904_OFFSET_DAYS: i64 = 1_462;

/// Parses a date written `YYYYMMDD`, such as `20240229`, and no other format.
pub(super) fn parse_yyyymmdd(text: &str) -> Result<Date, InvalidDate> {
    let invalid = InvalidDate {
        expected: "a date that exists, written YYYYMMDD",
    };
    let is_digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits {
        return Err(invalid);
    }
    let iso = format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]);
    date_from_iso(&iso).map_err(|_| invalid)
}

/// Parses `20240229`, `29/02/2024` or `2024-02-29`. A time of day after the date is ignored.
pub(super) fn parse_text(text: &str) -> Result<Date, InvalidDate> {
    let invalid = InvalidDate {
        expected: "a date that exists, written YYYYMMDD, DD/MM/YYYY or YYYY-MM-DD",
    };
    let day = text.split(['T', ' ']).next().unwrap_or(text);
    let parts: Vec<&str> = day.split('/').collect();
    let parsed = match parts.as_slice() {
        [day, month, year] => date_from_iso(&format!("{year}-{month:0>2}-{day:0>2}")),
        _ if day.contains('-') => date_from_iso(day),
        _ => parse_yyyymmdd(day),
    };
    parsed.map_err(|_| invalid)
}

/// Converts the number in a spreadsheet cell to a date: a serial number of the 1900 date system
/// (45352 is 1 March 2024), or the digits of the date (20240301). The two ranges of numbers do not
/// overlap.
pub(super) fn parse_number(number: f64) -> Result<Date, InvalidDate> {
    let invalid = InvalidDate {
        expected: "a date that exists, as a date cell or written YYYYMMDD",
    };
    // NaN is in no range.
    if !(0.0..=99_991_231.0).contains(&number) {
        return Err(invalid);
    }
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and 99991231")]
    let whole = number.floor() as i64;
    match whole {
        SERIAL_MIN..=SERIAL_MAX => {
            let days = Span::new().try_days(whole).map_err(|_| invalid)?;
            date(1899, 12, 30).checked_add(days).map_err(|_| invalid)
        }
        _ => parse_yyyymmdd(&whole.to_string()).map_err(|_| invalid),
    }
}

/// Returns the first day, or `None` if it is the placeholder for an unknown day.
pub(super) fn known_first_day(day: Option<Date>) -> Option<Date> {
    day.filter(|day| *day != UNKNOWN_FIRST_DAY)
}

/// Returns the period from a first day to a last day, both inclusive.
pub(super) fn period_from_days(first: Option<Date>, last: Option<Date>) -> Period {
    Period {
        from: known_first_day(first),
        to: last.map(|day| day.saturating_add(1.day())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_date_format_is_parsed() {
        let day = Ok(date(2024, 2, 29));
        for text in [
            "20240229",
            "29/02/2024",
            "2024-02-29",
            "2024-02-29T00:00:00",
            "2024-02-29 00:00:00",
        ] {
            assert_eq!(parse_text(text), day, "{text}");
        }
        assert_eq!(parse_text("1/4/2020"), Ok(date(2020, 4, 1)));
        for text in [
            "",
            "29/02/2023",
            "2/29/2024",
            "29/02/24",
            "20230229",
            "2024-2-29",
            "1/2/3/4",
            "٢٠٢٤٠٢٢٩",
        ] {
            assert!(parse_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn yyyymmdd_is_strict() {
        assert_eq!(parse_yyyymmdd("20240229"), Ok(date(2024, 2, 29)));
        for text in [
            "20230229",
            "2023-02-01",
            "",
            "2023011",
            "２０２３",
            "2023 101",
        ] {
            assert!(parse_yyyymmdd(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_serials_or_digits() {
        assert_eq!(parse_number(45_352.0), Ok(date(2024, 3, 1)));
        assert_eq!(parse_number(45_352.75), Ok(date(2024, 3, 1)));
        assert_eq!(parse_number(61.0), Ok(date(1900, 3, 1)));
        assert_eq!(parse_number(20_240_301.0), Ok(date(2024, 3, 1)));
        for number in [
            0.0,
            60.0,
            -1.0,
            3e6,
            20_241_301.0,
            1e300,
            f64::NAN,
            f64::INFINITY,
        ] {
            assert!(parse_number(number).is_err(), "{number}");
        }
    }

    #[test]
    fn last_day_is_inclusive_and_unknown_first_day_is_open() {
        let period = period_from_days(Some(date(1900, 1, 1)), Some(date(2020, 3, 31)));
        assert_eq!((period.from, period.to), (None, Some(date(2020, 4, 1))));
        let whole = period_from_days(Some(date(1974, 4, 1)), Some(Date::MAX));
        assert_eq!(
            (whole.from, whole.to),
            (Some(date(1974, 4, 1)), Some(Date::MAX))
        );
    }
}
