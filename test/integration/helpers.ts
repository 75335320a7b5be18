import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { runHere } from "./run-here.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The result of a finished process. */
export interface Finished {
  readonly code: number | null;
  /** The signal that killed the process, if any. */
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running command line of this package. */
export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly finished: Promise<Finished>;
  /** Resolves when standard output or standard error matches; rejects if the process ends first. */
  until(pattern: RegExp): Promise<void>;
}

export interface ProcessOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The package whose program runs. Default: this one. */
  readonly package?: string;
  /** A file that runs instead of the command line. */
  readonly script?: string;
  /** A program that runs instead of Node with this package, with the words alone. */
  readonly command?: string;
}

/** Starts `reviewkd` as its users do: the built program in a separate process. */
export function start(words: readonly string[], options: ProcessOptions = {}): Running {
  const program = options.script ?? join(options.package ?? root, "dist", "cli", "main.js");
  if (!existsSync(program))
    throw new Error(`missing ${program} for the tests of the command line. Run \`npm run build\` first.`);
  // Variables that npm and mocha set for this process are not part of a user's shell.
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("npm_") && name !== "NODE_OPTIONS");
  const env = { ...Object.fromEntries(inherited), ...options.env };
  const child = options.command === undefined ? spawn(process.execPath, [program, ...words], { cwd: options.cwd, env })
    : spawn(options.command, words, { cwd: options.cwd, env });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  child.stdin.end();

  const finished = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve({ code, signal, stdout, stderr });
    });
  });
  const until = (pattern: RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (pattern.test(stdout) || pattern.test(stderr)) resolve();
      };
      child.stdout.on("data", look);
      child.stderr.on("data", look);
      look();
      void finished.then(() => {
        reject(new Error(`${String(pattern)} never came; stdout:\n${stdout}\nstderr:\n${stderr}`));
      });
    });
  return { child, finished, until };
}

/**
 * Runs `reviewkd` to its end: in this process, since Node and libtorch take longer to start than most commands, or
 * in one of its own if another package or other variables are given than those that commands read when they need them.
 * What only a process shows, `start` tests: that it ends by itself, and what native code prints.
 */
export function reviewkd(words: readonly string[], options: ProcessOptions = {}): Promise<Finished> {
  const { package: other, env = {} } = options;
  const needsProcess = other !== undefined || Object.keys(env).some((name) => !READ_BY_COMMANDS.has(name));
  return needsProcess ? start(words, options).finished : runHere(words, options);
}

const READ_BY_COMMANDS = new Set(["PATH", "REVIEWKD_CACHE", "REVIEWKD_DEBUG"]);

/** Runs `reviewkd` and expects exit code 0. */
export async function succeed(words: readonly string[], options: ProcessOptions = {}): Promise<Finished> {
  const result = await reviewkd(words, options);
  expect(result.code, `${words.join(" ")}\n${result.stdout}\n${result.stderr}`).to.equal(0);
  return result;
}

/** Runs `reviewkd`, expects this error on standard error without a stack trace, and returns standard error. */
export async function fail(
  words: readonly string[],
  expected: { readonly exit: number; readonly code: string },
  options: ProcessOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await reviewkd(words, options);
  const context = `${words.join(" ")}\n${stdout}\n${stderr}`;
  expect(code, context).to.equal(expected.exit);
  expect(stderr, context).to.include(`error [${expected.code}]: `);
  expect(stderr, context).to.not.match(/^\s+at /m);
  expect(stdout, context).to.not.match(/^\s+at /m);
  return stderr;
}

/** One line of `--json` output. */
export interface JsonEvent {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** All lines of `stdout` as JSON events; fails on anything else. */
export function jsonEvents(stdout: string): JsonEvent[] {
  expect(stdout.endsWith("\n")).to.equal(true);
  return stdout.trimEnd().split("\n").map((line) => {
    const event = JSON.parse(line) as JsonEvent;
    expect(event.type).to.be.a("string");
    return event;
  });
}

/** An empty temporary directory, and a function that removes it. */
export async function temporaryDirectory(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "reviewkd-cli-"));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }) };
}

/** A temporary directory for all tests of the calling `describe`, empty before the first of them. */
export function useDirectory(): { readonly path: string } {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>> | undefined;
  before(async () => {
    directory = await temporaryDirectory();
  });
  after(() => directory?.remove());
  return {
    get path() {
      if (directory === undefined) throw new Error("missing directory: expected a running test. Use it in a test.");
      return directory.path;
    },
  };
}

/** Creates a copy of the built package in `directory` without the addon. */
export async function packageWithoutAddon(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  await cp(join(root, "dist"), join(directory, "dist"), { recursive: true });
  await cp(join(root, "package.json"), join(directory, "package.json"));
  await symlink(join(root, "node_modules"), join(directory, "node_modules"), "dir");
  return directory;
}

/** A tiny synthetic data set and a short schedule: a training run of a second or two. */
export const TINY = [
  "--data",
  "synthetic:numClasses=4,trainSamples=64,testSamples=32",
  "--batch-size",
  "16",
  "--learning-rate",
  "0.02",
  "--schedule",
  "constant",
  "--threads",
  "1",
] as const;
