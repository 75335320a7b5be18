// Runs steps one after the other. Each has a time limit, none stops another, and all of them end up in one table.
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const MINIMUM_SECONDS = 5;
const GRACE_MS = 5_000;
const LAST_LINE_CHARACTERS = 200;

/**
 * @typedef {object} Step
 * @property {number} limit in seconds
 * @property {string[][]} commands programs with their arguments, run until one fails
 * @property {string[]} [needs] names that are passed to `missing`, such as `device`
 * @property {NodeJS.ProcessEnv} [env] added to the environment
 *
 * @typedef {"ok" | "failed" | "timeout" | "skipped" | `no ${string}`} Status
 * @typedef {{ name: string, status: Status, seconds: number, detail: string }} Row
 *
 * @typedef {object} Running a step in the background
 * @property {string} name
 * @property {Promise<number>} done its exit status
 * @property {() => Promise<void>} stop ends its process group
 */

export class StepRunner {
  /** @type {Row[]} */
  rows = [];
  /** @type {Set<Running>} */
  #running = new Set();
  #deadline;
  #options;

  /**
   * @param {object} options
   * @param {string} options.directory of the table `steps.tsv` and of the logs
   * @param {number} options.seconds time limit for all steps together
   * @param {(need: string) => boolean} [options.missing] whether this machine lacks what a step needs
   * @param {Readonly<Record<string, number>>} [options.limits] in seconds, in place of the steps' own
   * @param {(row: Row) => void} [options.onRow] called when a step ends
   */
  constructor(options) {
    this.#options = options;
    this.#deadline = performance.now() + 1000 * options.seconds;
    mkdirSync(join(options.directory, "logs"), { recursive: true });
    this.#write();
  }

  secondsLeft() {
    return (this.#deadline - performance.now()) / 1000;
  }

  /** @param {string} name */
  logOf(name) {
    return join(this.#options.directory, "logs", `${name}.log`);
  }

  /** Runs a step to its end or its limit; returns whether it succeeded. @param {string} name @param {Step} step */
  async run(name, step) {
    if (this.#lacks(name, step)) return false;
    if (this.secondsLeft() < MINIMUM_SECONDS) return this.#add(name, "skipped", 0, "no time was left");
    return this.finish(this.start(name, step), step.limit);
  }

  /** Starts a step in the background unless the machine lacks what it needs. @param {string} name @param {Step} step */
  startIfPossible(name, step) {
    return this.#lacks(name, step) ? undefined : this.start(name, step);
  }

  /** @param {string} name @param {Step} step @returns {Running} */
  start(name, { commands, env }) {
    const log = openSync(this.logOf(name), "w");
    /** @type {import("node:child_process").ChildProcess | undefined} */
    let child;
    let isStopped = false;
    const runAll = async () => {
      for (const [file, ...parameters] of commands) {
        if (isStopped || file === undefined) return 1;
        const started = spawn(file, parameters, { stdio: ["ignore", log, log], detached: true,
          env: { ...process.env, ...env } });
        child = started;
        const status = await new Promise((resolve) => {
          started.on("error", (error) => {
            writeFileSync(log, `${error.message}\n`);
            resolve(127);
          });
          started.on("close", (code) => resolve(code ?? 128));
        });
        if (status !== 0) return status;
      }
      return 0;
    };
    const done = runAll().finally(() => closeSync(log));
    const stop = async () => {
      isStopped = true;
      // The group outlives its leader when a program leaves children behind.
      for (const signal of /** @type {const} */ (["SIGTERM", "SIGKILL"])) {
        killGroup(child?.pid, signal);
        if (await Promise.race([done.then(() => true), delay(GRACE_MS, false, { ref: false })])) break;
      }
      killGroup(child?.pid, "SIGKILL");
    };
    const running = { name, done, stop };
    this.#running.add(running);
    done.finally(() => this.#running.delete(running)).catch(() => {});
    return running;
  }

  /**
   * Waits for a step, at most for its limit and for the remaining time.
   *
   * @param {Running} running
   * @param {number} limit in seconds
   * @returns {Promise<boolean>} whether it succeeded
   */
  async finish({ name, done, stop }, limit) {
    const seconds = Math.max(0, Math.min(this.#options.limits?.[name] ?? limit, this.secondsLeft()));
    const begin = performance.now();
    const timer = new AbortController();
    const status = await Promise.race([done,
      delay(1000 * seconds, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
    if (status === undefined) await stop();
    const spent = (performance.now() - begin) / 1000;
    const last = lastLine(this.logOf(name));
    if (status === undefined)
      return this.#add(name, "timeout", spent, `stopped after ${seconds.toFixed(0)} s; ${last}`);
    return status === 0 ? this.#add(name, "ok", spent, last)
      : this.#add(name, "failed", spent, `exit status ${status}; ${last}`);
  }

  /** Ends every step that is still running. */
  async stopAll() {
    await Promise.all([...this.#running].map(({ stop }) => stop()));
  }

  /** Records in the table if the machine lacks what the step needs. @param {string} name @param {Step} step */
  #lacks(name, { needs = [] }) {
    const need = needs.find((candidate) => this.#options.missing?.(candidate));
    if (need === undefined) return false;
    this.#add(name, `no ${need}`, 0, `this machine has no ${need}, which the step needs`);
    return true;
  }

  /** @param {string} name @param {Status} status @param {number} seconds @param {string} detail */
  #add(name, status, seconds, detail) {
    const row = { name, status, seconds: Math.round(10 * seconds) / 10,
      detail: detail.replaceAll("\t", " ").slice(0, LAST_LINE_CHARACTERS) };
    this.rows.push(row);
    this.#write();
    this.#options.onRow?.(row);
    return status === "ok";
  }

  #write() {
    const lines = this.rows.map(({ name, status, seconds, detail }) => [name, status, seconds, detail].join("\t"));
    writeFileSync(join(this.#options.directory, "steps.tsv"),
      `${["step\tstatus\tseconds\tlast line", ...lines].join("\n")}\n`);
  }
}

/** @param {number | undefined} pid of the group's leader @param {NodeJS.Signals} signal */
function killGroup(pid, signal) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone.
  }
}

/** The last line of a log; below an uncaught error's message Node prints its version. @param {string} path */
function lastLine(path) {
  if (!existsSync(path)) return "";
  const lines = readFileSync(path, "utf8").split("\n").filter((line) => line.trim() !== "");
  const last = lines.at(-1)?.trim() ?? "";
  return (/^Node\.js v/.test(last) ? lines.findLast((line) => /^\w*Error\b.*: /.test(line)) : undefined) ?? last;
}
