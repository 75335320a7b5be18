import { ReviewKdError } from "../errors.js";

/** @throws ReviewKdError `INVALID_ARGUMENT` if names are given, but not exactly one per class. */
export function assertNamePerClass(classNames: readonly string[] | undefined, numClasses: number): void {
  if (classNames === undefined || classNames.length === numClasses) return;
  const message =
    `invalid classNames: expected ${numClasses} names, received ${classNames.length}. Pass one name per class.`;
  throw new ReviewKdError("INVALID_ARGUMENT", message);
}
