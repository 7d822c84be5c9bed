//! The configuration of a build: which published files make which layer.

use std::path::PathBuf;

use serde::Deserialize;

use crate::dataset::{LayerKind, Source};
use crate::import::lookup;

/// A build's configuration. Paths are relative to the file that it stands in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) title: String,
    pub(super) as_of: String,
    pub(super) attribution: String,
    pub(super) licence: String,
    pub(super) tolerance_m: f64,
    pub(super) undated_terminations_after: Option<String>,
    /// The folder that is written, where the command line names none.
    pub(super) output: PathBuf,
    pub(super) sources: Vec<Source>,
    pub(super) postcodes: Postcodes,
    pub(super) statistical_areas: StatisticalAreas,
    pub(super) history: PathBuf,
    pub(super) practices: Practices,
    pub(super) layers: Vec<LayerConfig>,
}

/// Which postcodes are held.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Postcodes {
    pub(super) file: PathBuf,
    /// Every postcode of the outward codes that have at least one in these sub-ICB locations.
    pub(super) outcodes_touching_sub_icb: Vec<String>,
}

/// The polygons that layers are made of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatisticalAreas {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) boundaries: PathBuf,
    /// The attributes with the code and the name.
    pub(super) code: String,
    pub(super) name: String,
    pub(super) snap_m: f64,
}

/// The practices, their buildings and their successions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Practices {
    pub(super) file: PathBuf,
    pub(super) sites: PathBuf,
    pub(super) successions: PathBuf,
    pub(super) sub_icb: Vec<String>,
}

/// A layer, and the way that it is made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayerConfig {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) kind: LayerKind,
    pub(super) first_data: String,
    pub(super) provenance: String,
    #[serde(flatten)]
    pub(super) way: Way,
}

/// The ways to make a layer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// Each area is the statistical areas that a look-up gives it.
    Lookup(Lookup),
    /// Each practice's area is where a model expects its patients.
    Model(Model),
    /// Each group's area is the areas of its members.
    Members(Members),
}

/// A look-up from statistical areas to areas.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lookup {
    pub(super) file: PathBuf,
    pub(super) columns: lookup::Columns,
}

/// The gravity model of practice coverage; see `model.rs` for the formula.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    /// Smaller shares are left out.
    pub(super) share_min: f64,
    /// The layer whose look-up says which statistical areas are modelled.
    pub(super) within: String,
    /// Whom the ground keeps from each other.
    #[serde(default)]
    pub(super) barriers: Vec<Barrier>,
}

/// People of these districts do not register with practices of these communities.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Barrier {
    /// Names of statistical areas without their last word: `South Lakeland`.
    pub(super) districts: Vec<String>,
    /// Only statistical areas whose centre is west of this easting, in metres.
    pub(super) west_of: Option<f64>,
    /// Only statistical areas whose centre is not west of this easting, in metres.
    pub(super) from_easting: Option<f64>,
    /// ICC ids.
    pub(super) no_practices_of: Vec<String>,
}

/// Groups known by their members.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Members {
    pub(super) file: PathBuf,
}
