//! Published files, one module a format. Only this module knows their column names.
//!
//! Every reader is strict: a missing column is named, a wrong cell is an error with its file, line
//! and column, and a file without rows is never an empty country.

pub(crate) mod area_history;
pub(crate) mod lookup;
pub(crate) mod postcode_list;
pub(crate) mod practice_list;
pub(crate) mod resilience_groups;
