//! The dataset builder: adds layer after layer by the methods of the configuration.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result, anyhow, bail};
use jiff::civil::Date;

use super::config::{
    Catchments, Config, Coverage, Hierarchy, LayerConfig, Lookup, Members, Plurality, Polygons,
    Way, WayConfig,
};
use super::dissolve::dissolve;
use super::shares::Shares;
use super::sources::{Sources, StatisticalArea, is_among, name};
use super::tables;
use crate::dataset::polygons::{self, Crs};
use crate::dataset::rings::Polygon;
use crate::dataset::validity::invalidity;
use crate::dataset::{LayerEntry, LayerKind, Manifest, StatisticalAreas};
use crate::domain::{
    Area, Assignment, Boundary, Extent, Layer, Lineage, Member, Membership, OdsCode, Period,
    Practice, Provenance, SuppressionRule, date_from_iso,
};
use crate::geojson;
use crate::import::catchments::{self, CatchmentKind};
use crate::import::hierarchy::{self, ListedPart, Selector};
use crate::import::practice_list::ListedPractice;
use crate::import::{lookup, resilience_groups};

/// Collects the parts of a dataset while it is built.
#[derive(Default)]
pub(super) struct Draft {
    areas: Vec<Area>,
    /// The index in `areas` of the last area with each layer and id.
    places: HashMap<Layer, HashMap<String, usize>>,
    lineage: Vec<Lineage>,
    memberships: Vec<Membership>,
    assignments: Vec<Assignment>,
    shares: BTreeMap<String, Shares>,
    layers: Vec<LayerEntry>,
    boundaries: Vec<(Layer, Vec<Boundary>)>,
    /// Remarks for the person who runs the build.
    remarks: Vec<String>,
}

/// The values that a method needs beside its own configuration.
struct Making<'a> {
    layer: Layer,
    provenance: Provenance,
    period: Period,
    sources: &'a Sources,
}

impl Draft {
    /// Builds every layer of the configuration.
    pub(super) fn new(
        sources: &mut Sources,
        config: &Config,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Draft> {
        let mut draft = Draft::default();
        let day =
            date_from_iso(&config.as_of).with_context(|| format!("as_of `{}`", config.as_of))?;
        for shares in &config.shares {
            tell(&format!("registrations: {}", shares.name));
            let made = Shares::new(shares, sources, day)?;
            draft.shares.insert(shares.name.clone(), made);
        }
        draft.add_history(sources, config)?;
        for layer in &config.layers {
            tell(&format!("layer {}", layer.id));
            draft
                .add_layer(layer, sources)
                .with_context(|| format!("layer `{}`", layer.id))?;
        }
        draft
            .memberships
            .extend(sources.memberships.iter().cloned());
        draft.add_homes_of_practices(sources);
        Ok(draft)
    }

    /// Adds the areas in the history, their lineage and what they are parts of.
    fn add_history(&mut self, sources: &Sources, config: &Config) -> Result<()> {
        for listed in &sources.history {
            let Some(layer) = config
                .layers
                .iter()
                .find(|layer| layer.id == listed.layer.as_str())
            else {
                continue;
            };
            let first_data = date_from_iso(&layer.first_data)?;
            let period = match listed.fate {
                Some(_) => ended_by(first_data, listed.period),
                None => listed.period,
            };
            self.push_area(Area {
                layer: listed.layer,
                id: listed.id.clone(),
                name: listed.name.clone(),
                kind: None,
                system: Some(listed.system.clone()),
                provenance: provenance(&layer.provenance)?,
                period,
            });
            self.lineage
                .extend(listed.fate.as_ref().map(|fate| Lineage {
                    layer: listed.layer,
                    predecessor: listed.id.clone(),
                    successor: fate.successor.clone(),
                    relation: fate.relation,
                    date: listed.period.to,
                    source: listed.source.clone(),
                }));
            let member = Member::Area(listed.layer, listed.id.clone());
            let whole = listed.part_of.as_ref();
            let part_of = whole.map(|id| official_part(member, (Layer::Icc, id), listed.period));
            self.memberships.extend(part_of);
        }
        Ok(())
    }

    fn add_layer(&mut self, config: &LayerConfig, sources: &Sources) -> Result<()> {
        let layer: Layer = config.id.parse()?;
        let mut boundaries = Vec::new();
        for way in &config.ways {
            let making = Making {
                layer,
                provenance: provenance(&config.provenance)?,
                period: period(way)?,
                sources,
            };
            match &way.way {
                Way::Polygons(way) => boundaries.extend(self.add_polygons(&making, way)?),
                Way::Lookup(way) => self.add_lookup(&making, way)?,
                Way::Plurality(way) => self.add_plurality(&making, way)?,
                Way::Coverage(way) => self.add_coverage(&making, way)?,
                Way::Catchments(way) => boundaries.extend(self.add_catchments(&making, way)?),
                Way::Hierarchy(way) => self.add_hierarchy(&making, way)?,
                Way::Members(way) => self.add_groups(&making, way)?,
            }
        }
        boundaries.extend(self.dissolved(layer, config.kind, sources)?);
        boundaries.sort_by(|a, b| (&a.id, a.period.from).cmp(&(&b.id, b.period.from)));
        self.boundaries.push((layer, boundaries));
        let on_statistical_areas = self.assignments.iter().any(|it| it.layer == layer);
        self.layers.push(LayerEntry {
            id: config.id.clone(),
            title: config.title.clone(),
            kind: config.kind,
            first_data: config.first_data.clone(),
            provenance: config.provenance.clone(),
            boundaries: Some(boundary_path(&config.id)),
            on_statistical_areas,
            snap_m: config.snap_m,
        });
        Ok(())
    }

    fn add_polygons(&mut self, making: &Making<'_>, way: &Polygons) -> Result<Vec<Boundary>> {
        let (file, remarks) =
            making
                .sources
                .polygons(&way.file, way.layer.as_deref(), way.nested_parts)?;
        self.remarks.extend(remarks);
        let mut boundaries = Vec::with_capacity(file.features.len());
        for feature in &file.features {
            let id = match (way.id_prefix.as_str(), file.attribute(feature, &way.id)?) {
                ("", id) => id.to_string(),
                (prefix, title) => format!("{prefix}{}", hyphenated(title)),
            };
            let title = way
                .name
                .as_ref()
                .map(|column| file.attribute(feature, column));
            self.add_area(
                making,
                &id,
                title.transpose()?.unwrap_or(&id),
                way.system.as_ref(),
            );
            boundaries.push(file.boundary(feature, id, making.period)?);
        }
        Ok(boundaries)
    }

    fn add_lookup(&mut self, making: &Making<'_>, way: &Lookup) -> Result<()> {
        let file = name(&way.file);
        let entries = lookup::read(&file, &making.sources.bytes(&way.file)?, &way.columns)?;
        let mut homes: BTreeMap<String, lookup::Entry> = BTreeMap::new();
        for entry in entries {
            if !making.sources.statistical.contains_key(&entry.code) {
                bail!(
                    "{file}: `{}` is not one of the statistical areas",
                    entry.code
                );
            }
            if let Some(title) = &entry.name {
                self.add_area(making, &entry.area, title, way.system.as_ref());
            } else if !self.has_area(making.layer, &entry.area) {
                bail!(
                    "{file}: `{}` is not in the history as an area of layer `{}`",
                    entry.area,
                    making.layer
                );
            }
            if let Some(earlier) = homes.insert(entry.code.clone(), entry.clone())
                && earlier.area != entry.area
            {
                bail!(
                    "{file}: `{}` is assigned to `{}` and to `{}`",
                    entry.code,
                    earlier.area,
                    entry.area
                );
            }
        }
        for entry in homes.into_values() {
            self.assign(making, entry.code, entry.area, None, making.period);
        }
        Ok(())
    }

    /// Assigns each statistical area to the group whose practices have the most of its people.
    fn add_plurality(&mut self, making: &Making<'_>, way: &Plurality) -> Result<()> {
        let groups = groups_by(making.sources, way)?;
        let shares = self.shares_of(&way.shares)?;
        let mut homes: Vec<(String, String)> = Vec::new();
        for (code, shares) in &shares.by_area {
            let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
            for (practice, share) in shares {
                if let Some(group) = groups.get(practice) {
                    *sums.entry(&group.id).or_default() += share;
                }
            }
            // Ties go to the first by id.
            let largest = sums.iter().rev().max_by(|a, b| a.1.total_cmp(b.1));
            homes.extend(largest.map(|(group, _)| (code.clone(), (*group).to_string())));
        }
        for (code, group) in homes {
            self.assign(making, code, group, None, making.period);
        }
        for (practice, group) in groups {
            self.add_area(making, &group.id, &group.name, way.system.as_ref());
            self.memberships.push(Membership {
                member: Member::Practice(practice),
                layer: making.layer,
                group: Some(group.id),
                period: making.period,
                provenance: Provenance::Derived,
            });
        }
        Ok(())
    }

    fn add_coverage(&mut self, making: &Making<'_>, way: &Coverage) -> Result<()> {
        let mut covered = Vec::new();
        let (mut patients, mut patients_covered) = (0_u64, 0.0);
        let held: BTreeSet<OdsCode> = making
            .sources
            .practices
            .iter()
            .map(|listed| listed.practice.code)
            .collect();
        let earlier = self.practices_with_areas();
        let shares = self.shares_of(&way.shares)?;
        let provenance = shares.provenance;
        for (code, parts) in &shares.by_area {
            let counted = shares.patients.get(code).copied().unwrap_or_default();
            patients += u64::from(counted);
            for &(practice, share) in parts {
                let is_new = held.contains(&practice) && !earlier.contains(practice.as_str());
                if share >= way.share_min && is_new {
                    let rounded = (share * 1_000.0).round() / 1_000.0;
                    covered.push((code.clone(), practice.to_string(), rounded));
                    patients_covered += f64::from(counted) * share;
                }
            }
        }
        if patients > 0 {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            let percent = 100.0 * patients_covered / patients as f64;
            let patients = match SuppressionRule::NHS_ENGLAND.apply(patients) {
                Some(patients) => format!("about {patients}"),
                None => "fewer than 8".into(),
            };
            self.remarks.push(format!(
                "{}: the areas cover {percent:.1} % of {patients} registered patients",
                making.layer
            ));
        }
        for (code, practice, share) in covered {
            self.add_practice_area(&practice, provenance, Period::default());
            self.assign(making, code, practice, Some(share), making.period);
        }
        Ok(())
    }

    /// Adds the catchments that practices declare, for practices that have no area yet.
    fn add_catchments(&mut self, making: &Making<'_>, way: &Catchments) -> Result<Vec<Boundary>> {
        let (catchments, report) = catchments::read(&mut making.sources.publication(&way.file)?)?;
        self.remarks.push(report.to_string());
        let held: BTreeSet<OdsCode> = making
            .sources
            .practices
            .iter()
            .map(|listed| listed.practice.code)
            .collect();
        let earlier = self.practices_with_areas();
        let wanted = catchments
            .into_iter()
            .filter(|it| held.contains(&it.practice) && !earlier.contains(it.practice.as_str()));
        // A practice's area includes those of its branches.
        let mut grounds: BTreeMap<(OdsCode, CatchmentKind), Vec<Polygon>> = BTreeMap::new();
        for catchment in wanted {
            let ground = grounds
                .entry((catchment.practice, catchment.kind))
                .or_default();
            ground.extend(catchment.polygons);
        }
        let mut boundaries = Vec::with_capacity(grounds.len());
        for ((practice, kind), parts) in grounds {
            let extent = match kind {
                CatchmentKind::Inner => Extent::Inner,
                CatchmentKind::Outer => Extent::Outer,
            };
            match united(&parts, practice.to_string(), making.period) {
                Ok(ground) => boundaries.push(Boundary { extent, ..ground }),
                Err(fault) => {
                    self.remarks
                        .push(format!("practice `{practice}` is left out: {fault:#}"));
                    continue;
                }
            }
            self.add_practice_area(practice.as_str(), Provenance::Official, making.period);
        }
        Ok(boundaries)
    }

    /// Returns the practices that have an area from an earlier method.
    fn practices_with_areas(&self) -> BTreeSet<String> {
        let areas = self
            .areas
            .iter()
            .filter(|area| area.layer == Layer::GpPractice);
        areas.map(|area| area.id.clone()).collect()
    }

    /// Adds a practice's area with its provenance, unless the practice has one.
    fn add_practice_area(&mut self, id: &str, provenance: Provenance, period: Period) {
        if !self.has_area(Layer::GpPractice, id) {
            self.push_area(Area {
                layer: Layer::GpPractice,
                id: id.into(),
                name: id.into(),
                kind: None,
                system: None,
                provenance,
                period,
            });
        }
    }

    fn add_hierarchy(&mut self, making: &Making<'_>, way: &Hierarchy) -> Result<()> {
        let parts = hierarchy::read(&name(&way.file), &making.sources.bytes(&way.file)?)?;
        let own: Vec<&ListedPart> = parts.iter().filter(|it| it.layer == making.layer).collect();
        for part in &own {
            self.push_area(Area {
                layer: part.layer,
                id: part.id.clone(),
                name: part.name.clone(),
                kind: None,
                system: None,
                provenance: making.provenance,
                period: part.period,
            });
            let member = Member::Area(part.layer, part.id.clone());
            let parent = part.parent.as_ref();
            let part_of = parent.map(|id| official_part(member, (Layer::Icb, id), part.period));
            self.memberships.extend(part_of);
        }
        let ids: BTreeSet<&str> = own.iter().map(|part| part.id.as_str()).collect();
        for id in ids {
            let versions: Vec<&ListedPart> =
                own.iter().filter(|part| part.id == id).copied().collect();
            let period = whole_period(&versions);
            for code in codes_of(&versions, &parts, making.sources) {
                self.assign(making, code, id.to_string(), None, period);
            }
        }
        self.add_practices_of_hierarchy(making, &parts);
        Ok(())
    }

    /// Adds each practice as a member of the sub-ICB location that commissions it, or of its ICB.
    fn add_practices_of_hierarchy(&mut self, making: &Making<'_>, parts: &[ListedPart]) {
        for ListedPractice { practice, .. } in &making.sources.practices {
            let Some(sub_icb) = &practice.sub_icb else {
                continue;
            };
            let versions = parts
                .iter()
                .filter(|it| it.layer == Layer::SubIcb && it.id == *sub_icb);
            let home = |group: &str, period| Membership {
                member: Member::Practice(practice.code),
                layer: making.layer,
                group: Some(group.to_string()),
                period,
                provenance: Provenance::Official,
            };
            match making.layer {
                Layer::SubIcb => {
                    let versions: Vec<&ListedPart> = versions.collect();
                    if !versions.is_empty() {
                        self.memberships
                            .push(home(sub_icb, whole_period(&versions)));
                    }
                }
                Layer::Icb => self
                    .memberships
                    .extend(versions.filter_map(|it| Some(home(it.parent.as_ref()?, it.period)))),
                _ => {}
            }
        }
    }

    /// Adds groups and their published members.
    fn add_groups(&mut self, making: &Making<'_>, way: &Members) -> Result<()> {
        let file = name(&way.file);
        let rows = resilience_groups::read(&file, &making.sources.bytes(&way.file)?)?;
        let mut groups: BTreeMap<String, Area> = BTreeMap::new();
        for row in rows {
            let Some(member) = self.areas.iter().find(|area| area.id == row.member) else {
                bail!(
                    "{file}: member `{}` is not an area of the history or an earlier layer",
                    row.member
                );
            };
            self.memberships.push(Membership {
                member: Member::Area(member.layer, member.id.clone()),
                layer: making.layer,
                group: row.group.as_ref().map(|group| group.id.clone()),
                period: making.period,
                provenance: Provenance::Official,
            });
            let Some(group) = row.group else { continue };
            let area = Area {
                layer: making.layer,
                id: group.id.clone(),
                name: group.name,
                kind: group.kind,
                system: member.system.clone(),
                provenance: making.provenance,
                period: making.period,
            };
            let listed = groups.entry(group.id).or_insert_with(|| area.clone());
            if *listed != area {
                bail!("{file}: group `{}` has two names or kinds", area.id);
            }
        }
        groups.into_values().for_each(|area| self.push_area(area));
        Ok(())
    }

    fn push_area(&mut self, area: Area) {
        let of_layer = self.places.entry(area.layer).or_default();
        of_layer.insert(area.id.clone(), self.areas.len());
        self.areas.push(area);
    }

    fn area(&self, layer: Layer, id: &str) -> Option<&Area> {
        let place = self.places.get(&layer)?.get(id)?;
        Some(&self.areas[*place])
    }

    fn has_area(&self, layer: Layer, id: &str) -> bool {
        self.area(layer, id).is_some()
    }

    /// Adds an area unless the layer already has one with this id.
    fn add_area(&mut self, making: &Making<'_>, id: &str, title: &str, system: Option<&String>) {
        if !self.has_area(making.layer, id) {
            self.push_area(Area {
                layer: making.layer,
                id: id.into(),
                name: title.into(),
                kind: None,
                system: system.cloned(),
                provenance: making.provenance,
                period: Period::default(),
            });
        }
    }

    fn assign(
        &mut self,
        making: &Making<'_>,
        statistical_area: String,
        area: String,
        share: Option<f64>,
        period: Period,
    ) {
        let layer = making.layer;
        self.assignments.push(Assignment {
            statistical_area,
            layer,
            area,
            share,
            period,
        });
    }

    fn shares_of(&self, wanted: &str) -> Result<&Shares> {
        self.shares
            .get(wanted)
            .with_context(|| format!("no [[shares]] has the name `{wanted}`"))
    }

    /// Returns the boundary of every area of the layer that consists of statistical areas, one for
    /// each period.
    fn dissolved(&self, layer: Layer, kind: LayerKind, sources: &Sources) -> Result<Vec<Boundary>> {
        let mut grounds: BTreeMap<(&str, Option<Date>), Ground<'_>> = BTreeMap::new();
        if kind == LayerKind::Membership {
            for membership in self.memberships.iter().filter(|it| it.layer == layer) {
                let (Member::Area(of, member), Some(group)) =
                    (&membership.member, &membership.group)
                else {
                    continue;
                };
                let ground = grounds.entry((group, membership.period.from));
                let ground = ground.or_insert_with(|| (membership.period, BTreeSet::new()));
                ground.1.extend(self.codes_in(*of, member));
            }
        } else {
            for assignment in self.assignments.iter().filter(|it| it.layer == layer) {
                let ground = grounds.entry((&assignment.area, assignment.period.from));
                let ground = ground.or_insert_with(|| (assignment.period, BTreeSet::new()));
                ground.1.insert(&assignment.statistical_area);
            }
        }
        let grounds = grounds.into_iter();
        grounds
            .map(|((id, _), (period, codes))| dissolved_area(id, period, &codes, sources))
            .collect()
    }

    fn codes_in<'d>(&'d self, layer: Layer, id: &'d str) -> impl Iterator<Item = &'d str> {
        self.assignments
            .iter()
            .filter(move |assignment| assignment.layer == layer && assignment.area == id)
            .map(|assignment| assignment.statistical_area.as_str())
    }

    /// Adds each practice as a member of its ICC, and of the sub-community at its own address if
    /// that is a part of the same ICC.
    fn add_homes_of_practices(&mut self, sources: &Sources) {
        let homes: HashMap<_, &str> = sources
            .postcodes
            .iter()
            .filter_map(|row| Some((row.postcode, row.statistical_area.as_deref()?)))
            .collect();
        let mut memberships = Vec::new();
        let mut strangers = 0;
        for ListedPractice { practice, icc, .. } in &sources.practices {
            let member = Member::Practice(practice.code);
            if sources
                .memberships
                .iter()
                .any(|it| it.member == member && it.layer == Layer::Icc)
            {
                continue;
            }
            let Some(icc) = icc else { continue };
            let membership = |layer, group: &str| Membership {
                member: Member::Practice(practice.code),
                layer,
                group: Some(group.to_string()),
                period: Period::default(),
                provenance: Provenance::Derived,
            };
            if !self.has_area(Layer::Icc, icc) {
                strangers += 1;
                continue;
            }
            memberships.push(membership(Layer::Icc, icc));
            let home = practice.postcode.and_then(|postcode| homes.get(&postcode));
            let part = home.and_then(|code| self.part_of_icc(code, icc));
            memberships.extend(part.map(|part| membership(Layer::SubCommunity, part)));
        }
        self.memberships.extend(memberships);
        if strangers > 0 {
            self.remarks.push(format!(
                "{strangers} practices name an ICC that is not in the layer, and are in no ICC"
            ));
        }
    }

    /// Returns the sub-community of a statistical area if it is a part of the ICC.
    fn part_of_icc(&self, code: &str, icc: &str) -> Option<&str> {
        let part = self.assignments.iter().find(|assignment| {
            assignment.layer == Layer::SubCommunity && assignment.statistical_area == code
        })?;
        let is_part = self.memberships.iter().any(|membership| {
            membership.member == Member::Area(Layer::SubCommunity, part.area.clone())
                && membership.group.as_deref() == Some(icc)
        });
        is_part.then_some(part.area.as_str())
    }

    /// Returns the files of the dataset by their path in its folder, except the manifest.
    pub(super) fn files(
        &self,
        sources: &Sources,
        config: &Config,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let practices = sources.practices.iter().map(|listed| &listed.practice);
        let mut files: Vec<(String, Vec<u8>)> = vec![
            ("areas.csv".into(), tables::areas(&self.areas)),
            (
                "assignments.csv".into(),
                tables::assignments(&self.assignments),
            ),
            ("lineage.csv".into(), tables::lineage(&self.lineage)),
            (
                "memberships.csv".into(),
                tables::memberships(&self.memberships),
            ),
            (
                "postcodes.csv".into(),
                tables::postcodes(&sources.postcodes),
            ),
            (
                "practice_sites.csv".into(),
                tables::premises(&sources.premises),
            ),
            (
                "practice_successions.csv".into(),
                tables::successions(&sources.successions),
            ),
            ("practices.csv".into(), tables::practices(practices)),
            (
                "not_gp_practices.csv".into(),
                tables::codes(&sources.not_gp_practices),
            ),
        ];
        for (layer, boundaries) in &self.boundaries {
            let features = boundaries
                .iter()
                .map(|it| (it, self.name_of(*layer, &it.id, sources)));
            let file = geojson::layer_file(layer.as_str(), features);
            files.push((boundary_path(layer.as_str()), file));
        }
        if let Some(statistical) = &config.statistical_areas {
            files.push((
                boundary_path(&statistical.id),
                statistical_file(&statistical.id, sources)?,
            ));
        }
        if let Some(canaries) = &config.canaries {
            files.push(("golden_queries.csv".into(), sources.bytes(canaries)?));
        }
        if let Some(systems) = &config.systems {
            files.push(("systems.csv".into(), sources.bytes(systems)?));
        }
        // A table without rows is left out, because the reader rejects an empty table.
        files.retain(|(path, content)| {
            !path.ends_with(".csv") || content.iter().filter(|byte| **byte == b'\n').count() > 1
        });
        Ok(files)
    }

    fn name_of(&self, layer: Layer, id: &str, sources: &Sources) -> String {
        let practice = || -> Option<&Practice> {
            let mut listed = sources.practices.iter().map(|listed| &listed.practice);
            listed.find(|practice| practice.code.as_str() == id)
        };
        match self.area(layer, id) {
            Some(area) => area.title(),
            None => practice()
                .map(|practice| practice.name.clone())
                .unwrap_or_default(),
        }
    }

    /// Returns the manifest, with an empty list of files.
    pub(super) fn manifest(&self, sources: &Sources, config: &Config) -> Manifest {
        // Outward codes are included whole or not at all.
        let held = sources.postcodes.iter().map(|row| row.postcode.outcode());
        let outcodes: BTreeSet<&str> = held.filter(|_| config.postcodes.complete).collect();
        Manifest {
            name: config.name.clone(),
            version: config.version.clone(),
            title: config.title.clone(),
            as_of: config.as_of.clone(),
            attribution: config.attribution.clone(),
            licence: config.licence.clone(),
            tolerance_m: config.tolerance_m,
            undated_terminations_after: config.undated_terminations_after.clone(),
            complete_outcodes: outcodes.into_iter().map(str::to_string).collect(),
            statistical_areas: config.statistical_areas.as_ref().map(|statistical| {
                StatisticalAreas {
                    id: statistical.id.clone(),
                    title: statistical.title.clone(),
                    boundaries: boundary_path(&statistical.id),
                    snap_m: statistical.snap_m,
                }
            }),
            layers: self.layers.clone(),
            sources: config.sources.clone(),
            files: BTreeMap::new(),
        }
    }

    /// Returns one line for each part of the dataset, with its counts, and the remarks.
    pub(super) fn summary(&self, sources: &Sources) -> Vec<String> {
        let mut lines = vec![format!("{} postcodes", sources.postcodes.len())];
        for (layer, boundaries) in &self.boundaries {
            let areas: BTreeSet<&str> = boundaries.iter().map(|it| it.id.as_str()).collect();
            lines.push(format!("{layer}: {} areas with a boundary", areas.len()));
        }
        lines.push(format!("{} practices", sources.practices.len()));
        lines.extend(sources.remarks.iter().chain(&self.remarks).cloned());
        lines
    }
}

/// The period of an area's boundary, and the statistical areas that it consists of.
type Ground<'d> = (Period, BTreeSet<&'d str>);

/// A group of practices: an ICC or a PCN.
struct Group {
    id: String,
    name: String,
}

/// Returns the group of each practice that has one.
fn groups_by(sources: &Sources, way: &Plurality) -> Result<BTreeMap<OdsCode, Group>> {
    let mut groups = BTreeMap::new();
    let is_asked_for =
        |listed: &&ListedPractice| is_among(listed.practice.sub_icb.as_ref(), &way.sub_icb);
    for listed in sources.practices.iter().filter(is_asked_for) {
        let group = match way.by.as_str() {
            "icc" => listed.icc.as_ref().map(|icc| (icc.clone(), icc.clone())),
            "pcn" => listed.practice.pcn.clone().zip(listed.pcn_name.clone()),
            other => bail!("by `{other}`: practices are grouped by `icc` or `pcn`"),
        };
        let Some((id, title)) = group else { continue };
        let group = if way.id_prefix.is_empty() {
            Group { id, name: title }
        } else {
            let title = title.trim_end_matches(" PCN").to_string();
            Group {
                id: format!("{}{}", way.id_prefix, hyphenated(&title)),
                name: title,
            }
        };
        groups.insert(listed.practice.code, group);
    }
    Ok(groups)
}

/// Converts a title to a slug: `Barrow & Millom` becomes `barrow-and-millom`.
fn hyphenated(title: &str) -> String {
    let title = title.replace('&', " and ");
    let words = title.split(|letter: char| !letter.is_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

/// Returns the statistical areas of an area of the hierarchy: those that match its selector and are
/// in the sub-ICB locations of its parent or, without a selector, those of its own sub-ICB
/// locations.
///
/// A district can extend beyond an ICB: the north of Copeland is not in the ICB of South Cumbria.
fn codes_of(versions: &[&ListedPart], parts: &[ListedPart], sources: &Sources) -> BTreeSet<String> {
    let own: Vec<&Selector> = versions
        .iter()
        .filter_map(|it| it.selector.as_ref())
        .collect();
    let locations_of = |board: &str| -> Vec<&Selector> {
        let locations = parts.iter().filter(|it| it.layer == Layer::SubIcb);
        let of_board = locations.filter(|it| it.parent.as_deref() == Some(board));
        of_board.filter_map(|it| it.selector.as_ref()).collect()
    };
    let is_in = |selectors: &[&Selector], code: &str| {
        selectors
            .iter()
            .any(|selector| is_selected(selector, &sources.statistical[code]))
    };
    let codes = sources.statistical.keys();
    if own.is_empty() {
        let locations = locations_of(&versions[0].id);
        return codes
            .filter(|code| is_in(&locations, code))
            .cloned()
            .collect();
    }
    let bounds: Vec<Vec<&Selector>> = match versions[0].layer {
        Layer::SubIcb => Vec::new(),
        _ => versions
            .iter()
            .filter_map(|it| it.parent.as_deref())
            .map(locations_of)
            .collect(),
    };
    let is_within = |code: &str| bounds.iter().all(|locations| is_in(locations, code));
    codes
        .filter(|code| is_in(&own, code) && is_within(code))
        .cloned()
        .collect()
}

fn is_selected(selector: &Selector, area: &StatisticalArea) -> bool {
    match selector {
        Selector::SubIcb(codes) => is_among(area.sub_icb.as_ref(), codes),
        Selector::District(names) => names.iter().any(|name| name == area.district()),
    }
}

/// Returns the period from the start of the first version to the end of the last.
fn whole_period(versions: &[&ListedPart]) -> Period {
    let is_open =
        |end: fn(&Period) -> Option<Date>| versions.iter().any(|it| end(&it.period).is_none());
    let from = versions.iter().filter_map(|it| it.period.from).min();
    let to = versions.iter().filter_map(|it| it.period.to).max();
    Period {
        from: if is_open(|period| period.from) {
            None
        } else {
            from
        },
        to: if is_open(|period| period.to) {
            None
        } else {
            to
        },
    }
}

fn dissolved_area(
    id: &str,
    period: Period,
    codes: &BTreeSet<&str>,
    sources: &Sources,
) -> Result<Boundary> {
    let parts = codes
        .iter()
        .flat_map(|code| &sources.statistical[*code].polygons);
    let outline = dissolve(parts).map_err(|reason| anyhow!("area `{id}`: {reason}"))?;
    valid(id, &outline)?;
    polygons::boundary(Crs::LonLat, &outline, id.to_string(), period)
        .map_err(|reason| anyhow!("area `{id}`: {reason}"))
}

fn valid(id: &str, polygons: &[Polygon]) -> Result<()> {
    match invalidity(polygons) {
        None => Ok(()),
        Some(fault) => bail!("area `{id}` is not a valid polygon: {}", fault.reason()),
    }
}

/// Returns the union of polygons that may overlap as one boundary.
fn united(parts: &[Polygon], id: String, period: Period) -> Result<Boundary> {
    let ground = |polygons: &[Polygon]| {
        polygons::boundary(Crs::LonLat, polygons, id.clone(), period)
            .map_err(|reason| anyhow!(reason))
    };
    let parts = ground(parts)?;
    let union = geo::unary_union(parts.lonlat.iter());
    let rings = |polygon: &geo::Polygon<f64>| -> Vec<Vec<[f64; 2]>> {
        let positions =
            |ring: &geo::LineString<f64>| ring.coords().map(|it| [it.x, it.y]).collect();
        let interiors = polygon.interiors().iter().map(positions);
        std::iter::once(positions(polygon.exterior()))
            .chain(interiors)
            .collect()
    };
    let rings: Vec<_> = union.iter().map(rings).collect();
    let (polygons, _) =
        polygons::multi_polygon_of(Crs::LonLat, &rings).map_err(|reason| anyhow!(reason))?;
    valid(&id, &polygons)?;
    ground(&polygons)
}

fn statistical_file(id: &str, sources: &Sources) -> Result<Vec<u8>> {
    let mut features = Vec::with_capacity(sources.statistical.len());
    for (code, area) in &sources.statistical {
        let ground =
            polygons::boundary(Crs::LonLat, &area.polygons, code.clone(), Period::default());
        let ground = ground.map_err(|reason| anyhow!("statistical area `{code}`: {reason}"))?;
        features.push((ground, area.name.clone()));
    }
    Ok(geojson::layer_file(
        id,
        features.iter().map(|(ground, name)| (ground, name.clone())),
    ))
}

fn period(way: &WayConfig) -> Result<Period> {
    Ok(Period {
        from: way.from.as_deref().map(date_from_iso).transpose()?,
        to: way.to.as_deref().map(date_from_iso).transpose()?,
    })
}

/// Returns the period of an area that has ended. If the source has no end date, the area ended no
/// later than the first day of the data.
fn ended_by(first_data: Date, period: Period) -> Period {
    Period {
        to: period.to.or(Some(first_data)),
        ..period
    }
}

fn provenance(word: &str) -> Result<Provenance> {
    Provenance::from_word(word).with_context(|| format!("`{word}` is not a provenance"))
}

fn boundary_path(id: &str) -> String {
    format!("areas/{id}.geojson")
}

/// Returns the membership of an area in a larger one that the source itself names.
fn official_part(member: Member, (layer, whole): (Layer, &String), period: Period) -> Membership {
    Membership {
        member,
        layer,
        group: Some(whole.clone()),
        period,
        provenance: Provenance::Official,
    }
}
