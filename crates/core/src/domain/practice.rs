use jiff::civil::Date;

use super::keyword::keyword_enum;
use super::{BritishGrid, OdsCode, Postcode, SourceDate, UnknownKeyword};

/// A GP practice, as listed by the NHS Organisation Data Service (ODS).
#[derive(Debug, Clone)]
pub struct Practice {
    /// The ODS code.
    pub code: OdsCode,
    /// The name.
    pub name: String,
    /// The postal address on one line, without the postcode.
    pub address: String,
    /// The postcode of the address.
    pub postcode: Option<Postcode>,
    /// The telephone number, in the format of the source.
    pub telephone: Option<String>,
    /// The status in this edition of the source; see [`Practice::status_on`] for the status on a
    /// day.
    pub status: PracticeStatus,
    /// The first day on which the practice was open, if known.
    pub opened: Option<Date>,
    /// The last day on which the practice was open, if it has closed or will close.
    pub closed: Option<Date>,
    /// The code of the sub-ICB location that commissions the practice.
    pub sub_icb: Option<String>,
    /// The code of the Primary Care Network.
    pub pcn: Option<String>,
    /// The number of registered patients, if known.
    pub list_size: Option<u32>,
    /// The date to which `list_size` refers, if known.
    pub list_size_as_of: Option<SourceDate>,
    /// The date of the list that contains the status, the name, the address and the telephone
    /// number.
    pub as_of: Option<SourceDate>,
    /// A remark in the source, for example about the patients of a closed practice.
    pub note: Option<String>,
}

/// A GP practice outside the area of the dataset. The practice belongs to no community of the
/// dataset, but its code is real.
#[derive(Debug, Clone)]
pub struct NeighbouringPractice {
    /// The practice. The source states no address other than the postcode.
    pub practice: Practice,
    /// The code of the Integrated Care Board.
    pub icb: Option<String>,
    /// The position of the practice's postcode.
    pub position: Option<BritishGrid>,
}

/// The status of a practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PracticeStatus {
    /// Open.
    Active,
    /// Still listed, but without registered patients.
    Dormant,
    /// Closed.
    Closed,
    /// Not yet open.
    Proposed,
}

keyword_enum!(PracticeStatus {
    Active = "active",
    Dormant = "dormant",
    Closed = "closed",
    Proposed = "proposed",
});

impl Practice {
    /// Returns whether the name, the address or the code contains `text`, ignoring case.
    pub fn contains_text(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let contains = |field: &str| field.to_lowercase().contains(&text);
        contains(&self.name) || contains(&self.address) || contains(self.code.as_str())
    }

    /// Returns the status on a day. The practice's dates override the status in the source's
    /// edition.
    pub fn status_on(&self, day: Date) -> PracticeStatus {
        let is_not_yet_open = self.opened.is_some_and(|opened| day < opened);
        match self.closed {
            Some(closed) if closed < day => PracticeStatus::Closed,
            _ if is_not_yet_open => PracticeStatus::Proposed,
            // The practice closed after that day.
            Some(_) if self.status == PracticeStatus::Closed => PracticeStatus::Active,
            _ => self.status,
        }
    }
}

/// A building where a practice sees patients.
#[derive(Debug, Clone)]
pub struct Premises {
    /// The practice.
    pub practice: OdsCode,
    /// The kind of premises.
    pub kind: PremisesKind,
    /// The postcode of the building.
    pub postcode: Option<Postcode>,
    /// The position of the building.
    pub position: BritishGrid,
    /// The name of the surgery.
    pub name: Option<String>,
    /// The date of the source that lists the premises.
    pub as_of: Option<SourceDate>,
    /// The source that lists the premises.
    pub source: Option<String>,
}

/// A building that a practice, or a practice that it took over, used before and is not known to use
/// now. Former premises are not premises: no distances are measured to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerPremises {
    /// The practice.
    pub practice: OdsCode,
    /// The postcode of the building.
    pub postcode: Option<Postcode>,
    /// The name of the surgery.
    pub name: String,
    /// The former use of the building, as stated by the source: `branch(2017)`.
    pub held_as: String,
    /// The reason why the building is no longer premises.
    pub reason: String,
    /// The source.
    pub source: String,
}

/// The kind of a practice's premises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PremisesKind {
    /// The practice's own address.
    Main,
    /// A branch surgery.
    Branch,
    /// Premises of a practice that closed and was taken over.
    Predecessor,
}

keyword_enum!(PremisesKind {
    Main = "main",
    Branch = "branch",
    Predecessor = "predecessor",
});

/// The succession of a practice by another practice, which took over its patients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PracticeSuccession {
    /// The practice that closed.
    pub predecessor: OdsCode,
    /// The practice that took over its patients.
    pub successor: OdsCode,
    /// The first day on which the successor is responsible for the patients.
    pub from: Date,
    /// The basis of the succession; empty if the source does not state it.
    pub basis: Vec<SuccessionEvidence>,
    /// The last day of the closed practice in its Primary Care Network, which is often closer than
    /// the closing date to the day on which the patients moved.
    pub pcn_left: Option<Date>,
    /// A description of the succession, in the words of the source.
    pub note: Option<String>,
    /// The sources.
    pub source: Option<String>,
}

/// Evidence that a practice succeeded another practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SuccessionEvidence {
    /// A file of successions, published by NHS ODS.
    Ods,
    /// A published page states the succession.
    Page,
    /// A published page states that some of the patients moved to the successor.
    PageInPart,
    /// The successor's list grew by the number of patients on the list of the closed practice.
    ListTransfer,
    /// NHS ODS lists the building of the closed practice as a branch of the successor.
    OdsBranchList,
    /// The successor is in the same building or place.
    Place,
}

keyword_enum!(SuccessionEvidence {
    Ods = "ods",
    Page = "page",
    PageInPart = "page_in_part",
    ListTransfer = "list_transfer",
    OdsBranchList = "ods_branch_list",
    Place = "place",
});

/// Parses the basis of a succession: keywords separated by semicolons.
///
/// # Errors
/// If a word is not a keyword of [`SuccessionEvidence`].
pub fn parse_succession_basis(text: &str) -> Result<Vec<SuccessionEvidence>, UnknownKeyword> {
    let words = text.split(';').map(str::trim);
    words
        .filter(|word| !word.is_empty())
        .map(str::parse)
        .collect()
}

impl PracticeSuccession {
    /// Returns whether the succession is inferred only from the locations of the two practices.
    pub fn is_by_place_alone(&self) -> bool {
        self.basis == [SuccessionEvidence::Place]
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn words_round_trip() {
        for (word, status) in [
            ("active", PracticeStatus::Active),
            ("dormant", PracticeStatus::Dormant),
            ("closed", PracticeStatus::Closed),
            ("proposed", PracticeStatus::Proposed),
        ] {
            assert_eq!(status.as_str(), word);
            assert_eq!(word.parse(), Ok(status));
        }
        for (word, kind) in [
            ("main", PremisesKind::Main),
            ("branch", PremisesKind::Branch),
            ("predecessor", PremisesKind::Predecessor),
        ] {
            assert_eq!(kind.as_str(), word);
            assert_eq!(word.parse(), Ok(kind));
        }
        assert!("open".parse::<PracticeStatus>().is_err());
        assert!("annexe".parse::<PremisesKind>().is_err());
    }

    #[test]
    fn the_basis_of_a_succession_is_a_list_of_keywords() {
        use SuccessionEvidence::{ListTransfer, Page};
        assert_eq!(
            parse_succession_basis("page; list_transfer"),
            Ok(vec![Page, ListTransfer])
        );
        assert_eq!(parse_succession_basis(""), Ok(Vec::new()));
        assert!(parse_succession_basis("hearsay").is_err());
    }

    /// Checks the status on `day` of a practice with the given dates and the given status in the
    /// edition.
    #[track_caller]
    fn check(
        opened: Option<Date>,
        closed: Option<Date>,
        edition_status: PracticeStatus,
        day: Date,
        expected: PracticeStatus,
    ) {
        let practice = Practice {
            code: "A82001".parse().expect("a code"),
            name: "A surgery".into(),
            address: String::new(),
            postcode: None,
            telephone: None,
            status: edition_status,
            opened,
            closed,
            sub_icb: None,
            pcn: None,
            list_size: None,
            list_size_as_of: None,
            as_of: None,
            note: None,
        };
        assert_eq!(practice.status_on(day), expected);
    }

    #[test]
    fn dates_override_the_status_of_the_edition() {
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
