//! Flows between registered and resident patients. A flow is the number of patients who are
//! registered with the practices of one area and live in another.
//!
//! - `layers`, `places`: the two layers, and the place of a registration or a residence in its
//!   layer.
//! - `tally`: the counts of a single thread.
//! - `table`: the counts of a whole input.
//! - `network`, `published`: small number suppression that prevents hidden counts from being
//!   computed.
//! - `registrations`: the flows from the registrations of a dataset.
//! - `report`: the tables as CSV and as a workbook.

mod layers;
mod network;
mod places;
mod published;
mod registrations;
mod report;
mod table;
mod tally;

pub use self::layers::{FlowLayers, UnsuitableFlowLayer};
pub(crate) use self::places::FlowPlaces;
pub use self::published::{AreaFlows, PublishedFlows};
pub use self::registrations::{RegistrationFlows, registration_flows};
pub(crate) use self::report::summary_rows;
pub use self::report::{FlowTableKind, matrix_fits, write_csv, write_workbook};
pub use self::table::{FlowAxis, FlowPlace, FlowPlaceKind, FlowTable};
pub(crate) use self::tally::FlowTally;
