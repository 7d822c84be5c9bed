//! The shares of postcodes whose homes are divided between the areas of a layer.

use jiff::civil::Date;

use super::answer::{AreaShare, PlaceShares, ShareUnit};
use super::home_shares::HomeRow;
use super::layer::LayerIndex;
use super::{Index, IndexError};
use crate::domain::{LayerKind, Postcode, PostcodeHomes};

impl Index {
    /// Adds the homes of a dataset to its layers. Homes of layers that the dataset does not have are
    /// ignored.
    ///
    /// # Errors
    /// If an area is not in the dataset.
    pub(super) fn set_home_shares(
        layers: &mut [LayerIndex],
        mut homes: Vec<PostcodeHomes>,
    ) -> Result<(), IndexError> {
        homes.sort_by_key(|row| row.postcode);
        for row in homes {
            let Some(layer) = layers.iter_mut().find(|layer| layer.id == row.layer) else {
                continue;
            };
            let unknown = |id: String| IndexError::UnknownReference {
                what: format!("the number of homes in {}", row.layer),
                id,
            };
            let ordinal = match row.area {
                None => None,
                Some(id) => Some(layer.ordinal(&id).ok_or_else(|| unknown(id))?),
            };
            let found = HomeRow {
                ordinal,
                homes: row.homes,
                period: row.period,
            };
            layer.home_shares.add(row.postcode, found);
        }
        Ok(())
    }
}

impl LayerIndex {
    /// Returns whether homes are counted in the areas of the layer.
    pub(super) fn may_have_home_shares(&self) -> bool {
        self.kind == LayerKind::Partition && self.has_boundary_distances()
    }

    /// Returns how the homes of a postcode are divided on a day between the area of the postcode,
    /// which has the ordinal `ordinal`, and other areas; `None` if all homes are in one area, or if
    /// their areas are not known.
    pub(super) fn shares_of_homes(
        &self,
        postcode: Postcode,
        ordinal: u32,
        day: Date,
    ) -> Option<Box<PlaceShares<'_>>> {
        let rows = self.home_shares.rows_on(postcode, day);
        let total: u32 = rows.clone().map(|row| row.homes).sum();
        if total == 0 {
            return None;
        }
        let share_of = |row: &HomeRow| f64::from(row.homes) / f64::from(total);
        let own = rows.clone().find(|row| row.ordinal == Some(ordinal));
        let others = rows.filter(|row| row.ordinal != Some(ordinal));
        let others = others.map(|row| AreaShare {
            area: row.ordinal.and_then(|other| self.version(other, day)),
            share: share_of(row),
        });
        let mut others: Vec<AreaShare<'_>> = others.collect();
        // The sort is stable, so areas with equal shares stay in the order of the dataset.
        others.sort_by(|a, b| b.share.total_cmp(&a.share));
        Some(Box::new(PlaceShares {
            unit: ShareUnit::Homes,
            share: own.map_or(0.0, share_of),
            others,
        }))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::answer::{AreaMatch, Locator, areas_of_layer};
    use super::super::test_dataset::{build, dataset, postcode, residence_query};
    use super::*;
    use crate::domain::{Certainty, Dataset, Period, layers};

    fn homes(text: &str, area: Option<&str>, homes: u32) -> PostcodeHomes {
        PostcodeHomes {
            postcode: postcode(text),
            layer: layers::icc(),
            area: area.map(str::to_string),
            homes,
            period: Period::default(),
        }
    }

    fn with_homes(homes: Vec<PostcodeHomes>) -> Dataset {
        let mut dataset = dataset();
        dataset.postcode_homes = homes;
        dataset
    }

    /// Describes the certainty, the share of the area, and the ids and shares of the other areas.
    fn describe(found: &AreaMatch<'_>) -> String {
        let shares = found.shares.as_ref().expect("shares");
        let certainty = found.certainty().expect("measured").as_str();
        let mut text = format!("{certainty} {}", shares.share);
        for other in &shares.others {
            let id = other.area.map_or("-", |area| &area.id);
            text.push_str(&format!(" {id} {}", other.share));
        }
        text
    }

    #[test]
    fn a_divided_postcode_has_the_share_of_each_area() {
        let index = build(with_homes(vec![
            homes("LA1 1AB", Some("l"), 3),
            homes("LA1 1AA", None, 1),
            homes("LA1 1AA", Some("k"), 4),
            homes("LA1 1AA", Some("l"), 5),
            // The area in the directory has no home.
            homes("LA1 1AB", Some("k"), 9),
        ]));
        for (text, expected) in [
            ("LA1 1AA", "split 0.4 l 0.5 - 0.1"),
            ("LA1 1AB", "split 0.25 k 0.75"),
        ] {
            let answer = index.locate(&residence_query(Locator::Postcode(postcode(text))));
            let found = &areas_of_layer(&answer.residence, layers::icc())[0];
            assert_eq!(describe(found), expected, "{text}");
        }
        let split = Some(Certainty::Split);
        // Other postcodes, other layers and coordinates have no shares.
        let answer = index.locate(&residence_query(Locator::Postcode(postcode("LA1 1AD"))));
        let found = &areas_of_layer(&answer.residence, layers::icc())[0];
        assert!(found.shares.is_none() && found.certainty() != split);
        let answer = index.locate(&residence_query(Locator::Postcode(postcode("LA1 1AA"))));
        assert!(
            areas_of_layer(&answer.residence, layers::icb())[0]
                .shares
                .is_none()
        );
    }

    #[test]
    fn shares_apply_in_the_period_of_the_areas_for_which_homes_were_counted() {
        let mut rows = vec![
            homes("LA1 1AA", Some("k"), 1),
            homes("LA1 1AA", Some("l"), 1),
        ];
        for row in &mut rows {
            row.period.to = Some(date(2024, 1, 1));
        }
        let index = build(with_homes(rows));
        let mut query = residence_query(Locator::Postcode(postcode("LA1 1AA")));
        let has_shares = |query: &crate::index::LocateQuery| {
            let answer = index.locate(query);
            areas_of_layer(&answer.residence, layers::icc())[0]
                .shares
                .is_some()
        };
        assert!(!has_shares(&query));
        query.as_of = date(2023, 12, 31);
        assert!(has_shares(&query));
    }

    #[test]
    fn unknown_areas_are_rejected_and_unknown_layers_ignored() {
        let error = Index::build(with_homes(vec![homes("LA1 1AA", Some("z"), 1)]));
        assert_eq!(
            error.expect_err("an unknown area").to_string(),
            "the number of homes in icc refers to `z`, which is not in the dataset"
        );
        let mut other = homes("LA1 1AA", Some("z"), 1);
        other.layer = layers::pcn();
        build(with_homes(vec![other]));
    }
}
