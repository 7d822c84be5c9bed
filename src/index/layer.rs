//! A layer of the dataset: its areas over time, their ground, and the statistical areas that they are
//! made of.

use std::collections::HashMap;
use std::ops::Range;

use jiff::civil::Date;

use super::{IndexError, Spatial, overlap};
use crate::dataset::{LayerEntry, LayerKind};
use crate::domain::{Area, Boundary, Extent, Layer, Period, date_from_iso};

/// A layer. An area of it is known by its number: the place of its id among the layer's ids, which is
/// the same for all its versions.
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
    /// By number.
    areas: Vec<AreaIndex>,
    /// The number of each boundary's area.
    area_of: Vec<u32>,
    /// The areas of each statistical area, by its row.
    assignments: Vec<Vec<Assigned>>,
    /// The days on which an area that has ground, or its ground, begins or ends; in order.
    changes: Vec<Date>,
}

#[derive(Debug)]
struct AreaIndex {
    versions: Range<usize>,
    boundaries: Vec<u32>,
    /// Whether it is made of statistical areas: its boundaries are for show.
    is_assigned: bool,
}

/// An area that a statistical area lies in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Assigned {
    /// The area's number.
    pub(super) area: u32,
    /// The part of the statistical area's people that belong to it; `None` is all.
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

    /// How many days of change there are until the day.
    pub(super) fn changes_until(&self, day: Date) -> usize {
        self.changes.partition_point(|&change| change <= day)
    }

    /// A day until which there are so many days of change.
    pub(super) fn day_of(&self, changes: usize) -> Date {
        let before_all = || self.changes.first().and_then(|day| day.yesterday().ok());
        let last = changes.checked_sub(1).map(|at| self.changes[at]);
        last.or_else(before_all).unwrap_or(self.first_data)
    }

    /// The last day of change until the day.
    pub(super) fn changed_on(&self, day: Date) -> Option<Date> {
        let last = self.changes_until(day).checked_sub(1)?;
        Some(self.changes[last])
    }

    /// Makes room for the areas of so many statistical areas.
    pub(super) fn expect_statistical_areas(&mut self, rows: usize) {
        if self.is_on_statistical_areas {
            self.assignments = vec![Vec::new(); rows];
        }
    }

    /// Puts a statistical area, by its row, into an area.
    pub(super) fn assign(&mut self, row: usize, assigned: Assigned) {
        self.areas[assigned.area as usize].is_assigned = true;
        if let Some(areas) = self.assignments.get_mut(row) {
            areas.push(assigned);
        }
    }

    /// How many areas there are, each counted once for all its versions.
    pub(super) fn count(&self) -> usize {
        self.areas.len()
    }

    /// Every version of every area, in order of id, then of time.
    pub(super) fn versions(&self) -> &[Area] {
        &self.versions
    }

    /// The number of the area of that id.
    pub(super) fn number(&self, id: &str) -> Option<u32> {
        let id_of = |area: &AreaIndex| self.versions[area.versions.start].id.as_str();
        let at = self
            .areas
            .binary_search_by(|area| id_of(area).cmp(id))
            .ok()?;
        u32::try_from(at).ok()
    }

    /// Every version of an area, in order of time.
    pub(super) fn versions_of(&self, number: u32) -> &[Area] {
        &self.versions[self.areas[number as usize].versions.clone()]
    }

    /// An area in its version of a day.
    pub(super) fn version(&self, number: u32, day: Date) -> Option<&Area> {
        let mut versions = self.versions_of(number).iter();
        versions.find(|area| area.period.contains(day))
    }

    /// The area of that id in its version of a day.
    pub(super) fn area(&self, id: &str, day: Date) -> Option<&Area> {
        self.version(self.number(id)?, day)
    }

    /// The area of that id in its version of a day, or else in its last one.
    pub(super) fn area_ever(&self, id: &str, day: Date) -> Option<&Area> {
        let number = self.number(id)?;
        let last = || self.versions_of(number).last();
        self.version(number, day).or_else(last)
    }

    /// The number of a boundary's area.
    pub(super) fn area_of(&self, boundary: u32) -> u32 {
        self.area_of[boundary as usize]
    }

    /// The boundaries of an area over time.
    pub(super) fn boundaries_of(&self, number: u32) -> &[u32] {
        &self.areas[number as usize].boundaries
    }

    /// An area's boundary on a day.
    pub(super) fn boundary(&self, number: u32, day: Date) -> Option<u32> {
        let mut boundaries = self.boundaries_of(number).iter().copied();
        boundaries.find(|&at| self.spatial.boundary(at).period.contains(day))
    }

    /// The areas of a statistical area on a day.
    pub(super) fn assigned(&self, row: u32, day: Date) -> impl Iterator<Item = &Assigned> {
        let areas = self
            .assignments
            .get(row as usize)
            .map_or(&[][..], Vec::as_slice);
        areas.iter().filter(move |it| it.period.contains(day))
    }

    /// The areas of a statistical area at any time.
    pub(super) fn ever_assigned(&self, row: u32) -> &[Assigned] {
        let areas = self.assignments.get(row as usize);
        areas.map_or(&[], Vec::as_slice)
    }

    /// The areas of all statistical areas at any time.
    pub(super) fn all_assigned(&self) -> impl Iterator<Item = &Assigned> {
        self.assignments.iter().flatten()
    }

    /// Whether the area is made of statistical areas: its boundaries are for show.
    pub(super) fn is_assigned(&self, number: u32) -> bool {
        self.areas[number as usize].is_assigned
    }
}

/// The versions of each area, which stand together.
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
