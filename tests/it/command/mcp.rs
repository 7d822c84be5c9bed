//! Tests of `catchment mcp`, which speak the Model Context Protocol with the compiled program.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::support::server::{AS_OF, SERVER};

/// A session with the program.
struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    last_id: u64,
}

impl Session {
    /// Starts the program with these arguments, without initialising the session.
    fn start(arguments: &[&str]) -> Session {
        let mut child = Command::new(env!("CARGO_BIN_EXE_catchment"))
            .arg("mcp")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Session {
            child,
            stdin,
            stdout,
            last_id: 0,
        }
    }

    /// Starts the program and initialises the session, with answers as of [`AS_OF`].
    fn initialised() -> Session {
        let mut session = Session::start(&["--as-of", AS_OF]);
        session.initialise();
        session
    }

    fn initialise(&mut self) -> Value {
        let reply = self.request(
            "initialize",
            &json!({
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            }),
        );
        self.send_line(
            &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string(),
        );
        reply["result"].clone()
    }

    fn send_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("open");
        writeln!(stdin, "{line}").expect("the program reads");
    }

    /// Returns the next message. Each line of the output must be a message of JSON-RPC.
    #[track_caller]
    fn receive(&mut self) -> Value {
        let mut line = String::new();
        self.stdout
            .read_line(&mut line)
            .expect("the program answers");
        let message: Value = serde_json::from_str(&line).expect("a message");
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        message
    }

    #[track_caller]
    fn request(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        self.send_line(
            &json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string(),
        );
        let reply = self.receive();
        assert_eq!(reply["id"], id, "{reply}");
        reply
    }

    /// Calls a tool. Returns the JSON of its result, and whether the result is an error.
    #[track_caller]
    fn call(&mut self, tool: &str, arguments: &Value) -> (Value, bool) {
        let reply = self.request(
            "tools/call",
            &json!({ "name": tool, "arguments": arguments }),
        );
        let result = &reply["result"];
        let content = result["content"].as_array().expect("content");
        assert_eq!(content.len(), 1, "{reply}");
        assert_eq!(content[0]["type"], "text", "{reply}");
        let text = content[0]["text"].as_str().expect("a text");
        let is_error = result["isError"].as_bool().unwrap_or_default();
        (serde_json::from_str(text).expect("JSON"), is_error)
    }

    #[track_caller]
    fn answer(&mut self, tool: &str, arguments: &Value) -> Value {
        let (body, is_error) = self.call(tool, arguments);
        assert!(!is_error, "{body}");
        body
    }

    /// Calls a tool, whose result must be a problem with this code. Returns the detail.
    #[track_caller]
    fn problem(&mut self, tool: &str, arguments: &Value, code: &str) -> String {
        let (body, is_error) = self.call(tool, arguments);
        assert!(is_error, "{body}");
        assert_eq!(body["code"], code, "{body}");
        body["detail"].as_str().expect("a detail").to_string()
    }

    /// Closes standard input. Returns the exit status, the rest of the output, and the errors.
    fn close(mut self) -> (Option<i32>, String, String) {
        drop(self.stdin.take());
        let (mut output, mut errors) = (String::new(), String::new());
        self.stdout.read_to_string(&mut output).expect("text");
        let stderr = self.child.stderr.as_mut().expect("piped");
        stderr.read_to_string(&mut errors).expect("text");
        let status = self.child.wait().expect("the program ends");
        (status.code(), output, errors)
    }
}

#[test]
fn sessions_state_the_program_and_its_tools() {
    let mut session = Session::start(&[]);
    let info = session.initialise();
    assert_eq!(info["serverInfo"]["name"], "catchment");
    assert_eq!(info["protocolVersion"], "2025-06-18");
    let instructions = info["instructions"].as_str().expect("instructions");
    for part in ["patients", "registered", "lancashire-and-cumbria"] {
        assert!(instructions.contains(part), "{instructions}");
    }
    let listed = session.request("tools/list", &json!({}));
    let tools = listed["result"]["tools"].as_array().expect("tools");
    let names: Vec<&str> = tools
        .iter()
        .map(|tool| tool["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(
        names,
        [
            "locate",
            "find_practice",
            "area",
            "areas_of_layer",
            "compare_dates"
        ]
    );
    for tool in tools {
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
        assert_eq!(tool["annotations"]["openWorldHint"], false, "{tool}");
        let schema = &tool["inputSchema"];
        assert_eq!(schema["type"], "object", "{tool}");
        assert_eq!(schema["additionalProperties"], false, "{tool}");
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().expect("a name");
            assert!(schema["properties"].get(name).is_some(), "{tool}");
        }
    }
    let (status, output, errors) = session.close();
    assert_eq!((status, &*output, &*errors), (Some(0), "", ""));
}

#[test]
fn tools_answer_as_the_api_does() {
    let mut session = Session::initialised();
    for (tool, arguments, path) in [
        (
            "locate",
            json!({ "postcode": "LA18 4DB", "practice": "A82033" }),
            "/api/v1/locate?postcode=LA18+4DB&practice=A82033",
        ),
        (
            "locate",
            json!({ "easting": 317303, "northing": "480077", "layers": ["icc", "council"] }),
            "/api/v1/locate?easting=317303&northing=480077&layers=icc,council",
        ),
        (
            "locate",
            json!({ "statistical_area": "E01019311" }),
            "/api/v1/locate?statistical_area=E01019311",
        ),
        (
            "find_practice",
            json!({ "code": "p81002" }),
            "/api/v1/practices/P81002?",
        ),
        (
            "area",
            json!({ "layer": "icc", "id": "mb-kendal" }),
            "/api/v1/areas/icc/mb-kendal?",
        ),
        (
            "areas_of_layer",
            json!({ "layer": "icc" }),
            "/api/v1/areas/icc?",
        ),
    ] {
        let expected = SERVER
            .get(&format!("{path}&as_of={AS_OF}"))
            .expect(200)
            .json();
        assert_eq!(
            session.answer(tool, &arguments),
            expected,
            "{tool} {arguments}"
        );
    }
    let other_date = json!({ "layer": "icc", "as_of": "2020-01-01" });
    let expected = SERVER
        .get("/api/v1/areas/icc?as_of=2020-01-01")
        .expect(200)
        .json();
    assert_eq!(session.answer("areas_of_layer", &other_date), expected);
}

#[test]
fn practices_are_found_by_a_part_of_their_name() {
    let mut session = Session::initialised();
    let found = session.answer("find_practice", &json!({ "name": "waterloo house" }));
    assert_eq!(found["matches"], 1);
    assert_eq!(found["practices"][0]["id"], "A82033");
    let many = session.answer("find_practice", &json!({ "name": "surgery" }));
    assert_eq!(many["practices"].as_array().expect("a list").len(), 20);
    assert!(many["matches"].as_u64().expect("a number") > 20, "{many}");
    let none = session.answer("find_practice", &json!({ "name": "no such practice" }));
    assert_eq!(
        (&none["matches"], &none["practices"]),
        (&json!(0), &json!([]))
    );
}

#[test]
fn dates_are_compared() {
    let mut session = Session::initialised();
    let arguments = json!({ "layer": "council", "from": "2023-03-31", "to": "2023-04-01" });
    let body = session.answer("compare_dates", &arguments);
    let areas = body["areas"].as_array().expect("a list");
    let changes: Vec<(&str, &str)> = areas
        .iter()
        .map(|area| {
            let text = |name: &str| area[name].as_str().expect("a text");
            (text("id"), text("change"))
        })
        .collect();
    // Cumberland and Westmorland and Furness replaced six districts on this day.
    assert!(changes.contains(&("E06000063", "added")), "{body}");
    assert!(changes.contains(&("E06000064", "added")), "{body}");
    assert!(changes.contains(&("E07000026", "removed")), "{body}");
    let same = json!({ "layer": "council", "from": "2024-01-01", "to": "2024-01-02" });
    let body = session.answer("compare_dates", &same);
    assert_eq!(
        (&body["areas"], &body["transfers"]),
        (&json!([]), &json!([]))
    );
}

#[test]
fn invalid_arguments_are_problems_that_state_valid_ones() {
    let mut session = Session::initialised();
    let cases = [
        ("locate", json!({}), "missing_location", "give a location"),
        ("locate", json!({ "postcode": "LA1O 5DL" }), "malformed", ""),
        (
            "locate",
            json!({ "post_code": "LA1 1AA" }),
            "unknown_parameter",
            "unknown parameter; allowed: postcode, ",
        ),
        (
            "locate",
            json!({ "postcode": 1 }),
            "invalid_json_value",
            "values must be strings",
        ),
        (
            "locate",
            json!({ "postcode": "LA18 4DB", "layers": "parish" }),
            "unknown_layer",
            "",
        ),
        (
            "find_practice",
            json!({}),
            "missing_argument",
            "give either code or name",
        ),
        (
            "find_practice",
            json!({ "code": "A82033", "name": "a" }),
            "missing_argument",
            "give either code or name",
        ),
        (
            "find_practice",
            json!({ "code": "X" }),
            "unknown_practice",
            "",
        ),
        (
            "area",
            json!({ "id": "x" }),
            "missing_argument",
            "layer is missing",
        ),
        (
            "area",
            json!({ "layer": "icc" }),
            "missing_argument",
            "id is missing",
        ),
        (
            "area",
            json!({ "layer": "icc", "id": "x" }),
            "unknown_area",
            "",
        ),
        (
            "area",
            json!({ "layer": "icc", "id": "mb-kendal", "as_of": "1900-01-01" }),
            "no_data_for_date",
            "",
        ),
        (
            "areas_of_layer",
            json!({ "layer": "parish" }),
            "unknown_layer",
            "not a layer: use icc",
        ),
        (
            "areas_of_layer",
            json!({ "layer": "icc", "as_of": "2025-02-30" }),
            "invalid_date",
            "",
        ),
        (
            "compare_dates",
            json!({ "layer": "icc", "from": "2025-01-01" }),
            "missing_argument",
            "to is missing",
        ),
        (
            "compare_dates",
            json!({ "layer": "icc", "from": "1 May", "to": "2025-01-01" }),
            "invalid_date",
            "from is ",
        ),
        (
            "compare_dates",
            json!({ "layer": "icc", "from": "2025-01-01", "to": "2025-01-01" }),
            "invalid_date",
            "to must be later than from",
        ),
        (
            "compare_dates",
            json!({ "layer": "icc", "from": "1900-01-01", "to": "2025-01-01" }),
            "no_data_for_date",
            "",
        ),
    ];
    for (tool, arguments, code, detail) in cases {
        let found = session.problem(tool, &arguments, code);
        assert!(found.starts_with(detail), "{tool} {arguments}: {found}");
    }
    let (body, _) = session.call("locate", &json!({ "postcode": "LA1O 5DL" }));
    assert_eq!(body["suggestion"], "LA10 5DL");
}

#[test]
fn unknown_tools_and_methods_are_protocol_errors() {
    let mut session = Session::initialised();
    let reply = session.request("tools/call", &json!({ "name": "delete", "arguments": {} }));
    assert_eq!(reply["error"]["code"], -32602, "{reply}");
    let message = reply["error"]["message"].as_str().expect("a message");
    assert!(
        message.starts_with("unknown tool; the tools are locate, "),
        "{message}"
    );
    let reply = session.request("resources/read", &json!({ "uri": "file:///etc/passwd" }));
    assert!(reply["error"]["code"].is_i64(), "{reply}");
    // The session continues after an error.
    session.answer("areas_of_layer", &json!({ "layer": "icc" }));
}

#[test]
fn nothing_from_a_session_is_printed_except_the_answers() {
    let mut session = Session::initialised();
    session.answer("locate", &json!({ "postcode": "LA18 4DB" }));
    session.problem("locate", &json!({ "postcode": "Zq7Mark" }), "malformed");
    session.problem(
        "find_practice",
        &json!({ "code": "Zq7Mark" }),
        "unknown_practice",
    );
    let reply = session.request("tools/call", &json!({ "name": "Zq7Mark" }));
    assert!(!reply.to_string().contains("Zq7Mark"), "{reply}");
    let (status, output, errors) = session.close();
    assert_eq!((status, &*output, &*errors), (Some(0), "", ""));
}

#[test]
fn closed_input_ends_the_program() {
    let (status, output, errors) = Session::start(&[]).close();
    assert_eq!((status, &*output, &*errors), (Some(0), "", ""));
}

#[test]
fn other_protocols_end_the_program_with_an_error() {
    let mut session = Session::start(&[]);
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    session.send_line(&initialized.to_string());
    let (status, output, errors) = session.close();
    assert_eq!((status, &*output), (Some(2), ""), "{errors}");
    let expected = "error: the first request of the client must be `initialize`";
    assert!(errors.starts_with(expected), "{errors}");
}

#[test]
fn unusable_datasets_end_the_program_before_the_session() {
    let session = Session::start(&["--data", "/nowhere"]);
    let (status, output, errors) = session.close();
    assert_eq!((status, &*output), (Some(2), ""));
    assert!(errors.starts_with("error: loading /nowhere"), "{errors}");
}

#[test]
fn mcp_help_text() {
    let output = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(["mcp", "--help"])
        .env_remove("COLUMNS")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout));
}
