//! Checks that statistical areas do not overlap.
//!
//! If two areas share a border vertex for vertex, each edge of the border belongs to both areas, in
//! opposite directions. Only areas with edges that belong to no other area can overlap, so only
//! these areas are overlaid. In a published file, they are the areas along the outer edge.

use std::collections::HashMap;

use anyhow::{Result, anyhow, bail};
use geo::Coord;

use super::config::StatisticalAreasConfig;
use super::sources::{SourceData, StatisticalArea, display_path};
use crate::check;
use crate::dataset::boundary::boundary_from_polygons;
use crate::formats::Crs;
use catchment_core::domain::{Boundary, Period};
use catchment_core::geometry::rings;

type DirectedEdge = (Coord<i64>, Coord<i64>);

/// Checks that statistical areas do not overlap by more than the configuration allows. Returns a
/// remark about each allowed overlap.
pub(super) fn check(sources: &SourceData, config: &StatisticalAreasConfig) -> Result<Vec<String>> {
    let areas = &sources.statistical_areas;
    let mut counts: HashMap<DirectedEdge, u32> = HashMap::new();
    for edge in areas.values().flat_map(edges) {
        *counts.entry(edge).or_default() += 1;
    }
    let is_shared =
        |(a, b): &DirectedEdge| counts[&(*a, *b)] == 1 && counts.contains_key(&(*b, *a));
    let suspects = areas
        .iter()
        .filter(|(_, area)| !edges(area).all(|edge| is_shared(&edge)));
    let boundaries: Vec<Boundary> = suspects
        .map(|(code, area)| {
            boundary_from_polygons(Crs::LonLat, &area.polygons, code.clone(), Period::default())
                .map_err(|reason| anyhow!("statistical area `{code}`: {reason}"))
        })
        .collect::<Result<_>>()?;
    let (mut errors, mut remarks) = (Vec::new(), Vec::new());
    for finding in check::check_overlaps(&config.id, &boundaries) {
        let place = finding.position.map_or_else(String::new, |position| {
            format!(", at {:.5} {:.5}", position.lon(), position.lat())
        });
        let text = format!("{}{place}", finding.message);
        let is_wide = finding.code == "overlap";
        let is_allowed = finding
            .size_m2
            .is_none_or(|size| size <= config.allow_overlap_m2);
        if is_wide && !is_allowed {
            errors.push(text);
        } else {
            remarks.push(text);
        }
    }
    if errors.is_empty() {
        return Ok(remarks);
    }
    bail!(
        "{}: statistical areas must not overlap; correct the boundaries, or set allow_overlap_m2 in \
         [statistical_areas] to the size in m² that is allowed:\n  {}",
        display_path(&config.boundaries),
        errors.join("\n  ")
    )
}

fn edges(area: &StatisticalArea) -> impl Iterator<Item = DirectedEdge> {
    let rings = area.polygons.iter().flatten();
    rings
        .flat_map(|ring| rings::edges(ring))
        .map(|edge| (edge.start, edge.end))
}

#[cfg(test)]
mod tests {
    use super::super::test_sources::{build_config, sources_with_areas, square};
    use super::*;

    fn check_squares(
        polygons: &[(&str, Vec<geo::Coord<i64>>)],
        allow_m2: f64,
    ) -> Result<usize, String> {
        let mut sources = sources_with_areas(&[]);
        for (code, ring) in polygons {
            let area = StatisticalArea {
                name: (*code).into(),
                sub_icb: None,
                polygons: vec![vec![ring.clone()]],
            };
            sources.statistical_areas.insert((*code).into(), area);
        }
        let mut config = build_config().statistical_areas.expect("LSOAs");
        config.allow_overlap_m2 = allow_m2;
        check(&sources, &config)
            .map(|remarks| remarks.len())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn neighbours_share_edges_and_overlaps_are_errors() {
        let ring = |index: i64| square(index)[0].clone();
        assert_eq!(
            check_squares(&[("S0", ring(0)), ("S1", ring(1))], 0.0),
            Ok(0)
        );
        let moved: Vec<_> = ring(1)
            .iter()
            .map(|vertex| Coord {
                x: vertex.x - 1_000_000,
                ..*vertex
            })
            .collect();
        let overlapping = [("S0", ring(0)), ("S1", moved)];
        let error = check_squares(&overlapping, 0.0).expect_err("an overlap");
        for words in [
            "lsoas.geojson",
            "lsoa21 `S0` and `S1` overlap by",
            "allow_overlap_m2",
        ] {
            assert!(error.contains(words), "`{words}` is not in: {error}");
        }
        assert_eq!(check_squares(&overlapping, 1e9), Ok(1));
        let error = check_squares(&[("S0", ring(0)), ("S1", ring(0))], 0.0);
        assert!(error.is_err(), "the same area twice");
    }
}
