//! The place of a registration or a residence in its layer. A place is an area, or the reason why
//! there is no area.

use std::collections::{BTreeMap, HashMap};

use super::layers::FlowLayers;
use super::table::{FlowPlace, FlowPlaceKind};
use catchment_core::domain::{Layer, LookupStatus, OdsCode, OrganisationKind};
use catchment_core::index::{
    Index, LayerResult, LocateAnswer, PracticeRegistration, RegistrationReason,
};

/// The numbers of places. Numbers from [`FIRST_AREA`] onwards represent areas, in order of id.
pub(crate) const NOT_KNOWN: u32 = 0;
const ELSEWHERE: u32 = 1;
const SEVERAL_AREAS: u32 = 2;
const FIRST_AREA: u32 = 3;

/// The places where patients are registered, and the places where they live.
pub(crate) struct FlowPlaces {
    pub(super) layers: FlowLayers,
    registered: LayerPlaces,
    resident: LayerPlaces,
    /// Whether the areas of the first layer are practices.
    is_by_practice: bool,
    /// The kind of organisation in the first layer, if a practice's record contains the codes of
    /// such organisations.
    organisation: Option<OrganisationKind>,
}

/// The places of a layer.
struct LayerPlaces {
    layer: Layer,
    numbers: HashMap<String, u32>,
    /// The ids and the names of the areas.
    areas: Vec<(String, String)>,
}

impl LayerPlaces {
    fn new(layer: Layer, areas: BTreeMap<String, String>) -> LayerPlaces {
        let numbers = areas.keys().cloned().zip(FIRST_AREA..).collect();
        LayerPlaces {
            layer,
            numbers,
            areas: areas.into_iter().collect(),
        }
    }

    /// Returns the number of the place that consists of the areas with these ids.
    fn number<'a>(&self, mut ids: impl Iterator<Item = &'a str>) -> u32 {
        match (ids.next(), ids.next()) {
            (None, _) => ELSEWHERE,
            (Some(id), None) => self.numbers.get(id).copied().unwrap_or(ELSEWHERE),
            (Some(_), Some(_)) => SEVERAL_AREAS,
        }
    }

    fn count(&self) -> usize {
        FIRST_AREA as usize + self.areas.len()
    }

    fn place(&self, number: usize) -> FlowPlace {
        let named = |kind: FlowPlaceKind| FlowPlace {
            kind,
            id: kind.as_str().into(),
            name: kind.title().into(),
        };
        match number {
            0 => named(FlowPlaceKind::NotKnown),
            1 => named(FlowPlaceKind::Elsewhere),
            2 => named(FlowPlaceKind::SeveralAreas),
            _ => {
                let (id, name) = &self.areas[number - FIRST_AREA as usize];
                FlowPlace {
                    kind: FlowPlaceKind::Area,
                    id: id.clone(),
                    name: name.clone(),
                }
            }
        }
    }
}

impl FlowPlaces {
    pub(crate) fn new(index: &Index, layers: FlowLayers) -> FlowPlaces {
        let manifest = index.manifest();
        let areas_of = |layer: Layer| -> BTreeMap<String, String> {
            let areas = index.all_areas(layer);
            areas
                .map(|area| (area.id.clone(), area.title().to_string()))
                .collect()
        };
        let is_by_practice = manifest.practice_layer() == Some(layers.registered());
        let mut registered = areas_of(layers.registered());
        if is_by_practice {
            let practices = index.practices().iter();
            let named = practices.map(|found| (found.code.to_string(), found.name.clone()));
            registered.extend(named);
        }
        let entry = manifest.layer(layers.registered());
        FlowPlaces {
            layers,
            registered: LayerPlaces::new(layers.registered(), registered),
            resident: LayerPlaces::new(layers.resident(), areas_of(layers.resident())),
            is_by_practice,
            organisation: entry.and_then(|entry| entry.organisation),
        }
    }

    /// Returns the number of places of registration and the number of places of residence.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.registered.count(), self.resident.count())
    }

    pub(super) fn registered_place(&self, number: usize) -> FlowPlace {
        self.registered.place(number)
    }

    pub(super) fn resident_place(&self, number: usize) -> FlowPlace {
        self.resident.place(number)
    }

    /// Returns the number of the place where a person lives. The place is "elsewhere" if the home
    /// is in no area of the layer, and "not known" if the location of the home is not known.
    pub(crate) fn residence(&self, answer: &LocateAnswer<'_>) -> u32 {
        match answer.status {
            LookupStatus::Located | LookupStatus::Terminated | LookupStatus::OutsideCoverage => {}
            _ => return NOT_KNOWN,
        }
        let mut results = answer.residence.iter();
        let found = results.find(|(layer, _)| *layer == self.resident.layer);
        match found {
            Some((_, LayerResult::Areas(areas))) => self
                .resident
                .number(areas.iter().map(|found| found.area.id.as_str())),
            Some((_, LayerResult::Unknown(_))) => NOT_KNOWN,
            _ => ELSEWHERE,
        }
    }

    /// Returns the number of the place of residence of people in a published count. Their
    /// statistical area exists, so it is "elsewhere" if it is not in the dataset.
    pub(super) fn published_residence(&self, answer: &LocateAnswer<'_>) -> u32 {
        match answer.status {
            LookupStatus::UnknownArea => ELSEWHERE,
            _ => self.residence(answer),
        }
    }

    /// Returns the number of the place where a person is registered. The place is "elsewhere" if
    /// the practice is known but belongs to no area of the layer.
    pub(crate) fn registration(&self, registration: &PracticeRegistration<'_>) -> u32 {
        let (Some(registered), None | Some(RegistrationReason::OutsideCoverage)) =
            (&registration.practice, registration.reason)
        else {
            return NOT_KNOWN;
        };
        if self.is_by_practice {
            return self.practice(registered.practice.code);
        }
        let mut results = registration.areas.iter();
        let found = results.find(|(layer, _)| *layer == self.registered.layer);
        match found {
            Some((_, LayerResult::Areas(areas))) if !areas.is_empty() => self
                .registered
                .number(areas.iter().map(|found| found.area.id.as_str())),
            // A practice outside the area of the dataset belongs to no area, but the table of
            // neighbouring practices contains these codes.
            _ if registered.is_neighbouring => self.registered.number(
                match self.organisation {
                    Some(OrganisationKind::IntegratedCareBoard) => registered.icb,
                    Some(OrganisationKind::SubIcbLocation) => {
                        registered.practice.sub_icb.as_deref()
                    }
                    Some(OrganisationKind::PrimaryCareNetwork) => {
                        registered.practice.pcn.as_deref()
                    }
                    _ => None,
                }
                .into_iter(),
            ),
            Some((_, LayerResult::Areas(_))) => ELSEWHERE,
            _ => NOT_KNOWN,
        }
    }

    fn practice(&self, code: OdsCode) -> u32 {
        self.registered.number(std::iter::once(code.as_str()))
    }
}
