//! Half a million short conversations of small packets.

use super::BASE;
use super::cast::Actor;
use super::packet::{ACK, FIN, PSH, RST, SYN};
use super::random::Random;
use super::recorded::Recording;
use super::script::{Line, Script};
use super::talk::Plan;
use super::timeline::{Cause, Timeline};

const CONNECTIONS: u64 = 500_000;
const DEVICES: u32 = 6_000;
/// One in so many is a FarmBot, which plays its recording and nothing else.
const FARMBOTS: u32 = 150;
const FARMBOT_CASES: [&str; 4] = ["farmbot-clean", "farmbot-clean", "farmbot-clean", "farmbot-faults"];
/// Microseconds from one start to the next: half an hour for all.
const SPACING: u64 = 3_600;
const SERVERS: u64 = 3_000;
pub(super) const END: u64 = BASE + (CONNECTIONS + 50_000) * SPACING;

/// The devices, and the next conversation.
pub(super) struct Small {
    actors: Vec<Actor>,
    random: Random,
    number: u64,
    farmbots: Vec<Recording>,
}

impl Small {
    pub(super) fn new(seed: u64) -> Self {
        let actor = |number: u32| {
            if number.is_multiple_of(FARMBOTS) {
                Actor::new(number, [2, 0xfa, 0xb0], "farmbot", seed)
            } else {
                Actor::new(number, [2, 0, 0x5f], "thing", seed)
            }
        };
        Self {
            actors: (0..DEVICES).map(actor).collect(),
            random: Random::new(seed),
            number: 0,
            farmbots: FARMBOT_CASES.iter().map(|case| Recording::of(case)).collect(),
        }
    }

    fn at_number(number: u64) -> u64 {
        BASE + number * SPACING
    }
}

impl Cause for Small {
    fn at(&self) -> Option<u64> {
        (self.number < CONNECTIONS).then(|| Self::at_number(self.number))
    }

    fn start(&mut self, timeline: &mut Timeline) {
        let at = Self::at_number(self.number) + self.random.below(SPACING);
        let every = CONNECTIONS / u64::from(DEVICES / FARMBOTS);
        if self.number.is_multiple_of(every) {
            let number = (self.number / every) as usize;
            let recording = &self.farmbots[number % self.farmbots.len()];
            let actor = &mut self.actors[number * FARMBOTS as usize];
            actor.play_all(recording, at, timeline, |_, _| Plan::default());
        }
        self.number += 1;
        let mut device = self.random.below(u64::from(DEVICES)) as usize;
        if device.is_multiple_of(FARMBOTS as usize) {
            device += 1;
        }
        converse(&mut self.actors[device], &mut self.random, at, timeline);
    }
}

fn converse(actor: &mut Actor, random: &mut Random, at: u64, timeline: &mut Timeline) {
    let seed = random.next();
    let server = random.below(SERVERS) as u32;
    let [_, _, high, low] = server.to_be_bytes();
    let peer = [198, 19, high, low];
    let stamps = random.once_in(2);
    match random.below(100) {
        0..14 => {
            let name = format!("h{server:x}.example.net");
            actor.look_up(name.as_bytes(), peer, at, timeline);
        }
        14..22 => {
            let ends = actor.ends([198, 19, 200, low], 123, 55);
            timeline.add(Script::udp(ends, ntp(at, random), at, seed));
        }
        kind => {
            let (port, lines) = match kind {
                22..62 => (1883, mqtt(&actor.device.host_name, random)),
                62..82 => (80, http(server, random)),
                82..88 => (61_000 + (server % 900) as u16, other(random)),
                88..92 => (23, vec![says(0, 0, SYN, &[]), says(90, 1, RST | ACK, &[])]),
                92..95 => (2323, (0..3).map(|again| says(again * 1_000_000, 0, SYN, &[])).collect()),
                _ => (1883, left_open(&actor.device.host_name, random)),
            };
            let ends = actor.ends(peer, port, 55);
            timeline.add(Script::tcp(ends, lines, at, seed, stamps));
        }
    }
}

fn says(wait: u32, from: usize, flags: u8, payload: &[u8]) -> Line {
    Line { wait, from, flags, payload: payload.to_vec() }
}

fn opening(random: &mut Random) -> Vec<Line> {
    let there = random.between(80, 20_000) as u32;
    vec![says(0, 0, SYN, &[]), says(there, 1, SYN | ACK, &[]), says(40, 0, ACK, &[])]
}

/// Closed by end `from`, or torn down now and then.
fn closing(from: usize, random: &mut Random, lines: &mut Vec<Line>) {
    let there = random.between(80, 20_000) as u32;
    if random.once_in(20) {
        lines.push(says(200, from, RST | ACK, &[]));
        return;
    }
    lines.push(says(200, from, FIN | ACK, &[]));
    lines.push(says(there, 1 - from, FIN | ACK, &[]));
    lines.push(says(there, from, ACK, &[]));
}

/// CONNECT, CONNACK, PUBLISH of QoS 0, DISCONNECT (MQTT 3.1.1).
fn mqtt(client: &[u8; 12], random: &mut Random) -> Vec<Line> {
    let mut lines = left_open(client, random);
    lines.push(says(3_000, 0, PSH | ACK, &[0xe0, 0]));
    closing(0, random, &mut lines);
    lines
}

fn left_open(client: &[u8; 12], random: &mut Random) -> Vec<Line> {
    let mut lines = opening(random);
    let there = random.between(80, 20_000) as u32;
    let mut connect = vec![0x10, 24, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 12];
    connect.extend_from_slice(client);
    lines.push(says(100, 0, PSH | ACK, &connect));
    lines.push(says(there, 1, PSH | ACK, &[0x20, 2, 0, 0]));
    for _ in 0..=random.below(2) {
        let value = random.below(10_000);
        let mut publish = vec![0x30, 16, 0, 10];
        publish.extend_from_slice(b"site/value");
        publish.extend_from_slice(format!("{value:04}").as_bytes());
        lines.push(says(random.between(500, 400_000) as u32, 0, PSH | ACK, &publish));
        lines.push(says(there, 1, ACK, &[]));
    }
    lines
}

fn http(server: u32, random: &mut Random) -> Vec<Line> {
    let mut lines = opening(random);
    let there = random.between(80, 20_000) as u32;
    let request = format!("GET /v1 HTTP/1.1\r\nHost: h{server:x}.example.net\r\n\r\n");
    lines.push(says(100, 0, PSH | ACK, request.as_bytes()));
    lines.push(says(there, 1, ACK, &[]));
    lines.push(says(900, 1, PSH | ACK, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    lines.push(says(40, 0, ACK, &[]));
    closing(1, random, &mut lines);
    lines
}

/// A protocol that nobody knows.
fn other(random: &mut Random) -> Vec<Line> {
    let mut lines = opening(random);
    for turn in 0..random.between(2, 6) as usize {
        let mut payload = b"v1 ".to_vec();
        let len = random.between(6, 40) as usize;
        random.fill(&mut payload, len);
        lines.push(says(5_000, turn % 2, PSH | ACK, &payload));
    }
    closing(0, random, &mut lines);
    lines
}

/// A client's question and the answer of a server of stratum 2, whose clock is right (RFC 5905 section 7.3).
fn ntp(at: u64, random: &mut Random) -> Vec<Line> {
    let there = random.between(2_000, 30_000);
    let time = |at: u64| {
        (((at / 1_000_000 + 2_208_988_800) << 32) | (((at % 1_000_000) << 32) / 1_000_000)).to_be_bytes()
    };
    let packet = |first: u8, stratum: u8, times: [[u8; 8]; 4]| {
        let mut packet = vec![first, stratum, 6, 0xec];
        packet.extend_from_slice(&[0, 0, 3, 0, 0, 0, 2, 0]);
        packet.extend_from_slice(if stratum == 0 { &[0; 4] } else { &[203, 0, 113, 1] });
        packet.extend_from_slice(times.as_flattened());
        packet
    };
    let none = [0; 8];
    let (sent, heard) = (time(at), time(at + there / 2));
    let question = packet(0x23, 0, [none, none, none, sent]);
    let answer = packet(0x24, 2, [time(at - 30_000_000), sent, heard, time(at + there / 2 + 20)]);
    vec![says(0, 0, 0, &question), says(there as u32, 1, 0, &answer)]
}
