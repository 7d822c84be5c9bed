//! Answers as the JSON of the API, for programs in other languages that call this library, such as
//! the Python package in `python/`.

use std::fmt;

use jiff::civil::Date;
use serde_json::Value;

use crate::wire::flow_report::flow_report_body;
use crate::wire::locate::locate_body;
use crate::wire::option_names::options_as_parameters;
use crate::wire::problem::Problem;
use catchment_batch::flows::PublishedFlows;
use catchment_core::index::Index;
use catchment_core::request::{LOCATE_PARAMS, LocateRequest, RequestParams};

/// The reason why a look-up has no answer.
pub struct LookupProblem {
    /// The code of the problem, such as `unknown_postcode`.
    pub code: &'static str,
    /// What is wrong, and what would have been right. It never repeats the input.
    pub detail: String,
    /// The postcode that was probably meant; it was not looked up.
    pub suggestion: Option<String>,
}

/// Prints no suggestion, because it follows from a user's query.
impl fmt::Debug for LookupProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LookupProblem({})", self.code)
    }
}

impl fmt::Display for LookupProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for LookupProblem {}

impl From<Problem> for LookupProblem {
    fn from(problem: Problem) -> LookupProblem {
        LookupProblem {
            code: problem.code(),
            detail: problem.detail().to_string(),
            suggestion: problem.suggestion().map(|postcode| postcode.to_string()),
        }
    }
}

/// Looks up one place. The parameters and the answer are those of `GET /api/v1/locate`.
///
/// # Errors
/// If a parameter is not valid, the postcode or the statistical area is not known, or there are no
/// data for the date.
pub fn locate(
    index: &Index,
    params: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<u8>, LookupProblem> {
    let answer = || -> Result<Vec<u8>, Problem> {
        let params = RequestParams::new(params, LOCATE_PARAMS)?;
        let request = LocateRequest::from_params(&params)?;
        Ok(locate_body(index, &request)?.to_json())
    };
    Ok(answer()?)
}

/// Returns flows as `catchment flows --json` prints them; `day` is the date of the look-ups.
pub fn flows(index: &Index, flows: &PublishedFlows<'_>, day: Date) -> String {
    Value::Object(flow_report_body(index, flows, day, None)).to_string()
}

/// Replaces command-line options in a message with names of parameters: `--lon-column` with
/// `lon_column`.
pub fn with_parameter_names(message: &str) -> String {
    options_as_parameters(message)
}
