import { isReviewKdError, type ErrorCode, type ReviewKdError } from "../../lib/index.js";

/** The error of `action`, which must be a ReviewKdError with `code`. */
export async function failureOf(code: ErrorCode, action: () => unknown): Promise<ReviewKdError> {
  try {
    await action();
  } catch (error) {
    if (isReviewKdError(error) && error.code === code) return error;
    throw error;
  }
  throw new Error(`invalid outcome: expected an error with the code ${code}, received none.`);
}
