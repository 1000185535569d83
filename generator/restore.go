package generator

import (
	"slices"
	"strings"
)

// maxTable bounds the memory and time of comparing two documents by line.
const maxTable = 4 << 20

// restore merges three versions of a document by line. prior is what a person
// wrote, before is the same encoded anew, after is that with changes. The
// result has after's changes and prior's lines wherever before and after
// agree. It knows no YAML: the caller checks that the meaning is after's.
func restore(prior, before, after []byte) []byte {
	p, b, a := lines(prior), lines(before), lines(after)
	if len(p)*len(b) > maxTable || len(b)*len(a) > maxTable {
		return after
	}
	inPrior, inAfter := align(spaced(b), spaced(p)), align(unbroken(b), unbroken(a))
	var out []string
	pi, bi, ai := 0, 0, 0
	for i := 0; i <= len(b); i++ {
		nextP, nextA := len(p), len(a)
		if i < len(b) {
			nextP, nextA = inPrior[i], inAfter[i]
			if nextP < 0 || nextA < 0 {
				continue
			}
		}
		out = append(out, chunk(p[pi:nextP], b[bi:i], a[ai:nextA])...)
		if i < len(b) {
			out = append(out, p[nextP])
		}
		pi, bi, ai = nextP+1, i+1, nextA+1
	}
	for i := range len(out) - 1 {
		if !strings.HasSuffix(out[i], "\n") { // prior's last line is not the last any more
			out[i] += a[0][len(unbroken(a[:1])[0]):]
		}
	}
	return []byte(strings.Join(out, ""))
}

// chunk merges what stands between two lines that all versions share.
func chunk(prior, before, after []string) []string {
	if slices.Equal(unbroken(before), unbroken(after)) {
		return prior
	}
	blank := func(line string) bool { return strings.TrimSpace(line) == "" }
	first, last := 0, len(prior)
	for last > 0 && blank(prior[last-1]) {
		last--
	}
	for first < last && blank(prior[first]) {
		first++
	}
	if len(after) == 0 {
		return prior[last:]
	}
	return slices.Concat(prior[:first], after, prior[last:])
}

// spaced makes lines compare alike that differ in spacing only.
func spaced(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = strings.Join(strings.Fields(line), " ")
	}
	return out
}

// unbroken takes the line breaks off.
func unbroken(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = strings.TrimRight(line, "\r\n")
	}
	return out
}

// lines cuts a document into lines that keep their line break.
func lines(doc []byte) []string {
	return slices.DeleteFunc(strings.SplitAfter(string(doc), "\n"), func(s string) bool { return s == "" })
}

// align returns for each line of a its place in b, or -1, along a longest
// common subsequence.
func align(a, b []string) []int {
	width := len(b) + 1
	longest := make([]int32, (len(a)+1)*width)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i*width+j] = longest[(i+1)*width+j+1] + 1
			} else {
				longest[i*width+j] = max(longest[(i+1)*width+j], longest[i*width+j+1])
			}
		}
	}
	places := make([]int, len(a))
	for i, j := 0, 0; i < len(a); i++ {
		places[i] = -1
		for j < len(b) && a[i] != b[j] && longest[i*width+j+1] >= longest[(i+1)*width+j] {
			j++
		}
		if j < len(b) && a[i] == b[j] {
			places[i] = j
			j++
		}
	}
	return places
}
