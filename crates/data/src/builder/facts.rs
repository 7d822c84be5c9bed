//! The tables of facts about areas and partnerships.

use std::path::Path;

use anyhow::{Result, bail};

use super::facts_config::FactsConfig;
use super::records::DatasetRecords;
use super::sources::{SourceData, display_path};
use super::tables;
use crate::import::facts;
use catchment_core::domain::AreaName;

/// Returns the tables of facts, each with its path in the dataset's folder.
pub(super) fn files(
    records: &DatasetRecords,
    sources: &SourceData,
    config: &FactsConfig,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut names = match &config.names {
        Some(path) => area_names(records, path, sources)?,
        None => Vec::new(),
    };
    names.extend(records.names.iter().cloned());
    let mut residents = Vec::new();
    for source in &config.residents {
        let file = display_path(&source.file);
        let bytes = sources.read_bytes(&source.file)?;
        residents.extend(facts::read_residents(&file, &bytes, &source.columns)?);
    }
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("area_names.csv".into(), tables::area_names(&names)),
        ("area_codes.csv".into(), tables::area_codes(&records.codes)),
        (
            "model_shares.csv".into(),
            tables::model_shares(&records.model_shares),
        ),
        ("residents.csv".into(), tables::residents(&residents)),
    ];
    // Only registrations contain these counts; a model contains no counts.
    if !sources.patient_counts.is_empty() {
        let counts = sources.patient_counts.values();
        files.push(("registrations.csv".into(), tables::registrations(counts)));
    }
    for (table, source) in config.copied_tables() {
        if let Some(source) = source {
            files.push((table.into(), sources.read_bytes(source)?));
        }
    }
    Ok(files)
}

/// Returns the names in a file, with the layers of their areas.
fn area_names(
    records: &DatasetRecords,
    path: &Path,
    sources: &SourceData,
) -> Result<Vec<AreaName>> {
    let file = display_path(path);
    let mut names = Vec::new();
    for name in facts::read_names(&file, &sources.read_bytes(path)?)? {
        let mut areas = records.areas().iter();
        let Some(area) = areas.find(|area| area.id == name.area) else {
            bail!("{file}: `{}` is not an area of the dataset", name.area);
        };
        names.push(AreaName {
            layer: area.layer,
            area: name.area,
            name: name.name,
            kind: name.kind,
            source: name.source,
            as_of: name.as_of,
        });
    }
    Ok(names)
}
