//! SVCB and HTTPS records (RFC 9460): another name for a service, or how and where to reach it.

use std::net::IpAddr;

use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::be_u16;

use super::message::{Problem, fixed, tail, v4, v6};
use crate::model::text::lossless;

/// What a record says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Service {
    /// Priority 0: it only says that the service goes by another name (section 2.4.2).
    pub(super) is_alias: bool,
    /// The other name; `.` is the owner's own.
    pub(super) target: Box<str>,
    /// Application protocols besides the scheme's own, in order, at most [`MAX_ALPN`].
    pub(super) alpn: Vec<Box<str>>,
    /// The port, where it is not the scheme's own.
    pub(super) port: Option<u16>,
    /// Addresses to try before those of the target are looked up.
    pub(super) hints: Vec<IpAddr>,
    /// It offers Encrypted ClientHello (RFC 9848).
    pub(super) ech: bool,
}

impl Service {
    /// Reads the parameters, which begin at `params` of `content` (section 2.2).
    pub(super) fn read(target: Box<str>, content: &[u8], params: usize) -> Result<Self, Problem> {
        let is_alias = content.first_chunk::<2>() == Some(&[0, 0]);
        let mut service = Self { is_alias, target, ..Self::default() };
        let mut params = tail(content, params);
        while !params.is_empty() {
            let (rest, (key, length)) = fixed((be_u16, be_u16).parse(params))?;
            let (rest, value) = fixed(take(length)(rest))?;
            // An alias has no parameters; those it has are ignored (section 2.4.2).
            if !is_alias {
                service.take(key, value).ok_or(Problem::Record)?;
            }
            params = rest;
        }
        Ok(service)
    }

    /// Takes one parameter; `None` if its value is malformed.
    fn take(&mut self, key: u16, value: &[u8]) -> Option<()> {
        match key {
            ALPN => self.alpn = alpn(value)?,
            PORT => self.port = Some(u16::from_be_bytes(value.try_into().ok()?)),
            IPV4HINT => self.hints.extend(whole(value, 4)?.chunks(4).filter_map(v4)),
            IPV6HINT => self.hints.extend(whole(value, 16)?.chunks(16).filter_map(v6)),
            ECH => self.ech = true,
            _ => {}
        }
        Some(())
    }
}

/// A list of addresses is not empty, and has no piece of one.
fn whole(value: &[u8], size: usize) -> Option<&[u8]> {
    Some(value).filter(|value| !value.is_empty() && value.len().is_multiple_of(size))
}

/// Identifiers with a byte of length each (section 7.1.1).
fn alpn(mut value: &[u8]) -> Option<Vec<Box<str>>> {
    let mut found = Vec::new();
    while let Some((length, rest)) = value.split_first() {
        let (id, rest) = rest.split_at_checked(usize::from(*length)).filter(|(id, _)| !id.is_empty())?;
        if found.len() < MAX_ALPN {
            found.push(lossless(id).into());
        }
        value = rest;
    }
    (!found.is_empty()).then_some(found)
}

/// Identifiers kept of one record.
const MAX_ALPN: usize = 16;

/// Keys (section 14.3.2, RFC 9848).
const ALPN: u16 = 1;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzers::dns::message::{Data, Message};
    use crate::analyzers::dns::testing::{Build, HTTPS};

    fn read(content: &[u8]) -> (Data, Option<Problem>) {
        let bytes = Build::response(1, 0x8180).record(1, "example.com", HTTPS, content).bytes();
        let message = Message::read(&bytes).unwrap();
        (message.records[0].data.clone(), message.problem)
    }

    fn service(target: &str) -> Service {
        Service { target: target.into(), ..Service::default() }
    }

    #[test]
    fn the_test_vectors_of_rfc_9460_appendix_d_read_as_printed() {
        // Figure 2 alias form; figure 3 "." alone; figure 4 port; figure 7 two IPv6 hints; figure 10 ALPN with a comma
        // and a backslash in it.
        let alias = b"\x00\x00\x03foo\x07example\x03com\x00";
        assert_eq!(
            read(alias),
            (Data::Service(Service { is_alias: true, ..service("foo.example.com") }), None)
        );
        assert_eq!(read(b"\x00\x01\x00"), (Data::Service(service(".")), None));
        let port = b"\x00\x10\x03foo\x07example\x03com\x00\x00\x03\x00\x02\x00\x35";
        assert_eq!(
            read(port),
            (Data::Service(Service { port: Some(53), ..service("foo.example.com") }), None)
        );
        let hints = b"\x00\x01\x03foo\x07example\x03com\x00\x00\x06\x00\x20\
            \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\
            \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x53\x00\x01";
        let expected = vec!["2001:db8::1".parse().unwrap(), "2001:db8::53:1".parse().unwrap()];
        assert_eq!(
            read(hints),
            (Data::Service(Service { hints: expected, ..service("foo.example.com") }), None)
        );
        let alpn = b"\x00\x10\x03foo\x07example\x03org\x00\x00\x01\x00\x0c\x08f\\oo,bar\x02h2";
        let (Data::Service(said), None) = read(alpn) else { panic!("{:?}", read(alpn)) };
        assert_eq!(said.alpn.iter().map(|id| &**id).collect::<Vec<_>>(), ["f\\oo,bar", "h2"]);
        for end in 0..hints.len() {
            let (data, problem) = read(&hints[..end]);
            let whole = end == 19;
            assert_eq!((data == Data::Other, problem.is_some()), (!whole, !whole && end > 0), "{end}");
        }
    }

    #[test]
    fn malformed_values_lose_the_record() {
        for params in [
            b"\x00\x04\x00\x03\xc0\x00\x02".as_slice(),
            b"\x00\x04\x00\x00",
            b"\x00\x03\x00\x01\x35",
            b"\x00\x01\x00\x03\x03h2",
            b"\x00\x01\x00\x01\x00",
            b"\x00\x01\x00\x00",
        ] {
            let content = [b"\x00\x01\x00", params].concat();
            assert_eq!(read(&content), (Data::Other, Some(Problem::Record)), "{params:02x?}");
        }
        let unknown = read(b"\x00\x01\x00\xff\xff\x00\x01x");
        assert_eq!(unknown, (Data::Service(service(".")), None));
    }

    #[test]
    fn an_alias_with_parameters_is_an_alias() {
        let (data, problem) = read(b"\x00\x00\x01a\x00\x00\x05\x00\x01x");
        assert_eq!((data, problem), (Data::Service(Service { is_alias: true, ..service("a") }), None));
    }
}
