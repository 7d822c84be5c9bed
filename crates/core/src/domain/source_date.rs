//! The dates of sources, which are known to the day, the month or the year.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, date};

use super::{InvalidDate, YearMonth, date_from_iso};

/// The date of a source, as precisely as its publisher states it: ISO 8601 with reduced precision,
/// `2022-01-05`, `2025-11` or `2011`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceDate {
    /// A year.
    Year(i16),
    /// A month.
    Month(YearMonth),
    /// A day.
    Day(Date),
}

impl SourceDate {
    /// Returns the first day of the year or month, or the day.
    pub fn first_day(self) -> Date {
        match self {
            SourceDate::Year(year) => date(year, 1, 1),
            SourceDate::Month(month) => month.first_day(),
            SourceDate::Day(day) => day,
        }
    }

    /// Returns the month that a day is in.
    pub fn month_of(day: Date) -> SourceDate {
        SourceDate::Month(YearMonth::of(day))
    }

    /// Returns the age in days on `day`, counted from the first day; negative for a date after
    /// `day`.
    pub fn age_days(self, day: Date) -> i32 {
        (day - self.first_day()).get_days()
    }

    /// Returns whether this date is the same as the other date, or is the month or year of the
    /// other date.
    pub fn includes(self, other: SourceDate) -> bool {
        other.to_string().starts_with(&self.to_string())
    }

    /// Returns the date as text for users: `5 January 2022`, `November 2025` or `2011`.
    pub fn in_words(self) -> String {
        let format = match self {
            SourceDate::Year(_) => "%Y",
            SourceDate::Month(_) => "%B %Y",
            SourceDate::Day(_) => "%-d %B %Y",
        };
        self.first_day().strftime(format).to_string()
    }

    fn precision(self) -> u8 {
        match self {
            SourceDate::Year(_) => 0,
            SourceDate::Month(_) => 1,
            SourceDate::Day(_) => 2,
        }
    }
}

/// Sorts by the first day. Of two dates with the same first day, the less precise date comes first.
impl Ord for SourceDate {
    fn cmp(&self, other: &SourceDate) -> Ordering {
        let key = |date: &SourceDate| (date.first_day(), date.precision());
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for SourceDate {
    fn partial_cmp(&self, other: &SourceDate) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for SourceDate {
    type Err = InvalidDate;

    fn from_str(input: &str) -> Result<SourceDate, InvalidDate> {
        let invalid = InvalidDate {
            expected: "a date written YYYY-MM-DD, YYYY-MM or YYYY",
        };
        let month = |text: &str| text.parse::<YearMonth>().map_err(|_| invalid);
        match (input.len(), input.as_bytes().get(4)) {
            (4, _) => {
                let january = month(&format!("{input}-01"))?;
                Ok(SourceDate::Year(january.first_day().year()))
            }
            (7, Some(b'-')) => month(input).map(SourceDate::Month),
            (10, Some(b'-')) => date_from_iso(input)
                .map(SourceDate::Day)
                .map_err(|_| invalid),
            _ => Err(invalid),
        }
    }
}

impl fmt::Display for SourceDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceDate::Year(year) => write!(f, "{year:04}"),
            SourceDate::Month(month) => write!(f, "{month}"),
            SourceDate::Day(day) => write!(f, "{day}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> SourceDate {
        text.parse().expect("a date")
    }

    #[test]
    fn dates_have_the_precision_of_their_text() {
        for (text, first_day, words) in [
            ("2011", date(2011, 1, 1), "2011"),
            ("2025-11", date(2025, 11, 1), "November 2025"),
            ("2022-01-05", date(2022, 1, 5), "5 January 2022"),
        ] {
            let found = parsed(text);
            assert_eq!(found.to_string(), text);
            assert_eq!(found.first_day(), first_day);
            assert_eq!(found.in_words(), words);
        }
        for text in [
            "",
            "11",
            "20111",
            "201112",
            "2011-1",
            "2011-13",
            "2011-12-32",
            "2011/12",
            "20111231",
            "2021-02-29",
            "next",
            "see as_of",
            "٢٠١١",
        ] {
            let error = text.parse::<SourceDate>().expect_err(text);
            assert_eq!(
                error.to_string(),
                "not a date: expected a date written YYYY-MM-DD, YYYY-MM or YYYY"
            );
        }
    }

    #[test]
    fn dates_are_in_order_of_their_first_day() {
        let sorted = [
            "2011",
            "2011-01",
            "2011-01-01",
            "2011-01-02",
            "2011-02",
            "2012",
        ]
        .map(parsed);
        assert!(sorted.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_date_includes_more_precise_dates() {
        for (coarse, fine, expected) in [
            ("2011", "2011-12", true),
            ("2011-12", "2011-12-31", true),
            ("2011-12", "2011-12", true),
            ("2011-12", "2011", false),
            ("2011", "2012-01", false),
        ] {
            let includes = parsed(coarse).includes(parsed(fine));
            assert_eq!(includes, expected, "{coarse} {fine}");
        }
    }

    #[test]
    fn age_is_counted_from_the_first_day() {
        assert_eq!(parsed("2025-11").age_days(date(2025, 12, 1)), 30);
        assert_eq!(parsed("2011").age_days(date(2012, 1, 1)), 365);
        assert_eq!(parsed("2025-11-30").age_days(date(2025, 11, 29)), -1);
    }
}
