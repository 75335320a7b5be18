/**
 * Yields the items of an iterable until it ends or the signal is aborted, even while an item is pending, which may
 * never arrive. If no item is pending, the iterator's `return` is called and awaited.
 */
export async function* untilAborted<Item>(items: AsyncIterable<Item> | Iterable<Item>,
  signal: AbortSignal): AsyncGenerator<Item, void, void> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const state = { pending: false, atEnd: false };
  let giveUp = (): void => undefined;
  const abort = (): void => {
    giveUp();
  };
  signal.addEventListener("abort", abort, { once: true });
  const next = async (): Promise<IteratorResult<Item>> => {
    state.pending = true;
    try {
      const result = await iterator.next();
      state.atEnd = result.done === true;
      return result;
    } catch (error) {
      state.atEnd = true;
      throw error;
    } finally {
      state.pending = false;
    }
  };
  const nextOrAbort = (): Promise<IteratorResult<Item> | undefined> =>
    new Promise((resolve, reject) => {
      giveUp = () => {
        resolve(undefined);
      };
      next().then(resolve, reject);
    });
  try {
    while (!signal.aborted) {
      const result = await nextOrAbort();
      if (result === undefined || result.done === true) return;
      yield result.value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    // A generator with a pending item sees the return only at its next `yield`.
    if (state.pending) void Promise.resolve(iterator.return?.()).catch(() => undefined);
    else if (!state.atEnd) await iterator.return?.();
  }
}
