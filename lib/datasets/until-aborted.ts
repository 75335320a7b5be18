import { readValues, valueText } from "../config/validation.js";
import { ReviewKdError } from "../errors.js";

/**
 * Yields the items of a stream's iterable until it ends or the signal is aborted, even while an item is pending, which
 * may never arrive. If no item is pending, the iterator's `return` is called and awaited.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT` for an object that only looks like an iterable.
 */
export async function* untilAborted<Item>(items: AsyncIterable<Item> | Iterable<Item>,
  signal: AbortSignal): AsyncGenerator<Item, void, void> {
  const iterator = iteratorOf(items);
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
      assertResult(result);
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
      assertAwaitable(result.value);
      yield result.value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    // A generator with a pending item sees the return only at its next `yield`.
    if (state.pending) void Promise.resolve(iterator.return?.()).catch(() => undefined);
    else if (!state.atEnd) await iterator.return?.();
  }
}

/** The types rule out anything else; plain JavaScript does not. */
function iteratorOf<Item>(items: AsyncIterable<Item> | Iterable<Item>): AsyncIterator<Item> | Iterator<Item> {
  const given = items as Partial<AsyncIterable<Item> & Iterable<Item>>;
  const method: unknown = given[Symbol.asyncIterator] ?? given[Symbol.iterator];
  if (typeof method !== "function") {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid iterable of a stream: expected a function as its [Symbol.asyncIterator] or [Symbol.iterator], received ${valueText(method)}. Pass a generator, or an array of items.`);
  }
  const iterator: unknown = method.call(items);
  if (isObject(iterator) && typeof (iterator as { next?: unknown }).next === "function")
    return iterator as AsyncIterator<Item> | Iterator<Item>;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid iterable of a stream: expected an iterator with a function next(), received ${valueText(iterator)}. Pass a generator, or an array of items.`);
}

function assertResult(result: unknown): void {
  if (isObject(result)) return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid result of next() of a stream: expected an object with done and value, received ${valueText(result)}. Pass a generator, or an array of items.`);
}

/** To yield an item is to await it, which reads whether it has a `then`. */
function assertAwaitable(item: unknown): void {
  readValues(() => isObject(item) && (item as { then?: unknown }).then, "item of a stream");
}

function isObject(value: unknown): boolean {
  return typeof value === "function" || (typeof value === "object" && value !== null);
}
