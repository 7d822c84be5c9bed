//! What is kept of a question, and the page of a program without pages.

use maud::{DOCTYPE, Markup, html};

use super::frame::{Page, SERVICE, frame, link};
use super::home::Home;

/// The page at `/privacy`.
pub(crate) fn privacy(home: &Home<'_>) -> Markup {
    let content = html! {
        h1 { "Privacy" }
        p.nhsuk-lede-text { "This service keeps nothing of what it is asked." }
        ul {
            li { "A postcode, coordinate or practice code is used to work out one answer, in memory, and is then forgotten." }
            li { "It is written to no log, no file, no cache and no statistic. A log line says which page was asked for, how it went and how long it took." }
            li { "A list is answered row for row, in memory, while it is sent, and nothing of it is kept. A log line says how many rows there were of each kind, and no number below 8." }
            li { "The page sends the postcode in the body of the request, so that it does not stand in the address, in the browser's history or in another computer's log." }
            li { "The map of an answer is drawn with the answer and stands in it: its address does not say what was asked, for it has none." }
            li { "The service calls no other computer. All it knows was loaded when it started." }
            li { "It sets no cookies, and the page loads nothing from anywhere else." }
        }
    };
    let page = Page {
        title: "Privacy",
        trail: &[link("/", "Look up a place")],
        content,
        ..Page::default()
    };
    frame(home.index, &page)
}

/// The page at `/` of a program that was built without pages.
pub(crate) fn none() -> Markup {
    html! {
        (DOCTYPE)
        html lang="en-GB" {
            head { meta charset="utf-8"; title { (SERVICE) } meta name="viewport" content="width=device-width, initial-scale=1"; }
            body { main {
                h1 { (SERVICE) }
                p { "This program was built without its pages (the feature " code { "web" } "). The API answers: " a href="/openapi.json" { "what it can be asked" } "." }
            } }
        }
    }
}
