//! Places labels (names and numbers) so that they neither overlap each other nor extend beyond the
//! map.
//!
//! A name is placed inside its area, in the largest font that fits and in several lines if
//! necessary. If there is no room for a name, the area is labelled with a number, which is inside
//! the area, or next to the area with a leader line. The legend lists the numbers with the names.

use super::raster::{AreaMask, ImagePoint, ImageRect, distance};
use super::text::{self, FontWeight, LINE_HEIGHT};

/// The font sizes of the selected area's name and of other names. The largest size that fits is
/// used.
const SELECTED_SIZES: [f64; 4] = [18.0, 16.0, 14.0, 12.0];
const SIZES: [f64; 3] = [14.0, 12.5, 11.0];
/// The font size of numbers.
pub(super) const NUMBER_SIZE: f64 = 11.0;
/// The space around a name for its halo, and the space between two labels.
const PADDING: f64 = 2.0;
const GAP: f64 = 1.0;
/// The maximum length of a leader line.
const LEADER_LINE_MAX: f64 = 400.0;

/// An area to be labelled.
pub(super) struct LabelRequest<'a> {
    pub(super) name: &'a str,
    pub(super) mask: &'a AreaMask,
    /// The point to label. The name or number is placed as near to this point as possible.
    pub(super) label_point: ImagePoint,
    pub(super) is_selected: bool,
    /// Whether the label may be a name. If it may not, the label is a number.
    pub(super) may_be_named: bool,
}

/// The label of an area on the map.
#[derive(Debug)]
pub(super) enum AreaLabel {
    Name {
        lines: Vec<String>,
        size: f64,
        rect: ImageRect,
    },
    Number {
        rect: ImageRect,
        /// The end of the number's leader line, if the number is neither at the label point nor
        /// inside the area.
        leads_to: Option<ImagePoint>,
    },
    /// There was no room for a label. The legend lists the area without a number.
    Unplaced,
}

impl AreaLabel {
    /// Returns the box of the label.
    pub(super) fn rect(&self) -> Option<ImageRect> {
        match self {
            AreaLabel::Name { rect, .. } | AreaLabel::Number { rect, .. } => Some(*rect),
            AreaLabel::Unplaced => None,
        }
    }

    /// Returns the name on the map.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            AreaLabel::Name { lines, .. } => Some(lines.join(" ")),
            AreaLabel::Number { .. } | AreaLabel::Unplaced => None,
        }
    }
}

/// Places a label for each request, outside `reserved`, and returns the labels in the order of the
/// requests. At most `numbers_max` of the labels are numbers.
pub(super) fn place_labels(
    frame: &ImageRect,
    requests: &[LabelRequest<'_>],
    reserved: Option<ImageRect>,
    numbers_max: usize,
) -> Vec<AreaLabel> {
    let mut taken: Vec<ImageRect> = reserved.into_iter().collect();
    let mut labels: Vec<Option<AreaLabel>> = requests.iter().map(|_| None).collect();
    let mut order: Vec<usize> = (0..requests.len()).collect();
    // Place the names of the largest areas first, because these areas are the most important. The
    // sort is stable, so the result is reproducible.
    order.sort_by_key(|&index| {
        let request = &requests[index];
        (
            !request.is_selected,
            std::cmp::Reverse(request.mask.cell_count()),
        )
    });
    for &index in order.iter().filter(|&&index| requests[index].may_be_named) {
        labels[index] = place_name(frame, &requests[index], &mut taken);
    }
    let unnamed_count = labels.iter().filter(|label| label.is_none()).count();
    let digits = digit_count(unnamed_count.min(numbers_max));
    let widest = text::width("8", NUMBER_SIZE, FontWeight::Bold) * digits;
    let size = (widest + 6.0, NUMBER_SIZE + 4.0);
    // Place the numbers of the smallest areas first, because these areas have the fewest
    // possible positions.
    let unnamed = (0..requests.len()).filter(|&index| labels[index].is_none());
    let mut unnamed: Vec<usize> = unnamed.take(numbers_max).collect();
    unnamed.sort_by_key(|&index| requests[index].mask.cell_count());
    for index in unnamed {
        labels[index] = Some(place_number(frame, &requests[index], size, &mut taken));
    }
    let labels = labels.into_iter();
    labels
        .map(|label| label.unwrap_or(AreaLabel::Unplaced))
        .collect()
}

fn digit_count(number: usize) -> f64 {
    f64::from(number.max(1).ilog10() + 1)
}

fn place_name(
    frame: &ImageRect,
    request: &LabelRequest<'_>,
    taken: &mut Vec<ImageRect>,
) -> Option<AreaLabel> {
    let sizes = if request.is_selected {
        &SELECTED_SIZES[..]
    } else {
        &SIZES
    };
    for &size in sizes {
        for lines in text::line_breaks(request.name, size, FontWeight::Bold) {
            let (width, height) = text_size(&lines, size);
            let positions = request
                .mask
                .label_positions(width, height, request.label_point);
            let mut rects = positions
                .iter()
                .map(|&centre| ImageRect::centred_on(centre, width, height));
            if let Some(rect) = rects.find(|rect| is_free(frame, rect, taken)) {
                taken.push(rect);
                return Some(AreaLabel::Name { lines, size, rect });
            }
        }
    }
    None
}

/// Returns the width and the height of lines of text, with padding.
fn text_size(lines: &[String], size: f64) -> (f64, f64) {
    let widths = lines
        .iter()
        .map(|line| text::width(line, size, FontWeight::Bold));
    let height = lines.len() as f64 * size * LINE_HEIGHT;
    (widths.fold(0.0, f64::max) + 2.0 * PADDING, height + PADDING)
}

fn is_free(frame: &ImageRect, rect: &ImageRect, taken: &[ImageRect]) -> bool {
    frame.contains_rect(rect) && !taken.iter().any(|other| other.is_near(rect, GAP))
}

fn place_number(
    frame: &ImageRect,
    request: &LabelRequest<'_>,
    (width, height): (f64, f64),
    taken: &mut Vec<ImageRect>,
) -> AreaLabel {
    let inside = request
        .mask
        .label_positions(width, height, request.label_point)
        .into_iter();
    let rect = inside
        .chain([request.label_point])
        .chain(positions_around(request.label_point))
        .map(|centre| ImageRect::centred_on(centre, width, height))
        .find(|rect| is_free(frame, rect, taken));
    let Some(rect) = rect else {
        return AreaLabel::Unplaced;
    };
    taken.push(rect);
    let is_in_place = rect.contains(request.label_point) || request.mask.contains_rect(&rect);
    AreaLabel::Number {
        rect,
        leads_to: (!is_in_place).then_some(request.label_point),
    }
}

/// Returns positions on circles around a point, starting with the nearest position.
fn positions_around(centre: ImagePoint) -> impl Iterator<Item = ImagePoint> {
    const STEP: f64 = 6.0;
    let radii = (2_u32..).map(|circle| f64::from(circle) * STEP);
    radii
        .take_while(|radius| *radius <= LEADER_LINE_MAX)
        .flat_map(move |radius| {
            (0_u32..24).map(move |turn| {
                let angle = f64::from(turn) * std::f64::consts::TAU / 24.0;
                (
                    centre.0 + radius * angle.cos(),
                    centre.1 + radius * angle.sin(),
                )
            })
        })
}

/// Returns the point where a number's leader line starts: on the side of the number's box that
/// faces the point `to`.
pub(super) fn leader_line_start(rect: &ImageRect, to: ImagePoint) -> ImagePoint {
    let centre = (rect.x + rect.width / 2.0, rect.y + rect.height / 2.0);
    let (dx, dy) = (to.0 - centre.0, to.1 - centre.1);
    let fraction =
        (rect.width / 2.0 / dx.abs().max(1e-9)).min(rect.height / 2.0 / dy.abs().max(1e-9));
    let fraction = fraction.min(1.0);
    debug_assert!(distance(centre, to) > 0.0);
    (centre.0 + dx * fraction, centre.1 + dy * fraction)
}
