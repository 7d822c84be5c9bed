//! `/tiles`: vector tiles, their TileJSON and a style.
//!
//! A URL without an edition returns the areas that are valid on `as_of` (default: today), and its
//! responses are cached for five minutes. A URL with an edition before the layers
//! (`2025.2_2025-07-01_1f0c9a3e`) identifies the exact bytes of a dataset and a date, so its
//! responses never change and are cached for a year. The TileJSON and the style contain the edition
//! for their date. The response is 404 if the edition is not loaded.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::Response;
use bytes::Bytes;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::App;
use super::admission::CpuPermit;
use super::archive;
use super::areas::{require_layer, unknown_layer};
use super::base_url::BaseUrl;
use super::basemap;
use super::cached_response::encoded_response;
use super::conditional::{CACHE_FIVE_MINUTES, CACHE_IMMUTABLE, PRIVATE_NO_STORE};
use super::extract::PathParams;
use super::negotiate;
use super::problem::Problem;
use super::query_params::{DatasetSelection, NoParams, Query, query_params};
use super::request_context::{DatasetParams, DatasetRequest, RequestContext};
use super::tile_path::{linked_json, parse_tile_coord};
use crate::web::path_segment;
use crate::wire::locate::round_decimals;
use catchment_core::domain::Layer;
use catchment_core::geometry::bbox;
use catchment_core::index::Index;
use catchment_data::fs::sha256_hex;
use catchment_tiles::{
    CACHED_ZOOM_MAX, ContentEncoding, ENCODER_VERSION, EncodedBody, TileCoord, TileKey, ZOOM_MAX,
};

pub(super) const MVT: HeaderValue = HeaderValue::from_static("application/vnd.mapbox-vector-tile");

/// From this zoom level, the URL of a tile could reveal a person's location: at 54° north, a tile
/// of zoom 15 is 720 m wide, and covers a village or a few streets.
const PRIVATE_ZOOM_MIN: u8 = CACHED_ZOOM_MAX + 1;

query_params! {
    /// The parameters of `/tiles/style.json`.
    struct StyleParams {
        /// The version of the dataset, and the as-of date.
        selection: DatasetSelection = ["as_of", "dataset"],
        /// The layers, such as `icc,gp-practice`; by default, the first layer.
        layers: Option<String> = ["layers"],
    }
}

/// `/tiles/{layers}.json` (TileJSON 3.0.0), `/tiles/style.json`, `/tiles/basemap.json` and
/// `/tiles/{dataset}.pmtiles`.
pub(super) async fn document(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    base: BaseUrl,
    PathParams(name): PathParams<String>,
    cpu_permit: Option<Extension<CpuPermit>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    match name.rsplit_once('.') {
        Some(("basemap", "json")) => basemap::style(&app, &uri, &base, &headers),
        Some((name, "json")) => json_document(&app, &uri, &base, name, &headers),
        Some((name, "pmtiles")) => {
            let cpu_permit = cpu_permit.as_deref();
            archive::archive_response(&app, &uri, name, &method, &headers, cpu_permit).await
        }
        _ => Err(unknown_layer()),
    }
}

fn json_document(
    app: &App,
    uri: &Uri,
    base: &BaseUrl,
    name: &str,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    if name == "style" {
        let DatasetRequest { context, params } = DatasetRequest::<StyleParams>::from_uri(app, uri)?;
        let names = params.layers.unwrap_or_else(|| first_layer(&context));
        let layers = parse_layers(&context, &names)?;
        let mut style = style(&context, &layers, base);
        if app.basemap.is_some() {
            style["metadata"] = basemap::style_metadata(base);
        }
        return Ok(linked_json(base, headers, &style));
    }
    let DatasetRequest { context, .. } = DatasetRequest::<DatasetParams>::from_uri(app, uri)?;
    let layers = parse_layers(&context, name)?;
    let body = tilejson(&context, &layers, base);
    Ok(linked_json(base, headers, &body))
}

/// `/tiles/{layers}/{z}/{x}/{y}.mvt`: a tile without an edition.
pub(super) async fn tile(
    State(app): State<App>,
    context: RequestContext,
    PathParams((names, z, x, y)): PathParams<(String, String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let layers = parse_layers(&context, &names)?;
    let coord = mvt_tile_coord(&z, &x, &y).ok_or_else(no_such_tile)?;
    tile_response(&app, context, &layers, coord, &headers, CACHE_FIVE_MINUTES).await
}

/// `/tiles/{edition}/{layers}/{z}/{x}/{y}.mvt`: a tile of an edition.
pub(super) async fn edition_tile(
    State(app): State<App>,
    PathParams((edition, names, z, x, y)): PathParams<(String, String, String, String, String)>,
    _: Query<NoParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let context = edition_context(&app, &edition).ok_or_else(unknown_edition)?;
    let layers = parse_layers(&context, &names)?;
    let coord = mvt_tile_coord(&z, &x, &y).ok_or_else(no_such_tile)?;
    tile_response(&app, context, &layers, coord, &headers, CACHE_IMMUTABLE).await
}

/// Parses a list of layers such as `icc,gp-practice`. The result is in the order of answers, without
/// duplicates.
fn parse_layers(context: &RequestContext, names: &str) -> Result<Vec<Layer>, Problem> {
    let require = |name| require_layer(context.index(), name, context.as_of);
    let mut layers: Vec<Layer> = names.split(',').map(require).collect::<Result<_, _>>()?;
    let order: Vec<Layer> = context.index().layers().collect();
    layers.sort_by_key(|layer| order.iter().position(|other| other == layer));
    layers.dedup();
    Ok(layers)
}

/// Returns the response with a tile of `layers` on the context's date, or 204 if the tile is
/// empty.
pub(super) async fn tile_response(
    app: &App,
    context: RequestContext,
    layers: &[Layer],
    coord: TileCoord,
    headers: &HeaderMap,
    cache_control: HeaderValue,
) -> Result<Response, Problem> {
    let cache_control = match coord.zoom() {
        PRIVATE_ZOOM_MIN.. => PRIVATE_NO_STORE,
        _ => cache_control,
    };
    let encoding =
        negotiate::preferred_encoding(headers).ok_or_else(Problem::no_acceptable_encoding)?;
    let key = TileKey::new(context.index(), layers, context.as_of, coord);
    let cached = context.tiles().get(&key);
    let (tile, body) = match cached.and_then(|tile| Some((tile.encoded_if_cached(encoding)?, tile)))
    {
        Some((body, tile)) => (tile, body),
        None => build_tile(app, context, key, encoding).await?,
    };
    let body = || body;
    Ok(encoded_response(
        headers,
        MVT,
        &tile,
        encoding,
        body,
        cache_control,
    ))
}

/// Builds a tile on a blocking thread, because building may be slow. Permits limit the number of
/// tiles that are built at the same time.
async fn build_tile(
    app: &App,
    context: RequestContext,
    key: TileKey,
    encoding: ContentEncoding,
) -> Result<(Arc<EncodedBody>, Bytes), Problem> {
    let permit = Arc::clone(&app.tile_permits).acquire_owned().await;
    let build = move || {
        // The permit is held until the tile is built, even if the client disconnects.
        let _permit = permit;
        let cache = context.tiles();
        let tile = match cache.get(&key) {
            Some(tile) => tile,
            None => cache.build(context.index(), &key)?,
        };
        let body = tile.encoded(encoding);
        Ok::<_, fast_mvt::MvtError>((tile, body))
    };
    match tokio::task::spawn_blocking(build).await {
        Ok(Ok(built)) => Ok(built),
        Ok(Err(error)) => {
            let message = format!("a tile could not be encoded: {error}");
            Err(Problem::internal(message))
        }
        Err(_) => Err(Problem::internal("building a tile panicked")),
    }
}

fn mvt_tile_coord(z: &str, x: &str, y: &str) -> Option<TileCoord> {
    parse_tile_coord(z, x, y.strip_suffix(".mvt")?, ZOOM_MAX)
}

fn no_such_tile() -> Problem {
    let detail = format!(
        "a tile must be {{z}}/{{x}}/{{y}}.mvt, with z from 0 to {ZOOM_MAX}, and x and y below 2^z"
    );
    Problem::bad_request("invalid_tile", detail)
}

fn unknown_edition() -> Problem {
    let detail = "this edition is not loaded; the TileJSON of a layer contains the current edition";
    Problem::unknown("unknown_edition", detail)
}

/// Returns the edition on a date: the dataset's version, the latest change date up to that date,
/// and a hash that distinguishes datasets of the same version.
fn edition(index: &Index, day: Date) -> String {
    let change_dates = index
        .layers()
        .filter_map(|layer| index.revision_date(layer, day));
    let first_dates = index.layers().filter_map(|layer| index.first_data(layer));
    let first_dates = first_dates.filter(|&first_date| first_date <= day);
    let state = change_dates.chain(first_dates).max().unwrap_or(day);
    format!(
        "{}_{state}_{}",
        index.manifest().version,
        edition_hash(index)
    )
}

/// Returns the first eight hexadecimal digits of the SHA-256 digest of the dataset digest and the
/// encoder version.
fn edition_hash(index: &Index) -> String {
    sha256_hex(format!("{} {ENCODER_VERSION}", index.digest()).as_bytes())[..8].to_string()
}

fn edition_context(app: &App, edition: &str) -> Option<RequestContext> {
    let (rest, hash) = edition.rsplit_once('_')?;
    let (version, day) = rest.rsplit_once('_')?;
    let context = RequestContext::of_version(app, version, day.parse().ok()?)?;
    let index = context.index();
    // Each state of a dataset has only one edition, so an edition with another date of the same
    // state is rejected.
    let is_current =
        hash == self::edition_hash(index) && edition == self::edition(index, context.as_of);
    is_current.then_some(context)
}

fn first_layer(context: &RequestContext) -> String {
    let index = context.index();
    let mut layers_with_data = index.layers().filter(|&layer| {
        index
            .first_data(layer)
            .is_some_and(|day| day <= context.as_of)
    });
    layers_with_data
        .next()
        .map_or(String::new(), |layer| layer.to_string())
}

fn tilejson(context: &RequestContext, layers: &[Layer], base: &BaseUrl) -> Value {
    let index = context.index();
    let names = joined_names(layers);
    let query = match context.link_query() {
        query if query.is_empty() => query,
        query => format!("?{query}"),
    };
    let edition = edition(index, context.as_of);
    let titles: Vec<&str> = layers
        .iter()
        .map(|&layer| index.layer_title(layer))
        .collect();
    json!({
        "tilejson": "3.0.0",
        "name": names,
        "description": titles.join(", "),
        "version": "1.0.0",
        "scheme": "xyz",
        "tiles": [format!("{base}/tiles/{names}/{{z}}/{{x}}/{{y}}.mvt{query}")],
        "edition": edition,
        "edition_tiles": [edition_tiles_url(base, &edition, &names)],
        "minzoom": catchment_tiles::zoom_min_of(index, layers),
        "maxzoom": ZOOM_MAX,
        "bounds": bounds(context, layers),
        "attribution": index.manifest().attribution,
        "vector_layers": catchment_tiles::vector_layers(index, layers, ZOOM_MAX),
    })
}

fn edition_tiles_url(base: &BaseUrl, edition: &str, names: &str) -> String {
    format!(
        "{base}/tiles/{}/{names}/{{z}}/{{x}}/{{y}}.mvt",
        path_segment(edition)
    )
}

/// Returns a MapLibre style (version 8). The style has no text, so it needs no fonts.
///
/// Areas are filled with colours that colour-blind people can tell apart (Okabe and Ito 2008), and
/// their borders are drawn as lines. Areas that are too small to draw are points.
fn style(context: &RequestContext, layers: &[Layer], base: &BaseUrl) -> Value {
    let index = context.index();
    let edition = edition(index, context.as_of);
    let colour = json!([
        "match",
        ["get", "mapcolor7"],
        // The labels of `match` are in arrays, because QGIS ignores other labels. The colour comes
        // from a property, because QGIS cannot compute it from the id of a feature.
        [0],
        "#e69f00",
        [1],
        "#56b4e9",
        [2],
        "#009e73",
        [3],
        "#f0e442",
        [4],
        "#0072b2",
        [5],
        "#d55e00",
        "#cc79a7",
    ]);
    let layers_for = |layer: &Layer| {
        let style_layer = |kind: &str, geometry: &str, paint: Value| {
            json!({
                "id": format!("{layer}-{kind}"),
                "type": kind,
                "source": "catchment",
                "source-layer": layer.as_str(),
                "filter": ["==", ["geometry-type"], geometry],
                "paint": paint,
            })
        };
        let fill = json!({ "fill-color": colour, "fill-opacity": 0.35 });
        let line = json!({ "line-color": "#212b32", "line-width": 1 });
        let circle = json!({ "circle-color": colour, "circle-radius": 2 });
        [
            style_layer("fill", "Polygon", fill),
            style_layer("line", "Polygon", line),
            style_layer("circle", "Point", circle),
        ]
    };
    let style_layers: Vec<Value> = layers.iter().flat_map(layers_for).collect();
    json!({
        "version": 8,
        "name": layers.iter().map(|&layer| index.layer_title(layer)).collect::<Vec<_>>().join(", "),
        "sources": { "catchment": {
            "type": "vector",
            "tiles": [edition_tiles_url(base, &edition, &joined_names(layers))],
            "minzoom": catchment_tiles::zoom_min_of(index, layers),
            "maxzoom": ZOOM_MAX,
            "bounds": bounds(context, layers),
            "attribution": index.manifest().attribution,
        } },
        "layers": style_layers,
    })
}

fn joined_names(layers: &[Layer]) -> String {
    let names: Vec<&str> = layers.iter().map(|layer| layer.as_str()).collect();
    names.join(",")
}

/// Returns the bounding box: west, south, east, north in degrees, rounded to about a metre.
fn bounds(context: &RequestContext, layers: &[Layer]) -> Option<[f64; 4]> {
    let tile_cache = context.tiles();
    let all = tile_cache.bounds(context.index(), layers, context.as_of)?;
    Some(bbox::to_array(all).map(|degrees| round_decimals(degrees, 5)))
}
