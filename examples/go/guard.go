// SPDX-License-Identifier: MIT

// What keeps trouble small: a breaker and a timeout for a server that does not answer, and a bound on the lines of the
// log.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	mostFailures = 5 // in a row, and for at least the timeout: one short stall makes many calls fail at once
	pause        = 500 * time.Millisecond
	interval     = 10 * time.Second
	mostLines    = 100 // an interval
)

// breaker: while it is open nobody waits for the server. After each pause, one call asks whether the server is back.
type breaker struct {
	timeout      time.Duration
	mutex        sync.Mutex
	failures     int
	firstFailure time.Time
	isOpen       bool
	nextTry      time.Time
}

func (b *breaker) mayAsk() bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if !b.isOpen {
		return true
	}
	now := time.Now()
	if now.Before(b.nextTry) {
		return false
	}
	b.nextTry = now.Add(pause)
	return true
}

func (b *breaker) note(hasAnswered bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	now := time.Now()
	if hasAnswered {
		b.failures = 0
	} else {
		if b.failures == 0 {
			b.firstFailure = now
		}
		b.failures++
	}
	b.isOpen = b.failures >= mostFailures && now.Sub(b.firstFailure) >= b.timeout
	if b.isOpen {
		b.nextTry = now.Add(pause)
	}
}

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
		l.note(caller, err)
		return reply, err
	case <-ctx.Done():
		late := fmt.Errorf("no answer within %s", l.options.Timeout)
		l.note(caller, late)
		return nil, late
	}
}

// note tells the breaker. A call that failed because the client has left says nothing about the server.
func (l *Limiter) note(caller context.Context, err error) {
	hasAnswered := err == nil || IsMistake(err)
	if hasAnswered || caller.Err() == nil {
		l.breaker.note(hasAnswered)
	}
}

// lines: in an interval, there is one line about a caller that is denied, or about a failure, and so many lines in all.
type lines struct {
	mutex   sync.Mutex
	end     time.Time
	about   map[string]bool
	leftOut int
}

// bounded gives the line, with the number of those left out before it; nothing if it is left out itself.
func (l *lines) bounded(line, about string) string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if now := time.Now(); !now.Before(l.end) {
		l.end, l.about = now.Add(interval), map[string]bool{}
	}
	if l.about[about] || len(l.about) >= mostLines {
		l.leftOut++
		return ""
	}
	l.about[about] = true
	if l.leftOut > 0 {
		line += fmt.Sprintf(" left_out=%d", l.leftOut)
	}
	l.leftOut = 0
	return line
}
