//! The parts of an area's page about facts other than the boundary and the members: other names,
//! people, organisations, uncertain places, announcements and the Integrated Care Partnership.

use jiff::civil::Date;
use maud::{Markup, html};

use super::components::{list, table};
use super::{PageContext, display_name, format};
use crate::web::practice_text::list_size_date;
use catchment_core::domain::{Announcement, Area, AreaName, CarePartnershipFact, Layer, YearMonth};

/// The share of people above which pages say "most people".
const MOST: f64 = 0.5;

/// Renders the other names of an area.
pub(super) fn other_names(context: &PageContext<'_>, area: &Area) -> Markup {
    let names: Vec<Markup> = context.index.other_names(area).map(other_name).collect();
    html! { @if !names.is_empty() { h2.nhsuk-heading-m { "Other names" } (list(&names)) } }
}

/// Renders another name with the kind of name and its source.
pub(super) fn other_name(name: &AreaName) -> Markup {
    html! { (name.name) " (" (name.kind) "; " (source_text(&name.source, name.as_of)) ")" }
}

/// Returns a source followed by its date. If the text of the source already contains the date, the
/// date is first removed from that text.
fn source_text(source: &str, as_of: Option<Date>) -> String {
    let Some(date) = as_of else {
        return source.to_string();
    };
    let text = source.replace(&date.to_string(), "");
    format!("{}, {}", text.trim_end(), format::date(date))
}

/// Returns the rows with the number of people of an area.
pub(super) fn population_rows(
    context: &PageContext<'_>,
    area: &Area,
) -> Vec<(&'static str, Markup)> {
    let population = context.index.population(area, context.as_of);
    let mut rows = Vec::new();
    if let Some(people) = population.registered {
        rows.push((
            "Registered patients",
            html! { (format::count(people as usize)) " at its practices" (list_size_date(population.registered_as_of)) },
        ));
    }
    if let Some((people, date)) = population.resident_rounded().zip(population.resident_as_of) {
        rows.push((
            "Residents",
            html! { "About " (format::count(people as usize)) " people lived here on " (format::date(date)) ", whichever practice they are registered with" },
        ));
    }
    rows
}

/// Returns the rows with the codes of an area in other schemes.
pub(super) fn code_rows(context: &PageContext<'_>, area: &Area) -> Vec<(&'static str, Markup)> {
    let code = |scheme: &str| {
        let mut codes = context.index.codes_of(area);
        codes
            .find(|(known, _)| *known == scheme)
            .map(|(_, code)| code)
    };
    let mut rows = Vec::new();
    if let Some(gss) = code("gss").filter(|gss| *gss != area.id) {
        rows.push(("ONS code", html! { (gss) }));
    }
    if let Some(region) = code("region") {
        let gss = code("region_gss");
        rows.push((
            "NHS England region",
            html! { (region) @if let Some(gss) = gss { " (ONS code " (gss) ")" } },
        ));
    }
    rows
}

/// Renders the organisations that a community works with.
pub(super) fn links(context: &PageContext<'_>, area: &Area) -> Markup {
    let links: Vec<_> = context.index.links_of(area).collect();
    let Some(first) = links.first() else {
        return html! {};
    };
    let rows: Vec<Vec<Markup>> = links
        .iter()
        .map(|link| {
            let group = context.index.manifest().group_layer().zip(link.group.as_ref());
            let organisation = match group {
                Some((layer, group)) => html! {
                    a href=(context.link(&super::area_path(context.index, layer, group))) { (link.organisation) }
                },
                None => html! { (link.organisation) },
            };
            vec![
                organisation,
                html! { (format::sentence_case(&link.kind)) },
                html! { (format::sentence_case(&link.relation)) },
                html! { @if link.note.is_empty() { "–" } @else { (link.note) } },
            ]
        })
        .collect();
    html! {
        h2.nhsuk-heading-m { "Who it works with" }
        p { "As published, in the words of the source: " (source_text(&first.source, first.as_of)) "." }
        (table("Organisations", &["Organisation", "Kind", "How", "Note"], rows))
    }
}

/// Renders the statistical areas that may or may not belong to a community.
pub(super) fn uncertain_places(context: &PageContext<'_>, area: &Area) -> Markup {
    let shares = context.index.facts().model_shares.iter();
    let of_layer = shares.filter(|share| share.layer == area.layer);
    let disputed: Vec<_> = of_layer
        .filter(|share| !share.disputed.is_empty())
        .collect();
    let own = disputed.iter().filter(|share| share.area == area.id);
    let mut items: Vec<Markup> = own
        .map(|share| {
            let others = share.disputed.iter();
            let others = others.map(|(id, share)| people_text(context, area.layer, id, *share));
            let others: Vec<String> = others.collect();
            html! { (share.statistical_area) " is counted here, but may not be: " (others.join("; ")) }
        })
        .collect();
    for share in &disputed {
        let others = share.disputed.iter().filter(|(id, _)| *id == area.id);
        for (_, own_share) in others {
            items.push(html! {
                (share.statistical_area) " is counted in "
                (context.area_link_by_id(area.layer, &share.area))
                ", but may be here: " (people_text(context, area.layer, &area.id, *own_share))
            });
        }
    }
    html! {
        @if !items.is_empty() {
            h2.nhsuk-heading-m { "Places that are uncertain" }
            p { "There is no official map. For these small areas of the census (LSOAs), our sources do not agree:" }
            (list(&items))
        }
    }
}

fn people_text(context: &PageContext<'_>, layer: Layer, id: &str, share: f64) -> String {
    let area = context.index.area_or_last_version(layer, id, context.as_of);
    let name = area.map_or_else(|| id.to_string(), display_name);
    let people = if share > MOST {
        "most people"
    } else {
        "some people"
    };
    format!("we expect {people} to be registered with practices of {name}")
}

/// Renders the announcements that were made after the data were published.
pub(super) fn announcements(announcements: &[&Announcement]) -> Markup {
    html! {
        @if !announcements.is_empty() {
            h2.nhsuk-heading-m { "What has been announced since these data were published" }
            (announcement_list(announcements))
        }
    }
}

/// Renders announcements as a list, each with its source.
pub(in super::super) fn announcement_list(announcements: &[&Announcement]) -> Markup {
    let items: Vec<Markup> = announcements
        .iter()
        .map(|found| html! { (found.text) " Source: " (found.source) "." })
        .collect();
    list(&items)
}

/// Renders the Integrated Care Partnership of an Integrated Care Board: its partners, meetings and
/// priorities. The board itself is one of the partners.
pub(super) fn care_partnership(context: &PageContext<'_>, area: &Area) -> Markup {
    let facts = &context.index.facts().care_partnerships;
    let is_board = |fact: &&CarePartnershipFact| fact.kind == "partner" && fact.name == area.name;
    let Some(board) = facts.iter().find(is_board) else {
        return html! {};
    };
    let own = facts
        .iter()
        .filter(|fact| fact.partnership == board.partnership);
    let of_kind = |kind: &str| -> Vec<&CarePartnershipFact> {
        own.clone().filter(|fact| fact.kind == kind).collect()
    };
    let partners: Vec<Vec<Markup>> = of_kind("partner")
        .iter()
        .map(|fact| {
            vec![
                html! { (fact.name) },
                html! { (format::sentence_case(&fact.role)) },
                html! { (format::sentence_case(&fact.wording)) },
            ]
        })
        .collect();
    let priorities = of_kind("draft priority").into_iter();
    let priorities = priorities.map(|fact| vec![html! { (fact.role) }, html! { (fact.name) }]);
    let meetings = of_kind("meeting");
    html! {
        h2.nhsuk-heading-m { "Integrated Care Partnership" }
        p { "The Integrated Care Partnership of the same area is a committee beside the board. This is what its page said" (month_text(board.as_of)) "." }
        (table("Partners", &["Partner", "Role", "What the page says"], partners))
        @for meeting in meetings {
            p { (format::sentence_case(&meeting.name)) ": " (meeting_date(&meeting.role)) ". " (meeting.wording) "." }
        }
        (table("Draft priorities", &["Stage of life", "Priority"], priorities.collect()))
    }
}

fn month_text(month: Option<YearMonth>) -> String {
    month.map_or(String::new(), |month| {
        format!(" in {}", month.first_day().strftime("%B %Y"))
    })
}

/// Formats the date of a meeting. Other text is returned unchanged.
fn meeting_date(text: &str) -> String {
    let date = catchment_core::domain::date_from_iso(text);
    date.map_or_else(|_| text.to_string(), format::date)
}
