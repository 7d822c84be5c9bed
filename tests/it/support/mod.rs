//! What several tests use: servers, datasets, processes, other programs.

#[path = "../../../benches/common/borders.rs"]
pub(crate) mod borders;
pub(crate) mod external_tools;
pub(crate) mod fixture;
pub(crate) mod html;
pub(crate) mod made_up_patients;
pub(crate) mod process;
pub(crate) mod project_files;
pub(crate) mod server;
