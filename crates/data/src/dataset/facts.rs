//! Reads the tables of facts about areas and partnerships. Every table is optional.

use super::read::VerifiedReader;
use super::{DatasetError, columns};
use crate::formats::{CsvTableRow, TableError};
use catchment_core::domain::{
    Announcement, AreaCode, AreaFacts, AreaLink, AreaName, CarePartnershipFact, Council,
    ModelShare, PatientCount, Period, ResidentCount, TeamStage, date_from_iso,
};

/// The separator between the codes of a list in a cell.
pub(crate) const LIST_SEPARATOR: char = ';';

impl VerifiedReader<'_> {
    pub(super) fn read_facts(&self) -> Result<AreaFacts, DatasetError> {
        Ok(AreaFacts {
            names: self.read_table("area_names.csv", &columns::AREA_NAMES, parse_name)?,
            codes: self.read_table("area_codes.csv", &columns::AREA_CODES, parse_code)?,
            links: self.read_table("area_links.csv", &columns::AREA_LINKS, parse_link)?,
            model_shares: self.read_table(
                "model_shares.csv",
                &columns::MODEL_SHARES,
                parse_model_share,
            )?,
            residents: self.read_table("residents.csv", &columns::RESIDENTS, parse_residents)?,
            registrations: self.read_table(
                "registrations.csv",
                &columns::REGISTRATIONS,
                parse_registration,
            )?,
            stages: self.read_table("team_stages.csv", &columns::TEAM_STAGES, parse_stage)?,
            care_partnerships: self.read_table(
                "care_partnerships.csv",
                &columns::CARE_PARTNERSHIPS,
                parse_care_partnership,
            )?,
            announcements: self.read_table(
                "announcements.csv",
                &columns::ANNOUNCEMENTS,
                parse_announcement,
            )?,
            councils: self.read_table("councils.csv", &columns::COUNCILS, parse_council)?,
            attributes: self.read_attributes()?,
        })
    }
}

fn parse_name(row: &CsvTableRow<'_>) -> Result<AreaName, TableError> {
    Ok(AreaName {
        layer: row.layer(0)?,
        area: row.required(1)?.to_string(),
        name: row.required(2)?.to_string(),
        kind: row.required(3)?.to_string(),
        source: row.text(4)?.to_string(),
        as_of: row.parse_optional_with(5, date_from_iso)?,
    })
}

fn parse_code(row: &CsvTableRow<'_>) -> Result<AreaCode, TableError> {
    Ok(AreaCode {
        layer: row.layer(0)?,
        area: row.required(1)?.to_string(),
        scheme: row.required(2)?.to_string(),
        code: row.required(3)?.to_string(),
    })
}

fn parse_link(row: &CsvTableRow<'_>) -> Result<AreaLink, TableError> {
    Ok(AreaLink {
        community: row.required(0)?.to_string(),
        organisation: row.required(1)?.to_string(),
        kind: row.text(2)?.to_string(),
        relation: row.required(3)?.to_string(),
        group: row.optional(4)?.map(str::to_string),
        source: row.text(5)?.to_string(),
        as_of: row.parse_optional_with(6, date_from_iso)?,
        note: row.text(7)?.to_string(),
    })
}

fn parse_model_share(row: &CsvTableRow<'_>) -> Result<ModelShare, TableError> {
    Ok(ModelShare {
        statistical_area: row.required(0)?.to_string(),
        layer: row.layer(1)?,
        area: row.required(2)?.to_string(),
        share: row.parse_with(3, share)?,
        disputed: row.parse_with(4, areas_with_shares)?,
    })
}

/// Parses a share from 0 to 1.
pub(crate) fn share(text: &str) -> Result<f64, &'static str> {
    let share = text.parse().ok();
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or("must be a share from 0 to 1")
}

/// Parses a list of areas with their shares: `mb-bay 0.44; mb-lancaster 0.38`.
pub(crate) fn areas_with_shares(text: &str) -> Result<Vec<(String, f64)>, &'static str> {
    let items = text.split(LIST_SEPARATOR).map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .map(|item| {
            let (id, number) = item
                .split_once(' ')
                .ok_or("must be ids with shares: `mb-bay 0.44; mb-lancaster 0.38`")?;
            Ok((id.to_string(), share(number.trim())?))
        })
        .collect()
}

fn parse_residents(row: &CsvTableRow<'_>) -> Result<ResidentCount, TableError> {
    Ok(ResidentCount {
        scheme: row.required(0)?.to_string(),
        statistical_area: row.required(1)?.to_string(),
        as_of: row.parse_with(2, date_from_iso)?,
        people: row.parse(3)?,
    })
}

fn parse_registration(row: &CsvTableRow<'_>) -> Result<PatientCount, TableError> {
    Ok(PatientCount {
        practice: row.parse(0)?,
        statistical_area: row.parse(1)?,
        as_of: row.parse_with(2, date_from_iso)?,
        patients: row.parse(3)?,
    })
}

fn parse_stage(row: &CsvTableRow<'_>) -> Result<TeamStage, TableError> {
    Ok(TeamStage {
        system: row.required(0)?.to_string(),
        stage: row.parse(1)?,
        years: (row.parse_optional(2)?, row.parse_optional(3)?),
        people: row.required(4)?.to_string(),
        wording: row.text(5)?.to_string(),
        source: row.text(6)?.to_string(),
        as_of: row.parse_optional_with(7, date_from_iso)?,
    })
}

fn parse_care_partnership(row: &CsvTableRow<'_>) -> Result<CarePartnershipFact, TableError> {
    Ok(CarePartnershipFact {
        partnership: row.required(0)?.to_string(),
        kind: row.required(1)?.to_string(),
        name: row.required(2)?.to_string(),
        role: row.text(3)?.to_string(),
        wording: row.text(4)?.to_string(),
        source: row.text(5)?.to_string(),
        as_of: row.parse_optional(6)?,
    })
}

fn parse_announcement(row: &CsvTableRow<'_>) -> Result<Announcement, TableError> {
    Ok(Announcement {
        month: row.parse(0)?,
        text: row.required(1)?.to_string(),
        source: row.required(2)?.to_string(),
        areas: list(row.required(3)?),
    })
}

/// Parses a council. The source states the last day of a council, which is converted to the day
/// after it.
fn parse_council(row: &CsvTableRow<'_>) -> Result<Council, TableError> {
    let last_day = row.parse_optional_with(6, date_from_iso)?;
    let county = row.optional(3)?.map(str::to_string);
    let county_name = row.text(4)?.to_string();
    let sub_icbs = row.text(8)?.split(',').map(str::trim);
    Ok(Council {
        code: row.required(0)?.to_string(),
        name: row.required(1)?.to_string(),
        kind: row.required(2)?.to_string(),
        county: county.map(|code| (code, county_name)),
        period: Period {
            from: row.parse_optional_with(5, date_from_iso)?,
            to: last_day.map(|last| last.tomorrow().unwrap_or(last)),
        },
        successors: list(row.text(7)?),
        sub_icbs: sub_icbs
            .filter(|code| !code.is_empty())
            .map(str::to_string)
            .collect(),
    })
}

fn list(text: &str) -> Vec<String> {
    let items = text.split(LIST_SEPARATOR).map(str::trim);
    let items = items.filter(|item| !item.is_empty());
    items.map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disputed_areas_have_shares() {
        let areas = areas_with_shares("mb-bay 0.44; mb-lancaster 0.38").expect("two areas");
        assert_eq!(
            areas,
            [
                ("mb-bay".to_string(), 0.44),
                ("mb-lancaster".to_string(), 0.38)
            ]
        );
        assert_eq!(areas_with_shares(""), Ok(Vec::new()));
        assert!(areas_with_shares("mb-bay").is_err());
        assert!(areas_with_shares("mb-bay 1.5").is_err());
    }

    #[test]
    fn lists_are_separated_by_semicolons() {
        assert_eq!(list("a; b;"), ["a", "b"]);
        assert!(list("").is_empty());
    }
}
