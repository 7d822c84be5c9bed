//! Reads selected members of the JSON object in a line of NDJSON, and appends members to the
//! object.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A line that is not a JSON object, or whose selected members cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidObject;

/// Returns the member names of an object, or `None` if the line is not an object.
pub(crate) fn member_names(line: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    read_members(line, &mut |name| {
        names.push(name.to_string());
        None
    })
    .ok()?;
    Some(names)
}

/// Returns the members with the given names as strings, in the same order. A string is empty if its
/// member is missing or null.
pub(crate) fn member_texts(
    line: &[u8],
    names: &[impl AsRef<str>],
) -> Result<Vec<String>, InvalidObject> {
    let found = read_members(line, &mut |name| {
        names.iter().position(|text| text.as_ref() == name)
    })?;
    let mut texts = vec![None; names.len()];
    for (index, JsonText(text)) in found {
        // A duplicate is rejected, because JSON readers differ in which of the two they use.
        if texts[index].replace(text).is_some() {
            return Err(InvalidObject);
        }
    }
    Ok(texts.into_iter().map(Option::unwrap_or_default).collect())
}

/// Appends the object to `out`, with `members` added at its end. A comma precedes each added
/// member. The line must be an object.
pub(crate) fn append_members(out: &mut Vec<u8>, line: &[u8], members: impl FnOnce(&mut Vec<u8>)) {
    let end = memchr::memrchr(b'}', line).expect("the line is an object");
    out.extend_from_slice(&line[..end]);
    let start = out.len();
    members(out);
    let is_empty = line[..end].trim_ascii_end().last() == Some(&b'{');
    if is_empty && out.get(start) == Some(&b',') {
        out.remove(start);
    }
    out.extend_from_slice(&line[end..]);
}

type FoundMembers = Vec<(usize, JsonText)>;

/// The text of a string or a number, or an empty string for null. Arrays and objects are rejected
/// at their first byte, because parsed values would require many times the memory of the line.
struct JsonText(String);

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<JsonText, D::Error> {
        json.deserialize_any(JsonTextVisitor)
    }
}

struct JsonTextVisitor;

impl Visitor<'_> for JsonTextVisitor {
    type Value = JsonText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number or null")
    }

    fn visit_unit<E: Error>(self) -> Result<JsonText, E> {
        Ok(JsonText(String::new()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<JsonText, E> {
        Ok(JsonText(text.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<JsonText, E> {
        Ok(JsonText(number.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<JsonText, E> {
        Ok(JsonText(number.to_string()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<JsonText, E> {
        let number = serde_json::Number::from_f64(number).ok_or_else(|| E::custom("not finite"))?;
        Ok(JsonText(number.to_string()))
    }
}

/// Reads the members for which `member_index` returns an index.
fn read_members(
    line: &[u8],
    member_index: &mut dyn FnMut(&str) -> Option<usize>,
) -> Result<FoundMembers, InvalidObject> {
    let mut json = serde_json::Deserializer::from_slice(line);
    let found = MemberVisitor { member_index }
        .deserialize(&mut json)
        .map_err(|_| InvalidObject)?;
    json.end().map_err(|_| InvalidObject)?;
    Ok(found)
}

struct MemberVisitor<'w> {
    member_index: &'w mut dyn FnMut(&str) -> Option<usize>,
}

impl<'de> DeserializeSeed<'de> for MemberVisitor<'_> {
    type Value = FoundMembers;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<FoundMembers, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MemberVisitor<'_> {
    type Value = FoundMembers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FoundMembers, A::Error> {
        let mut found = Vec::new();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match (self.member_index)(&name) {
                Some(index) => found.push((index, map.next_value()?)),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            if found.len() > 1_000 {
                return Err(A::Error::custom("too many members of the same name"));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_and_appended_without_other_changes() {
        let line = br#"{ "n": 1.50, "postcode": "LA1 \u0031AA", "x": {"postcode": 3} }"#;
        assert_eq!(
            member_names(line).expect("an object"),
            ["n", "postcode", "x"]
        );
        let texts = member_texts(line, &["postcode", "practice"]).expect("an object");
        assert_eq!(texts, ["LA1 1AA", ""]);
        let appended = |line: &str| {
            let mut out = Vec::new();
            append_members(&mut out, line.as_bytes(), |out| out.extend(b",\"a\":1"));
            String::from_utf8(out).expect("text")
        };
        assert_eq!(appended("{\"n\": 1.50} "), "{\"n\": 1.50,\"a\":1} ");
        assert_eq!(appended("{ }"), "{ \"a\":1}");
    }

    #[test]
    fn invalid_objects_are_rejected() {
        for line in [
            "",
            "1",
            "[]",
            "{",
            "{}{}",
            "{\"p\":[1]}",
            "{\"p\":1,\"p\":2}",
        ] {
            assert_eq!(
                member_texts(line.as_bytes(), &["p"]),
                Err(InvalidObject),
                "{line}"
            );
        }
        assert_eq!(
            member_texts(b"{\"p\":null}", &["p"]),
            Ok(vec![String::new()])
        );
        for (number, text) in [
            ("12", "12"),
            ("-7", "-7"),
            ("1.50", "1.5"),
            ("1e3", "1000.0"),
        ] {
            let line = format!("{{\"p\":{number}}}");
            assert_eq!(
                member_texts(line.as_bytes(), &["p"]),
                Ok(vec![text.to_string()])
            );
        }
    }
}
