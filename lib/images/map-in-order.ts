/** Applies `work` to up to `width` items at a time, including results that wait, and yields them in item order. */
export async function* mapInOrder<Item, Result>(
  items: Iterable<Item>,
  width: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, void> {
  const inFlight: Promise<Result>[] = [];
  const start = (item: Item): void => {
    const result = work(item);
    // A rejection is thrown when its turn comes; until then it must not count as unhandled.
    result.catch(() => undefined);
    inFlight.push(result);
  };
  try {
    for (const item of items) {
      start(item);
      if (inFlight.length < width) continue;
      yield await (inFlight.shift() as Promise<Result>);
    }
    for (const result of inFlight) yield await result;
  } finally {
    await Promise.allSettled(inFlight);
  }
}
