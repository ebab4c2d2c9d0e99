//! Requests and answers beside their operation.

use std::borrow::Cow;

use serde_json::Value;

use super::check::{Check, Fault};
use super::compile::{Content, Operation, Parameter, Stands};
use super::values::{decoded, form, several};
use super::{Compiled, node::Id};
use crate::http::{Request, Response};
use crate::inspect::Side;
use crate::route;
use crate::values::{Place, name_and_value};

/// Longest body that is read.
const MAX_BODY: usize = 256 << 10;

/// The bodies, decoded; none where they are not whole.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::inspect) struct Bodies<'b> {
    pub(in crate::inspect) request: Option<&'b [u8]>,
    pub(in crate::inspect) response: Option<&'b [u8]>,
}

/// Takes what is wrong: which side, where, which rule, which field.
type Tell<'t> = dyn FnMut(Side, Place, &'static str, &str) + 't;

/// Checks an exchange. The first fault of each part is told.
pub(in crate::inspect) fn check(
    compiled: &Compiled,
    (request, response): (Request<'_>, Option<Response<'_>>),
    route: Option<&str>,
    bodies: Bodies<'_>,
    tell: &mut Tell<'_>,
) {
    let status = response.map_or(0, Response::status);
    let is_done = matches!(status, 200..=299);
    let Some(operations) = route.and_then(|route| compiled.paths.get(route::anonymous(route).as_str()))
    else {
        // What the server does not have, it need not describe.
        if is_done {
            tell(Side::Request, Place::Path, "undocumented", "");
        }
        return;
    };
    let method = request.method_name();
    let find = |method: &str| operations.iter().find(|operation| operation.method == method);
    let Some(operation) = find(method) else {
        let is_implied = method == "OPTIONS" || method == "HEAD" && find("GET").is_some();
        if is_done && !is_implied {
            tell(Side::Request, Place::Path, "undocumented-method", "");
        }
        return;
    };
    let checker = Checker { compiled, operation };
    checker.parameters(request, tell);
    if let Err((place, fault)) = checker.body(request, bodies.request) {
        tell(Side::Request, place, fault.rule, &fault.field);
    }
    if let Some(response) = response.filter(|_| status >= 200 && method != "HEAD")
        && let Err(fault) = checker.answer(response, bodies.response)
    {
        tell(Side::Response, Place::Body, fault.rule, &fault.field);
    }
}

struct Checker<'c> {
    compiled: &'c Compiled,
    operation: &'c Operation,
}

impl Checker<'_> {
    fn parameters(&self, request: Request<'_>, tell: &mut Tell<'_>) {
        for parameter in &self.operation.parameters {
            let (place, checked) = match parameter.stands {
                Stands::Path => (Place::Path, self.in_path(parameter, request)),
                Stands::Query => (Place::Query, self.in_query(parameter, request)),
                Stands::Header => {
                    let value = request.header(&parameter.name);
                    (Place::Header, self.given(parameter, value.map(String::from_utf8_lossy)))
                }
                Stands::Cookie => (Place::Cookie, self.in_cookies(parameter, request)),
            };
            if let Err(fault) = checked {
                tell(Side::Request, place, fault.rule, &parameter.name);
            }
        }
    }

    /// Whether a parameter's value is what it must be, or may be absent.
    fn given(&self, parameter: &Parameter, value: Option<Cow<'_, str>>) -> Result<(), Fault> {
        let Some(value) = value else {
            return if parameter.is_required { Err(Fault::new("required", "")) } else { Ok(()) };
        };
        self.values(parameter, &[value])
    }

    fn values(&self, parameter: &Parameter, values: &[Cow<'_, str>]) -> Result<(), Fault> {
        let is_empty = matches!(values, [only] if only.is_empty());
        let Some(schema) = parameter.schema.filter(|_| !(parameter.may_be_empty && is_empty)) else {
            return Ok(());
        };
        several(&self.compiled.nodes, schema, values, parameter.separator)
    }

    fn in_path(&self, parameter: &Parameter, request: Request<'_>) -> Result<(), Fault> {
        let wanted = format!("{{{}}}", parameter.name);
        let path = request.path().split(|byte| *byte == b'/');
        for (template, text) in self.operation.pattern.split('/').zip(path) {
            let Some((before, after)) = template.split_once(&wanted) else { continue };
            // In a path, a plus sign is one.
            if text.contains(&b'+') {
                break;
            }
            let text = crate::values::decode(text, &mut Vec::new()).to_vec();
            let text = String::from_utf8_lossy(&text).into_owned();
            let Some(bare) = text.strip_prefix(before).and_then(|text| text.strip_suffix(after)) else {
                break;
            };
            return self.values(parameter, &[bare.into()]);
        }
        Ok(())
    }

    fn in_query(&self, parameter: &Parameter, request: Request<'_>) -> Result<(), Fault> {
        let query = request.query().unwrap_or_default();
        let parts = query.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
        let own = parts.map(name_and_value).map(|(name, value)| (decoded(name), value));
        let values: Vec<Cow<'_, str>> =
            own.filter(|(name, _)| **name == *parameter.name).map(|(_, value)| decoded(value)).collect();
        if values.is_empty() {
            return self.given(parameter, None).or_else(|fault| {
                // The members of an object may stand for it.
                if parameter.schema.is_some_and(|schema| !self.is_object(schema)) {
                    Err(fault)
                } else {
                    Ok(())
                }
            });
        }
        self.values(parameter, &values)
    }

    fn is_object(&self, schema: Id) -> bool {
        let node = usize::try_from(schema).ok().and_then(|id| self.compiled.nodes.get(id));
        node.is_some_and(|node| node.kinds & super::node::kind::OBJECT != 0)
    }

    fn in_cookies(&self, parameter: &Parameter, request: Request<'_>) -> Result<(), Fault> {
        let lines = request.headers().filter(|(name, _)| name.eq_ignore_ascii_case(b"cookie"));
        let mut cookies =
            lines.flat_map(|(_, line)| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
        let own = cookies.find_map(|cookie| {
            let (name, value) = name_and_value(cookie);
            (name == parameter.name.as_bytes()).then_some(value)
        });
        self.given(parameter, own.map(String::from_utf8_lossy))
    }

    fn body(&self, request: Request<'_>, body: Option<&[u8]>) -> Result<(), (Place, Fault)> {
        let Some((is_required, content)) = &self.operation.body else { return Ok(()) };
        if request.body_length() == Some(0) {
            return if *is_required { Err((Place::Body, Fault::new("required", ""))) } else { Ok(()) };
        }
        let media = essence(request.content_type());
        let Some(media) = media.filter(|_| !content.is_empty()) else { return Ok(()) };
        let Some(schema) = find(content, &media) else {
            return Err((Place::Body, Fault::new("content-type", "")));
        };
        let (Some(schema), Some(body)) = (schema, body) else { return Ok(()) };
        if media == "application/x-www-form-urlencoded" {
            return form(&self.compiled.nodes, schema, body).map_err(|fault| (Place::Form, fault));
        }
        self.json(&media, schema, body, Side::Request).map_err(|fault| (Place::Json, fault))
    }

    fn answer(&self, response: Response<'_>, body: Option<&[u8]>) -> Result<(), Fault> {
        let status = response.status();
        let class = format!("{}XX", status / 100);
        let exact = status.to_string();
        let answers = &self.operation.answers;
        let named = |name: &str| answers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        let Some((_, content)) = named(&exact).or_else(|| named(&class)).or_else(|| named("default")) else {
            // What fails on the way is not described by whoever wrote the document.
            let is_done = matches!(status, 200..=299) && !answers.is_empty();
            return if is_done { Err(Fault::new("status", "")) } else { Ok(()) };
        };
        let Some(content) = content.as_ref().filter(|content| !content.is_empty()) else { return Ok(()) };
        let media = essence(response.content_type());
        let Some(media) = media.filter(|_| response.body_length() != Some(0)) else { return Ok(()) };
        let Some(schema) = find(content, &media) else {
            return if status < 300 { Err(Fault::new("content-type", "")) } else { Ok(()) };
        };
        let (Some(schema), Some(body)) = (schema, body) else { return Ok(()) };
        self.json(&media, schema, body, Side::Response)
    }

    fn json(&self, media: &str, schema: Id, body: &[u8], side: Side) -> Result<(), Fault> {
        if !media.ends_with("json") || body.len() > MAX_BODY {
            return Ok(());
        }
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Check::new(&self.compiled.nodes, side).value(schema, &value),
            Err(error) => {
                // Valid JSON that this reader does not take: too deep, or a number beyond a float.
                let text = error.to_string();
                let is_beyond = text.contains("recursion") || text.contains("out of range");
                if is_beyond { Ok(()) } else { Err(Fault::new("json", "")) }
            }
        }
    }
}

/// A media type without its parameters, in lower case.
fn essence(media: Option<&[u8]>) -> Option<String> {
    let text = std::str::from_utf8(media?).ok()?;
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!essence.is_empty()).then_some(essence)
}

/// The schema of a media type; the outer one is none where it is not among them.
fn find(content: &Content, media: &str) -> Option<Option<Id>> {
    let exact = content.iter().find(|(own, _)| **own == *media);
    let range = || {
        content.iter().find(|(own, _)| {
            own.strip_suffix('*').is_some_and(|start| media.starts_with(start) || start == "*/")
        })
    };
    exact.or_else(range).map(|(_, schema)| *schema)
}

/// For tests: whether a text is what a schema takes.
#[cfg(test)]
pub(super) fn takes_text(compiled: &Compiled, schema: Id, text: &str) -> bool {
    super::values::one(&compiled.nodes, schema, text).is_ok()
}
