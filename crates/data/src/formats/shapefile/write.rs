//! Writes Shapefiles (ESRI, July 1998) in a zip archive: .shp, .shx, .dbf, .prj and .cpg for each
//! layer, in British National Grid.

use std::io::{Cursor, Write};
use std::ops::Range;

use jiff::civil::Date;
use shapefile::ShapeWriter;
use shapefile::dbase::{self, FieldError, FieldWriter, TableWriterBuilder, WritableRecord};
use shapefile::record::{Point, Polygon, PolygonRing};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::LANGUAGE_BYTE;
use crate::formats::areas::{AreaCollection, AreaWithBoundary};
use catchment_core::domain::{Boundary, BritishGrid};

/// EPSG:27700 in ESRI's WKT, which GIS programs recognise.
const PRJ: &str = r#"PROJCS["British_National_Grid",GEOGCS["GCS_OSGB_1936",DATUM["D_OSGB_1936",SPHEROID["Airy_1830",6377563.396,299.3249646]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",400000.0],PARAMETER["False_Northing",-100000.0],PARAMETER["Central_Meridian",-2.0],PARAMETER["Scale_Factor",0.9996012717],PARAMETER["Latitude_Of_Origin",49.0],UNIT["Meter",1.0]]"#;

/// The character set of the .dbf.
const CPG: &str = "UTF-8";

/// The reason why Shapefiles cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ShapefileWriteError {
    /// A shape cannot be written.
    #[error("writing the Shapefile failed: {0}")]
    Shape(#[from] shapefile::Error),
    /// The zip cannot be written.
    #[error("writing the zip failed: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// A value is too long for a Shapefile.
    #[error(
        "the `{column}` of an area is longer than {max} bytes, the limit of Shapefiles; use GeoPackage"
    )]
    TooLong {
        /// The name of the column.
        column: &'static str,
        /// The maximum number of bytes in a value.
        max: usize,
    },
}

impl From<dbase::Error> for ShapefileWriteError {
    fn from(error: dbase::Error) -> ShapefileWriteError {
        ShapefileWriteError::Shape(shapefile::Error::DbaseError(error))
    }
}

/// Returns a zip archive with a Shapefile for each layer.
pub fn areas_to_shapefiles(areas: &AreaCollection<'_>) -> Result<Vec<u8>, ShapefileWriteError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // The modification time is fixed, so that the same areas always produce the same bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default());
    for layer in &areas.layers {
        let (shp, shx) = encode_shapes(&layer.areas)?;
        let parts = [
            ("shp", shp),
            ("shx", shx),
            ("dbf", encode_table(&layer.areas, areas.day)?),
            ("prj", PRJ.into()),
            ("cpg", CPG.into()),
        ];
        for (extension, bytes) in parts {
            zip.start_file(format!("{}.{extension}", layer.layer), options)?;
            zip.write_all(&bytes).map_err(zip::result::ZipError::Io)?;
        }
    }
    Ok(zip.finish()?.into_inner())
}

/// Encodes the .shp and the .shx.
fn encode_shapes(
    areas: &[AreaWithBoundary<'_>],
) -> Result<(Vec<u8>, Vec<u8>), ShapefileWriteError> {
    let (mut shp, mut shx) = (Cursor::new(Vec::new()), Cursor::new(Vec::new()));
    let mut writer = ShapeWriter::with_shx(&mut shp, &mut shx);
    for (_, boundary) in areas {
        writer.write_shape(&to_polygon(boundary))?;
    }
    writer.finalize()?;
    drop(writer);
    Ok((shp.into_inner(), shx.into_inner()))
}

/// Converts a boundary to one record that contains all rings. All rings are closed. Exteriors are
/// clockwise, and the holes of an exterior follow the exterior.
fn to_polygon(boundary: &Boundary) -> Polygon {
    let point = |position: &BritishGrid| Point::new(position.easting_m(), position.northing_m());
    let rings = boundary.grid.iter().flat_map(|polygon| {
        polygon.rings.iter().enumerate().map(move |(index, ring)| {
            let points = ring.iter().map(point).collect();
            match index {
                0 => PolygonRing::Outer(points),
                _ => PolygonRing::Inner(points),
            }
        })
    });
    Polygon::with_rings(rings.collect())
}

/// The names of the columns that contain text. A column name in a `.dbf` file has at most ten
/// characters.
const TEXT_COLUMNS: [&str; 6] = ["id", "name", "kind", "system", "provenance", "extent"];
/// The names of the columns that contain dates. These columns follow the columns with text.
const DATE_COLUMNS: [&str; 2] = ["valid_from", "valid_to"];
/// The maximum number of bytes in a cell.
const CELL_BYTES_MAX: usize = 254;

/// A row of the .dbf.
struct DbfRow {
    texts: [String; TEXT_COLUMNS.len()],
    dates: [Option<dbase::Date>; DATE_COLUMNS.len()],
}

impl DbfRow {
    fn new((area, boundary): &AreaWithBoundary<'_>) -> DbfRow {
        let text = |text: Option<&str>| text.unwrap_or_default().to_string();
        DbfRow {
            texts: [
                area.id.clone(),
                area.title().to_string(),
                text(area.kind.as_deref()),
                text(area.system.as_deref()),
                text(Some(area.provenance.as_str())),
                text(boundary.catchment_kind.as_str()),
            ],
            dates: [area.period.from, area.known_end()].map(|day| day.map(dbf_date)),
        }
    }
}

fn dbf_date(day: Date) -> dbase::Date {
    let (year, month) = (day.year().unsigned_abs(), day.month().unsigned_abs());
    dbase::Date::new(day.day().unsigned_abs().into(), month.into(), year.into())
        .expect("a civil date has a year of at most 9999")
}

impl WritableRecord for DbfRow {
    fn write_using<W: Write>(&self, writer: &mut FieldWriter<'_, W>) -> Result<(), FieldError> {
        for text in &self.texts {
            writer.write_next_field_value(text)?;
        }
        for date in &self.dates {
            writer.write_next_field_value(date)?;
        }
        Ok(())
    }
}

/// Encodes the .dbf (dBASE III).
fn encode_table(areas: &[AreaWithBoundary<'_>], day: Date) -> Result<Vec<u8>, ShapefileWriteError> {
    let rows: Vec<DbfRow> = areas.iter().map(DbfRow::new).collect();
    let mut table = TableWriterBuilder::new();
    for (index, column) in TEXT_COLUMNS.into_iter().enumerate() {
        let lengths = rows.iter().map(|row| row.texts[index].len());
        let length = lengths.max().unwrap_or_default().max(1);
        // The `dbase` crate would truncate a longer value.
        if length > CELL_BYTES_MAX {
            return Err(ShapefileWriteError::TooLong {
                column,
                max: CELL_BYTES_MAX,
            });
        }
        let length = u8::try_from(length).expect("at most 254");
        table = table.add_character_field(column_name(column), length);
    }
    for column in DATE_COLUMNS {
        table = table.add_date_field(column_name(column));
    }
    let mut dbf = Cursor::new(Vec::new());
    let mut writer = table.build_with_dest(&mut dbf);
    for row in &rows {
        writer.write_record(row)?;
    }
    writer.finalize()?;
    drop(writer);
    let mut dbf = dbf.into_inner();
    // The crate writes the current date. Writing the date of the areas instead means that the same
    // areas always produce the same bytes.
    let years_since_1900 = u8::try_from(day.year() - 1900).unwrap_or(0);
    let date = [
        years_since_1900,
        day.month().unsigned_abs(),
        day.day().unsigned_abs(),
    ];
    dbf[UPDATED_BYTES].copy_from_slice(&date);
    // For UTF-8, the crate writes a language byte that dBASE does not define. The `.cpg` file
    // states UTF-8 instead.
    dbf[LANGUAGE_BYTE] = 0;
    Ok(dbf)
}

/// The bytes of the header that contain the date of the last update: years since 1900, month, day.
const UPDATED_BYTES: Range<usize> = 1..4;

fn column_name(name: &str) -> dbase::FieldName {
    dbase::FieldName::try_from(name).expect("a name of at most ten characters")
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use shapefile::dbase::FieldValue;

    use super::*;
    use crate::test_layers;
    use catchment_core::domain::{Area, CatchmentKind, Period, Provenance};

    fn area(id: &str) -> (Area, Boundary) {
        let period = Period {
            from: Some(date(2024, 7, 1)),
            to: None,
        };
        let area = Area {
            layer: test_layers::layer("place"),
            id: id.into(),
            name: "Ynys Môn".into(),
            title: None,
            label: None,
            kind: None,
            system: Some("north".into()),
            provenance: Provenance::Official,
            period,
            ended_by: None,
        };
        let boundary = Boundary {
            id: id.into(),
            catchment_kind: CatchmentKind::Whole,
            period,
            lonlat: geo::MultiPolygon::new(Vec::new()),
            grid: Vec::new(),
        };
        (area, boundary)
    }

    fn encode(areas: &[(Area, Boundary)]) -> Result<Vec<u8>, ShapefileWriteError> {
        let areas: Vec<AreaWithBoundary<'_>> = areas
            .iter()
            .map(|(area, boundary)| (area, boundary))
            .collect();
        encode_table(&areas, date(2026, 3, 31))
    }

    #[test]
    fn table_has_the_date_of_the_areas_and_their_texts_in_utf8() {
        let bytes = encode(&[area("a"), area("bc")]).expect("a table");
        // The version (dBASE III), the date and the number of records.
        assert_eq!(bytes[..8], [3, 126, 3, 31, 2, 0, 0, 0]);
        assert_eq!(bytes[LANGUAGE_BYTE], 0);
        let row = |id| format!(" {id:2}Ynys Môn northofficial 20240701{}", " ".repeat(8));
        let end = row("a") + &row("bc") + "\x1a";
        assert!(bytes.ends_with(end.as_bytes()));
        let mut reader = dbase::Reader::new(Cursor::new(&bytes)).expect("a table");
        let records = reader.read().expect("records");
        let name = FieldValue::Character(Some("Ynys Môn".into()));
        assert_eq!(records[1].get("name"), Some(&name));
        assert_eq!(records[1].get("valid_to"), Some(&FieldValue::Date(None)));
    }

    #[test]
    fn too_long_value_is_an_error() {
        assert!(encode(&[area(&"x".repeat(254))]).is_ok());
        let error = encode(&[area(&"x".repeat(255))]).expect_err("too long");
        assert_eq!(
            error.to_string(),
            "the `id` of an area is longer than 254 bytes, the limit of Shapefiles; use GeoPackage"
        );
    }
}
