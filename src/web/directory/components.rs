//! What the pages are made of.

use jiff::civil::Date;
use maud::{Markup, html};

use super::super::interactive_map::LiveMap;
use super::super::lookup_result::downloads;
use super::super::nhsuk::{self, Button, Pagination, Table, button};
use super::{Setting, called, format, last_day, meaning};
use crate::domain::{Area, Layer, Period, PracticeStatus, Provenance};

/// Lines of a list on one page.
pub(crate) const PER_PAGE: usize = 100;

/// A page of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// From 1.
    pub(crate) page: usize,
    /// Lines of the whole list.
    pub(crate) total: usize,
}

impl Part {
    /// The page, if the list has it; the first one even of an empty list.
    pub(crate) fn new(page: usize, total: usize) -> Option<Part> {
        let pages = total.div_ceil(PER_PAGE).max(1);
        (1..=pages).contains(&page).then_some(Part { page, total })
    }

    pub(super) fn of<T>(self, list: &[T]) -> &[T] {
        let start = (self.page - 1) * PER_PAGE;
        &list[start..list.len().min(start + PER_PAGE)]
    }

    fn pages(self) -> usize {
        self.total.div_ceil(PER_PAGE).max(1)
    }
}

/// Of when list sizes are: they are one count, whatever the day of the page.
pub(super) fn list_size_words(setting: &Setting<'_>) -> String {
    let mut sources = setting.index.manifest().sources.iter();
    let known = sources.find(|it| it.what.contains("list sizes"));
    known.map_or(String::new(), |it| format!(", as of {}", it.vintage))
}

/// A segment of a path, percent-encoded (RFC 3986, 3.3).
pub(crate) fn encoded(segment: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte);
    segment.bytes().fold(String::new(), |mut path, byte| {
        match is_plain(byte) {
            true => path.push(char::from(byte)),
            false => path.push_str(&format!("%{byte:02X}")),
        }
        path
    })
}

/// A heading with what the thing is above it.
pub(super) fn heading(caption: &str, title: &str) -> Markup {
    html! {
        h1.nhsuk-heading-l {
            span.nhsuk-caption-l { (caption) span.nhsuk-u-visually-hidden { ": " } }
            (title)
        }
    }
}

/// A table whose first column names its rows.
pub(super) fn table(caption: &str, columns: &[&str], rows: Vec<Vec<Markup>>) -> Markup {
    nhsuk::table(&Table {
        caption,
        caption_size: Some("s"),
        columns: columns.iter().map(|column| (*column).into()).collect(),
        // On a narrow screen what stands in a cell is set beside its heading, and has to be one thing.
        rows: rows
            .into_iter()
            .map(|row| row.into_iter().map(whole).collect())
            .collect(),
    })
}

fn whole(cell: Markup) -> Markup {
    html! { span { (cell) } }
}

pub(super) fn list(items: &[Markup]) -> Markup {
    html! { ul.nhsuk-list.nhsuk-list--bullet { @for item in items { li { (item) } } } }
}

pub(super) fn tag(text: &str, colour: &str) -> Markup {
    nhsuk::tag(text, Some(colour))
}

pub(super) fn status_tag(status: PracticeStatus) -> Markup {
    let (text, colour) = match status {
        PracticeStatus::Active => ("Open", "green"),
        PracticeStatus::Dormant => ("Dormant", "yellow"),
        PracticeStatus::Closed => ("Closed", "grey"),
        PracticeStatus::Proposed => ("Not yet open", "blue"),
    };
    tag(text, colour)
}

/// The word for a provenance, and what it means.
pub(super) fn provenance(provenance: Provenance) -> Markup {
    let colour = match provenance {
        Provenance::Official => "green",
        Provenance::Derived => "blue",
        Provenance::Modelled => "yellow",
        Provenance::Indicative => "orange",
    };
    html! { (provenance_tag_text(provenance, colour)) " " (meaning(provenance)) }
}

fn provenance_tag_text(provenance: Provenance, colour: &str) -> Markup {
    let word = provenance.as_str();
    let (first, rest) = word.split_at(1);
    tag(&format!("{}{rest}", first.to_uppercase()), colour)
}

/// When something held: `from 1 July 2022`; `first_data` is the day before which nothing is known.
pub(super) fn period_words(period: Period, first_data: Option<Date>) -> String {
    let Period { from, to } = period;
    match (from.map(format::date), to.map(last_day)) {
        (Some(from), Some(last)) => format!("from {from} until {last}"),
        (Some(from), None) => format!("from {from}"),
        (None, Some(last)) => format!("until {last}; the first day is not known"),
        (None, None) => match first_data {
            Some(day) => format!("since before {}", format::date(day)),
            None => "since a day that is not known".into(),
        },
    }
}

/// A version of an area that does not hold on the day says so.
pub(super) fn not_of_the_day(setting: &Setting<'_>, area: &Area) -> Markup {
    if area.period.contains(setting.as_of) {
        return html! {};
    }
    let is_over = area.period.to.is_some_and(|to| to <= setting.as_of);
    let sentence = match (is_over, area.period.to, area.period.from) {
        (true, Some(to), _) => format!(
            "{} came to an end: its last day was {}. This page is about what it was.",
            called(area),
            last_day(to)
        ),
        (_, _, Some(from)) => format!("{} began on {}.", called(area), format::date(from)),
        _ => return html! {},
    };
    nhsuk::inset_text(&html! { p { (sentence) } })
}

/// Which day and which dataset the page is for.
pub(super) fn day_words(setting: &Setting<'_>) -> Markup {
    html! {
        p.nhsuk-body-s {
            "For " (format::date(setting.as_of)) @if !setting.is_dated { " (today)" } ", from " (dataset_words(setting)) "."
        }
    }
}

pub(super) fn dataset_words(setting: &Setting<'_>) -> Markup {
    let manifest = setting.index.manifest();
    html! { "dataset " (manifest.name) ", version " (manifest.version) }
}

/// A form that asks for the same page on another day. Other fields of the page go along.
pub(super) fn day_form(setting: &Setting<'_>, path: &str, others: &[(&str, &str)]) -> Markup {
    html! {
        form.another-day method="get" action=(path) {
            @for (name, value) in others { input type="hidden" name=(name) value=(value); }
            @if let Some(version) = setting.version { input type="hidden" name="dataset" value=(version); }
            (day_field("as_of", "Show another day", Some(setting.as_of)))
            (button(&Button { text: "Show that day", variant: Some("secondary"), is_small: true, ..Button::default() }))
            @if setting.is_dated { p { a href=(without_day(setting, path, others)) { "Show today" } } }
        }
    }
}

/// A day in one field, as addresses have it.
pub(super) fn day_field(name: &str, label: &str, day: Option<Date>) -> Markup {
    html! {
        div.nhsuk-form-group {
            label.nhsuk-label for=(name) { (label) }
            input."nhsuk-input nhsuk-input--width-10" id=(name) type="date" name=(name) value=[day];
        }
    }
}

fn without_day(setting: &Setting<'_>, path: &str, others: &[(&str, &str)]) -> String {
    let version = setting.version.map(|version| ("dataset", version));
    let pairs: Vec<(&str, &str)> = others.iter().copied().chain(version).collect();
    with_query(path, &pairs)
}

/// A path with a query of these fields.
pub(in crate::web) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    if pairs.is_empty() {
        return path.to_string();
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{path}?{query}")
}

/// Links to the pages before and after; `to` is the address of a page.
pub(super) fn pagination(part: Part, to: &dyn Fn(usize) -> String) -> Markup {
    let pages = part.pages();
    let link = |page: usize| (to(page), format!("Page {page} of {pages}"));
    nhsuk::pagination(&Pagination {
        previous: (part.page > 1).then(|| link(part.page - 1)),
        next: (part.page < pages).then(|| link(part.page + 1)),
    })
}

/// A map of a layer, or of one of its areas, with its words for those who do not see it, and the same to take away.
pub(super) fn map(
    setting: &Setting<'_>,
    layer: Layer,
    area: Option<&str>,
    name: &str,
    description: &str,
) -> Markup {
    let stem = match area {
        Some(id) => format!("/maps/{layer}/{}", encoded(id)),
        None => format!("/maps/{layer}"),
    };
    let query = setting.link("");
    let moving = LiveMap {
        index: setting.index,
        layer,
        day: setting.as_of,
        query: &query,
        title: name,
        area,
        mark: None,
    };
    moving.figure(&html! {
        img src={ (stem) ".svg" (query) } alt=(description) width="800";
        figcaption.to-take-away { (downloads(&stem, &query, name)) }
    })
}
