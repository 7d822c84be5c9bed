//! The query and the answer of [`Index::locate`](super::Index::locate).

use std::fmt;

use jiff::civil::Date;

use super::Index;
use super::uprns::ResolvedHome;
use crate::domain::{
    Agreement, Area, Basis, BritishGrid, CatchmentKind, Certainty, InvalidOdsCode, Layer, LonLat,
    LookupStatus, OdsCode, Postcode, PostcodeEntry, PostcodeStatus, Practice, PracticeStatus,
    PracticeSuccession, Premises, Provenance, StatisticalAreaLocator, Uprn,
};
use crate::geodesy;

/// The query of [`Index::locate`](super::Index::locate).
#[derive(Debug, Clone, Copy)]
pub struct LocateQuery {
    /// The postcode, point or statistical area of residence.
    pub locator: Option<Locator>,
    /// The code of the practice of registration, or the reason why the code is invalid.
    pub practice: Option<Result<OdsCode, InvalidOdsCode>>,
    /// The day for which the query is answered.
    pub as_of: Date,
}

/// A postcode, point or statistical area, in the form in which the client gave it.
#[derive(Debug, Clone, Copy)]
pub enum Locator {
    /// A postcode.
    Postcode(Postcode),
    /// A longitude and a latitude.
    LonLat(LonLat),
    /// An easting and a northing.
    Grid(BritishGrid),
    /// The code of a statistical area.
    StatisticalArea(StatisticalAreaLocator),
    /// A UPRN.
    Uprn(Uprn),
}

/// The result of a query. The result borrows from the index, so no records are copied.
pub struct LocateAnswer<'i> {
    /// How the locator was resolved.
    pub status: LookupStatus,
    /// The location of the postcode or point.
    pub location: Option<Location>,
    /// The statistical area, if the client specified a statistical area that the dataset contains.
    pub statistical_area: Option<NamedStatisticalArea<'i>>,
    /// The areas that cover the location, with one result for each layer.
    pub residence: Vec<(Layer, LayerResult<'i>)>,
    /// The areas by registration, if a practice was given.
    pub registration: Option<PracticeRegistration<'i>>,
    /// Whether the residence and the registration agree.
    pub agreement: Agreement,
    /// Remarks on the answer.
    pub notes: Vec<AnswerNote>,
    /// The nearest ICC, if the position is in no area. Empty if the position is in an area.
    pub nearest: Vec<(Layer, NearbyArea<'i>)>,
    /// The day for which the query was answered.
    pub as_of: Date,
}

/// The statistical area that a client specified.
#[derive(Clone, Copy)]
pub struct NamedStatisticalArea<'i> {
    /// The area with the code, in the layer that contains the code.
    pub area: &'i Area,
    /// The number of live postcodes in the area on the day of the query.
    pub postcode_count: usize,
}

/// The location of a postcode or point.
#[derive(Clone, Copy)]
pub struct Location {
    /// The postcode or point in the form in which the client gave it.
    pub locator: Locator,
    /// The position on the British National Grid; `None` if the position is outside the grid or the
    /// location is a statistical area.
    pub grid: Option<BritishGrid>,
    /// The directory's entry, if the locator is a postcode that the directory lists.
    pub entry: Option<PostcodeEntry>,
    /// The address, if the locator is a UPRN.
    pub home: Option<ResolvedHome>,
    /// Whether the postcode was terminated on or before the day.
    pub is_terminated: bool,
    /// Whether it is unknown if the postcode was in use on the day, because the directory does not
    /// state it.
    pub is_status_unknown: bool,
}

impl LocateAnswer<'_> {
    /// Returns whether the answer has a result for a layer, by residence or by registration.
    pub fn has_result(&self, layer: Layer) -> bool {
        let registered = self.registration.iter();
        let registered = registered.flat_map(|registration| &registration.areas);
        let mut results = self.residence.iter().chain(registered);
        results.any(|(id, result)| *id == layer && !result.is_empty())
    }
}

/// Prints only the status, because the other fields reveal the query. Queries must not be logged.
impl fmt::Debug for LocateAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocateAnswer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NamedStatisticalArea<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NamedStatisticalArea(…)")
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Location(…)")
    }
}

impl fmt::Debug for PracticeRegistration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PracticeRegistration(…)")
    }
}

impl Location {
    /// Returns the status of the postcode on the day; `None` if the location is not a postcode that
    /// the directory lists. The status of a postcode that was not yet in use on the day is `live`,
    /// and the answer contains a note.
    pub fn postcode_status(&self) -> Option<PostcodeStatus> {
        self.entry.map(|_| match self {
            Location {
                is_terminated: true,
                ..
            } => PostcodeStatus::Terminated,
            Location {
                is_status_unknown: true,
                ..
            } => PostcodeStatus::Unknown,
            _ => PostcodeStatus::Live,
        })
    }

    /// Returns the postcode that the client gave, or the postcode of the address with the UPRN.
    pub fn postcode(&self) -> Option<Postcode> {
        match self.locator {
            Locator::Postcode(postcode) => Some(postcode),
            _ => self.home.and_then(|home| home.postcode),
        }
    }

    /// Returns the position in degrees.
    pub fn lonlat(&self) -> Option<LonLat> {
        match self.locator {
            Locator::LonLat(lonlat) => Some(lonlat),
            _ => self.grid.and_then(geodesy::to_lonlat),
        }
    }
}

/// The result for one layer.
#[derive(Debug)]
pub enum LayerResult<'i> {
    /// The areas. An empty list means that no area was found.
    Areas(Vec<AreaMatch<'i>>),
    /// The practices whose area includes the position. The practice with the largest share comes
    /// first.
    Practices(Vec<PracticeMatch<'i>>),
    /// The groups to which the areas belong. The groups of the smallest areas come first.
    Groups(Vec<GroupMatch<'i>>),
    /// The result is unknown.
    Unknown(UnknownReason),
}

impl LayerResult<'_> {
    /// Returns whether no area was found and the source does not state a reason.
    fn is_empty(&self) -> bool {
        match self {
            LayerResult::Areas(areas) => areas.is_empty(),
            LayerResult::Practices(practices) => practices.is_empty(),
            LayerResult::Groups(groups) => groups.is_empty(),
            LayerResult::Unknown(reason) => *reason != UnknownReason::NoneNamed,
        }
    }
}

/// The reason why the result for a layer is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownReason {
    /// The source lists the member but does not specify its group.
    NoneNamed,
    /// The source does not list the member.
    NoSource,
    /// The day is before the first date for which the layer contains data.
    NoDataForDate,
    /// The position is in an area without a boundary. The directory states which postcodes are in
    /// the area.
    NoBoundary,
    /// The statistical area that the client specified has no live postcodes, from which the result
    /// would be determined.
    NoLivePostcodes,
}

impl UnknownReason {
    /// Returns the word that represents the value in JSON and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            UnknownReason::NoneNamed => "none named by the source",
            UnknownReason::NoSource => "no source",
            UnknownReason::NoDataForDate => "no_data_for_date",
            UnknownReason::NoBoundary => "no boundary in the data: ask by postcode",
            UnknownReason::NoLivePostcodes => "no_live_postcodes",
        }
    }
}

/// An area that includes the position, or to which the practice belongs.
#[derive(Debug)]
pub struct AreaMatch<'i> {
    /// The area, in the version valid on the day.
    pub area: &'i Area,
    /// The basis of the match.
    pub basis: Basis,
    /// The provenance of the match.
    pub provenance: Provenance,
    /// The distance of the position from the area's boundary, with the certainty; `None` for a
    /// registration, and if distances were not requested for the layer.
    pub proximity: Option<BoundaryProximity<'i>>,
    /// The modelled share of the people in the statistical area who belong to the area, if known.
    pub model_share: Option<f64>,
    /// The other areas to which the statistical area may belong, in descending order of their
    /// shares. Empty unless the source disputes the assignment.
    pub disputed_with: Vec<DisputedArea<'i>>,
    /// How the statistical area that the client specified, or the homes of the postcode, are
    /// divided between areas of the layer; `None` for coordinates, and for a postcode whose homes
    /// are not known, or are all in one area.
    pub shares: Option<Box<PlaceShares<'i>>>,
    /// The area's ordinal in its layer.
    pub(super) ordinal: u32,
}

/// How a place is divided between the areas of a layer.
#[derive(Debug, Clone)]
pub struct PlaceShares<'i> {
    /// The unit in which the shares are counted.
    pub unit: ShareUnit,
    /// The share in the area of the match; 1 if the layer is defined on the statistical area, so that
    /// all of it is in the area.
    pub share: f64,
    /// The other areas with their shares, in descending order of the shares. In a layer whose areas
    /// do not overlap, the shares add up to 1.
    pub others: Vec<AreaShare<'i>>,
}

/// The unit in which the shares of a divided place are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareUnit {
    /// The live postcodes of a statistical area.
    Postcodes,
    /// The homes of a postcode.
    Homes,
}

/// A share of a place that is divided between areas.
#[derive(Debug, Clone, Copy)]
pub struct AreaShare<'i> {
    /// The area, in the version valid on the day; `None` for postcodes or homes in no area of the
    /// layer.
    pub area: Option<&'i Area>,
    /// The share.
    pub share: f64,
}

/// Another area in the answer: an area with a share of the place, or an area across a nearby boundary.
#[derive(Debug, Clone, Copy)]
pub struct OtherArea<'i> {
    /// The area, in the version valid on the day; `None` for land, postcodes or homes in no area of
    /// the layer.
    pub area: Option<&'i Area>,
    /// The distance in metres, if the area is across a nearby boundary.
    pub distance_m: Option<f64>,
    /// The share of the place, if shares are known.
    pub share: Option<f64>,
}

impl<'i> From<&AlternativeArea<'i>> for OtherArea<'i> {
    fn from(near: &AlternativeArea<'i>) -> OtherArea<'i> {
        OtherArea {
            area: near.area,
            distance_m: Some(near.distance_m),
            share: None,
        }
    }
}

impl<'i> AreaMatch<'i> {
    /// Returns the other areas. If shares are known, the areas with a share come first, in descending
    /// order of their shares, followed by the other areas across a nearby boundary, whose share is 0.
    /// If no shares are known, returns the areas across a nearby boundary, the nearest first.
    pub fn other_areas(&self) -> Vec<OtherArea<'i>> {
        let near = self.proximity.as_ref();
        let near = near.map_or(&[][..], |proximity| &proximity.alternatives);
        let id = |area: Option<&'i Area>| area.map(|area| area.id.as_str());
        let shares = self
            .shares
            .as_ref()
            .map_or(&[][..], |shares| &shares.others);
        let mut others: Vec<OtherArea<'i>> = shares
            .iter()
            .map(|other| {
                let mut near = near.iter();
                let found = near.find(|near| id(near.area) == id(other.area));
                OtherArea {
                    area: other.area,
                    distance_m: found.map(|near| near.distance_m),
                    share: Some(other.share),
                }
            })
            .collect();
        let without_share = near.iter().filter(|near| {
            let mut shares = shares.iter();
            !shares.any(|other| id(other.area) == id(near.area))
        });
        others.extend(without_share.map(|near| OtherArea {
            share: self.shares.as_ref().map(|_| 0.0),
            ..OtherArea::from(near)
        }));
        others
    }

    /// Returns the certainty of the match; `None` for a registration, and for a layer whose distances
    /// were not requested.
    pub fn certainty(&self) -> Option<Certainty> {
        match (&self.shares, &self.proximity) {
            (Some(shares), _) if shares.share < 1.0 => Some(Certainty::Split),
            (Some(_), _) => Some(Certainty::Inside),
            (None, proximity) => proximity.as_ref().map(|proximity| proximity.certainty),
        }
    }
}

/// Another area to which a statistical area may belong.
#[derive(Debug, Clone, Copy)]
pub struct DisputedArea<'i> {
    /// The area, in the version valid on the day.
    pub area: &'i Area,
    /// The modelled share of the people in the statistical area who belong to the area.
    pub share: f64,
}

/// The relation of a position to the boundary of an area.
#[derive(Debug)]
pub struct BoundaryProximity<'i> {
    /// Whether the position is certainly inside the area.
    pub certainty: Certainty,
    /// The distance in metres to the nearest place that is in another area of the layer or is land
    /// in no area of the layer; `None` if the whole boundary is open coast. The distance is 0 if
    /// the position is outside the boundary. A position may be outside if the match is based on the
    /// directory or on the nearest boundary.
    pub distance_m: Option<f64>,
    /// The layer's other areas within the tolerance, and the land in no area of the layer, in
    /// ascending order of distance.
    pub alternatives: Vec<AlternativeArea<'i>>,
}

impl BoundaryProximity<'_> {
    /// Returns whether another area, or land in no area, is within the tolerance. If neither is,
    /// the certainty is `near_boundary` only because the position is inexact.
    pub fn is_within_tolerance(&self) -> bool {
        self.distance_m == Some(0.0) || !self.alternatives.is_empty()
    }
}

/// An alternative beyond a nearby boundary: another area, or land in no area of the layer.
#[derive(Debug, Clone, Copy)]
pub struct AlternativeArea<'i> {
    /// The area, in the version valid on the day; `None` for land in no area of the layer.
    pub area: Option<&'i Area>,
    /// The distance in metres.
    pub distance_m: f64,
}

/// An area close to a position.
#[derive(Debug, Clone, Copy)]
pub struct NearbyArea<'i> {
    /// The area, in the version valid on the day.
    pub area: &'i Area,
    /// The distance to the area in metres.
    pub distance_m: f64,
}

/// A practice whose area includes the position.
#[derive(Debug)]
pub struct PracticeMatch<'i> {
    /// The practice whose area includes the position.
    pub practice: &'i Practice,
    /// The basis of the match.
    pub basis: Basis,
    /// The provenance of the practice's area.
    pub provenance: Provenance,
    /// The kind of the practice's area that matched, if the practice declares two areas.
    pub catchment_kind: CatchmentKind,
    /// The modelled share of the population of the statistical area that is registered with the
    /// practice.
    pub share: Option<f64>,
    /// The distance to the nearest premises in metres, if distances were requested.
    pub distance_m: Option<f64>,
    /// The premises to which the distance was measured.
    pub premises: Option<&'i Premises>,
}

/// A group to which a matched area belongs.
#[derive(Debug)]
pub struct GroupMatch<'i> {
    /// The group, in the version valid on the day.
    pub area: &'i Area,
    /// The area that belongs to the group.
    pub via: &'i Area,
}

/// The areas by registration.
pub struct PracticeRegistration<'i> {
    /// The practice responsible for the patients on the day; `None` if it could not be determined.
    pub practice: Option<RegisteredPractice<'i>>,
    /// The areas of the practice in each layer.
    pub areas: Vec<(Layer, LayerResult<'i>)>,
    /// The reason why there are no areas; `None` if there are areas.
    pub reason: Option<RegistrationReason>,
    /// Whether the practice belongs to no area of the main layer of communities.
    pub(super) has_no_community: bool,
}

/// The practice responsible for the patients on the day, and the successions that led to it.
#[derive(Debug)]
pub struct RegisteredPractice<'i> {
    /// The responsible practice.
    pub practice: &'i Practice,
    /// The status of the practice on the day.
    pub status: PracticeStatus,
    /// The code of the Integrated Care Board, if known.
    pub icb: Option<&'i str>,
    /// Whether the practice is outside the area of the dataset.
    pub is_neighbouring: bool,
    /// The last practice of the chain of successors: the responsible practice or, if that is not
    /// known, the closed practice whose successor is not known.
    pub last: &'i Practice,
    /// The practice that was requested or, if the code is the code of a branch, the parent practice
    /// of the branch.
    pub requested: &'i Practice,
    /// The status of the requested practice on the day.
    pub requested_status: PracticeStatus,
    /// Whether the dataset lists the branch itself, if the requested code is the code of a branch.
    pub branch_is_listed: Option<bool>,
    /// The successions from the requested practice to the responsible practice.
    pub successions: Vec<&'i PracticeSuccession>,
}

/// The reason why a registration has no areas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationReason {
    /// The code is blank.
    Missing,
    /// The code does not have the form of an ODS code.
    Malformed,
    /// The code is a default practice code.
    DefaultCode,
    /// No practice has the code.
    UnknownPractice,
    /// The organisation, such as an out-of-hours service or a walk-in centre, has no registered
    /// patients.
    NotAGpPractice,
    /// The practice is closed. The practice has no known successor, or has several successors.
    ClosedNoSuccessor,
    /// The successions lead back to a practice that was already visited.
    SuccessionCycle,
    /// The practice belongs to no community in the dataset.
    OutsideCoverage,
}

impl RegistrationReason {
    /// Returns the word that represents the value in JSON and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            RegistrationReason::Missing => "missing",
            RegistrationReason::Malformed => "malformed",
            RegistrationReason::DefaultCode => "default_code",
            RegistrationReason::UnknownPractice => "unknown_practice",
            RegistrationReason::NotAGpPractice => "not_a_gp_practice",
            RegistrationReason::ClosedNoSuccessor => "closed_no_successor",
            RegistrationReason::SuccessionCycle => "succession_cycle",
            RegistrationReason::OutsideCoverage => "outside_coverage",
        }
    }
}

/// A remark on an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerNote {
    /// The postcode is the postcode of the practice or of one of its premises. Practices record
    /// such a postcode for patients of no fixed abode.
    PracticeAddress,
    /// The day is before the introduction of the postcode.
    NotYetIntroduced,
    /// The practice has a closing date in the future.
    ClosesOn,
    /// The directory does not state whether the postcode was in use on the day.
    PostcodeStatusUnknown,
    /// The network at the position, or the practice with the largest share there, belongs to a
    /// different community from the community that covers the position.
    LayersDisagree,
    /// The day is in the future, or more than a year after the dataset's newest source.
    AfterData,
    /// The coordinates are outside all areas, but they would be inside an area if they were
    /// swapped, had other signs, or were in another unit.
    CoordinatesSuspect,
    /// The layer that the client specified does not contain the code, but another layer of
    /// statistical areas does. For example, the code may be from another census.
    CodeOfOtherLayer,
}

impl AnswerNote {
    /// Returns the word that represents the value in JSON and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            AnswerNote::PracticeAddress => "practice_address",
            AnswerNote::NotYetIntroduced => "not_yet_introduced",
            AnswerNote::ClosesOn => "closes_on",
            AnswerNote::PostcodeStatusUnknown => "postcode_status_unknown",
            AnswerNote::LayersDisagree => "layers_disagree",
            AnswerNote::AfterData => "after_data",
            AnswerNote::CoordinatesSuspect => "coordinates_suspect",
            AnswerNote::CodeOfOtherLayer => "code_of_other_layer",
        }
    }
}

/// Returns the areas in the result of a layer; empty if there is no result for the layer.
pub fn areas_of_layer<'a, 'i>(
    results: &'a [(Layer, LayerResult<'i>)],
    layer: Layer,
) -> &'a [AreaMatch<'i>] {
    results
        .iter()
        .find_map(|(id, found)| match found {
            LayerResult::Areas(areas) if *id == layer => Some(areas.as_slice()),
            _ => None,
        })
        .unwrap_or_default()
}

impl Index {
    /// Marks the administrative areas that are not known. A position that is in an area of one
    /// administrative layer is in an area of every administrative layer. An empty result therefore
    /// means that the source does not specify the area.
    pub(super) fn mark_unknown_administrative_areas(
        &self,
        results: &mut [(Layer, LayerResult<'_>)],
    ) {
        let is_administrative = |layer: &Layer| self.roles.administrative.contains(layer);
        let is_empty = |found: &LayerResult<'_>| matches!(found, LayerResult::Areas(areas) if areas.is_empty());
        let has_area = |(layer, found): &(Layer, LayerResult<'_>)| {
            is_administrative(layer)
                && matches!(found, LayerResult::Areas(areas) if !areas.is_empty())
        };
        if !results.iter().any(has_area) {
            return;
        }
        for (layer, found) in results {
            if is_administrative(layer) && is_empty(found) {
                *found = LayerResult::Unknown(UnknownReason::NoneNamed);
            }
        }
    }

    /// Returns the ids of the communities in `results`.
    pub fn community_ids<'a>(
        &self,
        results: &'a [(Layer, LayerResult<'_>)],
    ) -> impl Iterator<Item = &'a str> {
        let layers = self.roles.communities.iter();
        let areas = layers.flat_map(|layer| areas_of_layer(results, *layer));
        areas.map(|found| found.area.id.as_str())
    }
}

impl PracticeRegistration<'_> {
    /// Returns whether the practice is known and belongs to no area of the dataset's main layer of
    /// communities on the date.
    pub fn is_outside_communities(&self) -> bool {
        let practice = self.practice.as_ref();
        if practice.is_some_and(|found| found.is_neighbouring) {
            return true;
        }
        let is_resolved = matches!(
            self.reason,
            None | Some(RegistrationReason::OutsideCoverage)
        );
        is_resolved && self.has_no_community
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_notes_have_wire_values() {
        let unknown = [
            (UnknownReason::NoneNamed, "none named by the source"),
            (UnknownReason::NoSource, "no source"),
            (UnknownReason::NoDataForDate, "no_data_for_date"),
            (
                UnknownReason::NoBoundary,
                "no boundary in the data: ask by postcode",
            ),
            (UnknownReason::NoLivePostcodes, "no_live_postcodes"),
        ];
        for (reason, word) in unknown {
            assert_eq!(reason.as_str(), word);
        }
        let reasons = [
            (RegistrationReason::Missing, "missing"),
            (RegistrationReason::Malformed, "malformed"),
            (RegistrationReason::DefaultCode, "default_code"),
            (RegistrationReason::UnknownPractice, "unknown_practice"),
            (RegistrationReason::NotAGpPractice, "not_a_gp_practice"),
            (RegistrationReason::ClosedNoSuccessor, "closed_no_successor"),
            (RegistrationReason::SuccessionCycle, "succession_cycle"),
            (RegistrationReason::OutsideCoverage, "outside_coverage"),
        ];
        for (reason, word) in reasons {
            assert_eq!(reason.as_str(), word);
        }
        let notes = [
            (AnswerNote::PracticeAddress, "practice_address"),
            (AnswerNote::NotYetIntroduced, "not_yet_introduced"),
            (AnswerNote::ClosesOn, "closes_on"),
            (AnswerNote::PostcodeStatusUnknown, "postcode_status_unknown"),
            (AnswerNote::LayersDisagree, "layers_disagree"),
            (AnswerNote::AfterData, "after_data"),
            (AnswerNote::CoordinatesSuspect, "coordinates_suspect"),
            (AnswerNote::CodeOfOtherLayer, "code_of_other_layer"),
        ];
        for (note, word) in notes {
            assert_eq!(note.as_str(), word);
        }
    }
}
