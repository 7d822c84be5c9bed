//! Finds the input columns that contain the postcode, the practice code, the coordinates and the
//! date.

use super::BatchError;
use super::statistical_columns;
use catchment_core::domain::{Layer, LayerRole, Manifest};

/// The role of an input column, which determines the meaning of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnRole {
    /// The postcode of the residence.
    Postcode,
    /// The code of the practice at which the patient is registered.
    Practice,
    /// The longitude in degrees, WGS84.
    Longitude,
    /// The latitude in degrees, WGS84.
    Latitude,
    /// The easting in metres, British National Grid.
    Easting,
    /// The northing in metres, British National Grid.
    Northing,
    /// The code of the statistical area of the residence. The names of such columns are derived
    /// from the ids of the layers of statistical areas; see `statistical_columns`.
    StatisticalArea,
    /// The UPRN of the residence.
    Uprn,
    /// The as-of date of the row. The column is never detected by its name.
    AsOf,
    /// The key that identifies the row in the answers of a previous run. The key is in the first
    /// column unless the user specifies a column.
    Key,
}

/// For each role, the names of columns that are recognised. The comparison ignores case, white
/// space and punctuation.
pub const COLUMN_ALIASES: &[(ColumnRole, &[&str])] = &[
    (
        ColumnRole::Postcode,
        &[
            "postcode",
            "pcd",
            "pcds",
            "pcd2",
            "pcd7",
            "pcd8",
            "unitpostcode",
            "postalcode",
            "patientpostcode",
            "homepostcode",
            "residencepostcode",
            "postcodeofresidence",
            "postcodeofusualaddress",
            "usualaddresspostcode",
            "currentpostcode",
            "personpostcode",
            "childpostcode",
            "patientspostcode",
            "postcodehome",
            "addresspostcode",
            "postcodeofpatient",
        ],
    ),
    (
        ColumnRole::Practice,
        &[
            "gppracticecode",
            "practicecode",
            "odscode",
            "gppracticeodscode",
            "practiceodscode",
            "gpodscode",
            "gpcode",
            "registeredpracticecode",
            "registeredgppracticecode",
            "generalpracticecode",
            "generalmedicalpracticecode",
            "generalmedicalpracticecodepatientregistration",
            "gmpcode",
            "gmpcodeofregistration",
            "gmpcodepatientregistration",
            "gmpreg",
            "gmpcodereg",
            "gppracticecodepatientregistration",
            "registeredgppracticeodscode",
        ],
    ),
    (ColumnRole::Longitude, &["longitude", "lon", "long", "lng"]),
    (ColumnRole::Latitude, &["latitude", "lat"]),
    (
        ColumnRole::Easting,
        &["easting", "eastings", "oseasting", "oseast1m", "east1m"],
    ),
    (
        ColumnRole::Northing,
        &["northing", "northings", "osnorthing", "osnrth1m", "north1m"],
    ),
    (
        ColumnRole::Uprn,
        &[
            "uprn",
            "uniquepropertyreferencenumber",
            "patientuprn",
            "uprnofresidence",
        ],
    ),
];

/// The columns that the user specified.
#[derive(Debug, Clone, Default)]
pub struct ColumnOverrides {
    /// The column with the postcodes.
    pub postcode: Option<String>,
    /// The column with the practice codes.
    pub practice: Option<String>,
    /// The column with the longitudes.
    pub longitude: Option<String>,
    /// The column with the latitudes.
    pub latitude: Option<String>,
    /// The column with the eastings.
    pub easting: Option<String>,
    /// The column with the northings.
    pub northing: Option<String>,
    /// The column with the codes of statistical areas.
    pub statistical_area: Option<String>,
    /// The column with the UPRNs.
    pub uprn: Option<String>,
    /// The layer of the statistical areas in that column; by default the layer that the name of the
    /// column shows, or any layer of statistical areas.
    pub statistical_layer: Option<Layer>,
    /// The column with the as-of dates.
    pub as_of: Option<String>,
    /// The column with the keys, if rows are compared with the answers of a previous run.
    pub key: Option<KeyColumn>,
    /// Whether only the registration is looked up. If so, no location is read.
    pub registration_only: bool,
    /// The layers of statistical areas in the dataset. The user does not specify them. The names of
    /// columns with codes are derived from the ids of these layers.
    pub statistical_layers: Vec<Layer>,
    /// Whether UPRNs can be looked up, so that a column with the name `uprn` is used if there is no other
    /// location. The user does not specify this.
    pub has_uprns: bool,
}

/// The column with the keys of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyColumn {
    /// The first column.
    First,
    /// The column with this name.
    Named(String),
}

/// The columns that contain the location. Indices start at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocationColumns {
    /// The postcode column.
    Postcode(usize),
    /// The longitude and latitude columns.
    LonLat(usize, usize),
    /// The easting and northing columns.
    Grid(usize, usize),
    /// The column with the codes of statistical areas, and their layer. The layer is `None` if a
    /// code may belong to any layer.
    StatisticalArea(usize, Option<Layer>),
    /// The column with the UPRNs.
    Uprn(usize),
    /// The location is not read.
    None,
}

/// The input columns that the look-up reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnMapping {
    /// The columns that contain the location.
    pub location: LocationColumns,
    /// The column that contains the practice code, if any.
    pub practice: Option<usize>,
    /// The column that contains the as-of date, if any.
    pub as_of: Option<usize>,
    /// The column that contains the key, if rows are compared with the answers of a previous run.
    pub key: Option<usize>,
}

impl ColumnRole {
    /// Returns the name of the role for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            ColumnRole::Postcode => "postcode",
            ColumnRole::Practice => "practice code",
            ColumnRole::Longitude => "longitude",
            ColumnRole::Latitude => "latitude",
            ColumnRole::Easting => "easting",
            ColumnRole::Northing => "northing",
            ColumnRole::StatisticalArea => "statistical area",
            ColumnRole::Uprn => "UPRN",
            ColumnRole::AsOf => "day",
            ColumnRole::Key => "key",
        }
    }

    /// Returns a clause that states the data type required for this role.
    pub fn expected(self) -> &'static str {
        match self {
            ColumnRole::Postcode => "a postcode must be text",
            ColumnRole::Practice => "a practice code must be text",
            ColumnRole::StatisticalArea => "the code of a statistical area must be text",
            ColumnRole::AsOf => "an as-of date must be a date (date32) or text",
            ColumnRole::Key => "a key must be text or a number",
            ColumnRole::Uprn => "a UPRN must be a number or text",
            _ => "a coordinate must be a number (integer or floating point) or text",
        }
    }

    /// Returns the command-line option that specifies the column of this role.
    pub fn argument(self) -> &'static str {
        match self {
            ColumnRole::Postcode => "--postcode-column",
            ColumnRole::Practice => "--practice-column",
            ColumnRole::Longitude => "--lon-column",
            ColumnRole::Latitude => "--lat-column",
            ColumnRole::Easting => "--easting-column",
            ColumnRole::Northing => "--northing-column",
            ColumnRole::StatisticalArea => "--area-column",
            ColumnRole::Uprn => "--uprn-column",
            ColumnRole::AsOf => "--as-of-column",
            ColumnRole::Key => "--key",
        }
    }
}

/// A function that returns the location columns of one kind, or `None` if they are not in the
/// input.
type LocationFinder<'n> = &'n dyn Fn() -> Result<Option<LocationColumns>, BatchError>;

/// The error for a layer that is not one of the dataset's layers of statistical areas.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be the id of a layer of statistical areas{}",
    listed_layers(known)
)]
pub struct NotStatisticalLayer {
    /// The layers of statistical areas of the dataset.
    pub known: Vec<Layer>,
}

/// Lists layers in the form in which they follow a sentence: `: lsoa11, lsoa21`.
fn listed_layers(known: &[Layer]) -> String {
    let ids: Vec<&str> = known.iter().map(|layer| layer.as_str()).collect();
    if ids.is_empty() {
        return ", and this dataset has none".into();
    }
    format!(": {}", ids.join(", "))
}

impl ColumnOverrides {
    /// Sets the dataset's layers of statistical areas, and the layer whose codes are in the column.
    ///
    /// # Errors
    /// If the id is not the id of a layer of statistical areas.
    pub fn set_statistical_layers(
        &mut self,
        manifest: &Manifest,
        id: Option<&str>,
    ) -> Result<(), NotStatisticalLayer> {
        let known: Vec<Layer> = manifest.layers_with_role(LayerRole::Statistical).collect();
        if let Some(id) = id {
            let named = known.iter().find(|layer| layer.as_str() == id.trim());
            let Some(named) = named else {
                return Err(NotStatisticalLayer { known });
            };
            self.statistical_layer = Some(*named);
        }
        self.statistical_layers = known;
        Ok(())
    }

    fn get(&self, role: ColumnRole) -> Option<&str> {
        let name = match role {
            ColumnRole::Postcode => &self.postcode,
            ColumnRole::Practice => &self.practice,
            ColumnRole::Longitude => &self.longitude,
            ColumnRole::Latitude => &self.latitude,
            ColumnRole::Easting => &self.easting,
            ColumnRole::Northing => &self.northing,
            ColumnRole::StatisticalArea => &self.statistical_area,
            ColumnRole::Uprn => &self.uprn,
            ColumnRole::AsOf => &self.as_of,
            ColumnRole::Key => {
                return match &self.key {
                    Some(KeyColumn::Named(name)) => Some(name),
                    _ => None,
                };
            }
        };
        name.as_deref()
    }
}

impl ColumnMapping {
    /// Finds the columns in a list of column names.
    ///
    /// A name that the user specifies is first compared exactly. If no column matches, the name is
    /// compared in the same way as the names in [`COLUMN_ALIASES`]. If two columns match, or the
    /// columns contain the location in two ways, an error is returned, because the user must
    /// choose. If no location is found, the only column whose name contains the word "postcode" is
    /// used, unless its name indicates the postcode of a practice or another organisation.
    ///
    /// # Errors
    /// If a required column is missing or ambiguous.
    pub fn find(
        names: &[String],
        overrides: &ColumnOverrides,
    ) -> Result<ColumnMapping, BatchError> {
        let found = ColumnMapping::find_by_known_names(names, overrides);
        let is_postcode_missing = matches!(
            found,
            Err(BatchError::MissingColumn {
                role: ColumnRole::Postcode,
                ..
            })
        );
        if !is_postcode_missing || overrides.postcode.is_some() {
            return found;
        }
        match column_with_word(names)? {
            Some(column) => {
                let overrides = ColumnOverrides {
                    postcode: Some(names[column].clone()),
                    ..overrides.clone()
                };
                ColumnMapping::find_by_known_names(names, &overrides)
            }
            None => found,
        }
    }

    /// Finds the columns in the same way as [`ColumnMapping::find`], but does not use a column
    /// merely because its name contains a word.
    pub(super) fn find_by_known_names(
        names: &[String],
        overrides: &ColumnOverrides,
    ) -> Result<ColumnMapping, BatchError> {
        let missing = |role| BatchError::MissingColumn {
            role,
            columns: names.to_vec(),
        };
        let column = |role| match overrides.get(role) {
            Some(name) => column_named(names, role, name).map(Some),
            None => column_by_alias(names, role),
        };
        let pair = |first, second| match (column(first)?, column(second)?) {
            (Some(a), Some(b)) => Ok(Some((a, b))),
            (None, None) => Ok(None),
            (None, Some(_)) if overrides.get(second).is_some() => Err(missing(first)),
            (Some(_), None) if overrides.get(first).is_some() => Err(missing(second)),
            // A latitude or longitude on its own is not a position.
            _ => Ok(None),
        };
        let is_named =
            |roles: &[ColumnRole]| roles.iter().any(|&role| overrides.get(role).is_some());
        let postcode = || Ok(column(ColumnRole::Postcode)?.map(LocationColumns::Postcode));
        let lonlat = || {
            let pair = pair(ColumnRole::Longitude, ColumnRole::Latitude)?;
            Ok(pair.map(|(lon, lat)| LocationColumns::LonLat(lon, lat)))
        };
        let grid = || {
            let pair = pair(ColumnRole::Easting, ColumnRole::Northing)?;
            Ok(pair.map(|(easting, northing)| LocationColumns::Grid(easting, northing)))
        };
        let area = || {
            let Some(name) = overrides.get(ColumnRole::StatisticalArea) else {
                return Ok(None);
            };
            let column = column_named(names, ColumnRole::StatisticalArea, name)?;
            let layer = overrides.statistical_layer.or_else(|| {
                let layers = &overrides.statistical_layers;
                statistical_columns::layer_of_column(&normalise(&names[column]), layers).flatten()
            });
            Ok(Some(LocationColumns::StatisticalArea(column, layer)))
        };
        let uprn = || {
            let named = overrides.get(ColumnRole::Uprn);
            let column = named.map(|name| column_named(names, ColumnRole::Uprn, name));
            Ok(column.transpose()?.map(LocationColumns::Uprn))
        };
        let finders: [(&[ColumnRole], LocationFinder<'_>); 5] = [
            (&[ColumnRole::Postcode], &postcode),
            (&[ColumnRole::Longitude, ColumnRole::Latitude], &lonlat),
            (&[ColumnRole::Easting, ColumnRole::Northing], &grid),
            (&[ColumnRole::StatisticalArea], &area),
            (&[ColumnRole::Uprn], &uprn),
        ];
        let any_is_named = finders.iter().any(|(roles, _)| is_named(roles));
        let mut locations = Vec::new();
        for (roles, finder) in finders {
            if is_named(roles) || !any_is_named {
                locations.extend(finder()?);
            }
        }
        // A file with UPRNs may also have postcodes, which are looked up unless the user specifies the
        // column of UPRNs.
        if locations.is_empty()
            && !any_is_named
            && !overrides.registration_only
            && overrides.has_uprns
        {
            let column = column_by_alias(names, ColumnRole::Uprn)?;
            locations.extend(column.map(LocationColumns::Uprn));
        }
        // Postcodes and coordinates are more exact than statistical areas, so a file may have both.
        if locations.is_empty() && !any_is_named && !overrides.registration_only {
            locations.extend(statistical_column(names, overrides)?);
        }
        let location = match (locations.as_slice(), overrides.registration_only) {
            (_, true) if !any_is_named => LocationColumns::None,
            ([location], false) => *location,
            ([], false) => {
                return Err(missing(ColumnRole::Postcode));
            }
            _ => return Err(BatchError::AmbiguousLocation),
        };
        let mut mapping = ColumnMapping {
            location,
            practice: column(ColumnRole::Practice)?,
            as_of: match overrides.get(ColumnRole::AsOf) {
                Some(name) => Some(column_named(names, ColumnRole::AsOf, name)?),
                None => None,
            },
            key: None,
        };
        mapping.key = key_column(names, overrides, &mapping)?;
        if location == LocationColumns::None && mapping.practice.is_none() {
            return Err(missing(ColumnRole::Practice));
        }
        Ok(mapping)
    }

    /// Returns the columns that the look-up reads, with their roles.
    pub fn columns(&self) -> Vec<(ColumnRole, usize)> {
        let mut columns = match self.location {
            LocationColumns::Postcode(index) => vec![(ColumnRole::Postcode, index)],
            LocationColumns::StatisticalArea(index, _) => {
                vec![(ColumnRole::StatisticalArea, index)]
            }
            LocationColumns::Uprn(index) => vec![(ColumnRole::Uprn, index)],
            LocationColumns::LonLat(lon, lat) => {
                vec![(ColumnRole::Longitude, lon), (ColumnRole::Latitude, lat)]
            }
            LocationColumns::Grid(easting, northing) => {
                vec![
                    (ColumnRole::Easting, easting),
                    (ColumnRole::Northing, northing),
                ]
            }
            LocationColumns::None => Vec::new(),
        };
        columns.extend(self.practice.map(|column| (ColumnRole::Practice, column)));
        columns.extend(self.as_of.map(|column| (ColumnRole::AsOf, column)));
        columns.extend(self.key.map(|column| (ColumnRole::Key, column)));
        columns
    }

    /// Returns the mapping for a row that contains only the columns in [`ColumnMapping::columns`].
    pub(super) fn of_read_columns(&self) -> ColumnMapping {
        let (location, practice) = match self.location {
            LocationColumns::Postcode(_) => (LocationColumns::Postcode(0), 1),
            LocationColumns::StatisticalArea(_, layer) => {
                (LocationColumns::StatisticalArea(0, layer), 1)
            }
            LocationColumns::Uprn(_) => (LocationColumns::Uprn(0), 1),
            LocationColumns::LonLat(..) => (LocationColumns::LonLat(0, 1), 2),
            LocationColumns::Grid(..) => (LocationColumns::Grid(0, 1), 2),
            LocationColumns::None => (LocationColumns::None, 0),
        };
        let as_of = practice + usize::from(self.practice.is_some());
        let key = as_of + usize::from(self.as_of.is_some());
        ColumnMapping {
            location,
            practice: self.practice.map(|_| practice),
            as_of: self.as_of.map(|_| as_of),
            key: self.key.map(|_| key),
        }
    }
}

/// Normalises a column name for comparison: lower case, letters and digits only. Replacement
/// characters are retained, because an invalid byte may be half of the delimiter.
pub(super) fn normalise(name: &str) -> String {
    name.chars()
        .filter(|&character| {
            character.is_alphanumeric() || character == char::REPLACEMENT_CHARACTER
        })
        .flat_map(char::to_lowercase)
        .collect()
}

/// A word that occurs in the names of columns with postcodes.
const POSTCODE_WORD: &str = "postcode";
/// Words in the names of columns whose postcodes are not the postcodes of people's homes.
const ORGANISATION_WORDS: [&str; 8] = [
    "practice",
    "surgery",
    "gp",
    "school",
    "hospital",
    "provider",
    "organisation",
    "site",
];
/// The maximum length of a column name that is recognised because it contains a word.
const NAME_CHARS_MAX: usize = 60;

/// Returns the only column whose name contains the word "postcode".
fn column_with_word(names: &[String]) -> Result<Option<usize>, BatchError> {
    // Other text, such as JSON, HTML or a row with another delimiter, is not the name of a column.
    let is_in_name = |c: char| c.is_alphanumeric() || " _-.'’()[]/&?".contains(c);
    let is_name =
        |name: &str| name.chars().count() <= NAME_CHARS_MAX && name.chars().all(is_in_name);
    find_one(names, ColumnRole::Postcode, |name, text| {
        let other_words = name.replacen(POSTCODE_WORD, " ", 1);
        let is_of_organisation = ORGANISATION_WORDS
            .iter()
            .any(|word| other_words.contains(word));
        is_name(text) && other_words.len() < name.len() && !is_of_organisation
    })
}

fn column_named(
    names: &[String],
    role: ColumnRole,
    override_name: &str,
) -> Result<usize, BatchError> {
    if let Some(index) = names.iter().position(|name| name == override_name) {
        return Ok(index);
    }
    let wanted = normalise(override_name);
    find_one(names, role, |name, _| !wanted.is_empty() && name == wanted)?.ok_or_else(|| {
        BatchError::ColumnNotFound {
            role,
            name: override_name.into(),
        }
    })
}

/// Returns the column with the keys, or `None` if rows are not compared.
///
/// # Errors
/// If no column has the name, or if the column also has another role (for example, a postcode does
/// not identify a row).
fn key_column(
    names: &[String],
    overrides: &ColumnOverrides,
    mapping: &ColumnMapping,
) -> Result<Option<usize>, BatchError> {
    let key = match &overrides.key {
        None => return Ok(None),
        Some(KeyColumn::First) => 0,
        Some(KeyColumn::Named(name)) => column_named(names, ColumnRole::Key, name)?,
    };
    let columns = mapping.columns().into_iter();
    let mut roles = columns.filter(|(_, column)| *column == key);
    match roles.next() {
        Some((role, _)) => Err(BatchError::UnsuitableKey { role }),
        None => Ok(Some(key)),
    }
}

/// Returns the only column whose name indicates codes of statistical areas.
fn statistical_column(
    names: &[String],
    overrides: &ColumnOverrides,
) -> Result<Option<LocationColumns>, BatchError> {
    let layer_of =
        |name: &str| statistical_columns::layer_of_column(name, &overrides.statistical_layers);
    let role = ColumnRole::StatisticalArea;
    let column = find_one(names, role, |name, _| layer_of(name).is_some())?;
    Ok(column.map(|column| {
        let named = layer_of(&normalise(&names[column])).flatten();
        let layer = overrides.statistical_layer.or(named);
        LocationColumns::StatisticalArea(column, layer)
    }))
}

fn column_by_alias(names: &[String], role: ColumnRole) -> Result<Option<usize>, BatchError> {
    find_one(names, role, |name, _| is_alias(name, role))
}

/// Returns whether a normalised name is a known column name for a role.
fn is_alias(name: &str, role: ColumnRole) -> bool {
    let of_role = COLUMN_ALIASES.iter().filter(|(named, _)| *named == role);
    of_role
        .flat_map(|(_, names)| *names)
        .any(|alias| *alias == name)
}

/// Returns whether a name is a known name for a column of practice codes.
pub(super) fn is_practice_alias(name: &str) -> bool {
    is_alias(&normalise(name), ColumnRole::Practice)
}

/// Returns the only column that matches. The parameters of `is_match` are the normalised name and
/// the original name.
fn find_one(
    names: &[String],
    role: ColumnRole,
    is_match: impl Fn(&str, &str) -> bool,
) -> Result<Option<usize>, BatchError> {
    let found: Vec<usize> = (0..names.len())
        .filter(|&index| is_match(&normalise(&names[index]), &names[index]))
        .collect();
    match found[..] {
        [] => Ok(None),
        [index] => Ok(Some(index)),
        _ => {
            // These names are aliases, were specified by the user or contain the word "postcode",
            // so they contain no patient data.
            let names = found.iter().map(|&index| names[index].clone()).collect();
            Err(BatchError::AmbiguousColumn { role, names })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_columns_are_numbered_in_order() {
        let locations = [
            LocationColumns::Postcode(7),
            LocationColumns::LonLat(7, 3),
            LocationColumns::Grid(3, 7),
            LocationColumns::StatisticalArea(7, None),
            LocationColumns::None,
        ];
        for location in locations {
            for (practice, as_of) in [
                (None, None),
                (Some(1), None),
                (None, Some(5)),
                (Some(5), Some(1)),
            ] {
                for key in [None, Some(9)] {
                    let mapping = ColumnMapping {
                        location,
                        practice,
                        as_of,
                        key,
                    };
                    let expected: Vec<(ColumnRole, usize)> = (0..)
                        .zip(mapping.columns())
                        .map(|(position, (role, _))| (role, position))
                        .collect();
                    assert_eq!(mapping.of_read_columns().columns(), expected);
                }
            }
        }
    }

    fn find(names: &[&str], overrides: &ColumnOverrides) -> Result<ColumnMapping, String> {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        ColumnMapping::find(&names, overrides).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_are_found_by_name() {
        let overrides = ColumnOverrides::default();
        let mapping = find(&["id", "Post Code", "GP_PRACTICE_CODE"], &overrides).expect("found");
        assert_eq!(mapping.location, LocationColumns::Postcode(1));
        assert_eq!(mapping.practice, Some(2));
        let mapping = find(&["lat", "Long"], &overrides).expect("found");
        assert_eq!(mapping.location, LocationColumns::LonLat(1, 0));
        let mapping = find(&["Easting", "northing"], &overrides).expect("found");
        assert_eq!(mapping.location, LocationColumns::Grid(0, 1));
        let mapping = find(&["postcode", "lat"], &overrides)
            .expect("a latitude without a longitude is ignored");
        assert_eq!(mapping.location, LocationColumns::Postcode(0));
    }

    #[test]
    fn missing_and_ambiguous_columns_are_rejected() {
        let overrides = ColumnOverrides::default();
        let error = find(&["name", "pst"], &overrides).expect_err("missing");
        assert!(error.contains("--postcode-column"), "{error}");
        let error = find(&["pcd", "postcode"], &overrides).expect_err("two");
        assert!(error.contains("`pcd`, `postcode`"), "{error}");
        assert!(find(&["postcode", "lon", "lat"], &overrides).is_err());
        let overrides = ColumnOverrides {
            postcode: Some("pcd".into()),
            ..ColumnOverrides::default()
        };
        let mapping = find(&["pcd", "postcode", "lon", "lat"], &overrides).expect("named");
        assert_eq!(mapping.location, LocationColumns::Postcode(0));
        let error = find(&["postcode"], &overrides).expect_err("no column `pcd`");
        assert!(error.contains("`pcd`"), "{error}");
    }

    #[test]
    fn punctuation_in_names_does_not_matter() {
        let overrides = ColumnOverrides::default();
        for name in [
            "Patient's Postcode",
            "PostCode (home)",
            "PERSON_POSTCODE",
            "[postcode]",
            "CHILD_POSTCODE",
        ] {
            let mapping = find(&["x", name], &overrides).expect(name);
            assert_eq!(mapping.location, LocationColumns::Postcode(1), "{name}");
        }
        let practice = "GENERAL MEDICAL PRACTICE CODE (PATIENT REGISTRATION)";
        let mapping = find(&[practice, "POSTCODE OF USUAL ADDRESS"], &overrides).expect("found");
        assert_eq!(mapping.practice, Some(0));
    }

    #[test]
    fn the_only_column_whose_name_contains_the_word_is_used() {
        let overrides = ColumnOverrides::default();
        let mapping = find(&["id", "Mailing postcode 1"], &overrides).expect("one column");
        assert_eq!(mapping.location, LocationColumns::Postcode(1));
        let mapping = find(&["GP postcode", "Postcode of tenant"], &overrides).expect("one column");
        assert_eq!(mapping.location, LocationColumns::Postcode(1));
        let mapping = find(&["delivery postcode", "postcode"], &overrides).expect("a known name");
        assert_eq!(mapping.location, LocationColumns::Postcode(1));
        let error = find(&["postcode before", "postcode after"], &overrides).expect_err("two");
        assert!(
            error.contains("`postcode before`, `postcode after`"),
            "{error}"
        );
        for name in [
            "GP postcode",
            "practice_postcode",
            "{\"home postcode\": 1",
            "School Postcode",
        ] {
            let error = find(&["id", name], &overrides).expect_err(name);
            assert!(error.contains(&format!("among `id`, `{name}`")), "{error}");
        }
        // A pair of coordinates with known names takes precedence over a column whose name contains
        // "postcode".
        let mapping = find(&["lon", "lat", "delivery postcode"], &overrides).expect("found");
        assert_eq!(mapping.location, LocationColumns::LonLat(0, 1));
    }

    #[test]
    fn a_first_line_that_is_probably_a_row_is_not_repeated() {
        let overrides = ColumnOverrides::default();
        let error = find(&["Rigg", "9990000018"], &overrides).expect_err("no column");
        assert!(!error.contains("Rigg"), "{error}");
    }

    #[test]
    fn codes_of_statistical_areas_are_used_without_postcodes_and_coordinates() {
        let layer = |id| Layer::declare(id).expect("an id");
        let (lsoa11, lsoa21) = (layer("lsoa11"), layer("lsoa21"));
        let overrides = ColumnOverrides {
            statistical_layers: vec![lsoa11, lsoa21],
            ..ColumnOverrides::default()
        };
        let location = |names: &[&str], overrides: &ColumnOverrides| {
            find(names, overrides).map(|mapping| mapping.location)
        };
        let area = |column, layer| Ok(LocationColumns::StatisticalArea(column, layer));
        for (name, found) in [
            ("lsoa11cd", Some(lsoa11)),
            ("LSOA21CD", Some(lsoa21)),
            ("lsoa_code_21", Some(lsoa21)),
            ("LSOA code", None),
        ] {
            assert_eq!(
                location(&["id", name], &overrides),
                area(1, found),
                "{name}"
            );
        }
        let both = ["lsoa11cd", "postcode"];
        assert_eq!(
            location(&both, &overrides),
            Ok(LocationColumns::Postcode(1))
        );
        let error = location(&["lsoa11cd", "lsoa21cd"], &overrides).expect_err("two");
        assert!(error.contains("`lsoa11cd`, `lsoa21cd`"), "{error}");
        assert!(error.contains("--area-column"), "{error}");
        let named = ColumnOverrides {
            statistical_area: Some("lsoa21cd".into()),
            ..overrides.clone()
        };
        let names = ["postcode", "lsoa11cd", "lsoa21cd", "practice code"];
        assert_eq!(location(&names, &named), area(2, Some(lsoa21)));
        let of_layer = ColumnOverrides {
            statistical_area: Some("home".into()),
            statistical_layer: Some(lsoa11),
            ..overrides.clone()
        };
        assert_eq!(location(&["home"], &of_layer), area(0, Some(lsoa11)));
        let two = ColumnOverrides {
            postcode: Some("postcode".into()),
            ..named
        };
        let error = location(&names, &two).expect_err("two locations");
        assert!(error.contains("--area-column"), "{error}");
        // If the dataset contains no statistical areas, their codes cannot be looked up.
        assert!(location(&["lsoa11cd"], &ColumnOverrides::default()).is_err());
    }

    #[test]
    fn the_key_is_the_first_column_or_the_one_that_is_named() {
        let names = ["ref", "postcode", "practice code", "NHS number"];
        let key = |key: KeyColumn| {
            let overrides = ColumnOverrides {
                key: Some(key),
                ..ColumnOverrides::default()
            };
            find(&names, &overrides).map(|mapping| mapping.key)
        };
        let named = |name: &str| key(KeyColumn::Named(name.into()));
        assert_eq!(key(KeyColumn::First), Ok(Some(0)));
        assert_eq!(named("nhs_number"), Ok(Some(3)));
        let error = named("nhs").expect_err("no such column");
        assert_eq!(error, "--key `nhs`: no column has that name");
        let error = named("postcode").expect_err("no key");
        assert!(
            error.contains("the postcode column") && error.contains("--key"),
            "{error}"
        );
        assert_eq!(
            find(&names, &ColumnOverrides::default()).map(|found| found.key),
            Ok(None)
        );
    }

    #[test]
    fn registration_only_must_be_requested() {
        let overrides = ColumnOverrides {
            registration_only: true,
            ..ColumnOverrides::default()
        };
        let mapping = find(&["practice_code", "postcode"], &overrides).expect("found");
        assert_eq!(
            (mapping.location, mapping.practice),
            (LocationColumns::None, Some(0))
        );
        assert!(find(&["practice_code"], &ColumnOverrides::default()).is_err());
        assert!(find(&["postcode"], &overrides).is_err());
    }
}
