//! The page at `/`: the look-up form, followed by the result or the list of communities.

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
    /// A sentence about the postcode that may help the user, but is not an answer.
    pub(crate) hint: Option<String>,
    /// The postcode that the user probably meant.
    pub(crate) suggestion: Option<Postcode>,
    /// The practices from which the user chooses one.
    pub(crate) choices: &'a [&'a Practice],
    pub(crate) typed: TypedValues<'a>,
}

/// The names and values of the fields that the user filled in, whether valid or not. The form
/// contains these values again, and submits them again with a suggestion or a choice.
#[derive(Debug, Default)]
pub(crate) struct TypedValues<'a>(pub(crate) Vec<(&'static str, &'a str)>);

impl<'a> TypedValues<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let mut values = self.0.iter();
        Some(values.find(|(other, _)| *other == name)?.1)
    }

    /// Returns the day, month and year.
    fn date(&self) -> [Option<&'a str>; 3] {
        match self.get("as_of").map(|date| date.splitn(3, '-')) {
            Some(mut parts) => {
                let [year, month, day] = [parts.next(), parts.next(), parts.next()];
                [day, month, year]
            }
            None => ["day", "month", "year"].map(|name| self.get(name)),
        }
    }

    /// Renders the values as hidden fields, except the value of the field `name`.
    fn hidden_except(&self, name: &str) -> Markup {
        let others = self.0.iter().filter(|(other, _)| *other != name);
        html! { @for (name, value) in others { input type="hidden" name=(name) value=(value); } }
    }
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
        h1.nhsuk-heading-l.nhsuk-u-visually-hidden[has_result] { (heading) }
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
            form.suggestion method="post" action="/" {
                (error.typed.hidden_except("place"))
                input type="hidden" name="place" value=(postcode);
                p { "Did you mean " button.as-link type="submit" { (postcode) } "? We have not looked it up yet." }
            }
        }
    });
    let choices = (!error.choices.is_empty()).then(|| choices(error));
    error_summary(&ErrorSummary {
        description: None,
        errors: &[(error.message, error.field.id())],
        help: hint.or(suggestion).or(choices),
    })
}

/// Renders a button for each practice that the user can choose.
fn choices(error: &FormError<'_>) -> Markup {
    html! {
        form.suggestion method="post" action="/" {
            (error.typed.hidden_except("practice"))
            ul.nhsuk-list {
                @for practice in error.choices {
                    li {
                        button.as-link type="submit" name="practice" value=(practice.code) { (practice.name) " (" (practice.code) ")" }
                        span.address {
                            (practice.address)
                            @if let Some(postcode) = practice.postcode { @if !practice.address.is_empty() { ", " } (postcode) }
                            @if let Some(closed) = practice.closed { ". Closed on " (format::date(closed)) }
                        }
                    }
                }
            }
        }
    }
}

/// Renders the form. After a result, the form is empty and has the focus. The user can immediately
/// type the next place, and no values of one look-up are used for the next look-up. The form is
/// then small, so that the result is visible without scrolling.
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
    let nothing = TypedValues::default();
    let typed = error.map_or(&nothing, |error| &error.typed);
    let is_next = matches!(state, LookupState::Result(_));
    let date = date_field(message(FormField::Date), typed.date());
    let is_date_open =
        message(FormField::Date).is_some() || typed.date().iter().any(Option::is_some);
    let place = TypedField {
        error: message(FormField::Place),
        value: typed.get("place"),
        is_next,
    };
    let practice = TypedField {
        error: message(FormField::Practice),
        value: typed.get("practice"),
        is_next,
    };
    let button = button(&Button {
        text: "Look up",
        prevents_double_click: true,
        ..Button::default()
    });
    html! {
        form.look-up.look-up--next[is_next] method="post" action="/" autocomplete="off" {
            div.fields {
                (place_field(index, &place, error.is_none()))
                (practice_field(index, &practice))
                @if is_next { (button) }
            }
            (details(&html! { "Use a different date" }, false, is_date_open, &date))
            @if !is_next { (button) }
        }
    }
}

/// The content of a field of the form.
struct TypedField<'a> {
    error: Option<&'a str>,
    value: Option<&'a str>,
    /// Whether the form follows a result, and so is for the next look-up.
    is_next: bool,
}

fn place_field(index: &Index, typed: &TypedField<'_>, is_focused: bool) -> Markup {
    let code = example_code(index);
    let hint = || {
        html! {
            "For example, " span.nowrap { "LA18 4DB" } "; " span.nowrap { "54.2097, -3.2695" } "; "
            span.nowrap { "317303 480077" } "; " @if code.is_none() { "or " } span.nowrap { "SD 173 800" }
            @if let Some(code) = code { "; or the code of a statistical area, " span.nowrap { (code) } }
        }
    };
    input(&Input {
        field: Field {
            id: "place",
            name: "place",
            label: small_label("Postcode, coordinates or grid reference"),
            hint: (!typed.is_next).then(hint),
            error: typed.error,
            // Screen readers read out the result when the field receives the focus.
            description: typed.is_next.then_some("answer-summary"),
        },
        value: typed.value,
        width: (!typed.is_next).then_some(20),
        spellcheck: Some("false"),
        autocomplete: Some("off"),
        maxlength: Some(120),
        is_focused,
        ..Input::default()
    })
}

/// Returns the first code of a statistical area; `None` if the dataset contains no statistical
/// areas, or if their codes are not GSS codes. The field recognises only GSS codes.
pub(crate) fn example_code(index: &Index) -> Option<&str> {
    let layer = index.statistical_layers().next()?;
    let first = index.all_areas(layer).next()?;
    StatisticalAreaCode::is_gss(&first.id).then_some(first.id.as_str())
}

/// The maximum number of practices that the field suggests. The names of more practices would make
/// the page too large. Practices that are not suggested can still be found by name.
const SUGGESTIONS_MAX: usize = 1_000;

fn practice_field(index: &Index, typed: &TypedField<'_>) -> Markup {
    let today = today_in_london();
    let practices = index.practices().iter();
    let open: Vec<&Practice> = practices
        .filter(|practice| practice.status_on(today) == PracticeStatus::Active)
        .collect();
    let example = open.first().filter(|_| !typed.is_next);
    let has_suggestions = open.len() <= SUGGESTIONS_MAX;
    let field = input(&Input {
        field: Field {
            id: "practice",
            name: "practice",
            label: small_label("GP practice: name or code (optional)"),
            hint: example.map(|practice| html! { "For example, " (practice.name) ", or its code " (practice.code) }),
            error: typed.error,
            ..Field::default()
        },
        value: typed.value,
        width: (!typed.is_next).then_some(20),
        spellcheck: Some("false"),
        autocomplete: Some("off"),
        maxlength: Some(120),
        list: has_suggestions.then_some("practices"),
        ..Input::default()
    });
    html! {
        (field)
        @if has_suggestions {
            datalist #practices { @for practice in open { option value={ (practice.name) " (" (practice.code) ")" } {} } }
        }
    }
}

fn date_field(error: Option<&str>, values: [Option<&str>; 3]) -> Markup {
    date_input(&DateInput {
        id: "as_of",
        legend: small_label("Date"),
        hint: Some(html! { "For example, 31 3 2025" }),
        error,
        values,
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

/// Renders the map of a layer. The list of communities contains the names of the areas as text.
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
