//! The pages: HTML first, script second. Templates, styles and scripts are compiled into the program.

mod api;
mod list;
mod map;
pub(crate) mod ogc;
mod page;
mod words;

pub(crate) use api::openapi;
pub(crate) use list::{ListFault, ListPage, list};
pub(crate) use page::{Fault, Home, Outcome, home, privacy};
pub(crate) use words::distance;

/// The style sheet.
pub(crate) const STYLE: &str = include_str!("style.css");
/// The script of the page of lists.
pub(crate) const LIST_SCRIPT: &str = include_str!("list.js");
/// The picture in the tab.
pub(crate) const ICON: &str = include_str!("icon.svg");
