//! Patterns from an OpenAPI document.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// Longest document, in bytes.
pub const MAX_OPENAPI: usize = 64 << 20;

/// Why a document is invalid. Each error names the file and, if there is one, the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {key}{separator}{problem}", separator = if key.is_empty() { "" } else { ": " })]
pub struct OpenApiError {
    /// The file.
    pub file: String,
    /// The key in it, with dots; empty for syntax errors.
    pub key: String,
    /// What is wrong, and what was expected.
    pub problem: String,
}

/// The parts of a document that are read (OpenAPI 3.1, section 4.8.1); the rest is skipped.
#[derive(Deserialize)]
struct Document {
    openapi: Option<String>,
    swagger: Option<IgnoredAny>,
    #[serde(default)]
    servers: Vec<Server>,
    paths: Option<BTreeMap<String, Entry>>,
}

/// A path item, or the value of an extension (section 4.9).
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Item(PathItem),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct PathItem {
    #[serde(default)]
    servers: Vec<Server>,
    get: Option<Operated>,
    put: Option<Operated>,
    post: Option<Operated>,
    delete: Option<Operated>,
    options: Option<Operated>,
    head: Option<Operated>,
    patch: Option<Operated>,
    trace: Option<Operated>,
}

#[derive(Deserialize)]
struct Operated {
    #[serde(default)]
    deprecated: bool,
}

impl PathItem {
    fn methods(&self) -> impl Iterator<Item = (&'static str, &Operated)> {
        let all = [
            ("GET", &self.get),
            ("PUT", &self.put),
            ("POST", &self.post),
            ("DELETE", &self.delete),
            ("OPTIONS", &self.options),
            ("HEAD", &self.head),
            ("PATCH", &self.patch),
            ("TRACE", &self.trace),
        ];
        all.into_iter().filter_map(|(method, operated)| Some((method, operated.as_ref()?)))
    }
}

/// A method of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// The path, after that of a server.
    pub pattern: String,
    /// The method.
    pub method: &'static str,
    /// Whether the document says that it should not be used any more.
    pub deprecated: bool,
}

/// What is read of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenApi {
    /// Its paths as patterns, sorted: each key of `paths` after the path of each of its servers.
    pub patterns: Vec<String>,
    /// Their methods.
    pub operations: Vec<Operation>,
}

#[derive(Deserialize)]
struct Server {
    url: String,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
}

#[derive(Deserialize)]
struct Variable {
    default: String,
}

/// Reads a document in JSON or YAML. `file` is for errors only.
///
/// # Errors
/// If the text is not such a document. Nothing is read in part.
pub fn openapi(file: &str, text: &str) -> Result<OpenApi, OpenApiError> {
    let error =
        |key: &str, problem: String| OpenApiError { file: file.to_owned(), key: key.to_owned(), problem };
    if text.len() > MAX_OPENAPI {
        return Err(error("", format!("{} bytes, at most {MAX_OPENAPI} are read", text.len())));
    }
    let document: Document = read_openapi(text).map_err(|problem| error("", problem))?;
    if document.swagger.is_some() {
        return Err(error("swagger", "expected an OpenAPI 3 document; convert it first".to_owned()));
    }
    match &document.openapi {
        Some(version) if version.starts_with("3.") => {}
        Some(version) => return Err(error("openapi", format!("version {version:?}, expected 3.x"))),
        None => return Err(error("openapi", "missing, expected a version such as 3.1.0".to_owned())),
    }
    let paths = document.paths.ok_or_else(|| error("paths", "missing".to_owned()))?;
    let (mut patterns, mut operations) = (BTreeSet::new(), BTreeSet::new());
    for (path, entry) in &paths {
        if path.starts_with("x-") {
            continue;
        }
        let key = format!("paths.{path}");
        if !path.starts_with('/') {
            return Err(error(&key, "expected a path that begins with `/`".to_owned()));
        }
        let Entry::Item(item) = entry else {
            return Err(error(&key, "expected a path item, its servers each with a `url`".to_owned()));
        };
        let servers = if item.servers.is_empty() { &document.servers } else { &item.servers };
        let bases: Vec<String> = servers.iter().map(base_path).collect();
        let bases = if bases.is_empty() { vec![String::new()] } else { bases };
        // Some authors write query parameters into the key; they are not part of a path.
        let bare = path.split(['?', '#']).next().unwrap_or_default();
        for base in bases {
            let pattern = format!("{base}{bare}");
            super::pattern::check(&pattern).map_err(|problem| error(&key, problem.to_string()))?;
            for (method, operated) in item.methods() {
                let (pattern, deprecated) = (pattern.clone(), operated.deprecated);
                operations.insert(Operation { pattern, method, deprecated });
            }
            patterns.insert(pattern);
        }
    }
    Ok(OpenApi { patterns: patterns.into_iter().collect(), operations: operations.into_iter().collect() })
}

/// A document in JSON or YAML. JSON is tried first: it is faster, and its errors are clearer to those who write it.
///
/// # Errors
/// If it is neither, or not what is wanted.
pub fn read_openapi<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MAX_NODES,
            max_events: MAX_NODES.saturating_mul(2),
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
}

/// Large public documents have half a million.
const MAX_NODES: usize = 4_000_000;

/// The path of a server in a document, without a slash at its end; none where it is no server.
#[must_use]
pub fn server_path(server: &serde_json::Value) -> Option<String> {
    Server::deserialize(server).ok().map(|server| base_path(&server))
}

/// The path of a server's URL, which may be relative (OpenAPI 3.1, section 4.8.5), without a slash at its end.
fn base_path(server: &Server) -> String {
    let mut url = server.url.clone();
    for (name, variable) in &server.variables {
        url = url.replace(&format!("{{{name}}}"), &variable.default);
    }
    let path = match url.split_once("://") {
        Some((_, after)) => after.find('/').and_then(|slash| after.get(slash..)).unwrap_or_default(),
        None => &url,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    if path.is_empty() { String::new() } else { format!("/{path}") }
}

/// A template without the names of its parameters, and without a slash at its end: what two authors of one API agree in.
#[must_use]
pub fn anonymous(template: &str) -> String {
    let mut text = String::with_capacity(template.len());
    let mut is_inside = false;
    for character in template.chars() {
        match character {
            '{' => is_inside = true,
            '}' if is_inside => {
                is_inside = false;
                text.push_str("{}");
            }
            _ if is_inside => {}
            _ => text.push(character),
        }
    }
    if text.len() > 1 && text.ends_with('/') {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openapi_patterns(file: &str, text: &str) -> Result<Vec<String>, OpenApiError> {
        Ok(openapi(file, text)?.patterns)
    }

    #[test]
    fn methods_with_their_paths() {
        let text =
            "openapi: 3.1.0\nservers: [{url: /v1}]\npaths: {'/a/{b}': {get: {deprecated: true}, post: {}}}";
        let of = |method, deprecated| Operation { pattern: "/v1/a/{b}".to_owned(), method, deprecated };
        assert_eq!(openapi("a", text).unwrap().operations, [of("GET", true), of("POST", false)]);
    }

    const YAML: &str = r"
openapi: 3.1.0
info: { title: Shop, version: '1' }
servers:
  - url: https://{region}.example.com/{base}/
    variables:
      region: { default: eu }
      base: { default: v1, enum: [v1, v2] }
  - url: /internal
paths:
  /users/{id}:
    get: { responses: { '200': { description: ok } } }
  /:
    get: {}
  /?format={format}:
    get: {}
  /health:
    servers: [{ url: https://example.com }]
  x-note: [1, 2]
components: { schemas: { A: { type: string } } }
";

    #[test]
    fn yaml_and_json_give_patterns_with_their_bases() {
        let expected =
            ["/health", "/internal/", "/internal/users/{id}", "/v1/", "/v1/users/{id}"].map(str::to_owned);
        assert_eq!(openapi_patterns("shop.yaml", YAML).unwrap(), expected);
        let json = r#"{"openapi":"3.0.3","servers":[],"paths":{"/a/{b}.json":{"get":{}}}}"#;
        assert_eq!(openapi_patterns("shop.json", json).unwrap(), ["/a/{b}.json"]);
    }

    #[test]
    fn errors_name_file_and_key() {
        let cases = [
            ("{\"openapi\": \"3.0.0\"", "api: EOF while parsing an object at line 1 column 19"),
            ("openapi: [", "api: "),
            ("info: {}", "api: openapi: missing, expected a version such as 3.1.0"),
            ("openapi: 3.0.0", "api: paths: missing"),
            ("openapi: 3.0.0\npaths: {/a: 3}", "api: paths./a: expected a path item"),
            ("openapi: 2.0.0", "api: openapi: version \"2.0.0\", expected 3.x"),
            ("swagger: '2.0'", "api: swagger: expected an OpenAPI 3 document; convert it first"),
            ("{\"openapi\":\"3.0.0\",\"paths\":{\"users\":{}}}", "api: paths.users: expected a path"),
            (
                "{\"openapi\":\"3.0.0\",\"paths\":{\"/{\":{}}}",
                "api: paths./{: `/{` has unbalanced or empty braces",
            ),
            ("{\"openapi\":\"3.0.0\",\"servers\":[{}]}", "api: missing field `url`"),
        ];
        for (text, expected) in cases {
            let error = openapi_patterns("api", text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    /// Aliases of aliases: the parser's budget stops it.
    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "openapi: 3.0.0\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..10 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(",");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        text.push_str("paths: {}\n");
        assert!(openapi_patterns("bomb", &text).is_err());
    }
}
