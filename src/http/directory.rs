//! What the dataset is, and what it says of a postcode.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use super::areas::layer_bodies;
use super::body::{DatasetBody, LocationBody};
use super::conditional::cacheable_json;
use super::input::Segments;
use super::locate::NO_STORE;
use super::problem::Problem;
use super::snapshot::Snapshot;
use super::{App, described};
use crate::domain::{Postcode, Status};
use crate::index::{Place, Query};
use crate::question::InvalidQuestion;

#[derive(Serialize)]
struct PostcodeBody<'i> {
    status: &'static str,
    location: Option<LocationBody>,
    statistical_area: Option<&'i str>,
    as_of: String,
    dataset: DatasetBody<'i>,
}

/// `/api/v1/postcodes/{postcode}`: the directory's entry.
pub(super) async fn postcode(
    snapshot: Snapshot,
    Segments(text): Segments<String>,
) -> Result<Response, Problem> {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let postcode: Postcode = text.parse().map_err(InvalidQuestion::Postcode)?;
    let place = Some(Place::Postcode(postcode));
    let answer = index.locate(&Query {
        place,
        practice: None,
        as_of,
    });
    if answer.status == Status::UnknownPostcode {
        return Err(Problem::unknown_postcode());
    }
    let entry = answer.location.and_then(|location| location.entry);
    let body = PostcodeBody {
        status: answer.status.as_str(),
        location: answer.location.map(LocationBody::from),
        statistical_area: entry.and_then(|entry| index.statistical_area(&entry)),
        as_of: as_of.to_string(),
        dataset: DatasetBody::from(index.manifest()),
    };
    Ok((NO_STORE, Json(body)).into_response())
}

/// `/api/v1/dataset`: version, vintages, counts, attribution, licence.
pub(super) async fn dataset(snapshot: Snapshot, headers: HeaderMap) -> Result<Response, Problem> {
    let (index, as_of) = (snapshot.index(), snapshot.as_of);
    let manifest = index.manifest();
    let body = json!({
        "name": manifest.name,
        "version": manifest.version,
        "title": manifest.title,
        "as_of": manifest.as_of,
        "digest": index.digest(),
        "loaded": snapshot.loaded(),
        "counts": { "postcodes": index.postcodes().len(), "practices": index.practices().len() },
        "layers": layer_bodies(index, as_of),
        "complete_outcodes": manifest.complete_outcodes,
        "sources": manifest.sources,
        "attribution": manifest.attribution,
        "licence": manifest.licence,
        "program": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
    });
    Ok(cacheable_json(&headers, &body))
}

/// `/health/ready`: a verified dataset is loaded, for there is no service without; and what is not
/// as it should be all the same.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let releases = app.releases();
    let degraded: Vec<String> = app
        .live
        .fault()
        .map(|reason| format!("the last reload was refused: {reason}"))
        .into_iter()
        .collect();
    let body = json!({
        "status": "ready",
        "dataset": described(releases.current()),
        "degraded": degraded,
    });
    (NO_STORE, Json(body)).into_response()
}
