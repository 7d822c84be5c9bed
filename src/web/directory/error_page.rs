//! The page that browsers receive instead of a problem document (RFC 9457).

use maud::{Markup, html};

use super::super::layout::{PageLayout, layout};
use super::{format, layer_path};
use catchment_core::domain::Layer;
use catchment_core::index::Index;

/// The content of the page. The content does not repeat anything from the request.
pub(crate) struct ErrorPage<'a> {
    pub(crate) status: u16,
    pub(crate) code: &'a str,
    pub(crate) detail: &'a str,
    /// The layer of the requested page.
    pub(crate) layer: Option<Layer>,
}

/// Renders the page, with links to other pages.
pub(crate) fn error_page(index: &Index, error: &ErrorPage<'_>) -> Markup {
    let (title, sentence) = title_and_text(error);
    let layer = error
        .layer
        .filter(|layer| index.first_data(*layer).is_some());
    let content = html! {
        h1.nhsuk-heading-l { (title) }
        p { (sentence) }
        @if let Some(layer) = layer.filter(|_| error.code == "no_data_for_date") { (first_data(index, layer)) }
        h2.nhsuk-heading-m { "What you can do next" }
        ul.nhsuk-list.nhsuk-list--bullet {
            @if let Some(layer) = layer {
                li { a href=(layer_path(index, layer)) { "See all " (index.layer_title(layer)) } }
            }
            li { a href="/" { "Look up a postcode" } }
            li { a href="/areas" { "See all areas, practices and groups" } }
        }
    };
    let page = PageLayout {
        title,
        content,
        ..PageLayout::default()
    };
    layout(index, &page)
}

fn title_and_text(error: &ErrorPage<'_>) -> (&'static str, String) {
    let detail = || {
        let sentence = format::sentence_case(error.detail);
        format!("{sentence}.")
    };
    match (error.status, error.code) {
        (_, "unknown_area") => (
            "Not found",
            "We have no area with that code.".into(),
        ),
        (_, "unknown_layer") => ("Not found", "We have no areas of that type.".into()),
        (_, "unknown_practice") => (
            "Not found",
            "We have no GP practice with that code. It may belong to a practice elsewhere in England.".into(),
        ),
        (_, "unknown_dataset") => ("Not found", "We do not have that version of the data.".into()),
        (_, "no_data_for_date") => (
            "No information for that date",
            "We have no data for dates that early.".into(),
        ),
        (404, _) => (
            "Page not found",
            "If you typed the web address, check it is correct. If you followed a link, the page may have moved.".into(),
        ),
        (400..500, _) => ("There is a problem", detail()),
        _ => (
            "Sorry, there is a problem with the service",
            "Try again later.".into(),
        ),
    }
}

fn first_data(index: &Index, layer: Layer) -> Markup {
    html! {
        @if let Some(first) = index.first_data(layer) {
            p { "The first date with data is " (format::date(first)) "." }
        }
    }
}
