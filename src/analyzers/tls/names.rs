//! Whom a certificate is for: the names of its subjectAltName, of every kind (RFC 5280 section 4.2.1.6).

use std::net::IpAddr;

use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::extensions::{GeneralName, SubjectAlternativeName};
use x509_parser::prelude::FromDer;

use super::certificate::{attribute_text, distinguished_name, dotted};
use crate::model::text::lossless;

/// How many names of one certificate are read.
pub(super) const MAX_NAMES: usize = crate::model::observation::MAX_VALUES;

/// Names by kind, each kind in the order of the certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) dns: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) mails: Vec<String>,
    pub(super) uris: Vec<String>,
    /// With their kind.
    pub(super) others: Vec<String>,
}

impl Names {
    /// Reads a subjectAltName; of one that breaks its form only what comes before that.
    pub(super) fn read(der: &[u8]) -> Self {
        let mut names = Self::default();
        if let Ok((_, alternatives)) = SubjectAlternativeName::from_der(der) {
            alternatives.general_names.iter().take(MAX_NAMES).for_each(|name| names.add(name));
        }
        names
    }

    fn add(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => self.dns.push((*name).to_owned()),
            GeneralName::RFC822Name(name) => self.mails.push((*name).to_owned()),
            GeneralName::URI(name) => self.uris.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => {
                if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                    self.addresses.push(IpAddr::from(v4));
                } else if let Ok(v6) = <[u8; 16]>::try_from(*bytes) {
                    self.addresses.push(IpAddr::from(v6));
                } else {
                    self.others.push(String::from("malformed:7"));
                }
            }
            GeneralName::OtherName(oid, value) => {
                let value = text_of(value).map(|text| format!(":{text}")).unwrap_or_default();
                self.others.push(format!("othername:{}{value}", dotted(oid)));
            }
            GeneralName::DirectoryName(name) => {
                self.others.push(format!("dirname:{}", distinguished_name(name)));
            }
            GeneralName::RegisteredID(oid) => self.others.push(format!("registered-id:{}", dotted(oid))),
            GeneralName::X400Address(_) => self.others.push(String::from("x400")),
            GeneralName::EDIPartyName(_) => self.others.push(String::from("ediparty")),
            // Bytes that are no ASCII.
            GeneralName::Invalid(Tag(1), bytes) => self.mails.push(lossless(bytes)),
            GeneralName::Invalid(Tag(2), bytes) => self.dns.push(lossless(bytes)),
            GeneralName::Invalid(Tag(6), bytes) => self.uris.push(lossless(bytes)),
            GeneralName::Invalid(tag, _) => self.others.push(format!("malformed:{}", tag.0)),
        }
    }

    /// All of them with their kind.
    pub(super) fn with_kind(&self) -> impl Iterator<Item = String> {
        let dns = self.dns.iter().map(|name| format!("dns:{name}"));
        let addresses = self.addresses.iter().map(|address| format!("ip:{address}"));
        let mails = self.mails.iter().map(|name| format!("email:{name}"));
        let uris = self.uris.iter().map(|name| format!("uri:{name}"));
        dns.chain(addresses).chain(mails).chain(uris).chain(self.others.iter().cloned())
    }
}

/// The value of an otherName, if it is text in its wrapping.
fn text_of(value: &[u8]) -> Option<String> {
    let (_, wrapped) = Any::from_der(value).ok()?;
    let (_, inner) = Any::from_der(wrapped.data).ok()?;
    let text = [Tag::Utf8String, Tag::Ia5String, Tag::PrintableString, Tag::BmpString, Tag::T61String];
    text.contains(&inner.tag()).then(|| attribute_text(&inner))
}

#[cfg(test)]
mod tests {
    use super::super::certificate::read;
    use crate::analyzers::tls::tests::unhex;
    use crate::model::Value;

    #[test]
    fn names_of_every_kind_are_read() {
        // What `openssl x509 -text` shows of it is in the first lines of the file.
        let file = include_str!("testdata/certificate_names.txt");
        let der: String = file.lines().filter(|line| !line.starts_with('#')).collect();
        let found = read(&unhex(&der)).unwrap();
        let names = &found.names;
        assert_eq!(names.dns, ["sensor.example"]);
        assert_eq!(names.mails, ["ops@example.com"]);
        assert_eq!(names.uris, ["spiffe://example/sensor/7"]);
        let all: Vec<String> = names.with_kind().collect();
        let expected = [
            "dns:sensor.example",
            "ip:192.0.2.9",
            "ip:2001:db8::9",
            "email:ops@example.com",
            "uri:spiffe://example/sensor/7",
            "othername:1.3.6.1.4.1.311.20.2.3:sensor@example",
            "othername:1.3.6.1.5.5.7.8.4",
            "registered-id:1.2.3.4",
            "dirname:CN=Sensor Seven",
        ];
        assert_eq!(all, expected);
        assert_eq!(found.curve, Some(Value::Word("secp384r1")));
        assert_eq!(found.mud_url.as_deref(), Some("https://mud.example/sensor.json"));
        assert!(found.must_staple);
    }
}
