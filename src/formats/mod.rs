//! File formats, each with its reader and its writer: what a format is, not what a file is for.
//!
//! Nothing here depends on the dataset's folder, on publishers' column names or on the service.

mod csv_table;

pub use self::csv_table::TableError;
pub(crate) use self::csv_table::{CsvTable, CsvTableRow, write_csv};
