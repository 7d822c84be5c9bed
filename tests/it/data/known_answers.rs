//! Tests of questions whose answers are known from published sources, in
//! `tests/cases/known_answers.csv`. Each question is a request to the API with the embedded
//! dataset, for the date `AS_OF` unless the question contains another date.
//!
//! Kinds:
//!
//! - `locate`: `question` contains the parameters of `/api/v1/locate`.
//! - `prac`: `question` is a practice code, and `field` is a member of `/api/v1/practices/CODE`.
//! - `area`: `question` is a path below `/api/v1/areas`, and `field` is a member of the response or
//!   of its member `area`. The field `count` is the number of areas, and the field `members`
//!   contains the ids in alphabetical order.
//!
//! Fields of `locate`:
//!
//! - `status`, `agreement`: the members with these names. `pcstatus`: the status of the postcode.
//! - The id of a layer: the areas of residence. `reg.LAYER`: the areas by registration.
//! - `reg.practice`, `reg.name`: the id and the name of the practice that is responsible for the
//!   patients on the date. `reg.pstatus`: the status of the practice in the question. `reg.reason`:
//!   the reason why there is no area by registration.
//! - `has:CODE`: `yes` or `no`, which states whether the area of this practice covers the place.
//!   `distance:CODE`: the distance to this practice in metres.
//!
//! The column `expected` contains the text of the value:
//!
//! - The items of an array are separated by `;`, in the order of the response. An item that is an
//!   object is represented by its `id`. An empty array is `empty`, and `null` is `null`.
//! - `unknown:REASON` represents a layer without an answer, and `problem:CODE` represents a
//!   response with an error.
//! - `name:TEXT`: the value is an array of one object with this name.
//! - `contains:TEXT`: the value is an array, and the `name` of one of its objects contains the text.
//! - `TEXT*`: the value starts with the text.
//! - `~METRES`: the value differs by at most 5%, or 50 m. With `@KIND`, the response must also
//!   state the premises to which it measures the distance, and these premises must be of this kind.
//! - `|` separates alternatives. `VALUE+NOTE`: the response must also contain this note.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::server::{Reply, SERVER};

/// The as-of date of the questions. The expected answers are based on facts in 2026.
const AS_OF: &str = "2026-11-29";

/// A row of the table.
#[derive(Deserialize)]
struct Question {
    id: String,
    kind: String,
    question: String,
    field: String,
    expected: String,
    source: String,
}

/// A value in a response, with the further facts that an expected value can require.
struct Found {
    value: Value,
    notes: Vec<String>,
    /// The kind of the premises, if the response states them.
    premises_kind: Option<String>,
}

impl From<Value> for Found {
    fn from(value: Value) -> Found {
        Found {
            value,
            notes: Vec::new(),
            premises_kind: None,
        }
    }
}

impl Found {
    /// Formats the value as in the table.
    fn text(&self) -> String {
        let item_text = |item: &Value| match item {
            Value::Object(item) => plain_text(item.get("id").or(item.get("name"))),
            item => plain_text(Some(item)),
        };
        match &self.value {
            Value::Array(items) if items.is_empty() => "empty".into(),
            Value::Array(items) => items.iter().map(item_text).collect::<Vec<_>>().join(";"),
            Value::Object(object) => format!("unknown:{}", plain_text(object.get("unknown"))),
            value => plain_text(Some(value)),
        }
    }

    fn names(&self) -> Vec<&str> {
        let items = self.value.as_array().into_iter().flatten();
        items.filter_map(|item| item["name"].as_str()).collect()
    }

    fn matches(&self, expected: &str) -> bool {
        expected.split('|').any(|alternative| {
            let (value, note) = match alternative.split_once('+') {
                Some((value, note)) => (value, Some(note)),
                None => (alternative, None),
            };
            let has_note = note.is_none_or(|note| self.notes.iter().any(|found| found == note));
            has_note && self.matches_value(value)
        })
    }

    fn matches_value(&self, expected: &str) -> bool {
        if let Some(name) = expected.strip_prefix("name:") {
            self.names() == [name]
        } else if let Some(part) = expected.strip_prefix("contains:") {
            self.names().iter().any(|name| name.contains(part))
        } else if let Some(distance) = expected.strip_prefix('~') {
            self.matches_distance(distance)
        } else if let Some(start) = expected.strip_suffix('*') {
            self.text().starts_with(start)
        } else {
            self.text() == expected
        }
    }

    fn matches_distance(&self, expected: &str) -> bool {
        let (metres, kind) = match expected.split_once('@') {
            Some((metres, kind)) => (metres, Some(kind)),
            None => (expected, None),
        };
        let metres: f64 = metres.parse().expect("a distance in metres");
        let tolerance_m = (metres * 0.05).max(50.0);
        let is_near = |found: f64| (found - metres).abs() <= tolerance_m;
        self.value.as_f64().is_some_and(is_near)
            && (kind.is_none() || self.premises_kind.as_deref() == kind)
    }
}

/// Formats a value without parts. A member that is missing from the response is formatted as
/// `absent`.
fn plain_text(value: Option<&Value>) -> String {
    match value {
        None => "absent".into(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

fn questions() -> Vec<Question> {
    let mut reader = csv::Reader::from_path("tests/cases/known_answers.csv")
        .expect("the table is in the repository");
    reader
        .deserialize()
        .map(|row| row.expect("a well-formed row"))
        .collect()
}

/// Sends the request of a question and returns the value of its field.
fn answer(question: &Question) -> Found {
    let reply = response(question);
    let body = reply.json();
    if reply.status != 200 {
        let code = plain_text(body.get("code"));
        return Value::from(format!("problem:{code}")).into();
    }
    match question.kind.as_str() {
        "locate" => Found {
            notes: notes(&body),
            premises_kind: premises_kind(&body, &question.field),
            value: locate_value(&body, &question.field),
        },
        "prac" => member(&body, &question.field).into(),
        "area" => area_value(&body, &question.field).into(),
        kind => panic!("{}: unknown kind `{kind}`", question.id),
    }
}

fn response(question: &Question) -> Reply {
    let query = question.question.as_str();
    match question.kind.as_str() {
        "locate" => {
            let parameters = query.split('&').map(|parameter| {
                let parts = parameter.split_once('=');
                parts.unwrap_or_else(|| panic!("{}: a parameter without `=`", question.id))
            });
            let mut parameters: Vec<(&str, &str)> = parameters.collect();
            if !parameters.iter().any(|(name, _)| *name == "as_of") {
                parameters.push(("as_of", AS_OF));
            }
            SERVER.locate(&parameters)
        }
        "prac" => SERVER.get(&format!("/api/v1/practices/{query}?as_of={AS_OF}")),
        _ => SERVER.get(&format!("{query}?as_of={AS_OF}")),
    }
}

/// Returns a member of an object, or the text `absent`, so that a missing member can be
/// distinguished from `null`.
fn member(body: &Value, name: &str) -> Value {
    body.get(name).cloned().unwrap_or_else(|| "absent".into())
}

fn notes(body: &Value) -> Vec<String> {
    let notes = body["notes"].as_array().into_iter().flatten();
    notes.map(|note| plain_text(Some(note))).collect()
}

fn locate_value(body: &Value, field: &str) -> Value {
    if let Some(code) = field.strip_prefix("has:") {
        let is_present = practice_match(body, code).is_some();
        return Value::from(if is_present { "yes" } else { "no" });
    }
    if let Some(code) = field.strip_prefix("distance:") {
        let practice = practice_match(body, code);
        return practice.map_or_else(
            || "absent".into(),
            |practice| member(practice, "distance_m"),
        );
    }
    if let Some(field) = field.strip_prefix("reg.") {
        let registration = &body["registration"];
        return match field {
            "practice" => registration["practice"]["id"].clone(),
            "name" => registration["practice"]["name"].clone(),
            "pstatus" => registration["practice"]["asked"]["status"].clone(),
            _ => member(registration, field),
        };
    }
    match field {
        "status" | "agreement" => member(body, field),
        "pcstatus" => body["location"]["postcode_status"].clone(),
        layer => member(&body["residence"], layer),
    }
}

/// Returns the practice with this code from the areas of residence.
fn practice_match<'b>(body: &'b Value, code: &str) -> Option<&'b Value> {
    let practices = body["residence"]["gp-practice"].as_array()?;
    practices.iter().find(|practice| practice["id"] == code)
}

/// Returns the kind of the premises of a `distance:CODE`, if the response states them.
fn premises_kind(body: &Value, field: &str) -> Option<String> {
    let practice = practice_match(body, field.strip_prefix("distance:")?)?;
    let premises = practice.get("premises")?;
    premises["name"].as_str()?;
    premises["kind"].as_str().map(str::to_string)
}

fn area_value(body: &Value, field: &str) -> Value {
    match field {
        "count" => body["areas"].as_array().map_or(0, Vec::len).into(),
        "members" => {
            let members = body["members"].as_array().into_iter().flatten();
            let ids: BTreeSet<&str> = members.filter_map(|item| item["id"].as_str()).collect();
            ids.into_iter().collect()
        }
        "names" => member(body, field),
        _ => member(body.get("area").unwrap_or(body), field),
    }
}

#[test]
fn known_answers_are_given() {
    let mut errors = Vec::new();
    for question in questions() {
        let found = answer(&question);
        if !found.matches(&question.expected) {
            errors.push(format!(
                "{} {} {}: {} is `{}`, expected `{}` ({})",
                question.id,
                question.kind,
                question.question,
                question.field,
                found.text(),
                question.expected,
                question.source
            ));
        }
    }
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

#[test]
fn questions_have_unique_ids_and_sources() {
    let questions = questions();
    let ids: BTreeSet<&str> = questions.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids.len(), questions.len());
    assert!(questions.len() >= 110, "{}", questions.len());
    for question in &questions {
        let texts = [&question.field, &question.expected, &question.source];
        assert!(texts.iter().all(|text| !text.is_empty()), "{}", question.id);
    }
}

#[test]
fn expected_values_match_as_the_notation_says() {
    let check = |value: Value, expected: &str, is_match: bool| {
        let found = Found::from(value);
        assert_eq!(found.matches(expected), is_match, "{expected}");
    };
    let areas = json!([{ "id": "a", "name": "Area A" }, { "id": "b", "name": "B" }]);
    check(areas.clone(), "a;b", true);
    check(areas.clone(), "b;a", false);
    check(areas.clone(), "a", false);
    check(areas.clone(), "c|a;b", true);
    check(areas.clone(), "a;b+note", false);
    check(areas.clone(), "contains:Area", true);
    check(areas, "name:Area A", false);
    check(json!([]), "empty", true);
    check(json!({ "unknown": "reason" }), "unknown:*", true);
    check(Value::Null, "null", true);
    check("absent".into(), "null", false);
    check("2026-04-01".into(), "2026-04*", true);
    check(14_100.into(), "~14600", true);
    check(13_000.into(), "~14600|~0@branch", false);
    check(0.into(), "~0@branch", false);
    let with_premises = Found {
        value: 0.into(),
        notes: vec!["note".into()],
        premises_kind: Some("branch".into()),
    };
    assert!(with_premises.matches("~0@branch+note"));
    assert!(!with_premises.matches("~0@main"));
}
