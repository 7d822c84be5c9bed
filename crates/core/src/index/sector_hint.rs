//! A hint for a postcode that the directory does not contain: the community of most postcodes in
//! the same sector.

use std::fmt;

use jiff::civil::Date;

use super::Index;
use super::answer::{LocateQuery, Locator, areas_of_layer};
use crate::domain::{Area, Layer, LayerSet, LookupStatus, Postcode, PostcodeStatus};

/// The community of most live postcodes of a sector, such as `LA1 4`. The community is a hint for a
/// person who checks a postcode. The hint is never an answer, because a new postcode may be in a
/// different community.
#[derive(Clone, Copy)]
pub struct SectorHint<'i> {
    /// The layer of the community.
    pub layer: Layer,
    /// The community.
    pub area: &'i Area,
    /// The share of `postcode_count` that are in the community. The share is greater than one half.
    pub share: f64,
    /// The number of the sector's live postcodes with a position.
    pub postcode_count: usize,
}

/// The minimum number of live postcodes with a position that are required for a hint.
const POSTCODES_MIN: usize = 5;

/// Prints no fields, because the community could reveal a user's query.
impl fmt::Debug for SectorHint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SectorHint(…)")
    }
}

impl Index {
    /// Returns the community of most live postcodes of a postcode's sector on a day. Returns `None`
    /// if the directory lists the postcode or does not cover it, if no community has more than half
    /// of the sector's postcodes, or if the sector has fewer than five live postcodes with a
    /// position.
    ///
    /// The function looks up every postcode of the sector without distances. A sector has at most
    /// 400 postcodes.
    pub fn sector_hint(&self, postcode: Postcode, day: Date) -> Option<SectorHint<'_>> {
        let (status, _) = self.resolve_locator(Locator::Postcode(postcode), day);
        if status != LookupStatus::UnknownPostcode {
            return None;
        }
        let mut postcode_count = 0;
        let mut counts: Vec<(Layer, &Area, usize)> = Vec::new();
        for entry in self.directory.entries_in_sector_of(postcode) {
            let status = self.postcode_status(&entry, day);
            if status != PostcodeStatus::Live || entry.position.is_none() {
                continue;
            }
            postcode_count += 1;
            for (layer, area) in self.communities_of(entry.postcode, day) {
                let known = counts
                    .iter()
                    .position(|count| count.0 == layer && count.1.id == area.id);
                match known {
                    Some(index) => counts[index].2 += 1,
                    None => counts.push((layer, area, 1)),
                }
            }
        }
        let (layer, area, count) = counts.into_iter().max_by_key(|(_, _, count)| *count)?;
        if postcode_count < POSTCODES_MIN || count * 2 <= postcode_count {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 400")]
        let share = count as f64 / postcode_count as f64;
        Some(SectorHint {
            layer,
            area,
            share,
            postcode_count,
        })
    }

    /// Returns the communities of a listed postcode.
    fn communities_of(&self, postcode: Postcode, day: Date) -> Vec<(Layer, &Area)> {
        let query = LocateQuery {
            locator: Some(Locator::Postcode(postcode)),
            practice: None,
            as_of: day,
        };
        let answer = self.locate_with_distances(&query, LayerSet::NONE);
        let layers = self.roles.communities.iter().copied();
        layers
            .flat_map(|layer| {
                let areas = areas_of_layer(&answer.residence, layer).iter();
                areas.map(move |found| (layer, found.area))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_dataset::{DAY, build, dataset, entry, km, postcode};
    use crate::domain::DirectoryStatus;

    /// Returns the hint for `LA1 2ZZ` if the sector `LA1 2` has postcodes at these eastings, of
    /// which those below 10 km are in community k.
    fn hint(eastings: &[f64], status: DirectoryStatus) -> Option<(String, f64, usize)> {
        let mut dataset = dataset();
        let letters = "ABDEFGHJ".chars();
        let entries = eastings.iter().zip(letters).map(|(east, letter)| {
            let mut entry = entry(&format!("LA1 2A{letter}"), Some(km(*east, 5.0)), None);
            entry.status = status;
            entry
        });
        dataset.postcodes.extend(entries);
        dataset.postcodes.sort_by_key(|entry| entry.postcode);
        let index = build(dataset);
        let hint = index.sector_hint(postcode("LA1 2ZZ"), DAY)?;
        Some((hint.area.id.clone(), hint.share, hint.postcode_count))
    }

    #[test]
    fn the_community_of_most_live_postcodes_of_the_sector_is_the_hint() {
        let live = DirectoryStatus::Live;
        assert_eq!(
            hint(&[1.0, 2.0, 3.0, 4.0, 12.0], live),
            Some(("k".into(), 0.8, 5))
        );
        assert_eq!(hint(&[1.0, 2.0, 3.0, 12.0, 13.0, 14.0], live), None);
        assert_eq!(hint(&[1.0, 2.0, 3.0, 4.0], live), None);
        // Postcodes outside all communities are also counted.
        assert_eq!(hint(&[1.0, 2.0, 3.0, 90.0, 91.0, 92.0], live), None);
        let ended = DirectoryStatus::Terminated;
        assert_eq!(hint(&[1.0, 2.0, 3.0, 4.0, 5.0], ended), None);
        let unconfirmed = DirectoryStatus::NotConfirmed;
        assert_eq!(hint(&[1.0, 2.0, 3.0, 4.0, 5.0], unconfirmed), None);
    }

    #[test]
    fn only_unknown_postcodes_have_a_hint() {
        let index = build(dataset());
        for text in [
            "LA1 1AA", "LA1 1AF", "LA1 1AH", "LA3 1AA", "ZZ99 3VZ", "GIR 0AA",
        ] {
            assert!(index.sector_hint(postcode(text), DAY).is_none(), "{text}");
        }
        // The sector has three live postcodes in this community and two in the other community.
        let hint = index.sector_hint(postcode("LA1 1ZZ"), DAY);
        let hint = hint.expect("most of the sector is in one community");
        assert_eq!((hint.area.id.as_str(), hint.postcode_count), ("k", 5));
        assert_eq!(format!("{hint:?}"), "SectorHint(…)");
    }
}
