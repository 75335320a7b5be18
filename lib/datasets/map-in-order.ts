/**
 * Applies `work` to each item and yields the results in the order of the items; up to `width` items are under way at a
 * time, those that wait to be yielded among them.
 */
export async function* mapInOrder<Item, Result>(
  items: Iterable<Item>, width: number, work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, void> {
  const underWay: Promise<Result>[] = [];
  const start = (item: Item): void => {
    const result = work(item);
    // It is thrown when its turn comes; until then it must not count as unhandled.
    result.catch(() => undefined);
    underWay.push(result);
  };
  try {
    for (const item of items) {
      start(item);
      if (underWay.length < width) continue;
      yield await (underWay.shift() as Promise<Result>);
    }
    for (const result of underWay) yield await result;
  } finally {
    await Promise.allSettled(underWay);
  }
}
