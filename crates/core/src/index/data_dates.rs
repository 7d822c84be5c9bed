//! The dates of the sources that an answer uses.

use jiff::ToSpan;
use jiff::civil::Date;

use super::Index;
use super::answer::{AreaMatch, LayerResult, LocateAnswer, ShareUnit};
use crate::domain::{
    DatedSource, HOMES_KEY, Layer, LayerRole, LookupStatus, Manifest, POSTCODES_KEY, PRACTICES_KEY,
    today_in_london,
};

impl Index {
    /// Returns the dates of the sources that an answer uses. `includes` returns whether the client
    /// requested a layer.
    ///
    /// The postcode directory is used if a postcode or a statistical area was looked up in it, the practice directory if
    /// the answer has a registration or the areas of practices, and the statistical areas if a place was looked up in a
    /// layer that is defined on them. The homes are used if the answer has shares of the postcode's homes.
    pub fn sources_of_answer(
        &self,
        answer: &LocateAnswer<'_>,
        includes: impl Fn(Layer) -> bool,
    ) -> impl Iterator<Item = DatedSource<'_>> {
        let location = answer.location.as_ref();
        let uses_postcodes = match location {
            Some(location) => location.entry.is_some() || answer.statistical_area.is_some(),
            None => matches!(
                answer.status,
                LookupStatus::OutsideCoverage | LookupStatus::UnknownPostcode
            ),
        };
        let mut practices = self.manifest.layers_with_role(LayerRole::PracticeCatchment);
        let uses_practices = answer.registration.is_some() || practices.any(&includes);
        let mut layers = self.manifest.layers.iter();
        let uses_statistical_areas = location.is_some()
            && layers.any(|entry| entry.on_statistical_areas && includes(entry.id));
        let has_shares_of_homes = |found: &AreaMatch<'_>| {
            let shares = found.shares.as_ref();
            shares.is_some_and(|shares| shares.unit == ShareUnit::Homes)
        };
        let mut results = answer.residence.iter();
        let uses_homes = results.any(|(layer, result)| match result {
            LayerResult::Areas(areas) => includes(*layer) && areas.iter().any(has_shares_of_homes),
            _ => false,
        });
        self.manifest
            .dated_sources()
            .filter(move |source| match (source.layer, source.key) {
                (Some(layer), _) if Some(layer) == self.roles.statistical_areas => {
                    uses_statistical_areas || includes(layer)
                }
                (Some(layer), _) => includes(layer),
                (None, POSTCODES_KEY) => uses_postcodes,
                (None, PRACTICES_KEY) => uses_practices,
                (None, HOMES_KEY) => uses_homes,
                (None, key) if self.is_attribute(key) => location.is_some(),
                (None, _) => uses_statistical_areas,
            })
    }

    fn is_attribute(&self, key: &str) -> bool {
        let mut attributes = self.manifest.attributes.iter();
        attributes.any(|entry| entry.id.as_str() == key)
    }

    /// Returns whether the data are likely to be out of date on a day, because the day is in the
    /// future or is more than a year after the newest source.
    pub fn is_after_data(&self, day: Date) -> bool {
        day > self.outdated_after || day > today_in_london()
    }
}

/// Returns the last day that is not more than a year after the newest source.
pub(super) fn outdated_after(manifest: &Manifest) -> Date {
    let newest = manifest.newest_source();
    newest.checked_add(1.year()).unwrap_or(Date::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::test_dataset::{DAY, dataset, km, registration_query, residence_query};
    use super::super::{AnswerNote, Locator};
    use super::*;
    use crate::domain::layers;
    use crate::domain::{DataDate, Dataset};

    fn dated(text: &str) -> Option<DataDate> {
        Some(DataDate {
            as_of: text.parse().expect("a date"),
            words: None,
        })
    }

    fn dated_dataset() -> Dataset {
        let mut dataset = dataset();
        let manifest = &mut dataset.manifest;
        manifest.postcodes_date = dated("2024-11");
        manifest.practices_date = dated("2024-10-01");
        for entry in &mut manifest.layers {
            if entry.id != layers::icb() {
                entry.data_date = dated("2022-01-05");
            }
        }
        let statistical = manifest.statistical_areas.as_mut();
        statistical.expect("statistical areas").data_date = dated("2011");
        dataset
    }

    #[test]
    fn answers_name_the_sources_that_they_use() {
        let index = Index::build(dated_dataset()).expect("an index");
        let keys = |query: &crate::index::LocateQuery, only: Option<Layer>| -> Vec<String> {
            let answer = index.locate(query);
            let includes = |layer| only.is_none_or(|only| only == layer);
            let sources = index.sources_of_answer(&answer, includes);
            sources.map(|source| source.key.to_string()).collect()
        };
        let postcode = |text: &str| Locator::Postcode(text.parse().expect("a postcode"));
        let layers = ["icc", "sub-community", "gp-practice", "resilience-group"];
        let (first, last) = (["postcodes", "practices"], ["lsoa11"]);
        let all = residence_query(postcode("LA1 1AA"));
        assert_eq!(keys(&all, None), [&first[..], &layers, &last].concat());
        assert_eq!(
            keys(&all, Some(layers::icc())),
            ["postcodes", "icc", "lsoa11"]
        );
        // The dataset states no date for Integrated Care Boards, and their boundaries do not depend
        // on statistical areas.
        assert_eq!(keys(&all, Some(layers::icb())), ["postcodes"]);
        let point = residence_query(Locator::Grid(km(2.0, 2.0)));
        assert_eq!(keys(&point, Some(layers::icc())), ["icc", "lsoa11"]);
        let registration = registration_query("A00001");
        assert_eq!(
            keys(&registration, Some(layers::icc())),
            ["practices", "icc"]
        );
    }

    #[test]
    fn dates_long_after_the_newest_source_or_in_the_future_are_noted() {
        let index = Index::build(dated_dataset()).expect("an index");
        let is_noted = |day| {
            let mut query = residence_query(Locator::Grid(km(2.0, 2.0)));
            query.as_of = day;
            index.locate(&query).notes.contains(&AnswerNote::AfterData)
        };
        // The date of the newest source is November 2024.
        assert!(!is_noted(DAY) && !is_noted(date(2025, 11, 1)));
        assert!(is_noted(date(2025, 11, 2)));
        let mut undated = dataset();
        assert_eq!(outdated_after(&undated.manifest), date(2026, 1, 1));
        undated.manifest.as_of = date(9000, 1, 1);
        let index = Index::build(undated).expect("an index");
        assert!(!index.is_after_data(today_in_london()));
        assert!(index.is_after_data(today_in_london().tomorrow().expect("a day")));
    }
}
