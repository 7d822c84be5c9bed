//! Finds coordinates outside all areas that are probably wrong: the numbers are swapped, have the
//! wrong sign, or are in another unit.

use jiff::civil::Date;

use super::Index;
use super::answer::Locator;
use crate::domain::{BritishGrid, LonLat};
use crate::geodesy;

/// The lengths, in metres, of other units in which eastings and northings are published: kilometres
/// and, in the NHS Postcode Directory, hundreds and tens of metres.
const UNITS_M: [f64; 3] = [1_000.0, 100.0, 10.0];

impl Index {
    /// Returns whether coordinates would be in an area if their numbers were swapped, if their
    /// signs were changed, or if they were in another unit.
    pub(super) fn is_covered_if_corrected(&self, locator: Locator, day: Date) -> bool {
        let corrected = match locator {
            Locator::Postcode(_) | Locator::StatisticalArea(_) | Locator::Uprn(_) => return false,
            Locator::LonLat(lonlat) => corrected_lonlats(lonlat),
            Locator::Grid(grid) => corrected_grids(grid),
        };
        corrected.into_iter().any(|grid| self.covers(grid, day))
    }
}

fn corrected_lonlats(lonlat: LonLat) -> Vec<BritishGrid> {
    let (lon, lat) = (lonlat.lon(), lonlat.lat());
    let signs = [(1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)];
    let pairs = signs
        .into_iter()
        .flat_map(|(a, b)| [(a * lon, b * lat), (a * lat, b * lon)]);
    pairs
        .filter_map(|(lon, lat)| LonLat::new(lon, lat).ok())
        .filter(|corrected| *corrected != lonlat && corrected.is_in_great_britain())
        .filter_map(geodesy::to_grid)
        .collect()
}

fn corrected_grids(grid: BritishGrid) -> Vec<BritishGrid> {
    let (easting, northing) = (grid.easting_m(), grid.northing_m());
    let swapped = (northing, easting);
    let in_units = UNITS_M
        .into_iter()
        .map(|unit| (easting * unit, northing * unit));
    [swapped]
        .into_iter()
        .chain(in_units)
        .filter_map(|(easting, northing)| BritishGrid::from_metres(easting, northing).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::answer::AnswerNote;
    use super::super::test_dataset::{index, residence_query};
    use super::*;

    /// Returns whether the answer for an easting and a northing, in metres, has the note.
    fn is_suspect(easting: f64, northing: f64) -> bool {
        let grid = BritishGrid::from_metres(easting, northing).expect("near the grid");
        let index = index();
        let answer = index.locate(&residence_query(Locator::Grid(grid)));
        answer.notes.contains(&AnswerNote::CoordinatesSuspect)
    }

    #[test]
    fn corrected_coordinates_inside_an_area_lead_to_a_note() {
        // The areas start at 300 km east and 400 km north. The areas are 20 km wide and 10 km high.
        assert!(is_suspect(405_000.0, 305_000.0));
        assert!(is_suspect(305.0, 405.0));
        assert!(is_suspect(3_050.0, 4_050.0));
        assert!(!is_suspect(305_000.0, 405_000.0));
        assert!(!is_suspect(305_000.0, 425_000.0));
    }

    #[test]
    fn eastings_and_northings_are_swapped_and_converted_to_metres() {
        let corrected = |easting, northing| {
            let grid = BritishGrid::from_metres(easting, northing).expect("near the grid");
            let grids = corrected_grids(grid).into_iter();
            grids
                .map(|grid| (grid.easting_m(), grid.northing_m()))
                .collect::<Vec<_>>()
        };
        let millom = (317_300.0, 480_000.0);
        for (easting, northing) in [
            (480_000.0, 317_300.0),
            (317.3, 480.0),
            (3_173.0, 4_800.0),
            (31_730.0, 48_000.0),
        ] {
            assert!(
                corrected(easting, northing).contains(&millom),
                "{easting} {northing}"
            );
        }
        // A corrected position must be near the grid.
        assert_eq!(corrected(480_000.0, 317_300.0), [(317_300.0, 480_000.0)]);
    }

    #[test]
    fn signs_and_order_of_degrees_are_corrected() {
        let corrected = |lon, lat| {
            let lonlat = LonLat::new(lon, lat).expect("on the Earth");
            let grids = corrected_lonlats(lonlat).into_iter();
            let kilometres = grids.map(|grid| (grid.easting_m() / 1e3, grid.northing_m() / 1e3));
            kilometres
                .map(|(east, north)| (east.round(), north.round()))
                .collect::<Vec<_>>()
        };
        let millom = (317.0, 480.0);
        assert_eq!(corrected(3.269_471, 54.209_742), [millom]);
        assert_eq!(corrected(-3.269_471, -54.209_742), [millom]);
        assert_eq!(corrected(54.209_742, 3.269_471), [millom]);
        assert_eq!(corrected(20.0, 54.0), []);
    }
}
