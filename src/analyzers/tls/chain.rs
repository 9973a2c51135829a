//! What the certificates of both sides say, as observations.

use std::rc::Rc;

use super::adapter;
use super::certificate::{self, Certificate};
use super::fields as f;
use crate::analyzers::{Role, Sink};
use crate::model::observation::MAX_VALUES;
use crate::model::{Field, Value};

/// How many certificates of a chain are read.
const MAX_CHAIN: usize = 8;

/// Observes a Certificate message.
pub(super) fn certificates(role: Role, body: &[u8], sink: &mut Sink) {
    let chain = adapter::certificates(body).unwrap_or_default();
    if chain.is_empty() && body.len() == 3 && role == Role::Client {
        // RFC 5246 section 7.4.6: a client without certificate sends an empty list.
        sink.fact(&f::CLIENT_CERTIFICATE, Value::Word("empty"));
    } else {
        observe(role, &chain, sink);
    }
}

/// Observes the certificates of one side, its own first.
pub(super) fn observe(role: Role, chain: &[&[u8]], sink: &mut Sink) {
    let set = if role == Role::Client { &CLIENT } else { &SERVER };
    let leaf = chain.first().copied().unwrap_or_default();
    let further = chain.get(1..).unwrap_or_default();
    if role == Role::Server {
        sink.fact(&f::CHAIN_LENGTH, Value::Uint(further.len().saturating_add(1) as u64));
    }
    let Some(leaf) = certificate::read(leaf) else {
        sink.fact(&f::ANOMALY, Value::Word("malformed-certificate"));
        sink.fact(set.seen, Value::Word("unreadable"));
        return;
    };
    sink.fact(set.seen, Value::Word(if role == Role::Client { "sent" } else { "visible" }));
    leaf_facts(&leaf, set, sink);
    if role == Role::Server {
        server_names(&leaf, sink);
        let further: Vec<_> = further.iter().take(MAX_CHAIN - 1).map(|der| certificate::read(der)).collect();
        for certificate in further.iter().flatten() {
            chain_facts(certificate, sink);
        }
        if !further.is_empty() {
            sink.fact(&f::CHAIN_ORDER, Value::Word(order(&leaf, &further)));
        }
    } else {
        for name in leaf.names.with_kind().take(MAX_VALUES) {
            sink.fact(&f::CLIENT_NAME, Value::Text(name.into()));
        }
        sink.fact(&f::CLIENT_SPKI_SHA256, Value::Text(leaf.spki_sha256.as_str().into()));
    }
}

/// Whether each certificate is issued by the next.
fn order(leaf: &Certificate, further: &[Option<Rc<Certificate>>]) -> &'static str {
    let mut issuer = Some(&leaf.issuer_der);
    let mut unknown = false;
    for certificate in further {
        match (issuer, certificate) {
            (Some(issuer), Some(certificate)) if *issuer != certificate.subject_der => return "wrong",
            (Some(_), Some(_)) => {}
            _ => unknown = true,
        }
        issuer = certificate.as_ref().map(|certificate| &certificate.issuer_der);
    }
    if unknown { "unknown" } else { "right" }
}

/// Fields of one side's own certificate.
struct LeafFields {
    seen: &'static Field,
    subject: &'static Field,
    common_name: &'static Field,
    issuer: &'static Field,
    key_type: &'static Field,
    key_bits: &'static Field,
    curve: &'static Field,
    mud_url: &'static Field,
    signature: &'static Field,
    hash: &'static Field,
    not_before: &'static Field,
    not_after: &'static Field,
    validity: &'static Field,
    self_signed: &'static Field,
}

static SERVER: LeafFields = LeafFields {
    seen: &f::CERTIFICATE,
    subject: &f::CERTIFICATE_SUBJECT,
    common_name: &f::CERTIFICATE_CN,
    issuer: &f::CERTIFICATE_ISSUER,
    key_type: &f::CERTIFICATE_KEY_TYPE,
    key_bits: &f::CERTIFICATE_KEY_BITS,
    curve: &f::CERTIFICATE_CURVE,
    mud_url: &f::CERTIFICATE_MUD_URL,
    signature: &f::CERTIFICATE_SIGNATURE,
    hash: &f::CERTIFICATE_HASH,
    not_before: &f::CERTIFICATE_NOT_BEFORE,
    not_after: &f::CERTIFICATE_NOT_AFTER,
    validity: &f::CERTIFICATE_VALIDITY,
    self_signed: &f::CERTIFICATE_SELF_SIGNED,
};

static CLIENT: LeafFields = LeafFields {
    seen: &f::CLIENT_CERTIFICATE,
    subject: &f::CLIENT_SUBJECT,
    common_name: &f::CLIENT_CN,
    issuer: &f::CLIENT_ISSUER,
    key_type: &f::CLIENT_KEY_TYPE,
    key_bits: &f::CLIENT_KEY_BITS,
    curve: &f::CLIENT_CURVE,
    mud_url: &f::CLIENT_MUD_URL,
    signature: &f::CLIENT_SIGNATURE,
    hash: &f::CLIENT_HASH,
    not_before: &f::CLIENT_NOT_BEFORE,
    not_after: &f::CLIENT_NOT_AFTER,
    validity: &f::CLIENT_VALIDITY,
    self_signed: &f::CLIENT_SELF_SIGNED,
};

/// Observes one side's own certificate.
fn leaf_facts(leaf: &Certificate, set: &LeafFields, sink: &mut Sink) {
    sink.fact(set.subject, Value::Text(leaf.subject.as_str().into()));
    for name in &leaf.common_names {
        sink.fact(set.common_name, Value::Text(name.as_str().into()));
    }
    sink.fact(set.issuer, Value::Text(leaf.issuer.as_str().into()));
    sink.fact(set.key_type, leaf.key_type.clone());
    if let Some(bits) = leaf.key_bits {
        sink.fact(set.key_bits, Value::Uint(u64::from(bits)));
    }
    if let Some(curve) = &leaf.curve {
        sink.fact(set.curve, curve.clone());
    }
    if let Some(url) = &leaf.mud_url {
        sink.fact(set.mud_url, Value::Text(url.as_str().into()));
    }
    sink.fact(set.signature, leaf.signature.clone());
    if let Some(hash) = leaf.hash {
        sink.fact(set.hash, Value::Word(hash));
    }
    sink.fact(set.not_before, Value::Time(leaf.not_before));
    sink.fact(set.not_after, Value::Time(leaf.not_after));
    let now = sink.seen.at;
    let validity = if now < leaf.not_before {
        "not-yet-valid"
    } else if now > leaf.not_after {
        "expired"
    } else {
        "valid"
    };
    sink.fact(set.validity, Value::Word(validity));
    if leaf.self_signed {
        sink.fact(set.self_signed, Value::Yes);
    }
}

/// Observes what is asked of the server's certificate only.
fn server_names(leaf: &Certificate, sink: &mut Sink) {
    let kinds = [
        (&f::CERTIFICATE_DNS, &leaf.names.dns),
        (&f::CERTIFICATE_EMAIL, &leaf.names.mails),
        (&f::CERTIFICATE_URI, &leaf.names.uris),
        (&f::CERTIFICATE_OTHER_NAME, &leaf.names.others),
    ];
    for (field, names) in kinds {
        for name in names {
            sink.fact(field, Value::Text(name.as_str().into()));
        }
    }
    for address in &leaf.names.addresses {
        sink.fact(&f::CERTIFICATE_IP, Value::Ip(*address));
    }
    if leaf.must_staple {
        sink.fact(&f::CERTIFICATE_MUST_STAPLE, Value::Yes);
    }
    for name in &leaf.issuer_organizations {
        sink.fact(&f::CERTIFICATE_ISSUER_O, Value::Text(name.as_str().into()));
    }
    for name in &leaf.issuer_common_names {
        sink.fact(&f::CERTIFICATE_ISSUER_CN, Value::Text(name.as_str().into()));
    }
    sink.fact(&f::SPKI_SHA256, Value::Text(leaf.spki_sha256.as_str().into()));
}

/// Observes a certificate above the server's own.
fn chain_facts(certificate: &Certificate, sink: &mut Sink) {
    sink.fact(&f::CHAIN_ISSUER, Value::Text(certificate.issuer.as_str().into()));
    if !certificate.self_signed {
        sink.fact(&f::CHAIN_SIGNATURE, certificate.signature.clone());
    }
    let key = match certificate.key_bits {
        Some(bits) => format!("{} {bits}", certificate.key_type),
        None => certificate.key_type.to_string(),
    };
    sink.fact(&f::CHAIN_KEY, Value::Text(key.into()));
}
