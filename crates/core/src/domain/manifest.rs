//! The manifest of a dataset: its name, version, layers and sources.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;

use super::keyword::keyword_enum;
use super::{
    Area, AttributeEntry, DataDate, Layer, LayerRole, OrganisationKind, PostcodeColumn, Provenance,
    SourceDate, SourceFrequency, YearMonth,
};

/// The manifest of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The short name, used in URLs: `lancashire-and-cumbria`.
    pub name: String,
    /// The version of the release: `2025.2`.
    pub version: String,
    /// The title shown to users.
    pub title: String,
    /// The date as of which the data describe the areas.
    pub as_of: Date,
    /// The date on which this version was released, if known.
    pub released: Option<Date>,
    /// The organisation that publishes the dataset, if known.
    pub publisher: Option<String>,
    /// The attribution, which is shown wherever the data are shown.
    pub attribution: String,
    /// The URL of the data's licence.
    pub licence: String,
    /// The distance in metres from a boundary within which an answer is `near_boundary`. The
    /// distance is greater where postcodes are far apart.
    pub tolerance_m: f64,
    /// The last month in which postcodes were in use that are terminated but have no known month of
    /// termination.
    pub undated_terminations_after: Option<YearMonth>,
    /// The outward codes whose postcodes are all in the dataset.
    pub complete_outcodes: Vec<String>,
    /// The date of the postcode directory's source.
    pub postcodes_date: Option<DataDate>,
    /// The date of the practice directory's source.
    pub practices_date: Option<DataDate>,
    /// The date of the source of the homes by which postcodes are divided between areas.
    pub homes_date: Option<DataDate>,
    /// The statistical areas that layers are defined on.
    pub statistical_areas: Option<StatisticalAreasEntry>,
    /// The layers of the dataset in the order in which answers list them. Each layer occurs at most
    /// once.
    pub layers: Vec<LayerEntry>,
    /// The attributes of postcodes and areas, in the order in which answers list them.
    pub attributes: Vec<AttributeEntry>,
    /// The published works that the dataset was built from.
    pub sources: Vec<SourceEntry>,
    /// The size and checksum of every other file in the dataset's folder, by its path in that
    /// folder.
    pub files: BTreeMap<String, FileEntry>,
}

impl Manifest {
    /// Returns the entry of a layer; `None` if the dataset does not contain the layer.
    pub fn layer(&self, layer: Layer) -> Option<&LayerEntry> {
        self.layers.iter().find(|entry| entry.id == layer)
    }

    /// Returns the error for an unknown layer, which lists the dataset's layers.
    pub fn unknown_layer(&self) -> UnknownLayer {
        UnknownLayer {
            known: self.layers.iter().map(|entry| entry.id).collect(),
        }
    }

    /// Returns the layers of this dataset, followed by the layers that only `other` contains.
    pub fn layers_of_both(&self, other: &Manifest) -> Vec<Layer> {
        let own = self.layers.iter().map(|entry| entry.id);
        let others = other.layers.iter().map(|entry| entry.id);
        own.chain(others.filter(|id| self.layer(*id).is_none()))
            .collect()
    }

    /// Returns the layers with a role, in the order in which answers list them.
    pub fn layers_with_role(&self, role: LayerRole) -> impl Iterator<Item = Layer> + Clone {
        let layers = self.layers.iter();
        let layers = layers.filter(move |entry| entry.role == role);
        layers.map(|entry| entry.id)
    }

    /// Returns the administrative layers, starting with the layers of the largest areas, which no
    /// other layer contains.
    pub fn administrative_from_top(&self) -> impl Iterator<Item = Layer> {
        let with_parent = |has_parent: bool| {
            let layers = self.layers.iter().filter(move |entry| {
                entry.role == LayerRole::Administrative && entry.parent.is_some() == has_parent
            });
            layers.map(|entry| entry.id)
        };
        with_parent(false).chain(with_parent(true))
    }

    /// Returns whether the dataset contains the layer and the layer has this role.
    pub fn has_role(&self, layer: Layer, role: LayerRole) -> bool {
        self.layer(layer).is_some_and(|entry| entry.role == role)
    }

    /// Returns the first layer of communities. Other layers of communities supplement it.
    pub fn main_community_layer(&self) -> Option<Layer> {
        self.layers_with_role(LayerRole::Community).next()
    }

    /// Returns the layer of the areas of GP practices.
    pub fn practice_layer(&self) -> Option<Layer> {
        self.layers_with_role(LayerRole::PracticeCatchment).next()
    }

    /// Returns the first layer of groups.
    pub fn group_layer(&self) -> Option<Layer> {
        self.layers_with_role(LayerRole::Group).next()
    }

    /// Returns whether the dataset has the homes of postcodes that are divided between areas.
    pub fn has_homes(&self) -> bool {
        self.files.contains_key(POSTCODE_HOMES_FILE)
    }

    /// Returns the layer whose areas are the statistical areas themselves. The layer and the
    /// statistical areas have the same boundaries.
    pub fn statistical_area_layer(&self) -> Option<Layer> {
        let statistical = self.statistical_areas.as_ref()?;
        let mut layers = self.layers.iter();
        let found = layers.find(|entry| entry.boundaries.as_ref() == Some(&statistical.boundaries));
        found.map(|entry| entry.id)
    }

    /// Returns whether areas of a layer may lack a boundary, because the postcode directory states
    /// which postcodes are in each area.
    pub fn may_lack_boundaries(&self, layer: Layer) -> bool {
        self.layer(layer)
            .is_some_and(|entry| entry.postcode_column.is_some())
    }

    /// Returns the layer whose areas belong to NHS organisations of a kind.
    pub fn organisation_layer(&self, kind: OrganisationKind) -> Option<Layer> {
        let mut layers = self.layers.iter();
        let found = layers.find(|entry| entry.organisation == Some(kind));
        found.map(|entry| entry.id)
    }

    /// Sets the names of areas for display; see [`LayerEntry::set_area_title`].
    pub fn set_area_titles(&self, areas: &mut [Area]) {
        for area in areas {
            if let Some(entry) = self.layer(area.layer) {
                entry.set_area_title(area);
            }
        }
    }

    /// Returns the edition of the postcode directory, for use within a sentence: `November 2025`.
    ///
    /// Only this function determines the edition of the directory. The function uses the first of
    /// these dates that is known: the date of the directory's source, the edition of the source
    /// whose title contains "postcode directory", and the month of the dataset's own date.
    pub fn directory_edition(&self) -> String {
        if let Some(date) = &self.postcodes_date {
            return date.as_of.in_words();
        }
        let mut sources = self.sources.iter();
        let directory = sources.find(|source| source.title.contains("Postcode Directory"));
        match directory.and_then(SourceEntry::date_in_words) {
            Some(date) => month_name(&date),
            None => month_name(&self.as_of.to_string()),
        }
    }

    /// Returns the title of a layer in the plural, or its id if the dataset does not contain the
    /// layer.
    pub fn layer_title(&self, layer: Layer) -> &str {
        self.layer(layer)
            .map_or(layer.as_str(), |entry| entry.title.as_str())
    }

    /// Returns the parts of the dataset whose source has a date: the postcode directory, the
    /// practice directory, the layers in the manifest's order, the statistical areas unless they are
    /// a layer, the homes, and the attributes.
    pub fn dated_sources(&self) -> impl Iterator<Item = DatedSource<'_>> {
        let directories = [
            (POSTCODES_KEY, &self.postcodes_date),
            (PRACTICES_KEY, &self.practices_date),
        ];
        let directories = directories.into_iter();
        let directories = directories.map(|(key, date)| (key, None, key, date));
        let layers = self.layers.iter();
        let layers = layers.map(|entry| {
            let key = entry.id.as_str();
            (key, Some(entry.id), entry.title.as_str(), &entry.data_date)
        });
        let is_layer = self.statistical_area_layer().is_some();
        let statistical = self.statistical_areas.iter().filter(move |_| !is_layer);
        let statistical =
            statistical.map(|entry| (&*entry.id, None, entry.title.as_str(), &entry.data_date));
        let homes = (HOMES_KEY, None, HOMES_KEY, &self.homes_date);
        let attributes = self.attributes.iter();
        let attributes = attributes.map(|entry| {
            (
                entry.id.as_str(),
                None,
                entry.title.as_str(),
                &entry.data_date,
            )
        });
        let all = directories
            .chain(layers)
            .chain(statistical)
            .chain([homes])
            .chain(attributes);
        all.filter_map(|(key, layer, title, date)| {
            let date = date.as_ref()?;
            Some(DatedSource {
                key,
                layer,
                title,
                date,
            })
        })
    }

    /// Returns the date on which this version was released or, if that is not known, the date as of
    /// which the data describe the areas.
    pub fn released_or_as_of(&self) -> Date {
        self.released.unwrap_or(self.as_of)
    }

    /// Returns the first day of the newest source's date. If no source has a date, returns the date
    /// of the dataset.
    pub fn newest_source(&self) -> Date {
        let newest = self.dated_sources().map(|source| source.date.as_of).max();
        newest.map_or(self.as_of, SourceDate::first_day)
    }
}

/// Returns the month and year of a date such as `2025-11` or `2025-11-30` as text. Any other text
/// is returned unchanged.
fn month_name(date: &str) -> String {
    let month = date.get(..7).unwrap_or(date).parse::<YearMonth>();
    match month {
        Ok(month) => month.first_day().strftime("%B %Y").to_string(),
        Err(_) => date.to_string(),
    }
}

/// Returns phrases that describe sources and state their dates. A phrase that is the same for
/// several sources is returned once.
pub fn phrases<'m>(sources: impl Iterator<Item = DatedSource<'m>>) -> Vec<String> {
    let mut phrases: Vec<String> = Vec::new();
    for phrase in sources.map(|source| source.in_words()) {
        if !phrases.contains(&phrase) {
            phrases.push(phrase);
        }
    }
    phrases
}

/// The key of the postcode directory in the dates of sources.
pub const POSTCODES_KEY: &str = "postcodes";
/// The key of the practice directory in the dates of sources.
pub const PRACTICES_KEY: &str = "practices";
/// The name of the table of the homes of postcodes in a dataset's folder.
pub const POSTCODE_HOMES_FILE: &str = "postcode_homes.csv";
/// The key of the homes of postcodes among the dates of sources.
pub const HOMES_KEY: &str = "homes";

/// A part of a dataset whose source has a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatedSource<'m> {
    /// The key of the part in answers: `postcodes`, `practices`, `homes`, or the id of a layer, of the
    /// statistical areas or of an attribute.
    pub key: &'m str,
    /// The layer, if the part is a layer.
    pub layer: Option<Layer>,
    /// The title of the part that is shown to users.
    pub title: &'m str,
    /// The date of the source.
    pub date: &'m DataDate,
}

impl DatedSource<'_> {
    /// Returns a phrase that describes the source and states its date: `practices as listed by NHS
    /// ODS in April 2026`.
    pub fn in_words(&self) -> String {
        let date = self.date.as_of.in_words();
        match &self.date.words {
            Some(words) => words.replace(DataDate::PLACEHOLDER, &date),
            None => format!("{} as of {date}", self.title),
        }
    }
}

/// The statistical areas that layers are defined on, such as LSOAs.
#[derive(Debug, Clone, PartialEq)]
pub struct StatisticalAreasEntry {
    /// The id of the statistical areas: `lsoa11`.
    pub id: String,
    /// The title of the statistical areas that is shown to users.
    pub title: String,
    /// The path of the file with the boundaries of the statistical areas.
    pub boundaries: String,
    /// The snap distance in metres. A position outside every statistical area is assigned to the
    /// nearest statistical area if that area is within this distance. Such positions occur on
    /// coasts whose boundary is generalised.
    pub snap_m: f64,
    /// The date of the source of the boundaries.
    pub data_date: Option<DataDate>,
}

/// A layer of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerEntry {
    /// The layer.
    pub id: Layer,
    /// The title that is shown to users, in the plural.
    pub title: String,
    /// The name for one area of the layer, as a title: `Integrated Care Community`.
    pub singular: String,
    /// The abbreviation of `singular`. The titles of communities end with this abbreviation: `ICC`.
    pub abbreviation: Option<String>,
    /// The noun for one area within a sentence, if it differs from the abbreviation and the
    /// singular: `neighbourhood team`.
    pub noun: Option<String>,
    /// The kind: whether the layer's areas may overlap, and whether they are unions of other areas.
    pub kind: LayerKind,
    /// The role, which determines how answers and pages show the layer.
    pub role: LayerRole,
    /// The layer that contains the areas of this layer.
    pub parent: Option<Layer>,
    /// The kind of NHS organisation, if the ids of the layer's areas are the ODS codes of such
    /// organisations.
    pub organisation: Option<OrganisationKind>,
    /// The first date for which there are data.
    pub first_data: Date,
    /// The provenance of the layer's boundaries.
    pub provenance: Provenance,
    /// The path of the file with the layer's boundaries.
    pub boundaries: Option<String>,
    /// Whether the layer's areas are defined as sets of statistical areas.
    pub on_statistical_areas: bool,
    /// The column of the postcode directory that contains the id of each postcode's area, if there
    /// is such a column.
    pub postcode_column: Option<PostcodeColumn>,
    /// The snap distance in metres. A position outside every area is assigned to the nearest area
    /// if that area is within this distance. Such positions occur on coasts with a generalised
    /// boundary; if the boundary is exact, the snap distance is 0. A layer that is defined on
    /// statistical areas uses the snap distance of the statistical areas instead.
    pub snap_m: f64,
    /// The first date for which the practices of the layer's areas are known, if this date is
    /// earlier than `first_data`.
    pub first_memberships: Option<Date>,
    /// The layer whose areas are treated as the areas of this layer, because no source names the
    /// members of this layer.
    pub members_from: Option<Layer>,
    /// The date of the layer's source.
    pub data_date: Option<DataDate>,
    /// The accuracy of the layer's areas, as sentences that pages show.
    pub accuracy: Option<String>,
}

impl LayerEntry {
    /// Returns the noun for one area within a sentence: the noun in the manifest or, if that is
    /// missing, the abbreviation or the singular.
    pub fn noun(&self) -> &str {
        let noun = self.noun.as_ref().or(self.abbreviation.as_ref());
        noun.unwrap_or(&self.singular)
    }

    /// Sets the names of an area of the layer for display. The title of a community ends with the
    /// layer's abbreviation. If the layer has no abbreviation, the name of a community within a
    /// sentence ends with the layer's noun.
    pub fn set_area_title(&self, area: &mut Area) {
        (area.title, area.label) = (None, None);
        if self.role != LayerRole::Community {
            return;
        }
        let with = |words: &String| format!("{} {words}", area.name);
        match (&self.abbreviation, &self.noun) {
            (Some(abbreviation), _) if !area.name.ends_with(abbreviation.as_str()) => {
                area.title = Some(with(abbreviation));
            }
            (None, Some(noun)) if !ends_with_word(&area.name, noun) => {
                area.label = Some(with(noun));
            }
            _ => {}
        }
    }
}

/// Returns whether a name ends with the last word of `words`, ignoring case.
fn ends_with_word(name: &str, words: &str) -> bool {
    let last = words.rsplit(' ').next().unwrap_or(words);
    name.to_lowercase().ends_with(&last.to_lowercase())
}

/// The error for the id of a layer that the dataset does not contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownLayer {
    /// The layers of the dataset, in the order in which answers list them.
    pub known: Vec<Layer>,
}

/// Lists the layers of the dataset: `not a layer: use icc, pcn or icb`.
impl fmt::Display for UnknownLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a layer")?;
        for (index, layer) in self.known.iter().enumerate() {
            let separator = match index {
                0 => ": use ",
                _ if index + 1 == self.known.len() => " or ",
                _ => ", ",
            };
            write!(f, "{separator}{layer}")?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownLayer {}

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

/// A published work from which the dataset was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceEntry {
    /// The title of the work.
    pub title: String,
    /// The publisher of the work.
    pub publisher: Option<String>,
    /// The date as of which the work describes its subject.
    pub as_of: Option<SourceDate>,
    /// The edition of the work, or a description of its date, if the work has no single date.
    pub vintage: Option<String>,
    /// The date on which the work was published.
    pub released: Option<SourceDate>,
    /// How often the work is published, if the dataset declares it.
    pub frequency: Option<SourceFrequency>,
    /// The licence of the work.
    pub licence: Option<String>,
    /// The attribution that the licence requires.
    pub attribution: Option<String>,
    /// The tables and columns that were taken from the work.
    pub tables: Vec<SourceUse>,
}

impl SourceEntry {
    /// Returns the date as text, or the edition if there is no date: `November 2025`, `2025.2`.
    pub fn date_in_words(&self) -> Option<String> {
        let date = self.as_of.map(SourceDate::in_words);
        date.or_else(|| self.vintage.clone())
    }
}

/// The table for which a source was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUse {
    /// The file name of the table.
    pub table: String,
    /// The columns that are from the source; empty if the whole table is from the source.
    pub columns: Vec<String>,
}

/// The size and checksum of a file of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct FileEntry {
    /// The SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// The size in bytes.
    pub size_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::layers;

    #[test]
    fn sources_are_described_in_words() {
        let mut date = DataDate {
            as_of: "2026-04".parse().expect("a date"),
            words: Some("practices as listed by NHS ODS in {date}".into()),
        };
        let words = |date: &DataDate| {
            let title = "Practices";
            DatedSource {
                key: PRACTICES_KEY,
                layer: None,
                title,
                date,
            }
            .in_words()
        };
        assert_eq!(words(&date), "practices as listed by NHS ODS in April 2026");
        date.words = None;
        assert_eq!(words(&date), "Practices as of April 2026");
        let source = |title| DatedSource {
            key: PRACTICES_KEY,
            layer: None,
            title,
            date: &date,
        };
        let both = [source("Practices"), source("Groups"), source("Practices")];
        assert_eq!(
            phrases(both.into_iter()),
            ["Practices as of April 2026", "Groups as of April 2026"]
        );
    }

    #[test]
    fn unknown_layers_are_reported_with_the_known_ones() {
        let text = |known: &[Layer]| {
            let known = known.to_vec();
            UnknownLayer { known }.to_string()
        };
        assert_eq!(text(&[]), "not a layer");
        assert_eq!(text(&[layers::icc()]), "not a layer: use icc");
        let three = [layers::icc(), layers::pcn(), layers::icb()];
        assert_eq!(text(&three), "not a layer: use icc, pcn or icb");
    }
}
