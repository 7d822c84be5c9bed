//! The native part of the Python package `catchment`. It passes data between Python and the Rust
//! library; the classes that users see are in `package/catchment`.

mod dataset;
mod errors;
mod options;
mod table;

use pyo3::prelude::*;

/// Look-ups in a dataset. The package `catchment` has the classes for users.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::dataset::Dataset;
    #[pymodule_export]
    use super::errors::CatchmentError;
    #[pymodule_export]
    use super::table::AnsweredTable;
}
