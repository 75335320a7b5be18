/** Yields the items of an iterable; each next one is requested while the current one is in use. */
export async function* oneAhead<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item, void, void> {
  const iterator = items[Symbol.asyncIterator]();
  const request = (): Promise<IteratorResult<Item>> => {
    const next = iterator.next();
    // A rejection is thrown when its turn comes; until then it must not count as unhandled.
    next.catch(() => undefined);
    return next;
  };
  try {
    let pending = request();
    for (;;) {
      const result = await pending;
      if (result.done === true) return;
      pending = request();
      yield result.value;
    }
  } finally {
    await iterator.return?.();
  }
}
