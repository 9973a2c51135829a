//! Alerts (RFC 8446 section 6, RFC 5246 section 7.2, RFC 6101 section 5.4) and heartbeats (RFC
//! 6520), in the clear, encrypted, and as far as their size gives them away.

use super::connection::Connection;
use super::fields as f;
use super::record::Record;
use super::state::Protection;
use crate::analyzers::{Role, Sink};
use crate::model::evidence::Seen;
use crate::model::{Field, Value};

impl Connection {
    /// An alert record, in the clear if it has the two bytes of one.
    pub(super) fn alert(&mut self, role: Role, record: Record, sink: &mut Sink) {
        let side = self.side(role);
        let [level, description, _] = side.start;
        let clear = record.length == 2 && side.have == 2 && !side.cut;
        let sure = !side.missing || matches!(level, 1 | 2) && name(description).is_some();
        if clear && sure {
            self.clear_alert(role, level, description, sink);
        } else if clear || record.length == 2 && side.cut {
            // Half of it is missing, or it is none.
        } else if side.protection == Protection::Clear {
            sink.fact(&f::ANOMALY, Value::Word("alert-length"));
        } else {
            sink.fact(&f::CLOSING_ALERT, Value::Word(role.word()));
            self.renegotiation.alert();
            // Where only one side was captured, the handshake may well have been completed.
            let both = self.client.records.begun() && self.server.records.begun();
            if both && !self.application_data {
                let how =
                    if role == Role::Client { "client-encrypted-alert" } else { "server-encrypted-alert" };
                self.failing(how, sink);
            }
        }
    }

    pub(super) fn clear_alert(&mut self, role: Role, level: u8, description: u8, sink: &mut Sink) {
        let fatal = level == FATAL;
        let field: &'static Field = match (role, fatal) {
            (Role::Client, true) => &f::CLIENT_FATAL_ALERT,
            (Role::Client, false) => &f::CLIENT_WARNING_ALERT,
            (Role::Server, true) => &f::SERVER_FATAL_ALERT,
            (Role::Server, false) => &f::SERVER_WARNING_ALERT,
        };
        let value = name(description).map_or(Value::Uint(u64::from(description)), Value::Word);
        sink.fact(field, value);
        if role == Role::Client && description == NO_CERTIFICATE {
            // RFC 6101 section 5.6.6: SSLv3 has no empty certificate message.
            sink.fact(&f::CLIENT_CERTIFICATE, Value::Word("empty"));
        }
        // In TLS 1.3 the level means nothing (RFC 8446 section 6); goodbyes end a handshake as
        // well.
        let ends = fatal || description == CLOSE_NOTIFY || self.is_tls13() && description != USER_CANCELED;
        if ends {
            self.refused(if role == Role::Client { "client-alert" } else { "server-alert" }, sink);
        }
    }

    /// A heartbeat in the clear whose payload cannot fit (RFC 6520 section 4: type, length, 16
    /// bytes of padding).
    pub(super) fn heartbeat(&mut self, role: Role, record: Record, sink: &mut Sink) {
        let side = self.side(role);
        let [_, hi, lo] = side.start;
        let payload = u16::from_be_bytes([hi, lo]);
        let clear = side.protection == Protection::Clear && side.have == 3 && !side.cut;
        if clear && payload.saturating_add(3 + 16) > record.length {
            sink.fact(&f::HEARTBEAT_OVERREAD, Value::Word(role.word()));
        }
    }

    /// Goodbyes of TLS 1.3, by their size.
    pub(super) fn goodbyes(&self, sink: &mut Sink) {
        let suite = self.choice.as_ref().map_or(0, |choice| choice.suite);
        let short = self.server.after == 1 && !self.application_data;
        // Whoever says goodbye first was not refused: the server answers it.
        let first = |role: Option<(Seen, u16)>| role.map(|(seen, _)| seen.at);
        let answered = match (first(self.client.last), first(self.server.last)) {
            (Some(client), Some(server)) => client <= server,
            _ => false,
        };
        let refused = short && !answered;
        // Whether the client said anything that the server may have answered, is not known.
        let unclear = refused && self.client.missing;
        for (role, side) in [(Role::Client, &self.client), (Role::Server, &self.server)] {
            let Some((seen, length)) = side.last.filter(|_| !side.missing) else { continue };
            // MQTT pings and goodbyes are as short; before a close_notify its goodbye makes two in a row.
            let twice = role == Role::Client
                && self.inference.as_ref().is_some_and(|inference| inference.says_goodbye());
            if !has_size(length, suite) || side.alert_sized != 1 && !twice {
                continue;
            }
            if role == Role::Server && unclear {
                continue;
            }
            let (field, value) = if role == Role::Server && refused {
                (&f::PROBABLE_REJECTION, Value::Yes)
            } else {
                (&f::PROBABLE_CLOSE_NOTIFY, Value::Word(role.word()))
            };
            sink.fact_at(seen, field, value);
        }
    }
}

/// Level of an alert that ends the connection.
const FATAL: u8 = 2;
const CLOSE_NOTIFY: u8 = 0;
/// SSLv3 only.
const NO_CERTIFICATE: u8 = 41;
const USER_CANCELED: u8 = 90;

/// Name of a description, as the RFCs write it.
pub(super) fn name(description: u8) -> Option<&'static str> {
    Some(match description {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        52 => "too_many_cids_requested",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => return None,
    })
}

/// TLS_AES_128_CCM_8_SHA256, whose tag is half as long.
pub(super) const AES_128_CCM_8: u16 = 0x1305;

/// Whether an alert of this level ends the connection.
pub(super) fn is_fatal(level: u8) -> bool {
    level == FATAL
}

/// Whether an encrypted record of TLS 1.3 is as long as one with an alert: two bytes, content type,
/// tag (RFC 8446 section 5.2). Nobody pads alerts, and a little longer are an empty Certificate and
/// `EndOfEarlyData`.
pub(super) fn has_size(length: u16, suite: u16) -> bool {
    length == if suite == AES_128_CCM_8 { 11 } else { 19 }
}

/// Whether it may hold a Finished: header, the shortest hash, content type, the shortest tag.
pub(super) fn may_be_finished(length: u16) -> bool {
    length >= 4 + 32 + 1 + 8
}
