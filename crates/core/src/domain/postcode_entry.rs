use std::fmt;
use std::num::NonZeroU32;

use jiff::civil::Date;

use super::keyword::keyword_enum;
use super::{BritishGrid, GssCode, Period, Postcode, RecordIndex, YearMonth};

/// The entry of a postcode in the directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PostcodeEntry {
    /// The postcode.
    pub postcode: Postcode,
    /// A point near the centre of the postcode's addresses, rounded to whole metres; `None` if the
    /// position is not known.
    pub position: Option<BritishGrid>,
    /// The quality of the position, if the directory states it.
    pub positional_quality: Option<PositionalQuality>,
    /// Whether the postcode belongs to one organisation that receives a large amount of mail (a
    /// "large user"), rather than to a street.
    pub is_large_user: bool,
    /// Whether the postcode is in use in this edition of the directory.
    pub status: DirectoryStatus,
    /// The month of introduction.
    pub introduced: Option<YearMonth>,
    /// The termination of the postcode, if known. A postcode whose status is "not confirmed" has no
    /// termination.
    pub termination: Option<Termination>,
    /// The index of the postcode's statistical area in the dataset, if the directory states the
    /// area.
    pub statistical_area: Option<RecordIndex>,
    /// The index of the postcode's other codes in the dataset, if the directory states such codes.
    pub codes: Option<RecordIndex>,
}

// When a dataset of the whole country is loaded, there are 1.75 million entries in memory.
const _: () = assert!(size_of::<PostcodeEntry>() == 40);

/// Whether a postcode is in use in an edition of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryStatus {
    /// The postcode is in a list of live postcodes.
    Live,
    /// The postcode is no longer in use.
    Terminated,
    /// The postcode is in the directory, but in no list of live postcodes. The postcode may be new,
    /// or may no longer be in use.
    NotConfirmed,
}

keyword_enum!(DirectoryStatus {
    Live = "live",
    Terminated = "terminated",
    NotConfirmed = "not_confirmed",
});

/// The termination of a postcode: its month, or the two editions of a list between which the
/// postcode ended.
///
/// The lower 17 bits are the month, and the upper 15 bits are the number of months between the two
/// editions, or 0 if the month is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Termination(NonZeroU32);

const TERMINATION_MONTH_BITS: u32 = 17;

const _: () = assert!(YearMonth::ORDINAL_MAX < 1 << TERMINATION_MONTH_BITS);

impl Termination {
    /// Returns a termination with a known month: the last month in which the postcode was in use.
    pub fn in_month(month: YearMonth) -> Termination {
        Termination::with_span(month, 0).expect("a month without a span")
    }

    /// Returns the termination of a postcode that was in the list of the month `after` and not in
    /// the list of the month `by`; `None` if `by` is not later than `after`, or is more than 32,767
    /// months later.
    pub fn between(after: YearMonth, by: YearMonth) -> Option<Termination> {
        let span = by.ordinal().checked_sub(after.ordinal());
        Termination::with_span(by, span.filter(|span| *span > 0)?)
    }

    fn with_span(month: YearMonth, span: u32) -> Option<Termination> {
        let span = u16::try_from(span).ok().filter(|span| *span < 1 << 15)?;
        let bits = u32::from(span) << TERMINATION_MONTH_BITS | month.ordinal();
        NonZeroU32::new(bits).map(Termination)
    }

    /// Returns the last month in which the postcode was in use, if it is known.
    pub fn month(self) -> Option<YearMonth> {
        (self.span() == 0).then(|| self.last_month())
    }

    /// Returns the months of the editions between which the postcode ended, if its month of
    /// termination is not known.
    pub fn editions(self) -> Option<(YearMonth, YearMonth)> {
        let by = self.last_month();
        let after = YearMonth::from_ordinal(by.ordinal() - self.span())?;
        (self.span() > 0).then_some((after, by))
    }

    fn span(self) -> u32 {
        self.0.get() >> TERMINATION_MONTH_BITS
    }

    /// Returns the last month in which the postcode may have been in use.
    fn last_month(self) -> YearMonth {
        let ordinal = self.0.get() & ((1 << TERMINATION_MONTH_BITS) - 1);
        YearMonth::from_ordinal(ordinal).expect("the month is not 0")
    }
}

/// Prints only the name of the type, because the month could identify a postcode.
impl fmt::Debug for Termination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Termination(…)")
    }
}

/// The codes of a postcode other than its statistical area. Many postcodes have the same codes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PostcodeCodes {
    /// The council (local authority district or unitary authority).
    pub council: Option<GssCode>,
    /// The LSOA of 2021.
    pub lsoa21: Option<GssCode>,
    /// Whether the statistical area is the area whose boundary contains the position, because the
    /// publisher's look-up refers to an earlier use of the postcode.
    pub is_statistical_area_by_polygon: bool,
    /// Whether the LSOA of 2021 is the LSOA whose boundary contains the position, because the LSOA
    /// of 2011 does not determine it.
    pub is_lsoa21_by_polygon: bool,
}

/// A column of the postcode directory. The column contains, for each postcode, the code of the area
/// in which the postcode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PostcodeColumn {
    /// The council (local authority district or unitary authority).
    Council,
    /// The LSOA of 2021.
    Lsoa21,
}

keyword_enum!(PostcodeColumn {
    Council = "council",
    Lsoa21 = "lsoa21",
});

impl PostcodeCodes {
    /// Returns the code in a column of the directory, if the directory states the code.
    pub fn code(&self, column: PostcodeColumn) -> Option<&GssCode> {
        match column {
            PostcodeColumn::Council => self.council.as_ref(),
            PostcodeColumn::Lsoa21 => self.lsoa21.as_ref(),
        }
    }
}

/// Prints no fields, because any field could identify the postcode.
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
    /// The directory does not state whether the postcode was in use.
    Unknown,
}

keyword_enum!(PostcodeStatus {
    Live = "live",
    Terminated = "terminated",
    NotYetIntroduced = "not_yet_introduced",
    Unknown = "unknown",
});

/// The quality of a position, on its publisher's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionalQuality {
    /// Code-Point Open: from 10 (within the building) to 60, or 90 (no position). Only live
    /// postcodes have a quality on this scale.
    CodePointOpen(u8),
    /// ONS `gridind`: from 1 (within the building) to 8 (postcode terminated before 2000), or 9 (no
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

    /// Returns the quality with this value, or `None` if neither scale contains the value. The
    /// values of Code-Point Open are at least 10, and the values of ONS are less than 10, so the
    /// value determines the scale.
    pub fn new(value: u8) -> Option<PositionalQuality> {
        match value {
            1..=9 => Some(PositionalQuality::Ons(value)),
            10..=90 => Some(PositionalQuality::CodePointOpen(value)),
            _ => None,
        }
    }

    /// Returns whether the position is only an estimate or the mean of a postcode sector:
    /// at least 50 on the scale of Code-Point Open, or at least 6 on the scale of ONS.
    fn is_coarse(self) -> bool {
        match self {
            PositionalQuality::CodePointOpen(value) => value >= 50,
            PositionalQuality::Ons(value) => value >= 6,
        }
    }
}

impl PostcodeEntry {
    /// Returns the month of termination, if it is known.
    pub fn terminated(&self) -> Option<YearMonth> {
        self.termination?.month()
    }

    /// Returns the months of the editions between which the postcode ended, if its month of
    /// termination is not known: the postcode was in the list of the first month, but not in the
    /// list of the second month.
    pub fn ended_between(&self) -> Option<(YearMonth, YearMonth)> {
        self.termination?.editions()
    }

    /// Returns the period in which the postcode was or may have been in use. A terminated postcode
    /// without a termination is treated as terminated after `last_known_live`, the last month in
    /// which it is known to have been in use.
    pub fn period(&self, last_known_live: Option<YearMonth>) -> Period {
        let last_month = match (self.status, self.termination) {
            (DirectoryStatus::Live | DirectoryStatus::NotConfirmed, _) => None,
            (DirectoryStatus::Terminated, Some(termination)) => Some(termination.last_month()),
            (DirectoryStatus::Terminated, None) => last_known_live,
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
            None => self.status == DirectoryStatus::Terminated,
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
        } else if self.is_status_unknown_on(day) {
            PostcodeStatus::Unknown
        } else {
            PostcodeStatus::Live
        }
    }

    /// Returns whether it is unknown if the postcode was in use on that day. The postcode must have
    /// been introduced, and must not be known to be terminated.
    fn is_status_unknown_on(&self, day: Date) -> bool {
        match self.status {
            DirectoryStatus::Live => false,
            DirectoryStatus::NotConfirmed => true,
            DirectoryStatus::Terminated => self
                .ended_between()
                .is_some_and(|(after, _)| after.first_day_after() <= day),
        }
    }

    /// Returns the days on which the status changes.
    pub(crate) fn change_days(&self, last_known_live: Option<YearMonth>) -> Vec<Date> {
        let Period { from, to } = self.period(last_known_live);
        let is_ended = self.status == DirectoryStatus::Terminated;
        let ended_between = self.ended_between().filter(|_| is_ended);
        let after = ended_between.map(|(after, _)| after.first_day_after());
        [from, after, to].into_iter().flatten().collect()
    }

    /// Returns whether the position is too coarse to determine the area with certainty, or may be
    /// the place where mail is sorted instead of the place where people live, as it is for large
    /// users.
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
            status: DirectoryStatus::Live,
            introduced: Some("199004".parse().expect("a month")),
            termination: None,
            statistical_area: None,
            codes: None,
        }
    }

    fn month(text: &str) -> YearMonth {
        text.parse().expect("a month")
    }

    #[test]
    fn status_of_an_unconfirmed_postcode_is_unknown() {
        let unconfirmed = PostcodeEntry {
            status: DirectoryStatus::NotConfirmed,
            introduced: None,
            ..entry()
        };
        for day in [date(1980, 1, 1), date(2025, 11, 30), date(2100, 1, 1)] {
            assert_eq!(unconfirmed.status_on(day, None), PostcodeStatus::Unknown);
            let last_known_live = Some(month("202205"));
            assert!(!unconfirmed.is_terminated_on(day, last_known_live));
        }
        assert!(unconfirmed.change_days(None).is_empty());
    }

    #[test]
    fn between_two_editions_the_status_is_unknown() {
        let ended = PostcodeEntry {
            status: DirectoryStatus::Terminated,
            termination: Termination::between(month("202205"), month("202407")),
            ..entry()
        };
        assert_eq!(ended.terminated(), None);
        assert_eq!(
            ended.ended_between(),
            Some((month("202205"), month("202407")))
        );
        let status = |day| ended.status_on(day, None).as_str();
        assert_eq!(status(date(2022, 5, 31)), "live");
        assert_eq!(status(date(2022, 6, 1)), "unknown");
        assert_eq!(status(date(2024, 7, 31)), "unknown");
        assert_eq!(status(date(2024, 8, 1)), "terminated");
        assert_eq!(
            ended.change_days(None),
            [date(1990, 4, 1), date(2022, 6, 1), date(2024, 8, 1)]
        );
    }

    #[test]
    fn terminations_keep_their_months() {
        let known = Termination::in_month(month("999812"));
        assert_eq!(
            (known.month(), known.editions()),
            (Some(month("999812")), None)
        );
        let (first, last) = (month("180001"), month("453007"));
        let widest = Termination::between(first, last).expect("32,766 months");
        assert_eq!(
            (widest.month(), widest.editions()),
            (None, Some((first, last)))
        );
        assert!(Termination::between(last, first).is_none());
        assert!(Termination::between(last, last).is_none());
        assert!(Termination::between(first, month("999812")).is_none());
        assert_eq!(format!("{known:?}"), "Termination(…)");
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
            status: DirectoryStatus::Terminated,
            termination: Some(Termination::in_month(month("199612"))),
            ..entry()
        };
        assert_eq!(status(ended, date(1990, 3, 31)), "not_yet_introduced");
        assert_eq!(status(ended, date(1996, 12, 31)), "live");
        assert_eq!(status(ended, date(1997, 1, 1)), "terminated");
        // A postcode that is live in the edition stays live, whatever its month of termination.
        let reintroduced = PostcodeEntry {
            status: DirectoryStatus::Live,
            ..ended
        };
        assert_eq!(status(reintroduced, date(1997, 1, 1)), "live");
    }

    #[test]
    fn undated_termination_is_after_the_last_known_month() {
        let ended = PostcodeEntry {
            status: DirectoryStatus::Terminated,
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
