//! The location in relation to the practice with which the patient is registered: whether it is in
//! the practice's area, and its distance from the practice's premises. These facts depend on both
//! the residence and the registration. The cells of each therefore include the data that the
//! comparison requires, but only if a requested column needs them.

use jiff::civil::Date;

use super::columns::PracticeAreaFact;
use crate::tabular::cell_format::CellFormat;
use catchment_core::domain::{BritishGrid, CatchmentKind, LookupStatus, OdsCode};
use catchment_core::index::{Index, LayerResult, LocateAnswer, PracticeRegistration};

/// The number of decimal places of shares of people.
const SHARE_DECIMALS: i32 = 4;

/// What a column requires from the residence and the registration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PlaceNeeds {
    /// The positions of the location and of the premises.
    pub(super) positions: bool,
    /// The practices whose areas cover the location.
    pub(super) areas: bool,
}

impl PlaceNeeds {
    fn any(self) -> bool {
        self.positions || self.areas
    }

    /// Adds the requirements of a column.
    pub(super) fn add(&mut self, fact: PracticeAreaFact) {
        match fact {
            PracticeAreaFact::Distance => self.positions = true,
            PracticeAreaFact::InArea | PracticeAreaFact::Share | PracticeAreaFact::OutOfArea => {
                self.areas = true;
            }
        }
    }
}

/// A location in relation to practices.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct HomePlace {
    position: Option<BritishGrid>,
    /// The practices whose areas cover the location, or `None` if they are not known.
    covering: Option<Vec<CoveringPractice>>,
}

/// A practice in relation to locations.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct PracticePlace {
    positions: Vec<BritishGrid>,
    /// Whether the dataset contains an area of the practice that is valid on the day.
    has_area: bool,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CoveringPractice {
    code: OdsCode,
    kind: CatchmentKind,
    /// The bits of the share, which can be compared for equality to find equal cells.
    share_bits: Option<u64>,
}

impl HomePlace {
    /// Returns the location in relation to practices, or `None` if no column needs it.
    pub(super) fn new(needs: PlaceNeeds, answer: &LocateAnswer<'_>) -> Option<HomePlace> {
        let position = answer.location.and_then(|location| location.grid);
        // A postcode outside the districts of the dataset is outside every area, even if its
        // position is not known.
        let is_known = position.is_some()
            || answer.statistical_area.is_some()
            || answer.status == LookupStatus::OutsideCoverage;
        let covering = answer.residence.iter().find_map(|(_, found)| match found {
            LayerResult::Practices(practices) => Some(practices),
            _ => None,
        });
        let covering = covering
            .filter(|_| is_known && needs.areas)
            .map(|practices| {
                let practices = practices.iter().map(|found| CoveringPractice {
                    code: found.practice.code,
                    kind: found.catchment_kind,
                    share_bits: found.share.map(f64::to_bits),
                });
                practices.collect()
            });
        needs.any().then(|| HomePlace {
            position: position.filter(|_| needs.positions),
            covering,
        })
    }
}

impl PracticePlace {
    /// Returns the practice in relation to locations, or `None` if no column needs it.
    pub(super) fn new(
        index: &Index,
        needs: PlaceNeeds,
        registration: &PracticeRegistration<'_>,
        day: Date,
    ) -> Option<PracticePlace> {
        let code = registration
            .practice
            .as_ref()
            .map(|found| found.practice.code);
        let code = code.filter(|_| needs.any())?;
        let positions = match needs.positions {
            true => index.practice_positions(code),
            false => Vec::new(),
        };
        Some(PracticePlace {
            positions,
            has_area: needs.areas && index.practice_has_area(code, day),
        })
    }
}

/// A location and a practice.
#[derive(Debug, Clone, Copy)]
pub(super) struct HomeAndPractice<'c> {
    pub(super) home: Option<&'c HomePlace>,
    pub(super) practice: Option<(OdsCode, &'c PracticePlace)>,
}

impl HomeAndPractice<'_> {
    /// Writes the cell of a fact.
    pub(super) fn write(
        self,
        format: CellFormat,
        out: &mut Vec<u8>,
        name: &str,
        fact: PracticeAreaFact,
    ) {
        match fact {
            PracticeAreaFact::InArea => format.write_text(out, name, self.in_area()),
            PracticeAreaFact::OutOfArea => {
                let word = match self.in_area() {
                    "unknown" => "unknown",
                    "no" => "yes",
                    _ => "no",
                };
                format.write_text(out, name, word);
            }
            PracticeAreaFact::Share => {
                let share = self.covering().and_then(|found| found.share_bits);
                format.write_number(out, name, share.map(f64::from_bits), SHARE_DECIMALS);
            }
            PracticeAreaFact::Distance => format.write_number(out, name, self.distance_m(), 0),
        }
    }

    /// Returns the area of the practice that covers the location.
    fn covering(&self) -> Option<&CoveringPractice> {
        let covering = self.home?.covering.as_ref()?;
        let (code, _) = self.practice?;
        covering.iter().find(|found| found.code == code)
    }

    /// Returns whether the location is in the area of the practice.
    fn in_area(&self) -> &'static str {
        const UNKNOWN: &str = "unknown";
        if let Some(found) = self.covering() {
            return found.kind.as_str().unwrap_or("yes");
        }
        let is_home_known = self.home.is_some_and(|home| home.covering.is_some());
        match self.practice {
            Some((_, place)) if is_home_known && place.has_area => "no",
            _ => UNKNOWN,
        }
    }

    /// Returns the distance in metres to the nearest premises.
    fn distance_m(&self) -> Option<f64> {
        let home = self.home?.position?;
        let (_, place) = self.practice?;
        let distances = place.positions.iter();
        let distances = distances.map(|position| home.distance_m(*position));
        distances.min_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> OdsCode {
        text.parse().expect("a code")
    }

    fn grid(east_m: i32) -> BritishGrid {
        BritishGrid::from_metres(300_000.0 + f64::from(east_m), 500_000.0).expect("on the grid")
    }

    fn home(covering: Option<&[(&str, CatchmentKind)]>) -> HomePlace {
        let covering = covering.map(|all| {
            let all = all.iter().map(|(text, kind)| CoveringPractice {
                code: code(text),
                kind: *kind,
                share_bits: Some(0.25_f64.to_bits()),
            });
            all.collect()
        });
        HomePlace {
            position: Some(grid(100)),
            covering,
        }
    }

    /// Checks the cells of a home and a practice: whether the home is in the area, the share,
    /// whether the home is outside the area, and the distance.
    #[track_caller]
    fn check(home: Option<&HomePlace>, practice: Option<(&str, &PracticePlace)>, expected: &str) {
        let pair = HomeAndPractice {
            home,
            practice: practice.map(|(text, place)| (code(text), place)),
        };
        let mut out = Vec::new();
        for fact in [
            PracticeAreaFact::InArea,
            PracticeAreaFact::Share,
            PracticeAreaFact::OutOfArea,
            PracticeAreaFact::Distance,
        ] {
            let format = CellFormat::Csv(crate::tabular::delimiter::Delimiter::COMMA);
            pair.write(format, &mut out, "any", fact);
        }
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }

    #[test]
    fn homes_are_inside_outside_or_not_known() {
        let covering = [
            ("A82001", CatchmentKind::Whole),
            ("A82002", CatchmentKind::Inner),
            ("A82003", CatchmentKind::Outer),
        ];
        let known = home(Some(&covering));
        let unknown = home(None);
        let with_area = PracticePlace {
            positions: vec![grid(900), grid(160)],
            has_area: true,
        };
        let without_area = PracticePlace {
            positions: Vec::new(),
            has_area: false,
        };
        check(
            Some(&known),
            Some(("A82001", &with_area)),
            ",yes,0.25,no,60",
        );
        check(
            Some(&known),
            Some(("A82002", &with_area)),
            ",inner,0.25,no,60",
        );
        check(
            Some(&known),
            Some(("A82003", &with_area)),
            ",outer,0.25,no,60",
        );
        check(Some(&known), Some(("A82004", &with_area)), ",no,,yes,60");
        check(
            Some(&known),
            Some(("A82004", &without_area)),
            ",unknown,,unknown,",
        );
        check(
            Some(&unknown),
            Some(("A82001", &with_area)),
            ",unknown,,unknown,60",
        );
        check(Some(&known), None, ",unknown,,unknown,");
        check(None, Some(("A82001", &with_area)), ",unknown,,unknown,");
    }
}
