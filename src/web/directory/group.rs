//! Resilience groups, and a group.

use maud::{Markup, html};

use super::super::nhsuk::summary_list;
use super::area::{area_downloads, history};
use super::components::{
    Part, day_form, heading, list, map, not_of_the_day, pagination, period_words, provenance, table,
};
use super::{Setting, called, format, one_of, path_of};
use crate::domain::{Area, Boundary, Layer, Member, Membership, PracticeStatus, Provenance};
use crate::index::OutcodeIn;

const LAYER: Layer = Layer::ResilienceGroup;

/// A group with what is looked up for its page.
pub(crate) struct GroupPage<'i> {
    /// In its version of the day, or its last.
    pub(crate) area: &'i Area,
    /// Whether there is ground to be shown for it.
    pub(crate) has_ground: bool,
    pub(crate) outcodes: Vec<OutcodeIn>,
    pub(crate) boundaries: Vec<&'i Boundary>,
    pub(crate) can_be_embedded: bool,
}

fn above(setting: &Setting<'_>) -> Vec<(String, String)> {
    vec![
        ("/".into(), "Look up".into()),
        (setting.link("/areas"), "Areas".into()),
    ]
}

/// `/groups`: the groups of the day in order of name, and who is known to have none named.
pub(crate) fn groups(setting: &Setting<'_>, groups: &[&Area], part: Part) -> Markup {
    let title = setting.title_of(LAYER);
    let rows: Vec<Vec<Markup>> = part
        .of(groups)
        .iter()
        .map(|group| {
            vec![
                setting.to_area(group),
                html! { (kind_of(group)) },
                members_in_words(setting, group),
            ]
        })
        .collect();
    let without = without_groups(setting);
    let content = html! {
        (heading("Areas", title))
        p { "Groups of people and organisations that help in a community. Which communities a group is for is as its published page says; not every one calls itself a resilience group." }
        @if rows.is_empty() { p { "None on that day." } }
        @else { (table("In order of name", &["Group", "Calls itself", "For"], rows)) }
        (pagination(part, &|number| setting.link(&format!("/groups?page={number}"))))
        @if !without.is_empty() {
            h2.nhsuk-heading-m { "Where none is named" }
            p { "The published page lists these and names no group. That is not the same as having none:" }
            (list(&without))
        }
        (super::area::layer_downloads(setting, LAYER))
        (day_form(setting, "/groups", &[]))
    };
    setting.page(title, &above(setting), &content)
}

fn kind_of(group: &Area) -> &str {
    group.kind.as_deref().unwrap_or("group")
}

fn members_in_words(setting: &Setting<'_>, group: &Area) -> Markup {
    let members = setting.index.members(LAYER, &group.id, setting.as_of);
    html! {
        @for (at, membership) in members.iter().enumerate() {
            @if at > 0 { ", " }
            (member(setting, &membership.member))
        }
    }
}

fn member(setting: &Setting<'_>, member: &Member) -> Markup {
    match member {
        Member::Practice(code) => setting.to_practice(*code),
        Member::Area(layer, id) => setting.to_area_of(*layer, id),
    }
}

/// Members of a group that the source does not name, on the day.
fn without_groups(setting: &Setting<'_>) -> Vec<Markup> {
    let memberships = setting.index.memberships();
    memberships
        .filter(|it| it.layer == LAYER && it.group.is_none() && it.period.contains(setting.as_of))
        .map(|it| member(setting, &it.member))
        .collect()
}

/// `/groups/{id}`.
pub(crate) fn group(setting: &Setting<'_>, page: &GroupPage<'_>) -> Markup {
    let area = page.area;
    let members = setting.index.members(LAYER, &area.id, setting.as_of);
    let mut trail = above(setting);
    trail.push((setting.link("/groups"), setting.title_of(LAYER).into()));
    let content = html! {
        (heading(one_of(LAYER), &called(area)))
        (not_of_the_day(setting, area))
        (facts(setting, page))
        h2.nhsuk-heading-m { "Who it is for" }
        @if members.is_empty() { p { "No member of it is known for that day." } }
        @else { (table("Its communities", &["Community", "Kind", "How this is known", "When"], members.iter().map(|it| member_row(setting, it)).collect())) }
        (practices(setting, &members))
        @if page.has_ground {
            h2.nhsuk-heading-m { "Map" }
            p { "The ground of its communities together." }
            (map(setting, LAYER, Some(&area.id), &called(area), &format!("Map of the area of {}.", called(area))))
        }
        (history(setting, area, &page.boundaries))
        section.to-take-away {
            h2.nhsuk-heading-m { "Take it away" }
            (area_downloads(setting, area, page.has_ground, page.can_be_embedded))
        }
        (day_form(setting, &path_of(LAYER, &area.id), &[]))
    };
    setting.page(&called(area), &trail, &content)
}

fn facts(setting: &Setting<'_>, page: &GroupPage<'_>) -> Markup {
    let area = page.area;
    let count: usize = page.outcodes.iter().map(|it| it.postcodes).sum();
    let path = format!("{}/postcodes", path_of(LAYER, &area.id));
    let first_data = setting.index.first_data(LAYER);
    summary_list(&[
        ("Calls itself", html! { (kind_of(area)) }),
        ("Code", html! { (area.id) }),
        ("Valid", html! { (period_words(area.period, first_data)) }),
        ("Boundary", provenance(area.provenance)),
        (
            "Postcodes in use",
            html! {
                @if count == 0 { "None" } @else { a href=(setting.link(&path)) { (format::counted(count, "postcode", "postcodes")) } }
            },
        ),
    ])
}

fn member_row(setting: &Setting<'_>, membership: &Membership) -> Vec<Markup> {
    let kind = match &membership.member {
        Member::Practice(_) => Layer::GpPractice,
        Member::Area(layer, _) => *layer,
    };
    let known = match membership.provenance {
        Provenance::Official => "as published by the community",
        Provenance::Derived => "follows from official data",
        Provenance::Modelled => "estimated by a model",
        Provenance::Indicative => "taken from open sources",
    };
    vec![
        member(setting, &membership.member),
        html! { (one_of(kind)) },
        html! { (known) },
        html! { (period_words(membership.period, setting.index.first_data(LAYER))) },
    ]
}

/// The open practices whose patients the group is for.
fn practices(setting: &Setting<'_>, members: &[&Membership]) -> Markup {
    let (index, day) = (setting.index, setting.as_of);
    let mut codes = Vec::new();
    for membership in members {
        match &membership.member {
            Member::Practice(code) => codes.push(*code),
            Member::Area(layer, id) => {
                let of_area = index.members(*layer, id, day).into_iter();
                codes.extend(of_area.filter_map(|it| match &it.member {
                    Member::Practice(code) => Some(*code),
                    Member::Area(..) => None,
                }));
            }
        }
    }
    codes.sort_unstable();
    codes.dedup();
    let practices = codes.into_iter().filter_map(|code| index.practice(code));
    let mut open: Vec<_> = practices
        .filter(|it| it.status_on(day) != PracticeStatus::Closed)
        .collect();
    open.sort_by(|a, b| (&a.name, a.code).cmp(&(&b.name, b.code)));
    if open.is_empty() {
        return html! {};
    }
    let items: Vec<Markup> = open.iter().map(|it| setting.to_practice(it.code)).collect();
    html! {
        h2.nhsuk-heading-m { "GP practices of its communities" }
        (list(&items))
    }
}
