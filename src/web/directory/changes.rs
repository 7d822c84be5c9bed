//! The page that lists the changes in the dataset that take effect on later dates.

use jiff::civil::Date;
use maud::{Markup, html};

use super::super::links::SOURCES_PATH;
use super::components::{dataset_name, heading, table, tag};
use super::{PageContext, area_path, areas_breadcrumb, format, with_query};
use catchment_core::domain::{Layer, LineageStep};
use catchment_core::index::{UpcomingChange, UpcomingChangeKind, UpcomingPractice};

/// Renders `/changes`: the changes after the date of the page.
pub(crate) fn changes(context: &PageContext<'_>) -> Markup {
    let areas = context.index.upcoming_changes(context.as_of);
    let practices = context.index.upcoming_practices(context.as_of);
    let title = "What changes next";
    let content = html! {
        (heading("Areas", title))
        p { "These are the changes after " (format::date(context.as_of)) " that are already in our data. If you look up a place on a later date, the answer includes these changes." }
        @if areas.is_empty() && practices.is_empty() {
            p { "Our data have no changes after this date. There may still be changes: we add a change to our data after its law or decision is published." }
        }
        @for of_day in areas.chunk_by(|one, next| one.date == next.date) {
            (area_changes(context, of_day))
        }
        @if !practices.is_empty() { (practice_changes(context, &practices)) }
        p { a href=(context.link_without_date("/compare", &[])) { "Compare two dates" } " to see land and members that move. " a href=(SOURCES_PATH) { "Sources and their dates" } " shows how old our data are." }
        p.nhsuk-body-s { "Using " (dataset_name(context)) "." }
    };
    context.undated_page(title, &areas_breadcrumb(context), content)
}

/// Renders the changes of areas on one day, with a table for each layer.
fn area_changes(context: &PageContext<'_>, changes: &[UpcomingChange<'_>]) -> Markup {
    let date = changes[0].date;
    html! {
        h2.nhsuk-heading-m { "From " (format::date(date)) }
        @for of_layer in changes.chunk_by(|one, next| one.layer == next.layer) {
            @let layer = of_layer[0].layer;
            (table(
                context.layer_title(layer),
                &["Area", "Change", "Decided by"],
                of_layer.iter().map(|change| row(context, change)).collect(),
            ))
            (compare_link(context, layer, date))
        }
    }
}

fn row(context: &PageContext<'_>, change: &UpcomingChange<'_>) -> Vec<Markup> {
    let steps = || change.successors.iter().chain(&change.predecessors);
    let mut sources: Vec<&str> = steps().map(|step| step.source.as_str()).collect();
    sources.dedup();
    vec![
        area_link(context, change),
        html! {
            @match change.kind {
                UpcomingChangeKind::Begins => {
                    (tag("Begins", "green"))
                    (other_areas(context, change, " instead of ", |step| Some(&step.predecessor)))
                }
                UpcomingChangeKind::Ends => {
                    (tag("Ends", "grey"))
                    (other_areas(context, change, "; then ", |step| step.successor.as_ref()))
                }
                UpcomingChangeKind::Renamed => {
                    (tag("Renamed", "blue"))
                    @if let Some(previous) = change.previous { " from " (previous.name) }
                }
                UpcomingChangeKind::Redrawn => {
                    (tag("Redrawn", "yellow"))
                    (other_areas(context, change, " with the area of ", |step| Some(&step.predecessor)))
                }
            }
        },
        html! { @if sources.is_empty() { "Not stated" } @else { (sources.join("; ")) } },
    ]
}

/// Renders a link to the page of the area after the change or, if the area ends, before the change.
fn area_link(context: &PageContext<'_>, change: &UpcomingChange<'_>) -> Markup {
    let path = area_path(context.index, change.layer, &change.area.id);
    let date = change.date.to_string();
    let href = match change.kind {
        UpcomingChangeKind::Ends => context.link(&path),
        _ => context.link_without_date(&path, &[("as_of", &date)]),
    };
    html! { a href=(href) { (change.area.title()) } }
}

/// Renders the other areas of a change, joined with commas and "and".
fn other_areas(
    context: &PageContext<'_>,
    change: &UpcomingChange<'_>,
    words: &str,
    other: impl Fn(&LineageStep) -> Option<&String>,
) -> Markup {
    let steps = change.successors.iter().chain(&change.predecessors);
    let ids: Vec<&String> = steps.filter_map(|step| other(step)).collect();
    let name = |id: &str| {
        // An area that begins on this day has no version on the date of the page.
        let area = context
            .index
            .area_or_last_version(change.layer, id, change.date);
        area.map_or(id, |area| area.title()).to_string()
    };
    html! {
        @if !ids.is_empty() { (words) }
        @for (index, id) in ids.iter().enumerate() {
            @if index > 0 { @if index + 1 == ids.len() { " and " } @else { ", " } }
            (name(id))
        }
    }
}

fn compare_link(context: &PageContext<'_>, layer: Layer, date: Date) -> Markup {
    let before = date.yesterday().unwrap_or(date).to_string();
    let after = date.to_string();
    let mut parameters = vec![("layer", layer.as_str()), ("from", &before), ("to", &after)];
    parameters.extend(context.version.map(|version| ("dataset", version)));
    html! {
        p { a href=(with_query("/compare", &parameters)) { "Compare " (context.layer_title(layer)) " on " (format::date(date)) " with the day before" } }
    }
}

fn practice_changes(context: &PageContext<'_>, practices: &[UpcomingPractice<'_>]) -> Markup {
    let rows = practices.iter().map(|change| {
        let (text, colour) = match change.opens {
            true => ("Opens", "green"),
            false => ("Closes", "grey"),
        };
        vec![
            context.practice_link(change.practice.code),
            html! { (tag(text, colour)) },
            html! { (format::date(change.date)) },
        ]
    });
    table(
        "Practices that open or close",
        &["Practice", "Change", "From"],
        rows.collect(),
    )
}
