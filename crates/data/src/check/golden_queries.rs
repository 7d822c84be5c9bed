//! Golden queries: queries with their expected answers. A different answer means that the data are
//! wrong, even if the files are intact.

use catchment_core::domain::{GoldenQuery, Layer};
use catchment_core::index::{Index, LayerResult, LocateAnswer, areas_of_layer};
use catchment_core::request::{LOCATE_PARAMS, LocateRequest, RequestParams};

/// Returns the golden queries whose answer is not the expected answer.
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
    let request = RequestParams::new(pairs, LOCATE_PARAMS)
        .and_then(|fields| LocateRequest::from_params(&fields));
    match request {
        Err(error) => error.code() == expected.status,
        Ok(request) => {
            let answer = index.locate(&request.query);
            answer.status.as_str() == expected.status
                && icc_ids(&answer.residence) == expected.icc_residence
                && registered_icc(&answer) == expected.icc_registration
        }
    }
}

fn registered_icc(answer: &LocateAnswer<'_>) -> String {
    answer
        .registration
        .as_ref()
        .map(|registration| icc_ids(&registration.areas))
        .unwrap_or_default()
}

fn icc_ids(results: &[(Layer, LayerResult<'_>)]) -> String {
    let ids = areas_of_layer(results, Layer::Icc)
        .iter()
        .map(|area_match| area_match.area.id.as_str());
    ids.collect::<Vec<_>>().join(" ")
}
