//! What a dataset says, as files for other programs.
//!
//! - `lookup`: every answer that depends on a postcode alone or on a practice alone, with the time for
//!   which it holds, so that a warehouse can join without running us.
//! - `table`: rows by key to Parquet or CSV, on several threads and in order.

mod lookup;
mod table;

pub use lookup::{postcodes, practices};
pub use table::TableFormat;
