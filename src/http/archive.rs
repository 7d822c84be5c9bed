//! `/tiles/{dataset}.pmtiles`: all tiles of today in one file, to be read in parts (PMTiles 3).
//!
//! It is made when it is first asked for, by one thread at a time, and kept with the dataset's tiles. Who began it
//! waits a little; after that, and whoever asks meanwhile, is asked to come again while the making goes on.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::Response;
use tokio::time::timeout;

use super::App;
use super::access::Turn;
use super::input::query_fields;
use super::problem::Problem;
use super::ranges;
use super::snapshot::Snapshot;
use crate::tiles::{ARCHIVE_BYTES_MAX, TileArchive};

/// How long a request waits, and when to come again if that did not do. Those of the embedded dataset take
/// seconds.
const PATIENCE: Duration = Duration::from_secs(15);
const AGAIN_IN_S: u16 = 10;

const PMTILES: HeaderValue = HeaderValue::from_static("application/vnd.pmtiles");
/// Positions in the file are of its own bytes: nobody is to pack them on the way.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300, no-transform");

pub(super) async fn answer(
    app: &App,
    uri: &Uri,
    name: &str,
    method: &Method,
    headers: &HeaderMap,
    turn: Option<&Turn>,
) -> Result<Response, Problem> {
    let snapshot = Snapshot::of(app, &query_fields(uri, &["dataset"])?)?;
    if name != snapshot.index().manifest().name {
        let detail = "there is no such file of tiles; it has the dataset's name, which /api/v1/dataset tells";
        return Err(Problem::unknown("unknown_dataset", detail));
    }
    let archive = match kept(&snapshot) {
        Some(archive) => archive?,
        None => made(app, snapshot, turn).await?,
    };
    let common = [
        (header::CONTENT_TYPE, PMTILES),
        (header::CACHE_CONTROL, CACHE_CONTROL),
    ];
    ranges::response(method, headers, archive.etag(), common, archive.bytes())
}

/// What became of it, if it was made.
fn kept(snapshot: &Snapshot) -> Option<Result<Arc<TileArchive>, Problem>> {
    let store = snapshot.tiles();
    let kept = store.cached_archive(snapshot.index(), snapshot.as_of)?;
    Some(kept.ok_or_else(too_large))
}

async fn made(
    app: &App,
    snapshot: Snapshot,
    turn: Option<&Turn>,
) -> Result<Arc<TileArchive>, Problem> {
    let place = Arc::clone(&app.archiving).try_acquire_owned();
    let place = place.map_err(|_| busy())?;
    // Who waits here keeps no other answer from being rendered.
    if let Some(turn) = turn {
        turn.release();
    }
    let make = move || {
        // Held until it is made, also when nobody waits for it any more.
        let _place = place;
        // It may be what another request has made meanwhile.
        if let Some(kept) = kept(&snapshot) {
            return kept;
        }
        let store = snapshot.tiles();
        match store.build_archive(snapshot.index(), snapshot.as_of) {
            Ok(archive) => archive.ok_or_else(too_large),
            Err(error) => Err(Problem::internal(format!(
                "the file of all tiles could not be made: {error}"
            ))),
        }
    };
    match timeout(PATIENCE, tokio::task::spawn_blocking(make)).await {
        Ok(Ok(made)) => made,
        Ok(Err(_)) => Err(Problem::internal("making the file of all tiles panicked")),
        Err(_) => Err(busy()),
    }
}

fn busy() -> Problem {
    Problem::busy("the file of all tiles is being made", AGAIN_IN_S)
}

fn too_large() -> Problem {
    let detail = format!(
        "the file of all tiles would have more than {} MB: `catchment export --tiles` writes it, for a CDN",
        ARCHIVE_BYTES_MAX >> 20
    );
    Problem::unusable("archive_too_large", detail)
}
