//! The look-up table between areas. For each area of a layer, such as a statistical area, the table
//! contains its area in every other layer.

use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use jiff::civil::Date;

use super::table::{TableFormat, write_table};
use super::{metadata, put_day};
use crate::columns::layer_word;
use crate::progress::BatchProgress;
use crate::tabular::cell_format::{SEPARATOR, write_cell};
use crate::tabular::error::TabularError;
use catchment_core::domain::{AttributeEntry, Layer, LayerRole};
use catchment_core::index::{AreaLookUp, ContainingAreas, Index};

/// Writes the look-up table of the areas of a layer on a date.
///
/// The table has a row for each area, in order of id. The first columns are the id (`lsoa11`), the
/// name (`lsoa11_name`) and the number of live postcodes (`live_postcodes`). For each other layer,
/// in the order of answers, further columns contain the id of its area (`icc`), the name
/// (`icc_name`), the national code of an NHS organisation (`icb_code`), the share of the live
/// postcodes that are in the area (`icc_share`; null if the answer is exact), and the dates from
/// and until which the area is valid (`icc_valid_from`, inclusive, and `icc_valid_to`, exclusive;
/// null if they are not known). The last columns are the attributes of the areas, the date
/// (`as_of`) and `dataset_version`. Several areas are separated by `;`.
///
/// Writes nothing if the layer is not in the dataset.
///
/// # Errors
/// If `output` cannot be written.
pub fn write_areas_of<W: Write + Send>(
    index: &Index,
    (layer, day): (Layer, Date),
    format: TableFormat,
    output: &mut W,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<(), TabularError> {
    let look_ups = index.area_look_up(layer, day, threads).unwrap_or_default();
    let schema = schema(index, layer);
    let attributes = index.attributes_of_layer(layer);
    let emit = |look_up: &AreaLookUp<'_>, emit: &mut dyn FnMut(&[u8])| {
        emit(&row(index, look_up, &attributes, day));
    };
    let keys = look_ups.into_iter();
    write_table(&schema, keys, emit, format, output, threads, progress)
}

fn schema(index: &Index, layer: Layer) -> SchemaRef {
    let column = |name: &str, data_type| Field::new(name, data_type, true);
    let word = layer_word(layer);
    let mut fields = vec![
        Field::new(&word, DataType::Utf8, false),
        Field::new(format!("{word}_name"), DataType::Utf8, false),
        Field::new("live_postcodes", DataType::Int32, false),
    ];
    for other in index.layers().filter(|other| *other != layer) {
        let word = layer_word(other);
        fields.push(column(&word, DataType::Utf8));
        fields.push(column(&format!("{word}_name"), DataType::Utf8));
        if has_codes(index, other) {
            fields.push(column(&format!("{word}_code"), DataType::Utf8));
        }
        fields.push(column(&format!("{word}_share"), DataType::Float64));
        fields.push(column(&format!("{word}_valid_from"), DataType::Date32));
        fields.push(column(&format!("{word}_valid_to"), DataType::Date32));
    }
    for entry in index.attributes_of_layer(layer) {
        let name = entry.id.as_str().replace('-', "_");
        fields.push(column(&name, DataType::Utf8));
    }
    fields.push(Field::new("as_of", DataType::Date32, false));
    fields.push(Field::new("dataset_version", DataType::Utf8, false));
    Arc::new(Schema::new_with_metadata(fields, metadata(index)))
}

fn has_codes(index: &Index, layer: Layer) -> bool {
    let entry = index.manifest().layer(layer);
    entry.is_some_and(|entry| {
        entry.role == LayerRole::Administrative && entry.organisation.is_some()
    })
}

/// Returns the cells of a row, in `CellFormat::LengthPrefixed`.
fn row(
    index: &Index,
    look_up: &AreaLookUp<'_>,
    attributes: &[&AttributeEntry],
    day: Date,
) -> Vec<u8> {
    let mut row = Vec::new();
    write_cell(&mut row, Some(look_up.area.id.as_bytes()));
    write_cell(&mut row, Some(look_up.area.title().as_bytes()));
    let count = i32::try_from(look_up.live_postcodes).unwrap_or(i32::MAX);
    write_cell(&mut row, Some(&count.to_le_bytes()));
    for (layer, found) in &look_up.others {
        put_areas(&mut row, index, *layer, found);
    }
    for entry in attributes {
        let value = index.attribute_of_area(look_up.area, entry.id);
        write_cell(&mut row, value.map(str::as_bytes));
    }
    put_day(&mut row, Some(day));
    write_cell(&mut row, Some(index.manifest().version.as_bytes()));
    row
}

fn put_areas(row: &mut Vec<u8>, index: &Index, layer: Layer, found: &ContainingAreas<'_>) {
    let areas = || found.areas.iter();
    put_texts(row, areas().map(|area| area.id.clone()));
    put_texts(row, areas().map(|area| area.title().to_string()));
    if has_codes(index, layer) {
        let codes = areas().filter_map(|area| index.national_code(area));
        put_texts(row, codes.map(str::to_string));
    }
    let share = found.share.map(|share| (share * 1e4).round() / 1e4);
    write_cell(
        row,
        share
            .map(f64::to_le_bytes)
            .as_ref()
            .map(<[u8; 8]>::as_slice),
    );
    put_day(row, found.period.and_then(|period| period.from));
    put_day(row, found.period.and_then(|period| period.to));
}

fn put_texts(row: &mut Vec<u8>, texts: impl Iterator<Item = String>) {
    let joined = texts.collect::<Vec<String>>().join(SEPARATOR);
    write_cell(row, Some(joined.as_bytes()).filter(|text| !text.is_empty()));
}
