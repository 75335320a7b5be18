// PyTorch's part of bench/gpu.mjs: every style in a process of its own, so that flags such as TF32 and failures of one
// do not affect another.
import { setTimeout as delay } from "node:timers/promises";
import { Baseline } from "./baseline.mjs";

const PRECISIONS = ["expert", "expert-tf32", "expert-bfloat16"];
const EXECUTIONS = ["", "-graph", "-graphed-callables"];
const COMPILED = ["-reduce-overhead", "-max-autotune"];
const REASON_CHARACTERS = 200;

/** The styles of pytorch_styles.py to compare with. */
export function stylesOf({ compiled }) {
  return ["published", "published-tf32",
    ...PRECISIONS.flatMap((name) =>
      [...EXECUTIONS, ...(compiled ? COMPILED : [])].map((execution) => name + execution)
    )];
}

/** The error's message on one line, for a table. */
export function reasonOf(error) {
  const text = error.message.replace(/\s+/g, " ");
  return text.length > REASON_CHARACTERS ? `${text.slice(0, REASON_CHARACTERS)}…` : text;
}

/**
 * Starts, captures or compiles each style and warms it up. Those that measure while they compile do so one after the
 * other. A style that fails, or that is not ready in time, is in `failures` with its reason.
 */
export async function startPeers(styles, setting, { readySeconds, progress, create = () => new Baseline() }) {
  const peers = new Map(styles.map((style) => [style, create()]));
  const failures = {};
  const prepare = async (style) => {
    const peer = peers.get(style);
    const timer = new AbortController();
    const overdue = delay(1000 * readySeconds, undefined, { signal: timer.signal }).then(() => {
      throw new Error(`not ready after ${readySeconds} s`);
    });
    overdue.catch(() => {}); // aborted when the style is ready
    try {
      await Promise.race([overdue, peer.ask("prepare", { name: style, style, ...setting }).then(() =>
        peer.ask("burst", { name: style, steps: 2 })
      )]);
      progress(`${style} is ready`);
    } catch (error) {
      failures[style] = reasonOf(error);
      progress(`${style} failed: ${failures[style]}`);
      peers.delete(style);
      peer.kill();
    } finally {
      timer.abort();
    }
  };
  const isAutotuned = (style) => style.endsWith("-max-autotune");
  await Promise.all(styles.filter((style) => !isAutotuned(style)).map(prepare));
  for (const style of styles.filter(isAutotuned)) await prepare(style);
  return { peers, failures };
}
