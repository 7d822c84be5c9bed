//! Components of the NHS design system, as nhsuk-frontend renders them, for the options that our pages use.
//! Its own fixtures are the expectation of the tests. The logo and the name of the NHS are not among them: this
//! is not a page of the NHS.

mod content;
#[cfg(all(test, feature = "web"))]
mod fixtures;
mod form;
mod navigation;
mod pagination;

pub(crate) use content::{Card, Table, card, details, inset_text, summary_list, table, tag};
pub(crate) use form::{
    Button, Checkbox, DateInput, ErrorSummary, Field, FileUpload, Input, Label, Select, button,
    checkboxes, date_input, error_summary, file_upload, input, select,
};
pub(crate) use navigation::{Footer, Header, Link, breadcrumb, footer, header, skip_link};
pub(crate) use pagination::{Pagination, pagination};

/// A class that stands beside a component's own: `nhsuk-card nhsuk-card--feature`.
fn with_class(base: &str, more: &[Option<&str>]) -> String {
    let mut class = base.to_string();
    for one in more.iter().flatten() {
        class.push(' ');
        class.push_str(one);
    }
    class
}
