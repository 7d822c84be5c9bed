//! Writes a map as SVG, with a heading, a scale bar, a north arrow, a legend and the sources.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::civil::Date;

use super::labels::{AreaLabel, NUMBER_SIZE, leader_line_start};
use super::raster::{ImagePoint, ImageRect};
use super::styles::{BACKGROUND, FILLS, INK, LAND, SURROUNDINGS, assign_fills};
use super::text::{self, FONT_FAMILIES, FontWeight, LINE_HEIGHT, escape_xml};
use super::{MapImage, MapRequest, ProjectedArea, Viewport};
use catchment_core::domain::Layer;
use catchment_core::index::{Index, MapArea};

/// Font sizes, in CSS pixels.
const SUBTITLE_SIZE: f64 = 12.5;
const LEGEND_SIZE: f64 = 12.0;
const SOURCE_SIZE: f64 = 10.0;
/// The distance from the top of a line to its baseline, in font sizes.
const ASCENT: f64 = 0.92;
/// The height in CSS pixels of the strip below the map, which contains the scale bar and the north
/// arrow.
const SCALE_STRIP_HEIGHT: f64 = 34.0;
/// The diameter of the marker, including its halo, in CSS pixels.
pub(super) const MARKER_SIZE: f64 = 22.0;
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

/// Wrapped lines of text in one size, from `top` down.
struct TextBlock {
    lines: Vec<String>,
    size: f64,
    weight: FontWeight,
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

    fn bottom(&self) -> f64 {
        self.top + self.lines.len() as f64 * self.size * LINE_HEIGHT
    }

    fn write(&self, out: &mut String, x: f64) {
        for (index, line) in (0_u32..).zip(&self.lines) {
            let y = self.top + self.size * (ASCENT + f64::from(index) * LINE_HEIGHT);
            write_text(out, line, (x, y), self.size, self.weight, "");
        }
    }
}

/// The heading above the map.
pub(super) struct MapHeading {
    title: String,
    layer_title: String,
    blocks: [TextBlock; 2],
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
                area_title(request.layer, &area.title, &area.boundary.id),
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

/// Everything that is drawn on a map.
pub(super) struct MapScene<'a> {
    pub(super) index: &'a Index,
    pub(super) request: &'a MapRequest,
    pub(super) page: MapPageLayout,
    pub(super) heading: MapHeading,
    pub(super) viewport: &'a Viewport,
    pub(super) land: &'a [ProjectedArea],
    pub(super) areas: &'a [ProjectedArea],
    /// The label of each area.
    pub(super) labels: &'a [AreaLabel],
    /// The location to mark.
    pub(super) marker: Option<ImagePoint>,
    pub(super) is_partition: bool,
}

/// Writes a map, from top to bottom.
pub(super) fn write(scene: &MapScene<'_>) -> MapImage {
    let page = &scene.page;
    let mut body = String::new();
    for block in &scene.heading.blocks {
        block.write(&mut body, page.margin);
    }
    scene.write_map(&mut body);
    let map_bottom = scene.viewport.frame.bottom();
    scene.write_scale(&mut body, map_bottom);
    let legend_bottom = scene.write_legend(&mut body, map_bottom + SCALE_STRIP_HEIGHT);
    let source = TextBlock::new(
        page,
        &source_text(scene.index),
        SOURCE_SIZE,
        FontWeight::Regular,
        legend_bottom + 4.0,
    );
    source.write(&mut body, page.margin);
    let height = (source.bottom() + page.margin).ceil();
    let description = scene.description();
    let title = format!("Map: {}", scene.heading.title);
    let width = page.width;
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-labelledby=\"map-title map-description\" lang=\"en-GB\" font-family=\"{FONT_FAMILIES}\" fill=\"{INK}\">\n\
         <title id=\"map-title\">{}</title>\n<desc id=\"map-description\">{}</desc>\n{}\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{body}</svg>\n",
        escape_xml(&title),
        escape_xml(&description),
        scene.definitions(),
    );
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and at most a few tens of thousands"
    )]
    let height = height as u32;
    MapImage {
        svg,
        width: scene.request.width,
        height,
        title,
        description,
    }
}

impl MapScene<'_> {
    fn is_selected(&self, area: &ProjectedArea) -> bool {
        self.request.area.as_deref() == Some(area.id.as_str())
    }

    /// Returns whether the area has a pattern. The area has a pattern if it is selected, or if no
    /// area is selected and the layer is a partition.
    fn is_patterned(&self, area: &ProjectedArea) -> bool {
        match self.request.area {
            Some(_) => self.is_selected(area),
            None => self.is_partition,
        }
    }

    /// Returns the `<defs>`: the frame's clip path, the patterns in use, and the areas' paths.
    fn definitions(&self) -> String {
        let ImageRect {
            x,
            y,
            width,
            height,
        } = self.viewport.frame;
        let mut out = format!(
            "<defs>\n<clipPath id=\"map-frame\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/></clipPath>\n"
        );
        let used: BTreeSet<usize> = self
            .areas
            .iter()
            .zip(self.fills())
            .filter(|(area, _)| self.is_patterned(area))
            .map(|(_, fill)| fill)
            .collect();
        for index in used {
            let fill = &FILLS[index];
            let side = fill.side;
            writeln!(
                out,
                "<pattern id=\"map-pattern-{index}\" width=\"{side}\" height=\"{side}\" patternUnits=\"userSpaceOnUse\">\
                 <path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.2\"/></pattern>",
                fill.path, fill.shade
            )
            .expect("writing to a String");
        }
        for (index, area) in self.areas.iter().enumerate() {
            let path = path(&area.rings);
            writeln!(out, "<path id=\"map-area-{index}\" d=\"{path}\"/>")
                .expect("writing to a String");
        }
        out.push_str("</defs>\n");
        out
    }

    /// Returns the index of each area's fill.
    fn fills(&self) -> Vec<usize> {
        match self.request.area {
            Some(_) => vec![0; self.areas.len()],
            None => assign_fills(self.areas),
        }
    }

    fn write_map(&self, out: &mut String) {
        let ImageRect {
            x,
            y,
            width,
            height,
        } = self.viewport.frame;
        let rect = format!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"");
        out.push_str(
            "<g clip-path=\"url(#map-frame)\" stroke-linejoin=\"round\" fill-rule=\"evenodd\">\n",
        );
        let _ = writeln!(out, "{rect} fill=\"{BACKGROUND}\"/>");
        for area in self.land {
            let path = path(&area.rings);
            let _ = writeln!(out, "<path d=\"{path}\" fill=\"{LAND}\"/>");
        }
        self.write_areas(out);
        out.push_str("</g>\n");
        self.write_labels(out);
        if let Some((x, y)) = self.marker {
            let (x, y) = (tenth(x), tenth(y));
            let _ = writeln!(
                out,
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"11\" fill=\"#fff\"/><circle cx=\"{x}\" cy=\"{y}\" r=\"8\" fill=\"#d5281b\"/>\
                 <circle cx=\"{x}\" cy=\"{y}\" r=\"2.5\" fill=\"#fff\"/>"
            );
        }
        let _ = writeln!(out, "{rect} fill=\"none\" stroke=\"{INK}\"/>");
    }

    /// Writes the fills and then the outlines of the areas, the selected area last.
    fn write_areas(&self, out: &mut String) {
        let fills = self.fills();
        let areas = || self.areas.iter().zip(&fills).enumerate();
        let others = areas().filter(|(_, (area, _))| !self.is_selected(area));
        let selected = areas().filter(|(_, (area, _))| self.is_selected(area));
        for (index, (area, &fill)) in others.chain(selected) {
            let is_patterned = self.is_patterned(area);
            let (colour, opacity) = match (is_patterned, self.is_partition) {
                (true, _) => (FILLS[fill].tint, ""),
                (false, true) => (SURROUNDINGS, ""),
                // The fill is translucent, so that overlapping areas show through.
                (false, false) => (FILLS[fill].tint, " fill-opacity=\".25\""),
            };
            let _ = writeln!(
                out,
                "<use href=\"#map-area-{index}\" fill=\"{colour}\"{opacity}/>"
            );
            if is_patterned {
                let _ = writeln!(
                    out,
                    "<use href=\"#map-area-{index}\" fill=\"url(#map-pattern-{fill})\"/>"
                );
            }
        }
        let dash = if self.is_partition {
            ""
        } else {
            " stroke-dasharray=\"5 2\""
        };
        for (index, (area, _)) in areas().filter(|(_, (area, _))| !self.is_selected(area)) {
            let _ = writeln!(
                out,
                "<use href=\"#map-area-{index}\" fill=\"none\" stroke=\"{INK}\"{dash}/>"
            );
            write_point(out, area);
        }
        for (index, (area, _)) in areas().filter(|(_, (area, _))| self.is_selected(area)) {
            let _ = writeln!(
                out,
                "<use href=\"#map-area-{index}\" fill=\"none\" stroke=\"{INK}\" stroke-width=\"3\"/>"
            );
            write_point(out, area);
        }
    }

    /// Writes the labels. All leader lines are written first, so that no leader line crosses a
    /// label.
    fn write_labels(&self, out: &mut String) {
        for label in self.labels {
            if let AreaLabel::Number {
                rect,
                leads_to: Some(to),
            } = label
            {
                write_leader_line(out, rect, *to);
            }
        }
        for (label, number) in self.labels.iter().zip(self.numbers()) {
            match (label, number) {
                (AreaLabel::Name { lines, size, rect }, _) => write_name(out, lines, *size, rect),
                (AreaLabel::Number { rect, .. }, Some(number)) => write_number(out, number, rect),
                _ => {}
            }
        }
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
    /// Numbers count from 1, in the order of the legend.
    fn numbers(&self) -> Vec<Option<usize>> {
        let mut numbers = vec![None; self.areas.len()];
        let unnamed = self.unnamed().into_iter();
        let numbered =
            unnamed.filter(|&index| matches!(self.labels[index], AreaLabel::Number { .. }));
        for (number, index) in (1..).zip(numbered) {
            numbers[index] = Some(number);
        }
        numbers
    }

    /// Writes the legend and returns the y coordinate of the bottom of the legend.
    fn write_legend(&self, out: &mut String, top: f64) -> f64 {
        let numbers = self.numbers();
        let entries: Vec<(String, String)> = self
            .unnamed()
            .into_iter()
            .take(super::NUMBERS_MAX)
            .map(|index| {
                let area = &self.areas[index];
                let number = numbers[index].map_or("–".to_string(), |number| number.to_string());
                let title = area_title(self.request.layer, &area.name, &area.id);
                (number, title)
            })
            .collect();
        if entries.is_empty() {
            return top;
        }
        out.push_str("<g class=\"legend\">\n");
        let heading = TextBlock::new(
            &self.page,
            "Numbers on the map",
            LEGEND_SIZE,
            FontWeight::Bold,
            top,
        );
        heading.write(out, self.page.margin);
        let bottom = self.write_columns(out, &entries, heading.bottom() + 3.0);
        out.push_str("</g>\n");
        let unlisted = self.unnamed().len() - entries.len();
        if unlisted == 0 {
            return bottom + 6.0;
        }
        let more = format!(
            "And {unlisted} more, listed at /api/v1/areas/{}",
            self.request.layer
        );
        let more = TextBlock::new(&self.page, &more, LEGEND_SIZE, FontWeight::Regular, bottom);
        more.write(out, self.page.margin);
        more.bottom() + 6.0
    }

    /// Writes legend entries in as many columns as fit, column by column, and returns the y
    /// coordinate of the bottom of the columns.
    fn write_columns(&self, out: &mut String, entries: &[(String, String)], top: f64) -> f64 {
        const COLUMN_GAP: f64 = 16.0;
        let content_width = self.page.content_width();
        let number_width = text::width("888", LEGEND_SIZE, FontWeight::Bold);
        let name_width =
            |entry: &(String, String)| text::width(&entry.1, LEGEND_SIZE, FontWeight::Regular);
        let widest = entries.iter().map(name_width).fold(0.0, f64::max);
        let column_width =
            (number_width + 5.0 + widest + COLUMN_GAP).min(content_width + COLUMN_GAP);
        let columns = (1..=8_u32)
            .rev()
            .find(|&count| f64::from(count) * column_width <= content_width + COLUMN_GAP)
            .unwrap_or(1);
        let rows = entries.len().div_ceil(columns as usize);
        // There is half a pixel of slack, so that rounding does not wrap the widest name.
        let name_width_max = column_width - COLUMN_GAP - number_width - 4.5;
        let wrapped: Vec<Vec<String>> = entries
            .iter()
            .map(|entry| {
                text::wrap(
                    &entry.1,
                    LEGEND_SIZE,
                    FontWeight::Regular,
                    name_width_max.max(40.0),
                )
            })
            .collect();
        let mut bottom = top;
        for (column, (column_entries, lines)) in
            (0_u32..).zip(entries.chunks(rows).zip(wrapped.chunks(rows)))
        {
            let x = self.page.margin + f64::from(column) * column_width;
            let mut y = top;
            for ((number, _), lines) in column_entries.iter().zip(lines) {
                let baseline = y + LEGEND_SIZE * ASCENT;
                let end = " text-anchor=\"end\"";
                write_text(
                    out,
                    number,
                    (x + number_width, baseline),
                    LEGEND_SIZE,
                    FontWeight::Bold,
                    end,
                );
                for line in lines {
                    let baseline = y + LEGEND_SIZE * ASCENT;
                    let start = (x + number_width + 5.0, baseline);
                    write_text(out, line, start, LEGEND_SIZE, FontWeight::Regular, "");
                    y += LEGEND_SIZE * LINE_HEIGHT;
                }
                y += 1.5;
            }
            bottom = f64::max(bottom, y);
        }
        bottom
    }

    /// Writes the scale bar and the grid north arrow.
    fn write_scale(&self, out: &mut String, top: f64) {
        let frame = &self.viewport.frame;
        let (metres, label) = scale_bar(frame.width * 0.3 / self.viewport.pixels_per_m);
        let length = metres * self.viewport.pixels_per_m;
        let (x, y) = (frame.x + 0.5, top + 20.0);
        let _ = writeln!(
            out,
            "<path d=\"M{x} {}V{y}H{}V{}\" fill=\"none\" stroke=\"{INK}\" stroke-width=\"1.5\"/>",
            y - 7.0,
            tenth(x + length),
            y - 7.0
        );
        write_text(
            out,
            &label,
            (x + length + 6.0, y),
            LEGEND_SIZE,
            FontWeight::Regular,
            "",
        );
        let x = frame.right() - 8.0;
        let _ = writeln!(out, "<path d=\"M{x} {}l-6 16l6-4l6 4z\"/>", top + 7.0);
        let end = " text-anchor=\"end\"";
        write_text(
            out,
            "Grid north",
            (x - 12.0, y),
            LEGEND_SIZE,
            FontWeight::Regular,
            end,
        );
    }

    /// Returns the text alternative of the map.
    fn description(&self) -> String {
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

fn write_text(
    out: &mut String,
    text: &str,
    (x, y): ImagePoint,
    size: f64,
    weight: FontWeight,
    attributes: &str,
) {
    let bold = match weight {
        FontWeight::Regular => "",
        FontWeight::Bold => " font-weight=\"700\"",
    };
    let (x, y) = (tenth(x), tenth(y));
    let text = escape_xml(text);
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{bold}{attributes}>{text}</text>"
    );
}

fn write_name(out: &mut String, lines: &[String], size: f64, rect: &ImageRect) {
    out.push_str(
        "<g class=\"label\" text-anchor=\"middle\" font-weight=\"700\" stroke=\"#fff\" stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\">\n",
    );
    let x = rect.x + rect.width / 2.0;
    let top = rect.y + (rect.height - lines.len() as f64 * size * LINE_HEIGHT) / 2.0;
    for (index, line) in (0_u32..).zip(lines) {
        let y = top + size * (ASCENT + f64::from(index) * LINE_HEIGHT);
        write_text(out, line, (x, y), size, FontWeight::Regular, "");
    }
    out.push_str("</g>\n");
}

fn write_number(out: &mut String, number: usize, rect: &ImageRect) {
    let [x, y, width, height] = [rect.x, rect.y, rect.width, rect.height].map(tenth);
    let _ = writeln!(
        out,
        "<g class=\"number\" text-anchor=\"middle\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"3\" fill=\"#fff\" stroke=\"{INK}\" stroke-width=\".7\"/>"
    );
    // Digits are 0.72 font sizes high.
    let baseline = rect.y + rect.height / 2.0 + NUMBER_SIZE * 0.36;
    let bottom_centre = (rect.x + rect.width / 2.0, baseline);
    write_text(
        out,
        &number.to_string(),
        bottom_centre,
        NUMBER_SIZE,
        FontWeight::Bold,
        "",
    );
    out.push_str("</g>\n");
}

fn write_leader_line(out: &mut String, rect: &ImageRect, to: ImagePoint) {
    let from = leader_line_start(rect, to);
    let [x1, y1, x, y] = [from.0, from.1, to.0, to.1].map(tenth);
    let path = format!("M{x1} {y1}L{x} {y}");
    let _ = writeln!(
        out,
        "<path d=\"{path}\" stroke=\"#fff\" stroke-width=\"3\"/><path d=\"{path}\" stroke=\"{INK}\"/><circle cx=\"{x}\" cy=\"{y}\" r=\"2\"/>"
    );
}

fn write_point(out: &mut String, area: &ProjectedArea) {
    if let Some((x, y)) = area.point {
        let (x, y) = (tenth(x), tenth(y));
        let _ = writeln!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"2.5\"/>");
    }
}

/// Returns the `d` attribute of an SVG path, with coordinates rounded to hundredths of a pixel.
///
/// Absolute positions are rounded before they are made relative, so areas that share a border have
/// the same vertices. A valid coverage stays valid, because units of tiles are at least a thirtieth
/// of a pixel.
fn path(rings: &[Vec<ImagePoint>]) -> String {
    let mut path = String::new();
    for ring in rings {
        let mut last: Option<(i64, i64)> = None;
        for &(x, y) in ring {
            let vertex = (round_to(x, 100.0), round_to(y, 100.0));
            let _ = match last {
                None => write!(path, "M{} {}", Hundredths(vertex.0), Hundredths(vertex.1)),
                Some(last) if last == vertex => Ok(()),
                Some(last) => write!(
                    path,
                    "l{} {}",
                    Hundredths(vertex.0 - last.0),
                    Hundredths(vertex.1 - last.1)
                ),
            };
            last = Some(vertex);
        }
        path.push('z');
    }
    path
}

/// A number of hundredths, displayed as a decimal without trailing zeros.
struct Hundredths(i64);

impl std::fmt::Display for Hundredths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (self.0.abs() / 100, self.0.abs() % 100);
        match (rest, rest % 10) {
            (0, _) => write!(f, "{sign}{whole}"),
            (rest, 0) => write!(f, "{sign}{whole}.{}", rest / 10),
            (rest, _) => write!(f, "{sign}{whole}.{rest:02}"),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "projected coordinates on the Earth are far below 2^63"
)]
fn round_to(value: f64, parts: f64) -> i64 {
    (value * parts).round() as i64
}

/// Rounds to a tenth.
fn tenth(value: f64) -> Hundredths {
    Hundredths(round_to(value, 10.0) * 10)
}

/// Returns the longest distance up to `metres_max` that is 1, 2 or 5 times a power of ten metres,
/// and its label.
fn scale_bar(metres_max: f64) -> (f64, String) {
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

/// Returns an area's title: its name, and for a practice also its code, because practice names are
/// not unique.
fn area_title(layer: Layer, name: &str, id: &str) -> String {
    match layer {
        Layer::GpPractice => format!("{name} ({id})"),
        _ => name.to_string(),
    }
}

/// Returns the dataset, its date and its attribution.
fn source_text(index: &Index) -> String {
    let manifest = index.manifest();
    format!(
        "Dataset {} {}, of {}. {}",
        manifest.name,
        manifest.version,
        long_date(manifest.as_of),
        manifest.attribution
    )
}

fn long_date(day: Date) -> String {
    day.strftime("%-d %B %Y").to_string()
}
