//! Validates the polygons of a file once, when the file is imported. The polygons of a dataset are
//! not validated again.

use super::boundary::place_name;
use crate::formats::{PolygonError, PolygonFeature, PolygonFile};
use crate::plural::count_with_noun;
use catchment_core::geometry::rings::polygons_by_nesting;
use catchment_core::geometry::validity::{find_located_topology_error, find_topology_error};

/// The maximum number of invalid features that an error lists after the first. The error also
/// states the number of all invalid features.
const INVALID_FEATURES_NAMED_MAX: usize = 10;

/// Returns the file if every feature is a valid area: no ring crosses or touches itself, holes
/// are inside their exterior and do not disconnect its interior, and parts neither overlap nor
/// share an edge.
///
/// # Errors
/// If a feature is invalid. The error describes the first invalid feature and its position, and
/// lists and counts the other invalid features.
pub fn validated(file: PolygonFile) -> Result<PolygonFile, PolygonError> {
    let invalid: Vec<(&PolygonFeature, String)> = file
        .features
        .iter()
        .filter_map(|feature| {
            let (error, vertex) = find_located_topology_error(&feature.polygons)?;
            let place = place_name(file.crs, vertex);
            Some((feature, format!("{} near {place}", error.reason())))
        })
        .collect();
    let Some(((feature, reason), others)) = invalid.split_first() else {
        return Ok(file);
    };
    let mut reason = reason.clone();
    if !others.is_empty() {
        let named = others.iter().take(INVALID_FEATURES_NAMED_MAX);
        let named: Vec<String> = named.map(|(feature, _)| feature.label()).collect();
        let named = named.join(", ");
        let others = count_with_noun(others.len(), "more is", "more are");
        reason = format!("{reason}; {others} invalid: {named}");
    }
    Err(file.error(feature, format!("{reason} ({REPAIR_HINT})")))
}

/// The suggestion in an error about an invalid feature.
pub(crate) const REPAIR_HINT: &str = "set `repair = true` in the configuration to repair it";

/// Converts parts that are inside another part of the same feature to holes, because ArcGIS writes
/// some holes as such parts. Returns the labels of the changed features. Does not change vertices
/// or features that are invalid for other reasons.
pub(crate) fn nested_parts_to_holes(file: &mut PolygonFile) -> Vec<String> {
    let mut changed = Vec::new();
    for feature in &mut file.features {
        let has_parts = feature.polygons.len() > 1;
        if !has_parts || find_topology_error(&feature.polygons).is_none() {
            continue;
        }
        let rings = feature.polygons.iter().flatten().cloned().collect();
        if let Ok(polygons) = polygons_by_nesting(rings)
            && find_topology_error(&polygons).is_none()
        {
            feature.polygons = polygons;
            changed.push(feature.label());
        }
    }
    changed
}
