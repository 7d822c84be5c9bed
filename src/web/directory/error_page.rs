//! What a browser is told where there is no page.

use maud::{Markup, html};

use super::super::layout::{Page, frame};
use super::path_of_layer;
use crate::domain::Layer;
use crate::index::Index;

/// Why there is no page. What was asked is not repeated.
pub(crate) struct Refusal<'a> {
    pub(crate) status: u16,
    pub(crate) code: &'a str,
    pub(crate) detail: &'a str,
    /// The layer whose page was asked for.
    pub(crate) layer: Option<Layer>,
}

/// The page instead, with a way on.
pub(crate) fn refusal(index: &Index, refusal: &Refusal<'_>) -> Markup {
    let (title, sentence) = words(refusal);
    let layer = refusal
        .layer
        .filter(|layer| index.first_data(*layer).is_some());
    let content = html! {
        h1.nhsuk-heading-l { (title) }
        p { (sentence) }
        @if let Some(layer) = layer.filter(|_| refusal.code == "no_data_for_date") { (first_data(index, layer)) }
        h2.nhsuk-heading-m { "Where to go from here" }
        ul.nhsuk-list.nhsuk-list--bullet {
            @if let Some(layer) = layer {
                li { a href=(path_of_layer(layer)) { "The list: " (title_of(index, layer)) } }
            }
            li { a href="/" { "Look up a postcode" } }
            li { a href="/areas" { "All areas, practices and groups" } }
        }
    };
    let page = Page {
        title,
        content,
        ..Page::default()
    };
    frame(index, &page)
}

fn words(refusal: &Refusal<'_>) -> (&'static str, String) {
    let detail = || {
        let mut letters = refusal.detail.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        format!("{}.", first.chain(letters).collect::<String>())
    };
    match (refusal.status, refusal.code) {
        (_, "unknown_area") => (
            "Not found",
            "There is no area of that code in the dataset.".into(),
        ),
        (_, "unknown_layer") => ("Not found", "The dataset has no such kind of area.".into()),
        (_, "unknown_practice") => (
            "Not found",
            "There is no practice of that code in the dataset.".into(),
        ),
        (_, "unknown_dataset") => ("Not found", "No dataset of that version is loaded.".into()),
        (_, "no_data_for_date") => (
            "Nothing is known for that day",
            "The day is before the first that the dataset knows of.".into(),
        ),
        (404, _) => (
            "Page not found",
            "If the address was typed, check it; if it was a link, it may have moved.".into(),
        ),
        (400..500, _) => ("There is a problem", detail()),
        _ => (
            "Something went wrong",
            "The service could not answer. Try again in a moment.".into(),
        ),
    }
}

fn title_of(index: &Index, layer: Layer) -> &str {
    let mut entries = index.manifest().layers.iter();
    let entry = entries.find(|entry| entry.id == layer.as_str());
    entry.map_or(layer.as_str(), |entry| entry.title.as_str())
}

fn first_data(index: &Index, layer: Layer) -> Markup {
    html! {
        @if let Some(first) = index.first_data(layer) {
            p { "The first day is " (super::format::date(first)) "." }
        }
    }
}
