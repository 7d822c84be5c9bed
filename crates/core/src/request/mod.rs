//! The parameters of look-ups. The names, rules and errors of parameters are the same for the API,
//! the pages and the command line.
//!
//! [`RequestParams`] contains names and values as strings. Parsing them results in a request, such
//! as [`LocateRequest`], which contains the query for the index. The query is a type of
//! [`crate::index`].

mod error;
mod locate;
mod location;
mod params;
mod postcodes;

pub use error::InvalidRequest;
pub use locate::{FORM_FIELDS, LOCATE_PARAMS, LocateRequest, RequestedLayers};
pub use location::parse_location;
pub use params::{RequestParams, STATISTICAL_AREA, UPRN};
pub use postcodes::{PostcodePageParams, PostcodeSearch};
