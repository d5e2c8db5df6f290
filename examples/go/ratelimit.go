// SPDX-License-Identifier: MIT

// Middleware for net/http that asks RL.CHECK for each request, and answers 429 itself. Options, and what is answered
// when: docs/middleware.md.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

const (
	largestCost   = 1<<53 - 1
	quotaExceeded = "https://iana.org/assignments/http-problem-types#quota-exceeded"
)

var saneID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// Limiter has the middleware, Handler, and Ready for the start of the service.
type Limiter struct {
	ask     Ask
	options Options
	breaker breaker
	lines   lines
}

// Decision is what the server decided about a request; DecisionOf finds it.
type Decision struct {
	Granted                           bool
	Limit, Remaining, WaitMS, ResetMS int64
	Label                             string
}

type decisionKey struct{}

// DecisionOf gives none for a request that costs nothing, or whose server could not be asked.
func DecisionOf(r *http.Request) *Decision {
	decision, _ := r.Context().Value(decisionKey{}).(*Decision)
	return decision
}

// RateLimit panics if the options make no sense.
func RateLimit(ask Ask, options Options) *Limiter {
	return &Limiter{ask: ask, options: options.checked(), breaker: breaker{timeout: options.Timeout}}
}

// Handler serves what may go on by the next handler.
func (l *Limiter) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := newOrSane(r.Header.Values("X-Request-Id"))
		r.Header.Set("X-Request-Id", id)
		w.Header().Set("X-Request-Id", id)
		units := l.options.Cost(r)
		if units < 0 {
			l.options.Log("ratelimit: cost must be 0 or more")
			refuse(w, http.StatusInternalServerError, members{"request_id": id})
		} else if units == 0 {
			next.ServeHTTP(w, r)
		} else {
			l.decide(next, w, r, l.question(r, units), id)
		}
	})
}

func newOrSane(given []string) string {
	if len(given) == 1 && saneID.MatchString(given[0]) {
		return given[0]
	}
	var random [16]byte
	rand.Read(random[:])
	return fmt.Sprintf("%x", random)
}

// --- the question ---

// question is about a caller: the key, the words that say whose limits these are, and the cost.
type question struct {
	name, key string
	about     []interface{}
	units     int64
}

func (l *Limiter) question(r *http.Request, units int64) question {
	limits, limiter := l.options.Limits, l.options.Limiter
	if l.options.LimitsFor != nil {
		limits = l.options.LimitsFor(r)
	} else if l.options.LimiterFor != nil {
		limiter = l.options.LimiterFor(r)
	}
	if units > largestCost {
		units = largestCost
	}
	return l.about(nameOf(l.options.Key(r)), limits, limiter, units)
}

func (l *Limiter) about(name, limits, limiter string, units int64) question {
	if limiter != "" {
		return question{name, limiter, []interface{}{"FOR", name}, units}
	}
	var words []interface{}
	for _, word := range strings.Fields(limits) {
		words = append(words, word)
	}
	return question{name, l.options.Prefix + name, words, units}
}

// words: an estimate is held while the request is served, if a successful one costs nothing in the end.
func (l *Limiter) words(q question) (string, []interface{}) {
	command, words := "RL.CHECK", []interface{}{q.key}
	if l.options.SkipSuccessfulRequests {
		command, words = "RL.RESERVE", append(words, l.options.Hold)
	}
	words = append(append(words, q.about...), "COST", q.units)
	if l.options.Jitter != "" {
		words = append(words, "JITTER", l.options.Jitter)
	}
	return command, append(words, "HEADERS")
}

// --- the asking ---

var errNotAsked = errors.New("not asked, since the server does not answer")

func (l *Limiter) guarded(ctx context.Context, command string, words []interface{}) ([]interface{}, error) {
	if !l.breaker.mayAsk() {
		return nil, errNotAsked
	}
	return l.askAtOnce(ctx, command, words)
}

// askAtOnce takes no longer than Timeout, whatever the connection does. A reply that comes later is dropped.
func (l *Limiter) askAtOnce(caller context.Context, command string, words []interface{}) ([]interface{}, error) {
	ctx, cancel := context.WithTimeout(caller, l.options.Timeout)
	defer cancel()
	var reply []interface{}
	var err error
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		reply, err = l.ask(ctx, command, words)
	}()
	select {
	case <-answered:
		l.breaker.note(err == nil || IsMistake(err))
		return reply, err
	case <-ctx.Done():
		if caller.Err() == nil { // or the client has left, which says nothing about the server
			l.breaker.note(false)
		}
		return nil, fmt.Errorf("no answer within %s", l.options.Timeout)
	}
}

// --- the answer ---

func (l *Limiter) decide(next http.Handler, w http.ResponseWriter, r *http.Request, q question, id string) {
	command, words := l.words(q)
	reply, err := l.guarded(r.Context(), command, words)
	if r.Context().Err() != nil { // the client has left
		return
	}
	if err != nil {
		if l.admitsAfter(err, w, id) {
			next.ServeHTTP(w, r)
		}
		return
	}
	number := func(i int) int64 { n, _ := reply[i].(int64); return n }
	decision := &Decision{number(0) > 0, number(1), number(2), number(3), number(4), text(reply[5])}
	fields, _ := reply[len(reply)-1].([]interface{})
	setFields(w.Header(), fields, l.options.Headers)
	r = r.WithContext(context.WithValue(r.Context(), decisionKey{}, decision))
	if !decision.Granted {
		l.deny(w, r, q.name, decision, id)
	} else if l.options.SkipSuccessfulRequests {
		l.serveAndSettle(next, w, r, q, text(reply[6]), id)
	} else {
		next.ServeHTTP(w, r)
	}
}

func (l *Limiter) deny(w http.ResponseWriter, r *http.Request, name string, d *Decision, id string) {
	l.log(fmt.Sprintf("denied request_id=%s limit=%s wait_ms=%d", id, d.Label, d.WaitMS), "denied "+name)
	if l.options.Handler != nil {
		l.options.Handler.ServeHTTP(w, r)
		return
	}
	about := members{"type": quotaExceeded, "violated-policies": []string{d.Label}, "request_id": id}
	about["wait_ms"] = d.WaitMS
	if d.WaitMS < 0 {
		about["wait_ms"] = nil
	}
	if l.options.Message != "" {
		about["detail"] = l.options.Message
	}
	refuse(w, http.StatusTooManyRequests, about)
}

// admitsAfter an error says whether the request goes on. An outage passes by itself, and the caller may come again. A
// mistake stays until somebody mends it.
func (l *Limiter) admitsAfter(err error, w http.ResponseWriter, id string) bool {
	what, choice, status := "failed", l.options.OnFailure, http.StatusServiceUnavailable
	if IsMistake(err) {
		what, choice, status = "mistake", l.options.OnMistake, http.StatusInternalServerError
	}
	l.log(fmt.Sprintf("%s %s request_id=%s error=%q", what, choice, id, err.Error()), what+" "+err.Error())
	if choice == "open" {
		return true
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", fmt.Sprint(1+time.Now().UnixNano()%5)) // not all at once
	}
	refuse(w, status, members{"request_id": id})
	return false
}

type members map[string]interface{}

// refuse writes a problem as in RFC 9457.
func refuse(w http.ResponseWriter, status int, about members) {
	if _, ok := about["type"]; !ok {
		about["type"] = "about:blank"
	}
	about["title"], about["status"] = http.StatusText(status), status
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(about)
}

func (l *Limiter) log(line, about string) {
	if line = l.lines.bounded("ratelimit: "+line, about); line != "" {
		l.options.Log(line)
	}
}
