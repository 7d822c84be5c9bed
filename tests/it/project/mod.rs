//! Tests of the project itself: its structure, wording, deployment files and dependencies.

mod architecture;
mod containers;
mod deploy;
mod examples;
mod fuzz_seeds;
mod layer_names;
mod plain_english;
mod problem_codes;
mod supply_chain;
