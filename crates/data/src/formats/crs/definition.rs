//! The description of a coordinate reference system in a file, and the identification of the
//! system.

use super::{ACCEPTED, SourceCrs};

/// A coordinate reference system as a file describes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct CrsDefinition {
    /// The name of the whole system.
    pub(super) name: String,
    /// The authority and code of the whole system, which are used only if nothing else is stated.
    pub(super) code: Option<(String, String)>,
    /// The name of the datum.
    pub(super) datum: Option<String>,
    /// The semi-major axis in metres, and the inverse flattening, which is 0 for a sphere.
    pub(super) ellipsoid: Option<(f64, f64)>,
    /// The longitude of the prime meridian.
    pub(super) prime_meridian: f64,
    /// The unit of longitude and latitude, in radians.
    pub(super) angular_unit: Option<Unit>,
    /// The projection. `None` if positions are longitude and latitude.
    pub(super) projection: Option<Projection>,
}

/// A unit with its size in radians or metres.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unit {
    pub(super) name: String,
    pub(super) size: f64,
}

/// The projection of a projected system.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Projection {
    pub(super) method: Option<String>,
    /// Names and values, in degrees and metres.
    pub(super) parameters: Vec<(String, f64)>,
    /// The unit of eastings and northings, in metres.
    pub(super) unit: Option<Unit>,
    /// Parameters for PROJ. GDAL writes them for Web Mercator, which has no method in WKT 1.
    pub(super) proj4: Option<String>,
}

/// The datums of systems that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Datum {
    Osgb36,
    /// WGS84 and ETRS89, which agree within a metre in Great Britain.
    Wgs84,
    /// The sphere of old definitions of Web Mercator.
    Wgs84Sphere,
}

/// The size of a degree in radians.
pub(super) const DEGREE: f64 = std::f64::consts::PI / 180.0;

const AIRY_1830: (f64, f64) = (6_377_563.396, 299.324_964_6);
const WGS84_SEMI_MAJOR_M: f64 = 6_378_137.0;
const WGS84_INVERSE_FLATTENING: f64 = 298.257_223_563;

/// The maximum differences that change positions by less than a millimetre: in an angle in degrees,
/// a length in metres, a scale and an inverse flattening.
const ANGLE_TOLERANCE: f64 = 1e-8;
const LENGTH_TOLERANCE_M: f64 = 1e-3;
const SCALE_TOLERANCE: f64 = 1e-9;
const FLATTENING_TOLERANCE: f64 = 1e-3;

impl CrsDefinition {
    /// Returns the system that the definition describes.
    ///
    /// # Errors
    /// If the system cannot be read. The error states the datum, projection, parameter or unit.
    pub(super) fn identify(&self) -> Result<SourceCrs, String> {
        let refuse = |reason: String| Err(format!("{}; {ACCEPTED}", self.with_name(&reason)));
        let states_nothing = match &self.projection {
            Some(projection) => projection.method.is_none(),
            None => self.datum.is_none(),
        };
        if states_nothing {
            let code = self.code.as_ref();
            let found = code.and_then(|(authority, code)| super::code::find(authority, code));
            return found.map_or_else(|| refuse("it states no datum and no projection".into()), Ok);
        }
        let datum = match self.datum() {
            Ok(datum) => datum,
            Err(reason) => return refuse(reason),
        };
        if self.prime_meridian.abs() > ANGLE_TOLERANCE {
            return refuse("its prime meridian is not Greenwich".into());
        }
        if let Some(unit) = &self.angular_unit
            && (unit.size / DEGREE - 1.0).abs() > 1e-6
        {
            return refuse(format!(
                "its unit of angles is `{}`, not degrees",
                unit.name
            ));
        }
        let identified = match &self.projection {
            None => match (datum, &self.angular_unit) {
                (_, None) => Err("it states no unit".into()),
                (Datum::Osgb36, _) => Ok(SourceCrs::Osgb36LonLat),
                (Datum::Wgs84, _) => Ok(SourceCrs::LonLat),
                (Datum::Wgs84Sphere, _) => Err("its ellipsoid is a sphere".into()),
            },
            Some(projection) => projection.identify(datum),
        };
        identified.or_else(refuse)
    }

    /// Adds the name of the system to the reason, so that a user recognises the system.
    fn with_name(&self, reason: &str) -> String {
        match self.name.as_str() {
            "" => reason.to_string(),
            name => format!("it is in `{name}`: {reason}"),
        }
    }

    fn datum(&self) -> Result<Datum, String> {
        let name = self.datum.as_deref().unwrap_or_default();
        let plain = normalise(name);
        let plain = match name.get(..2) {
            Some("D_" | "d_") => &plain[1..],
            _ => plain.as_str(),
        };
        let starts_with = |names: &[&str]| names.iter().any(|start| plain.starts_with(start));
        let is_sphere = |(major, inverse): (f64, f64)| {
            inverse == 0.0 && (major - WGS84_SEMI_MAJOR_M).abs() < LENGTH_TOLERANCE_M
        };
        let datum = if starts_with(&["osgb1936", "osgb36", "ordnancesurveyofgreatbritain1936"]) {
            Datum::Osgb36
        } else if starts_with(&[
            "wgs1984",
            "wgs84",
            "worldgeodeticsystem1984",
            "etrs1989",
            "etrs89",
            "europeanterrestrialreferencesystem1989",
        ]) {
            match self.ellipsoid {
                Some(ellipsoid) if is_sphere(ellipsoid) => Datum::Wgs84Sphere,
                _ => Datum::Wgs84,
            }
        } else if plain.is_empty()
            || ["unknown", "unnamed", "notspecified", "unspecified"]
                .iter()
                .any(|word| plain.contains(word))
        {
            match self.ellipsoid {
                Some(ellipsoid) if is_sphere(ellipsoid) => Datum::Wgs84Sphere,
                Some(ellipsoid) if Datum::Osgb36.has(ellipsoid) => Datum::Osgb36,
                Some(ellipsoid) if Datum::Wgs84.has(ellipsoid) => Datum::Wgs84,
                _ => return Err("its datum is not known".into()),
            }
        } else {
            return Err(format!(
                "its datum is `{name}`, not OSGB36, WGS84 or ETRS89"
            ));
        };
        match self.ellipsoid {
            Some(ellipsoid) if !datum.has(ellipsoid) => Err(format!(
                "its datum `{name}` has the semi-major axis {} m and the inverse flattening {}, \
                 which are those of another datum",
                ellipsoid.0, ellipsoid.1
            )),
            _ => Ok(datum),
        }
    }
}

impl Datum {
    /// Returns whether the datum uses this ellipsoid.
    fn has(self, (major, inverse): (f64, f64)) -> bool {
        let (expected_major, expected_inverse) = match self {
            Datum::Osgb36 => AIRY_1830,
            Datum::Wgs84 => (WGS84_SEMI_MAJOR_M, WGS84_INVERSE_FLATTENING),
            Datum::Wgs84Sphere => (WGS84_SEMI_MAJOR_M, 0.0),
        };
        (major - expected_major).abs() < 0.01
            && (inverse - expected_inverse).abs() < FLATTENING_TOLERANCE
    }
}

/// The roles of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Latitude,
    Longitude,
    Scale,
    FalseEasting,
    FalseNorthing,
    /// Another parameter, which must be zero.
    Other,
}

impl Projection {
    fn identify(&self, datum: Datum) -> Result<SourceCrs, String> {
        let method = self.method.as_deref().unwrap_or_default();
        match &self.unit {
            None => return Err("it states no unit of eastings and northings".into()),
            Some(unit) if (unit.size - 1.0).abs() > 1e-9 => {
                return Err(format!("its unit is `{}`, not metres", unit.name));
            }
            Some(_) => {}
        }
        match (normalise(method).as_str(), datum) {
            ("transversemercator" | "gausskruger", Datum::Osgb36) => {
                self.check(&[
                    (Role::Latitude, 49.0),
                    (Role::Longitude, -2.0),
                    (Role::Scale, 0.999_601_271_7),
                    (Role::FalseEasting, 400_000.0),
                    (Role::FalseNorthing, -100_000.0),
                ])?;
                Ok(SourceCrs::BritishGrid)
            }
            (
                "mercatorauxiliarysphere"
                | "popularvisualisationpseudomercator"
                | "popularvisualizationpseudomercator",
                Datum::Wgs84 | Datum::Wgs84Sphere,
            ) => self.web_mercator(),
            // The Mercator projection on the ellipsoid differs from Web Mercator by up to 40 km.
            ("mercator1sp" | "mercator" | "mercatorvarianta", Datum::Wgs84Sphere) => {
                self.web_mercator()
            }
            ("mercator1sp" | "mercator", Datum::Wgs84) if self.is_on_sphere() => {
                self.web_mercator()
            }
            ("transversemercator", _) => {
                Err("it is a transverse Mercator projection of a datum other than OSGB36".into())
            }
            _ => Err(format!("its projection is `{method}`")),
        }
    }

    fn web_mercator(&self) -> Result<SourceCrs, String> {
        self.check(&[
            (Role::Latitude, 0.0),
            (Role::Longitude, 0.0),
            (Role::Scale, 1.0),
            (Role::FalseEasting, 0.0),
            (Role::FalseNorthing, 0.0),
        ])?;
        Ok(SourceCrs::WebMercator)
    }

    fn is_on_sphere(&self) -> bool {
        let proj4 = self.proj4.as_deref().unwrap_or_default();
        ["+proj=merc", "+a=6378137", "+b=6378137"]
            .iter()
            .all(|word| proj4.contains(word))
    }

    /// Checks that each parameter has the expected value. A parameter that is not stated has a
    /// neutral value, such as 0 for an offset or 1 for a scale.
    fn check(&self, expected: &[(Role, f64)]) -> Result<(), String> {
        for (name, value) in &self.parameters {
            let role = role(name);
            let wanted = expected.iter().find(|(expected, _)| *expected == role);
            let wanted = wanted.map_or(0.0, |(_, value)| *value);
            if (value - wanted).abs() > role.tolerance() {
                return Err(format!("its parameter `{name}` is {value}, not {wanted}"));
            }
        }
        for &(role_wanted, wanted) in expected {
            let is_stated = self
                .parameters
                .iter()
                .any(|(name, _)| role(name) == role_wanted);
            let default = if role_wanted == Role::Scale { 1.0 } else { 0.0 };
            if !is_stated && (wanted - default).abs() > role_wanted.tolerance() {
                return Err(format!(
                    "its projection lacks a parameter, which should be {wanted}"
                ));
            }
        }
        Ok(())
    }
}

impl Role {
    fn tolerance(self) -> f64 {
        match self {
            Role::Latitude | Role::Longitude => ANGLE_TOLERANCE,
            Role::Scale => SCALE_TOLERANCE,
            Role::FalseEasting | Role::FalseNorthing | Role::Other => LENGTH_TOLERANCE_M,
        }
    }
}

fn role(parameter: &str) -> Role {
    match normalise(parameter).as_str() {
        "latitudeoforigin" | "latitudeofnaturalorigin" | "latitudeofcenter" => Role::Latitude,
        "centralmeridian"
        | "longitudeofnaturalorigin"
        | "longitudeoforigin"
        | "longitudeofcenter" => Role::Longitude,
        "scalefactor" | "scalefactoratnaturalorigin" => Role::Scale,
        "falseeasting" => Role::FalseEasting,
        "falsenorthing" => Role::FalseNorthing,
        _ => Role::Other,
    }
}

/// Returns the letters and digits of a name in lower case, because the spellings of ESRI, OGC and
/// EPSG differ only in the other characters.
pub(super) fn normalise(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_lowercase())
        .collect()
}
