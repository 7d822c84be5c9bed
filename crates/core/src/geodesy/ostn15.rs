//! OSTN15: the shifts from ETRS89 to OSGB36, at the nodes of a grid, which are a kilometre apart.
//!
//! Ordnance Survey's *Transformations and OSGM15 user guide* (v1.3, 2020), chapter 3, specifies the
//! conversion in both directions. `data/ostn15/README.md` describes the file of shifts.
//!
//! All positions in this module are eastings and northings in metres on the National Grid
//! projection. The coordinates of the nodes are ETRS89 coordinates, projected from the GRS80
//! ellipsoid.

use std::{
    io::{self, Read},
    sync::LazyLock,
};

use flate2::read::ZlibDecoder;

/// The numbers of nodes from west to east and from south to north.
const COLUMNS: usize = 701;
const ROWS: usize = 1_251;
const NODES: usize = COLUMNS * ROWS;
const SPACING_M: f64 = 1_000.0;

/// The coordinates of the last column and the last row.
const EASTING_MAX_M: f64 = 700_000.0;
const NORTHING_MAX_M: f64 = 1_250_000.0;

/// The shift that a stored zero represents, in millimetres east and north.
const BASE_MM: [f64; 2] = [80_000.0, -90_000.0];

/// The tolerance of the inverse conversion, as specified by OS. If a position moves by at most 1 km
/// east and 1 km north, neither component of its shift changes by more than 0.5 m, so each step
/// divides the error by at least 2,000. Therefore, if two successive shifts agree to 0.1 mm, the
/// error of the later shift is less than a micrometre.
const SHIFT_TOLERANCE_M: f64 = 0.000_1;

/// The maximum number of steps of the inverse conversion. Three steps are enough everywhere on the
/// grid. The limit only ends the loop for NaN.
const SHIFT_STEPS_MAX: usize = 8;

/// The shift grid, which takes 3.5 MB and is decoded on first use.
static GRID: LazyLock<ShiftGrid> = LazyLock::new(|| {
    ShiftGrid::decode(include_bytes!("../../../../data/ostn15/ostn15.bin"))
        .expect("the shift grid in the binary is the one that the tests decode")
});

/// Converts an ETRS89 easting and northing to OSGB36; `None` outside the grid.
pub(super) fn to_osgb36(easting: f64, northing: f64) -> Option<(f64, f64)> {
    if !covers(easting, northing) {
        return None;
    }
    let (east, north) = GRID.shift(easting, northing);
    Some((easting + east, northing + north))
}

/// Converts an OSGB36 easting and northing to ETRS89; `None` outside the grid.
///
/// As in the other direction, the ETRS89 position determines whether a position is outside the
/// grid.
pub(super) fn to_etrs89(easting: f64, northing: f64) -> Option<(f64, f64)> {
    let mut shift = GRID.shift(easting, northing);
    for _ in 0..SHIFT_STEPS_MAX {
        let (etrs89_easting, etrs89_northing) = (easting - shift.0, northing - shift.1);
        let next = GRID.shift(etrs89_easting, etrs89_northing);
        let change_m = (next.0 - shift.0).abs().max((next.1 - shift.1).abs());
        if change_m < SHIFT_TOLERANCE_M {
            let etrs89 = (easting - next.0, northing - next.1);
            return covers(etrs89.0, etrs89.1).then_some(etrs89);
        }
        shift = next;
    }
    None
}

/// Returns whether the grid has a shift for an ETRS89 position. The edges of the grid are inside
/// the grid, and NaN is outside it.
fn covers(easting: f64, northing: f64) -> bool {
    (0.0..=EASTING_MAX_M).contains(&easting) && (0.0..=NORTHING_MAX_M).contains(&northing)
}

/// The east and north shifts of all nodes, in millimetres above [`BASE_MM`]. The two shifts of a
/// node are adjacent in memory, because they are always read together. Rows are ordered from south
/// to north, and the nodes of a row from west to east.
struct ShiftGrid(Vec<[u16; 2]>);

impl ShiftGrid {
    /// Returns the east and north shift in metres, interpolated bilinearly between the four
    /// surrounding nodes.
    ///
    /// A position outside the grid has the shift of the nearest point on the edge, so that the
    /// inverse conversion may cross the edge while it converges. The shift of NaN is NaN.
    fn shift(&self, easting: f64, northing: f64) -> (f64, f64) {
        let (column, t) = cell(easting, COLUMNS);
        let (row, u) = cell(northing, ROWS);
        let south_west = row * COLUMNS + column;
        let north_west = south_west + COLUMNS;
        let corners = [south_west, south_west + 1, north_west, north_west + 1].map(|i| self.0[i]);
        (interpolate(corners, 0, t, u), interpolate(corners, 1, t, u))
    }

    fn decode(file: &[u8]) -> io::Result<Self> {
        let mut planes = Vec::with_capacity(4 * NODES);
        ZlibDecoder::new(file).read_to_end(&mut planes)?;
        if planes.len() != 4 * NODES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not 701 × 1,251 nodes",
            ));
        }
        let (east, north) = planes.split_at(2 * NODES);
        let nodes = integrate(east).into_iter().zip(integrate(north));
        Ok(Self(nodes.map(|(east, north)| [east, north]).collect()))
    }
}

/// Returns the cell that contains a coordinate, and the position of the coordinate in the cell,
/// from 0 to 1.
///
/// The far edge of the grid belongs to the last cell.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the grid first; NaN becomes cell 0"
)]
fn cell(coordinate_m: f64, nodes: usize) -> (usize, f64) {
    let last = nodes - 2;
    let position = (coordinate_m / SPACING_M).clamp(0.0, (last + 1) as f64);
    let index = (position as usize).min(last);
    (index, position - index as f64)
}

/// Interpolates the millimetres at the corners (SW, SE, NW, NE) and converts them to metres.
fn interpolate(corners: [[u16; 2]; 4], axis: usize, t: f64, u: f64) -> f64 {
    let [sw, se, nw, ne] = corners.map(|node| f64::from(node[axis]));
    let south = sw + t * (se - sw);
    let north = nw + t * (ne - nw);
    (BASE_MM[axis] + south + u * (north - south)) / 1_000.0
}

/// Decodes the values of one axis from their residuals, which are stored as the low bytes of all
/// values, followed by the high bytes of all values.
///
/// The residual of a node is the difference from its prediction by its west, south and south-west
/// neighbours (west + south − south-west). The difference between a node and the node south of it
/// is therefore a running sum along the row.
fn integrate(planes: &[u8]) -> Vec<u16> {
    let (low, high) = planes.split_at(NODES);
    let mut nodes: Vec<u16> = Vec::with_capacity(NODES);
    for row in 0..ROWS {
        let mut above_south = 0_u16;
        for node in row * COLUMNS..(row + 1) * COLUMNS {
            let residual = unzigzag(u16::from_le_bytes([low[node], high[node]]));
            above_south = above_south.wrapping_add(residual);
            let south = if row == 0 { 0 } else { nodes[node - COLUMNS] };
            nodes.push(south.wrapping_add(above_south));
        }
    }
    nodes
}

/// Maps 0, 1, 2, 3, 4 … back to 0, −1, 1, −2, 2 …, modulo 2¹⁶.
fn unzigzag(stored: u16) -> u16 {
    (stored >> 1) ^ (stored & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a node against OS's data file. The easting and the northing are in kilometres.
    #[track_caller]
    fn check_node(east_km: f64, north_km: f64, expected: (f64, f64)) {
        let (east, north) = GRID.shift(east_km * 1_000.0, north_km * 1_000.0);
        assert!((east - expected.0).abs() < 1e-9, "{east}");
        assert!((north - expected.1).abs() < 1e-9, "{north}");
    }

    #[test]
    fn nodes_have_the_published_shifts() {
        check_node(0.0, 0.0, (90.750, -82.020));
        check_node(700.0, 0.0, (103.110, -84.180));
        check_node(0.0, 1_250.0, (89.653, -44.881));
        check_node(700.0, 1_250.0, (109.209, -53.064));
        check_node(651.0, 313.0, (102.787, -78.242));
        check_node(9.0, 899.0, (87.931, -50.965));
        check_node(465.0, 1_218.0, (103.144, -51.067));
        check_node(530.0, 180.0, (98.548, -78.565));
    }

    /// Checks the whole grid with two sums, which were calculated from the columns of OS's data
    /// file.
    #[test]
    fn the_shifts_of_all_nodes_add_up() {
        let total = |axis: usize| GRID.0.iter().map(|node| u64::from(node[axis])).sum::<u64>();
        assert_eq!(GRID.0.len(), 876_951);
        assert_eq!(total(0), 15_133_545_360);
        assert_eq!(total(1), 21_752_295_208);
    }

    #[test]
    fn a_shift_between_nodes_is_bilinear() {
        // Caister water tower, the worked example in OS's user guide.
        let (east, north) = GRID.shift(651_307.003_2, 313_255.686_0);
        assert!((east - 102.800_8).abs() < 1e-4, "{east}");
        assert!((north + 78.236_0).abs() < 1e-4, "{north}");
    }

    #[test]
    fn the_grid_ends_at_its_outermost_nodes() {
        assert!(to_osgb36(0.0, 0.0).is_some());
        assert!(to_osgb36(EASTING_MAX_M, NORTHING_MAX_M).is_some());
        assert!(to_osgb36(-0.001, 0.0).is_none());
        assert!(to_osgb36(0.0, -0.001).is_none());
        assert!(to_osgb36(EASTING_MAX_M + 0.001, 0.0).is_none());
        assert!(to_osgb36(0.0, NORTHING_MAX_M + 0.001).is_none());
    }

    #[test]
    fn the_inverse_reaches_the_edges_that_forward_does() {
        // The OSGB36 coordinates of these positions are east of 700 km or south of 0.
        for (easting, northing) in [(699_999.0, 1_000.0), (300_000.0, 1.0)] {
            let osgb36 = to_osgb36(easting, northing).expect("on the grid");
            let etrs89 = to_etrs89(osgb36.0, osgb36.1).expect("the same position");
            assert!(
                (etrs89.0 - easting).hypot(etrs89.1 - northing) < 1e-6,
                "{etrs89:?}"
            );
        }
        assert!(
            to_etrs89(0.0, 500_000.0).is_none(),
            "91 m west of the first node"
        );
    }

    #[test]
    fn the_inverse_is_the_inverse_to_a_micrometre() {
        for easting in (500..=699_500).step_by(7_000).map(f64::from) {
            for northing in (500..=1_249_500).step_by(9_000).map(f64::from) {
                let osgb36 = to_osgb36(easting, northing).expect("on the grid");
                let etrs89 = to_etrs89(osgb36.0, osgb36.1).expect("the same position");
                assert!(
                    (etrs89.0 - easting).hypot(etrs89.1 - northing) < 1e-6,
                    "{etrs89:?}"
                );
            }
        }
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let whole = include_bytes!("../../../../data/ostn15/ostn15.bin");
        assert!(ShiftGrid::decode(&whole[..whole.len() / 2]).is_err());
        assert!(ShiftGrid::decode(b"").is_err());
        let mut changed = whole.to_vec();
        changed[whole.len() / 2] ^= 1;
        assert!(ShiftGrid::decode(&changed).is_err());
    }
}
