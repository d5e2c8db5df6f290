// SPDX-License-Identifier: MIT

// Drives redis_rate: theirs PORT BURST RATE PERIOD, and the costs of the calls as JSON on standard input. Prints what
// each call was granted, as JSON.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

func number(word string) int {
	value, err := strconv.Atoi(word)
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	period, err := time.ParseDuration(os.Args[4])
	check(err)
	limit := redis_rate.Limit{Burst: number(os.Args[2]), Rate: number(os.Args[3]), Period: period}
	limiter := redis_rate.NewLimiter(redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Args[1]}))
	var costs []int
	check(json.NewDecoder(os.Stdin).Decode(&costs))
	granted := []int{}
	for _, cost := range costs {
		result, err := limiter.AllowN(context.Background(), "theirs", limit, cost)
		check(err)
		granted = append(granted, result.Allowed)
	}
	check(json.NewEncoder(os.Stdout).Encode(granted))
}
