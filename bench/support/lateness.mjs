// How late a timer is while other work runs in its process.

export const INTERVAL_MS = 5;

const quantile = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)];

/** Records the lateness of each tick: time since the previous tick, less the interval. */
function recordLateness() {
  const lateness = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    lateness.push(Math.max(0, now - last - INTERVAL_MS));
    last = now;
  }, INTERVAL_MS);
  return () => {
    clearInterval(timer);
    // A tick that has not fired yet counts as well.
    lateness.push(Math.max(0, performance.now() - last - INTERVAL_MS));
    return lateness.sort((a, b) => a - b);
  };
}

/** Runs `work` and returns what a timer saw, with what `work` returns. Disposes of `owners` at the end. */
export async function measured(work, ...owners) {
  const stop = recordLateness();
  const started = performance.now();
  const about = await work();
  const seconds = (performance.now() - started) / 1000;
  const lateness = stop();
  for (const owner of owners) owner.dispose();
  return { ticks: lateness.length, medianMs: quantile(lateness, 0.5), p90Ms: quantile(lateness, 0.9),
    p99Ms: quantile(lateness, 0.99), maxMs: lateness.at(-1), seconds, ...about };
}
