//! Fills: tints of colours that colour-blind people can distinguish (Okabe and Ito 2008). Each fill
//! has its own pattern and is light enough for text on top.

use std::collections::{BTreeSet, HashMap};

use super::ProjectedArea;
use crate::assign_colours;

/// The colour of the sea.
pub(super) const SEA: &str = "#e3eff6";
/// The colour of land outside the dataset. This colour is darker than the sea, even in black and
/// white.
pub(super) const OTHER_LAND: &str = "#d5d2c9";
/// The colour of land within the dataset that the layer does not cover.
pub(super) const LAND: &str = "#fbfaf7";
/// The colour of text and borders.
pub(super) const INK: &str = "#212b32";
/// The colour of the coast.
pub(super) const COAST: &str = "#5b7486";
/// The colour of the names of towns.
pub(super) const TOWN: &str = "#3f4f5a";
/// The colour of areas around the selected area.
pub(super) const SURROUNDINGS: &str = "#ffffff";

/// A fill: a tint with a repeated pattern.
pub(super) struct PatternFill {
    pub(super) tint: &'static str,
    /// The colour of the pattern.
    pub(super) shade: &'static str,
    /// The side of the pattern's square, in CSS pixels.
    pub(super) side: u32,
    /// A path within the square, to be stroked.
    pub(super) path: &'static str,
}

const fn fill(
    tint: &'static str,
    shade: &'static str,
    side: u32,
    path: &'static str,
) -> PatternFill {
    PatternFill {
        tint,
        shade,
        side,
        path,
    }
}

/// The fills. Diagonals extend beyond the square's corners, so that squares join without gaps.
pub(super) const FILLS: [PatternFill; 8] = [
    fill("#fbe3bd", "#d08f1a", 8, "M-2 2L2-2M0 8L8 0M6 10L10 6"),
    fill("#d3ebf8", "#4795c2", 8, "M2 2h1.6M6 6h1.6"),
    fill("#c9eadf", "#2f9a7b", 7, "M0 3.5H7"),
    fill("#f8f4c4", "#a89a2b", 9, "M4.5 2.5v4M2.5 4.5h4"),
    fill("#d0dcef", "#5a7fb5", 7, "M3.5 0V7"),
    fill("#f8d9c4", "#cc7440", 8, "M6-2L10 2M0 0L8 8M-2 6L2 10"),
    fill("#f1dde9", "#b56f9a", 10, "M0 0L10 10M0 10L10 0"),
    fill("#e2dcf2", "#7765ad", 9, "M2 2h3v3h-3z"),
];

/// Assigns each area the index of a fill. Areas that share a border have different fills, if
/// there are enough fills.
pub(super) fn assign_fills(areas: &[ProjectedArea]) -> Vec<usize> {
    assign_colours(&neighbours(areas), FILLS.len())
}

/// Returns the neighbours of each area, which are the areas that share an edge with it.
fn neighbours(areas: &[ProjectedArea]) -> Vec<BTreeSet<usize>> {
    let bits = |(x, y): (f64, f64)| (x.to_bits(), y.to_bits());
    let mut areas_by_edge: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, area) in areas.iter().enumerate() {
        for ring in &area.rings {
            let next = ring.iter().cycle().skip(1);
            for (&a, &b) in ring.iter().zip(next) {
                let (a, b) = (bits(a), bits(b));
                areas_by_edge
                    .entry((a.min(b), a.max(b)))
                    .or_default()
                    .push(index);
            }
        }
    }
    let mut neighbours = vec![BTreeSet::new(); areas.len()];
    for sharing in areas_by_edge.values() {
        for &area in sharing {
            neighbours[area].extend(sharing.iter().copied().filter(|&other| other != area));
        }
    }
    neighbours
}
