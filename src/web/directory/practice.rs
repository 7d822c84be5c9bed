//! Practices, and a practice.

use maud::{Markup, html};

use super::super::lookup_result::telephone;
use super::super::nhsuk::{
    Button, Field, Input, Select, button, input, inset_text, select, summary_list,
};
use super::area::{PRACTICE_COLUMNS, area_downloads, practice_row};
use super::components::{
    Part, day_form, heading, list, list_size_words, map, pagination, status_tag, table, with_query,
};
use super::{Setting, components, format, practice_path};
use crate::domain::{
    Area, Layer, OdsCode, Practice, PracticeStatus, Premises, PremisesKind, Succession,
};
use crate::geodesy;
use crate::index::{Found, OutcodeIn, Reason, Registration, Unknown};

/// Practices that were asked for.
pub(crate) struct PracticesPage<'a> {
    /// Those that fit, in order of name.
    pub(crate) practices: Vec<&'a Practice>,
    pub(crate) part: Part,
    /// The part of a name, an address or a code.
    pub(crate) name: &'a str,
    /// The area whose practices are asked for.
    pub(crate) area: Option<&'a Area>,
    /// Whether those that closed are among them.
    pub(crate) with_closed: bool,
    /// What can be chosen: layers by title, each with its areas.
    pub(crate) choices: Vec<(&'a str, Vec<&'a Area>)>,
}

fn above(setting: &Setting<'_>) -> Vec<(String, String)> {
    vec![
        ("/".into(), "Look up".into()),
        (setting.link("/areas"), "Areas".into()),
    ]
}

/// `/practices`.
pub(crate) fn practices(setting: &Setting<'_>, page: &PracticesPage<'_>) -> Markup {
    let rows: Vec<Vec<Markup>> = page
        .part
        .of(&page.practices)
        .iter()
        .map(|practice| practice_row(setting, practice))
        .collect();
    let chosen = page.area.map(|area| format!("{}/{}", area.layer, area.id));
    let mut fields: Vec<(&str, &str)> = Vec::new();
    if !page.name.is_empty() {
        fields.push(("name", page.name));
    }
    fields.extend(chosen.as_deref().map(|chosen| ("area", chosen)));
    if page.with_closed {
        fields.push(("status", "all"));
    }
    let to = |number: usize| {
        let number = number.to_string();
        let mut fields = fields.clone();
        fields.push(("page", &number));
        setting.link(&with_query("/practices", &fields))
    };
    let found = format::counted(page.practices.len(), "practice", "practices");
    let content = html! {
        h1.nhsuk-heading-l { "GP practices" }
        (filter(setting, page, chosen.as_deref()))
        h2.nhsuk-heading-m { (found) }
        @if rows.is_empty() { p { "No practice fits. Look for less of its name, or in all areas." } }
        @else { (table("In order of name", &PRACTICE_COLUMNS, rows)) }
        (pagination(page.part, &to))
        (super::area::layer_downloads(setting, Layer::GpPractice))
        (day_form(setting, "/practices", &fields))
    };
    setting.page("GP practices", &above(setting), &content)
}

fn filter(setting: &Setting<'_>, page: &PracticesPage<'_>, chosen: Option<&str>) -> Markup {
    let is_listed = page.choices.iter().any(|(_, areas)| {
        areas.iter().any(|it| {
            page.area
                .is_some_and(|area| (it.layer, &it.id) == (area.layer, &area.id))
        })
    });
    let unlisted = page.area.filter(|_| !is_listed);
    let option = |area: &Area| {
        let value = format!("{}/{}", area.layer, area.id);
        html! { option value=(value) selected[chosen == Some(value.as_str())] { (super::called(area)) } }
    };
    html! {
        form.filter method="get" action="/practices" {
            @if setting.is_dated { input type="hidden" name="as_of" value=(setting.as_of); }
            @if let Some(version) = setting.version { input type="hidden" name="dataset" value=(version); }
            (input(&Input {
                field: Field {
                    id: "name",
                    name: "name",
                    label: "Name, street, town or code".into(),
                    hint: Some(html! { "Not a patient’s postcode: that goes into the look-up" }),
                    ..Field::default()
                },
                value: (!page.name.is_empty()).then_some(page.name),
                width: Some(20),
                maxlength: Some(64),
                ..Input::default()
            }))
            (select(&Select {
                field: Field { id: "area", name: "area", label: "Belonging to".into(), ..Field::default() },
                options: html! {
                    option value="" { "Any area" }
                    @if let Some(area) = unlisted { (option(area)) }
                    @for (title, areas) in &page.choices {
                        optgroup label=(title) { @for area in areas { (option(area)) } }
                    }
                },
            }))
            (select(&Select {
                field: Field { id: "status", name: "status", label: "Status".into(), ..Field::default() },
                options: html! {
                    option value="" { "Open" }
                    option value="all" selected[page.with_closed] { "Open or closed" }
                },
            }))
            (button(&Button { text: "Show practices", ..Button::default() }))
        }
    }
}

/// A practice with what is looked up for its page.
pub(crate) struct PracticePage<'i> {
    pub(crate) practice: &'i Practice,
    pub(crate) registration: Registration<'i>,
    /// Its area in its version of the day, where it has ground.
    pub(crate) area: Option<&'i Area>,
    /// Of postcodes in use on the day.
    pub(crate) outcodes: Vec<OutcodeIn>,
    pub(crate) can_be_embedded: bool,
}

/// `/practices/{ods_code}`.
pub(crate) fn practice(setting: &Setting<'_>, page: &PracticePage<'_>) -> Markup {
    let practice = page.practice;
    let mut trail = above(setting);
    trail.push((setting.link("/practices"), "GP practices".into()));
    let content = html! {
        (heading("GP practice", &practice.name))
        (standing(setting, practice))
        (facts(setting, practice))
        (registration(setting, page))
        (buildings(setting, practice))
        (successions(setting, practice))
        (modelled_area(setting, page))
        section.to-take-away {
            h2.nhsuk-heading-m { "Take it away" }
            ul.nhsuk-list.nhsuk-list--bullet {
                li { a href=(setting.link(&format!("/api/v1/practices/{}", practice.code))) { "All of this (JSON)" } }
            }
        }
        (day_form(setting, &practice_path(practice.code), &[]))
    };
    setting.page(&practice.name, &trail, &content)
}

fn standing(setting: &Setting<'_>, practice: &Practice) -> Markup {
    let sentence = match (
        practice.status_on(setting.as_of),
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
            "This practice is dormant: still listed, but not working. Ask before you send anybody there.".into()
        }
        (PracticeStatus::Proposed, _, Some(opened)) => {
            format!("This practice opens on {}.", format::date(opened))
        }
        (PracticeStatus::Active, Some(closed), _) => {
            format!(
                "This practice closes: its last day is {}.",
                format::date(closed)
            )
        }
        _ => return html! {},
    };
    inset_text(&html! { p { (sentence) } })
}

fn facts(setting: &Setting<'_>, practice: &Practice) -> Markup {
    let mut rows = vec![
        ("Status", status_tag(practice.status_on(setting.as_of))),
        ("ODS code", html! { (practice.code) }),
        (
            "Address",
            html! { (practice.address) @if let Some(postcode) = practice.postcode { ", " (postcode) } },
        ),
    ];
    if let Some(number) = &practice.telephone {
        rows.push(("Telephone", telephone(number)));
    }
    if let Some(opened) = practice.opened {
        rows.push(("Opened", html! { (format::date(opened)) }));
    }
    if let Some(closed) = practice.closed {
        rows.push(("Last day", html! { (format::date(closed)) }));
    }
    if let Some(pcn) = &practice.pcn {
        rows.push(("Primary Care Network", setting.to_area_of(Layer::Pcn, pcn)));
    }
    if let Some(sub_icb) = &practice.sub_icb {
        rows.push((
            "Sub-ICB location",
            setting.to_area_of(Layer::SubIcb, sub_icb),
        ));
    }
    if let Some(size) = practice.list_size {
        rows.push((
            "Registered patients",
            html! { (format::count(size as usize)) (list_size_words(setting)) },
        ));
    }
    summary_list(&rows)
}

/// What its patients belong to.
fn registration(setting: &Setting<'_>, page: &PracticePage<'_>) -> Markup {
    let registration = &page.registration;
    let found = registration.practice.as_ref();
    let other = found.filter(|it| it.practice.code != page.practice.code);
    let items: Vec<Markup> = registration
        .areas
        .iter()
        .filter(|(layer, _)| !matches!(layer, Layer::GpPractice | Layer::ResilienceGroup))
        .flat_map(|(layer, found)| areas_found(setting, *layer, found))
        .collect();
    html! {
        h2.nhsuk-heading-m { "Its registered patients" }
        @if let Some(other) = other {
            p { "Its patients went to " (setting.to_practice(other.practice.code)) ". Everyone registered there belongs to:" }
        } @else if registration.reason.is_none() {
            p { "Everyone registered here belongs to the following, wherever they live:" }
        }
        @if let Some(reason) = registration.reason { p { (reason_words(reason)) } }
        @if !items.is_empty() { (list(&items)) }
        (resilience_groups(setting, registration))
    }
}

fn areas_found(setting: &Setting<'_>, layer: Layer, found: &Found<'_>) -> Vec<Markup> {
    match found {
        Found::Areas(areas) => areas
            .iter()
            .map(|it| html! { (setting.to_area(it.area)) " (" (super::one_of(layer)) ")" })
            .collect(),
        Found::Unknown(Unknown::NoDataForDate) => {
            let first = setting.index.first_data(layer).map(format::date);
            vec![
                html! { (super::one_of(layer)) ": nothing is known before " (first.unwrap_or_default()) },
            ]
        }
        _ => Vec::new(),
    }
}

fn reason_words(reason: Reason) -> &'static str {
    match reason {
        Reason::ClosedNoSuccessor => {
            "It has closed, and it is not known who took over its patients."
        }
        Reason::SuccessionCycle => {
            "Its successors lead back to it: the record is faulty, and nothing can be said of its patients."
        }
        _ => "It belongs to no community that this dataset holds.",
    }
}

fn resilience_groups(setting: &Setting<'_>, registration: &Registration<'_>) -> Markup {
    let mut found = registration.areas.iter();
    let found = found.find(|(layer, _)| *layer == Layer::ResilienceGroup);
    let content = match found.map(|(_, found)| found) {
        Some(Found::Groups(groups)) if !groups.is_empty() => {
            let items: Vec<Markup> = groups
                .iter()
                .map(|group| html! { (setting.to_area(group.area)) @if let Some(via) = via(setting, group.via) { ", through " (via) } })
                .collect();
            list(&items)
        }
        Some(Found::Unknown(Unknown::NoneNamed)) => {
            html! { p { "Not known: the published page names none for its community." } }
        }
        Some(Found::Unknown(Unknown::NoSource)) => {
            html! { p { "Not known: there is no source for its community." } }
        }
        Some(Found::Unknown(Unknown::NoDataForDate)) => {
            html! { p { "Nothing is known for that day." } }
        }
        _ => return html! {},
    };
    html! { h3.nhsuk-heading-s { "Resilience groups" } (content) }
}

/// The member that leads to a group: a part of a community, or the community.
fn via(setting: &Setting<'_>, id: &str) -> Option<Markup> {
    let mut layers = setting.index.layers();
    let area = layers.find_map(|layer| setting.index.area(layer, id, setting.as_of))?;
    Some(setting.to_area(area))
}

fn buildings(setting: &Setting<'_>, practice: &Practice) -> Markup {
    let premises = setting.index.premises(practice.code);
    if premises.is_empty() {
        return html! {};
    }
    let rows: Vec<Vec<Markup>> = premises.iter().map(building).collect();
    html! {
        h2.nhsuk-heading-m { "Buildings" }
        (table("Where they are", &["Building", "Postcode", "Easting, northing", "Latitude, longitude"], rows))
    }
}

fn building(site: &Premises) -> Vec<Markup> {
    let kind = match site.kind {
        PremisesKind::Main => "Main",
        PremisesKind::Branch => "Branch",
        PremisesKind::Predecessor => "Taken over",
    };
    let lonlat = geodesy::to_lonlat(site.position);
    vec![
        html! { (kind) },
        html! { @match site.postcode { Some(postcode) => (postcode), None => "–" } },
        html! { (format!("{:.0}, {:.0}", site.position.easting_m(), site.position.northing_m())) },
        html! { @match lonlat { Some(it) => (format!("{:.5}, {:.5}", it.lat(), it.lon())), None => "–" } },
    ]
}

fn successions(setting: &Setting<'_>, practice: &Practice) -> Markup {
    let index = setting.index;
    let step = |code: OdsCode, step: &Succession| html! { (setting.to_practice(code)) ", on " (format::date(step.from)) };
    let predecessors: Vec<Markup> = index
        .predecessors(practice.code)
        .iter()
        .map(|it| step(it.predecessor, it))
        .collect();
    let successors: Vec<Markup> = index
        .successors(practice.code)
        .iter()
        .map(|it| step(it.successor, it))
        .collect();
    html! {
        @if !successors.is_empty() {
            h2.nhsuk-heading-m { "Who took over its patients" }
            (list(&successors))
        }
        @if !predecessors.is_empty() {
            h2.nhsuk-heading-m { "Whose patients it took over" }
            (list(&predecessors))
        }
    }
}

fn modelled_area(setting: &Setting<'_>, page: &PracticePage<'_>) -> Markup {
    let Some(area) = page.area else {
        return html! {
            h2.nhsuk-heading-m { "Its area" }
            p { "No area of it is known for that day." }
        };
    };
    let count: usize = page.outcodes.iter().map(|it| it.postcodes).sum();
    let path = practice_path(page.practice.code);
    let description = format!("Map of the area of {}.", page.practice.name);
    html! {
        h2.nhsuk-heading-m { "Its area" }
        p { (components::provenance(area.provenance)) " Ask the practice before you send anybody there." }
        @if count > 0 {
            p { a href=(setting.link(&format!("{path}/postcodes"))) { (format::counted(count, "postcode", "postcodes")) } " in use lie in it." }
        }
        (map(setting, Layer::GpPractice, Some(page.practice.code.as_str()), &page.practice.name, &description))
        div.to-take-away { (area_downloads(setting, area, true, page.can_be_embedded)) }
    }
}
