//! Plane geometry: rings with integer coordinates, for which every predicate is exact, and polygons
//! in metres for overlays.
//!
//! Positions, boxes and edges are the types `Coord`, `Rect` and `Line` of `geo`, with a suitable
//! number type. `Coord` does not implement `Ord`, so vertices are sorted by `Coord::x_y`.
//!
//! Modules: [`bbox`], [`predicates`] of points and segments, [`rings`] and the polygons that they
//! form, [`polygonize`] (edges to polygons), [`dissolve`] (the union of polygons that share edges),
//! [`validity`] (OGC Simple Features), and [`planar`] (areas and slivers, in metres).

pub mod bbox;
pub mod dissolve;
pub mod planar;
pub mod polygonize;
pub mod predicates;
pub mod rings;
pub mod validity;
