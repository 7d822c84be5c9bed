//! An OpenAPI document as an HTML page: an example request, the operations in the order in which
//! clients use them, the errors, and the objects in responses.

use catchment_core::domain::sentence_case;
use std::collections::BTreeSet;

use maud::{Markup, html};
use serde_json::Value;

use super::layout::{PageLayout, layout};
use super::nhsuk::{details, summary_list};
use catchment_core::index::Index;

/// The content of the page.
pub(crate) struct ApiPage<'a> {
    pub(crate) document: &'a Value,
    /// The URL of the document.
    pub(crate) href: &'a str,
    /// The start of the URLs in examples, without a trailing slash.
    pub(crate) base: &'a str,
    /// The path and query of the request at the start of the page, and the JSON of its response.
    pub(crate) first: Option<(&'a str, &'a [u8])>,
    pub(crate) examples: &'a [ApiExample<'a>],
}

/// A request for an operation.
pub(crate) struct ApiExample<'a> {
    pub(crate) method: &'a str,
    /// The path of the operation in the document.
    pub(crate) path: &'a str,
    /// The path and query of the request.
    pub(crate) request: &'a str,
    /// The media type and the text of the request's body, if it has one.
    pub(crate) body: Option<(&'a str, &'a str)>,
}

/// An operation of the document.
#[derive(Clone, Copy)]
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    value: &'a Value,
}

impl<'a> Operation<'a> {
    fn id(&self) -> &'a str {
        text(&self.value["operationId"])
    }
}

/// Renders the page.
pub(crate) fn openapi(index: &Index, page: &ApiPage<'_>) -> Markup {
    let document = page.document;
    let info = &document["info"];
    let sections = sections(document);
    let schemas = used_schemas(document);
    let content = html! {
        h1 { (text(&info["title"])) " API" }
        p { (prose(text(&info["description"]))) }
        @if let Some((request, response)) = page.first {
            h2 #first-request { "Try it" }
            pre.code-block { code { (curl(page.base, request, None)) } }
            p { "The answer:" }
            pre.code-block { code { (pretty_json(response)) } }
            p { "To keep a postcode out of the logs of proxies, send the same parameters as JSON in the body of a " a href="#locateByPost" { code { "POST" } } " request." }
        }
        (contents(&sections, !schemas.is_empty()))
        p { "The same as an OpenAPI " (text(&document["openapi"])) " document, from which you can generate a client: " a href=(page.href) { (page.href) } "." }
        @for (section_index, (tag, operations)) in sections.iter().enumerate() {
            section {
                h2 id=(tag_id(text(&tag["name"]))) { (heading(tag)) }
                p { (prose(text(&tag["description"]))) "." }
                // The first section is open, because it contains the operations that most readers
                // need.
                @for operation in operations { (operation_section(page, operation, section_index == 0)) }
            }
        }
        (errors(document))
        @if !schemas.is_empty() {
            section {
                h2 #objects { "Objects" }
                p { "Members of responses are always present, except those marked " em { "optional" } "." }
                @for name in &schemas { (schema_section(document, name)) }
            }
        }
    };
    let layout_page = PageLayout {
        title: text(&info["title"]),
        section: Some("/docs"),
        content,
        ..PageLayout::default()
    };
    layout(index, &layout_page)
}

/// Returns the tags that have operations, in the order of the document, with their operations.
fn sections(document: &Value) -> Vec<(&Value, Vec<Operation<'_>>)> {
    let tags = document["tags"].as_array().into_iter().flatten();
    let with_operations = tags.map(|tag| (tag, operations_with_tag(document, &tag["name"])));
    with_operations
        .filter(|(_, operations)| !operations.is_empty())
        .collect()
}

fn operations_with_tag<'a>(document: &'a Value, tag: &Value) -> Vec<Operation<'a>> {
    let mut found = Vec::new();
    for (path, methods) in members(&document["paths"]) {
        for (method, value) in members(methods) {
            if value["tags"][0] == *tag {
                found.push(Operation {
                    method,
                    path,
                    value,
                });
            }
        }
    }
    found
}

fn heading(tag: &Value) -> String {
    sentence_case(text(&tag["name"]))
}

/// Returns the id of the heading of a tag. The id begins with `tag-` to distinguish it from the ids
/// of operations.
fn tag_id(name: &str) -> String {
    format!("tag-{}", name.to_lowercase().replace(' ', "-"))
}

fn contents(sections: &[(&Value, Vec<Operation<'_>>)], has_objects: bool) -> Markup {
    html! {
        nav aria-labelledby="contents" {
            h2.nhsuk-heading-m #contents { "Contents" }
            ul {
                @for (tag, _) in sections {
                    li { a href=(format!("#{}", tag_id(text(&tag["name"])))) { (heading(tag)) } ": " (prose(text(&tag["description"]))) }
                }
                li { a href="#errors" { "Errors" } ": their form and their codes" }
                @if has_objects { li { a href="#objects" { "Objects" } ": the members of bodies and responses" } }
            }
        }
    }
}

/// Renders an operation as a `details` element. The id of the operation is inside the element, so
/// that a link to the operation opens the element.
fn operation_section(page: &ApiPage<'_>, operation: &Operation<'_>, is_open: bool) -> Markup {
    let Operation {
        method,
        path,
        value,
    } = *operation;
    let parameters = value["parameters"].as_array().into_iter().flatten();
    let parameters: Vec<(String, Markup)> = parameters
        .map(|parameter| parameter_row(resolve(page.document, parameter)))
        .collect();
    let mut examples = page.examples.iter();
    let example = examples.find(|example| (example.method, example.path) == (method, path));
    let description = text(&value["description"]);
    let content = html! {
        div.link-target id=(operation.id()) {
            @if !description.is_empty() { p { (prose(description)) } }
            @if let Some(example) = example {
                pre.code-block { code { (curl(page.base, example.request, example.body)) } }
            }
            @if !parameters.is_empty() { h3.nhsuk-heading-s { "Parameters" } (summary_list(&parameters)) }
            (request_body(&value["requestBody"]))
            (responses(page, value))
        }
    };
    let summary =
        html! { (text(&value["summary"])) " " code { (method.to_uppercase()) " " (path) } };
    details(&summary, true, is_open, &content)
}

/// Renders the media types of the body of a request, with their objects.
fn request_body(body: &Value) -> Markup {
    let content: Vec<_> = members(&body["content"]).collect();
    html! {
        @if !content.is_empty() {
            h3.nhsuk-heading-s { "Body" }
            @if let Some(description) = body["description"].as_str() { p { (prose(description)) } }
            ul {
                @for (media_type, content) in content {
                    li {
                        code { (media_type) }
                        @if let Some(object) = object_name(&content["schema"]) { ": " (object) }
                    }
                }
            }
        }
    }
}

fn parameter_row(parameter: &Value) -> (String, Markup) {
    let required = if parameter["required"] == true {
        " (required)"
    } else {
        ""
    };
    let schema = &parameter["schema"];
    let name = format!("{}{required}", text(&parameter["name"]));
    let cell = html! {
        (prose(text(&parameter["description"])))
        @if let Some(values) = schema["enum"].as_array() { " One of " (codes(values)) "." }
        @if !schema["default"].is_null() { " Default: " code { (plain(&schema["default"])) } "." }
    };
    (name, cell)
}

/// Renders the successful responses with their objects and examples, and the errors that are
/// specific to some operations.
fn responses(page: &ApiPage<'_>, operation: &Value) -> Markup {
    // The page shows this response at its start.
    let first: Option<Value> = page
        .first
        .and_then(|(_, json)| serde_json::from_slice(json).ok());
    let all = members(&operation["responses"]);
    let own = all.filter(|(_, response)| response.get("$ref").is_none());
    html! {
        h3.nhsuk-heading-s { "Response" }
        @for (status, response) in own {
            p { code { (status) } " " (prose(text(&response["description"]))) }
            @for (media_type, content) in members(&response["content"]) {
                p {
                    code { (media_type) }
                    @if let Some(object) = object_name(&content["schema"]) { ": " (object) }
                }
                @match content.get("example") {
                    None => {}
                    Some(example) if first.as_ref() == Some(example) => { p { "An example is " a href="#first-request" { "above" } "." } }
                    Some(example) => { (details(&html! { "Example: " code { (media_type) } }, false, false, &example_block(example))) }
                }
            }
        }
        @let errors = members(&operation["responses"]).filter(|(_, response)| response.get("$ref").is_some());
        @let statuses: Vec<&str> = errors.map(|(status, _)| status.as_str()).collect();
        @if !statuses.is_empty() {
            p { a href="#errors" { "Errors" } ": " (statuses.join(", ")) "." }
        }
    }
}

fn example_block(example: &Value) -> Markup {
    let block = match example {
        Value::String(block) => block.clone(),
        value => serde_json::to_string_pretty(value).expect("JSON serializes"),
    };
    html! { pre.code-block { code { (block) } } }
}

/// Renders the links to the objects of a schema: one object, such as `Answer`, or a choice of
/// several objects.
fn object_name(schema: &Value) -> Option<Markup> {
    if let Some(name) = reference_name(schema) {
        return Some(schema_link(name));
    }
    let choices = schema["anyOf"].as_array()?;
    let names: Vec<&str> = choices.iter().filter_map(reference_name).collect();
    Some(html! {
        @for (index, name) in names.iter().enumerate() {
            @if index > 0 { " or " }
            (schema_link(name))
        }
    })
}

fn schema_link(name: &str) -> Markup {
    html! { a href=(format!("#object-{name}")) { code { (name) } } }
}

fn reference_name(schema: &Value) -> Option<&str> {
    let reference = schema["$ref"].as_str()?;
    reference.strip_prefix("#/components/schemas/")
}

/// Renders the errors that several operations have in common.
fn errors(document: &Value) -> Markup {
    let shared: Vec<(&str, Markup)> = members(&document["components"]["responses"])
        .map(|(name, response)| {
            let row =
                html! { (statuses_of(document, name)) (prose(text(&response["description"]))) };
            (name.as_str(), row)
        })
        .collect();
    let example = &document["components"]["schemas"]["Problem"]["example"];
    html! {
        section {
            h2 #errors { "Errors" }
            p { "Errors are " code { "application/problem+json" } " (RFC 9457). " code { "code" } " identifies the cause and never changes; " code { "detail" } " describes what a valid request needs. Errors never repeat what you sent." }
            @if !example.is_null() { (example_block(example)) }
            (summary_list(&shared))
            p { "Responses to too many requests have " code { "Retry-After" } ", in seconds. Quote " code { "X-Request-Id" } " in questions about a response." }
        }
    }
}

/// Renders the status codes for which operations use a shared response.
fn statuses_of(document: &Value, name: &str) -> Markup {
    let reference = format!("#/components/responses/{name}");
    let mut statuses = BTreeSet::new();
    for (_, methods) in members(&document["paths"]) {
        for (_, operation) in members(methods) {
            let used = members(&operation["responses"]);
            let used = used.filter(|(_, response)| response["$ref"] == reference.as_str());
            statuses.extend(used.map(|(status, _)| status.as_str()));
        }
    }
    let statuses: Vec<&str> = statuses.into_iter().collect();
    html! { @if !statuses.is_empty() { code { (statuses.join(", ")) } ": " } }
}

/// Returns the names of the objects that requests and responses contain, in alphabetical order.
fn used_schemas(document: &Value) -> Vec<&str> {
    let mut found = BTreeSet::new();
    for (_, methods) in members(&document["paths"]) {
        for (_, operation) in members(methods) {
            for part in ["requestBody", "responses"] {
                collect_schemas(document, &operation[part], &mut found);
            }
        }
    }
    found.into_iter().collect()
}

/// Adds the names of the schemas to which a value refers, directly or through other schemas.
fn collect_schemas<'a>(document: &'a Value, value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(entries) => {
            for (key, entry) in entries {
                if key == "example" {
                    continue;
                }
                collect_schemas(document, entry, found);
            }
            if let Some(reference) = value["$ref"].as_str() {
                let name = reference_name(value);
                let is_new = name.is_none_or(|name| found.insert(name));
                let is_known = reference.starts_with("#/components/");
                let target = resolve(document, value);
                if is_new && is_known && !std::ptr::eq(target, value) {
                    collect_schemas(document, target, found);
                }
            }
        }
        Value::Array(entries) => {
            for entry in entries {
                collect_schemas(document, entry, found);
            }
        }
        _ => {}
    }
}

/// Renders an object as a `details` element, in the same way as an operation.
fn schema_section(document: &Value, name: &str) -> Markup {
    let schema = &document["components"]["schemas"][name];
    let rows = field_rows(schema, "");
    let content = html! {
        div.link-target id=(format!("object-{name}")) {
            @let description = text(&schema["description"]);
            @if !description.is_empty() { p { (prose(description)) } }
            @if rows.is_empty() { p { (type_of(schema)) "." } } @else { (summary_list(&rows)) }
        }
    };
    details(&html! { (name) }, false, false, &content)
}

/// Returns a row for each member of an object, and for each member of the unnamed objects within
/// it.
fn field_rows(schema: &Value, prefix: &str) -> Vec<(String, Markup)> {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut rows = Vec::new();
    for (name, field) in members(&schema["properties"]) {
        let path = format!("{prefix}{name}");
        let is_optional = !required.contains(&name.as_str());
        let description = text(&field["description"]);
        let cell = html! {
            (type_of(field))
            @if is_optional { ", " em { "optional" } }
            "."
            @if !description.is_empty() { " " (prose(description)) }
        };
        let items = &field["items"];
        let (inner, suffix) = if items.is_object() {
            (items, "[].")
        } else {
            (field, ".")
        };
        rows.push((path.clone(), cell));
        rows.extend(field_rows(inner, &format!("{path}{suffix}")));
    }
    rows
}

/// Renders a description of a member's type.
fn type_of(schema: &Value) -> Markup {
    let nullable = schema["nullable"] == true;
    let single = schema["allOf"].get(0).unwrap_or(schema);
    html! {
        @if let Some(name) = object_name(single) { (name) }
        @else if let Some(values) = schema["enum"].as_array() { (codes(values)) }
        @else if schema["type"] == "array" { "list of " (type_of(&schema["items"])) }
        @else if let Some(format) = schema["format"].as_str() { (format) }
        @else if schema["type"].is_null() { "any value" }
        @else { (text(&schema["type"])) }
        @if nullable { " or null" }
    }
}

fn codes(values: &[Value]) -> Markup {
    html! {
        @for (index, value) in values.iter().enumerate() {
            @if index > 0 { ", " }
            code { (plain(value)) }
        }
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_string)
}

/// Returns the command that sends a request.
fn curl(base: &str, request: &str, body: Option<(&str, &str)>) -> String {
    let url = format!("{}{request}", base.trim_end_matches('/'));
    match body {
        None => format!("curl '{url}'"),
        Some((media_type, text)) => {
            // With `$'…'`, a shell interprets `\n` as a line feed.
            let dollar = if text.contains('\n') { "$" } else { "" };
            let text = text.replace('\n', "\\n");
            format!(
                "curl '{url}' --header 'Content-Type: {media_type}' --data-binary {dollar}'{text}'"
            )
        }
    }
}

/// Indents JSON and preserves the order of members, which `serde_json` would not preserve.
fn pretty_json(json: &[u8]) -> String {
    let compact = String::from_utf8_lossy(json);
    let mut pretty = String::with_capacity(compact.len() * 2);
    let mut depth = 0;
    let mut letters = compact.chars().peekable();
    let mut is_in_string = false;
    while let Some(letter) = letters.next() {
        let line_break = |pretty: &mut String, depth: usize| {
            pretty.push('\n');
            pretty.push_str(&"  ".repeat(depth));
        };
        match letter {
            '\\' if is_in_string => {
                pretty.push(letter);
                pretty.extend(letters.next());
                continue;
            }
            '"' => is_in_string = !is_in_string,
            _ if is_in_string => {}
            '{' | '[' => {
                pretty.push(letter);
                if let Some(end) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    pretty.push(end);
                } else {
                    depth += 1;
                    line_break(&mut pretty, depth);
                }
                continue;
            }
            '}' | ']' => {
                depth -= 1;
                line_break(&mut pretty, depth);
            }
            ',' => {
                pretty.push(letter);
                line_break(&mut pretty, depth);
                continue;
            }
            ':' => {
                pretty.push_str(": ");
                continue;
            }
            _ => {}
        }
        pretty.push(letter);
    }
    pretty
}

/// Renders text in which backticks enclose code.
fn prose(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// Follows a `$ref` within the document.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix('#'));
    pointer
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(value)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_in_its_order() {
        let compact = r#"{"b":[1,{"a":"x, {\"y\"}: [z]"}],"a":{},"c":[]}"#;
        let pretty = pretty_json(compact.as_bytes());
        assert_eq!(
            pretty,
            "{\n  \"b\": [\n    1,\n    {\n      \"a\": \"x, {\\\"y\\\"}: [z]\"\n    }\n  ],\n  \"a\": {},\n  \"c\": []\n}"
        );
        let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        assert_eq!(parse(&pretty), parse(compact));
    }

    #[test]
    fn backticks_enclose_code() {
        assert_eq!(prose("a `b` c").into_string(), "a <code>b</code> c");
    }
}
