//! What a claim that an access list makes says, in a sentence; the same for the same claim.

use super::Class;
use super::lints::shown;
use crate::model::Transport;
use crate::model::finding::Way;
use crate::profile::{FlowRule, Level, Peer, Ports};

/// `may connect to www.example.com on 443/tcp`
pub(super) fn of(level: Level, rule: &FlowRule, class: impl Fn(&str) -> Option<Class>) -> String {
    let peers: Vec<String> = rule.peers.iter().map(|peer| peer_text(peer, &class)).collect();
    let peers = if peers.is_empty() { "anyone".to_owned() } else { peers.join(" or ") };
    let may = if level == Level::Forbidden { "must not" } else { "may" };
    let connects = matches!(rule.transports.as_slice(), [Transport::Tcp]);
    let what = match rule.way {
        Some(Way::Out) if connects => format!("{may} connect to {peers}"),
        Some(Way::Out) => format!("{may} send to {peers}"),
        Some(Way::In) if connects => format!("{may} be connected to by {peers}"),
        Some(Way::In) => format!("{may} be sent to by {peers}"),
        _ => format!("{may} exchange data with {peers}"),
    };
    let title = match (rule.transports.as_slice(), &rule.ports) {
        ([], Ports::Any) => format!("{what} over any protocol"),
        ([], ports) => format!("{what} on port {ports}"),
        ([Transport::Icmp, Transport::Icmpv6], _) => format!("{what} over ICMP and ICMPv6"),
        ([Transport::Icmp], _) => format!("{what} over ICMP"),
        ([Transport::Icmpv6], _) => format!("{what} over ICMPv6"),
        (transports, ports) => {
            let names: Vec<String> = transports.iter().map(ToString::to_string).collect();
            let names = names.join("+");
            if *ports == Ports::Any {
                format!("{what} over {names}")
            } else {
                format!("{what} on {ports}/{names}")
            }
        }
    };
    shown(&title, 200)
}

fn peer_text(peer: &Peer, class: &impl Fn(&str) -> Option<Class>) -> String {
    match peer {
        Peer::Local => "the local network".to_owned(),
        Peer::List(set) if set.dated.is_empty() => match class(&set.name) {
            Some(class) => class_text(&class),
            None => peer.to_string(),
        },
        _ => peer.to_string(),
    }
}

/// What a class of peers is, for titles and for the help of its parameter.
pub(super) fn class_text(class: &Class) -> String {
    match class {
        Class::Controller(name) => match name.as_str() {
            super::classes::DNS => "the DNS servers".to_owned(),
            super::classes::NTP => "the NTP servers".to_owned(),
            super::classes::GATEWAY => "the gateway".to_owned(),
            name => format!("the controllers {}", shown(name, 100)),
        },
        Class::MyController => "its own controllers".to_owned(),
        Class::SameManufacturer => "devices of the same manufacturer".to_owned(),
        Class::Manufacturer(name) => format!("devices of the manufacturer {}", shown(name, 100)),
        Class::Model(name) => format!("devices of the model {}", shown(name, 100)),
    }
}
