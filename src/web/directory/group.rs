//! The pages for all resilience groups and for one group.

use maud::{Markup, html};

use super::super::nhsuk::summary_list;
use super::super::words;
use super::area::{area_downloads, history};
use super::components::{
    PageSlice, area_period_text, date_form, heading, list, map_figure, no_data_for_date,
    outdated_notice, pagination, period_text, provenance, table,
};
use super::facts::other_names;
use super::{PageContext, area_path, areas_breadcrumb, display_name, format, layer_noun};
use catchment_core::domain::{
    Area, Boundary, GroupMember, Layer, Membership, PracticeStatus, Provenance,
};
use catchment_core::index::OutcodeCount;

/// The content of a group's page.
pub(crate) struct GroupPage<'i> {
    /// The version of the group on the page's date, or its last version.
    pub(crate) area: &'i Area,
    /// Whether the group has a boundary on the page's date.
    pub(crate) has_boundary: bool,
    pub(crate) outcodes: Vec<OutcodeCount>,
    pub(crate) boundaries: Vec<&'i Boundary>,
    pub(crate) can_be_embedded: bool,
}

/// Renders `/groups`: the groups on the page's date, and the communities whose group the source
/// does not specify. `groups` is sorted by name.
pub(crate) fn groups(
    context: &PageContext<'_>,
    layer: Layer,
    groups: &[&Area],
    slice: PageSlice,
) -> Markup {
    let title = context.layer_title(layer);
    let rows: Vec<Vec<Markup>> = slice
        .of(groups)
        .iter()
        .map(|group| {
            vec![
                context.area_link(group),
                html! { (group_kind(group)) },
                member_links(context, group),
            ]
        })
        .collect();
    let without_group = members_without_group(context, layer);
    let content = html! {
        (heading("Areas", title))
        p { "Groups of people and organisations that help their community. We list the communities that each group’s published page names. Not all of these groups call themselves " (words::group_nouns(context.index)) "." }
        @if !context.has_data(layer) { (no_data_for_date(context, layer)) }
        @else if rows.is_empty() { p { "No groups on that date." } }
        @else { (table("Groups", &["Group", "Calls itself", "Communities"], rows)) }
        (pagination(slice, &|number| context.link(&format!("/groups?page={number}"))))
        @if !without_group.is_empty() && context.has_data(layer) {
            h2.nhsuk-heading-m { "Communities without a named group" }
            p { "The published page lists these communities but does not name a group. These communities may still have a group:" }
            (list(&without_group))
        }
        (super::area::layer_downloads(context, layer))
        (date_form(context, "/groups", &[]))
    };
    context.page(title, &areas_breadcrumb(context), &content)
}

fn group_kind(group: &Area) -> &str {
    group.kind.as_deref().unwrap_or("group")
}

fn member_links(context: &PageContext<'_>, group: &Area) -> Markup {
    let members = context.index.members(group.layer, &group.id, context.as_of);
    html! {
        @for (index, membership) in members.iter().enumerate() {
            @if index > 0 { ", " }
            (member_link(context, &membership.member))
        }
    }
}

fn member_link(context: &PageContext<'_>, member: &GroupMember) -> Markup {
    match member {
        GroupMember::Practice(code) => context.practice_link(*code),
        GroupMember::Area(layer, id) => context.area_link_by_id(*layer, id),
    }
}

/// Returns links to the communities whose group the source does not specify on the page's date.
fn members_without_group(context: &PageContext<'_>, layer: Layer) -> Vec<Markup> {
    let memberships = context.index.memberships();
    memberships
        .filter(|membership| membership.layer == layer && membership.group.is_none())
        .filter(|membership| membership.period.contains(context.as_of))
        .map(|membership| member_link(context, &membership.member))
        .collect()
}

/// Renders `/groups/{id}`.
pub(crate) fn group(context: &PageContext<'_>, page: &GroupPage<'_>) -> Markup {
    let area = page.area;
    let members = context.index.members(area.layer, &area.id, context.as_of);
    let mut breadcrumb = areas_breadcrumb(context);
    breadcrumb.push((
        context.link("/groups"),
        context.layer_title(area.layer).into(),
    ));
    let content = html! {
        (heading(layer_noun(context.index, area.layer), &display_name(area)))
        (outdated_notice(context, area))
        (facts(context, page))
        h2.nhsuk-heading-m { "Communities" }
        @if members.is_empty() { p { "We do not know the communities of this group on that date." } }
        @else { (table("Communities of this group", &["Community", "Type", "How we know", "When"], members.iter().map(|membership| member_row(context, membership)).collect())) }
        (practices(context, &members))
        @if page.has_boundary {
            h2.nhsuk-heading-m { "Map" }
            p { "The map shows the combined area of the group’s communities." }
            (map_figure(context, area.layer, Some(&area.id), &display_name(area), &format!("Map of the area of {}.", display_name(area))))
        }
        (other_names(context, area))
        (history(context, area, &page.boundaries))
        section.download-links {
            h2.nhsuk-heading-m { "Download" }
            (area_downloads(context, area, page.has_boundary, page.can_be_embedded))
        }
        (date_form(context, &area_path(context.index, area.layer, &area.id), &[]))
    };
    context.page(&display_name(area), &breadcrumb, &content)
}

fn facts(context: &PageContext<'_>, page: &GroupPage<'_>) -> Markup {
    let area = page.area;
    let count: usize = page
        .outcodes
        .iter()
        .map(|outcode| outcode.postcode_count)
        .sum();
    let path = format!(
        "{}/postcodes",
        area_path(context.index, area.layer, &area.id)
    );
    let first_data = context.index.first_data(area.layer);
    summary_list(&[
        ("Calls itself", html! { (group_kind(area)) }),
        ("Code", html! { (area.id) }),
        ("Valid", html! { (area_period_text(area, first_data)) }),
        ("Boundary", provenance(area.provenance)),
        (
            "Postcodes in use",
            html! {
                @if count == 0 { "None" } @else { a href=(context.link(&path)) { (format::count_with_noun(count, "postcode", "postcodes")) } }
            },
        ),
    ])
}

fn member_row(context: &PageContext<'_>, membership: &Membership) -> Vec<Markup> {
    let layer = match &membership.member {
        GroupMember::Practice(_) => context.index.manifest().practice_layer(),
        GroupMember::Area(layer, _) => Some(*layer),
    };
    let noun = layer.map_or("GP practice", |layer| layer_noun(context.index, layer));
    let period = period_text(
        membership.period,
        context.index.first_data(membership.layer),
    );
    let source = match membership.provenance {
        Provenance::Official => "Published by the community",
        Provenance::Derived => "Derived from official data",
        Provenance::Modelled => "Estimated by a model",
        Provenance::Indicative => "As published by the community",
    };
    vec![
        member_link(context, &membership.member),
        html! { (noun) },
        html! { (source) },
        html! { (format::sentence_case(&period)) },
    ]
}

/// Renders the open practices of the group's communities.
fn practices(context: &PageContext<'_>, members: &[&Membership]) -> Markup {
    let (index, date) = (context.index, context.as_of);
    let mut codes = Vec::new();
    for membership in members {
        match &membership.member {
            GroupMember::Practice(code) => codes.push(*code),
            GroupMember::Area(layer, id) => {
                let members_of_area = index.members(*layer, id, date).into_iter();
                codes.extend(
                    members_of_area.filter_map(|membership| match &membership.member {
                        GroupMember::Practice(code) => Some(*code),
                        GroupMember::Area(..) => None,
                    }),
                );
            }
        }
    }
    codes.sort_unstable();
    codes.dedup();
    let practices = codes.into_iter().filter_map(|code| index.practice(code));
    let mut open: Vec<_> = practices
        .filter(|practice| practice.status_on(date) != PracticeStatus::Closed)
        .collect();
    open.sort_by(|a, b| (&a.name, a.code).cmp(&(&b.name, b.code)));
    if open.is_empty() {
        return html! {};
    }
    let items: Vec<Markup> = open
        .iter()
        .map(|practice| context.practice_link(practice.code))
        .collect();
    html! {
        h2.nhsuk-heading-m { "GP practices in these communities" }
        (list(&items))
    }
}
