//! Flows as rows: what is known of each, with all facts.

use std::borrow::Cow;

use super::cell::{Cell, Column, Kind, Table, frame_text};
use crate::model::flow::{End, RoleBasis, TcpFacts};
use crate::model::packet::Link;
use crate::model::stats::CaptureInfo;
use crate::model::{Direction, Endpoint, Flow, FrameRef, MacAddr, NameSource, Transport};

/// A flow with what its responder is called.
#[derive(Debug, Clone)]
pub struct FlowRow<'a> {
    /// The flow.
    pub flow: &'a Flow,
    /// Best name of the responder, and where it comes from; `None` when nothing names it.
    pub resp_name: Option<(String, NameSource)>,
}

/// What the table has of `rows`, in its order: by first time, then by the flow's identity.
pub(super) fn sorted<'r>(rows: &'r [FlowRow<'_>], captures: &'r [CaptureInfo]) -> Vec<FlowCells<'r>> {
    let cells =
        |row: &'r FlowRow<'_>| FlowCells { flow: row.flow, resp_name: row.resp_name.as_ref(), captures };
    let mut cells: Vec<FlowCells<'_>> = rows.iter().map(cells).collect();
    cells.sort_by_key(|row| (row.flow.first.at, row.flow.id));
    cells
}

/// The flow table.
pub(super) struct FlowTable;

/// What a row of it is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct FlowCells<'r> {
    /// The flow.
    pub(super) flow: &'r Flow,
    /// Name of its responder.
    pub(super) resp_name: Option<&'r (String, NameSource)>,
    /// To name the captures of its frames.
    pub(super) captures: &'r [CaptureInfo],
}

impl FlowCells<'_> {
    fn frame(&self, frame: FrameRef) -> Cell<'static> {
        Cell::Text(Cow::Owned(frame_text(frame, self.captures)))
    }
}

impl Table for FlowTable {
    type Row<'r> = FlowCells<'r>;

    const COLUMNS: &'static [Column<Self>] = &[
        text("flow_id", |row| row.frame(row.flow.id.0)),
        Column { name: "first_seen", kind: Kind::Time, cell: |row| Cell::Time(row.flow.first.at) },
        Column { name: "last_seen", kind: Kind::Time, cell: |row| Cell::Time(row.flow.last.at) },
        seconds("duration_s", |row| Cell::Seconds(row.flow.duration())),
        text("transport", |row| Cell::ours(row.flow.key.transport)),
        text("orig_ip", |row| Cell::ours(row.flow.key.orig.ip)),
        uint("orig_port", |row| port(row.flow, row.flow.key.orig)),
        text("resp_ip", |row| Cell::ours(row.flow.key.resp.ip)),
        uint("resp_port", |row| port(row.flow, row.flow.key.resp)),
        text("resp_name", |row| match row.resp_name {
            Some((name, _)) => Cell::wire(name),
            None => Cell::Empty,
        }),
        text("name_source", |row| Cell::ours(row.resp_name.map_or(NameSource::None, |(_, source)| *source))),
        text("orig_mac", |row| Cell::maybe(mac(row.flow, Direction::OrigToResp))),
        text("resp_mac", |row| Cell::maybe(mac(row.flow, Direction::RespToOrig))),
        uint("vlan", |row| Cell::uint(vlan(row.flow))),
        text("roles", |row| Cell::ours(roles_word(row.flow.roles))),
        text("service", |row| Cell::maybe(row.flow.service_name())),
        uint("orig_packets", |row| Cell::Uint(row.flow.packets.orig)),
        uint("resp_packets", |row| Cell::Uint(row.flow.packets.resp)),
        uint("orig_bytes", |row| Cell::Uint(row.flow.bytes.orig)),
        uint("resp_bytes", |row| Cell::Uint(row.flow.bytes.resp)),
        uint("orig_ip_bytes", |row| Cell::Uint(row.flow.ip_bytes.orig)),
        uint("resp_ip_bytes", |row| Cell::Uint(row.flow.ip_bytes.resp)),
        uint("orig_missed_bytes", |row| Cell::Uint(row.flow.missed.orig)),
        uint("resp_missed_bytes", |row| Cell::Uint(row.flow.missed.resp)),
        text("conn_state", |row| tcp(row, |tcp| Cell::ours(tcp.state))),
        text("history", |row| match &row.flow.tcp {
            Some(tcp) => Cell::wire(&tcp.history),
            None => Cell::Empty,
        }),
        Column { name: "midstream", kind: Kind::Flag, cell: |row| tcp(row, |tcp| Cell::Flag(tcp.midstream)) },
        uint("syn_count", |row| tcp(row, |tcp| Cell::Uint(tcp.syn_count.into()))),
        seconds("handshake_s", |row| tcp(row, handshake)),
        text("end", |row| tcp(row, |tcp| Cell::ours(end_words(tcp.end).0))),
        text("end_by", |row| tcp(row, |tcp| Cell::maybe(end_words(tcp.end).1))),
        text("end_frame", |row| match row.flow.tcp.as_ref().and_then(|tcp| tcp.end_seen) {
            Some(seen) => row.frame(seen.frame),
            None => Cell::Empty,
        }),
        uint("end_hop_limit", |row| tcp(row, |tcp| Cell::uint(tcp.end_hop_limit))),
        Column {
            name: "end_lacks_timestamp",
            kind: Kind::Flag,
            cell: |row| tcp(row, |tcp| Cell::Flag(tcp.end_lacks_timestamp)),
        },
        uint("orig_hop_limit_min", |row| {
            tcp(row, |tcp| Cell::uint(tcp.hop_limits.orig.map(|(least, _)| least)))
        }),
        uint("orig_hop_limit_max", |row| {
            tcp(row, |tcp| Cell::uint(tcp.hop_limits.orig.map(|(_, most)| most)))
        }),
        uint("resp_hop_limit_min", |row| {
            tcp(row, |tcp| Cell::uint(tcp.hop_limits.resp.map(|(least, _)| least)))
        }),
        uint("resp_hop_limit_max", |row| {
            tcp(row, |tcp| Cell::uint(tcp.hop_limits.resp.map(|(_, most)| most)))
        }),
        seconds("idle_before_end_s", |row| {
            tcp(row, |tcp| tcp.idle_before_end.map_or(Cell::Empty, Cell::Seconds))
        }),
        seconds("longest_idle_s", |row| tcp(row, |tcp| Cell::Seconds(tcp.longest_idle))),
        uint("orig_retransmissions", |row| tcp(row, |tcp| Cell::Uint(tcp.retransmissions.orig))),
        uint("resp_retransmissions", |row| tcp(row, |tcp| Cell::Uint(tcp.retransmissions.resp))),
        uint("orig_unanswered", |row| tcp(row, |tcp| Cell::Uint(tcp.unanswered.orig.into()))),
        uint("resp_unanswered", |row| tcp(row, |tcp| Cell::Uint(tcp.unanswered.resp.into()))),
        uint("orig_keep_alive_probes", |row| tcp(row, |tcp| Cell::Uint(tcp.keep_alive_probes.orig))),
        uint("resp_keep_alive_probes", |row| tcp(row, |tcp| Cell::Uint(tcp.keep_alive_probes.resp))),
        uint("orig_acked_unseen", |row| tcp(row, |tcp| Cell::Uint(tcp.acked_unseen.orig))),
        uint("resp_acked_unseen", |row| tcp(row, |tcp| Cell::Uint(tcp.acked_unseen.resp))),
        uint("icmp_errors", |row| Cell::Uint(row.flow.icmp_errors.len() as u64)),
        uint("truncated_frames", |row| Cell::Uint(row.flow.truncated_frames)),
        uint("facts_dropped", |row| Cell::Uint(row.flow.facts.dropped)),
        text("facts", |row| Cell::Facts(&row.flow.facts, row.captures)),
        text("recognised_by", |row| Cell::maybe(row.flow.basis())),
        uint("orig_conflicts", |row| tcp(row, |tcp| Cell::Uint(tcp.conflicts.orig))),
        uint("resp_conflicts", |row| tcp(row, |tcp| Cell::Uint(tcp.conflicts.resp))),
    ];
}

type Get = for<'r> fn(&'r FlowCells<'r>) -> Cell<'r>;

const fn text(name: &'static str, cell: Get) -> Column<FlowTable> {
    Column { name, kind: Kind::Text, cell }
}

const fn uint(name: &'static str, cell: Get) -> Column<FlowTable> {
    Column { name, kind: Kind::Uint, cell }
}

const fn seconds(name: &'static str, cell: Get) -> Column<FlowTable> {
    Column { name, kind: Kind::Seconds, cell }
}

/// A cell that only TCP flows have.
fn tcp<'r>(row: &'r FlowCells<'r>, cell: fn(&TcpFacts) -> Cell<'static>) -> Cell<'r> {
    row.flow.tcp.as_deref().map_or(Cell::Empty, cell)
}

/// The port, for transports that have ports; the identifier of pings is none.
fn port(flow: &Flow, end: Endpoint) -> Cell<'static> {
    match flow.key.transport {
        Transport::Tcp | Transport::Udp => Cell::Uint(end.port.into()),
        Transport::Icmp | Transport::Icmpv6 | Transport::Other(_) => Cell::Empty,
    }
}

/// The sender's own address, or the one that the other side sent to; a group's address is nobody's.
fn mac(flow: &Flow, side: Direction) -> Option<MacAddr> {
    let link = |side: Direction| flow.link.of(side).as_ref();
    let own = link(side).and_then(|link: &Link| link.src);
    own.or_else(|| link(side.reverse()).and_then(|link| link.dst).filter(|mac| !mac.is_group()))
}

fn vlan(flow: &Flow) -> Option<u16> {
    Direction::BOTH.iter().find_map(|&side| flow.link.of(side).as_ref().and_then(|link| link.vlan))
}

/// SYN to the end of the handshake.
fn handshake(tcp: &TcpFacts) -> Cell<'static> {
    match (tcp.syn, tcp.established) {
        (Some(syn), Some(done)) => Cell::Seconds(done.at.since(syn.at)),
        _ => Cell::Empty,
    }
}

fn roles_word(roles: RoleBasis) -> &'static str {
    match roles {
        RoleBasis::Syn => "syn",
        RoleBasis::Protocol => "protocol",
        RoleBasis::Port | RoleBasis::PortAlone => "port",
        RoleBasis::FirstPacket => "first-packet",
    }
}

/// What ended a connection, and which side.
fn end_words(end: End) -> (&'static str, Option<&'static str>) {
    let side = |direction| match direction {
        Direction::OrigToResp => Some("orig"),
        Direction::RespToOrig => Some("resp"),
    };
    match end {
        End::Open => ("open", None),
        End::Fin(by) => ("fin", side(by)),
        End::Rst(by) => ("rst", side(by)),
        End::Silence(by) => ("silence", side(by)),
    }
}
