# SPDX-License-Identifier: MIT
"""Who is asking: the name of a caller, from its address or from the key that the service gives."""

from __future__ import annotations

import re
from hashlib import sha256
from ipaddress import IPv4Address, ip_address, ip_network

MOST_BYTES = 256  # a longer key is replaced by its hash, since a subject has an end


def caller_at(address: str, ipv6_subnet: int = 56) -> str:
    """The caller of an address: an IPv4 address, or an IPv6 network, of which one caller has all addresses. A port and
    a zone are left out, and ::ffff:1.2.3.4 is 1.2.3.4. What is no address has no name.
    """
    text = address.strip()
    host = re.fullmatch(r"\[(.*)\](?::\d+)?|([\d.]+):\d+", text)
    bare = (host[1] or host[2] or "") if host else text
    try:
        found = ip_address(bare.partition("%")[0])
    except ValueError:
        return ""
    found = getattr(found, "ipv4_mapped", None) or found
    return str(found) if isinstance(found, IPv4Address) else str(ip_network((found, ipv6_subnet), strict=False))


def name_of(key: str | bytes | int | None) -> bytes:
    """Nobody gets round a limit by a key that is missing, or longer than a subject may be. An object would be the same
    name for everybody.
    """
    if key is not None and (isinstance(key, bool) or not isinstance(key, (str, bytes, int))):
        if hasattr(key, "close"):
            key.close()  # a coroutine that nobody awaits
        raise TypeError("key must give a text, bytes or a number")
    key = str(key) if isinstance(key, int) else key
    name = (key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key) or b"-"
    return name if len(name) <= MOST_BYTES else b"sha256:" + sha256(name).hexdigest().encode()
