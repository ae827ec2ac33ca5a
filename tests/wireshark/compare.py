#!/usr/bin/env python3
"""What tshark shows with the dissector made from the schema, against what our own decoder prints: every field of every message.

compare.py DISSECTOR DECODE samples WIRE_GOLDENS     one frame of each kind, as a datagram and cut in a stream
compare.py DISSECTOR DECODE capture FILE             what a run wrote with --pcap

Both sides become lists of (field, value) in the order of the wire, addresses, identities and bytes as plain digits.
"""
import ipaddress, re, struct, subprocess, sys, tempfile
import xml.etree.ElementTree as xml

PORT, UDP, TCP, PSH = None, 17, 6, 8
HEADER = 16


# Captures -----------------------------------------------------------------------------------------------------------

def packet(protocol, payload, stream=0, sequence=1):
    """A packet of IPv6 from ::1 to ::2."""
    if protocol == UDP:
        head = struct.pack(">HHHH", PORT, PORT, 8 + len(payload), 0)
    else:
        head = struct.pack(">HHIIBBHHH", 20000 + stream, PORT, sequence, 1, 5 << 4, PSH | 16, 65535, 0, 0)
    addresses = ipaddress.ip_address("::1").packed + ipaddress.ip_address("::2").packed
    return struct.pack(">IHBB", 6 << 28, len(head) + len(payload), protocol, 64) + addresses + head + payload


def write_capture(name, packets):
    with open(name, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 20, 101))
        for i, bytes_ in enumerate(packets):
            file.write(struct.pack("<IIII", i, 0, len(bytes_), len(bytes_)) + bytes_)


def samples(goldens):
    """Packets, and what must be found in them: (number of the packet that completes it, frame)."""
    packets, frames = [], []
    for stream, line in enumerate(open(goldens)):
        frame = bytes.fromhex(line.split()[1])
        packets.append(packet(UDP, frame))
        frames.append((len(packets), frame))
        cut = 1 + stream % (len(frame) - 1)  # in the header, in a length, in a text
        packets.append(packet(TCP, frame[:cut], stream))
        packets.append(packet(TCP, frame[cut:], stream, 1 + cut))
        frames.append((len(packets), frame))
    return packets, frames


def frames_of(name):
    """The frames of a capture of ours: a message's head stands in segments with PSH that follow each other."""
    data, at, number = open(name, "rb").read(), 0, 0
    begun = {}
    while at < len(data):
        kind, total = struct.unpack_from("<II", data, at)
        if kind == 6:
            number += 1
            kept, = struct.unpack_from("<I", data, at + 20)
            ip = data[at + 28:at + 28 + kept]
            if ip[6] == UDP:
                yield number, ip[48:]
            elif ip[53] & PSH:
                key = ip[8:44]
                begun[key] = begun.get(key, b"") + ip[60:]
                body, = struct.unpack_from(">I", begun[key])
                if len(begun[key]) == HEADER + body:
                    yield number, begun.pop(key)
        at += total
    assert not begun, f"{len(begun)} messages without their end"


# Both sides as fields -------------------------------------------------------------------------------------------------

def plain(value):
    """The digits of an address, an identity or fixed bytes, whatever stands between them; anything else as it is."""
    try:
        ip = ipaddress.ip_address(value.strip("[]"))
        return (b"" if ip.version == 6 else bytes(10) + b"\xff\xff").hex() + ip.packed.hex()
    except ValueError:
        digits = re.sub("[-:]", "", value)
        return digits if re.fullmatch("[0-9a-f]{16,}", digits) else value


def unquoted(text):
    """A text without the printer's escapes. A line's end is a blank, as XML makes it one in what tshark writes."""
    return re.sub(r"\\(x..|.)", lambda m: {"n": " "}.get(m[1], chr(int(m[1][1:], 16)) if len(m[1]) > 1 else m[1]), text)


def printed(text, at, fields):
    """Reads {field=value ...} from `at`; returns the place behind it."""
    assert text[at] == "{", text[at:at + 40]
    at += 1
    while text[at] != "}":
        name = re.compile(r" ?(\w+)=").match(text, at)
        at = name.end()
        if text[at] == "{":
            at = printed(text, at, fields)
        elif text[at] == '"':
            value = re.compile(r'"((?:\\.|[^"\\])*)"').match(text, at)
            fields.append((name[1], plain(unquoted(value[1]))))
            at = value.end()
        elif text[at] == "[" and text[at + 1] in "{]":
            place = len(fields)
            fields.append(None)
            at, count = at + 1, 0
            while text[at] != "]":
                at, count = printed(text, at + (text[at] == " "), fields), count + 1
            fields[place] = (name[1] + "_count", str(count))
            at += 1
        else:
            value = re.compile(r"[^ }]+").match(text, at)
            at = value.end()
            if text[value.start()] == "[" or "." in value[0]:
                ip, _, port = value[0].rpartition(":")
                fields += [(name[1], plain(ip)), (name[1] + ".port", port)]
            else:
                fields.append((name[1], plain(value[0])))
    return at + 1


def ours(decode, frames):
    """(kind, request, fields) of each frame as our decoder prints it."""
    said = subprocess.run([decode], input="".join(f.hex() + "\n" for _, f in frames), text=True, capture_output=True, check=True)
    lines = said.stdout.split("\n")[:-1]
    assert len(lines) == len(frames), f"{len(lines)} lines for {len(frames)} frames"
    for line in lines:
        request, _, text = line.partition(" ")
        kind, _, _ = text.partition("{")
        fields = []
        if text:
            end = printed(text, len(kind), fields)
            assert end == len(text), text[end:]
        yield kind, request, fields


def shown(tree, fields):
    for node in tree:
        name = node.get("name", "")
        if name.startswith("dfs."):
            fields.append((name[4:], name.split(".", 2)[-1], plain(node.get("show"))))
        shown(node, fields)


def theirs(dissector, capture):
    """(packet, kind, request, fields) as tshark shows them, in order."""
    command = ["tshark", "-n", "-r", capture, "-X", f"lua_script:{dissector}", "-Y", "dfs", "-T", "pdml"]
    tshark = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for _, node in xml.iterparse(tshark.stdout):
        if node.tag != "packet":
            continue
        number = int(node.find("proto[@name='geninfo']/field[@name='num']").get("show"))
        assert node.find(".//proto[@name='_ws.malformed']") is None, f"packet {number}: malformed"
        for proto in node.findall("proto[@name='dfs']"):
            assert proto.find(".//field[@name='_ws.expert']") is None, f"packet {number}: the dissector is not content"
            fields = []
            shown(proto, fields)
            head = {full: value for full, _, value in fields[:4]}
            yield number, head["kind"], head["request"], [(field, value) for _, field, value in fields[4:]]
        node.clear()
    assert tshark.wait() == 0, "tshark failed"


def main():
    global PORT
    dissector, decode, what, name = sys.argv[1:]
    lua = open(dissector).read()
    PORT = int(re.search(r"local port = (\d+)", lua)[1])
    kinds = set(re.findall(r'^  \[\d+\] = \{"(\w+)", ', lua, re.M))
    with tempfile.TemporaryDirectory() as work:
        capture = name
        if what == "samples":
            packets, frames = samples(name)
            capture = f"{work}/samples.pcap"
            write_capture(capture, packets)
            assert kinds == {line.split()[0] for line in open(name)}, "the dissector's kinds are not those of the goldens"
        else:
            frames = list(frames_of(name))
        seen, values, bad = {}, 0, 0
        tshark = theirs(dissector, capture)
        for (number, frame), (kind, request, fields) in zip(frames, ours(decode, frames)):
            found = next(tshark, None)
            assert found is not None, f"packet {number}: tshark has nothing more, we have {kind}"
            if found != (number, kind, request, fields):
                bad += 1
                print(f"packet {number} {kind} #{request}, tshark: packet {found[0]} {found[1]} #{found[2]}")
                for a, b in list(zip(fields + [None] * len(found[3]), found[3] + [None] * len(fields)))[:max(len(fields), len(found[3]))]:
                    if a != b:
                        print(f"  ours {a}\n  tshark's {b}")
                if bad == 5:
                    break
            seen[kind] = seen.get(kind, 0) + 1
            values += len(fields)
        assert bad or next(tshark, None) is None, "tshark has messages that we do not have"
        assert frames, "no messages"
        missing = kinds - set(seen)
        assert what != "samples" or not missing, f"kinds without a sample: {sorted(missing)}"
    print(f"{what}: {len(frames)} messages of {len(seen)} kinds, {values} values equal")
    sys.exit(bad > 0)


main()
