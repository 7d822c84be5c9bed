//! Readers of polygon files: GeoJSON, Shapefile, GeoPackage and GeoParquet, as a single file, in a folder or in
//! a zip archive.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::rows::{lowercase_file_name, member_label};
use super::{ImportError, SourceFiles, read_whole_file};
use crate::dataset::great_britain::check_location;
use crate::dataset::repair::repair_features;
use crate::dataset::validation::{REPAIR_HINT, nested_parts_to_holes, validated};
use crate::formats::{
    PolygonError, PolygonFile, PolygonReadOptions, ShapefileParts, SourceCrs, file_error,
    read_geojson_with, read_geopackage_with, read_geoparquet_with, read_shapefile_with,
    unexpected_content,
};
use crate::plural::count_with_noun;

/// The error for a polygon file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolygonImportError {
    /// The file cannot be found or read.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The file does not have the expected format, or its polygons are not valid.
    #[error(transparent)]
    Polygons(#[from] PolygonError),
}

/// The extensions of polygon files.
const EXTENSIONS: [&str; 9] = [
    ".geojson",
    ".json",
    ".geojsonl",
    ".geojsons",
    ".ndjson",
    ".shp",
    ".gpkg",
    ".parquet",
    ".geoparquet",
];

/// The options for importing polygons.
#[derive(Debug, Clone, Copy, Default)]
pub struct PolygonImport<'l> {
    /// The name of a layer in a GeoPackage, or the name, with or without its extension, of a file
    /// in a folder or archive. The name is required if there is more than one layer or file.
    pub layer: Option<&'l str>,
    /// The coordinate reference system, which takes precedence over the one that the file states.
    pub crs: Option<SourceCrs>,
    /// Whether parts inside another part of the same feature are converted to holes.
    pub nested_parts_to_holes: bool,
    /// Whether invalid features are repaired in the same way as by the `structure` method of
    /// `MakeValid` in GEOS.
    pub repair: bool,
}

/// Reads the polygon file at the path and validates every feature. Reverses rings with the wrong
/// orientation. `PolygonFile::reoriented` lists the features with such rings.
///
/// `layer` is the name of a layer in a GeoPackage, or the name, with or without its extension, of a
/// file in a folder or archive. `layer` is required if there is more than one layer or file.
///
/// # Errors
/// If [`read_with`] returns an error.
pub fn read(path: &Path, layer: Option<&str>) -> Result<PolygonFile, PolygonImportError> {
    let import = PolygonImport {
        layer,
        ..PolygonImport::default()
    };
    read_with(path, &import)
}

/// Reads the polygon file at the path as [`read`] does, with these options. The file's remarks list
/// what was converted, omitted or repaired.
///
/// # Errors
/// If the format is not GeoJSON, Shapefile, GeoPackage or GeoParquet, `layer` does not select
/// exactly one file or layer, the file cannot be read, its coordinate reference system is not
/// known, an invalid feature is not repaired, or all features are outside Great Britain.
pub fn read_with(
    path: &Path,
    import: &PolygonImport<'_>,
) -> Result<PolygonFile, PolygonImportError> {
    let mut file = read_unvalidated(path, import).map_err(|error| with_hint(error, import))?;
    if !file.without_geometry.is_empty() {
        let count = file.without_geometry.len();
        let count = count_with_noun(count, "feature has", "features have");
        file.remarks.push(format!(
            "{count} no geometry and {} left out: {}",
            if file.without_geometry.len() == 1 {
                "was"
            } else {
                "were"
            },
            file.without_geometry.join(", ")
        ));
    }
    check_location(&mut file)?;
    if import.nested_parts_to_holes {
        let changed = nested_parts_to_holes(&mut file);
        if !changed.is_empty() {
            file.remarks.push(format!(
                "in features {}, parts inside another part were read as holes",
                changed.join(", ")
            ));
        }
    }
    if import.repair {
        repair_features(&mut file)?;
    }
    let reoriented_count = file.reoriented().len();
    if reoriented_count > 0 {
        file.remarks.push(format!(
            "the rings of {} had the wrong orientation and were reversed",
            count_with_noun(reoriented_count, "feature", "features")
        ));
    }
    Ok(validated(file)?)
}

/// If the option `repair` would avoid an error, mentions the option in the error.
fn with_hint(error: PolygonImportError, import: &PolygonImport<'_>) -> PolygonImportError {
    const REPAIRABLE: [&str; 2] = [
        "a ring has no area",
        "a hole is outside every exterior ring",
    ];
    match error {
        PolygonImportError::Polygons(PolygonError::Feature {
            file,
            feature,
            reason,
        }) if !import.repair && REPAIRABLE.contains(&reason.as_str()) => {
            PolygonImportError::Polygons(PolygonError::Feature {
                file,
                feature,
                reason: format!("{reason} ({REPAIR_HINT})"),
            })
        }
        error => error,
    }
}

/// Reads the polygon file at the path without validating its features.
pub(crate) fn read_attributes(
    path: &Path,
    import: &PolygonImport<'_>,
) -> Result<PolygonFile, PolygonImportError> {
    read_unvalidated(path, import)
}

fn read_unvalidated(
    path: &Path,
    import: &PolygonImport<'_>,
) -> Result<PolygonFile, PolygonImportError> {
    let options = PolygonReadOptions {
        crs: import.crs,
        is_crs_configurable: true,
        keep_invalid: import.repair,
    };
    let mut source_files = SourceFiles::open(path)?;
    let members = source_files.members();
    let is_file = members.len() == 1 && members[0] == source_files.name() && path.is_file();
    if is_file {
        read_file(path, &source_files.name(), import.layer, &options)
    } else {
        read_member(&mut source_files, import.layer, &options)
    }
}

fn read_file(
    path: &Path,
    name: &str,
    layer: Option<&str>,
    options: &PolygonReadOptions,
) -> Result<PolygonFile, PolygonImportError> {
    match polygon_extension(name) {
        Some(".gpkg") => {
            let mut start = Vec::new();
            let file = File::open(path).map_err(|source| unreadable(path, source))?;
            file.take(GEOPACKAGE_START_BYTES)
                .read_to_end(&mut start)
                .map_err(|source| unreadable(path, source))?;
            refuse_unexpected(name, &start)?;
            Ok(read_geopackage_with(path, layer, options)?)
        }
        Some(".shp") => {
            let read_part = |ending: &str| read_sibling(path, ending);
            read_shapefile(name, name, options, read_part)
        }
        Some(".parquet" | ".geoparquet") => {
            let bytes = read_whole(path)?;
            refuse_unexpected(name, &bytes)?;
            Ok(read_geoparquet_with(name, bytes, options)?)
        }
        Some(_) => Ok(read_geojson_with(name, &read_whole(path)?, options)?),
        None => Err(no_polygon_file(name)),
    }
}

fn read_member(
    source_files: &mut SourceFiles,
    layer: Option<&str>,
    options: &PolygonReadOptions,
) -> Result<PolygonFile, PolygonImportError> {
    let member = select_member(source_files, layer)?;
    let file = member_label(source_files, &member);
    match polygon_extension(&member) {
        Some(".gpkg") => {
            // SQLite can only read from a file.
            let unreadable = |source| unreadable(Path::new(&file), source);
            let temp_folder = tempfile::tempdir().map_err(unreadable)?;
            let path = temp_folder.path().join(lowercase_file_name(&member));
            let bytes = source_files.read_member(&member)?;
            refuse_unexpected(&file, &bytes)?;
            fs::write(&path, bytes).map_err(unreadable)?;
            let inner_layer = layer.filter(|layer| !matches_name(&member, layer));
            Ok(read_geopackage_with(&path, inner_layer, options)?)
        }
        Some(".shp") => {
            let members = source_files.members();
            let stem = stem(&member).to_string();
            read_shapefile(&file, &member, options, |ending| {
                let expected_name = format!("{stem}{ending}");
                let sibling_name = members
                    .iter()
                    .find(|name| name.eq_ignore_ascii_case(&expected_name));
                sibling_name
                    .map(|name| source_files.read_member(name))
                    .transpose()
            })
        }
        Some(".parquet" | ".geoparquet") => {
            let bytes = source_files.read_member(&member)?;
            refuse_unexpected(&file, &bytes)?;
            Ok(read_geoparquet_with(&file, bytes, options)?)
        }
        _ => {
            let bytes = source_files.read_member(&member)?;
            Ok(read_geojson_with(&file, &bytes, options)?)
        }
    }
}

/// Returns the name of the member to read: the only polygon file, or the file that `layer`
/// specifies.
fn select_member(
    source_files: &SourceFiles,
    layer: Option<&str>,
) -> Result<String, PolygonImportError> {
    let members = source_files.members();
    let is_hidden =
        |name: &str| name.starts_with("__MACOSX/") || lowercase_file_name(name).starts_with('.');
    let has_polygon_extension =
        |name: &&String| !is_hidden(name) && polygon_extension(name).is_some();
    let candidates: Vec<&String> = members.iter().filter(has_polygon_extension).collect();
    let is_named = |name: &&&String| layer.is_some_and(|layer| matches_name(name, layer));
    let named: Vec<&&String> = candidates.iter().filter(is_named).collect();
    match (named.as_slice(), candidates.as_slice(), layer) {
        ([only], _, _) => Ok((**only).clone()),
        ([], [only], None) => Ok((*only).clone()),
        // `layer` may be the name of a layer inside the GeoPackage.
        ([], [only], Some(_)) if polygon_extension(only) == Some(".gpkg") => Ok((*only).clone()),
        ([], [], _) => Err(no_polygon_file(&source_files.name())),
        _ => {
            let names: Vec<&str> = candidates.iter().map(|name| name.as_str()).collect();
            Err(PolygonImportError::Polygons(file_error(
                &source_files.name(),
                format!(
                    "`layer` must name one of these files: `{}`",
                    names.join("`, `")
                ),
            )))
        }
    }
}

fn matches_name(member: &str, layer: &str) -> bool {
    let layer = layer.to_ascii_lowercase();
    let base = lowercase_file_name(member);
    member.eq_ignore_ascii_case(&layer) || base == layer || stem(&base) == layer
}

pub(super) fn polygon_extension(name: &str) -> Option<&'static str> {
    let base = lowercase_file_name(name);
    EXTENSIONS.into_iter().find(|ending| base.ends_with(ending))
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn no_polygon_file(source_name: &str) -> PolygonImportError {
    PolygonImportError::Import(ImportError::NoSuchMember {
        source_name: source_name.to_string(),
        expected: "a polygon file (.geojson, .json, .shp, .gpkg, .parquet, or a .zip that contains one)",
    })
}

/// Reads a Shapefile. `read` returns the content of the file with a given extension.
fn read_shapefile(
    file: &str,
    shp: &str,
    options: &PolygonReadOptions,
    mut read_part: impl FnMut(&str) -> Result<Option<Vec<u8>>, ImportError>,
) -> Result<PolygonFile, PolygonImportError> {
    let stem = stem(shp);
    let mut required = |ending: &str| match read_part(ending)? {
        Some(bytes) => {
            refuse_unexpected(&format!("{stem}{ending}"), &bytes)?;
            Ok(bytes)
        }
        None => Err(PolygonImportError::Polygons(PolygonError::File {
            file: file.to_string(),
            reason: match ending {
                ".prj" => format!(
                    "a Shapefile needs the file `{stem}.prj` in the same folder, or \
                     `crs = \"EPSG:27700\"` in the configuration"
                ),
                _ => format!("a Shapefile needs the file `{stem}{ending}` in the same folder"),
            },
        })),
    };
    let (shp, dbf) = (required(".shp")?, required(".dbf")?);
    // The coordinate reference system in the configuration can replace the `.prj` file.
    let prj = match options.crs {
        Some(_) => read_part(".prj")?.unwrap_or_default(),
        None => required(".prj")?,
    };
    let cpg = read_part(".cpg")?.map(|cpg| String::from_utf8_lossy(&cpg).into_owned());
    let parts = ShapefileParts {
        shp: &shp,
        dbf: &dbf,
        prj: &String::from_utf8_lossy(&prj),
        cpg: cpg.as_deref(),
    };
    Ok(read_shapefile_with(file, &parts, options)?)
}

/// The number of bytes at the start of a GeoPackage that are checked for content that is often
/// saved in place of data.
const GEOPACKAGE_START_BYTES: u64 = 1024;

/// Returns an error for a file whose content is not of the kind that its name indicates.
fn refuse_unexpected(file: &str, bytes: &[u8]) -> Result<(), PolygonError> {
    match unexpected_content(bytes) {
        None => Ok(()),
        Some(reason) => Err(file_error(file, reason)),
    }
}

/// Reads the file at `path` with the extension replaced by `ending`, in lower or upper case.
/// Returns `None` if there is no such file.
fn read_sibling(path: &Path, ending: &str) -> Result<Option<Vec<u8>>, ImportError> {
    let without_dot = ending.trim_start_matches('.');
    for ending in [without_dot.to_string(), without_dot.to_ascii_uppercase()] {
        let sibling_path = path.with_extension(ending);
        if sibling_path.is_file() {
            return read_whole(&sibling_path).map(Some);
        }
    }
    Ok(None)
}

fn read_whole(path: &Path) -> Result<Vec<u8>, ImportError> {
    read_whole_file(path).map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: io::Error) -> ImportError {
    ImportError::Unreadable {
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use tempfile::TempDir;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::formats::geopackage_fixture::{SQUARE, blob, wkb, write_one_layer};
    use crate::formats::shapefile_fixture::{PRJ, shp_and_dbf};
    use crate::formats::{self, Crs};

    const GRID_CRS: &str =
        r#""crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::27700"}},"#;

    /// Formats GeoJSON with one feature that has these rings.
    fn geojson(crs: &str, rings: &[&[[f64; 2]]]) -> String {
        let coordinates = format!("{rings:?}");
        format!(
            r#"{{"type":"FeatureCollection",{crs}"features":[{{"type":"Feature","properties":{{"id":"k"}},"geometry":{{"type":"Polygon","coordinates":{coordinates}}}}}]}}"#
        )
    }

    fn folder(files: &[(&str, &[u8])]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).expect("a file");
        }
        let path = folder.path().to_path_buf();
        (folder, path)
    }

    fn archive(path: &Path, files: &[(&str, &[u8])]) {
        let mut writer = ZipWriter::new(File::create(path).expect("a file"));
        for (name, bytes) in files {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .expect("a member");
            writer.write_all(bytes).expect("a member");
        }
        writer.finish().expect("an archive");
    }

    #[test]
    fn every_format_gives_the_same_polygons() {
        let (shp, dbf) = shp_and_dbf(&[&[&SQUARE]]);
        let files: [(&str, &[u8]); 4] = [
            ("a.shp", &shp),
            ("a.dbf", &dbf),
            ("a.PRJ", PRJ.as_bytes()),
            ("a.cpg", b"ISO-8859-1\n"),
        ];
        let (_folder, path) = folder(&files);
        let grid = geojson(GRID_CRS, &[&SQUARE]);
        fs::write(path.join("b.geojson"), &grid).expect("a file");
        write_one_layer(
            &path.join("c.gpkg"),
            27700,
            &[("k", Some(blob(27700, 0, &wkb(3, 2, true, &[&SQUARE]))))],
        );
        archive(
            &path.join("d.zip"),
            &files.map(|(name, bytes)| (name, bytes)),
        );
        let gpkg = fs::read(path.join("c.gpkg")).expect("a file");
        archive(
            &path.join("e.zip"),
            &[("in/c.gpkg", &gpkg), ("__MACOSX/in/c.gpkg", b"")],
        );
        let expected = read(&path.join("b.geojson"), None).expect("a polygon");
        for (name, layer) in [
            ("a.shp", None),
            ("c.gpkg", None),
            ("c.gpkg", Some("icc")),
            ("d.zip", None),
            ("d.zip", Some("a")),
            ("e.zip", None),
            ("e.zip", Some("icc")),
            ("", Some("a.shp")),
            ("", Some("B")),
        ] {
            let file = read(&path.join(name), layer).expect(name);
            assert_eq!(file.crs, Crs::BritishGrid, "{name}");
            assert_eq!(sorted_vertices(&file), sorted_vertices(&expected), "{name}");
            assert!(file.reoriented().is_empty(), "{name}");
        }
        let error = read(&path, None).expect_err("a choice").to_string();
        assert!(
            error.contains("`layer` must name one of these files"),
            "{error}"
        );
        assert!(read(&path, Some("z")).is_err());
    }

    /// Returns the vertices of the first feature, sorted so that the start of each ring does not
    /// matter.
    fn sorted_vertices(file: &PolygonFile) -> Vec<(i64, i64)> {
        let vertices = file.features[0].polygons.concat().concat();
        let mut vertices: Vec<(i64, i64)> = vertices.iter().map(geo::Coord::x_y).collect();
        vertices.sort_unstable();
        vertices
    }

    #[test]
    fn missing_shapefile_part_is_named() {
        let (shp, dbf) = shp_and_dbf(&[&[&SQUARE]]);
        let (files, path) = folder(&[("a.shp", &shp), ("a.dbf", &dbf)]);
        let error = read(&path.join("a.shp"), None)
            .expect_err("no .prj")
            .to_string();
        assert_eq!(
            error,
            "a.shp: a Shapefile needs the file `a.prj` in the same folder, or \
             `crs = \"EPSG:27700\"` in the configuration"
        );
        let import = PolygonImport {
            crs: Some(SourceCrs::BritishGrid),
            ..PolygonImport::default()
        };
        // The names in the fixture are encoded in Latin-1.
        fs::write(files.path().join("a.cpg"), "1252").expect("a file");
        let file = read_with(&path.join("a.shp"), &import).expect("a configured system");
        assert_eq!(file.remarks.len(), 1);
        let (_folder, path) = folder(&[("a.txt", b"x")]);
        assert!(read(&path, None).is_err());
        assert!(read(&path.join("a.txt"), None).is_err());
        assert!(read(&path.join("none.shp"), None).is_err());
    }

    #[test]
    fn invalid_polygon_is_rejected_with_its_id() {
        let bow_tie = [
            [-3.0, 54.0],
            [-2.0, 55.0],
            [-2.0, 54.0],
            [-3.0, 55.0],
            [-3.0, 54.0],
        ];
        let lopsided = [
            [-3.0, 54.0],
            [-2.0, 55.0],
            [-2.0, 54.0],
            [-3.0, 54.5],
            [-3.0, 54.0],
        ];
        let square = [
            [-3.0, 54.0],
            [-2.0, 54.0],
            [-2.0, 55.0],
            [-3.0, 55.0],
            [-3.0, 54.0],
        ];
        let hole_outside = [[-1.0, 54.0], [-1.0, 54.5], [-0.5, 54.5], [-1.0, 54.0]];
        for (rings, reason) in [
            (&[&bow_tie[..]][..], "a ring has no area"),
            (&[&lopsided[..]], "a ring crosses or touches itself"),
            (
                &[&square[..4]],
                "a ring should have at least four positions, the last equal to the first",
            ),
            (
                &[&[square[0], square[1], square[0]]],
                "a ring should have at least four positions, the last equal to the first",
            ),
            (&[], "a polygon has no rings"),
            (
                &[&square, &hole_outside],
                "a hole extends outside its exterior ring",
            ),
        ] {
            let text = geojson("", rings);
            let (_folder, path) = folder(&[("a.geojson", text.as_bytes())]);
            let error = read(&path.join("a.geojson"), None)
                .expect_err(reason)
                .to_string();
            let expected = format!("a.geojson, feature 1 (`k`): {reason}");
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn invalid_polygons_are_repaired_and_reported() {
        let degrees = |rings: &str| {
            format!(
                r#"{{"type":"Feature","properties":{{"id":"k"}},"geometry":{{"type":"Polygon","coordinates":{rings}}}}}"#
            )
        };
        for (rings, polygons, words) in [
            (
                "[[[-3,54],[-2,55],[-2,54],[-3,55],[-3,54]]]",
                2,
                "a ring crosses or touches itself near",
            ),
            (
                "[[[-3,54],[-2,55],[-2,54],[-3,54.5],[-3,54]]]",
                2,
                "its area changed by +",
            ),
            (
                "[[[-3,54],[-2,54],[-2,55],[-3,54]],[[-2.5,54.1],[-2.4,54.1],[-2.5,54.1],[-2.5,54.1]]]",
                1,
                "a ring is only a point or a line",
            ),
            (
                "[[[-3,54],[-2,54],[-2,55],[-3,54]],[[-1,54],[-1,55],[-0.5,54],[-1,54]]]",
                2,
                "a hole extends outside",
            ),
        ] {
            let (_folder, path) = folder(&[("a.geojson", degrees(rings).as_bytes())]);
            let path = path.join("a.geojson");
            let import = PolygonImport {
                repair: true,
                ..PolygonImport::default()
            };
            let file = read_with(&path, &import).expect(rings);
            assert_eq!(file.features[0].polygons.len(), polygons, "{rings}");
            let remark = &file.remarks[0];
            assert!(
                remark.starts_with("feature 1 (`k`) was repaired") && remark.contains(words),
                "{remark}"
            );
            assert!(read(&path, None).is_err());
        }
        let line = degrees("[[[-3,54],[-2,54],[-3,54],[-3,54]]]");
        let (_folder, path) = folder(&[("a.geojson", line.as_bytes())]);
        let import = PolygonImport {
            repair: true,
            ..PolygonImport::default()
        };
        let error = read_with(&path.join("a.geojson"), &import).expect_err("nothing remains");
        assert!(error.to_string().contains("it has no area"), "{error}");
    }

    #[test]
    fn clockwise_polygon_is_reoriented_and_reported() {
        let mut clockwise = SQUARE;
        clockwise.reverse();
        let text = geojson(GRID_CRS, &[&clockwise]);
        let (_folder, path) = folder(&[("a.json", text.as_bytes())]);
        let file = read(&path.join("a.json"), None).expect("a polygon");
        assert_eq!(file.reoriented(), ["1 (`k`)"]);
        let mut hole = SQUARE.map(|[x, y]| [(x + 300_500.0) / 2.0, (y + 470_500.0) / 2.0]);
        let (as_esri, dbf) = shp_and_dbf(&[&[&SQUARE, &reversed(&hole)]]);
        hole.reverse();
        let (as_geojson, _) = shp_and_dbf(&[&[&clockwise, &reversed(&hole)]]);
        for (shp, reoriented) in [(as_esri, false), (as_geojson, true)] {
            let parts = ShapefileParts {
                shp: &shp,
                dbf: &dbf,
                prj: PRJ,
                cpg: Some("1252"),
            };
            let file = formats::read_shapefile("a.shp", &parts).expect("a polygon");
            assert_eq!(file.features[0].reoriented, reoriented);
            assert_eq!(file.features[0].polygons[0].len(), 2);
            assert!(validated(file).is_ok());
        }
    }

    fn reversed(ring: &[[f64; 2]]) -> Vec<[f64; 2]> {
        ring.iter().rev().copied().collect()
    }

    #[test]
    fn real_files_are_imported() {
        let Some(folder) = std::env::var_os("CATCHMENT_REAL_DATA").map(PathBuf::from) else {
            eprintln!("skipped: set CATCHMENT_REAL_DATA to the folder of published files");
            return;
        };
        for (name, features, crs) in [
            ("icc-morecambe-bay-shp", 8, Crs::BritishGrid),
            (
                "icc-morecambe-bay-shp/icc_morecambe_bay.shp",
                8,
                Crs::BritishGrid,
            ),
            ("icc_morecambe_bay.geojson", 8, Crs::LonLat),
            ("lsoa11_morecambe_bay_bgc.geojson", 206, Crs::LonLat),
            ("lsoa21_morecambe_bay_bsc.geojson", 203, Crs::LonLat),
        ] {
            let file = read(&folder.join(name), None).expect(name);
            eprintln!(
                "{name}: {} features, {:?}, {} reoriented",
                file.features.len(),
                file.crs,
                file.reoriented().len()
            );
            assert_eq!((file.crs, file.features.len()), (crs, features), "{name}");
        }
    }

    /// The LSOAs of 2011, as published by ONS, have three holes that are stored as parts, as in
    /// this test.
    #[test]
    fn nested_part_is_an_error_unless_read_as_a_hole() {
        let square = |west: f64, side: f64| {
            let (south, east) = (west + 56.0, west + side);
            let north = south + side;
            serde_json::json!([[
                [west, south],
                [west, north],
                [east, north],
                [east, south],
                [west, south]
            ]])
        };
        let collection = serde_json::json!({ "type": "FeatureCollection", "features": [{
            "type": "Feature",
            "properties": { "id": "a" },
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [square(-3.0, 1.0), square(-2.6, 0.2), square(-1.0, 0.5)],
            },
        }] });
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("areas.geojson");
        fs::write(&path, collection.to_string()).expect("a file");
        let error = read(&path, None).expect_err("an error").to_string();
        assert!(error.contains("its parts overlap near easting"), "{error}");
        let import = PolygonImport {
            nested_parts_to_holes: true,
            ..PolygonImport::default()
        };
        let file = read_with(&path, &import).expect("a valid area");
        // The rings were also clockwise.
        assert_eq!(file.remarks.len(), 2);
        let rings: Vec<usize> = file.features[0].polygons.iter().map(Vec::len).collect();
        assert_eq!(rings, [2, 1]);
    }
}
