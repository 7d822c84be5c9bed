//! The pair of layers between which patients are counted.

use catchment_core::domain::{InvalidOdsCode, Layer};
use catchment_core::index::{Index, LayerResult, LocateQuery};

/// The layer in whose areas patients are registered, and the layer in whose areas they live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowLayers {
    registered: Layer,
    resident: Layer,
}

/// The error for a layer that is not suitable for counting patients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsuitableFlowLayer {
    /// The dataset does not state to which areas of the layer practices belong.
    #[error("no practice belongs to an area of `{layer}`: use {}", listed(known))]
    NotRegistered {
        /// The id that the user specified.
        layer: String,
        /// The layers that can be used.
        known: Vec<Layer>,
    },
    /// A home may be in several areas of the layer, or the layer is not in the dataset.
    #[error(
        "a home is not in exactly one area of `{layer}`: use {}",
        listed(known)
    )]
    NotResident {
        /// The id that the user specified.
        layer: String,
        /// The layers that can be used.
        known: Vec<Layer>,
    },
}

fn listed(layers: &[Layer]) -> String {
    let ids: Vec<&str> = layers.iter().map(|layer| layer.as_str()).collect();
    match ids.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => ids.concat(),
    }
}

impl FlowLayers {
    /// Finds the layers with these ids.
    ///
    /// # Errors
    /// If practices do not belong to areas of the first layer, or if a home may be in several areas
    /// of the second layer.
    pub fn find(
        index: &Index,
        registered: &str,
        resident: &str,
    ) -> Result<FlowLayers, UnsuitableFlowLayer> {
        let find = |known: &[Layer], id: &str| {
            let mut layers = known.iter();
            layers.find(|layer| layer.as_str() == id).copied()
        };
        let with_practices = layers_with_practices(index);
        let Some(registered) = find(&with_practices, registered) else {
            return Err(UnsuitableFlowLayer::NotRegistered {
                layer: registered.into(),
                known: with_practices,
            });
        };
        let with_homes = layers_with_homes(index);
        let Some(resident) = find(&with_homes, resident) else {
            return Err(UnsuitableFlowLayer::NotResident {
                layer: resident.into(),
                known: with_homes,
            });
        };
        Ok(FlowLayers {
            registered,
            resident,
        })
    }

    /// Returns the main layer of communities as both layers, or `None` if the dataset has no such
    /// layer.
    pub fn of_communities(index: &Index) -> Option<FlowLayers> {
        let main = index.manifest().main_community_layer()?.as_str();
        FlowLayers::find(index, main, main).ok()
    }

    /// Returns the layer in whose areas patients are registered.
    pub fn registered(self) -> Layer {
        self.registered
    }

    /// Returns the layer in whose areas patients live.
    pub fn resident(self) -> Layer {
        self.resident
    }
}

/// Returns the layers to whose areas practices belong, and the layer of the practices themselves.
fn layers_with_practices(index: &Index) -> Vec<Layer> {
    let answer = index.locate(&LocateQuery {
        locator: None,
        practice: Some(Err(InvalidOdsCode::Missing)),
        as_of: index.manifest().newest_source(),
    });
    let registration = answer.registration.expect("the query has a practice");
    let has_areas = |layer: Layer| {
        let mut results = registration.areas.iter();
        results.any(|(id, result)| *id == layer && !matches!(result, LayerResult::Groups(_)))
    };
    let practices = index.manifest().practice_layer();
    index
        .layers()
        .filter(|layer| has_areas(*layer) || Some(*layer) == practices)
        .collect()
}

/// Returns the layers whose areas do not overlap.
fn layers_with_homes(index: &Index) -> Vec<Layer> {
    let layers = index.layers();
    layers.filter(|layer| index.is_partition(*layer)).collect()
}

#[cfg(test)]
impl FlowLayers {
    /// Returns a pair in which both layers are `layer`.
    pub(super) fn for_tests(layer: Layer) -> FlowLayers {
        FlowLayers {
            registered: layer,
            resident: layer,
        }
    }
}
