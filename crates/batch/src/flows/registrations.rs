//! Flows computed from the registrations in a dataset, which are the published numbers of patients
//! by practice and statistical area.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::Date;

use super::layers::FlowLayers;
use super::places::FlowPlaces;
use super::table::FlowTable;
use super::tally::FlowTally;
use catchment_core::domain::{OdsCode, StatisticalAreaCode, StatisticalAreaLocator};
use catchment_core::index::{Index, LocateQuery, Locator};

/// Flows computed from the registrations in a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationFlows {
    /// The numbers of patients.
    pub table: FlowTable,
    /// The date of the newest registrations.
    pub counted_on: Date,
}

/// Counts the registrations in a dataset on a day, by the place where patients are registered and
/// the place where they live. Returns `None` if the dataset contains no registrations.
///
/// Patients of a closed practice are counted under its successor. If a statistical area is in
/// several areas of the layer, it is assigned to the area that contains most of its live postcodes.
/// A statistical area that is not in the dataset is "elsewhere".
pub fn registration_flows(
    index: &Index,
    layers: FlowLayers,
    day: Date,
) -> Option<RegistrationFlows> {
    let counts = &index.facts().registrations;
    // Older numbers of a statistical area belong to practices that are missing from its newest
    // numbers. They are not counted.
    let mut newest: HashMap<StatisticalAreaCode, Date> = HashMap::new();
    for count in counts {
        let date = newest.entry(count.statistical_area).or_insert(count.as_of);
        *date = count.as_of.max(*date);
    }
    let places = Arc::new(FlowPlaces::new(index, layers));
    let mut tally = FlowTally::new(&places);
    let mut registered: HashMap<OdsCode, u32> = HashMap::new();
    let mut resident: HashMap<StatisticalAreaCode, u32> = HashMap::new();
    for count in counts {
        if newest[&count.statistical_area] != count.as_of {
            continue;
        }
        let query = LocateQuery {
            locator: None,
            practice: None,
            as_of: day,
        };
        let practice = *registered.entry(count.practice).or_insert_with(|| {
            let answer = index.locate(&LocateQuery {
                practice: Some(Ok(count.practice)),
                ..query
            });
            let registration = answer.registration.expect("the query has a practice");
            places.registration(&registration)
        });
        let code = count.statistical_area;
        let home = *resident.entry(code).or_insert_with(|| {
            let area = StatisticalAreaLocator { layer: None, code };
            places.published_residence(&index.locate(&LocateQuery {
                locator: Some(Locator::StatisticalArea(area)),
                ..query
            }))
        });
        tally.add(practice, home, u64::from(count.patients));
    }
    Some(RegistrationFlows {
        table: tally.into_table(0),
        counted_on: newest.into_values().max()?,
    })
}
