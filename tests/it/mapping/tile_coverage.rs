//! Tests that the tiles of partition layers are valid coverages at every zoom, without overlaps,
//! gaps or invalid polygons. The tests use GEOS and a direct implementation of the definition.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::env;
use std::fmt::Write as _;

use catchment::dataset::{DatasetSource, read};
use catchment::domain::Boundary;
use catchment::tiles::{TileArea, TileCoord, TiledLayer};
use geo::Validation;

use crate::data::embedded_dataset::DAY;
use crate::mapping::tiles::{TileFeature, Vertex, decode, doubled_area, edges};
use crate::support::borders::{DistortedGrid, SIXTY_AREAS};
use crate::support::external_tools::{python, report_skipped, stdout_of};

/// The maximum number of tiles per zoom that are checked. If there are more tiles, a sample is
/// checked.
const TILES_MAX: usize = 150;

/// Creates a layer of areas whose names are their ids.
pub(crate) fn tiled_layer(boundaries: &[Boundary], is_partition: bool) -> TiledLayer {
    let areas = (1..)
        .zip(boundaries)
        .map(|(feature_id, boundary)| TileArea {
            feature_id,
            boundary,
            name: &boundary.id,
            provenance: "indicative",
        });
    TiledLayer::new("icc", is_partition, areas)
}

/// Returns the features of a tile, or an empty vector if the tile is empty.
pub(crate) fn tile_features(layer: &TiledLayer, z: u8, x: u32, y: u32) -> Vec<TileFeature> {
    let address = TileCoord::new(z, x, y).expect("the tile exists");
    let bytes = layer.tile(address).expect("the tile is encoded");
    bytes.map_or_else(Vec::new, |bytes| decode(&bytes, "icc"))
}

/// Returns the tiles at zoom `z` that contain a border and are children of the tiles `parents` at
/// the previous zoom. If there are more than [`TILES_MAX`] such tiles, returns a sample.
fn tiles_with_borders(layer: &TiledLayer, parents: &[(u32, u32)], z: u8) -> Vec<(u32, u32)> {
    let children = parents.iter().flat_map(|&(x, y)| {
        [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(east, south)| (2 * x + east, 2 * y + south))
    });
    let mut tiles: Vec<(u32, u32)> = if z == 0 {
        vec![(0, 0)]
    } else {
        children.collect()
    };
    tiles.retain(|&(x, y)| {
        let features = tile_features(layer, z, x, y);
        features.len() > 1
            || features
                .iter()
                .any(|feature| feature.rings.iter().any(|ring| ring.len() > 4))
    });
    // Return a sample spread over all of the tiles.
    let step = tiles.len().div_ceil(TILES_MAX).max(1);
    tiles.into_iter().step_by(step).collect()
}

/// Returns the polygons of a feature. Each polygon is an exterior ring followed by its holes.
fn polygons(feature: &TileFeature) -> Vec<Vec<Vec<Vertex>>> {
    let mut polygons: Vec<Vec<Vec<Vertex>>> = Vec::new();
    for ring in &feature.rings {
        let mut closed = ring.clone();
        closed.push(ring[0]);
        if doubled_area(ring) > 0 {
            polygons.push(vec![closed])
        } else {
            polygons.last_mut().expect("an exterior first").push(closed)
        }
    }
    polygons
}

/// Checks tiles with GEOS.
#[track_caller]
fn check_with_geos(what: &str, tiles: &[(String, Vec<TileFeature>)], is_partition: bool) {
    let Some(mut python) = python("GEOS on tiles") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut lines = String::new();
    for (tile, features) in tiles {
        let areas: Vec<_> = features
            .iter()
            .map(polygons)
            .filter(|value| !value.is_empty())
            .collect();
        let line =
            serde_json::json!({ "tile": tile, "is_partition": is_partition, "areas": areas });
        writeln!(lines, "{line}").expect("writing to a String");
    }
    let file = folder.path().join("tiles.jsonl");
    std::fs::write(&file, lines).expect("a file");
    let output = stdout_of(python.arg("tests/oracle/coverage.py").arg(&file));
    println!("{what}: {output}");
    assert_eq!(output.lines().count(), 1, "{what}: {output}");
}

/// Checks the definition of a coverage: no two edges cross, no vertex is in the interior of an
/// edge, and each edge has at most one area on each side.
#[track_caller]
fn check_coverage(context: &str, features: &[TileFeature]) {
    let mut all: Vec<(Vertex, Vertex)> = Vec::new();
    let mut seen: BTreeSet<(Vertex, Vertex)> = BTreeSet::new();
    for feature in features {
        for edge in feature.rings.iter().flat_map(|ring| edges(ring)) {
            assert!(
                seen.insert(edge),
                "{context}: two areas on one side of {edge:?}"
            );
            if !seen.contains(&(edge.1, edge.0)) {
                all.push(edge);
            }
        }
    }
    let side = |(a, b): (Vertex, Vertex), c: Vertex| {
        let wide = |value: i32| i64::from(value);
        (wide(b.0) - wide(a.0)) * (wide(c.1) - wide(a.1))
            - (wide(b.1) - wide(a.1)) * (wide(c.0) - wide(a.0))
    };
    let in_box = |(a, b): (Vertex, Vertex), c: Vertex| {
        (a.0.min(b.0)..=a.0.max(b.0)).contains(&c.0) && (a.1.min(b.1)..=a.1.max(b.1)).contains(&c.1)
    };
    for (index, &one) in all.iter().enumerate() {
        for &other in &all[index + 1..] {
            let are_on_opposite_sides = |edge: (Vertex, Vertex), a: Vertex, b: Vertex| {
                side(edge, a).signum() * side(edge, b).signum() < 0
            };
            assert!(
                !(are_on_opposite_sides(one, other.0, other.1)
                    && are_on_opposite_sides(other, one.0, one.1)),
                "{context}: {one:?} crosses {other:?}"
            );
            for (edge, vertex) in [
                (one, other.0),
                (one, other.1),
                (other, one.0),
                (other, one.1),
            ] {
                let is_end = vertex == edge.0 || vertex == edge.1;
                assert!(
                    is_end || side(edge, vertex) != 0 || !in_box(edge, vertex),
                    "{context}: {vertex:?} is on {edge:?}"
                );
            }
        }
    }
}

#[track_caller]
fn check_layer(what: &str, boundaries: &[Boundary], is_partition: bool, max_zoom: u8) {
    let layer = tiled_layer(boundaries, is_partition);
    let mut tiles = Vec::new();
    let mut parents = Vec::new();
    for z in 0..=max_zoom {
        parents = tiles_with_borders(&layer, &parents, z);
        let names = parents
            .iter()
            .map(|&(x, y)| (format!("{z}/{x}/{y}"), tile_features(&layer, z, x, y)));
        tiles.extend(names);
    }
    assert!(
        tiles.len() > 200,
        "{what}: {} tiles are too few",
        tiles.len()
    );
    check_with_geos(what, &tiles, is_partition);
}

#[test]
fn communities_are_a_valid_coverage_on_every_tile() {
    let dataset = crate::data::embedded_dataset::embedded();
    for (layer, boundaries) in &dataset.boundaries {
        let id = layer.as_str();
        if id.starts_with("lsoa") {
            continue;
        }
        let is_partition = id != "gp-practice" && id != "resilience-group";
        let valid = boundaries
            .iter()
            .filter(|boundary| boundary.period.contains(DAY));
        let valid: Vec<Boundary> = valid.cloned().collect();
        check_layer(id, &valid, is_partition, 22);
    }
}

#[test]
fn statistical_areas_are_a_valid_coverage_on_every_tile() {
    let dataset = crate::data::embedded_dataset::embedded();
    check_layer("LSOAs", &dataset.statistical_boundaries, true, 22);
    let layers = dataset.boundaries.iter();
    let lsoa21 = layers.filter(|(layer, _)| layer.as_str() == "lsoa21");
    for (layer, boundaries) in lsoa21 {
        check_layer(layer.as_str(), boundaries, true, 14);
    }
}

#[test]
fn irregular_borders_are_a_valid_coverage_on_every_tile() {
    check_layer("sixty", &SIXTY_AREAS.areas(), true, 18);
}

#[test]
fn every_area_is_on_a_tile_of_every_zoom() {
    let dataset = crate::data::embedded_dataset::embedded();
    let boundaries = &dataset.statistical_boundaries;
    let layer = tiled_layer(boundaries, true);
    let mut parents: Vec<(u32, u32)> = vec![(0, 0)];
    for z in 0..=10 {
        let mut has_polygons: BTreeMap<u64, bool> = BTreeMap::new();
        for &(x, y) in &parents {
            for feature in tile_features(&layer, z, x, y) {
                *has_polygons.entry(feature.id).or_default() |= !feature.rings.is_empty();
            }
        }
        assert_eq!(has_polygons.len(), boundaries.len(), "zoom {z}");
        let drawn = has_polygons.values().filter(|is_drawn| **is_drawn).count();
        println!("zoom {z}: {drawn} of {} have polygons", has_polygons.len());
        parents = parents
            .iter()
            .flat_map(|&(x, y)| {
                [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(e, s)| (2 * x + e, 2 * y + s))
            })
            .filter(|&(x, y)| !tile_features(&layer, z + 1, x, y).is_empty())
            .collect();
    }
}

/// The maximum displacement of a border, in units. The maximum is half a pixel (4 units), plus one
/// unit for rounding.
const DISPLACEMENT_MAX: f64 = 4.0 + 1.0;

#[test]
fn no_border_moves_by_more_than_half_a_pixel() {
    let areas = SIXTY_AREAS.areas();
    let layer = tiled_layer(&areas, true);
    let mut furthest: f64 = 0.0;
    for (z, x, y) in [(4, 7, 5), (6, 31, 20)] {
        let features = tile_features(&layer, z, x, y);
        assert_eq!(features.len(), areas.len());
        for (area, feature) in areas.iter().zip(&features) {
            for point in area.lonlat[0].exterior().coords() {
                let place = tile_units((point.x, point.y), z, x, y);
                let near = feature.rings.iter().flat_map(|ring| edges(ring));
                let distance = near
                    .map(|edge| distance(place, edge))
                    .fold(f64::INFINITY, f64::min);
                furthest = furthest.max(distance);
            }
        }
    }
    println!("the largest displacement is {furthest:.2} units");
    assert!((1.0..=DISPLACEMENT_MAX).contains(&furthest), "{furthest}");
}

/// Projects a position to unrounded units of a tile.
fn tile_units((lon, lat): (f64, f64), z: u8, x: u32, y: u32) -> (f64, f64) {
    let units = f64::from(1_u32 << z) * 4_096.0;
    let (east, south) = (
        lon / 360.0 + 0.5,
        0.5 - lat.to_radians().tan().asinh() / std::f64::consts::TAU,
    );
    (
        east * units - f64::from(x) * 4_096.0,
        south * units - f64::from(y) * 4_096.0,
    )
}

fn distance(place: (f64, f64), (from, to): (Vertex, Vertex)) -> f64 {
    let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
    let (x, y) = (place.0 - f64::from(from.0), place.1 - f64::from(from.1));
    let part = ((x * dx + y * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    (x - part * dx).hypot(y - part * dy)
}

/// Checks that adjacent tiles contain the same edges in the area in which their buffers overlap.
#[test]
fn adjacent_tiles_agree_in_their_buffers() {
    let dataset = crate::data::embedded_dataset::embedded();
    let layer = tiled_layer(&dataset.statistical_boundaries, true);
    let mut in_common = 0;
    for (z, x, y) in [
        (8, 125, 81),
        (9, 251, 163),
        (10, 502, 326),
        (11, 1_004, 652),
    ] {
        for (east, south) in [(1, 0), (0, 1)] {
            let strip =
                |features: Vec<TileFeature>, dx: i32, dy: i32| -> BTreeSet<(u64, Vertex, Vertex)> {
                    let of = |feature: TileFeature| {
                        let feature_id = feature.id;
                        let all: Vec<_> =
                            feature.rings.iter().flat_map(|ring| edges(ring)).collect();
                        all.into_iter().map(move |((a, b), (c, d))| {
                            (feature_id, (a + dx, b + dy), (c + dx, d + dy))
                        })
                    };
                    let is_in = |&(_, a, b): &(u64, Vertex, Vertex)| {
                        [a, b].iter().all(|&(x, y)| {
                            let (across, along) = if east == 1 { (x, y) } else { (y, x) };
                            (4_096 - 63..4_096 + 63).contains(&across)
                                && (-63..4_096 + 63).contains(&along)
                        })
                    };
                    features.into_iter().flat_map(of).filter(is_in).collect()
                };
            let (dx, dy) = (4_096 * i32::from(east == 1), 4_096 * i32::from(south == 1));
            let here = strip(tile_features(&layer, z, x, y), 0, 0);
            let there = strip(tile_features(&layer, z, x + east, y + south), dx, dy);
            assert_eq!(here, there, "{z}/{x}/{y} and its neighbour differ");
            in_common += here.len();
        }
    }
    assert!(in_common > 50, "{in_common}");
}

#[test]
fn sixty_areas_have_77_010_vertices() {
    let areas = SIXTY_AREAS.areas();
    let vertices: usize = areas.iter().map(|area| area.grid[0].rings[0].len()).sum();
    assert_eq!((areas.len(), vertices), (60, 77_010));
    assert!(areas.iter().all(|area| area.lonlat.is_valid()));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]

    #[test]
    fn irregular_partitions_stay_valid_coverages(
        columns in 1_i32..6, rows in 1_i32..6, east in 200_000_000_i32..500_000_000,
        north in 100_000_000_i32..900_000_000, side in 10_000_i32..30_000_000, edges in 1_u32..24,
        seed in 0_u64.., z in 0_u8..=14,
    ) {
        let borders = DistortedGrid { columns, rows, corner: (east, north), side, edges, seed };
        let areas = borders.areas();
        proptest::prop_assume!(areas.iter().all(|area| area.lonlat.is_valid()));
        let layer = tiled_layer(&areas, true);
        for (x, y) in tiles_with_most_vertices(&areas, z) {
            check_coverage(&format!("{borders:?} {z}/{x}/{y}"), &tile_features(&layer, z, x, y));
        }
    }
}

/// Returns overlapping areas. Areas with the same seed have the same border.
fn overlapping_areas(count: usize, side: i32, seed: u64) -> Vec<Boundary> {
    let blob = |index: usize| {
        let one = DistortedGrid {
            columns: 1,
            rows: 1,
            corner: (
                300_000_000 + i32::try_from(index % 3).expect("few") * side / 3,
                450_000_000 + i32::try_from(index % 4).expect("few") * side / 5,
            ),
            side,
            edges: 16,
            seed: seed + index as u64 % 5,
        };
        let mut area = one.areas().remove(0);
        area.id = format!("blob-{index}");
        area
    };
    (0..count).map(blob).collect()
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]

    /// Each area on its own is valid, even if other areas overlap it.
    #[test]
    fn overlapping_areas_stay_valid(
        count in 1_usize..14, side in 10_000_i32..30_000_000, seed in 0_u64.., z in 0_u8..=14,
    ) {
        let areas = overlapping_areas(count, side, seed);
        proptest::prop_assume!(areas.iter().all(|area| area.lonlat.is_valid()));
        let layer = tiled_layer(&areas, false);
        for (x, y) in tiles_with_most_vertices(&areas, z) {
            for feature in tile_features(&layer, z, x, y) {
                check_coverage(&format!("{count} {side} {seed} {z}/{x}/{y}"), &[feature]);
            }
        }
    }
}

/// Returns the six tiles that contain the most vertices of the areas.
fn tiles_with_most_vertices(areas: &[Boundary], z: u8) -> Vec<(u32, u32)> {
    let mut count: HashMap<(u32, u32), usize> = HashMap::new();
    let vertices = areas
        .iter()
        .flat_map(|boundary| &boundary.lonlat)
        .flat_map(|polygon| &polygon.exterior().0);
    for vertex in vertices {
        *count
            .entry(crate::mapping::tiles::column_and_row(
                vertex.x,
                vertex.y,
                u32::from(z),
            ))
            .or_default() += 1;
    }
    let mut tiles: Vec<_> = count.into_iter().collect();
    tiles.sort_unstable_by_key(|&(tile, count)| (std::cmp::Reverse(count), tile));
    tiles.into_iter().map(|value| value.0).take(6).collect()
}

/// Checks the national dataset (docs/users/national-data.md) in the folder that
/// `CATCHMENT_NATIONAL` specifies.
#[test]
#[ignore = "needs the dataset in the folder CATCHMENT_NATIONAL; tests/check --all runs it"]
fn national_dataset_is_a_valid_coverage_on_every_tile() {
    let Some(folder) = env::var_os("CATCHMENT_NATIONAL") else {
        report_skipped("the national dataset: set CATCHMENT_NATIONAL to its folder");
        return;
    };
    let dataset = read(&DatasetSource::Folder(folder.into())).expect("CATCHMENT_NATIONAL");
    for (layer, boundaries) in &dataset.boundaries {
        check_layer(
            layer.as_str(),
            boundaries,
            *layer != crate::support::layer("gp-practice"),
            14,
        );
    }
    check_layer("LSOAs", &dataset.statistical_boundaries, true, 12);
}
