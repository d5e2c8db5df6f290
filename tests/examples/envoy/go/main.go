// SPDX-License-Identifier: MIT

// A client that plays Envoy, made of the types that Envoy's project publishes for Go.
//
//	envoy_client ADDRESS [CERTIFICATE]   asks each line of its input, a RateLimitRequest as JSON, and prints what it is told
//	envoy_client fields                  prints the fields of the published messages
//
// With a certificate it encrypts, and trusts that one.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	ratelimit "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const patience = 30 * time.Second

// reply is what the service said to one request.
type reply struct {
	Response json.RawMessage `json:",omitempty"`
	Error    string          `json:",omitempty"` // the name of gRPC's code
	ID       []string        `json:",omitempty"` // the request's, as it came back
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func show(value any) {
	text, err := json.Marshal(value)
	must(err)
	fmt.Println(string(text))
}

func ask(client ratelimit.RateLimitServiceClient, line []byte, number int) reply {
	var request ratelimit.RateLimitRequest
	must(protojson.Unmarshal(line, &request))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "x-request-id", fmt.Sprintf("envoy-%d", number))
	var header metadata.MD
	response, err := client.ShouldRateLimit(ctx, &request, grpc.Header(&header), grpc.WaitForReady(true))
	told := reply{ID: header.Get("x-request-id")}
	if err != nil {
		told.Error = status.Code(err).String()
		return told
	}
	told.Response, err = protojson.Marshal(response)
	must(err)
	return told
}

func talk(address string, encryption credentials.TransportCredentials) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(encryption))
	must(err)
	defer connection.Close()
	client := ratelimit.NewRateLimitServiceClient(connection)
	lines := bufio.NewScanner(os.Stdin)
	for number := 1; lines.Scan(); number++ {
		show(ask(client, lines.Bytes(), number))
	}
	must(lines.Err())
}

// fieldsOf adds the fields of a message, and of all that it consists of, by their full names.
func fieldsOf(message protoreflect.MessageDescriptor, found map[string][]any) {
	fields := message.Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		name := string(field.FullName())
		if found[name] != nil {
			continue
		}
		madeOf := ""
		if field.Message() != nil {
			madeOf = string(field.Message().FullName())
		}
		values := map[string]int{}
		if field.Enum() != nil {
			for j := range field.Enum().Values().Len() {
				value := field.Enum().Values().Get(j)
				values[string(value.Name())] = int(value.Number())
			}
		}
		found[name] = []any{int(field.Number()), int(field.Kind()), field.IsList() || field.IsMap(), madeOf, values}
		if field.Message() != nil {
			fieldsOf(field.Message(), found)
		}
	}
}

func main() {
	log.SetFlags(0)
	switch {
	case len(os.Args) == 2 && os.Args[1] == "fields":
		found := map[string][]any{}
		fieldsOf((&ratelimit.RateLimitRequest{}).ProtoReflect().Descriptor(), found)
		fieldsOf((&ratelimit.RateLimitResponse{}).ProtoReflect().Descriptor(), found)
		show(found)
	case len(os.Args) == 2:
		talk(os.Args[1], insecure.NewCredentials())
	case len(os.Args) == 3:
		trusted, err := credentials.NewClientTLSFromFile(os.Args[2], "")
		must(err)
		talk(os.Args[1], trusted)
	default:
		log.Fatal("usage: envoy_client ADDRESS [CERTIFICATE] | fields")
	}
}
