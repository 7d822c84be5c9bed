//! Counts the homes of each postcode in the areas of each layer, when a dataset is built.
//!
//! Tens of millions of homes are counted one after another, without storing them in memory. Only the
//! number of homes of each postcode in each *place* is stored: a place is a statistical area, with the
//! areas of the layers that have their own boundaries. Most postcodes are in one place. For the other
//! postcodes, the areas of the statistical areas, which depend on the date, are looked up at the end.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;

use super::Index;
use super::directory::PostcodeLookup;
use super::layer::LayerIndex;
use super::residence::ResolvedPosition;
use crate::domain::{
    Basis, GssCode, Home, Layer, Period, Postcode, PostcodeEntry, PostcodeHomes, PostcodeStatus,
};

/// A home in no area of a layer, or in no statistical area.
const NOWHERE: u32 = u32::MAX;
/// A home whose area in a layer is not known.
const NOT_KNOWN: u32 = u32::MAX - 1;

/// Counts homes by postcode and area.
pub struct HomeCounter<'i> {
    index: &'i Index,
    /// The layers in whose areas homes are counted.
    layers: Vec<CountedLayer<'i>>,
    /// The row of each statistical area that has a boundary, by its code.
    rows_by_code: HashMap<GssCode, u32>,
    /// The day for which the statistical area at a position is determined.
    day: Date,
    /// The places: the row of the statistical area, and the ordinals of the areas in each period of
    /// each layer that has its own boundaries.
    places: Vec<Box<[u32]>>,
    place_ids: HashMap<Box<[u32]>, u32>,
    /// The number of homes by the row of the postcode and the place.
    counts: HashMap<(u32, u32), u32>,
    /// The place of the home that is being counted.
    place: Vec<u32>,
}

/// A layer in whose areas homes are counted.
struct CountedLayer<'i> {
    layer: &'i LayerIndex,
    /// The first days of the periods in which the areas stay the same.
    periods: Vec<Date>,
    /// Whether the statistical area determines the area.
    is_by_statistical_area: bool,
}

/// The result of counting a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedHome {
    /// The home is counted.
    Counted,
    /// The home is counted for its postcode, and is in no area of any layer.
    OutsideAreas,
    /// The directory does not have the postcode of the home, although it has all postcodes of the
    /// district.
    UnknownPostcode,
    /// The directory does not cover the district of the postcode.
    OtherDistrict,
    /// The home has no postcode.
    WithoutPostcode,
}

/// The homes of the postcodes of a directory.
#[derive(Debug, Default)]
pub struct HomeCounts {
    /// The homes of the postcodes that are divided between areas, in order of postcode, layer and
    /// period.
    pub divided: Vec<PostcodeHomes>,
    /// The number of postcodes that are divided between areas of each layer, in some period.
    pub divided_by_layer: Vec<(Layer, usize)>,
    /// The number of postcodes with homes.
    pub with_homes: usize,
    /// The number of postcodes in use on the day of the dataset that have no home.
    pub live_without_homes: usize,
    /// The first of the postcodes in use that have no home.
    pub first_without_homes: Vec<Postcode>,
}

/// The maximum number of postcodes without homes that are listed.
const NAMED_MAX: usize = 5;

impl<'i> HomeCounter<'i> {
    /// Creates a counter.
    pub fn new(index: &'i Index) -> HomeCounter<'i> {
        let layers = index.layers.iter();
        let layers = layers.filter(|layer| layer.may_have_home_shares());
        let layers: Vec<CountedLayer<'_>> = layers.map(CountedLayer::new).collect();
        HomeCounter {
            rows_by_code: index.rows_by_gss_code(),
            layers,
            day: index.manifest.as_of,
            index,
            places: Vec::new(),
            place_ids: HashMap::new(),
            counts: HashMap::new(),
            place: Vec::new(),
        }
    }

    /// Counts a home. If the list of homes states a statistical area that the dataset has, that area
    /// determines the areas of layers that are defined on statistical areas; otherwise the position
    /// determines them.
    pub fn add(&mut self, home: &Home) -> CountedHome {
        let Some(postcode) = home.postcode else {
            return CountedHome::WithoutPostcode;
        };
        let Some(postcode_row) = self.index.postcode_row(postcode) else {
            return match self.index.lookup_postcode(postcode) {
                PostcodeLookup::OutsideCoverage => CountedHome::OtherDistrict,
                _ => CountedHome::UnknownPostcode,
            };
        };
        let is_inside = self.find_place(home);
        let place_id = match self.place_ids.get(self.place.as_slice()) {
            Some(id) => *id,
            None => {
                let id = u32::try_from(self.places.len()).expect("fewer places than 2^32");
                let place: Box<[u32]> = self.place.as_slice().into();
                self.places.push(place.clone());
                self.place_ids.insert(place, id);
                id
            }
        };
        *self.counts.entry((postcode_row, place_id)).or_default() += 1;
        match is_inside {
            true => CountedHome::Counted,
            false => CountedHome::OutsideAreas,
        }
    }

    /// Finds the place of a home. Returns whether it is in an area.
    fn find_place(&mut self, home: &Home) -> bool {
        let stated = home.statistical_area;
        let stated = stated.and_then(|code| self.rows_by_code.get(&code).copied());
        let resolved = ResolvedPosition::of_home(home.position, stated);
        let found = self.index.statistical_area_at(&resolved, self.day);
        let row = found.map(|(row, _)| row);
        let mut is_inside = row.is_some();
        self.place.clear();
        self.place.push(row.unwrap_or(NOWHERE));
        let by_boundary = self.layers.iter();
        for counted in by_boundary.filter(|counted| !counted.is_by_statistical_area) {
            for &day in &counted.periods {
                let ordinal = counted.area_at(&resolved, row, day);
                is_inside |= ordinal < NOT_KNOWN;
                self.place.push(ordinal);
            }
        }
        is_inside
    }

    /// Returns the counts.
    pub fn finish(self) -> HomeCounts {
        let mut by_postcode: Vec<(u32, u32, u32)> = self
            .counts
            .iter()
            .map(|(&(postcode, place), &homes)| (postcode, place, homes))
            .collect();
        by_postcode.sort_unstable();
        let mut counts = HomeCounts {
            divided_by_layer: (self.layers.iter())
                .map(|counted| (counted.layer.id, 0))
                .collect(),
            ..HomeCounts::default()
        };
        let mut entries = self.index.postcodes().zip(0_u32..);
        for homes in by_postcode.chunk_by(|one, next| one.0 == next.0) {
            counts.with_homes += 1;
            let postcode_row = homes[0].0;
            for (entry, row) in entries.by_ref() {
                if row == postcode_row {
                    self.add_postcode(&mut counts, entry.postcode, homes);
                    break;
                }
                self.add_without_homes(&mut counts, &entry);
            }
        }
        for (entry, _) in entries {
            self.add_without_homes(&mut counts, &entry);
        }
        counts
    }

    fn add_without_homes(&self, counts: &mut HomeCounts, entry: &PostcodeEntry) {
        if self.index.postcode_status(entry, self.index.manifest.as_of) != PostcodeStatus::Live {
            return;
        }
        counts.live_without_homes += 1;
        if counts.first_without_homes.len() < NAMED_MAX {
            counts.first_without_homes.push(entry.postcode);
        }
    }

    /// Adds the homes of a postcode for each layer in which they are divided between areas. `homes`
    /// contains the row of the postcode, a place and the number of homes in that place.
    fn add_postcode(&self, counts: &mut HomeCounts, postcode: Postcode, homes: &[(u32, u32, u32)]) {
        if homes.len() < 2 {
            return;
        }
        let mut first_of_layer = 1;
        for (counted, (_, divided_count)) in self.layers.iter().zip(&mut counts.divided_by_layer) {
            let mut periods: Vec<(Date, BTreeMap<u32, u32>)> = Vec::new();
            for (number, &day) in counted.periods.iter().enumerate() {
                let mut by_area: BTreeMap<u32, u32> = BTreeMap::new();
                for &(_, place, number_of_homes) in homes {
                    let place = &self.places[place as usize];
                    let ordinal = if counted.is_by_statistical_area {
                        counted.area_of_row(place[0], day)
                    } else {
                        place[first_of_layer + number]
                    };
                    if ordinal != NOT_KNOWN {
                        *by_area.entry(ordinal).or_default() += number_of_homes;
                    }
                }
                // Consecutive periods with the same numbers are merged.
                if periods.last().is_none_or(|(_, last)| *last != by_area) {
                    periods.push((day, by_area));
                }
            }
            if !counted.is_by_statistical_area {
                first_of_layer += counted.periods.len();
            }
            let mut is_divided = false;
            for (number, (day, by_area)) in periods.iter().enumerate() {
                if by_area.len() < 2 {
                    continue;
                }
                is_divided = true;
                let period = Period {
                    from: (number > 0).then_some(*day),
                    to: periods.get(number + 1).map(|(day, _)| *day),
                };
                counts
                    .divided
                    .extend(by_area.iter().map(|(&ordinal, &homes)| {
                        let area = (ordinal != NOWHERE).then(|| counted.layer.id_of(ordinal));
                        PostcodeHomes {
                            postcode,
                            layer: counted.layer.id,
                            area: area.map(str::to_string),
                            homes,
                            period,
                        }
                    }));
            }
            *divided_count += usize::from(is_divided);
        }
    }
}

impl<'i> CountedLayer<'i> {
    fn new(layer: &'i LayerIndex) -> CountedLayer<'i> {
        let boundaries = layer.boundary_index.boundaries().iter();
        let periods = layer.versions().iter().map(|area| area.period);
        let periods = periods
            .chain(boundaries.map(|boundary| boundary.period))
            .chain(layer.all_assignments().map(|assignment| assignment.period));
        let mut days: Vec<Date> = periods
            .flat_map(|period| [period.from, period.to])
            .flatten()
            .filter(|day| *day > layer.first_data)
            .collect();
        days.push(layer.first_data);
        days.sort_unstable();
        days.dedup();
        CountedLayer {
            layer,
            periods: days,
            is_by_statistical_area: layer.is_display_only && layer.uses_statistical_areas,
        }
    }

    /// Returns the area of a home that a statistical area determines.
    fn area_of_row(&self, row: u32, day: Date) -> u32 {
        let assigned = self.layer.assignments_on(row, day);
        self.only_area(assigned.map(|found| found.ordinal), row != NOWHERE, day)
    }

    /// Returns the area of a home at a position.
    fn area_at(&self, resolved: &ResolvedPosition, row: Option<u32>, day: Date) -> u32 {
        let covering = self.layer.covering(resolved.position, day);
        let statistical_area = row.map(|row| (row, Basis::Directory));
        let hits = Index::area_hits(self.layer, resolved, statistical_area, &covering, day);
        self.only_area(hits.into_iter().map(|hit| hit.ordinal), row.is_some(), day)
    }

    /// Returns the area that is valid on a day, if only one of the areas is. The area is not known if
    /// several areas share the statistical area. If no area was found, the area is not known if the
    /// layer may have areas without a boundary.
    fn only_area(&self, areas: impl Iterator<Item = u32>, is_in_data: bool, day: Date) -> u32 {
        let mut areas = areas.filter(|ordinal| self.layer.version(*ordinal, day).is_some());
        match (areas.next(), areas.next()) {
            (Some(ordinal), None) => ordinal,
            (Some(_), Some(_)) => NOT_KNOWN,
            (None, _) if is_in_data && self.layer.postcode_column.is_some() => NOT_KNOWN,
            (None, _) => NOWHERE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_dataset::{WIDENED, area, build, dataset, from, index, km, until};
    use super::*;
    use crate::domain::{Dataset, layers};

    fn home(postcode: &str, east: f64, north: f64) -> Home {
        Home {
            position: km(east, north),
            postcode: postcode.parse().ok(),
            statistical_area: None,
        }
    }

    /// Describes rows: `LA1 1AA icc k 2`, with the period if there is one.
    fn describe(rows: &[PostcodeHomes]) -> Vec<String> {
        let describe = |row: &PostcodeHomes| {
            let PostcodeHomes {
                postcode,
                layer,
                homes,
                period,
                ..
            } = row;
            let area = row.area.as_deref().unwrap_or("-");
            let mut text = format!("{postcode} {layer} {area} {homes}");
            for (word, day) in [("from", period.from), ("to", period.to)] {
                if let Some(day) = day {
                    text.push_str(&format!(" {word} {day}"));
                }
            }
            text
        };
        rows.iter().map(describe).collect()
    }

    #[test]
    fn homes_are_counted_in_the_areas_of_each_layer_and_period() {
        let index = index();
        let mut counter = HomeCounter::new(&index);
        let added = [
            home("LA1 1AA", 9.0, 5.0),
            home("LA1 1AA", 9.5, 5.0),
            home("LA1 1AA", 16.0, 5.0),
            // In one place.
            home("LA1 1AB", 12.0, 5.0),
            home("LA1 1AB", 13.0, 5.0),
            // In `m` and `n`, but all in `k`.
            home("LA1 1AD", 2.0, 5.0),
            home("LA1 1AD", 6.0, 5.0),
            home("LA1 1AD", 40.0, 5.0),
            home("LA1 9ZZ", 2.0, 5.0),
            home("LA9 9ZZ", 2.0, 5.0),
            home("", 2.0, 5.0),
        ]
        .map(|home| counter.add(&home));
        let mut expected = [CountedHome::Counted; 11];
        expected[7..].copy_from_slice(&[
            CountedHome::OutsideAreas,
            CountedHome::UnknownPostcode,
            CountedHome::OtherDistrict,
            CountedHome::WithoutPostcode,
        ]);
        assert_eq!(added, expected);
        let counts = counter.finish();
        assert_eq!(
            describe(&counts.divided),
            [
                "LA1 1AA icc k 2",
                "LA1 1AA icc l 1",
                "LA1 1AA icb north 2 to 2024-07-01",
                "LA1 1AA icb - 1 to 2024-07-01",
                "LA1 1AD icc k 2",
                "LA1 1AD icc - 1",
                "LA1 1AD sub-community m 1",
                "LA1 1AD sub-community n 1",
                "LA1 1AD sub-community - 1",
                "LA1 1AD icb north 2",
                "LA1 1AD icb - 1",
            ]
        );
        let by_layer = [
            (layers::icc(), 2),
            (layers::sub_community(), 1),
            (layers::icb(), 2),
        ];
        assert_eq!(counts.divided_by_layer, by_layer);
        assert_eq!(counts.with_homes, 3);
        let names = counts.first_without_homes.iter().map(Postcode::to_string);
        let names: Vec<String> = names.collect();
        assert_eq!(counts.live_without_homes >= names.len(), !names.is_empty());
        assert!(!names.contains(&"LA1 1AA".to_string()));
    }

    /// The dataset with statistical areas whose codes are GSS codes.
    fn with_gss_codes() -> Dataset {
        let mut dataset = dataset();
        let code = |text: &str| format!("E0100000{}", &text[1..]);
        for text in &mut dataset.statistical_areas {
            *text = code(text);
        }
        for boundary in &mut dataset.statistical_boundaries {
            boundary.id = code(&boundary.id);
        }
        for assignment in &mut dataset.assignments {
            assignment.statistical_area = code(&assignment.statistical_area).into();
        }
        dataset
    }

    #[test]
    fn a_stated_statistical_area_decides_layers_that_are_defined_on_it() {
        let index = build(with_gss_codes());
        let stated = |code: &str, east| Home {
            statistical_area: Some(code.parse().expect("a code")),
            ..home("LA1 1AA", east, 5.0)
        };
        let mut counter = HomeCounter::new(&index);
        // The boundary of S0 is generalised: according to the list, the second home is in S1.
        for home in [
            stated("E01000000", 9.0),
            stated("E01000001", 9.0),
            // The dataset does not have this code, so the position determines the area.
            stated("E01999999", 9.0),
        ] {
            counter.add(&home);
        }
        let counts = counter.finish();
        assert_eq!(
            describe(&counts.divided),
            ["LA1 1AA icc k 2", "LA1 1AA icc l 1"]
        );
    }

    #[test]
    fn areas_count_only_while_they_are_valid() {
        let mut dataset = dataset();
        for area in &mut dataset.areas {
            if area.layer == layers::icc() && area.id == "l" {
                area.period = until(WIDENED);
            }
        }
        let mut later = area(layers::icc(), "l");
        (later.name, later.period) = ("NEW".into(), from(WIDENED));
        dataset.areas.push(later);
        let index = build(dataset);
        let mut counter = HomeCounter::new(&index);
        for east in [9.0, 11.5] {
            counter.add(&home("LA1 1AA", east, 5.0));
        }
        // The name is new, but the homes are the same, so there is one period.
        assert_eq!(
            describe(&counter.finish().divided)[..2],
            ["LA1 1AA icc k 1", "LA1 1AA icc l 1"]
        );
    }
}
