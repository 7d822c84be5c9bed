//! PROJJSON: coordinate reference systems as JSON.

use serde_json::Value;

use super::definition::{CrsDefinition, DEGREE, Projection, Unit};

/// The maximum depth of nested systems.
const DEPTH_MAX: usize = 4;

/// Reads a definition.
pub(super) fn parse(value: &Value) -> Result<CrsDefinition, String> {
    parse_at(value, 0)
}

fn parse_at(value: &Value, depth: usize) -> Result<CrsDefinition, String> {
    let name = text(value, "/name");
    let horizontal = match text(value, "/type").as_str() {
        "CompoundCRS" => value.pointer("/components/0"),
        "BoundCRS" => value.get("source_crs"),
        _ => None,
    };
    if let Some(horizontal) = horizontal
        && depth < DEPTH_MAX
    {
        return parse_at(horizontal, depth + 1);
    }
    let (geographic, projection) = match text(value, "/type").as_str() {
        "ProjectedCRS" => (value.get("base_crs"), Some(projection_of(value))),
        "GeographicCRS" | "GeodeticCRS" => (Some(value), None),
        _ => {
            return Err(format!(
                "it is in `{name}`: it is neither projected nor geographic"
            ));
        }
    };
    let code = value.get("id").map(|id| {
        let code = match &id["code"] {
            Value::String(code) => code.clone(),
            code => code.to_string(),
        };
        (text(id, "/authority"), code)
    });
    let mut definition = CrsDefinition {
        name,
        code,
        projection,
        ..CrsDefinition::default()
    };
    if let Some(geographic) = geographic {
        let datum = geographic.get("datum").or(geographic.get("datum_ensemble"));
        definition.datum = datum.map(|datum| text(datum, "/name"));
        definition.ellipsoid = datum.and_then(|datum| ellipsoid_of(datum.get("ellipsoid")?));
        definition.prime_meridian = datum
            .and_then(|datum| number(datum.pointer("/prime_meridian/longitude")?))
            .unwrap_or(0.0);
        // A base system states no axes and is in degrees.
        definition.angular_unit = match geographic.pointer("/coordinate_system/axis/0/unit") {
            Some(unit) => unit_of(unit),
            None if definition.projection.is_some() => unit_of(&Value::from("degree")),
            None => None,
        };
    }
    Ok(definition)
}

fn ellipsoid_of(ellipsoid: &Value) -> Option<(f64, f64)> {
    if let Some(radius) = ellipsoid.get("radius").and_then(number) {
        return Some((radius, 0.0));
    }
    let major = number(ellipsoid.get("semi_major_axis")?)?;
    if let Some(inverse) = ellipsoid.get("inverse_flattening").and_then(number) {
        return Some((major, inverse));
    }
    let minor = number(ellipsoid.get("semi_minor_axis")?)?;
    let inverse = if major > minor {
        major / (major - minor)
    } else {
        0.0
    };
    Some((major, inverse))
}

fn projection_of(value: &Value) -> Projection {
    let parameters = value
        .pointer("/conversion/parameters")
        .and_then(Value::as_array);
    let parameter = |parameter: &Value| {
        let unit = parameter.get("unit").and_then(unit_of);
        let factor = match unit {
            Some(unit) if unit.name == "degree" => unit.size / DEGREE,
            Some(unit) => unit.size,
            None => 1.0,
        };
        Some((
            text(parameter, "/name"),
            number(parameter.get("value")?)? * factor,
        ))
    };
    let method = value
        .pointer("/conversion/method/name")
        .and_then(Value::as_str);
    let unit = value.pointer("/coordinate_system/axis/0/unit");
    Projection {
        method: method.map(str::to_string),
        parameters: parameters
            .into_iter()
            .flatten()
            .filter_map(parameter)
            .collect(),
        unit: unit.and_then(unit_of),
        proj4: None,
    }
}

/// Returns a unit. In PROJJSON, a common unit is only a name, and any other unit is an object with
/// a factor.
fn unit_of(unit: &Value) -> Option<Unit> {
    let size = match unit.as_str() {
        Some("degree") => DEGREE,
        Some("metre" | "unity") => 1.0,
        Some(_) => return None,
        None => unit.get("conversion_factor").and_then(Value::as_f64)?,
    };
    let name = match unit.as_str() {
        Some(name) => name.to_string(),
        None => text(unit, "/name"),
    };
    Some(Unit { name, size })
}

/// Returns a number, or the value of an object that contains a number and a unit.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.get("value")?.as_f64())
}

fn text(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::SourceCrs;
    use super::*;

    fn grid() -> Value {
        let parameter = |name: &str, value: f64, unit: &str| json!({ "name": name, "value": value, "unit": unit });
        json!({
            "type": "ProjectedCRS",
            "name": "OSGB36 / British National Grid",
            "base_crs": { "type": "GeographicCRS", "name": "OSGB36", "datum": {
                "type": "GeodeticReferenceFrame",
                "name": "Ordnance Survey of Great Britain 1936",
                "ellipsoid": { "name": "Airy 1830", "semi_major_axis": 6_377_563.396, "inverse_flattening": 299.324_964_6 },
            } },
            "conversion": { "method": { "name": "Transverse Mercator" }, "parameters": [
                parameter("Latitude of natural origin", 49.0, "degree"),
                parameter("Longitude of natural origin", -2.0, "degree"),
                parameter("Scale factor at natural origin", 0.999_601_271_7, "unity"),
                parameter("False easting", 400_000.0, "metre"),
                parameter("False northing", -100_000.0, "metre"),
            ] },
            "coordinate_system": { "subtype": "Cartesian", "axis": [{ "name": "Easting", "unit": "metre" }] },
            "id": { "authority": "EPSG", "code": 27700 },
        })
    }

    #[test]
    fn systems_are_identified_or_refused() {
        assert_eq!(
            SourceCrs::from_projjson(&grid()),
            Ok(SourceCrs::BritishGrid)
        );
        let compound = json!({ "type": "CompoundCRS", "components": [grid(), {}] });
        assert_eq!(
            SourceCrs::from_projjson(&compound),
            Ok(SourceCrs::BritishGrid)
        );
        let wgs84 = json!({
            "type": "GeographicCRS", "name": "WGS 84 (CRS84)",
            "datum_ensemble": { "name": "World Geodetic System 1984 ensemble",
                "ellipsoid": { "semi_major_axis": 6_378_137, "inverse_flattening": 298.257_223_563 } },
            "coordinate_system": { "axis": [{ "name": "Longitude", "unit": "degree" }] },
        });
        assert_eq!(SourceCrs::from_projjson(&wgs84), Ok(SourceCrs::LonLat));
        let mut kilometres = grid();
        kilometres["coordinate_system"]["axis"][0]["unit"] =
            json!({ "type": "LinearUnit", "name": "kilometre", "conversion_factor": 1000 });
        let error = SourceCrs::from_projjson(&kilometres).expect_err("kilometres");
        assert!(
            error.contains("its unit is `kilometre`, not metres"),
            "{error}"
        );
        let code_only =
            json!({ "type": "GeographicCRS", "id": { "authority": "OGC", "code": "CRS84" } });
        assert_eq!(SourceCrs::from_projjson(&code_only), Ok(SourceCrs::LonLat));
        assert!(SourceCrs::from_projjson(&json!({})).is_err());
        assert!(SourceCrs::from_projjson(&json!("EPSG:27700")).is_err());
    }
}
