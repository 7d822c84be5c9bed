//! The `[[attributes]]` tables of a configuration. Each table describes a further column of a
//! published file, such as a decile of deprivation or an urban or rural class. The values belong to
//! postcodes, to statistical areas or to the areas of a layer.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use anyhow::{Result, anyhow, bail};

use super::attributes_config::AttributeColumns;
use super::config::{BuildConfig, DataDateKeys};
use super::records::DatasetRecords;
use super::source_report::{RowTally, SourceReport};
use super::sources::{SourceData, display_path};
use crate::dataset::LayerEntry;
use crate::dataset::attributes::{AttributeDeclaration, attribute_entry, attribute_path};
use crate::dataset::columns;
use crate::formats::{CsvTable, write_csv};
use crate::plural::first_names;
use catchment_core::domain::{AttributeEntry, AttributeKey, AttributeValues, Postcode};

/// The maximum length of a value in bytes.
const VALUE_BYTES_MAX: usize = 200;

/// Returns the attributes that a configuration declares.
///
/// # Errors
/// If any attributes are invalid. The error lists all of them.
pub(super) fn entries(config: &BuildConfig, layers: &[LayerEntry]) -> Result<Vec<AttributeEntry>> {
    let statistical = config.statistical_areas.as_ref();
    let statistical = statistical.map(|table| table.id.as_str());
    let (mut entries, mut errors) = (Vec::new(), Vec::new());
    for attribute in &config.attributes {
        let declared = AttributeDeclaration {
            id: &attribute.id,
            title: &attribute.title,
            by: &attribute.by,
        };
        match attribute_entry(&declared, &entries, layers, statistical) {
            Ok(mut entry) => {
                entry.data_date =
                    DataDateKeys::new(attribute.data_as_of, &attribute.data_words).date();
                entries.push(entry);
            }
            Err(error) => errors.push(error),
        }
    }
    match errors.as_slice() {
        [] => Ok(entries),
        _ => Err(anyhow!(errors.join("\n"))),
    }
}

/// Reads the values of every attribute, and reports the rows that it does not use.
///
/// # Errors
/// If a file cannot be read, or contains two values for one code.
pub(super) fn read(
    config: &BuildConfig,
    entries: &[AttributeEntry],
    sources: &SourceData,
    records: &mut DatasetRecords,
) -> Result<Vec<AttributeValues>> {
    let mut all = Vec::with_capacity(entries.len());
    for (attribute, entry) in config.attributes.iter().zip(entries) {
        let known = known_codes(entry.by, sources, records);
        let file = display_path(&attribute.file);
        let bytes = sources.read_bytes(&attribute.file)?;
        let rows = read_rows(&file, &bytes, &attribute.columns)?;
        let mut report = SourceReport::new(
            file.as_str(),
            &format!("attribute {}", entry.id),
            rows.len(),
        );
        let (mut elsewhere, mut blank) = (RowTally::default(), RowTally::default());
        let mut value_by_code: HashMap<String, (u64, String)> = HashMap::new();
        for AttributeRow { line, code, value } in rows {
            // Files differ in the spacing and case of postcodes.
            let code = match entry.by {
                AttributeKey::Postcode => {
                    let parsed = code.parse::<Postcode>();
                    parsed.map_or(code, |postcode| postcode.to_string())
                }
                _ => code,
            };
            if !known.contains(code.as_str()) {
                elsewhere.add(|| code);
                continue;
            }
            if value.is_empty() {
                blank.add(|| code);
                continue;
            }
            match value_by_code.entry(code) {
                Entry::Vacant(vacant) => {
                    vacant.insert((line, value));
                }
                Entry::Occupied(found) if found.get().1 == value => {}
                Entry::Occupied(found) => bail!(
                    "{file}: attribute `{}`: `{}` has the value `{}` on line {} and the value \
                     `{value}` on line {line}; give only one value",
                    entry.id,
                    found.key(),
                    found.get().1,
                    found.get().0
                ),
            }
        }
        let missing: BTreeSet<&str> = known
            .iter()
            .map(String::as_str)
            .filter(|code| !value_by_code.contains_key(*code))
            .collect();
        if value_by_code.is_empty() {
            bail!(
                "{file}: attribute `{}`: no row has a value for any {} of the dataset",
                entry.id,
                attribute.by
            );
        }
        if !missing.is_empty() {
            records.remarks.push(format!(
                "attribute `{}`: no value in {file} for {} of {}: {}",
                entry.id,
                missing.len(),
                known.len(),
                first_names(&missing, 5)
            ));
        }
        report.not_needed("the dataset does not have the code", elsewhere);
        report.not_needed("the value is blank", blank);
        records.reports.push(report);
        let mut values: Vec<(String, String)> = value_by_code
            .into_iter()
            .map(|(code, (_, value))| (code, value))
            .collect();
        values.sort_unstable();
        all.push(AttributeValues {
            attribute: entry.id,
            values,
        });
    }
    Ok(all)
}

/// A row of a file that contains the values of an attribute.
struct AttributeRow {
    line: u64,
    code: String,
    value: String,
}

fn read_rows(file: &str, bytes: &[u8], columns: &AttributeColumns) -> Result<Vec<AttributeRow>> {
    let table = CsvTable::open(file, bytes, &[&columns.code, &columns.value])?;
    Ok(table.read(|row| {
        let value = row.text(1)?.trim();
        if value.len() > VALUE_BYTES_MAX || value.contains(['\n', '\r']) {
            return Err(row.cell_error(1, "at most 200 characters on one line"));
        }
        Ok(AttributeRow {
            line: row.line(),
            code: row.required(0)?.trim().to_string(),
            value: value.to_string(),
        })
    })?)
}

/// Returns the codes of the dataset that may have an attribute.
fn known_codes(
    key: AttributeKey,
    sources: &SourceData,
    records: &DatasetRecords,
) -> HashSet<String> {
    match key {
        AttributeKey::Postcode => {
            let postcodes = sources.postcodes.iter();
            postcodes
                .map(|record| record.postcode.to_string())
                .collect()
        }
        AttributeKey::StatisticalArea => sources.statistical_areas.keys().cloned().collect(),
        AttributeKey::Layer(layer) => {
            let areas = records.areas().iter();
            let areas = areas.filter(|area| area.layer == layer);
            areas.map(|area| area.id.clone()).collect()
        }
    }
}

/// Returns the table of each attribute, with its path in the dataset's folder.
pub(super) fn files(values: &[AttributeValues]) -> Vec<(String, Vec<u8>)> {
    let file = |values: &AttributeValues| {
        let rows = values.values.iter();
        let rows = rows.map(|(code, value)| [code.clone(), value.clone()]);
        let table = write_csv(columns::ATTRIBUTE, rows);
        (attribute_path(values.attribute), table)
    };
    values.iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::super::test_sources::{build_config, sources_with_areas};
    use super::*;

    const AREAS: [(&str, &str, &str); 3] = [
        ("S0", "Lancaster 001A", "01K"),
        ("S1", "Lancaster 001B", "01K"),
        ("S2", "Lancaster 001C", "01K"),
    ];

    /// Reads an attribute of the statistical areas from a file whose content is `content`.
    fn read_attribute(content: &str) -> Result<(Vec<AttributeValues>, DatasetRecords), String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("imd.csv"), content).expect("written");
        let mut config = build_config();
        let table = "id = 'imd-decile'\ntitle = 'Decile'\nby = 'lsoa21'\nfile = 'imd.csv'\n\
             columns = { code = 'LSOA', value = 'Decile' }";
        config.attributes = vec![toml::from_str(table).expect("an attribute")];
        let mut sources = sources_with_areas(&AREAS);
        sources.set_base(folder.path());
        let entries = entries(&config, &[]).map_err(|error| error.to_string())?;
        let mut records = DatasetRecords::default();
        let values = read(&config, &entries, &sources, &mut records);
        let values = values.map_err(|error| error.to_string())?;
        Ok((values, records))
    }

    #[test]
    fn values_are_read_and_rows_of_other_areas_are_reported() {
        let read = read_attribute("LSOA,Decile\nS1,7\nS9,1\nS0, 10\nS0,10\nS2,\n");
        let (values, records) = read.expect("an attribute");
        let expected = [("S0", "10"), ("S1", "7")];
        let expected = expected.map(|(code, value)| (code.to_string(), value.to_string()));
        assert_eq!(values[0].values, expected);
        assert_eq!(
            records.remarks,
            ["attribute `imd-decile`: no value in imd.csv for 1 of 3: S2"]
        );
        let [report] = records.reports.as_slice() else {
            panic!("one report");
        };
        assert_eq!((report.rows_read, report.rows_used), (5, 3));
        let [(path, table)] = files(&values).try_into().expect("one file");
        assert_eq!(path, "attributes/imd-decile.csv");
        assert_eq!(table, b"code,value\nS0,10\nS1,7\n");
    }

    #[test]
    fn contradictory_empty_and_unrelated_files_are_rejected() {
        for (content, expected) in [
            (
                "LSOA,Decile\nS0,3\nS1,4\nS0,5\n",
                "imd.csv: attribute `imd-decile`: `S0` has the value `3` on line 2 and the value `5` on line 4",
            ),
            (
                "LSOA,Decile\nE01000001,3\n",
                "imd.csv: attribute `imd-decile`: no row has a value for any lsoa21 of the dataset",
            ),
            ("LSOA,Rank\nS0,3\n", "imd.csv: no column `Decile`"),
            ("LSOA,Decile\n,3\n", "imd.csv, line 2, column `LSOA`"),
        ] {
            let error = read_attribute(content).err().expect("it is invalid");
            assert!(error.contains(expected), "{error}");
        }
    }
}
