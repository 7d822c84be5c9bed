//! The components that the pages of the directory share.

use jiff::civil::Date;
use maud::{Markup, html};

use super::super::interactive_map::InteractiveMap;
use super::super::links::{SOURCES_PATH, map_downloads, path_segment};
use super::super::nhsuk::{self, Button, DataTable, Pagination, button};
use super::{PageContext, display_name, format, last_day, provenance_text};
use catchment_core::domain::{Area, Layer, OdsCode, Period, PracticeStatus, Provenance};

/// The number of items on one page of a list.
pub(crate) const ITEMS_PER_PAGE: usize = 100;

/// One page of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageSlice {
    /// The number of the page, from 1.
    pub(crate) page: usize,
    /// The number of items in the whole list.
    pub(crate) total: usize,
}

impl PageSlice {
    /// Returns the page, or `None` if the list has no page with this number. An empty list has one
    /// page.
    pub(crate) fn new(page: usize, total: usize) -> Option<PageSlice> {
        let pages = total.div_ceil(ITEMS_PER_PAGE).max(1);
        (1..=pages)
            .contains(&page)
            .then_some(PageSlice { page, total })
    }

    /// Returns the items of the page.
    pub(super) fn of<T>(self, list: &[T]) -> &[T] {
        let start = (self.page - 1) * ITEMS_PER_PAGE;
        &list[start..list.len().min(start + ITEMS_PER_PAGE)]
    }

    fn page_count(self) -> usize {
        self.total.div_ceil(ITEMS_PER_PAGE).max(1)
    }
}

/// Renders the `h1` of a page with the kind of page above the title.
pub(super) fn heading(caption: &str, title: &str) -> Markup {
    html! {
        h1.nhsuk-heading-l {
            span.nhsuk-caption-l { (caption) span.nhsuk-u-visually-hidden { ": " } }
            (title)
        }
    }
}

/// Renders a table. The first cell of each row is the heading of the row.
pub(super) fn table(caption: &str, columns: &[&str], rows: Vec<Vec<Markup>>) -> Markup {
    nhsuk::table(&DataTable {
        caption,
        caption_size: Some("s"),
        columns: columns.iter().map(|column| (*column).into()).collect(),
        // On a narrow screen, a cell is a flex container, so its content must be a single element
        // next to the heading.
        rows: rows
            .into_iter()
            .map(|row| row.into_iter().map(in_span).collect())
            .collect(),
    })
}

fn in_span(cell: Markup) -> Markup {
    html! { span { (cell) } }
}

pub(super) fn list(items: &[Markup]) -> Markup {
    html! { ul.nhsuk-list.nhsuk-list--bullet { @for item in items { li { (item) } } } }
}

/// Renders links to the practices that took over the patients of a practice, joined with commas and
/// "and"; `None` if no practice took over the patients.
pub(super) fn successor_links(context: &PageContext<'_>, code: OdsCode) -> Option<Markup> {
    let successions = context.index.successors(code);
    let last = successions.len().checked_sub(1)?;
    Some(html! {
        @for (index, succession) in successions.iter().enumerate() {
            @if index > 0 { @if index == last { " and " } @else { ", " } }
            (context.practice_link(succession.successor))
            @if succession.is_by_place_alone() { " (the only evidence is the place)" }
        }
    })
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

/// Renders a provenance as a tag with an explanation.
pub(super) fn provenance(provenance: Provenance) -> Markup {
    let colour = match provenance {
        Provenance::Official => "green",
        Provenance::Derived => "blue",
        Provenance::Modelled => "yellow",
        Provenance::Indicative => "orange",
    };
    let name = format::sentence_case(provenance.as_str());
    html! { (tag(&name, colour)) " " (provenance_text(provenance)) }
}

/// Formats a period: `from 1 July 2022`. `first_data` is the first date for which the layer has
/// data.
pub(super) fn period_text(period: Period, first_data: Option<Date>) -> String {
    let Period { from, to } = period;
    match (from.map(format::date), to.map(last_day)) {
        (Some(from), Some(last)) => format!("from {from} until {last}"),
        (Some(from), None) => format!("from {from}"),
        (None, Some(last)) => format!("until {last} (start date not known)"),
        (None, None) => match first_data {
            Some(date) => format!("since before {}", format::date(date)),
            None => "from an unknown date".into(),
        },
    }
}

/// Formats the period of an area as [`period_text`] does, or states that the area's last day is not
/// known.
pub(super) fn area_period_text(area: &Area, first_data: Option<Date>) -> String {
    let Some(ended_by) = area.ended_by else {
        return period_text(area.period, first_data);
    };
    let from = match area.period.from {
        Some(from) => format!("from {}; ", format::date(from)),
        None => String::new(),
    };
    format!(
        "{from}ended before {}; the day is not known",
        format::date(ended_by)
    )
}

/// Renders a notice if the area has ended, or has not begun, on the date of the page.
pub(super) fn outdated_notice(context: &PageContext<'_>, area: &Area) -> Markup {
    if area.period.contains(context.as_of) {
        return html! {};
    }
    let name = display_name(area);
    let has_ended = area.period.to.is_some_and(|to| to <= context.as_of);
    let sentence = match (has_ended, area.period.to, area.period.from) {
        (true, Some(to), _) if area.ended_by.is_some() => format!(
            "{name} has ended. It ended before {}; the day is not known. This page shows the area as it was.",
            format::date(to)
        ),
        (true, Some(to), _) => format!(
            "{name} has ended. Its last day was {}. This page shows the area as it was.",
            last_day(to)
        ),
        (_, _, Some(from)) => format!("{name} began on {}.", format::date(from)),
        _ => return html! {},
    };
    nhsuk::inset_text(&html! { p { (sentence) } })
}

/// Renders a notice that a layer has no data for the date of the page.
pub(super) fn no_data_for_date(context: &PageContext<'_>, layer: Layer) -> Markup {
    let first = context.index.first_data(layer).map(format::date);
    nhsuk::inset_text(&html! {
        p {
            "We have no information for that date."
            @if let Some(first) = first { " The first date with data is " (first) "." }
        }
    })
}

/// Renders the line that states the date and the dataset of the page.
pub(super) fn date_line(context: &PageContext<'_>) -> Markup {
    html! {
        p.nhsuk-body-s {
            "For " (format::date(context.as_of)) @if !context.has_date { " (today)" } ", using " (dataset_name(context)) ". "
            a href=(context.link(SOURCES_PATH)) { "Sources and their dates" }
        }
    }
}

pub(super) fn dataset_name(context: &PageContext<'_>) -> Markup {
    let manifest = context.index.manifest();
    html! { "dataset " (manifest.name) ", version " (manifest.version) }
}

/// Renders the form that shows the page for another date. `parameters` contains the other
/// parameters of the page.
pub(super) fn date_form(
    context: &PageContext<'_>,
    path: &str,
    parameters: &[(&str, &str)],
) -> Markup {
    html! {
        form.date-form method="get" action=(path) {
            @for (name, value) in parameters { input type="hidden" name=(name) value=(value); }
            @if let Some(version) = context.version { input type="hidden" name="dataset" value=(version); }
            (date_field("as_of", "Show a different date", Some(context.as_of)))
            (button(&Button { text: "Show this date", variant: Some("secondary"), is_small: true, ..Button::default() }))
            @if context.has_date { p { a href=(context.link_without_date(path, parameters)) { "Show today" } } }
        }
    }
}

/// Renders a date as one field. The value of the field has the format of dates in URLs.
pub(super) fn date_field(name: &str, label: &str, date: Option<Date>) -> Markup {
    html! {
        div.nhsuk-form-group {
            label.nhsuk-label for=(name) { (label) }
            input."nhsuk-input nhsuk-input--width-10" id=(name) type="date" name=(name) value=[date];
        }
    }
}

/// Renders the links to the previous and next page. `url` returns the URL of a page.
pub(super) fn pagination(slice: PageSlice, url: &dyn Fn(usize) -> String) -> Markup {
    let pages = slice.page_count();
    let link = |page: usize| (url(page), format!("Page {page} of {pages}"));
    nhsuk::pagination(&Pagination {
        previous: (slice.page > 1).then(|| link(slice.page - 1)),
        next: (slice.page < pages).then(|| link(slice.page + 1)),
    })
}

/// Renders a map of a layer or of one of its areas, with links to download it. `description` is the
/// text alternative.
pub(super) fn map_figure(
    context: &PageContext<'_>,
    layer: Layer,
    area: Option<&str>,
    name: &str,
    description: &str,
) -> Markup {
    let path = match area {
        Some(id) => format!("/maps/{layer}/{}", path_segment(id)),
        None => format!("/maps/{layer}"),
    };
    let query = context.link("");
    let map = InteractiveMap {
        index: context.index,
        layer,
        date: context.as_of,
        query: &query,
        title: name,
        area,
        marker: None,
    };
    map.figure(&html! {
        img src={ (path) ".svg" (query) } alt=(description) width="800";
        figcaption.download-links { (map_downloads(&path, &query, name)) }
    })
}
