// SPDX-License-Identifier: MIT

// For each line of standard input, options as JSON, a server with the middleware for net/http; prints {"port": ...} or
// {"error": ...}. conftest.py says what its application does. Compiled together with examples/go.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

type given struct {
	Redis, Timeout                             int
	Limits, Limiter, Prefix, OnFailure, Jitter string
	IPv6Subnet                                 int
	Key, Cost                                  bool
	Log                                        string
}

func (g given) note(line string) {
	file, err := os.OpenFile(g.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	must(err)
	fmt.Fprintln(file, line)
	must(file.Close())
}

func (g given) options() Options {
	options := Defaults()
	options.Limits, options.Limiter, options.Jitter, options.Log = g.Limits, g.Limiter, g.Jitter, g.note
	if g.OnFailure != "" {
		options.OnFailure = g.OnFailure
	}
	if g.Prefix != "" {
		options.Prefix = g.Prefix
	}
	if g.Timeout != 0 {
		options.Timeout = time.Duration(g.Timeout) * time.Millisecond
	}
	if g.IPv6Subnet != 0 {
		options.IPv6Subnet = g.IPv6Subnet
	}
	if g.Key {
		options.Key = func(r *http.Request) string { return r.Header.Get("X-Key") }
	}
	if g.Cost {
		options.Cost = func(r *http.Request) int64 {
			if r.Header.Get("X-Cost") == "" {
				return 1
			}
			cost, err := strconv.ParseFloat(r.Header.Get("X-Cost"), 64)
			must(err)
			if cost > 1e18 {
				cost = 1e18
			}
			return int64(cost)
		}
	}
	return options
}

func (g given) application() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/own", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("RateLimit-Limit", "own") })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		g.note("served " + r.Header.Get("X-Request-Id"))
		fmt.Fprint(w, "hello")
	})
	limited := RateLimit(NewPool(fmt.Sprintf("127.0.0.1:%d", g.Redis)), g.options())(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if address := r.Header.Get("X-Address"); address != "" {
			r.RemoteAddr = address
		}
		limited.ServeHTTP(w, r)
		if r.Context().Err() != nil {
			g.note("gone")
		}
	})
}

func serve(line []byte) (answer map[string]interface{}) {
	defer func() {
		if refused := recover(); refused != nil {
			answer = map[string]interface{}{"error": refused}
		}
	}()
	var g given
	must(json.Unmarshal(line, &g))
	handler := g.application()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	go http.Serve(listener, handler)
	return map[string]interface{}{"port": listener.Addr().(*net.TCPAddr).Port}
}

func must(err error) {
	if err != nil {
		panic(err.Error())
	}
}

func main() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		must(json.NewEncoder(os.Stdout).Encode(serve(lines.Bytes())))
	}
}
