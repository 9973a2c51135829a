//! How the device is to be recognised next time: by what it says of itself and no other host of the capture says.

use std::collections::BTreeSet;

use crate::model::MacAddr;
use crate::naming::hosts::Host;
use crate::profile::Identify;

/// Longer words of a host are not written down.
const MAX_TEXT: usize = 128;

/// What recognises `device` among `hosts`, and what else it says, for a comment.
///
/// Its own name or the URL of its usage description is enough; where it has neither, its manufacturer's part of the MAC
/// address stands in, and where that is made up, what it tells DHCP of its software.
pub(super) fn identify(device: &Host, hosts: &[&Host]) -> (Identify, Vec<String>) {
    let alone = |has: &dyn Fn(&Host) -> bool| hosts.iter().filter(|host| has(host)).count() <= 1;
    let own = |all: &BTreeSet<String>, of: fn(&Host) -> &BTreeSet<String>| -> Vec<String> {
        let plain = all.iter().filter(|text| is_plain(text));
        plain
            .filter(|text| alone(&|host| of(host).iter().any(|other| other.eq_ignore_ascii_case(text))))
            .cloned()
            .collect()
    };
    let lower = |texts: Vec<String>| {
        let mut texts: Vec<String> = texts.into_iter().map(|text| text.to_lowercase()).collect();
        texts.dedup();
        texts
    };
    let host_names = lower(own(&device.host_names, |host| &host.host_names));
    // A URL is fetched by whoever reads the profile: its case matters.
    let mud_urls: Vec<String> = own(&device.mud_urls, |host| &host.mud_urls);
    let vendor_classes = lower(own(&device.vendor_classes, |host| &host.vendor_classes));
    let oui = device.mac.filter(|mac| is_assigned(*mac)).map(MacAddr::oui);
    let ouis: Vec<[u8; 3]> =
        oui.into_iter().filter(|oui| alone(&|host| host.mac.is_some_and(|mac| mac.oui() == *oui))).collect();
    let (nameless, by_class) = (mud_urls.is_empty() && host_names.is_empty(), ouis.is_empty());
    let mut said = Vec::new();
    if !nameless || !by_class {
        said.extend(vendor_classes.iter().map(|class| format!("DHCP vendor class {class}")));
    }
    if !nameless {
        said.extend(ouis.iter().map(|[a, b, c]| format!("OUI {a:02x}:{b:02x}:{c:02x}")));
    }
    let identify = Identify {
        dhcp_host_names: host_names,
        mud_urls,
        dhcp_vendor_classes: if nameless && by_class { vendor_classes } else { Vec::new() },
        ouis: if nameless { ouis } else { Vec::new() },
        ..Identify::default()
    };
    (identify, said)
}

/// Whether it recognises anybody.
pub(super) fn is_empty(identify: &Identify) -> bool {
    identify.dhcp_host_names.is_empty()
        && identify.mud_urls.is_empty()
        && identify.dhcp_vendor_classes.is_empty()
        && identify.ouis.is_empty()
}

/// One host's own, and not made up by it: neither of the two lowest bits is set (IEEE 802-2014 section 8.2.2).
fn is_assigned(mac: MacAddr) -> bool {
    let [first, ..] = mac.0;
    first.trailing_zeros() >= 2
}

/// Text that means itself as a pattern, and that people can read.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_TEXT
        && text.trim() == text
        && text.bytes().all(|byte| matches!(byte, b'!'..=b'~' | b' ') && byte != b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, class: &str, mac: [u8; 6]) -> Host {
        let set = |text: &str| if text.is_empty() { BTreeSet::default() } else { [text.to_owned()].into() };
        Host { mac: Some(MacAddr(mac)), host_names: set(name), vendor_classes: set(class), ..Host::default() }
    }

    #[test]
    fn a_name_of_its_own_is_enough_and_the_rest_is_told() {
        let hosts = [
            host("Bulb-1", "udhcp 1.2", [0, 1, 2, 3, 4, 5]),
            host("bulb-2", "udhcp 1.2", [0, 9, 9, 0, 0, 0]),
        ];
        let (identify, said) = identify(&hosts[0], &hosts.iter().collect::<Vec<_>>());
        assert_eq!(identify.dhcp_host_names, ["bulb-1"]);
        assert!(identify.ouis.is_empty() && identify.dhcp_vendor_classes.is_empty());
        assert_eq!(said, ["OUI 00:01:02"], "the class is that of both");
    }

    #[test]
    fn what_another_host_says_too_recognises_nobody() {
        let hosts = [host("espressif", "", [2, 1, 2, 3, 4, 5]), host("espressif", "", [0, 1, 2, 3, 4, 6])];
        let (identify, _) = identify(&hosts[0], &hosts.iter().collect::<Vec<_>>());
        assert!(is_empty(&identify), "{identify:?}");
    }

    #[test]
    fn a_name_that_would_be_a_pattern_is_not_taken() {
        let hosts = [host("*", "", [2, 1, 2, 3, 4, 5])];
        assert!(is_empty(&identify(&hosts[0], &hosts.iter().collect::<Vec<_>>()).0));
    }
}
