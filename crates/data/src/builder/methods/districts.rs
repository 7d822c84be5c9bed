//! The method `districts`: the local authority districts after which the ONS names its statistical
//! areas.
//!
//! The ONS names an LSOA after its district: `South Lakeland 001A` is in South Lakeland. Reads a
//! table of districts with their periods and successors (`import::districts`). Makes an area for
//! each district that contains a statistical area, and for its successors. Assigns each statistical
//! area to its district and to the successors, each for its own period. Also makes the lineage.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use super::super::config::DistrictsMethod;
use super::super::records::DatasetRecords;
use super::super::source_report::{RowTally, SourceReport};
use super::super::sources::display_path;
use super::LayerContext;
use crate::check::periods_overlap;
use crate::import::districts::{self, DistrictRecord};
use crate::plural::count_with_noun;
use catchment_core::domain::{Area, LineageRelation, LineageStep};

pub(super) fn add_areas(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    method: &DistrictsMethod,
) -> Result<()> {
    let bytes = context.sources.read_bytes(&method.file)?;
    let file = display_path(&method.file);
    let rows = districts::read(&file, &bytes)?;
    let lineage_source = method.lineage_source.as_deref().unwrap_or(&file);
    add_rows(records, context, (&file, lineage_source), &rows)
}

fn add_rows(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    (file, lineage_source): (&str, &str),
    rows: &[DistrictRecord],
) -> Result<()> {
    let row_by_code = rows_by_code(file, rows)?;
    let names: BTreeSet<&str> = context
        .sources
        .statistical_areas
        .values()
        .map(|area| area.district())
        .collect();
    let mut districts_by_name: BTreeMap<&str, Vec<&DistrictRecord>> = BTreeMap::new();
    for name in names {
        let districts = districts_named(file, name, rows, &row_by_code)?;
        districts_by_name.insert(name, districts);
    }
    ensure_named(file, context, &districts_by_name)?;
    let used: BTreeSet<&str> = districts_by_name
        .values()
        .flatten()
        .map(|row| row.code.as_str())
        .collect();
    let mut report = SourceReport::new(file, &context.purpose(), rows.len());
    let mut without_areas = RowTally::default();
    for row in rows {
        if !used.contains(row.code.as_str()) {
            without_areas.add(|| format!("{} {}", row.code, row.name));
            continue;
        }
        records.push_area(Area {
            layer: context.layer,
            id: row.code.clone(),
            name: row.name.clone(),
            title: None,
            label: None,
            kind: row.kind.clone(),
            system: None,
            provenance: context.provenance,
            period: row.period,
            ended_by: None,
        });
        add_lineage(records, context, lineage_source, (row, rows));
    }
    report.not_needed("districts without a statistical area", without_areas);
    records.reports.push(report);
    for (code, area) in &context.sources.statistical_areas {
        for district in &districts_by_name[area.district()] {
            let (code, id) = (code.clone(), district.code.clone());
            context.assign(records, code, id, None, district.period);
        }
    }
    Ok(())
}

fn rows_by_code<'r>(
    file: &str,
    rows: &'r [DistrictRecord],
) -> Result<BTreeMap<&'r str, &'r DistrictRecord>> {
    let mut row_by_code = BTreeMap::new();
    for row in rows {
        if row_by_code.insert(row.code.as_str(), row).is_some() {
            bail!("{file}: `{}` is listed twice", row.code);
        }
    }
    Ok(row_by_code)
}

/// Returns the districts with a name, and their successors. No two of them exist at the same time.
fn districts_named<'r>(
    file: &str,
    name: &str,
    rows: &'r [DistrictRecord],
    row_by_code: &BTreeMap<&str, &'r DistrictRecord>,
) -> Result<Vec<&'r DistrictRecord>> {
    let mut districts: Vec<&DistrictRecord> = rows.iter().filter(|row| row.name == name).collect();
    let mut next = 0;
    while let Some(district) = districts.get(next).copied() {
        next += 1;
        if let [_, second, ..] = district.successors.as_slice() {
            bail!(
                "{file}: `{}` has several successors, such as `{second}`, so the names of \
                 statistical areas do not show which area belongs to which successor: use the method `lookup`",
                district.code
            );
        }
        let Some(successor) = district.successors.first() else {
            continue;
        };
        let Some(row) = row_by_code.get(successor.as_str()) else {
            bail!(
                "{file}: the successor of `{}` is `{successor}`, which is not in the file",
                district.code
            );
        };
        if !districts.iter().any(|known| known.code == row.code) {
            districts.push(row);
        }
    }
    for (index, one) in districts.iter().enumerate() {
        let mut others = districts[index + 1..].iter();
        if let Some(other) = others.find(|other| periods_overlap(one.period, other.period)) {
            bail!(
                "{file}: `{}` and `{}` are both districts of `{name}` on the same day",
                one.code,
                other.code
            );
        }
    }
    Ok(districts)
}

/// Returns an error with the number of statistical areas whose district is not in the file.
fn ensure_named(
    file: &str,
    context: &LayerContext<'_>,
    districts_by_name: &BTreeMap<&str, Vec<&DistrictRecord>>,
) -> Result<()> {
    let areas = context.sources.statistical_areas.iter();
    let mut unnamed = areas.filter(|(_, area)| districts_by_name[area.district()].is_empty());
    let Some((code, area)) = unnamed.next() else {
        return Ok(());
    };
    let count = 1 + unnamed.count();
    bail!(
        "{file}: {} in a district that is not in the file; the first is `{code}`, `{}`, whose name \
         should begin with the name of a district",
        count_with_noun(count, "statistical area is", "statistical areas are"),
        area.name
    )
}

fn add_lineage(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    source: &str,
    (row, rows): (&DistrictRecord, &[DistrictRecord]),
) {
    for successor in &row.successors {
        let predecessors = rows
            .iter()
            .filter(|other| other.successors.contains(successor));
        let relation = match predecessors.count() {
            1 => LineageRelation::Renamed,
            _ => LineageRelation::Merged,
        };
        records.lineage.push(LineageStep {
            layer: context.layer,
            predecessor: row.code.clone(),
            successor: Some(successor.clone()),
            relation,
            date: row.period.to,
            source: source.into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::super::test_sources::{context, sources_with_areas};
    use super::*;
    use crate::test_layers;

    const AREAS: [(&str, &str, &str); 3] = [
        ("S0", "Copeland 001A", "01H"),
        ("S1", "Allerdale 001A", "01H"),
        ("S2", "Burnley 001A", "01A"),
    ];

    const DISTRICTS: &str = "\
        E06000063,Cumberland,unitary authority,2023-04-01,,\n\
        E07000026,Allerdale,district,,2023-03-31,E06000063\n\
        E07000029,Copeland,district,,2023-03-31,E06000063\n\
        E07000117,Burnley,district,,,\n\
        E10000006,Cumbria,county,,2023-03-31,E06000063;E06000064\n";

    fn add(rows: &str) -> Result<DatasetRecords> {
        let text = format!("code,name,kind,from,to,successor\n{rows}");
        let rows = districts::read("councils.csv", text.as_bytes())?;
        let sources = sources_with_areas(&AREAS);
        let mut records = DatasetRecords::default();
        let context = context(test_layers::layer("place"), &sources);
        add_rows(&mut records, &context, ("councils.csv", "an Order"), &rows)?;
        Ok(records)
    }

    #[test]
    fn statistical_areas_are_in_their_district_and_then_in_its_successor() {
        let records = add(DISTRICTS).expect("valid districts");
        let ids = records.areas().iter().map(|area| area.id.as_str());
        assert!(ids.eq(["E06000063", "E07000026", "E07000029", "E07000117"]));
        let change = Some(date(2023, 4, 1));
        let assigned = records.assignments.iter().map(|assignment| {
            let period = assignment.period;
            let code = &*assignment.statistical_area;
            (code, &*assignment.area, period.from, period.to)
        });
        assert!(assigned.eq([
            ("S0", "E07000029", None, change),
            ("S0", "E06000063", change, None),
            ("S1", "E07000026", None, change),
            ("S1", "E06000063", change, None),
            ("S2", "E07000117", None, None),
        ]));
        let lineage = records.lineage.iter().map(|step| {
            let successor = step.successor.as_deref().unwrap_or_default();
            (
                step.predecessor.as_str(),
                successor,
                step.relation,
                step.date,
            )
        });
        assert!(records.lineage.iter().all(|step| step.source == "an Order"));
        assert!(lineage.eq([
            ("E07000026", "E06000063", LineageRelation::Merged, change),
            ("E07000029", "E06000063", LineageRelation::Merged, change),
        ]));
        let mut kinds = records.areas().iter().map(|area| area.kind.as_deref());
        assert_eq!(kinds.next_back(), Some(Some("district")));
        let report = records.reports[0].to_string();
        assert!(report.contains("E10000006 Cumbria"), "{report}");
    }

    #[test]
    fn contradictory_districts_are_errors() {
        for (from, to, expected) in [
            (
                "Burnley,district",
                "Burnham,district",
                "1 statistical area is in a district that is not in the file; the first is `S2`, \
                 `Burnley 001A`",
            ),
            (
                "district,,2023-03-31,E06000063\nE07000029",
                "district,,2023-03-31,E06000063;E06000064\nE07000029",
                "`E07000026` has several successors",
            ),
            (
                "E06000063\nE07000117",
                "E06000099\nE07000117",
                "the successor of `E07000029` is `E06000099`, which is not in the file",
            ),
            ("2023-04-01,,", "2023-03-31,,", "are both districts of"),
            (
                "E07000117,Burnley",
                "E07000029,Burnley",
                "`E07000029` is listed twice",
            ),
        ] {
            let Err(error) = add(&DISTRICTS.replace(from, to)) else {
                panic!("no error: {expected}");
            };
            let error = error.to_string();
            assert!(error.contains(expected), "`{expected}` is not in: {error}");
        }
    }
}
