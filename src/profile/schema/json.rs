//! The keys as a JSON Schema (draft 2020-12), for editors.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::{Form, Key, Mapping, Need, Value, forms, keys, policy, site};

/// The JSON Schema of a profile, as text that ends with a line break.
pub fn json_schema() -> String {
    document("Profile", &keys::PROFILE, &[])
}

/// The same of an inventory.
pub fn inventory_schema() -> String {
    document("Inventory", &site::INVENTORY, &[])
}

/// The same of waivers, which may name these codes.
pub fn waivers_schema(codes: &[&str]) -> String {
    document("Waivers", &site::WAIVERS, codes)
}

/// The same of a TLS policy.
pub fn tls_policy_schema() -> String {
    document("TLS policy", &policy::POLICY, &[])
}

fn document(what: &str, mapping: &Mapping, codes: &[&str]) -> String {
    let mut definitions = Definitions::default();
    let mut root = Map::new();
    root.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    root.insert("title".into(), format!("{what} of wireclaim, version 1").into());
    root.extend(definitions.mapping(mapping));
    if let Some(Json::Object(code)) = definitions.known.get_mut(forms::CODE.name) {
        code.insert("enum".into(), json!(codes));
    }
    root.insert("$defs".into(), Json::Object(definitions.known.into_iter().collect()));
    // What is a tree of our own text always has a text.
    format!("{:#}\n", Json::Object(root))
}

/// What has a name of its own, by that name.
#[derive(Default)]
struct Definitions {
    known: BTreeMap<String, Json>,
}

impl Definitions {
    fn mapping(&mut self, mapping: &Mapping) -> Map<String, Json> {
        let properties: Map<String, Json> =
            mapping.keys.iter().map(|key| (key.name.to_owned(), self.key(key))).collect();
        let of = |need: Need| -> Vec<&str> {
            mapping.keys.iter().filter(|key| key.need == need).map(|key| key.name).collect()
        };
        let mut out = Map::new();
        out.insert("description".into(), mapping.doc.into());
        out.insert("type".into(), "object".into());
        out.insert("properties".into(), Json::Object(properties));
        out.insert("additionalProperties".into(), false.into());
        if !of(Need::Must).is_empty() {
            out.insert("required".into(), json!(of(Need::Must)));
        }
        if mapping.some {
            out.insert("minProperties".into(), 1.into());
        }
        if !mapping.one_of.is_empty() {
            let each: Vec<Json> = mapping.one_of.iter().map(|name| json!({"required": [name]})).collect();
            out.insert("oneOf".into(), Json::Array(each));
        }
        let unless = mapping.keys.iter().find_map(|key| match key.need {
            Need::MustUnless(other) => Some(other),
            Need::May | Need::Must => None,
        });
        if let Some(other) = unless {
            let either = json!([{"required": [other]}, {"required": of(Need::MustUnless(other))}]);
            out.insert("anyOf".into(), either);
        }
        out
    }

    fn key(&mut self, key: &Key) -> Json {
        let mut out = self.value(&key.value);
        out.insert("description".into(), key.doc.into());
        Json::Object(out)
    }

    fn value(&mut self, value: &Value) -> Map<String, Json> {
        let schema = match value {
            Value::One(form) => self.form(form),
            Value::Some(form) => some(&self.form(form)),
            Value::Flag => json!({"type": "boolean"}),
            Value::Word(words) => word(words()),
            Value::Words(words) => some(&word(words())),
            Value::Map(mapping) => {
                if !self.known.contains_key(mapping.name) {
                    // Before its keys, which may lead back here.
                    self.known.insert(mapping.name.to_owned(), Json::Null);
                    let schema = Json::Object(self.mapping(mapping));
                    self.known.insert(mapping.name.to_owned(), schema);
                }
                reference(mapping.name)
            }
            Value::List(item) => {
                let item = self.value(item);
                json!({"type": "array", "items": item})
            }
            Value::Named(name, value) => {
                let (name, value) = (self.form(name), self.value(value));
                json!({"type": "object", "propertyNames": name, "additionalProperties": value})
            }
            Value::Nothing => json!({"type": "null"}),
            Value::Either(values) => {
                let any: Vec<Json> = values.iter().map(|value| Json::Object(self.value(value))).collect();
                json!({"anyOf": any})
            }
        };
        match schema {
            Json::Object(map) => map,
            _ => Map::new(),
        }
    }

    fn form(&mut self, form: &Form) -> Json {
        let mut out = Map::new();
        out.insert("description".into(), form.doc.into());
        let types: Vec<&str> = std::iter::once("string").chain(form.also.iter().copied()).collect();
        out.insert("type".into(), json!(types));
        if let Some(pattern) = form.pattern {
            out.insert("pattern".into(), pattern.into());
        }
        if let Some((least, greatest)) = form.range {
            out.insert("minimum".into(), least.into());
            out.insert("maximum".into(), greatest.into());
        }
        if !form.examples.is_empty() {
            out.insert("examples".into(), json!(form.examples));
        }
        self.known.insert(form.name.to_owned(), Json::Object(out));
        reference(form.name)
    }
}

fn reference(name: &str) -> Json {
    json!({"$ref": format!("#/$defs/{name}")})
}

/// A word that is a number is written without quotation marks.
fn word(words: Vec<&str>) -> Json {
    let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let all: Vec<Json> =
        words.into_iter().map(Json::from).chain(numbers.into_iter().map(Json::from)).collect();
    json!({"enum": all})
}

/// One, or several in a list.
fn some(one: &Json) -> Json {
    json!({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})
}
