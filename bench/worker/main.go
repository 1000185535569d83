// Command worker does the jobs of the bench that live in one process: it makes the
// repositories, and it is the client whose time, CPU and memory are measured.
//
//	worker version                   prints what a fleet made now would hold
//	worker fleet DIR PROJECTS        makes a fleet, see makeFleet
//	worker create URL FLEET          berth: makes the project named in each line
//	worker queue URL FLEET WRITERS   berth: the queue; each line is the prefix of a batch
//	worker retry URL FLEET WRITERS   the same writers without the queue
//	worker bulk FLEET                berth: many projects in one go
//	worker gogit CLONE FLEET         go-git with a work tree
//	worker parts FLEET               one step of a creation in each round: seal or render
//
// From create on, a job reads lines from standard input, does one round for each, and
// answers with a line of JSON: wall and CPU time in nanoseconds, the most memory that
// the process ever held in bytes, the number of projects made, and an error.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// A round does what one line asks for and returns how many projects it made.
type round func(ctx context.Context, line string) (int, error)

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("no job")
	}
	job, args := args[0], args[1:]
	var do round
	var err error
	switch {
	case job == "version":
		version, err := fleetVersion()
		fmt.Println(version)
		return err
	case job == "fleet" && len(args) == 2:
		projects, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return makeFleet(ctx, args[0], projects)
	case job == "create" && len(args) == 2:
		do, err = creator(ctx, args[0], args[1])
	case job == "bulk" && len(args) == 1:
		do = bulk(args[0])
	case (job == "queue" || job == "retry") && len(args) == 3:
		writers, err2 := strconv.Atoi(args[2])
		if err2 != nil {
			return err2
		}
		start := queue
		if job == "retry" {
			start = retry
		}
		do, err = start(ctx, args[0], args[1], writers)
	case job == "gogit" && len(args) == 2:
		do, err = goGit(args[0], args[1])
	case job == "parts" && len(args) == 1:
		do, err = parts(args[0])
	default:
		return fmt.Errorf("unknown job %s %q", job, args)
	}
	if err != nil {
		return err
	}
	defer profile(job)()
	return answer(ctx, os.Stdin, os.Stdout, do)
}

func answer(ctx context.Context, in io.Reader, out io.Writer, do round) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		cpu, start := cpuTime(), time.Now()
		work, err := do(ctx, lines.Text())
		reply := map[string]any{
			"wall": time.Since(start), "cpu": cpuTime() - cpu, "peak": peakMemory(), "work": work,
		}
		if err != nil {
			reply["error"] = err.Error()
		}
		if err := json.NewEncoder(out).Encode(reply); err != nil {
			return err
		}
	}
	return lines.Err()
}

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// peakMemory is the most memory that this process ever held, in bytes. getrusage
// would count that of its parent before the exec.
func peakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	var kilobytes int64
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	_, _ = fmt.Sscan(rest, &kilobytes)
	return kilobytes << 10
}

// profile writes profiles of CPU time and of allocations into the folder that
// BENCH_PROFILE names.
func profile(job string) (stop func()) {
	dir := os.Getenv("BENCH_PROFILE")
	if dir == "" {
		return func() {}
	}
	create := func(kind string) *os.File {
		file, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.pprof", job, os.Getpid(), kind)))
		if err != nil {
			fmt.Fprintln(os.Stderr, "worker: no profile:", err)
		}
		return file
	}
	cpu, allocs := create("cpu"), create("allocs")
	if err := pprof.StartCPUProfile(cpu); err != nil {
		fmt.Fprintln(os.Stderr, "worker: no profile:", err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = pprof.Lookup("allocs").WriteTo(allocs, 0)
		_, _ = cpu.Close(), allocs.Close()
	}
}
