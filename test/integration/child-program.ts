import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The result of a program. */
export interface ProgramEnd {
  readonly code: number | null;
  /** The signal that ended it, such as that of a crash; `null` if none did. */
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface ProgramOptions {
  readonly words?: readonly string[];
  readonly nodeOptions?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs one of `programs/` to its end in a separate process, with the built package as its users import it. */
export function runProgram(name: string, options: ProgramOptions = {}): Promise<ProgramEnd> {
  if (!existsSync(join(root, "dist", "index.js")))
    throw new Error("missing built package for this test. Run `npm run build` first.");
  const program = join(root, "test", "integration", "programs", name);
  // Variables that mocha's loader set for this process are not part of a user's shell.
  const env: NodeJS.ProcessEnv = { ...process.env, ...options.env };
  delete env["NODE_OPTIONS"];
  const child = spawn(process.execPath, [...(options.nodeOptions ?? []), program, ...(options.words ?? [])], { env,
    stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve({ code, signal, stdout, stderr });
    });
  });
}
