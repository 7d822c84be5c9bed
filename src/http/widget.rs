//! `/widget.js` and `/widget/…`: the map widget for other sites, and the JSON from which it draws
//! maps.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::App;
use super::areas::{no_boundary, require_layer, unknown_area};
use super::cached_response::cached_response;
use super::extract::PathParams;
use super::negotiate;
use super::problem::Problem;
use super::query_params::{NoParams, Query};
use super::request_context::RequestContext;
use crate::web::assets::{self, Asset};
use crate::web::{full_noun, group_noun, group_nouns};
use crate::wire::locate::round_decimals;
use catchment_core::domain::{Layer, LayerRole, Manifest};
use catchment_core::index::Index;
use catchment_tiles::{ContentEncoding, EncodedBody, WidgetArea, WidgetMap};

/// `/widget.js`: the element `<catchment-map>`. The URL never changes, and the script is cached for
/// five minutes, so that sites that embed the script soon receive fixes.
pub(super) async fn script(_: Query<NoParams>, headers: HeaderMap) -> Result<Response, Problem> {
    script_response(&headers, &assets::WIDGET_SCRIPT)
}

/// `/embed.js`: the script that adapts the height of a frame to its content.
pub(super) async fn frame_script(
    _: Query<NoParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    script_response(&headers, &assets::EMBED_SCRIPT)
}

/// Returns the response with a script, or 404 in a build without the `web` feature.
fn script_response(headers: &HeaderMap, script: &Asset) -> Result<Response, Problem> {
    if !cfg!(feature = "web") {
        return Err(Problem::not_found());
    }
    cached_response(headers, script.content_type(), &script.body)
}

/// `/widget/{layer}.json`: a whole layer.
pub(super) async fn layer(
    State(app): State<App>,
    context: RequestContext,
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = name.strip_suffix(".json").ok_or_else(Problem::not_found)?;
    let layer = requested_layer(&context, name)?;
    ensure_drawable(context.index(), layer, context.as_of)?;
    respond(&app, context, layer, None, &headers).await
}

/// The name of the default layer in paths. The name cannot be the id of a layer.
const DEFAULT_LAYER: &str = "_";

/// The name of the layer of the areas of GP practices in paths. The name cannot be the id of a
/// layer.
const PRACTICE_LAYER: &str = "_practice";

/// Returns the layer with an id, the layer of a map if no layer is requested ([`DEFAULT_LAYER`]),
/// or the layer of the areas of GP practices ([`PRACTICE_LAYER`]).
fn requested_layer(context: &RequestContext, name: &str) -> Result<Layer, Problem> {
    let index = context.index();
    let layer = match name {
        DEFAULT_LAYER => default_layer(index),
        PRACTICE_LAYER => index.manifest().practice_layer(),
        _ => None,
    };
    let name = match layer {
        Some(layer) => layer.as_str(),
        None => name,
    };
    require_layer(index, name, context.as_of)
}

/// Returns the layer of a map if no layer is requested: the main layer of communities or, if there
/// is no such layer, the first layer.
pub(crate) fn default_layer(index: &Index) -> Option<Layer> {
    let main = index.manifest().main_community_layer();
    main.or_else(|| index.layers().next())
}

/// The maximum number of areas on one map. A map of more areas would be illegible, and its list of
/// names would be too long.
const AREAS_MAX: usize = 500;

/// Checks that a whole layer fits on one map.
pub(crate) fn ensure_drawable(index: &Index, layer: Layer, day: Date) -> Result<(), Problem> {
    match index.boundaries(layer, day).count() {
        0..=AREAS_MAX => Ok(()),
        _ => Err(Problem::too_many_areas(AREAS_MAX)),
    }
}

/// `/widget/{layer}/{id}.json`: an area and its surroundings.
pub(super) async fn area(
    State(app): State<App>,
    context: RequestContext,
    PathParams((layer, id)): PathParams<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = id.strip_suffix(".json").ok_or_else(Problem::not_found)?;
    let layer = requested_layer(&context, &layer)?;
    let area = context
        .index()
        .area_or_last_version(layer, id, context.as_of);
    let id = area.ok_or_else(unknown_area)?.id.clone();
    respond(&app, context, layer, Some(id), &headers).await
}

async fn respond(
    app: &App,
    context: RequestContext,
    layer: Layer,
    focus: Option<String>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let index = context.index();
    let key = WidgetKey {
        dataset: index.digest().to_string(),
        layer,
        revision: index.revision(layer, context.as_of),
        focus,
    };
    let encoding =
        negotiate::preferred_encoding(headers).ok_or_else(Problem::no_acceptable_encoding)?;
    let cached = app.widget_cache.get(&key);
    let map = match cached.filter(|map| map.encoded_if_cached(encoding).is_some()) {
        Some(map) => map,
        None => render_uncached(app.widget_cache.clone(), context, key, encoding).await?,
    };
    cached_response(headers, "application/json", &map)
}

/// Renders and encodes a map on a blocking thread, because rendering is slow for a large layer.
async fn render_uncached(
    cache: WidgetCache,
    context: RequestContext,
    key: WidgetKey,
    encoding: ContentEncoding,
) -> Result<Arc<EncodedBody>, Problem> {
    let render = move || {
        let map = match cache.get(&key) {
            Some(map) => map,
            None => {
                let body = body(&context, &key)?;
                let bytes = serde_json::to_vec(&body).expect("response bodies serialize");
                cache.insert(key, EncodedBody::new(bytes))
            }
        };
        map.encoded(encoding);
        Some(map)
    };
    match tokio::task::spawn_blocking(render).await {
        Ok(map) => map.ok_or_else(no_boundary),
        Err(_) => Err(Problem::internal("rendering a widget map panicked")),
    }
}

fn body(context: &RequestContext, key: &WidgetKey) -> Option<Value> {
    let (index, day) = (context.index(), context.as_of);
    let focus = key.focus.as_deref();
    let map = context.tiles().widget_map(index, key.layer, day, focus)?;
    Some(widget_map_body(index, &map, (key.layer, focus), day))
}

/// Returns the JSON of the map of a layer or, if `focus` is the id of an area, of this area and its
/// surroundings.
pub(crate) fn widget_map_body(
    index: &Index,
    map: &WidgetMap,
    (layer, focus): (Layer, Option<&str>),
    day: Date,
) -> Value {
    let areas: Vec<Value> = map
        .areas
        .iter()
        .map(|widget_area| {
            // Use the short name as the label on the map.
            let area = index.area(layer, &widget_area.id, day);
            let label = area.map_or(widget_area.name.as_str(), |area| area.name.as_str());
            area_body(widget_area, label)
        })
        .collect();
    let manifest = index.manifest();
    let role = manifest.layer(layer).map(|entry| entry.role);
    json!({
        "layer": layer.as_str(),
        "role": role.map(LayerRole::as_str),
        "practice_layer": manifest.practice_layer().map(Layer::as_str),
        "noun": manifest.layer(layer).map(full_noun),
        "group_layer": manifest.group_layer().map(Layer::as_str),
        "group_nouns": manifest.group_layer().map(|_| [group_noun(index).to_string(), group_nouns(index)]),
        "other_communities": other_communities(manifest, layer),
        "title": manifest.layer_title(layer),
        "focus": focus,
        "size": [map.width, map.height],
        "earth": [map.units_around_earth, map.corner.x, map.corner.y],
        "metres_per_unit": round_decimals(map.metres_per_unit, 4),
        "areas": areas,
        "dataset": { "name": manifest.name, "version": manifest.version },
        "attribution": manifest.attribution,
    })
}

/// Returns the other layers of communities. A search on a map of the main layer uses them for
/// locations that the main layer does not cover.
fn other_communities(manifest: &Manifest, layer: Layer) -> Vec<Value> {
    let is_main = manifest.main_community_layer() == Some(layer);
    let layers = manifest
        .layers
        .iter()
        .filter(|entry| is_main && entry.role == LayerRole::Community && entry.id != layer);
    layers
        .map(|entry| {
            // The names of communities end with the abbreviation, if the layer has one.
            let noun = entry.abbreviation.is_none().then(|| entry.noun());
            json!({ "layer": entry.id.as_str(), "noun": noun, "title": full_noun(entry) })
        })
        .collect()
}

fn area_body(area: &WidgetArea, label: &str) -> Value {
    json!({
        "id": area.id,
        "name": area.name,
        "label": label,
        "provenance": area.provenance,
        "middle": [area.label_point.x, area.label_point.y],
        "path": area.path,
    })
}

/// The key of a cached map: a revision of a layer and, if an area was requested, the area.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WidgetKey {
    /// The digest of the dataset. The digest changes when another dataset is loaded.
    dataset: String,
    layer: Layer,
    revision: usize,
    focus: Option<String>,
}

/// The maximum size of the cache in bytes, including all content codings. A larger map is not
/// cached.
const CACHE_BYTES_MAX: usize = 64 << 20;

/// A cache of rendered maps, with the latest map last. Clones share one cache.
#[derive(Clone, Default)]
pub(super) struct WidgetCache(Arc<Mutex<VecDeque<CachedMap>>>);

type CachedMap = (WidgetKey, Arc<EncodedBody>);

impl WidgetCache {
    fn get(&self, key: &WidgetKey) -> Option<Arc<EncodedBody>> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.iter().find(|value| value.0 == *key)?;
        Some(Arc::clone(&entry.1))
    }

    /// Adds a map, and evicts the oldest maps while the cache is too large.
    fn insert(&self, key: WidgetKey, map: EncodedBody) -> Arc<EncodedBody> {
        let map = Arc::new(map);
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push_back((key, Arc::clone(&map)));
        while entries
            .iter()
            .map(|value| value.1.size_bytes())
            .sum::<usize>()
            > CACHE_BYTES_MAX
        {
            entries.pop_front();
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(focus: &str) -> WidgetKey {
        WidgetKey {
            dataset: "d".into(),
            layer: Layer::declare("icc").expect("an id"),
            revision: 0,
            focus: Some(focus.into()),
        }
    }

    #[test]
    fn oldest_maps_are_evicted() {
        let cache = WidgetCache::default();
        // With all its content codings, the map takes slightly more than a quarter of the limit.
        let large = || EncodedBody::new(vec![0; CACHE_BYTES_MAX / 16]);
        cache.insert(key("first"), large());
        for value in 0..3 {
            cache.insert(key(&value.to_string()), large());
        }
        assert!(cache.get(&key("first")).is_none());
        assert!(cache.get(&key("2")).is_some());
        cache.insert(key("huge"), EncodedBody::new(vec![0; CACHE_BYTES_MAX]));
        assert!(cache.get(&key("huge")).is_none());
    }
}
