//! Residence: the areas, practices and groups of a position.

use std::cell::OnceCell;

use jiff::civil::Date;

use super::Index;
use super::answer::{
    AreaMatch, DisputedArea, GroupMatch, LayerResult, LocateAnswer, Location, NearbyArea,
    PracticeMatch, UnknownReason,
};
use super::layer::LayerIndex;
use crate::domain::{
    Basis, BritishGrid, CatchmentKind, Layer, LayerKind, LayerRole, LayerSet, LookupStatus,
    Postcode, PostcodeEntry, PracticeStatus, RecordIndex,
};

/// An area that includes a position.
pub(super) struct AreaHit {
    /// The area's ordinal.
    pub(super) ordinal: u32,
    pub(super) basis: Basis,
    pub(super) share: Option<f64>,
    pub(super) catchment_kind: CatchmentKind,
}

/// A position, with the directory's data about it.
pub(super) struct ResolvedPosition {
    pub(super) position: BritishGrid,
    /// The postcode, if the position is the position of a postcode.
    pub(super) postcode: Option<Postcode>,
    /// The row of the statistical area to which the directory assigns the postcode.
    statistical_area: Option<u32>,
    /// The row of the postcode's other codes in the directory, if they are used.
    codes: Option<RecordIndex>,
    pub(super) is_coarse: bool,
    /// The tolerance in metres, once it has been calculated.
    pub(super) tolerance_m: OnceCell<f64>,
}

impl ResolvedPosition {
    pub(super) fn of_point(position: BritishGrid) -> ResolvedPosition {
        ResolvedPosition {
            position,
            postcode: None,
            statistical_area: None,
            codes: None,
            is_coarse: false,
            tolerance_m: OnceCell::new(),
        }
    }

    /// Returns the position of a home, which is in the statistical area of a row if the list of homes
    /// states one.
    pub(super) fn of_home(
        position: BritishGrid,
        statistical_area: Option<u32>,
    ) -> ResolvedPosition {
        ResolvedPosition {
            statistical_area,
            ..ResolvedPosition::of_point(position)
        }
    }

    /// Returns the position of a location, if it has one.
    pub(super) fn of_location(location: &Location) -> Option<ResolvedPosition> {
        let of_entry = location.entry.as_ref().and_then(ResolvedPosition::of_entry);
        of_entry.or_else(|| {
            let home = location.home.and_then(|home| home.statistical_area);
            Some(ResolvedPosition::of_home(location.grid?, home))
        })
    }

    /// Returns the position of a postcode, if it has one.
    pub(super) fn of_entry(entry: &PostcodeEntry) -> Option<ResolvedPosition> {
        Some(ResolvedPosition {
            postcode: Some(entry.postcode),
            statistical_area: entry.statistical_area.map(RecordIndex::get),
            codes: entry.codes,
            is_coarse: entry.is_coarse(),
            ..ResolvedPosition::of_point(entry.position?)
        })
    }
}

/// Returns whether the layers with a result determine the answer. If they do not, two facts depend
/// on all layers: whether the data cover the position, and whether an administrative area is
/// missing or unknown.
fn is_decided(residence: &[(Layer, LayerResult<'_>)], independent: LayerSet) -> bool {
    let mut is_covered = false;
    for (layer, found) in residence {
        match found {
            LayerResult::Areas(areas) if areas.is_empty() && independent.contains(*layer) => {
                return false;
            }
            LayerResult::Areas(areas) => is_covered |= !areas.is_empty(),
            LayerResult::Practices(practices) => is_covered |= !practices.is_empty(),
            LayerResult::Groups(groups) => is_covered |= !groups.is_empty(),
            LayerResult::Unknown(_) => {}
        }
    }
    is_covered
}

/// Returns whether a layer has a result, or has no data for the day.
pub(super) fn is_covered(residence: &[(Layer, LayerResult<'_>)]) -> bool {
    residence.iter().any(|(_, found)| match found {
        LayerResult::Areas(areas) => !areas.is_empty(),
        LayerResult::Practices(practices) => !practices.is_empty(),
        LayerResult::Groups(groups) => !groups.is_empty(),
        LayerResult::Unknown(unknown) => *unknown == UnknownReason::NoDataForDate,
    })
}

impl Index {
    /// Adds the result of each layer for a known location.
    pub(super) fn resolve_residence<'i>(
        &'i self,
        answer: &mut LocateAnswer<'i>,
        location: Location,
        layers: LayerSet,
        distance_layers: LayerSet,
    ) {
        answer.location = Some(location);
        let Some(position) = location.grid else {
            if answer.status == LookupStatus::Located {
                answer.status = LookupStatus::OutsideCoverage;
            }
            return;
        };
        let of_location = ResolvedPosition::of_location(&location);
        let resolved = of_location.unwrap_or_else(|| ResolvedPosition::of_point(position));
        let day = answer.as_of;
        answer.residence = self.residence_at(&resolved, day, layers, distance_layers);
        if layers != LayerSet::ALL && !is_decided(&answer.residence, self.roles.independent) {
            answer.residence = self.residence_at(&resolved, day, LayerSet::ALL, distance_layers);
        }
        if !is_covered(&answer.residence) {
            answer.status = LookupStatus::OutsideCoverage;
            answer.nearest = self.nearest_areas(position, answer.as_of);
        }
    }

    /// Returns whether an area covers a position, or may cover it on a day for which there are no
    /// data.
    pub(super) fn covers(&self, position: BritishGrid, day: Date) -> bool {
        let resolved = ResolvedPosition::of_point(position);
        is_covered(&self.residence_at(&resolved, day, LayerSet::ALL, LayerSet::NONE))
    }

    /// Returns the result of each layer, except the layers that are not in `layers` and on which no
    /// other part of the answer depends.
    pub(super) fn residence_at(
        &self,
        resolved: &ResolvedPosition,
        day: Date,
        layers: LayerSet,
        distance_layers: LayerSet,
    ) -> Vec<(Layer, LayerResult<'_>)> {
        let statistical_area = self.statistical_area_at(resolved, day);
        let mut residence: Vec<(Layer, LayerResult<'_>)> = Vec::with_capacity(self.layers.len());
        let is_included = |layer: &&LayerIndex| {
            layers.contains(layer.id) || !self.roles.independent.contains(layer.id)
        };
        for layer in self.layers.iter().filter(is_included) {
            let with_distance = distance_layers.contains(layer.id);
            let result = if day < layer.first_data {
                LayerResult::Unknown(UnknownReason::NoDataForDate)
            } else if layer.kind == LayerKind::Membership {
                // The groups are determined later from the areas, because the layers of areas may
                // follow this layer.
                LayerResult::Groups(Vec::new())
            } else if layer.role == LayerRole::PracticeCatchment {
                LayerResult::Practices(self.covering_practices(
                    layer,
                    resolved,
                    statistical_area,
                    day,
                    with_distance,
                ))
            } else {
                let areas =
                    self.covering_areas(layer, resolved, statistical_area, day, with_distance);
                match self.unknown_without_directory(layer, resolved, statistical_area) {
                    Some(reason) if areas.is_empty() => LayerResult::Unknown(reason),
                    _ => LayerResult::Areas(areas),
                }
            };
            residence.push((layer.id, result));
        }
        self.add_groups(&mut residence, day);
        self.mark_unknown_administrative_areas(&mut residence);
        residence
    }

    /// Returns the reason why the area is unknown if no area was found for a position within the
    /// area of the dataset. In a layer that is based on the directory, areas may have no boundary.
    fn unknown_without_directory(
        &self,
        layer: &LayerIndex,
        resolved: &ResolvedPosition,
        statistical_area: Option<(u32, Basis)>,
    ) -> Option<UnknownReason> {
        layer.postcode_column?;
        let (row, _) = statistical_area?;
        let boundaries = self.statistical_areas.boundary_index.boundaries();
        if row as usize >= boundaries.len() {
            return None;
        }
        Some(match resolved.postcode {
            Some(_) => UnknownReason::NoSource,
            None => UnknownReason::NoBoundary,
        })
    }

    /// Returns the basis on which a postcode, given by its entry, is in an area on a day, as
    /// [`Index::locate`] would report it; `None` if the postcode is not in the area.
    pub(super) fn basis_in_area(
        &self,
        (layer, ordinal): (&LayerIndex, u32),
        entry: &PostcodeEntry,
        day: Date,
    ) -> Option<Basis> {
        let resolved = ResolvedPosition::of_entry(entry)?;
        let statistical_area = self.statistical_area_at(&resolved, day);
        let covering = layer.covering(resolved.position, day);
        let mut hits =
            Self::area_hits(layer, &resolved, statistical_area, &covering, day).into_iter();
        hits.find(|hit| hit.ordinal == ordinal).map(|hit| hit.basis)
    }

    /// Returns the row of the statistical area of a position, and the basis on which the
    /// statistical area was found.
    pub(super) fn statistical_area_at(
        &self,
        resolved: &ResolvedPosition,
        day: Date,
    ) -> Option<(u32, Basis)> {
        if let Some(row) = resolved.statistical_area {
            return Some((row, Basis::Directory));
        }
        let statistical = &self.statistical_areas.boundary_index;
        if let [row] = statistical.covering(resolved.position, day)[..] {
            return Some((row, Basis::Boundary));
        }
        let snap_m = self.statistical_areas.snap_m;
        let (row, _) = statistical.nearest_within(resolved.position, snap_m, day)?;
        Some((row, Basis::Nearest))
    }

    /// Returns the layer's areas that include a position: the area that the directory states for
    /// the postcode or, if it does not state one, the areas to which the statistical area is
    /// assigned and the areas whose own boundary covers the position. If no area includes the
    /// position, and the position is just off a generalised coastline, returns the area with the
    /// nearest boundary. `covering` lists the boundaries that cover the position.
    pub(super) fn area_hits(
        layer: &LayerIndex,
        resolved: &ResolvedPosition,
        statistical_area: Option<(u32, Basis)>,
        covering: &[u32],
        day: Date,
    ) -> Vec<AreaHit> {
        let position = resolved.position;
        let row = statistical_area.map(|(row, _)| row);
        if let Some(ordinal) = layer.area_in_directory(resolved.codes, row) {
            return vec![AreaHit {
                ordinal,
                basis: Basis::Directory,
                share: None,
                catchment_kind: CatchmentKind::Whole,
            }];
        }
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
            let boundary_index = &layer.boundary_index;
            let nearest = boundary_index.nearest_within(position, layer.snap_m, day);
            hits.extend(nearest.map(|(hit, _)| boundary_hit(hit, Basis::Nearest)));
        }
        // If both the inner and the outer catchment of a practice match, retain only the inner
        // catchment.
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
        let covering = layer.covering(resolved.position, day);
        let hits = Self::area_hits(layer, resolved, statistical_area, &covering, day).into_iter();
        hits.filter_map(|hit| {
            let area = layer.version(hit.ordinal, day)?;
            let (model_share, disputed_with) =
                self.model_share(layer, statistical_area, hit.ordinal, day);
            Some(AreaMatch {
                area,
                model_share,
                disputed_with,
                shares: resolved
                    .postcode
                    .and_then(|postcode| layer.shares_of_homes(postcode, hit.ordinal, day)),
                basis: hit.basis,
                provenance: area.provenance,
                proximity: (with_distance && layer.has_boundary_distances())
                    .then(|| self.boundary_proximity(layer, &hit, resolved, &covering, day)),
                ordinal: hit.ordinal,
            })
        })
        .collect()
    }

    /// Returns the modelled share of a statistical area that belongs to an area, and the other
    /// areas if the assignment is disputed.
    pub(super) fn model_share<'i>(
        &'i self,
        layer: &'i LayerIndex,
        statistical_area: Option<(u32, Basis)>,
        ordinal: u32,
        day: Date,
    ) -> (Option<f64>, Vec<DisputedArea<'i>>) {
        let share = statistical_area.and_then(|(row, _)| self.facts.model_share(layer.id, row));
        let Some(share) = share.filter(|share| share.ordinal == ordinal) else {
            return (None, Vec::new());
        };
        let others = share.disputed.iter().filter_map(|&(ordinal, share)| {
            let area = layer.version(ordinal, day)?;
            Some(DisputedArea { area, share })
        });
        (Some(share.share), others.collect())
    }

    fn covering_practices<'i>(
        &'i self,
        layer: &'i LayerIndex,
        resolved: &ResolvedPosition,
        statistical_area: Option<(u32, Basis)>,
        day: Date,
        with_distance: bool,
    ) -> Vec<PracticeMatch<'i>> {
        let covering = layer.covering(resolved.position, day);
        let hits = Self::area_hits(layer, resolved, statistical_area, &covering, day).into_iter();
        let mut practices: Vec<PracticeMatch<'i>> = hits
            .filter_map(|hit| {
                let area = layer.version(hit.ordinal, day)?;
                // Each practice is an area of this layer, and both are sorted by code.
                let row = hit.ordinal as usize;
                let practice = &self.registry.practices()[row];
                let nearest = with_distance
                    .then(|| self.registry.nearest_premises(row, resolved.position))
                    .flatten();
                Some(PracticeMatch {
                    practice,
                    basis: hit.basis,
                    provenance: area.provenance,
                    catchment_kind: hit.catchment_kind,
                    share: hit.share,
                    distance_m: nearest.map(|(_, distance_m)| distance_m),
                    premises: nearest.map(|(premises, _)| premises),
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

    /// Adds the groups to which the areas in `results` belong.
    pub(super) fn add_groups<'i>(&'i self, results: &mut [(Layer, LayerResult<'i>)], day: Date) {
        for layer in &self.roles.group_positions {
            let layer = &self.layers[*layer];
            let result = results.iter().position(|(id, _)| *id == layer.id);
            let Some(result) = result else { continue };
            if matches!(results[result].1, LayerResult::Groups(_)) {
                results[result].1 = self.groups_of(layer, results, day);
            }
        }
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
        let of_members = self.area_results(results).rev();
        let of_members = of_members.filter(|(position, _)| layer.has_members_in[*position]);
        for (layer_position, areas) in of_members {
            for member in areas {
                no_members = false;
                let memberships =
                    self.memberships
                        .of_area(layer_position, member.ordinal, layer.id, day);
                for (membership, group) in memberships {
                    none_named |= membership.group.is_none();
                    let area = group.and_then(|group| layer.version(group, day));
                    let via = member.area;
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

    /// Returns the nearest area of the main layer of communities, for a position outside all areas.
    fn nearest_areas(&self, position: BritishGrid, day: Date) -> Vec<(Layer, NearbyArea<'_>)> {
        let main = self.roles.communities.first();
        let layers = main.and_then(|layer| self.layer(*layer)).into_iter();
        layers
            .filter_map(|layer| {
                let (index, distance_m) = layer.boundary_index.nearest(position, day)?;
                let area = layer.version(layer.area_of(index), day)?;
                Some((layer.id, NearbyArea { area, distance_m }))
            })
            .collect()
    }
}
