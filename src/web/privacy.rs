//! The privacy page, and the page at `/` for a program that was built without the other pages.

use maud::{DOCTYPE, Markup, html};

use super::layout::{PageLayout, SERVICE, layout, link};
use super::nhsuk::summary_list;
use catchment_core::index::Index;

/// Renders the page at `/privacy`: it states which data the service processes and stores. The page
/// is for users, and for the operator's records of processing (UK GDPR, article 30).
pub(crate) fn privacy(index: &Index) -> Markup {
    let content = html! {
        h1 { "Privacy" }
        p.nhsuk-lede-text { "This service does not store what you look up." }
        h2 { "When you look something up" }
        ul {
            li { "We store the postcode, coordinates or practice code in memory only until we have worked out the result." }
            li { "We do not write what you look up to a log, a file or a cache, and we do not use it for statistics." }
            li { "The page sends the postcode in the body of the request. The postcode does not appear in the URL, in your browser history or in the logs of other computers." }
            li { "The map is part of the result. It has no separate URL that could show what you looked up." }
            li { "We send the result only to you, and we instruct your browser not to store it." }
            li { "Interactive maps load map tiles that are more than a kilometre wide, so the web addresses of the tiles do not show which street you are looking at. Other programs can request smaller tiles, or everything in a rectangle on the map. We instruct browsers and other computers not to store these responses." }
        }
        h2 { "When you look up a list" }
        ul {
            li { "We look up your file row by row, in memory, while you send it. We do not keep a copy of the file, or any name or postcode in it." }
            li { "The people who run this service can see that a file was sent, which API key was used and how many rows had each kind of result. Counts from 1 to 7 are hidden, and other counts are rounded." }
            li { "Send only the columns we need: a postcode and, if you have one, a practice code. We do not use any other columns, and we return them unchanged." }
        }
        h2 { "What we log" }
        p { "We log one line for each request: the time, a random request number, the kind of page, whether it worked and how long it took. We do not log who you are, where you are or what you looked up. The request number is also in the response. If something goes wrong, we can use the number to find the log line without knowing what you looked up." }
        p { "To prevent overuse, we limit how often each IP address can make requests. We keep the count in memory under a code that cannot be turned back into the address. The count is deleted when the service stops." }
        h2 { "Who we share data with" }
        ul {
            li { "We do not share what you look up with anyone. The service does not contact any other computer. All its data are on the same computer." }
            li { "We do not use cookies or count visitors, and the pages load nothing from other websites." }
            li { "Our data are published statistics and directories of postcodes and GP practices. We hold no patient records." }
        }
        h2 { "For records of processing" }
        (summary_list(&[
            ("Purpose", html! { "To find the communities, GP practices and groups for a place or a registration." }),
            ("Personal data", html! { "Postcodes or coordinates, practice codes, rows of files, IP addresses and names of API keys." }),
            ("Data subjects", html! { "People whose postcode or practice is looked up, and people who use the service." }),
            ("Retention", html! { "Until the result is sent. The log is described above." }),
            ("Shared with", html! { "Only the person who made the request." }),
            ("Automated decisions", html! { "None. The service gives information about a place." }),
        ]))
        p { "We hold nothing about you that you could ask to see, correct or delete. The person who looked you up may have a copy of the result, so ask them. To find out who runs this service, their legal basis and their data protection officer, contact the organisation named in the web address of this page." }
    };
    let page = PageLayout {
        title: "Privacy",
        breadcrumb: &[link("/", "Look up a place")],
        content,
        ..PageLayout::default()
    };
    layout(index, &page)
}

/// Renders the page at `/` of a program that was built without the feature `web`.
pub(crate) fn pages_disabled() -> Markup {
    html! {
        (DOCTYPE)
        html lang="en-GB" {
            head { meta charset="utf-8"; title { (SERVICE) } meta name="viewport" content="width=device-width, initial-scale=1"; }
            body { main {
                h1 { (SERVICE) }
                p { "This program was built without its web pages (the feature " code { "web" } "). You can use the API: read its " a href="/openapi.json" { "OpenAPI description" } "." }
            } }
        }
    }
}
