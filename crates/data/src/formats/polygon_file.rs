//! The content of a polygon file of any format, and its errors.

use std::collections::{BTreeMap, BTreeSet};

use super::coordinates::ParsedPolygons;
use super::crs::{Crs, SourceCrs};
use super::rings::Polygon;

/// The options for reading a polygon file.
#[derive(Debug, Clone, Copy, Default)]
pub struct PolygonReadOptions {
    /// The coordinate reference system, which takes precedence over the one that the file states.
    pub crs: Option<SourceCrs>,
    /// Whether an error about the coordinate reference system suggests configuring the system.
    pub is_crs_configurable: bool,
    /// Whether the polygons are repaired afterwards. If so, rings without an area, and holes
    /// outside every exterior, are retained. Otherwise, these rings are errors.
    pub keep_invalid: bool,
}

/// A feature of a polygon file.
#[derive(Debug, Clone, Default)]
pub struct PolygonFeature {
    /// The position of the feature in the file, counted from 1.
    pub(crate) ordinal: usize,
    /// The attributes as text, by name in lower case. Omits blank attributes, and attributes whose
    /// names differ only in case.
    pub(crate) attributes: BTreeMap<String, String>,
    /// The attributes whose names differ only in case, by exact name. Omits blank attributes.
    pub(crate) case_variants: BTreeMap<String, String>,
    /// The polygons, in units of the file's coordinate reference system.
    pub(crate) polygons: Vec<Polygon>,
    /// Whether rings were reversed, because they did not have the orientation that RFC 7946
    /// requires or, in a Shapefile, the orientation that the Shapefile format requires. All
    /// GeoPackages from GDAL contain such rings.
    pub(crate) reoriented: bool,
    /// Whether rings that are only a point or a line were dropped.
    pub(crate) dropped_rings: bool,
}

/// A polygon file that has been read.
#[derive(Debug, Clone)]
pub struct PolygonFile {
    pub(crate) name: String,
    pub(crate) crs: Crs,
    pub(crate) features: Vec<PolygonFeature>,
    /// The labels of the features that have no geometry, which are not in `features`.
    pub(crate) without_geometry: Vec<String>,
    /// Remarks about the file for the report of the build.
    pub(crate) remarks: Vec<String>,
    /// The names of attributes that differ only in case.
    pub(crate) case_variants: CaseVariants,
}

/// The names of a file's attributes that differ from another name only in case.
#[derive(Debug, Clone, Default)]
pub(crate) struct CaseVariants(BTreeSet<String>);

impl CaseVariants {
    /// Finds the names that differ only in case.
    pub(super) fn find<'n>(names: impl Iterator<Item = &'n str>) -> CaseVariants {
        let mut by_lowercase: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for name in names {
            by_lowercase
                .entry(name.to_lowercase())
                .or_default()
                .insert(name);
        }
        let several = by_lowercase.into_values().filter(|names| names.len() > 1);
        CaseVariants(several.flatten().map(str::to_string).collect())
    }

    /// Separates the attributes of a feature, which are given by exact name. Attributes whose names
    /// differ only in case are returned by exact name, and all other attributes by name in lower
    /// case. Omits blank attributes.
    pub(super) fn separate(
        &self,
        attributes: impl IntoIterator<Item = (String, String)>,
    ) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
        let (mut by_lowercase, mut case_variants) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in attributes {
            if value.is_empty() {
                continue;
            }
            if self.0.contains(&name) {
                case_variants.insert(name, value);
            } else {
                by_lowercase.insert(name.to_lowercase(), value);
            }
        }
        (by_lowercase, case_variants)
    }

    /// Returns the names that are equal to `name` except for their case.
    fn matching(&self, name: &str) -> Vec<&str> {
        let lowercase = name.to_lowercase();
        let names = self.0.iter().map(String::as_str);
        names
            .filter(|other| other.to_lowercase() == lowercase)
            .collect()
    }
}

/// An error in a polygon file.
#[derive(Debug, thiserror::Error)]
pub enum PolygonError {
    /// An error in the file as a whole.
    #[error("{file}: {reason}")]
    File {
        /// The file.
        file: String,
        /// The reason.
        reason: String,
    },
    /// An error in one feature.
    #[error("{file}, feature {feature}: {reason}")]
    Feature {
        /// The file.
        file: String,
        /// The position of the feature in the file, counted from 1, and its id, if any.
        feature: String,
        /// The reason.
        reason: String,
    },
}

impl PolygonFeature {
    /// Creates a feature from its polygons and its attributes, which [`CaseVariants::separate`] has
    /// separated.
    pub(super) fn new(
        ordinal: usize,
        attributes: BTreeMap<String, String>,
        case_variants: BTreeMap<String, String>,
        parsed: ParsedPolygons,
    ) -> PolygonFeature {
        PolygonFeature {
            ordinal,
            attributes,
            case_variants,
            polygons: parsed.polygons,
            reoriented: parsed.reoriented,
            dropped_rings: parsed.dropped_rings,
        }
    }

    /// Returns the label of the feature for messages.
    pub(crate) fn label(&self) -> String {
        feature_label(self.ordinal, &self.attributes)
    }
}

impl PolygonFile {
    /// Returns the labels of the features whose rings were reversed.
    pub(crate) fn reoriented(&self) -> Vec<String> {
        self.features
            .iter()
            .filter(|feature| feature.reoriented)
            .map(PolygonFeature::label)
            .collect()
    }

    /// Creates a polygon file. Omits features without a geometry, and lists them. Returns an error
    /// if there are no features.
    pub(super) fn new_non_empty(
        name: &str,
        crs: Crs,
        features: Vec<PolygonFeature>,
        without_geometry: Vec<String>,
    ) -> Result<PolygonFile, PolygonError> {
        if features.is_empty() {
            let reason = match without_geometry.len() {
                0 => "the file has no features",
                _ => "none of the features has a geometry",
            };
            return Err(file_error(name, reason));
        }
        Ok(PolygonFile {
            name: name.into(),
            crs,
            features,
            without_geometry,
            remarks: Vec::new(),
            case_variants: CaseVariants::default(),
        })
    }

    /// Returns an attribute of a feature by name, or an error if the feature does not have the
    /// attribute. Ignores case unless the file contains several attributes whose names differ only
    /// in case; in such a file, the name must be exact.
    pub(crate) fn attribute<'f>(
        &self,
        feature: &'f PolygonFeature,
        attribute: &str,
    ) -> Result<&'f str, PolygonError> {
        let variants = self.case_variants.matching(attribute);
        let value = if variants.is_empty() {
            feature.attributes.get(&attribute.to_lowercase())
        } else if variants.contains(&attribute) {
            feature.case_variants.get(attribute)
        } else {
            return Err(file_error(
                &self.name,
                format!(
                    "the attributes `{}` differ only in case, and none of them is `{attribute}`; \
                     name one of them exactly",
                    variants.join("`, `")
                ),
            ));
        };
        value.map(String::as_str).ok_or_else(|| {
            let known = self.attribute_names(feature);
            self.error(feature, format!("no attribute `{attribute}`; {known}"))
        })
    }

    /// Describes the attributes of a feature and of the other features in the file, for an error
    /// message.
    fn attribute_names(&self, feature: &PolygonFeature) -> String {
        /// The maximum number of attributes that are listed.
        const NAMED_MAX: usize = 12;
        let features = self.features.iter().chain([feature]);
        let names: BTreeSet<&String> = features
            .flat_map(|feature| {
                feature
                    .attributes
                    .keys()
                    .chain(feature.case_variants.keys())
            })
            .collect();
        let named = names.iter().take(NAMED_MAX);
        let named: Vec<String> = named.map(|name| format!("`{name}`")).collect();
        let more = if names.len() > NAMED_MAX { ", …" } else { "" };
        match named.is_empty() {
            true => "the file has no attributes".into(),
            false => format!("the file has {}{more}", named.join(", ")),
        }
    }

    /// Returns an error about a feature of the file.
    pub(crate) fn error(
        &self,
        feature: &PolygonFeature,
        reason: impl Into<String>,
    ) -> PolygonError {
        feature_error(&self.name, &feature.label(), reason)
    }
}

/// Returns the label of a feature for messages: its position in the file, and its id, if any.
pub(super) fn feature_label(ordinal: usize, attributes: &BTreeMap<String, String>) -> String {
    match attributes.get("id") {
        Some(id) => format!("{ordinal} (`{id}`)"),
        None => ordinal.to_string(),
    }
}

/// Returns an error about a file as a whole.
pub(crate) fn file_error(file: &str, reason: impl Into<String>) -> PolygonError {
    PolygonError::File {
        file: file.into(),
        reason: reason.into(),
    }
}

/// Returns an error about one feature.
pub(super) fn feature_error(file: &str, feature: &str, reason: impl Into<String>) -> PolygonError {
    PolygonError::Feature {
        file: file.into(),
        feature: feature.into(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_that_differ_in_case_are_named_exactly() {
        let names = ["ID", "id", "Name"];
        let case_variants = CaseVariants::find(names.into_iter());
        let text = |name: &str, value: &str| (name.to_string(), value.to_string());
        let (attributes, variants) = case_variants.separate([
            text("ID", "E54000048"),
            text("id", "1"),
            text("Name", "Kay"),
            text("blank", ""),
        ]);
        let feature = PolygonFeature {
            attributes,
            case_variants: variants,
            ..PolygonFeature::default()
        };
        let mut file =
            PolygonFile::new_non_empty("a", Crs::LonLat, vec![feature.clone()], Vec::new())
                .expect("a feature");
        file.case_variants = case_variants;
        let read = |name: &str| {
            file.attribute(&feature, name)
                .map_err(|error| error.to_string())
        };
        assert_eq!(read("ID"), Ok("E54000048"));
        assert_eq!(read("id"), Ok("1"));
        assert_eq!(read("NAME"), Ok("Kay"));
        let expected = "a: the attributes `ID`, `id` differ only in case, and none of them is `Id`; name one of them exactly";
        assert_eq!(read("Id"), Err(expected.to_string()));
        assert!(read("blank").is_err());
    }
}
