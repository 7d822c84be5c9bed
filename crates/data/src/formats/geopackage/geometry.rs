//! Geometries of a GeoPackage: a header (OGC 12-128r17, 2.1.3) followed by well-known binary (WKB).
//!
//! The `wkb` crate is not used. Version 0.9.3 neither panics nor allocates the amount of memory
//! that hostile bytes claim, but it checks less than an import should. It reads the parts of a
//! MultiPolygon with the byte order and the dimensions of the whole. It therefore rejects parts in
//! another byte order, which are valid, and shifts the coordinates of parts with heights. It reads
//! any part as a polygon. It also reads a MultiCurve (type 11) as a Polygon, because it considers
//! only the last three bits of the type. For the writer, it would replace only about twenty lines
//! and add eight dependencies.

use crate::formats::coordinates::{BNG_EPSG_CODE, PolygonRings};
use catchment_core::domain::Boundary;

const MAGIC: &[u8; 2] = b"GP";
/// The version byte of version 1 of the format.
const VERSION: u8 = 0;
/// The flag of little-endian numbers in the header.
const LITTLE_ENDIAN_FLAG: u8 = 0b1;

const TRUNCATED: &str = "its geometry is truncated";

/// Parses a GeoPackage geometry: `GP`, a version, flags, the id of the reference system, an
/// envelope (which is skipped) and WKB.
///
/// Returns `None` if the geometry is empty.
pub(super) fn parse_geometry(
    blob: &[u8],
    srs_id: i32,
) -> Result<Option<PolygonRings>, &'static str> {
    const EXTENDED: u8 = 0b10_0000;
    const EMPTY: u8 = 0b1_0000;
    let mut reader = WkbReader {
        rest: blob,
        is_little_endian: false,
    };
    if reader.take(2)? != MAGIC {
        return Err("its geometry should begin with GP");
    }
    let [version, flags] = reader.take_array()?;
    if version != VERSION {
        return Err("its geometry should have version 1 of the format");
    }
    if flags & EXTENDED != 0 {
        return Err("its geometry has an extended type");
    }
    reader.is_little_endian = flags & LITTLE_ENDIAN_FLAG != 0;
    // The ids 0 and -1 mean that the reference system is not stated.
    let stated = reader.read_u32()?.cast_signed();
    if stated != srs_id && stated > 0 && srs_id > 0 {
        return Err("its geometry has a different reference system from its layer");
    }
    let envelope = match (flags >> 1) & 0b111 {
        0 => 0,
        1 => 32,
        2 | 3 => 48,
        4 => 64,
        _ => return Err("its geometry has an envelope of an unknown type"),
    };
    reader.take(envelope)?;
    if flags & EMPTY != 0 {
        return Ok(None);
    }
    parse_wkb(reader.rest).map(Some)
}

/// Parses WKB.
pub(in crate::formats) fn parse_wkb(wkb: &[u8]) -> Result<PolygonRings, &'static str> {
    let mut reader = WkbReader {
        rest: wkb,
        is_little_endian: false,
    };
    let mut parts = Vec::new();
    reader.read_polygons(COLLECTION_DEPTH_MAX, &mut parts)?;
    match reader.rest {
        [] => Ok(parts),
        _ => Err("its geometry has trailing bytes"),
    }
}

/// The maximum depth of nested collections.
const COLLECTION_DEPTH_MAX: usize = 8;

/// A reader of WKB.
struct WkbReader<'b> {
    rest: &'b [u8],
    is_little_endian: bool,
}

/// The type of a WKB geometry and, for a polygon, the number of coordinates of each position.
#[derive(PartialEq)]
enum WkbType {
    Polygon(usize),
    MultiPolygon,
    GeometryCollection,
}

impl<'b> WkbReader<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], &'static str> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        self.take(N)?.try_into().map_err(|_| TRUNCATED)
    }

    fn read_u32(&mut self) -> Result<u32, &'static str> {
        let bytes = self.take_array()?;
        Ok(if self.is_little_endian {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    }

    fn read_f64(&mut self) -> Result<f64, &'static str> {
        let bytes = self.take_array()?;
        Ok(if self.is_little_endian {
            f64::from_le_bytes(bytes)
        } else {
            f64::from_be_bytes(bytes)
        })
    }

    /// Reads the number of items, and checks that items of at least `item_bytes` bytes each fit in
    /// the remaining bytes.
    fn read_count(&mut self, item_bytes: usize) -> Result<usize, &'static str> {
        let count = usize::try_from(self.read_u32()?).map_err(|_| TRUNCATED)?;
        if count <= self.rest.len() / item_bytes {
            Ok(count)
        } else {
            Err(TRUNCATED)
        }
    }

    /// Reads the byte order and the geometry type. Heights (Z) add 1000 to the type, and measures
    /// (M) add 2000. In older files, heights and measures set the highest bits of the type instead.
    fn read_type(&mut self) -> Result<WkbType, &'static str> {
        self.is_little_endian = match self.take_array()? {
            [0] => false,
            [1] => true,
            _ => return Err("its geometry has an unknown byte order"),
        };
        let code = self.read_u32()?;
        let (type_code, flags) = (code & 0x0fff_ffff, code >> 28);
        let has_z = flags & 0b1000 != 0 || matches!(type_code / 1000, 1 | 3);
        let has_m = flags & 0b0100 != 0 || matches!(type_code / 1000, 2 | 3);
        match (flags & 0b0011, type_code / 1000, type_code % 1000) {
            (0, 0..=3, 3) => Ok(WkbType::Polygon(
                2 + usize::from(has_z) + usize::from(has_m),
            )),
            (0, 0..=3, 6) => Ok(WkbType::MultiPolygon),
            (0, 0..=3, 7) => Ok(WkbType::GeometryCollection),
            _ => Err("its geometry should be a Polygon or a MultiPolygon"),
        }
    }

    /// Reads the polygons of a geometry, which may be a collection of polygons.
    fn read_polygons(
        &mut self,
        depth_left: usize,
        parts: &mut PolygonRings,
    ) -> Result<(), &'static str> {
        let kind = self.read_type()?;
        if let WkbType::Polygon(dimensions) = kind {
            parts.push(self.read_rings(dimensions)?);
            return Ok(());
        }
        // The minimum size of a polygon in bytes: the byte order, the type and the number of rings.
        for _ in 0..self.read_count(9)? {
            if kind == WkbType::GeometryCollection {
                let depth_left = depth_left
                    .checked_sub(1)
                    .ok_or("its geometry has too many collections in each other")?;
                self.read_polygons(depth_left, parts)?;
            } else if let WkbType::Polygon(dimensions) = self.read_type()? {
                parts.push(self.read_rings(dimensions)?);
            } else {
                return Err("a MultiPolygon should contain only polygons");
            }
        }
        Ok(())
    }

    fn read_rings(&mut self, dimensions: usize) -> Result<Vec<Vec<[f64; 2]>>, &'static str> {
        let count = self.read_count(4)?;
        let mut rings = Vec::with_capacity(count);
        for _ in 0..count {
            let position_count = self.read_count(8 * dimensions)?;
            let mut ring = Vec::with_capacity(position_count);
            for _ in 0..position_count {
                ring.push([self.read_f64()?, self.read_f64()?]);
                self.take(8 * (dimensions - 2))?;
            }
            rings.push(ring);
        }
        Ok(rings)
    }
}

const LITTLE_ENDIAN: u8 = 1;
const POLYGON: u32 = 3;
const MULTI_POLYGON: u32 = 6;

/// Encodes the polygons of a boundary as a MultiPolygon in metres, in little-endian byte order and
/// without an envelope.
pub(super) fn encode_geometry(boundary: &Boundary) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend([VERSION, LITTLE_ENDIAN_FLAG]);
    out.extend(BNG_EPSG_CODE.to_le_bytes());
    out.extend(encode_wkb(boundary));
    out
}

/// Encodes the polygons of a boundary as the WKB of a MultiPolygon in metres, in little-endian byte
/// order.
pub(in crate::formats) fn encode_wkb(boundary: &Boundary) -> Vec<u8> {
    let mut out = Vec::new();
    put_geometry_start(&mut out, MULTI_POLYGON, boundary.grid.len());
    for polygon in &boundary.grid {
        put_geometry_start(&mut out, POLYGON, polygon.rings.len());
        for ring in &polygon.rings {
            put_u32(&mut out, ring.len() + 1);
            for position in ring.iter().chain(ring.first()) {
                out.extend(position.easting_m().to_le_bytes());
                out.extend(position.northing_m().to_le_bytes());
            }
        }
    }
    out
}

fn put_geometry_start(out: &mut Vec<u8>, kind: u32, parts: usize) {
    out.push(LITTLE_ENDIAN);
    out.extend(kind.to_le_bytes());
    put_u32(out, parts);
}

fn put_u32(out: &mut Vec<u8>, number: usize) {
    let value = u32::try_from(number).expect("a boundary has fewer than 2^32 vertices");
    out.extend(value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::read::fixture::{SQUARE, blob, wkb};
    use super::*;
    use catchment_core::domain::{BritishGrid, CatchmentKind, GridPolygon, Period};

    fn multi_polygon(part: &[u8]) -> Vec<u8> {
        let multi = [&[1, 6, 0, 0, 0, 1, 0, 0, 0], part].concat();
        blob(BNG_EPSG_CODE, 0, &multi)
    }

    #[test]
    fn parts_have_their_own_byte_order_and_dimensions() {
        let expected = Ok(Some(vec![vec![SQUARE.to_vec()]]));
        for (kind, dimensions, is_little_endian) in [
            (3, 2, true),
            (3, 2, false),
            (1003, 3, true),
            (3003, 4, false),
        ] {
            let part = wkb(kind, dimensions, is_little_endian, &[&SQUARE]);
            let parsed = parse_geometry(&multi_polygon(&part), BNG_EPSG_CODE);
            assert_eq!(parsed, expected, "{kind}");
        }
    }

    #[test]
    fn types_that_resemble_a_polygon_are_rejected() {
        // A LineString, a CurvePolygon, a MultiCurve, and a Polygon with the id of a reference
        // system (EWKB).
        for kind in [2, 10, 11, 0x2000_0003] {
            let geometry = wkb(kind, 2, true, &[&SQUARE]);
            for bytes in [blob(BNG_EPSG_CODE, 0, &geometry), multi_polygon(&geometry)] {
                assert!(parse_geometry(&bytes, BNG_EPSG_CODE).is_err(), "{kind}");
            }
        }
    }

    #[test]
    fn claimed_sizes_are_not_allocated() {
        let claims: [&[u8]; 3] = [
            &[1, 6, 0, 0, 0, 255, 255, 255, 255],
            &[1, 3, 0, 0, 0, 255, 255, 255, 255],
            &[1, 3, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255],
        ];
        for wkb in claims {
            let parsed = parse_geometry(&blob(BNG_EPSG_CODE, 0, wkb), BNG_EPSG_CODE);
            assert_eq!(parsed, Err(TRUNCATED));
        }
    }

    #[test]
    fn encoded_geometry_is_parsed_unchanged() {
        let ring = SQUARE[..4]
            .iter()
            .map(|&[x, y]| BritishGrid::from_metres(x, y).expect("on the grid"));
        let boundary = Boundary {
            id: "k".into(),
            catchment_kind: CatchmentKind::Whole,
            period: Period::default(),
            lonlat: geo::MultiPolygon::new(Vec::new()),
            grid: vec![GridPolygon {
                rings: vec![ring.collect()],
            }],
        };
        let parsed = parse_geometry(&encode_geometry(&boundary), BNG_EPSG_CODE);
        assert_eq!(parsed, Ok(Some(vec![vec![SQUARE.to_vec()]])));
    }
}
