// The PyTorch baselines as a child process that answers requests one by one.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("../pytorch_baseline.py", import.meta.url));

export class Baseline {
  #process;
  #lines;
  #ended = false;

  /** Starts a script by REVIEWKD_BENCH_PYTHON, or else python3, which must have the packages that the script needs. */
  // @env REVIEWKD_BENCH_PYTHON tests: The Python with the packages that the baselines need. Default: `python3`.
  constructor(python = process.env.REVIEWKD_BENCH_PYTHON ?? "python3", script = SCRIPT, needs = "torch and numpy") {
    this.python = python;
    this.needs = needs;
    this.#process = spawn(python, [script], { stdio: ["pipe", "pipe", "inherit"] });
    this.#process.on("error", () => {
      this.#ended = true;
    });
    this.#process.stdin.on("error", () => {
      this.#ended = true;
    });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** Sends one request and returns its answer. */
  async ask(operation, request = {}) {
    if (!this.#ended) this.#process.stdin.write(`${JSON.stringify({ operation, ...request })}\n`);
    const { value, done } = await this.#lines.next();
    if (done) {
      throw new Error(
        `invalid Python for the baselines: expected one with ${this.needs}, received ${this.python}, which exited. Set REVIEWKD_BENCH_PYTHON, or omit the baselines with --no-baselines.`,
      );
    }
    const answer = JSON.parse(value);
    if (answer.error !== undefined) throw new Error(`the baseline failed at ${operation}: ${answer.error}`);
    return answer;
  }

  close() {
    this.#process.stdin.end();
  }

  /** Ends the process, also during a request. */
  kill() {
    this.#ended = true;
    this.#process.kill("SIGKILL");
  }
}
