//! The columns that we add.

use std::fmt;

use crate::domain::Layer;

/// A column of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// What became of the row.
    Status,
    /// How residence and registration compare.
    Agreement,
    /// The groups of the registration, or else of the residence.
    Groups(Text),
    /// Why something is not known.
    Reason,
    /// What else should be known.
    Notes,
    /// A layer's areas where somebody lives.
    Residence(Layer, Text),
    /// A layer's areas to which their practice belongs.
    Registration(Layer, Text),
    /// A fact about the place.
    Place(PlaceFact),
    /// A fact about the ICC in which the place lies.
    Community(CommunityFact),
    /// A fact about the practice.
    Practice(PracticeFact),
    /// A fact about the dataset.
    Dataset(DatasetFact),
}

/// Which text of an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Text {
    /// Its id.
    Id,
    /// Its name.
    Name,
}

/// What is known of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each has its sentence in COLUMNS")]
pub enum PlaceFact {
    Postcode,
    PostcodeStatus,
    Introduced,
    Terminated,
    Longitude,
    Latitude,
    Easting,
    Northing,
    PositionalQuality,
    Suggestion,
    AsOf,
}

/// What is known of the ICC in which a place lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each has its sentence in COLUMNS")]
pub enum CommunityFact {
    Certainty,
    Provenance,
    Basis,
    BoundaryDistance,
    Alternatives,
    Nearest,
    NearestDistance,
}

/// What is known of a practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each has its sentence in COLUMNS")]
pub enum PracticeFact {
    Code,
    Name,
    Status,
    AskedCode,
    AskedStatus,
    Successors,
    BranchListed,
}

/// What is known of the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each has its sentence in COLUMNS")]
pub enum DatasetFact {
    Name,
    Version,
    Digest,
}

/// A name that no column has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no column of ours; there are {}", names().join(", "))]
pub struct UnknownColumn {
    /// As it was given.
    pub name: String,
}

use Column::{
    Agreement, Community, Dataset, Groups, Notes, Place, Practice, Reason, Registration, Residence,
    Status,
};
use Layer::{GpPractice, Icb, Icc, NeighbourhoodTeam, Pcn, ResilienceGroup, SubCommunity, SubIcb};
use Text::{Id, Name};

/// Before the name of each column.
pub const PREFIX: &str = "catchment_";

/// How many columns are added where none is asked for: the first ones of [`COLUMNS`].
const USUAL: usize = 10;

/// Every column, its name without [`PREFIX`], and what it holds.
pub const COLUMNS: &[(Column, &str, &str)] = &[
    (Status, "status", "what became of the row"),
    (
        Registration(Icc, Id),
        "icc_registration_id",
        "the ICC of the practice",
    ),
    (
        Residence(Icc, Id),
        "icc_residence_id",
        "the ICC in whose area the place lies",
    ),
    (
        Agreement,
        "agreement",
        "how the two compare: agree, differ, registration_only, residence_only, neither",
    ),
    (
        Groups(Id),
        "resilience_groups",
        "the resilience groups of the ICC by registration, or else of the place; `unknown` where the source names none",
    ),
    (
        Residence(GpPractice, Id),
        "practices_covering",
        "the practices whose area includes the place, the largest share first",
    ),
    (
        Community(CommunityFact::Certainty),
        "certainty",
        "of the ICC by residence: inside or near_boundary",
    ),
    (
        Community(CommunityFact::Provenance),
        "provenance",
        "of the ICC by residence: official, derived, modelled or indicative",
    ),
    (Reason, "reason", "why something is not known"),
    (
        Dataset(DatasetFact::Version),
        "dataset_version",
        "the version of the dataset",
    ),
    (
        Place(PlaceFact::Postcode),
        "postcode",
        "the postcode as it is written properly",
    ),
    (
        Place(PlaceFact::PostcodeStatus),
        "postcode_status",
        "live or terminated",
    ),
    (
        Place(PlaceFact::Introduced),
        "postcode_introduced",
        "the month of its introduction",
    ),
    (
        Place(PlaceFact::Terminated),
        "postcode_terminated",
        "its last month",
    ),
    (Place(PlaceFact::Longitude), "longitude", "degrees, WGS84"),
    (Place(PlaceFact::Latitude), "latitude", "degrees, WGS84"),
    (
        Place(PlaceFact::Easting),
        "easting",
        "metres, British National Grid",
    ),
    (
        Place(PlaceFact::Northing),
        "northing",
        "metres, British National Grid",
    ),
    (
        Place(PlaceFact::PositionalQuality),
        "positional_quality",
        "the directory's mark for the position, on its publisher's scale",
    ),
    (
        Place(PlaceFact::Suggestion),
        "suggestion",
        "the postcode that a malformed one was probably meant to be; it was not looked up",
    ),
    (
        Place(PlaceFact::AsOf),
        "as_of",
        "the day that the answer is for",
    ),
    (Registration(Icc, Name), "icc_registration_name", "its name"),
    (Residence(Icc, Name), "icc_residence_name", "its name"),
    (
        Community(CommunityFact::Basis),
        "basis",
        "what decided the ICC by residence: directory, boundary or nearest",
    ),
    (
        Community(CommunityFact::BoundaryDistance),
        "boundary_distance_m",
        "metres from the place to the boundary of the ICC by residence",
    ),
    (
        Community(CommunityFact::Alternatives),
        "alternatives",
        "the ICCs across a boundary that is near, nearest first",
    ),
    (
        Community(CommunityFact::Nearest),
        "nearest_icc",
        "the nearest ICC, where the place is outside every area that we hold",
    ),
    (
        Community(CommunityFact::NearestDistance),
        "nearest_icc_distance_m",
        "metres to it",
    ),
    (
        Residence(SubCommunity, Id),
        "sub_community",
        "the part of an ICC where the place lies",
    ),
    (
        Residence(SubCommunity, Name),
        "sub_community_name",
        "its name",
    ),
    (
        Residence(NeighbourhoodTeam, Id),
        "neighbourhood_team",
        "the neighbourhood team by residence (East Lancashire, Blackburn with Darwen)",
    ),
    (
        Residence(NeighbourhoodTeam, Name),
        "neighbourhood_team_name",
        "its name",
    ),
    (
        Registration(NeighbourhoodTeam, Id),
        "neighbourhood_team_registration",
        "the neighbourhood team by registration",
    ),
    (
        Groups(Name),
        "resilience_group_names",
        "the names of resilience_groups",
    ),
    (
        Residence(ResilienceGroup, Id),
        "resilience_groups_residence",
        "the resilience groups of the place",
    ),
    (
        Registration(ResilienceGroup, Id),
        "resilience_groups_registration",
        "the resilience groups of the practice's ICC",
    ),
    (
        Residence(GpPractice, Name),
        "practices_covering_names",
        "the names of practices_covering",
    ),
    (
        Practice(PracticeFact::Code),
        "practice",
        "the practice that has the patients: after branch, closure and succession",
    ),
    (Practice(PracticeFact::Name), "practice_name", "its name"),
    (
        Practice(PracticeFact::Status),
        "practice_status",
        "active, dormant, closed or proposed on the day",
    ),
    (
        Practice(PracticeFact::AskedCode),
        "practice_asked",
        "the practice of the row, or the parent of its branch",
    ),
    (
        Practice(PracticeFact::AskedStatus),
        "practice_asked_status",
        "its status on the day",
    ),
    (
        Practice(PracticeFact::Successors),
        "practice_successors",
        "the steps from the one to the other",
    ),
    (
        Practice(PracticeFact::BranchListed),
        "practice_branch_listed",
        "for a branch: yes where it is listed itself, no where only its practice is",
    ),
    (
        Residence(Pcn, Id),
        "pcn",
        "the Primary Care Network by residence",
    ),
    (Residence(Pcn, Name), "pcn_name", "its name"),
    (
        Registration(Pcn, Id),
        "pcn_registration",
        "the Primary Care Network of the practice",
    ),
    (
        Residence(SubIcb, Id),
        "sub_icb",
        "the sub-ICB location by residence",
    ),
    (Residence(SubIcb, Name), "sub_icb_name", "its name"),
    (
        Registration(SubIcb, Id),
        "sub_icb_registration",
        "the sub-ICB location of the practice",
    ),
    (
        Residence(Layer::Place, Id),
        "place",
        "the place of an ICB by residence",
    ),
    (Residence(Layer::Place, Name), "place_name", "its name"),
    (Residence(Icb, Id), "icb", "the ICB by residence"),
    (Residence(Icb, Name), "icb_name", "its name"),
    (
        Registration(Icb, Id),
        "icb_registration",
        "the ICB of the practice",
    ),
    (
        Notes,
        "notes",
        "practice_address, not_yet_introduced, closes_on",
    ),
    (
        Dataset(DatasetFact::Name),
        "dataset",
        "the name of the dataset",
    ),
    (
        Dataset(DatasetFact::Digest),
        "dataset_digest",
        "SHA-256 of the dataset's manifest",
    ),
];

impl Column {
    /// Whether its cells are numbers, with a unit that its sentence says.
    pub(super) fn is_number(self) -> bool {
        matches!(
            self,
            Place(
                PlaceFact::Longitude
                    | PlaceFact::Latitude
                    | PlaceFact::Easting
                    | PlaceFact::Northing
            ) | Community(CommunityFact::BoundaryDistance | CommunityFact::NearestDistance)
        )
    }

    /// The ten that answer the question.
    pub fn usual() -> Vec<Column> {
        COLUMNS[..USUAL]
            .iter()
            .map(|&(column, ..)| column)
            .collect()
    }

    /// The usual ten, and those of a list with commas between them, in its order; or `all`.
    ///
    /// # Errors
    /// When a name is no column's.
    pub fn usual_and(list: &str) -> Result<Vec<Column>, UnknownColumn> {
        if list.trim() == "all" {
            return Ok(COLUMNS.iter().map(|&(column, ..)| column).collect());
        }
        let mut columns = Column::usual();
        for name in list
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            let bare = name.strip_prefix(PREFIX).unwrap_or(name);
            let found = COLUMNS.iter().find(|(_, name, _)| *name == bare);
            let (column, ..) = found.ok_or_else(|| UnknownColumn { name: name.into() })?;
            if !columns.contains(column) {
                columns.push(*column);
            }
        }
        Ok(columns)
    }

    /// The layer in which the column needs distances.
    pub(super) fn measures(&self) -> Option<Layer> {
        use CommunityFact::{Alternatives, BoundaryDistance, Certainty};
        match self {
            Community(Certainty | BoundaryDistance | Alternatives) => Some(Icc),
            _ => None,
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name, _) = COLUMNS
            .iter()
            .find(|(column, ..)| column == self)
            .expect("every column has a name");
        write!(f, "{PREFIX}{name}")
    }
}

fn names() -> Vec<&'static str> {
    COLUMNS.iter().map(|&(_, name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_usual_columns_are_the_ten_that_answer_the_question() {
        let names: Vec<String> = Column::usual().iter().map(Column::to_string).collect();
        let expected = "catchment_status catchment_icc_registration_id catchment_icc_residence_id \
            catchment_agreement catchment_resilience_groups catchment_practices_covering \
            catchment_certainty catchment_provenance catchment_reason catchment_dataset_version";
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn columns_and_names_are_each_there_once() {
        let columns: HashSet<Column> = COLUMNS.iter().map(|&(column, ..)| column).collect();
        let names: HashSet<&str> = names().into_iter().collect();
        assert_eq!((columns.len(), names.len()), (COLUMNS.len(), COLUMNS.len()));
    }

    #[test]
    fn a_list_adds_to_the_usual_ones() {
        let columns = Column::usual_and("icb, catchment_suggestion,status").expect("columns");
        let added: Vec<String> = columns[10..].iter().map(Column::to_string).collect();
        assert_eq!(added, ["catchment_icb", "catchment_suggestion"]);
        assert_eq!(
            Column::usual_and("all").map(|all| all.len()),
            Ok(COLUMNS.len())
        );
        let fault = Column::usual_and("iccs").expect_err("unknown");
        assert!(fault.to_string().contains("`iccs`"), "{fault}");
    }
}
