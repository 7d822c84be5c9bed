//! Tests of the pages and the widget. Some tests use Chromium.

mod browser;
mod directory_pages;
mod pages;
mod widget;
