//! The directory's entry of a postcode, in 16 bytes.

use crate::domain::{BritishGrid, PositionalQuality, Postcode, PostcodeEntry, YearMonth};

/// A [`PostcodeEntry`] without its postcode, which follows from the position of the row.
///
/// ```text
///  easting_mm   32 bits, i32::MIN if there is no position
///  northing_mm  32
///  bits          7  positional quality, 0 if unknown
///                1  large user
///                1  live
///               17  introduced: the month as a number, 0 if unknown
///               17  terminated: the month as a number, 0 if unknown
///               21  statistical area: its row plus 1, 0 if unknown
/// ```
///
/// Four rows fill a cache line, and no row extends over two cache lines. If each field had an array
/// of its own, a look-up would read one cache line for each field.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PostcodeRow {
    easting_mm: i32,
    northing_mm: i32,
    bits: u64,
}

/// The number of statistical areas that fit in 21 bits; Great Britain has about 230,000 statistical
/// areas of the smallest kind.
pub(super) const STATISTICAL_AREAS_MAX: u32 = (1 << 21) - 1;

const NO_POSITION: i32 = i32::MIN;

// The lowest bit of each field.
const LARGE_USER: u32 = 7;
const LIVE: u32 = 8;
const INTRODUCED: u32 = 9;
const TERMINATED: u32 = 26;
const STATISTICAL_AREA: u32 = 43;

const QUALITY_BITS: u32 = 7;
const MONTH_BITS: u32 = 17;
const STATISTICAL_AREA_BITS: u32 = 21;

impl PostcodeRow {
    pub(super) fn from_entry(entry: &PostcodeEntry) -> PostcodeRow {
        let (easting_mm, northing_mm) = match entry.position {
            Some(position) => (position.easting_mm(), position.northing_mm()),
            None => (NO_POSITION, 0),
        };
        let quality = entry.positional_quality.map_or(0, PositionalQuality::value);
        let month = |month: Option<YearMonth>| month.map_or(0, |month| u64::from(month.ordinal()));
        let area = entry.statistical_area.map_or(0, |row| u64::from(row) + 1);
        PostcodeRow {
            easting_mm,
            northing_mm,
            bits: u64::from(quality)
                | u64::from(entry.is_large_user) << LARGE_USER
                | u64::from(entry.is_live) << LIVE
                | month(entry.introduced) << INTRODUCED
                | month(entry.terminated) << TERMINATED
                | area << STATISTICAL_AREA,
        }
    }

    pub(super) fn to_entry(self, postcode: Postcode) -> PostcodeEntry {
        let month = |first| YearMonth::from_ordinal(self.bit_field(first, MONTH_BITS));
        PostcodeEntry {
            postcode,
            position: self.position(),
            positional_quality: PositionalQuality::new(self.bits.to_le_bytes()[0] & 0x7f),
            is_large_user: self.bits >> LARGE_USER & 1 == 1,
            is_live: self.bits >> LIVE & 1 == 1,
            introduced: month(INTRODUCED),
            terminated: month(TERMINATED),
            statistical_area: self.statistical_area(),
        }
    }

    pub(super) fn position(self) -> Option<BritishGrid> {
        (self.easting_mm != NO_POSITION)
            .then(|| BritishGrid::from_mm(self.easting_mm, self.northing_mm))
    }

    pub(super) fn statistical_area(self) -> Option<u32> {
        self.bit_field(STATISTICAL_AREA, STATISTICAL_AREA_BITS)
            .checked_sub(1)
    }

    /// Returns the value of a bit field, given its lowest bit and its width.
    fn bit_field(self, first: u32, bits: u32) -> u32 {
        let value = self.bits >> first & ((1 << bits) - 1);
        u32::try_from(value).expect("21 bits at most")
    }
}

const _: () = assert!(QUALITY_BITS == LARGE_USER && LIVE + 1 == INTRODUCED);
const _: () = assert!(INTRODUCED + MONTH_BITS == TERMINATED);
const _: () = assert!(TERMINATED + MONTH_BITS == STATISTICAL_AREA);
const _: () = assert!(STATISTICAL_AREA + STATISTICAL_AREA_BITS == u64::BITS);
const _: () = assert!(size_of::<PostcodeRow>() == 16);

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Generates any possible entry, with positions in millimetres from a strategy.
    pub(in crate::index::directory) fn entries(
        positions: impl Strategy<Value = (i32, i32)>,
    ) -> impl Strategy<Value = PostcodeEntry> {
        let postcode = "(LA1|LA10|LA11|LA2|M1|EC1A|W1A|DN55|GIR) [0-2][ABZ][AZ]|ZZ99 [0-9][A-Z]{2}";
        let month = || (0..=98_388_u32).prop_map(YearMonth::from_ordinal);
        let facts = (any::<bool>(), any::<bool>(), 0_u8..=90, month(), month());
        let area = proptest::option::of(0..STATISTICAL_AREAS_MAX);
        (postcode, proptest::option::of(positions), facts, area).prop_map(
            |(postcode, position, (is_large_user, live, quality, introduced, terminated), area)| {
                PostcodeEntry {
                    postcode: postcode.parse().expect("a postcode"),
                    position: position.map(|(east, north)| BritishGrid::from_mm(east, north)),
                    positional_quality: PositionalQuality::new(quality),
                    is_large_user,
                    is_live: live,
                    introduced,
                    terminated,
                    statistical_area: area,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn rows_round_trip_entries(
            entry in entries((-200_000_000..=900_000_000, -200_000_000..=1_500_000_000)),
        ) {
            prop_assert_eq!(PostcodeRow::from_entry(&entry).to_entry(entry.postcode), entry);
        }
    }
}
