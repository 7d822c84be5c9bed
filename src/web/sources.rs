//! The page at `/sources`: the published works from which the data were taken, and their dates.

use jiff::civil::Date;
use maud::{Markup, html};
use serde_json::Value;

use super::format;
use super::layout::{PageLayout, layout, link};
use super::links::CHANGES_PATH;
use super::nhsuk::{DataTable, summary_list, table};
use crate::wire::metadata::{ATOM_PATH, DCAT_PATH};
use catchment_core::domain::{SourceEntry, SourceTimeliness, phrases};
use catchment_core::index::Index;

/// Renders the page. `structured_data` describes the dataset for search engines; without it, search
/// engines do not list the page.
pub(crate) fn sources(index: &Index, today: Date, structured_data: Option<Value>) -> Markup {
    let manifest = index.manifest();
    let phrases = phrases(manifest.dated_sources());
    let rows: Vec<Vec<Markup>> = manifest
        .sources
        .iter()
        .map(|source| row(source, today))
        .collect();
    let content = html! {
        h1.nhsuk-heading-l { "Sources and their dates" }
        p { "An answer is only as recent as the data it is based on. Each part of an answer comes from a different source, and the sources have different dates." }
        h2.nhsuk-heading-m { "How old our data are" }
        @if phrases.is_empty() { p { "This dataset does not state the age of its parts. It describes " (format::date(manifest.as_of)) "." } }
        @else { ul.nhsuk-list.nhsuk-list--bullet { @for phrase in &phrases { li { (format::sentence_case(phrase)) } } } }
        h2.nhsuk-heading-m { "What we used" }
        @if rows.is_empty() { p { "This dataset does not list its sources." } }
        @else {
            (table(&DataTable {
                caption: "Published works",
                caption_size: Some("s"),
                columns: ["Source", "As of", "Published", "Used for", "Licence and attribution"].map(Into::into).to_vec(),
                rows,
            }))
        }
        p { a href=(CHANGES_PATH) { "What changes next" } " lists the changes of areas and practices that are already in our data." }
        h2.nhsuk-heading-m { "The dataset" }
        (summary_list(&[
            ("Name and version", html! { (manifest.name) ", version " (manifest.version) }),
            ("Describes", html! { (format::date(manifest.as_of)) }),
            ("Licence", html! { a href=(manifest.licence) { (manifest.licence) } }),
            ("Attribution", html! { (manifest.attribution) }),
            ("As JSON", html! { a href="/api/v1/dataset" { "About the data (JSON)" } }),
            ("For data catalogues", html! { a href=(DCAT_PATH) { "DCAT record (JSON-LD)" } }),
            ("New releases", html! { a href=(ATOM_PATH) { "Feed of releases (Atom)" } }),
        ]))
    };
    let page = PageLayout {
        title: "Sources and their dates",
        breadcrumb: &[link("/", "Look up a place")],
        is_indexed: structured_data.is_some(),
        structured_data,
        content,
        ..PageLayout::default()
    };
    layout(index, &page)
}

fn row(source: &SourceEntry, today: Date) -> Vec<Markup> {
    let not_known = || "not known".to_string();
    let date = source.date_in_words().unwrap_or_else(not_known);
    let released = source.released.map(|date| date.in_words());
    let cells = [
        html! {
            (source.title)
            @if let Some(publisher) = &source.publisher { br; (publisher) }
        },
        html! {
            (date)
            @if let SourceTimeliness::Overdue(overdue) = source.timeliness(today) {
                br;
                "A newer edition should have been published: " (overdue.newest.date.in_words())
            }
        },
        html! { (released.unwrap_or_else(not_known)) },
        html! {
            @for (index, used) in source.tables.iter().enumerate() {
                @if index > 0 { br; }
                (used.table)
                @if !used.columns.is_empty() { ": " (used.columns.join(", ")) }
            }
        },
        html! {
            @match &source.licence { Some(licence) => (licence), None => "No licence stated" }
            @if let Some(attribution) = &source.attribution { br; (attribution) }
        },
    ];
    // On a narrow screen, a cell is a flex container, so its content must be a single element next
    // to the heading.
    cells.map(|cell| html! { span { (cell) } }).to_vec()
}
