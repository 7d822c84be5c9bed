//! Spatial relations between areas, as defined by the OGC (DE-9IM). The boundaries are compared
//! exactly, so an area whose boundary comes from another source than that of its neighbour usually
//! overlaps it by a narrow strip.

use geo::dimensions::HasDimensions as _;
use geo::{Coord, Intersects, LineString, MultiPolygon, Polygon, PreparedGeometry, Rect, Relate};
use jiff::civil::Date;

use super::Index;
use crate::domain::{Area, Boundary, BritishGrid, Layer};
use crate::geometry::bbox::bounding_rect;

/// A spatial relation of an area to other areas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AreaRelation {
    /// The area covers the other area.
    Covers,
    /// The other area covers the area.
    CoveredBy,
    /// The interiors intersect, and neither area covers the other.
    Overlaps,
    /// Only the boundaries intersect.
    Touches,
    /// The areas have at least one point in common.
    Intersects,
}

impl Index {
    /// Returns the areas of a layer that are in one of these relations to an area on a day, in order
    /// of id, without the area itself; `None` if the area has no boundary on the day.
    pub fn related_areas(
        &self,
        area: &Area,
        relations: &[AreaRelation],
        layer: Layer,
        day: Date,
    ) -> Option<Vec<&Area>> {
        let boundary = self.boundary(area.layer, &area.id, day)?;
        let bbox = bbox(boundary)?;
        let own = polygons_in_mm(boundary);
        let prepared = PreparedGeometry::from(&own);
        let Some(layer) = self.layer(layer) else {
            return Some(Vec::new());
        };
        let is_other = |other: &&Area| (other.layer, &other.id) != (area.layer, &area.id);
        let others = self.areas(layer.id, day).into_iter().flatten();
        let related = others.filter(is_other).filter(|other| {
            let boundary = self.boundary(layer.id, &other.id, day);
            boundary.is_some_and(|other| {
                self::bbox(other).is_some_and(|other| other.intersects(&bbox))
                    && are_related(&prepared, &polygons_in_mm(other), relations)
            })
        });
        Some(related.collect())
    }
}

fn are_related<'g>(
    own: &PreparedGeometry<'g, &'g MultiPolygon<f64>>,
    other: &MultiPolygon<f64>,
    relations: &[AreaRelation],
) -> bool {
    if other.is_empty() {
        return false;
    }
    let matrix = own.relate(other);
    relations.iter().any(|relation| match relation {
        AreaRelation::Covers => matrix.is_covers(),
        AreaRelation::CoveredBy => matrix.is_coveredby(),
        AreaRelation::Overlaps => matrix.is_overlaps(),
        AreaRelation::Touches => matrix.is_touches(),
        AreaRelation::Intersects => matrix.is_intersects(),
    })
}

fn bbox(boundary: &Boundary) -> Option<Rect<i32>> {
    let rings = boundary.grid.iter().flat_map(|polygon| &polygon.rings);
    bounding_rect(rings.flatten().map(|vertex| Coord {
        x: vertex.easting_mm(),
        y: vertex.northing_mm(),
    }))
}

/// Returns the polygons of a boundary in millimetres, which are whole numbers, so that predicates
/// are exact.
fn polygons_in_mm(boundary: &Boundary) -> MultiPolygon<f64> {
    let ring_in_mm = |ring: &Vec<BritishGrid>| {
        let vertices = ring.iter().map(|vertex| Coord {
            x: f64::from(vertex.easting_mm()),
            y: f64::from(vertex.northing_mm()),
        });
        let mut line: LineString<f64> = vertices.collect();
        line.close();
        line
    };
    let polygons = boundary.grid.iter().map(|polygon| {
        let mut rings = polygon.rings.iter().map(ring_in_mm);
        let exterior = rings.next().unwrap_or_else(|| LineString::new(Vec::new()));
        Polygon::new(exterior, rings.collect())
    });
    polygons.collect()
}

#[cfg(test)]
mod tests {
    use super::super::test_dataset::{DAY, area, build, dataset, rectangle};
    use super::*;
    use crate::domain::{LayerKind, layers};

    #[test]
    fn areas_are_related_as_their_boundaries_are() {
        let mut dataset = dataset();
        let layer = layers::pcn();
        let mut entry = dataset.manifest.layers[0].clone();
        (entry.id, entry.kind) = (layer, LayerKind::Overlapping);
        entry.on_statistical_areas = false;
        dataset.manifest.layers.push(entry);
        let boundaries = [
            rectangle("own", (100.0, 0.0), (104.0, 4.0)),
            rectangle("inside", (101.0, 1.0), (102.0, 2.0)),
            rectangle("inside-at-edge", (100.0, 0.0), (101.0, 1.0)),
            rectangle("around", (99.0, -1.0), (105.0, 5.0)),
            rectangle("same", (100.0, 0.0), (104.0, 4.0)),
            rectangle("across", (103.0, 3.0), (106.0, 6.0)),
            rectangle("beside", (104.0, 0.0), (108.0, 4.0)),
            rectangle("apart", (110.0, 0.0), (111.0, 4.0)),
        ];
        let areas = boundaries.iter().map(|boundary| area(layer, &boundary.id));
        dataset.areas.extend(areas);
        dataset.boundaries.push((layer, boundaries.into()));
        let index = build(dataset);
        let related = |relations: &[AreaRelation]| {
            let own = index.area(layer, "own", DAY).expect("an area");
            let related = index.related_areas(own, relations, layer, DAY);
            let ids = related.expect("a boundary").into_iter();
            ids.map(|area| area.id.as_str())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let covers = related(&[AreaRelation::Covers]);
        assert_eq!(covers, "inside inside-at-edge same");
        assert_eq!(related(&[AreaRelation::CoveredBy]), "around same");
        assert_eq!(related(&[AreaRelation::Overlaps]), "across");
        assert_eq!(related(&[AreaRelation::Touches]), "beside");
        assert_eq!(
            related(&[AreaRelation::Overlaps, AreaRelation::Touches]),
            "across beside"
        );
        let all = "across around beside inside inside-at-edge same";
        assert_eq!(related(&[AreaRelation::Intersects]), all);
    }
}
