// SPDX-License-Identifier: MIT

// Who is asking: the name of a caller, from its address or from the key that the service gives.
package main

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

const mostBytes = 256 // a longer key is replaced by its hash, since a subject has an end

var hostAndPort = regexp.MustCompile(`^(?:\[(.*)\](?::\d+)?|([\d.]+):\d+)$`)

// CallerAt gives the caller of an address: an IPv4 address, or an IPv6 network, of which one caller has all addresses.
// A port and a zone are left out, and ::ffff:1.2.3.4 is 1.2.3.4. What is no address has no name.
func CallerAt(address string, ipv6Subnet int) string {
	host := strings.TrimSpace(address)
	if found := hostAndPort.FindStringSubmatch(host); found != nil {
		host = found[1] + found[2]
	}
	found, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	if found = found.Unmap().WithZone(""); found.Is4() {
		return found.String()
	}
	return netip.PrefixFrom(found, ipv6Subnet).Masked().String()
}

// nameOf sees to it that nobody gets round a limit by a key that is missing, or longer than a subject may be.
func nameOf(key string) string {
	if key == "" {
		return "-"
	}
	if len(key) > mostBytes {
		return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(key)))
	}
	return key
}
