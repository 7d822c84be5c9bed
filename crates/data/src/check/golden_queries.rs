//! Golden queries: queries with their expected answers. A different answer indicates that the data
//! are wrong, even if the files are intact.

use catchment_core::domain::{GoldenQuery, Layer, Manifest};
use catchment_core::index::{Index, LayerResult, LocateAnswer, areas_of_layer};
use catchment_core::request::{LOCATE_PARAMS, LocateRequest, RequestParams};

/// Returns the golden queries whose actual answer differs from the expected answer.
pub fn failing_golden_queries(index: &Index, queries: Vec<GoldenQuery>) -> Vec<GoldenQuery> {
    queries
        .into_iter()
        .filter(|query| !passes(index, query))
        .collect()
}

fn passes(index: &Index, expected: &GoldenQuery) -> bool {
    let pairs = expected
        .fields
        .iter()
        .map(|(name, value)| ((*name).to_string(), value.clone()));
    let manifest = index.manifest();
    let request = RequestParams::new(pairs, LOCATE_PARAMS)
        .and_then(|fields| LocateRequest::from_params(&fields))
        .and_then(|request| request.layers.resolve(manifest).map(|_| request));
    match request {
        Err(error) => error.code() == expected.status,
        Ok(request) => {
            let answer = index.locate(&request.query);
            answer.status.as_str() == expected.status
                && community_ids(manifest, &answer.residence) == expected.residence
                && registered_communities(manifest, &answer) == expected.registration
        }
    }
}

fn registered_communities(manifest: &Manifest, answer: &LocateAnswer<'_>) -> String {
    answer
        .registration
        .as_ref()
        .map(|registration| community_ids(manifest, &registration.areas))
        .unwrap_or_default()
}

/// Returns the ids of the areas of the main layer of communities.
fn community_ids(manifest: &Manifest, results: &[(Layer, LayerResult<'_>)]) -> String {
    let main = manifest.main_community_layer().into_iter();
    let areas = main.flat_map(|layer| areas_of_layer(results, layer));
    let ids = areas.map(|area_match| area_match.area.id.as_str());
    ids.collect::<Vec<_>>().join(" ")
}
