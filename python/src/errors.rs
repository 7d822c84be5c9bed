//! Exceptions with the messages of the library.

use std::fmt::Display;

use catchment::batch::BatchError;
use catchment::json::{LookupProblem, with_parameter_names};
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

create_exception!(
    catchment,
    CatchmentError,
    PyValueError,
    "A look-up has no answer, or the input cannot be used.\n\n\
     `code` is the code of the problem in the API, such as 'unknown_postcode', or None. `suggestion` is \
     the postcode that was probably meant, or None; it was not looked up."
);

/// Returns an exception with a message.
pub(crate) fn error(message: impl Display) -> PyErr {
    with_attributes(message, None, None)
}

/// Returns the exception for a look-up without an answer.
pub(crate) fn lookup_error(problem: LookupProblem) -> PyErr {
    let LookupProblem {
        code,
        detail,
        suggestion,
    } = problem;
    with_attributes(detail, Some(code), suggestion)
}

/// Returns the exception for input that cannot be answered. Its message contains the names of
/// parameters instead of options of the command line.
pub(crate) fn batch_error(batch_error: &BatchError) -> PyErr {
    let text = with_parameter_names(&batch_error.to_string());
    // On the command line, the message follows the name of the file.
    error(
        match (text.strip_prefix("it "), text.strip_prefix("its ")) {
            (Some(rest), _) => format!("the input {rest}"),
            (_, Some(rest)) => format!("the input's {rest}"),
            _ => text,
        },
    )
}

fn with_attributes(
    message: impl Display,
    code: Option<&'static str>,
    suggestion: Option<String>,
) -> PyErr {
    Python::attach(|py| {
        let error = CatchmentError::new_err(message.to_string());
        let value = error.value(py);
        let set = value
            .setattr("code", code)
            .and_then(|()| value.setattr("suggestion", suggestion));
        match set {
            Ok(()) => error,
            Err(other) => other,
        }
    })
}
