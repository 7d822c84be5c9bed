//! The method `catchments`: a practice's area is the catchment that it declares.
//!
//! Reads a folder or archive with one GeoJSON file for each practice. Makes an area for each
//! practice that has no area from an earlier method, with the inner and the outer boundary that the
//! practice declares. Omits the catchments of unknown practices and of practices that already have
//! an area. If a catchment cannot be converted to a valid boundary, omits it and adds a remark.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};

use super::super::boundaries::ensure_valid;
use super::super::config::CatchmentsMethod;
use super::super::records::DatasetRecords;
use super::super::source_report::{RowTally, SourceReport};
use super::super::sources::display_path;
use super::{LayerContext, add_practice_area, practices_with_areas};
use crate::dataset::boundary::boundary_from_polygons;
use crate::formats::{Crs, parse_multi_polygon};
use crate::import::catchments::{self, DeclaredCatchment, DeclaredCatchmentKind};
use catchment_core::domain::{Boundary, CatchmentKind, OdsCode, Period, Provenance};
use catchment_core::geometry::rings::Polygon;

pub(super) fn add_areas(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    method: &CatchmentsMethod,
) -> Result<Vec<Boundary>> {
    let (catchments, report) =
        catchments::read(&mut context.sources.open_source_files(&method.file)?)?;
    let source = display_path(&method.file);
    let mut report = SourceReport::from_import(source, &context.purpose(), &report);
    let boundaries = add_catchments(records, context, catchments, &mut report);
    records.reports.push(report);
    Ok(boundaries)
}

fn add_catchments(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    catchments: Vec<DeclaredCatchment>,
    report: &mut SourceReport,
) -> Vec<Boundary> {
    let mut selected = context
        .sources
        .known_rows(report, catchments, |row| row.practice);
    let practices_with_area = practices_with_areas(records, context.layer);
    let mut with_area = RowTally::default();
    selected.retain(|catchment| {
        let code = catchment.practice;
        let has_area = practices_with_area.contains(code.as_str());
        if has_area {
            with_area.add(|| code.to_string());
        }
        !has_area
    });
    report.not_needed("an earlier method gives the practice an area", with_area);
    // A practice's area includes the areas of its branches.
    let mut parts_by_catchment: BTreeMap<(OdsCode, DeclaredCatchmentKind), Vec<Polygon>> =
        BTreeMap::new();
    for catchment in selected {
        let parts = parts_by_catchment
            .entry((catchment.practice, catchment.kind))
            .or_default();
        parts.extend(catchment.polygons);
    }
    let mut boundaries = Vec::with_capacity(parts_by_catchment.len());
    let mut invalid = RowTally::default();
    for ((practice, kind), parts) in parts_by_catchment {
        let catchment_kind = match kind {
            DeclaredCatchmentKind::Inner => CatchmentKind::Inner,
            DeclaredCatchmentKind::Outer => CatchmentKind::Outer,
        };
        match union_boundary(&parts, practice.to_string(), context.period) {
            Ok(boundary) => boundaries.push(Boundary {
                catchment_kind,
                ..boundary
            }),
            Err(error) => {
                records
                    .remarks
                    .push(format!("practice `{practice}` is left out: {error:#}"));
                invalid.add(|| practice.to_string());
                continue;
            }
        }
        add_practice_area(
            records,
            (context.layer, practice.as_str()),
            Provenance::Official,
            context.period,
        );
    }
    report.lost("the catchment is not a valid area", invalid);
    boundaries
}

/// Returns the union of the polygons as one boundary. The polygons may overlap.
fn union_boundary(parts: &[Polygon], id: String, period: Period) -> Result<Boundary> {
    let to_boundary = |polygons: &[Polygon]| {
        boundary_from_polygons(Crs::LonLat, polygons, id.clone(), period)
            .map_err(|reason| anyhow!(reason))
    };
    let parts = to_boundary(parts)?;
    let union = geo::unary_union(parts.lonlat.iter());
    let rings = |polygon: &geo::Polygon<f64>| -> Vec<Vec<[f64; 2]>> {
        let positions =
            |ring: &geo::LineString<f64>| ring.coords().map(|point| [point.x, point.y]).collect();
        let interiors = polygon.interiors().iter().map(positions);
        std::iter::once(positions(polygon.exterior()))
            .chain(interiors)
            .collect()
    };
    let rings: Vec<_> = union.iter().map(rings).collect();
    let (polygons, _) =
        parse_multi_polygon(Crs::LonLat, &rings).map_err(|reason| anyhow!(reason))?;
    ensure_valid(&id, &polygons)?;
    to_boundary(&polygons)
}

#[cfg(test)]
mod tests {
    use DeclaredCatchmentKind::{Inner, Outer};

    use super::super::super::test_sources::{area, code, context, empty_sources, practice, square};
    use super::*;
    use crate::test_layers;

    fn catchment(
        text: &str,
        kind: DeclaredCatchmentKind,
        polygons: Vec<Polygon>,
    ) -> DeclaredCatchment {
        DeclaredCatchment {
            practice: code(text),
            branch: None,
            kind,
            polygons,
        }
    }

    /// Adds catchments to records in which the practice `A00002` already has an area. Only
    /// `A00001` and `A00002` are known.
    fn add(catchments: Vec<DeclaredCatchment>) -> (DatasetRecords, Vec<Boundary>) {
        let mut sources = empty_sources();
        sources.practices = vec![practice("A00001"), practice("A00002")];
        let mut records = DatasetRecords::default();
        records.push_area(area(test_layers::layer("gp-practice"), "A00002"));
        let context = context(test_layers::layer("gp-practice"), &sources);
        let boundaries = add_catchments(
            &mut records,
            &context,
            catchments,
            &mut SourceReport::default(),
        );
        (records, boundaries)
    }

    #[test]
    fn a_practice_has_one_area_with_an_inner_and_an_outer_boundary() {
        let (records, boundaries) = add(vec![
            catchment("A00001", Outer, vec![square(0), square(1)]),
            catchment("A00001", Inner, vec![square(0)]),
        ]);
        let kinds: Vec<CatchmentKind> = boundaries
            .iter()
            .map(|boundary| boundary.catchment_kind)
            .collect();
        assert_eq!(kinds, [CatchmentKind::Inner, CatchmentKind::Outer]);
        assert_eq!(records.areas().len(), 2);
        let made = records
            .area(test_layers::layer("gp-practice"), "A00001")
            .expect("an area");
        assert_eq!(made.provenance, Provenance::Official);
    }

    #[test]
    fn the_catchments_of_branches_are_merged() {
        let branch = |text: &str, index| DeclaredCatchment {
            branch: Some(code(text)),
            ..catchment("A00001", Inner, vec![square(index)])
        };
        let (_, boundaries) = add(vec![
            catchment("A00001", Inner, vec![square(0)]),
            branch("A00001001", 0),
            branch("A00001002", 1),
            branch("A00001003", 3),
        ]);
        let [boundary] = &boundaries[..] else {
            panic!("{} boundaries", boundaries.len());
        };
        // The squares 0 and 1 are neighbours; the square 3 touches neither of them.
        assert_eq!(boundary.lonlat.0.len(), 2);
    }

    #[test]
    fn unknown_practices_and_practices_with_an_area_are_left_out() {
        let (records, boundaries) = add(vec![
            catchment("A00002", Inner, vec![square(0)]),
            catchment("A00009", Inner, vec![square(1)]),
        ]);
        assert!(boundaries.is_empty() && records.remarks.is_empty());
        assert_eq!(records.areas().len(), 1);
    }

    #[test]
    fn a_catchment_outside_the_grid_is_left_out_with_a_remark() {
        let degree = 1_000_000_000;
        let far = vec![vec![
            (100 * degree, 50 * degree).into(),
            (101 * degree, 50 * degree).into(),
            (101 * degree, 51 * degree).into(),
        ]];
        let (records, boundaries) = add(vec![catchment("A00001", Inner, vec![far])]);
        assert!(boundaries.is_empty());
        assert_eq!(records.areas().len(), 1);
        assert_eq!(
            records.remarks,
            ["practice `A00001` is left out: a vertex is outside the British National Grid"]
        );
    }

    #[test]
    fn no_catchments_add_nothing() {
        let (records, boundaries) = add(Vec::new());
        assert!(boundaries.is_empty() && records.remarks.is_empty());
    }
}
