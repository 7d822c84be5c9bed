//! The configuration of a build: which published files make which layer.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use serde::Deserialize;

use crate::dataset::manifest::{check_distance, check_licence};
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
    pub(super) statistical_areas: Option<StatisticalAreas>,
    #[serde(default)]
    pub(super) practices: Practices,
    /// Questions with the answers that the dataset must give.
    pub(super) canaries: Option<PathBuf>,
    /// How many ICCs each system's own page states.
    pub(super) systems: Option<PathBuf>,
    /// Who is a member of what, in the dataset's own columns; a practice that is in it goes by it alone.
    pub(super) memberships: Option<PathBuf>,
    /// Areas over time.
    pub(super) history: Option<PathBuf>,
    /// Who is registered where, by name.
    #[serde(default)]
    pub(super) shares: Vec<SharesConfig>,
    pub(super) layers: Vec<LayerConfig>,
}

impl Config {
    /// Checks what its types do not say, before anything is read.
    ///
    /// # Errors
    /// The field, and what would be right.
    pub(super) fn check(&self) -> Result<()> {
        let check = || {
            check_licence(&self.licence)?;
            check_distance("tolerance_m", self.tolerance_m)?;
            if let Some(statistical) = &self.statistical_areas {
                check_distance("[statistical_areas] snap_m", statistical.snap_m)?;
            }
            for layer in &self.layers {
                check_distance(&format!("layer `{}`: snap_m", layer.id), layer.snap_m)?;
                for way in &layer.ways {
                    let Way::Coverage(coverage) = &way.way else {
                        continue;
                    };
                    let share_min = coverage.share_min;
                    if !(0.0..=1.0).contains(&share_min) {
                        let layer = &layer.id;
                        return Err(format!(
                            "layer `{layer}`: share_min: `{share_min}` is not a share from 0 to 1"
                        ));
                    }
                }
            }
            Ok(())
        };
        check().map_err(|reason: String| anyhow!(reason))
    }

    /// Every file and folder that the build reads, as the configuration names it.
    pub(super) fn inputs(&self) -> Vec<&Path> {
        // Each structure is taken apart in full: a field that is added has to be looked at here.
        let Config {
            name: _,
            version: _,
            title: _,
            as_of: _,
            attribution: _,
            licence: _,
            tolerance_m: _,
            undated_terminations_after: _,
            output: _,
            sources: _,
            postcodes,
            statistical_areas,
            practices,
            canaries,
            systems,
            memberships,
            history,
            shares,
            layers,
        } = self;
        let Practices {
            directories,
            networks,
            sites,
            successions,
            sub_icb: _,
        } = practices;
        let mut inputs: Vec<&Path> = Vec::new();
        inputs.extend(postcodes.directories.iter().map(|it| it.file.as_path()));
        inputs.extend(statistical_areas.iter().map(|it| it.boundaries.as_path()));
        inputs.extend(directories.iter().map(|it| it.file.as_path()));
        inputs.extend(successions.iter().map(|it| it.file.as_path()));
        inputs.extend(shares.iter().filter_map(|it| it.registrations.as_deref()));
        let single = [networks, sites, canaries, systems, memberships, history];
        inputs.extend(single.into_iter().flatten().map(PathBuf::as_path));
        let ways = layers.iter().flat_map(|layer| &layer.ways);
        inputs.extend(ways.filter_map(|way| way.way.input()));
        inputs
    }
}

impl Way {
    fn input(&self) -> Option<&Path> {
        match self {
            Way::Polygons(way) => Some(&way.file),
            Way::Lookup(way) => Some(&way.file),
            Way::Catchments(way) => Some(&way.file),
            Way::Hierarchy(way) => Some(&way.file),
            Way::Members(way) => Some(&way.file),
            Way::Plurality(_) | Way::Coverage(_) => None,
        }
    }
}

/// Which postcodes are held.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Postcodes {
    /// A later directory adds the postcodes that the earlier ones lack, and what they leave blank.
    pub(super) directories: Vec<Directory>,
    /// Every postcode of the outward codes that have at least one in these sub-ICB locations; all
    /// postcodes, where none is named.
    #[serde(default)]
    pub(super) outcodes_touching_sub_icb: Vec<String>,
    /// Whether the directories together list every postcode of every outward code that they have.
    /// A code that is not there is then known not to exist; of a sample nothing is known.
    #[serde(default = "is_complete_by_default")]
    pub(super) complete: bool,
}

fn is_complete_by_default() -> bool {
    true
}

/// A directory of postcodes as it was published.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Directory {
    pub(super) format: DirectoryFormat,
    pub(super) file: PathBuf,
}

/// The formats of postcode directories.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DirectoryFormat {
    /// A table with this project's own columns.
    PostcodeList,
    /// OS Code-Point Open.
    CodePointOpen,
    /// ONS Postcode Directory or National Statistics Postcode Lookup, with LSOAs of 2011.
    OnspdLsoa11,
    /// The same, with LSOAs of 2021.
    OnspdLsoa21,
}

/// The polygons that layers are made of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatisticalAreas {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) boundaries: PathBuf,
    /// The attributes with the code, the name and the sub-ICB location.
    pub(super) code: String,
    pub(super) name: String,
    pub(super) sub_icb: Option<String>,
    pub(super) snap_m: f64,
    #[serde(default)]
    pub(super) nested_parts: NestedParts,
}

/// What a part that lies within another part of its own area is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NestedParts {
    /// A fault of the file.
    #[default]
    Refused,
    /// A hole that the file calls a part; some of the ONS's files have a few.
    Holes,
}

/// The practices, their buildings, networks and successions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Practices {
    /// A later directory adds the practices that the earlier ones lack.
    #[serde(default)]
    pub(super) directories: Vec<PracticeDirectory>,
    /// Primary Care Networks and their practices, as NHS ODS publishes them (`ePCN`).
    pub(super) networks: Option<PathBuf>,
    pub(super) sites: Option<PathBuf>,
    #[serde(default)]
    pub(super) successions: Vec<SuccessionFile>,
    /// Practices of these sub-ICB locations; all practices, where none is named.
    #[serde(default)]
    pub(super) sub_icb: Vec<String>,
}

/// A directory of practices as it was published.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PracticeDirectory {
    pub(super) format: PracticeFormat,
    pub(super) file: PathBuf,
}

/// The formats of practice directories.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PracticeFormat {
    /// A table with this project's own columns.
    PracticeList,
    /// NHS ODS `epraccur`.
    Epraccur,
}

/// A list of successions as it was published.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SuccessionFile {
    pub(super) format: SuccessionFormat,
    pub(super) file: PathBuf,
}

/// The formats of lists of successions.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SuccessionFormat {
    /// A table with this project's own columns.
    SuccessionList,
    /// NHS ODS `succ` or `succarc`.
    Succ,
}

/// What part of each statistical area's people is registered with which practice.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SharesConfig {
    pub(super) name: String,
    /// Practices and statistical areas of these sub-ICB locations; all, where none is named.
    #[serde(default)]
    pub(super) sub_icb: Vec<String>,
    /// As NHS England publishes it.
    pub(super) registrations: Option<PathBuf>,
    /// As a model expects it, where no registrations are to be had.
    pub(super) model: Option<Model>,
}

/// The gravity model of registrations; see `shares.rs` for the formula.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
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

/// A layer, and the ways that its areas are made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayerConfig {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) kind: LayerKind,
    pub(super) first_data: String,
    pub(super) provenance: String,
    /// Off a generalised coast, a place this many metres away still belongs to the nearest area.
    #[serde(default)]
    pub(super) snap_m: f64,
    pub(super) ways: Vec<WayConfig>,
}

/// A way to make areas, and the period in which what it makes holds.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WayConfig {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    #[serde(flatten)]
    pub(super) way: Way,
}

/// The ways to make the areas of a layer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// Polygons as given.
    Polygons(Polygons),
    /// Each area is the statistical areas that a look-up gives it.
    Lookup(Lookup),
    /// Each area is the statistical areas in which its practices have the most patients.
    Plurality(Plurality),
    /// Each practice's area is the statistical areas where it has its patients.
    Coverage(Coverage),
    /// Each practice's area is what it declares.
    Catchments(Catchments),
    /// Areas of the hierarchy of the NHS, by their selector or their children.
    Hierarchy(Hierarchy),
    /// Each group's area is the areas of its members.
    Members(Members),
}

/// Polygons as given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Polygons {
    pub(super) file: PathBuf,
    /// The layer of a GeoPackage.
    pub(super) layer: Option<String>,
    /// The attributes with the id and the name.
    pub(super) id: String,
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) nested_parts: NestedParts,
    /// What an id begins with; the rest is then the attribute in lower case with hyphens.
    #[serde(default)]
    pub(super) id_prefix: String,
    pub(super) system: Option<String>,
}

/// A look-up from statistical areas to areas.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lookup {
    pub(super) file: PathBuf,
    pub(super) columns: lookup::Columns,
    pub(super) system: Option<String>,
}

/// Areas by plurality of patients.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plurality {
    /// Whose patients live where.
    pub(super) shares: String,
    /// The practices' own groups: `icc` or `pcn`.
    pub(super) by: String,
    /// Practices of these sub-ICB locations; all, where none is named.
    #[serde(default)]
    pub(super) sub_icb: Vec<String>,
    /// What an area's id begins with. The rest is the group's own id; its name in lower case with
    /// hyphens where the layer is not the practices' own.
    #[serde(default)]
    pub(super) id_prefix: String,
    pub(super) system: Option<String>,
}

/// A practice's area by its patients.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Coverage {
    /// Whose patients live where.
    pub(super) shares: String,
    /// Smaller shares are left out, and the others not scaled up.
    pub(super) share_min: f64,
}

/// A practice's area as it declares it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Catchments {
    /// A folder or a zip archive with a GeoJSON a practice.
    pub(super) file: PathBuf,
}

/// Areas of the hierarchy of the NHS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hierarchy {
    pub(super) file: PathBuf,
}

/// Groups known by their members.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Members {
    pub(super) file: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it names is on nobody's disk but its user's, so that no test builds it.
    #[test]
    fn the_configuration_of_the_whole_country_is_one() {
        let text = include_str!("../../data/national.toml");
        let config: Config = toml::from_str(text).expect("a configuration");
        let areas = config.statistical_areas.expect("LSOAs");
        assert_eq!(areas.nested_parts, NestedParts::Holes);
        assert!(config.postcodes.complete && config.postcodes.directories.len() == 1);
    }
}
