//! The method `postcode_column`: a column of the postcode directory states the layer's area for
//! each postcode.
//!
//! Reads the column, and a look-up table from statistical areas to the areas of the layer, with
//! their names. Makes an area for each code in the table, and for each other code that the column
//! contains for a postcode in the area of the data. If an area is a union of statistical areas,
//! assigns these statistical areas to the area. Otherwise the area has no boundary, and only the
//! directory states which postcodes are in it. An example is an LSOA of 2021 that is a part of an
//! LSOA of 2011.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::super::config::PostcodeColumnMethod;
use super::super::records::DatasetRecords;
use super::super::source_report::RowTally;
use super::super::sources::display_path;
use super::LayerContext;
use crate::plural::count_with_noun;

pub(super) fn add_areas(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    method: &PostcodeColumnMethod,
) -> Result<()> {
    let bytes = context.sources.read_bytes(&method.file)?;
    add_table(records, context, method, &bytes)
}

fn add_table(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    method: &PostcodeColumnMethod,
    bytes: &[u8],
) -> Result<()> {
    let file = display_path(&method.file);
    let (entries, mut report) = context.read_lookup(&file, bytes, &method.columns)?;
    let known = &context.sources.statistical_areas;
    let mut elsewhere = RowTally::default();
    let mut areas_by_code: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut codes_by_area: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in &entries {
        areas_by_code
            .entry(&entry.code)
            .or_default()
            .insert(&entry.area);
        codes_by_area
            .entry(&entry.area)
            .or_default()
            .insert(&entry.code);
    }
    for entry in &entries {
        if !known.contains_key(&entry.code) {
            elsewhere.add(|| format!("{} {}", entry.code, entry.area));
            continue;
        }
        let name = entry.name.as_deref().filter(|name| !name.is_empty());
        context.add_area_if_missing(records, &entry.area, name.unwrap_or(&entry.area), None);
    }
    report.not_needed("rows of other statistical areas", elsewhere);
    records.reports.push(report);
    for (area, codes) in &codes_by_area {
        let is_whole =
            |code: &&&str| known.contains_key(**code) && areas_by_code[**code].len() == 1;
        if codes.iter().filter(is_whole).count() < codes.len() {
            continue;
        }
        for code in codes {
            let (code, area) = ((*code).to_string(), (*area).to_string());
            context.assign(records, code, area, None, context.period);
        }
    }
    add_unlisted_areas(records, context, method, &file);
    Ok(())
}

/// Adds the areas that are only in the column of the directory. The names of these areas are not
/// known.
fn add_unlisted_areas(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    method: &PostcodeColumnMethod,
    file: &str,
) {
    let known = &context.sources.statistical_areas;
    let in_area = context.sources.postcodes.iter().filter(|row| {
        let code = row.statistical_area.as_ref();
        code.is_some_and(|code| known.contains_key(code))
    });
    let codes = in_area.filter_map(|row| row.codes.code(method.column));
    let codes: BTreeSet<&str> = codes.map(|code| code.as_str()).collect();
    let unlisted = codes
        .into_iter()
        .filter(|code| !records.has_area(context.layer, code));
    let unlisted: Vec<&str> = unlisted.collect();
    for code in &unlisted {
        context.add_area_if_missing(records, code, code, None);
    }
    if let Some(first) = unlisted.first() {
        records.remarks.push(format!(
            "{file} has no row for {} in the column `{}` of the postcode directory, so these areas have \
             no name and no boundary; the first is `{first}`",
            count_with_noun(unlisted.len(), "code", "codes"),
            method.column,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::test_sources::{assignments, context, postcode, sources_with_areas};
    use super::*;
    use crate::test_layers;

    const AREAS: [(&str, &str, &str); 5] = [
        ("S0", "Lancaster 001A", "01K"),
        ("S1", "Lancaster 001B", "01K"),
        ("S2", "Lancaster 001C", "01K"),
        ("S3", "Lancaster 001D", "01K"),
        ("S4", "Lancaster 001E", "01K"),
    ];

    #[test]
    fn unions_of_statistical_areas_are_assigned_and_parts_are_not() {
        let mut sources = sources_with_areas(&AREAS);
        for (text, code, lsoa21) in [
            ("LA1 1AA", "S0", "E01000000"),
            ("LA1 1AB", "S4", "E01000009"),
            ("LA1 1AD", "S9", "E01000008"),
        ] {
            let mut row = postcode(text, Some(code));
            row.codes.lsoa21 = lsoa21.parse().ok();
            sources.postcodes.push(row);
        }
        // E01000001 is the union of S1 and S2, S3 was split, and S9 is outside the area of the
        // data.
        let table = "lsoa11cd,lsoa21cd,lsoa21nm\n\
            S0,E01000000,Lancaster 001A\n\
            S1,E01000001,Lancaster 001F\n\
            S2,E01000001,Lancaster 001F\n\
            S3,E01000003,Lancaster 001G\n\
            S3,E01000004,\n\
            S9,E01000008,Wyre 001A\n";
        let method: PostcodeColumnMethod = toml::from_str(
            "column = \"lsoa21\"\nfile = \"l.csv\"\n\
             columns = { code = \"lsoa11cd\", area = \"lsoa21cd\", name = \"lsoa21nm\" }",
        )
        .expect("a method");
        let mut records = DatasetRecords::default();
        let context = context(test_layers::layer("place"), &sources);
        add_table(&mut records, &context, &method, table.as_bytes()).expect("a table");
        let areas = records.areas().iter();
        let areas: Vec<(&str, &str)> = areas.map(|area| (&*area.id, &*area.name)).collect();
        assert_eq!(
            areas,
            [
                ("E01000000", "Lancaster 001A"),
                ("E01000001", "Lancaster 001F"),
                ("E01000003", "Lancaster 001G"),
                ("E01000004", "E01000004"),
                ("E01000009", "E01000009"),
            ]
        );
        assert_eq!(
            assignments(&records),
            [
                ("S0", "E01000000", None),
                ("S1", "E01000001", None),
                ("S2", "E01000001", None)
            ]
        );
        assert_eq!(
            records.remarks,
            [
                "l.csv has no row for 1 code in the column `lsoa21` of the postcode directory, so \
                 these areas have no name and no boundary; the first is `E01000009`"
            ]
        );
        let report = records.reports[0].to_string();
        assert!(report.contains("S9 E01000008"), "{report}");
    }

    #[test]
    fn the_published_look_up_of_lsoas_is_read_with_irregular_changes() {
        let sources = sources_with_areas(&AREAS);
        // S1 and S2 were merged, S3 was split, and the boundaries of S4 and S9 changed irregularly.
        let table = "\u{feff}LSOA11CD,LSOA11NM,LSOA21CD,LSOA21NM,CHGIND,LAD22CD,LAD22NM,LAD22NMW,ObjectId\r\n\
            S0,Lancaster 001A,E01000000,Lancaster 001A,U,E07000121,Lancaster,,1\r\n\
            S1,Lancaster 001B,E01000001,Lancaster 001F,M,E07000121,Lancaster,,2\r\n\
            S2,Lancaster 001C,E01000001,Lancaster 001F,M,E07000121,Lancaster,,3\r\n\
            S3,Lancaster 001D,E01000003,Lancaster 001G,S,E07000121,Lancaster,,4\r\n\
            S3,Lancaster 001D,E01000004,Lancaster 001H,S,E07000121,Lancaster,,5\r\n\
            S4,Lancaster 001E,E01000005,Lancaster 001I,X,E07000121,Lancaster,,6\r\n\
            S4,Lancaster 001E,E01000006,Lancaster 001J,X,E07000121,Lancaster,,7\r\n\
            S9,Wyre 001A,E01000006,Lancaster 001J,X,E07000128,Wyre,,8\r\n";
        let method: PostcodeColumnMethod = toml::from_str(
            "column = \"lsoa21\"\nfile = \"l.csv\"\n\
             columns = { code = \"LSOA11CD\", area = \"LSOA21CD\", name = \"LSOA21NM\" }",
        )
        .expect("a method");
        let mut records = DatasetRecords::default();
        let context = context(test_layers::layer("place"), &sources);
        add_table(&mut records, &context, &method, table.as_bytes()).expect("a table");
        // Areas that are not unions of statistical areas have no boundary.
        assert_eq!(
            assignments(&records),
            [
                ("S0", "E01000000", None),
                ("S1", "E01000001", None),
                ("S2", "E01000001", None)
            ]
        );
        assert_eq!(records.areas().len(), 6);
        assert_eq!(records.areas()[5].name, "Lancaster 001J");
    }

    #[test]
    fn an_unknown_column_names_those_that_exist() {
        let text = "column = \"msoa\"\nfile = \"l.csv\"\ncolumns = { code = \"a\", area = \"b\" }";
        let error = toml::from_str::<PostcodeColumnMethod>(text).expect_err("no such column");
        assert!(error.to_string().contains("council"), "{error}");
    }
}
