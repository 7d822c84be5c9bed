use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::Date;

/// A half-open range of civil dates, `[from, to)`. If a bound is `None`, it is unknown or in the
/// future, and the range is not limited on that side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// The first day.
    pub from: Option<Date>,
    /// The first day after the period.
    pub to: Option<Date>,
}

impl Period {
    /// Returns whether the period contains the day.
    pub fn contains(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day < to)
    }
}

/// A month such as `1980-01`. The dates of introduction and termination of a postcode are months.
///
/// The month is stored as the number of months since December 1799, as in the compact postcode
/// table, so that a month that is read from the table needs no conversion.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct YearMonth(NonZeroU32);

/// The error for text that does not have the format of a date, or is a date that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a date: expected {expected}")]
pub struct InvalidDate {
    /// The expected format.
    pub expected: &'static str,
}

impl YearMonth {
    /// Returns the first day of the month.
    pub fn first_day(self) -> Date {
        let (year, month) = self.year_and_month();
        jiff::civil::date(year, month, 1)
    }

    /// Returns the first day after the month.
    pub fn first_day_after(self) -> Date {
        YearMonth(self.0.saturating_add(1)).first_day()
    }

    /// Returns the month that a day is in; for a day before 1800 or after 9998, the nearest month.
    pub fn of(day: Date) -> YearMonth {
        let months = (i32::from(day.year()) - 1_800) * 12 + i32::from(day.month());
        let ordinal = u32::try_from(months).unwrap_or(0);
        let ordinal = ordinal.clamp(1, YearMonth::ORDINAL_MAX);
        YearMonth(NonZeroU32::new(ordinal).unwrap_or(NonZeroU32::MIN))
    }

    /// The ordinal of the last month, December 9998, which fits in 17 bits.
    pub(crate) const ORDINAL_MAX: u32 = (9_998 - 1_800) * 12 + 12;

    /// Returns the number of months since December 1799: at most [`YearMonth::ORDINAL_MAX`].
    pub(crate) fn ordinal(self) -> u32 {
        self.0.get()
    }

    /// Returns the month with this ordinal, or `None` for 0.
    pub(crate) fn from_ordinal(ordinal: u32) -> Option<YearMonth> {
        NonZeroU32::new(ordinal).map(YearMonth)
    }

    fn year_and_month(self) -> (i16, i8) {
        let months = self.0.get() - 1;
        (
            i16::try_from(1_800 + months / 12).expect("no month is after 9998"),
            i8::try_from(months % 12 + 1).expect("at most 12"),
        )
    }

    /// Returns the month in the format that ONS uses: `198001`.
    pub fn to_yyyymm(self) -> String {
        let (year, month) = self.year_and_month();
        format!("{year:04}{month:02}")
    }
}

/// Parses `198001`, the format of the ONS directories, or `1980-01`.
impl FromStr for YearMonth {
    type Err = InvalidDate;

    fn from_str(input: &str) -> Result<YearMonth, InvalidDate> {
        let invalid = InvalidDate {
            expected: "a month written YYYYMM or YYYY-MM",
        };
        let (year, month) = input.split_at_checked(4).ok_or(invalid)?;
        let month = month.strip_prefix('-').unwrap_or(month);
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if month.len() != 2 || !is_digits(year) || !is_digits(month) {
            return Err(invalid);
        }
        let year: u32 = year.parse().map_err(|_| invalid)?;
        let month: u32 = month.parse().map_err(|_| invalid)?;
        if !(1800..9999).contains(&year) || !(1..=12).contains(&month) {
            return Err(invalid);
        }
        YearMonth::from_ordinal((year - 1_800) * 12 + month).ok_or(invalid)
    }
}

impl fmt::Debug for YearMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "YearMonth({self})")
    }
}

impl fmt::Display for YearMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = self.year_and_month();
        write!(f, "{year:04}-{month:02}")
    }
}

/// Parses a date written `YYYY-MM-DD`. Other formats, such as `20230101`, and times are rejected.
///
/// # Errors
/// If the text has another format, or is a date that does not exist, such as `2023-02-29`.
pub fn date_from_iso(input: &str) -> Result<Date, InvalidDate> {
    let invalid = InvalidDate {
        expected: "a date that exists, written YYYY-MM-DD",
    };
    let has_iso_shape = input.len() == 10
        && input.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !has_iso_shape {
        return Err(invalid);
    }
    input.parse().map_err(|_| invalid)
}

/// Returns the current time of the system clock, limited to the range that [`Timestamp`] supports.
pub fn now() -> Timestamp {
    timestamp_from(SystemTime::now())
}

fn timestamp_from(time: SystemTime) -> Timestamp {
    let saturated = if time > SystemTime::UNIX_EPOCH {
        Timestamp::MAX
    } else {
        Timestamp::MIN
    };
    Timestamp::try_from(time).unwrap_or(saturated)
}

/// Returns the current civil date in Europe/London, whatever the time zone of the machine.
pub fn today_in_london() -> Date {
    date_in_london(now())
}

/// Returns the civil date in Europe/London at an instant.
pub fn date_in_london(instant: Timestamp) -> Date {
    const LONDON: jiff::tz::TimeZone = jiff::tz::get!("Europe/London");
    instant.to_zoned(LONDON).date()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::civil::date;

    use super::*;

    #[test]
    fn period_includes_its_first_day_and_excludes_its_end() {
        let period = Period {
            from: Some(date(2022, 1, 5)),
            to: Some(date(2022, 7, 1)),
        };
        assert!(!period.contains(date(2022, 1, 4)));
        assert!(period.contains(date(2022, 1, 5)));
        assert!(period.contains(date(2022, 6, 30)));
        assert!(!period.contains(date(2022, 7, 1)));
        assert!(Period::default().contains(date(1900, 1, 1)));
    }

    #[test]
    fn only_iso_dates_that_exist_are_dates() {
        assert_eq!(date_from_iso("2024-02-29"), Ok(date(2024, 2, 29)));
        for input in [
            "2023-02-29",
            "2023-13-01",
            "20230101",
            "2023-01-01T00:00:00Z",
            "",
            "01/02/2023",
            "2023-1-1",
            "２０２３-01-01",
        ] {
            assert!(date_from_iso(input).is_err(), "{input}");
        }
    }

    #[test]
    fn half_past_midnight_in_summer_is_already_the_next_day_in_london() {
        let instant: Timestamp = "2026-06-30T23:30:00Z".parse().expect("a timestamp");
        assert_eq!(date_in_london(instant), date(2026, 7, 1));
        let winter: Timestamp = "2026-12-31T23:30:00Z".parse().expect("a timestamp");
        assert_eq!(date_in_london(winter), date(2026, 12, 31));
    }

    #[test]
    fn clocks_after_9999_saturate() {
        for seconds in [253_370_764_800, 253_402_300_799, 253_402_300_800, 1 << 60] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(date_in_london(timestamp_from(time)).year(), 9999);
        }
    }

    #[test]
    fn months_convert_to_days_text_and_ordinals() {
        let month: YearMonth = "199612".parse().expect("a month");
        assert_eq!(
            (month.first_day(), month.first_day_after()),
            (date(1996, 12, 1), date(1997, 1, 1))
        );
        assert_eq!(month.to_string(), "1996-12");
        assert_eq!(month.to_yyyymm(), "199612");
        assert_eq!(format!("{month:?}"), "YearMonth(1996-12)");
        assert_eq!("1996-12".parse(), Ok(month));
        for (text, ordinal) in [("180001", 1), ("199612", 2_364), ("999812", 98_388)] {
            let month: YearMonth = text.parse().expect("a month");
            assert_eq!(month.ordinal(), ordinal);
            assert_eq!(YearMonth::from_ordinal(ordinal), Some(month));
        }
        for input in [
            "19-9612", "199-612", "1996-1", "1996--12", "+99612", "AAAAAA", "199613", "1996",
            "19961201", "",
        ] {
            assert!(input.parse::<YearMonth>().is_err(), "{input}");
        }
    }
}
