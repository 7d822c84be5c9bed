//! The areas of a layer as a coverage: geometry with shared borders, which is prepared for a zoom
//! and clipped to a tile. This module does not depend on the encoding, caching or serving of tiles.

mod arcs;
pub(super) mod clip;
pub(super) mod coverage_topology;
mod grid;
mod pinch_points;
mod planar_graph;
mod simplify;
pub(super) mod topology;
pub(super) mod zoom_level;
