//! `/tiles`: vector tiles, their TileJSON and a style.
//!
//! Without an edition, a URL shows the areas that are valid on `as_of` (default: today), and
//! responses are cached for five minutes. With an edition before the layers
//! (`2025.2_2025-07-01_1f0c9a3e`), a URL identifies the bytes of a dataset and a date, so responses
//! never change and are cached for a year. TileJSON and style contain the edition of their date. An
//! edition that is not loaded is 404.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::Response;
use bytes::Bytes;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::App;
use super::access::Turn;
use super::archive;
use super::areas::{held_layer, unknown_layer};
use super::base_url::BaseUrl;
use super::basemap;
use super::body::decimals;
use super::conditional::{CACHE_CONTROL, CACHE_FOR_GOOD, PRIVATE, cacheable_json};
use super::input::{Segments, query_fields};
use super::negotiate;
use super::prepared::in_form;
use super::problem::Problem;
use super::snapshot::Snapshot;
use crate::dataset::manifest::sha256_hex;
use crate::domain::Layer;
use crate::index::Index;
use crate::tiles::{
    self, CACHED_ZOOM_MAX, ENCODER_VERSION, EncodedBody, Encoding, TileCoord, TileKey, ZOOM_MAX,
};
use crate::web::path_segment;

pub(super) const MVT: HeaderValue = HeaderValue::from_static("application/vnd.mapbox-vector-tile");

/// From this zoom, the URL of a tile could reveal a person's location: at 54° north, a tile of zoom
/// 15 is 720 m wide, which is a village or a few streets.
const PRIVATE_ZOOM_MIN: u8 = CACHED_ZOOM_MAX + 1;

/// `/tiles/{layers}.json` (TileJSON 3.0.0), `/tiles/style.json`, `/tiles/basemap.json` and
/// `/tiles/{dataset}.pmtiles`.
pub(super) async fn named(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    base: BaseUrl,
    Segments(name): Segments<String>,
    turn: Option<Extension<Turn>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    match name.rsplit_once('.') {
        Some(("basemap", "json")) => basemap::style(&app, &uri, &base, &headers),
        Some((name, "json")) => description(&app, &uri, &base, name, &headers),
        Some((name, "pmtiles")) => {
            let turn = turn.as_deref();
            archive::answer(&app, &uri, name, &method, &headers, turn).await
        }
        _ => Err(unknown_layer()),
    }
}

fn description(
    app: &App,
    uri: &Uri,
    base: &BaseUrl,
    name: &str,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    if name == "style" {
        let fields = query_fields(uri, &["as_of", "dataset", "layers"])?;
        let snapshot = Snapshot::of(app, &fields)?;
        let named = fields.get("layers").map(str::to_string);
        let named = named.unwrap_or_else(|| first_layer(&snapshot));
        let layers = layers(&snapshot, &named)?;
        let mut style = style(&snapshot, &layers, base);
        if app.basemap.is_some() {
            style["metadata"] = basemap::address(base);
        }
        return Ok(with_links(base, headers, &style));
    }
    let snapshot = Snapshot::of(app, &query_fields(uri, &["as_of", "dataset"])?)?;
    let layers = layers(&snapshot, name)?;
    let body = tilejson(&snapshot, &layers, base);
    Ok(with_links(base, headers, &body))
}

/// `/tiles/{layers}/{z}/{x}/{y}.mvt`.
pub(super) async fn tile(
    State(app): State<App>,
    snapshot: Snapshot,
    Segments((names, z, x, y)): Segments<(String, String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let layers = layers(&snapshot, &names)?;
    let address = address(&z, &x, &y).ok_or_else(no_such_tile)?;
    answer(&app, snapshot, &layers, address, &headers, CACHE_CONTROL).await
}

/// `/tiles/{edition}/{layers}/{z}/{x}/{y}.mvt`.
pub(super) async fn tile_of_edition(
    State(app): State<App>,
    uri: Uri,
    Segments((edition, names, z, x, y)): Segments<(String, String, String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query_fields(&uri, &[])?;
    let snapshot = of_edition(&app, &edition).ok_or_else(unknown_edition)?;
    let layers = layers(&snapshot, &names)?;
    let address = address(&z, &x, &y).ok_or_else(no_such_tile)?;
    answer(&app, snapshot, &layers, address, &headers, CACHE_FOR_GOOD).await
}

/// Parses a list of layers such as `icc,gp-practice`. The result is sorted, without duplicates.
fn layers(snapshot: &Snapshot, names: &str) -> Result<Vec<Layer>, Problem> {
    let held = |name| held_layer(snapshot.index(), name, snapshot.as_of);
    let mut layers: Vec<Layer> = names.split(',').map(held).collect::<Result<_, _>>()?;
    layers.sort_unstable();
    layers.dedup();
    Ok(layers)
}

/// The response with a tile of `layers` on the snapshot's date; 204 if the tile is empty.
pub(super) async fn answer(
    app: &App,
    snapshot: Snapshot,
    layers: &[Layer],
    address: TileCoord,
    headers: &HeaderMap,
    cache_control: HeaderValue,
) -> Result<Response, Problem> {
    let cache_control = match address.zoom() {
        PRIVATE_ZOOM_MIN.. => PRIVATE,
        _ => cache_control,
    };
    let encoding = negotiate::encoding(headers).ok_or_else(Problem::no_encoding)?;
    let wanted = TileKey::new(snapshot.index(), layers, snapshot.as_of, address);
    let kept = snapshot.tiles().get(&wanted);
    let (made, body) = match kept.and_then(|made| Some((made.encoded_if_cached(encoding)?, made))) {
        Some((body, made)) => (made, body),
        None => made_now(app, snapshot, wanted, encoding).await?,
    };
    let body = || body;
    Ok(in_form(headers, MVT, &made, encoding, body, cache_control))
}

/// Builds a tile on a blocking thread, because that may be slow. Permits limit how many are built
/// at a time.
async fn made_now(
    app: &App,
    snapshot: Snapshot,
    wanted: TileKey,
    encoding: Encoding,
) -> Result<(Arc<EncodedBody>, Bytes), Problem> {
    let place = Arc::clone(&app.tiling).acquire_owned().await;
    let make = move || {
        // Held until the tile is built, even if the client disconnects.
        let _place = place;
        let store = snapshot.tiles();
        let made = match store.get(&wanted) {
            Some(made) => made,
            None => store.build(snapshot.index(), &wanted)?,
        };
        let body = made.encoded(encoding);
        Ok::<_, fast_mvt::MvtError>((made, body))
    };
    match tokio::task::spawn_blocking(make).await {
        Ok(Ok(made)) => Ok(made),
        Ok(Err(error)) => {
            let fault = format!("a tile could not be encoded: {error}");
            Err(Problem::internal(fault))
        }
        Err(_) => Err(Problem::internal("building a tile panicked")),
    }
}

fn address(z: &str, x: &str, y: &str) -> Option<TileCoord> {
    numbered(z, x, y.strip_suffix(".mvt")?, ZOOM_MAX)
}

/// Parses the coordinates of a tile. `None` if there is no such tile, or it is above `zoom_max`.
pub(super) fn numbered(z: &str, x: &str, y: &str, zoom_max: u8) -> Option<TileCoord> {
    let z = z.parse().ok().filter(|z| *z <= zoom_max)?;
    TileCoord::new(z, x.parse().ok()?, y.parse().ok()?)
}

fn no_such_tile() -> Problem {
    let detail = format!(
        "a tile must be {{z}}/{{x}}/{{y}}.mvt with z from 0 to {ZOOM_MAX}, x and y below 2^z"
    );
    Problem::bad_request("invalid_tile", detail)
}

fn unknown_edition() -> Problem {
    let detail = "this edition is not loaded; the TileJSON of a layer contains the current edition";
    Problem::unknown("unknown_edition", detail)
}

/// Returns the edition on a date: the dataset's version, the latest date of change up to that date,
/// and a hash that tells apart datasets of the same version.
fn edition(index: &Index, day: Date) -> String {
    let changes = index
        .layers()
        .filter_map(|layer| index.changed_on(layer, day));
    let begins = index.layers().filter_map(|layer| index.first_data(layer));
    let begins = begins.filter(|&begin| begin <= day);
    let state = changes.chain(begins).max().unwrap_or(day);
    format!("{}_{state}_{}", index.manifest().version, stamp(index))
}

/// Returns eight hexadecimal digits of the SHA-256 of the dataset digest and the encoder version.
fn stamp(index: &Index) -> String {
    sha256_hex(format!("{} {ENCODER_VERSION}", index.digest()).as_bytes())[..8].to_string()
}

fn of_edition(app: &App, edition: &str) -> Option<Snapshot> {
    let (rest, stamp) = edition.rsplit_once('_')?;
    let (version, day) = rest.rsplit_once('_')?;
    let snapshot = Snapshot::of_version(app, version, day.parse().ok()?)?;
    let index = snapshot.index();
    // Each state has one URL: other dates of the same state are rejected.
    let is_it = stamp == self::stamp(index) && edition == self::edition(index, snapshot.as_of);
    is_it.then_some(snapshot)
}

fn first_layer(snapshot: &Snapshot) -> String {
    let index = snapshot.index();
    let mut shown = index.layers().filter(|&layer| {
        index
            .first_data(layer)
            .is_some_and(|day| day <= snapshot.as_of)
    });
    shown
        .next()
        .map_or(String::new(), |layer| layer.to_string())
}

/// The response with JSON that contains URLs of this service.
pub(super) fn with_links(base: &BaseUrl, headers: &HeaderMap, body: &Value) -> Response {
    let mut response = cacheable_json(headers, body);
    base.vary(response.headers_mut());
    response
}

fn tilejson(snapshot: &Snapshot, layers: &[Layer], base: &BaseUrl) -> Value {
    let index = snapshot.index();
    let names = names(layers);
    let query = match snapshot.query.as_str() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let edition = edition(index, snapshot.as_of);
    let titles: Vec<&str> = layers
        .iter()
        .filter_map(|&layer| title(index, layer))
        .collect();
    json!({
        "tilejson": "3.0.0",
        "name": names,
        "description": titles.join(", "),
        "version": "1.0.0",
        "scheme": "xyz",
        "tiles": [format!("{base}/tiles/{names}/{{z}}/{{x}}/{{y}}.mvt{query}")],
        "edition": edition,
        "edition_tiles": [tiles_of_edition(base, &edition, &names)],
        "minzoom": 0,
        "maxzoom": ZOOM_MAX,
        "bounds": bounds(snapshot, layers),
        "attribution": index.manifest().attribution,
        "vector_layers": tiles::vector_layers(index, layers, ZOOM_MAX),
    })
}

fn tiles_of_edition(base: &BaseUrl, edition: &str, names: &str) -> String {
    format!(
        "{base}/tiles/{}/{names}/{{z}}/{{x}}/{{y}}.mvt",
        path_segment(edition)
    )
}

/// A MapLibre style (version 8). It has no text, so it needs no fonts.
///
/// Areas are filled with colours that colour-blind people can tell apart (Okabe and Ito 2008), with
/// their borders as lines. Areas that are too small to draw are points.
fn style(snapshot: &Snapshot, layers: &[Layer], base: &BaseUrl) -> Value {
    let index = snapshot.index();
    let edition = edition(index, snapshot.as_of);
    let colour = json!([
        "match",
        ["get", "mapcolor7"],
        // Labels are in arrays because QGIS ignores other labels. The colour comes from a property
        // because QGIS cannot compute it from the id of a feature.
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
    let drawn = |layer: &Layer| {
        let part = |kind: &str, geometry: &str, paint: Value| {
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
            part("fill", "Polygon", fill),
            part("line", "Polygon", line),
            part("circle", "Point", circle),
        ]
    };
    let parts: Vec<Value> = layers.iter().flat_map(drawn).collect();
    json!({
        "version": 8,
        "name": layers.iter().filter_map(|&layer| title(index, layer)).collect::<Vec<_>>().join(", "),
        "sources": { "catchment": {
            "type": "vector",
            "tiles": [tiles_of_edition(base, &edition, &names(layers))],
            "minzoom": 0,
            "maxzoom": ZOOM_MAX,
            "bounds": bounds(snapshot, layers),
            "attribution": index.manifest().attribution,
        } },
        "layers": parts,
    })
}

fn names(layers: &[Layer]) -> String {
    let words: Vec<&str> = layers.iter().map(|layer| layer.as_str()).collect();
    words.join(",")
}

fn title(index: &Index, layer: Layer) -> Option<&str> {
    let mut entries = index.manifest().layers.iter();
    let entry = entries.find(|entry| entry.id == layer.as_str());
    entry.map(|entry| entry.title.as_str())
}

/// The bounding box: west, south, east, north in degrees, rounded to about a metre.
fn bounds(snapshot: &Snapshot, layers: &[Layer]) -> Option<[f64; 4]> {
    let tiles = snapshot.tiles();
    let all = tiles.bounds(snapshot.index(), layers, snapshot.as_of)?;
    Some(all.map(|degrees| decimals(degrees, 5)))
}
