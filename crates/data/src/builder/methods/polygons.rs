//! The method `polygons`: areas from a polygon file.
//!
//! Reads a GeoJSON, Shapefile or GeoPackage file. The configuration specifies the attributes that
//! contain the id and the name of each feature. Makes an area for each id, and a boundary for each
//! feature. An area that already exists, from an earlier method or from the history, keeps its
//! name.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::super::config::{NestedParts, PolygonsMethod};
use super::super::records::DatasetRecords;
use super::super::sources::display_path;
use super::{LayerContext, slugify};
use crate::dataset::boundary::feature_boundary;
use crate::formats::PolygonFile;
use crate::import::polygons::PolygonImport;
use catchment_core::domain::Boundary;

pub(super) fn add_areas(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    method: &PolygonsMethod,
) -> Result<Vec<Boundary>> {
    let import = PolygonImport {
        layer: method.layer.as_deref(),
        crs: method.crs.or(context.crs),
        nested_parts_to_holes: method.nested_parts == NestedParts::Holes,
        repair: method.repair || context.repair,
    };
    let (file, remarks) = context.sources.read_polygons(&method.file, &import)?;
    records.remarks.extend(remarks);
    let features = file.features.len();
    context.report_rows(records, display_path(&method.file), features);
    add_features(records, context, method, &file)
}

fn add_features(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    method: &PolygonsMethod,
    file: &PolygonFile,
) -> Result<Vec<Boundary>> {
    let mut boundaries = Vec::with_capacity(file.features.len());
    let mut feature_by_id: BTreeMap<String, usize> = BTreeMap::new();
    for feature in &file.features {
        let id = match (
            method.id_prefix.as_str(),
            file.attribute(feature, &method.id)?.trim(),
        ) {
            ("", id) => id.to_string(),
            (prefix, title) => format!("{prefix}{}", slugify(title)),
        };
        if let Some(earlier) = feature_by_id.insert(id.clone(), feature.ordinal) {
            bail!(
                "{}: the features {earlier} and {} both have the {} `{id}`; an area is one \
                 feature, so merge its parts into a multipolygon",
                file.name,
                feature.ordinal,
                method.id
            );
        }
        let title = method
            .name
            .as_ref()
            .map(|column| file.attribute(feature, column).map(str::trim));
        context.add_area_if_missing(
            records,
            &id,
            title.transpose()?.unwrap_or(&id),
            method.system.as_ref(),
        );
        boundaries.push(feature_boundary(file, feature, id, context.period)?);
    }
    Ok(boundaries)
}

#[cfg(test)]
mod tests {
    use super::super::super::test_sources::{area, context, empty_sources};
    use super::*;
    use crate::formats::{SourceCrs, read_geojson};
    use crate::test_layers;

    /// Returns a file with a square for each element of `properties`.
    fn file(properties: &[&str]) -> PolygonFile {
        let feature = |(properties, west): (&&str, i32)| {
            let east = west + 1;
            format!(
                r#"{{"type":"Feature","properties":{{{properties}}},"geometry":{{"type":"Polygon","coordinates":[[[-{east},53],[-{west},53],[-{west},54],[-{east},54],[-{east},53]]]}}}}"#
            )
        };
        let features: Vec<String> = properties.iter().zip(1..).map(feature).collect();
        let text = format!(
            r#"{{"type":"FeatureCollection","features":[{}]}}"#,
            features.join(",")
        );
        read_geojson("areas.geojson", text.as_bytes()).expect("polygons")
    }

    fn method(fields: &str) -> PolygonsMethod {
        toml::from_str(&format!("file = \"areas.geojson\"\n{fields}")).expect("a method")
    }

    fn names(records: &DatasetRecords) -> Vec<(&str, &str)> {
        let areas = records.areas().iter();
        areas.map(|area| (&*area.id, &*area.name)).collect()
    }

    #[test]
    fn each_id_is_an_area_and_each_feature_a_boundary() {
        let sources = empty_sources();
        let context = context(test_layers::layer("icc"), &sources);
        let mut records = DatasetRecords::default();
        let file = file(&[
            r#""code":"k ","title":"Kay""#,
            r#""code":"l","title":" Ell""#,
        ]);
        let method = method("id = \"code\"\nname = \"TITLE\"");
        let boundaries = add_features(&mut records, &context, &method, &file).expect("areas");
        assert_eq!(names(&records), [("k", "Kay"), ("l", "Ell")]);
        let ids: Vec<&str> = boundaries.iter().map(|found| &*found.id).collect();
        assert_eq!(ids, ["k", "l"]);
    }

    #[test]
    fn two_features_with_one_id_are_an_error_that_names_both() {
        let sources = empty_sources();
        let context = context(test_layers::layer("icc"), &sources);
        let file = file(&[r#""code":"k""#, r#""code":"l""#, r#""code":"k""#]);
        let method = method("id = \"code\"");
        let added = add_features(&mut DatasetRecords::default(), &context, &method, &file);
        let error = added.map(|_| ()).expect_err("two features").to_string();
        assert!(error.contains("the features 1 and 3"), "{error}");
        assert!(error.contains("code `k`"), "{error}");
    }

    #[test]
    fn a_prefix_makes_ids_of_titles() {
        let sources = empty_sources();
        let context = context(test_layers::layer("icc"), &sources);
        let mut records = DatasetRecords::default();
        let file = file(&[r#""title":"Barrow & Millom""#]);
        let method = method("id = \"title\"\nid_prefix = \"mb-\"\nsystem = \"mb\"");
        add_features(&mut records, &context, &method, &file).expect("areas");
        // If there is no attribute for the name, the id is also the name.
        assert_eq!(
            names(&records),
            [("mb-barrow-and-millom", "mb-barrow-and-millom")]
        );
        assert_eq!(records.areas()[0].system.as_deref(), Some("mb"));
    }

    #[test]
    fn an_area_of_the_history_keeps_its_name() {
        let sources = empty_sources();
        let context = context(test_layers::layer("icc"), &sources);
        let mut records = DatasetRecords::default();
        records.push_area(area(test_layers::layer("icc"), "k"));
        let file = file(&[r#""code":"k","title":"Kay""#]);
        let method = method("id = \"code\"\nname = \"title\"");
        let boundaries = add_features(&mut records, &context, &method, &file).expect("areas");
        assert_eq!(names(&records), [("k", "K")]);
        assert_eq!(boundaries.len(), 1);
    }

    #[test]
    fn a_feature_without_the_attribute_is_an_error() {
        let sources = empty_sources();
        let context = context(test_layers::layer("icc"), &sources);
        let file = file(&[r#""code":"k""#, r#""code":"","title":"Ell""#]);
        for (fields, words) in [
            ("id = \"code\"", "feature 2: no attribute `code`"),
            (
                "id = \"code\"\nname = \"title\"",
                "feature 1: no attribute `title`",
            ),
        ] {
            let mut records = DatasetRecords::default();
            let error = add_features(&mut records, &context, &method(fields), &file)
                .expect_err("an attribute is missing")
                .to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_file_can_have_its_own_crs_and_repair() {
        let configured = method("id = \"code\"\ncrs = \"EPSG:27700\"\nrepair = true");
        assert_eq!(configured.crs, Some(SourceCrs::BritishGrid));
        assert!(configured.repair);
        let by_default = method("id = \"code\"");
        assert!(by_default.crs.is_none() && !by_default.repair);
        let text = "file = \"a.shp\"\nid = \"code\"\ncrs = \"EPSG:29902\"";
        let error = toml::from_str::<PolygonsMethod>(text).expect_err("Irish Grid");
        assert!(
            error.to_string().contains("`EPSG:29902` cannot be read"),
            "{error}"
        );
    }

    #[test]
    fn a_file_without_features_adds_nothing() {
        let sources = empty_sources();
        let mut file = file(&[r#""code":"k""#]);
        file.features.clear();
        let mut records = DatasetRecords::default();
        let context = context(test_layers::layer("icc"), &sources);
        let method = method("id = \"code\"");
        let boundaries = add_features(&mut records, &context, &method, &file).expect("nothing");
        assert!(boundaries.is_empty() && records.areas().is_empty());
    }
}
