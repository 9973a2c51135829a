//! Who takes part: devices with their addresses, and services with their names.

use std::rc::Rc;

use super::conversation::{Casting, Conversation, Device};
use super::packet::Ends;
use super::random::Random;
use super::recorded::{Kind, Recording, Template};
use super::script::{Line, Script};
use super::talk::Plan;
use super::timeline::Timeline;

/// Devices in one /24 network.
const IN_NETWORK: u32 = 150;
/// MAC address of the router that all networks share, as in the recordings.
const ROUTER: [u8; 6] = [2, 0, 0x5e, 0, 0, 1];

/// A device and the ports it has used.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) device: Device,
    port: u16,
    pub(super) random: Random,
}

impl Actor {
    /// Number `number`, of maker `oui`, with a host name that begins with `name` (at most 7 letters).
    pub(super) fn new(number: u32, oui: [u8; 3], name: &str, seed: u64) -> Self {
        let [_, high, middle, low] = number.to_be_bytes();
        let network = number / IN_NETWORK;
        let host = 100 + number % IN_NETWORK;
        let width = 11 - name.len();
        let text = format!("{name}-{number:0width$x}");
        let mut random = Random::of(seed, u64::from(number));
        Self {
            device: Device {
                mac: [oui[0], oui[1], oui[2], high, middle, low],
                ip: [10, 20 + (network >> 8) as u8, network as u8, host as u8],
                host_name: text.as_bytes().try_into().expect("twelve letters"),
            },
            port: random.between(20_000, 44_000) as u16,
            random,
        }
    }

    /// A port that it has not used.
    pub(super) fn port(&mut self) -> u16 {
        self.port += 1;
        self.port
    }

    fn seed(&mut self) -> Random {
        Random::new(self.random.next())
    }

    /// A made-up conversation's ends.
    pub(super) fn ends(&mut self, peer: [u8; 4], port: u16, hops: u8) -> Ends {
        let ip = [self.device.ip, peer];
        Ends { mac: [self.device.mac, ROUTER], ip, port: [self.port(), port], hops: [64, hops] }
    }

    /// Plays a conversation with a service, or as it was.
    pub(super) fn play(
        &mut self,
        template: &Rc<Template>,
        service: Option<&Service>,
        plan: Plan,
        at: u64,
        timeline: &mut Timeline,
    ) {
        let ephemeral = template.kind != Kind::Other && template.port[template.caller] >= 1_024;
        let casting = Casting {
            port: ephemeral.then(|| self.port()),
            peer: service.map(|service| service.ip),
            name: service.and_then(|service| service.name.clone()),
            plan,
        };
        timeline.add(Conversation::new(template, self.device, casting, at, self.seed()));
    }

    /// Plays a whole recording; `plan` says what is added to each conversation.
    pub(super) fn play_all(
        &mut self,
        recording: &Recording,
        at: u64,
        timeline: &mut Timeline,
        mut plan: impl FnMut(&Template, u64) -> Plan,
    ) {
        for template in &recording.templates {
            let at = at + template.offset;
            self.play(template, None, plan(template, at), at, timeline);
        }
    }

    /// Looks up a name: both families, of which only one has an address.
    pub(super) fn look_up(&mut self, name: &[u8], ip: [u8; 4], at: u64, timeline: &mut Timeline) {
        let [a, b, c, _] = self.device.ip;
        let ends = self.ends([a, b, c, 1], 53, 64);
        let number = self.random.next();
        let ids = [number as u16, number as u16 ^ 0x5555];
        let wait = self.random.between(200, 30_000) as u32;
        let line = |wait, from, payload| Line { wait, from, flags: 0, payload };
        let lines = vec![
            line(0, 0, dns(ids[0], name, 1, None)),
            line(40, 0, dns(ids[1], name, 28, None)),
            line(wait, 1, dns(ids[0], name, 1, Some(&[ip]))),
            line(60, 1, dns(ids[1], name, 28, Some(&[]))),
        ];
        timeline.add(Script::udp(ends, lines, at, number));
    }
}

/// A server under a name of its own.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: Option<Vec<u8>>,
    pub(super) ip: [u8; 4],
}

impl Service {
    /// Number `number` of the servers that can answer as in `template`, which is number `kind` of those in use.
    pub(super) fn new(template: &Template, kind: usize, number: u64) -> Self {
        let name = template.name.as_ref().map(|old| name(old.len(), number));
        let host = number as u32 + 256 * 4 * kind as u32;
        let [_, _, c, d] = host.to_be_bytes();
        Self { name, ip: [198, 18, c, d] }
    }
}

/// A name of `len` letters.
fn name(len: usize, number: u64) -> Vec<u8> {
    let suffix = if len >= 18 { ".example.net" } else { ".test" };
    let stem = len - suffix.len();
    let text = format!("s{number:x}-");
    format!("{text:z<stem$}{suffix}").into_bytes()
}

/// A DNS query, or its answer with these addresses (RFC 1035 section 4).
pub(super) fn dns(id: u16, name: &[u8], kind: u16, answer: Option<&[[u8; 4]]>) -> Vec<u8> {
    let mut message = Vec::with_capacity(64);
    message.extend_from_slice(&id.to_be_bytes());
    let flags: u16 = if answer.is_some() { 0x8180 } else { 0x0100 };
    let answers = answer.map_or(0, <[[u8; 4]]>::len) as u16;
    for word in [flags, 1, answers, 0, 0] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    for label in name.split(|byte| *byte == b'.') {
        message.push(label.len() as u8);
        message.extend_from_slice(label);
    }
    message.push(0);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    for ip in answer.unwrap_or_default() {
        message.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4]);
        message.extend_from_slice(ip);
    }
    message
}
