// SPDX-License-Identifier: MIT

// Package talk has a conversation with a server: PROGRAM conversation.json PORT MODE. Prints JSON. test_conversation.py
// says what the modes are.
package talk

import (
	"encoding/hex"
	"encoding/json"
	"log"
	"os"
	"strings"
	"time"
)

// Patience is how long a program waits for a reply in the modes "default" and "once".
const Patience = 500 * time.Millisecond

// Library is what a program makes of a library. An error of the server is a reply: Refusal.
type Library interface {
	Ask(words []any) (any, error)
	Pipeline(commands [][]any) ([]any, error)
	Transaction(commands [][]any) (any, error)
}

type step struct {
	Command     string
	Pipeline    []string
	Transaction []string
}

// Refusal is how an error is printed.
func Refusal(err error) map[string]string { return map[string]string{"error": err.Error()} }

func words(line string) (found []any) {
	for _, word := range strings.Split(line, " ") {
		if digits, isHex := strings.CutPrefix(word, "hex:"); isHex {
			bytes, err := hex.DecodeString(digits)
			Must(err)
			word = string(bytes)
		}
		found = append(found, word)
	}
	return found
}

func each(lines []string) (commands [][]any) {
	for _, line := range lines {
		commands = append(commands, words(line))
	}
	return commands
}

func converse(library Library, step step) (any, error) {
	switch {
	case step.Command != "":
		return library.Ask(words(step.Command))
	case step.Pipeline != nil:
		return library.Pipeline(each(step.Pipeline))
	default:
		return library.Transaction(each(step.Transaction))
	}
}

// Must ends the program if there is an error.
func Must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Main reads the arguments, connects, and has the conversation. Only where connections are broken on purpose, an error
// that the server did not send is heard too.
func Main(connect func(address, mode string) Library) {
	conversation, port, mode := os.Args[1], os.Args[2], os.Args[3]
	library := connect("127.0.0.1:"+port, mode)
	text, err := os.ReadFile(conversation)
	Must(err)
	var steps []step
	Must(json.Unmarshal(text, &steps))
	heard := []any{}
	for _, step := range steps {
		reply, err := converse(library, step)
		if err != nil && (mode == "default" || mode == "once") {
			reply, err = Refusal(err), nil
		}
		Must(err)
		heard = append(heard, reply)
	}
	Must(json.NewEncoder(os.Stdout).Encode(heard))
}
