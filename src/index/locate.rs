//! Locates a postcode or point: finds its areas, practices and groups, by residence and by
//! registration.

use std::fmt;

use jiff::civil::Date;

use super::Index;
use super::directory::PostcodeLookup;
use super::layer::LayerIndex;
use super::registry::SuccessionOutcome;
use crate::domain::LayerKind;
use crate::domain::{
    Agreement, Area, Basis, BritishGrid, CatchmentKind, Certainty, InvalidOdsCode, Layer, LayerSet,
    LonLat, LookupStatus, OdsCode, Postcode, PostcodeEntry, Practice, PracticeStatus,
    PracticeSuccession, Provenance, SpecialPostcode,
};
use crate::geodesy;

/// The query of [`Index::locate`].
#[derive(Debug, Clone, Copy)]
pub struct LocateQuery {
    /// The postcode or point of residence.
    pub locator: Option<Locator>,
    /// The code of the practice of registration, or why the code is invalid.
    pub practice: Option<Result<OdsCode, InvalidOdsCode>>,
    /// The day for which to answer.
    pub as_of: Date,
}

/// A postcode or point, in the form in which the client gave it.
#[derive(Debug, Clone, Copy)]
pub enum Locator {
    /// A postcode.
    Postcode(Postcode),
    /// A longitude and a latitude.
    LonLat(LonLat),
    /// An easting and a northing.
    Grid(BritishGrid),
}

/// The result of a query. It borrows from the index; no records are copied.
pub struct LocateAnswer<'i> {
    /// How the locator was resolved.
    pub status: LookupStatus,
    /// The location of the postcode or point.
    pub location: Option<Location>,
    /// The areas that cover the location, with one result for each layer.
    pub residence: Vec<(Layer, LayerResult<'i>)>,
    /// The areas by registration, if a practice was given.
    pub registration: Option<PracticeRegistration<'i>>,
    /// Whether the residence and the registration agree.
    pub agreement: Agreement,
    /// Remarks on the answer.
    pub notes: Vec<AnswerNote>,
    /// The nearest ICC if the position is in no area; empty if the position is in an area.
    pub nearest: Vec<(Layer, NearbyArea<'i>)>,
    /// The day for which the query was answered.
    pub as_of: Date,
}

/// The location of a postcode or point.
#[derive(Clone, Copy)]
pub struct Location {
    /// The postcode or point in the form in which the client gave it.
    pub locator: Locator,
    /// The position on the British National Grid; `None` if the position is off the grid.
    pub grid: Option<BritishGrid>,
    /// The directory's entry, if the locator is a postcode that the directory lists.
    pub entry: Option<PostcodeEntry>,
    /// Whether the postcode was terminated on or before the day.
    pub is_terminated: bool,
}

/// Prints only the status, because the other fields reveal the query, which must not reach a log.
impl fmt::Debug for LocateAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocateAnswer")
            .field("status", &self.status)
            .finish_non_exhaustive()
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
    /// The areas; an empty list means that no area was found.
    Areas(Vec<AreaMatch<'i>>),
    /// The practices whose area includes the position. The practice with the largest share comes
    /// first.
    Practices(Vec<PracticeMatch<'i>>),
    /// The groups. The groups of the smallest areas come first.
    Groups(Vec<GroupMatch<'i>>),
    /// The result is unknown.
    Unknown(UnknownReason),
}

/// Why the result for a layer is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownReason {
    /// The source lists the member but names no group for that member.
    NoneNamed,
    /// The source does not list the member.
    NoSource,
    /// The day is before the layer's first data.
    NoDataForDate,
}

impl UnknownReason {
    /// Returns the word for the value in JSON and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            UnknownReason::NoneNamed => "none named by the source",
            UnknownReason::NoSource => "no source",
            UnknownReason::NoDataForDate => "no_data_for_date",
        }
    }
}

/// An area that includes the position, or to which the practice belongs.
#[derive(Debug)]
pub struct AreaMatch<'i> {
    /// The area, in the version valid on the day.
    pub area: &'i Area,
    /// What the match is based on.
    pub basis: Basis,
    /// The provenance of the match.
    pub provenance: Provenance,
    /// How close the position is to the area's boundary; `None` for a registration, and for a layer
    /// whose distances were not requested.
    pub proximity: Option<BoundaryProximity<'i>>,
    /// The area's ordinal in its layer.
    pub(super) ordinal: u32,
}

/// How close a position is to the boundary of an area.
#[derive(Debug)]
pub struct BoundaryProximity<'i> {
    /// Whether the position is certainly inside the area.
    pub certainty: Certainty,
    /// The distance to the area's boundary in metres; 0 if the boundary does not cover the
    /// position, because the match is based on the directory or on the nearest boundary.
    pub distance_m: f64,
    /// The layer's other areas within the tolerance, nearest first.
    pub alternatives: Vec<NearbyArea<'i>>,
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
    /// What the match is based on.
    pub basis: Basis,
    /// The provenance of the practice's area.
    pub provenance: Provenance,
    /// Which of the practice's areas matched, if the practice declares two.
    pub catchment_kind: CatchmentKind,
    /// The modelled share of the population of the statistical area that is registered with the
    /// practice.
    pub share: Option<f64>,
    /// The distance to the nearest premises in metres, if distances were requested.
    pub distance_m: Option<f64>,
}

/// A group to which a matched area belongs.
#[derive(Debug)]
pub struct GroupMatch<'i> {
    /// The group, in the version valid on the day.
    pub area: &'i Area,
    /// The id of the area that belongs to the group.
    pub via: &'i str,
}

/// The areas by registration.
pub struct PracticeRegistration<'i> {
    /// The practice responsible for the patients on the day; `None` if that practice could not be
    /// determined.
    pub practice: Option<RegisteredPractice<'i>>,
    /// The areas of the practice, layer by layer.
    pub areas: Vec<(Layer, LayerResult<'i>)>,
    /// Why there are no areas; `None` if there are areas.
    pub reason: Option<RegistrationReason>,
}

/// The practice responsible for the patients on the day, and the successions that led to it.
#[derive(Debug)]
pub struct RegisteredPractice<'i> {
    /// The responsible practice.
    pub practice: &'i Practice,
    /// The status of the practice on the day.
    pub status: PracticeStatus,
    /// The practice that was requested or, if the code is that of a branch, the parent practice of
    /// the branch.
    pub requested: &'i Practice,
    /// The status of the requested practice on the day.
    pub requested_status: PracticeStatus,
    /// If the requested code is that of a branch: whether the dataset lists the branch itself.
    pub branch_is_listed: Option<bool>,
    /// The successions from the requested practice to the responsible practice.
    pub successions: Vec<PracticeSuccession>,
}

/// Why a registration has no areas.
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
    /// The practice is closed, and it has no known successor or several successors.
    ClosedNoSuccessor,
    /// The successions lead back to a practice that was already visited.
    SuccessionCycle,
    /// The practice belongs to no community in the dataset.
    OutsideCoverage,
}

impl RegistrationReason {
    /// Returns the word for the value in JSON and in tables.
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
    /// The postcode is that of the practice or of one of its premises. Practices record such a
    /// postcode for patients of no fixed abode.
    PracticeAddress,
    /// The day is before the introduction of the postcode.
    NotYetIntroduced,
    /// The practice has a closing date that has not passed.
    ClosesOn,
}

impl AnswerNote {
    /// Returns the word for the value in JSON and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            AnswerNote::PracticeAddress => "practice_address",
            AnswerNote::NotYetIntroduced => "not_yet_introduced",
            AnswerNote::ClosesOn => "closes_on",
        }
    }
}

/// An area that includes a position.
struct AreaHit {
    /// The area's ordinal.
    ordinal: u32,
    basis: Basis,
    share: Option<f64>,
    catchment_kind: CatchmentKind,
}

/// A position, with the directory's data about it.
struct ResolvedPosition {
    position: BritishGrid,
    /// The row of the statistical area to which the directory assigns the postcode.
    statistical_area: Option<u32>,
    is_coarse: bool,
}

impl Index {
    /// Answers a query.
    ///
    /// A position is in the areas of its statistical area: the statistical area to which the
    /// directory assigns the postcode or, if the directory assigns none, the statistical area whose
    /// boundary covers the position. In a layer that is not defined on statistical areas, and for a
    /// practice with a boundary of its own, a position is in the areas whose boundary covers it. If
    /// the position is just off a generalised coastline, the nearest boundary is used.
    pub fn locate(&self, query: &LocateQuery) -> LocateAnswer<'_> {
        self.locate_with_distances(query, LayerSet::ALL)
    }

    /// Answers a query as [`Index::locate`] does, but measures distances (to the boundaries of
    /// areas, to alternatives, and to the premises of practices) only in `distance_layers`.
    /// Measuring takes most of the time, and the matches do not depend on distances.
    pub fn locate_with_distances(
        &self,
        query: &LocateQuery,
        distance_layers: LayerSet,
    ) -> LocateAnswer<'_> {
        let (status, location) = match query.locator {
            None => (LookupStatus::Missing, None),
            Some(locator) => self.resolve_locator(locator, query.as_of),
        };
        let mut answer = LocateAnswer {
            status,
            residence: Vec::new(),
            location: None,
            registration: query
                .practice
                .map(|practice| self.resolve_registration(practice, query.as_of)),
            agreement: Agreement::Neither,
            notes: Vec::new(),
            nearest: Vec::new(),
            as_of: query.as_of,
        };
        if let Some(location) = location {
            self.resolve_residence(&mut answer, location, distance_layers);
        }
        if answer.residence.is_empty() {
            let empty_results = self
                .layers
                .iter()
                .map(|index| (index.id, empty_result(index)));
            answer.residence = empty_results.collect();
        }
        answer.agreement = agreement(&answer);
        self.add_notes(&mut answer, query);
        answer
    }

    /// Determines the status and location of a postcode or point, without looking at any area.
    pub fn resolve_locator(&self, locator: Locator, day: Date) -> (LookupStatus, Option<Location>) {
        let without_entry = |grid| {
            let location = Location {
                locator,
                grid,
                entry: None,
                is_terminated: false,
            };
            (LookupStatus::Located, Some(location))
        };
        match locator {
            Locator::LonLat(lonlat) => without_entry(geodesy::to_grid(lonlat)),
            Locator::Grid(grid) => without_entry(Some(grid)),
            Locator::Postcode(postcode) => {
                match (postcode.special(), self.directory.lookup(postcode)) {
                    (Some(SpecialPostcode::NoFixedAbode), _) => (LookupStatus::NoFixedAbode, None),
                    (Some(SpecialPostcode::AddressNotKnown), _) => {
                        (LookupStatus::AddressNotKnown, None)
                    }
                    (Some(SpecialPostcode::PseudoCountry), _) => {
                        (LookupStatus::PseudoCountry, None)
                    }
                    (Some(SpecialPostcode::NonGeographic), _) => (LookupStatus::NoLocation, None),
                    (None, PostcodeLookup::Unknown) => (LookupStatus::UnknownPostcode, None),
                    (None, PostcodeLookup::OutsideCoverage) => {
                        (LookupStatus::OutsideCoverage, None)
                    }
                    (None, PostcodeLookup::Entry(entry)) => self.resolve_entry(locator, entry, day),
                }
            }
        }
    }

    fn resolve_entry(
        &self,
        locator: Locator,
        entry: PostcodeEntry,
        day: Date,
    ) -> (LookupStatus, Option<Location>) {
        let is_terminated = entry.is_terminated_on(day, self.manifest.undated_terminations_after);
        let status = match (entry.position, is_terminated) {
            (None, _) => LookupStatus::NoLocation,
            (Some(_), true) => LookupStatus::Terminated,
            (Some(_), false) => LookupStatus::Located,
        };
        let location = Location {
            locator,
            grid: entry.position,
            entry: Some(entry),
            is_terminated,
        };
        (status, Some(location))
    }

    /// Adds the result of each layer for a known location.
    fn resolve_residence<'i>(
        &'i self,
        answer: &mut LocateAnswer<'i>,
        location: Location,
        distance_layers: LayerSet,
    ) {
        answer.location = Some(location);
        let Some(position) = location.grid else {
            if answer.status == LookupStatus::Located {
                answer.status = LookupStatus::OutsideCoverage;
            }
            return;
        };
        let entry = location.entry;
        let resolved = ResolvedPosition {
            position,
            statistical_area: entry.and_then(|entry| entry.statistical_area),
            is_coarse: entry.is_some_and(|entry| entry.is_coarse()),
        };
        answer.residence = self.residence_at(&resolved, answer.as_of, distance_layers);
        let is_covered = answer.residence.iter().any(|(_, found)| match found {
            LayerResult::Areas(areas) => !areas.is_empty(),
            LayerResult::Practices(practices) => !practices.is_empty(),
            LayerResult::Groups(groups) => !groups.is_empty(),
            LayerResult::Unknown(unknown) => *unknown == UnknownReason::NoDataForDate,
        });
        if !is_covered {
            answer.status = LookupStatus::OutsideCoverage;
            answer.nearest = self.nearest_areas(position, answer.as_of);
        }
    }

    fn residence_at(
        &self,
        resolved: &ResolvedPosition,
        day: Date,
        distance_layers: LayerSet,
    ) -> Vec<(Layer, LayerResult<'_>)> {
        let statistical_area = self.statistical_area_at(resolved, day);
        let mut residence: Vec<(Layer, LayerResult<'_>)> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let with_distance = distance_layers.contains(layer.id);
            let result = if day < layer.first_data {
                LayerResult::Unknown(UnknownReason::NoDataForDate)
            } else if layer.kind == LayerKind::Membership {
                self.groups_of(layer, &residence, day)
            } else if layer.id == Layer::GpPractice {
                LayerResult::Practices(self.covering_practices(
                    layer,
                    resolved,
                    statistical_area,
                    day,
                    with_distance,
                ))
            } else {
                LayerResult::Areas(self.covering_areas(
                    layer,
                    resolved,
                    statistical_area,
                    day,
                    with_distance,
                ))
            };
            residence.push((layer.id, result));
        }
        residence
    }

    /// Returns the basis on which a postcode, given by its entry, is in an area on a day, as
    /// [`Index::locate`] would report it; `None` if the postcode is not in the area.
    pub(super) fn basis_in_area(
        &self,
        (layer, ordinal): (&LayerIndex, u32),
        entry: &PostcodeEntry,
        day: Date,
    ) -> Option<Basis> {
        let resolved = ResolvedPosition {
            position: entry.position?,
            statistical_area: entry.statistical_area,
            is_coarse: entry.is_coarse(),
        };
        let statistical_area = self.statistical_area_at(&resolved, day);
        let covering = layer.boundary_index.covering(resolved.position, day);
        let mut hits =
            Self::area_hits(layer, &resolved, statistical_area, &covering, day).into_iter();
        hits.find(|hit| hit.ordinal == ordinal).map(|hit| hit.basis)
    }

    /// Returns the row of the statistical area of a position, and the basis on which the
    /// statistical area was found.
    fn statistical_area_at(&self, resolved: &ResolvedPosition, day: Date) -> Option<(u32, Basis)> {
        if let Some(row) = resolved.statistical_area {
            return Some((row, Basis::Directory));
        }
        let statistical = &self.statistical_areas.boundary_index;
        if let [row] = statistical.covering(resolved.position, day)[..] {
            return Some((row, Basis::Boundary));
        }
        let (row, distance_m) = statistical.nearest(resolved.position, day)?;
        (distance_m <= self.statistical_areas.snap_m).then_some((row, Basis::Nearest))
    }

    /// Returns the layer's areas that include a position: the areas of its statistical area, and
    /// the areas whose own boundary covers the position. If no area includes the position, and the
    /// position is just off a generalised coastline, returns the area with the nearest boundary.
    /// `covering` lists the boundaries that cover the position.
    fn area_hits(
        layer: &LayerIndex,
        resolved: &ResolvedPosition,
        statistical_area: Option<(u32, Basis)>,
        covering: &[u32],
        day: Date,
    ) -> Vec<AreaHit> {
        let mut hits: Vec<AreaHit> = Vec::new();
        if let Some((row, basis)) = statistical_area {
            hits.extend(layer.assignments_on(row, day).map(|assignment| AreaHit {
                ordinal: assignment.ordinal,
                basis,
                share: assignment.share,
                catchment_kind: CatchmentKind::Whole,
            }));
        }
        let boundary_hit = |index, basis| AreaHit {
            ordinal: layer.area_of(index),
            basis,
            share: None,
            catchment_kind: layer.boundary_index.boundary(index).catchment_kind,
        };
        let is_display_only = |index: &&u32| layer.is_assigned(layer.area_of(**index));
        let covering = covering.iter().filter(|index| !is_display_only(index));
        hits.extend(covering.map(|&hit| boundary_hit(hit, Basis::Boundary)));
        if hits.is_empty() && !layer.uses_statistical_areas {
            let nearest = layer.boundary_index.nearest(resolved.position, day);
            let nearest = nearest.filter(|&(_, distance_m)| distance_m <= layer.snap_m);
            hits.extend(nearest.map(|(hit, _)| boundary_hit(hit, Basis::Nearest)));
        }
        // If both the inner and the outer catchment of a practice match, the inner one is retained.
        hits.sort_by_key(|hit| (hit.ordinal, hit.catchment_kind));
        hits.dedup_by_key(|hit| hit.ordinal);
        hits
    }

    fn covering_areas<'i>(
        &'i self,
        layer: &'i LayerIndex,
        resolved: &ResolvedPosition,
        statistical_area: Option<(u32, Basis)>,
        day: Date,
        with_distance: bool,
    ) -> Vec<AreaMatch<'i>> {
        let covering = layer.boundary_index.covering(resolved.position, day);
        let hits = Self::area_hits(layer, resolved, statistical_area, &covering, day).into_iter();
        hits.filter_map(|hit| {
            let area = layer.version(hit.ordinal, day)?;
            Some(AreaMatch {
                area,
                basis: hit.basis,
                provenance: area.provenance,
                proximity: with_distance
                    .then(|| self.boundary_proximity(layer, hit.ordinal, resolved, &covering, day)),
                ordinal: hit.ordinal,
            })
        })
        .collect()
    }

    fn boundary_proximity<'i>(
        &'i self,
        layer: &'i LayerIndex,
        ordinal: u32,
        resolved: &ResolvedPosition,
        covering: &[u32],
        day: Date,
    ) -> BoundaryProximity<'i> {
        let own_boundary = layer.boundary(ordinal, day);
        let distance_m = match own_boundary {
            Some(index) if covering.contains(&index) => layer
                .boundary_index
                .distance_to_edge_m(index, resolved.position),
            // The boundary does not cover the position, because the match is based on the directory
            // or on the nearest boundary.
            _ => 0.0,
        };
        let is_inside = distance_m >= self.manifest.tolerance_m && !resolved.is_coarse;
        BoundaryProximity {
            certainty: if is_inside {
                Certainty::Inside
            } else {
                Certainty::NearBoundary
            },
            distance_m,
            alternatives: self.alternatives(layer, own_boundary, resolved, covering, day),
        }
    }

    fn alternatives<'i>(
        &'i self,
        layer: &'i LayerIndex,
        own_boundary: Option<u32>,
        resolved: &ResolvedPosition,
        covering: &[u32],
        day: Date,
    ) -> Vec<NearbyArea<'i>> {
        let mut near = layer.boundary_index.boundaries_within(
            resolved.position,
            self.manifest.tolerance_m,
            day,
        );
        for &index in covering {
            near.retain(|&(boundary, _)| boundary != index);
            near.insert(0, (index, 0.0));
        }
        near.into_iter()
            .filter(|&(index, _)| Some(index) != own_boundary)
            .filter_map(|(index, distance_m)| {
                let area = layer.version(layer.area_of(index), day)?;
                Some(NearbyArea { area, distance_m })
            })
            .collect()
    }

    fn covering_practices<'i>(
        &'i self,
        layer: &'i LayerIndex,
        resolved: &ResolvedPosition,
        statistical_area: Option<(u32, Basis)>,
        day: Date,
        with_distance: bool,
    ) -> Vec<PracticeMatch<'i>> {
        let covering = layer.boundary_index.covering(resolved.position, day);
        let hits = Self::area_hits(layer, resolved, statistical_area, &covering, day).into_iter();
        let mut practices: Vec<PracticeMatch<'i>> = hits
            .filter_map(|hit| {
                let area = layer.version(hit.ordinal, day)?;
                // Each practice is an area of this layer, and both are sorted by code.
                let row = hit.ordinal as usize;
                let practice = &self.registry.practices()[row];
                Some(PracticeMatch {
                    practice,
                    basis: hit.basis,
                    provenance: area.provenance,
                    catchment_kind: hit.catchment_kind,
                    share: hit.share,
                    distance_m: with_distance
                        .then(|| self.registry.distance_m(row, resolved.position))
                        .flatten(),
                })
            })
            .filter(|found| found.practice.status_on(day) == PracticeStatus::Active)
            .collect();
        practices.sort_by(|a, b| {
            let share = |found: &PracticeMatch<'_>| found.share.unwrap_or(0.0);
            share(b)
                .total_cmp(&share(a))
                .then(a.practice.code.cmp(&b.practice.code))
        });
        practices
    }

    /// Returns the groups to which the areas in `results` belong. The groups of the smallest areas
    /// come first.
    fn groups_of<'i>(
        &'i self,
        layer: &'i LayerIndex,
        results: &[(Layer, LayerResult<'i>)],
        day: Date,
    ) -> LayerResult<'i> {
        let mut groups = Vec::new();
        let (mut none_named, mut no_members) = (false, true);
        for (layer_position, areas) in self.area_results(results).rev() {
            for member in areas {
                no_members = false;
                let memberships =
                    self.memberships
                        .of_area(layer_position, member.ordinal, layer.id, day);
                for (membership, group) in memberships {
                    none_named |= membership.group.is_none();
                    let area = group.and_then(|group| layer.version(group, day));
                    let via = member.area.id.as_str();
                    groups.extend(area.map(|area| GroupMatch { area, via }));
                }
            }
        }
        match (groups.is_empty(), none_named, no_members) {
            (true, true, _) => LayerResult::Unknown(UnknownReason::NoneNamed),
            (true, false, false) => LayerResult::Unknown(UnknownReason::NoSource),
            _ => LayerResult::Groups(groups),
        }
    }

    /// Returns, for each result that consists of areas, the position of its layer in the index, and
    /// the areas.
    fn area_results<'a, 'i>(
        &self,
        results: &'a [(Layer, LayerResult<'i>)],
    ) -> impl DoubleEndedIterator<Item = (usize, &'a [AreaMatch<'i>])> {
        results.iter().filter_map(|(id, found)| match found {
            LayerResult::Areas(areas) => {
                let position = self.layers.iter().position(|layer| layer.id == *id)?;
                Some((position, areas.as_slice()))
            }
            _ => None,
        })
    }

    /// Returns the nearest ICC, for a position outside all areas.
    fn nearest_areas(&self, position: BritishGrid, day: Date) -> Vec<(Layer, NearbyArea<'_>)> {
        let icc_layers = self.layers.iter().filter(|layer| layer.id == Layer::Icc);
        icc_layers
            .filter_map(|layer| {
                let (index, distance_m) = layer.boundary_index.nearest(position, day)?;
                let area = layer.version(layer.area_of(index), day)?;
                Some((layer.id, NearbyArea { area, distance_m }))
            })
            .collect()
    }

    fn resolve_registration(
        &self,
        code: Result<OdsCode, InvalidOdsCode>,
        day: Date,
    ) -> PracticeRegistration<'_> {
        let without_practice = |reason| PracticeRegistration {
            practice: None,
            areas: self.registered_areas(None, day),
            reason: Some(reason),
        };
        let code = match code {
            Ok(code) if code.is_default() => {
                return without_practice(RegistrationReason::DefaultCode);
            }
            Ok(code) => code,
            Err(InvalidOdsCode::Missing) => return without_practice(RegistrationReason::Missing),
            Err(InvalidOdsCode::Malformed) => {
                return without_practice(RegistrationReason::Malformed);
            }
        };
        let listed = self.registry.find(code);
        let parent = code.parent().and_then(|parent| self.registry.find(parent));
        let Some(requested) = parent.or(listed) else {
            let is_other = self.registry.is_not_a_gp_practice(code);
            return without_practice(if is_other {
                RegistrationReason::NotAGpPractice
            } else {
                RegistrationReason::UnknownPractice
            });
        };
        let (outcome, successions) = self.registry.follow_successions(requested, day);
        let (practice, reason) = match outcome {
            SuccessionOutcome::Resolved(practice) => (practice, None),
            SuccessionOutcome::NoSuccessor => {
                (requested, Some(RegistrationReason::ClosedNoSuccessor))
            }
            SuccessionOutcome::Cycle => (requested, Some(RegistrationReason::SuccessionCycle)),
        };
        let areas = self.registered_areas(reason.is_none().then_some(practice), day);
        let is_empty = |found: &LayerResult<'_>| matches!(found, LayerResult::Areas(areas) if areas.is_empty());
        let communities: Vec<&LayerResult<'_>> = areas
            .iter()
            .filter(|(layer, _)| Layer::COMMUNITIES.contains(layer))
            .map(|(_, found)| found)
            .collect();
        let is_outside = !communities.is_empty() && communities.into_iter().all(is_empty);
        PracticeRegistration {
            practice: Some(RegisteredPractice {
                practice,
                status: practice.status_on(day),
                requested,
                requested_status: requested.status_on(day),
                branch_is_listed: parent.map(|_| listed.is_some()),
                successions,
            }),
            areas,
            reason: reason.or(is_outside.then_some(RegistrationReason::OutsideCoverage)),
        }
    }

    /// Returns the areas and groups to which a practice's patients belong.
    fn registered_areas(
        &self,
        practice: Option<&Practice>,
        day: Date,
    ) -> Vec<(Layer, LayerResult<'_>)> {
        let mut areas: Vec<(Layer, LayerResult<'_>)> = Vec::new();
        let layers = self
            .layers
            .iter()
            .filter(|layer| layer.id != Layer::GpPractice);
        for layer in layers {
            let result = if day < layer.first_data {
                LayerResult::Unknown(UnknownReason::NoDataForDate)
            } else if layer.kind == LayerKind::Membership {
                self.groups_of(layer, &areas, day)
            } else {
                LayerResult::Areas(practice.map_or_else(Vec::new, |practice| {
                    self.areas_of_practice(layer, practice, day)
                }))
            };
            areas.push((layer.id, result));
        }
        areas
    }

    fn areas_of_practice<'i>(
        &'i self,
        layer: &'i LayerIndex,
        practice: &Practice,
        day: Date,
    ) -> Vec<AreaMatch<'i>> {
        let Some(row) = self.registry.row(practice.code) else {
            return Vec::new();
        };
        let memberships = self.memberships.of_practice(row, layer.id, day);
        memberships
            .filter_map(|(membership, group)| {
                let ordinal = group?;
                Some(AreaMatch {
                    area: layer.version(ordinal, day)?,
                    basis: Basis::Membership,
                    provenance: membership.provenance,
                    proximity: None,
                    ordinal,
                })
            })
            .collect()
    }

    fn add_notes(&self, answer: &mut LocateAnswer<'_>, query: &LocateQuery) {
        let registered = answer
            .registration
            .as_ref()
            .and_then(|registration| registration.practice.as_ref());
        if let (Some(Locator::Postcode(postcode)), Some(registered)) = (query.locator, registered) {
            let is_own = |practice| self.registry.is_address(practice, postcode);
            if is_own(registered.practice) || is_own(registered.requested) {
                answer.notes.push(AnswerNote::PracticeAddress);
            }
        }
        let entry = answer.location.and_then(|location| location.entry);
        let introduced = entry.and_then(|entry| entry.period(None).from);
        if introduced.is_some_and(|introduced| query.as_of < introduced) {
            answer.notes.push(AnswerNote::NotYetIntroduced);
        }
        if registered.is_some_and(|practice| {
            practice.status != PracticeStatus::Closed && practice.practice.closed.is_some()
        }) {
            answer.notes.push(AnswerNote::ClosesOn);
        }
    }
}

/// Returns the empty result of a layer, for a locator without a position.
fn empty_result(layer: &LayerIndex) -> LayerResult<'_> {
    match (layer.id, layer.kind) {
        (Layer::GpPractice, _) => LayerResult::Practices(Vec::new()),
        (_, LayerKind::Membership) => LayerResult::Groups(Vec::new()),
        _ => LayerResult::Areas(Vec::new()),
    }
}

/// Returns the areas in the result of a layer; empty if there is no such result.
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

/// Returns the ids of the communities in `results`.
pub fn community_ids<'a>(
    results: &'a [(Layer, LayerResult<'_>)],
) -> impl Iterator<Item = &'a str> + use<'a> {
    let areas = Layer::COMMUNITIES
        .into_iter()
        .flat_map(|layer| areas_of_layer(results, layer));
    areas.map(|found| found.area.id.as_str())
}

impl PracticeRegistration<'_> {
    /// Returns whether the practice is known and belongs to no ICC in the dataset on the date.
    pub fn is_outside_communities(&self) -> bool {
        let is_resolved = matches!(
            self.reason,
            None | Some(RegistrationReason::OutsideCoverage)
        );
        let has_no_icc = self.areas.iter().any(|(layer, found)| {
            *layer == Layer::Icc && matches!(found, LayerResult::Areas(areas) if areas.is_empty())
        });
        is_resolved && has_no_icc
    }
}

fn agreement(answer: &LocateAnswer<'_>) -> Agreement {
    let residence: Vec<&str> = community_ids(&answer.residence).collect();
    let Some(registration) = &answer.registration else {
        return Agreement::between(&residence, &[], false);
    };
    let registered: Vec<&str> = community_ids(&registration.areas).collect();
    Agreement::between(
        &residence,
        &registered,
        registration.is_outside_communities(),
    )
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::test_dataset::{
        DAY, FIRST_DATA, area, build, code, dataset, entry, index, km, layer_entry, postcode,
        practice, practice_membership, registration_query, residence_query, strip, succession,
    };
    use super::*;
    use crate::domain::PositionalQuality;

    fn postcode_query(text: &str) -> LocateQuery {
        residence_query(Locator::Postcode(postcode(text)))
    }

    fn grid_query(east: f64, north: f64) -> LocateQuery {
        residence_query(Locator::Grid(km(east, north)))
    }

    fn layer_result<'a, 'i>(
        layers: &'a [(Layer, LayerResult<'i>)],
        layer: Layer,
    ) -> &'a LayerResult<'i> {
        let result = layers.iter().find(|(id, _)| *id == layer);
        &result.expect("every layer has a result").1
    }

    /// Describes each match of a layer and its basis.
    fn describe(found: &LayerResult<'_>) -> Vec<String> {
        match found {
            LayerResult::Areas(areas) => {
                let description = |area_match: &AreaMatch<'_>| {
                    format!("{} {}", area_match.area.name, area_match.basis.as_str())
                };
                areas.iter().map(description).collect()
            }
            LayerResult::Practices(practices) => {
                let description = |practice_match: &PracticeMatch<'_>| {
                    format!(
                        "{} {:?}",
                        practice_match.practice.code, practice_match.catchment_kind
                    )
                };
                practices.iter().map(description).collect()
            }
            LayerResult::Groups(groups) => {
                let description = |group_match: &GroupMatch<'_>| {
                    format!("{} via {}", group_match.area.id, group_match.via)
                };
                groups.iter().map(description).collect()
            }
            LayerResult::Unknown(unknown) => vec![unknown.as_str().into()],
        }
    }

    #[track_caller]
    fn check(query: LocateQuery, status: LookupStatus, layers: [&[&str]; 5]) {
        let index = index();
        let answer = index.locate(&query);
        assert_eq!(answer.status, status);
        let actual: Vec<Vec<String>> = answer
            .residence
            .iter()
            .map(|value| describe(&value.1))
            .collect();
        assert_eq!(actual, layers);
    }

    fn proximity_of(query: &LocateQuery, layer: Layer) -> (Certainty, f64, Vec<(String, f64)>) {
        let index = index();
        let answer = index.locate(query);
        let [area] = areas_of_layer(&answer.residence, layer) else {
            panic!("one area")
        };
        let proximity = area.proximity.as_ref().expect("measured");
        let others = proximity.alternatives.iter();
        let others = others.map(|area| (area.area.id.clone(), area.distance_m));
        (proximity.certainty, proximity.distance_m, others.collect())
    }

    /// The layers are, in order: communities, sub-communities, practices, groups and ICBs.
    #[test]
    fn areas_are_decided_by_the_directory_or_else_by_boundaries() {
        let first = ["A00002 Whole", "A00001 Whole"];
        check(
            postcode_query("LA1 1AA"),
            LookupStatus::Located,
            [
                &["K directory"],
                &["M boundary"],
                &first,
                &["h via m", "g via k"],
                &["WIDER boundary"],
            ],
        );
        check(
            postcode_query("LA1 1AB"),
            LookupStatus::Located,
            [
                &["L directory"],
                &["N boundary"],
                &["A00003 Inner"],
                &["none named by the source"],
                &["WIDER boundary"],
            ],
        );
        check(
            postcode_query("LA2 1AA"),
            LookupStatus::Located,
            [
                &["L directory"],
                &["N boundary"],
                &["A00003 Outer"],
                &["none named by the source"],
                &["WIDER boundary"],
            ],
        );
        check(
            postcode_query("LA1 1AD"),
            LookupStatus::Located,
            [
                &["K boundary"],
                &["N boundary"],
                &first,
                &["g via k"],
                &["WIDER boundary"],
            ],
        );
        check(
            postcode_query("LA1 1AJ"),
            LookupStatus::Located,
            [
                &["L directory"],
                &["N boundary"],
                &[],
                &["none named by the source"],
                &["WIDER boundary"],
            ],
        );
    }

    #[test]
    fn off_a_generalised_coast_the_nearest_area_within_the_snap_distance_decides() {
        let first = ["A00002 Whole", "A00001 Whole"];
        let nearest: [&[&str]; 5] = [
            &["K nearest"],
            &["M nearest"],
            &first,
            &["h via m", "g via k"],
            &[],
        ];
        check(postcode_query("LA1 1AE"), LookupStatus::Located, nearest);
        check(grid_query(-0.15, 5.0), LookupStatus::Located, nearest);
        check(
            grid_query(-0.150_001, 5.0),
            LookupStatus::Located,
            [&[], &["M nearest"], &[], &["h via m"], &[]],
        );
        check(
            grid_query(-0.2, 5.0),
            LookupStatus::Located,
            [&[], &["M nearest"], &[], &["h via m"], &[]],
        );
        check(
            grid_query(-0.200_001, 5.0),
            LookupStatus::OutsideCoverage,
            [&[], &[], &[], &[], &[]],
        );
        // The snap distance does not apply inside another area.
        check(
            grid_query(5.05, 5.0),
            LookupStatus::Located,
            [
                &["K boundary"],
                &["N boundary"],
                &first,
                &["g via k"],
                &["WIDER boundary"],
            ],
        );
    }

    #[test]
    fn locators_without_a_position_have_an_empty_residence() {
        let nothing: [&[&str]; 5] = [&[], &[], &[], &[], &[]];
        check(postcode_query("LA1 1AH"), LookupStatus::NoLocation, nothing);
        check(
            postcode_query("LA1 9ZZ"),
            LookupStatus::UnknownPostcode,
            nothing,
        );
        check(
            postcode_query("LA3 1AA"),
            LookupStatus::OutsideCoverage,
            nothing,
        );
        check(
            postcode_query("LA2 1AB"),
            LookupStatus::OutsideCoverage,
            nothing,
        );
        check(
            postcode_query("ZZ99 3VZ"),
            LookupStatus::NoFixedAbode,
            nothing,
        );
        check(
            postcode_query("ZZ99 3WZ"),
            LookupStatus::AddressNotKnown,
            nothing,
        );
        check(
            postcode_query("ZZ99 1AA"),
            LookupStatus::PseudoCountry,
            nothing,
        );
        check(postcode_query("GIR 0AA"), LookupStatus::NoLocation, nothing);
        let mut no_locator = postcode_query("LA1 1AA");
        no_locator.locator = None;
        check(no_locator, LookupStatus::Missing, nothing);
        let far = residence_query(Locator::LonLat(
            LonLat::new(20.0, 50.0).expect("on the Earth"),
        ));
        check(far, LookupStatus::OutsideCoverage, nothing);
        let index = index();
        let kinds = index.locate(&far).residence;
        assert!(matches!(kinds[0].1, LayerResult::Areas(_)));
        assert!(matches!(kinds[2].1, LayerResult::Practices(_)));
        assert!(matches!(kinds[3].1, LayerResult::Groups(_)));
    }

    #[test]
    fn outside_all_areas_the_nearest_community_is_reported() {
        let index = index();
        let answer = index.locate(&postcode_query("LA2 1AB"));
        let [(Layer::Icc, nearest)] = answer.nearest[..] else {
            panic!("only the communities")
        };
        assert_eq!(nearest.area.id, "l");
        assert!((nearest.distance_m - 10_000.0).abs() < 1e-6);
        assert!(index.locate(&postcode_query("LA1 1AA")).nearest.is_empty());
    }

    #[test]
    fn a_catchment_alone_counts_as_coverage() {
        let mut dataset = dataset();
        let (_, boundaries) = dataset.boundaries.last_mut().expect("layers");
        boundaries[0] = strip("A00003", 14.0, 40.0);
        let index = build(dataset);
        let answer = index.locate(&postcode_query("LA2 1AB"));
        assert_eq!(answer.status, LookupStatus::Located);
        assert!(answer.nearest.is_empty());
    }

    #[test]
    fn layers_are_unknown_before_their_first_data() {
        let mut query = postcode_query("LA1 1AA");
        query.as_of = FIRST_DATA.yesterday().expect("a day");
        let unknown = &["no_data_for_date"][..];
        check(query, LookupStatus::Located, [unknown; 5]);
        query.practice = Some("A00001".parse());
        let index = index();
        let answer = index.locate(&query);
        let registration = answer.registration.expect("requested");
        assert_eq!(registration.areas.len(), 4);
        for (_, found) in &registration.areas {
            assert_eq!(describe(found), unknown);
        }
        assert_eq!(registration.reason, None);
        query.as_of = FIRST_DATA;
        let answer = index.locate(&query);
        assert_eq!(describe(&answer.residence[0].1), ["K directory"]);
        let registration = answer.registration.expect("requested");
        assert_eq!(describe(&registration.areas[0].1), ["K membership"]);
    }

    #[test]
    fn distances_are_to_the_own_boundary_and_others_within_the_tolerance() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        let (certainty, distance_m, others) = proximity_of(&postcode_query("LA1 1AA"), Layer::Icc);
        assert_eq!((certainty, others), (Certainty::Inside, Vec::new()));
        assert!(close(distance_m, 1_000.0));
        // The position is coarse.
        let (certainty, distance_m, others) = proximity_of(&postcode_query("LA1 1AB"), Layer::Icc);
        assert_eq!((certainty, others), (Certainty::NearBoundary, Vec::new()));
        assert!(close(distance_m, 4_000.0));
        let (certainty, distance_m, others) = proximity_of(&postcode_query("LA1 1AD"), Layer::Icc);
        assert_eq!(certainty, Certainty::NearBoundary);
        assert!(close(distance_m, 40.0));
        assert_eq!(others.len(), 1);
        assert!(others[0].0 == "l" && close(others[0].1, 40.0));
        // The directory overrides the boundaries, and off the coast the nearest boundary is used.
        let overridden = (Certainty::NearBoundary, 0.0, vec![("k".to_string(), 0.0)]);
        assert_eq!(
            proximity_of(&postcode_query("LA1 1AJ"), Layer::Icc),
            overridden
        );
        let nearest = (Certainty::NearBoundary, 0.0, Vec::new());
        assert_eq!(
            proximity_of(&postcode_query("LA1 1AE"), Layer::Icc),
            nearest
        );
        // A distance of exactly the tolerance counts as inside.
        let certainty = |east| proximity_of(&grid_query(east, 5.0), Layer::Icc).0;
        assert_eq!(certainty(9.9), Certainty::Inside);
        assert_eq!(certainty(9.900_001), Certainty::NearBoundary);
        // Near a border, the directory may assign a postcode to the area on the other side. In that
        // case, the area that covers the position is an alternative at distance 0.
        let mut dataset = dataset();
        dataset.postcodes[7].position = Some(km(9.99, 9.0));
        let index = build(dataset);
        let answer = index.locate(&postcode_query("LA1 1AJ"));
        let [area] = areas_of_layer(&answer.residence, Layer::Icc) else {
            panic!("one area")
        };
        let others = &area.proximity.as_ref().expect("measured").alternatives;
        let others: Vec<(&str, f64)> = others
            .iter()
            .map(|area| (area.area.id.as_str(), area.distance_m))
            .collect();
        assert_eq!(others, [("k", 0.0)]);
    }

    #[test]
    fn results_do_not_depend_on_which_distances_are_measured() {
        let index = index();
        let measured = [Layer::Icc].into_iter().collect();
        let answer = index.locate_with_distances(&postcode_query("LA1 1AA"), measured);
        let full_answer = index.locate(&postcode_query("LA1 1AA"));
        for ((layer, some), (_, all)) in answer.residence.iter().zip(&full_answer.residence) {
            assert_eq!(describe(some), describe(all));
            match (some, all) {
                (LayerResult::Areas(some), LayerResult::Areas(all)) => {
                    assert_eq!(some[0].proximity.is_some(), *layer == Layer::Icc);
                    assert!(all[0].proximity.is_some());
                }
                (LayerResult::Practices(some), LayerResult::Practices(all)) => {
                    assert!(
                        some.iter()
                            .all(|practice_match| practice_match.distance_m.is_none())
                    );
                    assert!(
                        all.iter()
                            .all(|practice_match| practice_match.distance_m.is_some())
                    );
                }
                _ => {}
            }
        }
    }

    #[test]
    fn practices_are_sorted_by_share_then_code_and_have_distances() {
        let mut dataset = dataset();
        dataset.assignments[3].share = Some(0.75);
        let index = build(dataset);
        let answer = index.locate(&postcode_query("LA1 1AA"));
        let LayerResult::Practices(practices) = layer_result(&answer.residence, Layer::GpPractice)
        else {
            panic!("practices")
        };
        let actual = practices.iter().map(|practice_match| {
            (
                practice_match.practice.code.to_string(),
                practice_match.share,
                practice_match.distance_m,
                practice_match.provenance,
                practice_match.basis,
            )
        });
        let actual: Vec<_> = actual.collect();
        let modelled = |text: &str, distance_m| {
            (
                text.to_string(),
                Some(0.75),
                Some(distance_m),
                Provenance::Modelled,
                Basis::Directory,
            )
        };
        assert_eq!(
            actual,
            [modelled("A00001", 0.0), modelled("A00002", 2_000.0)]
        );
        let answer = index.locate(&postcode_query("LA2 1AA"));
        let LayerResult::Practices(practices) = layer_result(&answer.residence, Layer::GpPractice)
        else {
            panic!("practices")
        };
        assert_eq!(practices[0].provenance, Provenance::Official);
        assert_eq!(practices[0].basis, Basis::Boundary);
        assert_eq!(practices[0].share, None);
    }

    #[test]
    fn locations_repeat_the_locator() {
        let index = index();
        let lonlat = LonLat::new(-3.27, 54.21).expect("on the Earth");
        let (status, location) = index.resolve_locator(Locator::LonLat(lonlat), DAY);
        let location = location.expect("known");
        assert_eq!(status, LookupStatus::Located);
        assert_eq!(location.lonlat().map(LonLat::lon), Some(-3.27));
        assert_eq!(location.grid, geodesy::to_grid(lonlat));
        let (_, location) = index.resolve_locator(Locator::Grid(km(1.0, 1.0)), DAY);
        let location = location.expect("known");
        assert!(location.entry.is_none() && !location.is_terminated);
        let expected = geodesy::to_lonlat(km(1.0, 1.0)).expect("on the grid");
        assert_eq!(location.lonlat().map(LonLat::lat), Some(expected.lat()));
        let (status, location) = index.resolve_locator(Locator::Postcode(postcode("LA1 1AF")), DAY);
        let location = location.expect("known");
        assert_eq!(
            (status, location.is_terminated),
            (LookupStatus::Terminated, true)
        );
        assert_eq!(location.grid, Some(km(2.0, 2.0)));
        assert!(location.entry.is_some());
    }

    #[test]
    fn debug_output_contains_no_request_data() {
        let index = index();
        let answer = index.locate(&LocateQuery {
            practice: Some("A00001".parse()),
            ..postcode_query("LA1 1AA")
        });
        assert_eq!(
            format!("{answer:?}"),
            "LocateAnswer { status: Located, .. }"
        );
        let location = answer.location.expect("known");
        assert_eq!(format!("{location:?}"), "Location(…)");
        let registration = answer.registration.expect("requested");
        assert_eq!(format!("{registration:?}"), "PracticeRegistration(…)");
    }

    #[test]
    fn reasons_and_notes_have_wire_values() {
        let unknown = [
            (UnknownReason::NoneNamed, "none named by the source"),
            (UnknownReason::NoSource, "no source"),
            (UnknownReason::NoDataForDate, "no_data_for_date"),
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
        ];
        for (note, word) in notes {
            assert_eq!(note.as_str(), word);
        }
    }

    #[test]
    fn registrations_follow_successions_to_the_current_practice() {
        let index = index();
        let answer = index.locate(&registration_query("A00004"));
        assert_eq!(answer.status, LookupStatus::Missing);
        let registration = answer.registration.expect("requested");
        assert_eq!(registration.reason, None);
        let actual: Vec<Vec<String>> = registration
            .areas
            .iter()
            .map(|value| describe(&value.1))
            .collect();
        assert_eq!(
            actual,
            [vec!["K membership"], vec![], vec!["g via k"], vec![]]
        );
        let communities = areas_of_layer(&registration.areas, Layer::Icc);
        assert_eq!(communities[0].provenance, Provenance::Derived);
        assert!(communities[0].proximity.is_none());
        let practice = registration.practice.expect("known");
        assert_eq!(practice.practice.code, code("A00001"));
        assert_eq!(practice.status, PracticeStatus::Active);
        assert_eq!(practice.requested.code, code("A00004"));
        assert_eq!(practice.requested_status, PracticeStatus::Closed);
        assert_eq!(practice.branch_is_listed, None);
        assert_eq!(practice.successions, [succession("A00004", "A00001")]);
    }

    #[test]
    fn groups_are_unknown_if_the_source_names_none_or_omits_the_member() {
        let mut without_member = dataset();
        // The source does not list area l.
        without_member.memberships.remove(4);
        let without_member = build(without_member);
        let groups = |index: &Index, text| -> Vec<String> {
            let registration = index.locate(&registration_query(text)).registration;
            let areas = registration.expect("requested").areas;
            describe(layer_result(&areas, Layer::ResilienceGroup))
        };
        assert_eq!(groups(&without_member, "A00002"), ["no source"]);
        assert_eq!(groups(&index(), "A00002"), ["none named by the source"]);
        // A practice that belongs to no area has no groups, so its groups are known.
        assert_eq!(groups(&without_member, "A00006"), [""; 0]);
    }

    #[track_caller]
    fn check_reason(text: &str, expected: Option<RegistrationReason>) {
        let index = index();
        let registration = index.locate(&registration_query(text)).registration;
        let registration = registration.expect("requested");
        assert_eq!(registration.reason, expected);
        let has_no_practice = |reason| {
            let with_practice = [
                RegistrationReason::ClosedNoSuccessor,
                RegistrationReason::OutsideCoverage,
            ];
            !with_practice.contains(&reason)
        };
        assert_eq!(
            registration.practice.is_none(),
            expected.is_some_and(has_no_practice)
        );
    }

    #[test]
    fn empty_registrations_have_a_reason() {
        check_reason("A00001", None);
        check_reason("", Some(RegistrationReason::Missing));
        check_reason("A-1", Some(RegistrationReason::Malformed));
        check_reason("V81999", Some(RegistrationReason::DefaultCode));
        check_reason("X99999", Some(RegistrationReason::UnknownPractice));
        check_reason("Y00001", Some(RegistrationReason::NotAGpPractice));
        check_reason("A00005", Some(RegistrationReason::ClosedNoSuccessor));
        check_reason("A00006", Some(RegistrationReason::OutsideCoverage));
        let mut cycle = dataset();
        cycle.successions.push(succession("A00005", "A00005"));
        let index = build(cycle);
        let registration = index.locate(&registration_query("A00005")).registration;
        let registration = registration.expect("requested");
        assert_eq!(
            registration.reason,
            Some(RegistrationReason::SuccessionCycle)
        );
        assert_eq!(
            registration.practice.map(|practice| practice.practice.code),
            Some(code("A00005"))
        );
        assert!(areas_of_layer(&registration.areas, Layer::Icc).is_empty());
    }

    #[test]
    fn neighbourhood_teams_are_communities() {
        let mut dataset = dataset();
        let entry = layer_entry(Layer::NeighbourhoodTeam, LayerKind::Partition);
        dataset.manifest.layers.push(entry);
        dataset.areas.push(area(Layer::NeighbourhoodTeam, "t"));
        let member = practice_membership("A00006", Layer::NeighbourhoodTeam, Some("t"));
        dataset.memberships.push(member);
        let index = build(dataset);
        let answer = index.locate(&registration_query("A00006"));
        assert_eq!(
            answer
                .registration
                .and_then(|registration| registration.reason),
            None
        );
        assert_eq!(answer.agreement, Agreement::RegistrationOnly);
    }

    #[test]
    fn no_practice_is_outside_coverage_without_community_layers() {
        let mut dataset = dataset();
        dataset
            .manifest
            .layers
            .retain(|entry| entry.id != Layer::Icc);
        let index = build(dataset);
        let answer = index.locate(&registration_query("A00006"));
        assert_eq!(
            answer
                .registration
                .and_then(|registration| registration.reason),
            None
        );
    }

    #[test]
    fn branch_codes_resolve_to_the_parent_practice() {
        let mut dataset = dataset();
        dataset.practices.push(practice("A00001002"));
        let index = build(dataset);
        let listed = |text| {
            let registration = index.locate(&registration_query(text)).registration;
            let practice = registration.expect("requested").practice.expect("known");
            (practice.practice.code, practice.branch_is_listed)
        };
        assert_eq!(listed("A00001001"), (code("A00001"), Some(false)));
        assert_eq!(listed("A00001002"), (code("A00001"), Some(true)));
    }

    #[test]
    fn agreement_compares_residence_and_registration() {
        let index = index();
        let agreement = |place: Option<&str>, practice: Option<&str>| {
            let place = place.map(|text| Locator::Postcode(postcode(text)));
            let query = LocateQuery {
                locator: place,
                practice: practice.map(str::parse),
                as_of: DAY,
            };
            index.locate(&query).agreement
        };
        let (home, away) = (Some("LA1 1AA"), Some("LA2 1AB"));
        assert_eq!(agreement(home, Some("A00001")), Agreement::Agree);
        assert_eq!(agreement(home, Some("A00002")), Agreement::Differ);
        // The practice belongs to no community in the dataset.
        assert_eq!(agreement(home, Some("A00006")), Agreement::Differ);
        assert_eq!(agreement(home, Some("A00005")), Agreement::ResidenceOnly);
        assert_eq!(agreement(home, Some("X99999")), Agreement::ResidenceOnly);
        assert_eq!(agreement(home, None), Agreement::ResidenceOnly);
        assert_eq!(agreement(away, Some("A00001")), Agreement::RegistrationOnly);
        assert_eq!(agreement(None, Some("A00001")), Agreement::RegistrationOnly);
        assert_eq!(agreement(away, Some("A00006")), Agreement::Neither);
        assert_eq!(agreement(None, None), Agreement::Neither);
    }

    #[test]
    fn communities_unknown_on_the_date_do_not_count_as_a_difference() {
        let mut dataset = dataset();
        // The first data on neighbourhood teams are earlier than the first data on ICCs.
        dataset.manifest.layers[4].first_data = date(2026, 1, 1);
        let teams = layer_entry(Layer::NeighbourhoodTeam, LayerKind::Partition);
        dataset.manifest.layers.push(teams);
        dataset.areas.push(area(Layer::NeighbourhoodTeam, "t"));
        let boundaries = (Layer::NeighbourhoodTeam, vec![strip("t", 0.0, 20.0)]);
        dataset.boundaries.push(boundaries);
        let index = build(dataset);
        let answer = index.locate(&LocateQuery {
            practice: Some("A00006".parse()),
            ..postcode_query("LA1 1AA")
        });
        assert_eq!(answer.agreement, Agreement::ResidenceOnly);
    }

    #[test]
    fn notes_report_practice_addresses_introductions_and_closures() {
        let mut dataset = dataset();
        dataset.practices[1].postcode = Some(postcode("LA1 1AA"));
        dataset.premises[4].postcode = Some(postcode("LA2 1AA"));
        let index = build(dataset);
        let notes = |text: &str, practice: Option<&str>, as_of| {
            let query = LocateQuery {
                locator: Some(Locator::Postcode(postcode(text))),
                practice: practice.map(str::parse),
                as_of,
            };
            index.locate(&query).notes
        };
        let address = [AnswerNote::PracticeAddress];
        assert_eq!(notes("LA1 1AA", Some("A00001"), DAY), address);
        assert_eq!(notes("LA1 1AB", Some("A00001"), DAY), []);
        assert_eq!(notes("LA1 1AA", None, DAY), []);
        // The address of the responsible practice leads to a note, and so does the address of the
        // requested practice.
        assert_eq!(notes("LA1 1AA", Some("A00004"), DAY), address);
        assert_eq!(notes("LA2 1AA", Some("A00004"), DAY), address);
        assert_eq!(notes("LA2 1AA", Some("A00001"), DAY), []);
        let introduced = date(2025, 6, 1);
        let before = introduced.yesterday().expect("a day");
        assert_eq!(
            notes("LA1 1AG", None, before),
            [AnswerNote::NotYetIntroduced]
        );
        assert_eq!(notes("LA1 1AG", None, introduced), []);
        assert_eq!(
            notes("LA1 1AB", Some("A00002"), DAY),
            [AnswerNote::ClosesOn]
        );
        assert_eq!(notes("LA1 1AB", Some("A00002"), date(2026, 4, 1)), []);
        assert_eq!(notes("LA1 1AB", Some("A00005"), DAY), []);
    }

    #[test]
    fn areas_of_layer_returns_only_that_layer() {
        let index = index();
        let answer = index.locate(&postcode_query("LA1 1AA"));
        let ids = |layer| -> Vec<&str> {
            let areas = areas_of_layer(&answer.residence, layer).iter();
            areas
                .map(|area_match| area_match.area.id.as_str())
                .collect()
        };
        assert_eq!(ids(Layer::Icc), ["k"]);
        assert_eq!(ids(Layer::SubCommunity), ["m"]);
        assert_eq!(ids(Layer::ResilienceGroup), [""; 0]);
        assert_eq!(ids(Layer::Pcn), [""; 0]);
    }

    #[test]
    fn large_user_postcodes_are_near_the_boundary() {
        let mut dataset = dataset();
        let mut large_user = entry("LA2 1AD", Some(km(1.0, 1.0)), Some(0));
        (large_user.is_large_user, large_user.positional_quality) =
            (true, PositionalQuality::new(10));
        dataset.postcodes.insert(10, large_user);
        let index = build(dataset);
        let answer = index.locate(&postcode_query("LA2 1AD"));
        let area = &areas_of_layer(&answer.residence, Layer::Icc)[0];
        let proximity = area.proximity.as_ref().expect("measured");
        assert_eq!(proximity.certainty, Certainty::NearBoundary);
    }
}
