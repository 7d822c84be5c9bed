//! What changed between two days.

use jiff::civil::Date;
use maud::{Markup, html};

use super::super::nhsuk::{Button, Field, Select, button, inset_text, select};
use super::components::{dataset_words, day_field, heading, list, table, tag, with_query};
use super::{Setting, format, one_of, path_of_layer};
use crate::diff::{AreaChange, Between, Change, MemberMove};
use crate::domain::{Layer, Member, OdsCode, PracticeStatus};

/// A comparison, or the form for one.
pub(crate) struct ComparePage<'a> {
    pub(crate) layer: Layer,
    pub(crate) from: Option<Date>,
    pub(crate) to: Option<Date>,
    pub(crate) outcome: Compared,
    /// The last days on which something changes in the layer, the latest first.
    pub(crate) days: &'a [Date],
}

/// What became of the question.
pub(crate) enum Compared {
    /// A day is missing.
    Unasked,
    /// The first day is not before the second.
    WrongOrder,
    /// Nothing is known of the layer on the first day.
    NoData(Date),
    /// This.
    Between(Between),
}

/// `/compare`.
pub(crate) fn compare(setting: &Setting<'_>, page: &ComparePage<'_>) -> Markup {
    let title = "Compare two days";
    let content = html! {
        (heading("Areas", title))
        p { "What began, ended or was redrawn, and which practices opened, closed or moved." }
        (form(setting, page))
        (result(setting, page))
        (days(setting, page))
        p.nhsuk-body-s { "From " (dataset_words(setting)) "." }
    };
    let trail = [
        ("/".to_string(), "Look up".to_string()),
        (setting.link("/areas"), "Areas".into()),
    ];
    setting.page_of_days(title, &trail, content)
}

fn form(setting: &Setting<'_>, page: &ComparePage<'_>) -> Markup {
    html! {
        form.compare method="get" action="/compare" {
            @if let Some(version) = setting.version { input type="hidden" name="dataset" value=(version); }
            (select(&Select {
                field: Field { id: "layer", name: "layer", label: "What to compare".into(), ..Field::default() },
                options: html! {
                    @for layer in setting.index.layers() {
                        option value=(layer) selected[layer == page.layer] { (setting.title_of(layer)) }
                    }
                },
            }))
            (day_field("from", "First day", page.from))
            (day_field("to", "Second day", page.to))
            (button(&Button { text: "Compare", ..Button::default() }))
        }
    }
}

fn result(setting: &Setting<'_>, page: &ComparePage<'_>) -> Markup {
    let (Some(from), Some(to)) = (page.from, page.to) else {
        return html! {};
    };
    let between = match &page.outcome {
        Compared::Unasked => return html! {},
        Compared::WrongOrder => {
            return inset_text(&html! { p { "The first day should be before the second." } });
        }
        Compared::NoData(first) => {
            return inset_text(&html! {
                p { "Nothing is known of " (setting.title_of(page.layer)) " before " (format::date(*first)) ". Choose that day or a later one." }
            });
        }
        Compared::Between(between) => between,
    };
    html! {
        h2.nhsuk-heading-m { (setting.title_of(page.layer)) ": from " (format::date(from)) " to " (format::date(to)) }
        @if between.is_empty() { p { "Nothing changed." } }
        @else {
            (areas(setting, page.layer, between))
            (practices(setting, page.layer, between, to))
            (members(setting, between))
        }
    }
}

fn areas(setting: &Setting<'_>, layer: Layer, between: &Between) -> Markup {
    if between.areas.is_empty() {
        return html! { p { "No area began, ended, was renamed or redrawn." } };
    }
    let rows: Vec<Vec<Markup>> = between
        .areas
        .iter()
        .map(|it| {
            vec![
                setting.to_area_of(layer, &it.id),
                what_became(it),
                ground(it),
            ]
        })
        .collect();
    let moved: Vec<Markup> = between
        .moved
        .iter()
        .map(|it| {
            let named = |id: &Option<String>| match id {
                Some(id) => setting.to_area_of(layer, id),
                None => html! { "nobody" },
            };
            html! { (format!("{:.2} km²", it.km2)) " from " (named(&it.from)) " to " (named(&it.to)) }
        })
        .collect();
    html! {
        (table("Areas that changed", &["Area", "What", "Ground"], rows))
        @if !moved.is_empty() {
            h3.nhsuk-heading-s { "Ground that moved" }
            (list(&moved))
        }
    }
}

fn what_became(change: &AreaChange) -> Markup {
    let is_redrawn = change.gained_km2 > 0.0 || change.lost_km2 > 0.0;
    let is_renamed = change.old_name != change.new_name;
    match change.change {
        Change::Added => tag("Began", "green"),
        Change::Removed => tag("Ended", "grey"),
        Change::Changed => html! {
            @if is_redrawn { (tag("Redrawn", "yellow")) " " }
            @if is_renamed {
                (tag("Renamed", "blue"))
                " before: " (change.old_name.as_deref().unwrap_or_default())
            }
        },
    }
}

fn ground(change: &AreaChange) -> Markup {
    let km2 = |size: f64| format!("{size:.2} km²");
    html! {
        @match (change.old_km2, change.new_km2) {
            (Some(old), Some(new)) if change.gained_km2 > 0.0 || change.lost_km2 > 0.0 => {
                (km2(old)) " before, " (km2(new)) " after: " (km2(change.gained_km2)) " gained, " (km2(change.lost_km2)) " lost"
            }
            (Some(_), Some(_)) => { "The same" }
            (None, Some(new)) => { (km2(new)) }
            (Some(old), None) => { (km2(old)) " before" }
            (None, None) => { "Not known" }
        }
    }
}

fn practices(setting: &Setting<'_>, layer: Layer, between: &Between, to: Date) -> Markup {
    if between.practices.is_empty() {
        return html! { p { "No practice opened or closed." } };
    }
    let rows: Vec<Vec<Markup>> = between
        .practices
        .iter()
        .map(|it| {
            vec![
                setting.to_practice(it.code),
                match it.new {
                    PracticeStatus::Active => tag("Opened", "green"),
                    PracticeStatus::Closed => tag("Closed", "grey"),
                    PracticeStatus::Dormant => tag("Dormant", "yellow"),
                    PracticeStatus::Proposed => tag("Not yet open", "blue"),
                },
                groups_of(setting, it.code, layer, to),
                successors(setting, it.code),
            ]
        })
        .collect();
    let columns = ["Practice", "What", one_of(layer), "Its patients went to"];
    let columns = match layer {
        Layer::GpPractice => ["Practice", "What", "Community", "Its patients went to"],
        _ => columns,
    };
    html! {
        (table("Practices that opened or closed", &columns, rows))
    }
}

/// The areas of the layer that a practice belongs to; of practices themselves, its community.
fn groups_of(setting: &Setting<'_>, code: OdsCode, layer: Layer, day: Date) -> Markup {
    let layers = match layer {
        Layer::GpPractice => vec![Layer::Icc, Layer::NeighbourhoodTeam],
        layer => vec![layer],
    };
    let key = Member::Practice(code);
    let groups: Vec<(Layer, &str)> = layers
        .into_iter()
        .flat_map(|layer| {
            let memberships: Vec<_> = setting.index.memberships_of(&key, layer, day).collect();
            let ids = memberships.into_iter().filter_map(|it| it.group.as_deref());
            ids.map(|id| (layer, id)).collect::<Vec<_>>()
        })
        .collect();
    html! {
        @if groups.is_empty() { "–" }
        @for (at, (layer, id)) in groups.iter().enumerate() {
            @if at > 0 { ", " }
            (setting.to_area_of(*layer, id))
        }
    }
}

fn successors(setting: &Setting<'_>, code: OdsCode) -> Markup {
    let steps = setting.index.successors(code);
    html! {
        @if steps.is_empty() { "–" }
        @for (at, step) in steps.iter().enumerate() {
            @if at > 0 { ", " }
            (setting.to_practice(step.successor))
        }
    }
}

fn members(setting: &Setting<'_>, between: &Between) -> Markup {
    if between.members.is_empty() {
        return html! {};
    }
    let rows: Vec<Vec<Markup>> = between
        .members
        .iter()
        .map(|it| {
            vec![
                member(setting, it),
                groups(setting, it.layer, &it.left),
                groups(setting, it.layer, &it.joined),
            ]
        })
        .collect();
    html! {
        (table("Members that moved", &["Who", "Left", "Joined"], rows))
    }
}

fn member(setting: &Setting<'_>, moved: &MemberMove) -> Markup {
    match (moved.member_layer, moved.member.parse()) {
        (Layer::GpPractice, Ok(code)) => setting.to_practice(code),
        (layer, _) => setting.to_area_of(layer, &moved.member),
    }
}

fn groups(setting: &Setting<'_>, layer: Layer, ids: &[Option<String>]) -> Markup {
    html! {
        @if ids.is_empty() { "–" }
        @for (at, id) in ids.iter().enumerate() {
            @if at > 0 { ", " }
            @match id { Some(id) => (setting.to_area_of(layer, id)), None => "none named" }
        }
    }
}

/// Days on which there is something to see.
fn days(setting: &Setting<'_>, page: &ComparePage<'_>) -> Markup {
    let layer = page.layer;
    let items: Vec<Markup> = page
        .days
        .iter()
        .filter_map(|day| {
            let before = day.yesterday().ok()?.to_string();
            let day_text = day.to_string();
            let mut pairs = vec![
                ("layer", layer.as_str()),
                ("from", &before),
                ("to", &day_text),
            ];
            pairs.extend(setting.version.map(|version| ("dataset", version)));
            let href = with_query("/compare", &pairs);
            Some(html! { a href=(href) { (format::date(*day)) } })
        })
        .collect();
    html! {
        h2.nhsuk-heading-m { "Days on which something changed" }
        @if items.is_empty() { p { "None is known of " a href=(setting.link(&path_of_layer(layer))) { (setting.title_of(layer)) } "." } }
        @else {
            p { "In " a href=(setting.link(&path_of_layer(layer))) { (setting.title_of(layer)) } " and their practices, each compared with the day before:" }
            (list(&items))
        }
    }
}
