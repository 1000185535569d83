// Command capacity measures the control plane with 30, 100 and 300
// environments and prints the table of docs/capacity.md; with -write it puts it
// there. It takes about half an hour and wants a quiet machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/berth-gitops/berth/e2e/components"
)

// options are the flags.
type options struct {
	only   string
	sizes  string
	rounds int
	write  bool
}

func main() {
	var o options
	flag.StringVar(&o.only, "only", ".", "measure the settings whose name matches this `expression`")
	flag.StringVar(&o.sizes, "environments", "", "`sizes` to measure at, as in 30,100, instead of each setting's own")
	flag.IntVar(&o.rounds, "rounds", 3, "changes at each size; the median is taken")
	flag.BoolVar(&o.write, "write", false, "put the table into docs/capacity.md")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	sizes, err := parseSizes(o.sizes)
	if err != nil {
		return err
	}
	r := newReport(o.rounds)
	for _, s := range settings() {
		if !only.MatchString(s.String()) {
			continue
		}
		if sizes != nil {
			s.sizes = sizes
		}
		if err = s.measure(ctx, o.rounds, r); err != nil {
			break
		}
	}
	r.end()
	fmt.Print(r) // what was measured before an error, too
	if err != nil || !o.write {
		return err
	}
	module, err := components.ModuleDir(ctx)
	if err != nil {
		return err
	}
	return r.rewrite(filepath.Join(module, "..", "docs", "capacity.md"))
}

// parseSizes reads rising numbers.
func parseSizes(list string) ([]int, error) {
	if list == "" {
		return nil, nil
	}
	var sizes []int
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || len(sizes) > 0 && n <= sizes[len(sizes)-1] {
			return nil, fmt.Errorf("-environments %s: want rising numbers, as in 30,100", list)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}
