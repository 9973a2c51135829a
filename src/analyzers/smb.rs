//! SMB 1 (MS-CIFS), 2 and 3 (MS-SMB2) over TCP, directly or in a NetBIOS session (RFC 1002 section 4.3).
//!
//! Read: the names of a NetBIOS session and its answer, which versions of SMB are offered and which is chosen, whether
//! the server demands signatures, and that messages are encrypted. Not read: everything after the negotiation.

use super::frames::{FrameReader, Framed, Size};
use super::{Analyzer, Class, Context, Definition, Probe, ProbeInput, Role, Sink, text};
use crate::model::{Transport, Value};

fields! {
    CALLED_NAME = "smb.called_name", "RFC 1002 section 4.3.2",
        "NetBIOS name that the client asks for a session with, without padding.";
    CALLING_NAME = "smb.calling_name", "RFC 1002 section 4.3.2",
        "NetBIOS name of the client, without padding.";
    SESSION = "smb.session", "RFC 1002 sections 4.3.3 to 4.3.5",
        "How the request for a NetBIOS session was answered: `accepted`, `refused`, `retargeted`.";
    VERSION = "smb.version", "MS-SMB2 section 2.2.1, MS-CIFS section 2.2.3.1",
        "Family of the messages: `1`, `2` (which is also that of SMB 3), `encrypted` (SMB 3).";
    OFFERED_DIALECT = "smb.offered_dialect", "MS-SMB2 section 2.2.3, MS-CIFS section 2.2.4.52.1",
        "A dialect that the client offers: `NT LM 0.12`, `2.1`, `3.1.1`.";
    DIALECT = "smb.dialect", "MS-SMB2 section 2.2.4, MS-CIFS section 2.2.4.52.2",
        "The dialect that the server chooses, in the same words; `2.???` leaves it to another round.";
    SIGNING = "smb.signing", "MS-SMB2 section 2.2.4, MS-CIFS section 2.2.4.52.2",
        "What the server says of signatures: `required`, `enabled`, `disabled`.";
}

/// SMB in the registry.
pub static DEFINITION: Definition = Definition {
    id: "smb",
    title: "SMB 1, 2 and 3, NetBIOS session service",
    transports: &[Transport::Tcp],
    ports: PORTS,
    fields: FIELDS,
    class: Class::Readable,
    probe,
    start,
};

const PORTS: &[u16] = &[445, 139];
const MAX_READ: usize = 1024;
const SESSION_REQUEST: u8 = 0x81;
/// A session's request has two names of 34 bytes, if they have no scope.
const SESSION_REQUEST_LENGTH: u8 = 68;
const SMB1: &[u8] = b"\xffSMB";
const SMB2: &[u8] = b"\xfeSMB";
const SMB3_ENCRYPTED: &[u8] = b"\xfdSMB";
const SMB3_COMPRESSED: &[u8] = b"\xfcSMB";
/// Messages without a negotiation after which none is awaited.
const MAX_MESSAGES: u8 = 16;

/// The header of a message, or a request for a session.
fn probe(input: &ProbeInput<'_>) -> Probe {
    match *input.bytes {
        [] | [0 | SESSION_REQUEST] | [SESSION_REQUEST, 0] | [SESSION_REQUEST, 0, 0] => return Probe::More,
        [SESSION_REQUEST, 0, 0, SESSION_REQUEST_LENGTH, ref rest @ ..] => {
            // A name of 32 characters; A to P are its half bytes.
            let (length, name) = rest.split_first().map_or((32, &[][..]), |(length, name)| (*length, name));
            let fits = length == 32 && name.iter().take(32).all(|byte| (b'A'..=b'P').contains(byte));
            return match (fits, name.len()) {
                (true, 32..) => Probe::Certainly(Role::Client),
                (true, _) => Probe::More,
                (false, _) => Probe::No,
            };
        }
        [0, ..] => {}
        _ => return Probe::No,
    }
    let Some((_, message)) = input.bytes.split_first_chunk::<4>() else { return Probe::More };
    let Some(magic) = message.first_chunk::<4>() else {
        let fits =
            [SMB1, SMB2, SMB3_ENCRYPTED, SMB3_COMPRESSED].into_iter().any(|magic| magic.starts_with(message));
        return if fits { Probe::More } else { Probe::No };
    };
    // The flag of a response is in different places.
    let flag = match &magic[..] {
        SMB1 => message.get(9).map(|flags| flags & 0x80 != 0),
        SMB2 => message.get(16).map(|flags| flags & 1 != 0),
        SMB3_ENCRYPTED | SMB3_COMPRESSED => Some(input.role_by_port(PORTS) == Role::Server),
        _ => return Probe::No,
    };
    match flag {
        None => Probe::More,
        Some(true) => Probe::Certainly(Role::Server),
        Some(false) => Probe::Certainly(Role::Client),
    }
}

fn start(_: &Context) -> Box<dyn Analyzer> {
    Box::new(Smb {
        client: FrameReader::new(MAX_READ),
        server: FrameReader::new(MAX_READ),
        offered: Vec::new(),
        messages: 0,
    })
}

struct Smb {
    client: FrameReader,
    server: FrameReader,
    /// Dialects of SMB 1 that the client offers, by which the server's choice counts.
    offered: Vec<Vec<u8>>,
    messages: u8,
}

fn size(front: &[u8]) -> Size {
    match *front {
        [0x85, _, _, _, ..] => Size::Whole(4),
        [0 | 0x81..=0x84, a, b, c, ..] => {
            Size::Whole(u64::from(u32::from_be_bytes([0, a, b, c])).saturating_add(4))
        }
        [] | [0 | 0x81..=0x85] | [0 | 0x81..=0x85, _] | [0 | 0x81..=0x85, _, _] => Size::More,
        _ => Size::Broken,
    }
}

/// The two bytes at `at`.
fn pair(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().copied().map(u16::from_le_bytes)
}

/// The name of a dialect of SMB 2 and 3 (MS-SMB2 section 2.2.3).
fn dialect(number: u16) -> String {
    match number {
        0x0202 => "2.0.2".into(),
        0x0210 => "2.1".into(),
        0x02ff => "2.???".into(),
        0x0300 => "3.0".into(),
        0x0302 => "3.0.2".into(),
        0x0311 => "3.1.1".into(),
        other => format!("0x{other:04x}"),
    }
}

/// The first 15 characters of a NetBIOS name, whose half bytes are letters (RFC 1001 section 14.1).
fn name(encoded: &[u8]) -> Option<Vec<u8>> {
    let half = |byte: u8| byte.checked_sub(b'A').filter(|half| *half < 16);
    let pairs = encoded.get(..30)?.chunks_exact(2);
    let name = pairs.map(|pair| Some(half(*pair.first()?)? << 4 | half(*pair.last()?)?));
    Some(name.collect::<Option<Vec<u8>>>()?.trim_ascii_end().to_vec())
}

impl Smb {
    fn message(&mut self, role: Role, message: &[u8], sink: &mut Sink) {
        let Some(([kind, ..], body)) = message.split_first_chunk::<4>() else { return };
        let session = match kind {
            0x82 => "accepted",
            0x83 => "refused",
            0x84 => "retargeted",
            &SESSION_REQUEST => {
                // Each has its length before and a zero behind it.
                for (field, at) in [(&CALLED_NAME, 1), (&CALLING_NAME, 35)] {
                    if let Some(name) = body.get(at..).and_then(name) {
                        sink.fact(field, text(&name, 15));
                    }
                }
                return;
            }
            0 => return self.smb(role, body, sink),
            _ => return,
        };
        sink.fact(&SESSION, Value::Word(session));
    }

    fn smb(&mut self, role: Role, body: &[u8], sink: &mut Sink) {
        let Some((magic, _)) = body.split_first_chunk::<4>() else { return };
        self.messages = self.messages.saturating_add(1);
        let version = match &magic[..] {
            SMB1 => "1",
            SMB2 => "2",
            SMB3_ENCRYPTED => "encrypted",
            _ => return,
        };
        sink.fact(&VERSION, Value::Word(version));
        match version {
            "1" if body.get(4) == Some(&0x72) => self.negotiate1(role, body, sink),
            "2" if pair(body, 12) == Some(0) => negotiate2(role, body, sink),
            "encrypted" => sink.finish(),
            _ if self.messages >= MAX_MESSAGES => sink.finish(),
            _ => {}
        }
    }

    /// SMB_COM_NEGOTIATE: header of 32 bytes; count of words, words, count of bytes, bytes.
    fn negotiate1(&mut self, role: Role, body: &[u8], sink: &mut Sink) {
        if role == Role::Client {
            // No words; each dialect has a 2 before it and a zero behind it.
            let names = body.get(35..).unwrap_or_default().split(|byte| *byte == 0);
            self.offered =
                names.filter_map(|name| Some(name.strip_prefix(&[2])?.to_vec())).take(16).collect();
            for name in &self.offered {
                sink.fact(&OFFERED_DIALECT, text(name, 32));
            }
        } else if let Some(index) = pair(body, 33) {
            if let Some(name) = self.offered.get(usize::from(index)) {
                sink.fact(&DIALECT, text(name, 32));
            }
            // With 17 words it is that of NT LM, which has the security mode behind the index.
            if let (Some(17), Some(mode)) = (body.get(32), body.get(35)) {
                sink.fact(
                    &SIGNING,
                    Value::Word(if mode & 8 != 0 {
                        "required"
                    } else if mode & 4 != 0 {
                        "enabled"
                    } else {
                        "disabled"
                    }),
                );
            }
            sink.finish();
        }
    }
}

/// NEGOTIATE of SMB 2: header of 64 bytes; size, then in a request the count of dialects, in a response the security
/// mode and the dialect.
fn negotiate2(role: Role, body: &[u8], sink: &mut Sink) {
    match role {
        Role::Client => {
            let count = usize::from(pair(body, 66).unwrap_or(0)).min(16);
            for place in 0..count {
                if let Some(number) = pair(body, place.saturating_mul(2).saturating_add(100)) {
                    sink.fact(&OFFERED_DIALECT, Value::text(dialect(number).as_bytes()));
                }
            }
        }
        Role::Server => {
            let Some((mode, number)) = pair(body, 66).zip(pair(body, 68)) else { return };
            sink.fact(&DIALECT, Value::text(dialect(number).as_bytes()));
            sink.fact(&SIGNING, Value::Word(if mode & 2 != 0 { "required" } else { "enabled" }));
            if number != 0x02ff {
                sink.finish();
            }
        }
    }
}

impl Analyzer for Smb {
    fn held(&self) -> usize {
        let offered = self.offered.iter().map(Vec::capacity).fold(0, usize::saturating_add);
        [self.client.held(), self.server.held(), offered].into_iter().fold(0, usize::saturating_add)
    }

    fn data(&mut self, role: Role, mut bytes: &[u8], sink: &mut Sink) {
        while !sink.done {
            let reader = if role == Role::Client { &mut self.client } else { &mut self.server };
            match reader.next(&mut bytes, size) {
                Framed::Message(message) => self.message(role, &message, sink),
                Framed::More => return,
                Framed::Broken => return sink.give_up(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::{list, steady, told};
    use super::*;

    const C: Role = Role::Client;
    const S: Role = Role::Server;

    fn framed(body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32).to_be_bytes()[..], body].concat()
    }

    fn smb1(response: bool, rest: &[u8]) -> Vec<u8> {
        let mut header = [0; 32];
        header[..5].copy_from_slice(b"\xffSMB\x72");
        header[9] = if response { 0x88 } else { 0x18 };
        framed(&[&header[..], rest].concat())
    }

    fn smb2(response: bool, rest: &[u8]) -> Vec<u8> {
        let mut header = [0; 64];
        header[..5].copy_from_slice(b"\xfeSMB\x40");
        header[16] = u8::from(response);
        framed(&[&header[..], rest].concat())
    }

    fn session(called: &[u8; 16], calling: &[u8; 16]) -> Vec<u8> {
        let encode = |name: &[u8; 16]| -> Vec<u8> {
            let letters = name.iter().flat_map(|byte| [b'A' + (byte >> 4), b'A' + (byte & 15)]);
            [32].into_iter().chain(letters).chain([0]).collect()
        };
        [&[SESSION_REQUEST, 0, 0, 68][..], &encode(called), &encode(calling)].concat()
    }

    #[test]
    fn a_session_and_its_dialect_are_read() {
        let asked = session(b"*SMBSERVER      ", b"DEVICE         \0");
        let offered = smb1(false, b"\0\x22\0\x02PC NETWORK\0\x02NT LM 0.12\0\x02SMB 2.???\0");
        let chosen = smb1(true, b"\x11\x01\0\x0f");
        let facts = steady(&DEFINITION, &[(C, &asked), (S, b"\x82\0\0\0"), (C, &offered), (S, &chosen)]);
        assert_eq!(
            list(&facts),
            [
                "smb.called_name=*SMBSERVER x1",
                "smb.calling_name=DEVICE x1",
                "smb.session=accepted x1",
                "smb.version=1 x2",
                "smb.offered_dialect=PC NETWORK x1",
                "smb.offered_dialect=NT LM 0.12 x1",
                "smb.offered_dialect=SMB 2.??? x1",
                "smb.dialect=NT LM 0.12 x1",
                "smb.signing=required x1",
            ]
        );
    }

    #[test]
    fn dialects_of_smb_2_and_3_are_read() {
        let offered = smb2(false, &[&[36, 0, 2, 0][..], &[0; 32], b"\x10\x02\x11\x03"].concat());
        let chosen = smb2(true, b"\x41\0\x01\0\x11\x03");
        let facts = steady(&DEFINITION, &[(C, &offered), (S, &chosen)]);
        assert_eq!(
            list(&facts),
            [
                "smb.version=2 x2",
                "smb.offered_dialect=2.1 x1",
                "smb.offered_dialect=3.1.1 x1",
                "smb.dialect=3.1.1 x1",
                "smb.signing=enabled x1"
            ]
        );
    }

    #[test]
    fn headers_are_recognised() {
        assert_eq!(told(&DEFINITION, &smb1(false, b"")), Probe::Certainly(C));
        assert_eq!(told(&DEFINITION, &smb1(true, b"")), Probe::Certainly(S));
        assert_eq!(told(&DEFINITION, &smb2(true, b"")), Probe::Certainly(S));
        assert_eq!(
            told(&DEFINITION, &session(b"A               ", b"B               ")),
            Probe::Certainly(C)
        );
        for other in [&b"\0\0\0\x20\xffSMX"[..], b"\x81\0\0\x44\x20abc", b"\x81\x05hello", b"\x01\0\0\0"] {
            assert_eq!(told(&DEFINITION, other), Probe::No);
        }
    }
}
