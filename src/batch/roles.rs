//! Which columns of the input file hold the postcode, practice code, coordinates and date.

use super::BatchError;

/// What an input column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The postcode of the residence.
    Postcode,
    /// The code of the practice with which the patient is registered.
    Practice,
    /// The longitude in degrees, WGS84.
    Longitude,
    /// The latitude in degrees, WGS84.
    Latitude,
    /// The easting in metres, British National Grid.
    Easting,
    /// The northing in metres, British National Grid.
    Northing,
    /// The as-of date of the row. It is never detected by name.
    AsOf,
}

/// The names by which a column is detected. The comparison ignores case, white space and the
/// characters `_`, `-` and `.`.
pub const NAMES: &[(Role, &[&str])] = &[
    (
        Role::Postcode,
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
        ],
    ),
    (
        Role::Practice,
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
        ],
    ),
    (Role::Longitude, &["longitude", "lon", "long", "lng"]),
    (Role::Latitude, &["latitude", "lat"]),
    (
        Role::Easting,
        &["easting", "eastings", "oseasting", "oseast1m", "east1m"],
    ),
    (
        Role::Northing,
        &["northing", "northings", "osnorthing", "osnrth1m", "north1m"],
    ),
];

/// The columns that the user named.
#[derive(Debug, Clone, Default)]
pub struct Named {
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
    /// The column with the as-of dates.
    pub as_of: Option<String>,
    /// Look up only the registration; no column holds a location.
    pub registration_only: bool,
}

/// The columns that hold the location. Indices start at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceColumns {
    /// The postcode column.
    Postcode(usize),
    /// The longitude and latitude columns.
    LonLat(usize, usize),
    /// The easting and northing columns.
    Grid(usize, usize),
    /// No columns.
    None,
}

/// The columns that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// The location.
    pub place: PlaceColumns,
    /// The practice code.
    pub practice: Option<usize>,
    /// The as-of date.
    pub as_of: Option<usize>,
}

impl Role {
    /// Returns the name of the role for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Postcode => "postcode",
            Role::Practice => "practice code",
            Role::Longitude => "longitude",
            Role::Latitude => "latitude",
            Role::Easting => "easting",
            Role::Northing => "northing",
            Role::AsOf => "day",
        }
    }

    /// Returns a clause that states the data type required for this role.
    pub fn expected(self) -> &'static str {
        match self {
            Role::Postcode => "a postcode must be text",
            Role::Practice => "a practice code must be text",
            Role::AsOf => "a day must be a date (date32) or text",
            _ => "a coordinate must be a number (integer or floating point) or text",
        }
    }

    /// Returns the command-line option that names its column.
    pub fn argument(self) -> &'static str {
        match self {
            Role::Postcode => "--postcode-column",
            Role::Practice => "--practice-column",
            Role::Longitude => "--lon-column",
            Role::Latitude => "--lat-column",
            Role::Easting => "--easting-column",
            Role::Northing => "--northing-column",
            Role::AsOf => "--as-of-column",
        }
    }
}

/// Finds the columns of one way to give the location.
type Way<'n> = &'n dyn Fn() -> Result<Option<PlaceColumns>, BatchError>;

impl Named {
    fn get(&self, role: Role) -> Option<&str> {
        let name = match role {
            Role::Postcode => &self.postcode,
            Role::Practice => &self.practice,
            Role::Longitude => &self.longitude,
            Role::Latitude => &self.latitude,
            Role::Easting => &self.easting,
            Role::Northing => &self.northing,
            Role::AsOf => &self.as_of,
        };
        name.as_deref()
    }
}

impl Roles {
    /// Finds the columns in a list of column names.
    ///
    /// A name given by the user must match exactly, or else like the names in [`COLUMN_ALIASES`]. If
    /// two columns match, or the columns give the location in two ways, the user must choose:
    /// nothing is guessed.
    ///
    /// # Errors
    /// If a required column is missing or ambiguous.
    pub fn find(names: &[String], named: &Named) -> Result<Roles, BatchError> {
        let column = |role| match named.get(role) {
            Some(name) => named_column(names, role, name).map(Some),
            None => found_column(names, role),
        };
        let pair = |first, second| match (column(first)?, column(second)?) {
            (Some(a), Some(b)) => Ok(Some((a, b))),
            (None, None) => Ok(None),
            (None, Some(_)) if named.get(second).is_some() => {
                Err(BatchError::NoColumn { role: first })
            }
            (Some(_), None) if named.get(first).is_some() => {
                Err(BatchError::NoColumn { role: second })
            }
            // A latitude without a longitude is not a position.
            _ => Ok(None),
        };
        let is_named = |roles: &[Role]| roles.iter().any(|&role| named.get(role).is_some());
        let postcode = || Ok(column(Role::Postcode)?.map(PlaceColumns::Postcode));
        let lonlat = || {
            let pair = pair(Role::Longitude, Role::Latitude)?;
            Ok(pair.map(|(lon, lat)| PlaceColumns::LonLat(lon, lat)))
        };
        let grid = || {
            let pair = pair(Role::Easting, Role::Northing)?;
            Ok(pair.map(|(easting, northing)| PlaceColumns::Grid(easting, northing)))
        };
        let ways: [(&[Role], Way<'_>); 3] = [
            (&[Role::Postcode], &postcode),
            (&[Role::Longitude, Role::Latitude], &lonlat),
            (&[Role::Easting, Role::Northing], &grid),
        ];
        let any_is_named = ways.iter().any(|(roles, _)| is_named(roles));
        let mut places = Vec::new();
        for (roles, way) in ways {
            if is_named(roles) || !any_is_named {
                places.extend(way()?);
            }
        }
        let place = match (places.as_slice(), named.registration_only) {
            (_, true) if !any_is_named => PlaceColumns::None,
            ([place], false) => *place,
            ([], false) => {
                return Err(BatchError::NoColumn {
                    role: Role::Postcode,
                });
            }
            _ => return Err(BatchError::TwoPlaces),
        };
        let roles = Roles {
            place,
            practice: column(Role::Practice)?,
            as_of: match named.get(Role::AsOf) {
                Some(name) => Some(named_column(names, Role::AsOf, name)?),
                None => None,
            },
        };
        if place == PlaceColumns::None && roles.practice.is_none() {
            return Err(BatchError::NoColumn {
                role: Role::Practice,
            });
        }
        Ok(roles)
    }

    /// Returns the columns that are read, with their roles.
    pub fn columns(&self) -> Vec<(Role, usize)> {
        let mut columns = match self.place {
            PlaceColumns::Postcode(at) => vec![(Role::Postcode, at)],
            PlaceColumns::LonLat(lon, lat) => vec![(Role::Longitude, lon), (Role::Latitude, lat)],
            PlaceColumns::Grid(easting, northing) => {
                vec![(Role::Easting, easting), (Role::Northing, northing)]
            }
            PlaceColumns::None => Vec::new(),
        };
        columns.extend(self.practice.map(|at| (Role::Practice, at)));
        columns.extend(self.as_of.map(|at| (Role::AsOf, at)));
        columns
    }
}

/// Normalises a column name for comparison: lower case, without white space and the characters `_`,
/// `-` and `.`.
fn bare(name: &str) -> String {
    name.chars()
        .filter(|character| !character.is_whitespace() && !"_-.".contains(*character))
        .flat_map(char::to_lowercase)
        .collect()
}

fn named_column(names: &[String], role: Role, wanted: &str) -> Result<usize, BatchError> {
    if let Some(at) = names.iter().position(|name| name == wanted) {
        return Ok(at);
    }
    one_of(names, role, |name| name == bare(wanted))?.ok_or_else(|| BatchError::NoSuchColumn {
        role,
        name: wanted.into(),
    })
}

fn found_column(names: &[String], role: Role) -> Result<Option<usize>, BatchError> {
    let synonyms = NAMES
        .iter()
        .find(|(it, _)| *it == role)
        .map(|(_, names)| *names);
    one_of(names, role, |name| {
        synonyms.is_some_and(|all| all.contains(&name))
    })
}

fn one_of(
    names: &[String],
    role: Role,
    is_it: impl Fn(&str) -> bool,
) -> Result<Option<usize>, BatchError> {
    let found: Vec<usize> = (0..names.len())
        .filter(|&at| is_it(&bare(&names[at])))
        .collect();
    match found[..] {
        [] => Ok(None),
        [at] => Ok(Some(at)),
        _ => {
            // These names are aliases or were given by the user, so they contain no patient data.
            let names = found.iter().map(|&at| names[at].clone()).collect();
            Err(BatchError::SeveralColumns { role, names })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(names: &[&str], named: &Named) -> Result<Roles, String> {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        Roles::find(&names, named).map_err(|fault| fault.to_string())
    }

    #[test]
    fn columns_are_found_by_name() {
        let named = Named::default();
        let roles = find(&["id", "Post Code", "GP_PRACTICE_CODE"], &named).expect("found");
        assert_eq!(roles.place, PlaceColumns::Postcode(1));
        assert_eq!(roles.practice, Some(2));
        let roles = find(&["lat", "Long"], &named).expect("found");
        assert_eq!(roles.place, PlaceColumns::LonLat(1, 0));
        let roles = find(&["Easting", "northing"], &named).expect("found");
        assert_eq!(roles.place, PlaceColumns::Grid(0, 1));
        let roles = find(&["postcode", "lat"], &named).expect("half a pair is none");
        assert_eq!(roles.place, PlaceColumns::Postcode(0));
    }

    #[test]
    fn what_is_missing_or_there_twice_is_asked() {
        let named = Named::default();
        let fault = find(&["name", "pst"], &named).expect_err("missing");
        assert!(fault.contains("--postcode-column"), "{fault}");
        let fault = find(&["pcd", "postcode"], &named).expect_err("two");
        assert!(fault.contains("`pcd`, `postcode`"), "{fault}");
        assert!(find(&["postcode", "lon", "lat"], &named).is_err());
        let named = Named {
            postcode: Some("pcd".into()),
            ..Named::default()
        };
        let roles = find(&["pcd", "postcode", "lon", "lat"], &named).expect("named");
        assert_eq!(roles.place, PlaceColumns::Postcode(0));
        let fault = find(&["postcode"], &named).expect_err("not there");
        assert!(fault.contains("`pcd`"), "{fault}");
    }

    #[test]
    fn the_registration_alone_is_asked_about_only_when_said() {
        let named = Named {
            registration_only: true,
            ..Named::default()
        };
        let roles = find(&["practice_code", "postcode"], &named).expect("found");
        assert_eq!((roles.place, roles.practice), (PlaceColumns::None, Some(0)));
        assert!(find(&["practice_code"], &Named::default()).is_err());
        assert!(find(&["postcode"], &named).is_err());
    }
}
