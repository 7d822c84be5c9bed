//! The files that the widget shows: maps of layers and of areas, lists of members, and practices.
//! The content of the files is the same as in the responses of the service.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::{Value, json};

use super::{StaticSiteError, is_file_name};
use crate::http::{area_detail, default_layer, ensure_drawable, practice_detail, widget_map_body};
use catchment_core::domain::{Layer, LayerRole};
use catchment_core::index::Index;
use catchment_tiles::TileCache;

/// Adds the files. Returns the layers for the two names that the widget uses instead of layers:
/// `default` (the layer of a map if no layer is requested) and `practices`.
pub(super) fn write(
    index: &Index,
    day: Date,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<Value, StaticSiteError> {
    let tiles = TileCache::default();
    let manifest = index.manifest();
    let has_data = |layer: &Layer| index.first_data(*layer).is_some_and(|first| first <= day);
    for layer in index.layers().filter(has_data) {
        let role = index.role(layer);
        // The maps of statistical areas would be thousands of files, and no page shows these maps.
        if role == Some(LayerRole::Statistical) {
            continue;
        }
        if ensure_drawable(index, layer, day).is_ok()
            && let Some(map) = tiles.widget_map(index, layer, day, None)
        {
            let body = widget_map_body(index, &map, (layer, None), day);
            add(files, format!("widget/{layer}.json"), &body);
        }
        for area in index.areas(layer, day).into_iter().flatten() {
            let id = area.id.as_str();
            if !is_file_name(id) {
                return Err(StaticSiteError::UnusableId {
                    layer: layer.as_str(),
                    id: id.to_string(),
                });
            }
            if let Some(map) = tiles.widget_map(index, layer, day, Some(id)) {
                let body = widget_map_body(index, &map, (layer, Some(id)), day);
                add(files, format!("widget/{layer}/{id}.json"), &body);
            }
            let has_members = matches!(
                role,
                Some(LayerRole::Community | LayerRole::Part | LayerRole::Network)
            );
            if has_members {
                let body = area_detail(index, area, day);
                add(files, format!("api/v1/areas/{layer}/{id}.json"), &body);
            }
        }
    }
    for practice in index.practices() {
        if let Some(body) = practice_detail(index, practice.code, day) {
            add(
                files,
                format!("api/v1/practices/{}.json", practice.code),
                &body,
            );
        }
    }
    let default = default_layer(index).map(Layer::as_str);
    let practices = manifest.practice_layer().map(Layer::as_str);
    Ok(json!({ "default": default, "practices": practices }))
}

fn add(files: &mut BTreeMap<String, Vec<u8>>, path: String, body: &Value) {
    files.insert(path, body.to_string().into_bytes());
}
