//! The directory's entry of a postcode, stored in 16 bytes.

use super::IndexError;
use super::row_tables::{AREAS_MAX, RowAreas, RowTables, RowTablesBuilder, TERMINATIONS_MAX};
use crate::domain::{
    BritishGrid, DirectoryStatus, PositionalQuality, Postcode, PostcodeEntry, RecordIndex,
    Termination, YearMonth,
};

/// A [`PostcodeEntry`] without its postcode, because the position of the row determines the
/// postcode.
///
/// ```text
///  easting_mm   32 bits, i32::MIN if there is no position
///  northing_mm  32
///  bits          7  positional quality, 0 if unknown
///                1  large user
///                1  live
///               17  introduced: the month as a number, 0 if unknown
///               17  terminated: the month as a number; 0 if unknown; above the last month, the
///                   index of the editions between which the postcode ended; or NOT_CONFIRMED
///               21  the id of the statistical area and the codes, 0 if unknown
/// ```
///
/// Four rows fill a cache line, and no row extends over two cache lines. If each field were in a
/// separate array, a look-up would read one cache line for each field.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PostcodeRow {
    easting_mm: i32,
    northing_mm: i32,
    bits: u64,
}

const NO_POSITION: i32 = i32::MIN;

/// The value of `terminated` for a postcode whose status is not confirmed. Such a postcode has no
/// termination.
const NOT_CONFIRMED: u32 = (1 << MONTH_BITS) - 1;

/// The first value of `terminated` that represents a pair of editions instead of a month.
const FIRST_EDITIONS: u32 = YearMonth::ORDINAL_MAX + 1;

// The lowest bit of each field.
const LARGE_USER: u32 = 7;
const LIVE: u32 = 8;
const INTRODUCED: u32 = 9;
const TERMINATED: u32 = 26;
const AREAS: u32 = 43;

const QUALITY_BITS: u32 = 7;
const MONTH_BITS: u32 = 17;
const AREAS_BITS: u32 = 21;

impl PostcodeRow {
    pub(super) fn from_entry(
        entry: &PostcodeEntry,
        tables: &mut RowTablesBuilder,
    ) -> Result<PostcodeRow, IndexError> {
        let (easting_mm, northing_mm) = match entry.position {
            Some(position) => (position.easting_mm(), position.northing_mm()),
            None => (NO_POSITION, 0),
        };
        let quality = entry.positional_quality.map_or(0, PositionalQuality::value);
        let is_live = entry.status == DirectoryStatus::Live;
        let introduced = entry.introduced.map_or(0, YearMonth::ordinal);
        let terminated = match (entry.status, entry.termination) {
            (DirectoryStatus::NotConfirmed, _) => NOT_CONFIRMED,
            (_, None) => 0,
            (_, Some(termination)) => match termination.month() {
                Some(month) => month.ordinal(),
                None => FIRST_EDITIONS + tables.termination_id(termination)?,
            },
        };
        let areas = tables.areas_id(RowAreas {
            statistical_area: entry.statistical_area,
            codes: entry.codes,
        })?;
        Ok(PostcodeRow {
            easting_mm,
            northing_mm,
            bits: u64::from(quality)
                | u64::from(entry.is_large_user) << LARGE_USER
                | u64::from(is_live) << LIVE
                | u64::from(introduced) << INTRODUCED
                | u64::from(terminated) << TERMINATED
                | u64::from(areas) << AREAS,
        })
    }

    pub(super) fn to_entry(self, postcode: Postcode, tables: &RowTables) -> PostcodeEntry {
        let terminated = self.bit_field(TERMINATED, MONTH_BITS);
        let termination = match terminated {
            NOT_CONFIRMED => None,
            FIRST_EDITIONS.. => Some(tables.termination(terminated - FIRST_EDITIONS)),
            month => YearMonth::from_ordinal(month).map(Termination::in_month),
        };
        let status = match (self.bits >> LIVE & 1 == 1, terminated) {
            (true, _) => DirectoryStatus::Live,
            (false, NOT_CONFIRMED) => DirectoryStatus::NotConfirmed,
            (false, _) => DirectoryStatus::Terminated,
        };
        let areas = self.areas(tables);
        PostcodeEntry {
            postcode,
            position: self.position(),
            positional_quality: PositionalQuality::new(self.bits.to_le_bytes()[0] & 0x7f),
            is_large_user: self.bits >> LARGE_USER & 1 == 1,
            status,
            introduced: YearMonth::from_ordinal(self.bit_field(INTRODUCED, MONTH_BITS)),
            termination,
            statistical_area: areas.statistical_area,
            codes: areas.codes,
        }
    }

    pub(super) fn position(self) -> Option<BritishGrid> {
        (self.easting_mm != NO_POSITION)
            .then(|| BritishGrid::from_mm(self.easting_mm, self.northing_mm))
    }

    pub(super) fn is_live(self) -> bool {
        self.bits >> LIVE & 1 == 1
    }

    pub(super) fn statistical_area(self, tables: &RowTables) -> Option<u32> {
        self.areas(tables).statistical_area.map(RecordIndex::get)
    }

    fn areas(self, tables: &RowTables) -> RowAreas {
        tables.areas(self.bit_field(AREAS, AREAS_BITS))
    }

    /// Returns the value of a bit field, given its lowest bit and its width.
    fn bit_field(self, first: u32, bits: u32) -> u32 {
        let value = self.bits >> first & ((1 << bits) - 1);
        u32::try_from(value).expect("21 bits at most")
    }
}

const _: () = assert!(QUALITY_BITS == LARGE_USER && LIVE + 1 == INTRODUCED);
const _: () = assert!(INTRODUCED + MONTH_BITS == TERMINATED);
const _: () = assert!(TERMINATED + MONTH_BITS == AREAS);
const _: () = assert!(AREAS + AREAS_BITS == u64::BITS && AREAS_MAX < 1 << AREAS_BITS);
const _: () = assert!(FIRST_EDITIONS + TERMINATIONS_MAX <= NOT_CONFIRMED);
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
        let month = || (0..=YearMonth::ORDINAL_MAX).prop_map(YearMonth::from_ordinal);
        let record = || proptest::option::of((0..u32::MAX).prop_map(RecordIndex::new));
        let facts = (
            any::<bool>(),
            statuses(),
            0_u8..=90,
            month(),
            record(),
            record(),
        );
        (postcode, proptest::option::of(positions), facts).prop_map(
            |(postcode, position, (is_large_user, status, quality, introduced, area, codes))| {
                PostcodeEntry {
                    postcode: postcode.parse().expect("a postcode"),
                    position: position.map(|(east, north)| BritishGrid::from_mm(east, north)),
                    positional_quality: PositionalQuality::new(quality),
                    is_large_user,
                    status: status.0,
                    introduced,
                    termination: status.1,
                    statistical_area: area,
                    codes,
                }
            },
        )
    }

    /// Generates a status, and a termination that is possible with that status.
    fn statuses() -> impl Strategy<Value = (DirectoryStatus, Option<Termination>)> {
        let month = || (1..=YearMonth::ORDINAL_MAX).prop_map(YearMonth::from_ordinal);
        let termination = (month(), proptest::option::of(month())).prop_map(|(first, second)| {
            let (first, second) = (first?, second.flatten());
            match second {
                Some(second) => Termination::between(first, second),
                None => Some(Termination::in_month(first)),
            }
        });
        let status = 0..DirectoryStatus::ALL.len();
        (status, termination).prop_map(|(status, termination)| match DirectoryStatus::ALL[status] {
            DirectoryStatus::NotConfirmed => (DirectoryStatus::NotConfirmed, None),
            status => (status, termination),
        })
    }

    proptest! {
        #[test]
        fn rows_round_trip_entries(
            entry in entries((-200_000_000..=900_000_000, -200_000_000..=1_500_000_000)),
        ) {
            let mut tables = RowTablesBuilder::default();
            let row = PostcodeRow::from_entry(&entry, &mut tables).expect("within the limits");
            prop_assert_eq!(row.to_entry(entry.postcode, &tables.finish()), entry);
        }
    }
}
