//! Components that show content: tags, lists and tables.

use maud::{Markup, html};

use super::class_list;

/// Renders a `details` element, which consists of a summary and the content that the summary opens.
/// An expander is a `details` element with a border.
pub(crate) fn details(
    summary: &Markup,
    is_expander: bool,
    is_open: bool,
    content: &Markup,
) -> Markup {
    let expander = is_expander.then_some("nhsuk-expander");
    html! {
        details class=(class_list("nhsuk-details", &[expander])) open[is_open] {
            summary.nhsuk-details__summary {
                span.nhsuk-details__summary-text { (summary) }
            }
            div.nhsuk-details__text { (content) }
        }
    }
}

/// Renders inset text, which is visually separated from the surrounding text.
pub(crate) fn inset_text(content: &Markup) -> Markup {
    html! {
        div.nhsuk-inset-text {
            span.nhsuk-u-visually-hidden { "Information: " }
            (content)
        }
    }
}

/// Renders a tag that shows a status. `colour` is a colour of the design system, such as `blue`,
/// `grey` or `green`.
pub(crate) fn tag(text: &str, colour: Option<&str>) -> Markup {
    let colour = colour.map(|colour| format!("nhsuk-tag--{colour}"));
    html! { strong class=(class_list("nhsuk-tag", &[colour.as_deref()])) { (text) } }
}

/// Renders a summary list of keys and values.
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

/// The heading of a column.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TableColumn<'a> {
    pub(crate) text: &'a str,
    /// Whether the cells of the column are right-aligned, with digits of equal width.
    pub(crate) is_numeric: bool,
}

impl<'a> From<&'a str> for TableColumn<'a> {
    fn from(text: &'a str) -> TableColumn<'a> {
        TableColumn {
            text,
            is_numeric: false,
        }
    }
}

/// The cells of a row, in the order of the columns. The first cell is the heading of the row.
pub(crate) type TableRow = Vec<Markup>;

/// A responsive table. On a narrow screen, each row is a block, and the column headings are next to
/// the cells.
#[derive(Debug, Clone, Default)]
pub(crate) struct DataTable<'a> {
    pub(crate) caption: &'a str,
    /// The size of the caption: `l`, `m` or `s`.
    pub(crate) caption_size: Option<&'a str>,
    pub(crate) columns: Vec<TableColumn<'a>>,
    pub(crate) rows: Vec<TableRow>,
}

pub(crate) fn table(table: &DataTable<'_>) -> Markup {
    let size = table
        .caption_size
        .map(|size| format!("nhsuk-table__caption--{size}"));
    let header = |column: &TableColumn<'_>| {
        let numeric = column.is_numeric.then_some("nhsuk-table__header--numeric");
        class_list("nhsuk-table__header", &[numeric])
    };
    html! {
        table."nhsuk-table nhsuk-table--responsive" role="table" {
            caption class=(class_list("nhsuk-table__caption", &[size.as_deref()])) { (table.caption) }
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
                        @for (index, (column, cell)) in table.columns.iter().zip(row).enumerate() {
                            @if index == 0 {
                                th class=(header(column)) scope="row" role="rowheader" { (heading(column)) (cell) }
                            } @else {
                                @let numeric = column.is_numeric.then_some("nhsuk-table__cell--numeric");
                                td class=(class_list("nhsuk-table__cell", &[numeric])) role="cell" { (heading(column)) (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Renders the column heading next to a cell, for narrow screens. Screen readers read the column
/// header in the head of the table instead.
fn heading(column: &TableColumn<'_>) -> Markup {
    html! { span.nhsuk-table__heading aria-hidden="true" { (column.text) " " } }
}
