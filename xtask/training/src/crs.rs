//! Tests of the Core Rule Set.

use serde::Deserialize;
use serde_json::Value;

use crate::request::Request;

#[derive(Deserialize)]
struct File {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    stages: Vec<Stage>,
}

#[derive(Deserialize)]
struct Stage {
    input: Input,
    #[serde(default)]
    output: Value,
}

#[derive(Deserialize, Default)]
struct Input {
    #[serde(default)]
    uri: Option<String>,
    #[serde(default)]
    headers: Option<std::collections::BTreeMap<String, Value>>,
    #[serde(default)]
    data: Option<Value>,
}

/// The requests of a file, and whether each is an attack.
pub(crate) fn requests(text: &str) -> Vec<(Request, bool)> {
    let Ok(file) = serde_saphyr::from_str::<File>(text) else { return Vec::new() };
    let stages = file.tests.into_iter().flat_map(|test| test.stages);
    stages.map(|stage| (request(&stage.input), stage.output.to_string().contains("expect_ids\":["))).collect()
}

fn request(input: &Input) -> Request {
    let mut request = Request::of_target(input.uri.as_deref().unwrap_or("/"));
    for (name, value) in input.headers.iter().flatten() {
        request.header(name, &text(value));
    }
    request.body = input.data.as_ref().map(text).unwrap_or_default().into_bytes();
    if !request.body.is_empty()
        && !input.headers.iter().flatten().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        request.header("Content-Type", "application/x-www-form-urlencoded");
    }
    request
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
