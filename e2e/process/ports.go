package process

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Programs get their ports below the range from which the kernel serves port 0
// and outgoing connections (net.ipv4.ip_local_port_range, 32768 and up): there
// nobody takes one in the moment before its program listens.
const lowPort, highPort = 16_000, 32_000

// FreePorts finds n different TCP ports on loopback that nobody listens on.
func FreePorts(n int) ([]int, error) {
	var ports []int
	var taken error
	for range 100 * n {
		if len(ports) == n {
			return ports, nil
		}
		port := lowPort + rand.IntN(highPort-lowPort)
		l, err := listen(port)
		if err != nil {
			taken = err
			continue
		}
		defer func() { _ = l.Close() }() // all stay taken until all are chosen
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("fewer than %d free TCP ports between %d and %d on 127.0.0.1: %w", n, lowPort, highPort, taken)
}

// Listen takes a free TCP port on loopback.
func Listen() (net.Listener, error) {
	l, err := listen(0)
	if err != nil {
		return nil, fmt.Errorf("no free TCP port on 127.0.0.1: %w", err)
	}
	return l, nil
}

func listen(port int) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp", Loopback(port))
}

// Loopback is the address of a port on this machine.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
