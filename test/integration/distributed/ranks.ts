/** Processes that train together, as a launcher starts them. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { freePort } from "../../../lib/distributed/free-port.js";
import { start, type Finished, type JsonEvent, type Running } from "../helpers.js";

const PROGRAMS = fileURLToPath(new URL("../programs/distributed", import.meta.url));

/** A program of programs/distributed. */
export function programAt(name: string): string {
  return join(PROGRAMS, name);
}

/** A program of programs/distributed, or the command line if none is named. */
export interface Command {
  readonly program?: string;
  readonly words: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const LONGEST_MS = 120_000;

/** Starts one process, which ends after two minutes at the latest. */
export function startOne({ program, words, cwd, env = {} }: Command): Running {
  const running = start(words, { env: { OMP_NUM_THREADS: "1", ...env }, ...(cwd === undefined ? {} : { cwd }),
    ...(program === undefined ? {} : { script: programAt(program) }) });
  const deadline = setTimeout(() => running.child.kill("SIGKILL"), LONGEST_MS);
  running.child.once("close", () => {
    clearTimeout(deadline);
  });
  return running;
}

/** The variables of one of `size` processes on this machine. */
export function variablesOf(rank: number, size: number, port: number): Record<string, string> {
  return { RANK: String(rank), WORLD_SIZE: String(size), LOCAL_RANK: String(rank), LOCAL_WORLD_SIZE: String(size),
    MASTER_ADDR: "127.0.0.1", MASTER_PORT: String(port) };
}

/** Starts all processes of a group; `command` may give each its own words. */
export async function startRanks(size: number, command: Command | ((rank: number) => Command)): Promise<Running[]> {
  const port = await freePort();
  return Array.from({ length: size }, (_, rank) => {
    const own = typeof command === "function" ? command(rank) : command;
    return startOne({ ...own, env: { ...variablesOf(rank, size, port), ...own.env } });
  });
}

export async function allFinished(ranks: readonly Running[]): Promise<Finished[]> {
  return Promise.all(ranks.map(({ finished }) => finished));
}

/** The output of processes, for a message. */
export function textOf(results: readonly Finished[]): string {
  return results.map(({ code, signal, stdout, stderr }, rank) =>
    `-- rank ${rank}: exit code ${String(code)}, signal ${String(signal)}\n${stdout.slice(-2000)}\n${stderr.slice(-2000)}`
  ).join("\n");
}

/** Runs all processes to their end, and expects exit code 0. */
export async function succeedTogether(size: number,
  command: Command | ((rank: number) => Command)): Promise<Finished[]> {
  const results = await allFinished(await startRanks(size, command));
  expect(results.map(({ code }) => code), textOf(results)).to.deep.equal(results.map(() => 0));
  return results;
}

/** The lines of JSON in the output of one process or of several. */
export function reportsOf(...results: readonly Finished[]): JsonEvent[] {
  return results.flatMap(({ stdout }) =>
    stdout.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as JsonEvent)
  );
}

/** The errors that processes printed as `error [CODE]: …`, or as a line of JSON. */
export function errorsOf({ stdout, stderr }: Finished): { readonly code: string; readonly message: string }[] {
  const printed = [...stderr.matchAll(/error \[(\w+)\]: ([^]*?)(?=\n\n|\nerror |$)/g)].map((
    [, code = "", message = ""],
  ) => ({
    code,
    message,
  }));
  const lines = stdout.split("\n").filter((line) => line.startsWith('{"') && line.includes('"type":"error"'));
  return [...printed, ...lines.map((line) => JSON.parse(line) as { code: string; message: string })];
}

/** Whether a process is there; a zombie is not. */
export function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
