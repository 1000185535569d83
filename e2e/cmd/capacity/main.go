// Command capacity measures the control plane with 30, 100 and 300
// environments and prints the table of docs/capacity.md. It takes about half
// an hour and wants a quiet machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/berth-gitops/berth/e2e/capacity"
	"github.com/berth-gitops/berth/e2e/stand"
)

func main() {
	sizes := flag.String("environments", "30,100,300", "sizes to measure at, rising")
	workers := flag.String("concurrent", "4,20", "kustomize-controller's --concurrent")
	tmp := flag.String("tmp", "memory,disk", "where the controllers' /tmp is")
	rounds := flag.Int("rounds", 3, "changes per size; the median is printed")
	ignore := flag.String("ignore", "", "the GitRepository's spec.ignore, to try out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Println("| `/tmp` | workers | environments | first apply | change applied | everything looked at | kustomize-controller | source-controller | API server |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	for _, place := range strings.Split(*tmp, ",") {
		for _, n := range strings.Split(*workers, ",") {
			run := run{place: place, workers: n, sizes: strings.Split(*sizes, ","), rounds: *rounds, ignore: *ignore}
			if err := run.measure(ctx); err != nil {
				fmt.Fprintln(os.Stderr, "✗", err)
				os.Exit(1)
			}
		}
	}
}

// run is one control plane that grows.
type run struct {
	place, workers string
	sizes          []string
	rounds         int
	ignore         string
}

func (r run) measure(ctx context.Context) error {
	concurrent, err := strconv.Atoi(r.workers)
	if err != nil {
		return err
	}
	options := stand.Options{Log: os.Stderr, Concurrent: concurrent}
	if r.place == "disk" {
		options.TmpDir = os.TempDir()
	}
	s, err := stand.Start(ctx, options)
	if err != nil {
		return err
	}
	defer s.Stop(false)
	if err := s.Init(ctx); err != nil {
		return err
	}
	if r.ignore != "" {
		if err := capacity.Ignore(ctx, s, r.ignore); err != nil {
			return err
		}
	}
	have := 0
	for _, text := range r.sizes {
		size, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		size -= size % capacity.PerProject
		if err := r.row(ctx, s, have, size); err != nil {
			return err
		}
		have = size
	}
	return nil
}

// row grows the stand to a size and prints what a change costs there.
func (r run) row(ctx context.Context, s *stand.Stand, have, size int) error {
	first, err := capacity.Grow(ctx, s, have, size)
	if err != nil {
		return err
	}
	var changes []*capacity.Change
	for round := range r.rounds {
		c, err := capacity.Measure(ctx, s, size, round, r.rounds)
		if err != nil {
			return err
		}
		if len(c.Disturbed) > 0 {
			return fmt.Errorf("a change to one project changed %d objects of others: %v", len(c.Disturbed), c.Disturbed)
		}
		changes = append(changes, c)
	}
	median := func(of func(*capacity.Change) time.Duration) time.Duration {
		all := make([]time.Duration, len(changes))
		for i, c := range changes {
			all[i] = of(c)
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	seconds := func(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
	used := func(of func(*capacity.Change) stand.Usage) string {
		cpu := median(func(c *capacity.Change) time.Duration { return of(c).CPU })
		return fmt.Sprintf("%s, %d MB", seconds(cpu), of(changes[len(changes)-1]).RSS>>20)
	}
	fmt.Printf("| %s | %s | %d | %s (+%d) | %s | %s | %s | %s | %s |\n",
		r.place, r.workers, size, seconds(first), size-have,
		seconds(median(func(c *capacity.Change) time.Duration { return c.Applied })),
		seconds(median(func(c *capacity.Change) time.Duration { return c.Quiet })),
		used(func(c *capacity.Change) stand.Usage { return c.Kustomize }),
		used(func(c *capacity.Change) stand.Usage { return c.Source }),
		used(func(c *capacity.Change) stand.Usage { return c.API }))
	return nil
}
