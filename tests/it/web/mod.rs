//! The pages and the widget, some of them in Chromium.

mod browser;
mod directory_pages;
mod pages;
mod widget;
