//! A recorded conversation, played by another device at another time.

use std::rc::Rc;

use super::packet::{self, ACK, Ends, FIN, SYN};
use super::random::Random;
use super::recorded::{Kind, Recorded, Template};
use super::talk::{Place, Plan, Talk};
use super::timeline::{Flow, Source};

/// Who plays.
#[derive(Debug, Clone, Copy)]
pub(super) struct Device {
    pub(super) mac: [u8; 6],
    pub(super) ip: [u8; 4],
    /// Takes the place of `farmbot-1234`, wherever that is.
    pub(super) host_name: [u8; 12],
}

/// What differs from the recording.
#[derive(Debug, Clone, Default)]
pub(super) struct Casting {
    /// Takes the place of the caller's port.
    pub(super) port: Option<u16>,
    /// Takes the place of the peer's address.
    pub(super) peer: Option<[u8; 4]>,
    /// Takes the place of the server's name, and is as long.
    pub(super) name: Option<Vec<u8>>,
    pub(super) plan: Plan,
}

/// A conversation on its way.
pub(super) struct Conversation {
    /// The recording and which of its conversations.
    template: Rc<Template>,
    device: Device,
    casting: Casting,
    start: u64,
    /// Microseconds that were put in.
    delay: u64,
    next: usize,
    /// Added to the sequence numbers of each end.
    base: [u32; 2],
    place: Place,
    talk: Option<Talk>,
    random: Random,
}

impl Conversation {
    pub(super) fn new(
        template: &Rc<Template>,
        device: Device,
        casting: Casting,
        start: u64,
        random: Random,
    ) -> Self {
        let mut random = random;
        let base = [random.next() as u32, random.next() as u32];
        let place = Place { next: base, stamp: None, since: start };
        let template = Rc::clone(template);
        Self { template, device, casting, start, delay: 0, next: 0, base, place, talk: None, random }
    }

    fn ends(&self) -> Ends {
        let template = &self.template;
        let peer = self.casting.peer.or(template.peer_ip).unwrap_or_default();
        let mut port = template.port;
        if let Some(new) = self.casting.port {
            port[template.caller] = new;
        }
        Ends {
            mac: [self.device.mac, template.peer_mac],
            ip: [self.device.ip, self.moved(peer)],
            port,
            hops: template.hops,
        }
    }

    /// Where an address of the recording is now: the device's and its network's are the player's.
    fn moved(&self, ip: [u8; 4]) -> [u8; 4] {
        match ip {
            _ if ip == self.template.device_ip => self.device.ip,
            [192, 0, 2, host] => [self.device.ip[0], self.device.ip[1], self.device.ip[2], host],
            _ if Some(ip) == self.template.peer_ip => self.casting.peer.unwrap_or(ip),
            _ => ip,
        }
    }

    fn begin_talk(&mut self) {
        let Some((at, framing)) = self.template.splice else { return };
        if at != self.next {
            return;
        }
        let plan = std::mem::take(&mut self.casting.plan);
        let now = self.time_of(self.next.saturating_sub(1)) + 50;
        let random = Random::new(self.random.next());
        self.talk = Talk::new(self.ends(), framing, plan, self.place, now, random);
    }

    fn time_of(&self, frame: usize) -> u64 {
        self.start + self.delay + self.template.frames[frame].after
    }

    /// Goes on with the recording behind the talk.
    fn end_talk(&mut self, talk: &Talk) {
        for end in 0..2 {
            let said = talk.place().next[end].wrapping_sub(self.place.next[end]);
            self.base[end] = self.base[end].wrapping_add(said);
        }
        self.place = talk.place();
        if let Some(frame) = self.template.frames.get(self.next) {
            let passed = talk.at + 400;
            self.delay = self.delay.max(passed.saturating_sub(self.start + frame.after));
        }
    }

    fn play(&mut self, out: &mut Vec<u8>) {
        let template = Rc::clone(&self.template);
        let frame = &template.frames[self.next];
        out.clear();
        out.extend_from_slice(&frame.bytes);
        for at in [0, 6] {
            replace(&mut out[at..at + 6], &template.device_mac, &self.device.mac);
        }
        match out[12..14] {
            [8, 0] => {
                for at in [26, 30] {
                    let ip = [out[at], out[at + 1], out[at + 2], out[at + 3]];
                    out[at..at + 4].copy_from_slice(&self.moved(ip));
                }
            }
            [0x86, 0xdd] => self.move_ipv6(if template.kind == Kind::Other { out } else { &mut out[..54] }),
            _ => {}
        }
        match template.kind {
            Kind::Tcp => self.play_tcp(frame, out),
            Kind::Udp => self.play_udp(frame, out),
            Kind::Other => self.move_addresses(&mut out[frame.payload..]),
        }
        packet::finish(out);
    }

    /// The device's interface identifier and what is made of it (RFC 4291 appendix A and section 2.7.1).
    fn move_ipv6(&self, frame: &mut [u8]) {
        let identifier = |[a, b, c, d, e, f]: [u8; 6]| [a ^ 2, b, c, 0xff, 0xfe, d, e, f];
        let group = |[_, _, _, d, e, f]: [u8; 6]| [0xff, d, e, f];
        let (old, new) = (self.template.device_mac, self.device.mac);
        replace(frame, &identifier(old), &identifier(new));
        replace(frame, &group(old), &group(new));
        replace(frame, &old, &new);
    }

    /// Addresses and names inside ARP, ICMP and DHCP.
    fn move_addresses(&self, bytes: &mut [u8]) {
        replace(bytes, &self.template.device_mac, &self.device.mac);
        let gateway = [192, 0, 2, 1];
        replace(bytes, &self.template.device_ip, &self.device.ip);
        replace(bytes, &gateway, &self.moved(gateway));
        replace(bytes, &[192, 0, 2, 255], &self.moved([192, 0, 2, 255]));
        replace(bytes, b"farmbot-1234", &self.device.host_name);
    }

    fn put_port(&self, frame: &Recorded, out: &mut [u8]) {
        if let Some(port) = self.casting.port {
            let at = frame.transport + if frame.from == self.template.caller { 0 } else { 2 };
            out[at..at + 2].copy_from_slice(&port.to_be_bytes());
        }
    }

    fn play_tcp(&mut self, frame: &Recorded, out: &mut [u8]) {
        self.put_port(frame, out);
        let (at, from, flags) = (frame.transport, frame.from, frame.flags());
        let seq = add(&mut out[at + 4..at + 8], self.base[from]);
        if flags & ACK != 0 {
            add(&mut out[at + 8..at + 12], self.base[1 - from]);
        }
        if let (Some(new), Some(old)) = (&self.casting.name, &self.template.name) {
            replace(&mut out[frame.payload..], old, new);
        }
        self.play_options(from, &mut out[at + 20..frame.payload]);
        let control = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        let end = seq.wrapping_add(frame.payload().len() as u32).wrapping_add(control);
        if flags & SYN != 0 || end.wrapping_sub(self.place.next[from]) < 1 << 31 {
            self.place.next[from] = end;
        }
    }

    /// Sequence numbers in SACK blocks and the timestamps.
    fn play_options(&mut self, from: usize, mut options: &mut [u8]) {
        let passed = (self.delay / 1_000) as u32;
        while let [kind, rest @ ..] = options {
            match kind {
                0 => return,
                1 => options = rest,
                _ => {
                    let len = usize::from(rest[0]).max(2) - 1;
                    let (option, behind) = rest.split_at_mut(len);
                    let value = &mut option[1..];
                    match kind {
                        5 => value.chunks_exact_mut(4).for_each(|edge| {
                            add(edge, self.base[1 - from]);
                        }),
                        8 => {
                            let (stamp, echo) = value.split_at_mut(4);
                            let stamp = add(stamp, passed);
                            let echo = if echo == [0; 4] { 0 } else { add(echo, passed) };
                            let mut both = self.place.stamp.unwrap_or_default();
                            both[from] = stamp;
                            if echo.wrapping_sub(both[1 - from]) < 1 << 31 {
                                both[1 - from] = echo;
                            }
                            self.place.stamp = Some(both);
                            self.place.since = self.time_of(self.next);
                        }
                        _ => {}
                    }
                    options = behind;
                }
            }
        }
    }

    fn play_udp(&self, frame: &Recorded, out: &mut [u8]) {
        self.put_port(frame, out);
        let payload = &mut out[frame.payload..];
        match self.template.port[1 - self.template.caller] {
            53 => {
                payload[..2]
                    .iter_mut()
                    .zip(self.base[0].to_be_bytes())
                    .for_each(|(byte, with)| *byte ^= with);
            }
            67 | 68 => {
                let with = u32::from_be_bytes(self.device.ip).to_be_bytes();
                payload[4..8].iter_mut().zip(with).for_each(|(byte, with)| *byte ^= with);
                self.move_addresses(payload);
            }
            123 => self.move_time(payload),
            _ => {}
        }
    }

    /// NTP's four timestamps (RFC 5905 section 7.3), as far as they are set.
    fn move_time(&self, payload: &mut [u8]) {
        let passed = i128::from(self.start) - i128::from(self.template.began);
        let fixed = ((passed << 32) / 1_000_000) as u64;
        for field in payload[16..48].chunks_exact_mut(8) {
            let time = u64::from_be_bytes([
                field[0], field[1], field[2], field[3], field[4], field[5], field[6], field[7],
            ]);
            if time != 0 {
                field.copy_from_slice(&time.wrapping_add(fixed).to_be_bytes());
            }
        }
    }
}

impl Source for Conversation {
    fn flow(&self) -> Option<Flow> {
        match self.template.kind {
            Kind::Tcp => Some(Flow::Tcp),
            Kind::Udp => Some(Flow::Udp),
            Kind::Other => None,
        }
    }

    fn at(&self) -> u64 {
        self.talk.as_ref().map_or_else(|| self.time_of(self.next), |talk| talk.at)
    }

    fn emit(&mut self, out: &mut Vec<u8>) -> bool {
        if let Some(mut talk) = self.talk.take() {
            if talk.emit(out) {
                self.talk = Some(talk);
            } else {
                self.end_talk(&talk);
            }
            return self.talk.is_some() || self.next < self.template.frames.len();
        }
        self.play(out);
        self.next += 1;
        self.begin_talk();
        self.talk.is_some() || self.next < self.template.frames.len()
    }
}

/// Adds to a number on the wire, and says what it is now.
fn add(bytes: &mut [u8], more: u32) -> u32 {
    let sum = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).wrapping_add(more);
    bytes.copy_from_slice(&sum.to_be_bytes());
    sum
}

/// Puts `new` wherever `old` is; both are of one length.
fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    debug_assert_eq!(old.len(), new.len(), "nothing may move");
    let mut at = 0;
    while at + old.len() <= bytes.len() {
        if bytes[at..].starts_with(old) {
            bytes[at..at + old.len()].copy_from_slice(new);
            at += old.len();
        } else {
            at += 1;
        }
    }
}
