//! The method `statistical_areas`: the areas of the layer are the statistical areas themselves.
//!
//! Uses the names and boundaries of the table `[statistical_areas]`. The layer and the statistical
//! areas share one file of boundaries.

use anyhow::{Result, anyhow};

use super::super::records::DatasetRecords;
use super::LayerContext;
use crate::dataset::boundary::boundary_from_polygons;
use crate::formats::Crs;
use catchment_core::domain::Boundary;

pub(super) fn add_areas(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
) -> Result<Vec<Boundary>> {
    let areas = &context.sources.statistical_areas;
    let mut boundaries = Vec::with_capacity(areas.len());
    for (code, area) in areas {
        context.add_area_if_missing(records, code, &area.name, None);
        let period = context.period;
        context.assign(records, code.clone(), code.clone(), None, period);
        let boundary = boundary_from_polygons(Crs::LonLat, &area.polygons, code.clone(), period);
        boundaries.push(boundary.map_err(|reason| anyhow!("statistical area `{code}`: {reason}"))?);
    }
    Ok(boundaries)
}

#[cfg(test)]
mod tests {
    use super::super::super::test_sources::{assignments, context, sources_with_areas};
    use super::*;
    use crate::test_layers;

    #[test]
    fn each_statistical_area_is_an_area_of_the_layer() {
        let sources = sources_with_areas(&[
            ("E01000001", "Lancaster 001A", "01K"),
            ("E01000002", "Lancaster 001B", "01K"),
        ]);
        let mut records = DatasetRecords::default();
        let context = context(test_layers::layer("place"), &sources);
        let boundaries = add_areas(&mut records, &context).expect("valid areas");
        let names = records.areas().iter().map(|area| area.name.as_str());
        assert!(names.eq(["Lancaster 001A", "Lancaster 001B"]));
        assert_eq!(
            assignments(&records),
            [
                ("E01000001", "E01000001", None),
                ("E01000002", "E01000002", None)
            ]
        );
        let ids = boundaries.iter().map(|boundary| boundary.id.as_str());
        assert!(ids.eq(["E01000001", "E01000002"]));
    }
}
