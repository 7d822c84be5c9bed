//! Integration tests of behaviour that involves more than one module of the program.

mod api;
mod batches;
mod command;
mod county;
mod data;
mod mapping;
mod ops;
mod project;
mod support;
mod web;
