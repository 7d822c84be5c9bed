//! Well-known text of coordinate reference systems: the ESRI and OGC variants of WKT 1, and WKT 2
//! (ISO 19162).
//!
//! The crate `proj4wkt` is not used. It converts WKT 1 to a PROJ string, which loses the names of
//! datums and units, so an error could not state what is wrong.

use super::definition::{CrsDefinition, DEGREE, Projection, Unit};

/// The maximum depth of nodes. The deepest node of a real definition is at a depth of six.
const DEPTH_MAX: usize = 32;

/// A node, such as `UNIT["metre",1]`.
#[derive(Debug, Default)]
struct Node<'t> {
    keyword: &'t str,
    texts: Vec<String>,
    numbers: Vec<f64>,
    children: Vec<Node<'t>>,
}

/// Parses a definition. Text after its end, such as a vertical system, is ignored.
pub(super) fn parse(text: &str) -> Result<CrsDefinition, String> {
    if text.is_empty() {
        return Err("the definition of its coordinate reference system is empty".into());
    }
    let mut parser = Parser { rest: text };
    let root = parser.node(0).ok_or_else(|| {
        let start: String = text.chars().take(40).collect();
        format!(
            "the definition of its coordinate reference system, `{start}`, is not well-known text"
        )
    })?;
    definition_of(&root)
}

struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn skip(&mut self, character: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(character)?;
        Some(())
    }

    /// Parses a keyword and the values in brackets after it.
    fn node(&mut self, depth: usize) -> Option<Node<'t>> {
        if depth > DEPTH_MAX {
            return None;
        }
        let mut node = Node {
            keyword: self.word()?,
            ..Node::default()
        };
        let close = match self.skip('[') {
            Some(()) => ']',
            None => self.skip('(').map(|()| ')')?,
        };
        loop {
            self.value(&mut node, depth)?;
            if self.skip(',').is_none() {
                break;
            }
        }
        self.skip(close)?;
        Some(node)
    }

    fn value(&mut self, node: &mut Node<'t>, depth: usize) -> Option<()> {
        self.rest = self.rest.trim_start();
        match self.rest.chars().next()? {
            '"' => node.texts.push(self.quoted()?),
            '+' | '-' | '.' | '0'..='9' => {
                let is_end =
                    |character: char| !matches!(character, '+' | '-' | '.' | '0'..='9' | 'e' | 'E');
                let end = self.rest.find(is_end).unwrap_or(self.rest.len());
                let (number, rest) = self.rest.split_at(end);
                self.rest = rest;
                node.numbers.push(number.parse().ok()?);
            }
            _ => {
                let before = self.rest;
                let word = self.word()?;
                if self.rest.trim_start().starts_with(['[', '(']) {
                    self.rest = before;
                    node.children.push(self.node(depth + 1)?);
                } else {
                    node.texts.push(word.to_string());
                }
            }
        }
        Some(())
    }

    fn word(&mut self) -> Option<&'t str> {
        self.rest = self.rest.trim_start();
        let is_end = |character: char| !character.is_ascii_alphanumeric() && character != '_';
        let (word, rest) = self.rest.split_at(self.rest.find(is_end)?);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// Parses text in quotation marks. A doubled quotation mark in the text represents a single
    /// quotation mark.
    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        self.skip('"')?;
        loop {
            let (part, rest) = self.rest.split_once('"')?;
            text.push_str(part);
            self.rest = rest;
            match rest.strip_prefix('"') {
                Some(after) => {
                    text.push('"');
                    self.rest = after;
                }
                None => return Some(text),
            }
        }
    }
}

impl Node<'_> {
    fn is(&self, keywords: &[&str]) -> bool {
        keywords
            .iter()
            .any(|keyword| self.keyword.eq_ignore_ascii_case(keyword))
    }

    fn child(&self, keywords: &[&str]) -> Option<&Self> {
        self.children.iter().find(|child| child.is(keywords))
    }

    fn name(&self) -> String {
        self.texts.first().cloned().unwrap_or_default()
    }

    /// Returns the unit, which WKT 2 may state for each axis instead of once.
    fn unit(&self, keywords: &[&str]) -> Option<Unit> {
        let axis = || self.child(&["AXIS"])?.child(keywords);
        let node = self.child(keywords).or_else(axis)?;
        Some(Unit {
            name: node.name(),
            size: *node.numbers.first()?,
        })
    }
}

const PROJECTED: [&str; 3] = ["PROJCS", "PROJCRS", "PROJECTEDCRS"];
const GEOGRAPHIC: [&str; 7] = [
    "GEOGCS",
    "GEOGCRS",
    "GEOGRAPHICCRS",
    "GEODCRS",
    "GEODETICCRS",
    "BASEGEOGCRS",
    "BASEGEODCRS",
];

fn definition_of(node: &Node<'_>) -> Result<CrsDefinition, String> {
    // A horizontal system with heights, or with a transformation to another system.
    if node.is(&["COMPD_CS", "COMPOUNDCRS", "BOUNDCRS", "SOURCECRS"]) {
        let horizontal = node.children.iter().find(|child| {
            child.is(&PROJECTED) || child.is(&GEOGRAPHIC) || child.is(&["SOURCECRS", "BOUNDCRS"])
        });
        if let Some(horizontal) = horizontal {
            return definition_of(horizontal);
        }
    }
    let mut definition = CrsDefinition {
        name: node.name(),
        code: code_of(node),
        ..CrsDefinition::default()
    };
    let geographic = if node.is(&PROJECTED) {
        definition.projection = Some(projection_of(node));
        node.child(&GEOGRAPHIC)
    } else if node.is(&GEOGRAPHIC) {
        Some(node)
    } else {
        return Err(format!(
            "it is in `{}`: it is neither projected nor geographic",
            node.name()
        ));
    };
    let Some(geographic) = geographic else {
        return Ok(definition);
    };
    let datum = geographic.child(&["DATUM", "GEODETICDATUM", "TRF", "ENSEMBLE"]);
    definition.datum = datum.map(Node::name);
    let ellipsoid = datum.and_then(|datum| datum.child(&["SPHEROID", "ELLIPSOID"]));
    definition.ellipsoid = ellipsoid.and_then(|node| match node.numbers[..] {
        [major, inverse, ..] => Some((major, inverse)),
        _ => None,
    });
    let prime_meridian = geographic.child(&["PRIMEM", "PRIMEMERIDIAN"]);
    definition.prime_meridian = prime_meridian
        .and_then(|node| node.numbers.first().copied())
        .unwrap_or(0.0);
    definition.angular_unit = geographic.unit(&["UNIT", "ANGLEUNIT"]);
    Ok(definition)
}

fn projection_of(node: &Node<'_>) -> Projection {
    // WKT 2 has a separate node for the method and its parameters.
    let conversion = node.child(&["CONVERSION"]).unwrap_or(node);
    let method = conversion.child(&["PROJECTION", "METHOD"]);
    let parameters = conversion
        .children
        .iter()
        .filter(|child| child.is(&["PARAMETER"]));
    let extension = node.child(&["EXTENSION"]);
    Projection {
        method: method.map(Node::name),
        parameters: parameters
            .filter_map(|parameter| {
                let value = *parameter.numbers.first()?;
                let factor = |keyword: &str, one: f64| {
                    let unit = parameter.child(&[keyword])?;
                    Some(unit.numbers.first()? / one)
                };
                let factor = factor("ANGLEUNIT", DEGREE).or(factor("LENGTHUNIT", 1.0));
                Some((parameter.name(), value * factor.unwrap_or(1.0)))
            })
            .collect(),
        unit: node.unit(&["UNIT", "LENGTHUNIT"]),
        proj4: extension.and_then(|extension| extension.texts.get(1).cloned()),
    }
}

fn code_of(node: &Node<'_>) -> Option<(String, String)> {
    let id = node.child(&["AUTHORITY", "ID"])?;
    let code = match (id.texts.get(1), id.numbers.first()) {
        (Some(text), _) => text.clone(),
        (None, Some(number)) => number.to_string(),
        (None, None) => return None,
    };
    Some((id.name(), code))
}

#[cfg(test)]
mod tests {
    use super::super::SourceCrs;

    const AIRY: &str = r#"SPHEROID["Airy 1830",6377563.396,299.3249646]"#;
    const GREENWICH: &str = r#"PRIMEM["Greenwich",0]"#;
    const DEGREES: &str = r#"UNIT["Degree",0.0174532925199433]"#;
    const PARAMETERS: &str = r#"PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",400000.0],PARAMETER["False_Northing",-100000.0],PARAMETER["Central_Meridian",-2.0],PARAMETER["Scale_Factor",0.9996012717],PARAMETER["Latitude_Of_Origin",49.0]"#;

    fn grid(name: &str, datum: &str, unit: &str) -> String {
        format!(
            r#"PROJCS["{name}",GEOGCS["GCS",DATUM["{datum}",{AIRY}],{GREENWICH},{DEGREES}],{PARAMETERS},{unit}]"#
        )
    }

    fn geographic(datum: &str, ellipsoid: &str, unit: &str) -> String {
        format!(r#"GEOGCS["GCS",DATUM["{datum}",{ellipsoid}],{GREENWICH},{unit}]"#)
    }

    #[test]
    fn systems_are_identified_by_what_they_say() {
        let metre = r#"UNIT["Meter",1.0]"#;
        let wgs84 = r#"SPHEROID["WGS_1984",6378137.0,298.257223563]"#;
        let grs80 = r#"SPHEROID["GRS_1980",6378137.0,298.257222101]"#;
        let with_towgs84 =
            format!("{AIRY},TOWGS84[446.448,-125.157,542.06,0.15,0.247,0.842,-20.489]");
        let mercator = |method: &str, more: &str| {
            let base = geographic("D_WGS_1984", wgs84, DEGREES);
            format!(
                r#"PROJCS["x",{base},PROJECTION["{method}"],PARAMETER["central_meridian",0]{more},{metre}]"#
            )
        };
        for (wkt, expected) in [
            (grid("British_National_Grid", "D_OSGB_1936", metre), SourceCrs::BritishGrid),
            (grid("Transverse_Mercator", "D_unknown", metre), SourceCrs::BritishGrid),
            (grid("", "Ordnance Survey of Great Britain 1936", metre), SourceCrs::BritishGrid),
            (grid("x", "Not_specified_based_on_Airy_1830_ellipsoid", metre), SourceCrs::BritishGrid),
            (grid("x", "OSGB_1936", metre).replace("0.9996012717", "0.999601272"), SourceCrs::BritishGrid),
            (grid("x", "OSGB_1936", metre).replace('[', "(").replace(']', ")"), SourceCrs::BritishGrid),
            (geographic("OSGB_1936", &with_towgs84, DEGREES), SourceCrs::Osgb36LonLat),
            (geographic("D_WGS_1984", wgs84, DEGREES), SourceCrs::LonLat),
            (geographic("D_ETRS_1989", grs80, DEGREES), SourceCrs::LonLat),
            (geographic("European_Terrestrial_Reference_System_1989", grs80, DEGREES), SourceCrs::LonLat),
            (geographic("unknown", wgs84, DEGREES), SourceCrs::LonLat),
            (mercator("Mercator_Auxiliary_Sphere", r#",PARAMETER["Auxiliary_Sphere_Type",0.0]"#), SourceCrs::WebMercator),
            (
                mercator("Mercator_1SP", "").replace(
                    metre,
                    r#"UNIT["metre",1],EXTENSION["PROJ4","+proj=merc +a=6378137 +b=6378137 +lat_ts=0"]"#,
                ),
                SourceCrs::WebMercator,
            ),
            (format!(r#"COMPD_CS["x",{},VERT_CS["ODN",VERT_DATUM["ODN",2005],UNIT["metre",1]]]"#, grid("x", "OSGB_1936", metre)), SourceCrs::BritishGrid),
            (format!(r#"{},VERTCS["Newlyn",UNIT["Meter",1.0]]"#, grid("x", "OSGB_1936", metre)), SourceCrs::BritishGrid),
            (r#"PROJCS["x",AUTHORITY["EPSG","27700"]]"#.into(), SourceCrs::BritishGrid),
            ("EPSG:27700".into(), SourceCrs::BritishGrid),
            (WKT2_GRID.into(), SourceCrs::BritishGrid),
            (WKT2_WGS84.into(), SourceCrs::LonLat),
        ] {
            assert_eq!(SourceCrs::from_wkt(&wkt), Ok(expected), "{wkt}");
        }
    }

    /// WKT 2 from GDAL and PROJ.
    const WKT2_GRID: &str = r#"PROJCRS["OSGB36 / British National Grid",
        BASEGEOGCRS["OSGB36",DATUM["Ordnance Survey of Great Britain 1936",ELLIPSOID["Airy 1830",6377563.396,299.3249646,LENGTHUNIT["metre",1]]],PRIMEM["Greenwich",0,ANGLEUNIT["degree",0.0174532925199433]],ID["EPSG",4277]],
        CONVERSION["British National Grid",METHOD["Transverse Mercator",ID["EPSG",9807]],
          PARAMETER["Latitude of natural origin",49,ANGLEUNIT["degree",0.0174532925199433],ID["EPSG",8801]],
          PARAMETER["Longitude of natural origin",-2,ANGLEUNIT["degree",0.0174532925199433],ID["EPSG",8802]],
          PARAMETER["Scale factor at natural origin",0.9996012717,SCALEUNIT["unity",1],ID["EPSG",8805]],
          PARAMETER["False easting",400000,LENGTHUNIT["metre",1],ID["EPSG",8806]],
          PARAMETER["False northing",-100000,LENGTHUNIT["metre",1],ID["EPSG",8807]]],
        CS[Cartesian,2],AXIS["(E)",east,ORDER[1],LENGTHUNIT["metre",1]],AXIS["(N)",north,ORDER[2],LENGTHUNIT["metre",1]],
        USAGE[SCOPE["Engineering survey."],AREA["A ""quoted"" area."],BBOX[49.75,-9.01,61.01,2.01]],ID["EPSG",27700]]"#;
    const WKT2_WGS84: &str = r#"GEOGCRS["WGS 84",ENSEMBLE["World Geodetic System 1984 ensemble",MEMBER["World Geodetic System 1984 (Transit)"],ELLIPSOID["WGS 84",6378137,298.257223563,LENGTHUNIT["metre",1]],ENSEMBLEACCURACY[2.0]],PRIMEM["Greenwich",0,ANGLEUNIT["degree",0.0174532925199433]],CS[ellipsoidal,2],AXIS["geodetic latitude (Lat)",north,ORDER[1],ANGLEUNIT["degree",0.0174532925199433]],AXIS["geodetic longitude (Lon)",east,ORDER[2],ANGLEUNIT["degree",0.0174532925199433]],ID["EPSG",4326]]"#;

    #[test]
    fn other_systems_are_refused_by_name() {
        let metre = r#"UNIT["Meter",1.0]"#;
        let wgs84 = r#"SPHEROID["WGS_1984",6378137.0,298.257223563]"#;
        let bng = grid("Grid", "D_OSGB_1936", metre);
        for (wkt, expected) in [
            (
                grid(
                    "British_National_Grid",
                    "D_OSGB_1936",
                    r#"UNIT["Kilometer",1000.0]"#,
                ),
                "its unit is `Kilometer`, not metres",
            ),
            (
                geographic("D_WGS_1984", wgs84, r#"UNIT["Grad",0.01570796326794897]"#),
                "its unit of angles is `Grad`, not degrees",
            ),
            (
                bng.replace("-2.0", "-3.0"),
                "its parameter `Central_Meridian` is -3, not -2",
            ),
            (
                bng.replace("400000.0", "500000.0"),
                "its parameter `False_Easting` is 500000, not 400000",
            ),
            (
                bng.replace(r#",PARAMETER["Latitude_Of_Origin",49.0]"#, ""),
                "lacks a parameter, which should be 49",
            ),
            (
                bng.replace("D_OSGB_1936", "D_TM65"),
                "its datum is `D_TM65`",
            ),
            (
                bng.replace("D_OSGB_1936", "D_WGS_1984"),
                "which are those of another datum",
            ),
            (
                bng.replace("6377563.396", "6377340.189"),
                "which are those of another datum",
            ),
            (
                bng.replace(r#""Greenwich",0"#, r#""Paris",2.337229166666667"#),
                "its prime meridian is not Greenwich",
            ),
            (
                bng.replace("Transverse_Mercator", "Mercator_1SP"),
                "its projection is `Mercator_1SP`",
            ),
            (
                bng.replace(AIRY, wgs84)
                    .replace("D_OSGB_1936", "D_WGS_1984"),
                "of a datum other than OSGB36",
            ),
            (
                r#"PROJCS["British_National_Grid"]"#.into(),
                "it states no datum and no projection",
            ),
            (
                r#"PROJCS["x",AUTHORITY["EPSG","29902"]]"#.into(),
                "it states no datum and no projection",
            ),
            (
                r#"LOCAL_CS["Site",UNIT["metre",1]]"#.into(),
                "neither projected nor geographic",
            ),
            (String::new(), "is empty"),
            ("PROJCS[\"x\"".into(), "is not well-known text"),
            ("PROJCS[".repeat(100), "is not well-known text"),
            ("+proj=utm +zone=30".into(), "cannot be read"),
        ] {
            let error = SourceCrs::from_wkt(&wkt).expect_err(expected);
            assert!(error.contains(expected), "{wkt}: {error}");
        }
    }
}
