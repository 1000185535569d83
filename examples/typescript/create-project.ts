import { execFile } from "node:child_process";
import { promisify } from "node:util";

export interface Project { id: string; owner: string; image: string; port: number; environments: string[]; username: string }

/** Creates or updates a project. The token goes by stdin, so no process list or log ever shows it. */
export async function createProject(p: Project, token: string): Promise<{ changed: boolean; commit?: string }> {
  const args = ["create", "project", "--output=json", `--owner=${p.owner}`, `--image=${p.image}`, `--port=${p.port}`,
    ...p.environments.map((name) => `--env=${name}`), `--username=${p.username}`, "--password-stdin", "--", p.id];
  const run = promisify(execFile)("berth", args); // BERTH_REPO and BERTH_KEY_FILE come from the service's environment
  run.child.stdin!.on("error", () => {}).end(token); // berth may end before it reads; its exit status says why
  const { stdout } = await run.catch((e) => { throw new Error(e.stderr ? JSON.parse(e.stderr).error.message : e.message); });
  return JSON.parse(stdout);
}
