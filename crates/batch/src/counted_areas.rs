//! The areas and practices of an answer that the summary counts.

use super::columns::has_registration;
use catchment_core::domain::{Layer, LayerRole, Manifest, OdsCode};
use catchment_core::index::{AreaKey, LayerResult, areas_of_layer};

/// A layer whose areas the summary counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CountedLayer {
    pub(super) layer: Layer,
    /// Whether practices belong to the layer's areas, so that rows are also counted by
    /// registration.
    pub(super) has_registration: bool,
}

impl CountedLayer {
    /// Returns the counted layers of a dataset: the layers of communities, followed by the
    /// administrative layers.
    pub(super) fn of_manifest(manifest: &Manifest) -> Vec<CountedLayer> {
        let roles = [LayerRole::Community, LayerRole::Administrative].into_iter();
        let entries = roles.flat_map(|role| {
            let layers = manifest.layers.iter();
            layers.filter(move |entry| entry.role == role)
        });
        let counted = entries.map(|entry| CountedLayer {
            layer: entry.id,
            has_registration: has_registration(entry),
        });
        counted.collect()
    }
}

/// The areas and practices of the residence or the registration in an answer.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct CountedAreas {
    pub(super) areas: Box<[AreaKey]>,
    /// The practices whose areas cover the location. Empty for a registration.
    pub(super) covering: Box<[OdsCode]>,
}

impl CountedAreas {
    pub(super) fn of_residence(
        layers: &[CountedLayer],
        results: &[(Layer, LayerResult<'_>)],
    ) -> CountedAreas {
        let covering = results.iter().filter_map(|(_, found)| match found {
            LayerResult::Practices(practices) => Some(practices),
            _ => None,
        });
        CountedAreas {
            areas: keys(layers, results, |_| true),
            covering: covering
                .flatten()
                .map(|found| found.practice.code)
                .collect(),
        }
    }

    pub(super) fn of_registration(
        layers: &[CountedLayer],
        results: &[(Layer, LayerResult<'_>)],
    ) -> CountedAreas {
        CountedAreas {
            areas: keys(layers, results, |counted| counted.has_registration),
            covering: Box::default(),
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        size_of_val(&*self.areas) + size_of_val(&*self.covering)
    }
}

fn keys(
    layers: &[CountedLayer],
    results: &[(Layer, LayerResult<'_>)],
    is_included: impl Fn(&CountedLayer) -> bool,
) -> Box<[AreaKey]> {
    let layers = layers.iter().filter(|counted| is_included(counted));
    let areas = layers.flat_map(|counted| areas_of_layer(results, counted.layer));
    areas.map(|found| found.key()).collect()
}
