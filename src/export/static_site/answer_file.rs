//! A file of answers in the format that `catchment.js` reads.
//!
//! The answers in a group of postcodes have many parts in common, such as the same practices and
//! the same areas. Each distinct object or array is a *shape*, which the file contains once. An
//! answer consists of the number of its shape and the values that differ between postcodes.
//! Negative numbers in a shape are placeholders, which the reader replaces:
//!
//! | number | replaced by |
//! |---|---|
//! | -1 | the next value of the row |
//! | -2 | the postcode |
//! | -3 | the next value of the row, in tenths |
//! | -4 | the shape whose number is the next value of the row |
//! | -5, -6 | the easting and the northing of the row |
//! | -7, -8 | the longitude and the latitude: the rounded value of the file's polynomial at the row's position, plus the next value of the row in millionths |
//! | -10, -11, … | shape 0, 1, … |
//!
//! A shape that is a string represents a position. The reader replaces it with the distance from
//! that position to the position of the row.
//!
//! A row is `[key, shape, east, north, values…]`. `east` and `north` are relative to the previous
//! row or, in the first row, to the `origin` of the file. The unit of `east` and `north` is `unit`
//! millimetres. The key is the code of a practice, a postcode of seven characters, or the last two
//! characters of a postcode whose other characters are the same as in the previous row. If a row
//! contains a number instead of a key, the row is a later answer for the previous key. The number
//! is the index in `days` of the first day of that answer.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;

use flate2::{Compression, GzBuilder};
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::answers::DatedAnswer;
use super::polynomial::Polynomial;
use catchment_core::domain::BritishGrid;

/// A key and its answers, in order of date.
pub(super) struct KeyedAnswers {
    /// The seven bytes of a postcode, or the code of a practice.
    pub(super) key: String,
    /// Whether the key is a postcode that is in use on the day of the export.
    pub(super) is_live: bool,
    pub(super) answers: Vec<DatedAnswer>,
}

const NEXT_VALUE: &str = "-1";
const POSTCODE: &str = "-2";
const NEXT_TENTHS: &str = "-3";
const NEXT_SHAPE: &str = "-4";
const EASTING: &str = "-5";
const NORTHING: &str = "-6";
const LONGITUDE: &str = "-7";
const LATITUDE: &str = "-8";
/// The number of shape 0.
const FIRST_SHAPE: i64 = -10;

/// Encodes the answers of keys in ascending order. The file contains `from`, so that the reader can
/// check that it is the correct file.
pub(super) fn encode(from: &str, keys: &[&KeyedAnswers]) -> String {
    let positions = || {
        let answers = keys.iter().flat_map(|key| &key.answers);
        answers.filter_map(|answer| answer.position)
    };
    let origin = positions().next().map_or([0, 0], millimetres);
    let is_whole = positions().flat_map(millimetres).all(|mm| mm % 1_000 == 0);
    let unit = if is_whole { 1_000 } else { 1 };
    let frame = Frame { origin, unit };
    let mut file = Encoder {
        frame,
        longitude: frame.fit(keys, "longitude"),
        latitude: frame.fit(keys, "latitude"),
        shapes: Vec::new(),
        numbers: HashMap::new(),
    };
    let (mut rows, mut days) = (Vec::new(), Vec::new());
    let (mut last_key, mut last_position) = ("", origin);
    for key in keys {
        for answer in &key.answers {
            let name = match answer.from {
                Some(day) => number_of_day(&mut days, day).to_string(),
                None => json!(short_key(&key.key, last_key)).to_string(),
            };
            last_key = &key.key;
            let [east, north] = answer.position.map_or(last_position, millimetres);
            let mut row = Row {
                position: answer.position,
                values: String::new(),
            };
            let shape = file.shape_of_object(&answer.body, "", &mut row);
            rows.push(format!(
                "[{name},{shape},{},{}{}]",
                (east - last_position[0]) / unit,
                (north - last_position[1]) / unit,
                row.values
            ));
            last_position = [east, north];
        }
    }
    let days: Vec<String> = days.iter().map(Date::to_string).collect();
    let head = json!({
        "from": from,
        "unit": unit,
        "origin": [origin[0] / unit, origin[1] / unit],
        "fit": [file.longitude.coefficients(), file.latitude.coefficients()],
        "days": days,
    });
    let head = head.to_string();
    let head = head.strip_suffix('}').expect("an object");
    let (shapes, rows) = (file.shapes.join(","), rows.join(",\n"));
    format!("{head},\"shapes\":[{shapes}],\"rows\":[\n{rows}]}}\n")
}

/// Compresses with gzip. The result depends only on the content.
pub(super) fn compress(content: &[u8]) -> Vec<u8> {
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(content).expect("writing to a Vec");
    gzip.finish().expect("writing to a Vec")
}

/// Returns the last two characters of a postcode if its other characters are the same as in the
/// previous postcode. Otherwise, returns the whole key.
fn short_key<'k>(key: &'k str, before: &str) -> &'k str {
    match (key.split_at_checked(5), before.split_at_checked(5)) {
        (Some((sector, unit)), Some((sector_before, _)))
            if key.len() == 7 && sector == sector_before =>
        {
            unit
        }
        _ => key,
    }
}

fn number_of_day(days: &mut Vec<Date>, day: Date) -> usize {
    let known = days.iter().position(|known| *known == day);
    known.unwrap_or_else(|| {
        days.push(day);
        days.len() - 1
    })
}

fn millimetres(position: BritishGrid) -> [i64; 2] {
    [position.easting_mm(), position.northing_mm()].map(i64::from)
}

/// The origin and the unit of the positions in a file.
#[derive(Clone, Copy)]
struct Frame {
    origin: [i64; 2],
    unit: i64,
}

impl Frame {
    /// Returns a position in kilometres from the origin, computed as `catchment.js` does.
    fn kilometres(self, position: BritishGrid) -> [f64; 2] {
        let from_origin = |axis: usize| {
            let units = (millimetres(position)[axis] - self.origin[axis]) / self.unit;
            #[expect(clippy::cast_precision_loss, reason = "at most 1.7e9 mm")]
            let millimetres = (units * self.unit) as f64;
            millimetres / 1e6
        };
        [from_origin(0), from_origin(1)]
    }

    /// Fits the longitudes or the latitudes of the answers.
    fn fit(self, keys: &[&KeyedAnswers], name: &str) -> Polynomial {
        let answers = keys.iter().flat_map(|key| key.answers.first());
        let samples = answers.filter_map(|answer| {
            let degrees = answer.body.get("location")?.get(name)?.as_f64()?;
            Some((self.kilometres(answer.position?), degrees * 1e6))
        });
        Polynomial::fit(&samples.collect::<Vec<_>>())
    }
}

/// The values that differ between answers of the same shape.
struct Row {
    position: Option<BritishGrid>,
    /// The values in the order in which the reader uses them. There is a comma before each value.
    values: String,
}

impl Row {
    fn push(&mut self, value: impl std::fmt::Display) {
        write!(self.values, ",{value}").expect("writing to a String");
    }
}

struct Encoder {
    frame: Frame,
    longitude: Polynomial,
    latitude: Polynomial,
    /// The shapes, in order of their numbers.
    shapes: Vec<String>,
    /// The number of each shape.
    numbers: HashMap<String, usize>,
}

impl Encoder {
    /// Encodes an object. `name` is the key of the object in the object that contains it.
    fn shape_of_object(
        &mut self,
        object: &Map<String, Value>,
        name: &str,
        row: &mut Row,
    ) -> String {
        let mut members = Vec::new();
        for (key, value) in object {
            let value = if name == "location" {
                self.location_member(key, value, row)
            } else {
                self.member(key, value, row)
            };
            members.push(format!("{}:{value}", json!(key)));
        }
        if members.is_empty() {
            return "{}".into();
        }
        self.number(format!("{{{}}}", members.join(",")))
    }

    fn shape_of_array(&mut self, items: &[Value], row: &mut Row) -> String {
        let items: Vec<String> = items
            .iter()
            .map(|item| self.member("", item, row))
            .collect();
        if items.is_empty() {
            return "[]".into();
        }
        self.number(format!("[{}]", items.join(",")))
    }

    /// Encodes a member of an object, or an item of an array.
    fn member(&mut self, key: &str, value: &Value, row: &mut Row) -> String {
        match (key, value) {
            ("distance_m", Value::String(_)) => self.number(value.to_string()),
            ("boundary_distance_m" | "distance_m", Value::Number(number)) => {
                match tenths(number.as_f64()) {
                    Some(tenths) => {
                        row.push(tenths);
                        NEXT_TENTHS.into()
                    }
                    None => next_value(value, row),
                }
            }
            // The alternatives beyond a boundary often differ between postcodes whose answers are
            // otherwise the same.
            ("alternatives", Value::Array(items)) if !items.is_empty() => {
                let mut inner = Row {
                    position: row.position,
                    values: String::new(),
                };
                let shape = self.shape_of_array(items, &mut inner);
                row.push(shape);
                row.values.push_str(&inner.values);
                NEXT_SHAPE.into()
            }
            (_, Value::Number(number)) if number.as_f64().is_some_and(|number| number < 0.0) => {
                next_value(value, row)
            }
            (_, Value::Object(object)) => self.shape_of_object(object, key, row),
            (_, Value::Array(items)) => self.shape_of_array(items, row),
            _ => value.to_string(),
        }
    }

    /// Encodes a member of the location of a postcode.
    fn location_member(&mut self, key: &str, value: &Value, row: &mut Row) -> String {
        match (key, value, row.position) {
            ("postcode", Value::String(_), _) => POSTCODE.into(),
            ("introduced" | "terminated", Value::String(_), _) => next_value(value, row),
            ("easting", Value::Number(_), Some(_)) => EASTING.into(),
            ("northing", Value::Number(_), Some(_)) => NORTHING.into(),
            ("longitude", Value::Number(number), Some(position)) => {
                push_residual(
                    &self.longitude,
                    self.frame.kilometres(position),
                    number,
                    row,
                );
                LONGITUDE.into()
            }
            ("latitude", Value::Number(number), Some(position)) => {
                push_residual(&self.latitude, self.frame.kilometres(position), number, row);
                LATITUDE.into()
            }
            _ => self.member(key, value, row),
        }
    }

    /// Returns the number that refers to a shape.
    fn number(&mut self, shape: String) -> String {
        let next = self.shapes.len();
        let number = *self.numbers.entry(shape.clone()).or_insert(next);
        if number == next {
            self.shapes.push(shape);
        }
        let number = i64::try_from(number).expect("fewer shapes than bytes");
        (FIRST_SHAPE - number).to_string()
    }
}

fn next_value(value: &Value, row: &mut Row) -> String {
    row.push(value);
    NEXT_VALUE.into()
}

/// Returns a distance in tenths of a metre, if the distance is a whole number of tenths.
fn tenths(metres: Option<f64>) -> Option<i64> {
    let metres = metres?;
    #[expect(clippy::cast_possible_truncation, reason = "distances are below 1e9")]
    let tenths = (metres * 10.0).round() as i64;
    #[expect(clippy::cast_precision_loss, reason = "distances are below 1e9")]
    let back = tenths as f64 / 10.0;
    (back == metres).then_some(tenths)
}

/// Appends the difference between a value in degrees and the value of its polynomial, in
/// millionths.
fn push_residual(
    polynomial: &Polynomial,
    position: [f64; 2],
    degrees: &serde_json::Number,
    row: &mut Row,
) {
    let degrees = degrees.as_f64().expect("a number of degrees");
    #[expect(clippy::cast_possible_truncation, reason = "at most 180e6")]
    let [millionths, fitted] = [
        (degrees * 1e6).round() as i64,
        (polynomial.at(position) + 0.5).floor() as i64,
    ];
    row.push(millionths - fitted);
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use jiff::civil::date;

    use super::*;

    fn answer(from: Option<Date>, metres: [i32; 2], body: Value) -> DatedAnswer {
        let [east, north] = metres.map(f64::from);
        let Value::Object(body) = body else {
            panic!("not an object")
        };
        DatedAnswer {
            from,
            body,
            position: BritishGrid::from_metres(east, north).ok(),
        }
    }

    fn keyed(key: &str, answers: Vec<DatedAnswer>) -> KeyedAnswers {
        KeyedAnswers {
            key: key.into(),
            is_live: true,
            answers,
        }
    }

    #[test]
    fn parts_that_answers_share_are_written_once() {
        let body = |postcode: &str, distance: f64, other: &str| {
            json!({
                "location": { "postcode": postcode, "easting": 1.0, "introduced": "1980-01" },
                "practices": [{ "id": "A1", "distance_m": "5000,6000" }],
                "areas": [{ "boundary_distance_m": distance, "share": 0.5,
                            "alternatives": [{ "id": other, "distance_m": distance }] }],
                "notes": [],
            })
        };
        let later = Some(date(2026, 4, 1));
        let first = vec![answer(None, [1_000, 2_000], body("LA1 1AA", 12.5, "k"))];
        let second = vec![
            answer(None, [1_010, 1_990], body("LA1 1AB", 7.0, "k")),
            answer(later, [1_010, 1_990], body("LA1 1AB", 7.0, "l")),
        ];
        let [first, second] = [keyed("LA1 1AA", first), keyed("LA1 1AB", second)];
        let text = encode("LA1 1AA", &[&first, &second]);
        let file: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(file["from"], "LA1 1AA");
        assert_eq!(file["unit"], 1_000);
        assert_eq!(file["origin"], json!([1_000, 2_000]));
        assert_eq!(file["days"], json!(["2026-04-01"]));
        // The shapes differ only in the alternatives of the last answer.
        assert_eq!(
            file["shapes"],
            json!([
                { "id": "k", "distance_m": -3 },
                [-10],
                { "alternatives": -4, "boundary_distance_m": -3, "share": 0.5 },
                [-12],
                { "easting": -5, "introduced": -1, "postcode": -2 },
                "5000,6000",
                { "distance_m": -15, "id": "A1" },
                [-16],
                { "areas": -13, "location": -14, "notes": [], "practices": -17 },
                { "id": "l", "distance_m": -3 },
                [-19],
            ])
        );
        assert_eq!(
            file["rows"],
            json!([
                ["LA1 1AA", -18, 0, 0, -11, 125, 125, "1980-01"],
                ["AB", -18, 10, -10, -11, 70, 70, "1980-01"],
                [0, -18, 0, 0, -20, 70, 70, "1980-01"],
            ])
        );
    }

    #[test]
    fn positions_in_millimetres_and_no_positions_can_be_encoded() {
        let location = json!({ "location": { "longitude": -2.800_001, "latitude": 54.000_002 } });
        let mut first = answer(None, [0, 0], location.clone());
        first.position = BritishGrid::from_metres(347_000.001, 461_000.0).ok();
        let mut second = answer(None, [0, 0], json!({ "location": null }));
        second.position = None;
        let [first, second] = [keyed("LA1 1AA", vec![first]), keyed("P81002", vec![second])];
        let text = encode("LA1 1AA", &[&first, &second]);
        let file: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(file["unit"], 1);
        assert_eq!(file["origin"], json!([347_000_001, 461_000_000]));
        assert_eq!(file["fit"][0][0], -2_800_001.0);
        assert_eq!(file["rows"][0], json!(["LA1 1AA", -11, 0, 0, 0, 0]));
        assert_eq!(file["rows"][1], json!(["P81002", -12, 0, 0]));
        let empty: Value = serde_json::from_str(&encode("", &[])).expect("JSON");
        assert_eq!(empty["rows"], json!([]));
    }

    #[test]
    fn only_postcodes_of_the_same_sector_have_short_keys() {
        for (key, before, expected) in [
            ("LA1 1AB", "LA1 1AA", "AB"),
            ("LA1 2AA", "LA1 1AA", "LA1 2AA"),
            ("LA1 1AA", "", "LA1 1AA"),
            ("P81002", "P81001", "P81002"),
            ("A81001001", "A81001", "A81001001"),
        ] {
            assert_eq!(short_key(key, before), expected);
        }
    }

    #[test]
    fn compression_has_no_time_and_can_be_undone() {
        let compressed = compress(b"content");
        assert_eq!(compressed, compress(b"content"));
        assert_eq!(compressed[4..8], [0; 4]);
        let mut content = String::new();
        let mut reader = flate2::read::GzDecoder::new(compressed.as_slice());
        reader.read_to_string(&mut content).expect("gzip");
        assert_eq!(content, "content");
    }
}
