//! `/tiles`: vector tiles and their TileJSON.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use geo::BoundingRect;
use jiff::civil::Date;
use serde_json::json;

use super::areas::{held_layer, unknown_layer};
use super::body::decimals;
use super::conditional::{CACHE_SHORTLY, cacheable, cacheable_json};
use super::input::Segments;
use super::origin::{self, origin};
use super::problem::Problem;
use super::snapshot::Snapshot;
use crate::domain::Layer;
use crate::index::Index;
use crate::tiles::{Shapes, TileAddress, TileArea, ZOOM_MAX};

const MVT: &str = "application/vnd.mapbox-vector-tile";

/// `/tiles/{layer}.json`: TileJSON 3.0.0.
pub(super) async fn tilejson(
    snapshot: Snapshot,
    Segments(name): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let name = name.strip_suffix(".json").ok_or_else(unknown_layer)?;
    let layer = held_layer(index, name, as_of)?;
    let manifest = index.manifest();
    let title = manifest
        .layers
        .iter()
        .find(|entry| entry.id == name)
        .map(|entry| &entry.title);
    let query = match snapshot.query.as_str() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let tiles = format!(
        "{}/tiles/{name}/{{z}}/{{x}}/{{y}}.mvt{query}",
        origin(&headers)
    );
    let body = json!({
        "tilejson": "3.0.0",
        "name": name,
        "description": title,
        "version": "1.0.0",
        "scheme": "xyz",
        "tiles": [tiles],
        "minzoom": 0,
        "maxzoom": ZOOM_MAX,
        "bounds": bounds(index, layer, as_of),
        "attribution": manifest.attribution,
        "vector_layers": [{
            "id": name,
            "description": title,
            "fields": { "id": "String", "name": "String", "provenance": "String" },
        }],
    });
    let mut response = cacheable_json(&headers, &body);
    response.headers_mut().append(header::VARY, origin::VARY);
    Ok(response)
}

/// `/tiles/{layer}/{z}/{x}/{y}.mvt`.
pub(super) async fn tile(
    snapshot: Snapshot,
    Segments((name, z, x, y)): Segments<(String, String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let layer = held_layer(index, &name, as_of)?;
    let address = address(&z, &x, &y).ok_or_else(no_such_tile)?;
    let areas: Vec<_> = index.areas(layer, as_of).into_iter().flatten().collect();
    let titles: Vec<String> = areas.iter().map(|area| area.title()).collect();
    let areas = areas.iter().zip(&titles).filter_map(|(area, title)| {
        Some(TileArea {
            number: u64::from(index.area_number(layer, &area.id)?) + 1,
            boundary: index.boundary(layer, &area.id, as_of)?,
            name: title,
            provenance: area.provenance.as_str(),
        })
    });
    let shapes = Shapes::new(layer.as_str(), index.is_partition(layer), areas);
    match shapes.tile(address) {
        Ok(Some(bytes)) => Ok(cacheable(&headers, MVT, bytes)),
        Ok(None) => Ok((StatusCode::NO_CONTENT, CACHE_SHORTLY).into_response()),
        Err(error) => {
            tracing::error!(%error, layer = layer.as_str(), "a tile could not be encoded");
            Err(Problem::internal())
        }
    }
}

fn address(z: &str, x: &str, y: &str) -> Option<TileAddress> {
    let y = y.strip_suffix(".mvt")?;
    TileAddress::new(z.parse().ok()?, x.parse().ok()?, y.parse().ok()?)
}

fn no_such_tile() -> Problem {
    let detail =
        format!("tiles are {{z}}/{{x}}/{{y}}.mvt with z from 0 to {ZOOM_MAX}, x and y below 2^z");
    Problem::bad_request("no_such_tile", detail)
}

/// West, south, east, north of all areas, in degrees.
fn bounds(index: &Index, layer: Layer, as_of: Date) -> Option<[f64; 4]> {
    let boxes = index
        .boundaries(layer, as_of)
        .filter_map(|boundary| boundary.lonlat.bounding_rect());
    let all = boxes.reduce(|a, b| {
        geo::Rect::new(
            (a.min().x.min(b.min().x), a.min().y.min(b.min().y)),
            (a.max().x.max(b.max().x), a.max().y.max(b.max().y)),
        )
    })?;
    let [west, south] = [all.min().x, all.min().y].map(|degrees| decimals(degrees, 5));
    let [east, north] = [all.max().x, all.max().y].map(|degrees| decimals(degrees, 5));
    Some([west, south, east, north])
}
