//! The manifest of a dataset that is being built.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow};

use super::config::{BuildConfig, DataDateKeys, LayerConfig};
use crate::dataset::{LayerEntry, Manifest, SourceEntry, StatisticalAreasEntry};
use crate::import::PostcodeRecord;

/// Returns the manifest, with an empty list of files.
pub(super) fn manifest(
    config: &BuildConfig,
    layers: &[LayerEntry],
    postcodes: &[PostcodeRecord],
    works: &[SourceEntry],
) -> Manifest {
    let (directory, practices) = (&config.postcodes, &config.practices);
    Manifest {
        name: config.name.clone(),
        version: config.version.clone(),
        title: config.title.clone(),
        as_of: config.as_of,
        released: config.released,
        publisher: config.publisher.clone(),
        attribution: config.attribution.clone(),
        licence: config.licence.clone(),
        tolerance_m: config.tolerance_m,
        undated_terminations_after: config.undated_terminations_after,
        complete_outcodes: complete_outcodes(config, postcodes),
        postcodes_date: DataDateKeys::new(directory.data_as_of, &directory.data_words).date(),
        practices_date: DataDateKeys::new(practices.data_as_of, &practices.data_words).date(),
        homes_date: (config.uprn.as_ref())
            .and_then(|uprn| DataDateKeys::new(uprn.data_as_of, &uprn.data_words).date()),
        statistical_areas: config.statistical_areas.as_ref().map(|statistical| {
            StatisticalAreasEntry {
                id: statistical.id.clone(),
                title: statistical.title.clone(),
                boundaries: boundary_path(&statistical.id),
                snap_m: statistical.snap_m,
                data_date: DataDateKeys::new(statistical.data_as_of, &statistical.data_words)
                    .date(),
            }
        }),
        layers: layers.to_vec(),
        attributes: Vec::new(),
        sources: works.to_vec(),
        files: BTreeMap::new(),
    }
}

/// Returns the manifest's entry of a layer, before the builder knows whether the layer is defined on
/// statistical areas.
///
/// # Errors
/// If the configuration does not specify the layer's role or the names of its areas.
pub(super) fn layer_entry(config: &LayerConfig) -> Result<LayerEntry> {
    let entry = config.entry().map_err(|error| anyhow!(error))?;
    Ok(LayerEntry {
        boundaries: Some(boundary_path(config.id.as_str())),
        ..entry
    })
}

/// Returns the path, in the dataset's folder, of the boundaries of a layer or of the statistical
/// areas.
pub(super) fn boundary_path(id: &str) -> String {
    format!("areas/{id}.geojson")
}

/// Returns, in order, the outward codes whose postcodes are all in the dataset. The dataset
/// contains either all postcodes of an outward code or none.
fn complete_outcodes(config: &BuildConfig, postcodes: &[PostcodeRecord]) -> Vec<String> {
    let all_outcodes = postcodes.iter().map(|row| row.postcode.outcode());
    let outcodes: BTreeSet<&str> = all_outcodes.filter(|_| config.postcodes.complete).collect();
    outcodes.into_iter().map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::super::test_sources::{build_config, layer_config, postcode};
    use super::*;

    #[test]
    fn only_complete_directories_have_complete_outcodes() {
        let mut config = build_config();
        let rows = ["LA2 1AA", "LA1 1AB", "LA1 1AA"].map(|text| postcode(text, None));
        assert_eq!(
            manifest(&config, &[], &rows, &[]).complete_outcodes,
            ["LA1", "LA2"]
        );
        config.postcodes.complete = false;
        assert!(
            manifest(&config, &[], &rows, &[])
                .complete_outcodes
                .is_empty()
        );
    }

    #[test]
    fn release_date_and_publisher_are_those_of_the_configuration() {
        let mut config = build_config();
        let without = manifest(&config, &[], &[], &[]);
        assert_eq!((without.released, without.publisher), (None, None));
        config.released = Some(jiff::civil::date(2026, 5, 11));
        config.publisher = Some("A board".into());
        let manifest = manifest(&config, &[], &[], &[]);
        assert_eq!(manifest.released, config.released);
        assert_eq!(manifest.publisher, config.publisher);
    }

    #[test]
    fn paths_of_boundaries_are_named_after_the_layer() {
        let config = build_config();
        let layers = [layer_entry(&layer_config("icc")).expect("an entry")];
        let manifest = manifest(&config, &layers, &[], &[]);
        assert_eq!(
            manifest.layers[0].boundaries.as_deref(),
            Some("areas/icc.geojson")
        );
        let statistical = manifest.statistical_areas.expect("LSOAs");
        assert_eq!(statistical.boundaries, "areas/lsoa21.geojson");
        assert!(manifest.files.is_empty());
    }
}
