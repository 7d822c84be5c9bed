//! A postcode with the fields of postcodes.io, and with our own answer under one key.
//!
//! No layer is named here except where a field has the name of one. A field is filled from the layer
//! or attribute whose id is the field's name with hyphens, or from the layer of an NHS organisation.

use jiff::civil::Date;

use crate::wire::json_writer::JsonWriter;
use crate::wire::locate::LocateBody;
use catchment_core::domain::{
    Area, Attribute, GssCode, Layer, LayerSet, Manifest, OrganisationKind, PositionalQuality,
    PostcodeEntry,
};
use catchment_core::geodesy;
use catchment_core::index::{Index, LayerResult, LocateAnswer, LocateQuery, Locator};

/// The fields of a postcode, in the order of postcodes.io.
const FIELDS: [&str; 42] = [
    "postcode",
    "quality",
    "eastings",
    "northings",
    "country",
    "nhs_ha",
    "longitude",
    "latitude",
    "european_electoral_region",
    "primary_care_trust",
    "region",
    "lsoa",
    "msoa",
    "incode",
    "outcode",
    "parliamentary_constituency",
    "parliamentary_constituency_2024",
    "admin_district",
    "parish",
    "admin_county",
    "date_of_introduction",
    "admin_ward",
    "ced",
    "ccg",
    "nuts",
    "pfa",
    "nhs_region",
    "ttwa",
    "national_park",
    "bua",
    "icb",
    "cancer_alliance",
    "lsoa11",
    "msoa11",
    "lsoa21",
    "msoa21",
    "oa21",
    "ruc11",
    "ruc21",
    "lep1",
    "lep2",
    CODES,
];

/// The field with the codes of the areas.
const CODES: &str = "codes";
/// The field with the distance from the point of a search.
const DISTANCE: &str = "distance";
/// The field with our own answer, which postcodes.io does not have.
const CATCHMENT: &str = "catchment";

/// The members of `codes`, in the order of postcodes.io.
const CODE_FIELDS: [&str; 29] = [
    DISTRICT,
    COUNTY,
    "admin_ward",
    "parish",
    "parliamentary_constituency",
    "parliamentary_constituency_2024",
    SUB_ICB,
    SUB_ICB_ODS,
    "ced",
    "nuts",
    "lsoa",
    "msoa",
    "lau2",
    "pfa",
    "nhs_region",
    "ttwa",
    "national_park",
    "bua",
    "icb",
    "cancer_alliance",
    "lsoa11",
    "msoa11",
    "lsoa21",
    "msoa21",
    "oa21",
    "ruc11",
    "ruc21",
    "lep1",
    "lep2",
];

/// The council.
const DISTRICT: &str = "admin_district";
/// The county of a council that is a district.
const COUNTY: &str = "admin_county";
/// The sub-ICB location, under the name of the organisations before it.
const SUB_ICB: &str = "ccg";
/// The ODS code of the sub-ICB location.
const SUB_ICB_ODS: &str = "ccg_id";

/// Fields that are not filled from an area.
const OTHER_FIELDS: [&str; 11] = [
    "postcode",
    "quality",
    "eastings",
    "northings",
    "country",
    "longitude",
    "latitude",
    "incode",
    "outcode",
    "date_of_introduction",
    CODES,
];

/// The part of a dataset from which a field is filled.
#[derive(Clone, Copy)]
enum FieldSource {
    Layer(Layer),
    Attribute(Attribute),
}

/// The area of a field.
#[derive(Default)]
pub(super) struct FieldArea {
    /// The name of the field.
    field: &'static str,
    /// The name of the area.
    name: Option<String>,
    /// The GSS code of the area.
    gss: Option<String>,
    /// The ODS code of the area.
    ods: Option<String>,
}

/// The areas of the fields of a postcode. Fields without an area are not in the list.
pub(super) struct FieldAreas(Vec<FieldArea>);

/// Finds the areas of the fields of postcodes, on one day.
pub(super) struct FieldReader<'i> {
    index: &'i Index,
    day: Date,
    /// The fields that the dataset has, with their sources.
    sources: Vec<(&'static str, FieldSource)>,
}

/// Writes postcodes with the selected fields.
pub(super) struct PostcodeWriter<'i> {
    reader: FieldReader<'i>,
    fields: Vec<&'static str>,
    has_distance: bool,
    has_answer: bool,
}

impl FieldAreas {
    fn find(&self, field: &str) -> Option<&FieldArea> {
        self.0.iter().find(|area| area.field == field)
    }

    /// Returns the name of the area of a field.
    pub(super) fn name(&self, field: &str) -> Option<&str> {
        self.find(field)?.name.as_deref()
    }

    fn code(&self, field: &str) -> Option<&str> {
        match field {
            SUB_ICB_ODS => self.find(SUB_ICB)?.ods.as_deref(),
            _ => self.find(field)?.gss.as_deref(),
        }
    }

    /// Returns the country, from the first letter of a GSS code.
    pub(super) fn country(&self) -> Option<&'static str> {
        let mut codes = self.0.iter().filter_map(|area| area.gss.as_deref());
        codes.find_map(country_of)
    }
}

/// Returns the country of a GSS code.
pub(in crate::http) fn country_of(code: &str) -> Option<&'static str> {
    match code.as_bytes().first()? {
        b'E' => Some("England"),
        b'W' => Some("Wales"),
        b'S' => Some("Scotland"),
        b'N' => Some("Northern Ireland"),
        b'L' => Some("Channel Islands"),
        b'M' => Some("Isle of Man"),
        _ => None,
    }
}

/// Returns the layer from which a field is filled, if the dataset has it.
pub(in crate::http) fn layer_of_field(field: &str, manifest: &Manifest) -> Option<Layer> {
    match source_of(field, manifest)? {
        FieldSource::Layer(layer) => Some(layer),
        FieldSource::Attribute(_) => None,
    }
}

/// Returns the part of the dataset from which a field is filled, if the dataset has it.
fn source_of(field: &str, manifest: &Manifest) -> Option<FieldSource> {
    let organisation = match field {
        "icb" => Some(OrganisationKind::IntegratedCareBoard),
        SUB_ICB => Some(OrganisationKind::SubIcbLocation),
        _ => None,
    };
    if let Some(kind) = organisation {
        return manifest.organisation_layer(kind).map(FieldSource::Layer);
    }
    let id = match field {
        DISTRICT => "council",
        "lsoa" => "lsoa11",
        "msoa" => "msoa11",
        "parliamentary_constituency_2024" => "parliamentary_constituency",
        _ => field,
    };
    let id = id.replace('_', "-");
    let mut layers = manifest.layers.iter().map(|entry| entry.id);
    if let Some(layer) = layers.find(|layer| layer.as_str() == id) {
        return Some(FieldSource::Layer(layer));
    }
    let mut attributes = manifest.attributes.iter().map(|entry| entry.id);
    let attribute = attributes.find(|attribute| attribute.as_str() == id);
    attribute.map(FieldSource::Attribute)
}

impl<'i> FieldReader<'i> {
    /// Creates a reader of these fields.
    pub(super) fn new(index: &'i Index, day: Date, fields: &[&'static str]) -> FieldReader<'i> {
        let of_area = fields.iter().filter(|field| !OTHER_FIELDS.contains(field));
        let sources = of_area.filter_map(|field| {
            let source = source_of(field, index.manifest())?;
            Some((*field, source))
        });
        FieldReader {
            index,
            day,
            sources: sources.collect(),
        }
    }

    fn query(&self, entry: &PostcodeEntry) -> LocateQuery {
        LocateQuery {
            locator: Some(Locator::Postcode(entry.postcode)),
            practice: None,
            as_of: self.day,
        }
    }

    /// Looks up the areas of a postcode, without distances.
    pub(super) fn areas(&self, entry: &PostcodeEntry) -> FieldAreas {
        let layers = self.sources.iter().filter_map(|(_, source)| match source {
            FieldSource::Layer(layer) => Some(*layer),
            FieldSource::Attribute(_) => None,
        });
        let query = self.query(entry);
        let answer = self
            .index
            .locate_in(&query, layers.collect(), LayerSet::NONE);
        self.areas_of_answer(&answer, entry)
    }

    fn areas_of_answer(&self, answer: &LocateAnswer<'i>, entry: &PostcodeEntry) -> FieldAreas {
        let from_sources = self.sources.iter().map(|&(field, source)| {
            let area = match source {
                FieldSource::Layer(layer) => self.area_of_layer(answer, layer),
                FieldSource::Attribute(attribute) => self.area_of_attribute(answer, attribute),
            };
            FieldArea { field, ..area }
        });
        let mut areas = FieldAreas(from_sources.collect());
        self.add_directory_codes(&mut areas, entry);
        self.add_county(&mut areas);
        areas
    }

    fn area_of_layer(&self, answer: &LocateAnswer<'i>, layer: Layer) -> FieldArea {
        let result = answer.residence.iter().find(|(id, _)| *id == layer);
        let Some((_, LayerResult::Areas(matches))) = result else {
            return FieldArea::default();
        };
        let Some(area_match) = matches.first() else {
            return FieldArea::default();
        };
        let mut area = named(area_match.area);
        for (scheme, code) in self.index.codes_of_match(area_match) {
            match scheme {
                "gss" => area.gss = Some(code.to_string()),
                "ods" => area.ods = Some(code.to_string()),
                _ => {}
            }
        }
        area
    }

    /// Returns the value of an attribute as the code of an area, if it is a GSS code, and otherwise
    /// as the name of an area.
    fn area_of_attribute(&self, answer: &LocateAnswer<'i>, attribute: Attribute) -> FieldArea {
        let value = self.index.attribute(answer, attribute);
        let value = value.map(str::to_string);
        match &value {
            Some(text) if text.parse::<GssCode>().is_ok() => FieldArea {
                gss: value,
                ..FieldArea::default()
            },
            _ => FieldArea {
                name: value,
                ..FieldArea::default()
            },
        }
    }

    /// Adds the codes that the postcode directory states, for fields without an area.
    fn add_directory_codes(&self, areas: &mut FieldAreas, entry: &PostcodeEntry) {
        let codes = self.index.postcode_codes(entry);
        let statistical_areas = self.index.manifest().statistical_areas.as_ref();
        let scheme = statistical_areas.map_or("", |areas| areas.id.as_str());
        let statistical_area = |id: &str| {
            let code = self.index.statistical_area_code(entry);
            code.filter(|_| scheme == id)
        };
        let lsoa11 = statistical_area("lsoa11");
        let lsoa21 = codes.lsoa21.as_ref().map(GssCode::as_str);
        for (field, layer, code) in [
            (
                DISTRICT,
                "council",
                codes.council.as_ref().map(GssCode::as_str),
            ),
            ("lsoa", "lsoa11", lsoa11),
            ("lsoa11", "lsoa11", lsoa11),
            (
                "lsoa21",
                "lsoa21",
                lsoa21.or_else(|| statistical_area("lsoa21")),
            ),
        ] {
            let Some(code) = code.filter(|_| areas.code(field).is_none()) else {
                continue;
            };
            let layer = Layer::find(layer);
            let area = layer.and_then(|layer| self.index.area(layer, code, self.day));
            areas.0.retain(|area| area.field != field);
            areas.0.push(FieldArea {
                field,
                gss: Some(code.to_string()),
                ..area.map(named).unwrap_or_default()
            });
        }
    }

    /// Adds the county of the council, unless the dataset has a layer of counties.
    fn add_county(&self, areas: &mut FieldAreas) {
        let Some(council) = areas
            .code(DISTRICT)
            .filter(|_| areas.find(COUNTY).is_none())
        else {
            return;
        };
        let mut councils = self.index.facts().councils.iter();
        let council = councils.find(|known| known.code == council);
        if let Some((code, name)) = council.and_then(|council| council.county.clone()) {
            areas.0.push(FieldArea {
                field: COUNTY,
                name: Some(name),
                gss: Some(code),
                ods: None,
            });
        }
    }
}

fn named(area: &Area) -> FieldArea {
    FieldArea {
        name: Some(area.title().to_string()),
        ..FieldArea::default()
    }
}

impl<'i> PostcodeWriter<'i> {
    /// Creates a writer. With a filter, a list of fields with commas between them, only these fields
    /// are written. A strict writer writes only the fields of postcodes.io.
    pub(super) fn new(
        index: &'i Index,
        day: Date,
        filter: Option<&str>,
        is_strict: bool,
    ) -> PostcodeWriter<'i> {
        let filter = filter.map(|filter| filter.replace(char::is_whitespace, "").to_lowercase());
        let is_selected = |field: &str| match &filter {
            None => true,
            Some(filter) => filter.split(',').any(|name| name == field),
        };
        let fields = FIELDS.into_iter().filter(|field| is_selected(field));
        PostcodeWriter {
            reader: FieldReader::new(index, day, &FIELDS),
            fields: fields.collect(),
            has_distance: is_selected(DISTANCE),
            has_answer: !is_strict && is_selected(CATCHMENT),
        }
    }

    /// Writes a postcode, with our answer unless the writer is strict.
    pub(super) fn write(&self, json: &mut JsonWriter, entry: &PostcodeEntry) {
        self.write_with(json, entry, None, self.has_answer);
    }

    /// Writes a result of a search near a point, with its distance from the point.
    pub(super) fn write_nearest(
        &self,
        json: &mut JsonWriter,
        (entry, distance_m): &(PostcodeEntry, f64),
    ) {
        self.write_with(json, entry, Some(*distance_m), self.has_answer);
    }

    /// Writes a result of a search near a point without our answer.
    pub(super) fn write_nearest_without_answer(
        &self,
        json: &mut JsonWriter,
        (entry, distance_m): &(PostcodeEntry, f64),
    ) {
        self.write_with(json, entry, Some(*distance_m), false);
    }

    fn write_with(
        &self,
        json: &mut JsonWriter,
        entry: &PostcodeEntry,
        distance_m: Option<f64>,
        has_answer: bool,
    ) {
        let FieldReader { index, .. } = self.reader;
        let (areas, answer) = if has_answer {
            let query = self.reader.query(entry);
            let answer = index.locate_layers(&query, LayerSet::ALL);
            (self.reader.areas_of_answer(&answer, entry), Some(answer))
        } else {
            (self.reader.areas(entry), None)
        };
        json.raw("{");
        json.comma_separated(&self.fields, |json, field| {
            json.string(field);
            json.raw(":");
            write_field(json, field, entry, &areas);
        });
        let mut comma = if self.fields.is_empty() { "" } else { "," };
        if let Some(distance_m) = distance_m.filter(|_| self.has_distance) {
            json.raw(comma);
            json.raw("\"distance\":");
            json.number(distance_m, 1);
            comma = ",";
        }
        if let Some(answer) = answer {
            json.raw(comma);
            json.raw("\"catchment\":");
            LocateBody::new(index, None, answer).write(json);
        }
        json.raw("}");
    }
}

fn write_field(json: &mut JsonWriter, field: &str, entry: &PostcodeEntry, areas: &FieldAreas) {
    let position = entry.position;
    let lonlat = || position.and_then(geodesy::to_lonlat);
    match field {
        "postcode" => json.display(entry.postcode),
        "quality" => json.or_null(entry.positional_quality, |json, quality| {
            json.number(f64::from(ons_quality(quality)), 0);
        }),
        "eastings" => json.or_null(position, |json, grid| json.number(grid.easting_m(), 0)),
        "northings" => json.or_null(position, |json, grid| json.number(grid.northing_m(), 0)),
        "country" => json.or_null(areas.country(), JsonWriter::string),
        "longitude" => json.or_null(lonlat(), |json, lonlat| json.number(lonlat.lon(), 6)),
        "latitude" => json.or_null(lonlat(), |json, lonlat| json.number(lonlat.lat(), 6)),
        "incode" => json.string(entry.postcode.incode()),
        "outcode" => json.string(entry.postcode.outcode()),
        "date_of_introduction" => json.or_null(entry.introduced, |json, month| {
            json.display(month.to_yyyymm());
        }),
        CODES => write_codes(json, areas),
        _ => json.or_null(areas.name(field), JsonWriter::string),
    }
}

fn write_codes(json: &mut JsonWriter, areas: &FieldAreas) {
    json.raw("{");
    json.comma_separated(CODE_FIELDS, |json, field| {
        json.string(field);
        json.raw(":");
        json.or_null(areas.code(field), JsonWriter::string);
    });
    json.raw("}");
}

/// Returns a quality on the scale of ONS, from 1 (within the building) to 9 (no position). The values
/// of Code-Point Open, from 10 to 90, are ten times as great.
fn ons_quality(quality: PositionalQuality) -> u8 {
    match quality {
        PositionalQuality::Ons(value) => value,
        PositionalQuality::CodePointOpen(value) => value / 10,
    }
}
