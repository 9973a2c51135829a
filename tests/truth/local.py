#!/usr/bin/env python3
"""What tshark sees of names and devices on the link: `local.py CAPTURES > local.csv`, with tshark 4.0.

CAPTURES is the folder that holds `catalog.csv` and `files`. One row per capture, fact and value, with how often it was
seen. Facts are called as wireclaim calls them; values are written as it writes them.
"""

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

UNIT = "\x1f"
FIELDS = """frame.number frame.protocols frame.len frame.cap_len
nbns.flags nbns.name nbns.type nbns.addr
http.request.method http.response.code http.server http.location http.user_agent
dns.flags.response dns.flags.opcode dns.qry.name dns.resp.name dns.resp.type dns.resp.ttl dns.count.auth_rr dns.count.answers
dns.ptr.domain_name dns.rr.udp_payload_size dns.opt.code
dhcp.type dhcp.option.dhcp dhcp.option.hostname dhcp.option.vendor_class_id dhcp.option.requested_ip_address
dhcp.option.dhcp_server_id dhcp.ip.your dhcp.option.mudurl
dhcpv6.msgtype dhcpv6.duidllt.link_layer_addr dhcpv6.duidll.link_layer_addr dhcpv6.iaaddr.ip dhcpv6.vendorclass.data
dhcpv6.mudurl
lldp.chassis.id.mac lldp.tlv.system.name lldp.tlv.system.desc lldp.iana.mudurl eth.src
arp.src.hw_mac arp.src.proto_ipv4 icmpv6.opt.rdnss
ntp.ctrl.flags2.opcode ntp.priv.reqcode ntp.ext.type
http.unknown_header http.request.line http.response.line""".split()
FILTER = "nbns or ssdp or mdns or llmnr or dns or dhcp or dhcpv6 or lldp or arp or icmpv6.opt.rdnss or ntp"
NBNS = {0: "query", 5: "registration", 6: "release", 7: "wait", 8: "refresh", 9: "refresh", 15: "multi-homed-registration"}
DHCP = ["", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM", "FORCERENEW"]
DHCPV6 = ["", "SOLICIT", "ADVERTISE", "REQUEST", "CONFIRM", "RENEW", "REBIND", "REPLY", "RELEASE", "DECLINE",
          "RECONFIGURE", "INFORMATION-REQUEST", "RELAY-FORW", "RELAY-REPL", "LEASEQUERY"]
CONTROL = {1: "read-status", 2: "read-variables"}
OPTIONS = {1: "llq", 3: "nsid", 8: "client-subnet", 10: "cookie", 12: "padding", 15: "extended-error"}


def frames(path):
    """Each frame's fields, as lists."""
    command = ["tshark", "-n", "-r", path, "-Y", FILTER, "-T", "fields", "-E", f"aggregator={UNIT}"]
    command += [part for field in FIELDS for part in ("-e", field)]
    out = subprocess.run(command, capture_output=True, timeout=300).stdout.decode("utf-8", "replace")
    rows = []
    for line in out.split("\n")[:-1]:
        # Lines of SSDP, in the last columns, end in line breaks.
        if line.count("\t") >= len(FIELDS) - 2:
            rows.append(line)
        else:
            rows[-1] += "\n" + line
    for row in rows:
        yield {name: cell.split(UNIT) if cell else [] for name, cell in zip(FIELDS, row.split("\t"))}


def number(text):
    return int(text, 0)


def nbns(frame, add):
    if not frame["nbns.flags"]:
        return
    flags = number(frame["nbns.flags"][0])
    names = [name.split(">")[0] + ">" for name in frame["nbns.name"]] if frame["nbns.name"] else []
    names = [name if name.count("<") == 1 else name for name in names]
    response, operation = flags >> 15, flags >> 11 & 15
    status = "33" in frame["nbns.type"]
    word = "status" if status and operation == 0 else NBNS.get(operation, str(operation))
    add("nbns.message", word + (" response" if response else ""))
    if not response and operation == 0:
        for name in names[:1]:
            add("nbns.query", name)
    elif frame["nbns.addr"] and operation != 6 and not (response and (operation or flags & 15)):
        for name in names[-1:]:
            add("nbns.name", name)


def ssdp(frame, add):
    if "ssdp" not in frame["frame.protocols"][0].split(":"):
        return
    headers = {name: cell[0] for name in ("server", "location", "user-agent")
               if (cell := frame["http." + name.replace("-", "_")])}
    lines = frame["http.unknown_header"] + frame["http.request.line"] + frame["http.response.line"]
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.replace("\\r\\n", "").strip())
    method = frame["http.request.method"]
    kind = headers.get("nts", "").removeprefix("ssdp:") if method == ["NOTIFY"] else "search" if method else "response"
    add("ssdp.message", kind if kind in ("alive", "byebye", "update", "search", "response") else "notify")
    for name, fact in (("server", "server"), ("location", "location"), ("user-agent", "user_agent"),
                       ("nt" if method == ["NOTIFY"] else "st", "target")):
        if headers.get(name):
            add(f"ssdp.{fact}", headers[name])


def dns(frame, add):
    protocols = frame["frame.protocols"][0].split(":")
    kind = next((kind for kind in ("mdns", "llmnr", "dns") if kind in protocols), None)
    if not kind or not frame["dns.flags.response"]:
        return
    response = frame["dns.flags.response"][0] in ("1", "True")
    if kind != "dns":
        if not response:
            for name in frame["dns.qry.name"]:
                add(f"{kind}.query", name.lower())
        elif kind == "mdns":
            targets = iter(frame["dns.ptr.domain_name"])
            first = int(frame["dns.count.answers"][0])
            authority = range(first, first + int(frame["dns.count.auth_rr"][0]))
            # SRV records have their name in another field, OPT records their lifetime.
            names, ttls = iter(frame["dns.resp.name"]), iter(frame["dns.resp.ttl"])
            for at, type_ in enumerate(frame["dns.resp.type"]):
                name = "" if type_ == "33" else next(names, "").lower()
                ttl = "" if type_ == "41" else next(ttls, "")
                target = next(targets, None) if type_ == "12" else None
                if target and name.startswith("_") and name.endswith(("._tcp.local", "._udp.local")) \
                        and name != "_services._dns-sd._udp.local" and ttl != "0" and at not in authority:
                    add("mdns.instance", target.lower())
        return
    if len(frame["dns.flags.response"]) > 1 or frame["dns.flags.opcode"][0] != "0":
        return
    for size in frame["dns.rr.udp_payload_size"]:
        add("dns.edns_server_size" if response else "dns.edns_size", str(number(size)))
    for code in frame["dns.opt.code"]:
        add("dns.edns_option", OPTIONS.get(number(code), str(number(code))))


def dhcp(frame, add):
    if frame["dhcp.type"]:
        client = frame["dhcp.type"][0] == "1"
        if frame["dhcp.option.dhcp"]:
            kind = DHCP[number(frame["dhcp.option.dhcp"][0])]
        elif frame["frame.len"] == frame["frame.cap_len"]:
            kind = "BOOTREQUEST" if client else "BOOTREPLY"
        else:
            return
        add("dhcp.message", kind)
        final = kind in ("ACK", "BOOTREPLY")
        for fact, field, wanted in (
            ("host_name", "option.hostname", client or final),
            ("vendor_class", "option.vendor_class_id", client),
            ("requested_address", "option.requested_ip_address", client),
            ("server", "option.dhcp_server_id", not client),
            ("mud_url", "option.mudurl", client),
            ("address", "ip.your", final),
        ):
            for value in frame[f"dhcp.{field}"][:1]:
                if wanted and not (field == "ip.your" and value == "0.0.0.0"):
                    add(f"dhcp.{fact}", value)
    if frame["dhcpv6.msgtype"]:
        kinds = [number(kind) for kind in frame["dhcpv6.msgtype"]]
        for kind in kinds:
            add("dhcpv6.message", DHCPV6[kind] if kind < len(DHCPV6) else str(kind))
        for value in frame["dhcpv6.iaaddr.ip"]:
            if kinds[-1] == 7:
                add("dhcpv6.address", value)
        for value in frame["dhcpv6.mudurl"]:
            add("dhcpv6.mud_url", value)


def link(frame, add):
    for fact, field in (("name", "tlv.system.name"), ("description", "tlv.system.desc"), ("chassis", "chassis.id.mac"),
                        ("mud_url", "iana.mudurl")):
        for value in frame[f"lldp.{field}"]:
            add(f"lldp.{fact}", f"{frame['eth.src'][0]} {value}", once=True)
    for mac, ip in zip(frame["arp.src.hw_mac"], frame["arp.src.proto_ipv4"]):
        if ip != "0.0.0.0" and mac != "00:00:00:00:00:00" and not int(mac[:2], 16) & 1:
            add("neighbour", f"{mac} {ip}", once=True)
    for ip in frame["icmpv6.opt.rdnss"]:
        add("resolver", ip, once=True)


def ntp(frame, add):
    for code in frame["ntp.ctrl.flags2.opcode"]:
        add("ntp.control", CONTROL.get(number(code), str(number(code))))
    for code in frame["ntp.priv.reqcode"]:
        add("ntp.private", str(number(code)))
    for kind in frame["ntp.ext.type"]:
        add("ntp.extension", str(number(kind)))


def main():
    folder = Path(sys.argv[1])
    write = csv.writer(sys.stdout, lineterminator="\n", quoting=csv.QUOTE_ALL)
    write.writerow(["capture", "fact", "value", "count"])
    with open(folder / "catalog.csv", newline="") as catalog:
        captures = [row["path"] for row in csv.DictReader(catalog)]
    for capture in captures:
        seen = Counter()

        def add(fact, value, once=False):
            key = fact, value
            seen[key] = 1 if once else seen[key] + 1

        for frame in frames(str(folder / "files" / capture)):
            protocols = frame["frame.protocols"][0].split(":")
            # What an ICMP error quotes was not said here.
            if "icmp" in protocols or "icmpv6" in protocols and not frame["icmpv6.opt.rdnss"]:
                continue
            for read in (nbns, ssdp, dns, dhcp, link, ntp):
                read(frame, add)
        for (fact, value), count in sorted(seen.items()):
            write.writerow([capture, fact, value, count])


main()
