//! What a dataset says about itself: its name, version, layers and sources.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::keyword::keyword_enum;
use super::{Layer, Provenance, YearMonth};

/// The manifest of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The short name, used in URLs: `lancashire-and-cumbria`.
    pub name: String,
    /// The version of the release: `2025.2`.
    pub version: String,
    /// The title shown to users.
    pub title: String,
    /// The date that the data describe.
    pub as_of: Date,
    /// The attribution, which is shown wherever the data are shown.
    pub attribution: String,
    /// The URL of the data's licence.
    pub licence: String,
    /// The distance in metres from a boundary within which an answer is `near_boundary`.
    pub tolerance_m: f64,
    /// The month until which terminated postcodes without a month of termination are known to have
    /// been in use.
    pub undated_terminations_after: Option<YearMonth>,
    /// The outward codes whose postcodes are all in the dataset.
    pub complete_outcodes: Vec<String>,
    /// The statistical areas that layers are defined on.
    pub statistical_areas: Option<StatisticalAreasEntry>,
    /// The layers of the dataset, at most once each.
    pub layers: Vec<LayerEntry>,
    /// The published works that the dataset was built from.
    pub sources: Vec<SourceEntry>,
    /// The size and checksum of every other file in the dataset's folder, by its path in that
    /// folder.
    pub files: BTreeMap<String, FileEntry>,
}

impl Manifest {
    /// Returns the entry of a layer; `None` if the dataset does not have the layer.
    pub fn layer(&self, layer: Layer) -> Option<&LayerEntry> {
        self.layers.iter().find(|entry| entry.id == layer)
    }

    /// Returns the title of a layer in the plural, or its id if the dataset does not have the
    /// layer.
    pub fn layer_title(&self, layer: Layer) -> &str {
        self.layer(layer)
            .map_or(layer.as_str(), |entry| entry.title.as_str())
    }
}

/// The statistical areas that layers are defined on, such as LSOAs.
#[derive(Debug, Clone, PartialEq)]
pub struct StatisticalAreasEntry {
    /// The id of the statistical areas: `lsoa11`.
    pub id: String,
    /// The title of the statistical areas, for people.
    pub title: String,
    /// The path of the file with the boundaries of the statistical areas.
    pub boundaries: String,
    /// The snap distance in metres. A position outside every statistical area is assigned to the
    /// nearest statistical area if that area is within this distance. Such positions occur on
    /// coasts with a generalised boundary.
    pub snap_m: f64,
}

/// A layer of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerEntry {
    /// The layer.
    pub id: Layer,
    /// The title for people, in the plural.
    pub title: String,
    /// The kind: whether the layer's areas may overlap, and whether they are unions of other areas.
    pub kind: LayerKind,
    /// The first date for which there are data.
    pub first_data: Date,
    /// The provenance of the layer's boundaries.
    pub provenance: Provenance,
    /// The path of the file with the layer's boundaries.
    pub boundaries: Option<String>,
    /// Whether the layer's areas are defined as sets of statistical areas.
    pub on_statistical_areas: bool,
    /// The snap distance in metres. A position outside every area is assigned to the nearest area
    /// if that area is within this distance. Such positions occur on coasts with a generalised
    /// boundary; the snap distance is 0 if the boundary is exact. A layer that is defined on
    /// statistical areas uses the snap distance of the statistical areas instead.
    pub snap_m: f64,
}

/// The kind of a layer: whether its areas may overlap, and whether they are unions of other areas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    /// Areas do not overlap, so every position is in at most one area.
    Partition,
    /// Areas may overlap.
    Overlapping,
    /// An area is the union of its members' areas.
    Membership,
}

keyword_enum!(LayerKind {
    Partition = "partition",
    Overlapping = "overlapping",
    Membership = "membership",
});

/// A published work that the dataset was built from.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceEntry {
    /// The title of the work.
    pub title: String,
    /// The date or edition of the work.
    pub vintage: String,
}

/// The size and checksum of a file of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct FileEntry {
    /// The SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// The size in bytes.
    pub size_bytes: u64,
}
