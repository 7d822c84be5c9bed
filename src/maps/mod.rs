//! Static maps: a layer, or one of its areas with those around it, as a picture that needs no script.
//!
//! ```text
//!  shapes of the tiles ──► British National Grid ──► names and numbers ──► SVG ──► PNG, PDF
//! ```
//!
//! - Shapes are those of the tiles at the zoom that fits, so that borders meet. They are drawn on the
//!   British National Grid: a scale bar is right everywhere, and up is grid north.
//! - Neighbours differ in pattern as well as in colour, so that a print in black and white tells them apart.
//! - What has no room for its name has a number and stands in the legend: no area is left out.
//! - The same question gets the same bytes: nothing depends on the machine, its fonts or the hour.

mod labels;
mod raster;
mod render;
mod styles;
mod svg;
mod text;

use jiff::civil::Date;

use crate::domain::{Boundary, BritishGrid, Layer};
use crate::geodesy;
use crate::index::{Index, Shown};
use crate::tiles::{AreaOutline, TileCache};
use labels::{Mark, Wish};
use raster::{Mask, Place, Rect};
pub use render::{RenderError, pdf, png};

/// The narrowest and the widest picture, in CSS pixels.
pub const WIDTH_MIN: u32 = 240;
/// See [`WIDTH_MIN`].
pub const WIDTH_MAX: u32 = 2_000;

/// Room around what is looked at, as a part of its size: of a layer, and of an area with its neighbours.
const MARGIN: f64 = 0.03;
const MARGIN_OF_AREA: f64 = 0.3;
/// Nothing is looked at from nearer than this, in metres across.
const SPAN_MIN_M: f64 = 3_000.0;
/// The map's height as a part of its width, at least and at most.
const ASPECT_MIN: f64 = 0.6;
const ASPECT_MAX: f64 = 1.35;
/// Shapes are as detailed as if the picture were so many times as large, for prints.
const DETAIL: f64 = 2.0;
/// At most so many have a number and a line in the legend.
const NUMBERS_MAX: usize = 400;
/// The circumference of the Earth in Web Mercator, in metres; and how wide MapLibre draws a tile.
const EQUATOR_M: f64 = 40_075_016.7;
const TILE: f64 = 512.0;

/// Which map.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Of which layer.
    pub layer: Layer,
    /// The id of the area that is looked at; `None` looks at all.
    pub area: Option<String>,
    /// On which day.
    pub day: Date,
    /// How wide, in CSS pixels: from [`WIDTH_MIN`] to [`WIDTH_MAX`].
    pub width: u32,
}

/// A map.
#[derive(Debug, Clone)]
pub struct Picture {
    /// It, as SVG 1.1 with the few words of SVG 2 that all browsers know.
    pub svg: String,
    /// Its size in CSS pixels.
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// What it is.
    pub title: String,
    /// What is to be seen, in words.
    pub description: String,
}

/// An area on the picture.
struct Drawn {
    id: String,
    name: String,
    /// In units of the picture.
    rings: Vec<Vec<Place>>,
    /// Where it is, if it is too thin to be drawn.
    point: Option<Place>,
    mask: Mask,
}

/// Metres on the grid to units of the picture.
struct View {
    west: f64,
    north: f64,
    units_per_m: f64,
    frame: Rect,
}

/// The map. `None` where nothing of it has ground on the day.
pub fn draw(index: &Index, store: &TileCache, wanted: &Wanted) -> Option<Picture> {
    drawn(index, store, wanted, None)
}

/// The map with a place marked on it, wide enough to show it.
///
/// The place is no part of [`Wanted`], which names a picture that may be kept: somebody may live there.
pub(crate) fn draw_marked(
    index: &Index,
    store: &TileCache,
    wanted: &Wanted,
    mark: BritishGrid,
) -> Option<Picture> {
    drawn(index, store, wanted, Some(mark))
}

fn drawn(
    index: &Index,
    store: &TileCache,
    wanted: &Wanted,
    mark: Option<BritishGrid>,
) -> Option<Picture> {
    let (layer, day) = (wanted.layer, wanted.day);
    let shown = index.shown(layer, index.changes_until(layer, day));
    let looked_at = |it: &&Shown<'_>| match &wanted.area {
        Some(id) => it.boundary.id == *id,
        None => true,
    };
    let extent = extent(shown.iter().filter(looked_at).map(|it| it.boundary))?;
    let extent = mark.map_or(extent, |mark| including(extent, mark));
    let margin = match wanted.area {
        Some(_) => MARGIN_OF_AREA,
        None => MARGIN,
    };
    let sheet = svg::Sheet::new(f64::from(wanted.width));
    let head = svg::Head::new(&sheet, index, wanted, &shown);
    let view = View::new(extent, margin, sheet.margin, head.bottom, sheet.inner());
    let zoom = view.zoom();
    let outlines = |layer: Layer| store.outlines(index, layer, day, zoom);
    let in_sight = |outline: AreaOutline| view.drawn(outline);
    // Land that the dataset reaches over: paper where nothing is known.
    let context = Some(Layer::Icb).filter(|&it| it != layer && index.first_data(it).is_some());
    let land: Vec<Drawn> = context
        .into_iter()
        .flat_map(outlines)
        .filter_map(in_sight)
        .collect();
    let drawn: Vec<Drawn> = outlines(layer).into_iter().filter_map(in_sight).collect();
    let is_partition = index.is_partition(layer);
    let mark = mark.map(|mark| view.place_on_grid(mark.easting_m(), mark.northing_m()));
    let taken = mark.map(|at| Rect::around(at, svg::MARK_SIZE, svg::MARK_SIZE));
    let names = Names {
        selected: wanted.area.as_deref(),
        is_partition,
        taken,
    };
    let marks = marks(&drawn, &view.frame, &names);
    Some(svg::write(&svg::Scene {
        index,
        wanted,
        sheet,
        head,
        view: &view,
        land: &land,
        drawn: &drawn,
        marks: &marks,
        mark,
        is_partition,
    }))
}

/// What decides which areas are named, and where.
struct Names<'a> {
    selected: Option<&'a str>,
    is_partition: bool,
    /// Where nothing else may stand.
    taken: Option<Rect>,
}

fn marks(drawn: &[Drawn], frame: &Rect, names: &Names<'_>) -> Vec<Mark> {
    let wishes: Vec<Wish<'_>> = drawn
        .iter()
        .map(|area| {
            let is_selected = names.selected == Some(area.id.as_str());
            Wish {
                name: &area.name,
                mask: &area.mask,
                heart: area.heart(),
                is_selected,
                // A name within areas that lie over each other would seem to be any one's.
                may_be_named: names.is_partition || is_selected,
            }
        })
        .collect();
    labels::place(frame, &wishes, names.taken, NUMBERS_MAX)
}

impl Drawn {
    /// A place in it.
    fn heart(&self) -> Place {
        let first = || self.rings.iter().flatten().next().copied();
        self.mask
            .heart()
            .or(self.point)
            .or_else(first)
            .unwrap_or_default()
    }
}

/// West, south, east, north of the boundaries, in metres on the grid.
fn extent<'a>(boundaries: impl Iterator<Item = &'a Boundary>) -> Option<[f64; 4]> {
    let polygons = boundaries.flat_map(|it| &it.grid);
    let places = polygons.flat_map(|polygon| &polygon.rings).flatten();
    places.fold(None, |seen: Option<[f64; 4]>, place| {
        let (x, y) = (place.easting_m(), place.northing_m());
        let [west, south, east, north] = seen.unwrap_or([x, y, x, y]);
        Some([west.min(x), south.min(y), east.max(x), north.max(y)])
    })
}

fn including([west, south, east, north]: [f64; 4], place: BritishGrid) -> [f64; 4] {
    let (x, y) = (place.easting_m(), place.northing_m());
    [west.min(x), south.min(y), east.max(x), north.max(y)]
}

impl View {
    /// What is looked at in the middle of a frame of this width, and room around it.
    fn new([west, south, east, north]: [f64; 4], margin: f64, x: f64, y: f64, width: f64) -> View {
        let room = margin * (east - west).max(north - south);
        let across = (east - west + 2.0 * room).max(SPAN_MIN_M);
        let down = (north - south + 2.0 * room).max(SPAN_MIN_M);
        let aspect = (down / across).clamp(ASPECT_MIN, ASPECT_MAX);
        let across = across.max(down / aspect);
        let down = across * aspect;
        // Whole units, so that the frame is sharp.
        let height = (width * aspect).round();
        View {
            west: f64::midpoint(west, east) - across / 2.0,
            north: f64::midpoint(south, north) + down / 2.0,
            units_per_m: width / across,
            frame: Rect {
                x,
                y,
                width,
                height,
            },
        }
    }

    /// The zoom at which a tile's half pixel is at most half a unit of the picture, made larger by
    /// [`DETAIL`].
    fn zoom(&self) -> u8 {
        let middle = (
            self.west + self.frame.width / 2.0 / self.units_per_m,
            self.north - self.frame.height / 2.0 / self.units_per_m,
        );
        let latitude = geodesy::to_lonlat_degrees(middle.0, middle.1).map_or(54.0, |it| it.1);
        let across_m = EQUATOR_M * latitude.to_radians().cos();
        let tiles = across_m * self.units_per_m * DETAIL / TILE;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped"
        )]
        let zoom = tiles.log2().ceil().clamp(0.0, 22.0) as u8;
        zoom
    }

    fn place(&self, (lon, lat): (f64, f64)) -> Option<Place> {
        let (easting, northing) = geodesy::to_grid_metres(lon, lat)?;
        Some(self.place_on_grid(easting, northing))
    }

    fn place_on_grid(&self, easting: f64, northing: f64) -> Place {
        (
            self.frame.x + (easting - self.west) * self.units_per_m,
            self.frame.y + (self.north - northing) * self.units_per_m,
        )
    }

    /// The area, if any of it is in sight.
    fn drawn(&self, outline: AreaOutline) -> Option<Drawn> {
        let ring = |ring: &Vec<(f64, f64)>| -> Vec<Place> {
            ring.iter().filter_map(|&at| self.place(at)).collect()
        };
        let rings: Vec<Vec<Place>> = outline.polygons.iter().flatten().map(ring).collect();
        let point = outline.point.and_then(|at| self.place(at));
        let mask = Mask::new(rings.iter().map(Vec::as_slice), &self.frame);
        let is_seen = |place: &Place| self.frame.has(*place);
        // Smaller than a square of the mask, yet wholly there.
        let is_speck = mask.is_empty() && rings.iter().flatten().any(is_seen);
        if mask.is_empty() && !is_speck && !point.as_ref().is_some_and(is_seen) {
            return None;
        }
        Some(Drawn {
            id: outline.id,
            name: outline.name,
            rings,
            point,
            mask,
        })
    }
}
