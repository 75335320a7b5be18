import { execa } from "execa";

export interface RunOptions {
  readonly cwd?: string | undefined;
  /** The child's whole environment. Default: this process's. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Called with each line of stdout and stderr as it arrives. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Passes the arguments unquoted to a Windows program with quoting rules of its own. */
  readonly verbatim?: boolean;
  /** Connects the child's stdout to stderr of this process, so that it can draw a progress bar. */
  readonly inheritOutput?: boolean;
}

/** The end of a child process, whatever its exit status. */
export interface RunResult {
  /** Null if the program could not be started or a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  /** stdout and stderr in the order of their arrival. */
  readonly output: string;
  /** Why the program could not be started. */
  readonly startError: Error | undefined;
}

/** Runs a program to its end; rejects for no exit status. */
export async function run(file: string, parameters: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { cwd, env, onLine, verbatim = false, inheritOutput = false } = options;
  const report = onLine && function* (line: unknown): Generator<string> {
    onLine(String(line));
    yield String(line);
  };
  const result = await execa(file, parameters, {
    stdin: "ignore",
    stdout: inheritOutput ? process.stderr : report ?? "pipe",
    stderr: report ?? "pipe",
    all: true,
    reject: false,
    stripFinalNewline: false,
    windowsVerbatimArguments: verbatim,
    ...(cwd !== undefined && { cwd }),
    ...(env !== undefined && { env, extendEnv: false }),
  });
  const started = result.exitCode !== undefined || result.signal !== undefined;
  return {
    status: result.exitCode ?? null,
    signal: result.signal ?? null,
    stdout: inheritOutput ? "" : String(result.stdout),
    output: String(result.all),
    startError: started || !(result instanceof Error) ? undefined : result,
  };
}

/** The last lines of a tool's output, indented for an error message. */
export function lastLines(output: string, count = 12): string {
  return output.trimEnd().split("\n").slice(-count).map((line) => `    ${line}`).join("\n");
}
