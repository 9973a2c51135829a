"""Writes fields.csv: what tshark reads of proxies, messaging, SSH and automation in the captures under FOLDER.

usage: fields.py FOLDER/files > fields.csv

One row per capture, fact and flow (transport and the two ends, in order): the distinct values that the field has in the
packets of the flow that the filter selects, sorted. A fact is named after the field of wireclaim that has to be equal.
"""

import csv
import collections
import pathlib
import subprocess
import sys

TO_MODBUS = "tcp.dstport==502"
# fact, filter, field of tshark, base (0 keeps text)
FACTS = [
    ("modbus.request", f"modbus && {TO_MODBUS}", "modbus.func_code", 10),
    ("modbus.unit", f"modbus && {TO_MODBUS}", "mbtcp.unit_id", 10),
    ("modbus.exception", "modbus.exception_code", "modbus.exception_code", 10),
    ("bacnet.function", "bvlc", "bvlc.function", 16),
    ("bacnet.unconfirmed", "bacapp.type==1", "bacapp.unconfirmed_service", 10),
    ("bacnet.confirmed", "bacapp.type==0", "bacapp.confirmed_service", 10),
    ("bacnet.acknowledged", "bacapp.type==2 || bacapp.type==3", "bacapp.confirmed_service", 10),
    ("bacnet.vendor", "bacapp.unconfirmed_service==0", "bacapp.vendor_identifier", 10),
    ("bacnet.network_message", "bacnet.mesgtyp", "bacnet.mesgtyp", 16),
    ("opcua.endpoint", "opcua.transport.endpoint", "opcua.transport.endpoint", 0),
    ("opcua.security_policy", "opcua.transport.type==\"OPN\" && tcp.dstport==4840", "opcua.security.spu", 0),
    ("opcua.security_mode", "opcua.servicenodeid.numeric==446", "opcua.MessageSecurityMode", 16),
    ("s7comm.function", "s7comm.header.rosctr==1", "s7comm.param.func", 16),
    ("enip.command", "enip && !(udp && cipio)", "enip.command", 16),
    ("enip.product", "enip.lir.name", "enip.lir.name", 0),
    ("dnp3.request", "dnp3.al.func<0x81", "dnp3.al.func", 16),
    ("dnp3.response", "dnp3.al.func>0x80", "dnp3.al.func", 16),
    ("iec104.control", "iec60870_104.utype", "iec60870_104.utype", 16),
    ("iec104.type", "iec60870_asdu.typeid", "iec60870_asdu.typeid", 10),
    ("iec104.cause", "iec60870_asdu.causetx", "iec60870_asdu.causetx", 10),
    ("lon-ip852.packet", "cnip", "cnip.type", 16),
    ("socks.target", "socks.remote_name", "socks.remote_name", 0),
    ("socks.method", "socks.auth_accepted_method", "socks.auth_accepted_method", 10),
    ("ssh.client_kex", "ssh.message_code==20 && tcp.dstport in {22,29418}", "ssh.kex_algorithms", 0),
    ("ssh.server_kex", "ssh.message_code==20 && tcp.srcport in {22,29418}", "ssh.kex_algorithms", 0),
    ("ssh.client_host_keys", "ssh.message_code==20 && tcp.dstport in {22,29418}", "ssh.server_host_key_algorithms", 0),
    ("ssh.server_host_keys", "ssh.message_code==20 && tcp.srcport in {22,29418}", "ssh.server_host_key_algorithms", 0),
    ("coap.code", "coap", "coap.code", 10),
    ("coap.path", "coap.code>0 && coap.code<8", "coap.opt.uri_path_recon", 0),
]
ENDS = ["ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport"]


def flow(columns):
    """The innermost transport and ends of a packet."""
    last = [column.split("\x1f")[-1] for column in columns]
    source, target = last[0] or last[1], last[2] or last[3]
    transport, ports = ("tcp", last[4:6]) if last[4] else ("udp", last[6:8])
    ends = sorted([f"{source}:{ports[0]}", f"{target}:{ports[1]}"])
    return " ".join([transport, *ends])


def main():
    folder = pathlib.Path(sys.argv[1])
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["capture", "fact", "flow", "values"])
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        words = subprocess.run(["tshark", "-r", path, "-T", "fields", "-e", "frame.protocols"],
                               capture_output=True, text=True, errors="replace").stdout
        words = set(words.replace("\n", ":").split(":"))
        alias = {"bacnet": "bvlc", "iec104": "iec60870_104", "lon-ip852": "cnip"}
        for fact, select, field, base in FACTS:
            protocol = fact.split(".")[0]
            if alias.get(protocol, protocol) not in words:
                continue
            columns = [argument for name in [*ENDS, field] for argument in ("-e", name)]
            told = subprocess.run(["tshark", "-r", path, "-Y", select, "-T", "fields", "-E", "aggregator=\x1f", *columns],
                                  capture_output=True, text=True, errors="replace").stdout
            flows = collections.defaultdict(set)
            for line in told.splitlines():
                *ends, values = line.split("\t")
                for value in filter(None, values.split("\x1f")):
                    flows[flow(ends)].add(str(int(value, 0)) if base else value)
            for key, values in sorted(flows.items()):
                out.writerow([path.relative_to(folder), fact, key, ";".join(sorted(values))])


main()
