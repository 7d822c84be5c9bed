//! The dataset builder, which joins the steps of a build: the history, the areas of each layer, the
//! memberships, the files and the manifest.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use jiff::civil::Date;

use super::boundaries::dissolve_boundaries;
use super::config::{BuildConfig, LayerConfig, SharesConfig};
use super::records::DatasetRecords;
use super::shares::RegistrationShares;
use super::sources::SourceData;
use super::{files, history, manifest, methods, practice_memberships};
use crate::dataset::{LayerEntry, Manifest};
use crate::plural::count_with_noun;
use catchment_core::domain::{Boundary, Layer};

/// The parts of a dataset that is being built.
#[derive(Default)]
pub(super) struct DatasetBuilder {
    records: DatasetRecords,
    layers: Vec<LayerEntry>,
    boundaries: Vec<(Layer, Vec<Boundary>)>,
}

impl DatasetBuilder {
    /// Builds every layer of the configuration.
    pub(super) fn new(
        sources: &mut SourceData,
        config: &BuildConfig,
        on_stage: &mut dyn FnMut(&str),
    ) -> Result<DatasetBuilder> {
        let mut builder = DatasetBuilder::default();
        let shares = compute_shares(&config.shares, sources, config.as_of, on_stage)?;
        history::add_history(&mut builder.records, &sources.history, &config.layers)?;
        for layer in &config.layers {
            on_stage(&format!("layer {}", layer.id));
            builder
                .add_layer(layer, sources, &shares)
                .with_context(|| format!("layer `{}`", layer.id))?;
        }
        let memberships = sources.memberships.iter().cloned();
        builder.records.memberships.extend(memberships);
        practice_memberships::add_icc_memberships(&mut builder.records, sources);
        Ok(builder)
    }

    fn add_layer(
        &mut self,
        config: &LayerConfig,
        sources: &SourceData,
        shares: &BTreeMap<String, RegistrationShares>,
    ) -> Result<()> {
        let records = &mut self.records;
        let layer = config.id;
        let mut boundaries = methods::add_areas(records, layer, config, sources, shares)?;
        boundaries.extend(dissolve_boundaries(records, layer, config.kind, sources)?);
        boundaries.sort_by(|a, b| (&a.id, a.period.from).cmp(&(&b.id, b.period.from)));
        self.boundaries.push((layer, boundaries));
        let on_statistical_areas = records.assignments_of(layer).next().is_some();
        self.layers
            .push(manifest::layer_entry(config, on_statistical_areas));
        Ok(())
    }

    /// Returns the files of the dataset except the manifest, each with its path in the dataset's
    /// folder.
    pub(super) fn files(
        &self,
        sources: &SourceData,
        config: &BuildConfig,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        files::dataset_files(&self.records, &self.boundaries, sources, config)
    }

    /// Returns the manifest, with an empty list of files.
    pub(super) fn manifest(&self, sources: &SourceData, config: &BuildConfig) -> Manifest {
        manifest::manifest(config, &self.layers, &sources.postcodes, &sources.works)
    }

    /// Returns one line for each part of the dataset, with its count, followed by the remarks.
    pub(super) fn summary(&self, sources: &SourceData) -> Vec<String> {
        let mut lines = vec![count_with_noun(
            sources.postcodes.len(),
            "postcode",
            "postcodes",
        )];
        for (layer, boundaries) in &self.boundaries {
            let areas: BTreeSet<&str> = boundaries
                .iter()
                .map(|boundary| boundary.id.as_str())
                .collect();
            let areas = count_with_noun(areas.len(), "area", "areas");
            lines.push(format!("{layer}: {areas} with a boundary"));
        }
        lines.push(count_with_noun(
            sources.practices.len(),
            "practice",
            "practices",
        ));
        let remarks = sources.remarks.iter().chain(&self.records.remarks);
        lines.extend(remarks.cloned());
        lines
    }
}

/// Computes the shares of every `[[shares]]` table, by name.
fn compute_shares(
    tables: &[SharesConfig],
    sources: &mut SourceData,
    day: Date,
    on_stage: &mut dyn FnMut(&str),
) -> Result<BTreeMap<String, RegistrationShares>> {
    let mut shares_by_name = BTreeMap::new();
    for config in tables {
        on_stage(&format!("registrations: {}", config.name));
        let shares = RegistrationShares::new(config, sources, day)?;
        shares_by_name.insert(config.name.clone(), shares);
    }
    Ok(shares_by_name)
}
