//! Every key of the two files that a site writes beside profiles: the inventory, and waivers.

use super::forms::{
    ADDRESS, CODE, DAY, FINDING_ID, ID, MAC, NETWORK, OPTION, OUI, SHORT, TEXT, TRANSPORT, VLAN, WAIVED_PEER,
    WAIVED_PORTS,
};
use super::keys::{may, must};
use super::{Mapping, UNLISTED, Value, WAY_WORDS, words};

pub(in crate::profile) static INVENTORY: Mapping = Mapping {
    name: "inventory",
    doc: "Which device of a site is judged by which profile, and what the site binds for all of them.",
    one_of: &[],
    some: true,
    keys: &[
        must("version", "The version of this format.", Value::Word(|| vec![super::VERSION])),
        must("inventory", "What reports call the fleet.", Value::One(&SHORT)),
        may("site", "What holds for every device of the site.", Value::Map(&SITE)),
        may(
            "unlisted",
            "How bad a device is that no entry matches; `ignore` gives it no row, else it is `info`.",
            Value::Word(|| words(UNLISTED).collect()),
        ),
        must(
            "devices",
            "Who is who: each entry matches a device or a class of them.",
            Value::List(&Value::Map(&DEVICE)),
        ),
    ],
};

pub(in crate::profile) static SITE: Mapping = Mapping {
    name: "site",
    doc: "What a site says of itself; what it does not say is taken from the capture.",
    one_of: &[],
    some: false,
    keys: &[
        may(
            "local_networks",
            "Prefixes that are local to every device, beside the network it is in.",
            Value::Some(&NETWORK),
        ),
        may(
            "resolvers",
            "The resolvers that devices may ask, whatever DHCP hands out.",
            Value::Some(&ADDRESS),
        ),
        may("ntp_servers", "Where devices may get the time.", Value::Some(&ADDRESS)),
        may(
            "set",
            "Values of parameters, for every profile that has such a parameter.",
            Value::Named(&TEXT, &Value::Some(&TEXT)),
        ),
    ],
};

pub(in crate::profile) static DEVICE: Mapping = Mapping {
    name: "device",
    doc: "A device, or a class of devices, and what judges it.",
    one_of: &[],
    some: true,
    keys: &[
        may("name", "What reports call it.", Value::One(&SHORT)),
        must("match", "Which devices: all keys that are given must hold.", Value::Map(&FITS)),
        must("profile", "A built-in profile, or a file relative to the inventory.", Value::One(&TEXT)),
        may("variant", "Options of the profile's variants.", Value::Some(&OPTION)),
        may("subject", "As whom it is judged, such as `browser`; else as the device.", Value::One(&TEXT)),
        may("set", "Values of the profile's parameters.", Value::Named(&TEXT, &Value::Some(&TEXT))),
    ],
};

pub(in crate::profile) static FITS: Mapping = Mapping {
    name: "fits",
    doc: "What is known of a device: of each key that is given, one value must hold.",
    one_of: &[],
    some: true,
    keys: &[
        may("mac", "Its MAC address.", Value::Some(&MAC)),
        may("ip", "An address that it has.", Value::Some(&ADDRESS)),
        may(
            "mud_url",
            "The URL of its MUD file, as it states it; `*` is any run of letters.",
            Value::Some(&TEXT),
        ),
        may("dhcp_host_name", "Its DHCP host name; `*` is any run of letters.", Value::Some(&TEXT)),
        may("dhcp_vendor_class", "Its DHCP vendor class; `*` is any run of letters.", Value::Some(&TEXT)),
        may("prefix", "A network that one of its addresses is in.", Value::Some(&NETWORK)),
        may("vlan", "The VLAN of its frames.", Value::Some(&VLAN)),
        may("oui", "The first three bytes of its MAC address.", Value::Some(&OUI)),
    ],
};

pub(in crate::profile) static WAIVERS: Mapping = Mapping {
    name: "waivers",
    doc: "Deviations that somebody has accepted, why, and until when.",
    one_of: &[],
    some: true,
    keys: &[
        must("version", "The version of this format.", Value::Word(|| vec![super::VERSION])),
        // A file whose last waiver was taken out is a file of no waivers.
        must(
            "waivers",
            "The waivers; of two that fit, the first counts.",
            Value::Either(&[Value::List(&Value::Map(&WAIVER)), Value::Nothing]),
        ),
    ],
};

pub(in crate::profile) static WAIVER: Mapping = Mapping {
    name: "waiver",
    doc: "One accepted deviation.",
    one_of: &[],
    some: true,
    keys: &[
        must("id", "What the table calls it; unique in all files of a run.", Value::One(&TEXT)),
        must("match", "Which findings: all keys that are given must hold.", Value::Map(&MATCH)),
        must("reason", "Say why this deviation is acceptable until it expires.", Value::One(&TEXT)),
        must("owner", "Say who answers for it, a person or a team.", Value::One(&TEXT)),
        must("expires", "The last day on which it is valid, UTC.", Value::One(&DAY)),
    ],
};

pub(in crate::profile) static MATCH: Mapping = Mapping {
    name: "match",
    doc: "What a finding must be: of each key that is given, one value must hold.",
    one_of: &[],
    some: true,
    keys: &[
        may("code", "What was found, as the table has it.", Value::Some(&CODE)),
        may("profile", "The name of the profile.", Value::Some(&TEXT)),
        may("claim", "The id of the claim.", Value::Some(&ID)),
        may("device", "The device's name, MAC address, OUI, address or prefix.", Value::Some(&TEXT)),
        may("peer", "The peer's name or wildcard, address or prefix.", Value::Some(&WAIVED_PEER)),
        may("port", "The responder's port, or a range.", Value::Some(&WAIVED_PORTS)),
        may("transport", "The transport, as the table has it.", Value::Some(&TRANSPORT)),
        may("direction", "By who sent the first packet.", Value::Words(|| words(WAY_WORDS).collect())),
        may("observed", "The observed value; `*` is any run of letters.", Value::Some(&TEXT)),
        may("finding_id", "This one finding.", Value::Some(&FINDING_ID)),
    ],
};
