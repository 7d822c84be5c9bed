//! The dataset builder, which runs the steps of a build: the history, the areas of each layer, the
//! memberships, the files and the manifest.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use jiff::civil::Date;

use super::boundaries::dissolve_boundaries;
use super::config::{BuildConfig, LayerConfig, SharesConfig};
use super::records::DatasetRecords;
use super::shares::RegistrationShares;
use super::source_report::{LayerReport, SourceReport};
use super::sources::SourceData;
use super::{area_changes, attributes, files, history, manifest, methods, practice_memberships};
use crate::check;
use crate::dataset::layer_rules::remove_default_parents;
use crate::dataset::{LayerEntry, LayerKind, Manifest};
use crate::plural::count_with_noun;
use catchment_core::domain::{
    AttributeEntry, AttributeValues, Boundary, Layer, LayerRole, PracticeStatus,
};

/// The parts of a dataset that is being built.
#[derive(Default)]
pub(super) struct DatasetBuilder {
    records: DatasetRecords,
    layers: Vec<LayerEntry>,
    boundaries: Vec<(Layer, Vec<Boundary>)>,
    attributes: Vec<AttributeEntry>,
    attribute_values: Vec<AttributeValues>,
}

impl DatasetBuilder {
    /// Builds every layer of the configuration.
    pub(super) fn new(
        sources: &mut SourceData,
        config: &BuildConfig,
        on_stage: &mut dyn FnMut(&str),
    ) -> Result<DatasetBuilder> {
        let mut builder = DatasetBuilder::default();
        let entries = config.layers.iter().map(manifest::layer_entry);
        let mut entries: Vec<LayerEntry> = entries.collect::<Result<_>>()?;
        remove_default_parents(&mut entries, &config.layers_with_role_key());
        builder.attributes = attributes::entries(config, &entries)?;
        let shares = compute_shares(&config.shares, sources, config.as_of, on_stage)?;
        area_changes::check(&sources.changes, config)?;
        history::add_history(&mut builder.records, &sources.history, &config.layers)?;
        for (layer, entry) in config.layers.iter().zip(entries) {
            on_stage(&format!("layer {}", layer.id));
            builder
                .add_layer(layer, entry, sources, &shares)
                .with_context(|| format!("layer `{}`", layer.id))?;
        }
        let memberships = sources.memberships.iter().cloned();
        builder.records.memberships.extend(memberships);
        practice_memberships::add_community_memberships(
            &mut builder.records,
            sources,
            &config.layers,
        );
        area_changes::move_members(&mut builder.records, &sources.changes);
        builder.attribute_values =
            attributes::read(config, &builder.attributes, sources, &mut builder.records)?;
        Ok(builder)
    }

    fn add_layer(
        &mut self,
        config: &LayerConfig,
        mut entry: LayerEntry,
        sources: &SourceData,
        shares: &BTreeMap<String, RegistrationShares>,
    ) -> Result<()> {
        let records = &mut self.records;
        let layer = config.id;
        let mut boundaries = methods::add_areas(records, layer, config, sources, shares)?;
        // Unions of statistical areas share their edges, so only boundaries from files can be
        // inconsistent.
        let is_of_file = !boundaries.is_empty() && !config.is_statistical_areas();
        if config.kind == LayerKind::Partition && is_of_file {
            records
                .remarks
                .extend(partition_remarks(config, &boundaries)?);
        }
        area_changes::apply(records, config, &mut boundaries, &sources.changes)?;
        if !config.is_statistical_areas() {
            boundaries.extend(dissolve_boundaries(records, layer, config.kind, sources)?);
        }
        boundaries.sort_by(|a, b| (&a.id, a.period.from).cmp(&(&b.id, b.period.from)));
        self.boundaries.push((layer, boundaries));
        entry.on_statistical_areas = records.assignments_of(layer).next().is_some();
        records.set_area_titles(&entry);
        self.layers.push(entry);
        Ok(())
    }

    /// Returns the files of the dataset except the manifest, each with its path in the dataset's
    /// folder.
    pub(super) fn files(
        &self,
        sources: &SourceData,
        config: &BuildConfig,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let mut files = files::dataset_files(&self.records, &self.boundaries, sources, config)?;
        files.extend(attributes::files(&self.attribute_values));
        Ok(files)
    }

    /// Returns the manifest, with an empty list of files.
    pub(super) fn manifest(&self, sources: &SourceData, config: &BuildConfig) -> Manifest {
        let manifest = manifest::manifest(config, &self.layers, &sources.postcodes, &sources.works);
        Manifest {
            attributes: self.attributes.clone(),
            ..manifest
        }
    }

    /// Returns the reports of the sources that methods of layers read.
    pub(super) fn source_reports(&self) -> &[SourceReport] {
        &self.records.reports
    }

    /// Returns the remarks of the build.
    pub(super) fn remarks(&self, sources: &SourceData) -> Vec<String> {
        let remarks = sources.remarks.iter().chain(&self.records.remarks);
        remarks.cloned().collect()
    }

    /// Returns the report of each layer, on the date `day`.
    pub(super) fn layer_reports(&self, sources: &SourceData, day: Date) -> Vec<LayerReport> {
        let layers = self.boundaries.iter();
        layers
            .map(|(layer, boundaries)| self.layer_report(*layer, boundaries, sources, day))
            .collect()
    }

    fn layer_report(
        &self,
        layer: Layer,
        boundaries: &[Boundary],
        sources: &SourceData,
        day: Date,
    ) -> LayerReport {
        let ids = |boundaries: &mut dyn Iterator<Item = &Boundary>| -> BTreeSet<String> {
            boundaries.map(|boundary| boundary.id.clone()).collect()
        };
        let current = ids(&mut boundaries.iter().filter(|found| found.period.contains(day)));
        let areas = self.records.areas().iter();
        let valid: BTreeSet<&str> = areas
            .filter(|area| area.layer == layer && area.period.contains(day))
            .map(|area| area.id.as_str())
            .collect();
        let without = valid.iter().filter(|id| !current.contains(**id));
        let assignments = self.records.assignments_of(layer);
        let assigned: BTreeSet<&str> = assignments
            .map(|assignment| &*assignment.statistical_area)
            .collect();
        let is_made_of_them = !assigned.is_empty();
        let codes = sources.statistical_areas.keys();
        let left_out = codes.filter(|code| is_made_of_them && !assigned.contains(code.as_str()));
        let practices = sources.practices.iter().map(|record| &record.practice);
        let mut layers = self.layers.iter();
        let has_practices =
            layers.any(|entry| entry.id == layer && entry.role == LayerRole::PracticeCatchment);
        let open = practices
            .filter(|practice| has_practices && practice.status_on(day) == PracticeStatus::Active);
        let practices_without_area =
            open.filter(|practice| !self.records.has_area(layer, practice.code.as_str()));
        LayerReport {
            practices_without_area: practices_without_area
                .map(|practice| practice.code.to_string())
                .collect(),
            layer: layer.to_string(),
            areas: valid.len() as u64,
            areas_with_boundary: ids(&mut boundaries.iter()).len() as u64,
            areas_without_boundary: without.map(|id| (*id).to_string()).collect(),
            statistical_areas_used: is_made_of_them.then_some(assigned.len() as u64),
            statistical_areas_in_no_area: left_out.cloned().collect(),
        }
    }

    /// Returns one line for each part of the dataset, with its count, followed by the remarks.
    pub(super) fn summary(&self, sources: &SourceData, day: Date) -> Vec<String> {
        let mut lines = vec![count_with_noun(
            sources.postcodes.len(),
            "postcode",
            "postcodes",
        )];
        let layers = self.layer_reports(sources, day);
        lines.extend(layers.iter().map(ToString::to_string));
        lines.push(count_with_noun(
            sources.practices.len(),
            "practice",
            "practices",
        ));
        lines.extend(self.remarks(sources));
        lines
    }
}

/// The maximum width in metres of an overlap or a gap that results from rounding by the publisher.
const ROUNDING_WIDTH_M: f64 = 0.1;

/// Checks that the areas of a partition neither overlap nor leave gaps, except within the sizes
/// that the configuration allows. Returns remarks about the allowed overlaps and gaps, and about
/// holes.
fn partition_remarks(config: &LayerConfig, boundaries: &[Boundary]) -> Result<Vec<String>> {
    let (mut errors, mut remarks) = (Vec::new(), Vec::new());
    for finding in check::check_partition(config.id.as_str(), boundaries) {
        let is_rounding = finding
            .width_m
            .is_some_and(|width| width < ROUNDING_WIDTH_M);
        let allowed_m2 = match finding.code {
            _ if is_rounding => f64::INFINITY,
            "overlap" | "sliver_overlap" => config.allow_overlap_m2,
            "gap" => config.allow_gap_m2,
            _ => f64::INFINITY,
        };
        let place = finding.position.map_or_else(String::new, |position| {
            format!(", at {:.5} {:.5}", position.lon(), position.lat())
        });
        let text = format!("{}{place}", finding.message);
        match finding.size_m2 {
            Some(size_m2) if size_m2 > allowed_m2 => errors.push(text),
            _ => remarks.push(text),
        }
    }
    if errors.is_empty() {
        return Ok(remarks);
    }
    bail!(
        "the areas of a partition must not overlap or leave gaps; correct the boundaries, or set \
         allow_overlap_m2 or allow_gap_m2 to the size in m² that is allowed:\n  {}",
        errors.join("\n  ")
    )
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
