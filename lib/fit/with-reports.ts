/** Work for {@link withReports}: may call `report` at any rate, and stops early once `signal` is aborted. */
export type ReportingWork<Report, Result> = (report: (value: Report) => void, signal: AbortSignal) => Promise<Result>;

/**
 * Runs `work` and yields its reports, at most one per `intervalMs`. If reports arrive faster than they are consumed,
 * the newest replaces the waiting one; the last one is always yielded. If the consumer stops early, the work is aborted
 * and awaited.
 */
export async function* withReports<Report, Result>(
  work: ReportingWork<Report, Result>,
  { intervalMs, signal }: { readonly intervalMs: number; readonly signal?: AbortSignal | undefined },
): AsyncGenerator<Report, Result, void> {
  const stop = new AbortController();
  const forward = (): void => {
    stop.abort(signal?.reason);
  };
  signal?.addEventListener("abort", forward, { once: true });
  if (signal?.aborted === true) forward();

  const state: State<Report> = { waiting: [], settled: false, wake: () => undefined };
  const result = work((value) => {
    state.waiting = [value];
    state.wake();
  }, stop.signal).finally(() => {
    state.settled = true;
    state.wake();
  });
  // A rejection is rethrown below; until then it must not count as unhandled.
  result.catch(() => undefined);

  let quietUntil = 0;
  try {
    for (;;) {
      const restMs = quietUntil - performance.now();
      if (state.waiting.length > 0 && (state.settled || restMs <= 0)) {
        const taken = state.waiting;
        state.waiting = [];
        quietUntil = performance.now() + intervalMs;
        yield* taken;
      } else if (state.settled) {
        return await result;
      } else {
        await wokenBy(state, state.waiting.length > 0 ? restMs : undefined);
      }
    }
  } finally {
    signal?.removeEventListener("abort", forward);
    if (!state.settled) {
      stop.abort();
      await result.catch(() => undefined);
    }
  }
}

interface State<Report> {
  /** Empty, or the newest report. */
  waiting: Report[];
  settled: boolean;
  wake: () => void;
}

/** Resolves at the end or the next report; with a timeout, given if a report waits, after it instead of a report. */
function wokenBy(state: State<unknown>, timeoutMs: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
    state.wake = () => {
      if (timer !== undefined && !state.settled) return;
      clearTimeout(timer);
      resolve();
    };
  });
}
