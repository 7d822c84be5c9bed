//! The text around a map and its arrangement: the heading, the legend, the sources, and the text
//! alternative of the map.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::civil::Date;

use super::labels::AreaLabel;
use super::raster::ImagePoint;
use super::styles::{FILLS, LAND, OTHER_LAND, SEA};
use super::text::{self, FontWeight, LINE_HEIGHT};
use super::towns::TownLabel;
use super::{MapRequest, ProjectedArea, Viewport, great_britain};
use catchment_core::domain::{Layer, LayerRole};
use catchment_core::index::{Index, MapArea};

/// Font sizes, in CSS pixels.
const SUBTITLE_SIZE: f64 = 12.5;
pub(super) const LEGEND_SIZE: f64 = 12.0;
const SOURCE_SIZE: f64 = 10.0;
/// The distance from the top of a line to its baseline, as a multiple of the font size.
pub(super) const ASCENT: f64 = 0.92;
/// The height in CSS pixels of the strip below the map, which contains the scale bar and the north
/// arrow.
const SCALE_STRIP_HEIGHT: f64 = 34.0;
/// The side of the squares in the key of the background, and the height of a row of the key, in CSS
/// pixels.
pub(super) const KEY_SWATCH: f64 = 11.0;
const KEY_ROW_HEIGHT: f64 = 18.0;
/// The diameter of the marker, including its halo, in CSS pixels.
pub(super) const MARKER_SIZE: f64 = 22.0;
/// The minimum number of areas that are labelled with a number for which a map states that the maps
/// of single areas are easier to read.
const NUMBERS_LEGIBLE: usize = 40;
/// The maximum number of areas that the description lists.
const DESCRIBED_MAX: usize = 60;

/// The width and margins of the page, in CSS pixels.
pub(super) struct MapPageLayout {
    pub(super) width: f64,
    pub(super) margin: f64,
}

impl MapPageLayout {
    pub(super) fn new(width: f64) -> MapPageLayout {
        let margin = if width < 480.0 { 10.0 } else { 16.0 };
        MapPageLayout { width, margin }
    }

    /// Returns the width between the margins.
    pub(super) fn content_width(&self) -> f64 {
        self.width - 2.0 * self.margin
    }
}

/// Wrapped lines of text with the same font size, from `top` downwards.
pub(super) struct TextBlock {
    pub(super) lines: Vec<String>,
    pub(super) size: f64,
    pub(super) weight: FontWeight,
    top: f64,
}

impl TextBlock {
    fn new(page: &MapPageLayout, text: &str, size: f64, weight: FontWeight, top: f64) -> TextBlock {
        TextBlock {
            lines: text::wrap(text, size, weight, page.content_width()),
            size,
            weight,
            top,
        }
    }

    pub(super) fn bottom(&self) -> f64 {
        self.top + self.lines.len() as f64 * self.size * LINE_HEIGHT
    }

    /// Returns the y coordinate of a line's baseline.
    pub(super) fn baseline(&self, line: u32) -> f64 {
        self.top + self.size * (ASCENT + f64::from(line) * LINE_HEIGHT)
    }
}

/// The heading above the map.
pub(super) struct MapHeading {
    pub(super) title: String,
    layer_title: String,
    pub(super) blocks: [TextBlock; 2],
    pub(super) bottom: f64,
}

impl MapHeading {
    pub(super) fn new(
        page: &MapPageLayout,
        index: &Index,
        request: &MapRequest,
        layer_areas: &[MapArea<'_>],
    ) -> MapHeading {
        let layer_title = index.layer_title(request.layer).to_string();
        let selected = layer_areas
            .iter()
            .find(|area| Some(&area.boundary.id) == request.area.as_ref());
        let (title, layer_prefix) = match selected {
            Some(area) => (
                area_title(index, request.layer, &area.title, &area.boundary.id),
                format!("{layer_title} · "),
            ),
            None => (layer_title.clone(), String::new()),
        };
        let provenances: BTreeSet<&str> = match selected {
            Some(area) => BTreeSet::from([area.provenance.as_str()]),
            None => layer_areas
                .iter()
                .map(|area| area.provenance.as_str())
                .collect(),
        };
        let provenances: Vec<&str> = provenances.into_iter().collect();
        let subtitle = format!(
            "{layer_prefix}{} · boundaries: {}",
            long_date(request.day),
            provenances.join(", ")
        );
        let title_size = if page.width < 480.0 { 17.0 } else { 21.0 };
        let title_block = TextBlock::new(page, &title, title_size, FontWeight::Bold, page.margin);
        let subtitle_block = TextBlock::new(
            page,
            &subtitle,
            SUBTITLE_SIZE,
            FontWeight::Regular,
            title_block.bottom() + 2.0,
        );
        MapHeading {
            title,
            layer_title,
            bottom: (subtitle_block.bottom() + 8.0).round(),
            blocks: [title_block, subtitle_block],
        }
    }
}

/// The legend below the map. The legend lists the areas whose names are not on the map.
pub(super) struct MapLegend {
    /// `None` if there are no entries.
    pub(super) heading: Option<TextBlock>,
    pub(super) entries: Vec<LegendEntry>,
    /// Notes that state the number of areas that are not listed, and the maps that are easier to
    /// read.
    pub(super) notes: Vec<TextBlock>,
    bottom: f64,
}

/// An area's number and the lines of its title, with the positions of their baselines.
pub(super) struct LegendEntry {
    pub(super) number: String,
    /// The right end of the number.
    pub(super) number_end: ImagePoint,
    /// The left end of each line, and its text.
    pub(super) lines: Vec<(ImagePoint, String)>,
}

/// A colour of the background, and its meaning.
pub(super) struct KeyEntry {
    pub(super) colour: &'static str,
    pub(super) text: &'static str,
    /// The upper left corner of the square with the colour.
    pub(super) corner: ImagePoint,
}

/// Everything that is drawn on a map.
pub(super) struct MapScene<'a> {
    pub(super) index: &'a Index,
    pub(super) request: &'a MapRequest,
    pub(super) page: MapPageLayout,
    pub(super) heading: MapHeading,
    pub(super) viewport: &'a Viewport,
    /// The land of Great Britain in the frame.
    pub(super) great_britain: &'a [Vec<ImagePoint>],
    /// The land within the dataset.
    pub(super) land: &'a [ProjectedArea],
    pub(super) areas: &'a [ProjectedArea],
    /// The label of each area.
    pub(super) labels: &'a [AreaLabel],
    pub(super) towns: &'a [TownLabel],
    /// The location to mark.
    pub(super) marker: Option<ImagePoint>,
    pub(super) is_partition: bool,
}

impl MapScene<'_> {
    pub(super) fn is_selected(&self, area: &ProjectedArea) -> bool {
        self.request.area.as_deref() == Some(area.id.as_str())
    }

    /// Returns whether the area has a pattern. An area has a pattern if it is selected. If no area
    /// is selected, it has a pattern if the layer is a partition or has few areas.
    pub(super) fn is_patterned(&self, area: &ProjectedArea) -> bool {
        match self.request.area {
            Some(_) => self.is_selected(area),
            None => self.is_partition || self.are_distinct(),
        }
    }

    /// Returns whether the areas overlap and there are few enough of them for each area to have its
    /// own fill.
    pub(super) fn are_distinct(&self) -> bool {
        are_distinct(self.request, self.is_partition, self.areas)
    }

    /// Returns the indices of the areas without a name on the map, in order of name.
    fn unnamed(&self) -> Vec<usize> {
        let is_named = |index: &usize| matches!(self.labels[*index], AreaLabel::Name { .. });
        let mut unnamed: Vec<usize> = (0..self.areas.len())
            .filter(|index| !is_named(index))
            .collect();
        unnamed.sort_by(|&a, &b| {
            let (a, b) = (&self.areas[a], &self.areas[b]);
            (&a.name, &a.id).cmp(&(&b.name, &b.id))
        });
        unnamed
    }

    /// Returns the number of each area on the map and in the legend, if the area has a number.
    /// The first number is 1, and numbers are in the order of the legend.
    pub(super) fn numbers(&self) -> Vec<Option<usize>> {
        let mut numbers = vec![None; self.areas.len()];
        let unnamed = self.unnamed().into_iter();
        let numbered =
            unnamed.filter(|&index| matches!(self.labels[index], AreaLabel::Number { .. }));
        for (number, index) in (1..).zip(numbered) {
            numbers[index] = Some(number);
        }
        numbers
    }

    /// Returns the key of the background, which is below the scale bar, in as many rows as necessary.
    pub(super) fn key(&self) -> Vec<KeyEntry> {
        let land = (LAND, "Land in the data, outside these areas");
        let land = (!self.land.is_empty()).then_some(land);
        let other_land = match land {
            Some(_) => "Land that is not in the data",
            None => "Land outside these areas",
        };
        let (mut x, mut row) = (0.0, 0.0);
        let entries = [(SEA, "Sea"), (OTHER_LAND, other_land)].into_iter();
        let entries = entries.chain(land).map(|(colour, text)| {
            let width = KEY_SWATCH + 5.0 + text::width(text, LEGEND_SIZE, FontWeight::Regular);
            if x > 0.0 && x + width > self.page.content_width() {
                (x, row) = (0.0, row + 1.0);
            }
            let top = self.viewport.frame.bottom() + SCALE_STRIP_HEIGHT;
            let corner = (self.page.margin + x, top + row * KEY_ROW_HEIGHT);
            x += width + 18.0;
            KeyEntry {
                colour,
                text,
                corner,
            }
        });
        entries.collect()
    }

    /// Returns the legend, which is below the key.
    pub(super) fn legend(&self) -> MapLegend {
        let scale_bottom = self.viewport.frame.bottom() + SCALE_STRIP_HEIGHT;
        let key = self.key();
        let last_row = key.last().map_or(scale_bottom, |entry| entry.corner.1);
        let top = last_row + KEY_ROW_HEIGHT + 4.0;
        let unnamed = self.unnamed();
        let numbers = self.numbers();
        let listed = &unnamed[..unnamed.len().min(super::NUMBERS_MAX)];
        let names: Vec<(String, String)> = listed
            .iter()
            .map(|&index| {
                let area = &self.areas[index];
                let number = numbers[index].map_or("–".to_string(), |number| number.to_string());
                let title = area_title(self.index, self.request.layer, &area.name, &area.id);
                (number, title)
            })
            .collect();
        let mut legend = MapLegend {
            heading: None,
            entries: Vec::new(),
            notes: Vec::new(),
            bottom: top,
        };
        if !names.is_empty() {
            let text = "Numbers on the map";
            let heading = TextBlock::new(&self.page, text, LEGEND_SIZE, FontWeight::Bold, top);
            let (entries, bottom) = legend_columns(&self.page, &names, heading.bottom() + 3.0);
            legend.heading = Some(heading);
            legend.entries = entries;
            legend.bottom = bottom;
        }
        let unlisted = unnamed.len() - listed.len();
        let layer = self.request.layer;
        let more = format!("And {unlisted} more, listed at /api/v1/areas/{layer}");
        let more = (unlisted > 0).then_some(more);
        for text in more.into_iter().chain(self.advice(unnamed.len())) {
            let top = legend.bottom + 2.0;
            let note = TextBlock::new(&self.page, &text, LEGEND_SIZE, FontWeight::Regular, top);
            legend.bottom = note.bottom();
            legend.notes.push(note);
        }
        if legend.heading.is_some() || !legend.notes.is_empty() {
            legend.bottom += 6.0;
        }
        legend
    }

    /// Returns advice to use other maps, if areas overlap or only a few names are on the map.
    fn advice(&self, unnamed: usize) -> Option<String> {
        let example = self.areas.first().filter(|_| self.request.area.is_none())?;
        let overlap = match self.is_partition {
            true if unnamed < NUMBERS_LEGIBLE => return None,
            true => "",
            false => "These areas overlap. ",
        };
        let (layer, id) = (self.request.layer, &example.id);
        Some(format!(
            "{overlap}Each area has a map of its own, which is easier to read. For example, the map of {} is /maps/{layer}/{id}.pdf",
            area_title(self.index, layer, &example.name, id)
        ))
    }

    /// Returns the line with the dataset and its attribution, which is below the legend.
    pub(super) fn source(&self, legend: &MapLegend) -> TextBlock {
        TextBlock::new(
            &self.page,
            &source_text(self.index),
            SOURCE_SIZE,
            FontWeight::Regular,
            legend.bottom + 4.0,
        )
    }

    /// Returns the text alternative of the map.
    pub(super) fn description(&self) -> String {
        let day = long_date(self.request.day);
        let selected = self.areas.iter().find(|area| self.is_selected(area));
        let others = self.areas.iter().filter(|area| !self.is_selected(area));
        let mut names: Vec<&str> = others.map(|area| area.name.as_str()).collect();
        names.sort_unstable();
        let count = names.len();
        let unlisted = count.saturating_sub(DESCRIBED_MAX);
        names.truncate(DESCRIBED_MAX);
        let mut list = names.join(", ");
        if unlisted > 0 {
            let _ = write!(list, " and {unlisted} more");
        }
        let layer = &self.heading.layer_title;
        let description = match selected {
            Some(area) if count == 0 => {
                format!(
                    "{} ({layer}) on {day}. No other areas are shown.",
                    area.name
                )
            }
            Some(area) => format!(
                "{} ({layer}) on {day}, in bold outline. Other areas shown ({count}): {list}.",
                area.name
            ),
            None => format!("{layer} on {day} ({count}): {list}."),
        };
        match self.marker {
            Some(_) => format!("{description} The location you looked up is marked."),
            None => description,
        }
    }
}

/// Returns whether the map shows a whole layer with overlapping areas, and there are few enough
/// areas for each area to have its own fill.
pub(super) fn are_distinct(
    request: &MapRequest,
    is_partition: bool,
    areas: &[ProjectedArea],
) -> bool {
    request.area.is_none() && !is_partition && areas.len() <= FILLS.len()
}

/// Arranges legend entries in as many columns as fit, column by column. An entry consists of a
/// number and a name. Returns the entries and the y coordinate of the bottom of the columns.
fn legend_columns(
    page: &MapPageLayout,
    names: &[(String, String)],
    top: f64,
) -> (Vec<LegendEntry>, f64) {
    const COLUMN_GAP: f64 = 16.0;
    let content_width = page.content_width();
    let number_width = text::width("888", LEGEND_SIZE, FontWeight::Bold);
    let name_width =
        |(_, name): &(String, String)| text::width(name, LEGEND_SIZE, FontWeight::Regular);
    let widest = names.iter().map(name_width).fold(0.0, f64::max);
    let column_width = (number_width + 5.0 + widest + COLUMN_GAP).min(content_width + COLUMN_GAP);
    let columns = (1..=8_u32)
        .rev()
        .find(|&count| f64::from(count) * column_width <= content_width + COLUMN_GAP)
        .unwrap_or(1);
    let rows = names.len().div_ceil(columns as usize);
    // Allow half a pixel more, so that rounding does not wrap the widest name.
    let name_width_max = (column_width - COLUMN_GAP - number_width - 4.5).max(40.0);
    let mut entries = Vec::with_capacity(names.len());
    let mut bottom = top;
    for (column, names) in (0_u32..).zip(names.chunks(rows)) {
        let x = page.margin + f64::from(column) * column_width;
        let mut y = top;
        for (number, name) in names {
            let number_end = (x + number_width, y + LEGEND_SIZE * ASCENT);
            let mut lines = Vec::new();
            for line in text::wrap(name, LEGEND_SIZE, FontWeight::Regular, name_width_max) {
                lines.push(((x + number_width + 5.0, y + LEGEND_SIZE * ASCENT), line));
                y += LEGEND_SIZE * LINE_HEIGHT;
            }
            y += 1.5;
            entries.push(LegendEntry {
                number: number.clone(),
                number_end,
                lines,
            });
        }
        bottom = f64::max(bottom, y);
    }
    (entries, bottom)
}

/// Returns the longest distance up to `metres_max` that is 1, 2 or 5 times a power of ten metres,
/// and the label for that distance.
pub(super) fn scale_bar(metres_max: f64) -> (f64, String) {
    let distances =
        (0_i32..7).flat_map(|power| [1.0, 2.0, 5.0].map(|leading| leading * 10_f64.powi(power)));
    let metres = distances
        .take_while(|&metres| metres <= metres_max)
        .last()
        .unwrap_or(1.0);
    let label = if metres < 1_000.0 {
        format!("{metres} m")
    } else {
        format!("{} km", metres / 1_000.0)
    };
    (metres, label)
}

/// Returns the title of an area, which is its name. The title of a practice also contains the
/// practice's code, because the names of practices are not unique.
fn area_title(index: &Index, layer: Layer, name: &str, id: &str) -> String {
    match index.role(layer) {
        Some(LayerRole::PracticeCatchment) => format!("{name} ({id})"),
        _ => name.to_string(),
    }
}

/// Returns the dataset, its date and its attribution.
fn source_text(index: &Index) -> String {
    let manifest = index.manifest();
    format!(
        "Dataset {} {}, of {}. {} {}",
        manifest.name,
        manifest.version,
        long_date(manifest.as_of),
        manifest.attribution,
        great_britain::ATTRIBUTION
    )
}

fn long_date(day: Date) -> String {
    day.strftime("%-d %B %Y").to_string()
}
