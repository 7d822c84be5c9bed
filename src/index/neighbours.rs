//! Which areas lie beside an area, and how long the border is that they share.
//!
//! The border is walked in short pieces, and it is asked whose border is around the middle of each: neighbours
//! need not have vertices in common.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::Index;
use crate::domain::{Area, BritishGrid, Layer};

/// Borders are looked at in pieces of at most this length, in metres: a neighbour that shares less of
/// one long edge may be missed.
const PIECE_M: f64 = 100.0;
/// Two borders no further apart than this are one, in metres. Vertices are whole millimetres, and a
/// border that neighbours draw with other vertices differs by the rounding of them.
const SAME_BORDER_M: f64 = 0.5;

/// An area beside another.
#[derive(Debug, Clone, Copy)]
pub struct Bordering<'i> {
    /// It, in the version of the day.
    pub area: &'i Area,
    /// Metres of border that they share, on the British National Grid.
    pub shared_m: f64,
}

impl Index {
    /// The areas of a partition that share a border with an area on a day, the longest shared border
    /// first; equal ones in order of id. Areas that touch at a corner alone share none.
    pub fn neighbours(&self, layer: Layer, id: &str, day: Date) -> Vec<Bordering<'_>> {
        let Some(boundary) = self.boundary(layer, id, day) else {
            return Vec::new();
        };
        let Some(layer) = self.layer(layer).filter(|it| self.is_partition(it.id)) else {
            return Vec::new();
        };
        let own = layer.number(id);
        let mut shared: BTreeMap<u32, f64> = BTreeMap::new();
        let rings = boundary.grid.iter().flat_map(|polygon| &polygon.rings);
        for (middle, length_m) in rings.flat_map(|ring| pieces(ring)) {
            let near = layer.spatial.edges_within(middle, SAME_BORDER_M, day);
            let areas = near.into_iter().map(|(at, _)| layer.area_of(at));
            for other in areas.filter(|&it| Some(it) != own) {
                *shared.entry(other).or_default() += length_m;
            }
        }
        let mut bordering: Vec<Bordering<'_>> = shared
            .into_iter()
            // Less is a short edge that ends at a corner of both.
            .filter(|(_, shared_m)| *shared_m > 2.0 * SAME_BORDER_M)
            .filter_map(|(area, shared_m)| {
                let area = layer.version(area, day)?;
                Some(Bordering { area, shared_m })
            })
            .collect();
        bordering.sort_by(|a, b| b.shared_m.total_cmp(&a.shared_m));
        bordering
    }
}

/// The middles of the pieces of a ring, and their length in metres.
fn pieces(ring: &[BritishGrid]) -> impl Iterator<Item = (BritishGrid, f64)> + '_ {
    let ends = ring.iter().cycle().skip(1);
    ring.iter().zip(ends).flat_map(|(&start, &end)| {
        let length_m = start.distance_m(end);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the grid is 1,700 km long"
        )]
        let count = (length_m / PIECE_M).ceil() as u32;
        let count = count.max(1);
        (0..count).map(move |at| {
            let along = (f64::from(at) + 0.5) / f64::from(count);
            let middle = between(start, end, along);
            (middle, length_m / f64::from(count))
        })
    })
}

fn between(start: BritishGrid, end: BritishGrid, along: f64) -> BritishGrid {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it lies between two places on the grid"
    )]
    let on = |from: i32, to: i32| {
        (f64::from(from) + (f64::from(to) - f64::from(from)) * along).round() as i32
    };
    BritishGrid::from_mm(
        on(start.easting_mm(), end.easting_mm()),
        on(start.northing_mm(), end.northing_mm()),
    )
}
