//! An API document as a page.

use maud::{Markup, html};
use serde_json::Value;

use super::layout::{Page, frame};
use super::lookup::Home;
use super::nhsuk::summary_list;

/// Every path of an OpenAPI document, with its parameters and answers.
pub(crate) fn openapi(home: &Home<'_>, document: &Value, href: &str) -> Markup {
    let info = &document["info"];
    let root = text(&document["servers"][0]["url"]);
    let content = html! {
        h1 { (text(&info["title"])) }
        p.nhsuk-lede-text { (text(&info["description"])) }
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
    let parameters = parameters.into_iter().flatten();
    let parameters = parameters.map(|it| resolved(document, it));
    let parameters: Vec<(String, Markup)> = parameters
        .map(|parameter| {
            let required = match parameter["required"] == true {
                true => " (required)",
                false => "",
            };
            let name = format!("{}{required}", text(&parameter["name"]));
            (name, html! { (text(&parameter["description"])) })
        })
        .collect();
    let responses: Vec<(&str, Markup)> = members(&operation["responses"])
        .map(|(status, it)| {
            (
                status.as_str(),
                html! { (text(&resolved(document, it)["description"])) },
            )
        })
        .collect();
    html! {
        section {
            h2.nhsuk-heading-m { code { (method.to_uppercase()) " " (path) } }
            p { (text(&operation["summary"])) ". " (text(&operation["description"])) }
            @if !parameters.is_empty() { h3.nhsuk-heading-s { "Parameters" } (summary_list(&parameters)) }
            h3.nhsuk-heading-s { "Answers" }
            (summary_list(&responses))
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
