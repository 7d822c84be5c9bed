//! The manifest of the embedded dataset, for unit tests.

use catchment_core::domain::Manifest;
use catchment_data::dataset::manifest_from_toml;

pub(crate) fn manifest() -> Manifest {
    let text = include_str!("../../../data/lancashire-and-cumbria/dataset.toml");
    manifest_from_toml(text).expect("a manifest")
}
