//! What is told: lists, tables, cards.

use maud::{Markup, html};

use super::with_class;

/// A block with a border.
#[derive(Debug, Clone, Default)]
pub(crate) struct Card<'a> {
    pub(crate) heading: &'a str,
    /// From 1; 2 where there is none.
    pub(crate) level: Option<u8>,
    /// `feature`, `secondary`; and of those that call for care `non-urgent`, `warning`.
    pub(crate) variant: Option<&'a str>,
    /// For links to it, and for what is labelled by its heading.
    pub(crate) id: Option<&'a str>,
    pub(crate) content: Markup,
}

pub(crate) fn card(card: &Card<'_>) -> Markup {
    let variant = card.variant.map(|it| format!("nhsuk-card--{it}"));
    html! {
        div class=(with_class("nhsuk-card", &[variant.as_deref()])) id=[card.id] {
            div.nhsuk-card__content {
                @match card.level {
                    Some(1) => h1.nhsuk-card__heading { (card.heading) },
                    Some(3) => h3.nhsuk-card__heading { (card.heading) },
                    Some(4) => h4.nhsuk-card__heading { (card.heading) },
                    _ => h2.nhsuk-card__heading { (card.heading) },
                }
                (card.content)
            }
        }
    }
}

/// What is shown when it is asked for; `expander` draws it as a card.
pub(crate) fn details(
    summary: &Markup,
    is_expander: bool,
    is_open: bool,
    content: &Markup,
) -> Markup {
    let expander = is_expander.then_some("nhsuk-expander");
    html! {
        details class=(with_class("nhsuk-details", &[expander])) open[is_open] {
            summary.nhsuk-details__summary {
                span.nhsuk-details__summary-text { (summary) }
            }
            div.nhsuk-details__text { (content) }
        }
    }
}

/// What is to be told apart from what surrounds it.
pub(crate) fn inset_text(content: &Markup) -> Markup {
    html! {
        div.nhsuk-inset-text {
            span.nhsuk-u-visually-hidden { "Information: " }
            (content)
        }
    }
}

/// A word about a state: `blue`, `grey`, `green`, `yellow` …; the plain one has no colour named.
pub(crate) fn tag(text: &str, colour: Option<&str>) -> Markup {
    let colour = colour.map(|it| format!("nhsuk-tag--{it}"));
    html! { strong class=(with_class("nhsuk-tag", &[colour.as_deref()])) { (text) } }
}

/// Keys and what belongs to them.
pub(crate) fn summary_list<K: AsRef<str>>(rows: &[(K, Markup)]) -> Markup {
    html! {
        dl.nhsuk-summary-list {
            @for (key, value) in rows {
                div.nhsuk-summary-list__row {
                    dt.nhsuk-summary-list__key { (key.as_ref()) }
                    dd.nhsuk-summary-list__value { (value) }
                }
            }
        }
    }
}

/// A column's heading.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Column<'a> {
    pub(crate) text: &'a str,
    /// Set to the right, with digits as wide as each other.
    pub(crate) is_numeric: bool,
}

impl<'a> From<&'a str> for Column<'a> {
    fn from(text: &'a str) -> Column<'a> {
        Column {
            text,
            is_numeric: false,
        }
    }
}

/// A row, its cells in the order of the columns; the first is its heading.
pub(crate) type Row = Vec<Markup>;

/// Rows and columns; on a narrow screen each row is a block with the headings beside its cells.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table<'a> {
    pub(crate) caption: &'a str,
    /// `l`, `m` or `s`.
    pub(crate) caption_size: Option<&'a str>,
    pub(crate) columns: Vec<Column<'a>>,
    pub(crate) rows: Vec<Row>,
}

pub(crate) fn table(table: &Table<'_>) -> Markup {
    let size = table
        .caption_size
        .map(|it| format!("nhsuk-table__caption--{it}"));
    let header = |column: &Column<'_>| {
        let numeric = column.is_numeric.then_some("nhsuk-table__header--numeric");
        with_class("nhsuk-table__header", &[numeric])
    };
    html! {
        table."nhsuk-table nhsuk-table--responsive" role="table" {
            caption class=(with_class("nhsuk-table__caption", &[size.as_deref()])) { (table.caption) }
            thead.nhsuk-table__head role="rowgroup" {
                tr.nhsuk-table__row role="row" {
                    @for column in &table.columns {
                        th class=(header(column)) scope="col" role="columnheader" { (column.text) }
                    }
                }
            }
            tbody.nhsuk-table__body {
                @for row in &table.rows {
                    tr.nhsuk-table__row role="row" {
                        @for (at, (column, cell)) in table.columns.iter().zip(row).enumerate() {
                            @if at == 0 {
                                th class=(header(column)) scope="row" role="rowheader" { (heading(column)) (cell) }
                            } @else {
                                @let numeric = column.is_numeric.then_some("nhsuk-table__cell--numeric");
                                td class=(with_class("nhsuk-table__cell", &[numeric])) role="cell" { (heading(column)) (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The column's heading beside a cell, for a narrow screen; a screen reader has it from the column.
fn heading(column: &Column<'_>) -> Markup {
    html! { span.nhsuk-table__heading aria-hidden="true" { (column.text) " " } }
}
