//! Locates a postcode or point: the areas, practices and groups by residence and by registration.

use std::fmt;

use jiff::civil::Date;

use super::Index;
use super::directory::Listing;
use super::layer::LayerIndex;
use super::registry::Followed;
use crate::dataset::LayerKind;
use crate::domain::{
    Agreement, Area, Basis, BritishGrid, Certainty, Extent, InvalidOdsCode, Layer, Layers, LonLat,
    OdsCode, Postcode, PostcodeEntry, Practice, PracticeStatus, Provenance, SpecialPostcode,
    Status, Succession,
};
use crate::geodesy;

/// What to locate.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// The postcode or point of residence.
    pub place: Option<Place>,
    /// The code of the practice of registration, or why it is invalid.
    pub practice: Option<Result<OdsCode, InvalidOdsCode>>,
    /// The day for which to answer.
    pub as_of: Date,
}

/// A postcode or point, in the form in which the client gave it.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// A postcode.
    Postcode(Postcode),
    /// Longitude and latitude.
    LonLat(LonLat),
    /// Easting and northing.
    Grid(BritishGrid),
}

/// The result of a query. It borrows from the index; no records are copied.
pub struct Answer<'i> {
    /// How the locator was resolved.
    pub status: Status,
    /// The location of the postcode or point.
    pub location: Option<Location>,
    /// The areas by residence, layer by layer.
    pub residence: Vec<(Layer, Found<'i>)>,
    /// The areas by registration, if a practice was given.
    pub registration: Option<Registration<'i>>,
    /// How residence and registration compare.
    pub agreement: Agreement,
    /// Further remarks.
    pub notes: Vec<Note>,
    /// The nearest area of each partition, if no area covers the point.
    pub nearest: Vec<(Layer, Neighbour<'i>)>,
    /// The day for which the query was answered.
    pub as_of: Date,
}

/// The location of a postcode or point.
#[derive(Clone, Copy)]
pub struct Location {
    /// The postcode or point in the form in which the client gave it.
    pub place: Place,
    /// The position on the British National Grid; `None` if it is off the grid.
    pub grid: Option<BritishGrid>,
    /// The directory's entry, if the locator is a postcode that the directory lists.
    pub entry: Option<PostcodeEntry>,
    /// Whether the postcode was terminated on or before the day.
    pub is_terminated: bool,
}

/// Prints only the status: the rest reveals the query, which must not reach a log.
impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Location(…)")
    }
}

impl fmt::Debug for Registration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registration(…)")
    }
}

impl Location {
    /// Returns the position in degrees.
    pub fn lonlat(&self) -> Option<LonLat> {
        match self.place {
            Place::LonLat(lonlat) => Some(lonlat),
            _ => self.grid.and_then(geodesy::to_lonlat),
        }
    }
}

/// The result for one layer.
#[derive(Debug)]
pub enum Found<'i> {
    /// The areas; an empty list means that none was found.
    Areas(Vec<AreaFound<'i>>),
    /// The practices whose area includes the position, those with the largest share first.
    Practices(Vec<PracticeFound<'i>>),
    /// The groups, those of the smallest member areas first.
    Groups(Vec<GroupFound<'i>>),
    /// The result is unknown.
    Unknown(Unknown),
}

/// Why the result for a layer is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// The source lists the member but names no group for it.
    NoneNamed,
    /// The source does not list the member.
    NoSource,
    /// The day is before the layer's first data.
    NoDataForDate,
}

impl Unknown {
    /// Returns the value in JSON and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Unknown::NoneNamed => "none named by the source",
            Unknown::NoSource => "no source",
            Unknown::NoDataForDate => "no_data_for_date",
        }
    }
}

/// An area that includes the position, or to which the practice belongs.
#[derive(Debug)]
pub struct AreaFound<'i> {
    /// The area, in the version valid on the day.
    pub area: &'i Area,
    /// What the match is based on.
    pub basis: Basis,
    /// The provenance of the match.
    pub provenance: Provenance,
    /// How close the position is to the area's boundary; `None` for registrations, and for layers
    /// whose distances were not requested.
    pub edge: Option<EdgeFound<'i>>,
    /// Its ordinal in its layer.
    pub(super) number: u32,
}

/// How close a position is to the boundary of an area.
#[derive(Debug)]
pub struct EdgeFound<'i> {
    /// Whether the position is certainly inside the area.
    pub certainty: Certainty,
    /// The distance to the area's boundary in metres; 0 if the match follows another rule and the
    /// boundary does not cover the position.
    pub distance_m: f64,
    /// The layer's other areas within the tolerance, nearest first.
    pub alternatives: Vec<Neighbour<'i>>,
}

/// An area close to a position.
#[derive(Debug, Clone, Copy)]
pub struct Neighbour<'i> {
    /// The area, in the version valid on the day.
    pub area: &'i Area,
    /// The distance to the area in metres.
    pub distance_m: f64,
}

/// A practice whose area includes the position.
#[derive(Debug)]
pub struct PracticeFound<'i> {
    /// The practice.
    pub practice: &'i Practice,
    /// What the match is based on.
    pub basis: Basis,
    /// The provenance of the practice's area.
    pub provenance: Provenance,
    /// Which of the practice's areas matched, if it declares two.
    pub extent: Extent,
    /// The modelled share of the population of the statistical area that is registered with the
    /// practice.
    pub share: Option<f64>,
    /// The distance to the nearest premises in metres, if distances were requested.
    pub distance_m: Option<f64>,
}

/// A group to which a matched area belongs.
#[derive(Debug)]
pub struct GroupFound<'i> {
    /// The group.
    pub area: &'i Area,
    /// The id of the area that belongs to the group.
    pub via: &'i str,
}

/// The areas by registration.
pub struct Registration<'i> {
    /// The practice responsible for the patients on the day; `None` if it could not be determined.
    pub practice: Option<RegisteredPractice<'i>>,
    /// The areas of the practice, layer by layer.
    pub areas: Vec<(Layer, Found<'i>)>,
    /// Why there are no areas.
    pub reason: Option<Reason>,
}

/// The practice responsible for the patients on the day, and the successions that led to it.
#[derive(Debug)]
pub struct RegisteredPractice<'i> {
    /// The practice.
    pub practice: &'i Practice,
    /// Its status on the day.
    pub status: PracticeStatus,
    /// The practice that was requested, or its parent if the code is that of a branch.
    pub asked: &'i Practice,
    /// The status of the requested practice on the day.
    pub asked_status: PracticeStatus,
    /// If the requested code is that of a branch: whether the dataset lists the branch itself.
    pub branch_is_listed: Option<bool>,
    /// The successions from the requested practice to the responsible one.
    pub successors: Vec<Succession>,
}

/// Why a registration has no areas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The code is blank.
    Missing,
    /// The code is not an ODS code.
    Malformed,
    /// The code is a default practice code.
    DefaultCode,
    /// No practice has the code.
    UnknownPractice,
    /// The organisation has no registered patients, such as an out-of-hours service or a walk-in
    /// centre.
    NotAGpPractice,
    /// The practice is closed and has no known successor, or several.
    ClosedNoSuccessor,
    /// The successions lead back to a practice that was already visited.
    SuccessionCycle,
    /// The practice belongs to no community of the dataset.
    OutsideCoverage,
}

impl Reason {
    /// Returns the value in JSON and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Missing => "missing",
            Reason::Malformed => "malformed",
            Reason::DefaultCode => "default_code",
            Reason::UnknownPractice => "unknown_practice",
            Reason::NotAGpPractice => "not_a_gp_practice",
            Reason::ClosedNoSuccessor => "closed_no_successor",
            Reason::SuccessionCycle => "succession_cycle",
            Reason::OutsideCoverage => "outside_coverage",
        }
    }
}

/// A remark on an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The postcode is an address of the practice, as practices record for patients of no fixed
    /// abode.
    PracticeAddress,
    /// The day is before the postcode's introduction.
    NotYetIntroduced,
    /// The practice has a closing date that has not passed.
    ClosesOn,
}

impl Note {
    /// Returns the value in JSON and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Note::PracticeAddress => "practice_address",
            Note::NotYetIntroduced => "not_yet_introduced",
            Note::ClosesOn => "closes_on",
        }
    }
}

/// An area that includes a position.
struct Covered {
    /// The area's ordinal.
    area: u32,
    basis: Basis,
    share: Option<f64>,
    extent: Extent,
}

/// A position, and what the directory says about it.
struct Spot {
    position: BritishGrid,
    /// The row of the statistical area that the directory gives.
    listed_in: Option<u32>,
    is_coarse: bool,
}

impl Index {
    /// Answers a query.
    ///
    /// A postcode to which the directory gives a statistical area is in the areas of that
    /// statistical area. Any other position is in the areas whose boundary covers it or, off a
    /// generalised coastline, in the nearest area.
    pub fn locate(&self, query: &Query) -> Answer<'_> {
        self.locate_measuring(query, Layers::ALL)
    }

    /// Answers a query as [`Index::locate`] does, but measures distances only in some layers: to
    /// the boundaries of areas, to alternatives, and to the premises of practices. Measuring takes
    /// most of the time, and the matches do not depend on it.
    pub fn locate_measuring(&self, query: &Query, measured: Layers) -> Answer<'_> {
        let (status, location) = match query.place {
            None => (Status::Missing, None),
            Some(place) => self.place(place, query.as_of),
        };
        let mut answer = Answer {
            status,
            residence: Vec::new(),
            location: None,
            registration: query
                .practice
                .map(|practice| self.register(practice, query.as_of)),
            agreement: Agreement::Neither,
            notes: Vec::new(),
            nearest: Vec::new(),
            as_of: query.as_of,
        };
        if let Some(location) = location {
            self.settle(&mut answer, location, measured);
        }
        if answer.residence.is_empty() {
            let nothing = self.layers.iter().map(|it| (it.id, nothing_in(it)));
            answer.residence = nothing.collect();
        }
        answer.agreement = agreement(&answer);
        self.note(&mut answer, query);
        answer
    }

    /// Determines the status and location of a postcode or point, without looking at any area.
    pub fn place(&self, place: Place, day: Date) -> (Status, Option<Location>) {
        let bare = |grid| {
            let location = Location {
                place,
                grid,
                entry: None,
                is_terminated: false,
            };
            (Status::Located, Some(location))
        };
        match place {
            Place::LonLat(lonlat) => bare(geodesy::to_grid(lonlat)),
            Place::Grid(grid) => bare(Some(grid)),
            Place::Postcode(postcode) => {
                match (postcode.special(), self.directory.find(postcode)) {
                    (Some(SpecialPostcode::NoFixedAbode), _) => (Status::NoFixedAbode, None),
                    (Some(SpecialPostcode::AddressNotKnown), _) => (Status::AddressNotKnown, None),
                    (Some(SpecialPostcode::PseudoCountry), _) => (Status::PseudoCountry, None),
                    (Some(SpecialPostcode::NotAPlace), _) => (Status::NoLocation, None),
                    (None, Listing::Unknown) => (Status::UnknownPostcode, None),
                    (None, Listing::NotHeld) => (Status::OutsideCoverage, None),
                    (None, Listing::Entry(entry)) => self.listed(place, entry, day),
                }
            }
        }
    }

    fn listed(&self, place: Place, entry: PostcodeEntry, day: Date) -> (Status, Option<Location>) {
        let is_terminated = entry.is_terminated_on(day, self.undated_terminations_after);
        let status = match (entry.position, is_terminated) {
            (None, _) => Status::NoLocation,
            (Some(_), true) => Status::Terminated,
            (Some(_), false) => Status::Located,
        };
        let location = Location {
            place,
            grid: entry.position,
            entry: Some(entry),
            is_terminated,
        };
        (status, Some(location))
    }

    /// Adds the result of each layer for a known location.
    fn settle<'i>(&'i self, answer: &mut Answer<'i>, location: Location, measured: Layers) {
        answer.location = Some(location);
        let Some(position) = location.grid else {
            if answer.status == Status::Located {
                answer.status = Status::OutsideCoverage;
            }
            return;
        };
        let entry = location.entry;
        let spot = Spot {
            position,
            listed_in: entry.and_then(|entry| entry.statistical_area),
            is_coarse: entry.is_some_and(|entry| entry.is_coarse()),
        };
        answer.residence = self.residence(&spot, answer.as_of, measured);
        let is_covered = answer.residence.iter().any(|(_, found)| match found {
            Found::Areas(areas) => !areas.is_empty(),
            Found::Practices(practices) => !practices.is_empty(),
            Found::Groups(groups) => !groups.is_empty(),
            Found::Unknown(unknown) => *unknown == Unknown::NoDataForDate,
        });
        if !is_covered {
            answer.status = Status::OutsideCoverage;
            answer.nearest = self.nearest_areas(position, answer.as_of);
        }
    }

    fn residence(&self, spot: &Spot, day: Date, measured: Layers) -> Vec<(Layer, Found<'_>)> {
        let home = self.statistical_home(spot, day);
        let mut residence: Vec<(Layer, Found<'_>)> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let is_measured = measured.contains(layer.id);
            let found = if day < layer.first_data {
                Found::Unknown(Unknown::NoDataForDate)
            } else if layer.kind == LayerKind::Membership {
                self.groups_of(layer, &residence, day)
            } else if layer.id == Layer::GpPractice {
                Found::Practices(self.covering_practices(layer, spot, home, day, is_measured))
            } else {
                Found::Areas(self.covering_areas(layer, spot, home, day, is_measured))
            };
            residence.push((layer.id, found));
        }
        residence
    }

    /// Returns what places the postcode of an entry in an area on a day, by the rule of
    /// [`Index::locate`]; `None` if the postcode is not in the area.
    pub(super) fn basis_in(
        &self,
        (layer, area): (&LayerIndex, u32),
        entry: &PostcodeEntry,
        day: Date,
    ) -> Option<Basis> {
        let spot = Spot {
            position: entry.position?,
            listed_in: entry.statistical_area,
            is_coarse: entry.is_coarse(),
        };
        let home = self.statistical_home(&spot, day);
        let around = layer.spatial.covering(spot.position, day);
        let mut covered = Self::covering(layer, &spot, home, &around, day).into_iter();
        covered.find(|it| it.area == area).map(|it| it.basis)
    }

    /// Returns the row of the statistical area of a position, and the basis on which it was found.
    fn statistical_home(&self, spot: &Spot, day: Date) -> Option<(u32, Basis)> {
        if let Some(row) = spot.listed_in {
            return Some((row, Basis::Directory));
        }
        let statistical = &self.statistical.spatial;
        if let [row] = statistical.covering(spot.position, day)[..] {
            return Some((row, Basis::Boundary));
        }
        let (row, distance_m) = statistical.nearest(spot.position, day)?;
        (distance_m <= self.statistical.snap_m).then_some((row, Basis::Nearest))
    }

    /// Returns the layer's areas that include a position: the areas of its statistical area, and
    /// those whose own boundary covers it or, off a generalised coastline, the nearest. `covering`
    /// are the boundaries that cover the position.
    fn covering(
        layer: &LayerIndex,
        spot: &Spot,
        home: Option<(u32, Basis)>,
        around: &[u32],
        day: Date,
    ) -> Vec<Covered> {
        let mut covered: Vec<Covered> = Vec::new();
        if let Some((row, basis)) = home {
            covered.extend(layer.assigned(row, day).map(|it| Covered {
                area: it.area,
                basis,
                share: it.share,
                extent: Extent::Whole,
            }));
        }
        let drawn = |at, basis| Covered {
            area: layer.area_of(at),
            basis,
            share: None,
            extent: layer.spatial.boundary(at).extent,
        };
        let for_show = |at: &&u32| layer.is_assigned(layer.area_of(**at));
        let around = around.iter().filter(|at| !for_show(at));
        covered.extend(around.map(|&at| drawn(at, Basis::Boundary)));
        if covered.is_empty() && !layer.is_on_statistical_areas {
            let near = layer.spatial.nearest(spot.position, day);
            let near = near.filter(|&(_, distance_m)| distance_m <= layer.snap_m);
            covered.extend(near.map(|(at, _)| drawn(at, Basis::Nearest)));
        }
        // If both catchments of a practice match, retain the inner one.
        covered.sort_by_key(|it| (it.area, it.extent));
        covered.dedup_by_key(|it| it.area);
        covered
    }

    fn covering_areas<'i>(
        &'i self,
        layer: &'i LayerIndex,
        spot: &Spot,
        home: Option<(u32, Basis)>,
        day: Date,
        is_measured: bool,
    ) -> Vec<AreaFound<'i>> {
        let around = layer.spatial.covering(spot.position, day);
        let covered = Self::covering(layer, spot, home, &around, day).into_iter();
        covered
            .filter_map(|it| {
                let area = layer.version(it.area, day)?;
                Some(AreaFound {
                    area,
                    basis: it.basis,
                    provenance: area.provenance,
                    edge: is_measured.then(|| self.edge(layer, it.area, spot, &around, day)),
                    number: it.area,
                })
            })
            .collect()
    }

    fn edge<'i>(
        &'i self,
        layer: &'i LayerIndex,
        area: u32,
        spot: &Spot,
        around: &[u32],
        day: Date,
    ) -> EdgeFound<'i> {
        let own = layer.boundary(area, day);
        let distance_m = match own {
            Some(at) if around.contains(&at) => layer.spatial.distance_to_edge_m(at, spot.position),
            // The match follows the directory or the coastline rule, not the generalised boundary.
            _ => 0.0,
        };
        let is_safe = distance_m >= self.tolerance_m && !spot.is_coarse;
        EdgeFound {
            certainty: if is_safe {
                Certainty::Inside
            } else {
                Certainty::NearBoundary
            },
            distance_m,
            alternatives: self.alternatives(layer, own, spot, around, day),
        }
    }

    fn alternatives<'i>(
        &'i self,
        layer: &'i LayerIndex,
        own: Option<u32>,
        spot: &Spot,
        around: &[u32],
        day: Date,
    ) -> Vec<Neighbour<'i>> {
        let mut near = layer
            .spatial
            .edges_within(spot.position, self.tolerance_m, day);
        for &at in around {
            near.retain(|&(boundary, _)| boundary != at);
            near.insert(0, (at, 0.0));
        }
        near.into_iter()
            .filter(|&(at, _)| Some(at) != own)
            .filter_map(|(at, distance_m)| {
                let area = layer.version(layer.area_of(at), day)?;
                Some(Neighbour { area, distance_m })
            })
            .collect()
    }

    fn covering_practices<'i>(
        &'i self,
        layer: &'i LayerIndex,
        spot: &Spot,
        home: Option<(u32, Basis)>,
        day: Date,
        is_measured: bool,
    ) -> Vec<PracticeFound<'i>> {
        let around = layer.spatial.covering(spot.position, day);
        let covered = Self::covering(layer, spot, home, &around, day).into_iter();
        let mut practices: Vec<PracticeFound<'i>> = covered
            .filter_map(|it| {
                let area = layer.version(it.area, day)?;
                // Each practice is an area of this layer, and both are sorted by code.
                let row = it.area as usize;
                let practice = &self.registry.practices()[row];
                Some(PracticeFound {
                    practice,
                    basis: it.basis,
                    provenance: area.provenance,
                    extent: it.extent,
                    share: it.share,
                    distance_m: is_measured
                        .then(|| self.registry.distance_m(row, spot.position))
                        .flatten(),
                })
            })
            .filter(|found| found.practice.status_on(day) == PracticeStatus::Active)
            .collect();
        practices.sort_by(|a, b| {
            let share = |found: &PracticeFound<'_>| found.share.unwrap_or(0.0);
            share(b)
                .total_cmp(&share(a))
                .then(a.practice.code.cmp(&b.practice.code))
        });
        practices
    }

    /// Returns the groups to which the areas in `results` belong, those of the smallest areas
    /// first.
    fn groups_of<'i>(
        &'i self,
        layer: &'i LayerIndex,
        found: &[(Layer, Found<'i>)],
        day: Date,
    ) -> Found<'i> {
        let mut groups = Vec::new();
        let (mut none_named, mut no_members) = (false, true);
        for (at, areas) in self.places_of(found).rev() {
            for member in areas {
                no_members = false;
                let memberships = self.memberships.of_area(at, member.number, layer.id, day);
                for (membership, group) in memberships {
                    none_named |= membership.group.is_none();
                    let area = group.and_then(|group| layer.version(group, day));
                    let via = member.area.id.as_str();
                    groups.extend(area.map(|area| GroupFound { area, via }));
                }
            }
        }
        match (groups.is_empty(), none_named, no_members) {
            (true, true, _) => Found::Unknown(Unknown::NoneNamed),
            (true, false, false) => Found::Unknown(Unknown::NoSource),
            _ => Found::Groups(groups),
        }
    }

    /// Returns each layer of areas in `results`: its position among the index's layers, and the
    /// areas.
    fn places_of<'a, 'i>(
        &self,
        found: &'a [(Layer, Found<'i>)],
    ) -> impl DoubleEndedIterator<Item = (usize, &'a [AreaFound<'i>])> {
        found.iter().filter_map(|(id, found)| match found {
            Found::Areas(areas) => {
                let at = self.layers.iter().position(|layer| layer.id == *id)?;
                Some((at, areas.as_slice()))
            }
            _ => None,
        })
    }

    /// Returns the nearest community, for positions outside all areas.
    fn nearest_areas(&self, position: BritishGrid, day: Date) -> Vec<(Layer, Neighbour<'_>)> {
        let partitions = self.layers.iter().filter(|layer| layer.id == Layer::Icc);
        partitions
            .filter_map(|layer| {
                let (at, distance_m) = layer.spatial.nearest(position, day)?;
                let area = layer.version(layer.area_of(at), day)?;
                Some((layer.id, Neighbour { area, distance_m }))
            })
            .collect()
    }

    fn register(&self, code: Result<OdsCode, InvalidOdsCode>, day: Date) -> Registration<'_> {
        let none = |reason| Registration {
            practice: None,
            areas: self.registered_areas(None, day),
            reason: Some(reason),
        };
        let code = match code {
            Ok(code) if code.is_default() => return none(Reason::DefaultCode),
            Ok(code) => code,
            Err(InvalidOdsCode::Missing) => return none(Reason::Missing),
            Err(InvalidOdsCode::Malformed) => return none(Reason::Malformed),
        };
        let listed = self.registry.find(code);
        let parent = code.parent().and_then(|parent| self.registry.find(parent));
        let Some(asked) = parent.or(listed) else {
            let is_other = self.registry.is_not_a_gp_practice(code);
            return none(if is_other {
                Reason::NotAGpPractice
            } else {
                Reason::UnknownPractice
            });
        };
        let (followed, successors) = self.registry.follow(asked, day);
        let (practice, fault) = match followed {
            Followed::To(practice) => (practice, None),
            Followed::Nowhere => (asked, Some(Reason::ClosedNoSuccessor)),
            Followed::Cycle => (asked, Some(Reason::SuccessionCycle)),
        };
        let areas = self.registered_areas(fault.is_none().then_some(practice), day);
        let is_none = |found: &Found<'_>| matches!(found, Found::Areas(areas) if areas.is_empty());
        let communities: Vec<&Found<'_>> = areas
            .iter()
            .filter(|(layer, _)| COMMUNITIES.contains(layer))
            .map(|(_, found)| found)
            .collect();
        let is_outside = !communities.is_empty() && communities.into_iter().all(is_none);
        Registration {
            practice: Some(RegisteredPractice {
                practice,
                status: practice.status_on(day),
                asked,
                asked_status: asked.status_on(day),
                branch_is_listed: parent.map(|_| listed.is_some()),
                successors,
            }),
            areas,
            reason: fault.or(is_outside.then_some(Reason::OutsideCoverage)),
        }
    }

    /// Returns the areas and groups to which a practice's patients belong.
    fn registered_areas(&self, practice: Option<&Practice>, day: Date) -> Vec<(Layer, Found<'_>)> {
        let mut areas: Vec<(Layer, Found<'_>)> = Vec::new();
        let layers = self
            .layers
            .iter()
            .filter(|layer| layer.id != Layer::GpPractice);
        for layer in layers {
            let found = if day < layer.first_data {
                Found::Unknown(Unknown::NoDataForDate)
            } else if layer.kind == LayerKind::Membership {
                self.groups_of(layer, &areas, day)
            } else {
                Found::Areas(practice.map_or_else(Vec::new, |practice| {
                    self.areas_of_practice(layer, practice, day)
                }))
            };
            areas.push((layer.id, found));
        }
        areas
    }

    fn areas_of_practice<'i>(
        &'i self,
        layer: &'i LayerIndex,
        practice: &Practice,
        day: Date,
    ) -> Vec<AreaFound<'i>> {
        let Some(row) = self.registry.row(practice.code) else {
            return Vec::new();
        };
        let memberships = self.memberships.of_practice(row, layer.id, day);
        memberships
            .filter_map(|(membership, group)| {
                let number = group?;
                Some(AreaFound {
                    area: layer.version(number, day)?,
                    basis: Basis::Membership,
                    provenance: membership.provenance,
                    edge: None,
                    number,
                })
            })
            .collect()
    }

    fn note(&self, answer: &mut Answer<'_>, query: &Query) {
        let registered = answer
            .registration
            .as_ref()
            .and_then(|it| it.practice.as_ref());
        if let (Some(Place::Postcode(postcode)), Some(registered)) = (query.place, registered) {
            let is_own = |practice| self.registry.is_address(practice, postcode);
            if is_own(registered.practice) || is_own(registered.asked) {
                answer.notes.push(Note::PracticeAddress);
            }
        }
        let entry = answer.location.and_then(|location| location.entry);
        let introduced = entry.and_then(|entry| entry.period(None).from);
        if introduced.is_some_and(|introduced| query.as_of < introduced) {
            answer.notes.push(Note::NotYetIntroduced);
        }
        if registered
            .is_some_and(|it| it.status != PracticeStatus::Closed && it.practice.closed.is_some())
        {
            answer.notes.push(Note::ClosesOn);
        }
    }
}

/// Returns the empty result of a layer, for locators without a position.
fn nothing_in(layer: &LayerIndex) -> Found<'_> {
    match (layer.id, layer.kind) {
        (Layer::GpPractice, _) => Found::Practices(Vec::new()),
        (_, LayerKind::Membership) => Found::Groups(Vec::new()),
        _ => Found::Areas(Vec::new()),
    }
}

/// Returns the areas in the result of a layer; empty if there is no such result.
pub fn areas_in<'a, 'i>(found: &'a [(Layer, Found<'i>)], layer: Layer) -> &'a [AreaFound<'i>] {
    found
        .iter()
        .find_map(|(id, found)| match found {
            Found::Areas(areas) if *id == layer => Some(areas.as_slice()),
            _ => None,
        })
        .unwrap_or_default()
}

/// The layers of communities: a patient belongs to at most one area of one of them.
const COMMUNITIES: [Layer; 2] = [Layer::Icc, Layer::NeighbourhoodTeam];

/// Returns the ids of the communities in `results`.
fn communities<'a>(found: &'a [(Layer, Found<'_>)]) -> impl Iterator<Item = &'a str> {
    let areas = COMMUNITIES.iter().flat_map(|layer| areas_in(found, *layer));
    areas.map(|found| found.area.id.as_str())
}

fn agreement(answer: &Answer<'_>) -> Agreement {
    let residence: Vec<&str> = communities(&answer.residence).collect();
    let registration = answer.registration.as_ref();
    let registration: Vec<&str> = registration
        .into_iter()
        .flat_map(|it| communities(&it.areas))
        .collect();
    let is_registered_elsewhere = answer.registration.as_ref().is_some_and(|registration| {
        let is_followed = matches!(registration.reason, None | Some(Reason::OutsideCoverage));
        let has_no_icc = registration.areas.iter().any(|(layer, found)| {
            *layer == Layer::Icc && matches!(found, Found::Areas(areas) if areas.is_empty())
        });
        is_followed && has_no_icc
    });
    match (residence.is_empty(), registration.is_empty()) {
        (true, true) => Agreement::Neither,
        (true, false) => Agreement::RegistrationOnly,
        // The practice is known and belongs to no community of the dataset.
        (false, true) if is_registered_elsewhere => Agreement::Differ,
        (false, true) => Agreement::ResidenceOnly,
        (false, false) if residence.iter().any(|id| registration.contains(id)) => Agreement::Agree,
        (false, false) => Agreement::Differ,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::world::{
        DAY, FIRST_DATA, area, at, built, code, dataset, entry, index, km, layer, of_practice,
        postcode, practice, registered, strip, succession,
    };
    use super::*;
    use crate::domain::PositionalQuality;

    fn of(text: &str) -> Query {
        at(Place::Postcode(postcode(text)))
    }

    fn of_place(east: f64, north: f64) -> Query {
        at(Place::Grid(km(east, north)))
    }

    fn found<'a, 'i>(layers: &'a [(Layer, Found<'i>)], layer: Layer) -> &'a Found<'i> {
        let found = layers.iter().find(|(id, _)| *id == layer);
        &found.expect("every layer has a result").1
    }

    /// Describes each match of a layer and its basis.
    fn words(found: &Found<'_>) -> Vec<String> {
        match found {
            Found::Areas(areas) => {
                let word = |it: &AreaFound<'_>| format!("{} {}", it.area.name, it.basis.as_str());
                areas.iter().map(word).collect()
            }
            Found::Practices(practices) => {
                let word = |it: &PracticeFound<'_>| format!("{} {:?}", it.practice.code, it.extent);
                practices.iter().map(word).collect()
            }
            Found::Groups(groups) => {
                let word = |it: &GroupFound<'_>| format!("{} via {}", it.area.id, it.via);
                groups.iter().map(word).collect()
            }
            Found::Unknown(unknown) => vec![unknown.as_str().into()],
        }
    }

    #[track_caller]
    fn check(query: Query, status: Status, layers: [&[&str]; 5]) {
        let index = index();
        let answer = index.locate(&query);
        assert_eq!(answer.status, status);
        let told: Vec<Vec<String>> = answer.residence.iter().map(|it| words(&it.1)).collect();
        assert_eq!(told, layers);
    }

    fn edge(query: &Query, layer: Layer) -> (Certainty, f64, Vec<(String, f64)>) {
        let index = index();
        let answer = index.locate(query);
        let [area] = areas_in(&answer.residence, layer) else {
            panic!("one area")
        };
        let edge = area.edge.as_ref().expect("measured");
        let others = edge.alternatives.iter();
        let others = others.map(|it| (it.area.id.clone(), it.distance_m));
        (edge.certainty, edge.distance_m, others.collect())
    }

    /// The layers are, in order: communities, sub-communities, practices, groups and ICBs.
    #[test]
    fn a_place_is_in_the_areas_that_the_directory_or_else_a_boundary_puts_it_in() {
        let first = ["A00002 Whole", "A00001 Whole"];
        check(
            of("LA1 1AA"),
            Status::Located,
            [
                &["K directory"],
                &["M boundary"],
                &first,
                &["h via m", "g via k"],
                &["WIDER boundary"],
            ],
        );
        check(
            of("LA1 1AB"),
            Status::Located,
            [
                &["L directory"],
                &["N boundary"],
                &["A00003 Inner"],
                &["none named by the source"],
                &["WIDER boundary"],
            ],
        );
        check(
            of("LA2 1AA"),
            Status::Located,
            [
                &["L directory"],
                &["N boundary"],
                &["A00003 Outer"],
                &["none named by the source"],
                &["WIDER boundary"],
            ],
        );
        check(
            of("LA1 1AD"),
            Status::Located,
            [
                &["K boundary"],
                &["N boundary"],
                &first,
                &["g via k"],
                &["WIDER boundary"],
            ],
        );
        check(
            of("LA1 1AJ"),
            Status::Located,
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
    fn off_a_generalised_coast_the_nearest_decides_as_far_as_the_layer_says() {
        let first = ["A00002 Whole", "A00001 Whole"];
        let nearest: [&[&str]; 5] = [
            &["K nearest"],
            &["M nearest"],
            &first,
            &["h via m", "g via k"],
            &[],
        ];
        check(of("LA1 1AE"), Status::Located, nearest);
        check(of_place(-0.15, 5.0), Status::Located, nearest);
        check(
            of_place(-0.150_001, 5.0),
            Status::Located,
            [&[], &["M nearest"], &[], &["h via m"], &[]],
        );
        check(
            of_place(-0.2, 5.0),
            Status::Located,
            [&[], &["M nearest"], &[], &["h via m"], &[]],
        );
        check(
            of_place(-0.200_001, 5.0),
            Status::OutsideCoverage,
            [&[], &[], &[], &[], &[]],
        );
        // The snap distance does not apply inside another area.
        check(
            of_place(5.05, 5.0),
            Status::Located,
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
    fn what_is_nowhere_has_an_empty_answer() {
        let nothing: [&[&str]; 5] = [&[], &[], &[], &[], &[]];
        check(of("LA1 1AH"), Status::NoLocation, nothing);
        check(of("LA1 9ZZ"), Status::UnknownPostcode, nothing);
        check(of("LA3 1AA"), Status::OutsideCoverage, nothing);
        check(of("LA2 1AB"), Status::OutsideCoverage, nothing);
        check(of("ZZ99 3VZ"), Status::NoFixedAbode, nothing);
        check(of("ZZ99 3WZ"), Status::AddressNotKnown, nothing);
        check(of("ZZ99 1AA"), Status::PseudoCountry, nothing);
        check(of("GIR 0AA"), Status::NoLocation, nothing);
        let mut nothing_asked = of("LA1 1AA");
        nothing_asked.place = None;
        check(nothing_asked, Status::Missing, nothing);
        let far = at(Place::LonLat(
            LonLat::new(20.0, 50.0).expect("on the Earth"),
        ));
        check(far, Status::OutsideCoverage, nothing);
        let index = index();
        let kinds = index.locate(&far).residence;
        assert!(matches!(kinds[0].1, Found::Areas(_)));
        assert!(matches!(kinds[2].1, Found::Practices(_)));
        assert!(matches!(kinds[3].1, Found::Groups(_)));
    }

    #[test]
    fn beyond_all_areas_the_nearest_community_is_told() {
        let index = index();
        let answer = index.locate(&of("LA2 1AB"));
        let [(Layer::Icc, nearest)] = answer.nearest[..] else {
            panic!("only the communities")
        };
        assert_eq!(nearest.area.id, "l");
        assert!((nearest.distance_m - 10_000.0).abs() < 1e-6);
        assert!(index.locate(&of("LA1 1AA")).nearest.is_empty());
    }

    #[test]
    fn a_practice_alone_covers_a_place_too() {
        let mut dataset = dataset();
        let (_, grounds) = dataset.boundaries.last_mut().expect("layers");
        grounds[0] = strip("A00003", 14.0, 40.0);
        let index = built(dataset);
        let answer = index.locate(&of("LA2 1AB"));
        assert_eq!(answer.status, Status::Located);
        assert!(answer.nearest.is_empty());
    }

    #[test]
    fn before_a_layers_first_data_nothing_is_known() {
        let mut query = of("LA1 1AA");
        query.as_of = FIRST_DATA.yesterday().expect("a day");
        let unknown = &["no_data_for_date"][..];
        check(query, Status::Located, [unknown; 5]);
        query.practice = Some("A00001".parse());
        let index = index();
        let answer = index.locate(&query);
        let registration = answer.registration.expect("requested");
        assert_eq!(registration.areas.len(), 4);
        for (_, found) in &registration.areas {
            assert_eq!(words(found), unknown);
        }
        assert_eq!(registration.reason, None);
        query.as_of = FIRST_DATA;
        let answer = index.locate(&query);
        assert_eq!(words(&answer.residence[0].1), ["K directory"]);
        let registration = answer.registration.expect("requested");
        assert_eq!(words(&registration.areas[0].1), ["K membership"]);
    }

    #[test]
    fn distances_are_to_the_own_boundary_and_to_those_within_the_tolerance() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        let (certainty, distance_m, others) = edge(&of("LA1 1AA"), Layer::Icc);
        assert_eq!((certainty, others), (Certainty::Inside, Vec::new()));
        assert!(close(distance_m, 1_000.0));
        // The position is coarse.
        let (certainty, distance_m, others) = edge(&of("LA1 1AB"), Layer::Icc);
        assert_eq!((certainty, others), (Certainty::NearBoundary, Vec::new()));
        assert!(close(distance_m, 4_000.0));
        let (certainty, distance_m, others) = edge(&of("LA1 1AD"), Layer::Icc);
        assert_eq!(certainty, Certainty::NearBoundary);
        assert!(close(distance_m, 40.0));
        assert_eq!(others.len(), 1);
        assert!(others[0].0 == "l" && close(others[0].1, 40.0));
        // The directory and the coastline rule override the boundary.
        let against = (Certainty::NearBoundary, 0.0, vec![("k".to_string(), 0.0)]);
        assert_eq!(edge(&of("LA1 1AJ"), Layer::Icc), against);
        let nearest = (Certainty::NearBoundary, 0.0, Vec::new());
        assert_eq!(edge(&of("LA1 1AE"), Layer::Icc), nearest);
        // A distance of exactly the tolerance counts as inside.
        let certainty = |east| edge(&of_place(east, 5.0), Layer::Icc).0;
        assert_eq!(certainty(9.9), Certainty::Inside);
        assert_eq!(certainty(9.900_001), Certainty::NearBoundary);
        // Near a border, the directory may give the other side, which is then an alternative at
        // distance 0.
        let mut dataset = dataset();
        dataset.postcodes[7].position = Some(km(9.99, 9.0));
        let index = built(dataset);
        let answer = index.locate(&of("LA1 1AJ"));
        let [area] = areas_in(&answer.residence, Layer::Icc) else {
            panic!("one area")
        };
        let others = &area.edge.as_ref().expect("measured").alternatives;
        let others: Vec<(&str, f64)> = others
            .iter()
            .map(|it| (it.area.id.as_str(), it.distance_m))
            .collect();
        assert_eq!(others, [("k", 0.0)]);
    }

    #[test]
    fn what_is_found_does_not_depend_on_what_is_measured() {
        let index = index();
        let measured = [Layer::Icc].into_iter().collect();
        let answer = index.locate_measuring(&of("LA1 1AA"), measured);
        let whole = index.locate(&of("LA1 1AA"));
        for ((layer, some), (_, all)) in answer.residence.iter().zip(&whole.residence) {
            assert_eq!(words(some), words(all));
            match (some, all) {
                (Found::Areas(some), Found::Areas(all)) => {
                    assert_eq!(some[0].edge.is_some(), *layer == Layer::Icc);
                    assert!(all[0].edge.is_some());
                }
                (Found::Practices(some), Found::Practices(all)) => {
                    assert!(some.iter().all(|it| it.distance_m.is_none()));
                    assert!(all.iter().all(|it| it.distance_m.is_some()));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn practices_come_by_share_then_by_code_with_the_nearest_building() {
        let mut dataset = dataset();
        dataset.assignments[3].share = Some(0.75);
        let index = built(dataset);
        let answer = index.locate(&of("LA1 1AA"));
        let Found::Practices(practices) = found(&answer.residence, Layer::GpPractice) else {
            panic!("practices")
        };
        let told = practices.iter().map(|it| {
            (
                it.practice.code.to_string(),
                it.share,
                it.distance_m,
                it.provenance,
                it.basis,
            )
        });
        let told: Vec<_> = told.collect();
        let modelled = |text: &str, distance_m| {
            (
                text.to_string(),
                Some(0.75),
                Some(distance_m),
                Provenance::Modelled,
                Basis::Directory,
            )
        };
        assert_eq!(told, [modelled("A00001", 0.0), modelled("A00002", 2_000.0)]);
        let answer = index.locate(&of("LA2 1AA"));
        let Found::Practices(practices) = found(&answer.residence, Layer::GpPractice) else {
            panic!("practices")
        };
        assert_eq!(practices[0].provenance, Provenance::Official);
        assert_eq!(practices[0].basis, Basis::Boundary);
        assert_eq!(practices[0].share, None);
    }

    #[test]
    fn a_place_is_told_as_it_was_asked_for() {
        let index = index();
        let lonlat = LonLat::new(-3.27, 54.21).expect("on the Earth");
        let (status, location) = index.place(Place::LonLat(lonlat), DAY);
        let location = location.expect("known");
        assert_eq!(status, Status::Located);
        assert_eq!(location.lonlat().map(LonLat::lon), Some(-3.27));
        assert_eq!(location.grid, geodesy::to_grid(lonlat));
        let (_, location) = index.place(Place::Grid(km(1.0, 1.0)), DAY);
        let location = location.expect("known");
        assert!(location.entry.is_none() && !location.is_terminated);
        let there = geodesy::to_lonlat(km(1.0, 1.0)).expect("on the grid");
        assert_eq!(location.lonlat().map(LonLat::lat), Some(there.lat()));
        let (status, location) = index.place(Place::Postcode(postcode("LA1 1AF")), DAY);
        let location = location.expect("known");
        assert_eq!((status, location.is_terminated), (Status::Terminated, true));
        assert_eq!(location.grid, Some(km(2.0, 2.0)));
        assert!(location.entry.is_some());
    }

    #[test]
    fn nothing_of_what_was_asked_is_printed() {
        let index = index();
        let answer = index.locate(&Query {
            practice: Some("A00001".parse()),
            ..of("LA1 1AA")
        });
        assert_eq!(format!("{answer:?}"), "Answer { status: Located, .. }");
        let location = answer.location.expect("known");
        assert_eq!(format!("{location:?}"), "Location(…)");
        let registration = answer.registration.expect("requested");
        assert_eq!(format!("{registration:?}"), "Registration(…)");
    }

    #[test]
    fn words_on_the_wire() {
        let unknown = [
            (Unknown::NoneNamed, "none named by the source"),
            (Unknown::NoSource, "no source"),
            (Unknown::NoDataForDate, "no_data_for_date"),
        ];
        for (it, word) in unknown {
            assert_eq!(it.as_str(), word);
        }
        let reasons = [
            (Reason::Missing, "missing"),
            (Reason::Malformed, "malformed"),
            (Reason::DefaultCode, "default_code"),
            (Reason::UnknownPractice, "unknown_practice"),
            (Reason::NotAGpPractice, "not_a_gp_practice"),
            (Reason::ClosedNoSuccessor, "closed_no_successor"),
            (Reason::SuccessionCycle, "succession_cycle"),
            (Reason::OutsideCoverage, "outside_coverage"),
        ];
        for (it, word) in reasons {
            assert_eq!(it.as_str(), word);
        }
        let notes = [
            (Note::PracticeAddress, "practice_address"),
            (Note::NotYetIntroduced, "not_yet_introduced"),
            (Note::ClosesOn, "closes_on"),
        ];
        for (it, word) in notes {
            assert_eq!(it.as_str(), word);
        }
    }

    #[test]
    fn a_registration_is_with_the_practice_that_has_the_patients() {
        let index = index();
        let answer = index.locate(&registered("A00004"));
        assert_eq!(answer.status, Status::Missing);
        let registration = answer.registration.expect("requested");
        assert_eq!(registration.reason, None);
        let told: Vec<Vec<String>> = registration.areas.iter().map(|it| words(&it.1)).collect();
        assert_eq!(
            told,
            [vec!["K membership"], vec![], vec!["g via k"], vec![]]
        );
        let communities = areas_in(&registration.areas, Layer::Icc);
        assert_eq!(communities[0].provenance, Provenance::Derived);
        assert!(communities[0].edge.is_none());
        let practice = registration.practice.expect("known");
        assert_eq!(practice.practice.code, code("A00001"));
        assert_eq!(practice.status, PracticeStatus::Active);
        assert_eq!(practice.asked.code, code("A00004"));
        assert_eq!(practice.asked_status, PracticeStatus::Closed);
        assert_eq!(practice.branch_is_listed, None);
        assert_eq!(practice.successors, [succession("A00004", "A00001")]);
    }

    #[test]
    fn groups_are_unknown_where_the_source_names_none_or_says_nothing() {
        let mut silent = dataset();
        // The source does not list area l.
        silent.memberships.remove(4);
        let silent = built(silent);
        let groups = |index: &Index, text| -> Vec<String> {
            let registration = index.locate(&registered(text)).registration;
            let areas = registration.expect("requested").areas;
            words(found(&areas, Layer::ResilienceGroup))
        };
        assert_eq!(groups(&silent, "A00002"), ["no source"]);
        assert_eq!(groups(&index(), "A00002"), ["none named by the source"]);
        // Without an area, the group is not unknown but absent.
        assert_eq!(groups(&silent, "A00006"), [""; 0]);
    }

    #[track_caller]
    fn check_reason(text: &str, expected: Option<Reason>) {
        let index = index();
        let registration = index.locate(&registered(text)).registration;
        let registration = registration.expect("requested");
        assert_eq!(registration.reason, expected);
        let is_none = |reason| {
            let unlisted = [Reason::ClosedNoSuccessor, Reason::OutsideCoverage];
            !unlisted.contains(&reason)
        };
        assert_eq!(
            registration.practice.is_none(),
            expected.is_some_and(is_none)
        );
    }

    #[test]
    fn an_empty_registration_says_why() {
        check_reason("A00001", None);
        check_reason("", Some(Reason::Missing));
        check_reason("A-1", Some(Reason::Malformed));
        check_reason("V81999", Some(Reason::DefaultCode));
        check_reason("X99999", Some(Reason::UnknownPractice));
        check_reason("Y00001", Some(Reason::NotAGpPractice));
        check_reason("A00005", Some(Reason::ClosedNoSuccessor));
        check_reason("A00006", Some(Reason::OutsideCoverage));
        let mut round = dataset();
        round.successions.push(succession("A00005", "A00005"));
        let index = built(round);
        let registration = index.locate(&registered("A00005")).registration;
        let registration = registration.expect("requested");
        assert_eq!(registration.reason, Some(Reason::SuccessionCycle));
        assert_eq!(
            registration.practice.map(|it| it.practice.code),
            Some(code("A00005"))
        );
        assert!(areas_in(&registration.areas, Layer::Icc).is_empty());
    }

    #[test]
    fn a_team_is_a_community_too() {
        let mut dataset = dataset();
        let entry = layer(Layer::NeighbourhoodTeam, LayerKind::Partition);
        dataset.manifest.layers.push(entry);
        dataset.areas.push(area(Layer::NeighbourhoodTeam, "t"));
        let member = of_practice("A00006", Layer::NeighbourhoodTeam, Some("t"));
        dataset.memberships.push(member);
        let index = built(dataset);
        let answer = index.locate(&registered("A00006"));
        assert_eq!(answer.registration.and_then(|it| it.reason), None);
        assert_eq!(answer.agreement, Agreement::RegistrationOnly);
    }

    #[test]
    fn without_communities_nobody_is_outside_them() {
        let mut dataset = dataset();
        dataset.manifest.layers.retain(|it| it.id != "icc");
        let index = built(dataset);
        let answer = index.locate(&registered("A00006"));
        assert_eq!(answer.registration.and_then(|it| it.reason), None);
    }

    #[test]
    fn a_branch_is_its_practice() {
        let mut dataset = dataset();
        dataset.practices.push(practice("A00001002"));
        let index = built(dataset);
        let listed = |text| {
            let registration = index.locate(&registered(text)).registration;
            let practice = registration.expect("requested").practice.expect("known");
            (practice.practice.code, practice.branch_is_listed)
        };
        assert_eq!(listed("A00001001"), (code("A00001"), Some(false)));
        assert_eq!(listed("A00001002"), (code("A00001"), Some(true)));
    }

    #[test]
    fn residence_and_registration_agree_or_they_do_not() {
        let index = index();
        let agreement = |place: Option<&str>, practice: Option<&str>| {
            let place = place.map(|text| Place::Postcode(postcode(text)));
            let query = Query {
                place,
                practice: practice.map(str::parse),
                as_of: DAY,
            };
            index.locate(&query).agreement
        };
        let (home, away) = (Some("LA1 1AA"), Some("LA2 1AB"));
        assert_eq!(agreement(home, Some("A00001")), Agreement::Agree);
        assert_eq!(agreement(home, Some("A00002")), Agreement::Differ);
        // The practice belongs to no community of the dataset.
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
    fn who_belongs_to_no_community_that_is_known_on_the_day_does_not_differ() {
        let mut dataset = dataset();
        // Data of neighbourhood teams start before data of ICCs.
        dataset.manifest.layers[4].first_data = "2026-01-01".into();
        let teams = layer(Layer::NeighbourhoodTeam, LayerKind::Partition);
        dataset.manifest.layers.push(teams);
        dataset.areas.push(area(Layer::NeighbourhoodTeam, "t"));
        let ground = (Layer::NeighbourhoodTeam, vec![strip("t", 0.0, 20.0)]);
        dataset.boundaries.push(ground);
        let index = built(dataset);
        let answer = index.locate(&Query {
            practice: Some("A00006".parse()),
            ..of("LA1 1AA")
        });
        assert_eq!(answer.agreement, Agreement::ResidenceOnly);
    }

    #[test]
    fn notes_tell_what_else_should_be_known() {
        let mut dataset = dataset();
        dataset.practices[1].postcode = Some(postcode("LA1 1AA"));
        dataset.premises[4].postcode = Some(postcode("LA2 1AA"));
        let index = built(dataset);
        let notes = |text: &str, practice: Option<&str>, as_of| {
            let query = Query {
                place: Some(Place::Postcode(postcode(text))),
                practice: practice.map(str::parse),
                as_of,
            };
            index.locate(&query).notes
        };
        let address = [Note::PracticeAddress];
        assert_eq!(notes("LA1 1AA", Some("A00001"), DAY), address);
        assert_eq!(notes("LA1 1AB", Some("A00001"), DAY), []);
        assert_eq!(notes("LA1 1AA", None, DAY), []);
        // The address of the responsible practice, and that of the requested one.
        assert_eq!(notes("LA1 1AA", Some("A00004"), DAY), address);
        assert_eq!(notes("LA2 1AA", Some("A00004"), DAY), address);
        assert_eq!(notes("LA2 1AA", Some("A00001"), DAY), []);
        let introduced = date(2025, 6, 1);
        let before = introduced.yesterday().expect("a day");
        assert_eq!(notes("LA1 1AG", None, before), [Note::NotYetIntroduced]);
        assert_eq!(notes("LA1 1AG", None, introduced), []);
        assert_eq!(notes("LA1 1AB", Some("A00002"), DAY), [Note::ClosesOn]);
        assert_eq!(notes("LA1 1AB", Some("A00002"), date(2026, 4, 1)), []);
        assert_eq!(notes("LA1 1AB", Some("A00005"), DAY), []);
    }

    #[test]
    fn only_areas_of_that_layer_are_areas_in_it() {
        let index = index();
        let answer = index.locate(&of("LA1 1AA"));
        let ids = |layer| -> Vec<&str> {
            let areas = areas_in(&answer.residence, layer).iter();
            areas.map(|it| it.area.id.as_str()).collect()
        };
        assert_eq!(ids(Layer::Icc), ["k"]);
        assert_eq!(ids(Layer::SubCommunity), ["m"]);
        assert_eq!(ids(Layer::ResilienceGroup), [""; 0]);
        assert_eq!(ids(Layer::Pcn), [""; 0]);
    }

    #[test]
    fn a_large_user_is_not_safely_inside() {
        let mut dataset = dataset();
        let mut user = entry("LA2 1AD", Some(km(1.0, 1.0)), Some(0));
        (user.is_large_user, user.positional_quality) = (true, PositionalQuality::new(10));
        dataset.postcodes.insert(10, user);
        let index = built(dataset);
        let answer = index.locate(&of("LA2 1AD"));
        let area = &areas_in(&answer.residence, Layer::Icc)[0];
        let edge = area.edge.as_ref().expect("measured");
        assert_eq!(edge.certainty, Certainty::NearBoundary);
    }
}
