//! Where names and numbers stand, so that none hides another and none leaves the picture.
//!
//! A name stands inside its area, in as many lines and as small as need be. Where there is no room a number
//! stands there, or beside it with a line that leads to it; the legend says whose it is.

use super::raster::{Mask, Place, Rect, distance};
use super::text::{self, LEADING, Weight};

/// Sizes of names, the one that is looked at and the others; the largest that fits is taken.
const SELECTED_SIZES: [f64; 4] = [18.0, 16.0, 14.0, 12.0];
const SIZES: [f64; 3] = [14.0, 12.5, 11.0];
/// The size of numbers.
pub(super) const NUMBER_SIZE: f64 = 11.0;
/// Around a name, for its halo; and between two.
const PADDING: f64 = 2.0;
const GAP: f64 = 1.0;
/// How far from its place a number may stand.
const LEAD_MAX: f64 = 400.0;

/// An area that is to be told.
pub(super) struct Wish<'a> {
    pub(super) name: &'a str,
    pub(super) mask: &'a Mask,
    /// A place in it.
    pub(super) heart: Place,
    pub(super) is_selected: bool,
    /// Whether its name may stand on the map; otherwise a number does.
    pub(super) may_be_named: bool,
}

/// What stands on the map for an area.
#[derive(Debug)]
pub(super) enum Mark {
    Name {
        lines: Vec<String>,
        size: f64,
        rect: Rect,
    },
    Number {
        rect: Rect,
        /// Where a line leads to, if it does not stand there itself.
        leads_to: Option<Place>,
    },
    /// There was no room at all: the legend names it without a number.
    Nothing,
}

/// A mark for each, in their order; none stands on what is taken.
pub(super) fn place(
    frame: &Rect,
    wishes: &[Wish<'_>],
    taken: Option<Rect>,
    numbers_max: usize,
) -> Vec<Mark> {
    let mut taken: Vec<Rect> = taken.into_iter().collect();
    let mut marks: Vec<Option<Mark>> = wishes.iter().map(|_| None).collect();
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    // The largest first, which have more to say; a stable sort keeps the order of the others.
    order.sort_by_key(|&at| {
        let wish = &wishes[at];
        (!wish.is_selected, std::cmp::Reverse(wish.mask.size()))
    });
    for &at in order.iter().filter(|&&at| wishes[at].may_be_named) {
        marks[at] = name(frame, &wishes[at], &mut taken);
    }
    let left = marks.iter().filter(|mark| mark.is_none()).count();
    let widest = text::width("8", NUMBER_SIZE, Weight::Bold) * digits(left.min(numbers_max));
    let (width, height) = (widest + 6.0, NUMBER_SIZE + 4.0);
    // The smallest first, which have the least choice.
    let unnamed = (0..wishes.len()).filter(|&at| marks[at].is_none());
    let mut unnamed: Vec<usize> = unnamed.take(numbers_max).collect();
    unnamed.sort_by_key(|&at| wishes[at].mask.size());
    for at in unnamed {
        marks[at] = Some(number(frame, &wishes[at], (width, height), &mut taken));
    }
    let marks = marks.into_iter();
    marks.map(|mark| mark.unwrap_or(Mark::Nothing)).collect()
}

fn digits(count: usize) -> f64 {
    f64::from(count.max(1).ilog10() + 1)
}

fn name(frame: &Rect, wish: &Wish<'_>, taken: &mut Vec<Rect>) -> Option<Mark> {
    let sizes = match wish.is_selected {
        true => &SELECTED_SIZES[..],
        false => &SIZES,
    };
    for &size in sizes {
        for lines in text::settings(wish.name, size, Weight::Bold) {
            let (width, height) = extent(&lines, size);
            let places = wish.mask.places(width, height, wish.heart);
            let rects = places.iter().map(|&at| Rect::around(at, width, height));
            if let Some(rect) = rects.into_iter().find(|rect| is_free(frame, rect, taken)) {
                taken.push(rect);
                return Some(Mark::Name { lines, size, rect });
            }
        }
    }
    None
}

/// The width and the height of lines and the room around them.
fn extent(lines: &[String], size: f64) -> (f64, f64) {
    let widths = lines
        .iter()
        .map(|line| text::width(line, size, Weight::Bold));
    let height = lines.len() as f64 * size * LEADING;
    (widths.fold(0.0, f64::max) + 2.0 * PADDING, height + PADDING)
}

fn is_free(frame: &Rect, rect: &Rect, taken: &[Rect]) -> bool {
    frame.holds(rect) && !taken.iter().any(|other| other.is_near(rect, GAP))
}

fn number(
    frame: &Rect,
    wish: &Wish<'_>,
    (width, height): (f64, f64),
    taken: &mut Vec<Rect>,
) -> Mark {
    let inside = wish.mask.places(width, height, wish.heart).into_iter();
    let found = inside
        .chain([wish.heart])
        .chain(around(wish.heart))
        .map(|at| Rect::around(at, width, height))
        .find(|rect| is_free(frame, rect, taken));
    let Some(rect) = found else {
        return Mark::Nothing;
    };
    taken.push(rect);
    let is_there = rect.has(wish.heart) || wish.mask.holds(&rect);
    Mark::Number {
        rect,
        leads_to: (!is_there).then_some(wish.heart),
    }
}

/// Places around one, the nearest first.
fn around(place: Place) -> impl Iterator<Item = Place> {
    const STEP: f64 = 6.0;
    let rings = (2_u32..).map(|ring| f64::from(ring) * STEP);
    rings
        .take_while(|radius| *radius <= LEAD_MAX)
        .flat_map(move |radius| {
            (0_u32..24).map(move |turn| {
                let angle = f64::from(turn) * std::f64::consts::TAU / 24.0;
                (
                    place.0 + radius * angle.cos(),
                    place.1 + radius * angle.sin(),
                )
            })
        })
}

/// Where the line from a number begins: on the side of its box that looks at the place.
pub(super) fn lead_from(rect: &Rect, to: Place) -> Place {
    let middle = (rect.x + rect.width / 2.0, rect.y + rect.height / 2.0);
    let (dx, dy) = (to.0 - middle.0, to.1 - middle.1);
    let part = (rect.width / 2.0 / dx.abs().max(1e-9)).min(rect.height / 2.0 / dy.abs().max(1e-9));
    let part = part.min(1.0);
    debug_assert!(distance(middle, to) > 0.0);
    (middle.0 + dx * part, middle.1 + dy * part)
}
