package forgetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/gitrepo/forge"
)

// Server is what the stand-ins have in common: a Git repository, accounts and
// pull requests. It is a [Site].
type Server struct {
	kind   forge.Kind
	repo   *repository
	http   *httptest.Server
	report func(format string, args ...any) // a broken promise: fails the test

	mu     sync.Mutex
	pulls  []*pull  // in order of number
	labels []string // of the repository
	lastID int64    // of a comment
	rush   *sync.WaitGroup
	left   int // creations that still take part in the rush
}

type pull struct {
	number                          int64
	title, body, head, base, author string
	commit                          string // of head when it was last open
	state                           forge.State
	fork                            bool
	labels                          []string
	comments                        []*note
}

type note struct {
	id           int64
	author, body string
}

func newServer(t testing.TB, kind forge.Kind, api http.Handler) *Server {
	s := &Server{kind: kind, repo: newRepository(t), report: t.Errorf}
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/"+slug+".git/") {
			s.serveGit(w, r)
			return
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(s.http.Close)
	return s
}

// Address is the repository's address for Git, without an account.
func (s *Server) Address() string { return s.http.URL + "/" + slug + ".git" }

// Rush makes the next n creations of pull requests look for an existing one
// together, before any of them goes on: all are opened, as on a forge whose
// look and creation are two steps.
func (s *Server) Rush(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rush, s.left = &sync.WaitGroup{}, n
	s.rush.Add(n)
}

func (s *Server) serveGit(w http.ResponseWriter, r *http.Request) {
	_, password, _ := r.BasicAuth()
	account, known := accountOf(password)
	push := strings.HasSuffix(r.URL.Path, "/git-receive-pack") || r.URL.Query().Get("service") == "git-receive-pack"
	switch {
	case !known:
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(w, "who are you?", http.StatusUnauthorized)
	case push && account != Berth:
		http.Error(w, "denied", http.StatusForbidden)
	default:
		s.repo.serve(w, r, string(account))
	}
}

const tokenPrefix = "forgetest-token-of-"

func accountOf(token string) (Account, bool) {
	name, found := strings.CutPrefix(token, tokenPrefix)
	return Account(name), found && Account(name) != Nobody
}

// answer is what a handler of an API wants to be sent. A nil value has no body.
type answer struct {
	status int
	value  any
}

// call is one request to an API.
type call struct {
	*http.Request
	account Account
	body    map[string]any
}

func (c call) number(name string) int64 {
	n, _ := strconv.ParseInt(c.PathValue(name), 10, 64)
	return n
}

func (c call) text(key string) string {
	s, _ := c.body[key].(string)
	return s
}

// open reads a request and finds out who sent it.
func open(r *http.Request) (call, bool, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return call{}, false, err
	}
	r.Body = io.NopCloser(bytes.NewReader(data)) // for those that check it
	c := call{Request: r}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &c.body); err != nil {
			return call{}, false, fmt.Errorf("the body is no JSON object: %w", err)
		}
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	known := false
	c.account, known = accountOf(token)
	return c, known, nil
}

func write(w http.ResponseWriter, a answer) {
	if a.value == nil {
		w.WriteHeader(a.status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.value) // the client has gone; it will say so
}

// smallPages is the most a list gives at once, so that tests meet second pages.
const smallPages = 2

// page cuts a list and links to the next page.
func page[T any](w http.ResponseWriter, r *http.Request, all []T) []T {
	size, number := smallPages, 1
	if n, err := strconv.Atoi(r.URL.Query().Get("per_page")); err == nil {
		size = min(size, n)
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil {
		number = n
	}
	from, to := min((number-1)*size, len(all)), min(number*size, len(all))
	if to < len(all) {
		next := *r.URL
		query := next.Query()
		query.Set("page", strconv.Itoa(number+1))
		next.RawQuery = query.Encode()
		w.Header().Set("Link", fmt.Sprintf(`<https://outside.example%s>; rel="next", <https://outside.example%s>; rel="last"`, next.String(), r.URL))
	}
	return all[from:to]
}

// find lists the pull requests between two branches; an empty branch is any.
func (s *Server) find(head, base string, states ...forge.State) []*pull {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*pull
	for _, p := range s.pulls {
		if (head == "" || p.head == head) && (base == "" || p.base == base) && slices.Contains(states, p.state) {
			found = append(found, p)
		}
	}
	return found
}

func (s *Server) pull(number int64) *pull {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < 1 || number > int64(len(s.pulls)) {
		return nil
	}
	return s.pulls[number-1]
}

// create opens a pull request; nil when one is open already.
func (s *Server) create(p pull) *pull {
	exists := slices.ContainsFunc(s.find(p.head, p.base, forge.Open), func(o *pull) bool { return o.fork == p.fork })
	s.mu.Lock()
	rush := s.rush
	if s.left == 0 || p.fork {
		rush = nil
	} else {
		s.left--
	}
	s.mu.Unlock()
	if rush != nil {
		rush.Done()
		rush.Wait()
	}
	if exists {
		return nil
	}
	tip := s.repo.tip(p.head)
	s.mu.Lock()
	defer s.mu.Unlock()
	if rush == nil && slices.ContainsFunc(s.pulls, func(o *pull) bool {
		return o.state == forge.Open && o.head == p.head && o.base == p.base && o.fork == p.fork
	}) {
		return nil
	}
	p.number, p.state, p.commit = int64(len(s.pulls)+1), forge.Open, tip
	s.pulls = append(s.pulls, &p)
	return &p
}

// change edits a pull request under the lock and returns a copy.
func (s *Server) change(p *pull, edit func(*pull)) pull {
	tip := s.repo.tip(p.head)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.state == forge.Open && tip != "" {
		p.commit = tip
	}
	edit(p)
	seen := *p
	seen.labels, seen.comments = slices.Clone(p.labels), slices.Clone(p.comments)
	return seen
}

func (s *Server) look(p *pull) pull { return s.change(p, func(*pull) {}) }

// label attaches labels, and adds them to the repository's.
func (s *Server) label(p *pull, names []string) {
	s.change(p, func(p *pull) {
		for _, n := range names {
			if !slices.Contains(p.labels, n) {
				p.labels = append(p.labels, n)
			}
			if !slices.Contains(s.labels, n) {
				s.labels = append(s.labels, n)
			}
		}
	})
}

func (s *Server) unlabel(p *pull, name string) (found bool) {
	s.change(p, func(p *pull) {
		before := len(p.labels)
		p.labels = slices.DeleteFunc(p.labels, func(l string) bool { return l == name })
		found = len(p.labels) < before
	})
	return found
}

func (s *Server) comment(p *pull, author, body string) note {
	var made *note
	s.change(p, func(p *pull) {
		s.lastID++
		made = &note{id: s.lastID, author: author, body: body}
		p.comments = append(p.comments, made)
	})
	return *made
}

// editComment changes a comment wherever it is; false when there is none.
func (s *Server) editComment(id int64, body string) (changed note, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pulls {
		for _, n := range p.comments {
			if n.id == id {
				n.body = body
				return *n, true
			}
		}
	}
	return note{}, false
}

func (s *Server) deleteComment(id int64) (found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pulls {
		p.comments = slices.DeleteFunc(p.comments, func(n *note) bool {
			found = found || n.id == id
			return n.id == id
		})
	}
	return found
}

// comments copies what a list of comments shows.
func (s *Server) comments(p *pull) []note {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]note, 0, len(p.comments))
	for _, n := range p.comments {
		all = append(all, *n)
	}
	return all
}

// Repository is a [Site]'s.
func (s *Server) Repository(t testing.TB) forge.Repository {
	t.Helper()
	r, err := forge.Locate(s.Address(), s.kind, "")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Token is a [Site]'s.
func (s *Server) Token(_ testing.TB, a Account) gitrepo.Secret {
	return gitrepo.NewSecret(tokenPrefix + string(a))
}
