//! Examples of requests and their responses, for the API definition and its page.
//!
//! The answer to the example look-up is from the dataset of the service. The other examples are in
//! a file that a test writes from real responses. These examples are from the embedded dataset, and
//! are shown only if the service uses that dataset.

use std::sync::LazyLock;

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;

use crate::wire::locate::locate_body;
use catchment_core::domain::{LookupStatus, Postcode, PostcodeStatus};
use catchment_core::index::{Index, LayerResult, LocateQuery, Locator};
use catchment_core::request::{LOCATE_PARAMS, LocateRequest, RequestParams};

/// The path of look-ups.
pub(super) const LOCATE: &str = "/api/v1/locate";

/// A request and its response.
#[derive(Debug, Deserialize)]
pub(super) struct Example {
    pub(super) method: String,
    /// The path of the operation in the definition.
    pub(super) path: String,
    /// The path and query of the request; empty if the response is only documented.
    pub(super) request: String,
    /// The media type and the text of the request's body, if it has one.
    #[serde(default)]
    pub(super) body: Option<(String, String)>,
    /// The media type of the response.
    pub(super) media_type: String,
    /// The body of the response, with long lists shortened.
    pub(super) response: Value,
}

#[derive(Deserialize)]
struct ExampleFile {
    /// The name of the dataset from which the examples are.
    dataset: String,
    examples: Vec<Example>,
}

static FILE: LazyLock<ExampleFile> = LazyLock::new(|| {
    let text = include_str!("../../../data/api-examples.json");
    serde_json::from_str(text).expect("the file is valid")
});

/// The look-up at the start of the page about the API.
pub(super) struct FirstRequest {
    /// The path and query of the request.
    pub(super) request: String,
    /// The same parameters as JSON, for the body of a `POST` request.
    pub(super) body: String,
    /// The body of the response.
    pub(super) response: Vec<u8>,
}

/// Returns the examples for a dataset, without the example look-up.
pub(super) fn examples_of(index: &Index) -> &'static [Example] {
    match FILE.dataset == index.manifest().name {
        true => &FILE.examples,
        false => &[],
    }
}

/// Adds the examples to the responses of a definition.
pub(super) fn add_examples(document: &mut Value, index: &Index, first: Option<&FirstRequest>) {
    for example in examples_of(index) {
        let Example { method, path, .. } = example;
        add_example(
            document,
            (method, path),
            &example.media_type,
            &example.response,
        );
    }
    let answer = first.and_then(|first| serde_json::from_slice(&first.response).ok());
    if let Some(answer) = answer {
        for method in ["get", "post"] {
            add_example(document, (method, LOCATE), "application/json", &answer);
        }
    }
}

fn add_example(document: &mut Value, operation: (&str, &str), media_type: &str, example: &Value) {
    let (method, path) = operation;
    let responses = document["paths"]
        .get_mut(path)
        .map(|item| &mut item[method]["responses"]);
    let content = responses.and_then(|responses| responses["200"]["content"].get_mut(media_type));
    if let Some(content) = content {
        content["example"] = example.clone();
    }
}

/// The postcode of the examples in the documents. The postcode is used if the dataset contains it.
const PREFERRED: &str = "LA18 4DB";

/// Looks up a live postcode of the dataset: its community, the practices whose catchments cover it,
/// and its groups.
pub(super) fn first_request(index: &Index, day: Date) -> Option<FirstRequest> {
    let preferred = PREFERRED.parse().ok();
    let live = index.postcodes();
    let live = live.filter(|entry| index.postcode_status(entry, day) == PostcodeStatus::Live);
    let mut postcodes = preferred
        .into_iter()
        .chain(live.map(|entry| entry.postcode));
    let postcode = postcodes.find(|postcode| is_in_a_community(index, *postcode, day))?;
    let manifest = index.manifest();
    let layers = [
        manifest.main_community_layer(),
        manifest.practice_layer(),
        manifest.group_layer(),
    ];
    let layers = layers.into_iter().flatten().map(|layer| layer.as_str());
    let layers = layers.collect::<Vec<_>>().join(",");
    let pairs = [("postcode", postcode.to_string()), ("layers", layers)];
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(&pairs);
    // A comma does not need to be encoded in a query.
    let request = format!("{LOCATE}?{}", query.finish().replace("%2C", ","));
    let members = pairs
        .iter()
        .map(|(name, value)| format!("\"{name}\":\"{value}\""));
    let body = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    let pairs = pairs.map(|(name, value)| (name.to_string(), value));
    let params = RequestParams::new(pairs, LOCATE_PARAMS).ok()?;
    let lookup = LocateRequest::from_params(&params).ok()?;
    let response = locate_body(index, &lookup).ok()?.to_json();
    Some(FirstRequest {
        request,
        body,
        response,
    })
}

fn is_in_a_community(index: &Index, postcode: Postcode, day: Date) -> bool {
    let answer = index.locate(&LocateQuery {
        locator: Some(Locator::Postcode(postcode)),
        practice: None,
        as_of: day,
    });
    let main = index.manifest().main_community_layer();
    let has_area =
        |result: &LayerResult<'_>| matches!(result, LayerResult::Areas(areas) if !areas.is_empty());
    let mut layers = answer.residence.iter();
    answer.status == LookupStatus::Located
        && layers.any(|(layer, result)| main.is_none_or(|main| main == *layer) && has_area(result))
}
