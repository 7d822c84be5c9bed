//! The JSON of answers. The command line prints the same.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Number;

use crate::dataset::Manifest;
use crate::domain::{Area, Layer, PracticeStatus};
use crate::index::{
    Answer, AreaFound, Found, GroupFound, Index, Location, Neighbour, Note, Place, PracticeFound,
    RegisteredPractice, Registration, Unknown,
};
use crate::question::Question;

/// The answer to `locate`.
#[derive(Serialize)]
pub(crate) struct LocateBody<'i> {
    status: &'static str,
    location: Option<LocationBody>,
    residence: LayersBody<'i>,
    registration: Option<RegistrationBody<'i>>,
    agreement: &'static str,
    notes: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<LayersBody<'i>>,
    as_of: String,
    dataset: DatasetBody<'i>,
}

/// Layers by name, in the order of answers.
struct LayersBody<'i>(Vec<(Layer, FoundBody<'i>)>);

#[derive(Serialize)]
#[serde(untagged)]
enum FoundBody<'i> {
    Areas(Vec<AreaBody<'i>>),
    Practices(Vec<CoveringPracticeBody<'i>>),
    Groups(Vec<GroupBody<'i>>),
    Near(NeighbourBody<'i>),
    Unknown { unknown: &'static str },
}

/// Where a place is.
#[derive(Serialize)]
pub(crate) struct LocationBody {
    source: &'static str,
    postcode: Option<String>,
    longitude: Option<f64>,
    latitude: Option<f64>,
    easting: Option<Number>,
    northing: Option<Number>,
    positional_quality: Option<QualityBody>,
    postcode_status: Option<&'static str>,
    introduced: Option<String>,
    terminated: Option<String>,
}

#[derive(Serialize)]
struct QualityBody {
    scale: &'static str,
    value: u8,
}

#[derive(Serialize)]
struct AreaBody<'i> {
    id: &'i str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'i str>,
    provenance: &'static str,
    basis: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    certainty: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boundary_distance_m: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alternatives: Option<Vec<NeighbourBody<'i>>>,
}

#[derive(Serialize)]
struct NeighbourBody<'i> {
    id: &'i str,
    name: String,
    distance_m: Number,
}

#[derive(Serialize)]
struct CoveringPracticeBody<'i> {
    id: &'i str,
    name: &'i str,
    provenance: &'static str,
    basis: &'static str,
    area: &'static str,
    share: Option<f64>,
    distance_m: Option<Number>,
}

#[derive(Serialize)]
struct GroupBody<'i> {
    id: &'i str,
    name: &'i str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'i str>,
    via: &'i str,
    provenance: &'static str,
    basis: &'static str,
}

#[derive(Serialize)]
struct RegistrationBody<'i> {
    practice: Option<RegisteredPracticeBody<'i>>,
    #[serde(flatten)]
    areas: LayersBody<'i>,
    reason: Option<&'static str>,
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

/// Which dataset answered.
#[derive(Serialize)]
pub(crate) struct DatasetBody<'i> {
    name: &'i str,
    version: &'i str,
    attribution: &'i str,
}

impl<'i> LocateBody<'i> {
    /// The answer to the question, with the layers that it asks for.
    pub(crate) fn new(index: &'i Index, question: &Question, answer: Answer<'i>) -> LocateBody<'i> {
        let wanted = question.layers.as_deref();
        let nearest: Vec<_> = answer
            .nearest
            .into_iter()
            .map(|(layer, near)| (layer, FoundBody::Near(near.into())))
            .filter(|(layer, _)| wanted.is_none_or(|wanted| wanted.contains(layer)))
            .collect();
        LocateBody {
            status: answer.status.as_str(),
            location: answer.location.map(LocationBody::from),
            residence: LayersBody::new(answer.residence, wanted),
            registration: answer
                .registration
                .map(|it| RegistrationBody::new(it, wanted)),
            agreement: answer.agreement.as_str(),
            notes: answer.notes.into_iter().map(Note::as_str).collect(),
            nearest: (!nearest.is_empty()).then_some(LayersBody(nearest)),
            as_of: answer.as_of.to_string(),
            dataset: DatasetBody::from(index.manifest()),
        }
    }
}

impl<'i> LayersBody<'i> {
    fn new(found: Vec<(Layer, Found<'i>)>, wanted: Option<&[Layer]>) -> LayersBody<'i> {
        let mut layers: Vec<(Layer, FoundBody<'i>)> = found
            .into_iter()
            .filter(|(layer, _)| wanted.is_none_or(|wanted| wanted.contains(layer)))
            .map(|(layer, found)| (layer, FoundBody::from(found)))
            .collect();
        for &layer in wanted.unwrap_or_default() {
            if !layers.iter().any(|(held, _)| *held == layer) {
                layers.push((
                    layer,
                    FoundBody::Unknown {
                        unknown: "not_in_dataset",
                    },
                ));
            }
        }
        LayersBody(layers)
    }
}

impl Serialize for LayersBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (layer, found) in &self.0 {
            map.serialize_entry(layer.as_str(), found)?;
        }
        map.end()
    }
}

impl<'i> From<Found<'i>> for FoundBody<'i> {
    fn from(found: Found<'i>) -> FoundBody<'i> {
        match found {
            Found::Areas(areas) => FoundBody::Areas(areas.into_iter().map(Into::into).collect()),
            Found::Practices(all) => {
                FoundBody::Practices(all.into_iter().map(Into::into).collect())
            }
            Found::Groups(groups) => {
                FoundBody::Groups(groups.into_iter().map(Into::into).collect())
            }
            Found::Unknown(unknown) => FoundBody::Unknown {
                unknown: Unknown::as_str(unknown),
            },
        }
    }
}

impl From<Location> for LocationBody {
    fn from(location: Location) -> LocationBody {
        let entry = location.entry;
        let (source, postcode) = match location.place {
            Place::Postcode(postcode) => ("postcode", Some(postcode.to_string())),
            Place::LonLat(_) => ("longitude_latitude", None),
            Place::Grid(_) => ("easting_northing", None),
        };
        let quality = entry.and_then(|entry| entry.positional_quality);
        LocationBody {
            source,
            postcode,
            longitude: location.lonlat.map(|position| decimals(position.lon(), 6)),
            latitude: location.lonlat.map(|position| decimals(position.lat(), 6)),
            easting: location
                .grid
                .map(|position| metres(position.easting_m(), 3)),
            northing: location
                .grid
                .map(|position| metres(position.northing_m(), 3)),
            positional_quality: quality.map(|quality| QualityBody {
                scale: quality.scale(),
                value: quality.value(),
            }),
            postcode_status: entry.map(|_| {
                if location.is_terminated {
                    "terminated"
                } else {
                    "live"
                }
            }),
            introduced: entry
                .and_then(|entry| entry.introduced)
                .map(|month| month.to_string()),
            terminated: entry
                .and_then(|entry| entry.terminated)
                .map(|month| month.to_string()),
        }
    }
}

impl<'i> From<AreaFound<'i>> for AreaBody<'i> {
    fn from(found: AreaFound<'i>) -> AreaBody<'i> {
        let (certainty, distance_m, alternatives) = match found.edge {
            None => (None, None, None),
            Some(edge) => (
                Some(edge.certainty.as_str()),
                Some(metres(edge.distance_m, 1)),
                Some(
                    edge.alternatives
                        .into_iter()
                        .map(NeighbourBody::from)
                        .collect(),
                ),
            ),
        };
        AreaBody {
            id: &found.area.id,
            name: found.area.title(),
            system: found.area.system.as_deref(),
            provenance: found.provenance.as_str(),
            basis: found.basis.as_str(),
            certainty,
            boundary_distance_m: distance_m,
            alternatives,
        }
    }
}

impl<'i> From<Neighbour<'i>> for NeighbourBody<'i> {
    fn from(near: Neighbour<'i>) -> NeighbourBody<'i> {
        let Neighbour { area, distance_m } = near;
        NeighbourBody {
            id: &area.id,
            name: Area::title(area),
            distance_m: metres(distance_m, 1),
        }
    }
}

impl<'i> From<PracticeFound<'i>> for CoveringPracticeBody<'i> {
    fn from(found: PracticeFound<'i>) -> CoveringPracticeBody<'i> {
        CoveringPracticeBody {
            id: found.practice.code.as_str(),
            name: &found.practice.name,
            provenance: found.provenance.as_str(),
            basis: found.basis.as_str(),
            area: found.extent.as_str().unwrap_or(found.provenance.as_str()),
            share: found.share,
            distance_m: found.distance_m.map(|distance_m| metres(distance_m, 0)),
        }
    }
}

impl<'i> From<GroupFound<'i>> for GroupBody<'i> {
    fn from(found: GroupFound<'i>) -> GroupBody<'i> {
        GroupBody {
            id: &found.area.id,
            name: &found.area.name,
            kind: found.area.kind.as_deref(),
            via: found.via,
            provenance: found.area.provenance.as_str(),
            basis: "membership",
        }
    }
}

impl<'i> RegistrationBody<'i> {
    fn new(registration: Registration<'i>, wanted: Option<&[Layer]>) -> RegistrationBody<'i> {
        RegistrationBody {
            practice: registration.practice.map(RegisteredPracticeBody::from),
            areas: LayersBody::new(registration.areas, wanted),
            reason: registration.reason.map(crate::index::Reason::as_str),
        }
    }
}

impl<'i> From<RegisteredPractice<'i>> for RegisteredPracticeBody<'i> {
    fn from(found: RegisteredPractice<'i>) -> RegisteredPracticeBody<'i> {
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

/// The number rounded to so many decimals.
pub(crate) fn decimals(number: f64, places: i32) -> f64 {
    let scale = 10_f64.powi(places);
    (number * scale).round() / scale
}

/// Metres rounded to so many decimals; whole ones without a decimal point.
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
