// Errors of loading weights name the option that helps; in a run's configuration it belongs to one of its networks.
import { isReviewKdError, ReviewKdError } from "../errors.js";

/** The part of a network in a run's configuration, which is its key there. */
export type NetworkRole = "model" | "teacher" | "student";

/** A sentence that proposes to load weights in part, of which a teacher learns nothing. */
const IN_PART = / (?:Leave the others aside with )?`strict: false`[^.]*\./;

/**
 * An error of loading a network's weights with the options that it proposes as the run's configuration has them, and
 * the network that it is about.
 */
function adviceFor(role: NetworkRole, error: unknown): unknown {
  return reworded(error, (message) =>
    (role === "teacher" ? message.replace(IN_PART, "") : message)
      .replaceAll("`key`", `\`${role}.key\``).replaceAll("`strict: false`", `\`${role}.strict: false\``)
      .replace(/^invalid weights (?=\S)/, role === "model" ? "invalid weights " : `invalid weights of the ${role}, `));
}

/** The result of work with a network's weights; an error gives advice for the run's configuration. */
export async function withAdvice<T>(role: NetworkRole, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw adviceFor(role, error);
  }
}

/** The same error without the proposal to load weights in part, where nothing good comes of it. */
export function withoutPartialAdvice(error: unknown): unknown {
  return reworded(error, (message) => message.replace(IN_PART, ""));
}

function reworded(error: unknown, change: (message: string) => string): unknown {
  if (!isReviewKdError(error)) return error;
  const message = change(error.message);
  return message === error.message ? error
    : new ReviewKdError(error.code, message, { valid: error.valid, cause: error });
}
