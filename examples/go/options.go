// SPDX-License-Identifier: MIT

// The options of docs/middleware.md: what they are unless told, and what makes no sense.
package main

import (
	"fmt"
	"log"
	"net/http"
	"strconv"
	"time"
)

// Options are those of docs/middleware.md. Begin with Defaults.
type Options struct {
	Limits, Limiter        string
	LimitsFor, LimiterFor  func(*http.Request) string // the same, by request
	Prefix, Jitter         string
	Key                    func(*http.Request) string
	IPv6Subnet             int
	Cost                   func(*http.Request) int64
	OnFailure, OnMistake   string
	Timeout, Patience      time.Duration
	Headers, Message       string
	Handler                http.Handler
	OnDecision             func(*http.Request, Decided)
	SkipSuccessfulRequests bool
	Hold                   string
	Log                    func(line string)
}

// Defaults lacks Limits or Limiter.
func Defaults() Options {
	return Options{Prefix: "ratelimit:", IPv6Subnet: 56, OnFailure: "open", OnMistake: "closed",
		Timeout: 100 * time.Millisecond, Patience: 10 * time.Second, Headers: "all", Hold: "1m",
		Cost: func(*http.Request) int64 { return 1 },
		Log:  func(line string) { log.Print(line) }}
}

func must(holds bool, text string) {
	if !holds {
		panic(text)
	}
}

func isChoice(choice string) bool { return choice == "open" || choice == "closed" }

// checked panics if the options make no sense, and turns what does not depend on the request into functions.
func (o Options) checked() Options {
	given := 0
	for _, is := range []bool{o.Limits != "", o.Limiter != "", o.LimitsFor != nil, o.LimiterFor != nil} {
		if is {
			given++
		}
	}
	must(given == 1, "either limits or limiter must be given")
	must(isChoice(o.OnFailure), `OnFailure must be "open" or "closed"`)
	must(isChoice(o.OnMistake), `OnMistake must be "open" or "closed"`)
	must(o.Timeout > 0, "Timeout must be more than 0")
	must(o.IPv6Subnet >= 1 && o.IPv6Subnet <= 128, "IPv6Subnet must be from 1 to 128")
	_, isKnown := fieldsOf[o.Headers]
	must(isKnown, "Headers must be one of all, draft-10, draft-6, legacy, none")
	if o.Key == nil {
		o.Key = func(r *http.Request) string { return CallerAt(r.RemoteAddr, o.IPv6Subnet) }
	}
	return o
}

// Which fields of the server an answer has; Retry-After is always one of them. `legacy` renames them.
var separate = []string{"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}
var fieldsOf = map[string][]string{
	"all":      append([]string{"RateLimit-Policy", "RateLimit"}, separate...),
	"draft-10": {"RateLimit-Policy", "RateLimit"},
	"draft-6":  separate,
	"legacy":   separate,
	"none":     {},
}

// setFields sets those that are chosen of what the server gives, names and values in turn. The old X-RateLimit-Reset is
// a time.
func setFields(header http.Header, flat []interface{}, headers string) {
	given := map[string]string{}
	for i := 0; i+1 < len(flat); i += 2 {
		given[text(flat[i])] = text(flat[i+1])
	}
	if wait, ok := given["Retry-After"]; ok {
		header.Set("Retry-After", wait)
	}
	for _, name := range fieldsOf[headers] {
		value := given[name]
		if headers == "legacy" && name == "RateLimit-Reset" {
			seconds, _ := strconv.ParseInt(value, 10, 64)
			value = fmt.Sprint(time.Now().Unix() + 1 + seconds)
		}
		if headers == "legacy" {
			name = "X-" + name
		}
		header.Set(name, value)
	}
}

// text of a value in a reply, bytes or a string.
func text(value interface{}) string { return fmt.Sprintf("%s", value) }
