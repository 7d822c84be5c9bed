//! The output columns.

use std::fmt;

use catchment_core::domain::Layer;

/// An output column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputColumn {
    /// The result of the look-up.
    Status,
    /// Whether the residence and the registration agree.
    Agreement,
    /// The resilience groups of the registration or, if the practice belongs to no ICC, those of
    /// the residence.
    Groups(AreaText),
    /// Why a result is missing.
    Reason,
    /// Notes on the answer.
    Notes,
    /// The areas of a layer that cover the location.
    Residence(Layer, AreaText),
    /// The areas of a layer to which the practice belongs.
    Registration(Layer, AreaText),
    /// A fact about the location.
    Location(LocationFact),
    /// A fact about the ICC that covers the location.
    Community(CommunityFact),
    /// A fact about the practice.
    Practice(PracticeFact),
    /// A fact about the nearest premises of the practices that cover the location.
    Premises(PremisesFact),
    /// A fact about the dataset.
    Dataset(DatasetFact),
}

/// Which text of an area is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AreaText {
    /// The id of the area.
    Id,
    /// The name of the area.
    Name,
}

/// A fact about a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "described in COLUMNS")]
pub enum LocationFact {
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
    EndedAfter,
    EndedBy,
    Council,
    StatisticalArea,
    Lsoa21,
    AreaHint,
    AreaHintShare,
}

/// A fact about the ICC that covers a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "described in COLUMNS")]
pub enum CommunityFact {
    Certainty,
    Provenance,
    Basis,
    BoundaryDistance,
    Alternatives,
    Disputed,
    Nearest,
    NearestDistance,
}

/// A fact about a practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "described in COLUMNS")]
pub enum PracticeFact {
    Code,
    Name,
    Status,
    RequestedCode,
    RequestedStatus,
    Successors,
    BranchListed,
}

/// A fact about the nearest premises of the practices that cover a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "described in COLUMNS")]
pub enum PremisesFact {
    Distances,
    Addresses,
}

/// A fact about the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "described in COLUMNS")]
pub enum DatasetFact {
    Name,
    Version,
    Digest,
    DataAsOf,
}

/// The name of an output column that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no output column `{name}`; the columns are {}", names().join(", "))]
pub struct UnknownColumn {
    /// The name as it was given.
    pub name: String,
}

use AreaText::{Id, Name};
use Layer::{GpPractice, Icb, Icc, NeighbourhoodTeam, Pcn, ResilienceGroup, SubCommunity, SubIcb};
use OutputColumn::{
    Agreement, Community, Dataset, Groups, Location, Notes, Practice, Premises, Reason,
    Registration, Residence, Status,
};

/// The prefix of the name of every output column.
pub const PREFIX: &str = "catchment_";

/// The number of default columns, which come first in [`COLUMNS`].
const DEFAULT_COUNT: usize = 10;

/// Every output column, with its name without [`PREFIX`] and a description.
pub const COLUMNS: &[(OutputColumn, &str, &str)] = &[
    (Status, "status", "the result of the look-up"),
    (
        Registration(Icc, Id),
        "icc_registration_id",
        "the ICC of the practice",
    ),
    (
        Residence(Icc, Id),
        "icc_residence_id",
        "the ICC that covers the location",
    ),
    (
        Agreement,
        "agreement",
        "whether the two communities agree: agree, differ, registration_only, residence_only, neither",
    ),
    (
        Groups(Id),
        "resilience_groups",
        "the resilience groups of the ICC by registration or, if there is no such ICC, those that \
         cover the location; `unknown` if the source names no groups",
    ),
    (
        Residence(GpPractice, Id),
        "practices_covering",
        "the practices whose area covers the location, largest share first",
    ),
    (
        Community(CommunityFact::Certainty),
        "certainty",
        "the certainty of the ICC by residence: inside or near_boundary",
    ),
    (
        Community(CommunityFact::Provenance),
        "provenance",
        "the provenance of the ICC by residence: official, derived, modelled or indicative",
    ),
    (Reason, "reason", "why a result is missing"),
    (
        Dataset(DatasetFact::Version),
        "dataset_version",
        "the version of the dataset",
    ),
    (
        Location(LocationFact::Postcode),
        "postcode",
        "the postcode in its usual form",
    ),
    (
        Location(LocationFact::PostcodeStatus),
        "postcode_status",
        "the status of the postcode: live, terminated or unknown",
    ),
    (
        Location(LocationFact::Introduced),
        "postcode_introduced",
        "the month in which the postcode was introduced",
    ),
    (
        Location(LocationFact::Terminated),
        "postcode_terminated",
        "the month in which the postcode was terminated",
    ),
    (
        Location(LocationFact::Longitude),
        "longitude",
        "the longitude in degrees, WGS84",
    ),
    (
        Location(LocationFact::Latitude),
        "latitude",
        "the latitude in degrees, WGS84",
    ),
    (
        Location(LocationFact::Easting),
        "easting",
        "the easting in metres, British National Grid",
    ),
    (
        Location(LocationFact::Northing),
        "northing",
        "the northing in metres, British National Grid",
    ),
    (
        Location(LocationFact::PositionalQuality),
        "positional_quality",
        "the positional quality in the directory, on its publisher's scale",
    ),
    (
        Location(LocationFact::Suggestion),
        "suggestion",
        "the probable correction of a malformed postcode; the correction was not looked up",
    ),
    (
        Location(LocationFact::AsOf),
        "as_of",
        "the as-of date of the answer",
    ),
    (
        Registration(Icc, Name),
        "icc_registration_name",
        "the name of the ICC by registration",
    ),
    (
        Residence(Icc, Name),
        "icc_residence_name",
        "the name of the ICC by residence",
    ),
    (
        Community(CommunityFact::Basis),
        "basis",
        "how the ICC by residence was determined: directory, boundary or nearest",
    ),
    (
        Community(CommunityFact::BoundaryDistance),
        "boundary_distance_m",
        "the distance in metres from the location to the nearest boundary of the ICC by residence; open coast does not count",
    ),
    (
        Community(CommunityFact::Alternatives),
        "alternatives",
        "the ICCs across a nearby boundary, nearest first; outside is land in no ICC",
    ),
    (
        Community(CommunityFact::Disputed),
        "disputed",
        "the other ICCs to which the location may belong, largest share first, if the source \
         disputes the ICC by residence",
    ),
    (
        Community(CommunityFact::Nearest),
        "nearest_icc",
        "the nearest ICC, if the location is outside every area of the dataset",
    ),
    (
        Community(CommunityFact::NearestDistance),
        "nearest_icc_distance_m",
        "the distance in metres to the nearest ICC",
    ),
    (
        Residence(SubCommunity, Id),
        "sub_community",
        "the sub-community that covers the location: a part of the ICC",
    ),
    (
        Residence(SubCommunity, Name),
        "sub_community_name",
        "the name of the sub-community",
    ),
    (
        Residence(NeighbourhoodTeam, Id),
        "neighbourhood_team",
        "the neighbourhood team by residence (East Lancashire, Blackburn with Darwen)",
    ),
    (
        Residence(NeighbourhoodTeam, Name),
        "neighbourhood_team_name",
        "the name of the neighbourhood team by residence",
    ),
    (
        Registration(NeighbourhoodTeam, Id),
        "neighbourhood_team_registration",
        "the neighbourhood team by registration",
    ),
    (
        Groups(Name),
        "resilience_group_names",
        "the names of the groups in `resilience_groups`",
    ),
    (
        Residence(ResilienceGroup, Id),
        "resilience_groups_residence",
        "the resilience groups that cover the location",
    ),
    (
        Registration(ResilienceGroup, Id),
        "resilience_groups_registration",
        "the resilience groups of the practice's ICC",
    ),
    (
        Residence(GpPractice, Name),
        "practices_covering_names",
        "the names of the practices in `practices_covering`",
    ),
    (
        Practice(PracticeFact::Code),
        "practice",
        "the practice responsible for the patients, after branch, closure and succession",
    ),
    (
        Practice(PracticeFact::Name),
        "practice_name",
        "the name of the practice in `practice`",
    ),
    (
        Practice(PracticeFact::Status),
        "practice_status",
        "the status, on the as-of date, of the practice in `practice`: active, dormant, closed or proposed",
    ),
    (
        Practice(PracticeFact::RequestedCode),
        "practice_asked",
        "the practice in the row, or the parent practice of the branch in the row",
    ),
    (
        Practice(PracticeFact::RequestedStatus),
        "practice_asked_status",
        "the status, on the as-of date, of the practice in `practice_asked`",
    ),
    (
        Practice(PracticeFact::Successors),
        "practice_successors",
        "the codes of the practices that took over from `practice_asked`, in order, ending with \
         `practice`",
    ),
    (
        Practice(PracticeFact::BranchListed),
        "practice_branch_listed",
        "for a branch: yes if the source lists the branch, no if it lists only the parent practice",
    ),
    (
        Residence(Pcn, Id),
        "pcn",
        "the Primary Care Network by residence",
    ),
    (
        Residence(Pcn, Name),
        "pcn_name",
        "the name of the Primary Care Network by residence",
    ),
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
    (
        Residence(SubIcb, Name),
        "sub_icb_name",
        "the name of the sub-ICB location by residence",
    ),
    (
        Registration(SubIcb, Id),
        "sub_icb_registration",
        "the sub-ICB location of the practice",
    ),
    (
        Residence(Layer::Place, Id),
        "place",
        "the place of an ICB by residence; `unknown` if the source names none",
    ),
    (
        Residence(Layer::Place, Name),
        "place_name",
        "the name of the place by residence",
    ),
    (Residence(Icb, Id), "icb", "the ICB by residence"),
    (
        Residence(Icb, Name),
        "icb_name",
        "the name of the ICB by residence",
    ),
    (
        Registration(Icb, Id),
        "icb_registration",
        "the ICB of the practice",
    ),
    (
        Notes,
        "notes",
        "notes: practice_address, not_yet_introduced, closes_on, postcode_status_unknown, layers_disagree, \
         after_data, coordinates_suspect",
    ),
    (
        Dataset(DatasetFact::Name),
        "dataset",
        "the name of the dataset",
    ),
    (
        Dataset(DatasetFact::Digest),
        "dataset_digest",
        "the SHA-256 digest of the manifest of the dataset",
    ),
    (
        Location(LocationFact::EndedAfter),
        "postcode_ended_after",
        "for a terminated postcode without a month: the last month in which it was listed as live",
    ),
    (
        Location(LocationFact::EndedBy),
        "postcode_ended_by",
        "for a terminated postcode without a month: the month in which it was no longer listed as \
         live",
    ),
    (
        Location(LocationFact::Council),
        "council",
        "the GSS code of the council of the postcode, from the directory",
    ),
    (
        Location(LocationFact::StatisticalArea),
        "statistical_area",
        "the code of the postcode's statistical area (in the embedded dataset the LSOA of 2011), \
         from the directory",
    ),
    (
        Location(LocationFact::Lsoa21),
        "lsoa21",
        "the code of the LSOA of 2021 of the postcode, from the directory",
    ),
    (
        Location(LocationFact::AreaHint),
        "area_hint",
        "for an unknown postcode: the community of most live postcodes of its sector; a hint, not \
         an answer",
    ),
    (
        Location(LocationFact::AreaHintShare),
        "area_hint_share",
        "the share of the sector's live postcodes that are in the community in `area_hint`",
    ),
    (
        Premises(PremisesFact::Distances),
        "practices_covering_distances_m",
        "the distance in metres to the nearest premises of each practice in `practices_covering`",
    ),
    (
        Premises(PremisesFact::Addresses),
        "practices_covering_premises",
        "the premises to which each of `practices_covering_distances_m` was measured: postcode, \
         `main`, `branch` or `predecessor`, and the date of the source",
    ),
    (
        Dataset(DatasetFact::DataAsOf),
        "data_as_of",
        "the date of the source of each part of the dataset: postcodes, practices and layers",
    ),
];

impl OutputColumn {
    /// Returns whether the column's cells are numbers. The column's description states the unit.
    pub(super) fn is_numeric(self) -> bool {
        matches!(
            self,
            Location(
                LocationFact::Longitude
                    | LocationFact::Latitude
                    | LocationFact::Easting
                    | LocationFact::Northing
                    | LocationFact::AreaHintShare
            ) | Community(CommunityFact::BoundaryDistance | CommunityFact::NearestDistance)
        )
    }

    /// Returns the ten default columns.
    pub fn defaults() -> Vec<OutputColumn> {
        COLUMNS[..DEFAULT_COUNT]
            .iter()
            .map(|&(column, ..)| column)
            .collect()
    }

    /// Returns the default columns followed by those named in a comma-separated list, or every
    /// column if the list is `all`.
    ///
    /// # Errors
    /// If the list contains a name that is not the name of an output column.
    pub fn with_defaults(names: &str) -> Result<Vec<OutputColumn>, UnknownColumn> {
        if names.trim() == "all" {
            return Ok(COLUMNS.iter().map(|&(column, ..)| column).collect());
        }
        let mut columns = OutputColumn::defaults();
        for name in names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            let unprefixed = name.strip_prefix(PREFIX).unwrap_or(name);
            let found = COLUMNS.iter().find(|(_, name, _)| *name == unprefixed);
            let (column, ..) = found.ok_or_else(|| UnknownColumn { name: name.into() })?;
            if !columns.contains(column) {
                columns.push(*column);
            }
        }
        Ok(columns)
    }

    /// Returns the layer for which the column needs distances, if any.
    pub(super) fn distance_layer(&self) -> Option<Layer> {
        use CommunityFact::{Alternatives, BoundaryDistance, Certainty};
        match self {
            Community(Certainty | BoundaryDistance | Alternatives) => Some(Icc),
            Premises(_) => Some(GpPractice),
            _ => None,
        }
    }
}

impl fmt::Display for OutputColumn {
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
    fn default_columns_are_the_first_ten() {
        let names: Vec<String> = OutputColumn::defaults()
            .iter()
            .map(OutputColumn::to_string)
            .collect();
        let expected = "catchment_status catchment_icc_registration_id catchment_icc_residence_id \
            catchment_agreement catchment_resilience_groups catchment_practices_covering \
            catchment_certainty catchment_provenance catchment_reason catchment_dataset_version";
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn columns_and_names_are_unique() {
        let columns: HashSet<OutputColumn> = COLUMNS.iter().map(|&(column, ..)| column).collect();
        let names: HashSet<&str> = names().into_iter().collect();
        assert_eq!((columns.len(), names.len()), (COLUMNS.len(), COLUMNS.len()));
    }

    #[test]
    fn named_columns_are_added_to_the_defaults() {
        let columns =
            OutputColumn::with_defaults("icb, catchment_suggestion,status").expect("columns");
        let added: Vec<String> = columns[10..].iter().map(OutputColumn::to_string).collect();
        assert_eq!(added, ["catchment_icb", "catchment_suggestion"]);
        assert_eq!(
            OutputColumn::with_defaults("all").map(|all| all.len()),
            Ok(COLUMNS.len())
        );
        let error = OutputColumn::with_defaults("iccs").expect_err("unknown");
        assert!(error.to_string().contains("`iccs`"), "{error}");
    }
}
