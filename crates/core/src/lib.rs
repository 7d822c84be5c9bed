//! What an answer is: domain types, geodesy, plane geometry, the parameters of a look-up, and the
//! index that answers it.
//!
//! This crate does no I/O and does not depend on async, serde or HTTP.

pub mod domain;
pub mod geodesy;
pub mod geometry;
pub mod index;
pub mod parallel;
pub mod request;
