/**
 * The items of an iterable, until it or the signal ends them: also while the iterable owes an item, which it may do for ever.
 * Where it does not, it is told to return and waited for.
 */
export async function* untilAborted<Item>(items: AsyncIterable<Item> | Iterable<Item>, signal: AbortSignal): AsyncGenerator<Item, void, void> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const state = { owes: false, atEnd: false };
  let giveUp = (): void => undefined;
  const abort = (): void => { giveUp(); };
  signal.addEventListener("abort", abort, { once: true });
  const next = async (): Promise<IteratorResult<Item>> => {
    state.owes = true;
    try {
      const result = await iterator.next();
      state.atEnd = result.done === true;
      return result;
    } catch (error) {
      state.atEnd = true;
      throw error;
    } finally {
      state.owes = false;
    }
  };
  const nextOrNothing = (): Promise<IteratorResult<Item> | undefined> => new Promise((resolve, reject) => {
    giveUp = () => { resolve(undefined); };
    next().then(resolve, reject);
  });
  try {
    while (!signal.aborted) {
      const result = await nextOrNothing();
      if (result === undefined || result.done === true) return;
      yield result.value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    // A generator that owes an item takes note only when it gets to its next `yield`.
    if (state.owes) void Promise.resolve(iterator.return?.()).catch(() => undefined);
    else if (!state.atEnd) await iterator.return?.();
  }
}
