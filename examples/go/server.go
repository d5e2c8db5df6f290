// SPDX-License-Identifier: MIT

// How a command reaches the server, by redigo: one server, a cluster, or the primary that sentinels name; and which
// errors are mistakes. For another library, change this file.
package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/mna/redisc"
)

// Ask sends a command, whose first word is its key, and gives the reply. It never sends a command twice, since the
// first may have been charged.
type Ask func(ctx context.Context, command string, words []interface{}) ([]interface{}, error)

// What the server says of itself: that it cannot decide now. Any other error that it answers is a mistake.
var outage = regexp.MustCompile(`^(LOADING|BUSY|MASTERDOWN|READONLY|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|OOM|MISCONF|` +
	`NOREPLICAS|ERR max number of clients)\b`)

// IsMistake says whether an error stays until somebody mends it.
func IsMistake(err error) bool {
	var said redis.Error
	return errors.As(err, &said) && !outage.MatchString(said.Error())
}

// Its parts: the scheme, cluster or sentinel, the login, the places, and a database or the name of a primary.
var placeOf = regexp.MustCompile(`^(rediss?)(?:\+(cluster|sentinel))?://((?:[^@/]*@)?)([^@/]+)(/.*)?$`)

// Connect panics if the URL makes no sense. It is one of redis:// or rediss://; of redis+cluster://login@node:port, for
// the cluster that this node belongs to; of redis+sentinel://login@a:26379,b:26379/name, for the primary of that name.
// Connecting and each reply may take as long as the timeout.
func Connect(url string, timeout time.Duration) Ask {
	place := placeOf.FindStringSubmatch(url)
	if place == nil {
		panic("the URL must be of redis, rediss, redis+cluster or redis+sentinel")
	}
	scheme, kind, login, addresses, path := place[1], place[2], place[3], strings.Split(place[4], ","), place[5]
	dial := func(address, database string) (redis.Conn, error) {
		return redis.DialURL(scheme+"://"+login+address+database, redis.DialConnectTimeout(timeout),
			redis.DialReadTimeout(timeout), redis.DialWriteTimeout(timeout))
	}
	switch kind {
	case "cluster":
		return clustered(addresses, func(address string) (redis.Conn, error) { return dial(address, "") }, timeout)
	case "sentinel":
		return pooled(newPool(func() (redis.Conn, error) {
			address, err := primaryOf(strings.Trim(path, "/"), addresses, timeout)
			if err != nil {
				return nil, err
			}
			return dial(address, "")
		}))
	}
	return pooled(newPool(func() (redis.Conn, error) { return dial(addresses[0], path) }))
}

// newPool lets callers wait for a connection: too many of them would be a failure that clients can bring about. A
// connection that was not used for a second is tried first, lest the server has closed it.
func newPool(dial func() (redis.Conn, error)) *redis.Pool {
	return &redis.Pool{
		MaxActive: 50, MaxIdle: 50, IdleTimeout: time.Minute, Wait: true, Dial: dial,
		TestOnBorrow: func(conn redis.Conn, used time.Time) error {
			if time.Since(used) < time.Second {
				return nil
			}
			_, err := redis.DoWithTimeout(conn, 100*time.Millisecond, "PING")
			return err
		},
	}
}

func pooled(pool *redis.Pool) Ask {
	return func(ctx context.Context, command string, words []interface{}) ([]interface{}, error) {
		conn, _ := pool.GetContext(ctx) // if there is none, this says why when it is asked
		defer conn.Close()
		return redis.Values(conn.Do(command, words...))
	}
}

// clustered asks the node that has the key, and follows when the server names another one. Such a call was not carried
// out.
func clustered(nodes []string, dial func(string) (redis.Conn, error), timeout time.Duration) Ask {
	cluster := &redisc.Cluster{StartupNodes: nodes, PoolWaitTime: timeout}
	cluster.CreatePool = func(address string, _ ...redis.DialOption) (*redis.Pool, error) {
		return newPool(func() (redis.Conn, error) { return dial(address) }), nil
	}
	return func(_ context.Context, command string, words []interface{}) ([]interface{}, error) {
		conn, err := redisc.RetryConn(cluster.Get(), 3, 10*time.Millisecond)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return redis.Values(conn.Do(command, words...))
	}
}

// primaryOf asks the sentinels in turn.
func primaryOf(name string, sentinels []string, timeout time.Duration) (string, error) {
	err := errors.New("no sentinel is given")
	for _, sentinel := range sentinels {
		var conn redis.Conn
		conn, err = redis.Dial("tcp", sentinel, redis.DialConnectTimeout(timeout), redis.DialReadTimeout(timeout),
			redis.DialWriteTimeout(timeout))
		if err != nil {
			continue
		}
		var place []string
		place, err = redis.Strings(conn.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name))
		conn.Close()
		if err == nil {
			return place[0] + ":" + place[1], nil
		}
	}
	return "", fmt.Errorf("no sentinel names the primary: %w", err)
}
