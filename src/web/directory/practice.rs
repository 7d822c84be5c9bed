//! The pages for all GP practices and for one practice.

use maud::{Markup, html};

use super::super::links::telephone_link;
use super::super::nhsuk::{
    Button, Field, Input, Select, button, input, inset_text, select, summary_list,
};
use super::super::practice_text::{
    closed_text, evidence_words, icb_name, list_size_date, outside_area, premises_kind,
    succession_basis,
};
use super::super::words;
use super::area::{PRACTICE_COLUMNS, area_downloads, practice_row};
use super::components::{
    PageSlice, date_form, heading, list, map_figure, pagination, provenance, status_tag,
    successor_links, table,
};
use super::{
    PageContext, areas_breadcrumb, display_name, format, layer_noun, practice_path, with_query,
};
use crate::wire::metadata::schema_org;
use catchment_core::domain::{
    Area, Basis, FormerPremises, Layer, LayerRole, NeighbouringPractice, OdsCode, OrganisationKind,
    Practice, PracticeStatus, PracticeSuccession, Premises,
};
use catchment_core::geodesy;
use catchment_core::index::{
    LayerResult, OutcodeCount, PracticeRegistration, RegistrationReason, UnknownReason,
};

/// The content of the page that lists practices.
pub(crate) struct PracticesPage<'a> {
    /// The practices that match the filter, ordered by name.
    pub(crate) practices: Vec<&'a Practice>,
    pub(crate) slice: PageSlice,
    /// The filter: a part of a name, an address or a code.
    pub(crate) name: &'a str,
    /// The filter: an area to which practices belong.
    pub(crate) area: Option<&'a Area>,
    /// The filter: whether closed practices are included.
    pub(crate) includes_closed: bool,
    /// The areas that the user can choose from: the titles of layers with their areas.
    pub(crate) area_choices: Vec<(&'a str, Vec<&'a Area>)>,
}

/// Renders `/practices`.
pub(crate) fn practices(context: &PageContext<'_>, page: &PracticesPage<'_>) -> Markup {
    let rows: Vec<Vec<Markup>> = page
        .slice
        .of(&page.practices)
        .iter()
        .map(|practice| practice_row(context, practice))
        .collect();
    let chosen = page.area.map(|area| format!("{}/{}", area.layer, area.id));
    let mut fields: Vec<(&str, &str)> = Vec::new();
    if !page.name.is_empty() {
        fields.push(("name", page.name));
    }
    fields.extend(chosen.as_deref().map(|chosen| ("area", chosen)));
    if page.includes_closed {
        fields.push(("status", "all"));
    }
    let page_url = |number: usize| {
        let number = number.to_string();
        let mut fields = fields.clone();
        fields.push(("page", &number));
        context.link(&with_query("/practices", &fields))
    };
    let count = format::count_with_noun(page.practices.len(), "practice", "practices");
    let content = html! {
        h1.nhsuk-heading-l { "GP practices" }
        (filter(context, page, chosen.as_deref()))
        h2.nhsuk-heading-m { (count) }
        @if rows.is_empty() { p { "No practices found. Try a shorter name, or search all areas." } }
        @else { (table("GP practices", &PRACTICE_COLUMNS, rows)) }
        (pagination(page.slice, &page_url))
        @if let Some(layer) = context.index.manifest().practice_layer() { (super::area::layer_downloads(context, layer)) }
        (date_form(context, "/practices", &fields))
    };
    context.page("GP practices", &areas_breadcrumb(context), &content)
}

fn filter(context: &PageContext<'_>, page: &PracticesPage<'_>, chosen: Option<&str>) -> Markup {
    let is_listed = page.area_choices.iter().any(|(_, areas)| {
        areas.iter().any(|choice| {
            page.area
                .is_some_and(|area| (choice.layer, &choice.id) == (area.layer, &area.id))
        })
    });
    let unlisted = page.area.filter(|_| !is_listed);
    let option = |area: &Area| {
        let value = format!("{}/{}", area.layer, area.id);
        html! { option value=(value) selected[chosen == Some(value.as_str())] { (display_name(area)) } }
    };
    html! {
        form.filter method="get" action="/practices" {
            @if context.has_date { input type="hidden" name="as_of" value=(context.as_of); }
            @if let Some(version) = context.version { input type="hidden" name="dataset" value=(version); }
            (input(&Input {
                field: Field {
                    id: "name",
                    name: "name",
                    label: "Name, street, town or code".into(),
                    hint: Some(html! { "Do not enter a patient’s postcode here. Use the look-up page" }),
                    ..Field::default()
                },
                value: (!page.name.is_empty()).then_some(page.name),
                width: Some(20),
                maxlength: Some(64),
                ..Input::default()
            }))
            (select(&Select {
                field: Field { id: "area", name: "area", label: "Area".into(), ..Field::default() },
                options: html! {
                    option value="" { "Any area" }
                    @if let Some(area) = unlisted { (option(area)) }
                    @for (title, areas) in &page.area_choices {
                        optgroup label=(title) { @for area in areas { (option(area)) } }
                    }
                },
            }))
            (select(&Select {
                field: Field { id: "status", name: "status", label: "Status".into(), ..Field::default() },
                options: html! {
                    option value="" { "Open" }
                    option value="all" selected[page.includes_closed] { "Open and closed" }
                },
            }))
            (button(&Button { text: "Show practices", ..Button::default() }))
        }
    }
}

/// The content of a practice's page.
pub(crate) struct PracticePage<'i> {
    pub(crate) practice: &'i Practice,
    pub(crate) registration: PracticeRegistration<'i>,
    /// The area of the practice on the page's date, if it has a boundary.
    pub(crate) area: Option<&'i Area>,
    /// The outward codes of the postcodes in the area that were live on the page's date.
    pub(crate) outcodes: Vec<OutcodeCount>,
    pub(crate) can_be_embedded: bool,
}

/// Renders `/practices/{ods_code}`.
pub(crate) fn practice(context: &PageContext<'_>, page: &PracticePage<'_>) -> Markup {
    let practice = page.practice;
    let mut breadcrumb = areas_breadcrumb(context);
    breadcrumb.push((context.link("/practices"), "GP practices".into()));
    let content = html! {
        (heading("GP practice", &practice.name))
        (status_notice(context, practice))
        (facts(context, practice))
        (registration(context, page))
        (premises(context, practice))
        (former_premises(context, practice))
        (successions(context, practice))
        (catchment(context, page))
        section.download-links {
            h2.nhsuk-heading-m { "Download" }
            ul.nhsuk-list.nhsuk-list--bullet {
                li { a href=(context.link(&format!("/api/v1/practices/{}", practice.code))) { "Practice data (JSON)" } }
            }
        }
        (date_form(context, &practice_path(practice.code), &[]))
    };
    let url = context.absolute_url(&practice_path(practice.code));
    let structured_data = schema_org::practice(context.index, practice, context.as_of, &url);
    context.described_page(&practice.name, &breadcrumb, &content, structured_data)
}

/// Renders `/practices/{ods_code}` for a practice outside the area of the dataset.
pub(crate) fn neighbouring_practice(
    context: &PageContext<'_>,
    found: &NeighbouringPractice,
) -> Markup {
    let practice = &found.practice;
    let icb = found
        .icb
        .as_deref()
        .map(|code| icb_name(context.index, code));
    let mut breadcrumb = areas_breadcrumb(context);
    breadcrumb.push((context.link("/practices"), "GP practices".into()));
    let mut rows = vec![
        ("Status", status_tag(practice.status_on(context.as_of))),
        ("ODS code", html! { (practice.code) }),
    ];
    if let Some(postcode) = practice.postcode {
        rows.push(("Postcode", html! { (postcode) }));
    }
    if let Some(code) = &practice.sub_icb {
        rows.push(("Sub-ICB location", html! { (code) }));
    }
    if let Some(icb) = &icb {
        rows.push(("Integrated Care Board", html! { (icb) }));
    }
    if let Some(size) = practice.list_size {
        rows.push((
            "Registered patients",
            html! { (format::count(size as usize)) (list_size_date(practice.list_size_as_of)) },
        ));
    }
    let predecessors = context.index.predecessors(practice.code);
    let predecessors: Vec<Markup> = predecessors
        .into_iter()
        .map(|step| succession_item(context, step.predecessor, step))
        .collect();
    let content = html! {
        (heading("GP practice", &practice.name))
        (inset_text(&html! { p { (outside_area(practice.sub_icb.as_deref(), icb.as_deref())) } }))
        (summary_list(&rows))
        (listed(practice))
        @if !predecessors.is_empty() {
            h2.nhsuk-heading-m { "Practices it took over" }
            (list(&predecessors))
        }
        (date_form(context, &practice_path(practice.code), &[]))
    };
    context.page(&practice.name, &breadcrumb, &content)
}

/// Renders the date of the list that states the practice's status and address.
fn listed(practice: &Practice) -> Markup {
    html! {
        @if let Some(as_of) = practice.as_of {
            p.nhsuk-body-s { "As listed by NHS ODS in " (as_of.in_words()) "." }
        }
    }
}

fn status_notice(context: &PageContext<'_>, practice: &Practice) -> Markup {
    let sentence = match (
        practice.status_on(context.as_of),
        practice.closed,
        practice.opened,
    ) {
        (PracticeStatus::Closed, Some(closed), _) => {
            format!(
                "This practice has closed. Its last day was {}.",
                format::date(closed)
            )
        }
        (PracticeStatus::Closed, None, _) => "This practice has closed.".into(),
        (PracticeStatus::Dormant, ..) => {
            "This practice is dormant: it is still listed but not operating. Check before you send anyone there.".into()
        }
        (PracticeStatus::Proposed, _, Some(opened)) => {
            format!("This practice opens on {}.", format::date(opened))
        }
        (PracticeStatus::Active, Some(closed), _) => {
            format!(
                "This practice is closing. Its last day is {}.",
                format::date(closed)
            )
        }
        _ => return html! {},
    };
    inset_text(&html! { p { (sentence) } })
}

fn facts(context: &PageContext<'_>, practice: &Practice) -> Markup {
    let mut rows = vec![
        ("Status", status_tag(practice.status_on(context.as_of))),
        ("ODS code", html! { (practice.code) }),
        (
            "Address",
            html! { (practice.address) @if let Some(postcode) = practice.postcode { ", " (postcode) } },
        ),
    ];
    if let Some(number) = &practice.telephone {
        rows.push(("Telephone", telephone_link(number)));
    }
    if let Some(opened) = practice.opened {
        rows.push(("Opened", html! { (format::date(opened)) }));
    }
    if let Some(closed) = practice.closed {
        rows.push(("Last day", html! { (format::date(closed)) }));
    }
    if let Some(pcn) = &practice.pcn {
        rows.push((
            "Primary Care Network",
            organisation_link(context, OrganisationKind::PrimaryCareNetwork, pcn),
        ));
    }
    if let Some(sub_icb) = &practice.sub_icb {
        rows.push((
            "Sub-ICB location",
            organisation_link(context, OrganisationKind::SubIcbLocation, sub_icb),
        ));
    }
    if let Some(size) = practice.list_size {
        rows.push((
            "Registered patients",
            html! { (format::count(size as usize)) (list_size_date(practice.list_size_as_of)) },
        ));
    }
    if let Some(note) = &practice.note {
        rows.push(("Note", html! { (format::sentence_case(note)) }));
    }
    html! { (summary_list(&rows)) (listed(practice)) }
}

/// Renders a link to the area of an NHS organisation, or only its code if the dataset does not
/// contain the area.
fn organisation_link(context: &PageContext<'_>, kind: OrganisationKind, code: &str) -> Markup {
    match context.index.manifest().organisation_layer(kind) {
        Some(layer) => context.area_link_by_id(layer, code),
        None => html! { (code) },
    }
}

/// Renders the areas to which the registered patients belong.
fn registration(context: &PageContext<'_>, page: &PracticePage<'_>) -> Markup {
    let registration = &page.registration;
    let found = registration.practice.as_ref();
    let successor = found.filter(|found| found.practice.code != page.practice.code);
    let items: Vec<Markup> = registration
        .areas
        .iter()
        .filter(|(layer, _)| {
            let role = context.index.role(*layer);
            !matches!(role, Some(LayerRole::PracticeCatchment | LayerRole::Group))
        })
        .flat_map(|(layer, found)| area_items(context, *layer, found))
        .collect();
    let code = page.practice.code;
    let has_several = context.index.successors(code).len() > 1;
    let reason = registration
        .reason
        .and_then(|reason| match (found, reason) {
            (Some(found), _) if found.is_neighbouring => None,
            (Some(found), RegistrationReason::ClosedNoSuccessor) if !has_several => {
                let otherwise = "It has closed. We do not know where its patients moved to.";
                let text = closed_text(found.requested, found.last, otherwise);
                Some(html! { (text) })
            }
            _ => Some(reason_text(context, code, reason)),
        });
    html! {
        h2.nhsuk-heading-m { "Registered patients" }
        @if let Some(successor) = successor {
            p { "Its patients moved to " (context.practice_link(successor.practice.code)) ". " @if let Some(basis) = succession_basis(&successor.successions) { (basis) } }
            @if successor.is_neighbouring {
                @let icb = successor.icb.map(|code| icb_name(context.index, code));
                p { (outside_area(successor.practice.sub_icb.as_deref(), icb.as_deref())) }
            } @else { p { "Everyone registered with that practice belongs to these areas:" } }
        } @else if registration.reason.is_none() {
            p { "Everyone registered with this practice belongs to these areas, wherever they live:" }
        }
        @if let Some(reason) = reason { p { (reason) } }
        @if !items.is_empty() { (list(&items)) }
        (groups(context, registration))
    }
}

fn area_items(context: &PageContext<'_>, layer: Layer, found: &LayerResult<'_>) -> Vec<Markup> {
    match found {
        LayerResult::Areas(areas) => areas
            .iter()
            .map(|found| {
                html! {
                    (context.area_link(found.area)) " (" (layer_noun(context.index, layer)) ")"
                    @if found.basis == Basis::Network { ": we treat the team as identical to the network" }
                }
            })
            .collect(),
        LayerResult::Unknown(UnknownReason::NoDataForDate) => {
            let first = context.index.first_memberships(layer).map(format::date);
            vec![
                html! { (layer_noun(context.index, layer)) ": no information before " (first.unwrap_or_default()) },
            ]
        }
        LayerResult::Unknown(_) => vec![html! { (layer_noun(context.index, layer)) ": not known" }],
        _ => Vec::new(),
    }
}

fn reason_text(context: &PageContext<'_>, code: OdsCode, reason: RegistrationReason) -> Markup {
    match (reason, successor_links(context, code)) {
        (RegistrationReason::ClosedNoSuccessor, Some(successors))
            if context.index.successors(code).len() > 1 =>
        {
            html! { "It has closed. Its patients moved to " (successors) ", and we do not know who moved to which practice." }
        }
        (RegistrationReason::ClosedNoSuccessor, _) => {
            html! { "It has closed. We do not know where its patients moved to." }
        }
        (RegistrationReason::SuccessionCycle, _) => {
            html! { "We do not know where its patients moved to: our records lead back to the same practice." }
        }
        _ => html! { "It is not in any community we have data for." },
    }
}

fn groups(context: &PageContext<'_>, registration: &PracticeRegistration<'_>) -> Markup {
    let mut found = registration.areas.iter();
    let found = found.find(|(layer, _)| Some(*layer) == context.index.manifest().group_layer());
    let content = match found.map(|(_, found)| found) {
        Some(LayerResult::Groups(groups)) if !groups.is_empty() => {
            let items: Vec<Markup> = groups
                .iter()
                .map(|group| html! { (context.area_link(group.area)) ", through " (context.area_link(group.via)) })
                .collect();
            list(&items)
        }
        Some(LayerResult::Unknown(UnknownReason::NoneNamed)) => {
            html! { p { "Not known. The published page for its community does not name a group." } }
        }
        Some(LayerResult::Unknown(UnknownReason::NoSource)) => {
            html! { p { "Not known. We have no information for its community." } }
        }
        Some(LayerResult::Unknown(UnknownReason::NoDataForDate)) => {
            html! { p { "No information for that date." } }
        }
        _ => return html! {},
    };
    html! { h3.nhsuk-heading-s { (format::sentence_case(&words::group_nouns(context.index))) } (content) }
}

fn premises(context: &PageContext<'_>, practice: &Practice) -> Markup {
    let premises = context.index.premises(practice.code);
    if premises.is_empty() {
        return html! {};
    }
    let rows: Vec<Vec<Markup>> = premises.iter().map(premises_row).collect();
    html! {
        h2.nhsuk-heading-m { "Premises" }
        (table("Premises of this practice", &["Type", "Name", "Postcode", "Listed", "Easting, northing", "Latitude, longitude"], rows))
    }
}

/// Renders the buildings that are no longer in use, or that are not known to be in use.
fn former_premises(context: &PageContext<'_>, practice: &Practice) -> Markup {
    let former = context.index.former_premises(practice.code);
    if former.is_empty() {
        return html! {};
    }
    let row = |site: &FormerPremises| {
        vec![
            html! { (site.name) },
            html! { @match site.postcode { Some(postcode) => (postcode), None => "–" } },
            html! { (format::sentence_case(&site.reason)) },
            html! { (site.source) },
        ]
    };
    let rows: Vec<Vec<Markup>> = former.iter().map(row).collect();
    html! {
        h2.nhsuk-heading-m { "Former surgeries" }
        p { "These are no longer in use, or not known to be in use. Do not send anyone there. We measure no distances to them." }
        (table("Former surgeries of this practice", &["Name", "Postcode", "What we know", "Source"], rows))
    }
}

fn premises_row(premises: &Premises) -> Vec<Markup> {
    let lonlat = geodesy::to_lonlat(premises.position);
    vec![
        html! { (premises_kind(premises.kind)) },
        html! { @match &premises.name { Some(name) => (name), None => "–" } },
        html! { @match premises.postcode { Some(postcode) => (postcode), None => "–" } },
        html! { @match premises.as_of { Some(as_of) => (as_of.in_words()), None => "–" } },
        html! { (format!("{:.0}, {:.0}", premises.position.easting_m(), premises.position.northing_m())) },
        html! { @match lonlat { Some(position) => (format!("{:.5}, {:.5}", position.lat(), position.lon())), None => "–" } },
    ]
}

/// Renders a succession: the other practice, the date, and the basis of the succession.
fn succession_item(context: &PageContext<'_>, other: OdsCode, step: &PracticeSuccession) -> Markup {
    html! {
        (context.practice_link(other)) " on " (format::date(step.from))
        @if let Some(note) = &step.note { ": " (note) }
        @if let Some(words) = evidence_words(step) { ". Basis: " (words) }
        @if let Some(source) = &step.source { " (" (source) ")" }
        @if let Some(left) = step.pcn_left {
            ". The closed practice left its Primary Care Network on " (format::date(left)) ", which may be nearer to the day when its patients moved"
        }
        "."
    }
}

fn successions(context: &PageContext<'_>, practice: &Practice) -> Markup {
    let index = context.index;
    let predecessors: Vec<Markup> = index
        .predecessors(practice.code)
        .into_iter()
        .map(|step| succession_item(context, step.predecessor, step))
        .collect();
    let successors: Vec<Markup> = index
        .successors(practice.code)
        .iter()
        .map(|step| succession_item(context, step.successor, step))
        .collect();
    html! {
        @if !successors.is_empty() {
            h2.nhsuk-heading-m { "Practices that took over its patients" }
            (list(&successors))
        }
        @if !predecessors.is_empty() {
            h2.nhsuk-heading-m { "Practices it took over" }
            (list(&predecessors))
        }
    }
}

fn catchment(context: &PageContext<'_>, page: &PracticePage<'_>) -> Markup {
    let Some(area) = page.area else {
        return html! {
            h2.nhsuk-heading-m { "Practice area" }
            p { "We do not have an area for that date." }
        };
    };
    let count: usize = page
        .outcodes
        .iter()
        .map(|outcode| outcode.postcode_count)
        .sum();
    let path = practice_path(page.practice.code);
    let description = format!("Map of the area of {}.", page.practice.name);
    html! {
        h2.nhsuk-heading-m { "Practice area" }
        p { (provenance(area.provenance)) " Ask the practice before you send anyone there." }
        (context.layer_accuracy(area.layer))
        @if count > 0 {
            p { "This area has " a href=(context.link(&format!("{path}/postcodes"))) { (format::count_with_noun(count, "postcode", "postcodes")) } " in use." }
        }
        (map_figure(context, area.layer, Some(page.practice.code.as_str()), &page.practice.name, &description))
        div.download-links { (area_downloads(context, area, true, page.can_be_embedded)) }
    }
}
