// SPDX-License-Identifier: MIT

// The conversation in Go, with go-redis.
package main

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"ratelimit/client_libraries/talk"
)

var background = context.Background()

type library struct{ redis.UniversalClient }

// plain is the reply as encoding/json should write it. go-redis gives a map of RESP3 as map[any]any.
func plain(reply any) any {
	switch value := reply.(type) {
	case redis.Error:
		return talk.Refusal(value)
	case map[any]any:
		named := map[string]any{}
		for name, element := range value {
			named[name.(string)] = plain(element)
		}
		return named
	case []any:
		list := make([]any, len(value))
		for i, element := range value {
			list[i] = plain(element)
		}
		return list
	}
	return reply
}

// heard is the reply, or the error that the server replied with. A null is the error redis.Nil.
func heard(reply any, err error) (any, error) {
	var refusal redis.Error
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil
	case errors.As(err, &refusal):
		return talk.Refusal(refusal), nil
	}
	return plain(reply), err
}

func (server library) Ask(words []any) (any, error) {
	return heard(server.Do(background, words...).Result())
}

// together sends what was collected. Exec returns the first error, which the commands have too.
func together(pipe redis.Pipeliner, commands [][]any) (replies []any, err error) {
	sent := []*redis.Cmd{}
	for _, words := range commands {
		sent = append(sent, pipe.Do(background, words...))
	}
	_, _ = pipe.Exec(background)
	for _, command := range sent {
		reply, err := heard(command.Result())
		if err != nil {
			return nil, err
		}
		replies = append(replies, reply)
	}
	return replies, nil
}

func (server library) Pipeline(commands [][]any) ([]any, error) {
	return together(server.UniversalClient.Pipeline(), commands)
}

func (server library) Transaction(commands [][]any) (any, error) {
	return together(server.TxPipeline(), commands)
}

func connect(address, mode string) talk.Library {
	options := redis.UniversalOptions{Addrs: []string{address}}
	switch mode {
	case "2":
		options.Protocol = 2
	case "cluster":
		options.IsClusterMode = true
	case "default":
		options.ReadTimeout = talk.Patience
	case "once":
		options.ReadTimeout, options.MaxRetries = talk.Patience, -1
	}
	return library{redis.NewUniversalClient(&options)}
}

func main() { talk.Main(connect) }
