//! The values of the output columns: their type, their unit, and when they are empty.

use super::columns::{
    AreaText, CommunityFact, ComparisonFact, LocationFact, OutputColumn, PracticeAreaFact,
    PracticeFact, PremisesFact,
};

/// The type of the values of an output column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Text,
    /// Several values of text, separated by semicolons. In NDJSON, an array.
    List,
    /// A number.
    Number,
}

impl ColumnType {
    /// Returns the name of the type in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            ColumnType::Text => "text",
            ColumnType::List => "list",
            ColumnType::Number => "number",
        }
    }
}

impl OutputColumn {
    /// Returns the type of the column's values.
    pub fn value_type(self) -> ColumnType {
        match self {
            OutputColumn::Location(fact) => location_type(fact),
            OutputColumn::Community(_, fact) => community_type(fact),
            OutputColumn::PracticeArea(PracticeAreaFact::Share | PracticeAreaFact::Distance) => {
                ColumnType::Number
            }
            OutputColumn::Residence(_, _, pattern) if pattern.has_several() => ColumnType::List,
            OutputColumn::Registration(_, _, pattern) if pattern.has_several() => ColumnType::List,
            OutputColumn::Groups(..)
            | OutputColumn::Premises(..)
            | OutputColumn::Notes
            | OutputColumn::Practice(PracticeFact::Successors) => ColumnType::List,
            _ => ColumnType::Text,
        }
    }

    /// Returns whether the column's cells are numbers.
    pub(super) fn is_numeric(self) -> bool {
        self.value_type() == ColumnType::Number
    }

    /// Returns the unit of the column's numbers or the format of its text, or `None` if the text
    /// has no special format.
    pub fn unit(self) -> Option<&'static str> {
        match self {
            OutputColumn::Location(fact) => location_unit(fact),
            OutputColumn::Community(
                _,
                CommunityFact::BoundaryDistance | CommunityFact::NearestDistance,
            )
            | OutputColumn::PracticeArea(PracticeAreaFact::Distance)
            | OutputColumn::Premises(_, PremisesFact::Distances) => Some("metres"),
            OutputColumn::Community(_, CommunityFact::Share | CommunityFact::AlternativeShares)
            | OutputColumn::PracticeArea(PracticeAreaFact::Share) => Some("share, 0 to 1"),
            _ => None,
        }
    }

    /// Returns a description of the cases in which the column is empty. In a bad row, all columns
    /// are empty except the columns that are never empty and the columns with reasons.
    pub fn empty_when(self) -> &'static str {
        match self {
            OutputColumn::Status | OutputColumn::Dataset(_) => "never",
            OutputColumn::Agreement => "the row is bad",
            OutputColumn::Reason => "no result is missing",
            OutputColumn::ResidenceReason => "this area is known, or only practices are looked up",
            OutputColumn::RegistrationReason => {
                "this area is known, or the file has no practice codes"
            }
            OutputColumn::GroupsReason => "the groups are known",
            OutputColumn::Notes => "there is no note",
            OutputColumn::Groups(_, text) | OutputColumn::Residence(_, text, _) => match text {
                AreaText::Code => "there is no such area, or it has no code",
                _ => "there is no such area, or the location is not known",
            },
            OutputColumn::Registration(..) => "there is no such area, or the practice is not known",
            OutputColumn::Location(fact) => location_empty_when(fact),
            OutputColumn::Community(_, fact) => community_empty_when(fact),
            OutputColumn::Practice(fact) => match fact {
                PracticeFact::Successors => "the practice in the row has its own patients",
                PracticeFact::BranchListed => "the code in the row is not that of a branch",
                _ => "the practice is not known",
            },
            OutputColumn::PracticeArea(fact) => match fact {
                PracticeAreaFact::InArea | PracticeAreaFact::OutOfArea => {
                    "the file has no locations or no practice codes"
                }
                PracticeAreaFact::Share => {
                    "`in_area` is not yes, or the whole area is the practice's"
                }
                PracticeAreaFact::Distance => {
                    "the location, the practice or the position of its premises is not known"
                }
            },
            OutputColumn::Premises(..) => "no practice covers the location",
            OutputColumn::Attribute(..) => "the location has no value",
            OutputColumn::Comparison(_, fact) => match fact {
                ComparisonFact::PreviousResidence | ComparisonFact::PreviousRegistration => {
                    "it was empty, or the row is not compared"
                }
                ComparisonFact::ResidenceChange | ComparisonFact::RegistrationChange => {
                    "the row is bad"
                }
            },
        }
    }
}

fn location_type(fact: LocationFact) -> ColumnType {
    match fact {
        LocationFact::Longitude
        | LocationFact::Latitude
        | LocationFact::Easting
        | LocationFact::Northing
        | LocationFact::AreaHintShare
        | LocationFact::NearestPracticeDistance => ColumnType::Number,
        _ => ColumnType::Text,
    }
}

fn community_type(fact: CommunityFact) -> ColumnType {
    match fact {
        CommunityFact::BoundaryDistance | CommunityFact::NearestDistance | CommunityFact::Share => {
            ColumnType::Number
        }
        CommunityFact::Alternatives
        | CommunityFact::Disputed
        | CommunityFact::AlternativeShares => ColumnType::List,
        _ => ColumnType::Text,
    }
}

fn location_unit(fact: LocationFact) -> Option<&'static str> {
    match fact {
        LocationFact::Longitude | LocationFact::Latitude => Some("degrees"),
        LocationFact::Easting | LocationFact::Northing | LocationFact::NearestPracticeDistance => {
            Some("metres")
        }
        LocationFact::AreaHintShare => Some("share, 0 to 1"),
        LocationFact::Introduced
        | LocationFact::Terminated
        | LocationFact::EndedAfter
        | LocationFact::EndedBy => Some("YYYY-MM"),
        LocationFact::AsOf => Some("YYYY-MM-DD"),
        _ => None,
    }
}

fn location_empty_when(fact: LocationFact) -> &'static str {
    match fact {
        LocationFact::Postcode => "the row has no valid postcode",
        LocationFact::PostcodeStatus | LocationFact::Introduced => {
            "the postcode is not in the directory"
        }
        LocationFact::Terminated => "the postcode is in use, or the month is not known",
        LocationFact::EndedAfter | LocationFact::EndedBy => {
            "the postcode is in use, or the month is known"
        }
        LocationFact::Longitude
        | LocationFact::Latitude
        | LocationFact::Easting
        | LocationFact::Northing
        | LocationFact::PositionalQuality => "the position is not known",
        LocationFact::Suggestion => "the postcode is valid, or no correction is probable",
        LocationFact::AsOf => "the row is bad",
        LocationFact::Council | LocationFact::StatisticalArea | LocationFact::Lsoa21 => {
            "the directory does not state it"
        }
        LocationFact::AreaHint | LocationFact::AreaHintShare => {
            "the postcode is known, or its sector has no live postcode"
        }
        LocationFact::NearestPractice | LocationFact::NearestPracticeDistance => {
            "the position is not known, or no practice is within 50 km"
        }
    }
}

fn community_empty_when(fact: CommunityFact) -> &'static str {
    match fact {
        CommunityFact::Certainty | CommunityFact::Provenance | CommunityFact::Basis => {
            "there is no such area, or the location is not known"
        }
        CommunityFact::BoundaryDistance => "there is no such area, or only open coast around it",
        CommunityFact::Alternatives => "no other area is near",
        CommunityFact::Disputed => "the source does not dispute the area",
        CommunityFact::Nearest | CommunityFact::NearestDistance => {
            "an area of the dataset covers the location"
        }
        CommunityFact::Share | CommunityFact::AlternativeShares => "no shares are known",
    }
}

#[cfg(test)]
mod tests {
    use super::super::columns::columns_of;
    use crate::test_manifest::manifest;

    #[test]
    fn numbers_have_a_unit() {
        for column in columns_of(&manifest()) {
            let (name, column) = (column.name, column.column);
            assert!(!column.is_numeric() || column.unit().is_some(), "{name}");
            assert!(
                !name.ends_with("_m") || column.unit() == Some("metres"),
                "{name}"
            );
        }
    }
}
