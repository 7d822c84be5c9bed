//! The page at `/batch`, which looks up the rows of a file.

use maud::{Markup, html};

use super::assets;
use super::batch_codes::codes_table;
use super::format;
use super::layout::{PageLayout, layout};
use super::nhsuk::{
    Button, Checkbox, DataTable, ErrorSummary, Field, FieldLabel, FileUpload, Input, Select,
    button, checkboxes, details, error_summary, file_upload, input, inset_text, select, table,
};
use super::words;
use catchment_batch::{ColumnSet, columns_of};
use catchment_core::domain::Manifest;
use catchment_core::index::Index;
use catchment_core::request::RequestParams;

/// The content of the page.
pub(crate) struct BatchPage<'a> {
    pub(crate) error: Option<BatchFormError<'a>>,
    /// The values of the form.
    pub(crate) fields: &'a RequestParams,
    /// The maximum size, in bytes, of a file that a browser without JavaScript can send.
    pub(crate) file_bytes_max: usize,
}

/// An error in the file or the options, as the page shows it.
pub(crate) struct BatchFormError<'a> {
    pub(crate) code: &'a str,
    pub(crate) detail: &'a str,
}

/// The fields for the names of columns of the file. An item consists of the parameter, the label
/// and the hint.
const COLUMN_FIELDS: [(&str, &str, &str); 8] = [
    (
        "postcode_column",
        "Column with postcodes",
        "for example, postcode or pcd",
    ),
    (
        "practice_column",
        "Column with practice codes",
        "for example, gp_practice_code",
    ),
    (
        "lon_column",
        "Column with longitudes",
        "in degrees, if there are no postcodes",
    ),
    ("lat_column", "Column with latitudes", "in degrees"),
    (
        "easting_column",
        "Column with eastings",
        "in metres, if there are no postcodes",
    ),
    ("northing_column", "Column with northings", "in metres"),
    (
        "area_column",
        "Column with area codes",
        "codes of statistical areas such as LSOAs, if there are no postcodes",
    ),
    (
        "as_of_column",
        "Column with a date for each row",
        "for example, 2026-04-01",
    ),
];

/// The checkboxes. An item consists of the parameter, its value, the label and the hint.
const CHECKBOXES: [(&str, &str, &str, &str); 4] = [
    (
        "no_header",
        "true",
        "My file has no column names",
        "Enter the numbers of the columns above instead of their names; the first column is 1",
    ),
    (
        "registration_only",
        "true",
        "Use only the practice codes",
        "Choose this if your file does not show where people live",
    ),
    (
        "excel_safe",
        "true",
        "Make my own columns safe to open in a spreadsheet",
        "We add an apostrophe to any cell that a spreadsheet would run as a formula",
    ),
    (
        "suppress",
        "below:8-round:5",
        "Hide small numbers in the summary",
        "For publication: we leave out counts from 1 to 7 and round other counts to the nearest 5",
    ),
];

/// The parameter and the label of the field for the number of lines above the header row.
const SKIP_LINES: (&str, &str) = ("skip_lines", "Lines above the column names");

/// The choices for the format of the result. An item consists of the value of the parameter
/// `format` and the label.
const FORMATS: [(&str, &str); 3] = [
    ("", "The same as my file"),
    ("xlsx", "Excel workbook"),
    ("csv", "CSV (if my file is a workbook)"),
];

/// The sets of columns that the page offers. An item consists of the set, the label and the hint.
const COLUMN_SETS: [(ColumnSet, &str, &str); 10] = [
    (
        ColumnSet::Names,
        "Names",
        "The names of communities, practices and other areas, beside their codes",
    ),
    (
        ColumnSet::Codes,
        "All areas and codes",
        "Every kind of area, by home and by practice, such as council, ICB and LSOA",
    ),
    (
        ColumnSet::Practices,
        "Practice",
        "What is known about the practice, and whether the home is in its area",
    ),
    (
        ColumnSet::Distances,
        "Distances",
        "From the home to the practice, to the nearest practice and to the nearest boundary, in metres",
    ),
    (
        ColumnSet::Reasons,
        "Reasons",
        "Why a result is missing, as a code that you can count, and the correction of a postcode",
    ),
    (
        ColumnSet::Match,
        "Certainty",
        "How we found the community, what else is near, and notes",
    ),
    (
        ColumnSet::Location,
        "Location",
        "The postcode with its dates, and its coordinates",
    ),
    (
        ColumnSet::Attributes,
        "Attributes",
        "What your dataset says about places, such as a decile of deprivation",
    ),
    (
        ColumnSet::Sources,
        "Sources",
        "The dataset and the dates of its sources",
    ),
    (ColumnSet::All, "Everything", "All of these columns"),
];

/// The name of the form field for the sets of columns. Each set has its own checkbox.
pub(crate) const COLUMNS_FIELD: &str = "columns";

/// Renders the checkboxes for sets of columns. The set of names is ticked by default.
fn column_sets(manifest: &Manifest, page: &BatchPage<'_>) -> Markup {
    let chosen = match page.error {
        Some(_) => page.fields.get(COLUMNS_FIELD).unwrap_or_default(),
        None => ColumnSet::Names.as_str(),
    };
    let is_chosen = |set: ColumnSet| chosen.split(',').any(|name| name.trim() == set.as_str());
    let columns = columns_of(manifest);
    let offered = COLUMN_SETS.iter().filter(|(set, ..)| {
        let mut columns = columns.iter().filter(|column| !column.is_default);
        columns.any(|column| set.contains(column))
    });
    let offered: Vec<(String, _)> = offered
        .map(|offered| (format!("{COLUMNS_FIELD}-{}", offered.0.as_str()), offered))
        .collect();
    let boxes: Vec<Checkbox<'_>> = offered
        .iter()
        .map(|(id, (set, label, hint))| Checkbox {
            id,
            name: COLUMNS_FIELD,
            value: set.as_str(),
            label,
            hint: Some(*hint),
            is_checked: is_chosen(*set),
        })
        .collect();
    let default_count = columns.iter().filter(|column| column.is_default).count();
    html! {
        fieldset.nhsuk-fieldset {
            legend."nhsuk-fieldset__legend nhsuk-fieldset__legend--s" { "Columns to add to the main " (default_count) }
            (checkboxes(&boxes, true))
        }
    }
}

/// Returns text that describes what the look-up adds to each row.
fn added(index: &Index) -> String {
    let manifest = index.manifest();
    let mut nouns = vec![format!("the {}", words::community_noun(manifest))];
    nouns.extend(
        manifest
            .practice_layer()
            .map(|_| "GP practices".to_string()),
    );
    nouns.extend(manifest.group_layer().map(|_| words::group_nouns(index)));
    words::join(&nouns)
}

/// Renders the page.
pub(crate) fn batch(index: &Index, page: &BatchPage<'_>) -> Markup {
    let title = match page.error {
        Some(_) => "Error: Look up a list",
        None => "Look up a list",
    };
    let content = html! {
        div #error { @if let Some(error) = &page.error { (summary(error)) } }
        h1 { "Look up a list" }
        p.nhsuk-lede-text { "Upload a file with a postcode and a GP practice code in each row. You get the same rows back in the same order. At the end of each row, we add " (added(index)) "." }
        (inset_text(&html! {
            p { strong { "Your file goes only to this server, and we do not keep it." } }
            p { "The server looks up each row in memory and then deletes it. The server does not store a copy of your file, log anything from it or contact any other computer. " a href="/privacy" { "Privacy" } }
        }))
        (form(index.manifest(), page))
        section #detected hidden aria-labelledby="detected-title" {}
        section #progress hidden aria-labelledby="progress-title" {
            h2 #progress-title { "Looking up your file" }
            progress #progress-bar max="1" value="0" aria-labelledby="progress-title" {}
            p #progress-amount {}
            (button(&Button { text: "Stop", variant: Some("secondary"), id: Some("stop"), kind: Some("button"), ..Button::default() }))
        }
        p #status role="status" {}
        p #announcement.nhsuk-u-visually-hidden role="status" {}
        section #summary hidden tabindex="-1" aria-labelledby="summary-title" {}
        (explanation(index.manifest()))
    };
    let page = PageLayout {
        title,
        section: Some("/batch"),
        scripts: &[assets::BATCH_SCRIPT.path],
        content,
        ..PageLayout::default()
    };
    layout(index, &page)
}

fn summary(error: &BatchFormError<'_>) -> Markup {
    let message = sentence(error.detail);
    let summary = ErrorSummary {
        errors: &[(&message, "file")],
        ..ErrorSummary::default()
    };
    html! { div data-code=(error.code) { (error_summary(&summary)) } }
}

/// Converts the detail of a problem to a sentence, and replaces the names of parameters with the
/// labels on the page.
fn sentence(detail: &str) -> String {
    let mut text = detail.to_string();
    let columns = COLUMN_FIELDS.map(|(name, label, _)| (name, label));
    let boxes = CHECKBOXES.map(|(name, _, label, _)| (name, label));
    for (name, label) in columns
        .iter()
        .chain(&boxes)
        .chain(&[("as_of", "Date"), SKIP_LINES])
    {
        text = text.replace(name, &format!("“{label}”"));
    }
    format::sentence_case(&text)
}

fn form(manifest: &Manifest, page: &BatchPage<'_>) -> Markup {
    let megabytes = page.file_bytes_max / 1_000_000;
    html! {
        form #batch-form method="post" action="/batch" enctype="multipart/form-data" autocomplete="off" {
            (file_upload(&FileUpload {
                field: Field {
                    id: "file",
                    name: "file",
                    label: FieldLabel { text: "Your file", size: Some("m"), is_heading: false },
                    hint: Some(html! { "An Excel workbook (.xlsx), or CSV, TSV or NDJSON, which can be compressed with gzip or zstd. The first row must contain the column names, but there can be titles above it" }),
                    ..Field::default()
                },
                accept: Some(
                    ".xlsx,.xlsm,.csv,.tsv,.txt,.ndjson,.jsonl,.gz,.zst,text/csv,application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                ),
                is_required: true,
            }))
            div #file-columns.fields hidden {}
            noscript { p.nhsuk-body-s { "Without JavaScript, your file can be up to " (megabytes) " MB, and you do not see a summary." } }
            (details(&html! { "Columns and options" }, false, page.error.is_some(), &options(manifest, page)))
            (button(&Button { text: "Look up the list", ..Button::default() }))
        }
    }
}

fn options(manifest: &Manifest, page: &BatchPage<'_>) -> Markup {
    let fields = page.fields;
    let text = |id: &'static str, label: &'static str, hint: &'static str| {
        input(&Input {
            field: Field {
                id,
                name: id,
                label: label.into(),
                hint: Some(html! { (hint) }),
                ..Field::default()
            },
            value: fields.get(id),
            spellcheck: Some("false"),
            maxlength: Some(200),
            list: id.ends_with("_column").then_some("column-names"),
            ..Input::default()
        })
    };
    let boxes = CHECKBOXES.map(|(name, value, label, hint)| Checkbox {
        id: name,
        name,
        value,
        label,
        hint: Some(hint),
        is_checked: fields.get(name).is_some(),
    });
    html! {
        p { "We find columns by their names. If we cannot find a column, enter its name here exactly as it is in the first line of your file." }
        div.fields {
            @for (name, label, hint) in COLUMN_FIELDS { (text(name, label, hint)) }
            (text(SKIP_LINES.0, SKIP_LINES.1, "if we do not find the column names; for example, 2"))
            (text("sheet", "Sheet of the workbook", "its name or number, if it is not the first sheet"))
            (text("as_of", "Date", "if it is not today; for example, 2026-04-01"))
            (select(&Select { field: Field { id: "format", name: "format", label: "Format of the result".into(), ..Field::default() }, options: format_choices(fields) }))
        }
        (column_sets(manifest, page))
        (checkboxes(&boxes, true))
        datalist #column-names {}
    }
}

fn format_choices(fields: &RequestParams) -> Markup {
    html! {
        @for (value, label) in FORMATS {
            option value=(value) selected[fields.get("format").unwrap_or_default() == value] { (label) }
        }
    }
}

/// Renders the section that explains the output, with the table of the columns that are added by
/// default.
fn explanation(manifest: &Manifest) -> Markup {
    let columns = columns_of(manifest).into_iter();
    let rows = columns.filter(|column| column.is_default).map(|column| {
        let meaning = column.description.replace('`', "");
        vec![column_name(&column.column.to_string()), html! { (meaning) }]
    });
    let columns = table(&DataTable {
        caption: "Added columns",
        caption_size: Some("s"),
        columns: vec!["Column".into(), "What it contains".into()],
        rows: rows.collect(),
    });
    html! {
        section {
            h2 { "What you get back" }
            p { "All your rows come back unchanged and in the same order, with these columns added:" }
            (columns)
            p { "Registration is not residence. The registration columns depend on the practice code. The residence columns depend on where the person lives. If we cannot look up a row, the row states the reason. We never leave out or correct a row. The result has the format of your file. A workbook comes back with its other sheets, styles and formulas, and with one more sheet that has a summary." }
            (codes_table(manifest))
            p { "For millions of rows, it is quicker to use " code { "catchment batch" } " or " code { "POST /api/v1/batch" } "." }
        }
    }
}

/// Renders the name of a column. A line can break after each underscore.
fn column_name(name: &str) -> Markup {
    html! {
        code.column-name {
            @for (index, part) in name.split_inclusive('_').enumerate() {
                @if index > 0 { wbr; }
                (part)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catchment_data::dataset::manifest_from_toml;

    fn embedded_manifest() -> Manifest {
        let text = include_str!("../../data/lancashire-and-cumbria/dataset.toml");
        manifest_from_toml(text).expect("a manifest")
    }

    #[test]
    fn sets_of_columns_are_offered_and_stay_chosen() {
        let manifest = embedded_manifest();
        let chosen = |fields: &RequestParams, has_failed: bool| -> Vec<String> {
            let page = BatchPage {
                error: has_failed.then_some(BatchFormError {
                    code: "empty",
                    detail: "",
                }),
                fields,
                file_bytes_max: 1,
            };
            let html = column_sets(&manifest, &page).into_string();
            let boxes = html.split("<input").skip(1);
            let checked = boxes.filter(|input| input.contains(" checked"));
            let values =
                checked.filter_map(|input| input.split("value=\"").nth(1)?.split('"').next());
            values.map(str::to_string).collect()
        };
        let none = RequestParams::default();
        assert_eq!(chosen(&none, false), ["names"]);
        assert_eq!(chosen(&none, true), [""; 0]);
        let pairs = [("columns".to_string(), "distances,codes".to_string())];
        let fields = RequestParams::new(pairs, &["columns"]).expect("a parameter");
        assert_eq!(chosen(&fields, true), ["codes", "distances"]);
        let page = BatchPage {
            error: None,
            fields: &none,
            file_bytes_max: 1,
        };
        let html = column_sets(&manifest, &page).into_string();
        assert!(html.contains("id=\"columns-names\"") && html.contains("add to the main 10"));
        // The embedded dataset has no attributes.
        assert!(!html.contains("Attributes"), "{html}");
        assert!(html.contains("id=\"columns-sources\"") && html.contains("value=\"sources\""));
    }

    #[test]
    fn column_names_break_after_underscores() {
        let text = |name: &str| column_name(name).into_string();
        assert_eq!(
            text("icc_residence_id"),
            "<code class=\"column-name\">icc_<wbr>residence_<wbr>id</code>"
        );
        assert_eq!(
            text("agreement"),
            "<code class=\"column-name\">agreement</code>"
        );
    }

    #[test]
    fn problem_details_use_the_labels_of_the_page() {
        let message = sentence("two columns match: choose one with postcode_column, or lon_column");
        let expected = "Two columns match: choose one with “Column with postcodes”, or “Column with longitudes”";
        assert_eq!(message, expected);
        assert_eq!(sentence("as_of is not a date"), "“Date” is not a date");
    }
}
