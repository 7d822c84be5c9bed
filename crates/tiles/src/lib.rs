//! Vector tiles (Mapbox Vector Tile 2.1, Web Mercator, XYZ) in which adjacent areas share their
//! borders exactly.
//!
//! ```text
//!  boundaries ──► coverage topology ──► zoom level ────────────► clipped areas ──► bytes
//!                 once per layer        once per zoom            once per tile
//!                 and revision          snap rounding · arcs     clip, encode    MVT, compressed
//!                                       · simplify · polygonize                  once per encoding
//! ```
//!
//! These invariants hold after every step, so the areas of a partition form a valid coverage at
//! every zoom and in every tile, without any repair at the end:
//!
//! - A border between two areas has the same edges and vertices in both areas.
//! - Edges meet only at their ends, and every vertex is at least half a unit away from every edge
//!   that does not end at that vertex.
//! - No ring changes its orientation. If a part becomes too thin, it disappears on both sides.
//!
//! If areas may overlap, each area is still valid, and the edges that areas share are still
//! identical. Sources that are not valid coverages retain overlaps and gaps wider than a unit.
//!
//! Tiles are drawn with a size of 512 CSS pixels, as in MapLibre, so a pixel is 8 of the 4,096
//! units. Simplification moves a border by at most half a pixel, which is 4 units. Rounding to
//! units adds at most one unit.
//!
//! Rejected alternatives:
//!
//! - Simplifying ring by ring opens gaps along borders.
//! - Rounding each vertex separately makes 12 of the 16 embedded communities invalid at z5.
//! - Clipping rings by Sutherland–Hodgman leaves coincident edges along the sides of the tile.

mod archive_cache;
pub mod basemap;
mod cache;
mod colours;
mod coverage;
pub mod maps;
pub mod pmtiles;
mod widget_map;

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use fast_mvt::{MvtCoord, MvtFeatureBuilder, MvtGeomType, MvtLayerBuilder, MvtResult};

pub use archive_cache::ArchiveCache;
pub use cache::{CACHED_ZOOM_MAX, ContentEncoding, EncodedBody, TileCache, TileKey};
pub(crate) use colours::assign_colours;
pub use coverage::topology::{ArcRef, Topology};
pub use pmtiles::{ARCHIVE_BYTES_MAX, TileArchive};
pub use widget_map::{WidgetArea, WidgetMap};

use geo::{BoundingRect, Coord, Rect};
use jiff::civil::Date;

use catchment_core::domain::{Boundary, Layer, LayerRole};
use catchment_core::geometry::bbox;
use catchment_core::index::Index;
use coverage::clip::{ClippedArea, clip};
use coverage::coverage_topology::{self, CoverageTopology, unproject};
use coverage::zoom_level::{AreaGeometry, AreaShape, DETAIL_ZOOM, EXTENT_BITS, ZoomLevel, widen};

/// The number of units across a tile. This number is the usual extent and the default of the
/// encoder.
pub const EXTENT: i64 = 1 << EXTENT_BITS;
/// The number of units by which a tile's content extends beyond each side of the tile, so that
/// strokes are not cut off at the sides.
pub const BUFFER: i64 = 64;
/// The highest zoom that is served.
pub const ZOOM_MAX: u8 = 22;
/// The version of the encoder. Increase the version whenever the bytes of a tile change, because
/// caches treat the URLs that contain this version as immutable.
pub const ENCODER_VERSION: u32 = 3;
/// The coordinates of a tile that exists: the zoom, the column from the west and the row from the
/// north (XYZ).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TileCoord {
    z: u8,
    x: u32,
    y: u32,
}

impl TileCoord {
    /// Returns the coordinates, or `None` if there is no such tile.
    pub fn new(z: u8, x: u32, y: u32) -> Option<TileCoord> {
        let exists = z <= ZOOM_MAX && x < 1 << z && y < 1 << z;
        exists.then_some(TileCoord { z, x, y })
    }

    /// Returns the zoom.
    pub fn zoom(self) -> u8 {
        self.z
    }

    /// Returns the upper left corner in units of the zoom.
    fn corner(self) -> Coord<i64> {
        Coord {
            x: i64::from(self.x) * EXTENT,
            y: i64::from(self.y) * EXTENT,
        }
    }
}

/// An area to be drawn on tiles.
#[derive(Debug, Clone, Copy)]
pub struct TileArea<'a> {
    /// The id of the area's features on every tile and date: the position of the area among all
    /// areas of the layer, counted from 1.
    pub feature_id: u64,
    /// The geometry of the area.
    pub boundary: &'a Boundary,
    /// The display name of the area.
    pub name: &'a str,
    /// The provenance of the area's boundary.
    pub provenance: &'a str,
}

/// One revision of a layer, from which tiles can be built.
///
/// Each zoom is prepared when it is first requested, which takes at most 18 ms for an embedded
/// layer, and 1.3 s for 34,753 LSOAs.
#[derive(Debug)]
pub struct TiledLayer {
    name: String,
    areas: Vec<FeatureAttributes>,
    topology: CoverageTopology,
    levels: [OnceLock<Arc<ZoomLevel>>; DETAIL_ZOOM as usize + 1],
}

/// The simplified geometry of an area at a zoom, for uses other than tiles.
#[derive(Debug, Clone)]
pub struct AreaOutline {
    /// The area's id.
    pub id: String,
    /// The area's display name.
    pub name: String,
    /// The exteriors, each with its holes, as longitudes and latitudes (WGS84). Rings do not repeat
    /// their first vertex. The vertices of a border are identical, bit for bit, in both areas.
    pub polygons: Vec<Vec<Vec<Coord<f64>>>>,
    /// The longitude and latitude of a point that marks the area, if the area is too thin to be
    /// drawn.
    pub point: Option<Coord<f64>>,
}

#[derive(Debug)]
struct FeatureAttributes {
    feature_id: u64,
    id: String,
    name: String,
    provenance: String,
    colour: u64,
}

impl TiledLayer {
    /// Builds a layer from its areas. The areas of a partition must not overlap.
    pub fn new<'a>(
        name: &str,
        is_partition: bool,
        areas: impl IntoIterator<Item = TileArea<'a>>,
    ) -> TiledLayer {
        let areas: Vec<TileArea<'a>> = areas.into_iter().collect();
        let boundaries: Vec<&Boundary> = areas.iter().map(|area| area.boundary).collect();
        let topology = CoverageTopology::new(&boundaries, is_partition);
        let colours = assign_colours(&topology.labels.neighbours(areas.len()), 7);
        let attributes = |(area, colour): (&TileArea<'_>, usize)| FeatureAttributes {
            feature_id: area.feature_id,
            id: area.boundary.id.clone(),
            name: area.name.to_string(),
            provenance: area.provenance.to_string(),
            colour: colour as u64,
        };
        TiledLayer {
            name: name.to_string(),
            areas: areas.iter().zip(colours).map(attributes).collect(),
            topology,
            levels: Default::default(),
        }
    }

    fn level(&self, zoom: u8) -> &ZoomLevel {
        let zoom = zoom.min(DETAIL_ZOOM);
        self.levels[usize::from(zoom)]
            .get_or_init(|| Arc::new(ZoomLevel::new(&self.topology, zoom)))
    }

    /// Encodes a tile with the areas that intersect the tile, in the order of the layer; `None` if
    /// no area intersects the tile.
    ///
    /// Features have the attributes `id`, `name`, `provenance` and `mapcolor7`. `mapcolor7` is a
    /// number from 0 to 6 that differs between areas that share a border, if seven colours are
    /// enough. Every area is a polygon on at least one tile of each zoom, or a point if the area is
    /// thinner than a unit everywhere.
    ///
    /// # Errors
    /// If the encoder fails, which happens only with more than 2³² values.
    pub fn tile(&self, coord: TileCoord) -> MvtResult<Option<Vec<u8>>> {
        let level = self.level(coord.z);
        let corner = coord.corner();
        let by = |distance: i64| Coord {
            x: distance,
            y: distance,
        };
        let rect = Rect::new(corner - by(BUFFER), corner + by(EXTENT + BUFFER));
        let clipped = clip(level, rect, 1 << (coord.z - level.zoom));
        if clipped.is_empty() {
            return Ok(None);
        }
        let mut builder = MvtLayerBuilder::new(&self.name)?;
        for (index, area) in clipped {
            builder = encode_feature(builder, &self.areas[index], area, corner)?;
        }
        Ok(Some(builder.encode()))
    }

    /// Returns the areas that have geometry, simplified for a zoom, in the order of the layer. For
    /// a zoom above 16, the result is the same as for zoom 16.
    pub fn outlines(&self, zoom: u8) -> Vec<AreaOutline> {
        let level = self.level(zoom);
        let bits = EXTENT_BITS + u32::from(level.zoom);
        let lonlat = |&vertex: &Coord<i32>| unproject(widen(vertex), bits);
        let outline = |(attributes, area): (&FeatureAttributes, &AreaGeometry)| {
            let ring = |ring: &Vec<Coord<i32>>| ring.iter().map(lonlat).collect();
            let (polygons, point) = match &area.shape {
                AreaShape::Polygons(polygons) => {
                    let rings = polygons
                        .iter()
                        .map(|rings| rings.iter().map(ring).collect());
                    (rings.collect(), None)
                }
                AreaShape::Point(point) => (Vec::new(), Some(lonlat(point))),
                AreaShape::Empty => return None,
            };
            Some(AreaOutline {
                id: attributes.id.clone(),
                name: attributes.name.clone(),
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

    /// Estimates the memory used, including the zooms that have been prepared, in bytes.
    pub fn size_bytes(&self) -> usize {
        let levels = self.levels.iter().filter_map(OnceLock::get);
        let levels: usize = levels.map(|level| level.size_bytes()).sum();
        self.topology.size_bytes() + levels + self.areas.len() * 200
    }
}

fn encode_feature(
    builder: MvtLayerBuilder,
    attributes: &FeatureAttributes,
    area: ClippedArea,
    corner: Coord<i64>,
) -> MvtResult<MvtLayerBuilder> {
    let to_mvt = |vertex: Coord<i64>| {
        let narrow = |value: i64| i32::try_from(value).expect("clipped to the tile and its buffer");
        MvtCoord {
            x: narrow(vertex.x - corner.x),
            y: narrow(vertex.y - corner.y),
        }
    };
    match area {
        ClippedArea::Point(point) => {
            let mut feature = builder.feature_of(MvtGeomType::Point);
            write_attributes(&mut feature, attributes)?;
            feature.points([to_mvt(point)])?;
            Ok(feature.end())
        }
        ClippedArea::Polygons(polygons) => {
            let mut feature = builder.feature_of(MvtGeomType::Polygon);
            write_attributes(&mut feature, attributes)?;
            for rings in polygons {
                for (index, ring) in rings.into_iter().enumerate() {
                    feature.ring(ring.into_iter().map(to_mvt), index == 0)?;
                }
            }
            Ok(feature.end())
        }
    }
}

fn write_attributes(
    feature: &mut MvtFeatureBuilder,
    attributes: &FeatureAttributes,
) -> MvtResult<()> {
    feature.id(Some(attributes.feature_id));
    feature.tag("id", attributes.id.as_str())?;
    feature.tag("name", attributes.name.as_str())?;
    feature.tag("provenance", attributes.provenance.as_str())?;
    // This attribute is for styles. The name of the attribute is the same as in Natural Earth.
    feature.tag("mapcolor7", attributes.colour)?;
    Ok(())
}

/// The lowest zoom of layers of statistical areas. In tiles of lower zooms, there would be thousands
/// of areas, most of them smaller than a pixel.
const STATISTICAL_ZOOM_MIN: u8 = 7;

/// Returns the lowest zoom whose tiles contain the areas of a layer.
pub fn zoom_min(index: &Index, layer: Layer) -> u8 {
    match index.role(layer) {
        Some(LayerRole::Statistical) => STATISTICAL_ZOOM_MIN,
        _ => 0,
    }
}

/// Returns the lowest zoom whose tiles contain areas of any of the layers.
pub fn zoom_min_of(index: &Index, layers: &[Layer]) -> u8 {
    let zooms = layers.iter().map(|&layer| zoom_min(index, layer));
    zooms.min().unwrap_or(0)
}

/// Returns the `vector_layers` of a TileJSON 3.0.0 document: the layers and the attributes of their
/// features.
pub fn vector_layers(index: &Index, layers: &[Layer], zoom_max: u8) -> serde_json::Value {
    let layers = layers.iter().map(|&layer| {
        serde_json::json!({
            "id": layer.as_str(),
            "description": index.layer_title(layer),
            "minzoom": zoom_min(index, layer),
            "maxzoom": zoom_max,
            "fields": {
                "id": "String",
                "name": "String",
                "provenance": "String",
                "mapcolor7": "Number",
            },
        })
    });
    layers.collect()
}

/// Returns the bounding box of layers on a date (in degrees), or `None` if they have no geometry.
pub fn bounds(index: &Index, layers: &[Layer], day: Date) -> Option<Rect<f64>> {
    let layers = layers.iter();
    bounds_of(layers.flat_map(|&layer| index.boundaries(layer, day)))
}

/// Returns the bounding box of boundaries (in degrees), or `None` if they have no geometry.
pub fn bounds_of<'b>(boundaries: impl Iterator<Item = &'b Boundary>) -> Option<Rect<f64>> {
    boundaries
        .filter_map(|boundary| boundary.lonlat.bounding_rect())
        .reduce(bbox::union)
}

/// The tiles of a zoom that intersect a bounding box, not counting their buffers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileRange {
    /// Rows, counted from the north.
    pub rows: RangeInclusive<u32>,
    /// Columns, counted from the west.
    pub columns: RangeInclusive<u32>,
}

impl TileRange {
    /// Returns the tiles that intersect a bounding box in degrees.
    ///
    /// # Panics
    /// If the zoom is higher than [`ZOOM_MAX`].
    pub fn new(zoom: u8, bounds: Rect<f64>) -> TileRange {
        assert!(zoom <= ZOOM_MAX, "zoom {zoom} is higher than {ZOOM_MAX}");
        let bits = coverage_topology::WORLD_BITS - u32::from(zoom);
        let tile_index = |unit: i64| {
            let index = (unit >> bits).clamp(0, (1 << zoom) - 1);
            u32::try_from(index).expect("clamped")
        };
        let south_west = coverage_topology::project(bounds.min());
        let north_east = coverage_topology::project(bounds.max());
        TileRange {
            rows: tile_index(north_east.y)..=tile_index(south_west.y),
            columns: tile_index(south_west.x)..=tile_index(north_east.x),
        }
    }

    /// Returns whether a tile is in the range.
    fn contains(&self, x: u32, y: u32) -> bool {
        self.columns.contains(&x) && self.rows.contains(&y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_existing_tiles_have_coordinates() {
        assert!(TileCoord::new(0, 0, 0).is_some());
        assert!(TileCoord::new(22, (1 << 22) - 1, 0).is_some());
        assert!(TileCoord::new(0, 1, 0).is_none());
        assert!(TileCoord::new(7, 0, 128).is_none());
        assert!(TileCoord::new(23, 0, 0).is_none());
    }

    #[test]
    fn tile_ranges_agree_with_an_independent_calculation() {
        let check = |zoom, bounds, rows, columns| {
            let expected = TileRange { rows, columns };
            assert_eq!(TileRange::new(zoom, bounds), expected, "{zoom}");
        };
        let kendal = Rect::new((-2.75, 54.32), (-2.74, 54.33));
        // The expected values were calculated in Python, using degrees and floating-point numbers.
        check(8, kendal, 81..=81, 126..=126);
        check(14, kendal, 5_234..=5_235, 8_066..=8_067);
        let world = Rect::new((-180.0, -90.0), (180.0, 90.0));
        check(0, world, 0..=0, 0..=0);
        check(22, world, 0..=(1 << 22) - 1, 0..=(1 << 22) - 1);
    }
}
