// Package e2e proves berth on real components: its tests push to a real git
// server, Flux's own controllers fetch, decrypt and apply, and a real API
// server holds the result.
//
//	go run ./cmd/components          build the control plane once (a quarter of an hour)
//	go test -timeout 30m ./...       prove
//	go run ./cmd/up                  keep one running to play with
//
// One control plane serves the whole test binary (package stand). Each test
// deletes the projects that it made: every push makes Flux look at all of them.
package e2e
