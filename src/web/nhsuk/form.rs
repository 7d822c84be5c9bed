//! Fields, buttons, and what is wrong with what stands in them.

use maud::{Markup, html};

use super::with_class;

/// What a field is called.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Label<'a> {
    pub(crate) text: &'a str,
    /// `l`, `m` or `s`; text size where there is none.
    pub(crate) size: Option<&'a str>,
    /// Whether it is the heading of the page as well.
    pub(crate) is_heading: bool,
}

impl<'a> From<&'a str> for Label<'a> {
    fn from(text: &'a str) -> Label<'a> {
        Label {
            text,
            ..Label::default()
        }
    }
}

/// What every kind of field has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Field<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) label: Label<'a>,
    pub(crate) hint: Option<Markup>,
    /// What is wrong with what was given.
    pub(crate) error: Option<&'a str>,
}

impl Field<'_> {
    /// The ids of what explains the field, for `aria-describedby`.
    fn described_by(&self) -> Option<String> {
        let hint = self.hint.as_ref().map(|_| format!("{}-hint", self.id));
        let error = self.error.map(|_| format!("{}-error", self.id));
        let ids: Vec<String> = hint.into_iter().chain(error).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    fn hint_and_error(&self) -> Markup {
        html! {
            @if let Some(hint) = &self.hint { div.nhsuk-hint id={ (self.id) "-hint" } { (hint) } }
            @if let Some(error) = self.error { (error_message(Some(&format!("{}-error", self.id)), error)) }
        }
    }

    /// The group of a label, what explains it, and the control.
    fn group(&self, class: Option<&str>, module: Option<&str>, control: &Markup) -> Markup {
        let faulty = self.error.map(|_| "nhsuk-form-group--error");
        html! {
            div class=(with_class("nhsuk-form-group", &[faulty, class])) data-module=[module] {
                (label(self.id, &self.label, None))
                (self.hint_and_error())
                (control)
            }
        }
    }
}

fn label(id: &str, label: &Label<'_>, class: Option<&str>) -> Markup {
    let size = label.size.map(|size| format!("nhsuk-label--{size}"));
    let class = with_class("nhsuk-label", &[size.as_deref(), class]);
    let label_itself = html! { label class=(class) for=(id) { (label.text) } };
    html! {
        @if label.is_heading { h1.nhsuk-label-wrapper { (label_itself) } } @else { (label_itself) }
    }
}

pub(super) fn error_message(id: Option<&str>, text: &str) -> Markup {
    html! {
        span.nhsuk-error-message id=[id] {
            span.nhsuk-u-visually-hidden { "Error: " } (text)
        }
    }
}

/// One line of text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input<'a> {
    pub(crate) field: Field<'a>,
    pub(crate) value: Option<&'a str>,
    /// About how many characters it is wide: 2, 3, 4, 5, 10, 20 or 30.
    pub(crate) width: Option<u8>,
    pub(crate) autocomplete: Option<&'a str>,
    pub(crate) inputmode: Option<&'a str>,
    /// Digits as wide as each other.
    pub(crate) is_code: bool,
    /// `false` for what is no word.
    pub(crate) spellcheck: Option<&'a str>,
    /// Whether typing goes there at once.
    pub(crate) is_focused: bool,
    pub(crate) maxlength: Option<u16>,
    /// The id of a list to choose from.
    pub(crate) list: Option<&'a str>,
}

pub(crate) fn input(input: &Input<'_>) -> Markup {
    let field = &input.field;
    let width = input
        .width
        .map(|width| format!("nhsuk-input--width-{width}"));
    let code = input.is_code.then_some("nhsuk-input--code");
    let faulty = field.error.map(|_| "nhsuk-input--error");
    let class = with_class("nhsuk-input", &[code, faulty, width.as_deref()]);
    let control = html! {
        input class=(class) id=(field.id) name=(field.name) type="text" value=[input.value]
            spellcheck=[input.spellcheck] aria-describedby=[field.described_by()]
            autocomplete=[input.autocomplete] inputmode=[input.inputmode] maxlength=[input.maxlength] list=[input.list] autofocus[input.is_focused];
    };
    field.group(None, None, &control)
}

/// A day in three fields; their names are `day`, `month` and `year`.
#[derive(Debug, Clone, Default)]
pub(crate) struct DateInput<'a> {
    pub(crate) id: &'a str,
    pub(crate) legend: Label<'a>,
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
    let faulty = date.error.map(|_| "nhsuk-form-group--error");
    let class = with_class("nhsuk-form-group", &[faulty]);
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
    let faulty = date.error.map(|_| "nhsuk-input--error");
    let class = with_class(
        "nhsuk-input",
        &[faulty, Some(&width), Some("nhsuk-date-input__input")],
    );
    html! {
        (label(&id, &text.into(), Some("nhsuk-date-input__label")))
        input class=(class) id=(id) name=(name) type="text" value=[value] inputmode="numeric";
    }
}

fn legend(legend: &Label<'_>) -> Markup {
    let size = legend
        .size
        .map(|size| format!("nhsuk-fieldset__legend--{size}"));
    html! {
        legend class=(with_class("nhsuk-fieldset__legend", &[size.as_deref()])) {
            @if legend.is_heading { h1.nhsuk-fieldset__heading { (legend.text) } } @else { (legend.text) }
        }
    }
}

/// One of several.
#[derive(Debug, Clone, Default)]
pub(crate) struct Select<'a> {
    pub(crate) field: Field<'a>,
    /// `option` elements, in groups or not.
    pub(crate) options: Markup,
}

pub(crate) fn select(select: &Select<'_>) -> Markup {
    let field = &select.field;
    let faulty = field.error.map(|_| "nhsuk-select--error");
    let control = html! {
        select class=(with_class("nhsuk-select", &[faulty])) id=(field.id) name=(field.name)
            aria-describedby=[field.described_by()] { (select.options) }
    };
    field.group(None, None, &control)
}

/// Something to be ticked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Checkbox<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
    pub(crate) label: &'a str,
    pub(crate) hint: Option<&'a str>,
    pub(crate) is_checked: bool,
}

/// Each by itself: no legend says what they have in common.
pub(crate) fn checkboxes(boxes: &[Checkbox<'_>], is_small: bool) -> Markup {
    let small = is_small.then_some("nhsuk-checkboxes--small");
    html! {
        div.nhsuk-form-group {
            div class=(with_class("nhsuk-checkboxes", &[small])) data-module="nhsuk-checkboxes" {
                @for one in boxes {
                    @let hint_id = one.hint.map(|_| format!("{}-item-hint", one.id));
                    div.nhsuk-checkboxes__item {
                        input.nhsuk-checkboxes__input id=(one.id) name=(one.name) type="checkbox" value=(one.value)
                            checked[one.is_checked] aria-describedby=[hint_id.as_ref()];
                        (label(one.id, &one.label.into(), Some("nhsuk-checkboxes__label")))
                        @if let Some(hint) = one.hint {
                            div.nhsuk-hint.nhsuk-checkboxes__hint id=[hint_id] { (hint) }
                        }
                    }
                }
            }
        }
    }
}

/// A file.
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

/// Something to be pressed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Button<'a> {
    pub(crate) text: &'a str,
    /// `secondary`, `reverse` or `warning`.
    pub(crate) variant: Option<&'a str>,
    pub(crate) is_small: bool,
    /// Sends a form but once, however often it is pressed within a second.
    pub(crate) is_pressed_once: bool,
    pub(crate) id: Option<&'a str>,
    /// `submit`, or else.
    pub(crate) kind: Option<&'a str>,
}

pub(crate) fn button(button: &Button<'_>) -> Markup {
    let variant = button.variant.map(|it| format!("nhsuk-button--{it}"));
    let small = button.is_small.then_some("nhsuk-button--small");
    let class = with_class("nhsuk-button", &[variant.as_deref(), small]);
    html! {
        button class=(class) id=[button.id] data-module="nhsuk-button"
            data-prevent-double-click=[button.is_pressed_once.then_some("true")]
            type=(button.kind.unwrap_or("submit")) { (button.text) }
    }
}

/// Everything that is wrong, at the top of the page.
#[derive(Debug, Clone, Default)]
pub(crate) struct ErrorSummary<'a> {
    /// What to say first.
    pub(crate) description: Option<Markup>,
    /// What may help, below the faults.
    pub(crate) help: Option<Markup>,
    /// Each fault, and the id of the field that it is in.
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
