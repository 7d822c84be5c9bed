//! The project itself: structure, words, deployment files, dependencies.

mod architecture;
mod deploy;
mod plain_english;
mod supply_chain;
