//! Measures the time of three operations: a look-up by postcode, a look-up by coordinates, and
//! finding only the ICC that covers a point. The third operation is compared with the
//! straightforward solution: an R-tree of bounding boxes and the `Contains` test of `geo`.
//!
//! The benchmark counts the results, so that a fast wrong answer is not mistaken for an
//! improvement. The count must be the same in every iteration, and the count for points must equal
//! the baseline's count.

use std::hint::black_box;

use catchment::dataset::{Dataset, DatasetSource, read};
use catchment::domain::{BritishGrid, Layer, LonLat, Postcode};
use catchment::geodesy;
use catchment::index::{Index, LayerResult, LocateAnswer, LocateQuery, Locator};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use geo::Contains;
use jiff::civil::{Date, date};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

const DAY: Date = date(2026, 4, 30);
const LOOKUPS: u64 = 1_000;

fn dataset() -> Dataset {
    read(&DatasetSource::Embedded).expect("the embedded dataset is valid")
}

/// A small random number generator (splitmix64) with a fixed seed. The generator returns numbers in
/// [0, 1).
struct SplitMix64(u64);

impl SplitMix64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    fn next_fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Returns random postcodes of the directory, in lower case, with their positions.
fn postcodes(index: &Index) -> Vec<(String, BritishGrid)> {
    let entries: Vec<_> = index
        .postcodes()
        .filter_map(|entry| Some((entry.postcode, entry.position?)))
        .collect();
    let mut rng = SplitMix64(1);
    let drawn = (0..LOOKUPS).map(|_| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let index = (rng.next_fraction() * entries.len() as f64) as usize;
        (
            entries[index].0.to_string().to_lowercase(),
            entries[index].1,
        )
    });
    drawn.collect()
}

fn locate(index: &Index, locator: Locator) -> LocateAnswer<'_> {
    index.locate(&LocateQuery {
        locator: Some(locator),
        practice: None,
        as_of: DAY,
    })
}

fn has_icc(answer: &LocateAnswer<'_>) -> bool {
    answer.residence.iter().any(|(layer, found)| {
        *layer == Layer::declare("icc").expect("an id")
            && matches!(found, LayerResult::Areas(areas) if !areas.is_empty())
    })
}

/// Returns the number of answers that contain an ICC. There must be more than 300 such answers.
fn count_with_icc<'i>(answers: impl Iterator<Item = LocateAnswer<'i>>) -> usize {
    let hits = answers.filter(|answer| has_icc(black_box(answer))).count();
    assert!(hits > 300, "{hits} of {LOOKUPS}");
    hits
}

fn answers(criterion: &mut Criterion) {
    let index = Index::build(dataset()).expect("the dataset is consistent");
    let sample = postcodes(&index);
    let positions: Vec<LonLat> = sample
        .iter()
        .map(|(_, grid)| geodesy::to_lonlat(*grid).expect("on the grid"))
        .collect();

    let mut group = criterion.benchmark_group("answer");
    group.throughput(Throughput::Elements(LOOKUPS));
    let locate_postcodes = || {
        let answers = sample.iter().map(|(text, _)| {
            let postcode: Postcode = black_box(text).parse().expect("a postcode");
            locate(&index, Locator::Postcode(postcode))
        });
        count_with_icc(answers)
    };
    let locate_positions = || {
        let positions = positions.iter();
        count_with_icc(positions.map(|place| locate(&index, Locator::LonLat(black_box(*place)))))
    };
    let (postcodes_found, positions_found) = (locate_postcodes(), locate_positions());
    // For a few postcodes, the directory and the boundaries give different areas.
    assert!(postcodes_found.abs_diff(positions_found) < 10);
    group.bench_function("postcode", |bencher| {
        bencher.iter(|| assert_eq!(locate_postcodes(), postcodes_found));
    });
    group.bench_function("longitude and latitude", |bencher| {
        bencher.iter(|| assert_eq!(locate_positions(), positions_found));
    });
    group.finish();
}

/// Returns random points in the bounding box of all areas.
fn points(boundaries: &[geo::MultiPolygon]) -> Vec<BritishGrid> {
    use geo::BoundingRect;
    let boxes = boundaries.iter().filter_map(BoundingRect::bounding_rect);
    let all = boxes
        .reduce(|a, b| {
            let least = |a: f64, b: f64| a.min(b);
            let most = |a: f64, b: f64| a.max(b);
            geo::Rect::new(
                geo::coord! { x: least(a.min().x, b.min().x), y: least(a.min().y, b.min().y) },
                geo::coord! { x: most(a.max().x, b.max().x), y: most(a.max().y, b.max().y) },
            )
        })
        .expect("there are areas");
    let mut rng = SplitMix64(2);
    let point = |_| {
        let easting = all.min().x + rng.next_fraction() * all.width();
        let northing = all.min().y + rng.next_fraction() * all.height();
        BritishGrid::from_metres(easting, northing).expect("on the grid")
    };
    (0..LOOKUPS).map(point).collect()
}

/// Returns the ICCs as polygons of `geo`, in metres.
fn planar_polygons(dataset: &Dataset) -> Vec<geo::MultiPolygon> {
    let (layer, boundaries) = &dataset.boundaries[0];
    assert_eq!(*layer, Layer::declare("icc").expect("an id"));
    let ring = |ring: &Vec<BritishGrid>| -> geo::LineString {
        let vertices = ring
            .iter()
            .map(|position| (position.easting_m(), position.northing_m()));
        vertices.collect()
    };
    let area = |boundary: &catchment::domain::Boundary| {
        let polygons = boundary.grid.iter().map(|polygon| {
            let mut rings = polygon.rings.iter().map(ring);
            let exterior = rings.next().expect("an exterior");
            geo::Polygon::new(exterior, rings.collect())
        });
        polygons.collect()
    };
    boundaries.iter().map(area).collect()
}

fn areas(criterion: &mut Criterion) {
    use geo::BoundingRect;
    let dataset = dataset();
    let polygons = planar_polygons(&dataset);
    let points = points(&polygons);
    let index = Index::build(dataset).expect("the dataset is consistent");
    let boxes = polygons.iter().enumerate().map(|(index, polygon)| {
        let rect = polygon.bounding_rect().expect("the area is not empty");
        let (low, high) = (rect.min(), rect.max());
        GeomWithData::new(
            Rectangle::from_aabb(AABB::from_corners([low.x, low.y], [high.x, high.y])),
            index,
        )
    });
    let tree = RTree::bulk_load(boxes.collect());

    let mut group = criterion.benchmark_group("ICC of a point");
    group.throughput(Throughput::Elements(LOOKUPS));
    let ours = || -> usize {
        let found = points.iter().map(|point| {
            index.areas_covering(
                Layer::declare("icc").expect("an id"),
                black_box(*point),
                DAY,
            )
        });
        found.map(|areas| black_box(areas).len()).sum()
    };
    let theirs = || -> usize {
        let found = points.iter().map(|point| {
            let point = black_box(geo::Point::new(point.easting_m(), point.northing_m()));
            let near = tree.locate_all_at_point(&[point.x(), point.y()]);
            let areas: Vec<usize> = near
                .map(|entry| entry.data)
                .filter(|index| polygons[*index].contains(&point))
                .collect();
            areas
        });
        found.map(|areas| black_box(areas).len()).sum()
    };
    let hits = theirs();
    group.bench_function("index", |bencher| {
        bencher.iter(|| assert_eq!(ours(), hits));
    });
    group.bench_function("baseline: rstar and geo::Contains", |bencher| {
        bencher.iter(|| assert_eq!(theirs(), hits));
    });
    group.finish();
}

criterion_group!(benches, answers, areas);
criterion_main!(benches);
