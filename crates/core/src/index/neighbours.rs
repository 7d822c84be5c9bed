//! The areas of a partition that border an area, and the lengths of the shared borders.
//!
//! The boundary is sampled at short intervals. At a sample point, an area shares the border if its
//! boundary is within the tolerance of the point. Neighbours therefore do not need to have common
//! vertices.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::Index;
use crate::domain::{Area, BritishGrid, Layer};

/// The maximum distance between sample points, in metres. A neighbour may be missed if it shares a
/// shorter part of a long edge.
const SAMPLE_SPACING_M: f64 = 100.0;
/// The maximum distance in metres between two boundaries that are treated as the same border.
/// Vertices are rounded to millimetres, so a border differs slightly between two neighbours that
/// represent it with different vertices.
const BORDER_TOLERANCE_M: f64 = 0.5;

/// An area that borders another area.
#[derive(Debug, Clone, Copy)]
pub struct AdjacentArea<'i> {
    /// The area, in the version valid on the day.
    pub area: &'i Area,
    /// The length of the shared border in metres, on the British National Grid.
    pub shared_border_m: f64,
}

impl Index {
    /// Returns the areas of a partition that share a border with an area on a day, in descending
    /// order of the length of the shared border. Areas with equal lengths are in order of id. Areas
    /// that touch only at a corner share no border.
    pub fn neighbours(&self, layer: Layer, id: &str, day: Date) -> Vec<AdjacentArea<'_>> {
        let Some(boundary) = self.boundary(layer, id, day) else {
            return Vec::new();
        };
        let Some(layer) = self
            .layer(layer)
            .filter(|index| self.is_partition(index.id))
        else {
            return Vec::new();
        };
        let own_ordinal = layer.ordinal(id);
        let mut shared: BTreeMap<u32, f64> = BTreeMap::new();
        let rings = boundary.grid.iter().flat_map(|polygon| &polygon.rings);
        for (middle, length_m) in rings.flat_map(|ring| sample_points(ring)) {
            let near = layer
                .boundary_index
                .boundaries_within(middle, BORDER_TOLERANCE_M, day);
            let ordinals = near.into_iter().map(|(index, _)| layer.area_of(index));
            for other in ordinals.filter(|&ordinal| Some(ordinal) != own_ordinal) {
                *shared.entry(other).or_default() += length_m;
            }
        }
        let mut adjacent: Vec<AdjacentArea<'_>> = shared
            .into_iter()
            // A shorter length does not indicate a shared border, because it results from a short
            // edge near a common corner.
            .filter(|(_, shared_m)| *shared_m > 2.0 * BORDER_TOLERANCE_M)
            .filter_map(|(ordinal, shared_m)| {
                let area = layer.version(ordinal, day)?;
                Some(AdjacentArea {
                    area,
                    shared_border_m: shared_m,
                })
            })
            .collect();
        adjacent.sort_by(|a, b| b.shared_border_m.total_cmp(&a.shared_border_m));
        adjacent
    }
}

/// Divides the edges of a ring into equal pieces of at most [`SAMPLE_SPACING_M`]. Returns the
/// middle of each piece and its length in metres.
fn sample_points(ring: &[BritishGrid]) -> impl Iterator<Item = (BritishGrid, f64)> + '_ {
    let ends = ring.iter().cycle().skip(1);
    ring.iter().zip(ends).flat_map(|(&start, &end)| {
        let length_m = start.distance_m(end);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the grid is 1,700 km long"
        )]
        let count = (length_m / SAMPLE_SPACING_M).ceil() as u32;
        let count = count.max(1);
        (0..count).map(move |index| {
            let along = (f64::from(index) + 0.5) / f64::from(count);
            let middle = interpolate(start, end, along);
            (middle, length_m / f64::from(count))
        })
    })
}

fn interpolate(start: BritishGrid, end: BritishGrid, along: f64) -> BritishGrid {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "between two positions on the grid"
    )]
    let interpolate_mm = |from: i32, to: i32| {
        (f64::from(from) + (f64::from(to) - f64::from(from)) * along).round() as i32
    };
    BritishGrid::from_mm(
        interpolate_mm(start.easting_mm(), end.easting_mm()),
        interpolate_mm(start.northing_mm(), end.northing_mm()),
    )
}

#[cfg(test)]
mod tests {
    use super::super::test_dataset::{DAY, area, build, dataset, km, polygon_boundary, rectangle};
    use super::*;
    use crate::domain::layers;

    #[test]
    fn edges_are_sampled_at_most_100_m_apart() {
        let triangle = [km(0.0, 0.0), km(0.25, 0.0), km(0.0, 0.06)];
        let samples: Vec<(BritishGrid, f64)> = sample_points(&triangle).collect();
        let third = 250.0 / 3.0;
        let long = (250.0_f64 * 250.0 + 60.0 * 60.0).sqrt() / 3.0;
        let expected = [
            (km(0.25 / 6.0, 0.0), third),
            (km(0.125, 0.0), third),
            (km(1.25 / 6.0, 0.0), third),
            (km(1.25 / 6.0, 0.01), long),
            (km(0.125, 0.03), long),
            (km(0.25 / 6.0, 0.05), long),
            (km(0.0, 0.03), 60.0),
        ];
        assert_eq!(samples.len(), expected.len());
        for ((middle, length_m), (expected, metres)) in samples.into_iter().zip(expected) {
            // The difference is due to rounding to millimetres.
            assert!(middle.distance_m(expected) < 0.0015);
            assert!((length_m - metres).abs() < 1e-9);
        }
        let point = [km(0.0, 0.0)];
        assert_eq!(sample_points(&point).count(), 1);
    }

    #[test]
    fn neighbours_are_sorted_by_shared_border_length() {
        let mut dataset = dataset();
        let beside_corner = |width: f64| [(-1.0, -1.0), (width, -1.0), (width, 0.0), (0.0, 0.0)];
        for boundary in [
            // c borders l for 4 km, starting at a point where l has no vertex, and d borders the
            // northern side of l for 2 km.
            rectangle("c", (20.0, 6.0), (30.0, 14.0)),
            rectangle("d", (18.0, 10.0), (20.0, 20.0)),
            // e and f are at a corner of k. e shares 1 m of the southern side of k, and f shares
            // 1.5 m.
            polygon_boundary("e", &beside_corner(0.001)),
            polygon_boundary("f", &beside_corner(0.001_5)),
        ] {
            dataset.areas.push(area(layers::icc(), &boundary.id));
            dataset.boundaries[1].1.push(boundary);
        }
        let index = build(dataset);
        let neighbours = |layer, id| -> Vec<(String, f64)> {
            let found = index.neighbours(layer, id, DAY).into_iter();
            found
                .map(|area| (area.area.id.clone(), area.shared_border_m))
                .collect()
        };
        let found = neighbours(layers::icc(), "l");
        let ids: Vec<&str> = found.iter().map(|value| value.0.as_str()).collect();
        assert_eq!(ids, ["k", "c", "d"]);
        for ((_, shared_m), expected) in found.iter().zip([10_000.0, 4_000.0, 2_000.0]) {
            assert!((shared_m - expected).abs() <= 100.0, "{shared_m}");
        }
        let of_k = neighbours(layers::icc(), "k");
        assert_eq!(of_k.len(), 1, "{of_k:?}");
        assert!((of_k[0].1 - 10_000.0).abs() < 1e-6);
        let beside_k = |id| {
            neighbours(layers::icc(), id)
                .iter()
                .any(|value| value.0 == "k")
        };
        assert!(!beside_k("e") && beside_k("f"));
        assert_eq!(neighbours(layers::gp_practice(), "A00003"), []);
        assert_eq!(neighbours(layers::icc(), "z"), []);
    }
}
