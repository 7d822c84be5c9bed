//! The look-up between areas. The look-up contains, for each area of a layer, the areas of every
//! other layer to which the area belongs.
//!
//! If two layers are defined on the same statistical areas, each of their areas consists of whole
//! statistical areas, and the answer is exact. For other pairs of layers, the live postcodes of the
//! area are counted. The answer is the area that contains the most live postcodes, with the share
//! of these postcodes.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use jiff::civil::Date;

use super::Index;
use super::answer::{AreaMatch, LayerResult};
use super::facts::intersection;
use super::layer::LayerIndex;
use super::residence::ResolvedPosition;
use crate::domain::{
    Area, Basis, Layer, LayerKind, LayerRole, LayerSet, Period, PostcodeEntry, PostcodeStatus,
    PracticeStatus,
};
use crate::parallel::parallel_map_on;

/// An area, with the areas of the other layers to which it belongs.
#[derive(Debug)]
pub struct AreaLookUp<'i> {
    /// The area, in the version valid on the day.
    pub area: &'i Area,
    /// The number of live postcodes in the area.
    pub live_postcodes: usize,
    /// The areas of each other layer, in the order of answers.
    pub others: Vec<(Layer, ContainingAreas<'i>)>,
}

/// The areas of a layer to which an area of another layer belongs.
#[derive(Debug, Default, PartialEq)]
pub struct ContainingAreas<'i> {
    /// The areas, in the version valid on the day. There is at most one, unless areas of the layer
    /// overlap.
    pub areas: Vec<&'i Area>,
    /// The share of the live postcodes that are in these areas; `None` if both layers are defined
    /// on the same statistical areas, so that the answer is exact, or if the areas are not known.
    pub share: Option<f64>,
    /// The days on which the answer is valid, as far as they are known: the days on which the
    /// area's version is valid and, for an exact answer, on which the statistical areas are
    /// assigned to the area. `None` unless there is exactly one area.
    pub period: Option<Period>,
}

/// The numbers of live postcodes of an area, by their areas in each layer.
#[derive(Default)]
struct PostcodeCounts {
    total: usize,
    /// For each layer of the index, the number of postcodes by the ordinals of their areas.
    by_layer: Vec<HashMap<Vec<u32>, usize>>,
}

impl PostcodeCounts {
    fn add(&mut self, other: PostcodeCounts) {
        self.total += other.total;
        if self.by_layer.is_empty() {
            self.by_layer = other.by_layer;
            return;
        }
        for (own, other) in self.by_layer.iter_mut().zip(other.by_layer) {
            for (ordinals, count) in other {
                *own.entry(ordinals).or_default() += count;
            }
        }
    }

    /// Returns the areas of the layer at `position` that contain the most postcodes, and the share
    /// of these postcodes. If the layer is a partition and most postcodes are in no area, returns
    /// no area, as a look-up by the code of a statistical area does.
    fn most(&self, position: usize, kind: LayerKind) -> Option<(&[u32], f64)> {
        let counts = self.by_layer.get(position)?;
        let uncovered = counts.get([].as_slice()).copied().unwrap_or_default();
        let covered = counts.iter().filter(|(ordinals, _)| !ordinals.is_empty());
        // If several numbers are equal, use the first areas in order of id.
        let (ordinals, count) = covered.max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)))?;
        if kind == LayerKind::Partition && uncovered >= *count {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "there are fewer than 2^52 postcodes"
        )]
        let share = *count as f64 / self.total as f64;
        Some((ordinals, share))
    }
}

impl Index {
    /// Returns, for each area of a layer on a day, in order of id, the areas of every other layer to
    /// which it belongs; `None` if the dataset does not contain the layer. Every live postcode is
    /// looked up, on several threads.
    pub fn area_look_up(
        &self,
        layer: Layer,
        day: Date,
        threads: NonZeroUsize,
    ) -> Option<Vec<AreaLookUp<'_>>> {
        let position = self.layers.iter().position(|index| index.id == layer)?;
        let index = &self.layers[position];
        let mut rows_of_area: Vec<Vec<u32>> = vec![Vec::new(); index.area_count()];
        let rows = (0..).take(self.statistical_areas.codes.len());
        for row in rows.filter(|_| is_wholly_assigned(index)) {
            for assignment in index.assignments_on(row, day) {
                rows_of_area[assignment.ordinal as usize].push(row);
            }
        }
        let counts = self.count_postcodes(position, day, threads);
        let is_assigned: Vec<bool> = self.layers.iter().map(is_wholly_assigned).collect();
        let by_ordinal = (0..).zip(rows_of_area.iter().zip(&counts));
        let look_ups = by_ordinal.filter_map(|(ordinal, (rows, counts))| {
            Some(AreaLookUp {
                area: index.version(ordinal, day)?,
                live_postcodes: counts.total,
                others: self.containing_areas(position, rows, counts, &is_assigned, day),
            })
        });
        Some(look_ups.collect())
    }

    /// Counts the live postcodes of each area of the layer at `position`, by the area's ordinal.
    fn count_postcodes(
        &self,
        position: usize,
        day: Date,
        threads: NonZeroUsize,
    ) -> Vec<PostcodeCounts> {
        let is_counted = |entry: &PostcodeEntry| {
            entry.postcode.special().is_none()
                && self.postcode_status(entry, day) == PostcodeStatus::Live
        };
        let entries: Vec<PostcodeEntry> = self.postcodes().filter(is_counted).collect();
        let chunk_size = entries.len().div_ceil(threads.get()).max(1);
        let partial = parallel_map_on(threads, entries.chunks(chunk_size).collect(), |chunk| {
            self.count_chunk(position, chunk, day)
        });
        let mut totals = Vec::new();
        totals.resize_with(self.layers[position].area_count(), PostcodeCounts::default);
        for (ordinal, counts) in partial.into_iter().flatten() {
            totals[ordinal as usize].add(counts);
        }
        totals
    }

    fn count_chunk(
        &self,
        position: usize,
        entries: &[PostcodeEntry],
        day: Date,
    ) -> HashMap<u32, PostcodeCounts> {
        let mut counts: HashMap<u32, PostcodeCounts> = HashMap::new();
        for entry in entries {
            let Some(resolved) = ResolvedPosition::of_entry(entry) else {
                continue;
            };
            let results = self.residence_at(&resolved, day, LayerSet::ALL, LayerSet::NONE);
            let ordinals: Vec<Vec<u32>> = results
                .iter()
                .map(|(_, result)| self.ordinals_of(result))
                .collect();
            for own in &ordinals[position] {
                let counts = counts.entry(*own).or_default();
                counts.total += 1;
                counts.by_layer.resize_with(self.layers.len(), HashMap::new);
                for (by_areas, ordinals) in counts.by_layer.iter_mut().zip(&ordinals) {
                    match by_areas.get_mut(ordinals) {
                        Some(count) => *count += 1,
                        None => {
                            by_areas.insert(ordinals.clone(), 1);
                        }
                    }
                }
            }
        }
        counts
    }

    /// Returns the ordinals of the areas in the result for a layer.
    fn ordinals_of(&self, result: &LayerResult<'_>) -> Vec<u32> {
        match result {
            LayerResult::Areas(areas) => areas.iter().map(|found| found.ordinal).collect(),
            LayerResult::Practices(practices) => {
                let rows = practices.iter();
                // Each practice is an area of this layer, and both are sorted by code.
                let rows = rows.filter_map(|found| self.registry.row(found.practice.code));
                rows.filter_map(|row| u32::try_from(row).ok()).collect()
            }
            // The groups are determined later from the areas.
            LayerResult::Groups(_) | LayerResult::Unknown(_) => Vec::new(),
        }
    }

    /// Given the statistical areas and the live postcodes of an area of the layer at `position`,
    /// returns the areas of every other layer to which the area belongs.
    fn containing_areas(
        &self,
        position: usize,
        rows: &[u32],
        counts: &PostcodeCounts,
        is_assigned: &[bool],
        day: Date,
    ) -> Vec<(Layer, ContainingAreas<'_>)> {
        let found: Vec<ContainingAreas<'_>> = self
            .layers
            .iter()
            .enumerate()
            .map(|(other, layer)| {
                let exact = is_assigned[other].then(|| self.exact_areas(layer, rows, day));
                exact.flatten().unwrap_or_else(|| {
                    most_frequent_areas(layer, counts.most(other, layer.kind), day)
                })
            })
            .collect();
        let groups = self.groups_of_areas(&found, day);
        let all = self
            .layers
            .iter()
            .enumerate()
            .zip(found.into_iter().zip(groups));
        all.filter(|((other, _), _)| *other != position)
            .map(|((_, layer), (areas, groups))| (layer.id, groups.unwrap_or(areas)))
            .collect()
    }

    /// Returns the areas to which all of these statistical areas are assigned; `None` if the
    /// statistical areas are assigned to different areas, or if there are no statistical areas.
    fn exact_areas<'i>(
        &'i self,
        layer: &'i LayerIndex,
        rows: &[u32],
        day: Date,
    ) -> Option<ContainingAreas<'i>> {
        if day < layer.first_data {
            return Some(ContainingAreas::default());
        }
        let of_row = |row: &u32| self.assigned_areas(layer, *row, day);
        let (first, others) = rows.split_first()?;
        let ordinals = of_row(first);
        if others.iter().any(|row| of_row(row) != ordinals) {
            return None;
        }
        let versions = ordinals.iter();
        let areas: Vec<&Area> = versions
            .filter_map(|ordinal| layer.version(*ordinal, day))
            .collect();
        let period = match (ordinals.as_slice(), areas.as_slice()) {
            ([ordinal], [area]) => {
                let of_rows = rows
                    .iter()
                    .map(|row| assigned_period(layer, *row, *ordinal, day));
                Some(of_rows.fold(period_of_version(area), intersection))
            }
            _ => None,
        };
        Some(ContainingAreas {
            areas,
            share: None,
            period,
        })
    }

    /// Returns the ordinals of the areas to which a statistical area is assigned on a day. Practices
    /// that are not active are omitted, and the practice with the largest share comes first.
    fn assigned_areas(&self, layer: &LayerIndex, row: u32, day: Date) -> Vec<u32> {
        let is_of_practices = layer.role == LayerRole::PracticeCatchment;
        let mut assigned: Vec<(f64, u32)> = layer
            .assignments_on(row, day)
            .filter(|assignment| {
                let practice = &self.registry.practices().get(assignment.ordinal as usize);
                !is_of_practices
                    || practice.is_some_and(|found| found.status_on(day) == PracticeStatus::Active)
            })
            .map(|assignment| (assignment.share.unwrap_or(0.0), assignment.ordinal))
            .collect();
        assigned.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        assigned.dedup_by_key(|(_, ordinal)| *ordinal);
        assigned.into_iter().map(|(_, ordinal)| ordinal).collect()
    }

    /// Returns, for each layer of groups, the groups of the areas that were found; `None` for other
    /// kinds of layers.
    fn groups_of_areas<'i>(
        &'i self,
        found: &[ContainingAreas<'i>],
        day: Date,
    ) -> Vec<Option<ContainingAreas<'i>>> {
        let mut results: Vec<(Layer, LayerResult<'i>)> = Vec::new();
        for (layer, areas) in self.layers.iter().zip(found) {
            let result = if layer.kind == LayerKind::Membership {
                LayerResult::Groups(Vec::new())
            } else if layer.role == LayerRole::PracticeCatchment {
                LayerResult::Practices(Vec::new())
            } else {
                let areas = areas.areas.iter();
                LayerResult::Areas(areas.filter_map(|area| area_match(layer, area)).collect())
            };
            results.push((layer.id, result));
        }
        self.add_groups(&mut results, day);
        let of_layer = |(layer, (_, result)): (&LayerIndex, (Layer, LayerResult<'i>))| {
            if layer.kind != LayerKind::Membership {
                return None;
            }
            let LayerResult::Groups(groups) = result else {
                return Some(ContainingAreas::default());
            };
            let mut areas: Vec<&Area> = Vec::new();
            for group in groups {
                if !areas.iter().any(|known| known.id == group.area.id) {
                    areas.push(group.area);
                }
            }
            // The share for a group is the share for the areas that belong to the group.
            let members = found.iter().zip(&layer.has_members_in);
            let members = members.filter(|(areas, has)| **has && !areas.areas.is_empty());
            let shares = members.filter_map(|(areas, _)| areas.share);
            Some(ContainingAreas {
                share: shares.reduce(f64::min).filter(|_| !areas.is_empty()),
                areas,
                period: None,
            })
        };
        self.layers.iter().zip(results).map(of_layer).collect()
    }
}

/// Returns whether only statistical areas, and neither boundaries nor the directory, determine which
/// places are in the areas of a layer.
fn is_wholly_assigned(layer: &LayerIndex) -> bool {
    let mut ordinals = (0..).take(layer.area_count());
    layer.uses_statistical_areas
        && layer.postcode_column.is_none()
        && ordinals
            .all(|ordinal| layer.boundaries_of(ordinal).is_empty() || layer.is_assigned(ordinal))
}

fn most_frequent_areas<'i>(
    layer: &'i LayerIndex,
    most: Option<(&[u32], f64)>,
    day: Date,
) -> ContainingAreas<'i> {
    let Some((ordinals, share)) = most else {
        return ContainingAreas::default();
    };
    let versions = ordinals.iter();
    let areas: Vec<&Area> = versions
        .filter_map(|ordinal| layer.version(*ordinal, day))
        .collect();
    ContainingAreas {
        period: match areas.as_slice() {
            [area] => Some(period_of_version(area)),
            _ => None,
        },
        areas,
        share: Some(share),
    }
}

fn area_match<'i>(layer: &LayerIndex, area: &'i Area) -> Option<AreaMatch<'i>> {
    Some(AreaMatch {
        area,
        basis: Basis::Directory,
        provenance: area.provenance,
        proximity: None,
        model_share: None,
        disputed_with: Vec::new(),
        shares: None,
        ordinal: layer.ordinal(&area.id)?,
    })
}

fn period_of_version(area: &Area) -> Period {
    Period {
        from: area.period.from,
        to: area.known_end(),
    }
}

/// Returns the longest period around a day in which a statistical area is assigned to an area
/// without interruption.
fn assigned_period(layer: &LayerIndex, row: u32, ordinal: u32, day: Date) -> Period {
    let assignments = layer.all_assignments_of(row);
    let periods = assignments.filter(|assignment| assignment.ordinal == ordinal);
    let periods: Vec<Period> = periods.map(|assignment| assignment.period).collect();
    let around = periods.iter().find(|period| period.contains(day));
    let mut around = around.copied().unwrap_or_default();
    loop {
        let before = periods
            .iter()
            .find(|period| around.from.is_some() && period.to == around.from);
        let after = periods
            .iter()
            .find(|period| around.to.is_some() && period.from == around.to);
        match (before, after) {
            (Some(before), _) => around.from = before.from,
            (_, Some(after)) => around.to = after.to,
            (None, None) => return around,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::super::test_dataset::{
        DAY, FIRST_DATA, area, assignment, build, dataset, from, index, layer_entry, until,
    };
    use super::*;
    use crate::domain::{StatisticalAssignment, layers};

    /// Describes the look-up of a layer: `k: 3 postcodes, icb=north 0.67, …`.
    fn describe(index: &Index, layer: Layer) -> Vec<String> {
        let threads = NonZeroUsize::new(3).expect("three");
        let look_ups = index.area_look_up(layer, DAY, threads).expect("a layer");
        let describe_areas = |(layer, found): &(Layer, ContainingAreas<'_>)| {
            let ids: Vec<&str> = found.areas.iter().map(|area| area.id.as_str()).collect();
            let share = found.share.map(|share| format!(" {share:.2}"));
            format!("{layer}={}{}", ids.join("+"), share.unwrap_or_default())
        };
        look_ups
            .iter()
            .map(|found| {
                let others: Vec<String> = found.others.iter().map(describe_areas).collect();
                let (id, count) = (&found.area.id, found.live_postcodes);
                format!("{id}: {count} postcodes, {}", others.join(", "))
            })
            .collect()
    }

    fn zones() -> Layer {
        Layer::declare("zones").expect("an id")
    }

    /// Returns the test dataset with a layer of areas Z0 (S0) and Z1 (S1 and S2).
    fn with_zones() -> crate::domain::Dataset {
        let mut dataset = dataset();
        let mut entry = layer_entry(zones(), LayerKind::Partition);
        (entry.role, entry.on_statistical_areas) = (LayerRole::Statistical, true);
        dataset.manifest.layers.push(entry);
        dataset
            .areas
            .extend(["z0", "z1"].map(|id| area(zones(), id)));
        let assigned = [("S0", "z0"), ("S1", "z1"), ("S2", "z1")];
        let assigned = assigned.map(|(code, id)| assignment(code, zones(), id, None));
        dataset.assignments.extend(assigned);
        dataset
    }

    #[test]
    fn layers_on_statistical_areas_are_exact_and_others_go_by_postcodes() {
        let expected = [
            "z0: 3 postcodes, icc=k, sub-community=m 0.67, gp-practice=A00002+A00001 1.00, \
             resilience-group=h+g 0.67, icb=north 0.67",
            "z1: 3 postcodes, icc=l, sub-community=n 1.00, gp-practice=A00003 0.67, \
             resilience-group=, icb=north 1.00",
        ];
        assert_eq!(describe(&build(with_zones()), zones()), expected);
    }

    #[test]
    fn an_area_belongs_to_none_of_a_partition_if_most_postcodes_are_in_none() {
        let most = |inside: usize, outside: usize, kind| {
            let by_areas = HashMap::from([(vec![4], inside), (Vec::new(), outside)]);
            let counts = PostcodeCounts {
                total: inside + outside,
                by_layer: vec![by_areas],
            };
            counts
                .most(0, kind)
                .map(|(areas, share)| (areas.to_vec(), share))
        };
        let found = |share| Some((vec![4], share));
        assert_eq!(most(3, 1, LayerKind::Partition), found(0.75));
        assert_eq!(most(2, 2, LayerKind::Partition), None);
        assert_eq!(most(1, 3, LayerKind::Partition), None);
        assert_eq!(most(1, 3, LayerKind::Overlapping), found(0.25));
    }

    #[test]
    fn areas_without_data_on_the_day_belong_to_nothing() {
        let index = build(with_zones());
        let before = FIRST_DATA.yesterday().expect("a day");
        let look_ups = index.area_look_up(zones(), before, NonZeroUsize::MIN);
        for found in look_ups.expect("a layer") {
            for (layer, areas) in &found.others {
                assert_eq!(*areas, ContainingAreas::default(), "{layer}");
            }
        }
    }

    #[test]
    fn an_answer_is_valid_while_the_statistical_area_is_assigned() {
        let mut dated = with_zones();
        let begun = FIRST_DATA;
        let icc = |assignment: &&mut StatisticalAssignment| {
            assignment.layer == layers::icc() && *assignment.statistical_area == *"S0"
        };
        let own = dated.assignments.iter_mut().find(icc).expect("S0 is in k");
        own.period = until(begun);
        let mut later = own.clone();
        later.period = from(begun);
        dated.assignments.push(later);
        let period = |dataset| {
            let index = build(dataset);
            let look_ups = index.area_look_up(zones(), DAY, NonZeroUsize::MIN);
            look_ups.expect("a layer")[0].others[0].1.period
        };
        assert_eq!(period(dated), Some(Period::default()));
        let mut ended = with_zones();
        let own = ended.assignments.iter_mut().find(icc).expect("S0 is in k");
        own.period = from(begun);
        assert_eq!(period(ended), Some(from(begun)));
    }

    #[test]
    fn a_layer_that_the_dataset_does_not_have_has_no_look_up() {
        let index = index();
        let look_up = index.area_look_up(layers::pcn(), DAY, NonZeroUsize::MIN);
        assert!(look_up.is_none());
    }
}
