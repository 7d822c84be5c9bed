//! The routes of MapIt, answered from the datasets of this service, so that programs whose base URL
//! can be set need no change. docs/users/mapit.md lists the routes and what differs.
//!
//! ```text
//!  handlers        areas.rs, locations.rs, generations.rs
//!  what they read  area_id.rs (ids of areas), generations.rs (releases), srid.rs (points)
//!  what they write area_body.rs (areas), geometry_body.rs (boundaries), error.rs
//! ```

mod area_body;
mod area_id;
pub(super) mod areas;
mod error;
pub(super) mod generations;
mod geometry_body;
pub(super) mod locations;
mod srid;

pub(super) use error::problem_to_mapit_error;
