import { allowEndWithoutTerminal, isHangUpIgnored } from "../index.js";
import { handleFailedOutput } from "./display/failed-output.js";
import { EXIT } from "./errors.js";
import { endByDefault, endDespiteSignals } from "./interrupt.js";
import { runCli } from "./run-cli.js";

/** Prepares this process for its end, however it comes, and runs its command line. */
export async function start(): Promise<void> {
  handleFailedOutput(process);
  allowEndWithoutTerminal();
  endByDefault();
  // Node ends by SIGHUP even if it is started to ignore it.
  if (isHangUpIgnored()) process.on("SIGHUP", () => undefined);

  process.exitCode = await runCli(process.argv.slice(2));
  if (process.exitCode === EXIT.interrupted) endDespiteSignals();
}
