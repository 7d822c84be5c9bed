//! How often the works that a dataset is built from are published, and which edition of a work
//! should have been published by a day.

use std::fmt;

use jiff::civil::{Date, date};

use super::{SourceDate, SourceEntry, SourceFrequency};

/// A publisher of known works.
struct Publisher {
    name: &'static str,
    /// The words of each of its names, in this order but not necessarily next to each other.
    words: &'static [&'static [&'static str]],
}

/// A work whose publisher and frequency are known.
struct KnownWork {
    /// The words in the titles of sources from this work, in this order but not necessarily next to
    /// each other.
    words: &'static [&'static str],
    publisher: &'static Publisher,
    /// The title without an edition.
    title: &'static str,
    frequency: SourceFrequency,
    /// A month of the year that has an edition; `None` if the months are not known.
    month: Option<i8>,
}

static ONS: Publisher = Publisher {
    name: "Office for National Statistics",
    words: &[&["office", "national", "statistics"], &["ons"]],
};
static NHS: Publisher = Publisher {
    name: "NHS England",
    words: &[&["nhs"]],
};
static OS: Publisher = Publisher {
    name: "Ordnance Survey",
    words: &[&["ordnance", "survey"], &["os"]],
};

/// Returns the words of text in lower case.
fn words_of(text: &str) -> Vec<String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// Returns whether `text` contains all words of `wanted` in the same order.
fn has_words(text: &[String], wanted: &[&str]) -> bool {
    let mut rest = text.iter();
    wanted.iter().all(|word| rest.any(|found| found == word))
}

impl KnownWork {
    const fn new(
        words: &'static [&'static str],
        publisher: &'static Publisher,
        title: &'static str,
        frequency: SourceFrequency,
        month: Option<i8>,
    ) -> KnownWork {
        KnownWork {
            words,
            publisher,
            title,
            frequency,
            month,
        }
    }

    /// Returns the first work whose words the title of a source has, unless another publisher
    /// publishes the source. If the title lists several works with semicolons between them, returns
    /// the first of them if all of them are known, because the date of the source may be that of
    /// any of them.
    fn find(source: &SourceEntry) -> Option<&'static KnownWork> {
        let publisher = source.publisher.as_deref().map(words_of);
        let is_by = |work: &KnownWork| {
            publisher.as_ref().is_none_or(|own| {
                let mut names = work.publisher.words.iter();
                names.any(|name| has_words(own, name))
            })
        };
        let find = |title: &str| {
            let title = words_of(title);
            let mut works = KNOWN_WORKS.iter();
            works.find(|work| has_words(&title, work.words) && is_by(work))
        };
        let found: Option<Vec<&KnownWork>> = source.title.split(';').map(find).collect();
        found?.first().copied()
    }
}

/// The known works. The first match is used, so a work is listed before the works that have only
/// some of its words.
static KNOWN_WORKS: &[KnownWork] = &{
    use SourceFrequency::{Monthly, Once, Quarterly, Yearly};
    const DIRECTORY: Option<i8> = Some(2);
    [
        KnownWork::new(
            &["nhs", "postcode", "directory"],
            &NHS,
            "NHS Postcode Directory",
            Quarterly,
            DIRECTORY,
        ),
        KnownWork::new(
            &["nhspd"],
            &NHS,
            "NHS Postcode Directory",
            Quarterly,
            DIRECTORY,
        ),
        KnownWork::new(
            &["ons", "postcode", "directory"],
            &ONS,
            "ONS Postcode Directory",
            Quarterly,
            DIRECTORY,
        ),
        KnownWork::new(
            &["onspd"],
            &ONS,
            "ONS Postcode Directory",
            Quarterly,
            DIRECTORY,
        ),
        KnownWork::new(
            &["national", "statistics", "postcode"],
            &ONS,
            "National Statistics Postcode Lookup",
            Quarterly,
            DIRECTORY,
        ),
        KnownWork::new(
            &["nspl"],
            &ONS,
            "National Statistics Postcode Lookup",
            Quarterly,
            DIRECTORY,
        ),
        KnownWork::new(
            &["national", "statistics", "uprn"],
            &ONS,
            "National Statistics UPRN Lookup",
            Quarterly,
            None,
        ),
        KnownWork::new(
            &["nsul"],
            &ONS,
            "National Statistics UPRN Lookup",
            Quarterly,
            None,
        ),
        KnownWork::new(
            &["code", "point", "open"],
            &OS,
            "Code-Point Open",
            Quarterly,
            DIRECTORY,
        ),
        KnownWork::new(&["epraccur"], &NHS, "ODS epraccur", Monthly, None),
        KnownWork::new(&["epcn"], &NHS, "ODS ePCN", Monthly, None),
        KnownWork::new(&["ebranchs"], &NHS, "ODS ebranchs", Monthly, None),
        KnownWork::new(&["ods", "succ"], &NHS, "ODS succ", Monthly, None),
        KnownWork::new(
            &["patients", "registered", "practice", "lsoa"],
            &NHS,
            "Patients Registered at a GP Practice, by LSOA",
            Quarterly,
            Some(1),
        ),
        KnownWork::new(
            &["patients", "registered", "practice"],
            &NHS,
            "Patients Registered at a GP Practice",
            Monthly,
            None,
        ),
        KnownWork::new(
            &["postcode", "output", "area"],
            &ONS,
            "Postcode to Output Area to LSOA to MSOA to Local Authority District look-up",
            Quarterly,
            DIRECTORY,
        ),
        KnownWork::new(
            &["lsoa", "2011", "lsoa", "2021"],
            &ONS,
            "LSOA (2011) to LSOA (2021) look-up",
            Once,
            None,
        ),
        KnownWork::new(
            &["lsoa", "2011", "msoa", "2011"],
            &ONS,
            "LSOA (2011) to MSOA (2011) look-up",
            Once,
            None,
        ),
        KnownWork::new(
            &["lsoa", "sub", "icb"],
            &ONS,
            "LSOA (2021) to sub-ICB location to ICB look-up",
            Yearly,
            Some(4),
        ),
        KnownWork::new(&["sub", "icb"], &ONS, "Sub-ICB locations", Yearly, Some(4)),
        KnownWork::new(
            &["integrated", "care", "boards"],
            &ONS,
            "Integrated Care Boards",
            Yearly,
            Some(4),
        ),
        KnownWork::new(
            &["local", "authority", "districts"],
            &ONS,
            "Local Authority Districts",
            Yearly,
            Some(4),
        ),
        KnownWork::new(&["lsoa", "boundaries"], &ONS, "LSOA boundaries", Once, None),
        KnownWork::new(&["msoa", "boundaries"], &ONS, "MSOA boundaries", Once, None),
        KnownWork::new(
            &["super", "output", "areas"],
            &ONS,
            "Super Output Areas",
            Once,
            None,
        ),
        KnownWork::new(&["census", "2021"], &ONS, "Census 2021", Once, None),
        KnownWork::new(&["census", "2011"], &ONS, "Census 2011", Once, None),
    ]
};

/// The number of months that a publisher has for an edition: it should be published before the next
/// month begins.
const MONTHS_TO_PUBLISH: i32 = 1;

/// A month, counted from the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct MonthNumber(i32);

impl MonthNumber {
    fn of(day: Date) -> MonthNumber {
        MonthNumber(i32::from(day.year()) * 12 + i32::from(day.month()) - 1)
    }

    fn first_day(self) -> Date {
        let year = i16::try_from(self.0.div_euclid(12)).unwrap_or(i16::MAX);
        let month = i8::try_from(self.0.rem_euclid(12)).unwrap_or(0) + 1;
        date(year.clamp(1, 9999), month, 1)
    }

    /// Returns this month, or the last month before it that is a whole number of periods from
    /// `phase`.
    fn floor(self, phase: MonthNumber, period: i32) -> MonthNumber {
        MonthNumber(self.0 - (self.0 - phase.0).rem_euclid(period))
    }
}

/// Whether a newer edition of a source should have been published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceTimeliness {
    /// A newer edition should have been published.
    Overdue(OverdueSource),
    /// The source is the newest edition that should have been published.
    Current,
    /// There is only one edition.
    Once,
    /// The source has no date.
    Undated,
    /// It is not known how often the source is published.
    UnknownFrequency,
}

impl SourceTimeliness {
    /// Returns the value used in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            SourceTimeliness::Overdue(_) => "overdue",
            SourceTimeliness::Current => "current",
            SourceTimeliness::Once => "once",
            SourceTimeliness::Undated => "undated",
            SourceTimeliness::UnknownFrequency => "unknown_frequency",
        }
    }

    /// Returns the number of days since a newer edition should have been published: 0 for the
    /// newest edition, and `None` if it is not known whether there is a newer edition.
    pub fn overdue_days(&self) -> Option<i32> {
        match self {
            SourceTimeliness::Overdue(overdue) => Some(overdue.days),
            SourceTimeliness::Current | SourceTimeliness::Once => Some(0),
            SourceTimeliness::Undated | SourceTimeliness::UnknownFrequency => None,
        }
    }
}

/// A source of which a newer edition should have been published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverdueSource {
    /// The number of days since the next edition after the source's edition should have been
    /// published.
    pub days: i32,
    /// The number of editions that should have been published since the source's edition.
    pub editions: i32,
    /// The newest edition that should have been published.
    pub newest: Edition,
}

/// An edition of a work: `ONS Postcode Directory, August 2026`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edition {
    /// The publisher, if it is known.
    pub publisher: Option<String>,
    /// The title of the work.
    pub title: String,
    /// The month or year of the edition.
    pub date: SourceDate,
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.title, self.date.in_words())
    }
}

impl SourceEntry {
    /// Returns how often the work is published: the declared frequency or otherwise the frequency
    /// of the known work with this title.
    pub fn usual_frequency(&self) -> Option<SourceFrequency> {
        let known = || KnownWork::find(self).map(|work| work.frequency);
        self.frequency.or_else(known)
    }

    /// Returns whether a newer edition should have been published by a day.
    ///
    /// The edition of a month should be published before the next month begins. A date up to a month
    /// before an edition is treated as a date of that edition, because a work describes a day before
    /// its publication.
    pub fn timeliness(&self, today: Date) -> SourceTimeliness {
        let Some(frequency) = self.usual_frequency() else {
            return SourceTimeliness::UnknownFrequency;
        };
        let Some(period) = frequency.months() else {
            return SourceTimeliness::Once;
        };
        let Some(as_of) = self.as_of else {
            return SourceTimeliness::Undated;
        };
        let known = KnownWork::find(self).filter(|work| work.frequency == frequency);
        let own_month = MonthNumber::of(as_of.first_day());
        let phase = known.and_then(|work| work.month);
        let phase = phase.map_or(own_month, |month| MonthNumber(i32::from(month) - 1));
        let held = match as_of {
            // The first edition of the year, as the age of a year is counted from its first day.
            SourceDate::Year(_) => MonthNumber(own_month.0 + period - 1).floor(phase, period),
            _ => MonthNumber(own_month.0 + (period - 1).min(1)).floor(phase, period),
        };
        let newest = MonthNumber(MonthNumber::of(today).0 - MONTHS_TO_PUBLISH);
        let newest = newest.floor(phase, period);
        if newest <= held {
            return SourceTimeliness::Current;
        }
        let next_out = MonthNumber(held.0 + period + MONTHS_TO_PUBLISH).first_day();
        let is_year = matches!(as_of, SourceDate::Year(_)) && frequency == SourceFrequency::Yearly;
        let first_day = newest.first_day();
        SourceTimeliness::Overdue(OverdueSource {
            days: (today - next_out).get_days(),
            editions: (newest.0 - held.0) / period,
            newest: Edition {
                publisher: match known {
                    Some(work) => Some(work.publisher.name.to_string()),
                    None => self.publisher.clone(),
                },
                title: match known {
                    Some(work) => work.title.to_string(),
                    None => self.title_without_date(as_of),
                },
                date: match is_year {
                    true => SourceDate::Year(first_day.year()),
                    false => SourceDate::month_of(first_day),
                },
            },
        })
    }

    /// Returns the title without the date at its end: `Places of the board` for `Places of the
    /// board, April 2026`.
    fn title_without_date(&self, as_of: SourceDate) -> String {
        let month = SourceDate::month_of(as_of.first_day()).in_words();
        let without = [as_of.in_words(), month].into_iter().find_map(|words| {
            let rest = self.title.strip_suffix(&words)?;
            Some(rest.trim_end_matches([' ', ',']).to_string())
        });
        let without = without.filter(|title| !title.is_empty());
        without.unwrap_or_else(|| self.title.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day on which the editions of October have been published, but not the editions of
    /// November.
    const TODAY: Date = date(2026, 11, 30);

    fn source(title: &str, as_of: &str, frequency: Option<SourceFrequency>) -> SourceEntry {
        SourceEntry {
            title: title.into(),
            as_of: as_of.parse().ok(),
            frequency,
            ..SourceEntry::default()
        }
    }

    #[test]
    fn the_newest_edition_of_known_works_is_named() {
        for (title, as_of, days, editions, newest) in [
            (
                "ONS Postcode Directory",
                "2025-11",
                274,
                3,
                "ONS Postcode Directory, August 2026",
            ),
            // The data of an edition can be from the previous month.
            (
                "Code-Point Open 2025.2",
                "2025-04-17",
                455,
                5,
                "Code-Point Open, August 2026",
            ),
            (
                "NSPL (May 2026)",
                "2026-05",
                90,
                1,
                "National Statistics Postcode Lookup, August 2026",
            ),
            (
                "ODS epraccur, quarterly release",
                "2026-04",
                182,
                6,
                "ODS epraccur, October 2026",
            ),
            (
                "Patients Registered at a GP Practice, by LSOA, April 2026",
                "2026-04-01",
                121,
                2,
                "Patients Registered at a GP Practice, by LSOA, October 2026",
            ),
            (
                "Patients Registered at a GP Practice, September 2026",
                "2026-09-01",
                29,
                1,
                "Patients Registered at a GP Practice, October 2026",
            ),
            (
                "LSOA (2021) to Sub-ICB Locations to ICB to NHS England region look-up",
                "2025-04",
                213,
                1,
                "LSOA (2021) to sub-ICB location to ICB look-up, April 2026",
            ),
        ] {
            let found = source(title, as_of, None).timeliness(TODAY);
            let SourceTimeliness::Overdue(found) = found else {
                panic!("{title}: {found:?}");
            };
            assert_eq!((found.days, found.editions), (days, editions), "{title}");
            assert_eq!(found.newest.to_string(), newest);
            assert!(found.newest.publisher.is_some());
        }
    }

    #[test]
    fn an_edition_is_due_when_the_next_month_begins() {
        let directory = source("ONSPD", "2026-08", None);
        for (today, is_overdue) in [
            (TODAY, false),
            (date(2026, 12, 1), true),
            (date(2026, 8, 1), false),
            (date(2020, 1, 1), false),
        ] {
            let found = directory.timeliness(today);
            let overdue = matches!(found, SourceTimeliness::Overdue(_));
            assert_eq!(overdue, is_overdue, "{today}");
        }
        assert_eq!(
            directory.timeliness(date(2026, 12, 1)).overdue_days(),
            Some(0)
        );
    }

    #[test]
    fn a_declared_frequency_takes_precedence() {
        use SourceFrequency::{Monthly, Once, Quarterly, Yearly};
        for (title, as_of, frequency, expected) in [
            (
                "A list, April 2026",
                "2026-04",
                Some(Quarterly),
                Some("A list, October 2026"),
            ),
            ("A list", "2026-10-31", Some(Monthly), None),
            ("A list", "2024", Some(Yearly), Some("A list, 2026")),
            ("A list", "2024-06", Some(Yearly), Some("A list, June 2026")),
            ("ONS Postcode Directory", "2019", Some(Once), None),
            ("ODS epraccur", "2025-12", Some(Yearly), None),
        ] {
            let found = source(title, as_of, frequency).timeliness(TODAY);
            let newest = match &found {
                SourceTimeliness::Overdue(overdue) => Some(overdue.newest.to_string()),
                _ => None,
            };
            assert_eq!(newest.as_deref(), expected, "{title} {as_of}");
        }
    }

    #[test]
    fn a_work_of_another_publisher_is_not_known_by_its_title() {
        for (publisher, is_known) in [
            ("NHS England", true),
            ("A board; NHS Digital", true),
            ("This project", false),
            ("Office for National Statistics", false),
        ] {
            let mut source = source("Read from ODS epraccur", "2020-01", None);
            source.publisher = Some(publisher.into());
            assert_eq!(source.usual_frequency().is_some(), is_known, "{publisher}");
        }
        let mut source = source("A list", "2020-01", Some(SourceFrequency::Yearly));
        source.publisher = Some("A board".into());
        let SourceTimeliness::Overdue(found) = source.timeliness(TODAY) else {
            panic!("not overdue");
        };
        assert_eq!(found.newest.publisher.as_deref(), Some("A board"));
    }

    #[test]
    fn sources_that_cannot_be_judged_say_why() {
        for (title, as_of, expected) in [
            ("Morecambe Bay ICC page", "2022-01-05", "unknown_frequency"),
            // The date may be that of the page.
            (
                "Morecambe Bay ICC page; ODS ePCN",
                "2022-01-05",
                "unknown_frequency",
            ),
            ("ODS ePCN", "", "undated"),
            ("LSOA (December 2011) Boundaries EW", "2011-12", "once"),
            ("LSOA (2011) to LSOA (2021) look-up", "2021-12", "once"),
            ("", "", "unknown_frequency"),
        ] {
            let found = source(title, as_of, None).timeliness(TODAY);
            assert_eq!(found.as_str(), expected, "{title}");
        }
    }

    #[test]
    fn dates_at_the_ends_of_the_calendar_do_not_overflow() {
        for as_of in ["0001", "9999-12", "9999"] {
            for frequency in SourceFrequency::ALL {
                let source = source("A list", as_of, Some(frequency));
                for today in [Date::MIN, date(1, 1, 1), Date::MAX] {
                    source.timeliness(today);
                }
            }
        }
    }
}
