//! The configuration of a build: the published files from which each layer is built, and the
//! methods.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use jiff::civil::Date;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::attributes_config::AttributeConfig;
use super::facts_config::FactsConfig;
use super::homes_config::UprnConfig;
use super::unused_limits::UnusedLimits;
use crate::dataset::layer_rules::{remove_default_parents, role_errors, set_errors};
use crate::dataset::manifest::{
    LayerDeclaration, LayerDeclarationKeys, SourceTable, check_distance, check_licence, data_date,
    deserialize_date, deserialize_keyword, deserialize_layer, deserialize_optional_date,
    deserialize_optional_keyword, deserialize_optional_layer,
};
use crate::dataset::{LayerEntry, LayerKind};
use crate::formats::SourceCrs;
use crate::import::{lookup, nhspd};
use catchment_core::domain::{
    DataDate, Layer, LayerRole, OrganisationKind, PostcodeColumn, Provenance, SourceDate, YearMonth,
};

/// The configuration of a build. Paths are relative to the folder of the configuration file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BuildConfig {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) title: String,
    #[serde(deserialize_with = "deserialize_date")]
    pub(super) as_of: Date,
    /// The date on which this version is released.
    #[serde(default, deserialize_with = "deserialize_optional_date")]
    pub(super) released: Option<Date>,
    /// The organisation that publishes the dataset.
    pub(super) publisher: Option<String>,
    pub(super) attribution: String,
    pub(super) licence: String,
    pub(super) tolerance_m: f64,
    #[serde(default, deserialize_with = "deserialize_optional_keyword")]
    pub(super) undated_terminations_after: Option<YearMonth>,
    /// The output folder, unless the command line specifies another folder.
    pub(super) output: PathBuf,
    pub(super) sources: SourcesConfig,
    pub(super) postcodes: PostcodesConfig,
    pub(super) statistical_areas: Option<StatisticalAreasConfig>,
    #[serde(default)]
    pub(super) practices: PracticesConfig,
    /// The file of golden queries: queries with their expected answers.
    pub(super) golden_queries: Option<PathBuf>,
    /// The file that contains the number of communities on the web page of each system.
    pub(super) systems: Option<PathBuf>,
    /// The file of memberships, with the columns of the dataset's `memberships.csv`. If a practice
    /// is in this file, its communities here replace its community in the practice directory.
    pub(super) memberships: Option<PathBuf>,
    /// The file with the history of areas: names, periods, mergers and parts.
    pub(super) history: Option<PathBuf>,
    /// The file with the changes of areas on known days, such as mergers.
    pub(super) changes: Option<PathBuf>,
    /// The files with further facts about areas and partnerships.
    #[serde(default)]
    pub(super) facts: FactsConfig,
    /// Named tables. Each table contains, for each statistical area and practice, the share of the
    /// area's people who are registered with the practice.
    #[serde(default)]
    pub(super) shares: Vec<SharesConfig>,
    /// How much of each source may be lost or doubtful.
    #[serde(default)]
    pub(super) unused_max: UnusedLimits,
    pub(super) layers: Vec<LayerConfig>,
    /// Further columns of published files, with a value for each postcode or area.
    #[serde(default)]
    pub(super) attributes: Vec<AttributeConfig>,
    /// The list of addresses by which the homes of postcodes are counted.
    pub(super) uprn: Option<UprnConfig>,
}

impl BuildConfig {
    /// Parses a configuration.
    ///
    /// # Errors
    /// If the text is not TOML, a key is unknown or missing, or a value has the wrong type. The
    /// error states the line, the allowed keys and, for a `[[layers]]` table, the layer.
    pub(super) fn parse(text: &str) -> Result<BuildConfig> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let layer = error.span().and_then(|span| layer_at(text, span.start));
            match layer {
                Some(layer) => anyhow!(error).context(format!("layer `{layer}`")),
                None => anyhow!(error),
            }
        })
    }

    /// Checks values that the types do not constrain, before any file is read.
    ///
    /// # Errors
    /// If a value is invalid. The error lists every invalid field and its valid values.
    pub(super) fn check(&self) -> Result<()> {
        let errors = self.value_errors();
        match errors.as_slice() {
            [] => Ok(()),
            _ => Err(anyhow!(errors.join("\n"))),
        }
    }

    /// Returns the errors that [`BuildConfig::check`] reports.
    fn value_errors(&self) -> Vec<String> {
        let mut results = vec![
            check_licence(&self.licence),
            check_distance("tolerance_m", self.tolerance_m),
        ];
        if let Some(statistical) = &self.statistical_areas {
            results.push(check_distance(
                "[statistical_areas] snap_m",
                statistical.snap_m,
            ));
        }
        for (what, keys) in self.data_dates() {
            results.push(data_date(&what, keys.as_of, keys.words.clone()).map(|_| ()));
        }
        let mut errors: Vec<String> = results.into_iter().filter_map(Result::err).collect();
        let allowed = self
            .statistical_areas
            .as_ref()
            .map(|table| table.allow_overlap_m2);
        errors.extend(
            allowed.and_then(|allowed| size_error("[statistical_areas] allow_overlap_m2", allowed)),
        );
        for layer in &self.layers {
            errors.extend(self.layer_errors(layer));
        }
        errors.extend(self.layer_set_errors());
        let inputs = self.inputs();
        let inputs: Vec<String> = inputs
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        errors.extend(self.unused_max.errors(&inputs));
        errors
    }

    /// Returns, for each layer, whether its table has the key `role`. Configurations of earlier
    /// versions do not have it.
    pub(super) fn layers_with_role_key(&self) -> Vec<bool> {
        let layers = self.layers.iter();
        layers.map(|layer| layer.role.is_some()).collect()
    }

    /// Returns the errors of layers that are inconsistent with each other.
    fn layer_set_errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let is_repeated =
                |others: &[LayerConfig]| others.iter().any(|other| other.id == layer.id);
            if is_repeated(&self.layers[..index]) {
                errors.push(format!(
                    "layer `{}` is listed twice; each layer must have its own id",
                    layer.id
                ));
            }
        }
        let has_role = self.layers_with_role_key();
        let entries = self.layers.iter().map(LayerConfig::entry);
        // An incomplete declaration of a layer is reported elsewhere.
        let Ok(mut entries) = entries.collect::<Result<Vec<LayerEntry>, String>>() else {
            return errors;
        };
        remove_default_parents(&mut entries, &has_role);
        errors.extend(set_errors(&entries));
        for (entry, _) in entries
            .iter()
            .zip(has_role)
            .filter(|(_, has_role)| *has_role)
        {
            errors.extend(role_errors(&entries, entry));
        }
        errors
    }

    fn layer_errors(&self, layer: &LayerConfig) -> Vec<String> {
        let id = &layer.id;
        let snap = check_distance(&format!("layer `{id}`: snap_m"), layer.snap_m);
        let mut errors: Vec<String> = snap.err().into_iter().collect();
        errors.extend(layer.declaration().err());
        for (key, allowed) in [
            ("allow_overlap_m2", layer.allow_overlap_m2),
            ("allow_gap_m2", layer.allow_gap_m2),
        ] {
            errors.extend(size_error(&format!("layer `{id}`: {key}"), allowed));
        }
        let reads_polygons =
            |config: &MethodConfig| matches!(config.method, AreaMethod::Polygons(_));
        let has_file_keys = layer.repair || layer.crs.is_some();
        if has_file_keys && !layer.methods.iter().any(reads_polygons) {
            errors.push(format!(
                "layer `{id}`: `repair` and `crs` apply to polygon files, but none of its methods \
                 is `polygons`"
            ));
        }
        errors.extend(self.statistical_layer_error(layer));
        errors.extend(layer.postcode_column_error());
        for method in &layer.methods {
            let error = method.method.error();
            errors.extend(error.map(|error| format!("layer `{id}`: {error}")));
            let shares = match &method.method {
                AreaMethod::ShareThreshold(threshold) => {
                    let share_min = threshold.share_min;
                    // With a share of 0, every practice would have every statistical area.
                    if !(share_min > 0.0 && share_min <= 1.0) {
                        errors.push(format!(
                            "layer `{id}`: share_min: `{share_min}` is not a share greater than 0 \
                             and at most 1"
                        ));
                    }
                    &threshold.shares
                }
                AreaMethod::Plurality(plurality) => &plurality.shares,
                _ => continue,
            };
            // If there are no `[[shares]]` tables, the method returns the error when it runs.
            if !self.shares.is_empty() && !self.shares.iter().any(|table| table.name == *shares) {
                errors.push(format!(
                    "layer `{id}`: no `[[shares]]` table has the name `{shares}`"
                ));
            }
        }
        errors
    }

    /// Returns an error if the layer has the method `statistical_areas` but its id is not the id of
    /// the statistical areas, or if it has this id but not the method. Such a layer and the
    /// statistical areas share one file of boundaries, which is named after the id.
    fn statistical_layer_error(&self, layer: &LayerConfig) -> Option<String> {
        let id = &layer.id;
        let statistical = self.statistical_areas.as_ref().map(|table| &*table.id);
        let has_id = statistical == Some(id.as_str());
        match (layer.is_statistical_areas(), has_id, statistical) {
            (true, true, _) if layer.methods.len() > 1 => Some(format!(
                "layer `{id}`: the method `statistical_areas` must be its only method"
            )),
            (true, false, Some(other)) => Some(format!(
                "layer `{id}`: a layer with the method `statistical_areas` must have the id of \
                 [statistical_areas], `{other}`"
            )),
            (true, false, None) => Some(format!(
                "layer `{id}`: the method `statistical_areas` needs the table [statistical_areas]"
            )),
            (false, true, _) => Some(format!(
                "layer `{id}`: a layer with the id of [statistical_areas] must have the method \
                 `statistical_areas`"
            )),
            _ => None,
        }
    }

    /// Returns the keys `data_as_of` and `data_words` of each table that has these keys, with the
    /// name of the table.
    pub(super) fn data_dates(&self) -> impl Iterator<Item = (String, DataDateKeys<'_>)> {
        let postcodes = DataDateKeys::new(self.postcodes.data_as_of, &self.postcodes.data_words);
        let practices = DataDateKeys::new(self.practices.data_as_of, &self.practices.data_words);
        let tables = [("[postcodes]", postcodes), ("[practices]", practices)];
        let tables = tables
            .into_iter()
            .map(|(name, keys)| (name.to_string(), keys));
        let statistical = self.statistical_areas.iter().map(|config| {
            let keys = DataDateKeys::new(config.data_as_of, &config.data_words);
            ("[statistical_areas]".to_string(), keys)
        });
        let layers = self.layers.iter().map(|config| {
            let keys = DataDateKeys::new(config.data_as_of, &config.data_words);
            (format!("layer `{}`", config.id), keys)
        });
        let uprn = self.uprn.iter().map(|config| {
            let keys = DataDateKeys::new(config.data_as_of, &config.data_words);
            ("[uprn]".to_string(), keys)
        });
        let attributes = self.attributes.iter().map(|config| {
            let keys = DataDateKeys::new(config.data_as_of, &config.data_words);
            (format!("attribute `{}`", config.id), keys)
        });
        tables
            .chain(statistical)
            .chain(layers)
            .chain(uprn)
            .chain(attributes)
    }

    /// Returns the path of every file and folder that the build reads, as written in the
    /// configuration.
    pub(super) fn inputs(&self) -> Vec<&Path> {
        // Each struct is destructured in full, so that a new field causes a compile error until it
        // is handled here.
        let BuildConfig {
            name: _,
            version: _,
            title: _,
            as_of: _,
            released: _,
            publisher: _,
            attribution: _,
            licence: _,
            tolerance_m: _,
            undated_terminations_after: _,
            output: _,
            sources,
            postcodes,
            statistical_areas,
            practices,
            golden_queries,
            systems,
            memberships,
            history,
            changes,
            facts,
            shares,
            unused_max: _,
            layers,
            attributes,
            uprn,
        } = self;
        let PracticesConfig {
            directories,
            networks,
            network_periods,
            sites,
            branches,
            former_sites,
            neighbouring,
            successions,
            sub_icb: _,
            data_as_of: _,
            data_words: _,
        } = practices;
        let mut inputs: Vec<&Path> = Vec::new();
        inputs.extend(sources.file());
        inputs.extend(postcodes.directories.iter().map(|file| file.file.as_path()));
        inputs.extend(
            statistical_areas
                .iter()
                .map(|config| config.boundaries.as_path()),
        );
        inputs.extend(directories.iter().map(|file| file.file.as_path()));
        inputs.extend(successions.iter().map(|file| file.file.as_path()));
        for config in shares {
            let files = [&config.registrations, &config.table];
            inputs.extend(files.into_iter().flatten().map(PathBuf::as_path));
        }
        let single = [
            networks,
            network_periods,
            sites,
            branches,
            former_sites,
            neighbouring,
            golden_queries,
            systems,
            memberships,
            history,
            changes,
        ];
        inputs.extend(single.into_iter().flatten().map(PathBuf::as_path));
        inputs.extend(facts.inputs().into_iter().map(PathBuf::as_path));
        inputs.extend(attributes.iter().map(|attribute| attribute.file.as_path()));
        inputs.extend(uprn.iter().map(|config| config.file.as_path()));
        let methods = layers.iter().flat_map(|layer| &layer.methods);
        inputs.extend(methods.flat_map(|method| method.method.inputs()));
        inputs
    }
}

fn size_error(what: &str, size_m2: f64) -> Option<String> {
    let is_size = size_m2 >= 0.0 && size_m2.is_finite();
    (!is_size).then(|| format!("{what}: `{size_m2}` is not a number of square metres"))
}

/// The key `sources`: a file such as `data/source/sources.csv`, or a list.
#[derive(Debug, Clone)]
pub(super) enum SourcesConfig {
    File(PathBuf),
    List(Vec<SourceTable>),
}

impl SourcesConfig {
    /// Returns the path of the file, as written in the configuration.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            SourcesConfig::File(path) => Some(path),
            SourcesConfig::List(_) => None,
        }
    }
}

// Implemented by hand, because the error of an untagged enum would not name the invalid field of a
// list.
impl<'de> Deserialize<'de> for SourcesConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SourcesConfig, D::Error> {
        struct SourcesVisitor;

        impl<'de> Visitor<'de> for SourcesVisitor {
            type Value = SourcesConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the path of a CSV file, or a list of sources")
            }

            fn visit_str<E>(self, path: &str) -> Result<SourcesConfig, E> {
                Ok(SourcesConfig::File(path.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<SourcesConfig, A::Error> {
                let list = SeqAccessDeserializer::new(list);
                Deserialize::deserialize(list).map(SourcesConfig::List)
            }
        }

        deserializer.deserialize_any(SourcesVisitor)
    }
}

/// The keys `data_as_of` and `data_words` of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct DataDateKeys<'c> {
    pub(super) as_of: Option<SourceDate>,
    pub(super) words: &'c Option<String>,
}

impl<'c> DataDateKeys<'c> {
    pub(super) fn new(as_of: Option<SourceDate>, words: &'c Option<String>) -> DataDateKeys<'c> {
        DataDateKeys { as_of, words }
    }

    /// Returns the date for the manifest.
    pub(super) fn date(self) -> Option<DataDate> {
        let words = self.words.clone();
        self.as_of.map(|as_of| DataDate { as_of, words })
    }
}

/// Returns the id of the layer whose `[[layers]]` table contains the byte at `offset` of a
/// configuration.
fn layer_at(text: &str, offset: usize) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    let layers = document.get_ref().get("layers")?.get_ref().as_array()?;
    let layer = layers.iter().find(|layer| contains_byte(layer, offset))?;
    let id = layer.get_ref().as_table()?.get("id")?.get_ref().as_str()?;
    Some(id.to_string())
}

/// Returns whether a value, or a nested key or value, contains the byte at `offset`. A nested table
/// can be outside the span of its parent table, because the nested table has its own header.
fn contains_byte(value: &Spanned<DeValue<'_>>, offset: usize) -> bool {
    let is_inside = match value.get_ref() {
        DeValue::Array(values) => values.iter().any(|value| contains_byte(value, offset)),
        DeValue::Table(table) => table
            .iter()
            .any(|(key, value)| key.span().contains(&offset) || contains_byte(value, offset)),
        _ => false,
    };
    is_inside || value.span().contains(&offset)
}

impl AreaMethod {
    /// Returns the key of the method in a `[[layers.methods]]` table.
    fn key(&self) -> &'static str {
        match self {
            AreaMethod::Polygons(_) => "polygons",
            AreaMethod::Lookup(_) => "lookup",
            AreaMethod::Plurality(_) => "plurality",
            AreaMethod::ShareThreshold(_) => "share_threshold",
            AreaMethod::Catchments(_) => "catchments",
            AreaMethod::Hierarchy(_) => "hierarchy",
            AreaMethod::Members(_) => "members",
            AreaMethod::StatisticalAreas => "statistical_areas",
            AreaMethod::PostcodeColumn(_) => "postcode_column",
            AreaMethod::Districts(_) => "districts",
            AreaMethod::Practices(_) => "practices",
        }
    }

    /// Returns the files that the method reads. The first is its own.
    fn inputs(&self) -> Vec<&Path> {
        let own = match self {
            AreaMethod::Polygons(method) => Some(&method.file),
            AreaMethod::Lookup(method) => Some(&method.file),
            AreaMethod::Catchments(method) => Some(&method.file),
            AreaMethod::Hierarchy(method) => Some(&method.file),
            AreaMethod::Members(method) => Some(&method.file),
            AreaMethod::PostcodeColumn(method) => Some(&method.file),
            AreaMethod::Districts(method) => Some(&method.file),
            AreaMethod::Practices(list) => Some(&list.file),
            AreaMethod::Plurality(method) => method.list.as_ref().map(|list| &list.file),
            AreaMethod::ShareThreshold(_) | AreaMethod::StatisticalAreas => None,
        };
        let through = match self {
            AreaMethod::Lookup(method) => method.through.as_ref().map(|through| &through.file),
            _ => None,
        };
        let files = own.into_iter().chain(through);
        files.map(PathBuf::as_path).collect()
    }

    /// Returns the error of the method's own keys.
    fn error(&self) -> Option<String> {
        match self {
            AreaMethod::Lookup(method) => method.columns.error(),
            AreaMethod::PostcodeColumn(method) => method.columns.error(),
            AreaMethod::Practices(list) => list.columns.error(),
            AreaMethod::Plurality(method) => match (&method.list, method.by) {
                (Some(list), PracticeGrouping::List) => list.columns.error(),
                (None, PracticeGrouping::List) => Some(
                    "plurality: `by = \"list\"` needs `list = { file = \"…\", columns = { … } }`, a \
                     table of the practices of each area"
                        .into(),
                ),
                (Some(_), _) => {
                    Some("plurality: the table `list` is used only with `by = \"list\"`".into())
                }
                (None, _) => None,
            },
            _ => None,
        }
    }
}

/// The `[postcodes]` table, which selects the postcodes that the dataset contains.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PostcodesConfig {
    /// The directories, in order of precedence. A later directory adds postcodes that earlier
    /// directories do not list, and fills in fields that earlier directories leave blank.
    pub(super) directories: Vec<PostcodeDirectoryFile>,
    /// The sub-ICB locations that select the postcodes to include. If at least one postcode of an
    /// outward code is in one of these locations, all postcodes of the outward code are included.
    /// If the list is empty, all postcodes are included.
    #[serde(default)]
    pub(super) outcodes_touching_sub_icb: Vec<String>,
    /// Whether the directories together list every postcode of each outward code that they contain.
    /// If so, a postcode that is not listed does not exist. Otherwise, the directories are only a
    /// sample, and such a postcode may exist.
    #[serde(default = "is_complete_by_default")]
    pub(super) complete: bool,
    /// The date of the source, and a description of the source in which `{date}` represents the
    /// date.
    #[serde(default, deserialize_with = "deserialize_optional_keyword")]
    pub(super) data_as_of: Option<SourceDate>,
    pub(super) data_words: Option<String>,
}

fn is_complete_by_default() -> bool {
    true
}

/// A postcode directory as published.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PostcodeDirectoryFile {
    pub(super) format: PostcodeFormat,
    pub(super) file: PathBuf,
    /// The positions of the columns of the NHS Postcode Directory, counted from 1.
    pub(super) columns: Option<nhspd::ColumnPositions>,
}

/// The format of a postcode directory.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PostcodeFormat {
    /// A CSV table with the columns of `data/source/postcodes.csv`.
    PostcodeList,
    /// OS Code-Point Open.
    CodePointOpen,
    /// ONS Postcode Directory or National Statistics Postcode Lookup, with LSOAs of 2011.
    OnspdLsoa11,
    /// As `OnspdLsoa11`, but with LSOAs of 2021.
    OnspdLsoa21,
    /// NHS Postcode Directory, with LSOAs of 2011.
    NhspdLsoa11,
    /// As `NhspdLsoa11`, but with LSOAs of 2021.
    NhspdLsoa21,
}

/// The `[statistical_areas]` table: the polygons that layers are dissolved from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatisticalAreasConfig {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) boundaries: PathBuf,
    /// The attribute that contains the code. The fields `name` and `sub_icb` specify the attributes
    /// that contain the name and the sub-ICB location.
    pub(super) code: String,
    pub(super) name: String,
    pub(super) sub_icb: Option<String>,
    pub(super) snap_m: f64,
    /// The maximum overlap of two statistical areas, in square metres.
    #[serde(default)]
    pub(super) allow_overlap_m2: f64,
    #[serde(default)]
    pub(super) nested_parts: NestedParts,
    /// The coordinate reference system, which takes precedence over the one that the file states.
    #[serde(default, deserialize_with = "deserialize_optional_keyword")]
    pub(super) crs: Option<SourceCrs>,
    /// Whether invalid areas are repaired.
    #[serde(default)]
    pub(super) repair: bool,
    /// The date of the source, and a description of the source in which `{date}` represents the
    /// date.
    #[serde(default, deserialize_with = "deserialize_optional_keyword")]
    pub(super) data_as_of: Option<SourceDate>,
    pub(super) data_words: Option<String>,
}

/// The treatment of a polygon part that lies inside another part of the same area.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NestedParts {
    /// The file is rejected.
    #[default]
    Refused,
    /// The part is read as a hole. Some ONS files store a few holes as parts.
    Holes,
}

/// The `[practices]` table: practices, their premises, networks and successions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PracticesConfig {
    /// The directories, in order of precedence. A later directory adds practices that earlier
    /// directories do not list.
    #[serde(default)]
    pub(super) directories: Vec<PracticeDirectoryFile>,
    /// The file of Primary Care Networks and their member practices, in the format of NHS ODS
    /// `ePCN`.
    pub(super) networks: Option<PathBuf>,
    /// The file with the periods in which practices belonged to Primary Care Networks. It has the
    /// columns of `data/source/pcn_membership.csv`.
    pub(super) network_periods: Option<PathBuf>,
    pub(super) sites: Option<PathBuf>,
    /// The file of branch surgeries, in the format of NHS ODS `ebranchs`. Branches that are open on
    /// the date of the dataset are premises of their practices.
    pub(super) branches: Option<PathBuf>,
    /// The file of buildings that practices used in the past.
    pub(super) former_sites: Option<PathBuf>,
    /// The file of practices just outside the area of the dataset.
    pub(super) neighbouring: Option<PathBuf>,
    #[serde(default)]
    pub(super) successions: Vec<SuccessionFile>,
    /// The sub-ICB locations whose practices are included. If the list is empty, all practices are
    /// included.
    #[serde(default)]
    pub(super) sub_icb: Vec<String>,
    /// The date of the source, and a description of the source in which `{date}` represents the
    /// date.
    #[serde(default, deserialize_with = "deserialize_optional_keyword")]
    pub(super) data_as_of: Option<SourceDate>,
    pub(super) data_words: Option<String>,
}

/// A practice directory as published.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PracticeDirectoryFile {
    pub(super) format: PracticeFormat,
    pub(super) file: PathBuf,
}

/// The format of a practice directory.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PracticeFormat {
    /// A CSV table with the columns of `data/source/practices.csv`.
    PracticeList,
    /// NHS ODS `epraccur`.
    Epraccur,
}

/// A file of practice successions as published.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SuccessionFile {
    pub(super) format: SuccessionFormat,
    pub(super) file: PathBuf,
}

/// The format of a file of successions.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SuccessionFormat {
    /// A CSV table with the columns of `data/source/practice_successions.csv`.
    SuccessionList,
    /// NHS ODS `succ` or `succarc`.
    Succ,
}

/// A `[[shares]]` table, which specifies the share of each statistical area's people who are
/// registered with each practice. The table contains exactly one of the keys `registrations`,
/// `table` and `model`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SharesConfig {
    pub(super) name: String,
    /// The sub-ICB locations whose practices and statistical areas are included. If the list is
    /// empty, all practices and statistical areas are included.
    #[serde(default)]
    pub(super) sub_icb: Vec<String>,
    /// The file with the numbers of registered patients by practice and LSOA, as NHS England
    /// publishes it.
    pub(super) registrations: Option<PathBuf>,
    /// A table of shares that another program has modelled.
    pub(super) table: Option<PathBuf>,
    /// The model that estimates the shares if neither a file of registrations nor a table is
    /// configured.
    pub(super) model: Option<GravityModel>,
}

/// The parameters of the gravity model of registrations; `shares.rs` contains the formula.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GravityModel {
    /// Water or hills that people do not cross to register with a practice.
    #[serde(default)]
    pub(super) barriers: Vec<RegistrationBarrier>,
}

/// A rule that people in some districts do not register with practices of some communities.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistrationBarrier {
    /// The names of the local authority districts, such as `South Lakeland`. The name of an LSOA is
    /// the name of its district followed by another word.
    pub(super) districts: Vec<String>,
    /// Limits the rule to statistical areas whose centre is west of this easting, in metres.
    pub(super) west_of: Option<f64>,
    /// Limits the rule to statistical areas whose centre is at or east of this easting, in metres.
    pub(super) from_easting: Option<f64>,
    /// The ids of the communities whose practices are excluded.
    pub(super) excluded_communities: Vec<String>,
}

/// A `[[layers]]` table: a layer and the methods that create its areas.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayerConfig {
    #[serde(deserialize_with = "deserialize_layer")]
    pub(super) id: Layer,
    pub(super) title: String,
    /// The name of one area of the layer, in the form of a title; the abbreviation of this name;
    /// and the term for an area within a sentence, if it is neither the name nor the abbreviation.
    singular: Option<String>,
    abbreviation: Option<String>,
    noun: Option<String>,
    /// The role, which determines how the layer is answered and shown. Only the layers of earlier
    /// versions may omit it.
    #[serde(default, deserialize_with = "deserialize_optional_keyword")]
    pub(super) role: Option<LayerRole>,
    /// The layer that contains the areas of this layer.
    #[serde(default, deserialize_with = "deserialize_optional_layer")]
    parent: Option<Layer>,
    /// The kind of NHS organisation whose ODS codes are the ids of the areas.
    #[serde(default, deserialize_with = "deserialize_optional_keyword")]
    organisation: Option<OrganisationKind>,
    #[serde(deserialize_with = "deserialize_keyword")]
    pub(super) kind: LayerKind,
    #[serde(deserialize_with = "deserialize_date")]
    pub(super) first_data: Date,
    #[serde(deserialize_with = "deserialize_keyword")]
    pub(super) provenance: Provenance,
    /// The snap distance in metres. A position outside every area is assigned to the nearest area
    /// if that area is within this distance. Such positions occur on coasts with a generalised
    /// boundary.
    #[serde(default)]
    pub(super) snap_m: f64,
    /// The maximum overlap of two areas of a partition, in square metres.
    #[serde(default)]
    pub(super) allow_overlap_m2: f64,
    /// The maximum gap between neighbouring areas of a partition, in square metres.
    #[serde(default)]
    pub(super) allow_gap_m2: f64,
    /// The first date for which the practices that belong to the layer's areas are known, if this
    /// date is earlier than `first_data`.
    #[serde(default, deserialize_with = "deserialize_optional_date")]
    pub(super) first_memberships: Option<Date>,
    /// The layer whose areas are assumed to be the areas of this layer, because no source states
    /// the members of this layer's areas.
    #[serde(default, deserialize_with = "deserialize_optional_layer")]
    pub(super) members_from: Option<Layer>,
    /// The coordinate reference system of the layer's polygon files, and whether invalid areas in
    /// them are repaired. A method's own keys take precedence.
    #[serde(default, deserialize_with = "deserialize_optional_keyword")]
    pub(super) crs: Option<SourceCrs>,
    #[serde(default)]
    pub(super) repair: bool,
    /// The accuracy of the layer's areas, described in sentences for users of the pages.
    pub(super) accuracy: Option<String>,
    pub(super) methods: Vec<MethodConfig>,
    /// The date of the source, and a description of the source in which `{date}` represents the
    /// date.
    #[serde(default, deserialize_with = "deserialize_optional_keyword")]
    pub(super) data_as_of: Option<SourceDate>,
    pub(super) data_words: Option<String>,
}

impl LayerConfig {
    /// Returns the declaration, which determines how the layer is answered and shown.
    ///
    /// # Errors
    /// If a key is missing. The error states the layer and the key.
    pub(super) fn declaration(&self) -> Result<LayerDeclaration, String> {
        let keys = LayerDeclarationKeys {
            role: self.role,
            singular: self.singular.clone(),
            abbreviation: self.abbreviation.clone(),
            noun: self.noun.clone(),
            parent: self.parent,
            organisation: self.organisation,
        };
        keys.resolve(self.id)
    }

    /// Returns whether the areas of the layer are the statistical areas.
    pub(super) fn is_statistical_areas(&self) -> bool {
        let mut methods = self.methods.iter();
        methods.any(|config| matches!(config.method, AreaMethod::StatisticalAreas))
    }

    /// Returns the column of the postcode directory that contains the area of each postcode.
    pub(super) fn postcode_column(&self) -> Option<PostcodeColumn> {
        self.methods.iter().find_map(|config| match &config.method {
            AreaMethod::PostcodeColumn(method) => Some(method.column),
            _ => None,
        })
    }

    /// Returns an error if the layer combines the method `postcode_column` with other methods, or
    /// uses this method and is not a partition.
    fn postcode_column_error(&self) -> Option<String> {
        self.postcode_column()?;
        let id = &self.id;
        if self.methods.len() > 1 {
            Some(format!(
                "layer `{id}`: the method `postcode_column` must be its only method"
            ))
        } else if self.kind != LayerKind::Partition {
            Some(format!(
                "layer `{id}`: the kind is `{}`, but each postcode is in one area of the method \
                 `postcode_column`: use `{}`",
                self.kind,
                LayerKind::Partition
            ))
        } else {
            None
        }
    }

    /// Returns the manifest's entry of the layer, without the path of its boundaries.
    ///
    /// # Errors
    /// The errors of [`LayerConfig::declaration`].
    pub(super) fn entry(&self) -> Result<LayerEntry, String> {
        let declaration = self.declaration()?;
        Ok(LayerEntry {
            id: self.id,
            title: self.title.clone(),
            singular: declaration.singular,
            abbreviation: declaration.abbreviation,
            noun: declaration.noun,
            kind: self.kind,
            role: declaration.role,
            parent: declaration.parent,
            organisation: declaration.organisation,
            first_data: self.first_data,
            provenance: self.provenance,
            boundaries: None,
            on_statistical_areas: false,
            postcode_column: self.postcode_column(),
            snap_m: self.snap_m,
            first_memberships: self.first_memberships,
            members_from: self.members_from,
            data_date: DataDateKeys::new(self.data_as_of, &self.data_words).date(),
            accuracy: self.accuracy.clone(),
        })
    }

    /// Returns whether the layer has the role `role`.
    pub(super) fn has_role(&self, role: LayerRole) -> bool {
        self.declaration()
            .is_ok_and(|declaration| declaration.role == role)
    }
}

/// Returns the first layer with a role.
pub(super) fn first_with_role(layers: &[LayerConfig], role: LayerRole) -> Option<Layer> {
    let mut layers = layers.iter();
    let found = layers.find(|layer| layer.has_role(role));
    found.map(|layer| layer.id)
}

/// A `[[layers.methods]]` table: a method and the validity period of the areas that it creates.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "MethodTable")]
pub(super) struct MethodConfig {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) method: AreaMethod,
}

/// The keys of a `[[layers.methods]]` table. Every method is a key of this struct, because Serde
/// cannot reject unknown keys of a struct that flattens an enum.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MethodTable {
    from: Option<String>,
    to: Option<String>,
    polygons: Option<PolygonsMethod>,
    lookup: Option<LookupMethod>,
    plurality: Option<PluralityMethod>,
    share_threshold: Option<ShareThresholdMethod>,
    catchments: Option<CatchmentsMethod>,
    hierarchy: Option<HierarchyMethod>,
    members: Option<MembersMethod>,
    statistical_areas: Option<bool>,
    postcode_column: Option<PostcodeColumnMethod>,
    districts: Option<DistrictsMethod>,
    practices: Option<PracticeGroupList>,
}

impl TryFrom<MethodTable> for MethodConfig {
    type Error = String;

    fn try_from(table: MethodTable) -> Result<MethodConfig, String> {
        let methods = [
            table.polygons.map(AreaMethod::Polygons),
            table.lookup.map(AreaMethod::Lookup),
            table.plurality.map(AreaMethod::Plurality),
            table.share_threshold.map(AreaMethod::ShareThreshold),
            table.catchments.map(AreaMethod::Catchments),
            table.hierarchy.map(AreaMethod::Hierarchy),
            table.members.map(AreaMethod::Members),
            table
                .statistical_areas
                .filter(|is_method| *is_method)
                .map(|_| AreaMethod::StatisticalAreas),
            table.postcode_column.map(AreaMethod::PostcodeColumn),
            table.districts.map(AreaMethod::Districts),
            table.practices.map(AreaMethod::Practices),
        ];
        let mut methods = methods.into_iter().flatten();
        match (methods.next(), methods.next()) {
            (Some(method), None) => Ok(MethodConfig {
                from: table.from,
                to: table.to,
                method,
            }),
            (first, second) => {
                let found = match first.zip(second) {
                    None => "no method".to_string(),
                    Some((first, second)) => format!("`{}` and `{}`", first.key(), second.key()),
                };
                Err(format!(
                    "{found}: a `[[layers.methods]]` table must have exactly one of the keys \
                     `polygons`, `lookup`, `plurality`, `share_threshold`, `catchments`, \
                     `hierarchy`, `members`, `statistical_areas`, `postcode_column`, `districts` and \
                     `practices`"
                ))
            }
        }
    }
}

/// The method by which areas of a layer are created.
#[derive(Debug, Clone)]
pub(super) enum AreaMethod {
    /// Polygons from a file.
    Polygons(PolygonsMethod),
    /// An area is the union of the statistical areas that a look-up table assigns to it.
    Lookup(LookupMethod),
    /// An area is the union of the statistical areas in which its practices have the most patients.
    Plurality(PluralityMethod),
    /// A practice's area is the union of the statistical areas in which at least a minimum share of
    /// the people are registered with the practice.
    ShareThreshold(ShareThresholdMethod),
    /// A practice's area is the catchment that it declares.
    Catchments(CatchmentsMethod),
    /// An area of the NHS hierarchy is the union of the statistical areas that its selector
    /// selects, or the union of its children.
    Hierarchy(HierarchyMethod),
    /// A group's area is the union of its members' areas.
    Members(MembersMethod),
    /// The areas are the statistical areas themselves.
    StatisticalAreas,
    /// A column of the postcode directory contains the area of each postcode.
    PostcodeColumn(PostcodeColumnMethod),
    /// The areas are the districts after which statistical areas are named.
    Districts(DistrictsMethod),
    /// The practices of areas of earlier methods.
    Practices(PracticeGroupList),
}

/// The method `polygons`: areas from a polygon file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolygonsMethod {
    pub(super) file: PathBuf,
    /// The layer to read from a GeoPackage, or the file to read in a folder or archive.
    pub(super) layer: Option<String>,
    /// The attribute that contains the id. The field `name` specifies the attribute that contains
    /// the name.
    pub(super) id: String,
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) nested_parts: NestedParts,
    /// The coordinate reference system, which takes precedence over the one that the file states.
    #[serde(default, deserialize_with = "deserialize_optional_keyword")]
    pub(super) crs: Option<SourceCrs>,
    /// Whether invalid areas are repaired.
    #[serde(default)]
    pub(super) repair: bool,
    /// The prefix of area ids. If there is a prefix, the value of the id attribute is converted to
    /// a slug: lower case with hyphens.
    #[serde(default)]
    pub(super) id_prefix: String,
    pub(super) system: Option<String>,
}

/// The method `lookup`: areas from a look-up table of statistical areas.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookupMethod {
    pub(super) file: PathBuf,
    pub(super) columns: lookup::LookupColumns,
    /// A look-up from statistical areas to the codes of the look-up table, if these are the codes
    /// of other areas, such as MSOAs or wards.
    pub(super) through: Option<ThroughTable>,
    /// Whether the table may contain statistical areas without a boundary, as a national table does.
    /// If so, their rows are not needed; otherwise, they are an error.
    #[serde(default)]
    pub(super) beyond_boundaries: bool,
    pub(super) system: Option<String>,
}

/// A table from statistical areas to the areas whose codes a look-up table has.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ThroughTable {
    pub(super) file: PathBuf,
    /// The column with the code of the statistical area.
    pub(super) code: String,
    /// The column with the code that the look-up table has.
    pub(super) area: String,
}

/// The method `plurality`: areas by the plurality of registered patients.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PluralityMethod {
    /// The name of the `[[shares]]` table.
    pub(super) shares: String,
    /// The way in which practices are grouped.
    pub(super) by: PracticeGrouping,
    /// The table of the practices of each area, for `by = "list"`.
    pub(super) list: Option<PracticeGroupList>,
    /// The sub-ICB locations whose practices are included. If the list is empty, all practices are
    /// included.
    #[serde(default)]
    pub(super) sub_icb: Vec<String>,
    /// The prefix of area ids. Without a prefix, the id of an area is the id of the group. With a
    /// prefix, the id is the prefix followed by the group's name as a slug.
    #[serde(default)]
    pub(super) id_prefix: String,
    pub(super) system: Option<String>,
}

/// A table of the practices of each area.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PracticeGroupList {
    pub(super) file: PathBuf,
    /// The columns; `code` is the column with the code of the practice.
    pub(super) columns: lookup::LookupColumns,
}

/// The groups of practices to which the method `plurality` assigns statistical areas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PracticeGrouping {
    /// The community of each practice in the practice directory.
    Community,
    /// The Primary Care Network of each practice.
    Network,
    /// The area of the layer to which each practice belongs according to the file of memberships.
    Membership,
    /// The area that each practice has in the method's own table.
    List,
}

impl PracticeGrouping {
    /// Returns the term for one group.
    pub(super) fn noun(self) -> &'static str {
        match self {
            PracticeGrouping::Community => "community",
            PracticeGrouping::Network => "network",
            PracticeGrouping::Membership | PracticeGrouping::List => "area",
        }
    }
}

/// The method `share_threshold`: the area of a practice depends on the share of each statistical
/// area's people who are registered with the practice.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShareThresholdMethod {
    /// The name of the `[[shares]]` table.
    pub(super) shares: String,
    /// The minimum share, greater than 0 and at most 1. Smaller shares are left out, and the
    /// remaining shares are not rescaled.
    pub(super) share_min: f64,
}

/// The method `catchments`: the areas that practices declare.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CatchmentsMethod {
    /// A folder or zip archive with one GeoJSON file for each practice.
    pub(super) file: PathBuf,
}

/// The method `hierarchy`: areas of the NHS hierarchy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HierarchyMethod {
    pub(super) file: PathBuf,
}

/// The method `postcode_column`: areas that a column of the postcode directory specifies.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PostcodeColumnMethod {
    #[serde(deserialize_with = "deserialize_keyword")]
    pub(super) column: PostcodeColumn,
    /// The look-up table from statistical areas to the areas of the layer. A statistical area that
    /// was split may be in several rows.
    pub(super) file: PathBuf,
    pub(super) columns: lookup::LookupColumns,
}

/// The method `districts`: local authority districts, before and after reorganisations.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DistrictsMethod {
    /// A table with the columns of `data/source/councils.csv`.
    pub(super) file: PathBuf,
    /// The source of the successors, as shown to users: the law that reorganised the districts. If
    /// this key is missing, the name of the file is shown.
    pub(super) lineage_source: Option<String>,
}

/// The method `members`: groups that are defined by their members.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MembersMethod {
    pub(super) file: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a configuration with two layers. Its last lines are `method`, in a table of methods
    /// of the second layer.
    fn config_text(method: &str) -> String {
        format!(
            r#"name = "test"
version = "1"
title = "Test"
as_of = "2025-01-01"
attribution = "example"
licence = "https://example.org/licence"
tolerance_m = 100.0
output = "out"
sources = []

[postcodes]
directories = []

[[layers]]
id = "icc"
title = "ICCs"
kind = "partition"
first_data = "2022-01-05"
provenance = "official"
[[layers.methods]]
hierarchy = {{ file = "hierarchy.csv" }}

[[layers]]
id = "gp-practice"
title = "Practices"
kind = "overlapping"
first_data = "2022-01-05"
provenance = "official"
[[layers.methods]]
{method}
"#
        )
    }

    /// Returns the error of a configuration whose second layer has the method `method`.
    #[track_caller]
    fn parse_error(method: &str) -> String {
        let error = BuildConfig::parse(&config_text(method)).expect_err("an invalid method");
        format!("{error:#}")
    }

    #[test]
    fn methods_can_have_a_period() {
        let text = config_text(
            "to = \"2026-04-01\"\nfrom = \"2025-04-01\"\ncatchments = { file = \"catchments\" }",
        );
        let config = BuildConfig::parse(&text).expect("a configuration");
        let method = &config.layers[1].methods[0];
        assert_eq!(method.from.as_deref(), Some("2025-04-01"));
        assert_eq!(method.to.as_deref(), Some("2026-04-01"));
        assert_eq!(method.method.key(), "catchments");
    }

    #[test]
    fn misspelt_keys_of_methods_are_errors_that_name_the_layer_and_the_allowed_keys() {
        let methods = "expected one of `from`, `to`, `polygons`, `lookup`, `plurality`, \
            `share_threshold`, `catchments`, `hierarchy`, `members`, `statistical_areas`, \
            `postcode_column`, `districts`";
        for (method, key, allowed, line) in [
            (
                "form = \"2025-04-01\"\ncatchments = { file = \"catchments\" }",
                "form",
                methods,
                30,
            ),
            (
                "catchments = { file = \"catchments\" }\nuntil = \"2025-04-01\"",
                "until",
                methods,
                31,
            ),
            (
                "share_treshold = { shares = \"all\", share_min = 0.05 }",
                "share_treshold",
                methods,
                30,
            ),
            (
                "share_threshold = { shares = \"all\", min_share = 0.05 }",
                "min_share",
                "expected `shares` or `share_min`",
                30,
            ),
            (
                "lookup = { file = \"a.csv\", columns = { code = \"c\", id = \"a\" } }",
                "id",
                "expected one of `code`, `area`, `name`, `share`, `disputed`, `only`",
                30,
            ),
            (
                "[layers.methods.polygons]\nfile = \"a.geojson\"\nid = \"id\"\ntitle = \"t\"",
                "title",
                "expected one of `file`, `layer`, `id`, `name`, `nested_parts`, `crs`, `repair`, `id_prefix`, `system`",
                33,
            ),
        ] {
            let error = parse_error(method);
            for words in [
                "layer `gp-practice`: TOML parse error",
                &format!("at line {line},"),
                &format!("unknown field `{key}`"),
                allowed,
            ] {
                assert!(error.contains(words), "`{words}` is not in: {error}");
            }
        }
    }

    #[test]
    fn errors_outside_the_layers_name_no_layer() {
        let text = config_text("catchments = { file = \"catchments\" }");
        let misspelt = format!("{text}\n[practises]\n");
        for text in [
            text.replace("output", "outptu"),
            misspelt,
            text.replace("directories", "files"),
        ] {
            let error = BuildConfig::parse(&text).expect_err("an unknown key");
            let error = format!("{error:#}");
            assert!(error.contains("unknown field"), "{error}");
            assert!(!error.contains("layer `"), "{error}");
        }
        let text = text.replacen("title = \"ICCs\"", "titel = \"ICCs\"", 1);
        let error = BuildConfig::parse(&text).expect_err("an unknown key");
        assert!(
            format!("{error:#}").starts_with("layer `icc`: "),
            "{error:#}"
        );
    }

    #[test]
    fn a_method_table_has_exactly_one_method() {
        let two = "members = { file = \"a.csv\" }\nhierarchy = { file = \"b.csv\" }";
        for (method, found) in [
            ("from = \"2025-04-01\"", "no method"),
            (two, "`hierarchy` and `members`"),
        ] {
            let error = parse_error(method);
            for words in [
                "layer `gp-practice`: ",
                found,
                "exactly one of the keys `polygons`, `lookup`",
            ] {
                assert!(error.contains(words), "`{words}` is not in: {error}");
            }
        }
    }

    #[test]
    fn a_minimum_share_is_greater_than_0_and_at_most_1() {
        let check = |share_min: &str| {
            let text = config_text(&format!(
                "share_threshold = {{ shares = \"all\", share_min = {share_min} }}"
            ));
            let config = BuildConfig::parse(&text).expect("a configuration");
            config.check().map_err(|error| error.to_string())
        };
        for share_min in ["0.001", "0.05", "1", "1.0"] {
            assert_eq!(check(share_min), Ok(()), "{share_min}");
        }
        for (share_min, shown) in [
            ("0", "0"),
            ("-0.0", "-0"),
            ("-0.05", "-0.05"),
            ("1.001", "1.001"),
            ("5", "5"),
            ("nan", "NaN"),
            ("inf", "inf"),
        ] {
            assert_eq!(
                check(share_min),
                Err(format!(
                    "layer `gp-practice`: share_min: `{shown}` is not a share greater than 0 and \
                     at most 1"
                ))
            );
        }
    }

    #[test]
    fn layers_of_statistical_areas_and_columns_are_checked_by_name() {
        let check = |method: &str, table: &str| {
            let text = config_text(method).replace("gp-practice", "small-areas");
            let text = text.replace(
                "title = \"Practices\"\nkind = \"overlapping\"",
                "title = \"Areas\"\nsingular = \"Area\"\nrole = \"statistical\"\nkind = \"partition\"",
            );
            let config = BuildConfig::parse(&format!("{text}{table}"));
            let config = config.map_err(|error| format!("{error:#}"))?;
            config.check().map_err(|error| error.to_string())
        };
        let table = |id: &str| {
            format!(
                "[statistical_areas]\nid = \"{id}\"\ntitle = \"Areas\"\nboundaries = \"a.geojson\"\n\
                 code = \"c\"\nname = \"n\"\nsnap_m = 0.0\n"
            )
        };
        let column = "postcode_column = { column = \"lsoa21\", file = \"l.csv\", columns = \
            { code = \"c\", area = \"a\" } }";
        let own = "statistical_areas = true";
        let second = "\n[[layers.methods]]\nhierarchy = { file = \"h.csv\" }";
        assert_eq!(check(own, &table("small-areas")), Ok(()));
        assert_eq!(check(column, &table("lsoa11")), Ok(()));
        for (method, table, expected) in [
            (
                own.to_string(),
                table("lsoa11"),
                "must have the id of [statistical_areas], `lsoa11`",
            ),
            (
                own.to_string(),
                String::new(),
                "needs the table [statistical_areas]",
            ),
            (
                format!("{own}{second}"),
                table("small-areas"),
                "the method `statistical_areas` must be its only method",
            ),
            (
                column.to_string(),
                table("small-areas"),
                "a layer with the id of [statistical_areas] must have the method",
            ),
            (
                format!("{column}{second}"),
                table("lsoa11"),
                "the method `postcode_column` must be its only method",
            ),
            (
                "statistical_areas = false".into(),
                table("lsoa11"),
                "no method",
            ),
            (
                column.replace("lsoa21", "lsoa31"),
                table("lsoa11"),
                "must be council or lsoa21",
            ),
        ] {
            let error = check(&method, &table).expect_err(expected);
            assert!(error.contains("layer `small-areas`"), "{error}");
            assert!(error.contains(expected), "`{expected}` is not in: {error}");
        }
    }

    #[test]
    fn sources_are_a_file_or_a_list() {
        let parse = |sources: &str| {
            let text = config_text("catchments = { file = \"catchments\" }");
            BuildConfig::parse(&text.replace("sources = []", &format!("sources = {sources}")))
        };
        let file = parse("\"source/sources.csv\"").expect("a configuration");
        assert!(file.inputs().contains(&Path::new("source/sources.csv")));
        let list = parse("[{ title = \"A\", vintage = \"2020/21\" }]");
        let list = list.expect("a configuration").sources;
        assert!(matches!(list, SourcesConfig::List(works) if works.len() == 1));
        let error = format!("{:#}", parse("[{ titel = \"A\" }]").expect_err("misspelt"));
        assert!(error.contains("unknown field `titel`"), "{error}");
    }

    #[test]
    fn words_for_a_date_need_the_date_and_a_place_for_it() {
        let check = |keys: &str| {
            let text = config_text("catchments = { file = \"catchments\" }");
            let text = text.replace("directories = []", &format!("directories = []\n{keys}"));
            let config = BuildConfig::parse(&text).expect("a configuration");
            config.check().map_err(|error| error.to_string())
        };
        assert_eq!(check("data_as_of = \"2025-11\""), Ok(()));
        assert_eq!(
            check("data_as_of = \"2025-11\"\ndata_words = \"the directory of {date}\""),
            Ok(())
        );
        assert_eq!(
            check("data_words = \"the directory of {date}\""),
            Err("[postcodes]: data_words needs data_as_of".into())
        );
        let error = check("data_as_of = \"2025\"\ndata_words = \"the directory\"");
        assert!(
            error
                .expect_err("no place")
                .contains("should contain {date}")
        );
    }

    // No test builds this dataset, because the files in `national.toml` are not in the repository.
    #[test]
    fn national_toml_is_a_valid_configuration() {
        let text = include_str!("../../../../data/national.toml");
        let config = BuildConfig::parse(text).expect("a configuration");
        let areas = config.statistical_areas.expect("LSOAs");
        assert_eq!(areas.nested_parts, NestedParts::Holes);
        assert!(config.postcodes.complete && config.postcodes.directories.len() == 1);
    }
}
