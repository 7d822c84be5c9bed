//! An OpenAPI document as an HTML page.

use maud::{Markup, html};
use serde_json::Value;

use super::layout::{PageLayout, layout};
use super::nhsuk::summary_list;
use catchment_core::index::Index;

/// Renders every operation of an OpenAPI document with its parameters and responses.
pub(crate) fn openapi(index: &Index, document: &Value, href: &str) -> Markup {
    let info = &document["info"];
    let root = text(&document["servers"][0]["url"]);
    let content = html! {
        h1 { (text(&info["title"])) }
        p.nhsuk-lede-text { (text(&info["description"])) }
        p { "This page shows the OpenAPI " (text(&document["openapi"])) " document " a href=(href) { (href) } ". Paths are relative to " code { (root) } "." }
        @for (path, operations) in members(&document["paths"]) {
            @for (method, operation) in members(operations) {
                (operation_section(document, path, method, operation))
            }
        }
    };
    let page = PageLayout {
        title: text(&info["title"]),
        section: Some("/docs"),
        content,
        ..PageLayout::default()
    };
    layout(index, &page)
}

fn operation_section(document: &Value, path: &str, method: &str, operation: &Value) -> Markup {
    let parameters = operation["parameters"].as_array();
    let parameters = parameters.into_iter().flatten();
    let parameters = parameters.map(|parameter| resolve(document, parameter));
    let parameters: Vec<(String, Markup)> = parameters
        .map(|parameter| {
            let required = if parameter["required"] == true {
                " (required)"
            } else {
                ""
            };
            let name = format!("{}{required}", text(&parameter["name"]));
            (name, html! { (text(&parameter["description"])) })
        })
        .collect();
    let responses: Vec<(&str, Markup)> = members(&operation["responses"])
        .map(|(status, response)| {
            let response = resolve(document, response);
            (status.as_str(), html! { (text(&response["description"])) })
        })
        .collect();
    html! {
        section {
            h2.nhsuk-heading-m { code { (method.to_uppercase()) " " (path) } }
            p { (text(&operation["summary"])) ". " (text(&operation["description"])) }
            @if !parameters.is_empty() { h3.nhsuk-heading-s { "Parameters" } (summary_list(&parameters)) }
            h3.nhsuk-heading-s { "Responses" }
            (summary_list(&responses))
        }
    }
}

/// Follows a `$ref` within the document.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix('#'));
    pointer
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(value)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
