package main

import (
	"fmt"
	"strings"
)

// progress draws a bar on a terminal, and nothing elsewhere.
type progress struct {
	ui          *ui
	done, total int
	drawn       int // tenths of a percent, so that a step seldom draws
}

func newProgress(u *ui, total int) *progress { return &progress{ui: u, total: total, drawn: -1} }

func (p *progress) step() {
	p.done++
	if now := p.done * 1000 / p.total; p.ui.terminal && now != p.drawn {
		p.drawn = now
		const width = 40
		full := p.done * width / p.total
		fmt.Fprintf(p.ui.err, "\r[%s%s] %d of %d", strings.Repeat("=", full), strings.Repeat(" ", width-full), p.done, p.total)
	}
}

func (p *progress) end() {
	if p.ui.terminal {
		fmt.Fprint(p.ui.err, "\r\x1b[K")
	}
}
