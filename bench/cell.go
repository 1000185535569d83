package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// A Cell is one comparison of the table.
type Cell interface {
	Name() string
	Run(ctx context.Context, s *stand) ([]Row, error)
}

// A Contender does one job in one way.
type Contender interface {
	Name() string
	// Round does the job for the n-th time, each time with another project. Only
	// the cost that it returns counts, so it may prepare as long as it wants.
	Round(ctx context.Context, n int) (Cost, error)
}

// Cost is what one round took.
type Cost struct {
	Wall time.Duration
	CPU  time.Duration // of the client and its children; the server's is not counted
	Peak int64         // bytes of memory that the client held at most; 0 when unknown
	Work float64       // projects made, when a round makes more than one
}

// measure lets the contenders take turns and returns the costs of each, in their
// order. The first turn of each warms up and is thrown away.
func measure(ctx context.Context, s *stand, contenders ...Contender) ([][]Cost, error) {
	costs, err := takeTurns(ctx, s, s.rounds+1, contenders...)
	for i := range costs {
		costs[i] = costs[i][1:]
	}
	return costs, err
}

// takeTurns is measure for so many rounds, all of which count.
func takeTurns(ctx context.Context, s *stand, rounds int, contenders ...Contender) ([][]Cost, error) {
	costs := make([][]Cost, len(contenders))
	for n := range rounds {
		for i, c := range contenders {
			cost, err := c.Round(ctx, n)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", c.Name(), n, err)
			}
			s.say("  %-40s %8s  CPU %8s  %4d MB", c.Name(), cost.Wall.Round(100*time.Microsecond), cost.CPU.Round(100*time.Microsecond), cost.Peak>>20)
			costs[i] = append(costs[i], cost)
		}
	}
	return costs, nil
}

// A Figure is what was measured in all rounds.
type Figure struct {
	Min, Median, Max float64
	Unit             Unit
}

// A Unit formats a number.
type Unit func(float64) string

func figure(costs []Cost, of func(Cost) float64, unit Unit) Figure {
	values := make([]float64, len(costs))
	for i, c := range costs {
		values[i] = of(c)
	}
	slices.Sort(values)
	n := len(values)
	return Figure{values[0], (values[(n-1)/2] + values[n/2]) / 2, values[n-1], unit}
}

func wall(costs []Cost) Figure {
	return figure(costs, func(c Cost) float64 { return c.Wall.Seconds() }, seconds)
}

func cpu(costs []Cost) Figure {
	return figure(costs, func(c Cost) float64 { return c.CPU.Seconds() }, seconds)
}

func peak(costs []Cost) Figure {
	return figure(costs, func(c Cost) float64 { return float64(c.Peak) }, megabytes)
}

func rate(costs []Cost) Figure {
	return figure(costs, func(c Cost) float64 { return c.Work / c.Wall.Seconds() }, perSecond)
}

// times returns the figure n times over.
func (f Figure) times(n float64) Figure {
	return Figure{f.Min * n, f.Median * n, f.Max * n, f.Unit}
}

func (f Figure) String() string {
	if f.Unit == nil {
		return ""
	}
	if f.Min == f.Max {
		return f.Unit(f.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", f.Unit(f.Median), f.Unit(f.Min), f.Unit(f.Max))
}

func seconds(v float64) string {
	switch {
	case v < 1e-3:
		return fmt.Sprintf("%.0f µs", v*1e6)
	case v < 0.0995:
		return fmt.Sprintf("%.1f ms", v*1e3)
	case v < 0.9995:
		return fmt.Sprintf("%.0f ms", v*1e3)
	case v < 99.5:
		return fmt.Sprintf("%.2f s", v)
	}
	return fmt.Sprintf("%.0f s", v)
}

func megabytes(v float64) string { return fmt.Sprintf("%.1f MB", v/(1<<20)) }
func perSecond(v float64) string { return fmt.Sprintf("%.1f/s", v) }
