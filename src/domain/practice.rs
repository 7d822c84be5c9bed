use jiff::civil::Date;

use super::{BritishGrid, OdsCode, Postcode};

/// A GP practice as the NHS Organisation Data Service (ODS) lists it.
#[derive(Debug, Clone)]
pub struct Practice {
    /// Its ODS code.
    pub code: OdsCode,
    /// Its name.
    pub name: String,
    /// Its postal address in one line, without the postcode.
    pub address: String,
    /// The postcode of its address.
    pub postcode: Option<Postcode>,
    /// As the source writes it.
    pub telephone: Option<String>,
    /// Its status in the source's edition; `status_on` gives that of a day.
    pub status: PracticeStatus,
    /// The first day, where known.
    pub opened: Option<Date>,
    /// The last day, where it has one.
    pub closed: Option<Date>,
    /// The sub-ICB location that commissions it.
    pub sub_icb: Option<String>,
    /// Its Primary Care Network.
    pub pcn: Option<String>,
    /// Registered patients, where known.
    pub list_size: Option<u32>,
}

/// What a practice is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PracticeStatus {
    /// Open.
    Active,
    /// Still listed, without patients of its own.
    Dormant,
    /// Closed.
    Closed,
    /// Not yet open.
    Proposed,
}

impl PracticeStatus {
    /// The word in files and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            PracticeStatus::Active => "active",
            PracticeStatus::Dormant => "dormant",
            PracticeStatus::Closed => "closed",
            PracticeStatus::Proposed => "proposed",
        }
    }

    /// The status of that word.
    pub fn from_word(word: &str) -> Option<PracticeStatus> {
        use PracticeStatus::{Active, Closed, Dormant, Proposed};
        [Active, Dormant, Closed, Proposed]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

impl Practice {
    /// Its status on a day: its dates overrule the edition's word.
    pub fn status_on(&self, day: Date) -> PracticeStatus {
        let not_yet_open = self.opened.is_some_and(|opened| day < opened);
        match self.closed {
            Some(closed) if closed < day => PracticeStatus::Closed,
            _ if not_yet_open => PracticeStatus::Proposed,
            // It closed later than that day.
            Some(_) if self.status == PracticeStatus::Closed => PracticeStatus::Active,
            _ => self.status,
        }
    }
}

/// A building where a practice sees patients.
#[derive(Debug, Clone)]
pub struct Premises {
    /// Whose.
    pub practice: OdsCode,
    /// Which of its buildings.
    pub kind: PremisesKind,
    /// The building's postcode.
    pub postcode: Option<Postcode>,
    /// Where it stands.
    pub position: BritishGrid,
}

/// Which of a practice's buildings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PremisesKind {
    /// The practice's own address.
    Main,
    /// A branch surgery.
    Branch,
    /// Taken over with a practice that closed.
    Predecessor,
}

impl PremisesKind {
    /// The word in files and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            PremisesKind::Main => "main",
            PremisesKind::Branch => "branch",
            PremisesKind::Predecessor => "predecessor",
        }
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<PremisesKind> {
        [
            PremisesKind::Main,
            PremisesKind::Branch,
            PremisesKind::Predecessor,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
    }
}

/// A closed practice's patients went to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Succession {
    /// The practice that closed.
    pub predecessor: OdsCode,
    /// The practice that took its patients.
    pub successor: OdsCode,
    /// The first day with the successor.
    pub from: Date,
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for (word, status) in [
            ("active", PracticeStatus::Active),
            ("dormant", PracticeStatus::Dormant),
            ("closed", PracticeStatus::Closed),
            ("proposed", PracticeStatus::Proposed),
        ] {
            assert_eq!(status.as_str(), word);
            assert_eq!(PracticeStatus::from_word(word), Some(status));
        }
        for (word, kind) in [
            ("main", PremisesKind::Main),
            ("branch", PremisesKind::Branch),
            ("predecessor", PremisesKind::Predecessor),
        ] {
            assert_eq!(kind.as_str(), word);
            assert_eq!(PremisesKind::from_word(word), Some(kind));
        }
        assert_eq!(PracticeStatus::from_word("open"), None);
        assert_eq!(PremisesKind::from_word("annexe"), None);
    }

    /// A practice with these dates and the edition's word, on a day.
    #[track_caller]
    fn check(
        opened: Option<Date>,
        closed: Option<Date>,
        word: PracticeStatus,
        day: Date,
        expected: PracticeStatus,
    ) {
        let practice = Practice {
            code: "A82001".parse().expect("a code"),
            name: "A surgery".into(),
            address: String::new(),
            postcode: None,
            telephone: None,
            status: word,
            opened,
            closed,
            sub_icb: None,
            pcn: None,
            list_size: None,
        };
        assert_eq!(practice.status_on(day), expected);
    }

    #[test]
    fn dates_overrule_the_editions_word() {
        use PracticeStatus::{Active, Closed, Dormant, Proposed};
        let (first, last) = (date(2020, 4, 1), date(2022, 3, 31));
        let (before, after) = (date(2020, 3, 31), date(2022, 4, 1));
        check(Some(first), None, Active, before, Proposed);
        check(Some(first), None, Active, first, Active);
        check(Some(first), None, Dormant, first, Dormant);
        check(Some(first), Some(last), Closed, before, Proposed);
        check(Some(first), Some(last), Closed, first, Active);
        check(Some(first), Some(last), Closed, last, Active);
        check(Some(first), Some(last), Closed, after, Closed);
        check(None, Some(last), Dormant, last, Dormant);
        check(None, Some(last), Active, after, Closed);
        check(None, None, Closed, after, Closed);
    }
}
