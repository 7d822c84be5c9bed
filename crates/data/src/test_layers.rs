//! Layers for unit tests.

use catchment_core::domain::Layer;

/// Returns the layer with the given id.
pub(crate) fn layer(id: &str) -> Layer {
    Layer::declare(id).expect("the id of a layer")
}
