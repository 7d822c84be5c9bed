//! The dataset and the as-of date of a request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use jiff::civil::Date;

use super::App;
use super::input::query_fields;
use super::problem::Problem;
use crate::index::Index;
use crate::question::Fields;
use crate::releases::Releases;
use crate::tiles::TileCache;

/// The dataset and the as-of date of a request. As an extractor, it rejects all query parameters
/// except `as_of` and `dataset`.
pub(super) struct Snapshot {
    releases: Arc<Releases>,
    version: Option<String>,
    /// The as-of date; today by default.
    pub(super) as_of: Date,
    /// The query for links that should keep the dataset and the date.
    pub(super) query: String,
}

impl Snapshot {
    /// Returns the index of the dataset.
    pub(super) fn index(&self) -> &Index {
        chosen(&self.releases, self.version.as_deref())
            .expect("the version was loaded when the request began")
    }

    /// Returns the tile cache of the dataset.
    pub(super) fn tiles(&self) -> &TileCache {
        self.releases.tiles(self.index())
    }

    /// Returns a snapshot of this version on this date, if the version is loaded.
    pub(super) fn of_version(app: &App, version: &str, as_of: Date) -> Option<Snapshot> {
        let releases = app.releases();
        chosen(&releases, Some(version))?;
        Some(Snapshot {
            releases,
            version: Some(version.to_string()),
            as_of,
            query: String::new(),
        })
    }

    /// Returns the version of the dataset, if the request names one.
    pub(super) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Returns the loaded versions, the current one first.
    pub(super) fn loaded(&self) -> Vec<&str> {
        let indexes = self.releases.all().iter();
        indexes
            .map(|index| index.manifest().version.as_str())
            .collect()
    }
}

impl FromRequestParts<App> for Snapshot {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Snapshot, Problem> {
        Snapshot::of(app, &query_fields(&parts.uri, &["as_of", "dataset"])?)
    }
}

impl Snapshot {
    /// Returns the snapshot that the parameters `as_of` and `dataset` select. Others are ignored.
    pub(super) fn of(app: &App, fields: &Fields) -> Result<Snapshot, Problem> {
        let releases = app.releases();
        let version = fields.get("dataset").map(str::to_string);
        chosen(&releases, version.as_deref()).ok_or_else(unknown_dataset)?;
        let as_of = fields.as_of()?;
        let mut query = form_urlencoded::Serializer::new(String::new());
        if fields.get("as_of").is_some() {
            query.append_pair("as_of", &as_of.to_string());
        }
        if let Some(version) = &version {
            query.append_pair("dataset", version);
        }
        let query = query.finish();
        Ok(Snapshot {
            releases,
            version,
            as_of,
            query,
        })
    }
}

/// Returns the index of the dataset that the parameters select.
pub(super) fn dataset<'r>(releases: &'r Releases, fields: &Fields) -> Result<&'r Index, Problem> {
    chosen(releases, fields.get("dataset")).ok_or_else(unknown_dataset)
}

fn chosen<'r>(releases: &'r Releases, version: Option<&str>) -> Option<&'r Index> {
    match version {
        Some(version) => releases.of_version(version),
        None => Some(releases.current()),
    }
}

fn unknown_dataset() -> Problem {
    let detail = "this version of the dataset is not loaded; /api/v1/dataset lists those that are";
    Problem::unknown("unknown_dataset", detail)
}
