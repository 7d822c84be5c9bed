//! The manifest, `dataset.toml`: the dataset's name, version, layers and sources, and the SHA-256
//! of every file.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::civil::Date;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::DatasetError;
use super::attributes::{AttributeDeclaration, attribute_entry};
use super::layer_rules::{remove_default_parents, set_errors};
use crate::fs::sha256_hex;
use catchment_core::domain::{
    AttributeEntry, AttributeKey, DataDate, FileEntry, Layer, LayerEntry, LayerRole, Manifest,
    OrganisationKind, SourceDate, SourceEntry, SourceUse, StatisticalAreasEntry, date_from_iso,
};

/// The manifest in the form in which it is in `dataset.toml`. See [`Manifest`] for the meaning of
/// the fields.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    name: String,
    version: String,
    title: String,
    as_of: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    released: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<String>,
    attribution: String,
    licence: String,
    tolerance_m: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    undated_terminations_after: Option<String>,
    complete_outcodes: Vec<String>,
    #[serde(default, skip_serializing_if = "DataDateKeys::is_empty")]
    postcodes: DataDateKeys,
    #[serde(default, skip_serializing_if = "DataDateKeys::is_empty")]
    practices: DataDateKeys,
    #[serde(default, skip_serializing_if = "DataDateKeys::is_empty")]
    homes: DataDateKeys,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistical_areas: Option<StatisticalAreasTable>,
    layers: Vec<LayerTable>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<AttributeTable>,
    sources: Vec<SourceTable>,
    files: BTreeMap<String, FileTable>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatisticalAreasTable {
    id: String,
    title: String,
    boundaries: String,
    snap_m: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_as_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_words: Option<String>,
}

/// The `[postcodes]`, `[practices]` and `[homes]` tables: the date of the source of a directory, or of
/// the homes of postcodes.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DataDateKeys {
    #[serde(skip_serializing_if = "Option::is_none")]
    data_as_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_words: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerTable {
    id: String,
    title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    singular: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    abbreviation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noun: Option<String>,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organisation: Option<String>,
    first_data: String,
    provenance: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    boundaries: Option<String>,
    #[serde(default)]
    on_statistical_areas: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    postcode_column: Option<String>,
    #[serde(default)]
    snap_m: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_memberships: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    members_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_as_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_words: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accuracy: Option<String>,
}

/// A source in `dataset.toml` and in the configuration of a build.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceTable {
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vintage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    released: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    licence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribution: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tables: Vec<SourceUseTable>,
}

/// The table for which a source was used.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceUseTable {
    table: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    columns: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTable {
    sha256: String,
    size_bytes: u64,
}

/// Parses a manifest.
///
/// # Errors
/// If the text is not a manifest, or a value is invalid. The error states the first invalid field
/// and its valid values.
pub fn manifest_from_toml(text: &str) -> Result<Manifest, DatasetError> {
    let file: ManifestFile = toml::from_str(text).map_err(|error| DatasetError::Manifest {
        reason: error.to_string(),
    })?;
    let manifest = file.into_manifest();
    manifest.map_err(|reason| DatasetError::Manifest { reason })
}

/// Returns a manifest in TOML.
pub fn manifest_to_toml(manifest: &Manifest) -> String {
    toml::to_string(&ManifestFile::from(manifest)).expect("a manifest is plain values and tables")
}

impl ManifestFile {
    fn into_manifest(self) -> Result<Manifest, String> {
        check_licence(&self.licence)?;
        check_distance("tolerance_m", self.tolerance_m)?;
        if let Some(statistical) = &self.statistical_areas {
            check_distance("[statistical_areas] snap_m", statistical.snap_m)?;
        }
        let mut layers: Vec<LayerEntry> = Vec::with_capacity(self.layers.len());
        let has_role = self.layers.iter().map(|layer| layer.role.is_some());
        let has_role: Vec<bool> = has_role.collect();
        for layer in self.layers {
            let layer = layer.into_entry()?;
            if layers.iter().any(|other| other.id == layer.id) {
                return Err(format!("layer `{}` is listed twice", layer.id));
            }
            layers.push(layer);
        }
        remove_default_parents(&mut layers, &has_role);
        let errors = set_errors(&layers);
        if !errors.is_empty() {
            return Err(errors.join("\n"));
        }
        let statistical = self.statistical_areas.as_ref().map(|table| &*table.id);
        let attributes = attribute_entries(self.attributes, &layers, statistical)?;
        Ok(Manifest {
            name: self.name,
            version: self.version,
            title: self.title,
            as_of: date_from_iso(&self.as_of)
                .map_err(|error| format!("as_of `{}`: {error}", self.as_of))?,
            released: self
                .released
                .map(|text| {
                    date_from_iso(&text).map_err(|error| format!("released `{text}`: {error}"))
                })
                .transpose()?,
            publisher: self.publisher.filter(|name| !name.is_empty()),
            attribution: self.attribution,
            licence: self.licence,
            tolerance_m: self.tolerance_m,
            undated_terminations_after: self
                .undated_terminations_after
                .map(|text| parse(&format!("undated_terminations_after `{text}`"), &text))
                .transpose()?,
            complete_outcodes: self.complete_outcodes,
            postcodes_date: self.postcodes.into_date("[postcodes]")?,
            practices_date: self.practices.into_date("[practices]")?,
            homes_date: self.homes.into_date("[homes]")?,
            statistical_areas: self
                .statistical_areas
                .map(StatisticalAreasTable::into_entry)
                .transpose()?,
            layers,
            attributes,
            sources: self
                .sources
                .into_iter()
                .map(SourceTable::into_entry)
                .collect::<Result<_, _>>()?,
            files: self
                .files
                .into_iter()
                .map(|(path, table)| (path, table.into()))
                .collect(),
        })
    }
}

impl StatisticalAreasTable {
    fn into_entry(self) -> Result<StatisticalAreasEntry, String> {
        let date = DataDateKeys {
            data_as_of: self.data_as_of,
            data_words: self.data_words,
        };
        Ok(StatisticalAreasEntry {
            data_date: date.into_date("[statistical_areas]")?,
            id: self.id,
            title: self.title,
            boundaries: self.boundaries,
            snap_m: self.snap_m,
        })
    }
}

impl SourceTable {
    /// Returns the source.
    ///
    /// # Errors
    /// If a date is invalid. The error states the source and the field.
    pub(crate) fn into_entry(self) -> Result<SourceEntry, String> {
        let date = |field: &str, text: Option<String>| {
            let text = text.filter(|text| !text.is_empty());
            let parsed = text.map(|text| {
                let what = format!("source `{}`: {field} `{text}`", self.title);
                parse::<SourceDate>(&what, &text)
            });
            parsed.transpose()
        };
        Ok(SourceEntry {
            as_of: date("as_of", self.as_of)?,
            released: date("released", self.released)?,
            frequency: self
                .frequency
                .filter(|text| !text.is_empty())
                .map(|text| {
                    parse(
                        &format!("source `{}`: frequency `{text}`", self.title),
                        &text,
                    )
                })
                .transpose()?,
            title: self.title,
            publisher: self.publisher,
            vintage: self.vintage,
            licence: self.licence,
            attribution: self.attribution,
            tables: self
                .tables
                .into_iter()
                .map(|used| SourceUse {
                    table: used.table,
                    columns: used.columns,
                })
                .collect(),
        })
    }
}

/// Returns the source date of a layer or directory, or `None` if there is no date. An error message
/// begins with `what`.
///
/// # Errors
/// If there is a description without a date, or the description does not contain `{date}`.
pub(crate) fn data_date(
    what: &str,
    as_of: Option<SourceDate>,
    words: Option<String>,
) -> Result<Option<DataDate>, String> {
    let Some(as_of) = as_of else {
        return match words {
            None => Ok(None),
            Some(_) => Err(format!("{what}: data_words needs data_as_of")),
        };
    };
    let placeholder = DataDate::PLACEHOLDER;
    if let Some(words) = words.as_ref().filter(|words| !words.contains(placeholder)) {
        return Err(format!(
            "{what}: data_words `{words}` should contain {placeholder}, which is replaced by the date"
        ));
    }
    Ok(Some(DataDate { as_of, words }))
}

impl DataDateKeys {
    fn is_empty(&self) -> bool {
        self.data_as_of.is_none() && self.data_words.is_none()
    }

    /// Returns the date, as [`data_date`] does.
    fn into_date(self, what: &str) -> Result<Option<DataDate>, String> {
        let as_of = self.data_as_of.as_ref();
        let as_of = as_of.map(|text| parse(&format!("{what}: data_as_of `{text}`"), text));
        data_date(what, as_of.transpose()?, self.data_words)
    }
}

/// Returns the keys `data_as_of` and `data_words`.
fn data_date_keys(date: Option<&DataDate>) -> DataDateKeys {
    DataDateKeys {
        data_as_of: date.map(|date| date.as_of.to_string()),
        data_words: date.and_then(|date| date.words.clone()),
    }
}

impl LayerTable {
    fn into_entry(self) -> Result<LayerEntry, String> {
        check_distance(&format!("layer `{}`: snap_m", self.id), self.snap_m)?;
        let date = DataDateKeys {
            data_as_of: self.data_as_of,
            data_words: self.data_words,
        };
        let declared = |id: &str| Layer::declare(id).map_err(|error| error.to_string());
        let id = declared(&self.id).map_err(|error| format!("layer `{}`: {error}", self.id))?;
        let of_layer = |key: &str, error: String| format!("{key} of layer `{id}`: {error}");
        let declaration = LayerDeclarationKeys {
            role: keyword_of(self.role.as_ref()).map_err(|error| of_layer("role", error))?,
            singular: self.singular,
            abbreviation: self.abbreviation,
            noun: self.noun,
            parent: self
                .parent
                .as_deref()
                .map(declared)
                .transpose()
                .map_err(|error| of_layer("parent", error))?,
            organisation: keyword_of(self.organisation.as_ref())
                .map_err(|error| of_layer("organisation", error))?,
        };
        let declaration = declaration.resolve(id)?;
        Ok(LayerEntry {
            id,
            title: self.title,
            singular: declaration.singular,
            abbreviation: declaration.abbreviation,
            noun: declaration.noun,
            kind: parse(&format!("kind of layer `{}`", self.id), &self.kind)?,
            role: declaration.role,
            parent: declaration.parent,
            organisation: declaration.organisation,
            first_data: date_from_iso(&self.first_data)
                .map_err(|error| format!("first_data of layer `{}`: {error}", self.id))?,
            provenance: parse(
                &format!("provenance of layer `{}`", self.id),
                &self.provenance,
            )?,
            boundaries: self.boundaries,
            on_statistical_areas: self.on_statistical_areas,
            postcode_column: keyword_of(self.postcode_column.as_ref())
                .map_err(|error| of_layer("postcode_column", error))?,
            snap_m: self.snap_m,
            first_memberships: self
                .first_memberships
                .map(|text| date_from_iso(&text))
                .transpose()
                .map_err(|error| format!("first_memberships of layer `{}`: {error}", self.id))?,
            members_from: self
                .members_from
                .as_deref()
                .map(declared)
                .transpose()
                .map_err(|error| of_layer("members_from", error))?,
            data_date: date.into_date(&format!("layer `{}`", self.id))?,
            accuracy: self.accuracy,
        })
    }
}

/// The keys of a layer, in a manifest or in the configuration of a build, that determine how the
/// layer is answered and shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct LayerDeclarationKeys {
    pub(crate) role: Option<LayerRole>,
    pub(crate) singular: Option<String>,
    pub(crate) abbreviation: Option<String>,
    pub(crate) noun: Option<String>,
    pub(crate) parent: Option<Layer>,
    pub(crate) organisation: Option<OrganisationKind>,
}

/// The complete declaration of how a layer is answered and shown. See [`LayerEntry`] for the
/// meaning of the fields.
#[derive(Debug, Clone)]
pub(crate) struct LayerDeclaration {
    pub(crate) role: LayerRole,
    pub(crate) singular: String,
    pub(crate) abbreviation: Option<String>,
    pub(crate) noun: Option<String>,
    pub(crate) parent: Option<Layer>,
    pub(crate) organisation: Option<OrganisationKind>,
}

impl LayerDeclarationKeys {
    /// Returns the declaration. For a layer without a role, missing keys are taken from
    /// [`EARLIER_LAYERS`].
    ///
    /// # Errors
    /// If the layer has no role and is not a layer of earlier versions, or if it has a role but no
    /// name in the singular.
    pub(crate) fn resolve(self, id: Layer) -> Result<LayerDeclaration, String> {
        if let Some(role) = self.role {
            return Ok(LayerDeclaration {
                role,
                singular: self.singular.ok_or_else(|| {
                    format!("layer `{id}`: singular is missing: the name of one area of the layer")
                })?,
                abbreviation: self.abbreviation,
                noun: self.noun,
                parent: self.parent,
                organisation: self.organisation,
            });
        }
        let mut earlier = EARLIER_LAYERS.iter();
        let Some(earlier) = earlier.find(|layer| layer.id == id.as_str()) else {
            let roles = LayerRole::ALL.map(LayerRole::as_str).join(", ");
            return Err(format!("layer `{id}`: role is missing: one of {roles}"));
        };
        let parent = || earlier.parent.and_then(|id| Layer::declare(id).ok());
        Ok(LayerDeclaration {
            role: earlier.role,
            singular: self.singular.unwrap_or_else(|| earlier.singular.into()),
            abbreviation: self
                .abbreviation
                .or(earlier.abbreviation.map(str::to_string)),
            noun: self.noun.or(earlier.noun.map(str::to_string)),
            parent: self.parent.or_else(parent),
            organisation: self.organisation.or(earlier.organisation),
        })
    }
}

/// A layer that could be in a manifest before manifests declared roles.
struct EarlierLayer {
    id: &'static str,
    role: LayerRole,
    singular: &'static str,
    abbreviation: Option<&'static str>,
    noun: Option<&'static str>,
    parent: Option<&'static str>,
    organisation: Option<OrganisationKind>,
}

impl EarlierLayer {
    const fn new(id: &'static str, role: LayerRole, singular: &'static str) -> EarlierLayer {
        EarlierLayer {
            id,
            role,
            singular,
            abbreviation: None,
            noun: None,
            parent: None,
            organisation: None,
        }
    }
}

/// The layers of earlier versions. Datasets and configurations of these versions have no roles, and
/// must still load.
const EARLIER_LAYERS: [EarlierLayer; 9] = [
    EarlierLayer {
        abbreviation: Some("ICC"),
        ..EarlierLayer::new("icc", LayerRole::Community, "Integrated Care Community")
    },
    EarlierLayer {
        parent: Some("icc"),
        noun: Some("sub-community"),
        ..EarlierLayer::new("sub-community", LayerRole::Part, "Sub-community")
    },
    EarlierLayer {
        noun: Some("neighbourhood team"),
        ..EarlierLayer::new(
            "neighbourhood-team",
            LayerRole::Community,
            "Integrated Neighbourhood Team",
        )
    },
    EarlierLayer::new("gp-practice", LayerRole::PracticeCatchment, "GP practice"),
    EarlierLayer {
        noun: Some("resilience group"),
        ..EarlierLayer::new("resilience-group", LayerRole::Group, "Resilience group")
    },
    EarlierLayer {
        abbreviation: Some("PCN"),
        noun: Some("Primary Care Network"),
        organisation: Some(OrganisationKind::PrimaryCareNetwork),
        ..EarlierLayer::new("pcn", LayerRole::Network, "Primary Care Network")
    },
    EarlierLayer {
        parent: Some("icb"),
        noun: Some("sub-ICB location"),
        organisation: Some(OrganisationKind::SubIcbLocation),
        ..EarlierLayer::new("sub-icb", LayerRole::Administrative, "Sub-ICB location")
    },
    EarlierLayer {
        parent: Some("icb"),
        noun: Some("place"),
        organisation: Some(OrganisationKind::Place),
        ..EarlierLayer::new("place", LayerRole::Administrative, "Place")
    },
    EarlierLayer {
        abbreviation: Some("ICB"),
        organisation: Some(OrganisationKind::IntegratedCareBoard),
        ..EarlierLayer::new("icb", LayerRole::Administrative, "Integrated Care Board")
    },
];

/// Parses an optional keyword.
fn keyword_of<T: FromStr<Err: std::fmt::Display>>(
    text: Option<&String>,
) -> Result<Option<T>, String> {
    let parsed = text.map(|text| text.parse().map_err(|error: T::Err| error.to_string()));
    parsed.transpose()
}

/// Deserializes a layer from its id, and registers the layer.
///
/// # Errors
/// If the value is not an id.
pub(crate) fn deserialize_layer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Layer, D::Error> {
    let id = String::deserialize(deserializer)?;
    Layer::declare(&id).map_err(D::Error::custom)
}

/// Deserializes an optional layer from its id, and registers the layer.
///
/// # Errors
/// If the value is not an id.
pub(crate) fn deserialize_optional_layer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Layer>, D::Error> {
    deserialize_layer(deserializer).map(Some)
}

/// Deserializes a value from its keyword.
///
/// # Errors
/// If the value is not one of the keywords of the type. The error lists them.
pub(crate) fn deserialize_keyword<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let keyword = String::deserialize(deserializer)?;
    keyword.parse().map_err(D::Error::custom)
}

/// Deserializes an optional value from its keyword.
///
/// # Errors
/// If the value is not one of the keywords of the type.
pub(crate) fn deserialize_optional_keyword<'de, D, T>(
    deserializer: D,
) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    deserialize_keyword(deserializer).map(Some)
}

/// Deserializes a date from `YYYY-MM-DD`.
///
/// # Errors
/// If the value is not a date in this format.
pub(crate) fn deserialize_date<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Date, D::Error> {
    let text = String::deserialize(deserializer)?;
    date_from_iso(&text).map_err(D::Error::custom)
}

/// Deserializes an optional date from `YYYY-MM-DD`.
///
/// # Errors
/// If the value is not a date in this format.
pub(crate) fn deserialize_optional_date<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Date>, D::Error> {
    deserialize_date(deserializer).map(Some)
}

/// Parses a value of the manifest. An error message begins with `what`.
fn parse<T: FromStr<Err: std::fmt::Display>>(what: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{what}: {error}"))
}

impl From<&Manifest> for ManifestFile {
    fn from(manifest: &Manifest) -> ManifestFile {
        let statistical_areas = manifest.statistical_areas.as_ref();
        ManifestFile {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            title: manifest.title.clone(),
            as_of: manifest.as_of.to_string(),
            released: manifest.released.map(|date| date.to_string()),
            publisher: manifest.publisher.clone(),
            attribution: manifest.attribution.clone(),
            licence: manifest.licence.clone(),
            tolerance_m: manifest.tolerance_m,
            undated_terminations_after: manifest
                .undated_terminations_after
                .map(|month| month.to_string()),
            complete_outcodes: manifest.complete_outcodes.clone(),
            postcodes: data_date_keys(manifest.postcodes_date.as_ref()),
            practices: data_date_keys(manifest.practices_date.as_ref()),
            homes: data_date_keys(manifest.homes_date.as_ref()),
            statistical_areas: statistical_areas.map(|entry| {
                let date = data_date_keys(entry.data_date.as_ref());
                StatisticalAreasTable {
                    id: entry.id.clone(),
                    title: entry.title.clone(),
                    boundaries: entry.boundaries.clone(),
                    snap_m: entry.snap_m,
                    data_as_of: date.data_as_of,
                    data_words: date.data_words,
                }
            }),
            layers: manifest.layers.iter().map(LayerTable::from).collect(),
            attributes: manifest
                .attributes
                .iter()
                .map(|entry| AttributeTable::new(entry, statistical_areas.map(|table| &*table.id)))
                .collect(),
            sources: manifest.sources.iter().map(SourceTable::from).collect(),
            files: manifest
                .files
                .iter()
                .map(|(path, entry)| (path.clone(), entry.into()))
                .collect(),
        }
    }
}

impl From<&LayerEntry> for LayerTable {
    fn from(entry: &LayerEntry) -> LayerTable {
        let date = data_date_keys(entry.data_date.as_ref());
        LayerTable {
            id: entry.id.to_string(),
            title: entry.title.clone(),
            singular: Some(entry.singular.clone()),
            abbreviation: entry.abbreviation.clone(),
            noun: entry.noun.clone(),
            kind: entry.kind.to_string(),
            role: Some(entry.role.to_string()),
            parent: entry.parent.map(|layer| layer.to_string()),
            organisation: entry.organisation.map(|kind| kind.to_string()),
            first_data: entry.first_data.to_string(),
            provenance: entry.provenance.to_string(),
            boundaries: entry.boundaries.clone(),
            on_statistical_areas: entry.on_statistical_areas,
            postcode_column: entry.postcode_column.map(|column| column.to_string()),
            snap_m: entry.snap_m,
            first_memberships: entry.first_memberships.map(|day| day.to_string()),
            members_from: entry.members_from.map(|layer| layer.to_string()),
            data_as_of: date.data_as_of,
            data_words: date.data_words,
            accuracy: entry.accuracy.clone(),
        }
    }
}

impl From<&SourceEntry> for SourceTable {
    fn from(entry: &SourceEntry) -> SourceTable {
        SourceTable {
            title: entry.title.clone(),
            publisher: entry.publisher.clone(),
            as_of: entry.as_of.map(|date| date.to_string()),
            vintage: entry.vintage.clone(),
            released: entry.released.map(|date| date.to_string()),
            frequency: entry.frequency.map(|frequency| frequency.to_string()),
            licence: entry.licence.clone(),
            attribution: entry.attribution.clone(),
            tables: entry
                .tables
                .iter()
                .map(|used| SourceUseTable {
                    table: used.table.clone(),
                    columns: used.columns.clone(),
                })
                .collect(),
        }
    }
}

impl From<FileTable> for FileEntry {
    fn from(table: FileTable) -> FileEntry {
        FileEntry {
            sha256: table.sha256,
            size_bytes: table.size_bytes,
        }
    }
}

impl From<&FileEntry> for FileTable {
    fn from(entry: &FileEntry) -> FileTable {
        FileTable {
            sha256: entry.sha256.clone(),
            size_bytes: entry.size_bytes,
        }
    }
}

/// The maximum tolerance and snap distance, in metres. The embedded dataset has a tolerance of 100
/// m and a snap distance of 150 m.
const DISTANCE_MAX_M: f64 = 5_000.0;

/// Checks that the licence is an HTTP or HTTPS URL, because it becomes a link on pages.
///
/// # Errors
/// If the licence is not an HTTP or HTTPS URL. The error describes a valid licence.
pub(crate) fn check_licence(licence: &str) -> Result<(), String> {
    let scheme_and_rest = licence.split_once("://");
    let has_host = scheme_and_rest.is_some_and(|(scheme, rest)| {
        let is_web = ["http", "https"]
            .iter()
            .any(|text| scheme.eq_ignore_ascii_case(text));
        is_web && rest.starts_with(|first: char| first.is_ascii_alphanumeric())
    });
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    if has_host && licence.bytes().all(is_plain) {
        Ok(())
    } else {
        Err(format!(
            "licence: `{}` is not the URL of a licence; it should begin with https:// or http://",
            licence.escape_debug()
        ))
    }
}

/// Checks a tolerance or a snap distance, in metres.
///
/// # Errors
/// If the distance is out of range. The error states the field and its valid range.
pub(crate) fn check_distance(field: &str, metres: f64) -> Result<(), String> {
    // NaN is in no range.
    if (0.0..=DISTANCE_MAX_M).contains(&metres) {
        Ok(())
    } else {
        Err(format!(
            "{field}: `{metres}` is not a distance in metres from 0 to {DISTANCE_MAX_M}"
        ))
    }
}

/// Returns the manifest entry for a file whose content is `content`.
pub fn file_entry(content: &[u8]) -> FileEntry {
    FileEntry {
        sha256: sha256_hex(content),
        size_bytes: content.len() as u64,
    }
}

/// The start of the last line of a manifest. This line contains the checksum of the lines above it.
const CHECKSUM_PREFIX: &str = "# SHA-256 of the lines above: ";

/// Appends the checksum line to the text of a manifest.
pub(super) fn with_checksum(text: &str) -> String {
    format!("{text}{CHECKSUM_PREFIX}{}\n", sha256_hex(text.as_bytes()))
}

/// Returns the text of a manifest without its checksum line, or `None` if the checksum does not
/// match. If there is no checksum line, as in a manifest that was written by hand, returns the text
/// without a check.
pub(super) fn verify_checksum(text: &str) -> Option<&str> {
    let Some(index) = text.rfind(CHECKSUM_PREFIX) else {
        return Some(text);
    };
    let (body, checksum_line) = text.split_at(index);
    let is_correct =
        checksum_line.trim_end() == format!("{CHECKSUM_PREFIX}{}", sha256_hex(body.as_bytes()));
    is_correct.then_some(body)
}

/// An attribute in `dataset.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributeTable {
    id: String,
    title: String,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_as_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_words: Option<String>,
}

impl AttributeTable {
    fn new(entry: &AttributeEntry, statistical_areas: Option<&str>) -> AttributeTable {
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
/// If an attribute is invalid. See [`attribute_entry`].
fn attribute_entries(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_is_a_web_address() {
        for good in [
            "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
            "HTTP://example.org",
            "https://127.0.0.1/a?b=c#d",
        ] {
            assert_eq!(check_licence(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "none",
            "javascript:alert(1)",
            "JavaScript://example.org/%0aalert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "ftp://example.org",
            "//example.org",
            "https://",
            "https:///x",
            " https://example.org",
            "https://example.org/\"onclick=\"x",
            "https://example.org/<b>",
            "https://example.org/a b",
            "https://example.org/\n",
            "java\nscript://example.org",
        ] {
            let error = check_licence(bad).expect_err(bad);
            assert!(error.starts_with("licence: `"), "{error}");
        }
    }

    const TOY: &str = include_str!("../../../../fuzz/seeds/manifest/toy");

    #[test]
    fn manifests_are_the_same_after_writing_and_reading() {
        let manifest = manifest_from_toml(TOY).expect("a manifest");
        let reparsed = manifest_from_toml(&manifest_to_toml(&manifest));
        assert_eq!(reparsed.expect("a manifest"), manifest);
    }

    #[test]
    fn release_date_and_publisher_are_optional() {
        let manifest = manifest_from_toml(TOY).expect("a manifest");
        assert_eq!((manifest.released, &manifest.publisher), (None, &None));
        assert_eq!(manifest.released_or_as_of(), manifest.as_of);
        let released = "sources = []\nreleased = \"2026-05-11\"\npublisher = \"A board\"\n";
        let manifest = manifest_from_toml(&TOY.replacen("sources = []", released, 1));
        let manifest = manifest.expect("a manifest");
        assert_eq!(manifest.released, Some(jiff::civil::date(2026, 5, 11)));
        assert_eq!(manifest.released_or_as_of(), jiff::civil::date(2026, 5, 11));
        assert_eq!(manifest.publisher.as_deref(), Some("A board"));
        let reparsed = manifest_from_toml(&manifest_to_toml(&manifest));
        assert_eq!(reparsed.expect("a manifest"), manifest);
    }

    #[test]
    fn dates_of_sources_are_kept() {
        let dated = TOY.replacen(
            "sources = []",
            "[postcodes]\ndata_as_of = \"2025-11\"\ndata_words = \"the directory of {date}\"\n\n\
             [practices]\ndata_as_of = \"2026\"\n\n[[sources]]\ntitle = \"Statistics\"\n\
             publisher = \"Office\"\nas_of = \"2011-12\"\nlicence = \"open\"\n\
             tables = [{ table = \"a.csv\", columns = [\"b\", \"c\"] }, { table = \"d.csv\" }]\n\n\
             [[sources]]\ntitle = \"Page\"\nvintage = \"2020/21\"\n",
            1,
        );
        let manifest = manifest_from_toml(&dated).expect("a manifest");
        let words: Vec<String> = manifest
            .dated_sources()
            .map(|source| source.in_words())
            .collect();
        assert_eq!(
            words,
            ["the directory of November 2025", "practices as of 2026"]
        );
        let dates = manifest.sources.iter().map(SourceEntry::date_in_words);
        let dates: Vec<String> = dates.flatten().collect();
        assert_eq!(dates, ["December 2011", "2020/21"]);
        let reparsed = manifest_from_toml(&manifest_to_toml(&manifest));
        assert_eq!(reparsed.expect("a manifest"), manifest);
    }

    #[test]
    fn invalid_values_are_rejected_with_their_field() {
        for (from, to, expected) in [
            (
                "sources = []",
                "sources = [{ title = \"Page\", as_of = \"soon\" }]",
                "source `Page`: as_of `soon`: not a date: expected a date written YYYY-MM-DD, YYYY-MM or YYYY",
            ),
            (
                "id = \"icc\"",
                "id = \"icc\"\ndata_as_of = \"2025-13\"",
                "layer `icc`: data_as_of `2025-13`: ",
            ),
            (
                "id = \"icc\"",
                "id = \"icc\"\ndata_words = \"of {date}\"",
                "layer `icc`: data_words needs data_as_of",
            ),
            (
                "id = \"icc\"",
                "id = \"icc\"\ndata_as_of = \"2025\"\ndata_words = \"of 2025\"",
                "layer `icc`: data_words `of 2025` should contain {date}",
            ),
            ("2025-01-01", "2025-02-30", "as_of `2025-02-30`: "),
            (
                "sources = []",
                "sources = []\nreleased = \"soon\"",
                "released `soon`: ",
            ),
            (
                "id = \"icc\"",
                "id = \"parish\"",
                "layer `parish`: role is missing: one of community, part, ",
            ),
            ("2022-01-05", "soon", "first_data of layer `icc`: "),
            (
                "indicative",
                "hearsay",
                "provenance of layer `icc`: must be official, derived, modelled or indicative",
            ),
            (
                "\"partition\"",
                "\"parts\"",
                "kind of layer `icc`: must be partition, overlapping or membership",
            ),
            ("resilience-group", "icc", "layer `icc` is listed twice"),
            (
                "sources = []",
                "sources = []\nundated_terminations_after = \"soon\"",
                "undated_terminations_after `soon`: ",
            ),
        ] {
            assert!(TOY.contains(from), "{from}");
            let error = manifest_from_toml(&TOY.replacen(from, to, 1)).expect_err(to);
            let expected = format!("dataset.toml: {expected}");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn layers_of_earlier_versions_have_roles_and_words() {
        let manifest = manifest_from_toml(TOY).expect("a manifest");
        let icc = &manifest.layers[0];
        let roles = manifest.layers.iter().map(|entry| entry.role.as_str());
        assert_eq!(roles.collect::<Vec<_>>(), ["community", "group"]);
        assert_eq!(icc.singular, "Integrated Care Community");
        assert_eq!(icc.noun(), "ICC");
        assert_eq!(manifest.main_community_layer(), Some(icc.id));
        // If the parent of a layer is not in the dataset, it is removed.
        let part = TOY.replacen("id = \"icc\"", "id = \"sub-community\"", 1);
        let manifest = manifest_from_toml(&part).expect("a manifest");
        assert_eq!(manifest.layers[0].role, LayerRole::Part);
        assert_eq!(manifest.layers[0].parent, None);
        let reparsed = manifest_from_toml(&manifest_to_toml(&manifest));
        assert_eq!(reparsed.expect("a manifest"), manifest);
    }

    #[test]
    fn any_layer_can_be_declared() {
        let declared = "id = \"neighbourhood\"\nrole = \"community\"\n\
                        singular = \"Neighbourhood\"\nnoun = \"neighbourhood\"";
        let manifest = manifest_from_toml(&TOY.replacen("id = \"icc\"", declared, 1));
        let manifest = manifest.expect("a manifest");
        let entry = &manifest.layers[0];
        assert_eq!(entry.id.as_str(), "neighbourhood");
        assert_eq!(entry.noun(), "neighbourhood");
        let reparsed = manifest_from_toml(&manifest_to_toml(&manifest));
        assert_eq!(reparsed.expect("a manifest"), manifest);
        for (keys, expected) in [
            (
                "id = \"Neighbourhood\"",
                "layer `Neighbourhood`: not the id of a layer",
            ),
            (
                "id = \"neighbourhood\"\nrole = \"community\"",
                "layer `neighbourhood`: singular is missing",
            ),
            (
                "id = \"neighbourhood\"\nrole = \"village\"",
                "role of layer `neighbourhood`: must be community, part,",
            ),
            (
                "id = \"icc\"\nrole = \"community\"\nsingular = \"ICC\"\nparent = \"county\"",
                "layer `icc`: parent `county` is not another layer of the dataset",
            ),
        ] {
            let error = manifest_from_toml(&TOY.replacen("id = \"icc\"", keys, 1));
            let error = error.expect_err(keys).to_string();
            assert!(
                error.starts_with(&format!("dataset.toml: {expected}")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_distance_is_between_zero_and_the_maximum() {
        for good in [0.0, -0.0, 0.5, 100.0, 5_000.0] {
            assert_eq!(check_distance("snap_m", good), Ok(()), "{good}");
        }
        for bad in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.001,
            -1.0,
            5_000.1,
            1e300,
        ] {
            let error = check_distance("snap_m", bad).expect_err("absurd");
            assert!(error.starts_with("snap_m: `"), "{error}");
        }
    }
}
