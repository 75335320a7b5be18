import { readFile } from "node:fs/promises";
import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import type { Running } from "../helpers.js";

/**
 * Waits until a command listens for signals: before that, they would end it. Linux alone says so; of SIGHUP, which Node
 * does not catch by itself.
 */
export async function untilListening({ child, finished }: Running): Promise<void> {
  const state = { hasEnded: false };
  void finished.then(() => {
    state.hasEnded = true;
  });
  while (!state.hasEnded) {
    const status = await readFile(`/proc/${child.pid}/status`, "utf8").catch(() => "");
    const caught = BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
    if ((caught >> BigInt(constants.signals.SIGHUP - 1)) % 2n === 1n) return;
    await delay(20);
  }
}
