//! Layers, a layer's areas, and an area.

use maud::{Markup, html};

use super::super::lookup_result::telephone;
use super::super::nhsuk::{details, summary_list};
use super::components::{
    Part, day_form, heading, list, list_size_words, map, not_of_the_day, pagination, period_words,
    provenance, status_tag, table, with_query,
};
use super::{Setting, called, components, format, one_of, path_of, path_of_layer};
use crate::domain::{
    Area, Boundary, Layer, Lineage, Member, OdsCode, Practice, PracticeStatus, Relation,
};
use crate::index::{Bordering, OutcodeIn};

/// A layer with its areas of the day, in order of name.
pub(crate) struct LayerPage<'i> {
    pub(crate) layer: Layer,
    pub(crate) areas: Vec<&'i Area>,
    pub(crate) part: Part,
    /// Whether there is a map of all of it.
    pub(crate) has_map: bool,
}

/// An area with what is looked up for its page.
pub(crate) struct AreaPage<'i> {
    /// In its version of the day, or its last.
    pub(crate) area: &'i Area,
    /// Of the day.
    pub(crate) km2: Option<f64>,
    pub(crate) neighbours: Vec<Bordering<'i>>,
    /// Of postcodes in use on the day.
    pub(crate) outcodes: Vec<OutcodeIn>,
    /// Of every time.
    pub(crate) boundaries: Vec<&'i Boundary>,
    /// Whether the page for other sites' editors can show it.
    pub(crate) can_be_embedded: bool,
}

fn above(setting: &Setting<'_>) -> Vec<(String, String)> {
    vec![
        ("/".into(), "Look up".into()),
        (setting.link("/areas"), "Areas".into()),
    ]
}

pub(super) fn above_area(setting: &Setting<'_>, layer: Layer) -> Vec<(String, String)> {
    let mut trail = above(setting);
    trail.push((
        setting.link(&path_of_layer(layer)),
        setting.title_of(layer).into(),
    ));
    trail
}

/// `/areas`: what the dataset knows.
pub(crate) fn layers(setting: &Setting<'_>) -> Markup {
    let index = setting.index;
    let rows: Vec<Vec<Markup>> = index
        .layers()
        .map(|layer| {
            let areas = index.areas(layer, setting.as_of);
            let count = areas.map_or(0, Iterator::count);
            let first = index.first_data(layer);
            let first = first.filter(|_| !setting.is_known(layer));
            let from = layer_provenance(setting, layer);
            let title = setting.title_of(layer);
            vec![
                match first {
                    Some(_) => html! { (title) },
                    None => html! { a href=(setting.link(&path_of_layer(layer))) { (title) } },
                },
                match first {
                    Some(first) => html! { "Nothing is known before " (format::date(first)) },
                    None => html! { (count) },
                },
                html! { (from) },
            ]
        })
        .collect();
    let content = html! {
        h1.nhsuk-heading-l { "Areas, practices and groups" }
        p { "Everything that this service knows, a page for each." }
        (table("Kinds of area", &["Kind", "How many", "Where its boundaries come from"], rows))
        ul.nhsuk-list {
            li { a href=(setting.link_in_dataset("/compare", &[])) { "Compare two days" } ": what began, ended or was redrawn" }
            li { a href="/ogc?f=html" { "Areas for GIS" } " (OGC API Features)" }
            li { a href=(setting.link("/api/v1/areas")) { "The same as JSON" } }
        }
        (day_form(setting, "/areas", &[]))
    };
    let trail = [("/".to_string(), "Look up".to_string())];
    setting.page("Areas, practices and groups", &trail, &content)
}

fn layer_provenance(setting: &Setting<'_>, layer: Layer) -> Markup {
    let mut entries = setting.index.manifest().layers.iter();
    let entry = entries.find(|entry| entry.id == layer.as_str());
    let known = entry.and_then(|entry| crate::domain::Provenance::from_word(&entry.provenance));
    html! { @if let Some(known) = known { (provenance(known)) } }
}

/// `/areas/{layer}`.
pub(crate) fn layer(setting: &Setting<'_>, page: &LayerPage<'_>) -> Markup {
    let layer = page.layer;
    let title = setting.title_of(layer);
    let path = path_of_layer(layer);
    let shown = page.part.of(&page.areas);
    let content = html! {
        (heading("Areas", title))
        p { (layer_provenance(setting, layer)) }
        @for (system, areas) in by_system(shown) {
            @if let Some(system) = &system { h2.nhsuk-heading-m { (system) } }
            ul.nhsuk-list.nhsuk-list--bullet {
                @for area in areas { li { (setting.to_area(area)) } }
            }
        }
        @if shown.is_empty() { p { "None on that day." } }
        (pagination(page.part, &|number| {
            setting.link(&format!("{path}?page={number}"))
        }))
        @if page.has_map { (map(setting, layer, None, title, &map_words(&page.areas, title))) }
        (layer_downloads(setting, layer))
        (day_form(setting, &path, &[]))
    };
    setting.page(title, &above(setting), &content)
}

fn map_words(areas: &[&Area], title: &str) -> String {
    format!(
        "Map: {title}, {}. Their names are on this page and those after it.",
        format::counted(areas.len(), "area", "areas")
    )
}

/// Areas under the system that they belong to, in the order given.
fn by_system<'i>(areas: &[&'i Area]) -> Vec<(Option<String>, Vec<&'i Area>)> {
    let mut systems: Vec<(Option<String>, Vec<&Area>)> = Vec::new();
    for &area in areas {
        let name = area.system.as_deref().map(format::system);
        match systems.iter_mut().find(|(system, _)| *system == name) {
            Some((_, areas)) => areas.push(area),
            None => systems.push((name, vec![area])),
        }
    }
    systems
}

pub(super) fn layer_downloads(setting: &Setting<'_>, layer: Layer) -> Markup {
    let (index, day) = (setting.index, setting.as_of);
    if index.first_data(layer).is_none_or(|first| day < first) {
        return html! {};
    }
    let has_ground = index.boundaries_ever(layer).next().is_some();
    html! {
        section.to-take-away {
        h2.nhsuk-heading-m { "Take it away" }
        ul.nhsuk-list.nhsuk-list--bullet {
            @if has_ground {
                li { a href=(setting.link(&format!("/api/v1/areas/{layer}.geojson"))) { "All boundaries (GeoJSON)" } }
                li { a href={ "/ogc/collections/" (layer) "?f=html" } { "For GIS (OGC API Features)" } }
            }
            li { a href=(setting.link(&format!("/api/v1/areas/{layer}"))) { "The list (JSON)" } }
            li { a href=(setting.link_in_dataset("/compare", &[("layer", layer.as_str())])) { "Compare two days" } }
        } }
    }
}

/// `/areas/{layer}/{id}`.
pub(crate) fn area(setting: &Setting<'_>, page: &AreaPage<'_>) -> Markup {
    let area = page.area;
    let name = called(area);
    let content = html! {
        (heading(one_of(area.layer), &name))
        (not_of_the_day(setting, area))
        (facts(setting, page))
        (picture(setting, page))
        (practices(setting, area))
        (parts_of(setting, area))
        (groups(setting, area))
        (neighbours(setting, &page.neighbours, &name))
        (history(setting, area, &page.boundaries))
        (downloads(setting, page))
        (day_form(setting, &path_of(area.layer, &area.id), &[]))
    };
    setting.page(&name, &above_area(setting, area.layer), &content)
}

fn facts(setting: &Setting<'_>, page: &AreaPage<'_>) -> Markup {
    let area = page.area;
    let mut rows = vec![
        ("Kind", html! { (one_of(area.layer)) }),
        ("Code", html! { (area.id) }),
    ];
    if let Some(system) = &area.system {
        rows.push(("Health system", html! { (format::system(system)) }));
    }
    for (layer, id) in member_of(setting, area) {
        rows.push((one_of(layer), setting.to_area_of(layer, id)));
    }
    let first_data = setting.index.first_data(area.layer);
    rows.push(("Valid", html! { (period_words(area.period, first_data)) }));
    rows.push(("Boundary", provenance(area.provenance)));
    if let Some(km2) = page.km2 {
        rows.push(("Size", html! { (size_words(km2)) }));
    }
    rows.push(("Postcodes in use", postcode_count(setting, page)));
    if let Some(people) = registered(setting, area) {
        rows.push((
            "Registered patients",
            html! { (people) " on its practices’ lists" (list_size_words(setting)) },
        ));
    }
    summary_list(&rows)
}

fn size_words(km2: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "Great Britain has 230,000"
    )]
    match km2 < 10.0 {
        true => format!("{km2:.1} km²"),
        false => format!("{} km²", format::count(km2.round() as usize)),
    }
}

fn postcode_count(setting: &Setting<'_>, page: &AreaPage<'_>) -> Markup {
    let count: usize = page.outcodes.iter().map(|it| it.postcodes).sum();
    let path = format!("{}/postcodes", path_of(page.area.layer, &page.area.id));
    html! {
        @if count == 0 { "None" } @else {
            a href=(setting.link(&path)) { (format::counted(count, "postcode", "postcodes")) }
            " of " (page.outcodes.iter().map(|it| it.outcode.as_str()).collect::<Vec<_>>().join(", "))
        }
    }
}

/// The groups of other layers that it is a part of, but for resilience groups.
fn member_of<'i>(setting: &Setting<'i>, area: &Area) -> Vec<(Layer, &'i str)> {
    let (index, day) = (setting.index, setting.as_of);
    let key = Member::Area(area.layer, area.id.clone());
    let layers = index.layers().filter(|it| *it != Layer::ResilienceGroup);
    let groups = layers.flat_map(|layer| {
        let memberships: Vec<_> = index.memberships_of(&key, layer, day).collect();
        memberships
            .into_iter()
            .filter_map(move |it| Some((layer, it.group.as_deref()?)))
    });
    groups.collect()
}

/// Patients of its practices that are open on the day, where a list is known.
fn registered(setting: &Setting<'_>, area: &Area) -> Option<String> {
    let members = members(setting, area).into_iter();
    let open = members.filter(|it| it.status_on(setting.as_of) != PracticeStatus::Closed);
    let lists: Vec<u32> = open.filter_map(|practice| practice.list_size).collect();
    let sum: u32 = lists.iter().sum();
    (!lists.is_empty()).then(|| format::count(sum as usize))
}

/// The practices that belong to it on the day, in order of name.
fn members<'i>(setting: &Setting<'i>, area: &Area) -> Vec<&'i Practice> {
    let index = setting.index;
    let members = index
        .members(area.layer, &area.id, setting.as_of)
        .into_iter();
    let mut practices: Vec<&Practice> = members
        .filter_map(|membership| match &membership.member {
            Member::Practice(code) => index.practice(*code),
            Member::Area(..) => None,
        })
        .collect();
    practices.sort_by(|a, b| (&a.name, a.code).cmp(&(&b.name, b.code)));
    practices
}

fn picture(setting: &Setting<'_>, page: &AreaPage<'_>) -> Markup {
    let area = page.area;
    if page.km2.is_none() {
        return html! {
            h2.nhsuk-heading-m { "Map" }
            p { "No boundary of it is known for that day." }
        };
    }
    let around: Vec<String> = page.neighbours.iter().map(|it| called(it.area)).collect();
    let description = match around.is_empty() {
        true => format!("Map of {}.", called(area)),
        false => format!("Map of {}. Around it: {}.", called(area), around.join(", ")),
    };
    html! {
        h2.nhsuk-heading-m { "Map" }
        (map(setting, area.layer, Some(&area.id), &called(area), &description))
    }
}

/// A longer list is for the page of practices.
const PRACTICES_MAX: usize = 50;

fn practices(setting: &Setting<'_>, area: &Area) -> Markup {
    let all = members(setting, area);
    if all.is_empty() {
        return html! {};
    }
    let is_open = |it: &&Practice| it.status_on(setting.as_of) != PracticeStatus::Closed;
    let (open, closed): (Vec<&Practice>, Vec<&Practice>) = all.into_iter().partition(is_open);
    let choice = format!("{}/{}", area.layer, area.id);
    let all_of_them = setting.link(&with_query("/practices", &[("area", choice.as_str())]));
    let rows: Vec<Vec<Markup>> = open
        .iter()
        .take(PRACTICES_MAX)
        .map(|practice| practice_row(setting, practice))
        .collect();
    html! {
        h2.nhsuk-heading-m { "GP practices" }
        p { "Everyone registered with one of these practices belongs to " (called(area)) ", wherever they live." }
        (table("Practices that have not closed", &PRACTICE_COLUMNS, rows))
        @if open.len() > PRACTICES_MAX {
            p { a href=(all_of_them) { "All " (open.len()) " practices" } }
        }
        @if !closed.is_empty() {
            (details(
                &html! { (format::counted(closed.len(), "practice", "practices")) " that closed" },
                false,
                false,
                &list(&closed.iter().map(|it| closed_practice(setting, it)).collect::<Vec<_>>()),
            ))
        }
    }
}

pub(super) const PRACTICE_COLUMNS: [&str; 4] = ["Practice", "Status", "Telephone", "Postcode"];

pub(super) fn practice_row(setting: &Setting<'_>, practice: &Practice) -> Vec<Markup> {
    vec![
        setting.to_practice(practice.code),
        status_tag(practice.status_on(setting.as_of)),
        html! { @match &practice.telephone { Some(number) => (telephone(number)), None => "–" } },
        html! { @match practice.postcode { Some(postcode) => (postcode), None => "–" } },
    ]
}

fn closed_practice(setting: &Setting<'_>, practice: &Practice) -> Markup {
    let successors: Vec<OdsCode> = setting
        .index
        .successors(practice.code)
        .iter()
        .map(|step| step.successor)
        .collect();
    html! {
        (setting.to_practice(practice.code))
        @if let Some(closed) = practice.closed { ", last day " (format::date(closed)) }
        @for successor in successors { "; its patients went to " (setting.to_practice(successor)) }
    }
}

/// The areas that are parts of it.
fn parts_of(setting: &Setting<'_>, area: &Area) -> Markup {
    let members = setting
        .index
        .members(area.layer, &area.id, setting.as_of)
        .into_iter();
    let parts: Vec<(Layer, &str)> = members
        .filter_map(|membership| match &membership.member {
            Member::Area(layer, id) => Some((*layer, id.as_str())),
            Member::Practice(_) => None,
        })
        .collect();
    if parts.is_empty() {
        return html! {};
    }
    let items: Vec<Markup> = parts
        .iter()
        .map(|(layer, id)| html! { (setting.to_area_of(*layer, id)) " (" (one_of(*layer)) ")" })
        .collect();
    html! { h2.nhsuk-heading-m { "Its parts" } (list(&items)) }
}

/// Layers whose areas have resilience groups, where a source names them.
const WITH_GROUPS: [Layer; 3] = [Layer::Icc, Layer::SubCommunity, Layer::NeighbourhoodTeam];

fn groups(setting: &Setting<'_>, area: &Area) -> Markup {
    let (index, day) = (setting.index, setting.as_of);
    let groups_layer = Layer::ResilienceGroup;
    let Some(first_data) = index.first_data(groups_layer) else {
        return html! {};
    };
    if !WITH_GROUPS.contains(&area.layer) {
        return html! {};
    }
    let own = groups_of(setting, area);
    let parts = index.members(area.layer, &area.id, day).into_iter();
    let of_parts: Vec<(&Area, Vec<Option<&str>>)> = parts
        .filter_map(|membership| match &membership.member {
            Member::Area(layer, id) => index.area(*layer, id, day),
            Member::Practice(_) => None,
        })
        .map(|part| (part, groups_of(setting, part)))
        .collect();
    let none_named = own.contains(&None);
    let mut items: Vec<Markup> = own
        .iter()
        .flatten()
        .map(|id| setting.to_area_of(groups_layer, id))
        .collect();
    for (part, groups) in &of_parts {
        let groups = groups.iter().flatten();
        items.extend(groups.map(|id| {
            html! { (setting.to_area_of(groups_layer, id)) ", through " (setting.to_area(part)) }
        }));
    }
    html! {
        h2.nhsuk-heading-m { "Resilience groups" }
        @if day < first_data { p { "Nothing is known before " (format::date(first_data)) "." } }
        @else if !items.is_empty() { (list(&items)) }
        @else if none_named { p { "Not known: the published page names none for " (called(area)) "." } }
        @else { p { "Not known: there is no source for " (called(area)) "." } }
    }
}

/// The groups of an area on the day; `None` is that the source names none.
fn groups_of<'i>(setting: &Setting<'i>, area: &Area) -> Vec<Option<&'i str>> {
    let key = Member::Area(area.layer, area.id.clone());
    let memberships: Vec<_> = setting
        .index
        .memberships_of(&key, Layer::ResilienceGroup, setting.as_of)
        .collect();
    memberships
        .into_iter()
        .map(|it| it.group.as_deref())
        .collect()
}

fn neighbours(setting: &Setting<'_>, neighbours: &[Bordering<'_>], name: &str) -> Markup {
    if neighbours.is_empty() {
        return html! {};
    }
    let items: Vec<Markup> = neighbours
        .iter()
        .map(|it| {
            html! { (setting.to_area(it.area)) ", along " (format::distance(it.shared_m)) " of border" }
        })
        .collect();
    html! {
        h2.nhsuk-heading-m { "Neighbours" }
        p { "Areas that share a border with " (name) ", the longest first:" }
        (list(&items))
    }
}

/// Versions, boundaries and what became of it.
pub(super) fn history(setting: &Setting<'_>, area: &Area, boundaries: &[&Boundary]) -> Markup {
    let (layer, id) = (area.layer, area.id.as_str());
    let first_data = setting.index.first_data(layer);
    let versions = setting.index.versions(layer, id);
    let rows: Vec<Vec<Markup>> = versions
        .iter()
        .map(|version| {
            vec![
                html! { (called(version)) },
                html! { (sentence_case(&period_words(version.period, first_data))) },
            ]
        })
        .collect();
    let drawn: Vec<Markup> = boundaries
        .iter()
        .filter(|it| it.period.from.is_some() || it.period.to.is_some())
        .map(|it| html! { "Its boundary " (period_words(it.period, first_data)) })
        .collect();
    let lineage = setting.index.lineage().iter();
    let steps: Vec<Markup> = lineage
        .filter(|step| step.layer == layer)
        .filter(|step| step.predecessor == id || step.successor.as_deref() == Some(id))
        .map(|step| step_words(setting, step, id))
        .collect();
    html! {
        h2.nhsuk-heading-m { "History" }
        (table("Names that it had", &["Name", "When"], rows))
        @if !drawn.is_empty() { (list(&drawn)) }
        @if !steps.is_empty() { (list(&steps)) }
    }
}

fn step_words(setting: &Setting<'_>, step: &Lineage, id: &str) -> Markup {
    let layer = step.layer;
    let other = |id: &str| setting.to_area_of(layer, id);
    html! {
        @match (&step.successor, step.relation) {
            (Some(successor), relation) if step.predecessor == id => {
                @match relation {
                    Relation::Merged => { "It was merged into " } Relation::Renamed => { "It was renamed: " }
                    Relation::Split => { "A part of it became " } Relation::Unknown => { "After it came " }
                }
                (other(successor))
            }
            (None, _) => { "It came to an end, and what became of it is not known" }
            (Some(_), relation) => {
                @match relation {
                    Relation::Merged => { "It took in " } Relation::Renamed => { "Before, it was " }
                    Relation::Split => { "It was a part of " } Relation::Unknown => { "Before it was " }
                }
                (other(&step.predecessor))
            }
        }
        @match step.date {
            Some(day) if step.successor.is_none() => { ": it ended on " (format::date(day)) }
            Some(day) => { ", on " (format::date(day)) }
            None => { "; the day is not known" }
        }
        ". Source: " (step.source) "."
    }
}

fn sentence_case(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

fn downloads(setting: &Setting<'_>, page: &AreaPage<'_>) -> Markup {
    let area = page.area;
    html! {
        section.to-take-away {
            h2.nhsuk-heading-m { "Take it away" }
            (area_downloads(setting, area, page.km2.is_some(), page.can_be_embedded))
        }
    }
}

pub(super) fn area_downloads(
    setting: &Setting<'_>,
    area: &Area,
    has_ground: bool,
    can_be_embedded: bool,
) -> Markup {
    let layer = area.layer;
    let id = components::encoded(&area.id);
    let show = format!("{layer}/{}", area.id);
    html! {
        ul.nhsuk-list.nhsuk-list--bullet {
            @if has_ground {
                li { a href=(setting.link(&format!("/api/v1/areas/{layer}/{id}.geojson"))) { "Boundary (GeoJSON)" } }
                // The collection holds what is valid today, and an area with two grounds under two names.
                @if !setting.is_dated && setting.version.is_none() && layer != Layer::GpPractice {
                    li { a href={ "/ogc/collections/" (layer) "/items/" (id) "?f=html" } { "For GIS (OGC API Features)" } }
                }
            }
            @if can_be_embedded {
                li { a href=(with_query("/put-this-map-on-your-site", &[("show", &show)])) { "Put its map on your site" } }
            }
            li { a href=(setting.link(&format!("/api/v1/areas/{layer}/{id}"))) { "What is known of the area (JSON)" } }
            li { a href=(setting.link(&format!("/api/v1/areas/{layer}/{id}/postcodes"))) { "Its postcodes (JSON)" } }
        }
    }
}
