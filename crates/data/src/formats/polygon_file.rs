//! The content of a polygon file of any format, and its errors.

use std::collections::BTreeMap;

use super::coordinates::Crs;
use super::rings::Polygon;

/// A feature of a polygon file.
#[derive(Debug, Clone)]
pub struct PolygonFeature {
    /// The position of the feature in the file, counted from 1.
    pub(crate) ordinal: usize,
    /// The attributes as text, by name in lower case. Blank attributes are left out.
    pub(crate) attributes: BTreeMap<String, String>,
    /// The polygons, in units of the file's coordinate reference system.
    pub(crate) polygons: Vec<Polygon>,
    /// Whether rings were reversed, because they did not have the orientation that RFC 7946
    /// requires or, in a Shapefile, the orientation that the Shapefile format requires. All
    /// GeoPackages written by GDAL have such rings.
    pub(crate) reoriented: bool,
}

/// A polygon file that has been read.
#[derive(Debug, Clone)]
pub struct PolygonFile {
    pub(crate) name: String,
    pub(crate) crs: Crs,
    pub(crate) features: Vec<PolygonFeature>,
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
        /// The position of the feature in the file, counted from 1, and its id if it has one.
        feature: String,
        /// The reason.
        reason: String,
    },
}

impl PolygonFeature {
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

    /// Creates a polygon file. Returns an error if there are no features.
    pub(super) fn new_non_empty(
        name: &str,
        crs: Crs,
        features: Vec<PolygonFeature>,
    ) -> Result<PolygonFile, PolygonError> {
        if features.is_empty() {
            return Err(PolygonError::File {
                file: name.into(),
                reason: "the file has no features".into(),
            });
        }
        Ok(PolygonFile {
            name: name.into(),
            crs,
            features,
        })
    }

    /// Returns an attribute of a feature by name, ignoring case, or an error if the feature does
    /// not have the attribute.
    pub(crate) fn attribute<'f>(
        &self,
        feature: &'f PolygonFeature,
        attribute: &str,
    ) -> Result<&'f str, PolygonError> {
        feature
            .attributes
            .get(&attribute.to_lowercase())
            .map(String::as_str)
            .ok_or_else(|| self.error(feature, format!("no attribute `{attribute}`")))
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

/// Returns the label of a feature for messages: its position in the file, and its id if it has one.
pub(super) fn feature_label(ordinal: usize, attributes: &BTreeMap<String, String>) -> String {
    match attributes.get("id") {
        Some(id) => format!("{ordinal} (`{id}`)"),
        None => ordinal.to_string(),
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
