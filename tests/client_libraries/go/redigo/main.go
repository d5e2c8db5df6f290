// SPDX-License-Identifier: MIT

// The conversation in Go, with redigo.
package main

import (
	"github.com/gomodule/redigo/redis"

	"ratelimit/client_libraries/talk"
)

type library struct{ redis.Conn }

// plain is the reply as encoding/json should write it. redigo gives integers as int64, and strings as bytes.
func plain(reply any) any {
	switch value := reply.(type) {
	case redis.Error:
		return talk.Refusal(value)
	case []byte:
		return string(value)
	case []any:
		list := make([]any, len(value))
		for i, element := range value {
			list[i] = plain(element)
		}
		return list
	}
	return reply
}

// heard is the reply, or the error that the server replied with.
func heard(reply any, err error) (any, error) {
	if refusal, ok := err.(redis.Error); ok {
		return plain(refusal), nil
	}
	return plain(reply), err
}

func (server library) Ask(words []any) (any, error) {
	return heard(server.Do(words[0].(string), words[1:]...))
}

func (server library) send(commands [][]any) error {
	for _, words := range commands {
		if err := server.Send(words[0].(string), words[1:]...); err != nil {
			return err
		}
	}
	return nil
}

func (server library) Pipeline(commands [][]any) (replies []any, err error) {
	if err := server.send(commands); err != nil {
		return nil, err
	}
	if err := server.Flush(); err != nil {
		return nil, err
	}
	for range commands {
		reply, err := heard(server.Receive())
		if err != nil {
			return nil, err
		}
		replies = append(replies, reply)
	}
	return replies, nil
}

func (server library) Transaction(commands [][]any) (any, error) {
	if err := server.Send("MULTI"); err != nil {
		return nil, err
	}
	if err := server.send(commands); err != nil {
		return nil, err
	}
	return heard(server.Do("EXEC"))
}

func connect(address, mode string) talk.Library {
	options := []redis.DialOption{}
	if mode == "default" || mode == "once" {
		options = append(options, redis.DialReadTimeout(talk.Patience))
	}
	server, err := redis.Dial("tcp", address, options...)
	talk.Must(err)
	if mode == "3" { // redigo has no option for it
		_, err = server.Do("HELLO", mode)
		talk.Must(err)
	}
	return library{server}
}

func main() { talk.Main(connect) }
