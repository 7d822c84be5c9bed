//! Batches of rows with codes of statistical areas.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::num::NonZeroUsize;

use catchment::batch::{
    self, BatchError, BatchInput, BatchProgress, BatchRequest, BatchSummary, ColumnOverrides,
    Compression, DecodeLimits, HeaderOptions, OutputColumn, WorkbookOptions,
};
use catchment::domain::date_from_iso;
use catchment::index::Index;

use crate::data::embedded_dataset;
use crate::support::server::{AS_OF, SERVER};

fn index() -> &'static Index {
    embedded_dataset::index()
}

fn request(columns: &str, area_column: Option<&str>, layer: Option<&str>) -> BatchRequest {
    let manifest = index().manifest();
    let mut column_overrides = ColumnOverrides {
        statistical_area: area_column.map(str::to_string),
        ..ColumnOverrides::default()
    };
    column_overrides
        .set_statistical_layers(manifest, layer)
        .expect("a layer");
    BatchRequest {
        format: None,
        delimiter: None,
        column_overrides,
        header: HeaderOptions::default(),
        as_of: date_from_iso(AS_OF).expect("a date"),
        output_columns: OutputColumn::with_defaults(columns, manifest).expect("columns"),
        excel_safe: false,
        compression: Compression::None,
        limits: DecodeLimits::HTTP,
        workbook: WorkbookOptions::default(),
        previous: None,
    }
}

type Rows = Vec<HashMap<String, String>>;

fn run(input: &str, request: &BatchRequest) -> Result<(Rows, BatchSummary), BatchError> {
    let batch_input = BatchInput::open(input.as_bytes(), request)?;
    let mut out = Vec::new();
    let threads = NonZeroUsize::new(2).expect("two");
    let progress = BatchProgress::default();
    let summary = batch::run(index(), batch_input, request, &mut out, threads, &progress)?;
    let rows = csv::Reader::from_reader(out.as_slice())
        .deserialize()
        .map(|row| row.expect("a row"))
        .collect();
    Ok((rows, summary))
}

/// The expected ICCs are from the table from which the layer is built, instead of from the program.
#[test]
fn every_lsoa_of_both_censuses_gets_its_icc() {
    let mut reader = csv::Reader::from_path("data/source/lsoa11_icc.csv").expect("the table");
    let rows = reader.deserialize::<HashMap<String, String>>();
    let icc_of: HashMap<String, String> = rows
        .map(|row| row.expect("a row"))
        .map(|row| (row["lsoa11cd"].clone(), row["icc_id"].clone()))
        .collect();
    let mut table = csv::Reader::from_path("data/source/lsoa11_to_lsoa21.csv").expect("a table");
    let rows = table.deserialize::<HashMap<String, String>>();
    let pairs: Vec<(String, String)> = rows
        .map(|row| row.expect("a row"))
        .map(|row| (row["lsoa11cd"].clone(), row["lsoa21cd"].clone()))
        .collect();
    for (header, is_2021) in [
        ("LSOA11CD", false),
        ("lsoa_code_11", false),
        ("Der_Postcode_LSOA_2021_Code", true),
        ("lsoa_code_21", true),
        ("LSOA", true),
    ] {
        let mut input = format!("id,{header}\n");
        for (lsoa11, lsoa21) in &pairs {
            let code = if is_2021 { lsoa21 } else { lsoa11 };
            writeln!(input, "1,{code}").expect("writing to a String");
        }
        let (rows, summary) = run(&input, &request("notes", None, None)).expect("a batch");
        assert_eq!((rows.len(), summary.bad_rows), (pairs.len(), 0));
        for (row, (lsoa11, lsoa21)) in rows.iter().zip(&pairs) {
            assert_eq!(row["catchment_status"], "located", "{lsoa21}");
            let expected = icc_of.get(lsoa11).map_or("", String::as_str);
            assert_eq!(
                row["catchment_icc_residence_id"], expected,
                "{header} {lsoa21}"
            );
            assert!(
                !row["catchment_notes"].contains("code_of_other_layer"),
                "{lsoa21}"
            );
        }
    }
}

#[test]
fn rows_have_shares_notes_and_reasons() {
    let columns = "notes,basis,lsoa11,alternatives,residence_share,statistical_area";
    let input = "lsoa11cd\nE01034068\n e01019311\nE02003984\nE01000001\nLA1 1AA\n\"\"\n";
    let (rows, summary) = run(input, &request(columns, None, None)).expect("a batch");
    let cells = |name: &str| -> Vec<&str> {
        let name = format!("catchment_{name}");
        rows.iter().map(|row| row[&name].as_str()).collect()
    };
    let statuses = [
        "located",
        "located",
        "unknown_area",
        "unknown_area",
        "malformed",
        "missing",
    ];
    assert_eq!(cells("status"), statuses);
    let iccs = ["nc-keswick-and-solway", "nc-eden", "", "", "", ""];
    assert_eq!(cells("icc_residence_id"), iccs);
    assert!(cells("notes")[0].contains("code_of_other_layer"));
    assert_eq!(cells("basis")[..2], ["statistical_area"; 2]);
    assert_eq!(cells("residence_share"), ["1", "1", "", "", "", ""]);
    assert_eq!(cells("certainty"), ["inside", "inside", "", "", "", ""]);
    assert_eq!(
        cells("reason")[2..],
        [
            "residence:unknown_area (no area has this code, which has the form of a code of an MSOA of England)",
            "residence:unknown_area (no area has this code, which has the form of a code of an LSOA of England)",
            "residence:malformed",
            "residence:missing",
        ]
    );
    let unknown = summary
        .status
        .iter()
        .find(|(word, _)| *word == "unknown_area");
    assert_eq!(unknown, Some(&("unknown_area", 2)));
}

#[test]
fn columns_can_be_named_and_postcodes_take_precedence() {
    let both = "postcode,lsoa11cd\nLA18 4DB,E01019311\n";
    let (rows, _) = run(both, &request("", None, None)).expect("by postcode");
    assert_eq!(
        rows[0]["catchment_icc_residence_id"],
        "mb-barrow-and-millom"
    );
    let (rows, _) = run(both, &request("", Some("lsoa11cd"), None)).expect("by code");
    assert_eq!(rows[0]["catchment_icc_residence_id"], "nc-eden");
    let named = request("notes", Some("home"), Some("lsoa21"));
    let (rows, _) = run("home\nE01019213\n", &named).expect("by code");
    assert!(rows[0]["catchment_notes"].contains("code_of_other_layer"));
    let error = run("lsoa11cd,lsoa21cd\n", &request("", None, None)).expect_err("two columns");
    assert!(error.to_string().contains("--area-column"), "{error}");
    let mut overrides = ColumnOverrides::default();
    let error = overrides.set_statistical_layers(index().manifest(), Some("icc"));
    assert_eq!(
        error.expect_err("not statistical").to_string(),
        "must be the id of a layer of statistical areas: lsoa11, lsoa21"
    );
}

#[test]
fn codes_are_looked_up_over_http() {
    let post = |query: &str, body: &str| {
        let path = format!("/api/v1/batch?as_of={AS_OF}{query}");
        SERVER.post(&path, "text/csv", body)
    };
    let reply = post("", "LSOA11CD\nE01019311\n").expect(200);
    assert!(reply.text().contains("nc-eden"), "{}", reply.text());
    let reply = post("&area_column=home&area_layer=lsoa21", "home\nE01034068\n").expect(200);
    assert!(
        reply.text().contains("nc-keswick-and-solway"),
        "{}",
        reply.text()
    );
    let problem = post("&area_layer=icc", "lsoa11\nE01019311\n");
    let problem = problem.expect_problem(400, "unknown_layer");
    assert!(
        problem.text().contains("lsoa11, lsoa21"),
        "{}",
        problem.text()
    );
    let problem = post("&area_column=home", "lsoa11\nE01019311\n");
    let problem = problem.expect_problem(422, "column_not_found");
    assert!(problem.text().contains("area_column"), "{}", problem.text());
}
