package forgetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/berth-gitops/berth/gitrepo/forge"
)

const person = "carol"

// Commit is a [Site]'s.
func (s *Server) Commit(t testing.TB, branch string) string {
	t.Helper()
	s.mu.Lock()
	s.lastID++
	file := fmt.Sprintf("change-%d.txt", s.lastID)
	s.mu.Unlock()
	if err := s.repo.commit(branch, file); err != nil {
		t.Fatal(err)
	}
	return s.repo.tip(branch)
}

// DeleteBranch is a [Site]'s.
func (s *Server) DeleteBranch(t testing.TB, branch string) {
	t.Helper()
	if err := s.removeBranch(branch); err != nil {
		t.Fatal(err)
	}
}

// removeBranch closes the pull requests of a branch with it.
func (s *Server) removeBranch(branch string) error {
	for _, p := range s.find(branch, "", forge.Open) {
		s.change(p, func(p *pull) {
			if !p.fork {
				p.state = forge.Closed
			}
		})
	}
	return s.repo.deleteBranch(branch)
}

// Merge is a [Site]'s.
func (s *Server) Merge(t testing.TB, number int64) {
	t.Helper()
	p := s.known(t, number)
	if err := s.repo.merge(p.head, p.base); err != nil {
		t.Fatal(err)
	}
	s.change(p, func(p *pull) { p.state = forge.Merged })
}

// CloseByHand is a [Site]'s.
func (s *Server) CloseByHand(t testing.TB, number int64) {
	t.Helper()
	s.change(s.known(t, number), func(p *pull) { p.state = forge.Closed })
}

// CommentByHand is a [Site]'s.
func (s *Server) CommentByHand(t testing.TB, number int64, body string) {
	t.Helper()
	s.comment(s.known(t, number), person, body)
}

// Retitle is a [Site]'s.
func (s *Server) Retitle(t testing.TB, number int64, title string) {
	t.Helper()
	s.change(s.known(t, number), func(p *pull) { p.title = title })
}

// CommentByBot writes a comment as another app of GitHub's.
func (g *GitHub) CommentByBot(t testing.TB, number int64, body string) {
	t.Helper()
	g.comment(g.known(t, number), "other[bot]", body)
}

// OpenFromFork is a [Site]'s.
func (s *Server) OpenFromFork(t testing.TB, branch, base string) int64 {
	t.Helper()
	return s.create(pull{title: "from a fork", head: branch, base: base, author: person, fork: true}).number
}

// OpenPulls is a [Site]'s.
func (s *Server) OpenPulls(t testing.TB) map[string][]int64 {
	t.Helper()
	numbers := map[string][]int64{}
	for _, p := range s.find("", "", forge.Open) {
		if !p.fork {
			numbers[p.head] = append(numbers[p.head], p.number)
		}
	}
	return numbers
}

// Comments is a [Site]'s.
func (s *Server) Comments(t testing.TB, number int64) []string {
	t.Helper()
	var texts []string
	for _, n := range s.comments(s.known(t, number)) {
		texts = append(texts, n.body)
	}
	return texts
}

// Labels is a [Site]'s.
func (s *Server) Labels(testing.TB) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.labels)
}

func (s *Server) known(t testing.TB, number int64) *pull {
	t.Helper()
	p := s.pull(number)
	if p == nil {
		t.Fatalf("there is no pull request %d", number)
	}
	return p
}
