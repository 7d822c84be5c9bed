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
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::dataset::Dataset;
    use super::errors::CatchmentError;
    #[pymodule_export]
    use super::table::AnsweredTable;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("CatchmentError", module.py().get_type::<CatchmentError>())
    }
}
