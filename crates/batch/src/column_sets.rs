//! The sets of output columns that a request may specify.

use super::columns::{
    AreaText, ColumnDescription, CommunityFact, DatasetFact, LocationFact, OutputColumn,
    PracticeAreaFact, PracticeFact, PremisesFact,
};

/// A named set of output columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnSet {
    /// The columns that are always written.
    Default,
    /// The ids and the national codes of areas, and the codes of practices.
    Codes,
    /// The names of areas, groups and practices.
    Names,
    /// The location: postcode and position.
    Location,
    /// How the location was matched, and how certain the match is.
    Match,
    /// The practice of registration, and the practices whose areas cover the location.
    Practices,
    /// All distances.
    Distances,
    /// The reasons why results are missing.
    Reasons,
    /// The attributes of the location.
    Attributes,
    /// The dataset, and the dates of the dataset's sources.
    Sources,
    /// All columns.
    All,
}

impl ColumnSet {
    /// All sets, in the order used in the documentation.
    pub const ALL: [ColumnSet; 11] = [
        ColumnSet::Default,
        ColumnSet::Codes,
        ColumnSet::Names,
        ColumnSet::Location,
        ColumnSet::Match,
        ColumnSet::Practices,
        ColumnSet::Distances,
        ColumnSet::Reasons,
        ColumnSet::Attributes,
        ColumnSet::Sources,
        ColumnSet::All,
    ];

    /// Returns the name of the set in requests.
    pub fn as_str(self) -> &'static str {
        match self {
            ColumnSet::Default => "default",
            ColumnSet::Codes => "codes",
            ColumnSet::Names => "names",
            ColumnSet::Location => "location",
            ColumnSet::Match => "match",
            ColumnSet::Practices => "practices",
            ColumnSet::Distances => "distances",
            ColumnSet::Reasons => "reasons",
            ColumnSet::Attributes => "attributes",
            ColumnSet::Sources => "sources",
            ColumnSet::All => "all",
        }
    }

    /// Returns the set with this name, if there is one.
    pub(super) fn find(name: &str) -> Option<ColumnSet> {
        ColumnSet::ALL.into_iter().find(|set| set.as_str() == name)
    }

    /// Returns the names of all sets.
    pub(super) fn names() -> Vec<&'static str> {
        ColumnSet::ALL.map(ColumnSet::as_str).to_vec()
    }

    /// Returns a description of the columns in the set.
    pub fn description(self) -> &'static str {
        match self {
            ColumnSet::Default => "the default columns, which are always written",
            ColumnSet::Codes => {
                "the ids and the national codes of all areas, by residence and by registration, and \
                 the codes of practices"
            }
            ColumnSet::Names => "the names of areas, groups and practices",
            ColumnSet::Location => "the postcode, its status and dates, and its position",
            ColumnSet::Match => {
                "how the areas of the location were found: basis, boundary, alternatives, shares, \
                 notes, hints"
            }
            ColumnSet::Practices => {
                "the practice of registration, its area, and the practices that cover the location"
            }
            ColumnSet::Distances => {
                "the distances to practices and boundaries, and the nearest practice and community"
            }
            ColumnSet::Reasons => "why results are missing, as single codes, and corrections",
            ColumnSet::Attributes => "the attributes of the location, such as deciles",
            ColumnSet::Sources => "the dataset, and the dates of its sources",
            ColumnSet::All => "every column",
        }
    }

    /// Returns whether a column is in the set.
    pub fn contains(self, description: &ColumnDescription) -> bool {
        let column = description.column;
        match self {
            ColumnSet::Default => description.is_default,
            ColumnSet::Codes => is_code(column),
            ColumnSet::Names => is_name(column),
            ColumnSet::Location => is_of_location(column),
            ColumnSet::Match => is_of_match(column),
            ColumnSet::Practices => matches!(
                column,
                OutputColumn::Practice(_)
                    | OutputColumn::PracticeArea(_)
                    | OutputColumn::Premises(..)
            ),
            ColumnSet::Distances => is_distance(column),
            ColumnSet::Reasons => matches!(
                column,
                OutputColumn::Reason
                    | OutputColumn::ResidenceReason
                    | OutputColumn::RegistrationReason
                    | OutputColumn::GroupsReason
                    | OutputColumn::Location(LocationFact::Suggestion)
            ),
            ColumnSet::Attributes => matches!(column, OutputColumn::Attribute(..)),
            ColumnSet::Sources => matches!(
                column,
                OutputColumn::Dataset(
                    DatasetFact::Name
                        | DatasetFact::Version
                        | DatasetFact::Digest
                        | DatasetFact::DataAsOf
                )
            ),
            ColumnSet::All => true,
        }
    }
}

fn is_code(column: OutputColumn) -> bool {
    match column {
        OutputColumn::Residence(_, text, _)
        | OutputColumn::Registration(_, text, _)
        | OutputColumn::Groups(_, text) => text != AreaText::Name,
        OutputColumn::Practice(PracticeFact::Code | PracticeFact::RequestedCode)
        | OutputColumn::Location(
            LocationFact::Council | LocationFact::StatisticalArea | LocationFact::Lsoa21,
        ) => true,
        _ => false,
    }
}

fn is_name(column: OutputColumn) -> bool {
    match column {
        OutputColumn::Residence(_, text, _)
        | OutputColumn::Registration(_, text, _)
        | OutputColumn::Groups(_, text) => text == AreaText::Name,
        OutputColumn::Practice(PracticeFact::Name) => true,
        _ => false,
    }
}

fn is_of_location(column: OutputColumn) -> bool {
    let OutputColumn::Location(fact) = column else {
        return false;
    };
    match fact {
        LocationFact::Postcode
        | LocationFact::PostcodeStatus
        | LocationFact::Introduced
        | LocationFact::Terminated
        | LocationFact::Longitude
        | LocationFact::Latitude
        | LocationFact::Easting
        | LocationFact::Northing
        | LocationFact::PositionalQuality
        | LocationFact::AsOf
        | LocationFact::EndedAfter
        | LocationFact::EndedBy => true,
        LocationFact::Suggestion
        | LocationFact::Council
        | LocationFact::StatisticalArea
        | LocationFact::Lsoa21
        | LocationFact::AreaHint
        | LocationFact::AreaHintShare
        | LocationFact::NearestPractice
        | LocationFact::NearestPracticeDistance => false,
    }
}

fn is_of_match(column: OutputColumn) -> bool {
    matches!(
        column,
        OutputColumn::Community(..)
            | OutputColumn::Notes
            | OutputColumn::Location(
                LocationFact::Suggestion | LocationFact::AreaHint | LocationFact::AreaHintShare
            )
    )
}

fn is_distance(column: OutputColumn) -> bool {
    matches!(
        column,
        OutputColumn::Community(
            _,
            CommunityFact::BoundaryDistance
                | CommunityFact::Nearest
                | CommunityFact::NearestDistance
        ) | OutputColumn::PracticeArea(PracticeAreaFact::Distance)
            | OutputColumn::Premises(_, PremisesFact::Distances)
            | OutputColumn::Location(
                LocationFact::NearestPractice | LocationFact::NearestPracticeDistance
            )
    )
}

#[cfg(test)]
mod tests {
    use super::super::columns::columns_of;
    use super::*;
    use crate::test_manifest::manifest;

    #[test]
    fn every_column_is_in_a_set_besides_all() {
        let sets = ColumnSet::ALL.into_iter();
        let sets: Vec<ColumnSet> = sets.filter(|set| *set != ColumnSet::All).collect();
        for column in columns_of(&manifest()) {
            let is_in_set = sets.iter().any(|set| set.contains(&column));
            assert!(
                is_in_set && ColumnSet::All.contains(&column),
                "{}",
                column.name
            );
        }
    }

    #[test]
    fn sets_have_names_that_no_column_and_no_layer_has() {
        let manifest = manifest();
        for set in ColumnSet::ALL {
            assert_eq!(ColumnSet::find(set.as_str()), Some(set));
            let mut columns = columns_of(&manifest).into_iter();
            assert!(columns.all(|column| column.name != set.as_str()));
            let mut layers = manifest.layers.iter();
            assert!(layers.all(|entry| entry.id.as_str() != set.as_str()));
        }
        assert_eq!(ColumnSet::find("iccs"), None);
    }

    #[test]
    fn sets_have_the_columns_of_their_kind() {
        let columns = columns_of(&manifest());
        let names = |set: ColumnSet| -> String {
            let columns = columns.iter().filter(|column| set.contains(column));
            let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
            names.join(" ")
        };
        assert_eq!(
            names(ColumnSet::Distances),
            "boundary_distance_m nearest_icc nearest_icc_distance_m practice_distance_m \
             nearest_practice nearest_practice_distance_m practices_covering_distances_m"
        );
        assert_eq!(
            names(ColumnSet::Names),
            "icc_registration_name icc_residence_name sub_community_name neighbourhood_team_name \
             resilience_group_names practices_covering_names practice_name pcn_name sub_icb_name \
             place_name icb_name council_name lsoa11_name lsoa21_name"
        );
        assert_eq!(
            names(ColumnSet::Reasons),
            "reason suggestion reason_residence reason_registration reason_groups"
        );
        assert_eq!(
            names(ColumnSet::Sources),
            "dataset_version dataset dataset_digest data_as_of"
        );
        assert_eq!(names(ColumnSet::Attributes), "");
    }
}
