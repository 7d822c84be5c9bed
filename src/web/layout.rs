//! What every page has: its head, the way to other parts of the service, and where the data come from.

use maud::{DOCTYPE, Markup, html};

use super::SITE_PATH;
use super::assets;
use super::nhsuk::{Footer, Header, Link, breadcrumb, footer, header, skip_link};
use crate::index::Index;

/// What the service is called.
pub(crate) const SERVICE: &str = "Catchment";

/// The parts of the service, as the top of each page names them.
const PARTS: &[Link<'static>] = &[
    link("/", "Look up a place"),
    link("/batch", "Answer a list"),
    link("/areas", "Areas and practices"),
    link(SITE_PATH, "Put this map on your site"),
    link("/docs", "For developers"),
];

/// A link, in fewer words.
pub(super) const fn link<'a>(href: &'a str, text: &'a str) -> Link<'a> {
    Link { href, text }
}

/// A page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page<'a> {
    /// What it is about; the name of the service is put after it.
    pub(crate) title: &'a str,
    /// The address of the part of the service that it belongs to, one of [`PARTS`].
    pub(crate) part: Option<&'a str>,
    /// The pages above it, the highest first.
    pub(crate) trail: &'a [Link<'a>],
    /// Addresses of scripts, besides the one of all pages.
    pub(crate) scripts: &'a [&'a str],
    /// What stands in `main`; it has the heading of the first level.
    pub(crate) content: Markup,
}

/// The whole page.
pub(crate) fn frame(index: &Index, page: &Page<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en-GB" {
            (head(page))
            body {
                (skip_link())
                (header(&Header { service: link("/", SERVICE), navigation: PARTS, current: page.part }))
                div.nhsuk-width-container {
                    @if !page.trail.is_empty() { (breadcrumb(page.trail)) }
                    main.nhsuk-main-wrapper #maincontent { (page.content) }
                }
                (bottom(index))
            }
        }
    }
}

fn head(page: &Page<'_>) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            title { (page.title) " – " (SERVICE) }
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="robots" content="noindex";
            meta name="theme-color" content="#005eb8";
            // A program that was built without them has none to load.
            @if cfg!(feature = "web") {
                link rel="stylesheet" href=(assets::STYLE.path);
                link rel="icon" href=(assets::ICON.path) type="image/svg+xml";
                script type="module" src=(assets::SCRIPT.path) {}
                @for script in page.scripts { script type="module" src=(script) {} }
            }
        }
    }
}

fn bottom(index: &Index) -> Markup {
    let manifest = index.manifest();
    let dataset = format!("Dataset {}, version {}.", manifest.name, manifest.version);
    footer(&Footer {
        links: &[
            link("/privacy", "Privacy"),
            link("/api/v1/dataset", "What the dataset holds (JSON)"),
            link("/ogc?f=html", "Areas for GIS"),
            link(&manifest.licence, "Licence of the data"),
        ],
        text: &[&dataset, &manifest.attribution],
    })
}
