//! A finding, and the conversion of findings to GeoJSON.

use geo::{Geometry, MultiPolygon};

use crate::domain::{Layer, LonLat};
use crate::geojson::to_7_decimals;

/// A problem, or a possible problem, in a dataset.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The severity of the problem.
    pub severity: Severity,
    /// The code of the rule: `overlap`.
    pub code: &'static str,
    /// A description of the problem, with measurements.
    pub message: String,
    /// The object that the finding is about, if it is about a single object.
    pub subject: Option<FindingSubject>,
    /// A position at which a map can show the finding.
    pub position: Option<LonLat>,
    /// The size of the affected area in square metres.
    pub size_m2: Option<f64>,
    /// The affected geometry, in longitude and latitude.
    pub geometry: Option<Geometry<f64>>,
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Answers are or may be wrong.
    Error,
    /// The data are unusual and should be checked, but may be correct.
    Warning,
}

/// The object that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingSubject {
    /// The id of a layer or of the statistical areas, or `practice`, `outcode` or `system`.
    pub kind: String,
    /// The id of the object.
    pub id: String,
}

impl Severity {
    /// Returns the value used in reports and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

impl FindingSubject {
    pub(super) fn area(layer: Layer, id: &str) -> FindingSubject {
        FindingSubject::new(layer.as_str(), id)
    }

    pub(super) fn new(kind: &str, id: &str) -> FindingSubject {
        FindingSubject {
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
            position: None,
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

    pub(super) fn with_subject(self, subject: FindingSubject) -> Finding {
        Finding {
            subject: Some(subject),
            ..self
        }
    }

    pub(super) fn with_position(self, position: Option<LonLat>) -> Finding {
        Finding { position, ..self }
    }

    /// Adds the affected geometry, in longitude and latitude, and its size in m².
    pub(super) fn with_geometry(self, geometry: MultiPolygon<f64>, size_m2: f64) -> Finding {
        Finding {
            geometry: Some(Geometry::MultiPolygon(geometry)),
            size_m2: Some(size_m2),
            ..self
        }
    }
}

/// Returns the findings that have a position or a geometry, as GeoJSON for display on a map.
pub fn findings_geojson(findings: &[Finding]) -> String {
    let features: Vec<serde_json::Value> = findings.iter().filter_map(finding_feature).collect();
    let lines: Vec<String> = features.iter().map(ToString::to_string).collect();
    let lines = lines.join(",\n");
    format!("{{\"type\":\"FeatureCollection\",\"name\":\"findings\",\"features\":[\n{lines}\n]}}\n")
}

fn finding_feature(finding: &Finding) -> Option<serde_json::Value> {
    let geometry = match (&finding.geometry, finding.position) {
        (Some(geometry), _) => serde_json::to_value(geojson::Geometry::from(geometry))
            .expect("a geometry serialises to JSON"),
        (None, Some(position)) => serde_json::json!({
            "type": "Point",
            "coordinates": [to_7_decimals(position.lon()), to_7_decimals(position.lat())],
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
            "kind": subject.map(|subject| subject.kind.as_str()),
            "id": subject.map(|subject| subject.id.as_str()),
            "size_m2": finding.size_m2,
        },
        "geometry": geometry,
    }))
}
