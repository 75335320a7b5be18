/** npm forwards a Ctrl-C that its child has received: another signal within this time is the same key press. */
const ECHO_MS = 400;

/** Signals that mean the same however often they arrive; another Ctrl-C or SIGTERM is impatience. */
const ONCE: ReadonlySet<NodeJS.Signals> = new Set(["SIGHUP", "SIGUSR1"]);

/** Passes on the signals that this process receives, each key press once, until disposed. */
export function forwardSignals(signals: readonly NodeJS.Signals[],
  forward: (signal: NodeJS.Signals) => void): Disposable {
  const forwarded = new Set<NodeJS.Signals>();
  let lastAt = -Infinity;
  const listener = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (now - lastAt <= ECHO_MS || (ONCE.has(signal) && forwarded.has(signal))) return;
    lastAt = now;
    forwarded.add(signal);
    forward(signal);
  };
  for (const signal of signals) process.on(signal, listener);
  return {
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, listener);
    },
  };
}
