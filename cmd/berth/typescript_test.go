package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTypeScriptExample runs the example of calling berth from a service, as it stands
// in examples/, with Node.
func TestTypeScriptExample(t *testing.T) {
	dir := t.TempDir()
	module := filepath.Join(dir, "create-project.mjs")
	compile := exec.Command("go", "tool", "esbuild", "../../examples/typescript/create-project.ts", "--format=esm", "--outfile="+module)
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	write(t, filepath.Join(dir, "service.mjs"), `
import { createProject } from "./create-project.mjs";
const shop = { id: "shop", owner: "alice", image: "ghcr.io/alice/shop:v1", port: 8080, environments: ["production"], username: "alice" };
console.log((await createProject(shop, "ghp_token")).changed);
console.log((await createProject(shop, "ghp_token")).changed);
await createProject({ ...shop, owner: "bob" }, "ghp_token").catch((e) => console.log(e.message));
await createProject({ ...shop, id: "--overwrite" }, "ghp_token").catch((e) => console.log(e.message));
`)
	program := berthProgram(t)
	env := append(os.Environ(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"),
		"BERTH_REPO="+filepath.Join(dir, "fleet.git"), "BERTH_KEY_FILE="+filepath.Join(dir, "key"), "HOME="+dir, "XDG_CONFIG_HOME="+dir)
	setup := exec.Command(program, "init", "--cluster", "home", "--flux-url", "https://git.example.com/f.git")
	setup.Env = env
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	service := exec.Command("node", filepath.Join(dir, "service.mjs"))
	service.Env = env
	out, err := service.CombinedOutput()
	if err != nil {
		t.Fatalf("%v (the example needs Node.js)\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 4 || lines[0] != "true" || lines[1] != "false" ||
		!strings.Contains(lines[2], "belongs to alice") || !strings.Contains(lines[3], "--overwrite") {
		t.Errorf("the service printed:\n%s", out)
	}
}
