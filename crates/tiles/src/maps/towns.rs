//! Places the names of towns where the labels of areas leave room.

use super::labels::AreaLabel;
use super::raster::{ImagePoint, ImageRect, distance};
use super::text::{self, FontWeight, LINE_HEIGHT};

/// The font size of the names of towns.
pub(super) const TOWN_SIZE: f64 = 10.0;
/// The radius of the dot of a town.
pub(super) const DOT_RADIUS: f64 = 1.8;
/// The space between a dot and its name, and between names.
const DOT_GAP: f64 = 2.5;
const GAP: f64 = 2.0;
/// The area of the map per town in square CSS pixels, and the maximum number of towns.
const ROOM_PER_TOWN: f64 = 25_000.0;
/// The minimum distance of a town from a larger town, in CSS pixels. A nearer town is part of the
/// larger town, or is not needed.
const DISTANCE_MIN: f64 = 28.0;
const TOWNS_MAX: usize = 40;

/// The dot and the name of a town.
#[derive(Debug)]
pub(super) struct TownLabel {
    pub(super) name: &'static str,
    pub(super) dot: ImagePoint,
    /// The box of the name.
    pub(super) rect: ImageRect,
}

/// Places as many towns as fit. `towns` are in order of importance.
pub(super) fn place_towns(
    frame: &ImageRect,
    towns: impl Iterator<Item = (&'static str, ImagePoint)>,
    labels: &[AreaLabel],
    reserved: Option<ImageRect>,
) -> Vec<TownLabel> {
    let mut taken: Vec<ImageRect> = labels.iter().filter_map(AreaLabel::rect).collect();
    taken.extend(reserved);
    let area_names: Vec<String> = labels.iter().filter_map(AreaLabel::name).collect();
    let mut placed = Vec::new();
    let mut dots: Vec<ImagePoint> = Vec::new();
    for (name, dot) in towns {
        if placed.len() >= towns_max(frame) {
            break;
        }
        if dots
            .iter()
            .any(|larger| distance(*larger, dot) < DISTANCE_MIN)
        {
            continue;
        }
        dots.push(dot);
        if area_names.iter().any(|area| is_named_after(area, name)) {
            continue;
        }
        let side = 2.0 * DOT_RADIUS;
        let dot_rect = ImageRect::centred_on(dot, side, side);
        let is_free = |rect: &ImageRect| {
            frame.contains_rect(rect) && !taken.iter().any(|other| other.is_near(rect, GAP))
        };
        if !is_free(&dot_rect) {
            continue;
        }
        if let Some(rect) = positions(name, dot).into_iter().find(is_free) {
            taken.extend([rect, dot_rect]);
            placed.push(TownLabel { name, dot, rect });
        }
    }
    placed
}

/// Returns whether the name of an area is the name of a town, with or without a further word. Such
/// a town does not need its own label.
fn is_named_after(area: &str, town: &str) -> bool {
    let without_kind = area.rsplit_once(' ').map_or(area, |(name, _)| name);
    area.eq_ignore_ascii_case(town) || without_kind.eq_ignore_ascii_case(town)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped"
)]
fn towns_max(frame: &ImageRect) -> usize {
    ((frame.width * frame.height / ROOM_PER_TOWN) as usize).clamp(2, TOWNS_MAX)
}

/// Returns the boxes in which a name may be placed, starting with the best box: to the right of the
/// dot, to the left of it, above it and below it.
fn positions(name: &str, (x, y): ImagePoint) -> [ImageRect; 4] {
    let width = text::width(name, TOWN_SIZE, FontWeight::Regular);
    let height = TOWN_SIZE * LINE_HEIGHT;
    let across = DOT_RADIUS + DOT_GAP + width / 2.0;
    let down = DOT_RADIUS + height / 2.0;
    let centres = [
        (x + across, y),
        (x - across, y),
        (x, y - down),
        (x, y + down),
    ];
    centres.map(|centre| ImageRect::centred_on(centre, width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: ImageRect = ImageRect {
        x: 0.0,
        y: 0.0,
        width: 400.0,
        height: 250.0,
    };

    fn names(towns: &[(&'static str, ImagePoint)], labels: &[AreaLabel]) -> Vec<&'static str> {
        let placed = place_towns(&FRAME, towns.iter().copied(), labels, None);
        placed.iter().map(|town| town.name).collect()
    }

    #[test]
    fn names_do_not_overlap_and_stay_on_the_map() {
        let towns = [
            ("Lancaster", (200.0, 100.0)),
            ("Morecambe", (203.0, 101.0)),
            ("Nowhere", (500.0, 100.0)),
            ("Heysham", (398.0, 100.0)),
            ("Kendal", (100.0, 50.0)),
        ];
        assert_eq!(names(&towns, &[]), ["Lancaster", "Heysham", "Kendal"]);
        let placed = place_towns(&FRAME, towns.into_iter(), &[], None);
        // There is no room to the right of the dot.
        assert!(placed[1].rect.right() < 398.0);
    }

    #[test]
    fn labels_of_areas_come_first() {
        let label = AreaLabel::Name {
            lines: vec!["Kendal".into(), "ICC".into()],
            size: 14.0,
            rect: ImageRect::centred_on((100.0, 50.0), 60.0, 20.0),
        };
        let towns = [
            ("Kendal", (300.0, 200.0)),
            ("Burneside", (100.0, 50.0)),
            ("Windermere", (50.0, 200.0)),
        ];
        assert_eq!(names(&towns, &[label]), ["Windermere"]);
    }
}
