//! Descriptions of datasets, areas and practices in the vocabulary of schema.org, which search
//! engines read in pages.

use serde_json::{Value, json};

use super::{JSON_LD, Release};
use crate::wire::locate::round_decimals;
use catchment_core::domain::{Area, LayerRole, LonLat, Practice, PracticeStatus, PremisesKind};
use catchment_core::geodesy;
use catchment_core::geometry::bbox;
use catchment_core::index::Index;
use geo::Rect;
use jiff::civil::Date;

const CONTEXT: &str = "https://schema.org";

/// Describes a release as a `Dataset`.
pub(crate) fn dataset(release: &Release<'_>) -> Value {
    let manifest = release.manifest();
    let released = manifest.released_or_as_of().to_string();
    let downloads = release.downloads();
    let distributions = downloads.iter().map(|download| {
        json!({
            "@type": "DataDownload",
            "name": download.title,
            "contentUrl": download.url,
            "encodingFormat": download.media_type,
        })
    });
    let titles = manifest.layers.iter().map(|entry| entry.title.as_str());
    let mut body = json!({
        "@context": CONTEXT,
        "@type": "Dataset",
        "name": manifest.title,
        "description": release.description(),
        "url": format!("{}/sources", release.base),
        "identifier": release.urn(),
        "version": manifest.version,
        "license": manifest.licence,
        "creditText": manifest.attribution,
        "datePublished": released,
        "dateModified": released,
        "keywords": titles.collect::<Vec<_>>(),
        "distribution": distributions.collect::<Value>(),
    });
    if let Some(name) = &manifest.publisher {
        body["publisher"] = json!({ "@type": "Organization", "name": name });
    }
    if let Some(bounds) = release.bounds {
        body["spatialCoverage"] = json!({ "@type": "Place", "geo": shape(bounds) });
    }
    if let Some(first) = release.first_data() {
        body["temporalCoverage"] = json!(format!("{first}/.."));
    }
    body
}

/// Describes an area as a `Place`, or as an `AdministrativeArea` if that is the role of its layer.
/// `url` returns the URL of an area's page, `parents` are the areas that contain the area, and
/// `bounds` is the bounding box of its boundary in degrees.
pub(crate) fn area(
    index: &Index,
    area: &Area,
    parents: &[&Area],
    bounds: Option<Rect<f64>>,
    url: impl Fn(&Area) -> String,
) -> Value {
    let codes = index.codes_of(area);
    let mut identifiers: Vec<Value> = codes.map(|(scheme, code)| property(scheme, code)).collect();
    if identifiers.is_empty() {
        identifiers.push(property(area.layer.as_str(), &area.id));
    }
    let mut body = json!({
        "@context": CONTEXT,
        "@type": place_type(index, area),
        "@id": url(area),
        "url": url(area),
        "name": area.title(),
        "identifier": identifiers,
    });
    if let Some(bounds) = bounds {
        let bounds = bbox::to_array(bounds);
        body["geo"] = shape(bounds.map(|degrees| round_decimals(degrees, super::BOUNDS_DECIMALS)));
    }
    let parents: Vec<Value> = parents
        .iter()
        .map(|parent| {
            json!({ "@type": place_type(index, parent), "@id": url(parent), "name": parent.title() })
        })
        .collect();
    if !parents.is_empty() {
        body["containedInPlace"] = parents.into();
    }
    body
}

/// Describes a practice as a `MedicalClinic`; `None` if the practice does not see patients on the
/// date.
pub(crate) fn practice(index: &Index, practice: &Practice, day: Date, url: &str) -> Option<Value> {
    if practice.status_on(day) != PracticeStatus::Active {
        return None;
    }
    let mut address = json!({
        "@type": "PostalAddress",
        "streetAddress": practice.address,
        "addressCountry": "GB",
    });
    if let Some(postcode) = practice.postcode {
        address["postalCode"] = json!(postcode.to_string());
    }
    let mut body = json!({
        "@context": CONTEXT,
        "@type": "MedicalClinic",
        "@id": url,
        "url": url,
        "name": practice.name,
        "identifier": property("ods", practice.code.as_str()),
        "address": address,
        "medicalSpecialty": "https://schema.org/PrimaryCare",
    });
    if let Some(number) = &practice.telephone {
        body["telephone"] = json!(number);
    }
    if let Some(opened) = practice.opened {
        body["foundingDate"] = json!(opened.to_string());
    }
    if let Some(closed) = practice.closed {
        body["dissolutionDate"] = json!(closed.to_string());
    }
    let mut premises = index.premises(practice.code).iter();
    let main = premises.find(|premises| premises.kind == PremisesKind::Main);
    if let Some(position) = main.and_then(|premises| geodesy::to_lonlat(premises.position)) {
        body["geo"] = coordinates(position);
    }
    Some(body)
}

/// Returns JSON that can be the content of a `script` element. Within JSON, the characters that
/// could end the element or begin a comment occur only in strings, in which they can be escaped.
pub(crate) fn script_content(body: &Value) -> String {
    let text = body.to_string();
    text.replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
}

/// The type of the `script` element.
pub(crate) const SCRIPT_TYPE: &str = JSON_LD;

fn place_type(index: &Index, area: &Area) -> &'static str {
    match index.role(area.layer) {
        Some(LayerRole::Administrative) => "AdministrativeArea",
        _ => "Place",
    }
}

fn property(scheme: &str, code: &str) -> Value {
    json!({ "@type": "PropertyValue", "propertyID": scheme, "value": code })
}

/// Returns a box: the south-western and the north-eastern corner, latitude first.
fn shape([west, south, east, north]: [f64; 4]) -> Value {
    json!({ "@type": "GeoShape", "box": format!("{south} {west} {north} {east}") })
}

fn coordinates(position: LonLat) -> Value {
    let round = |degrees| round_decimals(degrees, super::BOUNDS_DECIMALS);
    json!({
        "@type": "GeoCoordinates",
        "latitude": round(position.lat()),
        "longitude": round(position.lon()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_content_cannot_end_the_script() {
        let body = json!({ "name": "</script><!-- & <script>", "a": 1.5 });
        let text = script_content(&body);
        assert!(!text.contains(['<', '>', '&']), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), body);
    }

    #[test]
    fn boxes_have_the_latitude_first() {
        let expected = json!({ "@type": "GeoShape", "box": "54.5 -3.25 55.5 -2.75" });
        assert_eq!(shape([-3.25, 54.5, -2.75, 55.5]), expected);
    }
}
