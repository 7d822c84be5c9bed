//! Small sources for unit tests of the builder.
//!
//! The statistical areas are squares in a row, from west to east, each a tenth of a degree wide.
//! Neighbouring squares share an edge.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::config::{BuildConfig, LayerConfig};
use super::methods::LayerContext;
use super::records::DatasetRecords;
use super::shares::RegistrationShares;
use super::sources::{SourceData, StatisticalArea};
use crate::import::PostcodeRecord;
use crate::import::practice_list::PracticeRecord;
use catchment_core::domain::{
    Area, DirectoryStatus, Layer, OdsCode, Period, PostcodeCodes, Practice, PracticeStatus,
    Provenance,
};
use catchment_core::geometry::rings::Polygon;

/// The width and height of a square, in units of 1e-9°.
const SQUARE_UNITS: i64 = 100_000_000;
const SOUTH_WEST: (i64, i64) = (-2_900_000_000, 53_800_000_000);

static NO_SHARES: BTreeMap<String, RegistrationShares> = BTreeMap::new();

pub(super) fn code(text: &str) -> OdsCode {
    text.parse().expect("an ODS code")
}

pub(super) fn empty_sources() -> SourceData {
    SourceData::new(Path::new(""), Arc::default())
}

/// Returns the square with this index, counted from the west.
pub(super) fn square(index: i64) -> Polygon {
    let (west, south) = (SOUTH_WEST.0 + index * SQUARE_UNITS, SOUTH_WEST.1);
    let (east, north) = (west + SQUARE_UNITS, south + SQUARE_UNITS);
    vec![vec![
        (west, south).into(),
        (east, south).into(),
        (east, north).into(),
        (west, north).into(),
    ]]
}

/// Returns sources with statistical areas of these codes, names and sub-ICB locations, from west
/// to east.
pub(super) fn sources_with_areas(areas: &[(&str, &str, &str)]) -> SourceData {
    let mut sources = empty_sources();
    for ((code, name, sub_icb), index) in areas.iter().zip(0..) {
        let area = StatisticalArea {
            name: (*name).into(),
            sub_icb: Some((*sub_icb).into()),
            polygons: vec![square(index)],
        };
        sources.statistical_areas.insert((*code).into(), area);
    }
    sources
}

pub(super) fn practice(text: &str) -> PracticeRecord {
    PracticeRecord {
        practice: Practice {
            code: code(text),
            name: "A surgery".into(),
            address: String::new(),
            postcode: None,
            telephone: None,
            status: PracticeStatus::Active,
            opened: None,
            closed: None,
            sub_icb: None,
            pcn: None,
            list_size: None,
            list_size_as_of: None,
            as_of: None,
            note: None,
        },
        community: None,
        pcn_name: None,
        position: None,
    }
}

pub(super) fn postcode(text: &str, statistical_area: Option<&str>) -> PostcodeRecord {
    PostcodeRecord {
        postcode: text.parse().expect("a postcode"),
        position: None,
        positional_quality: None,
        is_large_user: false,
        status: DirectoryStatus::Live,
        introduced: None,
        termination: None,
        statistical_area: statistical_area.map(str::to_string),
        codes: PostcodeCodes::default(),
        sub_icb: None,
    }
}

/// Returns an area whose name is its id in upper case.
pub(super) fn area(layer: Layer, id: &str) -> Area {
    Area {
        layer,
        id: id.into(),
        name: id.to_uppercase(),
        title: None,
        label: None,
        kind: None,
        system: None,
        provenance: Provenance::Indicative,
        period: Period::default(),
        ended_by: None,
    }
}

/// Returns derived shares. `rows` contains statistical areas, practices and shares; `patients`
/// contains the number of patients of each statistical area.
pub(super) fn shares(rows: &[(&str, &str, f64)], patients: &[(&str, u32)]) -> RegistrationShares {
    let mut by_area: BTreeMap<String, Vec<(OdsCode, f64)>> = BTreeMap::new();
    for (area, practice, share) in rows {
        let parts = by_area.entry((*area).into()).or_default();
        parts.push((code(practice), *share));
    }
    let patients = patients.iter();
    RegistrationShares {
        by_area,
        patients: patients
            .map(|(area, count)| ((*area).to_string(), *count))
            .collect(),
        provenance: Provenance::Derived,
    }
}

/// Returns a configuration without layers, practices and postcodes, but with the statistical areas
/// `lsoa21`.
pub(super) fn build_config() -> BuildConfig {
    let text = r#"
        name = "test"
        version = "1"
        title = "Test"
        as_of = "2025-01-01"
        attribution = "example"
        licence = "https://example.org/licence"
        tolerance_m = 100.0
        output = "out"
        sources = []
        layers = []
        [postcodes]
        directories = []
        [statistical_areas]
        id = "lsoa21"
        title = "LSOAs"
        boundaries = "lsoas.geojson"
        code = "code"
        name = "name"
        snap_m = 5.0
    "#;
    BuildConfig::parse(text).expect("a configuration")
}

/// Returns a layer without methods.
pub(super) fn layer_config(id: &str) -> LayerConfig {
    let text = format!(
        "id = \"{id}\"\ntitle = \"Areas\"\nkind = \"partition\"\nfirst_data = \"2022-01-05\"\n\
         provenance = \"indicative\"\nmethods = []"
    );
    toml::from_str(&text).expect("a layer")
}

/// Returns the context of a method whose areas are valid on every date and uses no shares.
pub(super) fn context(layer: Layer, sources: &SourceData) -> LayerContext<'_> {
    let declaration = layer_config(layer.as_str()).declaration();
    let declaration = declaration.expect("a layer of earlier versions");
    LayerContext {
        layer,
        parent: declaration.parent,
        organisation: declaration.organisation,
        provenance: Provenance::Indicative,
        period: Period::default(),
        sources,
        crs: None,
        repair: false,
        shares: &NO_SHARES,
    }
}

/// Returns the statistical area, the area and the share of each assignment.
pub(super) fn assignments(records: &DatasetRecords) -> Vec<(&str, &str, Option<f64>)> {
    let assignments = records.assignments.iter();
    assignments
        .map(|found| (&*found.statistical_area, &*found.area, found.share))
        .collect()
}
