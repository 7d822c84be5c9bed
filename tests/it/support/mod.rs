//! Code that several tests use: servers, datasets, processes and other programs.

#[path = "../../../benches/common/borders.rs"]
pub(crate) mod borders;
pub(crate) mod external_tools;
pub(crate) mod fixture;
pub(crate) mod html;
pub(crate) mod made_up_patients;
pub(crate) mod process;
pub(crate) mod project_files;
pub(crate) mod server;

use catchment::domain::Layer;

/// Returns the layer with an id.
pub(crate) fn layer(id: &str) -> Layer {
    Layer::declare(id).expect("the id of a layer")
}

/// Returns the layers of the embedded dataset, in the order of answers.
pub(crate) fn embedded_layers() -> Vec<Layer> {
    let ids = [
        "icc",
        "sub-community",
        "neighbourhood-team",
        "gp-practice",
        "resilience-group",
        "pcn",
        "sub-icb",
        "place",
        "icb",
        "council",
        "lsoa11",
        "lsoa21",
    ];
    ids.map(layer).to_vec()
}
