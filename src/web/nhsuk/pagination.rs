//! The links to the previous and next page of a list.

use maud::{Markup, html};

/// The URLs and labels (`Page 2 of 7`) of the previous and next page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pagination {
    pub(crate) previous: Option<(String, String)>,
    pub(crate) next: Option<(String, String)>,
}

/// Renders the links. If there is only one page, renders nothing.
pub(crate) fn pagination(pages: &Pagination) -> Markup {
    if pages.previous.is_none() && pages.next.is_none() {
        return html! {};
    }
    html! {
        nav.nhsuk-pagination role="navigation" aria-label="Pagination" {
            ul."nhsuk-list nhsuk-pagination__list" {
                @if let Some(to) = &pages.previous { (item(to, &PREVIOUS)) }
                @if let Some(to) = &pages.next { (item(to, &NEXT)) }
            }
        }
    }
}

/// The text, the class names and the icon of the link in one direction.
struct Direction {
    item: &'static str,
    rel: &'static str,
    word: &'static str,
    icon: &'static str,
    arrow: &'static str,
}

const PREVIOUS: Direction = Direction {
    item: "previous",
    rel: "prev",
    word: "Previous",
    icon: "left",
    arrow: "M10.7 6.3c.4.4.4 1 0 1.4L7.4 11H19a1 1 0 0 1 0 2H7.4l3.3 3.3c.4.4.4 1 0 1.4a1 1 0 0 1-1.4 0l-5-5A1 1 0 0 1 4 12c0-.3.1-.5.3-.7l5-5a1 1 0 0 1 1.4 0Z",
};

const NEXT: Direction = Direction {
    item: "next",
    rel: "next",
    word: "Next",
    icon: "right",
    arrow: "m14.7 6.3 5 5c.2.2.3.4.3.7 0 .3-.1.5-.3.7l-5 5a1 1 0 0 1-1.4-1.4l3.3-3.3H5a1 1 0 0 1 0-2h11.6l-3.3-3.3a1 1 0 1 1 1.4-1.4Z",
};

fn item((href, label): &(String, String), direction: &Direction) -> Markup {
    let item = format!("nhsuk-pagination-item--{}", direction.item);
    let link = format!(
        "nhsuk-pagination__link nhsuk-pagination__link--{}",
        direction.rel
    );
    let icon = format!("nhsuk-icon nhsuk-icon--arrow-{}", direction.icon);
    html! {
        li class=(item) {
            a class=(link) href=(href) rel=(direction.rel) {
                span.nhsuk-pagination__title { (direction.word) span.nhsuk-u-visually-hidden { " page" } }
                span.nhsuk-u-visually-hidden { ":" }
                span.nhsuk-pagination__page { (label) }
                svg class=(icon) xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16" height="16" focusable="false" aria-hidden="true" {
                    path d=(direction.arrow) {}
                }
            }
        }
    }
}
