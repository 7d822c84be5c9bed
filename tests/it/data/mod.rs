//! Tests of datasets: import, build, check, comparison and export. Other tests compare answers from
//! real data with the answers of other engines.

pub(crate) mod brute_force;
mod build_methods;
mod build_reports;
mod check;
mod codes_out;
mod config_proposal;
pub(crate) mod dataset_validation;
mod diff;
pub(crate) mod embedded_dataset;
mod export;
mod geodesy;
mod homes;
pub(crate) mod import_end_to_end;
mod known_answers;
mod national;
mod near_boundary;
mod neighbours;
mod nhs_and_ons_files;
pub(crate) mod point_in_polygon;
mod polygon_files;
mod real_data;
mod real_places;
mod static_site;
mod statistical_areas;
mod statistical_layers;
