//! Few connections that carry much.

use super::cast::{Actor, Service};
use super::conversation::{Casting, Conversation};
use super::random::Random;
use super::recorded::{Recording, Template};
use super::talk::{Plan, Run};
use super::timeline::{Cause, Timeline};
use super::{BASE, SECOND};

/// Bytes of data in each connection.
const DATA: u64 = 238_000_000;
/// Of a thousand segments, how many are lost, doubled or out of order.
const TROUBLE: u64 = 1;

/// Everything starts at the beginning.
pub(super) struct Nothing;

impl Cause for Nothing {
    fn at(&self) -> Option<u64> {
        None
    }

    fn start(&mut self, _: &mut Timeline) {}
}

pub(super) const END: u64 = BASE + 3_600 * SECOND;

/// Four connections of four devices; the first is a FarmBot with its web app.
pub(super) fn open(seed: u64, timeline: &mut Timeline) -> Nothing {
    let clean = Recording::of("farmbot-clean");
    let fetches: Vec<_> = clean.connections(443).filter(|one| !one.is_open()).collect();
    let named = |name: &str| {
        let wanted = |one: &&Template| one.name.as_deref() == Some(name.as_bytes());
        *fetches.iter().find(|one| wanted(&one.as_ref())).expect("the recording has this connection")
    };
    let templates =
        ["my.farm.bot", "device.nerveshub.org", "api.github.com", "raw.githubusercontent.com"].map(named);
    for (number, template) in templates.into_iter().enumerate() {
        let actor = Actor::new(number as u32, [2, 0xfa, 0xb0], "farmbot", seed);
        let service = (number > 0).then(|| Service::new(template, number, number as u64));
        let mut random = Random::of(seed, 100 + number as u64);
        let casting = Casting {
            port: Some(40_000 + number as u16),
            peer: service.as_ref().map(|service| service.ip),
            name: service.and_then(|service| service.name),
            plan: plan(&mut random),
        };
        let at = BASE + number as u64 * 40_000;
        timeline.add(Conversation::new(template, actor.device, casting, at, random));
    }
    Nothing
}

/// Both ways in turn, more to the device.
fn plan(random: &mut Random) -> Plan {
    let mut plan = Plan { trouble: TROUBLE, ..Plan::default() };
    let mut left = DATA;
    while left > 0 {
        let from = usize::from(!random.once_in(4));
        let most = if from == 0 { 1_000_000 } else { 6_000_000 };
        let bytes = random.between(60_000, most).min(left);
        let bytes = if left - bytes < 60_000 { left } else { bytes };
        plan.runs.push_back(Run { wait: random.between(500, 30_000), from, bytes });
        left -= bytes;
    }
    plan
}
