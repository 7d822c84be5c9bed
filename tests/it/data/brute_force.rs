//! A brute-force definition, in exact arithmetic, of whether an area contains a point. The tests
//! compare the index with this definition on random polygons, valid and invalid, and on the
//! polygons of the embedded dataset.

use catchment::dataset::{self, Dataset};
use catchment::domain::{
    Area, AreaFacts, Boundary, BritishGrid, CatchmentKind, GridPolygon, Layer, Period, Provenance,
};
use catchment::index::{Index, LocateQuery, Locator};
use geo::MultiPolygon;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::data::embedded_dataset::{DAY, embedded, index};
use crate::data::point_in_polygon;

/// Easting and northing in millimetres.
pub(crate) type Point = (i32, i32);

/// Returns whether polygons contain a point, that is, whether a ray from the point to the east
/// crosses the edges an odd number of times. An edge includes its lower end but not its upper end,
/// and a point on an edge is considered to be east of the edge.
pub(crate) fn contains(polygons: &[GridPolygon], (x, y): Point) -> bool {
    let (x, y) = (i128::from(x), i128::from(y));
    let mut is_inside = false;
    for ring in polygons.iter().flat_map(|polygon| &polygon.rings) {
        for (index, &from) in ring.iter().enumerate() {
            let to = ring[(index + 1) % ring.len()];
            let [(x1, y1), (x2, y2)] = [from, to].map(|position| {
                (
                    i128::from(position.easting_mm()),
                    i128::from(position.northing_mm()),
                )
            });
            let (lower, upper) = (y1.min(y2), y1.max(y2));
            if !(lower <= y && y < upper) {
                continue;
            }
            // At the northing of the point, the edge is at x1 + (y - y1)(x2 - x1) / (y2 - y1).
            let (mut numerator, mut denominator) = (x1 * (y2 - y1) + (y - y1) * (x2 - x1), y2 - y1);
            if denominator < 0 {
                (numerator, denominator) = (-numerator, -denominator);
            }
            if x * denominator < numerator {
                is_inside = !is_inside;
            }
        }
    }
    is_inside
}

/// Returns the ids of the boundaries that contain a point, in the order of `boundaries`.
pub(crate) fn areas_containing(boundaries: &[Boundary], point: Point) -> Vec<&str> {
    let matching = boundaries
        .iter()
        .filter(|boundary| contains(&boundary.grid, point));
    matching.map(|boundary| boundary.id.as_str()).collect()
}

pub(crate) fn grid_at_mm((x, y): Point) -> BritishGrid {
    let metres = |mm: i32| f64::from(mm) / 1_000.0;
    let grid = BritishGrid::from_metres(metres(x), metres(y)).expect("near the grid");
    assert_eq!((grid.easting_mm(), grid.northing_mm()), (x, y));
    grid
}

/// Returns the ids of the areas that cover a point according to the index.
pub(crate) fn areas_in_index(index: &Index, layer: Layer, point: Point) -> Vec<&str> {
    let areas = index.areas_covering(layer, grid_at_mm(point), DAY);
    areas.into_iter().map(|area| area.id.as_str()).collect()
}

/// Returns a dataset with one layer of boundaries, which are not validated.
pub(crate) fn dataset_of(layer: Layer, boundaries: Vec<Boundary>) -> Dataset {
    let manifest = format!(
        "name = \"made-up\"\nversion = \"1\"\ntitle = \"\"\nas_of = \"2025-01-01\"\n\
         attribution = \"\"\nlicence = \"https://example.org/licence\"\ntolerance_m = 100.0\ncomplete_outcodes = []\n\
         sources = []\n[[layers]]\nid = \"{layer}\"\ntitle = \"\"\nkind = \"partition\"\n\
         first_data = \"2022-01-05\"\nprovenance = \"derived\"\n[files]\n"
    );
    let area = |boundary: &Boundary| Area {
        layer,
        id: boundary.id.clone(),
        name: boundary.id.clone(),
        title: None,
        label: None,
        kind: None,
        system: None,
        provenance: Provenance::Derived,
        period: Period::default(),
        ended_by: None,
    };
    Dataset {
        manifest: dataset::manifest_from_toml(&manifest).expect("a manifest"),
        digest: String::new(),
        areas: boundaries.iter().map(area).collect(),
        boundaries: vec![(layer, boundaries)],
        lineage: Vec::new(),
        memberships: Vec::new(),
        practices: Vec::new(),
        premises: Vec::new(),
        successions: Vec::new(),
        statistical_areas: Vec::new(),
        statistical_boundaries: Vec::new(),
        assignments: Vec::new(),
        former_premises: Vec::new(),
        neighbouring_practices: Vec::new(),
        not_gp_practices: Vec::new(),
        postcodes: Vec::new(),
        postcode_codes: Vec::new(),
        postcode_homes: Vec::new(),
        golden_queries: Vec::new(),
        stated_counts: Vec::new(),
        facts: AreaFacts::default(),
    }
}

fn boundary(index: usize, polygons: &[Vec<Vec<Point>>]) -> Boundary {
    let polygon = |rings: &Vec<Vec<Point>>| GridPolygon {
        rings: rings
            .iter()
            .map(|ring| ring.iter().copied().map(grid_at_mm).collect())
            .collect(),
    };
    Boundary {
        id: format!("area-{index}"),
        catchment_kind: CatchmentKind::Whole,
        period: Period::default(),
        lonlat: MultiPolygon::new(Vec::new()),
        grid: polygons.iter().map(polygon).collect(),
    }
}

fn build_index(boundaries: &[Boundary]) -> Index {
    Index::build(dataset_of(
        crate::support::layer("icc"),
        boundaries.to_vec(),
    ))
    .expect("the dataset is consistent")
}

/// An irregular grid whose cells are assigned to a few areas. Some areas are neighbours, enclaves
/// or islands. Some areas have holes that touch at a corner, or edges in the interior that must
/// cancel out.
#[derive(Debug)]
struct IrregularGrid {
    /// The distance between corners in millimetres.
    step: i32,
    corner: Point,
    /// The offset of each corner in tenths of a step.
    offsets: Vec<(i32, i32)>,
    area_indices: Vec<usize>,
}

const CELLS_PER_SIDE: i32 = 5;

impl IrregularGrid {
    /// Returns a corner, which is displaced by at most a fifth of a step, so that no two edges
    /// cross.
    fn corner_at(&self, column: i32, row: i32) -> Point {
        let index = usize::try_from(row * (CELLS_PER_SIDE + 1) + column).expect("not negative");
        let offset = self.offsets[index];
        let coordinate =
            |origin: i32, count: i32, off: i32| origin + count * self.step + off * (self.step / 10);
        (
            coordinate(self.corner.0, column, offset.0),
            coordinate(self.corner.1, row, offset.1),
        )
    }

    fn boundaries(&self) -> Vec<Boundary> {
        let mut areas: Vec<Vec<Vec<Vec<Point>>>> = vec![Vec::new(); 4];
        for row in 0..CELLS_PER_SIDE {
            for column in 0..CELLS_PER_SIDE {
                let index = usize::try_from(row * CELLS_PER_SIDE + column).expect("not negative");
                let ring = [(0, 0), (1, 0), (1, 1), (0, 1)]
                    .map(|(right, up)| self.corner_at(column + right, row + up));
                areas[self.area_indices[index]].push(vec![ring.to_vec()]);
            }
        }
        let areas = areas.iter().enumerate();
        areas
            .map(|(index, polygons)| boundary(index, polygons))
            .collect()
    }

    /// Returns every corner and every midpoint of an edge, and the four points that are one
    /// millimetre away from each corner and midpoint.
    fn test_points(&self) -> Vec<Point> {
        let mut places = Vec::new();
        for row in 0..=CELLS_PER_SIDE {
            for column in 0..=CELLS_PER_SIDE {
                let here = self.corner_at(column, row);
                let others = [(column + 1, row), (column, row + 1)];
                let others = others
                    .into_iter()
                    .filter(|(c, r)| *c <= CELLS_PER_SIDE && *r <= CELLS_PER_SIDE);
                let ends = others.map(|(column, row)| self.corner_at(column, row));
                let middles = ends.map(|end| (here.0.midpoint(end.0), here.1.midpoint(end.1)));
                for (x, y) in middles.chain([here]) {
                    places.extend([(x, y), (x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)]);
                }
            }
        }
        places
    }

    /// Returns whether a point is inside the grid, at a distance from the outline that is larger
    /// than the displacement of any corner.
    fn is_well_inside(&self, (x, y): Point) -> bool {
        let margin = self.step / 5 + 1;
        let inside = |origin: i32, value: i32| {
            (origin + margin..origin + CELLS_PER_SIDE * self.step - margin).contains(&value)
        };
        inside(self.corner.0, x) && inside(self.corner.1, y)
    }
}

fn irregular_grids() -> impl Strategy<Value = IrregularGrid> {
    let corners =
        usize::try_from((CELLS_PER_SIDE + 1) * (CELLS_PER_SIDE + 1)).expect("not negative");
    let cells = usize::try_from(CELLS_PER_SIDE * CELLS_PER_SIDE).expect("not negative");
    let size = prop_oneof![
        // With cells of ten millimetres, every point is near a border.
        Just((10, (300_000_000, 480_000_000))),
        // With cells of 1.2 km and of 200 km, the products need 128 bits.
        Just((1_234_560, (299_999_999, 479_999_999))),
        Just((200_000_000, (-150_000_000, 300_000_000))),
    ];
    let offsets = proptest::collection::vec((-2..=2, -2..=2), corners);
    let area_indices = proptest::collection::vec(0_usize..4, cells);
    (size, offsets, area_indices).prop_map(|((step, corner), offsets, area_indices)| {
        IrregularGrid {
            step,
            corner,
            offsets,
            area_indices,
        }
    })
}

/// Returns a strategy for rings of arbitrary vertices, such as figures of eight, spikes, rings of
/// zero area and rings with repeated vertices.
fn any_rings() -> impl Strategy<Value = Vec<Vec<Vec<Vec<Point>>>>> {
    let near = (300_000_000_i32..300_000_012, 480_000_000_i32..480_000_012);
    let far = (
        -200_000_000_i32..=900_000_000,
        -200_000_000_i32..=1_500_000_000,
    );
    let vertex = prop_oneof![9 => near, 1 => far];
    let ring = proptest::collection::vec(vertex, 0..8);
    let polygon = proptest::collection::vec(ring, 0..4);
    proptest::collection::vec(proptest::collection::vec(polygon, 0..3), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        // With a fixed seed, every run uses the same polygons.
        rng_seed: RngSeed::Fixed(27_700),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn index_matches_the_definition_on_partitions(
        grid in irregular_grids(), more in proptest::collection::vec((0.0_f64..1.0, 0.0_f64..1.0), 40),
    ) {
        let boundaries = grid.boundaries();
        let index = build_index(&boundaries);
        let side = f64::from(CELLS_PER_SIDE * grid.step);
        #[expect(clippy::cast_possible_truncation, reason = "within the box")]
        let more = more.into_iter().map(|(right, up)| {
            (grid.corner.0 + (right * side) as i32, grid.corner.1 + (up * side) as i32)
        });
        for point in grid.test_points().into_iter().chain(more) {
            let expected = areas_containing(&boundaries, point);
            prop_assert_eq!(&areas_in_index(&index, crate::support::layer("icc"), point), &expected);
            prop_assert!(expected.len() <= 1);
            if grid.is_well_inside(point) {
                prop_assert_eq!(expected.len(), 1);
            }
        }
    }

    #[test]
    fn index_matches_the_definition_on_invalid_rings(
        areas in any_rings(),
        points in proptest::collection::vec(
            (299_999_999_i32..300_000_013, 479_999_999_i32..480_000_013), 60
        ),
    ) {
        let areas = areas.iter().enumerate();
        let boundaries: Vec<Boundary> =
            areas.map(|(index, polygons)| boundary(index, polygons)).collect();
        let index = build_index(&boundaries);
        for point in points {
            prop_assert_eq!(
                areas_in_index(&index, crate::support::layer("icc"), point),
                areas_containing(&boundaries, point)
            );
            let locator = Some(Locator::Grid(grid_at_mm(point)));
            index.locate(&LocateQuery { locator, practice: None, as_of: DAY });
        }
    }
}

#[test]
fn index_matches_the_definition_on_the_embedded_layers() {
    let dataset = embedded();
    let (_, iccs) = &dataset.boundaries[0];
    let points = point_in_polygon::sample_points(iccs, 2_000);
    for (layer, boundaries) in &dataset.boundaries {
        let valid = boundaries
            .iter()
            .filter(|boundary| boundary.period.contains(DAY));
        let valid: Vec<Boundary> = valid.cloned().collect();
        for &point in points.iter().step_by(31) {
            let expected = areas_containing(&valid, point);
            assert_eq!(
                areas_in_index(index(), *layer, point),
                expected,
                "{layer} {point:?}"
            );
        }
    }
}

/// The name of a case, its areas as polygons of rings, and the number of points in a box of
/// 40 × 40 mm that are in an area. No point is in two areas.
type GeometryCase = (&'static str, Vec<Vec<Vec<Vec<Point>>>>, usize);

#[test]
fn index_matches_the_definition_on_holes_islands_and_enclaves() {
    let square = |x: i32, y: i32, side: i32| {
        vec![(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
    };
    let cases: Vec<GeometryCase> = vec![
        (
            "a hole",
            vec![vec![vec![square(0, 0, 30), square(10, 10, 10)]]],
            800,
        ),
        (
            "an island in the hole",
            vec![vec![
                vec![square(0, 0, 30), square(10, 10, 10)],
                vec![square(13, 13, 4)],
            ]],
            816,
        ),
        (
            "an enclave that fills the hole",
            vec![
                vec![vec![square(0, 0, 30), square(10, 10, 10)]],
                vec![vec![square(10, 10, 10)]],
            ],
            900,
        ),
        (
            "holes that touch at a corner",
            vec![vec![vec![
                square(0, 0, 30),
                square(5, 5, 10),
                square(15, 15, 10),
            ]]],
            700,
        ),
        (
            "a hole that touches the exterior at a corner",
            vec![vec![vec![
                square(0, 0, 30),
                vec![(0, 15), (10, 10), (10, 20)],
            ]]],
            850,
        ),
        (
            "parts that touch at a corner, with a neighbour between them",
            vec![
                vec![vec![square(0, 0, 10)], vec![square(10, 10, 10)]],
                vec![vec![square(10, 0, 10)], vec![square(0, 10, 10)]],
            ],
            400,
        ),
        (
            "a part far from the other",
            vec![vec![vec![square(0, 0, 10)], vec![square(25, 25, 10)]]],
            200,
        ),
    ];
    for (name, areas, expected) in cases {
        // Some of these positions are on the lines between cells of the index, and some are not.
        for (east, north) in [(0, 0), (1 << 28, 3 << 28), (299_999_987, 479_999_973)] {
            let shifted =
                |ring: &Vec<Point>| ring.iter().map(|(x, y)| (x + east, y + north)).collect();
            let polygon = |rings: &Vec<Vec<Point>>| rings.iter().map(shifted).collect();
            let boundaries: Vec<Boundary> = areas
                .iter()
                .map(|polygons| polygons.iter().map(polygon).collect::<Vec<_>>())
                .enumerate()
                .map(|(index, polygons)| boundary(index, &polygons))
                .collect();
            let index = build_index(&boundaries);
            let mut count = 0;
            for (x, y) in (-2..38).flat_map(|x| (-2..38).map(move |y| (x, y))) {
                let point = (x + east, y + north);
                let expected = areas_containing(&boundaries, point);
                assert_eq!(
                    areas_in_index(&index, crate::support::layer("icc"), point),
                    expected,
                    "{name}: {x} {y}"
                );
                assert!(expected.len() <= 1, "{name}: {x} {y}");
                count += expected.len();
            }
            assert_eq!(count, expected, "{name}");
        }
    }
}

#[test]
fn definition_assigns_shared_corners_to_one_area_and_holes_to_none() {
    let square = |x: i32, y: i32, side: i32| {
        vec![(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
    };
    let quarters: Vec<Boundary> = [(0, 0), (10, 0), (0, 10), (10, 10)]
        .into_iter()
        .enumerate()
        .map(|(index, (x, y))| boundary(index, &[vec![square(x, y, 10)]]))
        .collect();
    for (point, expected) in [
        ((5, 5), &["area-0"][..]),
        ((10, 10), &["area-3"]),
        ((10, 5), &["area-1"]),
        ((5, 10), &["area-2"]),
        ((0, 0), &["area-0"]),
        ((20, 5), &[]),
        ((5, 20), &[]),
    ] {
        assert_eq!(areas_containing(&quarters, point), expected, "{point:?}");
    }
    let ring = boundary(0, &[vec![square(0, 0, 30), square(10, 10, 10)]]);
    assert!(contains(&ring.grid, (5, 15)) && !contains(&ring.grid, (15, 15)));
}
