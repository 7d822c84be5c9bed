//! What is kept of a question, and the page of a program without pages.

use maud::{DOCTYPE, Markup, html};

use super::layout::{Page, SERVICE, frame, link};
use super::lookup::Home;
use super::nhsuk::summary_list;

/// The page at `/privacy`: what is processed, what is kept, for those who ask and for the records of
/// those who run it.
pub(crate) fn privacy(home: &Home<'_>) -> Markup {
    let content = html! {
        h1 { "Privacy" }
        p.nhsuk-lede-text { "This service keeps nothing of what it is asked." }
        h2 { "What happens when you look something up" }
        ul {
            li { "A postcode, coordinate or practice code is used to work out one answer, in memory, and is then forgotten." }
            li { "It is written to no log, no file, no cache and no statistic." }
            li { "The page sends the postcode in the body of the request, so that it does not stand in the address, in the browser's history or in another computer's log." }
            li { "The map of an answer is drawn with the answer and stands in it: its address does not say what was asked, for it has none." }
            li { "The answer goes to you and to nobody else. Your browser is told not to keep it." }
            li { "The maps that you can move load pieces of more than a kilometre across, whose addresses do not say which street you look at. Other programs can ask for smaller pieces, or for what lies in a box: browsers and other computers on the way are told not to keep those." }
        }
        h2 { "What happens to a list" }
        ul {
            li { "It is answered row for row, in memory, while it is sent, and nothing of it is kept: no copy, no name, no postcode." }
            li { "Whoever runs the service can see that a list was sent, with which key, and how many rows there were of each kind. Counts from 1 to 7 are hidden, and the others rounded." }
            li { "Send the columns that are needed and no others: a postcode, and a practice code if you have one. The service looks at nothing else, and gives the rest back as it is." }
        }
        h2 { "What is written down" }
        p { "One line for each request: when, a number made up for the request, which kind of page was asked for, how it went, and how long it took. Not who asked, from where, or what. The number is in the answer too: if something went wrong, it can be found by that number without saying what you asked." }
        p { "So that nobody uses the service up, it counts how often an address on the network asks. The count is kept in memory, under a code from which the address cannot be worked out, and is gone when the service stops." }
        h2 { "Who else is told" }
        ul {
            li { "Nobody. The service calls no other computer; all it knows was loaded when it started." }
            li { "It sets no cookies, and the page loads nothing from anywhere else. It counts no visitors." }
            li { "What it knows itself are published statistics and directories of postcodes and practices. It holds no record of any patient." }
        }
        h2 { "For records of processing" }
        (summary_list(&[
            ("What for", html! { "To say which communities, practices and groups belong to a place or a registration." }),
            ("What", html! { "Postcodes or coordinates, practice codes, rows of lists; network addresses; names of keys." }),
            ("Whose", html! { "People whose postcode or practice is asked about, and people who ask." }),
            ("Kept for", html! { "Until the answer is sent. What the log holds is said above." }),
            ("Given to", html! { "Nobody but the one who asked." }),
            ("Decisions made by it", html! { "None. It says what is known of a place." }),
        ]))
        p { "There is nothing here to be seen, corrected or deleted about you. Whoever asked may have kept the answer: ask them. Who runs this service, on what legal basis, and who its data protection officer is, is said by the organisation whose address you see above." }
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
