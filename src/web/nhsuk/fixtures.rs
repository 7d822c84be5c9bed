//! Compares the components of this service with the fixtures in the nhsuk-frontend package.

use maud::{Markup, PreEscaped, html};
use serde_json::Value;

use super::content::TableRow;
use super::*;

/// Returns the HTML of a fixture, and the options (`context`) from which it was rendered.
#[track_caller]
fn fixture(component: &str, name: &str, description: Option<&str>) -> (String, Value) {
    let folder = concat!(
        env!("OUT_DIR"),
        "/npm/node_modules/nhsuk-frontend/dist/nhsuk/components"
    );
    let path = format!("{folder}/{component}/fixtures.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut file: Value = serde_json::from_str(&text).expect("JSON");
    let fixtures = file["fixtures"].as_array_mut().expect("a list");
    let is_requested = |fixture: &&mut Value| {
        fixture["name"] == name && fixture.get("description").and_then(Value::as_str) == description
    };
    let found = fixtures.iter_mut().find(is_requested);
    let found = found.unwrap_or_else(|| panic!("{component} has no fixture `{name}`"));
    let html = found["html"].as_str().expect("HTML").to_string();
    (html, found["context"].take())
}

/// Splits HTML into tags and text, one per item. The attributes of each tag are sorted, and the
/// text is trimmed.
fn normalize(html: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for part in html.split('<') {
        let (tag, text) = part.split_once('>').unwrap_or(("", part));
        // An empty element may have a closing tag, or a slash at the end of its only tag.
        let tag = tag.trim_end_matches('/').trim();
        if !tag.is_empty() && tag != "/path" {
            lines.push(sorted(tag));
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        if !words.is_empty() {
            lines.push(
                words
                    .join(" ")
                    .replace("&#39;", "'")
                    .replace("&quot;", "\""),
            );
        }
    }
    lines
}

fn sorted(tag: &str) -> String {
    let (name, mut rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    let mut attributes = Vec::new();
    while !rest.trim_start().is_empty() {
        rest = rest.trim_start();
        let end = match rest.split_once("=\"") {
            Some((name, value)) if !name.contains(char::is_whitespace) => {
                name.len() + 2 + value.find('"').expect("a closing quote") + 1
            }
            _ => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        attributes.push(&rest[..end]);
        rest = &rest[end..];
    }
    attributes.sort_unstable();
    format!("<{name} {}>", attributes.join(" "))
}

#[track_caller]
fn check(ours: &Markup, theirs: &str) {
    let (ours, theirs) = (normalize(&ours.0), normalize(theirs));
    assert_eq!(ours.join("\n"), theirs.join("\n"));
}

/// Returns the text at a JSON pointer of a fixture's context.
#[track_caller]
fn text<'v>(context: &'v Value, pointer: &str) -> &'v str {
    let value = context.pointer(pointer).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("no text at {pointer} of {context}"))
}

fn optional<'v>(context: &'v Value, pointer: &str) -> Option<&'v str> {
    context.pointer(pointer).and_then(Value::as_str)
}

/// Builds the label of a fixture. The label may be the `h1` of the page.
fn label_of(context: &Value) -> FieldLabel<'_> {
    let heading = optional(context, "/label/heading");
    let text = heading.or(optional(context, "/label/text"));
    FieldLabel {
        text: text.or(optional(context, "/label")).expect("a label"),
        size: optional(context, "/label/size"),
        is_heading: heading.is_some(),
    }
}

fn field_of(context: &Value) -> Field<'_> {
    let name = text(context, "/name");
    let markup = |html: &str| PreEscaped(html.to_string());
    let hint = optional(context, "/hint/html").map(markup);
    Field {
        id: optional(context, "/id").unwrap_or(name),
        name,
        label: label_of(context),
        hint: hint.or(optional(context, "/hint/text").map(|text| html! { (text) })),
        error: optional(context, "/errorMessage/text"),
        description: None,
    }
}

#[test]
fn normalized_html_differs_only_where_the_meaning_differs() {
    let same = [
        (
            "<p  class=\"a b\"\n id=\"c\" >\n Text\n</p>",
            "<p id=\"c\" class=\"a b\">Text</p>",
        ),
        ("<a x hidden>It&#39;s</a>", "<a hidden x>It's</a>"),
    ];
    for (one, other) in same {
        assert_eq!(normalize(one), normalize(other));
    }
    for (one, other) in [
        ("<p class=\"a\">x</p>", "<p class=\"b\">x</p>"),
        ("<p>x</p>", "<p>x y</p>"),
        ("<p>x</p>", "<p hidden>x</p>"),
        ("<p>x</p>", "<p>x"),
    ] {
        assert_ne!(normalize(one), normalize(other));
    }
}

#[test]
fn inputs_match_nhsuk_frontend() {
    for name in [
        "default",
        "with hint",
        "with error message",
        "with error message and hint",
        "without heading",
        "example address postcode",
    ] {
        let (theirs, context) = fixture("input", name, None);
        let width = context["width"]
            .as_u64()
            .map(|width| u8::try_from(width).expect("narrow"));
        let ours = input(&Input {
            field: field_of(&context),
            width,
            is_code: context["code"] == true,
            spellcheck: (context["spellcheck"] == false).then_some("false"),
            autocomplete: optional(&context, "/autocomplete"),
            inputmode: optional(&context, "/inputmode"),
            value: optional(&context, "/value"),
            ..Input::default()
        });
        check(&ours, &theirs);
    }
}

#[test]
fn date_inputs_match_nhsuk_frontend() {
    for name in ["default", "with error message and hint", "with values"] {
        let (theirs, context) = fixture("date-input", name, None);
        let legend = FieldLabel {
            text: text(&context, "/fieldset/legend/heading"),
            size: optional(&context, "/fieldset/legend/size"),
            is_heading: true,
        };
        let ours = date_input(&DateInput {
            id: text(&context, "/id"),
            legend,
            hint: optional(&context, "/hint/text").map(|text| html! { (text) }),
            error: optional(&context, "/errorMessage/text"),
            values: ["/values/day", "/values/month", "/values/year"]
                .map(|pointer| optional(&context, pointer)),
        });
        check(&ours, &theirs);
    }
}

#[test]
fn selects_match_nhsuk_frontend() {
    for name in [
        "default",
        "with hint",
        "with selected value",
        "with error message",
    ] {
        let (theirs, context) = fixture("select", name, None);
        let items = context["items"].as_array().expect("options");
        let options = html! {
            @for item in items {
                option value=(text(item, "/value")) selected[item["value"] == context["value"]] { (text(item, "/text")) }
            }
        };
        let ours = select(&Select {
            field: field_of(&context),
            options,
        });
        check(&ours, &theirs);
    }
}

#[test]
fn checkboxes_match_nhsuk_frontend() {
    for (description, is_small) in [(None, false), (Some("small"), true)] {
        let (theirs, context) = fixture("checkboxes", "without fieldset", description);
        let prefix = text(&context, "/idPrefix");
        let items = context["items"].as_array().expect("boxes");
        let ids: Vec<String> = (1..=items.len())
            .map(|number| {
                if number == 1 {
                    prefix.into()
                } else {
                    format!("{prefix}-{number}")
                }
            })
            .collect();
        let boxes: Vec<Checkbox<'_>> = items
            .iter()
            .zip(&ids)
            .map(|(item, id)| Checkbox {
                id,
                name: text(&context, "/name"),
                value: text(item, "/value"),
                label: text(item, "/text"),
                ..Checkbox::default()
            })
            .collect();
        check(&checkboxes(&boxes, is_small), &theirs);
    }
}

#[test]
fn checkbox_hints_match_nhsuk_frontend() {
    let (theirs, context) = fixture("checkboxes", "with hints on items", None);
    let item = &context["items"][3];
    let ours = checkboxes(
        &[Checkbox {
            id: "with-hint-item-4",
            name: "example",
            value: text(item, "/value"),
            label: text(item, "/text"),
            hint: optional(item, "/hint/text"),
            is_checked: false,
        }],
        false,
    );
    // Compare only one checkbox, because the fixture also contains other checkboxes and a legend,
    // which this service does not render.
    let ours = normalize(&ours.0).join("\n");
    let (_, last) = ours.split_once("nhsuk-checkboxes__item").expect("a box");
    let (last, _) = last
        .split_once("\n</div >\n</div >\n</div >")
        .expect("an end");
    assert!(normalize(&theirs).join("\n").contains(last), "{last}");
}

#[test]
fn file_uploads_match_nhsuk_frontend() {
    for name in ["default", "with hint", "with error message and hint"] {
        let (theirs, context) = fixture("file-upload", name, None);
        let ours = file_upload(&FileUpload {
            field: field_of(&context),
            ..FileUpload::default()
        });
        check(&ours, &theirs);
    }
}

#[test]
fn buttons_match_nhsuk_frontend() {
    for name in [
        "default",
        "default, small",
        "secondary",
        "secondary, small",
        "warning",
        "with double click prevented",
    ] {
        let (theirs, context) = fixture("button", name, None);
        let ours = button(&Button {
            text: text(&context, "/text"),
            variant: optional(&context, "/variant"),
            is_small: context["small"] == true,
            prevents_double_click: context["preventDoubleClick"] == true,
            ..Button::default()
        });
        check(&ours, &theirs);
    }
}

#[test]
fn error_summaries_match_nhsuk_frontend() {
    for name in ["default", "with description", "with multiple errors"] {
        let (theirs, context) = fixture("error-summary", name, None);
        let errors = context["errorList"].as_array().expect("errors");
        let errors: Vec<(&str, &str)> = errors
            .iter()
            .map(|error| {
                (
                    text(error, "/text"),
                    text(error, "/href").trim_start_matches('#'),
                )
            })
            .collect();
        let ours = error_summary(&ErrorSummary {
            description: optional(&context, "/description/text").map(|text| html! { p { (text) } }),
            errors: &errors,
            help: None,
        });
        check(&ours, &theirs);
    }
    let (theirs, context) = fixture("error-message", "default", None);
    check(&form::error_message(None, text(&context, "/text")), &theirs);
}

#[test]
fn details_match_nhsuk_frontend() {
    for (name, is_expander, is_open) in [
        ("default", false, false),
        ("with HTML", false, false),
        ("open", false, true),
        ("expander", true, false),
    ] {
        let (theirs, context) = fixture("details", name, None);
        let content = match optional(&context, "/html") {
            Some(html) => PreEscaped(html.to_string()),
            None => html! { (text(&context, "/text")) },
        };
        let summary = html! { (text(&context, "/summary/text")) };
        check(&details(&summary, is_expander, is_open, &content), &theirs);
    }
}

#[test]
fn inset_text_and_tags_match_nhsuk_frontend() {
    let (theirs, context) = fixture("inset-text", "default", None);
    check(
        &inset_text(&html! { p { (text(&context, "/text")) } }),
        &theirs,
    );
    for colour in [None, Some("grey"), Some("yellow")] {
        let (theirs, context) = fixture("tag", "default", colour);
        check(&tag(text(&context, "/text"), colour), &theirs);
    }
}

#[test]
fn summary_lists_match_nhsuk_frontend() {
    let (theirs, context) = fixture("summary-list", "default", None);
    let rows = context["rows"].as_array().expect("rows");
    let rows: Vec<(&str, Markup)> = rows
        .iter()
        .map(|row| {
            let value = match optional(row, "/value/html") {
                Some(html) => PreEscaped(html.to_string()),
                None => html! { (text(row, "/value/text")) },
            };
            (text(row, "/key/text"), value)
        })
        .collect();
    check(&summary_list(&rows), &theirs);
}

#[test]
fn tables_match_nhsuk_frontend() {
    let (theirs, context) = fixture("tables", "default", Some("responsive"));
    let head = context["head"].as_array().expect("columns");
    let rows = context["rows"].as_array().expect("rows");
    let cells = |row: &Value| -> TableRow {
        let cells = row.as_array().expect("cells").iter();
        cells.map(|cell| html! { (text(cell, "/text")) }).collect()
    };
    let ours = table(&DataTable {
        caption: text(&context, "/caption/text"),
        caption_size: optional(&context, "/caption/size"),
        columns: head
            .iter()
            .map(|column| text(column, "/text").into())
            .collect(),
        rows: rows.iter().map(cells).collect(),
    });
    check(&ours, &theirs);
}

#[test]
fn skip_links_and_breadcrumbs_match_nhsuk_frontend() {
    let (theirs, _) = fixture("skip-link", "default", None);
    check(&skip_link(), &theirs);
    let (theirs, context) = fixture("breadcrumb", "default", None);
    check(&breadcrumb(&links(&context["items"])), &theirs);
}

fn links(items: &Value) -> Vec<Link<'_>> {
    let items = items.as_array().expect("links").iter();
    items
        .map(|item| Link {
            href: text(item, "/href"),
            text: text(item, "/text"),
        })
        .collect()
}

/// Removes the first part of `html` that begins with `from` and ends with `to`.
#[track_caller]
fn without(html: &str, from: &str, to: &str) -> String {
    let (before, rest) = html.split_once(from).expect("its beginning");
    let (_, after) = rest.split_once(to).expect("its end");
    format!("{before}{after}")
}

#[test]
fn headers_match_nhsuk_frontend_without_the_logo() {
    let (theirs, context) = fixture("header", "with service name (linked)", Some("blue"));
    let service = Link {
        href: text(&context, "/service/href"),
        text: text(&context, "/service/text"),
    };
    let ours = header(&PageHeader {
        service,
        navigation: &[],
        current: None,
    });
    let theirs = without(&theirs, "<a class=\"nhsuk-header__service-logo\"", "</a>");
    check(&ours, &theirs);
    // Compare the navigation without the menu button, which this service does not render.
    let (theirs, context) = fixture("header", "with navigation", Some("blue"));
    let mut navigation = links(&context["navigation"]["items"]);
    navigation[4].href = "#current";
    let ours = header(&PageHeader {
        service,
        navigation: &navigation,
        current: Some("#current"),
    });
    let theirs = without(&theirs, "<li class=\"nhsuk-header__menu\"", "</li>");
    let navigation_of = |html: &str| {
        let (_, rest) = html.split_once("<nav").expect("a navigation");
        normalize(&format!("<nav{rest}")).join("\n")
    };
    let ours = ours.0.replace("#current", "#");
    assert_eq!(navigation_of(&ours), navigation_of(&theirs));
}

#[test]
fn footers_match_nhsuk_frontend() {
    let (theirs, context) = fixture("footer", "with meta links and text", None);
    let ours = footer(&PageFooter {
        links: &links(&context["meta"]["items"]),
        text: &[
            text(&context, "/meta/text"),
            text(&context, "/copyright/text"),
        ],
    });
    check(&ours, &theirs);
}

#[test]
fn pagination_matches_nhsuk_frontend() {
    for name in ["default", "with only previous", "with only next"] {
        let (theirs, context) = fixture("pagination", name, None);
        let link = |which: &str| {
            let href = optional(&context, &format!("/{which}/href"))?;
            Some((
                href.to_string(),
                text(&context, &format!("/{which}/label")).to_string(),
            ))
        };
        let ours = pagination(&Pagination {
            previous: link("previous"),
            next: link("next"),
        });
        check(&ours, &theirs);
    }
}
