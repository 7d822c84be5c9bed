//! `/tiles/{dataset}.pmtiles`: a PMTiles 3 archive of all tiles as of today, for range requests.
//!
//! The first request for the archive starts the build, and only one thread builds at a time. The
//! archive is cached with the tiles of the dataset. The request that starts the build waits for a
//! limited time. If the build takes longer, the response is 503 with `Retry-After`, and the build
//! continues. Other requests during the build are answered with 503 immediately.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::Response;
use tokio::time::timeout;

use super::App;
use super::admission::CpuPermit;
use super::problem::Problem;
use super::query_params::{DatasetSelection, query_params};
use super::ranges;
use super::request_context::{DatasetRequest, RequestContext};
use catchment_tiles::{ARCHIVE_BYTES_MAX, TileArchive};

/// The maximum time for which a request waits for the build. The archive of the embedded dataset
/// takes seconds to build.
const BUILD_WAIT_MAX: Duration = Duration::from_secs(15);
const RETRY_AFTER_S: u16 = 10;

const PMTILES: HeaderValue = HeaderValue::from_static("application/vnd.pmtiles");
/// The archive contains byte offsets of its own content, so intermediaries must not transform it.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300, no-transform");

query_params! {
    /// The parameters of `/tiles/{dataset}.pmtiles`.
    struct ArchiveParams {
        /// The version of the dataset.
        selection: DatasetSelection = ["dataset"],
    }
}

pub(super) async fn archive_response(
    app: &App,
    uri: &Uri,
    name: &str,
    method: &Method,
    headers: &HeaderMap,
    cpu_permit: Option<&CpuPermit>,
) -> Result<Response, Problem> {
    let DatasetRequest { context, .. } = DatasetRequest::<ArchiveParams>::from_uri(app, uri)?;
    if name != context.index().manifest().name {
        let detail =
            "unknown tile archive; use the name of the dataset, which /api/v1/dataset returns";
        return Err(Problem::unknown("unknown_dataset", detail));
    }
    let archive = match cached_archive(&context) {
        Some(archive) => archive?,
        None => build_archive(app, context, cpu_permit).await?,
    };
    let common = [
        (header::CONTENT_TYPE, PMTILES),
        (header::CACHE_CONTROL, CACHE_CONTROL),
    ];
    ranges::range_response(method, headers, archive.etag(), common, archive.bytes())
}

/// Returns the cached archive, the problem if the archive is too large, or `None` if the archive
/// has not been built.
fn cached_archive(context: &RequestContext) -> Option<Result<Arc<TileArchive>, Problem>> {
    let archives = context.archive_cache();
    let cached = archives.get(context.index(), context.as_of)?;
    Some(cached.ok_or_else(too_large))
}

async fn build_archive(
    app: &App,
    context: RequestContext,
    cpu_permit: Option<&CpuPermit>,
) -> Result<Arc<TileArchive>, Problem> {
    let permit = Arc::clone(&app.archive_permit).try_acquire_owned();
    let permit = permit.map_err(|_| busy())?;
    // A request that waits for the archive must not prevent the rendering of other responses.
    if let Some(cpu_permit) = cpu_permit {
        cpu_permit.release();
    }
    let build = move || {
        // The permit is released only when the archive has been built, even if the client has
        // disconnected.
        let _permit = permit;
        // Another request may have built the archive in the meantime.
        if let Some(cached) = cached_archive(&context) {
            return cached;
        }
        let archives = context.archive_cache();
        match archives.build(context.tiles(), context.index(), context.as_of) {
            Ok(archive) => archive.ok_or_else(too_large),
            Err(error) => Err(Problem::internal(format!(
                "building the tile archive failed: {error}"
            ))),
        }
    };
    match timeout(BUILD_WAIT_MAX, tokio::task::spawn_blocking(build)).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Problem::internal("building the tile archive panicked")),
        Err(_) => Err(busy()),
    }
}

fn busy() -> Problem {
    Problem::busy(
        "the tile archive is being built; wait for the time in Retry-After before you try again",
        RETRY_AFTER_S,
    )
}

fn too_large() -> Problem {
    let detail = format!(
        "the tile archive would exceed {} MiB; write it with `catchment export --tiles` and serve it from a CDN",
        ARCHIVE_BYTES_MAX >> 20
    );
    Problem::unprocessable("archive_too_large", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_stated_in_the_unit_in_which_it_is_counted() {
        let problem = too_large();
        let detail = problem.detail();
        assert!(
            detail.starts_with("the tile archive would exceed 256 MiB; "),
            "{detail}"
        );
    }
}
