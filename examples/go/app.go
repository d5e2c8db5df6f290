// SPDX-License-Identifier: MIT

// A service with a limit of five requests at once and one a second for each address: README.md.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func setting(name, otherwise string) string {
	if value, ok := os.LookupEnv(name); ok {
		return value
	}
	return otherwise
}

func main() {
	options := Defaults()
	options.Limits = "TOKENBUCKET 5 1 1s"
	limit := RateLimit(Connect(setting("REDIS_URL", "redis://localhost:6379"), options.Timeout), options)
	if err := limit.Ready(); err != nil {
		log.Fatal(err)
	}

	http.Handle("/", limit.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello")
	})))
	port := setting("PORT", "3000")
	log.Printf("http://localhost:%s/", port)
	log.Fatal(http.ListenAndServe(":"+port, nil))
}
