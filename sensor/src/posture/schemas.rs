//! Shapes as schemas of JSON (draft 2020-12, which OpenAPI 3.1 has).

use serde_json::{Map, Value, json};

use super::shape::{Shape, Types};

/// Objects from which on a member that all of them have is called required.
const ENOUGH: u32 = 3;

/// The schema of a shape.
pub(super) fn schema(shape: &Shape) -> Value {
    let mut schema = Map::new();
    let labels = shape.types.labels();
    match labels.as_slice() {
        [] => return Value::Object(schema),
        [only] => schema.insert("type".to_owned(), json!(only)),
        several => schema.insert("type".to_owned(), json!(several)),
    };
    if shape.types.has(Types::STRING)
        && let Some(format) = shape.formats.only()
    {
        schema.insert("format".to_owned(), json!(format));
    }
    if shape.types.has(Types::ARRAY) {
        schema.insert("items".to_owned(), shape.items.as_deref().map_or_else(|| json!({}), self::schema));
    }
    if shape.types.has(Types::OBJECT) {
        members(shape, &mut schema);
    }
    Value::Object(schema)
}

fn members(shape: &Shape, schema: &mut Map<String, Value>) {
    if shape.is_map {
        if let Some(items) = &shape.items {
            schema.insert("additionalProperties".to_owned(), self::schema(items));
        }
        return;
    }
    let mut members: Vec<_> = shape.members.iter().collect();
    members.sort_by(|one, other| one.0.cmp(&other.0));
    let properties: Map<String, Value> =
        members.iter().map(|(name, member)| (name.to_string(), self::schema(member))).collect();
    let is_required = |member: &Shape| shape.objects >= ENOUGH && member.seen >= shape.objects;
    let required: Vec<&str> =
        members.iter().filter(|(_, member)| is_required(member)).map(|(name, _)| &**name).collect();
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
}

/// The schema of a parameter: of one that came several times, an array.
pub(super) fn parameter(shape: &Shape) -> Value {
    if !shape.types.has(Types::ARRAY) {
        return schema(shape);
    }
    let mut one = shape.clone();
    one.types = one.types.without(Types::ARRAY);
    json!({ "type": "array", "items": schema(&one) })
}
