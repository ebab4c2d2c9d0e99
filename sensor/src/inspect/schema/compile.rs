//! Operations of a document: parameters, bodies, answers.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use serde_json::Value;

use super::Compiled;
use super::node::{Compiler, Id};
use crate::route;

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    Path,
    Query,
    Header,
    Cookie,
}

/// A parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) stands: Stands,
    pub(super) name: Box<str>,
    pub(super) is_required: bool,
    pub(super) may_be_empty: bool,
    /// Between the entries of a list; none where each has a parameter of its own.
    pub(super) separator: Option<char>,
    /// None where its form is not understood.
    pub(super) schema: Option<Id>,
}

/// Media types with their schemas.
pub(super) type Content = Vec<(Box<str>, Option<Id>)>;

/// An operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    /// The template as the document has it, after the path of a server.
    pub(super) pattern: Box<str>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<(bool, Content)>,
    /// By status, `2XX` or `default`.
    pub(super) answers: Vec<(Box<str>, Option<Content>)>,
}

const METHODS: [(&str, &str); 8] = [
    ("get", "GET"),
    ("put", "PUT"),
    ("post", "POST"),
    ("delete", "DELETE"),
    ("options", "OPTIONS"),
    ("head", "HEAD"),
    ("patch", "PATCH"),
    ("trace", "TRACE"),
];

pub(super) fn document(text: &str) -> Result<Compiled, String> {
    let document: Value = route::read_openapi(text)?;
    let mut compiler = Compiler::new(&document);
    let mut paths: HashMap<Box<str>, Vec<Operation>> = HashMap::new();
    let items = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    for (path, item) in items.filter(|(path, _)| path.starts_with('/')) {
        let item = compiler.resolve(item);
        let bare = path.split(['?', '#']).next().unwrap_or_default();
        for base in bases(&document, item) {
            let pattern = format!("{base}{bare}");
            let operations = METHODS
                .iter()
                .filter_map(|(key, method)| operation(&mut compiler, item, (*key, *method), &pattern));
            let operations: Vec<Operation> = operations.collect();
            paths.entry(route::anonymous(&pattern).into()).or_default().extend(operations);
        }
    }
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(text);
    Ok(Compiled { nodes: compiler.nodes, paths, hash })
}

/// The paths of the servers of an item.
fn bases(document: &Value, item: &Value) -> Vec<String> {
    let of = |value: &Value| -> Vec<String> {
        let servers = value.get("servers").and_then(Value::as_array).into_iter().flatten();
        servers.filter_map(route::server_path).collect()
    };
    let own = of(item);
    let bases = if own.is_empty() { of(document) } else { own };
    if bases.is_empty() { vec![String::new()] } else { bases }
}

fn operation(
    compiler: &mut Compiler<'_>,
    item: &Value,
    (key, method): (&str, &'static str),
    pattern: &str,
) -> Option<Operation> {
    let operation = item.get(key)?;
    let mut parameters: Vec<Parameter> = Vec::new();
    for source in [operation, item] {
        let all = source.get("parameters").and_then(Value::as_array).into_iter().flatten();
        for parameter in all {
            let Some(parameter) = self::parameter(compiler, parameter) else { continue };
            // Those of the operation come first, and count.
            let is_known = parameters
                .iter()
                .any(|known| known.stands == parameter.stands && known.name == parameter.name);
            if !is_known {
                parameters.push(parameter);
            }
        }
    }
    let body = operation.get("requestBody").map(|body| {
        let body = compiler.resolve(body).clone();
        let is_required = body.get("required") == Some(&Value::Bool(true));
        (is_required, content(compiler, &body).unwrap_or_default())
    });
    let mut answers = Vec::new();
    for (status, answer) in operation.get("responses").and_then(Value::as_object).into_iter().flatten() {
        let answer = compiler.resolve(answer).clone();
        answers.push((status.as_str().into(), content(compiler, &answer)));
    }
    Some(Operation { method, pattern: pattern.into(), parameters, body, answers })
}

fn content(compiler: &mut Compiler<'_>, of: &Value) -> Option<Content> {
    let content = of.get("content")?.as_object()?;
    let media = content.iter().map(|(media, about)| {
        let schema = about.get("schema").map(|schema| compiler.schema(schema));
        let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        (essence.into_boxed_str(), schema)
    });
    Some(media.collect())
}

fn parameter(compiler: &mut Compiler<'_>, parameter: &Value) -> Option<Parameter> {
    let parameter = compiler.resolve(parameter).clone();
    let text = |key: &str| parameter.get(key).and_then(Value::as_str);
    let is = |key: &str| parameter.get(key).and_then(Value::as_bool);
    let (stands, usual) = match text("in")? {
        "path" => (Stands::Path, "simple"),
        "query" => (Stands::Query, "form"),
        "header" => (Stands::Header, "simple"),
        "cookie" => (Stands::Cookie, "form"),
        _ => return None,
    };
    let name = text("name")?;
    // OpenAPI 3.1, section 4.8.12.2.1: these are described elsewhere.
    let is_elsewhere =
        ["accept", "content-type", "authorization"].iter().any(|word| name.eq_ignore_ascii_case(word));
    if stands == Stands::Header && is_elsewhere {
        return None;
    }
    let style = text("style").unwrap_or(usual);
    let explodes = is("explode").unwrap_or(style == "form");
    let separator = match style {
        "spaceDelimited" if !explodes => Some(' '),
        "pipeDelimited" if !explodes => Some('|'),
        "form" | "spaceDelimited" | "pipeDelimited" if explodes && stands == Stands::Query => None,
        _ => Some(','),
    };
    let is_understood = matches!(style, "simple" | "form" | "spaceDelimited" | "pipeDelimited");
    let schema = parameter.get("schema").filter(|_| is_understood).map(|schema| compiler.schema(schema));
    Some(Parameter {
        stands,
        name: name.into(),
        is_required: is("required").unwrap_or(false),
        may_be_empty: is("allowEmptyValue").unwrap_or(false),
        separator,
        schema,
    })
}
