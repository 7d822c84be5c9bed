//! `catchment mcp`: look-ups as tools of the Model Context Protocol, on standard input and output.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use jiff::civil::Date;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    ToolAnnotations,
};
use rmcp::service::{RequestContext, ServerInitializeError};
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use serde_json::{Map, Value, json};
use tokio::runtime::Builder;

use super::{DataArgument, UprnArgument};
use crate::http::{
    area_detail, areas_body, find_layer, param_text, practice_detail, practices_body,
    require_layer, unknown_area, unknown_practice,
};
use crate::wire::date_comparison::date_comparison_body;
use crate::wire::locate::locate_body;
use crate::wire::problem::Problem;
use catchment_core::domain::{InvalidDate, OdsCode, Practice, date_from_iso, today_in_london};
use catchment_core::index::Index;
use catchment_core::request::{LOCATE_PARAMS, LocateRequest, RequestParams};
use catchment_data::diff::compare_dates;

#[derive(Debug, clap::Args)]
pub(super) struct McpArguments {
    /// Date of look-ups that do not state a date; today by default.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = iso_date)]
    as_of: Option<Date>,
    #[command(flatten)]
    data: DataArgument,
    #[command(flatten)]
    uprns: UprnArgument,
}

fn iso_date(text: &str) -> Result<Date, InvalidDate> {
    date_from_iso(text)
}

/// Answers requests until the client closes standard input.
pub(super) fn run(arguments: &McpArguments) -> Result<ExitCode> {
    let index = arguments.uprns.add_to(arguments.data.load()?)?;
    let server = McpServer {
        index: Arc::new(index),
        as_of: arguments.as_of,
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("starting the asynchronous runtime")?;
    runtime.block_on(async {
        match server.serve(rmcp::transport::stdio()).await {
            Ok(session) => session.waiting().await.map(|_| ()).map_err(|_| {
                anyhow!("the session of the Model Context Protocol ended with an internal error")
            }),
            Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            // The text of the error could contain the client's request.
            Err(_) => Err(anyhow!(
                "the first request of the client must be `initialize` of the Model Context Protocol"
            )),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The maximum number of practices that `find_practice` returns.
const PRACTICES_MAX: usize = 20;

/// The tools, in the order in which they are listed.
const TOOLS: [ToolKind; 5] = [
    ToolKind::Locate,
    ToolKind::FindPractice,
    ToolKind::Area,
    ToolKind::AreasOfLayer,
    ToolKind::CompareDates,
];

/// What a model should know before it calls a tool.
const INSTRUCTIONS: &str = "Answers which community, GP practices and other areas cover a place in Great Britain. \
     Where somebody lives (`residence`) and where they are registered (`registration`) are different facts: \
     a postcode alone never shows the practice or the community with which a person is registered. \
     Boundaries change, so state a date (`as_of`) for questions about the past. \
     `unknown` means that the source does not say; do not guess. Give the attribution with the answer. \
     Do not send postcodes, UPRNs or practices of patients unless your organisation allows this model to process patient data.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ToolKind {
    Locate,
    FindPractice,
    Area,
    AreasOfLayer,
    CompareDates,
}

impl ToolKind {
    fn name(self) -> &'static str {
        match self {
            ToolKind::Locate => "locate",
            ToolKind::FindPractice => "find_practice",
            ToolKind::Area => "area",
            ToolKind::AreasOfLayer => "areas_of_layer",
            ToolKind::CompareDates => "compare_dates",
        }
    }

    fn description(self) -> &'static str {
        match self {
            ToolKind::Locate => {
                "Looks up one place, one GP practice or both: the areas in which the place is, the areas of the \
                 practice's registered patients, and whether they agree. Give exactly one place: postcode, or lon and lat, \
                 or easting and northing, or statistical_area, or uprn. The answer is that of GET /api/v1/locate."
            }
            ToolKind::FindPractice => {
                "Returns one GP practice by its ODS code, with its premises, predecessors and successors, or up to 20 \
                 practices whose name, address or code contains a text. Give code or name."
            }
            ToolKind::Area => {
                "Returns an area: its names, codes, members, groups, predecessors and successors. areas_of_layer \
                 returns the ids."
            }
            ToolKind::AreasOfLayer => {
                "Returns the areas of a layer on a date, with their ids and names."
            }
            ToolKind::CompareDates => {
                "Returns what changed in a layer between two dates: areas that began, ended, were renamed or \
                 redrawn; practices that opened or closed; members that moved."
            }
        }
    }

    /// Returns the parameters: the name, the description, and whether the parameter is required.
    fn parameters(self, index: &Index) -> Vec<(&'static str, String, bool)> {
        let layers: Vec<&str> = index.layers().map(|layer| layer.as_str()).collect();
        let layers = layers.join(", ");
        let as_of = || {
            (
                "as_of",
                "the date, YYYY-MM-DD; today by default".into(),
                false,
            )
        };
        let layer = || {
            (
                "layer",
                format!("the id of the layer: one of {layers}"),
                true,
            )
        };
        match self {
            ToolKind::Locate => vec![
                (
                    "postcode",
                    "a full postcode, such as LA18 4DB".into(),
                    false,
                ),
                ("lon", "the longitude in degrees, WGS84".into(), false),
                ("lat", "the latitude in degrees, WGS84".into(), false),
                (
                    "easting",
                    "the easting in metres, British National Grid".into(),
                    false,
                ),
                (
                    "northing",
                    "the northing in metres, British National Grid".into(),
                    false,
                ),
                (
                    "statistical_area",
                    "the code of a statistical area such as an LSOA: E01019311".into(),
                    false,
                ),
                ("uprn", "a Unique Property Reference Number".into(), false),
                (
                    "practice",
                    "the ODS code of the GP practice where the person is registered".into(),
                    false,
                ),
                as_of(),
                (
                    "layers",
                    format!("the layers to return, separated by commas; all by default: {layers}"),
                    false,
                ),
            ],
            ToolKind::FindPractice => vec![
                (
                    "code",
                    "the ODS code of the practice, such as A82033".into(),
                    false,
                ),
                ("name", "a part of the name, address or code".into(), false),
                as_of(),
            ],
            ToolKind::Area => vec![
                layer(),
                ("id", "the id of the area, such as mb-kendal".into(), true),
                as_of(),
            ],
            ToolKind::AreasOfLayer => vec![layer(), as_of()],
            ToolKind::CompareDates => vec![
                layer(),
                ("from", "the earlier date, YYYY-MM-DD".into(), true),
                ("to", "the later date, YYYY-MM-DD".into(), true),
            ],
        }
    }

    /// Returns the definition of the tool for clients.
    fn definition(self, index: &Index) -> Tool {
        let parameters = self.parameters(index);
        let properties = parameters.iter().map(|(name, description, _)| {
            let types = match *name {
                "lon" | "lat" | "easting" | "northing" | "uprn" => json!(["number", "string"]),
                _ => json!("string"),
            };
            let schema = json!({ "type": types, "description": description });
            ((*name).to_string(), schema)
        });
        let required = parameters.iter().filter(|(.., is_required)| *is_required);
        let mut schema = Map::from_iter([
            ("type".to_string(), json!("object")),
            (
                "properties".to_string(),
                Value::Object(properties.collect()),
            ),
            ("additionalProperties".to_string(), json!(false)),
        ]);
        let required: Vec<&str> = required.map(|(name, ..)| *name).collect();
        if !required.is_empty() {
            schema.insert("required".to_string(), json!(required));
        }
        let annotations = ToolAnnotations::new().read_only(true).idempotent(true);
        Tool::new(self.name(), self.description(), Arc::new(schema))
            .with_annotations(annotations.open_world(false))
    }
}

/// The server of one session.
#[derive(Clone)]
struct McpServer {
    index: Arc<Index>,
    /// The date of calls that do not state a date; `None` means today.
    as_of: Option<Date>,
}

impl McpServer {
    /// Calls a tool and returns its JSON.
    ///
    /// # Errors
    /// If an argument is missing or not valid, or there is no answer. The problem is that of the
    /// API.
    fn call(&self, tool: ToolKind, arguments: Map<String, Value>) -> Result<Value, Problem> {
        let index = &*self.index;
        let parameters = tool.parameters(index);
        let mut names: Vec<&'static str> = parameters.iter().map(|(name, ..)| *name).collect();
        if tool == ToolKind::Locate {
            // The server has only one dataset.
            names = LOCATE_PARAMS.to_vec();
            names.retain(|name| *name != "dataset");
        }
        RequestParams::check_names(arguments.keys().map(String::as_str), &names)?;
        let mut pairs: Vec<(String, String)> = Vec::with_capacity(arguments.len());
        for (name, value) in arguments {
            if let Some(text) = param_text(&name, value)? {
                pairs.push((name, text));
            }
        }
        let has_date = pairs.iter().any(|(name, _)| name == "as_of");
        if let Some(date) = self.as_of.filter(|_| !has_date && names.contains(&"as_of")) {
            pairs.push(("as_of".into(), date.to_string()));
        }
        let params = RequestParams::new(pairs, &names)?;
        match tool {
            ToolKind::Locate => {
                let request = LocateRequest::from_params(&params)?;
                let body = locate_body(index, &request)?.to_json();
                Ok(serde_json::from_slice(&body).expect("answers are JSON"))
            }
            ToolKind::FindPractice => find_practice(index, &params),
            ToolKind::Area => {
                let as_of = date_of(&params)?;
                let layer = require_layer(index, required(&params, "layer")?, as_of)?;
                let id = required(&params, "id")?;
                let area = index.area_or_last_version(layer, id, as_of);
                Ok(area_detail(index, area.ok_or_else(unknown_area)?, as_of))
            }
            ToolKind::AreasOfLayer => {
                let layer = find_layer(index, required(&params, "layer")?)?;
                Ok(areas_body(index, layer, date_of(&params)?))
            }
            ToolKind::CompareDates => compare(index, &params),
        }
    }
}

/// Returns the date of a call, which is today by default.
fn date_of(params: &RequestParams) -> Result<Date, Problem> {
    Ok(params.given_date()?.unwrap_or_else(today_in_london))
}

/// Returns the text of an argument.
///
/// # Errors
/// If the argument is missing or blank.
fn required<'p>(params: &'p RequestParams, name: &str) -> Result<&'p str, Problem> {
    let text = params.get(name).filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| Problem::bad_request("missing_argument", format!("{name} is missing")))
}

fn find_practice(index: &Index, params: &RequestParams) -> Result<Value, Problem> {
    let as_of = date_of(params)?;
    match (params.get("code"), params.get("name")) {
        (Some(code), None) => {
            let code: OdsCode = code.parse().map_err(|_| unknown_practice())?;
            practice_detail(index, code, as_of).ok_or_else(unknown_practice)
        }
        (None, Some(_)) => {
            let name = required(params, "name")?.trim();
            let is_match = |practice: &&Practice| practice.contains_text(name);
            let found: Vec<&Practice> = index.practices().iter().filter(is_match).collect();
            let listed = found.iter().take(PRACTICES_MAX).copied();
            let mut body = practices_body(index, listed, as_of);
            body["matches"] = found.len().into();
            Ok(body)
        }
        _ => Err(Problem::bad_request(
            "missing_argument",
            "give either code or name",
        )),
    }
}

fn compare(index: &Index, params: &RequestParams) -> Result<Value, Problem> {
    let layer = find_layer(index, required(params, "layer")?)?;
    let day = |name: &str| {
        let day = date_from_iso(required(params, name)?);
        day.map_err(|error| Problem::bad_request("invalid_date", format!("{name} is {error}")))
    };
    let (from, to) = (day("from")?, day("to")?);
    if to <= from {
        let detail = "to must be later than from";
        return Err(Problem::bad_request("invalid_date", detail));
    }
    require_layer(index, layer.as_str(), from)?;
    let comparison = compare_dates(index, layer, from, to);
    Ok(date_comparison_body(index, layer, (from, to), &comparison))
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        let program = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let manifest = self.index.manifest();
        let dataset = format!(
            "{INSTRUCTIONS} The data are {}, version {}: {}.",
            manifest.name, manifest.version, manifest.title
        );
        ServerConfig::new(capabilities)
            .with_server_info(program)
            .with_instructions(dataset)
    }

    fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListToolsResult, ErrorData>> + Send + '_ {
        let tools = TOOLS.map(|tool| tool.definition(&self.index)).to_vec();
        std::future::ready(Ok(ListToolsResult::with_all_items(tools)))
    }

    fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<CallToolResponse, ErrorData>> + Send + '_ {
        let tool = TOOLS.into_iter().find(|tool| tool.name() == request.name);
        let result = tool
            .map(|tool| tool_result(&self.call(tool, request.arguments.unwrap_or_default())))
            .ok_or_else(unknown_tool);
        std::future::ready(result.map(CallToolResponse::from))
    }
}

/// Returns the answer or the problem as the result of a tool.
fn tool_result(answer: &Result<Value, Problem>) -> CallToolResult {
    let (text, is_error) = match answer {
        Ok(body) => (body.to_string(), false),
        Err(problem) => {
            let text = String::from_utf8(problem.json()).expect("JSON is UTF-8");
            (text, true)
        }
    };
    let content = vec![ContentBlock::text(text)];
    match is_error {
        false => CallToolResult::success(content),
        true => CallToolResult::error(content),
    }
}

fn unknown_tool() -> ErrorData {
    let names = TOOLS.map(ToolKind::name).join(", ");
    ErrorData::invalid_params(format!("unknown tool; the tools are {names}"), None)
}
