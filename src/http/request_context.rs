//! The dataset and the as-of date of a request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use jiff::civil::Date;

use super::App;
use super::problem::Problem;
use super::query_params::{DatasetSelection, QueryParams, params_from_uri, query_params};
use crate::ops::dataset_store::LoadedDatasets;
use catchment_core::domain::today_in_london;
use catchment_core::index::Index;
use catchment_core::request::RequestParams;
use catchment_tiles::{ArchiveCache, TileCache};

/// The dataset and the as-of date of a request. As an extractor, it rejects all query parameters
/// except `as_of` and `dataset`.
pub(super) struct RequestContext {
    releases: Arc<LoadedDatasets>,
    /// The position of the dataset among the loaded datasets.
    position: usize,
    version: Option<String>,
    has_date: bool,
    /// The as-of date. The default is today.
    pub(super) as_of: Date,
}

impl RequestContext {
    /// Finds the selected dataset and date.
    ///
    /// # Errors
    /// If the dataset is not loaded, or if the date is not valid.
    pub(super) fn new(app: &App, selection: &DatasetSelection) -> Result<RequestContext, Problem> {
        let releases = app.loaded_datasets();
        let position = match &selection.version {
            Some(version) => position(&releases, version).ok_or_else(unknown_dataset)?,
            None => CURRENT,
        };
        let date = selection.as_of.clone()?;
        Ok(RequestContext {
            releases,
            position,
            version: selection.version.clone(),
            has_date: date.is_some(),
            as_of: date.unwrap_or_else(today_in_london),
        })
    }

    /// Returns the context of a request that cannot select a dataset or a date: the current dataset
    /// and today's date.
    pub(super) fn current(app: &App) -> RequestContext {
        RequestContext {
            releases: app.loaded_datasets(),
            position: CURRENT,
            version: None,
            has_date: false,
            as_of: today_in_london(),
        }
    }

    /// Returns the context for the given version on the given date, if that version is loaded.
    pub(super) fn of_version(app: &App, version: &str, as_of: Date) -> Option<RequestContext> {
        let releases = app.loaded_datasets();
        let position = position(&releases, version)?;
        Some(RequestContext {
            releases,
            position,
            version: Some(version.to_string()),
            has_date: true,
            as_of,
        })
    }

    /// Returns the index of the dataset.
    pub(super) fn index(&self) -> &Index {
        &self.releases.all()[self.position]
    }

    /// Returns the tile cache of the dataset.
    pub(super) fn tiles(&self) -> &TileCache {
        self.releases.tile_cache(self.index())
    }

    /// Returns the cache of the dataset's tile archive.
    pub(super) fn archive_cache(&self) -> &ArchiveCache {
        self.releases.archive_cache(self.index())
    }

    /// Returns the version of the dataset, if the request specifies a version.
    pub(super) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Returns whether the request specifies the as-of date.
    pub(super) fn has_date(&self) -> bool {
        self.has_date
    }

    /// Returns the query string for links that preserve the dataset and the date.
    pub(super) fn link_query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if self.has_date {
            query.append_pair("as_of", &self.as_of.to_string());
        }
        if let Some(version) = &self.version {
            query.append_pair("dataset", version);
        }
        query.finish()
    }

    /// Returns the loaded versions, with the current version first.
    pub(super) fn loaded_versions(&self) -> Vec<&str> {
        let indexes = self.releases.all().iter();
        indexes
            .map(|index| index.manifest().version.as_str())
            .collect()
    }
}

/// The position of the current dataset.
const CURRENT: usize = 0;

fn position(releases: &LoadedDatasets, version: &str) -> Option<usize> {
    let mut indexes = releases.all().iter();
    indexes.position(|index| index.manifest().version == version)
}

fn unknown_dataset() -> Problem {
    let detail =
        "this version of the dataset is not loaded; /api/v1/dataset lists the loaded versions";
    Problem::unknown("unknown_dataset", detail)
}

query_params! {
    /// The parameters of a route that only selects a dataset and a date.
    pub(super) struct DatasetParams {
        /// The version of the dataset, and the as-of date.
        selection: DatasetSelection = ["as_of", "dataset"],
    }
}

impl FromRequestParts<App> for RequestContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<RequestContext, Problem> {
        let request = DatasetRequest::<DatasetParams>::from_uri(app, &parts.uri)?;
        Ok(request.context)
    }
}

/// An extractor of the parameters of a route that reads a dataset, and of the context that the
/// parameters select.
pub(super) struct DatasetRequest<P> {
    pub(super) context: RequestContext,
    pub(super) params: P,
}

impl<P: QueryParams> DatasetRequest<P> {
    /// Parses the parameters, then finds the dataset and the date that they select.
    pub(super) fn from_params(
        app: &App,
        params: &RequestParams,
    ) -> Result<DatasetRequest<P>, Problem> {
        let params = P::from_params(params)?;
        let context = match params.selection() {
            Some(selection) => RequestContext::new(app, selection)?,
            None => RequestContext::current(app),
        };
        Ok(DatasetRequest { context, params })
    }

    /// Parses the query string of a URI. See [`DatasetRequest::from_params`].
    pub(super) fn from_uri(app: &App, uri: &Uri) -> Result<DatasetRequest<P>, Problem> {
        DatasetRequest::from_params(app, &params_from_uri(uri, P::NAMES)?)
    }
}

impl<P: QueryParams> FromRequestParts<App> for DatasetRequest<P> {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &App,
    ) -> Result<DatasetRequest<P>, Problem> {
        DatasetRequest::from_uri(app, &parts.uri)
    }
}
