//! Readers of polygon files: GeoJSON, Shapefile and GeoPackage, as a single file, in a folder or in
//! a zip archive.

use std::fs;
use std::io;
use std::path::Path;

use super::rows::{lowercase_file_name, member_label};
use super::{ImportError, SourceFiles, read_whole_file};
use crate::dataset::validation::{nested_parts_to_holes, validated};
use crate::formats::{
    self, PolygonError, PolygonFile, ShapefileParts, read_geojson, read_geopackage,
};

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
const EXTENSIONS: [&str; 4] = [".geojson", ".json", ".shp", ".gpkg"];

/// Reads the polygon file at the path and validates every feature. Rings with the wrong orientation
/// are reversed; `PolygonFile::reoriented` names the features with such rings.
///
/// `layer` is the name of a layer in a GeoPackage, or the name, with or without its extension, of a
/// file in a folder or archive. `layer` is required if there is more than one layer or file to
/// choose from.
///
/// # Errors
/// If the format is not GeoJSON, Shapefile or GeoPackage, `layer` does not select exactly one file
/// or layer, the file cannot be read, or a feature is not valid.
pub fn read(path: &Path, layer: Option<&str>) -> Result<PolygonFile, PolygonImportError> {
    Ok(validated(read_unvalidated(path, layer)?)?)
}

/// Reads polygons as [`read`] does, but from a file that stores some holes as parts of the feature.
/// A part inside another part becomes a hole. Also returns the labels of the features that were
/// changed.
///
/// # Errors
/// If [`read`] would return an error.
pub(crate) fn read_with_nested_parts(
    path: &Path,
    layer: Option<&str>,
) -> Result<(PolygonFile, Vec<String>), PolygonImportError> {
    let mut file = read_unvalidated(path, layer)?;
    let changed = nested_parts_to_holes(&mut file);
    Ok((validated(file)?, changed))
}

fn read_unvalidated(path: &Path, layer: Option<&str>) -> Result<PolygonFile, PolygonImportError> {
    let mut source_files = SourceFiles::open(path)?;
    let members = source_files.members();
    let is_file = members.len() == 1 && members[0] == source_files.name() && path.is_file();
    if is_file {
        read_file(path, &source_files.name(), layer)
    } else {
        read_member(&mut source_files, layer)
    }
}

fn read_file(
    path: &Path,
    name: &str,
    layer: Option<&str>,
) -> Result<PolygonFile, PolygonImportError> {
    match polygon_extension(name) {
        Some(".gpkg") => Ok(read_geopackage(path, layer)?),
        Some(".shp") => {
            let read_part = |ending: &str| read_sibling(path, ending);
            read_shapefile(name, name, read_part)
        }
        Some(_) => Ok(read_geojson(name, &read_whole(path)?)?),
        None => Err(no_polygon_file(name)),
    }
}

fn read_member(
    source_files: &mut SourceFiles,
    layer: Option<&str>,
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
            fs::write(&path, bytes).map_err(unreadable)?;
            let inner_layer = layer.filter(|layer| !matches_name(&member, layer));
            Ok(read_geopackage(&path, inner_layer)?)
        }
        Some(".shp") => {
            let members = source_files.members();
            let stem = stem(&member).to_string();
            read_shapefile(&file, &member, |ending| {
                let expected_name = format!("{stem}{ending}");
                let sibling_name = members
                    .iter()
                    .find(|name| name.eq_ignore_ascii_case(&expected_name));
                sibling_name
                    .map(|name| source_files.read_member(name))
                    .transpose()
            })
        }
        _ => Ok(read_geojson(&file, &source_files.read_member(&member)?)?),
    }
}

/// Returns the name of the member to read: the only polygon file, or the file that `layer` names.
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
            Err(PolygonImportError::Polygons(PolygonError::File {
                file: source_files.name(),
                reason: format!(
                    "`layer` must name one of these files: `{}`",
                    names.join("`, `")
                ),
            }))
        }
    }
}

fn matches_name(member: &str, layer: &str) -> bool {
    let layer = layer.to_ascii_lowercase();
    let base = lowercase_file_name(member);
    member.eq_ignore_ascii_case(&layer) || base == layer || stem(&base) == layer
}

fn polygon_extension(name: &str) -> Option<&'static str> {
    let base = lowercase_file_name(name);
    EXTENSIONS.into_iter().find(|ending| base.ends_with(ending))
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn no_polygon_file(source_name: &str) -> PolygonImportError {
    PolygonImportError::Import(ImportError::NoSuchMember {
        source_name: source_name.to_string(),
        expected: "a polygon file (.geojson, .json, .shp, .gpkg, or a .zip that contains one)",
    })
}

/// Reads a Shapefile through a function that reads the file with a given extension.
fn read_shapefile(
    file: &str,
    shp: &str,
    mut read_part: impl FnMut(&str) -> Result<Option<Vec<u8>>, ImportError>,
) -> Result<PolygonFile, PolygonImportError> {
    let stem = stem(shp);
    let mut required = |ending: &str| match read_part(ending)? {
        Some(bytes) => Ok(bytes),
        None => Err(PolygonImportError::Polygons(PolygonError::File {
            file: file.to_string(),
            reason: format!("a Shapefile needs the file `{stem}{ending}` in the same folder"),
        })),
    };
    let (shp, dbf, prj) = (required(".shp")?, required(".dbf")?, required(".prj")?);
    let cpg = read_part(".cpg")?.map(|cpg| String::from_utf8_lossy(&cpg).into_owned());
    let parts = ShapefileParts {
        shp: &shp,
        dbf: &dbf,
        prj: &String::from_utf8_lossy(&prj),
        cpg: cpg.as_deref(),
    };
    Ok(formats::read_shapefile(file, &parts)?)
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
    use std::fs::File;
    use std::io::Write;
    use std::path::PathBuf;

    use tempfile::TempDir;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::formats::Crs;
    use crate::formats::geopackage_fixture::{SQUARE, blob, wkb, write_one_layer};
    use crate::formats::shapefile_fixture::{PRJ, shp_and_dbf};

    const GRID_CRS: &str =
        r#""crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::27700"}},"#;

    /// Formats GeoJSON of one feature with these rings.
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
        let (_folder, path) = folder(&[("a.shp", &shp), ("a.dbf", &dbf)]);
        let error = read(&path.join("a.shp"), None)
            .expect_err("no .prj")
            .to_string();
        assert_eq!(
            error,
            "a.shp: a Shapefile needs the file `a.prj` in the same folder"
        );
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
            assert_eq!(error, format!("a.geojson, feature 1 (`k`): {reason}"));
        }
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
        let square = |value: f64, side: f64| {
            let end = value + side;
            serde_json::json!([[
                [value, value],
                [value, end],
                [end, end],
                [end, value],
                [value, value]
            ]])
        };
        let collection = serde_json::json!({ "type": "FeatureCollection", "features": [{
            "type": "Feature",
            "properties": { "id": "a" },
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [square(50.0, 1.0), square(50.4, 0.2), square(52.0, 0.5)],
            },
        }] });
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("areas.geojson");
        fs::write(&path, collection.to_string()).expect("a file");
        let error = read(&path, None).expect_err("an error").to_string();
        assert!(error.ends_with("its parts overlap"), "{error}");
        let (file, changed) = read_with_nested_parts(&path, None).expect("a valid area");
        assert_eq!(changed.len(), 1);
        let rings: Vec<usize> = file.features[0].polygons.iter().map(Vec::len).collect();
        assert_eq!(rings, [2, 1]);
    }
}
