import { ReviewKdError } from "../errors.js";

/** @throws ReviewKdError `INVALID_ARGUMENT` where names are given, but not one for each class. */
export function refuseOtherCount(classNames: readonly string[] | undefined, numClasses: number): void {
  if (classNames === undefined || classNames.length === numClasses) return;
  throw new ReviewKdError("INVALID_ARGUMENT", `expected ${numClasses} names for classNames, got ${classNames.length}`);
}
