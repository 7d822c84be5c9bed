//! Vector tiles (Mapbox Vector Tile 2.1, Web Mercator, XYZ).
//!
//! A vertex is rounded to the tile's units before anything is clipped, and a clipped edge is cut the
//! same way whichever area it is met in: neighbours keep their border in common.

mod clip;

use fast_mvt::{MvtCoord, MvtFeatureBuilder, MvtGeomType, MvtLayerBuilder, MvtResult};
use geo::{Coord, LineString};

use crate::domain::Boundary;
use clip::clip;

/// Units across a tile: the format's usual ones, and the encoder's.
pub const EXTENT: i64 = 4_096;
/// Units beyond each side, so that strokes at the edge are whole.
const BUFFER: i64 = 64;
/// The highest zoom that is served.
pub const ZOOM_MAX: u8 = 22;

/// The address of a tile, checked: both numbers exist at the zoom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileAddress {
    z: u8,
    x: u32,
    y: u32,
}

impl TileAddress {
    /// `None` where there is no such tile.
    pub fn new(z: u8, x: u32, y: u32) -> Option<TileAddress> {
        let exists = z <= ZOOM_MAX && x < 1 << z && y < 1 << z;
        exists.then_some(TileAddress { z, x, y })
    }
}

/// An area as a tile shows it.
#[derive(Debug, Clone, Copy)]
pub struct TileArea<'a> {
    /// Where it is.
    pub boundary: &'a Boundary,
    /// What it is called.
    pub name: &'a str,
    /// Where its boundary comes from.
    pub provenance: &'a str,
}

/// The tile with those of the areas that reach into it, in their order; `None` where none does.
///
/// Features carry `id`, `name` and `provenance`; their numbers count the areas from 1, so that one
/// area has one number on every tile.
///
/// # Errors
/// When the encoder refuses, which takes more than 2³² values.
pub fn encode<'a>(
    layer: &str,
    address: TileAddress,
    areas: impl IntoIterator<Item = TileArea<'a>>,
) -> MvtResult<Option<Vec<u8>>> {
    let mut builder = MvtLayerBuilder::new(layer)?;
    for (number, area) in (1_u64..).zip(areas) {
        let rings = rings_in(area.boundary, address);
        if rings.is_empty() {
            continue;
        }
        let mut feature = builder.feature_of(MvtGeomType::Polygon);
        feature.id(Some(number));
        describe(&mut feature, &area)?;
        for (ring, is_exterior) in rings {
            feature.ring(ring, is_exterior)?;
        }
        builder = feature.end();
    }
    let is_empty = builder.num_features() == 0;
    Ok((!is_empty).then(|| builder.encode()))
}

fn describe(feature: &mut MvtFeatureBuilder, area: &TileArea<'_>) -> MvtResult<()> {
    feature.tag("id", area.boundary.id.as_str())?;
    feature.tag("name", area.name)?;
    feature.tag("provenance", area.provenance)?;
    Ok(())
}

/// The rings that are left of the area in the tile, each exterior before its holes.
fn rings_in(boundary: &Boundary, address: TileAddress) -> Vec<(Vec<MvtCoord>, bool)> {
    let mut rings = Vec::new();
    for polygon in &boundary.lonlat {
        let Some(exterior) = ring_in(polygon.exterior(), address) else {
            continue;
        };
        rings.push((exterior, true));
        let holes = polygon
            .interiors()
            .iter()
            .filter_map(|hole| ring_in(hole, address));
        rings.extend(holes.map(|hole| (hole, false)));
    }
    rings
}

fn ring_in(ring: &LineString<f64>, address: TileAddress) -> Option<Vec<MvtCoord>> {
    let open = &ring.0[..ring.0.len().saturating_sub(1)];
    let projected: Vec<(i64, i64)> = open
        .iter()
        .map(|&position| project(position, address))
        .collect();
    let clipped = clip(&projected, -BUFFER, EXTENT + BUFFER)?;
    let coord = |value: i64| i32::try_from(value).expect("clipped to the tile and its buffer");
    Some(
        clipped
            .into_iter()
            .map(|(x, y)| MvtCoord {
                x: coord(x),
                y: coord(y),
            })
            .collect(),
    )
}

/// Web Mercator (EPSG:3857) in units of the tile, y downwards.
fn project(position: Coord<f64>, address: TileAddress) -> (i64, i64) {
    let latitude = position.y.to_radians();
    let east = position.x / 360.0 + 0.5;
    let south = 0.5 - latitude.tan().asinh() / std::f64::consts::TAU;
    let units = f64::from(1_u32 << address.z) * 4_096.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 2^34 units around the Earth"
    )]
    let unit = |part: f64| (part * units).round() as i64;
    (
        unit(east) - i64::from(address.x) * EXTENT,
        unit(south) - i64::from(address.y) * EXTENT,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tiles_that_exist_have_an_address() {
        assert!(TileAddress::new(0, 0, 0).is_some());
        assert!(TileAddress::new(22, (1 << 22) - 1, 0).is_some());
        assert!(TileAddress::new(0, 1, 0).is_none());
        assert!(TileAddress::new(7, 0, 128).is_none());
        assert!(TileAddress::new(23, 0, 0).is_none());
    }

    #[test]
    fn the_projection_is_web_mercator() {
        let world = TileAddress::new(0, 0, 0).expect("a tile");
        assert_eq!(project(Coord { x: 0.0, y: 0.0 }, world), (2_048, 2_048));
        assert_eq!(
            project(
                Coord {
                    x: -180.0,
                    y: 85.051_128_78
                },
                world
            ),
            (0, 0)
        );
        assert_eq!(
            project(
                Coord {
                    x: 180.0,
                    y: -85.051_128_78
                },
                world
            ),
            (4_096, 4_096)
        );
    }
}
