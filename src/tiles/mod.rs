//! Vector tiles (Mapbox Vector Tile 2.1, Web Mercator, XYZ) whose shared borders never tear.
//!
//! ```text
//!  boundaries ──► mesh ─────────► level ───────────────────► cut ─────────► bytes
//!                 once a layer    once a zoom                once a tile
//!                 and state       snap · arcs · simplify     frame, marks   MVT, and each
//!                                 · rings                                   encoding once
//! ```
//!
//! What holds at every step, so that the areas of a partition come out of it as a valid coverage, at every
//! zoom and in every tile, with nothing repaired at the end:
//!
//! - Areas have a border in common as the same edges between the same vertices.
//! - Edges meet in their ends alone, and no vertex is nearer than half a unit to an edge that does not
//!   end in it.
//! - Nothing turns over: what becomes too thin vanishes on both its sides.
//!
//! Of areas that lie over each other, each is valid by itself, and what they have in common is the same.
//! Sources that are no valid coverage keep their overlaps and gaps where these are wider than a unit.
//!
//! Tiles are drawn at 512 CSS pixels (MapLibre's way), so that a pixel is 8 of the 4,096 units. Simplifying
//! moves no border by more than half a pixel, 4 units; rounding to units adds at most one.
//!
//! Other ways: simplifying ring by ring tears borders; rounding each vertex for itself makes 12 of the 16
//! embedded communities invalid at z5; cutting rings side by side (Sutherland and Hodgman) leaves edges along
//! the frame that lie on each other.

mod arcs;
pub mod basemap;
mod clip;
mod colours;
mod coverage;
mod grid;
mod picture;
mod pinch;
mod planar_graph;
pub mod pmtiles;
mod polygonize;
mod simplify;
mod store;
mod topology;
mod zoom_level;

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use fast_mvt::{MvtCoord, MvtFeatureBuilder, MvtGeomType, MvtLayerBuilder, MvtResult};

pub(crate) use colours::assign_colours;
pub use picture::{Picture, Pictured};
pub use pmtiles::{ARCHIVE_BYTES_MAX, Archive};
pub use store::{Encoding, KEPT_ZOOM_MAX, Made, Store, Wanted};
pub use topology::{ArcRef, Topology};

use geo::BoundingRect;
use jiff::civil::Date;

use crate::domain::{Boundary, Layer};
use crate::index::Index;
use clip::{ClipRect, ClippedArea, clip};
use coverage::{CoverageTopology, unproject};
use grid::IntCoord;
use zoom_level::{AreaShape, DETAIL_ZOOM, ZoomLevel};

/// Units across a tile are two to this.
const EXTENT_BITS: u32 = 12;
/// Units across a tile: the format's usual ones, and the encoder's.
pub const EXTENT: i64 = 1 << EXTENT_BITS;
/// Units beyond each side, so that strokes at the edge are whole.
pub const BUFFER: i64 = 64;
/// The highest zoom that is served.
pub const ZOOM_MAX: u8 = 22;
/// Counts the ways in which tiles were made: a change of bytes takes the next number, and with it other
/// addresses for what caches keep for good.
pub const MAKING: u32 = 3;
/// Half a pixel of 512 across a tile, in units.
const SIMPLIFY_TOLERANCE: f64 = 4.0;

/// The address of a tile, checked: both numbers exist at the zoom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

    /// The zoom.
    pub fn zoom(self) -> u8 {
        self.z
    }

    fn corner(self) -> IntCoord {
        (i64::from(self.x) * EXTENT, i64::from(self.y) * EXTENT)
    }
}

/// An area as tiles show it.
#[derive(Debug, Clone, Copy)]
pub struct TileArea<'a> {
    /// The number of its features, on every tile and day: its place among the layer's areas, from 1.
    pub number: u64,
    /// Where it is.
    pub boundary: &'a Boundary,
    /// What it is called.
    pub name: &'a str,
    /// Where its boundary comes from.
    pub provenance: &'a str,
}

/// The areas of a layer while none of them changes, ready to be cut into tiles. Zooms are prepared when
/// they are first asked for: one of the embedded layers takes 18 ms at most, one of 34,753 LSOAs 1.3 s.
#[derive(Debug)]
pub struct Shapes {
    layer: String,
    areas: Vec<Described>,
    mesh: CoverageTopology,
    levels: [OnceLock<Arc<ZoomLevel>>; DETAIL_ZOOM as usize + 1],
}

/// An area as a zoom shows it, for whoever draws something else than a tile.
#[derive(Debug, Clone)]
pub struct Outline {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Exteriors, each with its holes, as longitudes and latitudes (WGS84); rings do not repeat their first
    /// vertex. Areas that lie beside each other have the vertices of their border in common, to the bit.
    pub polygons: Vec<Vec<Vec<(f64, f64)>>>,
    /// Where it is, if it is too thin to be drawn.
    pub point: Option<(f64, f64)>,
}

#[derive(Debug)]
struct Described {
    number: u64,
    id: String,
    name: String,
    provenance: String,
    colour: u64,
}

impl Shapes {
    /// Of a layer's areas, which lie beside each other where it is a partition.
    pub fn new<'a>(
        layer: &str,
        is_partition: bool,
        areas: impl IntoIterator<Item = TileArea<'a>>,
    ) -> Shapes {
        let areas: Vec<TileArea<'a>> = areas.into_iter().collect();
        let boundaries: Vec<&Boundary> = areas.iter().map(|area| area.boundary).collect();
        let mesh = CoverageTopology::new(&boundaries, is_partition);
        let colours = assign_colours(&mesh.labels.neighbours(areas.len()), 7);
        let described = |(area, colour): (&TileArea<'_>, usize)| Described {
            number: area.number,
            id: area.boundary.id.clone(),
            name: area.name.to_string(),
            provenance: area.provenance.to_string(),
            colour: colour as u64,
        };
        Shapes {
            layer: layer.to_string(),
            areas: areas.iter().zip(colours).map(described).collect(),
            mesh,
            levels: Default::default(),
        }
    }

    fn level(&self, zoom: u8) -> &ZoomLevel {
        let zoom = zoom.min(DETAIL_ZOOM);
        self.levels[usize::from(zoom)].get_or_init(|| Arc::new(ZoomLevel::new(&self.mesh, zoom)))
    }

    /// The tile with those of the areas that reach into it, in their order; `None` where none does.
    ///
    /// Features carry `id`, `name`, `provenance` and `mapcolor7`, a number from 0 to 6 that areas with a border in
    /// common do not share where seven suffice. Every area is a polygon on at least one tile of
    /// each zoom, or a point where it is thinner than a unit everywhere.
    ///
    /// # Errors
    /// When the encoder refuses, which takes more than 2³² values.
    pub fn tile(&self, address: TileAddress) -> MvtResult<Option<Vec<u8>>> {
        let level = self.level(address.z);
        let corner = address.corner();
        let frame = ClipRect {
            min: (corner.0 - BUFFER, corner.1 - BUFFER),
            max: (corner.0 + EXTENT + BUFFER, corner.1 + EXTENT + BUFFER),
        };
        let pieces = clip(level, frame, 1 << (address.z - level.zoom));
        if pieces.is_empty() {
            return Ok(None);
        }
        let mut builder = MvtLayerBuilder::new(&self.layer)?;
        for (area, piece) in pieces {
            builder = encode(builder, &self.areas[area], piece, corner)?;
        }
        Ok(Some(builder.encode()))
    }

    /// The areas that have ground as a zoom shows them, in their order; zooms from 17 on are zoom 16.
    pub fn outlines(&self, zoom: u8) -> Vec<Outline> {
        let level = self.level(zoom);
        let bits = EXTENT_BITS + u32::from(level.zoom);
        let lonlat =
            |&(x, y): &zoom_level::ZoomCoord| unproject((i64::from(x), i64::from(y)), bits);
        let outline = |(area, ground): (&Described, &zoom_level::AreaGeometry)| {
            let ring = |ring: &Vec<zoom_level::ZoomCoord>| ring.iter().map(lonlat).collect();
            let (polygons, point) = match &ground.shape {
                AreaShape::Polygons(polygons) => {
                    let rings = polygons
                        .iter()
                        .map(|rings| rings.iter().map(ring).collect());
                    (rings.collect(), None)
                }
                AreaShape::Point(at) => (Vec::new(), Some(lonlat(at))),
                AreaShape::Empty => return None,
            };
            Some(Outline {
                id: area.id.clone(),
                name: area.name.clone(),
                polygons,
                point,
            })
        };
        self.areas
            .iter()
            .zip(&level.areas)
            .filter_map(outline)
            .collect()
    }

    /// About how many bytes it takes with the zooms that are prepared.
    pub fn size_bytes(&self) -> usize {
        let levels = self.levels.iter().filter_map(OnceLock::get);
        let levels: usize = levels.map(|level| level.size_bytes()).sum();
        self.mesh.size_bytes() + levels + self.areas.len() * 200
    }
}

fn encode(
    builder: MvtLayerBuilder,
    area: &Described,
    piece: ClippedArea,
    corner: IntCoord,
) -> MvtResult<MvtLayerBuilder> {
    let coord = |(x, y): IntCoord| {
        let unit = |at: i64| i32::try_from(at).expect("cut to the tile and its buffer");
        MvtCoord {
            x: unit(x - corner.0),
            y: unit(y - corner.1),
        }
    };
    match piece {
        ClippedArea::Point(at) => {
            let mut feature = builder.feature_of(MvtGeomType::Point);
            describe(&mut feature, area)?;
            feature.points([coord(at)])?;
            Ok(feature.end())
        }
        ClippedArea::Polygons(polygons) => {
            let mut feature = builder.feature_of(MvtGeomType::Polygon);
            describe(&mut feature, area)?;
            for rings in polygons {
                for (at, ring) in rings.into_iter().enumerate() {
                    feature.ring(ring.into_iter().map(coord), at == 0)?;
                }
            }
            Ok(feature.end())
        }
    }
}

fn describe(feature: &mut MvtFeatureBuilder, area: &Described) -> MvtResult<()> {
    feature.id(Some(area.number));
    feature.tag("id", area.id.as_str())?;
    feature.tag("name", area.name.as_str())?;
    feature.tag("provenance", area.provenance.as_str())?;
    // For styles, as Natural Earth calls it.
    feature.tag("mapcolor7", area.colour)?;
    Ok(())
}

/// The layers as TileJSON 3.0.0 describes them, with the fields of their features.
pub fn vector_layers(index: &Index, layers: &[Layer], zoom_max: u8) -> serde_json::Value {
    let described = layers.iter().map(|&layer| {
        let mut entries = index.manifest().layers.iter();
        let entry = entries.find(|entry| entry.id == layer.as_str());
        serde_json::json!({
            "id": layer.as_str(),
            "description": entry.map(|entry| &entry.title),
            "minzoom": 0,
            "maxzoom": zoom_max,
            "fields": {
                "id": "String",
                "name": "String",
                "provenance": "String",
                "mapcolor7": "Number",
            },
        })
    });
    described.collect()
}

/// West, south, east, north of all areas of the layers on a day, in degrees; `None` without ground.
pub fn bounds(index: &Index, layers: &[Layer], day: Date) -> Option<[f64; 4]> {
    let layers = layers.iter();
    bounds_of(layers.flat_map(|&layer| index.boundaries(layer, day)))
}

/// West, south, east, north of boundaries, in degrees; `None` without ground.
pub(crate) fn bounds_of<'b>(boundaries: impl Iterator<Item = &'b Boundary>) -> Option<[f64; 4]> {
    let boxes = boundaries.filter_map(|boundary| {
        let all = boundary.lonlat.bounding_rect()?;
        Some([all.min().x, all.min().y, all.max().x, all.max().y])
    });
    boxes.reduce(around)
}

/// The box around both.
fn around(a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
    [
        a[0].min(b[0]),
        a[1].min(b[1]),
        a[2].max(b[2]),
        a[3].max(b[3]),
    ]
}

/// The tiles of a zoom that a box reaches, without their buffers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileRange {
    /// From the north.
    pub rows: RangeInclusive<u32>,
    /// From the west.
    pub columns: RangeInclusive<u32>,
}

impl TileRange {
    /// Of a box of degrees: west, south, east, north.
    ///
    /// # Panics
    /// When the zoom is beyond [`ZOOM_MAX`].
    pub fn new(zoom: u8, [west, south, east, north]: [f64; 4]) -> TileRange {
        assert!(zoom <= ZOOM_MAX, "there is no such zoom");
        let bits = coverage::WORLD_BITS - u32::from(zoom);
        let number = |unit: i64| {
            let number = (unit >> bits).clamp(0, (1 << zoom) - 1);
            u32::try_from(number).expect("clamped")
        };
        let (left, top) = coverage::project((west, north));
        let (right, bottom) = coverage::project((east, south));
        TileRange {
            rows: number(top)..=number(bottom),
            columns: number(left)..=number(right),
        }
    }
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
    fn a_box_reaches_the_tiles_that_others_count() {
        let check = |zoom, bounds, rows, columns| {
            let expected = TileRange { rows, columns };
            assert_eq!(TileRange::new(zoom, bounds), expected, "{zoom}");
        };
        let kendal = [-2.75, 54.32, -2.74, 54.33];
        // Counted in Python, in degrees and floating point.
        check(8, kendal, 81..=81, 126..=126);
        check(14, kendal, 5_234..=5_235, 8_066..=8_067);
        let world = [-180.0, -90.0, 180.0, 90.0];
        check(0, world, 0..=0, 0..=0);
        check(22, world, 0..=(1 << 22) - 1, 0..=(1 << 22) - 1);
    }
}
