//! The areas of a layer as a coverage: geometry that is drawn with shared borders, prepared for one
//! zoom and clipped to one tile. Nothing here knows how tiles are encoded, cached or served.

mod arcs;
pub(super) mod clip;
pub(super) mod coverage_topology;
mod grid;
mod pinch_points;
mod planar_graph;
mod simplify;
pub(super) mod topology;
pub(super) mod zoom_level;
