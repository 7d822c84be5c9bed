//! Colours and patterns. Tints of colours that colour-blind people tell apart (Okabe and Ito 2008), each with
//! a pattern of its own, light enough for text to be read on it.

use std::collections::{BTreeSet, HashMap};

use super::Drawn;
use crate::tiles::assign_colours;

/// Where nothing is known, and land of the dataset that the layer does not cover.
pub(super) const PAPER: &str = "#edf1f4";
pub(super) const LAND: &str = "#fbfaf7";
/// Text and borders.
pub(super) const INK: &str = "#212b32";
/// An area around the one that is looked at.
pub(super) const AROUND: &str = "#ffffff";

/// A fill: its colour, the pattern's colour, the side of the pattern's square, and the pattern.
pub(super) struct Style {
    pub(super) tint: &'static str,
    pub(super) shade: &'static str,
    pub(super) side: u32,
    /// A path within the square, drawn with a stroke.
    pub(super) path: &'static str,
}

const fn style(tint: &'static str, shade: &'static str, side: u32, path: &'static str) -> Style {
    Style {
        tint,
        shade,
        side,
        path,
    }
}

/// Diagonals go over the square's corners, so that squares join.
pub(super) const STYLES: [Style; 7] = [
    style("#fbe3bd", "#d08f1a", 8, "M-2 2L2-2M0 8L8 0M6 10L10 6"),
    style("#d3ebf8", "#4795c2", 8, "M2 2h1.6M6 6h1.6"),
    style("#c9eadf", "#2f9a7b", 7, "M0 3.5H7"),
    style("#f8f4c4", "#a89a2b", 9, "M4.5 2.5v4M2.5 4.5h4"),
    style("#d0dcef", "#5a7fb5", 7, "M3.5 0V7"),
    style("#f8d9c4", "#cc7440", 8, "M6-2L10 2M0 0L8 8M-2 6L2 10"),
    style("#f1dde9", "#b56f9a", 10, "M0 0L10 10M0 10L10 0"),
];

/// A style for each, such that areas with a border in common differ where seven suffice.
pub(super) fn chosen(drawn: &[Drawn]) -> Vec<usize> {
    assign_colours(&neighbours(drawn), STYLES.len())
}

/// The areas with which each has an edge in common.
fn neighbours(drawn: &[Drawn]) -> Vec<BTreeSet<usize>> {
    let bits = |(x, y): (f64, f64)| (x.to_bits(), y.to_bits());
    let mut edges: HashMap<_, Vec<usize>> = HashMap::new();
    for (at, area) in drawn.iter().enumerate() {
        for ring in &area.rings {
            let next = ring.iter().cycle().skip(1);
            for (&a, &b) in ring.iter().zip(next) {
                let (a, b) = (bits(a), bits(b));
                edges.entry((a.min(b), a.max(b))).or_default().push(at);
            }
        }
    }
    let mut neighbours = vec![BTreeSet::new(); drawn.len()];
    for areas in edges.values() {
        for &one in areas {
            neighbours[one].extend(areas.iter().copied().filter(|&other| other != one));
        }
    }
    neighbours
}
