// Apart from the connection, whose types need those of birpc: declarations of the package name no ES module.

/** The name of a signal, such as `SIGKILL`. */
export type SignalName = `SIG${string}`;

/** How a worker exited, and where its last training can be resumed. The cause of `WORKER_EXITED` errors. */
export interface WorkerExit {
  /** The signal that ended the worker; null if it exited by itself, or if the system does not report it. */
  readonly signal: SignalName | null;
  readonly exitCode: number | null;
  /** The newest checkpoint that it is known to have written; null: none. */
  readonly checkpoint: string | null;
  /** Whether it exited because it was closed. */
  readonly closed: boolean;
}
