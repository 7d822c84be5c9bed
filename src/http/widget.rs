//! `/widget.js` and `/widget/…`: the map widget for other sites, and the JSON that it draws.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::App;
use super::areas::{held_layer, no_boundary, unknown_area};
use super::body::decimals;
use super::input::{Segments, query_fields};
use super::negotiate;
use super::prepared::prepared;
use super::problem::Problem;
use super::snapshot::Snapshot;
use crate::domain::Layer;
use crate::index::Index;
use crate::tiles::{EncodedBody, Encoding, WidgetArea};
use crate::web::assets::{self, Asset};

/// `/widget.js`: the element `<catchment-map>`. Its URL never changes, and it is cached for five
/// minutes, so that sites that embed it get fixes.
pub(super) async fn script(uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    query_fields(&uri, &[])?;
    built(&headers, &assets::WIDGET_SCRIPT)
}

/// `/embed.js`: the script that fits the height of a frame to its content.
pub(super) async fn frame_script(uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    query_fields(&uri, &[])?;
    built(&headers, &assets::EMBED_SCRIPT)
}

/// The response with a script; 404 in a build without the `web` feature.
fn built(headers: &HeaderMap, script: &Asset) -> Result<Response, Problem> {
    if !cfg!(feature = "web") {
        return Err(Problem::not_found());
    }
    prepared(headers, script.content_type(), &script.made)
}

/// `/widget/{layer}.json`: a whole layer.
pub(super) async fn layer(
    State(app): State<App>,
    snapshot: Snapshot,
    Segments(name): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = name.strip_suffix(".json").ok_or_else(Problem::not_found)?;
    let layer = held_layer(snapshot.index(), name, snapshot.as_of)?;
    expect_drawable(snapshot.index(), layer, snapshot.as_of)?;
    answer(&app, snapshot, layer, None, &headers).await
}

/// The most areas on one map. More are not legible, and too many for the list of names.
const AREAS_MAX: usize = 500;

/// Checks that a whole layer fits on one map.
pub(super) fn expect_drawable(index: &Index, layer: Layer, day: Date) -> Result<(), Problem> {
    match index.boundaries(layer, day).count() {
        0..=AREAS_MAX => Ok(()),
        _ => Err(Problem::too_many_areas(AREAS_MAX)),
    }
}

/// `/widget/{layer}/{id}.json`: an area and its surroundings.
pub(super) async fn area(
    State(app): State<App>,
    snapshot: Snapshot,
    Segments((layer, id)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = id.strip_suffix(".json").ok_or_else(Problem::not_found)?;
    let layer = held_layer(snapshot.index(), &layer, snapshot.as_of)?;
    let area = snapshot.index().area_ever(layer, id, snapshot.as_of);
    let id = area.ok_or_else(unknown_area)?.id.clone();
    answer(&app, snapshot, layer, Some(id), &headers).await
}

async fn answer(
    app: &App,
    snapshot: Snapshot,
    layer: Layer,
    focus: Option<String>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let index = snapshot.index();
    let wanted = Wanted {
        dataset: index.digest().to_string(),
        layer,
        changes: index.changes_until(layer, snapshot.as_of),
        focus,
    };
    let encoding = negotiate::encoding(headers).ok_or_else(Problem::no_encoding)?;
    let kept = app.pictures.kept(&wanted);
    let made = match kept.filter(|made| made.encoded_if_cached(encoding).is_some()) {
        Some(made) => made,
        None => made_now(app.pictures.clone(), snapshot, wanted, encoding).await?,
    };
    prepared(headers, "application/json", &made)
}

/// Renders and encodes a map on a blocking thread, because that is slow for a large layer.
async fn made_now(
    pictures: Pictures,
    snapshot: Snapshot,
    wanted: Wanted,
    encoding: Encoding,
) -> Result<Arc<EncodedBody>, Problem> {
    let make = move || {
        let made = match pictures.kept(&wanted) {
            Some(made) => made,
            None => {
                let body = body(&snapshot, &wanted)?;
                let bytes = serde_json::to_vec(&body).expect("response bodies serialize");
                pictures.keep(wanted, EncodedBody::new(bytes))
            }
        };
        made.encoded(encoding);
        Some(made)
    };
    match tokio::task::spawn_blocking(make).await {
        Ok(made) => made.ok_or_else(no_boundary),
        Err(_) => Err(Problem::internal("rendering a widget map panicked")),
    }
}

fn body(snapshot: &Snapshot, wanted: &Wanted) -> Option<Value> {
    let (index, day) = (snapshot.index(), snapshot.as_of);
    let focus = wanted.focus.as_deref();
    let picture = snapshot
        .tiles()
        .widget_map(index, wanted.layer, day, focus)?;
    let areas: Vec<Value> = picture
        .areas
        .iter()
        .map(|drawn| {
            // The label on the map is the short name.
            let area = index.area(wanted.layer, &drawn.id, day);
            let label = area.map_or(drawn.name.as_str(), |area| area.name.as_str());
            area_body(drawn, label)
        })
        .collect();
    let manifest = index.manifest();
    let entry = manifest
        .layers
        .iter()
        .find(|entry| entry.id == wanted.layer.as_str());
    Some(json!({
        "layer": wanted.layer.as_str(),
        "title": entry.map(|entry| entry.title.as_str()),
        "focus": focus,
        "size": [picture.width, picture.height],
        "earth": [picture.earth, picture.corner.0, picture.corner.1],
        "metres_per_unit": decimals(picture.metres_per_unit, 4),
        "areas": areas,
        "dataset": { "name": manifest.name, "version": manifest.version },
        "attribution": manifest.attribution,
    }))
}

fn area_body(drawn: &WidgetArea, label: &str) -> Value {
    json!({
        "id": drawn.id,
        "name": drawn.name,
        "label": label,
        "provenance": drawn.provenance,
        "middle": [drawn.middle.0, drawn.middle.1],
        "path": drawn.path,
    })
}

/// A map in the cache, of one revision of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    /// The digest of the dataset, which differs after a reload.
    dataset: String,
    layer: Layer,
    changes: usize,
    focus: Option<String>,
}

/// The most bytes in the cache, in all content codings. A map that is larger is not cached.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// A cache of rendered maps, the latest last. Clones share one cache.
#[derive(Clone, Default)]
pub(super) struct Pictures(Arc<Mutex<VecDeque<Kept>>>);

type Kept = (Wanted, Arc<EncodedBody>);

impl Pictures {
    fn kept(&self, wanted: &Wanted) -> Option<Arc<EncodedBody>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().find(|it| it.0 == *wanted)?;
        Some(Arc::clone(&found.1))
    }

    /// Adds a map, and evicts the oldest ones while the cache is too large.
    fn keep(&self, wanted: Wanted, made: EncodedBody) -> Arc<EncodedBody> {
        let made = Arc::new(made);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((wanted, Arc::clone(&made)));
        while kept.iter().map(|it| it.1.size_bytes()).sum::<usize>() > KEPT_BYTES_MAX {
            kept.pop_front();
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(focus: &str) -> Wanted {
        Wanted {
            dataset: "d".into(),
            layer: Layer::Icc,
            changes: 0,
            focus: Some(focus.into()),
        }
    }

    #[test]
    fn the_oldest_pictures_make_room() {
        let pictures = Pictures::default();
        // With its content codings, slightly more than a quarter of the limit.
        let large = || EncodedBody::new(vec![0; KEPT_BYTES_MAX / 16]);
        pictures.keep(wanted("first"), large());
        for at in 0..3 {
            pictures.keep(wanted(&at.to_string()), large());
        }
        assert!(pictures.kept(&wanted("first")).is_none());
        assert!(pictures.kept(&wanted("2")).is_some());
        pictures.keep(wanted("huge"), EncodedBody::new(vec![0; KEPT_BYTES_MAX]));
        assert!(pictures.kept(&wanted("huge")).is_none());
    }
}
