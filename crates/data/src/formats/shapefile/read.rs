//! Reads ESRI Shapefiles: `.shp` with `.dbf`, `.prj` and `.cpg`.

use std::collections::BTreeMap;
use std::io::Cursor;

use geo::Intersects;
use shapefile::dbase;

use super::LANGUAGE_BYTE;
use crate::formats::coordinates::{ParsedPolygons, RingParser};
use crate::formats::crs::{self, SourceCrs};
use crate::formats::polygon_file::{
    CaseVariants, PolygonError, PolygonFeature, PolygonFile, PolygonReadOptions, feature_error,
    feature_label, file_error,
};
use crate::formats::rings::{Polygon, Ring, assemble_polygons, doubled_signed_area};
use crate::plural::count_with_noun;
use catchment_core::geometry::bbox::bounding_rect;

/// The files of a Shapefile.
#[derive(Debug, Clone, Copy)]
pub struct ShapefileParts<'a> {
    /// The geometries.
    pub shp: &'a [u8],
    /// The attributes.
    pub dbf: &'a [u8],
    /// The coordinate reference system. Empty if there is no `.prj` file.
    pub prj: &'a str,
    /// The content of the `.cpg` file, which states the code page of the attributes. If there is no
    /// `.cpg` file, the language byte of the `.dbf` file determines the code page. If the language
    /// byte is not set either, the code page is UTF-8.
    pub cpg: Option<&'a str>,
}

/// Reads an ESRI Shapefile: `.shp` with `.dbf`, `.prj` and `.cpg`. Assigns holes to exterior rings,
/// because the format does not state which exterior a hole belongs to. Omits shapes without a
/// geometry, and lists them.
pub fn read_shapefile(name: &str, parts: &ShapefileParts<'_>) -> Result<PolygonFile, PolygonError> {
    read_shapefile_with(name, parts, &PolygonReadOptions::default())
}

/// Reads a Shapefile as [`read_shapefile`] does, with these options.
pub(crate) fn read_shapefile_with(
    name: &str,
    parts: &ShapefileParts<'_>,
    options: &PolygonReadOptions,
) -> Result<PolygonFile, PolygonError> {
    let in_file = |reason: String| file_error(name, reason);
    let stated = match parts.prj.trim() {
        "" => Err("it has no .prj, or an empty one".to_string()),
        prj => SourceCrs::from_wkt(prj).map_err(|reason| format!("its .prj: {reason}")),
    };
    let (source_crs, remark) =
        crs::choose(stated, options.crs, options.is_crs_configurable).map_err(in_file)?;
    let parser = RingParser {
        crs: source_crs,
        keep_invalid: options.keep_invalid,
    };
    let shapes = read_shapes(parts.shp).map_err(in_file)?;
    let (records, case_variants) = read_records(parts.dbf, parts.cpg).map_err(in_file)?;
    if shapes.len() != records.len() {
        let shapes = count_with_noun(shapes.len(), "shape", "shapes");
        let records = count_with_noun(records.len(), "record", "records");
        return Err(in_file(format!(
            "its .shp has {shapes} but its .dbf has {records}; the numbers should be equal"
        )));
    }
    let mut features = Vec::with_capacity(shapes.len());
    let mut without_geometry = Vec::new();
    for (index, (shape, record)) in shapes.into_iter().zip(records).enumerate() {
        let (attributes, case_variants) = case_variants.separate(record);
        let label = feature_label(index + 1, &attributes);
        if matches!(shape, shapefile::Shape::NullShape) {
            without_geometry.push(label);
            continue;
        }
        let parsed =
            shape_polygons(&shape, parser).map_err(|reason| feature_error(name, &label, reason))?;
        features.push(PolygonFeature::new(
            index + 1,
            attributes,
            case_variants,
            parsed,
        ));
    }
    let mut file =
        PolygonFile::new_non_empty(name, source_crs.stored(), features, without_geometry)?;
    file.case_variants = case_variants;
    file.remarks.extend(remark);
    Ok(file)
}

/// Reads the shapes of a `.shp` file.
fn read_shapes(shp: &[u8]) -> Result<Vec<shapefile::Shape>, String> {
    check_length(shp)?;
    let mut reader =
        shapefile::ShapeReader::new(Cursor::new(shp)).map_err(|error| error.to_string())?;
    let mut shapes = Vec::new();
    for shape in reader.iter_shapes() {
        let ordinal = shapes.len() + 1;
        shapes.push(shape.map_err(|error| format!("shape {ordinal} of its .shp: {error}"))?);
    }
    Ok(shapes)
}

/// Checks the file size against the length in the header (bytes 24 to 27, in 16-bit words), because
/// a truncated file would otherwise be read up to its end without an error.
fn check_length(shp: &[u8]) -> Result<(), String> {
    let Some(&[a, b, c, d]) = shp.get(24..28) else {
        return Err("its .shp should begin with a header of 100 bytes".into());
    };
    let header_bytes = 2 * u64::from(u32::from_be_bytes([a, b, c, d]));
    if header_bytes == shp.len() as u64 {
        return Ok(());
    }
    Err(format!(
        "its .shp has {} bytes, but its header states {header_bytes}; was the file truncated?",
        shp.len()
    ))
}

/// The attributes of a record, by exact name.
type DbfRecord = BTreeMap<String, String>;

/// Reads the attributes of each record of a `.dbf` file, and finds the columns whose names differ
/// only in case.
fn read_records(dbf: &[u8], cpg: Option<&str>) -> Result<(Vec<DbfRecord>, CaseVariants), String> {
    let mut builder = dbase::ReaderBuilder::new();
    if let Some(encoding) = dbf_encoding(dbf, cpg)? {
        builder = builder.with_encoding(encoding);
    }
    let mut reader = builder
        .build(Cursor::new(floats_as_numbers(dbf)))
        .map_err(|error| format!("its .dbf: {error}"))?;
    let mut names: Vec<&str> = reader.fields().iter().map(dbase::FieldInfo::name).collect();
    let case_variants = CaseVariants::find(names.iter().copied());
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("its .dbf has two columns `{}`", twice[0]));
    }
    let mut records = Vec::new();
    for record in reader.iter_records() {
        let attributes =
            attributes_of_record(record.map_err(|error| format!("its .dbf: {error}"))?);
        let undecoded = |text: &String| text.contains('\u{fffd}');
        if let Some((name, _)) = attributes.iter().find(|(_, text)| undecoded(text)) {
            return Err(format!(
                "record {} of its .dbf, column `{}`: the text is not valid in the code page; \
                 its .cpg should name the correct code page",
                records.len() + 1,
                name.to_lowercase()
            ));
        }
        records.push(attributes);
    }
    Ok((records, case_variants))
}

/// Changes the type of columns from F to N. Both types are stored as text, but the `dbase` crate
/// reads F with single precision, which changes an id of more than seven digits.
fn floats_as_numbers(dbf: &[u8]) -> Vec<u8> {
    const HEADER_BYTES: usize = 32;
    const DESCRIPTOR_BYTES: usize = 32;
    const TYPE_BYTE: usize = 11;
    const END: u8 = 0x0d;
    let mut dbf = dbf.to_vec();
    let descriptors = dbf.get_mut(HEADER_BYTES..).unwrap_or_default();
    for descriptor in descriptors.chunks_exact_mut(DESCRIPTOR_BYTES) {
        if descriptor[0] == END {
            break;
        }
        if descriptor[TYPE_BYTE] == b'F' {
            descriptor[TYPE_BYTE] = b'N';
        }
    }
    dbf
}

/// Returns the encoding that the `.cpg` file states or, if there is no `.cpg` file, the encoding
/// that the language byte of the `.dbf` file states. Neither is standardised. ESRI and GDAL write
/// the language byte 0x57 for Latin-1, which the `dbase` crate does not recognise.
fn dbf_encoding(
    dbf: &[u8],
    cpg: Option<&str>,
) -> Result<Option<dbase::encoding::DynEncoding>, String> {
    const ANSI: u8 = 0x57;
    let Some(code_page) = cpg else {
        let is_ansi = dbf.get(LANGUAGE_BYTE) == Some(&ANSI);
        let ansi = is_ansi.then(|| dbase::encoding::DynEncoding::from_name("1252"));
        return Ok(ansi.flatten());
    };
    let normalised: String = code_page
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let name = match normalised.as_str() {
        "utf8" | "65001" | "cp65001" | "usascii" | "ascii" => "UTF-8",
        "latin1" | "iso88591" | "88591" | "1252" | "cp1252" | "windows1252" | "ansi1252" => "1252",
        "iso885915" | "885915" | "latin9" => "8859-15",
        _ => "",
    };
    match dbase::encoding::DynEncoding::from_name(name) {
        Some(encoding) => Ok(Some(encoding)),
        None => Err(format!(
            "its .cpg names `{}`; it should name UTF-8, ISO-8859-1, ISO-8859-15 or 1252",
            code_page.trim()
        )),
    }
}

fn shape_polygons(
    shape: &shapefile::Shape,
    parser: RingParser,
) -> Result<ParsedPolygons, &'static str> {
    let rings = shape_rings(shape)?;
    if rings.is_empty() {
        return Err("a polygon has no rings");
    }
    let parsed = rings.iter().map(|positions| parser.parse_ring(positions));
    let parsed = parsed.collect::<Result<Vec<Option<Ring>>, _>>()?;
    let dropped_rings = parsed.contains(&None);
    let as_written: Vec<Ring> = parsed.into_iter().flatten().collect();
    // The exteriors of a Shapefile are clockwise.
    let mut reversed = as_written.clone();
    reversed.iter_mut().for_each(|ring| ring.reverse());
    let (polygons, reoriented) = match assemble_polygons(reversed.clone()) {
        Ok(polygons) => (polygons, false),
        // Some writers use the orientation of GeoJSON. In their files, an exterior looks like a
        // hole outside every exterior. A correct file never has such a hole.
        Err(reason) => match assemble_polygons(as_written) {
            Ok(polygons) => (polygons, true),
            // The repair determines later which rings are holes.
            Err(_) if parser.keep_invalid => (assemble_for_repair(reversed), false),
            Err(_) => return Err(reason),
        },
    };
    Ok(ParsedPolygons {
        polygons,
        reoriented,
        dropped_rings,
    })
}

/// Assembles rings, some of which are holes outside every exterior or have no area. A hole outside
/// every exterior becomes a hole of the first exterior whose bounding box overlaps the hole's
/// bounding box, because the repair determines whether the two intersect. Every other such ring
/// becomes a polygon.
fn assemble_for_repair(rings: Vec<Ring>) -> Vec<Polygon> {
    let (exteriors, others): (Vec<Ring>, Vec<Ring>) = rings
        .into_iter()
        .partition(|ring| doubled_signed_area(ring) > 0);
    let mut polygons: Vec<Polygon> = exteriors.iter().map(|ring| vec![ring.clone()]).collect();
    for mut ring in others {
        let is_hole = doubled_signed_area(&ring) < 0;
        let enclosing = polygons.iter().position(|polygon| {
            let pair = vec![polygon[0].clone(), ring.clone()];
            assemble_polygons(pair).is_ok()
        });
        let overlapping = || {
            polygons
                .iter()
                .position(|polygon| boxes_overlap(&polygon[0], &ring))
        };
        match enclosing.or_else(overlapping).filter(|_| is_hole) {
            Some(index) => polygons[index].push(ring),
            None => {
                if is_hole {
                    ring.reverse();
                }
                polygons.push(vec![ring]);
            }
        }
    }
    polygons
}

fn boxes_overlap(one: &Ring, other: &Ring) -> bool {
    let (one, other) = (
        bounding_rect(one.iter().copied()),
        bounding_rect(other.iter().copied()),
    );
    one.zip(other)
        .is_some_and(|(one, other)| one.intersects(&other))
}

fn shape_rings(shape: &shapefile::Shape) -> Result<Vec<Vec<[f64; 2]>>, &'static str> {
    use shapefile::Shape;
    match shape {
        Shape::Polygon(polygon) => Ok(xy_rings(polygon.rings(), |p| [p.x, p.y])),
        Shape::PolygonZ(polygon) => Ok(xy_rings(polygon.rings(), |p| [p.x, p.y])),
        Shape::PolygonM(polygon) => Ok(xy_rings(polygon.rings(), |p| [p.x, p.y])),
        _ => Err("it should be a polygon"),
    }
}

fn xy_rings<P>(
    rings: &[shapefile::PolygonRing<P>],
    to_xy: impl Fn(&P) -> [f64; 2],
) -> Vec<Vec<[f64; 2]>> {
    rings
        .iter()
        .map(|ring| ring.points().iter().map(&to_xy).collect())
        .collect()
}

fn attributes_of_record(record: dbase::Record) -> BTreeMap<String, String> {
    use dbase::FieldValue;
    let text = |value: FieldValue| match value {
        FieldValue::Character(text) => text.unwrap_or_default(),
        FieldValue::Numeric(Some(number)) => number.to_string(),
        FieldValue::Float(Some(number)) => number.to_string(),
        FieldValue::Double(number) | FieldValue::Currency(number) => number.to_string(),
        FieldValue::Integer(number) => number.to_string(),
        FieldValue::Logical(Some(flag)) => flag.to_string(),
        FieldValue::Memo(text) => text,
        FieldValue::Date(Some(date)) => {
            format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
        }
        _ => String::new(),
    };
    record
        .into_iter()
        .map(|(name, value)| (name, text(value)))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

#[cfg(test)]
pub(crate) mod fixture {
    use std::io::Cursor;

    use shapefile::dbase::{FieldValue, Record, TableWriterBuilder};
    use shapefile::{Point, Polygon, PolygonRing, ShapeWriter};

    pub(crate) const PRJ: &str = r#"PROJCS["British_National_Grid",GEOGCS["GCS_OSGB_1936",DATUM["D_OSGB_1936",SPHEROID["Airy_1830",6377563.396,299.3249646]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",400000.0],PARAMETER["False_Northing",-100000.0],PARAMETER["Central_Meridian",-2.0],PARAMETER["Scale_Factor",0.9996012717],PARAMETER["Latitude_Of_Origin",49.0],UNIT["Meter",1.0]]"#;

    /// Encodes polygons as `.shp` and `.dbf` files. Reverses the rings, and encodes the names in
    /// Latin-1.
    pub(crate) fn shp_and_dbf(polygons: &[&[&[[f64; 2]]]]) -> (Vec<u8>, Vec<u8>) {
        let (mut shp, mut dbf) = (Cursor::new(Vec::new()), Cursor::new(Vec::new()));
        {
            let mut table = TableWriterBuilder::new()
                .add_character_field("ID".try_into().expect("a name"), 20)
                .build_with_dest(&mut dbf);
            let mut writer = ShapeWriter::new(&mut shp);
            for rings in polygons {
                let ring = |ring: &&[[f64; 2]]| {
                    let points = ring.iter().rev().map(|&[x, y]| Point::new(x, y));
                    PolygonRing::from(points.collect::<Vec<_>>())
                };
                let polygon = Polygon::with_rings(rings.iter().map(ring).collect());
                writer.write_shape(&polygon).expect("a shape");
                let mut record = Record::default();
                record.insert("ID".into(), FieldValue::Character(Some("Caf#".into())));
                table.write_record(&record).expect("a record");
            }
            writer.finalize().expect("a shapefile");
        }
        let mut dbf = dbf.into_inner();
        for byte in dbf.iter_mut().filter(|byte| **byte == b'#') {
            *byte = 0xe9;
        }
        (shp.into_inner(), dbf)
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{PRJ, shp_and_dbf};
    use super::*;
    use crate::formats::geopackage_fixture::SQUARE;

    #[test]
    fn a_missing_or_wrong_prj_can_be_overridden() {
        let (shp, dbf) = shp_and_dbf(&[&[&SQUARE]]);
        let degrees = r#"GEOGCS["x",DATUM["D_WGS_1984"],UNIT["Degree",0.0174532925199433]]"#;
        let read = |prj: &str, crs: Option<SourceCrs>| {
            let parts = ShapefileParts {
                shp: &shp,
                dbf: &dbf,
                prj,
                cpg: Some("1252"),
            };
            let options = PolygonReadOptions {
                crs,
                ..PolygonReadOptions::default()
            };
            let file = read_shapefile_with("a.shp", &parts, &options);
            file.map(|file| file.remarks.len())
                .map_err(|error| error.to_string())
        };
        let grid = Some(SourceCrs::BritishGrid);
        assert_eq!(read(PRJ, None), Ok(0));
        assert_eq!(read(PRJ, grid), Ok(0));
        assert_eq!(read("", grid), Ok(1));
        assert_eq!(read(degrees, grid), Ok(1));
        for (prj, expected) in [
            ("", "it has no .prj, or an empty one"),
            (degrees, "a vertex is not in degrees"),
            ("x", "its .prj: `x` cannot be read"),
        ] {
            let error = read(prj, None).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn rings_for_a_repair_keep_their_holes() {
        let square = |x: i64, y: i64, side: i64| -> Ring {
            [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
                .map(geo::Coord::from)
                .to_vec()
        };
        let hole = |x, y, side| {
            let mut hole = square(x, y, side);
            hole.reverse();
            hole
        };
        let rings = vec![
            square(0, 0, 100),
            square(500, 0, 100),
            hole(510, 10, 20),
            // One hole crosses its exterior, one is outside, and one has no area.
            hole(90, 10, 200),
            hole(900, 0, 10),
            [(0, 0), (9, 9), (9, 0), (0, 9)]
                .map(geo::Coord::from)
                .to_vec(),
        ];
        let polygons = assemble_for_repair(rings);
        let sizes: Vec<usize> = polygons.iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 2, 1, 1]);
        assert!(doubled_signed_area(&polygons[2][0]) > 0);
    }

    #[test]
    fn every_type_of_column_is_read() {
        use shapefile::dbase::{FieldValue, Record, TableWriterBuilder};
        let (shp, _) = shp_and_dbf(&[&[&SQUARE]]);
        let mut dbf = Cursor::new(Vec::new());
        let name = |text: &str| text.try_into().expect("a name");
        let mut table = TableWriterBuilder::new()
            .add_numeric_field(name("CODE"), 12, 0)
            .add_logical_field(name("FLAG"))
            .add_character_field(name("Id"), 2)
            .add_character_field(name("ID"), 2)
            .build_with_dest(&mut dbf);
        let mut record = Record::default();
        record.insert("CODE".into(), FieldValue::Numeric(Some(123_456_789.0)));
        record.insert("FLAG".into(), FieldValue::Logical(Some(true)));
        record.insert("Id".into(), FieldValue::Character(Some("a".into())));
        record.insert("ID".into(), FieldValue::Character(Some("b".into())));
        table.write_record(&record).expect("a record");
        drop(table);
        let mut dbf = dbf.into_inner();
        // The byte with the type of the first column.
        assert_eq!(dbf[32 + 11], b'N');
        dbf[32 + 11] = b'F';
        let file = import_parts(&shp, &dbf).expect("a file");
        let read = |name: &str| file.attribute(&file.features[0], name).map(str::to_string);
        assert_eq!(read("code").expect("a number"), "123456789");
        assert_eq!(read("flag").expect("a flag"), "true");
        assert_eq!(read("ID").expect("an id"), "b");
        assert!(read("id").is_err());
    }

    #[test]
    fn code_page_is_read_or_rejected() {
        let (shp, dbf) = shp_and_dbf(&[&[&SQUARE]]);
        let import = |cpg: Option<&str>, dbf: &[u8]| {
            let parts = ShapefileParts {
                shp: &shp,
                dbf,
                prj: PRJ,
                cpg,
            };
            let file = read_shapefile("a.shp", &parts)?;
            file.attribute(&file.features[0], "id").map(str::to_string)
        };
        for cpg in [
            "ISO-8859-1",
            "88591",
            "1252",
            "ANSI 1252",
            "windows-1252\r\n",
            "LATIN1",
        ] {
            assert_eq!(import(Some(cpg), &dbf).expect(cpg), "Café", "{cpg}");
        }
        let error = import(Some("UTF-8"), &dbf)
            .expect_err("not UTF-8")
            .to_string();
        assert_eq!(
            error,
            "a.shp: record 1 of its .dbf, column `id`: the text is not valid in the code page; its .cpg should name the correct code page"
        );
        let error = import(Some("Big5"), &dbf)
            .expect_err("an unsupported code page")
            .to_string();
        assert!(
            error.starts_with("a.shp: its .cpg names `Big5`; it should name UTF-8"),
            "{error}"
        );
        let mut ansi = dbf.clone();
        ansi[29] = 0x57;
        assert_eq!(import(None, &ansi).expect("by its language byte"), "Café");
        assert!(import(None, &dbf).is_err());
    }

    fn import_parts(shp: &[u8], dbf: &[u8]) -> Result<PolygonFile, PolygonError> {
        let parts = ShapefileParts {
            shp,
            dbf,
            prj: PRJ,
            cpg: Some("1252"),
        };
        read_shapefile("a.shp", &parts)
    }

    #[test]
    fn truncated_shapefile_is_rejected() {
        let (shp, dbf) = shp_and_dbf(&[&[&SQUARE], &[&SQUARE]]);
        let (one, short) = shp_and_dbf(&[&[&SQUARE]]);
        assert_eq!(import_parts(&shp, &dbf).expect("two").features.len(), 2);
        for size in 0..shp.len() {
            assert!(import_parts(&shp[..size], &dbf).is_err(), "{size} bytes");
        }
        let error = import_parts(&shp, &short)
            .expect_err("one record")
            .to_string();
        assert_eq!(
            error,
            "a.shp: its .shp has 2 shapes but its .dbf has 1 record; the numbers should be equal"
        );
        assert!(import_parts(&one, &dbf).is_err());
    }

    /// A Shapefile with a damaged byte must not cause a panic.
    #[test]
    fn damaged_shapefiles_do_not_panic() {
        let (shp, dbf) = shp_and_dbf(&[&[&SQUARE]]);
        for value in [0x01, 0x55, 0x7f, 0x80, 0xff] {
            for index in 0..shp.len() {
                let mut damaged = shp.clone();
                damaged[index] ^= value;
                let _ = import_parts(&damaged, &dbf);
            }
            for index in 0..dbf.len() {
                let mut damaged = dbf.clone();
                damaged[index] ^= value;
                let _ = import_parts(&shp, &damaged);
            }
        }
    }
}
