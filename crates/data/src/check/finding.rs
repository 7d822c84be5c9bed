//! A finding, and the conversion of findings to GeoJSON.

use geo::{MultiPoint, MultiPolygon};
use serde_json::json;

use crate::formats::{FeatureCollectionWriter, FeatureGeometry};
use catchment_core::domain::{Layer, LonLat};

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
    /// The width of an overlap or a gap in metres, at its widest part.
    pub width_m: Option<f64>,
    /// The affected geometry, in longitude and latitude.
    pub geometry: Option<FindingGeometry>,
}

/// The geometry of a finding, in longitude and latitude.
#[derive(Debug, Clone)]
pub enum FindingGeometry {
    /// Several positions.
    Points(MultiPoint<f64>),
    /// One or more polygons.
    Polygons(MultiPolygon<f64>),
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
            width_m: None,
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
            geometry: Some(FindingGeometry::Polygons(geometry)),
            size_m2: Some(size_m2),
            ..self
        }
    }
}

/// Returns the findings that have a position or a geometry, as GeoJSON for display on a map.
pub fn findings_geojson(findings: &[Finding]) -> String {
    let mut collection = FeatureCollectionWriter::new(&[("name", "findings")]);
    for finding in findings {
        let Some(geometry) = feature_geometry(finding) else {
            continue;
        };
        let subject = finding.subject.as_ref();
        let properties = json!({
            "severity": finding.severity.as_str(),
            "code": finding.code,
            "message": finding.message,
            "kind": subject.map(|subject| subject.kind.as_str()),
            "id": subject.map(|subject| subject.id.as_str()),
            "size_m2": finding.size_m2,
        });
        collection.push(&properties, geometry);
    }
    collection.finish()
}

fn feature_geometry(finding: &Finding) -> Option<FeatureGeometry<'_>> {
    match &finding.geometry {
        Some(FindingGeometry::Points(points)) => Some(FeatureGeometry::MultiPoint(points)),
        Some(FindingGeometry::Polygons(polygons)) => Some(FeatureGeometry::Polygons(polygons)),
        None => finding.position.map(FeatureGeometry::Point),
    }
}
