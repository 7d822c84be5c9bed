//! The page where a list is sent and its answers are taken.

use maud::{Markup, html};

use super::assets;
use super::layout::{Page, frame};
use super::lookup::Home;
use super::nhsuk::{
    Button, Checkbox, ErrorSummary, Field, FileUpload, Input, Label, Select, Table, button,
    checkboxes, details, error_summary, file_upload, input, inset_text, select, table,
};
use crate::batch::COLUMNS;
use crate::question::Fields;

/// What the page shows.
pub(crate) struct ListPage<'a> {
    pub(crate) fault: Option<ListFault<'a>>,
    /// What the form was filled in with.
    pub(crate) fields: &'a Fields,
    /// The longest file that a browser without script may send.
    pub(crate) file_bytes_max: usize,
}

/// Why a list was not answered.
pub(crate) struct ListFault<'a> {
    pub(crate) code: &'a str,
    pub(crate) detail: &'a str,
}

/// The fields that name columns of the list, and what they are called on the page.
const COLUMN_FIELDS: [(&str, &str, &str); 7] = [
    (
        "postcode_column",
        "Column with postcodes",
        "such as postcode or pcd",
    ),
    (
        "practice_column",
        "Column with practice codes",
        "such as gp_practice_code",
    ),
    (
        "lon_column",
        "Column with longitudes",
        "in place of postcodes; degrees",
    ),
    ("lat_column", "Column with latitudes", "degrees"),
    (
        "easting_column",
        "Column with eastings",
        "in place of postcodes; metres",
    ),
    ("northing_column", "Column with northings", "metres"),
    (
        "as_of_column",
        "Column with a day for each row",
        "such as 2026-04-01",
    ),
];

const CHECKBOXES: [(&str, &str, &str); 3] = [
    (
        "registration_only",
        "Answer by the practice alone",
        "no column says where somebody lives",
    ),
    (
        "excel_safe",
        "Make my own cells safe for a spreadsheet",
        "one that would run as a formula gets an apostrophe before it",
    ),
    (
        "small_numbers",
        "Hide small numbers in the summary",
        "1 to 7 are left out, the others rounded to 5, for publication",
    ),
];

/// What to add: the parameter, and its words.
const CHOICES: [(&str, &str); 4] = [
    ("", "the ten columns that answer the question"),
    (
        "icc_registration_name,icc_residence_name,sub_community_name,neighbourhood_team_name,\
         resilience_group_names,practices_covering_names,practice_name",
        "the ten, and names",
    ),
    (
        "suggestion,notes,boundary_distance_m,alternatives,practice,practice_status,\
         practice_successors,postcode_status",
        "the ten, and what helps to check a match",
    ),
    ("all", "everything"),
];

/// So many columns are added by default, the first ones of [`COLUMNS`].
const USUAL: usize = 10;

/// The page at `/batch`.
pub(crate) fn list(home: &Home<'_>, page: &ListPage<'_>) -> Markup {
    let title = match page.fault {
        Some(_) => "Error: Answer a list",
        None => "Answer a list",
    };
    let content = html! {
        div #fault { @if let Some(fault) = &page.fault { (problem(fault)) } }
        h1 { "Answer a list" }
        p.nhsuk-lede-text { "Choose a file with a postcode and a practice code in each row. It comes back with the same rows in the same order, and the Integrated Care Community, practices and resilience groups of each at the end." }
        (inset_text(&html! {
            p { strong { "The list goes to this server and nowhere else, and nothing of it is kept." } }
            p { "It is answered in memory while it is read, and then it is gone: no copy, no name, no postcode, no log of what stood in it. The service calls no other computer. " a href="/privacy" { "Privacy" } }
        }))
        (form(page))
        section #understood hidden aria-labelledby="understood-title" {}
        section #running hidden aria-labelledby="running-title" {
            h2 #running-title { "Answering" }
            progress #bar max="1" value="0" aria-labelledby="running-title" {}
            p #amount {}
            (button(&Button { text: "Stop", variant: Some("secondary"), id: Some("stop"), kind: Some("button"), ..Button::default() }))
        }
        p #said role="status" {}
        section #summary hidden tabindex="-1" aria-labelledby="summary-title" {}
        (explanation())
    };
    let page = Page {
        title,
        part: Some("/batch"),
        scripts: &[assets::LIST_SCRIPT.path],
        content,
        ..Page::default()
    };
    frame(home.index, &page)
}

fn problem(fault: &ListFault<'_>) -> Markup {
    let told = sentence(fault.detail);
    let summary = ErrorSummary {
        errors: &[(&told, "file")],
        ..ErrorSummary::default()
    };
    html! { div data-code=(fault.code) { (error_summary(&summary)) } }
}

/// A problem's detail as a sentence, with the page's words for the parameters.
fn sentence(detail: &str) -> String {
    let mut text = detail.to_string();
    let names = COLUMN_FIELDS.iter().chain(&CHECKBOXES);
    for (name, label, _) in names.chain(&[("as_of", "Day", "")]) {
        text = text.replace(name, &format!("“{label}”"));
    }
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn form(page: &ListPage<'_>) -> Markup {
    let mebibytes = page.file_bytes_max >> 20;
    html! {
        form #list method="post" action="/batch" enctype="multipart/form-data" autocomplete="off" {
            (file_upload(&FileUpload {
                field: Field {
                    id: "file",
                    name: "file",
                    label: Label { text: "The list", size: Some("m"), is_heading: false },
                    hint: Some(html! { "CSV, TSV or NDJSON, or one of them packed with gzip or zstd. The first line has the names of the columns" }),
                    ..Field::default()
                },
                accept: Some(".csv,.tsv,.txt,.ndjson,.jsonl,.gz,.zst,text/csv"),
                is_required: true,
            }))
            noscript { p.nhsuk-body-s { "Without script a file may have up to " (mebibytes) " MiB, and the summary is not shown." } }
            (details(&html! { "Columns and choices" }, false, page.fault.is_some(), &choices(page.fields)))
            (button(&Button { text: "Answer the list", ..Button::default() }))
        }
    }
}

fn choices(fields: &Fields) -> Markup {
    let text = |id: &'static str, label: &'static str, hint: &'static str| {
        input(&Input {
            field: Field {
                id,
                name: id,
                label: label.into(),
                hint: Some(html! { (hint) }),
                error: None,
            },
            value: fields.get(id),
            spellcheck: Some("false"),
            maxlength: Some(200),
            list: id.ends_with("_column").then_some("columns-found"),
            ..Input::default()
        })
    };
    let boxes = CHECKBOXES.map(|(name, label, hint)| Checkbox {
        id: name,
        name,
        value: "true",
        label,
        hint: Some(hint),
        is_checked: fields.get(name).is_some(),
    });
    html! {
        p { "Columns are found by their names. Where that is not clear, name them here as they are called in the first line." }
        div.fields {
            @for (name, label, hint) in COLUMN_FIELDS { (text(name, label, hint)) }
            (text("as_of", "Day", "that the answers are for, if not today; such as 2026-04-01"))
            (select(&Select { field: Field { id: "columns", name: "columns", label: "What to add".into(), ..Field::default() }, options: additions(fields) }))
        }
        (checkboxes(&boxes, true))
        datalist #columns-found {}
    }
}

fn additions(fields: &Fields) -> Markup {
    html! {
        @for (value, words) in CHOICES {
            option value=(value) selected[fields.get("columns").unwrap_or_default() == value] {
                (words) @if value == "all" { " (" (COLUMNS.len()) " columns)" }
            }
        }
    }
}

/// What the columns hold.
fn explanation() -> Markup {
    let rows = COLUMNS[..USUAL].iter().map(|(column, _, meaning)| {
        let meaning = meaning.replace('`', "");
        vec![html! { (column) }, html! { (meaning) }]
    });
    let columns = table(&Table {
        caption: "The columns that are added",
        caption_size: Some("s"),
        columns: vec!["Column".into(), "What it holds".into()],
        rows: rows.collect(),
    });
    html! {
        section {
            h2 { "What comes back" }
            p { "Your rows, as many and in the same order, your cells as they were, and at the end of each row:" }
            (columns)
            p { "Registration is not residence: the first goes by the practice, the second by where somebody lives. A row that cannot be answered says why; no row is left out and none is repaired. The file is a text file, not a spreadsheet under another name." }
            p { "A list of millions of rows is quicker with " code { "catchment batch" } " or " code { "POST /api/v1/batch" } "." }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Column;

    #[test]
    fn every_choice_names_columns_that_there_are() {
        for (list, _) in CHOICES {
            Column::usual_and(list).expect("columns");
        }
    }

    #[test]
    fn the_columns_that_are_explained_are_the_usual_ones() {
        let explained: Vec<Column> = COLUMNS[..USUAL].iter().map(|it| it.0).collect();
        assert_eq!(explained, Column::usual());
    }

    #[test]
    fn parameters_are_called_as_on_the_page() {
        let said = sentence("the list has two: say which with postcode_column, or lon_column");
        let expected =
            "The list has two: say which with “Column with postcodes”, or “Column with longitudes”";
        assert_eq!(said, expected);
        assert_eq!(sentence("as_of is no date"), "“Day” is no date");
    }
}
