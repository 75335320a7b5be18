import { isReviewKdError, type ErrorCode, type ReviewKdError } from "../../lib/index.js";

/** The error that `action` fails with, which must be of this package and carry `code`. */
export async function failureOf(code: ErrorCode, action: () => unknown): Promise<ReviewKdError> {
  try {
    await action();
  } catch (error) {
    if (isReviewKdError(error) && error.code === code) return error;
    throw error;
  }
  throw new Error(`expected an error with the code ${code}, got none`);
}
