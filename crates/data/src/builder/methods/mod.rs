//! The methods that create the areas of a layer, one module for each variant of `AreaMethod`.
//!
//! The methods of a layer run in the order of the configuration. A method never removes or changes
//! an area that an earlier method made.

mod catchments;
mod districts;
mod hierarchy;
mod lookup;
mod members;
mod plurality;
mod polygons;
mod postcode_column;
mod practices;
mod share_threshold;
mod statistical_areas;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow, bail};

use super::config::{AreaMethod, LayerConfig, MethodConfig};
use super::records::DatasetRecords;
use super::shares::RegistrationShares;
use super::source_report::SourceReport;
use super::sources::SourceData;
use crate::formats::SourceCrs;
use crate::import::lookup::{self as lookup_table, LookupColumns, LookupEntry};

use catchment_core::domain::{
    Area, Boundary, Layer, OdsCode, OrganisationKind, Period, Provenance, StatisticalAssignment,
    date_from_iso,
};

/// The values that a method needs in addition to its own configuration.
pub(super) struct LayerContext<'a> {
    pub(super) layer: Layer,
    /// The layer that contains the layer's areas.
    pub(super) parent: Option<Layer>,
    /// The kind of NHS organisation whose ODS codes are the ids of the areas.
    pub(super) organisation: Option<OrganisationKind>,
    pub(super) provenance: Provenance,
    pub(super) period: Period,
    pub(super) sources: &'a SourceData,
    /// The coordinate reference system of the layer's polygon files, if it is configured.
    pub(super) crs: Option<SourceCrs>,
    /// Whether invalid areas of the layer's polygon files are repaired.
    pub(super) repair: bool,
    /// The shares of each `[[shares]]` table, by name.
    pub(super) shares: &'a BTreeMap<String, RegistrationShares>,
}

/// Runs every method of a layer. Adds the layer's areas, with their memberships and statistical
/// areas. Returns the boundaries of areas that are not unions of statistical areas.
pub(super) fn add_areas(
    records: &mut DatasetRecords,
    layer: Layer,
    config: &LayerConfig,
    sources: &SourceData,
    shares: &BTreeMap<String, RegistrationShares>,
) -> Result<Vec<Boundary>> {
    let declaration = config.declaration().map_err(|error| anyhow!(error))?;
    let mut boundaries = Vec::new();
    for method in &config.methods {
        let context = LayerContext {
            layer,
            parent: declaration.parent,
            organisation: declaration.organisation,
            provenance: config.provenance,
            period: method_period(method)?,
            sources,
            crs: config.crs,
            repair: config.repair,
            shares,
        };
        match &method.method {
            AreaMethod::Polygons(method) => {
                boundaries.extend(polygons::add_areas(records, &context, method)?)
            }
            AreaMethod::Lookup(method) => lookup::add_areas(records, &context, method)?,
            AreaMethod::Plurality(method) => plurality::add_areas(records, &context, method)?,
            AreaMethod::ShareThreshold(method) => {
                share_threshold::add_areas(records, &context, method)?
            }
            AreaMethod::Catchments(method) => {
                boundaries.extend(catchments::add_areas(records, &context, method)?)
            }
            AreaMethod::Hierarchy(method) => hierarchy::add_areas(records, &context, method)?,
            AreaMethod::Members(method) => members::add_areas(records, &context, method)?,
            AreaMethod::StatisticalAreas => {
                boundaries.extend(statistical_areas::add_areas(records, &context)?)
            }
            AreaMethod::PostcodeColumn(method) => {
                postcode_column::add_areas(records, &context, method)?
            }
            AreaMethod::Practices(list) => practices::add_memberships(records, &context, list)?,
            AreaMethod::Districts(method) => districts::add_areas(records, &context, method)?,
        }
    }
    Ok(boundaries)
}

fn method_period(method: &MethodConfig) -> Result<Period> {
    Ok(Period {
        from: method.from.as_deref().map(date_from_iso).transpose()?,
        to: method.to.as_deref().map(date_from_iso).transpose()?,
    })
}

impl LayerContext<'_> {
    /// Adds the report of a source whose rows are all used.
    fn report_rows(&self, records: &mut DatasetRecords, source: String, rows: usize) {
        let purpose = self.purpose();
        records
            .reports
            .push(SourceReport::new(source, &purpose, rows));
    }

    /// Reads a look-up table from statistical areas to areas, and reports the rows that are not needed.
    fn read_lookup(
        &self,
        file: &str,
        bytes: &[u8],
        columns: &LookupColumns,
    ) -> Result<(Vec<LookupEntry>, SourceReport)> {
        let mut table = lookup_table::read(file, bytes, columns)?;
        if columns.area.is_none() {
            for entry in &mut table.entries {
                let id = slugify(&entry.area);
                if id.is_empty() {
                    bail!(
                        "{file}: the name `{}` has no letter or digit, so that no id can be made \
                         from it; give the column of the ids in `columns` (`area = \"…\"`)",
                        entry.area
                    );
                }
                entry.area = id;
            }
        }
        let mut report = SourceReport::new(file, &self.purpose(), table.entries.len());
        report.add_not_needed("rows without an area", table.without_area);
        report.add_not_needed("rows that `only` excludes", table.excluded);
        Ok((table.entries, report))
    }

    /// Returns the purpose for which the layer's sources are used.
    fn purpose(&self) -> String {
        format!("layer {}", self.layer)
    }

    /// Adds an area that is valid in the period of the method, unless the history has an area with this
    /// id. If an earlier method made the area, it is valid in the periods of both.
    fn add_area_if_missing(
        &self,
        records: &mut DatasetRecords,
        id: &str,
        title: &str,
        system: Option<&String>,
    ) {
        records.push_method_area(Area {
            layer: self.layer,
            id: id.into(),
            name: title.into(),
            title: None,
            label: None,
            kind: None,
            system: system.cloned(),
            provenance: self.provenance,
            period: self.period,
            ended_by: None,
        });
    }

    /// Assigns a statistical area to an area of the layer.
    pub(super) fn assign(
        &self,
        records: &mut DatasetRecords,
        statistical_area: String,
        area: String,
        share: Option<f64>,
        period: Period,
    ) {
        records.assignments.push(StatisticalAssignment {
            statistical_area: statistical_area.into(),
            layer: self.layer,
            area: area.into(),
            share,
            period,
        });
    }

    /// Returns the shares of a `[[shares]]` table.
    fn shares_of(&self, shares_name: &str) -> Result<&RegistrationShares> {
        self.shares
            .get(shares_name)
            .with_context(|| format!("no `[[shares]]` table has the name `{shares_name}`"))
    }

    fn known_practices(&self) -> BTreeSet<OdsCode> {
        let practices = self.sources.practices.iter();
        practices.map(|record| record.practice.code).collect()
    }
}

/// Returns the ids of the practices that already have an area of the layer.
fn practices_with_areas(records: &DatasetRecords, layer: Layer) -> BTreeSet<String> {
    let areas = records.areas().iter();
    let areas = areas.filter(|area| area.layer == layer);
    areas.map(|area| area.id.clone()).collect()
}

/// Adds a practice's area with its provenance, unless the practice already has an area.
fn add_practice_area(
    records: &mut DatasetRecords,
    (layer, id): (Layer, &str),
    provenance: Provenance,
    period: Period,
) {
    if !records.has_area(layer, id) {
        records.push_area(Area {
            layer,
            id: id.into(),
            name: id.into(),
            title: None,
            label: None,
            kind: None,
            system: None,
            provenance,
            period,
            ended_by: None,
        });
    }
}

/// Converts a title to a slug: `Barrow & Millom` to `barrow-and-millom`.
fn slugify(title: &str) -> String {
    let title = title.replace('&', " and ");
    let words = title.split(|letter: char| !letter.is_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::test_sources::{empty_sources, layer_config};
    use super::*;
    use crate::test_layers;

    #[test]
    fn slugs_are_lower_case_words_joined_by_hyphens() {
        for (title, slug) in [
            ("Barrow & Millom", "barrow-and-millom"),
            ("  St. Anne's (South) ", "st-anne-s-south"),
            ("Bro Ogwr 2", "bro-ogwr-2"),
            ("Ynys Môn", "ynys-môn"),
            ("—", ""),
            ("", ""),
        ] {
            assert_eq!(slugify(title), slug, "{title}");
        }
    }

    #[test]
    fn a_layer_without_methods_has_no_areas() {
        let mut records = DatasetRecords::default();
        let boundaries = add_areas(
            &mut records,
            test_layers::layer("icc"),
            &layer_config("icc"),
            &empty_sources(),
            &BTreeMap::new(),
        )
        .expect("nothing to add");
        assert!(boundaries.is_empty() && records.areas().is_empty());
    }

    #[test]
    fn periods_of_methods_are_half_open_and_their_dates_strict() {
        let period = |text: &str| {
            let text = format!("{text}\nmembers = {{ file = \"any.csv\" }}");
            let method: MethodConfig = toml::from_str(&text).expect("a method");
            method_period(&method)
        };
        let found = period("from = \"2025-04-01\"\nto = \"2026-04-01\"").expect("two dates");
        assert!(found.contains(date(2025, 4, 1)) && !found.contains(date(2026, 4, 1)));
        assert_eq!(period("").expect("no dates"), Period::default());
        assert!(period("from = \"2025-02-30\"").is_err());
    }
}
