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
	"strings"
	"time"
)

type given struct {
	Redis, Timeout, Patience                   int
	Sentinels                                  []int
	Cluster, Ready                             bool
	Login                                      string
	Limits, Limiter, Prefix, OnFailure, Jitter string
	OnMistake, Headers, Message, Hold          string
	SkipSuccessfulRequests                     bool
	IPv6Subnet                                 int
	Key, Cost, Plans, Handler, OnDecision      bool
	Log                                        string
}

func (g given) note(line string) {
	file, err := os.OpenFile(g.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	check(err)
	fmt.Fprintln(file, line)
	check(file.Close())
}

func (g given) options() Options {
	options := Defaults()
	options.Limits, options.Limiter, options.Jitter, options.Log = g.Limits, g.Limiter, g.Jitter, g.note
	options.Message, options.SkipSuccessfulRequests = g.Message, g.SkipSuccessfulRequests
	set(&options.OnFailure, g.OnFailure)
	set(&options.OnMistake, g.OnMistake)
	set(&options.Prefix, g.Prefix)
	set(&options.Headers, g.Headers)
	set(&options.Hold, g.Hold)
	if g.Timeout != 0 {
		options.Timeout = time.Duration(g.Timeout) * time.Millisecond
	}
	if g.Patience != 0 {
		options.Patience = time.Duration(g.Patience) * time.Millisecond
	}
	if g.IPv6Subnet != 0 {
		options.IPv6Subnet = g.IPv6Subnet
	}
	if g.Key {
		options.Key = func(r *http.Request) string { return r.Header.Get("X-Key") }
	}
	if g.Cost {
		options.Cost = cost
	}
	if g.Plans {
		plans := map[string]string{"free": "FIXED 1 1h AS free", "paid": "FIXED 3 1h AS paid"}
		options.LimitsFor = func(r *http.Request) string { return plans[r.Header.Get("X-Plan")] }
	}
	if g.Handler {
		options.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprint(w, "denied by "+DecisionOf(r).Label)
		})
	}
	if g.OnDecision {
		options.OnDecision = g.observe
	}
	return options
}

func (g given) observe(r *http.Request, d Decided) {
	var limiter interface{}
	if d.Limiter != "" {
		limiter = d.Limiter
	}
	values := []interface{}{limiter, nil, nil, nil, nil, nil, nil, d.Failure, d.Choice}
	if d.Decision != nil {
		values = []interface{}{limiter, d.Granted, d.Limit, d.Remaining, d.WaitMS, d.ResetMS, d.Label, nil, nil}
	}
	text, err := json.Marshal(values)
	check(err)
	g.note(fmt.Sprintf("decided %s %s", r.Header.Get("X-Request-Id"), text))
}

func set(option *string, given string) {
	if given != "" {
		*option = given
	}
}

func cost(r *http.Request) int64 {
	if r.Header.Get("X-Cost") == "" {
		return 1
	}
	cost, err := strconv.ParseFloat(r.Header.Get("X-Cost"), 64)
	check(err)
	if cost > 1e18 {
		cost = 1e18
	}
	return int64(cost)
}

func (g given) url() string {
	login := g.Login
	if login != "" {
		login += "@"
	}
	if len(g.Sentinels) > 0 {
		places := make([]string, len(g.Sentinels))
		for i, port := range g.Sentinels {
			places[i] = fmt.Sprintf("127.0.0.1:%d", port)
		}
		return "redis+sentinel://" + login + strings.Join(places, ",") + "/limits"
	}
	kind := ""
	if g.Cluster {
		kind = "+cluster"
	}
	return fmt.Sprintf("redis%s://%s127.0.0.1:%d", kind, login, g.Redis)
}

func (g given) application(limit *Limiter) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/own", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("RateLimit-Limit", "own") })
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		status, err := strconv.Atoi(r.Header.Get("X-Status"))
		check(err)
		w.WriteHeader(status)
		fmt.Fprint(w, "tried")
	})
	mux.HandleFunc("/decision", func(w http.ResponseWriter, r *http.Request) {
		d := DecisionOf(r)
		if d == nil {
			fmt.Fprint(w, "null")
			return
		}
		json.NewEncoder(w).Encode([]interface{}{d.Granted, d.Limit, d.Remaining, d.WaitMS, d.ResetMS, d.Label})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		g.note("served " + r.Header.Get("X-Request-Id"))
		fmt.Fprint(w, "hello")
	})
	limited := limit.Handler(mux)
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
	check(json.Unmarshal(line, &g))
	options := g.options()
	limit := RateLimit(Connect(g.url(), options.Timeout), options)
	if g.Ready {
		check(limit.Ready())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go http.Serve(listener, g.application(limit))
	return map[string]interface{}{"port": listener.Addr().(*net.TCPAddr).Port}
}

func check(err error) {
	if err != nil {
		panic(err.Error())
	}
}

func main() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		check(json.NewEncoder(os.Stdout).Encode(serve(lines.Bytes())))
	}
}
