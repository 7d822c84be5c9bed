//! The routes of postcodes.io, answered from the dataset of this service, so that programs whose
//! base URL can be set need no change. docs/users/compat.md lists the routes, where each field is
//! from and what differs.
//!
//! ```text
//!  handlers        postcodes.rs, bulk.rs, outcodes.rs
//!  what they read  client_query.rs (parameters), nearest.rs (points, limits and radii)
//!  what they write postcode_fields.rs (a postcode), client_error.rs (errors), body.rs
//! ```

mod body;
pub(super) mod bulk;
mod client_error;
mod client_query;
mod nearest;
pub(super) mod outcodes;
mod postcode_fields;
pub(super) mod postcodes;

pub(super) use client_error::problem_to_client_error;
pub(super) use client_query::ClientQuery;
pub(super) use outcodes::OutcodeCache;
pub(super) use postcode_fields::{country_of, layer_of_field};
pub(super) use postcodes::{find_in_use, has_postcode_form};

/// The limits of the routes of postcodes.io.
#[derive(Debug, Clone)]
pub struct CompatLimits {
    /// The maximum number of postcodes or locations in a bulk request.
    pub bulk_items_max: usize,
}

impl CompatLimits {
    /// The highest value of `bulk_items_max`. The answer for each postcode takes about 10 KB.
    pub const BULK_ITEMS_LIMIT: usize = 1_000;
}

impl Default for CompatLimits {
    /// Returns the limits of postcodes.io.
    fn default() -> CompatLimits {
        CompatLimits {
            bulk_items_max: 100,
        }
    }
}
