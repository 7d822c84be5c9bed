//! Writes a map as SVG: the areas, their labels, and the text around the map ([`super::layout`]).

use std::collections::BTreeSet;
use std::fmt::Write;

use super::coast::{CoastFinder, CoastMap, LayerEdges};
use super::labels::{AreaLabel, NUMBER_SIZE, leader_line_start};
use super::layout::{
    ASCENT, KEY_SWATCH, KeyEntry, LEGEND_SIZE, MapLegend, MapScene, TextBlock, scale_bar,
};
use super::raster::{ImagePoint, ImageRect, hundredths};
use super::styles::{COAST, FILLS, INK, LAND, OTHER_LAND, SEA, SURROUNDINGS, TOWN, assign_fills};
use super::text::{FONT_FAMILIES, FontWeight, LINE_HEIGHT, escape_xml};
use super::towns::{DOT_RADIUS, TOWN_SIZE, TownLabel};
use super::{MapImage, ProjectedArea};

/// The width of the line of the coast, in CSS pixels.
const COAST_WIDTH: f64 = 0.7;
/// The distance in metres by which the coast of a dataset may differ from the coast of the map.
const COAST_TOLERANCE_M: f64 = 1_000.0;
/// The maximum width in metres of a gap between areas that is treated as an inlet or the mouth of a
/// river. This value is also the maximum distance of such a gap from the coast.
const INLET_MAX_M: f64 = 600.0;
const INLET_REACH_M: f64 = 6_000.0;

/// Writes a map, from top to bottom.
pub(super) fn write(scene: &MapScene<'_>) -> MapImage {
    let page = &scene.page;
    let legend = scene.legend();
    let source = scene.source(&legend);
    let mut body = String::new();
    for block in &scene.heading.blocks {
        write_block(&mut body, block, page.margin);
    }
    scene.write_map(&mut body);
    scene.write_scale(&mut body, scene.viewport.frame.bottom());
    write_key(&mut body, &scene.key());
    write_legend(&mut body, &legend, page.margin);
    write_block(&mut body, &source, page.margin);
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
    /// Returns the `<defs>`: the clip path of the frame, the patterns in use, and the paths of the
    /// areas.
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
            None if self.are_distinct() => (0..self.areas.len()).collect(),
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
        let _ = writeln!(out, "{rect} fill=\"{SEA}\"/>");
        let great_britain = path(self.great_britain);
        let _ = writeln!(
            out,
            "<path d=\"{great_britain}\" fill=\"{OTHER_LAND}\" stroke=\"{COAST}\" stroke-width=\"{COAST_WIDTH}\"/>"
        );
        let coast_map = self.coast_map();
        let coast = CoastFinder::new(&coast_map, &self.viewport.frame);
        self.write_land(out, &coast, &coast_map);
        self.write_areas(out, &coast);
        out.push_str("</g>\n");
        self.write_towns(out);
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

    /// Returns the areas that show where the dataset has land: the areas of the layer of land, if
    /// there is such a layer.
    fn covered(&self) -> &[ProjectedArea] {
        match self.land.is_empty() {
            true => self.areas,
            false => self.land,
        }
    }

    fn coast_map(&self) -> CoastMap<'_> {
        CoastMap {
            land: self.great_britain,
            covered: self.covered().iter().map(|area| &area.mask).collect(),
            tolerance: COAST_TOLERANCE_M * self.viewport.pixels_per_m,
            inlet_max: INLET_MAX_M * self.viewport.pixels_per_m,
            inlet_reach: INLET_REACH_M * self.viewport.pixels_per_m,
        }
    }

    /// Writes the land within the dataset. Along the coast of that land, land of Great Britain that
    /// the dataset does not contain is covered with sea, because it is the same land, drawn less
    /// accurately.
    fn write_land(&self, out: &mut String, coast: &CoastFinder<'_>, coast_map: &CoastMap<'_>) {
        let rings = || self.covered().iter().flat_map(|area| &area.rings);
        let lines = LayerEdges::new(rings()).outlines(rings(), coast);
        for (lines, width) in [
            (&lines.coast, 2.0 * coast_map.tolerance),
            (&lines.inlets, coast_map.inlet_max),
        ] {
            let width = tenth(width);
            let attributes = format!("stroke=\"{SEA}\" stroke-width=\"{width}\"");
            write_lines(out, lines, &attributes);
        }
        for area in self.land {
            let path = path(&area.rings);
            let _ = writeln!(out, "<path d=\"{path}\" fill=\"{LAND}\"/>");
        }
    }

    /// Writes the fills and then the outlines of the areas. The selected area is last.
    fn write_areas(&self, out: &mut String, coast: &CoastFinder<'_>) {
        let fills = self.fills();
        let areas = || self.areas.iter().zip(&fills).enumerate();
        let others = areas().filter(|(_, (area, _))| !self.is_selected(area));
        let selected = areas().filter(|(_, (area, _))| self.is_selected(area));
        for (index, (area, &fill)) in others.chain(selected) {
            let is_patterned = self.is_patterned(area);
            // Fills are translucent if other areas must be visible through them.
            let (colour, opacity) = match (is_patterned, self.is_partition) {
                (true, false) if self.are_distinct() => (FILLS[fill].tint, " fill-opacity=\".5\""),
                (true, _) => (FILLS[fill].tint, ""),
                (false, true) => (SURROUNDINGS, ""),
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
        let border = format!("stroke=\"{INK}\"{dash}");
        let coast_line = format!("stroke=\"{COAST}\" stroke-width=\"{COAST_WIDTH}\"");
        let edges = LayerEdges::new(self.areas.iter().flat_map(|area| &area.rings));
        self.write_outlines(out, (&edges, coast), false, (&coast_line, &border));
        let border = format!("stroke=\"{INK}\" stroke-width=\"2\"");
        let coast_line = format!("stroke=\"{INK}\" stroke-width=\"{COAST_WIDTH}\"");
        self.write_outlines(out, (&edges, coast), true, (&coast_line, &border));
    }

    /// Writes the outlines of the selected area or of the other areas: first the coast, then the
    /// borders, each with its attributes.
    fn write_outlines(
        &self,
        out: &mut String,
        (edges, coast): (&LayerEdges, &CoastFinder<'_>),
        is_selected: bool,
        (coast_line, border): (&str, &str),
    ) {
        let areas = self.areas.iter();
        let drawn = areas.filter(|area| self.is_selected(area) == is_selected);
        let rings = drawn.clone().flat_map(|area| &area.rings);
        let lines = edges.outlines(rings, coast);
        write_lines(out, &lines.coast, coast_line);
        write_lines(out, &lines.inlets, coast_line);
        write_lines(out, &lines.borders, border);
        for area in drawn {
            write_point(out, area);
        }
    }

    fn write_towns(&self, out: &mut String) {
        if self.towns.is_empty() {
            return;
        }
        let _ = writeln!(
            out,
            "<g class=\"towns\" fill=\"{TOWN}\" stroke=\"#fff\" stroke-width=\"2.5\" stroke-linejoin=\"round\" paint-order=\"stroke\">"
        );
        for TownLabel { name, dot, rect } in self.towns {
            let (x, y) = (tenth(dot.0), tenth(dot.1));
            let _ = writeln!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{DOT_RADIUS}\"/>");
            let start = (rect.x, rect.y + TOWN_SIZE * ASCENT);
            write_text(out, name, start, TOWN_SIZE, FontWeight::Regular, "");
        }
        out.push_str("</g>\n");
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
}

/// Writes lines as one path. If the list is empty, writes nothing.
fn write_lines(out: &mut String, lines: &[Vec<ImagePoint>], attributes: &str) {
    if lines.is_empty() {
        return;
    }
    let data = lines.iter().map(|line| open_path(line)).collect::<String>();
    let _ = writeln!(
        out,
        "<path class=\"line\" d=\"{data}\" fill=\"none\" {attributes}/>"
    );
}

/// Writes the key that explains the colours of the background.
fn write_key(out: &mut String, key: &[KeyEntry]) {
    for entry in key {
        let [x, y] = [entry.corner.0, entry.corner.1].map(tenth);
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{KEY_SWATCH}\" height=\"{KEY_SWATCH}\" fill=\"{}\" stroke=\"{INK}\" stroke-width=\".7\"/>",
            entry.colour
        );
        let start = (entry.corner.0 + KEY_SWATCH + 5.0, entry.corner.1 + 10.0);
        write_text(out, entry.text, start, LEGEND_SIZE, FontWeight::Regular, "");
    }
}

fn write_legend(out: &mut String, legend: &MapLegend, margin: f64) {
    for note in &legend.notes {
        write_block(out, note, margin);
    }
    let Some(heading) = &legend.heading else {
        return;
    };
    out.push_str("<g class=\"legend\">\n");
    write_block(out, heading, margin);
    for entry in &legend.entries {
        let end = " text-anchor=\"end\"";
        write_text(
            out,
            &entry.number,
            entry.number_end,
            LEGEND_SIZE,
            FontWeight::Bold,
            end,
        );
        for (start, line) in &entry.lines {
            write_text(out, line, *start, LEGEND_SIZE, FontWeight::Regular, "");
        }
    }
    out.push_str("</g>\n");
}

fn write_block(out: &mut String, block: &TextBlock, x: f64) {
    for (index, line) in (0_u32..).zip(&block.lines) {
        let start = (x, block.baseline(index));
        write_text(out, line, start, block.size, block.weight, "");
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
    // The height of digits is 0.72 times the font size.
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
/// Absolute positions are rounded before they are converted to relative positions, so areas that
/// share a border have the same vertices. A valid coverage remains valid, because a unit of a tile
/// is at least a thirtieth of a pixel.
fn path(rings: &[Vec<ImagePoint>]) -> String {
    rings.iter().map(|ring| open_path(ring) + "z").collect()
}

/// Returns the path commands for a line through points.
fn open_path(points: &[ImagePoint]) -> String {
    let mut path = String::new();
    let mut last: Option<(i64, i64)> = None;
    for &(x, y) in points {
        let vertex = (hundredths(x), hundredths(y));
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

/// Rounds to a tenth.
fn tenth(value: f64) -> Hundredths {
    Hundredths(hundredths(value / 10.0) * 10)
}
