//! The components of the NHS design system, rendered in the same way as in nhsuk-frontend, but only
//! with the options that the pages of this service use.
//!
//! The tests compare the components with the fixtures of nhsuk-frontend. The NHS logo and name are
//! omitted, because the pages of this service are not pages of the NHS.

mod content;
#[cfg(all(test, feature = "web"))]
mod fixtures;
mod form;
mod navigation;
mod pagination;

pub(crate) use content::{DataTable, details, inset_text, summary_list, table, tag};
pub(crate) use form::{
    Button, Checkbox, DateInput, ErrorSummary, Field, FieldLabel, FileUpload, Input, Select,
    button, checkboxes, date_input, error_summary, file_upload, input, select,
};
pub(crate) use navigation::{Link, PageFooter, PageHeader, breadcrumb, footer, header, skip_link};
pub(crate) use pagination::{Pagination, pagination};

/// Returns the `class` attribute of a component with its modifiers, such as
/// `nhsuk-tag nhsuk-tag--grey`.
fn class_list(base: &str, modifiers: &[Option<&str>]) -> String {
    let mut class = base.to_string();
    for modifier in modifiers.iter().flatten() {
        class.push(' ');
        class.push_str(modifier);
    }
    class
}
