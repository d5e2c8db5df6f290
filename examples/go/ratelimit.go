// SPDX-License-Identifier: MIT

// Middleware for net/http that asks RL.CHECK for each request, and answers 429 itself; for redigo. Options, and what is
// answered when: docs/middleware.md.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

const largestCost = 1<<53 - 1

// Options are those of docs/middleware.md. Begin with Defaults.
type Options struct {
	Limits, Limiter, Prefix, OnFailure, Jitter string
	Timeout                                    time.Duration
	IPv6Subnet                                 int
	Key                                        func(*http.Request) string
	Cost                                       func(*http.Request) int64
	Log                                        func(line string)
}

// Defaults lacks Limits or Limiter.
func Defaults() Options {
	return Options{Prefix: "ratelimit:", OnFailure: "open", Timeout: 100 * time.Millisecond, IPv6Subnet: 56,
		Cost: func(*http.Request) int64 { return 1 },
		Log:  func(line string) { log.Print(line) }}
}

var saneID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// RateLimit panics if the options make no sense.
func RateLimit(pool *redis.Pool, o Options) func(http.Handler) http.Handler {
	if (o.Limits == "") == (o.Limiter == "") || o.OnFailure != "open" && o.OnFailure != "closed" {
		panic(`either Limits or Limiter must be given, and OnFailure must be "open" or "closed"`)
	}
	if o.Timeout <= 0 {
		panic("Timeout must be more than 0")
	}
	if o.IPv6Subnet < 1 || o.IPv6Subnet > 128 {
		panic("IPv6Subnet must be from 1 to 128")
	}
	if o.Key == nil {
		o.Key = func(r *http.Request) string { return CallerAt(r.RemoteAddr, o.IPv6Subnet) }
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := r.Header.Get("X-Request-Id")
			if !saneID.MatchString(id) {
				var random [16]byte
				rand.Read(random[:])
				id = fmt.Sprintf("%x", random)
			}
			r.Header.Set("X-Request-Id", id)
			w.Header().Set("X-Request-Id", id)
			if o.admits(pool, w, r, id) {
				next.ServeHTTP(w, r)
			}
		})
	}
}

// admits says whether the request may go on; if not, it has been answered, or there is nobody to answer.
func (o Options) admits(pool *redis.Pool, w http.ResponseWriter, r *http.Request, id string) bool {
	units := o.Cost(r)
	if units < 0 {
		http.Error(w, "cost must be 0 or more", http.StatusInternalServerError)
	}
	if units <= 0 {
		return units == 0
	}
	reply, err := o.ask(r.Context(), pool, o.words(nameOf(o.Key(r)), units))
	if r.Context().Err() != nil { // the client has left
		return false
	}
	if err != nil {
		o.Log(fmt.Sprintf("ratelimit: failed %s request_id=%s error=%q", o.OnFailure, id, err.Error()))
		if o.OnFailure == "open" {
			return true
		}
		w.Header().Set("Retry-After", fmt.Sprint(1+time.Now().UnixNano()%5)) // not all at once
		return refuse(w, http.StatusServiceUnavailable, map[string]interface{}{"request_id": id})
	}
	fields, _ := redis.Strings(reply[len(reply)-1], nil)
	for i := 0; i < len(fields); i += 2 {
		w.Header().Set(fields[i], fields[i+1])
	}
	if reply[0].(int64) > 0 {
		return true
	}
	o.Log(fmt.Sprintf("ratelimit: denied request_id=%s limit=%s wait_ms=%d", id, reply[5], reply[3]))
	if reply[3].(int64) < 0 {
		reply[3] = nil
	}
	members := map[string]interface{}{"limit": fmt.Sprintf("%s", reply[5]), "wait_ms": reply[3], "request_id": id}
	return refuse(w, http.StatusTooManyRequests, members)
}

// ask takes no longer than Timeout, whatever the pool and the connection do.
func (o Options) ask(ctx context.Context, pool *redis.Pool, words redis.Args) ([]interface{}, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	var reply []interface{}
	var err error
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		conn, _ := pool.GetContext(ctx) // if there is none, this says why when it is asked
		defer conn.Close()
		reply, err = redis.Values(redis.DoWithTimeout(conn, o.Timeout, "RL.CHECK", words...))
	}()
	select {
	case <-answered:
		return reply, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// words sees to it that nobody gets round a limit by a cost that is too high.
func (o Options) words(key string, units int64) redis.Args {
	if units > largestCost {
		units = largestCost
	}
	words := redis.Args{o.Prefix + key}.AddFlat(strings.Fields(o.Limits))
	if o.Limiter != "" {
		words = redis.Args{o.Limiter, "FOR", key}
	}
	if o.Jitter != "" {
		words = words.Add("JITTER", o.Jitter)
	}
	return words.Add("COST", units, "HEADERS")
}

func refuse(w http.ResponseWriter, status int, members map[string]interface{}) bool {
	members["type"], members["title"], members["status"] = "about:blank", http.StatusText(status), status
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(members)
	return false
}
