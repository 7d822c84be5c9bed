//! Golden queries: queries with the answers that a dataset must give. A different answer means that
//! the data are wrong, even if their files are intact.

use crate::domain::{Canary, Layer};
use crate::index::{Answer, Found, Index, areas_in};
use crate::question::{Fields, LOCATE_FIELDS, Question};

/// Returns the golden queries that do not have the expected answer.
pub fn failing(index: &Index, canaries: Vec<Canary>) -> Vec<Canary> {
    canaries
        .into_iter()
        .filter(|canary| !is_well(index, canary))
        .collect()
}

fn is_well(index: &Index, canary: &Canary) -> bool {
    let pairs = canary
        .question
        .iter()
        .map(|(name, value)| ((*name).to_string(), value.clone()));
    let question =
        Fields::new(pairs, LOCATE_FIELDS).and_then(|fields| Question::from_fields(&fields));
    match question {
        Err(fault) => fault.code() == canary.status,
        Ok(question) => {
            let answer = index.locate(&question.query);
            answer.status.as_str() == canary.status
                && icc(&answer.residence) == canary.icc_residence
                && registered_icc(&answer) == canary.icc_registration
        }
    }
}

fn registered_icc(answer: &Answer<'_>) -> String {
    answer
        .registration
        .as_ref()
        .map(|it| icc(&it.areas))
        .unwrap_or_default()
}

fn icc(found: &[(Layer, Found<'_>)]) -> String {
    let ids = areas_in(found, Layer::Icc)
        .iter()
        .map(|it| it.area.id.as_str());
    ids.collect::<Vec<_>>().join(" ")
}
