//! JSON response bodies. The command line prints the same JSON.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Number;

use super::json::Json;
use crate::dataset::Manifest;
use crate::domain::{Area, Basis, Layer, PracticeStatus, Provenance};
use crate::index::{
    Answer, AreaFound, Found, GroupFound, Index, Location, Neighbour, Place, PracticeFound, Reason,
    RegisteredPractice, Registration,
};
use crate::question::Question;

/// The response to a look-up.
pub(crate) struct LocateBody<'i> {
    index: &'i Index,
    answer: Answer<'i>,
    /// The requested layers; `None` means all.
    layers: Option<Vec<Layer>>,
}

#[derive(Serialize)]
struct RegisteredPracticeBody<'i> {
    id: &'i str,
    name: &'i str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    closes_on: Option<String>,
    asked: AskedBody<'i>,
    successors: Vec<SuccessorBody>,
}

#[derive(Serialize)]
struct AskedBody<'i> {
    id: &'i str,
    status: &'static str,
    closed: Option<String>,
    branch: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch_listed: Option<bool>,
}

#[derive(Serialize)]
struct SuccessorBody {
    id: String,
    from: String,
}

/// The dataset of a response.
#[derive(Serialize)]
pub(crate) struct DatasetBody<'i> {
    name: &'i str,
    version: &'i str,
    attribution: &'i str,
}

impl<'i> LocateBody<'i> {
    pub(crate) fn new(index: &'i Index, question: &Question, answer: Answer<'i>) -> LocateBody<'i> {
        LocateBody {
            index,
            answer,
            layers: question.layers.clone(),
        }
    }

    /// Serializes the response.
    pub(crate) fn json(&self) -> Vec<u8> {
        let mut json = Json::new();
        self.write(&mut json);
        json.into_bytes()
    }

    fn write(&self, json: &mut Json) {
        let answer = &self.answer;
        json.raw("{\"status\":");
        json.text(answer.status.as_str());
        json.raw(",\"location\":");
        json.or_null(answer.location, write_location);
        json.raw(",\"residence\":{");
        self.layers(json, &answer.residence, "");
        json.raw("},\"registration\":");
        json.or_null(answer.registration.as_ref(), |json, registration| {
            self.registration(json, registration);
        });
        json.raw(",\"agreement\":");
        json.text(answer.agreement.as_str());
        json.raw(",\"notes\":[");
        json.list(&answer.notes, |json, note| json.text(note.as_str()));
        json.raw("]");
        self.nearest(json);
        write_end(json, answer.as_of, self.index.manifest());
    }

    fn is_wanted(&self, layer: Layer) -> bool {
        let wanted = self.layers.as_ref();
        wanted.is_none_or(|wanted| wanted.contains(&layer))
    }

    /// Writes the requested layers in the order of the answer, then those that the dataset does not
    /// have. `comma` is written before the first.
    fn layers(&self, json: &mut Json, found: &[(Layer, Found<'_>)], mut comma: &'static str) {
        let held = found.iter().filter(|(layer, _)| self.is_wanted(*layer));
        let held = held.map(|(layer, found)| (*layer, Some(found)));
        let is_held = |layer: &Layer| found.iter().any(|(held, _)| held == layer);
        let not_held = self.layers.iter().flatten().filter(|it| !is_held(it));
        let not_held = not_held.map(|&layer| (layer, None));
        for (layer, found) in held.chain(not_held) {
            json.raw(comma);
            comma = ",";
            json.text(layer.as_str());
            json.raw(":");
            match found {
                Some(Found::Areas(areas)) => list_of(json, areas, write_area),
                Some(Found::Practices(practices)) => list_of(json, practices, write_practice),
                Some(Found::Groups(groups)) => list_of(json, groups, write_group),
                Some(Found::Unknown(unknown)) => write_unknown(json, unknown.as_str()),
                None => write_unknown(json, "not_in_dataset"),
            }
        }
    }

    fn registration(&self, json: &mut Json, registration: &Registration<'_>) {
        json.raw("{\"practice\":");
        let practice = registration.practice.as_ref();
        json.value(&practice.map(RegisteredPracticeBody::from));
        self.layers(json, &registration.areas, ",");
        json.raw(",\"reason\":");
        json.or_null(registration.reason.map(Reason::as_str), Json::text);
        json.raw("}");
    }

    /// Writes the nearest areas of the layers that have none at the location.
    fn nearest(&self, json: &mut Json) {
        let nearest = self.answer.nearest.iter();
        let mut nearest = nearest
            .filter(|(layer, _)| self.is_wanted(*layer))
            .peekable();
        if nearest.peek().is_none() {
            return;
        }
        json.raw(",\"nearest\":{");
        json.list(nearest, |json, (layer, near)| {
            json.text(layer.as_str());
            json.raw(":");
            write_neighbour(json, near);
        });
        json.raw("}");
    }
}

/// Returns a directory entry as JSON.
pub(super) fn entry_json(index: &Index, answer: &Answer<'_>) -> Vec<u8> {
    let entry = answer.location.and_then(|location| location.entry);
    let area = entry.and_then(|entry| index.statistical_area(&entry));
    let mut json = Json::new();
    json.raw("{\"status\":");
    json.text(answer.status.as_str());
    json.raw(",\"location\":");
    json.or_null(answer.location, write_location);
    json.raw(",\"statistical_area\":");
    json.or_null(area, Json::text);
    write_end(&mut json, answer.as_of, index.manifest());
    json.into_bytes()
}

/// Writes the resolved location.
fn write_location(json: &mut Json, location: Location) {
    let entry = location.entry;
    let (source, postcode) = match location.place {
        Place::Postcode(postcode) => ("postcode", Some(postcode)),
        Place::LonLat(_) => ("longitude_latitude", None),
        Place::Grid(_) => ("easting_northing", None),
    };
    let lonlat = location.lonlat();
    let grid = location.grid;
    let quality = entry.and_then(|entry| entry.positional_quality);
    json.raw("{\"source\":");
    json.text(source);
    json.raw(",\"postcode\":");
    json.or_null(postcode, Json::display);
    json.raw(",\"longitude\":");
    json.or_null(lonlat, |json, at| json.number(at.lon(), 6));
    json.raw(",\"latitude\":");
    json.or_null(lonlat, |json, at| json.number(at.lat(), 6));
    json.raw(",\"easting\":");
    json.or_null(grid, |json, at| json.number(at.easting_m(), 3));
    json.raw(",\"northing\":");
    json.or_null(grid, |json, at| json.number(at.northing_m(), 3));
    json.raw(",\"positional_quality\":");
    json.or_null(quality, |json, quality| {
        json.raw("{\"scale\":");
        json.text(quality.scale());
        json.raw(",\"value\":");
        json.number(f64::from(quality.value()), 0);
        json.raw("}");
    });
    json.raw(",\"postcode_status\":");
    json.or_null(entry, |json, _| {
        json.text(if location.is_terminated {
            "terminated"
        } else {
            "live"
        });
    });
    json.raw(",\"introduced\":");
    json.or_null(entry.and_then(|entry| entry.introduced), Json::display);
    json.raw(",\"terminated\":");
    json.or_null(entry.and_then(|entry| entry.terminated), Json::display);
    json.raw("}");
}

/// Writes the end of a response: its date and dataset.
fn write_end(json: &mut Json, as_of: Date, manifest: &Manifest) {
    json.raw(",\"as_of\":");
    json.display(as_of);
    json.raw(",\"dataset\":{\"name\":");
    json.text(&manifest.name);
    json.raw(",\"version\":");
    json.text(&manifest.version);
    json.raw(",\"attribution\":");
    json.text(&manifest.attribution);
    json.raw("}}");
}

fn list_of<T>(json: &mut Json, items: &[T], each: impl Fn(&mut Json, &T)) {
    json.raw("[");
    json.list(items, each);
    json.raw("]");
}

fn write_unknown(json: &mut Json, why: &str) {
    json.raw("{\"unknown\":");
    json.text(why);
    json.raw("}");
}

fn write_area(json: &mut Json, found: &AreaFound<'_>) {
    write_name(json, found.area);
    if let Some(system) = &found.area.system {
        json.raw(",\"system\":");
        json.text(system);
    }
    write_source(json, found.provenance, found.basis);
    if let Some(edge) = &found.edge {
        json.raw(",\"certainty\":");
        json.text(edge.certainty.as_str());
        json.raw(",\"boundary_distance_m\":");
        json.number(edge.distance_m, 1);
        json.raw(",\"alternatives\":");
        list_of(json, &edge.alternatives, write_neighbour);
    }
    json.raw("}");
}

/// Writes the beginning of an area: the opening brace, the id and the name.
fn write_name(json: &mut Json, area: &Area) {
    json.raw("{\"id\":");
    json.text(&area.id);
    json.raw(",\"name\":");
    json.text(&area.title());
}

fn write_source(json: &mut Json, provenance: Provenance, basis: Basis) {
    json.raw(",\"provenance\":");
    json.text(provenance.as_str());
    json.raw(",\"basis\":");
    json.text(basis.as_str());
}

fn write_neighbour(json: &mut Json, near: &Neighbour<'_>) {
    write_name(json, near.area);
    json.raw(",\"distance_m\":");
    json.number(near.distance_m, 1);
    json.raw("}");
}

fn write_practice(json: &mut Json, found: &PracticeFound<'_>) {
    json.raw("{\"id\":");
    json.text(found.practice.code.as_str());
    json.raw(",\"name\":");
    json.text(&found.practice.name);
    write_source(json, found.provenance, found.basis);
    json.raw(",\"area\":");
    json.text(found.extent.as_str().unwrap_or(found.provenance.as_str()));
    json.raw(",\"share\":");
    json.or_null(found.share, |json, share| json.number(share, 6));
    json.raw(",\"distance_m\":");
    json.or_null(found.distance_m, |json, it| json.number(it, 0));
    json.raw("}");
}

fn write_group(json: &mut Json, found: &GroupFound<'_>) {
    write_name(json, found.area);
    if let Some(kind) = &found.area.kind {
        json.raw(",\"kind\":");
        json.text(kind);
    }
    json.raw(",\"via\":");
    json.text(found.via);
    write_source(json, found.area.provenance, Basis::Membership);
    json.raw("}");
}

impl<'i> From<&RegisteredPractice<'i>> for RegisteredPracticeBody<'i> {
    fn from(found: &RegisteredPractice<'i>) -> RegisteredPracticeBody<'i> {
        let RegisteredPractice {
            practice, asked, ..
        } = found;
        let closes_on = (found.status != PracticeStatus::Closed)
            .then_some(practice.closed)
            .flatten();
        RegisteredPracticeBody {
            id: practice.code.as_str(),
            name: &practice.name,
            status: found.status.as_str(),
            closes_on: closes_on.map(|day| day.to_string()),
            asked: AskedBody {
                id: asked.code.as_str(),
                status: found.asked_status.as_str(),
                closed: asked.closed.map(|day| day.to_string()),
                branch: found.branch_is_listed.is_some(),
                branch_listed: found.branch_is_listed,
            },
            successors: found
                .successors
                .iter()
                .map(|step| SuccessorBody {
                    id: step.successor.to_string(),
                    from: step.from.to_string(),
                })
                .collect(),
        }
    }
}

impl<'i> From<&'i Manifest> for DatasetBody<'i> {
    fn from(manifest: &'i Manifest) -> DatasetBody<'i> {
        DatasetBody {
            name: &manifest.name,
            version: &manifest.version,
            attribution: &manifest.attribution,
        }
    }
}

/// Rounds a number to `places` decimals.
pub(crate) fn decimals(number: f64, places: i32) -> f64 {
    let scale = 10_f64.powi(places);
    (number * scale).round() / scale
}

/// Rounds metres to `places` decimals. Whole numbers have no decimal point.
pub(crate) fn metres(metres: f64, places: i32) -> Number {
    let rounded = decimals(metres, places);
    if rounded.fract() == 0.0 && rounded.abs() < 1e9 {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 1e9")]
        let whole = rounded as i64;
        Number::from(whole)
    } else {
        Number::from_f64(rounded).expect("a distance is finite")
    }
}
