//! The dataset and the as-of date of a request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use jiff::civil::Date;

use super::App;
use super::extract::query_params;
use super::problem::Problem;
use crate::index::Index;
use crate::ops::dataset_store::LoadedDatasets;
use crate::request::RequestParams;
use crate::tiles::{ArchiveCache, TileCache};

/// The dataset and the as-of date of a request. As an extractor, it rejects all query parameters
/// except `as_of` and `dataset`.
pub(super) struct RequestContext {
    releases: Arc<LoadedDatasets>,
    version: Option<String>,
    /// The as-of date; today by default.
    pub(super) as_of: Date,
    /// The query string for links that preserve the dataset and the date.
    pub(super) query: String,
}

impl RequestContext {
    /// Returns the index of the dataset.
    pub(super) fn index(&self) -> &Index {
        find_dataset(&self.releases, self.version.as_deref())
            .expect("the version was loaded when the request began")
    }

    /// Returns the tile cache of the dataset.
    pub(super) fn tiles(&self) -> &TileCache {
        self.releases.tile_cache(self.index())
    }

    /// Returns the cache of the dataset's tile archive.
    pub(super) fn archive_cache(&self) -> &ArchiveCache {
        self.releases.archive_cache(self.index())
    }

    /// Returns a snapshot of the given version on the given date, if that version is loaded.
    pub(super) fn of_version(app: &App, version: &str, as_of: Date) -> Option<RequestContext> {
        let releases = app.loaded_datasets();
        find_dataset(&releases, Some(version))?;
        Some(RequestContext {
            releases,
            version: Some(version.to_string()),
            as_of,
            query: String::new(),
        })
    }

    /// Returns the version of the dataset, if the request specifies a version.
    pub(super) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Returns the loaded versions, with the current version first.
    pub(super) fn loaded_versions(&self) -> Vec<&str> {
        let indexes = self.releases.all().iter();
        indexes
            .map(|index| index.manifest().version.as_str())
            .collect()
    }
}

impl FromRequestParts<App> for RequestContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<RequestContext, Problem> {
        RequestContext::from_params(app, &query_params(&parts.uri, &["as_of", "dataset"])?)
    }
}

impl RequestContext {
    /// Returns the snapshot that the parameters `as_of` and `dataset` select. Other parameters are
    /// ignored.
    pub(super) fn from_params(
        app: &App,
        params: &RequestParams,
    ) -> Result<RequestContext, Problem> {
        let releases = app.loaded_datasets();
        let version = params.get("dataset").map(str::to_string);
        find_dataset(&releases, version.as_deref()).ok_or_else(unknown_dataset)?;
        let as_of = params.as_of()?;
        let mut query = form_urlencoded::Serializer::new(String::new());
        if params.get("as_of").is_some() {
            query.append_pair("as_of", &as_of.to_string());
        }
        if let Some(version) = &version {
            query.append_pair("dataset", version);
        }
        let query = query.finish();
        Ok(RequestContext {
            releases,
            version,
            as_of,
            query,
        })
    }
}

/// Returns the index of the dataset that the parameters select.
pub(super) fn select_dataset<'r>(
    releases: &'r LoadedDatasets,
    params: &RequestParams,
) -> Result<&'r Index, Problem> {
    find_dataset(releases, params.get("dataset")).ok_or_else(unknown_dataset)
}

fn find_dataset<'r>(releases: &'r LoadedDatasets, version: Option<&str>) -> Option<&'r Index> {
    match version {
        Some(version) => releases.by_version(version),
        None => Some(releases.current()),
    }
}

fn unknown_dataset() -> Problem {
    let detail =
        "this version of the dataset is not loaded; /api/v1/dataset lists the loaded versions";
    Problem::unknown("unknown_dataset", detail)
}
