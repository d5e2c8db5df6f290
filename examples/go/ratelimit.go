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

// Decided is what OnDecision gets. Without a Decision, Failure is "outage" or "mistake", and Choice what then holds.
type Decided struct {
	Limiter string
	*Decision
	Failure, Choice string
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
		q, err := l.question(r)
		if err != nil {
			l.log(fmt.Sprintf("fault request_id=%s error=%q", id, err.Error()), "fault "+err.Error())
			refuse(w, http.StatusInternalServerError, members{"request_id": id})
		} else if q.units == 0 {
			next.ServeHTTP(w, r)
		} else {
			l.decide(next, w, r, q, id)
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
	name, key, limiter string
	about              []interface{}
	units              int64
}

// question: an error is a fault of a function of the service. If the units are 0, there is nothing to ask.
func (l *Limiter) question(r *http.Request) (question, error) {
	units := l.options.Cost(r)
	if units < 0 {
		return question{}, errors.New("cost must be 0 or more")
	}
	if units == 0 {
		return question{}, nil
	}
	limits, limiter := l.options.Limits, l.options.Limiter
	if l.options.LimitsFor != nil {
		limits = l.options.LimitsFor(r)
	} else if l.options.LimiterFor != nil {
		limiter = l.options.LimiterFor(r)
	}
	if strings.TrimSpace(limits+limiter) == "" {
		return question{}, errors.New("limits and limiter must give a text")
	}
	if units > largestCost {
		units = largestCost
	}
	return l.about(nameOf(l.options.Key(r)), limits, limiter, units), nil
}

func (l *Limiter) about(name, limits, limiter string, units int64) question {
	if limiter != "" {
		return question{name, limiter, limiter, []interface{}{"FOR", name}, units}
	}
	var words []interface{}
	for _, word := range strings.Fields(limits) {
		words = append(words, word)
	}
	return question{name, l.options.Prefix + name, "", words, units}
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

// --- the answer ---

func (l *Limiter) decide(next http.Handler, w http.ResponseWriter, r *http.Request, q question, id string) {
	command, words := l.words(q)
	reply, err := l.guarded(r.Context(), command, words)
	if r.Context().Err() != nil { // the client has left
		return
	}
	if err != nil {
		if l.admitsAfter(err, w, r, q, id) {
			next.ServeHTTP(w, r)
		}
		return
	}
	number := func(i int) int64 { n, _ := reply[i].(int64); return n }
	decision := &Decision{number(0) > 0, number(1), number(2), number(3), number(4), text(reply[5])}
	l.observe(r, Decided{q.limiter, decision, "", ""})
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

func (l *Limiter) observe(r *http.Request, decided Decided) {
	if l.options.OnDecision != nil {
		l.options.OnDecision(r, decided)
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
func (l *Limiter) admitsAfter(err error, w http.ResponseWriter, r *http.Request, q question, id string) bool {
	what, choice, status, failure := "failed", l.options.OnFailure, http.StatusServiceUnavailable, "outage"
	if IsMistake(err) {
		what, choice, status, failure = "mistake", l.options.OnMistake, http.StatusInternalServerError, "mistake"
	}
	l.log(fmt.Sprintf("%s %s request_id=%s error=%q", what, choice, id, err.Error()), what+" "+err.Error())
	l.observe(r, Decided{q.limiter, nil, failure, choice})
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
