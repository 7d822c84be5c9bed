use std::fmt;

use jiff::civil::Date;

use super::keyword::keyword_enum;
use super::{BritishGrid, Period, Postcode, YearMonth};

/// The entry of a postcode in the directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PostcodeEntry {
    /// The postcode.
    pub postcode: Postcode,
    /// A point near the centre of the postcode's addresses, to the nearest metre; `None` if no
    /// position is known.
    pub position: Option<BritishGrid>,
    /// The quality of the position, if the directory states it.
    pub positional_quality: Option<PositionalQuality>,
    /// Whether the postcode belongs to one large user of mail rather than to a street.
    pub is_large_user: bool,
    /// Whether the postcode is in use in this edition of the directory.
    pub is_live: bool,
    /// The month of introduction.
    pub introduced: Option<YearMonth>,
    /// The month of termination, if known.
    pub terminated: Option<YearMonth>,
    /// The index of the postcode's statistical area in the dataset, if the directory states one.
    pub statistical_area: Option<u32>,
}

/// Prints no fields, because any of them could identify the postcode.
impl fmt::Debug for PostcodeEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostcodeEntry(…)")
    }
}

/// The status of a postcode on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostcodeStatus {
    /// The postcode is in use.
    Live,
    /// The postcode is no longer in use.
    Terminated,
    /// The postcode was introduced after that day.
    NotYetIntroduced,
}

keyword_enum!(PostcodeStatus {
    Live = "live",
    Terminated = "terminated",
    NotYetIntroduced = "not_yet_introduced",
});

/// The quality of a position, on its publisher's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionalQuality {
    /// Code-Point Open: 10 (within the building) to 60, and 90 (no position). Only live postcodes
    /// have a quality on this scale.
    CodePointOpen(u8),
    /// ONS `gridind`: 1 (within the building) to 8 (postcode terminated before 2000), and 9 (no
    /// position).
    Ons(u8),
}

impl PositionalQuality {
    /// Returns the name of the scale, as used in responses and files.
    pub fn scale(self) -> &'static str {
        match self {
            PositionalQuality::CodePointOpen(_) => "code-point-open",
            PositionalQuality::Ons(_) => "ons",
        }
    }

    /// Returns the value on the scale.
    pub fn value(self) -> u8 {
        match self {
            PositionalQuality::CodePointOpen(value) | PositionalQuality::Ons(value) => value,
        }
    }

    /// Returns the quality with this value, or `None` if neither scale has the value. The values of
    /// Code-Point Open are at least 10, and the values of ONS are less than 10, so the value
    /// determines the scale.
    pub fn new(value: u8) -> Option<PositionalQuality> {
        match value {
            1..=9 => Some(PositionalQuality::Ons(value)),
            10..=90 => Some(PositionalQuality::CodePointOpen(value)),
            _ => None,
        }
    }

    /// Returns whether the position is only an estimate or the mean of a postcode sector:
    /// Code-Point Open 50 or more, ONS 6 or more.
    fn is_coarse(self) -> bool {
        match self {
            PositionalQuality::CodePointOpen(value) => value >= 50,
            PositionalQuality::Ons(value) => value >= 6,
        }
    }
}

impl PostcodeEntry {
    /// Returns the period in which the postcode was in use. A terminated postcode without a month
    /// of termination is treated as terminated after `last_known_live`, the last month in which it
    /// is known to have been in use.
    pub fn period(&self, last_known_live: Option<YearMonth>) -> Period {
        let last_month = match (self.is_live, self.terminated) {
            (true, _) => None,
            (false, Some(month)) => Some(month),
            (false, None) => last_known_live,
        };
        Period {
            from: self.introduced.map(YearMonth::first_day),
            to: last_month.map(YearMonth::first_day_after),
        }
    }

    /// Returns whether the postcode was no longer in use on that day. `last_known_live` has the
    /// same meaning as in [`PostcodeEntry::period`].
    pub fn is_terminated_on(&self, day: Date, last_known_live: Option<YearMonth>) -> bool {
        match self.period(last_known_live).to {
            Some(to) => to <= day,
            None => !self.is_live,
        }
    }

    /// Returns the status on a day. `last_known_live` has the same meaning as in
    /// [`PostcodeEntry::period`].
    pub fn status_on(&self, day: Date, last_known_live: Option<YearMonth>) -> PostcodeStatus {
        let introduced = self.introduced.map(YearMonth::first_day);
        if self.is_terminated_on(day, last_known_live) {
            PostcodeStatus::Terminated
        } else if introduced.is_some_and(|introduced| day < introduced) {
            PostcodeStatus::NotYetIntroduced
        } else {
            PostcodeStatus::Live
        }
    }

    /// Returns whether the position is too coarse to determine the area with certainty, or may be
    /// the place where mail is sorted instead of the place where people live, as for large users.
    pub fn is_coarse(&self) -> bool {
        self.is_large_user
            || self
                .positional_quality
                .is_some_and(PositionalQuality::is_coarse)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn entry() -> PostcodeEntry {
        PostcodeEntry {
            postcode: "LA1 1AA".parse().expect("a postcode"),
            position: None,
            positional_quality: None,
            is_large_user: false,
            is_live: true,
            introduced: Some("199004".parse().expect("a month")),
            terminated: None,
            statistical_area: None,
        }
    }

    #[test]
    fn debug_does_not_print_the_entry() {
        assert_eq!(format!("{:?}", entry()), "PostcodeEntry(…)");
    }

    #[test]
    fn postcode_is_live_from_its_first_to_its_last_month() {
        let status = |entry: PostcodeEntry, day| entry.status_on(day, None).as_str();
        assert_eq!(status(entry(), date(1990, 3, 31)), "not_yet_introduced");
        assert_eq!(status(entry(), date(1990, 4, 1)), "live");
        let ended = PostcodeEntry {
            is_live: false,
            terminated: Some("199612".parse().expect("a month")),
            ..entry()
        };
        assert_eq!(status(ended, date(1990, 3, 31)), "not_yet_introduced");
        assert_eq!(status(ended, date(1996, 12, 31)), "live");
        assert_eq!(status(ended, date(1997, 1, 1)), "terminated");
        // A postcode that is live in the edition stays live, whatever its month of termination.
        let reintroduced = PostcodeEntry {
            is_live: true,
            ..ended
        };
        assert_eq!(status(reintroduced, date(1997, 1, 1)), "live");
    }

    #[test]
    fn undated_termination_is_after_the_last_known_month() {
        let ended = PostcodeEntry {
            is_live: false,
            ..entry()
        };
        let last_known_live = "200006".parse().ok();
        assert!(!ended.is_terminated_on(date(2000, 6, 30), last_known_live));
        assert!(ended.is_terminated_on(date(2000, 7, 1), last_known_live));
        assert!(ended.is_terminated_on(date(1990, 4, 1), None));
        assert!(!entry().is_terminated_on(date(2100, 1, 1), last_known_live));
    }

    #[test]
    fn value_determines_scale_and_coarseness() {
        let check = |value: u8, scale: &str, is_coarse: bool| {
            let quality = PositionalQuality::new(value);
            let scale_and_value = quality.map(|quality| (quality.scale(), quality.value()));
            assert_eq!(scale_and_value, Some((scale, value)));
            let entry = PostcodeEntry {
                positional_quality: quality,
                ..entry()
            };
            assert_eq!(entry.is_coarse(), is_coarse, "{value}");
        };
        check(1, "ons", false);
        check(5, "ons", false);
        check(6, "ons", true);
        check(9, "ons", true);
        check(10, "code-point-open", false);
        check(49, "code-point-open", false);
        check(50, "code-point-open", true);
        check(90, "code-point-open", true);
        assert_eq!(PositionalQuality::new(0), None);
        assert_eq!(PositionalQuality::new(91), None);
        assert!(!entry().is_coarse());
        let large = PostcodeEntry {
            is_large_user: true,
            ..entry()
        };
        assert!(large.is_coarse());
    }
}
