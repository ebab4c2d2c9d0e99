//! Test cases of gotestwaf: payloads, how they are encoded, and where they are put.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use crate::request::{Request, percent_encoded};

#[derive(Deserialize)]
struct Case {
    payload: Vec<Value>,
    encoder: Vec<Value>,
    placeholder: Vec<Value>,
}

/// The requests of a file of test cases.
pub(crate) fn requests(text: &str) -> Vec<Request> {
    let text = text.replace("!!binary", "");
    let Ok(case) = serde_saphyr::from_str::<Case>(&text) else { return Vec::new() };
    let mut requests = Vec::new();
    for payload in &case.payload {
        let payload = payload.as_str().map_or_else(|| payload.to_string(), str::to_owned);
        for encoder in case.encoder.iter().filter_map(Value::as_str) {
            let encoded = encoded(encoder, &payload);
            let places = case.placeholder.iter().filter_map(name_of);
            requests.extend(places.filter_map(|name| placed(&name, &encoded)));
        }
    }
    requests
}

/// The name of a placeholder, which may have options.
fn name_of(placeholder: &Value) -> Option<String> {
    let with_options = || placeholder.as_object().and_then(|object| object.keys().next().cloned());
    placeholder.as_str().map(str::to_owned).or_else(with_options)
}

fn encoded(encoder: &str, payload: &str) -> Vec<u8> {
    match encoder {
        "URL" => percent_encoded(payload.as_bytes()),
        "Base64" => STANDARD.encode(payload).into_bytes(),
        "Base64Flat" => STANDARD_NO_PAD.encode(payload).into_bytes(),
        "JSUnicode" => {
            payload.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>().into_bytes()
        }
        "XMLEntity" => {
            payload.chars().map(|c| format!("&#x{:x};", c as u32)).collect::<String>().into_bytes()
        }
        _ => payload.as_bytes().to_vec(),
    }
}

/// A request with the payload in a place; none for places that are not HTTP/1, or whole requests.
fn placed(place: &str, payload: &[u8]) -> Option<Request> {
    let text = String::from_utf8_lossy(payload).into_owned();
    let mut request = Request { path: b"/".to_vec(), ..Request::default() };
    match place {
        "URLParam" | "UrlParam" => {
            request.query = b"a=".to_vec();
            request.query.extend(plain_in_target(payload));
        }
        "URLPath" | "UrlPath" | "NonCrudUrlPath" | "NonCrudURLPath" => {
            request
                .path
                .extend(plain_in_target(payload).split(|byte| *byte == b'?').next().unwrap_or_default());
        }
        "NonCrudUrlParam" | "NonCRUDUrlParam" => {
            request.query = b"a=".to_vec();
            request.query.extend(plain_in_target(payload));
        }
        "Header" | "NonCRUDHeader" | "NonCrudHeader" => {
            request.header("X-Header", &text.replace(['\r', '\n'], " "))
        }
        "UserAgent" => request.header("User-Agent", &text.replace(['\r', '\n'], " ")),
        "HTMLForm" | "HtmlForm" => {
            request.header("Content-Type", "application/x-www-form-urlencoded");
            request.body = b"a=".to_vec();
            request.body.extend_from_slice(payload);
        }
        "HTMLMultipartForm" | "HtmlMultipartForm" => {
            request.header("Content-Type", "multipart/form-data; boundary=b0undary");
            request.body = format!(
                "--b0undary\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{text}\r\n--b0undary--\r\n"
            )
            .into_bytes();
        }
        "JSONBody" | "JsonBody" | "JSONRequest" | "JsonRequest" => {
            request.header("Content-Type", "application/json");
            request.body = if text.contains("\\u") {
                format!("{{\"test\": true, \"a\": \"{text}\"}}").into_bytes()
            } else {
                serde_json::json!({ "test": true, "a": text }).to_string().into_bytes()
            };
        }
        "RequestBody" | "NonCrudRequestBody" | "NonCRUDRequestBody" => request.body = payload.to_vec(),
        "SOAPBody" | "SoapBody" | "XMLBody" | "XmlBody" => {
            request.header("Content-Type", "text/xml");
            request.body =
                format!("<?xml version=\"1.0\"?><s:Envelope><s:Body><a>{text}</a></s:Body></s:Envelope>")
                    .into_bytes();
        }
        "GraphQL" => {
            request.header("Content-Type", "application/json");
            request.body = payload.to_vec();
        }
        _ => return None,
    }
    Some(request)
}

/// What a client has to encode in any target.
fn plain_in_target(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in payload {
        if byte.is_ascii_whitespace() || matches!(byte, b'&' | b'#') || *byte >= 0x80 {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(*byte);
        }
    }
    out
}
