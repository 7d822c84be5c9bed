//! The areas as an SVG map: no script, no tiles, prints well.

use std::fmt::Write;

use geo::{BoundingRect, Contains, InteriorPoint, Intersects, LineString, Rect};
use jiff::civil::Date;
use maud::{Markup, html};

use crate::domain::{Boundary, BritishGrid, GridPolygon, Layer, LonLat};
use crate::geodesy;
use crate::index::Index;

/// Width and height of the picture's own units; the page scales it.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 640.0;
/// Room around what is looked at, as a part of its size.
const MARGIN: f64 = 0.08;
/// Nothing is looked at from nearer than this, in metres across.
const SPAN_MIN_M: f64 = 6_000.0;

/// What is drawn: communities, and what a system has in their place.
pub(super) const COMMUNITIES: [Layer; 2] = [Layer::Icc, Layer::NeighbourhoodTeam];

/// What a map shows.
pub(super) struct Map<'a> {
    /// The heading for those who do not see it.
    pub(super) title: &'a str,
    /// What is to be seen, in words.
    pub(super) description: &'a str,
    /// The id of the area that is looked at; `None` looks at all.
    pub(super) selected: Option<&'a str>,
    /// The place that was asked about.
    pub(super) mark: Option<BritishGrid>,
}

/// Metres on the grid to units of the picture.
struct View {
    west: f64,
    north: f64,
    units_per_m: f64,
}

/// The map of the communities on a day.
pub(super) fn draw(index: &Index, day: Date, map: &Map<'_>) -> Markup {
    let boundaries: Vec<&Boundary> = COMMUNITIES
        .into_iter()
        .flat_map(|layer| index.boundaries(layer, day))
        .collect();
    let named = |id: &str| {
        COMMUNITIES
            .into_iter()
            .find_map(|layer| index.area(layer, id, day))
    };
    let is_selected = |boundary: &Boundary| map.selected == Some(boundary.id.as_str());
    let looked_at = boundaries
        .iter()
        .filter(|it| map.selected.is_none() || is_selected(it));
    let Some(frame) = frame(looked_at.copied(), map.mark) else {
        return html! {};
    };
    let view = View::of(frame);
    let mut labelled: Vec<(&Boundary, &str)> = boundaries
        .iter()
        .filter_map(|it| Some((*it, named(&it.id)?.name.as_str())))
        .collect();
    // Those that matter most find a place first.
    labelled.sort_by(|(a, _), (b, _)| {
        is_selected(b)
            .cmp(&is_selected(a))
            .then(extent(b).total_cmp(&extent(a)))
    });
    let labels = labels(&view, &labelled, map.mark);
    html! {
        svg.map viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby="map-title map-description" xmlns="http://www.w3.org/2000/svg" {
            title id="map-title" { (map.title) }
            desc id="map-description" { (map.description) }
            rect.sea width=(WIDTH) height=(HEIGHT) {}
            @for boundary in &boundaries {
                path.area.selected[is_selected(boundary)] d=(view.path(&boundary.grid)) fill-rule="evenodd" {}
            }
            @if let Some(mark) = map.mark {
                @let (x, y) = view.at(mark);
                circle.halo cx=(units(x)) cy=(units(y)) r="11" {}
                circle.mark cx=(units(x)) cy=(units(y)) r="7" {}
            }
            @for label in &labels {
                text.label.selected[map.selected == Some(label.id)] x=(units(label.x)) y=(units(label.y)) {
                    @for (at, line) in label.lines.iter().enumerate() {
                        tspan x=(units(label.x)) dy=(if at == 0 { "0" } else { "1.1em" }) { (line) }
                    }
                }
            }
            (view.scale_bar())
        }
    }
}

/// The square of the grid that holds what is looked at, with room around it.
fn frame<'a>(
    boundaries: impl Iterator<Item = &'a Boundary>,
    mark: Option<BritishGrid>,
) -> Option<Rect<f64>> {
    let vertices = boundaries
        .flat_map(|it| &it.grid)
        .flat_map(|polygon| &polygon.rings)
        .flatten();
    let places = vertices
        .copied()
        .chain(mark)
        .map(|it| (it.easting_m(), it.northing_m()));
    let all = LineString::from_iter(places).bounding_rect()?;
    let span = all.width().max(all.height()).max(SPAN_MIN_M) * (1.0 + 2.0 * MARGIN);
    let (x, y) = (all.center().x, all.center().y);
    let half = span / 2.0;
    Some(Rect::new((x - half, y - half), (x + half, y + half)))
}

impl View {
    fn of(frame: Rect<f64>) -> View {
        View {
            west: frame.min().x,
            north: frame.max().y,
            units_per_m: WIDTH / frame.width(),
        }
    }

    fn at(&self, place: BritishGrid) -> (f64, f64) {
        (
            (place.easting_m() - self.west) * self.units_per_m,
            (self.north - place.northing_m()) * self.units_per_m,
        )
    }

    /// The outline, to a tenth of a unit; what is far out of sight is left out.
    fn path(&self, polygons: &[GridPolygon]) -> String {
        let mut path = String::new();
        for ring in polygons.iter().flat_map(|polygon| &polygon.rings) {
            let mut command = 'M';
            let mut last = String::new();
            for &vertex in ring {
                let (x, y) = self.at(vertex);
                let here = format!("{} {}", units(x), units(y));
                if here != last {
                    write!(path, "{command}{here}").expect("writing to a String");
                    command = 'L';
                    last = here;
                }
            }
            path.push('Z');
        }
        path
    }

    /// A place well inside the area.
    fn middle_of(&self, boundary: &Boundary) -> Option<(f64, f64)> {
        let largest = boundary
            .lonlat
            .iter()
            .max_by(|a, b| size(*a).total_cmp(&size(*b)))?;
        let inside = largest.interior_point()?;
        let place = geodesy::to_grid(LonLat::new(inside.x(), inside.y()).ok()?)?;
        Some(self.at(place))
    }

    fn scale_bar(&self) -> Markup {
        let metres = [1_000.0, 2_000.0, 5_000.0, 10_000.0, 20_000.0, 50_000.0]
            .into_iter()
            .find(|metres| metres * self.units_per_m > 60.0)
            .unwrap_or(100_000.0);
        let (length, y) = (metres * self.units_per_m, HEIGHT - 18.0);
        html! {
            path.scale d=(format!("M16 {}V{y}H{}V{}", y - 6.0, units(16.0 + length), y - 6.0)) {}
            text.scale x=(units(22.0 + length)) y=(y) { (metres / 1_000.0) " km" }
        }
    }
}

/// A name on the map: the middle of its first line.
struct Label<'a> {
    id: &'a str,
    lines: Vec<String>,
    x: f64,
    y: f64,
}

/// Where a name may go, from the middle of its area; the best first.
const OFFSETS: [(f64, f64); 9] = [
    (0.0, 0.0),
    (0.0, 14.0),
    (0.0, -14.0),
    (22.0, 0.0),
    (-22.0, 0.0),
    (0.0, 30.0),
    (0.0, -30.0),
    (40.0, 10.0),
    (-40.0, 10.0),
];

/// About the width of a character and the height of a line of 14 units.
const CHARACTER: f64 = 9.4;
const LINE: f64 = 15.4;

/// The names that find a place where they hide neither each other nor the mark, in the order given.
fn labels<'a>(
    view: &View,
    areas: &[(&'a Boundary, &str)],
    mark: Option<BritishGrid>,
) -> Vec<Label<'a>> {
    let sheet = Rect::new((4.0, 4.0), (WIDTH - 4.0, HEIGHT - 34.0));
    let mut taken: Vec<Rect<f64>> = Vec::new();
    if let Some((x, y)) = mark.map(|mark| view.at(mark)) {
        taken.push(Rect::new((x - 13.0, y - 13.0), (x + 13.0, y + 13.0)));
    }
    let mut labels = Vec::new();
    for (boundary, name) in areas {
        let Some((x, y)) = view.middle_of(boundary) else {
            continue;
        };
        let lines = lines_of(name);
        let places = OFFSETS.iter().map(|(dx, dy)| (x + dx, y + dy));
        let free = places
            .map(|(x, y)| (x, y, outline(&lines, x, y)))
            .find(|(_, _, outline)| {
                sheet.contains(outline) && !taken.iter().any(|other| other.intersects(outline))
            });
        if let Some((x, y, outline)) = free {
            taken.push(outline);
            labels.push(Label {
                id: &boundary.id,
                lines,
                x,
                y,
            });
        }
    }
    labels
}

fn outline(lines: &[String], x: f64, y: f64) -> Rect<f64> {
    let longest = lines
        .iter()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let (width, height) = (longest as f64 * CHARACTER, lines.len() as f64 * LINE);
    Rect::new(
        (x - width / 2.0, y - LINE * 0.8),
        (x + width / 2.0, y - LINE * 0.8 + height),
    )
}

/// A name of several words on lines of their own, so that it stays near its place.
fn lines_of(name: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in name.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < 12 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

fn size(ground: &impl BoundingRect<f64, Output: Into<Option<Rect<f64>>>>) -> f64 {
    let rect: Option<Rect<f64>> = ground.bounding_rect().into();
    rect.map_or(0.0, |rect| rect.width() * rect.height())
}

fn extent(boundary: &Boundary) -> f64 {
    size(&boundary.lonlat)
}

fn units(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
