//! Plane geometry: rings of whole numbers, on which every predicate is exact, and polygons in
//! metres for overlays.
//!
//! Positions, boxes and edges are `geo`'s `Coord`, `Rect` and `Line` of whatever number suits.
//! `Coord` has no order, so `Coord::x_y` is the key where vertices are sorted.
//!
//! Modules: [`bbox`], [`predicates`] of points and segments, [`rings`] and the polygons that they
//! form, [`polygonize`] (edges to polygons), [`dissolve`] (the union of polygons that share edges),
//! [`validity`] (OGC Simple Features), [`planar`] (areas and slivers, in metres).

pub mod bbox;
pub mod dissolve;
pub mod planar;
pub mod polygonize;
pub mod predicates;
pub mod rings;
pub mod validity;
