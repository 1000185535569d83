package gitrepo

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

var kills = flag.Int("kills", 12, "how often a writing process is killed on each road")

// TestKilledChild is the process that TestKilledAtAnyMoment kills.
func TestKilledChild(t *testing.T) {
	url, id := os.Getenv("GITREPO_CHILD_URL"), os.Getenv("GITREPO_CHILD_ID")
	if url == "" {
		return // an ordinary run of the tests
	}
	r := open(t, url, Options{CacheDir: os.Getenv("GITREPO_CHILD_CACHE")})
	if _, err := r.Update(context.Background(), "main", ownFile(id)); err != nil {
		t.Fatal(err)
	}
}

// ownFile is a plan that changes nothing when it has been carried out.
func ownFile(id string) Plan {
	return func(fs.FS) (*Change, error) {
		return &Change{Message: id, Files: map[string][]byte{"projects/" + id + "/project.yaml": []byte(id)}}, nil
	}
}

// TestKilledAtAnyMoment: kill -9 in whatever phase leaves the branch at the old
// or the new commit and the repository whole, and the next run finishes.
func TestKilledAtAnyMoment(t *testing.T) {
	for _, name := range []string{"path", "http"} {
		t.Run(name, func(t *testing.T) {
			dir := quickRepo(t)
			seed(t, dir, "main", map[string]string{"berth.yaml": "x"})
			var running sync.RWMutex // held for reading by every request under way
			url := dir
			if name == "http" {
				url = serveHTTP(t, dir, func(h http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						running.RLock()
						defer running.RUnlock()
						h.ServeHTTP(w, r)
					})
				}).url(dir)
			}
			cache := t.TempDir()
			whole := childRun(t, url, "whole", cache, 0)
			before := git(t, dir, "rev-parse", "main")
			moved := 0
			for n := range *kills {
				id := fmt.Sprintf("k%d", n)
				childRun(t, url, id, cache, 1+rand.N(whole*3/4))
				running.Lock()
				running.Unlock() //nolint:staticcheck // the requests of the killed process have ended
				after := git(t, dir, "rev-parse", "main")
				if after != before {
					moved++
					if got := git(t, dir, "log", "--format=%s", before+".."+after); got != id {
						t.Errorf("%s: the branch got %q", id, got)
					}
				}
				fsck(t, dir)
				if _, err := open(t, url, Options{CacheDir: cache}).Update(context.Background(), "main", ownFile(id)); err != nil {
					t.Fatalf("%s: the next run: %v", id, err)
				}
				before = git(t, dir, "rev-parse", "main")
				if got := git(t, dir, "show", "main:projects/"+id+"/project.yaml"); got != id {
					t.Errorf("%s: %q", id, got)
				}
			}
			if got := git(t, dir, "rev-list", "--count", "main"); got != fmt.Sprint(*kills+2) {
				t.Errorf("%s commits", got)
			}
			fsck(t, dir)
			t.Logf("a whole run takes %v; %d of %d killed ones had pushed", whole, moved, *kills)
		})
	}
}

// childRun runs an update in a process of its own and kills it after a while;
// 0 lets it finish. It returns how long the process ran, when all that it started has
// ended: each git inherits a pipe.
func childRun(t *testing.T, url, id, cache string, after time.Duration) time.Duration {
	t.Helper()
	ended, inherited, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ended.Close() }()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
	cmd.Env = append(os.Environ(), "GITREPO_CHILD_URL="+url, "GITREPO_CHILD_ID="+id, "GITREPO_CHILD_CACHE="+cache)
	cmd.ExtraFiles = []*os.File{inherited}
	begin := time.Now()
	err = cmd.Start()
	_ = inherited.Close()
	if err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	err = cmd.Wait()
	took := time.Since(begin)
	if err != nil && after == 0 {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, ended); err != nil {
		t.Fatal(err)
	}
	return took
}
