import { EXIT } from "../errors.js";

/** The reader of a pipe is gone, as `| head` is after its lines. */
const CLOSED: ReadonlySet<string> = new Set(["EPIPE", "ERR_STREAM_DESTROYED"]);

/** The terminal is gone. */
const HUNG_UP: ReadonlySet<string> = new Set(["EIO", "ENXIO", "ENOTCONN"]);

/** The parts of a process that {@link handleFailedOutput} uses. */
export interface OutputProcess {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  emit(name: "SIGINT", signal: "SIGINT"): boolean;
  exit(code: number): void;
  once(name: "exit", listener: () => void): unknown;
  exitCode?: number | string | null | undefined;
}

/**
 * Handles output that cannot be written, so that no work is lost by it:
 *
 * - a pipe without a reader stops what runs as Ctrl-C does, or ends the process if nothing is to be saved;
 * - a terminal that is gone is ignored: SIGHUP comes with it, unless the user has detached the process from it;
 * - everything else, such as a full disk, is reported once; the work continues, and the process fails at its end.
 */
export function handleFailedOutput(process: OutputProcess): void {
  const reported = new Set<NodeJS.WritableStream>();
  let isClosed = false;
  let hasFailed = false;
  process.once("exit", () => {
    if (hasFailed && Number(process.exitCode ?? EXIT.done) === EXIT.done) process.exitCode = EXIT.failed;
  });
  for (const [name, stream] of [["output", process.stdout], ["error", process.stderr]] as const) {
    stream.on("error", ({ code = "", message }: NodeJS.ErrnoException) => {
      if (HUNG_UP.has(code)) return;
      if (CLOSED.has(code)) {
        if (isClosed) return;
        isClosed = true;
        if (!process.emit("SIGINT", "SIGINT")) process.exit(EXIT.failed);
        return;
      }
      hasFailed = true;
      if (reported.has(stream) || stream === process.stderr) return;
      reported.add(stream);
      process.stderr.write(`error [FILE_ACCESS]: cannot write to the standard ${name}: ${message}. ` +
        "Free disk space, or send it elsewhere; results in files are not affected.\n");
    });
  }
}
