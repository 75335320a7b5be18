import { isCommonError, isReviewKdError, joinProcessGroup, processEnvironment, ReviewKdError,
  type ProcessGroup } from "../index.js";
import { ReportedError } from "./errors.js";
import type { Output } from "./display/output.js";
import { omitUndefined } from "./options/omit-undefined.js";

/**
 * Runs a command's work with the other processes that a launcher has started; without a launcher, alone.
 *
 * An error that all of them have is printed once on each machine. Of one that was lost while these were asked to stop,
 * as launchers do then, each of them has a notice.
 */
export async function withProcesses(
  { timeoutSeconds, signal, output }: { readonly timeoutSeconds: number | undefined; readonly signal: AbortSignal;
    readonly output: Output },
  work: (group: ProcessGroup | undefined) => Promise<void>,
): Promise<void> {
  if (processEnvironment() === undefined) return work(undefined);
  const group = await joinProcessGroup({ signal, ...omitUndefined({ timeoutSeconds }) });
  try {
    await work(group);
  } catch (error) {
    // One that was stopped while it read its data, say, is the only one that knows.
    if (!isCommonError(error)) await group.fail(error);
    const isStopped = isReviewKdError(error) && error.code === "ABORTED";
    if (isStopped || isCommonError(error)) throw isReported(group) ? new ReportedError(error) : error;
    if (signal.aborted && isReviewKdError(error) && error.code === "PROCESS_LOST") {
      // The first one of the machine may be the one that was lost.
      output.notice(`[rank ${group.rank}] ${error.message}`);
      throw new ReportedError(new ReviewKdError("ABORTED", "stopped with the other processes.", { cause: error }));
    }
    throw error;
  } finally {
    await group.leave();
  }
}

/** Whether another process of this machine prints what all have. */
function isReported({ members, rank }: ProcessGroup): boolean {
  return members.findIndex(({ host }) => host === members[rank]?.host) !== rank;
}

/** @throws ReviewKdError `INVALID_ARGUMENT` if a launcher has started this command several times. */
export function requireOneProcess(command: string): void {
  let received = "variables of several";
  try {
    const place = processEnvironment();
    if (place === undefined) return;
    const by = place.launcher === "variables" ? "RANK and WORLD_SIZE" : `the variables of ${place.launcher}`;
    received = `process ${place.rank} of ${place.size} by ${by}`;
  } catch (error) {
    if (!isReviewKdError(error) || error.code !== "PROCESS_ENVIRONMENT") throw error;
  }
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid environment of \`${command}\`: expected one process, received ${received}. Start it once. To spread a study, start \`reviewkd study cell DIR INDEX\` for each of its cells (an array of jobs), or \`${command} --queue URL\` once and \`reviewkd work URL\` as often as there is room for. With RANK=0 WORLD_SIZE=1 the variables of a launcher do not count.`);
}

/** The output of a process that is not the first one: notices alone, which say whose they are. */
export function outputOf(group: ProcessGroup | undefined, output: Output): Output {
  if (group === undefined || group.rank === 0) return output;
  return { json: output.json, interactive: false, line() {}, event() {}, notice: (text) => {
    output.notice(`[rank ${group.rank}] ${text.trimStart()}`);
  } };
}
