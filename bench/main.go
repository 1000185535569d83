// Command bench measures berth side by side with other ways to do the same job, and
// prints ratios from one run. Run it with `make bench`, or here:
//
//	go run . -h
//
// A [Cell] is one comparison and has a file of its own, cell_*.go. It lets its
// [Contender]s take turns, A B A B …, so that whatever else the machine does hits
// all of them. An opponent is replaced by editing one file: shell.sh is the shell
// pipeline, plumbing.sh raw git, worker/gogit.go the go-git road, floor.go the
// prepared pack.
//
// Everything happens on loopback and in temporary folders. The server is git's own
// http-backend. The repositories are made once and kept in the user's cache folder.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// cells returns all comparisons in the order of the table.
func cells() []Cell {
	return []Cell{
		shellCell{},
		localCell{},
		wallCell{},
		roadsCell{},
		growthCell{},
		coldCell{},
		queueCell{},
		retryCell{},
		bulkCell{},
		reviewCell{},
		partsCell{},
	}
}

type options struct {
	rounds   int
	projects int
	only     string
	document string
	write    bool
	dir      string
	cache    string
	keep     bool
	trace    bool
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 9, "measured rounds of each cell, after one that is not counted")
	flag.IntVar(&o.projects, "projects", 10_000, "projects in the large repository")
	flag.StringVar(&o.only, "cells", ".", "run the cells whose name matches this regular expression")
	flag.StringVar(&o.document, "doc", "../docs/performance.md", "the document that -write changes")
	flag.BoolVar(&o.write, "write", false, "put the table into the document")
	flag.StringVar(&o.dir, "dir", memory(), "the folder for everything temporary, repositories included")
	flag.StringVar(&o.cache, "cache", cacheFolder(), "the folder for what the next run can use again: programs and repositories")
	flag.BoolVar(&o.keep, "keep", false, "keep the temporary folder")
	flag.BoolVar(&o.trace, "trace", false, "tell each request to the server")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) error {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	if _, err := os.Stat(berthProgram); err != nil {
		return fmt.Errorf("%w; run make build first", err)
	}
	stand, err := newStand(ctx, o)
	if err != nil {
		return err
	}
	defer stand.close()
	report := newReport(o)
	for _, cell := range cells() {
		if !only.MatchString(cell.Name()) {
			continue
		}
		began := time.Now()
		stand.say("%s", cell.Name())
		rows, err := cell.Run(ctx, stand)
		if err != nil {
			report.finish()
			fmt.Fprint(out, report) // of the cells before: they took long enough
			return fmt.Errorf("cell %s: %w", cell.Name(), err)
		}
		report.add(rows)
		stand.say("%s took %s", cell.Name(), time.Since(began).Round(time.Second))
	}
	report.finish()
	fmt.Fprint(out, report)
	if o.write {
		return report.rewrite(o.document)
	}
	return nil
}

// memory is a folder in memory, if there is one: git syncs every file that it writes,
// and the speed of this machine's disk says nothing about berth or its opponents.
func memory() string {
	const folder = "/dev/shm"
	if _, err := os.Stat(folder); err != nil {
		return os.TempDir()
	}
	return folder
}

func cacheFolder() string {
	folder, err := os.UserCacheDir()
	if err != nil {
		folder = os.TempDir()
	}
	return filepath.Join(folder, "berth-bench")
}
