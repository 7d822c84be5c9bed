//! An API document as a page.

use maud::{Markup, html};
use serde_json::Value;

use super::frame::{Page, frame};
use super::page::Home;

/// Every path of an OpenAPI document, with its parameters and answers.
pub(crate) fn openapi(home: &Home<'_>, document: &Value, href: &str) -> Markup {
    let info = &document["info"];
    let root = text(&document["servers"][0]["url"]);
    let content = html! {
        h1 { (text(&info["title"])) }
        p.lead { (text(&info["description"])) }
        p { "The document itself: " a href=(href) { (href) } " (OpenAPI " (text(&document["openapi"])) "). Addresses below come after " code { (root) } "." }
        @for (path, operations) in members(&document["paths"]) {
            @for (method, operation) in members(operations) {
                (described(document, path, method, operation))
            }
        }
    };
    let page = Page {
        title: text(&info["title"]),
        part: Some("/docs"),
        content,
        ..Page::default()
    };
    frame(home.index, &page)
}

fn described(document: &Value, path: &str, method: &str, operation: &Value) -> Markup {
    let parameters = operation["parameters"].as_array();
    let parameters: Vec<&Value> = parameters
        .into_iter()
        .flatten()
        .map(|it| resolved(document, it))
        .collect();
    html! {
        section {
            h2 { code { (method.to_uppercase()) " " (path) } }
            p { (text(&operation["summary"])) ". " (text(&operation["description"])) }
            @if !parameters.is_empty() {
                dl {
                    @for parameter in parameters {
                        dt { code { (text(&parameter["name"])) } @if parameter["required"] == true { " (required)" } }
                        dd { (text(&parameter["description"])) }
                    }
                }
            }
            dl {
                @for (status, response) in members(&operation["responses"]) {
                    dt { (status) } dd { (text(&resolved(document, response)["description"])) }
                }
            }
        }
    }
}

/// What a reference within the document refers to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|it| it.strip_prefix('#'));
    pointer.and_then(|it| document.pointer(it)).unwrap_or(value)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
