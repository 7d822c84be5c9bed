//! A layer of the dataset: the versions of its areas, their boundaries, and the statistical areas
//! of which the areas consist.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;

use super::assignments::{AreaAssignment, Assignments, AssignmentsBuilder};
use super::home_shares::HomeShares;
use super::{BoundaryIndex, IndexError, periods_overlap};
use crate::domain::{
    Area, AreaCode, Boundary, BritishGrid, CatchmentKind, Layer, LayerEntry, LayerKind, LayerRole,
    Period, PostcodeCodes, PostcodeColumn, PostcodeEntry, RecordIndex,
};

/// The index of a layer. An area is identified by its ordinal: the position of its id among the
/// sorted ids of the layer. All versions of an area have the same ordinal.
#[derive(Debug)]
pub(super) struct LayerIndex {
    pub(super) id: Layer,
    pub(super) kind: LayerKind,
    pub(super) role: LayerRole,
    pub(super) first_data: Date,
    /// The first day for which the practices of the layer's areas are known.
    pub(super) first_memberships: Date,
    /// The layer whose areas are treated as the areas of this layer; see the manifest.
    pub(super) members_from: Option<Layer>,
    pub(super) uses_statistical_areas: bool,
    pub(super) snap_m: f64,
    /// The boundaries. The layer of the statistical areas uses the same boundaries as the
    /// statistical areas.
    pub(super) boundary_index: Arc<BoundaryIndex>,
    /// Every version of every area, in order of id, then of time.
    versions: Vec<Area>,
    /// The areas, by ordinal.
    areas: Vec<AreaIndex>,
    /// The ordinal of the area of each boundary.
    area_ordinals: Vec<u32>,
    /// Whether every area with a boundary consists of statistical areas, so that no look-up depends
    /// on the boundaries.
    pub(super) is_display_only: bool,
    /// The column of the directory that contains the area of each postcode.
    pub(super) postcode_column: Option<PostcodeColumn>,
    /// The ordinal of the area of each row of postcode codes.
    postcode_areas: Vec<Option<u32>>,
    /// Sorted pairs of the ordinal of an area and the row of a statistical area that contains one
    /// of its postcodes.
    directory_rows: Vec<(u32, u32)>,
    /// The number of statistical areas with a boundary, which are the first rows.
    statistical_boundary_count: u32,
    /// Whether practices may be members of the areas, so that answers list areas by registration.
    pub(super) has_registrations: bool,
    /// Sorted pairs of the ordinal of an area with codes in other schemes and the row of one of
    /// these codes.
    pub(super) codes: Vec<(u32, usize)>,
    /// Whether the areas are the areas of NHS organisations.
    pub(super) is_organisation: bool,
    /// The assignments of statistical areas to the areas.
    assignments: Assignments,
    /// Whether areas of each layer, by its position in the index, may be members of this layer's
    /// areas.
    pub(super) has_members_in: Vec<bool>,
    /// The dates on which the period of an area with geometry, or of its boundary, starts or ends,
    /// in order.
    revision_dates: Vec<Date>,
    /// The homes of the postcodes that are divided between areas.
    pub(super) home_shares: HomeShares,
}

#[derive(Debug)]
struct AreaIndex {
    versions: Range<usize>,
    boundaries: Vec<u32>,
    /// Whether the area consists of statistical areas, so that its boundaries are for display only.
    is_assigned: bool,
}

impl LayerIndex {
    pub(super) fn build(
        entry: &LayerEntry,
        mut versions: Vec<Area>,
        boundaries: Vec<Boundary>,
    ) -> Result<LayerIndex, IndexError> {
        let id = entry.id;
        for area in &mut versions {
            entry.set_area_title(area);
        }
        versions.sort_by(|a, b| (&a.id, a.period.from).cmp(&(&b.id, b.period.from)));
        let all = versions.iter();
        check_versions(id, all.map(|area| (area.id.as_str(), area.period)))?;
        for catchment_kind in [
            CatchmentKind::Whole,
            CatchmentKind::Inner,
            CatchmentKind::Outer,
        ] {
            let of_kind = boundaries
                .iter()
                .filter(|boundary| boundary.catchment_kind == catchment_kind);
            check_versions(
                id,
                of_kind.map(|boundary| (boundary.id.as_str(), boundary.period)),
            )?;
        }
        let mut layer = LayerIndex {
            id,
            kind: entry.kind,
            role: entry.role,
            first_data: entry.first_data,
            first_memberships: entry.first_memberships.unwrap_or(entry.first_data),
            members_from: entry.members_from,
            uses_statistical_areas: entry.on_statistical_areas,
            snap_m: entry.snap_m,
            areas: group_by_area(&versions),
            versions,
            area_ordinals: Vec::with_capacity(boundaries.len()),
            boundary_index: Arc::new(BoundaryIndex::deferred(Vec::new())),
            postcode_column: entry.postcode_column,
            postcode_areas: Vec::new(),
            directory_rows: Vec::new(),
            statistical_boundary_count: 0,
            has_registrations: false,
            codes: Vec::new(),
            is_organisation: entry.organisation.is_some(),
            assignments: Assignments::default(),
            is_display_only: false,
            has_members_in: Vec::new(),
            revision_dates: Vec::new(),
            home_shares: HomeShares::default(),
        };
        layer.set_boundaries(Arc::new(BoundaryIndex::deferred(boundaries)))?;
        Ok(layer)
    }

    /// Sets the boundaries of the layer's areas. The layer must have no boundaries yet.
    pub(super) fn set_boundaries(
        &mut self,
        boundary_index: Arc<BoundaryIndex>,
    ) -> Result<(), IndexError> {
        let boundaries = boundary_index.boundaries();
        for (index, boundary) in (0..).zip(boundaries) {
            let ordinal = self.ordinal(&boundary.id).ok_or_else(|| {
                let what = format!("a boundary of {}", self.id);
                IndexError::UnknownReference {
                    what,
                    id: boundary.id.clone(),
                }
            })?;
            self.area_ordinals.push(ordinal);
            self.areas[ordinal as usize].boundaries.push(index);
        }
        self.revision_dates = self.collect_revision_dates(boundaries);
        self.boundary_index = boundary_index;
        Ok(())
    }

    /// Finds the area of each row of postcode codes, if the directory states the area of each
    /// postcode.
    pub(super) fn set_postcode_areas(
        &mut self,
        codes: &[PostcodeCodes],
        entries: &[PostcodeEntry],
        statistical: &BoundaryIndex,
    ) {
        let count = statistical.boundaries().len();
        self.statistical_boundary_count = u32::try_from(count).unwrap_or(u32::MAX);
        let Some(column) = self.postcode_column else {
            return;
        };
        let area = |codes: &PostcodeCodes| self.ordinal(codes.code(column)?.as_str());
        self.postcode_areas = codes.iter().map(area).collect();
        let with_area = entries.iter().filter_map(|entry| {
            let row = entry.statistical_area?.get();
            let ordinal = self.area_in_directory(entry.codes, Some(row))?;
            Some((ordinal, row))
        });
        let rows: BTreeSet<(u32, u32)> = with_area.collect();
        self.directory_rows = rows.into_iter().collect();
    }

    /// Returns the rows of the statistical areas with postcodes that are in an area according to
    /// the directory. The result is empty if the directory does not state the areas of the layer.
    pub(super) fn rows_in_directory(&self, ordinal: u32) -> impl Iterator<Item = u32> {
        let first = self
            .directory_rows
            .partition_point(|&(known, _)| known < ordinal);
        let rows = self.directory_rows[first..].iter();
        rows.take_while(move |(known, _)| *known == ordinal)
            .map(|&(_, row)| row)
    }

    /// Returns the area that the directory states for a postcode, given the row of the postcode's
    /// codes and the row of its statistical area. The directory is used only within the area of the
    /// dataset.
    pub(super) fn area_in_directory(
        &self,
        codes: Option<RecordIndex>,
        statistical_area: Option<u32>,
    ) -> Option<u32> {
        let area = self.postcode_areas.get(codes?.get() as usize)?;
        let count = self.statistical_boundary_count;
        let is_in_data = count == 0 || statistical_area.is_some_and(|row| row < count);
        area.filter(|_| is_in_data)
    }

    /// Finds the rows of the codes of each area in a table of codes.
    pub(super) fn set_codes(&mut self, codes: &[AreaCode]) {
        let rows = codes.iter().enumerate();
        let own = rows.filter(|(_, code)| code.layer == self.id);
        let own = own.filter_map(|(row, code)| Some((self.ordinal(&code.area)?, row)));
        self.codes = own.collect();
        self.codes.sort_unstable();
    }

    /// Returns whether answers, and not only maps, depend on the boundaries.
    pub(super) fn is_searched(&self) -> bool {
        !self.is_display_only || self.has_boundary_distances()
    }

    /// Returns the boundaries that cover a position on a day; empty if answers do not depend on the
    /// boundaries.
    pub(super) fn covering(&self, position: BritishGrid, day: Date) -> Vec<u32> {
        if !self.is_searched() {
            return Vec::new();
        }
        self.boundary_index.covering(position, day)
    }

    /// Returns whether answers contain the distance of a position from the boundary of the layer's
    /// areas. Answers do not contain such distances for groups, for practices (answers contain the
    /// distance to their premises instead), and for statistical areas (users need only their
    /// codes).
    pub(super) fn has_boundary_distances(&self) -> bool {
        self.kind != LayerKind::Membership
            && !matches!(
                self.role,
                LayerRole::PracticeCatchment | LayerRole::Statistical
            )
    }

    fn collect_revision_dates(&self, boundaries: &[Boundary]) -> Vec<Date> {
        let with_geometry = self.areas.iter().filter(|area| !area.boundaries.is_empty());
        let versions = with_geometry.flat_map(|area| &self.versions[area.versions.clone()]);
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

    /// Returns the number of revision dates up to and including a day.
    pub(super) fn revision(&self, day: Date) -> usize {
        self.revision_dates.partition_point(|&change| change <= day)
    }

    /// Returns a day on which the layer has a revision.
    pub(super) fn date_of_revision(&self, revision: usize) -> Date {
        let before_all = || {
            self.revision_dates
                .first()
                .and_then(|day| day.yesterday().ok())
        };
        let last = revision
            .checked_sub(1)
            .map(|index| self.revision_dates[index]);
        last.or_else(before_all).unwrap_or(self.first_data)
    }

    /// Returns the last revision date up to and including a day.
    pub(super) fn revision_date(&self, day: Date) -> Option<Date> {
        let last = self.revision(day).checked_sub(1)?;
        Some(self.revision_dates[last])
    }

    /// Sets the assignments of `count` statistical areas, each with the row of its statistical area.
    pub(super) fn set_assignments(&mut self, assigned: AssignmentsBuilder, count: u32) {
        for ordinal in assigned.ordinals() {
            self.areas[ordinal as usize].is_assigned = true;
        }
        let mut areas = self.areas.iter();
        self.is_display_only = areas.all(|area| area.boundaries.is_empty() || area.is_assigned);
        if self.uses_statistical_areas {
            self.assignments = assigned.build(count);
        }
    }

    /// Returns the number of areas. The versions of an area are counted once.
    pub(super) fn area_count(&self) -> usize {
        self.areas.len()
    }

    /// Returns every version of every area, in order of id, then of time.
    pub(super) fn versions(&self) -> &[Area] {
        &self.versions
    }

    /// Returns the ordinal of the area with an id.
    pub(super) fn ordinal(&self, id: &str) -> Option<u32> {
        let id_of = |area: &AreaIndex| self.versions[area.versions.start].id.as_str();
        let index = self
            .areas
            .binary_search_by(|area| id_of(area).cmp(id))
            .ok()?;
        u32::try_from(index).ok()
    }

    /// Returns the id of an area.
    pub(super) fn id_of(&self, ordinal: u32) -> &str {
        &self.versions_of(ordinal)[0].id
    }

    /// Returns the ordinal of every area by its id.
    pub(super) fn ordinals_by_id(&self) -> HashMap<&str, u32> {
        let ids = self.areas.iter();
        ids.map(|area| self.versions[area.versions.start].id.as_str())
            .zip(0..)
            .collect()
    }

    /// Returns all versions of an area, in chronological order.
    pub(super) fn versions_of(&self, ordinal: u32) -> &[Area] {
        &self.versions[self.areas[ordinal as usize].versions.clone()]
    }

    /// Returns the version of an area that is valid on a day.
    pub(super) fn version(&self, ordinal: u32, day: Date) -> Option<&Area> {
        let mut versions = self.versions_of(ordinal).iter();
        versions.find(|area| area.period.contains(day))
    }

    /// Returns the version of the area with an id that is valid on a day.
    pub(super) fn area(&self, id: &str, day: Date) -> Option<&Area> {
        self.version(self.ordinal(id)?, day)
    }

    /// Returns the version of the area with an id that is valid on a day. If there is no such
    /// version, returns the last version.
    pub(super) fn area_or_last_version(&self, id: &str, day: Date) -> Option<&Area> {
        self.version_or_last(self.ordinal(id)?, day)
    }

    /// Returns the version of an area that is valid on a day. If there is no such version, returns
    /// the last version.
    pub(super) fn version_or_last(&self, ordinal: u32, day: Date) -> Option<&Area> {
        let last = || self.versions_of(ordinal).last();
        self.version(ordinal, day).or_else(last)
    }

    /// Returns the ordinal of the area of a boundary.
    pub(super) fn area_of(&self, boundary: u32) -> u32 {
        self.area_ordinals[boundary as usize]
    }

    /// Returns the boundaries of an area, on all dates.
    pub(super) fn boundaries_of(&self, ordinal: u32) -> &[u32] {
        &self.areas[ordinal as usize].boundaries
    }

    /// Returns the boundary of an area on a day.
    pub(super) fn boundary(&self, ordinal: u32, day: Date) -> Option<u32> {
        let mut boundaries = self.boundaries_of(ordinal).iter().copied();
        boundaries.find(|&boundary| self.boundary_index.boundary(boundary).period.contains(day))
    }

    /// Returns the assignments of a statistical area on a day.
    pub(super) fn assignments_on(
        &self,
        row: u32,
        day: Date,
    ) -> impl Iterator<Item = AreaAssignment> {
        let assignments = self.all_assignments_of(row);
        assignments.filter(move |assignment| assignment.period.contains(day))
    }

    /// Returns the assignments of a statistical area, whatever their period.
    pub(super) fn all_assignments_of(
        &self,
        row: u32,
    ) -> impl ExactSizeIterator<Item = AreaAssignment> {
        self.assignments.of_row(row)
    }

    /// Returns the assignments of all statistical areas, whatever their period.
    pub(super) fn all_assignments(&self) -> impl ExactSizeIterator<Item = AreaAssignment> {
        self.assignments.all()
    }

    /// Returns whether the area consists of statistical areas, so that its boundaries are for
    /// display only.
    pub(super) fn is_assigned(&self, ordinal: u32) -> bool {
        self.areas[ordinal as usize].is_assigned
    }
}

/// Groups sorted versions by area.
fn group_by_area(versions: &[Area]) -> Vec<AreaIndex> {
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
    let mut periods_by_id: HashMap<&str, Vec<Period>> = HashMap::new();
    for (id, period) in versions {
        let earlier = periods_by_id.entry(id).or_default();
        if earlier.iter().any(|&other| periods_overlap(other, period)) {
            return Err(IndexError::OverlappingVersions {
                layer,
                id: id.into(),
            });
        }
        earlier.push(period);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::Index;
    use super::super::test_dataset::{
        DAY, FIRST_DATA, WIDENED, area, build, dataset, from, index, strip, until,
    };
    use super::*;
    use crate::domain::Dataset;
    use crate::domain::layers;

    const BEFORE: Date = date(2024, 6, 30);

    fn build_error(dataset: Dataset) -> String {
        Index::build(dataset)
            .expect_err("it is invalid")
            .to_string()
    }

    #[test]
    fn areas_have_an_ordinal_and_on_each_date_a_version_and_a_boundary() {
        let index = index();
        let icb = index.layer(layers::icb()).expect("in the dataset");
        assert_eq!((icb.area_count(), icb.ordinal("north")), (1, Some(0)));
        let names = icb.versions_of(0).iter().map(|area| area.name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["NORTH", "WIDER"]);
        let name = |day| icb.version(0, day).map(|area| area.name.as_str());
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
        let icc = index.layer(layers::icc()).expect("in the dataset");
        assert_eq!(icc.area_count(), 2);
        let ordinals = ["k", "l", "m"].map(|id| icc.ordinal(id));
        assert_eq!(ordinals, [Some(0), Some(1), None]);
        assert_eq!((icc.area_of(0), icc.area_of(1)), (0, 1));
    }

    #[test]
    fn ended_areas_are_found_by_their_last_version() {
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
                ..area(layers::sub_community(), "was")
            });
        }
        let index = build(dataset);
        let layer = index
            .layer(layers::sub_community())
            .expect("in the dataset");
        let last_name = |day| {
            layer
                .area_or_last_version("was", day)
                .map(|area| area.name.as_str())
        };
        assert_eq!(last_name(date(2022, 6, 1)), Some("OLD"));
        assert_eq!(last_name(BEFORE), Some("NEWER"));
        assert_eq!(last_name(DAY), Some("NEWER"));
        assert!(layer.area("was", DAY).is_none());
        assert!(layer.area_or_last_version("never", DAY).is_none());
    }

    #[test]
    fn revisions_follow_areas_with_geometry_and_their_boundaries() {
        let mut dataset = dataset();
        dataset.areas.push(Area {
            period: from(date(2023, 3, 1)),
            ..area(layers::sub_community(), "without-geometry")
        });
        let index = build(dataset);
        let icb = index.layer(layers::icb()).expect("in the dataset");
        assert_eq!(icb.revision(BEFORE), 0);
        assert_eq!(icb.revision(WIDENED), 1);
        assert_eq!(icb.revision(DAY), 1);
        assert_eq!(icb.revision_date(BEFORE), None);
        assert_eq!(icb.revision_date(DAY), Some(WIDENED));
        assert_eq!(
            (icb.date_of_revision(0), icb.date_of_revision(1)),
            (BEFORE, WIDENED)
        );
        let unchanged = index
            .layer(layers::sub_community())
            .expect("in the dataset");
        assert_eq!(unchanged.revision(DAY), 0);
        assert_eq!(unchanged.date_of_revision(0), FIRST_DATA);
    }

    #[test]
    fn assignments_are_filtered_by_date() {
        let index = index();
        let icc = index.layer(layers::icc()).expect("in the dataset");
        let ordinals_on = |row, day| -> Vec<u32> {
            icc.assignments_on(row, day)
                .map(|assignment| assignment.ordinal)
                .collect()
        };
        assert_eq!(ordinals_on(0, DAY), [0]);
        assert_eq!(ordinals_on(1, DAY), [1]);
        assert!(ordinals_on(2, date(2023, 12, 31)).is_empty());
        assert_eq!(ordinals_on(2, date(2024, 1, 1)), [1]);
        assert!(ordinals_on(3, DAY).is_empty());
        assert_eq!(icc.all_assignments_of(2).len(), 1);
        assert_eq!(icc.all_assignments_of(3).len(), 0);
        assert_eq!(icc.all_assignments().len(), 3);
        assert!(icc.is_assigned(0));
        let icb = index.layer(layers::icb()).expect("in the dataset");
        assert!(!icb.is_assigned(0));
        assert_eq!(icb.all_assignments().len(), 0);
    }

    #[test]
    fn overlapping_versions_and_boundaries_are_rejected() {
        let mut twice = dataset();
        twice.areas.push(Area {
            period: from(BEFORE),
            ..area(layers::icb(), "north")
        });
        assert_eq!(
            build_error(twice),
            "icb `north` has two versions valid on the same day"
        );
        // The inner and outer boundaries of a practice may overlap in time, as they do in the test
        // dataset, but two inner boundaries may not.
        let mut two_boundaries = dataset();
        let (_, of_practices) = two_boundaries.boundaries.last_mut().expect("layers");
        let mut inner = strip("A00003", 1.0, 2.0);
        (inner.catchment_kind, inner.period) = (CatchmentKind::Inner, until(DAY));
        of_practices.push(inner);
        assert_eq!(
            build_error(two_boundaries),
            "gp-practice `A00003` has two versions valid on the same day"
        );
    }

    #[test]
    fn unknown_areas_are_rejected() {
        let mut unknown_area = dataset();
        unknown_area.boundaries[0].1.push(strip("south", 0.0, 1.0));
        assert_eq!(
            build_error(unknown_area),
            "a boundary of icb refers to `south`, which is not in the dataset"
        );
    }
}
