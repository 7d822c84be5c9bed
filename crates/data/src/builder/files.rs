//! The files of a dataset that is being built, except the manifest.

use anyhow::{Result, anyhow};

use super::config::{BuildConfig, first_with_role};
use super::facts;
use super::manifest::boundary_path;
use super::records::DatasetRecords;
use super::sources::SourceData;
use super::tables;
use crate::dataset::boundary::boundary_from_polygons;
use crate::formats::Crs;
use crate::formats::layer_to_geojson;
use catchment_core::domain::{Boundary, Layer, LayerRole, Period, Practice};

/// Returns the files of the dataset except the manifest, each with its path in the dataset's
/// folder.
pub(super) fn dataset_files(
    records: &DatasetRecords,
    boundaries: &[(Layer, Vec<Boundary>)],
    sources: &SourceData,
    config: &BuildConfig,
) -> Result<Vec<(String, Vec<u8>)>> {
    let practices = sources.practices.iter().map(|record| &record.practice);
    let practice_layer = first_with_role(&config.layers, LayerRole::PracticeCatchment);
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("areas.csv".into(), tables::areas(records.areas())),
        (
            "assignments.csv".into(),
            tables::assignments(&records.assignments),
        ),
        ("lineage.csv".into(), tables::lineage(&records.lineage)),
        (
            "memberships.csv".into(),
            tables::memberships(&records.memberships, practice_layer),
        ),
        (
            "postcodes.csv".into(),
            tables::postcodes(&sources.postcodes),
        ),
        (
            "practice_sites.csv".into(),
            tables::premises(&sources.premises),
        ),
        (
            "practice_sites_former.csv".into(),
            tables::former_premises(&sources.former_premises),
        ),
        (
            "practices_neighbouring.csv".into(),
            tables::neighbouring_practices(&sources.neighbouring_practices),
        ),
        (
            "practice_successions.csv".into(),
            tables::successions(&sources.successions),
        ),
        ("practices.csv".into(), tables::practices(practices)),
        (
            "not_gp_practices.csv".into(),
            tables::codes(&sources.not_gp_practices),
        ),
    ];
    let statistical = config.statistical_areas.as_ref();
    let statistical_path = statistical.map(|statistical| boundary_path(&statistical.id));
    for (layer, boundaries) in boundaries {
        let path = boundary_path(layer.as_str());
        // The layer of the statistical areas uses the same file as the statistical areas.
        if Some(&path) == statistical_path.as_ref() {
            continue;
        }
        let features = boundaries.iter().map(|boundary| {
            let name = display_name(records, sources, *layer, &boundary.id);
            (boundary, name)
        });
        let file = layer_to_geojson(layer.as_str(), features);
        files.push((path, file));
    }
    if let Some(statistical) = &config.statistical_areas {
        files.push((
            boundary_path(&statistical.id),
            statistical_areas_geojson(&statistical.id, sources)?,
        ));
    }
    if let Some(golden_queries) = &config.golden_queries {
        files.push((
            "golden_queries.csv".into(),
            sources.read_bytes(golden_queries)?,
        ));
    }
    if let Some(systems) = &config.systems {
        files.push(("systems.csv".into(), sources.read_bytes(systems)?));
    }
    files.extend(facts::files(records, sources, &config.facts)?);
    // A table without rows is omitted, because the reader rejects an empty table.
    files.retain(|(path, content)| {
        !path.ends_with(".csv") || content.iter().filter(|byte| **byte == b'\n').count() > 1
    });
    Ok(files)
}

/// Returns the title of an area, or the name of the practice with this code, or an empty string.
fn display_name(records: &DatasetRecords, sources: &SourceData, layer: Layer, id: &str) -> String {
    let practice = || -> Option<&Practice> {
        let mut practices = sources.practices.iter().map(|record| &record.practice);
        practices.find(|practice| practice.code.as_str() == id)
    };
    match records.area(layer, id) {
        Some(area) => area.title().to_string(),
        None => practice()
            .map(|practice| practice.name.clone())
            .unwrap_or_default(),
    }
}

fn statistical_areas_geojson(id: &str, sources: &SourceData) -> Result<Vec<u8>> {
    let mut features = Vec::with_capacity(sources.statistical_areas.len());
    for (code, area) in &sources.statistical_areas {
        let boundary =
            boundary_from_polygons(Crs::LonLat, &area.polygons, code.clone(), Period::default());
        let boundary = boundary.map_err(|reason| anyhow!("statistical area `{code}`: {reason}"))?;
        features.push((boundary, area.name.clone()));
    }
    Ok(layer_to_geojson(
        id,
        features
            .iter()
            .map(|(boundary, name)| (boundary, name.clone())),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::manifest::layer_entry;
    use super::super::test_sources::{
        area, build_config, empty_sources, layer_config, practice, sources_with_areas, square,
    };
    use super::*;
    use crate::test_layers;

    #[test]
    fn tables_without_rows_are_left_out() {
        let names = |records: &DatasetRecords, sources: &SourceData| -> Vec<String> {
            let layers = [(test_layers::layer("icc"), Vec::new())];
            let files = dataset_files(records, &layers, sources, &build_config());
            let files = files.expect("files").into_iter();
            files.map(|(path, _)| path).collect()
        };
        let boundaries = ["areas/icc.geojson", "areas/lsoa21.geojson"];
        let mut records = DatasetRecords::default();
        let mut sources = empty_sources();
        assert_eq!(names(&records, &sources), boundaries);
        records.push_area(area(test_layers::layer("icc"), "k"));
        sources.practices = vec![practice("A00001")];
        assert_eq!(
            names(&records, &sources),
            [&["areas.csv", "practices.csv"][..], &boundaries].concat()
        );
    }

    #[test]
    fn boundaries_have_the_name_of_their_area_or_practice() {
        let mut records = DatasetRecords::default();
        records.push_area(area(test_layers::layer("icc"), "k"));
        let entry = layer_entry(&layer_config("icc")).expect("an entry");
        records.set_area_titles(&entry);
        let mut sources = sources_with_areas(&[("S0", "Lancaster 001A", "01K")]);
        sources.practices = vec![practice("A00001")];
        let boundary = |id: &str| {
            boundary_from_polygons(Crs::LonLat, &[square(0)], id.into(), Period::default())
                .expect("a boundary")
        };
        let layers = [
            (
                test_layers::layer("icc"),
                vec![boundary("k"), boundary("unknown")],
            ),
            (test_layers::layer("gp-practice"), vec![boundary("A00001")]),
        ];
        let files = dataset_files(&records, &layers, &sources, &build_config()).expect("the files");
        for (path, names) in [
            ("areas/icc.geojson", &["K ICC", ""][..]),
            ("areas/gp-practice.geojson", &["A surgery"]),
            ("areas/lsoa21.geojson", &["Lancaster 001A"]),
        ] {
            let (_, content) = files
                .iter()
                .find(|(name, _)| name == path)
                .expect("a file of boundaries");
            let content: serde_json::Value = serde_json::from_slice(content).expect("JSON");
            let features = content["features"].as_array().expect("features").iter();
            let found: Vec<&str> = features
                .filter_map(|feature| feature["properties"]["name"].as_str())
                .collect();
            assert_eq!(found, names, "{path}");
        }
    }
}
