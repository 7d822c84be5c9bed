//! The core of the look-up: domain types, geodesy, plane geometry, the parameters of a look-up, and
//! the index that answers look-ups.
//!
//! This crate does no I/O and does not depend on async, serde or HTTP. `catchment-data` reads a
//! dataset, from which [`index::Index`] is built, and its documentation has an example of a look-up.
//!
//! Values are checked when they are parsed, and then trusted:
//!
//! ```
//! use catchment_core::domain::{LonLat, OdsCode, Postcode};
//! use catchment_core::geodesy;
//!
//! let postcode: Postcode = " la18 4db".parse()?;
//! assert_eq!(postcode.to_string(), "LA18 4DB");
//! // The letter O is not a digit.
//! assert!("LA1O 5DL".parse::<Postcode>().is_err());
//! assert_eq!("p81064".parse::<OdsCode>()?.as_str(), "P81064");
//!
//! let position = LonLat::new(-3.269471, 54.209742)?;
//! let grid = geodesy::to_grid(position).ok_or("outside Great Britain")?;
//! assert_eq!((grid.easting_m().round(), grid.northing_m().round()), (317_303.0, 480_077.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod domain;
pub mod geodesy;
pub mod geometry;
pub mod index;
pub mod parallel;
pub mod request;
