import { runCli } from "../../lib/cli/run-cli.js";
import type { Finished, ProcessOptions } from "./helpers.js";

/** The command that runs in this process, if any. */
let running: string | undefined;

/** Runs `reviewkd` in this process, with the output, directory and environment of a process of its own. */
export async function runHere(words: readonly string[],
  { cwd = process.cwd(), env = {} }: Omit<ProcessOptions, "package">): Promise<Finished> {
  const command = words.join(" ");
  // Output, directory and environment belong to the whole process. After a timeout the command of a test still runs.
  if (running !== undefined)
    throw new Error(
      `cannot run \`${command}\` while \`${running}\` runs in the same process. Await that first, or use start().`,
    );
  const output = { stdout: "", stderr: "" };
  const restore = [
    changeDirectory(cwd),
    capture("stdout", output),
    capture("stderr", output),
    // Variables that npm set for the tests are not part of a user's shell.
    changeEnvironment({ ...Object.fromEntries(npmVariables().map((name) => [name, undefined])), ...env }),
    changeExitCode(undefined),
  ];
  running = command;
  try {
    return { code: await runCli(words), signal: null, ...output };
  } finally {
    for (const undo of restore) undo();
    running = undefined;
  }
}

/** Collects what JavaScript writes to a stream, which looks like a pipe even if the tests run in a terminal. */
function capture(name: "stdout" | "stderr", output: Record<typeof name, string>): () => void {
  const stream = process[name];
  const before = { write: stream.write.bind(stream), isTTY: stream.isTTY };
  stream.write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    output[name] += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8");
    const written = rest.at(-1) as ((error?: Error) => void) | string | undefined;
    if (typeof written === "function") written();
    return true;
  };
  stream.isTTY = false;
  return () => {
    Object.assign(stream, before);
  };
}

function changeDirectory(directory: string): () => void {
  const before = process.cwd();
  process.chdir(directory);
  return () => {
    process.chdir(before);
  };
}

/** Sets variables, or deletes those that are undefined, also for native code and for processes started meanwhile. */
function changeEnvironment(variables: Readonly<Record<string, string | undefined>>): () => void {
  // By name, for which Windows has no upper and lower case.
  const before = Object.fromEntries(
    Object.keys(variables).map((name) => [name, Reflect.get<NodeJS.ProcessEnv, string>(process.env, name)]),
  );
  const change = (values: typeof variables): void => {
    for (const [name, value] of Object.entries(values)) {
      // An assignment would set it to the text "undefined".
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  };
  change(variables);
  return () => {
    change(before);
  };
}

function npmVariables(): string[] {
  return Object.keys(process.env).filter((name) => name.startsWith("npm_"));
}

function changeExitCode(code: undefined): () => void {
  const before = process.exitCode;
  process.exitCode = code;
  return () => {
    process.exitCode = before;
  };
}
