//! The attributes of postcodes, statistical areas and areas. Attributes are looked up only when an
//! answer is written, so they do not slow down a look-up without attributes.

use std::collections::HashMap;

use super::Index;
use super::answer::{LocateAnswer, areas_of_layer};
use super::layer::LayerIndex;
use super::residence::ResolvedPosition;
use crate::domain::{
    Area, Attribute, AttributeEntry, AttributeKey, AttributeValues, Layer, Manifest, Postcode,
};

/// The attributes of a dataset, in the order of the manifest.
#[derive(Debug)]
pub(super) struct AttributeIndex(Vec<IndexedAttribute>);

#[derive(Debug)]
struct IndexedAttribute {
    attribute: Attribute,
    /// The distinct values.
    texts: Vec<String>,
    values: ValueIndices,
}

/// The index of the value for each postcode or area; `None` if there is no value.
#[derive(Debug)]
enum ValueIndices {
    /// The postcodes with their indexes, in order of postcode.
    Postcodes(Vec<(Postcode, u32)>),
    /// The indexes by the row of the statistical area.
    StatisticalAreas(Vec<Option<u32>>),
    /// The indexes by the ordinal of the area.
    Areas(Layer, Vec<Option<u32>>),
}

impl AttributeIndex {
    /// Indexes the values of attributes. Values for unknown postcodes and areas are ignored.
    pub(super) fn new(
        manifest: &Manifest,
        values: Vec<AttributeValues>,
        statistical_areas: &[String],
        layers: &[LayerIndex],
    ) -> AttributeIndex {
        let mut values: HashMap<Attribute, AttributeValues> = values
            .into_iter()
            .map(|values| (values.attribute, values))
            .collect();
        let entries = manifest.attributes.iter();
        let indexed = entries.map(|entry| {
            let values = values.remove(&entry.id);
            let values = values.map_or_else(Vec::new, |values| values.values);
            IndexedAttribute::new(entry, values, statistical_areas, layers)
        });
        AttributeIndex(indexed.collect())
    }
}

impl IndexedAttribute {
    fn new(
        entry: &AttributeEntry,
        values: Vec<(String, String)>,
        statistical_areas: &[String],
        layers: &[LayerIndex],
    ) -> IndexedAttribute {
        let mut indices: HashMap<String, u32> = HashMap::new();
        let mut texts = Vec::new();
        let values: Vec<(String, u32)> = values
            .into_iter()
            .map(|(code, text)| {
                let index = indices.entry(text).or_insert_with_key(|text| {
                    texts.push(text.clone());
                    u32::try_from(texts.len() - 1).expect("fewer values than places")
                });
                (code, *index)
            })
            .collect();
        let values = match entry.by {
            AttributeKey::Postcode => {
                let parsed = values.into_iter();
                let parsed = parsed.filter_map(|(code, index)| Some((code.parse().ok()?, index)));
                let mut by_postcode: Vec<(Postcode, u32)> = parsed.collect();
                by_postcode.sort_unstable();
                ValueIndices::Postcodes(by_postcode)
            }
            AttributeKey::StatisticalArea => {
                let by_code: HashMap<String, u32> = values.into_iter().collect();
                let codes = statistical_areas.iter();
                ValueIndices::StatisticalAreas(codes.map(|id| by_code.get(id).copied()).collect())
            }
            AttributeKey::Layer(layer) => {
                let mut by_ordinal = Vec::new();
                if let Some(index) = layers.iter().find(|index| index.id == layer) {
                    by_ordinal.resize(index.area_count(), None);
                    for (id, value) in values {
                        if let Some(ordinal) = index.ordinal(&id) {
                            by_ordinal[ordinal as usize] = Some(value);
                        }
                    }
                }
                ValueIndices::Areas(layer, by_ordinal)
            }
        };
        IndexedAttribute {
            attribute: entry.id,
            texts,
            values,
        }
    }

    fn text(&self, index: Option<u32>) -> Option<&str> {
        self.texts.get(index? as usize).map(String::as_str)
    }
}

impl Index {
    /// Returns the value of an attribute at the location of an answer; `None` if the location is not
    /// known, or if the postcode or area has no value.
    pub fn attribute(&self, answer: &LocateAnswer<'_>, attribute: Attribute) -> Option<&str> {
        let mut all = self.attributes.0.iter();
        let indexed = all.find(|indexed| indexed.attribute == attribute)?;
        let location = answer.location?;
        let index = match &indexed.values {
            ValueIndices::Postcodes(values) => {
                let postcode = location.entry?.postcode;
                let found = values.binary_search_by_key(&postcode, |(known, _)| *known);
                found.ok().map(|found| values[found].1)
            }
            ValueIndices::StatisticalAreas(values) => {
                let resolved = ResolvedPosition::of_location(&location)?;
                let (row, _) = self.statistical_area_at(&resolved, answer.as_of)?;
                values.get(row as usize).copied().flatten()
            }
            ValueIndices::Areas(layer, values) => {
                let areas = areas_of_layer(&answer.residence, *layer);
                let ordinal = areas.first()?.ordinal;
                values.get(ordinal as usize).copied().flatten()
            }
        };
        indexed.text(index)
    }

    /// Returns the attributes of the areas of a layer: the attributes of the layer itself and, if
    /// each of its areas is one statistical area, the attributes of the statistical areas.
    pub fn attributes_of_layer(&self, layer: Layer) -> Vec<&AttributeEntry> {
        let is_statistical = self.layer(layer).is_some_and(|index| {
            let rows = (0..).take(self.statistical_areas.codes.len());
            let assigned = rows.filter(|row| index.all_assignments_of(*row).len() > 0);
            assigned.count() == index.area_count() && index.area_count() > 0
        });
        let entries = self.manifest.attributes.iter();
        let is_of_layer = |entry: &&AttributeEntry| match entry.by {
            AttributeKey::Postcode => false,
            AttributeKey::StatisticalArea => is_statistical,
            AttributeKey::Layer(of) => of == layer,
        };
        entries.filter(is_of_layer).collect()
    }

    /// Returns the value of an attribute of an area, if it has one: see
    /// [`Index::attributes_of_layer`].
    pub fn attribute_of_area(&self, area: &Area, attribute: Attribute) -> Option<&str> {
        let mut all = self.attributes.0.iter();
        let indexed = all.find(|indexed| indexed.attribute == attribute)?;
        let index = match &indexed.values {
            ValueIndices::Postcodes(_) => None,
            ValueIndices::StatisticalAreas(values) => {
                let mut codes = self.statistical_areas.codes.iter();
                let row = codes.position(|code| *code == area.id)?;
                values.get(row).copied().flatten()
            }
            ValueIndices::Areas(layer, values) => {
                let index = self.layer(*layer).filter(|_| *layer == area.layer)?;
                let ordinal = index.ordinal(&area.id)?;
                values.get(ordinal as usize).copied().flatten()
            }
        };
        indexed.text(index)
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Locator;
    use super::super::test_dataset::{build, dataset, km, postcode, residence_query};
    use super::*;
    use crate::domain::layers;

    fn entry(id: &str, by: AttributeKey) -> AttributeEntry {
        AttributeEntry {
            id: Attribute::declare(id).expect("an id"),
            title: id.into(),
            by,
            data_date: None,
        }
    }

    fn index() -> Index {
        let mut dataset = dataset();
        let keys = [
            ("test-class", AttributeKey::Postcode, "LA1 1AA", "B1"),
            ("test-decile", AttributeKey::StatisticalArea, "S0", "3"),
            (
                "test-region",
                AttributeKey::Layer(layers::icc()),
                "k",
                "north",
            ),
        ];
        for (id, by, code, value) in keys {
            let entry = entry(id, by);
            let known = (code.to_string(), value.to_string());
            dataset.facts.attributes.push(AttributeValues {
                attribute: entry.id,
                values: vec![("elsewhere".into(), "9".into()), known],
            });
            dataset.manifest.attributes.push(entry);
        }
        build(dataset)
    }

    #[track_caller]
    fn check(locator: Locator, expected: [Option<&str>; 3]) {
        let index = index();
        let answer = index.locate(&residence_query(locator));
        let values = ["test-class", "test-decile", "test-region"].map(|id| {
            let attribute = Attribute::declare(id).expect("an id");
            index.attribute(&answer, attribute)
        });
        assert_eq!(values, expected);
    }

    #[test]
    fn attributes_belong_to_the_postcode_its_statistical_area_or_an_area() {
        let of = |text| Locator::Postcode(postcode(text));
        check(of("LA1 1AA"), [Some("B1"), Some("3"), Some("north")]);
        // The directory assigns no statistical area, so the position is used.
        check(of("LA1 1AD"), [None, Some("3"), Some("north")]);
        check(
            Locator::Grid(km(9.0, 1.0)),
            [None, Some("3"), Some("north")],
        );
        check(of("LA1 1AB"), [None, None, None]);
        // Postcodes without a position, and unknown postcodes.
        check(of("LA1 1AH"), [None, None, None]);
        check(of("LA1 9ZZ"), [None, None, None]);
    }

    #[test]
    fn areas_have_the_attributes_of_their_layer() {
        let index = index();
        let ids = |layer| -> Vec<&str> {
            let entries = index.attributes_of_layer(layer).into_iter();
            entries.map(|entry| entry.id.as_str()).collect()
        };
        assert_eq!(ids(layers::icc()), ["test-region"]);
        assert!(ids(layers::icb()).is_empty());
        let region = Attribute::declare("test-region").expect("an id");
        let areas = index.all_areas(layers::icc());
        let values: Vec<_> = areas
            .map(|area| index.attribute_of_area(area, region))
            .collect();
        assert_eq!(values, [Some("north"), None]);
    }
}
