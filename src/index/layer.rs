//! A layer of the dataset: the versions of its areas, their boundaries, and the statistical areas
//! of which they consist.

use std::collections::HashMap;
use std::ops::Range;

use jiff::civil::Date;

use super::{IndexError, Spatial, overlap};
use crate::dataset::{LayerEntry, LayerKind};
use crate::domain::{Area, Boundary, Extent, Layer, Period, date_from_iso};

/// A layer. An area is identified by its ordinal, the position of its id among the sorted ids of
/// the layer, which is the same for all its versions.
#[derive(Debug)]
pub(super) struct LayerIndex {
    pub(super) id: Layer,
    pub(super) kind: LayerKind,
    pub(super) first_data: Date,
    pub(super) is_on_statistical_areas: bool,
    pub(super) snap_m: f64,
    pub(super) spatial: Spatial,
    /// Every version of every area, in order of id, then of time.
    versions: Vec<Area>,
    /// By ordinal.
    areas: Vec<AreaIndex>,
    /// The ordinal of the area of each boundary.
    area_of: Vec<u32>,
    /// The areas of each statistical area, by row.
    assignments: Vec<Vec<Assigned>>,
    /// The dates on which areas with geometry, or their boundaries, start or end; in order.
    changes: Vec<Date>,
}

#[derive(Debug)]
struct AreaIndex {
    versions: Range<usize>,
    boundaries: Vec<u32>,
    /// Whether it consists of statistical areas: its boundaries are for display only.
    is_assigned: bool,
}

/// The assignment of a statistical area to an area.
#[derive(Debug, Clone, Copy)]
pub(super) struct Assigned {
    /// The area's ordinal.
    pub(super) area: u32,
    /// The share of the statistical area's population that belongs to the area; `None` means all of
    /// it.
    pub(super) share: Option<f64>,
    pub(super) period: Period,
}

impl LayerIndex {
    pub(super) fn build(
        id: Layer,
        entry: &LayerEntry,
        mut versions: Vec<Area>,
        boundaries: Vec<Boundary>,
    ) -> Result<LayerIndex, IndexError> {
        versions.sort_by(|a, b| (&a.id, a.period.from).cmp(&(&b.id, b.period.from)));
        let all = versions.iter();
        check_versions(id, all.map(|area| (area.id.as_str(), area.period)))?;
        for extent in [Extent::Whole, Extent::Inner, Extent::Outer] {
            let of_extent = boundaries.iter().filter(|it| it.extent == extent);
            check_versions(id, of_extent.map(|it| (it.id.as_str(), it.period)))?;
        }
        let mut layer = LayerIndex {
            id,
            kind: entry.kind,
            first_data: first_data(entry)?,
            is_on_statistical_areas: entry.on_statistical_areas,
            snap_m: entry.snap_m,
            areas: areas_of(&versions),
            versions,
            area_of: Vec::with_capacity(boundaries.len()),
            spatial: Spatial::build(Vec::new()),
            assignments: Vec::new(),
            changes: Vec::new(),
        };
        for (at, boundary) in (0..).zip(&boundaries) {
            let number = layer.number(&boundary.id).ok_or_else(|| {
                let what = format!("a boundary of {id}");
                IndexError::NotThere {
                    what,
                    id: boundary.id.clone(),
                }
            })?;
            layer.area_of.push(number);
            layer.areas[number as usize].boundaries.push(at);
        }
        layer.changes = layer.changes_with(&boundaries);
        layer.spatial = Spatial::build(boundaries);
        Ok(layer)
    }

    fn changes_with(&self, boundaries: &[Boundary]) -> Vec<Date> {
        let with_ground = self.areas.iter().filter(|area| !area.boundaries.is_empty());
        let versions = with_ground.flat_map(|area| &self.versions[area.versions.clone()]);
        let periods = versions
            .map(|area| area.period)
            .chain(boundaries.iter().map(|boundary| boundary.period));
        let mut days: Vec<Date> = periods
            .flat_map(|period| [period.from, period.to])
            .flatten()
            .collect();
        days.sort_unstable();
        days.dedup();
        days
    }

    /// Returns how many revision dates there are up to and including a day.
    pub(super) fn changes_until(&self, day: Date) -> usize {
        self.changes.partition_point(|&change| change <= day)
    }

    /// Returns a day in a revision.
    pub(super) fn day_of(&self, changes: usize) -> Date {
        let before_all = || self.changes.first().and_then(|day| day.yesterday().ok());
        let last = changes.checked_sub(1).map(|at| self.changes[at]);
        last.or_else(before_all).unwrap_or(self.first_data)
    }

    /// Returns the last revision date up to and including a day.
    pub(super) fn changed_on(&self, day: Date) -> Option<Date> {
        let last = self.changes_until(day).checked_sub(1)?;
        Some(self.changes[last])
    }

    /// Sets the number of statistical areas, before [`LayerIndex::assign`] is called.
    pub(super) fn expect_statistical_areas(&mut self, rows: usize) {
        if self.is_on_statistical_areas {
            self.assignments = vec![Vec::new(); rows];
        }
    }

    /// Assigns a statistical area, given by row, to an area.
    pub(super) fn assign(&mut self, row: usize, assigned: Assigned) {
        self.areas[assigned.area as usize].is_assigned = true;
        if let Some(areas) = self.assignments.get_mut(row) {
            areas.push(assigned);
        }
    }

    /// Returns the number of areas, each counted once for all its versions.
    pub(super) fn count(&self) -> usize {
        self.areas.len()
    }

    /// Returns every version of every area, in order of id, then of time.
    pub(super) fn versions(&self) -> &[Area] {
        &self.versions
    }

    /// Returns the ordinal of the area with an id.
    pub(super) fn number(&self, id: &str) -> Option<u32> {
        let id_of = |area: &AreaIndex| self.versions[area.versions.start].id.as_str();
        let at = self
            .areas
            .binary_search_by(|area| id_of(area).cmp(id))
            .ok()?;
        u32::try_from(at).ok()
    }

    /// Returns every version of an area, in order of time.
    pub(super) fn versions_of(&self, number: u32) -> &[Area] {
        &self.versions[self.areas[number as usize].versions.clone()]
    }

    /// Returns the version of an area that is valid on a day.
    pub(super) fn version(&self, number: u32, day: Date) -> Option<&Area> {
        let mut versions = self.versions_of(number).iter();
        versions.find(|area| area.period.contains(day))
    }

    /// Returns the version of the area with an id that is valid on a day.
    pub(super) fn area(&self, id: &str, day: Date) -> Option<&Area> {
        self.version(self.number(id)?, day)
    }

    /// Returns the version of the area with an id that is valid on a day, or else its last version.
    pub(super) fn area_ever(&self, id: &str, day: Date) -> Option<&Area> {
        let number = self.number(id)?;
        let last = || self.versions_of(number).last();
        self.version(number, day).or_else(last)
    }

    /// Returns the ordinal of the area of a boundary.
    pub(super) fn area_of(&self, boundary: u32) -> u32 {
        self.area_of[boundary as usize]
    }

    /// Returns the boundaries of an area, whatever their period.
    pub(super) fn boundaries_of(&self, number: u32) -> &[u32] {
        &self.areas[number as usize].boundaries
    }

    /// Returns the boundary of an area on a day.
    pub(super) fn boundary(&self, number: u32, day: Date) -> Option<u32> {
        let mut boundaries = self.boundaries_of(number).iter().copied();
        boundaries.find(|&at| self.spatial.boundary(at).period.contains(day))
    }

    /// Returns the areas of a statistical area on a day.
    pub(super) fn assigned(&self, row: u32, day: Date) -> impl Iterator<Item = &Assigned> {
        let areas = self
            .assignments
            .get(row as usize)
            .map_or(&[][..], Vec::as_slice);
        areas.iter().filter(move |it| it.period.contains(day))
    }

    /// Returns the areas of a statistical area, whatever the period of their assignment.
    pub(super) fn ever_assigned(&self, row: u32) -> &[Assigned] {
        let areas = self.assignments.get(row as usize);
        areas.map_or(&[], Vec::as_slice)
    }

    /// Returns the assignments of all statistical areas, whatever their period.
    pub(super) fn all_assigned(&self) -> impl Iterator<Item = &Assigned> {
        self.assignments.iter().flatten()
    }

    /// Returns whether the area consists of statistical areas: its boundaries are for display only.
    pub(super) fn is_assigned(&self, number: u32) -> bool {
        self.areas[number as usize].is_assigned
    }
}

/// Groups sorted versions by area.
fn areas_of(versions: &[Area]) -> Vec<AreaIndex> {
    let mut first = 0;
    let same = versions.chunk_by(|a, b| a.id == b.id);
    let area = |versions: &[Area]| {
        let range = first..first + versions.len();
        first = range.end;
        AreaIndex {
            versions: range,
            boundaries: Vec::new(),
            is_assigned: false,
        }
    };
    same.map(area).collect()
}

fn check_versions<'a>(
    layer: Layer,
    versions: impl Iterator<Item = (&'a str, Period)>,
) -> Result<(), IndexError> {
    let mut seen: HashMap<&str, Vec<Period>> = HashMap::new();
    for (id, period) in versions {
        let earlier = seen.entry(id).or_default();
        if earlier.iter().any(|&other| overlap(other, period)) {
            return Err(IndexError::OverlappingVersions {
                layer,
                id: id.into(),
            });
        }
        earlier.push(period);
    }
    Ok(())
}

fn first_data(entry: &LayerEntry) -> Result<Date, IndexError> {
    date_from_iso(&entry.first_data).map_err(|error| IndexError::Manifest {
        what: format!("first_data of layer `{}`", entry.id),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::world::{
        DAY, FIRST_DATA, WIDENED, area, built, dataset, from, index, strip, until,
    };
    use super::super::{Index, IndexError};
    use super::*;
    use crate::dataset::Dataset;

    const BEFORE: Date = date(2024, 6, 30);

    fn refused(dataset: Dataset) -> String {
        Index::build(dataset).expect_err("it is invalid").to_string()
    }

    #[test]
    fn an_area_has_a_number_and_on_each_day_a_version_and_a_ground() {
        let index = index();
        let icb = index.layer(Layer::Icb).expect("in the dataset");
        assert_eq!((icb.count(), icb.number("north")), (1, Some(0)));
        let names = icb.versions_of(0).iter().map(|it| it.name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["NORTH", "WIDER"]);
        let name = |day| icb.version(0, day).map(|it| it.name.as_str());
        assert_eq!(
            (name(BEFORE), name(WIDENED)),
            (Some("NORTH"), Some("WIDER"))
        );
        assert_eq!(
            (icb.boundary(0, BEFORE), icb.boundary(0, WIDENED)),
            (Some(0), Some(1))
        );
        assert_eq!(icb.boundaries_of(0), [0, 1]);
        assert_eq!((icb.area_of(0), icb.area_of(1)), (0, 0));
        let icc = index.layer(Layer::Icc).expect("in the dataset");
        assert_eq!(icc.count(), 2);
        let numbers = ["k", "l", "m"].map(|id| icc.number(id));
        assert_eq!(numbers, [Some(0), Some(1), None]);
        assert_eq!((icc.area_of(0), icc.area_of(1)), (0, 1));
    }

    #[test]
    fn an_area_that_ended_is_known_by_its_last_version() {
        let mut dataset = dataset();
        for (name, period) in [
            (
                "OLD",
                Period {
                    to: Some(date(2023, 1, 1)),
                    ..from(FIRST_DATA)
                },
            ),
            (
                "NEWER",
                Period {
                    to: Some(WIDENED),
                    ..from(date(2023, 1, 1))
                },
            ),
        ] {
            dataset.areas.push(Area {
                name: name.into(),
                period,
                ..area(Layer::SubCommunity, "was")
            });
        }
        let index = built(dataset);
        let layer = index.layer(Layer::SubCommunity).expect("in the dataset");
        let ever = |day| layer.area_ever("was", day).map(|it| it.name.as_str());
        assert_eq!(ever(date(2022, 6, 1)), Some("OLD"));
        assert_eq!(ever(BEFORE), Some("NEWER"));
        assert_eq!(ever(DAY), Some("NEWER"));
        assert!(layer.area("was", DAY).is_none());
        assert!(layer.area_ever("never", DAY).is_none());
    }

    #[test]
    fn changes_are_those_of_areas_with_ground_and_of_their_ground() {
        let mut dataset = dataset();
        dataset.areas.push(Area {
            period: from(date(2023, 3, 1)),
            ..area(Layer::SubCommunity, "without-ground")
        });
        let index = built(dataset);
        let icb = index.layer(Layer::Icb).expect("in the dataset");
        assert_eq!(icb.changes_until(BEFORE), 0);
        assert_eq!(icb.changes_until(WIDENED), 1);
        assert_eq!(icb.changes_until(DAY), 1);
        assert_eq!(icb.changed_on(BEFORE), None);
        assert_eq!(icb.changed_on(DAY), Some(WIDENED));
        assert_eq!((icb.day_of(0), icb.day_of(1)), (BEFORE, WIDENED));
        let still = index.layer(Layer::SubCommunity).expect("in the dataset");
        assert_eq!(still.changes_until(DAY), 0);
        assert_eq!(still.day_of(0), FIRST_DATA);
    }

    #[test]
    fn a_statistical_area_lies_in_areas_for_a_time() {
        let index = index();
        let icc = index.layer(Layer::Icc).expect("in the dataset");
        let on = |row, day| -> Vec<u32> { icc.assigned(row, day).map(|it| it.area).collect() };
        assert_eq!(on(0, DAY), [0]);
        assert_eq!(on(1, DAY), [1]);
        assert!(on(2, date(2023, 12, 31)).is_empty());
        assert_eq!(on(2, date(2024, 1, 1)), [1]);
        assert!(on(3, DAY).is_empty());
        assert_eq!(icc.ever_assigned(2).len(), 1);
        assert_eq!(icc.ever_assigned(3).len(), 0);
        assert_eq!(icc.all_assigned().count(), 3);
        assert!(icc.is_assigned(0));
        let icb = index.layer(Layer::Icb).expect("in the dataset");
        assert!(!icb.is_assigned(0));
        assert_eq!(icb.all_assigned().count(), 0);
    }

    #[test]
    fn an_area_has_one_version_and_one_ground_of_each_extent_on_a_day() {
        let mut twice = dataset();
        twice.areas.push(Area {
            period: from(BEFORE),
            ..area(Layer::Icb, "north")
        });
        assert_eq!(
            refused(twice),
            "icb `north` has two versions valid on the same day"
        );
        // The inner and outer boundaries of a practice may overlap in time, as they do in the test
        // dataset.
        let mut grounds = dataset();
        let (_, of_practices) = grounds.boundaries.last_mut().expect("layers");
        let mut inner = strip("A00003", 1.0, 2.0);
        (inner.extent, inner.period) = (Extent::Inner, until(DAY));
        of_practices.push(inner);
        assert_eq!(
            refused(grounds),
            "gp-practice `A00003` has two versions valid on the same day"
        );
    }

    #[test]
    fn what_a_layer_names_must_be_there() {
        let mut strange = dataset();
        strange.boundaries[0].1.push(strip("south", 0.0, 1.0));
        assert_eq!(
            refused(strange),
            "a boundary of icb refers to `south`, which is not in the dataset"
        );
        let mut undated = dataset();
        undated.manifest.layers[0].first_data = "soon".into();
        let told = Index::build(undated).expect_err("it is invalid");
        assert!(
            matches!(&told, IndexError::Manifest { what, .. } if what == "first_data of layer `icb`"),
            "{told}"
        );
    }
}
