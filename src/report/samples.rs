//! One finding, one flow, one capture: what the tests of this module start from.

use std::time::Duration;

use super::LintRow;
use crate::model::finding::{Confidence, DeviceLabel, Finding, Severity, Status, Way};
use crate::model::flow::{Basis, ConnState, End, RoleBasis, TcpFacts};
use crate::model::packet::Link;
use crate::model::stats::CaptureInfo;
use crate::model::{
    CaptureId, Endpoint, Evidence, Facts, Field, Flow, FlowId, FlowKey, FrameNo, FrameRef, MacAddr,
    NameSource, PerDirection, Seen, Timestamp, Transport, Value,
};
use crate::profile::lint::Lint;

/// Frame `no` of `capture`, seen at `secs`.
pub(super) fn seen_in(capture: u32, no: u64, secs: u64) -> Seen {
    Seen { at: Timestamp::new(secs as i64, 0), frame: FrameRef::new(CaptureId(capture), FrameNo(no)) }
}

/// Frame `n` of the first capture, seen at second `n`.
pub(super) fn seen(n: u64) -> Seen {
    seen_in(0, n, n)
}

pub(super) fn capture(id: u32, name: &str) -> CaptureInfo {
    CaptureInfo {
        id: CaptureId(id),
        name: name.into(),
        frames: 1_234,
        first: Some(Timestamp::new(12, 0)),
        last: Some(Timestamp::new(72, 0)),
        out_of_order: 0,
        dropped: None,
        damage: None,
    }
}

pub(super) fn finding() -> Finding {
    Finding {
        code: "weak-tls-version",
        status: Status::Violation,
        severity: Some(Severity::Error),
        confidence: Confidence::Strong,
        profile: "farmbot".into(),
        variant: String::new(),
        claim: "tls".into(),
        device: DeviceLabel {
            key: "02:00:00:00:00:01".into(),
            name: "bot".into(),
            ip: Some("192.0.2.10".parse().unwrap()),
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
        },
        way: Some(Way::Out),
        transport: Some(Transport::Tcp),
        service: "tls".into(),
        peer_name: "my.example".into(),
        name_source: NameSource::Sni,
        peer_ip: Some("198.51.100.7".parse().unwrap()),
        port: Some(443),
        expected: "tls>=1.2".into(),
        observed: "tls1.0".into(),
        reference: "RFC 8996".into(),
        evidence: Some(Evidence::once(seen(17))),
        inside: String::new(),
        message: "{count connection} with TLS 1.0".into(),
        waiver: String::new(),
        policy: "bcp195".into(),
        normative: "MUST NOT",
    }
}

/// A lint of line 7.
pub(super) fn lint_row() -> LintRow {
    LintRow {
        file: "my.yaml".into(),
        profile: "mine".into(),
        lint: Lint {
            line: 7,
            code: "over-broad",
            severity: Severity::Warning,
            claims: vec!["A-1".into(), "A-2".into()],
            message: "opens 16384 ports".into(),
            remedy: "declare the port".into(),
        },
        source: Some("  - {id: A-1, allowed: {out: anyone, udp: 49152-65535}}".into()),
    }
}

static SNI: Field = Field { name: "tls.sni", doc: "", source: "" };
static SUITES: Field = Field { name: "tls.suites", doc: "", source: "" };

/// A TLS connection of a minute, ended by a FIN of the responder.
pub(super) fn flow() -> Flow {
    let mut facts = Facts::default();
    facts.add(&SUITES, Value::Uint(2), seen(13));
    facts.add(&SNI, Value::text(b"my.example"), seen(13));
    facts.add(&SNI, Value::text(b"\x1b\""), seen(14));
    facts.add(&SNI, Value::text(b"my.example"), seen(15));
    let mac = |last| Some(MacAddr([2, 0, 0, 0, 0, last]));
    Flow {
        id: FlowId(seen(12).frame),
        key: FlowKey {
            transport: Transport::Tcp,
            orig: Endpoint { ip: "192.0.2.10".parse().unwrap(), port: 1025 },
            resp: Endpoint { ip: "198.51.100.7".parse().unwrap(), port: 443 },
        },
        roles: RoleBasis::Syn,
        link: PerDirection { orig: Some(Link { src: mac(1), dst: mac(2), vlan: Some(7) }), resp: None },
        first: seen(12),
        last: seen(72),
        packets: PerDirection { orig: 10, resp: 9 },
        bytes: PerDirection { orig: 1_000, resp: 2_000_000 },
        ip_bytes: PerDirection { orig: 1_400, resp: 2_000_400 },
        missed: PerDirection { orig: 0, resp: 5 },
        truncated_frames: 0,
        tcp: Some(Box::new(tcp())),
        icmp_errors: Vec::new(),
        errors: 0,
        service: vec!["tls"],
        recognised: vec![Basis::Content],
        facts,
    }
}

fn tcp() -> TcpFacts {
    TcpFacts {
        state: ConnState::Sf,
        history: "ShADadfF".into(),
        syn: Some(seen(12)),
        syn_count: 1,
        syn_ack: Some(seen(12)),
        established: Some(seen(13)),
        end: End::Fin(crate::model::Direction::RespToOrig),
        end_seen: Some(seen(71)),
        end_hop_limit: Some(57),
        hop_limits: PerDirection { orig: Some((64, 64)), resp: Some((57, 57)) },
        end_lacks_timestamp: false,
        last_data: PerDirection { orig: Some(seen(14)), resp: Some(seen(15)) },
        idle_before_end: Some(Duration::from_secs(56)),
        longest_idle: Duration::from_secs(56),
        retransmissions: PerDirection { orig: 1, resp: 0 },
        unanswered: PerDirection::default(),
        keep_alive_probes: PerDirection::default(),
        acked_unseen: PerDirection::default(),
        conflicts: PerDirection::default(),
        midstream: false,
    }
}
