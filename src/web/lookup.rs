//! The page at `/`: the look-up form, then the result or the list of communities.

use std::collections::BTreeSet;

use jiff::civil::Date;
use maud::{Markup, html};

use super::format;
use super::interactive_map::InteractiveMap;
use super::layout::{PageLayout, layout};
use super::links::{area_link, display_name, map_downloads, practice_link, telephone_link};
use super::lookup_result::{self, LookupResult};
use super::nhsuk::{
    Button, DateInput, ErrorSummary, Field, FieldLabel, Input, button, date_input, details,
    error_summary, input,
};
use super::words;
use catchment_core::domain::{
    Area, GroupMember, Layer, Postcode, Practice, PracticeStatus, Provenance, StatisticalAreaCode,
    today_in_london,
};
use catchment_core::index::Index;

/// The content of the page.
pub(crate) struct LookupPage<'a> {
    pub(crate) index: &'a Index,
    pub(crate) state: LookupState<'a>,
}

/// The state of the form.
pub(crate) enum LookupState<'a> {
    /// The form has not been submitted.
    Empty,
    /// A field of the form is invalid.
    Invalid(FormError<'a>),
    Result(LookupResult<'a>),
}

/// An error in a field of the form.
pub(crate) struct FormError<'a> {
    pub(crate) field: FormField,
    pub(crate) message: &'a str,
    /// A sentence about the postcode that may help, but is not an answer.
    pub(crate) hint: Option<String>,
    /// The postcode that the user probably meant.
    pub(crate) suggestion: Option<Postcode>,
    /// The names and values of the other fields, which are submitted again with the suggestion.
    pub(crate) other_fields: Vec<(&'static str, &'a str)>,
}

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FormField {
    Place,
    Practice,
    Date,
}

impl FormField {
    /// Returns the id of the `input` element of the field. For the date, which has three `input`
    /// elements, this is the id of the first element.
    fn id(self) -> &'static str {
        match self {
            FormField::Place => "place",
            FormField::Practice => "practice",
            FormField::Date => "as_of-day",
        }
    }
}

/// Renders the page.
pub(crate) fn lookup(page: &LookupPage<'_>) -> Markup {
    let (index, state) = (page.index, &page.state);
    let noun = words::community_noun(index.manifest());
    let heading = format!("Find {}", words::with_article(noun));
    let title = match state {
        LookupState::Empty => heading.clone(),
        LookupState::Invalid(_) => format!("Error: {heading}"),
        LookupState::Result(_) => format!("Result: {heading}"),
    };
    let has_result = matches!(state, LookupState::Result(_));
    let content = html! {
        @if let LookupState::Invalid(error) = state { (summary(error)) }
        h1.nhsuk-heading-xl.has-result[has_result] { (heading) }
        (form(index, state))
        @match state {
            LookupState::Result(result) => (lookup_result::result_section(index, result)),
            _ => (overview(index)),
        }
    };
    let page = PageLayout {
        title: &title,
        section: Some("/"),
        content,
        ..PageLayout::default()
    };
    layout(index, &page)
}

fn summary(error: &FormError<'_>) -> Markup {
    let hint = error.hint.as_ref().map(|hint| html! { p { (hint) } });
    let suggestion = error.suggestion.map(|postcode| {
        html! {
            form.suggestion method="post" action="/#answer" {
                input type="hidden" name="place" value=(postcode);
                @for (name, value) in &error.other_fields { input type="hidden" name=(name) value=(value); }
                p { "Did you mean " button.as-link type="submit" { (postcode) } "? We have not looked it up yet." }
            }
        }
    });
    error_summary(&ErrorSummary {
        description: None,
        errors: &[(error.message, error.field.id())],
        help: hint.or(suggestion),
    })
}

/// Renders the form. After a result it is empty, so that nothing of one look-up is used for the
/// next.
fn form(index: &Index, state: &LookupState<'_>) -> Markup {
    let error = match state {
        LookupState::Empty | LookupState::Result(_) => None,
        LookupState::Invalid(error) => Some(error),
    };
    let message = |field: FormField| {
        error
            .filter(|error| error.field == field)
            .map(|error| error.message)
    };
    let date = date_field(message(FormField::Date));
    let is_date_open = message(FormField::Date).is_some();
    html! {
        form.look-up method="post" action="/#answer" autocomplete="off" {
            div.fields {
                (place_field(index, message(FormField::Place), matches!(state, LookupState::Empty)))
                (practice_field(message(FormField::Practice)))
            }
            (details(&html! { "Use a different date" }, false, is_date_open, &date))
            (button(&Button { text: "Look up", prevents_double_click: true, ..Button::default() }))
        }
    }
}

fn place_field(index: &Index, error: Option<&str>, is_focused: bool) -> Markup {
    let code = example_code(index);
    input(&Input {
        field: Field {
            id: "place",
            name: "place",
            label: small_label("Postcode, coordinates or grid reference"),
            hint: Some(html! {
                "For example, " span.nowrap { "LA18 4DB" } "; " span.nowrap { "54.2097, -3.2695" } "; "
                span.nowrap { "317303 480077" } "; " @if code.is_none() { "or " } span.nowrap { "SD 173 800" }
                @if let Some(code) = code { "; or the code of a statistical area, " span.nowrap { (code) } }
            }),
            error,
        },
        width: Some(20),
        spellcheck: Some("false"),
        autocomplete: Some("off"),
        maxlength: Some(64),
        is_focused,
        ..Input::default()
    })
}

/// Returns the first code of a statistical area; `None` if the dataset has no statistical areas or if
/// their codes are not GSS codes, which alone are recognised in the field.
pub(crate) fn example_code(index: &Index) -> Option<&str> {
    let layer = index.statistical_layers().next()?;
    let first = index.all_areas(layer).next()?;
    StatisticalAreaCode::is_gss(&first.id).then_some(first.id.as_str())
}

fn practice_field(error: Option<&str>) -> Markup {
    input(&Input {
        field: Field {
            id: "practice",
            name: "practice",
            label: small_label("GP practice code (optional)"),
            hint: Some(html! { "For example, P81002" }),
            error,
        },
        width: Some(10),
        spellcheck: Some("false"),
        autocomplete: Some("off"),
        maxlength: Some(64),
        ..Input::default()
    })
}

fn date_field(error: Option<&str>) -> Markup {
    date_input(&DateInput {
        id: "as_of",
        legend: small_label("Date"),
        hint: Some(html! { "For example, 31 3 2025" }),
        error,
        values: [None; 3],
    })
}

fn small_label(text: &str) -> FieldLabel<'_> {
    FieldLabel {
        text,
        size: Some("s"),
        is_heading: false,
    }
}

/// Renders the list and the maps of communities, which the page shows until there is a result.
fn overview(index: &Index) -> Markup {
    let today = today_in_london();
    let layers = index.community_layers().iter().map(|&layer| {
        let areas = index.areas(layer, today).into_iter().flatten();
        (layer, areas.collect::<Vec<&Area>>())
    });
    let layers: Vec<(Layer, Vec<&Area>)> = layers.filter(|(_, areas)| !areas.is_empty()).collect();
    let communities: Vec<&Area> = layers
        .iter()
        .flat_map(|(_, areas)| areas)
        .copied()
        .collect();
    html! {
        div.nhsuk-grid-row {
            section.nhsuk-grid-column-one-half.communities aria-labelledby="communities" {
                h2 #communities { "Communities" }
                p.nhsuk-body-s { (provenance_sentence(&communities)) }
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

fn provenance_sentence(areas: &[&Area]) -> String {
    let words: BTreeSet<&str> = areas.iter().map(|area| area.provenance.as_str()).collect();
    let words: Vec<&str> = words.into_iter().collect();
    let is_official = |area: &&Area| area.provenance == Provenance::Official;
    let explanation = match areas
        .iter()
        .copied()
        .filter(|area| is_official(area))
        .count()
    {
        0 => ". They are drawn from open statistics, not from an official map",
        count if count == areas.len() => "",
        _ => {
            ". Those that are not official are drawn from open statistics, not from an official map"
        }
    };
    format!("The boundaries are {}{explanation}.", words.join(" or "))
}

/// Renders the map of a layer. The list of communities has the names of the areas as text.
fn layer_map(index: &Index, layer: Layer, date: Date, count: usize) -> Markup {
    let title = index.layer_title(layer);
    let static_map = html! {
        img src={ "/maps/" (layer) ".svg?width=560" } alt={ "Map of " (title) " (" (format::count_with_noun(count, "area", "areas")) "). The names are listed on this page." } width="560";
        figcaption { (map_downloads(&format!("/maps/{layer}"), "", title)) }
    };
    let map = InteractiveMap {
        index,
        layer,
        date,
        query: "",
        title,
        area: None,
        marker: None,
    };
    map.figure(&static_map)
}

/// Renders a community as a `details` element that lists its active practices.
fn community(index: &Index, area: &Area, date: Date) -> Markup {
    let members = index.members(area.layer, &area.id, date);
    let practices: Vec<&Practice> = members
        .iter()
        .filter_map(|membership| match &membership.member {
            GroupMember::Practice(code) => index.practice(*code),
            GroupMember::Area(..) => None,
        })
        .filter(|practice| practice.status_on(date) == PracticeStatus::Active)
        .collect();
    let parts: Vec<&str> = members
        .iter()
        .filter_map(|membership| match &membership.member {
            GroupMember::Area(layer, id) => index.area(*layer, id, date),
            GroupMember::Practice(_) => None,
        })
        .map(|part| part.name.as_str())
        .collect();
    let content = html! {
        @if !parts.is_empty() { p { "This community includes: " (parts.join(", ")) "." } }
        p { "Everyone registered with one of these GP practices belongs to this community:" }
        ul { @for practice in practices {
            li { (practice_link(practice, "")) @if let Some(number) = &practice.telephone { ", " (telephone_link(number)) } }
        } }
        p { "More about " (area_link(index, area, "")) }
    };
    details(&html! { (display_name(area)) }, false, false, &content)
}

/// Groups areas by partnership, and sorts each group by name. The groups are in the order of
/// their first areas in `areas`.
fn by_system<'a>(areas: &[&'a Area]) -> Vec<(String, Vec<&'a Area>)> {
    let mut systems: Vec<(String, Vec<&'a Area>)> = Vec::new();
    for &area in areas {
        let name = area
            .system
            .as_deref()
            .map_or_else(|| "Other areas".into(), format::system_name);
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
