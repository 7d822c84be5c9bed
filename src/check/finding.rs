use geo::{Geometry, MultiPolygon};

use crate::domain::{Layer, LonLat};
use crate::geojson::to_7_decimals;

/// Something that a careful person would look at.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Whether it can be lived with.
    pub severity: Severity,
    /// What kind of thing it is: `overlap`.
    pub code: &'static str,
    /// What is the matter, in a sentence with its numbers.
    pub message: String,
    /// What it is about, where that is one thing.
    pub subject: Option<Subject>,
    /// A place to look at.
    pub place: Option<LonLat>,
    /// How much ground it concerns.
    pub size_m2: Option<f64>,
    /// The ground or the places themselves, in lon/lat.
    pub geometry: Option<Geometry<f64>>,
}

/// Whether a finding can be lived with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// An answer is or may be wrong.
    Error,
    /// Worth a look; may be as it should be.
    Warning,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// A layer's word, `practice`, `outcode`, `system`, or the statistical areas' id.
    pub kind: String,
    /// Which one.
    pub id: String,
}

impl Severity {
    /// The word in reports and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

impl Subject {
    pub(super) fn of(layer: Layer, id: &str) -> Subject {
        Subject::named(layer.as_str(), id)
    }

    pub(super) fn named(kind: &str, id: &str) -> Subject {
        Subject {
            kind: kind.into(),
            id: id.into(),
        }
    }
}

impl Finding {
    pub(super) fn error(code: &'static str, message: String) -> Finding {
        Finding {
            severity: Severity::Error,
            code,
            message,
            subject: None,
            place: None,
            size_m2: None,
            geometry: None,
        }
    }

    pub(super) fn warning(code: &'static str, message: String) -> Finding {
        Finding {
            severity: Severity::Warning,
            ..Finding::error(code, message)
        }
    }

    pub(super) fn about(self, subject: Subject) -> Finding {
        Finding {
            subject: Some(subject),
            ..self
        }
    }

    pub(super) fn at(self, place: Option<LonLat>) -> Finding {
        Finding { place, ..self }
    }

    /// With its ground, in lon/lat, and how much that is.
    pub(super) fn on(self, ground: MultiPolygon<f64>, size_m2: f64) -> Finding {
        Finding {
            geometry: Some(Geometry::MultiPolygon(ground)),
            size_m2: Some(size_m2),
            ..self
        }
    }
}

/// The findings that have a place or a ground, as GeoJSON to be looked at on a map.
pub fn findings_geojson(findings: &[Finding]) -> String {
    let features: Vec<serde_json::Value> = findings.iter().filter_map(feature).collect();
    let lines: Vec<String> = features.iter().map(ToString::to_string).collect();
    let lines = lines.join(",\n");
    format!("{{\"type\":\"FeatureCollection\",\"name\":\"findings\",\"features\":[\n{lines}\n]}}\n")
}

fn feature(finding: &Finding) -> Option<serde_json::Value> {
    let geometry = match (&finding.geometry, finding.place) {
        (Some(geometry), _) => serde_json::to_value(geojson::Geometry::from(geometry))
            .expect("a geometry is numbers and words"),
        (None, Some(place)) => serde_json::json!({
            "type": "Point",
            "coordinates": [to_7_decimals(place.lon()), to_7_decimals(place.lat())],
        }),
        (None, None) => return None,
    };
    let subject = finding.subject.as_ref();
    Some(serde_json::json!({
        "type": "Feature",
        "properties": {
            "severity": finding.severity.as_str(),
            "code": finding.code,
            "message": finding.message,
            "kind": subject.map(|it| it.kind.as_str()),
            "id": subject.map(|it| it.id.as_str()),
            "size_m2": finding.size_m2,
        },
        "geometry": geometry,
    }))
}
