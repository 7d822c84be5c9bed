//! The pages for all layers, for one layer and for one area.

use maud::{Markup, html};
use serde_json::Value;

use super::super::links::{path_segment, telephone_link};
use super::super::nhsuk::{Button, button, details, summary_list};
use super::super::words;
use super::components::{
    PageSlice, area_period_text, date_form, heading, list, map_figure, no_data_for_date,
    outdated_notice, pagination, period_text, provenance, status_tag, successor_links, table,
};
use super::facts::{self, other_name};
use super::partnership::partnership_path;
use super::{
    PageContext, area_path, areas_breadcrumb, display_name, format, layer_noun, layer_path,
    with_query,
};
use crate::wire::metadata::schema_org;
use catchment_core::domain::{
    Area, Boundary, GroupMember, Layer, LayerRole, LineageRelation, LineageStep, Practice,
    PracticeStatus,
};
use catchment_core::index::{AdjacentArea, AreaSearchHit, OutcodeCount};

/// The content of a layer's page.
pub(crate) struct LayerPage<'i> {
    pub(crate) layer: Layer,
    /// The areas on the page's date, ordered by partnership and name.
    pub(crate) areas: Vec<&'i Area>,
    pub(crate) slice: PageSlice,
    /// Whether there is a map of the whole layer.
    pub(crate) has_map: bool,
}

/// The content of an area's page.
pub(crate) struct AreaPage<'i> {
    /// The version of the area on the page's date, or its last version.
    pub(crate) area: &'i Area,
    /// The size of the area on the page's date in square kilometres, if it has a boundary.
    pub(crate) km2: Option<f64>,
    pub(crate) neighbours: Vec<AdjacentArea<'i>>,
    /// The outward codes of the postcodes in the area that were live on the page's date.
    pub(crate) outcodes: Vec<OutcodeCount>,
    /// The boundaries of the area on all dates.
    pub(crate) boundaries: Vec<&'i Boundary>,
    /// Whether the map of the area can be chosen on the page with the embed code.
    pub(crate) can_be_embedded: bool,
}

/// Returns the breadcrumb of pages below the page of a layer.
pub(super) fn layer_breadcrumb(context: &PageContext<'_>, layer: Layer) -> Vec<(String, String)> {
    let mut breadcrumb = areas_breadcrumb(context);
    breadcrumb.push((
        context.link(&layer_path(context.index, layer)),
        context.layer_title(layer).into(),
    ));
    breadcrumb
}

/// A search for areas by name, and its result.
pub(crate) struct AreaSearch<'a> {
    pub(crate) name: &'a str,
    pub(crate) hits: Vec<AreaSearchHit<'a>>,
}

/// Renders the form that finds areas by name, and the areas that it found.
fn search_section(context: &PageContext<'_>, search: Option<&AreaSearch<'_>>) -> Markup {
    let name = search.map(|search| search.name);
    let items: Vec<Markup> = search
        .iter()
        .flat_map(|search| &search.hits)
        .map(|hit| {
            let first_data = context.index.first_data(hit.area.layer);
            html! {
                (context.area_link(hit.area)) " (" (layer_noun(context.index, hit.area.layer)) ")"
                @if let Some(other) = hit.other_name { ": " (other_name(other)) }
                @if !hit.area.period.contains(context.as_of) { "; " (area_period_text(hit.area, first_data)) }
            }
        })
        .collect();
    html! {
        form.date-form method="get" action="/areas" role="search" {
            @if context.has_date { input type="hidden" name="as_of" value=(context.as_of); }
            @if let Some(version) = context.version { input type="hidden" name="dataset" value=(version); }
            div.nhsuk-form-group {
                label.nhsuk-label for="name" { "Find by name" }
                div.nhsuk-hint #name-hint { "A current or former name of an area, group or practice" }
                input."nhsuk-input nhsuk-input--width-20" #name type="search" name="name" value=[name] aria-describedby="name-hint" maxlength="200";
            }
            (button(&Button { text: "Find", variant: Some("secondary"), is_small: true, ..Button::default() }))
        }
        @if let Some(search) = search {
            h2.nhsuk-heading-m { "Found for “" (search.name) "”" }
            @if items.is_empty() { p { "No area, practice or group in our data has a name like this." } } @else { (list(&items)) }
        }
    }
}

/// Renders `/areas`, which lists the layers.
pub(crate) fn layers(context: &PageContext<'_>, search: Option<&AreaSearch<'_>>) -> Markup {
    let index = context.index;
    let rows: Vec<Vec<Markup>> = index
        .layers()
        .map(|layer| {
            let areas = index.areas(layer, context.as_of);
            let count = areas.map_or(0, Iterator::count);
            let first_data = index.first_data(layer);
            let later = first_data.filter(|_| !context.has_data(layer));
            let provenance = layer_provenance(context, layer);
            let title = context.layer_title(layer);
            match later {
                Some(date) => vec![
                    html! { (title) },
                    html! { "No information before " (format::date(date)) },
                    provenance,
                ],
                None => vec![
                    html! { a href=(context.link(&layer_path(context.index, layer))) { (title) } },
                    html! { (count) },
                    provenance,
                ],
            }
        })
        .collect();
    let content = html! {
        h1.nhsuk-heading-l { "Areas, practices and groups" }
        p { "Browse areas, practices and groups. Each one has its own page." }
        (search_section(context, search))
        (table("Types of area", &["Type", "Number", "Source of boundaries"], rows))
        ul.nhsuk-list {
            li { a href=(context.link("/partnerships")) { "Partnerships" } ", their communities and how these have changed" }
            li { a href=(context.link_without_date("/compare", &[])) { "Compare two dates" } " to see what began, ended or was redrawn" }
            li { a href="/ogc?f=html" { "GIS data" } " (OGC API Features)" }
            li { a href=(context.link("/api/v1/areas")) { "This page as JSON" } }
        }
        (date_form(context, "/areas", &[]))
    };
    let breadcrumb = [("/".to_string(), "Look up".to_string())];
    context.page("Areas, practices and groups", &breadcrumb, &content)
}

fn layer_provenance(context: &PageContext<'_>, layer: Layer) -> Markup {
    let entry = context.index.manifest().layer(layer);
    html! { @if let Some(entry) = entry { (provenance(entry.provenance)) } }
}

/// Renders `/areas/{layer}`.
pub(crate) fn layer(context: &PageContext<'_>, page: &LayerPage<'_>) -> Markup {
    let layer = page.layer;
    let title = context.layer_title(layer);
    let path = layer_path(context.index, layer);
    let areas = page.slice.of(&page.areas);
    let content = html! {
        (heading("Areas", title))
        p { (layer_provenance(context, layer)) }
        (context.layer_accuracy(layer))
        @for (system, areas) in by_system(areas) {
            @if let Some(system) = &system { h2.nhsuk-heading-m { a href=(context.link(&partnership_path(system))) { (format::system_name(system)) } } }
            ul.nhsuk-list.nhsuk-list--bullet {
                @for area in areas { li { (context.area_link(area)) } }
            }
        }
        @if !context.has_data(layer) { (no_data_for_date(context, layer)) }
        @else if areas.is_empty() { p { "No areas on that date." } }
        (pagination(page.slice, &|number| {
            context.link(&format!("{path}?page={number}"))
        }))
        @if page.has_map { (map_figure(context, layer, None, title, &map_description(&page.areas, title))) }
        (layer_downloads(context, layer))
        (date_form(context, &path, &[]))
    };
    context.page(title, &areas_breadcrumb(context), &content)
}

fn map_description(areas: &[&Area], title: &str) -> String {
    format!(
        "Map of {title} ({}). Their names are listed on this page and the following pages.",
        format::count_with_noun(areas.len(), "area", "areas")
    )
}

/// Groups areas by partnership, in the order of `areas`.
fn by_system<'i>(areas: &[&'i Area]) -> Vec<(Option<&'i str>, Vec<&'i Area>)> {
    let mut systems: Vec<(Option<&str>, Vec<&Area>)> = Vec::new();
    for &area in areas {
        let id = area.system.as_deref();
        match systems.iter_mut().find(|(system, _)| *system == id) {
            Some((_, areas)) => areas.push(area),
            None => systems.push((id, vec![area])),
        }
    }
    systems
}

pub(super) fn layer_downloads(context: &PageContext<'_>, layer: Layer) -> Markup {
    let (index, date) = (context.index, context.as_of);
    if index.first_data(layer).is_none_or(|first| date < first) {
        return html! {};
    }
    let has_boundary = index.all_boundaries(layer).next().is_some();
    html! {
        section.download-links {
        h2.nhsuk-heading-m { "Download" }
        ul.nhsuk-list.nhsuk-list--bullet {
            @if has_boundary {
                li { a href=(context.link(&format!("/api/v1/areas/{layer}.geojson"))) { "All boundaries (GeoJSON)" } }
                li { a href={ "/ogc/collections/" (layer) "?f=html" } { "GIS data (OGC API Features)" } }
            }
            li { a href=(context.link(&format!("/api/v1/areas/{layer}"))) { "List of areas (JSON)" } }
            li { a href=(context.link_without_date("/compare", &[("layer", layer.as_str())])) { "Compare two dates" } }
        } }
    }
}

/// Renders `/areas/{layer}/{id}`.
pub(crate) fn area(context: &PageContext<'_>, page: &AreaPage<'_>) -> Markup {
    let area = page.area;
    let name = display_name(area);
    let content = html! {
        (heading(layer_noun(context.index, area.layer), &name))
        (outdated_notice(context, area))
        (summary(context, page))
        (facts::announcements(&context.index.announcements_about(area, context.as_of)))
        (map_section(context, page))
        (practices(context, area))
        (parts(context, area))
        (groups(context, area))
        (facts::links(context, area))
        (facts::care_partnership(context, area))
        (neighbours(context, &page.neighbours))
        (facts::uncertain_places(context, area))
        (facts::other_names(context, area))
        (history(context, area, &page.boundaries))
        (downloads(context, page))
        (date_form(context, &area_path(context.index, area.layer, &area.id), &[]))
    };
    let breadcrumb = layer_breadcrumb(context, area.layer);
    context.described_page(&name, &breadcrumb, &content, structured_data(context, area))
}

/// Returns the description of an area for search engines; `None` if the area is not valid on the
/// page's date.
fn structured_data(context: &PageContext<'_>, area: &Area) -> Option<Value> {
    let (index, day) = (context.index, context.as_of);
    if !area.period.contains(day) {
        return None;
    }
    let parents = parent_areas(context, area).into_iter();
    let parents: Vec<&Area> = parents
        .filter_map(|(layer, id)| index.area(layer, id, day))
        .collect();
    let boundary = index.boundary(area.layer, &area.id, day);
    let bounds = catchment_tiles::bounds_of(boundary.into_iter());
    let url = |area: &Area| context.absolute_url(&area_path(index, area.layer, &area.id));
    Some(schema_org::area(index, area, &parents, bounds, url))
}

fn summary(context: &PageContext<'_>, page: &AreaPage<'_>) -> Markup {
    let area = page.area;
    let mut rows = vec![
        ("Type", html! { (layer_noun(context.index, area.layer)) }),
        ("Code", html! { (area.id) }),
    ];
    rows.extend(facts::code_rows(context, area));
    if let Some(system) = &area.system {
        let path = partnership_path(system);
        rows.push((
            "Partnership",
            html! { a href=(context.link(&path)) { (format::system_name(system)) } },
        ));
    }
    for (layer, id) in parent_areas(context, area) {
        rows.push((
            layer_noun(context.index, layer),
            context.area_link_by_id(layer, id),
        ));
    }
    let first_data = context.index.first_data(area.layer);
    rows.push(("Valid", html! { (area_period_text(area, first_data)) }));
    rows.push(("Boundary", provenance(area.provenance)));
    if let Some(km2) = page.km2 {
        rows.push(("Size", html! { (size_text(km2)) }));
    }
    rows.push(("Postcodes in use", postcode_count(context, page)));
    rows.extend(facts::population_rows(context, area));
    summary_list(&rows)
}

fn size_text(km2: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "Great Britain covers 230,000 km²"
    )]
    if km2 < 10.0 {
        format!("{km2:.1} km²")
    } else {
        format!("{} km²", format::count(km2.round() as usize))
    }
}

fn postcode_count(context: &PageContext<'_>, page: &AreaPage<'_>) -> Markup {
    let count: usize = page
        .outcodes
        .iter()
        .map(|outcode| outcode.postcode_count)
        .sum();
    let path = format!(
        "{}/postcodes",
        area_path(context.index, page.area.layer, &page.area.id)
    );
    html! {
        @if count == 0 { "None" } @else {
            a href=(context.link(&path)) { (format::count_with_noun(count, "postcode", "postcodes")) }
            " in " (page.outcodes.iter().map(|outcode| outcode.outcode.as_str()).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Returns the areas of other layers of which `area` is a member, except resilience groups.
fn parent_areas<'i>(context: &PageContext<'i>, area: &Area) -> Vec<(Layer, &'i str)> {
    let (index, date) = (context.index, context.as_of);
    let key = GroupMember::Area(area.layer, area.id.clone());
    let layers = index
        .layers()
        .filter(|layer| index.role(*layer) != Some(LayerRole::Group));
    let groups = layers.flat_map(|layer| {
        let memberships: Vec<_> = index.memberships_of(&key, layer, date).collect();
        memberships
            .into_iter()
            .filter_map(move |membership| Some((layer, membership.group.as_deref()?)))
    });
    groups.collect()
}

/// Returns the practices that belong to `area` on the page's date, ordered by name.
fn members<'i>(context: &PageContext<'i>, area: &Area) -> Vec<&'i Practice> {
    let index = context.index;
    let members = index
        .members(area.layer, &area.id, context.as_of)
        .into_iter();
    let mut practices: Vec<&Practice> = members
        .filter_map(|membership| match &membership.member {
            GroupMember::Practice(code) => index.practice(*code),
            GroupMember::Area(..) => None,
        })
        .collect();
    practices.sort_by(|a, b| (&a.name, a.code).cmp(&(&b.name, b.code)));
    practices
}

fn map_section(context: &PageContext<'_>, page: &AreaPage<'_>) -> Markup {
    let area = page.area;
    if page.km2.is_none() {
        return html! {
            h2.nhsuk-heading-m { "Map" }
            p { "We do not have a boundary for that date." }
        };
    }
    let name = display_name(area);
    let neighbours: Vec<String> = page
        .neighbours
        .iter()
        .map(|neighbour| display_name(neighbour.area))
        .collect();
    let description = if neighbours.is_empty() {
        format!("Map of {name}.")
    } else {
        format!("Map of {name}. Areas around it: {}.", neighbours.join(", "))
    };
    html! {
        h2.nhsuk-heading-m { "Map" }
        (map_figure(context, area.layer, Some(&area.id), &name, &description))
    }
}

/// The maximum number of practices on an area's page. The page of practices lists all practices.
const PRACTICES_MAX: usize = 50;

fn practices(context: &PageContext<'_>, area: &Area) -> Markup {
    let all = members(context, area);
    if all.is_empty() {
        return html! {};
    }
    let is_open =
        |practice: &&Practice| practice.status_on(context.as_of) != PracticeStatus::Closed;
    let (open, closed): (Vec<&Practice>, Vec<&Practice>) = all.into_iter().partition(is_open);
    let filter = format!("{}/{}", area.layer, area.id);
    let all_practices = context.link(&with_query("/practices", &[("area", filter.as_str())]));
    let rows: Vec<Vec<Markup>> = open
        .iter()
        .take(PRACTICES_MAX)
        .map(|practice| practice_row(context, practice))
        .collect();
    html! {
        h2.nhsuk-heading-m { "GP practices" }
        p { "Everyone registered with one of these practices belongs to " (display_name(area)) ", wherever they live." }
        (table("Open practices", &PRACTICE_COLUMNS, rows))
        @if open.len() > PRACTICES_MAX {
            p { a href=(all_practices) { "All " (open.len()) " practices" } }
        }
        @if !closed.is_empty() {
            (details(
                &html! { (format::count_with_noun(closed.len(), "practice", "practices")) " that have closed" },
                false,
                false,
                &list(&closed.iter().map(|practice| closed_practice(context, practice)).collect::<Vec<_>>()),
            ))
        }
    }
}

pub(super) const PRACTICE_COLUMNS: [&str; 4] = ["Practice", "Status", "Telephone", "Postcode"];

pub(super) fn practice_row(context: &PageContext<'_>, practice: &Practice) -> Vec<Markup> {
    vec![
        context.practice_link(practice.code),
        status_tag(practice.status_on(context.as_of)),
        html! { @match &practice.telephone { Some(number) => (telephone_link(number)), None => "–" } },
        html! { @match practice.postcode { Some(postcode) => (postcode), None => "–" } },
    ]
}

fn closed_practice(context: &PageContext<'_>, practice: &Practice) -> Markup {
    html! {
        (context.practice_link(practice.code))
        @if let Some(closed) = practice.closed { ", last day " (format::date(closed)) }
        @if let Some(successors) = successor_links(context, practice.code) { ". Its patients moved to " (successors) }
    }
}

/// Renders the areas that are members of `area`.
fn parts(context: &PageContext<'_>, area: &Area) -> Markup {
    let members = context
        .index
        .members(area.layer, &area.id, context.as_of)
        .into_iter();
    let parts: Vec<(Layer, &str)> = members
        .filter_map(|membership| match &membership.member {
            GroupMember::Area(layer, id) => Some((*layer, id.as_str())),
            GroupMember::Practice(_) => None,
        })
        .collect();
    if parts.is_empty() {
        return html! {};
    }
    let items: Vec<Markup> = parts
        .iter()
        .map(|(layer, id)| html! { (context.area_link_by_id(*layer, id)) " (" (layer_noun(context.index, *layer)) ")" })
        .collect();
    html! { h2.nhsuk-heading-m { "Parts of this area" } (list(&items)) }
}

fn groups(context: &PageContext<'_>, area: &Area) -> Markup {
    let (index, date) = (context.index, context.as_of);
    let group_layer = index.manifest().group_layer();
    let group_layer = group_layer.and_then(|layer| Some((layer, index.first_data(layer)?)));
    let Some((group_layer, first_data)) = group_layer else {
        return html! {};
    };
    // Communities and their parts can be members of groups.
    let role = index.role(area.layer);
    if !matches!(role, Some(LayerRole::Community | LayerRole::Part)) {
        return html! {};
    }
    let own = groups_of(context, group_layer, area);
    let parts = index.members(area.layer, &area.id, date).into_iter();
    let of_parts: Vec<(&Area, Vec<Option<&str>>)> = parts
        .filter_map(|membership| match &membership.member {
            GroupMember::Area(layer, id) => index.area(*layer, id, date),
            GroupMember::Practice(_) => None,
        })
        .map(|part| (part, groups_of(context, group_layer, part)))
        .collect();
    let names_none = own.contains(&None);
    let mut items: Vec<Markup> = own
        .iter()
        .flatten()
        .map(|id| context.area_link_by_id(group_layer, id))
        .collect();
    for (part, groups) in &of_parts {
        let groups = groups.iter().flatten();
        items.extend(groups.map(|id| {
            html! { (context.area_link_by_id(group_layer, id)) ", through " (context.area_link(part)) }
        }));
    }
    html! {
        h2.nhsuk-heading-m { (format::sentence_case(&words::group_nouns(context.index))) }
        @if date < first_data { p { "We have no information before " (format::date(first_data)) "." } }
        @else if !items.is_empty() { (list(&items)) }
        @else if names_none { p { "Not known. The published page for " (display_name(area)) " does not name a group." } }
        @else { p { "Not known. We have no information for " (display_name(area)) "." } }
    }
}

/// Returns the ids of an area's groups on the page's date. An item that is `None` means that the
/// source does not specify the group.
fn groups_of<'i>(context: &PageContext<'i>, layer: Layer, area: &Area) -> Vec<Option<&'i str>> {
    let key = GroupMember::Area(area.layer, area.id.clone());
    let memberships: Vec<_> = context
        .index
        .memberships_of(&key, layer, context.as_of)
        .collect();
    memberships
        .into_iter()
        .map(|membership| membership.group.as_deref())
        .collect()
}

fn neighbours(context: &PageContext<'_>, neighbours: &[AdjacentArea<'_>]) -> Markup {
    if neighbours.is_empty() {
        return html! {};
    }
    let items: Vec<Markup> = neighbours
        .iter()
        .map(|neighbour| {
            html! { (context.area_link(neighbour.area)) " (" (format::distance(neighbour.shared_border_m)) " of shared boundary)" }
        })
        .collect();
    html! {
        h2.nhsuk-heading-m { "Neighbouring areas" }
        p { "Longest shared boundary first:" }
        (list(&items))
    }
}

/// Renders the names, boundaries, predecessors and successors of an area over time.
pub(super) fn history(context: &PageContext<'_>, area: &Area, boundaries: &[&Boundary]) -> Markup {
    let (layer, id) = (area.layer, area.id.as_str());
    let first_data = context.index.first_data(layer);
    let versions = context.index.versions(layer, id);
    let rows: Vec<Vec<Markup>> = versions
        .iter()
        .map(|version| {
            vec![
                html! { (display_name(version)) },
                html! { (format::sentence_case(&area_period_text(version, first_data))) },
            ]
        })
        .collect();
    let dated: Vec<Markup> = boundaries
        .iter()
        .filter(|boundary| boundary.period.from.is_some() || boundary.period.to.is_some())
        .map(|boundary| html! { "Boundary valid " (period_text(boundary.period, first_data)) })
        .collect();
    let lineage = context.index.lineage().iter();
    let steps: Vec<Markup> = lineage
        .filter(|step| step.layer == layer)
        .filter(|step| step.predecessor == id || step.successor.as_deref() == Some(id))
        .map(|step| lineage_text(context, step, id))
        .collect();
    html! {
        h2.nhsuk-heading-m { "History" }
        (table("Current and previous names", &["Name", "When"], rows))
        @if !dated.is_empty() { (list(&dated)) }
        @if !steps.is_empty() { (list(&steps)) }
    }
}

fn lineage_text(context: &PageContext<'_>, step: &LineageStep, id: &str) -> Markup {
    let layer = step.layer;
    let other = |id: &str| context.area_link_by_id(layer, id);
    html! {
        @match (&step.successor, step.relation) {
            (Some(successor), relation) if step.predecessor == id => {
                @match relation {
                    LineageRelation::Merged => { "It was merged into " } LineageRelation::Renamed => { "It was renamed to " }
                    LineageRelation::Split => { "Part of it became " } LineageRelation::Unknown => { "It was followed by " }
                }
                (other(successor))
            }
            (None, _) => { "It ended" }
            (Some(_), relation) => {
                @match relation {
                    LineageRelation::Merged => { "It took over " } LineageRelation::Renamed => { "It was renamed from " }
                    LineageRelation::Split => { "It was split from " } LineageRelation::Unknown => { "It followed " }
                }
                (other(&step.predecessor))
            }
        }
        @match step.date {
            Some(date) => { " on " (format::date(date)) }
            None => { " on an unknown date" }
        }
        @if step.successor.is_none() { ". We do not know what replaced it" }
        ". Source: " (step.source) "."
    }
}

fn downloads(context: &PageContext<'_>, page: &AreaPage<'_>) -> Markup {
    let area = page.area;
    html! {
        section.download-links {
            h2.nhsuk-heading-m { "Download" }
            (area_downloads(context, area, page.km2.is_some(), page.can_be_embedded))
        }
    }
}

pub(super) fn area_downloads(
    context: &PageContext<'_>,
    area: &Area,
    has_boundary: bool,
    can_be_embedded: bool,
) -> Markup {
    let layer = area.layer;
    let id = path_segment(&area.id);
    let show = format!("{layer}/{}", area.id);
    html! {
        ul.nhsuk-list.nhsuk-list--bullet {
            @if has_boundary {
                li { a href=(context.link(&format!("/api/v1/areas/{layer}/{id}.geojson"))) { "Boundary (GeoJSON)" } }
                // The OGC collection contains only today's areas, so pages for other dates have no
                // link to it. Pages of practices have no link either, because a practice with two
                // areas (inner and outer) has two feature ids.
                @if !context.has_date && context.version.is_none() && context.index.role(layer) != Some(LayerRole::PracticeCatchment) {
                    li { a href={ "/ogc/collections/" (layer) "/items/" (id) "?f=html" } { "GIS data (OGC API Features)" } }
                }
            }
            @if can_be_embedded {
                li { a href=(with_query("/put-this-map-on-your-site", &[("show", &show)])) { "Put this map on your website" } }
            }
            li { a href=(context.link(&format!("/api/v1/areas/{layer}/{id}"))) { "Area data (JSON)" } }
            li { a href=(context.link(&format!("/api/v1/areas/{layer}/{id}/postcodes"))) { "Postcodes (JSON)" } }
        }
    }
}
