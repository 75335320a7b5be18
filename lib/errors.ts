/**
 * Every code that a {@link ReviewKdError} can carry. The list is closed: native code uses a subset of it
 * (a test compares the two), so a `switch` over `error.code` can be exhaustive.
 */
export const ERROR_CODES = [
  "INVALID_ARGUMENT",
  "UNKNOWN_NAME",
  "CONFIG_INVALID",
  "SHAPE_MISMATCH",
  "DTYPE_MISMATCH",
  "DEVICE_MISMATCH",
  "STATE_DICT_MISMATCH",
  "LABEL_OUT_OF_RANGE",
  "BATCH_TOO_SMALL",
  "NON_FINITE_LOSS",
  "DISPOSED",
  "ABORTED",
  "FILE_NOT_FOUND",
  "FILE_CORRUPT",
  "FILE_UNSUPPORTED",
  "FILE_ACCESS",
  "RUN_DIRECTORY",
  "RUN_MISMATCH",
  "RUN_LOCKED",
  "SAVE_FAILED",
  "DOWNLOAD_FAILED",
  "CHECKSUM_MISMATCH",
  "CUDA_UNAVAILABLE",
  "DEPENDENCY_MISSING",
  "ADDON_NOT_FOUND",
  "ADDON_LOAD_FAILED",
  "WORKER_EXITED",
  "OUT_OF_MEMORY",
  "INTERNAL",
] as const;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Options of a {@link ReviewKdError}. */
export interface ReviewKdErrorOptions extends ErrorOptions {
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
