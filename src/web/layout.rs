//! The layout of every page: head, navigation, breadcrumb and footer.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::assets;
use super::links::{CHANGES_PATH, EMBED_CODE_PATH, SOURCES_PATH};
use super::nhsuk::{Link, PageFooter, PageHeader, breadcrumb, footer, header, skip_link};
use crate::wire::metadata::schema_org::{SCRIPT_TYPE, script_content};
use crate::wire::metadata::{ATOM, ATOM_PATH};
use catchment_core::index::Index;

/// The name of the service.
pub(crate) const SERVICE: &str = "Catchment";

/// The links at the top of every page.
const NAVIGATION: &[Link<'static>] = &[
    link("/", "Look up a place"),
    link("/batch", "Look up a list"),
    link("/areas", "Areas and practices"),
    link(EMBED_CODE_PATH, "Put this map on your website"),
    link("/docs", "For developers"),
];

/// Builds a link.
pub(super) const fn link<'a>(href: &'a str, text: &'a str) -> Link<'a> {
    Link { href, text }
}

/// The content of a page, and the parts of the layout that depend on the page.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageLayout<'a> {
    /// The title, without the name of the service.
    pub(crate) title: &'a str,
    /// The `href` of the current entry of [`NAVIGATION`].
    pub(crate) section: Option<&'a str>,
    /// The breadcrumb, starting with the top level.
    pub(crate) breadcrumb: &'a [Link<'a>],
    /// URLs of the scripts that only this page loads, in addition to the script that every page
    /// loads.
    pub(crate) scripts: &'a [&'a str],
    /// Whether search engines may list the page.
    pub(crate) is_indexed: bool,
    /// The description of the subject of the page in the vocabulary of schema.org.
    pub(crate) structured_data: Option<Value>,
    /// The content of `main`, with the page's `h1`.
    pub(crate) content: Markup,
}

/// Renders a page with its layout.
pub(crate) fn layout(index: &Index, page: &PageLayout<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en-GB" {
            (head(page))
            body {
                (skip_link())
                (header(&PageHeader { service: link("/", SERVICE), navigation: NAVIGATION, current: page.section }))
                div.nhsuk-width-container {
                    @if !page.breadcrumb.is_empty() { (breadcrumb(page.breadcrumb)) }
                    main.nhsuk-main-wrapper #maincontent { (page.content) }
                }
                (page_footer(index))
            }
        }
    }
}

fn head(page: &PageLayout<'_>) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            title { (page.title) " – " (SERVICE) }
            meta name="viewport" content="width=device-width, initial-scale=1";
            @if !page.is_indexed { meta name="robots" content="noindex"; }
            meta name="theme-color" content="#005eb8";
            link rel="alternate" type=(ATOM) title="New releases of the data" href=(ATOM_PATH);
            // Browsers do not execute this script, so the content security policy does not apply.
            @if let Some(data) = &page.structured_data {
                script type=(SCRIPT_TYPE) { (PreEscaped(script_content(data))) }
            }
            // Without the feature `web`, there are no assets to load.
            @if cfg!(feature = "web") {
                link rel="stylesheet" href=(assets::STYLE.path);
                link rel="icon" href=(assets::ICON.path) type="image/svg+xml";
                script type="module" src=(assets::SCRIPT.path) {}
                @for script in page.scripts { script type="module" src=(script) {} }
            }
        }
    }
}

fn page_footer(index: &Index) -> Markup {
    let manifest = index.manifest();
    let dataset = format!("Dataset {}, version {}.", manifest.name, manifest.version);
    footer(&PageFooter {
        links: &[
            link("/privacy", "Privacy"),
            link("/accessibility", "Accessibility"),
            link(SOURCES_PATH, "Sources and their dates"),
            link(CHANGES_PATH, "What changes next"),
            link("/api/v1/dataset", "About the data (JSON)"),
            link("/ogc?f=html", "GIS data"),
            link(&manifest.licence, "Data licence"),
        ],
        text: &[&dataset, &manifest.attribution],
    })
}
