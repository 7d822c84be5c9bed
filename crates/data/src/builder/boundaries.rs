//! The boundaries of areas that are unions of statistical areas.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, bail};
use jiff::civil::Date;

use super::records::DatasetRecords;
use super::sources::SourceData;
use crate::dataset::LayerKind;
use crate::dataset::boundary::boundary_from_polygons;
use crate::formats::Crs;
use catchment_core::domain::{Boundary, GroupMember, Layer, Period};
use catchment_core::geometry::dissolve::dissolve;
use catchment_core::geometry::rings::Polygon;
use catchment_core::geometry::validity::find_topology_error;

/// The period of a version of an area, and the statistical areas that the version consists of.
type AreaVersion<'d> = (Period, BTreeSet<&'d str>);

/// Returns the boundaries of the layer's areas that are unions of statistical areas: one boundary
/// for each area and period.
pub(super) fn dissolve_boundaries(
    records: &DatasetRecords,
    layer: Layer,
    kind: LayerKind,
    sources: &SourceData,
) -> Result<Vec<Boundary>> {
    let mut versions: BTreeMap<(&str, Option<Date>), AreaVersion<'_>> = BTreeMap::new();
    if kind == LayerKind::Membership {
        for membership in records
            .memberships
            .iter()
            .filter(|membership| membership.layer == layer)
        {
            let (GroupMember::Area(member_layer, member), Some(group)) =
                (&membership.member, &membership.group)
            else {
                continue;
            };
            let version = versions.entry((group, membership.period.from));
            let version = version.or_insert_with(|| (membership.period, BTreeSet::new()));
            version.1.extend(codes_in(records, *member_layer, member));
        }
    } else {
        for assignment in records.assignments_of(layer) {
            let version = versions.entry((&assignment.area, assignment.period.from));
            let version = version.or_insert_with(|| (assignment.period, BTreeSet::new()));
            version.1.insert(&assignment.statistical_area);
        }
    }
    let versions = versions.into_iter();
    versions
        .map(|((id, _), (period, codes))| dissolve_area(id, period, &codes, sources))
        .collect()
}

fn codes_in<'d>(
    records: &'d DatasetRecords,
    layer: Layer,
    id: &'d str,
) -> impl Iterator<Item = &'d str> {
    records
        .assignments_of(layer)
        .filter(move |assignment| *assignment.area == *id)
        .map(|assignment| &*assignment.statistical_area)
}

fn dissolve_area(
    id: &str,
    period: Period,
    codes: &BTreeSet<&str>,
    sources: &SourceData,
) -> Result<Boundary> {
    let parts = codes
        .iter()
        .flat_map(|code| &sources.statistical_areas[*code].polygons);
    let outline = dissolve(parts).map_err(|reason| anyhow!("area `{id}`: {reason}"))?;
    ensure_valid(id, &outline)?;
    boundary_from_polygons(Crs::LonLat, &outline, id.to_string(), period)
        .map_err(|reason| anyhow!("area `{id}`: {reason}"))
}

/// Returns an error if the polygons are not a valid area.
pub(super) fn ensure_valid(id: &str, polygons: &[Polygon]) -> Result<()> {
    match find_topology_error(polygons) {
        None => Ok(()),
        Some(error) => bail!("area `{id}` is not a valid polygon: {}", error.reason()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::records::official_membership;
    use super::super::test_sources::sources_with_areas;
    use super::*;
    use crate::test_layers;
    use catchment_core::domain::StatisticalAssignment;

    const AREAS: [(&str, &str, &str); 3] = [
        ("S0", "Lancaster 001A", "01K"),
        ("S1", "Lancaster 001B", "01K"),
        ("S2", "Lancaster 001C", "01K"),
    ];

    fn assign(records: &mut DatasetRecords, code: &str, area: &str, period: Period) {
        records.assignments.push(StatisticalAssignment {
            statistical_area: code.into(),
            layer: test_layers::layer("icc"),
            area: area.into(),
            share: None,
            period,
        });
    }

    /// Returns the id, the number of polygons and the number of vertices of each boundary.
    fn sizes(boundaries: &[Boundary]) -> Vec<(&str, usize, usize)> {
        let size = |boundary: &Boundary| -> usize {
            let polygons = boundary.grid.iter();
            polygons
                .flat_map(|polygon| &polygon.rings)
                .map(Vec::len)
                .sum()
        };
        boundaries
            .iter()
            .map(|boundary| (&*boundary.id, boundary.grid.len(), size(boundary)))
            .collect()
    }

    #[test]
    fn neighbouring_statistical_areas_become_one_polygon() {
        let sources = sources_with_areas(&AREAS);
        let mut records = DatasetRecords::default();
        for (code, area) in [("S0", "k"), ("S1", "k"), ("S2", "l")] {
            assign(&mut records, code, area, Period::default());
        }
        let boundaries = dissolve_boundaries(
            &records,
            test_layers::layer("icc"),
            LayerKind::Partition,
            &sources,
        )
        .expect("valid areas");
        // The outline keeps the two vertices at which the squares S0 and S1 meet.
        assert_eq!(sizes(&boundaries), [("k", 1, 6), ("l", 1, 4)]);
    }

    #[test]
    fn areas_have_a_boundary_for_each_period() {
        let sources = sources_with_areas(&AREAS);
        let change = Some(date(2024, 4, 1));
        let mut records = DatasetRecords::default();
        let (before, after) = (
            Period {
                from: None,
                to: change,
            },
            Period {
                from: change,
                to: None,
            },
        );
        for (code, period) in [("S0", before), ("S0", after), ("S2", after)] {
            assign(&mut records, code, "k", period);
        }
        let boundaries = dissolve_boundaries(
            &records,
            test_layers::layer("icc"),
            LayerKind::Partition,
            &sources,
        )
        .expect("valid areas");
        assert_eq!(sizes(&boundaries), [("k", 1, 4), ("k", 2, 8)]);
        assert_eq!(
            boundaries
                .iter()
                .map(|found| found.period)
                .collect::<Vec<_>>(),
            [before, after]
        );
    }

    #[test]
    fn a_group_is_the_union_of_its_members_and_other_layers_are_left_out() {
        let sources = sources_with_areas(&AREAS);
        let mut records = DatasetRecords::default();
        assign(&mut records, "S0", "k", Period::default());
        assign(&mut records, "S1", "l", Period::default());
        let member = |id: &str, group: Option<&str>| {
            let member = GroupMember::Area(test_layers::layer("icc"), id.into());
            let mut membership = official_membership(
                member,
                (test_layers::layer("resilience-group"), &String::new()),
                Period::default(),
            );
            membership.group = group.map(str::to_string);
            membership
        };
        records.memberships = vec![member("k", Some("g")), member("l", Some("g"))];
        records.memberships.push(member("m", None));
        let boundaries = |layer| {
            dissolve_boundaries(&records, layer, LayerKind::Membership, &sources)
                .expect("valid areas")
        };
        assert_eq!(
            sizes(&boundaries(test_layers::layer("resilience-group"))),
            [("g", 1, 6)]
        );
        assert!(boundaries(test_layers::layer("place")).is_empty());
    }

    #[test]
    fn a_group_whose_members_have_no_statistical_areas_has_an_empty_boundary() {
        let mut records = DatasetRecords::default();
        records.memberships.push(official_membership(
            GroupMember::Area(test_layers::layer("icc"), "k".into()),
            (test_layers::layer("resilience-group"), &"g".to_string()),
            Period::default(),
        ));
        let boundaries = dissolve_boundaries(
            &records,
            test_layers::layer("resilience-group"),
            LayerKind::Membership,
            &sources_with_areas(&AREAS),
        )
        .expect("an empty area");
        assert_eq!(sizes(&boundaries), [("g", 0, 0)]);
    }
}
