//! The pages for all partnerships and for one partnership.

use maud::{Markup, html};

use super::components::{area_period_text, date_form, heading, list, table};
use super::facts::announcements;
use super::{PageContext, areas_breadcrumb, format};
use catchment_core::domain::{Announcement, Area, Layer, StatedCount, TeamStage};

/// The content of a partnership's page.
pub(crate) struct PartnershipPage<'i> {
    /// The id of the partnership: `morecambe-bay`.
    pub(crate) id: &'i str,
    /// The communities and their parts on the page's date.
    pub(crate) areas: Vec<&'i Area>,
    /// The communities that have ended, or have not begun, on the page's date.
    pub(crate) others: Vec<&'i Area>,
    pub(crate) announcements: Vec<&'i Announcement>,
}

/// Returns the path of a partnership's page.
pub(crate) fn partnership_path(id: &str) -> String {
    format!("/partnerships/{}", super::super::links::path_segment(id))
}

/// Renders `/partnerships`.
pub(crate) fn partnerships(context: &PageContext<'_>, ids: &[&str]) -> Markup {
    let items: Vec<Markup> = ids
        .iter()
        .map(|id| html! { a href=(context.link(&partnership_path(id))) { (format::system_name(id)) } })
        .collect();
    let content = html! {
        (heading("Areas", "Partnerships"))
        p { "A partnership is the group of NHS organisations and councils that set up the communities of an area." }
        @if items.is_empty() { p { "No partnerships on that date." } } @else { (list(&items)) }
        (date_form(context, "/partnerships", &[]))
    };
    context.page("Partnerships", &areas_breadcrumb(context), &content)
}

/// Renders `/partnerships/{id}`.
pub(crate) fn partnership(context: &PageContext<'_>, page: &PartnershipPage<'_>) -> Markup {
    let name = format::system_name(page.id);
    let mut breadcrumb = areas_breadcrumb(context);
    breadcrumb.push((context.link("/partnerships"), "Partnerships".into()));
    let counts = context.index.stated_counts().iter();
    let counts: Vec<&StatedCount> = counts.filter(|count| count.system == page.id).collect();
    let stages = context.index.facts().stages.iter();
    let stages: Vec<&TeamStage> = stages.filter(|stage| stage.system == page.id).collect();
    let content = html! {
        (heading("Partnership", &name))
        (communities(context, page))
        (stated_counts(&name, &counts))
        (ended(context, page))
        (team_stages(&stages))
        (announcements(&page.announcements))
        (date_form(context, &partnership_path(page.id), &[]))
    };
    context.page(&name, &breadcrumb, &content)
}

fn communities(context: &PageContext<'_>, page: &PartnershipPage<'_>) -> Markup {
    let layers = context.index.layers();
    let by_layer = layers.map(|layer| {
        let areas = page.areas.iter().filter(move |area| area.layer == layer);
        (layer, areas.collect::<Vec<_>>())
    });
    let by_layer: Vec<(Layer, Vec<_>)> = by_layer.filter(|(_, areas)| !areas.is_empty()).collect();
    html! {
        @for (layer, areas) in &by_layer {
            h2.nhsuk-heading-m { (context.layer_title(*layer)) " (" (areas.len()) ")" }
            (list(&areas.iter().map(|area| context.area_link(area)).collect::<Vec<_>>()))
        }
        @if by_layer.is_empty() { p { "We have no communities of this partnership on that date." } }
    }
}

/// Renders the statements about the number of communities on the partnership's own pages at
/// different times.
fn stated_counts(name: &str, counts: &[&StatedCount]) -> Markup {
    if counts.is_empty() {
        return html! {};
    }
    let rows: Vec<Vec<Markup>> = counts
        .iter()
        .map(|count| {
            let when = match count.page_date {
                Some(date) => format::date(date),
                None => "Not known".into(),
            };
            vec![
                html! { (count.stated_count) },
                html! { (when) },
                stated_words(name, count),
            ]
        })
        .collect();
    html! {
        h2.nhsuk-heading-m { "Number of communities that it has stated" }
        p { "The number has changed over time. If the date of a number is not known, its place in the order is not known either." }
        (table("Communities", &["Number", "Date of the page", "What the page says"], rows))
    }
}

fn stated_words(name: &str, count: &StatedCount) -> Markup {
    html! {
        (format::sentence_case(&count.note)) "."
        @if count.name != name { " It is called " (count.name) " there." }
        @if let Some(sections) = count.sections { " It lists " (sections) "." }
        @if !count.wording.is_empty() { " In its words: “" (count.wording) "”." }
        @if !count.boundaries.is_empty() { " Boundaries: “" (count.boundaries.trim_matches('"')) "”." }
        @if let Some((least, most)) = count.people {
            " People in each: " (format::count(least as usize)) " to " (format::count(most as usize)) "."
        }
    }
}

fn ended(context: &PageContext<'_>, page: &PartnershipPage<'_>) -> Markup {
    let rows: Vec<Vec<Markup>> = page
        .others
        .iter()
        .map(|area| {
            let first_data = context.index.first_data(area.layer);
            let when = area_period_text(area, first_data);
            vec![
                context.area_link(area),
                html! { (format::sentence_case(&when)) },
            ]
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            h2.nhsuk-heading-m { "Communities at other times" }
            (table("Communities that have ended or had not begun", &["Community", "When"], rows))
        }
    }
}

fn team_stages(stages: &[&TeamStage]) -> Markup {
    let Some(first) = stages.first() else {
        return html! {};
    };
    let rows: Vec<Vec<Markup>> = stages
        .iter()
        .map(|stage| {
            let years = match stage.years {
                (Some(from), Some(to)) => format!("{from} to {to}"),
                (Some(from), None) => format!("From {from}"),
                (None, Some(to)) => format!("Until {to}"),
                (None, None) => "Not known".into(),
            };
            vec![
                html! { (stage.stage) },
                html! { (years) },
                html! { (stage.people) },
            ]
        })
        .collect();
    html! {
        h2.nhsuk-heading-m { "Stages of the teams" }
        p { "Source: " (first.source) @if let Some(date) = first.as_of { ", " (format::date(date)) } ". The teams were introduced for one group of people after another:" }
        (table("Stages", &["Stage", "Years", "People"], rows))
    }
}
