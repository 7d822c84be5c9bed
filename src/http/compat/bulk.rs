//! `POST /postcodes`: many postcodes, or the postcodes nearest to many locations.

use axum::extract::{Request, State};
use axum::response::Response;
use jiff::civil::Date;
use serde_json::{Map, Value};

use super::super::App;
use super::super::admission::CpuPermit;
use super::super::extract::{content_type, read_body};
use super::super::problem::Problem;
use super::super::request_context::RequestContext;
use super::body::{success, write_list};
use super::client_error::ClientError;
use super::client_query::ClientQuery;
use super::nearest::{
    NearestParams, NearestRange, POSTCODE_LIMITS, nearest_postcodes, parse_point,
};
use super::postcode_fields::PostcodeWriter;
use super::postcodes::find_in_use;
use crate::wire::json_writer::JsonWriter;
use catchment_core::domain::PostcodeEntry;
use catchment_core::index::Index;

/// The maximum size of a body in bytes, or more if the maximum number of items is high.
const BODY_BYTES_MAX: usize = 100 * 1024;
/// The size of the longest useful item in bytes: a location with all its parameters.
const ITEM_BYTES: usize = 256;

/// The maximum number of postcodes near all locations together. If there are more locations than
/// postcodes.io allows, there are fewer postcodes near each.
const RESULTS_MAX: usize = 10_000;

const INVALID_JSON: &str = "Invalid JSON submitted.\n\
    You need to submit a JSON object with an array of postcodes or geolocation objects.\n\
    Also ensure that Content-Type is set to application/json\n";
const INVALID_JSON_QUERY: &str = "Invalid JSON query submitted. \n\
    You need to submit a JSON object with an array of postcodes or geolocation objects.\n\
    Also ensure that Content-Type is set to application/json\n";

/// The members of a location that a response repeats, in lower case.
const REPEATED_MEMBERS: [&str; 5] = ["limit", "longitude", "latitude", "radius", "widesearch"];

/// A bulk request.
enum BulkRequest {
    Postcodes(Vec<String>),
    Locations(Vec<BulkLocation>),
}

/// A location of a bulk request.
struct BulkLocation {
    /// The members of the location, and those that the query has for all locations.
    members: Map<String, Value>,
}

/// `POST /postcodes`. The outer error is one of the service, such as too many requests.
pub(in crate::http) async fn post(
    State(app): State<App>,
    query: ClientQuery,
    request: Request,
) -> Result<Result<Response, ClientError>, Problem> {
    let cpu_permit = request.extensions().get::<CpuPermit>().cloned();
    let is_json = content_type(request.headers())
        .is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json"));
    let items_max = app.compat.clone().unwrap_or_default().bulk_items_max;
    let bytes_max = BODY_BYTES_MAX.max(ITEM_BYTES * items_max);
    let body = read_body(request.into_body(), bytes_max).await?;
    // The permit is acquired after the body has been read, so that a slow upload does not hold a
    // CPU permit.
    if let Some(cpu_permit) = &cpu_permit {
        app.admission_control.acquire_cpu_permit(cpu_permit).await?;
    }
    let context = RequestContext::current(&app);
    let answer = move || {
        // The permit is held until the response is complete, even if the client disconnects.
        let _cpu_permit = cpu_permit;
        let body: &[u8] = if is_json { &body } else { b"" };
        let request = BulkRequest::parse(body, &query, items_max)?;
        respond(context.index(), context.as_of, &request, &query)
    };
    match tokio::task::spawn_blocking(answer).await {
        Ok(response) => Ok(response),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

impl BulkRequest {
    /// Parses a body. An empty body is an object without members.
    fn parse(
        body: &[u8],
        query: &ClientQuery,
        items_max: usize,
    ) -> Result<BulkRequest, ClientError> {
        let body = if body.trim_ascii().is_empty() {
            Value::Null
        } else {
            let value = serde_json::from_slice(body).ok();
            let value = value.filter(|value: &Value| value.is_object() || value.is_array());
            value.ok_or_else(|| ClientError::bad_request(INVALID_JSON))?
        };
        let [postcodes, locations] = ["postcodes", "geolocations"].map(|name| body.get(name));
        let (list, noun) = match (postcodes, locations) {
            (Some(list), _) if is_given(list) => (list, "postcodes"),
            (_, Some(list)) if is_given(list) => (list, "locations"),
            _ => return Err(ClientError::bad_request(INVALID_JSON_QUERY)),
        };
        let Value::Array(items) = list else {
            let message = "Invalid data submitted. You need to provide a JSON array";
            return Err(ClientError::bad_request(message));
        };
        if items.len() > items_max {
            return Err(ClientError::bad_request(format!(
                "Too many {noun} submitted. Up to {items_max} {noun} can be bulk requested at a time"
            )));
        }
        if noun == "locations" {
            let locations = items.iter().map(|item| BulkLocation::new(item, query));
            return Ok(BulkRequest::Locations(locations.collect()));
        }
        // As in postcodes.io, items that are not text are left out.
        let texts = items.iter().filter_map(Value::as_str);
        Ok(BulkRequest::Postcodes(texts.map(str::to_string).collect()))
    }
}

/// Returns whether a member has a value other than those that JavaScript treats as false.
fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

impl BulkLocation {
    fn new(item: &Value, query: &ClientQuery) -> BulkLocation {
        let mut members = Map::new();
        for name in ["limit", "radius"] {
            if let Some(value) = query.get(name) {
                members.insert(name.into(), value.into());
            }
        }
        if query.get_any(["widesearch", "wideSearch"]).is_some() {
            members.insert("widesearch".into(), true.into());
        }
        let own = item.as_object().into_iter().flatten();
        members.extend(own.map(|(name, value)| (name.clone(), value.clone())));
        BulkLocation { members }
    }

    /// Returns the text of a member: `None` without the member, and empty text if the member is
    /// neither text nor a number.
    fn text(&self, name: &str) -> Option<String> {
        match self.members.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => Some(String::new()),
        }
    }

    fn is_given(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(is_given)
    }

    /// Returns the postcodes nearest to the location, at most `limit_max` of them.
    fn nearest(
        &self,
        index: &Index,
        limit_max: usize,
        day: Date,
    ) -> Result<Vec<(PostcodeEntry, f64)>, ClientError> {
        let option = |name| self.text(name).filter(|_| self.is_given(name));
        let (limit, radius) = (option("limit"), option("radius"));
        let params = NearestParams {
            limit: limit.as_deref(),
            radius: radius.as_deref(),
            is_wide: self.is_given("wideSearch") || self.is_given("widesearch"),
        };
        let range = NearestRange::new(&params, &POSTCODE_LIMITS)?;
        let range = NearestRange {
            limit: range.limit.min(limit_max),
            ..range
        };
        let coordinate = |name| self.text(name).ok_or_else(ClientError::invalid_geolocation);
        let point = parse_point(&coordinate("longitude")?, &coordinate("latitude")?)?;
        Ok(nearest_postcodes(index, point, range, day))
    }

    /// Returns the location as the response repeats it.
    fn repeated(&self) -> Map<String, Value> {
        let members = self.members.iter();
        let repeated =
            members.filter(|(name, _)| REPEATED_MEMBERS.contains(&&*name.to_lowercase()));
        repeated
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

fn respond(
    index: &Index,
    day: Date,
    request: &BulkRequest,
    query: &ClientQuery,
) -> Result<Response, ClientError> {
    let writer = PostcodeWriter::new(index, day, query.get("filter"), query.is_strict());
    match request {
        BulkRequest::Postcodes(texts) => Ok(success(|json| {
            json.raw("[");
            json.comma_separated(texts, |json, text| {
                json.raw("{\"query\":");
                json.string(text);
                json.raw(",\"result\":");
                let entry = find_in_use(index, text, day);
                json.or_null(entry, |json, entry| writer.write(json, &entry));
                json.raw("}");
            });
            json.raw("]");
        })),
        BulkRequest::Locations(locations) => {
            let limit_max = RESULTS_MAX / locations.len().max(1);
            let mut found = Vec::with_capacity(locations.len());
            for location in locations {
                found.push((location, location.nearest(index, limit_max, day)?));
            }
            Ok(success(|json| {
                json.raw("[");
                json.comma_separated(found, |json, (location, postcodes)| {
                    json.raw("{\"query\":");
                    json.value(&location.repeated());
                    json.raw(",\"result\":");
                    write_nearest(json, &writer, &postcodes);
                    json.raw("}");
                });
                json.raw("]");
            }))
        }
    }
}

/// Writes the postcodes nearest to a location. Only the nearest has our answer, so that a response
/// has at most one answer for each location.
fn write_nearest(
    json: &mut JsonWriter,
    writer: &PostcodeWriter<'_>,
    postcodes: &[(PostcodeEntry, f64)],
) {
    write_list(
        json,
        postcodes.iter().enumerate(),
        |json, (rank, result)| {
            if rank == 0 {
                writer.write_nearest(json, result);
            } else {
                writer.write_nearest_without_answer(json, result);
            }
        },
    );
}
