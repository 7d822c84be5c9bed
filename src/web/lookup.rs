//! The page at `/`: a question, and the answer or the communities.

use std::collections::BTreeSet;

use jiff::civil::Date;
use maud::{Markup, html};

use super::format;
use super::interactive_map::LiveMap;
use super::layout::{Page, frame};
use super::lookup_result::{self, called};
use super::nhsuk::{
    Button, DateInput, ErrorSummary, Field, Input, Label, button, date_input, details,
    error_summary, input,
};
use crate::domain::{
    Area, Layer, Member, Postcode, Practice, PracticeStatus, Provenance, today_in_london,
};
use crate::index::{Answer, Index, Place, Query};
use crate::maps::Picture;

/// What a page stands on.
pub(crate) struct Home<'a> {
    pub(crate) index: &'a Index,
    pub(crate) outcome: Outcome<'a>,
}

/// What became of the form.
pub(crate) enum Outcome<'a> {
    /// Nothing was asked yet.
    Unasked,
    /// It could not be asked so.
    Faulty(Fault<'a>),
    /// This.
    Answered(Asked<'a>),
}

/// A question with its answer.
pub(crate) struct Asked<'a> {
    pub(crate) query: &'a Query,
    pub(crate) answer: &'a Answer<'a>,
    /// The version of the dataset, where one was asked for.
    pub(crate) version: Option<&'a str>,
    /// Where there was time to draw it.
    pub(crate) map: Option<Picture>,
}

/// What is wrong with a question.
pub(crate) struct Fault<'a> {
    pub(crate) field: FormField,
    pub(crate) message: &'a str,
    /// The postcode that was probably meant.
    pub(crate) suggestion: Option<Postcode>,
    /// The other fields that were filled in, to be asked with the suggestion.
    pub(crate) others: Vec<(&'static str, &'a str)>,
}

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FormField {
    Place,
    Practice,
    Day,
}

impl FormField {
    /// The id of what is to be filled in.
    fn id(self) -> &'static str {
        match self {
            FormField::Place => "place",
            FormField::Practice => "practice",
            FormField::Day => "as_of-day",
        }
    }
}

/// What is shown of a layer's areas by itself: communities, and what a system has in their place.
const COMMUNITIES: [Layer; 2] = [Layer::Icc, Layer::NeighbourhoodTeam];

/// The page.
pub(crate) fn home(home: &Home<'_>) -> Markup {
    let title = match home.outcome {
        Outcome::Unasked => "Which Integrated Care Community?",
        Outcome::Faulty(_) => "Error: Which Integrated Care Community?",
        Outcome::Answered(_) => "Answer: Which Integrated Care Community?",
    };
    let content = html! {
        @if let Outcome::Faulty(fault) = &home.outcome { (summary(fault)) }
        h1.nhsuk-heading-xl.asked[matches!(home.outcome, Outcome::Answered(_))] { "Which Integrated Care Community?" }
        (form(&home.outcome))
        @match &home.outcome {
            Outcome::Answered(asked) => (lookup_result::answered(home.index, asked)),
            _ => (overview(home.index)),
        }
    };
    let page = Page {
        title,
        part: Some("/"),
        content,
        ..Page::default()
    };
    frame(home.index, &page)
}

fn summary(fault: &Fault<'_>) -> Markup {
    let help = fault.suggestion.map(|postcode| {
        html! {
            form.suggestion method="post" action="/#answer" {
                input type="hidden" name="place" value=(postcode);
                @for (name, value) in &fault.others { input type="hidden" name=(name) value=(value); }
                p { "Did you mean " button.as-link type="submit" { (postcode) } "? It was not looked up." }
            }
        }
    });
    error_summary(&ErrorSummary {
        description: None,
        errors: &[(fault.message, fault.field.id())],
        help,
    })
}

fn form(outcome: &Outcome<'_>) -> Markup {
    let (query, fault) = match outcome {
        Outcome::Unasked => (None, None),
        Outcome::Answered(asked) => (Some(asked.query), None),
        Outcome::Faulty(fault) => (None, Some(fault)),
    };
    let error = |field: FormField| fault.filter(|it| it.field == field).map(|it| it.message);
    let place = query.and_then(|query| query.place).map(written);
    let practice = query
        .and_then(|query| query.practice?.ok())
        .map(|it| it.to_string());
    let (place, practice) = (place.as_deref(), practice.as_deref());
    let day = query
        .map(|query| query.as_of)
        .filter(|day| *day != today_in_london());
    let is_day_open = error(FormField::Day).is_some() || day.is_some();
    html! {
        form.look-up method="post" action="/#answer" autocomplete="off" {
            div.fields {
                (place_field(place, error(FormField::Place), matches!(outcome, Outcome::Unasked)))
                (practice_field(practice, error(FormField::Practice)))
            }
            (details(&html! { "For another day than today" }, false, is_day_open, &day_field(day, error(FormField::Day))))
            (button(&Button { text: "Look up", is_pressed_once: true, ..Button::default() }))
        }
    }
}

fn place_field(value: Option<&str>, error: Option<&str>, is_focused: bool) -> Markup {
    input(&Input {
        field: Field {
            id: "place",
            name: "place",
            label: strong("Postcode, coordinate or grid reference"),
            hint: Some(html! {
                "For example, " span.nowrap { "LA18 4DB" } "; " span.nowrap { "54.2097, -3.2695" } "; "
                span.nowrap { "317303 480077" } "; or " span.nowrap { "SD 173 800" }
            }),
            error,
        },
        value,
        width: Some(20),
        spellcheck: Some("false"),
        autocomplete: Some("off"),
        maxlength: Some(64),
        is_focused,
        ..Input::default()
    })
}

fn practice_field(value: Option<&str>, error: Option<&str>) -> Markup {
    input(&Input {
        field: Field {
            id: "practice",
            name: "practice",
            label: strong("Code of their GP practice (optional)"),
            hint: Some(html! { "For example, P81002" }),
            error,
        },
        value,
        width: Some(10),
        spellcheck: Some("false"),
        autocomplete: Some("off"),
        maxlength: Some(64),
        ..Input::default()
    })
}

/// Only a day that is not today is worth saying again.
fn day_field(day: Option<Date>, error: Option<&str>) -> Markup {
    let parts = day.map(|day| ["%-d", "%-m", "%Y"].map(|form| day.strftime(form).to_string()));
    let values = match &parts {
        Some([day, month, year]) => [day, month, year].map(|part| Some(part.as_str())),
        None => [None; 3],
    };
    date_input(&DateInput {
        id: "as_of",
        legend: strong("Day that the answer is for"),
        hint: Some(html! { "For example, 31 3 2025" }),
        error,
        values,
    })
}

fn strong(text: &str) -> Label<'_> {
    Label {
        text,
        size: Some("s"),
        is_heading: false,
    }
}

/// A place so that it is understood again.
fn written(place: Place) -> String {
    match place {
        Place::Postcode(postcode) => postcode.to_string(),
        Place::LonLat(place) => format!("{}, {}", place.lat(), place.lon()),
        Place::Grid(place) => format!("{} {}", place.easting_m(), place.northing_m()),
    }
}

/// What the page shows before anything is asked.
fn overview(index: &Index) -> Markup {
    let today = today_in_london();
    let layers = COMMUNITIES.into_iter().map(|layer| {
        let areas = index.areas(layer, today).into_iter().flatten();
        (layer, areas.collect::<Vec<&Area>>())
    });
    let layers: Vec<(Layer, Vec<&Area>)> = layers.filter(|it| !it.1.is_empty()).collect();
    let communities: Vec<&Area> = layers.iter().flat_map(|it| &it.1).copied().collect();
    html! {
        div.nhsuk-grid-row {
            section.nhsuk-grid-column-one-half.communities aria-labelledby="communities" {
                h2 #communities { "The communities" }
                p.nhsuk-body-s { (boundaries(&communities)) }
                @for (system, communities) in by_system(&communities) {
                    h3 { (system) }
                    @for area in communities { (community(index, area, today)) }
                }
            }
            div.nhsuk-grid-column-one-half {
                @for (layer, areas) in &layers { (layer_map(index, *layer, today, areas.len())) }
            }
        }
    }
}

/// Where their boundaries come from.
fn boundaries(areas: &[&Area]) -> String {
    let words: BTreeSet<&str> = areas.iter().map(|it| it.provenance.as_str()).collect();
    let words: Vec<&str> = words.into_iter().collect();
    let is_official = areas.iter().all(|it| it.provenance == Provenance::Official);
    let rest = match is_official {
        true => "",
        false => ": drawn from open statistics, not an official map",
    };
    format!("Their boundaries are {}{rest}.", words.join(" or "))
}

/// The picture of a layer; what is on it stands beside it in words.
fn layer_map(index: &Index, layer: Layer, day: Date, count: usize) -> Markup {
    let mut entries = index.manifest().layers.iter();
    let entry = entries.find(|entry| entry.id == layer.as_str());
    let title = entry.map_or(layer.as_str(), |entry| entry.title.as_str());
    let picture = html! {
        img src={ "/maps/" (layer) ".svg?width=560" } alt={ "Map: " (title) ", " (count) " areas. Their names are on this page." } width="560";
        figcaption { (lookup_result::downloads(&format!("/maps/{layer}"), "", title)) }
    };
    let moving = LiveMap {
        index,
        layer,
        day,
        query: "",
        title,
        area: None,
        mark: None,
    };
    moving.figure(&picture)
}

/// A community with its practices, to open.
fn community(index: &Index, area: &Area, day: Date) -> Markup {
    let members = index.members(area.layer, &area.id, day);
    let practices: Vec<&Practice> = members
        .iter()
        .filter_map(|membership| match &membership.member {
            Member::Practice(code) => index.practice(*code),
            Member::Area(..) => None,
        })
        .filter(|practice| practice.status_on(day) == PracticeStatus::Active)
        .collect();
    let parts: Vec<&str> = members
        .iter()
        .filter_map(|membership| match &membership.member {
            Member::Area(layer, id) => index.area(*layer, id, day),
            Member::Practice(_) => None,
        })
        .map(|part| part.name.as_str())
        .collect();
    let content = html! {
        @if !parts.is_empty() { p { "Its parts: " (parts.join(", ")) "." } }
        p { "Everyone registered with one of these practices belongs to it:" }
        ul { @for practice in practices {
            li { (lookup_result::practice_name(practice, "")) @if let Some(telephone) = &practice.telephone { ", " (lookup_result::telephone(telephone)) } }
        } }
        p { "More: " (lookup_result::area_name(area, "")) }
    };
    details(&html! { (called(area)) }, false, false, &content)
}

/// `morecambe-bay` as a heading, with its areas in order of name.
fn by_system<'a>(areas: &[&'a Area]) -> Vec<(String, Vec<&'a Area>)> {
    let mut systems: Vec<(String, Vec<&'a Area>)> = Vec::new();
    for &area in areas {
        let name = area
            .system
            .as_deref()
            .map(format::system)
            .unwrap_or_else(|| "Others".into());
        match systems.iter_mut().find(|(system, _)| *system == name) {
            Some((_, areas)) => areas.push(area),
            None => systems.push((name, vec![area])),
        }
    }
    for (_, areas) in &mut systems {
        areas.sort_by(|a, b| a.name.cmp(&b.name));
    }
    systems
}
