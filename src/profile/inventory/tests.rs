use std::path::Path;

use super::*;

fn read(text: &str) -> Result<Inventory> {
    Inventory::from_str(text, "campus.yaml", Path::new(""))
}

fn problems(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

const HEAD: &str = "version: 1\ninventory: campus\n";

#[test]
fn everything_that_an_entry_may_say_is_read() {
    let text = format!(
        "{HEAD}unlisted: error
site:
  local_networks: [10.0.0.0/8, '2001:db8::/32']
  resolvers: 10.0.0.53
  ntp_servers: [10.0.0.123]
  set: {{ssh_key: false}}
devices:
  - name: bot
    match: {{mac: 02-00-5E-10-00-01, vlan: [3, 4]}}
    profile: farmbot
    set: {{fbos: 13.0.2}}
    subject: device
  - match: {{oui: 02:00:5e, prefix: 10.1.0.0/16, ip: '2001:db8::7', dhcp_host_name: Bot*, dhcp_vendor_class: x*, mud_url: 'https://*'}}
    profile: farmbot
    set: {{ssh_key: true}}
"
    );
    let inventory = read(&text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((inventory.name.as_str(), inventory.unlisted), ("campus", Some(Severity::Error)));
    assert_eq!(inventory.site.local_networks.len(), 2);
    assert_eq!(inventory.site.resolvers, BTreeSet::from(["10.0.0.53".parse().unwrap()]));
    let [bot, class] = inventory.entries.as_slice() else { panic!() };
    assert_eq!((bot.name.as_deref(), bot.line), (Some("bot"), 10));
    assert_eq!(bot.fits.to_string(), "mac 02:00:5e:10:00:01, vlan 3 or 4");
    assert_eq!(
        class.title(),
        "ip 2001:db8::7, mud_url https://*, dhcp_host_name bot*, dhcp_vendor_class x*, prefix 10.1.0.0/16, oui 02:00:5e"
    );
    // The entry's own value beats the site's.
    let ssh = |entry: &Entry| inventory.choices[entry.choice].sets.clone();
    assert_eq!(
        ssh(bot),
        [("fbos", "13.0.2"), ("ssh_key", "false")].map(|(name, value)| (name.into(), value.into()))
    );
    assert_eq!(ssh(class), [(String::from("ssh_key"), String::from("true"))]);
    assert_eq!(inventory.notes, [""; 0]);
}

#[test]
fn what_is_chosen_alike_is_bound_once() {
    let text = format!(
        "{HEAD}devices:\n  - {{match: {{ip: 10.0.0.1}}, profile: farmbot}}\n  - {{match: {{ip: 10.0.0.2}}, profile: farmbot}}\n  - {{match: {{ip: 10.0.0.3}}, profile: smartserver}}\n"
    );
    let inventory = read(&text).unwrap();
    assert_eq!(inventory.entries.iter().map(|entry| entry.choice).collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!(inventory.choices.len(), 2);
    assert_eq!(inventory.unlisted, Some(Severity::Info));
}

#[test]
fn all_problems_are_told_at_once_with_their_places() {
    let text = format!(
        "{HEAD}unlisted: fatal
site: {{resolver: 10.0.0.1, local_networks: 10.0.0.1/8}}
devices:
  - {{name: a, match: {{mac: 'ff:ff:ff:ff:ff:ff'}}, profile: farmbot}}
  - {{name: a, match: {{ip: 10.0.0.1}}, profile: farmbt}}
  - {{name: a, match: {{ip: 10.0.0.2}}, profile: electric-imp, variant: singl-ip}}
  - {{match: {{ip: 10.0.0.3}}, profile: farmbot, set: {{ssh_kye: true}}}}
  - {{match: {{ip: 10.0.0.4}}, profile: farmbot, set: {{ssh_key: perhaps}}}}
  - {{match: {{}}, profile: farmbot}}
  - {{match: {{vlan: 5000, dhcp_hostname: x}}, profil: farmbot}}
  - {{match: {{ip: 10.0.0.5}}, profile: farmbot}}
  - {{match: {{ip: 10.0.0.5}}, profile: smartserver}}
"
    );
    let said = problems(&text);
    for (place, part) in [
        ("campus.yaml:3:11:", "unknown value `fatal` (expected one of `error`, `warning`, `info`, `ignore`)"),
        ("campus.yaml:4:8:", "unknown key `resolver` (did you mean `resolvers`?)"),
        ("campus.yaml:4:", "did you mean `10.0.0.0/8`?"),
        ("campus.yaml:6:", "expected the MAC address of a device"),
        ("campus.yaml:7:", "no such file `farmbt` and no built-in profile (did you mean `farmbot`?)"),
        ("campus.yaml:8:", "did you mean `single-ip`?"),
        ("campus.yaml:9:", "`farmbot` has no parameter `ssh_kye` (did you mean `ssh_key`?)"),
        ("campus.yaml:10:", "expected `true` or `false`, got `perhaps`"),
        ("campus.yaml:11:", "got nothing to match"),
        ("campus.yaml:12:", "expected a VLAN from 1 to 4094, got `5000`"),
        ("campus.yaml:12:", "unknown key `dhcp_hostname` (did you mean `dhcp_host_name`?)"),
        ("campus.yaml:12:", "unknown key `profil` (did you mean `profile`?)"),
        ("campus.yaml:12:", "missing key `profile`"),
        ("campus.yaml:14:", "this matches what line 13 matches: ip 10.0.0.5"),
    ] {
        assert!(
            said.lines().any(|line| line.starts_with(place) && line.contains(part)),
            "{place} {part} in {said}"
        );
    }
}

#[test]
fn names_are_there_once_and_fit_to_be_shown() {
    let two = "devices:\n  - {name: a, match: {ip: 10.0.0.1}, profile: farmbot}\n  - {name: a, match: {ip: 10.0.0.2}, profile: farmbot}\n";
    assert!(problems(&format!("{HEAD}{two}")).contains("the name `a` exists already (line 4)"));
    let odd = "devices:\n  - {name: \"a\\x1b\", match: {ip: 10.0.0.1}, profile: farmbot}\n";
    assert!(problems(&format!("{HEAD}{odd}")).contains("expected a name of at most 64"));
    assert!(problems("version: 2\ninventory: a\ndevices: []\n").contains("unknown version `2`"));
    assert!(problems("devices: 3\n").contains("expected a list, got a single value"));
    assert!(problems("- a\n").contains("expected a mapping, got a list"));
}

#[test]
fn what_the_site_sets_for_nobody_is_noted() {
    let text = format!(
        "{HEAD}site: {{set: {{ssh_kye: true}}}}\ndevices:\n  - {{match: {{ip: 10.0.0.1}}, profile: farmbot}}\n"
    );
    let notes = read(&text).unwrap().notes;
    assert_eq!(
        notes,
        ["line 3: no profile of the inventory has the parameter `ssh_kye` (did you mean `ssh_key`?)"]
    );
    // What some profile has must fit it.
    assert!(
        problems(&text.replace("ssh_kye: true", "ssh_key: 3"))
            .contains("expected `true` or `false`, got `3`")
    );
}

#[test]
fn ten_thousand_devices_are_read() {
    let mut text = String::from(HEAD);
    text.push_str("devices:\n");
    for n in 0..10_000 {
        let line = format!(
            "  - {{name: bot-{n}, match: {{ip: 10.0.{}.{}, vlan: [1, 2]}}, profile: smartserver, variant: [standard], set: {{bacnet: false}}}}\n",
            n / 250,
            n % 250 + 1
        );
        text.push_str(&line);
    }
    let inventory = read(&text).unwrap();
    assert_eq!((inventory.entries.len(), inventory.choices.len()), (10_000, 1));
}

/// A file that was cut or spoilt is read or refused; nothing else happens.
#[test]
fn spoilt_files_are_read_or_refused() {
    let text = format!(
        "{HEAD}unlisted: error\nsite: {{local_networks: [10.0.0.0/8], resolvers: 10.0.0.53, set: {{ssh_key: false}}}}\n\
         devices:\n  - {{name: bot, match: {{mac: '02:00:5e:10:00:01', vlan: [3, 4]}}, profile: farmbot}}\n"
    );
    let mut refused = 0;
    for end in (0..text.len()).step_by(3) {
        refused += usize::from(read(&text[..end]).is_err());
    }
    for (at, by) in
        (0..text.len()).step_by(5).flat_map(|at| [(at, ":"), (at, "\u{0}"), (at, "[\n"), (at, "\u{e9}*")])
    {
        let spoilt = format!("{}{by}{}", &text[..at], &text[at + 1..]);
        refused += usize::from(read(&spoilt).is_err());
    }
    assert!(refused > text.len() / 3, "{refused} of {}", text.len());
}
