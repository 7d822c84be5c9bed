//! The form components: fields, buttons and errors.

use maud::{Markup, html};

use super::class_list;

/// The label of a field.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FieldLabel<'a> {
    pub(crate) text: &'a str,
    /// The size of the label: `l`, `m` or `s`; `None` for the size of body text.
    pub(crate) size: Option<&'a str>,
    /// Whether the label is also the `h1` of the page.
    pub(crate) is_heading: bool,
}

impl<'a> From<&'a str> for FieldLabel<'a> {
    fn from(text: &'a str) -> FieldLabel<'a> {
        FieldLabel {
            text,
            ..FieldLabel::default()
        }
    }
}

/// The parts that all kinds of fields have in common.
#[derive(Debug, Clone, Default)]
pub(crate) struct Field<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) label: FieldLabel<'a>,
    pub(crate) hint: Option<Markup>,
    pub(crate) error: Option<&'a str>,
    /// The id of another element that describes the field.
    pub(crate) description: Option<&'a str>,
}

impl Field<'_> {
    /// Returns the ids of the descriptions, the hint and the error, for `aria-describedby`.
    fn described_by(&self) -> Option<String> {
        let hint = self.hint.as_ref().map(|_| format!("{}-hint", self.id));
        let error = self.error.map(|_| format!("{}-error", self.id));
        let described = self.description.map(str::to_string).into_iter();
        let ids: Vec<String> = described.chain(hint).chain(error).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    fn hint_and_error(&self) -> Markup {
        html! {
            @if let Some(hint) = &self.hint { div.nhsuk-hint id={ (self.id) "-hint" } { (hint) } }
            @if let Some(error) = self.error { (error_message(Some(&format!("{}-error", self.id)), error)) }
        }
    }

    /// Renders a form group: label, hint, error and `control`.
    fn group(&self, class: Option<&str>, module: Option<&str>, control: &Markup) -> Markup {
        let error = self.error.map(|_| "nhsuk-form-group--error");
        html! {
            div class=(class_list("nhsuk-form-group", &[error, class])) data-module=[module] {
                (label(self.id, &self.label, None))
                (self.hint_and_error())
                (control)
            }
        }
    }
}

fn label(id: &str, label: &FieldLabel<'_>, class: Option<&str>) -> Markup {
    let size = label.size.map(|size| format!("nhsuk-label--{size}"));
    let class = class_list("nhsuk-label", &[size.as_deref(), class]);
    let label_element = html! { label class=(class) for=(id) { (label.text) } };
    html! {
        @if label.is_heading { h1.nhsuk-label-wrapper { (label_element) } } @else { (label_element) }
    }
}

pub(super) fn error_message(id: Option<&str>, text: &str) -> Markup {
    html! {
        span.nhsuk-error-message id=[id] {
            span.nhsuk-u-visually-hidden { "Error: " } (text)
        }
    }
}

/// A text input of one line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input<'a> {
    pub(crate) field: Field<'a>,
    pub(crate) value: Option<&'a str>,
    /// The width in characters: 2, 3, 4, 5, 10, 20 or 30.
    pub(crate) width: Option<u8>,
    pub(crate) autocomplete: Option<&'a str>,
    pub(crate) inputmode: Option<&'a str>,
    /// Whether all digits have the same width.
    pub(crate) is_code: bool,
    /// The `spellcheck` attribute: `false` for codes.
    pub(crate) spellcheck: Option<&'a str>,
    /// Whether the field has the focus when the page opens.
    pub(crate) is_focused: bool,
    pub(crate) maxlength: Option<u16>,
    /// The id of a `datalist`.
    pub(crate) list: Option<&'a str>,
}

pub(crate) fn input(input: &Input<'_>) -> Markup {
    let field = &input.field;
    let width = input
        .width
        .map(|width| format!("nhsuk-input--width-{width}"));
    let code = input.is_code.then_some("nhsuk-input--code");
    let error = field.error.map(|_| "nhsuk-input--error");
    let class = class_list("nhsuk-input", &[code, error, width.as_deref()]);
    let control = html! {
        input class=(class) id=(field.id) name=(field.name) type="text" value=[input.value]
            spellcheck=[input.spellcheck] aria-describedby=[field.described_by()]
            autocomplete=[input.autocomplete] inputmode=[input.inputmode] maxlength=[input.maxlength] list=[input.list] autofocus[input.is_focused];
    };
    field.group(None, None, &control)
}

/// A date input: three fields with the names `day`, `month` and `year`.
#[derive(Debug, Clone, Default)]
pub(crate) struct DateInput<'a> {
    pub(crate) id: &'a str,
    pub(crate) legend: FieldLabel<'a>,
    pub(crate) hint: Option<Markup>,
    pub(crate) error: Option<&'a str>,
    pub(crate) values: [Option<&'a str>; 3],
}

pub(crate) fn date_input(date: &DateInput<'_>) -> Markup {
    let field = Field {
        id: date.id,
        hint: date.hint.clone(),
        error: date.error,
        ..Field::default()
    };
    let error = date.error.map(|_| "nhsuk-form-group--error");
    let class = class_list("nhsuk-form-group", &[error]);
    let parts = [
        ("Day", "day", 2),
        ("Month", "month", 2),
        ("Year", "year", 4),
    ];
    html! {
        div class=(class) {
            fieldset.nhsuk-fieldset role="group" aria-describedby=[field.described_by()] {
                (legend(&date.legend))
                (field.hint_and_error())
                div.nhsuk-date-input id=(date.id) {
                    @for ((label, name, width), value) in parts.into_iter().zip(date.values) {
                        div.nhsuk-date-input__item {
                            div class=(class) { (date_part(date, label, name, width, value)) }
                        }
                    }
                }
            }
        }
    }
}

fn date_part(
    date: &DateInput<'_>,
    text: &str,
    name: &str,
    width: u8,
    value: Option<&str>,
) -> Markup {
    let id = format!("{}-{name}", date.id);
    let width = format!("nhsuk-input--width-{width}");
    let error = date.error.map(|_| "nhsuk-input--error");
    let class = class_list(
        "nhsuk-input",
        &[error, Some(&width), Some("nhsuk-date-input__input")],
    );
    html! {
        (label(&id, &text.into(), Some("nhsuk-date-input__label")))
        input class=(class) id=(id) name=(name) type="text" value=[value] inputmode="numeric";
    }
}

fn legend(legend: &FieldLabel<'_>) -> Markup {
    let size = legend
        .size
        .map(|size| format!("nhsuk-fieldset__legend--{size}"));
    html! {
        legend class=(class_list("nhsuk-fieldset__legend", &[size.as_deref()])) {
            @if legend.is_heading { h1.nhsuk-fieldset__heading { (legend.text) } } @else { (legend.text) }
        }
    }
}

/// A `select` element, which is a list from which the user chooses one option.
#[derive(Debug, Clone, Default)]
pub(crate) struct Select<'a> {
    pub(crate) field: Field<'a>,
    /// The `option` and `optgroup` elements.
    pub(crate) options: Markup,
}

pub(crate) fn select(select: &Select<'_>) -> Markup {
    let field = &select.field;
    let error = field.error.map(|_| "nhsuk-select--error");
    let control = html! {
        select class=(class_list("nhsuk-select", &[error])) id=(field.id) name=(field.name)
            aria-describedby=[field.described_by()] { (select.options) }
    };
    field.group(None, None, &control)
}

/// A checkbox with its label and hint.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Checkbox<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
    pub(crate) label: &'a str,
    pub(crate) hint: Option<&'a str>,
    pub(crate) is_checked: bool,
}

/// Renders checkboxes without a fieldset and legend.
pub(crate) fn checkboxes(boxes: &[Checkbox<'_>], is_small: bool) -> Markup {
    let small = is_small.then_some("nhsuk-checkboxes--small");
    html! {
        div.nhsuk-form-group {
            div class=(class_list("nhsuk-checkboxes", &[small])) data-module="nhsuk-checkboxes" {
                @for checkbox in boxes {
                    @let hint_id = checkbox.hint.map(|_| format!("{}-item-hint", checkbox.id));
                    div.nhsuk-checkboxes__item {
                        input.nhsuk-checkboxes__input id=(checkbox.id) name=(checkbox.name) type="checkbox" value=(checkbox.value)
                            checked[checkbox.is_checked] aria-describedby=[hint_id.as_ref()];
                        (label(checkbox.id, &checkbox.label.into(), Some("nhsuk-checkboxes__label")))
                        @if let Some(hint) = checkbox.hint {
                            div.nhsuk-hint.nhsuk-checkboxes__hint id=[hint_id] { (hint) }
                        }
                    }
                }
            }
        }
    }
}

/// A field for uploading a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileUpload<'a> {
    pub(crate) field: Field<'a>,
    pub(crate) accept: Option<&'a str>,
    pub(crate) is_required: bool,
}

pub(crate) fn file_upload(upload: &FileUpload<'_>) -> Markup {
    let field = &upload.field;
    let control = html! {
        input.nhsuk-file-upload__input id=(field.id) name=(field.name) type="file" accept=[upload.accept]
            required[upload.is_required] aria-describedby=[field.described_by()];
    };
    field.group(
        Some("nhsuk-file-upload"),
        Some("nhsuk-file-upload"),
        &control,
    )
}

/// A button, which submits the form unless `kind` is `button`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Button<'a> {
    pub(crate) text: &'a str,
    /// The variant of the button: `secondary`, `reverse` or `warning`.
    pub(crate) variant: Option<&'a str>,
    pub(crate) is_small: bool,
    /// Whether a second press of the button within a second is ignored.
    pub(crate) prevents_double_click: bool,
    pub(crate) id: Option<&'a str>,
    /// The `type` attribute. The default is `submit`.
    pub(crate) kind: Option<&'a str>,
}

pub(crate) fn button(button: &Button<'_>) -> Markup {
    let variant = button
        .variant
        .map(|variant| format!("nhsuk-button--{variant}"));
    let small = button.is_small.then_some("nhsuk-button--small");
    let class = class_list("nhsuk-button", &[variant.as_deref(), small]);
    html! {
        button class=(class) id=[button.id] data-module="nhsuk-button"
            data-prevent-double-click=[button.prevents_double_click.then_some("true")]
            type=(button.kind.unwrap_or("submit")) { (button.text) }
    }
}

/// The summary of all errors at the top of a page.
#[derive(Debug, Clone, Default)]
pub(crate) struct ErrorSummary<'a> {
    pub(crate) description: Option<Markup>,
    /// Help text below the errors.
    pub(crate) help: Option<Markup>,
    /// Error messages, each with the id of its field.
    pub(crate) errors: &'a [(&'a str, &'a str)],
}

pub(crate) fn error_summary(summary: &ErrorSummary<'_>) -> Markup {
    html! {
        div.nhsuk-error-summary data-module="nhsuk-error-summary" {
            div role="alert" {
                h2.nhsuk-error-summary__heading { "There is a problem" }
                div.nhsuk-error-summary__body {
                    @if let Some(description) = &summary.description { (description) }
                    ul."nhsuk-list nhsuk-error-summary__list" {
                        @for (text, id) in summary.errors { li { a href={ "#" (id) } { (text) } } }
                    }
                    @if let Some(help) = &summary.help { (help) }
                }
            }
        }
    }
}
