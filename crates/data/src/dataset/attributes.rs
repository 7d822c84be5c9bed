//! The rules for attributes of postcodes and areas in manifests and configurations.

use catchment_core::domain::{Attribute, AttributeEntry, AttributeKey, LayerEntry, LayerKind};

/// The keys of an attribute in a manifest or in a configuration.
pub(crate) struct AttributeDeclaration<'t> {
    pub(crate) id: &'t str,
    pub(crate) title: &'t str,
    pub(crate) by: &'t str,
}

/// Returns the manifest's entry of an attribute, without the date of the attribute's source.
///
/// # Errors
/// If the id is malformed, or is already the id of another attribute, of a layer or of the
/// statistical areas. Also if the attribute does not belong to postcodes, to the statistical areas
/// or to a layer whose areas do not overlap.
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

#[cfg(test)]
mod tests {
    use super::super::manifest::{manifest_from_toml, manifest_to_toml};
    use super::*;

    /// Returns the manifest of the embedded dataset with an added attribute.
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
