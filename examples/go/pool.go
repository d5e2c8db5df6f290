// SPDX-License-Identifier: MIT

// A pool of connections as RateLimit wants it. Other settings, such as a password, go into the call that dials.
package main

import (
	"context"
	"time"

	"github.com/gomodule/redigo/redis"
)

// NewPool lets callers wait for a connection: too many of them would be a failure that clients can bring about. A
// connection that was not used for a second is tried first, lest the server has closed it.
func NewPool(address string) *redis.Pool {
	return &redis.Pool{
		MaxActive: 50, MaxIdle: 50, IdleTimeout: time.Minute, Wait: true,
		DialContext: func(ctx context.Context) (redis.Conn, error) { return redis.DialContext(ctx, "tcp", address) },
		TestOnBorrow: func(conn redis.Conn, used time.Time) error {
			if time.Since(used) < time.Second {
				return nil
			}
			_, err := redis.DoWithTimeout(conn, 100*time.Millisecond, "PING")
			return err
		},
	}
}
