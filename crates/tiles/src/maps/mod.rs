//! Static maps: images of a layer, or of an area and its surroundings, that do not need a script.
//!
//! ```text
//!  tile geometry ──► British National Grid ──► names and numbers ──► SVG ──► PNG, PDF
//! ```
//!
//! - The geometry is the same as in the tiles at a suitable zoom, so borders meet. The geometry is
//!   drawn on the British National Grid, so the scale bar is correct everywhere, and grid north is
//!   at the top.
//! - Adjacent areas differ in pattern as well as colour, so that they can be distinguished in black
//!   and white.
//! - If there is no room for an area's name, the area is labelled with a number and listed in the
//!   legend, so that no area is omitted.
//! - The same request always produces the same SVG and PNG, on any machine, with any installed
//!   fonts, and at any time.

mod coast;
mod great_britain;
mod labels;
mod layout;
mod raster;
mod render;
mod styles;
mod svg;
mod text;
mod towns;

use geo::{Coord, Rect};
use jiff::civil::Date;

use crate::{AreaOutline, TileCache};
use catchment_core::domain::{Boundary, BritishGrid, Layer};
use catchment_core::geodesy::{self, web_mercator};
use catchment_core::geometry::bbox;
use catchment_core::index::{Index, MapArea};
use labels::{AreaLabel, LabelRequest};
use layout::{MARKER_SIZE, MapHeading, MapPageLayout, MapScene, are_distinct};
use raster::{AreaMask, ImagePoint, ImageRect};
pub use render::{RenderError, pdf, png};
pub use text::escape_xml;
use towns::place_towns;

/// The minimum width of a map, in CSS pixels.
pub const WIDTH_MIN: u32 = 240;
/// The maximum width of a map, in CSS pixels.
pub const WIDTH_MAX: u32 = 2_000;

/// The margin around the layer and around a selected area, as a fraction of the size of the layer
/// or area. The margin around an area shows its surroundings.
const LAYER_MARGIN: f64 = 0.03;
const AREA_MARGIN: f64 = 0.3;
/// The minimum width and height of the part of the country that is shown, in metres.
const SPAN_MIN_M: f64 = 3_000.0;
/// The minimum and maximum height of the frame, as a fraction of its width.
const ASPECT_MIN: f64 = 0.6;
const ASPECT_MAX: f64 = 1.35;
/// The distance beyond the frame up to which the coast is read, in metres. The distance must be
/// larger than the maximum distance of inlets from the coast.
const COAST_MARGIN_M: f64 = 10_000.0;
/// The minimum distance between two vertices of the coast, in CSS pixels.
const COAST_DETAIL: f64 = 0.4;
/// The factor by which the image can be enlarged before the geometry is not detailed enough. With
/// this factor, the map can be printed.
const DETAIL_FACTOR: f64 = 2.0;
/// The maximum number of areas with a number and an entry in the legend.
const NUMBERS_MAX: usize = 400;
/// The divisor for the part of an overlapping area that no other area covers. If this part is at
/// least a tenth of the area, the area's name or number is placed in it.
const OWN_SHARE: u32 = 10;
/// The size at which MapLibre draws a tile, in CSS pixels.
const TILE_SIZE: f64 = 512.0;

/// A request for a map.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MapRequest {
    /// The layer to draw.
    pub layer: Layer,
    /// The id of the area to select; `None` shows the whole layer.
    pub area: Option<String>,
    /// The date for which the layer is drawn.
    pub day: Date,
    /// The width in CSS pixels, from [`WIDTH_MIN`] to [`WIDTH_MAX`].
    pub width: u32,
}

/// A map that has been drawn.
#[derive(Debug, Clone)]
pub struct MapImage {
    /// The image as SVG 1.1, with the few features of SVG 2 that all browsers support.
    pub svg: String,
    /// The width in CSS pixels.
    pub width: u32,
    /// The height in CSS pixels.
    pub height: u32,
    /// The title of the map.
    pub title: String,
    /// The text alternative of the map.
    pub description: String,
}

/// An area in the coordinates of the image.
struct ProjectedArea {
    id: String,
    name: String,
    rings: Vec<Vec<ImagePoint>>,
    /// A point that marks the area, if the area is too thin to be drawn.
    point: Option<ImagePoint>,
    mask: AreaMask,
}

/// The visible part of the British National Grid, and the frame of the image that shows this part.
struct Viewport {
    west: f64,
    north: f64,
    pixels_per_m: f64,
    frame: ImageRect,
}

/// Draws a map, or returns `None` if the layer or the selected area has no geometry on the date.
pub fn draw(index: &Index, cache: &TileCache, request: &MapRequest) -> Option<MapImage> {
    draw_map(index, cache, request, None)
}

/// Draws a map with a marker, and extends the map to include the marker.
///
/// The marker is not part of [`MapRequest`], because requests may be used as cache keys, and the
/// marker may show a person's home.
pub fn draw_with_marker(
    index: &Index,
    cache: &TileCache,
    request: &MapRequest,
    marker: BritishGrid,
) -> Option<MapImage> {
    draw_map(index, cache, request, Some(marker))
}

fn draw_map(
    index: &Index,
    cache: &TileCache,
    request: &MapRequest,
    marker: Option<BritishGrid>,
) -> Option<MapImage> {
    let (layer, day) = (request.layer, request.day);
    let layer_areas = index.areas_with_geometry(layer, index.revision(layer, day));
    let is_in_focus = |area: &&MapArea<'_>| match &request.area {
        Some(id) => area.boundary.id == *id,
        None => true,
    };
    let in_focus = layer_areas.iter().filter(is_in_focus);
    let bounds = grid_bounds(in_focus.map(|area| area.boundary))?;
    let bounds = marker.map_or(bounds, |marker| {
        let marker = metres(&marker);
        bbox::union(bounds, Rect::new(marker, marker))
    });
    let margin = match request.area {
        Some(_) => AREA_MARGIN,
        None => LAYER_MARGIN,
    };
    let page = MapPageLayout::new(f64::from(request.width));
    let heading = MapHeading::new(&page, index, request, &layer_areas);
    let viewport = Viewport::new(
        bounds,
        margin,
        (page.margin, heading.bottom),
        page.content_width(),
    );
    let zoom = viewport.zoom();
    let outlines = |layer: Layer| cache.outlines(index, layer, day, zoom);
    let project = |outline: AreaOutline| viewport.project_area(outline);
    // The land within the dataset. Everything else is background.
    let land_layer = index.manifest().administrative_from_top().next();
    let land_layer = land_layer.filter(|&land| land != layer);
    let land: Vec<ProjectedArea> = land_layer
        .into_iter()
        .flat_map(outlines)
        .filter_map(project)
        .collect();
    let areas: Vec<ProjectedArea> = outlines(layer).into_iter().filter_map(project).collect();
    let is_partition = index.is_partition(layer);
    let marker =
        marker.map(|marker| viewport.project_grid(marker.easting_m(), marker.northing_m()));
    let options = LabelOptions {
        selected: request.area.as_deref(),
        is_partition,
        are_distinct: are_distinct(request, is_partition, &areas),
        reserved: marker.map(|centre| ImageRect::centred_on(centre, MARKER_SIZE, MARKER_SIZE)),
    };
    let labels = label_areas(&areas, &viewport.frame, &options);
    let shown = viewport.bounds();
    let beyond_frame = viewport.bounds_with_margin(COAST_MARGIN_M);
    let great_britain: Vec<Vec<ImagePoint>> = great_britain::land_within(beyond_frame)
        .iter()
        .map(|ring| viewport.project_ring(ring))
        .collect();
    let towns = great_britain::towns_within(shown);
    let towns = towns.map(|town| {
        let Coord { x, y } = town.position;
        (town.name, viewport.project_grid(x, y))
    });
    let towns = place_towns(&viewport.frame, towns, &labels, options.reserved);
    Some(svg::write(&MapScene {
        index,
        request,
        page,
        heading,
        viewport: &viewport,
        great_britain: &great_britain,
        land: &land,
        areas: &areas,
        labels: &labels,
        towns: &towns,
        marker,
        is_partition,
    }))
}

/// Options for the labels. The options determine which areas may have names, and where labels may
/// be placed.
struct LabelOptions<'a> {
    selected: Option<&'a str>,
    is_partition: bool,
    /// Whether the areas overlap and each area has its own fill.
    are_distinct: bool,
    /// A rectangle in which no label may be placed.
    reserved: Option<ImageRect>,
}

fn label_areas(
    areas: &[ProjectedArea],
    frame: &ImageRect,
    options: &LabelOptions<'_>,
) -> Vec<AreaLabel> {
    // If areas overlap, a name can only be placed where no other area is.
    let own_masks: Vec<AreaMask> = match options.are_distinct {
        true => (0..areas.len())
            .map(|index| own_mask(areas, index))
            .collect(),
        false => Vec::new(),
    };
    let requests: Vec<LabelRequest<'_>> = (0..)
        .zip(areas)
        .map(|(index, area)| {
            let is_selected = options.selected == Some(area.id.as_str());
            let is_large =
                |mask: &&AreaMask| mask.cell_count() > area.mask.cell_count() / OWN_SHARE;
            let own_mask = own_masks.get(index).filter(is_large);
            let mask = own_mask.unwrap_or(&area.mask);
            let own_point = own_mask.and_then(AreaMask::pole_of_inaccessibility);
            LabelRequest {
                name: &area.name,
                mask,
                label_point: own_point.unwrap_or_else(|| area.label_point()),
                is_selected,
                // If areas overlap, readers would not recognise the area to which a name belongs.
                may_be_named: options.is_partition || is_selected || own_mask.is_some(),
            }
        })
        .collect();
    labels::place_labels(frame, &requests, options.reserved, NUMBERS_MAX)
}

/// Returns the cells of an area that no other area covers.
fn own_mask(areas: &[ProjectedArea], index: usize) -> AreaMask {
    let others = areas[..index].iter().chain(&areas[index + 1..]);
    let others: Vec<&AreaMask> = others.map(|area| &area.mask).collect();
    areas[index].mask.without(&others)
}

impl ProjectedArea {
    /// Returns the point inside the area at which there is the most room for a label.
    fn label_point(&self) -> ImagePoint {
        let first_vertex = || self.rings.iter().flatten().next().copied();
        self.mask
            .pole_of_inaccessibility()
            .or(self.point)
            .or_else(first_vertex)
            .unwrap_or_default()
    }
}

/// Returns the bounding box of boundaries in metres on the British National Grid.
fn grid_bounds<'a>(boundaries: impl Iterator<Item = &'a Boundary>) -> Option<Rect<f64>> {
    let polygons = boundaries.flat_map(|boundary| &boundary.grid);
    let vertices = polygons.flat_map(|polygon| &polygon.rings).flatten();
    bbox::bounding_rect(vertices.map(metres))
}

fn metres(position: &BritishGrid) -> Coord<f64> {
    Coord {
        x: position.easting_m(),
        y: position.northing_m(),
    }
}

impl Viewport {
    /// Creates a viewport that shows bounds, centred and with a margin, in a frame with the given
    /// upper left corner and width.
    ///
    /// The margin is a fraction of the longer side of the bounds. The shape of the bounds
    /// determines the height of the frame, within limits.
    fn new(bounds: Rect<f64>, margin: f64, (x, y): ImagePoint, width: f64) -> Viewport {
        let margin_m = margin * bounds.width().max(bounds.height());
        let across_m = (bounds.width() + 2.0 * margin_m).max(SPAN_MIN_M);
        let down_m = (bounds.height() + 2.0 * margin_m).max(SPAN_MIN_M);
        let aspect = (down_m / across_m).clamp(ASPECT_MIN, ASPECT_MAX);
        let across_m = across_m.max(down_m / aspect);
        let down_m = across_m * aspect;
        // Round the height to whole pixels, so that the frame is sharp.
        let height = (width * aspect).round();
        let (min, max) = (bounds.min(), bounds.max());
        Viewport {
            west: f64::midpoint(min.x, max.x) - across_m / 2.0,
            north: f64::midpoint(min.y, max.y) + down_m / 2.0,
            pixels_per_m: width / across_m,
            frame: ImageRect {
                x,
                y,
                width,
                height,
            },
        }
    }

    /// Returns the lowest zoom whose tiles are detailed enough for the image, even if the image is
    /// enlarged by [`DETAIL_FACTOR`].
    fn zoom(&self) -> u8 {
        let centre = (
            self.west + self.frame.width / 2.0 / self.pixels_per_m,
            self.north - self.frame.height / 2.0 / self.pixels_per_m,
        );
        let lonlat = geodesy::to_lonlat_degrees(centre.0, centre.1);
        let latitude = lonlat.map_or(54.0, |(_, latitude)| latitude);
        let parallel_m = web_mercator::EQUATOR_M * latitude.to_radians().cos();
        let tiles = parallel_m * self.pixels_per_m * DETAIL_FACTOR / TILE_SIZE;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped"
        )]
        let zoom = tiles.log2().ceil().clamp(0.0, 22.0) as u8;
        zoom
    }

    /// Returns the visible part of the British National Grid, in metres.
    fn bounds(&self) -> Rect<f64> {
        self.bounds_with_margin(0.0)
    }

    fn bounds_with_margin(&self, margin_m: f64) -> Rect<f64> {
        let south = self.north - self.frame.height / self.pixels_per_m;
        let east = self.west + self.frame.width / self.pixels_per_m;
        Rect::new(
            (self.west - margin_m, south - margin_m),
            (east + margin_m, self.north + margin_m),
        )
    }

    /// Projects a ring of the coast, without details that are too small to be visible.
    fn project_ring(&self, ring: &[Coord<f64>]) -> Vec<ImagePoint> {
        let mut points: Vec<ImagePoint> = Vec::new();
        for vertex in ring {
            let point = self.project_grid(vertex.x, vertex.y);
            let is_distinct = |last: &ImagePoint| raster::distance(*last, point) >= COAST_DETAIL;
            if points.last().is_none_or(is_distinct) {
                points.push(point);
            }
        }
        points
    }

    fn project(&self, lonlat: Coord<f64>) -> Option<ImagePoint> {
        let (easting, northing) = geodesy::to_grid_metres(lonlat.x, lonlat.y)?;
        Some(self.project_grid(easting, northing))
    }

    fn project_grid(&self, easting: f64, northing: f64) -> ImagePoint {
        (
            self.frame.x + (easting - self.west) * self.pixels_per_m,
            self.frame.y + (self.north - northing) * self.pixels_per_m,
        )
    }

    /// Projects an area, or returns `None` if no part of the area is in the frame.
    fn project_area(&self, outline: AreaOutline) -> Option<ProjectedArea> {
        let ring = |ring: &Vec<Coord<f64>>| -> Vec<ImagePoint> {
            ring.iter()
                .filter_map(|&lonlat| self.project(lonlat))
                .collect()
        };
        let rings: Vec<Vec<ImagePoint>> = outline.polygons.iter().flatten().map(ring).collect();
        let point = outline.point.and_then(|lonlat| self.project(lonlat));
        let mask = AreaMask::new(rings.iter().map(Vec::as_slice), &self.frame);
        let is_in_frame = |point: &ImagePoint| self.frame.contains(*point);
        // An area that is in the frame may be too small to contain the centre of a cell.
        let is_speck = mask.is_empty() && rings.iter().flatten().any(is_in_frame);
        if mask.is_empty() && !is_speck && !point.as_ref().is_some_and(is_in_frame) {
            return None;
        }
        Some(ProjectedArea {
            id: outline.id,
            name: outline.name,
            rings,
            point,
            mask,
        })
    }
}
