//! Metadata of the loaded datasets for data catalogues and feed readers.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::App;
use super::base_url::BaseUrl;
use super::conditional::cacheable_response;
use super::query_params::{NoParams, Query};
use crate::ops::dataset_store::LoadedDatasets;
use crate::wire::metadata::{JSON_LD, Release, atom, dcat};
use catchment_core::domain::today_in_london;

/// `/dataset.jsonld`: the DCAT record of the loaded datasets.
pub(super) async fn dcat_record(
    State(app): State<App>,
    base: BaseUrl,
    _: Query<NoParams>,
    headers: HeaderMap,
) -> Response {
    let datasets = app.loaded_datasets();
    let base_text = base.to_string();
    let record = dcat::record(&releases(&datasets, &base_text), &base_text);
    let body = serde_json::to_vec(&record).expect("response bodies serialize");
    let mut response = cacheable_response(&headers, JSON_LD, body);
    base.add_vary(response.headers_mut());
    response
}

/// `/datasets.atom`: the feed of the loaded releases.
pub(super) async fn atom_feed(
    State(app): State<App>,
    base: BaseUrl,
    _: Query<NoParams>,
    headers: HeaderMap,
) -> Response {
    let datasets = app.loaded_datasets();
    let base_text = base.to_string();
    let body = atom::feed(&releases(&datasets, &base_text), &base_text);
    let mut response = cacheable_response(&headers, ATOM_UTF_8, body);
    base.add_vary(response.headers_mut());
    response
}

const ATOM_UTF_8: &str = "application/atom+xml; charset=utf-8";

/// Returns the loaded releases, starting with the release that answers requests without a version.
fn releases<'a>(datasets: &'a LoadedDatasets, base: &'a str) -> Vec<Release<'a>> {
    let today = today_in_london();
    let indexes = datasets.all().iter();
    indexes
        .map(|index| Release::new(index, datasets.tile_cache(index), base, today))
        .collect()
}
