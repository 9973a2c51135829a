//! Encrypted client hello, as far as packets show it (draft-ietf-tls-esni).
//!
//! A client without the server's key sends random bytes of the same form (GREASE), so that nobody can tell; a server says
//! within its random whether it could read what was sent. What shows is where that cannot have been.

use super::fields as f;
use super::take;
use crate::analyzers::Sink;
use crate::model::Value;

/// Types of `ECHClientHello` (section 5).
const OUTER: u8 = 0;
const INNER: u8 = 1;

/// Observes the client's extension: whether it awaits an answer.
pub(super) fn offered(data: &[u8], sink: &mut Sink) -> bool {
    let mut rest = data;
    match *take(&mut rest, 1) {
        // HpkeSymmetricCipherSuite, config_id, and two lists that begin with their lengths.
        [OUTER] => {
            let [_, _, _, _, config] = *take(&mut rest, 5) else { return malformed(sink) };
            sink.fact(&f::ECH, Value::Word("outer"));
            sink.fact(&f::ECH_CONFIG, Value::Uint(u64::from(config)));
            true
        }
        [INNER] if rest.is_empty() => {
            sink.fact(&f::ECH, Value::Word("inner"));
            false
        }
        _ => malformed(sink),
    }
}

fn malformed(sink: &mut Sink) -> bool {
    sink.fact(&f::ECH, Value::Word("malformed"));
    false
}

/// Observes what a HelloRetryRequest says of it: a server that accepts confirms it there as well (section 7.1).
pub(super) fn retried(confirmed: bool, sink: &mut Sink) {
    sink.fact(&f::ECH_ANSWER, Value::Word(if confirmed { "confirmed-or-grease" } else { "rejected" }));
}

/// Observes what a ServerHello says of it.
pub(super) fn answered(tls13: bool, sink: &mut Sink) {
    sink.fact(&f::ECH_ANSWER, Value::Word(if tls13 { "unknown" } else { "rejected" }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzers::tls::tests::seen;
    use crate::model::Observation;

    fn observe(data: &[u8]) -> (bool, Vec<String>) {
        let mut sink = Sink::new(seen(1, 0));
        let awaits = offered(data, &mut sink);
        let shown = sink.observations.into_iter().filter_map(|(_, observation)| match observation {
            Observation::Fact(field, value) => Some(format!("{} {value}", field.name)),
            _ => None,
        });
        (awaits, shown.collect())
    }

    #[test]
    fn outer_and_inner_are_told_apart() {
        // HKDF-SHA256, AES-128-GCM, configuration 0x42, empty lists.
        let outer = [0, 0, 1, 0, 1, 0x42, 0, 0, 0, 0];
        assert_eq!(observe(&outer), (true, vec!["tls.ech outer".into(), "tls.ech_config 66".into()]));
        assert_eq!(observe(&[1]), (false, vec!["tls.ech inner".into()]));
        for odd in [&[][..], &[2], &[1, 0], &outer[..5]] {
            assert_eq!(observe(odd), (false, vec!["tls.ech malformed".into()]), "{odd:?}");
        }
    }
}
