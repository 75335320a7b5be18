/**
 * Every code that a {@link ReviewKdError} can carry. The list is closed: native code uses a subset of it
 * (a test compares the two), so a `switch` over `error.code` can be exhaustive. Each has a sentence on what it means,
 * then one on what to do: docs/errors.md is made of them.
 */
export const ERROR_CODES = [
  /** An option or argument has a wrong type or value. Correct the field that the message names. */
  "INVALID_ARGUMENT",
  /** No model, preset, data set or key has this name. Take one of those that the message and `error.valid` list. */
  "UNKNOWN_NAME",
  /** A configuration file has wrong fields. Correct each field that the message lists. */
  "CONFIG_INVALID",
  /** A tensor or image has another shape than required. Pass the shape that the message states. */
  "SHAPE_MISMATCH",
  /** Values have an element type that is not accepted here. Convert them to the type that the message states. */
  "DTYPE_MISMATCH",
  /** Another session moved a network to another device. Create a new session, or use one device for all. */
  "DEVICE_MISMATCH",
  /** Names or shapes in a file differ from the network's. Load another; `reviewkd inspect FILE` names its network. */
  "STATE_DICT_MISMATCH",
  /** A label is not a class of the network. Correct the labels, or create the network with more classes. */
  "LABEL_OUT_OF_RANGE",
  /** Batch normalization needs at least two values per channel. Use larger batches. */
  "BATCH_TOO_SMALL",
  /** A loss or gradient is NaN or infinite; no parameter was changed. Lower the learning rate, or check the data. */
  "NON_FINITE_LOSS",
  /** The object was disposed before this call. Create a new one. */
  "DISPOSED",
  /** An `AbortSignal` or Ctrl-C stopped the work after a step. Nothing is wrong: a training can be resumed. */
  "ABORTED",
  /** A file or directory does not exist. Check the path. */
  "FILE_NOT_FOUND",
  /** A file is damaged, truncated or not of its format. Use another copy, or an earlier checkpoint. */
  "FILE_CORRUPT",
  /** A file is valid, but of a format, version or type that is not supported. Convert it as the message says. */
  "FILE_UNSUPPORTED",
  /** The system refused to read or write a file. Check permissions and free disk space. */
  "FILE_ACCESS",
  /** A run directory cannot be read, written or resumed. Check its path, permissions and contents. */
  "RUN_DIRECTORY",
  /** A run is resumed with other settings than it began with. Restore them, or pass `override: true` (`--override`). */
  "RUN_MISMATCH",
  /** Another process writes to the directory. Wait for it or stop it, or choose another directory. */
  "RUN_LOCKED",
  /** A training ended that could not be saved. Free space and resume, or save the network in memory elsewhere. */
  "SAVE_FAILED",
  /** A download failed or nothing answered. Check the network and the proxy, and run the command again. */
  "DOWNLOAD_FAILED",
  /** A downloaded file differs from the pinned checksum. Download it again, or from another address. */
  "CHECKSUM_MISMATCH",
  /** No CUDA device can be used. Run `reviewkd doctor`, which says why, or use device "cpu" or "auto". */
  "CUDA_UNAVAILABLE",
  /** An optional package, libtorch or a program is missing. Install what the message names. */
  "DEPENDENCY_MISSING",
  /** The addon for this platform is not installed. Run `reviewkd doctor`, which prints the command that installs it. */
  "ADDON_NOT_FOUND",
  /** The addon is installed and does not load. Run `reviewkd doctor`, which explains why. */
  "ADDON_LOAD_FAILED",
  /** The process or thread of a worker ended during a call. Start a new one and resume from the last checkpoint. */
  "WORKER_EXITED",
  /** The CPU's or the GPU's memory does not suffice. Use a smaller batch, or more `microBatches`. */
  "OUT_OF_MEMORY",
  /** An error of this package or of libtorch that has no code of its own. Report it with its message and stack. */
  "INTERNAL",
] as const;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Options of a {@link ReviewKdError}. */
export interface ReviewKdErrorOptions {
  /** The error that led to this one. */
  readonly cause?: unknown;
  /** The accepted names, if there is a list of them. */
  readonly valid?: readonly string[];
}

/**
 * The only error type of this package: a stable `code` for programs, a message for people of the form
 * "invalid …: expected …, received …." followed by the fix and, if there is one, the list of valid names.
 *
 * @example
 * ```ts
 * try {
 *   await createModel("resnet21");
 * } catch (error) {
 *   if (isReviewKdError(error) && error.code === "UNKNOWN_NAME") console.log(error.valid);
 * }
 * ```
 */
export class ReviewKdError extends Error {
  override readonly name = "ReviewKdError";
  readonly code: ErrorCode;
  readonly valid: readonly string[];

  constructor(code: ErrorCode, message: string, options: ReviewKdErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.valid = options.valid ?? [];
  }
}

/** Whether `error` is a {@link ReviewKdError}, including one from another copy of this package. */
export function isReviewKdError(error: unknown): error is ReviewKdError {
  return error instanceof Error && error.name === "ReviewKdError" && "code" in error;
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `text` with a final period, for messages that continue after a quoted reason. */
export function asSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** An error that quotes its cause between a statement and the fix. */
export function causedBy(code: ErrorCode, statement: string, cause: unknown, fix: string): ReviewKdError {
  return new ReviewKdError(code, `${statement}: ${asSentence(messageOf(cause))} ${fix}`, { cause });
}

/** Whether an error of the file system says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
}
