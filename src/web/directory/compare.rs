//! The page that compares two dates.

use jiff::civil::Date;
use maud::{Markup, html};

use super::super::nhsuk::{Button, Field, Select, button, inset_text, select};
use super::components::{dataset_name, date_field, heading, list, table, tag};
use super::{PageContext, areas_breadcrumb, format, layer_noun, layer_path, with_query};
use catchment_core::domain::{GroupMember, Layer, LayerRole, OdsCode, PracticeStatus};
use catchment_data::diff::{AreaChange, ChangeKind, DateComparison, MembershipMove};

/// The content of the page.
pub(crate) struct ComparePage<'a> {
    pub(crate) layer: Layer,
    pub(crate) from: Option<Date>,
    pub(crate) to: Option<Date>,
    pub(crate) state: CompareState,
    /// The latest dates on which the layer changes, starting with the latest.
    pub(crate) change_dates: &'a [Date],
}

/// The state of the form.
pub(crate) enum CompareState {
    /// A date is missing.
    Empty,
    /// The first date is not before the second date.
    DatesReversed,
    /// The layer has no data for the first date. The value is the first date with data.
    NoDataForDate(Date),
    Changes(DateComparison),
}

/// Renders `/compare`.
pub(crate) fn compare(context: &PageContext<'_>, page: &ComparePage<'_>) -> Markup {
    let title = "Compare two dates";
    let content = html! {
        (heading("Areas", title))
        p { "See which areas began, ended or were redrawn, and which practices opened, closed or moved." }
        (form(context, page))
        (result(context, page))
        (change_dates(context, page))
        p.nhsuk-body-s { "Using " (dataset_name(context)) "." }
    };
    context.undated_page(title, &areas_breadcrumb(context), content)
}

fn form(context: &PageContext<'_>, page: &ComparePage<'_>) -> Markup {
    html! {
        form.compare method="get" action="/compare" {
            @if let Some(version) = context.version { input type="hidden" name="dataset" value=(version); }
            (select(&Select {
                field: Field { id: "layer", name: "layer", label: "Type of area".into(), ..Field::default() },
                options: html! {
                    @for layer in context.index.layers() {
                        option value=(layer) selected[layer == page.layer] { (context.layer_title(layer)) }
                    }
                },
            }))
            (date_field("from", "First date", page.from))
            (date_field("to", "Second date", page.to))
            (button(&Button { text: "Compare", ..Button::default() }))
        }
    }
}

fn result(context: &PageContext<'_>, page: &ComparePage<'_>) -> Markup {
    let (Some(from), Some(to)) = (page.from, page.to) else {
        return html! {};
    };
    let changes = match &page.state {
        CompareState::Empty => return html! {},
        CompareState::DatesReversed => {
            return inset_text(&html! { p { "The first date must be before the second date." } });
        }
        CompareState::NoDataForDate(first) => {
            return inset_text(&html! {
                p { "We have no information on " (context.layer_title(page.layer)) " before " (format::date(*first)) ". Choose that date or a later one." }
            });
        }
        CompareState::Changes(changes) => changes,
    };
    html! {
        h2.nhsuk-heading-m { (context.layer_title(page.layer)) ": from " (format::date(from)) " to " (format::date(to)) }
        @if changes.is_empty() { p { "Nothing changed." } }
        @else {
            (areas(context, page.layer, changes))
            (practices(context, page.layer, changes, to))
            (members(context, changes))
        }
    }
}

fn areas(context: &PageContext<'_>, layer: Layer, changes: &DateComparison) -> Markup {
    if changes.areas.is_empty() {
        return html! { p { "No areas began, ended, were renamed or were redrawn." } };
    }
    let rows: Vec<Vec<Markup>> = changes
        .areas
        .iter()
        .map(|change| {
            vec![
                context.area_link_by_id(layer, &change.id),
                change_tags(change),
                size(change),
            ]
        })
        .collect();
    let transfers: Vec<Markup> = changes
        .transferred
        .iter()
        .map(|transfer| {
            let link = |id: &Option<String>| match id {
                Some(id) => context.area_link_by_id(layer, id),
                None => html! { "no area" },
            };
            html! { (format!("{:.2} km²", transfer.km2)) " from " (link(&transfer.from)) " to " (link(&transfer.to)) }
        })
        .collect();
    html! {
        (table("Areas that changed", &["Area", "Change", "Size"], rows))
        @if !transfers.is_empty() {
            h3.nhsuk-heading-s { "Land that moved between areas" }
            (list(&transfers))
        }
    }
}

fn change_tags(change: &AreaChange) -> Markup {
    let is_redrawn = change.gained_km2 > 0.0 || change.lost_km2 > 0.0;
    let is_renamed = change.old_name != change.new_name;
    match change.change {
        ChangeKind::Added => tag("Began", "green"),
        ChangeKind::Removed => tag("Ended", "grey"),
        ChangeKind::Changed => html! {
            @if is_redrawn { (tag("Redrawn", "yellow")) " " }
            @if is_renamed {
                (tag("Renamed", "blue"))
                " from " (change.old_name.as_deref().unwrap_or_default())
            }
        },
    }
}

fn size(change: &AreaChange) -> Markup {
    let format_km2 = |km2: f64| format!("{km2:.2} km²");
    html! {
        @match (change.old_km2, change.new_km2) {
            (Some(old), Some(new)) if change.gained_km2 > 0.0 || change.lost_km2 > 0.0 => {
                (format_km2(old)) " before, " (format_km2(new)) " after: " (format_km2(change.gained_km2)) " gained, " (format_km2(change.lost_km2)) " lost"
            }
            (Some(_), Some(_)) => { "No change" }
            (None, Some(new)) => { (format_km2(new)) }
            (Some(old), None) => { (format_km2(old)) " before" }
            (None, None) => { "Not known" }
        }
    }
}

fn practices(
    context: &PageContext<'_>,
    layer: Layer,
    changes: &DateComparison,
    to: Date,
) -> Markup {
    if changes.practices.is_empty() {
        return html! { p { "No practices opened or closed." } };
    }
    let rows: Vec<Vec<Markup>> = changes
        .practices
        .iter()
        .map(|change| {
            vec![
                context.practice_link(change.code),
                match change.new {
                    PracticeStatus::Active => tag("Opened", "green"),
                    PracticeStatus::Closed => tag("Closed", "grey"),
                    PracticeStatus::Dormant => tag("Dormant", "yellow"),
                    PracticeStatus::Proposed => tag("Not yet open", "blue"),
                },
                areas_of_practice(context, change.code, layer, to),
                successors(context, change.code),
            ]
        })
        .collect();
    let columns = [
        "Practice",
        "Change",
        layer_noun(context.index, layer),
        "Patients moved to",
    ];
    let columns = match context.index.role(layer) {
        Some(LayerRole::PracticeCatchment) => {
            ["Practice", "Change", "Community", "Patients moved to"]
        }
        _ => columns,
    };
    html! {
        (table("Practices that opened or closed", &columns, rows))
    }
}

/// Renders the areas of a layer to which a practice belongs. For the layer of practices, renders
/// the community of the practice.
fn areas_of_practice(context: &PageContext<'_>, code: OdsCode, layer: Layer, date: Date) -> Markup {
    let layers = match context.index.role(layer) {
        Some(LayerRole::PracticeCatchment) => context.index.community_layers().to_vec(),
        _ => vec![layer],
    };
    let key = GroupMember::Practice(code);
    let groups: Vec<(Layer, &str)> = layers
        .into_iter()
        .flat_map(|layer| {
            let memberships: Vec<_> = context.index.memberships_of(&key, layer, date).collect();
            let ids = memberships
                .into_iter()
                .filter_map(|membership| membership.group.as_deref());
            ids.map(|id| (layer, id)).collect::<Vec<_>>()
        })
        .collect();
    html! {
        @if groups.is_empty() { "–" }
        @for (index, (layer, id)) in groups.iter().enumerate() {
            @if index > 0 { ", " }
            (context.area_link_by_id(*layer, id))
        }
    }
}

fn successors(context: &PageContext<'_>, code: OdsCode) -> Markup {
    let successions = context.index.successors(code);
    html! {
        @if successions.is_empty() { "–" }
        @for (index, succession) in successions.iter().enumerate() {
            @if index > 0 { ", " }
            (context.practice_link(succession.successor))
        }
    }
}

fn members(context: &PageContext<'_>, changes: &DateComparison) -> Markup {
    if changes.members.is_empty() {
        return html! {};
    }
    let rows: Vec<Vec<Markup>> = changes
        .members
        .iter()
        .map(|change| {
            vec![
                member_link(context, change),
                group_links(context, change.layer, &change.left),
                group_links(context, change.layer, &change.joined),
            ]
        })
        .collect();
    html! {
        (table("Members that moved", &["Member", "Left", "Joined"], rows))
    }
}

fn member_link(context: &PageContext<'_>, change: &MembershipMove) -> Markup {
    let manifest = context.index.manifest();
    let is_area = |layer: &Layer| !manifest.has_role(*layer, LayerRole::PracticeCatchment);
    match (change.member_layer.filter(is_area), change.member.parse()) {
        (None, Ok(code)) => context.practice_link(code),
        (None, Err(_)) => html! { (change.member) },
        (Some(layer), _) => context.area_link_by_id(layer, &change.member),
    }
}

fn group_links(context: &PageContext<'_>, layer: Layer, ids: &[Option<String>]) -> Markup {
    html! {
        @if ids.is_empty() { "–" }
        @for (index, id) in ids.iter().enumerate() {
            @if index > 0 { ", " }
            @match id { Some(id) => (context.area_link_by_id(layer, id)), None => "none named" }
        }
    }
}

/// Renders a link for each change date. The link leads to the comparison of that date with the
/// previous day.
fn change_dates(context: &PageContext<'_>, page: &ComparePage<'_>) -> Markup {
    let layer = page.layer;
    let items: Vec<Markup> = page
        .change_dates
        .iter()
        .filter_map(|date| {
            let before = date.yesterday().ok()?.to_string();
            let after = date.to_string();
            let mut parameters = vec![("layer", layer.as_str()), ("from", &before), ("to", &after)];
            parameters.extend(context.version.map(|version| ("dataset", version)));
            let href = with_query("/compare", &parameters);
            Some(html! { a href=(href) { (format::date(*date)) } })
        })
        .collect();
    html! {
        h2.nhsuk-heading-m { "Dates with changes" }
        @if items.is_empty() { p { "We do not know of any changes to " a href=(context.link(&layer_path(context.index, layer))) { (context.layer_title(layer)) } "." } }
        @else {
            p { "Changes to " a href=(context.link(&layer_path(context.index, layer))) { (context.layer_title(layer)) } " and their practices. Each link compares a date with the day before:" }
            (list(&items))
        }
    }
}
