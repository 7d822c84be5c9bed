//! Writes a map as SVG: the areas, their labels, and the text around the map ([`super::layout`]).

use std::collections::BTreeSet;
use std::fmt::Write;

use super::labels::{AreaLabel, NUMBER_SIZE, leader_line_start};
use super::layout::{
    ASCENT, KEY_SWATCH, KeyEntry, LEGEND_SIZE, MapLegend, MapScene, TextBlock, scale_bar,
};
use super::raster::{ImagePoint, ImageRect};
use super::styles::{BACKGROUND, FILLS, INK, LAND, SURROUNDINGS, assign_fills};
use super::text::{FONT_FAMILIES, FontWeight, LINE_HEIGHT, escape_xml};
use super::{MapImage, ProjectedArea};

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
                "<use href=\"#map-area-{index}\" fill=\"none\" stroke=\"{INK}\" stroke-width=\"2\"/>"
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

/// Writes what the colours of the background mean.
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
    if let Some(more) = &legend.more {
        write_block(out, more, margin);
    }
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
