package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process has used since its start: CPU time, and the most
// memory that it ever had resident, in bytes.
type Usage struct {
	CPU  time.Duration
	Peak int64
}

// Usage reads it from /proc; it is zero once the program has ended.
func (p *Process) Usage() Usage {
	read := func(name string) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, name))
		if err != nil {
			return ""
		}
		return string(text)
	}
	return Usage{CPU: cpuTime(read("stat")), Peak: peakMemory(read("status"))}
}

// clockTick is the unit of CPU times in /proc, USER_HZ: 100 on every Linux.
const clockTick = 10 * time.Millisecond

// cpuTime adds user and system time in /proc/<pid>/stat.
func cpuTime(stat string) time.Duration {
	// The program's name, field 2, stands in parentheses and may hold spaces.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const user, system = 14 - 3, 15 - 3
	if len(fields) <= system {
		return 0
	}
	var ticks int64
	for _, field := range fields[user : system+1] {
		n, _ := strconv.ParseInt(field, 10, 64) // the kernel wrote it
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}

// peakMemory is VmHWM in /proc/<pid>/status.
func peakMemory(status string) int64 {
	_, rest, _ := strings.Cut(status, "\nVmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(line, "kB")), 10, 64)
	return kib << 10
}
