//! An hour of a site with thousands of devices of many kinds, some of them FarmBots.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use super::cast::{Actor, Service};
use super::random::Random;
use super::recorded::{Kind, Recording, Template};
use super::talk::{Plan, Run};
use super::timeline::{Cause, Timeline};
use super::{BASE, SECOND};

const DEVICES: u32 = 4_000;
/// One in so many is a FarmBot.
const FARMBOTS: u32 = 100;
/// Different servers for each kind of conversation.
const SERVICES: u64 = 400;
pub(super) const END: u64 = BASE + 3_600 * SECOND;
/// What each run has more in the capture of double length, besides twice its data: as much as there is around it, so
/// that bytes and frames are both doubled.
const MORE_BYTES: u64 = 2_250;
const MORE_PINGS: u64 = 6;
/// How often FarmBots play each of these.
const FARMBOT_CASES: [(&str, usize); 8] = [
    ("farmbot-clean", 24),
    ("farmbot-faults", 6),
    ("farmbot-websocket", 2),
    ("farmbot-dual-stack", 2),
    ("farmbot-old-firmware", 2),
    ("farmbot-lossy", 2),
    ("farmbot-refused", 1),
    ("farmbot-bad-time", 1),
];

/// What a device is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Plays this recording once and keeps its connections open.
    FarmBot(usize),
    Imp,
    SmartServer,
    /// Fetches and sends much over TLS.
    Camera,
    /// Keeps MQTT over TLS open.
    Sensor,
    /// Says short things by MQTT in the clear.
    Meter,
    /// Talks over WebSocket, in the clear and in TLS.
    Panel,
}

/// All devices, by when each does something next.
pub(super) struct Mixed {
    next: BinaryHeap<Reverse<(u64, usize)>>,
    actors: Vec<(Actor, Role, u32)>,
    farmbots: Vec<Recording>,
    imp: Recording,
    smartserver: Recording,
    /// What every device does at its start and now and then.
    start: Vec<Rc<Template>>,
    clock: Rc<Template>,
    /// Conversations with services, by role.
    fetches: Vec<Rc<Template>>,
    brokers: Vec<Rc<Template>>,
    plain_brokers: Vec<Rc<Template>>,
    sockets: Vec<Rc<Template>>,
    imp_servers: Vec<Rc<Template>>,
    /// 1, or 2 for twice as much to say on the same connections.
    length: u64,
}

impl Mixed {
    pub(super) fn new(seed: u64, length: u64) -> Self {
        let of = |case: &str, ports: &[u16]| {
            let recording = Recording::of(case);
            let all = ports.iter().flat_map(|port| recording.connections(*port).cloned().collect::<Vec<_>>());
            all.collect::<Vec<_>>()
        };
        let clean = Recording::of("farmbot-clean");
        let is_open = |one: &Rc<Template>| one.is_open();
        let (tls_sockets, mut fetches): (Vec<_>, Vec<_>) =
            of("farmbot-clean", &[443]).into_iter().partition(is_open);
        fetches.extend(of("farmbot-faults", &[443]).into_iter().filter(|one| !one.is_open()));
        for case in ["fortrabbit-egress", "smartserver-clean", "imp-bad"] {
            fetches.extend(of(case, &[443]));
        }
        let mut sockets =
            [of("farmbot-websocket", &[80, 8080]), of("smartserver-websocket", &[8088])].concat();
        sockets.extend(tls_sockets);
        let start = clean.templates.iter().filter(|one| one.kind == Kind::Other || one.port.contains(&67));
        let clock = clean.templates.iter().find(|one| one.port[1] == 123 && one.frames.len() == 2);
        let mut mixed = Self {
            next: BinaryHeap::new(),
            actors: Vec::new(),
            farmbots: FARMBOT_CASES.iter().map(|(case, _)| Recording::of(case)).collect(),
            imp: Recording::of("imp-bad"),
            smartserver: Recording::of("smartserver-clean"),
            start: start.cloned().collect(),
            clock: Rc::clone(clock.expect("an NTP exchange")),
            fetches,
            brokers: of("farmbot-clean", &[8883]),
            plain_brokers: of("farmbot-faults", &[1883]),
            sockets,
            imp_servers: of("imp-bad", &[31314]),
            length,
        };
        for number in 0..DEVICES {
            mixed.enrol(number, seed);
        }
        mixed
    }

    fn enrol(&mut self, number: u32, seed: u64) {
        let mut random = Random::of(seed, 1_000_000 + u64::from(number));
        let role = if number.is_multiple_of(FARMBOTS) {
            let mut cases = FARMBOT_CASES.iter().enumerate().flat_map(|(at, (_, times))| vec![at; *times]);
            Role::FarmBot(cases.nth((number / FARMBOTS) as usize).unwrap_or(0))
        } else {
            match random.below(100) {
                0..30 => Role::Camera,
                30..58 => Role::Sensor,
                58..72 => Role::Meter,
                72..84 => Role::Panel,
                84..94 => Role::Imp,
                _ => Role::SmartServer,
            }
        };
        let (oui, name) = match role {
            Role::FarmBot(_) => ([2, 0xfa, 0xb0], "farmbot"),
            Role::Imp => ([2, 0x1a, 0x69], "imp"),
            Role::SmartServer => ([2, 0x5a, 0x11], "server"),
            _ => ([2, 0, 0x5f], "thing"),
        };
        let actor = Actor::new(number, oui, name, seed);
        self.next.push(Reverse((BASE + random.below(600 * SECOND), self.actors.len())));
        self.actors.push((actor, role, 0));
    }

    /// What the device does for the `turn`-th time; 0 is its start.
    fn act(&self, actor: &mut Actor, role: Role, turn: u32, at: u64, timeline: &mut Timeline) {
        match (role, turn) {
            (Role::FarmBot(case), _) => {
                actor.play_all(&self.farmbots[case], at, timeline, |one, at| self.farmbot_plan(one, at));
            }
            (Role::Imp, 0) => actor.play_all(&self.imp, at, timeline, |_, _| Plan::default()),
            (Role::SmartServer, 0) => actor.play_all(&self.smartserver, at, timeline, |_, _| Plan::default()),
            (_, 0) => {
                for template in &self.start {
                    actor.play(template, None, Plan::default(), at + template.offset, timeline);
                }
            }
            (_, turn) if turn % 4 == 1 => {
                for more in 0..4 {
                    let at = at + more * 2 * SECOND;
                    actor.play(&self.clock, None, Plan::default(), at, timeline);
                }
            }
            (Role::Sensor, 2) => self.visit(actor, (&self.brokers, 16), at, timeline),
            (Role::Camera | Role::SmartServer | Role::Sensor, _) => {
                self.visit(actor, (&self.fetches, 0), at, timeline);
            }
            (Role::Meter, _) => self.visit(actor, (&self.plain_brokers, 18), at, timeline),
            (Role::Panel, _) => self.visit(actor, (&self.sockets, 20), at, timeline),
            (Role::Imp, _) => self.visit(actor, (&self.imp_servers, 30), at, timeline),
        }
    }

    /// Looks a service up and talks to it.
    fn visit(
        &self,
        actor: &mut Actor,
        (templates, base): (&[Rc<Template>], usize),
        at: u64,
        timeline: &mut Timeline,
    ) {
        let kind = actor.random.below(templates.len() as u64) as usize;
        let template = &templates[kind];
        let number = actor.random.below(SERVICES);
        let service = Service::new(template, base + kind, number);
        if let Some(name) = &service.name {
            actor.look_up(name, service.ip, at, timeline);
        }
        let plan = self.plan(template, at, &mut actor.random);
        actor.play(template, Some(&service), plan, at + 45_000, timeline);
    }

    fn plan(&self, template: &Template, at: u64, random: &mut Random) -> Plan {
        let mut plan = Plan { ping: ping(template), period: 50 * SECOND, ..Plan::default() };
        let long = template.is_open();
        if long {
            let until_end = (END - at) / plan.period;
            let stays = if random.once_in(3) { until_end } else { random.below(until_end / 2 + 1) };
            plan.pings = (stays * self.length) as u32;
            plan.period /= self.length;
        }
        let more = self.length - 1;
        let runs = if long { 2 } else { 1 + random.below(3) };
        for _ in 0..runs {
            let down = random.between(0, 100) < 72;
            let bytes = volume(random);
            let wait = random.between(100, 80_000);
            plan.runs.push_back(Run { wait, from: 0, bytes: random.between(200, 900) });
            plan.runs.push_back(Run {
                wait,
                from: usize::from(down),
                bytes: bytes + more * (bytes + MORE_BYTES),
            });
            for _ in 0..more * MORE_PINGS {
                let [ping, answer] = plan.ping;
                plan.runs.push_back(Run { wait, from: 0, bytes: ping });
                plan.runs.push_back(Run { wait: 250, from: 1, bytes: answer });
            }
        }
        plan
    }

    /// FarmBots keep their connections open, and fetch a little.
    fn farmbot_plan(&self, template: &Template, at: u64) -> Plan {
        if !template.is_open() {
            return Plan::default();
        }
        let period = if template.port[1] == 8883 { 15 * SECOND } else { 20 * SECOND };
        let behind = template.frames.last().map_or(0, |frame| frame.after);
        let pings = (END.saturating_sub(at + behind) / period * self.length) as u32;
        Plan { pings, period: period / self.length, ping: ping(template), ..Plan::default() }
    }
}

/// Bytes of a ping and its answer, as the recordings show them.
fn ping(template: &Template) -> [u64; 2] {
    match template.port[1] {
        8883 => [24, 24],
        1883 => [2, 2],
        443 => [32, 28],
        _ => [33, 30],
    }
}

/// Most transfers are small, most bytes are in large ones.
fn volume(random: &mut Random) -> u64 {
    match random.below(1_000) {
        0..870 => random.between(600, 4_000),
        870..980 => random.between(4_000, 30_000),
        980..999 => random.between(30_000, 230_000),
        _ => random.between(250_000, 3_800_000),
    }
}

impl Cause for Mixed {
    fn at(&self) -> Option<u64> {
        self.next.peek().map(|Reverse((at, _))| *at)
    }

    fn start(&mut self, timeline: &mut Timeline) {
        let Some(Reverse((at, number))) = self.next.pop() else { return };
        let role = self.actors[number].1;
        let turn = self.actors[number].2;
        let mut actors = std::mem::take(&mut self.actors);
        self.act(&mut actors[number].0, role, turn, at, timeline);
        self.actors = actors;
        self.actors[number].2 += 1;
        if matches!(role, Role::FarmBot(_)) {
            return;
        }
        let random = &mut self.actors[number].0.random;
        let wait = if turn == 0 { random.between(4, 20) } else { random.between(120, 420) };
        self.next.push(Reverse((at + wait * SECOND + random.below(SECOND), number)));
    }
}
