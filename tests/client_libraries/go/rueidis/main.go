// SPDX-License-Identifier: MIT

// The conversation in Go, with rueidis.
package main

import (
	"context"
	"errors"
	"net"

	"github.com/redis/rueidis"

	"ratelimit/client_libraries/talk"
)

var background = context.Background()

type library struct{ rueidis.Client }

// command is what rueidis sends: it must be told which word is the key.
func (server library) command(words []any) rueidis.Completed {
	texts := []string{}
	for _, word := range words {
		texts = append(texts, word.(string))
	}
	if len(texts) == 1 {
		return server.B().Arbitrary(texts...).Build()
	}
	return server.B().Arbitrary(texts[0]).Keys(texts[1]).Args(texts[2:]...).Build()
}

func list(messages []rueidis.RedisMessage) (elements []any, err error) {
	elements = []any{}
	for _, message := range messages {
		element, err := plain(message)
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
	return elements, nil
}

// plain is the reply as encoding/json should write it. ToAny would lose errors within a list.
func plain(message rueidis.RedisMessage) (any, error) {
	if err := message.Error(); err != nil {
		return refusal(err)
	}
	switch {
	case message.IsMap():
		named := map[string]any{}
		found, err := message.ToMap()
		for name, element := range found {
			if err == nil {
				named[name], err = plain(element)
			}
		}
		return named, err
	case message.IsArray():
		found, err := message.ToArray()
		if err != nil {
			return nil, err
		}
		return list(found)
	}
	return message.ToAny()
}

// refusal is an error that the server replied with, or null.
func refusal(err error) (any, error) {
	var reply *rueidis.RedisError
	switch {
	case rueidis.IsRedisNil(err):
		return nil, nil
	case errors.As(err, &reply):
		return talk.Refusal(reply), nil
	}
	return nil, err
}

func heard(result rueidis.RedisResult) (any, error) {
	message, err := result.ToMessage()
	if err != nil {
		return refusal(err)
	}
	return plain(message)
}

func (server library) Ask(words []any) (any, error) {
	return heard(server.Do(background, server.command(words)))
}

func (server library) Pipeline(commands [][]any) (replies []any, err error) {
	built := []rueidis.Completed{}
	for _, words := range commands {
		built = append(built, server.command(words))
	}
	for _, result := range server.DoMulti(background, built...) {
		reply, err := heard(result)
		if err != nil {
			return nil, err
		}
		replies = append(replies, reply)
	}
	return replies, nil
}

func (server library) Transaction(commands [][]any) (any, error) {
	var replies []any
	err := server.Dedicated(func(alone rueidis.DedicatedClient) (err error) {
		built := []rueidis.Completed{alone.B().Multi().Build()}
		for _, words := range commands {
			built = append(built, server.command(words))
		}
		results := alone.DoMulti(background, append(built, alone.B().Exec().Build())...)
		found, err := results[len(results)-1].ToArray()
		if err == nil {
			replies, err = list(found)
		}
		return err
	})
	return replies, err
}

func connect(address, mode string) talk.Library {
	options := rueidis.ClientOption{InitAddress: []string{address}, DisableCache: true}
	switch mode {
	case "2":
		options.AlwaysRESP2 = true
	case "default":
		options.ConnWriteTimeout, options.Dialer = talk.Patience, net.Dialer{KeepAlive: talk.Patience}
	}
	options.ForceSingleClient = mode != "cluster"
	client, err := rueidis.NewClient(options)
	talk.Must(err)
	return library{client}
}

func main() { talk.Main(connect) }
