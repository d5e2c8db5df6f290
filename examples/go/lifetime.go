// SPDX-License-Identifier: MIT

// Before the first request, and after the response to one.
package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Ready asks once, before the first request, and takes nothing. A mistake is an error. A server that is away is waited
// for with patience; in the end, OnFailure applies.
func (l *Limiter) Ready() error {
	end := time.Now().Add(l.options.Patience)
	err := l.askForNothing()
	for err != nil && !IsMistake(err) && time.Now().Before(end) {
		time.Sleep(100 * time.Millisecond)
		err = l.askForNothing()
	}
	if err == nil {
		return nil
	}
	what, choice := "failed", l.options.OnFailure
	if IsMistake(err) {
		what, choice = "mistake", l.options.OnMistake
	}
	if choice == "closed" {
		return fmt.Errorf("ratelimit: %w", err)
	}
	l.log(fmt.Sprintf("%s %s at start-up error=%q", what, choice, err.Error()), "start-up")
	return nil
}

// askForNothing uses the commands of a request, so that a right that is missing is found too. What depends on the
// request is not known yet. A limit that is closed holds nothing, and gives no id.
func (l *Limiter) askForNothing() error {
	q := l.about("start-up", l.options.Limits, l.options.Limiter, 0)
	if l.options.LimitsFor != nil || l.options.LimiterFor != nil {
		q = l.about("start-up", "FIXED 1 1s", "", 0)
	}
	command, words := l.words(q)
	reply, err := l.askAtOnce(context.Background(), command, words)
	if err != nil || !l.options.SkipSuccessfulRequests {
		return err
	}
	hold := "none"
	if reply[6] != nil {
		hold = text(reply[6])
	}
	_, err = l.askAtOnce(context.Background(), "RL.SETTLE", settling(q, hold, 0))
	return err
}

func settling(q question, hold string, actual int64) []interface{} {
	return append([]interface{}{q.key, hold, actual}, q.about...)
}

// serveAndSettle: a request that was not answered, or with 400 or more, costs what was held.
func (l *Limiter) serveAndSettle(next http.Handler, w http.ResponseWriter, r *http.Request, q question,
	hold, id string) {
	seen := &statusWriter{ResponseWriter: w}
	actual := q.units
	defer func() {
		_, err := l.guarded(context.Background(), "RL.SETTLE", settling(q, hold, actual))
		if err != nil {
			l.log(fmt.Sprintf("unsettled request_id=%s error=%q", id, err.Error()), "unsettled "+err.Error())
		}
	}()
	next.ServeHTTP(seen, r)
	if seen.status < 400 && r.Context().Err() == nil {
		actual = 0
	}
}

// statusWriter remembers the status; a handler that says none says 200.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Flush and Unwrap: what net/http looks for in a ResponseWriter.
func (w *statusWriter) Flush() {
	if flusher, ok := w.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
