// SPDX-License-Identifier: MIT

// The conversation in Go, with redigo: redigo conversation.json SOCKET PROTOCOL. Prints JSON.
package main

import (
	"encoding/hex"
	"encoding/json"
	"log"
	"os"
	"strings"

	"github.com/gomodule/redigo/redis"
)

type step struct {
	Command     string
	Pipeline    []string
	Transaction []string
}

func words(line string) (command string, arguments []interface{}) {
	found := strings.Split(line, " ")
	for _, word := range found[1:] {
		if strings.HasPrefix(word, "hex:") {
			bytes, err := hex.DecodeString(word[len("hex:"):])
			must(err)
			word = string(bytes)
		}
		arguments = append(arguments, word)
	}
	return found[0], arguments
}

// plain is the reply as encoding/json should write it. redigo gives integers as int64, and strings as bytes.
func plain(reply interface{}) interface{} {
	switch value := reply.(type) {
	case redis.Error:
		return map[string]string{"error": value.Error()}
	case []byte:
		return string(value)
	case []interface{}:
		list := make([]interface{}, len(value))
		for i, element := range value {
			list[i] = plain(element)
		}
		return list
	}
	return reply
}

// heard is the reply, or the error that the server replied with; any other error is the end.
func heard(reply interface{}, err error) interface{} {
	if refusal, ok := err.(redis.Error); ok {
		return plain(refusal)
	}
	must(err)
	return plain(reply)
}

func ask(server redis.Conn, line string) interface{} {
	command, arguments := words(line)
	return heard(server.Do(command, arguments...))
}

func send(server redis.Conn, lines []string) {
	for _, line := range lines {
		command, arguments := words(line)
		must(server.Send(command, arguments...))
	}
}

func askTogether(server redis.Conn, lines []string) (replies []interface{}) {
	send(server, lines)
	must(server.Flush())
	for range lines {
		replies = append(replies, heard(server.Receive()))
	}
	return replies
}

func askInTransaction(server redis.Conn, lines []string) interface{} {
	must(server.Send("MULTI"))
	send(server, lines)
	return heard(server.Do("EXEC"))
}

func converse(server redis.Conn, step step) interface{} {
	switch {
	case step.Command != "":
		return ask(server, step.Command)
	case step.Pipeline != nil:
		return askTogether(server, step.Pipeline)
	default:
		return askInTransaction(server, step.Transaction)
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	conversation, socket, protocol := os.Args[1], os.Args[2], os.Args[3]
	server, err := redis.Dial("unix", socket)
	must(err)
	defer server.Close()
	if protocol != "2" { // redigo 1 has no option for it
		_, err = server.Do("HELLO", protocol)
		must(err)
	}

	text, err := os.ReadFile(conversation)
	must(err)
	var steps []step
	must(json.Unmarshal(text, &steps))
	replies := []interface{}{}
	for _, step := range steps {
		replies = append(replies, converse(server, step))
	}
	must(json.NewEncoder(os.Stdout).Encode(replies))
}
