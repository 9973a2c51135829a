//! As much of JSON Schema (draft 2020-12) as the schema of profiles uses; a keyword that it does not know fails the test.

use regex::Regex;
use serde_json::Value;

/// Keywords that are not about values, or that another one reads.
const SAY_NOTHING: &[&str] =
    &["$schema", "$defs", "title", "description", "examples", "additionalProperties"];

/// Everything that `schema`, a part of `root`, says against `value`.
pub(crate) fn problems(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let keywords = schema.as_object().expect("a schema is an object").iter();
    for (keyword, told) in keywords.filter(|(keyword, _)| !SAY_NOTHING.contains(&keyword.as_str())) {
        let each = |told: &Value| problems(root, told, value, path);
        match keyword.as_str() {
            "$ref" => {
                let name = told.as_str().unwrap().strip_prefix("#").expect("a reference into the same file");
                found.extend(each(root.pointer(name).unwrap_or_else(|| panic!("no definition {name}"))));
            }
            "type" => {
                let types = told.as_array().cloned().unwrap_or_else(|| vec![told.clone()]);
                if !types.iter().any(|name| is(name.as_str().unwrap(), value)) {
                    found.push(format!("{path}: {value} is not {told}"));
                }
            }
            "enum" => {
                let known = told.as_array().unwrap().contains(value);
                found.extend((!known).then(|| format!("{path}: {value} is none of {told}")));
            }
            "pattern" => {
                let pattern = Regex::new(told.as_str().unwrap()).expect("a pattern");
                found.extend(
                    value
                        .as_str()
                        .filter(|text| !pattern.is_match(text))
                        .map(|_| format!("{path}: {value} is not like {told}")),
                );
            }
            "minimum" | "maximum" if value.is_number() => {
                let (low, high) = if keyword == "minimum" { (value, told) } else { (told, value) };
                let beyond = low.as_f64() < high.as_f64();
                found.extend(beyond.then(|| format!("{path}: {value} is beyond {told}")));
            }
            "minProperties" | "minItems" => {
                let count =
                    value.as_object().map_or_else(|| value.as_array().map(Vec::len), |map| Some(map.len()));
                found.extend(
                    count
                        .filter(|count| (*count as u64) < told.as_u64().unwrap())
                        .map(|count| format!("{path}: only {count}")),
                );
            }
            "required" => {
                let missing =
                    |name: &&Value| value.is_object() && value.get(name.as_str().unwrap()).is_none();
                found.extend(
                    told.as_array().unwrap().iter().filter(missing).map(|name| format!("{path}: no {name}")),
                );
            }
            "properties" | "propertyNames" => found.extend(of_properties(root, schema, keyword, value, path)),
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                found.extend(items.flat_map(|(n, item)| problems(root, told, item, &format!("{path}/{n}"))));
            }
            "anyOf" | "oneOf" => {
                let branches: Vec<Vec<String>> = told.as_array().unwrap().iter().map(each).collect();
                let fitting = branches.iter().filter(|branch| branch.is_empty()).count();
                if fitting == 0 || keyword == "oneOf" && fitting > 1 {
                    found.push(format!("{path}: {fitting} of {keyword} fit: {branches:?}"));
                }
            }
            "minimum" | "maximum" => {}
            other => panic!("the keyword {other} is not known here"),
        }
    }
    if schema.get("properties").is_none() && schema.get("additionalProperties").is_some() {
        found.extend(of_properties(root, schema, "properties", value, path));
    }
    found
}

/// What `properties` with `additionalProperties`, or `propertyNames`, say.
fn of_properties(root: &Value, schema: &Value, keyword: &str, value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        if keyword == "propertyNames" {
            found.extend(problems(root, &schema["propertyNames"], &Value::from(name.as_str()), &path));
            continue;
        }
        match (schema.get("properties").and_then(|known| known.get(name)), schema.get("additionalProperties"))
        {
            (None, Some(Value::Bool(false))) => found.push(format!("{path}: unknown key")),
            (Some(told), _) | (None, Some(told)) => found.extend(problems(root, told, value, &path)),
            (None, None) => {}
        }
    }
    found
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("no type {other}"),
    }
}
