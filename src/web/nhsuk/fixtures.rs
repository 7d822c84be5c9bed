//! Our components beside nhsuk-frontend's own examples of them, which come with its package.

use maud::{Markup, PreEscaped, html};
use serde_json::Value;

use super::content::Row;
use super::*;

/// The HTML of an example of a component, and what it was rendered from.
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
    let is_meant = |it: &&mut Value| {
        it["name"] == name && it.get("description").and_then(Value::as_str) == description
    };
    let found = fixtures.iter_mut().find(is_meant);
    let found = found.unwrap_or_else(|| panic!("{component} has no example `{name}`"));
    let html = found["html"].as_str().expect("HTML").to_string();
    (html, found["context"].take())
}

/// A tag with its attributes in order of name, or text without the white space around it, a line each.
fn normal(html: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for part in html.split('<') {
        let (tag, text) = part.split_once('>').unwrap_or(("", part));
        // What has no content is closed in its tag, or after it.
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
                name.len() + 2 + value.find('"').expect("a quote that ends") + 1
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
    let (ours, theirs) = (normal(&ours.0), normal(theirs));
    assert_eq!(ours.join("\n"), theirs.join("\n"));
}

/// The text at this place of what an example was rendered from.
#[track_caller]
fn text<'v>(context: &'v Value, pointer: &str) -> &'v str {
    let value = context.pointer(pointer).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("no text at {pointer} of {context}"))
}

fn optional<'v>(context: &'v Value, pointer: &str) -> Option<&'v str> {
    context.pointer(pointer).and_then(Value::as_str)
}

/// A label: by itself, or as the page's heading.
fn label_of(context: &Value) -> Label<'_> {
    let heading = optional(context, "/label/heading");
    let text = heading.or(optional(context, "/label/text"));
    Label {
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
        hint: hint.or(optional(context, "/hint/text").map(|it| html! { (it) })),
        error: optional(context, "/errorMessage/text"),
    }
}

#[test]
fn normal_form_keeps_what_matters() {
    let same = [
        (
            "<p  class=\"a b\"\n id=\"c\" >\n Text\n</p>",
            "<p id=\"c\" class=\"a b\">Text</p>",
        ),
        ("<a x hidden>It&#39;s</a>", "<a hidden x>It's</a>"),
    ];
    for (one, other) in same {
        assert_eq!(normal(one), normal(other));
    }
    for (one, other) in [
        ("<p class=\"a\">x</p>", "<p class=\"b\">x</p>"),
        ("<p>x</p>", "<p>x y</p>"),
        ("<p>x</p>", "<p hidden>x</p>"),
        ("<p>x</p>", "<p>x"),
    ] {
        assert_ne!(normal(one), normal(other));
    }
}

#[test]
fn inputs_are_as_in_the_design_system() {
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
            .map(|it| u8::try_from(it).expect("narrow"));
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
fn dates_are_as_in_the_design_system() {
    for name in ["default", "with error message and hint", "with values"] {
        let (theirs, context) = fixture("date-input", name, None);
        let legend = Label {
            text: text(&context, "/fieldset/legend/heading"),
            size: optional(&context, "/fieldset/legend/size"),
            is_heading: true,
        };
        let ours = date_input(&DateInput {
            id: text(&context, "/id"),
            legend,
            hint: optional(&context, "/hint/text").map(|it| html! { (it) }),
            error: optional(&context, "/errorMessage/text"),
            values: ["/values/day", "/values/month", "/values/year"]
                .map(|it| optional(&context, it)),
        });
        check(&ours, &theirs);
    }
}

#[test]
fn selects_are_as_in_the_design_system() {
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
fn checkboxes_are_as_in_the_design_system() {
    for (description, is_small) in [(None, false), (Some("small"), true)] {
        let (theirs, context) = fixture("checkboxes", "without fieldset", description);
        let prefix = text(&context, "/idPrefix");
        let items = context["items"].as_array().expect("boxes");
        let ids: Vec<String> = (1..=items.len())
            .map(|at| {
                if at == 1 {
                    prefix.into()
                } else {
                    format!("{prefix}-{at}")
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
fn a_checkbox_s_hint_is_as_in_the_design_system() {
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
    // The other boxes and the legend are not ours.
    let ours = normal(&ours.0).join("\n");
    let (_, last) = ours.split_once("nhsuk-checkboxes__item").expect("a box");
    let (last, _) = last
        .split_once("\n</div >\n</div >\n</div >")
        .expect("an end");
    assert!(normal(&theirs).join("\n").contains(last), "{last}");
}

#[test]
fn files_are_chosen_as_in_the_design_system() {
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
fn buttons_are_as_in_the_design_system() {
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
            is_pressed_once: context["preventDoubleClick"] == true,
            ..Button::default()
        });
        check(&ours, &theirs);
    }
}

#[test]
fn faults_are_summed_up_as_in_the_design_system() {
    for name in ["default", "with description", "with multiple errors"] {
        let (theirs, context) = fixture("error-summary", name, None);
        let errors = context["errorList"].as_array().expect("errors");
        let errors: Vec<(&str, &str)> = errors
            .iter()
            .map(|it| (text(it, "/text"), text(it, "/href").trim_start_matches('#')))
            .collect();
        let ours = error_summary(&ErrorSummary {
            description: optional(&context, "/description/text").map(|it| html! { p { (it) } }),
            errors: &errors,
            help: None,
        });
        check(&ours, &theirs);
    }
    let (theirs, context) = fixture("error-message", "default", None);
    check(&form::error_message(None, text(&context, "/text")), &theirs);
}

#[test]
fn cards_are_as_in_the_design_system() {
    let (theirs, context) = fixture("card", "feature", None);
    let ours = card(&Card {
        heading: text(&context, "/heading"),
        variant: optional(&context, "/variant"),
        content: html! { p.nhsuk-card__description { (text(&context, "/description")) } },
        ..Card::default()
    });
    check(&ours, &theirs);
    let (theirs, context) = fixture("card", "basic with summary list", None);
    let rows = [
        ("Name", html! { "Karen Francis" }),
        ("Date of birth", html! { "15 March 1984" }),
    ];
    let ours = card(&Card {
        heading: text(&context, "/heading/text"),
        level: Some(3),
        content: summary_list(&rows),
        ..Card::default()
    });
    // We draw a line below the last row as well.
    check(
        &ours,
        &theirs.replace(" nhsuk-summary-list--no-last-row-border", ""),
    );
}

#[test]
fn what_opens_is_as_in_the_design_system() {
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
fn words_are_set_apart_as_in_the_design_system() {
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
fn lists_of_what_belongs_together_are_as_in_the_design_system() {
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
fn tables_are_as_in_the_design_system() {
    let (theirs, context) = fixture("tables", "default", Some("responsive"));
    let head = context["head"].as_array().expect("columns");
    let rows = context["rows"].as_array().expect("rows");
    let cells = |row: &Value| -> Row {
        let cells = row.as_array().expect("cells").iter();
        cells.map(|it| html! { (text(it, "/text")) }).collect()
    };
    let ours = table(&Table {
        caption: text(&context, "/caption/text"),
        caption_size: optional(&context, "/caption/size"),
        columns: head.iter().map(|it| text(it, "/text").into()).collect(),
        rows: rows.iter().map(cells).collect(),
    });
    check(&ours, &theirs);
}

#[test]
fn ways_to_other_pages_are_as_in_the_design_system() {
    let (theirs, _) = fixture("skip-link", "default", None);
    check(&skip_link(), &theirs);
    let (theirs, context) = fixture("breadcrumb", "default", None);
    check(&breadcrumb(&links(&context["items"])), &theirs);
}

fn links(items: &Value) -> Vec<Link<'_>> {
    let items = items.as_array().expect("links").iter();
    items
        .map(|it| Link {
            href: text(it, "/href"),
            text: text(it, "/text"),
        })
        .collect()
}

/// Theirs without what is between the two, both included.
#[track_caller]
fn without(html: &str, from: &str, to: &str) -> String {
    let (before, rest) = html.split_once(from).expect("its beginning");
    let (_, after) = rest.split_once(to).expect("its end");
    format!("{before}{after}")
}

#[test]
fn the_header_is_that_of_the_design_system_without_the_logo() {
    let (theirs, context) = fixture("header", "with service name (linked)", Some("blue"));
    let service = Link {
        href: text(&context, "/service/href"),
        text: text(&context, "/service/text"),
    };
    let ours = header(&Header {
        service,
        navigation: &[],
        current: None,
    });
    let theirs = without(&theirs, "<a class=\"nhsuk-header__service-logo\"", "</a>");
    check(&ours, &theirs);
    // The navigation; the button behind which a script hides what has no room is not ours.
    let (theirs, context) = fixture("header", "with navigation", Some("blue"));
    let mut navigation = links(&context["navigation"]["items"]);
    navigation[4].href = "#current";
    let ours = header(&Header {
        service,
        navigation: &navigation,
        current: Some("#current"),
    });
    let theirs = without(&theirs, "<li class=\"nhsuk-header__menu\"", "</li>");
    let navigation_of = |html: &str| {
        let (_, rest) = html.split_once("<nav").expect("a navigation");
        normal(&format!("<nav{rest}")).join("\n")
    };
    let ours = ours.0.replace("#current", "#");
    assert_eq!(navigation_of(&ours), navigation_of(&theirs));
}

#[test]
fn the_footer_is_as_in_the_design_system() {
    let (theirs, context) = fixture("footer", "with meta links and text", None);
    let ours = footer(&Footer {
        links: &links(&context["meta"]["items"]),
        text: &[
            text(&context, "/meta/text"),
            text(&context, "/copyright/text"),
        ],
    });
    check(&ours, &theirs);
}

#[test]
fn the_pages_before_and_after_are_as_in_the_design_system() {
    for name in ["default", "with only previous", "with only next"] {
        let (theirs, context) = fixture("pagination", name, None);
        let way = |which: &str| {
            let href = optional(&context, &format!("/{which}/href"))?;
            Some((
                href.to_string(),
                text(&context, &format!("/{which}/label")).to_string(),
            ))
        };
        let ours = pagination(&Pagination {
            previous: way("previous"),
            next: way("next"),
        });
        check(&ours, &theirs);
    }
}
