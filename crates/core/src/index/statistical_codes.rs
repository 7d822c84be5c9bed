//! The statistical areas to which the directory assigns postcodes, and the rule that determines
//! whether these statistical areas are used.
//!
//! The directory and the boundaries may be from different years, and directories contain errors.
//! The statistical area that the directory states for a postcode is used only if it agrees with the
//! boundaries:
//!
//! - If the dataset contains the boundary of the statistical area, the position of the postcode
//!   must be within [`DISTANCE_MAX_M`] of that boundary.
//! - If the dataset does not contain the boundary, the statistical area may be outside the area of
//!   the dataset, or may be from another year. The statistical area is treated as outside if most
//!   of its postcodes are in no statistical area of the dataset. A statistical area outside is
//!   used: its postcodes are in no area, even if they are just inside a generalised boundary.
//!   Otherwise, it is not used.
//!
//! If the directory's statistical area is not used, the boundaries determine the statistical area,
//! as for a position without a postcode. In a dataset without boundaries of statistical areas, the
//! directory is always used.

use super::BoundaryIndex;
use crate::domain::{Postcode, PostcodeCodes, PostcodeEntry, RecordIndex};

/// The maximum distance in metres of a postcode from its statistical area. The boundaries of the
/// embedded dataset are generalised to 200 m.
const DISTANCE_MAX_M: f64 = 500.0;

/// The postcodes whose statistical area in the directory is not used, with the row of that
/// statistical area, in order of postcode.
#[derive(Debug)]
pub(super) struct ImplausibleCodes(Vec<(Postcode, RecordIndex)>);

/// The number of postcodes of a statistical area that are inside and outside all boundaries.
#[derive(Debug, Clone, Copy, Default)]
struct PostcodeCounts {
    inside: u32,
    outside: u32,
}

impl ImplausibleCodes {
    /// Removes the statistical areas that are not used from entries, which are in order of postcode.
    pub(super) fn separate(
        entries: &mut [PostcodeEntry],
        statistical: &BoundaryIndex,
    ) -> ImplausibleCodes {
        let boundary_count = statistical.boundaries().len();
        if boundary_count == 0 {
            return ImplausibleCodes(Vec::new());
        }
        let counts = count_by_statistical_area(entries, statistical);
        let mut implausible = Vec::new();
        for entry in entries {
            let (Some(row), Some(position)) = (entry.statistical_area, entry.position) else {
                continue;
            };
            let is_used = if (row.get() as usize) < boundary_count {
                statistical.is_within_on_any_date(row.get(), position, DISTANCE_MAX_M)
            } else {
                let counts = counts[row.get() as usize - boundary_count];
                counts.outside > counts.inside
            };
            if !is_used {
                implausible.push((entry.postcode, row));
                entry.statistical_area = None;
            }
        }
        ImplausibleCodes(implausible)
    }

    /// Moves the other codes of these postcodes to new rows, which no layer uses. If the
    /// directory's statistical area of a postcode is not used, the postcode's other codes are not
    /// used either.
    pub(super) fn move_other_codes(
        &self,
        entries: &mut [PostcodeEntry],
        postcode_codes: &mut Vec<PostcodeCodes>,
    ) {
        for (postcode, _) in &self.0 {
            let position = entries.binary_search_by_key(postcode, |entry| entry.postcode);
            let Some(entry) = position.ok().map(|position| &mut entries[position]) else {
                continue;
            };
            let codes = entry.codes;
            let codes = codes.and_then(|row| postcode_codes.get(row.get() as usize).copied());
            if let (Some(codes), Ok(row)) = (codes, u32::try_from(postcode_codes.len())) {
                postcode_codes.push(codes);
                entry.codes = Some(RecordIndex::new(row));
            }
        }
    }

    /// Returns the row of the postcode's statistical area, if that statistical area is not used.
    pub(super) fn row_of(&self, postcode: Postcode) -> Option<RecordIndex> {
        let position = self.0.binary_search_by_key(&postcode, |&(known, _)| known);
        position.ok().map(|index| self.0[index].1)
    }
}

/// Counts the postcodes of each statistical area without a boundary.
fn count_by_statistical_area(
    entries: &[PostcodeEntry],
    statistical: &BoundaryIndex,
) -> Vec<PostcodeCounts> {
    let boundary_count = statistical.boundaries().len();
    let mut counts: Vec<PostcodeCounts> = Vec::new();
    for entry in entries {
        let (Some(row), Some(position)) = (entry.statistical_area, entry.position) else {
            continue;
        };
        let Some(index) = (row.get() as usize).checked_sub(boundary_count) else {
            continue;
        };
        if counts.len() <= index {
            counts.resize(index + 1, PostcodeCounts::default());
        }
        if statistical.covers_on_any_date(position) {
            counts[index].inside += 1;
        } else {
            counts[index].outside += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::super::test_dataset::{build, dataset, entry, km, postcode, residence_query};
    use super::super::{Index, Locator, PostcodeLookup, areas_of_layer};
    use crate::domain::{Basis, Dataset, layers};

    /// Returns the ICCs of a postcode, each with its basis.
    fn iccs(index: &Index, text: &str) -> Vec<(String, Basis)> {
        let answer = index.locate(&residence_query(Locator::Postcode(postcode(text))));
        let areas = areas_of_layer(&answer.residence, layers::icc()).iter();
        areas
            .map(|found| (found.area.id.clone(), found.basis))
            .collect()
    }

    fn code_of<'i>(index: &'i Index, text: &str) -> Option<&'i str> {
        match index.lookup_postcode(postcode(text)) {
            PostcodeLookup::Entry(entry) => index.statistical_area_code(&entry),
            other => panic!("{other:?}"),
        }
    }

    /// Returns the dataset with postcodes `LA2 2AA`, `LA2 2AB`, … at eastings in kilometres, which the
    /// directory assigns to a statistical area.
    fn with_postcodes(statistical_area: u32, eastings: &[f64]) -> Dataset {
        let mut dataset = dataset();
        let pseudo = dataset.postcodes.pop().expect("a pseudo postcode");
        for (letter, &east) in ('A'..).filter(|letter| *letter != 'C').zip(eastings) {
            let text = format!("LA2 2A{letter}");
            let position = Some(km(east, 5.0));
            let entry = entry(&text, position, Some(statistical_area));
            dataset.postcodes.push(entry);
        }
        dataset.postcodes.push(pseudo);
        dataset
    }

    #[test]
    fn statistical_areas_decide_within_500_m_of_their_boundary() {
        // S1 is in l, and extends from 10 km to 20 km.
        let index = build(with_postcodes(1, &[12.0, 9.5, 9.499_999]));
        let directory = vec![("l".to_string(), Basis::Directory)];
        assert_eq!(iccs(&index, "LA2 2AA"), directory);
        assert_eq!(iccs(&index, "LA2 2AB"), directory);
        let boundary = vec![("k".to_string(), Basis::Boundary)];
        assert_eq!(iccs(&index, "LA2 2AD"), boundary);
        // Answers still contain the directory's statistical area.
        for text in ["LA2 2AA", "LA2 2AD"] {
            assert_eq!(code_of(&index, text), Some("S1"));
        }
    }

    #[test]
    fn statistical_areas_without_a_boundary_decide_only_outside_the_dataset() {
        let with_code = |eastings: &[f64]| {
            let mut dataset = with_postcodes(3, eastings);
            dataset.statistical_areas.push("S3".into());
            build(dataset)
        };
        // Most postcodes of S3 are outside all statistical areas.
        let outside = with_code(&[19.99, 20.1, 30.0]);
        assert_eq!(iccs(&outside, "LA2 2AA"), []);
        assert_eq!(iccs(&outside, "LA2 2AB"), []);
        // Half of the postcodes of S3 are inside statistical areas.
        let inside = with_code(&[12.0, 20.1]);
        let boundary = |basis| vec![("l".to_string(), basis)];
        assert_eq!(iccs(&inside, "LA2 2AA"), boundary(Basis::Boundary));
        assert_eq!(iccs(&inside, "LA2 2AB"), boundary(Basis::Nearest));
        assert_eq!(code_of(&inside, "LA2 2AB"), Some("S3"));
    }

    #[test]
    fn without_boundaries_of_statistical_areas_the_directory_decides() {
        let mut dataset = with_postcodes(1, &[5.0]);
        dataset.statistical_boundaries.clear();
        let index = build(dataset);
        assert_eq!(
            iccs(&index, "LA2 2AA"),
            [("l".to_string(), Basis::Directory)]
        );
    }
}
