//! Residence: the areas, practices and groups of a position.

use jiff::civil::Date;

use super::Index;
use super::answer::{
    AreaMatch, BoundaryProximity, GroupMatch, LayerResult, LocateAnswer, Location, NearbyArea,
    PracticeMatch, UnknownReason,
};
use super::layer::LayerIndex;
use crate::domain::{
    Basis, BritishGrid, CatchmentKind, Certainty, Layer, LayerKind, LayerSet, LookupStatus,
    PostcodeEntry, PracticeStatus,
};

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
    /// Adds the result of each layer for a known location.
    pub(super) fn resolve_residence<'i>(
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
    pub(super) fn groups_of<'i>(
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
}
