//! From sums to a protocol, a score and its reasons.

use std::time::Duration;

use super::pairs::Pair;
use super::sizes::Size;
use super::{Alpn, Inference};
use crate::analyzers::tls::fields as f;
use crate::analyzers::{Role, Sink};
use crate::model::Value;

/// Below this nothing is said.
const LEAST_SCORE: u32 = 60;
/// Nor if the next best is as near as this.
const MARGIN: u32 = 15;
/// Inference never reaches certainty.
const MOST: u32 = 95;

/// MQTT: PINGREQ, PINGRESP and DISCONNECT; CONNACK of 3.1 and 3.1.1; the least CONNECT (MQTT
/// 3.1.1 sections 3.1, 3.2, 3.12).
const PING: u16 = 2;
const CONNACK: u16 = 4;
const CONNECT: (u16, u16) = (14, 2000);
/// CONNACK of MQTT 5.0 with its properties is hardly longer (section 3.2).
const CONNACK_5: u16 = 64;
/// WebSocket: the least request to upgrade and its least answer (RFC 6455 sections 1.3, 4.1 and 4.2.2), and what servers
/// add to it at most.
const UPGRADE: u16 = 110;
const SWITCHING: (u16, u16) = (129, 700);
/// HTTP/2 PING (RFC 9113 section 6.7).
const PING_2: u16 = 17;

/// Points and reasons for one protocol.
#[derive(Debug, Default)]
struct Case {
    score: u32,
    reasons: Vec<String>,
    keep_alive: Option<Duration>,
}

impl Case {
    fn add(&mut self, points: u32, reason: impl Into<String>) {
        self.score = self.score.saturating_add(points);
        self.reasons.push(reason.into());
    }
}

impl Inference {
    /// Says what is inferred, if anything is.
    pub(in crate::analyzers::tls) fn judge(&self, sink: &mut Sink) {
        if let Some((word, case)) = self.best() {
            sink.fact_at(self.seen, &f::INSIDE, Value::Word(word));
            sink.fact_at(self.seen, &f::INSIDE_SCORE, Value::Uint(u64::from(case.score.min(MOST))));
            for reason in case.reasons {
                sink.fact_at(self.seen, &f::INSIDE_FEATURES, Value::Text(reason.into()));
            }
            self.say_period(case.keep_alive, sink);
        } else if !self.is_padded() {
            let regular = self.pairs.iter().filter(|pair| pair.period().is_some());
            self.say_period(regular.min_by_key(|pair| pair.client.high).and_then(Pair::period), sink);
        }
    }

    fn say_period(&self, period: Option<Duration>, sink: &mut Sink) {
        if let Some(period) = period {
            sink.fact_at(self.seen, &f::INSIDE_KEEP_ALIVE, Value::Span(period));
        }
    }

    /// The protocol that fits best, if it fits well and no other does nearly as well.
    fn best(&self) -> Option<(&'static str, Case)> {
        let cases = [("mqtt", self.mqtt()), ("websocket", self.websocket()), ("http", self.http())];
        let mut cases: Vec<_> = cases.into_iter().filter_map(|(word, case)| Some((word, case?))).collect();
        cases.sort_by_key(|(_, case)| std::cmp::Reverse(case.score));
        let next = cases.get(1).map_or(0, |(_, next)| next.score);
        let clear = |case: &Case| case.score >= LEAST_SCORE && next.saturating_add(MARGIN) <= case.score;
        cases.into_iter().next().filter(|(_, best)| clear(best))
    }

    fn first_asked(&self) -> Option<Size> {
        self.asked().first().copied()
    }

    fn mqtt(&self) -> Option<Case> {
        let mut case = Case::default();
        let chosen_other = !self.chosen.is_none() && !self.chosen.mqtt;
        if chosen_other || self.server_first {
            return None;
        }
        if self.chosen.mqtt {
            case.add(80, "ALPN chosen");
        } else if self.offered.only_mqtt() {
            case.add(70, "only ALPN offered");
        } else if self.offered.mqtt {
            case.add(20, "ALPN offered");
        }
        if self.is_padded() {
            return Some(case);
        }
        let first = self.first_asked()?;
        if !first.may_be_within(CONNECT.0, CONNECT.1) {
            return None;
        }
        let answers = self.answered();
        if answers.iter().any(|size| size.is(CONNACK)) {
            case.add(45, format!("first {} answered by 4 (CONNACK)", text(first)));
        } else if answers.iter().any(|size| !size.is_exact() && size.may_be(CONNACK)) {
            case.add(20, format!("first {} answered by at most 15", text(first)));
        } else if answers.iter().any(|size| size.high <= CONNACK_5) {
            case.add(15, format!("first {} answered by less than {}", text(first), CONNACK_5));
        } else {
            return (case.score > 0).then_some(case);
        }
        if self.acknowledged > 0 {
            case.add(10, format!("{} answers of 4 to 6 (acknowledgements)", self.acknowledged));
        }
        self.mqtt_pings(first, &mut case);
        if self.farewell {
            case.add(20, "last 2, unanswered (DISCONNECT)");
        }
        Some(case)
    }

    fn mqtt_pings(&self, first: Size, case: &mut Case) {
        let is_ping = |pair: &&Pair| {
            let two = pair.client.may_be(PING) && pair.server.may_be(PING);
            // In blocks a ping cannot be told from other short commands, but CONNECT is longer than it.
            pair.begun_by == Role::Client && two && (pair.is_exact() || first.low > pair.client.high)
        };
        let Some(pings) = self.pairs.iter().filter(is_ping).max_by_key(|pair| pair.count) else { return };
        // So many lengths share a block that this alone must not name anything.
        let points = match (pings.is_exact(), pings.count) {
            (true, 2..) => 45,
            (true, _) => 25,
            (false, 2..) => 20,
            (false, _) => 5,
        };
        case.add(
            points,
            format!("pings {} and {}, {} times", text(pings.client), text(pings.server), pings.count),
        );
        // Other traffic delays pings, so the shortest time is nearest; a goodbye of TLS 1.3 looks like one more.
        let period = pings.period();
        case.keep_alive = period.or_else(|| pings.least_span().filter(|_| pings.is_exact()));
        if period.is_some() {
            case.add(15, "pings regular");
        }
    }

    fn websocket(&self) -> Option<Case> {
        let mut case = Case::default();
        // Over HTTP/2 (RFC 8441) it cannot be told from what else is there.
        let other = Alpn { http1: false, ..self.chosen };
        if !other.is_none() || self.offered.only_mqtt() || self.offered.http2 && !self.chosen.http1 {
            return None;
        }
        let first = self.first_asked()?;
        let answer = self.answer()?;
        let upgrade = first.high >= UPGRADE && answer.may_be_within(SWITCHING.0, SWITCHING.1);
        if !upgrade || self.server_first || self.is_padded() || self.server_tiny > 0 {
            return None;
        }
        // The last one may be an alert of TLS 1.3.
        if self.client_tiny > u16::from(self.sizes.may_be_padded()) {
            return None;
        }
        case.add(25, format!("first {} answered by {} (upgrade)", text(first), text(answer)));
        if self.chosen.http1 || self.offered.http1 {
            case.add(10, "ALPN http/1.1");
        }
        self.masked(&mut case);
        if self.client_short >= 2 {
            case.add(15, format!("client begins {} times too short for a request", self.client_short));
        }
        if self.server_short >= 2 {
            case.add(10, format!("server answers {} times too short for HTTP", self.server_short));
        }
        if self.pushed_between >= 2 {
            case.add(10, "both speak unasked");
        }
        Some(case)
    }

    /// Pairs of which the client's is longer by a masking key.
    fn masked(&self, case: &mut Case) {
        let masked = || self.pairs.iter().filter(|pair| pair.may_be_masked());
        let count: u32 = masked().map(|pair| pair.count).fold(0, u32::saturating_add);
        // Either most pairs differ by four, or the same two lengths do again and again.
        let same = masked().filter(|pair| pair.is_exact()).map(|pair| pair.count).max().unwrap_or_default();
        let most = count.saturating_mul(3) >= self.pairs.count.saturating_mul(2);
        if count < 1 || !most && same < 3 {
            return;
        }
        let exact = masked().all(Pair::is_exact);
        let points = match (exact, count) {
            (true, 2..) => 40,
            (true, _) => 20,
            (false, _) => 5,
        };
        case.add(points, format!("{count} short exchanges, the client's longer by 4 (masked)"));
        let pings = masked().filter(|pair| pair.period().is_some()).min_by_key(|pair| pair.client.high);
        case.keep_alive = pings.and_then(Pair::period);
        if case.keep_alive.is_some() && exact {
            case.add(15, "exchanges regular");
        }
    }

    fn http(&self) -> Option<Case> {
        let mut case = Case::default();
        let first = self.first_asked()?;
        let chosen = self.chosen;
        if chosen.mqtt || chosen.other || self.offered.only_mqtt() {
            return None;
        }
        let http2 = chosen.http2 || self.offered.http2 && !chosen.http1;
        if chosen.http2 {
            case.add(80, "ALPN h2 chosen");
        } else if chosen.http1 {
            case.add(40, "ALPN http/1.1 chosen");
        } else if self.offered.http2 && !self.offered.mqtt {
            case.add(60, "ALPN h2 offered");
        } else if self.offered.http1 && !self.offered.mqtt {
            case.add(20, "only ALPN http/1.1 offered");
        }
        if http2 {
            let is_ping = |pair: &&Pair| pair.client.is(PING_2) && pair.server.is(PING_2);
            if let Some(pings) = self.pairs.iter().find(is_ping) {
                case.add(15, format!("pings 17 and 17, {} times", pings.count));
                case.keep_alive = pings.period();
            }
            return Some(case);
        }
        if self.is_padded() {
            return Some(case);
        }
        let request = first.low >= 40 && !self.server_first;
        if !request || self.client_short > 0 || self.server_short > 0 || self.client_tiny > 1 {
            return None;
        }
        let [client, server] = self.bytes;
        if server >= 16_384 && server / 10 > client {
            case.add(20, "download");
        }
        let exchanges = self.client_long.min(self.server_long);
        let unlike = self.client_middle.saturating_add(self.server_middle);
        if exchanges >= 2 && unlike.saturating_mul(5) <= exchanges && self.pushed_between == 0 {
            case.add(30, format!("{exchanges} further requests of the same kind, each answered at length"));
        }
        if self.answer().is_some_and(|answer| answer.low >= 100) {
            case.add(20, format!("first {} answered at length", text(first)));
        }
        Some(case)
    }
}

/// A length, or what is known of it.
fn text(size: Size) -> String {
    if size.is_exact() { size.low.to_string() } else { format!("{} to {}", size.low, size.high) }
}
