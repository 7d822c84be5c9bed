//! The dataset builder, which creates the areas of each layer by the methods that the configuration
//! selects.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result, anyhow, bail};
use jiff::civil::Date;

use super::config::{
    AreaMethod, BuildConfig, CatchmentsMethod, HierarchyMethod, LayerConfig, LookupMethod,
    MembersMethod, MethodConfig, PluralityMethod, PolygonsMethod, ShareThresholdMethod,
};
use super::dissolve::dissolve;
use super::shares::RegistrationShares;
use super::sources::{SourceData, StatisticalArea, display_path, matches_filter};
use super::tables;
use crate::dataset::polygons::{self, Crs};
use crate::dataset::rings::Polygon;
use crate::dataset::validity::find_topology_error;
use crate::dataset::{LayerEntry, LayerKind, Manifest, SourceEntry, StatisticalAreasEntry};
use crate::domain::{
    Area, Boundary, CatchmentKind, GroupMember, Layer, LineageStep, Membership, OdsCode, Period,
    Practice, Provenance, StatisticalAssignment, SuppressionRule, date_from_iso,
};
use crate::geojson;
use crate::import::catchments::{self, DeclaredCatchmentKind};
use crate::import::hierarchy::{self, HierarchyRecord, LsoaSelector};
use crate::import::practice_list::PracticeRecord;
use crate::import::{lookup, resilience_groups};

/// The parts of a dataset that is being built.
#[derive(Default)]
pub(super) struct DatasetBuilder {
    areas: Vec<Area>,
    /// For each layer and id, the index in `areas` of the last area with that layer and id.
    area_indices: HashMap<Layer, HashMap<String, usize>>,
    lineage: Vec<LineageStep>,
    memberships: Vec<Membership>,
    assignments: Vec<StatisticalAssignment>,
    shares: BTreeMap<String, RegistrationShares>,
    layers: Vec<LayerEntry>,
    boundaries: Vec<(Layer, Vec<Boundary>)>,
    /// Remarks for the person who runs the build.
    remarks: Vec<String>,
}

/// The values that a method needs besides its own configuration.
struct LayerContext<'a> {
    layer: Layer,
    provenance: Provenance,
    period: Period,
    sources: &'a SourceData,
}

impl DatasetBuilder {
    /// Builds every layer of the configuration.
    pub(super) fn new(
        sources: &mut SourceData,
        config: &BuildConfig,
        on_stage: &mut dyn FnMut(&str),
    ) -> Result<DatasetBuilder> {
        let mut builder = DatasetBuilder::default();
        let day =
            date_from_iso(&config.as_of).with_context(|| format!("as_of `{}`", config.as_of))?;
        for shares in &config.shares {
            on_stage(&format!("registrations: {}", shares.name));
            let registration_shares = RegistrationShares::new(shares, sources, day)?;
            builder
                .shares
                .insert(shares.name.clone(), registration_shares);
        }
        builder.add_history(sources, config)?;
        for layer in &config.layers {
            on_stage(&format!("layer {}", layer.id));
            builder
                .add_layer(layer, sources)
                .with_context(|| format!("layer `{}`", layer.id))?;
        }
        builder
            .memberships
            .extend(sources.memberships.iter().cloned());
        builder.assign_practices_to_iccs(sources);
        Ok(builder)
    }

    /// Adds the areas in the history, their lineage, and their memberships in larger areas.
    fn add_history(&mut self, sources: &SourceData, config: &BuildConfig) -> Result<()> {
        for record in &sources.history {
            let Some(layer) = config
                .layers
                .iter()
                .find(|layer| layer.id == record.layer.as_str())
            else {
                continue;
            };
            let first_data = date_from_iso(&layer.first_data)?;
            let period = match record.succession {
                Some(_) => ended_period(first_data, record.period),
                None => record.period,
            };
            self.push_area(Area {
                layer: record.layer,
                id: record.id.clone(),
                name: record.name.clone(),
                kind: None,
                system: Some(record.system.clone()),
                provenance: parse_provenance(&layer.provenance)?,
                period,
            });
            self.lineage
                .extend(record.succession.as_ref().map(|succession| LineageStep {
                    layer: record.layer,
                    predecessor: record.id.clone(),
                    successor: succession.successor.clone(),
                    relation: succession.relation,
                    date: record.period.to,
                    source: record.source.clone(),
                }));
            let member = GroupMember::Area(record.layer, record.id.clone());
            let parent = record.part_of.as_ref();
            let membership =
                parent.map(|id| official_membership(member, (Layer::Icc, id), record.period));
            self.memberships.extend(membership);
        }
        Ok(())
    }

    fn add_layer(&mut self, config: &LayerConfig, sources: &SourceData) -> Result<()> {
        let layer: Layer = config.id.parse()?;
        let mut boundaries = Vec::new();
        for method in &config.methods {
            let context = LayerContext {
                layer,
                provenance: parse_provenance(&config.provenance)?,
                period: method_period(method)?,
                sources,
            };
            match &method.method {
                AreaMethod::Polygons(method) => {
                    boundaries.extend(self.add_polygons(&context, method)?)
                }
                AreaMethod::Lookup(method) => self.add_lookup(&context, method)?,
                AreaMethod::Plurality(method) => self.add_plurality(&context, method)?,
                AreaMethod::ShareThreshold(method) => self.add_share_threshold(&context, method)?,
                AreaMethod::Catchments(method) => {
                    boundaries.extend(self.add_catchments(&context, method)?)
                }
                AreaMethod::Hierarchy(method) => self.add_hierarchy(&context, method)?,
                AreaMethod::Members(method) => self.add_groups(&context, method)?,
            }
        }
        boundaries.extend(self.dissolve_boundaries(layer, config.kind, sources)?);
        boundaries.sort_by(|a, b| (&a.id, a.period.from).cmp(&(&b.id, b.period.from)));
        self.boundaries.push((layer, boundaries));
        let on_statistical_areas = self
            .assignments
            .iter()
            .any(|assignment| assignment.layer == layer);
        self.layers.push(LayerEntry {
            id: layer,
            title: config.title.clone(),
            kind: config.kind,
            first_data: date_from_iso(&config.first_data)?,
            provenance: parse_provenance(&config.provenance)?,
            boundaries: Some(boundary_path(&config.id)),
            on_statistical_areas,
            snap_m: config.snap_m,
        });
        Ok(())
    }

    fn add_polygons(
        &mut self,
        context: &LayerContext<'_>,
        method: &PolygonsMethod,
    ) -> Result<Vec<Boundary>> {
        let (file, remarks) = context.sources.read_polygons(
            &method.file,
            method.layer.as_deref(),
            method.nested_parts,
        )?;
        self.remarks.extend(remarks);
        let mut boundaries = Vec::with_capacity(file.features.len());
        for feature in &file.features {
            let id = match (
                method.id_prefix.as_str(),
                file.attribute(feature, &method.id)?,
            ) {
                ("", id) => id.to_string(),
                (prefix, title) => format!("{prefix}{}", slugify(title)),
            };
            let title = method
                .name
                .as_ref()
                .map(|column| file.attribute(feature, column));
            self.add_area_if_missing(
                context,
                &id,
                title.transpose()?.unwrap_or(&id),
                method.system.as_ref(),
            );
            boundaries.push(file.boundary(feature, id, context.period)?);
        }
        Ok(boundaries)
    }

    fn add_lookup(&mut self, context: &LayerContext<'_>, method: &LookupMethod) -> Result<()> {
        let file = display_path(&method.file);
        let entries = lookup::read(
            &file,
            &context.sources.read_bytes(&method.file)?,
            &method.columns,
        )?;
        let mut entry_by_code: BTreeMap<String, lookup::LookupEntry> = BTreeMap::new();
        for entry in entries {
            if !context.sources.statistical_areas.contains_key(&entry.code) {
                bail!(
                    "{file}: `{}` is not one of the statistical areas",
                    entry.code
                );
            }
            if let Some(title) = &entry.name {
                self.add_area_if_missing(context, &entry.area, title, method.system.as_ref());
            } else if !self.has_area(context.layer, &entry.area) {
                bail!(
                    "{file}: `{}` is not an area of layer `{}` in the history",
                    entry.area,
                    context.layer
                );
            }
            if let Some(earlier) = entry_by_code.insert(entry.code.clone(), entry.clone())
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
        for entry in entry_by_code.into_values() {
            self.assign(context, entry.code, entry.area, None, context.period);
        }
        Ok(())
    }

    /// Assigns each statistical area to the group whose practices have the largest share of its
    /// people.
    fn add_plurality(
        &mut self,
        context: &LayerContext<'_>,
        method: &PluralityMethod,
    ) -> Result<()> {
        let groups = practice_groups(context.sources, method)?;
        let shares = self.shares_of(&method.shares)?;
        let mut group_by_code: Vec<(String, String)> = Vec::new();
        for (code, shares) in &shares.by_area {
            let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
            for (practice, share) in shares {
                if let Some(group) = groups.get(practice) {
                    *sums.entry(&group.id).or_default() += share;
                }
            }
            // In a tie, the group whose id sorts first is taken.
            let largest = sums.iter().rev().max_by(|a, b| a.1.total_cmp(b.1));
            group_by_code.extend(largest.map(|(group, _)| (code.clone(), (*group).to_string())));
        }
        for (code, group) in group_by_code {
            self.assign(context, code, group, None, context.period);
        }
        for (practice, group) in groups {
            self.add_area_if_missing(context, &group.id, &group.name, method.system.as_ref());
            self.memberships.push(Membership {
                member: GroupMember::Practice(practice),
                layer: context.layer,
                group: Some(group.id),
                period: context.period,
                provenance: Provenance::Derived,
            });
        }
        Ok(())
    }

    fn add_share_threshold(
        &mut self,
        context: &LayerContext<'_>,
        method: &ShareThresholdMethod,
    ) -> Result<()> {
        let mut included = Vec::new();
        let (mut patients, mut patients_included) = (0_u64, 0.0);
        let known_practices: BTreeSet<OdsCode> = context
            .sources
            .practices
            .iter()
            .map(|record| record.practice.code)
            .collect();
        let practices_with_area = self.practices_with_areas();
        let shares = self.shares_of(&method.shares)?;
        let provenance = shares.provenance;
        for (code, parts) in &shares.by_area {
            let patient_count = shares.patients.get(code).copied().unwrap_or_default();
            patients += u64::from(patient_count);
            for &(practice, share) in parts {
                let is_new = known_practices.contains(&practice)
                    && !practices_with_area.contains(practice.as_str());
                if share >= method.share_min && is_new {
                    let rounded = (share * 1_000.0).round() / 1_000.0;
                    included.push((code.clone(), practice.to_string(), rounded));
                    patients_included += f64::from(patient_count) * share;
                }
            }
        }
        if patients > 0 {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            let percent = 100.0 * patients_included / patients as f64;
            let patients = match SuppressionRule::NHS_ENGLAND.apply(patients) {
                Some(patients) => format!("about {patients}"),
                None => "fewer than 8".into(),
            };
            self.remarks.push(format!(
                "{}: the areas cover {percent:.1} % of {patients} registered patients",
                context.layer
            ));
        }
        for (code, practice, share) in included {
            self.add_practice_area(&practice, provenance, Period::default());
            self.assign(context, code, practice, Some(share), context.period);
        }
        Ok(())
    }

    /// Adds the catchments that practices declare, for practices that have no area yet.
    fn add_catchments(
        &mut self,
        context: &LayerContext<'_>,
        method: &CatchmentsMethod,
    ) -> Result<Vec<Boundary>> {
        let (catchments, report) =
            catchments::read(&mut context.sources.open_source_files(&method.file)?)?;
        self.remarks.push(report.to_string());
        let known_practices: BTreeSet<OdsCode> = context
            .sources
            .practices
            .iter()
            .map(|record| record.practice.code)
            .collect();
        let practices_with_area = self.practices_with_areas();
        let selected = catchments.into_iter().filter(|catchment| {
            known_practices.contains(&catchment.practice)
                && !practices_with_area.contains(catchment.practice.as_str())
        });
        // A practice's area includes the areas of its branches.
        let mut parts_by_catchment: BTreeMap<(OdsCode, DeclaredCatchmentKind), Vec<Polygon>> =
            BTreeMap::new();
        for catchment in selected {
            let parts = parts_by_catchment
                .entry((catchment.practice, catchment.kind))
                .or_default();
            parts.extend(catchment.polygons);
        }
        let mut boundaries = Vec::with_capacity(parts_by_catchment.len());
        for ((practice, kind), parts) in parts_by_catchment {
            let catchment_kind = match kind {
                DeclaredCatchmentKind::Inner => CatchmentKind::Inner,
                DeclaredCatchmentKind::Outer => CatchmentKind::Outer,
            };
            match union_boundary(&parts, practice.to_string(), context.period) {
                Ok(boundary) => boundaries.push(Boundary {
                    catchment_kind,
                    ..boundary
                }),
                Err(error) => {
                    self.remarks
                        .push(format!("practice `{practice}` is left out: {error:#}"));
                    continue;
                }
            }
            self.add_practice_area(practice.as_str(), Provenance::Official, context.period);
        }
        Ok(boundaries)
    }

    /// Returns the ids of the practices that already have an area.
    fn practices_with_areas(&self) -> BTreeSet<String> {
        let areas = self
            .areas
            .iter()
            .filter(|area| area.layer == Layer::GpPractice);
        areas.map(|area| area.id.clone()).collect()
    }

    /// Adds a practice's area with its provenance, unless the practice already has an area.
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

    fn add_hierarchy(
        &mut self,
        context: &LayerContext<'_>,
        method: &HierarchyMethod,
    ) -> Result<()> {
        let records = hierarchy::read(
            &display_path(&method.file),
            &context.sources.read_bytes(&method.file)?,
        )?;
        let layer_records: Vec<&HierarchyRecord> = records
            .iter()
            .filter(|record| record.layer == context.layer)
            .collect();
        for record in &layer_records {
            self.push_area(Area {
                layer: record.layer,
                id: record.id.clone(),
                name: record.name.clone(),
                kind: None,
                system: None,
                provenance: context.provenance,
                period: record.period,
            });
            let member = GroupMember::Area(record.layer, record.id.clone());
            let parent = record.parent.as_ref();
            let membership =
                parent.map(|id| official_membership(member, (Layer::Icb, id), record.period));
            self.memberships.extend(membership);
        }
        let ids: BTreeSet<&str> = layer_records
            .iter()
            .map(|record| record.id.as_str())
            .collect();
        for id in ids {
            let versions: Vec<&HierarchyRecord> = layer_records
                .iter()
                .filter(|record| record.id == id)
                .copied()
                .collect();
            let period = overall_period(&versions);
            for code in selected_codes(&versions, &records, context.sources) {
                self.assign(context, code, id.to_string(), None, period);
            }
        }
        self.add_practices_of_hierarchy(context, &records);
        Ok(())
    }

    /// Adds each practice as a member of the sub-ICB location that commissions it or, if the layer
    /// is [`Layer::Icb`], of the location's ICB.
    fn add_practices_of_hierarchy(
        &mut self,
        context: &LayerContext<'_>,
        records: &[HierarchyRecord],
    ) {
        for PracticeRecord { practice, .. } in &context.sources.practices {
            let Some(sub_icb) = &practice.sub_icb else {
                continue;
            };
            let versions = records
                .iter()
                .filter(|record| record.layer == Layer::SubIcb && record.id == *sub_icb);
            let membership = |group: &str, period| Membership {
                member: GroupMember::Practice(practice.code),
                layer: context.layer,
                group: Some(group.to_string()),
                period,
                provenance: Provenance::Official,
            };
            match context.layer {
                Layer::SubIcb => {
                    let versions: Vec<&HierarchyRecord> = versions.collect();
                    if !versions.is_empty() {
                        self.memberships
                            .push(membership(sub_icb, overall_period(&versions)));
                    }
                }
                Layer::Icb => {
                    self.memberships.extend(versions.filter_map(|record| {
                        Some(membership(record.parent.as_ref()?, record.period))
                    }))
                }
                _ => {}
            }
        }
    }

    /// Adds groups and their published members.
    fn add_groups(&mut self, context: &LayerContext<'_>, method: &MembersMethod) -> Result<()> {
        let file = display_path(&method.file);
        let rows = resilience_groups::read(&file, &context.sources.read_bytes(&method.file)?)?;
        let mut groups: BTreeMap<String, Area> = BTreeMap::new();
        for row in rows {
            let Some(member) = self.areas.iter().find(|area| area.id == row.member) else {
                bail!(
                    "{file}: member `{}` is not an area of the history or an earlier layer",
                    row.member
                );
            };
            self.memberships.push(Membership {
                member: GroupMember::Area(member.layer, member.id.clone()),
                layer: context.layer,
                group: row.group.as_ref().map(|group| group.id.clone()),
                period: context.period,
                provenance: Provenance::Official,
            });
            let Some(group) = row.group else { continue };
            let area = Area {
                layer: context.layer,
                id: group.id.clone(),
                name: group.name,
                kind: group.kind,
                system: member.system.clone(),
                provenance: context.provenance,
                period: context.period,
            };
            let existing = groups.entry(group.id).or_insert_with(|| area.clone());
            if *existing != area {
                bail!(
                    "{file}: group `{}` has different names or kinds in different rows",
                    area.id
                );
            }
        }
        groups.into_values().for_each(|area| self.push_area(area));
        Ok(())
    }

    fn push_area(&mut self, area: Area) {
        let layer_indices = self.area_indices.entry(area.layer).or_default();
        layer_indices.insert(area.id.clone(), self.areas.len());
        self.areas.push(area);
    }

    fn area(&self, layer: Layer, id: &str) -> Option<&Area> {
        let index = self.area_indices.get(&layer)?.get(id)?;
        Some(&self.areas[*index])
    }

    fn has_area(&self, layer: Layer, id: &str) -> bool {
        self.area(layer, id).is_some()
    }

    /// Adds an area, unless the layer already has an area with this id.
    fn add_area_if_missing(
        &mut self,
        context: &LayerContext<'_>,
        id: &str,
        title: &str,
        system: Option<&String>,
    ) {
        if !self.has_area(context.layer, id) {
            self.push_area(Area {
                layer: context.layer,
                id: id.into(),
                name: title.into(),
                kind: None,
                system: system.cloned(),
                provenance: context.provenance,
                period: Period::default(),
            });
        }
    }

    fn assign(
        &mut self,
        context: &LayerContext<'_>,
        statistical_area: String,
        area: String,
        share: Option<f64>,
        period: Period,
    ) {
        let layer = context.layer;
        self.assignments.push(StatisticalAssignment {
            statistical_area,
            layer,
            area,
            share,
            period,
        });
    }

    fn shares_of(&self, shares_name: &str) -> Result<&RegistrationShares> {
        self.shares
            .get(shares_name)
            .with_context(|| format!("no `[[shares]]` table has the name `{shares_name}`"))
    }

    /// Returns the boundaries of the layer's areas that are unions of statistical areas: one
    /// boundary for each area and period.
    fn dissolve_boundaries(
        &self,
        layer: Layer,
        kind: LayerKind,
        sources: &SourceData,
    ) -> Result<Vec<Boundary>> {
        let mut versions: BTreeMap<(&str, Option<Date>), AreaVersion<'_>> = BTreeMap::new();
        if kind == LayerKind::Membership {
            for membership in self
                .memberships
                .iter()
                .filter(|membership| membership.layer == layer)
            {
                let (GroupMember::Area(member_layer, member), Some(group)) =
                    (&membership.member, &membership.group)
                else {
                    continue;
                };
                let version = versions.entry((group, membership.period.from));
                let version = version.or_insert_with(|| (membership.period, BTreeSet::new()));
                version.1.extend(self.codes_in(*member_layer, member));
            }
        } else {
            for assignment in self
                .assignments
                .iter()
                .filter(|assignment| assignment.layer == layer)
            {
                let version = versions.entry((&assignment.area, assignment.period.from));
                let version = version.or_insert_with(|| (assignment.period, BTreeSet::new()));
                version.1.insert(&assignment.statistical_area);
            }
        }
        let versions = versions.into_iter();
        versions
            .map(|((id, _), (period, codes))| dissolve_area(id, period, &codes, sources))
            .collect()
    }

    fn codes_in<'d>(&'d self, layer: Layer, id: &'d str) -> impl Iterator<Item = &'d str> {
        self.assignments
            .iter()
            .filter(move |assignment| assignment.layer == layer && assignment.area == id)
            .map(|assignment| assignment.statistical_area.as_str())
    }

    /// Adds each practice as a member of its ICC, and of the sub-community at its own address if
    /// that sub-community is a part of the same ICC.
    fn assign_practices_to_iccs(&mut self, sources: &SourceData) {
        let code_by_postcode: HashMap<_, &str> = sources
            .postcodes
            .iter()
            .filter_map(|row| Some((row.postcode, row.statistical_area.as_deref()?)))
            .collect();
        let mut memberships = Vec::new();
        let mut unknown_icc_count = 0;
        for PracticeRecord { practice, icc, .. } in &sources.practices {
            let member = GroupMember::Practice(practice.code);
            if sources
                .memberships
                .iter()
                .any(|membership| membership.member == member && membership.layer == Layer::Icc)
            {
                continue;
            }
            let Some(icc) = icc else { continue };
            let membership = |layer, group: &str| Membership {
                member: GroupMember::Practice(practice.code),
                layer,
                group: Some(group.to_string()),
                period: Period::default(),
                provenance: Provenance::Derived,
            };
            if !self.has_area(Layer::Icc, icc) {
                unknown_icc_count += 1;
                continue;
            }
            memberships.push(membership(Layer::Icc, icc));
            let address_code = practice
                .postcode
                .and_then(|postcode| code_by_postcode.get(&postcode));
            let part = address_code.and_then(|code| self.sub_community_in_icc(code, icc));
            memberships.extend(part.map(|part| membership(Layer::SubCommunity, part)));
        }
        self.memberships.extend(memberships);
        if unknown_icc_count > 0 {
            self.remarks.push(format!(
                "{unknown_icc_count} practices name an ICC that the layer does not have, and are in \
                 no ICC"
            ));
        }
    }

    /// Returns the sub-community of a statistical area if the sub-community is a part of the ICC.
    fn sub_community_in_icc(&self, code: &str, icc: &str) -> Option<&str> {
        let part = self.assignments.iter().find(|assignment| {
            assignment.layer == Layer::SubCommunity && assignment.statistical_area == code
        })?;
        let is_part = self.memberships.iter().any(|membership| {
            membership.member == GroupMember::Area(Layer::SubCommunity, part.area.clone())
                && membership.group.as_deref() == Some(icc)
        });
        is_part.then_some(part.area.as_str())
    }

    /// Returns the files of the dataset except the manifest, each with its path in the dataset's
    /// folder.
    pub(super) fn files(
        &self,
        sources: &SourceData,
        config: &BuildConfig,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let practices = sources.practices.iter().map(|record| &record.practice);
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
                .map(|boundary| (boundary, self.name_of(*layer, &boundary.id, sources)));
            let file = geojson::layer_to_geojson(layer.as_str(), features);
            files.push((boundary_path(layer.as_str()), file));
        }
        if let Some(statistical) = &config.statistical_areas {
            files.push((
                boundary_path(&statistical.id),
                statistical_areas_geojson(&statistical.id, sources)?,
            ));
        }
        if let Some(golden_queries) = &config.golden_queries {
            files.push((
                "golden_queries.csv".into(),
                sources.read_bytes(golden_queries)?,
            ));
        }
        if let Some(systems) = &config.systems {
            files.push(("systems.csv".into(), sources.read_bytes(systems)?));
        }
        // A table without rows is left out, because the reader rejects an empty table.
        files.retain(|(path, content)| {
            !path.ends_with(".csv") || content.iter().filter(|byte| **byte == b'\n').count() > 1
        });
        Ok(files)
    }

    fn name_of(&self, layer: Layer, id: &str, sources: &SourceData) -> String {
        let practice = || -> Option<&Practice> {
            let mut practices = sources.practices.iter().map(|record| &record.practice);
            practices.find(|practice| practice.code.as_str() == id)
        };
        match self.area(layer, id) {
            Some(area) => area.title(),
            None => practice()
                .map(|practice| practice.name.clone())
                .unwrap_or_default(),
        }
    }

    /// Returns the manifest, with an empty list of files.
    pub(super) fn manifest(&self, sources: &SourceData, config: &BuildConfig) -> Result<Manifest> {
        // An outward code is included with all its postcodes or not at all.
        let all_outcodes = sources.postcodes.iter().map(|row| row.postcode.outcode());
        let outcodes: BTreeSet<&str> = all_outcodes.filter(|_| config.postcodes.complete).collect();
        Ok(Manifest {
            name: config.name.clone(),
            version: config.version.clone(),
            title: config.title.clone(),
            as_of: date_from_iso(&config.as_of)?,
            attribution: config.attribution.clone(),
            licence: config.licence.clone(),
            tolerance_m: config.tolerance_m,
            undated_terminations_after: config
                .undated_terminations_after
                .as_deref()
                .map(str::parse)
                .transpose()?,
            complete_outcodes: outcodes.into_iter().map(str::to_string).collect(),
            statistical_areas: config.statistical_areas.as_ref().map(|statistical| {
                StatisticalAreasEntry {
                    id: statistical.id.clone(),
                    title: statistical.title.clone(),
                    boundaries: boundary_path(&statistical.id),
                    snap_m: statistical.snap_m,
                }
            }),
            layers: self.layers.clone(),
            sources: config
                .sources
                .iter()
                .cloned()
                .map(SourceEntry::from)
                .collect(),
            files: BTreeMap::new(),
        })
    }

    /// Returns one line for each part of the dataset, with its count, followed by the remarks.
    pub(super) fn summary(&self, sources: &SourceData) -> Vec<String> {
        let mut lines = vec![format!("{} postcodes", sources.postcodes.len())];
        for (layer, boundaries) in &self.boundaries {
            let areas: BTreeSet<&str> = boundaries
                .iter()
                .map(|boundary| boundary.id.as_str())
                .collect();
            lines.push(format!("{layer}: {} areas with a boundary", areas.len()));
        }
        lines.push(format!("{} practices", sources.practices.len()));
        lines.extend(sources.remarks.iter().chain(&self.remarks).cloned());
        lines
    }
}

/// The period of a version of an area, and the statistical areas that the version consists of.
type AreaVersion<'d> = (Period, BTreeSet<&'d str>);

/// A group of practices: an ICC or a PCN.
struct PracticeGroup {
    id: String,
    name: String,
}

/// Returns the group of each practice that belongs to a group.
fn practice_groups(
    sources: &SourceData,
    method: &PluralityMethod,
) -> Result<BTreeMap<OdsCode, PracticeGroup>> {
    let mut groups = BTreeMap::new();
    let is_in_sub_icbs = |record: &&PracticeRecord| {
        matches_filter(record.practice.sub_icb.as_ref(), &method.sub_icb)
    };
    for record in sources.practices.iter().filter(is_in_sub_icbs) {
        let group = match method.by.as_str() {
            "icc" => record.icc.as_ref().map(|icc| (icc.clone(), icc.clone())),
            "pcn" => record.practice.pcn.clone().zip(record.pcn_name.clone()),
            other => bail!("by `{other}`: must be `icc` or `pcn`"),
        };
        let Some((id, title)) = group else { continue };
        let group = if method.id_prefix.is_empty() {
            PracticeGroup { id, name: title }
        } else {
            let title = title.trim_end_matches(" PCN").to_string();
            PracticeGroup {
                id: format!("{}{}", method.id_prefix, slugify(&title)),
                name: title,
            }
        };
        groups.insert(record.practice.code, group);
    }
    Ok(groups)
}

/// Converts a title to a slug: `Barrow & Millom` becomes `barrow-and-millom`.
fn slugify(title: &str) -> String {
    let title = title.replace('&', " and ");
    let words = title.split(|letter: char| !letter.is_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

/// Returns the statistical areas of an area of the hierarchy: the statistical areas that match the
/// area's selector and are in the sub-ICB locations of the area's parent. If the area has no
/// selector, returns the statistical areas of the area's own sub-ICB locations.
///
/// A district can extend beyond an ICB. For example, the north of Copeland is not in the Lancashire
/// and South Cumbria ICB.
fn selected_codes(
    versions: &[&HierarchyRecord],
    records: &[HierarchyRecord],
    sources: &SourceData,
) -> BTreeSet<String> {
    let own_selectors: Vec<&LsoaSelector> = versions
        .iter()
        .filter_map(|record| record.selector.as_ref())
        .collect();
    let sub_icb_selectors = |board: &str| -> Vec<&LsoaSelector> {
        let locations = records
            .iter()
            .filter(|record| record.layer == Layer::SubIcb);
        let of_board = locations.filter(|record| record.parent.as_deref() == Some(board));
        of_board
            .filter_map(|record| record.selector.as_ref())
            .collect()
    };
    let matches_any = |selectors: &[&LsoaSelector], code: &str| {
        selectors
            .iter()
            .any(|selector| selector_matches(selector, &sources.statistical_areas[code]))
    };
    let codes = sources.statistical_areas.keys();
    if own_selectors.is_empty() {
        let locations = sub_icb_selectors(&versions[0].id);
        return codes
            .filter(|code| matches_any(&locations, code))
            .cloned()
            .collect();
    }
    let parent_selectors: Vec<Vec<&LsoaSelector>> = match versions[0].layer {
        Layer::SubIcb => Vec::new(),
        _ => versions
            .iter()
            .filter_map(|record| record.parent.as_deref())
            .map(sub_icb_selectors)
            .collect(),
    };
    let is_within = |code: &str| {
        parent_selectors
            .iter()
            .all(|locations| matches_any(locations, code))
    };
    codes
        .filter(|code| matches_any(&own_selectors, code) && is_within(code))
        .cloned()
        .collect()
}

fn selector_matches(selector: &LsoaSelector, area: &StatisticalArea) -> bool {
    match selector {
        LsoaSelector::SubIcb(codes) => matches_filter(area.sub_icb.as_ref(), codes),
        LsoaSelector::District(names) => names.iter().any(|name| name == area.district()),
    }
}

/// Returns the period from the start of the first version to the end of the last version.
fn overall_period(versions: &[&HierarchyRecord]) -> Period {
    let is_open = |end: fn(&Period) -> Option<Date>| {
        versions.iter().any(|record| end(&record.period).is_none())
    };
    let from = versions
        .iter()
        .filter_map(|record| record.period.from)
        .min();
    let to = versions.iter().filter_map(|record| record.period.to).max();
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

fn dissolve_area(
    id: &str,
    period: Period,
    codes: &BTreeSet<&str>,
    sources: &SourceData,
) -> Result<Boundary> {
    let parts = codes
        .iter()
        .flat_map(|code| &sources.statistical_areas[*code].polygons);
    let outline = dissolve(parts).map_err(|reason| anyhow!("area `{id}`: {reason}"))?;
    ensure_valid(id, &outline)?;
    polygons::boundary(Crs::LonLat, &outline, id.to_string(), period)
        .map_err(|reason| anyhow!("area `{id}`: {reason}"))
}

fn ensure_valid(id: &str, polygons: &[Polygon]) -> Result<()> {
    match find_topology_error(polygons) {
        None => Ok(()),
        Some(error) => bail!("area `{id}` is not a valid polygon: {}", error.reason()),
    }
}

/// Returns the union of the polygons, which may overlap, as one boundary.
fn union_boundary(parts: &[Polygon], id: String, period: Period) -> Result<Boundary> {
    let to_boundary = |polygons: &[Polygon]| {
        polygons::boundary(Crs::LonLat, polygons, id.clone(), period)
            .map_err(|reason| anyhow!(reason))
    };
    let parts = to_boundary(parts)?;
    let union = geo::unary_union(parts.lonlat.iter());
    let rings = |polygon: &geo::Polygon<f64>| -> Vec<Vec<[f64; 2]>> {
        let positions =
            |ring: &geo::LineString<f64>| ring.coords().map(|point| [point.x, point.y]).collect();
        let interiors = polygon.interiors().iter().map(positions);
        std::iter::once(positions(polygon.exterior()))
            .chain(interiors)
            .collect()
    };
    let rings: Vec<_> = union.iter().map(rings).collect();
    let (polygons, _) =
        polygons::parse_multi_polygon(Crs::LonLat, &rings).map_err(|reason| anyhow!(reason))?;
    ensure_valid(&id, &polygons)?;
    to_boundary(&polygons)
}

fn statistical_areas_geojson(id: &str, sources: &SourceData) -> Result<Vec<u8>> {
    let mut features = Vec::with_capacity(sources.statistical_areas.len());
    for (code, area) in &sources.statistical_areas {
        let boundary =
            polygons::boundary(Crs::LonLat, &area.polygons, code.clone(), Period::default());
        let boundary = boundary.map_err(|reason| anyhow!("statistical area `{code}`: {reason}"))?;
        features.push((boundary, area.name.clone()));
    }
    Ok(geojson::layer_to_geojson(
        id,
        features
            .iter()
            .map(|(boundary, name)| (boundary, name.clone())),
    ))
}

fn method_period(method: &MethodConfig) -> Result<Period> {
    Ok(Period {
        from: method.from.as_deref().map(date_from_iso).transpose()?,
        to: method.to.as_deref().map(date_from_iso).transpose()?,
    })
}

/// Returns the period of an area that has ended. If the source states no end date, uses the first
/// day of the data, because the area had ended by that day.
fn ended_period(first_data: Date, period: Period) -> Period {
    Period {
        to: period.to.or(Some(first_data)),
        ..period
    }
}

fn parse_provenance(text: &str) -> Result<Provenance> {
    text.parse::<Provenance>()
        .map_err(|expected| anyhow!("provenance `{text}`: {expected}"))
}

fn boundary_path(id: &str) -> String {
    format!("areas/{id}.geojson")
}

/// Returns the membership of `member` in a larger area, as stated by the source.
fn official_membership(
    member: GroupMember,
    (layer, group_id): (Layer, &String),
    period: Period,
) -> Membership {
    Membership {
        member,
        layer,
        group: Some(group_id.clone()),
        period,
        provenance: Provenance::Official,
    }
}
