package gitrepo

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// fleet makes a repository of n projects in the layout that berth writes.
func fleet(t testing.TB, n int) string {
	t.Helper()
	dir := newBare(t)
	cmd := exec.Command("git", "-C", dir, "fast-import", "--quiet")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(in, 1<<20)
	fmt.Fprint(w, "commit refs/heads/main\ncommitter t <t@example.com> 1700000000 +0000\ndata 4\nseed\n")
	put := func(path string, size int) {
		text := fmt.Sprintf("# %s\n%0*d\n", path, size, len(path))
		fmt.Fprintf(w, "M 100644 inline %s\ndata %d\n%s\n", path, len(text), text)
	}
	put("berth.yaml", 2000)
	for i := range n {
		for path, size := range projectFiles(fmt.Sprintf("project-%05d", i)) {
			put(path, size)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "repack", "-adq", "--window=0")
	return dir
}

// projectFiles are the paths and sizes of one project with three environments.
func projectFiles(id string) map[string]int {
	files := map[string]int{
		"projects/" + id + "/project.yaml":              400,
		"projects/" + id + "/base/kustomization.yaml":   200,
		"projects/" + id + "/base/deployment.yaml":      900,
		"projects/" + id + "/base/service.yaml":         300,
		"projects/" + id + "/base/serviceaccount.yaml":  200,
		"tenants/home/" + id + "/kustomization.yaml":    200,
		"tenants/home/" + id + "/project-key.sops.yaml": 2000,
		"fleet/home/" + id + ".yaml":                    400,
	}
	for _, env := range []string{"development", "staging", "production"} {
		files["projects/"+id+"/overlays/"+env+"/kustomization.yaml"] = 500
		files["projects/"+id+"/overlays/"+env+"/ghcr-secret.sops.yaml"] = 2000
		files["tenants/home/"+id+"/"+env+".yaml"] = 3000
	}
	return files
}

func newProject(id string) map[string]string {
	files := map[string]string{}
	for path, size := range projectFiles(id) {
		files[path] = fmt.Sprintf("# %s\n%0*d\n", path, size, time.Now().UnixNano())
	}
	return files
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCreate creates one project over HTTP, warm and cold. The server's
// processes are children, so cpu-ms is ours (with the test's HTTP server).
func BenchmarkCreate(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		dir := fleet(b, n)
		url := serveHTTP(b, dir, nil).url(dir)
		ctx := context.Background()
		run := func(b *testing.B, fresh bool) {
			r := open(b, url, Options{})
			if _, err := r.Tip(ctx, "main"); err != nil {
				b.Fatal(err)
			}
			i := 0
			start := cpu()
			for b.Loop() {
				if fresh {
					r = open(b, url, Options{})
				}
				i++
				files := newProject(fmt.Sprintf("new-%v-%d", time.Now().UnixNano(), i))
				if _, err := r.Update(ctx, "main", write("Create", files)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu()-start).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		}
		b.Run(fmt.Sprintf("warm/%d", n), func(b *testing.B) { run(b, false) })
		b.Run(fmt.Sprintf("cold/%d", n), func(b *testing.B) { run(b, true) })
	}
}
