//! Writes Shapefiles (ESRI, July 1998) in a zip archive: .shp, .shx, .dbf, .prj and .cpg for each
//! layer, in British National Grid.

use std::io::{Cursor, Write};

use jiff::civil::Date;
use shapefile::ShapeWriter;
use shapefile::record::{Point, Polygon, PolygonRing};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::domain::{Boundary, BritishGrid};
use crate::formats::areas::{AreaCollection, AreaWithBoundary};

/// EPSG:27700 in ESRI's WKT, which GIS programs recognise.
const PRJ: &str = r#"PROJCS["British_National_Grid",GEOGCS["GCS_OSGB_1936",DATUM["D_OSGB_1936",SPHEROID["Airy_1830",6377563.396,299.3249646]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",400000.0],PARAMETER["False_Northing",-100000.0],PARAMETER["Central_Meridian",-2.0],PARAMETER["Scale_Factor",0.9996012717],PARAMETER["Latitude_Of_Origin",49.0],UNIT["Meter",1.0]]"#;

/// The character set of the .dbf.
const CPG: &str = "UTF-8";

/// Why Shapefiles cannot be written.
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

/// Returns a zip archive with a Shapefile for each layer.
pub(crate) fn areas_to_shapefiles(
    areas: &AreaCollection<'_>,
) -> Result<Vec<u8>, ShapefileWriteError> {
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
            ("dbf", DbfTable::new(&layer.areas, areas.day).to_bytes()?),
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

/// Converts a boundary to one record that contains all rings. The rings are closed. Exteriors are
/// clockwise, and each exterior is followed by its holes.
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

/// The names of the columns. A name in a .dbf has at most ten characters.
const COLUMNS: [&str; 8] = [
    "id",
    "name",
    "kind",
    "system",
    "provenance",
    "extent",
    "valid_from",
    "valid_to",
];
/// The index of the first column with dates. All later columns have dates too.
const FIRST_DATE_COLUMN: usize = 6;
/// The maximum number of bytes in a cell.
const CELL_BYTES_MAX: usize = 254;

/// The content of the .dbf (dBASE III).
///
/// The `shapefile` crate writes today's date into the header. This code writes the date of the
/// areas, so that the same areas always produce the same bytes.
struct DbfTable {
    rows: Vec<[String; COLUMNS.len()]>,
    day: Date,
}

impl DbfTable {
    fn new(areas: &[AreaWithBoundary<'_>], day: Date) -> DbfTable {
        let row = |(area, boundary): &AreaWithBoundary<'_>| {
            let text = |text: Option<&str>| text.unwrap_or_default().to_string();
            let day = |day: Option<Date>| {
                day.map_or(String::new(), |day| day.strftime("%Y%m%d").to_string())
            };
            [
                area.id.clone(),
                area.title(),
                text(area.kind.as_deref()),
                text(area.system.as_deref()),
                text(Some(area.provenance.as_str())),
                text(boundary.catchment_kind.as_str()),
                day(area.period.from),
                day(area.period.to),
            ]
        };
        DbfTable {
            rows: areas.iter().map(row).collect(),
            day,
        }
    }

    fn to_bytes(&self) -> Result<Vec<u8>, ShapefileWriteError> {
        let mut lengths = [1; COLUMNS.len()];
        for row in &self.rows {
            for (length, cell) in lengths.iter_mut().zip(row) {
                *length = cell.len().max(*length);
            }
        }
        lengths[FIRST_DATE_COLUMN..].fill(8);
        let too_long = lengths.iter().position(|&length| length > CELL_BYTES_MAX);
        if let Some(column) = too_long {
            let column = COLUMNS[column];
            return Err(ShapefileWriteError::TooLong {
                column,
                max: CELL_BYTES_MAX,
            });
        }
        let count = u32::try_from(self.rows.len()).expect("fewer than 2^32 areas");
        let u16_bytes = |value: usize| {
            u16::try_from(value)
                .expect("eight cells are below 2^16")
                .to_le_bytes()
        };
        let to_u8 = |value: usize| u8::try_from(value).expect("checked above");
        let (year, month, day) = (self.day.year(), self.day.month(), self.day.day());
        let year = u8::try_from(year - 1900).unwrap_or(0);
        let mut out = vec![3, year, month.unsigned_abs(), day.unsigned_abs()];
        out.extend(count.to_le_bytes());
        out.extend(u16_bytes(32 + 32 * COLUMNS.len() + 1));
        out.extend(u16_bytes(1 + lengths.iter().sum::<usize>()));
        out.extend([0; 20]);
        for (index, (name, &length)) in COLUMNS.iter().zip(&lengths).enumerate() {
            let mut descriptor = [0; 32];
            descriptor[..name.len()].copy_from_slice(name.as_bytes());
            descriptor[11] = if index < FIRST_DATE_COLUMN {
                b'C'
            } else {
                b'D'
            };
            descriptor[16] = to_u8(length);
            out.extend(descriptor);
        }
        out.push(b'\r');
        for row in &self.rows {
            // This flag means that the record is not deleted.
            out.push(b' ');
            for (cell, &length) in row.iter().zip(&lengths) {
                out.extend(cell.as_bytes());
                out.resize(out.len() + length - cell.len(), b' ');
            }
        }
        out.push(0x1a);
        Ok(out)
    }
}
