//! The attributes of postcodes and areas: their declarations in manifests and configurations, and
//! the tables of their values.

use serde::{Deserialize, Serialize};

use super::manifest::data_date;
use super::read::VerifiedReader;
use super::{DatasetError, columns};
use catchment_core::domain::{
    Attribute, AttributeEntry, AttributeKey, AttributeValues, LayerEntry, LayerKind, SourceDate,
};

/// An attribute in `dataset.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttributeTable {
    id: String,
    title: String,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_as_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_words: Option<String>,
}

impl AttributeTable {
    pub(super) fn new(entry: &AttributeEntry, statistical_areas: Option<&str>) -> AttributeTable {
        let date = entry.data_date.as_ref();
        AttributeTable {
            id: entry.id.to_string(),
            title: entry.title.clone(),
            by: match entry.by {
                AttributeKey::Postcode => AttributeKey::POSTCODE.into(),
                AttributeKey::StatisticalArea => statistical_areas.unwrap_or_default().into(),
                AttributeKey::Layer(layer) => layer.to_string(),
            },
            data_as_of: date.map(|date| date.as_of.to_string()),
            data_words: date.and_then(|date| date.words.clone()),
        }
    }
}

/// Returns the attributes of a manifest.
///
/// # Errors
/// If an attribute is not valid; see [`attribute_entry`].
pub(super) fn attribute_entries(
    tables: Vec<AttributeTable>,
    layers: &[LayerEntry],
    statistical_areas: Option<&str>,
) -> Result<Vec<AttributeEntry>, String> {
    let mut entries: Vec<AttributeEntry> = Vec::with_capacity(tables.len());
    for table in tables {
        let what = format!("attribute `{}`", table.id);
        let as_of = table.data_as_of.as_deref().map(str::parse::<SourceDate>);
        let as_of = as_of.transpose();
        let as_of = as_of.map_err(|error| format!("{what}: data_as_of: {error}"))?;
        let declared = AttributeDeclaration {
            id: &table.id,
            title: &table.title,
            by: &table.by,
        };
        let mut entry = attribute_entry(&declared, &entries, layers, statistical_areas)?;
        entry.data_date = data_date(&what, as_of, table.data_words)?;
        entries.push(entry);
    }
    Ok(entries)
}

/// The keys of an attribute in a manifest or in a configuration.
pub(crate) struct AttributeDeclaration<'t> {
    pub(crate) id: &'t str,
    pub(crate) title: &'t str,
    pub(crate) by: &'t str,
}

/// Returns the entry of an attribute, without the date of its source.
///
/// # Errors
/// If the id is malformed, or the id of another attribute, of a layer or of the statistical areas; or
/// if the attribute is of anything else than postcodes, the statistical areas, or a layer whose areas
/// do not overlap.
pub(crate) fn attribute_entry(
    declared: &AttributeDeclaration<'_>,
    others: &[AttributeEntry],
    layers: &[LayerEntry],
    statistical_areas: Option<&str>,
) -> Result<AttributeEntry, String> {
    let text = declared.id;
    let id = Attribute::declare(text).map_err(|error| {
        let error = error.to_string().replace("a layer", "an attribute");
        format!("attribute `{text}`: {error}")
    })?;
    if others.iter().any(|other| other.id == id) {
        return Err(format!("attribute `{id}` is listed twice"));
    }
    let is_layer = layers.iter().any(|layer| layer.id.as_str() == text);
    if is_layer || statistical_areas == Some(text) {
        return Err(format!(
            "attribute `{id}`: a layer, or the statistical areas, have this id; choose another id"
        ));
    }
    let by = declared.by;
    let is_unique = |layer: &&LayerEntry| layer.kind == LayerKind::Partition;
    let by_layer = || {
        let mut layers = layers.iter().filter(is_unique);
        layers.find(|layer| layer.id.as_str() == by)
    };
    let key = if by == AttributeKey::POSTCODE {
        AttributeKey::Postcode
    } else if statistical_areas == Some(by) {
        AttributeKey::StatisticalArea
    } else if let Some(layer) = by_layer() {
        AttributeKey::Layer(layer.id)
    } else {
        let layers = layers.iter().filter(is_unique);
        let layers = layers.map(|layer| layer.id.as_str());
        let mut known: Vec<&str> = [AttributeKey::POSTCODE].into();
        known.extend(statistical_areas);
        known.extend(layers.filter(|layer| statistical_areas != Some(*layer)));
        return Err(format!(
            "attribute `{id}`: by: `{by}` should be one of {}",
            known.join(", ")
        ));
    };
    Ok(AttributeEntry {
        id,
        title: declared.title.into(),
        by: key,
        data_date: None,
    })
}

/// Returns the path of the table of an attribute's values in the dataset's folder.
pub(crate) fn attribute_path(attribute: Attribute) -> String {
    format!("attributes/{attribute}.csv")
}

impl VerifiedReader<'_> {
    /// Reads the values of every attribute of the manifest.
    pub(super) fn read_attributes(&self) -> Result<Vec<AttributeValues>, DatasetError> {
        let entries = self.manifest().attributes.iter();
        entries
            .map(|entry| {
                let path = attribute_path(entry.id);
                let values = self.read_table(&path, &columns::ATTRIBUTE, |row| {
                    Ok((row.required(0)?.to_string(), row.required(1)?.to_string()))
                });
                Ok(AttributeValues {
                    attribute: entry.id,
                    values: values?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{manifest_from_toml, manifest_to_toml};
    use super::*;

    /// Returns the manifest of the embedded dataset with an attribute.
    fn with_attribute(keys: &str) -> String {
        let text = include_str!("../../../../data/lancashire-and-cumbria/dataset.toml");
        let attribute = format!("[[attributes]]\n{keys}\n\n[[sources]]");
        text.replacen("[[sources]]", &attribute, 1)
    }

    #[test]
    fn attributes_of_manifests_are_read_and_written() {
        for (by, expected) in [
            ("postcode", AttributeKey::Postcode),
            ("lsoa11", AttributeKey::StatisticalArea),
        ] {
            let keys =
                format!("id = 'imd-decile'\ntitle = 'Decile'\nby = '{by}'\ndata_as_of = '2019-09'");
            let manifest = manifest_from_toml(&with_attribute(&keys)).expect("a manifest");
            let [entry] = manifest.attributes.as_slice() else {
                panic!("an attribute");
            };
            assert_eq!((entry.by, &*entry.title), (expected, "Decile"));
            let written = manifest_from_toml(&manifest_to_toml(&manifest));
            assert_eq!(written.expect("a manifest"), manifest);
        }
    }

    #[test]
    fn invalid_attributes_are_rejected_by_name() {
        for (keys, expected) in [
            (
                "id = 'IMD'\ntitle = 'x'\nby = 'lsoa11'",
                "attribute `IMD`: not the id of an attribute",
            ),
            (
                "id = 'icc'\ntitle = 'x'\nby = 'lsoa11'",
                "attribute `icc`: a layer, or the statistical areas, have this id",
            ),
            (
                "id = 'a'\ntitle = 'x'\nby = 'gp-practice'",
                "attribute `a`: by: `gp-practice` should be one of postcode, lsoa11, icc, ",
            ),
            (
                "id = 'a'\ntitle = 'x'\nby = 'icc'\ndata_as_of = 'then'",
                "attribute `a`: data_as_of: ",
            ),
            (
                "id = 'a'\ntitle = 'x'\nby = 'icc'\n[[attributes]]\nid = 'a'\ntitle = 'x'\nby = 'icc'",
                "attribute `a` is listed twice",
            ),
        ] {
            let error = manifest_from_toml(&with_attribute(keys)).expect_err("it is invalid");
            let text = error.to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}
