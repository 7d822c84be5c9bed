//! The picture as SVG: heading, map, scale and north, legend, and where the data come from.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::civil::Date;

use super::labels::{Mark, NUMBER_SIZE, lead_from};
use super::raster::{Place, Rect};
use super::styles::{AROUND, INK, LAND, PAPER, STYLES, chosen};
use super::text::{self, FAMILIES, LEADING, Weight, escaped};
use super::{Drawn, Picture, View, Wanted};
use crate::domain::Layer;
use crate::index::{Index, Shown};

/// Sizes of text.
const SUBTITLE: f64 = 12.5;
const LEGEND: f64 = 12.0;
const SMALL: f64 = 10.0;
/// From the top of a line to its base, in font sizes.
const ASCENT: f64 = 0.92;
/// The strip under the map for the scale bar and the arrow.
const STRIP: f64 = 34.0;
/// How wide the mark of a place is, its halo included.
pub(super) const MARK_SIZE: f64 = 22.0;
/// At most so many names in the description.
const NAMED_MAX: usize = 60;

/// The sheet that everything stands on.
pub(super) struct Sheet {
    pub(super) width: f64,
    pub(super) margin: f64,
}

impl Sheet {
    pub(super) fn new(width: f64) -> Sheet {
        let margin = if width < 480.0 { 10.0 } else { 16.0 };
        Sheet { width, margin }
    }

    /// The width between the margins.
    pub(super) fn inner(&self) -> f64 {
        self.width - 2.0 * self.margin
    }
}

/// Lines of one size, from a place down.
struct Block {
    lines: Vec<String>,
    size: f64,
    weight: Weight,
    top: f64,
}

impl Block {
    fn new(sheet: &Sheet, text: &str, size: f64, weight: Weight, top: f64) -> Block {
        Block {
            lines: text::wrapped(text, size, weight, sheet.inner()),
            size,
            weight,
            top,
        }
    }

    fn bottom(&self) -> f64 {
        self.top + self.lines.len() as f64 * self.size * LEADING
    }

    fn write(&self, out: &mut String, x: f64) {
        for (at, line) in (0_u32..).zip(&self.lines) {
            let y = self.top + self.size * (ASCENT + f64::from(at) * LEADING);
            write_text(out, line, (x, y), self.size, self.weight, "");
        }
    }
}

/// What stands above the map.
pub(super) struct Head {
    title: String,
    /// What kind of areas these are.
    kind: String,
    blocks: [Block; 2],
    pub(super) bottom: f64,
}

impl Head {
    pub(super) fn new(sheet: &Sheet, index: &Index, wanted: &Wanted, shown: &[Shown<'_>]) -> Head {
        let kind = layer_title(index, wanted.layer);
        let of_area = shown
            .iter()
            .find(|it| Some(&it.boundary.id) == wanted.area.as_ref());
        let (title, kind_too) = match of_area {
            Some(area) => (
                labelled(wanted.layer, &area.title, &area.boundary.id),
                format!("{kind} · "),
            ),
            None => (kind.clone(), String::new()),
        };
        let provenances: BTreeSet<&str> = match of_area {
            Some(area) => BTreeSet::from([area.provenance.as_str()]),
            None => shown.iter().map(|it| it.provenance.as_str()).collect(),
        };
        let provenances: Vec<&str> = provenances.into_iter().collect();
        let subtitle = format!(
            "{kind_too}{} · boundaries: {}",
            long_date(wanted.day),
            provenances.join(", ")
        );
        let size = if sheet.width < 480.0 { 17.0 } else { 21.0 };
        let first = Block::new(sheet, &title, size, Weight::Bold, sheet.margin);
        let second = Block::new(
            sheet,
            &subtitle,
            SUBTITLE,
            Weight::Regular,
            first.bottom() + 2.0,
        );
        Head {
            title,
            kind,
            bottom: (second.bottom() + 8.0).round(),
            blocks: [first, second],
        }
    }
}

/// Everything that is on the picture.
pub(super) struct Scene<'a> {
    pub(super) index: &'a Index,
    pub(super) wanted: &'a Wanted,
    pub(super) sheet: Sheet,
    pub(super) head: Head,
    pub(super) view: &'a View,
    pub(super) land: &'a [Drawn],
    pub(super) drawn: &'a [Drawn],
    pub(super) marks: &'a [Mark],
    /// The place that was asked about.
    pub(super) mark: Option<Place>,
    pub(super) is_partition: bool,
}

pub(super) fn write(scene: &Scene<'_>) -> Picture {
    let sheet = &scene.sheet;
    let mut body = String::new();
    for block in &scene.head.blocks {
        block.write(&mut body, sheet.margin);
    }
    scene.write_map(&mut body);
    let mut y = scene.view.frame.bottom();
    scene.write_scale(&mut body, y);
    y = scene.write_legend(&mut body, y + STRIP);
    let source = Block::new(sheet, &source(scene.index), SMALL, Weight::Regular, y + 4.0);
    source.write(&mut body, sheet.margin);
    let height = (source.bottom() + sheet.margin).ceil();
    let description = scene.description();
    let title = format!("Map: {}", scene.head.title);
    let width = sheet.width;
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-labelledby=\"map-title map-description\" lang=\"en-GB\" font-family=\"{FAMILIES}\" fill=\"{INK}\">\n\
         <title id=\"map-title\">{}</title>\n<desc id=\"map-description\">{}</desc>\n{}\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{body}</svg>\n",
        escaped(&title),
        escaped(&description),
        scene.definitions(),
    );
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and few thousands"
    )]
    let height = height as u32;
    Picture {
        svg,
        width: scene.wanted.width,
        height,
        title,
        description,
    }
}

impl Scene<'_> {
    fn is_selected(&self, area: &Drawn) -> bool {
        self.wanted.area.as_deref() == Some(area.id.as_str())
    }

    /// Whether the area has a pattern of its own: where all are looked at, or it is.
    fn is_patterned(&self, area: &Drawn) -> bool {
        match self.wanted.area {
            Some(_) => self.is_selected(area),
            None => self.is_partition,
        }
    }

    /// The frame, the shapes, and the patterns that are used.
    fn definitions(&self) -> String {
        let Rect {
            x,
            y,
            width,
            height,
        } = self.view.frame;
        let mut out = format!(
            "<defs>\n<clipPath id=\"map-frame\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/></clipPath>\n"
        );
        let used: BTreeSet<usize> = self
            .drawn
            .iter()
            .zip(self.styles())
            .filter(|(area, _)| self.is_patterned(area))
            .map(|(_, style)| style)
            .collect();
        for at in used {
            let style = &STYLES[at];
            let side = style.side;
            writeln!(
                out,
                "<pattern id=\"map-pattern-{at}\" width=\"{side}\" height=\"{side}\" patternUnits=\"userSpaceOnUse\">\
                 <path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.2\"/></pattern>",
                style.path, style.shade
            )
            .expect("writing to a String");
        }
        for (at, area) in self.drawn.iter().enumerate() {
            let path = path(&area.rings);
            writeln!(out, "<path id=\"map-area-{at}\" d=\"{path}\"/>").expect("as above");
        }
        out.push_str("</defs>\n");
        out
    }

    fn styles(&self) -> Vec<usize> {
        match self.wanted.area {
            Some(_) => vec![0; self.drawn.len()],
            None => chosen(self.drawn),
        }
    }

    fn write_map(&self, out: &mut String) {
        let Rect {
            x,
            y,
            width,
            height,
        } = self.view.frame;
        let rect = format!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"");
        out.push_str(
            "<g clip-path=\"url(#map-frame)\" stroke-linejoin=\"round\" fill-rule=\"evenodd\">\n",
        );
        let _ = writeln!(out, "{rect} fill=\"{PAPER}\"/>");
        for area in self.land {
            let path = path(&area.rings);
            let _ = writeln!(out, "<path d=\"{path}\" fill=\"{LAND}\"/>");
        }
        self.write_areas(out);
        out.push_str("</g>\n");
        self.write_marks(out);
        if let Some((x, y)) = self.mark {
            let (x, y) = (tenth(x), tenth(y));
            let _ = writeln!(
                out,
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"11\" fill=\"#fff\"/><circle cx=\"{x}\" cy=\"{y}\" r=\"8\" fill=\"#d5281b\"/>\
                 <circle cx=\"{x}\" cy=\"{y}\" r=\"2.5\" fill=\"#fff\"/>"
            );
        }
        let _ = writeln!(out, "{rect} fill=\"none\" stroke=\"{INK}\"/>");
    }

    fn write_areas(&self, out: &mut String) {
        let styles = self.styles();
        let areas = || self.drawn.iter().zip(&styles).enumerate();
        // What is looked at lies over what it overlaps.
        let around = areas().filter(|(_, (area, _))| !self.is_selected(area));
        let looked_at = areas().filter(|(_, (area, _))| self.is_selected(area));
        for (at, (area, &style)) in around.chain(looked_at) {
            let is_patterned = self.is_patterned(area);
            let (fill, opacity) = match (is_patterned, self.is_partition) {
                (true, _) => (STYLES[style].tint, ""),
                (false, true) => (AROUND, ""),
                // Those below are to be seen.
                (false, false) => (STYLES[style].tint, " fill-opacity=\".25\""),
            };
            let _ = writeln!(
                out,
                "<use href=\"#map-area-{at}\" fill=\"{fill}\"{opacity}/>"
            );
            if is_patterned {
                let _ = writeln!(
                    out,
                    "<use href=\"#map-area-{at}\" fill=\"url(#map-pattern-{style})\"/>"
                );
            }
        }
        // Borders over all grounds, the one that is looked at last.
        let dash = if self.is_partition {
            ""
        } else {
            " stroke-dasharray=\"5 2\""
        };
        for (at, (area, _)) in areas().filter(|(_, (area, _))| !self.is_selected(area)) {
            let _ = writeln!(
                out,
                "<use href=\"#map-area-{at}\" fill=\"none\" stroke=\"{INK}\"{dash}/>"
            );
            write_point(out, area);
        }
        for (at, (area, _)) in areas().filter(|(_, (area, _))| self.is_selected(area)) {
            let _ = writeln!(
                out,
                "<use href=\"#map-area-{at}\" fill=\"none\" stroke=\"{INK}\" stroke-width=\"3\"/>"
            );
            write_point(out, area);
        }
    }

    fn write_marks(&self, out: &mut String) {
        for mark in self.marks {
            if let Mark::Number {
                rect,
                leads_to: Some(to),
            } = mark
            {
                write_lead(out, rect, *to);
            }
        }
        for (mark, number) in self.marks.iter().zip(self.numbers()) {
            match (mark, number) {
                (Mark::Name { lines, size, rect }, _) => write_name(out, lines, *size, rect),
                (Mark::Number { rect, .. }, Some(number)) => write_number(out, number, rect),
                _ => {}
            }
        }
    }

    /// Areas without a name on the map, in order of name.
    fn unnamed(&self) -> Vec<usize> {
        let is_named = |at: &usize| matches!(self.marks[*at], Mark::Name { .. });
        let mut unnamed: Vec<usize> = (0..self.drawn.len()).filter(|at| !is_named(at)).collect();
        unnamed.sort_by(|&a, &b| {
            let (a, b) = (&self.drawn[a], &self.drawn[b]);
            (&a.name, &a.id).cmp(&(&b.name, &b.id))
        });
        unnamed
    }

    /// The number of each area that has one: in the order of the legend, from 1.
    fn numbers(&self) -> Vec<Option<usize>> {
        let mut numbers = vec![None; self.drawn.len()];
        let unnamed = self.unnamed().into_iter();
        let with_number = unnamed.filter(|&at| matches!(self.marks[at], Mark::Number { .. }));
        for (number, at) in (1..).zip(with_number) {
            numbers[at] = Some(number);
        }
        numbers
    }

    /// Returns where it ends.
    fn write_legend(&self, out: &mut String, top: f64) -> f64 {
        let numbers = self.numbers();
        let entries: Vec<(String, String)> = self
            .unnamed()
            .into_iter()
            .take(super::NUMBERS_MAX)
            .map(|at| {
                let area = &self.drawn[at];
                let number = numbers[at].map_or("–".to_string(), |number| number.to_string());
                (number, labelled(self.wanted.layer, &area.name, &area.id))
            })
            .collect();
        if entries.is_empty() {
            return top;
        }
        out.push_str("<g class=\"legend\">\n");
        let heading = Block::new(&self.sheet, "Numbers on the map", LEGEND, Weight::Bold, top);
        heading.write(out, self.sheet.margin);
        let bottom = self.write_columns(out, &entries, heading.bottom() + 3.0);
        out.push_str("</g>\n");
        let left_out = self.unnamed().len() - entries.len();
        if left_out == 0 {
            return bottom + 6.0;
        }
        let more = format!(
            "And {left_out} more; /api/v1/areas/{} lists them.",
            self.wanted.layer
        );
        let more = Block::new(&self.sheet, &more, LEGEND, Weight::Regular, bottom);
        more.write(out, self.sheet.margin);
        more.bottom() + 6.0
    }

    /// In as many columns as there is room for, down one after the other.
    fn write_columns(&self, out: &mut String, entries: &[(String, String)], top: f64) -> f64 {
        const BETWEEN: f64 = 16.0;
        let inner = self.sheet.inner();
        let number_width = text::width("888", LEGEND, Weight::Bold);
        let name_width = |entry: &(String, String)| text::width(&entry.1, LEGEND, Weight::Regular);
        let widest = entries.iter().map(name_width).fold(0.0, f64::max);
        let column = (number_width + 5.0 + widest + BETWEEN).min(inner + BETWEEN);
        let columns = (1..=8_u32)
            .rev()
            .find(|&count| f64::from(count) * column <= inner + BETWEEN)
            .unwrap_or(1);
        let rows = entries.len().div_ceil(columns as usize);
        // The widest may wrap by a rounding.
        let room = column - BETWEEN - number_width - 4.5;
        let wrapped: Vec<Vec<String>> = entries
            .iter()
            .map(|entry| text::wrapped(&entry.1, LEGEND, Weight::Regular, room.max(40.0)))
            .collect();
        let mut bottom = top;
        for (at, (column_of_entries, lines)) in
            (0_u32..).zip(entries.chunks(rows).zip(wrapped.chunks(rows)))
        {
            let x = self.sheet.margin + f64::from(at) * column;
            let mut y = top;
            for ((number, _), lines) in column_of_entries.iter().zip(lines) {
                let base = y + LEGEND * ASCENT;
                let end = " text-anchor=\"end\"";
                write_text(
                    out,
                    number,
                    (x + number_width, base),
                    LEGEND,
                    Weight::Bold,
                    end,
                );
                for line in lines {
                    let base = y + LEGEND * ASCENT;
                    let start = x + number_width + 5.0;
                    write_text(out, line, (start, base), LEGEND, Weight::Regular, "");
                    y += LEGEND * LEADING;
                }
                y += 1.5;
            }
            bottom = f64::max(bottom, y);
        }
        bottom
    }

    /// The scale bar, and the arrow to grid north.
    fn write_scale(&self, out: &mut String, top: f64) {
        let frame = &self.view.frame;
        let (metres, told) = bar(frame.width * 0.3 / self.view.units_per_m);
        let length = metres * self.view.units_per_m;
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
            &told,
            (x + length + 6.0, y),
            LEGEND,
            Weight::Regular,
            "",
        );
        let x = frame.right() - 8.0;
        let _ = writeln!(out, "<path d=\"M{x} {}l-6 16l6-4l6 4z\"/>", top + 7.0);
        let end = " text-anchor=\"end\"";
        write_text(
            out,
            "Grid north",
            (x - 12.0, y),
            LEGEND,
            Weight::Regular,
            end,
        );
    }

    fn description(&self) -> String {
        let day = long_date(self.wanted.day);
        let selected = self.drawn.iter().find(|area| self.is_selected(area));
        let others = self.drawn.iter().filter(|area| !self.is_selected(area));
        let mut names: Vec<&str> = others.map(|area| area.name.as_str()).collect();
        names.sort_unstable();
        let count = names.len();
        let left_out = count.saturating_sub(NAMED_MAX);
        names.truncate(NAMED_MAX);
        let mut list = names.join(", ");
        if left_out > 0 {
            let _ = write!(list, " and {left_out} more");
        }
        let kind = &self.head.kind;
        let told = match selected {
            Some(area) if count == 0 => format!("{} ({kind}) on {day}, alone.", area.name),
            Some(area) => format!(
                "{} ({kind}) on {day}, in bold outline, and {count} around it: {list}.",
                area.name
            ),
            None => format!("{kind} on {day}, {count} of them: {list}."),
        };
        match self.mark {
            Some(_) => format!("{told} The place that was asked about is marked."),
            None => told,
        }
    }
}

fn write_text(
    out: &mut String,
    text: &str,
    (x, y): Place,
    size: f64,
    weight: Weight,
    attributes: &str,
) {
    let bold = match weight {
        Weight::Regular => "",
        Weight::Bold => " font-weight=\"700\"",
    };
    let (x, y) = (tenth(x), tenth(y));
    let text = escaped(text);
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{bold}{attributes}>{text}</text>"
    );
}

fn write_name(out: &mut String, lines: &[String], size: f64, rect: &Rect) {
    out.push_str(
        "<g class=\"label\" text-anchor=\"middle\" font-weight=\"700\" stroke=\"#fff\" stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\">\n",
    );
    let x = rect.x + rect.width / 2.0;
    let top = rect.y + (rect.height - lines.len() as f64 * size * LEADING) / 2.0;
    for (at, line) in (0_u32..).zip(lines) {
        let y = top + size * (ASCENT + f64::from(at) * LEADING);
        write_text(out, line, (x, y), size, Weight::Regular, "");
    }
    out.push_str("</g>\n");
}

fn write_number(out: &mut String, number: usize, rect: &Rect) {
    let [x, y, width, height] = [rect.x, rect.y, rect.width, rect.height].map(tenth);
    let _ = writeln!(
        out,
        "<g class=\"number\" text-anchor=\"middle\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"3\" fill=\"#fff\" stroke=\"{INK}\" stroke-width=\".7\"/>"
    );
    // Digits are 0.72 of the size high.
    let base = rect.y + rect.height / 2.0 + NUMBER_SIZE * 0.36;
    let place = (rect.x + rect.width / 2.0, base);
    write_text(
        out,
        &number.to_string(),
        place,
        NUMBER_SIZE,
        Weight::Bold,
        "",
    );
    out.push_str("</g>\n");
}

fn write_lead(out: &mut String, rect: &Rect, to: Place) {
    let from = lead_from(rect, to);
    let [x1, y1, x, y] = [from.0, from.1, to.0, to.1].map(tenth);
    let path = format!("M{x1} {y1}L{x} {y}");
    let _ = writeln!(
        out,
        "<path d=\"{path}\" stroke=\"#fff\" stroke-width=\"3\"/><path d=\"{path}\" stroke=\"{INK}\"/><circle cx=\"{x}\" cy=\"{y}\" r=\"2\"/>"
    );
}

fn write_point(out: &mut String, area: &Drawn) {
    if let Some((x, y)) = area.point {
        let (x, y) = (tenth(x), tenth(y));
        let _ = writeln!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"2.5\"/>");
    }
}

/// Rings to a hundredth of a unit, so that those who share a border have the same numbers, and what is a valid
/// coverage stays one: the tiles' units are a thirtieth of ours and more.
fn path(rings: &[Vec<Place>]) -> String {
    let mut path = String::new();
    for ring in rings {
        let mut last: Option<(i64, i64)> = None;
        for &(x, y) in ring {
            let here = (rounded(x, 100.0), rounded(y, 100.0));
            let _ = match last {
                None => write!(path, "M{} {}", Hundredths(here.0), Hundredths(here.1)),
                Some(last) if last == here => Ok(()),
                Some(last) => write!(
                    path,
                    "l{} {}",
                    Hundredths(here.0 - last.0),
                    Hundredths(here.1 - last.1)
                ),
            };
            last = Some(here);
        }
        path.push('z');
    }
    path
}

/// Printed as a decimal without needless zeros.
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
    reason = "shapes end at the ends of the Earth"
)]
fn rounded(value: f64, parts: f64) -> i64 {
    (value * parts).round() as i64
}

fn tenth(value: f64) -> Hundredths {
    Hundredths(rounded(value, 10.0) * 10)
}

/// The longest round distance of at most so many metres, and how it is told.
fn bar(metres_max: f64) -> (f64, String) {
    let rounds = (0_i32..7).flat_map(|power| [1.0, 2.0, 5.0].map(|it| it * 10_f64.powi(power)));
    let metres = rounds
        .take_while(|&metres| metres <= metres_max)
        .last()
        .unwrap_or(1.0);
    let told = match metres < 1_000.0 {
        true => format!("{metres} m"),
        false => format!("{} km", metres / 1_000.0),
    };
    (metres, told)
}

fn layer_title(index: &Index, layer: Layer) -> String {
    let mut entries = index.manifest().layers.iter();
    let entry = entries.find(|entry| entry.id == layer.as_str());
    entry.map_or_else(|| layer.to_string(), |entry| entry.title.clone())
}

/// A practice with its code: names repeat.
fn labelled(layer: Layer, name: &str, id: &str) -> String {
    match layer {
        Layer::GpPractice => format!("{name} ({id})"),
        _ => name.to_string(),
    }
}

fn source(index: &Index) -> String {
    let manifest = index.manifest();
    format!(
        "Dataset {} {}, of {}. {}",
        manifest.name,
        manifest.version,
        long_date_of(&manifest.as_of),
        manifest.attribution
    )
}

/// As it stands in the manifest where it is no date.
fn long_date_of(iso: &str) -> String {
    iso.parse().map_or_else(|_| iso.to_string(), long_date)
}

fn long_date(day: Date) -> String {
    day.strftime("%-d %B %Y").to_string()
}
